//! `sextans run TASK`.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::args::RunArguments;
use super::output::{Meter, Output};
use super::{CliError, Faces, request};
use crate::runs::{RunResult, execute, folder};
use crate::tasks::{Cost, TaskEntry};
use crate::workers::machine::{self, Memory};
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
    let cost = (entry.cost)(request)?;
    afford(entry.name, &cost, machine::memory())?;
    if !quiet {
        output.error(&format!("{}: needs {}", entry.name, words(&cost)));
    }
    let jobs = Jobs::new();
    let (work_request, work_out, hooks) = (request.clone(), out.to_owned(), faces.hooks);
    let job = jobs.submit(entry.name, entry.lane, no_wake(), move |board| {
        execute(entry, &work_request, &work_out, overwrite, board, &hooks)
    });
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
    let width = result.record.metrics.keys().map(String::len).max().unwrap_or_default();
    for (name, value) in &result.record.metrics {
        output.line(&format!("{name:width$}  {value}"));
    }
    output.line(&result.folder.display().to_string());
}

/// Refuses what the machine cannot hold.
fn afford(task: &str, cost: &Cost, memory: Option<Memory>) -> Result<(), CliError> {
    match memory {
        Some(memory) if cost.bytes > memory.total => Err(CliError::Usage(format!(
            "{task}: needs {} of memory, this machine has {}; ask for less (smaller grid, fewer samples)",
            bytes(cost.bytes),
            bytes(memory.total)
        ))),
        _ => Ok(()),
    }
}

fn words(cost: &Cost) -> String {
    format!("about {} of memory and {} of one core", bytes(cost.bytes), duration(cost.seconds))
}

#[allow(clippy::cast_precision_loss)] // for reading
fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.5 {
            return if value < 10.0 && unit != "B" {
                format!("{value:.1} {unit}")
            } else {
                format!("{value:.0} {unit}")
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        "less than 1 s".into()
    } else if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else if seconds < 7200.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_larger_than_the_machine_is_refused_with_both_sizes() {
        let memory = Some(Memory { total: 8_000_000_000, available: 1 });
        let cost = |bytes| Cost { bytes, seconds: 1.0 };
        assert_eq!(afford("a.fit", &cost(7_900_000_000), memory), Ok(()));
        assert_eq!(afford("a.fit", &cost(u64::MAX), None), Ok(()));
        let error = afford("a.fit", &cost(64_000_000_000), memory).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a.fit: needs 64 GB of memory, this machine has 8.0 GB; ask for less (smaller grid, fewer samples)"
        );
    }

    #[test]
    fn sizes_and_times_read_well() {
        assert_eq!([bytes(12), bytes(1_200), bytes(34_000_000), bytes(999_600)], ["12 B", "1.2 kB", "34 MB", "1.0 MB"]);
        assert_eq!(
            [duration(0.2), duration(45.0), duration(300.0), duration(9000.0)],
            ["less than 1 s", "45 s", "5 min", "2.5 h"]
        );
    }
}
