//! The inversion against dense algebra, finite differences and simulated lenses.

mod joint;

use std::ops::ControlFlow;

use faer::{Mat, Side};
use ndarray::Array2;

use super::field::{Bending, Field, MOVED, moved, with_moved};
use super::inversion::{Inversion, InversionSettings, invert, recover_source};
use super::mock::{MockSpec, observe};
use super::prior::{Prior, Regularisation};
use super::response::{Response, Traced, lens_jacobian};
use super::solve::{Normal, Solved, strongest};
use super::{Event, SourceGrid, grid_of};
use crate::numerics::random;
use crate::studies::lens_models::{LensModel, Sersic};
use crate::studies::lens_reconstruction::Observation;
use crate::studies::lens_reconstruction::simulate::{SimulationSpec, simulate};

/// A lens of 1.2 arcsec with some ellipticity and shear.
fn lens() -> LensModel {
    with_moved(&LensModel::default(), [1.2, 0.1, -0.06, 0.03, -0.02, 0.03, -0.02])
}

/// Two clumps, the second fainter, on a grid.
fn clumps(grid: &SourceGrid) -> Vec<f64> {
    (0..grid.len())
        .map(|k| {
            let [x, y] = grid.place([k / grid.side, k % grid.side]);
            let clump =
                |a: f64, x0: f64, y0: f64, r: f64| a * (-((x - x0).powi(2) + (y - y0).powi(2)) / (2.0 * r * r)).exp();
            clump(1.0, 0.06, 0.02, 0.07) + clump(0.6, -0.1, 0.1, 0.05)
        })
        .collect()
}

fn mock(noise_over_peak: f64, seed: u64, side: usize) -> (Observation, SourceGrid, Vec<f64>) {
    let spec = MockSpec { size_px: 56, pixel_scale_arcsec: 0.07, psf_fwhm_arcsec: 0.12, noise_over_peak, seed };
    let grid = SourceGrid { centre: [0.0, 0.05], pixel: 0.84 / side as f64, side };
    let source = clumps(&grid);
    let (observation, _) = observe(&lens().prepare(), &grid, &source, &spec).unwrap();
    (observation.with_annulus([0.0, 0.0], 0.5, 1.9), grid, source)
}

fn response_of(field: &Field, grid: &SourceGrid, lens: &LensModel) -> Response {
    Response::new(field, grid, &Traced::new(field, &Bending::new(lens)))
}

/// The response, one source pixel at a time, is the forward model of mock observations.
#[test]
fn the_response_is_the_forward_model() {
    let (observation, grid, source) = mock(0.02, 1, 18);
    let field = Field::new(&observation, None, 3).unwrap();
    let response = response_of(&field, &grid, &lens());
    let mut values = vec![0.0; field.used.len()];
    response.apply(&source, &mut values);
    let image = super::mock::lensed_image(&observation, &lens().prepare(), &grid, &source, 3).unwrap();
    for ((_, place), (value, weight)) in field.used.iter().zip(values.iter().zip(&field.weight)) {
        let expected = image.as_slice().unwrap()[*place];
        assert!((value / weight - expected).abs() < 1e-12, "{value} {expected}");
    }
    let mut rng = random::stream(1, "transpose", 0);
    let image: Vec<f64> = values.iter().map(|_| random::normal(&mut rng)).collect();
    let mut back = vec![0.0; grid.len()];
    response.apply_transpose(&image, &mut back);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    assert!((dot(&values, &image) - dot(&source, &back)).abs() < 1e-9 * dot(&values, &values));
}

/// The evidence is the normal density of the data with the source integrated out, computed with the covariance of the data.
#[test]
fn the_evidence_is_the_integral_over_all_sources() {
    let (observation, _, _) = mock(0.05, 2, 18);
    let observation = observation.with_annulus([0.0, 0.0], 0.9, 1.5);
    let grid = SourceGrid { centre: [0.0, 0.05], pixel: 0.14, side: 6 };
    let field = Field::new(&observation, None, 2).unwrap();
    let response = response_of(&field, &grid, &lens());
    let (n, pixels) = (grid.len(), field.used.len());
    for regularisation in [Regularisation::Gradient, Regularisation::Curvature] {
        let prior = Prior::new(regularisation, [grid.side; 2]);
        let normal = Normal::new(&response, &field.target, &field.weight, &vec![0.0; grid.len()]);
        let strength = 7.5;
        let solved = Solved::new(&normal, &prior, prior.log_determinant().unwrap(), strength).unwrap();
        // Covariance of data over noise: 1 + M (strength H)^-1 M^T.
        let mut precision = Mat::<f64>::zeros(n, n);
        for (i, j, v) in prior.entries() {
            precision[(i, j)] = strength * v;
        }
        let inverse_root = precision.llt(Side::Lower).unwrap();
        let mut columns = Mat::<f64>::zeros(pixels, n);
        for k in 0..n {
            let mut one = vec![0.0; n];
            one[k] = 1.0;
            let mut out = vec![0.0; pixels];
            response.apply(&one, &mut out);
            (0..pixels).for_each(|p| columns[(p, k)] = out[p]);
        }
        let mut half = columns.transpose().to_owned();
        faer::linalg::triangular_solve::solve_lower_triangular_in_place(
            inverse_root.L(),
            half.as_mut(),
            faer::Par::Seq,
        );
        let covariance = half.transpose() * &half + Mat::<f64>::identity(pixels, pixels);
        let factor = covariance.llt(Side::Lower).unwrap();
        let mut white = Mat::from_fn(pixels, 1, |p, _| field.target[p]);
        faer::linalg::triangular_solve::solve_lower_triangular_in_place(factor.L(), white.as_mut(), faer::Par::Seq);
        let square: f64 = (0..pixels).map(|p| white[(p, 0)].powi(2)).sum();
        let expected: f64 = -0.5 * square
            + (0..pixels)
                .map(|p| field.weight[p].ln() - factor.L()[(p, p)].ln() - 0.5 * std::f64::consts::TAU.ln())
                .sum::<f64>();
        assert!((solved.evidence_ln - expected).abs() < 1e-6 * expected.abs(), "{} {expected}", solved.evidence_ln);
        // The chi-squared that came for free is that of the residuals.
        let mut values = vec![0.0; pixels];
        response.apply(&solved.source, &mut values);
        let chi2: f64 = values.iter().zip(&field.target).map(|(v, t)| (v - t).powi(2)).sum();
        assert!((solved.chi2 / chi2 - 1.0).abs() < 1e-9);
    }
}

/// At the strength that is found, the evidence is greater than on both sides.
#[test]
fn the_strength_found_has_the_greatest_evidence() {
    let (observation, _, _) = mock(0.03, 3, 18);
    let field = Field::new(&observation, None, 2).unwrap();
    let grid = SourceGrid { centre: [0.0, 0.05], pixel: 0.84 / 20.0, side: 20 };
    let response = response_of(&field, &grid, &lens());
    let normal = Normal::new(&response, &field.target, &field.weight, &vec![0.0; grid.len()]);
    for regularisation in [Regularisation::Gradient, Regularisation::Curvature] {
        let prior = Prior::new(regularisation, [grid.side; 2]);
        let log = prior.log_determinant().unwrap();
        let mut trials = 0;
        let (best, determination) = strongest(&normal, &prior, log, None, |solved| {
            trials += usize::from(solved.is_some());
            Ok(())
        })
        .unwrap();
        assert!(trials <= 12, "{trials} solves");
        for factor in [0.9, 1.1] {
            let beside = Solved::new(&normal, &prior, log, factor * best.strength).unwrap();
            assert!(beside.evidence_ln < best.evidence_ln, "{factor}");
        }
        let n = grid.len() as f64;
        assert!(determination.determined > 20.0 && determination.determined < 0.8 * n, "{}", determination.determined);
    }
}

/// Derivatives of image and penalised chi-squared by the lens, against central differences.
#[test]
fn gradients_by_the_lens_agree_with_finite_differences() {
    let (observation, _, _) = mock(0.03, 4, 18);
    let field = Field::new(&observation, None, 2).unwrap();
    let grid = SourceGrid { centre: [0.0, 0.05], pixel: 0.84 / 16.0, side: 16 };
    let prior = Prior::new(Regularisation::Curvature, [grid.side; 2]);
    let log = prior.log_determinant().unwrap();
    let start = {
        let mut p = moved(&lens());
        p[0] += 0.02;
        with_moved(&lens(), p)
    };
    let solve = |lens: &LensModel| {
        let response = response_of(&field, &grid, lens);
        let normal = Normal::new(&response, &field.target, &field.weight, &vec![0.0; grid.len()]);
        (Solved::new(&normal, &prior, log, 3.0).unwrap(), response)
    };
    let (solved, response) = solve(&start);
    let bending = Bending::new(&start);
    let jacobian = lens_jacobian(&field, &grid, &solved.source, &bending, &Traced::new(&field, &bending));
    let pixels = field.used.len();
    let mut residual = vec![0.0; pixels];
    response.apply(&solved.source, &mut residual);
    residual.iter_mut().zip(&field.target).for_each(|(r, t)| *r -= t);
    let h = 1e-7;
    for k in 0..MOVED {
        let at = |by: f64| {
            let mut p = moved(&start);
            p[k] += by;
            with_moved(&start, p)
        };
        let column = &jacobian[k * pixels..(k + 1) * pixels];
        let image = |by: f64| {
            let mut values = vec![0.0; pixels];
            response_of(&field, &grid, &at(by)).apply(&solved.source, &mut values);
            values
        };
        let (plus, minus) = (image(h), image(-h));
        let scale = column.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        // A ray that crosses from one cell to the next within the step sees two slopes: a few pixels may.
        let off = (0..pixels).filter(|&p| ((plus[p] - minus[p]) / (2.0 * h) - column[p]).abs() > 1e-5 * scale).count();
        assert!(off * 50 < pixels, "parameter {k}: {off} of {pixels}");
        let gradient = 2.0 * column.iter().zip(&residual).map(|(a, b)| a * b).sum::<f64>();
        let difference = (solve(&at(1e-6)).0.penalised() - solve(&at(-1e-6)).0.penalised()) / 2e-6;
        assert!((gradient - difference).abs() < 2e-3 * difference.abs().max(scale), "{k}: {gradient} {difference}");
    }
}

fn settings(source_pixels: usize) -> InversionSettings {
    InversionSettings { source_pixels, rays_a_side: 3, ..InversionSettings::default() }
}

/// Correlation of a recovered source with the one that was lensed, on the recovered grid, in the pixels that are seen.
fn agreement(found: &Inversion, grid: &SourceGrid, truth: &[f64]) -> (f64, f64) {
    let most = found.seen.iter().copied().fold(0.0, f64::max);
    let (mut sums, mut count) = ([0.0; 5], 0.0);
    for ((j, i), value) in found.source.indexed_iter().filter(|(at, _)| found.seen[*at] > 0.1 * most) {
        let [x, y] = found.grid.place([j, i]);
        let true_value = grid.value_and_slope(truth, x, y).0;
        for (sum, term) in
            sums.iter_mut().zip([*value, true_value, value * value, true_value * true_value, value * true_value])
        {
            *sum += term;
        }
        count += 1.0;
    }
    let [a, b, aa, bb, ab] = sums.map(|s| s / count);
    let correlation = (ab - a * b) / ((aa - a * a) * (bb - b * b)).sqrt();
    (correlation, ((aa - 2.0 * ab + bb) / bb).sqrt())
}

/// Without noise, on its own grid and with next to no prior, what is seen comes back exactly.
#[test]
fn a_source_without_noise_comes_back() {
    let (mut observation, grid, source) = mock(1e-2, 5, 20);
    observation.data = super::mock::lensed_image(&observation, &lens().prepare(), &grid, &source, 3).unwrap();
    let field = Field::new(&observation, None, 3).unwrap();
    let response = response_of(&field, &grid, &lens());
    let prior = Prior::new(Regularisation::Gradient, [grid.side; 2]);
    let normal = Normal::new(&response, &field.target, &field.weight, &vec![0.0; grid.len()]);
    let solved = Solved::new(&normal, &prior, prior.log_determinant().unwrap(), 1e-6).unwrap();
    let squares = response.squares();
    let most = squares.iter().copied().fold(0.0, f64::max);
    let seen: Vec<usize> = (0..grid.len()).filter(|k| squares[*k] > 0.01 * most).collect();
    assert!(seen.len() > 150, "{}", seen.len());
    for k in seen {
        assert!((solved.source[k] - source[k]).abs() < 1e-5, "{k}: {} {}", solved.source[k], source[k]);
    }
}

/// With the true lens chi-squared is what the degrees of freedom say, and the source beats doing nothing (an error of 1).
#[test]
fn chi2_is_one_per_degree_of_freedom_with_the_true_lens() {
    let mut sum = 0.0;
    for seed in 0..4 {
        let (observation, grid, source) = mock(0.05, 10 + seed, 28);
        let found = recover_source(&observation, &lens(), &settings(26)).unwrap();
        let deviation = (found.reduced_chi2() - 1.0) / (2.0 / found.degrees_of_freedom()).sqrt();
        assert!(deviation.abs() < 4.0, "{} {}", found.reduced_chi2(), found.determined);
        sum += deviation;
        let (correlation, rms) = agreement(&found, &grid, &source);
        assert!(correlation > 0.95 && rms < 0.25, "{correlation} {rms}");
    }
    assert!((sum / 4.0).abs() < 2.0, "mean deviation {}", sum / 4.0);
}

#[test]
fn the_evidence_prefers_the_true_einstein_radius() {
    let (observation, _, _) = mock(0.05, 20, 28);
    let evidence = |radius: f64| {
        let mut p = moved(&lens());
        p[0] = radius;
        recover_source(&observation, &with_moved(&lens(), p), &settings(24)).unwrap().evidence_ln
    };
    let truth = evidence(1.2);
    for radius in [1.14, 1.17, 1.23, 1.26] {
        assert!(evidence(radius) < truth - 5.0, "{radius}: {} {truth}", evidence(radius));
    }
}

/// Started beside the truth, the optimised lens comes back to it within its errors, and says so.
#[test]
fn the_lens_is_found_with_a_source_in_pixels() {
    let (observation, _, _) = mock(0.03, 21, 28);
    let truth = moved(&lens());
    let mut start = truth;
    start[0] += 0.03;
    start[1] += 0.02;
    start[5] -= 0.02;
    let mut evidences = Vec::new();
    let found = invert(&observation, None, &with_moved(&lens(), start), &settings(24), &mut |event| {
        if let Event::Step(step) = event {
            evidences.push(step.evidence_ln);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    let errors: Vec<f64> =
        (0..MOVED).map(|k| found.lens_covariance.as_ref().unwrap()[k * (MOVED + 1)].sqrt()).collect();
    let p = moved(&found.lens);
    for k in 0..MOVED {
        assert!(errors[k] > 0.0 && errors[k] < 0.02, "{k}: {}", errors[k]);
        assert!((p[k] - truth[k]).abs() < 5.0 * errors[k] + 1e-3, "{k}: {} {} {}", p[k], truth[k], errors[k]);
    }
    assert!(found.evidence_ln > found.evidence_ln_start + 20.0);
    assert!((found.reduced_chi2() - 1.0).abs() < 0.1, "{}", found.reduced_chi2());
    assert_eq!(evidences.len(), found.solves);
}

/// Sources drawn from the prior lie within one standard deviation of the posterior in 68 per cent of the pixels, over many draws.
#[test]
fn sources_drawn_from_the_prior_are_covered() {
    let (observation, _, _) = mock(0.05, 22, 18);
    let grid = SourceGrid { centre: [0.0, 0.05], pixel: 0.84 / 20.0, side: 20 };
    let strength = 2.0;
    let prior = Prior::new(Regularisation::Curvature, [grid.side; 2]);
    let log = prior.log_determinant().unwrap();
    let mut field = Field::new(&observation, None, 2).unwrap();
    let response = response_of(&field, &grid, &lens());
    let empty = Response::new(&field, &grid, &Traced { positions: vec![[99.0; 2]; field.active.len() * 4], rays: 4 });
    let without_data =
        Solved::new(&Normal::new(&empty, &field.target, &field.weight, &vec![0.0; grid.len()]), &prior, log, strength)
            .unwrap();
    let most = response.squares().into_iter().fold(0.0, f64::max);
    let seen: Vec<bool> = response.squares().iter().map(|s| *s > 1e-3 * most).collect();
    let (mut inside, mut all, mut ratios) = (0, 0, Vec::new());
    for draw in 0..12 {
        let mut rng = random::stream(draw, "coverage", 0);
        let deviates: Vec<f64> = (0..grid.len()).map(|_| random::normal(&mut rng)).collect();
        let truth = without_data.deviation(&deviates);
        let mut image = vec![0.0; field.used.len()];
        response.apply(&truth, &mut image);
        field.target = image.iter().map(|v| v + random::normal(&mut rng)).collect();
        let normal = Normal::new(&response, &field.target, &field.weight, &vec![0.0; grid.len()]);
        let (solved, determination) = strongest(&normal, &prior, log, None, |_| Ok(())).unwrap();
        ratios.push((solved.strength / strength).ln());
        for k in (0..grid.len()).filter(|k| seen[*k]) {
            all += 1;
            inside += usize::from((solved.source[k] - truth[k]).abs() < determination.variances[k].sqrt());
        }
    }
    let part = f64::from(inside as u32) / f64::from(all as u32);
    assert!((0.6..0.76).contains(&part), "{part}");
    // The strength that they were drawn with is found, too.
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    assert!(mean.abs() < 0.3, "{ratios:?}");
}

/// A grid is laid over what is seen.
#[test]
fn the_grid_holds_the_source() {
    let source = Sersic { x_arcsec: 0.1, y_arcsec: -0.05, effective_radius_arcsec: 0.12, ..Sersic::default() };
    let mut spec = SimulationSpec::default();
    spec.scene.sources = vec![source];
    let observation = simulate(&spec).unwrap().observation;
    let grid = grid_of(&observation, None, &spec.scene.lens, 30).unwrap();
    let half = 0.5 * grid.pixel * 30.0;
    assert!((grid.centre[0] - 0.1).abs() < 0.15 && (grid.centre[1] + 0.05).abs() < 0.15, "{grid:?}");
    assert!(half > 0.3 && half < 1.3, "{half}");
}

#[test]
fn settings_out_of_range_and_stopping_are_said() {
    let (observation, _, _) = mock(0.05, 23, 18);
    let message =
        |settings: InversionSettings| recover_source(&observation, &lens(), &settings).unwrap_err().to_string();
    assert!(message(settings(5)).starts_with("source_pixels = 5: expected 10 to 60"));
    let strength = InversionSettings { strength: Some(-1.0), ..settings(20) };
    assert!(message(strength).starts_with("regularisation_strength = -1"));
    let wrong = Array2::zeros((3, 3));
    assert!(grid_of(&observation, Some(&wrong), &lens(), 20).is_err());
    let stopped = invert(&observation, None, &lens(), &settings(20), &mut |_| ControlFlow::Break(()));
    assert_eq!(stopped.unwrap_err().to_string(), "the fit was cancelled");
}

/// The same bits on any number of threads.
#[test]
fn an_inversion_does_not_depend_on_the_threads() {
    let (observation, _, _) = mock(0.05, 24, 18);
    let found = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| invert(&observation, None, &lens(), &settings(16), &mut |_| ControlFlow::Continue(())).unwrap())
    });
    assert_eq!(found[0].source, found[1].source);
    assert_eq!(found[0].sigma, found[1].sigma);
    assert_eq!(found[0].lens, found[1].lens);
}

/// A prior centred on the truth: the source stays it where nothing is seen, and the evidence likes it better than darkness.
#[test]
fn a_prior_centred_on_a_good_source_is_preferred() {
    let source =
        Sersic { effective_radius_arcsec: 0.12, index: 1.0, x_arcsec: 0.05, y_arcsec: 0.04, ..Sersic::default() };
    let mut spec = SimulationSpec { noise_sigma: 0.1, ..SimulationSpec::default() };
    spec.scene.sources = vec![source];
    let observation = simulate(&spec).unwrap().observation;
    let dark = recover_source(&observation, &spec.scene.lens, &settings(24)).unwrap();
    let centred = InversionSettings { mean: vec![source], ..settings(24) };
    let centred = recover_source(&observation, &spec.scene.lens, &centred).unwrap();
    assert!(centred.evidence_ln > dark.evidence_ln + 30.0, "{} {}", centred.evidence_ln, dark.evidence_ln);
    assert!(centred.determined < 0.5 * dark.determined, "{} {}", centred.determined, dark.determined);
    let truth = centred.grid.map(&centred.grid.mean_of(&[source]));
    let error = |found: &Inversion| (&found.source - &truth).mapv(|v| v * v).sum();
    assert!(error(&centred) < 0.5 * error(&dark), "{} {}", error(&centred), error(&dark));
}
