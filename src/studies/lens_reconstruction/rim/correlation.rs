//! How much of a map is right, by the size of its structures: the cross-correlation coefficient of two maps per spatial frequency.

use ndarray::ArrayRef2;
use rustfft::FftPlanner;
use rustfft::num_complex::Complex64;

/// Bins of spatial frequency, as the authors of the network use.
const BINS: usize = 40;

/// The coefficient in one bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    /// Spatial frequency, cycles a pixel.
    pub frequency: f64,
    /// `sum conj(X) Y / sqrt(sum |X|^2 sum |Y|^2)`: 1 for the same structures, 0 for none in common, negative for opposite ones.
    pub signed: f64,
    /// The same with the modulus of each mode, as published: it counts structures in the wrong place as right, and noise is never 0.
    pub modulus: f64,
}

/// Coefficients of two maps of one shape, `[y, x]`, their means left out; bins without power or modes are left out.
pub fn correlations(a: &ArrayRef2<f32>, b: &ArrayRef2<f32>) -> Vec<Correlation> {
    let (rows, columns) = a.dim();
    if b.dim() != (rows, columns) || rows < 2 || columns < 2 {
        return Vec::new();
    }
    let (x, y) = (transform(a), transform(b));
    let mut sums = [[0.0; 5]; BINS];
    let fold = |k: usize, n: usize| if 2 * k > n { k as f64 - n as f64 } else { k as f64 } / n as f64;
    for (place, (x, y)) in x.iter().zip(&y).enumerate() {
        let frequency = fold(place % columns, columns).hypot(fold(place / columns, rows));
        let bin = (2.0 * frequency * BINS as f64) as usize;
        if place == 0 || bin >= BINS {
            continue;
        }
        let cross = x.conj() * y;
        let own = &mut sums[bin];
        own[0] += cross.re;
        own[1] += cross.norm();
        own[2] += x.norm_sqr();
        own[3] += y.norm_sqr();
        own[4] += 1.0;
    }
    sums.iter()
        .enumerate()
        .filter(|(_, s)| s[4] > 0.0 && s[2] > 0.0 && s[3] > 0.0)
        .map(|(bin, s)| {
            let norm = (s[2] * s[3]).sqrt();
            Correlation { frequency: (bin as f64 + 0.5) / (2 * BINS) as f64, signed: s[0] / norm, modulus: s[1] / norm }
        })
        .collect()
}

/// Fourier transform of a map without its mean; what is not finite counts as the mean.
fn transform(map: &ArrayRef2<f32>) -> Vec<Complex64> {
    let (rows, columns) = map.dim();
    let finite = || map.iter().filter(|v| v.is_finite());
    let mean = finite().map(|v| f64::from(*v)).sum::<f64>() / finite().count().max(1) as f64;
    let value = |v: &f32| if v.is_finite() { f64::from(*v) - mean } else { 0.0 };
    let mut planner = FftPlanner::new();
    let mut out: Vec<Complex64> = map.iter().map(|v| Complex64::new(value(v), 0.0)).collect();
    planner.plan_fft_forward(columns).process(&mut out);
    let mut turned: Vec<Complex64> = (0..rows * columns).map(|p| out[p % rows * columns + p / rows]).collect();
    planner.plan_fft_forward(rows).process(&mut turned);
    (0..rows * columns).map(|p| turned[p % columns * rows + p / columns]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;
    use ndarray::Array2;

    #[test]
    fn the_same_is_one_the_opposite_is_minus_one_and_noise_tells_the_two_apart() {
        let mut stream = random::stream(3, "test", 0);
        let mut noise = || Array2::from_shape_fn((64, 48), |_| random::normal(&mut stream) as f32);
        let (a, b) = (noise(), noise());
        let same = correlations(&a, &a);
        assert!(
            same.len() > 35 && same.iter().all(|c| (c.signed - 1.0).abs() < 1e-9 && (c.modulus - 1.0).abs() < 1e-9)
        );
        assert!(correlations(&a, &a.mapv(|v| -2.0 * v)).iter().all(|c| (c.signed + 1.0).abs() < 1e-6));
        let other = correlations(&a, &b);
        let mean = |of: fn(&Correlation) -> f64| other.iter().map(of).sum::<f64>() / other.len() as f64;
        // The published modulus takes two noises for related: pi / 4 for Gaussian modes.
        assert!(mean(|c| c.signed).abs() < 0.1 && (mean(|c| c.modulus) - 0.785).abs() < 0.05);
        assert!(correlations(&a, &Array2::zeros((3, 3))).is_empty());
    }

    #[test]
    fn a_wave_stands_in_its_bin() {
        let wave = |phase: f32| {
            Array2::from_shape_fn((64, 64), |(_, i)| (std::f32::consts::TAU * 8.0 * i as f32 / 64.0 + phase).sin())
        };
        let found = correlations(&wave(0.0), &wave(0.5));
        let strongest = found.iter().find(|c| (c.frequency - 0.125).abs() < 0.013).unwrap();
        assert!((strongest.signed - 0.5f64.cos()).abs() < 1e-3, "{strongest:?}");
    }
}
