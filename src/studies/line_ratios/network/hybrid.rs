//! Fit and network together.

use super::decode::Measured;
use super::estimate::PRIOR_DOMINATED;
use crate::studies::line_ratios::ratios;

/// Standard error of a ratio by the fit below which both its lines count as seen: 3 sigma of the fainter one.
const DETECTED_DEX: f64 = 0.145;

/// The network claims errors that are a fifth too large or more where both do well (measured here): the fit must do better than that.
const SURER: f64 = 0.8;

/// Ratio `k`: the fit where it sees both lines and claims the clearly smaller error, the network elsewhere.
pub fn combine(_k: usize, network: Measured, fit: Measured) -> Measured {
    let surer = fit.value.is_finite() && fit.error < SURER * network.error && fit.error < DETECTED_DEX;
    if surer { fit } else { network }
}

/// Whether so much is left of the prior's variance that a `log10` ratio is the prior's; `deviation` is that of the prior.
pub fn prior_dominated(log: Measured, deviation: f64) -> bool {
    !log.value.is_finite() || log.error.powi(2) > PRIOR_DOMINATED * deviation.powi(2)
}

/// `log10` of a ratio of fluxes, its error to first order; not a number where it is not positive.
pub fn logarithm(ratio: ratios::Measured) -> Measured {
    Measured { value: ratio.value.log10(), error: ratio.error / (ratio.value * std::f64::consts::LN_10) }
}
