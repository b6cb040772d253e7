//! What is saved of the window: versioned, keys sorted, save-load-save byte-equal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ThemeChoice, ViewId};
use crate::data::write_atomically;

/// Version written by this program.
pub const SESSION_VERSION: u32 = 1;

/// Numbers of views read from a file are below this: those that follow never meet the marks that others set in them.
const LAST_VIEW: ViewId = 1 << 32;

/// One open view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewRecord {
    /// Number in the layout.
    pub id: u64,
    /// Registered kind.
    pub kind: String,
    /// What the panel keeps of itself.
    pub state: Value,
}

/// Everything about the window that is worth keeping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Format version.
    pub version: u32,
    /// Dark or light.
    pub theme: ThemeChoice,
    /// Scale of text and widgets.
    pub zoom: f32,
    /// Data tree shown.
    pub show_data: bool,
    /// Inspector shown.
    pub show_inspector: bool,
    /// Jobs shown.
    pub show_jobs: bool,
    /// Opened files and run folders, in order of opening.
    pub paths: Vec<PathBuf>,
    /// Open views.
    pub views: Vec<ViewRecord>,
    /// Arrangement of the views (the docking tree).
    pub layout: Value,
    /// The view with the focus.
    pub focused: Option<u64>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            version: SESSION_VERSION,
            theme: ThemeChoice::Dark,
            zoom: 1.0,
            show_data: true,
            show_inspector: true,
            show_jobs: false,
            paths: Vec::new(),
            views: Vec::new(),
            layout: Value::Null,
            focused: None,
        }
    }
}

/// A session that cannot be read or written; one line naming the file and the cure.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a session of ours.
    #[error("{}: not a Sextans session ({problem}); open one that was saved by File > Save session", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Something in it that has no text: a path that is not UTF-8.
    #[error("the session cannot be written ({problem}); close what has such a name, rename it, open it again")]
    Unsayable {
        /// What is wrong.
        problem: String,
    },
    /// It could not be put on the disk.
    #[error(transparent)]
    Write(#[from] crate::data::DataError),
    /// Written by a newer program.
    #[error("{}: session version {found} is newer than this program reads ({SESSION_VERSION}); use a newer Sextans", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Version found.
        found: u64,
    },
}

impl Session {
    /// The bytes of the session file: JSON with sorted keys.
    ///
    /// # Errors
    /// A path in it is not UTF-8.
    pub fn to_text(&self) -> Result<String, SessionError> {
        let unsayable = |e: serde_json::Error| SessionError::Unsayable { problem: e.to_string() };
        let value = serde_json::to_value(self).map(sorted).map_err(unsayable)?;
        let mut text = serde_json::to_string_pretty(&value).map_err(unsayable)?;
        text.push('\n');
        Ok(text)
    }

    /// Reads a session from text; `path` is for messages.
    ///
    /// # Errors
    /// Not JSON, not a session, or from a newer program.
    pub fn from_text(text: &str, path: &Path) -> Result<Self, SessionError> {
        let format = |e: serde_json::Error| SessionError::Format { path: path.to_owned(), problem: e.to_string() };
        let value: Value = serde_json::from_str(text).map_err(format)?;
        match value.get("version").and_then(Value::as_u64) {
            Some(found) if found > u64::from(SESSION_VERSION) => {
                return Err(SessionError::Version { path: path.to_owned(), found });
            }
            Some(_) => {}
            None => {
                return Err(SessionError::Format { path: path.to_owned(), problem: "no version".into() });
            }
        }
        serde_json::from_value(value).map_err(format)
    }

    /// Reads a session file.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn load(path: &Path) -> Result<Self, SessionError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| SessionError::Io { path: path.to_owned(), source })?;
        Self::from_text(&text, path)
    }

    /// Writes a session file: to a temporary name beside it, then renamed, so that an old one is never half overwritten.
    ///
    /// # Errors
    /// The file system refused, or a path in it is not UTF-8.
    pub fn save(&self, path: &Path) -> Result<(), SessionError> {
        let text = self.to_text()?;
        Ok(write_atomically(path, |out| out.write_all(text.as_bytes()))?)
    }
}

impl Session {
    /// Gives the views numbers from `first` on if one of theirs is below it (another view had it) or senseless: answers
    /// to questions and the memory of the window go by number. Otherwise nothing changes.
    pub(super) fn renumber(&mut self, first: ViewId) {
        if self.views.iter().all(|v| (first..LAST_VIEW).contains(&v.id)) {
            return;
        }
        let old: BTreeSet<ViewId> = self.views.iter().map(|v| v.id).collect();
        let new: BTreeMap<ViewId, ViewId> = old.into_iter().zip(first..).collect();
        for view in &mut self.views {
            view.id = new[&view.id];
            rename_views(&mut view.state, &new);
        }
        self.focused = self.focused.and_then(|id| new.get(&id).copied());
        if let Ok(mut tree) = serde_json::from_value::<egui_tiles::Tree<ViewId>>(self.layout.take()) {
            for tile in tree.tiles.tiles_mut() {
                if let egui_tiles::Tile::Pane(id) = tile
                    && let Some(number) = new.get(id)
                {
                    *id = *number;
                }
            }
            self.layout = serde_json::to_value(&tree).unwrap_or_default();
        }
    }
}

/// Replaces the numbers of views in the state of a panel: panels keep them under the name `view`.
fn rename_views(state: &mut Value, new: &BTreeMap<ViewId, ViewId>) {
    match state {
        Value::Object(map) => {
            for (name, value) in map {
                match value.as_u64().filter(|_| name == "view").and_then(|id| new.get(&id)) {
                    Some(id) => *value = (*id).into(),
                    None => rename_views(value, new),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_views(item, new)),
        _ => {}
    }
}

/// The same value with the keys of every object in order.
pub fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn save_load_save_is_byte_equal() {
        let session = Session {
            paths: vec!["b.fits".into(), "a.fits".into()],
            views: vec![ViewRecord {
                id: 3,
                kind: "image".into(),
                state: serde_json::json!({"z": 1, "a": [1.5, {"y": 0, "b": 1}]}),
            }],
            ..Session::default()
        };
        let once = session.to_text().unwrap();
        let again = Session::from_text(&once, Path::new("s.json")).unwrap().to_text().unwrap();
        assert_eq!(once, again);
        assert!(once.find("\"a\"").unwrap() < once.find("\"z\"").unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn a_session_without_text_leaves_the_good_one_on_the_disk() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.json");
        Session::default().save(&path).unwrap();
        let good = std::fs::read(&path).unwrap();
        let odd = PathBuf::from(std::ffi::OsStr::from_bytes(b"/m\xff.fits"));
        let error = Session { paths: vec![odd], ..Session::default() }.save(&path).unwrap_err().to_string();
        assert!(error.contains("rename it") && !error.contains('\n'), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), good);
    }

    #[test]
    fn taken_and_senseless_numbers_of_views_are_given_anew_everywhere() {
        let record = |id, state| ViewRecord { id, kind: "image".into(), state };
        let odd = u64::MAX;
        let mut tree = egui_tiles::Tree::new_tabs(egui::Id::unique("views"), vec![2_u64, odd]);
        let mut session = Session {
            views: vec![
                record(2, Value::Null),
                record(odd, serde_json::json!({"a": {"view": 2}, "b": {"view": null}})),
            ],
            layout: serde_json::to_value(&tree).unwrap(),
            focused: Some(odd),
            ..Session::default()
        };
        let before = session.clone();
        session.views[1].id = 3;
        session.renumber(2);
        assert_eq!(session.views[1].id, 3, "numbers that are free stay");
        session = before;
        session.renumber(5);
        assert_eq!((session.views[0].id, session.views[1].id, session.focused), (5, 6, Some(6)));
        assert_eq!(session.views[1].state, serde_json::json!({"a": {"view": 5}, "b": {"view": null}}));
        for tile in tree.tiles.tiles_mut() {
            if let egui_tiles::Tile::Pane(id) = tile {
                *id = if *id == 2 { 5 } else { 6 };
            }
        }
        assert_eq!(session.layout, serde_json::to_value(&tree).unwrap());
    }

    #[test]
    fn a_foreign_file_is_refused_in_words() {
        let error = Session::from_text("{\"name\": 1}", Path::new("x.json")).unwrap_err().to_string();
        assert!(error.starts_with("x.json: not a Sextans session"), "{error}");
        let error = Session::from_text("{\"version\": 99}", Path::new("x.json")).unwrap_err().to_string();
        assert!(error.contains("version 99 is newer"), "{error}");
    }
}
