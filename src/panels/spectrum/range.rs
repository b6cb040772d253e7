//! The range that is marked in a spectrum: by a Shift drag, with its continuum to either side; images are made of it.

use std::sync::Arc;

use egui::{ComboBox, DragValue, Ui};
use serde::{Deserialize, Serialize};

use super::curve::Curve;
use super::{PanelContext, SpectrumPanel};
use crate::numerics::moments::Collapse;
use crate::panels::Command;
use crate::panels::derived::{CollapseRecipe, Derived, Sides, sides_of};
use crate::panels::links::RangeNote;
use crate::panels::world::World;
use crate::plots::axes::format_with_unit;
use crate::plots::color_table::Display;
use crate::plots::colors::{self, Role};
use crate::plots::limits::LimitsMode;
use crate::plots::line_marks::Shade;

/// What a Shift drag marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Marks {
    /// The line; the continuum goes along.
    #[default]
    Line,
    /// The continuum before it.
    Left,
    /// The continuum behind it.
    Right,
}

/// What a session keeps of the range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RangeSettings {
    /// First and last channel of the line, 0-based.
    line: Option<[usize; 2]>,
    /// The continuum to either side.
    sides: Sides,
    /// Whether it is subtracted.
    continuum: bool,
    marks: Marks,
    what: Collapse,
    /// Moments 1 and 2 are given where the integral is at least so many times its error.
    cut: f64,
}

impl Default for RangeSettings {
    fn default() -> Self {
        Self {
            line: None,
            sides: [None, None],
            continuum: true,
            marks: Marks::Line,
            what: Collapse::Integral,
            cut: 3.0,
        }
    }
}

impl RangeSettings {
    /// Makes settings from a file usable.
    pub(super) fn sanitize(&mut self) {
        let ordered = |r: &[usize; 2]| r[0] <= r[1] && r[1] < 1 << 40;
        self.line = self.line.filter(ordered);
        self.sides = self.sides.map(|side| side.filter(ordered));
        self.cut = if self.cut.is_finite() { self.cut.clamp(0.0, 1e6) } else { 3.0 };
    }

    fn wanted_sides(&self) -> Option<Sides> {
        self.continuum.then_some(self.sides)
    }
}

impl SpectrumPanel {
    /// Tells the images that are made of the range where it is.
    pub(super) fn publish_range(&mut self, cx: &mut PanelContext<'_>, world: &Arc<World>) {
        let channels = world.channels();
        let range = &mut self.saved.range;
        range.line = range.line.filter(|line| line[1] < channels);
        match range.line {
            Some(line) => {
                let note = RangeNote { of: self.saved.cursor.of.clone(), line, sides: range.wanted_sides() };
                cx.links.ranges.insert(cx.view, note);
            }
            None => drop(cx.links.ranges.remove(&cx.view)),
        }
    }

    /// Takes what a Shift drag has picked, in the unit of the axis.
    pub(super) fn take_picked(&mut self, live: &Curve, picked: [f64; 2]) {
        let (Some(a), Some(b)) = (live.channel_at(picked[0]), live.channel_at(picked[1])) else { return };
        let marked = [a.min(b), a.max(b)];
        let range = &mut self.saved.range;
        match (range.marks, range.line) {
            (Marks::Left, Some(_)) => range.sides[0] = Some(marked),
            (Marks::Right, Some(_)) => range.sides[1] = Some(marked),
            _ => {
                range.line = Some(marked);
                range.sides = sides_of(marked, live.points.len());
            }
        }
    }

    /// The marked channels on the axis of a curve.
    pub(super) fn shades(&self, live: &Curve, theme: egui::Theme) -> Vec<Shade<'static>> {
        let range = &self.saved.range;
        let Some(line) = range.line else { return Vec::new() };
        let shade = |channels: [usize; 2], color| Some(Shade { name: "", range: edges(live, channels)?, color });
        let mut all: Vec<Shade<'static>> = shade(line, Role::Network.color(theme)).into_iter().collect();
        let color = colors::series(0, theme);
        for side in range.wanted_sides().into_iter().flatten().flatten() {
            all.extend(shade(side, color));
        }
        all
    }

    /// The row of the range, above the plot.
    pub(super) fn range_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>, live: &Curve) {
        let Some(line) = self.saved.range.line else { return };
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 5.0;
            let ends = edges(live, line).unwrap_or_default().map(|x| format_with_unit(x, 6, ""));
            let count = line[1] - line[0] + 1;
            ui.label(format!("Range {} to {} {} ({count} channels)", ends[0].trim(), ends[1].trim(), live.x.1));
            if ui.small_button("×").on_hover_text("Take the range away").clicked() {
                self.saved.range.line = None;
                cx.links.ranges.remove(&cx.view);
            }
            let range = &mut self.saved.range;
            ui.checkbox(&mut range.continuum, "Continuum")
                .on_hover_text("Subtract a straight line through the two ranges beside it, in every pixel");
            let label = ui.label("Make");
            ComboBox::from_id_salt("make")
                .width(92.0)
                .selected_text(range.what.name())
                .show_ui(ui, |ui| {
                    for what in Collapse::ALL {
                        ui.selectable_value(&mut range.what, what, what.name());
                    }
                })
                .response
                .labelled_by(label.id);
            let help = "A new image that follows the range while it is dragged";
            if ui.button("Make image").on_hover_text(help).clicked() {
                self.make_image(cx, live);
            }
        });
    }

    fn make_image(&self, cx: &mut PanelContext<'_>, live: &Curve) {
        let range = &self.saved.range;
        let Some(line) = range.line else { return };
        let recipe = CollapseRecipe {
            of: self.saved.cursor.of.clone(),
            plane: self.plane,
            line,
            sides: range.wanted_sides(),
            unit: live.unit,
            rest_m: self.saved.rest_m,
            what: range.what,
            cut: range.cut,
            follow: true,
        };
        let velocity = range.what == Collapse::Centroid;
        let display = Display {
            color_map: if velocity { "coolwarm" } else { "inferno" }.into(),
            limits: LimitsMode::Percentile(if velocity { 98.0 } else { 99.5 }),
            ..Display::default()
        };
        let state = serde_json::json!({ "derived": Derived::Collapse(recipe), "display": display });
        cx.send(Command::NewView("image", Box::new(state)));
    }

    /// The range as channels that can be typed, counted from 1.
    pub(super) fn range_settings_ui(&mut self, ui: &mut Ui, channels: usize) {
        ui.separator();
        ui.label(egui::RichText::new("Range").strong());
        let range = &mut self.saved.range;
        let Some(line) = range.line.as_mut() else {
            ui.add(egui::Label::new(egui::RichText::new("Shift and drag over the plot marks one").weak()).wrap());
            return;
        };
        let before = *line;
        channels_ui(ui, "Line from", line, channels);
        if *line != before {
            range.sides = sides_of(*line, channels);
        }
        if range.continuum {
            let text = |marks: Marks| match marks {
                Marks::Line => "the line",
                Marks::Left => "continuum before",
                Marks::Right => "continuum behind",
            };
            ui.horizontal_wrapped(|ui| {
                let label = ui.label("Shift drag marks");
                ComboBox::from_id_salt("marks")
                    .width(120.0)
                    .selected_text(text(range.marks))
                    .show_ui(ui, |ui| {
                        for marks in [Marks::Line, Marks::Left, Marks::Right] {
                            ui.selectable_value(&mut range.marks, marks, text(marks));
                        }
                    })
                    .response
                    .labelled_by(label.id);
            });
            for (name, side) in ["Before from", "Behind from"].into_iter().zip(&mut range.sides) {
                if let Some(side) = side {
                    channels_ui(ui, name, side, channels);
                }
            }
        }
        ui.horizontal(|ui| {
            let label = ui.label("Moments 1, 2 above");
            ui.add(DragValue::new(&mut range.cut).range(0.0..=1000.0).speed(0.05).suffix(" σ")).labelled_by(label.id);
        });
    }
}

fn channels_ui(ui: &mut Ui, name: &str, range: &mut [usize; 2], channels: usize) {
    ui.horizontal(|ui| {
        let [mut first, mut last] = range.map(|c| c + 1);
        let label = ui.label(name);
        ui.add(DragValue::new(&mut first).range(1..=channels.max(1)).speed(0.2)).labelled_by(label.id);
        let label = ui.label("to");
        ui.add(DragValue::new(&mut last).range(1..=channels.max(1)).speed(0.2)).labelled_by(label.id);
        *range = [first.min(last) - 1, first.max(last) - 1];
    });
}

/// Both edges of some channels on the axis.
fn edges(live: &Curve, [first, last]: [usize; 2]) -> Option<[f64; 2]> {
    let x = |i: usize| live.points.get(i).map(|p| p[0]).filter(|x| x.is_finite());
    let half = |i: usize| {
        let beside = x(i + 1).or_else(|| x(i.checked_sub(1)?))?;
        Some(0.5 * (beside - x(i)?).abs())
    };
    let (a, b) = (x(first)?, x(last)?);
    let (wide_a, wide_b) = (half(first).unwrap_or(0.0), half(last).unwrap_or(0.0));
    Some(if a <= b { [a - wide_a, b + wide_b] } else { [b - wide_b, a + wide_a] })
}
