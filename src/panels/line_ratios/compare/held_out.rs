//! Where the sights of held-out spectra have their numbers from: a finished benchmark among the runs, or one that was opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{RichText, Ui};

use super::super::LineRatios;
use crate::panels::study::run_into;
use crate::panels::{Command, PanelContext, Severity};
use crate::runs::{Library, Record};
use crate::studies::line_ratios::{BenchmarkOutcome, BenchmarkRequest};
use crate::tasks::{Outcome, Task, TaskEntry, TaskError};
use crate::workers::{Answer, Key, Weigh};

/// A finished benchmark, or that there is none.
pub(super) struct HeldOutRun {
    /// Where it lies and what it found.
    pub found: Option<(PathBuf, Arc<BenchmarkOutcome>)>,
    /// Another one for every reading.
    serial: u64,
}

impl Weigh for HeldOutRun {
    fn bytes(&self) -> usize {
        self.found.as_ref().map_or(64, |(_, outcome)| 200 * outcome.held_out.len() + 300 * outcome.rows.len())
    }
}

impl HeldOutRun {
    /// Reads this folder, or the newest benchmark of the library.
    fn read(folder: Option<&Path>, library: &Library, serial: u64) -> Result<Self, TaskError> {
        let newest = || {
            let mut runs = library.list().into_iter();
            runs.find(|run| run.record.task == BenchmarkRequest::NAME).map(|run| (run.folder, run.record))
        };
        let chosen = match folder {
            Some(folder) => Some((folder.to_owned(), Record::read(folder)?)),
            None => newest(),
        };
        let Some((folder, record)) = chosen else { return Ok(Self { found: None, serial }) };
        if record.task != BenchmarkRequest::NAME {
            let problem = format!("is a run of {}, not of {}", record.task, BenchmarkRequest::NAME);
            return Err(TaskError::file(&folder, problem));
        }
        let outcome = BenchmarkOutcome::load(&folder, &record.request, &record.metrics)?;
        Ok(Self { found: Some((folder, Arc::new(outcome))), serial })
    }

    /// What tells it from another.
    pub(super) fn key(&self) -> (u64, Option<&Path>) {
        (self.serial, self.found.as_ref().map(|(folder, _)| folder.as_path()))
    }
}

impl LineRatios {
    /// Asks for the benchmark, and takes one that was made here.
    pub(super) fn ask_held_out(&mut self, cx: &mut PanelContext<'_>) {
        let folder = self.saved.compare.benchmark.clone();
        let (library, serial) = (cx.services.library.clone(), self.work.benchmarks);
        let key = Key::of(&("held out", &folder, serial));
        let answer = cx.services.queries.ask(cx.slot("held out"), key, &cx.services.wake, move |_| {
            HeldOutRun::read(folder.as_deref(), &library, serial)
        });
        self.work.held_out_problem = None;
        match &answer {
            Answer::Ready(run) => self.work.held_out = Some(run.clone()),
            Answer::Pending { .. } => self.work.waiting = true,
            Answer::Failed(message) => {
                self.work.held_out = None;
                self.work.held_out_problem = Some(message.to_string());
            }
        }
    }

    /// Takes a benchmark that was started here and has ended.
    pub(in crate::panels::line_ratios) fn take_benchmark(&mut self, cx: &mut PanelContext<'_>) {
        if let Some((folder, notes)) = self.benchmark.take(cx) {
            for note in notes {
                cx.send(Command::Notice(Severity::Warning, note));
            }
            self.saved.compare.benchmark = Some(folder);
            self.work.benchmarks += 1;
        }
    }

    /// The benchmark in use, or how to come by one.
    pub(super) fn benchmark_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) -> Option<Arc<BenchmarkOutcome>> {
        if let Some(problem) = &self.work.held_out_problem {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(problem).color(color)).wrap());
        }
        let held_out = self.work.held_out.clone();
        let found = held_out.as_ref().and_then(|run| run.found.clone());
        ui.horizontal_wrapped(|ui| {
            match &found {
                Some((folder, outcome)) => {
                    let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                    let text = format!("Simulated spectra that no training has seen, from {name}");
                    ui.weak(RichText::new(text).small()).on_hover_text(folder.display().to_string());
                    if outcome.held_out.is_empty() {
                        ui.label("that run kept no spectra one by one; give it kept_spectra");
                    }
                }
                None if held_out.is_some() || self.work.held_out_problem.is_some() => {
                    ui.label("No finished benchmark is among the runs: make one here, or open the folder of one.");
                }
                None => {
                    ui.spinner();
                }
            }
            if self.benchmark.is_running() {
                self.benchmark.controls_ui(ui, cx.services);
                return;
            }
            let ready = held_out.is_some() || self.work.held_out_problem.is_some();
            let text = if found.is_some() { "Run it again" } else { "Run the benchmark" };
            let button =
                if found.is_some() { ui.small_button(text) } else { ui.add_enabled(ready, egui::Button::new(text)) };
            let help = "A minute or two of one core, in the long lane: sextans run line_ratios.benchmark --out RESULT";
            if button.on_hover_text(help).clicked() {
                self.start_benchmark(cx);
            }
        });
        if let Some(error) = &self.benchmark.error {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(error).color(color)).wrap());
        }
        found.map(|(_, outcome)| outcome)
    }

    fn start_benchmark(&mut self, cx: &mut PanelContext<'_>) {
        let request = BenchmarkRequest::default();
        self.benchmark.start(cx.services, &TaskEntry::of::<BenchmarkRequest>(), move |board, library| {
            let result = run_into(&request, board, library)?;
            Ok((result.folder, result.notes))
        });
    }
}
