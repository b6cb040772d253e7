//! Promises of the sights of the panel of `line_ratios` about its networks: their ratios beside those of the fit, the activation map
//! of a spectrum, and held-out spectra of a finished benchmark: calibration, the [NII] doublet, folds.

use std::path::{Path, PathBuf};

use egui_kittest::kittest::{NodeT, Queryable};
use sextans::panels::Command;
use sextans::runs::{Hooks, Record, execute};
use sextans::studies::line_ratios::{
    BenchmarkOutcome, BenchmarkRequest, FitOutcome, FitRequest, Inspected, Kinematics, Method, Sensitivity,
    SimulateRequest,
};
use sextans::tasks::{Board, Outcome, Progress, Task, TaskEntry};

use crate::ui_support::{Window, settle, texts, until, window};

fn run<T: Task>(request: &T, out: &Path) {
    let value = serde_json::to_value(request).unwrap();
    execute(&TaskEntry::of::<T>(), &value, out, false, &Board::new(), &Hooks::NONE).unwrap();
}

/// A small galaxy measured by a method: the run, its request and what it found.
fn measured(folder: &Path, method: Method) -> (PathBuf, FitRequest, FitOutcome) {
    let simulate = SimulateRequest { pixels: 16, regions: 20, signal_to_noise: 200.0, ..SimulateRequest::default() };
    let (cube, out) = (folder.join("runs/simulate"), folder.join("runs/fit"));
    run(&simulate, &cube);
    let data = Some(cube.join("cube.fits"));
    let request = FitRequest { data, method, tie_doublets: false, ..FitRequest::default() };
    run(&request, &out);
    let record = Record::read(&out).unwrap();
    let outcome = FitOutcome::load(&out, &record.request, &record.metrics).unwrap();
    (out, request, outcome)
}

fn words(harness: &Window) -> Vec<String> {
    let labels = harness.root().children_recursive().filter(|n| n.accesskit_node().role() == egui::Role::Label);
    labels.filter_map(|n| n.value().or_else(|| n.accesskit_node().label())).collect()
}

/// The text after a name, of those that begin with a digit.
fn beside(harness: &Window, name: &str) -> String {
    let words = words(harness);
    let number = |word: &String| word.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '<');
    let row = words.windows(2).find(|row| row[0] == name && number(&row[1]));
    row.unwrap_or_else(|| panic!("no number for {name:?} in {words:?}"))[1].clone()
}

fn first_number(text: &str) -> f64 {
    text.split(' ').find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("no number in {text:?}"))
}

fn opened(folder: &Path, run: &Path) -> Window {
    let mut harness = window(folder);
    harness.state_mut().send(Command::OpenPath(run.to_owned()));
    until(&mut harness, "the maps", |h| h.query_by_label_contains("Spaxel x ").is_some());
    settle(&mut harness);
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
    harness
}

fn click(harness: &mut Window, label: &str) {
    harness.get_by_label(label).click();
    settle(harness);
}

fn brightest(outcome: &FitOutcome) -> [usize; 2] {
    let snr = &outcome.map("SNR_Halpha").unwrap().values;
    let found = snr.indexed_iter().filter(|(_, v)| v.is_finite()).max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    [found.0.0, found.0.1]
}

#[test]
fn ratios_of_network_and_hybrid_stand_beside_those_of_the_fit() {
    let folder = tempfile::tempdir().unwrap();
    let (out, request, outcome) = measured(folder.path(), Method::Hybrid);
    let place = brightest(&outcome);
    let value = |name: &str| f64::from(outcome.map(name).unwrap_or_else(|| panic!("{name}")).values[place]);
    // A spaxel of hundreds of sigma: fluxes and network agree within their errors.
    let (fit, network) = (value("NII6583/Halpha"), value("NETWORK_NII6583/Halpha"));
    let error = value("NETWORK_NII6583/Halpha_ERROR").hypot(value("NII6583/Halpha_ERROR"));
    assert!((fit - network).abs() < 4.0 * error && error < 0.3 * fit, "{fit} {network} {error}");
    assert_eq!(value("NETWORK_NII6583/Halpha_PRIOR_DOMINATED"), 0.0);
    // What the spectrum cannot tell is flagged: the doublet is a constant of physics.
    assert_eq!(value("NETWORK_NII6548/NII6583_PRIOR_DOMINATED"), 1.0);
    assert!(outcome.map("NETWORK_Halpha/Hbeta").is_none() && outcome.map("HYBRID_SII/Halpha").is_some());
    // The spaxel looked at again has the numbers of its maps.
    let again = Inspected::of(&request, &[place], &Progress::<()>::silent()).unwrap().unwrap();
    assert_eq!(again.estimate.fit.velocity_km_s as f32, outcome.map("VELOCITY").unwrap().values[place]);
    let learned = again.estimate.learned.unwrap();
    assert_eq!(
        10f64.powf(learned.network[2].log.value) as f32,
        outcome.map("NETWORK_NII6583/Halpha").unwrap().values[place]
    );
    let mut harness = opened(folder.path(), &out);
    let shown = first_number(&beside(&harness, "[NII] 6583 / Hα, network"));
    assert!((shown / network - 1.0).abs() < 0.02, "{shown} {network}");
    assert!(beside(&harness, "[NII] 6548 / [NII] 6583, network").ends_with("(prior)"));
    click(&mut harness, "Ratios");
    assert!(harness.query_all_by_label("[SII] / Hα, hybrid").count() > 1, "{:?}", words(&harness));
    assert!(harness.query_by_label_contains("prior-dominated spaxels are left out").is_some());
}

#[test]
fn a_run_by_the_network_is_looked_at_by_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let (out, request, outcome) = measured(folder.path(), Method::Network);
    let place = brightest(&outcome);
    let again = Inspected::of(&request, &[place], &Progress::<()>::silent()).unwrap().unwrap();
    assert_eq!(again.estimate.kinematics, Kinematics::Network);
    assert_eq!(again.estimate.fit.velocity_km_s as f32, outcome.map("VELOCITY").unwrap().values[place]);
    let fitted = FitRequest { method: Method::Fit, ..request };
    let fitted = Inspected::of(&fitted, &[place], &Progress::<()>::silent()).unwrap().unwrap();
    assert_ne!(fitted.estimate.fit.velocity_km_s as f32, outcome.map("VELOCITY").unwrap().values[place]);
    let harness = opened(folder.path(), &out);
    assert!(harness.query_by_label_contains("lines at the network's velocity and broadening").is_some());
}

#[test]
fn the_activation_map_is_that_of_the_spaxel_that_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (out, request, outcome) = measured(folder.path(), Method::Fit);
    let found = Sensitivity::of(&request, &[brightest(&outcome)], &Progress::<()>::silent()).unwrap().unwrap();
    let mut harness = opened(folder.path(), &out);
    click(&mut harness, "Activation map");
    for (name, label) in [("NII6583/Halpha", "[NII] 6583 / Hα"), ("SII6731/SII6716", "[SII] 6731 / [SII] 6716")] {
        click(&mut harness, label);
        let share = 100.0 * found.ratios.iter().find(|ratio| ratio.name == name).unwrap().on_its_lines;
        let text = format!("{share:.0} % of what moves {label} lies within 2.5 line widths of its lines");
        assert!(harness.query_by_label(&text).is_some(), "{text}: {:?}", words(&harness));
    }
}

#[test]
fn held_out_spectra_come_from_a_finished_benchmark() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::OpenPanel("line_ratios"));
    settle(&mut harness);
    click(&mut harness, "3  Compare");
    click(&mut harness, "Calibration");
    assert!(harness.query_by_label_contains("No finished benchmark is among the runs").is_some());
    assert!(harness.query_by_label("Run the benchmark").is_some());
    // One that is made elsewhere is opened as any run is.
    let request = BenchmarkRequest {
        spectra: 200,
        signal_to_noise: vec![10.0, 40.0],
        activation_spectra: 0,
        kept_spectra: 150,
        folds: 2,
        fold_spectra: 200,
        fold_steps: 30,
        ..BenchmarkRequest::default()
    };
    let out = folder.path().join("runs/benchmark");
    run(&request, &out);
    let record = Record::read(&out).unwrap();
    let outcome = BenchmarkOutcome::load(&out, &record.request, &record.metrics).unwrap();
    harness.state_mut().send(Command::OpenPath(out.clone()));
    settle(&mut harness);
    let slope = |method: &str, signal: f64| {
        format!("slope {:.3}", outcome.row("corrected", method, "NII6583/Halpha", signal).unwrap().claimed_slope)
    };
    assert!(harness.query_by_label(&slope("network", 40.0)).is_some(), "{:?}", words(&harness));
    click(&mut harness, "by fit");
    assert!(harness.query_by_label(&slope("fit", 40.0)).is_some(), "{:?}", words(&harness));
    let coverage = 100.0 * outcome.row("corrected", "fit", "NII6583/Halpha", 40.0).unwrap().coverage;
    assert!(harness.query_by_label(&format!("{coverage:.1} %")).is_some(), "{coverage}: {:?}", words(&harness));
    let claimed = outcome.held_out.iter().filter(|row| {
        row.quantity == "NII6583/Halpha"
            && row.signal_to_noise == 40.0
            && row.claimed[1]
            && row.found[1].value.is_finite()
    });
    let text = format!("{} claimed", claimed.count());
    assert!(harness.query_by_label_contains(&text).is_some(), "{text}: {:?}", words(&harness));
    click(&mut harness, "[NII] doublet");
    // At S/N 40 the fit sees 6548 in some; the network says its constant in all.
    let seen = |row: &&sextans::studies::line_ratios::benchmark::HeldOut| {
        row.quantity == "NII6548/NII6583" && row.signal_to_noise == 40.0
    };
    let share =
        outcome.held_out.iter().filter(seen).filter(|row| row.found[1].value.is_finite()).count() as f64 / 150.0;
    assert!((0.05..0.95).contains(&share), "{share}");
    assert!(harness.query_by_label(&format!("{:.0} %", 100.0 * share)).is_some(), "{share}: {:?}", words(&harness));
    click(&mut harness, "k-fold");
    let of = |fold: usize| outcome.folds.iter().find(|row| row.fold == fold && row.quantity == "SII/Halpha").unwrap();
    for fold in [1, 2] {
        let text = format!("{:.4}", of(fold).half_width);
        assert!(harness.query_by_label(&text).is_some(), "{text}: {:?}", words(&harness));
    }
    assert!(harness.query_by_label_contains("Largest scatter between folds").is_some());
    // Another window with this session shows the same.
    let session = harness.state().session();
    let mut other = window(folder.path());
    other.state_mut().restore(&session);
    settle(&mut other);
    assert!(other.query_by_label_contains("Largest scatter between folds").is_some(), "{:?}", words(&other));
    // And without that choice the newest benchmark of the runs is found.
    let mut session = session;
    session.views[0].state["compare"]["benchmark"] = serde_json::Value::Null;
    other.state_mut().restore(&session);
    settle(&mut other);
    assert!(other.query_by_label_contains("Largest scatter between folds").is_some(), "{:?}", words(&other));
}
