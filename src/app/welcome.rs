//! What stands in the middle while nothing is open: the ways in.

use egui::{RichText, Ui};

use super::Workbench;
use crate::panels::{Command, PANELS};

/// Recent paths that are named.
const NAMED: usize = 6;

impl Workbench {
    /// Draws it.
    pub(super) fn welcome_ui(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        ui.vertical_centered(|ui| {
            ui.add_space((ui.available_height() * 0.16).max(12.0));
            ui.label(RichText::new("Sextans").size(30.0).strong());
            ui.label("A workbench for FITS images, lens reconstruction and live inference");
            ui.add_space(16.0);
            if ui.button("Open a file…").on_hover_text("Ctrl+O").clicked() {
                commands.push(Command::Open);
            }
            for panel in PANELS.iter().filter(|p| p.study) {
                if ui.button(panel.title).on_hover_text(panel.help).clicked() {
                    commands.push(Command::OpenPanel(panel.kind));
                }
            }
            if !self.recent.paths().is_empty() {
                ui.add_space(14.0);
                ui.label(RichText::new("Opened lately").strong());
                self.recent_ui(ui, NAMED, commands);
            }
            ui.add_space(14.0);
            ui.weak("Drop files or run folders anywhere in this window.");
            ui.weak("Ctrl+K finds every command, F1 lists the keys.");
        });
    }

    /// The recent paths as buttons, those that are gone greyed; looked up in the background.
    pub(super) fn recent_ui(&self, ui: &mut Ui, limit: usize, commands: &mut Vec<Command>) {
        let gone = self.recent_that_are_gone();
        for path in self.recent.paths().iter().take(limit) {
            let name =
                path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
            let folder = path
                .parent()
                .and_then(|p| p.file_name())
                .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            let there = !gone.contains(path);
            let button = egui::Button::new(name).shortcut_text(folder).truncate();
            let response = ui.add_enabled(there, button);
            let full = path.display().to_string();
            let response = response.on_hover_text(&full).on_disabled_hover_text(format!("{full}\nnot there any more"));
            if response.clicked() {
                commands.push(Command::OpenPath(path.clone()));
                ui.close();
            }
        }
    }

    fn recent_that_are_gone(&self) -> std::collections::BTreeSet<std::path::PathBuf> {
        use crate::workers::{Key, Slot};
        let paths = self.recent.paths().to_vec();
        let key = Key::of(&(&paths, self.openings, self.watch.look));
        let answer = self.services.queries.ask(Slot::of(&"recent files"), key, &self.services.wake, move |_| {
            Ok(paths.into_iter().filter(|p| !p.exists()).collect::<Vec<_>>())
        });
        answer.newest().map(|gone| gone.iter().cloned().collect()).unwrap_or_default()
    }
}
