//! Whether errors and lines can be believed: the noise where there are no lines, and the chance of a line in noise.

use super::model::{LineModel, Scratch};
use super::{LIGHT_SPEED_KM_S, LineFit};
use crate::numerics::special::{gamma_p, ln_gamma};
use crate::studies::line_ratios::shape::FWHM_OF_SIGMA;

/// Samples nearer to a line than this many full widths are not free of it.
const FREE_OF_LINES: f64 = 2.5;
/// Least number of line-free samples that tell the noise: to a sixth.
const LEAST_FREE: usize = 20;
/// Independent places of a line a full width, in velocity and broadening together; calibrated on spectra of pure noise.
const PLACES_A_WIDTH: f64 = 4.0;

impl LineModel {
    /// Scatter of the residuals in samples free of lines, in units of the noise that the weights claim: errors are to be
    /// multiplied by it. `scratch` is that of the fit that gave `fit`, of the same spectrum.
    ///
    /// `None` when fewer than 20 samples are free of lines.
    pub fn noise_factor(&self, fit: &LineFit, scratch: &mut Scratch) -> Option<f64> {
        if !fit.velocity_km_s.is_finite() {
            return None;
        }
        let broadening = fit.broadening_km_s();
        self.evaluate(fit.velocity_km_s, broadening, false, scratch);
        let linear = self.solve_linear(scratch)?;
        self.residual(&linear, scratch);
        let (mut squares, mut count) = (0.0, 0usize);
        let mut add = |range: std::ops::Range<usize>| {
            for (residual, root) in scratch.residual[range.clone()].iter().zip(&scratch.root[range]) {
                squares += residual * residual;
                count += usize::from(*root > 0.0);
            }
        };
        // Lines are sorted by wavelength; on a wavenumber axis that is backwards.
        let axis = self.sampler.axis();
        let mut taken = [(0usize, 0usize); super::MOST_LINES];
        let mut lines = 0;
        for entry in self.emission() {
            let (x, _) = self.frame.shifted(entry.origin, fit.velocity_km_s);
            let broad = FWHM_OF_SIGMA * broadening * x / LIGHT_SPEED_KM_S;
            let reach = FREE_OF_LINES * self.sampler.shape().instrumental_fwhm(x).hypot(broad);
            taken[lines] = (axis.partition_point(|at| *at < x - reach), axis.partition_point(|at| *at <= x + reach));
            lines += 1;
        }
        taken[..lines].sort_unstable();
        let mut from = 0;
        for (start, end) in &taken[..lines] {
            if *start > from {
                add(from..*start);
            }
            from = from.max(*end);
        }
        add(from..axis.len());
        let parameters = self.settings.continuum_order + 1;
        (count >= LEAST_FREE + parameters).then(|| (squares / (count - parameters) as f64).sqrt())
    }

    /// The fit ended on an end of the velocities searched or at the largest broadening: no measurement.
    pub fn at_bound(&self, fit: &LineFit) -> bool {
        let (low, high) = self.settings.velocity_range;
        let near = |value: f64, end: f64| (value - end).abs() <= 1e-9 * end.abs();
        near(fit.velocity_km_s, low)
            || near(fit.velocity_km_s, high)
            || near(fit.variance, self.settings.broadening_max.powi(2))
    }

    /// How sure it is that there are lines at all, in standard deviations of a Gaussian: the chance that noise alone
    /// gives such a gain in chi2 somewhere in the velocities searched.
    pub fn significance(&self, fit: &LineFit) -> f64 {
        if !fit.gain.is_finite() {
            return f64::NAN;
        }
        let middle = self.entries[self.entries.len() / 2].origin;
        let (low, high) = self.settings.velocity_range;
        let places = 1.0 + PLACES_A_WIDTH * (high - low) / self.instrumental_fwhm_km_s(middle);
        significance_of_gain(fit.gain, self.flux_columns as f64, places)
    }
}

/// How sure it is that `lines` free fluxes which lower chi2 by `gain` at the best of so many independent `places` are not noise,
/// in standard deviations of a Gaussian.
pub fn significance_of_gain(gain: f64, lines: f64, places: f64) -> f64 {
    // ln of the chance at one place: Q(lines / 2, gain / 2).
    let (a, x) = (0.5 * lines, 0.5 * gain.max(0.0));
    let here = if x > a + 25.0 {
        // Asymptotic: Abramowitz and Stegun 6.5.32, two terms.
        (a - 1.0) * x.ln() - x - ln_gamma(a) + ((a - 1.0) / x).ln_1p()
    } else {
        (1.0 - gamma_p(a, x)).max(f64::MIN_POSITIVE).ln()
    };
    deviations(here + places.ln())
}

/// The one-sided Gaussian tail of this logarithm, in standard deviations; 0 for a chance of a half or more.
fn deviations(ln_chance: f64) -> f64 {
    if ln_chance >= 0.5f64.ln() {
        return 0.0;
    }
    let tail = |x: f64| -> f64 {
        if x > 5.0 {
            let x2 = x * x;
            -0.5 * x2 - (x * std::f64::consts::TAU.sqrt()).ln() + (-1.0 / x2 + 3.0 / (x2 * x2)).ln_1p()
        } else {
            (0.5 * (1.0 - gamma_p(0.5, 0.5 * x * x))).ln()
        }
    };
    let (mut low, mut high) = (0.0, (-2.0 * ln_chance).sqrt() + 1.0);
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if tail(middle) > ln_chance {
            low = middle;
        } else {
            high = middle;
        }
        if high - low < 1e-4 * high {
            break;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_of_a_gaussian() {
        // One-sided chances of 1, 3 and 5 standard deviations, and ln of that of 20.
        for (chance, x) in [(0.158_655_254, 1.0), (1.349_898e-3, 3.0), (2.866_516e-7, 5.0)] {
            assert!((deviations(f64::ln(chance)) - x).abs() < 2e-3 * x);
        }
        assert!((deviations(-203.917_155) - 20.0).abs() < 4e-3);
        assert_eq!(deviations(-0.1), 0.0);
    }
}
