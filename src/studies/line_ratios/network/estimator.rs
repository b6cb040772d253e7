//! The networks as a method of `line_ratios.fit`: kinematics by networks, fluxes by least squares.

use super::estimate::{LineNetworks, Memory, NetworkEstimate};
use super::features::{Observed, red_noise};
use super::hybrid;
use super::resample::BandView;
use crate::studies::line_ratios::axis::Filter;
use crate::studies::line_ratios::estimate::{Estimate, Estimator, Kinematics};
use crate::studies::line_ratios::fit::{LineFit, LineModel, Scratch};
use crate::studies::line_ratios::learned::LearnedRatios;
use crate::studies::line_ratios::lines::Line;
use crate::studies::line_ratios::observation::{Batch, Observation};
use crate::studies::line_ratios::prior::{RATIOS, Recipe};
use crate::studies::line_ratios::ratios::Ratio;
use crate::studies::line_ratios::request::Noise;
use crate::studies::line_ratios::shape::LineShape;
use crate::tasks::TaskError;

/// Networks on the axis of one observation.
pub struct NetworkEstimator<'a> {
    model: &'a LineModel,
    networks: LineNetworks,
    /// First wavenumber, distance of samples and width of the sinc (cm-1), at the redshift of the frame.
    geometry: [f64; 3],
    /// Errors of the file count as they are.
    trusts_errors: bool,
    hybrid: bool,
    /// Ratios of the fluxes.
    ratios: Vec<Ratio>,
}

/// Velocities (km/s) that the networks know, on either side of zero.
const REACH_KM_S: f64 = 250.0;

impl<'a> NetworkEstimator<'a> {
    /// Velocities (km/s) that the networks know, on either side of zero.
    pub const REACH_KM_S: f64 = REACH_KM_S;

    /// For an observation of SN3 with SITELLE. A hybrid goes on with the fit from where the networks point.
    ///
    /// # Errors
    /// Another instrument or filter, a resolving power that the networks were not trained at, or weights that are missing.
    pub fn new(model: &'a LineModel, observation: &Observation, noise: Noise, hybrid: bool) -> Result<Self, TaskError> {
        let method = if hybrid { "hybrid" } else { "network" };
        let refuse = |problem: String| {
            TaskError::field("method", method, problem, "give method=fit, which knows every instrument")
        };
        let (LineShape::Sinc { width }, true) = (observation.line_shape, observation.is_sitelle) else {
            return Err(refuse(
                "the networks know SN3 of SITELLE alone, and this file is of another instrument".into(),
            ));
        };
        let axis = &observation.axis;
        let (low, high) = Filter::Sn3.band();
        let stretch = 1.0 + observation.frame.redshift;
        let ([Some(first), Some(last)], true) = ([axis.first(), axis.last()], axis.len() > 20) else {
            return Err(refuse("the axis is too short".into()));
        };
        let middle = 0.5 * (first + last) * stretch;
        if !(low..high).contains(&middle) {
            return Err(refuse(format!(
                "the networks know {low:.0} to {high:.0} cm-1 at rest, and the middle of this band is {middle:.0}"
            )));
        }
        let networks = LineNetworks::shipped(Recipe::Corrected)?;
        let resolution = 15_233.0 / (crate::studies::line_ratios::axis::SINC_FWHM * width * stretch);
        let [least, most] = networks.ratios().law.resolution[2];
        // A few per cent beyond the training set change nothing: the windows are counted in widths of the line.
        if !(0.95 * least..1.05 * most).contains(&resolution) {
            return Err(refuse(format!(
                "the networks were trained at resolving powers of {least:.0} to {most:.0}, this file has {resolution:.0}"
            )));
        }
        let spacing = (last - first) / (axis.len() - 1) as f64;
        let lines: Vec<Line> = model.lines().collect();
        Ok(Self {
            ratios: Ratio::all(&lines, true),
            model,
            networks,
            geometry: [first * stretch, spacing * stretch, width * stretch],
            trusts_errors: noise == Noise::File && observation.has_errors,
            hybrid,
        })
    }

    fn view<'b>(&self, values: &'b [f32]) -> BandView<'b> {
        let [first_cm1, spacing_cm1, width_cm1] = self.geometry;
        BandView { first_cm1, spacing_cm1, width_cm1, values }
    }

    /// The noise that the networks are told: of the line-free samples, or of the file.
    fn noise(&self, band: &BandView, weights: &[f64]) -> f32 {
        let used = weights.iter().filter(|w| **w > 0.0).count().max(1) as f64;
        let of_file = (used / weights.iter().sum::<f64>().max(f64::MIN_POSITIVE)).sqrt() as f32;
        let measured = if self.trusts_errors { None } else { red_noise(band) };
        measured.filter(|n| *n > 0.0).unwrap_or(of_file)
    }

    fn fluxes(
        &self,
        data: &[f64],
        weights: &[f64],
        network: &NetworkEstimate,
        scratch: &mut Scratch,
    ) -> Option<Estimate> {
        let [velocity, broadening] = network.kinematics();
        if self.hybrid
            && let Some(fit) = self.model.fit_from(data, weights, velocity, broadening, scratch)
        {
            let estimate = self.finished(fit, scratch);
            if !estimate.at_bound && estimate.fit.velocity_error_km_s < network.velocity_km_s.error {
                return Some(estimate);
            }
        }
        let fit = self.model.fit_at(data, weights, velocity, broadening, scratch)?;
        let mut estimate = self.finished(fit, scratch);
        let fit = &mut estimate.fit;
        fit.velocity_error_km_s = network.velocity_km_s.error;
        fit.variance_error = 2.0 * broadening * network.broadening_km_s.error;
        fit.velocity_variance_covariance = 0.0;
        estimate.kinematics = Kinematics::Network;
        Some(estimate)
    }

    /// What the network says of the ratios; in a hybrid also what it says together with the fluxes.
    fn learned(&self, network: &NetworkEstimate, fit: &LineFit) -> LearnedRatios {
        let mut learned = LearnedRatios::of(network);
        if self.hybrid {
            let mut together = learned.network;
            for (claim, name) in together.iter_mut().zip(&RATIOS) {
                let Some(ratio) = self.ratios.iter().find(|ratio| ratio.name == *name) else { continue };
                claim.log = hybrid::combine(claim.log, hybrid::logarithm(ratio.of(fit)));
            }
            learned.hybrid = Some(together);
        }
        learned
    }

    fn finished(&self, mut fit: LineFit, scratch: &mut Scratch) -> Estimate {
        let measured = if self.trusts_errors { None } else { self.model.noise_factor(&fit, scratch) };
        let noise_factor = measured.filter(|factor| *factor > 0.0).unwrap_or(1.0);
        fit.rescale_noise(noise_factor);
        let significance = self.model.significance(&fit);
        let at_bound = fit.velocity_km_s.abs() > REACH_KM_S + 50.0 || self.model.at_bound(&fit);
        Estimate { fit, noise_factor, significance, at_bound, kinematics: Kinematics::Fit, learned: None }
    }
}

impl NetworkEstimator<'_> {
    /// What the networks alone say of each spectrum; with a given noise or the measured one.
    fn network(&self, batch: &Batch, noise: Option<f32>) -> Vec<NetworkEstimate> {
        let count = batch.len();
        // A sample that does not count is taken as the continuum, which is nothing to the networks but noise.
        let values: Vec<Vec<f32>> = (0..count)
            .map(|index| {
                let (data, weights) = batch.spectrum(index);
                data.iter().zip(weights).map(|(d, w)| if *w > 0.0 { *d as f32 } else { 0.0 }).collect()
            })
            .collect();
        let observed: Vec<Observed> = values
            .iter()
            .enumerate()
            .map(|(index, values)| {
                let band = self.view(values);
                Observed::red(band, noise.unwrap_or_else(|| self.noise(&band, batch.spectrum(index).1)))
            })
            .collect();
        let mut found = Vec::with_capacity(count);
        self.networks.estimate(&observed, &mut Memory::default(), &mut found);
        found
    }

    /// Noise and velocity (km/s) that the first spectrum is read with; `None` of an empty one.
    pub(in crate::studies::line_ratios) fn noise_and_velocity(&self, batch: &Batch) -> Option<(f64, f64)> {
        let (data, weights) = batch.spectrum(0);
        let values: Vec<f32> = data.iter().zip(weights).map(|(d, w)| if *w > 0.0 { *d as f32 } else { 0.0 }).collect();
        let noise = self.noise(&self.view(&values), weights);
        let found = self.network(batch, Some(noise));
        found.first().filter(|_| noise > 0.0).map(|found| (f64::from(noise), found.kinematics()[0]))
    }

    /// `log10` of the nine ratios of each spectrum at a given noise.
    pub(in crate::studies::line_ratios) fn log_ratios(&self, batch: &Batch, noise: f64) -> Vec<[f64; RATIOS.len()]> {
        self.network(batch, Some(noise as f32)).iter().map(|found| found.log_ratios.map(|log| log.value)).collect()
    }
}

impl Estimator for NetworkEstimator<'_> {
    fn estimate(&self, batch: &Batch) -> Vec<Option<Estimate>> {
        let found = self.network(batch, None);
        let mut scratch = self.model.scratch();
        found
            .iter()
            .enumerate()
            .map(|(index, network)| {
                let (data, weights) = batch.spectrum(index);
                let mut estimate = self.fluxes(data, weights, network, &mut scratch)?;
                estimate.learned = Some(self.learned(network, &estimate.fit));
                Some(estimate)
            })
            .collect()
    }
}
