//! What the window does apart from drawing: taking results, carrying out commands. Runs also when the window is hidden.

use std::path::Path;
use std::time::{Duration, Instant};

use egui::{Context, KeyboardShortcut};

use super::{Dialog, Opened, Workbench};
use crate::panels::{Command, Panel, PanelContext};

/// A frame spends at most this long on taking results.
const FRAME_BUDGET: Duration = Duration::from_millis(10);

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
        self.take_close_request(ctx);
        self.take_shortcuts(ctx);
        self.take_opened();
        self.take_library();
        self.watch_files(ctx);
        self.take_missing();
        self.take_browser(ctx);
        self.take_writes();
        let mut commands = Vec::new();
        // Begins with another view each time, so that none starves when the budget runs out.
        let ids: Vec<_> = self.views.keys().copied().collect();
        // What panels do by themselves is no step of undo; what they were told to do is.
        let by_themselves = !self.history.views_act();
        let turn = ids.iter().position(|id| Some(*id) > self.last_served).unwrap_or(0);
        for id in ids.iter().cycle().skip(turn).take(ids.len()) {
            if let Some(view) = self.views.get_mut(id) {
                let before = by_themselves.then(|| view.panel.save());
                let (services, links) = (&self.services, &mut self.links);
                view.panel.logic(&mut PanelContext { view: *id, services, commands: &mut commands, links });
                if let Some(before) = before {
                    self.history.panel_acted(*id, &before, &view.panel.save());
                }
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

    /// Turns keys into commands: those of the window first, then those of the focused view.
    fn take_shortcuts(&mut self, ctx: &Context) {
        // While a browser, the palette or a question is open, keys belong to it.
        if self.is_modal() {
            return;
        }
        // Keys without Ctrl act only when no text is being typed; a text field has an undo of its own.
        let typing = ctx.text_edit_focused();
        let on_control = ctx.memory(|m| m.focused().is_some());
        let mut keys: Vec<(KeyboardShortcut, Command)> = Vec::new();
        for item in Command::listed() {
            if typing && matches!(item.command, Command::Undo | Command::Redo) {
                continue;
            }
            keys.extend(item.keys().map(|key| (key, item.command.clone())));
        }
        if let Some((id, view)) = self.focused.and_then(|id| Some((id, self.views.get(&id)?))) {
            let own = view.panel.actions().iter().filter(|a| !a.at_pointer);
            keys.extend(own.filter_map(|a| Some((a.key?, Command::Act(id, a.name)))));
        }
        // Most modifiers first, so that Ctrl+Shift+S is not taken for Ctrl+S.
        keys.sort_by_key(|(keys, _)| {
            let m = keys.modifiers;
            std::cmp::Reverse([m.ctrl || m.command, m.shift, m.alt].into_iter().filter(|held| *held).count())
        });
        for (keys, command) in keys {
            let plain = keys.modifiers.is_none() && !is_function_key(keys.logical_key);
            // A control with the focus takes Space, Enter and the arrows; a text field every letter.
            if plain && (typing || (on_control && is_control_key(keys.logical_key))) {
                continue;
            }
            if ctx.input_mut(|i| i.consume_shortcut(&keys)) {
                self.commands.push_back(command);
            }
        }
    }

    fn carry_out(&mut self, command: Command, ctx: &Context) {
        if !matches!(command, Command::Notice(..)) {
            self.history.touch();
        }
        match command {
            Command::Open => self.browse_to_open(),
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
            Command::SaveView => self.open_save_view(ctx, None),
            Command::SaveViewAs(product) => self.open_save_view(ctx, Some(&product)),
            Command::NewView(kind, state) => self.new_view(kind, &state),
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
            Command::DuplicateView => self.duplicate_focused(),
            Command::NextView => self.focus_next(),
            Command::PreviousView => self.focus_previous(),
            Command::FocusView(id) => self.focus(id),
            Command::Act(id, name) => self.act(id, name),
            Command::SaveSession => match self.session_path.clone() {
                Some(path) => self.save_session(&path),
                None => self.browse_to_save_session(),
            },
            Command::SaveSessionAs => self.browse_to_save_session(),
            Command::Reload => self.reload(),
            Command::ClearRecent => self.clear_recent(),
            Command::Locate(path) => self.browse_to_locate(path),
            Command::Undo => self.step_history(true),
            Command::Redo => self.step_history(false),
            Command::SavePicture => self.browse_to_save_picture(),
            Command::ToggleTheme => {
                self.theme = self.theme.other();
                self.settings.theme = self.theme;
                self.keep_settings();
            }
            Command::ToggleData => self.show_data = !self.show_data,
            Command::ToggleInspector => self.show_inspector = !self.show_inspector,
            Command::ToggleJobs => self.show_jobs = !self.show_jobs,
            Command::ZoomIn => self.set_zoom((self.zoom * 1.1).min(3.0)),
            Command::ZoomOut => self.set_zoom((self.zoom / 1.1).max(0.5)),
            Command::ZoomReset => self.set_zoom(1.0),
            Command::Palette => self.palette = Some(super::palette::Palette::default()),
            Command::Settings => self.dialog = Some(Dialog::Settings(super::settings_view::Draft::of(&self.settings))),
            Command::Notices => {
                self.dialog = if self.dialog == Some(Dialog::Notices) { None } else { Some(Dialog::Notices) };
            }
            Command::FreeMemory => self.free_memory(),
            Command::FullScreen => {
                let full = ctx.input(|i| i.viewport().fullscreen.unwrap_or(false));
                ctx.send_viewport_cmd(egui::ViewportCommand::Fullscreen(!full));
            }
            Command::Shortcuts => self.dialog = Some(Dialog::Shortcuts(String::new())),
            Command::About => self.dialog = Some(Dialog::About),
            Command::Copy(text) => ctx.copy_text(text),
            Command::Notice(severity, text) => self.notices.push(severity, text),
            Command::Quit => self.ask_to_quit(),
        }
    }

    fn set_zoom(&mut self, zoom: f32) {
        self.zoom = zoom;
        self.settings.zoom = zoom;
        self.keep_settings();
    }

    /// Lets a view do one of its own actions.
    fn act(&mut self, id: super::ViewId, name: &str) {
        let mut commands = Vec::new();
        if let Some(view) = self.views.get_mut(&id) {
            let (services, links) = (&self.services, &mut self.links);
            view.panel.act(name, &mut PanelContext { view: id, services, commands: &mut commands, links });
        }
        self.commands.extend(commands);
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
                self.add_view(entry, &serde_json::json!({ "path": path.to_string_lossy(), "hdu": hdu }));
            }
            (None, None) => {}
        }
    }

    /// Brings a panel up and lets it do something.
    pub(super) fn with_panel(&mut self, kind: &str, act: impl FnOnce(&mut dyn Panel, &mut PanelContext<'_>)) {
        let Some(entry) = crate::panels::entry(kind) else { return };
        let id = self.focus_or_add(entry);
        let mut commands = Vec::new();
        if let Some(view) = self.views.get_mut(&id) {
            let (services, links) = (&self.services, &mut self.links);
            act(view.panel.as_mut(), &mut PanelContext { view: id, services, commands: &mut commands, links });
        }
        self.commands.extend(commands);
    }
}

/// Keys by which a button is pressed and a slider moved.
fn is_control_key(key: egui::Key) -> bool {
    use egui::Key;
    matches!(
        key,
        Key::Space
            | Key::Enter
            | Key::ArrowUp
            | Key::ArrowDown
            | Key::ArrowLeft
            | Key::ArrowRight
            | Key::Home
            | Key::End
    )
}

fn is_function_key(key: egui::Key) -> bool {
    use egui::Key;
    matches!(key, Key::F1 | Key::F2 | Key::F3 | Key::F4 | Key::F5 | Key::F8 | Key::F11)
}
