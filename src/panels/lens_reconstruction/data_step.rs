//! Step 1: a simulated lens under sliders, or the user's own files with their checks.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{RichText, ScrollArea, Ui};
use ndarray::Array2;

use super::curves::{PREVIEW, image_curves, source_curves};
use super::{FILES, LensReconstruction, Origin, SIMULATION};
use crate::data::EntryKind;
use crate::panels::PanelContext;
use crate::panels::maps::{Look, MapSpec, OWN, Views, part_of};
use crate::plots::colors::{Role, theme_of};
use crate::plots::headless::Headless;
use crate::plots::picture::Picture;
use crate::studies::lens_reconstruction::{Loaded, SimulateOutcome, SimulateRequest, Verdict, load};
use crate::tasks::{Progress, Task};
use crate::workers::{Answer, Key, Weigh};

/// Fields of the fit that say what the data are: they stand in this step, not in the inspector.
pub(super) const FILE_FIELDS: [&str; 6] = [
    "pixel_scale_arcsec",
    "noise_sigma",
    "psf_fwhm_arcsec",
    "mask_marks",
    "mask_inner_radius_arcsec",
    "mask_outer_radius_arcsec",
];

/// The user's files as the fit will see them, ready to be drawn.
pub(super) struct FilePreview {
    loaded: Loaded,
    data: Arc<Array2<f32>>,
    noise: Arc<Array2<f32>>,
    signal: Arc<Array2<f32>>,
    psf: Arc<Array2<f32>>,
    left_out: Arc<Array2<bool>>,
}

impl Weigh for FilePreview {
    fn bytes(&self) -> usize {
        self.data.len() * 32
    }
}

impl Weigh for SimulateOutcome {
    fn bytes(&self) -> usize {
        self.image.len() * 4 * 6
    }
}

/// What the Data step shows at the moment.
#[derive(Default)]
pub(super) struct Preview {
    simulated: Option<Arc<SimulateOutcome>>,
    files: Option<Arc<FilePreview>>,
    waiting: bool,
}

impl Preview {
    /// True while the picture is being made.
    pub(super) fn waiting(&self) -> bool {
        self.waiting
    }

    /// True when a lens has been simulated.
    pub(super) fn has_simulation(&self) -> bool {
        self.simulated.is_some()
    }

    /// True when the user's files have been read.
    pub(super) fn has_files(&self) -> bool {
        self.files.is_some()
    }
}

impl LensReconstruction {
    /// Asks for the picture of what is set now; sliders outrun it without harm, the last one wins.
    pub(super) fn ask_preview(&mut self, cx: &mut PanelContext<'_>) {
        self.preview.waiting = false;
        match self.saved.origin {
            Origin::Simulate => {
                let request = self.saved.simulate.clone();
                let text = serde_json::to_string(&request).unwrap_or_default();
                let slot = cx.slot(SIMULATION);
                let answer = cx.services.queries.ask(slot, Key::of(&text), &cx.services.wake, move |progress| {
                    let outcome = request.run(&Progress::on(progress.board()))?;
                    progress.check()?;
                    Ok(outcome)
                });
                self.problem = None;
                match &answer {
                    Answer::Failed(message) => self.problem = Some(message.to_string()),
                    Answer::Pending { .. } => self.preview.waiting = true,
                    Answer::Ready(_) => {}
                }
                if let Some(outcome) = answer.newest() {
                    self.preview.simulated = Some(outcome.clone());
                }
            }
            Origin::Files => {
                if self.saved.fit.image.is_none() {
                    self.problem = None;
                    self.preview.files = None;
                    return;
                }
                let request = self.saved.fit.clone();
                let key = Key::of(&serde_json::to_string(&request).unwrap_or_default()).and(&self.reloads);
                let slot = cx.slot(FILES);
                let answer = cx.services.queries.ask(slot, key, &cx.services.wake, move |_| {
                    let loaded = load(&request)?;
                    let o = &loaded.observation;
                    let thin = |a: &Array2<f64>| Arc::new(a.mapv(|v| v as f32));
                    let (data, noise, psf) = (thin(&o.data), thin(&o.noise), thin(&o.psf));
                    let signal = thin(&(&o.data / &o.noise));
                    let left_out = Arc::new(o.mask.mapv(|m| !m));
                    Ok(FilePreview { data, noise, signal, psf, left_out, loaded })
                });
                match &answer {
                    Answer::Ready(preview) => {
                        self.problem = None;
                        if !self.preview.files.as_ref().is_some_and(|old| Arc::ptr_eq(old, preview)) {
                            self.views.focus_on(PREVIEW, part_of(&preview.loaded.observation.mask, 0.4));
                        }
                        self.preview.files = Some(preview.clone());
                    }
                    Answer::Failed(message) => {
                        self.problem = Some(message.to_string());
                        self.preview.files = None;
                    }
                    Answer::Pending { .. } => self.preview.waiting = true,
                }
            }
        }
    }

    /// Draws the step.
    pub(super) fn data_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        egui::Panel::left("lens data").resizable(true).default_size(316.0).size_range(260.0..=520.0).show(ui, |ui| {
            ui.horizontal(|ui| {
                for (value, text, help) in [
                    (Origin::Simulate, "Simulate", "Build a lens with the sliders; the demo"),
                    (Origin::Files, "My files", "Fit an image of your own"),
                ] {
                    if ui.selectable_label(self.saved.origin == value, text).on_hover_text(help).clicked() {
                        self.saved.origin = value;
                    }
                }
            });
            ui.horizontal(|ui| {
                let start =
                    ui.add_enabled(self.can_start(), egui::Button::new(RichText::new("Fit this lens").strong()));
                if start.on_hover_text("Start the fit and watch it in step 2").clicked() {
                    self.start(cx);
                }
                if self.saved.origin == Origin::Simulate
                    && ui.button("Reset").on_hover_text("Back to the demo lens").clicked()
                {
                    self.saved.simulate = SimulateRequest::default();
                }
            });
            ui.separator();
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| match self.saved.origin {
                Origin::Simulate => self.sliders_ui(ui),
                Origin::Files => self.files_ui(ui, cx),
            });
        });
        if let Some(problem) = &self.problem {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(problem).color(color)).wrap());
            // Many lens images carry no scale at all: ask for it where the problem is told.
            if problem.starts_with("pixel_scale_arcsec") && self.saved.fit.pixel_scale_arcsec.is_none() {
                self.ask_pixel_scale_ui(ui);
            }
        }
        match self.saved.origin {
            Origin::Simulate => self.simulated_maps_ui(ui),
            Origin::Files => self.file_maps_ui(ui),
        }
    }

    fn ask_pixel_scale_ui(&mut self, ui: &mut Ui) {
        ui.add_space(8.0);
        egui::Frame::group(ui.style()).show(ui, |ui| {
            ui.label(RichText::new("How large is a pixel of this image?").strong());
            ui.horizontal(|ui| {
                let label = ui.label("Pixel scale");
                ui.add(
                    egui::DragValue::new(&mut self.asked_scale)
                        .range(0.0001..=100.0)
                        .speed(0.001)
                        .max_decimals(5)
                        .suffix(" arcsec"),
                )
                .labelled_by(label.id);
                if ui.button("Use it").clicked() {
                    self.saved.fit.pixel_scale_arcsec = Some(self.asked_scale);
                }
            });
            ui.weak("ACS on Hubble has 0.05, NIRCam on JWST 0.031 (short) and 0.063 (long), Euclid's VIS 0.1");
        });
    }

    fn sliders_ui(&mut self, ui: &mut Ui) {
        if let Ok(mut request) = serde_json::to_value(&self.saved.simulate)
            && crate::panels::request_ui(ui, "lens simulate", &mut request, &self.simulate_fields, false, |_| true)
            && let Ok(changed) = serde_json::from_value(request)
        {
            self.saved.simulate = changed;
        }
    }

    fn files_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let known: Vec<PathBuf> = cx
            .services
            .store
            .list()
            .into_iter()
            .filter_map(|e| if let EntryKind::File { path } = &e.kind { Some(path.clone()) } else { None })
            .collect();
        let image = self.saved.fit.image.clone();
        let fit = &mut self.saved.fit;
        for (label, help, place) in [
            ("Image", "FITS image of the lens", &mut fit.image),
            ("Noise map", "One standard deviation of each pixel", &mut fit.noise),
            ("PSF", "Point spread function at the image's pixel scale", &mut fit.psf),
            ("Mask", "Nonzero pixels are left out (or kept: see the inspector)", &mut fit.mask),
        ] {
            path_ui(ui, label, help, place, &known);
        }
        if self.saved.fit.image != image {
            // What was found beside the old image does not hold for the new one.
            self.saved.fit.pixel_scale_arcsec = None;
            self.saved.fit.redshift_lens = None;
            self.saved.fit.redshift_source = None;
        }
        ui.add_space(4.0);
        if let Ok(mut request) = serde_json::to_value(&self.saved.fit)
            && crate::panels::request_ui(ui, "lens files", &mut request, &self.fit_fields, true, |f| {
                FILE_FIELDS.contains(&f.name.as_str())
            })
            && let Ok(changed) = serde_json::from_value(request)
        {
            self.saved.fit = changed;
        }
        if let Some(preview) = &self.preview.files {
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                ui.label(RichText::new("Checks").strong());
                if ui.small_button("Read again").on_hover_text("Read the files again: they may have changed").clicked()
                {
                    self.reloads += 1;
                }
            });
            for check in &preview.loaded.checks {
                let (mark, color) = match check.verdict {
                    Verdict::Good => ("✔", Role::Truth.color(theme_of(ui.visuals()))),
                    Verdict::Note => ("•", ui.visuals().weak_text_color()),
                    Verdict::Warning => ("⚠", ui.visuals().warn_fg_color),
                };
                ui.horizontal_wrapped(|ui| {
                    ui.colored_label(color, mark);
                    ui.label(RichText::new(check.name).strong());
                    ui.label(&check.text);
                });
            }
        }
    }

    fn simulated_maps_ui(&mut self, ui: &mut Ui) {
        match self.preview.simulated.clone() {
            Some(outcome) => simulated_grid_ui(ui, &outcome, &mut self.views),
            None if self.preview.waiting => {
                ui.spinner();
            }
            None => {}
        }
    }

    fn file_maps_ui(&mut self, ui: &mut Ui) {
        let Some(preview) = self.preview.files.clone() else {
            if self.preview.waiting {
                ui.spinner();
            } else if self.problem.is_none() {
                ui.add_space(30.0);
                ui.vertical_centered(|ui| {
                    ui.weak("Give an image on the left, or drop FITS files on the window and choose them there");
                });
            }
            return;
        };
        let scale = preview.loaded.observation.pixel_scale_arcsec;
        let unit = preview.loaded.unit.as_str();
        let maps = [
            MapSpec::new("file data", "Data (shaded: left out)", &preview.data, scale, PREVIEW, Look::Light)
                .unit(unit)
                .mask(&preview.left_out),
            MapSpec::new("file noise", "Noise", &preview.noise, scale, PREVIEW, Look::Plain).unit(unit),
            MapSpec::new("file signal", "Signal to noise", &preview.signal, scale, PREVIEW, Look::Plain)
                .mask(&preview.left_out),
            MapSpec::new("file psf", "PSF", &preview.psf, scale, OWN, Look::Light),
        ];
        self.views.grid_ui(ui, 2, &maps);
    }
}

/// The maps of a simulated lens.
fn simulated_grid_ui(ui: &mut Ui, outcome: &SimulateOutcome, views: &mut Views) {
    let scale = outcome.pixel_scale_arcsec;
    let curves = || image_curves(&outcome.curves, outcome.image.dim(), scale);
    let caustics =
        source_curves(&outcome.curves, outcome.source_centre_arcsec, outcome.source.dim(), outcome.source_scale_arcsec);
    let image = |id, title, image, look| MapSpec::new(id, title, image, scale, PREVIEW, look);
    let maps = [
        image("simulated image", "Image", &outcome.image, Look::Light).curves(curves()),
        MapSpec::new("simulated source", "Source", &outcome.source, outcome.source_scale_arcsec, OWN, Look::Light)
            .centre(outcome.source_centre_arcsec)
            .curves(caustics),
        image("simulated convergence", "Convergence", &outcome.convergence, Look::Convergence).curves(curves()),
        image("simulated noiseless", "Image without noise", &outcome.noiseless, Look::Light),
    ];
    views.grid_ui(ui, 2, &maps);
}

/// The maps of a simulation as a picture, for `panel.png`.
pub(super) fn picture(outcome: &SimulateOutcome) -> Option<Picture> {
    let mut screen = Headless::new([900.0, 760.0], 1.0, egui::Theme::Light);
    let mut views = Views::default();
    screen.settle(60, |ui| {
        egui::CentralPanel::default().show(ui, |ui| {
            ui.heading("Simulated lens: not an observation");
            simulated_grid_ui(ui, outcome, &mut views);
        });
    });
    screen.picture().ok()
}

/// A path field with a list of the files that are open already.
fn path_ui(ui: &mut Ui, label: &str, help: &str, place: &mut Option<PathBuf>, known: &[PathBuf]) {
    let mut text = place.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
    let name = ui
        .horizontal(|ui| {
            let name = ui.label(label).on_hover_text(help);
            // The field shows the beginning of a long path; what tells files apart is the end.
            if let Some(file) = place.as_ref().and_then(|p| p.file_name()) {
                ui.weak(file.to_string_lossy());
            }
            name
        })
        .inner;
    ui.horizontal(|ui| {
        // Room for the two buttons behind the field.
        let width = (ui.available_width() - 160.0).max(60.0);
        if crate::panels::path_field_ui(ui, name.id, label, width, &mut text) {
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
