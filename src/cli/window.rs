//! `sextans [FILES...]`: the window, or one line that says why there is none.

use std::path::{Path, PathBuf};

use super::{CliError, Faces};
use crate::data::Location;
use crate::tasks::nearest;
use crate::workers::{init_threads, machine};

/// What the window opens with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowOptions {
    /// Files, run folders, sessions; at least one exists.
    pub files: Vec<PathBuf>,
    /// Study whose main job is shown on demo data.
    pub demo: Option<String>,
    /// Threads of the parallel loops, where the command line names them; 0 leaves them to the settings.
    pub threads: usize,
}

/// True where a window can be asked for. On Linux one of three variables names the display; elsewhere there always is one.
pub(super) fn has_display() -> bool {
    !cfg!(target_os = "linux")
        || ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

pub(super) fn open(files: &[PathBuf], threads: Option<usize>, faces: &Faces) -> Result<(), CliError> {
    // One that is there opens the window, which tells of the others; a single word may be a command written wrongly.
    if let Some(missing) = files.iter().find(|file| !exists(file)).filter(|_| !files.iter().any(|file| exists(file))) {
        return Err(CliError::Usage(no_such_file(missing)));
    }
    if !has_display() {
        let what = match files {
            [] => "run `sextans demo` for the main job without a window, or see `sextans --help`".to_owned(),
            [file, ..] => format!("run `sextans info {}`, or see `sextans --help`", file.display()),
        };
        return Err(CliError::Usage(format!("no display found (DISPLAY and WAYLAND_DISPLAY are not set); {what}")));
    }
    show(WindowOptions { files: files.to_vec(), demo: None, threads: 0 }, threads, faces)
}

/// Opens the window with all cores but one, so that it stays smooth.
pub(super) fn show(mut options: WindowOptions, threads: Option<usize>, faces: &Faces) -> Result<(), CliError> {
    let pool = init_threads(threads.unwrap_or_else(|| machine::cores().saturating_sub(1).max(1)));
    options.threads = threads.map_or(0, |_| pool);
    (faces.open_window)(options).map_err(CliError::Usage)
}

fn exists(file: &Path) -> bool {
    file.to_str().map_or_else(|| file.exists(), |text| Location::parse(text).path.exists())
}

/// A word that is no file is perhaps a command written wrongly.
fn no_such_file(file: &Path) -> String {
    let name = file.display().to_string();
    let commands = ["demo", "info", "list", "run", "render", "help"];
    let hint = nearest(&name, commands.into_iter()).map(|c| format!("; did you mean `sextans {c}`?"));
    format!("{name}: no such file{}", hint.unwrap_or_default())
}
