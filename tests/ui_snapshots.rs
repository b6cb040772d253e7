//! Pictures of the window, 800 x 600 points, beside committed ones: every kind of view in both themes, on data made here.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --release --test main ui_snapshots` writes them anew. Look at what changed before you commit.

use std::path::{Path, PathBuf};

use egui_kittest::{Harness, SnapshotOptions, SnapshotResults};
use ndarray::{Array1, Array2, Array3};
use serde_json::{Value, json};
use sextans::app::{Session, ThemeChoice, ViewRecord, Workbench};
use sextans::data::{Keyword, Plane, Table, TableColumn, write_ecsv, write_planes};
use sextans::panels::{Command, Severity};

use crate::ui_support::{THEMES, settle, sized};

/// Pixels that may differ: the read-out of memory, and roundings of another machine.
const MAY_DIFFER: usize = 600;

/// Light of a star at `[x, y]`.
fn star(x: f64, y: f64, [sx, sy, height]: [f64; 3]) -> f64 {
    height * (-((x - sx).powi(2) + (y - sy).powi(2)) / 6.0).exp()
}

fn sky(scale_arcsec: f64, center: [f64; 2], turn_deg: f64) -> Vec<Keyword> {
    let (sin, cos) = turn_deg.to_radians().sin_cos();
    let step = scale_arcsec / 3600.0;
    vec![
        Keyword::new("CTYPE1", "RA---TAN", ""),
        Keyword::new("CTYPE2", "DEC--TAN", ""),
        Keyword::new("CRVAL1", 150.1, ""),
        Keyword::new("CRVAL2", 2.2, ""),
        Keyword::new("CRPIX1", center[0], ""),
        Keyword::new("CRPIX2", center[1], ""),
        Keyword::new("CD1_1", -step * cos, ""),
        Keyword::new("CD1_2", step * sin, ""),
        Keyword::new("CD2_1", step * sin, ""),
        Keyword::new("CD2_2", step * cos, ""),
        Keyword::new("RADESYS", "ICRS", ""),
    ]
}

/// A field of stars on a sloping sky; `faint` scales them.
fn field(folder: &Path, name: &str, faint: f64, turn_deg: f64) -> PathBuf {
    let stars =
        [[30.0, 40.0, 900.0], [80.0, 20.0, 500.0], [60.0, 65.0, 300.0], [95.0, 70.0, 120.0], [12.0, 12.0, 200.0]];
    let pixels = Array2::from_shape_fn((90, 120), |(y, x)| {
        let (x, y) = (x as f64, y as f64);
        let light: f64 = stars.iter().map(|s| star(x, y, *s)).sum();
        (100.0 + 0.2 * x + faint * light + 3.0 * (x * 1.7 + y * 2.3).sin()) as f32
    });
    let path = folder.join(name);
    let plane = Plane {
        name: "SCI",
        pixels: pixels.view().into_dyn(),
        unit: "electron/s",
        keywords: sky(0.5, [60.5, 45.5], turn_deg),
    };
    write_planes(&path, &[plane], &[]).unwrap();
    path
}

fn spectral(n: usize) -> Vec<Keyword> {
    vec![
        Keyword::new(&format!("CTYPE{n}"), "AWAV", ""),
        Keyword::new(&format!("CUNIT{n}"), "Angstrom", ""),
        Keyword::new(&format!("CRPIX{n}"), 1.0, ""),
        Keyword::new(&format!("CRVAL{n}"), 6500.0, ""),
        Keyword::new(&format!("CDELT{n}"), 1.25, ""),
    ]
}

fn line(channel: f64, center: f64) -> f64 {
    (-(channel - center).powi(2) / 18.0).exp()
}

fn cube(folder: &Path) -> PathBuf {
    let pixels = Array3::from_shape_fn((80, 24, 32), |(z, y, x)| {
        let blob = star(x as f64 / 3.0, y as f64 / 3.0, [5.0, 4.0, 1.0]);
        (2.0 + blob * (40.0 * line(z as f64, 50.0 + 0.3 * x as f64) + 15.0 * line(z as f64, 20.0 + 0.3 * x as f64)))
            as f32
    });
    let path = folder.join("cube.fits");
    let keywords = sky(0.2, [16.5, 12.5], 0.0).into_iter().chain(spectral(3)).collect();
    let plane =
        Plane { name: "DATA", pixels: pixels.view().into_dyn(), unit: "10**(-20)*erg/s/cm**2/Angstrom", keywords };
    write_planes(&path, &[plane], &[]).unwrap();
    path
}

fn spectrum(folder: &Path) -> PathBuf {
    let pixels = Array1::from_shape_fn(200, |z| {
        (1e-17 * (1.0 + 8.0 * line(z as f64, 90.0) + 3.0 * line(z as f64, 120.0) + 0.2 * (z as f64 * 0.9).sin())) as f32
    });
    let path = folder.join("spectrum.fits");
    let plane =
        Plane { name: "FLUX", pixels: pixels.view().into_dyn(), unit: "erg/s/cm**2/Angstrom", keywords: spectral(1) };
    write_planes(&path, &[plane], &[]).unwrap();
    path
}

fn table(folder: &Path) -> PathBuf {
    let rows = 400;
    let column = |f: &dyn Fn(f64) -> f64| (0..rows).map(|i| f(f64::from(i))).collect::<Vec<f64>>();
    let names: Vec<String> = (0..rows).map(|i| format!("S{:03}", i * 7 % rows)).collect();
    let table = Table::new(vec![
        TableColumn::new("name", "", names),
        TableColumn::new("ra", "deg", column(&|i| 150.1 + 0.008 * (i * 0.7).sin())),
        TableColumn::new("dec", "deg", column(&|i| 2.2 + 0.005 * (i * 1.3).cos())),
        TableColumn::new("flux", "mJy", column(&|i| 10f64.powf(-2.0 + 3.0 * (i * 0.37).sin().powi(2)))),
    ]);
    let path = folder.join("sources.ecsv");
    write_ecsv(&path, &table).unwrap();
    path
}

/// A window with these views, at rest.
fn window(
    folder: &Path,
    theme: ThemeChoice,
    paths: &[&PathBuf],
    views: &[(&str, Value)],
) -> Harness<'static, Workbench> {
    let mut harness = sized(folder, [800.0, 600.0]);
    // The same on every machine: the status line says what there is.
    harness.state().services().store.set_budget(8 << 30);
    harness.state().services().queries.set_budget(2 << 30);
    let views = views.iter().enumerate();
    let views: Vec<ViewRecord> = views
        .map(|(n, (kind, state))| ViewRecord { id: n as u64 + 1, kind: (*kind).into(), state: state.clone() })
        .collect();
    let session = Session {
        theme,
        paths: paths.iter().map(|p| (*p).clone()).collect(),
        focused: views.last().map(|v| v.id),
        views,
        // Without the side that is not the subject, the subject has room.
        show_data: false,
        show_inspector: false,
        ..Session::default()
    };
    harness.state_mut().restore(&session);
    settle(&mut harness);
    harness
}

/// Compares, and keeps the answer for the end of the test: all pictures of a test are told of at once.
fn shoot(results: &mut SnapshotResults, harness: &mut Harness<'_, Workbench>, name: &str) {
    settle(harness);
    let options = SnapshotOptions::new().threshold(2.0).max_failed_pixels(MAY_DIFFER);
    harness.snapshot_options(name, &options);
    results.extend_harness(harness);
}

fn suffix(theme: ThemeChoice) -> &'static str {
    if theme == ThemeChoice::Dark { "dark" } else { "light" }
}

#[test]
fn the_welcome_screen() {
    let mut results = SnapshotResults::new();
    for theme in THEMES {
        let folder = tempfile::tempdir().unwrap();
        let mut harness = window(folder.path(), theme, &[], &[]);
        harness.state_mut().send(Command::ToggleData);
        harness.state_mut().send(Command::ToggleInspector);
        shoot(&mut results, &mut harness, &format!("welcome_{}", suffix(theme)));
    }
}

#[test]
fn an_image_with_grid_compass_and_a_mark() {
    let mut results = SnapshotResults::new();
    for theme in THEMES {
        let folder = tempfile::tempdir().unwrap();
        let path = field(folder.path(), "stars.fits", 1.0, 25.0);
        let state = json!({ "path": path, "hdu": 0, "grid": true, "mark": [80.0, 20.0] });
        let mut harness = window(folder.path(), theme, &[&path], &[("image", state)]);
        shoot(&mut results, &mut harness, &format!("image_grid_{}", suffix(theme)));
    }
}

#[test]
fn an_image_with_its_settings() {
    let mut results = SnapshotResults::new();
    let folder = tempfile::tempdir().unwrap();
    let path = field(folder.path(), "stars.fits", 1.0, 0.0);
    let state = json!({ "path": path, "hdu": 0, "display": { "color_map": "inferno", "stretch": "asinh" } });
    let mut harness = window(folder.path(), ThemeChoice::Dark, &[&path], &[("image", state)]);
    harness.state_mut().send(Command::ToggleInspector);
    shoot(&mut results, &mut harness, "image_settings");
}

#[test]
fn profiles_along_a_line_and_around_a_star() {
    let mut results = SnapshotResults::new();
    let folder = tempfile::tempdir().unwrap();
    let path = field(folder.path(), "stars.fits", 1.0, 0.0);
    for (name, profile) in [
        ("profile_line", json!({ "line": { "ends": [[10.0, 30.0], [100.0, 30.0]] } })),
        ("profile_radial", json!({ "radial": { "center": [30.0, 40.0], "radius": 12.0, "recentre": true } })),
    ] {
        let state = json!({ "path": path, "hdu": 0, "profile": profile });
        let mut harness = window(folder.path(), ThemeChoice::Light, &[&path], &[("image", state)]);
        shoot(&mut results, &mut harness, name);
    }
}

#[test]
fn contours_over_an_image() {
    let mut results = SnapshotResults::new();
    let folder = tempfile::tempdir().unwrap();
    let path = field(folder.path(), "stars.fits", 1.0, 0.0);
    let state = json!({ "path": path, "hdu": 0, "contours": { "on": true } });
    let mut harness = window(folder.path(), ThemeChoice::Dark, &[&path], &[("image", state)]);
    shoot(&mut results, &mut harness, "contours");
}

#[test]
fn a_cube_with_its_spectrum() {
    let mut results = SnapshotResults::new();
    for theme in THEMES {
        let folder = tempfile::tempdir().unwrap();
        let path = cube(folder.path());
        let mut harness = window(folder.path(), theme, &[], &[]);
        harness.state_mut().send(Command::OpenPath(path));
        shoot(&mut results, &mut harness, &format!("cube_{}", suffix(theme)));
    }
}

#[test]
fn a_spectrum_of_a_file() {
    let mut results = SnapshotResults::new();
    for theme in THEMES {
        let folder = tempfile::tempdir().unwrap();
        let path = spectrum(folder.path());
        let mut harness = window(folder.path(), theme, &[], &[]);
        harness.state_mut().send(Command::OpenPath(path));
        shoot(&mut results, &mut harness, &format!("spectrum_{}", suffix(theme)));
    }
}

#[test]
fn the_difference_of_two_images() {
    let mut results = SnapshotResults::new();
    for theme in THEMES {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (field(folder.path(), "a.fits", 1.0, 0.0), field(folder.path(), "b.fits", 0.9, 20.0));
        let views = [
            ("image", json!({ "path": a, "hdu": 0 })),
            ("image", json!({ "path": b, "hdu": 0 })),
            (
                "compare",
                json!({
                    "mode": "combine",
                    "a": { "view": 1, "of": { "path": a, "hdu": 0 } },
                    "b": { "view": 2, "of": { "path": b, "hdu": 0 } },
                }),
            ),
        ];
        let mut harness = window(folder.path(), theme, &[&a, &b], &views);
        harness.state_mut().send(Command::FocusView(3));
        shoot(&mut results, &mut harness, &format!("difference_{}", suffix(theme)));
    }
}

#[test]
fn a_table_and_its_plot() {
    let mut results = SnapshotResults::new();
    for theme in THEMES {
        let folder = tempfile::tempdir().unwrap();
        let path = table(folder.path());
        let state = json!({ "path": path, "hdu": 0, "filter": "flux > 0.05" });
        let mut harness = window(folder.path(), theme, &[&path], &[("table", state)]);
        shoot(&mut results, &mut harness, &format!("table_{}", suffix(theme)));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = table(folder.path());
    let state =
        json!({ "path": path, "hdu": 0, "show_plot": true, "plot": { "x": "ra", "y": "dec", "color": "flux" } });
    let mut harness = window(folder.path(), ThemeChoice::Dark, &[&path], &[("table", state)]);
    shoot(&mut results, &mut harness, "table_plot");
}

#[test]
fn a_header() {
    let mut results = SnapshotResults::new();
    let folder = tempfile::tempdir().unwrap();
    let path = field(folder.path(), "stars.fits", 1.0, 0.0);
    let state = json!({ "path": path, "hdu": 0, "search": "CR" });
    let mut harness = window(folder.path(), ThemeChoice::Light, &[&path], &[("header", state)]);
    shoot(&mut results, &mut harness, "header");
}

#[test]
fn the_lens_desk_with_its_sliders() {
    let mut results = SnapshotResults::new();
    for theme in THEMES {
        let folder = tempfile::tempdir().unwrap();
        let mut harness = window(folder.path(), theme, &[], &[("lens_reconstruction", Value::Null)]);
        shoot(&mut results, &mut harness, &format!("lens_data_{}", suffix(theme)));
    }
}

#[test]
fn palette_settings_and_notices() {
    let mut results = SnapshotResults::new();
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path(), ThemeChoice::Dark, &[], &[]);
    harness.state_mut().send(Command::Palette);
    shoot(&mut results, &mut harness, "palette");
    let mut harness = window(folder.path(), ThemeChoice::Light, &[], &[]);
    harness.state_mut().send(Command::Shortcuts);
    shoot(&mut results, &mut harness, "keys");
    let mut harness = window(folder.path(), ThemeChoice::Dark, &[], &[]);
    let text = "m51.fits: the file ends in the middle of its data; fetch it again";
    harness.state_mut().send(Command::Notice(Severity::Error, text.into()));
    shoot(&mut results, &mut harness, "notice");
}
