//! Promises of the exchange with other programs: a model leaves as a COOLEST template and comes back the same, through files and the command line.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sextans::runs::Record;
use sextans::studies::lens_reconstruction::exchange::read_coolest;
use sextans::studies::lens_reconstruction::{FitOutcome, SimulateOutcome};
use sextans::tasks::Outcome;

/// Runs a task with the program itself; its standard error.
fn run(task: &str, out: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sextans"))
        .args(["run", task, "--quiet", "--out"])
        .arg(out)
        .args(arguments)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn simulated(folder: &Path) -> SimulateOutcome {
    let record = Record::read(folder).unwrap();
    SimulateOutcome::load(folder, &record.request, &record.metrics).unwrap()
}

/// The truth of a simulation, read as the model of another one, makes the same image.
#[test]
fn a_simulation_of_an_imported_truth_is_the_same_image() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let (done, said) = run("lens_reconstruction.simulate", &first, &["--set", "pixels=60"]);
    assert!(done, "{said}");
    // The sliders are set elsewhere: the model takes their place.
    let model = format!("model={}", first.join("coolest.json").display());
    let elsewhere = ["--set", "pixels=60", "--set", "lens.einstein_radius_arcsec=0.5", "--input", &model];
    let (done, said) = run("lens_reconstruction.simulate", &second, &elsewhere);
    assert!(done, "{said}");
    let (a, b) = (simulated(&first), simulated(&second));
    let peak = a.noiseless.iter().copied().fold(0.0_f32, f32::max);
    let off = a.noiseless.iter().zip(b.noiseless.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < 1e-5 * peak, "{off} of {peak}");
    let (p, q) = (a.scene.parameters(), b.scene.parameters());
    assert!(p.iter().zip(&q).all(|(p, q)| (p - q).abs() < 1e-9), "{p:?}\n{q:?}");
}

/// A fit leaves its model in both languages, maps of the lens, and numbers that redshifts add; the template reads back as the fitted lens.
#[test]
fn a_fit_leaves_its_model_for_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    let (image, fit) = (folder.path().join("image"), folder.path().join("fit"));
    let (done, said) = run("lens_reconstruction.simulate", &image, &["--set", "pixels=60"]);
    assert!(done, "{said}");
    let input = format!("image={}", image.join("image.fits").display());
    let redshifts = ["--set", "redshift_lens=0.222", "--set", "redshift_source=0.609"];
    let settings =
        ["--set", "starts=3", "--set", "lens_light_components=1", "--set", "posterior_draws=80", "--input", &input];
    let (done, said) = run("lens_reconstruction.fit", &fit, &[&redshifts[..], &settings[..]].concat());
    assert!(done, "{said}");
    let record = Record::read(&fit).unwrap();
    for file in ["lensing.fits", "coolest.json", "lenstronomy.py"] {
        assert!(record.files.iter().any(|f| f == file) && fit.join(file).is_file(), "{file}");
    }
    let number = |name: &str| record.metrics[name];
    let found = read_coolest(&fit.join("coolest.json")).unwrap();
    assert_eq!(found.redshifts, [Some(0.222), Some(0.609)]);
    assert!((found.scene.lens.effective_einstein_radius() - number("einstein_radius_arcsec")).abs() < 1e-9);
    // The interval of the posterior stands beside the estimate.
    let template: Value = serde_json::from_str(&std::fs::read_to_string(fit.join("coolest.json")).unwrap()).unwrap();
    let radius = &template["lensing_entities"][1]["mass_model"][0]["parameters"]["theta_E"];
    let [low, best, high] = [
        &radius["posterior_stats"]["percentile_16th"],
        &radius["point_estimate"]["value"],
        &radius["posterior_stats"]["percentile_84th"],
    ]
    .map(|v| v.as_f64().unwrap());
    assert!(low < high && (best - low).abs() < 0.1 && (best - high).abs() < 0.1, "{low} {best} {high}");
    // One arcsec^2 is worth 42.33 days for these redshifts (astropy), and mass is density times area.
    assert!((number("days_per_arcsec2") / 42.326_064 - 1.0).abs() < 1e-6);
    assert!(number("velocity_dispersion_km_s") > 200.0 && number("critical_density_msun_kpc2") > 1e9);
    let outcome = FitOutcome::load(&fit, &record.request, &record.metrics).unwrap();
    assert_eq!(outcome.lensing.unwrap().planes[0].dim(), (60, 60));
}

#[test]
fn a_template_that_cannot_be_taken_over_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("halo.json");
    let halo = json!({ "type": "NFW", "parameters": {} });
    let entity =
        json!({ "type": "Galaxy", "name": "cluster", "redshift": 0.3, "mass_model": [halo], "light_model": [] });
    std::fs::write(&file, json!({ "lensing_entities": [entity] }).to_string()).unwrap();
    let input = format!("model={}", file.display());
    let (done, said) = run("lens_reconstruction.simulate", &folder.path().join("out"), &["--input", &input]);
    assert!(!done && said.lines().count() == 1, "{said}");
    assert!(said.contains("halo.json: lensing_entities[0] (cluster).mass_model[0] (NFW)"), "{said}");
}
