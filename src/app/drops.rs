//! Files that hang over the window: what dropping each will do; and files that are dropped.

use egui::{Align2, Context, Id, Order, RichText};

use super::Workbench;
use super::identify::forecast;
use crate::panels::Command;
use crate::workers::{Answer, Key, Slot};

/// Files that are named one by one.
const NAMED: usize = 8;

impl Workbench {
    /// Draws the overlay while files hang over the window; dropped ones are opened.
    pub(super) fn drop_ui(&mut self, ctx: &Context, commands: &mut Vec<Command>) {
        let (hovered, dropped) = ctx.input(|i| (i.raw.hovered_files.clone(), i.raw.dropped_files.clone()));
        for file in dropped {
            commands.push(Command::OpenPath(file.path().to_owned()));
        }
        if hovered.is_empty() {
            self.hovering = false;
            return;
        }
        if !std::mem::replace(&mut self.hovering, true) {
            // A file may have changed since it hung here last.
            self.hover_number += 1;
        }
        egui::Area::new(Id::unique("drop"))
            .anchor(Align2::CENTER_CENTER, egui::Vec2::ZERO)
            .order(Order::Foreground)
            .show(ctx, |ui| {
                egui::Frame::window(ui.style()).inner_margin(20).show(ui, |ui| {
                    ui.set_max_width(620.0);
                    ui.heading("Drop to open");
                    for (place, file) in hovered.iter().enumerate().take(NAMED) {
                        let Some(path) = file.path.clone() else {
                            ui.label("a file");
                            continue;
                        };
                        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                        let key = Key::of(&(&path, self.hover_number));
                        let slot = Slot::of(&("forecast", place));
                        let answer =
                            self.services.queries.ask(slot, key, &self.services.wake, move |_| forecast(&path));
                        ui.horizontal_wrapped(|ui| {
                            ui.label(RichText::new(name).strong());
                            match answer {
                                Answer::Ready(text) => ui.label(text.as_str()),
                                Answer::Failed(message) => ui.colored_label(ui.visuals().error_fg_color, &*message),
                                Answer::Pending { .. } => ui.weak("…"),
                            }
                        });
                    }
                    if hovered.len() > NAMED {
                        ui.weak(format!("and {} more", hovered.len() - NAMED));
                    }
                });
            });
    }
}
