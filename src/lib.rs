//! Sextans: a desktop workbench for astronomers.
pub mod cli;
pub mod data;
pub mod numerics;
pub mod plots;
pub mod runs;
pub mod studies;
pub mod tasks;
pub mod workers;
