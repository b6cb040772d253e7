//! The command line: a full face of the program, beside the window.
//!
//! [`run`] parses the arguments and carries them out. What lies in layers that this one may not know (the window, the pictures, the
//! list of tasks, reading FITS) comes in as [`Faces`], filled by `main`.

mod args;
mod compute;
mod demo;
mod errors;
mod info;
mod list;
mod output;
mod picture;
mod repeat;
mod request;
mod window;

pub use args::Theme;
pub use errors::CliError;
pub use info::{Info, InfoOptions};
pub use picture::RenderOptions;
pub use window::WindowOptions;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::runs::{Hooks, Plane};
use crate::tasks::TaskEntry;
use crate::workers;
use args::{Arguments, Command};
use output::Output;

/// What the command line needs from elsewhere. Every error is one line.
#[derive(Clone, Copy, Debug)]
pub struct Faces {
    /// The registry of tasks.
    pub tasks: fn() -> &'static [TaskEntry],
    /// Opens the window and returns when it is closed.
    pub open_window: fn(WindowOptions) -> Result<(), String>,
    /// Draws the window into a PNG, without a display. [`CliError::Usage`] for what cannot be drawn as asked (no such panel,
    /// an unreadable file), [`CliError::Failed`] for what went wrong in drawing or writing.
    pub render: fn(&RenderOptions) -> Result<(), CliError>,
    /// Describes a file.
    pub info: fn(&Path, &InfoOptions) -> Result<Info, String>,
    /// Reads every array of a FITS file, for `--verify`.
    pub read_planes: fn(&Path) -> Result<Vec<Plane>, String>,
    /// Pictures and weights for run folders.
    pub hooks: Hooks,
}

/// Carries out a command line (the first argument is the program's name); see [`status`].
pub fn run(arguments: impl IntoIterator<Item = OsString>, faces: &Faces) -> ExitCode {
    ExitCode::from(status(arguments, faces))
}

/// Carries out a command line and gives the exit status: 0 done, 1 the run failed, 2 wrong usage or unreadable input.
pub fn status(arguments: impl IntoIterator<Item = OsString>, faces: &Faces) -> u8 {
    workers::quiet_panics();
    let mut output = Output::new();
    let parsed = match Arguments::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => return errors::of_clap(&error, &mut output),
    };
    match carry_out(parsed, faces, &mut output) {
        Ok(()) => 0,
        Err(error) => {
            output.error(&format!("sextans: {error}"));
            error.status()
        }
    }
}

fn carry_out(arguments: Arguments, faces: &Faces, output: &mut Output) -> Result<(), CliError> {
    let threads = arguments.threads;
    if let Some(folder) = arguments.resources {
        if !folder.is_dir() {
            return Err(CliError::Usage(format!("--resources {}: is no folder", folder.display())));
        }
        crate::data::set_resource_folder(folder);
    }
    match arguments.command {
        None => window::open(&arguments.files, threads, faces),
        Some(Command::Demo { study }) => demo::run(study, threads, faces, output),
        Some(Command::Info(options)) => info::run(&options, faces, output),
        Some(Command::List { task, json }) => list::run(task.as_deref(), json, faces, output),
        Some(Command::Run(options)) => {
            workers::init_threads(threads.unwrap_or(0));
            if options.repeat.is_some() {
                repeat::run(&options, faces, output)
            } else {
                compute::run(&options, faces, output)
            }
        }
        Some(Command::Render(options)) => {
            workers::init_threads(threads.unwrap_or(0));
            picture::run(options, faces)
        }
    }
}
