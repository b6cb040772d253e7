//! The tools of the desk at work: what is drawn over the map, and what clicks, drags and keys do.

use egui::{Key, Modifiers, Ui};

use super::LensReconstruction;
use super::desk::{BRUSH, Ground, Tool, centre_of};
use crate::panels::maps::{LineWidth, MapEvent, MapEventKind, MapLine, MapMarkers};
use crate::plots::colors::{self, Role};
use crate::plots::image_overlay::MarkerShape;
use crate::studies::lens_reconstruction::mask_edit::{MaskEdit, Paint};
use crate::studies::lens_reconstruction::positions::MOST_POSITIONS;

/// How near a click must be to something to mean it, in points of the screen.
const NEAR_POINTS: f64 = 12.0;
/// Corners of a drawn circle.
const CIRCLE: usize = 96;
/// Steps of a stroke shorter than this part of its radius are left out: they change no pixel worth the room.
const FINEST_STEP: f64 = 0.2;

fn circle(centre: [f64; 2], radius: f64) -> Vec<[f64; 2]> {
    (0..CIRCLE)
        .map(|i| std::f64::consts::TAU * i as f64 / CIRCLE as f64)
        .map(|t| [centre[0] + radius * t.cos(), centre[1] + radius * t.sin()])
        .collect()
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

impl LensReconstruction {
    /// Markers and lines of the desk.
    pub(super) fn desk_overlays(&self, ground: Ground) -> (Vec<MapMarkers>, Vec<MapLine>) {
        let (fit, tools) = (&self.saved.fit, &self.tools);
        let mut images: Vec<[f64; 2]> = self.saved.desk.images.iter().map(|p| ground.pixel(*p)).collect();
        if let Some((index, pixel)) = tools.moving
            && let Some(place) = images.get_mut(index)
        {
            *place = pixel;
        }
        let color = Role::Reference.on_image();
        let mut markers = Vec::new();
        if !images.is_empty() {
            markers.push(MapMarkers::new(images, MarkerShape::Circle, 8.0, color, "image").numbered());
        }
        if fit.lens_x_arcsec.is_some() || fit.lens_y_arcsec.is_some() {
            let centre = vec![ground.pixel(centre_of(fit))];
            markers.push(MapMarkers::new(centre, MarkerShape::Cross, 9.0, Role::Model.on_image(), "lens centre"));
        }
        (markers, self.tool_lines(ground))
    }

    fn tool_lines(&self, ground: Ground) -> Vec<MapLine> {
        let (fit, tools) = (&self.saved.fit, &self.tools);
        let thin = |points, closed| MapLine { points, closed, color: colors::ON_IMAGE, width: LineWidth::Points(1.5) };
        let mut lines = tools.handed_in.clone();
        match tools.tool {
            Some(Tool::Annulus) => {
                let (centre, radii) = match tools.ring {
                    Some(ring) => (ground.pixel(centre_of(fit)), ring.to_vec()),
                    None => {
                        let outer = fit.mask_outer_radius_arcsec;
                        let inner = Some(fit.mask_inner_radius_arcsec).filter(|r| *r > 0.0);
                        let radii = [inner, outer].into_iter().flatten().map(|r| r / ground.scale);
                        (ground.pixel([fit.mask_x_arcsec, fit.mask_y_arcsec]), radii.collect())
                    }
                };
                lines.extend(radii.into_iter().map(|r| thin(circle(centre, r), true)));
            }
            Some(Tool::Polygon) => {
                let mut points = tools.polygon.clone();
                points.extend(tools.hover.filter(|_| !tools.polygon.is_empty()));
                lines.push(thin(points, false));
                // The first corner, where a click closes.
                if let Some(first) = tools.polygon.first() {
                    lines.push(MapLine { width: LineWidth::Points(3.0), ..thin(circle(*first, 0.8), true) });
                }
            }
            Some(Tool::Brush) => {
                lines.push(self.stroke_line(tools.stroke.clone()));
                lines.extend(tools.hover.map(|at| thin(circle(at, tools.brush_radius), true)));
            }
            Some(Tool::Centre | Tool::Images) | None => {}
        }
        lines
    }

    fn stroke_line(&self, points: Vec<[f64; 2]>) -> MapLine {
        let color = colors::faded(Role::Residual.on_image(), 0.5);
        MapLine { points, closed: false, color, width: LineWidth::Pixels(2.0 * self.tools.brush_radius) }
    }

    /// Places that the tool in the hand can move.
    pub(super) fn desk_handles(&self, ground: Ground) -> Vec<[f64; 2]> {
        let fit = &self.saved.fit;
        match self.tools.tool {
            Some(Tool::Images) => self.saved.desk.images.iter().map(|p| ground.pixel(*p)).collect(),
            Some(Tool::Centre) if fit.lens_x_arcsec.is_some() => vec![ground.pixel(centre_of(fit))],
            _ => Vec::new(),
        }
    }

    /// What the pointer did on a map of the image plane.
    pub(super) fn desk_events(&mut self, events: &[MapEvent], ground: Ground) {
        self.tools.hover = None;
        for event in events {
            match event.kind {
                MapEventKind::Hover => self.tools.hover = Some(event.pixel),
                kind => match self.tools.tool {
                    Some(Tool::Centre) => self.centre_event(event, ground),
                    Some(Tool::Images) => self.image_event(event, ground),
                    Some(Tool::Annulus) => self.annulus_event(event, ground),
                    Some(Tool::Polygon) => self.polygon_event(event, kind, ground),
                    Some(Tool::Brush) => self.brush_event(event, ground),
                    None => {}
                },
            }
        }
    }

    fn centre_event(&mut self, event: &MapEvent, ground: Ground) {
        if matches!(event.kind, MapEventKind::Click | MapEventKind::Drag { .. }) && ground.holds(event.pixel) {
            let [x, y] = ground.arcsec(event.pixel);
            (self.saved.fit.lens_x_arcsec, self.saved.fit.lens_y_arcsec) = (Some(x), Some(y));
        }
    }

    fn image_event(&mut self, event: &MapEvent, ground: Ground) {
        let desk = &mut self.saved.desk;
        match (event.kind, event.handle) {
            (MapEventKind::Click, Some(index)) if index < desk.images.len() => {
                desk.images.remove(index);
                desk.images_file = None;
                if desk.images.is_empty() {
                    self.saved.fit.positions = None;
                }
            }
            (MapEventKind::Click | MapEventKind::DoubleClick, None)
                if ground.holds(event.pixel) && desk.images.len() < MOST_POSITIONS =>
            {
                desk.images.push(ground.arcsec(event.pixel));
                desk.images_file = None;
            }
            (MapEventKind::Drag { start }, Some(index)) if index < desk.images.len() => {
                // The marker keeps its distance from the pointer.
                let from = ground.pixel(desk.images[index]);
                let to = [0, 1].map(|k| from[k] + event.pixel[k] - start[k]);
                self.tools.moving = Some((index, to)).filter(|_| ground.holds(to));
            }
            (MapEventKind::DragEnd { .. }, _) => {
                if let Some((index, to)) = self.tools.moving.take()
                    && let Some(place) = desk.images.get_mut(index)
                {
                    *place = ground.arcsec(to);
                    desk.images_file = None;
                }
            }
            _ => {}
        }
    }

    fn annulus_event(&mut self, event: &MapEvent, ground: Ground) {
        let fit = &mut self.saved.fit;
        let centre = centre_of(fit);
        let middle = ground.pixel(centre);
        let (MapEventKind::Drag { start } | MapEventKind::DragEnd { start }) = event.kind else { return };
        let (from, to) = (distance(start, middle), distance(event.pixel, middle));
        let inner = fit.mask_inner_radius_arcsec / ground.scale;
        let outer = fit.mask_outer_radius_arcsec.map(|r| r / ground.scale);
        let near = |r: f64| (from - r).abs() * event.points_per_pixel < NEAR_POINTS;
        let ring = match outer {
            // A ring that is there is taken by one of its edges.
            Some(outer) if near(outer) && to > inner => [inner, to],
            Some(outer) if inner > 0.0 && near(inner) && to < outer => [to, outer],
            _ => [from.min(to), from.max(to)],
        };
        self.tools.ring = Some(ring);
        if matches!(event.kind, MapEventKind::DragEnd { .. }) {
            self.tools.ring = None;
            let [inner, outer] = ring.map(|r| (r * ground.scale * 1e3).round() / 1e3);
            // No more than a slip of the hand.
            if outer - inner >= ground.scale && outer >= 0.05 && inner < 60.0 {
                (fit.mask_x_arcsec, fit.mask_y_arcsec) = (centre[0], centre[1]);
                // From the very middle is no hole.
                fit.mask_inner_radius_arcsec = if inner < 2.0 * ground.scale { 0.0 } else { inner };
                fit.mask_outer_radius_arcsec = Some(outer.min(60.0));
            }
        }
    }

    fn polygon_event(&mut self, event: &MapEvent, kind: MapEventKind, ground: Ground) {
        match kind {
            MapEventKind::Click => {
                let closes = self.tools.polygon.len() >= 3
                    && distance(self.tools.polygon[0], event.pixel) * event.points_per_pixel < NEAR_POINTS;
                if closes {
                    self.close_polygon(ground);
                } else {
                    self.tools.polygon.push(rounded(event.pixel));
                }
            }
            // Its first click has set the last corner.
            MapEventKind::DoubleClick => self.close_polygon(ground),
            _ => {}
        }
    }

    /// Hands the polygon in, if it is one.
    fn close_polygon(&mut self, ground: Ground) {
        if self.tools.polygon.len() < 3 {
            return;
        }
        let points = std::mem::take(&mut self.tools.polygon);
        let width = LineWidth::Points(2.0);
        let line = MapLine { points: points.clone(), closed: true, color: Role::Residual.on_image(), width };
        self.tools.handed_in.push(line);
        self.draw(MaskEdit::Polygon { points, paint: self.tools.paint }, ground);
    }

    fn brush_event(&mut self, event: &MapEvent, ground: Ground) {
        let tools = &mut self.tools;
        let finest = FINEST_STEP * tools.brush_radius;
        let points = match event.kind {
            MapEventKind::Click | MapEventKind::DoubleClick => vec![rounded(event.pixel)],
            MapEventKind::Drag { start } => {
                if tools.stroke.is_empty() {
                    tools.stroke.push(rounded(start));
                }
                if tools.stroke.last().is_some_and(|last| distance(*last, event.pixel) > finest) {
                    tools.stroke.push(rounded(event.pixel));
                }
                return;
            }
            MapEventKind::DragEnd { .. } => {
                let mut points = std::mem::take(&mut tools.stroke);
                points.push(rounded(event.pixel));
                points
            }
            MapEventKind::Hover => return,
        };
        let paint = match (tools.paint, event.modifiers.shift) {
            (Paint::LeaveOut, true) => Paint::Keep,
            (Paint::Keep | Paint::KeepOnly, true) => Paint::LeaveOut,
            (paint, false) => paint,
        };
        let line = self.stroke_line(points.clone());
        self.tools.handed_in.push(line);
        self.draw(MaskEdit::Brush { points, radius: self.tools.brush_radius, paint }, ground);
    }

    /// Keys of the tools; `over` when the pointer is over the map.
    pub(super) fn desk_keys(&mut self, ui: &Ui, over: bool, ground: Ground) {
        let free = !ui.ctx().text_edit_focused() && !egui::Popup::is_any_open(ui.ctx());
        if !free || !(over || self.tools.tool.is_some()) {
            return;
        }
        let pressed = |key| ui.input_mut(|i| i.consume_key(Modifiers::NONE, key));
        if over {
            for (tool, _, _, key, _) in Tool::ALL {
                if pressed(key) {
                    self.tools.toggle(tool);
                }
            }
        }
        if self.tools.tool.is_some() && pressed(Key::Escape) {
            self.tools.escape();
        }
        if self.tools.tool == Some(Tool::Polygon) && !self.tools.polygon.is_empty() {
            if pressed(Key::Enter) {
                self.close_polygon(ground);
            } else if pressed(Key::Backspace) {
                self.tools.polygon.pop();
            }
        }
        if self.tools.tool == Some(Tool::Brush) {
            let step = f64::from(u8::from(pressed(Key::CloseBracket))) - f64::from(u8::from(pressed(Key::OpenBracket)));
            self.tools.brush_radius = (self.tools.brush_radius * 1.25f64.powf(step)).clamp(BRUSH[0], BRUSH[1]);
        }
    }
}

/// To a hundredth of a pixel.
fn rounded(pixel: [f64; 2]) -> [f64; 2] {
    pixel.map(|v| (v * 100.0).round() / 100.0 + 0.0)
}
