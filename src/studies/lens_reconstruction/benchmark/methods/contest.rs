//! Every method on one lens. What several of them begin from is computed once, and its seconds are told apart from their own.

use std::ops::ControlFlow;

use ndarray::Array2;

use super::Contestant;
use super::case::Case;
use super::track::{TrackPoint, Watch};
use crate::numerics::regrid::block_means;
use crate::studies::lens_models::{LensModel, Sersic};
use crate::studies::lens_reconstruction::benchmark::{BenchmarkRequest, BenchmarkUpdate};
use crate::studies::lens_reconstruction::classical::{FitSettings, ParametricFit, fit_parametric};
use crate::studies::lens_reconstruction::maps::{convergence_map, source_map};
use crate::studies::lens_reconstruction::pixelated::{
    Event, Inversion, InversionSettings, PixelSettings, SourceGrid, fit_pixels, invert,
};
use crate::studies::lens_reconstruction::rim::finetune::{FinetuneSettings, FinetuneSystems};
use crate::studies::lens_reconstruction::rim::{
    Finetuning, Guess, RefineSettings, RimEvent, RimStep, Trained, Treatment, WorkingFrame, load_vaes, reconstruct,
};
use crate::studies::lens_reconstruction::truth::ring_radius;
use crate::studies::lens_reconstruction::{Gridded, LensError};
use crate::tasks::{Metrics, Progress, TaskError};

/// Steps of the joint fit in pixels between two looks at its errors.
const LOOK_EVERY: usize = 10;
/// Einstein radius that the network is told where neither a fit nor the light says one (arcsec).
const UNKNOWN_RADIUS: f64 = 1.5;

/// What a method says of a lens, on the pixels of the image and on a grid of its own in the source plane.
pub(super) struct Answer {
    pub(super) source: Gridded,
    pub(super) convergence: Gridded,
    /// Lensed source through the PSF, `[y, x]`.
    pub(super) model: Array2<f64>,
    /// Its own.
    pub(super) seconds: f64,
    /// Of what it begins from.
    pub(super) seconds_before: f64,
    /// Evaluations of its gradient: Jacobians, sources solved, gradients of the likelihood.
    pub(super) gradients: usize,
    pub(super) track: Vec<TrackPoint>,
    /// What went wrong, or lies outside of what it is for.
    pub(super) remark: String,
    /// There is none: it is that of the null.
    pub(super) failed: bool,
}

/// A part that several methods share.
struct Timed<T> {
    value: T,
    seconds: f64,
}

/// Why there is no answer.
enum Trouble {
    Stopped,
    Failed(String),
}

impl From<LensError> for Trouble {
    fn from(error: LensError) -> Self {
        match error {
            LensError::Cancelled => Self::Stopped,
            other => Self::Failed(other.to_string()),
        }
    }
}

type Shared<T> = Result<Timed<T>, String>;

/// One lens, and what was computed for it.
pub(super) struct Contest<'a> {
    request: &'a BenchmarkRequest,
    case: &'a Case,
    machine: Option<&'a Trained>,
    progress: &'a Progress<BenchmarkUpdate>,
    isothermal: Option<Shared<ParametricFit>>,
    /// Of a power law: the fit, and the inversion after it.
    inversion: Option<Shared<(ParametricFit, Inversion)>>,
    /// Seconds of that fit alone.
    power_law_seconds: f64,
}

impl<'a> Contest<'a> {
    pub(super) fn new(
        request: &'a BenchmarkRequest,
        case: &'a Case,
        machine: Option<&'a Trained>,
        progress: &'a Progress<BenchmarkUpdate>,
    ) -> Self {
        Self { request, case, machine, progress, isothermal: None, inversion: None, power_law_seconds: 0.0 }
    }

    /// What a method says. One that finds nothing leaves its user with the null; the remark says so.
    pub(super) fn answer(&mut self, method: Contestant) -> Result<Answer, TaskError> {
        let found = match method {
            Contestant::Null => Ok(self.null()),
            Contestant::Parametric => self.parametric(),
            Contestant::Inversion => self.inversion(),
            Contestant::Pixels => self.pixels(),
            Contestant::Rim => self.rim(Treatment::default())?,
            Contestant::RimRefined => {
                let refining = Some(RefineSettings { iterations: self.request.refine_steps, target: 1.0 });
                self.rim(Treatment { refining, ..Treatment::default() })?
            }
            Contestant::RimFinetuned => {
                let finetuning = Some(self.finetuning()?);
                self.rim(Treatment { finetuning, ..Treatment::default() })?
            }
        };
        self.progress.check()?;
        match found {
            Ok(answer) => Ok(answer),
            Err(Trouble::Stopped) => Err(TaskError::Cancelled),
            Err(Trouble::Failed(remark)) => Ok(Answer { remark, failed: true, ..self.null() }),
        }
    }

    fn null(&self) -> Answer {
        Answer {
            source: Gridded { map: Array2::zeros((2, 2)), centre: [0.0; 2], pixel: 1.0 },
            convergence: self.case.null.clone(),
            model: Array2::zeros(self.case.noiseless.dim()),
            seconds: 0.0,
            seconds_before: 0.0,
            gradients: 0,
            track: Vec::new(),
            remark: String::new(),
            failed: false,
        }
    }

    /// A blind fit of the image without lens light and sky.
    fn fit(&self, free_slope: bool) -> Result<Timed<ParametricFit>, Trouble> {
        let settings = FitSettings {
            lens_light_components: 0,
            fit_sky: false,
            free_slope,
            seed: self.request.seed,
            ..FitSettings::default()
        };
        let mut watch = Watch::start();
        let value = fit_parametric(&self.case.observation, &settings, &mut |_| go_on(self.progress, &mut watch))?;
        Ok(Timed { value, seconds: watch.seconds() })
    }

    fn isothermal(&mut self) -> Result<&Timed<ParametricFit>, Trouble> {
        if self.isothermal.is_none() {
            self.isothermal = Some(kept(self.fit(false))?);
        }
        shared(self.isothermal.as_ref())
    }

    fn parametric(&mut self) -> Result<Answer, Trouble> {
        let case = self.case;
        let Timed { value, seconds } = self.isothermal()?;
        let seconds = *seconds;
        let (source, convergence) = (sersic_map(case, &value.scene.sources), on_image(case, &value.scene.lens));
        let (model, gradients) = (value.lensed_source_image.clone(), value.calls.jacobian);
        Ok(Answer { source, convergence, model, seconds, gradients, ..self.null() })
    }

    fn inversion_settings(&self, sources: &[Sersic]) -> InversionSettings {
        InversionSettings {
            source_pixels: self.request.source_pixels,
            mean: sources.to_vec(),
            ..InversionSettings::default()
        }
    }

    fn inverted(&mut self) -> Result<&Timed<(ParametricFit, Inversion)>, Trouble> {
        if self.inversion.is_none() {
            self.inversion = Some(kept(self.invert())?);
        }
        shared(self.inversion.as_ref())
    }

    fn invert(&mut self) -> Result<Timed<(ParametricFit, Inversion)>, Trouble> {
        let fit = self.fit(true)?;
        self.power_law_seconds = fit.seconds;
        let fit = fit.value;
        let settings = self.inversion_settings(&fit.scene.sources);
        let mut watch = Watch::start();
        let found = invert(&self.case.observation, None, &fit.scene.lens, &settings, &mut |_| {
            go_on(self.progress, &mut watch)
        })?;
        Ok(Timed { value: (fit, found), seconds: watch.seconds() })
    }

    fn inversion(&mut self) -> Result<Answer, Trouble> {
        let case = self.case;
        let Timed { value: (_, found), seconds } = self.inverted()?;
        let seconds = *seconds;
        let (source, convergence) = (on_source(&found.source, found.grid), on_image(case, &found.lens));
        let (model, gradients) = (found.lensed_source_image.clone(), found.solves);
        let seconds_before = self.power_law_seconds;
        Ok(Answer { source, convergence, model, seconds, seconds_before, gradients, ..self.null() })
    }

    /// The clock is stopped when the search is over: counting degrees of freedom is no part of the answer.
    fn pixels(&mut self) -> Result<Answer, Trouble> {
        let (case, progress) = (self.case, self.progress);
        let start = self.inversion()?;
        let before = start.seconds_before + start.seconds;
        let Timed { value: (fit, inverted), .. } = self.inverted()?;
        let lens = inverted.lens.clone();
        let sources = fit.scene.sources.clone();
        let settings = PixelSettings { source: self.inversion_settings(&sources), ..PixelSettings::default() };
        let mut track = vec![look(case, &start.source, &start.convergence, before, 0)];
        let mut watch = Watch::start();
        let mut searched = None;
        let found = fit_pixels(&case.observation, None, &lens, &settings, &mut |event| {
            match &event {
                Event::Step(step) if step.step == 1 || step.step.is_multiple_of(LOOK_EVERY) => {
                    let seconds = before + watch.seconds();
                    watch.aside(|| {
                        let (map, centre) = step.convergence();
                        let convergence =
                            Gridded { map: thin(&map), centre, pixel: case.observation.pixel_scale_arcsec };
                        track.push(look(case, &on_source(&step.source(), step.grid), &convergence, seconds, step.step));
                    });
                }
                Event::DegreesOfFreedom => searched = searched.or(Some(watch.seconds())),
                Event::Step(_) | Event::Within => {}
            }
            go_on(progress, &mut watch)
        })?;
        let seconds = searched.unwrap_or_else(|| watch.seconds());
        let mut convergence = on_image(case, &found.parametric);
        convergence.map += &thin(&found.excess);
        let source = on_source(&found.source, found.grid);
        track.push(look(case, &source, &convergence, before + seconds, found.iterations));
        let model = found.lensed_source_image;
        let gradients = found.evaluations;
        Ok(Answer { source, convergence, model, seconds, seconds_before: before, gradients, track, ..self.null() })
    }

    fn finetuning(&self) -> Result<Finetuning, TaskError> {
        let pixels = self.machine.map_or(0, |m| m.rim.settings.pixels);
        let vaes = match self.request.finetune_systems {
            FinetuneSystems::Random => None,
            FinetuneSystems::Autoencoders => Some(load_vaes(pixels)?),
        };
        let settings = FinetuneSettings {
            steps: self.request.finetune_steps,
            strength: self.request.finetune_strength,
            learning_rate: self.request.finetune_learning_rate,
            seed: self.request.seed,
            ..FinetuneSettings::default()
        };
        Ok(Finetuning { settings, vaes })
    }

    /// As `method=rim` of the fit does it: centre and radius are those of the parametric fit.
    fn rim(&mut self, treatment: Treatment) -> Result<Result<Answer, Trouble>, TaskError> {
        let Some(machine) = self.machine else {
            return Err(TaskError::field(
                "weights",
                "(none)",
                "rim needs a trained network",
                "train one with lens_reconstruction.train and give it with --input weights=FILE",
            ));
        };
        let (guess, before) = match self.isothermal() {
            Ok(Timed { value, seconds }) => {
                let galaxy = &value.scene.lens.galaxy;
                let centre = [galaxy.x_arcsec, galaxy.y_arcsec];
                (Guess { centre, einstein_radius_arcsec: value.effective_einstein_radius_arcsec }, *seconds)
            }
            Err(Trouble::Stopped) => return Ok(Err(Trouble::Stopped)),
            Err(Trouble::Failed(_)) => {
                let radius = ring_radius(&self.case.observation, &self.case.observation.data, [0.0; 2]);
                let radius = if radius.is_finite() { radius } else { UNKNOWN_RADIUS };
                (Guess { centre: [0.0; 2], einstein_radius_arcsec: radius }, 0.0)
            }
        };
        Ok(self.machine(machine, guess, before, treatment))
    }

    fn machine(
        &self,
        machine: &Trained,
        guess: Guess,
        seconds_before: f64,
        treatment: Treatment,
    ) -> Result<Answer, Trouble> {
        let (case, progress) = (self.case, self.progress);
        let mut track = Vec::new();
        let mut watch = Watch::start();
        let light = case.observation.data.clone();
        let found = reconstruct(machine, &case.observation, &light, guess, treatment, &mut |event| {
            if let RimEvent::Step(frame, step) | RimEvent::Tuned(frame, step) = event {
                let seconds = seconds_before + watch.seconds();
                let number = track.len() + 1;
                watch.aside(|| track.push(look_at_step(case, frame, step, seconds, number)));
            }
            go_on(progress, &mut watch).is_continue()
        })?;
        let seconds = watch.seconds();
        let pixel = case.observation.pixel_scale_arcsec;
        let convergence = found.lens.convergence_map(case.noiseless.dim(), pixel);
        let convergence = Gridded { map: thin(&convergence), centre: [0.0; 2], pixel };
        let source = on_source(&found.source, found.grid);
        track.push(look(case, &source, &convergence, seconds_before + seconds, track.len() + 1));
        Ok(Answer {
            source,
            convergence,
            model: found.lensed_source_image,
            seconds,
            seconds_before,
            gradients: found.gradients,
            track,
            remark: found.concerns.join("; "),
            failed: false,
        })
    }
}

/// Cancelling is no result; a fit that found nothing is one, and is not tried again.
fn kept<T>(found: Result<Timed<T>, Trouble>) -> Result<Shared<T>, Trouble> {
    match found {
        Ok(timed) => Ok(Ok(timed)),
        Err(Trouble::Failed(why)) => Ok(Err(why)),
        Err(Trouble::Stopped) => Err(Trouble::Stopped),
    }
}

fn shared<T>(kept: Option<&Shared<T>>) -> Result<&Timed<T>, Trouble> {
    match kept {
        Some(Ok(timed)) => Ok(timed),
        Some(Err(why)) => Err(Trouble::Failed(why.clone())),
        None => Err(Trouble::Failed("not computed".to_owned())),
    }
}

/// Asks whether to stop; a pause does not count.
fn go_on(progress: &Progress<BenchmarkUpdate>, watch: &mut Watch) -> ControlFlow<()> {
    if watch.aside(|| progress.check()).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

fn thin(map: &Array2<f64>) -> Array2<f32> {
    map.mapv(|v| v as f32)
}

fn on_source(map: &Array2<f64>, grid: SourceGrid) -> Gridded {
    Gridded::from((&thin(map), grid))
}

/// The convergence of a parametric lens on the pixels of the image.
fn on_image(case: &Case, lens: &LensModel) -> Gridded {
    let pixel = case.observation.pixel_scale_arcsec;
    Gridded { map: convergence_map(lens, case.noiseless.dim(), pixel), centre: [0.0; 2], pixel }
}

/// Sersic sources on the pixels of the true source, each the mean of 4 x 4 points.
fn sersic_map(case: &Case, sources: &[Sersic]) -> Gridded {
    const FINE: usize = 4;
    let Some(truth) = &case.truth.source else { return case.null.clone() };
    let (rows, columns) = truth.map.dim();
    let fine = source_map(sources, truth.centre, truth.pixel / FINE as f64, (FINE * rows, FINE * columns));
    Gridded { map: thin(&block_means(&fine, FINE)), ..truth.clone() }
}

/// The numbers by which every answer is judged.
pub(super) fn judged(case: &Case, source: &Gridded, convergence: &Gridded) -> Metrics {
    // The ring's radius is for a null that is not used here.
    case.truth.metrics(source, convergence, case.centre, f64::NAN)
}

fn look(case: &Case, source: &Gridded, convergence: &Gridded, seconds: f64, step: usize) -> TrackPoint {
    let metrics = judged(case, source, convergence);
    let get = |name: &str| metrics.get(name).copied().unwrap_or(f64::NAN);
    TrackPoint {
        seconds,
        step,
        convergence_rms_dex: get("convergence_rms_dex"),
        source_rms_relative: get("source_rms_relative"),
    }
}

/// The network may say of a source that it is negative; its answer is not.
fn look_at_step(case: &Case, frame: &WorkingFrame, step: &RimStep, seconds: f64, number: usize) -> TrackPoint {
    let source = on_source(&step.source.mapv(|s| s.max(0.0)), frame.source_grid());
    let convergence = Gridded { map: thin(&step.convergence), centre: frame.centre, pixel: frame.step_arcsec() };
    look(case, &source, &convergence, seconds, number)
}
