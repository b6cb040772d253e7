//! Claims about the image view in the whole window, 1366 x 768 points: an image of 16384 x 16384 floats (1.07 GB) is
//! panned and zoomed with the grid on, and the first picture of one of 4096 x 4096 (67 MB). The files are made in the
//! temporary folder (`TMPDIR`) and removed after.
//!
//! A frame here is logic + ui + textures handed over + tessellation, without painting, as the thread of the window does
//! it. Times are those of the clock: on a machine that does other things meanwhile the worst ones are too long.
//!
//! ```text
//! cargo bench --bench main -- image_view
//! ```

use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use criterion::Criterion;
use egui::{Event, Modifiers, MouseWheelUnit, PointerButton, Pos2, Theme, TouchPhase, pos2, vec2};
use sextans::app::{RenderOptions, Session, ViewRecord, Workbench, render_image};
use sextans::plots::headless::Headless;
use sextans::plots::image_tiles::{TILE_SIDE, UPLOADS_PER_FRAME};
use sextans::runs::Library;
use sextans::workers::no_wake;

const SIZE: [f32; 2] = [1366.0, 768.0];
const LARGE: usize = 16384;
const FRAMES: usize = 400;

/// A square image of noise with coordinates on the sky.
fn make(path: &Path, side: usize) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut cards = vec![
        "SIMPLE  =                    T".to_owned(),
        "BITPIX  =                  -32".to_owned(),
        "NAXIS   =                    2".to_owned(),
        format!("NAXIS1  = {side:>20}"),
        format!("NAXIS2  = {side:>20}"),
        "CTYPE1  = 'RA---TAN'".to_owned(),
        "CTYPE2  = 'DEC--TAN'".to_owned(),
    ];
    for (name, value) in [("CRVAL1", 150.0), ("CRVAL2", 2.2), ("CDELT1", -5e-5), ("CDELT2", 5e-5)] {
        cards.push(format!("{name:<8}= {value:>20E}"));
    }
    cards.extend([1, 2].map(|i| format!("CRPIX{i}  = {:>20}", side as f64 / 2.0)));
    cards.push("END".to_owned());
    let header: String = cards.iter().map(|card| format!("{card:<80}")).collect();
    file.write_all(format!("{header:<2880}").as_bytes())?;
    let mut state = 20_261_120u32;
    let mut row = Vec::with_capacity(4 * side);
    for _ in 0..side {
        row.clear();
        for _ in 0..side {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            row.extend_from_slice(&((state >> 8) as f32 * 1e-5 + 100.0).to_be_bytes());
        }
        file.write_all(&row)?;
    }
    let bytes = 4 * side * side;
    file.write_all(&vec![0; bytes.next_multiple_of(2880) - bytes])?;
    file.flush()
}

/// The window with an image, without a display.
struct Window {
    workbench: Workbench,
    screen: Headless,
    _folder: tempfile::TempDir,
}

impl Window {
    fn open(path: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut workbench = Workbench::new(no_wake(), Library::at(folder.path())).expect("a window");
        let state = serde_json::json!({ "path": path, "grid": true });
        workbench.restore(&Session {
            paths: vec![path.to_owned()],
            views: vec![ViewRecord { id: 1, kind: "image".into(), state }],
            focused: Some(1),
            ..Session::default()
        });
        let mut window = Self { workbench, screen: Headless::new(SIZE, 1.0, Theme::Dark), _folder: folder };
        window.settle();
        window
    }

    /// One frame; seconds, and tiles that were uploaded.
    fn frame(&mut self) -> (f64, usize) {
        let start = Instant::now();
        self.screen.frame(|ui| {
            self.workbench.logic(ui.ctx());
            self.workbench.ui(ui);
        });
        black_box(self.screen.tessellate());
        let tiles = self.screen.uploaded_bytes() / (4 * TILE_SIDE * TILE_SIDE);
        (start.elapsed().as_secs_f64(), tiles)
    }

    fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 6 {
            self.frame();
            quiet = if self.workbench.busy() { 0 } else { quiet + 1 };
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn button(&mut self, pos: Pos2, pressed: bool) {
        self.screen.event(Event::PointerMoved(pos));
        let button = PointerButton::Middle;
        self.screen.event(Event::PointerButton { pos, button, pressed, modifiers: Modifiers::NONE });
        self.frame();
    }

    fn wheel(&mut self, points: f32) {
        self.screen.event(Event::PointerMoved(pos2(620.0, 420.0)));
        self.screen.event(Event::MouseWheel {
            unit: MouseWheelUnit::Point,
            delta: vec2(0.0, points),
            phase: TouchPhase::Move,
            modifiers: Modifiers::NONE,
            source: egui::MouseWheelSource::Unknown,
        });
    }

    fn key(&mut self, key: egui::Key) {
        self.screen.event(Event::PointerMoved(pos2(620.0, 420.0)));
        self.frame();
        for pressed in [true, false] {
            let modifiers = Modifiers::NONE;
            self.screen.event(Event::Key { key, physical_key: None, pressed, repeat: false, modifiers });
        }
        self.frame();
    }

    /// One frame of a drag that goes around in the view, many points a frame.
    fn pan(&mut self, i: usize) -> (f64, usize) {
        // Down and up again, so that the image is crossed and not only shaken.
        let forth = if (i / 160).is_multiple_of(2) { 1.0 } else { -1.0 };
        let way = (i % 8) as f32 - 3.5;
        let place = pos2(620.0, 420.0) + forth * vec2(37.0 * way, 29.0 * way);
        if i.is_multiple_of(8) {
            self.button(place, true);
        }
        self.screen.event(Event::PointerMoved(place));
        let frame = self.frame();
        if i % 8 == 7 {
            self.button(place, false);
        }
        frame
    }
}

/// A line for people: `image_view NAME VALUE UNIT`.
fn say(name: &str, value: f64, unit: &str) {
    println!("image_view {name} {value:.3} {unit}");
}

/// Median, 99th per cent and worst of the frames, and the most tiles in one of them.
fn report(name: &str, frames: &[(f64, usize)]) {
    let mut times: Vec<f64> = frames.iter().map(|f| f.0 * 1e3).collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    say(&format!("{name}_median"), at(0.5), "ms a frame");
    say(&format!("{name}_99_percent"), at(0.99), "ms a frame");
    say(&format!("{name}_worst"), at(1.0), "ms a frame");
    let most = frames.iter().map(|f| f.1).max().unwrap_or(0);
    say(&format!("{name}_most_uploads"), most as f64, "tiles a frame");
    assert!(most <= UPLOADS_PER_FRAME, "{name}: {most} tiles in one frame");
}

fn first_picture(folder: &Path) {
    let path = folder.join("medium.fits");
    make(&path, 4096).expect("67 MB in the temporary folder");
    for _ in 0..3 {
        let start = Instant::now();
        let options = RenderOptions { open: vec![path.clone()], ..RenderOptions::default() };
        black_box(render_image(&options).expect("a picture"));
        say("first_picture_4096", start.elapsed().as_secs_f64(), "s");
    }
}

fn claims(path: &Path) -> Window {
    let start = Instant::now();
    let mut window = Window::open(path);
    say("open_16384", start.elapsed().as_secs_f64(), "s until every level is made");
    window.key(egui::Key::Num1);
    let frames: Vec<_> = (0..FRAMES).map(|i| window.pan(i)).collect();
    report("pan_16384_one_to_one", &frames);
    window.key(egui::Key::Num0);
    let frames: Vec<_> = (0..FRAMES)
        .map(|i| {
            // In for 40 frames, out for 40.
            window.wheel(if (i / 40).is_multiple_of(2) { 30.0 } else { -30.0 });
            window.frame()
        })
        .collect();
    report("zoom_16384", &frames);
    window.key(egui::Key::Num0);
    window.wheel(300.0);
    let frames: Vec<_> = (0..FRAMES).map(|i| window.pan(i)).collect();
    report("pan_16384_reduced", &frames);
    window
}

/// All of the claims, once each; the frame of a pan as criterion's number.
pub fn image_view(c: &mut Criterion) {
    let mut group = c.benchmark_group("image_view");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    let mut held: Option<(tempfile::TempDir, Window)> = None;
    // Nothing is made unless the filter asks for this group.
    group.bench_function("pan 16384 x 16384, one frame", |b| {
        let (_, window) = held.get_or_insert_with(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            first_picture(folder.path());
            let path: PathBuf = folder.path().join("large.fits");
            make(&path, LARGE).expect("the temporary folder takes 1.1 GB; set TMPDIR to one that does");
            let window = claims(&path);
            (folder, window)
        });
        let mut i = 0;
        b.iter(|| {
            i += 1;
            window.pan(i)
        });
    });
    group.finish();
}
