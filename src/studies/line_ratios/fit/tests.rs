//! The fit against spectra whose truth is known: pulls, the Cramer-Rao bound, coverage.

use super::*;
use crate::numerics::random::{self, stream, uniform_in};
use crate::studies::line_ratios::axis::Filter;
use crate::studies::line_ratios::frame::{Coordinate, Frame, Medium};
use crate::studies::line_ratios::lines::Line;
use crate::studies::line_ratios::shape::{LineShape, Sampler};

/// SN3 as SIGNALS observes it, in its band: 424 samples.
fn sn3(change: impl FnOnce(&mut ModelSettings)) -> LineModel {
    let axis = Filter::Sn3.axis(5000.0, 1.0375);
    let (low, high) = Filter::Sn3.band();
    let band: Vec<f64> = axis.wavenumbers().into_iter().filter(|x| (low..high).contains(x)).collect();
    let sampler = Sampler::new(band, LineShape::Sinc { width: axis.sinc_width() });
    let frame = Frame { coordinate: Coordinate::Wavenumber, medium: Medium::Air, redshift: 0.0 };
    let mut settings = ModelSettings {
        lines: Line::ALL.to_vec(),
        tie_doublets: true,
        continuum_order: 0,
        absorption_km_s: None,
        velocity_range: (-500.0, 500.0),
        broadening_max: 200.0,
        per_angstrom: false,
    };
    change(&mut settings);
    LineModel::new(sampler, frame, settings).unwrap()
}

/// Fluxes of an HII region, H alpha 1.
fn hii_region(line: Line) -> f64 {
    match line {
        Line::Halpha => 1.0,
        Line::NII6583 => 0.45,
        Line::NII6548 => 0.45 / 2.96,
        Line::SII6716 => 0.22,
        Line::SII6731 => 0.16,
        _ => 0.0,
    }
}

struct Simulated {
    velocity: f64,
    broadening: f64,
    data: Vec<f64>,
    /// Standard deviation of the noise.
    noise: f64,
}

/// H alpha of flux 1 and peak `signal_to_noise` times the noise, on a continuum of half that noise.
fn simulate(model: &LineModel, seed: u64, velocity: f64, broadening: f64, signal_to_noise: f64) -> Simulated {
    let mut data = vec![0.0; model.samples()];
    model.spectrum(velocity, broadening, hii_region, &mut data);
    let origin = model.frame().origin(Line::Halpha);
    let peak = model.sampler().shape().peak(origin, broadening * origin / LIGHT_SPEED_KM_S);
    let noise = peak / signal_to_noise;
    let mut draws = vec![0.0; data.len()];
    random::fill_normal(&mut stream(seed, "fit test noise", 0), &mut draws);
    for (value, draw) in data.iter_mut().zip(&draws) {
        *value += noise * (draw + 0.5);
    }
    Simulated { velocity, broadening, data, noise }
}

fn weights(model: &LineModel, noise: f64) -> Vec<f64> {
    vec![1.0 / (noise * noise); model.samples()]
}

fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0)).sqrt())
}

/// Without noise the fit finds the truth, wherever it starts; tied doublets keep their ratio, free ones find it.
#[test]
fn noise_free_spectra_give_back_their_parameters() {
    for tie_doublets in [true, false] {
        let model = sn3(|settings| {
            settings.tie_doublets = tie_doublets;
            settings.continuum_order = 2;
        });
        let mut scratch = model.scratch();
        let lines: Vec<Line> = model.lines().collect();
        assert_eq!(lines, [Line::NII6548, Line::Halpha, Line::NII6583, Line::SII6716, Line::SII6731]);
        for (velocity, broadening) in [(-430.0, 12.0), (-17.3, 33.0), (0.0, 3.0), (211.0, 80.0), (480.0, 150.0)] {
            let mut data = vec![0.0; model.samples()];
            model.spectrum(velocity, broadening, hii_region, &mut data);
            for (k, value) in data.iter_mut().enumerate() {
                *value += 0.01 + 1e-5 * k as f64;
            }
            let fit = model.fit(&data, &weights(&model, 1e-3), &mut scratch).unwrap();
            assert_eq!(fit.state, State::Converged);
            assert!((fit.velocity_km_s - velocity).abs() < 1e-3, "{velocity} {broadening}: {}", fit.velocity_km_s);
            assert!((fit.broadening_km_s() - broadening).abs() < 0.02, "{broadening}: {}", fit.broadening_km_s());
            for (flux, line) in fit.flux.iter().zip(&lines) {
                assert!((flux - hii_region(*line)).abs() < 1e-4, "{} {flux}", line.name());
            }
        }
    }
}

/// 2,000 spectra at S/N >= 10: every pull has mean 0 and standard deviation 1.
#[test]
fn pulls_are_standard_normal() {
    let model = sn3(|_| {});
    let mut scratch = model.scratch();
    let lines: Vec<Line> = model.lines().collect();
    let mut pulls = vec![Vec::new(); 2 + lines.len()];
    let mut steps = 0;
    for index in 0..2000 {
        let mut rng = stream(11, "pulls", index);
        let signal_to_noise = 10.0 * 10f64.powf(random::uniform(&mut rng));
        let (velocity, broadening) = (uniform_in(&mut rng, -200.0, 200.0), uniform_in(&mut rng, 10.0, 50.0));
        let simulated = simulate(&model, 1000 + index, velocity, broadening, signal_to_noise);
        let fit = model.fit(&simulated.data, &weights(&model, simulated.noise), &mut scratch).unwrap();
        steps += fit.steps;
        pulls[0].push((fit.velocity_km_s - simulated.velocity) / fit.velocity_error_km_s);
        pulls[1].push((fit.broadening_km_s() - simulated.broadening) / fit.broadening_error_km_s());
        for (k, line) in lines.iter().enumerate() {
            pulls[2 + k].push((fit.flux[k] - hii_region(*line)) / fit.flux_error(k));
        }
    }
    println!("{:.1} steps a spectrum", steps as f64 / 2000.0);
    for (k, pulls) in pulls.iter().enumerate() {
        let (mean, deviation) = moments(pulls);
        println!("pull {k}: mean {mean:+.3}, standard deviation {deviation:.3}");
        assert!(mean.abs() < 0.1 && (0.9..1.1).contains(&deviation), "parameter {k}: {mean} {deviation}");
    }
}

/// At S/N 20 and 50 the scatter is within a tenth of the Cramer-Rao bound.
#[test]
fn scatter_reaches_the_cramer_rao_bound() {
    let model = sn3(|_| {});
    let mut scratch = model.scratch();
    for (signal_to_noise, broadening) in [(20.0, 20.0), (20.0, 40.0), (50.0, 15.0), (50.0, 30.0)] {
        let (mut velocities, mut broadenings, mut fluxes) = (Vec::new(), Vec::new(), Vec::new());
        let mut noise = 0.0;
        for index in 0..1000 {
            let simulated = simulate(&model, 5000 + index, 37.0, broadening, signal_to_noise);
            noise = simulated.noise;
            let fit = model.fit(&simulated.data, &weights(&model, noise), &mut scratch).unwrap();
            velocities.push(fit.velocity_km_s);
            broadenings.push(fit.broadening_km_s());
            fluxes.push(fit.flux[2]);
        }
        let bound = model.cramer_rao(37.0, broadening, hii_region, &weights(&model, noise), &mut scratch).unwrap();
        let checks = [
            (moments(&velocities).1, bound.velocity_error_km_s),
            (moments(&broadenings).1, bound.variance_error / (2.0 * broadening)),
            (moments(&fluxes).1, bound.flux_error(2)),
        ];
        println!("S/N {signal_to_noise}, {broadening} km/s: (scatter, bound) {checks:.4?}");
        for (scatter, bound) in checks {
            assert!((scatter / bound - 1.0).abs() < 0.1, "S/N {signal_to_noise}: {scatter} {bound}");
        }
    }
}

/// Below S/N 8, 68 % intervals of the grid posterior hold the truth in 63 to 73 % of cases drawn from the prior.
#[test]
fn intervals_of_the_grid_posterior_cover_the_truth() {
    let model = sn3(|settings| {
        settings.velocity_range = (-300.0, 300.0);
        settings.broadening_max = 80.0;
    });
    let mut scratch = model.scratch();
    let (mut inside, total) = ([0; 2], 400);
    for index in 0..total {
        let mut rng = stream(21, "coverage", index);
        let signal_to_noise = uniform_in(&mut rng, 3.0, 8.0);
        let (velocity, broadening) = (uniform_in(&mut rng, -300.0, 300.0), uniform_in(&mut rng, 0.0, 80.0));
        let simulated = simulate(&model, 9000 + index, velocity, broadening, signal_to_noise);
        let weights = weights(&model, simulated.noise);
        let posterior = model.posterior(&simulated.data, &weights, &mut scratch).unwrap();
        let (v, s) = (posterior.velocity(0.68), posterior.broadening(0.68));
        inside[0] += usize::from((v.low..v.high).contains(&simulated.velocity));
        inside[1] += usize::from((s.low..s.high).contains(&simulated.broadening));
    }
    let coverage = inside.map(|count| count as f64 / total as f64);
    println!("coverage of 68 %: velocity {:.3}, broadening {:.3}", coverage[0], coverage[1]);
    for coverage in coverage {
        assert!((0.63..0.73).contains(&coverage), "{coverage}");
    }
}

/// Where the posterior is narrow it is the fit's Gaussian.
#[test]
fn the_grid_posterior_agrees_with_the_fit_where_the_lines_are_strong() {
    let model = sn3(|_| {});
    let mut scratch = model.scratch();
    let simulated = simulate(&model, 77, -80.0, 35.0, 60.0);
    let weights = weights(&model, simulated.noise);
    let fit = model.fit(&simulated.data, &weights, &mut scratch).unwrap();
    let posterior = model.posterior(&simulated.data, &weights, &mut scratch).unwrap();
    let v = posterior.velocity(0.682_689);
    assert!((v.median - fit.velocity_km_s).abs() < 0.1 * fit.velocity_error_km_s, "{v:?} {}", fit.velocity_km_s);
    assert!((0.5 * (v.high - v.low) / fit.velocity_error_km_s - 1.0).abs() < 0.05);
    let s = posterior.broadening(0.682_689);
    assert!((0.5 * (s.high - s.low) / fit.broadening_error_km_s() - 1.0).abs() < 0.05, "{s:?}");
    for (k, (mean, deviation)) in posterior.flux.iter().enumerate() {
        assert!((mean - fit.flux[k]).abs() < 0.1 * fit.flux_error(k));
        assert!((deviation / fit.flux_error(k) - 1.0).abs() < 0.05);
    }
    assert!((posterior.probability.iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

/// The curvature that errors come from is that of chi2 itself, by differences of the solved chi2.
#[test]
fn the_jacobian_is_that_of_the_model() {
    let model = sn3(|settings| settings.absorption_km_s = Some(300.0));
    let mut scratch = model.scratch();
    let mut with = vec![0.0; model.samples()];
    let mut without = with.clone();
    let (velocity, broadening) = (45.0, 25.0);
    let coefficients = {
        model.spectrum(velocity, broadening, hii_region, &mut with);
        model.whiten(&with, &weights(&model, 1.0), &mut scratch);
        model.evaluate(velocity, broadening, true, &mut scratch);
        let solved = model.solve_linear(&scratch).unwrap();
        model.kinematic_columns(velocity, broadening, &solved.coefficients, &mut scratch);
        solved.coefficients
    };
    let (n, linear) = (model.samples(), model.linear());
    assert!(coefficients[0] > 0.0);
    for (which, (v, s)) in [(0.01, 0.0), (0.0, 0.01)].into_iter().enumerate() {
        let column = scratch.columns[(linear + which) * n..(linear + which + 1) * n].to_vec();
        model.spectrum(velocity + v, (broadening * broadening + s).sqrt(), hii_region, &mut with);
        model.spectrum(velocity - v, (broadening * broadening - s).sqrt(), hii_region, &mut without);
        let largest = column.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        for k in 0..n {
            let difference = (with[k] - without[k]) / 0.02;
            assert!((difference - column[k]).abs() < 1e-6 * largest, "{which} {k}: {difference} {}", column[k]);
        }
    }
}

/// A masked sample has no say, and what is left decides; with none left there is no answer.
#[test]
fn masked_samples_do_not_count() {
    let model = sn3(|_| {});
    let mut scratch = model.scratch();
    let mut simulated = simulate(&model, 3, 120.0, 30.0, 40.0);
    let mut weights = weights(&model, simulated.noise);
    for k in (0..model.samples()).step_by(7) {
        simulated.data[k] = if k % 2 == 0 { f64::NAN } else { 1e6 };
        weights[k] = 0.0;
    }
    let fit = model.fit(&simulated.data, &weights, &mut scratch).unwrap();
    assert!((fit.velocity_km_s - 120.0).abs() < 5.0 * fit.velocity_error_km_s);
    assert!(fit.degrees == model.samples() - model.samples().div_ceil(7) - model.linear() - 2);
    assert!(model.fit(&simulated.data, &vec![0.0; model.samples()], &mut scratch).is_none());
}

/// Stellar absorption under H alpha is told from the line, and ignoring it loses flux.
#[test]
fn stellar_absorption_is_separated_from_the_line() {
    let with = sn3(|settings| settings.absorption_km_s = Some(300.0));
    let without = sn3(|_| {});
    let mut data = vec![0.0; with.samples()];
    with.spectrum(30.0, 25.0, hii_region, &mut data);
    let origin = with.frame().origin(Line::Halpha);
    let (x, _) = with.frame().shifted(origin, 30.0);
    let mut profile = vec![0.0; with.samples()];
    with.sampler().profile(x, 300.0 * x / LIGHT_SPEED_KM_S, 0..with.samples(), &mut profile);
    for (value, profile) in data.iter_mut().zip(&profile) {
        *value += 0.2 - 0.6 * profile;
    }
    let weights = weights(&with, 1e-3);
    let good = with.fit(&data, &weights, &mut with.scratch()).unwrap();
    let poor = without.fit(&data, &weights, &mut without.scratch()).unwrap();
    assert!((good.flux[1] - 1.0).abs() < 1e-3 && (good.absorption + 0.6).abs() < 1e-3, "{good:?}");
    assert!(poor.flux[1] < 0.95, "{}", poor.flux[1]);
}

/// 10,000 spectra of pure noise: at most 0.5 % show "lines" at three standard deviations, though 1000 km/s are searched.
#[test]
fn noise_alone_is_seldom_a_line() {
    let model = sn3(|_| {});
    let mut scratch = model.scratch();
    let weights = weights(&model, 1.0);
    let mut data = vec![0.0; model.samples()];
    let (mut false_lines, mut above_two) = (0, 0);
    for index in 0..10_000 {
        random::fill_normal(&mut stream(31, "line-free", index), &mut data);
        let fit = model.fit(&data, &weights, &mut scratch).unwrap();
        let significance = model.significance(&fit);
        false_lines += usize::from(significance > 3.0);
        above_two += usize::from(significance > 2.0);
    }
    println!("of 10,000 line-free spectra {false_lines} above 3 standard deviations, {above_two} above 2");
    // A Gaussian tail: 13 and 228 of 10,000.
    assert!(false_lines <= 50, "{false_lines}");
    // Not bought by never finding anything: a line with a peak of eight times the noise is found.
    for index in 0..50 {
        let simulated = simulate(&model, 400 + index, 100.0, 20.0, 8.0);
        let weights = self::weights(&model, simulated.noise);
        let fit = model.fit(&simulated.data, &weights, &mut scratch).unwrap();
        assert!(model.significance(&fit) > 3.0, "{}", model.significance(&fit));
    }
}

/// Weights that are wrong by a factor are found out where there are no lines.
#[test]
fn the_noise_is_measured_where_there_are_no_lines() {
    let model = sn3(|_| {});
    let mut scratch = model.scratch();
    let mut factors = Vec::new();
    for index in 0..200 {
        let simulated = simulate(&model, 700 + index, -60.0, 30.0, 100.0);
        let weights = weights(&model, 40.0 * simulated.noise);
        let mut fit = model.fit(&simulated.data, &weights, &mut scratch).unwrap();
        let factor = model.noise_factor(&fit, &mut scratch).unwrap();
        fit.rescale_noise(factor);
        assert!((fit.reduced_chi2() - 1.0).abs() < 0.25, "{}", fit.reduced_chi2());
        factors.push(40.0 * factor);
    }
    let (mean, deviation) = moments(&factors);
    assert!((mean - 1.0).abs() < 0.02 && deviation < 0.07, "{mean} {deviation}");
}
