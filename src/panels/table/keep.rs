//! What a table view gives away: its rows as FITS or ECSV, and a script that shows the same.

use std::sync::Arc;

use super::{TablePanel, is_text_table};
use crate::data::{write_ecsv, write_fits_table};
use crate::panels::product::{Product, file_stem, python_string};

impl TablePanel {
    /// The rows that pass, in the order on the screen, and the chosen ones.
    pub(super) fn table_products(&self) -> Vec<Product> {
        let Some(sheet) = self.whole_sheet() else { return Vec::new() };
        let stem = file_stem(&self.short_title());
        let order = self.order.as_ref().map(|order| order.order.clone());
        let rows = move |sheet: &crate::data::sheet::Sheet| {
            order.clone().unwrap_or_else(|| Arc::new((0..sheet.rows as u32).collect()))
        };
        let history = self.history();
        let name = sheet.name.clone();
        let (fits_sheet, fits_rows) = (sheet.clone(), rows.clone());
        vec![
            Product::new("Rows shown, as ECSV", format!("{stem}-rows.ecsv"), move |path| {
                Ok(write_ecsv(path, &sheet.table_of(&rows(&sheet)))?)
            }),
            Product::new("Rows shown, as a FITS table", format!("{stem}-rows.fits"), move |path| {
                Ok(write_fits_table(path, &name, &fits_sheet.table_of(&fits_rows(&fits_sheet)), &history)?)
            }),
        ]
    }

    /// Where the rows come from, for the HISTORY of a file.
    fn history(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.saved.path.as_os_str().is_empty() {
            lines.push(format!("Sextans: rows of {} HDU {}", self.saved.path.display(), self.saved.hdu));
        }
        if !self.filter_text.trim().is_empty() {
            lines.push(format!("Sextans: filter {}", self.filter_text.trim()));
        }
        if let Some(sort) = &self.saved.sort {
            let direction = if sort.descending { "descending" } else { "ascending" };
            lines.push(format!("Sextans: sorted by {}, {direction}", sort.column));
        }
        lines
    }

    /// A script with astropy that reads the table, and matplotlib that plots the same columns.
    pub(super) fn table_python(&self) -> Option<String> {
        let sheet = self.sheet.as_ref()?;
        if self.saved.path.as_os_str().is_empty() {
            return None;
        }
        let path = python_string(&self.saved.path.display().to_string());
        let mut text = String::from("from astropy.table import Table\n");
        if self.saved.show_plot {
            text.push_str("import matplotlib.pyplot as plt\n");
        }
        text.push('\n');
        if is_text_table(&self.saved.path) {
            let extension = self.saved.path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
            let format = match extension.as_str() {
                "csv" => "ascii.csv",
                "tsv" => "ascii.tab",
                _ => "ascii.ecsv",
            };
            text.push_str(&format!("table = Table.read({path}, format=\"{format}\")\n"));
        } else {
            text.push_str(&format!("table = Table.read({path}, hdu={})\n", self.saved.hdu));
        }
        if let Some(filter) = &self.filter {
            text.push_str(&format!("# {}\n", self.filter_text.trim().replace('\n', " ")));
            let mask = filter.python(sheet);
            if mask.contains("fnmatch.") {
                text.insert_str(0, "import fnmatch\n\n");
            }
            if mask.contains("np.") {
                text.insert_str(0, "import numpy as np\n");
            }
            text.push_str(&format!("table = table[{mask}]\n"));
        }
        if let Some(sort) = &self.saved.sort {
            let reverse = if sort.descending { ", reverse=True" } else { "" };
            text.push_str(&format!("table.sort({}{reverse})\n", python_string(&sort.column)));
        }
        text.push_str("print(table)\n");
        if self.saved.show_plot {
            let plot = &self.saved.plot;
            let first = sheet.columns.iter().find(|c| !c.is_text()).map(|c| c.data.name.clone())?;
            let x = if sheet.find(&plot.x).is_some() { plot.x.clone() } else { first };
            text.push_str("\nfig, ax = plt.subplots()\n");
            let label = |name: &str| {
                let unit = sheet.find(name).map_or("", |n| sheet.columns[n].unit());
                python_string(&crate::plots::axes::axis_label(name, unit, ""))
            };
            if sheet.find(&plot.y).is_some() {
                let color = if sheet.find(&plot.color).is_some() {
                    format!(", c=table[{}], cmap=\"viridis\"", python_string(&plot.color))
                } else {
                    String::new()
                };
                text.push_str(&format!(
                    "points = ax.scatter(table[{}], table[{}], s=4{color})\n",
                    python_string(&x),
                    python_string(&plot.y)
                ));
                if !color.is_empty() {
                    text.push_str(&format!("fig.colorbar(points, label={})\n", label(&plot.color)));
                }
                text.push_str(&format!("ax.set_ylabel({})\n", label(&plot.y)));
            } else {
                text.push_str(&format!(
                    "ax.hist(table[{}], bins={})\nax.set_ylabel(\"Rows\")\n",
                    python_string(&x),
                    plot.bins
                ));
            }
            text.push_str(&format!("ax.set_xlabel({})\n", label(&x)));
            for (axis, on) in [("x", plot.log_x), ("y", plot.log_y)] {
                if on {
                    text.push_str(&format!("ax.set_{axis}scale(\"log\")\n"));
                }
            }
            text.push_str("plt.show()\n");
        }
        Some(text)
    }
}
