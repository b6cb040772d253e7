//! The network at work: every evaluation on a scrub bar, beside the parametric mass and the truth.

use std::sync::Arc;
use std::time::Duration;

use egui::{RichText, Slider, Ui};
use ndarray::Array2;

use super::{Finished, NARROW, Truth};
use crate::panels::lens_reconstruction::curves::{MACHINE, MACHINE_SOURCE};
use crate::panels::maps::{Look, MapEvent, MapSpec, Views};
use crate::plots::colors::{Role, theme_of};
use crate::plots::line_plot::{LinePlot, Series};
use crate::studies::lens_reconstruction::rim::{Correlation, correlations};
use crate::studies::lens_reconstruction::{FitOutcome, NetworkSteps, convergence_on};

/// Seconds that a step stays while the steps are played.
const STAY: f64 = 0.5;

/// Everything of the steps that is drawn, made once.
pub(in super::super) struct Steps {
    sources: Vec<Arc<Array2<f32>>>,
    convergences: Vec<Arc<Array2<f32>>>,
    models: Vec<Arc<Array2<f32>>>,
    residuals: Vec<Arc<Array2<f32>>>,
    parametric: Option<Arc<Array2<f32>>>,
    true_source: Option<Arc<Array2<f32>>>,
    /// Of the source with the true one, after each step.
    correlations: Vec<Vec<Correlation>>,
    chi2: Vec<[f64; 2]>,
    finetuning: Vec<[f64; 2]>,
    refining: Vec<[f64; 2]>,
    /// Reduced chi2 of blank sky.
    sky: Option<f64>,
    pub(super) from: Arc<NetworkSteps>,
}

/// What of them a session keeps, and what is going on.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Playing {
    /// Since when the step stands, in seconds of the window; none while nothing is played.
    since: Option<f64>,
}

impl Steps {
    /// Of a fit by the network.
    pub(super) fn of(outcome: &FitOutcome, truth: Option<&Truth>) -> Option<Self> {
        let from = outcome.steps.clone().filter(|s| !s.is_empty())?;
        let maps = |cube| (0..from.len()).map(|k| Arc::new(NetworkSteps::map(cube, k))).collect::<Vec<_>>();
        let sources = maps(&from.sources);
        let true_source = truth.map(|t| t.source.clone()).filter(|t| t.dim() == sources[0].dim());
        let series = |values: &[f64]| values.iter().enumerate().map(|(k, v)| [k as f64 + 1.0, *v]).collect();
        let shape = (from.convergences.dim().1, from.convergences.dim().2);
        Some(Self {
            correlations: true_source
                .as_ref()
                .map(|t| sources.iter().map(|s| correlations(t, s)).collect())
                .unwrap_or_default(),
            convergences: maps(&from.convergences),
            models: maps(&from.models),
            residuals: maps(&from.residuals),
            parametric: outcome
                .scene
                .as_ref()
                .map(|s| Arc::new(convergence_on(&s.lens, from.centre_arcsec, shape, from.pixel_scale_arcsec))),
            // The refined state has its own curve, on the pixels that it was refined on.
            chi2: series(&from.reduced_chi2[..from.evaluations()]),
            finetuning: series(&from.finetuning),
            // On the way from the last evaluation to the step after it.
            refining: (0..from.refining.len())
                .map(|k| {
                    let way = k as f64 / (from.refining.len() - 1).max(1) as f64;
                    [from.evaluations() as f64 + way, from.refining[k]]
                })
                .collect(),
            sky: outcome.metrics_of("reduced_chi2_blank_sky"),
            sources,
            true_source,
            from,
        })
    }
}

/// Draws the steps; `step` is the one that is shown, from 0.
pub(super) fn steps_ui(
    ui: &mut Ui,
    finished: &Finished,
    steps: &Steps,
    step: &mut usize,
    playing: &mut Playing,
    views: &mut Views,
) -> Vec<MapEvent> {
    let last = steps.from.len() - 1;
    *step = (*step).min(last);
    bar_ui(ui, last, steps.from.evaluations(), step, playing);
    let shown = *step;
    let room = ui.available_size();
    let plots = |ui: &mut Ui| {
        let each =
            if steps.correlations.is_empty() { ui.available_height() } else { 0.5 * ui.available_height() - 4.0 };
        ui.allocate_ui(egui::vec2(ui.available_width(), each), |ui| chi2_ui(ui, steps, shown));
        if !steps.correlations.is_empty() {
            ui.allocate_ui(egui::vec2(ui.available_width(), each), |ui| correlation_ui(ui, steps, shown));
        }
    };
    if room.x < NARROW {
        egui::Panel::bottom("lens steps below").resizable(false).exact_size(0.4 * room.y).show(ui, plots);
    } else {
        egui::Panel::right("lens steps plots")
            .resizable(false)
            .exact_size((0.3 * room.x).clamp(240.0, 400.0))
            .show(ui, plots);
    }
    let from = &steps.from;
    let field = |id, title, image, look| {
        MapSpec::new(id, title, image, from.pixel_scale_arcsec, MACHINE, look).centre(from.centre_arcsec)
    };
    let source = |id, title, image| {
        MapSpec::new(id, title, image, from.source_scale_arcsec, MACHINE_SOURCE, Look::Light)
            .centre(from.centre_arcsec)
            .unit(&finished.outcome.unit)
    };
    let mut maps = vec![
        field("step model", "Model", &steps.models[shown], Look::Light).unit(&finished.outcome.unit),
        field("step residual", "Residual", &steps.residuals[shown], Look::Residual).unit("σ"),
        source("step source", "Source", &steps.sources[shown]),
        field("step convergence", "Convergence", &steps.convergences[shown], Look::Convergence),
    ];
    if let Some(parametric) = &steps.parametric {
        let map = field("step parametric", "Convergence, parametric fit", parametric, Look::Convergence);
        maps.push(map.limits_of("step convergence"));
    }
    if let Some(truth) = &steps.true_source {
        maps.push(source("step true source", "Source, truth", truth).limits_of("step source"));
    }
    let columns = if room.x < NARROW { 2 } else { 3 };
    views.grid_ui(ui, columns, &maps)
}

/// Play, and the scrub bar.
fn bar_ui(ui: &mut Ui, last: usize, evaluations: usize, step: &mut usize, playing: &mut Playing) {
    ui.horizontal(|ui| {
        let now = ui.input(|i| i.time);
        let text = if playing.since.is_some() { "Pause" } else { "Play" };
        if ui.button(text).on_hover_text("Play the evaluations of the network one after the other").clicked() {
            playing.since = match playing.since {
                Some(_) => None,
                None => {
                    if *step == last {
                        *step = 0;
                    }
                    Some(now)
                }
            };
        }
        let label = ui.label("Step");
        let mut number = *step + 1;
        ui.spacing_mut().slider_width = (ui.available_width() - 240.0).clamp(80.0, 320.0);
        if ui.add(Slider::new(&mut number, 1..=last + 1)).labelled_by(label.id).changed() {
            *step = number - 1;
            playing.since = None;
        }
        ui.label(if *step < evaluations {
            format!("evaluation {} of {evaluations}", *step + 1)
        } else {
            "refined on the image".to_owned()
        });
        let Some(since) = playing.since else { return };
        if now - since >= STAY {
            if *step == last {
                playing.since = None;
            } else {
                *step += 1;
                playing.since = Some(now);
            }
        }
        ui.ctx().request_repaint_after(Duration::from_secs_f64(STAY - (now - since).clamp(0.0, STAY) + 0.01));
    });
}

fn chi2_ui(ui: &mut Ui, steps: &Steps, shown: usize) {
    let theme = theme_of(ui.visuals());
    let mut plot = LinePlot::new("χ² of the steps")
        .x("step", "")
        .y("reduced χ² on the network's pixels", "")
        .log_y(true)
        .series(Series::new("network", &steps.chi2).role(Role::Network));
    let network = steps.chi2.len() + usize::from(!steps.refining.is_empty());
    let longest = network.max(steps.finetuning.len());
    let sky = steps.sky.map(|v| [[1.0, v], [longest as f64, v]]);
    if let Some(sky) = &sky {
        plot = plot.series(Series::new("blank sky", sky).role(Role::Reference));
    }
    if !steps.refining.is_empty() {
        plot = plot.series(Series::new("refining", &steps.refining).role(Role::Model));
    }
    if !steps.finetuning.is_empty() {
        plot = plot.series(Series::new("fine-tuning", &steps.finetuning).role(Role::Data));
    }
    plot.vertical_line("shown", shown as f64 + 1.0, Role::Reference.color(theme)).show(ui, "lens steps chi2");
}

fn correlation_ui(ui: &mut Ui, steps: &Steps, shown: usize) {
    let row = &steps.correlations[shown];
    let line = |of: fn(&Correlation) -> f64| row.iter().map(|c| [c.frequency, of(c)]).collect::<Vec<_>>();
    let (signed, modulus) = (line(|c| c.signed), line(|c| c.modulus));
    ui.label(RichText::new("Source against the truth, by the size of structures").small());
    LinePlot::new("correlation of the source")
        .x("spatial frequency", "1/pixel")
        .y("correlation γ", "")
        .include_y(0.0)
        .include_y(1.0)
        .series(Series::new("signed", &signed).role(Role::Network))
        .series(Series::new("of moduli, as published", &modulus).role(Role::Data))
        .show(ui, "lens steps correlation");
}
