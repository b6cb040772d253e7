//! Promise: regions are drawn, moved, measured and kept: in the session, in a DS9 file, one drag one step of undo.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{Key, Modifiers, Pos2, pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use ndarray::{Array2, Array3};
use sextans::app::Workbench;
use sextans::data::regions::{RegionFile, Shape};
use sextans::data::{Keyword, Plane, write_planes};
use sextans::panels::Command;

use crate::fits_support::data_folder;
use crate::ui_support::{open, press, settle, texts, window};

type Window = Harness<'static, Workbench>;

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

/// An image of 40 x 30 pixels with the value 100 y + x, its error (constant 2), and a sky with north up.
fn image(folder: &Path) -> PathBuf {
    let path = folder.join("image.fits");
    let pixels = Array2::from_shape_fn((30, 40), |(y, x)| (100 * y + x) as f32).into_dyn();
    let error = Array2::from_elem((30, 40), 2.0_f32).into_dyn();
    let mut sky = vec![Keyword::new("CTYPE1", "RA---TAN", ""), Keyword::new("CTYPE2", "DEC--TAN", "")];
    let numbers = [("CRVAL1", 63.35), ("CRVAL2", 10.46), ("CRPIX1", 20.0), ("CRPIX2", 15.0), ("CDELT1", -1e-4)];
    sky.extend(numbers.map(|(name, value)| Keyword::new(name, value, "")));
    sky.push(Keyword::new("CDELT2", 1e-4, ""));
    sky.push(Keyword::new("RADESYS", "ICRS", ""));
    let planes = [
        Plane { name: "SCI", pixels: pixels.view(), unit: "Jy", keywords: sky.clone() },
        Plane { name: "ERR", pixels: error.view(), unit: "Jy", keywords: sky },
    ];
    write_planes(&path, &planes, &[]).unwrap();
    path
}

/// A cube of 20 planes of 8 x 10 with the value 1000 z + 10 y + x, and its variance (constant 25).
fn cube(folder: &Path) -> PathBuf {
    let path = folder.join("cube.fits");
    let pixels = Array3::from_shape_fn((20, 8, 10), |(z, y, x)| (1000 * z + 10 * y + x) as f32).into_dyn();
    let variance = Array3::from_elem((20, 8, 10), 25.0_f32).into_dyn();
    let keywords = vec![
        Keyword::new("CTYPE3", "WAVE", ""),
        Keyword::new("CUNIT3", "nm", ""),
        Keyword::new("CRVAL3", 500.0, ""),
        Keyword::new("CRPIX3", 1.0, ""),
        Keyword::new("CDELT3", 1.0, ""),
    ];
    let planes = [
        Plane { name: "DATA", pixels: pixels.view(), unit: "Jy", keywords: keywords.clone() },
        Plane { name: "STAT", pixels: variance.view(), unit: "Jy2", keywords },
    ];
    write_planes(&path, &planes, &[]).unwrap();
    path
}

fn opened(folder: &Path, path: &Path) -> Window {
    let mut harness = window(folder);
    open(&mut harness, path);
    harness
}

fn state(harness: &Window, kind: &str) -> serde_json::Value {
    harness.state().session().views.iter().find(|v| v.kind == kind).unwrap().state.clone()
}

fn regions(harness: &Window) -> RegionFile {
    RegionFile::parse(state(harness, "image")["regions"]["file"].as_str().unwrap())
}

/// Where on the screen a 0-based pixel is.
fn at(harness: &mut Window, pixel: [f64; 2]) -> Pos2 {
    let view = harness.query_all_by_label_contains(": image of ").next().unwrap().rect();
    let cursor_at = |harness: &mut Window, place: Pos2| {
        harness.hover_at(place);
        harness.run_steps(2);
        harness.state().links().cursor.unwrap().pixel
    };
    // Two places give scale and offset of the camera.
    let (a, b) = (view.center(), view.center() + vec2(40.0, -30.0));
    let (p, q) = (cursor_at(harness, a), cursor_at(harness, b));
    let x = f64::from(a.x) + (pixel[0] - p[0]) / (q[0] - p[0]) * 40.0;
    let y = f64::from(a.y) - (pixel[1] - p[1]) / (q[1] - p[1]) * 30.0;
    pos2(x as f32, y as f32)
}

/// A drag from one pixel to another in ten steps.
fn drag(harness: &mut Window, from: [f64; 2], to: [f64; 2]) {
    let (a, b) = (at(harness, from), at(harness, to));
    harness.hover_at(a);
    harness.step();
    harness.drag_at(a);
    harness.step();
    for step in 1..=10 {
        harness.hover_at(a + (b - a) * (step as f32 / 10.0));
        harness.step();
    }
    harness.drop_at(b);
    settle(harness);
}

fn click(harness: &mut Window, pixel: [f64; 2]) {
    let place = at(harness, pixel);
    harness.drag_at(place);
    harness.drop_at(place);
    settle(harness);
    // Two clicks in quick succession are a double click.
    harness.run_steps(4);
}

fn press_button(harness: &mut Window, label: &str) {
    harness.get_by_label(label).click();
    settle(harness);
}

/// Arms a shape: from the menu of the tools, or, where there are regions, by its button.
fn arm(harness: &mut Window, shape: &str) {
    if harness.query_by_label(shape).is_none() {
        press_button(harness, "Draw region");
    }
    press_button(harness, shape);
}

/// The pixel shape of the only region, which is written in ICRS.
fn circle_pixels(harness: &Window) -> ([f64; 2], f64) {
    let file = regions(harness);
    let shape = file.regions().next().unwrap().shape.clone();
    let Shape::Circle { center, radius } = shape else { panic!("{shape:?}") };
    let x = 19.0 - (center[0] - 63.35) * center[1].to_radians().cos() / 1e-4;
    ([x, 14.0 + (center[1] - 10.46) / 1e-4], radius / 0.36)
}

#[test]
fn a_circle_is_drawn_measured_moved_resized_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), &image(folder.path()));
    arm(&mut harness, "Circle");
    drag(&mut harness, [10.0, 12.0], [13.4, 12.0]);
    let (center, radius) = circle_pixels(&harness);
    assert!((center[0] - 10.0).abs() < 0.1 && (center[1] - 12.0).abs() < 0.1, "{center:?}");
    assert!((radius - 3.4).abs() < 0.15, "{radius}");
    assert_eq!(regions(&harness).regions().next().unwrap().system.word(), "icrs");
    // Centres within 3.4 of (10, 12): 37 pixels with the mean 1210; errors of 2 each.
    let expect = |harness: &Window, texts: &[&str]| {
        for text in texts {
            assert!(harness.query_by_label(text).is_some(), "{text}");
        }
    };
    expect(&harness, &["37", "1210 ± 0.33", "44770 ± 12"]);
    // Dragging the inside moves it; the image stays.
    let camera = state(&harness, "image")["camera"].clone();
    drag(&mut harness, [10.5, 12.5], [20.5, 17.5]);
    let (moved, _) = circle_pixels(&harness);
    assert!((moved[0] - center[0] - 10.0).abs() < 0.1 && (moved[1] - center[1] - 5.0).abs() < 0.1, "{moved:?}");
    assert_eq!(state(&harness, "image")["camera"], camera);
    expect(&harness, &["1720 ± 0.33"]);
    // A handle resizes it.
    let place = harness.get_by_label("Region 1 radius 1").rect().center();
    let end = at(&mut harness, [moved[0] + 6.0, moved[1]]);
    harness.drag_at(place);
    harness.step();
    harness.hover_at(end);
    harness.step();
    harness.drop_at(end);
    settle(&mut harness);
    let (_, wide) = circle_pixels(&harness);
    assert!((wide - 6.0).abs() < 0.1, "{wide}");
    // One drag, one step.
    for expected in [Some(radius), Some(radius), None] {
        harness.hover_at(pos2(5.0, 400.0));
        press(&mut harness, Modifiers::COMMAND, Key::Z);
        match expected {
            Some(radius) => assert!((circle_pixels(&harness).1 - radius).abs() < 1e-3),
            None => assert_eq!(regions(&harness).count(), 0),
        }
    }
    press(&mut harness, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(circle_pixels(&harness).0, center);
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
}

#[test]
fn every_shape_is_drawn_selected_duplicated_taken_out_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), &image(folder.path()));
    arm(&mut harness, "Box");
    drag(&mut harness, [4.5, 4.5], [14.5, 9.5]);
    arm(&mut harness, "Ellipse");
    drag(&mut harness, [20.0, 4.0], [30.0, 10.0]);
    arm(&mut harness, "Annulus");
    drag(&mut harness, [10.0, 20.0], [16.0, 20.0]);
    arm(&mut harness, "Point");
    click(&mut harness, [35.2, 25.1]);
    arm(&mut harness, "Polygon");
    for corner in [[22.0, 16.0], [32.0, 16.0], [27.0, 24.0]] {
        click(&mut harness, corner);
    }
    press(&mut harness, Modifiers::NONE, Key::Enter);
    let kinds: Vec<&str> = regions(&harness).regions().map(|r| r.shape.kind().name()).collect();
    assert_eq!(kinds, ["box", "ellipse", "annulus", "point", "polygon"]);
    // A click inside selects; the box holds 10 x 5 pixels.
    click(&mut harness, [9.0, 7.0]);
    assert_eq!(state(&harness, "image")["selected_region"], 0);
    assert!(harness.query_by_label("50").is_some());
    // The spectrum's pins are for clicks beside regions; here the click chose.
    press_button(&mut harness, "Duplicate");
    assert_eq!(regions(&harness).count(), 6);
    assert_eq!(state(&harness, "image")["selected_region"], 1);
    // A copy half a width beside takes half of the first one out.
    press_button(&mut harness, "Take out");
    click(&mut harness, [6.0, 7.0]);
    assert_eq!(state(&harness, "image")["selected_region"], 0);
    assert!(harness.query_by_label("25").is_some());
    assert!(!regions(&harness).regions().nth(1).unwrap().include);
    let place = at(&mut harness, [6.0, 7.0]);
    harness.hover_at(place);
    press(&mut harness, Modifiers::NONE, Key::Delete);
    assert_eq!(regions(&harness).count(), 5);
    press_button(&mut harness, "Delete all");
    assert_eq!(regions(&harness).count(), 0);
}

#[test]
fn a_region_file_is_dropped_edited_and_written_back() {
    let folder = tempfile::tempdir().unwrap();
    let text = "# Region file format: DS9 version 4.1\n# mine\nglobal color=cyan\nimage\n\
        circle(11,13,3.4) # text={core} tag={a}\nbox(25,15,6,4,0) # color=red\n# text(3,3) text={hello}\nimage;-circle(11,13,1.2)\n";
    let path = folder.path().join("mine.reg");
    std::fs::write(&path, text).unwrap();
    let mut harness = opened(folder.path(), &image(folder.path()));
    harness.input_mut().dropped_files = vec![Arc::new(Dropped(path)) as egui::DroppedFileHandle];
    harness.step();
    harness.input_mut().dropped_files.clear();
    settle(&mut harness);
    assert_eq!(regions(&harness).to_text(), text);
    assert!(harness.query_by_label_contains("1 lines of the file are kept").is_some());
    press_button(&mut harness, "Region 1 core circle");
    // 37 less the five whose centres lie within 1.2.
    assert!(harness.query_by_label("32").is_some());
    let inside = at(&mut harness, [12.0, 10.5]);
    harness.hover_at(inside);
    press(&mut harness, Modifiers::NONE, Key::ArrowRight);
    press(&mut harness, Modifiers::SHIFT, Key::ArrowUp);
    let expected = text.replace("circle(11,13,3.4) # text", "circle(12,23,3.4) # text");
    assert_eq!(regions(&harness).to_text(), expected);
    press_button(&mut harness, "Save regions…");
    let out = folder.path().join("out.reg");
    let field = |h: &Window, act: &dyn Fn(egui_kittest::Node<'_>)| {
        let is_field = |n: &egui_kittest::Node<'_>| n.accesskit_node().role() == egui::Role::TextInput;
        act(h.query_all_by_label("Path of the file").find(is_field).unwrap());
    };
    field(&harness, &|n| n.focus());
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(2);
    field(&harness, &|n| n.type_text(&out.display().to_string()));
    harness.run_steps(2);
    press_button(&mut harness, "Save");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), expected);
    // The session carries them byte for byte.
    let session = harness.state().session();
    let mut other = window(folder.path());
    other.state_mut().restore(&session);
    settle(&mut other);
    assert_eq!(other.state().session().to_text().unwrap(), session.to_text().unwrap());
    assert_eq!(regions(&other).to_text(), expected);
}

#[test]
fn regions_without_an_image_and_nonsense_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.reg");
    std::fs::write(&path, "image\ncircle(1,2,3)\n").unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, &path);
    assert!(texts(&harness)[0].contains("open one first"), "{:?}", texts(&harness));
    std::fs::write(&path, "hello\n").unwrap();
    open(&mut harness, &path);
    assert!(texts(&harness)[1].contains("no line of it is a region"), "{:?}", texts(&harness));
}

#[test]
fn the_spectrum_of_a_region_follows_the_drag() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), &cube(folder.path()));
    let said = |harness: &Window| {
        let found = harness.query_all_by_label_contains("Region 1 (").next();
        found.and_then(|n| n.value()).unwrap_or_default()
    };
    arm(&mut harness, "Box");
    drag(&mut harness, [1.5, 1.5], [4.5, 4.5]);
    // Pixels 2 to 4 in both directions: the mean is that of the middle, 10 * 3 + 3, with an error of 5 / 3.
    harness.hover_at(pos2(5.0, 400.0));
    settle(&mut harness);
    assert_eq!(said(&harness), "Region 1 (mean of 9 px): 33 Jy");
    press_button(&mut harness, "Error");
    assert_eq!(said(&harness), "Region 1 (mean of 9 px): 33 ± 1.7 Jy");
    // Half-way through a drag, with the button still down, the spectrum is that of the place it has come to.
    let (a, b) = (at(&mut harness, [3.0, 3.0]), at(&mut harness, [6.0, 4.0]));
    harness.hover_at(a);
    harness.step();
    harness.drag_at(a);
    harness.step();
    harness.hover_at(a + (b - a) * 0.5);
    harness.step();
    harness.hover_at(b);
    settle(&mut harness);
    assert_eq!(said(&harness), "Region 1 (mean of 9 px): 46 ± 1.7 Jy");
    harness.drop_at(b);
    settle(&mut harness);
    let mut session = harness.state().session();
    let view = session.views.iter_mut().find(|v| v.kind == "spectrum").unwrap();
    view.state["reduction"] = serde_json::json!("sum");
    harness.state_mut().restore(&session);
    settle(&mut harness);
    harness.key_press(Key::Plus);
    settle(&mut harness);
    assert_eq!(said(&harness), "Region 1 (sum of 9 px): 9414 ± 15 Jy");
}

#[test]
fn a_region_of_abell_478_has_the_sum_of_its_pixels_with_the_error_of_stat() {
    let Some(data) = data_folder("a_region_of_abell_478_has_the_sum_of_its_pixels_with_the_error_of_stat") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = data.join("lines/muse-abell478.fits");
    let regions = folder.path().join("core.reg");
    std::fs::write(&regions, "image\ncircle(21,21,4.2)\n").unwrap();
    let mut harness = opened(folder.path(), &path);
    harness.state_mut().send(Command::OpenPath(regions));
    settle(&mut harness);
    press_button(&mut harness, "Region 1 circle");
    // The same by hand.
    let file = sextans::data::FitsFile::open(&path).unwrap();
    let (plane, stat) = (file.read_plane::<f64>(1, 0).unwrap(), file.read_plane::<f64>(2, 0).unwrap());
    let inside = |y: usize, x: usize| (x as f64 - 20.0).hypot(y as f64 - 20.0) < 4.2;
    let (mut count, mut sum, mut variance) = (0, 0.0, 0.0);
    for ((y, x), value) in plane.indexed_iter().filter(|((y, x), v)| inside(*y, *x) && v.is_finite()) {
        count += 1;
        sum += value;
        variance += stat[[y, x]];
    }
    let format = sextans::plots::axes::format_value;
    let expected = format!("{} ± {}", format(sum, 6), format(variance.sqrt(), 2));
    assert!(harness.query_by_label(&expected).is_some(), "{expected}");
    assert!(harness.query_by_label(&count.to_string()).is_some(), "{count}");
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
}
