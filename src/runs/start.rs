//! Running a task into a run folder: one way for the command line and the window.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::folder::Part;
use super::record::{Record, WeightFile, fingerprint, version_line};
use super::{cost, inputs};
use crate::tasks::{AnyOutcome, Board, Cost, Progress, Provenance, TaskEntry, TaskError};
use crate::workers::{contain, machine};

/// Name of the picture of the finished panel.
pub const PANEL_NAME: &str = "panel.png";

/// Draws the finished panel of a task: entry, request, outcome, record as JSON (which goes into the PNG). `None` if the task has no panel.
pub type Picture = fn(&TaskEntry, &Value, &AnyOutcome, &str) -> Option<Vec<u8>>;

/// What a run needs from layers above it.
#[derive(Clone, Copy, Debug)]
pub struct Hooks {
    /// Draws `panel.png`.
    pub picture: Picture,
    /// The weight files that a request will use.
    pub weights: fn(&TaskEntry, &Value) -> Vec<PathBuf>,
}

impl Hooks {
    /// No picture, no weights.
    pub const NONE: Self = Self { picture: |_, _, _, _| None, weights: |_, _| Vec::new() };
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// What the task made, for the panel.
    pub outcome: AnyOutcome,
    /// What stands in `record.json`.
    pub record: Record,
    /// The run folder, absolute.
    pub folder: PathBuf,
    /// What went wrong beside the run itself, one line each.
    pub notes: Vec<String>,
}

/// Runs `request` and writes the run folder `out` (see [`super::folder::check`] for what may stand there).
/// Input paths may be run folders and relative; the record holds them resolved and absolute.
///
/// # Errors
/// See [`Prepared::new`] and [`Prepared::run`].
pub fn execute(
    entry: &TaskEntry,
    request: &Value,
    out: &Path,
    overwrite: bool,
    board: &Arc<Board>,
    hooks: &Hooks,
) -> Result<RunResult, TaskError> {
    Prepared::new(entry, request)?.run(out, overwrite, board, hooks)
}

/// A request ready to run: complete, its inputs found, its cost known.
#[derive(Clone, Debug)]
pub struct Prepared {
    entry: TaskEntry,
    request: Value,
    cost: Cost,
}

impl Prepared {
    /// Completes a request, finds its inputs, and then asks what the run will need (which may depend on the inputs' headers).
    ///
    /// # Errors
    /// A request that does not fit the task, an input that cannot be read, and what [`crate::tasks::Task::cost`] says.
    pub fn new(entry: &TaskEntry, request: &Value) -> Result<Self, TaskError> {
        let mut request = (entry.normalise)(request).map_err(|e| TaskError::Failed(e.to_string()))?;
        inputs::resolve_all(entry, &mut request)?;
        let request = (entry.resolve)(&request)?;
        let cost = (entry.cost)(&request)?;
        Ok(Self { entry: *entry, request, cost })
    }

    /// What the run will need.
    pub fn cost(&self) -> &Cost {
        &self.cost
    }

    /// Refuses what this machine cannot hold.
    ///
    /// # Errors
    /// One line with both sizes and the cure.
    pub fn afford(&self) -> Result<(), String> {
        cost::afford(self.entry.name, &self.cost, machine::memory())
    }

    /// Runs it into the folder `out`.
    ///
    /// # Errors
    /// More memory than the machine has, an output folder that may not be used, cancelling, and whatever the task itself says.
    /// Nothing is left behind then.
    pub fn run(self, out: &Path, overwrite: bool, board: &Arc<Board>, hooks: &Hooks) -> Result<RunResult, TaskError> {
        self.afford().map_err(TaskError::Failed)?;
        let Self { entry, request, .. } = self;
        if let Some(folder) = checkpoint(out) {
            board.set_checkpoint(folder);
        }
        write_run(&entry, &request, Part::create(out, overwrite)?, board, hooks)
    }
}

/// `DIR.checkpoint` beside the run folder `DIR`: what a long task keeps there outlives a run that was stopped.
fn checkpoint(out: &Path) -> Option<PathBuf> {
    let mut name = out.file_name()?.to_owned();
    name.push(".checkpoint");
    Some(out.with_file_name(name))
}

/// The run itself, into a part folder.
fn write_run(
    entry: &TaskEntry,
    request: &Value,
    part: Part,
    board: &Arc<Board>,
    hooks: &Hooks,
) -> Result<RunResult, TaskError> {
    let progress = Progress::<()>::on(board);
    let mut record = Record::begin(entry.name, request.clone(), (entry.seed)(request)?);
    progress.phase("reading inputs");
    // Hashed before the run: the record says what was read, not what the file became meanwhile.
    record.inputs = inputs::fingerprints(entry, request, board.cancel())?;
    for path in (hooks.weights)(entry, request) {
        let (bytes, sha256) = fingerprint(&path, board.cancel())?;
        record.weights.push(WeightFile { path: path.display().to_string(), bytes, sha256 });
    }
    progress.phase("");
    progress.check()?;

    let (clock, processor) = (Instant::now(), machine::cpu_seconds());
    let outcome = (entry.run)(request, board)?;
    record.wall_seconds = clock.elapsed().as_secs_f64();
    record.cpu_seconds = processor.zip(machine::cpu_seconds()).map(|(before, after)| after - before);

    progress.check()?;
    progress.phase("saving");
    record.metrics = outcome.metrics();
    record.metrics.insert("seconds".into(), record.wall_seconds);
    record.warnings = outcome.warnings();
    let provenance =
        Provenance { task: entry.name.into(), version: version_line().to_owned(), request: request.to_string() };
    record.files = outcome.save(part.path(), &provenance)?;
    // The picture carries the record, and the record names the picture: name it first.
    record.files.push(PANEL_NAME.into());
    let text = record.to_json()?;
    let mut notes = Vec::new();
    // A fault in the drawing must not cost the result of the run.
    let picture = contain(|| (hooks.picture)(entry, request, &outcome, &text)).unwrap_or_else(|message| {
        notes.push(format!("{PANEL_NAME} was not drawn: {message}"));
        None
    });
    match picture {
        Some(png) => part.write(PANEL_NAME, &png)?,
        None => drop(record.files.pop()),
    }
    progress.check()?;
    let folder = part.commit(&record)?;
    progress.fraction(1.0);
    progress.phase("done");
    board.set_product(folder.clone());
    Ok(RunResult { outcome, record, folder, notes })
}
