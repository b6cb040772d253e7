//! Promise: a cube is alive at once. Its spectrum follows the pointer, its planes move with slider, keys and movie.

use std::path::{Path, PathBuf};

use egui::{Key, Modifiers, pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use ndarray::{Array3, Array4};
use sextans::app::Workbench;
use sextans::data::{Keyword, Plane, write_planes};
use sextans::panels::Command;

use crate::fits_support::data_folder;
use crate::ui_support::{settle, texts, until, window};

/// Keywords of a spectral axis.
fn spectral(n: usize, kind: &str, unit: &str, start: f64, step: f64) -> Vec<Keyword> {
    vec![
        Keyword::new(&format!("CTYPE{n}"), kind, ""),
        Keyword::new(&format!("CUNIT{n}"), unit, ""),
        Keyword::new(&format!("CRPIX{n}"), 1.0, ""),
        Keyword::new(&format!("CRVAL{n}"), start, ""),
        Keyword::new(&format!("CDELT{n}"), step, ""),
    ]
}

/// A cube of 20 planes of 8 x 10 with the value 1000 z + 10 y + x, at 500, 501, ... nm, and its variance (constant 25).
fn cube(folder: &Path) -> PathBuf {
    let path = folder.join("cube.fits");
    let pixels = Array3::from_shape_fn((20, 8, 10), |(z, y, x)| (1000 * z + 10 * y + x) as f32).into_dyn();
    let variance = Array3::from_elem((20, 8, 10), 25.0_f32).into_dyn();
    let keywords = spectral(3, "WAVE", "nm", 500.0, 1.0);
    let planes = [
        Plane { name: "DATA", pixels: pixels.view(), unit: "Jy", keywords: keywords.clone() },
        Plane { name: "STAT", pixels: variance.view(), unit: "Jy2", keywords },
    ];
    write_planes(&path, &planes, &[]).unwrap();
    path
}

fn opened(folder: &Path, path: PathBuf) -> Harness<'static, Workbench> {
    let mut harness = window(folder);
    harness.state_mut().send(Command::OpenPath(path));
    settle(&mut harness);
    harness
}

/// The image of a cube, by its name for screen readers.
fn image_rect(harness: &Harness<'_, Workbench>) -> egui::Rect {
    harness.query_all_by_label_contains(": image of ").next().unwrap().rect()
}

fn plot_rect(harness: &Harness<'_, Workbench>) -> egui::Rect {
    harness.get_by_label("Spectrum: plot").rect()
}

/// The line with channel, coordinate and value of the spectrum.
fn spectrum_read_out(harness: &Harness<'_, Workbench>) -> String {
    harness
        .query_all_by_label_contains("channel ")
        .filter_map(|n| n.value())
        .find(|t| t.starts_with("channel "))
        .unwrap()
}

fn state(harness: &Harness<'_, Workbench>, kind: &str) -> serde_json::Value {
    harness.state().session().views.iter().find(|v| v.kind == kind).unwrap().state.clone()
}

fn plane(harness: &Harness<'_, Workbench>) -> u64 {
    state(harness, "image")["plane"].as_u64().unwrap()
}

/// The 0-based pixel under the pointer, as other views are told.
fn pointed(harness: &Harness<'_, Workbench>) -> [usize; 2] {
    let cursor = harness.state().links().cursor.unwrap();
    cursor.pixel.map(|v| (v + 0.5).floor() as usize)
}

#[test]
fn the_spectrum_opens_by_itself_and_follows_the_pointer_without_a_click() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), cube(folder.path()));
    let kinds: Vec<String> = harness.state().session().views.iter().map(|v| v.kind.clone()).collect();
    assert_eq!(kinds, ["image", "spectrum"]);
    // Below the image, and alive before the pointer moves: the middle of the image in the first plane.
    assert!(plot_rect(&harness).top() > image_rect(&harness).bottom());
    assert_eq!(spectrum_read_out(&harness), "channel 1  500 nm  45 Jy");
    let middle = image_rect(&harness).center();
    let mut seen = std::collections::BTreeSet::new();
    for offset in [-60.0, 0.0, 70.0] {
        harness.hover_at(middle + egui::vec2(offset, offset / 2.0));
        settle(&mut harness);
        let [x, y] = pointed(&harness);
        assert_eq!(spectrum_read_out(&harness), format!("channel 1  500 nm  {} Jy", 10 * y + x));
        seen.insert([x, y]);
    }
    assert_eq!(seen.len(), 3, "the pointer was over three pixels: {seen:?}");
    // It stays when the pointer leaves.
    let before = spectrum_read_out(&harness);
    harness.hover_at(pos2(5.0, 400.0));
    settle(&mut harness);
    assert_eq!(spectrum_read_out(&harness), before);
}

#[test]
fn a_click_pins_a_spectrum_and_its_button_takes_it_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), cube(folder.path()));
    let middle = image_rect(&harness).center();
    for offset in [-70.0, 70.0] {
        harness.drag_at(middle + egui::vec2(offset, 0.0));
        harness.drop_at(middle + egui::vec2(offset, 0.0));
        settle(&mut harness);
        // Two clicks in quick succession are a double click, which fits the image.
        harness.run_steps(4);
    }
    let pins = state(&harness, "spectrum")["pins"].as_array().unwrap().clone();
    assert_eq!(pins.len(), 2, "{pins:?}");
    assert_ne!(pins[0]["color"], pins[1]["color"]);
    let [x, y] = pointed(&harness);
    assert_eq!(pins[1]["pixel"], serde_json::json!([x, y]));
    // In the legend with its FITS pixel, and on the button that removes it.
    let first = pins[0]["pixel"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() + 1).collect::<Vec<_>>();
    harness.get_by_label(&format!("x {} y {} ×", first[0], first[1])).click();
    settle(&mut harness);
    let left = state(&harness, "spectrum")["pins"].as_array().unwrap().clone();
    assert_eq!(left, [pins[1].clone()]);
}

#[test]
fn plane_and_spectrum_move_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), cube(folder.path()));
    // The slider moves the line.
    let slider = harness.query_all_by_label("Plane").find(|n| n.accesskit_node().role() == egui::Role::Slider).unwrap();
    slider.focus();
    harness.run_steps(2);
    for _ in 0..4 {
        harness.key_press(Key::ArrowRight);
        harness.step();
    }
    settle(&mut harness);
    assert_eq!(plane(&harness), 4);
    assert!(spectrum_read_out(&harness).starts_with("channel 5  504 nm"), "{}", spectrum_read_out(&harness));
    assert!(harness.query_by_label("504.000 nm").or(harness.query_by_label("504 nm")).is_some());
    // A click in the spectrum moves the plane: at three quarters of the axis lies plane 15 of 20.
    let plot = plot_rect(&harness);
    let at = |fraction: f32| pos2(plot.left() + 40.0 + fraction * (plot.width() - 40.0), plot.center().y);
    harness.drag_at(at(0.75));
    harness.drop_at(at(0.75));
    settle(&mut harness);
    assert!((13..=16).contains(&plane(&harness)), "{}", plane(&harness));
    // Dragging the line along takes the planes with it, and the plot stays where it is. The line is where the pointer
    // turns into a handle.
    let before = plane(&harness) as f32;
    let line = (-30..30).map(|dx| at(0.75) + egui::vec2(dx as f32, 0.0)).find(|place| {
        harness.hover_at(*place);
        harness.run_steps(2);
        harness.output().platform_output.cursor_icon == egui::CursorIcon::ResizeHorizontal
    });
    let line = line.expect("the line can be taken hold of") + egui::vec2(3.0, 0.0);
    harness.drag_at(line);
    harness.step();
    for step in 1..=8 {
        harness.hover_at(line - egui::vec2(step as f32 * 40.0, 0.0));
        harness.step();
    }
    harness.drop_at(line - egui::vec2(320.0, 0.0));
    settle(&mut harness);
    let expected = before - 320.0 / (plot.width() - 52.0) * 19.4;
    let dragged = plane(&harness) as f32;
    assert!((dragged - expected).abs() < 1.6, "{dragged} {expected}");
    assert!(spectrum_read_out(&harness).starts_with("channel "));
}

#[test]
fn keys_step_through_the_planes_and_play_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), cube(folder.path()));
    let press = |harness: &mut Harness<'_, Workbench>, modifiers, key| {
        harness.key_press_modifiers(modifiers, key);
        settle(harness);
        plane(harness)
    };
    assert_eq!(press(&mut harness, Modifiers::NONE, Key::Plus), 1);
    assert_eq!(press(&mut harness, Modifiers::CTRL, Key::ArrowUp), 2);
    assert_eq!(press(&mut harness, Modifiers::NONE, Key::Minus), 1);
    assert_eq!(press(&mut harness, Modifiers::NONE, Key::End), 19);
    assert_eq!(press(&mut harness, Modifiers::NONE, Key::Plus), 19);
    assert_eq!(press(&mut harness, Modifiers::CTRL, Key::ArrowDown), 18);
    assert_eq!(press(&mut harness, Modifiers::NONE, Key::Home), 0);
    harness.key_press(Key::Space);
    let mut seen = std::collections::BTreeSet::new();
    until(&mut harness, "five planes of the movie", |h| {
        seen.insert(plane(h));
        seen.len() >= 5
    });
    // A movie sets one pair of limits for all planes.
    assert_eq!(state(&harness, "image")["slices"]["same_limits"], true);
    assert!(harness.query_by_label("Stop").is_some());
    harness.key_press(Key::Space);
    settle(&mut harness);
    let stopped = plane(&harness);
    harness.run_steps(8);
    assert_eq!(plane(&harness), stopped);
    assert!(harness.query_by_label("Play").is_some());
}

#[test]
fn the_axis_switches_to_angstrom_and_to_velocity_from_a_rest_wavelength() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), cube(folder.path()));
    let choose = |harness: &mut Harness<'_, Workbench>, unit: &str| {
        harness.query_all_by_label("Axis").find(|n| n.accesskit_node().role() == egui::Role::ComboBox).unwrap().click();
        harness.run_steps(3);
        harness.get_by_label(unit).click();
        harness.run_steps(3);
        // Off the plot: over it, the channel under the pointer would be read out.
        harness.hover_at(pos2(5.0, 400.0));
        settle(harness);
    };
    choose(&mut harness, "Å");
    assert_eq!(spectrum_read_out(&harness), "channel 1  5000 Å  45 Jy");
    choose(&mut harness, "GHz");
    // c / 500 nm.
    assert_eq!(spectrum_read_out(&harness), "channel 1  599584.9 GHz  45 Jy");
    // With a rest wavelength of 500 nm the second channel is at c / 500 in km/s.
    let mut session = harness.state().session();
    let view = session.views.iter_mut().find(|v| v.kind == "spectrum").unwrap();
    view.state["rest_m"] = serde_json::json!(500e-9);
    harness.state_mut().restore(&session);
    settle(&mut harness);
    choose(&mut harness, "km/s, optical");
    harness.key_press(Key::Plus);
    settle(&mut harness);
    assert_eq!(spectrum_read_out(&harness), "channel 2  599.5849 km/s  1045 Jy");
}

#[test]
fn the_error_is_drawn_when_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), cube(folder.path()));
    let picture = |harness: &mut Harness<'_, Workbench>| {
        harness.hover_at(pos2(5.0, 400.0));
        settle(harness);
        harness.render().unwrap()
    };
    let before = picture(&mut harness);
    harness.get_by_label("Error").click();
    let after = picture(&mut harness);
    assert_eq!(state(&harness, "spectrum")["band"], true);
    // The legend names it; the band itself is ±5 on a range of 19000, so the legend is what shows.
    let plot = plot_rect(&harness);
    let changed = before
        .enumerate_pixels()
        .filter(|(x, y, p)| plot.contains(pos2(*x as f32, *y as f32)) && after.get_pixel(*x, *y) != *p)
        .count();
    assert!(changed > 100, "{changed}");
}

#[test]
fn four_axes_have_a_slider_each_with_name_and_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stokes.fits");
    let pixels =
        Array4::from_shape_fn((3, 5, 6, 7), |(s, z, y, x)| (10000 * s + 1000 * z + 10 * y + x) as f32).into_dyn();
    let mut keywords = spectral(3, "FREQ", "Hz", 1.4e9, 1e6);
    keywords.extend(spectral(4, "STOKES", "", 1.0, 1.0));
    write_planes(&path, &[Plane { name: "SCI", pixels: pixels.view(), unit: "Jy/beam", keywords }], &[]).unwrap();
    let mut harness = opened(folder.path(), path);
    let step = |name: &'static str, harness: &mut Harness<'_, Workbench>| {
        harness.query_all_by_label(name).find(|n| n.accesskit_node().role() == egui::Role::Slider).unwrap().focus();
        harness.run_steps(2);
        harness.key_press(Key::ArrowRight);
        settle(harness);
    };
    assert!(harness.query_by_label("I").is_some(), "the first Stokes parameter is I");
    step("STOKES", &mut harness);
    assert!(harness.query_by_label("Q").is_some());
    step("FREQ", &mut harness);
    step("FREQ", &mut harness);
    // Plane 2 of Q: 2 + 5 * 1; the spectrum is that of Q.
    assert_eq!(plane(&harness), 7);
    assert!(
        spectrum_read_out(&harness).contains("channel 3  1.402e9 Hz  12033 Jy/beam"),
        "{}",
        spectrum_read_out(&harness)
    );
}

#[test]
fn what_is_shown_of_a_cube_is_kept_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), cube(folder.path()));
    let middle = image_rect(&harness).center();
    harness.drag_at(middle);
    harness.drop_at(middle);
    harness.key_press(Key::Plus);
    harness.get_by_label("Full range").click();
    harness.get_by_label("Same limits for all planes").click();
    settle(&mut harness);
    let session = harness.state().session();
    let kept = &session.views.iter().find(|v| v.kind == "spectrum").unwrap().state;
    assert_eq!((kept["pins"].as_array().unwrap().len(), &kept["full_range"]), (1, &serde_json::json!(true)));
    let mut other = window(folder.path());
    other.state_mut().restore(&session);
    settle(&mut other);
    assert_eq!(other.state().session().to_text().unwrap(), session.to_text().unwrap());
    assert!(texts(&other).is_empty(), "{:?}", texts(&other));
}

#[test]
fn nonsense_in_a_session_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), cube(folder.path()));
    let mut session = harness.state().session();
    for view in &mut session.views {
        if view.kind == "spectrum" {
            view.state["cursor"]["pixel"] = serde_json::json!([4000, 9]);
            view.state["rest_m"] = serde_json::json!(-3.0);
            view.state["pins"] =
                serde_json::json!([{ "of": view.state["cursor"]["of"], "pixel": [99, 0], "color": 7 }]);
        } else {
            view.state["plane"] = serde_json::json!(10_000);
            view.state["slices"]["speed"] = serde_json::json!(-1.0);
        }
    }
    harness.state_mut().restore(&session);
    settle(&mut harness);
    assert_eq!(plane(&harness), 19);
    assert_eq!(spectrum_read_out(&harness), "channel 20  519 nm  19045 Jy");
}

#[test]
fn a_spectrum_in_a_file_opens_as_a_curve_over_its_axis() {
    let Some(data) = data_folder("a_spectrum_in_a_file_opens_as_a_curve_over_its_axis") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), data.join("lines/sitelle-m57.fits"));
    let kinds: Vec<String> = harness.state().session().views.iter().map(|v| v.kind.clone()).collect();
    assert_eq!(kinds, ["spectrum"]);
    harness.hover_at(plot_rect(&harness).center());
    settle(&mut harness);
    let read_out = spectrum_read_out(&harness);
    // Channel i lies at 14393.458 + 3.0340342 (i - 1) per centimetre (CRVAL1, CDELT1).
    let words: Vec<&str> = read_out.split_whitespace().collect();
    let (channel, wavenumber): (f64, f64) = (words[1].parse().unwrap(), words[2].parse().unwrap());
    assert!((wavenumber - (14_393.458_47 + 3.034_034_25 * (channel - 1.0))).abs() < 0.01, "{read_out}");
    assert_eq!(words[3], "cm⁻¹");
    assert!(harness.query_by_label_contains("593 channels").is_some());
    // Counts of an X-ray telescope, over the energies of the response that lies beside them.
    harness.state_mut().send(Command::OpenPath(data.join("plasma/3c273.pi")));
    settle(&mut harness);
    harness.hover_at(plot_rect(&harness).center());
    settle(&mut harness);
    assert!(spectrum_read_out(&harness).contains(" keV  "), "{}", spectrum_read_out(&harness));
}

#[test]
fn the_lines_of_abell_478_are_where_they_are() {
    let Some(data) = data_folder("the_lines_of_abell_478_are_where_they_are") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), data.join("lines/muse-abell478.fits"));
    // The strongest line of the middle spaxel is [N II] at 7148.6 Å: clicking there shows that plane.
    let plot = plot_rect(&harness);
    harness.hover_at(pos2(plot.left() + 45.0 + 0.3705 * (plot.width() - 52.0), plot.center().y));
    settle(&mut harness);
    let read_out = spectrum_read_out(&harness);
    let wavelength: f64 = read_out.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert!((wavelength - 7148.0).abs() < 15.0, "{read_out}");
    assert!(read_out.ends_with("10⁻²⁰ erg s⁻¹ cm⁻² Å⁻¹"), "{read_out}");
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
}
