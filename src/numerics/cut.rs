//! A straight cut of some width through an image: the mean across it at even steps along it.

use std::collections::BTreeMap;

use ndarray::ArrayView2;

use super::profile::{bilinear, bilinear_weights};

/// Where a cut samples an image: places `[x, y]` (0-based pixels), a row of them for each step along the line.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// Distance between two steps, pixels: the whole number of steps nearest to one pixel each.
    pub step: f64,
    /// For every step the places across the line.
    pub rows: Vec<Vec<[f64; 2]>>,
}

impl Cut {
    /// From one end to the other, `width` pixels wide; `None` for ends that are no numbers or one place, and for more than
    /// 20000 steps.
    #[must_use]
    pub fn new([from, to]: [[f64; 2]; 2], width: f64) -> Option<Self> {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let length = dx.hypot(dy);
        if !(length > 0.0 && length < 20_000.0 && width.is_finite()) {
            return None;
        }
        let steps = length.round().max(1.0);
        let across = [-dy / length, dx / length];
        let lanes = width.ceil().clamp(1.0, 1000.0);
        let lane_width = width.max(1.0) / lanes;
        let place = |i: f64, lane: f64| {
            let off = (lane - 0.5 * (lanes - 1.0)) * lane_width;
            [from[0] + i / steps * dx + off * across[0], from[1] + i / steps * dy + off * across[1]]
        };
        let row = |i: usize| (0..lanes as usize).map(|lane| place(i as f64, lane as f64)).collect();
        Some(Self { step: length / steps, rows: (0..=steps as usize).map(row).collect() })
    }

    /// `[x low, y low, x high, y high]` of the places.
    #[must_use]
    pub fn bounds(&self) -> [f64; 4] {
        let start = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        let widen = |b: [f64; 4], p: &[f64; 2]| [b[0].min(p[0]), b[1].min(p[1]), b[2].max(p[0]), b[3].max(p[1])];
        self.rows.iter().flatten().fold(start, widen)
    }

    /// The mean across the line at every step, between pixels bilinear; NaN where no pixel has a value. The first pixel of
    /// `image` is pixel `origin` of the places.
    #[must_use]
    pub fn sample(&self, image: &ArrayView2<'_, f32>, origin: [usize; 2]) -> Vec<f32> {
        let mean = |row: &Vec<[f64; 2]>| {
            let at = |p: &[f64; 2]| bilinear(image, [p[0] - origin[0] as f64, p[1] - origin[1] as f64]);
            let (sum, count) =
                row.iter().map(at).filter(|v| v.is_finite()).fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0));
            (sum / count) as f32
        };
        self.rows.iter().map(mean).collect()
    }

    /// The standard error of [`Self::sample`] for pixels with independent errors `sigma`: places across the line that share a
    /// pixel share its error. NaN where there is no value or an error is missing.
    #[must_use]
    pub fn sample_error(
        &self,
        image: &ArrayView2<'_, f32>,
        sigma: &ArrayView2<'_, f32>,
        origin: [usize; 2],
    ) -> Vec<f32> {
        let error = |row: &Vec<[f64; 2]>| {
            // How much of every pixel is in the mean.
            let mut shares: BTreeMap<[usize; 2], f64> = BTreeMap::new();
            let mut lanes = 0.0;
            for p in row {
                let place = [p[0] - origin[0] as f64, p[1] - origin[1] as f64];
                let Some(corners) = bilinear_weights(image, place) else { continue };
                lanes += 1.0;
                let total: f64 = corners.iter().map(|(_, weight)| weight).sum();
                for (pixel, weight) in corners.into_iter().filter(|(_, weight)| *weight > 0.0) {
                    *shares.entry(pixel).or_default() += weight / total;
                }
            }
            let variance: f64 =
                shares.iter().map(|(pixel, share)| (share / lanes * f64::from(sigma[*pixel])).powi(2)).sum();
            if lanes > 0.0 { variance.sqrt() as f32 } else { f32::NAN }
        };
        self.rows.iter().map(error).collect()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::*;

    #[test]
    fn a_cut_through_a_plane_is_a_straight_line() {
        let image = Array2::from_shape_fn((30, 40), |(y, x)| (2 * x + 10 * y) as f32);
        let ends = [[3.0, 4.0], [33.0, 24.0]];
        let cut = Cut::new(ends, 3.0).unwrap();
        let length = 30f64.hypot(20.0);
        assert_eq!(cut.rows.len(), 37);
        assert!((cut.step - length / 36.0).abs() < 1e-12);
        let whole = cut.sample(&image.view(), [0, 0]);
        for (i, value) in whole.iter().enumerate() {
            let t = i as f64 / 36.0;
            let expected = 2.0 * (3.0 + 30.0 * t) + 10.0 * (4.0 + 20.0 * t);
            assert!((f64::from(*value) - expected).abs() < 1e-3, "{i} {value} {expected}");
        }
        // A part of the image that holds the cut gives the same.
        let [x0, y0, x1, y1] = cut.bounds();
        assert!((x0 - (3.0 - 20.0 / length)).abs() < 1e-9 && (y1 - (24.0 + 30.0 / length)).abs() < 1e-9);
        let part = image.slice(s![2..27, 1..36]);
        assert!(y0 > 2.0 && x0 > 1.0 && y1 < 26.0 && x1 < 35.0);
        assert_eq!(cut.sample(&part, [1, 2]), whole);
    }

    /// Against the scatter of many images of noise.
    #[test]
    fn the_error_of_a_cut_is_its_scatter() {
        let sigma = Array2::from_shape_fn((24, 24), |(y, x)| 1.0 + 0.1 * (y + x) as f32);
        let mut noisy = Array2::<f32>::zeros((24, 24));
        noisy[[11, 10]] = f32::NAN;
        let cut = Cut::new([[3.2, 4.7], [19.0, 17.1]], 3.4).unwrap();
        let errors = cut.sample_error(&noisy.view(), &sigma.view(), [0, 0]);
        let mut squares = vec![0.0; errors.len()];
        const DRAWS: u64 = 3000;
        for draw in 0..DRAWS {
            let mut rng = crate::numerics::random::stream(4, "cut", draw);
            for (value, sigma) in noisy.iter_mut().zip(&sigma).filter(|(value, _)| value.is_finite()) {
                *value = sigma * crate::numerics::random::normal(&mut rng) as f32;
            }
            for (sum, value) in squares.iter_mut().zip(cut.sample(&noisy.view(), [0, 0])) {
                *sum += f64::from(value).powi(2);
            }
        }
        for (error, sum) in errors.iter().zip(&squares) {
            let scatter = (sum / DRAWS as f64).sqrt();
            assert!((f64::from(*error) / scatter - 1.0).abs() < 0.07, "{error} {scatter}");
        }
    }

    #[test]
    fn a_wide_cut_averages_and_the_outside_is_empty() {
        let image = Array2::from_shape_fn((9, 20), |(y, _)| (y * y) as f32);
        let cut = Cut::new([[-4.0, 4.0], [15.0, 4.0]], 3.0).unwrap();
        let values = cut.sample(&image.view(), [0, 0]);
        assert!(values[0].is_nan() && values[3].is_nan());
        assert!((values[10] - (9.0 + 16.0 + 25.0) / 3.0).abs() < 1e-5);
        assert_eq!(Cut::new([[1.0, 1.0], [1.0, 1.0]], 1.0), None);
        assert_eq!(Cut::new([[1.0, f64::NAN], [1.0, 1.0]], 1.0), None);
    }
}
