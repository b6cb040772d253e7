//! Tasks behind one face, so that the command line and the window can list and run any of them.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::{Board, Cost, Lane, Metrics, Outcome, Progress, Provenance, RequestError, Task, TaskError};

type SaveFn = fn(&(dyn Any + Send + Sync), &Path, &Provenance) -> Result<Vec<String>, TaskError>;

/// An outcome whose type is known only to its panel.
#[derive(Clone)]
pub struct AnyOutcome {
    value: Arc<dyn Any + Send + Sync>,
    metrics: fn(&(dyn Any + Send + Sync)) -> Metrics,
    warnings: fn(&(dyn Any + Send + Sync)) -> Vec<String>,
    save: SaveFn,
}

impl AnyOutcome {
    /// Hides the type.
    pub fn new<O: Outcome>(outcome: O) -> Self {
        fn typed<O: 'static>(value: &(dyn Any + Send + Sync)) -> Result<&O, TaskError> {
            value.downcast_ref().ok_or_else(|| TaskError::Failed("an outcome was asked for by another type".into()))
        }
        Self {
            value: Arc::new(outcome),
            metrics: |value| typed::<O>(value).map(Outcome::metrics).unwrap_or_default(),
            warnings: |value| typed::<O>(value).map(Outcome::warnings).unwrap_or_default(),
            save: |value, folder, provenance| typed::<O>(value)?.save(folder, provenance),
        }
    }

    /// The outcome itself, if it is an `O`.
    pub fn get<O: Outcome>(&self) -> Option<Arc<O>> {
        self.value.clone().downcast().ok()
    }

    /// See [`Outcome::metrics`].
    pub fn metrics(&self) -> Metrics {
        (self.metrics)(self.value.as_ref())
    }

    /// See [`Outcome::warnings`].
    pub fn warnings(&self) -> Vec<String> {
        (self.warnings)(self.value.as_ref())
    }

    /// See [`Outcome::save`].
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, folder: &Path, provenance: &Provenance) -> Result<Vec<String>, TaskError> {
        (self.save)(self.value.as_ref(), folder, provenance)
    }
}

impl std::fmt::Debug for AnyOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnyOutcome").finish_non_exhaustive()
    }
}

/// What an entry answers.
pub type Answer<T> = Result<T, TaskError>;

/// One task in the registry: its description and its verbs, the type erased.
#[derive(Clone, Copy)]
pub struct TaskEntry {
    /// `study.verb`.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Files that a run writes.
    pub outputs: &'static [(&'static str, &'static str)],
    /// The queue it waits in.
    pub lane: Lane,
    /// JSON schema of the request.
    pub schema: fn() -> Value,
    /// The request with every default.
    pub defaults: fn() -> Answer<Value>,
    /// Checks a request and gives it back complete, every default filled in.
    pub normalise: fn(&Value) -> Result<Value, RequestError>,
    /// See [`Task::resolved`].
    pub resolve: fn(&Value) -> Answer<Value>,
    /// Seed of a request.
    pub seed: fn(&Value) -> Answer<u64>,
    /// See [`Task::cost`].
    pub cost: fn(&Value) -> Answer<Cost>,
    /// See [`Task::run`].
    pub run: fn(&Value, &Arc<Board>) -> Answer<AnyOutcome>,
    /// See [`Outcome::load`].
    pub load: fn(&Path, &Value, &Metrics) -> Answer<AnyOutcome>,
}

impl std::fmt::Debug for TaskEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskEntry").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TaskEntry {
    /// The entry of a task.
    pub const fn of<T: Task>() -> Self {
        fn request<T: Task>(value: &Value) -> Answer<T> {
            super::request::parse::<T>(value).map_err(|e| TaskError::Failed(e.to_string()))
        }
        Self {
            name: T::NAME,
            summary: T::SUMMARY,
            outputs: T::OUTPUTS,
            lane: T::LANE,
            schema: || schemars::schema_for!(T).to_value(),
            defaults: || serde_json::to_value(T::default()).map_err(|e| TaskError::Failed(e.to_string())),
            normalise: |value| {
                let request = super::request::parse::<T>(value)?;
                serde_json::to_value(request).map_err(|e| RequestError::Json(e.to_string()))
            },
            resolve: |value| {
                let request = request::<T>(value)?.resolved()?;
                serde_json::to_value(request).map_err(|e| TaskError::Failed(e.to_string()))
            },
            seed: |value| Ok(request::<T>(value)?.seed()),
            cost: |value| request::<T>(value)?.cost(),
            run: |value, board| request::<T>(value)?.run(&Progress::on(board)).map(AnyOutcome::new),
            load: |folder, request, metrics| T::Outcome::load(folder, request, metrics).map(AnyOutcome::new),
        }
    }
}
