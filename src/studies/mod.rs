//! The ten systems, one folder each, and physics that two of them share; no egui, no threads.

pub mod lens_models;
pub mod lens_reconstruction;
