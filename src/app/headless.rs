//! The same window without a display: pictures for `sextans render`, run folders and tests.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Session, ThemeChoice, Workbench};
use crate::panels::Command;
use crate::plots::headless::Headless;
use crate::plots::picture::Picture;
use crate::runs::Library;
use crate::workers::no_wake;

/// What `sextans render` draws.
#[derive(Clone, Debug)]
pub struct RenderOptions {
    /// Panel to show, by kind, with its finished example.
    pub panel: Option<String>,
    /// Session to put up.
    pub session: Option<PathBuf>,
    /// Files and run folders to open.
    pub open: Vec<PathBuf>,
    /// Theme; the session's when not given.
    pub theme: Option<ThemeChoice>,
    /// Width and height in points.
    pub size: [u32; 2],
    /// Pixels per point: 1, 2 or 4.
    pub scale: f32,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { panel: None, session: None, open: Vec::new(), theme: None, size: [1366, 768], scale: 1.0 }
    }
}

/// Longest wait for jobs and queries before the picture is taken.
const PATIENCE: Duration = Duration::from_secs(300);

/// Draws the window.
///
/// # Errors
/// An unknown panel, an unreadable session or file, or a window that does not come to rest; one line each.
pub fn render_image(options: &RenderOptions) -> Result<Picture, String> {
    // Runs of examples go to a folder that goes away with the picture.
    let scratch = tempfile::tempdir().map_err(|e| format!("no temporary folder: {e}"))?;
    let mut workbench = Workbench::new(no_wake(), Library::at(scratch.path().join("runs")))?;
    if let Some(path) = &options.session {
        workbench.restore(&Session::load(path).map_err(|e| e.to_string())?);
    }
    if let Some(theme) = options.theme {
        workbench.set_theme(theme);
    }
    for path in &options.open {
        if !path.exists() {
            return Err(format!("{}: no such file or folder", path.display()));
        }
        workbench.send(Command::OpenPath(path.clone()));
    }
    if let Some(kind) = &options.panel {
        let Some(entry) = crate::panels::entry(kind) else {
            let known: Vec<_> = crate::panels::PANELS.iter().map(|p| p.kind).collect();
            return Err(format!("--panel {kind}: no such panel; there are {}", known.join(", ")));
        };
        // With something of the user's to show, the panel shows that; else its finished example.
        let nothing_given = options.open.is_empty() && options.session.is_none();
        workbench.send(if nothing_given { Command::Example(entry.kind) } else { Command::OpenPanel(entry.kind) });
    }
    let size = options.size.map(|n| n as f32);
    let mut screen = Headless::new(size, options.scale, egui::Theme::Dark);
    settle(&mut workbench, &mut screen)?;
    // A file of a session that is gone stands in the tree with its reason; one that was asked for by name is an error.
    if !options.open.is_empty()
        && let Some(message) = workbench.failures().first()
    {
        return Err(message.clone());
    }
    screen.picture().map_err(|e| e.to_string())
}

/// Steps the window until nothing is running and nothing moves any more.
///
/// # Errors
/// Still busy after five minutes.
fn settle(workbench: &mut Workbench, screen: &mut Headless) -> Result<(), String> {
    let start = Instant::now();
    let mut quiet = 0;
    // A few frames after the last change: layout, scroll bars and animations settle.
    while quiet < 6 {
        screen.frame(|ui| {
            workbench.logic(ui.ctx());
            workbench.ui(ui);
        });
        if workbench.busy() {
            quiet = 0;
            std::thread::sleep(Duration::from_millis(5));
        } else {
            quiet += 1;
        }
        if start.elapsed() > PATIENCE {
            return Err("the window is still busy after 300 s; no picture was taken".into());
        }
    }
    Ok(())
}
