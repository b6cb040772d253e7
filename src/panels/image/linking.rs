//! An image view as a member of a group: it writes what the user moved, and reads what others wrote.

use std::sync::Arc;

use egui::{ComboBox, DragValue, Ui};

use super::super::links::{Link, LinkKind, SharedCamera, SharedSlice};
use super::super::world::{Place, World, ask_world};
use super::super::{Cursor, PanelContext};
use crate::plots::colors::Role;
use crate::plots::image_camera::Camera;
use crate::plots::image_overlay::{MarkerShape, Markers, Overlays};

/// Cameras that differ by less than so many points on the screen are the same.
const SAME_POINTS: f64 = 0.01;

/// What an image view knows of its group.
#[derive(Default)]
pub struct Linking {
    /// The coordinates of the image, once read.
    pub world: Option<Arc<World>>,
    joined: Option<Link>,
    camera: Option<Camera>,
    plane: Option<usize>,
    seen_camera: u64,
    seen_slice: u64,
    crosshair: Vec<[f64; 2]>,
    waiting: bool,
}

impl Linking {
    /// Reads camera and slice of the group; writes the slice where this view changed it.
    pub fn logic(
        &mut self,
        cx: &mut PanelContext<'_>,
        place: &Place,
        link: &mut Link,
        camera: &mut Camera,
        plane: &mut usize,
    ) {
        if let Some(wanted) = cx.links.wanted_links.remove(&cx.view) {
            *link = wanted;
        }
        self.waiting = false;
        if !place.is_empty() {
            let answer = ask_world(cx, "world", place);
            self.waiting = matches!(answer, crate::workers::Answer::Pending { .. });
            self.world = answer.newest().cloned();
        }
        cx.links.join(cx.view, *link, self.world.clone());
        if self.joined != Some(*link) {
            *self = Self { world: self.world.take(), joined: Some(*link), waiting: self.waiting, ..Self::default() };
        }
        let Some(world) = self.world.clone().filter(|_| link.kind != LinkKind::Off) else { return };
        let group = cx.links.group(*link);
        if group.camera_revision > self.seen_camera {
            self.seen_camera = group.camera_revision;
            if let Some(wanted) = group.camera.as_ref().and_then(|c| c.camera(link.kind, &world)) {
                if !same(&wanted, camera) {
                    *camera = wanted;
                }
                self.camera = Some(*camera);
            }
        }
        if group.slice_revision > self.seen_slice {
            self.seen_slice = group.slice_revision;
            if let Some(wanted) = group.slice.as_ref().and_then(|s| s.plane(*plane, &world)) {
                *plane = wanted;
            }
        } else if self.plane != Some(*plane)
            && let Some(slice) = SharedSlice::of(*plane, link.kind, &world)
        {
            group.slice = Some(slice);
            group.slice_revision += 1;
            self.seen_slice = group.slice_revision;
            (cx.services.wake)();
        }
        self.plane = Some(*plane);
    }

    /// Writes the camera where this view changed it; call after it was drawn.
    pub fn after(&mut self, ui: &Ui, cx: &mut PanelContext<'_>, link: Link, camera: &Camera) {
        let Some(world) = self.world.as_ref().filter(|_| link.kind != LinkKind::Off) else { return };
        let group = cx.links.group(link);
        if group.camera_revision > self.seen_camera {
            // Somebody else moved: read before anything is written.
            ui.ctx().request_repaint();
            return;
        }
        if self.camera == Some(*camera) {
            return;
        }
        self.camera = Some(*camera);
        if let Some(shared) = SharedCamera::of(camera, link.kind, world) {
            group.camera = Some(shared);
            group.camera_revision += 1;
            self.seen_camera = group.camera_revision;
            ui.ctx().request_repaint();
        }
    }

    /// Adds the crosshair at the place that another linked view's pointer points to, and gives its pixel.
    pub fn crosshair<'a>(&'a mut self, cx: &PanelContext<'_>, overlays: &mut Overlays<'a>) -> Option<[f64; 2]> {
        self.crosshair = cx.links.matching_cursor(cx.view).into_iter().collect();
        if !self.crosshair.is_empty() {
            overlays.markers.push(Markers {
                positions: &self.crosshair,
                shape: MarkerShape::Cross,
                radius: 14.0,
                color: Role::Reference.on_image(),
                label: "",
            });
        }
        self.crosshair.first().copied()
    }

    /// Tells the other views where the pointer is. It stays at its last place when it leaves the image.
    pub fn point(&self, ui: &Ui, cx: &mut PanelContext<'_>, hovered: Option<[f64; 2]>, size: [usize; 2]) {
        let on_image = |p: &[f64; 2]| (0..2).all(|c| p[c] >= -0.5 && p[c] < size[c] as f64 - 0.5);
        let before = cx.links.cursor;
        match hovered.filter(on_image) {
            Some(pixel) => {
                let sky = self.world.as_ref().and_then(|w| w.wcs.as_ref()).and_then(|w| w.sky(&pixel));
                let sky = sky.map(|s| [s.longitude_deg, s.latitude_deg]);
                cx.links.cursor = Some(Cursor { view: cx.view, pixel, sky, inside: true });
            }
            None => {
                if let Some(cursor) = cx.links.cursor.as_mut().filter(|c| c.view == cx.view) {
                    cursor.inside = false;
                }
            }
        }
        if cx.links.cursor != before {
            // Views that were drawn earlier in this frame have not seen it.
            ui.ctx().request_repaint();
        }
    }

    /// True while the coordinates are being read.
    pub fn busy(&self) -> bool {
        self.waiting
    }

    /// The choice of link and group, in the inspector.
    pub fn inspector_ui(&self, ui: &mut Ui, link: &mut Link) {
        ui.horizontal(|ui| {
            let label = ui.label("Link");
            let combo = ComboBox::from_id_salt("link").selected_text(link.kind.name()).show_ui(ui, |ui| {
                for kind in LinkKind::ALL {
                    ui.selectable_value(&mut link.kind, kind, kind.name());
                }
            });
            combo.response.labelled_by(label.id).on_hover_text("Linked views share centre, scale, pointer and plane");
            if link.kind != LinkKind::Off {
                let label = ui.label("Group");
                ui.add(DragValue::new(&mut link.group).range(1..=9).speed(0.05)).labelled_by(label.id);
            }
        });
        let no_sky = self.world.as_ref().is_some_and(|w| w.wcs.as_ref().is_none_or(|c| c.celestial().is_none()));
        if link.kind == LinkKind::Sky && no_sky {
            ui.weak("This image has no sky coordinates; link it by pixel");
        }
    }
}

/// True when two cameras show the same to a hundredth of a point over a thousand points.
fn same(a: &Camera, b: &Camera) -> bool {
    let scale = (a.points_per_pixel / b.points_per_pixel - 1.0).abs() < 1e-6;
    scale && (0..2).all(|c| (a.center[c] - b.center[c]).abs() * a.points_per_pixel < SAME_POINTS)
}
