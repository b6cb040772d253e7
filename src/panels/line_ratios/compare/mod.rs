//! Step 3: maps, the spectrum of a spaxel with its fit, diagrams of excitation, the truth where it is known.

mod activation;
mod brush;
mod calibration;
mod diagram;
mod doublet;
mod folds;
mod held_out;
mod shown;
mod spaxel;

use std::path::PathBuf;
use std::sync::Arc;

use egui::{RichText, Ui};
use serde::{Deserialize, Serialize};

use self::brush::{Brush, Marked};
use self::calibration::Looked;
use self::diagram::Places;
use self::held_out::HeldOutRun;
use self::shown::{FRAME, Sheet, Sight, Wanted};
use self::spaxel::{SingleFit, Spaxel};
use super::finished::Finished;
use super::{LineRatios, nothing_yet};
use crate::panels::PanelContext;
use crate::panels::maps::{LineWidth, MapEvent, MapEventKind, MapLine, MapMarkers, Views};
use crate::plots::colors::{Role, theme_of};
use crate::plots::headless::Headless;
use crate::plots::image_overlay::MarkerShape;
use crate::plots::picture::Picture;
use crate::runs::Record;
use crate::studies::line_ratios::excitation::Diagram;
use crate::studies::line_ratios::{FitOutcome, Method};
use crate::tasks::TaskError;
use crate::workers::{Answer, Key};

/// Names of this step's questions.
pub(super) const QUESTIONS: [&str; 9] =
    ["sheet", "spaxel", "places", "marked", "partner", "held out", "calibrated", "doublet", "activation"];

/// What a session keeps of step 3.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Comparison {
    sight: Sight,
    /// Spaxels whose brightest line is seen with less are not shown.
    least_snr: f64,
    /// Row and column of the spaxel whose spectrum is shown; none for the brightest.
    spaxel: Option<[usize; 2]>,
    diagram: Diagram,
    /// What is marked, in the diagram or on the maps.
    brush: Option<Brush>,
    /// A run of another band of the same field, for the diagram.
    partner: Option<PathBuf>,
    /// Borders between bins are not drawn.
    hide_bins: bool,
    /// The benchmark that the sights of held-out spectra show; none for the newest of the runs.
    benchmark: Option<PathBuf>,
    looked: Looked,
    /// The ratio of the activation map.
    activation: String,
}

impl Comparison {
    /// Shows held-out spectra of this benchmark.
    pub(super) fn show_benchmark(&mut self, folder: PathBuf) {
        self.benchmark = Some(folder);
        if !self.sight.needs_benchmark() {
            self.sight = Sight::Calibration;
        }
    }

    /// Nothing that holds for one cube only stays.
    pub(super) fn forget_places(&mut self) {
        (self.spaxel, self.brush, self.partner) = (None, None, None);
    }

    /// Nothing is marked any more.
    pub(super) fn unbrush(&mut self) {
        self.brush = None;
    }
}

/// What the step keeps between frames.
#[derive(Default)]
pub(super) struct Work {
    sheet: Option<Arc<Sheet>>,
    spaxel: Option<Arc<Spaxel>>,
    places: Option<Arc<Places>>,
    marked: Option<Arc<Marked>>,
    partner: Option<Arc<Finished>>,
    /// What is wrong with the partner.
    partner_problem: Option<String>,
    spaxel_problem: Option<String>,
    /// The box that is being drawn on a map, in pixels.
    drawing: Option<[f64; 4]>,
    held_out: Option<Arc<HeldOutRun>>,
    held_out_problem: Option<String>,
    /// How often a benchmark was opened or made: what is known of the runs is old then.
    pub(super) benchmarks: u64,
    calibrated: calibration::Shown,
    doublets: doublet::Shown,
    activated: activation::Shown,
    activation_problem: Option<String>,
    dark: bool,
    /// Something is being computed for the step.
    pub(super) waiting: bool,
}

impl LineRatios {
    /// Asks for what the step shows.
    pub(super) fn compare_logic(&mut self, cx: &mut PanelContext<'_>) {
        self.work.waiting = false;
        let sight = self.saved.compare.sight;
        if sight.needs_benchmark() {
            self.ask_held_out(cx);
        }
        match sight {
            Sight::Calibration => self.ask_calibrated(cx),
            Sight::Doublet => self.ask_doublets(cx),
            _ => {}
        }
        let Some(finished) = self.finished.clone() else { return };
        if sight == Sight::Activation {
            self.ask_activated(&finished, cx);
        }
        if finished.shape().is_none() || sight.is_of_networks() {
            return;
        }
        self.ask_sheet(&finished, cx);
        self.ask_spaxel(&finished, cx);
        if self.saved.compare.sight == Sight::Diagram {
            self.ask_partner(&finished, cx);
            self.ask_places(&finished, cx);
        }
        self.ask_marked(&finished, cx);
    }

    fn ask_sheet(&mut self, finished: &Finished, cx: &mut PanelContext<'_>) {
        let compare = &self.saved.compare;
        let wanted = Wanted { sight: compare.sight, least_snr: compare.least_snr };
        let key = Key::of(&("sheet", finished.id, wanted.sight)).and_f64(wanted.least_snr);
        let of = finished.clone();
        let answer = cx
            .services
            .queries
            .ask(cx.slot("sheet"), key, &cx.services.wake, move |_| Ok::<_, TaskError>(Sheet::of(&of, wanted)));
        self.work.waiting |= answer.ready().is_none();
        // Maps of another sight or run under these titles would be wrong.
        self.work.sheet = answer.newest().filter(|s| s.id == finished.id && s.sight == wanted.sight).cloned();
    }

    fn ask_spaxel(&mut self, finished: &Finished, cx: &mut PanelContext<'_>) {
        let Some(place) = self.spaxel_shown(finished) else {
            self.work.spaxel = None;
            return;
        };
        let of = finished.clone();
        let key = Key::of(&("spaxel", finished.id, place));
        let answer = cx
            .services
            .queries
            .ask(cx.slot("spaxel"), key, &cx.services.wake, move |progress| Spaxel::measure(&of, place, progress));
        self.work.spaxel_problem = None;
        match &answer {
            Answer::Ready(_) => {}
            Answer::Pending { .. } => self.work.waiting = true,
            Answer::Failed(message) => self.work.spaxel_problem = Some(message.to_string()),
        }
        self.work.spaxel = answer.newest().filter(|s| s.id == finished.id).cloned();
    }

    /// The spaxel whose spectrum is shown.
    fn spaxel_shown(&self, finished: &Finished) -> Option<[usize; 2]> {
        let [rows, columns] = finished.shape()?;
        let inside = |[y, x]: &[usize; 2]| *y < rows && *x < columns;
        self.saved.compare.spaxel.filter(inside).or(finished.brightest)
    }

    fn ask_partner(&mut self, finished: &Finished, cx: &mut PanelContext<'_>) {
        self.work.partner_problem = None;
        let Some(folder) = self.saved.compare.partner.clone() else {
            self.work.partner = None;
            return;
        };
        let key = Key::of(&("partner", &folder, finished.id));
        let shape = finished.shape();
        let answer = cx.services.queries.ask(cx.slot("partner"), key, &cx.services.wake, move |_| {
            let partner = Finished::read(&folder)?;
            if partner.shape() == shape {
                return Ok(partner);
            }
            let text =
                |shape: Option<[usize; 2]>| shape.map_or("no maps".into(), |[y, x]| format!("{x} x {y} spaxels"));
            let (has, needs) = (text(partner.shape()), text(shape));
            Err(TaskError::file(&folder, format!("has {has}, the run shown {needs}; give a run of the same field")))
        });
        match &answer {
            Answer::Ready(partner) => self.work.partner = Some(partner.clone()),
            Answer::Pending { .. } => self.work.waiting = true,
            Answer::Failed(message) => {
                self.work.partner = None;
                self.work.partner_problem = Some(message.to_string());
            }
        }
    }

    fn ask_places(&mut self, finished: &Finished, cx: &mut PanelContext<'_>) {
        let (diagram, least_snr) = (self.saved.compare.diagram, self.saved.compare.least_snr);
        let (of, partner, dark) = (finished.clone(), self.work.partner.clone(), self.work.dark);
        let key = Key::of(&("places", finished.id, diagram, partner.as_ref().map(|p| p.id), dark)).and_f64(least_snr);
        let answer = cx.services.queries.ask(cx.slot("places"), key, &cx.services.wake, move |_| {
            Ok::<_, TaskError>(Places::of(&of, partner.as_deref(), diagram, least_snr, dark))
        });
        self.work.waiting |= answer.ready().is_none();
        self.work.places = answer.newest().filter(|p| p.id == finished.id && p.diagram == diagram).cloned();
    }

    fn ask_marked(&mut self, finished: &Finished, cx: &mut PanelContext<'_>) {
        let (Some(brush), Some(shape)) = (self.saved.compare.brush, finished.shape()) else {
            self.work.marked = None;
            return;
        };
        let places = self.work.places.clone().filter(|_| self.saved.compare.sight == Sight::Diagram);
        if brush.needs_places() && places.is_none() {
            self.work.marked = None;
            return;
        }
        let serial = places.as_ref().map(|p| p.serial);
        let key = Key::of(&("marked", finished.id, serial, brush.bits()));
        let answer = cx.services.queries.ask(cx.slot("marked"), key, &cx.services.wake, move |_| {
            Ok::<_, TaskError>(Marked::of(brush, shape, places.as_deref()))
        });
        self.work.waiting |= answer.ready().is_none();
        self.work.marked = answer.newest().filter(|m| m.mask.dim() == (shape[0], shape[1])).cloned();
    }

    /// Draws the step.
    pub(super) fn compare_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        self.work.dark = theme_of(ui.visuals()) == egui::Theme::Dark;
        let finished = self.finished.clone();
        self.bar_ui(ui, finished.as_ref());
        match self.saved.compare.sight {
            Sight::Calibration => return self.calibration_ui(ui, cx),
            Sight::Doublet => return self.doublet_ui(ui, cx),
            Sight::Folds => return self.folds_ui(ui, cx),
            _ => {}
        }
        let Some(finished) = finished else {
            if self.opening.is_some() || self.run.is_running() {
                ui.spinner();
            } else {
                nothing_yet(ui);
            }
            return;
        };
        if self.saved.compare.sight == Sight::Activation {
            return self.activation_ui(ui, &finished);
        }
        if finished.shape().is_none() {
            SingleFit::of(&finished).show(ui, &finished);
            return;
        }
        for warning in &finished.record.warnings {
            ui.add(
                egui::Label::new(RichText::new(format!("⚠ {warning}")).small().color(ui.visuals().warn_fg_color))
                    .wrap(),
            );
        }
        let width = (0.46 * ui.available_width()).clamp(260.0, 620.0);
        egui::Panel::right("lines spaxel")
            .resizable(true)
            .default_size(width)
            .size_range(220.0..=900.0)
            .show(ui, |ui| self.spaxel_ui(ui, &finished));
        if self.saved.compare.sight == Sight::Diagram {
            self.diagram_ui(ui, &finished);
        } else {
            let columns = self.saved.compare.sight.columns(finished.request.method);
            self.maps_ui(ui, &finished, columns, false);
        }
    }

    /// What is shown, and the mask.
    fn bar_ui(&mut self, ui: &mut Ui, finished: Option<&Finished>) {
        let compare = &mut self.saved.compare;
        let is_cube = finished.is_some_and(|finished| finished.shape().is_some());
        let has_truth = finished.is_some_and(|finished| finished.truth.is_some());
        if compare.sight == Sight::Truth && !has_truth {
            compare.sight = Sight::Overview;
        }
        ui.horizontal_wrapped(|ui| {
            if !is_cube && finished.is_some() {
                let chosen = !compare.sight.is_of_networks();
                if ui.selectable_label(chosen, "Spectrum").on_hover_text("The spectrum and its fit").clicked() {
                    compare.sight = Sight::Overview;
                }
            }
            for (sight, text, help) in Sight::ALL {
                let there = if sight.is_of_networks() {
                    sight.needs_benchmark() || finished.is_some()
                } else {
                    is_cube && (sight != Sight::Truth || has_truth)
                };
                if sight == Sight::Calibration && finished.is_some() {
                    ui.separator();
                }
                if there && ui.selectable_label(compare.sight == sight, text).on_hover_text(help).clicked() {
                    compare.sight = sight;
                }
            }
            if let Some(finished) = finished.filter(|_| is_cube && !compare.sight.is_of_networks()) {
                mask_ui(ui, compare, self.work.marked.as_deref(), finished);
            }
        });
    }

    /// The maps of the sight; with `brushes` a drag marks spaxels.
    fn maps_ui(&mut self, ui: &mut Ui, finished: &Finished, columns: usize, brushes: bool) {
        let Some(sheet) = self.work.sheet.clone() else {
            ui.spinner();
            return;
        };
        let marked = self.work.marked.as_ref().map(|m| m.mask.clone());
        let place = self.spaxel_shown(finished).map(|[y, x]| [x as f64, y as f64]);
        let markers: Vec<MapMarkers> = place
            .map(|place| MapMarkers::new(vec![place], MarkerShape::Square, 6.0, Role::Reference.on_image(), ""))
            .into_iter()
            .collect();
        let lines: Vec<MapLine> = self.work.drawing.map(box_line).into_iter().collect();
        let borders: &[_] = if self.saved.compare.hide_bins { &[] } else { &finished.borders };
        let maps = sheet.specs(finished).into_iter().map(|map| {
            let map = match &marked {
                Some(mask) => map.mask(mask),
                None => map,
            };
            map.markers(markers.clone()).lines(lines.clone()).borders(borders).takes_drags(brushes)
        });
        let maps: Vec<_> = maps.collect();
        if maps.is_empty() {
            ui.add_space(30.0);
            ui.vertical_centered(|ui| ui.weak("The lines in the band have no such maps"));
            return;
        }
        let events = self.views.grid_ui(ui, columns, &maps);
        self.take_events(&events, finished);
    }

    fn take_events(&mut self, events: &[MapEvent], finished: &Finished) {
        let Some([rows, columns]) = finished.shape() else { return };
        for event in events.iter().filter(|event| event.frame == FRAME) {
            let [x, y] = event.pixel;
            let corners = |[a, b]: [f64; 2]| [a.min(x), b.min(y), a.max(x), b.max(y)];
            match event.kind {
                MapEventKind::Click => {
                    let (column, row) = ((x + 0.5).floor(), (y + 0.5).floor());
                    if column >= 0.0 && row >= 0.0 && (column as usize) < columns && (row as usize) < rows {
                        self.saved.compare.spaxel = Some([row as usize, column as usize]);
                    }
                }
                MapEventKind::Drag { start } => self.work.drawing = Some(corners(start)),
                MapEventKind::DragEnd { start } => {
                    self.work.drawing = None;
                    self.saved.compare.brush = Some(Brush::Map(corners(start)));
                }
                MapEventKind::Hover | MapEventKind::DoubleClick => {}
            }
        }
    }
}

/// From which signal to noise on spaxels are shown, and how many are marked.
fn mask_ui(ui: &mut Ui, compare: &mut Comparison, marked: Option<&Marked>, finished: &Finished) {
    /// Points that label, slider and number take: a slider is not broken between two rows, it would widen the panel.
    const SLIDER_ROOM: f32 = 290.0;
    if ui.available_size_before_wrap().x < SLIDER_ROOM {
        ui.end_row();
    } else {
        ui.separator();
    }
    let line = finished.brightest_line.map_or("the line", super::data_step::line_name);
    // Not broken between two rows.
    let label = ui.add(egui::Label::new(format!("S/N of {line} ≥")).extend());
    ui.spacing_mut().slider_width = 90.0;
    let slider = egui::Slider::new(&mut compare.least_snr, 0.0..=50.0).logarithmic(true).smallest_positive(0.5);
    ui.add(slider.max_decimals(1)).labelled_by(label.id).on_hover_text(
        "Spaxels whose brightest line is seen with less are left out of all maps and diagrams; 0 shows all",
    );
    if !finished.borders.is_empty() {
        let mut draws = !compare.hide_bins;
        let help = "Draw the borders between spaxels that were measured together";
        if ui.checkbox(&mut draws, "Bins").on_hover_text(help).changed() {
            compare.hide_bins = !draws;
        }
    }
    if let Some(marked) = marked {
        ui.label(format!("{} spaxels marked", marked.count));
        if ui.button("Unmark").on_hover_text("Forget what is marked").clicked() {
            compare.brush = None;
        }
    }
    if compare.sight == Sight::Ratios && finished.request.method != Method::Fit {
        ui.weak(RichText::new("network and hybrid: prior-dominated spaxels are left out").small());
    }
}

/// The outline of a box `[x low, y low, x high, y high]`.
fn box_line([x0, y0, x1, y1]: [f64; 4]) -> MapLine {
    MapLine {
        points: vec![[x0, y0], [x1, y0], [x1, y1], [x0, y1]],
        closed: true,
        color: Role::Reference.on_image(),
        width: LineWidth::Points(1.5),
    }
}

/// The Compare step of an outcome as a picture, for `panel.png`.
pub(super) fn picture(outcome: Arc<FitOutcome>, record: Record) -> Option<Picture> {
    let mut screen = Headless::new([1180.0, 760.0], 1.0, egui::Theme::Light);
    let finished = Finished::new(outcome, record, PathBuf::new());
    if finished.shape().is_none() {
        screen.settle(60, |ui| {
            egui::CentralPanel::default().show(ui, |ui| SingleFit::of(&finished).show(ui, &finished));
        });
        return screen.picture().ok();
    }
    let sheet = Sheet::of(&finished, Wanted { sight: Sight::Overview, least_snr: 0.0 });
    let mut views = Views::default();
    screen.settle(60, |ui| {
        egui::CentralPanel::default().show(ui, |ui| {
            ui.heading("Line ratios");
            views.grid_ui(ui, 3, &sheet.specs(&finished));
        });
    });
    screen.picture().ok()
}
