//! The scale around an image: ticks at the left and below, in arcseconds or pixels, and a scale bar on the sky.

use egui::{Align2, FontId, Painter, Rect, Stroke, pos2, vec2};

use super::axes::{self, Ticks};
use super::colors;
use super::image_camera::Camera;

const FONT_SIZE: f32 = 11.0;
const TICK_LENGTH: f32 = 4.0;
/// Room below the image for tick labels.
const BOTTOM_MARGIN: f32 = 18.0;
/// Room for the name of an axis.
const NAME_HEIGHT: f32 = 16.0;
/// Views smaller than this go without a scale.
const SMALLEST: f32 = 130.0;

/// The unit of the scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// FITS pixel numbers, from 1.
    Pixels,
    /// Arcseconds.
    Arcsec {
        /// Size of a pixel.
        step: f64,
        /// Coordinates `[x, y]` of the centre of the image.
        centre: [f64; 2],
    },
    /// Another quantity along each axis.
    Axes {
        /// Values at the first pixel.
        first: [f64; 2],
        /// From one pixel to the next.
        step: [f64; 2],
    },
}

/// What an axis of an image counts, evenly from pixel to pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelAxis {
    /// What it is: "offset".
    pub label: String,
    /// In what unit.
    pub unit: String,
    /// Value at the first pixel.
    pub first: f64,
    /// From one pixel to the next.
    pub step: f64,
}

impl Scale {
    /// `axis` is 0 for x and 1 for y.
    fn value(self, pixel: f64, size: usize, axis: usize) -> f64 {
        match self {
            Self::Pixels => axes::fits_from_pixel(pixel),
            Self::Arcsec { step, centre } => (pixel - (size as f64 - 1.0) / 2.0) * step + centre[axis],
            Self::Axes { first, step } => first[axis] + pixel * step[axis],
        }
    }

    fn pixel(self, value: f64, size: usize, axis: usize) -> f64 {
        match self {
            Self::Pixels => value - axes::fits_from_pixel(0.0),
            Self::Arcsec { step, centre } => (value - centre[axis]) / step + (size as f64 - 1.0) / 2.0,
            Self::Axes { first, step } => (value - first[axis]) / step[axis],
        }
    }

    /// The unit in which people would read a length of so many pixels.
    fn unit(self, pixels: f64) -> Unit {
        match self {
            Self::Pixels => Unit { size: 1.0, name: "pixel", sign: "px" },
            Self::Axes { .. } => Unit { size: 1.0, name: "", sign: "" },
            Self::Arcsec { step, .. } if step * pixels > 36_000.0 => Unit { size: 3600.0, name: "deg", sign: "°" },
            Self::Arcsec { step, .. } if step * pixels > 1200.0 => Unit { size: 60.0, name: "arcmin", sign: "′" },
            Self::Arcsec { .. } => Unit { size: 1.0, name: "arcsec", sign: "″" },
        }
    }
}

/// The unit of the tick labels.
#[derive(Clone, Copy)]
struct Unit {
    /// In units of the scale.
    size: f64,
    name: &'static str,
    /// Where there is room for a sign only.
    sign: &'static str,
}

/// The ticks of both axes and the rectangle that is left for the image.
pub(super) struct Frame {
    /// Where the image goes.
    pub(super) view: Rect,
    scale: Scale,
    /// Name and unit of x and y, where each has a quantity of its own.
    labels: Option<[[String; 2]; 2]>,
}

impl Frame {
    /// Takes the margins of the scale off `outer`. `None` when the view is too small for a scale.
    pub(super) fn new(outer: Rect, scale: Scale, axes: Option<&[PixelAxis; 2]>) -> Option<Self> {
        if outer.width() < SMALLEST || outer.height() < SMALLEST {
            return None;
        }
        // A fixed width: the image must not jump when a label grows by a digit.
        let left = if axes.is_some() { 46.0 } else { 38.0 };
        // The name of y stands above it, that of x below its labels.
        let (top, below) = if axes.is_some() { (NAME_HEIGHT, NAME_HEIGHT) } else { (FONT_SIZE / 2.0, 0.0) };
        let view = Rect::from_min_max(
            pos2(outer.left() + left, outer.top() + top),
            pos2(outer.right() - 8.0, outer.bottom() - BOTTOM_MARGIN - below),
        );
        let scale = axes.map_or(scale, |[x, y]| Scale::Axes { first: [x.first, y.first], step: [x.step, y.step] });
        Some(Self {
            view,
            scale,
            labels: axes.map(|axes| axes.each_ref().map(|axis| [axis.label.clone(), axis.unit.clone()])),
        })
    }

    /// Draws ticks and labels; `image_size` is `[width, height]` in pixels.
    pub(super) fn draw(&self, painter: &Painter, outer: Rect, camera: &Camera, image_size: [usize; 2]) {
        let view = self.view;
        let visuals = painter.ctx().global_style().visuals.clone();
        let color = visuals.text_color();
        let stroke = Stroke::new(1.0, color);
        let font = FontId::proportional(FONT_SIZE);
        let [x0, y0, x1, y1] = camera.visible(view);
        let [width, height] = image_size;
        // Only along the image, not along the empty surround.
        let x_range = [x0.max(-0.5), x1.min(width as f64 - 0.5)];
        let y_range = [y0.max(-0.5), y1.min(height as f64 - 0.5)];
        let room = |pixels: [f64; 2], points: f64, each: f64| {
            ((pixels[1] - pixels[0]) * points / each).clamp(0.0, 9.0) as usize
        };
        let unit = self.scale.unit((x_range[1] - x_range[0]).max(y_range[1] - y_range[0]));
        let x_ticks = self.ticks(
            x_range,
            width,
            0,
            room(x_range, camera.points_per_pixel, if self.labels.is_some() { 55.0 } else { 25.0 }),
            unit,
        );
        let y_ticks = self.ticks(
            y_range,
            height,
            1,
            room(y_range, camera.points_up(), if self.labels.is_some() { 25.0 } else { 14.0 }),
            unit,
        );
        // The unit stands left of the view, see below.
        let mut last_right = view.left() - TICK_LENGTH;
        // From the left and from below, also where values fall along an axis.
        let mut along: Vec<(f32, &String)> = (x_ticks.values.iter().zip(&x_ticks.labels))
            .map(|(value, label)| (self.scale.pixel(*value * unit.size, width, 0), label))
            .map(|(pixel, label)| (camera.screen_from_pixel(view, [pixel, 0.0]).x, label))
            .collect();
        along.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (x, label) in along {
            painter.vline(x, view.bottom()..=view.bottom() + TICK_LENGTH, stroke);
            let galley = painter.layout_no_wrap(label.clone(), font.clone(), color);
            let half = galley.size().x / 2.0;
            if x - half > last_right + 4.0 && x + half <= outer.right() {
                last_right = x + half;
                painter.galley(pos2(x - half, view.bottom() + TICK_LENGTH), galley, color);
            }
        }
        let mut last_top = f32::INFINITY;
        let mut up: Vec<(f32, &String)> = (y_ticks.values.iter().zip(&y_ticks.labels))
            .map(|(value, label)| (self.scale.pixel(*value * unit.size, height, 1), label))
            .map(|(pixel, label)| (camera.screen_from_pixel(view, [0.0, pixel]).y, label))
            .collect();
        up.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (y, label) in up {
            painter.hline(view.left() - TICK_LENGTH..=view.left(), y, stroke);
            if y < last_top - FONT_SIZE {
                last_top = y;
                let position = pos2(view.left() - TICK_LENGTH - 2.0, y);
                painter.text(position, Align2::RIGHT_CENTER, label, font.clone(), color);
            }
        }
        // The unit in the corner between the axes, where no tick label can be.
        painter.rect_stroke(view, 0.0, stroke, egui::StrokeKind::Outside);
        if let Some([x_name, y_name]) = &self.labels {
            let named = |[name, unit]: &[String; 2], ticks: &Ticks| axes::axis_label(name, unit, &ticks.factor());
            let below = pos2(view.center().x, outer.bottom());
            painter.text(below, Align2::CENTER_BOTTOM, named(x_name, &x_ticks), font.clone(), color);
            painter.text(outer.left_top(), Align2::LEFT_TOP, named(y_name, &y_ticks), font, color);
            return;
        }
        let corner = pos2(view.left() - TICK_LENGTH, view.bottom() + TICK_LENGTH);
        let name = match x_ticks.factor() {
            factor if factor.is_empty() => unit.name.to_owned(),
            factor => format!("{factor}{}", unit.sign),
        };
        painter.text(corner, Align2::RIGHT_TOP, name, font, color);
    }

    fn ticks(&self, pixels: [f64; 2], size: usize, axis: usize, count: usize, unit: Unit) -> Ticks {
        if pixels[0] >= pixels[1] {
            return Ticks::of(Vec::new());
        }
        let [a, b] = pixels.map(|p| self.scale.value(p, size, axis) / unit.size);
        let (low, high) = (a.min(b), a.max(b));
        let mut values = axes::nice_values(low, high, count);
        if self.scale == Scale::Pixels {
            values.retain(|v| v.fract() == 0.0);
        }
        Ticks::of(values)
    }
}

/// A round length on the sky of at most `limit_arcsec`, with its text: `30″`, `2′`, `1°`, `50 mas`.
#[must_use]
pub fn round_length(limit_arcsec: f64) -> Option<(f64, String)> {
    if !(limit_arcsec.is_finite() && limit_arcsec > 0.0) {
        return None;
    }
    let units = [(3600.0, "°"), (60.0, "′"), (1.0, "″"), (1e-3, " mas"), (1e-6, " µas")];
    let (unit, sign) = *units.iter().find(|(unit, _)| *unit <= limit_arcsec)?;
    let count = limit_arcsec / unit;
    // Sixty parts make the next unit, so 30 is rounder than 20 or 50 there.
    let parts: &[f64] = if sign == "″" || sign == "′" {
        &[1.0, 2.0, 5.0, 10.0, 20.0, 30.0]
    } else {
        &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]
    };
    let number = parts.iter().rev().find(|part| **part <= count)?;
    Some((number * unit, format!("{}{sign}", axes::format_value(*number, 4))))
}

/// Draws the scale bar in the left bottom corner of the view.
pub(super) fn draw_scale_bar(painter: &Painter, view: Rect, camera: &Camera, arcsec_per_pixel: f64) {
    let points_per_arcsec = camera.points_per_pixel / arcsec_per_pixel;
    let Some((length, text)) = round_length(0.3 * f64::from(view.width()) / points_per_arcsec) else {
        return;
    };
    let points = (length * points_per_arcsec) as f32;
    if view.width() < 90.0 || view.height() < 70.0 {
        return;
    }
    let font = FontId::proportional(FONT_SIZE);
    let galley = painter.layout_no_wrap(text, font, colors::ON_IMAGE);
    let width = points.max(galley.size().x);
    let plate = Rect::from_min_size(
        pos2(view.left() + 6.0, view.bottom() - galley.size().y - 16.0),
        vec2(width + 12.0, galley.size().y + 10.0),
    );
    painter.rect_filled(plate, 3.0, colors::UNDER_IMAGE_TEXT);
    let y = plate.bottom() - 5.0;
    let from = plate.center().x - points / 2.0;
    let stroke = Stroke::new(2.0, colors::ON_IMAGE);
    painter.hline(from..=from + points, y, stroke);
    let left = plate.center().x - galley.size().x / 2.0;
    painter.galley(pos2(left, plate.top() + 2.0), galley, colors::ON_IMAGE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_bars_are_round() {
        for (limit, length, text) in [
            (0.3, 0.2, "200 mas"),
            (7.0, 5.0, "5″"),
            (59.0, 30.0, "30″"),
            (130.0, 120.0, "2′"),
            (4000.0, 3600.0, "1°"),
            (2e-6, 2e-6, "2 µas"),
        ] {
            let (found, label) = round_length(limit).unwrap();
            assert!((found - length).abs() < 1e-9 * length, "{limit}: {found}");
            assert_eq!(label, text);
        }
        assert!(round_length(0.0).is_none());
        assert!(round_length(f64::NAN).is_none());
    }

    #[test]
    fn scale_goes_there_and_back() {
        let axes = Scale::Axes { first: [0.0, 7000.0], step: [0.2, -1.25] };
        assert_eq!(axes.value(4.0, 10, 1), 6995.0);
        for scale in [Scale::Pixels, Scale::Arcsec { step: 0.05, centre: [0.3, -2.0] }, axes] {
            for pixel in [-0.5, 0.0, 31.25, 99.5] {
                let back = scale.pixel(scale.value(pixel, 100, 1), 100, 1);
                assert!((back - pixel).abs() < 1e-9);
            }
        }
        assert_eq!(Scale::Pixels.value(0.0, 10, 0), 1.0);
        assert_eq!(Scale::Arcsec { step: 0.5, centre: [0.0, 0.25] }.value(4.5, 10, 1), 0.25);
    }
}
