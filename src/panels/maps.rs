//! Maps side by side, for any study: one grid, one transform for all maps of a frame, one hover state, fixed looks.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{Color32, RichText, Ui, vec2};
use ndarray::Array2;

use crate::plots::axes;
use crate::plots::color_bar::ColorBar;
use crate::plots::color_table::Display;
use crate::plots::colors;
use crate::plots::image_camera::Camera;
use crate::plots::image_overlay::{MarkerShape, Markers, Mask, Overlays, Polyline};
use crate::plots::image_view::{ImageSource, ImageView};
use crate::plots::limits::{Limits, LimitsMode};

/// Maps of the same frame share their camera and the cross under the pointer. The empty name is a frame of its own.
pub type Frame = &'static str;

/// A frame that is shared with nothing.
pub const OWN: Frame = "";

/// How a map is coloured at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// Light of galaxies.
    Light,
    /// In sigma, symmetric, -5 to 5.
    Residual,
    /// Positive, over decades.
    Convergence,
    /// Anything else.
    Plain,
}

impl Look {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Light, "Light"),
        (Self::Residual, "Residuals"),
        (Self::Convergence, "Convergence"),
        (Self::Plain, "Other maps"),
    ];

    fn display(self) -> Display {
        match self {
            Self::Light => Display::sky(),
            Self::Residual => Display::residual(),
            Self::Convergence => Display {
                color_map: "viridis".into(),
                stretch: crate::plots::stretch::Stretch::Log,
                limits: LimitsMode::Percentile(99.5),
                ..Display::default()
            },
            Self::Plain => {
                Display { color_map: "viridis".into(), limits: LimitsMode::Percentile(99.5), ..Display::default() }
            }
        }
    }
}

/// A curve over a map, in its pixels.
#[derive(Clone, Debug)]
pub struct CurveOverlay {
    /// Points `[x, y]` in pixels of the map, 0-based.
    pub points: Vec<[f64; 2]>,
    /// Colour, of a [`colors::Role`].
    pub color: Color32,
    /// Name in the legend.
    pub label: &'static str,
}

/// One map of a grid.
pub struct MapSpec<'a> {
    /// Name, unique in the panel.
    pub id: &'static str,
    /// Title over the map.
    pub title: &'a str,
    /// Pixels `[y, x]`, row 0 at the bottom.
    pub image: &'a Arc<Array2<f32>>,
    /// Unit of the values.
    pub unit: &'a str,
    /// Size of a pixel.
    pub pixel_scale_arcsec: f64,
    /// Which maps it moves with.
    pub frame: Frame,
    /// How it is coloured.
    pub look: Look,
    /// Curves in pixels.
    pub curves: Vec<CurveOverlay>,
    /// Pixels to shade.
    pub mask: Option<&'a Arc<Array2<bool>>>,
    /// Coordinates of the centre of the map.
    pub centre_arcsec: [f64; 2],
    /// The map whose limits it takes, so that the same colour is the same value on both.
    pub limits_of: Option<&'static str>,
}

impl<'a> MapSpec<'a> {
    /// A map without overlays.
    pub fn new(
        id: &'static str,
        title: &'a str,
        image: &'a Arc<Array2<f32>>,
        scale: f64,
        frame: Frame,
        look: Look,
    ) -> Self {
        Self {
            id,
            title,
            image,
            unit: "",
            pixel_scale_arcsec: scale,
            frame,
            look,
            curves: Vec::new(),
            mask: None,
            centre_arcsec: [0.0; 2],
            limits_of: None,
        }
    }

    /// With a unit.
    pub fn unit(mut self, unit: &'a str) -> Self {
        self.unit = unit;
        self
    }

    /// With its centre elsewhere than at the image centre.
    pub fn centre(mut self, centre: [f64; 2]) -> Self {
        self.centre_arcsec = centre;
        self
    }

    /// With the limits of another map, which is drawn before it.
    pub fn limits_of(mut self, id: &'static str) -> Self {
        self.limits_of = Some(id);
        self
    }

    /// With curves.
    pub fn curves(mut self, curves: Vec<CurveOverlay>) -> Self {
        self.curves = curves;
        self
    }

    /// With shaded pixels.
    pub fn mask(mut self, mask: &'a Arc<Array2<bool>>) -> Self {
        self.mask = Some(mask);
        self
    }
}

#[derive(Default)]
struct Cell {
    view: ImageView,
    source: Option<ImageSource>,
    mask: Option<(Arc<Array2<bool>>, u64)>,
}

/// Everything that is kept of the maps between frames.
pub struct Views {
    cells: BTreeMap<&'static str, Cell>,
    cameras: BTreeMap<Frame, Camera>,
    displays: BTreeMap<Look, Display>,
    /// Show critical curves and caustics.
    pub show_curves: bool,
    /// Where the pointer is: frame, the map it is on, pixel.
    hovered: Option<(Frame, &'static str, [f64; 2])>,
    /// Parts of frames to show first, in pixels: x0, y0, x1, y1.
    focus: BTreeMap<Frame, [f64; 4]>,
    revision: u64,
    /// Limits in use, by map.
    limits: BTreeMap<&'static str, Limits>,
}

impl Default for Views {
    fn default() -> Self {
        Self {
            cells: BTreeMap::new(),
            cameras: BTreeMap::new(),
            displays: Look::ALL.into_iter().map(|(look, _)| (look, look.display())).collect(),
            show_curves: true,
            hovered: None,
            focus: BTreeMap::new(),
            revision: 0,
            limits: BTreeMap::new(),
        }
    }
}

impl Views {
    /// A frame shows this part (pixels x0, y0, x1, y1), or all of it, when it is next drawn.
    pub fn focus_on(&mut self, frame: Frame, part: Option<[f64; 4]>) {
        match part {
            Some(part) => self.focus.insert(frame, part),
            None => self.focus.remove(&frame),
        };
        self.cameras.remove(&frame);
    }

    /// Draws maps in a grid that fills the room.
    pub fn grid_ui(&mut self, ui: &mut Ui, columns: usize, maps: &[MapSpec<'_>]) {
        let gap = 6.0;
        let columns = columns.clamp(1, maps.len().max(1));
        let rows = maps.len().div_ceil(columns);
        let room = ui.available_size();
        let size = vec2(
            ((room.x - gap * (columns - 1) as f32) / columns as f32).floor().max(60.0),
            ((room.y - gap * (rows - 1) as f32) / rows as f32).floor().max(60.0),
        );
        let hovered = self.hovered.take();
        let origin = ui.cursor().min;
        for (i, map) in maps.iter().enumerate() {
            let at = origin + vec2((i % columns) as f32 * (size.x + gap), (i / columns) as f32 * (size.y + gap));
            let rect = egui::Rect::from_min_size(at, size);
            let mut child = ui.new_child(egui::UiBuilder::new().max_rect(rect).id_salt(map.id));
            self.map_ui(&mut child, map, hovered);
        }
        ui.allocate_rect(egui::Rect::from_min_size(origin, room), egui::Sense::hover());
    }

    fn map_ui(&mut self, ui: &mut Ui, map: &MapSpec<'_>, hovered: Option<(Frame, &'static str, [f64; 2])>) {
        let theme = colors::theme_of(ui.visuals());
        let cell = self.cells.entry(map.id).or_default();
        // A new array is a new revision; the same one keeps its coloured tiles.
        let same = cell.source.as_ref().is_some_and(|s| Arc::ptr_eq(&s.pixels, map.image));
        if !same {
            cell.source = Some(
                ImageSource::new(map.title, map.image.clone())
                    .unit(map.unit)
                    .arcsec_per_pixel(map.pixel_scale_arcsec)
                    .centre_arcsec(map.centre_arcsec),
            );
        }
        let Some(source) = cell.source.clone() else { return };
        if let Some(mask) = map.mask
            && !cell.mask.as_ref().is_some_and(|(m, _)| Arc::ptr_eq(m, mask))
        {
            self.revision += 1;
            cell.mask = Some((mask.clone(), self.revision));
        }
        let mut overlays = Overlays::default();
        if let (Some(_), Some((mask, revision))) = (map.mask, &cell.mask) {
            overlays.masks.push(Mask { pixels: mask, revision: *revision, color: colors::mask_tint(theme), label: "" });
        }
        if self.show_curves {
            overlays.lines.extend(map.curves.iter().map(|c| Polyline {
                points: &c.points,
                closed: true,
                color: c.color,
                width: 1.3,
                label: c.label,
            }));
        }
        // The pointer on one map of a frame is a cross on the others.
        let cross: Vec<[f64; 2]> = hovered
            .iter()
            .filter(|(frame, id, _)| *frame == map.frame && *id != map.id && *frame != OWN)
            .map(|h| h.2)
            .collect();
        overlays.markers.push(Markers {
            positions: &cross,
            shape: MarkerShape::Cross,
            radius: 6.0,
            color: colors::ON_IMAGE,
            label: "",
        });

        let display = self.displays.entry(map.look).or_insert_with(|| map.look.display());
        let bar_width = ColorBar::width_for("", map.unit);
        let mut camera = self.cameras.get(&map.frame).copied().filter(|_| map.frame != OWN);
        let title_rect = ui.horizontal(|ui| ui.label(RichText::new(map.title).strong()));
        let view_rect = ui.available_rect_before_wrap();
        let mut camera_now = camera.take().unwrap_or_else(|| {
            first_camera(self.focus.get(&map.frame).copied(), view_rect.size() - vec2(bar_width + 44.0, 30.0))
        });
        let mut image_rect = view_rect;
        image_rect.set_width((view_rect.width() - bar_width).max(40.0));
        let mut image_ui = ui.new_child(egui::UiBuilder::new().max_rect(image_rect));
        let shared = map.limits_of.and_then(|id| self.limits.get(id)).map(|limits| {
            let mut shared = display.clone();
            shared.type_limits(*limits);
            shared
        });
        let mut shown = shared.unwrap_or_else(|| display.clone());
        let response = cell.view.show(&mut image_ui, map.id, &source, &mut shown, &mut camera_now, &overlays);
        // Contrast and bias are set by dragging on the map; the limits stay those of the settings.
        (display.contrast, display.bias) = (shown.contrast, shown.bias);
        self.limits.insert(map.id, response.limits);
        let bar_rect = egui::Rect::from_min_max(
            egui::pos2(image_rect.right() + 4.0, response.view.top()),
            egui::pos2(view_rect.right(), response.view.bottom()),
        );
        let mut bar_ui = ui.new_child(egui::UiBuilder::new().max_rect(bar_rect));
        ColorBar::new(&mut shown, response.limits)
            .label("", map.unit)
            .height(bar_rect.height())
            .show(&mut bar_ui, (map.id, "bar"));
        if map.frame != OWN {
            self.cameras.insert(map.frame, camera_now);
        }
        if let Some(pixel) = response.hovered {
            self.hovered = Some((map.frame, map.id, pixel));
        }
        // The value under the pointer, also under the cross on the other maps.
        let place = response.hovered.or_else(|| cross.first().copied());
        if let Some(pixel) = place {
            let text = read_out(&source, pixel);
            let rect = title_rect.response.rect;
            ui.painter().text(
                egui::pos2(view_rect.right(), rect.center().y),
                egui::Align2::RIGHT_CENTER,
                text,
                egui::TextStyle::Small.resolve(ui.style()),
                ui.visuals().weak_text_color(),
            );
        }
    }

    /// Colours of the maps, in the inspector.
    pub fn settings_ui(&mut self, ui: &mut Ui) {
        ui.label(RichText::new("Display").strong());
        ui.checkbox(&mut self.show_curves, "Critical curves and caustics");
        for (look, name) in Look::ALL {
            if let Some(display) = self.displays.get_mut(&look) {
                ui.collapsing(name, |ui| {
                    crate::panels::display_ui(ui, ("display", look as usize), display);
                    if ui.small_button("Reset").clicked() {
                        *display = look.display();
                    }
                });
            }
        }
    }
}

/// The part of an image that a mask keeps (true = kept), in pixels, with a margin; `None` when that is nearly all of it.
pub fn part_of(mask: &Array2<bool>, margin: f64) -> Option<[f64; 4]> {
    let mut part = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    for ((y, x), _) in mask.indexed_iter().filter(|(_, m)| **m) {
        let (x, y) = (x as f64, y as f64);
        part = [part[0].min(x), part[1].min(y), part[2].max(x), part[3].max(y)];
    }
    let whole = part[2] - part[0] > 0.9 * mask.ncols() as f64 && part[3] - part[1] > 0.9 * mask.nrows() as f64;
    if whole || !part[0].is_finite() {
        return None;
    }
    let margin = margin * (part[2] - part[0]).max(part[3] - part[1]);
    Some([part[0] - margin, part[1] - margin, part[2] + margin, part[3] + margin])
}

/// `x 12  y 40  0.0123 sigma`, pixels counted from 1.
fn read_out(source: &ImageSource, pixel: [f64; 2]) -> String {
    let [x, y] = pixel.map(|p| axes::fits_from_pixel(p).round());
    match source.value_at(pixel) {
        Some(value) => format!("x {x:.0}  y {y:.0}  {}", axes::format_with_unit(value.into(), 4, &source.unit)),
        None => String::new(),
    }
}

/// A camera on a part of the image, or one that follows the whole of it.
fn first_camera(part: Option<[f64; 4]>, room: egui::Vec2) -> Camera {
    let Some([x0, y0, x1, y1]) = part else { return Camera::default() };
    let scale = (f64::from(room.x) / (x1 - x0).max(1.0)).min(f64::from(room.y) / (y1 - y0).max(1.0));
    Camera { center: [0.5 * (x0 + x1), 0.5 * (y0 + y1)], points_per_pixel: scale.max(0.01), follows_fit: false }
}
