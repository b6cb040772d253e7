//! What studies share to learn.

pub mod kernels;
