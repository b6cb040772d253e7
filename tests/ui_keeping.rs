//! Promises about keeping a view: pictures, drawings, data, scripts; each told as what a user does.

use std::path::{Path, PathBuf};

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use ndarray::Array2;
use sextans::app::Workbench;
use sextans::data::{
    FitsFile, Plane, Table, TableColumn, Wcs, arcsec_grid, read_ecsv, read_planes, write_ecsv, write_planes,
};
use sextans::panels::Command;
use sextans::plots::picture::{Picture, read_record};

use crate::ui_support::{settle, texts, until, window};

fn ramp(folder: &Path) -> PathBuf {
    let path = folder.join("ramp.fits");
    let pixels = Array2::from_shape_fn((40, 60), |(y, x)| (100 * y + x) as f32);
    let plane = Plane { name: "SCI", pixels: pixels.view().into_dyn(), unit: "Jy", keywords: arcsec_grid(40, 60, 0.1) };
    write_planes(&path, &[plane], &[]).unwrap();
    path
}

fn catalogue(folder: &Path) -> PathBuf {
    let path = folder.join("list.ecsv");
    let table = Table::new(vec![
        TableColumn::new("x", "arcsec", (0..50).map(f64::from).collect::<Vec<_>>()),
        TableColumn::new("height", "km", (0..50).map(|i| f64::from(i * i)).collect::<Vec<_>>()),
    ]);
    write_ecsv(&path, &table).unwrap();
    path
}

fn opened(folder: &Path, path: &Path) -> Harness<'static, Workbench> {
    let mut harness = window(folder);
    harness.state_mut().send(Command::OpenPath(path.to_owned()));
    settle(&mut harness);
    harness
}

/// Opens the dialog, chooses a form, types a path and saves.
fn save(harness: &mut Harness<'_, Workbench>, form: &str, path: &Path) {
    harness.state_mut().send(Command::SaveView);
    settle(harness);
    harness.get_by_label(form).click();
    settle(harness);
    let field = |h: &Harness<'_, Workbench>, act: &dyn Fn(egui_kittest::Node<'_>)| {
        let is_field = |n: &egui_kittest::Node<'_>| n.accesskit_node().role() == egui::Role::TextInput;
        act(h.query_all_by_label("Path of the file").find(is_field).unwrap());
    };
    field(harness, &|n| n.focus());
    harness.run_steps(2);
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    harness.run_steps(2);
    field(harness, &|n| n.type_text(&path.display().to_string()));
    harness.run_steps(2);
    harness.get_by_label("Save").click();
    settle(harness);
}

fn copied(harness: &mut Harness<'_, Workbench>, command: Command) -> String {
    harness.state_mut().send(command);
    let mut text = String::new();
    until(harness, "text on the clipboard", |h| {
        for command in &h.output().platform_output.commands {
            if let egui::OutputCommand::CopyText(copied) = command {
                text.clone_from(copied);
            }
        }
        !text.is_empty()
    });
    text
}

#[test]
fn a_view_is_saved_as_a_picture_of_its_own_size_once_twice_and_four_times() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), &ramp(folder.path()));
    let mut sizes = Vec::new();
    for scale in [1, 2, 4] {
        let path = folder.path().join(format!("view{scale}.png"));
        save(&mut harness, &format!("PNG picture, {scale}×"), &path);
        assert_eq!(texts(&harness).last().unwrap(), &format!("Saved {}", path.display()));
        let picture = Picture::from_png(&std::fs::read(&path).unwrap()).unwrap();
        sizes.push([picture.width(), picture.height()]);
        // The image is in it: the ramp runs from dark below to bright above.
        let at = |fraction: f64| {
            let (x, y) = (picture.width() / 2, f64::from(picture.height()) * fraction);
            u32::from(picture.pixel(x, y as u32).unwrap()[0])
        };
        assert!(at(0.3) > at(0.75) + 40, "{scale}: {} {}", at(0.3), at(0.75));
    }
    assert!(sizes[0][0] > 600 && sizes[0][1] > 500, "{sizes:?}");
    assert_eq!(sizes[1], sizes[0].map(|n| 2 * n));
    assert_eq!(sizes[2], sizes[0].map(|n| 4 * n));
    // Nothing half-written is left.
    let parts = std::fs::read_dir(folder.path())
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().contains("part"));
    assert_eq!(parts.count(), 0);
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_the_user_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), &ramp(folder.path()));
    let path = folder.path().join("precious.png");
    std::fs::write(&path, "precious").unwrap();
    save(&mut harness, "PNG picture, 1×", &path);
    harness.get_by_label("Keep the old one").click();
    settle(&mut harness);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    save(&mut harness, "PNG picture, 1×", &path);
    harness.get_by_label("Replace").click();
    settle(&mut harness);
    assert!(Picture::from_png(&std::fs::read(&path).unwrap()).is_ok());
    // A folder that is not there: one line, and nothing else.
    save(&mut harness, "PNG picture, 1×", &folder.path().join("nowhere/a.png"));
    let last = texts(&harness).last().unwrap().clone();
    assert!(last.contains("nowhere/a.png") && !last.contains('\n'), "{last}");
}

/// Names of the elements of an XML text; fails where tags do not close each other or a sign is not allowed.
fn elements(text: &str) -> Vec<String> {
    let (mut open, mut all): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "a bare > in {:?}", &rest[..start]);
        let end = start + rest[start..].find('>').expect("a tag that does not end");
        let tag = &rest[start + 1..end];
        assert!(!tag.contains('<'), "a tag within a tag: {tag:?}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "a tag closes another one");
        } else if !tag.starts_with('?') {
            let name = tag.split([' ', '/']).next().unwrap().to_owned();
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag:?}");
            all.push(name.clone());
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?} do not close");
    for (at, _) in text.match_indices('&') {
        let entity: String = text[at..].chars().take(6).collect();
        assert!(["&amp;", "&lt;", "&gt;", "&quot;"].iter().any(|e| entity.starts_with(e)), "{entity:?}");
    }
    all
}

#[test]
fn a_plot_is_saved_as_a_drawing_whose_labels_are_text() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), &catalogue(folder.path()));
    let mut session = harness.state().session();
    session.views[0].state["show_plot"] = true.into();
    session.views[0].state["plot"]["x"] = "x".into();
    session.views[0].state["plot"]["y"] = "height".into();
    harness.state_mut().restore(&session);
    settle(&mut harness);
    let path = folder.path().join("plot.svg");
    save(&mut harness, "SVG drawing", &path);
    let text = std::fs::read_to_string(&path).unwrap();
    let all = elements(&text);
    assert_eq!(all[0], "svg");
    assert!(all.iter().filter(|e| *e == "text").count() > 20);
    // Fifty points are fifty circles.
    assert!(all.iter().filter(|e| *e == "circle").count() >= 50, "{}", all.iter().filter(|e| *e == "circle").count());
    let texts: Vec<&str> =
        text.lines().filter(|l| l.starts_with("<text")).map(|l| l.split(['>', '<']).nth(2).unwrap()).collect();
    assert!(texts.contains(&"x (arcsec)") && texts.contains(&"height (km)"), "{texts:?}");
}

#[test]
fn an_image_is_saved_as_a_drawing_with_its_pixels_inside() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), &ramp(folder.path()));
    let path = folder.path().join("image.svg");
    save(&mut harness, "SVG drawing", &path);
    let text = std::fs::read_to_string(&path).unwrap();
    let all = elements(&text);
    assert!(all.iter().any(|e| e == "image") && text.contains("data:image/png;base64,iVBOR"), "{all:?}");
}

#[test]
fn the_plane_is_saved_as_fits_with_its_unit_and_its_place_on_the_sky() {
    let folder = tempfile::tempdir().unwrap();
    let source = ramp(folder.path());
    let mut harness = opened(folder.path(), &source);
    let path = folder.path().join("plane.fits");
    save(&mut harness, "The image as FITS", &path);
    let planes = read_planes(&path).unwrap();
    assert_eq!((planes[0].unit.as_str(), planes[0].pixels.shape()), ("Jy", &[40, 60][..]));
    assert_eq!(planes[0].pixels[[7, 11]], 711.0);
    // Zoomed in, the part on the screen is another file: the same places on the sky.
    let mut session = harness.state().session();
    session.views[0].state["camera"] =
        serde_json::json!({"center": [20.0, 10.0], "points_per_pixel": 60.0, "follows_fit": false});
    harness.state_mut().restore(&session);
    settle(&mut harness);
    let part = folder.path().join("part.fits");
    save(&mut harness, "The part on the screen as FITS", &part);
    let (old, new) = (FitsFile::open(&source).unwrap(), FitsFile::open(&part).unwrap());
    let cut: Array2<f32> = new.read_image(0).unwrap();
    assert!(cut.ncols() < 20 && cut.nrows() < 20, "{:?}", cut.dim());
    let (y0, x0) = ((cut[[0, 0]] / 100.0) as usize, cut[[0, 0]] as usize % 100);
    let wcs = |file: &FitsFile| Wcs::from_header(&file.hdu(0).unwrap().header).unwrap().unwrap();
    let (a, b) = (
        wcs(&old).world_from_pixel(&[x0 as f64 + 2.0, y0 as f64 + 3.0]).unwrap(),
        wcs(&new).world_from_pixel(&[2.0, 3.0]).unwrap(),
    );
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?} {b:?}");
    assert!(new.hdu(0).unwrap().header.commentary("HISTORY").any(|line| line.contains("pixels x")));
}

#[test]
fn the_rows_that_pass_are_saved_in_the_order_of_the_screen() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), &catalogue(folder.path()));
    let mut session = harness.state().session();
    session.views[0].state["filter"] = "x >= 47".into();
    session.views[0].state["sort"] = serde_json::json!({"column": "x", "descending": true});
    harness.state_mut().restore(&session);
    settle(&mut harness);
    let path = folder.path().join("rows.ecsv");
    save(&mut harness, "Rows shown, as ECSV", &path);
    let table = read_ecsv(&path).unwrap();
    assert_eq!(table.numbers("x").unwrap(), [49.0, 48.0, 47.0]);
    assert_eq!(table.column("height").unwrap().unit.as_deref(), Some("km"));
    let path = folder.path().join("rows.fits");
    save(&mut harness, "Rows shown, as a FITS table", &path);
    let read = FitsFile::open(&path).unwrap().read_table(1).unwrap();
    assert_eq!(read.column("height").unwrap().floats().unwrap(), [2401.0, 2304.0, 2209.0]);
}

#[test]
fn a_script_and_a_command_line_bring_the_view_up_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = ramp(folder.path());
    let mut harness = opened(folder.path(), &path);
    let mut session = harness.state().session();
    session.views[0].state["display"]["limits"] = "typed".into();
    session.views[0].state["display"]["typed_limits"] = serde_json::json!([1e-17, 2500.0]);
    session.views[0].state["display"]["stretch"] = "asinh".into();
    session.views[0].state["display"]["color_map"] = "inferno".into();
    session.views[0].state["display"]["invert"] = true.into();
    harness.state_mut().restore(&session);
    settle(&mut harness);
    let script = copied(&mut harness, Command::CopyPython);
    for part in [
        "from astropy.io import fits",
        &format!("hdu = fits.open(\"{}\")[0]", path.display()),
        "vmin=1e-17, vmax=2500.0, stretch=AsinhStretch()",
        "cmap=\"inferno_r\"",
        "origin=\"lower\"",
        "label=\"Jy\"",
    ] {
        assert!(script.contains(part), "{part} is not in\n{script}");
    }
    let line = copied(&mut harness, Command::CopyCommandLine);
    assert!(
        line.starts_with(&format!("sextans {}", path.display())) && line.contains("sextans render --open"),
        "{line}"
    );

    let mut harness = opened(folder.path(), &catalogue(folder.path()));
    let script = copied(&mut harness, Command::CopyPython);
    assert!(script.contains("Table.read(") && script.contains("format=\"ascii.ecsv\""), "{script}");
    let mut empty = window(folder.path());
    settle(&mut empty);
    empty.state_mut().send(Command::CopyPython);
    settle(&mut empty);
    assert_eq!(texts(&empty).len(), 1);
}

#[test]
fn the_picture_of_a_run_carries_its_record_and_its_line_repeats_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::Example("lens_reconstruction"));
    until(&mut harness, "the comparison", |h| h.query_by_label("True source").is_some());
    settle(&mut harness);
    let path = folder.path().join("lens.png");
    save(&mut harness, "PNG picture, 1×", &path);
    let record = read_record(std::io::BufReader::new(std::fs::File::open(&path).unwrap())).unwrap().unwrap();
    assert!(record.contains("lens_reconstruction.fit"));
    // The panel was set up anew in the background: its maps are in the picture.
    let picture = Picture::from_png(&std::fs::read(&path).unwrap()).unwrap();
    let colors: std::collections::BTreeSet<[u8; 4]> =
        picture.rgba().chunks_exact(4).map(|p| [p[0], p[1], p[2], p[3]]).collect();
    assert!(colors.len() > 2000, "{}", colors.len());
    let line = copied(&mut harness, Command::CopyCommandLine);
    assert!(line.starts_with("sextans run lens_reconstruction.fit") && line.contains("--repeat"), "{line}");
    let script = copied(&mut harness, Command::CopyPython);
    assert!(script.contains("fits"), "{script}");
    // A map of the run is a file like any other.
    let map = folder.path().join("map.fits");
    harness.state_mut().send(Command::SaveView);
    settle(&mut harness);
    assert!(harness.query_all_by_label_contains(".fits of the run").count() >= 2);
    let first =
        harness.query_all_by_label_contains(".fits of the run").next().unwrap().accesskit_node().label().unwrap();
    harness.get_by_label("Cancel").click();
    settle(&mut harness);
    save(&mut harness, &first, &map);
    assert!(!read_planes(&map).unwrap().is_empty());
}
