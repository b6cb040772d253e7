//! Sextans: a desktop workbench for astronomers.
//!
//! It opens FITS images and cubes, runs simulations and inference in worker threads, and plots results live,
//! each beside the classical answer and with errors that can be believed.
//!
//! # The house, a line a folder
//!
//! | folder | what it does |
//! |---|---|
//! | [`tasks`] | the leaf: what a task is, how it reports and is stopped, the schema of its request |
//! | [`data`] | FITS in and out (images, cubes, tiles, tables, spectra, responses), world coordinates, units, regions and their DS9 files, a list of spectral lines, ECSV and CSV, tables as sorted and filtered sheets; the store of what is opened |
//! | [`learning`] | networks on burn: convolution kernels of our own, layers, recurrent U-Net, the loop of a Recurrent Inference Machine, Adam, checkpoints, weights on disk |
//! | [`numerics`] | convolution, Levenberg-Marquardt, L-BFGS, the No-U-Turn sampler and whether its chains agree, contours, profiles, cuts, apertures, moments of lines, resampling, lines of a sphere, special functions, statistics, seeded random streams |
//! | [`studies`] | the published systems, and the physics that two of them share; no egui, no threads |
//! | [`workers`] | threads: jobs in two lanes, queries, cancelling, panic containment |
//! | [`runs`] | run folders: record, products, repeat and verify |
//! | [`plots`] | drawing: image view, colour maps, stretches, line, scatter and corner plots, colour bars, sky grids, the CPU painter, SVG |
//! | [`panels`] | what fills the window, one file or folder a panel: image, spectrum, comparison, table, header, studies; what they know of each other |
//! | [`app`] | the window: shell, docking, commands and their palette, file browser, session, undo, settings, theme, notices, saving views; also without a display |
//! | [`cli`] | the command line |
//!
//! # Arrows
//!
//! `main -> cli, app -> panels -> plots`, and `cli, app, panels -> runs, workers -> studies -> learning, numerics, data`.
//! What the command line needs of the window (pictures, `panel.png`) is handed to it by `main` as functions ([`cli::Faces`]).
//! `tasks` is used by all and uses nothing of ours; `numerics` uses nothing at all, its loops take a callback that returns `ControlFlow`.
//! Only `app`, `panels` and `plots` may name egui. A test (`tests/house_arrows.rs`) walks the sources and holds every arrow.
//!
//! # One way for the data
//!
//! ```text
//! widgets -> request -> workers -> study (physics) -> updates -> panel -> plots
//!                                                 \-> outcome -> run folder
//! ```
//! A request is the whole truth of a run; see [`tasks::Task`]. The window and the command line write the same run folders.

pub mod app;
pub mod cli;
pub mod data;
pub mod learning;
pub mod numerics;
pub mod panels;
pub mod plots;
pub mod runs;
pub mod studies;
pub mod tasks;
pub mod workers;
