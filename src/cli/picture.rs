//! `sextans render`.

use std::path::PathBuf;

use super::args::{RenderArguments, Theme};
use super::{CliError, Faces};

/// What is to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderOptions {
    /// The panel to bring up: with what `open` gives it, or with its finished example if that is empty.
    pub panel: Option<String>,
    /// The window as this session has it.
    pub session: Option<PathBuf>,
    /// Colours; `None` for those of the session, or dark.
    pub theme: Option<Theme>,
    /// Width and height in points.
    pub size: (u32, u32),
    /// Files or run folders to open first.
    pub open: Vec<PathBuf>,
    /// The PNG to write.
    pub out: PathBuf,
}

pub(super) fn run(options: RenderArguments, faces: &Faces) -> Result<(), CliError> {
    let RenderArguments { panel, session, theme, size, open, out } = options;
    if out.extension().is_none_or(|e| !e.eq_ignore_ascii_case("png")) {
        return Err(CliError::Usage(format!("{}: the picture is a PNG; give a name that ends in .png", out.display())));
    }
    if let Some(missing) = open.iter().chain(&session).find(|path| !path.exists()) {
        return Err(CliError::Usage(format!("{}: no such file", missing.display())));
    }
    let options = RenderOptions { panel, session, theme, size, open, out };
    (faces.render)(&options)
}
