//! Promises of the modeller's desk, step 1 of the lens study: click, draw, drag; what is then in the request and on the disk.

use std::path::{Path, PathBuf};

use egui::{Event, Key, Modifiers, PointerButton, Pos2, Role, vec2};
use egui_kittest::kittest::{NodeT, Queryable};
use ndarray::Array2;
use serde_json::{Value, json};
use sextans::app::{Session, ViewRecord};
use sextans::data::{Keyword, Plane, Value as Card, arcsec_grid, read_planes, write_planes};
use sextans::panels::Command;

use crate::fits_support::data_folder;
use crate::ui_support::{Window, press, settle, sized, texts, window};

/// Size of a pixel of the made-up images.
const SCALE: f64 = 0.1;

/// A galaxy with two faint knots, 61 x 61 pixels.
fn galaxy(path: &Path, keywords: Vec<Keyword>) -> PathBuf {
    let blob = |x: usize, y: usize, at: [f64; 2], width: f64| {
        (-((x as f64 - at[0]).powi(2) + (y as f64 - at[1]).powi(2)) / (2.0 * width * width)).exp()
    };
    let pixels = Array2::from_shape_fn((61, 61), |(y, x)| {
        let noise = ((x * 7 + y * 13) % 10) as f64 * 0.01;
        (5.0 * blob(x, y, [30.0, 30.0], 3.0) + blob(x, y, [42.0, 33.0], 1.5) + blob(x, y, [19.0, 27.0], 1.5) + noise)
            as f32
    });
    write_planes(path, &[Plane { name: "SCI", pixels: pixels.view().into_dyn(), unit: "", keywords }], &[]).unwrap();
    path.to_owned()
}

fn grid() -> Vec<Keyword> {
    arcsec_grid(61, 61, SCALE)
}

/// A window whose lens panel has this state.
fn desk(folder: &Path, state: Value) -> Window {
    let session = Session {
        views: vec![ViewRecord { id: 1, kind: "lens_reconstruction".into(), state }],
        focused: Some(1),
        ..Session::default()
    };
    let mut harness = window(folder);
    harness.state_mut().restore(&session);
    settle(&mut harness);
    harness
}

/// A window with the made-up galaxy on the desk.
fn with_galaxy(folder: &Path) -> Window {
    let image = galaxy(&folder.join("galaxy.fits"), grid());
    desk(folder, json!({"origin": "files", "fit": {"image": image, "noise_sigma": 0.03, "psf_fwhm_arcsec": 0.2}}))
}

fn state(harness: &Window) -> Value {
    harness.state().session().views[0].state.clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn places(value: &Value) -> Vec<[f64; 2]> {
    serde_json::from_value(value.clone()).unwrap()
}

/// The map with this title on the screen.
fn map(harness: &Window, title: &str) -> egui::Rect {
    let is_it = |n: &egui_kittest::Node<'_>| n.accesskit_node().label().is_some_and(|l| l.starts_with(title));
    harness.query_all_by_role(Role::Image).find(is_it).unwrap_or_else(|| panic!("no map {title:?}")).rect()
}

fn pointer(harness: &Window, pos: Pos2, pressed: bool, modifiers: Modifiers) {
    harness.event(Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers });
}

fn click(harness: &mut Window, pos: Pos2) {
    // Far enough apart in time not to be a double click.
    harness.run_steps(30);
    harness.hover_at(pos);
    harness.run_steps(2);
    pointer(harness, pos, true, Modifiers::NONE);
    harness.step();
    pointer(harness, pos, false, Modifiers::NONE);
    harness.run_steps(2);
    settle(harness);
}

fn drag(harness: &mut Window, from: Pos2, to: Pos2) {
    harness.hover_at(from);
    harness.run_steps(3);
    pointer(harness, from, true, Modifiers::NONE);
    harness.step();
    for i in 1..=8 {
        harness.hover_at(from + (to - from) * (i as f32 / 8.0));
        harness.step();
    }
    pointer(harness, to, false, Modifiers::NONE);
    harness.run_steps(2);
    settle(harness);
}

/// From arcsec to the screen: found by two clicks with the tool for the lens centre.
struct Compass {
    origin: Pos2,
    points_per_arcsec: f64,
}

impl Compass {
    fn of(harness: &mut Window, title: &str) -> Self {
        let middle = map(harness, title).center();
        harness.get_by_label("Lens centre").click();
        settle(harness);
        let mut at = |offset: egui::Vec2| {
            click(harness, middle + offset);
            let fit = &state(harness)["fit"];
            [number(&fit["lens_x_arcsec"]), number(&fit["lens_y_arcsec"])]
        };
        let (a, b) = (at(vec2(-60.0, 60.0)), at(vec2(60.0, -60.0)));
        let points_per_arcsec = 120.0 / (b[0] - a[0]);
        assert!((120.0 / (b[1] - a[1]) / points_per_arcsec - 1.0).abs() < 0.01, "y does not grow upwards: {a:?} {b:?}");
        let shift = vec2((a[0] * points_per_arcsec) as f32, (-a[1] * points_per_arcsec) as f32);
        let origin = middle + vec2(-60.0, 60.0) - shift;
        harness.get_by_label("Forget it").click();
        settle(harness);
        harness.get_by_label("Lens centre").click();
        settle(harness);
        Self { origin, points_per_arcsec }
    }

    fn screen(&self, [x, y]: [f64; 2]) -> Pos2 {
        self.origin + vec2((x * self.points_per_arcsec) as f32, (-y * self.points_per_arcsec) as f32)
    }
}

/// Presses the button of this name; labels of the same name stand elsewhere.
fn button(harness: &mut Window, name: &str) {
    let other = [Role::Label, Role::TextInput];
    let is_button = |n: &egui_kittest::Node<'_>| !other.contains(&n.accesskit_node().role());
    harness.query_all_by_label(name).find(is_button).unwrap_or_else(|| panic!("no button {name:?}")).click();
    settle(harness);
}

/// Fitted pixels by the check on the left.
fn fitted(harness: &Window) -> usize {
    let line = harness.query_all_by_label_contains("pixels are fitted").next().and_then(|n| n.value()).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn marked_in(path: &Path) -> usize {
    let planes = read_planes(path).unwrap();
    planes[0].pixels.iter().filter(|v| **v == 1.0).count()
}

/// Saves one of the view's products from the dialog that is open.
fn save_as(harness: &mut Window, form: &str, path: &Path) {
    harness.get_by_label(form).click();
    settle(harness);
    let field = |h: &Window, act: &dyn Fn(egui_kittest::Node<'_>)| {
        let is_field = |n: &egui_kittest::Node<'_>| n.accesskit_node().role() == Role::TextInput;
        act(h.query_all_by_label("Path of the file").find(is_field).unwrap());
    };
    field(harness, &|n| n.focus());
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(2);
    field(harness, &|n| n.type_text(&path.display().to_string()));
    harness.run_steps(2);
    harness.get_by_label("Save").click();
    settle(harness);
}

#[test]
fn images_are_marked_moved_removed_and_kept_as_positions_json() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = with_galaxy(folder.path());
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
    let compass = Compass::of(&mut harness, "Data");
    harness.get_by_label("Images").click();
    settle(&mut harness);
    for place in [[1.2, 0.3], [-1.1, -0.3], [0.5, -1.5]] {
        click(&mut harness, compass.screen(place));
    }
    assert!(harness.query_by_label("3 images marked").is_some());
    let near = |found: [f64; 2], wanted: [f64; 2]| (found[0] - wanted[0]).hypot(found[1] - wanted[1]) < 0.02;
    let marked = places(&state(&harness)["desk"]["images"]);
    assert!(near(marked[0], [1.2, 0.3]) && near(marked[1], [-1.1, -0.3]) && near(marked[2], [0.5, -1.5]), "{marked:?}");
    // The request names a file that holds them, y first.
    let file = |h: &Window| PathBuf::from(state(h)["fit"]["positions"].as_str().unwrap());
    let read = |path: &Path| -> Vec<[f64; 2]> { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let swapped: Vec<[f64; 2]> = marked.iter().map(|[x, y]| [*y, *x]).collect();
    assert_eq!(read(&file(&harness)), swapped);

    drag(&mut harness, compass.screen([-1.1, -0.3]), compass.screen([-0.9, -0.5]));
    let moved = places(&state(&harness)["desk"]["images"]);
    assert!(moved.len() == 3 && near(moved[1], [-0.9, -0.5]), "{moved:?}");
    assert_eq!(moved[0], marked[0]);
    // A click on one takes it away.
    click(&mut harness, compass.screen([0.5, -1.5]));
    assert!(harness.query_by_label("2 images marked").is_some());
    assert_eq!(read(&file(&harness)).len(), 2);
    // Back by the common key, file and all.
    press(&mut harness, Modifiers::COMMAND, Key::Z);
    assert_eq!(places(&state(&harness)["desk"]["images"]), moved);
    assert_eq!(read(&file(&harness)).len(), 3);

    harness.get_by_label("Save positions…").click();
    settle(&mut harness);
    let kept = folder.path().join("positions.json");
    save_as(&mut harness, "Image positions as JSON", &kept);
    assert_eq!(read(&kept), moved.iter().map(|[x, y]| [*y, *x]).collect::<Vec<_>>());
    harness.get_by_label("Clear images").click();
    settle(&mut harness);
    assert!(state(&harness)["fit"]["positions"].is_null());
    // What lies beside the image is offered, once the folder is looked at again.
    harness.get_by_label("Read again").scroll_to_me();
    settle(&mut harness);
    button(&mut harness, "Read again");
    harness.get_by_label("Use positions.json beside the image").scroll_to_me();
    settle(&mut harness);
    harness.get_by_label("Use positions.json beside the image").click();
    settle(&mut harness);
    assert_eq!(places(&state(&harness)["desk"]["images"]), moved);
    assert_eq!(state(&harness)["fit"]["positions"], json!(kept));
}

#[test]
fn a_positions_file_is_shown_and_written_back_with_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let image = galaxy(&folder.path().join("galaxy.fits"), grid());
    let given = folder.path().join("given.json");
    std::fs::write(&given, "[[-0.45, 1.4000000000000001],\n [0.25, -1.1500000000000001], [1e-1, 0.3], [-2, 0.125]]")
        .unwrap();
    let fit = json!({"image": image, "noise_sigma": 0.03, "psf_fwhm_arcsec": 0.2, "positions": given});
    let mut harness = desk(folder.path(), json!({"origin": "files", "fit": fit}));
    assert!(harness.query_by_label("4 images marked").is_some());
    let read = [[1.400_000_000_000_000_1, -0.45], [-1.150_000_000_000_000_1, 0.25], [0.3, 0.1], [0.125, -2.0]];
    assert_eq!(places(&state(&harness)["desk"]["images"]), read);
    assert_eq!(state(&harness)["fit"]["positions"], json!(given), "nothing was changed, nothing is written");
    harness.get_by_label("Images").click();
    settle(&mut harness);
    let [first, second] = ["first.json", "second.json"].map(|n| folder.path().join(n));
    harness.get_by_label("Save positions…").click();
    settle(&mut harness);
    save_as(&mut harness, "Image positions as JSON", &first);
    let text = std::fs::read_to_string(&first).unwrap();
    assert_eq!(text, "[[-0.45, 1.4000000000000001], [0.25, -1.1500000000000001], [0.1, 0.3], [-2.0, 0.125]]");
    let mut state = state(&harness);
    state["fit"]["positions"] = json!(first);
    state["desk"] = Value::Null;
    let mut other = desk(folder.path(), state);
    other.state_mut().send(Command::SaveView);
    settle(&mut other);
    save_as(&mut other, "Image positions as JSON", &second);
    assert_eq!(std::fs::read_to_string(&second).unwrap(), text);
    // Nonsense is refused in one line that names the file and the form that is wanted.
    std::fs::write(&given, "{\"x\": 1}").unwrap();
    let fit = json!({"image": image, "noise_sigma": 0.03, "positions": given});
    let refused = desk(folder.path(), json!({"origin": "files", "fit": fit}));
    let line = refused.query_all_by_label_contains("given.json: expected a list of pairs [y, x]").next();
    assert!(line.is_some());
}

#[test]
fn the_mask_is_drawn_and_becomes_the_mask_of_the_fit() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = with_galaxy(folder.path());
    assert_eq!(fitted(&harness), 61 * 61);
    let compass = Compass::of(&mut harness, "Data");
    // An annulus is two numbers of the request.
    harness.get_by_label("Annulus").click();
    settle(&mut harness);
    drag(&mut harness, compass.screen([0.5, 0.0]), compass.screen([0.0, 2.0]));
    let fit = state(&harness)["fit"].clone();
    assert!((number(&fit["mask_inner_radius_arcsec"]) - 0.5).abs() < 0.03, "{fit}");
    assert!((number(&fit["mask_outer_radius_arcsec"]) - 2.0).abs() < 0.03, "{fit}");
    let area = |inner: f64, outer: f64| std::f64::consts::PI * (outer * outer - inner * inner) / (SCALE * SCALE);
    assert!((fitted(&harness) as f64 / area(0.5, 2.0) - 1.0).abs() < 0.05, "{}", fitted(&harness));
    // Taken by its edge, the outer radius alone moves.
    drag(&mut harness, compass.screen([-2.0, 0.0]), compass.screen([-2.5, 0.0]));
    let fit = state(&harness)["fit"].clone();
    assert!((number(&fit["mask_inner_radius_arcsec"]) - 0.5).abs() < 0.03, "{fit}");
    assert!((number(&fit["mask_outer_radius_arcsec"]) - 2.5).abs() < 0.05, "{fit}");
    let ring = fitted(&harness);

    // A polygon on top: four clicks and Enter. The ring becomes part of the drawing.
    harness.get_by_label("Polygon").click();
    settle(&mut harness);
    // Between pixel centres: 4 by 5 pixels.
    for corner in [[1.05, 1.05], [1.45, 1.05], [1.45, 1.55], [1.05, 1.55]] {
        click(&mut harness, compass.screen(corner));
    }
    press(&mut harness, Modifiers::NONE, Key::Enter);
    let fit = state(&harness)["fit"].clone();
    assert_eq!(fit["mask_marks"], "kept");
    assert_eq!(fit["mask_inner_radius_arcsec"], json!(0.0));
    let file = PathBuf::from(fit["mask"].as_str().unwrap());
    assert_eq!(marked_in(&file), fitted(&harness));
    let hole = ring - fitted(&harness);
    assert_eq!(hole, 20, "a polygon of 4 by 5 pixels");
    // Its first corner closes it as well.
    for corner in [[-1.05, -1.05], [-1.45, -1.05], [-1.45, -1.55], [-1.05, -1.55], [-1.05, -1.05]] {
        click(&mut harness, compass.screen(corner));
    }
    assert_eq!(state(&harness)["desk"]["mask"]["edits"].as_array().unwrap().len(), 3);
    let two_holes = fitted(&harness);
    assert_eq!(ring - hole - two_holes, 20);

    // The brush paints back, outside of the ring too.
    harness.get_by_label("Brush").click();
    settle(&mut harness);
    button(&mut harness, "Fit");
    drag(&mut harness, compass.screen([-2.5, -2.7]), compass.screen([2.5, -2.7]));
    let stroke = fitted(&harness) - two_holes;
    assert!(stroke > 200, "{stroke} pixels of a stroke of 5 by 1 arcsec");
    assert_eq!(marked_in(Path::new(state(&harness)["fit"]["mask"].as_str().unwrap())), fitted(&harness));
    harness.get_by_label("Undo stroke").click();
    settle(&mut harness);
    assert_eq!(fitted(&harness), two_holes);
    assert_eq!(marked_in(Path::new(state(&harness)["fit"]["mask"].as_str().unwrap())), two_holes);
    button(&mut harness, "Mask ▾");
    button(&mut harness, "Invert mask");
    assert_eq!(fitted(&harness), 61 * 61 - two_holes);
    press(&mut harness, Modifiers::COMMAND, Key::Z);
    assert_eq!(fitted(&harness), two_holes);
    // Kept where the user wants it, with the grid of the image.
    button(&mut harness, "Mask ▾");
    button(&mut harness, "Save mask…");
    let kept = folder.path().join("mine.fits");
    save_as(&mut harness, "Drawn mask as FITS", &kept);
    assert_eq!(marked_in(&kept), two_holes);
    let scale = read_planes(&kept).unwrap()[0].pixel_scale_arcsec.unwrap();
    assert!((scale - SCALE).abs() < 1e-9, "{scale}");

    // A session holds the drawing: it is gone on with there, also when its file was lost.
    let session = harness.state().session();
    let text = session.to_text().unwrap();
    std::fs::remove_dir_all(folder.path().join("runs/desk")).unwrap();
    let mut other = window(folder.path());
    other.state_mut().restore(&session);
    settle(&mut other);
    assert_eq!(other.state().session().to_text().unwrap(), text);
    button(&mut other, "Polygon");
    button(&mut other, "Undo stroke");
    assert_eq!(fitted(&other), ring - hole);
    button(&mut other, "Mask ▾");
    button(&mut other, "Clear mask");
    assert_eq!(fitted(&other), 61 * 61);
}

#[test]
fn keys_take_tools_up_and_escape_puts_them_down() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = with_galaxy(folder.path());
    let at = map(&harness, "Data").center();
    harness.hover_at(at);
    harness.run_steps(2);
    press(&mut harness, Modifiers::NONE, Key::P);
    assert!(harness.query_by_label("Fit only this").is_some(), "the polygon's choices are there");
    click(&mut harness, at);
    click(&mut harness, at + vec2(50.0, 0.0));
    assert!(harness.query_by_label("2 corners").is_some());
    press(&mut harness, Modifiers::NONE, Key::Backspace);
    assert!(harness.query_by_label("1 corners").is_some());
    // First what is half drawn, then the tool.
    press(&mut harness, Modifiers::NONE, Key::Escape);
    assert!(harness.query_by_label("0 corners").is_some() && harness.query_by_label("Fit only this").is_some());
    press(&mut harness, Modifiers::NONE, Key::Escape);
    assert!(harness.query_by_label("Fit only this").is_none());
    press(&mut harness, Modifiers::NONE, Key::D);
    assert!(harness.query_all_by_label("Brush radius").count() > 0);
    let before = state(&harness);
    press(&mut harness, Modifiers::NONE, Key::Escape);
    assert_eq!(state(&harness), before, "tools are no part of the state");
    assert_eq!(state(&harness)["desk"]["mask"]["edits"], json!([]));
}

#[test]
fn layers_show_the_data_in_turn_and_the_arcs_without_the_lens_light() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = with_galaxy(folder.path());
    for (layer, title) in [("S/N", "Signal to noise"), ("Noise", "Noise"), ("PSF", "PSF"), ("Data", "Data")] {
        button(&mut harness, layer);
        assert!(map(&harness, title).width() > 300.0, "{title}");
    }
    let before = harness.render().unwrap();
    harness.get_by_label("Lens light off").click();
    settle(&mut harness);
    assert!(harness.query_all_by_label_contains("Sersic components fitted in").count() == 1);
    let view = map(&harness, "Data minus lens light");
    let after = harness.render().unwrap();
    // The galaxy was the brightest thing in the middle; it is gone.
    let middle = |picture: &image::RgbaImage| {
        let (x, y) = (view.center().x as u32, view.center().y as u32);
        let near = (0..21).flat_map(|i| (0..21).map(move |j| (x + i - 10, y + j - 10)));
        near.map(|(x, y)| picture.get_pixel(x, y).0[..3].iter().map(|v| u64::from(*v)).sum::<u64>()).sum::<u64>()
    };
    assert!(middle(&before) > 2 * middle(&after), "{} {}", middle(&before), middle(&after));
    let saved = state(&harness);
    assert_eq!(saved["layer"], "light_subtracted");
    let again = desk(folder.path(), saved.clone());
    assert_eq!(state(&again), saved);
}

#[test]
fn the_source_and_the_lens_of_a_simulation_are_dragged() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path());
    harness.state_mut().send(Command::OpenPanel("lens_reconstruction"));
    settle(&mut harness);
    assert!(harness.query_by_label_contains("4 images, magnified").is_some());
    let start = state(&harness)["simulate"].clone();
    let view = map(&harness, "Image: ");
    // The image has 5 arcsec; it fills the shorter side of what is left of the map by its scale (38 and 8 points beside, 24 over it).
    let plot = egui::Rect::from_min_max(view.min + vec2(38.0, 5.5), view.max - vec2(8.0, 18.0));
    let points = f64::from(plot.width().min(plot.height())) / 5.0;
    let at = |x: f64, y: f64| plot.center() + vec2((x * points) as f32, (-y * points) as f32);
    drag(&mut harness, at(0.02, -0.03), at(0.42, 0.27));
    let lens = state(&harness)["simulate"]["lens"].clone();
    assert!(
        (number(&lens["x_arcsec"]) - 0.42).abs() < 0.03 && (number(&lens["y_arcsec"]) - 0.27).abs() < 0.03,
        "{lens}"
    );
    let light = state(&harness)["simulate"]["lens_light"].clone();
    assert_eq!([&light["x_arcsec"], &light["y_arcsec"]], [&lens["x_arcsec"], &lens["y_arcsec"]]);
    assert_eq!(state(&harness)["simulate"]["source"], start["source"]);
    // One drag is one step.
    press(&mut harness, Modifiers::COMMAND, Key::Z);
    assert_eq!(state(&harness)["simulate"], start);

    // The end of the critical curve: its radius and its angle.
    let (q, theta) = (0.72_f64, 1.2 / 0.72_f64.sqrt());
    let (sin, cos) = 35f64.to_radians().sin_cos();
    drag(&mut harness, at(0.02 + theta * cos, -0.03 + theta * sin), at(0.02, -0.03 + 1.0));
    let lens = state(&harness)["simulate"]["lens"].clone();
    assert!((number(&lens["einstein_radius_arcsec"]) - q.sqrt()).abs() < 0.03, "{lens}");
    assert!((number(&lens["position_angle_deg"]) - 90.0).abs() < 3.0, "{lens}");
    press(&mut harness, Modifiers::COMMAND, Key::Z);

    // The source: far out, two images are left; the image under the pointer follows.
    let view = map(&harness, "Source: ");
    let before = harness.render().unwrap();
    let plot = egui::Rect::from_min_max(view.min + vec2(38.0, 5.5), view.max - vec2(8.0, 18.0));
    // Where it is, the user sees by its marker; here it is found by trying: the first drag that moves it.
    let mut moved = None;
    'search: for row in 0..14 {
        for column in 0..14 {
            let spot = plot.min + vec2(plot.width() * column as f32 / 14.0, plot.height() * row as f32 / 14.0);
            harness.hover_at(spot);
            harness.run_steps(3);
            if harness.output().platform_output.cursor_icon == egui::CursorIcon::Grab {
                drag(&mut harness, spot, spot + vec2(-60.0, 40.0));
                let source = state(&harness)["simulate"]["source"].clone();
                if source["x_arcsec"] != start["source"]["x_arcsec"] {
                    moved = Some(source);
                    break 'search;
                }
                press(&mut harness, Modifiers::COMMAND, Key::Z);
            }
        }
    }
    let source = moved.expect("the source has a handle on its map");
    assert!(number(&source["x_arcsec"]) < 0.05 && number(&source["y_arcsec"]) < 0.03, "{source}");
    assert_eq!(state(&harness)["simulate"]["lens"], start["lens"]);
    let after = harness.render().unwrap();
    let image = map(&harness, "Image: ");
    let inside = |x: u32, y: u32| image.contains(egui::pos2(x as f32, y as f32));
    let changed = before.enumerate_pixels().filter(|(x, y, p)| inside(*x, *y) && after.get_pixel(*x, *y) != *p).count();
    assert!(changed > 1000, "{changed} pixels of the image changed");
}

#[test]
fn conventions_are_said_and_the_sky_is_named_where_it_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = with_galaxy(folder.path());
    harness.get_by_label("Conventions").click();
    settle(&mut harness);
    assert!(harness.query_all_by_label_contains("counter-clockwise from +x").count() > 0);
    assert!(harness.query_all_by_label_contains("the image has no world coordinates").count() == 1);
    let word = |name: &str, text: &str| Keyword::new(name, Card::Text(text.to_owned()), "");
    let value = |name: &str, v: f64| Keyword::new(name, Card::Float(v), "");
    let sky = vec![
        word("CTYPE1", "RA---TAN"),
        word("CTYPE2", "DEC--TAN"),
        value("CRVAL1", 146.7),
        value("CRVAL2", 10.1),
        value("CRPIX1", 31.0),
        value("CRPIX2", 31.0),
        value("CDELT1", -SCALE / 3600.0),
        value("CDELT2", SCALE / 3600.0),
    ];
    let image = galaxy(&folder.path().join("sky.fits"), sky);
    let fit = json!({"image": image, "noise_sigma": 0.03, "psf_fwhm_arcsec": 0.2});
    let mut harness = desk(folder.path(), json!({"origin": "files", "fit": fit}));
    harness.get_by_label("Conventions").click();
    settle(&mut harness);
    assert!(harness.query_all_by_label_contains("270.00° + φ").count() == 1);
}

#[test]
fn the_desk_fits_small_windows_and_nonsense_in_a_session_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let image = galaxy(&folder.path().join("galaxy.fits"), grid());
    let edits = json!([
        {"brush": {"points": [[30.0, 30.0]], "radius": 4.0, "paint": "leave_out"}},
        {"brush": {"points": [[1e300, 0.0]], "radius": 4.0, "paint": "keep"}},
        {"polygon": {"points": [[0.0, 0.0]], "paint": "keep"}},
        {"annulus": {"centre": [1.0, 2.0], "inner": -5.0, "outer": null, "pixel_scale_arcsec": 0.1}},
    ]);
    let state_in = json!({
        "origin": "files",
        "layer": "signal",
        "fit": {"image": image, "noise_sigma": 0.03, "psf_fwhm_arcsec": 0.2},
        "desk": {"images": [[0.5, 0.5], [1e9, 0.0]], "mask": {"base": null, "edits": edits}},
    });
    let harness = desk(folder.path(), state_in);
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
    assert_eq!(places(&state(&harness)["desk"]["images"]), [[0.5, 0.5]]);
    assert_eq!(state(&harness)["desk"]["mask"]["edits"].as_array().unwrap().len(), 1);
    assert!(fitted(&harness) < 61 * 61 - 30);
    for size in [[1366.0, 768.0], [900.0, 600.0]] {
        let mut small = sized(folder.path(), size);
        small.state_mut().restore(&harness.state().session());
        if size[0] < 1000.0 {
            // Beside both sides of a small window the tools are in a menu.
            settle(&mut small);
            small.get_by_label("Tools ▾").click();
            settle(&mut small);
            assert!(small.query_by_label("Polygon").is_some() && small.unnamed_widgets().is_empty());
            press(&mut small, Modifiers::NONE, Key::Escape);
            small.state_mut().send(Command::ToggleInspector);
        }
        settle(&mut small);
        for (tool, part) in [("Annulus", "No annulus"), ("Brush", "Undo stroke"), ("Images", "Save positions…")] {
            small.get_by_label(tool).click();
            settle(&mut small);
            assert!(small.unnamed_widgets().is_empty(), "{:?}", small.unnamed_widgets());
            let rect = small.get_by_label(part).rect();
            assert!(rect.right() <= size[0] && rect.bottom() <= size[1], "{part} at {rect:?} in {size:?}");
        }
    }
}

/// The published positions of SLACS J0946+1006, clicked on its image: the same arcs are bright under them.
#[test]
fn real_positions_of_j0946_are_where_they_are_clicked() {
    let Some(data) = data_folder("real_positions_of_j0946_are_where_they_are_clicked") else { return };
    let lens = data.join("lens/slacs-j0946");
    let folder = tempfile::tempdir().unwrap();
    let fit = json!({
        "image": lens.join("data.fits"),
        "noise": lens.join("noise_map.fits"),
        "psf": lens.join("psf.fits"),
        "mask_outer_radius_arcsec": 2.2,
    });
    let mut harness = desk(folder.path(), json!({"origin": "files", "fit": fit}));
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
    let published: Vec<[f64; 2]> =
        serde_json::from_slice(&std::fs::read(lens.join("positions.json")).unwrap()).unwrap();
    let compass = Compass::of(&mut harness, "Data");
    harness.get_by_label("Images").click();
    settle(&mut harness);
    for [y, x] in &published {
        click(&mut harness, compass.screen([*x, *y]));
    }
    let marked = places(&state(&harness)["desk"]["images"]);
    assert_eq!(marked.len(), published.len());
    for ([x, y], [py, px]) in marked.iter().zip(&published) {
        assert!((x - px).hypot(y - py) < 0.5 * 0.05, "{x} {y} beside {px} {py}");
    }
    harness.get_by_label("Lens light off").click();
    settle(&mut harness);
    assert!(harness.query_all_by_label_contains("fitted in").count() == 1);
    // Its own file, opened: as many markers, and the sky is not known.
    harness.get_by_label("Clear images").click();
    settle(&mut harness);
    harness.get_by_label("Use positions.json beside the image").click();
    settle(&mut harness);
    let opened = places(&state(&harness)["desk"]["images"]);
    assert_eq!(opened, published.iter().map(|[y, x]| [*x, *y]).collect::<Vec<_>>());
}
