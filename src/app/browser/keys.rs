//! Keys of the list: they act while the list has the focus, not while something is typed.

use egui::{Event, Key, Modifiers};

use super::listing::{Item, Kind};
use super::{Browser, Ending, Mode};

/// Letters that follow each other within this many seconds are one word.
const JUMP_SECONDS: f64 = 1.0;

impl Browser {
    /// Takes the keys of the list.
    pub(super) fn list_keys(&mut self, ui: &egui::Ui, rows: &[Item], page: usize) -> Option<Ending> {
        let (pressed, shift, text, time) = ui.input_mut(|input| {
            let shift = input.modifiers.shift;
            let keys = [
                Key::ArrowUp,
                Key::ArrowDown,
                Key::PageUp,
                Key::PageDown,
                Key::Home,
                Key::End,
                Key::Enter,
                Key::Backspace,
            ];
            let pressed: Vec<Key> = keys
                .into_iter()
                .filter(|key| input.consume_key(Modifiers::NONE, *key) || input.consume_key(Modifiers::SHIFT, *key))
                .collect();
            let all = input.consume_key(Modifiers::COMMAND, Key::A);
            let text: String = input
                .events
                .iter()
                .filter_map(|event| if let Event::Text(text) = event { Some(text.as_str()) } else { None })
                .collect();
            (if all { vec![Key::A] } else { pressed }, shift, text, input.time)
        });
        for key in pressed {
            match key {
                Key::Enter => return self.open_marked(rows),
                Key::Backspace => self.go_up(),
                Key::A => {
                    if self.mode == (Mode::Open { many: true }) {
                        self.chosen = rows.iter().filter(|i| i.kind != Kind::Folder).map(|i| i.name.clone()).collect();
                    }
                }
                key => self.move_cursor(rows, key, shift, page),
            }
        }
        self.type_to_jump(rows, &text, time);
        None
    }

    fn open_marked(&mut self, rows: &[Item]) -> Option<Ending> {
        if self.chosen.len() > 1 {
            return self.confirm(rows);
        }
        let item = rows.get(self.cursor?)?.clone();
        self.activate(&item)
    }

    fn move_cursor(&mut self, rows: &[Item], key: Key, shift: bool, page: usize) {
        let Some(last) = rows.len().checked_sub(1) else { return };
        let now = self.cursor;
        let to = match (key, now) {
            (Key::Home, _) => 0,
            (Key::End, _) => last,
            (_, None) => 0,
            (Key::ArrowUp, Some(at)) => at.saturating_sub(1),
            (Key::PageUp, Some(at)) => at.saturating_sub(page),
            (Key::PageDown, Some(at)) => (at + page).min(last),
            (_, Some(at)) => (at + 1).min(last),
        };
        if shift && self.mode == (Mode::Open { many: true }) {
            self.mark_to(rows, to);
        } else {
            self.mark_only(rows, to);
        }
        self.scroll_to_cursor = true;
    }

    fn type_to_jump(&mut self, rows: &[Item], text: &str, time: f64) {
        if text.is_empty() {
            return;
        }
        if time - self.jump.1 > JUMP_SECONDS {
            self.jump.0.clear();
        }
        // The beginning of a path is typed into its field.
        if self.jump.0.is_empty() && (text.starts_with('/') || text.starts_with('~')) {
            text.clone_into(&mut self.typed);
            self.focus_path = true;
            return;
        }
        self.jump.0.push_str(&text.to_lowercase());
        self.jump.1 = time;
        let wanted = self.jump.0.clone();
        if let Some(at) = rows.iter().position(|item| item.name.to_lowercase().starts_with(&wanted)) {
            self.mark_only(rows, at);
            self.scroll_to_cursor = true;
        }
    }
}
