//! The program itself, on its main study: the demo without a window, and its runs repeated without a difference.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sextans::runs::Record;

use crate::cli_support::{Ended, names, without_display};

const SIMULATE: &str = "lens_reconstruction.simulate";
const FIT: &str = "lens_reconstruction.fit";

/// The real program in a folder, with no display.
fn program(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sextans"));
    without_display(&mut command);
    command.current_dir(folder).args(arguments).output().unwrap().into()
}

#[test]
fn the_demo_runs_without_a_display_and_its_runs_repeat_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let ended = program(here, &["demo"]).ok();
    assert!(ended.out.starts_with("no display found: the demo of lens_reconstruction runs without a window"));
    assert_eq!(names(&here.join("sextans-demo")), [FIT, SIMULATE]);
    for task in [SIMULATE, FIT] {
        let run = here.join("sextans-demo").join(task);
        let record = Record::read(&run).unwrap();
        assert_eq!(record.task, task);
        assert!(!record.files.is_empty() && record.files.iter().all(|name| run.join(name).is_file()));
        // The finished panel carries the record.
        let picture = fs::read(run.join("panel.png")).unwrap();
        assert!(picture.starts_with(b"\x89PNG") && picture.windows(14).any(|w| w == b"sextans-record"));
        let out = format!("again-{task}");
        let source = format!("sextans-demo/{task}");
        let repeated = program(here, &["run", "--repeat", &source, "--verify", "--out", &out, "--threads", "1"]).ok();
        assert!(repeated.out.lines().last().unwrap().starts_with("all: equal ("), "{repeated:?}");
    }
    let fit = Record::read(&here.join("sextans-demo").join(FIT)).unwrap();
    assert!(fit.inputs.iter().all(|input| input.path.contains(SIMULATE)), "the fit is fed by the simulation");
}

#[test]
fn every_task_has_a_schema_that_describes_each_field() {
    let here = std::env::temp_dir();
    let tasks: Value = serde_json::from_str(&program(&here, &["list", "--json"]).ok().out).unwrap();
    let tasks = tasks.as_array().unwrap();
    assert!(tasks.iter().any(|t| t["name"] == SIMULATE) && tasks.iter().any(|t| t["name"] == FIT));
    for task in tasks {
        let name = task["name"].as_str().unwrap();
        let one: Value = serde_json::from_str(&program(&here, &["list", name, "--json"]).ok().out).unwrap();
        assert!(!one["outputs"].as_array().unwrap().is_empty(), "{name} writes nothing");
        for field in sextans::tasks::fields(&one["schema"], &one["defaults"]) {
            assert!(!field.help.is_empty(), "{name}: {} has no help", field.name);
        }
    }
}

#[test]
fn an_unreadable_input_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text.fits"), "this is no FITS file").unwrap();
    let list = program(folder.path(), &["list", FIT, "--json"]).ok();
    let one: Value = serde_json::from_str(&list.out).unwrap();
    let role = sextans::tasks::input_fields(&one["schema"]).remove(0);
    let input = format!("{role}=text.fits");
    let ended = program(folder.path(), &["run", FIT, "--input", &input, "--out", "r", "--quiet"]);
    let line = ended.refused();
    assert!(line.contains("text.fits"), "{line}");
    assert_eq!(names(folder.path()), ["text.fits"]);
}
