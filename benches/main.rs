//! Benches: one group a claim.

mod cube_view;
mod fits_cube;
mod image_view;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ndarray::Array2;
use sextans::plots::color_table::{ColorTable, Display};
use sextans::plots::colors;
use sextans::plots::limits::{Limits, LimitsMode};
use sextans::studies::lens_models::{LensModel, Sersic, critical_curves, images_of_point};
use sextans::studies::lens_reconstruction::imaging::{ForwardModel, Sampling};
use sextans::studies::lens_reconstruction::simulate::{SimulationSpec, simulate};
use sextans::studies::lens_reconstruction::{Layout, Scene};

/// SIE, shear, Sersic source, PSF: one image, on one thread.
fn lens_forward(c: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool of one thread");
    let mut group = c.benchmark_group("lens_forward_one_thread");
    for size_px in [64, 128] {
        for side in [1, 2, 4] {
            let scene = Scene { lens: LensModel::default(), sources: vec![Sersic::default()], ..Scene::default() };
            let spec = SimulationSpec {
                size_px,
                pixel_scale_arcsec: 5.12 / size_px as f64,
                scene: scene.clone(),
                ..SimulationSpec::default()
            };
            let made = simulate(&spec).expect("a simulation");
            let layout = Layout { sources: 1, lights: 0 };
            let sampling = Sampling { per_pixel_side: side, adaptive: false };
            let mut model = ForwardModel::new(&made.observation, layout, sampling).expect("a model");
            let parameters = scene.parameters();
            let mut out = vec![0.0; model.pixels()];
            group.bench_function(format!("{size_px}x{size_px} supersampled {side}"), |b| {
                b.iter(|| pool.install(|| model.model(black_box(&parameters), &mut out)));
            });
        }
    }
    group.finish();
}

fn lens_geometry(c: &mut Criterion) {
    let lens = LensModel::default();
    c.bench_function("critical curves and caustics, 400 points", |b| b.iter(|| critical_curves(black_box(&lens), 400)));
    c.bench_function("images of a point", |b| b.iter(|| images_of_point(black_box(&lens), [0.05, 0.03])));
}

/// What a frame costs: 4096 x 4096 pixels through the baked table.
fn colouring(c: &mut Criterion) {
    let image = Array2::from_shape_fn((4096, 4096), |(y, x)| ((x * 31 + y * 17) % 1000) as f32);
    let display = Display::sky();
    let limits = Limits::of(image.view(), LimitsMode::Percentile(99.5), [0.0, 1.0]);
    let table = ColorTable::new(&display, limits, colors::nan_neutral(egui::Theme::Dark));
    let mut pixels = Vec::new();
    c.bench_function("colour 4096 x 4096", |b| {
        b.iter(|| {
            pixels.clear();
            table.fill(image.iter().copied(), &mut pixels);
        });
    });
}

criterion_group!(
    benches,
    lens_forward,
    lens_geometry,
    colouring,
    fits_cube::fits_cube,
    cube_view::cube_view,
    image_view::image_view
);
criterion_main!(benches);
