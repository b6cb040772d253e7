//! Drawing of a comparison: what is compared, how, and the picture with its colour bar.

use egui::{ComboBox, DragValue, RichText, Ui};

use super::pair::Operation;
use super::{Chosen, ComparePanel, Mode};
use crate::data::typeset_unit;
use crate::panels::links::LinkKind;
use crate::panels::saved_state::keep_finite;
use crate::panels::world::Place;
use crate::panels::{Command, PanelContext, display_ui};
use crate::plots::axes::{format_value, format_with_unit};
use crate::plots::color_bar::ColorBar;
use crate::plots::color_table::Display;
use crate::plots::image_overlay::Overlays;

impl ComparePanel {
    /// Draws the panel.
    pub(super) fn view_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        if !cx.links.for_keeping {
            ui.horizontal(|ui| self.sides_ui(ui, cx));
            ui.horizontal_wrapped(|ui| self.mode_ui(ui));
        }
        if let Some(problem) = &self.problem {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(problem).color(color)).wrap());
            return;
        }
        if self.pair.is_none() {
            ui.centered_and_justified(|ui| {
                if self.waiting {
                    ui.spinner();
                } else {
                    ui.weak("Open two images, then choose them above as A and B");
                }
            });
            return;
        }
        ui.add(egui::Label::new(RichText::new(&self.read_out).monospace()).truncate());
        self.blink_by_the_clock(ui);
        self.picture_ui(ui, cx);
    }

    /// A and B, and the buttons that act on both.
    fn sides_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let images = cx.links.images();
        let known: Vec<(u64, Place, String)> = images
            .iter()
            .filter(|(_, n)| n.size != [0; 2])
            .map(|(view, n)| {
                let plane = if n.planes > 1 { format!(", plane {}", n.plane + 1) } else { String::new() };
                (*view, Place::of(n), format!("{}{plane}  ({view})", n.title))
            })
            .collect();
        let width = ((ui.available_width() - 210.0) / 2.0).clamp(90.0, 260.0);
        for (name, side) in [("A", &mut self.saved.a), ("B", &mut self.saved.b)] {
            let label = ui.label(name);
            let title = known.iter().find(|(view, of, _)| *view == side.view && *of == side.of).map(|k| k.2.clone());
            let shown = title.unwrap_or_else(|| if side.of.is_empty() { "none".into() } else { name_of(cx, &side.of) });
            let combo = ComboBox::from_id_salt(("side", name)).width(width).truncate().selected_text(shown);
            let combo = combo.show_ui(ui, |ui| {
                for (view, of, title) in &known {
                    if ui.selectable_label(*view == side.view, title).clicked() {
                        *side = Chosen { view: *view, of: of.clone() };
                    }
                }
            });
            combo.response.labelled_by(label.id);
        }
        if ui.button("Swap").on_hover_text("A becomes B, and B becomes A").clicked() {
            std::mem::swap(&mut self.saved.a, &mut self.saved.b);
            self.saved.planes.swap(0, 1);
        }
        let views = [self.saved.a.view, self.saved.b.view];
        let both_open = views[0] != views[1] && views.iter().all(|v| images.contains_key(v));
        let side_by_side = ui.add_enabled(both_open, egui::Button::new("Side by side"));
        if side_by_side.on_hover_text("Show both views beside each other, linked").clicked() {
            cx.send(Command::SideBySide(Some(views)));
        }
    }

    fn mode_ui(&mut self, ui: &mut Ui) {
        ui.selectable_value(&mut self.saved.mode, Mode::Blink, "Blink");
        ui.selectable_value(&mut self.saved.mode, Mode::Combine, "Difference");
        ui.separator();
        match self.saved.mode {
            Mode::Blink => {
                let text = if self.shows_b { "Showing B" } else { "Showing A" };
                if ui.button(text).on_hover_text("Show the other one (B)").clicked() {
                    self.shows_b = !self.shows_b;
                }
                ui.checkbox(&mut self.saved.timed, "every");
                let period = DragValue::new(&mut self.saved.period_s).range(0.1..=10.0).speed(0.02).suffix(" s");
                ui.add(period).on_hover_text("Seconds between the two").widget_info_label("Period");
                ui.checkbox(&mut self.saved.same_limits, "Limits of A for both");
            }
            Mode::Combine => {
                let label = ui.label("Show");
                let combo = ComboBox::from_id_salt("operation").width(80.0).selected_text(self.saved.operation.name());
                let combo = combo.show_ui(ui, |ui| {
                    for operation in Operation::ALL {
                        ui.selectable_value(&mut self.saved.operation, operation, operation.name());
                    }
                });
                combo.response.labelled_by(label.id);
                if self.saved.operation == Operation::Scaled {
                    let label = ui.label("k");
                    ui.spacing_mut().slider_width = 140.0;
                    let before = self.saved.k;
                    let slider = egui::Slider::new(&mut self.saved.k, 0.0..=2.0).clamping(egui::SliderClamping::Never);
                    ui.add(slider.max_decimals(4)).labelled_by(label.id);
                    keep_finite(&mut self.saved.k, before);
                }
                self.scatter_ui(ui);
            }
        }
    }

    fn scatter_ui(&self, ui: &mut Ui) {
        let Some(outcome) = self.fitting_outcome() else { return };
        if !self.outcome_is_new {
            ui.weak("mean …  σ …");
            return;
        }
        let Some([mean, sigma]) = outcome.mean_and_sigma else { return };
        let unit = self.pair.as_ref().map(|p| typeset_unit(&p.unit(self.saved.operation))).unwrap_or_default();
        let text = format!("mean {}  σ {}", format_value(mean, 4), format_with_unit(sigma, 4, &unit));
        ui.add(egui::Label::new(RichText::new(text).weak()).truncate());
    }

    fn blink_by_the_clock(&mut self, ui: &Ui) {
        if !self.saved.timed || self.saved.mode != Mode::Blink {
            return;
        }
        let now = ui.input(|i| i.time);
        if now >= self.next_blink {
            if self.next_blink > 0.0 {
                self.shows_b = !self.shows_b;
            }
            self.next_blink = now + self.saved.period_s;
        }
        let wait = (self.next_blink - now).max(0.01);
        ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(wait));
    }

    /// Which of the three pictures is on the screen.
    fn shown(&self) -> usize {
        match self.saved.mode {
            Mode::Blink => usize::from(self.shows_b),
            Mode::Combine => 2,
        }
    }

    fn display(&mut self) -> &mut Display {
        match (self.saved.mode, self.saved.operation) {
            (Mode::Blink, _) => &mut self.saved.images,
            (Mode::Combine, Operation::Ratio) => &mut self.saved.ratio,
            (Mode::Combine, _) => &mut self.saved.difference,
        }
    }

    fn picture_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let shown = self.shown();
        let kept = self.display().clone();
        let mut display = kept.clone();
        // Blinking in one pair of limits: those that A has.
        let of_a = self.pictures[0].source.clone().filter(|_| shown == 1 && self.saved.same_limits);
        let locked = of_a.map(|source| self.pictures[0].view.limits(&source, &kept));
        if let Some(limits) = locked {
            display.type_limits(limits);
        }
        let room = ui.available_rect_before_wrap();
        let mut image_rect = room;
        image_rect.set_width((room.width() - ColorBar::width() - 4.0).max(60.0));
        let fits = shown != 2 || self.fitting_outcome().is_some();
        let mut overlays = Overlays::default();
        self.linking.crosshair(cx, &mut overlays);
        let picture = &mut self.pictures[shown];
        let Some(source) = picture.source.as_ref().filter(|_| fits) else {
            ui.spinner();
            return;
        };
        let mut child = ui.new_child(egui::UiBuilder::new().max_rect(image_rect));
        let camera = &mut self.saved.camera;
        let response = picture.view.show(&mut child, "compared", source, &mut display, camera, &overlays);
        let bar_rect = egui::Rect::from_min_max(
            egui::pos2(image_rect.right() + 4.0, response.view.top()),
            egui::pos2(room.right(), response.view.bottom()),
        );
        let mut bar = ui.new_child(egui::UiBuilder::new().max_rect(bar_rect));
        let label = ["A", "B", self.saved.operation.name()][shown];
        ColorBar::new(&mut display, response.limits)
            .label(label, &source.unit)
            .height(bar_rect.height())
            .draggable(true)
            .show(&mut bar, "bar");
        ui.allocate_rect(room, egui::Sense::hover());
        self.linking.point(ui, cx, response.hovered, source.size());
        let names = [name_of(cx, &self.saved.a.of), name_of(cx, &self.saved.b.of)];
        let text = self.values_at(response.hovered, names);
        self.linking.after(ui, cx, self.saved.link, &self.saved.camera);
        if let Some(limits) = locked
            && display.typed_limits == [limits.low, limits.high]
        {
            display.limits = kept.limits;
            display.typed_limits = kept.typed_limits;
        }
        *self.display() = display;
        if text != self.read_out {
            self.read_out = text;
            ui.ctx().request_repaint();
        }
    }

    /// The pixel with the values of A, of B, and of what was made of them; else what is compared.
    fn values_at(&self, pixel: Option<[f64; 2]>, [a, b]: [String; 2]) -> String {
        let Some(pixel) = pixel else {
            let regridded = self.pair.as_ref().is_some_and(|p| p.regridded);
            let how = if regridded { ", B resampled on the pixels of A" } else { ", pixel by pixel" };
            return format!("A {a}  B {b}{how}");
        };
        let [x, y] = pixel.map(crate::plots::axes::fits_from_pixel);
        let mut text = format!("x {x:.1}  y {y:.1}");
        let names = ["A", "B", self.saved.operation.name()];
        let combined = self.saved.mode == Mode::Combine && self.fitting_outcome().is_some();
        let count = if combined { 3 } else { 2 };
        for (name, picture) in names.iter().zip(&self.pictures).take(count) {
            if let Some(source) = &picture.source
                && let Some(value) = source.value_at(pixel)
            {
                text += &format!("  {name}: {}", format_with_unit(value.into(), 5, &source.unit));
            }
        }
        text
    }

    /// Draws the settings.
    pub(super) fn settings_ui(&mut self, ui: &mut Ui) {
        ui.label(RichText::new("Display").strong());
        display_ui(ui, "compare display", self.display());
        if ui.button("Fit").on_hover_text("Show the whole image (double-click, 0)").clicked() {
            self.saved.camera.follows_fit = true;
        }
        ui.separator();
        let mut link = self.saved.link;
        self.linking.inspector_ui(ui, &mut link);
        self.saved.link = link;
        if link.kind == LinkKind::Off {
            ui.weak("Linked, it moves with the views of its group");
        }
        ui.separator();
        ui.checkbox(&mut self.saved.timed, "Blink by the clock");
    }
}

/// File name and HDU, or the name of a result.
fn name_of(cx: &PanelContext<'_>, place: &Place) -> String {
    let entry = place.result.and_then(|id| cx.services.store.entry(id));
    entry.map_or_else(|| place.name(), |e| e.name.clone())
}

/// Names a control that has no label of its own beside it.
trait Named {
    fn widget_info_label(self, name: &str) -> Self;
}

impl Named for egui::Response {
    fn widget_info_label(self, name: &str) -> Self {
        let ctx = self.ctx.clone();
        ctx.accesskit_node_builder(self.id, |node| node.set_label(name));
        self
    }
}
