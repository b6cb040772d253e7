//! A line of a spectrum in a few numbers: sums and moments over a range of channels, above a straight continuum through
//! two ranges beside it.

use std::ops::Range;

/// What a range of channels becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collapse {
    /// Sum of the channels.
    Sum,
    /// Their mean.
    Mean,
    /// Their median.
    Median,
    /// The largest.
    Max,
    /// Integral over the axis: moment 0.
    #[default]
    Integral,
    /// Mean place on the axis, weighted by the values: moment 1.
    Centroid,
    /// Standard deviation around it: the square root of moment 2.
    Width,
}

impl Collapse {
    /// Every one, in menu order.
    pub const ALL: [Self; 7] =
        [Self::Sum, Self::Mean, Self::Median, Self::Max, Self::Integral, Self::Centroid, Self::Width];

    /// In menus and titles.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Median => "median",
            Self::Max => "maximum",
            Self::Integral => "moment 0",
            Self::Centroid => "moment 1",
            Self::Width => "moment 2",
        }
    }
}

/// The channels that are looked at, as indices of the axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bands {
    /// The line.
    pub line: Range<usize>,
    /// The continuum to either side; `None` leaves the values as they are.
    pub sides: Option<[Range<usize>; 2]>,
}

impl Bands {
    /// All channels from the first to the last that is needed.
    #[must_use]
    pub fn whole(&self) -> Range<usize> {
        let sides = self.sides.iter().flatten().filter(|s| !s.is_empty());
        sides.fold(self.line.clone(), |all, side| all.start.min(side.start)..all.end.max(side.end))
    }

    /// The same channels counted from another one.
    #[must_use]
    pub fn from(&self, first: usize) -> Self {
        let shift = |r: &Range<usize>| r.start.saturating_sub(first)..r.end.saturating_sub(first);
        Self { line: shift(&self.line), sides: self.sides.as_ref().map(|[a, b]| [shift(a), shift(b)]) }
    }
}

/// Places of the channels and how wide each is, in the unit of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelAxis {
    /// Centre of each channel.
    pub x: Vec<f64>,
    /// Width of each, positive: half the distance of its neighbours.
    pub width: Vec<f64>,
}

impl ChannelAxis {
    /// From the centres; one channel alone is 1 wide.
    #[must_use]
    pub fn new(x: Vec<f64>) -> Self {
        let last = x.len().saturating_sub(1);
        let width = (0..x.len())
            .map(|i| {
                let (a, b) = (i.saturating_sub(1), (i + 1).min(last));
                if a == b { 1.0 } else { ((x[b] - x[a]) / (b - a) as f64).abs() }
            })
            .collect();
        Self { x, width }
    }
}

/// A straight continuum `level + slope (x - middle)` from the least squares of the sides.
struct Continuum {
    middle: f64,
    level: f64,
    slope: f64,
    count: f64,
    /// Sum of (x - middle)^2; 0 where the slope is not fitted.
    spread: f64,
    /// Scatter of the sides around it.
    scatter: f64,
}

impl Continuum {
    fn fit(values: &[f32], axis: &ChannelAxis, sides: &[Range<usize>; 2]) -> Option<Self> {
        let channels = || channels_of(values, sides);
        let (mut count, mut sum_x, mut sum) = (0.0, 0.0, 0.0);
        let mut on_both = [false; 2];
        for (side, i) in channels() {
            count += 1.0;
            sum_x += axis.x[i];
            sum += f64::from(values[i]);
            on_both[side] = true;
        }
        if count == 0.0 {
            return None;
        }
        let (middle, level) = (sum_x / count, sum / count);
        let (mut spread, mut mixed) = (0.0, 0.0);
        // A slope from one side alone would be drawn far beyond it.
        if on_both == [true; 2] {
            for (_, i) in channels() {
                let dx = axis.x[i] - middle;
                spread += dx * dx;
                mixed += dx * (f64::from(values[i]) - level);
            }
        }
        let slope = if spread > 0.0 { mixed / spread } else { 0.0 };
        let mut found = Self { middle, level, slope, count, spread, scatter: f64::NAN };
        let free = count - if spread > 0.0 { 2.0 } else { 1.0 };
        let squares: f64 = channels().map(|(_, i)| (f64::from(values[i]) - found.at(axis.x[i])).powi(2)).sum();
        if free > 0.0 {
            found.scatter = (squares / free).sqrt();
        }
        Some(found)
    }

    fn at(&self, x: f64) -> f64 {
        self.level + self.slope * (x - self.middle)
    }
}

/// Side and index of the channels of the sides that have a value.
fn channels_of<'a>(values: &'a [f32], sides: &'a [Range<usize>; 2]) -> impl Iterator<Item = (usize, usize)> + 'a {
    let all = sides.iter().enumerate().flat_map(|(side, range)| range.clone().map(move |i| (side, i)));
    all.filter(|(_, i)| values.get(*i).is_some_and(|v| v.is_finite()))
}

/// A number of a line with its standard error (NaN where none is known).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The number; NaN where there is none.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

/// What a spectrum has in a range. `sigma` are the standard errors of the channels, taken as independent; without them the
/// scatter of the sides stands for each. Centroid and width are given only where the integral is at least `cut` times its
/// error: elsewhere they would be the noise's.
///
/// Errors are propagated to first order and hold that of the continuum. That of a maximum is not known.
#[must_use]
pub fn collapse(
    values: &[f32],
    sigma: Option<&[f32]>,
    axis: &ChannelAxis,
    bands: &Bands,
    what: Collapse,
    cut: f64,
) -> Measured {
    let none = Measured { value: f64::NAN, error: f64::NAN };
    let continuum = match &bands.sides {
        Some(sides) => match Continuum::fit(values, axis, sides) {
            Some(found) => Some(found),
            None => return none,
        },
        None => None,
    };
    let error_of = |i: usize| match sigma {
        Some(sigma) => sigma.get(i).map_or(f64::NAN, |s| f64::from(*s)),
        None => continuum.as_ref().map_or(f64::NAN, |c| c.scatter),
    };
    let mut line: Vec<(usize, f64)> = bands
        .line
        .clone()
        .filter_map(|i| {
            let value = f64::from(*values.get(i).filter(|v| v.is_finite())?);
            Some((i, value - continuum.as_ref().map_or(0.0, |c| c.at(axis.x[i]))))
        })
        .collect();
    if line.is_empty() {
        return none;
    }
    let count = line.len() as f64;
    let sides = bands.sides.as_ref();
    // A weighted sum of the line's channels with the error that it has from them and from the continuum below them.
    let weighted = |line: &[(usize, f64)], weight: &dyn Fn(usize) -> f64| {
        let value: f64 = line.iter().map(|(i, v)| weight(*i) * v).sum();
        let mut variance: f64 = line.iter().map(|(i, _)| (weight(*i) * error_of(*i)).powi(2)).sum();
        if let (Some(c), Some(sides)) = (&continuum, sides) {
            let all: f64 = line.iter().map(|(i, _)| weight(*i)).sum();
            let lever: f64 = line.iter().map(|(i, _)| weight(*i) * (axis.x[*i] - c.middle)).sum();
            variance += channels_of(values, sides)
                .map(|(_, j)| {
                    let tilt = if c.spread > 0.0 { lever * (axis.x[j] - c.middle) / c.spread } else { 0.0 };
                    ((all / c.count + tilt) * error_of(j)).powi(2)
                })
                .sum::<f64>();
        }
        Measured { value, error: variance.sqrt() }
    };
    match what {
        Collapse::Sum => weighted(&line, &|_| 1.0),
        Collapse::Mean => weighted(&line, &|_| 1.0 / count),
        Collapse::Median => {
            let error = std::f64::consts::FRAC_PI_2.sqrt() * weighted(&line, &|_| 1.0 / count).error;
            line.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
            let middle = line.len() / 2;
            let value = if line.len() % 2 == 1 { line[middle].1 } else { 0.5 * (line[middle - 1].1 + line[middle].1) };
            Measured { value, error }
        }
        Collapse::Max => Measured { value: line.iter().fold(f64::NEG_INFINITY, |m, l| m.max(l.1)), error: f64::NAN },
        Collapse::Integral => weighted(&line, &|i| axis.width[i]),
        Collapse::Centroid | Collapse::Width => {
            let integral = weighted(&line, &|i| axis.width[i]);
            // An unknown error cuts nothing.
            if integral.value.is_nan() || integral.value <= 0.0 || integral.value < cut * integral.error {
                return none;
            }
            shape_of(&line, axis, integral.value, &|weight| weighted(&line, weight).error, what)
        }
    }
}

/// The error of a sum over a line with these weights.
type ErrorOfSum<'a> = &'a dyn Fn(&dyn Fn(usize) -> f64) -> f64;

/// Centroid and width of a line above its continuum.
fn shape_of(
    line: &[(usize, f64)],
    axis: &ChannelAxis,
    integral: f64,
    error_of_sum: ErrorOfSum<'_>,
    what: Collapse,
) -> Measured {
    let weight = |i: usize| axis.width[i] / integral;
    // From the middle of the range, so that large coordinates cost no digits.
    let origin = axis.x[line[line.len() / 2].0];
    let centre = origin + line.iter().map(|(i, v)| weight(*i) * v * (axis.x[*i] - origin)).sum::<f64>();
    if what == Collapse::Centroid {
        return Measured { value: centre, error: error_of_sum(&|i| weight(i) * (axis.x[i] - centre)) };
    }
    let variance: f64 = line.iter().map(|(i, v)| weight(*i) * v * (axis.x[*i] - centre).powi(2)).sum();
    let width = variance.sqrt();
    let slope = |i: usize| weight(i) * ((axis.x[i] - centre).powi(2) - variance) / (2.0 * width);
    Measured { value: width, error: error_of_sum(&slope) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random::{normal, stream};

    const NOISE: f64 = 0.2;

    fn axis() -> ChannelAxis {
        ChannelAxis::new((0..120).map(|i| 7000.0 + 1.25 * f64::from(i)).collect())
    }

    /// A line of integral 200 and width 5 at 7070 on a slanted continuum.
    fn spectrum(noise: &mut dyn FnMut() -> f64) -> Vec<f32> {
        let peak = 200.0 / (5.0 * std::f64::consts::TAU.sqrt());
        let value = |x: &f64| 30.0 + 0.1 * (x - 7000.0) + peak * (-0.5 * ((x - 7070.0) / 5.0).powi(2)).exp();
        axis().x.iter().map(|x| (value(x) + noise()) as f32).collect()
    }

    fn bands() -> Bands {
        Bands { line: 36..76, sides: Some([0..30, 84..120]) }
    }

    #[test]
    fn the_moments_of_a_gaussian_are_its_parameters() {
        let values = spectrum(&mut || 0.0);
        let of = |what| collapse(&values, None, &axis(), &bands(), what, 0.0).value;
        assert!((of(Collapse::Integral) - 200.0).abs() < 0.01, "{}", of(Collapse::Integral));
        assert!((of(Collapse::Sum) - 160.0).abs() < 0.01);
        assert!((of(Collapse::Mean) - 4.0).abs() < 0.001);
        assert!((of(Collapse::Centroid) - 7070.0).abs() < 0.001);
        assert!((of(Collapse::Width) - 5.0).abs() < 0.001, "{}", of(Collapse::Width));
        assert!((of(Collapse::Max) - 200.0 / (5.0 * std::f64::consts::TAU.sqrt())).abs() < 0.001);
        let bare = Bands { line: 0..3, sides: None };
        let median = collapse(&values, None, &axis(), &bare, Collapse::Median, 0.0);
        assert!((median.value - 30.125).abs() < 1e-4 && median.error.is_nan());
    }

    /// 4000 noisy spectra: the scatter is the error that each is given, to 5 %, and nothing is biased.
    #[test]
    fn errors_are_those_of_many_repetitions() {
        let mut dice = stream(7, "moments", 0);
        let sigma = vec![NOISE as f32; 120];
        for what in [Collapse::Integral, Collapse::Mean, Collapse::Centroid, Collapse::Width] {
            let (mut sum, mut squares, mut claimed) = (0.0, 0.0, 0.0);
            let exact = collapse(&spectrum(&mut || 0.0), None, &axis(), &bands(), what, 0.0).value;
            for _ in 0..4000 {
                let values = spectrum(&mut || NOISE * normal(&mut dice));
                let found = collapse(&values, Some(&sigma), &axis(), &bands(), what, 3.0);
                sum += found.value - exact;
                squares += (found.value - exact).powi(2);
                claimed += found.error;
            }
            let (bias, scatter, claimed) = (sum / 4000.0, (squares / 4000.0).sqrt(), claimed / 4000.0);
            assert!(bias.abs() < 0.1 * scatter, "{what:?} {bias} {scatter}");
            assert!((scatter / claimed - 1.0).abs() < 0.05, "{what:?} {scatter} {claimed}");
        }
    }

    #[test]
    fn noise_has_no_centroid_and_gaps_have_no_value() {
        let mut dice = stream(8, "moments", 0);
        let mut noise: Vec<f32> = (0..120).map(|_| normal(&mut dice) as f32).collect();
        let of = |values: &[f32], what, cut| collapse(values, None, &axis(), &bands(), what, cut).value;
        assert!(of(&noise, Collapse::Centroid, 5.0).is_nan());
        assert!(of(&noise, Collapse::Integral, 5.0).is_finite());
        noise[36..76].fill(f32::NAN);
        assert!(of(&noise, Collapse::Integral, 0.0).is_nan());
        assert!(of(&[f32::NAN; 120], Collapse::Sum, 0.0).is_nan());
        // One side alone: its level, no slope.
        let mut flat = [2.0f32; 120];
        flat[84..].fill(f32::NAN);
        assert_eq!(of(&flat, Collapse::Sum, 0.0), 0.0);
        assert_eq!(bands().whole(), 0..120);
        assert_eq!(bands().from(10).sides, Some([0..20, 74..110]));
    }
}
