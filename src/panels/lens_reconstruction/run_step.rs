//! Step 2: the fit at work. Residual map and chi2 fall while one watches.

use egui::{RichText, Ui};

use super::curves::LIVE;
use super::{LensReconstruction, Origin};
use crate::panels::PanelContext;
use crate::panels::maps::{Look, MapSpec};
use crate::studies::lens_reconstruction::FitUpdate;
use crate::studies::lens_reconstruction::classical::Phase;

impl LensReconstruction {
    /// Draws the step.
    pub(super) fn run_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        ui.horizontal_wrapped(|ui| {
            let what = match self.saved.origin {
                Origin::Simulate => "the simulated lens",
                Origin::Files => "your files",
            };
            if self.run.is_running() {
                self.run.controls_ui(ui, cx.services);
            } else if ui.button(RichText::new("Start the fit").strong()).on_hover_text(format!("Fit {what}")).clicked()
            {
                self.start(cx);
            } else {
                ui.weak(format!("of {what}; settings are in the inspector"));
            }
        });
        if let Some(error) = &self.run.error {
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
            let radius = update.lens.effective_einstein_radius();
            ui.horizontal_wrapped(|ui| {
                ui.label(format!("start {}", update.start + 1));
                ui.label(format!("step {}", update.step));
                ui.label(format!("reduced χ² {:.3}", update.reduced_chi2));
                // Before that the lens still stands at its start values, which are not results.
                if !matches!(update.phase, Phase::Starts | Phase::Joint) {
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
            let maps = [
                MapSpec::new("live residual", "Residual", &update.residual, scale, LIVE, Look::Residual).unit("sigma"),
                MapSpec::new("live model", "Model", &update.model, scale, LIVE, Look::Light),
            ];
            ui.allocate_ui(egui::vec2(ui.available_width(), height), |ui| self.views.grid_ui(ui, 2, &maps));
        }
        crate::panels::series_ui(ui, "lens chi2", &series, "step", "reduced χ²");
    }
}
