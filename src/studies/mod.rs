//! The published systems, one folder each, and physics that two of them share; no egui, no threads.
//!
//! [`registry`] is the list of everything that can be run.

pub mod lens_models;
pub mod lens_reconstruction;
pub mod line_ratios;

use crate::tasks::TaskEntry;

static REGISTRY: [TaskEntry; 8] = [
    TaskEntry::of::<lens_reconstruction::SimulateRequest>(),
    TaskEntry::of::<lens_reconstruction::FitRequest>(),
    TaskEntry::of::<lens_reconstruction::BenchmarkRequest>(),
    TaskEntry::of::<lens_reconstruction::rim::prior::PriorRequest>(),
    TaskEntry::of::<lens_reconstruction::rim::TrainRequest>(),
    TaskEntry::of::<lens_reconstruction::rim::vae::VaeTrainRequest>(),
    TaskEntry::of::<line_ratios::FitRequest>(),
    TaskEntry::of::<line_ratios::SimulateRequest>(),
];

/// Every task, in the order of `sextans list`.
pub fn registry() -> &'static [TaskEntry] {
    &REGISTRY
}

/// A task by name.
pub fn task(name: &str) -> Option<&'static TaskEntry> {
    REGISTRY.iter().find(|t| t.name == name)
}
