//! Many lenses in a few numbers: medians with their errors, who is best how often, and errors at equal seconds.

use super::table::{MethodRow, TrackRow};
use super::{Comparison, Contestant, LEVELS, LensSet, level_name};
use crate::data::{ColumnData, Table, TableColumn};
use crate::numerics::random::{stream, uniform};
use crate::numerics::statistics::median_between;
use crate::studies::lens_reconstruction::rim::prior::NoiseRegime;
use crate::tasks::Metrics;

/// Name and value of what is summed up.
type Quantity = (&'static str, fn(&MethodRow) -> f64);

/// What medians are taken of.
const QUANTITIES: [Quantity; 7] = [
    ("source_rms_relative", |r| r.source_rms_relative),
    ("convergence_rms_dex", |r| r.convergence_rms_dex),
    ("structure_correlation", |r| r.structure_correlation),
    ("einstein_radius_error", |r| r.einstein_radius_error),
    ("arc_chi2", |r| r.arc_chi2),
    ("blank_sky_chi2", |r| r.blank_sky_chi2),
    ("arc_chi2_beyond_blank_sky", |r| r.arc_chi2 - r.blank_sky_chi2),
];
/// Of these the least is the best, and who has it is counted.
const CONTESTED: usize = 2;
/// Samples of the bootstrap.
const SAMPLES: u64 = 400;

/// A median and the error that it has for want of lenses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median; NaN of nothing.
    pub median: f64,
    /// Standard deviation of the medians of samples with replacement (Efron 1979, Ann. Statist. 7, 1); NaN of fewer than two.
    pub error: f64,
}

impl Spread {
    /// Of all values that are numbers.
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
        Self { median: median_between(&mut values.clone()), error: bootstrap(&values) }
    }
}

/// Standard deviation of the medians of samples of the values, drawn with replacement.
fn bootstrap(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    let n = values.len();
    let medians: Vec<f64> = (0..SAMPLES)
        .map(|index| {
            let mut rng = stream(1, "lens_reconstruction.benchmark.bootstrap", index);
            let mut sample: Vec<f64> =
                (0..n).map(|_| values[((uniform(&mut rng) * n as f64) as usize).min(n - 1)]).collect();
            median_between(&mut sample)
        })
        .collect();
    let mean = medians.iter().sum::<f64>() / medians.len() as f64;
    (medians.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (medians.len() - 1) as f64).sqrt()
}

/// A method on the lenses of a set at a noise level.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Where the lenses come from.
    pub set: LensSet,
    /// Their noise.
    pub level: NoiseRegime,
    /// Whose numbers these are.
    pub method: Contestant,
    /// Lenses.
    pub lenses: usize,
    /// Lenses of which it found nothing: there it has the errors of the null.
    pub failed: usize,
    /// In the order of the table's columns.
    quantities: [Spread; QUANTITIES.len()],
    /// Share of lenses on which no method's error is less: of the source, of the convergence.
    wins: [f64; CONTESTED],
    /// Median seconds, the fits before included.
    seconds: f64,
    /// Median errors of source and convergence when the first of `pixels` and `rim_finetuned` was done with the lens, of the lenses on which the
    /// method had an answer by then.
    at_equal_seconds: [f64; CONTESTED],
}

impl Summary {
    /// One for each set, level and method that has rows.
    pub fn of(comparison: &Comparison) -> Vec<Self> {
        let mut out = Vec::new();
        for set in LensSet::ALL {
            for level in LEVELS {
                let rows: Vec<&MethodRow> =
                    comparison.rows.iter().filter(|r| (r.set, r.level) == (set, level)).collect();
                let tracks: Vec<&TrackRow> =
                    comparison.tracks.iter().filter(|r| (r.set, r.level) == (set, level)).collect();
                out.extend(Contestant::ALL.into_iter().filter_map(|method| Self::one(method, &rows, &tracks)));
            }
        }
        out
    }

    fn one(method: Contestant, rows: &[&MethodRow], tracks: &[&TrackRow]) -> Option<Self> {
        let own: Vec<&MethodRow> = rows.iter().copied().filter(|r| r.method == method).collect();
        let first = own.first()?;
        let wins = std::array::from_fn(|q| {
            let of = QUANTITIES[q].1;
            let best = |row: &&&MethodRow| {
                let mut others = rows.iter().filter(|r| r.lens == row.lens).map(|r| of(r));
                others.all(|error| of(row) <= error || error.is_nan()) && of(row).is_finite()
            };
            own.iter().filter(best).count() as f64 / own.len() as f64
        });
        let at_equal_seconds = std::array::from_fn(|q| {
            median_between(
                &mut own.iter().filter_map(|row| at_equal_seconds(row, tracks)).map(|e| e[q]).collect::<Vec<_>>(),
            )
        });
        Some(Self {
            set: first.set,
            level: first.level,
            method,
            lenses: own.len(),
            failed: own.iter().filter(|r| r.failed).count(),
            quantities: QUANTITIES.map(|(_, of)| Spread::of(own.iter().map(|r| of(r)))),
            wins,
            seconds: median_between(&mut own.iter().map(|r| r.seconds + r.seconds_before).collect::<Vec<_>>()),
            at_equal_seconds,
        })
    }

    /// What its metrics begin with: the plain names are those of lenses with substructure.
    fn prefix(&self) -> String {
        let (method, level) = (self.method.name(), level_name(self.level));
        if self.set == LensSet::Substructure {
            format!("{method}_{level}")
        } else {
            format!("{method}_{}_{level}", self.set.name())
        }
    }

    /// Every number with its name.
    fn numbers(&self) -> Vec<(String, f64)> {
        let mut out = vec![("lenses".to_owned(), self.lenses as f64), ("failed".to_owned(), self.failed as f64)];
        for (spread, (name, _)) in self.quantities.iter().zip(QUANTITIES) {
            out.push((name.to_owned(), spread.median));
            out.push((format!("{name}_error"), spread.error));
        }
        for (q, (name, _)) in QUANTITIES.iter().take(CONTESTED).enumerate() {
            out.push((format!("{name}_wins"), self.wins[q]));
            out.push((format!("{name}_at_equal_seconds"), self.at_equal_seconds[q]));
        }
        out.push(("seconds".to_owned(), self.seconds));
        out
    }
}

/// Errors of a method on a lens, source and convergence, at the moment at which the first of the methods that take their time was done with it.
fn at_equal_seconds(row: &MethodRow, tracks: &[&TrackRow]) -> Option<[f64; CONTESTED]> {
    let of = |method: Contestant| tracks.iter().filter(move |t| t.lens == row.lens && t.method == method);
    let end = |method: Contestant| of(method).map(|t| t.seconds).reduce(f64::max);
    let moment = [Contestant::Pixels, Contestant::RimFinetuned].into_iter().filter_map(end).reduce(f64::min)?;
    let own = of(row.method).filter(|t| t.seconds <= moment);
    let last = own.max_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let at_once = (of(row.method).next().is_none() && row.seconds + row.seconds_before <= moment)
        .then_some([row.source_rms_relative, row.convergence_rms_dex]);
    last.map(|t| [t.source_rms_relative, t.convergence_rms_dex]).or(at_once)
}

/// The numbers of a run.
pub(in super::super) fn metrics(summaries: &[Summary]) -> Metrics {
    summaries
        .iter()
        .flat_map(|s| s.numbers().into_iter().map(|(name, value)| (format!("{}_{name}", s.prefix()), value)))
        .collect()
}

/// The same as a table, a row a set, noise level and method.
pub(in super::super) fn table(summaries: &[Summary]) -> Table {
    let words = |of: &dyn Fn(&Summary) -> &'static str| {
        ColumnData::from(summaries.iter().map(|s| of(s).to_owned()).collect::<Vec<_>>())
    };
    let mut columns = vec![
        TableColumn::new("set", "", words(&|s| s.set.name())),
        TableColumn::new("noise", "", words(&|s| level_name(s.level))),
        TableColumn::new("method", "", words(&|s| s.method.name())),
    ];
    let rows: Vec<Vec<(String, f64)>> = summaries.iter().map(Summary::numbers).collect();
    for (k, (name, _)) in rows.first().into_iter().flatten().enumerate() {
        let values: Vec<f64> = rows.iter().map(|r| r[k].1).collect();
        columns.push(TableColumn::new(name, if name == "seconds" { "s" } else { "" }, ColumnData::from(values)));
    }
    Table::new(columns)
}

#[cfg(test)]
mod tests {
    use super::super::table::row;
    use super::*;
    use crate::numerics::random::normal;

    #[test]
    fn medians_are_the_middle() {
        assert_eq!(Spread::of([1.0, f64::NAN, 3.0].into_iter()).median, 2.0);
    }

    /// The median of `n` normal deviates scatters by `sqrt(pi / 2 n)`.
    #[test]
    fn the_bootstrap_gives_the_error_of_a_median() {
        let mut rng = stream(2, "test", 0);
        let values: Vec<f64> = (0..900).map(|_| normal(&mut rng)).collect();
        let expected = (std::f64::consts::PI / (2.0 * 900.0)).sqrt();
        let found = bootstrap(&values);
        assert!((found / expected - 1.0).abs() < 0.25, "{found} {expected}");
        assert_eq!(found, bootstrap(&values));
        assert!(bootstrap(&[1.0]).is_nan());
        assert_eq!(bootstrap(&[2.0; 5]), 0.0);
    }

    #[test]
    fn victories_and_equal_seconds_are_counted_lens_by_lens() {
        let rows = [
            (Contestant::Null, [0.3, 0.3, 0.3]),
            (Contestant::Pixels, [0.1, 0.4, 0.2]),
            (Contestant::RimFinetuned, [0.2, 0.2, 0.1]),
        ];
        let rows: Vec<MethodRow> =
            rows.into_iter().flat_map(|(m, e)| (0..3).map(move |lens| row(m, lens, e[lens]))).collect();
        let track = |method, seconds, error| TrackRow {
            set: LensSet::Substructure,
            level: NoiseRegime::Low,
            lens: 1,
            method,
            step: 0.0,
            seconds,
            convergence_rms_dex: error,
            source_rms_relative: 0.5,
        };
        let tracks = vec![
            track(Contestant::Pixels, 2.0, 0.5),
            track(Contestant::Pixels, 5.0, 0.4),
            track(Contestant::RimFinetuned, 3.0, 0.3),
            track(Contestant::RimFinetuned, 4.9, 0.25),
            track(Contestant::RimFinetuned, 30.0, 0.2),
        ];
        let summaries = Summary::of(&Comparison { rows, tracks });
        let metrics = metrics(&summaries);
        assert_eq!(metrics["pixels_low_convergence_rms_dex"], 0.2);
        assert!(metrics["null_low_convergence_rms_dex_error"] < 1e-12);
        assert!((metrics["pixels_low_convergence_rms_dex_wins"] - 1.0 / 3.0).abs() < 1e-12);
        assert!((metrics["rim_finetuned_low_convergence_rms_dex_wins"] - 2.0 / 3.0).abs() < 1e-12);
        // The first is done after 5 s.
        assert_eq!(metrics["rim_finetuned_low_convergence_rms_dex_at_equal_seconds"], 0.25);
        assert_eq!(metrics["pixels_low_convergence_rms_dex_at_equal_seconds"], 0.4);
        assert!(metrics["null_low_convergence_rms_dex_at_equal_seconds"].is_nan());
        assert_eq!(table(&summaries).numbers("lenses").unwrap(), [3.0; 3]);
    }
}
