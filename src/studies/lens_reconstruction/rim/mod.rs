//! The Recurrent Inference Machine: source and convergence in pixels from one image, by a learned optimiser that is fed with the
//! gradient of the likelihood (arXiv:2207.01073; journal version arXiv:2301.04168).
//!
//! - [`LensingModel`]: image of a pixelated source behind a pixelated convergence, and the gradient of `-ln L`, by hand.
//! - [`prior`]: the lenses and sources that the network is trained on.
//! - [`vae`]: short descriptions of convergences and sources.
//! - [`Rim`]: the network and its loop. [`TrainRequest`]: the task `lens_reconstruction.train`.
//!
//! Everything lives on fixed grids ([`Grids`]): image and convergence over one field, the source over a smaller one, all centred.
//! Lensing knows no absolute angle, so an image of any scale is brought to these grids before, and back afterwards.

mod correlation;
mod domain;
pub mod finetune;
mod frame;
mod likelihood;
mod loading;
mod network;
mod pixel_lens;
pub mod prior;
mod reconstruct;
pub mod refine;
mod spread;
mod symmetry;
mod train_outcome;
mod train_task;
mod training;
pub mod vae;

pub use correlation::{Correlation, correlations};
pub use domain::Domain;
pub use frame::WorkingFrame;
pub use likelihood::{Grids, LensingModel, PixelData, Workspace};
pub use loading::{SHIPPED, Trained, load, load_vaes};
pub use network::{Rim, RimSettings, State};
pub use pixel_lens::PixelLens;
pub use reconstruct::{Finetuning, Guess, RimEvent, RimFit, RimStep, Spreading, Treatment, reconstruct};
pub use refine::RefineSettings;
pub use spread::{CLASSES, Calibration, spread};
pub use train_outcome::TrainOutcome;
pub use train_task::{TrainRequest, TrainUpdate};
pub use training::Validation;
