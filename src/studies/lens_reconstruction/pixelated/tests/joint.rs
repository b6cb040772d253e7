//! Source and convergence together: finite differences, a subhalo, a floor under the source.

use std::ops::ControlFlow;

use ndarray::Array2;

use super::{clumps, lens, mock, settings};
use crate::numerics::random;
use crate::studies::lens_models::{Deflector, LensModel, PreparedLens};
use crate::studies::lens_reconstruction::pixelated::field::with_moved;
use crate::studies::lens_reconstruction::pixelated::inversion::{InversionSettings, invert, recover_source};
use crate::studies::lens_reconstruction::pixelated::mock::{MockSpec, observe};
use crate::studies::lens_reconstruction::pixelated::{Event, PixelSettings, SourceGrid, fit_pixels, joint_model};

/// Every part of the chain, with one ray and with several, with and without a floor under the source.
#[test]
fn the_joint_gradient_agrees_with_finite_differences() {
    let (observation, _, _) = mock(0.05, 25, 18);
    let observation = observation.with_annulus([0.0, 0.0], 0.8, 1.6);
    for (rays_a_side, positive) in [(1, false), (2, false), (3, true)] {
        let source = InversionSettings { rays_a_side, strength: Some(3.0), ..settings(14) };
        let settings = PixelSettings { source, positive, ..PixelSettings::default() };
        let (mut model, mut x) = joint_model(&observation, None, &lens(), &settings).unwrap();
        let n = model.sources();
        let mut rng = random::stream(4, "joint", 0);
        x[..n].iter_mut().for_each(|v| *v += 0.02 * random::normal(&mut rng));
        x[n..].iter_mut().for_each(|v| *v = 0.1 * random::normal(&mut rng));
        let mut gradient = vec![0.0; x.len()];
        let value = model.evaluate(&x, &mut gradient).value();
        assert!(value.is_finite());
        let mut spare = vec![0.0; x.len()];
        let mut check = |direction: &[f64], h: f64, tolerance: f64| {
            let mut at = |by: f64| {
                let moved: Vec<f64> = x.iter().zip(direction).map(|(v, d)| v + by * d).collect();
                model.evaluate(&moved, &mut spare).value()
            };
            let difference = (at(h) - at(-h)) / (2.0 * h);
            let slope: f64 = gradient.iter().zip(direction).map(|(g, d)| g * d).sum();
            assert!((difference - slope).abs() < tolerance * slope.abs().max(1.0), "{slope} {difference}");
        };
        for _ in 0..10 {
            // The source alone, to rounding; the mass with steps so small that few rays cross into another cell.
            let random: Vec<f64> = (0..x.len()).map(|_| random::normal(&mut rng)).collect();
            let source: Vec<f64> = random.iter().enumerate().map(|(k, v)| if k < n { *v } else { 0.0 }).collect();
            let mass: Vec<f64> = random.iter().enumerate().map(|(k, v)| if k < n { 0.0 } else { *v }).collect();
            check(&source, 1e-6, 1e-5);
            check(&mass, 1e-7, 1e-3);
        }
    }
}

/// A lens and, beside it, another.
struct Two(PreparedLens, PreparedLens);

impl Deflector for Two {
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        let (a, b) = (self.0.deflection(x, y), self.1.deflection(x, y));
        [a[0] + b[0], a[1] + b[1]]
    }
    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        let (a, b) = (self.0.hessian(x, y), self.1.hessian(x, y));
        [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
    }
    fn potential(&self, x: f64, y: f64) -> f64 {
        self.0.potential(x, y) + self.1.potential(x, y)
    }
}

/// Mean excess of the convergence within 0.15 arcsec of a point.
fn excess_at(excess: &Array2<f64>, scale: f64, [x, y]: [f64; 2]) -> f64 {
    let frame = crate::studies::lens_reconstruction::Frame::new(excess.dim(), scale);
    let near =
        excess.indexed_iter().filter(|((j, i), _)| (frame.x(*i as f64) - x).hypot(frame.y(*j as f64) - y) < 0.15);
    let (sum, count) = near.fold((0.0, 0.0), |(s, c), (_, v)| (s + v, c + 1.0));
    sum / count
}

/// A subhalo of 0.05 arcsec beside the arcs, which no ellipsoid can follow, stands in the map of the convergence where it is;
/// where there is none, the correction stays small.
#[test]
fn a_subhalo_is_found_in_the_convergence_and_none_where_there_is_none() {
    let place = [0.9, 0.75];
    let subhalo = with_moved(&LensModel::default(), [0.05, 0.0, 0.0, place[0], place[1], 0.0, 0.0]);
    let none = with_moved(&LensModel::default(), [0.0, 0.0, 0.0, place[0], place[1], 0.0, 0.0]);
    let grid = SourceGrid { centre: [0.0, 0.05], pixel: 0.03, side: 28 };
    let spec =
        MockSpec { size_px: 64, pixel_scale_arcsec: 0.06125, psf_fwhm_arcsec: 0.12, noise_over_peak: 0.02, seed: 3 };
    let [with, without] = [subhalo, none].map(|second| {
        let truth = Two(lens().prepare(), second.prepare());
        let observation = observe(&truth, &grid, &clumps(&grid), &spec).unwrap().0.with_annulus([0.0, 0.0], 0.5, 1.9);
        let settings = InversionSettings { rays_a_side: 2, ..settings(30) };
        let smooth = invert(&observation, None, &lens(), &settings, &mut |_| ControlFlow::Continue(())).unwrap();
        let settings = PixelSettings { source: settings, ..PixelSettings::default() };
        let fit = fit_pixels(&observation, None, &smooth.lens, &settings, &mut |_| ControlFlow::Continue(())).unwrap();
        assert!(fit.chi2 < fit.chi2_start && fit.determined > fit.source_determined, "{} {}", fit.chi2, fit.chi2_start);
        assert!((fit.reduced_chi2() - 1.0).abs() < 0.1, "{}", fit.reduced_chi2());
        // The start is the source of that lens, per its own degrees of freedom.
        let started = recover_source(&observation, &smooth.lens, &settings.source).unwrap();
        let (start, expected) = (fit.reduced_chi2_start(), started.reduced_chi2());
        assert!((start / expected - 1.0).abs() < 1e-9, "{start} {expected}");
        (smooth, fit)
    });
    let (smooth, fit) = &with;
    assert!(smooth.reduced_chi2() > 1.15, "the ellipsoid does not follow: {}", smooth.reduced_chi2());
    assert!(
        fit.evidence_ln_source_given_mass > smooth.evidence_ln + 300.0,
        "{} {}",
        fit.evidence_ln_source_given_mass,
        smooth.evidence_ln
    );
    let at_subhalo = excess_at(&fit.excess, 0.06125, place);
    assert!(at_subhalo > 0.1, "{at_subhalo}");
    for other in [[-0.9, -0.75], [0.9, -0.75], [-0.9, 0.75]] {
        let elsewhere = excess_at(&fit.excess, 0.06125, other);
        assert!(elsewhere.abs() < 0.3 * at_subhalo, "{other:?}: {elsewhere} {at_subhalo}");
    }
    let (_, fit) = &without;
    assert!(fit.correction_rms < 0.02, "{}", fit.correction_rms);
    assert!(excess_at(&fit.excess, 0.06125, place).abs() < 0.02);
    assert!(fit.chi2_start - fit.chi2 < 80.0, "{} {}", fit.chi2_start, fit.chi2);
}

/// A floor under the source: nothing negative, and as good a model.
#[test]
fn a_source_that_may_not_be_negative_is_not() {
    let (observation, _, _) = mock(0.05, 26, 28);
    let settings = PixelSettings { source: settings(24), positive: true, ..PixelSettings::default() };
    let (mut chi2, mut counted) = (f64::NAN, 0);
    let fit = fit_pixels(&observation, None, &lens(), &settings, &mut |event| {
        match event {
            Event::Step(step) => {
                assert_eq!(counted, 0, "no step on shaken data is shown");
                chi2 = step.parts.chi2;
            }
            Event::DegreesOfFreedom => counted += 1,
            Event::Within => {}
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(counted > 2 && (chi2 / fit.chi2 - 1.0).abs() < 1e-3, "{counted} {chi2} {}", fit.chi2);
    assert!(fit.source.iter().all(|v| *v >= 0.0));
    assert!((fit.reduced_chi2() - 1.0).abs() < 0.12, "{}", fit.reduced_chi2());
    let stopped = fit_pixels(&observation, None, &lens(), &settings, &mut |_| ControlFlow::Break(()));
    assert_eq!(stopped.unwrap_err().to_string(), "the fit was cancelled");
    let wrong = PixelSettings { mass_step: 0.0, ..settings };
    let text = fit_pixels(&observation, None, &lens(), &wrong, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(text.to_string().starts_with("convergence_step = 0"));
}
