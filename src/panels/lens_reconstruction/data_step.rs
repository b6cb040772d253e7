//! Step 1: a simulated lens under sliders, or the user's own files with their checks.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{RichText, ScrollArea, Ui};
use ndarray::Array2;

use super::curves::PREVIEW;
use super::desk::{Desk, Ground, Layer};
use super::desk_files::MaskFile;
use super::lens_light::LightPreview;
use super::lessons::lessons_ui;
use super::prior_samples::Samples;
use super::simulated::LiveImages;
use super::{FILES, LensReconstruction, Origin, SIMULATION};
use crate::data::EntryKind;
use crate::panels::PanelContext;
use crate::panels::maps::{Look, MapSpec, OWN, part_of};
use crate::plots::colors::{Role, theme_of};
use crate::studies::lens_reconstruction::{
    FitRequest, Loaded, Orientation, SimulateOutcome, SimulateRequest, Verdict, load,
};
use crate::tasks::{Progress, Task, TaskError};
use crate::workers::{Answer, Key, Weigh};

/// Fields of the fit that say what the data are: they stand in this step, not in the inspector.
pub(super) const FILE_FIELDS: [&str; 10] = [
    "pixel_scale_arcsec",
    "noise_sigma",
    "psf_fwhm_arcsec",
    "mask_marks",
    "mask_inner_radius_arcsec",
    "mask_outer_radius_arcsec",
    "mask_x_arcsec",
    "mask_y_arcsec",
    "lens_x_arcsec",
    "lens_y_arcsec",
];

/// The user's files as the fit will see them, ready to be drawn.
pub(super) struct FilePreview {
    pub(super) loaded: Loaded,
    pub(super) data: Arc<Array2<f32>>,
    noise: Arc<Array2<f32>>,
    signal: Arc<Array2<f32>>,
    psf: Arc<Array2<f32>>,
    left_out: Arc<Array2<bool>>,
    orientation: Option<Orientation>,
    /// What was read: the data of the request.
    pub(super) request: FitRequest,
    /// A `positions.json` beside the image.
    positions_beside: Option<PathBuf>,
}

impl FilePreview {
    fn read(request: &FitRequest) -> Result<Self, TaskError> {
        let loaded = load(request)?;
        let o = &loaded.observation;
        let thin = |a: &Array2<f64>| Arc::new(a.mapv(|v| v as f32));
        let beside = request.image.as_deref().map(|image| image.with_file_name("positions.json"));
        Ok(Self {
            data: thin(&o.data),
            noise: thin(&o.noise),
            psf: thin(&o.psf),
            signal: thin(&(&o.data / &o.noise)),
            left_out: Arc::new(o.mask.mapv(|m| !m)),
            orientation: Orientation::of(&loaded.header, o.data.dim()),
            request: request.clone(),
            positions_beside: beside.filter(|path| path.is_file()),
            loaded,
        })
    }

    pub(super) fn ground(&self) -> Ground {
        let observation = &self.loaded.observation;
        Ground { shape: observation.data.dim(), scale: observation.pixel_scale_arcsec }
    }
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
    pub(super) simulated: Option<Arc<SimulateOutcome>>,
    pub(super) live_images: Option<Arc<LiveImages>>,
    pub(super) files: Option<Arc<FilePreview>>,
    /// The mask as drawn, which may be newer than the one in `files`.
    pub(super) drawn: Option<Arc<MaskFile>>,
    pub(super) light: Option<Arc<LightPreview>>,
    pub(super) samples: Option<Arc<Samples>>,
    /// The file of positions that was read or written last.
    pub(super) positions_there: Option<PathBuf>,
    /// The image that the maps were last turned to, and how often it had been read.
    shown: Option<(Option<PathBuf>, u64)>,
    waiting: bool,
}

impl Preview {
    /// True while the picture is being made.
    pub(super) fn waiting(&self) -> bool {
        self.waiting
    }

    /// Something is being made.
    pub(super) fn wait(&mut self) {
        self.waiting = true;
    }

    /// True when a lens has been simulated.
    pub(super) fn has_simulation(&self) -> bool {
        self.simulated.is_some()
    }

    /// True when the user's files have been read.
    pub(super) fn has_files(&self) -> bool {
        self.files.is_some()
    }

    /// How the sky lies on the user's image.
    pub(super) fn orientation(&self) -> Option<Orientation> {
        self.files.as_ref().and_then(|f| f.orientation)
    }
}

impl LensReconstruction {
    /// Asks for the picture of what is set now; sliders outrun it without harm, the last one wins.
    pub(super) fn ask_preview(&mut self, cx: &mut PanelContext<'_>) {
        self.preview.waiting = false;
        match self.saved.origin {
            Origin::Prior => self.ask_samples(cx),
            Origin::Simulate => {
                self.ask_live_images(cx);
                let request = self.saved.simulate.clone();
                let text = serde_json::to_string(&request).unwrap_or_default();
                // While something is dragged, the source map keeps its grid.
                let grid = self.grip.map(super::simulated::Grip::source_grid);
                let key = Key::of(&text).and(&grid.map(|(c, s)| [c[0], c[1], s].map(f64::to_bits)));
                let slot = cx.slot(SIMULATION);
                let answer = cx.services.queries.ask(slot, key, &cx.services.wake, move |progress| {
                    let mut outcome = request.run(&Progress::on(progress.board()))?;
                    progress.check()?;
                    if let Some((centre, scale)) = grid {
                        outcome.source = Arc::new(outcome.source_on(centre, scale, outcome.source.dim()));
                        (outcome.source_centre_arcsec, outcome.source_scale_arcsec) = (centre, scale);
                    }
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
                let request = self.saved.fit.data_only();
                let key = Key::of(&serde_json::to_string(&request).unwrap_or_default()).and(&self.reloads);
                let slot = cx.slot(FILES);
                let answer =
                    cx.services.queries.ask(slot, key, &cx.services.wake, move |_| FilePreview::read(&request));
                match &answer {
                    Answer::Ready(preview) => {
                        self.problem = None;
                        // Another image is shown where it is fitted; one whose mask changes stays where the user looks.
                        let shown = (self.saved.fit.image.clone(), self.reloads);
                        if self.preview.shown.as_ref() != Some(&shown) {
                            self.views.focus_on(PREVIEW, part_of(&preview.loaded.observation.mask, 0.4));
                            self.preview.shown = Some(shown);
                        }
                        self.preview.files = Some(preview.clone());
                    }
                    Answer::Failed(message) => {
                        self.problem = Some(message.to_string());
                        // A mask that leaves too little must not take the map away on which it is drawn.
                        if self.preview.shown.as_ref().is_none_or(|(image, _)| *image != self.saved.fit.image) {
                            self.preview.files = None;
                        }
                    }
                    Answer::Pending { .. } => self.preview.waiting = true,
                }
                self.ask_desk(cx);
                self.ask_lens_light(cx);
            }
        }
    }

    /// Draws the step.
    pub(super) fn data_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        // Wide enough for all it holds: it must not grow with a digit while something is dragged on the maps.
        let (id, width) = match self.saved.origin {
            Origin::Simulate => ("lens sliders", 374.0),
            Origin::Files => ("lens files", 316.0),
            Origin::Prior => ("lens prior settings", 290.0),
        };
        egui::Panel::left(id).resizable(true).default_size(width).size_range(260.0..=520.0).show(ui, |ui| {
            ui.horizontal(|ui| {
                for (value, text, help) in [
                    (Origin::Simulate, "Simulate", "Build a lens with the sliders; the demo"),
                    (Origin::Files, "My files", "Fit an image of your own"),
                    (Origin::Prior, "Samples of the prior", "The lenses that the network is trained on"),
                ] {
                    if ui.selectable_label(self.saved.origin == value, text).on_hover_text(help).clicked()
                        && self.saved.origin != value
                    {
                        self.saved.origin = value;
                        // A ring drawn on an image is none of a simulated one.
                        let fit = &mut self.saved.fit;
                        (fit.mask_inner_radius_arcsec, fit.mask_outer_radius_arcsec) = (0.0, None);
                        (fit.mask_x_arcsec, fit.mask_y_arcsec) = (0.0, 0.0);
                    }
                }
            });
            if self.saved.origin == Origin::Prior {
                ui.separator();
                ScrollArea::vertical().auto_shrink(false).show(ui, |ui| self.samples_settings_ui(ui));
                return;
            }
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
            match self.saved.origin {
                Origin::Simulate => {
                    ScrollArea::both().auto_shrink(false).show(ui, |ui| self.sliders_ui(ui));
                }
                Origin::Files => {
                    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| self.files_ui(ui, cx));
                }
                Origin::Prior => {}
            }
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
            Origin::Files => self.file_maps_ui(ui, cx),
            Origin::Prior => self.samples_ui(ui),
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
        let saved = &mut self.saved;
        lessons_ui(ui, &mut saved.lesson, &mut saved.simulate, &mut saved.fit);
        let simulate = &mut self.saved.simulate;
        let edited = crate::panels::edit_request(ui, "lens simulate", simulate, &self.simulate_fields, false, |_| true);
        self.unreadable = edited.err().or(self.unreadable.take());
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
            path_ui(ui, label, help, place, Some(&known));
        }
        path_ui(
            ui,
            "Positions",
            "Places of the multiple images, as PyAutoLens writes them: [[y, x], …] in arcsec; or mark them on the map",
            &mut fit.positions,
            None,
        );
        if self.saved.fit.image != image {
            self.forget_old_image();
        }
        if let Some(beside) = self.preview.files.as_ref().and_then(|f| f.positions_beside.clone())
            && self.saved.fit.positions.is_none()
            && self.saved.desk.images.is_empty()
        {
            let button = ui.small_button("Use positions.json beside the image");
            if button.on_hover_text(beside.display().to_string()).clicked() {
                self.saved.fit.positions = Some(beside);
            }
        }
        ui.add_space(4.0);
        let of_files = |f: &crate::tasks::Field| FILE_FIELDS.contains(&f.name.as_str());
        let edited =
            crate::panels::edit_request(ui, "lens files", &mut self.saved.fit, &self.fit_fields, true, of_files);
        self.unreadable = edited.err().or(self.unreadable.take());
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

    /// What was found beside the old image, or marked on it, does not hold for the new one.
    fn forget_old_image(&mut self) {
        let fit = &mut self.saved.fit;
        (fit.pixel_scale_arcsec, fit.redshift_lens, fit.redshift_source) = (None, None, None);
        (fit.lens_x_arcsec, fit.lens_y_arcsec, fit.positions) = (None, None, None);
        if self.saved.desk.mask_file.is_some() && fit.mask == self.saved.desk.mask_file {
            fit.mask = None;
        }
        self.saved.desk = Desk::default();
    }

    fn file_maps_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
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
        let ground = preview.ground();
        self.tools_ui(ui, ground, cx);
        let unit = preview.loaded.unit.as_str();
        // A mask that was just drawn is shown before the files have been read with it.
        let newer = self.preview.drawn.clone().filter(|d| preview.request.mask.as_ref() != Some(&d.path));
        let left_out = newer.as_ref().map_or(&preview.left_out, |d| &d.left_out);
        let map = |id, title, image, look| MapSpec::new(id, title, image, ground.scale, PREVIEW, look);
        let light = self.preview.light.clone();
        let spec = match (self.saved.layer, &light) {
            (Layer::Noise, _) => map("file noise", "Noise", &preview.noise, Look::Plain).unit(unit),
            (Layer::Signal, _) => map("file signal", "Signal to noise", &preview.signal, Look::Plain).mask(left_out),
            (Layer::Psf, _) => MapSpec::new("file psf", "PSF", &preview.psf, ground.scale, OWN, Look::Light),
            (Layer::LightSubtracted, Some(light)) => {
                map("file arcs", "Data minus lens light", &light.arcs, Look::Light).unit(unit).mask(left_out)
            }
            (Layer::Data | Layer::LightSubtracted, _) => {
                map("file data", "Data (shaded: left out)", &preview.data, Look::Light).unit(unit).mask(left_out)
            }
        };
        let on_sky = spec.frame == PREVIEW;
        let spec = if on_sky {
            let (markers, lines) = self.desk_overlays(ground);
            let handles = self.desk_handles(ground);
            spec.markers(markers).lines(lines).handles(handles).takes_drags(self.tools.takes_drags())
        } else {
            spec
        };
        let events = self.views.grid_ui(ui, 1, &[spec]);
        if on_sky {
            self.desk_events(&events, ground);
        }
        self.desk_keys(ui, !events.is_empty(), ground);
    }
}

/// A path field, with a list of the files that are open already where these may be meant.
fn path_ui(ui: &mut Ui, label: &str, help: &str, place: &mut Option<PathBuf>, known: Option<&[PathBuf]>) {
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
        let width = (ui.available_width() - if known.is_some() { 160.0 } else { 90.0 }).max(60.0);
        if crate::panels::path_field_ui(ui, name.id, label, width, &mut text) {
            *place = (!text.trim().is_empty()).then(|| PathBuf::from(text.trim()));
        }
        let Some(known) = known else { return };
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
