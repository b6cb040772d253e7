//! Writing to the terminal: a reader who has gone away (`| head`) ends the output, never the program.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::tasks::Snapshot;

/// Standard output and standard error of one command.
#[derive(Debug)]
pub(super) struct Output {
    /// Nobody reads stdout any more.
    closed: bool,
}

impl Output {
    pub(super) fn new() -> Self {
        Self { closed: false }
    }

    /// Text for stdout, as it is.
    pub(super) fn text(&mut self, text: &str) {
        if !self.closed {
            let mut out = io::stdout().lock();
            self.closed = out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err();
        }
    }

    /// A line for stdout.
    pub(super) fn line(&mut self, line: &str) {
        self.text(&format!("{line}\n"));
    }

    /// A line for stderr. Should nobody read that either, there is no one left to tell.
    pub(super) fn error(&mut self, line: &str) {
        let line: String =
            line.split(['\n', '\r']).map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ");
        io::stderr().write_all(format!("{line}\n").as_bytes()).ok();
    }
}

/// Shows how a run goes: a bar on a terminal, else a line on stderr at most once a second.
pub(super) enum Meter {
    Quiet,
    Bar(ProgressBar),
    Lines(Lines),
}

/// What was last said in plain lines.
#[derive(Default)]
pub(super) struct Lines {
    said_at: Option<Instant>,
    percent: u32,
    phase: String,
}

impl Meter {
    pub(super) fn new(quiet: bool) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !io::stderr().is_terminal() {
            return Self::Lines(Lines::default());
        }
        let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr_with_hz(10));
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} % {elapsed} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self::Bar(bar)
    }

    /// Called often while the run goes.
    pub(super) fn show(&mut self, snapshot: &Snapshot, output: &mut Output) {
        match self {
            Self::Quiet => {}
            Self::Bar(bar) => {
                bar.set_position(scaled(snapshot.fraction, 1000.0).into());
                bar.set_message(snapshot.phase.clone());
            }
            Self::Lines(lines) => {
                if let Some(line) = lines.due(snapshot, Instant::now()) {
                    output.error(&line);
                }
            }
        }
    }

    /// Takes the bar off the terminal.
    pub(super) fn end(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// A fraction on a whole-numbered scale.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
fn scaled(fraction: f64, scale: f64) -> u32 {
    (fraction.clamp(0.0, 1.0) * scale).floor() as u32
}

impl Lines {
    /// The line to say now: only news, and a second after the last at the earliest.
    fn due(&mut self, snapshot: &Snapshot, now: Instant) -> Option<String> {
        let percent = scaled(snapshot.fraction, 100.0);
        let news = percent != self.percent || snapshot.phase != self.phase;
        if !news || self.said_at.is_some_and(|at| now - at < Duration::from_secs(1)) {
            return None;
        }
        *self = Self { said_at: Some(now), percent, phase: snapshot.phase.clone() };
        Some(format!("{percent:3} % {}", snapshot.phase).trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_come_at_most_once_a_second_and_only_with_news() {
        let mut lines = Lines::default();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let snapshot = |fraction: f64, phase: &str| Snapshot { fraction, phase: phase.into(), log_length: 0 };
        assert_eq!(lines.due(&snapshot(0.0, ""), at(0)), None);
        assert_eq!(lines.due(&snapshot(0.126, "fitting"), at(10)).as_deref(), Some(" 12 % fitting"));
        assert_eq!(lines.due(&snapshot(0.5, "fitting"), at(900)), None);
        assert_eq!(lines.due(&snapshot(0.5, "fitting"), at(1011)).as_deref(), Some(" 50 % fitting"));
        assert_eq!(lines.due(&snapshot(0.5, "fitting"), at(9000)), None);
    }
}
