//! Sources, and corrections of the mass, in pixels.
//!
//! - [`invert`] and [`recover_source`]: the source in pixels on a parametric lens (semi-linear inversion, Warren & Dye 2003, ApJ 590, 673), with
//!   gradient or curvature regularisation whose strength the evidence chooses (Suyu et al. 2006, MNRAS 371, 983); the lens is optimised outside.
//! - [`fit_pixels`]: source and convergence in pixels together, the most probable ones, from a parametric lens on.

mod field;
mod grid;
mod inversion;
mod joint;
mod mass;
pub mod mock;
mod pixels;
mod prior;
mod response;
mod solve;

pub use field::MOVED;
pub use grid::{SourceGrid, Stencil};
pub use inversion::{Inversion, InversionCallback, InversionSettings, InversionStep, grid_of, invert, recover_source};
pub use joint::{JointModel, Parts};
pub use mass::CorrectedLens;
pub(super) use mass::potential_of;
pub use pixels::{PixelCallback, PixelFit, PixelSettings, PixelStep, fit_pixels, joint_model};
pub use prior::{Prior, Regularisation};

/// What a callback is told. Whatever it is told, it may stop.
pub enum Event<S> {
    /// A step was made: its state.
    Step(S),
    /// In the midst of the work: nothing to show.
    Within,
    /// The search is over; how many parameters the data determine is being counted, on shaken data. Nothing to show.
    DegreesOfFreedom,
}

#[cfg(test)]
mod tests;
