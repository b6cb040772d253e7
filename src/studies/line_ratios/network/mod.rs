//! Networks that read kinematics and line ratios off a spectrum.
//!
//! ```text
//! spectrum -> kinematics network (first look, mixture) -> refinement, twice (velocity, broadening, errors)
//!          -> windows aligned with the rest frame -> ratio ensemble (mean and variance of nine log10 ratios)
//! spectrum -> 620 samples -> the published network -> nine ratios
//! ```
//! - [`features`], [`published`]: what networks take. [`resample`]: other grids.
//! - [`architecture`]: shapes, and the forward pass in burn. [`fast`]: inference. [`examples`], [`losses`]: training.

pub mod architecture;
pub mod decode;
pub mod estimate;
mod estimator;
pub mod examples;
pub mod fast;
pub mod features;
pub mod hybrid;
pub mod loading;
pub mod losses;
pub mod published;
pub mod resample;
pub mod validation;

pub use architecture::{Architecture, LineNetwork, NetworkKind};
pub use estimate::{LineNetworks, Memory, NetworkEstimate, PublishedNetwork};
pub use estimator::NetworkEstimator;
pub use features::Observed;
pub use loading::TrainedNetwork;
pub use resample::BandView;
