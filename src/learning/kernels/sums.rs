//! Sums in an order that never changes.

use super::lanes::{Kernel, Lanes, Level, with_lanes};

/// Sums over all but axis 1 of `[batch, channels, ..]`.
pub(super) fn channel_sums(level: Level, x: &[f32], batch: usize, channels: usize) -> Vec<f32> {
    let area = x.len() / (batch * channels).max(1);
    (0..channels)
        .map(|c| (0..batch).map(|n| with_lanes(level, Sum(&x[(n * channels + c) * area..][..area]))).sum())
        .collect()
}

struct Sum<'a>(&'a [f32]);

impl Kernel for Sum<'_> {
    type Output = f32;
    #[inline(always)]
    unsafe fn run<V: Lanes>(self) -> f32 {
        // SAFETY: the trait's contract, and chunks of exactly four vectors.
        unsafe {
            let mut sums = [V::splat(0.0); 4];
            let mut chunks = self.0.chunks_exact(4 * V::WIDTH);
            for chunk in chunks.by_ref() {
                for (k, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.add(V::load(chunk.as_ptr().add(k * V::WIDTH)));
                }
            }
            let [a, b, c, d] = sums;
            a.add(b).add(c.add(d)).sum() + chunks.remainder().iter().sum::<f32>()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_channels_are_exact_for_whole_numbers() {
        let (batch, channels, area) = (3, 2, 77);
        let x: Vec<f32> = (0..batch * channels * area).map(|k| (k % 13) as f32 - 4.0).collect();
        let wanted: Vec<f32> =
            (0..channels).map(|c| (0..batch).flat_map(|n| &x[(n * channels + c) * area..][..area]).sum()).collect();
        for level in Level::available() {
            assert_eq!(channel_sums(level, &x, batch, channels), wanted, "{level:?}");
        }
    }
}
