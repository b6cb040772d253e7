//! Promises of the lens tasks: products that load, results that do not depend on threads, input that is refused in words; J0946.

use sextans::runs::{Hooks, execute};
use sextans::studies::lens_reconstruction::{FitOutcome, FitRequest, SimulateRequest};
use sextans::tasks::{Board, Outcome, Progress, Task, TaskEntry, TaskError};

use super::fits_support::data_folder;

fn simulated(folder: &std::path::Path) -> FitRequest {
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
