//! What can go wrong with weights and checkpoints.

use std::path::{Path, PathBuf};

/// A file of weights that cannot be read, written or used. One line that names the file, what is wrong, and the cure.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct LearningError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

impl LearningError {
    /// An error about `path`.
    pub fn new(path: &Path, problem: impl Into<String>) -> Self {
        Self { path: path.to_owned(), problem: problem.into() }
    }
}
