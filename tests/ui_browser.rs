//! Promise: a file is found, looked into and chosen without leaving the keyboard, and nothing is overwritten unasked.

use std::path::Path;

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use ndarray::Array2;
use sextans::app::Workbench;
use sextans::data::{Plane, write_planes};
use sextans::panels::Command;

use crate::ui_support::{ramp, settle, texts, until, window};

/// A folder with images, a cube of two HDUs, notes, a hidden file, a folder and a run.
fn night(folder: &Path) -> std::path::PathBuf {
    let night = folder.join("night");
    std::fs::create_dir_all(night.join("older")).unwrap();
    ramp(&night.join("m51.fits"), 60, 40);
    ramp(&night.join("m81.fits"), 30, 20);
    ramp(&night.join("older/m33.fits"), 12, 10);
    let pixels = Array2::<f32>::zeros((8, 9)).into_dyn();
    let plane = |name| Plane { name, pixels: pixels.view(), unit: "mJy", keywords: Vec::new() };
    write_planes(&night.join("both.fits"), &[plane("SCI"), plane("ERR")], &[]).unwrap();
    std::fs::write(night.join("notes.txt"), "seeing 0.8 arcsec").unwrap();
    std::fs::write(night.join(".hidden.fits"), "").unwrap();
    std::fs::create_dir(night.join("run")).unwrap();
    std::fs::write(night.join("run/record.json"), "{}").unwrap();
    night
}

/// Opens the browser and goes to a folder by typing its path.
fn browse(harness: &mut Harness<'_, Workbench>, folder: &Path) {
    harness.key_press_modifiers(Modifiers::COMMAND, Key::O);
    settle(harness);
    go_to(harness, folder);
}

fn go_to(harness: &mut Harness<'_, Workbench>, folder: &Path) {
    path_field(harness).type_text(&folder.display().to_string());
    settle(harness);
    harness.key_press(Key::Enter);
    settle(harness);
}

fn path_field<'h>(harness: &'h Harness<'_, Workbench>) -> egui_kittest::Node<'h> {
    harness.query_all_by_label("Path").find(|n| n.accesskit_node().role() == egui::Role::TextInput).unwrap()
}

fn rows(harness: &Harness<'_, Workbench>) -> Vec<String> {
    harness.query_all_by_role(egui::Role::ListBoxOption).filter_map(|n| n.accesskit_node().label()).collect()
}

fn press(harness: &mut Harness<'_, Workbench>, key: Key) {
    harness.key_press(key);
    settle(harness);
}

fn type_letters(harness: &mut Harness<'_, Workbench>, text: &str) {
    harness.event(egui::Event::Text(text.to_owned()));
    settle(harness);
}

#[test]
fn a_file_is_found_and_opened_by_keys_alone() {
    let folder = tempfile::tempdir().unwrap();
    let night = night(folder.path());
    let mut harness = window(folder.path());
    browse(&mut harness, &night);
    assert_eq!(rows(&harness), ["older", "run", "both.fits", "m51.fits", "m81.fits", "notes.txt"]);
    // Letters jump, the arrows move on, and the preview follows.
    type_letters(&mut harness, "m5");
    assert!(harness.query_by_label_contains("image 60 × 40, Jy").is_some(), "no preview of m51.fits");
    press(&mut harness, Key::ArrowDown);
    assert!(harness.query_by_label_contains("image 30 × 20, Jy").is_some(), "no preview of m81.fits");
    // Into a folder and up again.
    press(&mut harness, Key::Home);
    press(&mut harness, Key::Enter);
    assert_eq!(rows(&harness), ["m33.fits"]);
    press(&mut harness, Key::Backspace);
    type_letters(&mut harness, "m8");
    press(&mut harness, Key::Enter);
    assert_eq!(harness.state().session().paths, [night.join("m81.fits")]);
    assert!(harness.query_all_by_label_contains("30 × 20 pixels").count() > 0);
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
}

#[test]
fn the_preview_shows_the_cards_of_the_hdu_that_is_clicked() {
    let folder = tempfile::tempdir().unwrap();
    let night = night(folder.path());
    let mut harness = window(folder.path());
    browse(&mut harness, &night);
    harness.get_by_label("both.fits").click();
    settle(&mut harness);
    assert!(harness.query_by_label_contains("EXTNAME").is_none_or(|n| !n.value().unwrap_or_default().contains("ERR")));
    let line = harness.query_all_by_label_contains("ERR  image 9 × 8, mJy").next().unwrap();
    line.click();
    settle(&mut harness);
    let cards: Vec<String> = harness.query_all_by_label_contains("EXTNAME").filter_map(|n| n.value()).collect();
    assert!(cards.iter().any(|c| c.starts_with("EXTNAME = 'ERR'")), "{cards:?}");
}

#[test]
fn several_files_are_opened_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let night = night(folder.path());
    let mut harness = window(folder.path());
    browse(&mut harness, &night);
    harness.get_by_label("m51.fits").click();
    harness.get_by_label("m81.fits").click_modifiers(Modifiers::COMMAND);
    settle(&mut harness);
    harness.get_by_label("Open").click();
    settle(&mut harness);
    assert_eq!(harness.state().session().paths, [night.join("m51.fits"), night.join("m81.fits")]);
    assert_eq!(harness.state().session().views.len(), 2);
}

#[test]
fn a_path_is_typed_and_completed() {
    let folder = tempfile::tempdir().unwrap();
    let night = night(folder.path());
    let mut harness = window(folder.path());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::O);
    settle(&mut harness);
    // A slash in the list begins a path.
    type_letters(&mut harness, "/");
    assert!(path_field(&harness).is_focused());
    let stem = night.join("no").display().to_string();
    type_letters(&mut harness, &stem[1..]);
    assert!(harness.query_by_label_contains("Tab completes: notes.txt").is_some());
    press(&mut harness, Key::Tab);
    assert_eq!(path_field(&harness).value().unwrap(), night.join("notes.txt").display().to_string());
    type_letters(&mut harness, "x");
    press(&mut harness, Key::Enter);
    assert!(harness.query_by_label_contains("no such file or folder").is_some());
    assert!(harness.query_by_label("Cancel").is_some(), "the browser stays open");
}

#[test]
fn filter_sorting_and_hidden_files_do_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let night = night(folder.path());
    let mut harness = window(folder.path());
    browse(&mut harness, &night);
    harness.get_by_label("Hidden files").click();
    settle(&mut harness);
    assert!(rows(&harness).contains(&".hidden.fits".to_owned()));
    harness.get_by_value("All files").click();
    settle(&mut harness);
    harness.get_by_label("FITS").click();
    settle(&mut harness);
    assert_eq!(rows(&harness), ["older", "run", ".hidden.fits", "both.fits", "m51.fits", "m81.fits"]);
    harness.get_by_label("Size").click();
    settle(&mut harness);
    let largest = |name: &str| std::fs::metadata(night.join(name)).unwrap().len();
    let files: Vec<u64> = rows(&harness)[2..].iter().map(|n| largest(n)).collect();
    assert!(files.is_sorted_by(|a, b| a >= b), "{files:?}");
}

#[test]
fn a_session_is_not_written_over_another_file_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let night = night(folder.path());
    let old = night.join("mine.json");
    std::fs::write(&old, "precious").unwrap();
    let mut harness = window(folder.path());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::S);
    settle(&mut harness);
    let field = |h: &Harness<'_, Workbench>| {
        let node = h.query_all_by_label("File name").find(|n| n.accesskit_node().role() == egui::Role::TextInput);
        node.unwrap().focus();
    };
    field(&harness);
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    type_letters(&mut harness, &night.join("mine").display().to_string());
    press(&mut harness, Key::Enter);
    assert!(harness.query_by_label_contains("mine.json exists. Replace it?").is_some());
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "precious");
    harness.get_by_label("Keep it").click();
    settle(&mut harness);
    harness.get_by_label("Save").click();
    settle(&mut harness);
    harness.get_by_label("Replace").click();
    settle(&mut harness);
    assert_eq!(std::fs::read_to_string(&old).unwrap(), harness.state().session().to_text().unwrap());
    assert!(texts(&harness).iter().any(|t| t.contains("Session saved")), "{:?}", texts(&harness));
    // A name that was free when it was asked for last is looked at again.
    let new = night.join("new.json");
    for there in [false, true] {
        harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::S);
        settle(&mut harness);
        field(&harness);
        harness.run_steps(2);
        harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
        type_letters(&mut harness, &new.display().to_string());
        press(&mut harness, Key::Enter);
        assert_eq!(harness.query_by_label_contains("new.json exists").is_some(), there);
        assert!(new.exists());
    }
}

#[test]
fn a_field_of_a_study_takes_a_file_from_the_browser() {
    let folder = tempfile::tempdir().unwrap();
    let night = night(folder.path());
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::OpenPanel("lens_reconstruction"));
    settle(&mut harness);
    harness.get_by_label("My files").click();
    settle(&mut harness);
    harness.get_by_label("Browse for Noise map").click();
    settle(&mut harness);
    go_to(&mut harness, &night);
    harness.get_by_label("m51.fits").click();
    settle(&mut harness);
    harness.get_by_label("Open").click();
    until(&mut harness, "the path in the request", |h| {
        h.state().session().views[0].state["fit"]["noise"] == serde_json::json!(night.join("m51.fits"))
    });
    assert!(harness.state().session().paths.is_empty(), "the file is the field's, not the window's");
}
