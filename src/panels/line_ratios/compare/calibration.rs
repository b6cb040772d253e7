//! Held-out spectra: found against true, how often the 68 % intervals hold the truth, pulls against a normal distribution.

use std::sync::Arc;

use egui::{Grid, RichText, Ui, vec2};
use serde::{Deserialize, Serialize};

use super::super::LineRatios;
use super::shown::ratio_name;
use crate::numerics::special::gamma_p;
use crate::panels::PanelContext;
use crate::plots::colors::{Role, theme_of};
use crate::plots::line_plot::{LinePlot, Series, SeriesStyle};
use crate::plots::scatter_plot::{Curve, Dots, ScatterPlot};
use crate::studies::line_ratios::BenchmarkOutcome;
use crate::studies::line_ratios::benchmark::{METHODS, PULL_BINS, PULL_REACH};
use crate::studies::line_ratios::prior::RATIOS;
use crate::tasks::TaskError;
use crate::workers::{Key, Weigh};

/// Share of a normal distribution within one standard deviation.
const ONE_SIGMA: f64 = 0.6827;

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Looked {
    /// A ratio, `velocity` or `broadening`.
    pub quantity: String,
    /// One of [`METHODS`].
    pub method: String,
    /// Which S/N, from 0; none for the middle one.
    pub bin: Option<usize>,
}

impl Default for Looked {
    fn default() -> Self {
        Self { quantity: "NII6583/Halpha".into(), method: METHODS[0].into(), bin: None }
    }
}

/// One S/N of the table.
struct Line {
    signal_to_noise: f64,
    claimed: f64,
    slope: f64,
    coverage: f64,
    half_width: f64,
    null: f64,
    pull_median: f64,
    pull_width: f64,
}

/// The plots of one quantity, made off the thread that draws.
pub(super) struct Calibrated {
    looked: Looked,
    lines: Vec<Line>,
    bin: usize,
    /// Where a value is claimed, and where not.
    claimed: Vec<[f64; 2]>,
    other: Vec<[f64; 2]>,
    diagonal: Vec<[f64; 2]>,
    /// Coverage against S/N, by method.
    coverage: Vec<(&'static str, Vec<[f64; 2]>)>,
    /// Pulls, and the normal distribution in the same steps.
    pulls: Vec<[f64; 2]>,
    normal: Vec<[f64; 2]>,
}

impl Weigh for Calibrated {
    fn bytes(&self) -> usize {
        16 * (self.claimed.len() + self.other.len()) + 4096
    }
}

/// Share of a standard normal distribution below a value.
fn below(x: f64) -> f64 {
    0.5 * (1.0 + x.signum() * gamma_p(0.5, 0.5 * x * x))
}

impl Calibrated {
    pub(super) fn of(outcome: &BenchmarkOutcome, looked: &Looked) -> Self {
        let rows = |method: &str| {
            let method = method.to_owned();
            outcome
                .rows
                .iter()
                .filter(move |row| row.prior == "corrected" && row.method == method && row.quantity == looked.quantity)
        };
        let pull_of = |signal_to_noise: f64| {
            outcome.pulls.iter().find(|row| {
                row.method == looked.method
                    && row.quantity == looked.quantity
                    && (row.signal_to_noise - signal_to_noise).abs() < 1e-9
            })
        };
        let lines: Vec<Line> = rows(&looked.method)
            .map(|row| {
                let pull = pull_of(row.signal_to_noise);
                let null = rows("null").find(|null| (null.signal_to_noise - row.signal_to_noise).abs() < 1e-9);
                Line {
                    signal_to_noise: row.signal_to_noise,
                    claimed: row.claimed,
                    slope: row.claimed_slope,
                    coverage: row.coverage,
                    half_width: row.half_width,
                    null: null.map_or(f64::NAN, |null| null.half_width),
                    pull_median: pull.map_or(f64::NAN, |pull| pull.median),
                    pull_width: pull.map_or(f64::NAN, |pull| pull.half_width),
                }
            })
            .collect();
        let bin = looked.bin.unwrap_or(lines.len() / 2).min(lines.len().saturating_sub(1));
        let signal = lines.get(bin).map_or(f64::NAN, |line| line.signal_to_noise);
        let place = METHODS.iter().position(|method| *method == looked.method).unwrap_or(0);
        let own = || {
            let of_bin = outcome.held_out.iter().filter(move |row| (row.signal_to_noise - signal).abs() < 1e-9);
            of_bin.filter(|row| row.quantity == looked.quantity && row.found[place].value.is_finite())
        };
        let points = |claimed: bool| -> Vec<[f64; 2]> {
            own().filter(|row| row.claimed[place] == claimed).map(|row| [row.truth, row.found[place].value]).collect()
        };
        let truths = || own().map(|row| row.truth);
        let range = [truths().fold(f64::INFINITY, f64::min), truths().fold(f64::NEG_INFINITY, f64::max)];
        let finite = |points: Vec<[f64; 2]>| -> Vec<[f64; 2]> {
            points.into_iter().filter(|point| point[1].is_finite()).collect()
        };
        let step = 2.0 * PULL_REACH / PULL_BINS as f64;
        let middle = |k: usize| -PULL_REACH + (k as f64 + 0.5) * step;
        let pull = pull_of(signal).filter(|pull| pull.count > 0.0);
        let normal = |k: usize| {
            let [low, high] = [middle(k) - 0.5 * step, middle(k) + 0.5 * step];
            // The ends hold all that lies beyond.
            let low = if k == 0 { 0.0 } else { below(low) };
            let high = if k + 1 == PULL_BINS { 1.0 } else { below(high) };
            [middle(k), high - low]
        };
        Self {
            looked: looked.clone(),
            bin,
            claimed: points(true),
            other: points(false),
            diagonal: range.map(|x| [x, x]).into_iter().filter(|p| p[0].is_finite()).collect(),
            coverage: METHODS
                .map(|method| (method, finite(rows(method).map(|r| [r.signal_to_noise, r.coverage]).collect())))
                .into_iter()
                .filter(|(_, points)| !points.is_empty())
                .collect(),
            pulls: pull.map_or_else(Vec::new, |p| (0..PULL_BINS).map(|k| [middle(k), p.pulls[k]]).collect()),
            normal: (0..PULL_BINS).map(normal).collect(),
            lines,
        }
    }
}

fn role_of(method: &str) -> Role {
    match method {
        "network" => Role::Network,
        "fit" => Role::Model,
        _ => Role::Data,
    }
}

fn quantity_name(quantity: &str) -> String {
    match quantity {
        "velocity" => "Velocity".into(),
        "broadening" => "Broadening".into(),
        ratio => ratio_name(ratio),
    }
}

impl LineRatios {
    pub(super) fn ask_calibrated(&mut self, cx: &mut PanelContext<'_>) {
        let Some(run) = self.work.held_out.clone().filter(|run| run.found.is_some()) else {
            self.work.calibrated = None;
            return;
        };
        let looked = self.saved.compare.looked.clone();
        let key = Key::of(&("calibrated", run.key(), &looked.quantity, &looked.method, looked.bin));
        let wanted = looked.clone();
        let answer = cx.services.queries.ask(cx.slot("calibrated"), key, &cx.services.wake, move |_| {
            let outcome = run.found.as_ref().map(|(_, outcome)| outcome.clone()).unwrap_or_default();
            Ok::<_, TaskError>(Calibrated::of(&outcome, &wanted))
        });
        self.work.waiting |= answer.ready().is_none();
        self.work.calibrated = answer.newest().filter(|c| c.looked == looked).cloned();
    }

    /// Draws the sight.
    pub(super) fn calibration_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        if self.benchmark_ui(ui, cx).is_none() {
            return;
        }
        let Some(shown) = self.work.calibrated.clone() else {
            ui.spinner();
            return;
        };
        self.looked_ui(ui, &shown);
        let height = (24.0 + 20.0 * (shown.lines.len() + 1) as f32).min(0.4 * ui.available_height());
        egui::Panel::bottom("lines calibration numbers").resizable(true).default_size(height).show(ui, |ui| {
            egui::ScrollArea::both().auto_shrink(false).show(ui, |ui| table_ui(ui, &shown));
        });
        let half = 0.5 * ui.available_width();
        egui::Panel::right("lines calibration right").resizable(true).default_size(half).show(ui, |ui| {
            ui.set_min_height(ui.available_height());
            right_ui(ui, &shown);
        });
        scatter_ui(ui, &shown);
    }

    /// Which quantity, method and S/N.
    fn looked_ui(&mut self, ui: &mut Ui, shown: &Calibrated) {
        let looked = &mut self.saved.compare.looked;
        ui.horizontal_wrapped(|ui| {
            egui::ComboBox::new("lines calibration quantity", "")
                .selected_text(quantity_name(&looked.quantity))
                .show_ui(ui, |ui| {
                    for quantity in RATIOS.into_iter().chain(["velocity", "broadening"]) {
                        let chosen = looked.quantity == quantity;
                        if ui.selectable_label(chosen, quantity_name(quantity)).clicked() {
                            looked.quantity = quantity.to_owned();
                        }
                    }
                })
                .response
                .on_hover_text("Which quantity of the held-out spectra");
            ui.separator();
            for method in METHODS {
                let there = shown.coverage.iter().any(|(other, _)| *other == method) || method == looked.method;
                let choice =
                    ui.add_enabled(there, egui::Button::selectable(looked.method == method, format!("by {method}")));
                if choice.on_disabled_hover_text("It claims no value of this quantity").clicked() {
                    looked.method = method.to_owned();
                }
            }
            ui.separator();
            ui.label("S/N");
            for (k, line) in shown.lines.iter().enumerate() {
                let text = format!("{}", line.signal_to_noise);
                let help = "Peak of the brightest line of each filter over the noise";
                if ui.selectable_label(shown.bin == k, text).on_hover_text(help).clicked() {
                    looked.bin = Some(k);
                }
            }
        });
    }
}

fn scatter_ui(ui: &mut Ui, shown: &Calibrated) {
    let theme = theme_of(ui.visuals());
    let Some(line) = shown.lines.get(shown.bin) else {
        ui.weak("This benchmark has no such quantity");
        return;
    };
    let unit = if shown.looked.quantity.contains('/') { "dex" } else { "km/s" };
    let slope =
        if line.slope.is_finite() { format!("slope {:.3}", line.slope) } else { "no slope: too few claimed".into() };
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(slope).strong())
            .on_hover_text("Straight line through found against true, of the claimed values");
        ui.label(format!("{} claimed, {} prior-dominated or not seen", shown.claimed.len(), shown.other.len()));
    });
    let dots = [
        Dots { points: shown.other.clone(), color: Role::Null.color(theme) },
        Dots { points: shown.claimed.clone(), color: role_of(&shown.looked.method).color(theme) },
    ];
    let name = if unit == "dex" {
        [format!("true log {}", quantity_name(&shown.looked.quantity)), "found".to_owned()]
    } else {
        [format!("true {}, km/s", shown.looked.quantity), "found, km/s".to_owned()]
    };
    let diagonal =
        Curve { name: "found = true", points: &shown.diagonal, color: Role::Reference.color(theme), dashed: true };
    ScatterPlot::new("found against true")
        .x(&name[0], "", false)
        .y(&name[1], "", false)
        .dots(&dots)
        .curves(vec![diagonal])
        .show(ui, ("lines found against true", &shown.looked.quantity, &shown.looked.method, shown.bin));
}

fn right_ui(ui: &mut Ui, shown: &Calibrated) {
    let room = ui.available_size();
    let ends = |y: f64| -> Vec<[f64; 2]> {
        let ends = shown.lines.first().zip(shown.lines.last());
        ends.map_or_else(Vec::new, |(a, b)| vec![[a.signal_to_noise, y], [b.signal_to_noise, y]])
    };
    let reference = ends(ONE_SIGMA);
    ui.allocate_ui(vec2(room.x, 0.48 * room.y), |ui| {
        let mut plot = LinePlot::new("coverage of 68 % intervals")
            .x("S/N", "")
            .y("coverage of 68 % intervals", "")
            .series(Series::new("68.3 %", &reference).role(Role::Reference).style(SeriesStyle::Dashed).width(1.0))
            .include_y(0.4)
            .include_y(1.0);
        for (method, points) in &shown.coverage {
            plot = plot.series(Series::new(method, points).role(role_of(method)).width(1.8));
        }
        plot.show(ui, "lines coverage");
    });
    if shown.pulls.is_empty() {
        ui.weak("No value is claimed at this S/N: there are no pulls");
        return;
    }
    LinePlot::new("pulls")
        .x("(found − true) / error", "")
        .y("share", "")
        .series(
            Series::new(&shown.looked.method, &shown.pulls)
                .role(role_of(&shown.looked.method))
                .style(SeriesStyle::Bars),
        )
        .series(Series::new("normal", &shown.normal).role(Role::Reference).width(1.6))
        .show(ui, "lines pulls");
}

fn table_ui(ui: &mut Ui, shown: &Calibrated) {
    let heads = [
        ("S/N", "Peak of the brightest line of each filter over the noise"),
        (
            "claimed",
            "Share of the spectra of which a value is claimed; the others are prior-dominated, or a line is not seen",
        ),
        ("slope", "Of found against true, where a value is claimed"),
        ("in 68 %", "Share of the claimed values within one claimed error of the truth: 68.3 % if all is well"),
        ("pull median", "Of (found − true) / error, where a value is claimed: 0 if all is well"),
        ("pull width", "Half the range of the middle 68 % of them: 1 if all is well"),
        ("half width", "Half the range of the middle 68 % of the errors of all spectra: dex, or km/s"),
        ("prior alone", "The same for the median of all truths, whatever the spectrum"),
    ];
    Grid::new("lines calibration table").num_columns(heads.len()).striped(true).spacing([16.0, 2.0]).show(ui, |ui| {
        for (head, help) in heads {
            ui.label(RichText::new(head).small().strong()).on_hover_text(help);
        }
        ui.end_row();
        let number = |value: f64, decimals: usize| {
            if value.is_finite() { format!("{value:.decimals$}") } else { "–".to_owned() }
        };
        // What could not be measured at all is counted as off by a thousand.
        let width = |value: f64| if value < 300.0 { number(value, 3) } else { "not seen".to_owned() };
        for line in &shown.lines {
            let percent = |share: f64| if share.is_finite() { format!("{:.1} %", 100.0 * share) } else { "–".into() };
            for text in [
                format!("{}", line.signal_to_noise),
                percent(line.claimed),
                number(line.slope, 3),
                percent(line.coverage),
                number(line.pull_median, 2),
                number(line.pull_width, 2),
                width(line.half_width),
                width(line.null),
            ] {
                ui.label(RichText::new(text).small());
            }
            ui.end_row();
        }
    });
}

/// Kept beside what is asked, so that the type is named once.
pub(super) type Shown = Option<Arc<Calibrated>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_of_the_pulls_is_whole() {
        let shown = Calibrated::of(&BenchmarkOutcome::default(), &Looked::default());
        let sum: f64 = shown.normal.iter().map(|p| p[1]).sum();
        // Of steps of half a sigma the two in the middle hold 2 x 19.15 %.
        assert!((sum - 1.0).abs() < 1e-9 && (shown.normal[8][1] - 0.1915).abs() < 1e-4, "{sum}");
        assert!(shown.lines.is_empty() && shown.pulls.is_empty());
    }
}
