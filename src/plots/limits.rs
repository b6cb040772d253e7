//! Limits: which values of an image go to the two ends of the colour map.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::zscale::zscale;

/// Beyond so many pixels percentiles are taken from evenly strided pixels.
const EXACT_PIXELS: usize = 1 << 22;

/// How the limits are found. Names follow astropy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitsMode {
    /// The smallest and the largest finite value.
    MinMax,
    /// The central so many per cent of the finite values (0 to 100).
    Percentile(f64),
    /// The zscale of IRAF and DS9.
    #[default]
    Zscale,
    /// From minus to plus the given value: residual maps in sigma take 5.
    Symmetric(f64),
    /// Symmetric about zero, and wide enough for the central so many per cent of the absolute values.
    SymmetricPercentile(f64),
    /// The typed limits of the display settings.
    Typed,
}

impl LimitsMode {
    /// The limits where no pixel needs to be looked at for them.
    #[must_use]
    pub fn without_pixels(self, typed: [f64; 2]) -> Option<Limits> {
        match self {
            Self::Typed => Some(Limits::new(typed[0], typed[1])),
            Self::Symmetric(v) => Some(Limits::new(-v, v)),
            Self::MinMax | Self::Percentile(_) | Self::Zscale | Self::SymmetricPercentile(_) => None,
        }
    }

    /// Every how many pixels one is looked at in an image of so many; 1 is all of them. What a user is told beside it.
    #[must_use]
    pub fn stride(self, pixels: usize) -> usize {
        match self {
            Self::Percentile(_) | Self::SymmetricPercentile(_) => sample_stride(pixels),
            // zscale is a thousand pixels by its definition, whatever the image.
            Self::MinMax | Self::Symmetric(_) | Self::Typed | Self::Zscale => 1,
        }
    }

    /// The name shown in menus.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::MinMax => "min–max".to_owned(),
            Self::Percentile(p) => format!("{p} %"),
            Self::Zscale => "zscale".to_owned(),
            Self::Symmetric(v) => format!("±{v}"),
            Self::SymmetricPercentile(p) => format!("± {p} %"),
            Self::Typed => "typed".to_owned(),
        }
    }
}

/// Finite limits with `low < high`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// The value at the low end of the colour map.
    pub low: f64,
    /// The value at the high end.
    pub high: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { low: 0.0, high: 1.0 }
    }
}

impl Limits {
    /// Limits from two values in either order. Equal values are spread around, so that a constant image shows the
    /// middle of the map; values that are not finite become the limits of an image without data, 0 and 1.
    #[must_use]
    pub fn new(a: f64, b: f64) -> Self {
        if !a.is_finite() || !b.is_finite() {
            return Self::default();
        }
        let (low, high) = (a.min(b), a.max(b));
        // Closer than f32 can tell apart counts as equal, as the pixels are f32.
        let resolution = low.abs().max(high.abs()) * f64::from(f32::EPSILON);
        if high - low > resolution.max(f64::MIN_POSITIVE) {
            return Self { low, high };
        }
        let half = if low == 0.0 { 0.5 } else { 0.5 * low.abs() };
        Self { low: low - half, high: low + half }
    }

    /// The limits of an image `[y, x]`. NaN and infinities are left out; an image without finite values gets 0 to 1.
    /// `typed` serves [`LimitsMode::Typed`].
    #[must_use]
    #[expect(clippy::needless_pass_by_value)] // a view is a reference already
    pub fn of(image: ArrayView2<'_, f32>, mode: LimitsMode, typed: [f64; 2]) -> Self {
        let found = match mode {
            LimitsMode::MinMax => min_max(&image),
            LimitsMode::Percentile(p) => {
                let tail = 0.5 * (100.0 - p.clamp(0.0, 100.0));
                let mut values = finite_values(&image);
                percentile(&mut values, tail).zip(percentile(&mut values, 100.0 - tail))
            }
            LimitsMode::Zscale => {
                let finite = || image.iter().copied().filter(|v| v.is_finite());
                zscale(finite(), finite().count())
            }
            LimitsMode::Symmetric(v) => Some((-v, v)),
            LimitsMode::SymmetricPercentile(p) => {
                let mut values = finite_values(&image);
                for v in &mut values {
                    *v = v.abs();
                }
                percentile(&mut values, p.clamp(0.0, 100.0)).map(|v| (-v, v))
            }
            LimitsMode::Typed => Some((typed[0], typed[1])),
        };
        found.map_or_else(Self::default, |(low, high)| Self::new(low, high))
    }

    /// Where a value lies between the limits: 0 at the low one, 1 at the high one, not clamped.
    #[must_use]
    pub fn fraction(self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// The value at a fraction of the range: the inverse of [`Self::fraction`].
    #[must_use]
    pub fn value(self, fraction: f64) -> f64 {
        self.low + fraction * (self.high - self.low)
    }
}

fn min_max(image: &ArrayView2<'_, f32>) -> Option<(f64, f64)> {
    const LANES: usize = 16;
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let mut take = |block: &[f32]| {
        for ((low, high), &v) in low.iter_mut().zip(&mut high).zip(block) {
            // Comparisons with NaN are false, so NaN falls through.
            let finite = v.abs() <= f32::MAX;
            *low = if finite && v < *low { v } else { *low };
            *high = if finite && v > *high { v } else { *high };
        }
    };
    match image.as_slice_memory_order() {
        Some(values) => {
            let mut blocks = values.chunks_exact(LANES);
            for block in &mut blocks {
                take(block);
            }
            take(blocks.remainder());
        }
        None => image.iter().for_each(|v| take(std::slice::from_ref(v))),
    }
    let low = low.into_iter().fold(f32::INFINITY, f32::min);
    let high = high.into_iter().fold(f32::NEG_INFINITY, f32::max);
    (low <= high).then(|| (f64::from(low), f64::from(high)))
}

fn finite_values(image: &ArrayView2<'_, f32>) -> Vec<f32> {
    let stride = sample_stride(image.len());
    match image.as_slice_memory_order() {
        Some(values) => values.iter().step_by(stride).copied().filter(|v| v.is_finite()).collect(),
        None => image.iter().step_by(stride).copied().filter(|v| v.is_finite()).collect(),
    }
}

/// Every how many pixels percentiles and histograms look at one. Odd, so that it does not lock onto rows or columns of
/// images with a power of two a side.
#[must_use]
pub fn sample_stride(pixels: usize) -> usize {
    if pixels <= EXACT_PIXELS { 1 } else { ((pixels / EXACT_PIXELS) | 1).max(3) }
}

/// The percentile with straight lines between ranks, as numpy's default. Reorders the values.
fn percentile(values: &mut [f32], percent: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let rank = percent / 100.0 * last as f64;
    let below = (rank.floor() as usize).min(last);
    let (_, &mut low, rest) = values.select_nth_unstable_by(below, f32::total_cmp);
    let high = rest.iter().copied().fold(f32::INFINITY, f32::min);
    let high = if high.is_finite() { high } else { low };
    Some(f64::from(low) + (rank - below as f64) * (f64::from(high) - f64::from(low)))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    /// Uniform in [0, 1) from Knuth's 64-bit linear congruence, so that Python can make the same numbers.
    fn uniform(count: usize, seed: u64) -> Vec<f64> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f64 / 16_777_216.0
            })
            .collect()
    }

    /// Nearly normal: sums of four uniform numbers.
    fn noise(height: usize, width: usize, seed: u64) -> Array2<f64> {
        let sums: Vec<f64> =
            uniform(height * width * 4, seed).chunks(4).map(|c| (c.iter().sum::<f64>() - 2.0) * 3f64.sqrt()).collect();
        Array2::from_shape_vec((height, width), sums).unwrap()
    }

    /// astropy 8.0.2 `ZScaleInterval().get_limits` on the same float32 arrays.
    #[test]
    fn zscale_matches_astropy() {
        let ramp = {
            let mut image = noise(50, 40, 3) * 0.1;
            for ((_, x), v) in image.indexed_iter_mut() {
                *v += x as f64 * 0.05;
            }
            image
        };
        let sources = {
            let mut image = noise(40, 41, 5) * 2.0 + 10.0;
            for ((y, x), v) in image.indexed_iter_mut() {
                if y % 7 == 0 && x % 5 == 0 {
                    *v += 500.0;
                }
            }
            image
        };
        for (image, low, high) in [
            (noise(120, 150, 1), -2.951_020_956_039_428_7, 2.634_458_780_288_696_5),
            (noise(64, 64, 7), -2.930_961_608_886_718_8, 2.872_556_209_564_209),
            (ramp, -0.146_724_998_950_958_25, 2.124_845_027_923_584),
            (sources, 4.289_423_465_728_76, 22.540_933_039_399_07),
        ] {
            let image = image.mapv(|v| v as f32);
            let limits = Limits::of(image.view(), LimitsMode::Zscale, [0.0; 2]);
            assert!((limits.low - low).abs() < 2e-6, "{limits:?} {low}");
            assert!((limits.high - high).abs() < 1e-5, "{limits:?} {high}");
        }
    }

    /// numpy `np.percentile(image, [0.25, 99.75])` on the same numbers.
    #[test]
    fn percentiles_match_numpy() {
        let image = noise(120, 150, 1).mapv(|v| v as f32);
        let limits = Limits::of(image.view(), LimitsMode::Percentile(99.5), [0.0; 2]);
        assert!((limits.low - -2.578_917_87).abs() < 1e-7, "{limits:?}");
        assert!((limits.high - 2.659_321_17).abs() < 1e-7, "{limits:?}");
        let all = Limits::of(image.view(), LimitsMode::Percentile(100.0), [0.0; 2]);
        assert_eq!(all, Limits::of(image.view(), LimitsMode::MinMax, [0.0; 2]));
    }

    #[test]
    fn odd_images_get_finite_limits() {
        let images = [
            Array2::from_elem((0, 0), 0.0f32),
            Array2::from_elem((3, 0), 0.0),
            Array2::from_elem((1, 1), 7.0),
            Array2::from_elem((4, 4), f32::NAN),
            Array2::from_elem((20, 20), -3.0),
            Array2::from_elem((5, 5), f32::MAX),
            array![[f32::NAN, f32::INFINITY], [f32::NEG_INFINITY, 2.0]],
            array![[1e-40, 2e-40]],
        ];
        let modes = [
            LimitsMode::MinMax,
            LimitsMode::Percentile(99.5),
            LimitsMode::Percentile(f64::NAN),
            LimitsMode::Zscale,
            LimitsMode::Symmetric(5.0),
            LimitsMode::Symmetric(f64::NAN),
            LimitsMode::SymmetricPercentile(99.0),
            LimitsMode::Typed,
        ];
        for image in &images {
            for mode in modes {
                for typed in [[2.0, 1.0], [f64::NAN, 1.0], [4.0, 4.0], [f64::INFINITY, 0.0]] {
                    let limits = Limits::of(image.view(), mode, typed);
                    assert!(limits.low < limits.high, "{mode:?} {limits:?}");
                    assert!(limits.low.is_finite() && limits.high.is_finite());
                }
            }
        }
    }

    #[test]
    fn nan_does_not_move_the_limits() {
        let mut image = noise(30, 30, 2).mapv(|v| v as f32);
        let before = Limits::of(image.view(), LimitsMode::MinMax, [0.0; 2]);
        let zscale_before = Limits::of(image.view(), LimitsMode::Zscale, [0.0; 2]);
        image.row_mut(3).fill(f32::NAN);
        let after = Limits::of(image.view(), LimitsMode::MinMax, [0.0; 2]);
        let zscale_after = Limits::of(image.view(), LimitsMode::Zscale, [0.0; 2]);
        assert!(after.low >= before.low && after.high <= before.high);
        assert!((zscale_after.high - zscale_before.high).abs() < 0.5);
        let sigma = Limits::of(image.view(), LimitsMode::Symmetric(5.0), [0.0; 2]);
        assert_eq!((sigma.low, sigma.high), (-5.0, 5.0));
    }
}
