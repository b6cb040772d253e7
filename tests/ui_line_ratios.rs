//! Promises of the panel of `line_ratios`: it measures a simulated galaxy live, shows maps, the spectrum and the fit of the
//! spaxel that is clicked, and diagrams of excitation that are linked to the map.

use std::path::{Path, PathBuf};

use egui::{Modifiers, PointerButton};
use egui_kittest::kittest::{NodeT, Queryable};
use ndarray::{Array2, Array3};
use sextans::data::{Keyword, Plane, write_planes};
use sextans::panels::Command;
use sextans::runs::{Hooks, Record, execute};
use sextans::studies::line_ratios::excitation::{Class, Diagram};
use sextans::studies::line_ratios::lines::Line;
use sextans::studies::line_ratios::{FitOutcome, FitRequest, SimulateRequest};
use sextans::tasks::{Board, Outcome, Task, TaskEntry};

use crate::fits_support::data_folder;
use crate::ui_support::{Window, settle, texts, until, window};

fn run<T: Task>(request: &T, out: &Path) {
    let value = serde_json::to_value(request).unwrap();
    execute(&TaskEntry::of::<T>(), &value, out, false, &Board::new(), &Hooks::NONE).unwrap();
}

fn load(folder: &Path) -> FitOutcome {
    let record = Record::read(folder).unwrap();
    FitOutcome::load(folder, &record.request, &record.metrics).unwrap()
}

/// A small galaxy, and the fit of it.
fn galaxy(folder: &Path) -> PathBuf {
    let simulate = SimulateRequest { pixels: 24, regions: 30, resolution: 2500.0, ..SimulateRequest::default() };
    let (cube, fit) = (folder.join("runs/simulate"), folder.join("runs/fit"));
    run(&simulate, &cube);
    run(&FitRequest { data: Some(cube.join("cube.fits")), ..FitRequest::default() }, &fit);
    fit
}

/// log [NII]/Halpha and log [OIII]/Hbeta of the three parts of [`whole_band`], from the left.
const PARTS: [([f64; 2], Class); 3] =
    [([-0.8, -0.3], Class::StarForming), ([-0.15, -0.1], Class::Composite), ([0.1, 0.8], Class::Active)];

/// A cube of 12 x 8 spaxels with Gaussian lines from Hbeta to [SII] on a wavelength axis, hardly any noise: three parts of
/// 4 columns, each of another class.
fn whole_band(path: &Path) {
    const FIRST: f64 = 4700.0;
    const STEP: f64 = 1.25;
    const SIGMA: f64 = 1.3;
    let samples = 1680;
    let flux = |line: Line, column: usize| {
        let [nitrogen, oxygen] = PARTS[column / 4].0.map(|log| 10f64.powf(log));
        match line {
            Line::Hbeta => 100.0,
            Line::OIII5007 => 100.0 * oxygen,
            Line::OIII4959 => 100.0 * oxygen / 2.98,
            Line::Halpha => 286.0,
            Line::NII6583 => 286.0 * nitrogen,
            Line::NII6548 => 286.0 * nitrogen / 2.96,
            Line::SII6716 | Line::SII6731 => 60.0,
            _ => 0.0,
        }
    };
    let cube = Array3::from_shape_fn((samples, 8, 12), |(z, y, x)| {
        let wavelength = FIRST + STEP * z as f64;
        let lines = Line::ALL.iter().map(|line| {
            let off = (wavelength - 10.0 * line.air_nm()) / SIGMA;
            flux(*line, x) / (SIGMA * (2.0 * std::f64::consts::PI).sqrt()) * (-0.5 * off * off).exp()
        });
        // A fixed pattern of a little scatter, so that there is a noise to be measured.
        let scatter = (((z * 7919 + y * 104_729 + x * 1299) % 1000) as f64 / 500.0 - 1.0) * 0.4;
        (lines.sum::<f64>() + scatter) as f32
    });
    let keywords = vec![
        Keyword::new("CTYPE3", "AWAV", ""),
        Keyword::new("CUNIT3", "Angstrom", ""),
        Keyword::new("CRPIX3", 1.0, ""),
        Keyword::new("CRVAL3", FIRST, ""),
        Keyword::new("CDELT3", STEP, ""),
        Keyword::new("INSTRUME", "MUSE", ""),
    ];
    let plane = Plane { name: "DATA", pixels: cube.view().into_dyn(), unit: "erg/s/cm2/Angstrom", keywords };
    write_planes(path, &[plane], &[]).unwrap();
}

fn opened(folder: &Path, run: &Path) -> Window {
    let mut harness = window(folder);
    harness.state_mut().send(Command::OpenPath(run.to_owned()));
    until(&mut harness, "the maps", |h| h.query_by_label_contains("Spaxel x ").is_some());
    settle(&mut harness);
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
    harness
}

fn state(harness: &Window) -> serde_json::Value {
    let session = harness.state().session();
    session.views.iter().find(|view| view.kind == "line_ratios").unwrap().state.clone()
}

/// Every text on the screen, in order.
fn words(harness: &Window) -> Vec<String> {
    let labels = harness.root().children_recursive().filter(|n| n.accesskit_node().role() == egui::Role::Label);
    labels.filter_map(|n| n.value().or_else(|| n.accesskit_node().label())).collect()
}

/// The texts that follow a name in the table of numbers: the fit, and the truth where there is one.
fn beside(harness: &Window, name: &str) -> [String; 2] {
    let words = words(harness);
    // Titles of maps may have the same words: in the table a number follows.
    let number = |word: &String| word.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '<');
    let row = words.windows(3).find(|row| row[0] == name && number(&row[1]));
    let row = row.unwrap_or_else(|| panic!("no number for {name:?} in {words:?}"));
    [row[1].clone(), row[2].clone()]
}

fn first_number(text: &str) -> f64 {
    let number = text.split(' ').find_map(|word| word.parse().ok());
    number.unwrap_or_else(|| panic!("no number in {text:?}"))
}

/// Where an image or plot of this name is drawn.
fn drawn(harness: &Window, name: &str) -> egui::Rect {
    let mut images = harness.query_all_by_role(egui::Role::Image);
    let found = images.find(|n| n.accesskit_node().label().is_some_and(|l| l.starts_with(name)));
    found.unwrap_or_else(|| panic!("no map {name}: {:?}", words(harness))).rect()
}

fn drag(harness: &mut Window, from: egui::Pos2, to: egui::Pos2, modifiers: Modifiers) {
    let button = |pos, pressed| egui::Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers };
    harness.event(egui::Event::ModifiersChanged(modifiers));
    for event in [egui::Event::PointerMoved(from), button(from, true)] {
        harness.event(event);
        harness.step();
    }
    for part in 1..=4 {
        harness.event(egui::Event::PointerMoved(from.lerp(to, part as f32 / 4.0)));
        harness.step();
    }
    harness.event(button(to, false));
    harness.step();
    harness.event(egui::Event::ModifiersChanged(Modifiers::NONE));
    settle(harness);
}

#[test]
fn the_demo_galaxy_is_measured_live_and_ends_beside_its_truth() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::Demo("line_ratios"));
    until(&mut harness, "the running fit", |h| h.query_by_label("Cancel").is_some());
    until(&mut harness, "maps that fill", |h| h.query_by_label_contains("of 9216 spectra").is_some());
    until(&mut harness, "the maps", |h| h.query_by_label_contains("Spaxel x ").is_some());
    settle(&mut harness);
    let runs: Vec<_> = std::fs::read_dir(folder.path().join("runs")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(runs.len(), 2, "{runs:?}");
    // The brightest spaxel: fit and truth stand beside each other and agree.
    let [fit, truth] = beside(&harness, "Velocity").map(|text| first_number(&text));
    assert!((fit - truth).abs() < 3.0, "{fit} {truth}");
    harness.get_by_label("Truth").click();
    settle(&mut harness);
    assert!(harness.query_by_label("True velocity").is_some());
    assert!(harness.query_by_label("(Fit − truth) / error: velocity").is_some());
    harness.get_by_label("4  Keep").click();
    settle(&mut harness);
    assert!(harness.query_by_label("maps.fits").is_some() && harness.query_by_label("record.json").is_some());
    assert!(harness.query_by_label_contains("sextans run line_ratios.fit --input").is_some());
}

#[test]
fn a_click_on_a_map_shows_that_spaxels_numbers_and_the_session_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = galaxy(folder.path());
    let outcome = load(&run);
    let mut harness = opened(folder.path(), &run);
    assert!(state(&harness)["compare"]["spaxel"].is_null());
    let middle = drawn(&harness, "Velocity").center();
    for pressed in [true, false] {
        harness.hover_at(middle);
        harness.step();
        let modifiers = Modifiers::NONE;
        harness.event(egui::Event::PointerButton { pos: middle, button: PointerButton::Primary, pressed, modifiers });
        harness.step();
    }
    settle(&mut harness);
    // The widget holds the scales too: near the middle of the map, not on it.
    let place = state(&harness)["compare"]["spaxel"].clone();
    let [y, x] = [0, 1].map(|k| place[k].as_u64().unwrap_or_else(|| panic!("{place}")) as usize);
    assert!((7..17).contains(&y) && (7..17).contains(&x), "{place}");
    let title = format!("Spaxel x {}, y {}", x + 1, y + 1);
    assert!(harness.query_by_label(&title).is_some());
    let velocity = outcome.map("VELOCITY").unwrap().values[[y, x]];
    assert!((first_number(&beside(&harness, "Velocity")[0]) - f64::from(velocity)).abs() < 0.06, "{velocity}");
    let chi2 = outcome.map("REDUCED_CHI2").unwrap().values[[y, x]];
    assert!((first_number(&beside(&harness, "Reduced χ²")[0]) - f64::from(chi2)).abs() < 6e-4, "{chi2}");
    // Another window with this session shows the same spaxel.
    let session = harness.state().session();
    let mut other = window(folder.path());
    other.state_mut().restore(&session);
    until(&mut other, "the maps", |h| h.query_by_label(&title).is_some());
    settle(&mut other);
    assert_eq!(other.state().session().to_text().unwrap(), session.to_text().unwrap());
}

#[test]
fn the_diagram_that_the_band_cannot_have_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), &galaxy(folder.path()));
    harness.get_by_label("Diagram").click();
    settle(&mut harness);
    assert!(harness.get_by_label("BPT [NII]").accesskit_node().is_disabled());
    assert!(harness.query_by_label_contains("Hβ, [OIII] 5007 lie outside the band of this cube").is_some());
    // What the band has can be drawn.
    harness.get_by_label("[NII] and [SII]").click();
    settle(&mut harness);
    assert!(harness.query_by_label_contains("outside the band").is_none());
    assert!(harness.query_by_label_contains("Spaxels ").is_some(), "{:?}", words(&harness));
}

#[test]
fn a_box_in_the_diagram_marks_the_spaxels_and_a_box_on_the_map_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let (cube, run_folder) = (folder.path().join("whole.fits"), folder.path().join("runs/fit"));
    whole_band(&cube);
    run(&FitRequest { data: Some(cube), ..FitRequest::default() }, &run_folder);
    let outcome = load(&run_folder);
    for (part, (ratios, class)) in PARTS.iter().enumerate() {
        for (name, log) in Diagram::Nitrogen.ratios().iter().zip(ratios) {
            let value = f64::from(outcome.map(name).unwrap().values[[3, 4 * part + 1]]).log10();
            assert!((value - log).abs() < 0.02, "{name} {value} {log}");
        }
        assert_eq!(Diagram::Nitrogen.class(*ratios), *class);
    }
    let mut harness = opened(folder.path(), &run_folder);
    harness.get_by_label("Diagram").click();
    settle(&mut harness);
    for text in ["Star-forming 32", "Composite 32", "AGN or shocks 32"] {
        assert!(harness.query_by_label(text).is_some(), "no {text}: {:?}", words(&harness));
    }
    harness.get_by_label("Composite 32").click();
    settle(&mut harness);
    assert!(harness.query_by_label("32 spaxels marked").is_some());
    harness.get_by_label("Unmark").click();
    settle(&mut harness);
    assert!(harness.query_by_label_contains("spaxels marked").is_none());
    // The right upper quarter of the diagram holds the active part only.
    let plot = drawn(&harness, "BPT [NII]");
    let at = |x: f32, y: f32| plot.lerp_inside(egui::vec2(x, y));
    drag(&mut harness, at(0.72, 0.02), at(0.99, 0.35), Modifiers::SHIFT);
    let corners = state(&harness)["compare"]["brush"]["diagram"].clone();
    let expected: usize = PARTS
        .iter()
        .filter(|([x, y], _)| {
            let c: Vec<f64> = corners.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            (c[0]..=c[2]).contains(x) && (c[1]..=c[3]).contains(y)
        })
        .count();
    assert_eq!(expected, 1, "{corners}");
    assert!(harness.query_by_label("32 spaxels marked").is_some(), "{:?}", words(&harness));
    // A box on the map: the spaxels whose middles lie in it.
    let middle = drawn(&harness, "Velocity").center();
    drag(&mut harness, middle - egui::vec2(40.0, 40.0), middle + egui::vec2(40.0, 40.0), Modifiers::NONE);
    let corners = state(&harness)["compare"]["brush"]["map"].clone();
    let c: Vec<f64> = corners.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let inside = |x: usize, y: usize| (c[0]..=c[2]).contains(&(x as f64)) && (c[1]..=c[3]).contains(&(y as f64));
    let count = (0..12).flat_map(|x| (0..8).map(move |y| (x, y))).filter(|(x, y)| inside(*x, *y)).count();
    assert!(count > 4 && count < 96, "{corners}");
    assert!(harness.query_by_label(&format!("{count} spaxels marked")).is_some(), "{count}: {:?}", words(&harness));
}

#[test]
fn two_runs_of_one_field_give_the_diagram_together() {
    let folder = tempfile::tempdir().unwrap();
    let cube = folder.path().join("whole.fits");
    whole_band(&cube);
    let (red, blue) = (folder.path().join("runs/red"), folder.path().join("runs/blue"));
    let of = |lines: &[Line]| FitRequest { data: Some(cube.clone()), lines: lines.to_vec(), ..FitRequest::default() };
    run(&of(&[Line::Halpha, Line::NII6548, Line::NII6583]), &red);
    run(&of(&[Line::Hbeta, Line::OIII4959, Line::OIII5007]), &blue);
    let mut harness = opened(folder.path(), &red);
    harness.get_by_label("Diagram").click();
    settle(&mut harness);
    assert!(harness.get_by_label("BPT [NII]").accesskit_node().is_disabled());
    let mut session = harness.state().session();
    session.views[0].state["compare"]["partner"] = blue.to_str().unwrap().into();
    harness.state_mut().restore(&session);
    settle(&mut harness);
    assert!(harness.query_by_label("AGN or shocks 32").is_some(), "{:?}", words(&harness));
}

#[test]
fn abell_478_is_looked_at_before_and_measured_after() {
    let Some(data) = data_folder("abell_478_is_looked_at_before_and_measured_after") else { return };
    let cube = data.join("lines/muse-abell478.fits");
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::OpenPanel("line_ratios"));
    settle(&mut harness);
    harness.get_by_label("My file").click();
    settle(&mut harness);
    let mut session = harness.state().session();
    session.views[0].state["fit"]["data"] = cube.to_str().unwrap().into();
    session.views[0].state["fit"]["redshift"] = 0.086.into();
    harness.state_mut().restore(&session);
    settle(&mut harness);
    assert!(harness.query_by_label("Mean over the band").is_some(), "{:?}", texts(&harness));
    let words_now = words(&harness).join(" ");
    assert!(words_now.contains("[NII] 6548, Hα, [NII] 6583"), "{words_now}");
    assert!(words_now.contains("40 x 40 spaxels, 0.200 arcsec"), "{words_now}");
    harness.get_by_label("Measure these lines").click();
    until(&mut harness, "the maps", |h| h.query_by_label_contains("Spaxel x ").is_some());
    settle(&mut harness);
    let velocity = first_number(&beside(&harness, "Velocity")[0]);
    assert!(velocity.abs() < 300.0, "{velocity}");
    let ratio = first_number(&beside(&harness, "[NII] 6583 / Hα")[0]);
    assert!((0.7..1.5).contains(&ratio), "{ratio}");
}

#[test]
fn the_mask_leaves_weak_spaxels_out() {
    let folder = tempfile::tempdir().unwrap();
    let run = galaxy(folder.path());
    let snr = load(&run).map("SNR_Halpha").unwrap().values.clone();
    let mut harness = opened(folder.path(), &run);
    let mut session = harness.state().session();
    session.views[0].state["compare"]["least_snr"] = 10.0.into();
    session.views[0].state["compare"]["sight"] = "diagram".into();
    session.views[0].state["compare"]["diagram"] = "red".into();
    harness.state_mut().restore(&session);
    settle(&mut harness);
    let outcome = load(&run);
    let value = |name: &str, place: (usize, usize)| outcome.map(name).unwrap().values[place];
    let left: Array2<bool> = Array2::from_shape_fn(snr.dim(), |place| {
        snr[place] >= 10.0 && value("NII6583/Halpha", place) > 0.0 && value("SII/Halpha", place) > 0.0
    });
    let count = left.iter().filter(|left| **left).count();
    assert!(count > 5 && count < 500, "{count}");
    assert!(harness.query_by_label(&format!("Spaxels {count}")).is_some(), "{count}: {:?}", words(&harness));
}
