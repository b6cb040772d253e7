//! Sextans: a desktop workbench for astronomers.
pub mod data;
pub mod numerics;
pub mod plots;
pub mod studies;
pub mod tasks;
