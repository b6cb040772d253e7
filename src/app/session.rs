//! What is saved of the window: versioned, keys sorted, save-load-save byte-equal.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ThemeChoice;

/// Version written by this program.
pub const SESSION_VERSION: u32 = 1;

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
    pub fn to_text(&self) -> String {
        let value = serde_json::to_value(self).map_or(Value::Null, sorted);
        let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
        text.push('\n');
        text
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
    /// The file system refused.
    pub fn save(&self, path: &Path) -> Result<(), SessionError> {
        let io = |source| SessionError::Io { path: path.to_owned(), source };
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        std::fs::write(&part, self.to_text()).map_err(io)?;
        std::fs::rename(&part, path).map_err(io)
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
        let once = session.to_text();
        let again = Session::from_text(&once, Path::new("s.json")).unwrap().to_text();
        assert_eq!(once, again);
        assert!(once.find("\"a\"").unwrap() < once.find("\"z\"").unwrap());
    }

    #[test]
    fn a_foreign_file_is_refused_in_words() {
        let error = Session::from_text("{\"name\": 1}", Path::new("x.json")).unwrap_err().to_string();
        assert!(error.starts_with("x.json: not a Sextans session"), "{error}");
        let error = Session::from_text("{\"version\": 99}", Path::new("x.json")).unwrap_err().to_string();
        assert!(error.contains("version 99 is newer"), "{error}");
    }
}
