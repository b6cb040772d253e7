//! Step 1 with samples of the prior: the lenses that the network is trained on, four at a time.

use std::sync::Arc;

use egui::{RichText, Ui};
use ndarray::{Array2, Array3, Axis};

use super::LensReconstruction;
use crate::panels::maps::{Look, MapSpec, Views};
use crate::panels::{PanelContext, edit_request};
use crate::plots::headless::Headless;
use crate::plots::picture::Picture;
use crate::studies::lens_reconstruction::rim::prior::{FIELD_ARCSEC, PriorOutcome, PriorRequest, SOURCE_FIELD_ARCSEC};
use crate::tasks::{Field, Progress, Task};
use crate::workers::{Answer, Key, Weigh};

/// Name of the question.
pub(super) const SAMPLES: &str = "samples of the prior";
/// Lenses shown at once.
const SHOWN: usize = 4;
/// Identities of the maps, `[lens][image, source, convergence]`.
const MAPS: [[&str; 3]; SHOWN] = [
    ["prior image 1", "prior source 1", "prior convergence 1"],
    ["prior image 2", "prior source 2", "prior convergence 2"],
    ["prior image 3", "prior source 3", "prior convergence 3"],
    ["prior image 4", "prior source 4", "prior convergence 4"],
];
/// Maps that move together.
const SKY: &str = "prior sky";
const PLANE: &str = "prior source plane";

/// One lens, ready to be drawn.
struct Sample {
    maps: [Arc<Array2<f32>>; 3],
    titles: [String; 3],
}

/// The lenses shown.
pub(super) struct Samples {
    samples: Vec<Sample>,
    /// What was asked for.
    request: PriorRequest,
}

impl Weigh for Samples {
    fn bytes(&self) -> usize {
        self.samples.iter().flat_map(|s| &s.maps).map(|m| 4 * m.len() + 64).sum()
    }
}

impl Samples {
    fn new(outcome: &PriorOutcome, request: &PriorRequest) -> Self {
        let numbers = |name: &str| outcome.drawn.numbers(name).unwrap_or_default();
        let [radii, noise, satellites] = ["einstein_radius", "noise_sigma", "satellites"].map(numbers);
        let map = |cube: &Array3<f32>, k: usize| Arc::new(cube.index_axis(Axis(0), k).to_owned());
        let one = |k: usize| {
            let satellites = match satellites.get(k).copied().unwrap_or_default() {
                0.0 => String::new(),
                1.0 => ", 1 satellite".into(),
                n => format!(", {n:.0} satellites"),
            };
            let [radius, noise] = [&radii, &noise].map(|v| v.get(k).copied().unwrap_or(f64::NAN));
            Sample {
                maps: [
                    map(&outcome.images, k),
                    map(&outcome.sources, k),
                    Arc::new(outcome.log_convergences.index_axis(Axis(0), k).mapv(|v| 10f32.powf(v))),
                ],
                titles: [
                    format!("Lens {}: noise {noise:.3}", request.first + k as u64),
                    "Source".into(),
                    format!("Convergence, {radius:.2} arcsec{satellites}"),
                ],
            }
        };
        let count = outcome.images.dim().0.min(SHOWN);
        Self { samples: (0..count).map(one).collect(), request: request.clone() }
    }
}

impl LensReconstruction {
    /// Asks for the lenses of what is set now.
    pub(super) fn ask_samples(&mut self, cx: &mut PanelContext<'_>) {
        let request = PriorRequest { examples: SHOWN, ..self.saved.prior.clone() };
        let key = Key::of(&serde_json::to_string(&request).unwrap_or_default());
        let answer = cx.services.queries.ask(cx.slot(SAMPLES), key, &cx.services.wake, move |progress| {
            let outcome = request.run(&Progress::on(progress.board()))?;
            Ok(Samples::new(&outcome, &request))
        });
        self.problem = None;
        match &answer {
            Answer::Failed(message) => self.problem = Some(message.to_string()),
            Answer::Pending { .. } => self.preview.wait(),
            Answer::Ready(_) => {}
        }
        if let Some(samples) = answer.newest() {
            self.preview.samples = Some(samples.clone());
        }
    }

    /// What is drawn, and the way to others.
    pub(super) fn samples_settings_ui(&mut self, ui: &mut Ui) {
        ui.add(
            egui::Label::new("What the network learns from: composite masses and galaxies, simulated on the fly.")
                .wrap(),
        );
        ui.horizontal(|ui| {
            let others = ui.button(RichText::new("Draw others").strong());
            if others.on_hover_text("The next four lenses of this seed").clicked() {
                self.saved.prior.first = self.saved.prior.first.saturating_add(SHOWN as u64) % 1_000_000_000;
            }
            if ui.button("Reset").on_hover_text("The first four lenses of seed 1").clicked() {
                self.saved.prior = PriorRequest::default();
            }
        });
        // Numbers and choices only: nothing can be typed here that cannot be read.
        let wanted = |f: &Field| f.name != "examples";
        if let Err(problem) = edit_request(ui, "lens prior", &mut self.saved.prior, &self.prior_fields, false, wanted) {
            ui.colored_label(ui.visuals().error_fg_color, problem);
        }
        ui.add_space(6.0);
        ui.add(
            egui::Label::new(
                RichText::new(
                    "External shear is made by mass near the edges of the field: network and simulation know no other.",
                )
                .weak(),
            )
            .wrap(),
        );
    }

    /// Draws the lenses.
    pub(super) fn samples_ui(&mut self, ui: &mut Ui) {
        let Some(samples) = self.preview.samples.clone() else {
            if self.preview.waiting() {
                ui.spinner();
            }
            return;
        };
        samples_grid_ui(ui, &samples, &mut self.views);
    }
}

/// Two lenses a row: image, source and convergence of each.
fn samples_grid_ui(ui: &mut Ui, samples: &Samples, views: &mut Views) {
    let pixels = samples.request.pixels as f64;
    let (step, source_step) = (FIELD_ARCSEC / pixels, SOURCE_FIELD_ARCSEC / pixels);
    let mut maps = Vec::new();
    for (sample, [image, source, convergence]) in samples.samples.iter().zip(MAPS) {
        let [a, b, c] = &sample.maps;
        let [image_title, source_title, convergence_title] = &sample.titles;
        maps.push(MapSpec::new(image, image_title, a, step, SKY, Look::Light));
        maps.push(MapSpec::new(source, source_title, b, source_step, PLANE, Look::Light));
        maps.push(MapSpec::new(convergence, convergence_title, c, step, SKY, Look::Convergence));
    }
    views.grid_ui(ui, 6, &maps);
}

/// The first lenses of a run as a picture, for `panel.png`.
pub(super) fn picture(outcome: &PriorOutcome, request: &PriorRequest) -> Option<Picture> {
    let mut screen = Headless::new([1200.0, 560.0], 1.0, egui::Theme::Light);
    let (samples, mut views) = (Samples::new(outcome, request), Views::default());
    screen.settle(60, |ui| {
        egui::CentralPanel::default().show(ui, |ui| {
            ui.heading("Simulated lenses of the prior: not observations");
            samples_grid_ui(ui, &samples, &mut views);
        });
    });
    screen.picture().ok()
}
