//! What the benchmark leaves: tables, a row a lens, and their numbers.

use std::path::Path;

use super::coverage::{CoverageRow, Interval, QUANTITIES};
use super::methods::{self, Comparison, Summary};
use super::recovery::RecoveryRow;
use crate::data::{ColumnData, Table, TableColumn, read_ecsv, write_ecsv};
use crate::studies::lens_reconstruction::outcome::TRUSTED;
use crate::tasks::{Metrics, Outcome, Provenance, TaskError};

/// Files of a run.
pub(super) const OUTPUTS: &[(&str, &str)] = &[
    (
        TABLE,
        "`coverage`: a row a lens: truth and 16, 50 and 84 per cent quantiles of each quantity, chi2, R-hat, effective draws",
    ),
    (SOURCES, "`source_recovery`: a row a galaxy and noise level: errors over those of the nulls, correlation, chi2"),
    (
        METHODS,
        "`methods`: a row a lens and method: errors of source and convergence, chi2 in the arcs beside blank sky, seconds",
    ),
    (
        SUMMARY,
        "`methods`: a row a set, noise level and method: medians with bootstrap errors, share of lenses on which it is best",
    ),
    (TRACK, "`methods`: errors against seconds of `pixels` and of the network, step by step"),
];

const TABLE: &str = "coverage.ecsv";
const SOURCES: &str = "source_recovery.ecsv";
const METHODS: &str = "methods.ecsv";
const SUMMARY: &str = "summary.ecsv";
const TRACK: &str = "track.ecsv";

/// Share of draws between the quantiles.
const NOMINAL: f64 = 0.682_69;

/// A finished benchmark.
#[derive(Clone, Debug, Default)]
pub struct BenchmarkOutcome {
    /// Of `coverage`: one a lens.
    pub lenses: Vec<CoverageRow>,
    /// Of `source_recovery`: one a galaxy and noise level.
    pub sources: Vec<RecoveryRow>,
    /// Of `methods`.
    pub comparison: Comparison,
}

impl BenchmarkOutcome {
    fn table(&self) -> Table {
        let numbers =
            |of: &dyn Fn(&CoverageRow) -> f64| ColumnData::from(self.lenses.iter().map(of).collect::<Vec<_>>());
        let whole = |of: &dyn Fn(&CoverageRow) -> i64| ColumnData::from(self.lenses.iter().map(of).collect::<Vec<_>>());
        let words: Vec<String> = self.lenses.iter().map(|r| r.remark.clone()).collect();
        #[allow(clippy::cast_possible_wrap)] // a count of lenses
        let mut columns = vec![TableColumn::new("lens", "", whole(&|r| r.lens as i64)).described("number, from 0")];
        for (k, name) in QUANTITIES.iter().enumerate() {
            let unit = if name.ends_with("_arcsec") { "arcsec" } else { "" };
            columns.push(TableColumn::new(&format!("{name}_true"), unit, numbers(&|r| r.intervals[k].truth)));
            for (q, suffix) in ["low", "median", "high"].iter().enumerate() {
                let values = numbers(&|r| r.intervals[k].quantiles[q]);
                columns.push(TableColumn::new(&format!("{name}_{suffix}"), unit, values));
            }
            columns.push(TableColumn::new(&format!("{name}_held"), "", whole(&|r| i64::from(r.intervals[k].holds()))));
        }
        for (name, of) in NUMBERS {
            columns.push(TableColumn::new(name, "", numbers(&of)));
        }
        columns.push(TableColumn::new("remark", "", ColumnData::from(words)));
        Table::new(columns)
    }

    fn from_table(table: &Table) -> Option<Vec<CoverageRow>> {
        let column = |name: &str| table.numbers(name);
        let lens = column("lens")?;
        let remarks = table.words("remark")?;
        let mut rows: Vec<CoverageRow> = lens
            .iter()
            .zip(remarks)
            .map(|(lens, remark)| CoverageRow {
                lens: lens.max(0.0) as usize,
                intervals: [Interval { truth: f64::NAN, quantiles: [f64::NAN; 3] }; QUANTITIES.len()],
                reduced_chi2: f64::NAN,
                reduced_chi2_null: f64::NAN,
                r_hat: f64::NAN,
                effective_draws: f64::NAN,
                remark: remark.clone(),
            })
            .collect();
        for (k, name) in QUANTITIES.iter().enumerate() {
            let [truth, low, median, high] =
                ["true", "low", "median", "high"].map(|suffix| column(&format!("{name}_{suffix}")));
            let (truth, low, median, high) = (truth?, low?, median?, high?);
            for (i, row) in rows.iter_mut().enumerate() {
                row.intervals[k] = Interval { truth: truth[i], quantiles: [low[i], median[i], high[i]] };
            }
        }
        let [chi2, null, r_hat, draws] = NUMBERS.map(|(name, _)| column(name));
        let (chi2, null, r_hat, draws) = (chi2?, null?, r_hat?, draws?);
        for (i, row) in rows.iter_mut().enumerate() {
            row.reduced_chi2 = chi2[i];
            row.reduced_chi2_null = null[i];
            row.r_hat = r_hat[i];
            row.effective_draws = draws[i];
        }
        Some(rows)
    }
}

type Number = (&'static str, fn(&CoverageRow) -> f64);

/// Columns with one number a lens.
const NUMBERS: [Number; 4] = [
    ("reduced_chi2", |r| r.reduced_chi2),
    ("reduced_chi2_null", |r| r.reduced_chi2_null),
    ("r_hat", |r| r.r_hat),
    ("effective_draws", |r| r.effective_draws),
];

/// Pull beyond which a fit did not find the lens.
const LOST: f64 = 5.0;

/// True of draws that are not to be trusted; a fit that failed has none.
fn not_converged(row: &CoverageRow) -> bool {
    row.r_hat.is_finite() && !(row.r_hat < TRUSTED.0 && row.effective_draws > TRUSTED.1)
}

impl Outcome for BenchmarkOutcome {
    fn metrics(&self) -> Metrics {
        let mut metrics = methods::metrics(&Summary::of(&self.comparison));
        for row in &self.sources {
            for (name, value) in [
                ("error", row.error),
                ("error_null", row.error_null),
                ("correlation", row.correlation),
                ("within_sigma", row.within_sigma),
                ("reduced_chi2", row.reduced_chi2),
            ] {
                metrics.insert(format!("galaxy_{}_noise_{}_{name}", row.galaxy, row.noise_over_peak), value);
            }
        }
        if self.lenses.is_empty() {
            return metrics;
        }
        let n = self.lenses.len() as f64;
        let mut put = |name: String, value: f64| {
            metrics.insert(name, value);
        };
        for (k, name) in QUANTITIES.iter().enumerate() {
            let of: Vec<Interval> = self.lenses.iter().map(|r| r.intervals[k]).collect();
            let found: Vec<&Interval> = of.iter().filter(|i| i.quantiles[1].is_finite()).collect();
            let held = of.iter().filter(|i| i.holds()).count() as f64 / n;
            put(format!("coverage_{name}"), held);
            // Of a fraction of 0.68 in as many lenses, as it would scatter if the intervals were right.
            put(format!("coverage_{name}_error"), (NOMINAL * (1.0 - NOMINAL) / n).sqrt());
            put(format!("{name}_half_width"), middle(found.iter().map(|i| i.half_width()).collect()));
            put(format!("{name}_pull_mean"), mean(&found.iter().map(|i| i.pull()).collect::<Vec<_>>()));
            put(format!("{name}_off"), middle(found.iter().map(|i| (i.quantiles[1] - i.truth).abs()).collect()));
            // Without looking at an image: the middle of the truths.
            let truths: Vec<f64> = of.iter().map(|i| i.truth).collect();
            let centre = middle(truths.clone());
            put(format!("{name}_off_null"), middle(truths.iter().map(|t| (t - centre).abs()).collect()));
        }
        let count = |of: &dyn Fn(&CoverageRow) -> bool| self.lenses.iter().filter(|r| of(r)).count() as f64;
        put("lenses".into(), n);
        put("failed_fits".into(), count(&|r| r.reduced_chi2.is_nan()));
        put("lost_lenses".into(), count(&|r| r.intervals[0].pull().abs() > LOST));
        put("r_hat_greatest".into(), self.lenses.iter().map(|r| r.r_hat).fold(f64::NAN, f64::max));
        put("r_hat_above_1.01".into(), count(&|r| r.r_hat > TRUSTED.0));
        put("not_converged".into(), count(&not_converged));
        put("effective_draws_least".into(), self.lenses.iter().map(|r| r.effective_draws).fold(f64::NAN, f64::min));
        put("effective_draws_median".into(), middle(self.lenses.iter().map(|r| r.effective_draws).collect()));
        put("reduced_chi2_median".into(), middle(self.lenses.iter().map(|r| r.reduced_chi2).collect()));
        put("reduced_chi2_null_median".into(), middle(self.lenses.iter().map(|r| r.reduced_chi2_null).collect()));
        metrics
    }

    fn warnings(&self) -> Vec<String> {
        let lost =
            self.lenses.iter().filter(|r| r.intervals[0].pull().is_nan() || r.intervals[0].pull().abs() > LOST).count();
        let astray = self.lenses.iter().filter(|r| not_converged(r)).count();
        let of = self.lenses.len();
        let mut warnings = Vec::new();
        let failed = self.comparison.rows.iter().filter(|r| r.failed).count();
        if failed > 0 {
            let all = self.comparison.rows.len();
            warnings.push(format!(
                "{failed} of {all} reconstructions found nothing: they count with the errors of the null"
            ));
        }
        if lost > 0 {
            warnings.push(format!("{lost} of {of} lenses were not found: their intervals count as misses"));
        }
        if astray > 0 {
            warnings.push(format!(
                "{astray} of {of} posteriors are not converged ({} effective draws and R-hat below {} are wanted): give more posterior_draws",
                TRUSTED.1, TRUSTED.0
            ));
        }
        warnings
    }

    fn save(&self, folder: &Path, _provenance: &Provenance) -> Result<Vec<String>, TaskError> {
        if !self.comparison.rows.is_empty() {
            let Comparison { rows, tracks } = &self.comparison;
            let summaries = methods::summary_table(&Summary::of(&self.comparison));
            for (name, table) in
                [(METHODS, methods::rows_table(rows)), (SUMMARY, summaries), (TRACK, methods::tracks_table(tracks))]
            {
                write_ecsv(&folder.join(name), &table)?;
            }
            return Ok([METHODS, SUMMARY, TRACK].map(String::from).to_vec());
        }
        let (name, table) =
            if self.sources.is_empty() { (TABLE, self.table()) } else { (SOURCES, sources_table(&self.sources)) };
        write_ecsv(&folder.join(name), &table)?;
        Ok(vec![name.to_owned()])
    }

    fn load(folder: &Path, _request: &serde_json::Value, _metrics: &Metrics) -> Result<Self, TaskError> {
        let methods = folder.join(METHODS);
        if methods.is_file() {
            let track = folder.join(TRACK);
            let wrong = |path: &Path| TaskError::file(path, "expected the columns of a comparison of methods");
            let rows = methods::rows_from(&read_ecsv(&methods)?).ok_or_else(|| wrong(&methods))?;
            let tracks = methods::tracks_from(&read_ecsv(&track)?).ok_or_else(|| wrong(&track))?;
            return Ok(Self { comparison: Comparison { rows, tracks }, ..Self::default() });
        }
        let sources = folder.join(SOURCES);
        if sources.is_file() {
            let rows = sources_from(&read_ecsv(&sources)?)
                .ok_or_else(|| TaskError::file(&sources, "expected the columns of a source recovery"))?;
            return Ok(Self { sources: rows, ..Self::default() });
        }
        let path = folder.join(TABLE);
        let lenses = Self::from_table(&read_ecsv(&path)?)
            .ok_or_else(|| TaskError::file(&path, "expected the columns of a coverage benchmark"))?;
        Ok(Self { lenses, ..Self::default() })
    }
}

/// Columns of the recovered sources, in order.
const SOURCE_COLUMNS: [&str; 8] =
    ["galaxy", "noise_over_peak", "error", "error_null", "correlation", "within_sigma", "reduced_chi2", "determined"];

fn sources_table(rows: &[RecoveryRow]) -> Table {
    let values = |r: &RecoveryRow| {
        [
            r.galaxy as f64,
            r.noise_over_peak,
            r.error,
            r.error_null,
            r.correlation,
            r.within_sigma,
            r.reduced_chi2,
            r.determined,
        ]
    };
    let column = |k: usize| ColumnData::from(rows.iter().map(|r| values(r)[k]).collect::<Vec<f64>>());
    Table::new(SOURCE_COLUMNS.iter().enumerate().map(|(k, name)| TableColumn::new(name, "", column(k))).collect())
}

fn sources_from(table: &Table) -> Option<Vec<RecoveryRow>> {
    let columns = SOURCE_COLUMNS.iter().map(|name| table.numbers(name)).collect::<Option<Vec<_>>>()?;
    let row = |i: usize| RecoveryRow {
        galaxy: columns[0][i].max(0.0) as usize,
        noise_over_peak: columns[1][i],
        error: columns[2][i],
        error_null: columns[3][i],
        correlation: columns[4][i],
        within_sigma: columns[5][i],
        reduced_chi2: columns[6][i],
        determined: columns[7][i],
    };
    Some((0..table.rows()).map(row).collect())
}

/// The median, NaN of nothing.
fn middle(values: Vec<f64>) -> f64 {
    let mut finite: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    crate::numerics::statistics::median(&mut finite).unwrap_or(f64::NAN)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(lens: usize, truth: f64, remark: &str) -> CoverageRow {
        let interval = Interval { truth, quantiles: [0.9, 1.0, 1.1] };
        CoverageRow {
            lens,
            intervals: [interval; QUANTITIES.len()],
            reduced_chi2: 1.0,
            reduced_chi2_null: 9.0,
            r_hat: 1.002,
            effective_draws: 500.0,
            remark: remark.to_owned(),
        }
    }

    #[test]
    fn fractions_are_counted_and_the_table_reads_back() {
        let mut rows: Vec<CoverageRow> =
            [1.05, 0.95, 1.2, 0.99].into_iter().enumerate().map(|(k, t)| row(k, t, "")).collect();
        rows[2].remark = "source 1 held, \"so\"".into();
        let outcome = BenchmarkOutcome { lenses: rows, ..BenchmarkOutcome::default() };
        let metrics = outcome.metrics();
        assert_eq!(metrics["coverage_shear"], 0.75);
        assert!((metrics["coverage_shear_error"] - 0.2327).abs() < 1e-3);
        assert_eq!(metrics["failed_fits"], 0.0);
        assert_eq!(BenchmarkOutcome::from_table(&outcome.table()).unwrap(), outcome.lenses);
        assert!(outcome.warnings().is_empty());
        let mut outcome = outcome;
        (outcome.lenses[0].effective_draws, outcome.lenses[1].r_hat) = (300.0, 1.03);
        // A fit that failed is told as such, not as draws that are too few.
        (outcome.lenses[2].effective_draws, outcome.lenses[2].r_hat) = (f64::NAN, f64::NAN);
        assert_eq!(outcome.metrics()["not_converged"], 2.0);
        assert!(outcome.warnings()[0].starts_with("2 of 4 posteriors are not converged"), "{:?}", outcome.warnings());
    }

    #[test]
    fn recovered_sources_read_back() {
        let row = RecoveryRow {
            galaxy: 2,
            noise_over_peak: 0.03,
            error: 0.2,
            error_null: 0.8,
            correlation: 0.97,
            within_sigma: 0.6,
            reduced_chi2: 1.01,
            determined: 321.5,
        };
        let outcome = BenchmarkOutcome { sources: vec![row], ..BenchmarkOutcome::default() };
        assert_eq!(sources_from(&sources_table(&outcome.sources)).unwrap(), outcome.sources);
        assert_eq!(outcome.metrics()["galaxy_2_noise_0.03_error_null"], 0.8);
        assert_eq!(outcome.metrics().len(), 5);
    }
}
