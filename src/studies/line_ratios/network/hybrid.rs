//! Fit and network together, and when a ratio is claimed at all.

use super::decode::Measured;
use crate::studies::line_ratios::prior::RATIOS;
use crate::studies::line_ratios::ratios;

/// Standard error of a ratio by the fit (dex) from which on it stays out: below 5 sigma of the fainter line its logarithm is neither
/// Gaussian nor without bias.
const DETECTED_DEX: f64 = 0.087;

/// The fit is taken where its error is less than this part of the network's, which claims errors that are up to a third too large
/// at S/N 50. With this part the hybrid is, on the spectra that stand for validation (see [`CLAIMS`]), nowhere more than 2 % worse than
/// the better of the two; with 1 it is up to 14 % worse.
const SURER: f64 = 0.7;

/// When ratio `k` is claimed: the share of the prior's variance that may be left of it, and the least S/N of the brightest line in the
/// filters it needs. The first alone is not enough: at a low S/N only nebulae of a narrow range pass it, and within that range what is
/// found follows the truth too weakly. Both are such that on the spectra of `line_ratios.benchmark` with `seed=4242`, which stand for
/// validation and are not those of any table (`seed=90001`), the claimed values follow the truth with a slope of 0.9 or more at
/// every S/N of 5 to 50, and at least one in a hundred spectra is claimed where any is.
const CLAIMS: [(f64, f32); RATIOS.len()] = [
    // A ratio of densities is narrow and piles up at its limit: never claimed up to S/N 50.
    (0.015, 60.0),
    (0.02, 18.0),
    (0.04, 16.0),
    (0.03, 18.0),
    (0.04, 8.0),
    (0.04, 0.0),
    (0.04, 0.0),
    (0.04, 28.0),
    (0.04, 28.0),
];

/// A ratio as `log10`: the fit where it sees both lines well and is clearly the surer, the network elsewhere. It is claimed where the
/// network claims it: the fit alone, which knows no prior, sees faint lines only where noise makes them brighter.
pub fn combine(network: Measured, fit: Measured) -> Measured {
    let surer = fit.value.is_finite() && fit.error < SURER * network.error && fit.error < DETECTED_DEX;
    if surer { fit } else { network }
}

/// Whether a `log10` ratio is the prior's rather than that of the spectrum. `deviation` is the standard deviation of the prior,
/// `signal` the S/N of the brightest line in the filters that the ratio needs.
pub fn prior_dominated(k: usize, log: Measured, deviation: f64, signal: f32) -> bool {
    let (share, least) = CLAIMS[k];
    !log.value.is_finite() || log.error.powi(2) > share * deviation.powi(2) || signal < least
}

/// `log10` of a ratio of fluxes, its error to first order; not a number where it is not positive.
pub fn logarithm(ratio: ratios::Measured) -> Measured {
    Measured { value: ratio.value.log10(), error: ratio.error / (ratio.value * std::f64::consts::LN_10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(value: f64, error: f64) -> Measured {
        Measured { value, error }
    }

    #[test]
    fn the_surer_answer_is_taken_and_a_line_that_is_not_seen_is_the_networks() {
        let network = measured(-0.5, 0.1);
        assert_eq!(combine(network, measured(-0.4, 0.05)), measured(-0.4, 0.05));
        assert_eq!(combine(network, measured(-0.4, 0.08)), network);
        let vague = measured(-0.5, 0.4);
        assert_eq!(combine(vague, measured(-0.4, 0.2)), vague);
        assert_eq!(combine(vague, measured(f64::NAN, f64::NAN)), vague);
    }

    #[test]
    fn a_ratio_is_claimed_where_prior_and_noise_leave_little_open() {
        // [NII]/Halpha: 4 % of the variance of 0.6^2 is 0.12^2, and the brightest line is to stand out by 16.
        assert!(!prior_dominated(2, measured(-0.5, 0.11), 0.6, 20.0));
        assert!(prior_dominated(2, measured(-0.5, 0.13), 0.6, 20.0));
        assert!(prior_dominated(2, measured(-0.5, 0.11), 0.6, 12.0));
        assert!(prior_dominated(2, measured(f64::NAN, 0.01), 0.6, 20.0));
    }

    #[test]
    fn a_logarithm_has_the_relative_error_of_its_ratio() {
        let found = logarithm(ratios::Measured { value: 0.1, error: 0.01, limit: f64::NAN });
        assert!((found.value + 1.0).abs() < 1e-12 && (found.error - 0.1 / std::f64::consts::LN_10).abs() < 1e-12);
    }
}
