//! Lens reconstruction: source and mass of a galaxy-scale lens from one image.
//!
//! - [`Observation`]: image, noise, PSF and mask. [`Scene`]: mass, source, lens light and sky.
//! - [`imaging`]: the forward model and its analytic Jacobian. [`simulate`]: observations with known truth.
//! - [`classical`]: the blind parametric fit.

pub mod classical;
mod error;
pub mod imaging;
mod observation;
mod render;
mod sampling;
mod scene;
pub mod simulate;

pub use error::LensError;
pub use observation::{Frame, Observation};
pub use render::render;
pub use scene::{Layout, Scene};
