//! Step 1: a simulated galaxy, or the user's own file, as the fit will see it.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{RichText, ScrollArea, Ui};
use ndarray::Array2;

use super::finished::CUBE;
use super::{FILE_FIELDS, LIST_FIELDS, LineRatios, Origin, PREVIEW};
use crate::data::{EntryKind, typeset_unit};
use crate::panels::PanelContext;
use crate::panels::maps::{Look, MapMarkers, MapSpec};
use crate::plots::axes::{fits_from_pixel, format_value};
use crate::plots::colors::{Role, theme_of};
use crate::plots::image_overlay::MarkerShape;
use crate::plots::line_marks::Mark;
use crate::plots::line_plot::{LinePlot, Series, SeriesStyle};
use crate::studies::line_ratios::lines::{LIGHT_SPEED_KM_S, Line};
use crate::studies::line_ratios::{FitRequest, Glance, SimulateOutcome, SimulateRequest, ZeroPoint};
use crate::tasks::{Outcome, Progress, Provenance, Task, TaskError};
use crate::workers::{Answer, Key, Weigh};

/// Frame of the maps of this step.
const DATA: &str = "lines data";

/// What the fit will see, and the truth where it is known.
#[derive(Clone, Default)]
pub(super) struct Seen {
    glance: Glance,
    /// Of a simulated galaxy.
    velocity: Option<Arc<Array2<f32>>>,
}

impl Weigh for Seen {
    fn bytes(&self) -> usize {
        self.glance.bytes() + self.velocity.as_ref().map_or(0, |map| 4 * map.len())
    }
}

/// What the step shows at the moment.
#[derive(Default)]
pub(super) struct Preview {
    seen: Option<Arc<Seen>>,
    /// Points of the spectrum of `seen`, made once for each.
    points: Option<(Arc<Seen>, Vec<[f64; 2]>)>,
    /// What is wrong with the file.
    pub(super) problem: Option<String>,
    pub(super) waiting: bool,
    fraction: f64,
}

/// Lines as people write them.
pub(super) fn line_name(line: Line) -> &'static str {
    match line {
        Line::OII3726 => "[OII] 3726",
        Line::OII3729 => "[OII] 3729",
        Line::Hbeta => "Hβ",
        Line::OIII4959 => "[OIII] 4959",
        Line::OIII5007 => "[OIII] 5007",
        Line::NII6548 => "[NII] 6548",
        Line::Halpha => "Hα",
        Line::NII6583 => "[NII] 6583",
        Line::SII6716 => "[SII] 6716",
        Line::SII6731 => "[SII] 6731",
    }
}

/// Names of lines in a row.
pub(super) fn names(lines: impl IntoIterator<Item = Line>) -> String {
    lines.into_iter().map(line_name).collect::<Vec<_>>().join(", ")
}

/// The cube of a simulation, as the fit will find it in a file.
fn simulated(request: &SimulateRequest, progress: &Progress<Seen>) -> Result<Seen, TaskError> {
    let outcome = request.run(&Progress::on(progress.board()))?;
    progress.check()?;
    let folder = tempfile::tempdir().map_err(|e| TaskError::Failed(format!("no temporary folder: {e}")))?;
    let provenance = Provenance { task: SimulateRequest::NAME.into(), version: String::new(), request: String::new() };
    outcome.save(folder.path(), &provenance)?;
    progress.check()?;
    let fit = FitRequest { data: Some(folder.path().join(CUBE)), ..FitRequest::default() };
    let glance = Glance::read(&fit, progress, |glance| Seen { glance, velocity: None })?;
    let velocity = match &outcome {
        SimulateOutcome::Galaxy { made, .. } => Some(Arc::new(made.velocity.clone())),
        SimulateOutcome::Spectra { .. } => None,
    };
    Ok(Seen { glance, velocity })
}

impl LineRatios {
    /// Asks for the picture of what is set now; the last one wins.
    pub(super) fn ask_preview(&mut self, cx: &mut PanelContext<'_>) {
        self.preview.waiting = false;
        let slot = cx.slot(PREVIEW);
        let answer = match self.saved.origin {
            Origin::Galaxy => {
                let request = self.galaxy();
                let key = Key::of(&serde_json::to_string(&request).unwrap_or_default());
                cx.services.queries.ask(slot, key, &cx.services.wake, move |progress| simulated(&request, progress))
            }
            Origin::File => {
                if self.saved.fit.data.is_none() {
                    (self.preview.seen, self.preview.problem) = (None, None);
                    return;
                }
                let request = self.saved.fit.clone();
                let key = Key::of(&serde_json::to_string(&request).unwrap_or_default()).and(&self.reloads);
                cx.services.queries.ask(slot, key, &cx.services.wake, move |progress| {
                    // Parts of the picture are shown while the rest is read.
                    let glance = Glance::read(&request, progress, |glance| Seen { glance, velocity: None })?;
                    Ok(Seen { glance, velocity: None })
                })
            }
        };
        self.preview.problem = None;
        match &answer {
            Answer::Failed(message) => {
                self.preview.problem = Some(message.to_string());
                self.preview.seen = None;
            }
            Answer::Pending { fraction, .. } => {
                self.preview.waiting = true;
                self.preview.fraction = *fraction;
            }
            Answer::Ready(_) => {}
        }
        if let Some(seen) = answer.newest() {
            self.preview.seen = Some(seen.clone());
        }
    }

    /// Draws the step.
    pub(super) fn data_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        egui::Panel::left("lines data").resizable(true).default_size(330.0).size_range(260.0..=520.0).show(ui, |ui| {
            ui.horizontal(|ui| {
                for (origin, text, help) in [
                    (Origin::Galaxy, "Simulated galaxy", "A rotating galaxy with HII regions, as a cube; the demo"),
                    (Origin::File, "My file", "A spectrum or a cube of your own"),
                ] {
                    let chosen = self.saved.origin == origin;
                    if ui.selectable_label(chosen, text).on_hover_text(help).clicked() && !chosen {
                        self.saved.origin = origin;
                        self.preview.seen = None;
                    }
                }
            });
            ui.horizontal(|ui| {
                let start = egui::Button::new(RichText::new("Measure these lines").strong());
                let start = ui.add_enabled(self.can_start(), start);
                if start
                    .on_hover_text("Start the fit and watch it in step 2")
                    .on_disabled_hover_text("A file is needed that holds a line, and settings that can be read")
                    .clicked()
                {
                    self.start(cx);
                }
                if self.saved.origin == Origin::Galaxy
                    && ui.button("Reset").on_hover_text("Back to the galaxy of the demo").clicked()
                {
                    self.saved.simulate = SimulateRequest::default();
                }
                if self.preview.waiting {
                    ui.spinner();
                }
            });
            ui.separator();
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                match self.saved.origin {
                    Origin::Galaxy => self.galaxy_ui(ui),
                    Origin::File => self.file_ui(ui, cx),
                }
                if let Some(seen) = self.preview.seen.clone() {
                    takes_ui(ui, &seen.glance);
                }
            });
        });
        if let Some(problem) = &self.preview.problem {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(problem).color(color)).wrap());
        }
        self.seen_ui(ui);
    }

    fn galaxy_ui(&mut self, ui: &mut Ui) {
        let of_galaxy = |field: &crate::tasks::Field| !LIST_FIELDS.contains(&field.name.as_str());
        let simulate = &mut self.saved.simulate;
        let edited = crate::panels::edit_request(ui, "line galaxy", simulate, &self.simulate_fields, true, of_galaxy);
        self.unreadable = edited.err().or(self.unreadable.take());
        ui.weak("Simulated with a fixed seed: no observation");
    }

    fn file_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let known: Vec<PathBuf> = cx
            .services
            .store
            .list()
            .into_iter()
            .filter_map(|e| if let EntryKind::File { path } = &e.kind { Some(path.clone()) } else { None })
            .collect();
        path_ui(
            ui,
            "Spectrum or cube",
            "FITS file with a wavenumber or wavelength axis",
            &mut self.saved.fit.data,
            &known,
        );
        if self.saved.fit.zero_point == ZeroPoint::SkyLines {
            let help =
                "Spectrum or cube of the sky, for the zero point; without, the emptiest spaxels of the cube itself";
            path_ui(ui, "Sky", help, &mut self.saved.fit.sky, &known);
        }
        ui.add_space(4.0);
        let of_file = |field: &crate::tasks::Field| FILE_FIELDS.contains(&field.name.as_str());
        let edited = crate::panels::edit_request(ui, "line file", &mut self.saved.fit, &self.fit_fields, true, of_file);
        self.unreadable = edited.err().or(self.unreadable.take());
        if self.saved.fit.data.is_some()
            && ui.small_button("Read again").on_hover_text("Read the file again: it may have changed").clicked()
        {
            self.reloads += 1;
        }
    }

    fn seen_ui(&mut self, ui: &mut Ui) {
        let Some(seen) = self.preview.seen.clone() else {
            if self.preview.waiting {
                ui.add(egui::ProgressBar::new(self.preview.fraction as f32).desired_width(200.0).text("reading"));
            } else if self.preview.problem.is_none() {
                ui.add_space(30.0);
                ui.vertical_centered(|ui| {
                    ui.weak("Give a file on the left, or drop FITS files on the window and choose one there");
                });
            }
            return;
        };
        let glance = &seen.glance;
        if let Some(white) = &glance.white {
            let height = 0.58 * ui.available_height();
            let scale = glance.pixel_scale_arcsec.unwrap_or(0.0);
            let marker = glance.brightest.map(|[y, x]| {
                let color = Role::Reference.on_image();
                MapMarkers::new(vec![[x as f64, y as f64]], MarkerShape::Square, 6.0, color, "")
            });
            let markers: Vec<MapMarkers> = marker.into_iter().collect();
            let mut maps = vec![
                MapSpec::new("white", "Mean over the band", white, scale, DATA, Look::Light)
                    .unit(&glance.unit)
                    .markers(markers.clone()),
            ];
            if let Some(velocity) = &seen.velocity {
                let map = MapSpec::new("white velocity", "True velocity", velocity, scale, DATA, Look::Velocity);
                maps.push(map.unit("km/s").markers(markers));
            }
            let size = egui::vec2(ui.available_width(), height);
            ui.allocate_ui(size, |ui| self.views.grid_ui(ui, maps.len(), &maps));
        }
        if !self.preview.points.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, &seen)) {
            let points = glance.axis.iter().zip(&glance.spectrum).map(|(x, y)| [*x, *y]).collect();
            self.preview.points = Some((seen.clone(), points));
        }
        let Some((_, points)) = &self.preview.points else { return };
        let title = glance.brightest.map_or_else(
            || "The spectrum; marked: lines at velocity zero".to_owned(),
            |[y, x]| {
                let [x, y] = [x, y].map(|v| fits_from_pixel(v as f64));
                format!("Spectrum of the brightest spaxel, x {x:.0}, y {y:.0}; marked: lines at velocity zero")
            },
        );
        ui.label(RichText::new(title).strong());
        let theme = theme_of(ui.visuals());
        let marks = glance.lines.iter().map(|(line, x, _)| Mark {
            name: line_name(*line),
            x: *x,
            color: Role::Reference.color(theme),
        });
        let unit = typeset_unit(&glance.unit);
        LinePlot::new("band of the lines")
            .x(axis_name(&glance.axis_unit), &glance.axis_unit)
            .y("flux", &unit)
            .series(Series::new("data", points).role(Role::Data).style(SeriesStyle::Steps).width(1.0))
            .marks(marks.collect())
            .show(ui, "lines glance");
    }
}

/// What an axis of this unit counts.
pub(super) fn axis_name(unit: &str) -> &'static str {
    if unit == "cm-1" { "wavenumber" } else { "wavelength" }
}

/// What the fit will take.
fn takes_ui(ui: &mut Ui, glance: &Glance) {
    ui.add_space(8.0);
    ui.label(RichText::new("What the fit takes").strong());
    let (Some(first), Some(last)) = (glance.axis.first(), glance.axis.last()) else { return };
    let row = |ui: &mut Ui, name: &str, text: String| {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(name).strong().small());
            ui.label(RichText::new(text).small());
        });
    };
    let digits = if glance.axis_unit == "cm-1" { 6 } else { 5 };
    let (a, b, unit) = (format_value(*first, digits), format_value(*last, digits), &glance.axis_unit);
    row(ui, "Band", format!("{a} to {b} {unit}, {} samples", glance.axis.len()));
    row(ui, "Lines", names(glance.lines.iter().map(|(line, ..)| *line)));
    if !glance.outside.is_empty() {
        row(ui, "Outside the band", names(glance.outside.iter().copied()));
    }
    if let Some((line, _, fwhm)) = glance.lines.iter().find(|(line, ..)| *line == Line::Halpha).or(glance.lines.first())
    {
        let name = line_name(*line);
        row(
            ui,
            "Instrument",
            format!("FWHM {fwhm:.1} km/s at {name} (R {:.0}); taken out of the broadening", LIGHT_SPEED_KM_S / fwhm),
        );
    }
    let noise = if glance.has_errors {
        "errors of the file, rescaled by the scatter between the lines"
    } else {
        "no errors in the file: the scatter between the lines tells them"
    };
    row(ui, "Noise", noise.to_owned());
    if let Some(white) = &glance.white {
        let (rows, columns) = white.dim();
        let scale = glance.pixel_scale_arcsec.map_or_else(String::new, |s| format!(", {s:.3} arcsec a spaxel"));
        row(ui, "Cube", format!("{columns} x {rows} spaxels{scale}"));
    }
}

/// A path field, with a list of the files that are open already.
fn path_ui(ui: &mut Ui, label: &str, help: &str, place: &mut Option<PathBuf>, known: &[PathBuf]) {
    let mut text = place.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
    let name = ui.horizontal(|ui| {
        let name = ui.label(label).on_hover_text(help);
        // The field shows the beginning of a long path; what tells files apart is the end.
        if let Some(file) = place.as_ref().and_then(|p| p.file_name()) {
            ui.weak(file.to_string_lossy());
        }
        name
    });
    ui.horizontal(|ui| {
        // Room for the two buttons behind the field.
        let width = (ui.available_width() - 160.0).max(60.0);
        if crate::panels::path_field_ui(ui, name.inner.id, label, width, &mut text) {
            *place = (!text.trim().is_empty()).then(|| PathBuf::from(text.trim()));
        }
        ui.menu_button("Open ▾", |ui| {
            if known.is_empty() {
                ui.weak("No FITS file is open yet: drop some on the window");
            }
            for path in known {
                let short = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                if ui.button(short).on_hover_text(path.display().to_string()).clicked() {
                    *place = Some(path.clone());
                    ui.close();
                }
            }
        });
    });
}
