//! Why a task did not finish.

use std::path::{Path, PathBuf};

/// Why a task did not finish. Every variant prints as one plain line that names file, field, value and cure.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TaskError {
    /// The user stopped it.
    #[error("cancelled")]
    Cancelled,
    /// A request field has a value that cannot be used.
    #[error("{field} = {value}: {problem}; {cure}")]
    Field {
        /// Name of the field in the request.
        field: String,
        /// Its value, as text.
        value: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        cure: String,
    },
    /// An input file cannot be used.
    #[error("{}: {problem}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The computation itself failed.
    #[error("{0}")]
    Failed(String),
    /// The task panicked; only this task is lost.
    #[error(
        "the task stopped on an internal error ({0}); other jobs are not touched, please report it with the record"
    )]
    Panicked(String),
}

impl TaskError {
    /// A field whose value cannot be used.
    pub fn field(
        field: &str,
        value: impl std::fmt::Display,
        problem: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self::Field { field: field.to_owned(), value: value.to_string(), problem: problem.into(), cure: cure.into() }
    }

    /// A file that cannot be used.
    pub fn file(file: &Path, problem: impl Into<String>) -> Self {
        Self::File { file: file.to_owned(), problem: problem.into() }
    }

    /// True for wrong usage or unreadable input (exit status 2), false for a run that failed (1).
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Field { .. } | Self::File { .. })
    }
}
