//! Histograms, above all of residuals in sigma beside the normal curve that they should follow.

use std::fmt::Debug;
use std::hash::Hash;

use egui::Ui;

use super::colors::Role;
use super::line_plot::{LinePlot, LinePlotResponse, Series, SeriesStyle};

/// Counts of values in bins of one width.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    low: f64,
    width: f64,
    counts: Vec<u64>,
    below: u64,
    above: u64,
    missing: u64,
}

impl Histogram {
    /// Counts values in `bins` bins (at least one) between two limits, in either order; the last bin includes the upper
    /// limit. Values outside and NaN are counted apart. Limits that are not finite or equal give an empty range around 0.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>, low: f64, high: f64, bins: usize) -> Self {
        let (low, high) = if low.is_finite() && high.is_finite() && low != high {
            (low.min(high), low.max(high))
        } else {
            (-0.5, 0.5)
        };
        let bins = bins.max(1);
        let mut histogram =
            Self { low, width: (high - low) / bins as f64, counts: vec![0; bins], below: 0, above: 0, missing: 0 };
        let scale = bins as f64 / (high - low);
        for value in values {
            if value.is_nan() {
                histogram.missing += 1;
            } else if value < low {
                histogram.below += 1;
            } else if value > high {
                histogram.above += 1;
            } else {
                let bin = ((value - low) * scale) as usize;
                histogram.counts[bin.min(bins - 1)] += 1;
            }
        }
        histogram
    }

    /// Residuals in sigma: 50 bins from -5 to 5.
    #[must_use]
    pub fn of_residuals<'a>(residuals: impl IntoIterator<Item = &'a f32>) -> Self {
        Self::of(residuals.into_iter().map(|v| f64::from(*v)), -5.0, 5.0, 50)
    }

    /// The counts, from low to high.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The lower end of the first bin and the upper end of the last.
    #[must_use]
    pub fn range(&self) -> [f64; 2] {
        [self.low, self.low + self.width * self.counts.len() as f64]
    }

    /// How many values lie below the range, above it, and have no value.
    #[must_use]
    pub fn outside(&self) -> [u64; 3] {
        [self.below, self.above, self.missing]
    }

    /// All values that are numbers, those outside of the range included.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.below + self.above
    }

    /// Bin centres and densities: share of all numbers, divided by the width of a bin.
    #[must_use]
    pub fn density(&self) -> Vec<[f64; 2]> {
        let scale = 1.0 / (self.total().max(1) as f64 * self.width);
        self.counts
            .iter()
            .enumerate()
            .map(|(bin, count)| [self.low + (bin as f64 + 0.5) * self.width, *count as f64 * scale])
            .collect()
    }

    /// Draws the densities as steps, with the normal curve of mean 0 and variance 1 when the values are residuals in sigma.
    pub fn show(
        &self,
        ui: &mut Ui,
        id: impl Hash + Debug,
        name: &str,
        unit: &str,
        with_normal: bool,
        log_y: bool,
    ) -> LinePlotResponse {
        let bars = self.density();
        let curve = normal_curve(self.low, self.low + self.width * self.counts.len() as f64);
        let mut plot = LinePlot::new(name)
            .x(name, unit)
            .y("density", "")
            .log_y(log_y)
            .series(Series::new("measured", &bars).role(Role::Residual).style(SeriesStyle::Bars));
        if with_normal {
            plot = plot.series(Series::new("N(0, 1)", &curve).role(Role::Reference).style(SeriesStyle::Dashed));
        }
        if !log_y {
            plot = plot.include_y(0.0);
        }
        plot.show(ui, id)
    }
}

/// The standard normal density at 201 places.
fn normal_curve(low: f64, high: f64) -> Vec<[f64; 2]> {
    (0..=200)
        .map(|i| {
            let x = low + (high - low) * f64::from(i) / 200.0;
            [x, (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_counted_once() {
        let values = [-9.0, -5.0, -4.9, 0.0, 0.05, 4.99, 5.0, 5.01, f64::NAN, f64::INFINITY];
        let histogram = Histogram::of(values, -5.0, 5.0, 50);
        assert_eq!(histogram.outside(), [1, 2, 1]);
        assert_eq!(histogram.total(), 9);
        assert_eq!(histogram.counts()[0], 2);
        assert_eq!(histogram.counts()[25], 2);
        assert_eq!(histogram.counts()[49], 2);
        let area: f64 = histogram.density().iter().map(|p| p[1] * 0.2).sum();
        assert!((area - 6.0 / 9.0).abs() < 1e-12);
    }

    #[test]
    fn odd_ranges_do_not_panic() {
        for (low, high) in [(1.0, 1.0), (f64::NAN, 2.0), (3.0, -3.0)] {
            let histogram = Histogram::of([0.0, 1.0], low, high, 0);
            assert_eq!(histogram.counts().len(), 1);
            assert!(histogram.density()[0][1].is_finite());
        }
        let area: f64 = normal_curve(-5.0, 5.0).iter().map(|p| p[1] * 0.05).sum();
        assert!((area - 1.0).abs() < 1e-5);
    }
}
