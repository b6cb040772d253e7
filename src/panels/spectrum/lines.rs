//! The line list over a spectrum: names at their wavelengths, shifted by a redshift.

use egui::{ComboBox, DragValue, Slider, Ui};
use serde::{Deserialize, Serialize};

use super::SpectrumPanel;
use super::curve::Curve;
use crate::data::spectral_lines::{LINES, LineGroup};
use crate::data::spectral_units::{LIGHT_SPEED_M_S, SpectralUnit};
use crate::plots::axes::format_value;
use crate::plots::colors;
use crate::plots::line_marks::Mark;

/// What a session keeps of the line list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct LineSettings {
    /// Drawn.
    pub on: bool,
    redshift: f64,
    /// Upper end of the slider.
    slider_end: f64,
    emission: bool,
    absorption: bool,
    radio: bool,
    /// The medium of the axis, where the header is known to be wrong or says nothing.
    air: Option<bool>,
}

impl Default for LineSettings {
    fn default() -> Self {
        Self { on: false, redshift: 0.0, slider_end: 0.5, emission: true, absorption: true, radio: true, air: None }
    }
}

/// Redshifts that can be typed.
const REDSHIFTS: std::ops::RangeInclusive<f64> = -0.05..=30.0;

impl LineSettings {
    /// Makes settings from a file usable.
    pub(super) fn sanitize(&mut self) {
        self.redshift =
            if self.redshift.is_finite() { self.redshift.clamp(*REDSHIFTS.start(), *REDSHIFTS.end()) } else { 0.0 };
        self.slider_end = if self.slider_end.is_finite() { self.slider_end.clamp(0.001, 30.0) } else { 0.5 };
    }

    fn wants(&self, group: LineGroup) -> bool {
        match group {
            LineGroup::Emission => self.emission,
            LineGroup::Absorption => self.absorption,
            LineGroup::Radio => self.radio,
        }
    }

    /// Lines with their place on the axis of a curve; those that it does not hold are left out.
    pub(super) fn places(&self, live: &Curve) -> Vec<(&'static str, LineGroup, f64)> {
        let (Some((scale, rest)), Some([low, high])) = (&live.scale, live.x_range()) else { return Vec::new() };
        let wanted = LINES.iter().filter(|line| self.wants(line.group));
        let placed = wanted.filter_map(|line| {
            let x = scale.place_of(line.vacuum_m() * (1.0 + self.redshift), live.unit, *rest, self.air)?;
            (low..=high).contains(&x).then_some((line.name, line.group, x))
        });
        placed.collect()
    }
}

impl SpectrumPanel {
    /// The line list as marks on the plot.
    pub(super) fn line_marks(&self, live: &Curve, theme: egui::Theme) -> Vec<Mark<'static>> {
        if !self.saved.lines.on {
            return Vec::new();
        }
        let color = |group: LineGroup| match group {
            LineGroup::Emission => colors::series(2, theme),
            LineGroup::Absorption => colors::series(3, theme),
            LineGroup::Radio => colors::series(0, theme),
        };
        let marks = self.saved.lines.places(live).into_iter();
        marks.map(|(name, group, x)| Mark { name, x, color: color(group) }).collect()
    }

    /// The redshift, among the controls above the plot.
    pub(super) fn redshift_ui(&mut self, ui: &mut Ui, live: &Curve) {
        if !self.saved.lines.on {
            return;
        }
        let count = self.saved.lines.places(live).len();
        let lines = &mut self.saved.lines;
        let label = ui.label("Redshift");
        ui.spacing_mut().slider_width = 130.0;
        let end = lines.slider_end.max(lines.redshift);
        // The number beside it takes any redshift, and fine steps.
        let slider = Slider::new(&mut lines.redshift, 0.0..=end).show_value(false).smart_aim(false);
        ui.add(slider).labelled_by(label.id);
        let field = DragValue::new(&mut lines.redshift).range(REDSHIFTS).speed(2e-5).max_decimals(6).min_decimals(5);
        ui.add(field).labelled_by(label.id).on_hover_text("Drag for fine steps, or click and type");
        let velocity = lines.redshift * LIGHT_SPEED_M_S * 1e-3;
        let text = if live.unit == SpectralUnit::Channel {
            "lines need a unit: choose another axis".to_owned()
        } else {
            format!("cz {} km/s, {count} lines", format_value(velocity, 6))
        };
        ui.add(egui::Label::new(text).truncate());
    }

    /// Which lines, in the inspector.
    pub(super) fn lines_settings_ui(&mut self, ui: &mut Ui, live: &Curve) {
        ui.separator();
        let lines = &mut self.saved.lines;
        ui.label(egui::RichText::new("Line list").strong());
        ui.horizontal_wrapped(|ui| {
            ui.checkbox(&mut lines.emission, "Emission");
            ui.checkbox(&mut lines.absorption, "Absorption");
            ui.checkbox(&mut lines.radio, "Radio");
        });
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Slider up to");
            let field = DragValue::new(&mut lines.slider_end).range(0.001..=30.0).speed(0.01).max_decimals(3);
            ui.add(field).labelled_by(label.id).on_hover_text("The largest redshift of the slider");
        });
        let told = live.scale.as_ref().is_some_and(|(scale, _)| scale.tells_medium());
        let text = |air: Option<bool>| match air {
            None if told => "as the header says",
            None => "not told: air",
            Some(true) => "air",
            Some(false) => "vacuum",
        };
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("The axis is in");
            ComboBox::from_id_salt("medium")
                .selected_text(text(lines.air))
                .show_ui(ui, |ui| {
                    for air in [None, Some(true), Some(false)] {
                        ui.selectable_value(&mut lines.air, air, text(air));
                    }
                })
                .response
                .labelled_by(label.id)
                .on_hover_text("For the line list only; SITELLE writes wavenumbers of wavelengths in air");
        });
        ui.add(
            egui::Label::new(egui::RichText::new("Rest wavelengths: ORB, NIST, SDSS; radio: Lovas").weak().small())
                .wrap(),
        );
    }
}
