//! One spaxel: its spectrum with the fit, residuals in sigma below, and every number with its error or limit.

use egui::{Grid, RichText, Ui, vec2};

use super::super::LineRatios;
use super::super::data_step::{axis_name, line_name};
use super::super::finished::{Curves, Finished};
use super::shown::{ratio_name, title_of};
use crate::data::typeset_unit;
use crate::plots::axes::{fits_from_pixel, format_value, with_unit};
use crate::plots::colors::{Role, theme_of};
use crate::plots::line_marks::Mark;
use crate::plots::line_plot::{LinePlot, Series, SeriesStyle};
use crate::studies::line_ratios::learned::{LearnedRatio, PRIOR_DOMINATED};
use crate::studies::line_ratios::lines::Line;
use crate::studies::line_ratios::{Inspected, Kinematics, Method, Ratio, lines_of};
use crate::tasks::{Outcome, Progress, TaskError};
use crate::workers::Weigh;

/// Width of the numbers of a single spectrum, and height of one of them, in points.
const NUMBERS: f32 = 330.0;
const ROW: f32 = 21.0;
/// Room for the labels of flux and of sigma, so that a line and its residual lie above one another: `-1.5e-17` and the name.
pub(super) const Y_ROOM: f32 = 70.0;

/// The spectrum of a spaxel, or of those that were measured with it.
pub(super) struct Spaxel {
    pub id: u64,
    place: [usize; 2],
    /// Spaxels in its bin.
    together: usize,
    /// `None` where too few samples count.
    found: Option<Measured>,
}

/// Curves, lines at the velocity that was found, whose velocity it is.
type Measured = (Curves, Vec<(Line, f64)>, Kinematics);

impl Weigh for Spaxel {
    fn bytes(&self) -> usize {
        self.found.as_ref().map_or(64, |(curves, ..)| 64 * curves.data.len())
    }
}

impl Spaxel {
    /// Reads and measures it as the run did.
    pub(super) fn measure(
        finished: &Finished,
        place: [usize; 2],
        progress: &Progress<Self>,
    ) -> Result<Self, TaskError> {
        let spaxels = finished.bin_of(place);
        let inspected = Inspected::of(&finished.outcome.as_measured(&finished.request), &spaxels, progress)?;
        let found =
            inspected.map(|found| (Curves::of(&found.axis, &found.spectrum), found.lines, found.estimate.kinematics));
        Ok(Self { id: finished.id, place, together: spaxels.len(), found })
    }
}

/// A number of the table.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    name: String,
    unit: String,
    value: f64,
    error: f64,
    /// Upper limit of three errors; NaN for a detection.
    limit: f64,
    truth: Option<f64>,
    /// The spectrum hardly informs the value.
    prior_dominated: bool,
}

impl Row {
    fn text(&self) -> String {
        if self.prior_dominated && self.value.is_finite() {
            return format!("{} (prior)", with_error(self.value, self.error));
        }
        if self.limit.is_finite() {
            return format!("< {}", format_value(self.limit, 3));
        }
        match (self.value.is_finite(), self.error.is_finite()) {
            (false, _) => "–".to_owned(),
            (true, false) => format_value(self.value, 4),
            (true, true) => with_error(self.value, self.error),
        }
    }
}

/// `123.4 ± 1.2`: as many decimals as two digits of the error need.
fn with_error(value: f64, error: f64) -> String {
    let largest = value.abs().max(error);
    if error <= 0.0 || !(1e-4..1e7).contains(&largest) {
        return format!("{} ± {}", format_value(value, 4), format_value(error, 2));
    }
    let decimals = (1.0 - error.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$} ± {error:.decimals$}")
}

/// The numbers of a spaxel by the maps of the run.
fn rows_of_maps(finished: &Finished, place: [usize; 2]) -> Vec<Row> {
    let outcome = &finished.outcome;
    let row = |map: &str, name: String| {
        let unit = outcome.map(map).map(|map| map.unit.clone()).unwrap_or_default();
        Row {
            name,
            unit,
            value: finished.value(map, place),
            error: finished.value(&format!("{map}_ERROR"), place),
            limit: finished.value(&format!("{map}_LIMIT"), place),
            truth: finished.true_value(map, place),
            prior_dominated: finished.value(&format!("{map}{PRIOR_DOMINATED}"), place) > 0.5,
        }
    };
    let mut rows: Vec<Row> = ["VELOCITY", "BROADENING"].map(|map| row(map, title_of(map))).to_vec();
    for line in &finished.lines {
        rows.push(row(&format!("FLUX_{}", line.name()), line_name(*line).to_owned()));
    }
    for ratio in ratios(finished) {
        rows.push(Row { truth: true_ratio(finished, &ratio, place), ..row(&ratio, ratio_name(&ratio)) });
    }
    for ratio in LearnedRatio::all(finished.request.method, &finished.lines) {
        let truth = true_ratio(finished, ratio.name(), place);
        rows.push(Row { truth, ..row(&ratio.map(), title_of(&ratio.map())) });
    }
    rows.extend(["REDUCED_CHI2", "SIGNIFICANCE", "NOISE_FACTOR"].map(|map| row(map, title_of(map))));
    rows
}

/// Names of the ratios of a run.
fn ratios(finished: &Finished) -> Vec<String> {
    Ratio::all(&finished.lines, finished.request.tie_doublets).iter().map(|ratio| ratio.name.to_owned()).collect()
}

/// The ratio of the true fluxes.
fn true_ratio(finished: &Finished, ratio: &str, place: [usize; 2]) -> Option<f64> {
    let sum = |lines: &[Line]| -> Option<f64> {
        lines.iter().map(|line| finished.true_value(&format!("FLUX_{}", line.name()), place)).sum()
    };
    let [above, below] = lines_of(ratio)?;
    Some(sum(&above)? / sum(&below)?).filter(|value| value.is_finite())
}

/// The numbers of a single spectrum by its metrics.
fn rows_of_metrics(finished: &Finished) -> Vec<Row> {
    let metrics = finished.outcome.metrics();
    let get = |name: &str| metrics.get(name).copied().unwrap_or(f64::NAN);
    let row = |metric: &str, name: String, unit: &str| Row {
        name,
        unit: unit.to_owned(),
        value: get(metric),
        error: get(&format!("{metric}_error")),
        limit: get(&format!("{metric}_limit")),
        truth: None,
        prior_dominated: get(&format!("{metric}_prior_dominated")) > 0.5,
    };
    let mut rows = vec![
        row("velocity_km_s", "Velocity".into(), "km/s"),
        row("broadening_km_s", "Broadening".into(), "km/s"),
        row("redshift", "Redshift".into(), ""),
    ];
    let fluxes = metrics.keys().filter_map(|name| name.strip_prefix("flux/")).filter_map(Line::by_name);
    let mut lines: Vec<Line> = fluxes.collect();
    lines.sort_unstable();
    for line in &lines {
        rows.push(row(&format!("flux/{}", line.name()), line_name(*line).to_owned(), ""));
    }
    for ratio in Ratio::all(&lines, finished.request.tie_doublets) {
        rows.push(row(ratio.name, ratio_name(ratio.name), ""));
    }
    for ratio in LearnedRatio::all(finished.request.method, &lines) {
        rows.push(row(&ratio.metric(), title_of(&ratio.map()), ""));
    }
    for (metric, name) in [
        ("reduced_chi2", "Reduced χ²"),
        ("significance", "Significance of the lines"),
        ("noise_factor", "Noise factor"),
    ] {
        rows.push(row(metric, name.into(), ""));
    }
    rows
}

fn rows_ui(ui: &mut Ui, rows: &[Row]) {
    let with_truth = rows.iter().any(|row| row.truth.is_some());
    let columns = if with_truth { 3 } else { 2 };
    Grid::new("line numbers").num_columns(columns).striped(true).spacing([14.0, 2.0]).show(ui, |ui| {
        if with_truth {
            for head in ["", "found", "truth"] {
                ui.label(RichText::new(head).small().strong());
            }
            ui.end_row();
        }
        for row in rows {
            let help = match (row.limit.is_finite(), row.prior_dominated) {
                (true, _) => "Not detected: upper limit of 3 sigma",
                (_, true) => "Prior-dominated: the spectrum hardly informs this value, it is what most nebulae have",
                _ => "Value ± standard error",
            };
            ui.label(RichText::new(&row.name).small());
            let text = row.text();
            let unit = if row.name == "Velocity" || row.name == "Broadening" { row.unit.as_str() } else { "" };
            ui.label(RichText::new(with_unit(&text, unit)).small()).on_hover_text(format!("{help}\n{}", row.unit));
            if with_truth {
                let text = row.truth.map_or_else(String::new, |truth| format_value(truth, 4));
                ui.label(RichText::new(text).small().color(Role::Truth.color(theme_of(ui.visuals()))));
            }
            ui.end_row();
        }
    });
}

/// What the curve through the lines is.
fn curve_name(method: Method, kinematics: Kinematics) -> &'static str {
    match (method, kinematics) {
        (_, Kinematics::Network) => "lines at the network's velocity and broadening, fluxes by least squares",
        (Method::Hybrid, _) => "fit, begun where the networks point",
        _ => "fit",
    }
}

/// Spectrum with model and continuum, and below it the residuals.
fn curves_ui(ui: &mut Ui, curves: &Curves, lines: &[(Line, f64)], [unit, axis_unit]: [&str; 2], curve: &str) {
    let theme = theme_of(ui.visuals());
    let link = ui.make_persistent_id("lines spectrum axis");
    // A key in the plot would lie on the lines.
    ui.horizontal_wrapped(|ui| {
        for (name, role) in [("data", Role::Data), (curve, Role::Model), ("continuum", Role::Null)] {
            ui.label(RichText::new(format!("— {name}")).small().color(role.color(theme)));
        }
        if !unit.trim().is_empty() {
            ui.weak(RichText::new(format!("in {}", typeset_unit(unit))).small());
        }
    });
    let room = ui.available_size();
    let color = Role::Reference.color(theme);
    let marks = lines.iter().map(|(line, x)| Mark { name: line_name(*line), x: *x, color });
    ui.allocate_ui(vec2(room.x, 0.58 * room.y), |ui| {
        LinePlot::new("spectrum with its fit")
            .y("flux", "")
            .series(Series::new("", &curves.data).role(Role::Data).style(SeriesStyle::Steps).width(1.0))
            .series(Series::new("", &curves.continuum).role(Role::Null).style(SeriesStyle::Dashed).width(1.0))
            .series(Series::new("", &curves.model).role(Role::Model).width(1.6))
            .marks(marks.collect())
            .link_x(link)
            .y_room(Y_ROOM)
            .show(ui, "lines spectrum");
    });
    let (Some(first), Some(last)) = (curves.data.first(), curves.data.last()) else { return };
    let level = |y: f64| vec![[first[0], y], [last[0], y]];
    let (low, high) = (level(-3.0), level(3.0));
    LinePlot::new("residuals in sigma")
        .x(axis_name(axis_unit), axis_unit)
        .y("sigma", "")
        .series(Series::new("", &curves.residual).role(Role::Residual).style(SeriesStyle::Steps).width(1.0))
        .series(Series::new("", &low).role(Role::Null).style(SeriesStyle::Dashed).width(1.0))
        .series(Series::new("", &high).role(Role::Null).style(SeriesStyle::Dashed).width(1.0))
        .include_y(4.0)
        .include_y(-4.0)
        .link_x(link)
        .y_room(Y_ROOM)
        .show(ui, "lines residual");
}

impl LineRatios {
    /// Spectrum and numbers of the spaxel that is looked at.
    pub(super) fn spaxel_ui(&mut self, ui: &mut Ui, finished: &Finished) {
        let Some(place) = self.spaxel_shown(finished) else {
            ui.weak("No line is seen anywhere in this cube");
            return;
        };
        let [y, x] = place.map(|v| fits_from_pixel(v as f64));
        let spaxel = self.work.spaxel.clone();
        ui.horizontal(|ui| {
            ui.label(RichText::new(format!("Spaxel x {x:.0}, y {y:.0}")).strong());
            match &spaxel {
                Some(spaxel) if spaxel.together > 1 && spaxel.place == place => {
                    ui.label(format!("mean of its bin of {} spaxels", spaxel.together));
                }
                _ => {}
            }
            if self.saved.compare.spaxel.is_none() {
                ui.weak("the brightest; click a map for another");
            } else if ui
                .small_button("Brightest")
                .on_hover_text("Back to the spaxel where lines are seen best")
                .clicked()
            {
                self.saved.compare.spaxel = None;
            }
        });
        let rows = rows_of_maps(finished, place);
        let height = (ROW * (rows.len() + 1) as f32).min(0.5 * ui.available_height());
        egui::Panel::bottom("lines numbers").resizable(true).default_size(height).size_range(60.0..=600.0).show(
            ui,
            |ui| {
                egui::ScrollArea::both().auto_shrink(false).show(ui, |ui| rows_ui(ui, &rows));
            },
        );
        if let Some(problem) = &self.work.spaxel_problem {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(problem).color(color)).wrap());
            return;
        }
        match spaxel {
            Some(spaxel) => match &spaxel.found {
                Some((curves, lines, kinematics)) => {
                    let units = [finished.outcome.unit.as_str(), finished.outcome.axis_unit.as_str()];
                    curves_ui(ui, curves, lines, units, curve_name(finished.request.method, *kinematics));
                }
                None => {
                    ui.weak("Too few samples of this spaxel count");
                }
            },
            None => {
                ui.spinner();
            }
        }
    }
}

/// The answer of a single spectrum.
pub(super) struct SingleFit {
    rows: Vec<Row>,
}

impl SingleFit {
    /// Of a run.
    pub(super) fn of(finished: &Finished) -> Self {
        Self { rows: rows_of_metrics(finished) }
    }

    /// Draws spectrum, residuals and numbers.
    pub(super) fn show(&self, ui: &mut Ui, finished: &Finished) {
        egui::Panel::right("lines single").resizable(true).default_size(NUMBERS).size_range(200.0..=500.0).show(
            ui,
            |ui| {
                egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                    rows_ui(ui, &self.rows);
                    for warning in &finished.record.warnings {
                        ui.add(egui::Label::new(RichText::new(format!("⚠ {warning}")).small()).wrap());
                    }
                });
            },
        );
        if let Some(curves) = &finished.single {
            let units = [finished.outcome.unit.as_str(), finished.outcome.axis_unit.as_str()];
            let by_network = finished.record.metrics.get("kinematics_by_network").is_some_and(|flag| *flag > 0.5);
            let kinematics = if by_network { Kinematics::Network } else { Kinematics::Fit };
            curves_ui(ui, curves, &[], units, curve_name(finished.request.method, kinematics));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_of_their_errors() {
        assert_eq!(with_error(123.456, 1.23), "123.5 ± 1.2");
        assert_eq!(with_error(0.35123, 0.0123), "0.351 ± 0.012");
        assert_eq!(with_error(-1234.6, 120.0), "-1235 ± 120");
        let row = |value, error, limit| Row {
            name: String::new(),
            unit: String::new(),
            value,
            error,
            limit,
            truth: None,
            prior_dominated: false,
        };
        assert_eq!(row(0.1, 0.2, 0.7).text(), "< 0.7");
        assert_eq!(row(f64::NAN, f64::NAN, f64::NAN).text(), "–");
        assert_eq!(row(1.5, f64::NAN, f64::NAN).text(), "1.5");
        assert_eq!(Row { prior_dominated: true, ..row(0.5, 0.2, f64::NAN) }.text(), "0.50 ± 0.20 (prior)");
    }
}
