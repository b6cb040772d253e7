//! Short messages to the user: shown for a while, kept in a history.

use std::time::{Duration, Instant};

use crate::panels::Severity;

/// How long a message of each weight stays on the screen.
fn lifetime(severity: Severity) -> Duration {
    match severity {
        Severity::Info => Duration::from_secs(5),
        Severity::Warning => Duration::from_secs(10),
        Severity::Error => Duration::from_secs(20),
    }
}

/// One message.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Weight.
    pub severity: Severity,
    /// Text, one or two lines.
    pub text: String,
    since: Instant,
    dismissed: bool,
}

/// All messages of this session of the program, newest last.
#[derive(Debug, Default)]
pub struct Notices {
    all: Vec<Notice>,
}

impl Notices {
    /// Adds a message; the same text twice in a row is shown once.
    pub fn push(&mut self, severity: Severity, text: String) {
        if let Some(last) = self.all.last_mut()
            && last.text == text
            && !last.dismissed
        {
            last.since = Instant::now();
            return;
        }
        self.all.push(Notice { severity, text, since: Instant::now(), dismissed: false });
    }

    /// Messages, oldest first.
    pub fn all(&self) -> &[Notice] {
        &self.all
    }

    /// Draws those that are still fresh, at the lower right, and asks for a repaint when the next one fades.
    pub fn ui(&mut self, ctx: &egui::Context) {
        let fresh: Vec<usize> = (0..self.all.len())
            .filter(|&i| !self.all[i].dismissed && self.all[i].since.elapsed() < lifetime(self.all[i].severity))
            .collect();
        if fresh.is_empty() {
            return;
        }
        let soonest = fresh
            .iter()
            .map(|&i| lifetime(self.all[i].severity).saturating_sub(self.all[i].since.elapsed()))
            .min()
            .unwrap_or_default();
        ctx.request_repaint_after(soonest + Duration::from_millis(20));
        let dismissed: Vec<usize> = egui::Area::new(egui::Id::unique("notices"))
            .anchor(egui::Align2::RIGHT_BOTTOM, egui::vec2(-14.0, -36.0))
            .order(egui::Order::Foreground)
            .show(ctx, |ui| {
                ui.set_max_width(420.0);
                fresh.iter().rev().take(4).copied().filter(|&i| notice_ui(ui, &self.all[i])).collect()
            })
            .inner;
        for i in dismissed {
            self.all[i].dismissed = true;
        }
    }
}

/// Draws one message; true when it is to go.
fn notice_ui(ui: &mut egui::Ui, notice: &Notice) -> bool {
    let (color, word) = match notice.severity {
        Severity::Info => (ui.visuals().hyperlink_color, "Note"),
        Severity::Warning => (ui.visuals().warn_fg_color, "Warning"),
        Severity::Error => (ui.visuals().error_fg_color, "Error"),
    };
    egui::Frame::window(ui.style())
        .show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.colored_label(color, word);
                ui.add(egui::Label::new(&notice.text).wrap());
                ui.small_button("×").on_hover_text("Dismiss").clicked()
            })
            .inner
        })
        .inner
}
