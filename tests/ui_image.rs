//! Promises of the image view, each told as what a user does: point, read, copy, go, measure.

use std::path::{Path, PathBuf};

use egui::{Event, Key, Modifiers, OutputCommand, PointerButton, Pos2, Role, pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use ndarray::{Array2, Array3};
use serde_json::{Value, json};
use sextans::app::{Session, ViewRecord, Workbench};
use sextans::data::{Keyword, Plane, Value as Card, parse_position, write_planes};

use crate::fits_support::data_folder;
use crate::ui_support::{settle, texts, window};

type Window = Harness<'static, Workbench>;

fn word(name: &str, text: &str) -> Keyword {
    Keyword::new(name, Card::Text(text.to_owned()), "")
}

fn number(name: &str, value: f64) -> Keyword {
    Keyword::new(name, Card::Float(value), "")
}

/// Coordinates of a field of 0.2 arcsec a pixel around 10:04:30 +41:12:50 at a pixel counted from 1.
fn sky(center: [f64; 2]) -> Vec<Keyword> {
    vec![
        word("CTYPE1", "RA---TAN"),
        word("CTYPE2", "DEC--TAN"),
        number("CRVAL1", 151.125),
        number("CRVAL2", 41.0 + 12.0 / 60.0 + 50.0 / 3600.0),
        number("CRPIX1", center[0]),
        number("CRPIX2", center[1]),
        number("CDELT1", -0.2 / 3600.0),
        number("CDELT2", 0.2 / 3600.0),
        word("RADESYS", "ICRS"),
    ]
}

/// An image of 61 x 41 pixels with the value 100 y + x (counted from 0) in a flux unit.
fn plane_file(folder: &Path) -> PathBuf {
    let path = folder.join("plane.fits");
    let pixels = Array2::from_shape_fn((41, 61), |(y, x)| (100 * y + x) as f32);
    write(&path, pixels.view().into_dyn(), "erg/s/cm**2", sky([31.0, 21.0]));
    path
}

fn write(path: &Path, pixels: ndarray::ArrayViewD<'_, f32>, unit: &str, keywords: Vec<Keyword>) {
    write_planes(path, &[Plane { name: "SCI", pixels, unit, keywords }], &[]).unwrap();
}

/// A window with one image view without axes, so that the middle of the widget is the middle of the image.
fn show(folder: &Path, path: &Path, hdu: usize, more: &Value) -> Window {
    let mut state = json!({"path": path, "hdu": hdu, "display": {"axes": false, "color_map": "gray"}});
    for (key, value) in more.as_object().unwrap() {
        state[key] = value.clone();
    }
    let session = Session {
        paths: vec![path.to_owned()],
        views: vec![ViewRecord { id: 1, kind: "image".into(), state }],
        focused: Some(1),
        ..Session::default()
    };
    let mut harness = window(folder);
    harness.state_mut().restore(&session);
    settle(&mut harness);
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
    harness
}

fn state(harness: &Window) -> Value {
    harness.state().session().views[0].state.clone()
}

/// The image on the screen.
fn view(harness: &Window) -> egui::Rect {
    let image = |n: &egui_kittest::Node<'_>| n.accesskit_node().label().is_some_and(|l| l.contains(": image of"));
    harness.query_all_by_role(Role::Image).find(image).unwrap().rect()
}

/// Where a pixel coordinate (0-based) is on the screen.
fn screen(harness: &Window, pixel: [f64; 2]) -> Pos2 {
    let camera = &state(harness)["camera"];
    let number = |v: &Value| v.as_f64().unwrap();
    let scale = number(&camera["points_per_pixel"]);
    let offset = [0, 1].map(|i| ((pixel[i] - number(&camera["center"][i])) * scale) as f32);
    view(harness).center() + vec2(offset[0], -offset[1])
}

/// Moves the pointer to a pixel coordinate and lets the window follow.
fn point(harness: &mut Window, pixel: [f64; 2]) {
    harness.hover_at(screen(harness, pixel));
    harness.run_steps(3);
}

/// Every text on the screen.
fn lines(harness: &Window) -> Vec<String> {
    harness.query_all_by_role(Role::Label).filter_map(|n| n.value()).collect()
}

fn line(harness: &Window, part: &str) -> String {
    let all = lines(harness);
    all.iter().find(|l| l.contains(part)).unwrap_or_else(|| panic!("no {part:?} in {all:?}")).clone()
}

/// The line with pixel and value.
fn read_out(harness: &Window) -> String {
    let all = lines(harness);
    all.iter().find(|l| l.starts_with("x ")).unwrap_or_else(|| panic!("no read-out in {all:?}")).clone()
}

/// What goes to the clipboard in the next frames.
fn copied(harness: &mut Window) -> String {
    for _ in 0..6 {
        harness.step();
        for command in &harness.output().platform_output.commands {
            if let OutputCommand::CopyText(text) = command {
                return text.clone();
            }
        }
    }
    panic!("nothing was copied; notices: {:?}", texts(harness));
}

fn button(harness: &Window, pos: Pos2, button: PointerButton, pressed: bool) {
    harness.event(Event::PointerButton { pos, button, pressed, modifiers: Modifiers::NONE });
}

fn drag(harness: &mut Window, from: Pos2, to: Pos2) {
    harness.hover_at(from);
    harness.run_steps(2);
    button(harness, from, PointerButton::Primary, true);
    harness.step();
    for i in 1..=4 {
        harness.hover_at(from + (to - from) * (i as f32 / 4.0));
        harness.step();
    }
    button(harness, to, PointerButton::Primary, false);
    harness.run_steps(2);
}

fn right_click(harness: &mut Window, pos: Pos2) {
    harness.hover_at(pos);
    harness.step();
    button(harness, pos, PointerButton::Secondary, true);
    harness.step();
    button(harness, pos, PointerButton::Secondary, false);
    harness.run_steps(3);
}

fn field<'a>(harness: &'a Window, label: &'a str, role: Role) -> egui_kittest::Node<'a> {
    harness.query_all_by_label(label).find(|n| n.accesskit_node().role() == role).unwrap()
}

#[test]
fn the_read_out_says_pixel_value_sky_and_frame_in_columns_that_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = show(folder.path(), &plane_file(folder.path()), 0, &json!({}));
    point(&mut harness, [30.0, 20.0]);
    let value = read_out(&harness);
    let words: Vec<&str> = value.split_whitespace().collect();
    assert_eq!(words, ["x", "31.0", "y", "21.0", "2030", "erg", "s⁻¹", "cm⁻²"]);
    let place = line(&harness, "°  ICRS");
    assert!(place.starts_with("10:04:30.000 +41:12:50.00  151.125000° +41.213889°  ICRS"), "{place}");
    // Ten pixels to the left are two arcsec to the east, that is 2 / 15 / cos(dec) seconds of time.
    point(&mut harness, [20.0, 20.0]);
    let east = line(&harness, "°  ICRS");
    let (longitude, _) = parse_position(&east[..east.find("  ").unwrap()]).unwrap();
    let expected = 151.125 + 2.0 / 3600.0 / (41.213_889f64).to_radians().cos();
    assert!((longitude - expected).abs() < 1e-5, "{east} {expected}");
    assert_eq!(east.find("ICRS"), place.find("ICRS"));
    assert_eq!(read_out(&harness).find("erg"), value.find("erg"));
    // The pointer leaves: the size of the image stands there.
    harness.remove_cursor();
    harness.run_steps(3);
    assert!(lines(&harness).iter().any(|l| l == "61 × 41 pixels"), "{:?}", lines(&harness));
}

#[test]
fn a_cube_says_the_wavelength_of_its_plane() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cube.fits");
    let pixels = Array3::from_shape_fn((5, 11, 13), |(z, y, x)| (z * 1000 + y * 20 + x) as f32);
    let mut keywords = sky([7.0, 6.0]);
    keywords.extend([
        word("CTYPE3", "AWAV"),
        word("CUNIT3", "Angstrom"),
        number("CRVAL3", 7000.0),
        number("CRPIX3", 1.0),
        number("CDELT3", 1.25),
    ]);
    write(&path, pixels.view().into_dyn(), "10**(-20)*erg/s/cm**2/Angstrom", keywords);
    let mut harness = show(folder.path(), &path, 0, &json!({"plane": 2}));
    point(&mut harness, [6.0, 5.0]);
    assert!(line(&harness, "10:04:30").ends_with("λ(air)    7002.5 Å"), "{:?}", lines(&harness));
    assert!(read_out(&harness).ends_with("2106 × 10⁻²⁰ erg s⁻¹ cm⁻² Å⁻¹"), "{:?}", lines(&harness));
    // The cursor that others follow is where the pointer is.
    assert!(harness.query_by_label_contains("Colour bar").is_some());
}

#[test]
fn f_freezes_the_read_out_and_c_copies_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = show(folder.path(), &plane_file(folder.path()), 0, &json!({}));
    point(&mut harness, [30.0, 20.0]);
    harness.key_press(Key::F);
    harness.run_steps(2);
    assert!(lines(&harness).iter().any(|l| l == "frozen"));
    let before = read_out(&harness);
    point(&mut harness, [10.0, 5.0]);
    assert_eq!(read_out(&harness), before);
    harness.key_press(Key::C);
    assert_eq!(
        copied(&mut harness),
        "x 31.0 y 21.0 2030 erg s⁻¹ cm⁻² 10:04:30.000 +41:12:50.00 151.125000° +41.213889° ICRS"
    );
    harness.key_press(Key::F);
    harness.run_steps(2);
    point(&mut harness, [10.0, 5.0]);
    assert!(read_out(&harness).contains("510 erg"), "{:?}", lines(&harness));
}

#[test]
fn the_menu_of_the_right_button_copies_centres_and_measures() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = show(folder.path(), &plane_file(folder.path()), 0, &json!({}));
    let there = screen(&harness, [30.0, 20.0]);
    right_click(&mut harness, there);
    harness.get_by_label("Copy coordinates").click();
    let text = copied(&mut harness);
    assert_eq!(text, "10:04:30.000 +41:12:50.00");
    right_click(&mut harness, there);
    harness.get_by_label("Copy value").click();
    assert_eq!(copied(&mut harness), "2030");
    let corner = screen(&harness, [10.0, 30.0]);
    right_click(&mut harness, corner);
    harness.get_by_label("Center here").click();
    harness.run_steps(3);
    let center = &state(&harness)["camera"]["center"];
    assert!((center[0].as_f64().unwrap() - 10.0).abs() < 0.2, "{center}");
    assert!((center[1].as_f64().unwrap() - 30.0).abs() < 0.2, "{center}");
    // A drag of the right button changes contrast and bias and opens no menu.
    let (from, to) = (there, there + vec2(80.0, -40.0));
    harness.hover_at(from);
    harness.step();
    button(&harness, from, PointerButton::Secondary, true);
    harness.step();
    for i in 1..=4 {
        harness.hover_at(from + (to - from) * (i as f32 / 4.0));
        harness.step();
    }
    button(&harness, to, PointerButton::Secondary, false);
    harness.run_steps(3);
    assert!(harness.query_by_label("Copy value").is_none());
    assert!(state(&harness)["display"]["contrast"].as_f64().unwrap() > 1.1);
}

#[test]
fn go_to_takes_every_spelling_and_refuses_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = show(folder.path(), &plane_file(folder.path()), 0, &json!({}));
    harness.query_all_by_label("Go to…").next().unwrap().click();
    harness.run_steps(3);
    let mut go = |text: &str| {
        let node = field(&harness, "Go to", Role::TextInput);
        node.focus();
        harness.run_steps(1);
        harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
        field(&harness, "Go to", Role::TextInput).type_text(text);
        harness.run_steps(2);
        harness.get_by_label("Go").click();
        harness.run_steps(3);
        let camera = state(&harness)["camera"]["center"].clone();
        ([0, 1].map(|i| camera[i].as_f64().unwrap()), lines(&harness))
    };
    let near = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]) < 0.1;
    assert!(near(go("x 12 y 8").0, [11.0, 7.0]));
    assert!(near(go("10:04:30 +41:12:50").0, [30.0, 20.0]));
    // Two arcsec north: ten pixels up.
    assert!(near(go("151.125 41.2144444444").0, [30.0, 30.0]));
    let (center, lines) = go("10:04:30 +42:00:00");
    assert!(near(center, [30.0, 30.0]), "the view stays: {center:?}");
    let told: Vec<&String> = lines.iter().filter(|l| l.contains("outside of the image of 61 × 41 pixels")).collect();
    assert!(told.len() == 1 && !told[0].contains('\n'), "{lines:?}");
    let (_, lines) = go("somewhere");
    assert!(lines.iter().any(|l| l.contains("\"somewhere\" is not a")), "{lines:?}");
    let mark = state(&harness)["mark"].clone();
    assert!((mark[1].as_f64().unwrap() - 30.0).abs() < 0.1, "{mark}");
    // The mark stays when the field is closed, until Escape over the image.
    harness.key_press(Key::Escape);
    harness.run_steps(3);
    assert!(harness.query_by_label("Go").is_none());
    assert_eq!(state(&harness)["mark"], mark);
    point(&mut harness, [30.0, 28.0]);
    harness.key_press(Key::Escape);
    harness.run_steps(3);
    assert!(state(&harness)["mark"].is_null());
}

#[test]
fn g_draws_the_grid_with_labels_and_the_session_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = show(folder.path(), &plane_file(folder.path()), 0, &json!({}));
    point(&mut harness, [30.0, 20.0]);
    let before = harness.render().unwrap();
    harness.key_press(Key::G);
    harness.run_steps(3);
    assert_eq!(state(&harness)["grid"], true);
    let after = harness.render().unwrap();
    let inside = view(&harness);
    let changed = after
        .enumerate_pixels()
        .filter(|(x, y, p)| inside.contains(pos2(*x as f32, *y as f32)) && before.get_pixel(*x, *y) != *p)
        .count();
    // At least a few lines across an image of more than 500 points a side, and their labels.
    assert!(changed > 4_000, "{changed}");
    field(&harness, "Grid", Role::CheckBox).click();
    harness.run_steps(3);
    assert_eq!(state(&harness)["grid"], false);
}

#[test]
fn handles_of_the_histogram_and_typed_numbers_set_the_limits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faint.fits");
    let pixels = Array2::from_shape_fn((64, 64), |(y, x)| ((y * 64 + x) as f32 / 4096.0) * 1e-17);
    write(&path, pixels.view().into_dyn(), "erg/s/cm2", sky([32.0, 32.0]));
    let mut harness = show(folder.path(), &path, 0, &json!({}));
    assert_eq!(state(&harness)["display"]["limits"], "zscale");
    let handle = harness.get_by_label("Upper limit in the histogram").rect().center();
    let low = harness.get_by_label("Lower limit in the histogram").rect().center();
    drag(&mut harness, handle, handle + (low - handle) * 0.5);
    let display = state(&harness)["display"].clone();
    assert_eq!(display["limits"], "typed");
    let high = display["typed_limits"][1].as_f64().unwrap();
    assert!((4e-18..6e-18).contains(&high), "{display}");
    // The keyboard moves a handle too.
    harness.get_by_label("Lower limit in the histogram").focus();
    harness.run_steps(2);
    harness.key_press(Key::ArrowRight);
    harness.run_steps(2);
    let low = state(&harness)["display"]["typed_limits"][0].as_f64().unwrap();
    assert!(low > display["typed_limits"][0].as_f64().unwrap(), "{display} {low}");
    // A number with an exponent, typed; what is no number changes nothing.
    let node = field(&harness, "High", Role::SpinButton);
    node.click();
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.event(Event::Text("2.5e-17".into()));
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    let display = state(&harness)["display"].clone();
    assert_eq!(display["typed_limits"][1].as_f64().unwrap(), 2.5e-17, "{display}");
    field(&harness, "High", Role::SpinButton).click();
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.event(Event::Text("nan".into()));
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert_eq!(state(&harness)["display"]["typed_limits"], display["typed_limits"]);
    assert!(harness.query_by_label_contains("Colour bar").is_some());
}

#[test]
fn another_way_of_finding_limits_is_found_in_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = show(folder.path(), &plane_file(folder.path()), 0, &json!({}));
    let executed = |h: &Window| h.state().services().queries.counts().executed;
    let before = executed(&harness);
    field(&harness, "Limits", Role::ComboBox).click();
    harness.run_steps(3);
    harness.get_by_label("min–max").click();
    settle(&mut harness);
    assert!(executed(&harness) > before, "no query was run for the limits");
    assert_eq!(field(&harness, "Low", Role::SpinButton).value().as_deref(), Some("0"));
    assert_eq!(field(&harness, "High", Role::SpinButton).value().as_deref(), Some("4060"));
}

#[test]
fn colour_maps_are_found_by_typing_and_reversed_by_r() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = show(folder.path(), &plane_file(folder.path()), 0, &json!({}));
    field(&harness, "Colour map", Role::ComboBox).click();
    harness.run_steps(3);
    assert!(harness.query_by_label("gist_ncar").is_some() && harness.query_by_label("twilight").is_some());
    field(&harness, "Search", Role::TextInput).focus();
    harness.run_steps(1);
    field(&harness, "Search", Role::TextInput).type_text("twi_r");
    harness.run_steps(3);
    assert!(harness.query_by_label("viridis_r").is_none());
    harness.get_by_label("twilight_r").click();
    harness.run_steps(3);
    assert_eq!(state(&harness)["display"]["color_map"], "twilight_r");
}

/// The rows of a table with tabs, the heading left out.
fn table(text: &str) -> Vec<Vec<f64>> {
    text.lines().skip(1).map(|l| l.split('\t').map(|c| c.parse().unwrap()).collect()).collect()
}

#[test]
fn l_draws_a_line_whose_profile_is_plotted_and_copied() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = show(folder.path(), &plane_file(folder.path()), 0, &json!({}));
    point(&mut harness, [10.0, 5.0]);
    harness.key_press(Key::L);
    harness.run_steps(2);
    assert!(lines(&harness).iter().any(|l| l.starts_with("Drag a line")));
    let (from, to) = (screen(&harness, [10.0, 5.0]), screen(&harness, [40.0, 25.0]));
    drag(&mut harness, from, to);
    settle(&mut harness);
    assert!(harness.query_by_label("Line profile: plot").is_some());
    harness.get_by_label("Copy data").click();
    let rows = table(&copied(&mut harness));
    // The image is the plane 100 y + x, so bilinear values are exact; 0.2 arcsec a pixel.
    for row in &rows {
        let [distance, arcsec, x, y, value] = row[..] else { panic!("{row:?}") };
        assert!((value - (100.0 * (y - 1.0) + (x - 1.0))).abs() < 0.02, "{row:?}");
        assert!((arcsec - 0.2 * distance).abs() < 1e-3, "{row:?}");
    }
    let length = rows.last().unwrap()[0];
    assert!((length - 30f64.hypot(20.0)).abs() < 0.3, "{length}");
    // An end is dragged elsewhere.
    let end = harness.get_by_label("End of the line profile").rect().center();
    let there = screen(&harness, [40.0, 5.0]);
    drag(&mut harness, end, there);
    let ends = state(&harness)["profile"]["line"]["ends"].clone();
    assert!((ends[1][1].as_f64().unwrap() - 5.0).abs() < 0.3, "{ends}");
    // Or moved by the keyboard.
    harness.get_by_label("Start of the line profile").focus();
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowUp);
    harness.key_press(Key::ArrowLeft);
    harness.run_steps(3);
    let moved = state(&harness)["profile"]["line"]["ends"].clone();
    let by = |i: usize| moved[0][i].as_f64().unwrap() - ends[0][i].as_f64().unwrap();
    assert!((by(0) + 1.0).abs() < 1e-9 && (by(1) - 10.0).abs() < 1e-9, "{moved} {ends}");
    // Closed again, from the image.
    point(&mut harness, [20.0, 30.0]);
    harness.key_press(Key::Escape);
    harness.run_steps(3);
    assert!(state(&harness)["profile"].is_null());
    assert!(harness.query_by_label("Line profile: plot").is_none());
}

#[test]
fn r_on_a_star_gives_its_width() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("star.fits");
    let mut dice = crate::fits_support::Dice(7);
    // FWHM 4.71 pixels, that is 0.942 arcsec, at (40.3, 31.6) counted from 0.
    let pixels = Array2::from_shape_fn((70, 90), |(y, x)| {
        let r2 = (x as f64 - 40.3).powi(2) + (y as f64 - 31.6).powi(2);
        let noise = dice.below(2001) as f64 / 1000.0 - 1.0;
        (100.0 + 500.0 * (-0.5 * r2 / 4.0).exp() + 2.0 * noise) as f32
    });
    write(&path, pixels.view().into_dyn(), "adu", sky([45.0, 35.0]));
    let mut harness = show(folder.path(), &path, 0, &json!({}));
    point(&mut harness, [41.5, 30.5]);
    harness.key_press(Key::R);
    settle(&mut harness);
    let text = line(&harness, "FWHM");
    let width: f64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!((width - 4.7096).abs() < 0.05, "{text}");
    assert!(text.contains("0.94 arcsec") || text.contains("0.942 arcsec") || text.contains("0.94"), "{text}");
    let place = line(&harness, "Radial profile at");
    let numbers: Vec<f64> = place.split(['(', ',', ')']).filter_map(|t| t.trim().parse().ok()).collect();
    assert!((numbers[0] - 41.3).abs() < 0.05 && (numbers[1] - 32.6).abs() < 0.05, "{place}");
    harness.get_by_label("Copy data").click();
    let rows = table(&copied(&mut harness));
    for row in &rows {
        // A ring is a pixel wide: its mean is that at its mean radius up to the curvature of the profile.
        let expected = 100.0 + 500.0 * (-0.5 * row[0] * row[0] / 4.0).exp();
        assert!((row[2] - expected).abs() < 15.0, "{row:?} {expected}");
    }
    assert!(rows.len() >= 12, "{rows:?}");
    assert!(harness.query_by_label("Radial profile: plot").is_some());
}

#[test]
fn the_state_of_the_view_is_kept_and_nonsense_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let path = plane_file(folder.path());
    let more = json!({
        "grid": true, "compass": false, "mark": [3.5, 7.25],
        "profile": {"radial": {"center": [30.1, 20.7], "radius": 12.5, "recentre": false}},
    });
    let harness = show(folder.path(), &path, 0, &more);
    let text = harness.state().session().to_text();
    let mut other = window(folder.path());
    other.state_mut().restore(&Session::from_text(&text, &path).unwrap());
    settle(&mut other);
    assert_eq!(other.state().session().to_text(), text);
    assert_eq!(state(&other)["profile"]["radial"]["radius"], 12.5);
    let nonsense = json!({
        "mark": [1e300, 3.0], "plane": 0,
        "profile": {"line": {"ends": [[1e300, 0.0], [0.0, 0.0]]}},
        "camera": {"center": [0.0, 0.0], "points_per_pixel": -4.0},
    });
    let harness = show(folder.path(), &path, 0, &nonsense);
    assert!(state(&harness)["profile"].is_null());
}

#[test]
fn a_pointer_at_rest_asks_for_no_frame_also_where_there_is_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing.fits");
    write(&path, Array2::from_elem((20, 30), f32::NAN).view().into_dyn(), "Jy", sky([15.0, 10.0]));
    let mut harness = show(folder.path(), &path, 0, &json!({"grid": true}));
    point(&mut harness, [10.0, 10.0]);
    harness.run_ok();
    harness.step();
    let delay = harness.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay;
    assert!(delay.as_secs() >= 1, "a window at rest wants to be drawn again after {delay:?}");
}

#[test]
fn odd_images_are_shown_with_every_tool_on() {
    let folder = tempfile::tempdir().unwrap();
    let nan = f32::NAN;
    let images = [
        ("row", Array2::from_shape_fn((1, 300), |(_, x)| x as f32)),
        ("column", Array2::from_shape_fn((300, 1), |(y, _)| y as f32)),
        ("three", ndarray::array![[1.0, nan, 2.0]]),
        ("one", ndarray::array![[5.0]]),
        ("constant", Array2::from_elem((20, 30), 3.5)),
        ("missing", Array2::from_elem((20, 30), nan)),
        ("infinite", ndarray::array![[f32::INFINITY, 1.0], [f32::NEG_INFINITY, 2.0]]),
        ("huge", ndarray::array![[f32::MAX, -f32::MAX], [1e-40, 0.0]]),
    ];
    for (name, pixels) in images {
        let path = folder.path().join(format!("{name}.fits"));
        write(&path, pixels.view().into_dyn(), "Jy", sky([1.0, 1.0]));
        let more = json!({
            "grid": true,
            "profile": {"line": {"ends": [[-3.0, 0.0], [2.0, 0.5]]}},
        });
        let mut harness = show(folder.path(), &path, 0, &more);
        let center = view(&harness).center();
        harness.hover_at(center);
        harness.run_steps(3);
        let text = read_out(&harness);
        assert!(text.contains("y "), "{name}: {text}");
        harness.key_press(Key::R);
        settle(&mut harness);
        assert!(harness.query_by_label("Radial profile: plot").is_some(), "{name}");
        assert!(harness.query_by_label("Upper limit in the histogram").is_some(), "{name}");
        drop(harness.render().unwrap());
    }
}

#[test]
fn real_images_say_where_they_are() {
    let Some(data) = data_folder("real_images_say_where_they_are") else { return };
    let folder = tempfile::tempdir().unwrap();
    // File, HDU, the frame, and what else stands on the line.
    for (file, hdu, frame, more) in [
        ("lines/muse-abell478.fits", 1, "ICRS", "λ(air)"),
        ("ramps/iccz11q4q_ima.fits", 1, "FK5", ""),
        ("fits-corpus/m13.fits", 0, "FK5", ""),
    ] {
        let mut harness = show(folder.path(), &data.join(file), hdu, &json!({"grid": true}));
        let center = view(&harness).center();
        harness.hover_at(center);
        harness.run_steps(3);
        let all = lines(&harness);
        let Some(text) = all.iter().find(|l| l.contains(frame) && l.contains('°') && !l.starts_with("Frame")) else {
            panic!("{file}: {all:?}");
        };
        assert!(text.contains(more), "{file}: {text}");
        parse_position(&text[..text.find("  ").unwrap()]).unwrap();
    }
}

#[test]
fn a_cube_opens_with_percentiles_and_an_image_with_zscale() {
    let folder = tempfile::tempdir().unwrap();
    let cube = folder.path().join("cube.fits");
    write(&cube, Array3::from_shape_fn((3, 9, 9), |(z, y, x)| (z * y * x) as f32).view().into_dyn(), "K", Vec::new());
    for (path, limits) in [(plane_file(folder.path()), json!("zscale")), (cube, json!({"percentile": 99.5}))] {
        let mut harness = window(folder.path());
        harness.state_mut().send(sextans::panels::Command::OpenPath(path));
        settle(&mut harness);
        assert_eq!(state(&harness)["display"]["limits"], limits);
    }
}
