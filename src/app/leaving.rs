//! Leaving: at once when nothing runs, else after one question.

use egui::{Context, ViewportCommand};

use super::{Dialog, Workbench};

impl Workbench {
    /// The user wants to leave.
    pub(super) fn ask_to_quit(&mut self) {
        if self.services.jobs.is_idle() {
            self.quit = true;
        } else {
            self.dialog = Some(Dialog::Quit);
        }
    }

    /// The close button of the window: held back while jobs run and the question is not answered.
    pub(super) fn take_close_request(&mut self, ctx: &Context) {
        if ctx.input(|i| i.viewport().close_requested()) && !self.quit && !self.services.jobs.is_idle() {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.dialog = Some(Dialog::Quit);
        }
    }

    /// Asks whether running jobs are to be cancelled; true when the question is answered.
    pub(super) fn quit_ui(&mut self, ctx: &Context) -> bool {
        let names: Vec<String> =
            self.services.jobs.list().into_iter().filter(|j| !j.state.is_finished()).map(|j| j.name).collect();
        if names.is_empty() {
            // They ended while the question stood.
            self.quit = true;
            return true;
        }
        let mut answered = false;
        let modal = egui::Modal::new(egui::Id::unique("quit")).show(ctx, |ui| {
            ui.set_max_width(360.0);
            ui.heading("Leave while jobs run?");
            ui.label(format!("Still running: {}. What they have computed so far is lost.", names.join(", ")));
            ui.add_space(6.0);
            ui.horizontal(|ui| {
                if ui.button("Cancel the jobs and leave").clicked() {
                    self.quit = true;
                    answered = true;
                }
                if ui.button("Stay").clicked() {
                    answered = true;
                }
            });
        });
        answered || modal.should_close()
    }
}
