//! The window in a test: no display, our own painter, clicks by label.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use ndarray::Array2;
use sextans::app::{ThemeChoice, UserFolders, Workbench};
use sextans::data::{Plane, arcsec_grid, write_planes};
use sextans::panels::Command;
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

/// A window of a user whose settings, recent files and runs lie in `folder`.
pub(crate) fn of_user(folder: &Path) -> Harness<'static, Workbench> {
    let workbench = Workbench::of_user(no_wake(), UserFolders::at(&folder.join("user"))).unwrap();
    Harness::builder().with_size([1366.0, 768.0]).renderer(Painter::default()).with_max_steps(64).build_ui_state(
        |ui, workbench: &mut Workbench| {
            workbench.logic(ui.ctx());
            workbench.ui(ui);
        },
        workbench,
    )
}

/// An image of `width` x `height` pixels in which each pixel is 100 y + x.
pub(crate) fn ramp(path: &Path, width: usize, height: usize) -> PathBuf {
    let pixels = Array2::from_shape_fn((height, width), |(y, x)| (100 * y + x) as f32);
    let keywords = arcsec_grid(height, width, 0.1);
    let plane = Plane { name: "SCI", pixels: pixels.view().into_dyn(), unit: "Jy", keywords };
    write_planes(path, &[plane], &[]).unwrap();
    path.to_owned()
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

/// A window in a test.
pub(crate) type Window = Harness<'static, Workbench>;

/// Presses a key and waits for what it does.
pub(crate) fn press(harness: &mut Window, modifiers: Modifiers, key: Key) {
    harness.key_press_modifiers(modifiers, key);
    settle(harness);
}

/// Types, letter by letter or as pasted.
pub(crate) fn type_letters(harness: &mut Window, text: &str) {
    harness.event(egui::Event::Text(text.to_owned()));
    settle(harness);
}

/// Opens a file and waits until it is shown.
pub(crate) fn open(harness: &mut Window, path: &Path) {
    harness.state_mut().send(Command::OpenPath(path.to_owned()));
    settle(harness);
}
