//! Files that a view names and that are gone: noticed in the background, shown above the view, located once for all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use egui::{RichText, Ui};
use serde_json::Value;

use super::{Opened, ViewId, Workbench};
use crate::panels::{Command, Severity};
use crate::workers::{Key, Slot};

/// Paths that views name, and which of them are gone.
#[derive(Default)]
pub(super) struct Missing {
    mentioned: BTreeMap<ViewId, BTreeSet<PathBuf>>,
    gone: BTreeSet<PathBuf>,
    waiting: bool,
}

impl Missing {
    /// True while the disk is asked.
    pub(super) fn waiting(&self) -> bool {
        self.waiting
    }

    /// What a view names and is gone.
    pub(super) fn of(&self, view: ViewId) -> Vec<&Path> {
        let paths = self.mentioned.get(&view).into_iter().flatten();
        paths.filter(|p| self.gone.contains(*p)).map(PathBuf::as_path).collect()
    }
}

impl Workbench {
    /// Remembers the paths in the states of the views.
    pub(super) fn note_mentioned_paths<'a>(&mut self, states: impl Iterator<Item = (ViewId, &'a Value)>) {
        let mentioned: BTreeMap<_, _> = states
            .map(|(id, state)| {
                let mut paths = BTreeSet::new();
                collect_paths(state, &mut paths);
                (id, paths)
            })
            .collect();
        if mentioned != self.missing.mentioned {
            self.missing.mentioned = mentioned;
            // Asked for in the next frame.
            self.missing.waiting = true;
            (self.services.wake)();
        }
    }

    /// Asks, in the background, which of the named paths are there; again when files were opened or looked at anew.
    pub(super) fn take_missing(&mut self) {
        let all: BTreeSet<PathBuf> = self.missing.mentioned.values().flatten().cloned().collect();
        if all.is_empty() {
            self.missing.gone.clear();
            self.missing.waiting = false;
            return;
        }
        let key = Key::of(&all).and(&self.openings).and(&self.watch.look);
        let answer = self.services.queries.ask(Slot::of(&"missing files"), key, &self.services.wake, move |_| {
            Ok(all.into_iter().filter(|p| !p.exists()).collect::<Vec<PathBuf>>())
        });
        self.missing.waiting = answer.ready().is_none();
        if let Some(gone) = answer.ready() {
            self.missing.gone = gone.iter().cloned().collect();
        }
    }

    /// Uses `new` wherever `old` stood: in the tree, and in every view.
    pub(super) fn replace_path(&mut self, old: &Path, new: &Path) {
        let mut count = 0;
        for (path, state) in &mut self.opened {
            if let Some(moved) = moved(path, old, new) {
                *path = moved;
                *state = Opened::Waiting;
                count += 1;
            }
        }
        let mut changed = Vec::new();
        for (id, view) in &self.views {
            let mut state = view.panel.save();
            if replace(&mut state, old, new) {
                changed.push((*id, view.kind, state));
            }
        }
        count += changed.len();
        for (id, kind, state) in changed {
            self.set_view(id, kind, &state);
        }
        self.openings += 1;
        let text = match count {
            0 => format!("{}: named nowhere any more", old.display()),
            1 => format!("{} is used in its place", new.display()),
            n => format!("{} is used in its place, in {n} places", new.display()),
        };
        self.notices.push(Severity::Info, text);
    }
}

/// Draws what is said above a view whose files are gone.
pub(super) fn missing_ui(ui: &mut Ui, paths: &[&Path], commands: &mut Vec<Command>) {
    for path in paths {
        egui::Frame::group(ui.style()).show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.label(RichText::new("Missing").strong().color(ui.visuals().warn_fg_color));
                let name =
                    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
                if ui
                    .button("Locate…")
                    .on_hover_text("Say where this file is now; every view uses the answer")
                    .clicked()
                {
                    commands.push(Command::Locate(path.to_path_buf()));
                }
                ui.add(egui::Label::new(name).truncate()).on_hover_text(path.display().to_string());
            });
        });
    }
}

/// Every absolute path in a value.
fn collect_paths(value: &Value, paths: &mut BTreeSet<PathBuf>) {
    match value {
        Value::String(text) => {
            let path = Path::new(text);
            if path.is_absolute() && path.file_name().is_some() {
                paths.insert(path.to_owned());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_paths(item, paths)),
        Value::Object(map) => map.values().for_each(|item| collect_paths(item, paths)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Where `path` lies now, if it is `old` or within it.
fn moved(path: &Path, old: &Path, new: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(old).ok()?;
    Some(if rest.as_os_str().is_empty() { new.to_owned() } else { new.join(rest) })
}

/// Replaces a path in every text of a value; true if it stood anywhere.
fn replace(value: &mut Value, old: &Path, new: &Path) -> bool {
    match value {
        Value::String(text) => match moved(Path::new(text.as_str()), old, new) {
            Some(path) => {
                *text = path.display().to_string();
                true
            }
            None => false,
        },
        Value::Array(items) => items.iter_mut().fold(false, |any, item| replace(item, old, new) | any),
        Value::Object(map) => map.values_mut().fold(false, |any, item| replace(item, old, new) | any),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_moved_folder_moves_what_lies_in_it() {
        let mut state = json!({"a": "/old/run", "b": ["/old/run/image.fits", "/old/runner"], "c": 1});
        assert!(replace(&mut state, Path::new("/old/run"), Path::new("/new")));
        assert_eq!(state, json!({"a": "/new", "b": ["/new/image.fits", "/old/runner"], "c": 1}));
        assert!(!replace(&mut state, Path::new("/old/run"), Path::new("/new")));
        let mut paths = BTreeSet::new();
        collect_paths(&state, &mut paths);
        assert_eq!(paths.len(), 3);
    }
}
