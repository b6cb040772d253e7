//! The blind fit finds simulated lenses: no guess is given, only data, noise, PSF and mask.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use std::ops::ControlFlow;

use sextans::studies::lens_models::{LensModel, Sersic, Shear, Sie};
use sextans::studies::lens_reconstruction::SimulateRequest;
use sextans::studies::lens_reconstruction::classical::{FitSettings, FitStep, ParametricFit, Phase, fit_parametric};
use sextans::studies::lens_reconstruction::simulate::{Simulation, SimulationSpec, simulate};
use sextans::studies::lens_reconstruction::{LensError, Scene};

fn fit(simulation: &Simulation, settings: &FitSettings) -> ParametricFit {
    fit_parametric(&simulation.observation, settings, &mut |_: &FitStep| ControlFlow::Continue(())).unwrap()
}

fn check(spec: &SimulationSpec, settings: &FitSettings) -> ParametricFit {
    let found = fit(&simulate(spec).unwrap(), settings);
    let (truth, lens) = (&spec.scene.lens.galaxy, &found.scene.lens.galaxy);
    let radius = lens.einstein_radius_arcsec - truth.einstein_radius_arcsec;
    assert!(radius.abs() < 0.01, "Einstein radius off by {radius}: {found:?}");
    assert!(
        (lens.axis_ratio - truth.axis_ratio).abs() < 0.03,
        "axis ratio {} for {}",
        lens.axis_ratio,
        truth.axis_ratio
    );
    assert!((0.9..1.1).contains(&found.reduced_chi2), "reduced chi-squared {}", found.reduced_chi2);
    assert!(found.null_chi2 > 2.0 * found.chi2, "the null explains too much: {} {}", found.null_chi2, found.chi2);
    found
}

/// A quad of a compact source with shear; lens light subtracted.
fn quad() -> SimulationSpec {
    let mut spec = SimulationSpec::default();
    spec.scene.lens = LensModel::isothermal(
        Sie {
            einstein_radius_arcsec: 1.25,
            axis_ratio: 0.72,
            position_angle_deg: 50.0,
            x_arcsec: 0.02,
            y_arcsec: -0.03,
        },
        Shear { gamma1: 0.03, gamma2: -0.02 },
    );
    spec
}

#[test]
fn a_quad_without_lens_light() {
    let found = check(&quad(), &FitSettings { lens_light_components: 0, ..FitSettings::default() });
    let truth = quad().scene.lens;
    let errors = found.lens_errors_gaussian;
    let pull = (found.scene.lens.galaxy.einstein_radius_arcsec - truth.galaxy.einstein_radius_arcsec)
        / errors.einstein_radius_arcsec;
    assert!(errors.einstein_radius_arcsec < 0.01 && pull.abs() < 5.0, "{errors:?}, pull {pull}");
    assert!((found.scene.lens.shear.gamma1 - truth.shear.gamma1).abs() < 0.02);
    assert!((found.scene.lens.shear.gamma2 - truth.shear.gamma2).abs() < 0.02);
}

/// A simulated lens of the defaults of the simulation, other in mass and source for every `k`.
fn varied(k: u64) -> SimulateRequest {
    let mut request = SimulateRequest { seed: 14 + k, ..SimulateRequest::default() };
    let part = |stride: u64| ((k * stride) % 10) as f64 / 10.0;
    if k > 0 {
        request.lens.einstein_radius_arcsec = 0.9 + 0.6 * part(3);
        request.lens.axis_ratio = 0.6 + 0.35 * part(7);
        request.lens.position_angle_deg = 180.0 * part(3);
        request.lens.shear = 0.08 * part(9);
        request.source.x_arcsec = 0.25 - 0.5 * part(7);
        request.source.y_arcsec = -0.2 + 0.4 * part(1);
        request.source.radius_arcsec = 0.08 + 0.2 * part(9);
        request.source.index = 0.8 + 2.0 * part(3);
        request.source.brightness = 0.3 + 0.5 * part(7);
    }
    request
}

fn simulated(request: &SimulateRequest) -> Simulation {
    let spec = SimulationSpec {
        scene: request.scene(),
        size_px: request.pixels,
        pixel_scale_arcsec: request.pixel_scale_arcsec,
        psf_fwhm_arcsec: request.psf_fwhm_arcsec,
        noise_sigma: request.noise_sigma,
        supersampling: request.supersampling,
        seed: request.seed,
        ..SimulationSpec::default()
    };
    simulate(&spec).unwrap()
}

/// Fits ten lenses with the defaults; lines of what is wrong.
fn ten_of_the_defaults(change: impl Fn(&mut SimulateRequest)) -> Vec<String> {
    let mut wrong = Vec::new();
    for k in 0..10 {
        let mut request = varied(k);
        change(&mut request);
        let simulation = simulated(&request);
        let clock = std::time::Instant::now();
        let found = fit(&simulation, &FitSettings::default());
        let (truth, lens) = (request.lens_model().galaxy, found.scene.lens.galaxy);
        let line = format!(
            "{k}: theta_E {:.3} for {:.3}, q {:.3} for {:.3}, chi2 {:.3}, {:.1} s, {:?} {:?}",
            lens.einstein_radius_arcsec,
            truth.einstein_radius_arcsec,
            lens.axis_ratio,
            truth.axis_ratio,
            found.reduced_chi2,
            clock.elapsed().as_secs_f64(),
            found.calls,
            found.warnings
        );
        println!("{line}");
        if (lens.einstein_radius_arcsec - truth.einstein_radius_arcsec).abs() > 0.02 || found.reduced_chi2 > 1.1 {
            wrong.push(line);
        }
        let ordered = |g: &[Sersic]| g.windows(2).all(|w| w[0].total_flux() >= w[1].total_flux());
        assert!(ordered(&found.scene.lens_light), "{:?}", found.scene.lens_light);
    }
    wrong
}

#[test]
fn lenses_without_light_are_found_by_a_fit_that_expects_light() {
    let wrong = ten_of_the_defaults(|request| request.lens_light.brightness = 0.0);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lenses_with_light_are_found_with_the_defaults() {
    let wrong = ten_of_the_defaults(|_| ());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_arc_and_its_counter_image_under_bright_lens_light_with_sky() {
    let spec = SimulationSpec {
        pixel_scale_arcsec: 0.06,
        noise_sigma: 0.03,
        seed: 5,
        scene: Scene {
            lens: LensModel::isothermal(
                Sie {
                    einstein_radius_arcsec: 0.95,
                    axis_ratio: 0.85,
                    position_angle_deg: 120.0,
                    x_arcsec: 0.03,
                    y_arcsec: 0.02,
                },
                Shear::default(),
            ),
            sources: vec![Sersic {
                x_arcsec: 0.25,
                y_arcsec: -0.1,
                effective_radius_arcsec: 0.18,
                index: 1.5,
                axis_ratio: 0.6,
                position_angle_deg: 20.0,
                amplitude: 0.7,
            }],
            lens_light: vec![Sersic {
                amplitude: 2.0,
                effective_radius_arcsec: 0.5,
                index: 3.0,
                axis_ratio: 0.8,
                position_angle_deg: 110.0,
                x_arcsec: 0.03,
                y_arcsec: 0.02,
            }],
            sky: 0.1,
        },
        ..SimulationSpec::default()
    };
    check(&spec, &FitSettings { lens_light_components: 1, ..FitSettings::default() });
}

#[test]
fn a_small_ring_in_strong_noise_of_counting() {
    let mut spec = quad();
    spec.noise_sigma = 0.1;
    spec.gain = Some(100.0);
    spec.pixel_scale_arcsec = 0.05;
    spec.seed = 9;
    spec.scene.lens.galaxy.einstein_radius_arcsec = 0.7;
    spec.scene.lens.galaxy.axis_ratio = 0.8;
    spec.scene.sources[0].x_arcsec = 0.02;
    spec.scene.sources[0].y_arcsec = -0.02;
    check(&spec, &FitSettings { lens_light_components: 0, ..FitSettings::default() });
}

#[test]
fn the_fit_has_the_same_bits_on_one_and_on_two_threads() {
    let simulation = simulate(&SimulationSpec { size_px: 48, ..quad() }).unwrap();
    let settings = FitSettings { lens_light_components: 0, starts: 2, ..FitSettings::default() };
    let bits = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| fit(&simulation, &settings));
        let numbers = found.parameters.iter().chain(&found.errors_gaussian).chain(&found.residual_sigma);
        (numbers.map(|v| v.to_bits()).collect::<Vec<_>>(), found.calls)
    };
    assert_eq!(bits(1), bits(2));
}

#[test]
fn the_fit_stops_when_told_in_every_phase() {
    let mut spec = SimulationSpec { size_px: 40, ..quad() };
    spec.scene.lens_light = vec![Sersic { effective_radius_arcsec: 0.5, ..Sersic::default() }];
    let observation = simulate(&spec).unwrap().observation;
    let settings = FitSettings { lens_light_components: 1, starts: 2, ..FitSettings::default() };
    for phase in [Phase::LensLight, Phase::Scan, Phase::Starts, Phase::Joint, Phase::Null] {
        let mut after = 0;
        let result = fit_parametric(&observation, &settings, &mut |step: &FitStep| {
            after += usize::from(step.phase == phase);
            if step.phase == phase { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(result.unwrap_err(), LensError::Cancelled, "{phase:?}");
        assert_eq!(after, 1, "{phase:?}: nothing runs on after the callback said stop");
    }
}

#[test]
fn steps_show_the_state_of_the_fit() {
    let simulation = simulate(&SimulationSpec { size_px: 40, ..quad() }).unwrap();
    let settings = FitSettings { lens_light_components: 0, starts: 1, ..FitSettings::default() };
    let mut checked = 0;
    fit_parametric(&simulation.observation, &settings, &mut |step: &FitStep| {
        if step.phase == Phase::Joint {
            let residual = step.residual_image();
            let sum: f64 = residual.iter().filter(|r| r.is_finite()).map(|r| r * r).sum();
            assert!((sum / step.chi2 - 1.0).abs() < 1e-9, "{sum} {}", step.chi2);
            assert_eq!(step.model_image().dim(), simulation.observation.data.dim());
            assert_eq!(step.scene().sources.len(), 1);
            checked += 1;
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(checked > 3);
}

/// Early phases trust some pixels less; what is shown is in sigma of the noise map all the same.
#[test]
fn residuals_on_the_way_are_in_sigma_of_the_noise_map() {
    let mut spec = SimulationSpec { size_px: 40, ..quad() };
    spec.scene.lens_light = vec![Sersic { effective_radius_arcsec: 0.5, ..Sersic::default() }];
    let observation = simulate(&spec).unwrap().observation;
    let settings = FitSettings { lens_light_components: 1, starts: 1, ..FitSettings::default() };
    let mut checked = [0; 2];
    let result = fit_parametric(&observation, &settings, &mut |step: &FitStep| {
        let (model, residual) = (step.model_image(), step.residual_image());
        let left = &observation.data - &model - &residual * &observation.noise;
        match step.phase {
            Phase::LensLight => {
                assert!(left.iter().all(|v| v.abs() < 1e-9), "{left:?}");
                checked[0] += 1;
                ControlFlow::Continue(())
            }
            // What is left is the lens light, taken off before: a galaxy, brightest in the middle, and no negative of one.
            Phase::Scan => {
                assert!(left[[20, 20]] > 0.5 && left[[20, 20]] > 5.0 * left[[2, 2]].abs(), "{left:?}");
                checked[1] += 1;
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        }
    });
    assert_eq!(result.unwrap_err(), LensError::Cancelled);
    assert!(checked[0] > 3 && checked[1] > 3, "{checked:?}");
}

/// The comparison without a source is judged by its pixels alone, as the fit is: not more than all the data, sky included.
#[test]
fn the_null_is_that_of_the_pixels() {
    let mut spec = SimulationSpec { size_px: 80, ..quad() };
    spec.scene.sky = 3.0;
    let observation = simulate(&spec).unwrap().observation.with_annulus([0.0, 0.0], 0.0, 2.0);
    let settings = FitSettings { lens_light_components: 0, starts: 1, ..FitSettings::default() };
    let found = fit(&Simulation { observation: observation.clone(), ..simulate(&spec).unwrap() }, &settings);
    // Without lens light the null has only a sky: its chi-squared cannot be less than that of the best constant, and with the
    // far sky as a guide it is that of a constant between the two.
    let used: Vec<(f64, f64)> = observation
        .data
        .iter()
        .zip(&observation.noise)
        .zip(&observation.mask)
        .filter(|(_, m)| **m)
        .map(|((d, n), _)| (*d, *n))
        .collect();
    let far = found.blank_sky.unwrap();
    let (mut weights, mut sum) = (far.pixel_sigma.powi(-2), far.median * far.pixel_sigma.powi(-2));
    for (d, n) in &used {
        weights += n.powi(-2);
        sum += d * n.powi(-2);
    }
    let sky = sum / weights;
    let chi2: f64 = used.iter().map(|(d, n)| ((d - sky) / n).powi(2)).sum();
    let penalty = ((sky - far.median) / far.pixel_sigma).powi(2);
    assert!(penalty > 10.0, "nothing to be told apart: {penalty} {chi2}");
    assert!((found.null_chi2 - chi2).abs() < 0.3 * penalty, "{} {chi2} {penalty}", found.null_chi2);
}

#[test]
fn noise_alone_is_not_a_lens() {
    let mut spec = quad();
    spec.scene.sources[0].amplitude = 0.0;
    let observation = simulate(&spec).unwrap().observation;
    let settings = FitSettings { lens_light_components: 0, ..FitSettings::default() };
    let result = fit_parametric(&observation, &settings, &mut |_: &FitStep| ControlFlow::Continue(()));
    assert_eq!(result.unwrap_err(), LensError::NothingFound);
}

#[test]
fn unusable_requests_are_refused_by_name() {
    let observation = simulate(&SimulationSpec { size_px: 24, ..quad() }).unwrap().observation;
    let refuse = |settings: FitSettings| {
        fit_parametric(&observation, &settings, &mut |_: &FitStep| ControlFlow::Continue(())).unwrap_err().to_string()
    };
    assert!(refuse(FitSettings { starts: 0, ..FitSettings::default() }).contains("starts = 0"));
    assert!(
        refuse(FitSettings { lens_light_components: 4, ..FitSettings::default() })
            .contains("lens_light_components = 4")
    );
    let tiny = observation.clone().with_annulus([0.0, 0.0], 0.0, 0.2);
    let result = fit_parametric(&tiny, &FitSettings::default(), &mut |_: &FitStep| ControlFlow::Continue(()));
    assert!(result.unwrap_err().to_string().contains("widen the mask"));
}
