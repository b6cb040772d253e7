//! Promises of `line_ratios.fit`: real spectra and a real cube, a cube whose truth is known, bins, errors in words.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, ArrayD};
use sextans::data::{FitsFile, Keyword, Plane, Wcs, write_planes};
use sextans::numerics::random::{self, stream};
use sextans::runs::{Hooks, RunResult, execute};
use sextans::studies::line_ratios::axis::Filter;
use sextans::studies::line_ratios::fit::{LineModel, ModelSettings};
use sextans::studies::line_ratios::frame::{Coordinate, Frame, Medium};
use sextans::studies::line_ratios::lines::Line;
use sextans::studies::line_ratios::shape::{LineShape, Sampler};
use sextans::studies::line_ratios::{Binning, FitOutcome, FitRequest, FitUpdate, Inspected, Method};
use sextans::tasks::{Board, Outcome, Progress, Task, TaskEntry};

use super::fits_support::data_folder;

fn fit_into(out: &Path, request: &FitRequest) -> RunResult {
    let request = serde_json::to_value(request).unwrap();
    execute(&TaskEntry::of::<FitRequest>(), &request, out, false, &Board::new(), &Hooks::NONE).unwrap()
}

fn real(test: &str, name: &str) -> Option<PathBuf> {
    data_folder(test).map(|folder| folder.join("lines").join(name))
}

/// [NII] 6583 / 6548, left free, has its atomic ratio, and the residual is as small as the noise beside the lines.
#[test]
fn m57_has_the_atomic_ratio_of_its_nitrogen_doublet() {
    let Some(data) = real("m57_has_the_atomic_ratio_of_its_nitrogen_doublet", "sitelle-m57.fits") else { return };
    let folder = tempfile::tempdir().unwrap();
    let request = FitRequest { data: Some(data), tie_doublets: false, ..FitRequest::default() };
    let run = fit_into(&folder.path().join("m57"), &request);
    let m = &run.record.metrics;
    let number = |name: &str| m.get(name).copied().unwrap_or_else(|| panic!("{name} in {m:?}"));
    assert!((number("NII6583/NII6548") - 3.0).abs() < 0.25, "{m:?}");
    assert!(number("NII6583/NII6548_error") < 0.3);
    assert!((0.8..1.2).contains(&number("reduced_chi2")), "{m:?}");
    assert!(number("significance") > 30.0 && number("flux/Halpha") > 20.0 * number("flux/Halpha_error"));
    assert!((0.0..60.0).contains(&number("broadening_km_s")) && number("velocity_km_s").abs() < 200.0);
    // The errors of this file are a thousand times too large: the run says so and mends them.
    assert!(run.record.warnings.iter().any(|line| line.starts_with("noise:")), "{:?}", run.record.warnings);
    assert!(run.record.warnings.iter().any(|line| line.starts_with("zero point:")));
}

/// The approaching side of M31: one velocity that the zero point moves by what it says.
#[test]
fn m31_approaches() {
    let Some(data) = real("m31_approaches", "sitelle-m31.fits") else { return };
    let folder = tempfile::tempdir().unwrap();
    let request = FitRequest { data: Some(data), ..FitRequest::default() };
    let plain = fit_into(&folder.path().join("plain"), &request).record.metrics;
    let moved = FitRequest { velocity_zero_km_s: 70.0, ..request };
    let moved = fit_into(&folder.path().join("moved"), &moved).record.metrics;
    let number = |m: &sextans::tasks::Metrics, name: &str| m[name];
    assert!((-540.0..-470.0).contains(&number(&plain, "velocity_km_s")), "{plain:?}");
    assert!(number(&plain, "significance") > 10.0 && (0.8..1.2).contains(&number(&plain, "reduced_chi2")));
    let shift = number(&plain, "velocity_km_s") - number(&moved, "velocity_km_s");
    assert!((shift - 70.0).abs() < 0.3, "{shift}");
    assert!((number(&plain, "flux/Halpha") / number(&moved, "flux/Halpha") - 1.0).abs() < 0.01);
}

/// The networks agree with the fit where they know the velocity, and say so where they do not.
#[test]
fn networks_on_m31_agree_with_the_fit_or_warn() {
    let Some(data) = real("networks_on_m31_agree_with_the_fit_or_warn", "sitelle-m31.fits") else { return };
    let folder = tempfile::tempdir().unwrap();
    let far = FitRequest { data: Some(data), method: Method::Network, ..FitRequest::default() };
    let run = fit_into(&folder.path().join("far"), &far);
    let told =
        |line: &String| line.starts_with("the networks know velocities") && line.contains("set redshift=-0.0016");
    assert!(run.record.warnings.iter().any(told), "{:?}", run.record.warnings);
    let fit = FitRequest { redshift: -0.00167, method: Method::Fit, ..far };
    let fitted = fit_into(&folder.path().join("fit"), &fit).record.metrics;
    for method in [Method::Network, Method::Hybrid] {
        let run = fit_into(&folder.path().join(format!("{method:?}")), &FitRequest { method, ..fit.clone() });
        assert!(!run.record.warnings.iter().any(told));
        let m = &run.record.metrics;
        for (name, most) in [("velocity_km_s", 2.0), ("broadening_km_s", 2.0), ("flux/Halpha", 1.5)] {
            let error = m[&format!("{name}_error")].hypot(fitted[&format!("{name}_error")]);
            // The same noise in both: they differ by less than their errors.
            assert!((m[name] - fitted[name]).abs() < most * error, "{method:?} {name}: {} {}", m[name], fitted[name]);
        }
    }
}

/// The gas in the core of Abell 478: redshift from five lines, maps where there is signal, the sky in place.
#[test]
fn abell_478_has_a_velocity_map() {
    let Some(data) = real("abell_478_has_a_velocity_map", "muse-abell478.fits") else { return };
    let folder = tempfile::tempdir().unwrap();
    // Velocities from the redshift of the cluster: the gas lies 690 km/s to the blue of it.
    let request =
        FitRequest { data: Some(data.clone()), redshift: 0.0881, velocity_range_km_s: 1500.0, ..FitRequest::default() };
    let out = folder.path().join("maps");
    let run = fit_into(&out, &request);
    let m = &run.record.metrics;
    let number = |name: &str| m.get(name).copied().unwrap_or_else(|| panic!("{name} in {m:?}"));
    assert!((number("mean_spectrum/redshift") - 0.0858).abs() < 0.001, "{m:?}");
    assert!((0.9..1.15).contains(&number("median_reduced_chi2")), "{m:?}");
    assert!((0.8..1.5).contains(&number("median/NII6583/Halpha")));
    assert_eq!(number("spectra"), 1600.0);
    let outcome = run.outcome.get::<FitOutcome>().unwrap();
    let map = |name: &str| &outcome.map(name).unwrap().values;
    let velocity = map("VELOCITY");
    let known = velocity.iter().filter(|v| v.is_finite()).count();
    assert!((1200..1600).contains(&known), "{known}");
    for (v, significance) in velocity.iter().zip(map("SIGNIFICANCE")) {
        assert!(!v.is_finite() || *significance >= 3.0);
    }
    // Instrument removed: MUSE alone is 44 km/s (standard deviation) there; the gas of the mean is broader than one spaxel's.
    let widths: Vec<f32> = map("BROADENING").iter().copied().filter(|v| v.is_finite()).collect();
    let mean = widths.iter().sum::<f32>() / widths.len() as f32;
    assert!((70.0..130.0).contains(&mean), "{mean}");
    let (old, new) = (FitsFile::open(&data).unwrap(), FitsFile::open(&out.join("maps.fits")).unwrap());
    let sky = |file: &FitsFile, hdu: usize, pixel: &[f64]| {
        Wcs::from_header(&file.hdu(hdu).unwrap().header).unwrap().unwrap().world_from_pixel(pixel).unwrap()
    };
    let (a, b) = (sky(&old, 1, &[5.0, 30.0, 0.0]), sky(&new, 3, &[5.0, 30.0]));
    assert!((a[0] - b[0]).abs() < 1e-9 && (a[1] - b[1]).abs() < 1e-9, "{a:?} {b:?}");

    let binned = FitRequest { binning: Binning::Voronoi, target_snr: 40.0, ..request };
    let run = fit_into(&folder.path().join("voronoi"), &binned);
    let outcome = run.outcome.get::<FitOutcome>().unwrap();
    let bins = outcome.map("BIN").unwrap().values.iter().fold(0.0f32, |most, bin| most.max(*bin));
    assert!((20.0..1000.0).contains(&bins), "{bins}");
    let better = outcome.map("VELOCITY").unwrap().values.iter().filter(|v| v.is_finite()).count();
    assert!(better > known, "{better} {known}");
}

const ROWS: usize = 9;
const COLUMNS: usize = 7;

/// A small SITELLE cube with a velocity gradient, one empty corner spaxel, noise of 1 and peaks of about 60.
fn cube(path: &Path, falling: bool) -> (Array2<f64>, f64) {
    let axis = Filter::Sn3.axis(3000.0, 1.0375);
    let wavenumbers = axis.wavenumbers();
    let n = wavenumbers.len();
    let sampler = Sampler::new(wavenumbers, LineShape::Sinc { width: axis.sinc_width() });
    let settings = ModelSettings {
        lines: Line::ALL.to_vec(),
        tie_doublets: true,
        continuum_order: 0,
        absorption_km_s: None,
        velocity_range: (-500.0, 500.0),
        broadening_max: 100.0,
        per_angstrom: false,
    };
    let frame = Frame { coordinate: Coordinate::Wavenumber, medium: Medium::Air, redshift: 0.0 };
    let model = LineModel::new(sampler, frame, settings).unwrap();
    let velocity = Array2::from_shape_fn((ROWS, COLUMNS), |(y, x)| -80.0 + 15.0 * y as f64 + 7.0 * x as f64);
    let mut values = Array3::<f32>::zeros((n, ROWS, COLUMNS));
    let (mut spectrum, mut noise) = (vec![0.0; n], vec![0.0; n]);
    for ((y, x), velocity) in velocity.indexed_iter() {
        let flux = |line: Line| match line {
            Line::Halpha => 300.0,
            Line::NII6583 => 120.0,
            Line::NII6548 => 120.0 / 2.96,
            Line::SII6716 => 60.0,
            Line::SII6731 => 45.0,
            _ => 0.0,
        };
        model.spectrum(*velocity, 25.0, flux, &mut spectrum);
        random::fill_normal(&mut stream(5, "cube", (y * COLUMNS + x) as u64), &mut noise);
        for z in 0..n {
            let channel = if falling { n - 1 - z } else { z };
            let empty = y == 0 && x == 0;
            values[[channel, y, x]] = if empty { 0.0 } else { (spectrum[z] + noise[z] + 2.0) as f32 };
        }
    }
    let (first, step) =
        if falling { (axis.wavenumber(n - 1), -axis.spacing()) } else { (axis.first(), axis.spacing()) };
    let keywords = [
        Keyword::new("CTYPE1", "RA---TAN", ""),
        Keyword::new("CTYPE2", "DEC--TAN", ""),
        Keyword::new("CTYPE3", "WAVN", ""),
        Keyword::new("CUNIT3", "cm-1", ""),
        Keyword::new("CRVAL1", 23.4, ""),
        Keyword::new("CRVAL2", 30.6, ""),
        Keyword::new("CRVAL3", first, ""),
        Keyword::new("CDELT1", -8.9e-5, ""),
        Keyword::new("CDELT2", 8.9e-5, ""),
        Keyword::new("CDELT3", step, ""),
        Keyword::new("CRPIX1", 4.0, ""),
        Keyword::new("CRPIX2", 5.0, ""),
        Keyword::new("CRPIX3", 1.0, ""),
        Keyword::new("STEP", axis.step_nm, ""),
        Keyword::new("ORDER", axis.order, ""),
        Keyword::new("STEPNB", axis.steps as f64, ""),
        Keyword::new("ZPDINDEX", axis.zero_path_index, ""),
        Keyword::new("AXISCORR", axis.correction, ""),
        Keyword::new("FILTER", "SN3", ""),
    ];
    let values: ArrayD<f32> = values.into_dyn();
    let plane = Plane { name: "", pixels: values.view(), unit: "adu", keywords: keywords.to_vec() };
    write_planes(path, &[plane], &[]).unwrap();
    (velocity, 300.0)
}

#[test]
fn a_cube_gives_back_its_velocities_fluxes_and_ratios() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cube.fits");
    let (truth, flux) = cube(&path, false);
    let request = FitRequest { data: Some(path.clone()), ..FitRequest::default() };
    let out = folder.path().join("fit");
    let run = fit_into(&out, &request);
    let outcome = run.outcome.get::<FitOutcome>().unwrap();
    let map = |name: &str| &outcome.map(name).unwrap_or_else(|| panic!("{name}")).values;
    assert!(map("VELOCITY")[[0, 0]].is_nan() && map("FLUX_Halpha")[[0, 0]].is_nan());
    let mut pulls = Vec::new();
    for ((y, x), truth) in truth.indexed_iter().skip(1) {
        let at = |name: &str| f64::from(map(name)[[y, x]]);
        pulls.push((at("VELOCITY") - truth) / at("VELOCITY_ERROR"));
        assert!((at("FLUX_Halpha") - flux).abs() < 5.0 * at("FLUX_Halpha_ERROR"));
        assert!((at("NII6583/Halpha") - 0.4).abs() < 5.0 * at("NII6583/Halpha_ERROR"));
        assert!((at("SII/Halpha") - 0.35).abs() < 5.0 * at("SII/Halpha_ERROR"));
        assert!(at("SNR_Halpha") > 30.0 && at("FLUX_Halpha_LIMIT").is_nan());
        assert!((0.8..1.25).contains(&at("NOISE_FACTOR")), "noise of 1, measured: {}", at("NOISE_FACTOR"));
    }
    let spread = (pulls.iter().map(|pull| pull * pull).sum::<f64>() / pulls.len() as f64).sqrt();
    assert!((0.75..1.3).contains(&spread), "{spread}");
    assert_eq!(run.record.metrics["spectra"], (ROWS * COLUMNS - 1) as f64);
    assert!(run.record.metrics["spectra_per_second"] > 0.0);
    assert_eq!(outcome.spectra.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["mean", "brightest"]);

    // One spaxel again is what the map has; two together lie between.
    let inspect = |spaxels: &[[usize; 2]]| Inspected::of(&request, spaxels, &Progress::<()>::silent());
    let again = inspect(&[[4, 2]]).unwrap().unwrap();
    assert_eq!(again.estimate.fit.velocity_km_s as f32, map("VELOCITY")[[4, 2]]);
    assert_eq!(again.lines.len(), 5);
    assert!(again.lines.iter().all(|(_, x)| again.axis[0] < *x && *x < again.axis[again.axis.len() - 1]));
    let best = again.spectrum.data.iter().zip(&again.spectrum.model).zip(&again.spectrum.error);
    let chi2 = best.map(|((data, model), error)| ((data - model) / error).powi(2)).sum::<f64>();
    assert!((chi2 / again.estimate.fit.chi2 - 1.0).abs() < 1e-9, "{chi2} {}", again.estimate.fit.chi2);
    let two = inspect(&[[4, 2], [5, 2]]).unwrap().unwrap().estimate.fit.velocity_km_s;
    assert!((two - 0.5 * (truth[[4, 2]] + truth[[5, 2]])).abs() < 5.0, "{two}");
    assert!(inspect(&[[0, COLUMNS]]).unwrap_err().to_string().contains("has none at x"));
    assert!(inspect(&[[0, 0]]).unwrap().is_none());

    let loaded = FitOutcome::load(&out, &run.record.request, &outcome.metrics()).unwrap();
    for (saved, loaded) in outcome.maps.iter().zip(loaded.maps.iter()) {
        assert_eq!((&saved.name, &saved.unit), (&loaded.name, &loaded.unit));
        let same = saved
            .values
            .iter()
            .zip(&loaded.values)
            .all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan());
        assert!(same, "{}", saved.name);
    }
    assert_eq!(outcome.spectra[0].model, loaded.spectra[0].model);
    assert_eq!((loaded.axis_unit.as_str(), loaded.unit.as_str()), ("cm-1", "adu"));
}

/// What the screen shows while maps fill knows its scale by itself.
#[test]
fn live_maps_know_the_side_of_a_spaxel() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cube.fits");
    cube(&path, false);
    let board = Board::new();
    FitRequest { data: Some(path), ..FitRequest::default() }.run(&Progress::on(&board)).unwrap();
    let update = board.latest::<FitUpdate>().unwrap();
    assert!((update.pixel_scale_arcsec.unwrap() - 3600.0 * 8.9e-5).abs() < 1e-9, "{:?}", update.pixel_scale_arcsec);
}

/// Bits of a map, NaN as NaN.
fn bits(outcome: &FitOutcome) -> Vec<u32> {
    let values = outcome.maps.iter().flat_map(|map| map.values.iter());
    values.map(|v| if v.is_nan() { u32::MAX } else { v.to_bits() }).collect()
}

#[test]
fn threads_and_the_direction_of_the_axis_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (rising, falling) = (folder.path().join("rising.fits"), folder.path().join("falling.fits"));
    cube(&rising, false);
    cube(&falling, true);
    for binning in [Binning::None, Binning::Square, Binning::Voronoi] {
        let request = FitRequest {
            data: Some(rising.clone()),
            binning,
            bin_pixels: 2,
            target_snr: 60.0,
            ..FitRequest::default()
        };
        let on = |threads: usize, request: &FitRequest| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| request.run(&Progress::silent())).unwrap()
        };
        let (one, three) = (on(1, &request), on(3, &request));
        assert_eq!(bits(&one), bits(&three), "{binning:?}");
        let back = on(2, &FitRequest { data: Some(falling.clone()), ..request.clone() });
        let largest = one
            .map("VELOCITY")
            .unwrap()
            .values
            .iter()
            .zip(&back.map("VELOCITY").unwrap().values)
            .filter(|(a, _)| a.is_finite())
            .map(|(a, b)| (a - b).abs())
            .fold(0.0f32, f32::max);
        assert!(largest < 1e-2, "{binning:?}: {largest}");
        let bins = one.map("BIN").unwrap().values.iter().fold(0.0f32, |most, bin| most.max(*bin));
        match binning {
            Binning::None => assert_eq!(bins, (ROWS * COLUMNS) as f32),
            Binning::Square => assert_eq!(bins, 20.0),
            Binning::Voronoi => assert!(bins < 40.0 && bins > 1.0, "{bins}"),
        }
    }
}

#[test]
fn what_cannot_be_measured_is_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.fits");
    let error = |request: &FitRequest| {
        let text = request.run(&Progress::silent()).expect_err("an error").to_string();
        assert!(!text.contains('\n'));
        text
    };
    assert!(error(&FitRequest::default()).contains("--input data=FILE"));
    let spectrum = ArrayD::<f32>::ones(vec![300]);
    let write = |cards: &[(&str, &str)], start: f64, step: f64| {
        let mut keywords: Vec<Keyword> = cards.iter().map(|(name, value)| Keyword::new(name, *value, "")).collect();
        keywords.push(Keyword::new("CRVAL1", start, ""));
        keywords.push(Keyword::new("CDELT1", step, ""));
        keywords.push(Keyword::new("CRPIX1", 1.0, ""));
        write_planes(&path, &[Plane { name: "", pixels: spectrum.view(), unit: "", keywords }], &[]).unwrap();
    };
    let request = FitRequest { data: Some(path.clone()), ..FitRequest::default() };
    write(&[("CTYPE1", "FREQ"), ("CUNIT1", "Hz")], 1.4e9, 1e4);
    assert!(error(&request).contains("no wavelength or wavenumber"));
    write(&[("CTYPE1", "AWAV"), ("CUNIT1", "Angstrom")], 6500.0, 1.0);
    assert!(error(&request).contains("set resolving_power"));
    let known = FitRequest { resolving_power: Some(3000.0), ..request.clone() };
    let far = error(&FitRequest { redshift: 2.0, ..known.clone() });
    assert!(far.contains("Halpha") && far.contains("set redshift"), "{far}");
    write(&[("CTYPE1", "LAMBDA"), ("CUNIT1", "Angstrom")], 6500.0, 1.0);
    assert!(error(&known).contains("medium=air"));
    // A flat spectrum has no lines: an answer, and nothing found.
    write(&[("CTYPE1", "AWAV"), ("CUNIT1", "Angstrom")], 6500.0, 1.0);
    let flat = known.run(&Progress::silent()).unwrap();
    assert!(flat.metrics().get("significance").is_none_or(|found| *found < 3.0), "{:?}", flat.metrics());
}
