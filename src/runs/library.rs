//! The window's own runs: folders under the user's data directory.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::folder::remove_leftovers;
use super::record::{Record, utc};
use crate::tasks::TaskError;

/// A folder of run folders.
#[derive(Clone, Debug)]
pub struct Library {
    folder: PathBuf,
}

/// One run in the library.
#[derive(Clone, Debug)]
pub struct LibraryEntry {
    /// The run folder.
    pub folder: PathBuf,
    /// Its record.
    pub record: Record,
    /// Size of all its files.
    pub bytes: u64,
}

impl Library {
    /// The library in the user's data directory (on Linux `$XDG_DATA_HOME/sextans/runs`); nothing is made yet.
    ///
    /// # Errors
    /// The system names no data directory for this user.
    pub fn of_user() -> Result<Self, TaskError> {
        directories::ProjectDirs::from("", "", "sextans")
            .map(|dirs| Self::at(dirs.data_dir().join("runs")))
            .ok_or_else(|| TaskError::Failed("this user has no home folder to keep runs in; set HOME".into()))
    }

    /// The library in a given folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where the runs lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes what runs left that were killed on the way; runs that go on, in this program or another, are left alone.
    pub fn remove_leftovers(&self) {
        remove_leftovers(&self.folder, None);
    }

    /// A path for a new run of `task`: `TASK-20261120-055016`, with a number if need be.
    /// It belongs to no finished and no unfinished run, and is given only once.
    pub fn new_run(&self, task: &str) -> PathBuf {
        /// Names given by this process, whose runs may not have begun yet.
        static GIVEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
        let time = utc(SystemTime::now()).replace(['-', ':', 'Z'], "").replace('T', "-");
        let taken = names(&self.folder);
        let is_taken = |name: &str| taken.iter().any(|t| t == name || t.starts_with(&format!("{name}.part-")));
        // A set is whole after every statement, so a holder that panicked left it in order.
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut name = format!("{task}-{time}");
        let mut number = 1;
        while is_taken(&name) || given.contains(&self.folder.join(&name)) {
            number += 1;
            name = format!("{task}-{time}-{number}");
        }
        let path = self.folder.join(name);
        given.insert(path.clone());
        path
    }

    /// Every finished run, newest first. Folders that are not runs of ours are passed over.
    pub fn list(&self) -> Vec<LibraryEntry> {
        let mut runs: Vec<LibraryEntry> = names(&self.folder)
            .into_iter()
            .filter(|name| !name.contains(".part-"))
            .filter_map(|name| {
                let folder = self.folder.join(name);
                let record = Record::read(&folder).ok()?;
                let bytes = size(&folder);
                Some(LibraryEntry { folder, record, bytes })
            })
            .collect();
        runs.sort_by(|a, b| (&b.record.started, &b.folder).cmp(&(&a.record.started, &a.folder)));
        runs
    }

    /// Deletes a run of this library.
    ///
    /// # Errors
    /// It is not a run folder directly inside the library, or cannot be deleted.
    pub fn delete(&self, run: &Path) -> Result<(), TaskError> {
        let both = fs::canonicalize(run).ok().zip(fs::canonicalize(&self.folder).ok());
        if both.is_none_or(|(run, library)| run.parent() != Some(library.as_path())) {
            return Err(TaskError::file(run, "is not in the library of runs and is not deleted"));
        }
        Record::read(run)?;
        fs::remove_dir_all(run).map_err(|e| TaskError::file(run, format!("cannot be deleted ({e})")))
    }
}

/// Names in a folder, sorted; none if it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Bytes of all files below; links are not followed.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(kind) if kind.is_dir() => size(&entry.path()),
            Ok(kind) => kind.len(),
            Err(_) => 0,
        })
        .sum()
}
