//! What the user sets once for every window: kept as JSON in the user's configuration folder, every field optional, nonsense put right.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ThemeChoice;
use crate::runs::Library;

/// Least memory that data may be given, in bytes: below it nothing of today's size can be shown.
const LEAST_BYTES: u64 = 128 << 20;

/// The settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Dark or light.
    pub theme: ThemeChoice,
    /// Scale of text and widgets, 0.5 to 3.
    pub zoom: f32,
    /// Threads of the parallel loops of a job; 0: all cores but one.
    pub threads: usize,
    /// Memory for opened data: `50 %` of the machine, or `8 GB`.
    pub memory: String,
    /// Where the window's runs go; the user's data folder when not given.
    pub runs_folder: Option<PathBuf>,
    /// Put the session of the last time up at the start.
    pub restore_last_session: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::Dark,
            zoom: 1.0,
            threads: 0,
            memory: "50 %".into(),
            runs_folder: None,
            restore_last_session: false,
        }
    }
}

impl Settings {
    /// Reads settings; what is missing or senseless gets its default.
    pub fn from_text(text: &str) -> Self {
        let mut settings = match serde_json::from_str::<serde_json::Value>(text) {
            // Field by field: one wrong value must not cost the others.
            Ok(serde_json::Value::Object(given)) => {
                let mut all = serde_json::to_value(Self::default()).unwrap_or_default();
                for (name, value) in given {
                    let Some(place) = all.get_mut(&name) else { continue };
                    let old = std::mem::replace(place, value);
                    if serde_json::from_value::<Self>(all.clone()).is_err() {
                        all[&name] = old;
                    }
                }
                serde_json::from_value(all).unwrap_or_default()
            }
            _ => Self::default(),
        };
        settings.sanitise();
        settings
    }

    /// Puts senseless values right.
    pub fn sanitise(&mut self) {
        self.zoom = if self.zoom.is_finite() { self.zoom.clamp(0.5, 3.0) } else { 1.0 };
        self.threads = self.threads.min(1024);
        if budget(&self.memory, 1 << 40).is_none() {
            self.memory = Self::default().memory;
        }
        if self.runs_folder.as_ref().is_some_and(|f| !f.is_absolute()) {
            self.runs_folder = None;
        }
    }

    /// The text of the settings file.
    ///
    /// # Errors
    /// The folder for runs is not UTF-8; the browser takes none of those.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// Bytes that opened data may take on a machine with `total` bytes.
    pub fn memory_bytes(&self, total: u64) -> u64 {
        budget(&self.memory, total).unwrap_or(total / 2)
    }
}

/// `50 %`, `8 GB`, `800 MB`, `1 TB` (1000 to the step, as in every read-out of this window) in bytes; `None` when it is neither, or not positive.
pub(super) fn budget(text: &str, total: u64) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    let bytes = match unit.trim().to_ascii_uppercase().as_str() {
        "%" if number <= 95.0 => total as f64 * number / 100.0,
        "MB" => number * 1e6,
        "GB" => number * 1e9,
        "TB" => number * 1e12,
        _ => return None,
    };
    (bytes > 0.0).then_some((bytes as u64).max(LEAST_BYTES))
}

/// Where the window keeps what is the user's: settings, recent files, the last session, runs.
#[derive(Clone, Debug)]
pub struct UserFolders {
    /// Where runs go unless the settings name another place.
    pub runs: Library,
    /// The settings file.
    pub settings: PathBuf,
    /// The list of recent files.
    pub recent: PathBuf,
    /// The session at the end of the last time.
    pub last_session: PathBuf,
}

impl UserFolders {
    /// Those of this user; nothing is made yet.
    ///
    /// # Errors
    /// The system names no home folder for this user.
    pub fn of_user() -> Result<Self, String> {
        let runs = Library::of_user().map_err(|e| e.to_string())?;
        let dirs = directories::ProjectDirs::from("", "", "sextans")
            .ok_or("this user has no home folder to keep settings in; set HOME")?;
        Ok(Self {
            runs,
            settings: dirs.config_dir().join("settings.json"),
            recent: dirs.data_dir().join("recent.json"),
            last_session: dirs.data_dir().join("last-session.json"),
        })
    }

    /// All of them in one folder.
    pub fn at(folder: &Path) -> Self {
        Self {
            runs: Library::at(folder.join("runs")),
            settings: folder.join("settings.json"),
            recent: folder.join("recent.json"),
            last_session: folder.join("last-session.json"),
        }
    }
}

/// The user's home folder.
pub(super) fn home_folder() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_share_or_a_size() {
        let total = 16_000_000_000;
        assert_eq!(budget("50 %", total), Some(8_000_000_000));
        assert_eq!(budget("25%", total), Some(4_000_000_000));
        assert_eq!(budget("1.5 GB", total), Some(1_500_000_000));
        assert_eq!(budget("800 mb", total), Some(800_000_000));
        assert_eq!(budget("1 MB", total), Some(LEAST_BYTES), "too little is raised");
        for wrong in ["", "much", "8", "-3 GB", "99 %", "0 %", "1 parsec"] {
            assert_eq!(budget(wrong, total), None, "{wrong}");
        }
    }

    #[test]
    fn nonsense_costs_one_field_and_not_the_others() {
        let text =
            r#"{"theme": "light", "zoom": 99, "threads": "many", "memory": "all", "runs_folder": "rel", "foreign": 1}"#;
        let settings = Settings::from_text(text);
        let expected = Settings { theme: ThemeChoice::Light, zoom: 3.0, ..Settings::default() };
        assert_eq!(settings, expected);
        assert_eq!(Settings::from_text("no json"), Settings::default());
        assert_eq!(Settings::from_text(&expected.to_text().unwrap()), expected);
    }
}
