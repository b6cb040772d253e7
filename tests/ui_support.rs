//! The window in a test: no display, our own painter, clicks by label.

use std::path::Path;
use std::time::{Duration, Instant};

use egui_kittest::{Harness, TestRenderer};
use sextans::app::{ThemeChoice, Workbench};
use sextans::plots::soft::SoftPainter;
use sextans::runs::Library;
use sextans::workers::no_wake;

/// The CPU painter behind kittest's face.
#[derive(Default)]
struct Painter(SoftPainter);

impl TestRenderer for Painter {
    fn handle_delta(&mut self, delta: &mut egui::TexturesDelta) {
        self.0.update_textures(delta);
    }

    fn render(&mut self, ctx: &egui::Context, output: &egui::FullOutput) -> Result<image::RgbaImage, String> {
        let size = ctx.content_rect().size() * output.pixels_per_point;
        let (width, height) = (size.x.round() as u32, size.y.round() as u32);
        let shapes = ctx.tessellate(output.shapes.clone(), output.pixels_per_point);
        let theme = if ctx.global_style().visuals.dark_mode { egui::Theme::Dark } else { egui::Theme::Light };
        let picture = self
            .0
            .paint([width, height], output.pixels_per_point, &shapes, sextans::plots::colors::canvas(theme))
            .map_err(|e| e.to_string())?;
        image::RgbaImage::from_raw(width, height, picture.into_rgba()).ok_or_else(|| "wrong size".into())
    }
}

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
pub(crate) fn until(harness: &mut Harness<'_, Workbench>, what: &str, mut done: impl FnMut(&Harness<'_, Workbench>) -> bool) {
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

/// Steps until nothing runs and a few frames more.
pub(crate) fn settle(harness: &mut Harness<'_, Workbench>) {
    until(harness, "the window to settle", |h| !h.state().busy());
    harness.run_steps(4);
}

/// Texts of all notices.
pub(crate) fn texts(harness: &Harness<'_, Workbench>) -> Vec<String> {
    harness.state().notices().all().iter().map(|n| n.text.clone()).collect()
}

/// Both themes.
pub(crate) const THEMES: [ThemeChoice; 2] = [ThemeChoice::Dark, ThemeChoice::Light];
