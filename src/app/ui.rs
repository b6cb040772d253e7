//! Drawing of the window around the views: menu bar, side panels, status line, dialogs.

use egui::{Align, Align2, Key, Layout, Panel as Side, RichText, Ui};

use super::{Dialog, Workbench};
use crate::panels::{Command, IMAGE_KEYS, PANELS, PanelContext};
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
        self.notices.ui(ui.ctx());
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
            for menu in ["File", "View", "Cube", "Studies", "Help"] {
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
                        let mut button = egui::Button::new(item.text);
                        if let Some(keys) = item.shortcut {
                            button = button.shortcut_text(ui.ctx().format_shortcut(&keys));
                        }
                        if ui.add(button).on_hover_text(item.help).clicked() {
                            commands.push(item.command.clone());
                            ui.close();
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
            if let Some(notice) = self.notices.all().last() {
                ui.add(egui::Label::new(RichText::new(&notice.text).weak()).truncate());
            } else {
                ui.weak("Drop a FITS file here, or open a study on the left");
            }
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

    /// What stands in the middle while nothing is open.
    pub(super) fn welcome_ui(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        ui.vertical_centered(|ui| {
            ui.add_space((ui.available_height() * 0.22).max(12.0));
            ui.label(RichText::new("Sextans").size(30.0).strong());
            ui.label("A workbench for FITS images, lens reconstruction and live inference");
            ui.add_space(16.0);
            if ui.button("Open a file…").clicked() {
                commands.push(Command::Open);
            }
            for panel in PANELS.iter().filter(|p| p.study) {
                if ui.button(panel.title).on_hover_text(panel.help).clicked() {
                    commands.push(Command::OpenPanel(panel.kind));
                }
            }
            ui.add_space(12.0);
            ui.weak("Drop files or run folders anywhere in this window. F1 lists the keys.");
        });
    }

    fn dialog_ui(&mut self, ctx: &egui::Context, commands: &mut Vec<Command>) {
        let Some(mut dialog) = self.dialog.take() else { return };
        let mut open = true;
        match &mut dialog {
            Dialog::Open(text) => {
                if let Some(path) = path_dialog(
                    ctx,
                    "Open a file or run",
                    "Path of a FITS file, a run folder, a session or a picture",
                    "Open",
                    text,
                    &mut open,
                ) {
                    commands.push(Command::OpenPath(path));
                }
            }
            Dialog::SaveSession(text) => {
                if let Some(path) =
                    path_dialog(ctx, "Save session", "Path of the session file", "Save", text, &mut open)
                {
                    self.save_session(&path);
                }
            }
            Dialog::SavePicture(text) => {
                if let Some(path) = path_dialog(ctx, "Save picture", "Path of the PNG file", "Save", text, &mut open) {
                    self.picture_wanted = Some(path);
                }
            }
            Dialog::DeleteRun(folder) => {
                if delete_ui(ctx, folder, &mut open) {
                    self.delete_run(folder);
                }
            }
            Dialog::Shortcuts => shortcuts_ui(ctx, &mut open),
            Dialog::About => about_ui(ctx, &mut open),
        }
        if open && !ctx.input(|i| i.key_pressed(Key::Escape)) {
            self.dialog = Some(dialog);
        }
    }

    /// While files hang over the window: what dropping them will do. Dropped ones are opened.
    fn drop_ui(&self, ctx: &egui::Context, commands: &mut Vec<Command>) {
        let (hovered, dropped) = ctx.input(|i| (i.raw.hovered_files.clone(), i.raw.dropped_files.clone()));
        for file in dropped {
            commands.push(Command::OpenPath(file.path().to_owned()));
        }
        if hovered.is_empty() {
            return;
        }
        let names: Vec<String> = hovered
            .iter()
            .map(|f| {
                f.path
                    .as_ref()
                    .and_then(|p| p.file_name())
                    .map_or_else(|| "a file".into(), |n| n.to_string_lossy().into_owned())
            })
            .collect();
        egui::Area::new(egui::Id::unique("drop"))
            .anchor(Align2::CENTER_CENTER, egui::Vec2::ZERO)
            .order(egui::Order::Foreground)
            .show(ctx, |ui| {
                egui::Frame::window(ui.style()).inner_margin(24).show(ui, |ui| {
                    ui.heading(format!("Open {}", names.join(", ")));
                    ui.weak("FITS files open as images, run folders and pictures with a record in their study");
                });
            });
    }
}

/// A small window that asks for a path; the path once it is confirmed.
fn path_dialog(
    ctx: &egui::Context,
    title: &str,
    hint: &str,
    action: &str,
    text: &mut String,
    open: &mut bool,
) -> Option<std::path::PathBuf> {
    let mut chosen = None;
    let mut stay = *open;
    egui::Window::new(title)
        .anchor(Align2::CENTER_CENTER, egui::Vec2::ZERO)
        .collapsible(false)
        .resizable(false)
        .open(&mut stay)
        .show(ctx, |ui| {
            let label = ui.label(hint);
            let field = ui.add(egui::TextEdit::singleline(text).desired_width(460.0)).labelled_by(label.id);
            let entered = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            // Asked before: giving the focus back would hide that Enter took it.
            if !entered && ctx.memory(|m| m.focused().is_none()) {
                field.request_focus();
            }
            let clicked = ui.add_enabled(!text.trim().is_empty(), egui::Button::new(action)).clicked();
            if (clicked || entered) && !text.trim().is_empty() {
                chosen = Some(expand_home(text.trim()));
            }
        });
    *open = stay && chosen.is_none();
    chosen
}

/// `~/x` as the shell means it.
pub(super) fn expand_home(text: &str) -> std::path::PathBuf {
    match (text.strip_prefix("~/"), directories::BaseDirs::new()) {
        (Some(rest), Some(dirs)) => dirs.home_dir().join(rest),
        _ => text.into(),
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

fn shortcuts_ui(ctx: &egui::Context, open: &mut bool) {
    egui::Window::new("Keys and commands")
        .anchor(Align2::CENTER_CENTER, egui::Vec2::ZERO)
        .collapsible(false)
        .open(open)
        .show(ctx, |ui| {
            egui::Grid::new("keys").num_columns(3).striped(true).show(ui, |ui| {
                for item in Command::listed() {
                    ui.label(item.text);
                    ui.monospace(item.shortcut.map_or_else(String::new, |k| ui.ctx().format_shortcut(&k)));
                    ui.weak(item.help);
                    ui.end_row();
                }
                let mouse = [
                    ("Wheel", "Zoom the image at the pointer"),
                    ("Left drag", "Move the image"),
                    ("Right drag", "Bias (across) and contrast (up and down); double right-click resets"),
                ];
                for (keys, help) in mouse.into_iter().chain(IMAGE_KEYS) {
                    ui.label("Image");
                    ui.monospace(keys);
                    ui.weak(help);
                    ui.end_row();
                }
            });
        });
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
