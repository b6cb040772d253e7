//! Run folders: what a finished run leaves on disk, how it is written without ever showing half a run, and how it is repeated.
//!
//! A run folder holds the products of a task, `panel.png`, and `record.json` ([`Record`]), which says everything needed to do it again.
//! [`execute`] is the one way to run a task into a folder: the command line and the window both call it.

pub mod cost;
pub mod folder;
pub mod inputs;
pub mod library;
pub mod record;
pub mod start;
pub mod verify;

pub use library::{Library, LibraryEntry};
pub use record::{InputFile, RECORD_NAME, Record, WeightFile, utc, version_line};
pub use start::{Hooks, PANEL_NAME, Picture, Prepared, RunResult, execute};
pub use verify::{Plane, Verification, compare};
