//! What a spectrum view gives away: its curves as tables.

use std::sync::Arc;

use super::SpectrumPanel;
use super::curve::Curve;
use crate::data::{Table, TableColumn, write_ecsv, write_fits_table};
use crate::panels::product::{Product, file_stem};

impl SpectrumPanel {
    /// The curve that is shown and every pinned one, as ECSV and as a FITS table.
    pub(super) fn spectrum_products(&self) -> Vec<Product> {
        let mut curves: Vec<(String, String, Arc<Curve>)> = Vec::new();
        let stem = |place: &crate::panels::world::Place| {
            file_stem(&place.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default())
        };
        if let Some(live) = &self.live {
            curves.push(("The spectrum".into(), format!("{}-spectrum", stem(self.saved.of())), live.clone()));
        }
        for (pin, curve) in self.saved.pins.iter().zip(&self.pinned) {
            if let Some(curve) = curve {
                // Counted from 1, as everywhere that people read.
                let [x, y] = pin.pixel.map(|p| p + 1);
                let title = format!("The pinned spectrum at x {x}, y {y},");
                curves.push((title, format!("{}-spectrum-x{x}-y{y}", stem(&pin.of)), curve.clone()));
            }
        }
        let mut all = Vec::new();
        for (title, name, curve) in curves {
            let again = curve.clone();
            all.push(Product::new(format!("{title} as ECSV"), format!("{name}.ecsv"), move |path| {
                Ok(write_ecsv(path, &table_of(&curve))?)
            }));
            all.push(Product::new(format!("{title} as a FITS table"), format!("{name}.fits"), move |path| {
                Ok(write_fits_table(path, "SPECTRUM", &table_of(&again), &[])?)
            }));
        }
        all
    }
}

/// Axis, values, and the error of one sigma where there is one.
fn table_of(curve: &Curve) -> Table {
    let named = |name: &str, fallback: &str| {
        // A name that needs no quotes anywhere.
        let word: String =
            name.trim().to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        let word = word.split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_");
        if word.is_empty() { fallback.to_owned() } else { word }
    };
    let x = named(&curve.x.0, "axis");
    let y = Some(named(&curve.y.0, "value")).filter(|y| *y != x).unwrap_or_else(|| "value".to_owned());
    let mut columns = vec![
        TableColumn::new(&x, &curve.fits_units[0], curve.points.iter().map(|p| p[0]).collect::<Vec<f64>>()),
        TableColumn::new(&y, &curve.fits_units[1], curve.points.iter().map(|p| p[1]).collect::<Vec<f64>>()),
    ];
    if curve.band.len() == curve.points.len() {
        let sigma = curve.band.iter().map(|[_, low, high]| 0.5 * (high - low)).collect::<Vec<f64>>();
        columns.push(TableColumn::new("sigma", &curve.fits_units[1], sigma).described("standard error"));
    }
    Table::new(columns)
}
