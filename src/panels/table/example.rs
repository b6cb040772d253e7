//! Without a file: a small catalogue of made-up stars, to show what the view does.

use crate::data::sheet::Sheet;
use crate::data::{Table, TableColumn};
use crate::numerics::random;

/// Rows of the example.
const ROWS: usize = 600;

/// A cluster with a main sequence and a field around it: seeded, and named as made up.
pub(super) fn sheet() -> Sheet {
    let mut noise = random::stream(1, "table example", 0);
    let mut normal = || random::normal(&mut noise);
    let (mut ra, mut dec, mut magnitude, mut color, mut class) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in 0..ROWS {
        let field = row % 4 == 3;
        let spread = if field { 0.25 } else { 0.04 };
        ra.push(rounded(250.4235 + spread * normal() / 0.8, 1e6));
        dec.push(rounded(36.4613 + spread * normal(), 1e6));
        let depth = (row as f64 + 0.5) / ROWS as f64;
        let m = 13.0 + 7.0 * depth.sqrt() + 0.05 * normal();
        magnitude.push(rounded(m, 1e3));
        let hue = if field { 0.8 + 0.3 * normal() } else { 0.25 + 0.012 * (m - 13.0).powi(2) + 0.03 * normal() };
        color.push(rounded(hue, 1e3));
        class.push(if field { "field" } else { "member" }.to_owned());
    }
    let table = Table::new(vec![
        TableColumn::new("id", "", (1..=ROWS as i64).collect::<Vec<_>>()).described("running number"),
        TableColumn::new("RA", "deg", ra).described("right ascension, ICRS"),
        TableColumn::new("DEC", "deg", dec).described("declination, ICRS"),
        TableColumn::new("g", "mag", magnitude),
        TableColumn::new("g_r", "mag", color).described("colour g - r"),
        TableColumn::new("class", "", class),
    ]);
    Sheet::from_table("Made-up cluster", table)
}

/// As many decimals as a catalogue prints.
fn rounded(x: f64, per_unit: f64) -> f64 {
    (x * per_unit).round() / per_unit
}
