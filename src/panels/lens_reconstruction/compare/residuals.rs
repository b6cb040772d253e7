//! The residual desk: the map at fixed limits, chi2 beside doing nothing and beside blank sky, the histogram, the autocorrelation.

use egui::{Grid, RichText, Ui, vec2};

use super::maps::MapMaker;
use super::{Finished, NARROW};
use crate::panels::maps::{MapEvent, Views};
use crate::plots::axes::format_value;
use crate::plots::colors::{Role, theme_of};
use crate::plots::line_plot::{LinePlot, Series, SeriesStyle};
use crate::studies::lens_reconstruction::{Lag, ResidualStatistics, Sample};
use crate::tasks::Outcome;

/// Sigma from white noise that are worth words.
const CLEAR: f64 = 2.5;

/// Draws the desk; tells what the pointer did on the map.
pub(super) fn desk_ui(ui: &mut Ui, finished: &Finished, maker: &MapMaker<'_>, views: &mut Views) -> Vec<MapEvent> {
    let room = ui.available_size();
    if room.x < NARROW {
        return stacked_ui(ui, finished, maker, views);
    }
    let left = (0.5 * room.x).floor();
    let table = 150.0_f32.min(0.4 * room.y);
    let mut events = Vec::new();
    ui.horizontal_top(|ui| {
        ui.allocate_ui(vec2(left, room.y), |ui| {
            ui.vertical(|ui| {
                ui.allocate_ui(vec2(left, room.y - table - 8.0), |ui| {
                    events = views.grid_ui(ui, 1, &[maker.residual()]);
                });
                egui::ScrollArea::vertical().id_salt("lens residual numbers").auto_shrink(false).show(ui, |ui| {
                    table_ui(ui, finished);
                });
            });
        });
        ui.allocate_ui(vec2(ui.available_width(), room.y), |ui| {
            ui.vertical(|ui| plots_ui(ui, finished));
        });
    });
    events
}

/// In a narrow window: the map above, the rest below it, scrolled.
fn stacked_ui(ui: &mut Ui, finished: &Finished, maker: &MapMaker<'_>, views: &mut Views) -> Vec<MapEvent> {
    let room = ui.available_size();
    let mut events = Vec::new();
    ui.allocate_ui(vec2(room.x, 0.48 * room.y), |ui| {
        ui.set_min_size(ui.available_size());
        events = views.grid_ui(ui, 1, &[maker.residual()]);
    });
    egui::ScrollArea::vertical().id_salt("lens residual desk").auto_shrink(false).show(ui, |ui| {
        table_ui(ui, finished);
        ui.allocate_ui(vec2(ui.available_width(), 380.0), |ui| {
            ui.set_min_size(ui.available_size());
            plots_ui(ui, finished);
        });
    });
    events
}

fn plots_ui(ui: &mut Ui, finished: &Finished) {
    let Some(statistics) = finished.statistics.as_deref() else {
        ui.weak("Too few residuals for statistics");
        return;
    };
    let half = 0.5 * ui.available_height();
    let fitted = &statistics.fitted;
    ui.allocate_ui(vec2(ui.available_width(), half - 4.0), |ui| {
        ui.vertical(|ui| {
            let text = format!(
                "Residuals in the mask: mean {:+.3}, standard deviation {:.3}",
                fitted.mean, fitted.standard_deviation
            );
            ui.label(RichText::new(text).small());
            finished.histogram.show(ui, "lens desk histogram", "Residual", "sigma", true, false);
        });
    });
    ui.allocate_ui(vec2(ui.available_width(), ui.available_height()), |ui| {
        ui.vertical(|ui| {
            let metrics = finished.outcome.metrics();
            let number = |name: &str| metrics.get(name).copied().filter(|v| v.is_finite());
            let fitted = number("pixels").zip(number("degrees_of_freedom")).map_or(0.0, |(n, d)| (n - d) / n.max(1.0));
            ui.add(egui::Label::new(RichText::new(verdict(statistics, fitted)).small()).wrap());
            autocorrelation_ui(ui, statistics);
        });
    });
}

fn autocorrelation_ui(ui: &mut Ui, statistics: &ResidualStatistics) {
    let theme = theme_of(ui.visuals());
    let points = |s: &Sample| s.autocorrelation.iter().map(|l| [l.distance_px, l.correlation]).collect::<Vec<_>>();
    let fitted = points(&statistics.fitted);
    let sky = statistics.blank_sky.as_ref().map(points);
    let band: Vec<[f64; 3]> = (statistics.fitted.autocorrelation.iter())
        .map(|l| [l.distance_px, l.expected - l.sigma, l.expected + l.sigma])
        .collect();
    let expected: Vec<[f64; 2]> =
        statistics.fitted.autocorrelation.iter().map(|l| [l.distance_px, l.expected]).collect();
    let mut plot = LinePlot::new("Autocorrelation of the residuals")
        .x("Distance", "pixels")
        .y("correlation", "")
        .band("white noise, 1 sigma", &band, Role::Null.color(theme))
        .series(Series::new("white noise", &expected).role(Role::Null).style(SeriesStyle::Dashed))
        .series(Series::new("in the mask", &fitted).role(Role::Residual))
        .include_y(0.0);
    if let Some(sky) = &sky {
        plot = plot.series(Series::new("blank sky", sky).role(Role::Reference));
    }
    plot.show(ui, "lens desk autocorrelation");
}

fn pull(lag: &Lag) -> f64 {
    (lag.correlation - lag.expected) / lag.sigma
}

/// What the autocorrelation says, in words. `fitted` is the share of the pixels' freedom that the model took: residuals of a smooth model
/// anticorrelate by about that much.
fn verdict(statistics: &ResidualStatistics, fitted: f64) -> String {
    let Some(first) = statistics.fitted.autocorrelation.first() else { return String::new() };
    let beyond = pull(first) + fitted / first.sigma;
    let sky = statistics.blank_sky.as_ref().and_then(|s| s.autocorrelation.first());
    let number = format!("Neighbours correlate by {:+.3} ± {:.3}", first.correlation, first.sigma);
    let says = match sky {
        Some(sky)
            if pull(sky) > CLEAR && first.correlation > sky.correlation + CLEAR * first.sigma.hypot(sky.sigma) =>
        {
            format!(
                "more than blank sky ({:+.3}), whose noise is not independent either: structure is left over",
                sky.correlation
            )
        }
        Some(sky) if pull(sky) > CLEAR => {
            format!(
                "as blank sky does ({:+.3}): the noise is not independent from pixel to pixel, errors are too small",
                sky.correlation
            )
        }
        _ if beyond > CLEAR => format!("{beyond:.1} sigma more than white noise: structure is left over"),
        _ if beyond < -CLEAR => {
            format!("{:.1} sigma less than white noise: the model follows the noise", -beyond)
        }
        _ => "as white noise does".to_owned(),
    };
    format!("{number}, {says}")
}

fn table_ui(ui: &mut Ui, finished: &Finished) {
    let theme = theme_of(ui.visuals());
    let metrics = finished.outcome.metrics();
    let number = |name: &str| metrics.get(name).copied().filter(|v| v.is_finite());
    let statistics = finished.statistics.as_deref();
    let fitted = statistics.map(|s| &s.fitted);
    let blank = statistics.and_then(|s| s.blank_sky.as_ref());
    let small = |text: String| RichText::new(text).small();
    let grid = Grid::new("lens desk chi2").num_columns(7).striped(true).spacing([10.0, 2.0]);
    let rows = |ui: &mut Ui| {
        for (text, help) in [
            ("", ""),
            ("reduced χ²", "In the mask, on the pixels of the data; the sky clipped at 3 sigma"),
            ("pixels", ""),
            ("mean", "In sigma"),
            ("sd", "Standard deviation in sigma; of blank sky after clipping at 3 sigma, which takes 1.3 per cent"),
            ("> 3σ", "Of white noise 0.27 per cent"),
            ("> 5σ", "Of white noise 6 in ten million"),
        ] {
            let label = ui.label(RichText::new(text).small().strong());
            if !help.is_empty() {
                label.on_hover_text(help);
            }
        }
        ui.end_row();
        for (name, metric, role, sample) in [
            (finished.method_name(), "reduced_chi2", Role::Model, fitted),
            ("Null: no lensed source", "reduced_chi2_null", Role::Null, None),
            ("Blank sky", "reduced_chi2_blank_sky", Role::Reference, blank),
        ] {
            ui.label(RichText::new(name).small().color(role.color(theme)));
            ui.label(small(number(metric).map_or_else(|| "–".into(), |v| format_value(v, 5))));
            let cells = match sample {
                Some(s) => [
                    s.pixels.to_string(),
                    format!("{:+.3}", s.mean),
                    format!("{:.3}", s.standard_deviation),
                    format!("{:.2} %", 100.0 * s.beyond_3_sigma as f64 / s.pixels as f64),
                    s.beyond_5_sigma.to_string(),
                ],
                None => [(); 5].map(|()| "–".to_owned()),
            };
            for text in cells {
                ui.label(small(text));
            }
            ui.end_row();
        }
    };
    // Scrolled on its own, so that the words below keep to the width that is seen.
    egui::ScrollArea::horizontal().id_salt("lens desk table").auto_shrink([false, true]).show(ui, |ui| {
        grid.show(ui, rows);
    });
    if let (Some(fitted), Some(freedom)) = (fitted, number("degrees_of_freedom")) {
        let text = format!(
            "χ² {} in {} pixels, {freedom:.0} degrees of freedom; colours of the map end at ±5 sigma",
            format_value(fitted.chi2, 6),
            fitted.pixels
        );
        ui.add(egui::Label::new(RichText::new(text).small().weak()).wrap());
    }
}
