//! Parses the command line, opens the window or runs headless, sets the exit code; nothing else.

use std::process::ExitCode;

use sextans::cli::{self, Faces};
use sextans::runs::Hooks;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let faces = Faces {
        tasks: || &[],
        open_window: |_| Err("this build has no window".into()),
        render: |_| Err("this build has no window".into()),
        info: |_, _| Err("this build cannot read FITS".into()),
        read_planes: |_| Err("this build cannot read FITS".into()),
        set_resources: |_| (),
        hooks: Hooks::NONE,
    };
    cli::run(std::env::args_os(), &faces)
}
