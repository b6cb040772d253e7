//! Step 2: the fit at work. Maps of velocity, broadening and flux fill while one watches.

use egui::{RichText, Ui};

use super::data_step::line_name;
use super::{LineRatios, Origin};
use crate::panels::PanelContext;
use crate::panels::maps::{Look, MapSpec};
use crate::studies::line_ratios::FitUpdate;
use crate::studies::line_ratios::lines::Line;

/// Frame of the maps of this step.
const LIVE: &str = "lines live";

impl LineRatios {
    /// Draws the step.
    pub(super) fn run_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        ui.horizontal_wrapped(|ui| {
            let what = match self.saved.origin {
                Origin::Galaxy => "the simulated galaxy",
                Origin::File => "your file",
            };
            if self.run.is_running() {
                self.run.controls_ui(ui, cx.services);
            } else if ui
                .add_enabled(self.can_start(), egui::Button::new(RichText::new("Start the fit").strong()))
                .on_hover_text(format!("Measure the lines of {what}"))
                .on_disabled_hover_text(
                    self.unreadable.as_deref().or(self.preview.problem.as_deref()).unwrap_or("Choose a file in step 1"),
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
        let update = self.run.board().and_then(|board| board.latest::<FitUpdate>());
        let Some(update) = update else {
            ui.add_space(30.0);
            ui.vertical_centered(|ui| {
                ui.weak("Maps of velocity, broadening and flux fill here while the fit runs");
            });
            return;
        };
        let line = Line::by_name(update.line).map_or(update.line, line_name);
        ui.horizontal_wrapped(|ui| {
            ui.label(format!("{} of {} spectra", update.done, update.total));
            ui.weak("grey: not measured yet, or no line found");
        });
        let flux = format!("Flux of {line}");
        let scale = update.pixel_scale_arcsec.unwrap_or(0.0);
        let maps = [
            MapSpec::new("live velocity", "Velocity", &update.velocity, scale, LIVE, Look::Velocity).unit("km/s"),
            MapSpec::new("live broadening", "Broadening", &update.broadening, scale, LIVE, Look::Plain).unit("km/s"),
            MapSpec::new("live flux", &flux, &update.flux, scale, LIVE, Look::Light),
        ];
        self.views.grid_ui(ui, 3, &maps);
    }
}
