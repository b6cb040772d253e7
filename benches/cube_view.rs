//! Claims about a cube in the whole window, 1366 x 768 points: 1000 planes of 300 x 300 floats (360 MB) with the spectrum
//! below the image. The pointer goes over the image without a click, the movie plays, contours follow a zoom.
//! The file is made in the temporary folder (`TMPDIR`) and removed after.
//!
//! A frame here is logic + ui + textures handed over + tessellation, without painting, as the thread of the window does
//! it; an answer is the time from the pointer's move until the spectrum of the new pixel is on the screen.
//!
//! ```text
//! cargo bench --bench main -- cube_view
//! ```

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use criterion::Criterion;
use egui::{Event, Modifiers, Theme, pos2, vec2};
use ndarray::Array3;
use sextans::app::Workbench;
use sextans::data::{Keyword, Plane, write_planes};
use sextans::panels::Command;
use sextans::plots::headless::Headless;
use sextans::runs::Library;
use sextans::workers::no_wake;

const SHAPE: (usize, usize, usize) = (1000, 300, 300);

/// A cube of noise with a line that moves across the field, at 500 to 600 nm.
fn make(path: &Path) {
    let mut state = 20_261_120u32;
    let pixels = Array3::from_shape_fn(SHAPE, |(z, y, x)| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let line = (-0.5 * ((z as f32 - 400.0 - x as f32 * 0.5 - y as f32 * 0.2) / 6.0).powi(2)).exp();
        50.0 * line + (state >> 8) as f32 * 1e-6
    });
    let keywords = vec![
        Keyword::new("CTYPE3", "WAVE", ""),
        Keyword::new("CUNIT3", "nm", ""),
        Keyword::new("CRPIX3", 1.0, ""),
        Keyword::new("CRVAL3", 500.0, ""),
        Keyword::new("CDELT3", 0.1, ""),
    ];
    let plane = Plane { name: "DATA", pixels: pixels.view().into_dyn(), unit: "Jy", keywords };
    write_planes(path, &[plane], &[]).expect("the temporary folder takes 360 MB; set TMPDIR to one that does");
}

/// The window with the cube, without a display.
struct Window {
    workbench: Workbench,
    screen: Headless,
    _folder: tempfile::TempDir,
}

impl Window {
    fn open(path: PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut workbench = Workbench::new(no_wake(), Library::at(folder.path())).expect("a window");
        workbench.send(Command::OpenPath(path));
        let mut window = Self { workbench, screen: Headless::new([1366.0, 768.0], 1.0, Theme::Dark), _folder: folder };
        window.settle();
        window
    }

    /// One frame, in milliseconds.
    fn frame(&mut self) -> f64 {
        let start = Instant::now();
        self.screen.frame(|ui| {
            self.workbench.logic(ui.ctx());
            self.workbench.ui(ui);
        });
        black_box(self.screen.tessellate());
        start.elapsed().as_secs_f64() * 1e3
    }

    fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 6 {
            self.frame();
            quiet = if self.workbench.busy() { 0 } else { quiet + 1 };
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The pointer goes somewhere else on the image: the longest frame, and the time until its spectrum is there.
    fn point(&mut self, i: usize) -> (f64, f64) {
        let start = Instant::now();
        let angle = i as f32 * 0.37;
        let place = pos2(600.0, 290.0) + vec2(110.0 * angle.cos(), 110.0 * (1.7 * angle).sin());
        self.screen.event(Event::PointerMoved(place));
        let mut longest = self.frame();
        longest = longest.max(self.frame());
        while self.workbench.busy() {
            longest = longest.max(self.frame());
        }
        (longest, start.elapsed().as_secs_f64() * 1e3)
    }

    fn key(&mut self, key: egui::Key) {
        for pressed in [true, false] {
            let modifiers = Modifiers::NONE;
            self.screen.event(Event::Key { key, physical_key: None, pressed, repeat: false, modifiers });
        }
    }
}

fn report(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    for (label, share) in [("median", 0.5), ("99_percent", 0.99), ("worst", 1.0)] {
        println!("cube_view {name}_{label} {:.3} ms", at(share));
    }
}

fn claims(window: &mut Window) {
    let (frames, answers): (Vec<f64>, Vec<f64>) = (0..200).map(|i| window.point(i)).unzip();
    report("pointer_frame", frames);
    report("pointer_until_the_spectrum", answers);
    let mut frames = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..100 {
        let start = Instant::now();
        window.key(egui::Key::Plus);
        frames.push(window.frame());
        frames.push(window.frame());
        while window.workbench.busy() {
            frames.push(window.frame());
        }
        answers.push(start.elapsed().as_secs_f64() * 1e3);
    }
    report("next_plane_frame", frames);
    report("next_plane_until_it_is_shown", answers);
}

/// All of the claims, once each; the frame with a moving pointer as criterion's number.
pub fn cube_view(c: &mut Criterion) {
    let mut group = c.benchmark_group("cube_view");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    let mut held: Option<(tempfile::TempDir, Window)> = None;
    // Nothing is made unless the filter asks for this group.
    group.bench_function("pointer over a cube, until the spectrum is there", |b| {
        let (_, window) = held.get_or_insert_with(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let path = folder.path().join("cube.fits");
            make(&path);
            let start = Instant::now();
            let mut window = Window::open(path);
            println!("cube_view open {:.3} s", start.elapsed().as_secs_f64());
            claims(&mut window);
            (folder, window)
        });
        let mut i = 1000;
        b.iter(|| {
            i += 1;
            window.point(i)
        });
    });
    group.finish();
}
