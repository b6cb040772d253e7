//! The read-out of memory in the status line: what opened data and answers take of the budget, and what the process holds.

use std::time::Duration;

use egui::{RichText, Ui};

use super::Workbench;
use crate::panels::{Command, Severity};
use crate::runs::cost;
use crate::workers::{Key, Slot, machine};

/// The system is asked this often, and only while the window is drawn anyway.
const INTERVAL: Duration = Duration::from_secs(2);

impl Workbench {
    /// Bytes of data and answers, and the budget for them.
    fn memory_of_budget(&self) -> [u64; 2] {
        let (store, queries) = (&self.services.store, &self.services.queries);
        let used = store.cached_bytes() + store.unpacked_bytes() + queries.counts().bytes as u64;
        [used, store.budget() + queries.budget() as u64]
    }

    /// Draws the read-out: a button that frees, with the parts on hover.
    pub(super) fn memory_ui(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let [used, budget] = self.memory_of_budget();
        let text = format!("{} of {}", cost::bytes(used), cost::bytes(budget));
        let full = used as f64 > 0.9 * budget as f64;
        let text = if full { RichText::new(text).color(ui.visuals().warn_fg_color) } else { RichText::new(text) };
        let read_out = ui.label(text);
        read_out.on_hover_ui(|ui| self.memory_parts_ui(ui));
        if ui.small_button("Free").on_hover_text("Let go of pixels and answers that can be had again").clicked() {
            commands.push(Command::FreeMemory);
        }
    }

    fn memory_parts_ui(&self, ui: &mut Ui) {
        let (store, queries) = (&self.services.store, &self.services.queries);
        // Asked in the background, at most every two seconds.
        let turn = (ui.input(|i| i.time) / INTERVAL.as_secs_f64()) as u64;
        let answer =
            self.services.queries.ask(Slot::of(&"process memory"), Key::of(&turn), &self.services.wake, |_| {
                Ok(machine::resident_bytes().map_or_else(|| "not known here".to_owned(), cost::bytes))
            });
        egui::Grid::new("memory parts").num_columns(2).show(ui, |ui| {
            for (name, bytes) in [
                ("Pixels of files", store.cached_bytes()),
                ("Unpacked files (.gz)", store.unpacked_bytes()),
                ("Answers for pictures", queries.counts().bytes as u64),
                ("Budget", store.budget() + queries.budget() as u64),
                ("Results, on top", store.result_bytes()),
            ] {
                ui.label(name);
                ui.label(cost::bytes(bytes));
                ui.end_row();
            }
            ui.label("The whole program");
            ui.label(answer.newest().map_or("…", |text| text.as_str()));
            ui.end_row();
        });
    }

    /// Lets go of what can be had again, and says how much that was.
    pub(super) fn free_memory(&mut self) {
        let bytes = self.services.store.free() + self.services.queries.free() as u64;
        self.notices.push(Severity::Info, format!("{} of memory given back", cost::bytes(bytes)));
    }
}
