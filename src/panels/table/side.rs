//! The inspector of a table: statistics of a column, the overlay, what the header shows.

use egui::{ComboBox, RichText, Ui};

use super::{Sort, TablePanel, thousands};
use crate::data::sheet::ColumnSummary;
use crate::panels::PanelContext;
use crate::plots::axes::format_value;

impl TablePanel {
    /// Draws it.
    pub(super) fn side_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        if let (Some(sheet), Some(current)) = (self.sheet.clone(), self.current_column()) {
            let column = &sheet.columns[current];
            ui.horizontal(|ui| {
                let label = ui.label(RichText::new("Column").strong());
                let combo = ComboBox::from_id_salt("statistics of")
                    .selected_text(&column.data.name)
                    .width(130.0)
                    .show_ui(ui, |ui| {
                        for other in &sheet.columns {
                            ui.selectable_value(&mut self.saved.column, other.data.name.clone(), &other.data.name);
                        }
                    });
                combo.response.labelled_by(label.id);
            });
            let shape: Vec<String> = column.data.shape.iter().rev().map(ToString::to_string).collect();
            let mut words = column.data.form.clone();
            if column.data.ends.is_some() {
                words.push_str(", arrays of any length");
            } else if !column.is_scalar() {
                words.push_str(&format!(", arrays of {}", shape.join(" × ")));
            }
            for more in [column.unit(), &column.ucd] {
                if !more.is_empty() {
                    words.push_str(", ");
                    words.push_str(more);
                }
            }
            ui.weak(words);
            if !column.description.is_empty() {
                ui.add(egui::Label::new(&column.description).wrap());
            }
            self.summary_ui(ui, column.unit());
            ui.horizontal_wrapped(|ui| {
                let name = column.data.name.clone();
                for (text, descending) in [("Sort up", false), ("Sort down", true)] {
                    if ui.button(text).clicked() {
                        self.saved.sort = Some(Sort { column: name.clone(), descending });
                    }
                }
                if ui.button("Histogram").clicked() {
                    self.saved.show_plot = true;
                    self.saved.plot.x.clone_from(&name);
                    self.saved.plot.y.clear();
                }
            });
            ui.separator();
            self.overlay_ui(ui, cx);
            ui.separator();
        }
        ui.checkbox(&mut self.saved.show_units, "Units in the header");
    }

    fn summary_ui(&self, ui: &mut Ui, unit: &str) {
        let Some(summary) = &self.summary else {
            ui.spinner();
            return;
        };
        let mut rows: Vec<(&str, String)> = Vec::new();
        match &summary.values {
            ColumnSummary::Numbers { count, missing, min, max, mean, sigma, median } => {
                rows.push(("Values", thousands(*count)));
                rows.push(("Without value", thousands(*missing)));
                for (name, value) in
                    [("Minimum", min), ("Maximum", max), ("Mean", mean), ("Sigma", sigma), ("Median", median)]
                {
                    if value.is_finite() {
                        rows.push((name, format_value(*value, 7)));
                    }
                }
            }
            ColumnSummary::Words { count, missing, different, common } => {
                rows.push(("Words", thousands(*count)));
                rows.push(("Without value", thousands(*missing)));
                rows.push(("Different", different.map_or_else(|| "more than 10,000".to_owned(), thousands)));
                rows.extend(
                    common.iter().filter(|(_, n)| *n > 1).map(|(word, n)| ("", format!("{word}  × {}", thousands(*n)))),
                );
            }
        }
        egui::Grid::new("statistics").num_columns(2).spacing([12.0, 2.0]).show(ui, |ui| {
            for (name, value) in rows {
                ui.label(name);
                let text = if matches!(name, "Minimum" | "Maximum" | "Mean" | "Sigma" | "Median") && !unit.is_empty() {
                    format!("{value} {unit}")
                } else {
                    value
                };
                ui.add(egui::Label::new(RichText::new(text).monospace()).truncate());
                ui.end_row();
            }
        });
    }
}
