//! `lens_reconstruction.benchmark`: whether the errors of the parametric fit can be believed, and what pixelated sources give back.
//!
//! [`Part::SourceRecovery`] observes pictures of galaxies through a known lens and inverts them ([`recovery`]). [`Part::Coverage`] draws lenses from stated priors ([`draw`]), fits each with no guess from the truth, samples its posterior, and counts how often the 68 per cent
//! intervals hold the truth. A fit that finds nothing or ends elsewhere counts as a miss.

mod coverage;
mod draw;
mod outcome;
mod recovery;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use coverage::{CoverageRow, Interval, QUANTITIES};
pub use outcome::BenchmarkOutcome;
pub use recovery::{NOISE, RecoveryRow};

use super::classical::FitSettings;
use super::pixelated::InversionSettings;
use crate::tasks::{Cost, Lane, Progress, Task, TaskError};

/// What is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// How often the 68 per cent intervals of the parametric posterior hold the truth, over lenses drawn from stated priors.
    #[default]
    Coverage,
    /// What of the galaxies of a file comes back from images of them through a known lens, at three noise levels.
    SourceRecovery,
}

/// Measure whether the errors of the parametric fit can be believed, or what pixelated sources give back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BenchmarkRequest {
    /// What is measured.
    pub part: Part,
    /// Pictures of galaxies (FITS, every two-dimensional image of the file is one) for `source_recovery`.
    #[schemars(extend("x-input" = true))]
    pub galaxies: Option<PathBuf>,
    /// Source pixels along each side of the inversion of `source_recovery`.
    #[schemars(range(min = InversionSettings::SOURCE_PIXELS[0], max = InversionSettings::SOURCE_PIXELS[1]))]
    pub source_pixels: usize,
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
    /// Draws of each posterior, four chains together. Intervals are trusted from an R-hat below 1.01 and 400 effective draws on.
    #[schemars(range(min = 40, max = 20000))]
    pub posterior_draws: usize,
    /// Seed of truths, noise, starts and chains.
    pub seed: u64,
}

impl Default for BenchmarkRequest {
    fn default() -> Self {
        Self {
            part: Part::Coverage,
            galaxies: None,
            source_pixels: InversionSettings::default().source_pixels,
            lenses: 200,
            pixels: 56,
            lens_light: true,
            starts: 6,
            supersampling: 1,
            posterior_draws: 2000,
            seed: 1,
        }
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
    const SUMMARY: &'static str = "Measure whether the errors of the parametric fit hold the truth, or what pixelated sources give back of real galaxies.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = outcome::OUTPUTS;
    const LANE: Lane = Lane::Long;
    type Update = BenchmarkUpdate;
    type Outcome = BenchmarkOutcome;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        if self.part == Part::SourceRecovery {
            let galaxies = recovery::count(self.galaxies()?)?.max(1) as f64;
            // The dense matrix of the source pixels, a few times over; seconds as measured for one galaxy at one noise level.
            let unknowns = (self.source_pixels * self.source_pixels) as f64;
            let seconds = galaxies * NOISE.len() as f64 * (0.5 + 2.0 * (unknowns / 1600.0).powi(3));
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an estimate
            return Ok(Cost { bytes: (40.0 * unknowns * unknowns + 50e6) as u64, seconds });
        }
        let pixels = (self.pixels * self.pixels) as f64;
        let parameters = if self.lens_light { 22.0 } else { 15.0 };
        // As measured: a blind fit, then some eight evaluations for each draw and each step of the warm-up.
        let evaluations = 8.0 * (1.1 * self.posterior_draws as f64 + 240.0);
        let seconds = pixels * (2.5e-4 * self.starts as f64 + 1.5e-8 * parameters * evaluations);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an estimate
        Ok(Cost { bytes: (pixels * 8.0 * (40.0 + 2.0 * parameters)) as u64 * 8, seconds: seconds * self.lenses as f64 })
    }

    fn run(&self, progress: &Progress<BenchmarkUpdate>) -> Result<BenchmarkOutcome, TaskError> {
        let outcome = match self.part {
            Part::Coverage => BenchmarkOutcome { lenses: coverage::run(self, progress)?, sources: Vec::new() },
            Part::SourceRecovery => {
                BenchmarkOutcome { lenses: Vec::new(), sources: recovery::run(self, self.galaxies()?, progress)? }
            }
        };
        progress.fraction(1.0);
        Ok(outcome)
    }
}

impl BenchmarkRequest {
    /// The file of the galaxies.
    fn galaxies(&self) -> Result<&Path, TaskError> {
        self.galaxies.as_deref().ok_or_else(|| {
            TaskError::field(
                "galaxies",
                "(none)",
                "source_recovery needs pictures of galaxies",
                "give them with --input galaxies=FILE",
            )
        })
    }
}
