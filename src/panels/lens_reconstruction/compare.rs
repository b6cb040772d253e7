//! Step 3: the answer beside the data, the truth where it is known, and doing nothing.

mod arrival;
mod linked;
mod posterior;
mod residuals;
mod sheet;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use egui::{Grid, RichText, Ui};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use self::linked::{Linked, Point, Shown, image_markers, source_marker};
use self::posterior::{DrawnCurves, corner_of, drawn_curves, posterior_ui};
pub(super) use self::sheet::MassSheet;
use self::sheet::SheetMaps;
use super::curves::{IMAGE, SOURCE, image_curves, pixel_of, source_curves};
use super::{LensReconstruction, nothing_yet};
use crate::panels::PanelContext;
use crate::panels::maps::{LineWidth, Look, MapEvent, MapLine, MapMarkers, MapSpec, Views, part_of};
use crate::plots::colors::{self, Role, theme_of};
use crate::plots::corner::Corner;
use crate::plots::headless::Headless;
use crate::plots::histogram::Histogram;
use crate::plots::picture::Picture;
use crate::runs::Record;
use crate::studies::lens_reconstruction::{
    Cosmology, Curves, FitOutcome, ResidualStatistics, SimulateOutcome, SimulateRequest, Tracer, residual_statistics,
};
use crate::tasks::{Metrics, Outcome, Task, TaskError};
use crate::workers::Weigh;

/// What step 3 shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sight {
    /// Every map and the table of numbers.
    #[default]
    Maps,
    /// The residual desk.
    Residuals,
    /// The arrival-time surface.
    Arrival,
    /// The draws.
    Posterior,
}

/// What a session keeps of step 3.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Comparison {
    sight: Sight,
    pinned: Option<Point>,
    show_draws: bool,
}

/// What step 3 keeps between frames.
#[derive(Default)]
pub(super) struct Work {
    linked: Linked,
    sheet: Option<Arc<SheetMaps>>,
    surface: Option<Arc<arrival::Surface>>,
    /// Something is being computed for it.
    pub waiting: bool,
}

/// A finished fit with everything that stands beside it.
#[derive(Clone)]
pub(super) struct Finished {
    /// The maps and numbers.
    pub outcome: Arc<FitOutcome>,
    /// How it was made.
    pub record: Record,
    /// Where it lies.
    pub folder: PathBuf,
    /// Its files with their sizes in bytes.
    pub sizes: Vec<(String, u64)>,
    /// What went wrong without costing the run.
    pub notes: Vec<String>,
    truth: Option<Arc<Truth>>,
    left_out: Arc<Array2<bool>>,
    /// Residuals of the fitted pixels, NaN elsewhere: what was not fitted must not draw the eye.
    residual: Arc<Array2<f32>>,
    /// Data less the light of the lens.
    arcs: Arc<Array2<f32>>,
    histogram: Arc<Histogram>,
    corner: Option<Arc<Corner>>,
    /// Curves of some draws.
    draws: Arc<Vec<DrawnCurves>>,
    statistics: Option<Arc<ResidualStatistics>>,
    /// Rays between the planes, where the lens is known.
    tracer: Option<Arc<Tracer>>,
    /// Where the source is brightest (arcsec from the image centre).
    brightest: [f64; 2],
    /// Days for 1 arcsec^2 of the Fermat potential, where both redshifts are known.
    days: Option<f64>,
    /// Another one for every fit that is shown.
    id: u64,
}

/// What was simulated, when the data were.
struct Truth {
    outcome: SimulateOutcome,
    metrics: Metrics,
    source: Arc<Array2<f32>>,
}

impl Weigh for Finished {
    fn bytes(&self) -> usize {
        // Maps, and the mapped nodes of the tracer.
        self.outcome.model.len() * 4 * 8 + 2_000_000
    }
}

impl Finished {
    /// A fit and, where its image came from a simulation of ours, the truth.
    pub(super) fn new(outcome: Arc<FitOutcome>, record: Record, folder: PathBuf) -> Self {
        let truth = truth_of(&record, &outcome).map(Arc::new);
        let sizes = crate::panels::study::file_sizes(&folder, &record);
        let left_out = Arc::new(outcome.mask.mapv(|m| !m));
        let fitted = outcome.residual.iter().zip(outcome.mask.iter()).filter(|(_, m)| **m).map(|(r, _)| r);
        let histogram = Arc::new(Histogram::of_residuals(fitted));
        let arcs = Arc::new(&*outcome.data - &*outcome.lens_light);
        let mut residual = outcome.residual.as_ref().clone();
        residual.zip_mut_with(&outcome.mask, |r, fitted| {
            if !fitted {
                *r = f32::NAN;
            }
        });
        let residual = Arc::new(residual);
        let corner = outcome.posterior.as_ref().map(|p| Arc::new(corner_of(p, truth.as_deref().map(|t| &t.metrics))));
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            draws: Arc::new(outcome.posterior.as_ref().map(|p| drawn_curves(p)).unwrap_or_default()),
            statistics: residual_statistics(&outcome.residual, &outcome.data, &outcome.mask).map(Arc::new),
            tracer: tracer_of(&outcome).map(Arc::new),
            brightest: brightest(&outcome),
            days: days_of(&outcome, &record),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            outcome,
            record,
            folder,
            sizes,
            notes: Vec::new(),
            truth,
            left_out,
            residual,
            arcs,
            histogram,
            corner,
        }
    }

    /// What the fit is called beside the others.
    fn method_name(&self) -> &'static str {
        "Parametric fit"
    }

    /// Reads a run folder.
    ///
    /// # Errors
    /// Not a run of this study, or a product is missing.
    pub(super) fn read(folder: &Path) -> Result<Self, TaskError> {
        let record = Record::read(folder)?;
        if record.task != crate::studies::lens_reconstruction::FitRequest::NAME {
            return Err(TaskError::file(
                folder,
                format!("a run of {}; this panel shows runs of lens_reconstruction.fit", record.task),
            ));
        }
        let outcome = FitOutcome::load(folder, &record.request, &record.metrics)?;
        Ok(Self::new(Arc::new(outcome), record, folder.to_owned()))
    }
}

/// The simulation that the image came from: its run folder holds the image.
fn truth_of(record: &Record, outcome: &FitOutcome) -> Option<Truth> {
    let image = record.request.get("image")?.as_str()?;
    let folder = Path::new(image).parent()?;
    let record = Record::read(folder).ok().filter(|r| r.task == SimulateRequest::NAME)?;
    let simulated = SimulateOutcome::load(folder, &record.request, &record.metrics).ok()?;
    if simulated.image.dim() != outcome.model.dim() {
        return None;
    }
    // On the grid of the fitted source map, so that the two can be compared pixel by pixel.
    let source = simulated.source_on(outcome.source_centre_arcsec, outcome.source_scale_arcsec, outcome.source.dim());
    Some(Truth { metrics: record.metrics, source: Arc::new(source), outcome: simulated })
}

/// Rays through the lens of a fit, over its whole image.
fn tracer_of(outcome: &FitOutcome) -> Option<Tracer> {
    let scene = outcome.scene.as_ref()?;
    let (rows, columns) = outcome.model.dim();
    let half_width = 0.5 * rows.max(columns) as f64 * outcome.pixel_scale_arcsec;
    let radius = outcome.metrics().get("einstein_radius_arcsec").copied().unwrap_or(1.0);
    Some(Tracer::new(&scene.lens, radius, half_width))
}

/// The middle of the brightest pixel of the source.
fn brightest(outcome: &FitOutcome) -> [f64; 2] {
    let peak = outcome.source.indexed_iter().filter(|(_, v)| v.is_finite()).max_by(|a, b| a.1.total_cmp(b.1));
    let Some(((row, column), _)) = peak else { return outcome.source_centre_arcsec };
    let (rows, columns) = outcome.source.dim();
    let off = |k: usize, n: usize| (k as f64 - 0.5 * (n as f64 - 1.0)) * outcome.source_scale_arcsec;
    let [x, y] = outcome.source_centre_arcsec;
    [x + off(column, columns), y + off(row, rows)]
}

/// Days for 1 arcsec^2 of the Fermat potential; of a run that does not tell, by its redshifts.
fn days_of(outcome: &FitOutcome, record: &Record) -> Option<f64> {
    let redshift = |name: &str| record.request.get(name).and_then(serde_json::Value::as_f64);
    let by_redshifts = || {
        let distances = Cosmology::default().between(redshift("redshift_lens")?, redshift("redshift_source")?)?;
        Some(distances.days_per_arcsec2())
    };
    outcome.metrics().get("days_per_arcsec2").copied().or_else(by_redshifts)
}

impl LensReconstruction {
    /// Asks for what the step shows that takes time.
    pub(super) fn compare_logic(&mut self, cx: &mut PanelContext<'_>) {
        self.work.waiting = false;
        let Some(finished) = self.finished.clone() else { return };
        let sheet = self.saved.mass_sheet;
        let (maps, waiting) = sheet.ask(&finished, self.work.sheet.take(), cx);
        self.work.sheet = maps;
        self.work.waiting |= waiting;
        if self.saved.compare.sight == Sight::Arrival
            && let Some(shown) = self.work.linked.shown(&finished, self.saved.compare.pinned, sheet.lambda())
        {
            let before = self.work.surface.take();
            let (surface, waiting) = arrival::ask(&finished, &shown.plain, sheet.lambda(), before, cx);
            self.work.surface = surface;
            self.work.waiting |= waiting;
        }
    }

    /// Draws the step.
    pub(super) fn compare_ui(&mut self, ui: &mut Ui) {
        let Some(finished) = self.finished.clone() else {
            if self.opening.is_some() || self.run.is_running() {
                ui.spinner();
            } else {
                nothing_yet(ui);
            }
            return;
        };
        if self.refocus {
            self.views.focus_on(IMAGE, part_of(&finished.outcome.mask, 0.12));
            self.views.focus_on(SOURCE, None);
            self.refocus = false;
        }
        self.compare_bar_ui(ui, &finished);
        let sheet = self.saved.mass_sheet;
        let lambda = sheet.lambda();
        let shown = self.work.linked.shown(&finished, self.saved.compare.pinned, lambda);
        let maker = MapMaker {
            finished: &finished,
            shown: shown.as_ref(),
            lambda,
            sheet: self.work.sheet.as_deref().filter(|_| sheet.is_on()),
            draw: self.saved.compare.show_draws.then(|| flicker(ui)),
        };
        let events = match (self.saved.compare.sight, &finished.corner, &shown) {
            (Sight::Posterior, Some(corner), _) => {
                posterior_ui(ui, &finished, corner);
                Vec::new()
            }
            (Sight::Residuals, ..) => residuals::desk_ui(ui, &finished, &maker, &mut self.views),
            (Sight::Arrival, _, Some(shown)) => {
                arrival::arrival_ui(ui, &finished, &maker, shown, self.work.surface.as_deref(), &mut self.views)
            }
            _ => comparison_ui(ui, &maker, &mut self.views),
        };
        if self.work.linked.take(&events, &finished, lambda, &mut self.saved.compare.pinned) {
            // What the pointer did is shown in the next frame.
            ui.ctx().request_repaint();
        }
    }

    /// What is shown, and the switches that belong to all of it.
    fn compare_bar_ui(&mut self, ui: &mut Ui, finished: &Finished) {
        let compare = &mut self.saved.compare;
        ui.horizontal_wrapped(|ui| {
            for (sight, text, help, there) in [
                (Sight::Maps, "Maps", "Data, model, residual, source and mass", true),
                (Sight::Residuals, "Residual desk", "Whether what is left over is noise", true),
                (
                    Sight::Arrival,
                    "Arrival times",
                    "The arrival-time surface of a point of the source, and the delays of its images",
                    finished.tracer.is_some(),
                ),
                (
                    Sight::Posterior,
                    "Posterior",
                    "What the draws say of the lens, and whether they can be trusted",
                    finished.corner.is_some(),
                ),
            ] {
                if there && ui.selectable_label(compare.sight == sight, text).on_hover_text(help).clicked() {
                    compare.sight = sight;
                }
            }
            if compare.sight == Sight::Posterior && finished.corner.is_some() {
                return;
            }
            ui.separator();
            self.saved.mass_sheet.slider_ui(ui);
            if !finished.draws.is_empty() {
                ui.toggle_value(&mut compare.show_draws, "Show draws")
                    .on_hover_text("Critical curves and caustics of 30 draws of the posterior, one after the other");
            }
            if compare.pinned.is_some() && ui.button("Unpin").on_hover_text("Forget the pinned point").clicked() {
                compare.pinned = None;
            }
        });
        let chi2 = finished.outcome.metrics().get("reduced_chi2").copied();
        self.saved.mass_sheet.words_ui(ui, chi2);
    }
}

/// The draw that stands out now: four a second.
fn flicker(ui: &Ui) -> usize {
    ui.ctx().request_repaint_after(std::time::Duration::from_millis(250));
    (ui.input(|i| i.time) * 4.0) as usize
}

/// Builds the maps of the step, each with what lies over it.
struct MapMaker<'a> {
    finished: &'a Finished,
    shown: Option<&'a Shown>,
    lambda: f64,
    sheet: Option<&'a SheetMaps>,
    /// The draw that stands out, when draws are shown.
    draw: Option<usize>,
}

impl<'a> MapMaker<'a> {
    /// A map of the image plane.
    fn image(&self, id: &'static str, title: &'a str, image: &'a Arc<Array2<f32>>, look: Look) -> MapSpec<'a> {
        let outcome = &self.finished.outcome;
        let (shape, scale) = (outcome.model.dim(), outcome.pixel_scale_arcsec);
        let place = |p: [f64; 2]| pixel_of(p, [0.0; 2], shape, scale);
        let markers = self.shown.filter(|s| s.marked()).map(|s| image_markers(&s.traced.images, place));
        let lines = self.draw_lines(|d| &d.critical, Role::TangentialCritical, 1.0, place);
        MapSpec::new(id, title, image, scale, IMAGE, look)
            .unit(&outcome.unit)
            .markers(markers.unwrap_or_default())
            .lines(lines)
    }

    fn image_curves(&self) -> Vec<crate::panels::maps::CurveOverlay> {
        let outcome = &self.finished.outcome;
        image_curves(&outcome.curves, outcome.model.dim(), outcome.pixel_scale_arcsec)
    }

    fn residual(&self) -> MapSpec<'a> {
        self.image("residual", "Residual", &self.finished.residual, Look::Residual).unit("sigma")
    }

    /// A map of the source plane with the caustics of `curves`.
    fn source_plane(
        &self,
        id: &'static str,
        title: &'a str,
        image: &'a Arc<Array2<f32>>,
        curves: &Curves,
        markers: Vec<MapMarkers>,
    ) -> MapSpec<'a> {
        let outcome = &self.finished.outcome;
        let (centre, shape, scale) = (outcome.source_centre_arcsec, outcome.source.dim(), outcome.source_scale_arcsec);
        MapSpec::new(id, title, image, scale, SOURCE, Look::Light)
            .unit(&outcome.unit)
            .centre(centre)
            .curves(source_curves(curves, centre, shape, scale))
            .markers(markers)
    }

    /// The fitted source, with the mass sheet if there is one.
    fn source(&self) -> MapSpec<'a> {
        let outcome = &self.finished.outcome;
        let (centre, shape, scale) = (outcome.source_centre_arcsec, outcome.source.dim(), outcome.source_scale_arcsec);
        let place = |p: [f64; 2]| pixel_of(p, centre, shape, scale);
        let markers = self.shown.filter(|s| s.marked()).map(|s| source_marker(s.traced.source, place));
        let image = self.sheet.map_or(&outcome.source, |s| &s.source);
        let title = if self.sheet.is_some() { "Source with the mass sheet" } else { "Source" };
        let curves = outcome.curves.with_sheet(self.lambda);
        self.source_plane("source", title, image, &curves, markers.unwrap_or_default()).lines(self.draw_lines(
            |d| &d.caustic,
            Role::TangentialCaustic,
            self.lambda,
            place,
        ))
    }

    fn convergence(&self) -> MapSpec<'a> {
        let image = self.sheet.map_or(&self.finished.outcome.convergence, |s| &s.convergence);
        let title = if self.sheet.is_some() { "Convergence with the mass sheet" } else { "Convergence" };
        self.image("convergence", title, image, Look::Convergence).unit("").curves(self.image_curves())
    }

    /// One curve of every draw, thin, and one of them bold.
    fn draw_lines(
        &self,
        of: impl Fn(&DrawnCurves) -> &Vec<[f64; 2]>,
        role: Role,
        factor: f64,
        place: impl Fn([f64; 2]) -> [f64; 2],
    ) -> Vec<MapLine> {
        let Some(bold) = self.draw.map(|d| d % self.finished.draws.len().max(1)) else { return Vec::new() };
        let line = |(k, drawn): (usize, &DrawnCurves)| MapLine {
            points: of(drawn).iter().map(|p| place(p.map(|c| factor * c))).collect(),
            closed: true,
            color: if k == bold { colors::ON_IMAGE } else { colors::faded(role.on_image(), 0.5) },
            width: LineWidth::Points(if k == bold { 1.4 } else { 0.7 }),
        };
        self.finished.draws.iter().enumerate().map(line).collect()
    }
}

/// Maps above, numbers and the point that is looked at below.
fn comparison_ui(ui: &mut Ui, maker: &MapMaker<'_>, views: &mut Views) -> Vec<MapEvent> {
    let finished = maker.finished;
    let below = 216.0_f32.min(ui.available_height() * 0.4);
    let height = (ui.available_height() - below - 8.0).max(120.0);
    let mut events = Vec::new();
    ui.allocate_ui(egui::vec2(ui.available_width(), height), |ui| {
        ui.set_min_size(ui.available_size());
        events = maps_ui(ui, maker, views);
    });
    ui.horizontal_top(|ui| {
        let numbers = if finished.truth.is_some() { 620.0_f32 } else { 540.0 };
        let numbers = numbers.min((ui.available_width() - 330.0).max(0.55 * ui.available_width()));
        ui.allocate_ui(egui::vec2(numbers, below), |ui| {
            egui::ScrollArea::both().id_salt("lens numbers").auto_shrink(false).show(ui, |ui| {
                ui.vertical(|ui| table_ui(ui, finished));
            });
        });
        ui.allocate_ui(egui::vec2(ui.available_width(), below), |ui| {
            egui::ScrollArea::both().id_salt("lens point").auto_shrink(false).show(ui, |ui| {
                ui.vertical(|ui| match maker.shown {
                    Some(shown) => shown.read_out_ui(ui, finished.days),
                    None => {
                        ui.weak("The lens of this run is not known: run it again to trace rays");
                    }
                });
            });
        });
    });
    events
}

fn maps_ui(ui: &mut Ui, maker: &MapMaker<'_>, views: &mut Views) -> Vec<MapEvent> {
    let finished = maker.finished;
    let outcome = &finished.outcome;
    let mut maps = vec![
        maker.image("data", "Data", &outcome.data, Look::Light).mask(&finished.left_out),
        maker.image("model", "Model", &outcome.model, Look::Light).limits_of("data").curves(maker.image_curves()),
        maker.residual(),
        maker.source(),
    ];
    let arcs = maker.image("arcs", "Data less lens light", &finished.arcs, Look::Light).mask(&finished.left_out);
    let lens_light = maker.image("lens light", "Lens light", &outcome.lens_light, Look::Light).limits_of("data");
    // Six maps in a laptop's window, eight where there is room.
    let wide = ui.available_width() > 1020.0;
    if let Some(truth) = &finished.truth {
        let curves = &truth.outcome.curves;
        let true_source = maker.source_plane("true source", "True source", &truth.source, curves, Vec::new());
        maps.push(true_source.limits_of("source"));
        maps.push(maker.convergence());
        if wide {
            maps.extend([arcs, lens_light]);
        }
    } else {
        maps.extend([arcs, maker.convergence()]);
        if wide {
            maps.extend([lens_light, maker.image("noise", "Noise", &outcome.noise, Look::Plain)]);
        }
    }
    views.grid_ui(ui, if wide { 4 } else { 3 }, &maps)
}

/// One line of the table.
struct Row {
    name: &'static str,
    metric: &'static str,
    unit: &'static str,
    digits: usize,
    help: &'static str,
}

const ROWS: [Row; 6] = [
    Row {
        name: "Effective Einstein radius",
        metric: "einstein_radius_arcsec",
        unit: "arcsec",
        digits: 4,
        help: "Effective: of the circle with the area inside the tangential critical curve, shear included",
    },
    Row { name: "Axis ratio", metric: "axis_ratio", unit: "", digits: 3, help: "Of the mass, minor over major axis" },
    Row {
        name: "Position angle from +x",
        metric: "position_angle_deg",
        unit: "deg",
        digits: 1,
        help: "Of the major axis of the mass, counter-clockwise from +x",
    },
    Row { name: "Shear", metric: "shear", unit: "", digits: 4, help: "Strength of the external shear" },
    Row {
        name: "Shear angle from +x",
        metric: "shear_angle_deg",
        unit: "deg",
        digits: 1,
        help: "Direction in which the shear stretches images, counter-clockwise from +x",
    },
    Row {
        name: "Mass inside",
        metric: "einstein_mass_msun",
        unit: "M☉",
        digits: 2,
        help: "Mass inside the Einstein radius; flat universe, H0 = 70 km/s/Mpc, Omega_m = 0.3, redshifts as given or from info.json",
    },
];

fn table_ui(ui: &mut Ui, finished: &Finished) {
    let theme = theme_of(ui.visuals());
    let metrics = finished.outcome.metrics();
    let truth = finished.truth.as_ref().map(|t| &t.metrics);
    let head = |ui: &mut Ui, text: &str| ui.label(RichText::new(text).small().strong());
    ui.horizontal_top(|ui| {
        Grid::new("lens parameters").num_columns(4).striped(true).spacing([14.0, 3.0]).show(ui, |ui| {
            head(ui, "");
            ui.label(RichText::new("Parametric fit").small().strong().color(Role::Model.color(theme)));
            if truth.is_some() {
                ui.label(RichText::new("Truth").small().strong().color(Role::Truth.color(theme)));
            }
            ui.end_row();
            for row in &ROWS {
                let Some(value) = metrics.get(row.metric) else { continue };
                ui.horizontal(|ui| {
                    ui.spacing_mut().item_spacing.x = 5.0;
                    ui.label(row.name);
                    ui.weak(row.unit);
                })
                .response
                .on_hover_text(row.help);
                let error = metrics.get(&format!("{}_error", row.metric));
                ui.label(with_error(*value, error.copied(), row));
                if let Some(truth) = truth {
                    ui.label(truth.get(row.metric).map_or_else(|| "–".into(), |v| with_error(*v, None, row)));
                }
                ui.end_row();
            }
        });
        ui.add_space(18.0);
        ui.vertical(|ui| {
            Grid::new("lens chi2").num_columns(2).striped(true).spacing([14.0, 3.0]).show(ui, |ui| {
                head(ui, "Reduced χ² in the mask");
                ui.end_row();
                for (name, metric, role) in [
                    ("Parametric fit", "reduced_chi2", Role::Model),
                    ("Null: no lensed source", "reduced_chi2_null", Role::Null),
                    ("Blank sky of this image", "reduced_chi2_blank_sky", Role::Reference),
                ] {
                    ui.colored_label(role.color(theme), name);
                    ui.label(
                        metrics.get(metric).filter(|v| v.is_finite()).map_or_else(|| "–".into(), |v| format!("{v:.3}")),
                    );
                    ui.end_row();
                }
            });
            ui.label(
                RichText::new(format!(
                    "{:.1} s on {} thread(s), {:.0} model evaluations",
                    finished.record.wall_seconds,
                    finished.record.threads,
                    metrics.get("likelihood_calls").copied().unwrap_or(0.0)
                ))
                .small()
                .weak(),
            );
        });
    });
    let color = ui.visuals().warn_fg_color;
    for warning in &finished.record.warnings {
        ui.add(egui::Label::new(RichText::new(format!("⚠ {warning}")).small().color(color)).wrap());
    }
    ui.label(
        RichText::new("± from the curvature of χ² (Gaussian); leaves out what the model cannot represent.")
            .small()
            .weak(),
    );
}

/// `1.2138 ± 0.0003`: value and error to the same decimals.
fn with_error(value: f64, error: Option<f64>, row: &Row) -> String {
    let error = error.filter(|e| e.is_finite());
    if value.abs() >= 1e5 {
        return crate::plots::axes::format_value(value, row.digits + 1);
    }
    let digits = error.map_or(row.digits, |e| row.digits.max(error_digits(e)));
    match error {
        Some(error) => format!("{value:.digits$} ± {error:.digits$}"),
        None => format!("{value:.digits$}"),
    }
}

/// Decimals that show an error to one figure at least, at most six.
fn error_digits(error: f64) -> usize {
    if error <= 0.0 {
        return 0;
    }
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)] // clamped first
    let digits = (-error.log10().floor()).clamp(0.0, 6.0) as usize;
    digits
}

/// The Compare step of an outcome as a picture, for `panel.png`.
pub(super) fn picture(outcome: Arc<FitOutcome>, record: Record) -> Option<Picture> {
    let mut screen = Headless::new([1180.0, 760.0], 1.0, egui::Theme::Light);
    let finished = Finished::new(outcome, record, PathBuf::new());
    let mut views = Views::default();
    views.focus_on(IMAGE, part_of(&finished.outcome.mask, 0.12));
    let shown = Linked::default().shown(&finished, None, 1.0);
    let maker = MapMaker { finished: &finished, shown: shown.as_ref(), lambda: 1.0, sheet: None, draw: None };
    screen.settle(60, |ui| {
        egui::CentralPanel::default().show(ui, |ui| {
            ui.heading("Lens reconstruction: parametric fit");
            comparison_ui(ui, &maker, &mut views);
        });
    });
    screen.picture().ok()
}

/// A short script that shows the maps of a run.
pub(super) fn python(folder: &Path) -> String {
    format!(
        "from astropy.io import fits\nimport matplotlib.pyplot as plt\n\nrun = {:?}\nfig, axes = plt.subplots(1, 4, figsize=(16, 4))\n\
         for ax, name in zip(axes, [\"model\", \"residual\", \"source\", \"convergence\"]):\n    image = fits.getdata(f\"{{run}}/{{name}}.fits\")\n    \
         limits = dict(vmin=-5, vmax=5, cmap=\"RdBu_r\") if name == \"residual\" else {{}}\n    \
         fig.colorbar(ax.imshow(image, origin=\"lower\", **limits), ax=ax)\n    ax.set_title(name)\nplt.show()",
        folder.display().to_string()
    )
}
