//! Step 3: the answer beside the data, the truth where it is known, and doing nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{Grid, RichText, Ui};
use ndarray::Array2;

use super::curves::{IMAGE, SOURCE, image_curves, source_curves};
use super::{LensReconstruction, nothing_yet};
use crate::panels::maps::{Look, MapSpec, Views, part_of};
use crate::plots::colors::{Role, theme_of};
use crate::plots::corner::{Corner, CornerColumn};
use crate::plots::headless::Headless;
use crate::plots::histogram::Histogram;
use crate::plots::picture::Picture;
use crate::runs::Record;
use crate::studies::lens_reconstruction::classical::Posterior;
use crate::studies::lens_reconstruction::{FitOutcome, SimulateOutcome, SimulateRequest};
use crate::tasks::{Metrics, Outcome, Task, TaskError};
use crate::workers::Weigh;

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
}

/// What was simulated, when the data were.
struct Truth {
    outcome: SimulateOutcome,
    metrics: Metrics,
    source: Arc<Array2<f32>>,
}

impl Weigh for Finished {
    fn bytes(&self) -> usize {
        self.outcome.model.len() * 4 * 8
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
        Self { outcome, record, folder, sizes, notes: Vec::new(), truth, left_out, residual, arcs, histogram, corner }
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

/// The quantities of the lens, as drawn, with the truth where it is known.
fn corner_of(posterior: &Posterior, truth: Option<&Metrics>) -> Corner {
    let columns = ROWS.iter().filter_map(|row| {
        let quantity = posterior.quantity(row.metric)?;
        Some(CornerColumn {
            label: row.name.trim_end_matches(" from +x").to_owned(),
            unit: row.unit.to_owned(),
            values: quantity.values.iter().flatten().copied().collect(),
            quantiles: quantity.quantiles,
            truth: truth.and_then(|t| t.get(row.metric)).copied(),
        })
    });
    Corner::new(columns.collect())
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

impl LensReconstruction {
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
        if let Some(corner) = &finished.corner {
            ui.horizontal(|ui| {
                for (draws, text, help) in [
                    (false, "Maps", "Data, model, residual, source and mass"),
                    (true, "Posterior", "What the draws say of the lens, and whether they can be trusted"),
                ] {
                    if ui.selectable_label(self.saved.show_posterior == draws, text).on_hover_text(help).clicked() {
                        self.saved.show_posterior = draws;
                    }
                }
            });
            if self.saved.show_posterior {
                posterior_ui(ui, &finished, corner);
                return;
            }
        }
        comparison_ui(ui, &finished, &mut self.views);
    }
}

/// The corner plot, and beside it how well each quantity is known and sampled.
fn posterior_ui(ui: &mut Ui, finished: &Finished, corner: &Corner) {
    let Some(posterior) = finished.outcome.posterior.as_ref() else { return };
    let width = (ui.available_width() * 0.32).clamp(270.0, 420.0);
    egui::Panel::right("lens posterior numbers").resizable(false).exact_size(width).show(ui, |ui| {
        egui::ScrollArea::both().auto_shrink(false).show(ui, |ui| convergence_ui(ui, finished, posterior));
    });
    corner.show(ui, "Posterior");
}

fn convergence_ui(ui: &mut Ui, finished: &Finished, posterior: &Posterior) {
    let metrics = finished.outcome.metrics();
    Grid::new("lens convergence").num_columns(4).striped(true).spacing([10.0, 3.0]).show(ui, |ui| {
        for (text, help) in [
            ("", ""),
            ("σ drawn / Gauss", "Half the 68 per cent interval of the draws over the Gaussian error of the fit"),
            ("R-hat", "Below 1.01: the chains agree"),
            ("ESS", "Independent draws that these are worth; above 400 is safe"),
        ] {
            ui.label(RichText::new(text).small().strong()).on_hover_text(help);
        }
        ui.end_row();
        for quantity in &posterior.quantities {
            let Some(row) = ROWS.iter().find(|r| r.metric == quantity.name) else { continue };
            ui.label(row.name).on_hover_text(row.help);
            let half = 0.5 * (quantity.quantiles[2] - quantity.quantiles[0]);
            let gauss = metrics.get(&format!("{}_error", row.metric)).filter(|e| e.is_finite() && **e > 0.0);
            ui.label(gauss.map_or_else(|| "–".into(), |e| format!("{:.2}", half / e)));
            let colored = |ui: &mut Ui, text: String, good: bool| {
                let color = if good { ui.visuals().text_color() } else { ui.visuals().warn_fg_color };
                ui.colored_label(color, text);
            };
            colored(ui, format!("{:.3}", quantity.convergence.r_hat), quantity.convergence.r_hat < 1.01);
            colored(ui, format!("{:.0}", quantity.convergence.bulk_ess), quantity.convergence.bulk_ess > 400.0);
            ui.end_row();
        }
    });
    let draws: usize = posterior.log_posterior.iter().map(Vec::len).sum();
    let lines = [
        format!("{draws} draws in {} chains of the No-U-Turn sampler", posterior.log_posterior.len()),
        format!("{} evaluations of likelihood and gradient, {} lost paths", posterior.evaluations, posterior.divergences),
        "Contours hold 39 and 86 per cent: 1 and 2 sigma of two quantities.".to_owned(),
        "Flat priors in what the fit moves; noise taken as independent from pixel to pixel. Leaves out what the model cannot represent.".to_owned(),
    ];
    ui.add_space(8.0);
    for line in lines {
        ui.add(egui::Label::new(RichText::new(line).small().weak()).wrap());
    }
    if finished.truth.is_some() {
        let color = Role::Truth.color(theme_of(ui.visuals()));
        ui.label(RichText::new("Line across: the truth").small().color(color));
    }
}

/// Maps above, numbers and the histogram of residuals below.
fn comparison_ui(ui: &mut Ui, finished: &Finished, views: &mut Views) {
    let below = 216.0_f32.min(ui.available_height() * 0.4);
    let height = (ui.available_height() - below - 8.0).max(120.0);
    ui.allocate_ui(egui::vec2(ui.available_width(), height), |ui| {
        ui.set_min_size(ui.available_size());
        maps_ui(ui, finished, views);
    });
    ui.horizontal_top(|ui| {
        let numbers = if finished.truth.is_some() { 620.0_f32 } else { 540.0 }.min(ui.available_width());
        ui.allocate_ui(egui::vec2(numbers, below), |ui| {
            egui::ScrollArea::both().id_salt("lens numbers").auto_shrink(false).show(ui, |ui| {
                ui.vertical(|ui| table_ui(ui, finished));
            });
        });
        // A histogram narrower than this says nothing.
        if ui.available_width() > 130.0 {
            ui.allocate_ui(egui::vec2(ui.available_width(), below), |ui| {
                ui.vertical(|ui| {
                    ui.label(RichText::new("Residuals in the mask and N(0, 1)").small());
                    finished.histogram.show(ui, "lens residuals", "Residual", "sigma", true, false);
                });
            });
        }
    });
}

fn maps_ui(ui: &mut Ui, finished: &Finished, views: &mut Views) {
    let outcome = &finished.outcome;
    let scale = outcome.pixel_scale_arcsec;
    let unit = outcome.unit.as_str();
    let in_image = || image_curves(&outcome.curves, outcome.model.dim(), scale);
    let in_source = || {
        source_curves(&outcome.curves, outcome.source_centre_arcsec, outcome.source.dim(), outcome.source_scale_arcsec)
    };
    let image = |id, title, image| MapSpec::new(id, title, image, scale, IMAGE, Look::Light).unit(unit);
    let source_map = |id, title, image| {
        MapSpec::new(id, title, image, outcome.source_scale_arcsec, SOURCE, Look::Light)
            .unit(unit)
            .centre(outcome.source_centre_arcsec)
    };
    let mut maps = vec![
        image("data", "Data", &outcome.data).mask(&finished.left_out),
        image("model", "Model", &outcome.model).limits_of("data").curves(in_image()),
        MapSpec::new("residual", "Residual", &finished.residual, scale, IMAGE, Look::Residual).unit("sigma"),
        source_map("source", "Source", &outcome.source).curves(in_source()),
    ];
    let arcs = image("arcs", "Data less lens light", &finished.arcs).mask(&finished.left_out);
    let mass = MapSpec::new("convergence", "Convergence", &outcome.convergence, scale, IMAGE, Look::Convergence)
        .curves(in_image());
    let lens_light = image("lens light", "Lens light", &outcome.lens_light).limits_of("data");
    // Six maps in a laptop's window, eight where there is room.
    let wide = ui.available_width() > 1020.0;
    if let Some(truth) = &finished.truth {
        let curves = &truth.outcome.curves;
        let true_curves =
            source_curves(curves, outcome.source_centre_arcsec, outcome.source.dim(), outcome.source_scale_arcsec);
        maps.push(source_map("true source", "True source", &truth.source).limits_of("source").curves(true_curves));
        maps.push(mass);
        if wide {
            maps.extend([arcs, lens_light]);
        }
    } else {
        maps.extend([arcs, mass]);
        if wide {
            maps.extend([
                lens_light,
                MapSpec::new("noise", "Noise", &outcome.noise, scale, IMAGE, Look::Plain).unit(unit),
            ]);
        }
    }
    views.grid_ui(ui, if wide { 4 } else { 3 }, &maps);
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
    screen.settle(60, |ui| {
        egui::CentralPanel::default().show(ui, |ui| {
            ui.heading("Lens reconstruction: parametric fit");
            comparison_ui(ui, &finished, &mut views);
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
