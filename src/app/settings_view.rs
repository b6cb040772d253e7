//! The window of the settings: what is changed acts at once.

use egui::{Align2, Context, DragValue, Grid, RichText, Slider, TextEdit, Ui};

use super::settings::budget;
use super::{Settings, ThemeChoice, Workbench};
use crate::runs::cost;
use crate::workers::machine;

/// Fields whose text is not a value yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    memory: String,
    text_size: f32,
    /// Days after which runs are offered for deletion, and whether that was asked.
    days: u32,
    sure: bool,
}

impl Draft {
    /// The fields as the settings have them.
    pub(super) fn of(settings: &Settings) -> Self {
        Self { memory: settings.memory.clone(), text_size: settings.zoom * 100.0, days: 30, sure: false }
    }
}

impl Workbench {
    /// Draws the settings; false when they are closed.
    pub(super) fn settings_ui(&mut self, ctx: &Context, draft: &mut Draft) -> bool {
        let mut open = true;
        let mut settings = self.settings.clone();
        let mut browse = false;
        let mut clean = false;
        egui::Window::new("Settings")
            .anchor(Align2::CENTER_CENTER, egui::Vec2::ZERO)
            .collapsible(false)
            .resizable(false)
            .open(&mut open)
            .show(ctx, |ui| {
                ui.set_width(470.0);
                Grid::new("settings").num_columns(2).spacing([14.0, 8.0]).show(ui, |ui| {
                    look_ui(ui, &mut settings, draft);
                    machine_ui(ui, &mut settings, draft, self.machine_bytes, self.threads_now);
                });
                ui.separator();
                browse = self.runs_ui(ui, &mut settings);
                clean = self.clean_up_ui(ui, draft);
                ui.separator();
                ui.checkbox(&mut settings.restore_last_session, "Start with the session of the last time");
                let place = self.folders.as_ref().map_or_else(
                    || "Not kept: this window has no folder for settings".to_owned(),
                    |f| format!("Kept in {}", f.settings.display()),
                );
                ui.add(egui::Label::new(RichText::new(&place).weak()).truncate()).on_hover_text(&place);
                ui.horizontal(|ui| {
                    if ui.button("Defaults").on_hover_text("Every setting as it was at first").clicked() {
                        settings = Settings { runs_folder: settings.runs_folder.clone(), ..Settings::default() };
                        *draft = Draft::of(&settings);
                    }
                });
            });
        if settings != self.settings {
            self.set_settings(settings);
        }
        if browse {
            self.browse_for_runs_folder();
        }
        if clean {
            self.clean_up(draft.days);
        }
        open
    }

    fn runs_ui(&self, ui: &mut Ui, settings: &mut Settings) -> bool {
        let mut browse = false;
        ui.horizontal(|ui| {
            ui.label("Runs go to");
            if ui.button("Choose…").on_hover_text("Another folder; runs that exist stay where they are").clicked() {
                browse = true;
            }
            if settings.runs_folder.is_some() && ui.button("Default").clicked() {
                settings.runs_folder = None;
            }
        });
        let folder = self.services.library.folder().display().to_string();
        ui.add(egui::Label::new(RichText::new(&folder).monospace()).truncate()).on_hover_text(&folder);
        browse
    }

    /// Size of the library, and the old runs that may go; true when they are to.
    fn clean_up_ui(&self, ui: &mut Ui, draft: &mut Draft) -> bool {
        let (count, bytes) = self.library_size();
        let (old, old_bytes) = self.library_older_than(draft.days);
        ui.label(format!("{count} runs take {}", cost::bytes(bytes)));
        let mut go = false;
        ui.horizontal(|ui| {
            let label = ui.label("Older than");
            let days = ui.add(DragValue::new(&mut draft.days).range(0..=3650).suffix(" days")).labelled_by(label.id);
            if days.changed() {
                draft.sure = false;
            }
            ui.label(format!("{old} runs, {}", cost::bytes(old_bytes)));
            if draft.sure {
                if ui.button(format!("Really delete {old} runs")).clicked() {
                    go = true;
                    draft.sure = false;
                }
                if ui.button("Keep them").clicked() {
                    draft.sure = false;
                }
            } else if ui.add_enabled(old > 0, egui::Button::new("Delete…")).clicked() {
                draft.sure = true;
            }
        });
        go
    }
}

fn look_ui(ui: &mut Ui, settings: &mut Settings, draft: &mut Draft) {
    ui.label("Theme");
    ui.horizontal(|ui| {
        ui.radio_value(&mut settings.theme, ThemeChoice::Dark, "Dark");
        ui.radio_value(&mut settings.theme, ThemeChoice::Light, "Light");
    });
    ui.end_row();
    let label = ui.label("Text size");
    ui.horizontal(|ui| {
        let slider = ui
            .add(Slider::new(&mut draft.text_size, 60.0..=250.0).suffix(" %").fixed_decimals(0))
            .labelled_by(label.id);
        // While the slider is held the window keeps its size: it would move away under the pointer.
        if !slider.dragged() && (slider.changed() || slider.drag_stopped()) {
            settings.zoom = draft.text_size / 100.0;
        }
    });
    ui.end_row();
}

fn machine_ui(ui: &mut Ui, settings: &mut Settings, draft: &mut Draft, total: u64, forced: Option<usize>) {
    let cores = machine::cores();
    let label = ui.label("Threads for jobs");
    ui.horizontal(|ui| {
        let mut automatic = settings.threads == 0;
        if ui.checkbox(&mut automatic, format!("All cores but one ({})", cores.saturating_sub(1).max(1))).changed() {
            settings.threads = if automatic { 0 } else { cores.saturating_sub(1).max(1) };
        }
        if !automatic {
            ui.add(DragValue::new(&mut settings.threads).range(1..=4 * cores).speed(0.05)).labelled_by(label.id);
        }
        if let Some(threads) = forced {
            ui.weak(format!("(--threads {threads})"));
        }
    });
    ui.end_row();
    let label = ui.label("Memory for data");
    ui.horizontal(|ui| {
        let field = ui.add(TextEdit::singleline(&mut draft.memory).desired_width(80.0)).labelled_by(label.id);
        match budget(&draft.memory, total) {
            Some(bytes) => {
                if field.lost_focus() {
                    settings.memory = draft.memory.trim().to_owned();
                }
                ui.weak(format!("{} of {}", cost::bytes(bytes), cost::bytes(total)));
            }
            None => {
                ui.colored_label(ui.visuals().error_fg_color, "give a share (50 %, at most 95 %) or a size (8 GB)");
            }
        }
    });
    ui.end_row();
}
