//! Maps of what was measured, one value a spaxel.

use ndarray::Array2;

use super::estimate::Estimate;
use super::learned::{LearnedRatio, PRIOR_DOMINATED};
use super::lines::Line;
use super::ratios::{DETECTED, Ratio};

/// One map.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// Name: EXTNAME of `maps.fits`.
    pub name: String,
    /// Unit, or empty.
    pub unit: String,
    /// Values, `[y, x]`; NaN where there is none.
    pub values: Array2<f32>,
}

/// Every map of a run.
#[derive(Debug, Clone)]
pub struct Maps {
    maps: Vec<Map>,
    ratios: Vec<Ratio>,
    learned: Vec<LearnedRatio>,
    lines: usize,
    least_significance: f64,
}

/// Maps before those of the lines.
const KINEMATIC: [(&str, &str); 8] = [
    ("VELOCITY", "km/s"),
    ("VELOCITY_ERROR", "km/s"),
    ("BROADENING", "km/s"),
    ("BROADENING_ERROR", "km/s"),
    ("SIGNIFICANCE", ""),
    ("REDUCED_CHI2", ""),
    ("NOISE_FACTOR", ""),
    ("BIN", ""),
];
/// Maps a line: flux, error, upper limit, signal to noise.
const A_LINE: usize = 4;

impl Maps {
    /// Empty maps of `[rows, columns]`.
    pub fn new(
        [rows, columns]: [usize; 2],
        lines: &[Line],
        ratios: Vec<Ratio>,
        learned: Vec<LearnedRatio>,
        flux_unit: &str,
        least_significance: f64,
    ) -> Self {
        let empty = |name: String, unit: &str| Map {
            name,
            unit: unit.to_owned(),
            values: Array2::from_elem((rows, columns), f32::NAN),
        };
        let mut maps: Vec<Map> = KINEMATIC.iter().map(|(name, unit)| empty((*name).to_owned(), unit)).collect();
        for line in lines {
            let name = line.name();
            maps.push(empty(format!("FLUX_{name}"), flux_unit));
            maps.push(empty(format!("FLUX_{name}_ERROR"), flux_unit));
            maps.push(empty(format!("FLUX_{name}_LIMIT"), flux_unit));
            maps.push(empty(format!("SNR_{name}"), ""));
        }
        for ratio in &ratios {
            maps.push(empty(ratio.name.to_owned(), ""));
            maps.push(empty(format!("{}_ERROR", ratio.name), ""));
            maps.push(empty(format!("{}_LIMIT", ratio.name), ""));
        }
        for ratio in &learned {
            let name = ratio.map();
            maps.push(empty(format!("{name}_ERROR"), ""));
            maps.push(empty(format!("{name}{PRIOR_DOMINATED}"), ""));
            maps.push(empty(name, ""));
        }
        Self { maps, ratios, learned, lines: lines.len(), least_significance }
    }

    /// All of them.
    pub fn all(&self) -> &[Map] {
        &self.maps
    }

    /// One by name.
    pub fn get(&self, name: &str) -> Option<&Map> {
        self.maps.iter().find(|map| map.name == name)
    }

    /// Writes one answer into the spaxels of its bin.
    pub fn put(&mut self, pixels: &[[usize; 2]], bin: usize, estimate: &Estimate) {
        let fit = &estimate.fit;
        let found = estimate.finds_lines(self.least_significance);
        let where_found = |value: f64| if found { value } else { f64::NAN };
        let kinematics = [
            where_found(fit.velocity_km_s),
            where_found(fit.velocity_error_km_s),
            where_found(fit.broadening_km_s()),
            where_found(fit.broadening_error_km_s()),
            estimate.significance,
            fit.reduced_chi2(),
            estimate.noise_factor,
            bin as f64 + 1.0,
        ];
        let mut values: Vec<f64> = kinematics.to_vec();
        for line in 0..self.lines {
            let (flux, error) = (fit.flux[line], fit.flux_error(line));
            let seen = found && flux >= DETECTED * error;
            values.extend([flux, error, if seen { f64::NAN } else { flux.max(0.0) + DETECTED * error }, flux / error]);
        }
        for ratio in &self.ratios {
            let measured = ratio.of(fit);
            values.extend([measured.value, measured.error, measured.limit].map(where_found));
        }
        for ratio in &self.learned {
            let (measured, dominated) = ratio.of(estimate.learned.as_ref());
            let flag = f64::from(u8::from(dominated));
            values.extend([measured.error, flag, measured.value].map(where_found));
        }
        for (map, value) in self.maps.iter_mut().zip(values) {
            for pixel in pixels {
                map.values[*pixel] = value as f32;
            }
        }
    }

    /// Median of a ratio where the spectrum informs it (where it does nowhere: of all), and the share of spaxels with lines where it
    /// does not. `None` where no lines are found at all.
    pub fn of_learned(&self, ratio: &LearnedRatio) -> Option<(f64, f64)> {
        let name = ratio.map();
        let (values, flags) = (self.get(&name)?, self.get(&format!("{name}{PRIOR_DOMINATED}"))?);
        let pairs = values.values.iter().zip(&flags.values).filter(|(value, _)| value.is_finite());
        let (dominated, informed): (Vec<_>, Vec<_>) = pairs.partition(|(_, flag)| **flag > 0.5);
        let share = dominated.len() as f64 / (dominated.len() + informed.len()).max(1) as f64;
        let used = if informed.is_empty() { dominated } else { informed };
        let used: Vec<f64> = used.into_iter().map(|(value, _)| f64::from(*value)).collect();
        (!used.is_empty()).then(|| (upper(used, 0.5), share))
    }

    /// Signal to noise of the brightest line: the line of the largest median, its map.
    pub fn brightest_line(&self) -> Option<usize> {
        let median = |line: &usize| {
            let snr = &self.maps[KINEMATIC.len() + A_LINE * line + 3].values;
            let finite: Vec<f64> = snr.iter().filter(|v| v.is_finite()).map(|v| f64::from(*v)).collect();
            // The upper tenth: most of a field may be empty.
            upper(finite, 0.9)
        };
        (0..self.lines).max_by(|a, b| median(a).total_cmp(&median(b)))
    }

    /// The map of a line's signal to noise.
    pub fn signal_to_noise(&self, line: usize) -> &Array2<f32> {
        &self.maps[KINEMATIC.len() + A_LINE * line + 3].values
    }

    /// Flux and error of a line, to be added up.
    pub fn flux_and_error(&self, line: usize) -> (Array2<f64>, Array2<f64>) {
        let first = KINEMATIC.len() + A_LINE * line;
        let wide = |at: usize| self.maps[at].values.mapv(f64::from);
        (wide(first), wide(first + 1))
    }

    /// Lines count from this many standard deviations on.
    pub fn least_significance(&self) -> f64 {
        self.least_significance
    }

    /// The map of a line's flux.
    pub fn flux(&self, line: usize) -> &Array2<f32> {
        &self.maps[KINEMATIC.len() + A_LINE * line].values
    }
}

/// The value below which this part of the values lies; 0 of none.
pub(super) fn upper(mut values: Vec<f64>, part: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let at = ((values.len() - 1) as f64 * part).round() as usize;
    let (_, value, _) = values.select_nth_unstable_by(at, f64::total_cmp);
    *value
}
