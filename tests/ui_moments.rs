//! Promise: a range that is dragged over a spectrum becomes images, live, with continuum and errors; a line becomes a cut; the
//! line list lies where its redshift puts it.

use std::path::{Path, PathBuf};

use egui::{Key, Modifiers, Pos2, pos2};
use egui_kittest::kittest::{NodeT, Queryable};
use ndarray::Array3;
use sextans::data::{DataId, FitsFile, Keyword, Plane, Wcs, write_planes};
use sextans::panels::Command;

use crate::fits_support::data_folder;
use crate::ui_support::{Window, open, press, settle, texts, window};

/// Peak of the line at `[y, x]`, and the channel of its centre.
fn line(y: usize, x: usize) -> (f64, f64) {
    (20.0 + 4.0 * y as f64, 40.0 + 0.5 * x as f64)
}

/// A cube of 80 planes of 8 x 10 at 5000, 5002, ... Angstrom in air: a line of 3 channels width on a slanted continuum, and
/// its variance (constant 0.25).
fn cube(folder: &Path) -> PathBuf {
    let path = folder.join("cube.fits");
    let value = |z: usize, y: usize, x: usize| {
        let (peak, centre) = line(y, x);
        5.0 + 0.05 * z as f64 + peak * (-0.5 * ((z as f64 - centre) / 3.0).powi(2)).exp()
    };
    let pixels = Array3::from_shape_fn((80, 8, 10), |(z, y, x)| value(z, y, x) as f32).into_dyn();
    let variance = Array3::from_elem((80, 8, 10), 0.25_f32).into_dyn();
    let mut keywords = vec![
        Keyword::new("CTYPE1", "RA---TAN", ""),
        Keyword::new("CTYPE2", "DEC--TAN", ""),
        Keyword::new("CTYPE3", "AWAV", ""),
        Keyword::new("CUNIT3", "Angstrom", ""),
    ];
    let numbers = [
        ("CRVAL1", 63.35),
        ("CRVAL2", 10.46),
        ("CRVAL3", 5000.0),
        ("CRPIX1", 5.0),
        ("CRPIX2", 4.0),
        ("CRPIX3", 1.0),
        ("CDELT1", -1e-4),
        ("CDELT2", 1e-4),
        ("CDELT3", 2.0),
    ];
    keywords.extend(numbers.map(|(name, value)| Keyword::new(name, value, "")));
    let planes = [
        Plane { name: "DATA", pixels: pixels.view(), unit: "erg/s/Angstrom", keywords: keywords.clone() },
        Plane { name: "STAT", pixels: variance.view(), unit: "", keywords },
    ];
    write_planes(&path, &planes, &[]).unwrap();
    path
}

fn states(harness: &Window, kind: &str) -> Vec<serde_json::Value> {
    let session = harness.state().session();
    session.views.into_iter().filter(|v| v.kind == kind).map(|v| v.state).collect()
}

fn plot(harness: &Window) -> egui::Rect {
    harness.get_by_label("Spectrum: plot").rect()
}

fn spectrum_read_out(harness: &Window) -> String {
    let mut found = harness.query_all_by_label_contains("channel ").filter_map(|n| n.value());
    found.find(|t| t.starts_with("channel ")).unwrap()
}

/// The place in the plot of the middle of a channel, counted from 1, found by what is read out there.
fn at_channel(harness: &mut Window, channel: f32) -> Pos2 {
    let rect = plot(harness);
    let y = rect.center().y;
    let mut read = |x: f32| -> f32 {
        harness.hover_at(pos2(x, y));
        harness.run_steps(3);
        spectrum_read_out(harness).split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let (a, b) = (rect.left() + 0.3 * rect.width(), rect.left() + 0.8 * rect.width());
    let (from, to) = (read(a), read(b));
    pos2(a + (channel - from) / (to - from) * (b - a), y)
}

/// Shift and drag over channels, counted from 1.
fn mark(harness: &mut Window, first: f32, last: f32) {
    let (a, b) = (at_channel(harness, first), at_channel(harness, last));
    harness.hover_at(a);
    harness.event(egui::Event::ModifiersChanged(Modifiers::SHIFT));
    harness.step();
    let button = |pos: Pos2, pressed: bool| egui::Event::PointerButton {
        pos,
        button: egui::PointerButton::Primary,
        pressed,
        modifiers: Modifiers::SHIFT,
    };
    harness.event(button(a, true));
    harness.step();
    for step in 1..=6 {
        harness.hover_at(a + (b - a) * (step as f32 / 6.0));
        harness.step();
    }
    harness.event(button(b, false));
    harness.step();
    harness.event(egui::Event::ModifiersChanged(Modifiers::NONE));
    settle(harness);
}

fn marked(harness: &Window) -> [u64; 2] {
    let range = &states(harness, "spectrum")[0]["range"]["line"];
    [range[0].as_u64().unwrap(), range[1].as_u64().unwrap()]
}

/// The newest result in the store.
fn result(harness: &Window) -> (DataId, ndarray::Array2<f32>) {
    let store = &harness.state().services().store;
    let newest = store.list().into_iter().rev().find(|e| e.kind == sextans::data::EntryKind::Result).unwrap();
    (newest.id, store.plane(newest.id, 0, 0).unwrap().as_ref().clone())
}

fn choose(harness: &mut Window, combo: &str, choice: &str) {
    let role = egui::Role::ComboBox;
    harness.query_all_by_label(combo).find(|n| n.accesskit_node().role() == role).unwrap().click();
    harness.run_steps(3);
    harness.query_all_by_label(choice).last().unwrap().click();
    harness.run_steps(3);
    settle(harness);
}

#[test]
fn a_dragged_range_becomes_a_moment_map_that_follows_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, &cube(folder.path()));
    mark(&mut harness, 27.0, 60.0);
    let [first, last] = marked(&harness);
    assert!((25..=27).contains(&first) && (58..=60).contains(&last), "{first} {last}");
    harness.get_by_label("Make image").click();
    settle(&mut harness);
    let images = states(&harness, "image");
    assert_eq!(images.len(), 2);
    assert_eq!(images[1]["derived"]["what"], "integral");
    let (id, map) = result(&harness);
    assert_eq!(harness.state().services().store.entry(id).unwrap().hdus[0].unit, "erg/s");
    for ((y, x), value) in map.indexed_iter() {
        // Channels are 2 Angstrom wide.
        let expected = 2.0 * line(y, x).0 * 3.0 * std::f64::consts::TAU.sqrt();
        assert!((f64::from(*value) / expected - 1.0).abs() < 2e-3, "{y} {x} {value} {expected}");
    }
    // The map is chosen: its settings are in the inspector. Moment 1 is the place of the line.
    choose(&mut harness, "Shows", "moment 1");
    let (_, map) = result(&harness);
    for ((y, x), value) in map.indexed_iter() {
        let expected = 5000.0 + 2.0 * line(y, x).1;
        assert!((f64::from(*value) - expected).abs() < 0.02, "{y} {x} {value} {expected}");
    }
    choose(&mut harness, "Shows", "moment 2");
    let (_, map) = result(&harness);
    assert!(map.iter().all(|v| (v - 6.0).abs() < 0.05), "{map}");
    // Another range: the image follows it.
    let before = states(&harness, "image")[1]["derived"]["line"].clone();
    mark(&mut harness, 35.0, 52.0);
    let after = states(&harness, "image")[1]["derived"]["line"].clone();
    assert_ne!(before, after);
    assert_eq!(after, serde_json::json!(marked(&harness)));
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
    // The session makes it anew.
    let session = harness.state().session();
    let mut other = window(folder.path());
    other.state_mut().restore(&session);
    settle(&mut other);
    let without_camera = |harness: &Window| {
        let mut session = harness.state().session();
        session.views.iter_mut().for_each(|v| v.state["camera"] = serde_json::Value::Null);
        session.to_text().unwrap()
    };
    assert_eq!(without_camera(&other), without_camera(&harness));
    assert_eq!(result(&other).1, result(&harness).1);
}

#[test]
fn a_map_is_saved_with_world_coordinates_and_errors() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, &cube(folder.path()));
    mark(&mut harness, 27.0, 60.0);
    harness.get_by_label("Make image").click();
    settle(&mut harness);
    let out = folder.path().join("map.fits");
    harness.state_mut().send(Command::SaveViewAs("The image with its errors as FITS".into()));
    settle(&mut harness);
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
    harness.get_by_label("Save").click();
    settle(&mut harness);
    let file = FitsFile::open(&out).unwrap();
    let names: Vec<&str> = file.hdus().iter().map(|h| h.name.as_str()).collect();
    assert_eq!(names, ["DATA", "ERR"]);
    let header = &file.hdu(0).unwrap().header;
    let wcs = Wcs::from_header(header).unwrap().unwrap();
    let sky = wcs.world_from_pixel(&[4.0, 3.0]).unwrap();
    assert!((sky[0] - 63.35).abs() < 1e-9 && (sky[1] - 10.46).abs() < 1e-9, "{sky:?}");
    assert!(header.commentary("HISTORY").any(|l| l.contains("moment 0 of channels")));
    // At least the noise of its own channels: 0.5 each, 2 Angstrom wide.
    let [first, last] = marked(&harness);
    let own = 2.0 * 0.5 * ((last - first + 1) as f64).sqrt();
    let errors = file.read_image::<f32>(1).unwrap();
    assert!(errors.iter().all(|e| f64::from(*e) > own && f64::from(*e) < 4.0 * own), "{own} {errors}");
}

#[test]
fn a_pixel_of_a_map_shows_its_spectrum() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, &cube(folder.path()));
    mark(&mut harness, 27.0, 60.0);
    harness.get_by_label("Make image").click();
    settle(&mut harness);
    let map = harness.query_all_by_label_contains("moment 0 of cube.fits: image").next().unwrap().rect();
    let place = map.center() + egui::vec2(60.0, -40.0);
    harness.drag_at(place);
    harness.drop_at(place);
    settle(&mut harness);
    let cursor = harness.state().links().cursor.unwrap();
    let pixel = cursor.pixel.map(|v| (v + 0.5).floor() as usize);
    let spectrum = &states(&harness, "spectrum")[0];
    assert_eq!(spectrum["cursor"]["pixel"], serde_json::json!(pixel));
    assert_eq!(spectrum["pins"][0]["pixel"], serde_json::json!(pixel));
    assert!(spectrum["cursor"]["of"]["path"].as_str().unwrap().ends_with("cube.fits"));
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
}

#[test]
fn a_line_on_the_cube_becomes_a_cut_with_offset_and_wavelength() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, &cube(folder.path()));
    let mut session = harness.state().session();
    let view = session.views.iter_mut().find(|v| v.kind == "image").unwrap();
    view.state["profile"] = serde_json::json!({ "line": { "ends": [[1.0, 3.0], [8.0, 3.0]] } });
    harness.state_mut().restore(&session);
    settle(&mut harness);
    harness.get_by_label("Cut through the cube").click();
    settle(&mut harness);
    let (id, cut) = result(&harness);
    assert_eq!(cut.dim(), (80, 8));
    for (step, column) in cut.columns().into_iter().enumerate() {
        let peak = (0..80).max_by(|a, b| column[*a].total_cmp(&column[*b])).unwrap() as f64;
        assert!((peak - line(3, step + 1).1).abs() <= 0.6, "{step} {peak}");
    }
    let store = harness.state().services().store.clone();
    let wcs = store.with_header(id, 0, |h| Wcs::from_header(h).unwrap().unwrap()).unwrap();
    let world = wcs.world_from_pixel(&[7.0, 10.0]).unwrap();
    assert!((world[0] - 7.0 * 0.36).abs() < 1e-4 && (world[1] - 5020.0).abs() < 1e-9, "{world:?}");
    // Position and wavelength have nothing in common: the cut fills its view, whose pixels are no squares.
    let cuts = states(&harness, "image").into_iter().filter(|state| state["derived"]["kind"] == "cut");
    let camera = cuts.map(|state| state["camera"].clone()).next().unwrap();
    assert_eq!(camera["fills"], true, "{camera}");
    let view = harness.query_all_by_label_contains("cut of cube.fits: image").next().unwrap().rect();
    let (across, stretch) = (camera["points_per_pixel"].as_f64().unwrap(), camera["stretch"].as_f64().unwrap());
    let (width, height) = (8.0 * across, 80.0 * across * stretch);
    assert!(
        width > f64::from(view.width()) - 70.0 && height > f64::from(view.height()) - 60.0,
        "{width} {height} {view:?}"
    );
    // A place on the cut is a place on the cube.
    let view = harness.query_all_by_label_contains("cut of cube.fits: image").next().unwrap().rect();
    harness.hover_at(view.center());
    settle(&mut harness);
    let cursor = harness.state().links().cursor.unwrap();
    let pixel = &states(&harness, "spectrum")[0]["cursor"]["pixel"];
    assert_eq!(pixel[0].as_f64().unwrap(), (cursor.pixel[0] + 1.0 + 0.5).floor());
    assert_eq!(pixel[1], 3);
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
}

#[test]
fn the_line_list_of_abell_478_lies_on_its_lines() {
    let Some(data) = data_folder("the_line_list_of_abell_478_lies_on_its_lines") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, &data.join("lines/muse-abell478.fits"));
    harness.get_by_label("Lines").click();
    settle(&mut harness);
    let field = |h: &Window, act: &dyn Fn(egui_kittest::Node<'_>)| {
        let is_field = |n: &egui_kittest::Node<'_>| n.accesskit_node().role() == egui::Role::SpinButton;
        act(h.query_all_by_label("Redshift").find(is_field).unwrap());
    };
    field(&harness, &|n| n.click());
    harness.run_steps(3);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(2);
    harness.event(egui::Event::Text("0.086".into()));
    harness.run_steps(2);
    press(&mut harness, Modifiers::NONE, Key::Enter);
    assert_eq!(states(&harness, "spectrum")[0]["lines"]["redshift"], 0.086);
    // H alpha and both lines of [N II] lie between 7000 and 7400 Angstrom; so do [S II] and He I 6678.
    let said = harness.query_all_by_label_contains("cz 25782").next().unwrap().value().unwrap();
    assert!(said.ends_with(" lines"), "{said}");
    // The moment map of H alpha and [N II]: centroids within the range, and flux in the middle.
    let mut session = harness.state().session();
    let view = session.views.iter_mut().find(|v| v.kind == "spectrum").unwrap();
    view.state["range"]["line"] = serde_json::json!([96, 145]);
    view.state["range"]["sides"] = serde_json::json!([[50, 90], [152, 200]]);
    harness.state_mut().restore(&session);
    settle(&mut harness);
    harness.get_by_label("Make image").click();
    settle(&mut harness);
    let (_, map) = result(&harness);
    let middle = map.slice(ndarray::s![16..24, 16..24]).mean().unwrap();
    let edge = map.slice(ndarray::s![0..4, ..]).mean().unwrap();
    assert!(middle > 5.0 * edge.abs() && middle > 0.0, "{middle} {edge}");
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
}
