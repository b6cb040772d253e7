//! How well a network does on spectra that no training sees.

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::architecture::{LineNetwork, NetworkKind};
use super::decode::{Measured, corrections_of, labels_of, mixture_of};
use super::examples::{Batch, Pool, TargetScale};
use super::features::{BROADENING_UNIT_KM_S, VELOCITY_UNIT_KM_S};
use super::losses;
use crate::studies::line_ratios::prior::RATIOS;
use crate::tasks::Progress;

/// One look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Steps of the training before it.
    pub step: u64,
    /// The loss of the training, mean of the members.
    pub loss: f64,
    /// Half the range of the middle 68 % of the errors of each target: km/s, dex, or units of the published labels.
    pub half_widths: Vec<f64>,
    /// Standard deviation of error over claimed error, clipped at 5; not there where no errors are claimed.
    pub pull_deviations: Vec<f64>,
}

impl Validation {
    /// Puts it on the board.
    pub fn show<U: Send + Sync + 'static>(&self, progress: &Progress<U>) {
        let step = self.step as f64;
        progress.log("validation loss", step, self.loss);
        if let Some(first) = self.half_widths.first() {
            progress.log("validation error of the first target", step, *first);
        }
    }
}

/// A fixed set of examples.
#[derive(Debug)]
pub struct ValidationSet {
    kind: NetworkKind,
    batch: Batch,
    scale: TargetScale,
}

/// Examples that are evaluated together.
const TOGETHER: usize = 512;

impl ValidationSet {
    /// One example of each spectrum of a pool.
    pub fn new(kind: NetworkKind, pool: &Pool) -> Self {
        Self { kind, batch: pool.batch(0, pool.len()), scale: pool.scale().clone() }
    }

    /// Names of the targets.
    pub fn names(&self) -> Vec<String> {
        match self.kind {
            NetworkKind::PublishedRatios | NetworkKind::Ratios => RATIOS.map(String::from).to_vec(),
            NetworkKind::Kinematics | NetworkKind::Refinement => {
                ["velocity_km_s", "broadening_km_s"].map(String::from).to_vec()
            }
        }
    }

    /// Units of the targets.
    fn units(&self) -> Vec<f64> {
        match self.kind {
            NetworkKind::PublishedRatios | NetworkKind::Ratios => self.scale.deviation.clone(),
            NetworkKind::Kinematics | NetworkKind::Refinement => vec![VELOCITY_UNIT_KM_S, BROADENING_UNIT_KM_S],
        }
    }

    /// What a network makes of it; `step` is only noted.
    pub fn look(&self, step: u64, network: &LineNetwork) -> Validation {
        let device = Device::flex();
        let targets = self.kind.targets();
        let inputs = self.batch.inputs.chunks(TOGETHER * self.kind.inputs());
        let (mut loss, mut errors, mut pulls) = (0.0, vec![Vec::new(); targets], vec![Vec::new(); targets]);
        for (inputs, truths) in inputs.zip(self.batch.targets.chunks(TOGETHER * targets)) {
            let count = truths.len() / targets;
            let tensor = |values: &[f32]| {
                Tensor::<2>::from_data(TensorData::new(values.to_vec(), [count, values.len() / count]), &device)
            };
            let outputs = network.forward(tensor(inputs), |_, _, y| y);
            let members = outputs.len();
            let own = losses::summed(self.kind, outputs.clone(), &tensor(truths));
            loss += f64::from(own.into_scalar::<f32>()) * count as f64 / (self.batch.len * members) as f64;
            let width = outputs.first().map_or(0, |o| o.dims()[1]);
            let values: Vec<Vec<f32>> =
                outputs.into_iter().map(|o| o.into_data().try_into_vec::<f32>().unwrap_or_default()).collect();
            for (example, truth) in truths.chunks_exact(targets).enumerate() {
                let row: Vec<f32> =
                    values.iter().flat_map(|v| v[example * width..(example + 1) * width].iter().copied()).collect();
                self.note(&row, truth, &mut errors, &mut pulls);
            }
        }
        let half_widths = errors.into_iter().map(half_width).collect();
        let pull_deviations = pulls.into_iter().filter(|p| !p.is_empty()).map(|p| deviation(&p)).collect();
        Validation { step, loss, half_widths, pull_deviations }
    }

    fn note(&self, outputs: &[f32], truth: &[f32], errors: &mut [Vec<f64>], pulls: &mut [Vec<f64>]) {
        let mut found = vec![Measured::default(); truth.len()];
        match self.kind {
            NetworkKind::Kinematics => {
                let first = mixture_of(outputs)[0];
                found = vec![first.velocity, first.broadening];
            }
            NetworkKind::Refinement => found = corrections_of(outputs).to_vec(),
            NetworkKind::PublishedRatios | NetworkKind::Ratios => {
                labels_of(self.kind, &self.scale, outputs, &mut found);
            }
        }
        let ratios = matches!(self.kind, NetworkKind::PublishedRatios | NetworkKind::Ratios);
        for (k, unit) in self.units().into_iter().enumerate() {
            let mean = if ratios { self.scale.mean[k] } else { 0.0 };
            let error = found[k].value - (mean + unit * f64::from(truth[k]));
            errors[k].push(error);
            if found[k].error.is_finite() {
                pulls[k].push((error / found[k].error).clamp(-5.0, 5.0));
            }
        }
    }

    /// The same numbers for somebody who says the mean of all truths, whatever the spectrum.
    pub fn null(&self) -> Validation {
        let targets = self.kind.targets();
        let half_widths = self.units().into_iter().enumerate().map(|(k, unit)| {
            let own: Vec<f64> = self.batch.targets.chunks_exact(targets).map(|t| unit * f64::from(t[k])).collect();
            half_width(own)
        });
        Validation { half_widths: half_widths.collect(), ..Validation::default() }
    }
}

/// Half the range of the middle 68 % (between the quantiles 0.16 and 0.84).
pub fn half_width(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    0.5 * (quantile(&values, 0.84) - quantile(&values, 0.16))
}

/// A quantile of sorted values, between neighbours by straight lines.
pub fn quantile(sorted: &[f64], fraction: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = fraction.clamp(0.0, 1.0) * last as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within the slice
    let low = place.floor() as usize;
    let high = (low + 1).min(last);
    sorted[low] + (place - low as f64) * (sorted[high] - sorted[low])
}

fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt()
}
