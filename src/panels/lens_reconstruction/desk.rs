//! The desk of step 1: the lens centre, the multiple images and the mask, marked and drawn on the user's own image.
//!
//! What is marked becomes part of the request: numbers, or files that a query writes beside the runs. The drawing itself stays in the
//! session, so that it can be gone on with and taken back, stroke by stroke.

use std::path::PathBuf;

use egui::{Button, DragValue, Key, Ui};
use serde::{Deserialize, Serialize};

use super::LensReconstruction;
use crate::panels::maps::MapLine;
use crate::panels::{Command, PanelContext};
use crate::studies::lens_reconstruction::mask_edit::{MaskBase, MaskDrawing, MaskEdit, Paint};
use crate::studies::lens_reconstruction::positions::{MOST_POSITIONS, arcsec_from_pixel, pixel_from_arcsec};
use crate::studies::lens_reconstruction::{FitRequest, MaskMeaning};

/// Maps narrower than this (points) have their tools in menus.
const NARROW: f32 = 260.0;
/// Height of the line of the tool in the hand, in points.
const ROW_HEIGHT: f32 = 26.0;
/// A brush's radius in pixels: least and greatest.
pub(super) const BRUSH: [f64; 2] = [0.5, 500.0];

/// What the session keeps of the desk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Desk {
    /// Places `[x, y]` of the multiple images, arcsec from the image centre.
    pub(super) images: Vec<[f64; 2]>,
    /// The file that holds them; none: they were changed, or there are none.
    pub(super) images_file: Option<PathBuf>,
    /// What was drawn on the mask.
    pub(super) mask: MaskDrawing,
    /// The file that holds what comes of it; none: it was changed, or nothing was drawn.
    pub(super) mask_file: Option<PathBuf>,
}

impl Desk {
    /// Without what no hand can have marked.
    pub(super) fn sanitise(&mut self) {
        self.images.retain(|p| p.iter().all(|v| v.is_finite() && v.abs() < 3600.0));
        self.images.truncate(MOST_POSITIONS);
        self.mask = std::mem::take(&mut self.mask).sanitised();
    }

    /// True while something that was marked is not yet in a file that the fit can read.
    pub(super) fn unwritten(&self) -> bool {
        (self.images_file.is_none() && !self.images.is_empty()) || (self.mask_file.is_none() && !self.mask.is_empty())
    }
}

/// Which map is worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Layer {
    /// The image.
    #[default]
    Data,
    /// Over its noise.
    Signal,
    /// Its errors.
    Noise,
    /// The point spread function.
    Psf,
    /// The image less a model of the lens galaxy's light.
    LightSubtracted,
}

impl Layer {
    pub(super) const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Data, "Data", "The image as it is fitted"),
        (Self::Signal, "S/N", "The image over its noise"),
        (Self::Noise, "Noise", "One standard deviation of each pixel"),
        (Self::Psf, "PSF", "The point spread function"),
        (
            Self::LightSubtracted,
            "Lens light off",
            "The image less a model of the lens galaxy's light: shows the arcs before any fit",
        ),
    ];
}

/// What the left button does on the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Centre,
    Images,
    Annulus,
    Polygon,
    Brush,
}

impl Tool {
    /// Tool, name of its action, text, key, help.
    pub(super) const ALL: [(Self, &'static str, &'static str, Key, &'static str); 5] = [
        (Self::Centre, "lens centre", "Lens centre", Key::L, "Click the middle of the lens: the fit begins there"),
        (
            Self::Images,
            "mark images",
            "Images",
            Key::I,
            "Click each image of one feature of the source; click one again to remove it, drag it to move it",
        ),
        (
            Self::Annulus,
            "annulus",
            "Annulus",
            Key::A,
            "Drag from one radius to the other around the lens centre: only what lies between is fitted",
        ),
        (
            Self::Polygon,
            "polygon",
            "Polygon",
            Key::P,
            "Click the corners; a double click, Enter, or a click on the first corner closes it; Backspace takes one back",
        ),
        (
            Self::Brush,
            "brush",
            "Brush",
            Key::D,
            "Paint on the mask; with Shift the other way round; [ and ] change the radius",
        ),
    ];
}

/// A tool at work; nothing of it is saved.
pub(super) struct Tools {
    pub(super) tool: Option<Tool>,
    pub(super) paint: Paint,
    pub(super) brush_radius: f64,
    /// Corners so far.
    pub(super) polygon: Vec<[f64; 2]>,
    /// The stroke so far.
    pub(super) stroke: Vec<[f64; 2]>,
    /// Radii of the ring that is being dragged, pixels.
    pub(super) ring: Option<[f64; 2]>,
    /// The image that is being dragged, and where to, pixels.
    pub(super) moving: Option<(usize, [f64; 2])>,
    /// Where the pointer is on the map.
    pub(super) hover: Option<[f64; 2]>,
    /// Shapes handed in whose pixels are not there yet.
    pub(super) handed_in: Vec<MapLine>,
}

impl Default for Tools {
    fn default() -> Self {
        Self {
            tool: None,
            paint: Paint::LeaveOut,
            brush_radius: 5.0,
            polygon: Vec::new(),
            stroke: Vec::new(),
            ring: None,
            moving: None,
            hover: None,
            handed_in: Vec::new(),
        }
    }
}

impl Tools {
    /// Takes a tool up, or puts it down when it is in the hand.
    pub(super) fn toggle(&mut self, tool: Tool) {
        let next = (self.tool != Some(tool)).then_some(tool);
        let kept = std::mem::take(self);
        *self = Self {
            tool: next,
            paint: if next == Some(Tool::Brush) && kept.paint == Paint::KeepOnly {
                Paint::LeaveOut
            } else {
                kept.paint
            },
            brush_radius: kept.brush_radius,
            handed_in: kept.handed_in,
            ..Self::default()
        };
    }

    /// Gives up what is half drawn, else puts the tool down; false when there was nothing to leave.
    pub(super) fn escape(&mut self) -> bool {
        if !self.polygon.is_empty() || !self.stroke.is_empty() || self.ring.is_some() {
            self.polygon.clear();
            self.stroke.clear();
            self.ring = None;
            return true;
        }
        self.tool.take().is_some()
    }

    /// The pixels of what was handed in are there.
    pub(super) fn mask_is_there(&mut self) {
        self.handed_in.clear();
    }

    /// True for tools that want the drags of the whole map.
    pub(super) fn takes_drags(&self) -> bool {
        matches!(self.tool, Some(Tool::Annulus | Tool::Polygon | Tool::Brush))
    }
}

/// The image under the desk: its size and scale.
#[derive(Clone, Copy)]
pub(super) struct Ground {
    /// `(rows, columns)`.
    pub(super) shape: (usize, usize),
    /// Size of a pixel.
    pub(super) scale: f64,
}

impl Ground {
    pub(super) fn arcsec(self, pixel: [f64; 2]) -> [f64; 2] {
        // A ten-thousandth of an arcsec is finer than any hand.
        arcsec_from_pixel(pixel, self.shape, self.scale).map(|v| (v * 1e4).round() / 1e4 + 0.0)
    }

    pub(super) fn pixel(self, place: [f64; 2]) -> [f64; 2] {
        pixel_from_arcsec(place, self.shape, self.scale)
    }

    pub(super) fn holds(self, pixel: [f64; 2]) -> bool {
        let inside = |v: f64, n: usize| (-0.5..n as f64 - 0.5).contains(&v);
        inside(pixel[0], self.shape.1) && inside(pixel[1], self.shape.0)
    }
}

/// Where the lens is said to be, arcsec: by the user's mark, else the middle of the mask.
pub(super) fn centre_of(fit: &FitRequest) -> [f64; 2] {
    fit.lens_centre().unwrap_or([fit.mask_x_arcsec, fit.mask_y_arcsec])
}

impl LensReconstruction {
    /// The tools, the layers, and what belongs to the tool in the hand.
    pub(super) fn tools_ui(&mut self, ui: &mut Ui, ground: Ground, cx: &mut PanelContext<'_>) {
        let narrow = ui.available_width() < NARROW;
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 3.0;
            if narrow {
                ui.menu_button("Tools ▾", |ui| self.tool_buttons_ui(ui))
                    .response
                    .on_hover_text("What the left button does");
                ui.menu_button("Layers ▾", |ui| self.layer_buttons_ui(ui)).response.on_hover_text("Which map is shown");
            } else {
                self.tool_buttons_ui(ui);
                ui.separator();
            }
            super::conventions::menu_ui(ui, self.preview.orientation());
        });
        if !narrow {
            ui.horizontal_wrapped(|ui| {
                ui.spacing_mut().item_spacing.x = 3.0;
                self.layer_buttons_ui(ui);
                if self.saved.layer == Layer::LightSubtracted {
                    match &self.preview.light {
                        Some(light) => ui.weak(light.text()).on_hover_text("The arcs were weighted down"),
                        None => ui.weak("fitting the lens light …"),
                    };
                }
            });
        }
        ui.horizontal_wrapped(|ui| {
            // The map must not move under the pointer when a text becomes a button.
            ui.set_min_height(ROW_HEIGHT);
            match self.tools.tool {
                None => self.summary_ui(ui),
                Some(Tool::Centre) => self.centre_ui(ui),
                Some(Tool::Images) => self.images_ui(ui, cx),
                Some(Tool::Annulus) => self.annulus_ui(ui, ground, cx),
                Some(Tool::Polygon | Tool::Brush) => self.paint_ui(ui, ground, cx),
            }
        });
    }

    fn tool_buttons_ui(&mut self, ui: &mut Ui) {
        for (tool, _, text, key, help) in Tool::ALL {
            let on = self.tools.tool == Some(tool);
            let help = format!("{help} ({})", key.name());
            if ui.selectable_label(on, text).on_hover_text(help).clicked() {
                self.tools.toggle(tool);
            }
        }
    }

    fn layer_buttons_ui(&mut self, ui: &mut Ui) {
        for (layer, text, help) in Layer::ALL {
            if ui.selectable_label(self.saved.layer == layer, text).on_hover_text(help).clicked() {
                self.saved.layer = layer;
            }
        }
    }

    fn summary_ui(&self, ui: &mut Ui) {
        let fit = &self.saved.fit;
        let mut parts = Vec::new();
        if let Some([x, y]) = fit.lens_x_arcsec.zip(fit.lens_y_arcsec).map(|(x, y)| [x, y]) {
            parts.push(format!("lens centre marked at {x:.3}, {y:.3} arcsec"));
        }
        match self.saved.desk.images.len() {
            0 => {}
            1 => parts.push("1 image marked".into()),
            n => parts.push(format!("{n} images marked")),
        }
        if !self.saved.desk.mask.is_empty() {
            parts.push("mask drawn here".into());
        }
        let text = if parts.is_empty() {
            "Mark the lens and its images, or draw the mask: choose a tool".to_owned()
        } else {
            parts.join("; ")
        };
        ui.weak(text);
    }

    fn centre_ui(&mut self, ui: &mut Ui) {
        let fit = &mut self.saved.fit;
        match fit.lens_x_arcsec.zip(fit.lens_y_arcsec) {
            Some((x, y)) => {
                ui.label(format!("Lens centre at {x:.4}, {y:.4} arcsec"));
                if ui.small_button("Forget it").on_hover_text("The fit finds the centre from the light").clicked() {
                    (fit.lens_x_arcsec, fit.lens_y_arcsec) = (None, None);
                }
            }
            None => {
                ui.weak("Click the middle of the lens; else the fit finds it from the light");
            }
        }
    }

    fn images_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let count = self.saved.desk.images.len();
        ui.label(match count {
            0 => "No images marked".to_owned(),
            1 => "1 image marked".to_owned(),
            n => format!("{n} images marked"),
        });
        if ui.add_enabled(count > 0, Button::new("Clear images").small()).clicked() {
            self.saved.desk.images.clear();
            self.saved.desk.images_file = None;
            self.saved.fit.positions = None;
        }
        let save = ui.add_enabled(count > 0, Button::new("Save positions…").small());
        if save.on_hover_text("As positions.json, which PyAutoLens reads: choose it in the dialog").clicked() {
            cx.send(Command::SaveView);
        }
        ui.weak("file: [y, x] in arcsec").on_hover_text(
            "Each place in the file is a pair, y first, from the image centre, y upwards. A lens needs two images or more",
        );
    }

    fn annulus_ui(&mut self, ui: &mut Ui, ground: Ground, cx: &mut PanelContext<'_>) {
        let fit = &mut self.saved.fit;
        let outer = fit.mask_outer_radius_arcsec.map_or_else(|| "no limit".to_owned(), |r| format!("{r:.3} arcsec"));
        ui.label(format!("Fitted from {:.3} to {outer}", fit.mask_inner_radius_arcsec));
        let given = fit.mask_inner_radius_arcsec > 0.0 || fit.mask_outer_radius_arcsec.is_some();
        if ui.add_enabled(given, Button::new("No annulus").small()).clicked() {
            (fit.mask_inner_radius_arcsec, fit.mask_outer_radius_arcsec) = (0.0, None);
        }
        self.drawing_ui(ui, ground, cx);
    }

    fn paint_ui(&mut self, ui: &mut Ui, ground: Ground, cx: &mut PanelContext<'_>) {
        let brush = self.tools.tool == Some(Tool::Brush);
        for (paint, text, help) in [
            (Paint::LeaveOut, "Leave out", "What is drawn is not fitted"),
            (Paint::Keep, "Fit", "What is drawn is fitted"),
            (Paint::KeepOnly, "Fit only this", "Of what is fitted, only the inside of the polygon stays"),
        ] {
            if !(brush && paint == Paint::KeepOnly)
                && ui.selectable_label(self.tools.paint == paint, text).on_hover_text(help).clicked()
            {
                self.tools.paint = paint;
            }
        }
        if brush {
            let label = ui.label("Brush radius");
            ui.add(DragValue::new(&mut self.tools.brush_radius).range(BRUSH[0]..=BRUSH[1]).speed(0.2).suffix(" px"))
                .labelled_by(label.id);
        } else {
            ui.weak(format!("{} corners", self.tools.polygon.len()));
        }
        self.drawing_ui(ui, ground, cx);
    }

    /// What can be done to the whole drawing.
    fn drawing_ui(&mut self, ui: &mut Ui, ground: Ground, cx: &mut PanelContext<'_>) {
        let drawn = !self.saved.desk.mask.is_empty();
        let undo = ui.add_enabled(drawn, Button::new("Undo stroke").small());
        if undo.on_hover_text("Take back what was drawn last").clicked() {
            self.undo_stroke();
        }
        ui.menu_button("Mask ▾", |ui| {
            if ui.button("Invert mask").on_hover_text("Fit what is left out, and the other way").clicked() {
                self.draw(MaskEdit::Invert, ground);
                ui.close();
            }
            if ui.button("Clear mask").on_hover_text("Fit every pixel").clicked() {
                let fit = &mut self.saved.fit;
                (fit.mask_inner_radius_arcsec, fit.mask_outer_radius_arcsec) = (0.0, None);
                self.draw(MaskEdit::Clear, ground);
                ui.close();
            }
            let save = ui.add_enabled(drawn, Button::new("Save mask…"));
            if save.on_hover_text("As FITS: choose the mask in the dialog").clicked() {
                cx.send(Command::SaveView);
                ui.close();
            }
        });
    }

    /// Adds to the drawing; the file is written by a query.
    pub(super) fn draw(&mut self, edit: MaskEdit, ground: Ground) {
        let fit = &mut self.saved.fit;
        let desk = &mut self.saved.desk;
        if desk.mask.is_empty() {
            let base = fit.mask.clone().map(|path| MaskBase { path, marks: fit.mask_marks });
            desk.mask = MaskDrawing { base, edits: Vec::new() };
        }
        if fit.mask_inner_radius_arcsec > 0.0 || fit.mask_outer_radius_arcsec.is_some() {
            // The ring becomes part of the drawing, so that what is painted outside of it counts.
            desk.mask.edits.push(MaskEdit::Annulus {
                centre: [fit.mask_x_arcsec, fit.mask_y_arcsec],
                inner: fit.mask_inner_radius_arcsec,
                outer: fit.mask_outer_radius_arcsec,
                pixel_scale_arcsec: ground.scale,
            });
            (fit.mask_inner_radius_arcsec, fit.mask_outer_radius_arcsec) = (0.0, None);
        }
        desk.mask.edits.push(edit);
        desk.mask_file = None;
    }

    fn undo_stroke(&mut self) {
        let (fit, desk) = (&mut self.saved.fit, &mut self.saved.desk);
        desk.mask.edits.pop();
        // A ring went into the drawing with the stroke that followed it: it is a ring of the request again.
        if let Some(MaskEdit::Annulus { centre, inner, outer, .. }) = desk.mask.edits.last() {
            [fit.mask_x_arcsec, fit.mask_y_arcsec] = *centre;
            (fit.mask_inner_radius_arcsec, fit.mask_outer_radius_arcsec) = (*inner, *outer);
            desk.mask.edits.pop();
        }
        desk.mask_file = None;
        self.tools.handed_in.clear();
        if desk.mask.is_empty() {
            let base = desk.mask.base.take();
            fit.mask_marks = base.as_ref().map_or(MaskMeaning::LeftOut, |b| b.marks);
            fit.mask = base.map(|b| b.path);
        }
    }
}
