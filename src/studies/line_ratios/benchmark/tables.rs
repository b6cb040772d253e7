//! Reading the tables of a benchmark.

use std::path::{Path, PathBuf};

use crate::data::{Table, read_ecsv};
use crate::tasks::TaskError;

/// A table whose columns must be there.
pub(super) struct Reader {
    table: Table,
    path: PathBuf,
}

impl Reader {
    /// Reads a table of a run folder.
    pub fn of(folder: &Path, name: &str) -> Result<Self, TaskError> {
        let path = folder.join(name);
        Ok(Self { table: read_ecsv(&path)?, path })
    }

    fn missing(&self, name: &str) -> TaskError {
        TaskError::file(&self.path, format!("expected the column {name}; run line_ratios.benchmark again"))
    }

    /// A column of numbers.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, TaskError> {
        self.table.numbers(name).ok_or_else(|| self.missing(name))
    }

    /// A column of words.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, TaskError> {
        self.table.words(name).map(<[String]>::to_vec).ok_or_else(|| self.missing(name))
    }
}
