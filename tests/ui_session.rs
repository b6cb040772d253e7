//! Promise: a session holds everything; what it names and is gone can be located; the last one comes back if that is wanted.

use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use sextans::panels::Command;

use crate::ui_support::{of_user, open, ramp, settle, texts, until, window};

#[test]
fn save_load_save_gives_the_same_bytes_with_every_kind_of_view_open() {
    let folder = tempfile::tempdir().unwrap();
    let image = ramp(&folder.path().join("m51.fits"), 60, 40);
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::OpenPath(image));
    settle(&mut harness);
    for panel in sextans::panels::PANELS {
        harness.state_mut().send(Command::OpenPanel(panel.kind));
        settle(&mut harness);
    }
    // Another request than the default one.
    harness.state_mut().send(Command::OpenPanel("lens_reconstruction"));
    settle(&mut harness);
    let slider = harness
        .query_all_by_label("Einstein radius")
        .find(|n| n.accesskit_node().role() == egui::Role::Slider)
        .unwrap();
    slider.focus();
    for _ in 0..4 {
        harness.key_press(Key::ArrowRight);
        harness.step();
    }
    settle(&mut harness);
    let first = harness.state().session();
    let lens = first.views.iter().find(|v| v.kind == "lens_reconstruction").unwrap();
    assert!(lens.state["simulate"]["lens"]["einstein_radius_arcsec"].as_f64().unwrap() > 1.2);
    let path = folder.path().join("all.json");
    first.save(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();

    let mut other = window(folder.path());
    other.state_mut().send(Command::OpenPath(path.clone()));
    settle(&mut other);
    assert!(texts(&other).is_empty(), "{:?}", texts(&other));
    // Saved again by the key, over the file that it came from: no question, the same bytes.
    std::fs::remove_file(&path).unwrap();
    other.key_press_modifiers(Modifiers::COMMAND, Key::S);
    until(&mut other, "the session on the disk", |_| path.exists());
    settle(&mut other);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_file_that_is_gone_has_a_placeholder_and_is_located_for_every_view() {
    let folder = tempfile::tempdir().unwrap();
    let old = ramp(&folder.path().join("m51.fits"), 60, 40);
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::OpenPath(old.clone()));
    settle(&mut harness);
    harness.state_mut().send(Command::OpenPanel("lens_reconstruction"));
    settle(&mut harness);
    let mut session = harness.state().session();
    let lens = session.views.iter_mut().find(|v| v.kind == "lens_reconstruction").unwrap();
    lens.state["fit"]["image"] = serde_json::json!(old);
    lens.state["fit"]["noise_sigma"] = serde_json::json!(1.0);
    session.focused = None;
    let path = folder.path().join("s.json");
    session.save(&path).unwrap();
    let new = folder.path().join("moved.fits");
    std::fs::rename(&old, &new).unwrap();

    let mut other = window(folder.path());
    other.state_mut().send(Command::OpenPath(path));
    settle(&mut other);
    // In the tree and above the view that is in front.
    assert!(other.query_all_by_label("Locate…").count() >= 2, "no placeholders");
    assert_eq!(
        other.state().session().to_text().unwrap(),
        session.to_text().unwrap(),
        "nothing of the session is lost"
    );
    other.query_all_by_label("Locate…").next().unwrap().click();
    settle(&mut other);
    let field = other.query_all_by_label("Path").find(|n| n.accesskit_node().role() == egui::Role::TextInput).unwrap();
    field.type_text("moved.fits");
    settle(&mut other);
    other.key_press(Key::Enter);
    settle(&mut other);
    assert_eq!(other.query_all_by_label("Locate…").count(), 0);
    let after = other.state().session();
    assert_eq!(after.paths, std::slice::from_ref(&new));
    for view in &after.views {
        let named = if view.kind == "image" { &view.state["path"] } else { &view.state["fit"]["image"] };
        assert_eq!(*named, serde_json::json!(new), "{}", view.kind);
    }
}

#[test]
fn the_last_session_comes_back_only_if_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let image = ramp(&folder.path().join("m51.fits"), 60, 40);
    let mut harness = of_user(folder.path());
    harness.state_mut().send(Command::OpenPath(image.clone()));
    settle(&mut harness);
    harness.state_mut().shut_down();
    let mut second = of_user(folder.path());
    second.state_mut().resume();
    settle(&mut second);
    assert!(second.state().session().views.is_empty(), "it is off at first");
    second.key_press_modifiers(Modifiers::COMMAND, Key::Comma);
    settle(&mut second);
    second.get_by_label("Start with the session of the last time").click();
    settle(&mut second);
    second.key_press(Key::Escape);
    second.state_mut().send(Command::OpenPath(image.clone()));
    settle(&mut second);
    let left = second.state().session();
    second.state_mut().shut_down();

    let mut third = of_user(folder.path());
    third.state_mut().resume();
    settle(&mut third);
    assert_eq!(third.state().session().to_text().unwrap(), left.to_text().unwrap());
    // It is nobody's file: it does not stand among the recent ones, and saving asks for a name.
    assert_eq!(third.state().recent().paths(), [image]);
    third.key_press_modifiers(Modifiers::COMMAND, Key::S);
    settle(&mut third);
    assert!(third.query_by_label("File name").is_some());
}

#[test]
fn an_opened_session_closes_what_was_open_and_shares_no_answers_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let kept = ramp(&folder.path().join("kept.fits"), 60, 40);
    let other = ramp(&folder.path().join("other.fits"), 30, 20);
    let path = folder.path().join("s.json");
    let mut first = window(folder.path());
    open(&mut first, &kept);
    first.state().session().save(&path).unwrap();

    let mut harness = window(folder.path());
    open(&mut harness, &other);
    let old: Vec<u64> = harness.state().session().views.iter().map(|v| v.id).collect();
    assert!(harness.state().undo_names()[0].is_some());
    open(&mut harness, &path);
    let session = harness.state().session();
    assert_eq!(session.paths, std::slice::from_ref(&kept));
    assert!(session.views.iter().all(|v| !old.contains(&v.id)), "{old:?}");
    assert_eq!(session.focused, Some(session.views[0].id));
    assert!(harness.query_all_by_label_contains("60 × 40 pixels").count() > 0);
    // The old file is no longer held, and no step leads back to it.
    let store = &harness.state().services().store;
    assert!(store.id_of(&other).is_none() && store.id_of(&kept).is_some());
    assert_eq!(harness.state().undo_names(), [None, None]);
    // Opened once more: the same file is read anew and shown.
    open(&mut harness, &path);
    assert!(harness.query_all_by_label_contains("60 × 40 pixels").count() > 0);
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
}
