//! `line_ratios.benchmark`: networks, the classical fit and the prior alone on spectra that no training has seen.

mod activation;
mod calibration;
mod cases;
mod folds;
mod held_out;
mod outcome;
mod summary;
mod tables;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use activation::Activation;
pub use calibration::{PULL_BINS, PULL_REACH, PullRow};
pub use folds::FoldRow;
pub use held_out::{HeldOut, METHODS};
pub use outcome::BenchmarkOutcome;
pub use summary::{BiasRow, Row};

use super::network::{LineNetworks, NetworkKind, PublishedNetwork, TrainedNetwork};
use super::prior::Recipe;
use crate::tasks::{Cost, Lane, Progress, Task, TaskError};

/// Measure networks and fit on held-out simulations, for each signal-to-noise ratio apart, beside what the prior alone knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BenchmarkRequest {
    /// Spectra at each signal-to-noise ratio.
    #[schemars(range(min = 20, max = 100_000), extend("x-log" = true))]
    pub spectra: usize,
    /// Peak of the brightest line of each filter over the noise.
    pub signal_to_noise: Vec<f64>,
    /// Spectra of the map that shows which samples the networks look at; 0 for none.
    #[schemars(range(min = 0, max = 1000))]
    pub activation_spectra: usize,
    /// Spectra at each signal-to-noise ratio that are written one by one.
    #[schemars(range(min = 0, max = 100_000))]
    pub kept_spectra: usize,
    /// Parts of a cross-validation of the ratio network: so many small trainings, each judged on the part it was not taught; 0 for none.
    #[schemars(range(min = 0, max = 20))]
    pub folds: usize,
    /// Spectra of all its parts together.
    #[schemars(range(min = 40, max = 1_000_000), extend("x-log" = true))]
    pub fold_spectra: usize,
    /// Steps of each of its trainings.
    #[schemars(range(min = 1, max = 1_000_000), extend("x-log" = true))]
    pub fold_steps: u64,
    /// Kinematics network instead of the one that comes with the program.
    #[schemars(extend("x-input" = true))]
    pub kinematics: Option<PathBuf>,
    /// Refinement instead of the one that comes with the program.
    #[schemars(extend("x-input" = true))]
    pub refinement: Option<PathBuf>,
    /// Ratio network on the corrected prior instead of the one that comes with the program.
    #[schemars(extend("x-input" = true))]
    pub ratios: Option<PathBuf>,
    /// Ratio network on the published prior instead of the one that comes with the program.
    #[schemars(extend("x-input" = true))]
    pub ratios_published_prior: Option<PathBuf>,
    /// Network of the published shape instead of the one that comes with the program.
    #[schemars(extend("x-input" = true))]
    pub published: Option<PathBuf>,
    /// Seed of the spectra.
    pub seed: u64,
}

impl Default for BenchmarkRequest {
    fn default() -> Self {
        Self {
            spectra: 1000,
            signal_to_noise: vec![5.0, 10.0, 15.0, 20.0, 50.0],
            activation_spectra: 16,
            kept_spectra: 300,
            folds: 5,
            fold_spectra: 8_000,
            fold_steps: 600,
            kinematics: None,
            refinement: None,
            ratios: None,
            ratios_published_prior: None,
            published: None,
            seed: 90_001,
        }
    }
}

/// The networks of a benchmark.
pub(super) struct Networks {
    pub corrected: LineNetworks,
    pub published_prior: LineNetworks,
    pub published: PublishedNetwork,
}

impl BenchmarkRequest {
    fn networks(&self) -> Result<Networks, TaskError> {
        let of = |path: &Option<PathBuf>, kind, recipe| match path {
            Some(path) => TrainedNetwork::load(path, kind),
            None => TrainedNetwork::shipped(kind, recipe),
        };
        let kinematics = of(&self.kinematics, NetworkKind::Kinematics, Recipe::Corrected)?;
        let refinement = of(&self.refinement, NetworkKind::Refinement, Recipe::Corrected)?;
        let ratios = of(&self.ratios, NetworkKind::Ratios, Recipe::Corrected)?;
        let on_published = of(&self.ratios_published_prior, NetworkKind::Ratios, Recipe::Published)?;
        let published = of(&self.published, NetworkKind::PublishedRatios, Recipe::Published)?;
        Ok(Networks {
            corrected: LineNetworks::new(kinematics.clone(), refinement.clone(), ratios),
            published_prior: LineNetworks::new(kinematics, refinement, on_published),
            published: PublishedNetwork::new(published),
        })
    }
}

/// Fractions of a run that are done when all S/N, and all folds, have been measured.
const BINS_DONE: f64 = 0.6;
const FOLDS_DONE: f64 = 0.97;

impl Task for BenchmarkRequest {
    const NAME: &'static str = "line_ratios.benchmark";
    const SUMMARY: &'static str =
        "Measure networks, fit and prior on held-out simulations, at each signal-to-noise ratio apart.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = outcome::OUTPUTS;
    const LANE: Lane = Lane::Long;
    type Update = ();
    type Outcome = BenchmarkOutcome;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        if let Some(odd) = self.signal_to_noise.iter().find(|s| !(0.5..=1e5).contains(*s)) {
            let cure = "give numbers such as --set signal_to_noise=[5,10,20]";
            return Err(TaskError::field("signal_to_noise", odd, "expected 0.5 to 100000", cure));
        }
        let spectra = (self.spectra * self.signal_to_noise.len()) as f64;
        let seconds = 2.0 * spectra * 1e-3
            + self.activation_spectra as f64 * 0.05
            + self.folds as f64 * self.fold_steps as f64 * 0.02;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an estimate
        Ok(Cost { bytes: (self.spectra as f64 * 1.6e4) as u64 + 200_000_000, seconds })
    }

    fn run(&self, progress: &Progress<()>) -> Result<BenchmarkOutcome, TaskError> {
        let networks = self.networks()?;
        let mut outcome = BenchmarkOutcome::default();
        let bins: Vec<(Recipe, f64)> = [Recipe::Corrected, Recipe::Published]
            .into_iter()
            .flat_map(|recipe| self.signal_to_noise.iter().map(move |s| (recipe, *s)))
            .collect();
        for (k, (recipe, signal_to_noise)) in bins.iter().enumerate() {
            progress.check()?;
            progress.phase(format!("S/N {signal_to_noise}"));
            let cases = cases::Cases::draw(*recipe, self.seed, k as u64, self.spectra, *signal_to_noise)?;
            let found = cases.run(&networks);
            outcome.add(&cases, &found, self.kept_spectra);
            progress.fraction(BINS_DONE * (k + 1) as f64 / bins.len() as f64);
        }
        outcome.folds = folds::cross_validate(self, progress, |part| {
            progress.fraction(BINS_DONE + (FOLDS_DONE - BINS_DONE) * part);
        })?;
        progress.phase("which samples count");
        outcome.activation = Activation::measure(&networks, self.seed, self.activation_spectra);
        progress.fraction(1.0);
        Ok(outcome)
    }
}
