//! The tables of a benchmark.

use std::path::Path;

use serde_json::Value;

use super::activation::Activation;
use super::calibration::PullRow;
use super::cases::{Cases, Fitted, Found};
use super::folds::FoldRow;
use super::held_out::{HeldOut, METHODS};
use super::summary::{BiasRow, Pairs, Row, median};
use super::tables::Reader;
use crate::data::{Table, TableColumn, write_ecsv};
use crate::studies::line_ratios::lines::Line;
use crate::studies::line_ratios::network::NetworkEstimate;
use crate::studies::line_ratios::network::decode::Measured;
use crate::studies::line_ratios::network::hybrid;
use crate::studies::line_ratios::network::published::published_labels;
use crate::studies::line_ratios::prior::{RATIOS, Recipe, ratios};
use crate::tasks::{Metrics, Outcome, Provenance, TaskError};

const ROWS: &str = "benchmark.ecsv";
const BIAS: &str = "bias.ecsv";
const CALIBRATION: &str = "calibration.ecsv";
const HELD_OUT: &str = "held_out.ecsv";
const FOLDS: &str = "folds.ecsv";
const ACTIVATION: &str = "activation.ecsv";

/// Files of a run.
pub(super) const OUTPUTS: &[(&str, &str)] = &[
    (ROWS, "width, bias, slope and coverage of every method, quantity and S/N, the prior alone included"),
    (BIAS, "median error by fifths of the true value"),
    (
        CALIBRATION,
        "how errors compare with claimed errors, for every method, quantity and S/N: tenths of the claimed distribution, pulls",
    ),
    (HELD_OUT, "some of the spectra one by one: truth, and value and error by every method"),
    (FOLDS, "k-fold cross-validation of the ratio network: errors on each part that it was not taught"),
    (ACTIVATION, "by how much each sample moves each ratio, in both networks"),
];

/// Widths (%) on the authors' figure, in the order of [`RATIOS`]; that of the fixed doublet is not shown.
const PUBLISHED_PERCENT: [f64; RATIOS.len()] = [0.8, 19.0, 22.0, 22.0, 19.0, 7.0, 11.5, 6.0, f64::NAN];

/// A finished benchmark.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BenchmarkOutcome {
    /// Every method, quantity and S/N.
    pub rows: Vec<Row>,
    /// By true value.
    pub bias: Vec<BiasRow>,
    /// Calibration.
    pub pulls: Vec<PullRow>,
    /// Some spectra of the corrected prior, one by one.
    pub held_out: Vec<HeldOut>,
    /// k-fold cross-validation; empty if none was asked for.
    pub folds: Vec<FoldRow>,
    /// Which samples count.
    pub activation: Activation,
    /// Microseconds of one core a spectrum: recommended networks end to end, published network, fit of SN3.
    pub microseconds: [f64; 3],
    /// Mean and standard deviation of [NII] 6548 / 6583 that the recommended networks give at the highest S/N.
    pub doublet: [f64; 2],
}

fn name(recipe: Recipe) -> &'static str {
    match recipe {
        Recipe::Published => "published",
        Recipe::Corrected => "corrected",
    }
}

impl BenchmarkOutcome {
    /// Adds what was found on the spectra of one prior and S/N.
    /// `kept` spectra of it one by one.
    pub(super) fn add(&mut self, cases: &Cases, found: &Found, kept: usize) {
        for (sum, seconds) in self.microseconds.iter_mut().zip(found.seconds) {
            let best = 1e6 * seconds;
            // The least of all bins: the machine has other work too.
            *sum = if *sum == 0.0 { best } else { sum.min(best) };
        }
        for k in 0..RATIOS.len() {
            self.add_ratio(cases, found, k, kept);
        }
        if cases.recipe == Recipe::Corrected {
            self.add_kinematics(cases, found, kept);
            let doublet: Vec<f64> =
                found.network.iter().map(|n| 10f64.powf(n.log_ratios[RATIOS.len() - 1].value)).collect();
            let mean = doublet.iter().sum::<f64>() / doublet.len() as f64;
            let square = doublet.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / doublet.len() as f64;
            self.doublet = [mean, square.sqrt()];
        }
    }

    fn add_ratio(&mut self, cases: &Cases, found: &Found, k: usize, kept: usize) {
        let truths: Vec<[f64; RATIOS.len()]> = cases.clean.iter().map(|c| ratios(&c.nebula.fluxes)).collect();
        let logs: Vec<f64> = truths.iter().map(|t| t[k].log10()).collect();
        let middle = median(logs.clone());
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        let spread = (logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / logs.len() as f64).sqrt();
        let [mut null, mut network, mut fit, mut together, mut published] =
            [const { None }; 5].map(|_: Option<()>| Pairs::default());
        for (i, log) in logs.iter().enumerate() {
            null.push(Measured { value: middle, error: f64::NAN }, *log, false);
            let own = found.network[i];
            network.push(own.log_ratios[k], *log, !own.prior_dominated[k]);
            let fitted = found.fitted[i].as_ref();
            let of_fit = fitted.map_or(Measured { value: f64::NAN, error: f64::NAN }, |f| f.log_ratios[k]);
            // One rule for all: what is left of the prior's variance, and the S/N.
            let informed = |m: Measured| !hybrid::prior_dominated(k, m, spread, own.signal(k));
            fit.push(of_fit, *log, informed(of_fit));
            let both = hybrid::combine(own.log_ratios[k], of_fit);
            together.push(both, *log, !own.prior_dominated[k]);
            if cases.recipe == Recipe::Published {
                let label = published_labels(&truths[i])[k];
                published.push(found.published[i][k], label, true);
            }
        }
        let signals: Vec<f64> = found.network.iter().map(|n| f64::from(n.signal(k))).collect();
        self.keep(cases, RATIOS[k], [&network, &fit, &together], &signals, kept);
        for (method, pairs) in [("null", &null), ("network", &network), ("fit", &fit), ("hybrid", &together)] {
            self.push(cases, method, RATIOS[k], pairs, true);
        }
        if cases.recipe == Recipe::Published {
            self.push_published(cases, RATIOS[k], PUBLISHED_PERCENT[k], &published);
        }
    }

    fn add_kinematics(&mut self, cases: &Cases, found: &Found, kept: usize) {
        type Of =
            (&'static str, fn(&NetworkEstimate) -> Measured, fn(&NetworkEstimate) -> Measured, fn(&Fitted) -> Measured);
        let quantities: [Of; 2] = [
            ("velocity", |n| n.velocity_km_s, |n| n.first_look[0].velocity, |f| f.velocity),
            ("broadening", |n| n.broadening_km_s, |n| n.first_look[0].broadening, |f| f.broadening),
        ];
        for (q, (quantity, network, first_look, fit)) in quantities.into_iter().enumerate() {
            let truth = |i: usize| [cases.clean[i].velocity_km_s, cases.clean[i].broadening_km_s][q];
            let [mut null, mut of_network, mut of_first, mut of_fit, mut together] = [(); 5].map(|()| Pairs::default());
            let mut signals = Vec::new();
            for (i, estimate) in found.network.iter().enumerate() {
                let Some(fitted) = &found.fitted[i] else { continue };
                signals.push(f64::from(estimate.brightest[2]));
                // The middle of the prior.
                let middle = [0.0, 30.0][q];
                // As in a run: velocity and broadening go together.
                let surer = fitted.velocity.error < estimate.velocity_km_s.error;
                let pairs = [
                    (&mut null, Measured { value: middle, error: f64::NAN }, false),
                    (&mut of_network, network(estimate), true),
                    (&mut of_first, first_look(estimate), true),
                    (&mut of_fit, fit(fitted), true),
                    (&mut together, if surer { fit(fitted) } else { network(estimate) }, true),
                ];
                for (to, measured, claimed) in pairs {
                    to.push(measured, truth(i), claimed);
                    to.bound.push(fitted.bound[q]);
                }
            }
            self.keep(cases, quantity, [&of_network, &of_fit, &together], &signals, kept);
            for (method, pairs) in [
                ("null", &null),
                ("network", &of_network),
                ("first look", &of_first),
                ("fit", &of_fit),
                ("hybrid", &together),
            ] {
                self.push(cases, method, quantity, pairs, false);
            }
        }
    }

    fn push(&mut self, cases: &Cases, method: &str, quantity: &str, pairs: &Pairs, logarithmic: bool) {
        let mut row = Row {
            prior: name(cases.recipe).into(),
            method: method.into(),
            quantity: quantity.into(),
            signal_to_noise: cases.signal_to_noise,
            published_percent: f64::NAN,
            ..Row::default()
        };
        pairs.fill(&mut row, logarithmic);
        let Row { prior, method, quantity, signal_to_noise, .. } = row.clone();
        self.rows.push(row);
        if method == "null" {
            return;
        }
        self.bias.extend(pairs.by_truth().into_iter().map(|[truth, bias, half_width]| BiasRow {
            prior: prior.clone(),
            method: method.clone(),
            quantity: quantity.clone(),
            signal_to_noise,
            truth,
            bias,
            half_width,
        }));
        if cases.recipe == Recipe::Corrected {
            self.pulls.push(pairs.calibration(method, quantity, signal_to_noise));
        }
    }

    /// The first spectra one by one, as network, fit and hybrid have them.
    fn keep(&mut self, cases: &Cases, quantity: &str, pairs: [&Pairs; METHODS.len()], signals: &[f64], kept: usize) {
        if cases.recipe != Recipe::Corrected {
            return;
        }
        let nothing = Measured { value: f64::NAN, error: f64::NAN };
        let rows = pairs[0].truth.iter().take(kept).enumerate().map(|(i, truth)| HeldOut {
            quantity: quantity.to_owned(),
            signal_to_noise: cases.signal_to_noise,
            signal: signals[i],
            truth: *truth,
            found: pairs.map(|pairs| pairs.found.get(i).copied().unwrap_or(nothing)),
            claimed: pairs.map(|pairs| pairs.claimed.get(i).copied().unwrap_or(false)),
        });
        self.held_out.extend(rows);
    }

    /// The published network has labels of its own; its relative errors are counted in them, as the authors do.
    fn push_published(&mut self, cases: &Cases, quantity: &str, published_percent: f64, pairs: &Pairs) {
        let mut row = Row {
            prior: name(cases.recipe).into(),
            method: "published".into(),
            quantity: quantity.into(),
            signal_to_noise: cases.signal_to_noise,
            published_percent,
            ..Row::default()
        };
        pairs.fill(&mut row, false);
        let relative = pairs.found.iter().zip(&pairs.truth).filter(|(_, truth)| **truth > 0.0);
        let percent: Vec<f64> = relative.map(|(found, truth)| 100.0 * (found.value / truth - 1.0)).collect();
        row.peak_percent = super::summary::peak_width(percent.clone());
        row.half_width_percent = crate::studies::line_ratios::network::validation::half_width(percent);
        (row.coverage, row.claimed_slope, row.claimed_half_width) = (f64::NAN, row.slope, row.half_width);
        self.rows.push(row);
    }

    /// A row, if it is there.
    pub fn row(&self, prior: &str, method: &str, quantity: &str, signal_to_noise: f64) -> Option<&Row> {
        self.rows.iter().find(|r| {
            r.prior == prior
                && r.method == method
                && r.quantity == quantity
                && (r.signal_to_noise - signal_to_noise).abs() < 1e-9
        })
    }
}

type Numbers = [(&'static str, &'static str, fn(&Row) -> f64); 14];

const NUMBERS: Numbers = [
    ("signal_to_noise", "peak of the brightest line of each filter over the noise", |r| r.signal_to_noise),
    ("spectra", "", |r| r.spectra as f64),
    ("claimed", "share for which a value is claimed", |r| r.claimed),
    ("half_width", "half the range of the middle 68 % of the errors: dex, km/s, or published labels", |r| r.half_width),
    ("half_width_percent", "the same of the relative errors", |r| r.half_width_percent),
    ("bias", "median error", |r| r.bias),
    ("slope", "of found against true", |r| r.slope),
    ("claimed_half_width", "of those claimed", |r| r.claimed_half_width),
    ("claimed_slope", "of those claimed", |r| r.claimed_slope),
    ("coverage", "share of those claimed within one standard error", |r| r.coverage),
    ("in_bounds", "half width of errors over the bound of Cramer and Rao", |r| r.in_bounds),
    ("bias_in_bounds", "median of errors over that bound", |r| r.bias_in_bounds),
    ("published_percent", "width on the authors' figure", |r| r.published_percent),
    ("peak_percent", "the same measure here: relative errors of arcsinh of the ratio, at the peak", |r| r.peak_percent),
];

impl Outcome for BenchmarkOutcome {
    fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::new();
        let [recommended, published, fit] = self.microseconds;
        metrics.insert("microseconds/network".into(), recommended);
        metrics.insert("microseconds/published".into(), published);
        metrics.insert("microseconds/fit".into(), fit);
        metrics.insert("speed_ratio_fit_over_network".into(), fit / recommended);
        metrics.insert("doublet_NII6548_over_NII6583".into(), self.doublet[0]);
        metrics.insert("doublet_scatter".into(), self.doublet[1]);
        for row in &self.rows {
            let key = format!("{}/{}/{}/{}", row.prior, row.method, row.quantity, row.signal_to_noise);
            metrics.insert(format!("half_width/{key}"), row.half_width);
            if row.in_bounds.is_finite() {
                metrics.insert(format!("in_bounds/{key}"), row.in_bounds);
            }
        }
        let near = |place: &[Line]| place.iter().map(|l| l.air_wavenumber()).collect::<Vec<_>>();
        for row in self.rows.iter().filter(|r| r.published_percent.is_finite()) {
            metrics.insert(format!("peak_percent/{}/{}", row.quantity, row.signal_to_noise), row.peak_percent);
        }
        if let Some(changes) = self.activation.recommended.get(2) {
            let share = self.activation.share_near(changes, &near(&[Line::NII6583, Line::NII6548, Line::Halpha]), 8.0);
            metrics.insert("activation_of_NII_on_its_lines".into(), share);
        }
        metrics
    }

    fn save(&self, folder: &Path, _provenance: &Provenance) -> Result<Vec<String>, TaskError> {
        let text = |of: fn(&Row) -> &String| self.rows.iter().map(|r| of(r).clone()).collect::<Vec<String>>();
        let mut columns = vec![
            TableColumn::new("prior", "", text(|r| &r.prior)),
            TableColumn::new("method", "", text(|r| &r.method)),
            TableColumn::new("quantity", "", text(|r| &r.quantity)),
        ];
        columns.extend(NUMBERS.map(|(name, help, of)| {
            TableColumn::new(name, "", self.rows.iter().map(of).collect::<Vec<f64>>()).described(help)
        }));
        write_ecsv(&folder.join(ROWS), &Table::new(columns))?;
        let text = |of: fn(&BiasRow) -> &String| self.bias.iter().map(|r| of(r).clone()).collect::<Vec<String>>();
        let number = |of: fn(&BiasRow) -> f64| self.bias.iter().map(of).collect::<Vec<f64>>();
        let bias = vec![
            TableColumn::new("prior", "", text(|r| &r.prior)),
            TableColumn::new("method", "", text(|r| &r.method)),
            TableColumn::new("quantity", "", text(|r| &r.quantity)),
            TableColumn::new("signal_to_noise", "", number(|r| r.signal_to_noise)),
            TableColumn::new("truth", "", number(|r| r.truth)).described("median of a fifth of the spectra"),
            TableColumn::new("bias", "", number(|r| r.bias)),
            TableColumn::new("half_width", "", number(|r| r.half_width)),
        ];
        write_ecsv(&folder.join(BIAS), &Table::new(bias))?;
        write_ecsv(&folder.join(CALIBRATION), &PullRow::table(&self.pulls))?;
        write_ecsv(&folder.join(HELD_OUT), &HeldOut::table(&self.held_out))?;
        write_ecsv(&folder.join(FOLDS), &FoldRow::table(&self.folds))?;
        let mut activation = vec![TableColumn::new("wavenumber", "cm-1", self.activation.wavenumber_cm1.clone())];
        for (prefix, changes) in
            [("published", &self.activation.published), ("recommended", &self.activation.recommended)]
        {
            activation.extend(changes.iter().zip(RATIOS).map(|(changes, ratio)| {
                TableColumn::new(&format!("{prefix}_{}", ratio.replace('/', "_over_")), "", changes.clone())
            }));
        }
        write_ecsv(&folder.join(ACTIVATION), &Table::new(activation))?;
        Ok([ROWS, BIAS, CALIBRATION, HELD_OUT, FOLDS, ACTIVATION].map(String::from).to_vec())
    }

    fn load(folder: &Path, _request: &Value, metrics: &Metrics) -> Result<Self, TaskError> {
        let get = |name: &str| metrics.get(name).copied().unwrap_or(f64::NAN);
        let mut out = Self {
            microseconds: ["network", "published", "fit"].map(|m| get(&format!("microseconds/{m}"))),
            doublet: [get("doublet_NII6548_over_NII6583"), get("doublet_scatter")],
            ..Self::default()
        };
        let rows = Reader::of(folder, ROWS)?;
        let numbers = NUMBERS.iter().map(|n| rows.numbers(n.0)).collect::<Result<Vec<_>, _>>()?;
        let [priors, methods, quantities] = [rows.texts("prior")?, rows.texts("method")?, rows.texts("quantity")?];
        for i in 0..priors.len() {
            let n = |k: usize| numbers[k][i];
            out.rows.push(Row {
                prior: priors[i].clone(),
                method: methods[i].clone(),
                quantity: quantities[i].clone(),
                signal_to_noise: n(0),
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count
                spectra: n(1) as usize,
                claimed: n(2),
                half_width: n(3),
                half_width_percent: n(4),
                bias: n(5),
                slope: n(6),
                claimed_half_width: n(7),
                claimed_slope: n(8),
                coverage: n(9),
                in_bounds: n(10),
                bias_in_bounds: n(11),
                published_percent: n(12),
                peak_percent: n(13),
            });
        }
        let bias = Reader::of(folder, BIAS)?;
        let [priors, methods, quantities] = [bias.texts("prior")?, bias.texts("method")?, bias.texts("quantity")?];
        let numbers = ["signal_to_noise", "truth", "bias", "half_width"].map(|n| bias.numbers(n));
        let [signals, truths, biases, widths] = numbers;
        let (signals, truths, biases, widths) = (signals?, truths?, biases?, widths?);
        out.bias = (0..priors.len())
            .map(|i| BiasRow {
                prior: priors[i].clone(),
                method: methods[i].clone(),
                quantity: quantities[i].clone(),
                signal_to_noise: signals[i],
                truth: truths[i],
                bias: biases[i],
                half_width: widths[i],
            })
            .collect();
        out.pulls = PullRow::read(&Reader::of(folder, CALIBRATION)?)?;
        out.held_out = HeldOut::read(&Reader::of(folder, HELD_OUT)?)?;
        out.folds = FoldRow::read(&Reader::of(folder, FOLDS)?)?;
        let activation = Reader::of(folder, ACTIVATION)?;
        out.activation.wavenumber_cm1 = activation.numbers("wavenumber")?;
        if !out.activation.wavenumber_cm1.is_empty() {
            let of = |prefix: &str| {
                let one = |ratio: &&str| activation.numbers(&format!("{prefix}_{}", ratio.replace('/', "_over_")));
                RATIOS.iter().map(one).collect::<Result<Vec<_>, _>>()
            };
            (out.activation.published, out.activation.recommended) = (of("published")?, of("recommended")?);
        }
        Ok(out)
    }
}
