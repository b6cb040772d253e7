//! The request of `line_ratios.fit`: every parameter and the input.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fit::{HIGHEST_ORDER, ModelSettings};
use super::frame::Medium;
use super::lines::Line;
use crate::tasks::TaskError;

/// How a spectrum is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Least squares: one velocity and one broadening for all lines, a flux for each, errors by the normal equations.
    #[default]
    Fit,
    /// Networks for velocity, broadening and ratios, least squares for the fluxes at these. SN3 of SITELLE alone.
    Network,
    /// The fit from where the networks point, or their answer where it is the surer; so also for the ratios. SN3 of SITELLE alone.
    Hybrid,
}

/// Where the size of the noise comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// The scatter of the residuals in samples free of lines; the errors of the file, if any, say only how it varies along the spectrum.
    #[default]
    Rescaled,
    /// The errors of the file as they are.
    File,
}

/// Where velocities count from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ZeroPoint {
    /// `velocity_zero_km_s`.
    #[default]
    Given,
    /// Measured from OH lines of the night sky, 648 to 685 nm (SN3 of SITELLE), in `sky`, or in the median of the emptiest spaxels of the cube. Velocities are then those seen from the telescope: the motion of the Earth is not taken off.
    SkyLines,
}

/// How spaxels are put together before they are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Binning {
    /// Every spaxel by itself.
    #[default]
    None,
    /// Squares of `bin_pixels` a side.
    Square,
    /// Compact bins of equal signal to noise: `target_snr` in the brightest line.
    Voronoi,
}

/// Measure emission lines in a spectrum or a cube.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FitRequest {
    /// Spectrum or cube (FITS) with a wavenumber axis (SITELLE) or a wavelength axis (MUSE and others). Errors are found beside it (STAT, ERR, IVAR). Needed.
    #[schemars(extend("x-input" = true))]
    pub data: Option<PathBuf>,
    /// With `zero_point=sky_lines`: a spectrum, or a cube, of the sky, taken with the same instrument; without, the data themselves.
    #[schemars(extend("x-input" = true))]
    pub sky: Option<PathBuf>,
    /// How a spectrum is measured.
    pub method: Method,
    /// Lines; those outside the band are left out. Empty: all ten.
    pub lines: Vec<Line>,
    /// Redshift at which velocities are counted from zero.
    #[schemars(range(min = -0.01, max = 10.0))]
    pub redshift: f64,
    /// Where velocities count from.
    pub zero_point: ZeroPoint,
    /// Velocity of sky lines in the same data, taken off every velocity: SITELLE's zero point, which is off by 60 to 80.
    #[schemars(range(min = -1000.0, max = 1000.0), extend("x-unit" = "km/s"))]
    pub velocity_zero_km_s: f64,
    /// Velocities searched, on either side of zero.
    #[schemars(range(min = 10.0, max = 20000.0), extend("x-unit" = "km/s"))]
    pub velocity_range_km_s: f64,
    /// Largest broadening.
    #[schemars(range(min = 1.0, max = 5000.0), extend("x-unit" = "km/s"))]
    pub broadening_max_km_s: f64,
    /// [NII] 6583 / 6548 = 2.96 and [OIII] 5007 / 4959 = 2.98, as atomic physics has them; otherwise both lines of a doublet are free.
    pub tie_doublets: bool,
    /// Order of the polynomial of the continuum.
    #[schemars(range(min = 0, max = HIGHEST_ORDER))]
    pub continuum_order: usize,
    /// Fit stellar absorption under the Balmer lines too, as a Gaussian of this dispersion at the velocity of the gas; automatic: none. Real Balmer absorption has broader wings and the velocity of the stars: where it is deep, take a model of the stars off first.
    #[schemars(range(min = 50.0, max = 2000.0), extend("x-unit" = "km/s"), extend("x-start" = 300.0))]
    pub absorption_km_s: Option<f64>,
    /// Spectrum that is fitted on either side of the outermost lines, beyond the velocities searched.
    #[schemars(range(min = 100.0, max = 50000.0), extend("x-unit" = "km/s"))]
    pub margin_km_s: f64,
    /// Resolving power of the instrument; automatic: from STEP, ORDER, STEPNB, ZPDINDEX and AXISCORR of SITELLE, or that of MUSE (Bacon et al. 2017).
    #[schemars(range(min = 100.0, max = 200000.0), extend("x-log" = true), extend("x-start" = 3000.0))]
    pub resolving_power: Option<f64>,
    /// Whether wavelengths are in air or vacuum; automatic: as the header says (SITELLE: air).
    pub medium: Option<Medium>,
    /// On a wavenumber axis: the data are a flux density per Angstrom, as calibrated SITELLE cubes are; automatic: by BUNIT.
    pub per_angstrom: Option<bool>,
    /// Where the size of the noise comes from.
    pub noise: Noise,
    /// How spaxels are put together before they are measured.
    pub binning: Binning,
    /// With `square`: pixels a side of a bin.
    #[schemars(range(min = 1, max = 64))]
    pub bin_pixels: usize,
    /// With `voronoi`: signal to noise of the brightest line that a bin is to reach.
    #[schemars(range(min = 1.0, max = 1000.0))]
    pub target_snr: f64,
    /// Velocity, broadening and ratios are given where lines are found with at least this many standard deviations.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub least_significance: f64,
    /// Kept for methods that draw numbers; the fit draws none.
    pub seed: u64,
}

impl Default for FitRequest {
    fn default() -> Self {
        Self {
            data: None,
            sky: None,
            method: Method::Fit,
            lines: Vec::new(),
            redshift: 0.0,
            zero_point: ZeroPoint::Given,
            velocity_zero_km_s: 0.0,
            velocity_range_km_s: 800.0,
            broadening_max_km_s: 300.0,
            tie_doublets: true,
            continuum_order: 1,
            absorption_km_s: None,
            margin_km_s: 1500.0,
            resolving_power: None,
            medium: None,
            per_angstrom: None,
            noise: Noise::Rescaled,
            binning: Binning::None,
            bin_pixels: 2,
            target_snr: 20.0,
            least_significance: 3.0,
            seed: 1,
        }
    }
}

impl FitRequest {
    /// Lines to look for.
    pub(super) fn wanted(&self) -> Vec<Line> {
        if self.lines.is_empty() { Line::ALL.to_vec() } else { self.lines.clone() }
    }

    /// The model's settings.
    pub(super) fn model_settings(&self, per_angstrom: bool) -> ModelSettings {
        ModelSettings {
            lines: self.wanted(),
            tie_doublets: self.tie_doublets,
            continuum_order: self.continuum_order,
            absorption_km_s: self.absorption_km_s,
            velocity_range: (-self.velocity_range_km_s, self.velocity_range_km_s),
            broadening_max: self.broadening_max_km_s,
            per_angstrom,
        }
    }

    /// The input, or what to say without.
    ///
    /// # Errors
    /// None is given.
    pub(super) fn input(&self) -> Result<&std::path::Path, TaskError> {
        self.data.as_deref().ok_or_else(|| {
            TaskError::field("data", "(none)", "a spectrum or cube is needed", "give one with --input data=FILE")
        })
    }
}
