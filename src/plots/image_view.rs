//! The image view: a map in colour with camera, overlays, scale, and the value under the pointer.
//!
//! Gestures: wheel or pinch zooms at the pointer; left or middle drag pans; a middle click moves the point into the
//! middle; double click or `0` fits, `1` shows pixel for pixel; right drag sets bias (sideways) and contrast (up and
//! down) with the numbers at the pointer, a right double click resets them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use egui::{
    Align2, CursorIcon, Key, Modifiers, PointerButton, Pos2, Rect, Response, Sense, Ui, Vec2, WidgetInfo, vec2,
};
use ndarray::Array2;

use super::color_table::{ColorTable, Display, Fnv};
use super::image_camera::Camera;
use super::image_frame::{self, Frame, PixelAxis, Scale};
use super::image_overlay::{Mask, Overlays, text_on_image};
use super::image_tiles::{TileLayer, UPLOADS_PER_FRAME};
use super::limits::{Limits, LimitsMode};
use super::{axes, colors};

/// How much a point of wheel movement magnifies: a notch of 50 points by a fifth.
const ZOOM_PER_POINT: f64 = 0.004;

/// An image to show.
#[derive(Clone, Debug)]
pub struct ImageSource {
    /// The pixels `[y, x]`; row 0 is drawn at the bottom. NaN is "no value".
    pub pixels: Arc<Array2<f32>>,
    /// Different for different pixels: coloured tiles are kept by it.
    pub revision: u64,
    /// What the image is, for the legend of the picture and for screen readers: "convergence".
    pub name: String,
    /// Unit of the values, or nothing.
    pub unit: String,
    /// Arcseconds a pixel, where known: gives the scale on the sky.
    pub arcsec_per_pixel: Option<f64>,
    /// Coordinates `[x, y]` of the centre of the image on the scale of arcseconds.
    pub centre_arcsec: [f64; 2],
    /// What its axes count, where that is neither pixels nor a place on the sky.
    pub axes: Option<Arc<[PixelAxis; 2]>>,
    /// The limits that the pixels give, found elsewhere (by a query). Without them the view finds them as it draws, which
    /// is right for small live maps only. Typed and symmetric limits of the settings need no pixels and go first.
    pub limits: Option<Limits>,
}

impl ImageSource {
    /// An image with a revision number of its own.
    #[must_use]
    pub fn new(name: impl Into<String>, pixels: impl Into<Arc<Array2<f32>>>) -> Self {
        // From 2^32 on, so that numbers given out here and small ones set by a caller do not meet.
        static NEXT: AtomicU64 = AtomicU64::new(1 << 32);
        Self {
            pixels: pixels.into(),
            revision: NEXT.fetch_add(1, Ordering::Relaxed),
            name: name.into(),
            unit: String::new(),
            arcsec_per_pixel: None,
            centre_arcsec: [0.0; 2],
            axes: None,
            limits: None,
        }
    }

    /// With the unit of its values.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// With the size of its pixels on the sky.
    #[must_use]
    pub fn arcsec_per_pixel(mut self, scale: f64) -> Self {
        self.arcsec_per_pixel = Some(scale).filter(|s| s.is_finite() && *s > 0.0);
        self
    }

    /// With the coordinates of its centre.
    #[must_use]
    pub fn centre_arcsec(mut self, centre: [f64; 2]) -> Self {
        self.centre_arcsec = centre;
        self
    }

    /// With the limits that its pixels give.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// With a revision number that the caller keeps.
    #[must_use]
    pub fn revision(mut self, revision: u64) -> Self {
        self.revision = revision;
        self
    }

    /// `[width, height]` in pixels.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        let (height, width) = self.pixels.dim();
        [width, height]
    }

    /// The value of the pixel around a coordinate; `None` outside of the image.
    #[must_use]
    pub fn value_at(&self, pixel: [f64; 2]) -> Option<f32> {
        let index = |v: f64| {
            let rounded = (v + 0.5).floor();
            (rounded >= 0.0).then_some(rounded as usize)
        };
        self.pixels.get([index(pixel[1])?, index(pixel[0])?]).copied()
    }
}

/// What the view tells its caller about this frame.
pub struct ImageResponse {
    /// The whole widget: for context menus, tooltips and drags that the view itself does not use.
    pub response: Response,
    /// Where on the screen the image is drawn.
    pub view: Rect,
    /// The camera after this frame's gestures.
    pub camera: Camera,
    /// The coordinate under the pointer, 0-based `[x, y]`; may lie beside the image.
    pub hovered: Option<[f64; 2]>,
    /// The value under the pointer; `None` beside the image.
    pub value: Option<f32>,
    /// The coordinate of a click with the left button.
    pub clicked: Option<[f64; 2]>,
    /// The limits in use.
    pub limits: Limits,
    /// Tiles uploaded in this frame.
    pub uploads: usize,
}

impl ImageResponse {
    /// The place on the screen of a pixel coordinate, to draw handles.
    #[must_use]
    pub fn screen_from_pixel(&self, pixel: [f64; 2]) -> Pos2 {
        self.camera.screen_from_pixel(self.view, pixel)
    }

    /// `x 12.3  y 4.5  0.0123 Jy` for a status line, pixels counted from 1; nothing without a pointer.
    #[must_use]
    pub fn read_out(&self, unit: &str) -> Option<String> {
        let [x, y] = self.hovered?.map(axes::fits_from_pixel);
        let position = format!("x {x:.1}  y {y:.1}");
        Some(match self.value {
            Some(value) => format!("{position}  {}", axes::format_with_unit(value.into(), 5, unit)),
            None => position,
        })
    }
}

/// What a caller may switch off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageOptions {
    /// Left drag pans; off while a tool draws regions.
    pub left_drag_pans: bool,
    /// A double click fits the image; off while a tool has a meaning of its own for it.
    pub double_click_fits: bool,
    /// Names of the overlays in the corner.
    pub legend: bool,
    /// Scale bar on the sky, where the pixel size is known.
    pub scale_bar: bool,
}

impl Default for ImageOptions {
    fn default() -> Self {
        Self { left_drag_pans: true, double_click_fits: true, legend: true, scale_bar: true }
    }
}

/// The part of an image view that is not saved: tiles, and what was computed for them. Keep one for each view on screen.
#[derive(Default)]
pub struct ImageView {
    /// What is switched on.
    pub options: ImageOptions,
    image: TileLayer,
    masks: BTreeMap<usize, MaskLayer>,
    limits: Option<(LimitsKey, Limits)>,
    table: Option<(u64, ColorTable)>,
    contrast_drag: bool,
}

#[derive(Default)]
struct MaskLayer {
    tiles: TileLayer,
    /// The mask as numbers, with the revision that it was made from.
    values: Option<(u64, Arc<Array2<f32>>)>,
}

#[derive(PartialEq)]
struct LimitsKey {
    revision: u64,
    mode: LimitsMode,
    typed: [f64; 2],
}

impl ImageView {
    /// Tiles uploaded since the view was made, masks included.
    #[must_use]
    pub fn uploads(&self) -> u64 {
        self.image.uploads() + self.masks.values().map(|m| m.tiles.uploads()).sum::<u64>()
    }

    /// True when the last frame showed less than there will be: tiles or reduced levels are still being made.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.image.is_unfinished() || self.masks.values().any(|mask| mask.tiles.is_unfinished())
    }

    /// The limits that these settings give; computed once for an image and a mode, unless the source has them.
    pub fn limits(&mut self, source: &ImageSource, display: &Display) -> Limits {
        if let Some(limits) = display.limits.without_pixels(display.typed_limits).or(source.limits) {
            return limits;
        }
        let key = LimitsKey { revision: source.revision, mode: display.limits, typed: display.typed_limits };
        match &self.limits {
            Some((known, limits)) if *known == key => *limits,
            _ => {
                let limits = Limits::of(source.pixels.view(), display.limits, display.typed_limits);
                self.limits = Some((key, limits));
                limits
            }
        }
    }

    /// Shows the image in all the room there is.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        id: impl Hash + Debug,
        source: &ImageSource,
        display: &mut Display,
        camera: &mut Camera,
        overlays: &Overlays<'_>,
    ) -> ImageResponse {
        let outer = Rect::from_min_size(ui.cursor().min, room(ui));
        ui.advance_cursor_after_rect(outer);
        let response = ui.interact(outer, ui.scope_id().with(id), Sense::click_and_drag());
        let limits = self.limits(source, display);
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, ui.is_enabled(), image_label(source)));

        let scale =
            source.arcsec_per_pixel.map_or(Scale::Pixels, |step| Scale::Arcsec { step, centre: source.centre_arcsec });
        let frame = display.axes.then(|| Frame::new(outer, scale, source.axes.as_deref())).flatten();
        let view = frame.as_ref().map_or(outer, |frame| frame.view);
        if camera.follows_fit {
            camera.fit(source.size(), view.size());
        }
        self.gestures(ui, &response, view, source, display, camera);

        let theme = colors::theme_of(ui.visuals());
        let painter = ui.painter_at(outer);
        painter.rect_filled(view, 0.0, colors::image_surround(theme));
        let inside = painter.with_clip_rect(view.intersect(ui.clip_rect()));
        let mut budget = UPLOADS_PER_FRAME;
        if ui.is_rect_visible(view) {
            let table = self.table(display, limits, theme);
            self.image.draw(&inside, view, camera, &source.pixels, source.revision, &table, &mut budget);
            self.table = Some((self.table_key(display, limits, theme), table));
            for (index, mask) in overlays.masks.iter().enumerate() {
                let layer = self.masks.entry(index).or_default();
                layer.draw(&inside, view, camera, mask, &mut budget);
            }
            self.masks.retain(|index, _| *index < overlays.masks.len());
            overlays.draw(&inside, view, camera);
            if let Some(scale) = source.arcsec_per_pixel
                && self.options.scale_bar
            {
                image_frame::draw_scale_bar(&inside, view, camera, scale);
            }
            if self.options.legend {
                overlays.draw_legend(&inside, view);
            }
            if let Some(frame) = &frame {
                frame.draw(&painter, outer, camera, source.size());
            }
            self.draw_contrast(&inside, &response, display);
        }

        let hovered = response.hover_pos().filter(|p| view.contains(*p)).map(|p| camera.pixel_from_screen(view, p));
        let clicked = (response.clicked() && !response.double_clicked())
            .then(|| response.interact_pointer_pos())
            .flatten()
            .filter(|p| view.contains(*p))
            .map(|p| camera.pixel_from_screen(view, p));
        ImageResponse {
            response: response.on_hover_cursor(CursorIcon::Crosshair),
            view,
            camera: *camera,
            hovered,
            value: hovered.and_then(|pixel| source.value_at(pixel)),
            clicked,
            limits,
            uploads: UPLOADS_PER_FRAME - budget,
        }
    }

    fn table_key(&self, display: &Display, limits: Limits, theme: egui::Theme) -> u64 {
        let mut key = Fnv::default();
        for byte in display.color_map.bytes() {
            key.add(byte.into());
        }
        key.add(u64::from(display.invert) | (u64::from(theme == egui::Theme::Dark) << 1));
        key.add(display.stretch as u64);
        for number in [limits.low, limits.high, display.contrast, display.bias] {
            key.add(number.to_bits());
        }
        key.0
    }

    /// The colour table: the one at hand when nothing changed, else a new one.
    fn table(&mut self, display: &Display, limits: Limits, theme: egui::Theme) -> ColorTable {
        let key = self.table_key(display, limits, theme);
        match self.table.take() {
            Some((known, table)) if known == key => table,
            _ => ColorTable::new(display, limits, colors::nan_neutral(theme)),
        }
    }

    fn gestures(
        &mut self,
        ui: &Ui,
        response: &Response,
        view: Rect,
        source: &ImageSource,
        display: &mut Display,
        camera: &mut Camera,
    ) {
        if let Some(pointer) = response.hover_pos().filter(|p| view.contains(*p)) {
            let factor = ui.input_mut(|input| {
                // The wheel is used up here, so that a scroll area around the view stays where it is.
                let scroll = std::mem::replace(&mut input.smooth_scroll_delta, Vec2::ZERO);
                f64::from(input.zoom_delta()) * (ZOOM_PER_POINT * f64::from(scroll.y)).exp()
            });
            if factor != 1.0 {
                camera.zoom_at(view, pointer, factor);
            }
            if !ui.ctx().text_edit_focused() {
                let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
                if pressed(Key::Num0) {
                    camera.fit(source.size(), view.size());
                }
                if pressed(Key::Num1) {
                    camera.one_to_one(ui.ctx().pixels_per_point());
                }
            }
        }
        let pans = (self.options.left_drag_pans && response.dragged_by(PointerButton::Primary))
            || response.dragged_by(PointerButton::Middle);
        if pans && response.drag_delta() != Vec2::ZERO {
            camera.pan(response.drag_delta());
        }
        if response.clicked_by(PointerButton::Middle)
            && let Some(pointer) = response.interact_pointer_pos()
        {
            camera.center_on(camera.pixel_from_screen(view, pointer));
        }
        if self.options.double_click_fits && response.double_clicked_by(PointerButton::Primary) {
            camera.fit(source.size(), view.size());
        }
        if response.double_clicked_by(PointerButton::Secondary) {
            display.reset_contrast();
        }
        self.contrast_drag = response.dragged_by(PointerButton::Secondary);
        if self.contrast_drag {
            // Across the view moves the bias from one end of the map to the other; 100 points change the contrast by e.
            let delta = response.drag_delta();
            display.bias = (display.bias + f64::from(delta.x / view.width().max(1.0))).clamp(0.0, 1.0);
            display.contrast = (display.contrast * (-0.01 * f64::from(delta.y)).exp()).clamp(0.05, 50.0);
        }
    }

    fn draw_contrast(&self, painter: &egui::Painter, response: &Response, display: &Display) {
        if !self.contrast_drag {
            return;
        }
        if let Some(pointer) = response.interact_pointer_pos() {
            let text = format!("contrast {:.2}  bias {:.2}", display.contrast, display.bias);
            text_on_image(painter, pointer + vec2(12.0, -6.0), Align2::LEFT_BOTTOM, &text);
        }
    }
}

impl MaskLayer {
    fn draw(&mut self, painter: &egui::Painter, view: Rect, camera: &Camera, mask: &Mask<'_>, budget: &mut usize) {
        let values = match &self.values {
            Some((revision, values)) if *revision == mask.revision && values.dim() == mask.pixels.dim() => {
                Arc::clone(values)
            }
            _ => {
                let values = Arc::new(mask.pixels.mapv(|masked| f32::from(u8::from(masked))));
                self.values = Some((mask.revision, Arc::clone(&values)));
                values
            }
        };
        let table = ColorTable::tint(mask.color);
        self.tiles.draw(painter, view, camera, &values, mask.revision, &table, budget);
    }
}

/// The room left, with a height also where the layout grows without end.
fn room(ui: &Ui) -> Vec2 {
    let available = ui.available_size();
    let width = if available.x.is_finite() { available.x.max(16.0) } else { 400.0 };
    let height = if available.y.is_finite() && available.y < 1e5 { available.y.max(16.0) } else { width };
    vec2(width, height)
}

fn image_label(source: &ImageSource) -> String {
    let [width, height] = source.size();
    format!("{}: image of {width} × {height} pixels", source.name)
}
