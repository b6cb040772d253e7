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
