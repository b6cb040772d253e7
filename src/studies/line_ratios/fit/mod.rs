//! The classical fit: least squares with one velocity and one broadening for all lines.
//!
//! - [`LineModel`]: what is fitted, on one axis. [`LineModel::fit`] fits one spectrum, [`LineModel::cramer_rao`] says how
//!   well anything could.
//! - [`LineModel::noise_factor`] and [`LineModel::significance`]: whether errors and lines can be believed.
//! - [`GridPosterior`]: the exact posterior over velocity and broadening, fluxes marginalised.

mod model;
mod noise;
mod normal;
mod posterior;
mod scan;
mod solve;

pub use model::{HIGHEST_ORDER, LineModel, MOST_LINES, ModelSettings, Scratch};
pub use noise::significance_of_gain;
pub use posterior::{GridPosterior, Interval};

use super::lines::LIGHT_SPEED_KM_S;

/// Why a model cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    /// No line of the list lies on the axis.
    #[error(
        "none of the lines {lines} lies between {first_nm:.1} and {last_nm:.1} nm (vacuum) at redshift {redshift}; set redshift or lines"
    )]
    NoLine {
        /// Lines asked for.
        lines: String,
        /// First wavelength in the file's order, nm.
        first_nm: f64,
        /// Last wavelength.
        last_nm: f64,
        /// Redshift of the frame.
        redshift: f64,
    },
    /// Not enough samples.
    #[error("{samples} samples cannot hold {parameters} parameters; widen the band or fit fewer lines")]
    TooFewSamples {
        /// Samples of the axis.
        samples: usize,
        /// Parameters of the model.
        parameters: usize,
    },
}

/// How a fit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// At a minimum.
    Converged,
    /// The steps ran out.
    Unfinished,
    /// Parameters cannot be told apart.
    Degenerate,
}

/// The answer for one spectrum. Lines are in the order of [`LineModel::lines`].
#[derive(Debug, Clone, PartialEq)]
pub struct LineFit {
    /// Velocity, km/s.
    pub velocity_km_s: f64,
    /// Its standard error.
    pub velocity_error_km_s: f64,
    /// Square of the broadening, (km/s)^2: near zero it is this that has a symmetric error.
    pub variance: f64,
    /// Its standard error.
    pub variance_error: f64,
    /// Covariance of velocity and variance.
    pub velocity_variance_covariance: f64,
    /// Fluxes: (data unit) x (axis unit), or per Angstrom integrated over Angstrom.
    pub flux: [f64; MOST_LINES],
    /// Covariance of the fluxes.
    pub covariance: [[f64; MOST_LINES]; MOST_LINES],
    /// Coefficients of the continuum (Legendre polynomials over the axis), data units.
    pub continuum: [f64; HIGHEST_ORDER + 1],
    /// Flux of the stellar absorption, negative where there is some; 0 when it is not fitted.
    pub absorption: f64,
    /// Sum of squared residuals in units of the noise.
    pub chi2: f64,
    /// By how much the lines lower chi2 under that of the continuum alone.
    pub gain: f64,
    /// Samples less parameters.
    pub degrees: usize,
    /// Steps taken.
    pub steps: usize,
    /// How it ended.
    pub state: State,
}

impl LineFit {
    /// Nothing known: every number NaN.
    pub fn empty() -> Self {
        Self {
            velocity_km_s: f64::NAN,
            velocity_error_km_s: f64::NAN,
            variance: f64::NAN,
            variance_error: f64::NAN,
            velocity_variance_covariance: 0.0,
            flux: [f64::NAN; MOST_LINES],
            covariance: [[f64::NAN; MOST_LINES]; MOST_LINES],
            continuum: [f64::NAN; HIGHEST_ORDER + 1],
            absorption: 0.0,
            chi2: f64::NAN,
            gain: f64::NAN,
            degrees: 0,
            steps: 0,
            state: State::Degenerate,
        }
    }

    /// Broadening: standard deviation of the velocities along the line of sight, km/s, the instrument removed.
    pub fn broadening_km_s(&self) -> f64 {
        self.variance.sqrt()
    }

    /// Its error: half the distance of the broadenings one standard error of the variance up and down, which for a
    /// resolved line is that error over twice the broadening.
    pub fn broadening_error_km_s(&self) -> f64 {
        let up = (self.variance + self.variance_error).sqrt();
        let down = (self.variance - self.variance_error).max(0.0).sqrt();
        0.5 * (up - down)
    }

    /// Standard error of a flux.
    pub fn flux_error(&self, line: usize) -> f64 {
        self.covariance[line][line].sqrt()
    }

    /// Flux over its error.
    pub fn signal_to_noise(&self, line: usize) -> f64 {
        self.flux[line] / self.flux_error(line)
    }

    /// chi2 a degree of freedom.
    pub fn reduced_chi2(&self) -> f64 {
        self.chi2 / self.degrees as f64
    }

    /// All errors and chi2 for noise that is `factor` times what the weights said.
    pub fn rescale_noise(&mut self, factor: f64) {
        let squared = factor * factor;
        self.velocity_error_km_s *= factor;
        self.variance_error *= factor;
        self.velocity_variance_covariance *= squared;
        for value in self.covariance.iter_mut().flatten() {
            *value *= squared;
        }
        self.chi2 /= squared;
        self.gain /= squared;
    }
}

#[cfg(test)]
mod tests;
