//! From the pixels of an image to the grids of the machine, and back.
//!
//! Lensing knows no absolute angle: an image of any scale is brought to the machine's field by one factor, so that its ring is as large as
//! those that the network was trained on.

use ndarray::Array2;

use super::likelihood::{Grids, PixelData};
use super::pixel_lens::PixelLens;
use crate::studies::lens_reconstruction::Observation;
use crate::studies::lens_reconstruction::pixelated::SourceGrid;

/// Einstein radius that is aimed at on the machine's field: the middle of those of the training (arcsec).
const AIM_ARCSEC: f64 = 1.5;
/// Einstein radii on the field for which it is laid on whole pixels of the image: those of the training, but for the rarest (arcsec).
const WHOLE_ARCSEC: [f64; 2] = [0.6, 2.3];
/// Farthest place from the centre of the field that the used pixels may reach (arcsec of the field); the field's half is 3.84.
const REACH_ARCSEC: f64 = 3.7;
/// The same on whole pixels, where the outermost row may fall off.
const WHOLE_REACH_ARCSEC: f64 = 3.9;
/// Pixels a side above which nothing is computed on the pixels of the image.
const MOST_PIXELS: usize = 256;
/// The peak of an image in the machine's unit: a source of peak 1 keeps about so much through PSF and pixels.
const PEAK: f64 = 0.8;
/// Part of a pixel that used pixels of the image must cover for it to be used.
const COVERED: f64 = 0.5;

/// Where the machine's field lies on an image, and in which unit it sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkingFrame {
    /// The machine's grids.
    pub grids: Grids,
    /// Its centre, arcsec from the image centre: the lens.
    pub centre: [f64; 2],
    /// Arcsec of the image for an arcsec of the field.
    pub scale: f64,
    /// Unit of the image for one unit of the machine.
    pub brightness: f64,
}

impl WorkingFrame {
    /// A field around a lens of about this Einstein radius (arcsec), with room for all used pixels. If it can be, its pixels are blocks of
    /// whole pixels of the image, whose noise then stays independent. `light`: the image without lens light and sky.
    pub fn around(
        grids: Grids,
        observation: &Observation,
        light: &Array2<f64>,
        centre: [f64; 2],
        einstein_radius_arcsec: f64,
    ) -> Self {
        let frame = observation.frame();
        let used = observation.mask.indexed_iter().filter(|(_, m)| **m).map(|(at, _)| at);
        // Along each axis: the field is a square.
        let reach = used.fold(0.0f64, |r, (j, i)| {
            r.max((frame.x(i as f64) - centre[0]).abs()).max((frame.y(j as f64) - centre[1]).abs())
        });
        // A mask much larger than the ring is cut by the field rather than the ring made small.
        let most = einstein_radius_arcsec / 0.6;
        let free = (einstein_radius_arcsec / AIM_ARCSEC).max((reach / REACH_ARCSEC).min(most));
        let least = (reach / WHOLE_REACH_ARCSEC).min(most);
        let out = match whole_block(&grids, observation.pixel_scale_arcsec, einstein_radius_arcsec, least) {
            Some(block) => Self {
                grids,
                centre: on_edges(centre, observation, grids.pixels * block),
                scale: block as f64 * observation.pixel_scale_arcsec / grids.step(),
                brightness: 1.0,
            },
            None => Self { grids, centre, scale: free, brightness: 1.0 },
        };
        let peak = smoothed_peak(&out.resample(observation, light).0, grids.pixels);
        Self { brightness: (peak / PEAK).max(f64::MIN_POSITIVE), ..out }
    }

    /// Side of a pixel of the field on the image (arcsec).
    pub fn step_arcsec(&self) -> f64 {
        self.grids.step() * self.scale
    }

    /// The same field in the pixels of the image itself, and how many of them make one of this along each side; `None` where pixels of the
    /// field are not whole pixels of the image, or are those already.
    pub fn in_pixels_of(&self, observation: &Observation) -> Option<(Self, usize)> {
        let ratio = self.step_arcsec() / observation.pixel_scale_arcsec;
        let block = ratio.round() as usize;
        let across = self.grids.pixels * block;
        let centre = on_edges(self.centre, observation, across);
        let away = (0..2).fold(0.0f64, |most, k| most.max((centre[k] - self.centre[k]).abs()));
        let whole = (ratio - block as f64).abs() < 1e-6 && away < 1e-6 * observation.pixel_scale_arcsec;
        let finer = Self { grids: Grids { pixels: across, ..self.grids }, ..*self };
        (whole && block > 1 && across <= MOST_PIXELS).then_some((finer, block))
    }

    /// The image as the machine wants it: mean brightness of the used pixels under each of its own, in its unit.
    pub fn bring(&self, observation: &Observation, light: &Array2<f64>) -> PixelData {
        let (image, noise) = self.resample(observation, light);
        let unit = |v: f64| v / self.brightness;
        let image = image.into_iter().map(unit).collect();
        let noise: Vec<f64> = noise.into_iter().map(unit).collect();
        let expected_chi2 = (self.step_arcsec() / observation.pixel_scale_arcsec).powi(2).min(1.0);
        PixelData { expected_chi2, ..PixelData::new(&self.grids, image, &noise, &self.psf(observation)) }
    }

    /// Brightness and noise in the unit of the image; no noise where too little of a pixel is covered.
    fn resample(&self, observation: &Observation, light: &Array2<f64>) -> (Vec<f64>, Vec<f64>) {
        let n = self.grids.pixels;
        let (step, pixel) = (self.step_arcsec(), observation.pixel_scale_arcsec);
        let (rows, columns) = light.dim();
        // Edges of the field's pixels in pixels of the image, whose first begins at 0.
        let edge = |k: usize, centre: f64, count: usize| {
            ((k as f64 - 0.5 * n as f64) * step + centre) / pixel + 0.5 * count as f64
        };
        let along = |centre: f64, count: usize| -> Vec<Vec<(usize, f64)>> {
            (0..n).map(|k| overlaps(edge(k, centre, count), edge(k + 1, centre, count), count)).collect()
        };
        let (across, up) = (along(self.centre[0], columns), along(self.centre[1], rows));
        // A pixel of the field that is smaller than one of the image has no more knowledge than its share.
        let shared = (pixel / step).max(1.0);
        let whole = (step / pixel).powi(2);
        let (mut image, mut noise) = (vec![0.0; n * n], vec![f64::NAN; n * n]);
        for (j, above) in up.iter().enumerate() {
            for (i, beside) in across.iter().enumerate() {
                let (mut area, mut sum, mut variance) = (0.0, 0.0, 0.0);
                for (row, wy) in above {
                    for (column, wx) in beside {
                        if !observation.mask[[*row, *column]] {
                            continue;
                        }
                        let weight = wy * wx;
                        area += weight;
                        sum += weight * light[[*row, *column]];
                        variance += (weight * observation.noise[[*row, *column]]).powi(2);
                    }
                }
                if area > COVERED * whole {
                    image[j * n + i] = sum / area;
                    noise[j * n + i] = shared * variance.sqrt() / area;
                }
            }
        }
        (image, noise)
    }

    /// The PSF on the pixels of the field, `[y, x]`, sum 1.
    fn psf(&self, observation: &Observation) -> Array2<f64> {
        let (rows, columns) = observation.psf.dim();
        let ratio = observation.pixel_scale_arcsec / self.step_arcsec();
        let half = |count: usize| (0.5 * count as f64 * ratio).ceil() as usize;
        let (tall, wide) = (half(rows), half(columns));
        let along = |count: usize, half: usize| -> Vec<Vec<(usize, f64)>> {
            let middle = (count / 2) as f64 + 0.5;
            // The model is the mean over a pixel of the field; the data were means over pixels of the image twice: when they were taken, and
            // when they were brought here. One of the two is in the PSF's own pixels, the other is this box.
            let box_width = (0.5 / ratio).max(1.0);
            let place = |k: usize| (k as f64 - half as f64) / ratio + middle;
            (0..=2 * half).map(|k| overlaps(place(k) - 0.5 * box_width, place(k) + 0.5 * box_width, count)).collect()
        };
        let (up, across) = (along(rows, tall), along(columns, wide));
        let out = Array2::from_shape_fn((2 * tall + 1, 2 * wide + 1), |(j, i)| {
            let pairs =
                up[j].iter().flat_map(|(row, wy)| across[i].iter().map(move |(column, wx)| (row, column, wy * wx)));
            pairs.map(|(row, column, w)| w * observation.psf[[*row, *column]]).sum::<f64>()
        });
        let sum = out.sum();
        out / sum
    }

    /// A source of the machine on the sky: its grid, around the lens.
    pub fn source_grid(&self) -> SourceGrid {
        SourceGrid { centre: self.centre, pixel: self.grids.source_step() * self.scale, side: self.grids.pixels }
    }

    /// A convergence of the machine (row by row) on the sky.
    pub fn lens(&self, convergence: Vec<f64>) -> PixelLens {
        PixelLens::new(convergence, self.grids.pixels, self.centre, self.step_arcsec())
    }
}

/// How many pixels of the image along each side make one of the field, so that the ring is as large as in the training and the scale is not
/// below `least`; `None` where no whole number does.
fn whole_block(grids: &Grids, pixel: f64, einstein_radius: f64, least: f64) -> Option<usize> {
    let scale = |block: usize| block as f64 * pixel / grids.step();
    let away = |block: usize| (einstein_radius / scale(block) / AIM_ARCSEC).ln().abs();
    // Beyond this the ring would be smaller than in any training.
    let most = (einstein_radius / (WHOLE_ARCSEC[0] * pixel / grids.step())).clamp(0.0, 1e4) as usize;
    (1..=most)
        .filter(|block| einstein_radius / scale(*block) <= WHOLE_ARCSEC[1] && scale(*block) >= least)
        .min_by(|a, b| away(*a).total_cmp(&away(*b)))
}

/// The centre nearest to this one at which a field of so many pixels of the image along each side begins and ends between two of them.
fn on_edges(centre: [f64; 2], observation: &Observation, across: usize) -> [f64; 2] {
    let (rows, columns) = observation.data.dim();
    let pixel = observation.pixel_scale_arcsec;
    let snap = |c: f64, count: usize| {
        let first = 0.5 * (count as f64 - across as f64);
        ((c / pixel + first).round() - first) * pixel
    };
    [snap(centre[0], columns), snap(centre[1], rows)]
}

/// Pixels `0..count` (pixel `k` from `k` to `k + 1`) under the stretch from `low` to `high`, and how much of it each covers.
fn overlaps(low: f64, high: f64, count: usize) -> Vec<(usize, f64)> {
    let (low, high) = (low.max(0.0), high.min(count as f64));
    if high <= low {
        return Vec::new();
    }
    let last = (high.ceil() as usize).min(count);
    (low.floor() as usize..last)
        .map(|k| (k, high.min(k as f64 + 1.0) - low.max(k as f64)))
        .filter(|(_, w)| *w > 0.0)
        .collect()
}

/// Greatest mean of 3 x 3 pixels.
fn smoothed_peak(image: &[f64], n: usize) -> f64 {
    let mut most = 0.0f64;
    for j in 1..n - 1 {
        for i in 1..n - 1 {
            let sum: f64 = (0..9).map(|k| image[(j + k / 3 - 1) * n + i + k % 3 - 1]).sum();
            most = most.max(sum / 9.0);
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_reconstruction::simulate::gaussian_psf;

    fn observation(n: usize, scale: f64, bright: impl Fn(f64, f64) -> f64) -> Observation {
        let middle = 0.5 * (n as f64 - 1.0);
        let data =
            Array2::from_shape_fn((n, n), |(j, i)| bright((i as f64 - middle) * scale, (j as f64 - middle) * scale));
        let mask = Array2::from_elem((n, n), true);
        Observation::new(data, Array2::from_elem((n, n), 0.1), gaussian_psf(0.1, scale).unwrap(), mask, scale).unwrap()
    }

    #[test]
    fn light_and_knowledge_are_kept() {
        // A plane: the mean over a pixel is its value in the middle.
        let observation = observation(121, 0.05, |x, y| 3.0 + 0.5 * x - 0.2 * y);
        let frame = WorkingFrame { grids: Grids::of(32), centre: [0.3, -0.2], scale: 0.5, brightness: 2.0 };
        let data = frame.bring(&observation, &observation.data);
        let middle = 15.5;
        let mut knowledge = 0.0;
        for (p, (value, weight)) in data.image.iter().zip(&data.weight).enumerate() {
            let x = 0.3 + ((p % 32) as f64 - middle) * frame.step_arcsec();
            let y = -0.2 + ((p / 32) as f64 - middle) * frame.step_arcsec();
            // Pixels of the image are flat: those that are cut in part shift the mean by a fraction of their own slope.
            assert!((value * 2.0 - (3.0 + 0.5 * x - 0.2 * y)).abs() < 0.01, "{p}: {value}");
            knowledge += (weight / 2.0).powi(2);
        }
        // Sum of 1 / sigma^2 over the field: as many pixels of the image as it covers; a little less, since neighbours share pixels.
        let pixels = (32.0 * frame.step_arcsec() / 0.05).powi(2) * 100.0;
        assert!((knowledge / pixels - 1.0).abs() < 0.6 && data.used() == 1024, "{}", knowledge / pixels);
    }

    #[test]
    fn what_lies_outside_or_is_masked_is_not_used() {
        let mut observation = observation(41, 0.1, |_, _| 1.0);
        observation.mask.slice_mut(ndarray::s![.., 0..20]).fill(false);
        let frame = WorkingFrame { grids: Grids::of(32), centre: [0.0, 0.0], scale: 1.0, brightness: 1.0 };
        let data = frame.bring(&observation, &observation.data);
        for (p, weight) in data.weight.iter().enumerate() {
            let (x, y) = (((p % 32) as f64 - 15.5) * 0.24, ((p / 32) as f64 - 15.5) * 0.24);
            if x < -0.2 || y.abs() > 2.2 || x > 2.2 {
                assert_eq!(*weight, 0.0, "{x} {y}");
            } else if x > 0.2 && y.abs() < 1.9 && x < 1.9 {
                assert!(*weight > 0.0, "{x} {y}");
            }
        }
    }

    #[test]
    fn the_ring_is_as_large_as_in_training_and_everything_used_fits() {
        let mut seen = observation(101, 0.05, |x, y| if (x.hypot(y) - 1.0).abs() < 0.15 { 5.0 } else { 0.0 });
        seen = seen.with_annulus([0.0, 0.0], 0.0, 1.6);
        let frame = WorkingFrame::around(Grids::of(64), &seen, &seen.data, [0.0, 0.0], 1.0);
        // Two pixels of 0.05 make one of the field's 0.12: a ring of 1.2 arcsec; one would make 2.4, three 0.8.
        assert!((frame.scale - 0.1 / 0.12).abs() < 1e-9);
        assert!((frame.brightness - 5.0 / PEAK).abs() < 0.7, "{}", frame.brightness);
        let wide = observation(101, 0.05, |_, _| 1.0);
        let frame = WorkingFrame::around(Grids::of(64), &wide, &wide.data, [0.0, 0.0], 1.5);
        assert!((frame.scale - 0.1 / 0.12).abs() < 1e-9);
        // Pixels too coarse for the ring: as large as it should be, between the pixels.
        let coarse = observation(31, 0.3, |x, y| if (x.hypot(y) - 1.0).abs() < 0.3 { 5.0 } else { 0.0 });
        let coarse = coarse.with_annulus([0.0, 0.0], 0.0, 1.6);
        let frame = WorkingFrame::around(Grids::of(64), &coarse, &coarse.data, [0.0, 0.0], 1.0);
        assert!((frame.scale - 1.0 / AIM_ARCSEC).abs() < 1e-9);
    }

    /// An image on the machine's own pixels is seen as it is, wherever its lens is within it.
    #[test]
    fn whole_pixels_stay_whole() {
        for (n, block) in [(64, 1), (65, 1), (128, 2), (129, 2)] {
            let scale = 0.12 / block as f64;
            let seen = observation(n, scale, |x, y| x + 10.0 * y);
            let frame = WorkingFrame::around(Grids::of(64), &seen, &seen.data, [0.03, -0.05], 1.5);
            assert!((frame.scale - 1.0).abs() < 1e-12, "{n} {}", frame.scale);
            let data = frame.bring(&seen, &seen.data);
            let (at_x, at_y) = (frame.centre[0] / scale + 0.5 * n as f64, frame.centre[1] / scale + 0.5 * n as f64);
            let first = [at_y, at_x].map(|c| c - 32.0 * block as f64);
            assert!(first.iter().all(|f| (f - f.round()).abs() < 1e-9), "{n} {first:?}");
            let expected: f64 = (0..block * block)
                .map(|k| {
                    let (y, x) =
                        (first[0].round() as i64 + (k / block) as i64, first[1].round() as i64 + (k % block) as i64);
                    let (y, x) = (y + 20 * block as i64, x + 30 * block as i64);
                    seen.data[[y as usize, x as usize]]
                })
                .sum::<f64>()
                / (block * block) as f64;
            assert!((data.image[20 * 64 + 30] * frame.brightness - expected).abs() < 1e-9);
            let finer = frame.in_pixels_of(&seen);
            assert_eq!(finer.map(|(f, b)| (f.grids.pixels, b)), (block > 1).then_some((64 * block, block)));
            if let Some((finer, _)) = finer {
                let data = finer.bring(&seen, &seen.data);
                let [y, x] = [first[0] + 40.0, first[1] + 60.0].map(|k| k.round() as usize);
                let found = data.image[40 * 128 + 60] * frame.brightness;
                assert!((found - seen.data[[y, x]]).abs() < 1e-6, "{n} {first:?} {found} {}", seen.data[[y, x]]);
            }
            // Independent noise: it falls with the pixels that are taken together.
            assert!((data.weight[20 * 64 + 30] / frame.brightness - 10.0 * block as f64).abs() < 1e-6);
        }
    }

    #[test]
    fn the_psf_keeps_its_width() {
        let observation = observation(41, 0.05, |_, _| 1.0);
        let frame = WorkingFrame { grids: Grids::of(64), centre: [0.0; 2], scale: 0.5, brightness: 1.0 };
        let psf = frame.psf(&observation);
        let middle = (psf.nrows() / 2) as f64;
        let variance: f64 = psf.indexed_iter().map(|((j, _), v)| v * (j as f64 - middle).powi(2)).sum();
        let sigma = variance.sqrt() * frame.step_arcsec();
        // Two boxes of the image's pixels add their own width.
        let expected = ((0.1 / 2.354_8f64).powi(2) + 2.0 * 0.05f64.powi(2) / 12.0).sqrt();
        assert!((sigma / expected - 1.0).abs() < 0.1, "{sigma} {expected}");
    }
}
