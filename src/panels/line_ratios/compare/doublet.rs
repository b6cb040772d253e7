//! [NII] 6583 / 6548, which atomic physics fixes: in the spaxels of the run and in held-out spectra, by the free fit and the network.

use std::sync::Arc;

use egui::{Grid, RichText, Ui};

use super::super::LineRatios;
use super::super::finished::Finished;
use crate::panels::PanelContext;
use crate::plots::colors::{Role, theme_of};
use crate::plots::line_plot::{LinePlot, Series, SeriesStyle};
use crate::studies::line_ratios::BenchmarkOutcome;
use crate::studies::line_ratios::lines::NITROGEN_DOUBLET;
use crate::tasks::{Outcome, TaskError};
use crate::workers::{Key, Weigh};

/// What the doublet is compared with, as in the paper.
const EXPECTED: f64 = 3.0;
/// Name of the ratio in the order of the network, upside down.
const OF_NETWORK: &str = "NETWORK_NII6548/NII6583";
const OF_FIT: &str = "NII6583/NII6548";
/// The histogram: from 0 to this, in so many steps.
const MOST: f64 = 6.0;
const STEPS: usize = 48;

/// Median and half the range of the middle 68 % of some ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    count: usize,
    median: f64,
    half_width: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.retain(|v| v.is_finite());
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |part: f64| values[(part * last as f64).round() as usize];
        Some(Self { count: values.len(), median: at(0.5), half_width: 0.5 * (at(0.84) - at(0.16)) })
    }

    fn text(&self) -> String {
        let decimals = if self.half_width < 0.05 { 4 } else { 2 };
        format!("{:.decimals$} ± {:.decimals$}", self.median, self.half_width)
    }
}

/// Of one run: ratio and histogram.
struct OfRun {
    spread: Spread,
    bars: Vec<[f64; 2]>,
}

impl OfRun {
    fn of(values: &[f64]) -> Option<Self> {
        let spread = Spread::of(values.to_vec())?;
        let mut bars: Vec<[f64; 2]> = (0..STEPS).map(|k| [(k as f64 + 0.5) * MOST / STEPS as f64, 0.0]).collect();
        for value in values.iter().filter(|v| v.is_finite()) {
            let step = ((value / MOST).clamp(0.0, 1.0) * STEPS as f64) as usize;
            bars[step.min(STEPS - 1)][1] += 1.0 / spread.count as f64;
        }
        Some(Self { spread, bars })
    }
}

/// Everything that the sight shows.
pub(super) struct Doublets {
    id: Option<u64>,
    fit: Option<OfRun>,
    network: Option<OfRun>,
    /// Of held-out spectra: S/N; the share in which the fit sees the fainter line; fit, network.
    held_out: Vec<(f64, f64, Option<Spread>, Option<Spread>)>,
}

impl Weigh for Doublets {
    fn bytes(&self) -> usize {
        32 * STEPS + 128 * self.held_out.len()
    }
}

impl Doublets {
    fn of(finished: Option<&Finished>, benchmark: Option<&BenchmarkOutcome>) -> Self {
        let of_map = |name: &str| -> Vec<f64> {
            let map = finished.and_then(|finished| finished.outcome.map(name));
            map.into_iter().flat_map(|map| map.values.iter()).map(|v| f64::from(*v)).collect()
        };
        let of_metric = |name: &str| -> Vec<f64> {
            let single = finished.filter(|finished| finished.shape().is_none());
            single.and_then(|finished| finished.outcome.metrics().get(name).copied()).into_iter().collect()
        };
        let fit: Vec<f64> = of_map(OF_FIT).into_iter().chain(of_metric(OF_FIT)).collect();
        let network = of_map(OF_NETWORK).into_iter().chain(of_metric("network/NII6548/NII6583"));
        Self {
            id: finished.map(|finished| finished.id),
            fit: OfRun::of(&fit),
            network: OfRun::of(&network.map(|v| 1.0 / v).collect::<Vec<f64>>()),
            held_out: benchmark.map(held_out).unwrap_or_default(),
        }
    }
}

fn held_out(outcome: &BenchmarkOutcome) -> Vec<(f64, f64, Option<Spread>, Option<Spread>)> {
    let own = || outcome.held_out.iter().filter(|row| row.quantity == "NII6548/NII6583");
    let mut signals: Vec<f64> = own().map(|row| row.signal_to_noise).collect();
    signals.dedup();
    let of = |signal: f64| {
        let values = |method: usize| -> Vec<f64> {
            let of_bin = own().filter(move |row| (row.signal_to_noise - signal).abs() < 1e-9);
            of_bin.map(move |row| 10f64.powf(-row.found[method].value)).collect()
        };
        let (network, fit) = (values(0), values(1));
        let seen = fit.iter().filter(|v| v.is_finite()).count() as f64 / fit.len().max(1) as f64;
        (signal, seen, Spread::of(fit), Spread::of(network))
    };
    signals.into_iter().map(of).collect()
}

impl LineRatios {
    pub(super) fn ask_doublets(&mut self, cx: &mut PanelContext<'_>) {
        let (finished, run) = (self.finished.clone(), self.work.held_out.clone());
        let id = finished.as_ref().map(|finished| finished.id);
        let key = Key::of(&("doublet", id, run.as_ref().map(|run| run.key())));
        let answer = cx.services.queries.ask(cx.slot("doublet"), key, &cx.services.wake, move |_| {
            let benchmark = run.as_ref().and_then(|run| run.found.as_ref());
            Ok::<_, TaskError>(Doublets::of(finished.as_ref(), benchmark.map(|(_, outcome)| &**outcome)))
        });
        self.work.waiting |= answer.ready().is_none();
        self.work.doublets = answer.newest().filter(|d| d.id == id).cloned();
    }

    /// Draws the sight.
    pub(super) fn doublet_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        ui.label(format!(
            "Both lines leave the same level: [NII] 6583 / 6548 is {EXPECTED:.1} (simulated: {NITROGEN_DOUBLET}, and a little more by dust) in every nebula. A measurement scatters about it; the network says the constant that it was taught, whatever the spectrum holds."
        ));
        ui.weak(
            RichText::new(
                "Near the limit of detection the free fit comes out low: 6548 counts as seen where noise made it brighter.",
            )
            .small(),
        );
        let doublets = self.work.doublets.clone();
        let half = 0.5 * ui.available_width();
        egui::Panel::right("lines doublet right").resizable(true).default_size(half).show(ui, |ui| {
            ui.label(RichText::new("Held-out spectra").strong());
            if self.benchmark_ui(ui, cx).is_some() {
                match &doublets {
                    Some(doublets) => held_out_ui(ui, doublets),
                    None => {
                        ui.spinner();
                    }
                }
            }
        });
        ui.label(RichText::new("This run").strong());
        match &doublets {
            Some(doublets) => self.run_doublet_ui(ui, doublets),
            None => {
                ui.spinner();
            }
        }
    }

    fn run_doublet_ui(&self, ui: &mut Ui, doublets: &Doublets) {
        let theme = theme_of(ui.visuals());
        let Some(finished) = &self.finished else {
            ui.weak("No run is open: choose data in step 1 and start the fit in step 2");
            return;
        };
        let what = if finished.shape().is_some() { "spaxels" } else { "spectrum" };
        match &doublets.fit {
            Some(of) => {
                let text = format!("Free fit: {}, {} {what}", of.spread.text(), of.spread.count);
                ui.label(RichText::new(text).color(Role::Model.color(theme)))
                    .on_hover_text("Median ± half the range of the middle 68 %, where 6548 is seen with 3 sigma");
            }
            None if finished.request.tie_doublets => {
                ui.add(
                    egui::Label::new(
                        "The fit had both lines tied: switch tie_doublets off in the inspector and measure again.",
                    )
                    .wrap(),
                );
            }
            None => {
                ui.label("The fit sees [NII] 6548 nowhere, or it lies outside the band.");
            }
        }
        match &doublets.network {
            Some(of) => {
                let text = format!("Network: {}, {} {what}", of.spread.text(), of.spread.count);
                ui.label(RichText::new(text).color(Role::Network.color(theme)));
            }
            None => {
                ui.add(egui::Label::new("No network in this run: measure with method network or hybrid.").wrap());
            }
        }
        if finished.shape().is_none() || (doublets.fit.is_none() && doublets.network.is_none()) {
            return;
        }
        let mut plot = LinePlot::new("doublet of the spaxels").x("[NII] 6583 / 6548", "").y("share of the spaxels", "");
        for (name, of, role) in
            [("free fit", &doublets.fit, Role::Model), ("network", &doublets.network, Role::Network)]
        {
            if let Some(of) = of {
                plot = plot.series(Series::new(name, &of.bars).role(role).style(SeriesStyle::Steps).width(1.8));
            }
        }
        plot.vertical_line("3.0", EXPECTED, Role::Reference.color(theme)).show(ui, "lines doublet");
    }
}

fn held_out_ui(ui: &mut Ui, doublets: &Doublets) {
    let theme = theme_of(ui.visuals());
    let heads = [
        ("S/N", "Peak of the brightest line of SN3 over the noise"),
        ("6548 seen", "Share of the spectra in which the free fit sees [NII] 6548 with 3 sigma"),
        ("free fit", "Median ± half the range of the middle 68 %, of these"),
        ("network", "The same of all spectra"),
    ];
    Grid::new("lines doublet table").num_columns(heads.len()).striped(true).spacing([20.0, 4.0]).show(ui, |ui| {
        for (head, help) in heads {
            ui.label(RichText::new(head).small().strong()).on_hover_text(help);
        }
        ui.end_row();
        let text = |spread: &Option<Spread>| spread.as_ref().map_or_else(|| "–".to_owned(), Spread::text);
        for (signal, seen, fit, network) in &doublets.held_out {
            ui.label(format!("{signal}"));
            ui.label(format!("{:.0} %", 100.0 * seen));
            ui.label(RichText::new(text(fit)).color(Role::Model.color(theme)));
            ui.label(RichText::new(text(network)).color(Role::Network.color(theme)));
            ui.end_row();
        }
    });
}

/// Kept beside what is asked, so that the type is named once.
pub(super) type Shown = Option<Arc<Doublets>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_median_and_half_width_of_what_is_there() {
        let values: Vec<f64> = (0..=100).map(|k| 2.0 + 0.02 * f64::from(k)).chain([f64::NAN]).collect();
        let of = OfRun::of(&values).unwrap();
        assert_eq!(of.spread.count, 101);
        assert!((of.spread.median - 3.0).abs() < 1e-9 && (of.spread.half_width - 0.68).abs() < 1e-9, "{:?}", of.spread);
        assert!((of.bars.iter().map(|b| b[1]).sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(of.spread.text(), "3.00 ± 0.68");
        assert!(OfRun::of(&[f64::NAN]).is_none());
    }
}
