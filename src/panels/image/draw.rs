//! What is drawn of an image view: lines of text above it, the image with everything over it, its colour bar.

use egui::{RichText, Ui};

use super::go_to::GoTo;
use super::load::Shown;
use super::profiles::Profile;
use super::read_out::Place;
use super::tools::LineTool;
use super::{ImagePanel, Saved};
use crate::panels::{Cursor, Panel, PanelContext};
use crate::plots::color_bar::ColorBar;
use crate::plots::colors;
use crate::plots::image_camera::Camera;
use crate::plots::image_overlay::{MarkerShape, Markers, Overlays, Polyline};
use crate::plots::image_view::ImageResponse;
use crate::plots::sky_grid::{SkyGrid, compass_rect, draw_compass};

impl ImagePanel {
    /// The lines above the image: value and place under the pointer. Always as high, so that the image stays where it is.
    pub(super) fn read_out_ui(&mut self, ui: &mut Ui, size: [usize; 2], has_wcs: bool) {
        ui.horizontal(|ui| {
            let value = match (&self.place, &self.linked) {
                (Some(place), _) => place.value_line(),
                (None, Some(place)) => format!("linked {}", place.value_line()),
                (None, None) => format!("{} × {} pixels", size[0], size[1]),
            };
            let room = (ui.available_width() - 130.0).max(60.0);
            ui.scope(|ui| {
                ui.set_max_width(room);
                ui.add(egui::Label::new(RichText::new(value).monospace()).truncate());
            });
            if self.saved.derived.is_some() && self.derived.waiting {
                let text = RichText::new(format!("{:.0} %", 100.0 * self.derived.fraction)).strong();
                ui.label(text).on_hover_text("So much of the image is made");
            }
            if self.frozen {
                ui.label(RichText::new("frozen").strong()).on_hover_text("F over the image lets it follow again");
            }
            if self.go_to.is_none() {
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    if ui.small_button("Go to…").on_hover_text("Centre on typed coordinates").clicked() {
                        self.go_to = Some(GoTo::open());
                    }
                });
            }
        });
        if has_wcs {
            let world = self.place.as_ref().or(self.linked.as_ref()).map_or_else(|| " ".to_owned(), Place::world_line);
            let text = if world.is_empty() { " ".to_owned() } else { world };
            ui.add(egui::Label::new(RichText::new(text).monospace()).truncate());
        }
        self.go_to_ui(ui);
    }

    /// What a picture to keep says above the image: which one it is, and where its plane lies.
    pub(super) fn caption_ui(&self, ui: &mut Ui) {
        let mut caption = self.title();
        if let Some(world) = &self.linking.world
            && let Some(axis) = world.channel_axis().filter(|_| world.planes() > 1)
            && let (Some(slice), Some(index)) = (world.slices.get(axis), world.indices(self.saved.plane).get(axis))
        {
            caption += &format!("   {}", slice.value_text(*index));
        }
        ui.label(RichText::new(caption).small());
    }

    /// The image with everything over it.
    pub(super) fn image_ui(&mut self, ui: &mut Ui, cx: &PanelContext<'_>) -> Option<ImageResponse> {
        let shown = self.load.shown.as_ref()?;
        let takes_drag = self.drawn.is_some_and(|(view, camera)| {
            self.regions.takes_drag(ui, &self.saved.regions, self.saved.selected_region, view, &camera)
        });
        self.view.options.left_drag_pans = self.line_tool == LineTool::Off && !takes_drag;
        self.view.options.double_click_fits = !self.regions.is_armed();
        self.view.options.scale_bar = self.saved.scale_bar;
        let mut overlays = Overlays::default();
        let ends = match self.saved.profile {
            Some(Profile::Line { ends }) => ends.to_vec(),
            Some(Profile::Radial { center, radius, recentre }) => {
                circle(self.found_center.filter(|_| recentre).unwrap_or(center), radius)
            }
            None => Vec::new(),
        };
        let color = colors::Role::Reference.on_image();
        overlays.lines.push(Polyline { points: &ends, closed: false, color, width: 1.5, label: "" });
        let mark: Vec<[f64; 2]> = self.saved.mark.into_iter().collect();
        for shape in [MarkerShape::Cross, MarkerShape::Circle] {
            overlays.markers.push(Markers { positions: &mark, shape, radius: 9.0, color, label: "" });
        }
        self.contours.add(&self.saved.contours, &mut overlays);
        overlays.markers.extend(self.catalogues.markers());
        self.regions.add(&self.saved.regions, self.saved.selected_region, &mut overlays);
        self.linked = self.linking.crosshair(cx, &mut overlays).map(|pixel| Place::of(pixel, shown));
        let fills = shown.source.axes.is_some();
        if self.saved.camera.fills != fills {
            self.saved.camera = Camera { fills, ..Camera::default() };
        }
        let response =
            self.view.show(ui, "image", &shown.source, &mut self.saved.display, &mut self.saved.camera, &overlays);
        draw_sky(ui, &response, shown, &self.saved, &mut self.grid);
        Some(response)
    }

    pub(super) fn color_bar_ui(&mut self, ui: &mut Ui, response: &ImageResponse) {
        let Some(shown) = &self.load.shown else { return };
        ColorBar::new(&mut self.saved.display, response.limits)
            .label("", &shown.source.unit)
            .height(response.view.height())
            .draggable(true)
            .show(ui, "bar");
    }

    /// Takes what is under the pointer, for the read-out and for the other views.
    pub(super) fn follow_pointer(&mut self, ui: &Ui, response: &ImageResponse, cx: &mut PanelContext<'_>) {
        let Some(shown) = &self.load.shown else { return };
        if self.frozen {
            return;
        }
        let place = response.hovered.map(|pixel| Place::of(pixel, shown));
        match &place {
            Some(place) => {
                cx.links.cursor = Some(Cursor { view: cx.view, pixel: place.pixel, sky: place.sky, inside: true });
            }
            None => {
                if let Some(cursor) = cx.links.cursor.as_mut().filter(|c| c.view == cx.view) {
                    cursor.inside = false;
                }
            }
        }
        // Shown on the line above in the next frame, which the moving pointer asks for anyway.
        if place != self.place {
            self.place = place;
            ui.ctx().request_repaint();
        }
    }
}

/// Grid and compass.
fn draw_sky(ui: &Ui, response: &ImageResponse, shown: &Shown, saved: &Saved, grid: &mut SkyGrid) {
    let Some(wcs) = shown.wcs.as_ref().filter(|wcs| wcs.shows_sky()) else { return };
    let (view, size) = (response.view, shown.source.size());
    let painter = ui.painter_at(view);
    if saved.grid {
        let mut reserved = Vec::new();
        if saved.compass {
            reserved.push(compass_rect(view));
        }
        if saved.scale_bar {
            let corner = egui::vec2(0.33 * view.width(), 34.0);
            reserved.push(egui::Rect::from_min_size(egui::pos2(view.left(), view.bottom() - corner.y), corner));
        }
        grid.draw(&painter, view, &response.camera, size, wcs, shown.sky_key, &reserved);
    }
    if saved.compass {
        draw_compass(&painter, view, &response.camera, size, wcs);
    }
}

/// A circle as a closed line of pixel coordinates.
fn circle(center: [f64; 2], radius: f64) -> Vec<[f64; 2]> {
    let angle = |i: u32| f64::from(i) / 64.0 * std::f64::consts::TAU;
    (0..=64).map(|i| [center[0] + radius * angle(i).cos(), center[1] + radius * angle(i).sin()]).collect()
}
