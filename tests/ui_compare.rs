//! Promise: two images are seen as one. Linked views agree to a fraction of a screen pixel; blink, difference and contours
//! use the same transform.

use std::path::{Path, PathBuf};

use egui::{Key, Vec2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use ndarray::{Array2, Array3};
use serde_json::{Value, json};
use sextans::app::{Session, ViewRecord, Workbench};
use sextans::data::{FitsFile, Keyword, PixelMap, Plane, Wcs, write_planes};
use sextans::panels::Command;

use crate::ui_support::{settle, texts, window};

/// A gnomonic grid: reference pixel (1-based) at RA 150.1, Dec 2.2, pixels of `step` degrees, turned by `turn` degrees.
fn sky(crpix: [f64; 2], step: f64, turn: f64) -> Vec<Keyword> {
    let (sin, cos) = turn.to_radians().sin_cos();
    let word = |name: &str, text: &str| Keyword::new(name, text, "");
    let number = |name: &str, value: f64| Keyword::new(name, value, "");
    vec![
        word("CTYPE1", "RA---TAN"),
        word("CTYPE2", "DEC--TAN"),
        word("CUNIT1", "deg"),
        word("CUNIT2", "deg"),
        number("CRPIX1", crpix[0]),
        number("CRPIX2", crpix[1]),
        number("CRVAL1", 150.1),
        number("CRVAL2", 2.2),
        number("CD1_1", -step * cos),
        number("CD1_2", step * sin),
        number("CD2_1", step * sin),
        number("CD2_2", step * cos),
    ]
}

fn write(folder: &Path, name: &str, pixels: &Array2<f32>, keywords: Vec<Keyword>) -> PathBuf {
    let path = folder.join(name);
    write_planes(&path, &[Plane { name: "SCI", pixels: pixels.view().into_dyn(), unit: "Jy", keywords }], &[]).unwrap();
    path
}

/// A hill on the sky, sampled by any grid: brightest at the reference position.
fn hill(size: [usize; 2], crpix: [f64; 2], step: f64) -> Array2<f32> {
    Array2::from_shape_fn((size[1], size[0]), |(y, x)| {
        let r = (x as f64 + 1.0 - crpix[0]).hypot(y as f64 + 1.0 - crpix[1]) * step * 3600.0;
        (100.0 * (-r * r / 200.0).exp()) as f32
    })
}

/// A coarse image with north up and a fine one that is turned by 30 degrees.
fn two_views_of_one_field(folder: &Path) -> [PathBuf; 2] {
    let coarse = write(folder, "coarse.fits", &hill([60, 50], [30.0, 25.0], 2e-4), sky([30.0, 25.0], 2e-4, 0.0));
    let fine = write(folder, "fine.fits", &hill([160, 140], [70.0, 90.0], 7e-5), sky([70.0, 90.0], 7e-5, 30.0));
    [coarse, fine]
}

fn opened(folder: &Path, paths: &[PathBuf]) -> Harness<'static, Workbench> {
    let mut harness = window(folder);
    for path in paths {
        harness.state_mut().send(Command::OpenPath(path.clone()));
        settle(&mut harness);
    }
    harness
}

fn menu(harness: &mut Harness<'_, Workbench>, menu: &str, item: &str) {
    harness.get_by_label(menu).click();
    harness.run_steps(3);
    harness.get_by_label_contains(item).click();
    settle(harness);
}

fn view_state(harness: &Harness<'_, Workbench>, id: u64) -> Value {
    harness.state().session().views.iter().find(|v| v.id == id).unwrap().state.clone()
}

fn camera(harness: &Harness<'_, Workbench>, id: u64) -> ([f64; 2], f64) {
    let camera = view_state(harness, id)["camera"].clone();
    let center = [0, 1].map(|c| camera["center"][c].as_f64().unwrap());
    (center, camera["points_per_pixel"].as_f64().unwrap())
}

fn images(harness: &Harness<'_, Workbench>) -> Vec<egui::Rect> {
    let mut rects: Vec<_> = harness.query_all_by_label_contains(": image of ").map(|n| n.rect()).collect();
    rects.sort_by(|a, b| a.left().total_cmp(&b.left()));
    rects
}

fn drag(harness: &mut Harness<'_, Workbench>, from: egui::Pos2, by: Vec2) {
    harness.drag_at(from);
    harness.step();
    harness.hover_at(from + by / 2.0);
    harness.step();
    harness.hover_at(from + by);
    harness.step();
    harness.drop_at(from + by);
    settle(harness);
}

fn transform(from: &Path, to: &Path) -> PixelMap {
    let wcs = |path: &Path| {
        let file = FitsFile::open(path).unwrap();
        std::sync::Arc::new(Wcs::from_header(&file.hdu(0).unwrap().header).unwrap().unwrap())
    };
    PixelMap::Sky { from: wcs(from), to: wcs(to) }
}

#[test]
fn side_by_side_links_by_sky_and_both_centres_are_one_place() {
    let folder = tempfile::tempdir().unwrap();
    let paths = two_views_of_one_field(folder.path());
    let mut harness = opened(folder.path(), &paths);
    menu(&mut harness, "View", "Side by side");
    let rects = images(&harness);
    assert_eq!(rects.len(), 2, "both images are on the screen");
    assert!(rects[0].right() < rects[1].left(), "beside each other: {rects:?}");
    let kinds = [1, 2].map(|id| view_state(&harness, id)["link"]["kind"].clone());
    assert_eq!(kinds, [json!("sky"), json!("sky")]);
    let there = transform(&paths[0], &paths[1]);
    // Whichever of the two is moved, the other follows.
    for (rect, by) in [(rects[0], vec2(43.0, -31.0)), (rects[1], vec2(-60.0, 25.0)), (rects[0], vec2(10.0, 50.0))] {
        let before = camera(&harness, 1);
        drag(&mut harness, rect.center(), by);
        let ((first, scale), (second, other_scale)) = (camera(&harness, 1), camera(&harness, 2));
        assert!(before.0 != first, "the drag moved the image");
        let expected = there.apply(first).unwrap();
        let off = [0, 1].map(|c| (expected[c] - second[c]) * other_scale);
        assert!(off[0].hypot(off[1]) < 0.5, "the centres are {off:?} points apart");
        // Equal arcseconds on the screen: pixels of 0.72 and 0.252 arcsec.
        assert!((scale / 0.72 / (other_scale / 0.252) - 1.0).abs() < 1e-5, "{scale} {other_scale}");
    }
}

#[test]
fn the_pointer_of_one_view_is_a_crosshair_in_the_other_with_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let paths = two_views_of_one_field(folder.path());
    let mut harness = opened(folder.path(), &paths);
    menu(&mut harness, "View", "Side by side");
    let rect = images(&harness)[0];
    harness.hover_at(rect.center() + vec2(30.0, 20.0));
    settle(&mut harness);
    let cursor = harness.state().links().cursor.unwrap();
    let there = transform(&paths[0], &paths[1]).apply(cursor.pixel).unwrap();
    let other = if cursor.view == 1 { 2 } else { 1 };
    let matching = harness.state().links().matching_cursor(other).unwrap();
    assert!((0..2).all(|c| (matching[c] - there[c]).abs() < 1e-9), "{matching:?} {there:?}");
    let read_out = harness
        .query_all_by_label_contains("linked ")
        .filter_map(|n| n.value())
        .next()
        .expect("the other view reads the linked place out");
    let after =
        |name: &str| read_out.split(name).nth(1).unwrap().split_whitespace().next().unwrap().parse::<f64>().unwrap();
    let shown = [after("x "), after("y ")];
    assert!((0..2).all(|c| (shown[c] - there[c] - 1.0).abs() < 0.051), "{read_out}, not {there:?} counted from 1");
    // The hill is the same on the sky, so both values agree as well as a pixel samples it.
    let value: f64 = read_out.split_whitespace().rev().nth(1).unwrap().parse().unwrap();
    let pixels = FitsFile::open(&paths[1]).unwrap().read_image::<f32>(0).unwrap();
    let index = there.map(|v| (v + 0.5).floor() as usize);
    assert!((value - f64::from(pixels[[index[1], index[0]]])).abs() < 1e-3 * value.abs().max(1.0), "{read_out}");
}

#[test]
fn images_without_a_sky_link_by_pixel_and_unlink_again() {
    let folder = tempfile::tempdir().unwrap();
    let bare = |name: &str| write(folder.path(), name, &hill([60, 50], [30.0, 25.0], 2e-4), Vec::new());
    let mut harness = opened(folder.path(), &[bare("a.fits"), bare("b.fits")]);
    menu(&mut harness, "View", "Side by side");
    assert_eq!(view_state(&harness, 2)["link"]["kind"], "pixel");
    let rects = images(&harness);
    drag(&mut harness, rects[0].center(), vec2(30.0, 12.0));
    assert_eq!(camera(&harness, 1), camera(&harness, 2));
    // Not linked any more: the other one stays.
    harness.query_all_by_label("Link").find(|n| n.accesskit_node().role() == egui::Role::ComboBox).unwrap().click();
    harness.run_steps(3);
    harness.get_by_label("not linked").click();
    settle(&mut harness);
    drag(&mut harness, rects[0].center(), vec2(-50.0, 5.0));
    assert_ne!(camera(&harness, 1), camera(&harness, 2));
}

#[test]
fn cubes_linked_by_wcs_show_the_same_wavelength() {
    let folder = tempfile::tempdir().unwrap();
    let cube = |name: &str, unit: &str, start: f64, step: f64, planes: usize| {
        let path = folder.path().join(name);
        let pixels = Array3::from_shape_fn((planes, 12, 14), |(z, y, x)| (z * 1000 + y * 14 + x) as f32).into_dyn();
        let mut keywords = sky([7.0, 6.0], 1e-4, 0.0);
        keywords.push(Keyword::new("CTYPE3", "WAVE", ""));
        keywords.push(Keyword::new("CUNIT3", unit, ""));
        keywords.push(Keyword::new("CRPIX3", 1.0, ""));
        keywords.push(Keyword::new("CRVAL3", start, ""));
        keywords.push(Keyword::new("CD3_3", step, ""));
        write_planes(&path, &[Plane { name: "SCI", pixels: pixels.view(), unit: "Jy", keywords }], &[]).unwrap();
        path
    };
    // 600 to 649 nm by 1 nm, and 6100 to 6490 Angstrom by 10.
    let paths = [cube("nm.fits", "nm", 600.0, 1.0, 50), cube("angstrom.fits", "Angstrom", 6100.0, 10.0, 40)];
    let mut harness = opened(folder.path(), &paths);
    let ids: Vec<u64> = harness.state().links().images().keys().copied().collect();
    harness.state_mut().send(Command::SideBySide(Some([ids[0], ids[1]])));
    settle(&mut harness);
    assert_eq!(view_state(&harness, ids[1])["link"]["kind"], "sky");
    // From 600 nm 21 keys on: 621 nm is the plane at 6210 Angstrom.
    let slider = |harness: &Harness<'_, Workbench>| {
        let sliders = harness.query_all_by_label("Plane").filter(|n| n.accesskit_node().role() == egui::Role::Slider);
        sliders.min_by(|a, b| a.rect().left().total_cmp(&b.rect().left())).unwrap().focus();
    };
    slider(&harness);
    harness.run_steps(2);
    for _ in 0..21 {
        harness.key_press(Key::ArrowRight);
        harness.step();
    }
    settle(&mut harness);
    let planes = [0, 1].map(|i| view_state(&harness, ids[i])["plane"].as_u64().unwrap());
    assert_eq!(planes, [21, 11], "621 nm and 6210 Angstrom");
}

#[test]
fn a_difference_is_taken_on_the_sky_and_not_pixel_by_pixel() {
    let folder = tempfile::tempdir().unwrap();
    // The same field, the second image cut out five pixels to the right and three up.
    let pixels = Array2::from_shape_fn((40, 50), |(y, x)| (10 * y + x) as f32);
    let cut = pixels.slice(ndarray::s![3..33, 5..45]).to_owned() + 2.0;
    let whole = write(folder.path(), "whole.fits", &pixels, sky([25.0, 20.0], 1e-4, 0.0));
    let part = write(folder.path(), "part.fits", &cut, sky([20.0, 17.0], 1e-4, 0.0));
    let mut harness = opened(folder.path(), &[whole, part]);
    menu(&mut harness, "View", "Compare…");
    harness.get_by_label("Difference").click();
    settle(&mut harness);
    assert!(harness.query_by_label_contains("resampled").is_some());
    // Everywhere in the overlap the second is brighter by 2; beside it there is no difference.
    assert!(harness.query_by_label_contains("mean -2 ").is_some(), "{:?}", texts(&harness));
    harness.query_all_by_label("Show").find(|n| n.accesskit_node().role() == egui::Role::ComboBox).unwrap().click();
    harness.run_steps(3);
    harness.get_by_label("A − k B").click();
    settle(&mut harness);
    let k = harness.query_all_by_label("k").find(|n| n.accesskit_node().role() == egui::Role::Slider).unwrap();
    k.set_value_accesskit(0.0);
    settle(&mut harness);
    let id = harness.state().session().focused.unwrap();
    assert_eq!(view_state(&harness, id)["k"], 0.0);
    // A - 0 B is A where both are: rows 3 to 32 and columns 5 to 44 have the mean 10 * 17.5 + 24.5.
    assert!(harness.query_by_label_contains("mean 199.5 ").is_some());
}

#[test]
fn images_that_cannot_be_subtracted_say_so_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let small = write(folder.path(), "small.fits", &Array2::zeros((10, 12)), Vec::new());
    let large = write(folder.path(), "large.fits", &Array2::zeros((20, 12)), Vec::new());
    let mut harness = opened(folder.path(), &[small, large]);
    menu(&mut harness, "View", "Compare…");
    let text = "small.fits is 12 × 10 pixels, large.fits is 12 × 20, and they share no sky coordinates; choose images of one size, or with WCS";
    assert!(harness.query_by_label(text).is_some());
}

#[test]
fn the_key_b_blinks_and_the_clock_does_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), &two_views_of_one_field(folder.path()));
    harness.key_press(Key::B);
    settle(&mut harness);
    assert!(harness.state().session().views.iter().any(|v| v.kind == "compare"), "B opens the comparison");
    let shows = |harness: &Harness<'_, Workbench>| harness.query_by_label("Showing B").is_some();
    assert!(!shows(&harness));
    for expected in [true, false] {
        harness.key_press(Key::B);
        settle(&mut harness);
        assert_eq!(shows(&harness), expected);
    }
    harness.get_by_label("every").click();
    let mut turns = 0;
    let mut last = shows(&harness);
    for _ in 0..40 {
        harness.step();
        turns += usize::from(shows(&harness) != last);
        last = shows(&harness);
    }
    assert!(turns >= 3, "{turns}");
}

#[test]
fn contours_of_one_image_lie_on_the_same_place_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let [coarse, fine] = two_views_of_one_field(folder.path());
    let mut harness = opened(folder.path(), &[fine, coarse.clone()]);
    // Over the coarse image, which is focused: contours of the fine one, at half of the peak.
    harness.get_by_label("Contours").click();
    settle(&mut harness);
    let combo = |harness: &Harness<'_, Workbench>, name: &str| {
        harness.query_all_by_label(name).find(|n| n.accesskit_node().role() == egui::Role::ComboBox).unwrap().click();
    };
    combo(&harness, "Of");
    harness.run_steps(3);
    let title = harness.state().links().images()[&1].title.clone();
    harness.query_all_by_label(&title).max_by(|a, b| a.rect().top().total_cmp(&b.rect().top())).unwrap().click();
    settle(&mut harness);
    combo(&harness, "Levels");
    harness.run_steps(3);
    harness.get_by_label("typed values").click();
    settle(&mut harness);
    let field =
        harness.query_all_by_label("Values").find(|n| n.accesskit_node().role() == egui::Role::TextInput).unwrap();
    field.focus();
    harness.run_steps(2);
    let field =
        harness.query_all_by_label("Values").find(|n| n.accesskit_node().role() == egui::Role::TextInput).unwrap();
    field.type_text("50");
    settle(&mut harness);
    let state = view_state(&harness, 2);
    assert_eq!(state["contours"]["typed"], "50");
    assert!(state["contours"]["of"]["path"].as_str().unwrap().ends_with("fine.fits"), "{state}");
    assert!(harness.query_by_label("1 line in view").is_some(), "{:?}", texts(&harness));
    // A level that is no number is told.
    let field =
        harness.query_all_by_label("Values").find(|n| n.accesskit_node().role() == egui::Role::TextInput).unwrap();
    field.type_text(" six");
    settle(&mut harness);
    assert!(harness.query_by_label_contains("is no number").is_some());
}

#[test]
fn links_contours_and_comparisons_are_kept_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let paths = two_views_of_one_field(folder.path());
    let mut harness = opened(folder.path(), &paths);
    menu(&mut harness, "View", "Side by side");
    let rect = images(&harness)[0];
    drag(&mut harness, rect.center(), vec2(33.0, -21.0));
    harness.get_by_label("Contours").click();
    settle(&mut harness);
    harness.state_mut().send(Command::OpenPanel("compare"));
    settle(&mut harness);
    harness.get_by_label("Difference").click();
    settle(&mut harness);
    let session = harness.state().session();
    let mut other = window(folder.path());
    other.state_mut().restore(&session);
    settle(&mut other);
    assert_eq!(other.state().session().to_text().unwrap(), session.to_text().unwrap());
    // And it is still linked: what is moved here moves there.
    let before = camera(&other, 2);
    let rects = images(&other);
    // The left one lies behind the comparison.
    drag(&mut other, rects[1].center(), vec2(20.0, 20.0));
    assert_ne!(camera(&other, 2), before);
    let (one, two) = (camera(&other, 1), camera(&other, 2));
    let expected = transform(&paths[0], &paths[1]).apply(one.0).unwrap();
    assert!((0..2).all(|c| (expected[c] - two.0[c]).abs() * two.1 < 0.5), "{expected:?} {two:?}");
}

#[test]
fn nonsense_in_a_session_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let [coarse, _] = two_views_of_one_field(folder.path());
    let mut harness = window(folder.path());
    let state = json!({
        "path": coarse, "link": { "kind": "sky", "group": 200 },
        "contours": { "on": true, "width": -4.0, "color": 99, "count": 0, "smooth": 1000, "rule": "even" },
    });
    let compare = json!({ "period_s": -1.0, "a": { "of": { "path": coarse } }, "b": { "of": { "path": coarse } } });
    let views = vec![
        ViewRecord { id: 1, kind: "image".into(), state },
        ViewRecord { id: 2, kind: "compare".into(), state: compare },
    ];
    harness.state_mut().restore(&Session { views, paths: vec![coarse], ..Session::default() });
    settle(&mut harness);
    let kept = view_state(&harness, 1)["contours"].clone();
    assert_eq!((kept["color"].as_u64(), kept["count"].as_u64(), kept["smooth"].as_u64()), (Some(3), Some(1), Some(16)));
    assert!(kept["width"].as_f64().unwrap() >= 0.5);
    assert!(view_state(&harness, 2)["period_s"].as_f64().unwrap() >= 0.1);
}
