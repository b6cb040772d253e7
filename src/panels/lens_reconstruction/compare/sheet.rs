//! The mass-sheet slider: what changes when a sheet of mass is added and everything else is scaled down, and what does not.

use std::sync::Arc;

use egui::{RichText, Slider, Ui};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::Finished;
use crate::panels::PanelContext;
use crate::panels::lens_reconstruction::SHEET;
use crate::studies::lens_reconstruction::{SHEETS, convergence_with_sheet, source_with_sheet};
use crate::tasks::TaskError;
use crate::workers::{Key, Weigh};

/// The slider.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct MassSheet {
    lambda: f64,
}

impl Default for MassSheet {
    fn default() -> Self {
        Self { lambda: 1.0 }
    }
}

/// Maps with the sheet.
pub(in super::super) struct SheetMaps {
    pub convergence: Arc<Array2<f32>>,
    pub source: Arc<Array2<f32>>,
}

impl Weigh for SheetMaps {
    fn bytes(&self) -> usize {
        (self.convergence.len() + self.source.len()) * size_of::<f32>()
    }
}

impl MassSheet {
    /// The factor; what a file says is kept within the range of the slider.
    pub(super) fn lambda(self) -> f64 {
        if self.lambda.is_finite() { self.lambda.clamp(SHEETS[0], SHEETS[1]) } else { 1.0 }
    }

    /// True when there is a sheet.
    pub(super) fn is_on(self) -> bool {
        self.lambda() != 1.0
    }

    /// Asks for the maps with the sheet; the last ones stay while the slider moves.
    pub(super) fn ask(
        self,
        finished: &Finished,
        before: Option<Arc<SheetMaps>>,
        cx: &mut PanelContext<'_>,
    ) -> (Option<Arc<SheetMaps>>, bool) {
        if !self.is_on() {
            return (None, false);
        }
        let lambda = self.lambda();
        let outcome = finished.outcome.clone();
        let key = Key::of(&("lens mass sheet", finished.id)).and_f64(lambda);
        let answer = cx.services.queries.ask(cx.slot(SHEET), key, &cx.services.wake, move |progress| {
            let convergence = convergence_with_sheet(&outcome.convergence, lambda);
            progress.check()?;
            let (centre, scale) = (outcome.source_centre_arcsec, outcome.source_scale_arcsec);
            let source = source_with_sheet(&outcome.source, centre, scale, lambda);
            Ok::<_, TaskError>(SheetMaps { convergence: Arc::new(convergence), source: Arc::new(source) })
        });
        let waiting = answer.ready().is_none();
        (answer.newest().cloned().or(before), waiting)
    }

    /// Draws the slider.
    pub(super) fn slider_ui(&mut self, ui: &mut Ui) {
        let label = ui
            .add(egui::Label::new("Mass sheet λ").extend())
            .on_hover_text("Convergence λκ + 1 − λ: what an image alone cannot tell from the convergence κ");
        let mut lambda = self.lambda();
        let slider = Slider::new(&mut lambda, SHEETS[0]..=SHEETS[1]).step_by(0.01).fixed_decimals(2);
        ui.spacing_mut().slider_width = 90.0;
        if ui.add(slider).labelled_by(label.id).changed() {
            self.lambda = lambda;
        }
        if ui.add_enabled(self.is_on(), egui::Button::new("No sheet").small()).clicked() {
            self.lambda = 1.0;
        }
    }

    /// What the sheet does, in words.
    pub(super) fn words_ui(self, ui: &mut Ui, reduced_chi2: Option<f64>) {
        if !self.is_on() {
            return;
        }
        let lambda = self.lambda();
        let chi2 = reduced_chi2.filter(|v| v.is_finite()).map_or_else(String::new, |v| format!(" ({v:.3})"));
        let text = format!(
            "λ = {lambda:.2}: image positions and χ²{chi2} stay, as the source shrinks by λ; delays × {lambda:.2}, \
             magnifications × {:.2}. A known H0 or velocity dispersion tells λ.",
            1.0 / (lambda * lambda)
        );
        ui.add(egui::Label::new(RichText::new(text).small().weak()).wrap());
    }
}
