//! What the window writes for its user: sessions, settings, recent files. Written on a query thread; at the end of the program at once.

use std::path::{Path, PathBuf};

use super::{Recent, Settings, UserFolders, Workbench};
use crate::panels::Severity;
use crate::runs::Library;
use crate::tasks::TaskError;
use crate::workers::{Answer, Key, Slot};

/// A file to be written.
pub(super) struct Write {
    path: PathBuf,
    text: String,
    number: u64,
    /// What to tell the user when it is done.
    done: Option<String>,
}

impl Workbench {
    /// Writes a file in the background; a newer text for the same file replaces an older one.
    fn write_later(&mut self, path: &Path, text: String, done: Option<String>) {
        self.writes.retain(|w| w.path != path);
        self.write_number += 1;
        self.writes.push(Write { path: path.to_owned(), text, number: self.write_number, done });
    }

    /// Takes what has been written.
    pub(super) fn take_writes(&mut self) {
        let mut writes = std::mem::take(&mut self.writes);
        writes.retain(|write| {
            let (path, text) = (write.path.clone(), write.text.clone());
            let answer = self.services.queries.ask(
                Slot::of(&("write", &write.path)),
                Key::of(&(&write.path, write.number)),
                &self.services.wake,
                move |_| save_text(&path, &text).map(|()| path.display().to_string()).map_err(TaskError::Failed),
            );
            match answer {
                Answer::Pending { .. } => return true,
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
        let text = self.session().to_text();
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
            let text = self.recent.to_text();
            self.write_later(&path, text, None);
        }
    }

    /// Writes the settings.
    pub(super) fn keep_settings(&mut self) {
        if let Some(path) = self.folders.as_ref().map(|f| f.settings.clone()) {
            let text = self.settings.to_text();
            self.write_later(&path, text, None);
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

    /// Writes what still waits, and the session for the next time. The last call before the program ends: it waits for the disk.
    pub fn shut_down(&mut self) {
        for write in std::mem::take(&mut self.writes) {
            // Nobody is left to be told.
            drop(save_text(&write.path, &write.text));
        }
        if let Some(folders) = &self.folders
            && self.settings.restore_last_session
        {
            drop(save_text(&folders.last_session, &self.session().to_text()));
        }
    }
}

/// Writes a text file: to a temporary name beside it, then renamed, so that an old one is never half overwritten.
pub(super) fn save_text(path: &Path, text: &str) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("{}: cannot be written ({e}); choose another place", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    std::fs::write(&part, text).map_err(fail)?;
    std::fs::rename(&part, path).map_err(fail)
}
