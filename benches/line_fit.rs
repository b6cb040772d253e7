//! Emission lines, on one thread: the shape of five lines of SN3 with slopes, the fit of one spectrum (424 samples, five lines, scan of
//! 1000 km/s, errors), its exact grid posterior, and a MUSE spectrum.
//!
//! ```text
//! cargo bench --bench main -- line_fit
//! ```

use std::hint::black_box;

use criterion::Criterion;
use sextans::numerics::random::{self, stream, uniform_in};
use sextans::studies::line_ratios::axis::Filter;
use sextans::studies::line_ratios::fit::{LineModel, ModelSettings};
use sextans::studies::line_ratios::frame::{Coordinate, Frame, Medium};
use sextans::studies::line_ratios::lines::Line;
use sextans::studies::line_ratios::shape::{LineShape, Sampler};

/// Spectra of a benchmark, fitted in turn: one alone would be learnt by the branch predictor.
const SPECTRA: u64 = 64;

fn settings() -> ModelSettings {
    ModelSettings {
        lines: vec![Line::NII6548, Line::Halpha, Line::NII6583, Line::SII6716, Line::SII6731],
        tie_doublets: true,
        continuum_order: 0,
        absorption_km_s: None,
        velocity_range: (-500.0, 500.0),
        broadening_max: 200.0,
        per_angstrom: false,
    }
}

/// SN3 at R = 5000, in its band.
fn sn3() -> LineModel {
    let axis = Filter::Sn3.axis(5000.0, 1.0375);
    let (low, high) = Filter::Sn3.band();
    let band = axis.wavenumbers().into_iter().filter(|x| (low..high).contains(x)).collect();
    let sampler = Sampler::new(band, LineShape::Sinc { width: axis.sinc_width() });
    let frame = Frame { coordinate: Coordinate::Wavenumber, medium: Medium::Air, redshift: 0.0 };
    LineModel::new(sampler, frame, settings()).expect("a model of SN3")
}

/// MUSE around H alpha of a galaxy at rest: 320 samples.
fn muse() -> LineModel {
    let axis = (0..320).map(|k| 6450.0 + 1.25 * f64::from(k)).collect();
    let sampler = Sampler::new(axis, LineShape::gaussian(1.08));
    let frame = Frame { coordinate: Coordinate::Wavelength { unit_nm: 0.1 }, medium: Medium::Air, redshift: 0.0 };
    LineModel::new(sampler, frame, settings()).expect("a model of MUSE")
}

/// HII regions with a peak of `signal_to_noise` times the noise, which is 1.
fn spectra(model: &LineModel, signal_to_noise: f64) -> Vec<Vec<f64>> {
    let flux = |line: Line| match line {
        Line::Halpha => 1.0,
        Line::NII6583 => 0.45,
        Line::NII6548 => 0.15,
        _ => 0.2,
    };
    let mut noise = vec![0.0; model.samples()];
    (0..SPECTRA)
        .map(|index| {
            let mut rng = stream(1, "bench spectra", index);
            let mut data = vec![0.0; model.samples()];
            model.spectrum(uniform_in(&mut rng, -200.0, 200.0), uniform_in(&mut rng, 10.0, 50.0), flux, &mut data);
            let peak = data.iter().copied().fold(0.0, f64::max);
            random::fill_normal(&mut rng, &mut noise);
            data.iter().zip(&noise).map(|(value, noise)| signal_to_noise * value / peak + noise).collect()
        })
        .collect()
}

/// The group.
pub fn line_fit(c: &mut Criterion) {
    let mut group = c.benchmark_group("line_fit");
    let model = sn3();
    let n = model.samples();
    let (mut value, mut by_centre, mut by_sigma) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    group.bench_function("shape of five lines with slopes, SN3", |b| {
        b.iter(|| {
            for line in model.lines() {
                let x = line.air_wavenumber();
                model.sampler().profile_and_slopes(black_box(x), 1.5, 0..n, &mut value, &mut by_centre, &mut by_sigma);
            }
        });
    });
    for (name, model) in [("SN3", model.clone()), ("MUSE", muse())] {
        let weights = vec![1.0; model.samples()];
        let mut scratch = model.scratch();
        for signal_to_noise in [3.0, 10.0, 50.0] {
            let spectra = spectra(&model, signal_to_noise);
            let mut turn = spectra.iter().cycle();
            group.bench_function(format!("a spectrum of {name} at S/N {signal_to_noise}"), |b| {
                b.iter(|| model.fit(turn.next().expect("a cycle"), black_box(&weights), &mut scratch));
            });
        }
    }
    group.sample_size(10);
    let spectra = spectra(&model, 5.0);
    let weights = vec![1.0; n];
    let mut scratch = model.scratch();
    group.bench_function("grid posterior of a spectrum of SN3 at S/N 5", |b| {
        b.iter(|| model.posterior(black_box(&spectra[0]), &weights, &mut scratch));
    });
    group.finish();
}
