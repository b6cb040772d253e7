//! Step 3: the answer beside the data, the truth where it is known, and doing nothing.

mod arrival;
mod linked;
mod maps;
mod posterior;
mod residuals;
mod sheet;
mod steps;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use egui::{RichText, Ui};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use self::linked::{Linked, Point};
use self::maps::{MapMaker, comparison_ui, flicker};
use self::posterior::{corner_of, drawn_curves, posterior_ui};
pub(super) use self::sheet::MassSheet;
use self::sheet::SheetMaps;
use super::curves::{IMAGE, SOURCE};
use super::{LensReconstruction, nothing_yet};
use crate::panels::PanelContext;
use crate::panels::maps::{Views, part_of};
use crate::plots::corner::Corner;
use crate::plots::headless::Headless;
use crate::plots::histogram::Histogram;
use crate::plots::picture::Picture;
use crate::runs::Record;
use crate::studies::lens_reconstruction::{
    Cosmology, Curves, FitOutcome, FitUpdate, Method, ResidualStatistics, SimulateOutcome, SimulateRequest, Tracer,
    residual_statistics,
};
use crate::tasks::{Metrics, Outcome, Task, TaskError};
use crate::workers::Weigh;

/// Narrower than this, in points, what stands side by side is stacked.
const NARROW: f32 = 640.0;

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
    /// The network at work.
    Steps,
}

/// What a session keeps of step 3.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Comparison {
    sight: Sight,
    pinned: Option<Point>,
    show_draws: bool,
    /// Evaluation of the network that is shown, from 0.
    step: usize,
}

/// What steps 2 and 3 keep between frames.
#[derive(Default)]
pub(super) struct Work {
    linked: Linked,
    sheet: Option<Arc<SheetMaps>>,
    surface: Option<Arc<arrival::Surface>>,
    playing: steps::Playing,
    /// Something is being computed for it.
    pub waiting: bool,
    /// Effective Einstein radius of the live update it was computed for (step 2).
    pub live_radius: Option<(Arc<FitUpdate>, f64)>,
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
    /// Evaluations of the network.
    steps: Option<Arc<steps::Steps>>,
    /// Curves of some draws.
    draws: Arc<Vec<Curves>>,
    statistics: Option<Arc<ResidualStatistics>>,
    /// Rays between the planes, where the lens is known.
    tracer: Option<Arc<Tracer>>,
    /// Where the source is brightest (arcsec from the image centre).
    brightest: [f64; 2],
    /// Days for 1 arcsec^2 of the Fermat potential, where both redshifts are known.
    days: Option<f64>,
    /// Another one for every fit that is shown.
    id: u64,
    /// What speaks against the numbers.
    warnings: Vec<String>,
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
        let corner =
            outcome.posterior.as_ref().map(|p| Arc::new(corner_of(&outcome, p, truth.as_deref().map(|t| &t.metrics))));
        let best = outcome.scene.as_ref().map(|s| &s.lens);
        let draws = outcome.posterior.as_ref().map(|p| drawn_curves(p, best)).unwrap_or_default();
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            steps: steps::Steps::of(&outcome, truth.as_deref()).map(Arc::new),
            draws: Arc::new(draws),
            statistics: residual_statistics(&outcome.residual, &outcome.data, &outcome.noise, &outcome.mask)
                .map(Arc::new),
            tracer: tracer_of(&outcome).map(Arc::new),
            brightest: brightest(&outcome),
            days: days_of(&outcome, &record),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            warnings: table::warnings_of(&record.warnings, &outcome),
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
        match self.outcome.method {
            Method::Parametric => "Parametric fit",
            Method::Inversion => "Inversion",
            Method::Pixels => "Pixels",
            Method::Rim => "Network",
        }
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
            (Sight::Steps, ..) if finished.steps.is_some() => {
                let compare = &mut self.saved.compare;
                let shown = finished.steps.as_deref().map(|found| {
                    steps::steps_ui(ui, &finished, found, &mut compare.step, &mut self.work.playing, &mut self.views)
                });
                shown.unwrap_or_default()
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
        let narrow = ui.available_width() < NARROW;
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
                    Sight::Steps,
                    "Network steps",
                    "Every evaluation of the network on the way to its answer",
                    finished.steps.is_some(),
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
            let without_sheet = match compare.sight {
                Sight::Posterior => finished.corner.is_some(),
                Sight::Steps => finished.steps.is_some(),
                Sight::Maps | Sight::Residuals | Sight::Arrival => false,
            };
            if without_sheet {
                return;
            }
            if narrow {
                ui.end_row();
            } else {
                ui.separator();
            }
            self.saved.mass_sheet.slider_ui(ui);
            if !finished.draws.is_empty() {
                ui.toggle_value(&mut compare.show_draws, "Show draws")
                    .on_hover_text("Critical curves and caustics of 30 draws of the posterior, one after the other");
            }
            if compare.pinned.is_some() && ui.button("Unpin").on_hover_text("Forget the pinned point").clicked() {
                compare.pinned = None;
            }
        });
        if compare.show_draws && compare.sight != Sight::Posterior && !finished.draws.is_empty() {
            let text = "Draws: thin white lines are 30 draws of the posterior, the bold white one changes four times a second; \
                 coloured is the best fit";
            ui.add(egui::Label::new(RichText::new(text).small().weak()).wrap());
        }
        let chi2 = finished.outcome.metrics().get("reduced_chi2").copied();
        self.saved.mass_sheet.words_ui(ui, chi2);
    }
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
            ui.heading(format!("Lens reconstruction: {}", finished.method_name().to_lowercase()));
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
