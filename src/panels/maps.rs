//! Maps side by side, for any study: one grid, one transform for all maps of a frame, one hover state, fixed looks.

mod tool;

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{Align2, Color32, RichText, Ui, vec2};
use ndarray::Array2;

use crate::plots::axes;
use crate::plots::color_bar::ColorBar;
use crate::plots::color_table::Display;
use crate::plots::colors;
use crate::plots::image_camera::Camera;
use crate::plots::image_overlay::{MarkerShape, Markers, Mask, Overlays, Polyline};
use crate::plots::image_view::{ImageSource, ImageView};
use crate::plots::limits::{Limits, LimitsMode};

pub use tool::{LineWidth, MapEvent, MapEventKind, MapLine, MapMarkers};
use tool::{draw_tool, events};

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
    /// Signed, about a zero that the map gives ([`MapSpec::limits`]).
    Velocity,
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
            Self::Velocity => Display { limits: LimitsMode::Percentile(99.0), ..Display::residual() },
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
    /// Limits of its own, as long as the settings of its look leave them to the map.
    pub limits: Option<Limits>,
    /// The map whose limits it takes, so that the same colour is the same value on both.
    pub limits_of: Option<&'static str>,
    /// Markers in pixels.
    pub markers: Vec<MapMarkers>,
    /// Lines of a tool.
    pub lines: Vec<MapLine>,
    /// Thin straight lines, from end to end in pixels: borders of parts.
    pub borders: &'a [[[f64; 2]; 2]],
    /// A tool wants the drags of the left button, and the double clicks: the map does not pan by them, the middle button still does.
    pub takes_drags: bool,
    /// Places that can be taken hold of, in pixels: a drag that begins at one is no pan. Not drawn: give them markers.
    pub handles: Vec<[f64; 2]>,
}

/// Points between two maps.
const GAP: f32 = 6.0;
/// Least width and height of a map with its title, in points: smaller ones cannot be read.
const LEAST: f32 = 160.0;
/// Points that a scroll bar takes.
const SCROLL_BAR: f32 = 14.0;

/// Columns of a grid of `count` maps, at most `wished`, and the size of a map: it fills the room, or is higher than that where maps would be too small.
fn grid_cells(room: egui::Vec2, wished: usize, count: usize) -> (usize, egui::Vec2) {
    let wished = wished.clamp(1, count.max(1));
    let size = |columns: usize, width: f32| {
        let rows = count.max(1).div_ceil(columns);
        let share = |room: f32, n: usize| ((room - GAP * (n - 1) as f32) / n as f32).floor();
        vec2(share(width, columns), share(room.y, rows))
    };
    let fits = |size: egui::Vec2| size.x >= LEAST && size.y >= LEAST;
    // As wished, or with more rows where the columns alone are too narrow.
    if let Some(columns) = (1..=wished).rev().find(|c| fits(size(*c, room.x))) {
        return (columns, size(columns, room.x));
    }
    let width = room.x - SCROLL_BAR;
    let columns = (1..=wished).rev().find(|c| size(*c, width).x >= LEAST).unwrap_or(1);
    let size = size(columns, width);
    // In a grid that scrolls anyway maps are square as far as the room shows them whole.
    let height = size.x.min(room.y).max(LEAST);
    if size.y >= LEAST { (columns, size) } else { (columns, vec2(size.x.max(60.0), height)) }
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
            limits: None,
            limits_of: None,
            markers: Vec::new(),
            lines: Vec::new(),
            borders: &[],
            takes_drags: false,
            handles: Vec::new(),
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

    /// With limits of its own.
    pub fn limits(mut self, limits: Option<Limits>) -> Self {
        self.limits = limits;
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

    /// With markers.
    pub fn markers(mut self, markers: Vec<MapMarkers>) -> Self {
        self.markers = markers;
        self
    }

    /// With the lines of a tool.
    pub fn lines(mut self, lines: Vec<MapLine>) -> Self {
        self.lines = lines;
        self
    }

    /// With borders of parts.
    pub fn borders(mut self, borders: &'a [[[f64; 2]; 2]]) -> Self {
        self.borders = borders;
        self
    }

    /// With places that can be taken hold of.
    pub fn handles(mut self, handles: Vec<[f64; 2]>) -> Self {
        self.handles = handles;
        self
    }

    /// With its drags for a tool.
    pub fn takes_drags(mut self, takes: bool) -> Self {
        self.takes_drags = takes;
        self
    }
}

/// A layer of marked pixels, with a number that changes when they do.
#[derive(Default)]
struct Marked(Option<(Arc<Array2<bool>>, u64)>);

impl Marked {
    fn update(&mut self, pixels: &Arc<Array2<bool>>, revision: &mut u64) {
        if !self.0.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, pixels)) {
            *revision += 1;
            self.0 = Some((pixels.clone(), *revision));
        }
    }

    fn layer(&self, color: Color32) -> Option<Mask<'_>> {
        self.0.as_ref().map(|(pixels, revision)| Mask { pixels, revision: *revision, color, label: "" })
    }
}

#[derive(Default)]
struct Cell {
    view: ImageView,
    source: Option<ImageSource>,
    mask: Marked,
    /// Where the drag began that goes on.
    drag: Option<[f64; 2]>,
    /// The handle under the pointer, or in its hold.
    handle: Option<usize>,
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
    /// What the pointer did in this frame.
    events: Vec<MapEvent>,
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
            events: Vec::new(),
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

    /// Draws maps in a grid that fills the room; tells what the pointer did on them. `columns` is what is wished for:
    /// where maps would become too small to be read there are fewer, and the grid scrolls.
    pub fn grid_ui(&mut self, ui: &mut Ui, columns: usize, maps: &[MapSpec<'_>]) -> Vec<MapEvent> {
        let room = ui.available_size();
        let (columns, size) = grid_cells(room, columns, maps.len());
        let rows = maps.len().div_ceil(columns);
        let whole = vec2(room.x, rows as f32 * (size.y + GAP) - GAP);
        if whole.y > room.y {
            egui::ScrollArea::vertical()
                .id_salt("maps")
                .auto_shrink(false)
                .scroll_source(egui::scroll_area::ScrollSource::SCROLL_BAR)
                .show(ui, |ui| self.cells_ui(ui, columns, size, vec2(ui.available_width(), whole.y), maps));
        } else {
            self.cells_ui(ui, columns, size, room, maps);
        }
        std::mem::take(&mut self.events)
    }

    fn cells_ui(&mut self, ui: &mut Ui, columns: usize, size: egui::Vec2, whole: egui::Vec2, maps: &[MapSpec<'_>]) {
        let hovered = self.hovered.take();
        let origin = ui.cursor().min;
        for (i, map) in maps.iter().enumerate() {
            let at = origin + vec2((i % columns) as f32 * (size.x + GAP), (i / columns) as f32 * (size.y + GAP));
            let rect = egui::Rect::from_min_size(at, size);
            let mut child = ui.new_child(egui::UiBuilder::new().max_rect(rect).id_salt(map.id));
            self.map_ui(&mut child, map, hovered);
        }
        ui.allocate_rect(egui::Rect::from_min_size(origin, whole), egui::Sense::hover());
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
        let mut overlays = Overlays::default();
        if let Some(mask) = map.mask {
            cell.mask.update(mask, &mut self.revision);
            overlays.masks.extend(cell.mask.layer(colors::mask_tint(theme)));
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
        overlays.markers.extend(map.markers.iter().map(|m| Markers {
            positions: &m.points,
            shape: m.shape,
            radius: m.radius,
            color: m.color,
            label: m.label,
        }));
        cell.view.options.left_drag_pans = !map.takes_drags && cell.handle.is_none();
        cell.view.options.double_click_fits = !map.takes_drags;

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
        let own = map.limits.filter(|_| display.limits == map.look.display().limits);
        let shared = map.limits_of.and_then(|id| self.limits.get(id)).copied().or(own).map(|limits| {
            let mut shared = display.clone();
            shared.type_limits(limits);
            shared
        });
        let mut shown = shared.unwrap_or_else(|| display.clone());
        let response = cell.view.show(&mut image_ui, map.id, &source, &mut shown, &mut camera_now, &overlays);
        draw_tool(ui, &response, map);
        self.events.extend(events(ui, &response, map, (&mut cell.drag, &mut cell.handle)));
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
            let text = read_out(&source, pixel, map.look);
            let rect = title_rect.response.rect;
            ui.painter().text(
                egui::pos2(view_rect.right(), rect.center().y),
                Align2::RIGHT_CENTER,
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
        self.looks_ui(ui, &Look::ALL);
    }

    /// Colours of some kinds of maps, under names.
    pub fn looks_ui(&mut self, ui: &mut Ui, looks: &[(Look, &str)]) {
        for (look, name) in looks {
            let display = self.displays.entry(*look).or_insert_with(|| look.display());
            ui.collapsing(*name, |ui| {
                crate::panels::display_ui(ui, ("display", *look as usize), display);
                if ui.small_button("Reset").clicked() {
                    *display = look.display();
                }
            });
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
fn read_out(source: &ImageSource, pixel: [f64; 2], look: Look) -> String {
    let [x, y] = pixel.map(|p| axes::fits_from_pixel(p).round());
    match source.value_at(pixel) {
        Some(value) if value.is_nan() => {
            let why = if look == Look::Residual { "not fitted" } else { "no value" };
            format!("x {x:.0}  y {y:.0}  {why}")
        }
        Some(value) => format!("x {x:.0}  y {y:.0}  {}", axes::format_with_unit(value.into(), 4, &source.unit)),
        None => String::new(),
    }
}

/// A camera on a part of the image, or one that follows the whole of it.
fn first_camera(part: Option<[f64; 4]>, room: egui::Vec2) -> Camera {
    let Some([x0, y0, x1, y1]) = part else { return Camera::default() };
    let scale = (f64::from(room.x) / (x1 - x0).max(1.0)).min(f64::from(room.y) / (y1 - y0).max(1.0));
    Camera {
        center: [0.5 * (x0 + x1), 0.5 * (y0 + y1)],
        points_per_pixel: scale.max(0.01),
        follows_fit: false,
        ..Camera::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_that_would_be_too_small_get_fewer_columns_and_scroll() {
        // Room enough: as wished, and all of it used.
        assert_eq!(grid_cells(vec2(1000.0, 500.0), 3, 6), (3, vec2(329.0, 247.0)));
        // Too narrow for three, high enough for three rows of two.
        assert_eq!(grid_cells(vec2(400.0, 600.0), 3, 6), (2, vec2(197.0, 196.0)));
        // Too low for two rows: as many columns as are wide enough, and higher than the room.
        let (columns, size) = grid_cells(vec2(520.0, 220.0), 3, 6);
        assert_eq!(columns, 3);
        assert!(size.x >= LEAST && size.y >= LEAST && 2.0 * size.y > 220.0, "{size:?}");
        // A sliver is no reason to divide by zero.
        let (columns, size) = grid_cells(vec2(30.0, 20.0), 4, 8);
        assert_eq!((columns, size), (1, vec2(60.0, LEAST)));
        assert_eq!(grid_cells(vec2(500.0, 500.0), 4, 0).0, 1);
    }
}
