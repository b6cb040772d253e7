//! Promises of the reconstructions in pixels as tasks: products that load, live maps, cancelling, J0946; and what the window shows of them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui_kittest::kittest::{NodeT, Queryable};
use ndarray::Array2;
use sextans::panels::Command;
use sextans::runs::{Hooks, Record, RunResult, execute};
use sextans::studies::lens_reconstruction::{EVIDENCE, FitOutcome, FitRequest, FitUpdate, Method, SimulateRequest};
use sextans::tasks::{Board, Outcome, Progress, Task, TaskEntry, TaskError};

use super::fits_support::data_folder;
use super::ui_support::{settle, until, window};

fn simulated(folder: &Path, method: Method) -> FitRequest {
    let entry = TaskEntry::of::<SimulateRequest>();
    let request = serde_json::to_value(SimulateRequest { pixels: 70, ..SimulateRequest::default() }).unwrap();
    let out = folder.join("simulated");
    if !out.exists() {
        execute(&entry, &request, &out, false, &Board::new(), &Hooks::NONE).unwrap();
    }
    FitRequest { method, starts: 4, source_pixels: 24, ..FitRequest::default() }.on_simulation(&out)
}

fn fit_into(out: &Path, request: &FitRequest, board: &Arc<Board>) -> RunResult {
    let request = serde_json::to_value(request).unwrap();
    execute(&TaskEntry::of::<FitRequest>(), &request, out, false, board, &Hooks::NONE).unwrap()
}

fn equal(name: &str, a: Option<&Array2<f32>>, b: Option<&Array2<f32>>) {
    assert!(a.is_some() && a == b, "{name}");
}

#[test]
fn both_methods_save_what_loads_back_and_beat_the_null() {
    let folder = tempfile::tempdir().unwrap();
    for method in [Method::Inversion, Method::Pixels] {
        let board = Board::new();
        let out = folder.path().join(format!("{method:?}"));
        let run = fit_into(&out, &simulated(folder.path(), method), &board);
        let saved = run.outcome.get::<FitOutcome>().unwrap();
        let loaded = FitOutcome::load(&out, &run.record.request, &run.record.metrics).unwrap();
        assert_eq!((saved.method, loaded.method), (method, method));
        for (name, a, b) in [
            ("model", &saved.model, &loaded.model),
            ("residual", &saved.residual, &loaded.residual),
            ("source", &saved.source, &loaded.source),
            ("convergence", &saved.convergence, &loaded.convergence),
        ] {
            equal(name, Some(a), Some(b));
        }
        equal("sigma", saved.source_sigma.as_deref(), loaded.source_sigma.as_deref());
        if method == Method::Pixels {
            equal("excess", saved.convergence_excess.as_deref(), loaded.convergence_excess.as_deref());
        }
        assert_eq!(saved.source.dim(), (24, 24));
        assert!(saved.source_sigma.as_ref().unwrap().iter().all(|s| *s > 0.0));
        assert_eq!(saved.curves, loaded.curves);
        assert_eq!(format!("{:?}", saved.metrics()), format!("{:?}", loaded.metrics()));
        let m = saved.metrics();
        assert!((m["einstein_radius_arcsec"] - 1.2).abs() < 0.02, "{m:?}");
        assert!(m["reduced_chi2"] < 1.15 && m["reduced_chi2_null"] > 1.3 * m["reduced_chi2"], "{m:?}");
        assert!(m["source_pixels_determined"] > 10.0 && m["source_pixels_determined"] < 576.0, "{m:?}");
        let evidence = if method == Method::Pixels { "evidence_ln_source_given_mass" } else { "evidence_ln" };
        for name in ["reduced_chi2_parametric", evidence, "regularisation_strength", "degrees_of_freedom"] {
            assert!(m[name].is_finite(), "{name}: {m:?}");
        }
        assert!(m.contains_key("parametric_source_index") && !m.contains_key("source_index"), "{m:?}");
        // What was seen on the way.
        let update = board.latest::<FitUpdate>().unwrap();
        assert!(update.source.is_some() && update.convergence.is_some() == (method == Method::Pixels));
        assert_eq!(update.residual.dim(), update.model.dim());
        let series = board.series();
        assert!(series.iter().any(|s| s.name == EVIDENCE && s.points.len() > 3));
    }
}

#[test]
fn a_reconstruction_is_the_same_on_one_thread_and_on_three() {
    let folder = tempfile::tempdir().unwrap();
    let request = simulated(folder.path(), Method::Inversion);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| request.run(&Progress::silent()).unwrap())
    };
    let (one, three) = (on(1), on(3));
    assert_eq!(format!("{:?}", one.metrics()), format!("{:?}", three.metrics()));
    assert_eq!(one.source, three.source);
    assert_eq!(one.source_sigma, three.source_sigma);
}

/// Cancelled while the source of the largest size is solved for.
#[test]
fn it_is_cancelled_within_seconds_in_every_phase() {
    let folder = tempfile::tempdir().unwrap();
    for (method, phase) in
        [(Method::Inversion, "source in pixels"), (Method::Pixels, "source and convergence in pixels")]
    {
        let source_pixels = if method == Method::Inversion { 48 } else { 24 };
        let request = FitRequest { source_pixels, ..simulated(folder.path(), method) };
        let board = Board::new();
        let watched = board.clone();
        let worker = std::thread::Builder::new().name("a fit to cancel".into());
        let fit = worker.spawn(move || request.run(&Progress::on(&watched))).unwrap();
        let start = Instant::now();
        while board.snapshot().phase != phase && !fit.is_finished() {
            assert!(start.elapsed() < Duration::from_secs(120), "{:?}", board.snapshot());
            std::thread::sleep(Duration::from_millis(2));
        }
        board.cancel().cancel();
        let asked = Instant::now();
        let end = fit.join().unwrap();
        assert!(matches!(end, Err(TaskError::Cancelled)), "{method:?}");
        assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    }
}

#[test]
fn settings_out_of_their_range_name_the_field() {
    let folder = tempfile::tempdir().unwrap();
    let request = FitRequest { source_pixels: 200, ..simulated(folder.path(), Method::Inversion) };
    let error = request.run(&Progress::silent()).unwrap_err();
    assert!(error.is_usage() && error.to_string().starts_with("source_pixels = 200: expected 10 to 60"), "{error}");
    let cost = |method| FitRequest { method, ..simulated(folder.path(), method) }.cost().unwrap();
    let [plain, inversion, pixels] = [Method::Parametric, Method::Inversion, Method::Pixels].map(cost);
    assert!(inversion.seconds > plain.seconds && pixels.seconds > inversion.seconds);
    assert!(inversion.bytes > plain.bytes);
}

/// The main ring of J0946: the source in pixels explains what a Sersic profile cannot, and the Einstein radius stays the published one.
#[test]
fn a_source_in_pixels_fits_j0946_better_than_a_sersic_profile() {
    let Some(data) = data_folder("a_source_in_pixels_fits_j0946_better_than_a_sersic_profile") else { return };
    let data = data.join("lens/slacs-j0946");
    let request = FitRequest {
        image: Some(data.join("data.fits")),
        noise: Some(data.join("noise_map.fits")),
        psf: Some(data.join("psf.fits")),
        mask: Some(data.join("mask_extra_galaxies.fits")),
        mask_outer_radius_arcsec: Some(2.15),
        method: Method::Inversion,
        source_pixels: 30,
        ..FitRequest::default()
    };
    let m = request.resolved().unwrap().run(&Progress::silent()).unwrap().metrics();
    assert!(m["reduced_chi2"] < 0.85 * m["reduced_chi2_parametric"], "{m:?}");
    assert!(m["evidence_ln"] > m["evidence_ln_parametric_lens"] + 20.0, "{m:?}");
    assert!((m["einstein_radius_arcsec"] - 1.38).abs() < 0.05, "{m:?}");
}

#[test]
fn the_window_shows_source_and_convergence_while_they_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::OpenPanel("lens_reconstruction"));
    settle(&mut harness);
    assert!(harness.query_by_label("Convergence step").is_none(), "the parametric fit has no such setting");
    harness.query_all_by_label("Method").find(|n| n.accesskit_node().role() == egui::Role::ComboBox).unwrap().click();
    harness.run_steps(3);
    harness.query_all_by_label("pixels").find(|n| n.accesskit_node().role() == egui::Role::Button).unwrap().click();
    settle(&mut harness);
    assert_eq!(harness.state().session().views[0].state["fit"]["method"], "pixels");
    assert!(harness.query_all_by_label("Convergence step").next().is_some());
    harness.get_by_label("2  Run").click();
    settle(&mut harness);
    harness.get_by_label("Start the fit").click();
    until(&mut harness, "the live source", |h| h.query_by_label("Source").is_some());
    until(&mut harness, "the live convergence", |h| h.query_by_label("Convergence").is_some());
    until(&mut harness, "the comparison", |h| h.query_by_label("True source").is_some());
    settle(&mut harness);
    let runs =
        std::fs::read_dir(folder.path().join("runs")).unwrap().map(|e| Record::read(&e.unwrap().path()).unwrap());
    let fit = runs.into_iter().find(|r| r.task.ends_with(".fit")).unwrap();
    assert!(fit.metrics["gradient_calls"] > 20.0 && fit.metrics["reduced_chi2"] < 1.2, "{:?}", fit.metrics);
}
