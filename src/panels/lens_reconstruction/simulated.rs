//! Step 1 with a simulated lens: its maps, and what can be dragged on them.

use std::sync::Arc;

use egui::Ui;

use super::LensReconstruction;
use super::curves::{PREVIEW, image_curves, source_curves};
use crate::panels::PanelContext;
use crate::panels::maps::{Look, MapEvent, MapEventKind, MapMarkers, MapSpec, OWN, Views};
use crate::plots::colors::Role;
use crate::plots::headless::Headless;
use crate::plots::image_overlay::MarkerShape;
use crate::plots::picture::Picture;
use crate::studies::lens_models::{ImageFinder, Window};
use crate::studies::lens_reconstruction::positions::{arcsec_from_pixel, pixel_from_arcsec};
use crate::studies::lens_reconstruction::{SimulateOutcome, SimulateRequest};
use crate::workers::{Answer, Key, Weigh};

/// Name of the question for the images of the source's centre.
pub(super) const IMAGES: &str = "images of the source";
/// Maps with handles.
const IMAGE_MAP: &str = "simulated image";
const SOURCE_MAP: &str = "simulated source";
/// The handles of each map, in this order: of the lens, or of the source.
const CENTRE: usize = 0;
const SIZE: usize = 1;
/// How far from the image centre things can be dragged: the range of the sliders.
const FARTHEST_ARCSEC: f64 = 1.0;

/// Centre (arcsec) and pixel (arcsec) of the source map.
pub(super) type SourceGrid = ([f64; 2], f64);

/// A handle in the user's hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grip {
    map: &'static str,
    handle: usize,
    /// From the pointer to the handle, arcsec.
    offset: [f64; 2],
    /// The grid of the source map when the drag began: it stays, or the map would run away under the pointer.
    grid: SourceGrid,
}

impl Grip {
    /// The grid that the source map is to keep.
    pub(super) fn source_grid(self) -> SourceGrid {
        self.grid
    }
}

/// Where the centre of the source is seen.
pub(super) struct LiveImages {
    /// Places `[x, y]`, arcsec.
    places: Vec<[f64; 2]>,
    /// Sum of the absolute magnifications.
    magnification: f64,
}

impl Weigh for LiveImages {
    fn bytes(&self) -> usize {
        16 * self.places.len() + 24
    }
}

/// The images of the source's centre.
fn live_images(request: &SimulateRequest) -> LiveImages {
    let model = request.lens_model();
    let lens = model.prepare();
    let centre = [request.lens.x_arcsec, request.lens.y_arcsec];
    // Images of a source that is lensed at all lie within twice the Einstein radius, or near to the source itself.
    let source = [request.source.x_arcsec, request.source.y_arcsec];
    let reach = (source[0] - centre[0]).hypot(source[1] - centre[1]);
    let half = 2.5 * request.lens.einstein_radius_arcsec + 1.5 * reach;
    let window = Window { centre, half_width_arcsec: half.max(0.3), cells: 80 };
    let images = ImageFinder::new(&lens, window, &model.centres()).images(&lens, source);
    LiveImages {
        places: images.iter().map(|i| [i.x_arcsec, i.y_arcsec]).collect(),
        magnification: images.iter().map(|i| i.magnification.abs()).sum(),
    }
}

/// A place at a distance along an axis.
fn along([x, y]: [f64; 2], length: f64, angle_deg: f64) -> [f64; 2] {
    let (sin, cos) = angle_deg.to_radians().sin_cos();
    [x + length * cos, y + length * sin]
}

/// The handles of the lens on the image, arcsec: its centre, and the end of its critical curve's major axis (without shear).
fn lens_handles(request: &SimulateRequest) -> [[f64; 2]; 2] {
    let l = &request.lens;
    let centre = [l.x_arcsec, l.y_arcsec];
    [centre, along(centre, l.einstein_radius_arcsec / l.axis_ratio.sqrt(), l.position_angle_deg)]
}

/// The handles of the source on its map, arcsec: its centre, and the end of its half-light ellipse.
fn source_handles(request: &SimulateRequest) -> [[f64; 2]; 2] {
    let s = &request.source;
    let centre = [s.x_arcsec, s.y_arcsec];
    if request.source_image.is_some() {
        // Of a picture: the middle of its right edge.
        return [centre, [centre[0] + 0.5 * request.source_image_size_arcsec, centre[1]]];
    }
    [centre, along(centre, s.radius_arcsec / s.axis_ratio.sqrt(), s.position_angle_deg)]
}

/// To a ten-thousandth: finer than any hand.
fn rounded(v: f64) -> f64 {
    (v * 1e4).round() / 1e4 + 0.0
}

/// Puts a handle to a place (arcsec).
fn drag(request: &mut SimulateRequest, map: &str, handle: usize, place: [f64; 2]) {
    let inside = place.map(|v| rounded(v.clamp(-FARTHEST_ARCSEC, FARTHEST_ARCSEC)));
    // Length and angle of what is dragged by its end.
    let polar = |centre: [f64; 2], axis_ratio: f64| {
        let (dx, dy) = (place[0] - centre[0], place[1] - centre[1]);
        let angle = rounded(dy.atan2(dx).to_degrees().rem_euclid(180.0));
        (rounded(dx.hypot(dy) * axis_ratio.sqrt()), if angle < 180.0 { angle } else { 0.0 })
    };
    match (map, handle) {
        (IMAGE_MAP, CENTRE) => {
            // Light that lies on the mass goes with it.
            let (mass, light) = (&mut request.lens, &mut request.lens_light);
            if (mass.x_arcsec - light.x_arcsec).hypot(mass.y_arcsec - light.y_arcsec) < 1e-6 {
                [light.x_arcsec, light.y_arcsec] = inside;
            }
            [mass.x_arcsec, mass.y_arcsec] = inside;
        }
        (IMAGE_MAP, SIZE) => {
            let l = &mut request.lens;
            let (radius, angle) = polar([l.x_arcsec, l.y_arcsec], l.axis_ratio);
            (l.einstein_radius_arcsec, l.position_angle_deg) = (radius.clamp(0.1, 3.0), angle);
        }
        (SOURCE_MAP, CENTRE) => [request.source.x_arcsec, request.source.y_arcsec] = inside,
        (SOURCE_MAP, SIZE) if request.source_image.is_some() => {
            let half = (place[0] - request.source.x_arcsec).hypot(place[1] - request.source.y_arcsec);
            request.source_image_size_arcsec = rounded((2.0 * half).clamp(0.05, 20.0));
        }
        (SOURCE_MAP, SIZE) => {
            let s = &mut request.source;
            let (radius, angle) = polar([s.x_arcsec, s.y_arcsec], s.axis_ratio);
            (s.radius_arcsec, s.position_angle_deg) = (radius.clamp(0.02, 3.0), angle);
        }
        _ => {}
    }
}

impl LensReconstruction {
    /// Asks where the centre of the source is seen.
    pub(super) fn ask_live_images(&mut self, cx: &mut PanelContext<'_>) {
        if self.saved.simulate.model.is_some() {
            // A lens from a file is not that of the sliders.
            self.preview.live_images = None;
            return;
        }
        let request = self.saved.simulate.clone();
        let key = Key::of(&serde_json::to_string(&(&request.lens, &request.source)).unwrap_or_default());
        let answer =
            cx.services.queries.ask(cx.slot(IMAGES), key, &cx.services.wake, move |_| Ok(live_images(&request)));
        if let Some(images) = answer.newest() {
            self.preview.live_images = Some(images.clone());
        }
        if matches!(answer, Answer::Pending { .. }) {
            self.preview.wait();
        }
    }

    /// Draws the maps, and takes what is dragged on them.
    pub(super) fn simulated_maps_ui(&mut self, ui: &mut Ui) {
        let Some(outcome) = self.preview.simulated.clone() else {
            if self.preview.waiting() {
                ui.spinner();
            }
            return;
        };
        let from_file = self.saved.simulate.model.is_some();
        ui.horizontal_wrapped(|ui| {
            if let Some(images) = &self.preview.live_images {
                let count = images.places.len();
                let plural = if count == 1 { "image" } else { "images" };
                let text = format!("{count} {plural}, magnified {:.1} times", images.magnification);
                ui.label(text).on_hover_text(
                    "Of the centre of the source, marked on the image; the sum of the absolute magnifications of a point",
                );
            }
            if from_file {
                ui.weak("Mass and light are those of the model file");
            } else {
                ui.weak("Drag lens, source, or a small circle").on_hover_text(
                    "The small circles set size and angle: of the critical curve, and of the source's half-light ellipse",
                );
            }
            super::conventions::menu_ui(ui, None);
        });
        let live = self.preview.live_images.clone();
        let overlay = Overlay { request: &self.saved.simulate, images: live };
        let events = simulated_grid_ui(ui, &outcome, &mut self.views, Some(&overlay).filter(|_| !from_file));
        self.simulated_events(&events, &outcome);
    }

    fn simulated_events(&mut self, events: &[MapEvent], outcome: &SimulateOutcome) {
        let mut held = false;
        for event in events {
            let (MapEventKind::Drag { start } | MapEventKind::DragEnd { start }) = event.kind else { continue };
            let Some(handle) = event.handle else { continue };
            let (centre, shape, scale) = if event.map == SOURCE_MAP {
                (outcome.source_centre_arcsec, outcome.source.dim(), outcome.source_scale_arcsec)
            } else {
                ([0.0, 0.0], outcome.image.dim(), outcome.pixel_scale_arcsec)
            };
            let arcsec = |pixel| {
                let [x, y] = arcsec_from_pixel(pixel, shape, scale);
                [x + centre[0], y + centre[1]]
            };
            let request = &mut self.saved.simulate;
            let grip = self.grip.filter(|g| g.map == event.map && g.handle == handle).unwrap_or_else(|| {
                let handles = if event.map == SOURCE_MAP { source_handles(request) } else { lens_handles(request) };
                let (at, from) = (handles[handle.min(SIZE)], arcsec(start));
                let grid = (outcome.source_centre_arcsec, outcome.source_scale_arcsec);
                Grip { map: event.map, handle, offset: [at[0] - from[0], at[1] - from[1]], grid }
            });
            let [x, y] = arcsec(event.pixel);
            drag(request, event.map, handle, [x + grip.offset[0], y + grip.offset[1]]);
            self.grip = Some(grip);
            held |= matches!(event.kind, MapEventKind::Drag { .. });
        }
        if !held {
            self.grip = None;
        }
    }
}

/// What is drawn over the maps of a simulation that is being set up.
struct Overlay<'a> {
    request: &'a SimulateRequest,
    images: Option<Arc<LiveImages>>,
}

impl Overlay<'_> {
    /// Over the image.
    fn of_lens(&self, outcome: &SimulateOutcome) -> (Vec<MapMarkers>, Vec<[f64; 2]>) {
        let pixel = |p: [f64; 2]| pixel_from_arcsec(p, outcome.image.dim(), outcome.pixel_scale_arcsec);
        let handles = lens_handles(self.request).map(pixel);
        let color = Role::TangentialCritical.on_image();
        let mut markers = vec![
            MapMarkers::new(vec![handles[CENTRE]], MarkerShape::Cross, 8.0, color, "lens"),
            MapMarkers::new(vec![handles[SIZE]], MarkerShape::Circle, 4.0, color, ""),
        ];
        if let Some(images) = &self.images {
            let places = images.places.iter().map(|p| pixel(*p)).collect();
            let color = Role::Reference.on_image();
            markers.push(MapMarkers::new(places, MarkerShape::Saltire, 5.0, color, "images of the centre").numbered());
        }
        (markers, handles.to_vec())
    }

    /// Over the source.
    fn of_source(&self, outcome: &SimulateOutcome) -> (Vec<MapMarkers>, Vec<[f64; 2]>) {
        let [cx, cy] = outcome.source_centre_arcsec;
        let pixel =
            |[x, y]: [f64; 2]| pixel_from_arcsec([x - cx, y - cy], outcome.source.dim(), outcome.source_scale_arcsec);
        let handles = source_handles(self.request).map(pixel);
        let color = Role::Reference.on_image();
        let markers = vec![
            MapMarkers::new(vec![handles[CENTRE]], MarkerShape::Saltire, 6.0, color, "source"),
            MapMarkers::new(vec![handles[SIZE]], MarkerShape::Circle, 4.0, color, ""),
        ];
        (markers, handles.to_vec())
    }
}

/// The maps of a simulated lens; with `overlay`, those that can be dragged on.
fn simulated_grid_ui(
    ui: &mut Ui,
    outcome: &SimulateOutcome,
    views: &mut Views,
    overlay: Option<&Overlay<'_>>,
) -> Vec<MapEvent> {
    let scale = outcome.pixel_scale_arcsec;
    let curves = || image_curves(&outcome.curves, outcome.image.dim(), scale);
    let caustics =
        source_curves(&outcome.curves, outcome.source_centre_arcsec, outcome.source.dim(), outcome.source_scale_arcsec);
    let image = |id, title, image, look| MapSpec::new(id, title, image, scale, PREVIEW, look);
    let (lens_markers, lens_handles) = overlay.map(|o| o.of_lens(outcome)).unwrap_or_default();
    let (source_markers, source_handles) = overlay.map(|o| o.of_source(outcome)).unwrap_or_default();
    let maps = [
        image(IMAGE_MAP, "Image", &outcome.image, Look::Light)
            .curves(curves())
            .markers(lens_markers)
            .handles(lens_handles),
        MapSpec::new(SOURCE_MAP, "Source", &outcome.source, outcome.source_scale_arcsec, OWN, Look::Light)
            .centre(outcome.source_centre_arcsec)
            .curves(caustics)
            .markers(source_markers)
            .handles(source_handles),
        image("simulated convergence", "Convergence", &outcome.convergence, Look::Convergence).curves(curves()),
        image("simulated noiseless", "Image without noise", &outcome.noiseless, Look::Light),
    ];
    views.grid_ui(ui, 2, &maps)
}

/// The maps of a simulation as a picture, for `panel.png`.
pub(super) fn picture(outcome: &SimulateOutcome) -> Option<Picture> {
    let mut screen = Headless::new([900.0, 760.0], 1.0, egui::Theme::Light);
    let mut views = Views::default();
    screen.settle(60, |ui| {
        egui::CentralPanel::default().show(ui, |ui| {
            ui.heading("Simulated lens: not an observation");
            simulated_grid_ui(ui, outcome, &mut views, None);
        });
    });
    screen.picture().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::Deflector;

    #[test]
    fn a_handle_dragged_to_where_it_is_changes_nothing_and_elsewhere_what_it_stands_for() {
        let start = SimulateRequest::default();
        for (map, handles) in [(IMAGE_MAP, lens_handles(&start)), (SOURCE_MAP, source_handles(&start))] {
            for (handle, place) in handles.into_iter().enumerate() {
                let mut request = start.clone();
                drag(&mut request, map, handle, place);
                let (a, b) = (&request.lens, &start.lens);
                assert!((a.einstein_radius_arcsec - b.einstein_radius_arcsec).abs() < 1e-4);
                assert!((a.position_angle_deg - b.position_angle_deg).abs() < 1e-3);
                assert!((request.source.radius_arcsec - start.source.radius_arcsec).abs() < 1e-4);
                assert!((request.source.position_angle_deg - start.source.position_angle_deg).abs() < 1e-2);
                assert_eq!([a.x_arcsec, a.y_arcsec], [b.x_arcsec, b.y_arcsec]);
            }
        }
        let mut request = start.clone();
        drag(&mut request, IMAGE_MAP, CENTRE, [0.2, 7.0]);
        assert_eq!([request.lens.x_arcsec, request.lens.y_arcsec], [0.2, 1.0], "kept within the sliders");
        assert_eq!([request.lens_light.x_arcsec, request.lens_light.y_arcsec], [0.2, 1.0], "the light goes along");
        let mut request = start.clone();
        request.lens.axis_ratio = 0.64;
        drag(&mut request, IMAGE_MAP, SIZE, [0.02, 0.97]);
        assert!((request.lens.einstein_radius_arcsec - 0.8).abs() < 1e-6);
        assert!((request.lens.position_angle_deg - 90.0).abs() < 1e-6);
    }

    #[test]
    fn the_demo_has_four_images_that_trace_back() {
        let request = SimulateRequest::default();
        let images = live_images(&request);
        assert_eq!(images.places.len(), 4);
        let lens = request.lens_model().prepare();
        for [x, y] in &images.places {
            let [sx, sy] = lens.source_from_image(*x, *y);
            assert!((sx - 0.10).hypot(sy - 0.06) < 1e-9);
        }
    }
}
