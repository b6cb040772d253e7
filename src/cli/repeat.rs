//! `sextans run --repeat`.

use std::path::Path;

use super::args::RunArguments;
use super::compute::{compute, report};
use super::output::Output;
use super::{CliError, Faces, request};
use crate::data::Location;
use crate::runs::record::{fingerprint, version_line};
use crate::runs::{InputFile, Record, RunResult, compare};
use crate::tasks::Cancel;

pub(super) fn run(options: &RunArguments, faces: &Faces, output: &mut Output) -> Result<(), CliError> {
    let Some(source) = &options.repeat else { return Err(CliError::Usage("--repeat needs a run folder".into())) };
    let old = Record::read(source)?;
    let entry = request::task(&old.task, faces)?;
    let folder = if source.is_dir() { source.as_path() } else { source.parent().unwrap_or(Path::new(".")) };
    if options.verify {
        // Told now, not after an hour.
        if let Some(missing) = old.files.iter().find(|name| !folder.join(name).is_file()) {
            let problem = format!("{missing} is not beside the record; --verify needs the whole run folder");
            return Err(CliError::Usage(format!("{}: {problem}", source.display())));
        }
    }
    for input in &old.inputs {
        unchanged(input)?;
    }
    let request = (entry.normalise)(&old.request)
        .map_err(|e| CliError::Usage(format!("{}: does not fit this version of the program: {e}", source.display())))?;
    let new = compute(entry, &request, &options.out, options.overwrite, options.quiet, faces, output)?;
    for line in circumstances(&old, &new) {
        output.error(&format!("sextans: {line}"));
    }
    if !options.verify {
        if !options.quiet {
            report(&new, output);
        }
        return Ok(());
    }
    let found = compare(folder, &new.folder, &|file| (faces.read_planes)(file))?;
    if !options.quiet {
        for part in &found.parts {
            output.line(&part.to_string());
        }
    }
    let overall = found.overall();
    output.line(&overall.to_string());
    if found.is_zero() {
        Ok(())
    } else {
        Err(CliError::Failed(format!("{} is not equal to {} to the bit", new.folder.display(), folder.display())))
    }
}

/// An input must be what it was, or the repetition means nothing.
fn unchanged(input: &InputFile) -> Result<(), CliError> {
    let file = Location::parse(&input.path).path;
    let (_, sha256) = fingerprint(&file, &Cancel::new())?;
    if sha256 == input.sha256 {
        return Ok(());
    }
    Err(CliError::Usage(format!("{}: has changed since the run (input {})", file.display(), input.role)))
}

/// What may make the numbers differ though the request is the same.
fn circumstances(old: &Record, new: &RunResult) -> Vec<String> {
    let new = &new.record;
    let mut lines = Vec::new();
    if (&old.version, &old.commit) != (&new.version, &new.commit) {
        let commit = old.commit.as_ref().map(|c| format!(" ({c})")).unwrap_or_default();
        lines.push(format!("the old run was made by version {}{commit}, this is {}", old.version, version_line()));
    }
    if old.cpu_level != new.cpu_level {
        lines.push(format!("the old run was made on {}, this machine is {}", old.cpu_level, new.cpu_level));
    }
    let hashes = |record: &Record| record.weights.iter().map(|w| w.sha256.clone()).collect::<Vec<_>>();
    if hashes(old) != hashes(new) {
        lines.push("the network weights are not those of the old run".into());
    }
    lines
}
