//! `line_ratios.train`: trains one of the networks on simulated spectra.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};

use burn::tensor::{Device, Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::network::architecture::{LineNetwork, NetworkKind};
use super::network::examples::{Batch, Pool};
use super::network::losses;
use super::network::validation::{Validation, ValidationSet};
use super::prior::Recipe;
use super::simulate::SpectrumLaw;
use super::train_outcome::TrainOutcome;
use crate::learning::LearningError;
use crate::learning::parameters::{Parameters, gradients, with_values};
use crate::learning::resumable::Resumable;
use crate::numerics::random;
use crate::tasks::{Cost, Lane, Progress, Task, TaskError};

/// Batches that are made ahead.
const AHEAD: usize = 3;
/// Seeds of training and validation differ by this, so that no spectrum is in both.
const VALIDATION: u64 = 0x11E5_0A11;

/// Train a network on simulated spectra. Stopped at any moment, the same command goes on where it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainRequest {
    /// Which network.
    pub network: NetworkKind,
    /// Rules of the training set, published or corrected. The published one also brings dropout, weight decay and noise drawn once.
    pub recipe: Recipe,
    /// Networks of the ensemble. Published: 10.
    #[schemars(range(min = 1, max = 10))]
    pub members: usize,
    /// Spectra of the pool, which is walked again and again. Published: 50,000 in all, of which 70 % for training.
    #[schemars(range(min = 16, max = 1_000_000), extend("x-log" = true))]
    pub spectra: usize,
    /// Examples of a step. Published: 16.
    #[schemars(range(min = 1, max = 4096))]
    pub batch: usize,
    /// Steps in all; more of them go on with a finished training.
    #[schemars(range(min = 1, max = 10_000_000), extend("x-log" = true))]
    pub steps: u64,
    /// Size of Adam's steps. Published: 4e-4.
    #[schemars(range(min = 1e-6, max = 0.01), extend("x-log" = true))]
    pub learning_rate: f64,
    /// Steps after which the learning rate is halved, smoothly.
    #[schemars(range(min = 10.0, max = 10_000_000.0), extend("x-log" = true))]
    pub halving_steps: f64,
    /// Steps over which the kept network is the mean of the trained ones.
    #[schemars(range(min = 1.0, max = 100_000.0), extend("x-log" = true))]
    pub mean_steps: f64,
    /// Spectra of the fixed validation set.
    #[schemars(range(min = 8, max = 100_000))]
    pub validation_spectra: usize,
    /// Steps between two looks at the validation set.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub validate_every: u64,
    /// Seed of parameters, spectra and noise.
    pub seed: u64,
}

impl Default for TrainRequest {
    fn default() -> Self {
        Self {
            network: NetworkKind::Ratios,
            recipe: Recipe::Corrected,
            members: 4,
            spectra: 50_000,
            batch: 256,
            steps: 6_000,
            learning_rate: 2e-3,
            halving_steps: 1_000.0,
            mean_steps: 300.0,
            validation_spectra: 4_000,
            validate_every: 500,
            seed: 1,
        }
    }
}

/// What the screen shows while it trains.
#[derive(Clone, Debug)]
pub struct TrainUpdate {
    /// The last look at the validation set.
    pub validation: Validation,
}

impl TrainRequest {
    /// Parameters of all members.
    fn parameters(&self) -> f64 {
        let sizes = self.network.architecture(1).dense();
        let dense: usize = sizes.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        (dense * self.members) as f64
    }

    /// What must be the same to go on with a training: everything but how long it runs and what is looked at.
    fn training(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            for free in ["steps", "validate_every", "validation_spectra", "mean_steps"] {
                fields.remove(free);
            }
        }
        value
    }

    /// Dropout and weight decay as published?
    fn as_published(&self) -> bool {
        self.recipe == Recipe::Published && self.network == NetworkKind::PublishedRatios
    }

    fn law(&self) -> SpectrumLaw {
        SpectrumLaw::of(self.recipe)
    }
}

impl Task for TrainRequest {
    const NAME: &'static str = "line_ratios.train";
    const SUMMARY: &'static str =
        "Train a network that reads kinematics or line ratios off a spectrum; interrupted, the same command goes on.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = super::train_outcome::OUTPUTS;
    const LANE: Lane = Lane::Long;
    type Update = TrainUpdate;
    type Outcome = TrainOutcome;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        // Measured: a spectrum without noise takes 40 microseconds and 3 kB, an example of it 25 microseconds more.
        let spectra = (self.spectra + self.validation_spectra) as f64;
        let examples = self.batch as f64 * self.steps as f64;
        let bytes = spectra * 3.5e3 + self.parameters() * 40.0 + self.batch as f64 * 4e4 + 2e8;
        let seconds = spectra * 4e-5 + examples * (2.5e-5 + 6.0 * self.parameters() / 6e10);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an estimate
        Ok(Cost { bytes: bytes as u64, seconds })
    }

    fn run(&self, progress: &Progress<TrainUpdate>) -> Result<TrainOutcome, TaskError> {
        progress.phase("simulating the spectra");
        let pool = Pool::new(self.network, self.law(), self.seed, self.spectra);
        progress.phase("simulating the validation set");
        let held_out = Pool::new(self.network, self.law(), self.seed ^ VALIDATION, self.validation_spectra);
        self.train(&pool, held_out, progress.board().checkpoint(), progress)
    }
}

impl TrainRequest {
    /// Trains on one pool of spectra and judges on another; with a checkpoint it goes on where it was.
    ///
    /// # Errors
    /// A checkpoint of another training, a loss that is not finite, cancelled.
    pub(super) fn train(
        &self,
        pool: &Pool,
        held_out: Pool,
        checkpoint: Option<PathBuf>,
        progress: &Progress<TrainUpdate>,
    ) -> Result<TrainOutcome, TaskError> {
        let mut training = Training::begin(self, pool, held_out, checkpoint, progress)?;
        std::thread::scope(|scope| {
            let (send, batches) = sync_channel(AHEAD);
            let first = training.state.adam.steps;
            std::thread::Builder::new()
                .name("examples".into())
                .spawn_scoped(scope, move || {
                    for step in first..self.steps {
                        let batch = pool.batch(step * self.batch as u64, self.batch);
                        if send.send(batch).is_err() {
                            return;
                        }
                    }
                })
                .map_err(|e| TaskError::Failed(format!("no thread for the examples could be started ({e})")))?;
            training.go(batches, progress)
        })?;
        Ok(training.finish(pool))
    }
}

/// What a checkpoint remembers beside the parameters.
#[derive(Debug, Default, Serialize, Deserialize)]
struct History {
    losses: Vec<[f64; 2]>,
    validations: Vec<Validation>,
}

/// A training under way.
struct Training<'a> {
    request: &'a TrainRequest,
    device: Device,
    network: LineNetwork,
    state: Resumable<History>,
    validation_set: ValidationSet,
}

impl<'a> Training<'a> {
    /// Fresh, or from the checkpoint.
    fn begin(
        request: &'a TrainRequest,
        pool: &Pool,
        held_out: Pool,
        checkpoint: Option<PathBuf>,
        progress: &Progress<TrainUpdate>,
    ) -> Result<Self, TaskError> {
        let device = Device::flex().autodiff();
        let architecture = request.network.architecture(request.members);
        let network = LineNetwork::new(&architecture, request.seed, &device);
        let state: Resumable<History> =
            Resumable::begin(network.parameters(), checkpoint, request.training(), request.steps).map_err(failed)?;
        for [step, loss] in &state.history.losses {
            progress.log("loss", *step, *loss);
        }
        state.history.validations.iter().for_each(|v| v.show(progress));
        let validation_set = ValidationSet::new(request.network, &held_out.scaled(pool.scale().clone()));
        Ok(Self { request, device, network, state, validation_set })
    }

    /// Steps until the end, or until it is stopped; the state is kept either way.
    fn go(&mut self, batches: Receiver<Batch>, progress: &Progress<TrainUpdate>) -> Result<(), TaskError> {
        self.network = with_values(self.network.clone(), &self.state.values);
        let result = self.steps(&batches, progress);
        // The thread that makes examples ends when nobody takes them.
        drop(batches);
        self.state.keep().map_err(failed)?;
        result
    }

    fn steps(&mut self, batches: &Receiver<Batch>, progress: &Progress<TrainUpdate>) -> Result<(), TaskError> {
        while self.state.adam.steps < self.request.steps {
            progress.check()?;
            let made = self.state.adam.steps;
            if made.is_multiple_of(self.request.validate_every) {
                self.validate(progress);
            }
            progress.phase(format!("step {} of {}", made + 1, self.request.steps));
            let batch = batches.recv().map_err(|_| TaskError::Failed("the thread that makes examples ended".into()))?;
            self.step(&batch, progress)?;
            progress.fraction(self.state.adam.steps as f64 / self.request.steps as f64);
            self.state.keep_now_and_then().map_err(failed)?;
        }
        if self.state.history.validations.last().is_none_or(|v| v.step < self.state.adam.steps) {
            self.validate(progress);
        }
        Ok(())
    }

    /// One step on one batch.
    fn step(&mut self, batch: &Batch, progress: &Progress<TrainUpdate>) -> Result<(), TaskError> {
        /// Steps in which the learning rate rises from nothing.
        const WARM_UP: f64 = 100.0;
        /// Steps between two points of the curve.
        const LOG_EVERY: u64 = 10;
        let step = self.state.adam.steps;
        let masks = |m: usize, k: usize, y: Tensor<2>| {
            if self.request.as_published() { dropped(self.request.seed, step, m, k, y) } else { y }
        };
        let [inputs, targets] = tensors(batch, &self.device);
        let outputs = self.network.forward(inputs, masks);
        let members = outputs.len() as f64;
        let loss = losses::summed(self.request.network, outputs, &targets);
        let value = f64::from(loss.clone().into_scalar::<f32>()) / members;
        if !value.is_finite() {
            let cure = "train with a smaller learning_rate";
            return Err(TaskError::Failed(format!("the loss is {value} after {step} steps; {cure}")));
        }
        let mut gradient = gradients(&self.network, &loss.backward());
        if self.request.as_published() {
            self.decay(&mut gradient);
        } else {
            crate::learning::adam::clip(&mut gradient, &self.state.parts, 1.0);
        }
        let rate = self.request.learning_rate
            * (-(step as f64) / self.request.halving_steps).exp2()
            * ((step as f64 + 1.0) / WARM_UP).min(1.0);
        let state = &mut self.state;
        state.adam.step(&mut state.values, &gradient, rate as f32, self.request.mean_steps);
        self.network = with_values(self.network.clone(), &state.values);
        if step.is_multiple_of(LOG_EVERY) {
            state.history.losses.push([step as f64 + 1.0, value]);
            progress.log("loss", step as f64 + 1.0, value);
        }
        Ok(())
    }

    /// Gradient of the published penalty `5e-5 |w|^2` of the matrices of the hidden layers.
    fn decay(&self, gradient: &mut [f32]) {
        const WEIGHT_DECAY: f32 = 5e-5;
        let mut first = 0;
        for part in &self.state.parts {
            let own = first..first + part.len();
            first = own.end;
            if part.name.ends_with("weight") && part.shape.last() != Some(&9) {
                let pairs = gradient[own.clone()].iter_mut().zip(&self.state.values[own]);
                pairs.for_each(|(g, w)| *g += 2.0 * WEIGHT_DECAY * w);
            }
        }
    }

    /// Looks at the validation set with the mean network.
    fn validate(&mut self, progress: &Progress<TrainUpdate>) {
        let step = self.state.adam.steps;
        if self.state.history.validations.last().is_some_and(|v| v.step == step) {
            return;
        }
        progress.phase("validation");
        let validation = self.validation_set.look(step, &self.mean_network());
        validation.show(progress);
        self.state.history.validations.push(validation.clone());
        progress.update_now(TrainUpdate { validation });
    }

    fn mean_network(&self) -> LineNetwork {
        let architecture = self.request.network.architecture(self.request.members);
        with_values(LineNetwork::new(&architecture, self.request.seed, &Device::flex()), &self.state.adam.mean)
    }

    fn finish(self, pool: &Pool) -> TrainOutcome {
        let request = self.request;
        let of_prior = self.validation_set.null();
        let seconds = self.state.seconds().round();
        let History { losses, validations } = self.state.history;
        let card = json!({
            "network": format!("line_ratios.{}", request.network.name()),
            "architecture": request.network.architecture(request.members),
            "parameters": self.state.values.len(),
            "recipe": request.recipe,
            "law": request.law(),
            "targets": self.validation_set.names(),
            "target_scale": pool.scale(),
            "request": request,
            "examples": self.state.adam.steps * request.batch as u64,
            "steps": self.state.adam.steps,
            "wall_seconds": seconds,
            "machine": format!("{} threads, CPU", rayon::current_num_threads()),
            "data": "simulated (line_ratios.simulate)",
            "validation": validations.last(),
            "prior_alone": of_prior,
        });
        TrainOutcome {
            parameters: Parameters { parts: self.state.parts, values: self.state.adam.mean },
            card,
            targets: self.validation_set.names(),
            losses,
            validations,
            null: of_prior,
        }
    }
}

/// A batch as tensors.
fn tensors(batch: &Batch, device: &Device) -> [Tensor<2>; 2] {
    [&batch.inputs, &batch.targets].map(|values| {
        let shape = [batch.len, values.len() / batch.len.max(1)];
        Tensor::from_data(TensorData::new(values.clone(), shape), device)
    })
}

/// Dropout as published: 25 % behind the first hidden layer, 15 % behind the second, none behind the third.
fn dropped(seed: u64, step: u64, member: usize, layer: usize, y: Tensor<2>) -> Tensor<2> {
    let Some(rate) = [0.25, 0.15].get(layer).copied() else { return y };
    let shape = y.dims();
    let mut stream = random::stream(seed, "line_ratios.dropout", step * 64 + (member * 4 + layer) as u64);
    let kept = (1.0 / (1.0 - rate)) as f32;
    let mask: Vec<f32> =
        (0..shape[0] * shape[1]).map(|_| if random::uniform(&mut stream) < rate { 0.0 } else { kept }).collect();
    let mask = Tensor::from_data(TensorData::new(mask, shape), &y.device());
    y * mask
}

fn failed(error: LearningError) -> TaskError {
    TaskError::file(&error.path, error.problem)
}
