//! The catalogue over images: which columns are positions, and in what colour they are drawn.

use egui::{ComboBox, DragValue, Ui};
use serde::{Deserialize, Serialize};

use super::TablePanel;
use crate::data::sheet::{PositionColumns, PositionKind, guess_positions};
use crate::panels::{Catalogue, Command, PanelContext, Severity};
use crate::plots::colors;

/// What a session keeps of the overlay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct OverlaySettings {
    /// Drawn over the images.
    pub shown: bool,
    /// What the columns measure.
    pub kind: PositionKind,
    /// Right ascension, longitude or x; empty when not chosen yet.
    pub first: String,
    /// Declination, latitude or y.
    pub second: String,
    /// Colour by number, as of plot series.
    pub color: usize,
    /// Radius of a marker in points.
    pub radius: f32,
    /// The image view it is drawn over; none for all.
    pub view: Option<u64>,
}

impl Default for OverlaySettings {
    fn default() -> Self {
        Self {
            shown: false,
            kind: PositionKind::default(),
            first: String::new(),
            second: String::new(),
            color: 2,
            radius: 6.0,
            view: None,
        }
    }
}

const KINDS: [(PositionKind, &str); 4] = [
    (PositionKind::Equatorial, "RA and Dec"),
    (PositionKind::Galactic, "galactic"),
    (PositionKind::Pixel, "pixels from 1"),
    (PositionKind::PixelFromZero, "pixels from 0"),
];

impl OverlaySettings {
    fn columns(&self) -> Option<PositionColumns> {
        let named = !self.first.is_empty() && !self.second.is_empty();
        named.then(|| PositionColumns { kind: self.kind, first: self.first.clone(), second: self.second.clone() })
    }

    /// Makes settings from a file usable.
    pub fn sanitize(&mut self) {
        self.radius = if self.radius.is_finite() { self.radius.clamp(1.0, 60.0) } else { 6.0 };
    }
}

impl TablePanel {
    /// Tells the images what to draw.
    pub(super) fn publish_overlay(&mut self, cx: &mut PanelContext<'_>) {
        self.locating = false;
        let columns = self.saved.overlay.columns().filter(|_| self.saved.overlay.shown);
        let catalogue = columns.and_then(|columns| {
            let positions = self.ask_positions(cx, &columns)?;
            let settings = &self.saved.overlay;
            Some(Catalogue {
                title: self.short_title(),
                path: self.saved.path.clone(),
                hdu: self.saved.hdu,
                positions,
                rows: self.order.as_ref().map(|order| order.passed.clone()),
                key: self.order_key.and(&("catalogue", columns.kind, &columns.first, &columns.second)),
                color: colors::series(settings.color, egui::Theme::Dark),
                radius: settings.radius,
                view: settings.view,
            })
        });
        match catalogue {
            Some(catalogue) => {
                cx.links.catalogues.insert(cx.view, catalogue);
            }
            None if !self.locating => {
                cx.links.catalogues.remove(&cx.view);
            }
            None => {}
        }
    }

    /// Turns the overlay on or off; guesses the columns the first time and asks in words when it cannot.
    pub(super) fn toggle_overlay(&mut self, cx: &mut PanelContext<'_>) {
        self.overlay_problem = None;
        if self.saved.overlay.shown {
            self.saved.overlay.shown = false;
            return;
        }
        let Some(sheet) = &self.sheet else { return };
        let found = |name: &str| sheet.find(name).is_some();
        let settings = &mut self.saved.overlay;
        if !(found(&settings.first) && found(&settings.second)) {
            match guess_positions(sheet) {
                Some(guess) => {
                    (settings.kind, settings.first, settings.second) = (guess.kind, guess.first, guess.second);
                }
                None => {
                    self.overlay_problem = Some("No columns of positions were recognised; choose them here".to_owned());
                    cx.send(Command::Notice(
                        Severity::Warning,
                        "No columns of positions were recognised; choose them under “Over images” in the inspector"
                            .into(),
                    ));
                    settings.shown = true;
                    return;
                }
            }
        }
        settings.shown = true;
        if cx.links.images().is_empty() {
            cx.send(Command::Notice(Severity::Info, "No image is open; open one and the rows appear over it".into()));
        }
    }

    /// The settings, in the inspector.
    pub(super) fn overlay_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let Some(sheet) = self.sheet.clone() else { return };
        ui.label(egui::RichText::new("Over images").strong());
        let before = self.saved.overlay.clone();
        if let Some(problem) = &self.overlay_problem {
            ui.colored_label(ui.visuals().warn_fg_color, problem);
        }
        let settings = &mut self.saved.overlay;
        egui::Grid::new("overlay").num_columns(2).spacing([8.0, 4.0]).show(ui, |ui| {
            let label = ui.label("Positions");
            let now = KINDS.iter().find(|(kind, _)| *kind == settings.kind).map_or("", |(_, name)| *name);
            let combo = ComboBox::from_id_salt("kind").selected_text(now).show_ui(ui, |ui| {
                for (kind, name) in KINDS {
                    ui.selectable_value(&mut settings.kind, kind, name);
                }
            });
            combo.response.labelled_by(label.id);
            ui.end_row();
            let names = match settings.kind {
                PositionKind::Equatorial => ["RA", "Dec"],
                PositionKind::Galactic => ["Longitude", "Latitude"],
                PositionKind::Pixel | PositionKind::PixelFromZero => ["x pixel", "y pixel"],
            };
            for (name, place) in names.into_iter().zip([&mut settings.first, &mut settings.second]) {
                let label = ui.label(name);
                let shown = if place.is_empty() { "choose…" } else { place.as_str() }.to_owned();
                let combo = ComboBox::from_id_salt(name).selected_text(shown).width(120.0).show_ui(ui, |ui| {
                    for column in &sheet.columns {
                        ui.selectable_value(place, column.data.name.clone(), &column.data.name);
                    }
                });
                combo.response.labelled_by(label.id);
                ui.end_row();
            }
            let label = ui.label("Image");
            let name_of = |view: u64| {
                cx.links.images().get(&view).map_or_else(|| "closed view".to_owned(), |note| note.title.clone())
            };
            let shown = settings.view.map_or_else(|| "all images".to_owned(), name_of);
            let combo = ComboBox::from_id_salt("image").selected_text(shown).width(120.0).show_ui(ui, |ui| {
                ui.selectable_value(&mut settings.view, None, "all images");
                for view in cx.links.images().keys() {
                    ui.selectable_value(&mut settings.view, Some(*view), name_of(*view));
                }
            });
            combo.response.labelled_by(label.id);
            ui.end_row();
            let label = ui.label("Colour");
            ui.horizontal(|ui| {
                for n in 0..6 {
                    let color = colors::series(n, egui::Theme::Dark);
                    let (rect, response) = ui.allocate_exact_size(egui::vec2(18.0, 18.0), egui::Sense::click());
                    ui.painter().rect_filled(rect.shrink(2.0), 3.0, color);
                    if settings.color == n {
                        let stroke = egui::Stroke::new(1.5, ui.visuals().text_color());
                        ui.painter().rect_stroke(rect, 4.0, stroke, egui::StrokeKind::Inside);
                    }
                    let chosen = settings.color == n;
                    response.widget_info(|| {
                        egui::WidgetInfo::selected(
                            egui::Role::RadioButton,
                            true,
                            chosen,
                            format!("Marker colour {}", n + 1),
                        )
                    });
                    if response.clicked() {
                        settings.color = n;
                    }
                }
            })
            .response
            .labelled_by(label.id);
            ui.end_row();
            let label = ui.label("Radius");
            ui.add(DragValue::new(&mut settings.radius).range(1.0..=60.0).speed(0.1).suffix(" pt"))
                .labelled_by(label.id);
            ui.end_row();
        });
        if (before.kind, &before.first, &before.second) != (settings.kind, &settings.first, &settings.second) {
            self.overlay_problem = None;
        }
    }
}
