//! The real window: eframe around the workbench.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use egui::{ViewportBuilder, ViewportCommand};

use super::{UserFolders, Workbench};
use crate::panels::{Command, Severity};
use crate::plots::picture::Picture;

/// What the window opens with.
#[derive(Clone, Debug, Default)]
pub struct WindowOptions {
    /// Files, run folders, sessions or pictures to open.
    pub paths: Vec<PathBuf>,
    /// Study whose demo is started, by kind.
    pub demo: Option<String>,
    /// Threads of the parallel loops of a job; 0 leaves them to the settings.
    pub threads: usize,
}

/// Opens the window and returns when it is closed.
///
/// # Errors
/// No display, or no OpenGL: one line with the packages that Debian needs.
pub fn open_window(options: WindowOptions) -> Result<(), String> {
    let native = eframe::NativeOptions {
        viewport: ViewportBuilder::default()
            .with_title("Sextans")
            .with_app_id("sextans")
            .with_inner_size([1440.0, 900.0])
            .with_min_inner_size([900.0, 600.0])
            .with_drag_and_drop(true),
        renderer: eframe::Renderer::Glow,
        ..eframe::NativeOptions::default()
    };
    eframe::run_native("Sextans", native, Box::new(move |creation| Ok(Box::new(Shell::new(&creation.egui_ctx, options)?)))).map_err(
        |error| {
            format!(
                "the window could not be opened ({error}); on Debian it needs the packages libx11-6 libx11-xcb1 libxcursor1 libxi6 \
                 libxkbcommon-x11-0 libgl1; without a display use `sextans run` or `sextans render`"
            )
        },
    )
}

/// The workbench under eframe.
struct Shell {
    workbench: Workbench,
    /// What became of a picture, from the thread that made it.
    picture_done: Arc<Mutex<Option<Command>>>,
}

impl Shell {
    fn new(ctx: &egui::Context, options: WindowOptions) -> Result<Self, String> {
        let wake_ctx = ctx.clone();
        let mut workbench = Workbench::of_user(Arc::new(move || wake_ctx.request_repaint()), UserFolders::of_user()?)?;
        if options.threads > 0 {
            workbench.set_threads(options.threads);
        }
        if options.paths.is_empty() && options.demo.is_none() {
            workbench.resume();
        }
        for path in options.paths {
            workbench.send(Command::OpenPath(path));
        }
        if let Some(panel) = options.demo.as_deref().and_then(crate::panels::entry) {
            workbench.send(Command::Demo(panel.kind));
        }
        Ok(Self { workbench, picture_done: Arc::default() })
    }

    /// Asks for a screenshot; it is written when it comes, and the user is told.
    fn take_picture(&mut self, ctx: &egui::Context, path: PathBuf) {
        let done = self.picture_done.clone();
        let wake = ctx.clone();
        ctx.send_viewport_cmd(ViewportCommand::Screenshot(egui::ScreenshotCallback::new(move |image| {
            let outcome = write_picture(&image, &path);
            *done.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            wake.request_repaint();
        })));
    }
}

fn write_picture(image: &egui::ColorImage, path: &Path) -> Command {
    let rgba: Vec<u8> = image.pixels.iter().flat_map(egui::Color32::to_array).collect();
    let side = |n: usize| u32::try_from(n).unwrap_or_default();
    Picture::new(side(image.width()), side(image.height()), rgba)
        .and_then(|picture| picture.to_png(None, &[]))
        .map_err(|e| e.to_string())
        .and_then(|bytes| std::fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display())))
        .map_or_else(
            |problem| Command::Notice(Severity::Error, problem),
            |()| Command::Notice(Severity::Info, format!("Picture saved to {}", path.display())),
        )
}

impl eframe::App for Shell {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        if let Some(notice) = self.picture_done.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.workbench.send(notice);
        }
        self.workbench.logic(ctx);
        if self.workbench.quit {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.workbench.shut_down();
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.workbench.ui(ui);
        if let Some(path) = self.workbench.picture_wanted.take() {
            self.take_picture(ui.ctx(), path);
        }
    }
}
