//! The colour bar beside an image: which colour is which value, and the handles of the limits.

use std::fmt::Debug;
use std::hash::Hash;

use egui::{
    Align2, Color32, CursorIcon, FontId, Mesh, Painter, Rect, Response, Sense, Stroke, Ui, WidgetInfo, pos2, vec2,
};

use super::axes::{self, Ticks};
use super::color_table::Display;
use super::limits::Limits;
use crate::data::typeset_unit;

const BAR_WIDTH: f32 = 14.0;
const TICK_LENGTH: f32 = 4.0;
const FONT_SIZE: f32 = 11.0;
/// A caption of more signs than this does not fit above the bar: it is set along it.
const SHORT_CAPTION: usize = 13;
/// Room that a caption along the bar takes.
const SIDE_CAPTION: f32 = 16.0;
/// Points between two ticks, at least.
const TICK_SPACING: f32 = 26.0;

/// A vertical colour bar, low values at the bottom.
pub struct ColorBar<'a> {
    display: &'a mut Display,
    limits: Limits,
    label: &'a str,
    unit: String,
    height: Option<f32>,
    draggable: bool,
}

impl<'a> ColorBar<'a> {
    /// A bar for an image shown with these settings and limits (see [`super::image_view::ImageResponse::limits`]).
    pub fn new(display: &'a mut Display, limits: Limits) -> Self {
        Self { display, limits, label: "", unit: String::new(), height: None, draggable: false }
    }

    /// What the values are, and their unit as a file writes it.
    #[must_use]
    pub fn label(mut self, label: &'a str, unit: &str) -> Self {
        self.label = label;
        self.unit = typeset_unit(unit);
        self
    }

    /// Height in points; otherwise all there is.
    #[must_use]
    pub fn height(mut self, points: f32) -> Self {
        self.height = Some(points);
        self
    }

    /// The limits can be dragged; they become typed limits of the settings then.
    #[must_use]
    pub fn draggable(mut self, on: bool) -> Self {
        self.draggable = on;
        self
    }

    /// The width that the bar with its labels takes, in points, when its caption is short.
    #[must_use]
    pub fn width() -> f32 {
        BAR_WIDTH + TICK_LENGTH + 58.0
    }

    /// The width that the bar takes with this label and unit: more when the caption has to run along it.
    #[must_use]
    pub fn width_for(label: &str, unit: &str) -> f32 {
        let beside = is_long(&axes::axis_label(label, &typeset_unit(unit), ""));
        Self::width() + if beside { SIDE_CAPTION } else { 0.0 }
    }

    /// Draws the bar.
    pub fn show(self, ui: &mut Ui, id: impl Hash + Debug) -> Response {
        let height = self.height.unwrap_or_else(|| ui.available_height()).clamp(40.0, 4000.0);
        let long = is_long(&axes::axis_label(self.label, &self.unit, ""));
        let width = Self::width() + if long { SIDE_CAPTION } else { 0.0 };
        let (outer, response) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
        let name = if self.label.is_empty() { "Colour bar" } else { self.label };
        response.widget_info(|| {
            let text = format!(
                "Colour bar of {name} from {} to {}",
                axes::format_with_unit(self.limits.low, 4, &self.unit),
                axes::format_with_unit(self.limits.high, 4, &self.unit)
            );
            WidgetInfo::labeled(egui::Role::Image, true, text)
        });
        let ticks = bar_ticks(self.display, self.limits, height);
        // Along the bar goes what the values are; the factor of the numbers stays above them.
        let (caption, side) = if long {
            (ticks.factor(), axes::axis_label(self.label, &self.unit, ""))
        } else {
            (axes::axis_label(self.label, &self.unit, &ticks.factor()), String::new())
        };
        let font = FontId::proportional(FONT_SIZE);
        let caption_height = if caption.is_empty() { 0.0 } else { FONT_SIZE + 5.0 };
        let bar = Rect::from_min_max(
            pos2(outer.left() + 2.0, outer.top() + caption_height + FONT_SIZE / 2.0),
            pos2(outer.left() + 2.0 + BAR_WIDTH, outer.bottom() - FONT_SIZE / 2.0),
        );
        let painter = ui.painter_at(outer.expand(1.0));
        let color = ui.visuals().text_color();
        draw_bar(&painter, bar, self.display);
        painter.rect_stroke(bar, 0.0, Stroke::new(1.0, color), egui::StrokeKind::Outside);
        if !caption.is_empty() {
            draw_caption(&painter, outer, &caption, ui.visuals().text_color());
        }
        if !side.is_empty() {
            draw_side_caption(&painter, outer, bar, &side, ui.visuals().text_color());
        }
        for (value, label) in ticks.values.iter().zip(&ticks.labels) {
            let place = self.display.stretch.apply(self.limits.fraction(*value)) as f32;
            let y = bar.bottom() - place * bar.height();
            painter.hline(bar.right()..=bar.right() + TICK_LENGTH, y, Stroke::new(1.0, color));
            let position = pos2(bar.right() + TICK_LENGTH + 3.0, y);
            painter.text(position, Align2::LEFT_CENTER, label, font.clone(), color);
        }
        if self.draggable {
            let id = ui.scope_id().with(id);
            drag_limit(ui, id.with("high"), bar, self.display, self.limits, true);
            drag_limit(ui, id.with("low"), bar, self.display, self.limits, false);
        }
        if side.is_empty() { response } else { response.on_hover_text(side) }
    }
}

fn is_long(caption: &str) -> bool {
    caption.chars().count() > SHORT_CAPTION
}

/// The caption from bottom to top at the right end; set smaller, and at last cut, where the bar is short.
fn draw_side_caption(painter: &Painter, outer: Rect, bar: Rect, caption: &str, color: Color32) {
    let room = outer.height();
    let lay = |text: &str, size: f32| painter.layout_no_wrap(text.to_owned(), FontId::proportional(size), color);
    let mut galley = lay(caption, FONT_SIZE);
    if galley.size().x > room {
        let size = (FONT_SIZE * room / galley.size().x).max(8.0);
        galley = lay(caption, size);
        let mut kept = caption.chars().count();
        while galley.size().x > room && kept > 1 {
            kept -= 1;
            let cut: String = caption.chars().take(kept).chain(std::iter::once('…')).collect();
            galley = lay(&cut, size);
        }
    }
    let foot = (bar.center().y + galley.size().x / 2.0).min(outer.bottom());
    let place = pos2(outer.right() - galley.size().y - 1.0, foot);
    painter.add(egui::epaint::TextShape::new(place, galley, color).with_angle(-std::f32::consts::FRAC_PI_2));
}

fn draw_caption(painter: &Painter, outer: Rect, caption: &str, color: Color32) {
    let full = painter.layout_no_wrap(caption.to_owned(), FontId::proportional(FONT_SIZE), color);
    // A caption that is too wide is set smaller rather than cut.
    let galley = if full.size().x > outer.width() {
        let size = (FONT_SIZE * outer.width() / full.size().x).max(7.0);
        painter.layout_no_wrap(caption.to_owned(), FontId::proportional(size), color)
    } else {
        full
    };
    painter.galley(outer.left_top(), galley, color);
}

fn draw_bar(painter: &Painter, bar: Rect, display: &Display) {
    let map = display.map();
    let mut mesh = Mesh::default();
    let steps = 128;
    for step in 0..steps {
        let [low, high] = [step, step + 1].map(|s| s as f32 / steps as f32);
        let place = display.place_in_map(f64::from(0.5 * (low + high)));
        let slice = Rect::from_min_max(
            pos2(bar.left(), bar.bottom() - high * bar.height()),
            pos2(bar.right(), bar.bottom() - low * bar.height()),
        );
        mesh.add_colored_rect(slice, map.at(place));
    }
    painter.add(mesh);
}

/// Ticks with room between them: evenly spread round values for the linear stretch, else the round value next to each
/// evenly spread place on the bar.
fn bar_ticks(display: &Display, limits: Limits, height: f32) -> Ticks {
    let count = ((height / TICK_SPACING) as usize).clamp(2, 9);
    let place = |value: f64| display.stretch.apply(limits.fraction(value));
    // One tick alone says nothing about the scale: on a short bar rather one more than planned.
    let even = (count..count + 4)
        .map(|count| axes::nice_values(limits.low, limits.high, count))
        .find(|values| values.len() > 1)
        .unwrap_or_default();
    let spacing = f64::from(TICK_SPACING / height) * 0.8;
    let apart = |values: &[f64]| values.windows(2).all(|w| place(w[1]) - place(w[0]) >= spacing);
    let spread = |values: &[f64]| match (values.first(), values.last()) {
        (Some(first), Some(last)) => place(*last) - place(*first),
        _ => 0.0,
    };
    if apart(&even) && spread(&even) > 0.6 {
        return Ticks::of(even);
    }
    let mut values: Vec<f64> = Vec::new();
    for i in 0..=count {
        let wanted = limits.value(display.stretch.invert(i as f64 / count as f64));
        // How far half a step along the bar goes; at the upper end, looking back.
        let half = if i < count { 0.5 } else { -0.5 };
        let step = limits.value(display.stretch.invert((i as f64 + half) / count as f64)) - wanted;
        let rounded = round_near(wanted, step.abs(), limits);
        let fits = values.last().is_none_or(|last| place(rounded) - place(*last) >= spacing);
        if fits && (limits.low..=limits.high).contains(&rounded) {
            values.push(rounded);
        }
    }
    if values.len() < 2 { Ticks::of(even) } else { Ticks::of(values) }
}

/// The multiple of 1, 2 or 5 times a power of ten, not coarser than `step`, that is next to a value;
/// inside of the limits, if there is one.
fn round_near(value: f64, step: f64, limits: Limits) -> f64 {
    if !(step.is_finite() && step > 0.0) {
        return value;
    }
    let power = step.log10().floor() as i32;
    let leading = step / 10f64.powi(power);
    // Dividing by the number of steps in a unit, mostly a whole number, so that 0.3 does not become 0.30000000000000004.
    let (divisor, power) = if leading >= 5.0 {
        (2.0, power + 1) // 5 is a half of ten
    } else if leading >= 2.0 {
        (5.0, power + 1) // 2 is a fifth of ten
    } else {
        (1.0, power)
    };
    let per_unit = divisor * 10f64.powi(-power);
    if !(per_unit.is_finite() && per_unit > 0.0) {
        return value;
    }
    let rounded = (value * per_unit).round() / per_unit;
    if rounded < limits.low {
        (value * per_unit).ceil() / per_unit
    } else if rounded > limits.high {
        (value * per_unit).floor() / per_unit
    } else {
        rounded
    }
}

fn drag_limit(ui: &mut Ui, id: egui::Id, bar: Rect, display: &mut Display, limits: Limits, high: bool) {
    let edge = if high { bar.top() } else { bar.bottom() };
    let grip = Rect::from_center_size(pos2(bar.center().x, edge), vec2(bar.width() + 6.0, 8.0));
    let response = ui.interact(grip, id, Sense::drag()).on_hover_cursor(CursorIcon::ResizeVertical);
    let name = if high { "Upper limit" } else { "Lower limit" };
    let value = if high { limits.high } else { limits.low };
    response.widget_info(|| {
        let text = format!("{name} of the colours: {}", axes::format_value(value, 4));
        WidgetInfo::labeled(egui::Role::Slider, true, text)
    });
    let stroke = ui.style().interact(&response).fg_stroke;
    ui.painter().hline(grip.x_range(), edge, Stroke::new(2.0, stroke.color));
    if response.dragged() && response.drag_delta().y != 0.0 {
        let change = f64::from(-response.drag_delta().y / bar.height()) * (limits.high - limits.low);
        let [mut lower, mut upper] = [limits.low, limits.high];
        // A limit cannot be dragged past the other.
        let least = 1e-3 * (upper - lower);
        if high {
            upper = (upper + change).max(lower + least);
        } else {
            lower = (lower + change).min(upper - least);
        }
        display.type_limits(Limits::new(lower, upper));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plots::stretch::Stretch;

    #[test]
    fn ticks_lie_inside_and_apart_for_every_stretch() {
        for stretch in Stretch::ALL {
            for (low, high) in [(0.0, 1.0), (-3.2, 1741.0), (1e-9, 4e-8), (-5.0, 5.0), (-2.999e6, 2.999_981_2e6)] {
                let display = Display { stretch, ..Display::default() };
                let limits = Limits::new(low, high);
                for height in [60.0, 200.0, 600.0] {
                    let ticks = bar_ticks(&display, limits, height);
                    assert!(ticks.values.len() >= 2, "{stretch:?} {limits:?} {height}: {ticks:?}");
                    let places: Vec<f64> =
                        ticks.values.iter().map(|v| display.stretch.apply(limits.fraction(*v))).collect();
                    let slack = 1e-6 * (high - low);
                    assert!(ticks.values.iter().all(|v| *v >= low - slack && *v <= high + slack));
                    for pair in places.windows(2) {
                        let points = (pair[1] - pair[0]) * f64::from(height);
                        assert!(points > 8.0, "{stretch:?} {limits:?} {height}: {ticks:?}");
                    }
                    let longest = ticks.labels.iter().map(String::len).max().unwrap_or(0);
                    assert!(longest <= 10, "{stretch:?} {limits:?} {height}: {ticks:?}");
                    let distinct = ticks.labels.windows(2).all(|w| w[0] != w[1]);
                    assert!(distinct, "{stretch:?} {limits:?}: {ticks:?}");
                }
            }
        }
    }
}
