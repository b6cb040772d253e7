//! Step 2: the fit at work. Residual map and chi2 fall while one watches.

use std::sync::Arc;

use egui::{RichText, Ui};

use super::curves::{LIVE, LIVE_SOURCE};
use super::{LensReconstruction, Origin};
use crate::panels::PanelContext;
use crate::panels::maps::{Look, MapSpec};
use crate::plots::line_plot::{LinePlot, Series as Line};
use crate::studies::lens_reconstruction::classical::Phase;
use crate::studies::lens_reconstruction::{EVIDENCE, FitUpdate};
use crate::tasks::Series;

impl LensReconstruction {
    /// The effective Einstein radius of an update, computed once for each: it follows the critical curve around.
    fn live_radius(&mut self, update: &Arc<FitUpdate>) -> f64 {
        match &self.work.live_radius {
            Some((known, radius)) if Arc::ptr_eq(known, update) => *radius,
            _ => {
                let radius = update.lens.effective_einstein_radius();
                self.work.live_radius = Some((update.clone(), radius));
                radius
            }
        }
    }

    /// Draws the step.
    pub(super) fn run_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        ui.horizontal_wrapped(|ui| {
            let what = match self.saved.origin {
                Origin::Simulate => "the simulated lens",
                Origin::Files => "your files",
                Origin::Prior => "a lens that is to be chosen in step 1",
            };
            if self.run.is_running() {
                self.run.controls_ui(ui, cx.services);
            } else if ui
                .add_enabled(self.can_run(), egui::Button::new(RichText::new("Start the fit").strong()))
                .on_hover_text(format!("Fit {what}"))
                .on_disabled_hover_text(
                    self.unreadable
                        .as_deref()
                        .unwrap_or("Something is wrong in step 1, or what was drawn is still being written"),
                )
                .clicked()
            {
                self.start(cx);
            } else {
                ui.weak(format!("of {what}; settings are in the inspector"));
            }
        });
        if let Some(error) = self.unreadable.as_ref().or(self.run.error.as_ref()) {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(error).color(color)).wrap());
        }
        let Some(board) = self.run.board().cloned() else {
            ui.add_space(30.0);
            ui.vertical_centered(|ui| ui.weak("The residual map, the model and chi2 appear here while the fit runs"));
            return;
        };
        let update = board.latest::<FitUpdate>();
        if let Some(update) = &update {
            let galaxy = &update.lens.galaxy;
            let radius = self.live_radius(update);
            ui.horizontal_wrapped(|ui| {
                if matches!(update.phase, Phase::Inversion | Phase::Pixels) {
                    ui.label(update.phase.label());
                } else {
                    ui.label(format!("start {}", update.start + 1));
                }
                ui.label(format!("step {}", update.step));
                ui.label(format!("reduced χ² {:.3}", update.reduced_chi2));
                // Before that the lens still stands at its start values, which are not results.
                if !matches!(update.phase, Phase::Starts | Phase::Joint | Phase::Inversion | Phase::Pixels) {
                    return;
                }
                ui.label(format!("effective Einstein radius {radius:.3} arcsec"));
                ui.label(format!("axis ratio {:.3}", galaxy.axis_ratio));
                ui.label(format!("shear {:.3}", update.lens.shear.strength()));
            });
        }
        let series = board.series();
        let plot_height = (ui.available_height() * 0.36).clamp(110.0, 300.0);
        if let Some(update) = update {
            let height = ui.available_height() - plot_height - 8.0;
            let scale = update.pixel_scale_arcsec;
            let mut maps = vec![
                MapSpec::new("live residual", "Residual", &update.residual, scale, LIVE, Look::Residual).unit("sigma"),
                MapSpec::new("live model", "Model", &update.model, scale, LIVE, Look::Light),
            ];
            if let Some(source) = &update.source {
                let spec = MapSpec::new(
                    "live source",
                    "Source",
                    &source.map,
                    source.pixel_scale_arcsec,
                    LIVE_SOURCE,
                    Look::Light,
                );
                maps.push(spec.centre(source.centre_arcsec));
            }
            if let Some(mass) = &update.convergence {
                maps.push(MapSpec::new(
                    "live convergence",
                    "Convergence",
                    &mass.map,
                    mass.pixel_scale_arcsec,
                    LIVE,
                    Look::Convergence,
                ));
            }
            let columns = maps.len();
            ui.allocate_ui(egui::vec2(ui.available_width(), height), |ui| self.views.grid_ui(ui, columns, &maps));
        }
        series_ui(ui, &series);
    }
}

/// Reduced chi2 by step, and beside it the evidence of the methods that have one.
fn series_ui(ui: &mut Ui, series: &[Series]) {
    let (evidence, chi2): (Vec<Series>, Vec<Series>) = series.iter().cloned().partition(|s| s.name == EVIDENCE);
    let Some(evidence) = evidence.first() else {
        crate::panels::series_ui(ui, "lens chi2", &chi2, "step", "reduced χ²");
        return;
    };
    ui.columns(2, |columns| {
        crate::panels::series_ui(&mut columns[0], "lens chi2", &chi2, "step", "reduced χ²");
        let plot = LinePlot::new("lens evidence").x("step", "").y("ln evidence", "");
        plot.series(Line::new(EVIDENCE, &evidence.points)).show(&mut columns[1], "lens evidence");
    });
}
