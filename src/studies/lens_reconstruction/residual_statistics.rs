//! What residuals say about a fit: mean and scatter, how many are too large, and whether neighbours agree when they should not.
//!
//! The autocorrelation is that of the residuals less their mean: the mean product of all pairs of pixels at one distance over the
//! variance. For white noise it is `-1 / (N - 1)` at every distance, with a standard deviation of 1 over the root of the number of pairs
//! (products of different pairs do not correlate). A fit of a few dozen parameters to thousands of pixels hardly changes that.

use std::f64::consts::PI;

use ndarray::{Array2, s};
use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};

use super::classical::filled;

/// Largest distance of a pair, in pixels.
const MOST_LAG: usize = 20;
/// Least pixels of blank sky that are worth a statistic.
const LEAST_SKY: usize = 300;
/// Most pixels along a side that are looked at: the nearest to the middle of the mask.
const LARGEST_SIDE: usize = 512;
/// Sky begins this many times the reach of the mask away from its middle.
const SKY_FROM: f64 = 1.3;

/// Pairs of pixels at one distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lag {
    /// Mean distance of the pairs, in pixels.
    pub distance_px: f64,
    /// Mean product over the variance.
    pub correlation: f64,
    /// What white noise gives on average.
    pub expected: f64,
    /// Standard deviation of that.
    pub sigma: f64,
    /// Pairs, each counted once.
    pub pairs: f64,
}

/// Statistics of residuals, in sigma, of some pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// How many pixels.
    pub pixels: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation about the mean.
    pub standard_deviation: f64,
    /// Sum of their squares.
    pub chi2: f64,
    /// How many lie beyond 3 sigma; of white noise 0.27 per cent.
    pub beyond_3_sigma: usize,
    /// How many lie beyond 5 sigma; of white noise 6 in ten million.
    pub beyond_5_sigma: usize,
    /// Autocorrelation at distances of about 1, 2, 3, ... pixels.
    pub autocorrelation: Vec<Lag>,
}

/// Statistics of the residuals of a fit.
#[derive(Clone, Debug, PartialEq)]
pub struct ResidualStatistics {
    /// Of the fitted pixels.
    pub fitted: Sample,
    /// Of blank sky, clipped at 3 sigma; `None` where too little lies outside the mask.
    pub blank_sky: Option<Sample>,
}

/// Statistics of `residual` (in sigma) in the mask, and of blank sky: the data far from it about their median, in sigma of the noise map.
/// No model of the lens comes into the sky. Arrays are `[y, x]`. `None` when fewer than two pixels were fitted.
pub fn residual_statistics(
    residual: &Array2<f32>,
    data: &Array2<f32>,
    noise: &Array2<f32>,
    mask: &Array2<bool>,
) -> Option<ResidualStatistics> {
    let fitted = sample(residual, mask)?;
    let blank_sky = sky_pixels(data, noise, mask).and_then(|(sky, values)| sample(&values, &sky));
    Some(ResidualStatistics { fitted, blank_sky })
}

/// Statistics of the finite residuals where `used` is true; `None` when there are fewer than two, or they do not scatter.
pub fn sample(residual: &Array2<f32>, used: &Array2<bool>) -> Option<Sample> {
    let used = ndarray::Zip::from(residual).and(used).map_collect(|r, u| *u && r.is_finite());
    let values = || residual.iter().zip(&used).filter(|(_, u)| **u).map(|(r, _)| f64::from(*r));
    let pixels = values().count();
    if pixels < 2 {
        return None;
    }
    let mean = values().sum::<f64>() / pixels as f64;
    let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / pixels as f64;
    if !(variance > 0.0 && variance.is_finite()) {
        return None;
    }
    let beyond = |limit: f64| values().filter(|v| v.abs() > limit).count();
    Some(Sample {
        pixels,
        mean,
        standard_deviation: variance.sqrt(),
        chi2: values().map(|v| v * v).sum(),
        beyond_3_sigma: beyond(3.0),
        beyond_5_sigma: beyond(5.0),
        autocorrelation: autocorrelation(residual, &used, mean, variance, pixels),
    })
}

/// The radial average of the autocorrelation, by Fourier transforms of the values and of the mask, both in one complex transform.
fn autocorrelation(residual: &Array2<f32>, used: &Array2<bool>, mean: f64, variance: f64, pixels: usize) -> Vec<Lag> {
    let [y0, y1, x0, x1] = bounds(used);
    let size = |n: usize| next_smooth(n + MOST_LAG);
    let (rows, columns) = (size(y1 - y0), size(x1 - x0));
    let mut plane = vec![Complex64::default(); rows * columns];
    for y in y0..y1 {
        for x in x0..x1 {
            if used[[y, x]] {
                plane[(y - y0) * columns + x - x0] = Complex64::new(f64::from(residual[[y, x]]) - mean, 1.0);
            }
        }
    }
    let mut planner = FftPlanner::new();
    transform(&mut plane, rows, columns, &*planner.plan_fft_forward(columns), &*planner.plan_fft_forward(rows));
    // Values and mask are real: their transforms are the even and odd parts. Both powers are even, so they come back as real and imaginary part.
    let mut power = vec![Complex64::default(); rows * columns];
    for y in 0..rows {
        for x in 0..columns {
            let here = plane[y * columns + x];
            let there = plane[(rows - y) % rows * columns + (columns - x) % columns].conj();
            let (values, mask) = (0.5 * (here + there), 0.5 * (here - there));
            power[y * columns + x] = Complex64::new(values.norm_sqr(), mask.norm_sqr());
        }
    }
    transform(&mut power, rows, columns, &*planner.plan_fft_inverse(columns), &*planner.plan_fft_inverse(rows));
    let cells = (rows * columns) as f64;
    let mut sums = [[0.0; 3]; MOST_LAG + 1];
    let most = MOST_LAG as i64;
    for dy in 0..=most {
        for dx in -most..=most {
            // Half of the plane holds each pair once.
            if dy == 0 && dx <= 0 {
                continue;
            }
            let distance = ((dx * dx + dy * dy) as f64).sqrt();
            let bin = distance.round() as usize;
            if bin > MOST_LAG || dy as usize >= y1 - y0 || dx.unsigned_abs() as usize >= x1 - x0 {
                continue;
            }
            let column = dx.rem_euclid(columns as i64) as usize;
            let value = power[dy as usize * columns + column] / cells;
            let pairs = value.im.round();
            for (sum, part) in sums[bin].iter_mut().zip([value.re, pairs, pairs * distance]) {
                *sum += part;
            }
        }
    }
    let expected = -1.0 / (pixels as f64 - 1.0);
    sums.iter()
        .filter(|[_, pairs, _]| *pairs > 0.0)
        .map(|[product, pairs, distance]| Lag {
            distance_px: distance / pairs,
            correlation: product / pairs / variance,
            expected,
            sigma: 1.0 / pairs.sqrt(),
            pairs: *pairs,
        })
        .collect()
}

/// First row, end row, first column, end column of what is true.
fn bounds(used: &Array2<bool>) -> [usize; 4] {
    let mut part = [usize::MAX, 0, usize::MAX, 0];
    for ((y, x), _) in used.indexed_iter().filter(|(_, u)| **u) {
        part = [part[0].min(y), part[1].max(y + 1), part[2].min(x), part[3].max(x + 1)];
    }
    if part[1] == 0 { [0; 4] } else { part }
}

/// The least number from `n` on whose only prime factors are 2, 3 and 5: its transform is fast.
fn next_smooth(n: usize) -> usize {
    let is_smooth = |mut m: usize| {
        for prime in [2, 3, 5] {
            while m.is_multiple_of(prime) {
                m /= prime;
            }
        }
        m == 1
    };
    let mut size = n.max(1);
    while !is_smooth(size) {
        size += 1;
    }
    size
}

/// A two-dimensional transform in place, `[row, column]`.
fn transform(
    plane: &mut [Complex64],
    rows: usize,
    columns: usize,
    along_row: &dyn Fft<f64>,
    along_column: &dyn Fft<f64>,
) {
    for row in plane.chunks_exact_mut(columns) {
        along_row.process(row);
    }
    let mut line = vec![Complex64::default(); rows];
    for column in 0..columns {
        for (row, value) in line.iter_mut().enumerate() {
            *value = plane[row * columns + column];
        }
        along_column.process(&mut line);
        for (row, value) in line.iter().enumerate() {
            plane[row * columns + column] = *value;
        }
    }
}

/// Pixels of blank sky, and their values in sigma about the median: the farthest third of what is measured beyond the mask, without what
/// lies beyond 3 sigma of the scatter and the neighbours of galaxies; `None` when they are few.
fn sky_pixels(data: &Array2<f32>, noise: &Array2<f32>, mask: &Array2<bool>) -> Option<(Array2<bool>, Array2<f32>)> {
    let mut sky = far_pixels(data, noise, mask)?;
    let mut values: Array2<f32> = Array2::zeros(data.dim());
    for _ in 0..20 {
        let mut level: Vec<f32> = data.iter().zip(&sky).filter(|(_, s)| **s).map(|(d, _)| *d).collect();
        if level.len() < LEAST_SKY {
            return None;
        }
        level.sort_by(f32::total_cmp);
        let median = level[level.len() / 2];
        ndarray::Zip::from(&mut values).and(data).and(noise).for_each(|v, d, n| *v = (d - median) / n);
        let mut sorted: Vec<f32> = values.iter().zip(&sky).filter(|(_, s)| **s).map(|(v, _)| *v).collect();
        sorted.sort_by(f32::total_cmp);
        // From the quartiles, which galaxies in the sky hardly move.
        let sigma = (sorted[sorted.len() * 3 / 4] - sorted[sorted.len() / 4]) / 1.349;
        let bright: Vec<(usize, usize)> = sky
            .indexed_iter()
            .filter(|(place, s)| **s && values[*place].abs() > 3.0 * sigma)
            .map(|(place, _)| place)
            .collect();
        if bright.is_empty() {
            break;
        }
        let (rows, columns) = sky.dim();
        for (y, x) in bright {
            // Light of what sticks out reaches its neighbours; a lone pixel of noise costs only itself.
            let around = s![y.saturating_sub(1)..(y + 2).min(rows), x.saturating_sub(1)..(x + 2).min(columns)];
            if values.slice(around).iter().filter(|v| **v > 2.0 * sigma).count() > 2 {
                sky.slice_mut(around).fill(false);
            } else {
                sky[[y, x]] = false;
            }
        }
    }
    Some((sky, values))
}

/// The farthest third of the measured pixels that lie beyond the mask and its surroundings.
fn far_pixels(data: &Array2<f32>, noise: &Array2<f32>, mask: &Array2<bool>) -> Option<Array2<bool>> {
    let count = mask.iter().filter(|m| **m).count().max(1) as f64;
    let places = || mask.indexed_iter().filter(|(_, m)| **m).map(|((y, x), _)| [y as f64, x as f64]);
    let centre = [0, 1].map(|k| places().map(|p| p[k]).sum::<f64>() / count);
    let distance = |(y, x): (usize, usize)| (y as f64 - centre[0]).hypot(x as f64 - centre[1]);
    let reach = places().map(|p| (p[0] - centre[0]).hypot(p[1] - centre[1])).fold(0.0, f64::max);
    let filled = filled(data);
    let half = 0.5 * LARGEST_SIDE as f64;
    let measured = |place: (usize, usize)| {
        let near = (place.0 as f64 - centre[0]).abs() < half && (place.1 as f64 - centre[1]).abs() < half;
        let usable = data[place].is_finite() && noise[place].is_finite() && noise[place] > 0.0;
        near && usable && !mask[place] && !filled[place] && distance(place) > SKY_FROM * reach
    };
    let mut distances: Vec<f64> =
        data.indexed_iter().map(|(place, _)| place).filter(|p| measured(*p)).map(distance).collect();
    distances.sort_by(f64::total_cmp);
    let from = *distances.get(distances.len() * 2 / 3)?;
    Some(Array2::from_shape_fn(data.dim(), |place| measured(place) && distance(place) >= from))
}

/// Standard deviation of normal noise that was clipped at 3 sigma, over that of the whole.
pub fn clipped_scatter() -> f64 {
    let density = (-4.5f64).exp() / (2.0 * PI).sqrt();
    (1.0 - 6.0 * density / 0.997_300_2).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random::{fill_normal, stream};

    fn white(shape: (usize, usize), seed: u64) -> Array2<f32> {
        let mut values = vec![0.0; shape.0 * shape.1];
        fill_normal(&mut stream(seed, "residuals", 0), &mut values);
        Array2::from_shape_vec(shape, values.into_iter().map(|v| v as f32).collect()).unwrap()
    }

    fn ring((rows, columns): (usize, usize)) -> Array2<bool> {
        Array2::from_shape_fn((rows, columns), |(y, x)| {
            let r = (y as f64 - 0.5 * rows as f64).hypot(x as f64 - 0.5 * columns as f64);
            r > 0.1 * rows as f64 && r < 0.3 * rows as f64
        })
    }

    /// Every pair of pixels, one by one.
    fn pair_by_pair(residual: &Array2<f32>, used: &Array2<bool>, mean: f64, variance: f64) -> Vec<(f64, f64, f64)> {
        let places: Vec<_> = used.indexed_iter().filter(|(_, u)| **u).map(|(p, _)| p).collect();
        let mut sums = vec![(0.0, 0.0, 0.0); MOST_LAG + 1];
        for (i, a) in places.iter().enumerate() {
            for b in &places[i + 1..] {
                let distance = (a.0 as f64 - b.0 as f64).hypot(a.1 as f64 - b.1 as f64);
                let lag = (a.0.abs_diff(b.0)).max(a.1.abs_diff(b.1));
                let bin = distance.round() as usize;
                if bin <= MOST_LAG && lag <= MOST_LAG {
                    let product = (f64::from(residual[*a]) - mean) * (f64::from(residual[*b]) - mean);
                    sums[bin].0 += distance;
                    sums[bin].1 += product / variance;
                    sums[bin].2 += 1.0;
                }
            }
        }
        sums.into_iter().filter(|s| s.2 > 0.0).map(|s| (s.0 / s.2, s.1 / s.2, s.2)).collect()
    }

    #[test]
    fn the_fast_way_is_the_slow_way() {
        let mut residual = white((37, 50), 1);
        residual[[20, 16]] = f32::NAN;
        let used = ring((37, 50));
        let found = sample(&residual, &used).unwrap();
        let finite = ndarray::Zip::from(&residual).and(&used).map_collect(|r, u| *u && r.is_finite());
        assert_eq!(found.pixels, finite.iter().filter(|f| **f).count());
        let slow = pair_by_pair(&residual, &finite, found.mean, found.standard_deviation.powi(2));
        assert_eq!(found.autocorrelation.len(), slow.len());
        for (lag, (distance, correlation, pairs)) in found.autocorrelation.iter().zip(slow) {
            assert!((lag.distance_px - distance).abs() < 1e-9, "{lag:?} {distance}");
            assert!((lag.correlation - correlation).abs() < 1e-9, "{lag:?} {correlation}");
            assert_eq!(lag.pairs, pairs);
        }
    }

    /// White noise scatters about the expectation as the band says: the mean squared pull over 60 maps is 1.
    #[test]
    fn white_noise_stays_in_its_band() {
        let used = ring((80, 80));
        let (mut sum, mut square, mut count) = (0.0, 0.0, 0.0);
        for seed in 0..60 {
            let found = sample(&white((80, 80), seed), &used).unwrap();
            assert!((found.standard_deviation - 1.0).abs() < 0.1, "{}", found.standard_deviation);
            assert!((found.chi2 / found.pixels as f64 - 1.0).abs() < 0.2);
            for lag in &found.autocorrelation {
                let pull = (lag.correlation - lag.expected) / lag.sigma;
                sum += pull;
                square += pull * pull;
                count += 1.0;
            }
        }
        assert_eq!(count, 60.0 * MOST_LAG as f64);
        let (mean, scatter) = (sum / count, (square / count).sqrt());
        assert!(mean.abs() < 0.12 && (scatter - 1.0).abs() < 0.1, "{mean} {scatter}");
    }

    /// Noise smoothed with a square of 3 x 3 pixels correlates by the overlap of two squares: 2/3 of a side for each step.
    #[test]
    fn smoothed_noise_has_the_correlation_of_its_kernel() {
        let noise = white((402, 402), 3);
        let smooth = Array2::from_shape_fn((400, 400), |(y, x)| noise.slice(s![y..y + 3, x..x + 3]).sum() / 3.0);
        let found = sample(&smooth, &Array2::from_elem((400, 400), true)).unwrap();
        assert!((found.standard_deviation - 1.0).abs() < 0.02);
        let side = |d: i64| (1.0 - d.abs() as f64 / 3.0).max(0.0);
        for (k, lag) in found.autocorrelation.iter().enumerate() {
            let (mut sum, mut count) = (0.0, 0.0);
            for dy in -21i64..=21 {
                for dx in -21i64..=21 {
                    if ((dx * dx + dy * dy) as f64).sqrt().round() as usize == k + 1 {
                        sum += side(dx) * side(dy);
                        count += 1.0;
                    }
                }
            }
            let expected = sum / count;
            assert!((lag.correlation - expected).abs() < 0.012, "{lag:?} {expected}");
        }
        let first = &found.autocorrelation[0];
        assert!((first.correlation - 5.0 / 9.0).abs() < 0.012 && first.correlation > 100.0 * first.sigma, "{first:?}");
    }

    /// Sky is what lies far from the mask and does not stick out, about its own level; filled corners are none.
    #[test]
    fn blank_sky_leaves_galaxies_and_filled_corners_out() {
        let residual = white((160, 160), 5);
        let noise = Array2::from_elem((160, 160), 0.5_f32);
        let mut data = residual.mapv(|v| 7.0 + 0.5 * v);
        let mask = Array2::from_shape_fn((160, 160), |(y, x)| (y as f64 - 80.0).hypot(x as f64 - 80.0) < 25.0);
        data.slice_mut(s![0..30, 0..30]).fill(0.0);
        for ((y, x), value) in data.indexed_iter_mut() {
            *value += (40.0 * (-((y as f64 - 140.0).powi(2) + (x as f64 - 140.0).powi(2)) / 18.0).exp()) as f32;
        }
        let found = residual_statistics(&residual, &data, &noise, &mask).unwrap();
        let sky = found.blank_sky.unwrap();
        assert!(sky.pixels > 4000, "{}", sky.pixels);
        assert!((sky.standard_deviation / clipped_scatter() - 1.0).abs() < 0.03, "{}", sky.standard_deviation);
        assert!(sky.mean.abs() < 0.05 && sky.beyond_5_sigma == 0, "{} {}", sky.mean, sky.beyond_5_sigma);
        assert!(sky.autocorrelation[0].correlation.abs() < 0.04, "{:?}", sky.autocorrelation[0]);
        // Nothing but a mask: there is no sky.
        let all = Array2::from_elem((160, 160), true);
        assert!(residual_statistics(&residual, &data, &noise, &all).unwrap().blank_sky.is_none());
        assert!(residual_statistics(&residual, &data, &noise, &Array2::from_elem((160, 160), false)).is_none());
    }

    #[test]
    fn sizes_are_smooth() {
        for (n, smooth) in [(0, 1), (7, 8), (13, 15), (121, 125), (301, 320)] {
            let found = next_smooth(n);
            assert!(found <= smooth && found >= n, "{n}: {found}");
        }
    }
}
