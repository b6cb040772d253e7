//! Numbers about errors: widths, biases, slopes, coverage.

use crate::studies::line_ratios::network::decode::Measured;
use crate::studies::line_ratios::network::validation::{half_width, quantile};

/// How one method does on one quantity at one signal-to-noise ratio.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// `corrected` or `published`: the prior of the spectra.
    pub prior: String,
    /// `null`, `published`, `network`, `fit` or `hybrid`.
    pub method: String,
    /// A ratio or `velocity`, `broadening`.
    pub quantity: String,
    /// Peak over noise.
    pub signal_to_noise: f64,
    /// Spectra.
    pub spectra: usize,
    /// Share of them for which a value is claimed.
    pub claimed: f64,
    /// Half the range of the middle 68 % of the errors, of all: dex, or km/s.
    pub half_width: f64,
    /// The same of the relative errors (%).
    pub half_width_percent: f64,
    /// Median error.
    pub bias: f64,
    /// Slope of found against true.
    pub slope: f64,
    /// Half width of those that are claimed.
    pub claimed_half_width: f64,
    /// Slope of those that are claimed.
    pub claimed_slope: f64,
    /// Share of the claimed ones that lie within one standard error.
    pub coverage: f64,
    /// Half width of the errors in units of the bound of Cramer and Rao; not a number for ratios.
    pub in_bounds: f64,
    /// Median error in units of that bound.
    pub bias_in_bounds: f64,
    /// Relative errors of the published labels (`arcsinh` of the ratio), as the authors' figure shows them: standard deviation of the
    /// Gaussian that is as high as their distribution at its peak (%).
    pub peak_percent: f64,
    /// Width that the authors of the published network show (%), read off their figure; not a number elsewhere.
    pub published_percent: f64,
}

/// Median error by true value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BiasRow {
    /// As in [`Row`].
    pub prior: String,
    /// As in [`Row`].
    pub method: String,
    /// As in [`Row`].
    pub quantity: String,
    /// Peak over noise.
    pub signal_to_noise: f64,
    /// Median truth of the bin.
    pub truth: f64,
    /// Median error.
    pub bias: f64,
    /// Half width of the errors.
    pub half_width: f64,
}

/// Found and true values of one quantity.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs {
    pub found: Vec<Measured>,
    pub truth: Vec<f64>,
    pub claimed: Vec<bool>,
    /// Bounds of Cramer and Rao, or none.
    pub bound: Vec<f64>,
}

/// Error of what could not be measured at all: the ratio of a line that came out negative.
const MISSED: f64 = 1e3;

impl Pairs {
    pub fn push(&mut self, found: Measured, truth: f64, claimed: bool) {
        self.found.push(found);
        self.truth.push(truth);
        self.claimed.push(claimed);
    }

    fn errors(&self, only_claimed: bool) -> Vec<f64> {
        let all = self.found.iter().zip(&self.truth).zip(&self.claimed);
        all.filter(|(_, claimed)| **claimed || !only_claimed)
            .map(|((found, truth), _)| found.value - truth)
            .map(|e| if e.is_finite() { e } else { MISSED })
            .collect()
    }

    /// Fills what can be said of errors into a row that names them. `logarithmic`: values are `log10` of what counts.
    pub fn fill(&self, row: &mut Row, logarithmic: bool) {
        let errors = self.errors(false);
        row.spectra = errors.len();
        let count = errors.len().max(1) as f64;
        row.claimed = self.claimed.iter().filter(|c| **c).count() as f64 / count;
        row.half_width = half_width(errors.clone());
        row.half_width_percent = if logarithmic {
            100.0 * half_width(errors.iter().map(|e| 10f64.powf(e.min(6.0)) - 1.0).collect())
        } else {
            f64::NAN
        };
        row.peak_percent = if logarithmic {
            let label = |log: f64| 10f64.powf(log.min(6.0)).asinh();
            let relative = self.found.iter().zip(&self.truth).map(|(f, t)| 100.0 * (label(f.value) / label(*t) - 1.0));
            peak_width(relative.filter(|e| e.is_finite()).collect())
        } else {
            f64::NAN
        };
        row.bias = median(errors);
        row.slope = self.slope(false);
        row.claimed_half_width = half_width(self.errors(true));
        row.claimed_slope = self.slope(true);
        row.coverage = self.coverage();
        let scaled: Vec<f64> = self.errors(false).iter().zip(&self.bound).map(|(e, b)| e / b).collect();
        row.in_bounds = half_width(scaled.clone());
        row.bias_in_bounds = median(scaled);
    }

    /// Slope of a straight line through found against true values.
    fn slope(&self, only_claimed: bool) -> f64 {
        let used: Vec<(f64, f64)> = self
            .found
            .iter()
            .zip(&self.truth)
            .zip(&self.claimed)
            .filter(|((found, _), claimed)| found.value.is_finite() && (**claimed || !only_claimed))
            .map(|((found, truth), _)| (*truth, found.value))
            .collect();
        let count = used.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| used.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|p| p.0), mean(|p| p.1));
        let square: f64 = used.iter().map(|p| (p.0 - x).powi(2)).sum();
        if used.len() < 10 { f64::NAN } else { used.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / square }
    }

    fn coverage(&self) -> f64 {
        let claimed = || self.found.iter().zip(&self.truth).zip(&self.claimed).filter(|(_, claimed)| **claimed);
        let inside = claimed().filter(|((found, truth), _)| (found.value - **truth).abs() <= found.error).count();
        inside as f64 / claimed().count() as f64
    }

    /// Errors by fifths of the truth.
    pub fn by_truth(&self) -> Vec<[f64; 3]> {
        const BINS: usize = 5;
        let mut order: Vec<usize> = (0..self.truth.len()).collect();
        order.sort_by(|a, b| self.truth[*a].total_cmp(&self.truth[*b]));
        let errors = self.errors(false);
        order
            .chunks(order.len().div_ceil(BINS).max(1))
            .map(|bin| {
                let own: Vec<f64> = bin.iter().map(|k| errors[*k]).collect();
                [median(bin.iter().map(|k| self.truth[*k]).collect()), median(own.clone()), half_width(own)]
            })
            .collect()
    }
}

/// Standard deviation of the Gaussian that is as high as a distribution at its peak: the narrowest range that holds a tenth of the
/// values, which for a Gaussian is 0.2513 standard deviations.
pub(super) fn peak_width(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let tenth = values.len() / 10;
    let ranges = values.windows(tenth + 1).map(|w| w[tenth] - w[0]);
    if tenth < 5 { f64::NAN } else { ranges.fold(f64::INFINITY, f64::min) / 0.2513 }
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;

    /// Known errors: scatter 0.1, bias 0.02, slope 0.8.
    #[test]
    fn what_was_put_in_comes_out() {
        let mut stream = random::stream(1, "summary.test", 0);
        let mut pairs = Pairs::default();
        for _ in 0..20_000 {
            let truth = random::normal(&mut stream);
            let value = 0.8 * truth + 0.1 * random::normal(&mut stream);
            pairs.push(Measured { value, error: 0.1 }, truth, true);
        }
        let mut row = Row::default();
        pairs.fill(&mut row, false);
        assert!((row.slope - 0.8).abs() < 0.01 && row.bias.abs() < 0.01, "{row:?}");
        assert!((row.half_width - (0.04f64 + 0.01).sqrt()).abs() < 0.01);
        let mut honest = Pairs::default();
        for _ in 0..20_000 {
            let truth = random::normal(&mut stream);
            let value = truth + 0.02 + 0.1 * random::normal(&mut stream);
            honest.push(Measured { value, error: 0.1 }, truth, truth > 0.0);
        }
        honest.bound = vec![0.05; 20_000];
        honest.fill(&mut row, false);
        assert!((row.coverage - 0.675).abs() < 0.02 && (row.claimed - 0.5).abs() < 0.02, "{row:?}");
        assert!((row.in_bounds - 2.0).abs() < 0.1 && (row.bias_in_bounds - 0.4).abs() < 0.1);
        let deviates: Vec<f64> = (0..40_000).map(|_| 3.0 * random::normal(&mut stream)).collect();
        assert!((peak_width(deviates) / 3.0 - 1.0).abs() < 0.1);
        let fifths = honest.by_truth();
        assert!(fifths.len() == 5 && (fifths[4][0] - 1.28).abs() < 0.05 && (fifths[2][1] - 0.02).abs() < 0.01);
        let shares = honest.calibration("fit".into(), "velocity".into(), 20.0).shares;
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9 && shares[0] > 0.11 && shares[9] < 0.09, "{shares:?}");
    }
}
