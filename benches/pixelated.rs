//! Sources and mass in pixels, on one thread: one forward pass and gradient of the joint problem (a lensed source of 40 x 40 pixels, a
//! convergence as large as the image with the reach of the PSF around it, FFT deflection, Gaussian PSF); and an inversion by its parts.
//! The count of evaluations to convergence stands in the metrics of a run (`gradient_calls`).
//!
//! ```text
//! cargo bench --bench main -- pixelated
//! ```

use std::hint::black_box;

use criterion::Criterion;
use sextans::studies::lens_models::LensModel;
use sextans::studies::lens_reconstruction::Observation;
use sextans::studies::lens_reconstruction::pixelated::mock::{MockSpec, observe};
use sextans::studies::lens_reconstruction::pixelated::{
    InversionSettings, PixelSettings, SourceGrid, joint_model, recover_source,
};

/// A Gaussian source behind the default lens, `size_px` pixels over 5.12 arcsec.
fn observation(size_px: usize) -> Observation {
    let grid = SourceGrid { centre: [0.05, 0.03], pixel: 0.02, side: 40 };
    let source: Vec<f64> = (0..grid.len())
        .map(|k| {
            let [x, y] = grid.place([k / grid.side, k % grid.side]);
            (-((x - 0.06).powi(2) + (y - 0.02).powi(2)) / 0.01).exp()
        })
        .collect();
    let spec = MockSpec {
        size_px,
        pixel_scale_arcsec: 5.12 / size_px as f64,
        psf_fwhm_arcsec: 0.12,
        noise_over_peak: 0.02,
        seed: 1,
    };
    observe(&LensModel::default().prepare(), &grid, &source, &spec).expect("a mock observation").0
}

/// The group.
pub fn pixelated(c: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool of one thread");
    let mut group = c.benchmark_group("pixelated_one_thread");
    for size_px in [64, 128] {
        let made = observation(size_px);
        for rays_a_side in [1, 2] {
            let source = InversionSettings { rays_a_side, ..InversionSettings::default() };
            let settings = PixelSettings { source, ..PixelSettings::default() };
            let (mut model, x) = joint_model(&made, None, &LensModel::default(), &settings).expect("a model");
            let mut gradient = vec![0.0; x.len()];
            group.bench_function(format!("forward and gradient {size_px}x{size_px}, rays {rays_a_side}"), |b| {
                pool.install(|| b.iter(|| model.evaluate(black_box(&x), &mut gradient)));
            });
        }
    }
    group.sample_size(10);
    let made = observation(64);
    for source_pixels in [30, 40] {
        let settings = InversionSettings { source_pixels, ..InversionSettings::default() };
        group.bench_function(format!("inversion {source_pixels}x{source_pixels}, strength by the evidence"), |b| {
            b.iter(|| pool.install(|| recover_source(black_box(&made), &LensModel::default(), &settings)));
        });
    }
    group.finish();
}
