//! A view of one image of an opened file: pan, zoom, limits, stretch, colour map, colour bar, read-out; a slider for cubes.

mod catalogue;
mod keep;

use std::path::PathBuf;
use std::sync::Arc;

use egui::{RichText, Ui};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::catalogue::CatalogueLayers;
use super::{ImageNote, Panel, PanelContext, PanelEntry, Product, Services, display_ui};
use crate::data::{DataId, HduEntry};
use crate::plots::color_bar::ColorBar;
use crate::plots::color_table::Display;
use crate::plots::image_camera::Camera;
use crate::plots::image_overlay::Overlays;
use crate::plots::image_view::{ImageSource, ImageView};
use crate::tasks::TaskError;
use crate::workers::{Answer, Key};

/// In the registry.
pub const ENTRY: PanelEntry = PanelEntry {
    kind: "image",
    title: "Image",
    help: "An image or a plane of a cube",
    study: false,
    make: |state| Box::new(ImagePanel::new(state)),
    picture: None,
};

/// What a session keeps of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    path: PathBuf,
    hdu: usize,
    plane: usize,
    display: Display,
    camera: Camera,
}

impl Default for Saved {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            hdu: 0,
            plane: 0,
            display: Display { color_map: "gray".into(), ..Display::default() },
            camera: Camera::default(),
        }
    }
}

/// What is on the screen.
struct Shown {
    source: ImageSource,
    hdu: HduEntry,
}

/// The panel.
pub struct ImagePanel {
    saved: Saved,
    /// A result in the store, when there is no path.
    result: Option<DataId>,
    shown: Option<Shown>,
    problem: Option<String>,
    waiting: bool,
    view: ImageView,
    read_out: String,
    catalogues: CatalogueLayers,
    /// Limits and the part of the image (pixels `[x low, y low, x high, y high]`) that were last on the screen.
    on_screen: Option<(crate::plots::limits::Limits, [f64; 4])>,
    /// Show the test pattern when there is no file.
    example: bool,
}

impl ImagePanel {
    fn new(state: &Value) -> Self {
        let mut saved: Saved = serde_json::from_value(state.clone()).unwrap_or_default();
        saved.camera.sanitize();
        Self {
            saved,
            result: None,
            shown: None,
            problem: None,
            waiting: false,
            view: ImageView::default(),
            read_out: String::new(),
            catalogues: CatalogueLayers::default(),
            on_screen: None,
            example: false,
        }
    }

    /// Without a file: a pattern of rings with noise and missing pixels, made in the background.
    fn ask_example(&mut self, cx: &mut PanelContext<'_>) {
        if !self.example || self.result.is_some() {
            return;
        }
        let answer = cx.services.queries.ask(cx.slot("example"), Key::of(&()), &cx.services.wake, |_| Ok(example()));
        if let Some(pixels) = answer.ready() {
            let pixels = pixels.as_ref().clone().into_dyn();
            self.result = Some(cx.services.store.insert("test pattern", pixels, "counts", None));
        }
    }

    fn ask(&mut self, cx: &mut PanelContext<'_>) {
        self.waiting = false;
        let result = self.result;
        if self.saved.path.as_os_str().is_empty() && result.is_none() {
            return;
        }
        let store = cx.services.store.clone();
        let (path, hdu, plane) = (self.saved.path.clone(), self.saved.hdu, self.saved.plane);
        // A file that was read again is another file.
        let id = result.or_else(|| store.id_of(&path));
        let revision = id.and_then(|id| store.revision(id));
        let key = Key::of(&(&path, hdu, plane, id, revision));
        let answer = cx.services.queries.ask(cx.slot("plane"), key, &cx.services.wake, move |_| {
            let id = result.map_or_else(|| store.open(&path), Ok)?;
            let pixels = store.plane(id, hdu, plane)?;
            let hdu = store.entry(id).and_then(|e| e.hdus.iter().find(|h| h.index == hdu).cloned());
            let hdu = hdu.ok_or_else(|| TaskError::file(&path, "closed while it was being read; open it again"))?;
            Ok(Loaded { pixels, hdu })
        });
        match &answer {
            Answer::Failed(message) => {
                self.problem = Some(message.to_string());
                self.shown = None;
            }
            Answer::Pending { .. } => self.waiting = true,
            Answer::Ready(_) => self.problem = None,
        }
        if let Some(loaded) = answer.newest() {
            let same = self.shown.as_ref().is_some_and(|s| Arc::ptr_eq(&s.source.pixels, &loaded.pixels));
            if !same {
                let name = self.title();
                let mut source = ImageSource::new(name, loaded.pixels.clone()).unit(loaded.hdu.unit.clone());
                if let Some(scale) = loaded.hdu.pixel_scale_arcsec {
                    source = source.arcsec_per_pixel(scale);
                }
                self.shown = Some(Shown { source, hdu: loaded.hdu.clone() });
            }
        }
    }
}

impl ImagePanel {
    /// What is shown, for those who write it to files; `None` without a file.
    fn plane_of_file(&self) -> Option<keep::PlaneOfFile<'_>> {
        let shown = self.shown.as_ref().filter(|_| !self.saved.path.as_os_str().is_empty())?;
        let size = shown.source.size();
        Some(keep::PlaneOfFile {
            path: &self.saved.path,
            hdu: self.saved.hdu,
            plane: self.saved.plane,
            planes: shown.hdu.shape.iter().rev().skip(2).product(),
            shape: &shown.hdu.shape,
            size,
            seen: self.on_screen.map_or([0.0, 0.0, size[0] as f64, size[1] as f64], |(_, seen)| seen),
            unit: &shown.source.unit,
        })
    }
}

/// Rings that widen outwards, seeded noise, and a corner without values: it shows stretch, limits and the neutral colour.
fn example() -> Array2<f32> {
    let mut noise = crate::numerics::random::stream(1, "image example", 0);
    Array2::from_shape_fn((160, 200), |(y, x)| {
        let (dx, dy) = (x as f64 - 92.0, y as f64 - 84.0);
        let r = dx.hypot(dy * 1.2);
        let rings = 1000.0 * (-r / 28.0).exp() * (1.0 + 0.6 * (r * r / 90.0).cos());
        if x + y < 24 { f32::NAN } else { (100.0 + rings + 6.0 * crate::numerics::random::normal(&mut noise)) as f32 }
    })
}

struct Loaded {
    pixels: Arc<Array2<f32>>,
    hdu: HduEntry,
}

impl crate::workers::Weigh for Loaded {
    fn bytes(&self) -> usize {
        // A remembered answer keeps the plane alive, also when the store has let it go.
        self.pixels.len() * 4 + size_of::<Self>()
    }
}

impl Panel for ImagePanel {
    fn title(&self) -> String {
        let name =
            self.saved.path.file_name().map_or_else(|| ENTRY.title.to_owned(), |n| n.to_string_lossy().into_owned());
        match self.shown.as_ref().map(|s| s.hdu.name.as_str()) {
            Some(hdu) if !hdu.is_empty() && hdu != "PRIMARY" => format!("{name} [{hdu}]"),
            _ if self.saved.hdu > 0 => format!("{name} [{}]", self.saved.hdu),
            _ => name,
        }
    }

    fn logic(&mut self, cx: &mut PanelContext<'_>) {
        self.ask_example(cx);
        self.ask(cx);
        let size = self.shown.as_ref().map_or([0; 2], |s| s.source.size());
        let note = ImageNote {
            title: self.title(),
            path: self.saved.path.clone(),
            data: self.result.or_else(|| cx.services.store.id_of(&self.saved.path)),
            hdu: self.saved.hdu,
            plane: self.saved.plane,
            planes: self.shown.as_ref().map_or(1, |s| s.hdu.shape.iter().rev().skip(2).product()),
            size,
        };
        let seen = self.on_screen.map(|(_, seen)| seen);
        self.catalogues.ask(cx, note.data, note.hdu, size, seen);
        cx.links.publish(cx.view, note);
    }

    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        if let Some(problem) = &self.problem {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(problem).color(color)).wrap());
            return;
        }
        let Some(shown) = &self.shown else {
            ui.centered_and_justified(|ui| {
                if self.waiting {
                    ui.spinner();
                } else {
                    ui.weak("Open a FITS file from the data tree, or drop one on the window");
                }
            });
            return;
        };
        let planes: usize = shown.hdu.shape.iter().rev().skip(2).product();
        ui.horizontal(|ui| {
            ui.label(RichText::new(&self.read_out).monospace());
        });
        if planes > 1 {
            ui.horizontal(|ui| {
                let label = ui.label("Plane");
                let mut plane = self.saved.plane + 1;
                ui.spacing_mut().slider_width = (ui.available_width() - 120.0).max(80.0);
                if ui.add(egui::Slider::new(&mut plane, 1..=planes)).labelled_by(label.id).changed() {
                    self.saved.plane = plane - 1;
                }
            });
        }
        let room = ui.available_rect_before_wrap();
        let mut image_rect = room;
        image_rect.set_width((room.width() - ColorBar::width() - 4.0).max(60.0));
        let mut image_ui = ui.new_child(egui::UiBuilder::new().max_rect(image_rect));
        let response = self.view.show(
            &mut image_ui,
            "image",
            &shown.source,
            &mut self.saved.display,
            &mut self.saved.camera,
            &Overlays { markers: self.catalogues.markers(), ..Overlays::default() },
        );
        self.on_screen = Some((response.limits, response.camera.visible(response.view)));
        if let Some(pixel) = response.clicked {
            let add = ui.input(|i| i.modifiers.command || i.modifiers.shift);
            self.catalogues.click(pixel, response.camera.points_per_pixel, add, cx);
        }
        let bar_rect = egui::Rect::from_min_max(
            egui::pos2(image_rect.right() + 4.0, response.view.top()),
            egui::pos2(room.right(), response.view.bottom()),
        );
        let mut bar_ui = ui.new_child(egui::UiBuilder::new().max_rect(bar_rect));
        ColorBar::new(&mut self.saved.display, response.limits)
            .label("Value", &shown.source.unit)
            .height(bar_rect.height())
            .draggable(true)
            .show(&mut bar_ui, "bar");
        ui.allocate_rect(room, egui::Sense::hover());
        // Shown on the line above in the next frame, which the moving pointer asks for anyway.
        let read_out = response.read_out(&shown.source.unit).unwrap_or_else(|| {
            let [width, height] = shown.source.size();
            format!("{width} × {height} pixels")
        });
        if read_out != self.read_out {
            self.read_out = read_out;
            ui.ctx().request_repaint();
        }
    }

    fn inspector_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        ui.label(RichText::new("Display").strong());
        display_ui(ui, "image display", &mut self.saved.display);
        ui.horizontal(|ui| {
            if ui.button("Fit").on_hover_text("Show the whole image (double-click, 0)").clicked() {
                self.saved.camera.follows_fit = true;
            }
            if ui.button("1:1").on_hover_text("One image pixel on one screen pixel (1)").clicked() {
                self.saved.camera.one_to_one(ui.ctx().pixels_per_point());
            }
        });
        ui.checkbox(&mut self.saved.display.axes, "Axes");
        if let Some(shown) = &self.shown {
            ui.separator();
            ui.horizontal(|ui| {
                ui.label(RichText::new("HDU").strong());
                let file = !self.saved.path.as_os_str().is_empty();
                if file && ui.small_button("Header").on_hover_text("Every card of this HDU").clicked() {
                    cx.send(super::Command::ShowHeader { path: self.saved.path.clone(), hdu: self.saved.hdu });
                }
            });
            ui.label(format!("{} {}", shown.hdu.index, shown.hdu.name));
            ui.label(&shown.hdu.description);
            if !shown.hdu.unit.is_empty() {
                ui.label(format!("Unit {}", shown.hdu.unit));
            }
            if let Some(scale) = shown.hdu.pixel_scale_arcsec {
                ui.label(format!("{scale:.4} arcsec per pixel"));
            }
        }
    }

    fn save(&self) -> Value {
        serde_json::to_value(&self.saved).unwrap_or_default()
    }

    fn busy(&self) -> bool {
        self.waiting || self.catalogues.waiting() || (self.example && self.result.is_none())
    }

    fn products(&self, services: &Services) -> Vec<Product> {
        let Some(of) = self.plane_of_file() else { return Vec::new() };
        keep::products(&of, &self.title(), &services.store)
    }

    fn python(&self, services: &Services) -> Option<String> {
        let of = self.plane_of_file()?;
        let has_sky = keep::has_sky(&services.store, of.path, of.hdu);
        Some(keep::python(&of, &self.saved.display, self.on_screen?.0, has_sky))
    }

    fn command_lines(&self) -> Vec<String> {
        super::file_command_lines(&self.saved.path)
    }

    fn close(&mut self, cx: &mut PanelContext<'_>) {
        self.catalogues.close(cx);
        for name in ["plane", "example"] {
            cx.services.queries.forget(cx.slot(name));
        }
    }

    fn show_example(&mut self, _cx: &mut PanelContext<'_>) {
        self.example = self.saved.path.as_os_str().is_empty() && self.result.is_none();
    }
}
