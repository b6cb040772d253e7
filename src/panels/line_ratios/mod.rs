//! The panel of the study `line_ratios`: simulate or load a cube, measure its lines live, look at maps and spectra, keep.

mod about;
mod compare;
mod data_step;
mod finished;
mod run_step;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::Ui;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::compare::{Comparison, Work};
use self::data_step::Preview;
use self::finished::Finished;
use super::maps::{Look, Views};
use super::saved_state::saved_state;
use super::study::{self, Step, StudyHead, StudyRun, head_ui, keep_ui, run_into};
use super::{Command, Panel, PanelAction, PanelContext, PanelEntry, Product, Services, Severity};
use crate::plots::picture::Picture;
use crate::runs::{Library, Record};
use crate::studies::line_ratios::{BenchmarkRequest, FitOutcome, FitRequest, Scene, SimulateRequest};
use crate::tasks::{AnyOutcome, Board, Field, FieldKind, Task, TaskEntry, TaskError, fields};
use crate::workers::{Answer, Key};

/// In the registry.
pub const ENTRY: PanelEntry = PanelEntry {
    kind: "line_ratios",
    title: "Line ratios",
    help: "Emission lines of a spectrum or a cube: velocity, broadening, fluxes and ratios, as maps that fill live",
    study: true,
    make: |state| Box::new(LineRatios::new(state)),
    picture: Some(picture),
};

const HEAD: StudyHead = StudyHead {
    title: ENTRY.title,
    valid_for: "lines with one velocity and one broadening in a spectrum, on a smooth continuum, from SITELLE, MUSE or a known resolving power.",
    distrust_when: "residuals show a second component, sky or stellar absorption, reduced χ² stands far from 1, or a ratio has no error beside it.",
};

/// Where the data come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Origin {
    /// A simulated galaxy.
    #[default]
    Galaxy,
    /// The user's own file.
    File,
}

/// What a session keeps of this panel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    step: Step,
    origin: Origin,
    simulate: SimulateRequest,
    /// How the simulated galaxy is measured.
    fit_of_galaxy: FitRequest,
    /// How the user's file is measured.
    fit: FitRequest,
    run: Option<PathBuf>,
    /// What step 3 shows.
    compare: Comparison,
}

impl Saved {
    fn fit(&self) -> &FitRequest {
        match self.origin {
            Origin::Galaxy => &self.fit_of_galaxy,
            Origin::File => &self.fit,
        }
    }

    fn fit_mut(&mut self) -> &mut FitRequest {
        match self.origin {
            Origin::Galaxy => &mut self.fit_of_galaxy,
            Origin::File => &mut self.fit,
        }
    }
}

/// The panel.
pub struct LineRatios {
    saved: Saved,
    about: bool,
    run: StudyRun<Finished>,
    /// A benchmark started here: its folder, and what went wrong without costing it.
    benchmark: StudyRun<(PathBuf, Vec<String>)>,
    finished: Option<Finished>,
    /// What step 3 keeps between frames.
    work: Work,
    /// A run folder to be read.
    opening: Option<PathBuf>,
    openings: u64,
    /// How often the user's file was read again on demand.
    reloads: u64,
    fit_fields: Vec<Field>,
    simulate_fields: Vec<Field>,
    views: Views,
    preview: Preview,
    /// What is wrong with what is written in the inspector: nothing is measured until it is mended.
    unreadable: Option<String>,
    /// The panel shows its finished example: go to Compare when the run is done.
    to_compare: bool,
}

/// Fields of the fit that say what the data are: they stand in step 1.
const FILE_FIELDS: [&str; 5] = ["redshift", "lines", "resolving_power", "medium", "per_angstrom"];
/// Fields of the simulation that a galaxy has no use for.
const LIST_FIELDS: [&str; 3] = ["scene", "recipe", "spectra"];
/// Names of this panel's questions.
const RUN: &str = "run";
const PREVIEW: &str = "preview";

impl LineRatios {
    fn new(state: &Value) -> Self {
        let saved: Saved = saved_state(state);
        let opening = saved.run.clone();
        Self {
            saved,
            about: false,
            run: StudyRun::default(),
            benchmark: StudyRun::default(),
            finished: None,
            work: Work::default(),
            opening,
            openings: 0,
            reloads: 0,
            fit_fields: fields(&(TaskEntry::of::<FitRequest>().schema)(), &Value::Null),
            simulate_fields: fields(&(TaskEntry::of::<SimulateRequest>().schema)(), &Value::Null),
            views: Views::default(),
            preview: Preview::default(),
            unreadable: None,
            to_compare: false,
        }
    }

    /// Starts the fit; a simulated galaxy is simulated first, into a run folder of its own.
    fn start(&mut self, cx: &mut PanelContext<'_>) {
        let fit = self.saved.fit().clone();
        let simulate = (self.saved.origin == Origin::Galaxy).then(|| self.galaxy());
        self.saved.step = Step::Run;
        self.run.start(cx.services, &TaskEntry::of::<FitRequest>(), move |board, library| match &simulate {
            Some(simulate) => run_simulated(simulate, &fit, board, library),
            None => run_fit(&fit, board, library),
        });
    }

    /// The simulation of step 1.
    fn galaxy(&self) -> SimulateRequest {
        SimulateRequest { scene: Scene::Galaxy, ..self.saved.simulate.clone() }
    }

    /// True when there is something to fit and nothing is being fitted.
    fn can_start(&self) -> bool {
        let given = self.saved.origin == Origin::Galaxy || self.saved.fit.data.is_some();
        given && self.unreadable.is_none() && self.preview.problem.is_none() && !self.run.is_running()
    }

    fn take_finished(&mut self, cx: &mut PanelContext<'_>) {
        if let Some(mut finished) = self.run.take(cx) {
            for note in finished.notes.drain(..) {
                cx.send(Command::Notice(Severity::Warning, note));
            }
            self.show(finished);
            // The user is watching the run: bring the answer up, unless another step was chosen meanwhile.
            if self.saved.step == Step::Run || self.to_compare {
                self.saved.step = Step::Compare;
            }
            self.to_compare = false;
        }
    }

    /// Takes a finished run over. A spaxel or a mark of another cube has no meaning on it.
    fn show(&mut self, finished: Finished) {
        if self.saved.run.as_ref() != Some(&finished.folder) {
            self.saved.compare.forget_places();
        }
        self.saved.run = Some(finished.folder.clone());
        self.finished = Some(finished);
    }

    /// Reads a run folder in the background.
    fn take_opening(&mut self, cx: &mut PanelContext<'_>) {
        let Some(folder) = self.opening.clone() else { return };
        let key = Key::of(&folder).and(&self.openings);
        let answer = cx.services.queries.ask(cx.slot(RUN), key, &cx.services.wake, move |_| Finished::read(&folder));
        match answer {
            Answer::Ready(finished) => {
                self.saved.step = Step::Compare;
                if let Ok(request) = serde_json::from_value::<FitRequest>(finished.record.request.clone()) {
                    self.saved.fit = request;
                    self.saved.origin = Origin::File;
                }
                self.show((*finished).clone());
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

impl Panel for LineRatios {
    fn title(&self) -> String {
        HEAD.title.into()
    }

    fn logic(&mut self, cx: &mut PanelContext<'_>) {
        self.take_finished(cx);
        self.take_benchmark(cx);
        self.take_opening(cx);
        match self.saved.step {
            Step::Data => self.ask_preview(cx),
            Step::Compare => self.compare_logic(cx),
            Step::Run | Step::Keep => {}
        }
    }

    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        head_ui(ui, &HEAD, &mut self.saved.step, &mut self.about);
        if self.about {
            egui::Panel::right("about lines").resizable(true).default_size(300.0).show(ui, about::about_ui);
        }
        match self.saved.step {
            Step::Data => self.data_ui(ui, cx),
            Step::Run => self.run_ui(ui, cx),
            Step::Compare => self.compare_ui(ui, cx),
            Step::Keep => match &self.finished {
                Some(finished) => {
                    let python = finished::python(finished);
                    keep_ui(ui, &finished.folder, &finished.record, &finished.sizes, &python, cx);
                }
                None => nothing_yet(ui),
            },
        }
    }

    fn inspector_ui(&mut self, ui: &mut Ui, _cx: &mut PanelContext<'_>) {
        ui.label(egui::RichText::new("Fit").strong());
        let wanted = |field: &Field| field.kind != FieldKind::Input && !FILE_FIELDS.contains(&field.name.as_str());
        let mut fit = self.saved.fit().clone();
        self.unreadable = super::edit_request(ui, "line fit", &mut fit, &self.fit_fields, true, wanted).err();
        *self.saved.fit_mut() = fit;
        let defaults = ui.button("Defaults");
        if defaults
            .on_hover_text("Put every setting of the fit back to its default; the file and what it is stay")
            .clicked()
        {
            super::forget_drafts(ui);
            self.unreadable = None;
            let old = std::mem::take(self.saved.fit_mut());
            *self.saved.fit_mut() = FitRequest {
                data: old.data,
                redshift: old.redshift,
                lines: old.lines,
                resolving_power: old.resolving_power,
                medium: old.medium,
                per_angstrom: old.per_angstrom,
                ..FitRequest::default()
            };
        }
        ui.separator();
        ui.label(egui::RichText::new("Display").strong());
        let looks = [
            (Look::Velocity, "Velocity"),
            (Look::Light, "Fluxes and light"),
            (Look::Residual, "In sigma"),
            (Look::Plain, "Other maps"),
        ];
        self.views.looks_ui(ui, &looks);
    }

    fn close(&mut self, cx: &mut PanelContext<'_>) {
        for name in [RUN, PREVIEW].into_iter().chain(compare::QUESTIONS) {
            cx.services.queries.forget(cx.slot(name));
        }
    }

    fn save(&self) -> Value {
        serde_json::to_value(&self.saved).unwrap_or_default()
    }

    fn passing(&self) -> &'static [&'static str] {
        // What is looked at, and what a job brings, are no changes of the request.
        &["step", "run", "compare"]
    }

    fn restore(&mut self, state: &Value) -> bool {
        let Ok(saved) = serde_json::from_value::<Saved>(state.clone()) else { return false };
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
        match (name, &self.unreadable) {
            ("fit", Some(problem)) => cx.error(problem.clone()),
            ("fit", None) if self.can_start() => self.start(cx),
            ("escape", _) => self.saved.compare.unbrush(),
            _ => {}
        }
    }

    fn open(&mut self, folder: &Path, record: &Record, cx: &mut PanelContext<'_>) -> bool {
        if record.task == FitRequest::NAME {
            self.opening = Some(folder.to_owned());
            // Read again: the folder may hold another run by now.
            self.openings += 1;
            return true;
        }
        if record.task == BenchmarkRequest::NAME {
            self.saved.compare.show_benchmark(folder.to_owned());
            self.work.benchmarks += 1;
            self.saved.step = Step::Compare;
            return true;
        }
        self.open_request(record, cx)
    }

    fn open_request(&mut self, record: &Record, _cx: &mut PanelContext<'_>) -> bool {
        let request = || record.request.clone();
        match record.task.as_str() {
            FitRequest::NAME => match serde_json::from_value(request()) {
                Ok(fit) => (self.saved.fit, self.saved.origin) = (fit, Origin::File),
                Err(_) => return false,
            },
            SimulateRequest::NAME => match serde_json::from_value::<SimulateRequest>(request()) {
                Ok(simulate) if simulate.scene == Scene::Galaxy => {
                    (self.saved.simulate, self.saved.origin) = (simulate, Origin::Galaxy);
                }
                _ => return false,
            },
            _ => return false,
        }
        self.saved.step = Step::Data;
        true
    }

    fn python(&self, _services: &Services) -> Option<String> {
        self.finished.as_ref().map(finished::python)
    }

    fn command_lines(&self) -> Vec<String> {
        let finished = self.finished.as_ref();
        finished.map(|finished| study::command_lines(&finished.folder, &finished.record)).unwrap_or_default()
    }

    fn record(&self) -> Option<String> {
        self.finished.as_ref().and_then(|finished| finished.record.to_json().ok())
    }

    fn products(&self, _services: &Services) -> Vec<Product> {
        let finished = self.finished.as_ref();
        finished.map(|finished| study::run_products(&finished.folder, &finished.record)).unwrap_or_default()
    }

    fn busy(&self) -> bool {
        self.run.is_running()
            || self.benchmark.is_running()
            || self.opening.is_some()
            || (self.saved.step == Step::Compare && self.work.waiting)
            || (self.saved.step == Step::Data && self.preview.waiting)
    }

    fn start_demo(&mut self, cx: &mut PanelContext<'_>) {
        self.saved.origin = Origin::Galaxy;
        self.saved.simulate = SimulateRequest::default();
        self.saved.fit_of_galaxy = FitRequest::default();
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
        text: "Measure these lines",
        help: "Start the fit of the data in step 1 and watch it in step 2",
        key: Some(egui::KeyboardShortcut::new(egui::Modifiers::COMMAND, egui::Key::Enter)),
        at_pointer: false,
    },
    PanelAction {
        name: "escape",
        text: "Unmark the spaxels",
        help: "Forget the box drawn in the diagram or on the map of step 3",
        key: Some(egui::KeyboardShortcut::new(egui::Modifiers::NONE, egui::Key::Escape)),
        at_pointer: true,
    },
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

/// A simulation into a run folder of its own, and the fit of it: what is fitted is a file, as with the user's own data.
fn run_simulated(
    simulate: &SimulateRequest,
    fit: &FitRequest,
    board: &Arc<Board>,
    library: &Library,
) -> Result<Finished, TaskError> {
    let simulated = run_into(simulate, board, library)?;
    let fit = FitRequest { data: Some(simulated.folder.join(finished::CUBE)), ..fit.clone() };
    run_fit(&fit, board, library)
}

/// `panel.png` of a run: the Compare step of a finished fit.
fn picture(record: &Record, outcome: &AnyOutcome) -> Option<Picture> {
    compare::picture(outcome.get::<FitOutcome>()?, record.clone())
}
