//! The table view without a window: what it formats and what it asks.

use std::sync::Arc;

use super::*;
use crate::data::{Store, Table, TableColumn, write_fits_table};
use crate::panels::Links;
use crate::plots::headless::Headless;
use crate::runs::Library;
use crate::workers::{Jobs, Queries, no_wake};

/// A million rows: scrolling to the last one makes only the visible cells into text; sorting is a query.
#[test]
fn a_million_rows_cost_what_is_seen_of_them() {
    const ROWS: usize = 1_000_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("million.fits");
    let flux: Vec<f64> =
        (0..ROWS).map(|i| if i % 1000 == 7 { f64::NAN } else { ((i * 7919) % 1_000_003) as f64 }).collect();
    let id: Vec<i64> = (1..=ROWS as i64).collect();
    write_fits_table(
        &path,
        "BIG",
        &Table::new(vec![TableColumn::new("id", "", id), TableColumn::new("flux", "Jy", flux)]),
        &[],
    )
    .unwrap();
    let services = Services {
        store: Arc::new(Store::new(1 << 30)),
        jobs: Arc::new(Jobs::new()),
        queries: Arc::new(Queries::new(1 << 30, 2).unwrap()),
        library: Library::at(folder.path()),
        wake: no_wake(),
    };
    let mut panel = TablePanel::new(&serde_json::json!({ "path": path, "hdu": 1 }));
    let mut screen = Headless::new([700.0, 500.0], 1.0, egui::Theme::Dark);
    let (mut links, mut commands) = (Links::default(), Vec::new());
    let mut step = |panel: &mut TablePanel| {
        screen.frame(|ui| {
            let cx = &mut PanelContext { view: 1, services: &services, commands: &mut commands, links: &mut links };
            panel.logic(cx);
            panel.ui(ui, cx);
        });
    };
    let start = std::time::Instant::now();
    let wait = |panel: &mut TablePanel, step: &mut dyn FnMut(&mut TablePanel), done: &dyn Fn(&TablePanel) -> bool| {
        for _ in 0..20_000 {
            step(panel);
            if done(panel) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        panic!("it does not come to an end: {:?}", panel.problem);
    };
    // The first rows are there before all are.
    wait(&mut panel, &mut step, &|p| p.sheet.is_some());
    let first = panel.sheet.clone().unwrap();
    assert_eq!(first.rows, ROWS);
    println!("first rows after {:?}, {} loaded", start.elapsed(), first.loaded);
    wait(&mut panel, &mut step, &|p| !p.busy());
    println!("all rows after {:?}", start.elapsed());
    assert_eq!(panel.sheet.as_ref().unwrap().loaded, ROWS);
    // Opened, read and summed up once each: not again when the store has a number for the file.
    assert_eq!(services.queries.counts().executed, 3);

    panel.scroll_to = Some((ROWS as u64 - 1, None));
    let before = services.queries.counts().executed;
    for _ in 0..6 {
        step(&mut panel);
        // 500 points hold fewer than 25 rows of two columns.
        assert!(panel.formatted <= 2 * 30, "{} cells were made into text", panel.formatted);
    }
    assert!(panel.formatted >= 2 * 10, "{} cells", panel.formatted);
    assert_eq!(services.queries.counts().executed, before, "scrolling asks nothing");

    panel.sort_by("flux");
    let frame = std::time::Instant::now();
    step(&mut panel);
    println!("frame that starts a sort {:?}", frame.elapsed());
    wait(&mut panel, &mut step, &|p| !p.busy());
    assert!(services.queries.counts().executed > before, "the sort is a query");
    let order = panel.order.clone().unwrap();
    let sheet = panel.sheet.clone().unwrap();
    let value = |place: usize| sheet.columns[1].row_number(order.order[place] as usize);
    assert!((1..ROWS - 1000).all(|i| value(i - 1) <= value(i)));
    assert!((ROWS - 1000..ROWS).all(|i| value(i).is_nan()), "NaN last");
    println!("sorted after {:?}", start.elapsed());

    panel.saved.filter = "flux > 5e5 and id < 1000".into();
    wait(&mut panel, &mut step, &|p| !p.busy() && p.order.as_ref().is_some_and(|o| o.order.len() < 1000));
    let rows = &panel.order.as_ref().unwrap().passed;
    assert!(rows.iter().all(|row| *row < 999 && sheet.columns[1].row_number(*row as usize) > 5e5));
    panel.saved.filter = "flxu > 5".into();
    step(&mut panel);
    assert_eq!(panel.filter_problem.as_deref(), Some("no column \"flxu\"; did you mean flux?"));
}

/// A view that takes the place of another shows nothing of the other's file, nor of its own file as it was before.
#[test]
fn no_number_of_another_file_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let services = Services {
        store: Arc::new(Store::new(1 << 20)),
        jobs: Arc::new(Jobs::new()),
        queries: Arc::new(Queries::new(1 << 24, 2).unwrap()),
        library: Library::at(folder.path()),
        wake: no_wake(),
    };
    let mut commands = Vec::new();
    let write = |name: &str, rows: usize, value: f64| {
        let path = folder.path().join(name);
        let flux: Vec<f64> = (0..rows).map(|i| value + i as f64).collect();
        let other: Vec<f64> = vec![-1.0; rows];
        let columns = vec![TableColumn::new("flux", "", flux), TableColumn::new("other", "", other)];
        crate::data::write_ecsv(&path, &Table::new(columns)).unwrap();
        path
    };
    let mean = |panel: &TablePanel| {
        panel.summary.as_ref().map(|s| match &s.values {
            crate::data::sheet::ColumnSummary::Numbers { mean, .. } => *mean,
            crate::data::sheet::ColumnSummary::Words { .. } => f64::NAN,
        })
    };
    // Every frame on the way is looked at: rows, order, mean and plot are those of this file or none.
    let mut show = |path: &Path, column: &str, links: &mut Links, rows: usize, expected: f64| {
        let state = serde_json::json!({
            "path": path, "column": column, "filter": "flux > 0", "show_plot": true,
            "plot": { "x": column, "y": "flux" }
        });
        let mut panel = TablePanel::new(&state);
        for frame in 0.. {
            assert!(frame < 5000, "it does not come to an end: {:?}", panel.problem);
            panel.logic(&mut PanelContext { view: 1, services: &services, commands: &mut commands, links });
            assert!(panel.sheet.as_ref().is_none_or(|sheet| sheet.rows == rows));
            assert!(panel.order.as_ref().is_none_or(|order| order.order.len() == rows));
            assert!(mean(&panel).is_none_or(|mean| (mean - expected).abs() < 1e-9), "{:?}", mean(&panel));
            if panel.sheet.is_some() && !panel.busy() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert!(mean(&panel).is_some());
    };
    let mut links = Links::default();
    let first = write("first.ecsv", 5, 10.0);
    show(&first, "flux", &mut links, 5, 12.0);
    show(&write("second.ecsv", 3, 100.0), "flux", &mut links, 3, 101.0);
    show(&first, "other", &mut links, 5, -1.0);
    // Written anew, and asked for by a session that counts nothing yet.
    write("first.ecsv", 7, 1000.0);
    show(&first, "flux", &mut Links::default(), 7, 1003.0);
}

#[test]
fn nonsense_in_a_session_does_no_harm() {
    let state = serde_json::json!({ "path": "x.fits", "overlay": { "radius": 1e30 }, "plot": { "bins": 0 }, "widths": { "a": -5.0 } });
    let panel = TablePanel::new(&state);
    assert!(panel.saved.overlay.radius <= 60.0 && panel.saved.plot.bins >= 2);
    let panel = TablePanel::new(&serde_json::json!({ "path": 3 }));
    assert_eq!(panel.saved, Saved::default());
    assert_eq!(thousands(1_234_567), "1,234,567");
    assert_eq!(thousands(999), "999");
}
