//! Claims about the window as a whole: dragging a slider of a simulated lens of 128 x 128 pixels, and the time to the first frame.
//!
//! A frame is logic + ui + tessellation on the thread of the window, the tree for screen readers included, without painting.
//!
//! ```text
//! cargo bench --bench main -- window
//! ```

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use egui::{Event, Modifiers, PointerButton, Pos2, Role, pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use sextans::app::{Session, ViewRecord, Workbench};
use sextans::runs::Library;
use sextans::workers::no_wake;

fn window(folder: &std::path::Path) -> Harness<'static, Workbench> {
    let mut workbench = Workbench::new(no_wake(), Library::at(folder)).expect("a window");
    let state = serde_json::json!({ "step": "data", "origin": "simulate", "simulate": { "pixels": 128, "pixel_scale_arcsec": 0.04 } });
    workbench.restore(&Session {
        views: vec![ViewRecord { id: 1, kind: "lens_reconstruction".into(), state }],
        focused: Some(1),
        ..Session::default()
    });
    Harness::builder().with_size([1366.0, 768.0]).with_max_steps(64).build_ui_state(
        |ui, workbench: &mut Workbench| {
            workbench.logic(ui.ctx());
            workbench.ui(ui);
        },
        workbench,
    )
}

/// One frame; milliseconds.
fn frame(harness: &mut Harness<'_, Workbench>) -> f64 {
    let start = Instant::now();
    harness.step();
    black_box(harness.ctx.tessellate(harness.output().shapes.clone(), 1.0));
    start.elapsed().as_secs_f64() * 1e3
}

fn settle(harness: &mut Harness<'_, Workbench>) {
    let mut quiet = 0;
    while quiet < 6 {
        frame(harness);
        quiet = if harness.state().busy() { 0 } else { quiet + 1 };
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn button(harness: &mut Harness<'_, Workbench>, pos: Pos2, pressed: bool) {
    harness.event(Event::PointerMoved(pos));
    harness.event(Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE });
    frame(harness);
}

fn report(name: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share) as usize];
    println!("window {name} median {:.2} 99 % {:.2} worst {:.2} ms", at(0.5), at(0.99), at(1.0));
}

/// All of the claims once; a frame of the drag as criterion's number.
pub fn window_claims(c: &mut Criterion) {
    let mut group = c.benchmark_group("window");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    let mut held: Option<(tempfile::TempDir, Harness<'static, Workbench>, Pos2)> = None;
    group.bench_function("drag a lens slider, one frame", |b| {
        let (_, harness, grip) = held.get_or_insert_with(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let start = Instant::now();
            let mut harness = window(folder.path());
            frame(&mut harness);
            println!("window first_frame {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
            settle(&mut harness);
            let slider = harness.get_by_role_and_label(Role::Slider, "Einstein radius").rect();
            let grip = pos2(slider.left() + 0.35 * slider.width(), slider.center().y);
            button(&mut harness, grip, true);
            let (mut frames, mut pictures) = (Vec::new(), Vec::new());
            for i in 0..300 {
                harness.event(Event::PointerMoved(moved(grip, i)));
                let start = Instant::now();
                frames.push(frame(&mut harness));
                // The picture of where the slider stands now.
                while harness.state().busy() {
                    frames.push(frame(&mut harness));
                }
                frames.push(frame(&mut harness));
                pictures.push(start.elapsed().as_secs_f64() * 1e3);
            }
            report("lens_slider_frame", frames);
            report("lens_slider_to_picture", pictures);
            (folder, harness, grip)
        });
        let mut i = 0;
        b.iter(|| {
            i += 1;
            harness.event(Event::PointerMoved(moved(*grip, i)));
            frame(harness)
        });
    });
    group.finish();
}

/// Back and forth along the slider.
fn moved(grip: Pos2, i: usize) -> Pos2 {
    pos2(grip.x + 24.0 * (i as f32 * 0.21).sin(), grip.y)
}
