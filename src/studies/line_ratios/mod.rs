//! Emission-line ratios and kinematics from spectra and cubes of imaging spectrometers (SITELLE; also MUSE and other
//! wavelength axes): Rhea, Rousseau-Nepton, Prunet, Hlavacek-Larrondo et al., arXiv:2102.06230.
//!
//! - [`axis`]: the wavenumber axis of a Fourier-transform spectrometer, the filters of SITELLE.
//! - [`lines`]: ten nebular lines, air and vacuum, ratios that physics fixes. [`frame`]: where a line lies on an axis at
//!   a velocity. [`shape`]: the shape of one line, with derivatives.
//! - [`fit`]: the classical fit, its errors, the exact posterior.
//! - [`observation`]: a file, its band, read in tiles. [`estimate`]: where a method plugs in.
//! - [`sky_lines`]: by how much velocities are off, from the glow of the night sky.
//! - [`prior`]: the ratios of HII regions; [`dust`]. [`simulate`]: spectra and galaxies with a known truth.
//! - [`network`]: networks for kinematics and ratios. [`learned`]: their ratios in a run. [`benchmark`]: how well everything does.
//! - Tasks: [`SimulateRequest`] (`line_ratios.simulate`), [`FitRequest`] (`line_ratios.fit`), [`TrainRequest`]
//!   (`line_ratios.train`), [`BenchmarkRequest`] (`line_ratios.benchmark`).
//! - [`Glance`], [`Inspected`]: what a fit will see, and one spaxel of it again. [`excitation`]: what ionises the gas.
//!
//! Valid for lines with one velocity and one broadening in a spectrum, on a smooth continuum. Several components along
//! the line of sight, strong stellar absorption or sky residuals show in the residuals and in REDUCED_CHI2.

pub mod axis;
pub mod benchmark;
mod binning;
pub mod dust;
pub mod estimate;
pub mod excitation;
pub mod fit;
mod fit_outcome;
mod fit_task;
pub mod frame;
mod inspect;
pub mod learned;
pub mod lines;
mod maps;
pub mod network;
pub mod observation;
pub mod prior;
mod ratios;
mod request;
mod sensitivity;
pub mod shape;
pub mod simulate;
mod simulate_task;
pub mod sky_lines;
mod train_outcome;
mod train_task;
mod zero_point;

pub use benchmark::{BenchmarkOutcome, BenchmarkRequest};
pub use estimate::{Estimate, Estimator, Kinematics};
pub use fit_outcome::{FitOutcome, FittedSpectrum, MAPS, SPECTRA};
pub use fit_task::FitUpdate;
pub use inspect::{Glance, Inspected};
pub use maps::Map;
pub use ratios::{DETECTED, Measured, Ratio, lines_of};
pub use request::{Binning, FitRequest, Method, Noise, ZeroPoint};
pub use sensitivity::{RatioSensitivity, Sensitivity};
pub use simulate_task::{Camera, Scene, SimulateOutcome, SimulateRequest, SpectraPlane};
pub use train_outcome::TrainOutcome;
pub use train_task::{TrainRequest, TrainUpdate};
