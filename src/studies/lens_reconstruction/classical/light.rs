//! First guess of the lens light, with lensed arcs weighted down.

use super::Run;
use super::geometry::{Bounds, Geometry};
use super::problem::SceneProblem;
use super::steps::{Phase, report};
use crate::numerics::levenberg_marquardt::{Stop, fit};
use crate::numerics::statistics::median;
use crate::studies::lens_models::Sersic;
use crate::studies::lens_reconstruction::imaging::{ForwardModel, Sampling};
use crate::studies::lens_reconstruction::scene::{Layout, Scene};
use crate::studies::lens_reconstruction::{LensError, Observation};

/// Rounds of re-weighting.
const ROUNDS: usize = 8;
/// Trial steps in each round.
const STEPS: usize = 10;
/// Residuals, in robust sigma, above which a pixel starts to lose weight, and the width over which it does.
const KNEE: f64 = 1.0;
const WIDTH: f64 = 1.5;
/// Pixels this near to the centre (in pixels) belong to the lens.
const CORE_PX: f64 = 2.5;

/// Lens light alone in the used pixels.
pub(super) struct LightGuess {
    /// Parameters in the layout without sources.
    pub(super) parameters: Vec<f64>,
    /// Model of the used pixels over their noise.
    pub(super) values: Vec<f64>,
    /// How well it explains what it should: less is better.
    cost: f64,
}

/// Nested components to start from: effective radius in units of the reach of the used pixels, and index.
/// Fits of several components have several minima, so more than one set is tried.
const FIRST: [[(f64, f64); 3]; 3] = [
    [(0.35, 2.5), (0.08, 1.0), (0.9, 1.0)],
    [(0.9, 1.0), (0.15, 2.0), (0.04, 1.0)],
    [(0.6, 4.0), (0.3, 1.0), (0.06, 1.0)],
];

fn first_components(set: &[(f64, f64)], geometry: &Geometry) -> Vec<Sersic> {
    let [x_arcsec, y_arcsec] = geometry.centre;
    set.iter()
        .map(|&(size, index)| Sersic {
            effective_radius_arcsec: size * geometry.radius,
            index,
            axis_ratio: 0.9,
            x_arcsec,
            y_arcsec,
            ..Sersic::default()
        })
        .collect()
}

/// Components that a lens light of unknown shape is begun from.
pub(super) fn first(count: usize, geometry: &Geometry) -> Vec<Sersic> {
    first_components(&FIRST[0][..count], geometry)
}

/// No lens light, only sky.
pub(super) fn none(observation: &Observation, geometry: &Geometry, run: &mut Run) -> Result<LightGuess, LensError> {
    guess(observation, geometry, &[], FIRST.len(), run)
}

/// First guesses of the lens light from several starts, the best first.
pub(super) fn guesses(
    observation: &Observation,
    geometry: &Geometry,
    run: &mut Run,
) -> Result<Vec<LightGuess>, LensError> {
    let count = run.settings.lens_light_components;
    let sets = if count == 0 { 1 } else { FIRST.len() };
    let mut all = Vec::new();
    for (index, set) in FIRST.iter().take(sets).enumerate() {
        all.push(guess(observation, geometry, &first_components(&set[..count], geometry), index, run)?);
    }
    all.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    Ok(all)
}

/// A guess from one start: for a preview.
pub(super) fn quick(observation: &Observation, geometry: &Geometry, run: &mut Run) -> Result<LightGuess, LensError> {
    guess(observation, geometry, &first(run.settings.lens_light_components, geometry), 0, run)
}

/// Fits the lens light with weights that fall for pixels brighter than the model: arcs are only ever brighter.
fn guess(
    observation: &Observation,
    geometry: &Geometry,
    first: &[Sersic],
    index: usize,
    run: &mut Run,
) -> Result<LightGuess, LensError> {
    let layout = Layout { lights: first.len(), ..Layout::default() };
    let scene = Scene { lens_light: first.to_vec(), ..Scene::default() };
    let mut parameters = scene.parameters();
    let sampling = Sampling { per_pixel_side: 1, adaptive: layout.lights > 0 };
    let mut model = ForwardModel::new(observation, layout, sampling)?;
    let (target, weight) = (model.target().to_vec(), model.weight().to_vec());
    let distance = geometry.distances(observation);
    let core = CORE_PX * observation.pixel_scale_arcsec;
    let mut values = vec![0.0; target.len()];
    let mut trust = first_trust(&distance, &target, core, observation.pixel_scale_arcsec);
    for round in 0..ROUNDS {
        model.adapt(&parameters);
        let scaled = |values: &[f64]| values.iter().zip(&trust).map(|(v, t)| v * t).collect::<Vec<_>>();
        model.set_target_and_weight(&scaled(&target), &scaled(&weight));
        let mut problem = SceneProblem::new(&mut model, &mut run.calls, &parameters, |_| true, run.sky);
        let bounds = Bounds::new(geometry, layout, observation.pixel_scale_arcsec, &[]);
        let options = bounds.options(&problem, STEPS, 1e-5);
        let start = problem.start();
        let callback = &mut *run.callback;
        let result = fit(&mut problem, &start, &options, |step, problem| {
            report(callback, Phase::LensLight, index, round * STEPS + step.index, step.sum_of_squares, problem)
        });
        if result.stop == Stop::Cancelled {
            return Err(LensError::Cancelled);
        }
        parameters = problem.best_parameters().to_vec();
        model.set_target_and_weight(&target, &weight);
        model.model(&parameters, &mut values);
        if layout.lights == 0 {
            break;
        }
        trust = trust_in(&target, &values, &distance, core);
    }
    let cost = target.iter().zip(&values).map(|(t, v)| robust_square(t - v)).sum();
    Ok(LightGuess { parameters, values, cost })
}

/// Squares of what is fainter than the model; what is brighter counts ever less.
fn robust_square(residual: f64) -> f64 {
    let square = residual * residual;
    if residual < 0.0 { square } else { square / (1.0 + square / 9.0) }
}

/// Square roots of weights from the ring around the centre that each pixel is in: what is brighter than the faint third is suspect.
fn first_trust(distance: &[f64], target: &[f64], core: f64, width: f64) -> Vec<f64> {
    let ring = |d: f64| (d / (1.5 * width)) as usize;
    let count = distance.iter().map(|d| ring(*d) + 1).max().unwrap_or(0);
    let mut members = vec![Vec::new(); count];
    for (d, t) in distance.iter().zip(target) {
        members[ring(*d)].push(*t);
    }
    let faint: Vec<f64> = members
        .iter_mut()
        .map(|m| {
            m.sort_by(f64::total_cmp);
            m.get(m.len() / 3).copied().unwrap_or(0.0)
        })
        .collect();
    distance
        .iter()
        .zip(target)
        .map(|(d, t)| {
            let excess = t - faint[ring(*d)];
            // An elliptical galaxy varies around the ring too: grant it a fifth of its brightness.
            weigh(excess, 1.0 + 0.2 * faint[ring(*d)].abs(), *d < core)
        })
        .collect()
}

/// Square roots of weights from residuals; the scale is that of the negative ones, which arcs do not touch.
fn trust_in(target: &[f64], values: &[f64], distance: &[f64], core: f64) -> Vec<f64> {
    let mut below: Vec<f64> = target.iter().zip(values).map(|(t, v)| v - t).filter(|r| *r > 0.0).collect();
    let scale = (median(&mut below).unwrap_or(1.0) / 0.6745).max(1.0);
    target.iter().zip(values).zip(distance).map(|((t, v), d)| weigh(t - v, scale, *d < core)).collect()
}

fn weigh(excess: f64, scale: f64, in_core: bool) -> f64 {
    let above = (excess / scale - KNEE).max(0.0) / WIDTH;
    if in_core { 1.0 } else { 1.0 / (1.0 + above * above).sqrt() / (1.0 + 0.2 * above) }
}

/// Lens light without any lensed source: what the fit is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Null {
    /// What was minimised: chi-squared, and the price of a sky unlike that of the rest of the image.
    pub(super) cost: f64,
    /// Chi-squared in the used pixels alone.
    pub(super) chi2: f64,
}

/// Lens light fitted without lensed source and without weights.
pub(super) fn null(
    observation: &Observation,
    geometry: &Geometry,
    start: &[f64],
    run: &mut Run,
) -> Result<Null, LensError> {
    let layout = Layout { lights: run.settings.lens_light_components, ..Layout::default() };
    let sampling = Sampling { per_pixel_side: run.settings.supersampling, adaptive: true };
    let mut model = ForwardModel::new(observation, layout, sampling)?;
    model.adapt(start);
    let mut problem = SceneProblem::new(&mut model, &mut run.calls, start, |_| true, run.sky);
    let bounds = Bounds::new(geometry, layout, observation.pixel_scale_arcsec, &[]);
    let options = bounds.options(&problem, run.settings.max_steps.min(60), 1e-5);
    let start = problem.start();
    let callback = &mut *run.callback;
    let result = fit(&mut problem, &start, &options, |step, problem| {
        report(callback, Phase::Null, 0, step.index, step.sum_of_squares, problem)
    });
    if result.stop == Stop::Cancelled {
        return Err(LensError::Cancelled);
    }
    let cost = result.sum_of_squares;
    Ok(Null { cost, chi2: cost - problem.sky_penalty(problem.best_parameters()[layout.sky()]) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_reconstruction::classical::FitSettings;
    use crate::studies::lens_reconstruction::simulate::{SimulationSpec, simulate};
    use std::ops::ControlFlow;

    /// A bright ring of arcs on a galaxy must not lift the galaxy.
    #[test]
    fn arcs_do_not_lift_the_lens_light() {
        let mut spec = SimulationSpec::default();
        spec.scene.lens_light =
            vec![Sersic { amplitude: 1.0, effective_radius_arcsec: 0.6, index: 2.0, ..Sersic::default() }];
        let simulation = simulate(&spec).unwrap();
        let observation = simulation.observation.with_annulus([0.0, 0.0], 0.0, 2.4);
        let geometry = Geometry::of(&observation, true);
        let settings = FitSettings { lens_light_components: 1, ..FitSettings::default() };
        let mut callback = |_: &crate::studies::lens_reconstruction::classical::FitStep| ControlFlow::Continue(());
        let mut run = Run {
            settings: &settings,
            callback: &mut callback,
            calls: Default::default(),
            sky: super::super::problem::Sky::Fitted(None),
        };
        let guess = guesses(&observation, &geometry, &mut run).unwrap().remove(0);
        let truth: f64 =
            simulation.lens_light.indexed_iter().filter(|(p, _)| observation.mask[*p]).map(|(_, v)| v).sum();
        let model = ForwardModel::new(
            &observation,
            Layout { lights: 1, ..Layout::default() },
            Sampling { per_pixel_side: 1, adaptive: false },
        )
        .unwrap();
        let found: f64 = guess.values.iter().zip(model.weight()).map(|(v, w)| v / w).sum();
        let arcs: f64 =
            simulation.lensed_source.indexed_iter().filter(|(p, _)| observation.mask[*p]).map(|(_, v)| v).sum();
        assert!((found - truth).abs() < 0.15 * arcs, "found {found}, truth {truth}, arcs {arcs}");
    }
}
