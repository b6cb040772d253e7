//! `lens_reconstruction.benchmark`: whether the errors of the parametric fit can be believed, what pixelated sources give back, and how all
//! methods compare.
//!
//! [`Part::Methods`] runs every method on the same lenses with known truths ([`methods`]).
//! [`Part::SourceRecovery`] observes pictures of galaxies through a known lens and inverts them ([`recovery`]). [`Part::Coverage`] draws lenses from stated priors ([`draw`]), fits each with no guess from the truth, samples its posterior, and counts how often the 68 per cent
//! intervals hold the truth. A fit that finds nothing or ends elsewhere counts as a miss.

mod coverage;
mod draw;
mod methods;
mod outcome;
mod recovery;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use coverage::{CoverageRow, Interval, QUANTITIES};
pub use methods::{Comparison, Contestant, LensSet, MethodRow, Spread, Summary, TrackRow};
pub use outcome::BenchmarkOutcome;
pub use recovery::{NOISE, RecoveryRow};

use super::classical::FitSettings;
use super::pixelated::InversionSettings;
use super::rim::finetune::{FinetuneSettings, FinetuneSystems};
use super::rim::prior::NoiseRegime;
use super::rim::{RefineSettings, SHIPPED};
use crate::data::find_resource;
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
    /// How every method does on held-out lenses of the network's prior, with substructure and smooth, at three noise levels, beside the null;
    /// or on lenses made of the maps in `structures`.
    Methods,
}

/// Measure whether the errors of the parametric fit can be believed, what pixelated sources give back, or how all methods compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BenchmarkRequest {
    /// What is measured.
    pub part: Part,
    /// Pictures of galaxies (FITS, every two-dimensional image of the file is one) for `source_recovery`.
    #[schemars(extend("x-input" = true))]
    pub galaxies: Option<PathBuf>,
    /// With `methods`: the trained network; automatic: the one that comes with the program (the record holds which). Images have its pixels.
    #[schemars(extend("x-input" = true))]
    pub weights: Option<PathBuf>,
    /// With `methods`: a folder of convergences (`*kappa*.fits`, 7.68 arcsec wide) and galaxies (`galaxy*.fits`). Every halo with every galaxy is
    /// a lens, instead of the simulated ones. Each halo is scaled to an Einstein radius of 1.5 arcsec, each galaxy to 3 arcsec.
    pub structures: Option<PathBuf>,
    /// With `methods`: which are compared, with `null` always; `["parametric", "inversion", "pixels", "rim", "rim_refined", "rim_finetuned"]`.
    pub methods: Vec<Contestant>,
    /// With `methods`: at which noise; `["low", "medium", "high"]`.
    pub noise_levels: Vec<NoiseRegime>,
    /// With `methods`: smooth lenses for comparison, for each noise level.
    #[schemars(range(min = 0, max = 5000))]
    pub smooth_lenses: usize,
    /// With `methods`: most steps of fine-tuning the network on an image.
    #[schemars(range(min = 1, max = 2000))]
    pub finetune_steps: usize,
    /// With `methods`: where the systems come from that hold the network while it is fine-tuned.
    pub finetune_systems: FinetuneSystems,
    /// With `methods`: how strongly they hold it.
    #[schemars(range(min = 0.0, max = 1e12), extend("x-log" = true))]
    pub finetune_strength: f64,
    /// With `methods`: size of the steps of fine-tuning.
    #[schemars(range(min = 1e-8, max = 0.01), extend("x-log" = true))]
    pub finetune_learning_rate: f64,
    /// With `methods`: most iterations that refine the network's answer on the likelihood.
    #[schemars(range(min = 1, max = 5000))]
    pub refine_steps: usize,
    /// Source pixels along each side of the inversions of `source_recovery` and `methods`.
    #[schemars(range(min = InversionSettings::SOURCE_PIXELS[0], max = InversionSettings::SOURCE_PIXELS[1]))]
    pub source_pixels: usize,
    /// Simulated lenses; with `methods` for each noise level.
    #[schemars(range(min = 1, max = 5000))]
    pub lenses: usize,
    /// Width and height of each image of `coverage`; a pixel is 0.08 arcsec.
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
            weights: None,
            structures: None,
            methods: Contestant::ALL.into_iter().filter(|m| *m != Contestant::Null).collect(),
            noise_levels: methods::LEVELS.to_vec(),
            smooth_lenses: 50,
            finetune_steps: FinetuneSettings::default().steps,
            finetune_systems: FinetuneSystems::default(),
            finetune_strength: FinetuneSettings::default().strength,
            finetune_learning_rate: FinetuneSettings::default().learning_rate,
            refine_steps: RefineSettings::ITERATIONS,
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
#[derive(Clone, Debug, Default)]
pub struct BenchmarkUpdate {
    /// Of `coverage`: the lenses that are done, in order.
    pub rows: Arc<Vec<CoverageRow>>,
    /// Of `methods`: the rows that are done, in order.
    pub methods: Arc<Vec<MethodRow>>,
}

impl Task for BenchmarkRequest {
    const NAME: &'static str = "lens_reconstruction.benchmark";
    const SUMMARY: &'static str = "Measure whether the errors of the parametric fit hold the truth, what pixelated sources give back of real galaxies, or how all methods compare.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = outcome::OUTPUTS;
    const LANE: Lane = Lane::Long;
    type Update = BenchmarkUpdate;
    type Outcome = BenchmarkOutcome;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn resolved(self) -> Result<Self, TaskError> {
        if self.part != Part::Methods {
            return Ok(self);
        }
        let mut found = self;
        if let Some(folder) = &found.structures {
            let absolute = std::path::absolute(folder)
                .map_err(|e| TaskError::file(folder, format!("structures: no such folder ({e})")))?;
            found.structures = Some(absolute);
        }
        if found.weights.is_none() && found.methods.iter().any(|m| m.is_network()) {
            let path = find_resource(SHIPPED).map_err(|e| {
                let cure = "train a network with lens_reconstruction.train, or name one with --input weights=FILE";
                TaskError::field("weights", "(none)", &e, cure)
            })?;
            found.weights = Some(path);
        }
        Ok(found)
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        if self.part == Part::Methods {
            // The inversion's dense matrices beside the network and its fine-tuning.
            return Ok(Cost { bytes: 1_000_000_000, seconds: methods::seconds(self)? });
        }
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
            Part::Coverage => {
                BenchmarkOutcome { lenses: coverage::run(self, progress)?, ..BenchmarkOutcome::default() }
            }
            Part::SourceRecovery => BenchmarkOutcome {
                sources: recovery::run(self, self.galaxies()?, progress)?,
                ..BenchmarkOutcome::default()
            },
            Part::Methods => {
                BenchmarkOutcome { comparison: methods::run(self, progress)?, ..BenchmarkOutcome::default() }
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
