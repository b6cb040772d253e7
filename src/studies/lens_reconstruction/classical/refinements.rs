//! Steps of the fit beyond an isothermal ellipsoid and Sersic profiles, taken from the end of the simpler one.

use super::Run;
use super::joint::{Joint, Trial, joint_model, rough_fit};
use super::light::Null;
use super::problem::SceneProblem;
use super::satellites::EXTENTS;
use super::settings::{FitSettings, LensLight};
use crate::numerics::levenberg_marquardt::LeastSquares;
use crate::studies::lens_models::{GALAXY_PARAMETERS, LensLayout, MassKind, SERSIC_PARAMETERS, Sersic};
use crate::studies::lens_reconstruction::scene::{AMPLITUDE, Layout, Scene};
use crate::studies::lens_reconstruction::{LensError, Observation};

/// Multipoles that can be added.
const ORDERS: [u8; 2] = [3, 4];
/// Gaussians of a multi-Gaussian expansion: neighbours differ by a factor of 1.4 to 1.6 in width, as is common.
const GAUSSIANS: usize = 14;
/// Effective radius of a Gaussian over its standard deviation: `sqrt(2 ln 2)`.
const HALF_LIGHT: f64 = 1.177_410_022_515_474_7;

/// A step: what to try from the end of the fit so far, or nothing if it was not asked for.
pub(super) type Step = fn(&Observation, &Joint, usize, &mut Run) -> Result<Option<Trial>, LensError>;

/// Parameters that the steps asked for add.
pub(super) fn parameters(settings: &FitSettings) -> usize {
    let multipoles = if settings.multipoles { 2 * ORDERS.len() } else { 0 };
    let gaussians = settings.lens_light == LensLight::Gaussians && settings.lens_light_components > 0;
    usize::from(settings.free_slope)
        + multipoles
        + settings.satellites.iter().map(|s| s.profile.moving()).sum::<usize>()
        + if gaussians { GAUSSIANS } else { 0 }
}

/// The Gaussians of a fit without its source: of the same shapes, their brightness and the sky anew.
pub(super) fn null(observation: &Observation, best: &Joint, run: &mut Run) -> Result<Null, LensError> {
    let layout = Layout { lights: best.layout.lights, ..Layout::default() };
    let mut start = best.parameters[..GALAXY_PARAMETERS].to_vec();
    start.extend_from_slice(&best.parameters[best.layout.light(0)..]);
    let mut model = joint_model(observation, layout, run)?;
    model.adapt(&start);
    let mut problem = SceneProblem::new(&mut model, &mut run.calls, &start, |_| false, run.sky);
    let mut amplitudes = problem.start();
    let cost = problem.sum_of_squares(&mut amplitudes);
    Ok(Null { cost, chi2: cost - problem.sky_penalty(problem.best_parameters()[layout.sky()]) })
}

/// The mass with its slope free, multipoles and satellites, as far as they were asked for.
pub(super) fn mass(
    observation: &Observation,
    best: &Joint,
    index: usize,
    run: &mut Run,
) -> Result<Option<Trial>, LensError> {
    let settings = run.settings;
    let multipoles: &[u8] = if settings.multipoles { &ORDERS } else { &[] };
    let kinds = multipoles
        .iter()
        .map(|order| MassKind::Multipole(*order))
        .chain(settings.satellites.iter().map(|s| s.profile.kind()));
    let mut lens = LensLayout::default().with_further(kinds);
    lens.free_slope = settings.free_slope;
    if lens == LensLayout::default() {
        return Ok(None);
    }
    let layout = Layout { lens, ..best.layout };
    let mut winner: Option<Trial> = None;
    let sized = settings.satellites.iter().any(|s| s.profile.has_size());
    for extent in if sized { &EXTENTS[..] } else { &EXTENTS[..1] } {
        let mut parameters = best.parameters[..GALAXY_PARAMETERS].to_vec();
        parameters.extend(multipoles.iter().flat_map(|_| [0.0, 0.0]));
        for satellite in &settings.satellites {
            parameters.extend(satellite.start(parameters[0], *extent));
        }
        parameters.extend_from_slice(&best.parameters[best.layout.lens_len()..]);
        let trial = rough_fit(observation, best.geometry, layout, &parameters, index, run)?;
        if winner.as_ref().is_none_or(|w| trial.sum_of_squares < w.sum_of_squares) {
            winner = Some(trial);
        }
    }
    Ok(winner)
}

/// The lens light as Gaussians. A Gaussian is a Sersic profile of index 1/2.
pub(super) fn light(
    observation: &Observation,
    best: &Joint,
    index: usize,
    run: &mut Run,
) -> Result<Option<Trial>, LensError> {
    if run.settings.lens_light != LensLight::Gaussians || best.layout.lights == 0 {
        return Ok(None);
    }
    let scene = Scene::from_parameters(best.layout, &best.parameters);
    let gaussians = expansion(&scene.lens_light, 0.5 * observation.pixel_scale_arcsec, 1.5 * best.geometry.radius);
    let layout = Layout { lights: gaussians.len(), ..best.layout };
    let mut parameters = best.parameters[..best.layout.light(0)].to_vec();
    for gaussian in &gaussians {
        parameters.extend(gaussian.parameters());
    }
    parameters.push(best.parameters[best.layout.sky()]);
    Ok(Some(Trial {
        parameters,
        layout,
        geometry: best.geometry,
        sum_of_squares: f64::INFINITY,
        steps: 0,
        index,
        dark: false,
        gaussians: true,
    }))
}

/// Gaussians of standard deviations between `least` and `greatest` (arcsec), evenly in their logarithm. Centre and ellipticity of each are the means
/// of those of `components`, weighed by how bright they are at its radius; amplitudes are left to the fit.
fn expansion(components: &[Sersic], least: f64, greatest: f64) -> Vec<Sersic> {
    let shining: Vec<&Sersic> = components.iter().filter(|c| c.amplitude > 0.0).collect();
    let prepared: Vec<_> = shining.iter().map(|c| c.prepare()).collect();
    (0..GAUSSIANS)
        .map(|k| {
            let sigma = least * (greatest / least).powf(k as f64 / (GAUSSIANS - 1) as f64);
            let weights: Vec<f64> = prepared.iter().map(|c| c.brightness_and_steepness(sigma).0).collect();
            let total: f64 = weights.iter().sum();
            let mut p = [0.0; SERSIC_PARAMETERS];
            for (component, weight) in shining.iter().zip(&weights) {
                // Faint beyond the smallest number: any of them will do.
                let share = if total > 0.0 { weight / total } else { 1.0 / shining.len() as f64 };
                for (sum, value) in p.iter_mut().zip(component.parameters()) {
                    *sum += share * value;
                }
            }
            p[AMPLITUDE] = 1.0;
            p[3] = HALF_LIGHT * sigma;
            p[6] = 0.5;
            Sersic::from_parameters(p)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::{LensModel, Mass, Nfw, PointMass, PowerLaw, PseudoJaffe, Sis};
    use crate::studies::lens_reconstruction::classical::{Satellite, SatelliteProfile, fit_parametric};
    use crate::studies::lens_reconstruction::simulate::{SimulationSpec, simulate};
    use std::ops::ControlFlow;

    fn fitted(
        spec: &SimulationSpec,
        settings: &FitSettings,
    ) -> crate::studies::lens_reconstruction::classical::ParametricFit {
        let observation = simulate(spec).unwrap().observation;
        fit_parametric(&observation, settings, &mut |_| ControlFlow::Continue(())).unwrap()
    }

    fn dark(settings: FitSettings) -> FitSettings {
        FitSettings { lens_light_components: 0, starts: 4, fit_sky: false, ..settings }
    }

    #[test]
    fn the_slope_of_a_power_law_is_found() {
        let mut spec = SimulationSpec { noise_sigma: 0.01, ..SimulationSpec::default() };
        spec.scene.lens.galaxy = PowerLaw { slope: 2.25, axis_ratio: 0.75, ..PowerLaw::default() };
        let plain = fitted(&spec, &dark(FitSettings::default()));
        let found = fitted(&spec, &dark(FitSettings { free_slope: true, ..FitSettings::default() }));
        let (slope, error) = (found.scene.lens.galaxy.slope, found.lens_errors_gaussian.slope);
        assert!(error > 0.0 && error < 0.1, "{error}");
        assert!((slope - 2.25).abs() < 4.0 * error, "{slope} +- {error}");
        assert!(found.chi2 < plain.chi2 - 20.0, "{} {}", found.chi2, plain.chi2);
        assert!(plain.lens_errors_gaussian.slope.is_nan() && plain.scene.lens.galaxy.slope == 2.0);
    }

    #[test]
    fn a_satellite_is_weighed_where_it_is() {
        let mut spec = SimulationSpec { noise_sigma: 0.01, ..SimulationSpec::default() };
        spec.scene.lens = LensModel {
            further: vec![Mass::Sis(Sis { einstein_radius_arcsec: 0.12, x_arcsec: 0.9, y_arcsec: 0.75 })],
            ..LensModel::default()
        };
        let settings =
            dark(FitSettings { satellites: vec![Satellite::isothermal([0.95, 0.7])], ..FitSettings::default() });
        let found = fitted(&spec, &settings);
        let Some(Mass::Sis(satellite)) = found.scene.lens.further.first() else { panic!("no satellite") };
        let place = found.layout.lens_len() - 3;
        let error = found.errors_gaussian[place];
        assert!((satellite.einstein_radius_arcsec - 0.12).abs() < 4.0 * error && error < 0.02, "{satellite:?} {error}");
        assert!((satellite.x_arcsec - 0.9).hypot(satellite.y_arcsec - 0.75) < 0.05, "{satellite:?}");
        assert!((found.reduced_chi2 - 1.0).abs() < 0.08, "{}", found.reduced_chi2);
    }

    /// Every parameter that moves comes out within its error, and the rest stays where a round mass without a core has it.
    #[test]
    fn masses_of_every_profile_are_recovered_within_their_errors() {
        let (x_arcsec, y_arcsec) = (0.9, 0.75);
        let round = (1.0, 0.0);
        let (axis_ratio, position_angle_deg) = round;
        for (profile, truth) in [
            (
                SatelliteProfile::PseudoJaffe,
                Mass::PseudoJaffe(PseudoJaffe {
                    einstein_radius_arcsec: 0.15,
                    core_arcsec: 0.0,
                    truncation_arcsec: 0.3,
                    axis_ratio,
                    position_angle_deg,
                    x_arcsec,
                    y_arcsec,
                }),
            ),
            (
                SatelliteProfile::Nfw,
                Mass::Nfw(Nfw {
                    convergence_scale: 0.15,
                    scale_radius_arcsec: 0.4,
                    axis_ratio,
                    position_angle_deg,
                    x_arcsec,
                    y_arcsec,
                }),
            ),
            (
                SatelliteProfile::PointMass,
                Mass::PointMass(PointMass { einstein_radius_arcsec: 0.15, x_arcsec, y_arcsec }),
            ),
        ] {
            let mut spec = SimulationSpec { noise_sigma: 0.01, supersampling: 4, ..SimulationSpec::default() };
            spec.scene.lens = LensModel { further: vec![truth], ..LensModel::default() };
            let satellites = vec![Satellite { x_arcsec: 0.95, y_arcsec: 0.7, profile }];
            let found = fitted(&spec, &dark(FitSettings { satellites, supersampling: 2, ..FitSettings::default() }));
            let kind = truth.kind();
            let first = found.layout.lens_len() - kind.parameters();
            let parameters = truth.parameters().into_iter().zip(kind.names()).enumerate();
            for (i, (expected, name)) in parameters {
                let (value, error) = (found.parameters[first + i], found.errors_gaussian[first + i]);
                if kind.moves(i) {
                    assert!(
                        error > 0.0 && (value - expected).abs() < 4.0 * error,
                        "{kind:?} {name}: {value} +- {error}"
                    );
                } else {
                    assert!(value == expected && error.is_nan(), "{kind:?} {name}: {value} +- {error}");
                }
            }
            // Seen at all: many times its error, and worth its parameters.
            let (value, error) = (found.parameters[first], found.errors_gaussian[first]);
            assert!(value > 4.0 * error, "{kind:?}: {value} +- {error}");
            assert!((found.reduced_chi2 - 1.0).abs() < 0.08, "{kind:?}: {}", found.reduced_chi2);
        }
    }

    #[test]
    fn a_galaxy_without_arcs_is_no_lens_however_its_light_is_described() {
        let mut spec = SimulationSpec { noise_sigma: 0.02, ..SimulationSpec::default() };
        let part =
            |amplitude, effective_radius_arcsec| Sersic { amplitude, effective_radius_arcsec, ..Sersic::default() };
        spec.scene.sources.clear();
        spec.scene.lens_light = vec![part(1.0, 0.15), part(0.1, 1.0)];
        let settings = FitSettings {
            lens_light_components: 2,
            starts: 2,
            lens_light: LensLight::Gaussians,
            ..FitSettings::default()
        };
        let observation = simulate(&spec).unwrap().observation;
        let found = fit_parametric(&observation, &settings, &mut |_| ControlFlow::Continue(()));
        assert_eq!(found.err(), Some(LensError::NothingFound));
    }

    /// Light that no single Sersic profile follows.
    #[test]
    fn gaussians_follow_light_of_several_parts() {
        let mut spec = SimulationSpec { noise_sigma: 0.02, ..SimulationSpec::default() };
        let part = |amplitude, effective_radius_arcsec, index| Sersic {
            amplitude,
            effective_radius_arcsec,
            index,
            axis_ratio: 0.8,
            position_angle_deg: 20.0,
            ..Sersic::default()
        };
        spec.scene.lens_light = vec![part(1.0, 0.15, 1.0), part(0.1, 1.0, 1.0)];
        let settings = FitSettings { lens_light_components: 1, starts: 4, ..FitSettings::default() };
        let one = fitted(&spec, &settings);
        let many = fitted(&spec, &FitSettings { lens_light: LensLight::Gaussians, ..settings });
        assert_eq!(many.layout.lights, GAUSSIANS);
        assert!(many.chi2 < one.chi2 - 100.0, "{} {}", many.chi2, one.chi2);
        assert!((many.reduced_chi2 - 1.0).abs() < 0.1, "{}", many.reduced_chi2);
        // The null has the same freedom of light: the source is still worth nearly all that it was.
        assert!(
            many.null_chi2 <= one.null_chi2 && many.null_chi2 > 2.0 * many.chi2,
            "{} {}",
            many.null_chi2,
            many.chi2
        );
        assert!(!many.warnings.iter().any(|w| w.contains("one component less")), "{:?}", many.warnings);
    }
}
