//! From spectra to measurements: where a method plugs in.

use super::fit::{LineFit, LineModel};
use super::learned::LearnedRatios;
use super::network::NetworkEstimator;
use super::observation::{Batch, Observation};
use super::request::{FitRequest, Method, Noise};
use crate::tasks::TaskError;

/// What a method says of one spectrum.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Kinematics, fluxes, errors; the noise as it turned out.
    pub fit: LineFit,
    /// By how much the noise is larger than the file says, or its size where the file says nothing.
    pub noise_factor: f64,
    /// How sure it is that there are lines, in standard deviations.
    pub significance: f64,
    /// Velocity or broadening lie on an end of their range: they are no measurement.
    pub at_bound: bool,
    /// Whose velocity and broadening these are.
    pub kinematics: Kinematics,
    /// What networks say of the ratios, if they were asked.
    pub learned: Option<LearnedRatios>,
}

/// Where velocity and broadening of an answer come from; fluxes and continuum are by least squares at these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kinematics {
    /// Least squares.
    #[default]
    Fit,
    /// Networks.
    Network,
    /// The same for all spectra, given.
    Given,
}

impl Estimate {
    /// Lines are found with at least this many standard deviations, and inside the ranges searched.
    pub fn finds_lines(&self, least_significance: f64) -> bool {
        self.significance >= least_significance && !self.at_bound
    }
}

/// A method: spectra in, one answer a spectrum out, in order. Called from several threads at once.
pub trait Estimator: Sync {
    /// `None` for a spectrum that has too few samples.
    fn estimate(&self, batch: &Batch) -> Vec<Option<Estimate>>;
}

/// The method that a request asks for.
///
/// # Errors
/// The networks know no such data; their weights are missing.
pub(super) fn estimator<'a>(
    request: &FitRequest,
    observation: &Observation,
    model: &'a LineModel,
) -> Result<Box<dyn Estimator + 'a>, TaskError> {
    Ok(match request.method {
        Method::Fit => Box::new(LeastSquares { model, noise: request.noise, has_errors: observation.has_errors }),
        Method::Network | Method::Hybrid => {
            let hybrid = request.method == Method::Hybrid;
            Box::new(NetworkEstimator::new(model, observation, request.noise, hybrid)?)
        }
    })
}

/// The classical fit.
pub struct LeastSquares<'a> {
    /// What is fitted.
    pub model: &'a LineModel,
    /// Where the size of the noise comes from.
    pub noise: Noise,
    /// The weights come from errors; without, only the scatter tells the noise.
    pub has_errors: bool,
}

impl Estimator for LeastSquares<'_> {
    fn estimate(&self, batch: &Batch) -> Vec<Option<Estimate>> {
        let mut scratch = self.model.scratch();
        (0..batch.len())
            .map(|index| {
                let (data, weights) = batch.spectrum(index);
                let mut fit = self.model.fit(data, weights, &mut scratch)?;
                let rescaled = self.noise == Noise::Rescaled || !self.has_errors;
                let measured = rescaled.then(|| self.model.noise_factor(&fit, &mut scratch)).flatten();
                // Where lines fill the band, all residuals have to tell the noise.
                let all = || if self.has_errors { 1.0 } else { fit.reduced_chi2().sqrt() };
                let noise_factor = measured.filter(|factor| *factor > 0.0).unwrap_or_else(all);
                fit.rescale_noise(noise_factor);
                let significance = self.model.significance(&fit);
                let at_bound = self.model.at_bound(&fit);
                Some(Estimate { fit, noise_factor, significance, at_bound, kinematics: Kinematics::Fit, learned: None })
            })
            .collect()
    }
}

/// Fluxes at one velocity and broadening for all: what noise does not bias, for sums over many spaxels.
pub(super) struct FixedKinematics<'a> {
    pub model: &'a LineModel,
    pub velocity_km_s: f64,
    pub broadening_km_s: f64,
}

impl Estimator for FixedKinematics<'_> {
    fn estimate(&self, batch: &Batch) -> Vec<Option<Estimate>> {
        let mut scratch = self.model.scratch();
        (0..batch.len())
            .map(|index| {
                let (data, weights) = batch.spectrum(index);
                let (v, s) = (self.velocity_km_s, self.broadening_km_s);
                let mut fit = self.model.fit_at(data, weights, v, s, &mut scratch)?;
                let noise_factor = self.model.noise_factor(&fit, &mut scratch).filter(|f| *f > 0.0).unwrap_or(1.0);
                fit.rescale_noise(noise_factor);
                let significance = self.model.significance(&fit);
                Some(Estimate {
                    fit,
                    noise_factor,
                    significance,
                    at_bound: false,
                    kinematics: Kinematics::Given,
                    learned: None,
                })
            })
            .collect()
    }
}
