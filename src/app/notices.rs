//! Messages to the user: shown for a while at the lower right, kept in a history; errors stay until they are read.

use std::time::{Duration, Instant, SystemTime};

use egui::{Align, Layout, RichText, ScrollArea, Ui};

use crate::panels::{Command, Severity};
use crate::runs::utc;

/// Messages kept.
const LIMIT: usize = 500;
/// Messages on the screen at once.
const SHOWN: usize = 4;

/// How long a message of each weight stays on the screen; an error until it is dismissed or the list is read.
fn lifetime(severity: Severity) -> Option<Duration> {
    match severity {
        Severity::Info => Some(Duration::from_secs(5)),
        Severity::Warning => Some(Duration::from_secs(10)),
        Severity::Error => None,
    }
}

/// One message.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Weight.
    pub severity: Severity,
    /// Text, one or two lines.
    pub text: String,
    /// When it was said.
    pub at: SystemTime,
    /// True once it was dismissed, or stood in the list while that was open.
    pub read: bool,
    /// What can be done about it: text of a button, and its command.
    pub offer: Option<(&'static str, Command)>,
    since: Instant,
    dismissed: bool,
}

impl Notice {
    /// What is left of its time on the screen; `None` when it is over.
    fn left(&self) -> Option<Duration> {
        let forever = Duration::from_secs(u64::MAX / 4);
        let left = lifetime(self.severity).map_or(forever, |life| life.saturating_sub(self.since.elapsed()));
        (!self.dismissed && !left.is_zero()).then_some(left)
    }
}

/// All messages of this session of the program, newest last.
#[derive(Debug, Default)]
pub struct Notices {
    all: Vec<Notice>,
}

impl Notices {
    /// Adds a message; the same text twice in a row is shown once.
    pub fn push(&mut self, severity: Severity, text: String) {
        self.add(severity, text, None);
    }

    /// Adds a message with a button.
    pub fn offer(&mut self, severity: Severity, text: String, button: &'static str, command: Command) {
        self.add(severity, text, Some((button, command)));
    }

    fn add(&mut self, severity: Severity, text: String, offer: Option<(&'static str, Command)>) {
        if let Some(last) = self.all.last_mut()
            && last.text == text
            && !last.dismissed
        {
            last.since = Instant::now();
            return;
        }
        if self.all.len() == LIMIT {
            self.all.remove(0);
        }
        let at = SystemTime::now();
        self.all.push(Notice { severity, text, at, read: false, offer, since: Instant::now(), dismissed: false });
    }

    /// Messages, oldest first.
    pub fn all(&self) -> &[Notice] {
        &self.all
    }

    /// How many nobody has read.
    pub fn unread(&self) -> usize {
        self.all.iter().filter(|n| !n.read).count()
    }

    /// Draws those that are still fresh, at the lower right, and asks for a repaint when the next one fades.
    pub fn ui(&mut self, ctx: &egui::Context, commands: &mut Vec<Command>) {
        let fresh: Vec<usize> =
            (0..self.all.len()).rev().filter(|&i| self.all[i].left().is_some()).take(SHOWN).collect();
        if fresh.is_empty() {
            return;
        }
        // An error waits for the user, not for the clock.
        let fading = fresh.iter().filter(|&&i| lifetime(self.all[i].severity).is_some());
        if let Some(soonest) = fading.filter_map(|&i| self.all[i].left()).min() {
            ctx.request_repaint_after(soonest + Duration::from_millis(20));
        }
        egui::Area::new(egui::Id::unique("notices"))
            .anchor(egui::Align2::RIGHT_BOTTOM, egui::vec2(-14.0, -36.0))
            .order(egui::Order::Foreground)
            .show(ctx, |ui| {
                ui.set_max_width(420.0);
                for i in fresh {
                    if toast_ui(ui, &self.all[i], commands) {
                        self.all[i].dismissed = true;
                        self.all[i].read = true;
                    }
                }
            });
    }

    /// Draws the list of all messages, newest first; they count as read.
    pub fn list_ui(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        for notice in &mut self.all {
            notice.read = true;
            notice.dismissed |= notice.severity == Severity::Error;
        }
        ui.horizontal(|ui| {
            ui.weak(match self.all.len() {
                0 => "No messages yet".to_owned(),
                1 => "1 message; times are UTC".to_owned(),
                n => format!("{n} messages; times are UTC"),
            });
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui.add_enabled(!self.all.is_empty(), egui::Button::new("Clear")).clicked() {
                    self.all.clear();
                }
                let copy = ui.add_enabled(!self.all.is_empty(), egui::Button::new("Copy all"));
                if copy.on_hover_text("Copy the list as text").clicked() {
                    commands.push(Command::Copy(self.to_text()));
                }
            });
        });
        ui.separator();
        ScrollArea::vertical().auto_shrink([false, true]).max_height(360.0).show(ui, |ui| {
            for notice in self.all.iter().rev() {
                line_ui(ui, notice, commands);
            }
        });
    }

    /// The list as text, a line a message.
    fn to_text(&self) -> String {
        let line = |n: &Notice| format!("{} {}: {}", utc(n.at), word(n.severity), n.text);
        self.all.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "Note",
        Severity::Warning => "Warning",
        Severity::Error => "Error",
    }
}

fn color(severity: Severity, visuals: &egui::Visuals) -> egui::Color32 {
    match severity {
        Severity::Info => visuals.hyperlink_color,
        Severity::Warning => visuals.warn_fg_color,
        Severity::Error => visuals.error_fg_color,
    }
}

fn line_ui(ui: &mut Ui, notice: &Notice, commands: &mut Vec<Command>) {
    ui.horizontal_wrapped(|ui| {
        let time = utc(notice.at);
        ui.label(RichText::new(time.get(11..19).unwrap_or_default()).monospace().weak());
        ui.colored_label(color(notice.severity, ui.visuals()), word(notice.severity));
        ui.label(&notice.text);
        if let Some((button, command)) = &notice.offer
            && ui.small_button(*button).clicked()
        {
            commands.push(command.clone());
        }
        if ui.small_button("Copy").clicked() {
            commands.push(Command::Copy(notice.text.clone()));
        }
    });
}

/// Draws one message; true when it is to go.
fn toast_ui(ui: &mut Ui, notice: &Notice, commands: &mut Vec<Command>) -> bool {
    egui::Frame::window(ui.style())
        .show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.colored_label(color(notice.severity, ui.visuals()), word(notice.severity));
                // The buttons stand at the right of a text of any length.
                let room = if notice.offer.is_some() { 120.0 } else { 40.0 };
                ui.scope(|ui| {
                    ui.set_max_width((ui.available_width() - room).max(80.0));
                    ui.add(egui::Label::new(&notice.text).wrap());
                });
                let mut gone = false;
                if let Some((button, command)) = &notice.offer
                    && ui.button(*button).clicked()
                {
                    commands.push(command.clone());
                    gone = true;
                }
                gone | ui.small_button("×").on_hover_text("Dismiss").clicked()
            })
            .inner
        })
        .inner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stay_and_the_list_has_an_end() {
        let mut notices = Notices::default();
        notices.push(Severity::Error, "broken".into());
        notices.push(Severity::Error, "broken".into());
        assert_eq!((notices.all().len(), notices.unread()), (1, 1));
        notices.all[0].since = Instant::now().checked_sub(Duration::from_secs(40)).unwrap();
        assert!(notices.all[0].left().is_some(), "an error waits to be read");
        for i in 0..LIMIT {
            notices.push(Severity::Info, i.to_string());
        }
        assert_eq!(notices.all().len(), LIMIT);
        assert!(notices.to_text().lines().next().unwrap().ends_with("Note: 0"));
    }
}
