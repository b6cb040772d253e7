//! Lens reconstruction: source and mass of a galaxy-scale lens from one image (study of arXiv:2207.01073).
//!
//! - [`Observation`]: image, noise, PSF and mask. [`Scene`]: mass, source, lens light and sky.
//! - [`imaging`]: the forward model and its analytic Jacobian. [`classical`]: the blind parametric fit.
//! - [`pixelated`]: sources, and corrections of the mass, in pixels.
//! - Tasks: [`SimulateRequest`] (`lens_reconstruction.simulate`), [`FitRequest`] (`lens_reconstruction.fit`), [`BenchmarkRequest`] (`lens_reconstruction.benchmark`), [`rim::TrainRequest`] (`lens_reconstruction.train`), [`rim::prior::PriorRequest`] (`lens_reconstruction.prior`), [`rim::vae::VaeTrainRequest`] (`lens_reconstruction.train_vae`).
//! - [`rim`]: the Recurrent Inference Machine.
//!
//! Valid for one galaxy lens with one dominant source, measured noise and PSF. A singular isothermal ellipsoid with shear
//! cannot follow structure in the mass, nor a Sersic profile structure in the source: look at the residuals.

mod arrival;
pub mod benchmark;
pub mod classical;
pub mod cosmology;
mod curves;
mod error;
pub mod exchange;
mod fit_task;
pub mod imaging;
mod lensing_maps;
mod load;
mod maps;
pub mod mask_edit;
mod mass_sheet;
mod model_file;
mod observation;
mod orientation;
mod outcome;
mod pixel_task;
pub mod pixelated;
pub mod positions;
mod render;
mod request;
mod residual_statistics;
pub mod rim;
mod sampling;
mod scene;
pub mod simulate;
mod simulate_task;
mod simulated_source;
mod tracing;
mod truth;

pub use arrival::{ArrivalSurface, Isochrone, arrival_surface};
pub use benchmark::BenchmarkRequest;
pub use cosmology::{Cosmology, Distances};
pub use curves::{Curves, curves_of, traced_curves};
pub use error::LensError;
pub use fit_task::{FitUpdate, LiveMap};
pub use lensing_maps::LensingMaps;
pub use load::{Check, Loaded, Verdict, load};
pub use maps::convergence_on;
pub use mass_sheet::{SHEETS, convergence_with_sheet, source_with_sheet};
pub use model_file::lens_of;
pub use observation::{Frame, Observation};
pub use orientation::Orientation;
pub use outcome::{FitOutcome, NetworkSteps, TRUSTED};
pub use pixel_task::EVIDENCE;
pub use request::{FitRequest, MaskMeaning, Method};
pub use residual_statistics::{Lag, ResidualStatistics, Sample, clipped_scatter, residual_statistics, sample};
pub use scene::{Layout, Scene};
pub use simulate_task::{SimulateOutcome, SimulateRequest, SimulatedGalaxy, SimulatedLens};
pub use simulated_source::{PixelSource, SourceClumps};
pub use tracing::{Stationary, Traced, TracedImage, Tracer};
pub use truth::{Gridded, Truth};
