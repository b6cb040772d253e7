//! `lens_reconstruction.fit`: one lens image in, model, source, convergence and errors out.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::classical::{FitStep, Phase, PosteriorSettings, fit_parametric, sample_posterior};
use super::load::{Loaded, load};
use super::outcome::FitOutcome;
use super::pixel_task::{self, Reconstruction, Stage};
use super::request::{FitRequest, Method};
use super::rim::SHIPPED;
use super::truth::{Truth, ring_radius};
use super::{Orientation, Scene};
use crate::data::{FitsFile, find_resource};
use crate::studies::lens_models::LensModel;
use crate::tasks::{Cost, Lane, Progress, Task, TaskError};
use ndarray::Array2;

/// Share of the time that the fit takes when its posterior is drawn too.
const FITTED: f64 = 0.15;
/// The same when it is followed by a reconstruction in pixels.
const BEFORE_PIXELS: f64 = 0.4;

/// A map on a grid of its own, while it is being made.
#[derive(Clone, Debug)]
pub struct LiveMap {
    /// Values, `[y, x]`, row 0 at the bottom.
    pub map: Arc<Array2<f32>>,
    /// Pixel (arcsec).
    pub pixel_scale_arcsec: f64,
    /// Its middle, arcsec from the image centre.
    pub centre_arcsec: [f64; 2],
}

/// What the screen shows while the fit runs. Images are `[y, x]`, row 0 at the bottom, cut to the fitted box.
#[derive(Clone, Debug)]
pub struct FitUpdate {
    /// What is being done.
    pub phase: Phase,
    /// Start that is being carried down, from 0.
    pub start: usize,
    /// Step within it.
    pub step: usize,
    /// Chi2 per degree of freedom in the mask.
    pub reduced_chi2: f64,
    /// Model image, unit of the data.
    pub model: Arc<Array2<f32>>,
    /// (data - model) / noise, NaN outside the mask.
    pub residual: Arc<Array2<f32>>,
    /// Mass model now.
    pub lens: LensModel,
    /// Pixel of the maps.
    pub pixel_scale_arcsec: f64,
    /// The source in pixels now, with the methods that have one.
    pub source: Option<LiveMap>,
    /// The convergence in pixels now, with the method that has one.
    pub convergence: Option<LiveMap>,
}

impl Task for FitRequest {
    const NAME: &'static str = "lens_reconstruction.fit";
    const SUMMARY: &'static str =
        "Reconstruct a gravitational lens from one image: mass model, source, lens light, with errors.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = super::outcome::OUTPUTS;
    const LANE: Lane = Lane::Short;
    type Update = FitUpdate;
    type Outcome = FitOutcome;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn resolved(self) -> Result<Self, TaskError> {
        let (scale, [redshift_lens, redshift_source]) = super::load::found(&self)?;
        let mut found = Self { pixel_scale_arcsec: Some(scale), redshift_lens, redshift_source, ..self };
        // An image in a run folder of ours brings its noise map and its PSF along.
        let folder = found.image.as_deref().and_then(Path::parent).filter(|f| f.join("record.json").is_file());
        if let Some(folder) = folder.map(Path::to_owned) {
            let beside = |name: &str| Some(folder.join(name)).filter(|p| p.is_file());
            if found.noise.is_none() && found.noise_sigma.is_none() {
                found.noise = beside("noise.fits");
            }
            if found.psf.is_none() && found.psf_fwhm_arcsec.is_none() {
                found.psf = beside("psf.fits");
            }
        }
        if found.method == Method::Rim && found.weights.is_none() {
            let path = find_resource(SHIPPED).map_err(|e| {
                TaskError::field(
                    "weights",
                    "(none)",
                    &e,
                    "train a network with lens_reconstruction.train, or name one with --input weights=FILE",
                )
            })?;
            found.weights = Some(path);
        }
        Ok(found)
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        let image = super::load::image_of(self)?;
        let location = super::load::location(image);
        let file = FitsFile::open(&location.path)?;
        let shape = file.hdu(file.find(location.hdu.as_ref())?)?.shape();
        let pixels: f64 = shape.iter().map(|n| *n as f64).product();
        // A dozen double planes, and the Jacobian's; seconds as measured on images of 100 and 281 pixels, scaled.
        let parameters = 8.0 + 7.0 * (self.lens_light_components + self.source_components) as f64;
        let more = pixel_task::cost(self, pixels);
        let draws = if self.method == Method::Parametric { self.posterior_draws as f64 } else { 0.0 };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an estimate
        Ok(Cost {
            bytes: (pixels * 8.0 * (24.0 + parameters)) as u64 + more.bytes,
            seconds: 0.5 + pixels * (5e-5 * self.starts as f64 / 8.0 + 2e-7 * draws) + more.seconds,
        })
    }

    fn run(&self, progress: &Progress<FitUpdate>) -> Result<FitOutcome, TaskError> {
        progress.phase("reading");
        let Loaded { observation, header, unit, redshifts, checks } = load(self)?;
        let settings = self.settings()?;
        if self.method == Method::Rim {
            // A network that cannot be used is told of before the work, not after it.
            let trained = super::rim::load(self.weights.as_deref().unwrap_or(Path::new(SHIPPED)))?;
            self.finetuning(trained.rim.settings.pixels, None)?;
        }
        let truth = Truth::read(self.truth_source.as_deref(), self.truth_convergence.as_deref(), &observation)?;
        progress.check()?;
        let part = fitted_part(&observation.mask);
        let share = match self.method {
            Method::Parametric if self.posterior_draws == 0 => 1.0,
            Method::Parametric => FITTED,
            Method::Inversion | Method::Pixels | Method::Rim => BEFORE_PIXELS,
        };
        let mut meter = Meter::default();
        let fit = fit_parametric(&observation, &settings, &mut |step: &FitStep<'_>| {
            let fraction = meter.fraction(step);
            let improves = meter.improves(step);
            // The chi2 of scan and starts is that of the arcs alone: another quantity, another line.
            let series = match step.phase {
                Phase::LensLight => "lens light alone",
                Phase::Null => "null: no source",
                Phase::Scan | Phase::Starts => "arcs alone",
                Phase::Joint | Phase::Inversion | Phase::Pixels | Phase::Rim => "everything",
            };
            // A line that is taken up again later begins anew: the steps between belong to another phase.
            if meter.in_phase <= 1.0 {
                progress.log(series, meter.steps, f64::NAN);
            }
            let shown = if step.phase == Phase::Scan { step.reduced_chi2 } else { meter.best };
            progress.log(series, meter.steps, shown);
            if meter.due() {
                progress.phase(step.phase.label());
                progress.fraction(share * fraction);
            }
            if !improves {
                // A candidate that is worse than what was found already: the screen keeps the best.
                return if progress.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
            }
            progress.update(|| FitUpdate {
                phase: step.phase,
                start: step.start,
                step: step.step,
                reduced_chi2: step.reduced_chi2,
                model: cut(&step.model_image(), part),
                residual: cut(&step.residual_image(), part),
                lens: step.scene().lens,
                pixel_scale_arcsec: observation.pixel_scale_arcsec,
                source: None,
                convergence: None,
            });
            if progress.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        progress.check()?;
        let fit = fit?;
        let posterior = if self.posterior_draws > 0 && self.method == Method::Parametric {
            progress.phase("posterior");
            let settings =
                PosteriorSettings { draws: self.posterior_draws, supersampling: self.supersampling, seed: self.seed };
            let drawn = sample_posterior(&observation, &fit, settings, &mut |fraction| {
                progress.fraction(FITTED + (1.0 - FITTED) * fraction);
                if progress.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            progress.check()?;
            Some(drawn?)
        } else {
            None
        };
        let stage = Stage { observation: &observation, fit: &fit, part, from: share, steps: meter.steps };
        let pixels = stage.run(self, progress)?;
        progress.phase("maps");
        // A source in pixels may have moved the mass that the parametric fit began with, and replaces its source.
        let final_scene = match &pixels {
            None => fit.scene.clone(),
            Some(found) => {
                let lens = found.lens().unwrap_or(&fit.scene.lens).clone();
                Scene { lens, sources: Vec::new(), ..fit.scene.clone() }
            }
        };
        let outcome = FitOutcome::new(&observation, &fit, posterior, &header, unit, &checks)
            .with_pixels(&observation, &fit, pixels.as_ref())
            .with_lens(&final_scene, self.cosmology(), redshifts)
            .with_sky(Orientation::of(&header, observation.data.dim()));
        let centres = final_scene.lens.centres();
        let marked = (settings.positions.as_slice(), settings.positions_threshold_arcsec);
        let outcome = match &pixels {
            Some(Reconstruction::Pixels(found)) => outcome.with_rays(&found.lens, &centres, marked),
            Some(Reconstruction::Rim(found)) => outcome.with_rays(&found.lens, &centres, marked),
            None | Some(Reconstruction::Inversion(_)) => {
                outcome.with_rays(&final_scene.lens.prepare(), &centres, marked)
            }
        };
        let centre = [fit.scene.lens.galaxy.x_arcsec, fit.scene.lens.galaxy.y_arcsec];
        let light = &observation.data - &fit.lens_light_image - fit.scene.sky;
        let outcome = outcome.with_truth(&truth, centre, ring_radius(&observation, &light, centre));
        progress.fraction(1.0);
        Ok(outcome)
    }
}

/// How far a fit has come, from its phases: none of them knows its own length, so each nears its end ever more slowly.
#[derive(Default)]
struct Meter {
    steps: f64,
    in_phase: f64,
    phase: Option<Phase>,
    most: f64,
    /// Least reduced chi2 of the phase.
    best: f64,
}

impl Meter {
    /// True when the step is the best of its phase so far, or of the scan, whose steps are looked at one by one.
    fn improves(&mut self, step: &FitStep<'_>) -> bool {
        let better = self.in_phase <= 1.0 || step.reduced_chi2 <= self.best;
        if better {
            self.best = step.reduced_chi2;
        }
        better || step.phase == Phase::Scan
    }

    /// Often enough for a progress bar.
    fn due(&self) -> bool {
        self.in_phase % 8.0 == 1.0
    }

    fn fraction(&mut self, step: &FitStep<'_>) -> f64 {
        self.steps += 1.0;
        if self.phase != Some(step.phase) {
            self.phase = Some(step.phase);
            self.in_phase = 0.0;
        }
        self.in_phase += 1.0;
        let (from, to, usual) = match step.phase {
            Phase::LensLight => (0.0, 0.15, 200.0),
            Phase::Scan => (0.15, 0.3, 200.0),
            Phase::Starts => (0.3, 0.6, 400.0),
            Phase::Joint => (0.6, 0.95, 200.0),
            Phase::Null | Phase::Inversion | Phase::Pixels | Phase::Rim => (0.95, 1.0, 60.0),
        };
        let fraction = from + (to - from) * (1.0 - (-self.in_phase / usual).exp());
        self.most = self.most.max(fraction);
        self.most
    }
}

/// Rows and columns that hold the fitted pixels: first row, end row, first column, end column.
fn fitted_part(mask: &Array2<bool>) -> [usize; 4] {
    let mut part = [usize::MAX, 0, usize::MAX, 0];
    for ((y, x), _) in mask.indexed_iter().filter(|(_, m)| **m) {
        part = [part[0].min(y), part[1].max(y + 1), part[2].min(x), part[3].max(x + 1)];
    }
    if part[1] == 0 { [0, mask.nrows(), 0, mask.ncols()] } else { part }
}

pub(super) fn cut(image: &Array2<f64>, [y0, y1, x0, x1]: [usize; 4]) -> Arc<Array2<f32>> {
    Arc::new(image.slice(ndarray::s![y0..y1, x0..x1]).mapv(|v| v as f32))
}
