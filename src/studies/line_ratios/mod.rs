//! Emission-line ratios and kinematics from spectra and cubes of imaging spectrometers (SITELLE; also MUSE and other
//! wavelength axes): Rhea, Rousseau-Nepton, Prunet, Hlavacek-Larrondo et al., arXiv:2102.06230.
//!
//! - [`axis`]: the wavenumber axis of a Fourier-transform spectrometer, the filters of SITELLE.
//! - [`frame`]: where a line lies on an axis at a velocity.
//! - [`fit`]: the classical fit, its errors, the exact posterior.
//! - [`lines`]: ten nebular lines, air and vacuum, ratios that physics fixes.
//! - [`shape`]: the shape of one line, with derivatives.
//! - [`prior`]: the ratios of HII regions; [`dust`]. [`simulate`]: spectra and galaxies with a known truth.

pub mod axis;
pub mod benchmark;
pub mod dust;
pub mod fit;
pub mod frame;
pub mod lines;
pub mod network;
pub mod prior;
pub mod shape;
pub mod simulate;
mod simulate_task;
mod train_outcome;
mod train_task;

pub use benchmark::{BenchmarkOutcome, BenchmarkRequest};
pub use simulate_task::{Camera, Scene, SimulateOutcome, SimulateRequest, SpectraPlane};
pub use train_outcome::TrainOutcome;
pub use train_task::{TrainRequest, TrainUpdate};
