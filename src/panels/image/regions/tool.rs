//! What the pointer and the keys do to regions: drawing, selecting, moving, handles.

use egui::{Key, Modifiers, PointerButton, Rect, Ui};

use super::{RegionSettings, Regions};
use crate::data::regions::{Shape, ShapeKind};
use crate::panels::image::profiles::{Grip, handle};
use crate::plots::image_camera::Camera;
use crate::plots::image_view::ImageResponse;

/// A point and the first corner of a polygon are hit within so many points of the screen.
const HIT_POINTS: f64 = 7.0;

/// What the pointer is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Tool {
    /// Selecting, and moving what is selected.
    #[default]
    Off,
    /// The next drag draws; a polygon takes its corners by clicks.
    Armed(ShapeKind),
    /// A drag began at this pixel; the region that it draws, once it is one.
    Drawing { kind: ShapeKind, from: [f64; 2], number: Option<usize> },
    /// A region is being moved from where it was.
    Moving { number: usize, original: Shape, from: [f64; 2] },
}

impl Regions {
    /// Arms a shape, or puts it down when it is armed.
    pub(in super::super) fn arm(&mut self, settings: &mut RegionSettings, kind: ShapeKind) {
        self.drawing.clear();
        self.tool = if self.tool == Tool::Armed(kind) { Tool::Off } else { Tool::Armed(kind) };
        settings.last = kind;
        settings.shown = true;
    }

    /// The shape that is armed or being drawn.
    pub(super) fn armed(&self) -> Option<ShapeKind> {
        match self.tool {
            Tool::Armed(kind) | Tool::Drawing { kind, .. } => Some(kind),
            Tool::Off | Tool::Moving { .. } => None,
        }
    }

    /// True while drags and clicks are the tool's.
    pub(in super::super) fn is_armed(&self) -> bool {
        self.armed().is_some()
    }

    /// Puts the tool down; true when there was one.
    pub(in super::super) fn put_down(&mut self) -> bool {
        let armed = self.is_armed();
        self.drawing.clear();
        if armed {
            self.tool = Tool::Off;
        }
        armed
    }

    /// Whether a drag that begins where the pointer is takes a region along; asked before the image is drawn, which
    /// otherwise moves under it. `view` and `camera` are those of the frame before.
    pub(in super::super) fn takes_drag(
        &self,
        ui: &Ui,
        settings: &RegionSettings,
        selected: Option<usize>,
        view: Rect,
        camera: &Camera,
    ) -> bool {
        if self.tool != Tool::Off {
            return true;
        }
        let pointer = ui.input(|i| i.pointer.press_origin().or(i.pointer.latest_pos()));
        let Some(pointer) = pointer.filter(|p| settings.shown && view.contains(*p)) else { return false };
        let pixel = camera.pixel_from_screen(view, pointer);
        selected.is_some_and(|number| self.hits(number, pixel, camera))
    }

    fn hits(&self, number: usize, pixel: [f64; 2], camera: &Camera) -> bool {
        match self.placed.get(number).map(|p| &p.shape) {
            Some(Ok(Shape::Point { center })) => near(*center, pixel, camera),
            Some(Ok(shape)) => shape.contains(pixel),
            _ => false,
        }
    }

    /// The topmost region at a place.
    fn at(&self, pixel: [f64; 2], camera: &Camera) -> Option<usize> {
        (0..self.placed.len()).rev().find(|number| self.hits(*number, pixel, camera))
    }

    /// Gestures of one frame; true when a click was used up here.
    pub(in super::super) fn gestures(
        &mut self,
        ui: &Ui,
        response: &ImageResponse,
        settings: &mut RegionSettings,
        selected: &mut Option<usize>,
    ) -> bool {
        if !settings.shown {
            return false;
        }
        let modifiers = ui.input(|i| i.modifiers);
        let camera = response.camera;
        let image = &response.response;
        let here = image.interact_pointer_pos().map(|p| camera.pixel_from_screen(response.view, p));
        let pressed = ui.input(|i| i.pointer.press_origin()).map(|p| camera.pixel_from_screen(response.view, p));
        match self.tool.clone() {
            Tool::Off => {
                if image.drag_started_by(PointerButton::Primary)
                    && let Some(from) = pressed.or(here)
                    && let Some(number) = selected.filter(|number| self.hits(*number, from, &camera))
                    && let Some(Ok(original)) = self.placed.get(number).map(|p| p.shape.clone())
                {
                    self.tool = Tool::Moving { number, original, from };
                }
                let Some(pixel) = response.clicked else { return false };
                let hit = self.at(pixel, &camera).filter(|hit| *selected != Some(*hit));
                if hit.is_some() {
                    *selected = hit;
                }
                hit.is_some()
            }
            Tool::Moving { number, original, from } => {
                if let Some(to) = here {
                    self.write(settings, number, &original.moved([to[0] - from[0], to[1] - from[1]]));
                }
                if !image.dragged_by(PointerButton::Primary) {
                    self.tool = Tool::Off;
                }
                true
            }
            Tool::Armed(ShapeKind::Polygon) => {
                self.draw_polygon(ui, response, settings, selected);
                true
            }
            Tool::Armed(ShapeKind::Point) => {
                if let Some(pixel) = response.clicked {
                    *selected = self.add_shape(settings, &Shape::Point { center: pixel });
                    self.tool = Tool::Off;
                }
                true
            }
            Tool::Armed(kind) => {
                if image.drag_started_by(PointerButton::Primary)
                    && let Some(from) = pressed.or(here)
                {
                    self.tool = Tool::Drawing { kind, from, number: None };
                }
                true
            }
            Tool::Drawing { kind, from, number } => {
                let shape = here.and_then(|to| Shape::drawn(kind, from, to, modifiers.shift, modifiers.command));
                if let Some(shape) = shape {
                    let number = match number {
                        Some(number) => {
                            self.write(settings, number, &shape);
                            Some(number)
                        }
                        None => self.add_shape(settings, &shape),
                    };
                    *selected = number;
                    self.tool = Tool::Drawing { kind, from, number };
                }
                if !image.dragged_by(PointerButton::Primary) {
                    self.tool = Tool::Off;
                }
                true
            }
        }
    }

    /// A corner a click; a click on the first corner, Enter or a double click closes it.
    fn draw_polygon(
        &mut self,
        ui: &Ui,
        response: &ImageResponse,
        settings: &mut RegionSettings,
        selected: &mut Option<usize>,
    ) {
        // The last of them follows the pointer.
        self.drawing.pop();
        let mut close = ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Enter));
        close |= response.response.double_clicked_by(PointerButton::Primary);
        if let Some(pixel) = response.clicked {
            match self.drawing.first() {
                Some(first) if self.drawing.len() > 2 && near(*first, pixel, &response.camera) => close = true,
                _ => self.drawing.push(pixel),
            }
        }
        if close && self.drawing.len() > 2 {
            let vertices = std::mem::take(&mut self.drawing);
            *selected = self.add_shape(settings, &Shape::Polygon { vertices });
            self.tool = Tool::Off;
            return;
        }
        if !self.drawing.is_empty() {
            let end = response.hovered.or(self.drawing.last().copied());
            self.drawing.extend(end);
        }
    }

    /// Handles of the selected region.
    pub(in super::super) fn handles(
        &mut self,
        ui: &Ui,
        response: &ImageResponse,
        settings: &mut RegionSettings,
        selected: Option<usize>,
    ) {
        let Some(number) = selected.filter(|_| settings.shown) else { return };
        let Some(Ok(shape)) = self.placed.get(number).map(|p| p.shape.clone()) else { return };
        let even = ui.input(|i| i.modifiers.shift);
        let mut changed = None;
        for (index, grip) in shape.handles().into_iter().enumerate() {
            let mut at = grip.at;
            let name = format!("Region {} {}", number + 1, grip.name);
            if handle(ui, response, &mut at, &name, Grip::Small) {
                changed = Some(shape.dragged(index, at, even));
            }
        }
        if let Some(shape) = changed {
            self.write(settings, number, &shape);
        }
    }

    /// Moves the selected region by the arrow keys: a pixel, with Shift ten.
    pub(in super::super) fn arrows(&mut self, ui: &Ui, settings: &mut RegionSettings, selected: Option<usize>) {
        let Some(number) = selected.filter(|_| settings.shown) else { return };
        let Some(Ok(shape)) = self.placed.get(number).map(|p| p.shape.clone()) else { return };
        let step = crate::panels::image::profiles::arrow_steps(ui);
        if step != [0.0; 2] {
            self.write(settings, number, &shape.moved(step));
        }
    }

    /// Takes the selected region away.
    pub(in super::super) fn delete(&mut self, settings: &mut RegionSettings, selected: &mut Option<usize>) {
        if let Some(number) = selected.take() {
            settings.file.remove(number);
            self.refresh(settings);
        }
    }

    /// A second region like the selected one, a little beside it, selected then.
    pub(in super::super) fn duplicate(&mut self, settings: &mut RegionSettings, selected: &mut Option<usize>) {
        let Some(placed) = selected.and_then(|number| self.placed.get(number)) else { return };
        let Ok(shape) = &placed.shape else { return };
        let [x0, _, x1, _] = shape.bounds();
        let beside = shape.clone().moved([0.5 * (x1 - x0).max(2.0), 0.0]);
        if let (Some(number), Ok(there)) = (*selected, self.place.shape_in(&beside, placed.region.system)) {
            *selected = settings.file.duplicate(number, there);
            self.refresh(settings);
        }
    }

    /// Counts the pixels of the selected region in, or out of all others.
    pub(in super::super) fn toggle_include(&mut self, settings: &mut RegionSettings, selected: Option<usize>) {
        if let Some((number, placed)) = selected.and_then(|n| Some((n, self.placed.get(n)?))) {
            let include = !placed.region.include;
            settings.file.set_include(number, include);
            self.refresh(settings);
        }
    }
}

fn near(a: [f64; 2], b: [f64; 2], camera: &Camera) -> bool {
    ((a[0] - b[0]) * camera.points_per_pixel).hypot((a[1] - b[1]) * camera.points_up()) <= HIT_POINTS
}
