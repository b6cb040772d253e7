//! `lens_reconstruction.train_vae`: trains one of the two autoencoders on maps of the prior, drawn on the fly.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::network::{Vae, VaePart, VaeSettings};
use super::outcome::{self, SHOWN, VaeTrainOutcome, VaeValidation};
use crate::learning::adam::{Adam, clip};
use crate::learning::checkpoint::Checkpoint;
use crate::learning::parameters::{Parameters, Part, gradients};
use crate::learning::{LearningError, weights};
use crate::numerics::random;
use crate::studies::lens_reconstruction::rim::prior::{Prior, PriorSettings};
use crate::tasks::{Cost, Lane, Progress, Task, TaskError};

/// Time between two checkpoints.
const KEEP_EVERY: Duration = Duration::from_secs(120);
/// Weight, at the beginning, of the difference between the deepest levels of encoder and decoder; it falls to zero over the training, as published.
const MATCH: f64 = 1e-2;
/// Seeds of training and validation differ by this.
const VALIDATION: u64 = 0x5EED_0A12;
/// Maps that are looked at together.
const TOGETHER: usize = 16;

/// Train a variational autoencoder of convergences or sources. Stopped at any moment, the same command goes on where it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VaeTrainRequest {
    /// Begin with these weights instead of fresh ones.
    #[schemars(extend("x-input" = true))]
    pub weights: Option<PathBuf>,
    /// Of which maps.
    pub part: VaePart,
    /// Width and height of the maps; even as often as there are levels.
    #[schemars(range(min = 32, max = 128), extend("x-unit" = "pixels"))]
    pub pixels: usize,
    /// Channels of the first level; each deeper level has twice as many. Published: 16.
    #[schemars(range(min = 2, max = 64))]
    pub filters: usize,
    /// Levels, each with half the sides.
    #[schemars(range(min = 1, max = 6))]
    pub levels: usize,
    /// Numbers that describe a map; 16 for a convergence and 32 for a source if not given, as published.
    #[schemars(range(min = 1, max = 256), extend("x-start" = 16))]
    pub latent: Option<usize>,
    /// Weight of the Kullback-Leibler term at the end; 0.2 for a convergence and 0.1 for a source if not given, as published.
    #[schemars(range(min = 0.0, max = 10.0), extend("x-start" = 0.1))]
    pub beta: Option<f64>,
    /// Maps of a step. Published: 20.
    #[schemars(range(min = 1, max = 128))]
    pub batch: usize,
    /// Steps in all; the schedules of the loss depend on it.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub steps: u64,
    /// Size of Adam's steps.
    #[schemars(range(min = 1e-6, max = 0.01), extend("x-log" = true))]
    pub learning_rate: f64,
    /// Steps after which the learning rate is halved, smoothly.
    #[schemars(range(min = 100.0, max = 10_000_000.0), extend("x-log" = true))]
    pub halving_steps: f64,
    /// Steps over which the kept network is the mean of the trained ones.
    #[schemars(range(min = 1.0, max = 100_000.0), extend("x-log" = true))]
    pub mean_steps: f64,
    /// Maps of the fixed validation set.
    #[schemars(range(min = 1, max = 1024))]
    pub validation_examples: usize,
    /// Steps between two looks at the validation set.
    #[schemars(range(min = 1, max = 100_000))]
    pub validate_every: u64,
    /// Seed of parameters, maps and noise.
    pub seed: u64,
}

impl Default for VaeTrainRequest {
    fn default() -> Self {
        Self {
            weights: None,
            part: VaePart::Convergence,
            pixels: 64,
            filters: 8,
            levels: 4,
            latent: None,
            beta: None,
            batch: 16,
            steps: 4_000,
            learning_rate: 1e-3,
            halving_steps: 1_500.0,
            mean_steps: 200.0,
            validation_examples: 128,
            validate_every: 200,
            seed: 1,
        }
    }
}

/// What the screen shows while it trains.
#[derive(Clone, Debug)]
pub struct VaeTrainUpdate {
    /// Steps made.
    pub step: u64,
    /// Of the first few validation maps: the map, and what comes out; row by row.
    pub pictures: Arc<Vec<[Vec<f32>; 2]>>,
    /// Pixels a side of them.
    pub pixels: usize,
}

impl VaeTrainRequest {
    /// The network.
    pub fn settings(&self) -> VaeSettings {
        VaeSettings {
            part: self.part,
            pixels: self.pixels,
            filters: self.filters,
            levels: self.levels,
            latent: self.latent.unwrap_or(self.part.latent()),
        }
    }

    /// What must be the same to go on with a training. The schedules of the loss stretch with the steps: those too.
    fn training(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            for free in ["validate_every", "validation_examples", "mean_steps"] {
                fields.remove(free);
            }
        }
        value
    }
}

impl Task for VaeTrainRequest {
    const NAME: &'static str = "lens_reconstruction.train_vae";
    const SUMMARY: &'static str = "Train a variational autoencoder of convergences or of sources, near whose descriptions fine-tuning draws lenses.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = outcome::OUTPUTS;
    const LANE: Lane = Lane::Long;
    type Update = VaeTrainUpdate;
    type Outcome = VaeTrainOutcome;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        if let Some(problem) = self.settings().problem() {
            return Err(TaskError::Failed(problem));
        }
        let values = 40.0 * (self.filters * self.pixels * self.pixels * self.batch) as f64;
        let seconds = self.steps as f64 * self.batch as f64 * (3.0 * self.settings().operations() / 5e10 + 2e-3);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an estimate
        Ok(Cost { bytes: (4.0 * values) as u64 + 300_000_000, seconds })
    }

    fn run(&self, progress: &Progress<VaeTrainUpdate>) -> Result<VaeTrainOutcome, TaskError> {
        self.cost()?;
        let mut training = Training::begin(self, progress)?;
        training.go(progress)?;
        Ok(training.finish())
    }
}

/// A training under way.
struct Training<'a> {
    request: &'a VaeTrainRequest,
    prior: Prior,
    device: Device,
    vae: Vae,
    parts: Vec<Part>,
    values: Vec<f32>,
    adam: Adam,
    /// The fixed validation set, one map after the other.
    validation_set: Vec<f32>,
    history: History,
    started: Instant,
    kept: Instant,
    checkpoint: Option<PathBuf>,
}

/// What a checkpoint remembers beside the parameters.
#[derive(Default, Serialize, Deserialize)]
struct History {
    /// (step, loss of the batch).
    losses: Vec<[f64; 2]>,
    validations: Vec<VaeValidation>,
    /// Seconds of all sittings before this one.
    seconds: f64,
}

/// Maps `first .. first + count` of a seed, one after the other.
fn draw(prior: &Prior, part: VaePart, seed: u64, first: u64, count: usize) -> Vec<f32> {
    let maps: Vec<Vec<f32>> = (first..first + count as u64)
        .into_par_iter()
        .map(|index| match part {
            VaePart::Convergence => prior.convergence(seed, index).iter().map(|k| k.log10() as f32).collect(),
            VaePart::Source => prior.source(seed, index).iter().map(|v| *v as f32).collect(),
        })
        .collect();
    maps.concat()
}

impl<'a> Training<'a> {
    /// Fresh, from weights, or from the checkpoint.
    fn begin(request: &'a VaeTrainRequest, progress: &Progress<VaeTrainUpdate>) -> Result<Self, TaskError> {
        let device = Device::flex().autodiff();
        let mut vae = Vae::new(&request.settings(), request.seed, &device);
        let Parameters { parts, mut values } = vae.parameters();
        if let Some(path) = &request.weights {
            values = weights::load(path).and_then(|w| w.values_for(path, &parts)).map_err(failed)?;
        }
        let checkpoint = progress.board().checkpoint();
        let old = match &checkpoint {
            Some(folder) => Checkpoint::load(folder, &request.training()).map_err(failed)?,
            None => None,
        };
        let (mut adam, mut history) = (Adam::new(&values), History::default());
        if let Some(old) = old.filter(|o| o.values.len() == values.len()) {
            (values, adam) = (old.values, old.adam);
            history = serde_json::from_value(old.history).unwrap_or_default();
        }
        vae.set_values(&values);
        history.losses.iter().for_each(|[step, loss]| progress.log("loss", *step, *loss));
        history.validations.iter().for_each(|v| show(v, progress));
        let prior = Prior::new(PriorSettings { pixels: request.pixels, ..PriorSettings::default() });
        progress.phase("drawing the validation set");
        let validation_set = draw(&prior, request.part, request.seed ^ VALIDATION, 0, request.validation_examples);
        let now = Instant::now();
        Ok(Self {
            request,
            prior,
            device,
            vae,
            parts,
            values,
            adam,
            validation_set,
            history,
            started: now,
            kept: now,
            checkpoint,
        })
    }

    fn go(&mut self, progress: &Progress<VaeTrainUpdate>) -> Result<(), TaskError> {
        while self.adam.steps < self.request.steps {
            progress.check()?;
            if self.adam.steps.is_multiple_of(self.request.validate_every) {
                self.validate(progress);
            }
            progress.phase(format!("step {} of {}", self.adam.steps + 1, self.request.steps));
            self.step(progress)?;
            progress.fraction(self.adam.steps as f64 / self.request.steps as f64);
            if self.kept.elapsed() > KEEP_EVERY {
                self.keep()?;
            }
        }
        self.validate(progress);
        Ok(())
    }

    /// Weights of the Kullback-Leibler term, which rises as the square root of the time, and of the match of the deepest levels.
    fn schedule(&self) -> (f64, f64) {
        let t = self.adam.steps as f64 / self.request.steps as f64;
        (self.request.beta.unwrap_or(self.request.part.beta()) * t.sqrt(), MATCH * (1.0 - t))
    }

    /// One step on one batch: sum of squared errors, `beta` times the Kullback-Leibler divergence, and the match of the deepest levels.
    fn step(&mut self, progress: &Progress<VaeTrainUpdate>) -> Result<(), TaskError> {
        /// Greatest norm of the gradient of a tensor: those of a sum over thousands of pixels.
        const MOST: f64 = 500.0;
        /// Steps in which the learning rate rises from nothing.
        const WARM_UP: f64 = 100.0;
        let r = self.request;
        let step = self.adam.steps;
        let maps = draw(&self.prior, r.part, r.seed, step * r.batch as u64, r.batch);
        let maps = self.vae.input(&maps);
        let encoded = self.vae.network.encode(maps.clone());
        let shape = encoded.mean.dims();
        let mut shaken = vec![0.0; shape[0] * shape[1]];
        random::fill_normal(&mut random::stream(r.seed, "lens_reconstruction.vae.train", step), &mut shaken);
        let shaken: Vec<f32> = shaken.iter().map(|v| *v as f32).collect();
        let shaken = Tensor::<2>::from_data(TensorData::new(shaken, shape), &self.device);
        let sigma = (encoded.log_variance.clone() * 0.5).exp();
        let (found, deepest) = self.vae.network.decode(encoded.mean.clone() + sigma * shaken);
        let error = found - maps;
        let divergence = divergence(&encoded.mean, &encoded.log_variance);
        let apart = deepest - encoded.deepest;
        let (beta, matching) = self.schedule();
        let sum = (error.clone() * error).sum() + divergence * beta + (apart.clone() * apart).sum() * matching;
        let loss = sum / r.batch as f64;
        let value = f64::from(loss.clone().into_scalar::<f32>());
        if !value.is_finite() {
            let cure = "train with a smaller learning_rate";
            return Err(TaskError::Failed(format!("the loss is {value} after {step} steps; {cure}")));
        }
        let mut gradient = gradients(&self.vae.network, &loss.backward());
        clip(&mut gradient, &self.parts, MOST);
        let step = step as f64;
        let rate = r.learning_rate * (-step / r.halving_steps).exp2() * ((step + 1.0) / WARM_UP).min(1.0);
        self.adam.step(&mut self.values, &gradient, rate as f32, r.mean_steps);
        self.vae.set_values(&self.values);
        self.history.losses.push([step + 1.0, value]);
        progress.log("loss", step + 1.0, value);
        Ok(())
    }

    /// The network that is kept: the mean of the trained ones.
    fn mean(&self) -> Vae {
        let mut mean = Vae::new(&self.request.settings(), self.request.seed, &Device::flex());
        mean.set_values(&self.adam.mean);
        mean
    }

    /// Looks at the validation set, once a step.
    fn validate(&mut self, progress: &Progress<VaeTrainUpdate>) {
        if self.history.validations.last().is_some_and(|v| v.step == self.adam.steps) {
            return;
        }
        progress.phase("validation");
        let mean = self.mean();
        let (validation, _) = evaluate(&mean, &self.validation_set, self.adam.steps);
        show(&validation, progress);
        self.history.validations.push(validation);
        let pictures = Arc::new(pictures(&mean, &self.validation_set));
        progress.update_now(VaeTrainUpdate { step: self.adam.steps, pictures, pixels: self.request.pixels });
    }

    fn seconds(&self) -> f64 {
        self.history.seconds + self.started.elapsed().as_secs_f64()
    }

    /// Writes the checkpoint, if there is a place for it.
    fn keep(&mut self) -> Result<(), TaskError> {
        self.kept = Instant::now();
        let Some(folder) = &self.checkpoint else { return Ok(()) };
        let mut history = serde_json::to_value(&self.history).unwrap_or_default();
        history["seconds"] = self.seconds().into();
        let checkpoint = Checkpoint {
            values: self.values.clone(),
            adam: self.adam.clone(),
            training: self.request.training(),
            history,
        };
        checkpoint.save(folder).map_err(failed)
    }

    fn finish(self) -> VaeTrainOutcome {
        let mean = self.mean();
        let cells = self.request.pixels * self.request.pixels;
        let (last, spread) = evaluate(&mean, &self.validation_set, self.adam.steps);
        let null_rms = null(&self.validation_set, cells);
        let card = json!({
            "network": "lens_reconstruction.vae",
            "settings": self.request.settings(),
            "parameters": self.values.len(),
            "request": self.request,
            "examples": self.adam.steps * self.request.batch as u64,
            "steps": self.adam.steps,
            "wall_seconds": self.seconds().round(),
            "machine": format!("{} threads, CPU", rayon::current_num_threads()),
            "data": "simulated on the fly (lens_reconstruction.prior)",
            "validation": last,
            "null_rms": null_rms,
            "latent_spread": spread,
        });
        VaeTrainOutcome {
            pictures: pictures(&mean, &self.validation_set),
            samples: mean.sample(self.request.seed, SHOWN).chunks_exact(cells).map(<[f32]>::to_vec).collect(),
            pixels: self.request.pixels,
            parameters: Parameters { parts: self.parts, values: self.adam.mean },
            card,
            losses: self.history.losses,
            validations: self.history.validations,
            null_rms,
        }
    }
}

/// Sum over the batch of the Kullback-Leibler divergence from the standard normal distribution.
fn divergence(mean: &Tensor<2>, log_variance: &Tensor<2>) -> Tensor<1> {
    let own = mean.clone() * mean.clone() + log_variance.clone().exp() - log_variance.clone() - 1.0;
    own.sum() * 0.5
}

/// How well maps come back from their mean description, and the standard deviation of every mean over the set: far below 1 for a number that says nothing.
fn evaluate(vae: &Vae, maps: &[f32], step: u64) -> (VaeValidation, Vec<f64>) {
    let cells = vae.settings.pixels * vae.settings.pixels;
    let (mut errors, mut divergences, mut means) = (Vec::new(), 0.0, Vec::new());
    for maps in maps.chunks(TOGETHER * cells) {
        let latents = vae.encode(maps);
        let found = vae.decode(&latents.iter().flat_map(|l| l.mean.iter().copied()).collect::<Vec<_>>());
        errors.extend(found.chunks_exact(cells).zip(maps.chunks_exact(cells)).map(|(f, t)| rms(f, t)));
        for latent in latents {
            for (mean, sigma) in latent.mean.iter().zip(&latent.sigma) {
                let (mean, variance) = (f64::from(*mean), f64::from(*sigma).powi(2));
                divergences += 0.5 * (mean * mean + variance - variance.ln() - 1.0);
            }
            means.push(latent.mean);
        }
    }
    let count = means.len() as f64;
    let spread = (0..vae.settings.latent)
        .map(|k| {
            let value = |m: &Vec<f32>| f64::from(m[k]);
            let middle = means.iter().map(value).sum::<f64>() / count;
            (means.iter().map(|m| (value(m) - middle).powi(2)).sum::<f64>() / count).sqrt()
        })
        .collect();
    let rms = errors.iter().sum::<f64>() / count;
    (VaeValidation { step, rms, divergence: divergences / count }, spread)
}

/// Root mean square difference.
fn rms(found: &[f32], truth: &[f32]) -> f64 {
    let sum: f64 = found.iter().zip(truth).map(|(f, t)| f64::from(f - t).powi(2)).sum();
    (sum / truth.len() as f64).sqrt()
}

/// The same for somebody who says the mean of all maps, whatever the map.
fn null(maps: &[f32], cells: usize) -> f64 {
    let count = (maps.len() / cells) as f32;
    let mean: Vec<f32> = (0..cells).map(|p| maps.chunks_exact(cells).map(|m| m[p]).sum::<f32>() / count).collect();
    maps.chunks_exact(cells).map(|m| rms(&mean, m)).sum::<f64>() / f64::from(count)
}

/// The first few maps, and what comes out.
fn pictures(vae: &Vae, maps: &[f32]) -> Vec<[Vec<f32>; 2]> {
    let cells = vae.settings.pixels * vae.settings.pixels;
    let maps = &maps[..maps.len().min(SHOWN * cells)];
    let means: Vec<f32> = vae.encode(maps).into_iter().flat_map(|l| l.mean).collect();
    let found = vae.decode(&means);
    maps.chunks_exact(cells).zip(found.chunks_exact(cells)).map(|(m, f)| [m.to_vec(), f.to_vec()]).collect()
}

fn show(validation: &VaeValidation, progress: &Progress<VaeTrainUpdate>) {
    let step = validation.step as f64;
    progress.log("validation rms", step, validation.rms);
    progress.log("validation divergence", step, validation.divergence);
}

fn failed(error: LearningError) -> TaskError {
    TaskError::file(&error.path, error.problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny(part: VaePart) -> VaeTrainRequest {
        VaeTrainRequest {
            part,
            pixels: 32,
            filters: 4,
            levels: 3,
            latent: Some(8),
            batch: 8,
            steps: 60,
            learning_rate: 3e-3,
            validation_examples: 16,
            validate_every: 30,
            ..VaeTrainRequest::default()
        }
    }

    /// A few steps on a few maps: the loss falls, maps come back better than before, and the numbers repeat.
    #[test]
    fn a_tiny_training_learns_and_repeats() {
        let request = tiny(VaePart::Convergence);
        let trained = request.run(&Progress::silent()).unwrap();
        let (first, last) = (trained.losses[0][1], trained.losses[59][1]);
        assert!(last < 0.5 * first, "{first} {last}");
        let rms: Vec<f64> = trained.validations.iter().map(|v| v.rms).collect();
        assert_eq!(rms.len(), 3);
        assert!(rms[2] < 0.8 * rms[0], "{rms:?}");
        let short = VaeTrainRequest { steps: 5, ..request };
        let [a, b] = [0, 1].map(|_| short.run(&Progress::silent()).unwrap());
        assert_eq!(a.parameters.values, b.parameters.values);
    }

    /// Against the closed form of two normal distributions, integrated numerically: N(0.7, 0.5^2) from N(0, 1).
    #[test]
    fn the_divergence_is_that_of_normal_distributions() {
        let device = Device::flex();
        let one = |v: f32| Tensor::<2>::from_data(TensorData::new(vec![v], [1, 1]), &device);
        let found = divergence(&one(0.7), &one(2.0 * 0.5f32.ln())).into_scalar::<f32>();
        let (mut expected, step) = (0.0, 1e-3);
        for k in -8000..8000 {
            let x = f64::from(k) * step;
            let log = |m: f64, s: f64| -0.5 * ((x - m) / s).powi(2) - (s * std::f64::consts::TAU.sqrt()).ln();
            expected += log(0.7, 0.5).exp() * (log(0.7, 0.5) - log(0.0, 1.0)) * step;
        }
        assert!((f64::from(found) - expected).abs() < 1e-5, "{found} {expected}");
    }
}
