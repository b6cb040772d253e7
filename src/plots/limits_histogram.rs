//! The histogram of an image's values with the two limits of the colours as handles.

use std::fmt::Debug;
use std::hash::Hash;

use egui::{Align2, CursorIcon, FontId, Key, Modifiers, Rect, Response, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::axes;
use super::color_table::Display;
use super::colors::{self, Role};
use super::histogram::Histogram;
use super::limits::Limits;

/// Room below the bars for the numbers, points.
const FOOT: f32 = 15.0;
/// How much wider than the values the plot may become to show limits that lie outside of them.
const WIDEST: f64 = 3.0;
/// An arrow key moves a handle by this share of the range; with Shift ten times as far.
const KEY_STEP: f64 = 0.005;

/// Logarithmic counts of pixel values; dragging a handle types the limits.
pub struct LimitsHistogram<'a> {
    histogram: &'a Histogram,
    display: &'a mut Display,
    limits: Limits,
    unit: &'a str,
}

impl<'a> LimitsHistogram<'a> {
    /// For an image shown with these settings and limits.
    pub fn new(histogram: &'a Histogram, display: &'a mut Display, limits: Limits, unit: &'a str) -> Self {
        Self { histogram, display, limits, unit }
    }

    /// Draws it over the width there is.
    pub fn show(self, ui: &mut Ui, id: impl Hash + Debug, height: f32) -> Response {
        let (outer, response) = ui.allocate_exact_size(vec2(ui.available_width(), height + FOOT), Sense::hover());
        // The scroll bar of a panel floats over the right end, where the upper handle would be out of reach.
        let plot = Rect::from_min_max(outer.min + vec2(5.0, 2.0), outer.max - vec2(18.0, FOOT));
        let [low, high] = self.histogram.range();
        response.widget_info(|| {
            let [low, high] = [low, high].map(|v| axes::format_with_unit(v, 4, self.unit));
            WidgetInfo::labeled(egui::Role::Canvas, true, format!("Histogram of the pixels from {low} to {high}"))
        });
        let range = shown_range(self.histogram, self.limits);
        let scale = Scale { range, plot };
        self.draw_bars(ui, &scale);
        let painter = ui.painter();
        let color = ui.visuals().weak_text_color();
        let font = FontId::proportional(10.0);
        let text = |v: f64| axes::format_value(v, 4);
        let y = plot.bottom() + 3.0;
        painter.text(pos2(plot.left(), y), Align2::LEFT_TOP, text(range[0]), font.clone(), color);
        painter.text(pos2(plot.right(), y), Align2::RIGHT_TOP, text(range[1]), font, color);
        let id = ui.scope_id().with(id);
        let (display, limits) = (self.display, self.limits);
        for high in [false, true] {
            handle(ui, id.with(high), &scale, display, limits, high);
        }
        response
    }

    fn draw_bars(&self, ui: &Ui, scale: &Scale) {
        let theme = colors::theme_of(ui.visuals());
        let painter = ui.painter_at(scale.plot.expand(4.0));
        painter.rect_filled(scale.plot, 2.0, ui.visuals().extreme_bg_color);
        let between = Rect::from_x_y_ranges(
            scale.x(self.limits.low)..=scale.x(self.limits.high),
            scale.plot.top()..=scale.plot.bottom(),
        );
        painter.rect_filled(between, 0.0, colors::faded(Role::Model.color(theme), 0.25));
        let counts = self.histogram.counts();
        let tallest = (counts.iter().copied().max().unwrap_or(0) as f64).ln_1p().max(1e-9);
        let [low, high] = self.histogram.range();
        let step = (high - low) / counts.len().max(1) as f64;
        let color = Role::Data.color(theme);
        for (i, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            // Whole points, so that no seam shows between two bars.
            let [a, b] = [i, i + 1].map(|i| scale.x(low + i as f64 * step).round());
            let top = scale.plot.bottom() - (*count as f64).ln_1p() as f32 / tallest as f32 * scale.plot.height();
            let bar = Rect::from_min_max(pos2(a, top), pos2(b.max(a + 1.0), scale.plot.bottom()));
            painter.rect_filled(bar, 0.0, colors::faded(color, 0.8));
        }
    }
}

struct Scale {
    range: [f64; 2],
    plot: Rect,
}

impl Scale {
    /// Place of a value, at the edge where it lies beyond.
    fn x(&self, value: f64) -> f32 {
        let [low, high] = self.range;
        let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
        self.plot.left() + t as f32 * self.plot.width()
    }
}

/// The values, and the limits where they lie not too far outside.
fn shown_range(histogram: &Histogram, limits: Limits) -> [f64; 2] {
    let [low, high] = histogram.range();
    let span = high - low;
    let reach = span * (WIDEST - 1.0) / 2.0;
    [limits.low.clamp(low - reach, low), limits.high.clamp(high, high + reach)]
}

fn handle(ui: &Ui, id: egui::Id, scale: &Scale, display: &mut Display, limits: Limits, high: bool) {
    let value = if high { limits.high } else { limits.low };
    let x = scale.x(value);
    let grip = Rect::from_center_size(pos2(x, scale.plot.center().y), vec2(9.0, scale.plot.height()));
    let response = ui.interact(grip, id, Sense::click_and_drag()).on_hover_cursor(CursorIcon::ResizeHorizontal);
    let name = if high { "Upper limit in the histogram" } else { "Lower limit in the histogram" };
    response.widget_info(|| WidgetInfo::slider(true, value, name));
    let color = ui.style().interact(&response).fg_stroke.color;
    let painter = ui.painter();
    painter.vline(x, scale.plot.y_range(), Stroke::new(2.0, color));
    let knob = pos2(x, scale.plot.bottom() - 5.0);
    painter.circle_filled(knob, 4.5, color);
    let mut change = 0.0;
    let span = scale.range[1] - scale.range[0];
    if response.dragged() {
        change = f64::from(response.drag_delta().x / scale.plot.width()) * span;
    }
    if response.has_focus() {
        // The arrows are the handle's, not those that move the focus.
        let filter = egui::EventFilter { horizontal_arrows: true, ..Default::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
        // Shift first: a key without it is found in one with it.
        for (modifiers, factor) in [(Modifiers::SHIFT, 10.0), (Modifiers::NONE, 1.0)] {
            let times = |key| ui.input_mut(|input| input.count_and_consume_key(modifiers, key)) as f64;
            change += factor * KEY_STEP * span * (times(Key::ArrowRight) - times(Key::ArrowLeft));
        }
    }
    if change != 0.0 {
        display.type_limits(moved(limits, change, high));
    }
}

/// The limits with one of them moved; it does not pass the other.
fn moved(limits: Limits, change: f64, high: bool) -> Limits {
    let least = 1e-3 * (limits.high - limits.low);
    if high {
        Limits::new(limits.low, (limits.high + change).max(limits.low + least))
    } else {
        Limits::new((limits.low + change).min(limits.high - least), limits.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_far_outside_do_not_squeeze_the_values() {
        let histogram = Histogram::of([0.0, 1.0, 2.0], 0.0, 10.0, 10);
        assert_eq!(shown_range(&histogram, Limits::new(2.0, 5.0)), [0.0, 10.0]);
        assert_eq!(shown_range(&histogram, Limits::new(-3.0, 12.0)), [-3.0, 12.0]);
        assert_eq!(shown_range(&histogram, Limits::new(-1e9, 1e9)), [-10.0, 20.0]);
        assert_eq!(shown_range(&histogram, Limits::new(20.0, 30.0)), [0.0, 20.0]);
    }

    #[test]
    fn a_limit_does_not_pass_the_other() {
        let limits = Limits::new(1.0, 2.0);
        assert!((moved(limits, -5.0, true).high - 1.001).abs() < 1e-12);
        assert!((moved(limits, 5.0, false).low - 1.999).abs() < 1e-12);
        assert_eq!(moved(limits, 3.0, true), Limits::new(1.0, 5.0));
    }
}
