//! Runs an interface without a window and gives back its picture. The clock is fixed: same input, same picture.

use std::time::Duration;

use egui::{Context, Event, Rect, Theme, Ui, Vec2, ViewportId, pos2};

use super::picture::{Picture, PictureError};
use super::soft::{MAX_TEXTURE_SIDE, SoftPainter};
use super::{colors, fonts};

/// Seconds that pass between two frames.
const FRAME_SECONDS: f64 = 1.0 / 60.0;

/// An egui context without a window: feed it events, run frames, take pictures.
pub struct Headless {
    ctx: Context,
    painter: SoftPainter,
    size_points: Vec2,
    pixels_per_point: f32,
    time: f64,
    events: Vec<Event>,
    last: Option<Frame>,
    uploaded_bytes: usize,
}

struct Frame {
    shapes: Vec<egui::epaint::ClippedShape>,
    pixels_per_point: f32,
}

impl Headless {
    /// A window of `size` points, with `pixels_per_point` pixels to the point, with the fonts of the program.
    #[must_use]
    pub fn new(size: [f32; 2], pixels_per_point: f32, theme: Theme) -> Self {
        let ctx = Context::default();
        fonts::install(&ctx);
        ctx.set_theme(theme);
        Self {
            ctx,
            painter: SoftPainter::new(),
            size_points: size.into(),
            pixels_per_point,
            time: 0.0,
            events: Vec::new(),
            last: None,
            uploaded_bytes: 0,
        }
    }

    /// The context, to set styles or look at memory.
    #[must_use]
    pub fn ctx(&self) -> &Context {
        &self.ctx
    }

    /// An input event for the next frame.
    pub fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Runs one frame. True when the interface asks for another one right away:
    /// something moves, or a texture is still to come.
    pub fn frame(&mut self, ui: impl FnMut(&mut Ui)) -> bool {
        let mut input = egui::RawInput {
            screen_rect: Some(Rect::from_min_size(pos2(0.0, 0.0), self.size_points)),
            time: Some(self.time),
            predicted_dt: FRAME_SECONDS as f32,
            max_texture_side: Some(MAX_TEXTURE_SIDE),
            events: std::mem::take(&mut self.events),
            ..Default::default()
        };
        if let Some(viewport) = input.viewports.get_mut(&ViewportId::ROOT) {
            viewport.native_pixels_per_point = Some(self.pixels_per_point);
        }
        self.time += FRAME_SECONDS;
        let mut output = self.ctx.run_ui(input, ui);
        let patches = output.textures_delta.set.values().flatten();
        self.uploaded_bytes = patches.map(|patch| patch.image.width() * patch.image.height() * 4).sum();
        self.painter.update_textures(&mut output.textures_delta);
        let wants_more = output
            .viewport_output
            .get(&ViewportId::ROOT)
            .is_some_and(|viewport| viewport.repaint_delay == Duration::ZERO);
        self.last =
            Some(Frame { shapes: std::mem::take(&mut output.shapes), pixels_per_point: output.pixels_per_point });
        wants_more
    }

    /// Runs frames until the interface rests, at least two (egui settles its layout in the second), at most `limit`.
    /// False when it still wanted more.
    pub fn settle(&mut self, limit: usize, mut ui: impl FnMut(&mut Ui)) -> bool {
        for frame in 0..limit.max(2) {
            if !self.frame(&mut ui) && frame > 0 {
                return true;
            }
        }
        false
    }

    /// Bytes of textures that the last frame sent, as a window would send them to the graphics card.
    #[must_use]
    pub fn uploaded_bytes(&self) -> usize {
        self.uploaded_bytes
    }

    /// Makes the triangles of the last frame, as a window does before it paints; how many vertices there are.
    #[must_use]
    pub fn tessellate(&self) -> usize {
        let Some(frame) = &self.last else { return 0 };
        let primitives = self.ctx.tessellate(frame.shapes.clone(), frame.pixels_per_point);
        let vertices = |primitive: &egui::epaint::Primitive| match primitive {
            egui::epaint::Primitive::Mesh(mesh) => mesh.vertices.len(),
            egui::epaint::Primitive::Callback(_) => 0,
        };
        primitives.iter().map(|clipped| vertices(&clipped.primitive)).sum()
    }

    /// The picture of the last frame; an empty canvas before the first.
    pub fn picture(&self) -> Result<Picture, PictureError> {
        let (primitives, pixels_per_point) = match &self.last {
            Some(frame) => (self.ctx.tessellate(frame.shapes.clone(), frame.pixels_per_point), frame.pixels_per_point),
            None => (Vec::new(), self.pixels_per_point),
        };
        let side = |points: f32| (points * pixels_per_point).round() as u32;
        self.painter.paint(
            [side(self.size_points.x), side(self.size_points.y)],
            pixels_per_point,
            &primitives,
            colors::canvas(self.ctx.theme()),
        )
    }

    /// The last frame as an SVG document; an empty canvas before the first.
    ///
    /// # Errors
    /// See [`super::svg::document`].
    pub fn svg(&self) -> Result<String, PictureError> {
        let shapes = self.last.as_ref().map_or(&[][..], |frame| &frame.shapes);
        super::svg::document(&self.ctx, &self.painter, shapes, self.size_points, colors::canvas(self.ctx.theme()))
    }
}
