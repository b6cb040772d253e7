//! Promises, each told as what a user does: clicks and keys in, what is on the screen out.

use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use ndarray::Array2;
use sextans::data::{Plane, arcsec_grid, write_planes};
use sextans::panels::Command;
use sextans::runs::Record;

use crate::ui_support::{settle, texts, until, window};

fn ramp(folder: &std::path::Path) -> std::path::PathBuf {
    let path = folder.join("ramp.fits");
    let pixels = Array2::from_shape_fn((40, 60), |(y, x)| (100 * y + x) as f32);
    let plane = Plane { name: "SCI", pixels: pixels.view().into_dyn(), unit: "Jy", keywords: arcsec_grid(40, 60, 0.1) };
    write_planes(&path, &[plane], &[]).unwrap();
    path
}

#[test]
fn open_a_file_see_it_in_the_tree_and_read_the_value_under_the_pointer() {
    let folder = tempfile::tempdir().unwrap();
    let path = ramp(folder.path());
    let mut harness = window(folder.path());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::O);
    settle(&mut harness);
    harness.get_by_role(egui::Role::TextInput).type_text(&path.display().to_string());
    harness.run_steps(2);
    harness.get_by_label("Open").click();
    settle(&mut harness);
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
    assert!(harness.query_all_by_label_contains("60 × 40 pixels").count() > 0);
    let image = harness.query_all_by_role(egui::Role::Image).next().unwrap().rect();
    harness.hover_at(image.center());
    harness.run_steps(3);
    // The middle of the view is near the middle of the image: x 30, y 20, value about 100 * 19.5 + 29.5.
    let read_out =
        harness.query_all_by_label_contains("Jy").filter_map(|n| n.value()).find(|t| t.starts_with("x ")).unwrap();
    let value: f64 = read_out.split_whitespace().rev().nth(1).unwrap().parse().unwrap();
    let [x, y] = ["x ", "y "]
        .map(|axis| read_out.split(axis).nth(1).unwrap().split_whitespace().next().unwrap().parse::<f64>().unwrap());
    assert!((25.0..35.0).contains(&x) && (15.0..25.0).contains(&y), "{read_out}");
    // FITS pixels count from 1; the value is that of the pixel whose centre is nearest (x and y are shown to a tenth,
    // so near an edge either neighbour may be meant).
    let near = |v: f64| [(v - 0.05).round() - 1.0, (v + 0.05).round() - 1.0];
    let expected: Vec<f64> = near(y).iter().flat_map(|y| near(x).map(|x| 100.0 * y + x)).collect();
    assert!(expected.contains(&value), "{read_out}: one of {expected:?}");
}

#[test]
fn a_wrong_file_is_refused_in_one_line_and_nothing_else_happens() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("notes.fits");
    std::fs::write(&wrong, "these are notes, not an image").unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::OpenPath(wrong.clone()));
    settle(&mut harness);
    let notices = texts(&harness);
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("notes.fits") && !notices[0].contains('\n'), "{notices:?}");
    assert!(harness.state().session().views.is_empty());
}

#[test]
fn the_demo_fits_live_and_ends_in_compare_with_a_run_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::Demo("lens_reconstruction"));
    until(&mut harness, "the running fit", |h| h.query_by_label("Cancel").is_some());
    until(&mut harness, "the live residual map", |h| h.query_by_label("Residual").is_some());
    until(&mut harness, "the comparison", |h| h.query_by_label("True source").is_some());
    settle(&mut harness);
    assert!(harness.query_by_label("Effective Einstein radius").is_some());
    let runs: Vec<_> = std::fs::read_dir(folder.path().join("runs")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(runs.len(), 2, "{runs:?}");
    let fit = runs.iter().map(|r| Record::read(r).unwrap()).find(|r| r.task.ends_with(".fit")).unwrap();
    assert!((fit.metrics["einstein_radius_arcsec"] - 1.2).abs() < 0.02, "{:?}", fit.metrics);
    // Both runs stand in the data tree, also when the list of jobs is cleared.
    let listed = |h: &egui_kittest::Harness<'_, sextans::app::Workbench>| {
        h.query_all_by_label_contains("fit  ").count() == 1 && h.query_all_by_label_contains("simulate  ").count() == 1
    };
    assert!(listed(&harness), "the runs are not in the tree");
    harness.state().services().jobs.clear_finished();
    settle(&mut harness);
    assert!(listed(&harness), "the runs left the tree with the jobs");
    harness.get_by_label("4  Keep").click();
    settle(&mut harness);
    assert!(harness.query_by_label("record.json").is_some());
    assert!(harness.query_by_label_contains("--repeat").is_some());
}

#[test]
fn a_picture_with_a_record_opens_its_run_and_a_stray_one_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::Demo("lens_reconstruction"));
    until(&mut harness, "the comparison", |h| h.query_by_label("True source").is_some());
    let runs = std::fs::read_dir(folder.path().join("runs")).unwrap().map(|e| e.unwrap().path());
    let picture = runs.map(|r| r.join("panel.png")).find(|p| p.to_string_lossy().contains(".fit-")).unwrap();
    let stray = folder.path().join("from_a_talk.png");
    std::fs::copy(&picture, &stray).unwrap();

    let mut other = window(folder.path());
    other.state_mut().send(Command::OpenPath(picture));
    until(&mut other, "the comparison of the run", |h| h.query_by_label("True source").is_some());

    let mut third = window(folder.path());
    third.state_mut().send(Command::OpenPath(stray));
    settle(&mut third);
    let state = third.state().session().views[0].state.clone();
    assert_eq!(state["step"], "data");
    assert!(state["fit"]["image"].as_str().unwrap().ends_with("image.fits"), "{state}");
    assert!(texts(&third).is_empty(), "{:?}", texts(&third));
}

#[test]
fn a_cancelled_fit_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::Demo("lens_reconstruction"));
    until(&mut harness, "the running fit", |h| h.query_by_label("Cancel").is_some());
    harness.get_by_label("Cancel").click();
    until(&mut harness, "the end of it", |h| texts(h).iter().any(|t| t.contains("Cancelled")));
    settle(&mut harness);
    let left: Vec<_> = std::fs::read_dir(folder.path().join("runs"))
        .map(|d| d.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    // The simulation may have been finished; of the fit there is nothing, not even a part.
    assert!(left.iter().all(|n| n.contains("simulate") && !n.contains("part")), "{left:?}");
}

#[test]
fn a_slider_moves_the_simulated_lens() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::OpenPanel("lens_reconstruction"));
    settle(&mut harness);
    let before = harness.render().unwrap();
    let slider = harness
        .query_all_by_label("Einstein radius")
        .find(|n| n.accesskit_node().role() == egui::Role::Slider)
        .unwrap();
    slider.focus();
    for _ in 0..10 {
        harness.key_press(Key::ArrowRight);
        harness.step();
    }
    settle(&mut harness);
    let state = &harness.state().session().views[0].state;
    assert!(state["simulate"]["lens"]["einstein_radius_arcsec"].as_f64().unwrap() > 1.2, "{state}");
    let after = harness.render().unwrap();
    // The maps lie in the middle of the window: many of their pixels have changed.
    let changed =
        before.enumerate_pixels().filter(|(x, y, p)| *x > 540 && *y > 150 && after.get_pixel(*x, *y) != *p).count();
    assert!(changed > 2_000, "{changed}");
}

#[test]
fn files_without_a_pixel_scale_ask_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bare.fits");
    let pixels = Array2::from_shape_fn((30, 30), |(y, x)| ((x * 7 + y * 13) % 10) as f32);
    write_planes(
        &path,
        &[Plane { name: "SCI", pixels: pixels.view().into_dyn(), unit: "", keywords: Vec::new() }],
        &[],
    )
    .unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::OpenPanel("lens_reconstruction"));
    settle(&mut harness);
    harness.get_by_label("My files").click();
    settle(&mut harness);
    let field = |h: &egui_kittest::Harness<'_, _>, act: &dyn Fn(egui_kittest::Node<'_>)| {
        act(h.query_all_by_label("Image").find(|n| n.accesskit_node().role() == egui::Role::TextInput).unwrap());
    };
    field(&harness, &|n| n.focus());
    harness.run_steps(2);
    field(&harness, &|n| n.type_text(&path.display().to_string()));
    settle(&mut harness);
    assert!(harness.state().session().views[0].state["fit"]["image"].is_null(), "half a path is no path");
    harness.key_press(Key::Enter);
    settle(&mut harness);
    let state = harness.state().session().views[0].state.clone();
    assert_eq!(state["fit"]["image"], serde_json::json!(path), "the typed path arrived");
    assert!(harness.query_by_label_contains("pixel_scale_arcsec").is_some(), "{state}");
    harness.get_by_label("Use it").click();
    settle(&mut harness);
    // The next thing that is missing is asked for by name, with a value that would do.
    assert!(harness.query_by_label_contains("noise_sigma=").is_some());
}

#[test]
fn the_theme_switches_and_the_session_remembers_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    settle(&mut harness);
    harness.get_by_label("Light").click();
    settle(&mut harness);
    assert_eq!(harness.state().session().theme, sextans::app::ThemeChoice::Light);
    let path = folder.path().join("session.json");
    harness.state().session().save(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let mut other = window(folder.path());
    other.state_mut().send(Command::OpenPath(path));
    settle(&mut other);
    assert_eq!(other.state().session().to_text().unwrap(), text);
}

#[test]
fn two_sessions_at_once_leave_the_last_one_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    let mut sessions = Vec::new();
    for (name, zoom) in [("a.json", 1.25), ("b.json", 1.5)] {
        let path = folder.path().join(name);
        let session = sextans::app::Session { zoom, paths: vec![ramp(folder.path())], ..harness.state().session() };
        session.save(&path).unwrap();
        sessions.push(path);
    }
    for path in sessions {
        harness.state_mut().send(Command::OpenPath(path));
    }
    settle(&mut harness);
    assert!([1.25, 1.5].contains(&harness.state().session().zoom));
    assert_eq!(harness.state().session().paths, [ramp(folder.path())]);
}

#[test]
fn a_file_that_was_closed_and_one_that_changed_open_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = ramp(folder.path());
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::OpenPath(path.clone()));
    settle(&mut harness);
    harness.state_mut().send(Command::CloseView);
    harness.state_mut().send(Command::Forget(path.clone()));
    settle(&mut harness);
    assert!(harness.state().session().paths.is_empty());
    // Another image under the same name.
    let pixels = Array2::from_elem((20, 30), 7.0_f32);
    write_planes(
        &path,
        &[Plane { name: "SCI", pixels: pixels.view().into_dyn(), unit: "Jy", keywords: Vec::new() }],
        &[],
    )
    .unwrap();
    harness.state_mut().send(Command::OpenPath(path));
    settle(&mut harness);
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
    assert!(harness.query_all_by_label_contains("30 × 20 pixels").count() > 0);
}

#[test]
fn a_fit_pauses_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::Demo("lens_reconstruction"));
    until(&mut harness, "the running fit", |h| h.query_by_label("Pause").is_some());
    harness.get_by_label("Pause").click();
    until(&mut harness, "the pause", |h| h.query_by_label("Resume").is_some());
    let steps = |h: &egui_kittest::Harness<'_, sextans::app::Workbench>| {
        h.state().services().jobs.list().iter().map(|j| j.snapshot.log_length).sum::<usize>()
    };
    // The step under way may still be told; after that nothing moves.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let before = steps(&harness);
    std::thread::sleep(std::time::Duration::from_millis(300));
    harness.step();
    assert_eq!(steps(&harness), before);
    harness.get_by_label("Resume").click();
    until(&mut harness, "the comparison", |h| h.query_by_label("True source").is_some());
}

#[test]
fn an_idle_window_asks_for_no_frame() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::OpenPath(ramp(folder.path())));
    settle(&mut harness);
    harness.run_ok();
    let delay = harness.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay;
    assert!(delay.as_secs() >= 1, "an idle window wants to be drawn again after {delay:?}");
}
