//! What studies share to learn: networks, how they are trained and kept. On burn; no task, no thread, no file format of a study.
//!
//! - [`kernels`]: convolutions, transposed convolutions and activations that are as fast as the processor allows.
//! - [`layers`]: what networks are made of. [`recurrent_unet`]: the U-Net with a memory in every skip. [`recurrent_inference`]: the loop of a Recurrent Inference Machine.
//! - [`parameters`]: all parameters of a network as one vector. [`adam`]: the step of an optimiser on it. [`checkpoint`], [`resumable`]: a training that may be killed and goes on.
//! - [`weights`]: trained networks on disk (safetensors, half precision) with a card that says how they came to be.
//!
//! Networks are drawn, trained and run with numbers from our own seeded streams only, so that a seed gives the same bits.

pub mod adam;
pub mod checkpoint;
mod error;
pub mod kernels;
pub mod layers;
pub mod parameters;
pub mod recurrent_inference;
pub mod recurrent_unet;
pub mod resumable;
pub mod weights;

pub use error::LearningError;
