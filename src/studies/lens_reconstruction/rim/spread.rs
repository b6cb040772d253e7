//! How far the network's answer would move with other noise, and seen another way round: its spread, and how much wider it must be to hold
//! the truth.
//!
//! The image is given fresh noise of its own strength several times and turned or mirrored, each time another way; the scatter of the answers,
//! turned back, is the network spread. It knows nothing of what the network does wrong every time, nor of the mass sheet. So it is measured
//! on simulations how many errors it holds, in classes of signal to noise, and stretched there by the factor that makes it hold 68 per cent
//! of them. A spread is no posterior.

use burn::tensor::Device;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::likelihood::PixelData;
use super::network::{CHANNELS, Rim};
use super::symmetry::Symmetry;
use crate::numerics::random;

/// Signal to noise between the classes.
pub const CLASSES: [f64; 2] = [3.0, 10.0];
/// Draws that are evaluated together: few, so that a stop is heard soon.
const TOGETHER: usize = 4;
/// Share of errors that one standard deviation holds.
const HELD: f64 = 0.6827;
/// Spread below which a pixel is taken at this one: brightness over the peak, and dex.
const FLOOR: [f64; 2] = [1e-4, 1e-3];

/// Factors by which the spread is stretched, `[source, convergence][class]`, and what share of the errors it held before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Stretch.
    pub factors: [[f64; CLASSES.len() + 1]; CHANNELS],
    /// Share of the errors within one unstretched spread; none where there was no such pixel.
    pub coverage: [[Option<f64>; CLASSES.len() + 1]; CHANNELS],
    /// Simulated lenses that it was measured on.
    pub lenses: usize,
}

/// The class of a signal-to-noise ratio.
fn class(signal_to_noise: f64) -> usize {
    CLASSES.iter().filter(|edge| signal_to_noise >= **edge).count()
}

/// Standard deviations over `draws` answers to the image with fresh noise, turned: of the source (unit of the machine), and of `log10` of the
/// convergence, row by row. `None` when `go_on`, which is asked before every evaluation but the first of some draws, said no.
pub fn spread(
    rim: &Rim,
    data: &PixelData,
    draws: usize,
    seed: u64,
    go_on: &mut dyn FnMut() -> bool,
) -> Option<[Vec<f64>; 2]> {
    let cells = rim.model().grids().cells();
    let n = rim.settings.pixels;
    let noisy: Vec<PixelData> = (0..draws as u64)
        .into_par_iter()
        .map(|draw| {
            let mut deviates = vec![0.0; cells];
            random::fill_normal(&mut random::stream(seed, "lens_reconstruction.rim.spread", draw), &mut deviates);
            let add = |((v, w), d): ((&f64, &f64), &f64)| if *w > 0.0 { v + d / w } else { *v };
            let image = data.image.iter().zip(&data.weight).zip(&deviates).map(add).collect();
            Symmetry::number(draw as usize).turn_data(n, &PixelData { image, ..data.clone() })
        })
        .collect();
    let mut values = Vec::with_capacity(draws * CHANNELS * cells);
    for some in noisy.chunks(TOGETHER) {
        let states = rim.states(some, &Device::flex(), |_, _| go_on());
        let last = states.last().filter(|_| states.len() == rim.settings.steps)?;
        for map in last.clone().into_data().try_into_vec::<f32>().ok()?.chunks_exact(cells) {
            values.extend(Symmetry::number(values.len() / (CHANNELS * cells)).turn_back(n, map));
        }
    }
    let sigma = |channel: usize, place: usize| {
        let of = |draw: usize| f64::from(values[(draw * CHANNELS + channel) * cells + place]);
        let mean = (0..draws).map(of).sum::<f64>() / draws as f64;
        ((0..draws).map(|k| (of(k) - mean).powi(2)).sum::<f64>() / (draws.max(2) - 1) as f64).sqrt()
    };
    Some([0, 1].map(|channel| (0..cells).map(|place| sigma(channel, place).max(FLOOR[channel])).collect()))
}

/// Signal to noise of every pixel: of the source, its brightness over the image's typical noise; of the convergence, that of the image there.
pub fn signal_to_noise(data: &PixelData, source: &[f64]) -> [Vec<f64>; 2] {
    let mut used: Vec<f64> = data.weight.iter().copied().filter(|w| *w > 0.0).collect();
    used.sort_by(f64::total_cmp);
    let typical = used.get(used.len() / 2).copied().unwrap_or(0.0);
    let of_source = source.iter().map(|s| s * typical).collect();
    [of_source, data.image.iter().zip(&data.weight).map(|(v, w)| v * w).collect()]
}

/// Errors over spread of many pixels, in their classes.
#[derive(Default)]
pub struct Held {
    ratios: [[Vec<f64>; CLASSES.len() + 1]; CHANNELS],
    lenses: usize,
}

impl Held {
    /// Adds a lens: its data, answer, truth and spread, `[source, log10 convergence]` each, row by row. Of the source only pixels brighter
    /// than the noise count: darkness that is found dark says nothing of the errors of light. Of the convergence all count.
    pub fn add(&mut self, data: &PixelData, answer: [&[f64]; 2], truth: [&[f64]; 2], spread: &[Vec<f64>; 2]) {
        let classes = signal_to_noise(data, answer[0]);
        for (channel, of_channel) in self.ratios.iter_mut().enumerate() {
            for (place, sigma) in spread[channel].iter().enumerate() {
                if channel == 0 && classes[0][place] < 1.0 {
                    continue;
                }
                let error = (answer[channel][place] - truth[channel][place]).abs();
                of_channel[class(classes[channel][place])].push(error / sigma);
            }
        }
        self.lenses += 1;
    }

    /// What was held, and the factors that make it 68 per cent.
    pub fn calibration(mut self) -> Calibration {
        let mut out = Calibration {
            factors: [[1.0; CLASSES.len() + 1]; CHANNELS],
            coverage: [[None; CLASSES.len() + 1]; CHANNELS],
            lenses: self.lenses,
        };
        for (channel, classes) in self.ratios.iter_mut().enumerate() {
            for (k, ratios) in classes.iter_mut().enumerate() {
                if ratios.is_empty() {
                    continue;
                }
                ratios.sort_by(f64::total_cmp);
                out.coverage[channel][k] = Some(ratios.partition_point(|r| *r <= 1.0) as f64 / ratios.len() as f64);
                out.factors[channel][k] = ratios[((ratios.len() as f64 * HELD) as usize).min(ratios.len() - 1)];
            }
        }
        out
    }
}

impl Calibration {
    /// Stretches a spread.
    pub fn apply(&self, data: &PixelData, source: &[f64], spread: &mut [Vec<f64>; 2]) {
        let classes = signal_to_noise(data, source);
        for (channel, sigmas) in spread.iter_mut().enumerate() {
            for (sigma, ratio) in sigmas.iter_mut().zip(&classes[channel]) {
                *sigma *= self.factors[channel][class(*ratio)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_reconstruction::rim::{Grids, RimSettings};
    use crate::studies::lens_reconstruction::simulate::gaussian_psf;

    fn data(noise: f64) -> PixelData {
        let grids = Grids::of(32);
        let image = (0..1024).map(|p| if (300..400).contains(&p) { 1.0 } else { 0.0 }).collect();
        PixelData::new(&grids, image, &[noise; 1024], &gaussian_psf(0.3, grids.step()).unwrap())
    }

    #[test]
    fn more_noise_moves_the_answer_more_and_a_seed_repeats() {
        let settings = RimSettings { pixels: 32, filters: 4, levels: 2, convolutions: 1, input_kernel: 3, steps: 1 };
        let rim = Rim::new(&settings, 1, &Device::flex());
        let of = |noise: f64, seed: u64| spread(&rim, &data(noise), 6, seed, &mut || true).unwrap();
        let mean = |s: &[f64]| s.iter().sum::<f64>() / s.len() as f64;
        // Almost without noise what is left is that a network does not see a turned image as it should.
        let (none, little, much) = (of(1e-6, 1), of(0.02, 1), of(0.3, 1));
        for channel in [0, 1] {
            assert!(mean(&none[channel]) > 10.0 * FLOOR[channel], "{}", mean(&none[channel]));
            assert!(mean(&little[channel]) < 1.5 * mean(&none[channel]));
            assert!(mean(&much[channel]) > 1.5 * mean(&none[channel]));
        }
        assert_eq!(of(0.02, 1), little);
        assert_ne!(of(0.02, 2), little);
        assert!(spread(&rim, &data(0.02), 2, 1, &mut || false).is_some(), "one evaluation asks nobody");
        let two = Rim::new(&RimSettings { steps: 2, ..settings }, 1, &Device::flex());
        assert!(spread(&two, &data(0.02), 2, 1, &mut || false).is_none());
    }

    /// Gaussian errors of twice the spread: 38 per cent are held, and a factor of 2 mends it.
    #[test]
    fn a_spread_that_is_too_narrow_is_stretched_where_it_is() {
        let data = data(0.1);
        let mut stream = random::stream(1, "test", 0);
        let mut held = Held::default();
        let truth = vec![0.0; 1024];
        let source: Vec<f64> = (0..1024).map(|p| if p < 512 { 2.0 } else { 0.0 }).collect();
        for _ in 0..40 {
            let wide = |p: usize| if p < 512 { 0.2 } else { 0.1 };
            let errors: Vec<f64> = (0..1024).map(|p| source[p] + wide(p) * random::normal(&mut stream)).collect();
            held.add(&data, [&errors, &truth], [&source, &truth], &[vec![0.1; 1024], vec![0.1; 1024]]);
        }
        let found = held.calibration();
        assert_eq!(found.lenses, 40);
        let [low, _, high] = found.factors[0];
        assert!((high - 2.0).abs() < 0.05 && (found.coverage[0][2].unwrap() - 0.383).abs() < 0.02, "{found:?}");
        // Of the dark pixels only those count whose error shines above the noise: a normal deviate beyond 1, of which 68 % lie below 1.64.
        assert!((low - 1.64).abs() < 0.08 && found.coverage[0][0].is_some_and(|held| held < 0.02), "{found:?}");
        let mut sigma = [vec![0.1; 1024], vec![0.1; 1024]];
        found.apply(&data, &source, &mut sigma);
        assert!((sigma[0][0] - 0.1 * high).abs() < 1e-12 && (sigma[0][1000] - 0.1 * low).abs() < 1e-12);
    }
}
