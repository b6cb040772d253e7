//! Two variational autoencoders (Kingma & Welling 2014, arXiv:1312.6114), of convergences and of sources: short descriptions of a map by a few
//! numbers, near which fine-tuning draws others like it (as the authors of arXiv:2301.04168 do it, after their public code).
//!
//! - [`Vae`]: encode, decode, sample. [`VaeBall`]: pairs around an answer. [`VaeTrainRequest`]: the task `lens_reconstruction.train_vae`.
//!
//! Valid for maps like those of the [`prior`](super::prior): others are drawn towards it.

mod ball;
mod network;
mod outcome;
mod train_task;

pub use ball::{SPREAD, VaeBall};
pub use network::{Latent, Vae, VaePart, VaeSettings};
pub use outcome::{VaeTrainOutcome, VaeValidation};
pub use train_task::{VaeTrainRequest, VaeTrainUpdate};
