//! Finding the lens with no guess from the user: a scan over Einstein radii, then fits from the most promising starts.

use super::geometry::{Bounds, Geometry};
use super::joint::Joint;
use super::problem::{SceneProblem, Sky};
use super::steps::{Phase, report};
use super::{FitSettings, Run, StartSummary};
use crate::numerics::levenberg_marquardt::{LeastSquares, Stop, fit};
use crate::numerics::random;
use crate::studies::lens_models::{
    Deflector, GALAXY_PARAMETERS, ISOTHERMAL_SLOPE, PreparedLens, SERSIC_PARAMETERS, Sersic,
};
use crate::studies::lens_reconstruction::imaging::{ForwardModel, Sampling};
use crate::studies::lens_reconstruction::positions::trace;
use crate::studies::lens_reconstruction::scene::{Layout, Scene};
use crate::studies::lens_reconstruction::{LensError, Observation};

/// Einstein radii of the scan.
pub(super) const RADII: usize = 20;
/// Ellipticities of the scan: none, and this much in four directions.
const TILT: f64 = 0.12;
/// Trial steps of each start.
const STEPS: usize = 40;
/// Error of the first lens-light model, as a fraction of its brightness.
const LIGHT_ERROR: f64 = 0.05;
/// Error of a Sersic source, as a fraction of the arcs' brightness: at first no source has the right shape, and the brightest few
/// pixels of a steep one would outvote all others.
const ARC_ERROR: f64 = 0.1;
/// Arc pixels that are traced to the source plane for a first source position.
const TRACED: usize = 400;
/// Pixels that are traced back for places of another source component.
const PLACES: usize = 40;

/// A lens and a source that explain the arcs, in the layout of one source without lens light.
pub(super) struct Candidate {
    pub(super) parameters: Vec<f64>,
    pub(super) sum_of_squares: f64,
}

/// Pixels with arcs: position (arcsec) and significance.
struct Arcs {
    pixels: Vec<([f64; 2], f64)>,
}

/// Searches the image left after the lens light (`light`, over the noise, in the used pixels), from `count` starts. Best candidates first.
pub(super) fn search(
    observation: &Observation,
    geometry: &Geometry,
    light: &[f64],
    count: usize,
    run: &mut Run,
) -> Result<(Vec<Candidate>, Vec<StartSummary>), LensError> {
    let layout = Layout { sources: 1, ..Layout::default() };
    let mut model = ForwardModel::new(observation, layout, Sampling { per_pixel_side: 1, adaptive: false })?;
    let (target, weight): (Vec<f64>, Vec<f64>) = model
        .target()
        .iter()
        .zip(model.weight())
        .zip(light)
        .map(|((t, w), l)| {
            // The lens light is known to a few per cent at best: where it is bright, residuals count less.
            let doubt = 1.0 / (1.0 + (LIGHT_ERROR * l).powi(2) + (ARC_ERROR * (t - l).max(0.0)).powi(2)).sqrt();
            ((t - l) * doubt, w * doubt)
        })
        .unzip();
    model.set_target_and_weight(&target, &weight);
    let arcs = Arcs::find(observation, geometry, &target);
    let mut starts = scan(&mut model, observation, geometry, &arcs, run)?;
    starts.sort_by(|a, b| a.sum_of_squares.total_cmp(&b.sum_of_squares));
    keep_guided(&mut starts, layout, run.settings);
    starts.truncate(count.max(1));
    let bounds = Bounds::new(geometry, layout, observation.pixel_scale_arcsec, &[]);
    let mut candidates = Vec::new();
    let mut summaries = Vec::new();
    for (index, start) in starts.iter().enumerate() {
        // The lens centre stays with its light (or the middle of the mask) until everything is fitted together.
        let free = |i: usize| i != 3 && i != 4;
        let mut problem = SceneProblem::new(&mut model, &mut run.calls, &start.parameters, free, Sky::Held);
        let options = bounds.options(&problem, STEPS, 1e-4);
        let from = problem.start();
        let callback = &mut *run.callback;
        let result = fit(&mut problem, &from, &options, |step, problem| {
            report(callback, Phase::Starts, index, step.index, step.sum_of_squares, problem)
        });
        if result.stop == Stop::Cancelled {
            return Err(LensError::Cancelled);
        }
        let parameters = problem.best_parameters().to_vec();
        summaries.push(StartSummary {
            first_einstein_radius_arcsec: start.parameters[0],
            einstein_radius_arcsec: parameters[0],
            chi2: result.sum_of_squares,
        });
        candidates.push(Candidate { parameters, sum_of_squares: result.sum_of_squares });
    }
    candidates.sort_by(|a, b| a.sum_of_squares.total_cmp(&b.sum_of_squares));
    keep_guided(&mut candidates, layout, run.settings);
    Ok((candidates, summaries))
}

/// Drops what traces the user's image positions too far apart; if that is everything, the positions are of no use and nothing is dropped.
fn keep_guided(candidates: &mut Vec<Candidate>, layout: Layout, settings: &FitSettings) {
    let explains = |c: &Candidate| {
        let lens = PreparedLens::new(layout.lens, &c.parameters);
        trace(&lens, &settings.positions).is_none_or(|t| t.widest <= settings.positions_threshold_arcsec)
    };
    if candidates.iter().any(explains) {
        candidates.retain(explains);
    }
}

impl Arcs {
    fn find(observation: &Observation, geometry: &Geometry, target: &[f64]) -> Self {
        let frame = observation.frame();
        let places = observation.mask.indexed_iter().filter(|(_, m)| **m).map(|(place, _)| place);
        let mut pixels: Vec<([f64; 2], f64)> = places
            .zip(target)
            .map(|((row, column), t)| ([frame.x(column as f64), frame.y(row as f64)], *t))
            .filter(|([x, y], _)| {
                (x - geometry.centre[0]).hypot(y - geometry.centre[1]) > 3.0 * observation.pixel_scale_arcsec
            })
            .collect();
        pixels.sort_by(|a, b| b.1.total_cmp(&a.1));
        let significant = pixels.iter().filter(|p| p.1 > 3.0).count();
        pixels.truncate(significant.clamp(10, TRACED));
        Self { pixels }
    }

    /// Where the arcs come from under a lens: weighted medians, and the weighted median distance from them.
    fn source(&self, lens: &PreparedLens) -> ([f64; 2], f64) {
        let traced: Vec<([f64; 2], f64)> =
            self.pixels.iter().map(|(p, s)| (lens.source_from_image(p[0], p[1]), s.max(0.1))).collect();
        let median = |value: &dyn Fn(&[f64; 2]) -> f64| {
            let mut values: Vec<(f64, f64)> = traced.iter().map(|(p, s)| (value(p), *s)).collect();
            values.sort_by(|a, b| a.0.total_cmp(&b.0));
            let half = 0.5 * values.iter().map(|v| v.1).sum::<f64>();
            let mut sum = 0.0;
            values
                .iter()
                .find(|v| {
                    sum += v.1;
                    sum >= half
                })
                .map_or(0.0, |v| v.0)
        };
        let centre = [median(&|p| p[0]), median(&|p| p[1])];
        let spread = median(&|p| (p[0] - centre[0]).hypot(p[1] - centre[1]));
        (centre, spread)
    }
}

/// The best fit with one more source component, at the best of several places and sizes: places traced back from where the image
/// is brighter than the model, and the place of the first component.
pub(super) fn another_source(
    observation: &Observation,
    geometry: &Geometry,
    best: &Joint,
    run: &mut Run,
) -> Result<(Layout, Vec<f64>), LensError> {
    let layout = Layout { sources: best.layout.sources + 1, ..best.layout };
    let sampling = Sampling { per_pixel_side: 1, adaptive: false };
    let mut old = ForwardModel::new(observation, best.layout, sampling)?;
    old.adapt(&best.parameters);
    let mut values = vec![0.0; old.pixels()];
    old.model(&best.parameters, &mut values);
    let residual: Vec<f64> = old.target().iter().zip(&values).map(|(t, v)| t - v).collect();
    let mut arcs = Arcs::find(observation, geometry, &residual);
    arcs.pixels.truncate(PLACES);
    let lens = PreparedLens::new(best.layout.lens, &best.parameters);
    let at = best.layout.component(0);
    let first = &best.parameters[at..at + SERSIC_PARAMETERS];
    let mut places: Vec<[f64; 2]> = arcs.pixels.iter().map(|(p, _)| lens.source_from_image(p[0], p[1])).collect();
    places.push([first[1], first[2]]);
    let mut model = ForwardModel::new(observation, layout, sampling)?;
    let mut winner: Option<Candidate> = None;
    for (k, [x, y]) in places.into_iter().enumerate() {
        for size in [0.3, 0.8, 2.0] {
            let mut parameters = best.parameters.clone();
            let radius = (size * first[3]).clamp(0.5 * observation.pixel_scale_arcsec, geometry.radius);
            let place = best.layout.light(0);
            parameters.splice(place..place, [0.0, x, y, radius, 0.02, 0.02, 1.0]);
            let mut problem = SceneProblem::new(&mut model, &mut run.calls, &parameters, |_| false, run.sky);
            let mut start = problem.start();
            let sum_of_squares = problem.sum_of_squares(&mut start);
            if report(&mut *run.callback, Phase::Scan, k, 0, sum_of_squares, &problem).is_break() {
                return Err(LensError::Cancelled);
            }
            if winner.as_ref().is_none_or(|w| sum_of_squares < w.sum_of_squares) {
                winner = Some(Candidate { parameters: problem.best_parameters().to_vec(), sum_of_squares });
            }
        }
    }
    winner.map(|w| (layout, w.parameters)).ok_or(LensError::NothingFound)
}

/// The best start for each Einstein radius.
fn scan(
    model: &mut ForwardModel,
    observation: &Observation,
    geometry: &Geometry,
    arcs: &Arcs,
    run: &mut Run,
) -> Result<Vec<Candidate>, LensError> {
    let mut rng = random::stream(run.settings.seed, "lens_reconstruction.scan", 0);
    let pixel = observation.pixel_scale_arcsec;
    let (least, greatest) = ((2.5 * pixel).max(0.12 * geometry.radius), 0.95 * geometry.radius);
    let layout = Layout::default();
    let mut best = Vec::new();
    for k in 0..RADII {
        let even = least * (greatest / least).powf((k as f64 + 0.5) / RADII as f64);
        let mut winner: Option<Candidate> = None;
        for direction in 0..5 {
            // Starts off the grid differ from seed to seed: chance agreement with the truth is not relied on.
            let radius = even * (1.0 + 0.04 * (random::uniform(&mut rng) - 0.5));
            let angle = std::f64::consts::PI * (f64::from(direction) * 0.5 + 0.5 * random::uniform(&mut rng));
            let length = if direction == 0 { 0.02 } else { TILT };
            let [x, y] = geometry.centre;
            let lens = [radius, length * angle.cos(), length * angle.sin(), x, y, 0.0, 0.0, ISOTHERMAL_SLOPE];
            let ([sx, sy], spread) = arcs.source(&PreparedLens::new(layout.lens, &lens));
            for size in [0.5, 1.2] {
                let source = Sersic {
                    x_arcsec: sx,
                    y_arcsec: sy,
                    effective_radius_arcsec: (size * spread).clamp(0.5 * pixel, 0.5 * geometry.radius),
                    axis_ratio: 0.95,
                    ..Sersic::default()
                };
                let scene = Scene { sources: vec![source], ..Scene::default() };
                let mut parameters = scene.parameters();
                parameters[..GALAXY_PARAMETERS].copy_from_slice(&lens);
                let mut problem = SceneProblem::new(model, &mut run.calls, &parameters, |_| false, Sky::Held);
                let mut x = problem.start();
                let sum_of_squares = problem.sum_of_squares(&mut x);
                if report(&mut *run.callback, Phase::Scan, k, direction as usize, sum_of_squares, &problem).is_break() {
                    return Err(LensError::Cancelled);
                }
                if winner.as_ref().is_none_or(|w| sum_of_squares < w.sum_of_squares) {
                    winner = Some(Candidate { parameters: problem.best_parameters().to_vec(), sum_of_squares });
                }
            }
        }
        best.extend(winner);
    }
    debug_assert!(best.iter().all(|c| c.parameters[0] > 0.0));
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::images_of_point;
    use crate::studies::lens_reconstruction::classical::fit_parametric;
    use crate::studies::lens_reconstruction::simulate::{SimulationSpec, simulate};
    use std::ops::ControlFlow;

    #[test]
    fn marked_images_drop_the_starts_that_do_not_explain_them() {
        let spec = SimulationSpec::default();
        let observation = simulate(&spec).unwrap().observation.with_annulus([0.0, 0.0], 0.0, 2.4);
        let source = &spec.scene.sources[0];
        let images = images_of_point(&spec.scene.lens.as_isothermal().unwrap(), [source.x_arcsec, source.y_arcsec]);
        let positions: Vec<[f64; 2]> = images.iter().map(|i| [i.x_arcsec, i.y_arcsec]).collect();
        let run = |settings: &FitSettings| fit_parametric(&observation, settings, &mut |_| ControlFlow::Continue(()));
        let free = FitSettings { lens_light_components: 0, ..FitSettings::default() };
        let guided = FitSettings {
            positions: positions.clone(),
            lens_centre: Some([0.05, 0.05]),
            positions_threshold_arcsec: 0.2,
            ..free.clone()
        };
        let (free, found) = (run(&free).unwrap(), run(&guided).unwrap());
        assert!(found.starts.len() < free.starts.len(), "{} of {}", found.starts.len(), free.starts.len());
        let truth = spec.scene.lens.galaxy.einstein_radius_arcsec;
        let radius = found.scene.lens.galaxy.einstein_radius_arcsec;
        assert!((radius / truth - 1.0).abs() < 0.01, "{radius} {truth}");
        assert!(trace(&found.scene.lens.prepare(), &positions).unwrap().rms < 0.02);
        // Marks that no lens explains drop nothing: the fit finds what it finds without them.
        let nonsense = FitSettings { positions: vec![[1.0, 1.0], [1.0, 1.4], [-2.0, 0.0]], ..guided };
        let found = run(&nonsense).unwrap();
        assert_eq!(found.starts.len(), free.starts.len());
        assert!((found.scene.lens.galaxy.einstein_radius_arcsec / truth - 1.0).abs() < 0.01);
    }
}
