//! What the window writes for its user: sessions, settings, recent files. Written on a query thread; at the end of the program at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{Recent, Settings, UserFolders, Workbench};
use crate::data::write_atomically;
use crate::panels::Severity;
use crate::runs::Library;
use crate::tasks::TaskError;
use crate::workers::{Answer, Key, Slot};

/// A file to be written.
pub(super) struct Write {
    path: PathBuf,
    text: String,
    number: u64,
    /// A thread has it, or will.
    begun: bool,
    /// What to tell the user when it is done.
    done: Option<String>,
}

impl Workbench {
    /// Writes a file in the background; a newer text for the same file replaces an older one.
    fn write_later(&mut self, path: &Path, text: String, done: Option<String>) {
        self.writes.retain(|w| w.begun || w.path != path);
        self.write_number += 1;
        self.writes.push(Write { path: path.to_owned(), text, number: self.write_number, begun: false, done });
    }

    /// The same, unless there is no text: what stands on the disk is better than nothing.
    fn write_text<E: std::fmt::Display>(&mut self, path: &Path, text: Result<String, E>) {
        match text {
            Ok(text) => self.write_later(path, text, None),
            Err(problem) => {
                let text = format!("{}: not written, what it said stays ({problem})", path.display());
                self.notices.push(Severity::Error, text);
            }
        }
    }

    /// Takes what has been written.
    pub(super) fn take_writes(&mut self) {
        let mut writes = std::mem::take(&mut self.writes);
        let mut under_way = BTreeSet::new();
        writes.retain_mut(|write| {
            // One at a time for each file: the next begins when the one before has ended.
            if under_way.contains(&write.path) {
                return true;
            }
            write.begun = true;
            let (path, text) = (write.path.clone(), write.text.clone());
            let (written, number) = (self.written.clone(), write.number);
            let answer = self.services.queries.ask(
                Slot::of(&("write", &write.path)),
                Key::of(&(&write.path, write.number)),
                &self.services.wake,
                move |_| {
                    let saved = written.save(&path, number, &text);
                    saved.map(|()| path.display().to_string()).map_err(TaskError::Failed)
                },
            );
            match answer {
                Answer::Pending { .. } => {
                    under_way.insert(write.path.clone());
                    return true;
                }
                Answer::Ready(_) => {
                    if let Some(text) = &write.done {
                        self.notices.push(Severity::Info, text.clone());
                    }
                }
                Answer::Failed(message) => self.notices.push(Severity::Error, message.to_string()),
            }
            false
        });
        self.writes = writes;
    }

    /// Saves the session and says so.
    pub(super) fn save_session(&mut self, path: &Path) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let text = match self.session().to_text() {
            Ok(text) => text,
            Err(problem) => {
                self.notices.push(Severity::Error, format!("{}: {problem}", path.display()));
                return;
            }
        };
        self.write_later(&path, text, Some(format!("Session saved to {}", path.display())));
        self.add_recent(&path);
        self.session_path = Some(path);
    }

    /// Puts a path on top of the recent ones.
    pub(super) fn add_recent(&mut self, path: &Path) {
        if self.recent.add(path) {
            self.keep_recent();
        }
    }

    /// Forgets the recent files.
    pub(super) fn clear_recent(&mut self) {
        self.recent.clear();
        self.keep_recent();
    }

    fn keep_recent(&mut self) {
        if let Some(path) = self.folders.as_ref().map(|f| f.recent.clone()) {
            self.write_text(&path, self.recent.to_text());
        }
    }

    /// Writes the settings.
    pub(super) fn keep_settings(&mut self) {
        if let Some(path) = self.folders.as_ref().map(|f| f.settings.clone()) {
            self.write_text(&path, self.settings.to_text());
        }
    }

    /// Takes over other settings, at once and for the next time.
    pub(super) fn set_settings(&mut self, mut settings: Settings) {
        settings.sanitise();
        self.theme = settings.theme;
        self.zoom = settings.zoom;
        self.settings = settings;
        self.apply_settings();
        self.keep_settings();
    }

    /// Gives memory, threads and runs folder of the settings to the services.
    pub(super) fn apply_settings(&mut self) {
        let bytes = self.settings.memory_bytes(self.machine_bytes);
        // Pixels are most of it; answers are small, but many.
        self.services.store.set_budget(bytes / 4 * 3);
        self.services.queries.set_budget(usize::try_from(bytes / 4).unwrap_or(usize::MAX));
        self.services.jobs.set_threads(self.threads_now.unwrap_or(self.settings.threads));
        let runs = self.settings.runs_folder.clone().map_or_else(|| self.default_runs.clone(), Library::at);
        if runs.folder() != self.services.library.folder() {
            self.services.library = runs;
            self.library = None;
            self.library_version += 1;
        }
    }

    /// Threads for jobs as the command line wants them, whatever the settings say.
    pub fn set_threads(&mut self, threads: usize) {
        self.threads_now = Some(threads);
        self.apply_settings();
    }

    /// Reads the user's settings and recent files, and puts the last session up if that is wanted and nothing else is opened.
    /// Call before the window opens: it reads two small files.
    pub(super) fn adopt(&mut self, folders: UserFolders) {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        self.settings = Settings::from_text(&read(&folders.settings));
        self.recent = Recent::from_text(&read(&folders.recent));
        self.theme = self.settings.theme;
        self.zoom = self.settings.zoom;
        self.folders = Some(folders);
        self.apply_settings();
    }

    /// Puts the session of the last time up, if the settings say so and there is one.
    pub fn resume(&mut self) {
        let Some(path) = self.folders.as_ref().map(|f| f.last_session.clone()) else { return };
        if self.settings.restore_last_session && path.exists() {
            self.open(&path);
        }
    }

    /// Writes what still waits, and the session for the next time. The last call before the program ends: it waits for
    /// the disk, and for views that are being saved.
    pub fn shut_down(&mut self) {
        // Nobody is left to be told.
        for write in std::mem::take(&mut self.writes) {
            drop(self.written.save(&write.path, write.number, &write.text));
        }
        if let Some(folders) = &self.folders
            && self.settings.restore_last_session
            && let Ok(text) = self.session().to_text()
        {
            drop(self.written.save(&folders.last_session, self.write_number + 1, &text));
        }
        self.saving.finish();
    }
}

/// Which writes have been done: of two texts for one file the later one stays, whichever thread comes first.
#[derive(Default)]
pub(super) struct Written {
    newest: Mutex<BTreeMap<PathBuf, u64>>,
}

impl Written {
    /// Writes a text file unless a write with this or a higher number was begun; waits for one that is under way.
    fn save(&self, path: &Path, number: u64, text: &str) -> Result<(), String> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.get(path).is_some_and(|done| *done >= number) {
            return Ok(());
        }
        newest.insert(path.to_owned(), number);
        save_text(path, text)
    }
}

/// Writes a text file, and its folder if need be; an old one is never half overwritten.
fn save_text(path: &Path, text: &str) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|e| format!("{}: the folder cannot be made ({e}); choose another place", folder.display()))?;
    }
    write_atomically(path, |out| out.write_all(text.as_bytes())).map_err(|e| format!("{e}; or choose another place"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workers::no_wake;

    #[test]
    fn the_latest_text_stays_whichever_thread_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/settings.json");
        let written = Written::default();
        written.save(&path, 2, "new").unwrap();
        written.save(&path, 1, "old").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        // No temporary file is left beside it.
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_written_by_one_thread_at_a_time_and_the_end_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.json");
        let mut workbench = Workbench::new(no_wake(), Library::at(folder.path().join("runs"))).unwrap();
        let written = workbench.written.clone();
        // A slow disk: the first write is under way as long as this is held.
        let disk = written.newest.lock().unwrap();
        workbench.write_later(&path, "first".into(), None);
        workbench.take_writes();
        for text in ["second", "third"] {
            workbench.write_later(&path, text.into(), None);
            workbench.take_writes();
        }
        let texts: Vec<(&str, bool)> = workbench.writes.iter().map(|w| (w.text.as_str(), w.begun)).collect();
        assert_eq!(texts, [("first", true), ("third", false)]);
        drop(disk);
        workbench.shut_down();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "third");
        drop(workbench);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "third");
    }
}
