//! Tests of the forward model.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use super::*;
use crate::numerics::random;
use crate::studies::lens_models::{LensModel, Mass, Multipole, Sersic, Shear, Sie, Sis};
use crate::studies::lens_reconstruction::Scene;

fn scene() -> Scene {
    Scene {
        lens: LensModel::isothermal(
            Sie {
                einstein_radius_arcsec: 0.8,
                axis_ratio: 0.7,
                position_angle_deg: 30.0,
                x_arcsec: 0.03,
                y_arcsec: -0.02,
            },
            Shear { gamma1: 0.03, gamma2: -0.05 },
        ),
        sources: vec![
            Sersic {
                amplitude: 2.0,
                effective_radius_arcsec: 0.2,
                index: 1.3,
                axis_ratio: 0.6,
                position_angle_deg: 70.0,
                x_arcsec: 0.1,
                y_arcsec: 0.05,
            },
            Sersic {
                amplitude: 1.0,
                effective_radius_arcsec: 0.1,
                x_arcsec: -0.15,
                y_arcsec: 0.1,
                ..Sersic::default()
            },
        ],
        lens_light: vec![Sersic {
            amplitude: 3.0,
            effective_radius_arcsec: 0.5,
            index: 3.0,
            axis_ratio: 0.8,
            position_angle_deg: 20.0,
            x_arcsec: 0.01,
            y_arcsec: 0.0,
        }],
        sky: 0.2,
    }
}

fn observation(size: usize, kernel: Array2<f64>) -> Observation {
    let noise = Array2::from_shape_fn((size, size), |(j, i)| 0.1 + 0.001 * (j + 2 * i) as f64);
    let mask = Array2::from_elem((size, size), true);
    Observation::new(Array2::zeros((size, size)), noise, kernel, mask, 0.1).unwrap().with_annulus([0.0, 0.0], 0.2, 1.4)
}

fn lopsided(n: usize) -> Array2<f64> {
    let mut rng = random::stream(1, "psf", 0);
    Array2::from_shape_fn((n, n), |_| random::uniform(&mut rng))
}

/// With a mass of another slope, a multipole and a satellite.
fn rich_scene() -> Scene {
    let mut scene = scene();
    scene.lens.galaxy.slope = 2.1;
    let galaxy = scene.lens.galaxy;
    let (x_arcsec, y_arcsec) = (galaxy.x_arcsec, galaxy.y_arcsec);
    scene.lens.further = vec![
        Mass::Multipole(Multipole { order: 4, a_arcsec: 0.02, b_arcsec: -0.01, x_arcsec, y_arcsec }),
        Mass::Sis(Sis { einstein_radius_arcsec: 0.1, x_arcsec: 0.63, y_arcsec: 0.51 }),
    ];
    scene
}

#[test]
fn jacobian_agrees_with_finite_differences() {
    let (scene, sampling) = (rich_scene(), Sampling { per_pixel_side: 2, adaptive: true });
    let (mut layout, p) = (scene.layout(), scene.parameters());
    layout.lens.free_slope = true;
    for kernel in [lopsided(5), lopsided(13)] {
        let mut model = ForwardModel::new(&observation(32, kernel), layout, sampling).unwrap();
        model.adapt(&p);
        let n = model.pixels();
        let listed: Vec<usize> = (0..layout.len()).collect();
        let mut jacobian = vec![0.0; listed.len() * n];
        model.jacobian(&p, &listed, &mut jacobian);
        for k in 0..layout.len() {
            let h = 1e-4;
            let mut shifted = |by: f64| {
                let mut p = p.clone();
                p[k] += by;
                let mut out = vec![0.0; n];
                model.model(&p, &mut out);
                out
            };
            let (a, b, c, d) = (shifted(2.0 * h), shifted(h), shifted(-h), shifted(-2.0 * h));
            let column = &jacobian[k * n..(k + 1) * n];
            let scale = column.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            for i in 0..n {
                let difference = (8.0 * (b[i] - c[i]) - (a[i] - d[i])) / (12.0 * h);
                assert!(
                    (difference - column[i]).abs() < 1e-6 * scale,
                    "{} pixel {i}: {difference} {}",
                    layout.names()[k],
                    column[i]
                );
            }
        }
    }
}

#[test]
fn listed_columns_are_the_same_whatever_else_is_listed() {
    let scene = scene();
    let (layout, p) = (scene.layout(), scene.parameters());
    let mut model =
        ForwardModel::new(&observation(24, lopsided(7)), layout, Sampling { per_pixel_side: 1, adaptive: false })
            .unwrap();
    let n = model.pixels();
    let mut all = vec![0.0; layout.len() * n];
    model.jacobian(&p, &(0..layout.len()).collect::<Vec<_>>(), &mut all);
    let listed = [layout.sky(), 3, layout.light(0) + 6, 8];
    let mut some = vec![0.0; listed.len() * n];
    model.jacobian(&p, &listed, &mut some);
    for (k, &i) in listed.iter().enumerate() {
        for (a, b) in some[k * n..(k + 1) * n].iter().zip(&all[i * n..(i + 1) * n]) {
            assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()));
        }
    }
}

#[test]
fn components_add_up_to_the_model() {
    let (scene, sampling) = (scene(), Sampling { per_pixel_side: 1, adaptive: true });
    let (layout, p) = (scene.layout(), scene.parameters());
    let observation = observation(32, lopsided(7));
    let mut model = ForwardModel::new(&observation, layout, sampling).unwrap();
    model.adapt(&p);
    let n = model.pixels();
    let (mut whole, mut parts) = (vec![0.0; n], vec![0.0; (layout.components() + 1) * n]);
    model.model(&p, &mut whole);
    model.components(&p, &mut parts);
    for i in 0..n {
        let sum: f64 = layout.linear().enumerate().map(|(k, place)| parts[k * n + i] * p[place]).sum();
        assert!((sum - whole[i]).abs() < 1e-11 * whole[i].abs(), "{sum} {}", whole[i]);
    }
}

#[test]
fn adaptive_sampling_reaches_the_accuracy_it_aims_at() {
    let scene = scene();
    let (layout, p) = (scene.layout(), scene.parameters());
    let mut observation = observation(40, lopsided(3));
    observation.noise.fill(0.02);
    let image = |per_pixel_side: usize, adaptive: bool| {
        let mut model = ForwardModel::new(&observation, layout, Sampling { per_pixel_side, adaptive }).unwrap();
        model.adapt(&p);
        let mut out = vec![0.0; model.pixels()];
        model.model(&p, &mut out);
        (out, model.samples())
    };
    let (exact, _) = image(10, false);
    let (adapted, samples) = image(1, true);
    let (plain, plain_samples) = image(1, false);
    let worst = |a: &[f64]| a.iter().zip(&exact).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max);
    assert!(worst(&adapted) < 0.1, "{} sigma", worst(&adapted));
    assert!(worst(&plain) > 5.0 * worst(&adapted), "{} {}", worst(&plain), worst(&adapted));
    assert!(
        samples[0] + samples[1] < 70 * plain_samples[0],
        "{samples:?} {plain_samples:?}: about a third of the 10 x 10 grid"
    );
}

#[test]
fn the_same_bits_on_one_and_on_two_threads() {
    let (scene, sampling) = (scene(), Sampling { per_pixel_side: 1, adaptive: true });
    let (layout, p) = (scene.layout(), scene.parameters());
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut model = ForwardModel::new(&observation(32, lopsided(13)), layout, sampling).unwrap();
            model.adapt(&p);
            let mut out = vec![0.0; layout.len() * model.pixels()];
            model.jacobian(&p, &(0..layout.len()).collect::<Vec<_>>(), &mut out);
            out.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        })
    };
    assert_eq!(run(1), run(2));
}

/// The gradient by the adjoint is that from the Jacobian, and the value is that of the model.
#[test]
fn the_adjoint_gives_the_gradient_of_the_jacobian() {
    let (scene, sampling) = (rich_scene(), Sampling { per_pixel_side: 2, adaptive: true });
    let (mut layout, p) = (scene.layout(), scene.parameters());
    layout.lens.free_slope = true;
    for kernel in [lopsided(5), lopsided(13)] {
        let mut observed = observation(32, kernel);
        observed.data.fill(0.7);
        let mut model = ForwardModel::new(&observed, layout, sampling).unwrap();
        model.adapt(&p);
        let n = model.pixels();
        let listed: Vec<usize> = (0..layout.len()).collect();
        let (mut jacobian, mut values) = (vec![0.0; listed.len() * n], vec![0.0; n]);
        model.jacobian(&p, &listed, &mut jacobian);
        model.model(&p, &mut values);
        let residual: Vec<f64> = values.iter().zip(model.target()).map(|(m, t)| m - t).collect();
        let (mut gradient, mut found) = (vec![0.0; listed.len()], vec![0.0; n]);
        let half = model.half_chi2_and_gradient(&p, &listed, &mut gradient, &mut found);
        let expected: f64 = 0.5 * residual.iter().map(|r| r * r).sum::<f64>();
        assert!((half / expected - 1.0).abs() < 1e-12, "{half} {expected}");
        for (k, g) in gradient.iter().enumerate() {
            let column = &jacobian[k * n..(k + 1) * n];
            let expected: f64 = column.iter().zip(&residual).map(|(j, r)| j * r).sum();
            let scale: f64 = column.iter().zip(&residual).map(|(j, r)| (j * r).abs()).sum();
            assert!((g - expected).abs() < 1e-11 * scale, "{}: {g} {expected}", layout.names()[k]);
        }
    }
}
