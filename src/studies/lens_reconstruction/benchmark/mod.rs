//! `lens_reconstruction.benchmark`: whether the errors of the parametric fit can be believed.
//!
//! `coverage` draws lenses from stated priors ([`draw`]), fits each with no guess from the truth, samples its posterior, and counts how often the 68 per cent
//! intervals hold the truth. A fit that finds nothing or ends elsewhere counts as a miss.

mod coverage;
pub mod draw;
mod outcome;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use coverage::{CoverageRow, Interval, QUANTITIES};
pub use outcome::BenchmarkOutcome;

use super::classical::FitSettings;
use crate::tasks::{Cost, Lane, Progress, Task, TaskError};

/// Measure whether the errors of the parametric fit can be believed, on lenses simulated from stated priors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BenchmarkRequest {
    /// Simulated lenses.
    #[schemars(range(min = 1, max = 5000))]
    pub lenses: usize,
    /// Width and height of each image; a pixel is 0.08 arcsec.
    #[schemars(range(min = 40, max = 128), extend("x-unit" = "pixels"))]
    pub pixels: usize,
    /// Simulate and fit the light of the lens galaxy too, one Sersic component.
    pub lens_light: bool,
    /// Starting points of each fit.
    #[schemars(range(min = FitSettings::STARTS[0], max = FitSettings::STARTS[1]))]
    pub starts: usize,
    /// Each pixel of the fitted model is the mean of at least this many by this many rays; the truth is simulated with 4 by 4 or more.
    #[schemars(range(min = FitSettings::SUPERSAMPLING[0], max = FitSettings::SUPERSAMPLING[1]))]
    pub supersampling: usize,
    /// Draws of each posterior, four chains together.
    #[schemars(range(min = 40, max = 20000))]
    pub posterior_draws: usize,
    /// Seed of truths, noise, starts and chains.
    pub seed: u64,
}

impl Default for BenchmarkRequest {
    fn default() -> Self {
        Self { lenses: 200, pixels: 56, lens_light: true, starts: 6, supersampling: 1, posterior_draws: 400, seed: 1 }
    }
}

/// What the screen shows while the benchmark runs.
#[derive(Clone, Debug)]
pub struct BenchmarkUpdate {
    /// The lenses that are done, in order.
    pub rows: Arc<Vec<CoverageRow>>,
}

impl Task for BenchmarkRequest {
    const NAME: &'static str = "lens_reconstruction.benchmark";
    const SUMMARY: &'static str =
        "Measure whether the errors of the parametric fit hold the truth, on lenses simulated from stated priors.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = outcome::OUTPUTS;
    const LANE: Lane = Lane::Long;
    type Update = BenchmarkUpdate;
    type Outcome = BenchmarkOutcome;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        let pixels = (self.pixels * self.pixels) as f64;
        let parameters = if self.lens_light { 22.0 } else { 15.0 };
        // As measured: a blind fit, then some eight evaluations for each draw and each step of the warm-up.
        let evaluations = 8.0 * (1.1 * self.posterior_draws as f64 + 240.0);
        let seconds = pixels * (2.5e-4 * self.starts as f64 + 1.5e-8 * parameters * evaluations);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an estimate
        Ok(Cost { bytes: (pixels * 8.0 * (40.0 + 2.0 * parameters)) as u64 * 8, seconds: seconds * self.lenses as f64 })
    }

    fn run(&self, progress: &Progress<BenchmarkUpdate>) -> Result<BenchmarkOutcome, TaskError> {
        let rows = coverage::run(self, progress)?;
        progress.fraction(1.0);
        Ok(BenchmarkOutcome::new(rows))
    }
}
