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

mod geometry;
mod joint;
mod light;
mod light_preview;
mod posterior;
mod problem;
mod refinements;
mod result;
mod satellites;
mod search;
mod settings;
mod steps;
mod warnings;

pub use light_preview::{LightModel, fit_lens_light};
pub use posterior::{CHAINS, Posterior, PosteriorSettings, Quantity, sample_posterior};
pub use problem::Calls;
pub(crate) use result::filled;
pub use result::{BlankSky, LensErrors, ParametricFit, StartSummary, blank_sky, lens_errors};
pub(super) use satellites::read_satellites;
pub use satellites::{Satellite, SatelliteProfile};
pub use settings::{FitSettings, LensLight};
pub use steps::{Callback, FitStep, Phase};

use super::scene::{Layout, Scene};
use super::{LensError, Observation};
use crate::studies::lens_models::{GALAXY_PARAMETERS, Sersic};
use geometry::Geometry;
use joint::{Joint, Trial, joint_fit, joint_model, rough_fit};
use light::{LightGuess, Null};
use problem::Sky;
use search::Candidate;

/// What the phases share.
struct Run<'a, 'b> {
    settings: &'a FitSettings,
    callback: &'a mut Callback<'b>,
    calls: Calls,
    sky: Sky,
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
    settings::check(observation, settings)?;
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
