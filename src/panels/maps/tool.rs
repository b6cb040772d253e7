//! Tools on maps: markers, lines, and what the pointer does.

use egui::{Align2, Color32, Modifiers, PointerButton, Shape, Stroke, Ui, vec2};

use super::{Frame, MapSpec};
use crate::plots::image_overlay::{MarkerShape, text_on_image};
use crate::plots::image_view::ImageResponse;

/// How near to a handle, in points of the screen, the pointer takes hold of it.
const GRASP: f32 = 12.0;

/// Markers of one kind over a map.
#[derive(Clone, Debug)]
pub struct MapMarkers {
    /// Places `[x, y]` in pixels of the map, 0-based.
    pub points: Vec<[f64; 2]>,
    /// Shape.
    pub shape: MarkerShape,
    /// Half the size, in points of the screen.
    pub radius: f32,
    /// Colour, of a [`colors::Role`].
    pub color: Color32,
    /// Name in the legend; empty for none.
    pub label: &'static str,
    /// Numbers beside them, from 1.
    pub numbered: bool,
}

impl MapMarkers {
    /// Markers without numbers.
    pub fn new(points: Vec<[f64; 2]>, shape: MarkerShape, radius: f32, color: Color32, label: &'static str) -> Self {
        Self { points, shape, radius, color, label, numbered: false }
    }

    /// With their numbers, from 1.
    #[must_use]
    pub fn numbered(mut self) -> Self {
        self.numbered = true;
        self
    }
}

/// How wide a [`MapLine`] is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LineWidth {
    /// In points of the screen, whatever the zoom.
    Points(f32),
    /// In pixels of the map: what a brush of this width covers, round at its ends.
    Pixels(f64),
}

/// A line over a map that is drawn whether or not curves are shown: a tool at work.
#[derive(Clone, Debug)]
pub struct MapLine {
    /// Points `[x, y]` in pixels of the map, 0-based.
    pub points: Vec<[f64; 2]>,
    /// Joins the last point to the first.
    pub closed: bool,
    /// Colour.
    pub color: Color32,
    /// Width.
    pub width: LineWidth,
}

/// What the pointer did on a map in this frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapEvent {
    /// The map ([`MapSpec::id`]).
    pub map: &'static str,
    /// Its frame.
    pub frame: Frame,
    /// Where the pointer is, `[x, y]` in pixels of the map, 0-based; may lie beside the image.
    pub pixel: [f64; 2],
    /// What it did.
    pub kind: MapEventKind,
    /// Keys that were held.
    pub modifiers: Modifiers,
    /// Size of a pixel of the map on the screen, in points: with it, "near" can mean near for the eye.
    pub points_per_pixel: f64,
    /// Of [`MapSpec::handles`], the one under the pointer, or the one that is being dragged.
    pub handle: Option<usize>,
}

/// What the pointer did, with the left button where one is meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MapEventKind {
    /// It is over the map.
    Hover,
    /// A click. The second one of a double click comes as that.
    Click,
    /// A double click.
    DoubleClick,
    /// It is being dragged; only on maps that take drags ([`MapSpec::takes_drags`]), or from a handle ([`MapSpec::handles`]).
    Drag {
        /// Where the button went down.
        start: [f64; 2],
    },
    /// The button came up after a drag.
    DragEnd {
        /// Where it went down.
        start: [f64; 2],
    },
}

/// Lines of a tool, and the numbers of markers.
pub(super) fn draw_tool(ui: &Ui, response: &ImageResponse, map: &MapSpec<'_>) {
    let painter = ui.painter().with_clip_rect(response.view.intersect(ui.clip_rect()));
    let thin = Stroke::new(0.7, crate::plots::colors::faded(crate::plots::colors::ON_IMAGE, 0.45));
    for ends in map.borders {
        painter.line_segment(ends.map(|end| response.screen_from_pixel(end)), thin);
    }
    for line in &map.lines {
        let mut points: Vec<_> = line.points.iter().map(|p| response.screen_from_pixel(*p)).collect();
        let width = match line.width {
            LineWidth::Points(points) => points,
            LineWidth::Pixels(pixels) => (pixels * response.camera.points_per_pixel) as f32,
        };
        if let (LineWidth::Pixels(_), Some(first), Some(last)) = (line.width, points.first(), points.last()) {
            painter.circle_filled(*first, 0.5 * width, line.color);
            if points.len() > 1 {
                painter.circle_filled(*last, 0.5 * width, line.color);
            }
        }
        if line.closed {
            points.extend(points.first().copied());
        }
        if points.len() > 1 {
            painter.add(Shape::line(points, Stroke::new(width, line.color)));
        }
    }
    for markers in map.markers.iter().filter(|m| m.numbered) {
        for (i, point) in markers.points.iter().enumerate().filter(|(_, p)| p.iter().all(|c| c.is_finite())) {
            let at = response.screen_from_pixel(*point) + vec2(markers.radius + 5.0, -markers.radius);
            text_on_image(&painter, at, Align2::LEFT_CENTER, &(i + 1).to_string());
        }
    }
}

/// What the pointer did on a map. `drag` is where the drag began that goes on, `handle` what the pointer holds or could take.
pub(super) fn events(
    ui: &Ui,
    response: &ImageResponse,
    map: &MapSpec<'_>,
    (drag, handle): (&mut Option<[f64; 2]>, &mut Option<usize>),
) -> Vec<MapEvent> {
    // What the pointer holds stays in its hold, also in the frame in which the button comes up.
    if drag.is_none() && !ui.input(|i| i.pointer.any_down()) {
        *handle = response.hovered.and_then(|pixel| nearest_handle(map, response, pixel));
    }
    *handle = handle.filter(|i| *i < map.handles.len());
    let of_handle = *handle;
    let event = |pixel, kind| MapEvent {
        map: map.id,
        frame: map.frame,
        pixel,
        kind,
        modifiers: ui.input(|i| i.modifiers),
        points_per_pixel: response.camera.points_per_pixel,
        handle: of_handle,
    };
    let widget = &response.response;
    let at = |place: egui::Pos2| response.camera.pixel_from_screen(response.view, place);
    let mut events: Vec<MapEvent> =
        response.hovered.map(|pixel| event(pixel, MapEventKind::Hover)).into_iter().collect();
    if let Some(pixel) = response.clicked {
        events.push(event(pixel, MapEventKind::Click));
    }
    let pointer = widget.interact_pointer_pos();
    if widget.double_clicked_by(PointerButton::Primary)
        && let Some(place) = pointer.filter(|p| response.view.contains(*p))
    {
        events.push(event(at(place), MapEventKind::DoubleClick));
    }
    if of_handle.is_some() {
        let icon = if widget.dragged() { egui::CursorIcon::Grabbing } else { egui::CursorIcon::Grab };
        ui.ctx().set_cursor_icon(icon);
    }
    if !map.takes_drags && of_handle.is_none() {
        *drag = None;
        return events;
    }
    if widget.drag_started_by(PointerButton::Primary) {
        // The place where the button went down: a drag counts as one only after a few points.
        let origin = ui.input(|i| i.pointer.press_origin()).or(pointer);
        *drag = origin.filter(|p| response.view.contains(*p)).map(at);
    }
    if let (Some(start), Some(place)) = (*drag, pointer) {
        if widget.dragged_by(PointerButton::Primary) {
            events.push(event(at(place), MapEventKind::Drag { start }));
        }
        if widget.drag_stopped_by(PointerButton::Primary) {
            events.push(event(at(place), MapEventKind::DragEnd { start }));
        }
    }
    if !widget.dragged() {
        *drag = None;
    }
    events
}

/// The handle of a map within reach of a place.
fn nearest_handle(map: &MapSpec<'_>, response: &ImageResponse, pixel: [f64; 2]) -> Option<usize> {
    let at = response.screen_from_pixel(pixel);
    let distance = |i: &usize| response.screen_from_pixel(map.handles[*i]).distance(at);
    let nearest = (0..map.handles.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    (distance(&nearest) <= GRASP).then_some(nearest)
}
