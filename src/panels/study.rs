//! What every study panel has: the four steps, the line on trust, a running task, and the Keep step.

use std::path::Path;
use std::sync::Arc;

use egui::{RichText, Ui};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::product::{Product, shell_quoted};
use super::{Command, PanelContext, Services, Severity};
use crate::runs::{Hooks, Library, RECORD_NAME, Record, RunResult, cost, execute};
use crate::tasks::{AnyOutcome, Board, Task, TaskEntry, TaskError};
use crate::workers::{Job, JobState};

/// The four steps of every study.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Demo, simulate or load; checks.
    #[default]
    Data,
    /// The task at work, live.
    Run,
    /// Every answer beside the others.
    Compare,
    /// Files, record, command line.
    Keep,
}

impl Step {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Data, "1  Data", "Demo, simulate or load; what the data allow"),
        (Self::Run, "2  Run", "Start the task and watch it"),
        (Self::Compare, "3  Compare", "Every answer beside the others, and beside the truth where it is known"),
        (Self::Keep, "4  Keep", "Files, figures, the record, and the command line that repeats the run"),
    ];
}

/// What stands on top of a study panel.
pub struct StudyHead {
    /// Title.
    pub title: &'static str,
    /// Where the answer can be trusted.
    pub valid_for: &'static str,
    /// Where it cannot.
    pub distrust_when: &'static str,
}

/// Draws title, steps and the line on trust. `about` toggles the side tab.
pub fn head_ui(ui: &mut Ui, head: &StudyHead, step: &mut Step, about: &mut bool) {
    ui.horizontal_wrapped(|ui| {
        for (value, text, help) in Step::ALL {
            if ui.selectable_label(*step == value, RichText::new(text).size(15.0)).on_hover_text(help).clicked() {
                *step = value;
            }
        }
        ui.separator();
        ui.toggle_value(about, "About").on_hover_text("The paper, the equations, the limits");
    });
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.label(RichText::new("Valid for").small().strong());
        ui.label(RichText::new(head.valid_for).small());
        ui.label(RichText::new("Do not trust when").small().strong());
        ui.label(RichText::new(head.distrust_when).small());
    });
    ui.separator();
}

/// A task started from a panel; `T` is what the panel makes of its result, on the job's thread.
pub struct StudyRun<T> {
    job: Option<Job<T>>,
    board: Option<Arc<Board>>,
    /// Why the last run gave nothing, for the panel to show.
    pub error: Option<String>,
}

impl<T> Default for StudyRun<T> {
    fn default() -> Self {
        Self { job: None, board: None, error: None }
    }
}

impl<T: Send + 'static> StudyRun<T> {
    /// Starts `work` as a job of the name of `entry`; it gets the library for its run folders.
    pub fn start(
        &mut self,
        services: &Services,
        entry: &TaskEntry,
        work: impl FnOnce(&Arc<Board>, &Library) -> Result<T, TaskError> + Send + 'static,
    ) {
        if self.is_running() {
            return;
        }
        self.error = None;
        let library = services.library.clone();
        let job =
            services.jobs.submit(entry.name, entry.lane, services.wake.clone(), move |board| work(board, &library));
        self.board = Some(job.board().clone());
        self.job = Some(job);
    }

    /// True from the start to the moment that [`StudyRun::take`] gives the result.
    pub fn is_running(&self) -> bool {
        self.job.is_some()
    }

    /// Board of the running or the last run.
    pub fn board(&self) -> Option<&Arc<Board>> {
        self.board.as_ref()
    }

    /// The result, once; an error is kept in [`StudyRun::error`] and told to the user.
    pub fn take(&mut self, cx: &mut PanelContext<'_>) -> Option<T> {
        let result = self.job.as_ref()?.take()?;
        self.job = None;
        match result {
            Ok(result) => Some(result),
            Err(TaskError::Cancelled) => {
                cx.send(Command::Notice(Severity::Info, "Cancelled; nothing was written".into()));
                None
            }
            Err(error) => {
                cx.error(error.to_string());
                self.error = Some(error.to_string());
                None
            }
        }
    }

    /// Progress, pause and cancel while it runs; the same switches as in the list of jobs.
    pub fn controls_ui(&self, ui: &mut Ui, services: &Services) {
        let Some(job) = &self.job else { return };
        let Some(row) = services.jobs.list().into_iter().find(|row| row.id == job.id()) else { return };
        let text = match &row.state {
            JobState::Queued => "waiting for another job".to_owned(),
            JobState::Paused => "paused".to_owned(),
            JobState::Yielding => "standing aside for a shorter job".to_owned(),
            JobState::Stopping => "stopping".to_owned(),
            _ => row.snapshot.phase,
        };
        ui.add(egui::ProgressBar::new(row.snapshot.fraction as f32).desired_width(260.0).text(text));
        let paused = row.state == JobState::Paused;
        let can_pause = matches!(row.state, JobState::Running | JobState::Queued | JobState::Paused);
        if ui.add_enabled(can_pause, egui::Button::new(if paused { "Resume" } else { "Pause" })).clicked() {
            if paused {
                services.jobs.resume(row.id);
            } else {
                services.jobs.pause(row.id);
            }
        }
        if ui.add_enabled(row.state != JobState::Stopping, egui::Button::new("Cancel")).clicked() {
            services.jobs.cancel(row.id);
        }
    }
}

/// Runs a request into a new folder of the library. For the thread of a job.
///
/// # Errors
/// See [`execute`].
pub fn run_into<T: Task>(request: &T, board: &Arc<Board>, library: &Library) -> Result<RunResult, TaskError> {
    let entry = TaskEntry::of::<T>();
    let value = serde_json::to_value(request).map_err(|e| TaskError::Failed(e.to_string()))?;
    execute(&entry, &value, &library.new_run(T::NAME), false, board, &HOOKS)
}

/// Files of a run folder with their sizes in bytes, the record last. Reads the file system: for the thread of a job or query.
pub fn file_sizes(folder: &Path, record: &Record) -> Vec<(String, u64)> {
    let names = record.files.iter().map(String::as_str).chain([RECORD_NAME]);
    names.map(|n| (n.to_owned(), std::fs::metadata(folder.join(n)).map_or(0, |m| m.len()))).collect()
}

/// The Keep step: where the run lies, its files, and how to repeat it.
pub fn keep_ui(
    ui: &mut Ui,
    folder: &Path,
    record: &Record,
    sizes: &[(String, u64)],
    python: &str,
    cx: &mut PanelContext<'_>,
) {
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.heading("Run folder");
        ui.horizontal_wrapped(|ui| {
            ui.monospace(folder.display().to_string());
            if ui.small_button("Copy path").clicked() {
                cx.send(Command::Copy(folder.display().to_string()));
            }
            if ui.small_button("Show in the data tree").clicked() {
                cx.send(Command::OpenPath(folder.to_owned()));
            }
        });
        egui::Grid::new("files").num_columns(3).striped(true).spacing([16.0, 4.0]).show(ui, |ui| {
            for (name, bytes) in sizes {
                let path = folder.join(name);
                ui.monospace(name);
                ui.weak(cost::bytes(*bytes));
                if name.ends_with(".fits") {
                    if ui.small_button("Open").clicked() {
                        cx.send(Command::OpenPath(path));
                    }
                } else {
                    ui.label("");
                }
                ui.end_row();
            }
        });
        for (title, help, text) in [
            ("Command line", "runs the same task with the same parameters", command_line(record)),
            (
                "Repeat and verify",
                "repeats the run from its record and prints the largest difference",
                repeat_line(folder),
            ),
            ("Python", "shows the maps with astropy and matplotlib", python.to_owned()),
        ] {
            ui.add_space(10.0);
            ui.horizontal(|ui| {
                ui.heading(title);
                if ui.small_button("Copy").on_hover_text(format!("Copy: {title}")).clicked() {
                    cx.send(Command::Copy(text.clone()));
                }
                ui.weak(help);
            });
            egui::Frame::new().fill(ui.visuals().code_bg_color).inner_margin(8).corner_radius(4).show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.add(egui::Label::new(RichText::new(text).monospace()).wrap());
            });
        }
    });
}

/// The line that runs the same task again, and the one that repeats the record.
pub fn command_lines(folder: &Path, record: &Record) -> Vec<String> {
    [command_line(record), repeat_line(folder)].into_iter().filter(|line| !line.is_empty()).collect()
}

/// The maps and tables of a run, as copies of its files.
pub fn run_products(folder: &Path, record: &Record) -> Vec<Product> {
    let data = record.files.iter().filter(|name| [".fits", ".ecsv"].iter().any(|ending| name.ends_with(ending)));
    data.map(|name| {
        let from = folder.join(name);
        Product::new(format!("{name} of the run"), name.clone(), move |path| copy_whole(&from, path))
    })
    .collect()
}

/// Copies a file so that nobody sees half of it.
fn copy_whole(from: &Path, to: &Path) -> Result<(), TaskError> {
    let mut source = std::fs::File::open(from).map_err(|e| TaskError::file(from, e.to_string()))?;
    Ok(crate::data::write_atomically(to, |out| std::io::copy(&mut source, out).map(|_| ()))?)
}

/// The `sextans run` line of a record: only what differs from the defaults.
pub fn command_line(record: &Record) -> String {
    let Some(entry) = crate::studies::task(&record.task) else { return String::new() };
    let schema = (entry.schema)();
    let defaults = (entry.defaults)().unwrap_or(Value::Null);
    let mut line = format!("sextans run {}", record.task);
    for field in crate::tasks::fields(&schema, &defaults) {
        let value = field.name.split('.').try_fold(&record.request, |v, part| v.get(part)).unwrap_or(&Value::Null);
        if *value == field.default || value.is_null() {
            continue;
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let flag = if field.kind == crate::tasks::FieldKind::Input { "--input" } else { "--set" };
        line.push_str(&format!(" {flag} {}", shell_quoted(&format!("{}={text}", field.name))));
    }
    line.push_str(" --out RESULT");
    line
}

fn repeat_line(folder: &Path) -> String {
    format!("sextans run --repeat {} --verify --out AGAIN", shell_quoted(&folder.display().to_string()))
}

/// The finished panel of a run as a PNG with the record inside, for the run folder; `None` for a task without a panel.
pub fn panel_picture(entry: &TaskEntry, _request: &Value, outcome: &AnyOutcome, record: &str) -> Option<Vec<u8>> {
    let study = entry.name.split('.').next()?;
    let draw = super::PANELS.iter().find(|p| p.study && p.kind == study)?.picture?;
    let picture = draw(&Record::from_json(record).ok()?, outcome)?;
    picture.to_png(Some(record), &[("Software", "Sextans")]).ok()
}

/// What the house gives to every run: the picture of the panel; no network weights yet.
pub const HOOKS: Hooks = Hooks { picture: panel_picture, weights: |_, _| Vec::new() };
