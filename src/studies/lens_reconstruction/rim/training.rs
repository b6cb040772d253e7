//! What one step of the training is made of: a batch of examples, the loss, and the fixed validation set.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use super::likelihood::PixelData;
use super::network::{CHANNELS, Rim};
use super::prior::Prior;
use super::refine::{RefineSettings, refine};
use super::spread::{Calibration, Held, spread};
use crate::numerics::statistics::median_between;

/// Examples as the network wants them.
pub(super) struct Batch {
    pub(super) data: Vec<PixelData>,
    /// Source and `log10` convergence, `[batch, 2, y, x]`.
    truth: Vec<f32>,
    /// Weight of each value in the loss.
    weights: Vec<f32>,
    /// Einstein radius of each (arcsec).
    pub(super) einstein_radii: Vec<f64>,
}

impl Batch {
    /// Examples `first .. first + count` of a seed.
    pub(super) fn draw(prior: &Prior, rim: &Rim, seed: u64, first: u64, count: usize, source_weight: f64) -> Self {
        let grids = rim.model().grids();
        let cells = grids.cells();
        let examples: Vec<_> = (first..first + count as u64).map(|index| prior.example(seed, index)).collect();
        let mut out = Self { data: Vec::new(), truth: Vec::new(), weights: Vec::new(), einstein_radii: Vec::new() };
        for example in &examples {
            let image = example.image.iter().map(|v| f64::from(*v)).collect();
            let noise = vec![f64::from(example.noise_sigma); cells];
            out.data.push(PixelData::new(grids, image, &noise, &prior.psf(example)));
            out.truth.extend(&example.source);
            out.truth.extend(&example.log_convergence);
            out.weights.extend(std::iter::repeat_n((source_weight / cells as f64) as f32, cells));
            // The published weight: the square root of the convergence, of sum 1.
            let roots: Vec<f32> = example.log_convergence.iter().map(|k| 10f32.powf(0.5 * k)).collect();
            let sum: f32 = roots.iter().sum();
            out.weights.extend(roots.iter().map(|w| w / sum));
            out.einstein_radii.push(f64::from(example.einstein_radius_arcsec));
        }
        out
    }

    fn shape(&self, pixels: usize) -> [usize; 4] {
        [self.data.len(), CHANNELS, pixels, pixels]
    }

    /// The published loss: the mean over all evaluations and images of the weighted squared errors.
    pub(super) fn loss(&self, states: &[Tensor<4>], pixels: usize, device: &Device) -> Tensor<1> {
        let tensor =
            |values: &[f32]| Tensor::<4>::from_data(TensorData::new(values.to_vec(), self.shape(pixels)), device);
        let (truth, weights) = (tensor(&self.truth), tensor(&self.weights));
        let mut sum: Option<Tensor<1>> = None;
        for state in states {
            let error = state.clone() - truth.clone();
            let own = (error.clone() * error * weights.clone()).sum();
            sum = Some(sum.map_or(own.clone(), |s| s + own));
        }
        let count = (states.len() * self.data.len()).max(1) as f32;
        sum.unwrap_or_else(|| Tensor::zeros([1], device)) / count
    }
}

/// How well a network does on the validation set.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Validation {
    /// Steps of the training before it.
    pub step: u64,
    /// The loss of the training.
    pub loss: f64,
    /// Median over the images of `|s - s_true| / |s_true|`, after the last evaluation.
    pub source_error: f64,
    /// Median over the images of the rms of `log10 kappa` between 0.5 and 1.5 Einstein radii (dex).
    pub convergence_error_dex: f64,
    /// Median over the images of the reduced `chi2` of the last state.
    pub reduced_chi2: f64,
}

/// A fixed set of examples that no training sees.
pub(super) struct ValidationSet {
    batches: Vec<Batch>,
}

/// Images that are evaluated together.
const TOGETHER: usize = 8;
/// Seeds of training and validation differ by this, so that no example is in both.
const VALIDATION: u64 = 0x5EED_0A11;

impl ValidationSet {
    pub(super) fn new(prior: &Prior, rim: &Rim, seed: u64, count: usize, source_weight: f64) -> Self {
        let seed = seed ^ VALIDATION;
        let firsts: Vec<usize> = (0..count).step_by(TOGETHER).collect();
        let draw =
            |first: &usize| Batch::draw(prior, rim, seed, *first as u64, TOGETHER.min(count - first), source_weight);
        Self { batches: firsts.par_iter().map(draw).collect() }
    }

    /// Runs a network over the set. `None` if `stopped` says so in between.
    pub(super) fn evaluate(&self, rim: &Rim, device: &Device, stopped: impl Fn() -> bool) -> Option<Validation> {
        let pixels = rim.settings.pixels;
        let mut out = Validation::default();
        let (mut sources, mut convergences, mut chi2s) = (Vec::new(), Vec::new(), Vec::new());
        let mut images = 0.0;
        for batch in &self.batches {
            let states = rim.states(&batch.data, device, |_, _| !stopped());
            let last = states.get(rim.settings.steps - 1)?;
            out.loss += f64::from(batch.loss(&states, pixels, device).into_scalar::<f32>()) * batch.data.len() as f64;
            images += batch.data.len() as f64;
            let values = last.clone().into_data().try_into_vec::<f32>().ok()?;
            let cells = pixels * pixels;
            let chi2 = rim.gradients(&batch.data, &values).1;
            for (k, (state, truth)) in
                values.chunks_exact(2 * cells).zip(batch.truth.chunks_exact(2 * cells)).enumerate()
            {
                sources.push(relative_error(&state[..cells], &truth[..cells]));
                let radius = batch.einstein_radii[k] / rim.model().grids().step();
                convergences.push(ring_rms(&state[cells..], &truth[cells..], pixels, radius));
                chi2s.push(chi2[k] / batch.data[k].used() as f64);
            }
        }
        out.loss /= images;
        out.source_error = median_between(&mut sources);
        out.convergence_error_dex = median_between(&mut convergences);
        out.reduced_chi2 = median_between(&mut chi2s);
        Some(out)
    }

    /// The same numbers for somebody who says the mean of all truths, whatever the image.
    pub(super) fn null(&self, pixels: usize) -> Validation {
        let cells = pixels * pixels;
        let truths: Vec<&[f32]> = self.batches.iter().flat_map(|b| b.truth.chunks_exact(2 * cells)).collect();
        let radii: Vec<f64> = self.batches.iter().flat_map(|b| b.einstein_radii.iter().copied()).collect();
        let count = truths.len() as f32;
        let mean: Vec<f32> = (0..2 * cells).map(|p| truths.iter().map(|t| t[p]).sum::<f32>() / count).collect();
        let step = super::likelihood::Grids::of(pixels).step();
        let mut sources: Vec<f64> = truths.iter().map(|t| relative_error(&mean[..cells], &t[..cells])).collect();
        let ring = |(t, r): (&&[f32], &f64)| ring_rms(&mean[cells..], &t[cells..], pixels, r / step);
        let mut convergences: Vec<f64> = truths.iter().zip(&radii).map(ring).collect();
        Validation {
            source_error: median_between(&mut sources),
            convergence_error_dex: median_between(&mut convergences),
            ..Validation::default()
        }
    }

    /// How many of its errors the spread of a network holds, and how it must be stretched; then the same for its answers refined on the image.
    /// `None` if `stopped` says so.
    pub(super) fn calibrations(&self, rim: &Rim, stopped: &dyn Fn() -> bool) -> Option<[Calibration; 2]> {
        /// Draws of the noise for each, and most lenses.
        const DRAWS: usize = 8;
        const LENSES: usize = 32;
        let cells = rim.model().grids().cells();
        let doubles = |v: &[f32]| v.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
        let mut seen = Vec::new();
        for batch in &self.batches {
            let states = rim.states(&batch.data, &Device::flex(), |_, _| !stopped());
            let last = states.get(rim.settings.steps - 1)?;
            let values = last.clone().into_data().try_into_vec::<f32>().ok()?;
            for (k, data) in batch.data.iter().enumerate() {
                if seen.len() == LENSES {
                    break;
                }
                let sigma = spread(rim, data, DRAWS, seen.len() as u64, &mut || !stopped())?;
                let of = |v: &[f32]| {
                    let own = doubles(&v[k * CHANNELS * cells..(k + 1) * CHANNELS * cells]);
                    [own[..cells].to_vec(), own[cells..].to_vec()]
                };
                let [source, convergence] = of(&values);
                let answer = [source.iter().map(|s| s.max(0.0)).collect(), convergence];
                seen.push(Judged { data, answer, truth: of(&batch.truth), sigma });
            }
        }
        let mut held = Held::default();
        seen.iter().for_each(|lens| held.add(lens.data, both(&lens.answer), both(&lens.truth), &lens.sigma));
        let calibration = held.calibration();
        let mut held = Held::default();
        for lens in &seen {
            let mut sigma = lens.sigma.clone();
            calibration.apply(lens.data, &lens.answer[0], &mut sigma);
            let settings = RefineSettings { iterations: RefineSettings::ITERATIONS, target: 1.0 };
            let going = &mut |_: usize, _: f64| !stopped();
            let found = refine(rim.model(), lens.data, both(&lens.answer), both(&sigma), 1, settings, going);
            if stopped() {
                return None;
            }
            held.add(lens.data, [&found.source, &found.log_convergence], both(&lens.truth), &lens.sigma);
        }
        Some([calibration, held.calibration()])
    }

    /// Image, true source, source, true convergence and convergence (`log10`) of the first few, for the eye.
    pub(super) fn pictures(&self, rim: &Rim, device: &Device, count: usize) -> Vec<[Vec<f32>; 5]> {
        let Some(batch) = self.batches.first() else { return Vec::new() };
        let states = rim.states(&batch.data, device, |_, _| true);
        let Some(values) = states.last().and_then(|s| s.clone().into_data().try_into_vec::<f32>().ok()) else {
            return Vec::new();
        };
        let cells = rim.model().grids().cells();
        let pairs = values.chunks_exact(2 * cells).zip(batch.truth.chunks_exact(2 * cells));
        pairs
            .zip(&batch.data)
            .take(count)
            .map(|((state, truth), data)| {
                let image = data.image.iter().map(|v| *v as f32).collect();
                let part = |of: &[f32], k: usize| of[k * cells..(k + 1) * cells].to_vec();
                [image, part(truth, 0), part(state, 0), part(truth, 1), part(state, 1)]
            })
            .collect()
    }
}

/// A lens of the validation set: its data, the network's answer, the truth, the network's spread.
struct Judged<'a> {
    data: &'a PixelData,
    answer: [Vec<f64>; CHANNELS],
    truth: [Vec<f64>; CHANNELS],
    sigma: [Vec<f64>; CHANNELS],
}

fn both(maps: &[Vec<f64>; CHANNELS]) -> [&[f64]; CHANNELS] {
    [&maps[0], &maps[1]]
}

/// `|found - truth| / |truth|`.
pub(super) fn relative_error(found: &[f32], truth: &[f32]) -> f64 {
    let square = |v: f32| f64::from(v) * f64::from(v);
    let error: f64 = found.iter().zip(truth).map(|(f, t)| square(f - t)).sum();
    (error / truth.iter().map(|t| square(*t)).sum::<f64>()).sqrt()
}

/// Root mean square difference between half and one and a half Einstein radii (in pixels) from the centre.
pub(super) fn ring_rms(found: &[f32], truth: &[f32], pixels: usize, radius: f64) -> f64 {
    let middle = 0.5 * (pixels as f64 - 1.0);
    let (mut sum, mut count) = (0.0, 0.0f64);
    for (p, (f, t)) in found.iter().zip(truth).enumerate() {
        let distance = ((p % pixels) as f64 - middle).hypot((p / pixels) as f64 - middle);
        if (0.5 * radius..=1.5 * radius).contains(&distance) {
            sum += f64::from(f - t).powi(2);
            count += 1.0;
        }
    }
    (sum / count.max(1.0)).sqrt()
}
