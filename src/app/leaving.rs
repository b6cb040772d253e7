//! Leaving: at once when nothing runs, else after one question.

use egui::{Context, ViewportCommand};

use super::{Dialog, Workbench};

impl Workbench {
    /// The user wants to leave.
    pub(super) fn ask_to_quit(&mut self) {
        if self.may_leave() {
            self.quit = true;
        } else {
            self.dialog = Some(Dialog::Quit);
        }
    }

    /// True when nothing runs and nothing is being saved.
    fn may_leave(&self) -> bool {
        self.services.jobs.is_idle() && !self.saving.busy()
    }

    /// The close button of the window: held back while jobs run and the question is not answered.
    pub(super) fn take_close_request(&mut self, ctx: &Context) {
        if ctx.input(|i| i.viewport().close_requested()) && !self.quit && !self.may_leave() {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.dialog = Some(Dialog::Quit);
        }
    }

    /// Asks whether running jobs are to be cancelled; true when the question is answered.
    pub(super) fn quit_ui(&mut self, ctx: &Context) -> bool {
        let names: Vec<String> =
            self.services.jobs.list().into_iter().filter(|j| !j.state.is_finished()).map(|j| j.name).collect();
        let files: Vec<String> = self.saving.paths().map(|path| path.display().to_string()).collect();
        if names.is_empty() && files.is_empty() {
            // They ended while the question stood.
            self.quit = true;
            return true;
        }
        let mut answered = false;
        let modal = egui::Modal::new(egui::Id::unique("quit")).show(ctx, |ui| {
            ui.set_max_width(360.0);
            ui.heading(if names.is_empty() { "Leave while files are saved?" } else { "Leave while jobs run?" });
            if !names.is_empty() {
                ui.label(format!("Still running: {}. What they have computed so far is lost.", names.join(", ")));
            }
            if !files.is_empty() {
                ui.label(format!("Still being saved: {}. The program ends when this is done.", files.join(", ")));
            }
            ui.add_space(6.0);
            ui.horizontal(|ui| {
                let leave = if names.is_empty() { "Save and leave" } else { "Cancel the jobs and leave" };
                if ui.button(leave).clicked() {
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
