//! Promise: the habits that people bring from other programs work here: undo, recent files, reload, dropping, settings, notices, leaving.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{Key, Modifiers, ViewportCommand, ViewportEvent, ViewportId};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use sextans::app::Workbench;
use sextans::panels::Command;

use crate::ui_support::{Window, of_user, open, press, ramp, settle, texts, type_letters, until, window};

fn display(harness: &Window) -> serde_json::Value {
    harness.state().session().views[0].state["display"].clone()
}

/// Picks an entry of a combo box.
fn pick(harness: &mut Window, combo: &str, entry: &str) {
    let node = harness.query_all_by_label(combo).find(|n| n.accesskit_node().role() == egui::Role::ComboBox).unwrap();
    node.click();
    settle(harness);
    harness.query_all_by_label(entry).next_back().unwrap().click();
    settle(harness);
}

#[test]
fn undo_and_redo_a_colour_map_but_not_the_zoom() {
    let folder = tempfile::tempdir().unwrap();
    let path = ramp(&folder.path().join("m51.fits"), 60, 40);
    let mut harness = window(folder.path());
    open(&mut harness, &path);
    assert_eq!(display(&harness)["color_map"], "gray");
    let tiles = harness.state().services().queries.counts().executed;
    pick(&mut harness, "Colour map", "inferno");
    assert_eq!(display(&harness)["color_map"], "inferno");
    assert_eq!(harness.state().undo_names()[0].as_deref(), Some("colour map"));
    // A zoom in between is kept.
    let image = harness.query_all_by_role(egui::Role::Image).next().unwrap().rect();
    harness.hover_at(image.center());
    harness.run_steps(2);
    harness.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, 80.0),
        modifiers: Modifiers::NONE,
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
    });
    settle(&mut harness);
    let camera = harness.state().session().views[0].state["camera"].clone();
    assert_eq!(harness.state().undo_names()[0].as_deref(), Some("colour map"), "a zoom is no step");
    press(&mut harness, Modifiers::COMMAND, Key::Z);
    assert_eq!(display(&harness)["color_map"], "gray");
    assert_eq!(harness.state().session().views[0].state["camera"], camera);
    press(&mut harness, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(display(&harness)["color_map"], "inferno");
    press(&mut harness, Modifiers::COMMAND, Key::Z);
    press(&mut harness, Modifiers::COMMAND, Key::Y);
    assert_eq!(display(&harness)["color_map"], "inferno");
    let pixels_read = |h: &Window| h.state().services().queries.counts().executed;
    // The file was not read again: what was asked since is of the window (recent files and the like), not of the view.
    assert!(pixels_read(&harness) - tiles < 8, "{} questions", pixels_read(&harness) - tiles);
}

#[test]
fn what_the_window_does_by_itself_is_no_step_while_the_mouse_moves() {
    let folder = tempfile::tempdir().unwrap();
    let image = ramp(&folder.path().join("m51.fits"), 60, 40);
    let cube = folder.path().join("cube.fits");
    let pixels = ndarray::Array3::from_shape_fn((5, 40, 60), |(z, y, x)| (1000 * z + 100 * y + x) as f32);
    let keywords = sextans::data::arcsec_grid(40, 60, 0.1);
    let plane = sextans::data::Plane { name: "SCI", pixels: pixels.view().into_dyn(), unit: "Jy", keywords };
    sextans::data::write_planes(&cube, &[plane], &[]).unwrap();
    let table = folder.path().join("stars.csv");
    std::fs::write(&table, "name,x,y\nVega,1,2\nDeneb,3,4\n").unwrap();
    let mut harness = window(folder.path());
    let mut moved = 0;
    let mut wander = |harness: &mut Window| {
        // Until nothing runs any more, and then some.
        let mut quiet = 0;
        while quiet < 20 {
            moved += 1;
            harness.hover_at(egui::pos2(400.0 + (moved % 50) as f32, 300.0));
            harness.step();
            quiet = if harness.state().busy() { 0 } else { quiet + 1 };
        }
    };
    for path in [&cube, &table] {
        harness.state_mut().send(Command::OpenPath(path.clone()));
        wander(&mut harness);
    }
    harness.state_mut().send(Command::OpenPanel("compare"));
    wander(&mut harness);
    let limits = |h: &Window| h.state().session().views[0].state["display"]["limits"].clone();
    assert_eq!(limits(&harness)["percentile"], 99.5, "{}", limits(&harness));
    // Each step back takes one view away, and there is nothing else to take back.
    let mut steps = Vec::new();
    while let Some(name) = harness.state().undo_names()[0].clone() {
        steps.push(name);
        harness.state_mut().send(Command::Undo);
        wander(&mut harness);
    }
    assert_eq!(steps.len(), 3, "{steps:?}");
    assert!(steps[..2].iter().all(|name| name.starts_with("open ")), "{steps:?}");
    // All of it is still there to be done again, the first image that is compared as well.
    for _ in 0..3 {
        assert!(harness.state().undo_names()[1].is_some());
        harness.state_mut().send(Command::Redo);
        wander(&mut harness);
    }
    assert_eq!(harness.state().undo_names()[1], None);
    // The panel that compares takes up an image that is opened later: that image is the step.
    harness.state_mut().send(Command::OpenPath(image));
    wander(&mut harness);
    let name = harness.state().undo_names()[0].clone();
    assert!(name.as_deref().is_some_and(|name| name.starts_with("open m51")), "{name:?}");
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_text_is_refused_with_one_line() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let good = ramp(&folder.path().join("m51.fits"), 60, 40);
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"m\xff.fits"));
    std::fs::copy(&good, &odd).unwrap();
    let mut harness = of_user(folder.path());
    open(&mut harness, &good);
    let before = harness.state().session().to_text().unwrap();
    open(&mut harness, &odd);
    release(&mut harness, std::slice::from_ref(&odd));
    let notices = texts(&harness);
    // The same line twice is one notice.
    assert_eq!((notices.len(), harness.state().failures().len()), (1, 2), "{notices:?}");
    assert!(notices[0].contains("m\u{fffd}.fits") && notices[0].contains("rename"), "{notices:?}");
    assert!(!notices[0].contains('\n'));
    assert_eq!(harness.state().session().to_text().unwrap(), before);
    harness.state_mut().shut_down();
    let kept = std::fs::read_to_string(folder.path().join("user/recent.json")).unwrap();
    assert!(kept.contains("m51.fits"), "{kept}");
}

#[test]
fn one_drag_of_a_slider_is_one_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::OpenPanel("lens_reconstruction"));
    settle(&mut harness);
    let radius =
        |h: &Window| h.state().session().views[0].state["simulate"]["lens"]["einstein_radius_arcsec"].as_f64().unwrap();
    let start = radius(&harness);
    let rect = harness
        .query_all_by_label("Einstein radius")
        .find(|n| n.accesskit_node().role() == egui::Role::Slider)
        .unwrap()
        .rect();
    harness.drag_at(rect.left_center() + egui::vec2(20.0, 0.0));
    harness.step();
    for x in 3..11 {
        harness.hover_at(rect.left_center() + egui::vec2(10.0 * x as f32, 0.0));
        harness.step();
    }
    harness.drop_at(rect.left_center() + egui::vec2(100.0, 0.0));
    settle(&mut harness);
    let dragged = radius(&harness);
    assert!((dragged - start).abs() > 0.05, "{start} -> {dragged}");
    assert_eq!(harness.state().undo_names()[0].as_deref(), Some("einstein radius arcsec"));
    press(&mut harness, Modifiers::COMMAND, Key::Z);
    assert!((radius(&harness) - start).abs() < 1e-9, "{} after undo, {start} before", radius(&harness));
    let left = harness.state().undo_names()[0].clone();
    assert!(left.is_none_or(|name| name.starts_with("open")), "the drag left more than one step");
}

#[test]
fn a_closed_view_comes_back_and_a_running_job_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = ramp(&folder.path().join("m51.fits"), 60, 40);
    let mut harness = window(folder.path());
    open(&mut harness, &path);
    pick(&mut harness, "Colour map", "viridis");
    press(&mut harness, Modifiers::COMMAND, Key::W);
    assert!(harness.state().session().views.is_empty());
    press(&mut harness, Modifiers::COMMAND, Key::Z);
    assert_eq!(display(&harness)["color_map"], "viridis");
    assert!(harness.query_all_by_label_contains("60 × 40 pixels").count() > 0);

    harness.state_mut().send(Command::Demo("lens_reconstruction"));
    until(&mut harness, "the running fit", |h| h.query_by_label("Pause").is_some());
    harness.get_by_label("Pause").click();
    until(&mut harness, "the pause", |h| h.query_by_label("Resume").is_some());
    let request = |h: &Window| {
        let views = h.state().session().views;
        views.iter().find(|v| v.kind == "lens_reconstruction").unwrap().state["fit"].clone()
    };
    let before = request(&harness);
    let switch = harness.query_all_by_role(egui::Role::CheckBox).next_back().unwrap();
    switch.click();
    harness.remove_cursor();
    harness.run_steps(8);
    if request(&harness) != before {
        harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
        harness.run_steps(8);
    }
    assert_eq!(request(&harness), before);
    harness.get_by_label("Resume").click();
    until(&mut harness, "the comparison", |h| h.query_by_label("True source").is_some());
}

#[test]
fn a_file_that_changed_is_noticed_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = ramp(&folder.path().join("m51.fits"), 60, 40);
    let mut harness = window(folder.path());
    open(&mut harness, &path);
    press(&mut harness, Modifiers::NONE, Key::F5);
    assert!(texts(&harness).iter().any(|t| t == "No opened file has changed"), "{:?}", texts(&harness));
    // Another program has the focus and writes.
    harness.input_mut().focused = false;
    harness.run_steps(2);
    ramp(&path, 30, 20);
    harness.input_mut().focused = true;
    settle(&mut harness);
    assert!(texts(&harness).iter().any(|t| t == "m51.fits has changed on the disk"), "{:?}", texts(&harness));
    // Said once, however often the window is looked at.
    for focused in [false, true] {
        harness.input_mut().focused = focused;
        settle(&mut harness);
    }
    assert_eq!(texts(&harness).iter().filter(|t| t.contains("has changed on")).count(), 1);
    harness.get_by_label("Reload").click();
    settle(&mut harness);
    assert!(harness.query_all_by_label_contains("30 × 20 pixels").count() > 0);
    assert!(texts(&harness).iter().any(|t| t == "1 changed file was read again"), "{:?}", texts(&harness));
}

/// A dropped file, as the window system hands it over.
#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|e| e.to_string())
    }
}

fn hover(harness: &mut Window, paths: &[PathBuf]) {
    let file = |p: &PathBuf| egui::HoveredFile { path: Some(p.clone()), ..egui::HoveredFile::default() };
    harness.input_mut().hovered_files = paths.iter().map(file).collect();
    // The answers come from another thread.
    until(harness, "what dropping will do", |h| {
        h.query_by_label("Drop to open").is_some() && h.query_all_by_label("…").next().is_none()
    });
}

fn release(harness: &mut Window, paths: &[PathBuf]) {
    harness.input_mut().hovered_files.clear();
    harness.input_mut().dropped_files =
        paths.iter().map(|p| Arc::new(Dropped(p.clone())) as egui::DroppedFileHandle).collect();
    harness.step();
    harness.input_mut().dropped_files.clear();
    settle(harness);
}

#[test]
fn the_overlay_says_what_dropping_will_do_and_a_wrong_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let image = ramp(&folder.path().join("m51.fits"), 60, 40);
    let wrong = folder.path().join("notes.fits");
    std::fs::write(&wrong, "these are notes").unwrap();
    let session = folder.path().join("s.json");
    let mut harness = window(folder.path());
    settle(&mut harness);
    harness.state().session().save(&session).unwrap();
    hover(&mut harness, &[image.clone(), wrong.clone(), session]);
    assert!(harness.query_by_label_contains("image of 60 × 40 pixels").is_some());
    assert!(harness.query_by_label_contains("replaces what is open").is_some());
    assert!(harness.query_all_by_label_contains("notes.fits:").count() > 0, "no reason");
    assert!(texts(&harness).is_empty());
    release(&mut harness, &[image]);
    let before = harness.state().session().to_text().unwrap();
    release(&mut harness, &[wrong]);
    let notices = texts(&harness);
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("notes.fits") && !notices[0].contains('\n'), "{notices:?}");
    assert_eq!(harness.state().session().to_text().unwrap(), before);
    assert_eq!(harness.state().recent().paths().len(), 1, "what could not be opened is not recent");
}

#[test]
fn a_dropped_picture_with_a_record_reopens_its_run_and_a_job_row_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::Demo("lens_reconstruction"));
    until(&mut harness, "the comparison", |h| h.query_by_label("True source").is_some());
    settle(&mut harness);
    let runs = std::fs::read_dir(folder.path().join("runs")).unwrap().map(|e| e.unwrap().path());
    let picture = runs.map(|r| r.join("panel.png")).find(|p| p.to_string_lossy().contains(".fit-")).unwrap();
    let mut other = window(folder.path());
    hover(&mut other, std::slice::from_ref(&picture));
    assert!(other.query_by_label_contains("reopens the run").is_some());
    release(&mut other, &[picture]);
    assert!(other.query_by_label("True source").is_some());
    // In the first window, from the list of jobs, after the study was closed.
    press(&mut harness, Modifiers::COMMAND, Key::W);
    assert!(harness.query_by_label("True source").is_none());
    press(&mut harness, Modifiers::NONE, Key::F4);
    harness.get_by_label("Show").click();
    settle(&mut harness);
    assert!(harness.query_by_label("True source").is_some());
}

/// Whether a button can be pressed; `None` when there is none.
fn button(harness: &Harness<'_, Workbench>, name: &str) -> Option<bool> {
    let node = harness.query_all_by_label_contains(name).find(|n| n.accesskit_node().role() == egui::Role::Button);
    node.map(|n| n.accesskit_node().is_disabled())
}

#[test]
fn recent_files_are_kept_offered_and_greyed_when_gone() {
    let folder = tempfile::tempdir().unwrap();
    let one = ramp(&folder.path().join("one.fits"), 60, 40);
    let two = ramp(&folder.path().join("two.fits"), 30, 20);
    let mut harness = of_user(folder.path());
    open(&mut harness, &one);
    open(&mut harness, &two);
    drop(harness);
    let kept = std::fs::read_to_string(folder.path().join("user/recent.json")).unwrap();
    assert!(kept.contains("one.fits") && kept.contains("two.fits"), "{kept}");
    std::fs::remove_file(&one).unwrap();

    let mut harness = of_user(folder.path());
    settle(&mut harness);
    // The welcome page offers them.
    until(&mut harness, "the greyed file", |h| button(h, "one.fits") == Some(true));
    assert_eq!(button(&harness, "two.fits"), Some(false));
    harness.get_by_label("File").click();
    settle(&mut harness);
    harness.query_all_by_label_contains("Open recent").next().unwrap().hover();
    settle(&mut harness);
    harness.query_all_by_label_contains("two.fits").last().unwrap().click();
    settle(&mut harness);
    assert!(harness.query_all_by_label_contains("30 × 20 pixels").count() > 0);
    harness.state_mut().send(Command::ClearRecent);
    settle(&mut harness);
    assert_eq!(std::fs::read_to_string(folder.path().join("user/recent.json")).unwrap().trim(), "[]");
}

#[test]
fn settings_act_at_once_and_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = of_user(folder.path());
    press(&mut harness, Modifiers::COMMAND, Key::Comma);
    let field = |h: &Window| {
        let node = h.query_all_by_label("Memory for data").find(|n| n.accesskit_node().role() == egui::Role::TextInput);
        node.unwrap().focus();
    };
    field(&harness);
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    type_letters(&mut harness, "lots");
    assert!(harness.query_by_label_contains("give a share").is_some());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    type_letters(&mut harness, "400 MB");
    press(&mut harness, Modifiers::NONE, Key::Enter);
    let services = harness.state().services();
    assert_eq!((services.store.budget(), services.queries.budget()), (300_000_000, 100_000_000));
    harness.query_all_by_label_contains("All cores but one").next().unwrap().click();
    settle(&mut harness);
    let threads = harness.state().settings().threads;
    assert!(threads >= 1);
    assert_eq!(harness.state().services().jobs.threads(), threads);
    harness.query_all_by_label("Light").find(|n| n.accesskit_node().role() == egui::Role::RadioButton).unwrap().click();
    settle(&mut harness);
    assert_eq!(harness.state().session().theme, sextans::app::ThemeChoice::Light);
    let set = harness.state().settings().clone();
    drop(harness);

    let harness = of_user(folder.path());
    assert_eq!(*harness.state().settings(), set);
    assert_eq!(harness.state().services().store.budget(), 300_000_000);
    // The command line has the last word on threads.
    let mut harness = of_user(folder.path());
    harness.state_mut().set_threads(3);
    assert_eq!(harness.state().services().jobs.threads(), 3);
}

#[test]
fn old_runs_are_deleted_after_a_question() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = of_user(folder.path());
    harness.state_mut().send(Command::Demo("lens_reconstruction"));
    until(&mut harness, "the comparison", |h| h.query_by_label("True source").is_some());
    settle(&mut harness);
    let runs = || std::fs::read_dir(folder.path().join("user/runs")).unwrap().count();
    assert_eq!(runs(), 2);
    press(&mut harness, Modifiers::COMMAND, Key::Comma);
    assert!(harness.query_by_label_contains("2 runs take").is_some());
    let days =
        harness.query_all_by_label("Older than").find(|n| n.accesskit_node().role() == egui::Role::SpinButton).unwrap();
    days.click();
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.event(egui::Event::Text("0".to_owned()));
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    // Records count seconds: what was started in this one is not older than now.
    let second = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let now = second();
    until(&mut harness, "the next second", |_| second() > now);
    settle(&mut harness);
    harness.get_by_label("Delete…").click();
    settle(&mut harness);
    assert_eq!(runs(), 2, "only asked");
    harness.get_by_label("Really delete 2 runs").click();
    until(&mut harness, "the empty library", |_| runs() == 0);
}

#[test]
fn memory_is_shown_and_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = ramp(&folder.path().join("m51.fits"), 600, 400);
    let mut harness = window(folder.path());
    open(&mut harness, &path);
    assert!(harness.state().services().store.cached_bytes() > 900_000);
    let read_out = harness.query_all_by_label_contains(" of ").find(|n| n.value().is_some_and(|t| t.ends_with("GB")));
    read_out.unwrap().hover();
    until(&mut harness, "the read-out of memory", |h| {
        h.query_by_label("Pixels of files").is_some() && h.query_by_label("The whole program").is_some()
    });
    press(&mut harness, Modifiers::COMMAND, Key::W);
    harness.get_by_label("Free").click();
    settle(&mut harness);
    assert_eq!(harness.state().services().store.cached_bytes(), 0);
    assert!(texts(&harness).iter().any(|t| t.contains("of memory given back")), "{:?}", texts(&harness));
}

#[test]
fn an_error_waits_until_it_is_read_in_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("notes.fits");
    std::fs::write(&wrong, "notes").unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, &wrong);
    // It waits for the user, not for the clock: the window rests.
    harness.run_ok();
    let delay = harness.output().viewport_output[&ViewportId::ROOT].repaint_delay;
    assert!(delay.as_secs() >= 1, "wants to be drawn again after {delay:?}");
    harness.get_by_label("Notices (1 new)").click();
    settle(&mut harness);
    assert!(harness.query_by_label_contains("1 message").is_some());
    assert_eq!(harness.state().notices().unread(), 0);
    harness.get_by_label("Copy all").click();
    harness.step();
    let copied = harness
        .output()
        .platform_output
        .commands
        .iter()
        .any(|c| matches!(c, egui::OutputCommand::CopyText(t) if t.contains("Error: ")));
    harness.step();
    let copied = copied
        || harness
            .output()
            .platform_output
            .commands
            .iter()
            .any(|c| matches!(c, egui::OutputCommand::CopyText(t) if t.contains("Error: ")));
    assert!(copied, "nothing on the clipboard");
    harness.get_by_label("Clear").click();
    settle(&mut harness);
    assert!(harness.state().notices().all().is_empty());
    press(&mut harness, Modifiers::NONE, Key::F8);
    assert!(harness.query_by_label("Copy all").is_none(), "the key closes it");
}

#[test]
fn leaving_while_a_job_runs_asks_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::Demo("lens_reconstruction"));
    until(&mut harness, "the running fit", |h| h.query_by_label("Pause").is_some());
    harness.get_by_label("Pause").click();
    until(&mut harness, "the pause", |h| h.query_by_label("Resume").is_some());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Q);
    until(&mut harness, "the question", |h| h.query_by_label("Leave while jobs run?").is_some());
    assert!(!harness.state().quit);
    harness.get_by_label("Stay").click();
    harness.run_steps(3);
    assert!(harness.query_by_label("Leave while jobs run?").is_none() && !harness.state().quit);
    // The close button of the window asks as well, and is held back.
    harness.input_mut().viewports.get_mut(&ViewportId::ROOT).unwrap().events.push(ViewportEvent::Close);
    harness.step();
    let commands = harness.output().viewport_output[&ViewportId::ROOT].commands.clone();
    harness.input_mut().viewports.get_mut(&ViewportId::ROOT).unwrap().events.clear();
    assert!(commands.contains(&ViewportCommand::CancelClose), "{commands:?}");
    harness.run_steps(2);
    harness.get_by_label("Cancel the jobs and leave").click();
    harness.run_steps(3);
    assert!(harness.state().quit);
    // With nothing running nobody is asked.
    let mut other = window(folder.path());
    press(&mut other, Modifiers::COMMAND, Key::Q);
    assert!(other.state().quit);
}

#[test]
fn views_are_walked_through_with_the_keyboard() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    for name in ["a.fits", "b.fits", "c.fits"] {
        let path = ramp(&folder.path().join(name), 30, 20);
        open(&mut harness, &path);
    }
    let focused = |h: &Window| h.state().session().focused.unwrap();
    let last = focused(&harness);
    press(&mut harness, Modifiers::CTRL, Key::Tab);
    let first = focused(&harness);
    press(&mut harness, Modifiers::CTRL | Modifiers::SHIFT, Key::Tab);
    assert_eq!(focused(&harness), last);
    assert!(first < last);
}

#[test]
fn a_list_in_a_request_is_edited_as_text_and_nonsense_is_not_taken() {
    use sextans::tasks::{Field, FieldKind};
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Request {
        ages_myr: Vec<f64>,
    }
    let field = Field {
        name: "ages_myr".into(),
        help: "Ages".into(),
        unit: String::new(),
        kind: FieldKind::Json,
        default: serde_json::json!([1, 2]),
        optional: false,
        needed: false,
        open: [false; 2],
        logarithmic: false,
        start: None,
    };
    let mut harness = Harness::new_ui_state(
        move |ui, request: &mut Request| {
            // What is refused stands beside the field.
            drop(sextans::panels::edit_request(ui, "test", request, std::slice::from_ref(&field), true, |_| true));
        },
        Request { ages_myr: vec![1.0, 2.0] },
    );
    let fill = |harness: &mut Harness<'_, Request>, text: &str| {
        harness.query_all_by_role(egui::Role::TextInput).next().unwrap().focus();
        harness.run_steps(2);
        harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
        harness.event(egui::Event::Text(text.to_owned()));
        harness.run_steps(2);
        harness.key_press(Key::Enter);
        harness.run_steps(3);
    };
    fill(&mut harness, "[3, ");
    assert_eq!(harness.state().ages_myr, [1.0, 2.0]);
    assert!(harness.query_by_label_contains("expected a sequence").is_some());
    fill(&mut harness, "[3, 4.5]");
    assert_eq!(harness.state().ages_myr, [3.0, 4.5]);
    assert!(harness.query_by_label_contains("expected a sequence").is_none());
}
