//! Benches: one group a claim.

mod cube_view;
mod fits_cube;
mod image_view;
mod learning;
mod line_fit;
mod pixelated;
mod window;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ndarray::Array2;
use sextans::plots::color_table::{ColorTable, Display};
use sextans::plots::colors;
use sextans::plots::limits::{Limits, LimitsMode};
use sextans::studies::lens_models::{
    DeflectionScratch, ImageFinder, IsothermalLens, LensModel, PixelDeflection, PowerLaw, Sersic, Window,
    critical_curves, images_of_point, lens_curves,
};
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
            let layout = Layout { sources: 1, ..Layout::default() };
            let sampling = Sampling { per_pixel_side: side, adaptive: false };
            let mut model = ForwardModel::new(&made.observation, layout, sampling).expect("a model");
            let parameters = scene.parameters();
            let mut out = vec![0.0; model.pixels()];
            group.bench_function(format!("{size_px}x{size_px} supersampled {side}"), |b| {
                pool.install(|| b.iter(|| model.model(black_box(&parameters), &mut out)));
            });
        }
    }
    group.finish();
}

fn lens_geometry(c: &mut Criterion) {
    let lens = IsothermalLens::default();
    c.bench_function("critical curves and caustics, 400 points", |b| b.iter(|| critical_curves(black_box(&lens), 400)));
    c.bench_function("images of a point", |b| b.iter(|| images_of_point(black_box(&lens), [0.05, 0.03])));
    let window = Window { centre: [0.0; 2], half_width_arcsec: 3.0, cells: 100 };
    let law = PowerLaw {
        einstein_radius_arcsec: 1.2,
        slope: 2.1,
        axis_ratio: 0.7,
        position_angle_deg: 15.0,
        x_arcsec: 0.0,
        y_arcsec: 0.0,
    };
    let law = law.prepare();
    c.bench_function("power law: curves and caustics of a grid", |b| {
        b.iter(|| lens_curves(black_box(&law), window, &[[0.0; 2]]));
    });
    c.bench_function("power law: image finder and one source", |b| {
        b.iter(|| ImageFinder::new(black_box(&law), window, &[[0.0; 2]]).images(&law, [0.05, 0.03]));
    });
    for n in [64, 128] {
        let maps = PixelDeflection::new([n, n], 7.68 / n as f64);
        let convergence = vec![0.3; n * n];
        let (mut ax, mut ay, mut back) = (convergence.clone(), convergence.clone(), convergence.clone());
        let mut scratch = DeflectionScratch::default();
        c.bench_function(&format!("pixelated convergence {n} x {n}: deflection"), |b| {
            b.iter(|| maps.apply(black_box(&convergence), [&mut ax, &mut ay], &mut scratch));
        });
        c.bench_function(&format!("pixelated convergence {n} x {n}: adjoint"), |b| {
            b.iter(|| maps.apply_adjoint(black_box([&ax, &ay]), &mut back, &mut scratch));
        });
    }
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
    image_view::image_view,
    learning::learning,
    line_fit::line_fit,
    pixelated::pixelated,
    window::window_claims
);
criterion_main!(benches);
