//! Numbers of many weighted values with their errors: what an aperture on an image holds, a channel of its spectrum.

/// How the values of an aperture become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Weighted sum.
    #[default]
    Sum,
    /// Weighted mean.
    Mean,
    /// Weighted median.
    Median,
}

impl Reduction {
    /// Every one, in menu order.
    pub const ALL: [Self; 3] = [Self::Sum, Self::Mean, Self::Median];

    /// In menus.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Median => "median",
        }
    }
}

/// The standard error of a median over that of a mean, for many values of normal noise.
const MEDIAN_OVER_MEAN: f64 = 1.253_314_137_315_5; // sqrt(pi / 2)

/// A value of an aperture: value, weight (0 to 1) and standard error (NaN where there is none).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted {
    /// The value; one that is not finite is left out.
    pub value: f64,
    /// The share of it that counts.
    pub weight: f64,
    /// Its standard error.
    pub sigma: f64,
}

/// What an aperture holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ApertureStatistics {
    /// Values that count, wholly or in part.
    pub count: usize,
    /// Sum of their weights.
    pub area: f64,
    /// Weighted sum.
    pub sum: f64,
    /// Weighted mean.
    pub mean: f64,
    /// Weighted median.
    pub median: f64,
    /// Standard deviation of the values around their mean; NaN of one.
    pub deviation: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Standard error of the sum, from the errors of the values taken as independent; NaN where one has none.
    pub sum_error: f64,
}

impl ApertureStatistics {
    /// Of values with weights; `None` where none counts. Moves the values.
    #[must_use]
    pub fn of(values: &mut Vec<Weighted>) -> Option<Self> {
        values.retain(|v| v.value.is_finite() && v.weight > 0.0);
        let (mut area, mut sum, mut variance) = (0.0, 0.0, 0.0);
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for v in values.iter() {
            area += v.weight;
            sum += v.weight * v.value;
            variance += (v.weight * v.sigma).powi(2);
            min = min.min(v.value);
            max = max.max(v.value);
        }
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = sum / area;
        let squares: f64 = values.iter().map(|v| v.weight * (v.value - mean).powi(2)).sum();
        // The usual n - 1, also where pixels count in part.
        let deviation = (squares / area * count as f64 / (count as f64 - 1.0)).sqrt();
        let median = weighted_median(values, area);
        Some(Self { count, area, sum, mean, median, deviation, min, max, sum_error: variance.sqrt() })
    }

    /// One number of it, with its standard error. That of a median is that of the mean times sqrt(pi / 2), which holds for
    /// many values with equal errors.
    #[must_use]
    pub fn reduced(&self, how: Reduction) -> [f64; 2] {
        let mean_error = self.sum_error / self.area;
        match how {
            Reduction::Sum => [self.sum, self.sum_error],
            Reduction::Mean => [self.mean, mean_error],
            Reduction::Median => [self.median, if self.count > 2 { MEDIAN_OVER_MEAN * mean_error } else { mean_error }],
        }
    }
}

/// One number of weighted values with its standard error, as [`ApertureStatistics::reduced`], without the work for the
/// others; NaN where none counts. Moves the values.
#[must_use]
pub fn reduce(values: &mut Vec<Weighted>, how: Reduction) -> [f64; 2] {
    if how == Reduction::Median {
        return ApertureStatistics::of(values).map_or([f64::NAN; 2], |s| s.reduced(how));
    }
    let (mut area, mut sum, mut variance) = (0.0, 0.0, 0.0);
    for v in values.iter().filter(|v| v.value.is_finite() && v.weight > 0.0) {
        area += v.weight;
        sum += v.weight * v.value;
        variance += (v.weight * v.sigma).powi(2);
    }
    let by = if how == Reduction::Mean { area } else { 1.0 };
    if area > 0.0 { [sum / by, variance.sqrt() / by] } else { [f64::NAN; 2] }
}

/// The value at which half of the weight lies to either side; half-way between two where it falls between them.
fn weighted_median(values: &mut [Weighted], area: f64) -> f64 {
    values.sort_unstable_by(|a, b| a.value.total_cmp(&b.value));
    let mut below = 0.0;
    let half = 0.5 * area;
    for (i, v) in values.iter().enumerate() {
        below += v.weight;
        // Rounding of the weights must not decide between the two in the middle.
        if (below - half).abs() <= 1e-9 * area {
            return values.get(i + 1).map_or(v.value, |next| 0.5 * (v.value + next.value));
        }
        if below > half {
            return v.value;
        }
    }
    f64::NAN
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(f64, f64, f64)]) -> ApertureStatistics {
        let weighted = |&(value, weight, sigma): &(f64, f64, f64)| Weighted { value, weight, sigma };
        ApertureStatistics::of(&mut values.iter().map(weighted).collect()).unwrap()
    }

    #[test]
    fn whole_pixels_give_the_usual_numbers() {
        let found = of(&[(2.0, 1.0, 0.3), (4.0, 1.0, 0.4), (9.0, 1.0, 1.2), (f64::NAN, 1.0, 1.0), (5.0, 1.0, 0.0)]);
        assert_eq!((found.count, found.area, found.sum, found.mean), (4, 4.0, 20.0, 5.0));
        assert_eq!((found.median, found.min, found.max), (4.5, 2.0, 9.0));
        // Squares 9 + 1 + 16 + 0 over 3.
        assert!((found.deviation - (26.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!((found.sum_error - 1.3).abs() < 1e-12);
        assert!((found.reduced(Reduction::Mean)[1] - 0.325).abs() < 1e-12);
        assert!((found.reduced(Reduction::Median)[1] - 0.325 * 1.253_314_137).abs() < 1e-9);
        assert!(ApertureStatistics::of(&mut vec![Weighted { value: f64::NAN, weight: 1.0, sigma: 1.0 }]).is_none());
    }

    #[test]
    fn one_number_is_that_of_all() {
        let mut values: Vec<Weighted> = (0..17)
            .map(|i| Weighted {
                value: if i == 4 { f64::NAN } else { f64::from(i * i % 11) },
                weight: f64::from(1 + i % 3) / 3.0,
                sigma: 0.1 + f64::from(i % 5),
            })
            .collect();
        let all = ApertureStatistics::of(&mut values.clone()).unwrap();
        for how in Reduction::ALL {
            assert_eq!(reduce(&mut values, how), all.reduced(how));
        }
        assert!(reduce(&mut Vec::new(), Reduction::Sum)[0].is_nan());
    }

    #[test]
    fn parts_of_pixels_count_in_part() {
        let found = of(&[(10.0, 0.5, 2.0), (20.0, 0.25, 4.0)]);
        assert_eq!((found.area, found.sum, found.median), (0.75, 10.0, 10.0));
        assert!((found.mean - 40.0 / 3.0).abs() < 1e-12);
        assert!((found.sum_error - 2f64.sqrt()).abs() < 1e-12);
        let unknown = of(&[(1.0, 1.0, f64::NAN), (2.0, 1.0, 1.0)]);
        assert!(unknown.sum_error.is_nan() && unknown.sum == 3.0);
    }
}
