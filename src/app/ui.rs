//! Drawing of the window around the views: menu bar, side panels, status line, dialogs.

use egui::{Align, Align2, Key, Layout, Panel as Side, RichText, Ui};

use super::{Dialog, Workbench};
use crate::panels::{Command, Listed, PANELS, PanelContext};
use crate::workers::JobState;

impl Workbench {
    /// Draws one frame. `ui` is the root of the window.
    pub fn ui(&mut self, ui: &mut Ui) {
        let mut commands = Vec::new();
        Side::top("menu").show(ui, |ui| self.menu_ui(ui, &mut commands));
        Side::bottom("status").exact_size(24.0).show(ui, |ui| self.status_ui(ui, &mut commands));
        if self.show_jobs {
            Side::bottom("jobs").resizable(true).default_size(170.0).size_range(90.0..=420.0).show(ui, |ui| {
                self.jobs_ui(ui, &mut commands);
            });
        }
        if self.show_data {
            Side::left("data").resizable(true).default_size(210.0).size_range(140.0..=420.0).show(ui, |ui| {
                egui::ScrollArea::both().auto_shrink(false).show(ui, |ui| self.data_tree_ui(ui, &mut commands));
            });
        }
        if self.show_inspector {
            Side::right("inspector").resizable(true).default_size(270.0).size_range(200.0..=460.0).show(ui, |ui| {
                egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| self.inspector_ui(ui, &mut commands));
            });
        }
        let fill = ui.visuals().panel_fill;
        egui::CentralPanel::no_frame()
            .frame(egui::Frame::new().fill(fill))
            .show(ui, |ui| self.views_ui(ui, &mut commands));
        self.dialog_ui(ui.ctx(), &mut commands);
        self.save_view_ui(ui.ctx());
        self.drop_ui(ui.ctx(), &mut commands);
        self.browser_ui(ui.ctx());
        self.palette_ui(ui.ctx(), &mut commands);
        self.notices.ui(ui.ctx(), &mut commands);
        self.keep_history(ui.ctx());
        self.commands.extend(commands);
        if !self.commands.is_empty() {
            ui.ctx().request_repaint();
        }
    }

    fn menu_ui(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        egui::MenuBar::new().ui(ui, |ui| {
            ui.label(RichText::new("Sextans").strong());
            ui.separator();
            let listed = Command::listed();
            for menu in ["File", "Edit", "View", "Cube", "Studies", "Help"] {
                ui.menu_button(menu, |ui| {
                    if menu == "Studies" {
                        for panel in PANELS.iter().filter(|p| p.study) {
                            if ui.button(panel.title).on_hover_text(panel.help).clicked() {
                                commands.push(Command::OpenPanel(panel.kind));
                                ui.close();
                            }
                        }
                    }
                    for item in listed.iter().filter(|item| item.menu == menu) {
                        self.menu_item_ui(ui, item, commands);
                        if item.command == Command::Open {
                            self.recent_menu_ui(ui, commands);
                        }
                    }
                });
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let (text, help) = match self.theme {
                    super::ThemeChoice::Dark => ("Light", "Switch to the light theme"),
                    super::ThemeChoice::Light => ("Dark", "Switch to the dark theme"),
                };
                if ui.button(text).on_hover_text(help).clicked() {
                    commands.push(Command::ToggleTheme);
                }
            });
        });
    }

    fn menu_item_ui(&self, ui: &mut Ui, item: &Listed, commands: &mut Vec<Command>) {
        let [undo, redo] = self.history.names();
        let (text, possible) = match &item.command {
            Command::Undo => {
                (undo.map_or_else(|| item.text.to_owned(), |name| format!("Undo: {name}")), undo.is_some())
            }
            Command::Redo => {
                (redo.map_or_else(|| item.text.to_owned(), |name| format!("Redo: {name}")), redo.is_some())
            }
            _ => (item.text.to_owned(), true),
        };
        let mut button = egui::Button::new(text);
        if let Some(keys) = item.shortcut {
            button = button.shortcut_text(key_text(ui.ctx(), keys));
        }
        if ui.add_enabled(possible, button).on_hover_text(item.help).clicked() {
            commands.push(item.command.clone());
            ui.close();
        }
    }

    fn recent_menu_ui(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        ui.menu_button("Open recent", |ui| {
            ui.set_min_width(260.0);
            if self.recent.paths().is_empty() {
                ui.weak("Nothing opened lately");
                return;
            }
            self.recent_ui(ui, usize::MAX, commands);
            ui.separator();
            if ui.button("Clear the list").clicked() {
                commands.push(Command::ClearRecent);
                ui.close();
            }
        });
    }

    fn status_ui(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let rows = self.services.jobs.list();
            let running = rows.iter().filter(|r| !r.state.is_finished() && r.state != JobState::Queued).count();
            let queued = rows.iter().filter(|r| r.state == JobState::Queued).count();
            let text = match (running, queued) {
                (0, 0) => "No jobs running".to_owned(),
                (r, 0) => format!("{r} running"),
                (r, q) => format!("{r} running, {q} waiting"),
            };
            if ui.selectable_label(self.show_jobs, text).on_hover_text("Show or hide the jobs").clicked() {
                commands.push(Command::ToggleJobs);
            }
            ui.separator();
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let unread = self.notices.unread();
                let text = if unread == 0 { "Notices".to_owned() } else { format!("Notices ({unread} new)") };
                let open = self.dialog == Some(Dialog::Notices);
                if ui.selectable_label(open, text).on_hover_text("The messages so far (F8)").clicked() {
                    commands.push(Command::Notices);
                }
                ui.separator();
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    // The last message takes what the read-out of memory leaves.
                    let room = (ui.available_width() - 190.0).max(40.0);
                    ui.allocate_ui_with_layout(
                        egui::vec2(room, ui.available_height()),
                        Layout::left_to_right(Align::Center),
                        |ui| {
                            ui.set_width(room);
                            let text = self
                                .notices
                                .all()
                                .last()
                                .map_or("Drop a FITS file here, or open a study on the left", |n| &n.text);
                            ui.add(egui::Label::new(RichText::new(text).weak()).truncate());
                        },
                    );
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| self.memory_ui(ui, commands));
                });
            });
        });
    }

    fn inspector_ui(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        ui.add_space(4.0);
        let focused = self.focused.and_then(|id| Some((id, self.views.get_mut(&id)?)));
        let Some((id, view)) = focused else {
            ui.heading("Inspector");
            ui.weak("The settings of the focused view appear here.");
            return;
        };
        ui.heading(view.panel.title());
        ui.add_space(4.0);
        view.panel.inspector_ui(
            ui,
            &mut PanelContext { view: id, services: &self.services, commands, links: &mut self.links },
        );
    }

    fn dialog_ui(&mut self, ctx: &egui::Context, commands: &mut Vec<Command>) {
        let Some(mut dialog) = self.dialog.take() else { return };
        let mut open = true;
        match &mut dialog {
            Dialog::DeleteRun(folder) => {
                if delete_ui(ctx, folder, &mut open) {
                    self.delete_run(folder);
                }
            }
            Dialog::Shortcuts(search) => open = self.sheet_ui(ctx, search),
            Dialog::Settings(draft) => open = self.settings_ui(ctx, draft),
            Dialog::Notices => open = self.notices_ui(ctx, commands),
            Dialog::Quit => open = !self.quit_ui(ctx),
            Dialog::About => about_ui(ctx, &mut open),
        }
        if open && !ctx.input(|i| i.key_pressed(Key::Escape)) {
            self.dialog = Some(dialog);
        }
    }

    /// Draws the history of messages above the status line; false when it is closed.
    fn notices_ui(&mut self, ctx: &egui::Context, commands: &mut Vec<Command>) -> bool {
        let mut open = true;
        egui::Window::new("Notices")
            .anchor(Align2::RIGHT_BOTTOM, egui::vec2(-10.0, -30.0))
            .collapsible(false)
            .resizable(false)
            .open(&mut open)
            .show(ctx, |ui| {
                ui.set_width(520.0);
                self.notices.list_ui(ui, commands);
            });
        open
    }
}

/// Keys as they stand on the keyboard: `Ctrl+,` and not `Ctrl+Comma`.
pub(super) fn key_text(ctx: &egui::Context, keys: egui::KeyboardShortcut) -> String {
    let text = ctx.format_shortcut(&keys);
    let signs =
        [("Questionmark", "?"), ("Comma", ","), ("Minus", "-"), ("Plus", "+"), ("Equals", "="), ("Period", ".")];
    match signs.into_iter().find(|(name, _)| text.ends_with(name)) {
        Some((name, sign)) => text.trim_end_matches(name).to_owned() + sign,
        None => text,
    }
}

/// Asks before a run is deleted; true when it is to go.
fn delete_ui(ctx: &egui::Context, folder: &std::path::Path, open: &mut bool) -> bool {
    let mut gone = false;
    let mut stay = true;
    egui::Window::new("Delete this run?")
        .anchor(Align2::CENTER_CENTER, egui::Vec2::ZERO)
        .collapsible(false)
        .resizable(false)
        .show(ctx, |ui| {
            ui.monospace(folder.display().to_string());
            ui.label("Its maps, picture and record are removed from the disk.");
            ui.horizontal(|ui| {
                gone = ui.button("Delete").clicked();
                stay = !ui.button("Keep").clicked();
            });
        });
    *open = stay && !gone;
    gone
}

fn about_ui(ctx: &egui::Context, open: &mut bool) {
    egui::Window::new("About Sextans").anchor(Align2::CENTER_CENTER, egui::Vec2::ZERO).collapsible(false).resizable(false).open(open).show(
        ctx,
        |ui| {
            ui.label(RichText::new(format!("Sextans {}", env!("CARGO_PKG_VERSION"))).strong());
            ui.label("A desktop workbench for astronomers: images, simulations and learned inference,\neach beside the classical answer, with errors that can be believed.");
            ui.weak("MIT or Apache-2.0");
        },
    );
}
