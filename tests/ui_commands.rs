//! Promise: one list of commands stands behind menus, keys, palette and the sheet of keys.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use egui::{Key, KeyboardShortcut, Modifiers, ViewportCommand, ViewportId};
use egui_kittest::kittest::{NodeT, Queryable};
use sextans::panels::Command;

use crate::ui_support::{Window, open, press, ramp, settle, type_letters, until, window};

#[test]
fn the_palette_finds_by_letters_and_acts_on_enter() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    settle(&mut harness);
    press(&mut harness, Modifiers::COMMAND, Key::K);
    type_letters(&mut harness, "lidark");
    let rows: Vec<_> =
        harness.query_all_by_role(egui::Role::ListBoxOption).filter_map(|n| n.accesskit_node().label()).collect();
    assert_eq!(rows, ["Light or dark"]);
    press(&mut harness, Modifiers::NONE, Key::Enter);
    assert_eq!(harness.state().session().theme, sextans::app::ThemeChoice::Light);
    assert_eq!(harness.query_all_by_role(egui::Role::ListBoxOption).count(), 0, "it is closed");
    // The other key, arrows, and Escape.
    press(&mut harness, Modifiers::COMMAND, Key::P);
    type_letters(&mut harness, "view");
    let at = |h: &Window| {
        h.query_all_by_role(egui::Role::ListBoxOption)
            .position(|n| format!("{:?}", n.accesskit_node().toggled()) == "Some(True)")
    };
    assert_eq!(at(&harness), Some(0));
    press(&mut harness, Modifiers::NONE, Key::ArrowDown);
    assert_eq!(at(&harness), Some(1));
    press(&mut harness, Modifiers::NONE, Key::Escape);
    assert_eq!(harness.query_all_by_role(egui::Role::ListBoxOption).count(), 0);
}

#[test]
fn the_palette_knows_studies_open_views_recent_files_and_what_a_panel_does() {
    let folder = tempfile::tempdir().unwrap();
    let first = ramp(&folder.path().join("m51.fits"), 60, 40);
    let mut harness = window(folder.path());
    open(&mut harness, &first);
    harness.state_mut().send(Command::OpenPanel("lens_reconstruction"));
    settle(&mut harness);
    let found = |harness: &mut Window, text: &str| {
        press(harness, Modifiers::COMMAND, Key::K);
        type_letters(harness, text);
        let rows: Vec<String> =
            harness.query_all_by_role(egui::Role::ListBoxOption).filter_map(|n| n.accesskit_node().label()).collect();
        press(harness, Modifiers::NONE, Key::Escape);
        rows
    };
    // The open view and the recent file.
    assert_eq!(found(&mut harness, "m51").len(), 2);
    assert!(found(&mut harness, "lens study").contains(&"Lens reconstruction".to_owned()));
    assert!(found(&mut harness, "fit lens").contains(&"Fit this lens".to_owned()));
    // And its key starts the fit.
    press(&mut harness, Modifiers::COMMAND, Key::Enter);
    until(&mut harness, "the comparison", |h| h.query_by_label("True source").is_some());
    settle(&mut harness);
}

#[test]
fn the_sheet_of_keys_opens_with_both_keys_and_is_searched() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    settle(&mut harness);
    for key in [Key::F1, Key::Questionmark] {
        press(&mut harness, Modifiers::NONE, key);
        assert!(harness.query_by_label("Pointer on an image").is_some(), "{key:?}");
        type_letters(&mut harness, "contrast");
        assert!(harness.query_by_label_contains("Bias (across)").is_some());
        assert!(harness.query_by_label("Save picture…").is_none(), "the rest is hidden");
        press(&mut harness, Modifiers::NONE, Key::Escape);
        assert!(harness.query_by_label("Pointer on an image").is_none());
    }
}

#[test]
fn no_key_means_two_things_and_every_command_has_help() {
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    let mut texts = BTreeSet::new();
    let name = |k: &KeyboardShortcut| k.format(&egui::ModifierNames::NAMES, false);
    for item in Command::listed() {
        assert!(item.help.len() > 8 && item.help != item.text, "{}: no help", item.text);
        assert!(texts.insert(item.text), "{} stands there twice", item.text);
        for key in item.keys() {
            let other = keys.insert(name(&key), item.text.to_owned());
            assert_eq!(other, None, "{} means {} too", name(&key), item.text);
        }
    }
    for panel in sextans::panels::PANELS {
        let mut own = BTreeSet::new();
        for action in (panel.make)(&serde_json::Value::Null).actions() {
            assert!(action.help.len() > 8, "{} of {}: no help", action.text, panel.kind);
            let Some(key) = action.key else { continue };
            assert!(own.insert(name(&key)), "{} has two actions on {}", panel.kind, name(&key));
            assert_eq!(keys.get(&name(&key)), None, "{} of {} is a key of the window", name(&key), panel.kind);
        }
    }
}

/// All that can be seen from outside: session, words on the screen, what was told to the window system, whether it is left.
fn fingerprint(harness: &Window) -> String {
    let root = harness.root();
    let words: Vec<String> = root
        .children_recursive()
        .filter_map(|n| n.accesskit_node().label().or_else(|| n.value()))
        // Bytes of memory are not the command's doing.
        .filter(|text| !text.contains(" of ") && !text.contains("of memory given back"))
        .collect();
    format!("{} {words:?} {}", harness.state().session().to_text().unwrap(), harness.state().quit)
}

/// Two views, and steps to be undone and redone.
fn busy_window(folder: &Path) -> Window {
    let first = ramp(&folder.join("a.fits"), 60, 40);
    let mut harness = window(folder);
    open(&mut harness, &first);
    harness.state_mut().send(Command::OpenPanel("lens_reconstruction"));
    settle(&mut harness);
    harness.state_mut().send(Command::NextView);
    settle(&mut harness);
    for _ in 0..2 {
        harness.get_by_label("Axes").click();
        settle(&mut harness);
    }
    press(&mut harness, Modifiers::COMMAND, Key::Z);
    harness.remove_cursor();
    settle(&mut harness);
    harness
}

#[test]
fn every_command_works_from_its_menu_its_keys_and_the_palette_alike() {
    let folder = tempfile::tempdir().unwrap();
    let ready = |command: &Command| {
        let mut harness = busy_window(folder.path());
        if *command == Command::ZoomReset {
            harness.state_mut().send(Command::ZoomIn);
            settle(&mut harness);
        }
        harness
    };
    for item in Command::listed() {
        let mut prints: Vec<(&str, String)> = Vec::new();
        let mut commands: Vec<Vec<ViewportCommand>> = Vec::new();
        let mut ways = vec!["menu", "palette"];
        ways.extend(item.keys().map(|_| "key"));
        let mut keys = item.keys();
        let before = fingerprint(&ready(&item.command));
        for way in ways {
            let mut harness = ready(&item.command);
            match way {
                "menu" => {
                    harness.get_by_label(item.menu).click();
                    settle(&mut harness);
                    let text = match item.command {
                        Command::Undo => "Undo: axes",
                        Command::Redo => "Redo: axes",
                        _ => item.text,
                    };
                    let button = harness
                        .query_all_by_label_contains(text)
                        .find(|n| n.accesskit_node().role() == egui::Role::Button);
                    button.unwrap_or_else(|| panic!("{text} is not in the menu {}", item.menu)).click();
                }
                "palette" => {
                    press(&mut harness, Modifiers::COMMAND, Key::K);
                    type_letters(&mut harness, item.text);
                    harness.key_press(Key::Enter);
                }
                _ => {
                    // Straight into the frame: the harness would step once more and hide what the first frame sent.
                    let KeyboardShortcut { modifiers, logical_key: key } = keys.next().unwrap();
                    let event =
                        |pressed| egui::Event::Key { key, physical_key: None, pressed, repeat: false, modifiers };
                    harness.input_mut().events.extend([event(true), event(false)]);
                }
            }
            let mut sent = Vec::new();
            for _ in 0..4 {
                harness.step();
                sent.extend(harness.output().viewport_output[&ViewportId::ROOT].commands.clone());
            }
            harness.remove_cursor();
            settle(&mut harness);
            harness.run_ok();
            sent.retain(|c| matches!(c, ViewportCommand::Fullscreen(_)));
            commands.push(sent);
            prints.push((way, fingerprint(&harness)));
        }
        // What acts on the outside, on memory or on cubes shows there and not on this screen.
        let outside = matches!(item.command, Command::FullScreen | Command::FreeMemory) || item.menu == "Cube";
        for (way, print) in &prints {
            assert!(outside || *print != before, "{} does nothing from {way}", item.text);
            assert!(outside || print == &prints[0].1, "{} does another thing from {way} than from the menu", item.text);
        }
        if item.command == Command::FullScreen {
            assert!(commands.iter().all(|c| c.len() == 1), "{commands:?}");
        }
    }
}
