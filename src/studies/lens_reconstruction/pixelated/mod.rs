//! Sources, and corrections of the mass, in pixels.
//!
//! - [`invert`] and [`recover_source`]: the source in pixels on a parametric lens (semi-linear inversion, Warren & Dye 2003, ApJ 590, 673), with
//!   gradient or curvature regularisation whose strength the evidence chooses (Suyu et al. 2006, MNRAS 371, 983); the lens is optimised outside.

mod field;
mod grid;
mod inversion;
pub mod mock;
mod prior;
mod response;
mod solve;

pub use field::MOVED;
pub use grid::{SourceGrid, Stencil};
pub use inversion::{Inversion, InversionSettings, InversionStep, grid_of, invert, recover_source};
pub use prior::{Prior, Regularisation};

#[cfg(test)]
mod tests;
