//! The Recurrent Inference Machine of arXiv:2207.01073 and what it learns from.
//!
//! - [`prior`]: simulated lenses for training, drawn on the fly.

pub mod prior;
