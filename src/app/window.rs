//! The real window: eframe around the workbench.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{ViewportBuilder, ViewportCommand};

use super::{ThemeChoice, Workbench};
use crate::panels::{Command, Severity};
use crate::plots::picture::Picture;
use crate::runs::Library;

/// What the window opens with.
#[derive(Clone, Debug, Default)]
pub struct WindowOptions {
    /// Files, run folders, sessions or pictures to open.
    pub paths: Vec<PathBuf>,
    /// Panel to open, by kind.
    pub panel: Option<String>,
    /// Start the panel's demo.
    pub demo: bool,
    /// Theme, if not the default.
    pub theme: Option<ThemeChoice>,
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
}

impl Shell {
    fn new(ctx: &egui::Context, options: WindowOptions) -> Result<Self, String> {
        let wake_ctx = ctx.clone();
        let library = Library::of_user().map_err(|e| e.to_string())?;
        let mut workbench = Workbench::new(Arc::new(move || wake_ctx.request_repaint()), library)?;
        if let Some(theme) = options.theme {
            workbench.set_theme(theme);
        }
        for path in options.paths {
            workbench.send(Command::OpenPath(path));
        }
        if let Some(panel) = options.panel.as_deref().and_then(crate::panels::entry) {
            workbench.send(if options.demo { Command::Demo(panel.kind) } else { Command::OpenPanel(panel.kind) });
        }
        Ok(Self { workbench })
    }

    /// Writes the screenshot that came back, or says why not.
    fn take_picture(&mut self, ctx: &egui::Context) {
        let picture = ctx.input(|i| {
            i.events.iter().find_map(|e| if let egui::Event::Screenshot { image, .. } = e { Some(image.clone()) } else { None })
        });
        if let (Some(image), Some(path)) = (picture, self.workbench.picture_wanted.clone()) {
            self.workbench.picture_wanted = None;
            let rgba: Vec<u8> = image.pixels.iter().flat_map(egui::Color32::to_array).collect();
            let size = |n: usize| u32::try_from(n).unwrap_or_default();
            let notice = Picture::new(size(image.width()), size(image.height()), rgba)
                .and_then(|picture| picture.to_png(None, &[]))
                .map_err(|e| e.to_string())
                .and_then(|bytes| std::fs::write(&path, bytes).map_err(|e| format!("{}: {e}", path.display())))
                .map_or_else(
                    |e| Command::Notice(Severity::Error, e),
                    |()| Command::Notice(Severity::Info, format!("Picture saved to {}", path.display())),
                );
            self.workbench.send(notice);
        }
    }
}

impl eframe::App for Shell {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        self.workbench.logic(ctx);
        if self.workbench.quit {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.take_picture(ui.ctx());
        self.workbench.ui(ui);
        if self.workbench.picture_wanted.is_some() {
            ui.ctx().send_viewport_cmd(ViewportCommand::Screenshot(egui::UserData::default()));
        }
    }
}
