//! The settings of how an image is coloured, as a form.

use std::fmt::Debug;
use std::hash::Hash;

use egui::{ComboBox, DragValue, Grid, Id, RichText, TextEdit, Ui};

use crate::plots::axes;
use crate::plots::color_map;
use crate::plots::color_table::Display;
use crate::plots::limits::{Limits, LimitsMode};
use crate::plots::stretch::Stretch;

/// Limits that are offered, in menu order.
const LIMITS: [LimitsMode; 9] = [
    LimitsMode::Zscale,
    LimitsMode::MinMax,
    LimitsMode::Percentile(99.9),
    LimitsMode::Percentile(99.5),
    LimitsMode::Percentile(98.0),
    LimitsMode::Percentile(90.0),
    LimitsMode::Symmetric(5.0),
    LimitsMode::SymmetricPercentile(99.5),
    LimitsMode::Typed,
];

/// Draws colour map, stretch, limits, contrast and bias.
pub fn display_ui(ui: &mut Ui, id: impl Hash + Debug + Copy, display: &mut Display) {
    form(ui, id, display, None);
}

/// [`display_ui`] with the limits in use, which can be typed over in every mode.
pub fn display_ui_with_limits(ui: &mut Ui, id: impl Hash + Debug + Copy, display: &mut Display, limits: Limits) {
    form(ui, id, display, Some(limits));
}

fn form(ui: &mut Ui, id: impl Hash + Debug + Copy, display: &mut Display, limits: Option<Limits>) {
    Grid::new((id, "grid")).num_columns(2).spacing([8.0, 4.0]).show(ui, |ui| {
        let label = ui.label("Colour map");
        ui.horizontal(|ui| {
            let combo = ComboBox::from_id_salt((id, "map"))
                .width(100.0)
                .height(360.0)
                .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside)
                .selected_text(&display.color_map)
                .show_ui(ui, |ui| color_maps_ui(ui, id, &mut display.color_map));
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
            .height(260.0)
            .show_ui(ui, |ui| {
                for mode in LIMITS {
                    ui.selectable_value(&mut display.limits, mode, mode.name());
                }
            })
            .response
            .labelled_by(label.id);
        ui.end_row();
        if display.limits == LimitsMode::Typed && before != LimitsMode::Typed {
            // Typing begins at what is on the screen.
            match limits {
                Some(limits) => display.type_limits(limits),
                None if display.typed_limits[0] >= display.typed_limits[1] => display.typed_limits = [0.0, 1.0],
                None => {}
            }
        }
        if display.limits == LimitsMode::Typed || limits.is_some() {
            limits_ui(ui, display, limits);
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

/// The two limits as numbers; one that is changed makes both typed.
fn limits_ui(ui: &mut Ui, display: &mut Display, limits: Option<Limits>) {
    let mut values = match limits {
        Some(limits) if display.limits != LimitsMode::Typed => [limits.low, limits.high],
        _ => display.typed_limits,
    };
    let before = values;
    for (place, name) in [(0, "Low"), (1, "High")] {
        let label = ui.label(name);
        // A drag over a hundred points changes a limit by a third of the range.
        let speed = ((before[1] - before[0]).abs() * 0.003).max(f64::MIN_POSITIVE);
        // Scientific notation is read and shown: 1e-17 is a usual flux.
        let field = DragValue::new(&mut values[place]).speed(speed).custom_formatter(|v, _| axes::format_value(v, 6));
        ui.add(field).on_hover_text("Drag, or click and type; 1e-17 is understood").labelled_by(label.id);
        ui.end_row();
    }
    if values != before && values.iter().all(|v| v.is_finite()) {
        display.limits = LimitsMode::Typed;
        // The image takes the smaller one as the lower: the fields say so too.
        display.typed_limits = [values[0].min(values[1]), values[0].max(values[1])];
    }
}

/// The names by kind, with a field that narrows them down; `_r` behind a name reverses it.
fn color_maps_ui(ui: &mut Ui, id: impl Hash + Debug, chosen: &mut String) {
    let memory = Id::unique((id, "colour map search"));
    let mut search: String = ui.data(|data| data.get_temp(memory)).unwrap_or_default();
    let label = ui.label("Search");
    let field = ui.add(TextEdit::singleline(&mut search).desired_width(140.0).hint_text("name, name_r"));
    if ui.memory(|memory| memory.focused().is_none()) {
        field.request_focus(); // typing narrows the list down at once
    }
    let entered = field.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
    field.labelled_by(label.id);
    let wanted = search.trim().to_lowercase();
    let reversed = wanted.strip_suffix("_r").filter(|base| !base.is_empty());
    let stem = reversed.unwrap_or(&wanted);
    let suffix = if reversed.is_some() { "_r" } else { "" };
    let fits = |name: &&str| name.to_lowercase().contains(stem);
    let mut picked = None;
    for (group, names) in color_map::GROUPS {
        let names: Vec<&str> = names.iter().copied().filter(fits).collect();
        if names.is_empty() {
            continue;
        }
        ui.label(RichText::new(group).weak().small());
        for name in names {
            let name = format!("{name}{suffix}");
            if ui.selectable_label(*chosen == name, &name).clicked() || (entered && picked.is_none()) {
                picked = Some(name);
            }
        }
    }
    if let Some(name) = picked {
        *chosen = name;
        search.clear();
        ui.close();
    }
    ui.data_mut(|data| data.insert_temp(memory, search));
}
