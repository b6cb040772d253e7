//! The window in a test: no display, our own painter, clicks by label.

use std::path::Path;
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use sextans::app::{ThemeChoice, Workbench};
use sextans::runs::Library;
use sextans::workers::no_wake;

use crate::painter::Painter;

/// A window of the size of a small laptop's, with its runs in `folder`.
pub(crate) fn window(folder: &Path) -> Harness<'static, Workbench> {
    sized(folder, [1366.0, 768.0])
}

/// A window of a given size.
pub(crate) fn sized(folder: &Path, size: [f32; 2]) -> Harness<'static, Workbench> {
    let workbench = Workbench::new(no_wake(), Library::at(folder.join("runs"))).unwrap();
    Harness::builder().with_size(size).renderer(Painter::default()).with_max_steps(64).build_ui_state(
        |ui, workbench: &mut Workbench| {
            workbench.logic(ui.ctx());
            workbench.ui(ui);
        },
        workbench,
    )
}

/// Steps until `done`, or fails after a minute with what was waited for.
pub(crate) fn until(
    harness: &mut Harness<'_, Workbench>,
    what: &str,
    mut done: impl FnMut(&Harness<'_, Workbench>) -> bool,
) {
    let start = Instant::now();
    loop {
        harness.step();
        if done(harness) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "waited a minute for {what}; notices: {:?}", texts(harness));
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Steps until nothing has run for a few frames.
pub(crate) fn settle(harness: &mut Harness<'_, Workbench>) {
    let mut quiet = 0;
    until(harness, "the window to settle", |h| {
        quiet = if h.state().busy() { 0 } else { quiet + 1 };
        quiet == 6
    });
}

/// Texts of all notices.
pub(crate) fn texts(harness: &Harness<'_, Workbench>) -> Vec<String> {
    harness.state().notices().all().iter().map(|n| n.text.clone()).collect()
}

/// Both themes.
pub(crate) const THEMES: [ThemeChoice; 2] = [ThemeChoice::Dark, ThemeChoice::Light];
