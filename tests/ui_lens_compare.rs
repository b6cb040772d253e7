//! Promises of step 3 of the lens panel: planes linked by rays, the residual desk, arrival times, the mass sheet, draws of the posterior.

use std::path::{Path, PathBuf};

use egui_kittest::kittest::{NodeT, Queryable};
use sextans::panels::Command;
use sextans::runs::{Hooks, Record, execute};
use sextans::studies::lens_models::Deflector;
use sextans::studies::lens_reconstruction::{
    Cosmology, FitOutcome, FitRequest, Method, SimulateRequest, Tracer, residual_statistics,
};
use sextans::tasks::{Board, Outcome, TaskEntry};

use crate::ui_support::{Window, settle, sized, texts, until, window};

/// A simulated lens and a quick fit of it, with redshifts and a few draws.
fn fitted(folder: &Path) -> PathBuf {
    fitted_as(folder, |fit| FitRequest { posterior_draws: 60, ..fit })
}

/// The same with another request.
fn fitted_as(folder: &Path, with: impl Fn(FitRequest) -> FitRequest) -> PathBuf {
    let run = |entry: &TaskEntry, request: serde_json::Value, name: &str| {
        let out = folder.join("runs").join(name);
        execute(entry, &request, &out, false, &Board::new(), &Hooks::NONE).unwrap();
        out
    };
    let simulate = SimulateRequest { pixels: 80, ..SimulateRequest::default() };
    let simulated = run(&TaskEntry::of::<SimulateRequest>(), serde_json::to_value(simulate).unwrap(), "simulate");
    let fit = FitRequest {
        starts: 2,
        lens_light_components: 1,
        mask_outer_radius_arcsec: Some(1.9),
        ..FitRequest::default()
    };
    let fit = fit.on_simulation(&simulated);
    let fit = FitRequest { redshift_lens: Some(0.5), redshift_source: Some(1.5), ..fit };
    let fit = with(fit);
    run(&TaskEntry::of::<FitRequest>(), serde_json::to_value(fit).unwrap(), "fit")
}

fn load(run: &Path) -> FitOutcome {
    let record = Record::read(run).unwrap();
    FitOutcome::load(run, &record.request, &record.metrics).unwrap()
}

fn tracer(outcome: &FitOutcome) -> Tracer {
    Tracer::new(&outcome.scene.as_ref().unwrap().lens, 1.2, 3.0)
}

fn opened(folder: &Path, run: &Path) -> Window {
    let mut harness = window(folder);
    harness.state_mut().send(Command::OpenPath(run.to_owned()));
    until(&mut harness, "the comparison", |h| h.query_by_label("True source").is_some());
    settle(&mut harness);
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
    harness
}

/// Every text on the screen, in order.
fn words(harness: &Window) -> Vec<String> {
    let labels = harness.root().children_recursive().filter(|n| n.accesskit_node().role() == egui::Role::Label);
    labels.filter_map(|n| n.value().or_else(|| n.accesskit_node().label())).collect()
}

/// The numbers of the first text that begins so.
fn numbers(harness: &Window, begin: &str) -> Vec<f64> {
    let all = words(harness);
    let text = all.iter().find(|t| t.starts_with(begin)).unwrap_or_else(|| panic!("no {begin:?} in {all:?}"));
    let parts = text[begin.len()..].split(|c: char| c.is_whitespace() || c == ',' || c == ':');
    parts.filter_map(|p| p.parse().ok()).collect()
}

/// A line of the table of images.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    x: f64,
    y: f64,
    magnification: f64,
    kind: String,
    delay: f64,
}

fn images(harness: &Window) -> Vec<Line> {
    let all = words(harness);
    let head = all.iter().position(|t| t.starts_with("delay / ")).unwrap_or_else(|| panic!("no table in {all:?}"));
    let mut lines = Vec::new();
    for row in all[head + 1..].chunks_exact(6) {
        if row[0] != (lines.len() + 1).to_string() {
            break;
        }
        let number = |k: usize| row[k].parse::<f64>().unwrap_or_else(|_| panic!("{row:?}"));
        lines.push(Line {
            x: number(1),
            y: number(2),
            magnification: number(3),
            kind: row[4].clone(),
            delay: number(5),
        });
    }
    assert!(!lines.is_empty(), "no images in {all:?}");
    lines
}

fn map(harness: &Window, name: &str) -> egui::Rect {
    let mut images = harness.query_all_by_role(egui::Role::Image);
    let found = images.find(|n| n.accesskit_node().label().is_some_and(|l| l.starts_with(name)));
    found.unwrap_or_else(|| panic!("no map {name}: {:?}", words(harness))).rect()
}

fn hover(harness: &mut Window, place: egui::Pos2) {
    harness.hover_at(place);
    harness.run_steps(4);
}

/// The table agrees with the library for a source at `[x, y]`, to the digits shown.
fn agree(harness: &Window, outcome: &FitOutcome, source: [f64; 2]) {
    let days = Cosmology::default().between(0.5, 1.5).unwrap().days_per_arcsec2();
    let expected = tracer(outcome).trace(source);
    let found = images(harness);
    assert_eq!(found.len(), expected.images.len(), "{found:?} {expected:?}");
    for (line, image) in found.iter().zip(&expected.images) {
        // The source is shown to 4 decimals; images move by up to the magnification more.
        let slack = 6e-4 + 6e-5 * image.magnification.abs();
        let off = (line.x - image.place[0]).hypot(line.y - image.place[1]);
        assert!(off < 2.0 * slack, "{line:?} {image:?}");
        assert!((line.magnification / image.magnification - 1.0).abs() < 0.02, "{line:?} {image:?}");
        assert_eq!(line.kind, format!("{:?}", image.kind).to_lowercase());
        assert!((line.delay - image.delay_arcsec2 * days).abs() < 0.04 + 1e-3 * line.delay, "{line:?} {image:?}");
    }
}

#[test]
fn the_pointer_on_the_image_shows_the_source_and_all_its_images() {
    let folder = tempfile::tempdir().unwrap();
    let run = fitted(folder.path());
    let outcome = load(&run);
    let mut harness = opened(folder.path(), &run);
    // Before anybody points: the brightest place of the source.
    assert!(harness.query_by_label("Brightest point of the source").is_some());
    let brightest = numbers(&harness, "Source at");
    agree(&harness, &outcome, [brightest[0], brightest[1]]);

    let lens = tracer(&outcome).lens().clone();
    let rect = map(&harness, "Model");
    let mut places = Vec::new();
    for offset in [[20.0, -15.0], [-25.0, -15.0], [20.0, 30.0]] {
        let at = rect.center() + egui::vec2(offset[0], offset[1]);
        hover(&mut harness, at);
        let place = numbers(&harness, "Image plane at");
        let source = numbers(&harness, "Source at");
        let [x, y] = lens.source_from_image(place[0], place[1]);
        assert!((x - source[0]).abs() < 2e-4 && (y - source[1]).abs() < 2e-4, "{place:?} {source:?} {x} {y}");
        agree(&harness, &outcome, [source[0], source[1]]);
        let here = images(&harness).into_iter().map(|i| (i.x - place[0]).hypot(i.y - place[1]));
        assert!(here.fold(f64::INFINITY, f64::min) < 2e-3, "the place itself is an image of its source");
        places.push((offset.map(f64::from), [place[0], place[1]]));
    }
    // Right is +x and up is +y, at one scale.
    let scale = (places[0].1[0] - places[1].1[0]) / 45.0;
    assert!(scale > 0.001 && scale < 0.2, "{scale}");
    assert!((places[0].1[1] - places[1].1[1]).abs() < 2e-3, "{places:?}");
    assert!(((places[0].1[1] - places[2].1[1]) / 45.0 - scale).abs() < 1e-4, "{places:?}");
    // Away from the maps the brightest place is back.
    hover(&mut harness, egui::pos2(20.0, 400.0));
    assert_eq!(numbers(&harness, "Source at"), brightest);
}

#[test]
fn a_click_pins_a_point_and_the_session_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = fitted(folder.path());
    let outcome = load(&run);
    let mut harness = opened(folder.path(), &run);
    let place = map(&harness, "Source").center() + egui::vec2(-12.0, 8.0);
    hover(&mut harness, place);
    let under = numbers(&harness, "Source at");
    let button = |harness: &mut Window, pressed: bool| {
        let modifiers = egui::Modifiers::NONE;
        harness.event(egui::Event::PointerButton {
            pos: place,
            button: egui::PointerButton::Primary,
            pressed,
            modifiers,
        });
        harness.run_steps(2);
    };
    button(&mut harness, true);
    button(&mut harness, false);
    hover(&mut harness, egui::pos2(20.0, 400.0));
    settle(&mut harness);
    assert!(harness.query_by_label("Pinned point").is_some(), "{:?}", words(&harness));
    assert_eq!(numbers(&harness, "Source at"), under);
    agree(&harness, &outcome, [under[0], under[1]]);
    let lines = images(&harness);

    harness.get_by_label("Arrival times").click();
    settle(&mut harness);
    let path = folder.path().join("session.json");
    harness.state().session().save(&path).unwrap();
    let mut other = window(folder.path());
    other.state_mut().send(Command::OpenPath(path.clone()));
    until(&mut other, "the arrival times", |h| h.query_by_label("Arrival time").is_some());
    settle(&mut other);
    assert!(other.query_by_label("Pinned point").is_some());
    assert_eq!(images(&other), lines, "the reopened run traces the same rays");
    assert_eq!(other.state().session().to_text().unwrap(), std::fs::read_to_string(&path).unwrap());

    other.get_by_label("Unpin").click();
    settle(&mut other);
    assert!(other.query_by_label("Brightest point of the source").is_some());
}

#[test]
fn a_mass_sheet_scales_delays_and_source_and_keeps_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let run = fitted(folder.path());
    let mut harness = opened(folder.path(), &run);
    let (before, source) = (images(&harness), numbers(&harness, "Source at"));
    let total = numbers(&harness, "Total magnification")[0];
    let sliders = |h: &Window| {
        let found = h.query_all_by_label("Mass sheet λ").find(|n| n.accesskit_node().role() == egui::Role::Slider);
        found.unwrap().focus();
    };
    sliders(&harness);
    // With the focus the slider takes the arrow keys for itself, from the next frame on.
    harness.run_steps(2);
    for _ in 0..10 {
        harness.key_press(egui::Key::ArrowLeft);
        harness.step();
    }
    settle(&mut harness);
    let lambda = harness.state().session().views[0].state["mass_sheet"]["lambda"].as_f64().unwrap();
    assert!((0.7..0.95).contains(&lambda), "{lambda}");
    let (after, moved) = (images(&harness), numbers(&harness, "Source at"));
    assert_eq!(before.len(), after.len());
    for (a, b) in before.iter().zip(&after) {
        assert_eq!((a.x, a.y, &a.kind), (b.x, b.y, &b.kind));
        assert!((b.delay - lambda * a.delay).abs() < 2e-3 * a.delay.max(1.0), "{a:?} {b:?}");
        assert!((b.magnification * lambda * lambda / a.magnification - 1.0).abs() < 2e-3, "{a:?} {b:?}");
    }
    for (a, b) in source.iter().zip(&moved).take(2) {
        assert!((b - lambda * a).abs() < 2e-4, "{source:?} {moved:?}");
    }
    assert!((numbers(&harness, "Total magnification")[0] * lambda * lambda / total - 1.0).abs() < 2e-3);
    assert!(harness.query_by_label("Convergence with the mass sheet").is_some());
    let said = words(&harness).into_iter().find(|t| t.starts_with("λ = ")).unwrap();
    assert!(
        said.contains("image positions and χ²") && said.contains("H0") && said.contains("velocity dispersion"),
        "{said}"
    );
    harness.get_by_label("No sheet").click();
    settle(&mut harness);
    assert_eq!(images(&harness), before);
}

#[test]
fn the_residual_desk_says_what_the_statistics_say() {
    let folder = tempfile::tempdir().unwrap();
    let run = fitted(folder.path());
    let outcome = load(&run);
    let statistics = residual_statistics(&outcome.residual, &outcome.data, &outcome.noise, &outcome.mask).unwrap();
    // White noise was simulated and the model can represent the truth.
    let first = statistics.fitted.autocorrelation[0];
    assert!((first.correlation - first.expected).abs() < 4.0 * first.sigma, "{first:?}");
    let mut harness = opened(folder.path(), &run);
    harness.get_by_label("Residual desk").click();
    settle(&mut harness);
    let all = words(&harness);
    let expected = format!(
        "Residuals in the mask: mean {:+.3}, standard deviation {:.3}",
        statistics.fitted.mean, statistics.fitted.standard_deviation
    );
    assert!(all.contains(&expected), "{all:?}");
    let verdict = format!("Neighbours correlate by {:+.3} ± {:.3}", first.correlation, first.sigma);
    assert!(all.iter().any(|t| t.starts_with(&verdict) && t.ends_with("as white noise does")), "{all:?}");
    let chi2 = outcome.metrics()["reduced_chi2"];
    let shown: Vec<f64> = all.iter().filter_map(|t| t.parse().ok()).collect();
    assert!(shown.iter().any(|v| (v - chi2).abs() < 1e-3 * chi2), "{chi2} {shown:?}");
    let null = outcome.metrics()["reduced_chi2_null"];
    assert!(shown.iter().any(|v| (v - null).abs() < 1e-3 * null), "{null} {shown:?}");
    assert!(all.contains(&statistics.fitted.pixels.to_string()));
}

#[test]
fn a_run_without_its_model_file_is_traced_by_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let run = fitted(folder.path());
    let before = images(&opened(folder.path(), &run));
    std::fs::remove_file(run.join("model.json")).unwrap();
    let after = images(&opened(folder.path(), &run));
    assert_eq!(before.len(), after.len());
    for (a, b) in before.iter().zip(&after) {
        assert!(
            (a.x - b.x).abs() < 2e-3 && (a.y - b.y).abs() < 2e-3 && (a.delay - b.delay).abs() < 0.02,
            "{a:?} {b:?}"
        );
    }
}

#[test]
fn draws_of_the_posterior_lie_over_the_maps() {
    let folder = tempfile::tempdir().unwrap();
    let run = fitted(folder.path());
    let mut harness = opened(folder.path(), &run);
    hover(&mut harness, egui::pos2(20.0, 400.0));
    let before = harness.render().unwrap();
    harness.get_by_label("Show draws").click();
    settle(&mut harness);
    hover(&mut harness, egui::pos2(20.0, 400.0));
    assert_eq!(harness.state().session().views[0].state["compare"]["show_draws"], true);
    let after = harness.render().unwrap();
    let source = map(&harness, "Source");
    let inside = |x: u32, y: u32| source.contains(egui::pos2(x as f32, y as f32));
    let changed = before.enumerate_pixels().filter(|(x, y, p)| inside(*x, *y) && after.get_pixel(*x, *y) != *p).count();
    assert!(changed > 100, "{changed}");
}

/// The text in the table behind a name.
fn beside(harness: &Window, name: &str) -> String {
    let all = words(harness);
    let at = all.iter().position(|t| t == name).unwrap_or_else(|| panic!("no {name:?} in {all:?}"));
    all[at + 1..].iter().find(|t| t.parse::<f64>().is_ok() || t.contains(" ± ") || t.contains(" of ")).unwrap().clone()
}

#[test]
fn the_table_has_every_free_parameter_and_what_an_inversion_says_of_itself() {
    let folder = tempfile::tempdir().unwrap();
    let run = fitted_as(folder.path(), |fit| FitRequest {
        free_slope: true,
        method: Method::Inversion,
        source_pixels: 24,
        optimise_lens: false,
        ..fit
    });
    let metrics = load(&run).metrics();
    let harness = opened(folder.path(), &run);
    for (name, metric, slack) in [
        ("Slope", "slope", 6e-4),
        ("Lens centre x", "lens_x_arcsec", 6e-5),
        ("Ellipse Einstein radius", "ellipse_einstein_radius_arcsec", 6e-5),
        ("Parametric fit before", "reduced_chi2_parametric", 6e-4),
        ("Inversion", "reduced_chi2", 6e-4),
        ("ln evidence", "evidence_ln", 0.06),
        ("Source pixels determined", "source_pixels_determined", 0.6),
    ] {
        // The method is the head of the parameters too; chi2 follows its last mention.
        let text = if name == "Inversion" {
            let all = words(&harness);
            all[all.iter().rposition(|t| t == name).unwrap() + 1].clone()
        } else {
            beside(&harness, name)
        };
        let shown: f64 = text.split(' ').next().unwrap().parse().unwrap();
        assert!((shown - metrics[metric]).abs() < slack, "{name}: {text} {}", metrics[metric]);
    }
    // The inversion held it: the error of the fit before does not stand for it.
    assert!(!metrics.contains_key("slope_error") && !beside(&harness, "Slope").contains('±'));
}

#[test]
fn the_posterior_says_first_whether_it_converged() {
    let folder = tempfile::tempdir().unwrap();
    let run = fitted(folder.path());
    let metrics = load(&run).metrics();
    let mut harness = opened(folder.path(), &run);
    harness.get_by_label("Posterior").click();
    settle(&mut harness);
    let all = words(&harness);
    let (r_hat, draws) = (metrics["posterior_r_hat"], metrics["posterior_effective_draws"]);
    let begin = if r_hat < 1.01 && draws > 400.0 { "Converged" } else { "Not converged" };
    let expected = format!("{begin}: R-hat {r_hat:.3}, {draws:.0} effective draws");
    assert!(all.iter().any(|t| t.starts_with(&expected)), "{expected} {all:?}");
    // The quantity that is worst can be found in the table.
    assert!(all.contains(&format!("{r_hat:.3}")), "{all:?}");
    let right = |text: &str| harness.get_by_label(text).rect().right();
    assert!(right("R-hat") < 1366.0 && right("ESS") < 1366.0);
}

#[test]
fn every_sight_fits_a_laptop_and_nonsense_in_a_session_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let run = fitted(folder.path());
    for size in [[1366.0, 768.0], [900.0, 600.0]] {
        let mut harness = sized(folder.path(), size);
        harness.state_mut().send(Command::OpenPath(run.clone()));
        until(&mut harness, "the comparison", |h| h.query_by_label("True source").is_some());
        for sight in ["Maps", "Residual desk", "Arrival times", "Posterior"] {
            harness.get_by_label(sight).click();
            settle(&mut harness);
            let unnamed = harness.unnamed_widgets();
            assert!(unnamed.is_empty(), "{sight}: {unnamed:?}");
            for node in harness.root().children_recursive().filter(|n| n.accesskit_node().raw_bounds().is_some()) {
                let (rect, text) = (node.rect(), node.accesskit_node().label().or_else(|| node.value()));
                let outside = rect.is_positive() && (rect.left() < -1.0 || rect.right() > size[0] + 1.0);
                assert!(!outside || text.is_none_or(|t| t.is_empty()), "{sight} at {size:?}: {rect:?}");
            }
        }
    }
    let mut harness = opened(folder.path(), &run);
    let mut session = harness.state().session();
    session.views[0].state["mass_sheet"] = serde_json::json!({ "lambda": 1e9 });
    session.views[0].state["compare"] =
        serde_json::json!({ "sight": "nowhere", "pinned": { "plane": "source", "arcsec": [1e300, -1e300] } });
    harness.state_mut().restore(&session);
    settle(&mut harness);
    assert!(texts(&harness).is_empty(), "{:?}", texts(&harness));
    assert!(words(&harness).iter().any(|t| t.starts_with("λ = 1.30")), "{:?}", words(&harness));
}

/// By the network that comes with the program, as it was trained.
#[test]
fn the_steps_of_the_network_play_fit_a_laptop_and_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let run =
        fitted_as(folder.path(), |fit| FitRequest { method: Method::Rim, finetune_steps: 0, spread_draws: 0, ..fit });
    for size in [[900.0, 600.0], [1366.0, 768.0]] {
        let mut harness = sized(folder.path(), size);
        harness.state_mut().send(Command::OpenPath(run.clone()));
        until(&mut harness, "the comparison", |h| h.query_by_label("True source").is_some());
        harness.get_by_label("Network steps").click();
        settle(&mut harness);
        assert!(harness.unnamed_widgets().is_empty(), "{:?}", harness.unnamed_widgets());
        for node in harness.root().children_recursive().filter(|n| n.accesskit_node().raw_bounds().is_some()) {
            let (rect, text) = (node.rect(), node.accesskit_node().label().or_else(|| node.value()));
            let outside = rect.is_positive() && (rect.left() < -1.0 || rect.right() > size[0] + 1.0);
            assert!(!outside || text.is_none_or(|t| t.is_empty()), "{size:?}: {rect:?}");
        }
        assert_eq!(harness.state().session().views[0].state["compare"]["step"], 0);
        harness.get_by_label("Play").click();
        until(&mut harness, "the last step", |h| h.state().session().views[0].state["compare"]["step"] == 7);
        until(&mut harness, "the end of the play", |h| h.query_by_label("Play").is_some());
        assert!(harness.query_by_label("Convergence, parametric fit").is_some());
    }
}
