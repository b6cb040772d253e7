//! `lens_reconstruction.train`: trains the machine on lenses that are simulated ahead of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::network::{Rim, RimSettings};
use super::prior::{NoiseRegime, Prior, PriorSettings};
use super::train_outcome::TrainOutcome;
use super::training::{Batch, Validation, ValidationSet};
use crate::learning::adam::{Adam, clip};
use crate::learning::checkpoint::Checkpoint;
use crate::learning::parameters::{Parameters, Part, gradients};
use crate::learning::weights;
use crate::tasks::{Cost, Lane, Progress, Task, TaskError};

/// Time between two checkpoints.
const KEEP_EVERY: Duration = Duration::from_secs(120);
/// Batches that are simulated ahead.
const AHEAD: usize = 2;
/// Examples drawn on screen.
const SHOWN: usize = 4;

/// Train the Recurrent Inference Machine. Stopped at any moment, the same command goes on where it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainRequest {
    /// Begin with these weights instead of fresh ones.
    #[schemars(extend("x-input" = true))]
    pub weights: Option<PathBuf>,
    /// Width and height of image, convergence and source; an even number of times two for every level.
    #[schemars(range(min = 32, max = 128), extend("x-unit" = "pixels"))]
    pub pixels: usize,
    /// Channels of the first level of the U-Net; each deeper level has twice as many. Published: 128.
    #[schemars(range(min = 2, max = 128))]
    pub filters: usize,
    /// Levels above the bottleneck, each with half the sides. Published: 5.
    #[schemars(range(min = 1, max = 6))]
    pub levels: usize,
    /// Convolutions of a level, on the way down and again on the way up. Published: 2.
    #[schemars(range(min = 1, max = 3))]
    pub convolutions: usize,
    /// Side of the first stencil, odd. Published: 11.
    #[schemars(range(min = 3, max = 11))]
    pub input_kernel: usize,
    /// Evaluations of the network for one image. Published: 8.
    #[schemars(range(min = 2, max = 12))]
    pub recursions: usize,
    /// Noise of the examples.
    pub noise: NoiseRegime,
    /// Weight of the source's errors beside those of the convergence. Published: 1.
    #[schemars(range(min = 0.1, max = 100.0))]
    pub source_weight: f64,
    /// Examples of a step.
    #[schemars(range(min = 1, max = 64))]
    pub batch: usize,
    /// Steps in all; more of them go on with a finished training.
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
    /// Examples of the fixed validation set.
    #[schemars(range(min = 1, max = 1024))]
    pub validation_examples: usize,
    /// Steps between two looks at the validation set.
    #[schemars(range(min = 1, max = 100_000))]
    pub validate_every: u64,
    /// Seed of parameters and examples.
    pub seed: u64,
}

impl Default for TrainRequest {
    fn default() -> Self {
        Self {
            weights: None,
            pixels: 64,
            filters: 16,
            levels: 4,
            convolutions: 1,
            input_kernel: 11,
            recursions: 8,
            noise: NoiseRegime::Low,
            source_weight: 4.0,
            batch: 8,
            steps: 20_000,
            learning_rate: 1e-3,
            halving_steps: 10_000.0,
            mean_steps: 500.0,
            validation_examples: 64,
            validate_every: 200,
            seed: 1,
        }
    }
}

/// What the screen shows while it trains.
#[derive(Clone, Debug)]
pub struct TrainUpdate {
    /// Steps made.
    pub step: u64,
    /// Of the first few validation examples: image, true source, source, true convergence, convergence (`log10`), row by row.
    pub pictures: Arc<Vec<[Vec<f32>; 5]>>,
    /// Pixels a side of them.
    pub pixels: usize,
}

impl TrainRequest {
    /// The network.
    pub fn settings(&self) -> RimSettings {
        RimSettings {
            pixels: self.pixels,
            filters: self.filters,
            levels: self.levels,
            convolutions: self.convolutions,
            input_kernel: self.input_kernel,
            steps: self.recursions,
        }
    }

    /// Operations of one step: forward, and twice that backward.
    fn operations(&self) -> f64 {
        3.0 * self.settings().size().operations(self.pixels) * (self.recursions * self.batch) as f64
    }

    /// What must be the same to go on with a training: everything but how long it runs and what is looked at.
    fn training(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            for free in ["steps", "validate_every", "validation_examples", "mean_steps"] {
                fields.remove(free);
            }
        }
        value
    }
}

impl Task for TrainRequest {
    const NAME: &'static str = "lens_reconstruction.train";
    const SUMMARY: &'static str =
        "Train the Recurrent Inference Machine on simulated lenses; interrupted, the same command goes on.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = super::train_outcome::OUTPUTS;
    const LANE: Lane = Lane::Long;
    type Update = TrainUpdate;
    type Outcome = TrainOutcome;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        if let Some(problem) = self.settings().problem() {
            return Err(TaskError::Failed(problem));
        }
        // Activations that the backward pass needs: some sixteen maps of every level's channels an evaluation, measured.
        let maps = 32.0 * self.filters as f64 * (self.pixels * self.pixels * self.batch * self.recursions) as f64;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an estimate
        Ok(Cost { bytes: (4.0 * maps) as u64 + 500_000_000, seconds: self.steps as f64 * self.operations() / 5e10 })
    }

    fn run(&self, progress: &Progress<TrainUpdate>) -> Result<TrainOutcome, TaskError> {
        let mut training = Training::begin(self, progress)?;
        std::thread::scope(|scope| {
            let (send, batches) = sync_channel(AHEAD);
            let (prior, first) = (training.prior.clone(), training.adam.steps);
            let maker = Rim::new(&self.settings(), self.seed, &Device::flex());
            std::thread::Builder::new()
                .name("examples".into())
                .spawn_scoped(scope, move || {
                    for step in first..self.steps {
                        let index = step * self.batch as u64;
                        let batch = Batch::draw(&prior, &maker, self.seed, index, self.batch, self.source_weight);
                        if send.send(batch).is_err() {
                            return;
                        }
                    }
                })
                .map_err(|e| TaskError::Failed(format!("no thread for the examples could be started ({e})")))?;
            training.go(batches, progress)
        })?;
        training.finish(progress)
    }
}

/// A training under way.
struct Training<'a> {
    request: &'a TrainRequest,
    prior: Arc<Prior>,
    device: Device,
    rim: Rim,
    parts: Vec<Part>,
    values: Vec<f32>,
    adam: Adam,
    validation_set: ValidationSet,
    /// (step, loss of the batch).
    losses: Vec<[f64; 2]>,
    validations: Vec<Validation>,
    /// Seconds of all sittings before this one.
    seconds_before: f64,
    started: Instant,
    kept: Instant,
    checkpoint: Option<PathBuf>,
}

/// What a checkpoint remembers beside the parameters.
#[derive(Serialize, Deserialize)]
struct History {
    losses: Vec<[f64; 2]>,
    validations: Vec<Validation>,
    seconds: f64,
}

impl<'a> Training<'a> {
    /// Fresh, from weights, or from the checkpoint.
    fn begin(request: &'a TrainRequest, progress: &Progress<TrainUpdate>) -> Result<Self, TaskError> {
        let device = Device::flex().autodiff();
        let rim = Rim::new(&request.settings(), request.seed, &device);
        let Parameters { parts, mut values } = rim.parameters();
        if let Some(path) = &request.weights {
            values = weights::load(path).and_then(|w| w.values_for(path, &parts)).map_err(failed)?;
        }
        let checkpoint = progress.board().checkpoint();
        let old = match &checkpoint {
            Some(folder) => Checkpoint::load(folder, &request.training()).map_err(failed)?,
            None => None,
        };
        let mut adam = Adam::new(&values);
        let mut history = History { losses: Vec::new(), validations: Vec::new(), seconds: 0.0 };
        if let (Some(old), Some(folder)) = (&old, &checkpoint)
            && old.adam.steps > request.steps
        {
            let made = old.adam.steps;
            let problem = format!(
                "holds a training of {made} steps; give steps={made} for its weights as they are, or more to go on"
            );
            return Err(TaskError::file(folder, problem));
        }
        if let Some(old) = old.filter(|o| o.values.len() == values.len()) {
            (values, adam) = (old.values, old.adam);
            history = serde_json::from_value(old.history).unwrap_or(history);
        }
        for [step, loss] in &history.losses {
            progress.log("loss", *step, *loss);
        }
        history.validations.iter().for_each(|v| show(v, progress));
        let prior = Arc::new(Prior::new(PriorSettings {
            pixels: request.pixels,
            noise: request.noise,
            ..PriorSettings::default()
        }));
        progress.phase("simulating the validation set");
        let validation_set =
            ValidationSet::new(&prior, &rim, request.seed, request.validation_examples, request.source_weight);
        Ok(Self {
            request,
            prior,
            device,
            rim,
            parts,
            values,
            adam,
            validation_set,
            losses: history.losses,
            validations: history.validations,
            seconds_before: history.seconds,
            started: Instant::now(),
            kept: Instant::now(),
            checkpoint,
        })
    }

    /// Steps until the end, or until it is stopped; the state is kept either way.
    fn go(&mut self, batches: Receiver<Batch>, progress: &Progress<TrainUpdate>) -> Result<(), TaskError> {
        self.rim.set_values(&self.values);
        let result = self.steps(&batches, progress);
        // The thread that draws examples ends when nobody takes them.
        drop(batches);
        self.keep()?;
        result
    }

    fn steps(&mut self, batches: &Receiver<Batch>, progress: &Progress<TrainUpdate>) -> Result<(), TaskError> {
        while self.adam.steps < self.request.steps {
            progress.check()?;
            if self.adam.steps.is_multiple_of(self.request.validate_every) {
                self.validate(progress)?;
            }
            progress.phase(format!("step {} of {}", self.adam.steps + 1, self.request.steps));
            let batch = batches.recv().map_err(|_| TaskError::Failed("the thread that draws examples ended".into()))?;
            self.step(&batch, progress)?;
            progress.fraction(self.adam.steps as f64 / self.request.steps as f64);
            if self.kept.elapsed() > KEEP_EVERY {
                self.keep()?;
            }
        }
        if self.validations.last().is_none_or(|v| v.step < self.adam.steps) {
            self.validate(progress)?;
        }
        Ok(())
    }

    /// One step on one batch.
    fn step(&mut self, batch: &Batch, progress: &Progress<TrainUpdate>) -> Result<(), TaskError> {
        /// As published.
        const MOST: f64 = 5.0;
        /// Steps in which the learning rate rises from nothing.
        const WARM_UP: f64 = 200.0;
        let states = self.rim.states(&batch.data, &self.device, |_, _| !progress.stopped());
        if states.len() < self.request.recursions {
            return progress.check();
        }
        let loss = batch.loss(&states, self.request.pixels, &self.device);
        let value = f64::from(loss.clone().into_scalar::<f32>());
        let step = self.adam.steps as f64;
        if !value.is_finite() {
            let cure = "train with a smaller learning_rate";
            return Err(TaskError::Failed(format!("the loss is {value} after {step} steps; {cure}")));
        }
        let mut gradient = gradients(&self.rim.network, &loss.backward());
        clip(&mut gradient, &self.parts, MOST);
        let rate = self.request.learning_rate
            * (-step / self.request.halving_steps).exp2()
            * ((step + 1.0) / WARM_UP).min(1.0);
        self.adam.step(&mut self.values, &gradient, rate as f32, self.request.mean_steps);
        self.rim.set_values(&self.values);
        self.losses.push([step + 1.0, value]);
        progress.log("loss", step + 1.0, value);
        Ok(())
    }

    /// Looks at the validation set with the mean network.
    fn validate(&mut self, progress: &Progress<TrainUpdate>) -> Result<(), TaskError> {
        if self.validations.last().is_some_and(|v| v.step == self.adam.steps) {
            return Ok(());
        }
        progress.phase("validation");
        let device = Device::flex();
        let mut mean = Rim::new(&self.request.settings(), self.request.seed, &device);
        mean.set_values(&self.adam.mean);
        let Some(mut validation) = self.validation_set.evaluate(&mean, &device, || progress.stopped()) else {
            return progress.check();
        };
        validation.step = self.adam.steps;
        show(&validation, progress);
        self.validations.push(validation);
        let pictures = Arc::new(self.validation_set.pictures(&mean, &device, SHOWN));
        progress.update_now(TrainUpdate { step: self.adam.steps, pictures, pixels: self.request.pixels });
        Ok(())
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// Writes the checkpoint, if there is a place for it.
    fn keep(&mut self) -> Result<(), TaskError> {
        self.kept = Instant::now();
        let Some(folder) = &self.checkpoint else { return Ok(()) };
        let history =
            History { losses: self.losses.clone(), validations: self.validations.clone(), seconds: self.seconds() };
        let checkpoint = Checkpoint {
            values: self.values.clone(),
            adam: self.adam.clone(),
            training: self.request.training(),
            history: serde_json::to_value(history).unwrap_or_default(),
        };
        checkpoint.save(folder).map_err(failed)
    }

    fn finish(self, progress: &Progress<TrainUpdate>) -> Result<TrainOutcome, TaskError> {
        progress.phase("measuring the errors of the network");
        let of_mean = self.validation_set.null(self.request.pixels);
        let device = Device::flex();
        let mut mean = Rim::new(&self.request.settings(), self.request.seed, &device);
        mean.set_values(&self.adam.mean);
        let mean_of_truths =
            json!({"source_error": of_mean.source_error, "convergence_error_dex": of_mean.convergence_error_dex});
        let calibrations = self.validation_set.calibrations(&mean, &|| progress.stopped());
        progress.check()?;
        // What it was trained on before is part of what it is.
        let began_with = self.request.weights.as_deref().and_then(|path| weights::load(path).ok()).map(|w| w.card);
        // The card travels: where the file lay on this machine is nobody's business.
        let named = self.request.weights.as_deref().and_then(std::path::Path::file_name).map(PathBuf::from);
        let card = json!({
            "network": super::loading::NETWORK,
            "settings": self.request.settings(),
            "parameters": self.values.len(),
            "request": TrainRequest { weights: named, ..self.request.clone() },
            "examples": self.adam.steps * self.request.batch as u64,
            "steps": self.adam.steps,
            "wall_seconds": self.seconds().round(),
            "machine": format!("{} threads, CPU", rayon::current_num_threads()),
            "data": "simulated on the fly (lens_reconstruction.prior)",
            "validation": self.validations.last(),
            "spread": calibrations.map(|[network, _]| network),
            "spread_refined": calibrations.map(|[_, refined]| refined),
            "mean_of_truths": mean_of_truths,
            "began_with": began_with,
        });
        Ok(TrainOutcome {
            pictures: self.validation_set.pictures(&mean, &device, SHOWN),
            pixels: self.request.pixels,
            parameters: Parameters { parts: self.parts, values: self.adam.mean },
            card,
            losses: self.losses,
            validations: self.validations,
            null: of_mean,
        })
    }
}

fn show(validation: &Validation, progress: &Progress<TrainUpdate>) {
    let step = validation.step as f64;
    progress.log("validation loss", step, validation.loss);
    progress.log("validation source error", step, validation.source_error);
    progress.log("validation convergence error (dex)", step, validation.convergence_error_dex);
    progress.log("validation reduced chi2", step, validation.reduced_chi2);
}

fn failed(error: crate::learning::LearningError) -> TaskError {
    TaskError::file(&error.path, error.problem)
}
