//! The activation map: which samples of the spectrum that is looked at a ratio of the network hangs on.

use std::sync::Arc;

use egui::{RichText, Ui, vec2};

use super::super::LineRatios;
use super::super::data_step::{axis_name, line_name};
use super::super::finished::Finished;
use super::shown::ratio_name;
use super::spaxel::Y_ROOM;
use crate::data::typeset_unit;
use crate::panels::PanelContext;
use crate::plots::axes::fits_from_pixel;
use crate::plots::colors::{Role, theme_of};
use crate::plots::line_marks::Mark;
use crate::plots::line_plot::{LinePlot, Series, SeriesStyle};
use crate::studies::line_ratios::Sensitivity;
use crate::studies::line_ratios::lines::Line;
use crate::tasks::{Progress, TaskError};
use crate::workers::{Answer, Key, Weigh};

/// One ratio: its name, the change by each sample, the share on its lines.
type OfRatio = (&'static str, Vec<[f64; 2]>, f64);

/// The map of one spectrum as points.
pub(super) struct Activated {
    id: u64,
    place: [usize; 2],
    found: Option<Found>,
}

struct Found {
    spectrum: Vec<[f64; 2]>,
    lines: Vec<(Line, f64)>,
    ratios: Vec<OfRatio>,
}

impl Weigh for Activated {
    fn bytes(&self) -> usize {
        self.found.as_ref().map_or(64, |found| 16 * found.spectrum.len() * (1 + found.ratios.len()))
    }
}

impl Activated {
    fn measure(finished: &Finished, place: [usize; 2], progress: &Progress<Self>) -> Result<Self, TaskError> {
        let spaxels = if finished.shape().is_some() { finished.bin_of(place) } else { vec![place] };
        let found =
            Sensitivity::of(&finished.outcome.as_measured(&finished.request), &spaxels, progress)?.map(|found| {
                let points =
                    |values: &[f64]| found.axis.iter().zip(values).map(|(x, y)| [*x, *y]).collect::<Vec<[f64; 2]>>();
                let ratios = found.ratios.iter().map(|ratio| (ratio.name, points(&ratio.change), ratio.on_its_lines));
                Found { spectrum: points(&found.spectrum), ratios: ratios.collect(), lines: found.lines.clone() }
            });
        Ok(Self { id: finished.id, place, found })
    }
}

impl LineRatios {
    /// The spectrum whose map is shown: the spaxel that is looked at, or the only spectrum.
    fn spectrum_shown(&self, finished: &Finished) -> Option<[usize; 2]> {
        if finished.shape().is_none() { Some([0, 0]) } else { self.spaxel_shown(finished) }
    }

    pub(super) fn ask_activated(&mut self, finished: &Finished, cx: &mut PanelContext<'_>) {
        let Some(place) = self.spectrum_shown(finished) else {
            self.work.activated = None;
            return;
        };
        let of = finished.clone();
        let key = Key::of(&("activation", finished.id, place));
        let answer = cx.services.queries.ask(cx.slot("activation"), key, &cx.services.wake, move |progress| {
            Activated::measure(&of, place, progress)
        });
        self.work.activation_problem = None;
        match &answer {
            Answer::Ready(_) => {}
            Answer::Pending { .. } => self.work.waiting = true,
            Answer::Failed(message) => self.work.activation_problem = Some(message.to_string()),
        }
        self.work.activated = answer.newest().filter(|a| a.id == finished.id && a.place == place).cloned();
    }

    /// Draws the sight.
    pub(super) fn activation_ui(&mut self, ui: &mut Ui, finished: &Finished) {
        if let Some(problem) = &self.work.activation_problem {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(problem).color(color)).wrap());
            return;
        }
        let Some(activated) = self.work.activated.clone() else {
            if self.spectrum_shown(finished).is_none() {
                ui.weak("No line is seen anywhere in this cube");
            } else {
                ui.spinner();
            }
            return;
        };
        let Some(found) = &activated.found else {
            ui.weak("Too few samples of this spectrum count");
            return;
        };
        let chosen = &mut self.saved.compare.activation;
        let Some(ratio) = found.ratios.iter().find(|ratio| ratio.0 == *chosen).or(found.ratios.first()) else {
            ui.weak("The band holds no ratio of the network");
            return;
        };
        ui.horizontal_wrapped(|ui| {
            if finished.shape().is_some() {
                let [y, x] = activated.place.map(|v| fits_from_pixel(v as f64));
                ui.label(RichText::new(format!("Spaxel x {x:.0}, y {y:.0}")).strong());
                ui.separator();
            }
            for (name, ..) in &found.ratios {
                if ui.selectable_label(ratio.0 == *name, ratio_name(name)).clicked() {
                    (*name).clone_into(chosen);
                }
            }
        });
        ui.label(format!(
            "{:.0} % of what moves {} lies within 2.5 line widths of its lines",
            100.0 * ratio.2,
            ratio_name(ratio.0)
        ))
        .on_hover_text("Share of the summed squares of the changes below; the rest tells velocity, broadening and noise, or is memory of the prior");
        plots_ui(ui, found, ratio, [&finished.outcome.unit, &finished.outcome.axis_unit]);
    }
}

fn plots_ui(ui: &mut Ui, found: &Found, (name, change, _): &OfRatio, [unit, axis_unit]: [&str; 2]) {
    let theme = theme_of(ui.visuals());
    let link = ui.make_persistent_id("lines activation axis");
    let color = Role::Reference.color(theme);
    let marks = || found.lines.iter().map(|(line, x)| Mark { name: line_name(*line), x: *x, color }).collect();
    let room = ui.available_size();
    ui.weak(RichText::new(format!("Spectrum in {}; marks at the velocity of the network", typeset_unit(unit))).small());
    ui.allocate_ui(vec2(room.x, 0.48 * room.y), |ui| {
        LinePlot::new("spectrum of the activation map")
            .y("flux", "")
            .series(Series::new("", &found.spectrum).role(Role::Data).style(SeriesStyle::Steps).width(1.0))
            .marks(marks())
            .link_x(link)
            .y_room(Y_ROOM)
            .show(ui, "lines activation spectrum");
    });
    let title = format!("Change of log {}, in dex, when a sample rises by the noise", ratio_name(name));
    ui.weak(RichText::new(title).small());
    LinePlot::new("activation map")
        .x(axis_name(axis_unit), axis_unit)
        .y("dex", "")
        .series(Series::new("", change).role(Role::Network).style(SeriesStyle::Steps).width(1.2))
        .marks(marks())
        .link_x(link)
        .y_room(Y_ROOM)
        .show(ui, "lines activation");
}

/// Kept beside what is asked, so that the type is named once.
pub(super) type Shown = Option<Arc<Activated>>;
