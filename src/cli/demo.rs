//! `sextans demo`: the main job of a study on demo data.

use std::path::Path;

use super::compute::{compute, report};
use super::output::Output;
use super::window::{WindowOptions, has_display, show};
use super::{CliError, Faces, request};
use crate::runs::{Record, RunResult, inputs};
use crate::tasks::{TaskEntry, input_fields};
use crate::workers::init_threads;

/// The study shown when none is named.
const MAIN_STUDY: &str = "lens_reconstruction";
/// Where the headless demo writes.
const FOLDER: &str = "sextans-demo";

pub(super) fn run(
    study: Option<String>,
    threads: Option<usize>,
    faces: &Faces,
    output: &mut Output,
) -> Result<(), CliError> {
    let study = study.unwrap_or_else(|| MAIN_STUDY.into());
    let simulate = step(&study, "simulate", faces)?;
    let fit = step(&study, "fit", faces)?;
    if has_display() {
        return show(WindowOptions { demo: Some(study), ..WindowOptions::default() }, threads, faces);
    }
    init_threads(threads.unwrap_or(0));
    output.line(&format!("no display found: the demo of {study} runs without a window, into ./{FOLDER}/"));
    let simulated = one(simulate, &[], faces, output)?;
    let given = feed(fit, &simulated);
    let fitted = one(fit, &given, faces, output)?;
    report(&fitted, output);
    Ok(())
}

/// A task of the study, or a list of the studies that have it.
fn step(study: &str, verb: &str, faces: &Faces) -> Result<&'static TaskEntry, CliError> {
    let name = format!("{study}.{verb}");
    let tasks = (faces.tasks)();
    tasks.iter().find(|t| t.name == name).ok_or_else(|| {
        let studies = tasks.iter().filter_map(|t| t.name.strip_suffix(&format!(".{verb}")));
        let studies = studies.collect::<Vec<_>>().join(", ");
        CliError::Usage(format!("{study}: no demo of that name; there are {studies}"))
    })
}

/// One run folder of the demo, with defaults and the given inputs; an older one of ours is replaced.
fn one(
    entry: &'static TaskEntry,
    given: &[(String, String)],
    faces: &Faces,
    output: &mut Output,
) -> Result<RunResult, CliError> {
    let request = request::build(entry, None, &[], given)?;
    let out = Path::new(FOLDER).join(entry.name);
    compute(entry, &request, &out, true, false, faces, output)
}

/// Which product of the simulation serves which input of the fit: the one of the same name; if no name agrees, the first for the first.
fn feed(fit: &TaskEntry, simulated: &RunResult) -> Vec<(String, String)> {
    let roles = input_fields(&(fit.schema)());
    let path = |name: &String| simulated.folder.join(name).display().to_string();
    let record: &Record = &simulated.record;
    let named: Vec<(String, String)> =
        roles.iter().filter_map(|role| Some((role.clone(), path(inputs::named_like(record, role)?)))).collect();
    if !named.is_empty() {
        return named;
    }
    roles.first().zip(record.files.first()).map(|(role, name)| (role.clone(), path(name))).into_iter().collect()
}
