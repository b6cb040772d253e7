//! Opening: paths that wait are read in the background, put into the tree and shown; changed files are noticed and read again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::identify::{Kind, identify};
use super::{Opened, Workbench};
use crate::data::{DataId, Stamp, Store};
use crate::panels::{Command, PANELS, Panel, PanelContext, Severity};
use crate::runs::Record;
use crate::tasks::TaskError;
use crate::workers::{Answer, Key, Slot, Weigh};

/// Which opened files are not what they were when they were read.
#[derive(Debug, Default)]
pub(super) struct Changes {
    changed: Vec<(PathBuf, Stamp)>,
    gone: Vec<PathBuf>,
    reread: usize,
}

impl Weigh for Changes {
    fn bytes(&self) -> usize {
        size_of::<Self>() + (self.changed.len() + self.gone.len()) * 256
    }
}

/// The watch on changed files.
#[derive(Default)]
pub(super) struct Watch {
    had_focus: bool,
    /// Grows with every look; 0 before the first.
    pub(super) look: u64,
    /// The look whose answer was told.
    told: u64,
    /// This look reads the changed files again, because the user asked.
    reload: bool,
    /// What was told of a file already.
    known: BTreeMap<PathBuf, Option<Stamp>>,
}

impl Watch {
    /// True while a look is under way.
    pub(super) fn waiting(&self) -> bool {
        self.look != self.told
    }
}

impl Workbench {
    /// Opens a path and shows it once it is read.
    pub(super) fn open(&mut self, path: &Path) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if let Err(problem) = nameable(&path) {
            self.notices.push(Severity::Error, problem.clone());
            self.failures.push(problem);
            return;
        }
        self.to_show.push(path.clone());
        // Read again, even when it was open before: the file may have changed, the run been repeated.
        self.openings += 1;
        match self.opened.iter_mut().find(|(p, _)| *p == path) {
            None => {
                self.remember(&path);
                self.new_paths.insert(path, None);
            }
            Some((_, state)) => {
                let old = std::mem::replace(state, Opened::Waiting);
                if !matches!(old, Opened::Waiting) {
                    self.new_paths.insert(path, Some(old));
                }
            }
        }
    }

    /// Reads the paths that wait, in the background, and puts what came back into the tree.
    pub(super) fn take_opened(&mut self) {
        let mut sessions = Vec::new();
        let mut regions = Vec::new();
        let mut refused = Vec::new();
        for index in 0..self.opened.len() {
            if !matches!(self.opened[index].1, Opened::Waiting) {
                continue;
            }
            let path = self.opened[index].0.clone();
            let store = self.services.store.clone();
            let work_path = path.clone();
            let answer = self.services.queries.ask(
                Slot::of(&("open", &path)),
                // A path that is opened again is read again.
                Key::of(&path).and(&self.openings),
                &self.services.wake,
                move |_| identify(&work_path, &store),
            );
            match answer {
                Answer::Ready(kind) => {
                    self.new_paths.remove(&path);
                    self.opened[index].1 = match kind.as_ref() {
                        Kind::Fits(id, spectra) => {
                            self.spectra.insert(path.clone(), spectra.clone());
                            Opened::File(*id)
                        }
                        Kind::Table => Opened::Table,
                        Kind::Run(folder, record) => Opened::Run(folder.clone(), record.clone()),
                        Kind::Request(record) => Opened::Request(record.clone()),
                        Kind::Regions(file) => {
                            regions.push((path, file.clone()));
                            continue;
                        }
                        Kind::Session(session) => {
                            sessions.push((index, path, session.clone()));
                            continue;
                        }
                    };
                    self.show_opened(&path);
                }
                Answer::Failed(message) => {
                    self.notices.push(Severity::Error, message.to_string());
                    self.failures.push(message.to_string());
                    match self.new_paths.remove(&path) {
                        // What the user tried to open and is not to be had leaves everything as it was.
                        Some(Some(before)) => self.opened[index].1 = before,
                        Some(None) => refused.push(path.clone()),
                        // What a session names stays in the tree, to be located.
                        None => self.opened[index].1 = Opened::Failed(message.to_string()),
                    }
                    self.to_show.retain(|p| *p != path);
                }
                Answer::Pending { .. } => {}
            }
        }
        // Sessions replace everything that is open: take all of them out of the list first, then put the last one up.
        for (index, ..) in sessions.iter().rev() {
            self.opened.remove(*index);
        }
        self.opened.retain(|(path, _)| !refused.contains(path) && !regions.iter().any(|(p, _)| p == path));
        self.to_show.retain(|path| !regions.iter().any(|(p, _)| p == path));
        self.to_draw.extend(regions);
        self.draw_regions();
        if let Some((_, path, session)) = sessions.pop() {
            if self.folders.as_ref().is_none_or(|f| f.last_session != path) {
                self.add_recent(&path);
                self.session_path = Some(path);
            }
            self.restore(&session);
        }
    }

    /// Gives the regions of files to an image view; they wait while one is on its way.
    fn draw_regions(&mut self) {
        if self.to_draw.is_empty() {
            return;
        }
        let Some(view) = self.links.region_target(self.focused) else {
            let opening = self.opened.iter().any(|(_, o)| matches!(o, Opened::Waiting));
            let coming = !self.commands.is_empty() || self.views.values().any(|v| v.kind == "image");
            if !opening && !coming {
                for (path, _) in std::mem::take(&mut self.to_draw) {
                    let text = format!("{}: regions need an image to be drawn over; open one first", path.display());
                    self.failures.push(text.clone());
                    self.notices.push(Severity::Error, text);
                }
            }
            return;
        };
        // One file a frame: the view takes one at a time.
        if !self.links.wanted_regions.contains_key(&view) {
            let (path, file) = self.to_draw.remove(0);
            self.add_recent(&path);
            self.links.wanted_regions.insert(view, file);
            self.history.touch();
            self.history.expect_views_to_act();
        }
    }

    /// Shows what was just opened, if the user asked for it (not when a session brought it).
    fn show_opened(&mut self, path: &Path) {
        let Some(at) = self.to_show.iter().position(|p| p == path) else { return };
        self.to_show.remove(at);
        self.add_recent(path);
        self.history.touch();
        match self.opened.iter().find(|(p, _)| p == path).map(|(_, o)| o.clone()) {
            Some(Opened::File(id)) => {
                let entry = self.services.store.entry(id);
                let hdus = entry.iter().flat_map(|e| &e.hdus);
                let image = hdus.clone().find(|h| h.is_image).map(|h| h.index);
                let spectrum = self.spectra.get(path).and_then(|hdus| hdus.first().copied());
                let table = hdus.clone().find(|h| h.is_table).map(|h| h.index);
                let path = path.to_owned();
                self.commands.push_back(match (image.or(spectrum), table) {
                    (Some(hdu), _) => Command::ShowImage { path, hdu },
                    (None, Some(hdu)) => Command::ShowTable { path, hdu },
                    // Nothing but headers: they are what there is to see.
                    (None, None) => Command::ShowHeader { path, hdu: 0 },
                });
            }
            Some(Opened::Table) => {
                // Opened again it is read again: it may be another table by now.
                *self.links.readings.entry(path.to_owned()).or_default() += 1;
                self.commands.push_back(Command::ShowTable { path: path.to_owned(), hdu: 0 });
            }
            Some(Opened::Run(folder, record)) => self.show_run(&record, |panel, cx| panel.open(&folder, &record, cx)),
            Some(Opened::Request(record)) => self.show_run(&record, |panel, cx| panel.open_request(&record, cx)),
            _ => {}
        }
    }

    /// Opens a run, or a request, in the panel of its study.
    fn show_run(&mut self, record: &Record, open: impl FnOnce(&mut dyn Panel, &mut PanelContext<'_>) -> bool) {
        let study = record.task.split('.').next().unwrap_or_default();
        let Some(entry) = PANELS.iter().find(|p| p.study && p.kind == study) else {
            self.notices.push(Severity::Warning, format!("no panel for the task {}", record.task));
            return;
        };
        let mut taken = false;
        self.with_panel(entry.kind, |panel, cx| taken = open(panel, cx));
        if !taken {
            let text = format!("the panel {} does not show runs of {}; open its files", entry.title, record.task);
            self.notices.push(Severity::Warning, text);
        }
    }

    /// Reads every opened file again that has changed, and says what came of it.
    pub(super) fn reload(&mut self) {
        self.watch.look += 1;
        self.watch.reload = true;
        self.watch.known.clear();
    }

    /// Looks whether opened files have changed when the window gets the focus; never waits.
    pub(super) fn watch_files(&mut self, ctx: &egui::Context) {
        let has_focus = ctx.input(|i| i.focused);
        if has_focus && !self.watch.had_focus && !self.watch.waiting() && self.watch.look > 0 {
            self.watch.look += 1;
        }
        if self.watch.look == 0 {
            // The first look has nothing to compare with.
            self.watch.look = 1;
            self.watch.told = 1;
        }
        self.watch.had_focus = has_focus;
        if !self.watch.waiting() {
            return;
        }
        let files: Vec<(PathBuf, DataId)> = self
            .opened
            .iter()
            .filter_map(|(p, o)| if let Opened::File(id) = o { Some((p.clone(), *id)) } else { None })
            .collect();
        let store = self.services.store.clone();
        let reload = self.watch.reload;
        let key = Key::of(&self.watch.look);
        let answer = self
            .services
            .queries
            .ask(Slot::of(&"changed files"), key, &self.services.wake, move |_| look(&store, &files, reload));
        let changes = match answer {
            Answer::Pending { .. } => return,
            Answer::Ready(changes) => changes,
            Answer::Failed(message) => {
                self.notices.push(Severity::Error, message.to_string());
                std::sync::Arc::default()
            }
        };
        self.watch.told = self.watch.look;
        if std::mem::take(&mut self.watch.reload) {
            self.library_version += 1;
            let count = changes.reread;
            let text = match count {
                0 => "No opened file has changed".to_owned(),
                1 => "1 changed file was read again".to_owned(),
                n => format!("{n} changed files were read again"),
            };
            self.notices.push(Severity::Info, text);
        }
        self.tell_changes(&changes);
    }

    fn tell_changes(&mut self, changes: &Changes) {
        let name = |path: &Path| path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        for (path, stamp) in &changes.changed {
            if self.watch.known.insert(path.clone(), Some(*stamp)) != Some(Some(*stamp)) {
                let text = format!("{} has changed on the disk", name(path));
                self.notices.offer(Severity::Warning, text, "Reload", Command::Reload);
            }
        }
        for path in &changes.gone {
            if self.watch.known.insert(path.clone(), None) != Some(None) {
                let text = format!("{}: no longer there; what has been read of it stays on the screen", path.display());
                self.notices.push(Severity::Warning, text);
            }
        }
    }
}

/// A path that a session can name: views, sessions and recent files keep paths as text.
///
/// # Errors
/// It is not UTF-8; one line with the cure.
pub(super) fn nameable(path: &Path) -> Result<(), String> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(format!("{}: this name is not UTF-8 text; rename the file or its folder", path.display())),
    }
}

/// Compares the files with what they were when they were read.
fn look(store: &Store, files: &[(PathBuf, DataId)], reload: bool) -> Result<Changes, TaskError> {
    let mut changes = Changes::default();
    for (path, id) in files {
        let Ok(now) = Stamp::of(path) else {
            changes.gone.push(path.clone());
            continue;
        };
        let Ok(file) = store.file(*id) else { continue };
        if file.stamp() == Some(now) {
            continue;
        }
        if reload {
            store.refresh(*id)?;
            changes.reread += 1;
        } else {
            changes.changed.push((path.clone(), now));
        }
    }
    Ok(changes)
}
