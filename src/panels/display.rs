//! The settings of how an image is coloured, as a form.

use std::fmt::Debug;
use std::hash::Hash;

use egui::{ComboBox, DragValue, Grid, Ui};

use crate::plots::color_map;
use crate::plots::color_table::Display;
use crate::plots::limits::LimitsMode;
use crate::plots::stretch::Stretch;

/// Draws colour map, stretch, limits, contrast and bias.
pub fn display_ui(ui: &mut Ui, id: impl Hash + Debug + Copy, display: &mut Display) {
    Grid::new((id, "grid")).num_columns(2).spacing([8.0, 4.0]).show(ui, |ui| {
        let label = ui.label("Colour map");
        ui.horizontal(|ui| {
            let combo =
                ComboBox::from_id_salt((id, "map")).width(100.0).selected_text(&display.color_map).show_ui(ui, |ui| {
                    for name in color_map::NAMES {
                        ui.selectable_value(&mut display.color_map, name.to_owned(), name);
                    }
                });
            combo.response.labelled_by(label.id);
            ui.checkbox(&mut display.invert, "invert");
        });
        ui.end_row();

        let label = ui.label("Stretch");
        ComboBox::from_id_salt((id, "stretch"))
            .selected_text(display.stretch.name())
            .show_ui(ui, |ui| {
                for stretch in Stretch::ALL {
                    ui.selectable_value(&mut display.stretch, stretch, stretch.name());
                }
            })
            .response
            .labelled_by(label.id);
        ui.end_row();

        let label = ui.label("Limits");
        let before = display.limits;
        ComboBox::from_id_salt((id, "limits"))
            .selected_text(display.limits.name())
            .show_ui(ui, |ui| {
                for mode in [
                    LimitsMode::Zscale,
                    LimitsMode::MinMax,
                    LimitsMode::Percentile(99.5),
                    LimitsMode::Percentile(98.0),
                    LimitsMode::Symmetric(5.0),
                    LimitsMode::SymmetricPercentile(99.5),
                    LimitsMode::Typed,
                ] {
                    ui.selectable_value(&mut display.limits, mode, mode.name());
                }
            })
            .response
            .labelled_by(label.id);
        ui.end_row();
        if display.limits == LimitsMode::Typed {
            if before != LimitsMode::Typed && display.typed_limits[0] >= display.typed_limits[1] {
                display.typed_limits = [0.0, 1.0];
            }
            for (place, name) in [(0, "Low"), (1, "High")] {
                let label = ui.label(name);
                let value = &mut display.typed_limits[place];
                let speed = (value.abs() * 0.01).max(1e-6);
                // Scientific notation is read and shown: 1e-17 is a usual flux.
                ui.add(DragValue::new(value).speed(speed).custom_formatter(|v, _| scientific(v))).labelled_by(label.id);
                ui.end_row();
            }
        }
        let label = ui.label("Contrast");
        ui.add(DragValue::new(&mut display.contrast).range(0.05..=20.0).speed(0.01).max_decimals(2))
            .labelled_by(label.id);
        ui.end_row();
        let label = ui.label("Bias");
        ui.add(DragValue::new(&mut display.bias).range(-0.5..=1.5).speed(0.005).max_decimals(3)).labelled_by(label.id);
        ui.end_row();
    });
}

fn scientific(value: f64) -> String {
    crate::plots::axes::format_value(value, 6)
}
