//! The leaf of the house: what a task is, how it reports, how it is stopped, and how its request is described.
//!
//! Used by every layer, uses none of them.
//!
//! A **request** is a serde struct that holds the whole truth of a run: every parameter, the seed and the input paths.
//! It derives its schema (`schemars`), and from that one schema come `sextans list`, the checks of `--set`, and the inspector.
//! A field's schema may carry, by `#[schemars(extend("x-unit" = "arcsec"))]`:
//! `x-unit` (shown beside the value), `x-input` (true: a path that `--input field=FILE` sets), `x-needed` (true: no run without it, even if it is an `Option`), `x-log` (true: a slider moves in the logarithm),
//! `x-start` (a number: where an optional field begins when it is given).
//!
//! Read next: [`Task`], [`Progress`], [`TaskEntry`].

mod error;
mod progress;
mod registry;
mod request;

pub use error::TaskError;
pub use progress::{Board, Cancel, Progress, RunState, Series, Snapshot};
pub use registry::{Answer, AnyOutcome, TaskEntry};
pub use request::{Field, FieldKind, RequestError, fields, input_fields, nearest, range_text, set_field};

use std::collections::BTreeMap;
use std::path::Path;

/// Metrics of a run: a flat, sorted map from name to number.
pub type Metrics = BTreeMap<String, f64>;

/// Which queue a job waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Fits and simulations: seconds to minutes.
    Short,
    /// Training and benchmarks: one at a time, pausable, they yield while a short job runs.
    Long,
}

/// What a run will need, estimated from its request before it starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Peak memory in bytes.
    pub bytes: u64,
    /// Seconds of one core.
    pub seconds: f64,
}

/// What stands in the headers of everything that a run writes.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// Task name, e.g. `lens_reconstruction.fit`.
    pub task: String,
    /// Program version and, if known, commit.
    pub version: String,
    /// The request as one line of JSON.
    pub request: String,
}

/// What a finished run leaves behind.
pub trait Outcome: Send + Sync + Sized + 'static {
    /// Numbers of the run, without the wall clock (which the record keeps apart).
    fn metrics(&self) -> Metrics;

    /// Why the result may not be trusted, one line each, with numbers; they stand in the record and beside the answer.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Writes every product into `folder` (which exists and is empty) and returns the file names in order of importance.
    ///
    /// # Errors
    /// A file that cannot be written.
    fn save(&self, folder: &Path, provenance: &Provenance) -> Result<Vec<String>, TaskError>;

    /// Reads back what [`Outcome::save`] wrote, with the metrics of the record.
    ///
    /// # Errors
    /// A product that is missing or damaged.
    fn load(folder: &Path, request: &serde_json::Value, metrics: &Metrics) -> Result<Self, TaskError>;
}

/// Something that can be run: a request that knows how to carry itself out.
pub trait Task:
    serde::Serialize + serde::de::DeserializeOwned + schemars::JsonSchema + Default + Clone + Send + Sync + 'static
{
    /// Name, `study.verb`.
    const NAME: &'static str;
    /// One sentence for `sextans list`.
    const SUMMARY: &'static str;
    /// Files that a run writes, with one line each, for `sextans list`.
    const OUTPUTS: &'static [(&'static str, &'static str)];
    /// The queue it waits in.
    const LANE: Lane;

    /// Snapshot for live plots.
    type Update: Send + Sync + 'static;
    /// What is saved.
    type Outcome: Outcome;

    /// Seed of the run's random streams.
    fn seed(&self) -> u64;

    /// Fills in what is found beside the inputs (headers, notes in their folder), so that the record holds it and the run does
    /// not depend on it any more. Input paths are absolute by now.
    ///
    /// # Errors
    /// An input that cannot be read, or something needed that is nowhere to be found: the same errors that [`Task::run`] would give.
    fn resolved(self) -> Result<Self, TaskError> {
        Ok(self)
    }

    /// What the run will need. Reads headers at most, never data.
    ///
    /// # Errors
    /// An input that cannot be read or a value out of range: the same errors that [`Task::run`] would give.
    fn cost(&self) -> Result<Cost, TaskError>;

    /// Carries the request out.
    ///
    /// # Errors
    /// Bad input, a value out of range, cancelling, or a failure that names its cause.
    fn run(&self, progress: &Progress<Self::Update>) -> Result<Self::Outcome, TaskError>;
}
