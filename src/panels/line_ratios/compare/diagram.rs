//! The diagrams of excitation: every spaxel at its two ratios, coloured by class, linked to the map.

use std::sync::atomic::{AtomicU64, Ordering};

use egui::{RichText, Ui};

use super::super::LineRatios;
use super::super::data_step::names;
use super::super::finished::Finished;
use super::brush::Brush;
use super::shown::{kept, ratio_name};
use crate::plots::colors::Role;
use crate::plots::scatter_plot::{Curve, Dots, ScatterPlot};
use crate::studies::line_ratios::excitation::{Class, Diagram};
use crate::studies::line_ratios::lines::Line;
use crate::workers::Weigh;

/// Lines of demarcation are drawn down to here, in log10.
const LOWEST: f64 = -1.6;

/// More dots are not drawn: every so many of them stand for all.
const MOST_DOTS: usize = 20_000;

/// Every spaxel that has a place in a diagram.
pub(super) struct Places {
    pub id: u64,
    pub diagram: Diagram,
    /// Another one for every set.
    pub serial: u64,
    /// Row and column, log10 of the two ratios, class.
    pub all: Vec<([usize; 2], [f64; 2], Class)>,
    /// The same as dots, by class.
    dots: Vec<Dots>,
    counts: [usize; Class::ALL.len()],
    /// Every how many spaxels one is drawn.
    every: usize,
    /// Lines that neither run has.
    missing: Vec<Line>,
    demarcations: Vec<(&'static str, Vec<[f64; 2]>)>,
}

impl Weigh for Places {
    fn bytes(&self) -> usize {
        64 * self.all.len()
    }
}

fn color_of(class: Class, dark: bool) -> egui::Color32 {
    let role = match class {
        Class::StarForming => Role::StarForming,
        Class::Composite => Role::Composite,
        Class::Active => Role::Active,
        Class::Untold => Role::Model,
    };
    role.color(if dark { egui::Theme::Dark } else { egui::Theme::Light })
}

impl Places {
    /// Of a run and, for the lines that it lacks, of another one of the same field.
    pub(super) fn of(
        finished: &Finished,
        partner: Option<&Finished>,
        diagram: Diagram,
        least_snr: f64,
        dark: bool,
    ) -> Self {
        let runs = || std::iter::once(finished).chain(partner);
        let missing = diagram.lines().iter().copied().filter(|line| !runs().any(|run| run.lines.contains(line)));
        let [x, y] = diagram.ratios().map(|ratio| runs().find_map(|run| run.outcome.map(ratio)));
        let mut all = Vec::new();
        if let (Some(x), Some(y)) = (x, y) {
            let keep = kept(finished, least_snr);
            for ((row, column), above) in x.values.indexed_iter() {
                let place = [row, column];
                let beside = y.values.get(place).copied().unwrap_or(f32::NAN);
                let shown = keep.as_ref().is_none_or(|keep| keep[place]);
                // A ratio that is not positive, or has no value, has no place among logarithms.
                if shown && *above > 0.0 && beside > 0.0 {
                    let ratios = [f64::from(*above).log10(), f64::from(beside).log10()];
                    all.push((place, ratios, diagram.class(ratios)));
                }
            }
        }
        let of = |class: Class| all.iter().filter(move |(.., other)| *other == class);
        let every = all.len().div_ceil(MOST_DOTS).max(1);
        let dots = Class::ALL.map(|class| Dots {
            points: of(class).step_by(every).map(|(_, ratios, _)| *ratios).collect(),
            color: color_of(class, dark),
        });
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: finished.id,
            diagram,
            serial: NEXT.fetch_add(1, Ordering::Relaxed),
            counts: Class::ALL.map(|class| of(class).count()),
            dots: dots.into_iter().filter(|dots| !dots.points.is_empty()).collect(),
            missing: missing.collect(),
            every,
            demarcations: diagram.demarcations(LOWEST),
            all,
        }
    }
}

/// Lines of a diagram that the band of a run lacks.
fn lacks(finished: &Finished, diagram: Diagram) -> Vec<Line> {
    diagram.lines().iter().copied().filter(|line| !finished.lines.contains(line)).collect()
}

impl LineRatios {
    /// Draws diagram and map side by side.
    pub(super) fn diagram_ui(&mut self, ui: &mut Ui, finished: &Finished) {
        let partner = self.work.partner.clone();
        let height = (0.44 * ui.available_height()).clamp(150.0, 420.0);
        egui::Panel::bottom("lines diagram map").resizable(true).default_size(height).size_range(120.0..=700.0).show(
            ui,
            |ui| {
                // A panel takes the size of what is in it, and the map is not there in the first frames.
                ui.set_min_height(ui.available_height());
                ui.weak(RichText::new("drag on the map to mark spaxels, click one for its spectrum").small());
                self.maps_ui(ui, finished, 1, true);
            },
        );
        ui.horizontal_wrapped(|ui| {
            for diagram in Diagram::ALL {
                let missing: Vec<Line> = lacks(finished, diagram)
                    .into_iter()
                    .filter(|line| !partner.as_ref().is_some_and(|run| run.lines.contains(line)))
                    .collect();
                let chosen = self.saved.compare.diagram == diagram;
                let choice = ui.add_enabled(missing.is_empty(), egui::Button::selectable(chosen, diagram.name()));
                let clicked = choice.clicked();
                choice.on_disabled_hover_text(reason(&missing));
                if clicked && !chosen {
                    self.saved.compare.diagram = diagram;
                    if self.saved.compare.brush.is_some_and(Brush::needs_places) {
                        self.saved.compare.brush = None;
                    }
                }
            }
        });
        let diagram = self.saved.compare.diagram;
        if !lacks(finished, diagram).is_empty() {
            self.partner_ui(ui);
        }
        let Some(places) = self.work.places.clone() else {
            ui.spinner();
            return;
        };
        if !places.missing.is_empty() {
            ui.label(reason(&places.missing));
            return;
        }
        self.classes_ui(ui, &places);
        let dark = self.work.dark;
        let reference = Role::Reference.color(if dark { egui::Theme::Dark } else { egui::Theme::Light });
        let curves = places.demarcations.iter().enumerate().map(|(k, (name, points))| Curve {
            name,
            points,
            color: reference,
            dashed: k > 0,
        });
        let marked = self.work.marked.clone();
        let chosen = marked.as_ref().map(|marked| marked.chosen.as_slice()).unwrap_or_default();
        let [x, y] = diagram.ratios().map(|ratio| format!("log {}", ratio_name(ratio)));
        let response = ScatterPlot::new(diagram.name())
            .x(&x, "", false)
            .y(&y, "", false)
            .dots(&places.dots)
            .curves(curves.collect())
            .chosen(chosen)
            .show(ui, ("lines diagram", diagram.name()));
        if let Some(picked) = response.picked {
            self.saved.compare.brush = Some(Brush::Diagram(picked));
        }
        if let Some((at, near)) = response.clicked {
            let distance = |ratios: &[f64; 2]| {
                let off = [0, 1].map(|k| (ratios[k] - at[k]) / near[k]);
                off[0].hypot(off[1])
            };
            let nearest = places.all.iter().min_by(|a, b| distance(&a.1).total_cmp(&distance(&b.1)));
            if let Some((place, ratios, _)) = nearest
                && distance(ratios) < 2.0
            {
                self.saved.compare.spaxel = Some(*place);
            }
        }
    }

    /// How many spaxels each class has; a click marks them.
    fn classes_ui(&mut self, ui: &mut Ui, places: &Places) {
        ui.horizontal_wrapped(|ui| {
            for (class, count) in Class::ALL.into_iter().zip(places.counts).filter(|(_, count)| *count > 0) {
                let text = RichText::new(format!("{} {count}", class.name())).color(color_of(class, self.work.dark));
                if ui.small_button(text).on_hover_text("Mark them on the map").clicked() {
                    self.saved.compare.brush = Some(Brush::Class(class));
                }
            }
            ui.weak(RichText::new("Shift and drag marks a box, a click shows a spaxel's spectrum").small());
            if places.every > 1 {
                ui.weak(RichText::new(format!("one of {} spaxels is drawn", places.every)).small());
            }
        });
    }

    /// A run of another band of the same field.
    fn partner_ui(&mut self, ui: &mut Ui) {
        let mut text = self.saved.compare.partner.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
        ui.horizontal(|ui| {
            let name = ui.label("Run of the other band").on_hover_text(
                "A finished run of the same field in the band of the missing lines, spaxel by spaxel on the same grid",
            );
            let width = (ui.available_width() - 100.0).max(60.0);
            if crate::panels::path_field_ui(ui, name.id, "Run of the other band", width, &mut text) {
                self.saved.compare.partner = (!text.trim().is_empty()).then(|| text.trim().into());
            }
        });
        if let Some(problem) = &self.work.partner_problem {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(problem).small().color(color)).wrap());
        }
    }
}

/// Why a diagram cannot be drawn.
fn reason(missing: &[Line]) -> String {
    let verb = if missing.len() == 1 { "lies" } else { "lie" };
    format!(
        "{} {verb} outside the band of this cube: give a run of the band that has them",
        names(missing.iter().copied())
    )
}
