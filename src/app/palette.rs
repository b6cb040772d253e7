//! The palette: everything that can be done, found by a few letters.

use egui::text::LayoutJob;
use egui::{Align2, Context, Id, Key, Modal, Modifiers, Rect, Role, ScrollArea, Sense, TextEdit, TextFormat, Ui};
use egui::{WidgetInfo, pos2, vec2};

use super::Workbench;
use super::fuzzy;
use super::ui::key_text;
use crate::panels::{Command, PANELS};

const ROW: f32 = 24.0;
const WIDTH: f32 = 620.0;

/// One thing that can be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// Where it comes from: the menu, `View`, `Study`, `Recent`.
    pub(super) group: &'static str,
    pub(super) text: String,
    pub(super) help: String,
    pub(super) keys: String,
    pub(super) command: Command,
}

/// The palette while it is open.
#[derive(Debug, Default)]
pub(super) struct Palette {
    typed: String,
    at: usize,
}

/// A found entry, with the letters of its text that matched.
struct Found {
    entry: usize,
    letters: Vec<u32>,
}

/// Entries that hold the typed letters in their order, the best first; all of them, in order, when nothing is typed.
fn find(entries: &[Entry], typed: &str) -> Vec<Found> {
    let mut found: Vec<(i32, Found)> = entries
        .iter()
        .enumerate()
        .filter_map(|(entry, item)| {
            // The group counts too ("recent m51"), behind the text so that the places in the text stay what they are.
            let (score, letters) = fuzzy::fit(typed, &format!("{} {}", item.text, item.group))?;
            Some((score, Found { entry, letters }))
        })
        .collect();
    // Stable: equal scores keep the order of the menus.
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    found.into_iter().map(|(_, found)| found).collect()
}

impl Workbench {
    /// Everything that can be done now.
    pub(super) fn palette_entries(&self, ctx: &Context) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Command::listed()
            .into_iter()
            .map(|item| Entry {
                group: item.menu,
                text: item.text.to_owned(),
                help: item.help.to_owned(),
                keys: item.keys().map(|k| key_text(ctx, k)).collect::<Vec<_>>().join("  "),
                command: item.command,
            })
            .collect();
        if let Some((id, view)) = self.focused.and_then(|id| Some((id, self.views.get(&id)?))) {
            entries.extend(view.panel.actions().iter().map(|action| Entry {
                group: "This view",
                text: action.text.to_owned(),
                help: action.help.to_owned(),
                keys: action.key.map_or_else(String::new, |k| key_text(ctx, k)),
                command: Command::Act(id, action.name),
            }));
        }
        let plain =
            |group, text: String, help: String, command| Entry { group, text, help, keys: String::new(), command };
        entries.extend(self.views.iter().map(|(id, v)| {
            plain("Open view", v.panel.title(), "Bring this view to the front".into(), Command::FocusView(*id))
        }));
        entries.extend(PANELS.iter().map(|p| {
            let group = if p.study { "Study" } else { "Panel" };
            plain(group, p.title.into(), p.help.into(), Command::OpenPanel(p.kind))
        }));
        entries.extend(self.recent.paths().iter().map(|path| {
            let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            plain("Recent", name, path.display().to_string(), Command::OpenPath(path.clone()))
        }));
        entries
    }

    /// Draws the palette.
    pub(super) fn palette_ui(&mut self, ctx: &Context, commands: &mut Vec<Command>) {
        let Some(mut palette) = self.palette.take() else { return };
        let entries = self.palette_entries(ctx);
        let area = Modal::default_area(Id::unique("palette")).anchor(Align2::CENTER_TOP, vec2(0.0, 60.0));
        let modal = Modal::new(Id::unique("palette")).area(area).show(ctx, |ui| palette.ui(ui, &entries));
        match modal.inner {
            Some(command) => commands.push(command),
            None if modal.should_close() => {}
            None => self.palette = Some(palette),
        }
    }
}

impl Palette {
    /// Draws field and list; the command that was chosen.
    fn ui(&mut self, ui: &mut Ui, entries: &[Entry]) -> Option<Command> {
        ui.set_width(WIDTH.min(ui.ctx().content_rect().width() - 40.0));
        let before = self.at;
        let [up, down, enter] =
            [Key::ArrowUp, Key::ArrowDown, Key::Enter].map(|key| ui.input_mut(|i| i.consume_key(Modifiers::NONE, key)));
        let edit = TextEdit::singleline(&mut self.typed).hint_text("Find a command, a view, a study, a recent file");
        let field = ui.add(edit.desired_width(f32::INFINITY));
        field.request_focus();
        if field.changed() {
            self.at = 0;
        }
        let found = find(entries, &self.typed);
        let last = found.len().saturating_sub(1);
        if up {
            self.at = if self.at == 0 { last } else { self.at - 1 };
        }
        if down {
            self.at = if self.at >= last { 0 } else { self.at + 1 };
        }
        if found.is_empty() {
            ui.weak("Nothing is called like this");
            return None;
        }
        let chosen = |at: usize| found.get(at).and_then(|f| entries.get(f.entry)).map(|e| e.command.clone());
        if enter {
            return chosen(self.at);
        }
        let moved = before != self.at;
        let mut clicked = None;
        ScrollArea::vertical().max_height(ROW * 14.0).auto_shrink([false, true]).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for (at, item) in found.iter().enumerate() {
                let Some(entry) = entries.get(item.entry) else { continue };
                let response = row_ui(ui, entry, &item.letters, at == self.at);
                if moved && at == self.at {
                    response.scroll_to_me(None);
                }
                if response.clicked() {
                    clicked = Some(at);
                }
                response.on_hover_text(&entry.help);
            }
        });
        if let Some(entry) = found.get(self.at).and_then(|f| entries.get(f.entry)) {
            ui.separator();
            ui.add(egui::Label::new(egui::RichText::new(&entry.help).weak()).truncate());
        }
        clicked.and_then(chosen)
    }
}

fn row_ui(ui: &mut Ui, entry: &Entry, letters: &[u32], current: bool) -> egui::Response {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::CLICK);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, current, &entry.text));
    let visuals = ui.visuals();
    if current {
        ui.painter().rect_filled(rect, 3.0, visuals.selection.bg_fill);
    } else if response.hovered() {
        ui.painter().rect_filled(rect, 3.0, visuals.widgets.hovered.weak_bg_fill);
    }
    let (plain, weak) = if current {
        (visuals.selection.stroke.color, visuals.selection.stroke.color)
    } else {
        (visuals.text_color(), visuals.weak_text_color())
    };
    let strong = if current { plain } else { visuals.hyperlink_color };
    let font = egui::TextStyle::Body.resolve(ui.style());
    let mut job = LayoutJob::default();
    for (at, letter) in entry.text.chars().enumerate() {
        let hit = u32::try_from(at).is_ok_and(|at| letters.binary_search(&at).is_ok());
        let mut format = TextFormat::simple(font.clone(), if hit { strong } else { plain });
        if hit {
            format.underline = egui::Stroke::new(1.0, strong);
        }
        job.append(letter.encode_utf8(&mut [0; 4]), 0.0, format);
    }
    let small = egui::TextStyle::Small.resolve(ui.style());
    let keys =
        ui.painter().text(pos2(rect.right() - 6.0, rect.center().y), Align2::RIGHT_CENTER, &entry.keys, font, weak);
    let left = rect.left() + 92.0;
    ui.painter().text(pos2(left - 8.0, rect.center().y), Align2::RIGHT_CENTER, entry.group, small, weak);
    let galley = ui.painter().layout_job(job);
    let clip = Rect::from_min_max(pos2(left, rect.top()), pos2(keys.left() - 8.0, rect.bottom()));
    let at = pos2(left, rect.center().y - galley.size().y / 2.0);
    ui.painter().with_clip_rect(clip.intersect(ui.clip_rect())).galley(at, galley, plain);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(texts: &[&str]) -> Vec<Entry> {
        let entry = |text: &&str| Entry {
            group: "View",
            text: (*text).to_owned(),
            help: String::new(),
            keys: String::new(),
            command: Command::About,
        };
        texts.iter().map(entry).collect()
    }

    #[test]
    fn letters_in_their_order_find_and_are_marked() {
        let entries = entries(&["Light or dark", "Save session…", "Save picture…", "Next view"]);
        let found = find(&entries, "sp");
        assert_eq!(entries[found[0].entry].text, "Save picture…");
        assert_eq!(found[0].letters, [0, 5]);
        assert_eq!(find(&entries, "").len(), 4);
        assert!(find(&entries, "zzz").is_empty());
        assert_eq!(entries[find(&entries, "next")[0].entry].text, "Next view");
    }
}
