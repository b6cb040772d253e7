//! Regions in the inspector: tools, the list, the numbers of the selected one.

use std::sync::Arc;

use egui::{Button, ComboBox, DragValue, Grid, RichText, ScrollArea, Ui};

use super::super::super::world::{Place, World};
use super::super::super::{Command, PanelContext};
use super::super::load::Shown;
use super::measure::Numbers;
use super::{RegionSettings, Regions};
use crate::data::regions::{PixelRule, Shape, ShapeKind, System};
use crate::data::typeset_unit;
use crate::plots::axes::{fits_from_pixel, format_value, format_with_unit, pixel_from_fits};

/// Title of the product that [`super::super::keep`] makes of the regions.
pub(in super::super) const PRODUCT: &str = "Regions as DS9 file";

impl Regions {
    /// Draws the section; true while numbers are on their way.
    pub(in super::super) fn inspector_ui(
        &mut self,
        ui: &mut Ui,
        cx: &mut PanelContext<'_>,
        of: &Place,
        world: Option<&Arc<World>>,
        shown: &Shown,
        plane: usize,
        settings: &mut RegionSettings,
        selected: &mut Option<usize>,
    ) -> bool {
        ui.horizontal(|ui| {
            ui.label(RichText::new("Regions").strong())
                .on_hover_text("Draw one, or drop a DS9 file (.reg) on the window");
            if !settings.file.is_empty() {
                ui.checkbox(&mut settings.shown, "Show regions");
            }
        });
        self.tools_ui(ui, settings);
        if settings.file.is_empty() {
            ui.separator();
            return false;
        }
        self.choices_ui(ui, settings);
        self.list_ui(ui, settings, selected);
        let hidden = settings.file.not_understood();
        if hidden > 0 {
            let text = format!("{hidden} lines of the file are kept and not shown (texts, composites, other systems)");
            ui.add(egui::Label::new(RichText::new(text).weak()).wrap());
        }
        let mut waiting = false;
        if let Some(number) = *selected {
            self.shape_ui(ui, settings, number);
            waiting = self.numbers_ui(ui, cx, of, world, shown, plane, settings, number);
        }
        self.buttons_ui(ui, cx, settings, selected);
        ui.separator();
        waiting
    }

    fn tools_ui(&mut self, ui: &mut Ui, settings: &mut RegionSettings) {
        let armed = self.armed();
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            for kind in ShapeKind::ALL {
                let text = title(kind);
                let help = match kind {
                    ShapeKind::Polygon => "Click its corners; Enter, or a click on the first, closes it",
                    ShapeKind::Point => "Click the place",
                    ShapeKind::Circle | ShapeKind::Annulus => "Drag from the centre",
                    ShapeKind::Ellipse | ShapeKind::Box => {
                        "Drag from corner to corner; Shift makes it even, Ctrl begins at the centre"
                    }
                };
                let button = ui.add(Button::new(text).small().selected(armed == Some(kind)));
                if button.on_hover_text(help).clicked() {
                    self.arm(settings, kind);
                }
            }
        });
    }

    fn choices_ui(&self, ui: &mut Ui, settings: &mut RegionSettings) {
        ui.horizontal_wrapped(|ui| {
            let text = |rule: PixelRule| match rule {
                PixelRule::Center => "by centre",
                PixelRule::Coverage => "by covered area",
            };
            let label = ui.label("Pixels count");
            ComboBox::from_id_salt("pixel rule")
                .width(110.0)
                .selected_text(text(settings.rule))
                .show_ui(ui, |ui| {
                    for rule in [PixelRule::Center, PixelRule::Coverage] {
                        ui.selectable_value(&mut settings.rule, rule, text(rule));
                    }
                })
                .response
                .labelled_by(label.id);
        });
        ui.horizontal_wrapped(|ui| {
            let own = self.place.own_system();
            let text = |system: Option<System>| match system {
                Some(system) => system.word().to_owned(),
                None => format!("own ({})", own.word()),
            };
            let label = ui.label("New ones in");
            ComboBox::from_id_salt("region system")
                .width(110.0)
                .selected_text(text(settings.system))
                .show_ui(ui, |ui| {
                    for system in std::iter::once(None).chain(System::ALL.map(Some)) {
                        ui.selectable_value(&mut settings.system, system, text(system));
                    }
                })
                .response
                .labelled_by(label.id)
                .on_hover_text("The coordinates in which new regions are written");
        });
    }

    fn list_ui(&self, ui: &mut Ui, settings: &RegionSettings, selected: &mut Option<usize>) {
        let row = ui.spacing().interact_size.y;
        let height = (settings.file.count() as f32 * (row + 3.0)).min(110.0);
        ScrollArea::vertical().id_salt("regions").max_height(height).show_rows(
            ui,
            row,
            self.placed.len(),
            |ui, rows| {
                for number in rows {
                    let Some(placed) = self.placed.get(number) else { continue };
                    let sign = if placed.region.include { "" } else { " (taken out)" };
                    let name = format!("{} {}{sign}", placed.name(number), placed.region.shape.kind().name());
                    let color = if placed.shape.is_ok() { placed.color() } else { ui.visuals().weak_text_color() };
                    ui.horizontal(|ui| {
                        let (mark, _) = ui.allocate_exact_size(egui::vec2(10.0, 10.0), egui::Sense::hover());
                        ui.painter().rect_filled(mark, 2.0, color);
                        let label = ui.selectable_label(*selected == Some(number), name);
                        let label = match &placed.shape {
                            Ok(_) => label,
                            Err(why) => label.on_hover_text(format!("Not on this image: {why}")),
                        };
                        if label.clicked() {
                            *selected = if *selected == Some(number) { None } else { Some(number) };
                        }
                    });
                }
            },
        );
    }

    /// The selected shape as numbers that can be typed, in pixels counted from 1.
    fn shape_ui(&mut self, ui: &mut Ui, settings: &mut RegionSettings, number: usize) {
        let shape = match self.placed.get(number).map(|p| &p.shape) {
            Some(Ok(shape)) => shape.clone(),
            Some(Err(why)) => {
                let color = ui.visuals().warn_fg_color;
                let text = format!("Not on this image: {why}");
                ui.add(egui::Label::new(RichText::new(text).color(color)).wrap());
                return;
            }
            None => return,
        };
        let mut changed = shape.clone();
        Grid::new("region shape").num_columns(4).spacing([6.0, 4.0]).show(ui, |ui| {
            let field = |ui: &mut Ui, name: &str, value: &mut f64, low: f64| {
                let label = ui.label(name);
                let drag = DragValue::new(value).speed(0.1).range(low..=1e9).max_decimals(3);
                ui.add(drag).labelled_by(label.id);
            };
            let center = shape.center();
            let mut place = center.map(fits_from_pixel);
            if !matches!(shape, Shape::Polygon { .. }) {
                field(ui, "x", &mut place[0], -1e9);
                field(ui, "y", &mut place[1], -1e9);
                ui.end_row();
                let to = place.map(pixel_from_fits);
                if place != center.map(fits_from_pixel) {
                    changed = changed.clone().moved([to[0] - center[0], to[1] - center[1]]);
                }
            }
            match &mut changed {
                Shape::Circle { radius, .. } => field(ui, "radius", radius, 0.1),
                Shape::Annulus { radii, .. } => {
                    let last = radii.len() - 1;
                    let (inner, outer) = radii.split_at_mut(last);
                    field(ui, "inner", &mut inner[0], 0.0);
                    field(ui, "outer", &mut outer[0], 0.1);
                }
                Shape::Ellipse { radii: sizes, angle_deg, .. } | Shape::Box { size: sizes, angle_deg, .. } => {
                    let names = if shape.kind() == ShapeKind::Box { ["width", "height"] } else { ["a", "b"] };
                    field(ui, names[0], &mut sizes[0], 0.1);
                    field(ui, names[1], &mut sizes[1], 0.1);
                    ui.end_row();
                    field(ui, "angle", angle_deg, -360.0);
                }
                Shape::Polygon { .. } | Shape::Point { .. } => {}
            }
            ui.end_row();
        });
        if changed != shape && changed.is_sane() {
            self.write(settings, number, &changed);
        }
    }

    fn numbers_ui(
        &mut self,
        ui: &mut Ui,
        cx: &PanelContext<'_>,
        of: &Place,
        world: Option<&Arc<World>>,
        shown: &Shown,
        plane: usize,
        settings: &RegionSettings,
        number: usize,
    ) -> bool {
        let Some(answer) = self.ask_numbers(cx, of, world, shown, plane, settings, Some(number)) else { return false };
        let center = self.placed.get(number).and_then(|p| Some(p.shape.as_ref().ok()?.center()));
        let arcsec = center.and_then(|at| self.place.arcsec_at(at)).or(shown.source.arcsec_per_pixel);
        match answer.newest() {
            Some(numbers) => grid_ui(ui, numbers, &typeset_unit(&shown.source.unit), arcsec),
            None => {
                ui.spinner();
            }
        }
        answer.ready().is_none()
    }

    fn buttons_ui(
        &mut self,
        ui: &mut Ui,
        cx: &mut PanelContext<'_>,
        settings: &mut RegionSettings,
        selected: &mut Option<usize>,
    ) {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            if let Some(include) = selected.and_then(|n| self.placed.get(n)).map(|p| p.region.include) {
                if ui.small_button("Duplicate").on_hover_text("D over the image").clicked() {
                    self.duplicate(settings, selected);
                }
                if ui.small_button("Delete").on_hover_text("Delete over the image").clicked() {
                    self.delete(settings, selected);
                }
                let text = if include { "Take out" } else { "Count in" };
                let help = "Whether its pixels count, or are taken out of all other regions";
                if ui.small_button(text).on_hover_text(help).clicked() {
                    self.toggle_include(settings, *selected);
                }
            }
            if ui.small_button("Save regions…").on_hover_text("As a DS9 file").clicked() {
                cx.send(Command::SaveViewAs(PRODUCT.to_owned()));
            }
            if ui.small_button("Delete all").clicked() {
                settings.file = crate::data::regions::RegionFile::default();
                *selected = None;
                self.refresh(settings);
            }
        });
    }
}

/// A kind in buttons.
pub(in super::super) fn title(kind: ShapeKind) -> &'static str {
    match kind {
        ShapeKind::Circle => "Circle",
        ShapeKind::Ellipse => "Ellipse",
        ShapeKind::Box => "Box",
        ShapeKind::Polygon => "Polygon",
        ShapeKind::Annulus => "Annulus",
        ShapeKind::Point => "Point",
    }
}

/// `12.3 ± 0.4`; without the error where it is not known.
fn with_error(value: f64, error: f64) -> String {
    let value = format_value(value, 6);
    if error.is_finite() { format!("{value} ± {}", format_value(error, 2)) } else { value }
}

fn grid_ui(ui: &mut Ui, numbers: &Numbers, unit: &str, arcsec: Option<f64>) {
    let mut rows = vec![("Pixels", format!("{}", numbers.pixels))];
    let area = format!("{} px²", format_value(numbers.area, 6));
    rows.push((
        "Area",
        match arcsec {
            Some(side) => format!("{area} = {}", format_with_unit(numbers.area * side * side, 4, "arcsec²")),
            None => area,
        },
    ));
    if let Some(s) = &numbers.statistics {
        if s.count < numbers.pixels {
            rows.push(("Without value", format!("{}", numbers.pixels - s.count)));
        }
        rows.push(("Sum", with_error(s.sum, s.sum_error)));
        rows.push(("Mean", with_error(s.mean, s.sum_error / s.area)));
        rows.push(("Median", format_value(s.median, 6)));
        rows.push(("Deviation", format_value(s.deviation, 6)));
        rows.push(("Smallest", format_value(s.min, 6)));
        rows.push(("Largest", format_value(s.max, 6)));
    }
    Grid::new("region numbers").num_columns(2).spacing([10.0, 2.0]).show(ui, |ui| {
        for (name, text) in rows {
            ui.label(RichText::new(name).weak());
            ui.label(RichText::new(text).monospace());
            ui.end_row();
        }
    });
    match (&numbers.statistics, unit) {
        (None, _) => drop(ui.weak("No pixel with a value lies in it")),
        (Some(s), _) if s.sum_error.is_nan() => {
            drop(ui.weak(format!("{unit}  no error in the file").trim().to_owned()));
        }
        (Some(_), unit) => drop(ui.weak(format!("{unit}  errors taken as independent").trim().to_owned())),
    }
}
