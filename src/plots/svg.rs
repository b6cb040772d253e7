//! What an interface draws, as an SVG: rectangles, lines, curves and text stay what they are, so that a figure can be
//! edited and its text searched; images and gradients become embedded PNGs, painted by the CPU painter.
//!
//! Text names the fonts of the window and falls back on common ones; `textLength` keeps every run as wide as it was
//! laid out, whatever font the viewer has.

mod text;

use std::fmt::Write as _;

use egui::epaint::{
    CircleShape, ClippedShape, ColorMode, CubicBezierShape, EllipseShape, PathShape, PathStroke, QuadraticBezierShape,
    RectShape,
};
use egui::{Color32, Context, Pos2, Rect, Shape, Stroke, StrokeKind, Vec2};

use super::picture::PictureError;
use super::soft::SoftPainter;

/// Pixels a point of embedded pictures.
const PIXELS_PER_POINT: f32 = 2.0;
/// Largest side of an embedded picture.
const LARGEST: f32 = 8192.0;

/// The shapes of a frame as an SVG document of `size` points.
///
/// # Errors
/// An embedded picture that cannot be written as PNG.
pub fn document(
    ctx: &Context,
    painter: &SoftPainter,
    shapes: &[ClippedShape],
    size: Vec2,
    background: Color32,
) -> Result<String, PictureError> {
    let mut writer = Writer::new(ctx, painter, Rect::from_min_size(Pos2::ZERO, size));
    for clipped in shapes {
        let moved = clipped.transform_after_tessellation;
        if moved == egui::emath::TSTransform::IDENTITY {
            writer.shape(clipped.clip_rect, &clipped.shape)?;
        } else {
            let mut shape = clipped.shape.clone();
            shape.transform(moved);
            writer.shape(clipped.clip_rect, &shape)?;
        }
    }
    writer.flush()?;
    writer.close_group();
    let (width, height) = (number(size.x), number(size.y));
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _infallible = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n<defs>\n{}</defs>\n\
         <rect width=\"{width}\" height=\"{height}\"{}/>\n{}</svg>\n",
        writer.defs,
        fill(background),
        writer.body
    );
    Ok(out)
}

struct Writer<'a> {
    ctx: &'a Context,
    painter: &'a SoftPainter,
    canvas: Rect,
    defs: String,
    body: String,
    /// Clip rectangles so far; their places are their names.
    clips: Vec<Rect>,
    /// The clip rectangle of the open group.
    open: Option<Rect>,
    /// Shapes that wait to be painted into one picture: tiles of an image come one by one.
    pictures: Vec<ClippedShape>,
}

impl<'a> Writer<'a> {
    fn new(ctx: &'a Context, painter: &'a SoftPainter, canvas: Rect) -> Self {
        Self {
            ctx,
            painter,
            canvas,
            defs: String::new(),
            body: String::new(),
            clips: Vec::new(),
            open: None,
            pictures: Vec::new(),
        }
    }

    fn shape(&mut self, clip: Rect, shape: &Shape) -> Result<(), PictureError> {
        let clip = clip.intersect(self.canvas);
        if !clip.is_positive() {
            return Ok(());
        }
        if let Shape::Vec(shapes) = shape {
            return shapes.iter().try_for_each(|inner| self.shape(clip, inner));
        }
        let bounds = shape.visual_bounding_rect();
        if matches!(shape, Shape::Noop) || !bounds.is_finite() || !bounds.intersects(clip) {
            return Ok(());
        }
        if must_be_painted(shape) {
            if self.pictures.last().is_some_and(|last| last.clip_rect != clip) {
                self.flush()?;
            }
            self.pictures.push(ClippedShape::new(clip, shape.clone()));
            return Ok(());
        }
        self.flush()?;
        self.clip_to(clip);
        match shape {
            Shape::Circle(circle) => self.circle(circle),
            Shape::Ellipse(ellipse) => self.ellipse(ellipse),
            Shape::LineSegment { points, stroke } => self.segment(*points, *stroke),
            Shape::Path(path) => self.path(path),
            Shape::Rect(rect) => self.rect(rect),
            Shape::Text(text) => text::write(&mut self.body, text),
            Shape::QuadraticBezier(curve) => self.quadratic(curve),
            Shape::CubicBezier(curve) => self.cubic(curve),
            // Painted, or nothing to draw (callbacks are the graphics card's).
            _ => {}
        }
        Ok(())
    }

    /// Opens the group of a clip rectangle.
    fn clip_to(&mut self, clip: Rect) {
        if self.open == Some(clip) {
            return;
        }
        self.close_group();
        let name = self.clips.iter().position(|known| *known == clip).unwrap_or_else(|| {
            let Rect { min, max } = clip;
            let _infallible = writeln!(
                self.defs,
                "<clipPath id=\"c{}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>",
                self.clips.len(),
                number(min.x),
                number(min.y),
                number(max.x - min.x),
                number(max.y - min.y)
            );
            self.clips.push(clip);
            self.clips.len() - 1
        });
        let _infallible = writeln!(self.body, "<g clip-path=\"url(#c{name})\">");
        self.open = Some(clip);
    }

    fn close_group(&mut self) {
        if self.open.take().is_some() {
            self.body.push_str("</g>\n");
        }
    }

    /// Paints the waiting shapes into one PNG and embeds it.
    fn flush(&mut self) -> Result<(), PictureError> {
        let waiting = std::mem::take(&mut self.pictures);
        let Some(clip) = waiting.first().map(|shape| shape.clip_rect) else { return Ok(()) };
        let mut bounds = Rect::NOTHING;
        for shape in &waiting {
            bounds = bounds.union(shape.shape.visual_bounding_rect());
        }
        let bounds = bounds.intersect(clip);
        // Whole points, so that the pixels of the picture are those of the screen.
        let bounds = Rect::from_min_max(bounds.min.floor(), bounds.max.ceil());
        if !bounds.is_positive() || bounds.width().max(bounds.height()) * PIXELS_PER_POINT > LARGEST {
            return Ok(());
        }
        let moved = waiting
            .into_iter()
            .map(|mut shape| {
                shape.shape.translate(-bounds.min.to_vec2());
                shape.clip_rect = shape.clip_rect.translate(-bounds.min.to_vec2());
                shape
            })
            .collect();
        let triangles = self.ctx.tessellate(moved, PIXELS_PER_POINT);
        let side = |points: f32| (points * PIXELS_PER_POINT).round() as u32;
        let picture = self.painter.paint(
            [side(bounds.width()), side(bounds.height())],
            PIXELS_PER_POINT,
            &triangles,
            Color32::TRANSPARENT,
        )?;
        let png = base64(&picture.to_png(None, &[])?);
        self.clip_to(clip);
        let _infallible = writeln!(
            self.body,
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
             xlink:href=\"data:image/png;base64,{png}\"/>",
            number(bounds.min.x),
            number(bounds.min.y),
            number(bounds.width()),
            number(bounds.height())
        );
        Ok(())
    }

    fn circle(&mut self, circle: &CircleShape) {
        let _infallible = writeln!(
            self.body,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}{}/>",
            number(circle.center.x),
            number(circle.center.y),
            number(circle.radius),
            fill(circle.fill),
            stroke(circle.stroke)
        );
    }

    fn ellipse(&mut self, ellipse: &EllipseShape) {
        let _infallible = writeln!(
            self.body,
            "<ellipse cx=\"{}\" cy=\"{}\" rx=\"{}\" ry=\"{}\"{}{}{}/>",
            number(ellipse.center.x),
            number(ellipse.center.y),
            number(ellipse.radius.x),
            number(ellipse.radius.y),
            fill(ellipse.fill),
            stroke(ellipse.stroke),
            rotation(ellipse.angle, ellipse.center)
        );
    }

    fn segment(&mut self, [a, b]: [Pos2; 2], line: Stroke) {
        if line.width <= 0.0 || line.color == Color32::TRANSPARENT {
            return;
        }
        let _infallible = writeln!(
            self.body,
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"{}/>",
            number(a.x),
            number(a.y),
            number(b.x),
            number(b.y),
            stroke(line)
        );
    }

    fn path(&mut self, path: &PathShape) {
        let points: Vec<String> =
            path.points.iter().filter(|p| p.is_finite()).map(|p| format!("{},{}", number(p.x), number(p.y))).collect();
        let name = if path.closed { "polygon" } else { "polyline" };
        let _infallible = writeln!(
            self.body,
            "<{name} points=\"{}\"{}{} stroke-linejoin=\"round\"/>",
            points.join(" "),
            fill(path.fill),
            path_stroke(&path.stroke)
        );
    }

    fn rect(&mut self, shape: &RectShape) {
        let half = 0.5 * shape.stroke.width;
        let rect = match shape.stroke_kind {
            StrokeKind::Inside => shape.rect.shrink(half),
            StrokeKind::Middle => shape.rect,
            StrokeKind::Outside => shape.rect.expand(half),
        };
        let radius = shape.corner_radius;
        let radius = f32::from(radius.nw.max(radius.ne).max(radius.sw).max(radius.se));
        let corners = if radius > 0.0 {
            format!(" rx=\"{}\"", number(radius.min(0.5 * rect.width().min(rect.height()))))
        } else {
            String::new()
        };
        let _infallible = writeln!(
            self.body,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{corners}{}{}{}/>",
            number(rect.min.x),
            number(rect.min.y),
            number(rect.width().max(0.0)),
            number(rect.height().max(0.0)),
            fill(shape.fill),
            stroke(shape.stroke),
            rotation(shape.angle, rect.center())
        );
    }

    fn quadratic(&mut self, curve: &QuadraticBezierShape) {
        let [a, b, c] = curve.points.map(point);
        let close = if curve.closed { " Z" } else { "" };
        let _infallible = writeln!(
            self.body,
            "<path d=\"M {a} Q {b} {c}{close}\"{}{}/>",
            fill(curve.fill),
            path_stroke(&curve.stroke)
        );
    }

    fn cubic(&mut self, curve: &CubicBezierShape) {
        let [a, b, c, d] = curve.points.map(point);
        let close = if curve.closed { " Z" } else { "" };
        let _infallible = writeln!(
            self.body,
            "<path d=\"M {a} C {b} {c} {d}{close}\"{}{}/>",
            fill(curve.fill),
            path_stroke(&curve.stroke)
        );
    }
}

/// Images, meshes and blurred or graded shapes have no counterpart in SVG that every viewer draws alike.
fn must_be_painted(shape: &Shape) -> bool {
    match shape {
        Shape::Mesh(_) | Shape::Band(_) => true,
        Shape::Rect(rect) => rect.blur_width > 0.0 || rect.brush.is_some(),
        Shape::Path(path) => matches!(path.stroke.color, ColorMode::UV(_)),
        Shape::Noop
        | Shape::Vec(_)
        | Shape::Circle(_)
        | Shape::Ellipse(_)
        | Shape::LineSegment { .. }
        | Shape::Text(_)
        | Shape::QuadraticBezier(_)
        | Shape::CubicBezier(_)
        | Shape::Callback(_) => false,
    }
}

fn point(p: Pos2) -> String {
    format!("{},{}", number(p.x), number(p.y))
}

/// A coordinate with three decimals at most.
fn number(x: f32) -> String {
    if !x.is_finite() {
        return "0".into();
    }
    let text = format!("{x:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.to_owned() }
}

/// `#rrggbb` and the opacity. egui's colours are multiplied by their opacity, those of SVG are not.
fn color(color: Color32) -> (String, f32) {
    let [r, g, b, a] = color.to_srgba_unmultiplied();
    (format!("#{r:02x}{g:02x}{b:02x}"), f32::from(a) / 255.0)
}

fn fill(of: Color32) -> String {
    match color(of) {
        (_, 0.0) => " fill=\"none\"".into(),
        (name, 1.0) => format!(" fill=\"{name}\""),
        (name, opacity) => format!(" fill=\"{name}\" fill-opacity=\"{}\"", number(opacity)),
    }
}

fn stroke(of: Stroke) -> String {
    match color(of.color) {
        (_, 0.0) => String::new(),
        _ if of.width <= 0.0 => String::new(),
        (name, 1.0) => format!(" stroke=\"{name}\" stroke-width=\"{}\"", number(of.width)),
        (name, opacity) => {
            format!(" stroke=\"{name}\" stroke-width=\"{}\" stroke-opacity=\"{}\"", number(of.width), number(opacity))
        }
    }
}

fn path_stroke(of: &PathStroke) -> String {
    match &of.color {
        ColorMode::Solid(color) => stroke(Stroke::new(of.width, *color)),
        ColorMode::UV(_) => String::new(),
    }
}

fn rotation(angle: f32, center: Pos2) -> String {
    if angle == 0.0 {
        return String::new();
    }
    format!(" transform=\"rotate({} {} {})\"", number(angle.to_degrees()), number(center.x), number(center.y))
}

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = [0, 1, 2].map(|i| u32::from(chunk.get(i).copied().unwrap_or(0)));
        let word = word[0] << 16 | word[1] << 8 | word[2];
        for i in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use egui::pos2;

    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn shapes_keep_their_kind() {
        let mut screen = crate::plots::headless::Headless::new([200.0, 100.0], 1.0, egui::Theme::Dark);
        screen.settle(3, |ui| {
            let painter = ui.painter();
            painter.circle_filled(pos2(50.0, 50.0), 10.0, Color32::RED);
            painter.line_segment([pos2(0.0, 0.0), pos2(20.0, 20.0)], Stroke::new(2.0, Color32::GREEN));
            painter.text(
                pos2(100.0, 50.0),
                egui::Align2::CENTER_CENTER,
                "a < b & σ",
                egui::FontId::proportional(14.0),
                Color32::WHITE,
            );
            let mut mesh = egui::Mesh::default();
            mesh.add_colored_rect(Rect::from_min_max(pos2(120.0, 10.0), pos2(140.0, 30.0)), Color32::BLUE);
            painter.add(Shape::mesh(mesh));
        });
        let text = screen.svg().unwrap();
        assert!(text.contains("<circle cx=\"50\" cy=\"50\" r=\"10\" fill=\"#ff0000\"/>"), "{text}");
        assert!(text.contains("<line ") && text.contains("stroke=\"#00ff00\" stroke-width=\"2\""), "{text}");
        assert!(text.contains(">a &lt; b &amp; σ</text>"), "{text}");
        assert!(text.contains("<image x=\"120\" y=\"10\" width=\"20\" height=\"20\""), "{text}");
        assert_eq!(number(-0.0001), "0");
        assert_eq!(fill(Color32::TRANSPARENT), " fill=\"none\"");
    }
}
