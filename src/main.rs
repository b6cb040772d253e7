//! Parses the command line, opens the window or runs headless, sets the exit code; nothing else.

use std::path::Path;
use std::process::ExitCode;

use sextans::cli::{self, CliError, Faces, Info, InfoOptions};
use sextans::{app, data, panels, runs, studies};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let faces = Faces { tasks: studies::registry, open_window, render, info, read_planes, hooks: panels::HOOKS };
    cli::run(std::env::args_os(), &faces)
}

fn open_window(options: cli::WindowOptions) -> Result<(), String> {
    app::open_window(app::WindowOptions { paths: options.files, demo: options.demo, threads: options.threads })
}

fn render(options: &cli::RenderOptions) -> Result<(), CliError> {
    let picture = app::render_image(&app::RenderOptions {
        panel: options.panel.clone(),
        session: options.session.clone(),
        open: options.open.clone(),
        theme: options.theme.map(|theme| match theme {
            cli::Theme::Dark => app::ThemeChoice::Dark,
            cli::Theme::Light => app::ThemeChoice::Light,
        }),
        size: [options.size.0, options.size.1],
        scale: 1.0,
    })
    .map_err(CliError::Usage)?;
    let bytes = picture.to_png(None, &[]).map_err(|e| CliError::Failed(e.to_string()))?;
    std::fs::write(&options.out, bytes).map_err(|e| CliError::Failed(format!("{}: {e}", options.out.display())))
}

fn info(file: &Path, options: &InfoOptions) -> Result<Info, String> {
    let mut location = data::Location::parse(&file.to_string_lossy());
    if let Some(index) = options.hdu {
        location.hdu = Some(data::HduSelector::Index(index));
    }
    // A pixel below 1 becomes 0, which lies in no image: the message is the reader's.
    let pixel: Option<Vec<usize>> =
        options.pixel.as_ref().map(|p| p.iter().map(|v| usize::try_from(*v).unwrap_or(0)).collect());
    let description = data::info::describe(&location, pixel.as_deref()).map_err(|e| e.to_string())?;
    let json = serde_json::to_value(&description).map_err(|e| e.to_string())?;
    Ok(Info { text: description.to_text(), json })
}

fn read_planes(file: &Path) -> Result<Vec<runs::Plane>, String> {
    let planes = data::read_planes(file).map_err(|e| e.to_string())?;
    Ok(planes
        .into_iter()
        .map(|plane| runs::Plane {
            name: plane.name,
            shape: plane.pixels.shape().to_vec(),
            values: plane.pixels.iter().map(|v| f64::from(*v)).collect(),
        })
        .collect())
}
