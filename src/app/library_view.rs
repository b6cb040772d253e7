//! The window's own runs in the data tree: listed in the background, opened with a click, deleted after a question.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{CollapsingHeader, RichText, Ui};

use super::{Dialog, Workbench};
use crate::panels::Command;
use crate::runs::{LibraryEntry, cost, utc};
use crate::workers::{Key, Slot, Weigh};

/// The library as it was last listed.
pub(super) struct Listing {
    entries: Vec<LibraryEntry>,
    bytes: u64,
}

impl Weigh for Listing {
    fn bytes(&self) -> usize {
        self.entries.len() * 4096
    }
}

impl Workbench {
    /// Lists the library again when a job has ended or a run was deleted; never waits.
    pub(super) fn take_library(&mut self) {
        // A job that ends leaves this list, whatever the order they end in and whether finished rows are cleared.
        let open: Vec<u64> =
            self.services.jobs.list().iter().filter(|j| !j.state.is_finished()).map(|j| j.id.0).collect();
        if self.open_jobs.iter().any(|id| !open.contains(id)) {
            self.library_version += 1;
        }
        self.open_jobs = open;
        let key = Key::of(&self.library_version);
        let library = self.services.library.clone();
        let first = self.library.is_none();
        let cleaning =
            self.cleaning.clone().filter(|(version, _)| *version == self.library_version).map(|(_, limit)| limit);
        let answer = self.services.queries.ask(Slot::of(&"library"), key, &self.services.wake, move |_| {
            if first {
                // What a killed program left behind.
                library.remove_leftovers();
            }
            if let Some(limit) = &cleaning {
                for entry in library.list().iter().filter(|e| e.record.started < *limit) {
                    library.delete(&entry.folder)?;
                }
            }
            let mut entries = library.list();
            entries.sort_by(|a, b| b.record.started.cmp(&a.record.started));
            let bytes = entries.iter().map(|e| e.bytes).sum();
            Ok(Listing { entries, bytes })
        });
        if let Some(listing) = answer.newest() {
            self.library = Some(listing.clone());
        }
    }

    /// Draws the runs, newest first.
    pub(super) fn library_ui(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let Some(listing) = self.library.clone().filter(|l| !l.entries.is_empty()) else { return };
        ui.add_space(10.0);
        let title = format!("Runs  {}", cost::bytes(listing.bytes));
        CollapsingHeader::new(RichText::new(title).heading()).id_salt("library").default_open(true).show(ui, |ui| {
            for entry in &listing.entries {
                let time = entry.record.started.replace('T', " ");
                let time = time.trim_end_matches('Z');
                // The study is plain from the panel that opens; what tells runs apart is verb and time.
                let verb = entry.record.task.rsplit('.').next().unwrap_or_default();
                let row = ui.selectable_label(false, format!("{verb}  {}", time.get(5..16).unwrap_or(time)));
                let row = row.on_hover_text(format!(
                    "{}\n{time} UTC, {:.1} s, {}\n{}",
                    entry.record.task,
                    entry.record.wall_seconds,
                    cost::bytes(entry.bytes),
                    entry.folder.display()
                ));
                if row.clicked() {
                    commands.push(Command::OpenPath(entry.folder.clone()));
                }
                row.context_menu(|ui| {
                    if ui.button("Copy path").clicked() {
                        commands.push(Command::Copy(entry.folder.display().to_string()));
                        ui.close();
                    }
                    if ui.button("Delete…").clicked() {
                        self.dialog = Some(Dialog::DeleteRun(entry.folder.clone()));
                        ui.close();
                    }
                });
            }
        });
    }

    /// Number and bytes of the runs.
    pub(super) fn library_size(&self) -> (usize, u64) {
        self.library.as_ref().map_or((0, 0), |l| (l.entries.len(), l.bytes))
    }

    /// Number and bytes of the runs that were started more than some days ago.
    pub(super) fn library_older_than(&self, days: u32) -> (usize, u64) {
        let limit = days_ago(days);
        let entries = self.library.iter().flat_map(|l| &l.entries).filter(|e| e.record.started < limit);
        entries.fold((0, 0), |(count, bytes), e| (count + 1, bytes + e.bytes))
    }

    /// Deletes old runs in the background.
    pub(super) fn clean_up(&mut self, days: u32) {
        self.cleaning = Some((self.library_version + 1, days_ago(days)));
        self.library_version += 1;
    }

    /// Deletes a run of the library and says so.
    pub(super) fn delete_run(&mut self, folder: &PathBuf) {
        use crate::panels::Severity;
        match self.services.library.delete(folder) {
            Ok(()) => self.notices.push(Severity::Info, format!("Deleted {}", folder.display())),
            Err(error) => self.notices.push(Severity::Error, error.to_string()),
        }
        self.library_version += 1;
        self.opened.retain(|(path, _)| path != folder);
    }
}

/// The time some days ago, as records write it.
fn days_ago(days: u32) -> String {
    let seconds = u64::from(days) * 86_400;
    let time = std::time::SystemTime::now().checked_sub(std::time::Duration::from_secs(seconds));
    utc(time.unwrap_or(std::time::UNIX_EPOCH))
}

/// Held between frames.
pub(super) type Held = Option<Arc<Listing>>;
