//! Promises about tables, headers and catalogues over images, each told as what a user does.

use std::path::{Path, PathBuf};

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use ndarray::Array2;
use sextans::app::Workbench;
use sextans::data::{Plane, Table, TableColumn, arcsec_grid, write_ecsv, write_fits_table, write_planes};
use sextans::panels::Command;

use crate::fits_support::data_folder;
use crate::ui_support::{settle, texts, until, window};

/// Five sources: flux out of order with a hole, names, classes.
fn sources() -> Table {
    let words = |all: [&str; 5]| all.map(str::to_owned).to_vec();
    Table::new(vec![
        TableColumn::new("flux", "Jy", vec![3.5, 0.25, f64::NAN, 12.0, 1.0]),
        TableColumn::new("name", "", words(["M13", "NGC 1", "in m13", "3C 273", "M31"])),
        TableColumn::new("class", "", words(["GC", "GALAXY", "GC", "QSO", "GALAXY"])),
    ])
}

fn fits_table(folder: &Path) -> PathBuf {
    let path = folder.join("sources.fits");
    write_fits_table(&path, "SOURCES", &sources(), &[]).unwrap();
    path
}

fn open(harness: &mut Harness<'_, Workbench>, path: &Path) {
    harness.state_mut().send(Command::OpenPath(path.to_owned()));
    settle(harness);
}

/// A text field by the label before it.
fn type_into(harness: &mut Harness<'_, Workbench>, label: &str, text: &str) {
    let field = |n: &egui_kittest::Node<'_>| n.accesskit_node().role() == egui::Role::TextInput;
    harness.query_all_by_label(label).find(field).unwrap().focus();
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(2);
    harness.query_all_by_label(label).find(field).unwrap().type_text(text);
    settle(harness);
}

fn state(harness: &Harness<'_, Workbench>, kind: &str) -> serde_json::Value {
    harness.state().session().views.iter().find(|v| v.kind == kind).unwrap().state.clone()
}

/// What the cells of the screen say, from top to bottom, for the values of one column.
fn seen(harness: &Harness<'_, Workbench>, values: &[&str]) -> Vec<String> {
    let mut found: Vec<(f32, String)> = values
        .iter()
        .flat_map(|value| harness.query_all_by_label(value).map(|n| (n.rect(), (*value).to_owned())))
        // Below the bar and left of the inspector.
        .filter(|(rect, _)| rect.top() > 130.0 && rect.right() < 1090.0)
        .map(|(rect, value)| (rect.top(), value))
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|(_, value)| value).collect()
}

#[test]
fn a_file_of_tables_opens_as_rows_that_sort_by_a_click_on_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, &fits_table(folder.path()));
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
    assert!(harness.query_by_label("5 rows, 3 columns").is_some());
    // The unit and the form stand under the name.
    assert!(harness.query_by_label("Jy  D").is_some());
    let fluxes = ["3.5", "0.25", "–", "12", "1"];
    let cells = |h: &Harness<'_, Workbench>| {
        let names = seen(h, &["M13", "NGC 1", "in m13", "3C 273", "M31"]);
        assert_eq!(names.len(), 5, "{names:?}");
        names
    };
    assert_eq!(cells(&harness), ["M13", "NGC 1", "in m13", "3C 273", "M31"]);
    assert!(fluxes.iter().all(|f| harness.query_all_by_label(f).count() > 0));
    harness.get_by_label("flux").click();
    settle(&mut harness);
    assert_eq!(cells(&harness), ["NGC 1", "M31", "M13", "3C 273", "in m13"]);
    harness.get_by_label("flux ▲").click();
    settle(&mut harness);
    // Downwards, and the row without a value still last.
    assert_eq!(cells(&harness), ["3C 273", "M13", "M31", "NGC 1", "in m13"]);
    harness.get_by_label("flux ▼").click();
    settle(&mut harness);
    assert_eq!(cells(&harness), ["M13", "NGC 1", "in m13", "3C 273", "M31"]);
    // The statistics of the column that was clicked: mean of 3.5, 0.25, 12 and 1.
    assert!(harness.query_by_label("4.1875 Jy").is_some(), "the mean of the fluxes");
}

#[test]
fn a_filter_hides_rows_and_says_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, &fits_table(folder.path()));
    type_into(&mut harness, "Filter", "flux > 0.5 and name ~ m");
    assert!(harness.query_by_label("2 of 5 rows, 3 columns").is_some());
    assert_eq!(seen(&harness, &["M13", "M31", "3C 273"]), ["M13", "M31"]);
    type_into(&mut harness, "Filter", "flxu > 0.5");
    assert!(harness.query_by_label_contains("no column \"flxu\"; did you mean flux?").is_some());
    // The session keeps the text, and the rows are those of the last filter that made sense.
    assert_eq!(state(&harness, "table")["filter"], "flxu > 0.5");
    assert_eq!(seen(&harness, &["M13", "M31", "3C 273"]), ["M13", "M31"]);
}

#[test]
fn rows_are_chosen_by_click_keys_and_number_and_copied() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, &fits_table(folder.path()));
    harness.get_by_label("NGC 1").click();
    settle(&mut harness);
    assert!(harness.query_by_label("5 rows, 3 columns, 1 chosen").is_some());
    harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowDown);
    settle(&mut harness);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowDown);
    settle(&mut harness);
    assert!(harness.query_by_label("5 rows, 3 columns, 3 chosen").is_some());
    harness.get_by_label("Copy rows").click();
    harness.run_steps(3);
    harness.get_by_label("As TSV").click();
    let mut copied = String::new();
    until(&mut harness, "the rows on the clipboard", |h| {
        for command in &h.output().platform_output.commands {
            if let egui::OutputCommand::CopyText(text) = command {
                copied.clone_from(text);
            }
        }
        !copied.is_empty()
    });
    assert_eq!(copied, "flux\tname\tclass\n0.25\tNGC 1\tGALAXY\n\tin m13\tGC\n12\t3C 273\tQSO\n");
    type_into(&mut harness, "Go to row", "5");
    harness.key_press(Key::Enter);
    settle(&mut harness);
    assert!(harness.query_by_label("5 rows, 3 columns, 1 chosen").is_some());
    type_into(&mut harness, "Go to row", "6");
    harness.key_press(Key::Enter);
    settle(&mut harness);
    assert!(texts(&harness).last().unwrap().contains("numbered from 1 to 5"), "{:?}", texts(&harness));
}

#[test]
fn a_long_table_is_shown_from_its_first_rows_on_and_to_its_last() {
    const ROWS: usize = 300_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.fits");
    let table = Table::new(vec![
        TableColumn::new("number", "", (0..ROWS as i64).map(|i| 7 * i).collect::<Vec<_>>()),
        TableColumn::new("noise", "", (0..ROWS).map(|i| ((i * 7919) % 10_007) as f64).collect::<Vec<_>>()),
    ]);
    write_fits_table(&path, "LONG", &table, &[]).unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, &path);
    assert!(harness.query_by_label("300,000 rows, 2 columns").is_some());
    type_into(&mut harness, "Go to row", "300,000");
    harness.key_press(Key::Enter);
    settle(&mut harness);
    harness.run_steps(3);
    // The number in the last row; only what fits on the screen is made into text.
    assert_eq!(seen(&harness, &[&format!("{}", 7 * (ROWS - 1))]).len(), 1);
    let cells = harness.query_all_by_role(egui::Role::Label).count();
    assert!(cells < 400, "{cells} labels are on the screen");
    // A plot of so many points is a picture of their density.
    harness.get_by_label("Plot").click();
    settle(&mut harness);
    assert!(harness.query_by_label("Histogram: plot").is_some());
    let mut session = harness.state().session();
    session.views[0].state["plot"]["y"] = "noise".into();
    harness.state_mut().restore(&session);
    settle(&mut harness);
    assert!(harness.query_by_label_contains("300,000 points, density").is_some());
}

#[test]
fn a_histogram_and_a_scatter_plot_choose_rows_by_a_box() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plane.ecsv");
    let table = Table::new(vec![
        TableColumn::new("a", "s", (0..100).map(f64::from).collect::<Vec<_>>()),
        TableColumn::new("b", "m", (0..100).map(|i| f64::from(i * i)).collect::<Vec<_>>()),
    ]);
    write_ecsv(&path, &table).unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, &path);
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
    let mut session = harness.state().session();
    session.views[0].state["show_plot"] = true.into();
    session.views[0].state["plot"]["x"] = "a".into();
    session.views[0].state["plot"]["y"] = "b".into();
    harness.state_mut().restore(&session);
    settle(&mut harness);
    let plot = harness.get_by_label("b against a: plot").rect();
    // Shift and drag over the right half of the plot: about the upper half of a.
    let (from, to) = (plot.center_top() + egui::vec2(0.0, 4.0), plot.right_bottom() - egui::vec2(4.0, 4.0));
    let press = |pos, pressed| egui::Event::PointerButton {
        pos,
        button: egui::PointerButton::Primary,
        pressed,
        modifiers: Modifiers::SHIFT,
    };
    harness.event(egui::Event::ModifiersChanged(Modifiers::SHIFT));
    for event in [egui::Event::PointerMoved(from), press(from, true)] {
        harness.event(event);
        harness.step();
    }
    for step in 1..=4 {
        harness.event(egui::Event::PointerMoved(from + (to - from) * (step as f32 / 4.0)));
        harness.step();
    }
    harness.event(press(to, false));
    harness.step();
    harness.event(egui::Event::ModifiersChanged(Modifiers::NONE));
    settle(&mut harness);
    let text = harness.query_all_by_label_contains(" chosen").find_map(|n| n.value()).unwrap_or_default();
    let chosen: usize =
        text.rsplit(", ").next().unwrap_or_default().split(' ').next().unwrap_or_default().parse().unwrap_or(0);
    assert!((40..=60).contains(&chosen), "{text:?}: {chosen} rows of the upper half");
}

/// An image with a WCS and a catalogue of three stars at known pixels.
fn sky(folder: &Path) -> (PathBuf, PathBuf) {
    let image = folder.join("sky.fits");
    let pixels = Array2::from_shape_fn((60, 80), |(y, x)| (x + y) as f32);
    let mut keywords = arcsec_grid(60, 80, 1.0);
    keywords.retain(|k| {
        !k.name.starts_with("CTYPE")
            && !k.name.starts_with("CRVAL")
            && !k.name.starts_with("CRPIX")
            && !k.name.starts_with("CUNIT")
            && !k.name.starts_with("CD")
    });
    for (name, value) in [
        ("CRVAL1", 250.0),
        ("CRVAL2", 36.0),
        ("CRPIX1", 40.5),
        ("CRPIX2", 30.5),
        ("CDELT1", -1.0 / 3600.0),
        ("CDELT2", 1.0 / 3600.0),
    ] {
        keywords.push(sextans::data::Keyword::new(name, value, ""));
    }
    for (name, value) in [("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN")] {
        keywords.push(sextans::data::Keyword::new(name, value, ""));
    }
    write_planes(&image, &[Plane { name: "", pixels: pixels.view().into_dyn(), unit: "Jy", keywords }], &[]).unwrap();
    // In the middle, 20" east of it, 20" north of it, and one far outside.
    let cos = 36.0_f64.to_radians().cos();
    let table = Table::new(vec![
        TableColumn::new("RAJ2000", "deg", vec![250.0, 250.0 + 20.0 / 3600.0 / cos, 250.0, 10.0]),
        TableColumn::new("DEJ2000", "deg", vec![36.0, 36.0, 36.0 + 20.0 / 3600.0, 10.0]),
        TableColumn::new("star", "", ["middle", "east", "north", "far"].map(str::to_owned).to_vec()),
    ]);
    let catalogue = folder.join("stars.ecsv");
    write_ecsv(&catalogue, &table).unwrap();
    (image, catalogue)
}

#[test]
fn a_catalogue_lies_over_the_image_and_a_click_on_a_marker_chooses_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let (image, catalogue) = sky(folder.path());
    let mut harness = window(folder.path());
    open(&mut harness, &image);
    open(&mut harness, &catalogue);
    harness.get_by_label("Show on image").click();
    settle(&mut harness);
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
    let overlay = state(&harness, "table")["overlay"].clone();
    assert_eq!((&overlay["first"], &overlay["second"]), (&"RAJ2000".into(), &"DEJ2000".into()));
    harness.state_mut().send(Command::NextView);
    settle(&mut harness);
    harness.run_steps(3);
    let view = harness.query_all_by_role(egui::Role::Image).next().unwrap().rect();
    let picture = harness.render().unwrap();
    // The middle of the fitted image is where the camera is: find it by the pixel scale of the session's camera.
    let camera = state(&harness, "image")["camera"].clone();
    let scale = camera["points_per_pixel"].as_f64().unwrap() as f32;
    let center = [0, 1].map(|i| camera["center"][i].as_f64().unwrap() as f32);
    assert_eq!(center, [39.5, 29.5]);
    // The view of the image lies within the widget, beside its axes: the marker's ring tells where its middle is.
    let green = |x: f32, y: f32| {
        let p = picture.get_pixel(x as u32, y as u32).0;
        p[1] > 150 && p[0] < 120 && p[2] < 190
    };
    let mut rings = Vec::new();
    for y in view.top() as u32..view.bottom() as u32 {
        for x in view.left() as u32..view.right() as u32 {
            if green(x as f32, y as f32) {
                rings.push((x as f32, y as f32));
            }
        }
    }
    assert!(rings.len() > 30, "no markers are drawn: {}", rings.len());
    // East is to the left: the leftmost ring is the star in the east, 20 pixels from the middle one.
    let left = rings.iter().map(|r| r.0).fold(f32::INFINITY, f32::min);
    let right = rings.iter().filter(|r| r.1 > view.top() + 60.0).map(|r| r.0).fold(f32::NEG_INFINITY, f32::max);
    assert!((right - left - 20.0 * scale - 12.0).abs() < 4.0, "{left} {right} {scale}");
    let row: Vec<f32> = rings.iter().filter(|r| r.0 < left + 13.0).map(|r| r.1).collect();
    let middle = egui::pos2(left + 6.5, row.iter().sum::<f32>() / row.len() as f32);
    harness.hover_at(middle);
    harness.run_steps(2);
    harness.drag_at(middle);
    harness.step();
    harness.drop_at(middle);
    settle(&mut harness);
    harness.state_mut().send(Command::NextView);
    settle(&mut harness);
    assert!(harness.query_by_label("4 rows, 3 columns, 1 chosen").is_some());
    // The row of the star in the east is the one that is marked.
    let blue = harness.get_by_label("east").rect();
    let picture = harness.render().unwrap();
    let ground = |rect: egui::Rect| picture.get_pixel(rect.right() as u32 + 3, rect.center().y as u32).0;
    assert_ne!(ground(blue), ground(harness.get_by_label("north").rect()));
}

#[test]
fn a_table_without_positions_asks_for_the_columns() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, &fits_table(folder.path()));
    harness.get_by_label("Show on image").click();
    settle(&mut harness);
    assert!(texts(&harness)[0].contains("No columns of positions"), "{:?}", texts(&harness));
    assert!(harness.query_by_label_contains("choose them here").is_some());
    // The choice is a settings' one: it stays shown, and the session keeps it.
    assert_eq!(state(&harness, "table")["overlay"]["shown"], true);
}

#[test]
fn a_header_is_searched_and_opens_from_the_tree() {
    let folder = tempfile::tempdir().unwrap();
    let (image, _) = sky(folder.path());
    let mut harness = window(folder.path());
    open(&mut harness, &image);
    harness.query_all_by_label("Header").next().unwrap().click();
    settle(&mut harness);
    assert!(harness.state().session().views.iter().any(|v| v.kind == "header"));
    assert!(harness.query_by_label_contains("World axes: right ascension").is_some());
    assert!(harness.query_by_label("CRVAL2").is_some() && harness.query_by_label("BITPIX").is_some());
    type_into(&mut harness, "Search", "crval");
    assert!(harness.query_by_label("CRVAL2").is_some() && harness.query_by_label("BITPIX").is_none());
    assert!(harness.query_by_label_contains("2 of ").is_some());
    type_into(&mut harness, "Search", "nowhere");
    assert!(harness.query_by_label_contains("No card holds").is_some());
}

#[test]
fn a_session_brings_tables_and_headers_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = fits_table(folder.path());
    let mut harness = window(folder.path());
    open(&mut harness, &path);
    type_into(&mut harness, "Filter", "flux > 0.5");
    harness.get_by_label("flux").click();
    settle(&mut harness);
    harness.get_by_label("Plot").click();
    settle(&mut harness);
    harness.state_mut().send(Command::ShowHeader { path, hdu: 1 });
    settle(&mut harness);
    let saved = harness.state().session();
    let mut other = window(folder.path());
    other.state_mut().restore(&saved);
    settle(&mut other);
    assert_eq!(other.state().session().to_text().unwrap(), saved.to_text().unwrap());
    assert_eq!(state(&other, "table")["sort"]["column"], "flux");
}

#[test]
fn a_text_table_that_was_written_again_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.csv");
    std::fs::write(&path, "id,flux\n1,2.5\n2,3.5\n").unwrap();
    let mut harness = window(folder.path());
    open(&mut harness, &path);
    assert!(harness.query_by_label("2 rows, 2 columns").is_some());
    std::fs::write(&path, "id,flux\n1,2.5\n2,3.5\n3,4.5\n").unwrap();
    open(&mut harness, &path);
    assert!(harness.query_by_label("3 rows, 2 columns").is_some());
    std::fs::write(&path, "id,flux\n1,2.5\n").unwrap();
    harness.get_by_label("Reload").click();
    settle(&mut harness);
    assert!(harness.query_by_label("1 row, 2 columns").is_some());
    assert_eq!(harness.state().session().views.len(), 1);
    std::fs::write(&path, "id,flux\n1\n").unwrap();
    harness.get_by_label("Reload").click();
    settle(&mut harness);
    assert!(harness.query_by_label_contains("1 fields where there are 2 columns").is_some());
}

#[test]
fn real_tables_open() {
    let Some(data) = data_folder("real_tables_open") else { return };
    let folder = tempfile::tempdir().unwrap();
    for (file, count) in [
        ("fits-corpus/btable.fits", "3 rows, 4 columns"),
        ("plasma/acisi_aimpt_cy21.rmf", "1,024 rows, 6 columns"),
        ("cosmology/abacus-particles.fits", "262,144 rows"),
    ] {
        let mut harness = window(folder.path());
        harness.state_mut().send(Command::OpenPath(data.join(file)));
        until(&mut harness, count, |h| h.query_all_by_label_contains(count).count() > 0);
        settle(&mut harness);
        assert!(texts(&harness).is_empty(), "{file}: {:?}", texts(&harness));
    }
}
