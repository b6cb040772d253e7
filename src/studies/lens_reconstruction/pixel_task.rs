//! The part of `lens_reconstruction.fit` that follows the parametric fit: source, and mass, in pixels, with their live updates.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;

use super::classical::{ParametricFit, Phase};
use super::fit_task::{FitUpdate, LiveMap, cut};
use super::pixelated::{
    Event, Inversion, InversionSettings, InversionStep, PixelFit, PixelStep, SourceGrid, fit_pixels, invert,
};
use super::request::{FitRequest, Method};
use super::rim::{self, Guess, RimEvent, RimFit, RimStep, Spreading, Treatment, WorkingFrame, reconstruct};
use super::{LensError, Observation};
use crate::studies::lens_models::LensModel;
use crate::tasks::{Cost, Progress, TaskError};

/// Series of the logarithm of the evidence; it has a plot of its own.
pub const EVIDENCE: &str = "ln evidence";
/// Share of the rest of the run that `pixels` takes for its inversion.
const INVERTED: f64 = 0.35;

/// What followed the parametric fit.
pub(super) enum Reconstruction {
    /// Source in pixels.
    Inversion(Box<Inversion>),
    /// Source and convergence in pixels.
    Pixels(Box<PixelFit>),
    /// The same by the network.
    Rim(Box<RimFit>),
}

impl Reconstruction {
    /// The parametric lens that the source in pixels lies behind, without a correction in pixels; none where the mass is all in pixels.
    pub(super) fn lens(&self) -> Option<&LensModel> {
        match self {
            Self::Inversion(found) => Some(&found.lens),
            Self::Pixels(found) => Some(&found.parametric),
            Self::Rim(_) => None,
        }
    }
}

/// Seconds and bytes beyond those of the parametric fit of an image of so many pixels, as measured, for all pixels in the mask.
pub(super) fn cost(request: &FitRequest, pixels: f64) -> Cost {
    let n = (request.source_pixels as f64).powi(2);
    // Solves of 1600 unknowns take 0.1 s, and 0.25 s more each for the response of 5000 pixels.
    let solve = 0.1 * (n / 1600.0).powi(3);
    let respond = 0.25 * (pixels / 5000.0).min(10.0) * (n / 1600.0);
    let inversion = 10.0 * solve + if request.optimise_lens { 15.0 * (solve + respond) } else { respond };
    let seconds = match request.method {
        Method::Parametric => 0.0,
        Method::Inversion => inversion,
        Method::Pixels => inversion + 20.0 * solve + 1.5e-3 * (pixels / 16_384.0).min(10.0) * 2500.0,
        // A step of fine-tuning of the shipped network, and those of the systems beforehand, on one core.
        Method::Rim => {
            1.0 + if request.finetune_steps > 0 { 0.4 * (24.0 + request.finetune_steps as f64) } else { 0.0 }
        }
    };
    let bytes = match request.method {
        Method::Parametric => 0.0,
        Method::Inversion | Method::Pixels => 8.0 * 5.0 * n * n + 8.0 * 0.4 * n * pixels,
        Method::Rim => 500e6,
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an estimate
    Cost { bytes: bytes as u64, seconds }
}

/// Where the parametric fit has left the run.
pub(super) struct Stage<'a> {
    pub(super) observation: &'a Observation,
    pub(super) fit: &'a ParametricFit,
    /// Rows and columns of the fitted part.
    pub(super) part: [usize; 4],
    /// Fraction of the run that is done.
    pub(super) from: f64,
    /// Steps that the series hold.
    pub(super) steps: f64,
}

impl Stage<'_> {
    /// Carries the request's method out; nothing for the parametric one.
    pub(super) fn run(
        &self,
        request: &FitRequest,
        progress: &Progress<FitUpdate>,
    ) -> Result<Option<Reconstruction>, TaskError> {
        let foreground = &self.fit.lens_light_image + self.fit.scene.sky;
        match request.method {
            Method::Parametric => Ok(None),
            Method::Inversion => {
                let settings = request.inversion_settings(&self.fit.scene.sources);
                let found = self.invert(&settings, &foreground, [self.from, 0.98], progress)?;
                Ok(Some(Reconstruction::Inversion(Box::new(found))))
            }
            Method::Pixels => {
                // A mass that the source in pixels has corrected already needs less of a correction.
                let settings =
                    InversionSettings { optimise_lens: true, ..request.inversion_settings(&self.fit.scene.sources) };
                let middle = self.from + INVERTED * (1.0 - self.from);
                let inverted = self.invert(&settings, &foreground, [self.from, middle], progress)?;
                let found = self.fit_pixels(request, &inverted, &foreground, [middle, 0.98], progress)?;
                Ok(Some(Reconstruction::Pixels(Box::new(found))))
            }
            Method::Rim => Ok(Some(Reconstruction::Rim(Box::new(self.machine(request, &foreground, progress)?)))),
        }
    }

    fn invert(
        &self,
        settings: &InversionSettings,
        foreground: &Array2<f64>,
        [from, to]: [f64; 2],
        progress: &Progress<FitUpdate>,
    ) -> Result<Inversion, TaskError> {
        progress.phase(Phase::Inversion.label());
        let usual = if settings.optimise_lens { 20.0 } else { 6.0 };
        let found = invert(self.observation, Some(foreground), &self.fit.scene.lens, settings, &mut |event| {
            let Event::Step(step) = event else { return go_on(progress) };
            let done = step.step as f64 / usual;
            progress.fraction(from + (to - from) * done / (1.0 + done));
            let chi2 = step.chi2 / step.pixels as f64;
            progress.log("source in pixels", self.steps + step.step as f64, chi2);
            progress.log(EVIDENCE, self.steps + step.step as f64, step.evidence_ln);
            progress.update(|| self.inversion_update(step, foreground));
            go_on(progress)
        });
        checked(found, progress)
    }

    fn fit_pixels(
        &self,
        request: &FitRequest,
        inverted: &Inversion,
        foreground: &Array2<f64>,
        [from, to]: [f64; 2],
        progress: &Progress<FitUpdate>,
    ) -> Result<PixelFit, TaskError> {
        progress.phase(Phase::Pixels.label());
        let settings = request.pixel_settings(&self.fit.scene.sources);
        let steps = self.steps + inverted.solves as f64;
        let mut counting = false;
        let found = fit_pixels(self.observation, Some(foreground), &inverted.lens, &settings, &mut |event| {
            let Event::Step(step) = event else {
                if matches!(event, Event::DegreesOfFreedom) && !std::mem::replace(&mut counting, true) {
                    progress.phase("degrees of freedom");
                }
                return go_on(progress);
            };
            let done = step.step as f64 / 600.0;
            if step.step.is_multiple_of(16) {
                progress.fraction(from + (to - from) * done / (1.0 + done));
            }
            progress.log("source and mass in pixels", steps + step.step as f64, step.parts.chi2 / step.pixels as f64);
            progress.update(|| self.pixel_update(step, inverted, foreground));
            go_on(progress)
        });
        checked(found, progress)
    }

    fn machine(
        &self,
        request: &FitRequest,
        foreground: &Array2<f64>,
        progress: &Progress<FitUpdate>,
    ) -> Result<RimFit, TaskError> {
        progress.phase(Phase::Rim.label());
        let path = request.weights.as_deref().unwrap_or(Path::new(rim::SHIPPED));
        let trained = rim::load(path)?;
        let settings = &trained.rim.settings;
        let light = &self.observation.data - foreground;
        let galaxy = &self.fit.scene.lens.galaxy;
        let guess = Guess {
            centre: [galaxy.x_arcsec, galaxy.y_arcsec],
            einstein_radius_arcsec: self.fit.effective_einstein_radius_arcsec,
        };
        let sky = self.fit.blank_sky.map(|sky| sky.reduced_chi2);
        let finetuning = request.finetuning(settings.pixels, sky)?;
        let (mut count, evaluations) = (self.steps, settings.steps as f64);
        let share = |done: f64| self.from + (0.98 - self.from) * done;
        // Fine-tuning takes nearly all of the time.
        let first = if finetuning.is_some() { 0.03 } else { 1.0 };
        let spreading = Spreading { draws: request.spread_draws, seed: request.seed };
        let treatment = Treatment { finetuning, refining: request.refining(sky), spreading };
        let found = reconstruct(&trained, self.observation, &light, guess, treatment, &mut |event| {
            match event {
                RimEvent::Step(frame, step) => {
                    count += 1.0;
                    // The second time it has been fine-tuned, and everything is nearly done.
                    if count - self.steps <= evaluations {
                        progress.fraction(share(first * (count - self.steps) / evaluations));
                    }
                    progress.log("network", count, step.reduced_chi2);
                    progress.update(|| self.machine_update(frame, step));
                }
                RimEvent::Spread => progress.phase("errors of the network"),
                RimEvent::Refine(done, chi2) => {
                    if *done == 1 {
                        progress.phase("refining the answer");
                    }
                    count += 1.0;
                    progress.log("network, refined", count, *chi2);
                }
                RimEvent::Finetune(done, all, chi2) => {
                    progress.phase(if chi2.is_nan() { "systems around the answer" } else { "fine-tuning the network" });
                    progress.fraction(share(first + (1.0 - first) * *done as f64 / *all as f64));
                    if chi2.is_finite() {
                        count += 1.0;
                        progress.log("network, fine-tuned", count, *chi2);
                    }
                }
                RimEvent::Tuned(frame, step) => progress.update(|| self.machine_update(frame, step)),
            }
            progress.check().is_ok()
        });
        checked(found, progress)
    }

    /// Model and residual are those of the machine's own pixels.
    fn machine_update(&self, frame: &WorkingFrame, step: &RimStep) -> FitUpdate {
        let thin = |a: &Array2<f64>| Arc::new(a.mapv(|v| v as f32));
        FitUpdate {
            phase: Phase::Rim,
            start: 0,
            step: step.number,
            reduced_chi2: step.reduced_chi2,
            model: thin(&step.model),
            residual: thin(&step.residual),
            lens: self.fit.scene.lens.clone(),
            pixel_scale_arcsec: frame.step_arcsec(),
            source: Some(live(&step.source, frame.source_grid())),
            convergence: Some(LiveMap {
                map: thin(&step.convergence),
                pixel_scale_arcsec: frame.step_arcsec(),
                centre_arcsec: frame.centre,
            }),
        }
    }

    fn inversion_update(&self, step: &InversionStep, foreground: &Array2<f64>) -> FitUpdate {
        FitUpdate {
            phase: Phase::Inversion,
            start: 0,
            step: step.step,
            reduced_chi2: step.chi2 / step.pixels as f64,
            model: cut(&(step.model_image() + foreground), self.part),
            residual: cut(&step.residual_image(), self.part),
            lens: step.lens.clone(),
            pixel_scale_arcsec: self.observation.pixel_scale_arcsec,
            source: Some(live(&step.grid.map(step.source), step.grid)),
            convergence: None,
        }
    }

    fn pixel_update(&self, step: &PixelStep, inverted: &Inversion, foreground: &Array2<f64>) -> FitUpdate {
        let (convergence, centre_arcsec) = step.convergence();
        FitUpdate {
            phase: Phase::Pixels,
            start: 0,
            step: step.step,
            reduced_chi2: step.parts.chi2 / step.pixels as f64,
            model: cut(&(step.model_image() + foreground), self.part),
            residual: cut(&step.residual_image(), self.part),
            lens: inverted.lens.clone(),
            pixel_scale_arcsec: self.observation.pixel_scale_arcsec,
            source: Some(live(&step.source(), step.grid)),
            convergence: Some(LiveMap {
                map: Arc::new(convergence.mapv(|v| v as f32)),
                pixel_scale_arcsec: self.observation.pixel_scale_arcsec,
                centre_arcsec,
            }),
        }
    }
}

fn live(source: &Array2<f64>, grid: SourceGrid) -> LiveMap {
    LiveMap { map: Arc::new(source.mapv(|v| v as f32)), pixel_scale_arcsec: grid.pixel, centre_arcsec: grid.centre }
}

fn go_on(progress: &Progress<FitUpdate>) -> ControlFlow<()> {
    if progress.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// Cancelling comes first: it is not an error of the fit.
fn checked<T>(found: Result<T, LensError>, progress: &Progress<FitUpdate>) -> Result<T, TaskError> {
    progress.check()?;
    Ok(found?)
}
