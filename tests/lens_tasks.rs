//! Promises of the lens tasks: products that load, results that do not depend on threads, input that is refused in words; J0946.

use std::path::{Path, PathBuf};

use ndarray::Array2;
use serde_json::Value;
use sextans::data::{Keyword, Plane, write_planes};
use sextans::runs::{Hooks, Record, RunResult, execute};
use sextans::studies::lens_reconstruction::{FitOutcome, FitRequest, SimulateRequest};
use sextans::tasks::{Board, Outcome, Progress, Task, TaskEntry, TaskError};

use super::fits_support::data_folder;

fn simulated(folder: &Path) -> FitRequest {
    let entry = TaskEntry::of::<SimulateRequest>();
    let request = serde_json::to_value(SimulateRequest { pixels: 70, ..SimulateRequest::default() }).unwrap();
    let out = folder.join("simulated");
    execute(&entry, &request, &out, false, &Board::new(), &Hooks::NONE).unwrap();
    FitRequest { starts: 4, ..FitRequest::default() }.on_simulation(&out)
}

#[test]
fn a_fit_is_the_same_on_one_thread_and_on_three() {
    let folder = tempfile::tempdir().unwrap();
    let request = simulated(folder.path());
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| request.run(&Progress::silent()).unwrap())
    };
    let (one, three) = (on(1), on(3));
    // As text, because the metric of the blank sky is NaN where every pixel is fitted.
    assert_eq!(format!("{:?}", one.metrics()), format!("{:?}", three.metrics()));
    assert_eq!(one.model, three.model);
    assert_eq!(one.source, three.source);
}

#[test]
fn what_is_saved_loads_back_equal() {
    let folder = tempfile::tempdir().unwrap();
    let request = simulated(folder.path());
    let entry = TaskEntry::of::<FitRequest>();
    let out = folder.path().join("fit");
    let run =
        execute(&entry, &serde_json::to_value(&request).unwrap(), &out, false, &Board::new(), &Hooks::NONE).unwrap();
    let saved = run.outcome.get::<FitOutcome>().unwrap();
    let loaded = FitOutcome::load(&out, &run.record.request, &run.record.metrics).unwrap();
    for (name, a, b) in [
        ("model", &saved.model, &loaded.model),
        ("residual", &saved.residual, &loaded.residual),
        ("source", &saved.source, &loaded.source),
        ("convergence", &saved.convergence, &loaded.convergence),
        ("data", &saved.data, &loaded.data),
    ] {
        assert_eq!(a, b, "{name}");
    }
    assert_eq!(saved.mask, loaded.mask);
    assert_eq!(saved.curves, loaded.curves);
    assert_eq!(format!("{:?}", saved.metrics()), format!("{:?}", loaded.metrics()));
    assert!((saved.source_scale_arcsec - loaded.source_scale_arcsec).abs() < 1e-12);
    // The truth is at hand: the fit must be near it, by far better than doing nothing.
    let metrics = saved.metrics();
    assert!((metrics["einstein_radius_arcsec"] - 1.2).abs() < 0.02, "{metrics:?}");
    assert!(
        metrics["reduced_chi2"] < 1.15 && metrics["reduced_chi2_null"] > 1.3 * metrics["reduced_chi2"],
        "{metrics:?}"
    );
}

/// Writes one image of ours anew, with these pixels and keywords and nothing else in its header.
fn written(path: &Path, pixels: &Array2<f32>, keywords: Vec<Keyword>) -> PathBuf {
    let plane = Plane { name: "SCI", pixels: pixels.view().into_dyn(), unit: "", keywords };
    write_planes(path, &[plane], &[]).unwrap();
    path.to_owned()
}

fn celestial(more: &[(&str, f64)]) -> Vec<Keyword> {
    let mut keywords = vec![Keyword::new("CTYPE1", "RA---TAN", ""), Keyword::new("CTYPE2", "DEC--TAN", "")];
    keywords.extend(more.iter().map(|(name, value)| Keyword::new(name, *value, "")));
    keywords
}

fn fit_into(out: &Path, request: &Value) -> RunResult {
    execute(&TaskEntry::of::<FitRequest>(), request, out, false, &Board::new(), &Hooks::NONE).unwrap()
}

/// The quickest fit of a simulated image in a file without pixel scale.
fn quick(folder: &Path, keywords: Vec<Keyword>) -> FitRequest {
    let made = SimulateRequest { pixels: 60, ..SimulateRequest::default() }.run(&Progress::silent()).unwrap();
    FitRequest {
        image: Some(written(&folder.join("image.fits"), &made.image, keywords)),
        psf: Some(written(&folder.join("psf.fits"), &made.psf, Vec::new())),
        noise_sigma: Some(0.02),
        starts: 1,
        lens_light_components: 1,
        max_steps: 30,
        ..FitRequest::default()
    }
}

/// Numbers of a run without its times.
fn numbers(run: &RunResult) -> String {
    let metrics: Vec<_> = run.record.metrics.iter().filter(|(name, _)| *name != "seconds").collect();
    format!("{metrics:?}")
}

#[test]
fn what_info_json_said_is_part_of_the_record_and_of_the_repetition() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    // A header that says where on the sky, but not how large a pixel is.
    let request = quick(here, celestial(&[("CRVAL1", 150.0), ("CRVAL2", 2.0)]));
    assert!(request.run(&Progress::silent()).err().unwrap().to_string().starts_with("pixel_scale_arcsec = (none)"));
    let note = here.join("info.json");
    std::fs::write(&note, r#"{"pixel_scale": 0.05, "redshift_lens": 0.222, "redshift_source": 0.609}"#).unwrap();
    let first = fit_into(&here.join("first"), &serde_json::to_value(&request).unwrap());
    for (field, value) in [("pixel_scale_arcsec", 0.05), ("redshift_lens", 0.222), ("redshift_source", 0.609)] {
        assert_eq!(first.record.request[field], value, "{field}");
    }
    assert!(first.record.metrics["einstein_mass_msun"] > 1e10, "{:?}", first.record.metrics);
    std::fs::remove_file(note).unwrap();
    let record = Record::read(&first.folder).unwrap();
    let again = fit_into(&here.join("again"), &record.request);
    assert_eq!(numbers(&first), numbers(&again));
    let maps = |run: &RunResult| run.outcome.get::<FitOutcome>().unwrap();
    assert_eq!(maps(&first).model, maps(&again).model);
    // World coordinates without a scale: the run still opens, at the scale it was fitted at.
    let loaded = FitOutcome::load(&first.folder, &record.request, &record.metrics).unwrap();
    assert_eq!(loaded.pixel_scale_arcsec, 0.05);
    // Redshifts that cannot be are refused by name.
    let wrong = FitRequest { redshift_lens: Some(0.6), redshift_source: Some(0.2), ..request };
    let wrong = FitRequest { pixel_scale_arcsec: Some(0.05), ..wrong };
    let error = wrong.resolved().unwrap_err();
    assert!(error.is_usage() && error.to_string().starts_with("redshift_source = 0.2: "), "{error}");
}

#[test]
fn a_run_opens_at_the_scale_that_was_given_not_at_that_of_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let request = quick(here, celestial(&[("CDELT1", -0.05 / 3600.0), ("CDELT2", 0.05 / 3600.0)]));
    assert_eq!(request.clone().resolved().unwrap().pixel_scale_arcsec, Some(0.05), "from the header");
    let request = FitRequest { pixel_scale_arcsec: Some(0.06), ..request };
    let run = fit_into(&here.join("fit"), &serde_json::to_value(&request).unwrap());
    let loaded = FitOutcome::load(&run.folder, &run.record.request, &run.record.metrics).unwrap();
    assert_eq!(loaded.pixel_scale_arcsec, 0.06);
}

/// Corners without data, as frames have that were rotated, are neither fitted nor taken for sky.
#[test]
fn corners_that_hold_nothing_do_not_touch_the_fit() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let made = SimulateRequest::default().run(&Progress::silent()).unwrap();
    let centre = 0.5 * (made.image.nrows() as f64 - 1.0);
    let is_corner = |(j, i): (usize, usize)| (j as f64 - centre).hypot(i as f64 - centre) > 58.0;
    for (name, filling) in [("nan", f32::NAN), ("zero", 0.0)] {
        let mut image = (*made.image).clone();
        image.indexed_iter_mut().filter(|(place, _)| is_corner(*place)).for_each(|(_, v)| *v = filling);
        let request = FitRequest {
            image: Some(written(&here.join(format!("{name}.fits")), &image, Vec::new())),
            psf: Some(written(&here.join("psf.fits"), &made.psf, Vec::new())),
            noise_sigma: Some(0.02),
            pixel_scale_arcsec: Some(0.05),
            mask_outer_radius_arcsec: Some(1.6),
            starts: 1,
            lens_light_components: 1,
            ..FitRequest::default()
        };
        let found = request.run(&Progress::silent()).unwrap();
        let metrics = found.metrics();
        assert!((metrics["reduced_chi2_blank_sky"] - 1.0).abs() < 0.15, "{name}: {metrics:?}");
        assert!((metrics["reduced_chi2"] - 1.0).abs() < 0.15, "{name}: {metrics:?}");
        assert!((metrics["einstein_radius_arcsec"] - 1.2).abs() < 0.02, "{name}: {metrics:?}");
        assert!(found.model.iter().all(|v| v.is_finite()), "{name}: the model is known everywhere");
        for (place, residual) in found.residual.indexed_iter() {
            assert_eq!(residual.is_finite(), name == "zero" || !is_corner(place), "{name} {place:?}");
        }
    }
}

#[test]
fn bad_input_is_refused_with_field_and_cure() {
    let folder = tempfile::tempdir().unwrap();
    let good = simulated(folder.path());
    let line = |request: FitRequest| match request.run(&Progress::silent()) {
        Err(error @ (TaskError::Field { .. } | TaskError::File { .. })) => error.to_string(),
        other => panic!("expected a refusal, got {:?}", other.map(|_| ())),
    };
    assert!(line(FitRequest { image: None, ..good.clone() }).starts_with("image = (none)"));
    let text = line(FitRequest { noise: None, ..good.clone() });
    assert!(text.contains("noise_sigma=") && text.starts_with("noise = (none)"), "{text}");
    let text = line(FitRequest { psf: None, psf_fwhm_arcsec: Some(9.0), ..good.clone() });
    assert!(text.starts_with("psf_fwhm_arcsec = 9: "), "{text}");
    let text = line(FitRequest { starts: 24, ..good.clone() });
    assert!(text.starts_with("starts = 24: expected 1 to 20; "), "{text}");
    let text = line(FitRequest { mask_outer_radius_arcsec: Some(0.05), ..good.clone() });
    assert!(text.contains("fewer than 50"), "{text}");
    let text = line(FitRequest { noise: good.psf.clone(), ..good.clone() });
    assert!(text.contains("psf.fits") && text.contains("70 x 70"), "{text}");
    let text = line(FitRequest { image: Some(folder.path().join("absent.fits")), ..good });
    assert!(text.contains("absent.fits"), "{text}");
}

#[test]
fn the_main_ring_of_j0946_is_found_blind() {
    let Some(data) = data_folder("the_main_ring_of_j0946_is_found_blind") else { return };
    let folder = data.join("lens/slacs-j0946");
    let request = FitRequest {
        image: Some(folder.join("data.fits")),
        noise: Some(folder.join("noise_map.fits")),
        psf: Some(folder.join("psf.fits")),
        mask: Some(folder.join("mask_extra_galaxies.fits")),
        mask_outer_radius_arcsec: Some(1.75),
        ..FitRequest::default()
    };
    let metrics = request.run(&Progress::silent()).unwrap().metrics();
    // Published: 1.38 arcsec (Gavazzi et al. 2008; Sonnenfeld et al. 2012 and the sample of SLACS).
    assert!((metrics["einstein_radius_arcsec"] - 1.38).abs() < 0.05, "{metrics:?}");
    assert!(
        metrics["reduced_chi2"] < 2.0 && metrics["reduced_chi2_null"] > 10.0 * metrics["reduced_chi2"],
        "{metrics:?}"
    );
    assert!((0.5..1.0).contains(&metrics["reduced_chi2_blank_sky"]), "{metrics:?}");
}
