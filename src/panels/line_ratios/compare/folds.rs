//! k-fold: the errors of the ratio network on parts of its spectra that it was not taught, and their scatter between the parts.

use egui::{Grid, RichText, Ui};

use super::super::LineRatios;
use super::shown::ratio_name;
use crate::panels::PanelContext;
use crate::plots::colors::{Role, theme_of};
use crate::studies::line_ratios::benchmark::FoldRow;
use crate::studies::line_ratios::prior::RATIOS;

/// One ratio over all folds.
struct Across {
    name: &'static str,
    each: Vec<f64>,
    mean: f64,
    scatter: f64,
    null: f64,
    pull: f64,
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation of a sample.
fn scatter(values: &[f64]) -> f64 {
    let middle = mean(values);
    (values.iter().map(|v| (v - middle).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)).sqrt()
}

fn across(rows: &[FoldRow]) -> Vec<Across> {
    let of = |name: &'static str| {
        let own: Vec<&FoldRow> = rows.iter().filter(|row| row.quantity == name).collect();
        let numbers = |pick: fn(&FoldRow) -> f64| own.iter().map(|row| pick(row)).collect::<Vec<f64>>();
        let each = numbers(|row| row.half_width);
        (!each.is_empty()).then(|| Across {
            name,
            mean: mean(&each),
            scatter: scatter(&each),
            null: mean(&numbers(|row| row.half_width_null)),
            pull: mean(&numbers(|row| row.pull_deviation)),
            each,
        })
    };
    RATIOS.into_iter().filter_map(of).collect()
}

impl LineRatios {
    /// Draws the sight.
    pub(super) fn folds_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let Some(outcome) = self.benchmark_ui(ui, cx) else { return };
        // Some tens of numbers: no work for another thread.
        let rows = across(&outcome.folds);
        let Some(first) = rows.first() else {
            ui.label("That benchmark was made without folds; run it with folds=5.");
            return;
        };
        let folds = first.each.len();
        ui.label(format!(
            "{folds} networks, each taught on all but one of {folds} parts of the spectra, and judged on the part it has not seen, every spectrum there with noise that no training had."
        ));
        ui.weak(
            RichText::new(
                "Half the range of the middle 68 % of the errors, in dex. These are small trainings, to see how much the result depends on which spectra were taught; the networks in use were trained for longer.",
            )
            .small(),
        );
        if let Some(worst) = rows.iter().max_by(|a, b| (a.scatter / a.mean).total_cmp(&(b.scatter / b.mean))) {
            ui.label(
                RichText::new(format!(
                    "Largest scatter between folds: {:.1} % of the mean, of {}",
                    100.0 * worst.scatter / worst.mean,
                    ratio_name(worst.name)
                ))
                .strong(),
            );
        }
        let theme = theme_of(ui.visuals());
        egui::ScrollArea::both().auto_shrink(false).show(ui, |ui| {
            Grid::new("lines folds").striped(true).spacing([16.0, 4.0]).show(ui, |ui| {
                ui.label(RichText::new("ratio").small().strong());
                for fold in 1..=folds {
                    ui.label(RichText::new(format!("fold {fold}")).small().strong());
                }
                for (head, help) in [
                    ("mean ± scatter", "Over the folds; the scatter is a standard deviation"),
                    ("prior alone", "The same error of somebody who says the mean of all truths"),
                    ("pull", "Standard deviation of error over claimed error, mean of the folds: 1 if all is well"),
                ] {
                    ui.label(RichText::new(head).small().strong()).on_hover_text(help);
                }
                ui.end_row();
                for row in &rows {
                    // The fixed doublet has errors of a thousandth of a dex.
                    let decimals = if row.mean < 0.01 { 5 } else { 4 };
                    ui.label(ratio_name(row.name));
                    for value in &row.each {
                        ui.label(format!("{value:.decimals$}"));
                    }
                    ui.label(
                        RichText::new(format!("{:.decimals$} ± {:.decimals$}", row.mean, row.scatter))
                            .color(Role::Network.color(theme)),
                    );
                    ui.label(RichText::new(format!("{:.decimals$}", row.null)).color(Role::Null.color(theme)));
                    ui.label(format!("{:.2}", row.pull));
                    ui.end_row();
                }
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_put_together_by_ratio() {
        let row = |fold, half_width| FoldRow {
            fold,
            quantity: "SII/Halpha".into(),
            half_width,
            half_width_null: 0.5,
            pull_deviation: 1.0,
            loss: -0.1,
        };
        let rows = across(&[row(1, 0.2), row(2, 0.3), row(3, 0.25)]);
        assert_eq!((rows.len(), rows[0].name, rows[0].each.len()), (1, "SII/Halpha", 3));
        assert!((rows[0].mean - 0.25).abs() < 1e-12 && (rows[0].scatter - 0.05).abs() < 1e-12);
    }
}
