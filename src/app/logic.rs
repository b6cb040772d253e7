//! What the window does apart from drawing: taking results, carrying out commands. Runs also when the window is hidden.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::Context;

use super::{Dialog, Opened, Session, Workbench};
use crate::data::DataId;
use crate::panels::{Command, PANELS, Panel, PanelContext, Severity, SliceStep};
use crate::plots::picture::read_record;
use crate::runs::{RECORD_NAME, Record};
use crate::tasks::TaskError;
use crate::workers::{Answer, Key, Slot, Weigh};

/// A frame spends at most this long on taking results.
const FRAME_BUDGET: Duration = Duration::from_millis(10);

/// What a path turned out to be.
enum Kind {
    /// A file, and those of its HDUs that are spectra by themselves.
    Fits(DataId, Vec<usize>),
    /// A table in a text file.
    Table,
    Run(PathBuf, Arc<Record>),
    /// The record in a picture whose run folder is elsewhere.
    Request(Arc<Record>),
    Session(Box<Session>),
}

impl Weigh for Kind {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Workbench {
    /// Takes results and carries out commands; call once before each [`Workbench::ui`].
    pub fn logic(&mut self, ctx: &Context) {
        if self.applied_theme != Some(self.theme) {
            if self.applied_theme.is_none() {
                super::theme::install(ctx, self.theme);
            } else {
                super::theme::apply(ctx, self.theme);
            }
            self.applied_theme = Some(self.theme);
        }
        if (ctx.zoom_factor() - self.zoom).abs() > 1e-3 {
            ctx.set_zoom_factor(self.zoom);
        }
        let started = Instant::now();
        self.take_shortcuts(ctx);
        self.take_opened();
        self.take_library();
        let mut commands = Vec::new();
        // Begins with another view each time, so that none starves when the budget runs out.
        let ids: Vec<_> = self.views.keys().copied().collect();
        let turn = ids.iter().position(|id| Some(*id) > self.last_served).unwrap_or(0);
        for id in ids.iter().cycle().skip(turn).take(ids.len()) {
            if let Some(view) = self.views.get_mut(id) {
                let (services, links) = (&self.services, &mut self.links);
                view.panel.logic(&mut PanelContext { view: *id, services, commands: &mut commands, links });
            }
            if started.elapsed() > FRAME_BUDGET {
                self.last_served = Some(*id);
                ctx.request_repaint();
                break;
            }
        }
        self.commands.extend(commands);
        self.take_saved();
        while let Some(command) = self.commands.pop_front() {
            self.carry_out(command, ctx);
            if started.elapsed() > FRAME_BUDGET {
                ctx.request_repaint();
                break;
            }
        }
    }

    fn take_shortcuts(&mut self, ctx: &Context) {
        // Keys without Ctrl act only when no text is being typed.
        let typing = ctx.text_edit_focused();
        let mut listed: Vec<_> = Command::listed().into_iter().filter_map(|l| Some((l.shortcut?, l.command))).collect();
        // Most modifiers first, so that Ctrl+Shift+S is not taken for Ctrl+S.
        listed.sort_by_key(|(keys, _)| {
            let m = keys.modifiers;
            std::cmp::Reverse([m.ctrl || m.command, m.shift, m.alt].into_iter().filter(|held| *held).count())
        });
        let plane = |key, step| (egui::KeyboardShortcut::new(egui::Modifiers::CTRL, key), Command::Slice(step));
        listed.push(plane(egui::Key::ArrowUp, SliceStep::Next));
        listed.push(plane(egui::Key::ArrowDown, SliceStep::Previous));
        // The key with the plus on it, without Shift.
        let equals = egui::KeyboardShortcut::new(egui::Modifiers::NONE, egui::Key::Equals);
        listed.push((equals, Command::Slice(SliceStep::Next)));
        for (keys, command) in listed {
            if typing && keys.modifiers.is_none() && !is_function_key(keys.logical_key) {
                continue;
            }
            // Space presses the button that the keyboard is on.
            if keys.logical_key == egui::Key::Space && ctx.memory(|m| m.focused().is_some()) {
                continue;
            }
            if ctx.input_mut(|i| i.consume_shortcut(&keys)) {
                self.commands.push_back(command);
            }
        }
    }

    /// Reads the paths that wait, in the background, and puts what came back into the tree.
    fn take_opened(&mut self) {
        let mut sessions = Vec::new();
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
                    self.opened[index].1 = match kind.as_ref() {
                        Kind::Fits(id, spectra) => {
                            self.spectra.insert(path.clone(), spectra.clone());
                            Opened::File(*id)
                        }
                        Kind::Table => Opened::Table,
                        Kind::Run(folder, record) => Opened::Run(folder.clone(), record.clone()),
                        Kind::Request(record) => Opened::Request(record.clone()),
                        Kind::Session(session) => {
                            sessions.push((index, path, session.clone()));
                            continue;
                        }
                    };
                    self.show_opened(&path);
                }
                Answer::Failed(message) => {
                    self.notices.push(Severity::Error, message.to_string());
                    self.opened[index].1 = Opened::Failed(message.to_string());
                }
                Answer::Pending { .. } => {}
            }
        }
        // Sessions replace everything that is open: take all of them out of the list first, then put the last one up.
        for (index, ..) in sessions.iter().rev() {
            self.opened.remove(*index);
        }
        if let Some((_, path, session)) = sessions.pop() {
            self.session_path = Some(path);
            self.restore(&session);
        }
    }

    /// Shows what was just opened, if the user asked for it (not when a session brought it).
    fn show_opened(&mut self, path: &Path) {
        let Some(at) = self.to_show.iter().position(|p| p == path) else { return };
        self.to_show.remove(at);
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

    fn carry_out(&mut self, command: Command, ctx: &Context) {
        match command {
            Command::Open => self.dialog = Some(Dialog::Open(String::new())),
            Command::OpenPath(path) => self.open(&path),
            Command::ShowImage { path, hdu } => self.show_hdu(&path, hdu),
            Command::Slice(step) => {
                if let Some(view) = self.links.slice_target(self.focused) {
                    self.links.steps.entry(view).or_default().push(step);
                    ctx.request_repaint();
                }
            }
            Command::ShowTable { path, hdu } => self.show_of_file("table", &path, hdu),
            Command::ShowHeader { path, hdu } => self.show_of_file("header", &path, hdu),
            Command::SaveView => self.open_save_view(ctx),
            Command::CopyPython => self.copy_python(ctx),
            Command::CopyCommandLine => self.copy_command_line(ctx),
            Command::Blink => self.blink(),
            Command::SideBySide(views) => self.side_by_side(views),
            Command::OpenPanel(kind) => {
                if let Some(entry) = crate::panels::entry(kind) {
                    self.focus_or_add(entry);
                }
            }
            Command::Demo(kind) => self.with_panel(kind, |panel, cx| panel.start_demo(cx)),
            Command::Example(kind) => self.with_panel(kind, |panel, cx| panel.show_example(cx)),
            Command::Forget(path) => {
                if let Some(at) = self.opened.iter().position(|(p, _)| *p == path)
                    && let Opened::File(id) = self.opened.remove(at).1
                {
                    self.services.store.remove(id);
                }
            }
            Command::CloseView => self.close_focused(),
            Command::NextView => self.focus_next(),
            Command::SaveSession => {
                let path = self.session_path.clone().unwrap_or_else(|| "sextans-session.json".into());
                self.dialog = Some(Dialog::SaveSession(path.display().to_string()));
            }
            Command::SavePicture => self.dialog = Some(Dialog::SavePicture("sextans.png".into())),
            Command::ToggleTheme => self.theme = self.theme.other(),
            Command::ToggleData => self.show_data = !self.show_data,
            Command::ToggleInspector => self.show_inspector = !self.show_inspector,
            Command::ToggleJobs => self.show_jobs = !self.show_jobs,
            Command::ZoomIn => self.zoom = (self.zoom * 1.1).min(3.0),
            Command::ZoomOut => self.zoom = (self.zoom / 1.1).max(0.5),
            Command::ZoomReset => self.zoom = 1.0,
            Command::Shortcuts => self.dialog = Some(Dialog::Shortcuts),
            Command::About => self.dialog = Some(Dialog::About),
            Command::Copy(text) => ctx.copy_text(text),
            Command::Notice(severity, text) => self.notices.push(severity, text),
            Command::Quit => self.quit = true,
        }
    }

    /// A view of an HDU: the one that is open already, or a new one.
    fn show_of_file(&mut self, kind: &'static str, path: &Path, hdu: usize) {
        let shows = |state: &serde_json::Value| {
            state["path"].as_str().map(Path::new) == Some(path) && state["hdu"].as_u64() == Some(hdu as u64)
        };
        let open = self.views.iter().find(|(_, v)| v.kind == kind && shows(&v.panel.save())).map(|(id, _)| *id);
        match (open, crate::panels::entry(kind)) {
            (Some(id), _) => self.focus(id),
            (None, Some(entry)) => {
                self.add_view(entry, &serde_json::json!({ "path": path, "hdu": hdu }));
            }
            (None, None) => {}
        }
    }

    /// Brings a panel up and lets it do something.
    fn with_panel(&mut self, kind: &str, act: impl FnOnce(&mut dyn Panel, &mut PanelContext<'_>)) {
        let Some(entry) = crate::panels::entry(kind) else { return };
        let id = self.focus_or_add(entry);
        let mut commands = Vec::new();
        if let Some(view) = self.views.get_mut(&id) {
            let (services, links) = (&self.services, &mut self.links);
            act(view.panel.as_mut(), &mut PanelContext { view: id, services, commands: &mut commands, links });
        }
        self.commands.extend(commands);
    }

    /// Opens a path and shows it once it is read.
    fn open(&mut self, path: &Path) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.to_show.push(path.clone());
        // Read again, even when it was open before: the file may have changed, the run been repeated.
        self.openings += 1;
        match self.opened.iter_mut().find(|(p, _)| *p == path) {
            None => self.remember(&path),
            Some((_, state)) => *state = Opened::Waiting,
        }
    }

    /// Saves the session and says so.
    pub(super) fn save_session(&mut self, path: &Path) {
        match self.session().save(path) {
            Ok(()) => {
                self.session_path = Some(path.to_owned());
                self.notices.push(Severity::Info, format!("Session saved to {}", path.display()));
            }
            Err(error) => self.notices.push(Severity::Error, error.to_string()),
        }
    }
}

fn is_function_key(key: egui::Key) -> bool {
    use egui::Key;
    matches!(key, Key::F1 | Key::F2 | Key::F3 | Key::F4 | Key::F5 | Key::F11)
}

/// Finds out what a path is, reading headers and records only.
fn identify(path: &Path, store: &crate::data::Store) -> Result<Kind, TaskError> {
    if path.is_dir() {
        return run(path);
    }
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let folder = path.parent().unwrap_or(Path::new("."));
    match extension.as_str() {
        "json" if path.file_name().is_some_and(|n| n == RECORD_NAME) => run(folder),
        "json" => Session::load(path).map(|s| Kind::Session(Box::new(s))).map_err(|e| TaskError::Failed(e.to_string())),
        "png" => {
            let file = std::fs::File::open(path).map_err(|e| TaskError::file(path, e.to_string()))?;
            let text = read_record(std::io::BufReader::new(file)).map_err(|e| TaskError::file(path, e.to_string()))?;
            let text = text
                .ok_or_else(|| TaskError::file(path, "this picture carries no record of a run; open its run folder"))?;
            let record = Record::from_json(&text).map_err(|problem| TaskError::file(path, problem))?;
            // A picture that still lies in its run folder opens the run; a stray one, the request that it carries.
            match Record::read(folder) {
                Ok(beside) if beside.request == record.request => run(folder),
                _ => Ok(Kind::Request(Arc::new(record))),
            }
        }
        _ if crate::panels::is_text_table(path) => {
            // Read by the view, as rows; here only whether it is there.
            std::fs::metadata(path).map(|_| Kind::Table).map_err(|e| TaskError::file(path, e.to_string()))
        }
        _ => {
            let id = store.open(path)?;
            let spectra = super::dock::spectra_of(store.file(id)?.as_ref());
            Ok(Kind::Fits(id, spectra))
        }
    }
}

fn run(folder: &Path) -> Result<Kind, TaskError> {
    Ok(Kind::Run(folder.to_owned(), Arc::new(Record::read(folder)?)))
}
