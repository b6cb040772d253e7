//! The three products as plain loops in `f64`: what the kernels are tested against.

use super::geometry::Geometry;

/// Calls `f(small, big, weight)` with the indices of every pair that meets.
pub(super) fn each_pair(g: &Geometry, mut f: impl FnMut(usize, usize, usize)) {
    let [kz, ky, kx] = g.kernel;
    for n in 0..g.batch {
        for s in 0..g.small_channels {
            for b in 0..g.big_channels {
                for at in 0..g.small_len() {
                    let small = [at / (g.small[1] * g.small[2]), at / g.small[2] % g.small[1], at % g.small[2]];
                    for tap in 0..g.taps() {
                        let d = [tap / (ky * kx), tap / kx % ky, tap % kx];
                        let met: [isize; 3] =
                            std::array::from_fn(|a| (g.stride[a] * small[a] + d[a]) as isize - g.padding[a] as isize);
                        if (0..3).all(|a| (0..g.big[a] as isize).contains(&met[a])) {
                            let [z, y, x] = met.map(|v| v as usize);
                            f(
                                (n * g.small_channels + s) * g.small_len() + at,
                                (n * g.big_channels + b) * g.big_len() + (z * g.big[1] + y) * g.big[2] + x,
                                (s * g.big_channels + b) * kz * ky * kx + tap,
                            );
                        }
                    }
                }
            }
        }
    }
}

/// Gather without bias.
pub(super) fn gather(g: &Geometry, big: &[f32], weight: &[f32]) -> Vec<f64> {
    let mut out = vec![0.0; g.batch * g.small_channels * g.small_len()];
    each_pair(g, |s, b, w| out[s] += f64::from(big[b]) * f64::from(weight[w]));
    out
}

/// Spread without bias.
pub(super) fn spread(g: &Geometry, small: &[f32], weight: &[f32]) -> Vec<f64> {
    let mut out = vec![0.0; g.batch * g.big_channels * g.big_len()];
    each_pair(g, |s, b, w| out[b] += f64::from(small[s]) * f64::from(weight[w]));
    out
}

/// Correlate.
pub(super) fn correlate(g: &Geometry, small: &[f32], big: &[f32]) -> Vec<f64> {
    let mut out = vec![0.0; g.small_channels * g.big_channels * g.taps()];
    each_pair(g, |s, b, w| out[w] += f64::from(small[s]) * f64::from(big[b]));
    out
}
