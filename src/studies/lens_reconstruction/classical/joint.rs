//! Everything fitted together: roughly, and to the end.

use super::Run;
use super::geometry::{Bounds, Geometry};
use super::problem::SceneProblem;
use super::steps::{Phase, report};
use crate::numerics::levenberg_marquardt::{Fit, Stop, fit};
use crate::studies::lens_reconstruction::imaging::{ForwardModel, Sampling};
use crate::studies::lens_reconstruction::scene::Layout;
use crate::studies::lens_reconstruction::{LensError, Observation};

/// A joint fit after its rough part.
pub(super) struct Trial {
    pub(super) parameters: Vec<f64>,
    pub(super) layout: Layout,
    pub(super) geometry: Geometry,
    pub(super) sum_of_squares: f64,
    pub(super) steps: usize,
    pub(super) index: usize,
    /// Whether the lens was searched for as if it were dark.
    pub(super) dark: bool,
    /// The lens light is a set of Gaussians: of it only the amplitudes move.
    pub(super) gaussians: bool,
}

/// A finished joint fit.
pub(super) struct Joint {
    pub(super) parameters: Vec<f64>,
    pub(super) layout: Layout,
    pub(super) geometry: Geometry,
    pub(super) free: Vec<usize>,
    pub(super) fit: Fit,
    pub(super) gaussians: bool,
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

pub(super) fn joint_model(observation: &Observation, layout: Layout, run: &Run) -> Result<ForwardModel, LensError> {
    ForwardModel::new(observation, layout, Sampling { per_pixel_side: run.settings.supersampling, adaptive: true })
}

/// Fits everything roughly.
pub(super) fn rough_fit(
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
pub(super) fn joint_fit(observation: &Observation, trial: Trial, run: &mut Run) -> Result<Joint, LensError> {
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
