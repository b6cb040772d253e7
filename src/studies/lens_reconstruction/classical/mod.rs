//! The classical answer: a blind parametric fit of mass, source and lens light.
//!
//! 1. Lens light alone, with arcs weighted down ([`Phase::LensLight`]).
//! 2. On what is left: a scan over Einstein radii, ellipticities and source sizes, source positions traced back from the arcs ([`Phase::Scan`]).
//! 3. Levenberg-Marquardt from the best start of each of the most promising radii ([`Phase::Starts`]).
//!    Scan and starts run a second time on the whole image, as if the lens were dark: where it is, a search for its light takes the arcs.
//! 4. Everything together, roughly from the best few of both, then to the end from the best of these ([`Phase::Joint`]).
//! 5. For comparison, the lens light without a lensed source ([`Phase::Null`]).
//!
//! Amplitudes are never searched: they are solved by non-negative least squares inside every evaluation (variable projection).

mod light;
mod light_preview;
mod posterior;
mod problem;
mod refinements;
mod result;
mod search;
mod warnings;

use std::ops::ControlFlow;

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use light_preview::{LightModel, fit_lens_light};
pub use posterior::{CHAINS, Posterior, PosteriorSettings, Quantity, sample_posterior};
pub use problem::Calls;
pub(crate) use result::filled;
pub use result::{BlankSky, LensErrors, ParametricFit, StartSummary, blank_sky, lens_errors};

use super::imaging::{ForwardModel, Sampling};
use super::scene::{Layout, Scene};
use super::{LensError, Observation};
use crate::numerics::levenberg_marquardt::{Fit, Options, Stop, fit};
use crate::studies::lens_models::{GALAXY_PARAMETERS, MassKind, SERSIC_PARAMETERS, Sersic};
use light::{LightGuess, Null};
use problem::{SceneProblem, Sky};
use search::Candidate;

/// How to fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitSettings {
    /// Starts of the fit, each at another Einstein radius found by the scan; see [`Self::STARTS`].
    pub starts: usize,
    /// Sersic components of the lens's own light; 0 where it has been subtracted.
    pub lens_light_components: usize,
    /// Sersic components of the lensed source.
    pub source_components: usize,
    /// Samples along the side of a pixel, at least; steep parts get more.
    pub supersampling: usize,
    /// Fit a constant background too. Without it the data must have none.
    pub fit_sky: bool,
    /// Move the slope of the mass too: an elliptical power law instead of an isothermal ellipsoid.
    pub free_slope: bool,
    /// Add multipoles of order 3 and 4 to the mass.
    pub multipoles: bool,
    /// First guesses of the places of satellites `[x, y]` (arcsec): an isothermal sphere at each.
    pub satellites: Vec<[f64; 2]>,
    /// How the lens's own light ends: as it was searched for, or as a set of Gaussians.
    pub lens_light: LensLight,
    /// Most trial steps of each part of the joint fit.
    pub max_steps: usize,
    /// Seed of the starts.
    pub seed: u64,
    /// First guess of the lens centre (arcsec from the image centre); `None`: from the light.
    pub lens_centre: Option<[f64; 2]>,
    /// Places `[x, y]` (arcsec) where images of one source are seen; fewer than two say nothing.
    pub positions: Vec<[f64; 2]>,
    /// Starts that trace the positions farther apart than this (arcsec) are dropped, unless all do.
    pub positions_threshold_arcsec: f64,
}

impl FitSettings {
    /// Least and greatest `starts`; the scan has no more radii to offer.
    pub const STARTS: [usize; 2] = [1, search::RADII];
    /// Least and greatest `lens_light_components`.
    pub const LENS_LIGHT_COMPONENTS: [usize; 2] = [0, 3];
    /// Least and greatest `source_components`.
    pub const SOURCE_COMPONENTS: [usize; 2] = [1, 2];
    /// Least and greatest `supersampling`.
    pub const SUPERSAMPLING: [usize; 2] = [1, 4];
    /// Most `satellites`.
    pub const SATELLITES: usize = 8;
    /// Least and greatest `max_steps`.
    pub const MAX_STEPS: [usize; 2] = [5, 1000];
}

impl Default for FitSettings {
    fn default() -> Self {
        Self {
            starts: 8,
            lens_light_components: 2,
            source_components: 1,
            supersampling: 1,
            fit_sky: true,
            free_slope: false,
            multipoles: false,
            satellites: Vec::new(),
            lens_light: LensLight::Sersic,
            max_steps: 150,
            seed: 1,
            lens_centre: None,
            positions: Vec::new(),
            positions_threshold_arcsec: 0.3,
        }
    }
}

/// What the lens's own light is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LensLight {
    /// Sersic profiles.
    #[default]
    Sersic,
    /// Gaussians of fixed widths whose centres and ellipticities follow those of the Sersic profiles: a multi-Gaussian expansion.
    Gaussians,
}

/// What the fit is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The lens light, arcs weighted down (`start` counts starts).
    LensLight,
    /// The scan over Einstein radii (`start` counts radii).
    Scan,
    /// Fits of the arcs from the best of the scan (`start` counts starts).
    Starts,
    /// Everything together (`start` counts the candidates tried).
    Joint,
    /// The lens light without lensed source, for comparison.
    Null,
    /// After the fit: the source in pixels.
    Inversion,
    /// After the fit: source and convergence in pixels.
    Pixels,
    /// After the fit: the same by the Recurrent Inference Machine.
    Rim,
}

impl Phase {
    /// In words, for a progress line.
    pub fn label(self) -> &'static str {
        match self {
            Self::LensLight => "lens light",
            Self::Scan => "scan of Einstein radii",
            Self::Starts => "fits from several starts",
            Self::Joint => "joint fit",
            Self::Null => "comparison without a source",
            Self::Inversion => "source in pixels",
            Self::Pixels => "source and convergence in pixels",
            Self::Rim => "Recurrent Inference Machine",
        }
    }
}

/// The state of a fit after a step. Cheap: images are made only when asked for.
pub struct FitStep<'a> {
    /// What the fit is doing.
    pub phase: Phase,
    /// Which start (or radius of the scan), from 0.
    pub start: usize,
    /// Step within the phase and start.
    pub step: usize,
    /// Chi-squared in the used pixels of what this phase fits.
    pub chi2: f64,
    /// The same per degree of freedom.
    pub reduced_chi2: f64,
    /// Best parameters of this start, in the order of `layout`.
    pub parameters: &'a [f64],
    /// How the parameters lie.
    pub layout: Layout,
    problem: &'a SceneProblem<'a>,
}

impl FitStep<'_> {
    /// The parameters as a scene.
    pub fn scene(&self) -> Scene {
        Scene::from_parameters(self.layout, self.parameters)
    }

    /// Best model of this start in the unit of the data, `[y, x]`; NaN in pixels that are not used.
    pub fn model_image(&self) -> Array2<f64> {
        self.problem.best_image()
    }

    /// Data minus model in sigma of the noise map (early phases weigh pixels by trust; this does not), `[y, x]`; NaN in pixels that are not used. In scan and starts, data less the lens light.
    pub fn residual_image(&self) -> Array2<f64> {
        self.problem.best_residual()
    }
}

/// The callback of a fit.
pub type Callback<'a> = dyn FnMut(&FitStep) -> ControlFlow<()> + 'a;

/// What the phases share.
struct Run<'a, 'b> {
    settings: &'a FitSettings,
    callback: &'a mut Callback<'b>,
    calls: Calls,
    sky: Sky,
}

fn report(
    callback: &mut Callback,
    phase: Phase,
    start: usize,
    step: usize,
    chi2: f64,
    problem: &SceneProblem,
) -> ControlFlow<()> {
    callback(&FitStep {
        phase,
        start,
        step,
        chi2,
        reduced_chi2: chi2 / problem.degrees_of_freedom() as f64,
        parameters: problem.best_parameters(),
        layout: problem.model.layout(),
        problem,
    })
}

/// Where the lens is and how far the used pixels reach.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    /// First guess of the centre of the lens (arcsec).
    centre: [f64; 2],
    /// Distance of the farthest used pixels from it (arcsec; the nearest 98 per cent lie inside).
    radius: f64,
}

impl Geometry {
    /// The centre is the middle of the used pixels, moved to the peak of the light near it if the lens shines.
    fn of(observation: &Observation, lens_shines: bool) -> Self {
        let frame = observation.frame();
        let used: Vec<([f64; 2], f64)> = observation
            .mask
            .indexed_iter()
            .filter(|(_, m)| **m)
            .map(|((j, i), _)| ([frame.x(i as f64), frame.y(j as f64)], observation.data[[j, i]]))
            .collect();
        let count = used.len().max(1) as f64;
        let mut centre = [0, 1].map(|k| used.iter().map(|p| p.0[k]).sum::<f64>() / count);
        let reach = |centre: [f64; 2]| {
            let mut distances: Vec<f64> =
                used.iter().map(|(p, _)| (p[0] - centre[0]).hypot(p[1] - centre[1])).collect();
            distances.sort_by(f64::total_cmp);
            distances.get((distances.len() * 49 / 50).min(distances.len().saturating_sub(1))).copied().unwrap_or(1.0)
        };
        if lens_shines {
            // Centroids of ever smaller windows climb to the peak and are not drawn away by arcs.
            for fraction in [0.35, 0.25, 0.15, 0.15, 0.15] {
                let window = (fraction * reach(centre)).max(2.5 * observation.pixel_scale_arcsec);
                let near = || used.iter().filter(|(p, _)| (p[0] - centre[0]).hypot(p[1] - centre[1]) < window);
                let floor = near().map(|p| p.1).fold(f64::INFINITY, f64::min);
                let total: f64 = near().map(|p| p.1 - floor).sum();
                if total > 0.0 {
                    centre = [0, 1].map(|k| near().map(|p| p.0[k] * (p.1 - floor)).sum::<f64>() / total);
                }
            }
        }
        Self { centre, radius: reach(centre).max(3.0 * observation.pixel_scale_arcsec) }
    }

    /// The same, with the centre where the user put it.
    fn guided(self, observation: &Observation, guess: Option<[f64; 2]>) -> Self {
        let Some(centre) = guess else { return self };
        let mut distances = Self { centre, ..self }.distances(observation);
        distances.sort_by(f64::total_cmp);
        let radius = distances.get((distances.len() * 49 / 50).min(distances.len().saturating_sub(1))).copied();
        Self { centre, radius: radius.unwrap_or(self.radius).max(3.0 * observation.pixel_scale_arcsec) }
    }

    /// Distance of each used pixel from the centre (arcsec).
    fn distances(&self, observation: &Observation) -> Vec<f64> {
        let frame = observation.frame();
        observation
            .mask
            .indexed_iter()
            .filter(|(_, m)| **m)
            .map(|((j, i), _)| (frame.x(i as f64) - self.centre[0]).hypot(frame.y(j as f64) - self.centre[1]))
            .collect()
    }
}

/// Ranges of all parameters.
#[derive(Clone, Debug)]
struct Bounds {
    lower: Vec<f64>,
    upper: Vec<f64>,
}

impl Bounds {
    fn new(geometry: &Geometry, layout: Layout, pixel: f64, satellites: &[[f64; 2]]) -> Self {
        let [x, y] = geometry.centre;
        let r = geometry.radius;
        // Mass lies near light, and all light of a galaxy has one centre but for a little lopsidedness.
        let centre = if layout.lights > 0 { (0.12 * r).max(2.0 * pixel) } else { 0.3 * r };
        let light = (0.05 * r).max(pixel);
        let lens: [(f64, f64); GALAXY_PARAMETERS] = [
            (0.5 * pixel, 1.5 * r),
            (-0.5, 0.5),
            (-0.5, 0.5),
            (x - centre, x + centre),
            (y - centre, y + centre),
            (-0.4, 0.4),
            (-0.4, 0.4),
            (1.2, 2.8),
        ];
        let component = |near: f64, size: f64, least_index: f64| -> [(f64, f64); SERSIC_PARAMETERS] {
            [
                (0.0, f64::INFINITY),
                (x - near, x + near),
                (y - near, y + near),
                (0.1 * pixel, size),
                (-0.6, 0.6),
                (-0.6, 0.6),
                (least_index, 8.0),
            ]
        };
        let mut all = lens.to_vec();
        let mut satellites = satellites.iter();
        for kind in layout.lens.kinds() {
            all.extend(match kind {
                MassKind::Multipole(_) => vec![(-0.1 * r, 0.1 * r); 2],
                _ => {
                    let [sx, sy] = satellites.next().copied().unwrap_or([x, y]);
                    let near = (0.1 * r).max(3.0 * pixel);
                    vec![(0.0, 0.5 * r), (sx - near, sx + near), (sy - near, sy + near)]
                }
            });
        }
        for _ in 0..layout.sources {
            all.extend(component(1.5 * r, 2.0 * r, 0.3));
        }
        for _ in 0..layout.lights {
            all.extend(component(light, 6.0 * r, 0.5));
        }
        all.push((f64::NEG_INFINITY, f64::INFINITY));
        debug_assert_eq!(all.len(), layout.len());
        Self { lower: all.iter().map(|b| b.0).collect(), upper: all.iter().map(|b| b.1).collect() }
    }

    fn options(&self, problem: &SceneProblem, max_steps: usize, relative_tolerance: f64) -> Options {
        Options {
            lower: problem.free.iter().map(|&i| self.lower[i]).collect(),
            upper: problem.free.iter().map(|&i| self.upper[i]).collect(),
            linear: problem.linear(),
            max_steps,
            relative_tolerance,
            initial_damping: 1e-2,
        }
    }
}

/// What the joint fit is tried from: the best lens with every lens light, then the next lens that is another one with the best light.
fn pairs<'a>(candidates: &'a [Candidate], lights: &'a [LightGuess]) -> Vec<(&'a Candidate, &'a LightGuess)> {
    let Some(first) = candidates.first() else { return Vec::new() };
    let mut pairs: Vec<_> = lights.iter().map(|light| (first, light)).collect();
    // Many starts end in the same place; trying it again is wasted.
    let other = candidates.iter().find(|c| (c.parameters[0] / first.parameters[0] - 1.0).abs() > 0.03);
    pairs.extend(other.zip(lights.first()));
    pairs
}

/// Where light is: a faint wide component may lean to one side; the one that is brightest within a pixel marks the centre.
fn peak(components: &[Sersic], pixel: f64) -> Option<[f64; 2]> {
    let brightness = |s: &Sersic| s.prepare().brightness_and_steepness(pixel).0;
    let brightest = components.iter().max_by(|a, b| brightness(a).total_cmp(&brightness(b)));
    brightest.map(|s| [s.x_arcsec, s.y_arcsec])
}

/// Signal to noise of lens light that needs no further proof.
const CLEAR_SIGNAL: f64 = 100.0;
/// Improvement of chi-squared below which no lensed source, or no lens light, counts as found.
const LEAST_IMPROVEMENT: f64 = 50.0;

/// Starts of the search without lens light.
const DARK_STARTS: usize = 4;
/// Rough joint fits that are carried to the end.
const CARRIED: usize = 3;

/// A joint fit after its rough part.
struct Trial {
    parameters: Vec<f64>,
    layout: Layout,
    geometry: Geometry,
    sum_of_squares: f64,
    steps: usize,
    index: usize,
    /// Whether the lens was searched for as if it were dark.
    dark: bool,
    /// The lens light is a set of Gaussians: of it only the amplitudes move.
    gaussians: bool,
}

/// A finished joint fit.
struct Joint {
    parameters: Vec<f64>,
    layout: Layout,
    geometry: Geometry,
    free: Vec<usize>,
    fit: Fit,
    gaussians: bool,
}

/// Fits mass, source and lens light to an observation, with no guess from the user. The same input and settings give the same result.
/// The callback runs at least once an evaluation (milliseconds) and ends the fit with `ControlFlow::Break`.
///
/// # Errors
/// Too few used pixels, a setting out of its range, nothing found, or [`LensError::Cancelled`].
pub fn fit_parametric(
    observation: &Observation,
    settings: &FitSettings,
    callback: &mut Callback,
) -> Result<ParametricFit, LensError> {
    check(observation, settings)?;
    let geometry =
        Geometry::of(observation, settings.lens_light_components > 0).guided(observation, settings.lens_centre);
    let sky = sky_of(observation, settings, geometry.centre);
    let mut run = Run { settings, callback, calls: Calls::default(), sky };
    let lights_found = light::guesses(observation, &geometry, &mut run)?;
    let light = lights_found.first().ok_or(LensError::NothingFound)?;
    // From here on the lens is where its light is.
    let lights = Layout { lights: settings.lens_light_components, ..Layout::default() };
    let components = Scene::from_parameters(lights, &light.parameters).lens_light;
    let centre = peak(&components, observation.pixel_scale_arcsec).unwrap_or(geometry.centre);
    let geometry = Geometry { centre, ..geometry };
    let count = run.settings.starts;
    let (candidates, mut starts) = search::search(observation, &geometry, &light.values, count, &mut run)?;
    let layout = Layout { sources: 1, ..lights };
    let mut trials = Vec::new();
    for (candidate, light) in pairs(&candidates, &lights_found) {
        let mut parameters = candidate.parameters[..layout.light(0)].to_vec();
        parameters.extend_from_slice(&light.parameters[lights.light(0)..]);
        trials.push(rough_fit(observation, geometry, layout, &parameters, trials.len(), &mut run)?);
    }
    if lights.lights > 0 {
        let dark_starts = dark_trials(observation, layout, &mut trials, &mut run)?;
        if trials.iter().min_by(|a, b| a.sum_of_squares.total_cmp(&b.sum_of_squares)).is_some_and(|t| t.dark) {
            starts = dark_starts;
        }
    }
    trials.sort_by(|a, b| a.sum_of_squares.total_cmp(&b.sum_of_squares));
    let next = trials.len();
    let mut best: Option<Joint> = None;
    for trial in trials.into_iter().take(CARRIED) {
        let joint = joint_fit(observation, trial, &mut run)?;
        if best.as_ref().is_none_or(|b| joint.fit.sum_of_squares < b.fit.sum_of_squares) {
            best = Some(joint);
        }
    }
    let mut best = best.ok_or(LensError::NothingFound)?;
    for extra in 1..settings.source_components {
        let geometry = best.geometry;
        let (layout, parameters) = search::another_source(observation, &geometry, &best, &mut run)?;
        let trial = rough_fit(observation, geometry, layout, &parameters, next + extra, &mut run)?;
        let joint = joint_fit(observation, trial, &mut run)?;
        if joint.fit.sum_of_squares < best.fit.sum_of_squares {
            best = joint;
        }
    }
    let dark = is_dark(observation, &best, &mut run)?;
    // Before light of another kind comes in: what that describes better is no proof of a lensed source.
    let mut null = best_null(observation, &geometry, &light.parameters, &best, &mut run)?;
    if null.cost - best.fit.sum_of_squares < LEAST_IMPROVEMENT {
        return Err(LensError::NothingFound);
    }
    let mut notes = Vec::new();
    // Steps beyond what every fit has, each from the end of the last.
    let steps: [(&str, refinements::Step); 2] =
        [("slope, multipoles and satellites", refinements::mass), ("a lens light of Gaussians", refinements::light)];
    for (name, step) in steps {
        let next = next + settings.source_components;
        if let Some(trial) = step(observation, &best, next, &mut run)? {
            let joint = joint_fit(observation, trial, &mut run)?;
            if joint.fit.sum_of_squares < best.fit.sum_of_squares {
                best = joint;
            } else {
                notes.push(format!("{name} described the image no better and were left out: the simpler model stands"));
            }
        }
    }
    if best.gaussians {
        // The better of the two: the Gaussians keep their shapes, the Sersic profiles could bend theirs.
        let gaussians = refinements::null(observation, &best, &mut run)?;
        null = if gaussians.cost < null.cost { gaussians } else { null };
    }
    result::finish(observation, &best, dark, null.chi2, (starts, notes), &run)
}

/// How the sky enters a fit around `centre` (arcsec).
fn sky_of(observation: &Observation, settings: &FitSettings, centre: [f64; 2]) -> Sky {
    if !settings.fit_sky {
        return Sky::Held;
    }
    // In a small mask a wide galaxy and the sky look alike; the far sky, where there is any, tells them apart.
    // It is trusted to one sigma of a pixel, not to that of its mean: sky is rarely flat.
    Sky::Fitted(result::far_sky(observation, centre).map(|sky| (sky.median, sky.pixel_sigma)))
}

fn check(observation: &Observation, settings: &FitSettings) -> Result<(), LensError> {
    for (name, value, [least, most]) in [
        ("starts", settings.starts, FitSettings::STARTS),
        ("lens_light_components", settings.lens_light_components, FitSettings::LENS_LIGHT_COMPONENTS),
        ("source_components", settings.source_components, FitSettings::SOURCE_COMPONENTS),
        ("supersampling", settings.supersampling, FitSettings::SUPERSAMPLING),
        ("max_steps", settings.max_steps, FitSettings::MAX_STEPS),
    ] {
        if !(least..=most).contains(&value) {
            let problem = format!("expected {least} to {most}").into();
            return Err(LensError::Value { name, value: value as f64, problem });
        }
    }
    if settings.satellites.len() > FitSettings::SATELLITES {
        let problem = format!("expected at most {} satellites", FitSettings::SATELLITES).into();
        return Err(LensError::Value { name: "satellites", value: settings.satellites.len() as f64, problem });
    }
    if let Some(value) = settings.satellites.iter().flatten().find(|v| !v.is_finite()) {
        return Err(LensError::Value {
            name: "satellites",
            value: *value,
            problem: "expected finite positions".into(),
        });
    }
    let layout =
        Layout { sources: settings.source_components, lights: settings.lens_light_components, ..Layout::default() };
    let (used, parameters) = (observation.used_pixels(), layout.len() + refinements::parameters(settings));
    if used < 2 * parameters {
        return Err(LensError::TooFewPixels { used, parameters });
    }
    Ok(())
}

/// Rough joint fits from a search on the whole image, as if the lens were dark; its light is looked for where its mass is found.
fn dark_trials(
    observation: &Observation,
    layout: Layout,
    trials: &mut Vec<Trial>,
    run: &mut Run,
) -> Result<Vec<StartSummary>, LensError> {
    let geometry = Geometry::of(observation, false).guided(observation, run.settings.lens_centre);
    let empty = light::none(observation, &geometry, run)?;
    let count = run.settings.starts.min(DARK_STARTS);
    let (candidates, starts) = search::search(observation, &geometry, &empty.values, count, run)?;
    let dark = Layout { lights: 0, ..layout };
    for (candidate, _) in pairs(&candidates, std::slice::from_ref(&empty)) {
        let mass = rough_fit(observation, geometry, dark, &candidate.parameters, trials.len(), run)?;
        let geometry = Geometry { centre: [mass.parameters[3], mass.parameters[4]], ..geometry };
        let mut parameters = mass.parameters[..layout.light(0)].to_vec();
        for component in light::first(layout.lights, &geometry) {
            parameters.extend(component.parameters());
        }
        parameters.push(mass.parameters[dark.sky()]);
        let trial = rough_fit(observation, geometry, layout, &parameters, trials.len(), run)?;
        trials.push(Trial { dark: true, ..trial });
    }
    Ok(starts)
}

/// One part of a joint fit, with the sampling that its start needs: best parameters, which of them moved, and the fit.
fn part_of_joint_fit(
    observation: &Observation,
    model: &mut ForwardModel,
    geometry: &Geometry,
    parameters: &[f64],
    (max_steps, tolerance): (usize, f64),
    (index, steps): (usize, usize),
    gaussians: bool,
    run: &mut Run,
) -> Result<(Vec<f64>, Vec<usize>, Fit), LensError> {
    model.adapt(parameters);
    let layout = model.layout();
    let bounds = Bounds::new(geometry, layout, observation.pixel_scale_arcsec, &run.settings.satellites);
    let moves = |i: usize| !(gaussians && i >= layout.light(0));
    let mut problem = SceneProblem::new(model, &mut run.calls, parameters, moves, run.sky);
    let options = bounds.options(&problem, max_steps, tolerance);
    let from = problem.start();
    let callback = &mut *run.callback;
    let fit = fit(&mut problem, &from, &options, |step, problem| {
        report(callback, Phase::Joint, index, steps + step.index, step.sum_of_squares, problem)
    });
    if fit.stop == Stop::Cancelled {
        return Err(LensError::Cancelled);
    }
    Ok((problem.best_parameters().to_vec(), problem.free.clone(), fit))
}

fn joint_model(observation: &Observation, layout: Layout, run: &Run) -> Result<ForwardModel, LensError> {
    ForwardModel::new(observation, layout, Sampling { per_pixel_side: run.settings.supersampling, adaptive: true })
}

/// Fits everything roughly.
fn rough_fit(
    observation: &Observation,
    geometry: Geometry,
    layout: Layout,
    start: &[f64],
    index: usize,
    run: &mut Run,
) -> Result<Trial, LensError> {
    let mut model = joint_model(observation, layout, run)?;
    let (parameters, _, fit) =
        part_of_joint_fit(observation, &mut model, &geometry, start, (20, 1e-4), (index, 0), false, run)?;
    let (sum_of_squares, steps) = (fit.sum_of_squares, fit.steps);
    Ok(Trial { parameters, layout, geometry, sum_of_squares, steps, index, dark: false, gaussians: false })
}

/// Fits everything to convergence, choosing the sampling anew as the model settles.
fn joint_fit(observation: &Observation, trial: Trial, run: &mut Run) -> Result<Joint, LensError> {
    let Trial { parameters, layout, geometry, steps, index, gaussians, .. } = trial;
    let mut model = joint_model(observation, layout, run)?;
    let most = run.settings.max_steps;
    let (parameters, _, first) = part_of_joint_fit(
        observation,
        &mut model,
        &geometry,
        &parameters,
        (most, 1e-6),
        (index, steps),
        gaussians,
        run,
    )?;
    let steps = steps + first.steps;
    let (parameters, free, fit) = part_of_joint_fit(
        observation,
        &mut model,
        &geometry,
        &parameters,
        (most, 1e-7),
        (index, steps),
        gaussians,
        run,
    )?;
    Ok(Joint { parameters, layout, geometry, free, fit, gaussians })
}

/// Whether the image is described as well without lens light, as far as chi-squared can tell.
fn is_dark(observation: &Observation, best: &Joint, run: &mut Run) -> Result<bool, LensError> {
    if best.layout.lights == 0 {
        return Ok(false);
    }
    let mut alone = best.parameters[..best.layout.lens_len()].to_vec();
    alone.extend_from_slice(&best.parameters[best.layout.light(0)..]);
    if let Some(sky) = alone.last_mut() {
        *sky = 0.0;
    }
    let mut model = joint_model(observation, Layout { sources: 0, ..best.layout }, run)?;
    let mut values = vec![0.0; model.pixels()];
    model.model(&alone, &mut values);
    if values.iter().map(|v| v * v).sum::<f64>().sqrt() > CLEAR_SIGNAL {
        return Ok(false);
    }
    let mut parameters = best.parameters[..best.layout.light(0)].to_vec();
    parameters.push(best.parameters[best.layout.sky()]);
    let layout = Layout { lights: 0, ..best.layout };
    let without = rough_fit(observation, best.geometry, layout, &parameters, 0, run)?;
    Ok(without.sum_of_squares - best.fit.sum_of_squares < LEAST_IMPROVEMENT)
}

/// The best lens light without any source: the better of fits from the first guess and from the joint fit.
fn best_null(
    observation: &Observation,
    geometry: &Geometry,
    guess: &[f64],
    best: &Joint,
    run: &mut Run,
) -> Result<Null, LensError> {
    let mut from_joint = best.parameters[..GALAXY_PARAMETERS].to_vec();
    from_joint.extend_from_slice(&best.parameters[best.layout.light(0)..]);
    let a = light::null(observation, geometry, guess, run)?;
    let b = light::null(observation, &best.geometry, &from_joint, run)?;
    Ok(if b.cost < a.cost { b } else { a })
}
