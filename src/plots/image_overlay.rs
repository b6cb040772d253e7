//! What is drawn over an image, in its pixel coordinates: curves, markers, masks, and the legend that names them.

use std::sync::Arc;

use egui::{Align2, Color32, FontId, Painter, Pos2, Rect, Shape, Stroke, pos2, vec2};
use ndarray::Array2;

use super::colors;
use super::image_camera::Camera;

/// A curve in pixel coordinates `[x, y]`; a point that is not finite breaks it.
#[derive(Clone, Debug)]
pub struct Polyline<'a> {
    /// The points.
    pub points: &'a [[f64; 2]],
    /// Joins the last point to the first.
    pub closed: bool,
    /// Colour, as a rule [`colors::Role::on_image`].
    pub color: Color32,
    /// Width in points of the screen.
    pub width: f32,
    /// Name in the legend; the same name twice is listed once, an empty one not at all.
    pub label: &'a str,
}

/// The shape of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkerShape {
    /// An upright cross.
    Cross,
    /// An open circle.
    Circle,
    /// A diagonal cross.
    Saltire,
    /// An open square.
    Square,
}

/// Markers of one kind at pixel coordinates `[x, y]`.
#[derive(Clone, Debug)]
pub struct Markers<'a> {
    /// The positions; those that are not finite are left out.
    pub positions: &'a [[f64; 2]],
    /// The shape.
    pub shape: MarkerShape,
    /// Half the size, in points of the screen.
    pub radius: f32,
    /// The colour.
    pub color: Color32,
    /// Name in the legend, as of a [`Polyline`].
    pub label: &'a str,
}

/// Pixels to tint: an array `[y, x]` of the size of the image.
#[derive(Clone, Debug)]
pub struct Mask<'a> {
    /// True is tinted.
    pub pixels: &'a Arc<Array2<bool>>,
    /// Changes whenever the pixels do.
    pub revision: u64,
    /// The tint, translucent.
    pub color: Color32,
    /// Name in the legend, as of a [`Polyline`].
    pub label: &'a str,
}

/// Everything over one image, drawn in this order: masks, lines, markers.
#[derive(Clone, Debug, Default)]
pub struct Overlays<'a> {
    /// Tinted pixels.
    pub masks: Vec<Mask<'a>>,
    /// Curves.
    pub lines: Vec<Polyline<'a>>,
    /// Markers.
    pub markers: Vec<Markers<'a>>,
}

impl Overlays<'_> {
    /// Draws lines and markers; the masks are tiles and belong to the view.
    pub(super) fn draw(&self, painter: &Painter, view: Rect, camera: &Camera) {
        for line in &self.lines {
            draw_line(painter, view, camera, line);
        }
        for markers in &self.markers {
            draw_markers(painter, view, camera, markers);
        }
    }

    /// Names and colours for the legend, each name once.
    fn legend(&self) -> Vec<(&str, Color32)> {
        let all = (self.masks.iter().map(|m| (m.label, m.color)))
            .chain(self.lines.iter().map(|l| (l.label, l.color)))
            .chain(self.markers.iter().map(|m| (m.label, m.color)));
        let mut legend: Vec<(&str, Color32)> = Vec::new();
        for (label, color) in all {
            if !label.is_empty() && legend.iter().all(|(known, _)| *known != label) {
                legend.push((label, color));
            }
        }
        legend
    }

    /// The legend in the right top corner, on a dark plate; left out where it would cover more than half of the view.
    pub(super) fn draw_legend(&self, painter: &Painter, view: Rect) {
        let entries: Vec<_> = self
            .legend()
            .into_iter()
            .map(|(label, color)| {
                let galley = painter.layout_no_wrap(label.to_owned(), FontId::proportional(11.0), colors::ON_IMAGE);
                (galley, color)
            })
            .collect();
        let row = entries.iter().map(|(g, _)| g.size().y).fold(0.0, f32::max);
        let widest = entries.iter().map(|(g, _)| g.size().x).fold(0.0, f32::max);
        let size = vec2(widest + 30.0, row * entries.len() as f32 + 6.0);
        if entries.is_empty() || size.x > 0.6 * view.width() || size.y > 0.5 * view.height() {
            return;
        }
        let plate = Rect::from_min_size(pos2(view.right() - size.x - 6.0, view.top() + 6.0), size);
        painter.rect_filled(plate, 3.0, colors::UNDER_IMAGE_TEXT);
        for (i, (galley, color)) in entries.into_iter().enumerate() {
            let top = plate.top() + 3.0 + row * i as f32;
            let middle = top + row / 2.0;
            let line = [pos2(plate.left() + 6.0, middle), pos2(plate.left() + 20.0, middle)];
            painter.line_segment(line, Stroke::new(2.5, color.to_opaque()));
            painter.galley(pos2(plate.left() + 25.0, top), galley, colors::ON_IMAGE);
        }
    }
}

fn draw_line(painter: &Painter, view: Rect, camera: &Camera, line: &Polyline<'_>) {
    let stroke = Stroke::new(line.width, line.color);
    let around = view.expand(4.0 * line.width);
    let mut run: Vec<Pos2> = Vec::new();
    let closing = if line.closed { line.points.first() } else { None };
    for point in line.points.iter().chain(closing) {
        if !point.iter().all(|v| v.is_finite()) {
            flush(painter, &mut run, stroke);
            continue;
        }
        let here = camera.screen_from_pixel(view, *point);
        match run.last() {
            // A stretch that lies wholly on one side of the view is left out: only its end starts the next run.
            Some(last) if !may_cross(around, *last, here) => {
                flush(painter, &mut run, stroke);
                run.push(here);
            }
            _ => run.push(here),
        }
    }
    flush(painter, &mut run, stroke);
}

fn flush(painter: &Painter, run: &mut Vec<Pos2>, stroke: Stroke) {
    let points = std::mem::take(run);
    if points.len() > 1 {
        // A dark rim keeps the line visible where the image has its colour.
        let rim = Stroke::new(stroke.width + 1.5, colors::faded(colors::UNDER_IMAGE_TEXT, 0.6));
        painter.add(Shape::line(points.clone(), rim));
        painter.add(Shape::line(points, stroke));
    }
}

/// False when both ends lie beyond the same side.
fn may_cross(view: Rect, a: Pos2, b: Pos2) -> bool {
    !((a.x < view.left() && b.x < view.left())
        || (a.x > view.right() && b.x > view.right())
        || (a.y < view.top() && b.y < view.top())
        || (a.y > view.bottom() && b.y > view.bottom()))
}

fn draw_markers(painter: &Painter, view: Rect, camera: &Camera, markers: &Markers<'_>) {
    let radius = markers.radius;
    let around = view.expand(radius + 2.0);
    let strokes = [Stroke::new(3.0, colors::faded(colors::UNDER_IMAGE_TEXT, 0.6)), Stroke::new(1.5, markers.color)];
    for position in markers.positions {
        if !position.iter().all(|v| v.is_finite()) {
            continue;
        }
        let center = camera.screen_from_pixel(view, *position);
        if !around.contains(center) {
            continue;
        }
        for stroke in strokes {
            match markers.shape {
                MarkerShape::Cross => {
                    painter.hline(center.x - radius..=center.x + radius, center.y, stroke);
                    painter.vline(center.x, center.y - radius..=center.y + radius, stroke);
                }
                MarkerShape::Circle => {
                    painter.circle_stroke(center, radius, stroke);
                }
                MarkerShape::Saltire => {
                    let (a, b) = (vec2(radius, radius), vec2(radius, -radius));
                    painter.line_segment([center - a, center + a], stroke);
                    painter.line_segment([center - b, center + b], stroke);
                }
                MarkerShape::Square => {
                    let square = Rect::from_center_size(center, vec2(2.0 * radius, 2.0 * radius));
                    painter.rect_stroke(square, 0.0, stroke, egui::StrokeKind::Middle);
                }
            }
        }
    }
}

/// Text on an image, on a dark plate so that it reads over any colour.
pub fn text_on_image(painter: &Painter, position: Pos2, align: Align2, text: &str) -> Rect {
    let galley = painter.layout_no_wrap(text.to_owned(), FontId::proportional(12.0), colors::ON_IMAGE);
    let rect = align.anchor_size(position, galley.size());
    painter.rect_filled(rect.expand2(vec2(4.0, 1.0)), 3.0, colors::UNDER_IMAGE_TEXT);
    painter.galley(rect.min, galley, colors::ON_IMAGE);
    rect
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legend_names_each_once() {
        let points = [[0.0, 0.0], [1.0, 1.0]];
        let line = |label| Polyline { points: &points, closed: false, color: Color32::WHITE, width: 1.0, label };
        let overlays = Overlays {
            lines: vec![line("critical"), line(""), line("critical"), line("caustic")],
            ..Overlays::default()
        };
        let names: Vec<&str> = overlays.legend().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["critical", "caustic"]);
    }

    #[test]
    fn segments_beside_the_view_are_dropped() {
        let view = Rect::from_min_size(pos2(0.0, 0.0), vec2(10.0, 10.0));
        assert!(!may_cross(view, pos2(-5.0, 1.0), pos2(-1.0, 9.0)));
        assert!(may_cross(view, pos2(-5.0, 5.0), pos2(15.0, 5.0)));
        assert!(may_cross(view, pos2(-5.0, -1.0), pos2(5.0, 20.0)));
    }
}
