//! The sheet of keys: every command, the actions of the open views, and the gestures of the image view; with a search.

use std::collections::BTreeSet;

use egui::{Align2, Context, Grid, RichText, ScrollArea, Ui};

use super::Workbench;
use super::ui::key_text;
use crate::panels::{Command, IMAGE_GESTURES, PANELS};

/// A line: text, keys, help.
type Line = (String, String, String);

impl Workbench {
    /// The sheet by group.
    fn sheet(&self, ctx: &Context) -> Vec<(String, Vec<Line>)> {
        let mut groups: Vec<(String, Vec<Line>)> = Vec::new();
        let mut add = |group: &str, line: Line| match groups.iter_mut().find(|(name, _)| name == group) {
            Some((_, lines)) => lines.push(line),
            None => groups.push((group.to_owned(), vec![line])),
        };
        for item in Command::listed() {
            let keys = item.keys().map(|k| key_text(ctx, k)).collect::<Vec<_>>().join(", ");
            add(item.menu, (item.text.into(), keys, item.help.into()));
        }
        let mut kinds = BTreeSet::new();
        for view in self.views.values().filter(|v| kinds.insert(v.kind)) {
            let title = PANELS.iter().find(|p| p.kind == view.kind).map_or(view.kind, |p| p.title);
            for action in view.panel.actions() {
                let keys = action.key.map_or_else(String::new, |k| key_text(ctx, k));
                add(title, (action.text.into(), keys, action.help.into()));
            }
        }
        for (gesture, help) in IMAGE_GESTURES {
            add("Pointer on an image", (help.into(), gesture.into(), String::new()));
        }
        for (keys, text) in [
            ("Tab, Shift+Tab", "Next control, the one before"),
            ("Space, Enter", "Press the control with the focus"),
            ("Escape", "Close a dialog, leave a field"),
        ] {
            add("Everywhere", (text.into(), keys.into(), String::new()));
        }
        groups
    }

    /// Draws the sheet; false when it is closed.
    pub(super) fn sheet_ui(&self, ctx: &Context, search: &mut String) -> bool {
        let mut open = true;
        let groups = self.sheet(ctx);
        let height = (ctx.content_rect().height() - 150.0).max(200.0);
        egui::Window::new("Keys and commands")
            .anchor(Align2::CENTER_CENTER, egui::Vec2::ZERO)
            .collapsible(false)
            .resizable(false)
            .open(&mut open)
            .show(ctx, |ui| {
                ui.set_width((ui.ctx().content_rect().width() - 80.0).min(760.0));
                ui.horizontal(|ui| {
                    let label = ui.label("Search");
                    let field = ui
                        .add(egui::TextEdit::singleline(search).hint_text("a word or a key").desired_width(260.0))
                        .labelled_by(label.id);
                    if ui.memory(|m| m.focused().is_none()) {
                        field.request_focus();
                    }
                });
                ui.separator();
                ScrollArea::vertical()
                    .max_height(height)
                    .min_scrolled_height(height)
                    .auto_shrink([false, true])
                    .show(ui, |ui| groups_ui(ui, &groups, search));
            });
        open
    }
}

fn groups_ui(ui: &mut Ui, groups: &[(String, Vec<Line>)], search: &str) {
    let wanted = search.trim().to_lowercase();
    let mut any = false;
    for (group, lines) in groups {
        let hits: Vec<&Line> = lines
            .iter()
            .filter(|(text, keys, help)| {
                let all = format!("{group} {text} {keys} {help}").to_lowercase();
                wanted.split_whitespace().all(|word| all.contains(word))
            })
            .collect();
        if hits.is_empty() {
            continue;
        }
        any = true;
        ui.label(RichText::new(group).strong());
        Grid::new(("keys", group)).num_columns(3).striped(true).min_col_width(150.0).show(ui, |ui| {
            for (text, keys, help) in hits {
                ui.label(text);
                ui.monospace(keys);
                ui.weak(help);
                ui.end_row();
            }
        });
        ui.add_space(6.0);
    }
    if !any {
        ui.weak("No command or key has these words");
    }
}
