//! The panel of the study `lens_reconstruction`: simulate or load a lens, fit it live, compare, keep.

mod about;
mod compare;
mod conventions;
mod curves;
mod data_step;
mod desk;
mod desk_events;
mod desk_files;
mod lens_light;
mod prior_samples;
mod run_step;
mod simulated;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::Ui;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::compare::{Comparison, Finished, MassSheet, Work};
use self::data_step::Preview;
use self::desk::{Desk, Layer, Tool, Tools};
use self::simulated::Grip;
use super::maps::Views;
use super::saved_state::saved_state;
use super::study::{self, Step, StudyHead, StudyRun, head_ui, keep_ui, run_into};
use super::{Command, Panel, PanelAction, PanelContext, PanelEntry, Product, Services, Severity};
use crate::plots::picture::Picture;
use crate::runs::{Library, Record};
use crate::studies::lens_reconstruction::rim::prior::{PriorOutcome, PriorRequest};
use crate::studies::lens_reconstruction::{FitOutcome, FitRequest, SimulateOutcome, SimulateRequest};
use crate::tasks::{AnyOutcome, Board, Field, Task, TaskEntry, TaskError, fields};
use crate::workers::{Answer, Key};

/// In the registry.
pub const ENTRY: PanelEntry = PanelEntry {
    kind: "lens_reconstruction",
    title: "Lens reconstruction",
    help: "Source and convergence of a gravitational lens from one image, fitted live",
    study: true,
    make: |state| Box::new(LensReconstruction::new(state)),
    picture: Some(picture),
};

const HEAD: StudyHead = StudyHead {
    title: ENTRY.title,
    valid_for: "one galaxy lens with one dominant source galaxy, noise map and PSF given.",
    distrust_when: "the arcs touch the mask's edge, a second source or a cluster adds light or mass, or the residuals beyond 5 sigma trace the arcs.",
};

/// Where the data come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Origin {
    /// A lens simulated from the sliders.
    #[default]
    Simulate,
    /// The user's own files.
    Files,
    /// No lens to fit: what the network is trained on.
    Prior,
}

/// What a session keeps of this panel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    step: Step,
    origin: Origin,
    simulate: SimulateRequest,
    prior: PriorRequest,
    fit: FitRequest,
    run: Option<PathBuf>,
    /// What step 3 shows.
    compare: Comparison,
    /// The mass sheet that is tried in step 3.
    mass_sheet: MassSheet,
    /// In step 1: which map is worked on.
    layer: Layer,
    /// In step 1: what was marked and drawn.
    desk: Desk,
}

/// The panel.
pub struct LensReconstruction {
    saved: Saved,
    about: bool,
    run: StudyRun<Finished>,
    finished: Option<Finished>,
    /// What step 3 keeps between frames.
    work: Work,
    /// A run folder to be read, and what became of it.
    opening: Option<PathBuf>,
    openings: u64,
    /// How often the user's files were read again on demand.
    reloads: u64,
    fit_fields: Vec<Field>,
    simulate_fields: Vec<Field>,
    prior_fields: Vec<Field>,
    views: Views,
    preview: Preview,
    /// The tools of step 1.
    tools: Tools,
    /// What is being dragged on the maps of a simulation.
    grip: Option<Grip>,
    /// The image maps are to show the fitted part when they are next drawn.
    refocus: bool,
    /// What is wrong with what is set in step 1.
    problem: Option<String>,
    /// What is wrong with what is written in the inspector: nothing is fitted until it is mended.
    unreadable: Option<String>,
    /// Pixel scale in the field that asks for it.
    asked_scale: f64,
    /// The panel shows its finished example: go to Compare when the run is done.
    to_compare: bool,
}

impl LensReconstruction {
    fn new(state: &Value) -> Self {
        let mut saved: Saved = saved_state(state);
        saved.desk.sanitise();
        let opening = saved.run.clone();
        Self {
            saved,
            about: false,
            run: StudyRun::default(),
            finished: None,
            work: Work::default(),
            opening,
            openings: 0,
            reloads: 0,
            fit_fields: fields(&(TaskEntry::of::<FitRequest>().schema)(), &Value::Null),
            simulate_fields: fields(&(TaskEntry::of::<SimulateRequest>().schema)(), &Value::Null),
            prior_fields: fields(&(TaskEntry::of::<PriorRequest>().schema)(), &Value::Null),
            views: Views::default(),
            preview: Preview::default(),
            tools: Tools::default(),
            grip: None,
            refocus: false,
            problem: None,
            unreadable: None,
            asked_scale: 0.05,
            to_compare: false,
        }
    }

    /// Starts the fit of the chosen data; simulated data are simulated first, into a run folder of their own.
    fn start(&mut self, cx: &mut PanelContext<'_>) {
        let fit = self.saved.fit.clone();
        let simulate = (self.saved.origin == Origin::Simulate).then(|| self.saved.simulate.clone());
        self.saved.step = Step::Run;
        self.run.start(cx.services, &TaskEntry::of::<FitRequest>(), move |board, library| match &simulate {
            Some(simulate) => run_simulated(simulate, &fit, board, library),
            None => run_fit(&fit, board, library),
        });
    }

    /// True when there is something to fit and nothing is being fitted.
    fn can_start(&self) -> bool {
        let ready = match self.saved.origin {
            Origin::Simulate => self.preview.has_simulation(),
            Origin::Files => self.preview.has_files() && self.problem.is_none() && !self.saved.desk.unwritten(),
            Origin::Prior => false,
        };
        ready && self.unreadable.is_none() && !self.run.is_running()
    }

    /// True when the fit may start from step 2, where nothing is read of the files.
    fn can_run(&self) -> bool {
        let written = self.problem.is_none() && !self.saved.desk.unwritten();
        !self.run.is_running()
            && self.unreadable.is_none()
            && match self.saved.origin {
                Origin::Simulate => true,
                Origin::Files => written,
                Origin::Prior => false,
            }
    }

    fn take_finished(&mut self, cx: &mut PanelContext<'_>) {
        if let Some(mut finished) = self.run.take(cx) {
            for note in finished.notes.drain(..) {
                cx.send(Command::Notice(Severity::Warning, note));
            }
            self.saved.run = Some(finished.folder.clone());
            self.finished = Some(finished);
            self.refocus = true;
            // The user is watching the run: bring the answer up, unless another step was chosen meanwhile.
            if self.saved.step == Step::Run || self.to_compare {
                self.saved.step = Step::Compare;
            }
            self.to_compare = false;
        }
    }

    /// Reads a run folder in the background.
    fn take_opening(&mut self, cx: &mut PanelContext<'_>) {
        let Some(folder) = self.opening.clone() else { return };
        let work_folder = folder.clone();
        let answer = cx.services.queries.ask(
            cx.slot("run"),
            Key::of(&folder).and(&self.openings),
            &cx.services.wake,
            move |_| Finished::read(&work_folder),
        );
        match answer {
            Answer::Ready(finished) => {
                self.saved.run = Some(folder);
                self.saved.step = Step::Compare;
                if let Ok(request) = serde_json::from_value::<FitRequest>(finished.record.request.clone()) {
                    self.saved.fit = request;
                    self.saved.origin = Origin::Files;
                    self.saved.desk = Desk::default();
                }
                self.finished = Some((*finished).clone());
                self.refocus = true;
                self.opening = None;
            }
            Answer::Failed(message) => {
                // The path stays in the session: the folder may be on a disk that is not there today.
                cx.error(message.to_string());
                self.opening = None;
            }
            Answer::Pending { .. } => {}
        }
    }
}

impl Panel for LensReconstruction {
    fn title(&self) -> String {
        HEAD.title.into()
    }

    fn logic(&mut self, cx: &mut PanelContext<'_>) {
        self.take_finished(cx);
        self.take_opening(cx);
        if self.saved.step == Step::Data {
            self.ask_preview(cx);
        } else if self.saved.step == Step::Run && self.saved.origin == Origin::Files {
            // What was drawn a moment ago is still being written.
            self.ask_desk(cx);
        }
        if self.saved.step == Step::Compare {
            self.compare_logic(cx);
        } else {
            self.work.waiting = false;
        }
    }

    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        head_ui(ui, &HEAD, &mut self.saved.step, &mut self.about);
        if self.about {
            egui::Panel::right("about lens").resizable(true).default_size(300.0).show(ui, about::about_ui);
        }
        match self.saved.step {
            Step::Data => self.data_ui(ui, cx),
            Step::Run => self.run_ui(ui, cx),
            Step::Compare => self.compare_ui(ui),
            Step::Keep => match &self.finished {
                Some(finished) => {
                    keep_ui(
                        ui,
                        &finished.folder,
                        &finished.record,
                        &finished.sizes,
                        &compare::python(&finished.folder),
                        cx,
                    );
                }
                None => nothing_yet(ui),
            },
        }
    }

    fn inspector_ui(&mut self, ui: &mut Ui, _cx: &mut PanelContext<'_>) {
        ui.label(egui::RichText::new("Fit").strong());
        let simulated = self.saved.origin == Origin::Simulate;
        // What the simulation decides, and what stands in step 1 already.
        let wanted = |f: &Field| {
            f.kind != crate::tasks::FieldKind::Input
                && self.saved.fit.method.uses(&f.name)
                && !(simulated && SIMULATED_FIELDS.contains(&f.name.as_str()))
                && (simulated || !data_step::FILE_FIELDS.contains(&f.name.as_str()))
        };
        let mut fit = self.saved.fit.clone();
        self.unreadable = super::edit_request(ui, "lens fit", &mut fit, &self.fit_fields, true, wanted).err();
        self.saved.fit = fit;
        if ui
            .button("Defaults")
            .on_hover_text("Put every setting of the fit back to its default; the files stay")
            .clicked()
        {
            super::forget_drafts(ui);
            self.unreadable = None;
            let old = std::mem::take(&mut self.saved.fit);
            self.saved.fit = FitRequest {
                image: old.image,
                noise: old.noise,
                psf: old.psf,
                mask: old.mask,
                mask_marks: old.mask_marks,
                positions: old.positions,
                lens_x_arcsec: old.lens_x_arcsec,
                lens_y_arcsec: old.lens_y_arcsec,
                pixel_scale_arcsec: old.pixel_scale_arcsec,
                ..FitRequest::default()
            };
        }
        ui.separator();
        self.views.settings_ui(ui);
    }

    fn close(&mut self, cx: &mut PanelContext<'_>) {
        for name in [
            "run",
            SIMULATION,
            FILES,
            desk_files::POSITIONS,
            desk_files::MASK,
            lens_light::LENS_LIGHT,
            simulated::IMAGES,
            prior_samples::SAMPLES,
            SHEET,
            ARRIVAL,
        ] {
            cx.services.queries.forget(cx.slot(name));
        }
    }

    fn save(&self) -> Value {
        serde_json::to_value(&self.saved).unwrap_or_default()
    }

    fn passing(&self) -> &'static [&'static str] {
        // What is looked at, and what a job brings, are no changes of the request.
        &["step", "run", "compare", "layer"]
    }

    fn restore(&mut self, state: &Value) -> bool {
        let Ok(mut saved) = serde_json::from_value::<Saved>(state.clone()) else { return false };
        saved.desk.sanitise();
        if saved.run != self.saved.run {
            self.opening.clone_from(&saved.run);
            self.openings += 1;
        }
        self.saved = saved;
        true
    }

    fn actions(&self) -> &'static [PanelAction] {
        ACTIONS
    }

    fn act(&mut self, name: &str, cx: &mut PanelContext<'_>) {
        if name == "fit" && self.can_start() {
            self.start(cx);
        } else if let Some(problem) = self.unreadable.as_ref().filter(|_| name == "fit") {
            cx.error(problem.clone());
        } else if name == "escape" {
            self.tools.escape();
        } else if let Some((tool, ..)) = Tool::ALL.into_iter().find(|t| t.1 == name)
            && self.saved.step == Step::Data
            && self.saved.origin == Origin::Files
        {
            self.tools.toggle(tool);
        }
    }

    fn open(&mut self, folder: &Path, record: &Record, cx: &mut PanelContext<'_>) -> bool {
        if record.task == FitRequest::NAME {
            self.opening = Some(folder.to_owned());
            // Read again: the folder may hold another run by now.
            self.openings += 1;
            return true;
        }
        self.open_request(record, cx)
    }

    fn open_request(&mut self, record: &Record, _cx: &mut PanelContext<'_>) -> bool {
        if let Ok(request) = serde_json::from_value::<FitRequest>(record.request.clone())
            && record.task == FitRequest::NAME
        {
            self.saved.fit = request;
            self.saved.origin = Origin::Files;
            self.saved.desk = Desk::default();
        } else if let Ok(request) = serde_json::from_value::<SimulateRequest>(record.request.clone())
            && record.task == SimulateRequest::NAME
        {
            self.saved.simulate = request;
            self.saved.origin = Origin::Simulate;
        } else if let Ok(request) = serde_json::from_value::<PriorRequest>(record.request.clone())
            && record.task == PriorRequest::NAME
        {
            self.saved.prior = request;
            self.saved.origin = Origin::Prior;
        } else {
            return false;
        }
        self.saved.step = Step::Data;
        true
    }

    fn python(&self, _services: &Services) -> Option<String> {
        self.finished.as_ref().map(|finished| compare::python(&finished.folder))
    }

    fn command_lines(&self) -> Vec<String> {
        self.finished
            .as_ref()
            .map(|finished| study::command_lines(&finished.folder, &finished.record))
            .unwrap_or_default()
    }

    fn record(&self) -> Option<String> {
        self.finished.as_ref().and_then(|finished| finished.record.to_json().ok())
    }

    fn products(&self, _services: &Services) -> Vec<Product> {
        let of_desk = if self.saved.origin == Origin::Files { self.desk_products() } else { Vec::new() };
        let of_run = self.finished.as_ref().map(|finished| study::run_products(&finished.folder, &finished.record));
        // What is looked at comes first.
        if self.saved.step == Step::Data {
            of_desk.into_iter().chain(of_run.unwrap_or_default()).collect()
        } else {
            of_run.unwrap_or_default().into_iter().chain(of_desk).collect()
        }
    }

    fn busy(&self) -> bool {
        self.run.is_running()
            || self.opening.is_some()
            || self.work.waiting
            || (self.saved.step == Step::Data && self.preview.waiting())
    }

    fn start_demo(&mut self, cx: &mut PanelContext<'_>) {
        self.saved.origin = Origin::Simulate;
        self.saved.simulate = SimulateRequest::default();
        self.saved.fit = FitRequest::default();
        self.start(cx);
    }

    fn show_example(&mut self, cx: &mut PanelContext<'_>) {
        if self.finished.is_none() && self.opening.is_none() && !self.run.is_running() {
            self.to_compare = true;
            self.start_demo(cx);
        }
    }
}

/// What it does on a key.
const ACTIONS: &[PanelAction] = &[
    PanelAction {
        name: "fit",
        text: "Fit this lens",
        help: "Start the fit of the lens in step 1 and watch it in step 2",
        key: Some(egui::KeyboardShortcut::new(egui::Modifiers::COMMAND, egui::Key::Enter)),
        at_pointer: false,
    },
    tool_action(0, "Mark the lens centre"),
    tool_action(1, "Mark the multiple images"),
    tool_action(2, "Drag an annulus"),
    tool_action(3, "Draw a polygon on the mask"),
    tool_action(4, "Paint on the mask"),
    PanelAction {
        name: "escape",
        text: "Put the tool down",
        help: "Give up what is half drawn, then leave the tool",
        key: Some(egui::KeyboardShortcut::new(egui::Modifiers::NONE, egui::Key::Escape)),
        at_pointer: true,
    },
];

const fn tool_action(index: usize, text: &'static str) -> PanelAction {
    let (_, name, _, key, help) = Tool::ALL[index];
    let key = Some(egui::KeyboardShortcut::new(egui::Modifiers::NONE, key));
    PanelAction { name, text, help, key, at_pointer: true }
}

/// Names of this panel's questions.
const SIMULATION: &str = "simulation";
const FILES: &str = "files";
const SHEET: &str = "mass sheet";
const ARRIVAL: &str = "arrival";

/// Fields of the fit that the simulation decides.
const SIMULATED_FIELDS: [&str; 7] = [
    "noise_sigma",
    "psf_fwhm_arcsec",
    "pixel_scale_arcsec",
    "mask_marks",
    "lens_x_arcsec",
    "lens_y_arcsec",
    "positions_threshold_arcsec",
];

fn nothing_yet(ui: &mut Ui) {
    ui.add_space(30.0);
    ui.vertical_centered(|ui| ui.weak("Nothing here yet: choose data in step 1 and start the fit in step 2"));
}

fn run_fit(fit: &FitRequest, board: &Arc<Board>, library: &Library) -> Result<Finished, TaskError> {
    let result = run_into(fit, board, library)?;
    let outcome = result.outcome.get::<FitOutcome>();
    let outcome = outcome.ok_or_else(|| TaskError::Failed("the fit gave an outcome of another kind".into()))?;
    let mut finished = Finished::new(outcome, result.record, result.folder);
    finished.notes = result.notes;
    Ok(finished)
}

/// A simulation into a run folder of its own, and the fit of it: what is fitted are files, as with the user's own data.
fn run_simulated(
    simulate: &SimulateRequest,
    fit: &FitRequest,
    board: &Arc<Board>,
    library: &Library,
) -> Result<Finished, TaskError> {
    let simulated = run_into(simulate, board, library)?;
    run_fit(&fit.clone().on_simulation(&simulated.folder), board, library)
}

/// `panel.png` of a run: the Compare step of a finished fit, the maps of a simulation, the first lenses of the prior.
fn picture(record: &Record, outcome: &AnyOutcome) -> Option<Picture> {
    if let Some(simulated) = outcome.get::<SimulateOutcome>() {
        return simulated::picture(&simulated);
    }
    if let Some(drawn) = outcome.get::<PriorOutcome>() {
        return prior_samples::picture(&drawn, &serde_json::from_value(record.request.clone()).ok()?);
    }
    compare::picture(outcome.get::<FitOutcome>()?, record.clone())
}
