//! Simulated spectra and galaxies with a known truth.
//!
//! - [`SpectrumLaw`]: what the spectra of a training or benchmark are drawn from. [`CleanSpectrum`]: one of them in three filters.
//! - [`galaxy`]: whole galaxies as cubes.

pub mod galaxy;
mod spectrum;

pub use spectrum::{
    Band, CleanSpectrum, FILTERS, LINES_OF, NoisySpectrum, SpectrumLaw, band_axis, observed, per_angstrom,
};
