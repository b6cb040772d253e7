//! What distinguishes a real mass map from a smooth ellipse: the numbers that the prior is calibrated to.
//!
//! A power-law ellipse is fitted to the logarithm of the convergence at 0.4 to 3 arcsec from its peak; the rest is measured by its scatter, by the
//! scatter that is left when it is smoothed, and by its power spectrum.

use std::ops::ControlFlow;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex64;

use super::imaging::pixel_gaussian;
use crate::numerics::convolution::{Convolver, Method, Scratch};
use crate::numerics::levenberg_marquardt::{LeastSquares, NormalEquations, Options, fit};
use crate::numerics::statistics::median;

/// Radii from the peak between which a map is measured (arcsec).
const ANNULUS: [f64; 2] = [0.4, 3.0];
/// Standard deviation of the smoothing that separates fine structure: two pixels of the TNG maps (arcsec).
const FINE_ARCSEC: f64 = 0.12;
/// Frequencies over which the slope of the power spectrum is fitted (1 / arcsec), and the number of bins, equal in the logarithm.
const FREQUENCIES: [f64; 2] = [0.4, 4.0];
const BINS: usize = 8;
/// Standard deviation of a normal distribution over its median absolute deviation.
const NORMAL_OVER_MAD: f64 = 1.4826;

/// Statistics of a convergence map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapStatistics {
    /// Axis ratio of the fitted ellipse.
    pub axis_ratio: f64,
    /// Logarithmic slope of the three-dimensional density, 1 more than that of the convergence.
    pub slope: f64,
    /// Standard deviation of the logarithm of the convergence over the fitted ellipse.
    pub scatter: f64,
    /// The same by the median absolute deviation, which satellites do not move.
    pub sturdy_scatter: f64,
    /// Standard deviation of what a Gaussian of 0.12 arcsec smooths away.
    pub fine_scatter: f64,
    /// Logarithmic slope of the power spectrum of the residuals, these clipped at four sturdy standard deviations.
    pub power_slope: f64,
}

/// A point of the map: position from the peak (arcsec), logarithm of the convergence.
type Point = [f64; 3];

/// `c - t / 2 ln R^2`, parameters `[c, t, e1, e2, x, y]`.
struct Ellipse<'a>(&'a [Point]);

/// Softening of the squared radius: the peak is outside of what is fitted.
const SOFTENING: f64 = 1e-4;

/// The logarithm of the convergence of the ellipse, and its derivatives by the parameters.
fn ellipse([c, t, e1, e2, x0, y0]: [f64; 6], [x, y]: [f64; 2]) -> (f64, [f64; 6]) {
    let (x, y) = (x - x0, y - y0);
    let (e, square) = (e1 * e1 + e2 * e2, x * x + y * y);
    let (cosine, sine) = (x * x - y * y, 2.0 * x * y);
    let numerator = (1.0 + e) * square - 2.0 * (e1 * cosine + e2 * sine);
    let radius2 = numerator / (1.0 - e) + SOFTENING;
    let log = radius2.ln();
    let by_e = |ei: f64, along: f64| {
        (2.0 * ei * square - 2.0 * along) / (1.0 - e) + numerator * 2.0 * ei / ((1.0 - e) * (1.0 - e))
    };
    let by_x = -(2.0 * (1.0 + e) * x - 4.0 * (e1 * x + e2 * y)) / (1.0 - e);
    let by_y = -(2.0 * (1.0 + e) * y - 4.0 * (e2 * x - e1 * y)) / (1.0 - e);
    let outer = -0.5 * t / radius2;
    let gradient = [1.0, -0.5 * log, outer * by_e(e1, cosine), outer * by_e(e2, sine), outer * by_x, outer * by_y];
    (c - 0.5 * t * log, gradient)
}

fn six(x: &[f64]) -> [f64; 6] {
    std::array::from_fn(|k| x[k])
}

impl LeastSquares for Ellipse<'_> {
    fn parameters(&self) -> usize {
        6
    }

    fn sum_of_squares(&mut self, x: &mut [f64]) -> f64 {
        let p = six(x);
        self.0.iter().map(|[x, y, log]| (ellipse(p, [*x, *y]).0 - log).powi(2)).sum()
    }

    fn normal_equations(&mut self, x: &[f64], out: &mut NormalEquations) {
        let (p, rows) = (six(x), self.0.len());
        let mut jacobian = vec![0.0; 6 * rows];
        let mut residuals = vec![0.0; rows];
        for (row, [x, y, log]) in self.0.iter().enumerate() {
            let (value, gradient) = ellipse(p, [*x, *y]);
            residuals[row] = value - log;
            for (k, g) in gradient.iter().enumerate() {
                jacobian[k * rows + row] = *g;
            }
        }
        out.add_rows(&jacobian, &residuals);
    }
}

/// Measures a square convergence map, row by row, with pixels of `step` arcsec. `None` for a map with values that are not positive, or
/// too small to hold the annulus.
pub fn measure(convergence: &[f64], pixels: usize, step: f64) -> Option<MapStatistics> {
    if pixels * pixels != convergence.len() || convergence.iter().any(|k| !(k.is_finite() && *k > 0.0)) {
        return None;
    }
    let smooth = Smoother::new(pixels, 1.0);
    let peaked = smooth.apply(convergence);
    let peak = (0..peaked.len()).max_by(|a, b| peaked[*a].total_cmp(&peaked[*b]))?;
    let place = |k: usize| -> [f64; 2] {
        [(k % pixels) as f64 - (peak % pixels) as f64, (k / pixels) as f64 - (peak / pixels) as f64].map(|d| d * step)
    };
    let inside = |k: &usize| {
        let [x, y] = place(*k);
        (ANNULUS[0]..ANNULUS[1]).contains(&x.hypot(y))
    };
    let places: Vec<usize> = (0..convergence.len()).filter(inside).collect();
    let points: Vec<Point> = places
        .iter()
        .map(|k| {
            let [x, y] = place(*k);
            [x, y, convergence[*k].ln()]
        })
        .collect();
    if points.len() < 100 {
        return None;
    }
    let (p, residuals) = without_ellipse(&points);
    let sturdy = sturdy_scatter(&residuals)?;
    let ellipticity = p[2].hypot(p[3]);
    Some(MapStatistics {
        axis_ratio: (1.0 - ellipticity) / (1.0 + ellipticity),
        slope: 1.0 + p[1],
        scatter: scatter(&residuals),
        sturdy_scatter: sturdy,
        fine_scatter: fine_scatter(&residuals, &places, pixels, step),
        power_slope: {
            let taper = |k: usize| {
                let [x, y] = place(k);
                let radius = x.hypot(y);
                ((radius - ANNULUS[0]) / 0.2).min((ANNULUS[1] - radius) / 0.4).clamp(0.0, 1.0)
            };
            let mut map = vec![0.0; convergence.len()];
            for (k, value) in places.iter().zip(&residuals) {
                map[*k] = value.clamp(-4.0 * sturdy, 4.0 * sturdy) * taper(*k);
            }
            power_slope(&map, pixels, step)?
        },
    })
}

/// The best ellipse, `[c, t, e1, e2, x, y]`, and what points (position from about the centre in arcsec, logarithm of the convergence) have over it.
fn without_ellipse(points: &[Point]) -> ([f64; 6], Vec<f64>) {
    let bounds = [10.0, 4.0, 0.65, 0.65, 0.4, 0.4];
    let options = Options {
        lower: bounds.map(|b: f64| -b).to_vec(),
        upper: bounds.to_vec(),
        relative_tolerance: 1e-8,
        ..Options::unbounded(6)
    };
    let fitted =
        fit(&mut Ellipse(points), &[-0.7, 1.0, 0.0, 0.0, 0.0, 0.0], &options, |_, _| ControlFlow::Continue(()));
    let p = six(&fitted.parameters);
    let residuals = points.iter().map(|[x, y, log]| log - ellipse(p, [*x, *y]).0).collect();
    (p, residuals)
}

/// What the logarithm of a convergence has over its best elliptical power law, at points given by position from about the centre (arcsec)
/// and that logarithm.
pub fn structure(points: &[[f64; 3]]) -> Vec<f64> {
    without_ellipse(points).1
}

fn scatter(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt()
}

fn sturdy_scatter(values: &[f64]) -> Option<f64> {
    let middle = median(&mut values.to_vec())?;
    let mut deviations: Vec<f64> = values.iter().map(|v| (v - middle).abs()).collect();
    Some(NORMAL_OVER_MAD * median(&mut deviations)?)
}

/// Convolution with a round Gaussian.
struct Smoother {
    convolver: Convolver,
}

impl Smoother {
    /// Of a standard deviation in pixels.
    fn new(pixels: usize, sigma: f64) -> Self {
        let kernel = pixel_gaussian(sigma * (8.0 * std::f64::consts::LN_2).sqrt(), 1.0);
        Self { convolver: Convolver::with_method(&kernel, [pixels, pixels], Method::Separable) }
    }

    fn apply(&self, map: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; map.len()];
        self.convolver.apply(map, &mut out, &mut Scratch::default());
        out
    }
}

/// Scatter of the residuals about their smoothed selves, which count only pixels of the annulus.
fn fine_scatter(residuals: &[f64], places: &[usize], pixels: usize, step: f64) -> f64 {
    let smoother = Smoother::new(pixels, FINE_ARCSEC / step);
    let (mut map, mut mask) = (vec![0.0; pixels * pixels], vec![0.0; pixels * pixels]);
    for (k, value) in places.iter().zip(residuals) {
        (map[*k], mask[*k]) = (*value, 1.0);
    }
    let (map, mask) = (smoother.apply(&map), smoother.apply(&mask));
    let fine: Vec<f64> = places.iter().zip(residuals).map(|(k, v)| v - map[*k] / mask[*k].max(1e-9)).collect();
    scatter(&fine)
}

/// Slope of the logarithm of the power, averaged over directions, against that of the frequency: a line through the bins.
fn power_slope(map: &[f64], pixels: usize, step: f64) -> Option<f64> {
    let fft = FftPlanner::new().plan_fft_forward(pixels);
    let mut modes: Vec<Complex64> = map.iter().map(|v| Complex64::new(*v, 0.0)).collect();
    fft.process(&mut modes);
    let mut turned: Vec<Complex64> = (0..modes.len()).map(|k| modes[k % pixels * pixels + k / pixels]).collect();
    fft.process(&mut turned);
    let length = pixels as f64 * step;
    let frequency = |k: usize| (if k > pixels / 2 { k as f64 - pixels as f64 } else { k as f64 }) / length;
    // Not beyond the corners' own frequencies: half of one over the pixel.
    let [low, high] = [FREQUENCIES[0], FREQUENCIES[1].min(0.5 / step)];
    let mut bins = [[0.0; 2]; BINS];
    for (k, mode) in turned.iter().enumerate() {
        let f = frequency(k % pixels).hypot(frequency(k / pixels));
        if f >= low && f < high {
            let bin = ((f / low).ln() / (high / low).ln() * BINS as f64) as usize;
            let [sum, count] = &mut bins[bin.min(BINS - 1)];
            *sum += mode.norm_sqr();
            *count += 1.0;
        }
    }
    let line: Vec<[f64; 2]> = bins
        .iter()
        .enumerate()
        .filter(|(_, [sum, count])| *count > 0.0 && *sum > 0.0)
        .map(|(k, [sum, count])| [(k as f64 + 0.5) / BINS as f64 * (high / low).ln(), (sum / count).ln()])
        .collect();
    let n = line.len() as f64;
    let mean = [0, 1].map(|axis| line.iter().map(|p| p[axis]).sum::<f64>() / n);
    let [xy, xx] = [1, 0].map(|axis| line.iter().map(|p| (p[0] - mean[0]) * (p[axis] - mean[axis])).sum::<f64>());
    (xx > 0.0).then_some(xy / xx)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;
    use crate::studies::lens_reconstruction::rim::prior::{FIELD_ARCSEC, Prior, PriorSettings};

    /// A power-law ellipse off the centre is found as it was made, with nothing left; white noise on it is found as its scatter and a flat spectrum.
    #[test]
    fn a_known_map_has_its_known_statistics() {
        let (n, step) = (128, 0.06);
        let place = |k: usize| (k as f64 - 63.5) * step;
        let map = |noise: f64| -> Vec<f64> {
            let mut deviates = vec![0.0; n * n];
            random::fill_normal(&mut random::stream(1, "statistics", 0), &mut deviates);
            (0..n * n)
                .map(|k| {
                    let p = [-0.5, 1.2, 0.1, -0.05, 0.07, -0.11];
                    (ellipse(p, [place(k % n), place(k / n)]).0 + noise * deviates[k]).exp()
                })
                .collect()
        };
        let ellipticity = 0.1f64.hypot(0.05);
        let clean = measure(&map(1e-5), n, step).unwrap();
        assert!((clean.axis_ratio - (1.0 - ellipticity) / (1.0 + ellipticity)).abs() < 1e-6);
        assert!((clean.slope - 2.2).abs() < 1e-6 && clean.scatter < 1.1e-5, "{clean:?}");
        let noisy = measure(&map(0.05), n, step).unwrap();
        assert!((noisy.scatter - 0.05).abs() < 0.002 && (noisy.sturdy_scatter - 0.05).abs() < 0.002);
        // A Gaussian of s pixels keeps 1 / (4 pi s^2) of white variance; the pixel itself takes part: 1 - 2 / (2 pi s^2) + 1 / (4 pi s^2).
        let expected = 0.05 * (1.0 - 0.75 / (std::f64::consts::PI * 4.0)).sqrt();
        assert!((noisy.fine_scatter - expected).abs() < 0.002, "{} {expected}", noisy.fine_scatter);
        assert!(noisy.power_slope.abs() < 0.2, "{}", noisy.power_slope);
        assert_eq!(measure(&vec![0.0; n * n], n, step), None);
    }

    #[test]
    fn derivatives_of_the_ellipse_agree_with_finite_differences() {
        let (p, place, h) = ([-0.5, 1.2, 0.1, -0.05, 0.07, -0.11], [0.8, 1.3], 1e-6);
        let (_, gradient) = ellipse(p, place);
        for (k, expected) in gradient.iter().enumerate() {
            let shifted = |by: f64| {
                let mut q = p;
                q[k] += by;
                ellipse(q, place).0
            };
            let found = (shifted(h) - shifted(-h)) / (2.0 * h);
            assert!((found - expected).abs() < 1e-7, "{k}: {found} {expected}");
        }
    }

    /// Ranges of the four TNG maps (see [`super::super`]); the middle of 200 lenses lies in each.
    #[test]
    fn the_prior_has_the_statistics_of_the_real_maps() {
        let pixels = 128;
        let prior = Prior::new(PriorSettings { pixels, ..PriorSettings::default() });
        let found: Vec<MapStatistics> = (0..200)
            .map(|k| {
                let map = prior.convergence(11, k);
                measure(&map, pixels, FIELD_ARCSEC / pixels as f64).unwrap()
            })
            .collect();
        let middle = |of: fn(&MapStatistics) -> f64| median(&mut found.iter().map(of).collect::<Vec<f64>>()).unwrap();
        for (what, value, [low, high]) in [
            ("axis ratio", middle(|s| s.axis_ratio), [0.69, 0.79]),
            ("slope", middle(|s| s.slope), [1.65, 2.4]),
            ("scatter", middle(|s| s.scatter), [0.05, 0.24]),
            ("sturdy scatter", middle(|s| s.sturdy_scatter), [0.05, 0.10]),
            ("fine scatter", middle(|s| s.fine_scatter), [0.03, 0.07]),
            ("power slope", middle(|s| s.power_slope), [-3.6, -2.0]),
        ] {
            assert!((low..=high).contains(&value), "{what}: {value} outside of {low} to {high}");
            println!("{what}: {value:.3}");
        }
    }
}
