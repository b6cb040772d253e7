//! The lower edge: jobs with progress, pause, cancel, and the series that they log.

use egui::{Align, Layout, ProgressBar, ScrollArea, Ui};

use super::{Workbench, theme};
use crate::panels::Command;
use crate::workers::{JobRow, JobState};

impl Workbench {
    /// Draws the jobs, newest first, and the series of the newest one.
    pub(super) fn jobs_ui(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let rows = self.services.jobs.list();
        ui.horizontal(|ui| {
            ui.strong("Jobs");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui.small_button("×").on_hover_text("Hide the jobs").clicked() {
                    commands.push(Command::ToggleJobs);
                }
                if rows.iter().any(|r| r.state.is_finished()) && ui.small_button("Clear finished").clicked() {
                    self.services.jobs.clear_finished();
                }
            });
        });
        if rows.is_empty() {
            ui.weak("No jobs yet. A fit, a simulation or a training appears here while it runs.");
            return;
        }
        ui.columns(2, |columns| {
            ScrollArea::vertical().id_salt("job rows").auto_shrink(false).show(&mut columns[0], |ui| {
                for row in rows.iter().rev() {
                    self.job_ui(ui, row, commands);
                }
            });
            if let Some(row) = rows.iter().rev().find(|r| r.snapshot.log_length > 0) {
                let series = row.board.series();
                crate::panels::series_ui(&mut columns[1], "job series", &series, "step", "");
            }
        });
    }

    fn job_ui(&self, ui: &mut Ui, row: &JobRow, commands: &mut Vec<Command>) {
        let dark = ui.visuals().dark_mode;
        ui.horizontal(|ui| {
            let seconds = row.wall_seconds.map_or_else(String::new, |s| format!("{s:.1} s"));
            match &row.state {
                JobState::Running | JobState::Paused | JobState::Queued | JobState::Yielding | JobState::Stopping => {
                    let paused = row.state == JobState::Paused;
                    let text = match &row.state {
                        JobState::Queued => "waiting".to_owned(),
                        JobState::Paused => "paused".to_owned(),
                        JobState::Yielding => "standing aside".to_owned(),
                        JobState::Stopping => "stopping".to_owned(),
                        _ => format!("{}  {seconds}", row.snapshot.phase),
                    };
                    ui.label(&row.name);
                    ui.add(ProgressBar::new(row.snapshot.fraction as f32).desired_width(190.0).text(text));
                    let word = if paused { "Resume" } else { "Pause" };
                    if ui.small_button(word).clicked() {
                        if paused {
                            self.services.jobs.resume(row.id);
                        } else {
                            self.services.jobs.pause(row.id);
                        }
                    }
                    if ui.small_button("Cancel").clicked() {
                        self.services.jobs.cancel(row.id);
                    }
                }
                JobState::Done => {
                    ui.label(&row.name);
                    ui.colored_label(theme::good(dark), format!("done  {seconds}"));
                    if let Some(folder) = row.board.product()
                        && ui.small_button("Show").on_hover_text(format!("Open {}", folder.display())).clicked()
                    {
                        commands.push(Command::OpenPath(folder));
                    }
                }
                JobState::Cancelled => {
                    ui.label(&row.name);
                    ui.weak("cancelled");
                }
                JobState::Failed(message) => {
                    ui.label(&row.name);
                    ui.add(
                        egui::Label::new(egui::RichText::new(message).color(ui.visuals().error_fg_color)).truncate(),
                    )
                    .on_hover_text(message);
                }
            }
        });
    }
}
