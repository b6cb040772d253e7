//! What the draws of the posterior say: the corner plot, how well each quantity is known and sampled, and the lenses of some draws.

use egui::{Grid, RichText, Ui};

use super::table::{corner_rows, drawn_row, rows};
use super::{Finished, NARROW};
use crate::plots::colors::{Role, theme_of};
use crate::plots::corner::{Corner, CornerColumn};
use crate::studies::lens_models::LensModel;
use crate::studies::lens_reconstruction::classical::Posterior;
use crate::studies::lens_reconstruction::{Curves, FitOutcome, TRUSTED, curves_of, lens_of};
use crate::tasks::{Metrics, Outcome};

/// The quantities of the lens, as drawn, with the truth where it is known.
pub(super) fn corner_of(outcome: &FitOutcome, posterior: &Posterior, truth: Option<&Metrics>) -> Corner {
    let rows = corner_rows(&outcome.metrics());
    let columns = rows.iter().filter_map(|row| {
        let quantity = posterior.quantity(&row.metric)?;
        Some(CornerColumn {
            label: row.name.trim_end_matches(" from +x").trim_start_matches("Effective ").to_owned(),
            unit: row.unit.to_owned(),
            values: quantity.values.iter().flatten().copied().collect(),
            quantiles: quantity.quantiles,
            truth: truth.and_then(|t| row.truth(t)),
        })
    });
    Corner::new(columns.collect())
}

/// Draws whose curves are shown.
const SHOWN: usize = 30;

/// Curves of some draws, evenly taken from all chains; none where the draws do not tell a lens. `best` has what is not drawn.
pub(super) fn drawn_curves(posterior: &Posterior, best: Option<&LensModel>) -> Vec<Curves> {
    let flat: Vec<(&str, Vec<f64>)> = (posterior.quantities.iter())
        .map(|q| (q.name.as_str(), q.values.iter().flatten().copied().collect()))
        .collect();
    let draws: usize = posterior.log_posterior.iter().map(Vec::len).sum();
    let shown = SHOWN.min(draws);
    let number = |k: usize, name: &str| flat.iter().find(|q| q.0 == name)?.1.get(k * draws / shown).copied();
    let lenses = (0..shown).filter_map(|k| lens_of(best, |name| number(k, name)));
    lenses.map(|lens| curves_of(&lens)).collect()
}

/// Whether the draws can be trusted, in words: of the quantity of the lens that is sampled worst.
fn verdict(posterior: &Posterior) -> (bool, String) {
    let (r_hat, draws) = posterior.worst();
    let converged = r_hat < TRUSTED.0 && draws > TRUSTED.1;
    let numbers = format!("R-hat {r_hat:.3}, {draws:.0} effective draws of the worst quantity");
    let text = if converged {
        format!("Converged: {numbers}")
    } else {
        format!(
            "Not converged: {numbers}; below {} and above {} are wanted: ask for more posterior draws",
            TRUSTED.0, TRUSTED.1
        )
    };
    (converged, text)
}

/// The verdict, the corner plot, and beside it how well each quantity is known and sampled.
pub(super) fn posterior_ui(ui: &mut Ui, finished: &Finished, corner: &Corner) {
    let Some(posterior) = finished.outcome.posterior.as_ref() else { return };
    let (converged, text) = verdict(posterior);
    let color = if converged { ui.visuals().text_color() } else { ui.visuals().warn_fg_color };
    ui.add(egui::Label::new(RichText::new(text).strong().color(color)).wrap());
    let room = ui.available_size();
    if room.x < NARROW {
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            convergence_ui(ui, finished, posterior);
            let width = ui.available_width();
            ui.allocate_ui(egui::vec2(width, width), |ui| corner.show(ui, "Posterior"));
        });
        return;
    }
    let width = (room.x * 0.36).clamp(280.0, 420.0);
    egui::Panel::right("lens posterior numbers").resizable(false).exact_size(width).show(ui, |ui| {
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| convergence_ui(ui, finished, posterior));
    });
    corner.show(ui, "Posterior");
}

fn convergence_ui(ui: &mut Ui, finished: &Finished, posterior: &Posterior) {
    let metrics = finished.outcome.metrics();
    let rows = rows(&metrics);
    let small = |text: String| RichText::new(text).small();
    Grid::new("lens convergence").num_columns(4).striped(true).min_row_height(15.0).spacing([8.0, 2.0]).show(
        ui,
        |ui| {
            for (text, help) in [
                ("", ""),
                ("R-hat", "Below 1.01: the chains agree"),
                ("ESS", "Independent draws that these are worth; above 400 is safe"),
                ("σ / Gauss", "Half the 68 per cent interval of the draws over the Gaussian error of the fit"),
            ] {
                let label = ui.label(RichText::new(text).small().strong());
                if !help.is_empty() {
                    label.on_hover_text(help);
                }
            }
            ui.end_row();
            for quantity in posterior.quantities.iter().filter(|q| q.is_of_lens()) {
                let row = drawn_row(&rows, &quantity.name);
                ui.label(small(row.name.clone())).on_hover_text(&row.help);
                let colored = |ui: &mut Ui, text: String, good: bool| {
                    let color = if good { ui.visuals().text_color() } else { ui.visuals().warn_fg_color };
                    ui.label(small(text).color(color));
                };
                let convergence = &quantity.convergence;
                if convergence.bulk_ess.is_finite() {
                    colored(ui, format!("{:.3}", convergence.r_hat), convergence.r_hat < TRUSTED.0);
                    colored(ui, format!("{:.0}", convergence.bulk_ess), convergence.bulk_ess > TRUSTED.1);
                } else {
                    // It did not vary.
                    ui.label(small("held".into()));
                    ui.label(small("–".into()));
                }
                let half = 0.5 * (quantity.quantiles[2] - quantity.quantiles[0]);
                let gauss = metrics.get(&format!("{}_error", row.metric)).filter(|e| e.is_finite() && **e > 0.0);
                ui.label(small(gauss.map_or_else(|| "–".into(), |e| format!("{:.2}", half / e))));
                ui.end_row();
            }
        },
    );
    let draws: usize = posterior.log_posterior.iter().map(Vec::len).sum();
    let lines = [
        format!("{draws} draws in {} chains of the No-U-Turn sampler", posterior.log_posterior.len()),
        format!("{} evaluations of likelihood and gradient, {} lost paths", posterior.evaluations, posterior.divergences),
        "Contours hold 39 and 86 per cent: 1 and 2 sigma of two quantities.".to_owned(),
        "Flat priors in what the fit moves; noise taken as independent from pixel to pixel. Leaves out what the model cannot represent.".to_owned(),
    ];
    ui.add_space(8.0);
    for line in lines {
        ui.add(egui::Label::new(RichText::new(line).small().weak()).wrap());
    }
    if finished.truth.is_some() {
        let color = Role::Truth.color(theme_of(ui.visuals()));
        ui.label(RichText::new("Line across: the truth").small().color(color));
    }
}
