//! `sextans run TASK`.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::args::RunArguments;
use super::output::{Meter, Output};
use super::{CliError, Faces, request};
use crate::runs::{Prepared, RunResult, cost, folder};
use crate::tasks::TaskEntry;
use crate::workers::{Jobs, no_wake};

/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(options: &RunArguments, faces: &Faces, output: &mut Output) -> Result<(), CliError> {
    let name = options.task.as_deref().unwrap_or_default(); // clap demands it when nothing is repeated
    let entry = request::task(name, faces)?;
    let request = request::build(entry, options.request.as_deref(), &options.set, &options.input)?;
    let result = compute(entry, &request, &options.out, options.overwrite, options.quiet, faces, output)?;
    if !options.quiet {
        report(&result, output);
    }
    Ok(())
}

/// Runs a checked request into a folder as a job, and shows its progress.
pub(super) fn compute(
    entry: &'static TaskEntry,
    request: &Value,
    out: &Path,
    overwrite: bool,
    quiet: bool,
    faces: &Faces,
    output: &mut Output,
) -> Result<RunResult, CliError> {
    // Told before anything is computed.
    folder::check(out, overwrite)?;
    let prepared = Prepared::new(entry, request)?;
    prepared.afford().map_err(CliError::Usage)?;
    if !quiet {
        output.error(&format!("{}: needs {}", entry.name, cost::words(prepared.cost())));
    }
    let jobs = Jobs::new();
    let (work_out, hooks) = (out.to_owned(), faces.hooks);
    let job =
        jobs.submit(entry.name, entry.lane, no_wake(), move |board| prepared.run(&work_out, overwrite, board, &hooks));
    let mut meter = Meter::new(quiet);
    let result = loop {
        if let Some(result) = job.wait_timeout(LOOK) {
            break result;
        }
        meter.show(&job.board().snapshot(), output);
    };
    meter.end();
    Ok(result?)
}

/// Says where the result lies and what its numbers are.
pub(super) fn report(result: &RunResult, output: &mut Output) {
    for warning in &result.record.warnings {
        output.error(&format!("sextans: warning: {warning}"));
    }
    for note in &result.notes {
        output.error(&format!("sextans: {note}"));
    }
    let width = result.record.metrics.keys().map(String::len).max().unwrap_or_default();
    for (name, value) in &result.record.metrics {
        output.line(&format!("{name:width$}  {}", figures(*value)));
    }
    output.line(&result.folder.display().to_string());
}

/// A number to seven figures, as people read it: `1.415276`, `3.042447e11`, `-`, without trailing zeros. The record holds all of them.
fn figures(value: f64) -> String {
    if !value.is_finite() {
        return "-".into();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e7).contains(&size) {
        return format!("{value:.6e}");
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 0 and 10 by the range above
    let decimals = if size == 0.0 { 0 } else { (6.0 - size.log10().floor()).clamp(0.0, 10.0) as usize };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::figures;

    #[test]
    fn numbers_are_printed_for_people() {
        for (value, text) in [
            (1.415_276_019_982_8, "1.415276"),
            (3818.0, "3818"),
            (0.0, "0"),
            (3.042_446_6e11, "3.042447e11"),
            (-0.014_619_149, "-0.01461915"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(figures(value), text);
        }
    }
}
