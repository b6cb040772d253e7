//! What a training leaves: weights with their card, and the curves.

use std::path::Path;

use serde_json::Value;

use super::network::validation::Validation;
use crate::data::{ColumnData, Table, TableColumn, read_ecsv, write_atomically, write_ecsv};
use crate::learning::parameters::Parameters;
use crate::learning::weights;
use crate::tasks::{Metrics, Outcome, Provenance, TaskError};

const WEIGHTS: &str = "weights.safetensors";
const CARD: &str = "card.json";
const LOSSES: &str = "losses.ecsv";
const VALIDATION: &str = "validation.ecsv";

/// Files of a run.
pub(super) const OUTPUTS: &[(&str, &str)] = &[
    (WEIGHTS, "the network in half precision, its card in the header"),
    (CARD, "the card: which network, trained on what, for how long, with what errors on the validation set"),
    (LOSSES, "step, loss of its batch"),
    (VALIDATION, "step, loss and errors on the fixed validation set"),
];

/// A finished training.
#[derive(Clone, Debug)]
pub struct TrainOutcome {
    /// The network: the running mean of the trained parameters.
    pub parameters: Parameters,
    /// What it is and how it came to be.
    pub card: Value,
    /// Names of what it gives.
    pub targets: Vec<String>,
    /// (step, loss of its batch).
    pub losses: Vec<[f64; 2]>,
    /// Looks at the validation set.
    pub validations: Vec<Validation>,
    /// The same numbers for the mean of all truths.
    pub null: Validation,
}

/// Name of a target in metrics and columns: without the slash of a ratio.
fn plain(target: &str) -> String {
    target.replace('/', "_over_")
}

impl Outcome for TrainOutcome {
    fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::new();
        if let Some(last) = self.validations.last() {
            metrics.insert("validation_loss".into(), last.loss);
            metrics.insert("steps".into(), last.step as f64);
            for (k, target) in self.targets.iter().enumerate() {
                metrics.insert(format!("half_width/{target}"), last.half_widths[k]);
                metrics.insert(format!("half_width_null/{target}"), self.null.half_widths[k]);
                if let Some(pull) = last.pull_deviations.get(k) {
                    metrics.insert(format!("pull_deviation/{target}"), *pull);
                }
            }
        }
        metrics.insert("parameters".into(), self.parameters.values.len() as f64);
        metrics
    }

    fn save(&self, folder: &Path, _provenance: &Provenance) -> Result<Vec<String>, TaskError> {
        weights::save(&folder.join(WEIGHTS), &self.parameters, &self.card)
            .map_err(|e| TaskError::file(&e.path, e.problem))?;
        let card = format!("{:#}\n", self.card);
        write_atomically(&folder.join(CARD), |out| out.write_all(card.as_bytes()))?;
        let column = |k: usize| ColumnData::from(self.losses.iter().map(|l| l[k]).collect::<Vec<_>>());
        let losses = Table::new(vec![TableColumn::new("step", "", column(0)), TableColumn::new("loss", "", column(1))]);
        write_ecsv(&folder.join(LOSSES), &losses)?;
        let looks =
            |of: &dyn Fn(&Validation) -> f64| ColumnData::from(self.validations.iter().map(of).collect::<Vec<f64>>());
        let mut columns = vec![
            TableColumn::new("step", "", looks(&|v| v.step as f64)),
            TableColumn::new("loss", "", looks(&|v| v.loss)),
        ];
        for (k, target) in self.targets.iter().enumerate() {
            let number = |of: &Vec<f64>| of.get(k).copied().unwrap_or(f64::NAN);
            let null = number(&self.null.half_widths);
            columns.push(
                TableColumn::new(&format!("half_width_{}", plain(target)), "", looks(&|v| number(&v.half_widths)))
                    .described(&format!("half the range of the middle 68 % of the errors; the prior alone: {null:.4}")),
            );
            if self.validations.iter().any(|v| v.pull_deviations.len() > k) {
                let pulls = looks(&|v| number(&v.pull_deviations));
                columns.push(
                    TableColumn::new(&format!("pull_deviation_{}", plain(target)), "", pulls)
                        .described("standard deviation of error over claimed error"),
                );
            }
        }
        write_ecsv(&folder.join(VALIDATION), &Table::new(columns))?;
        Ok([WEIGHTS, CARD, LOSSES, VALIDATION].map(String::from).to_vec())
    }

    fn load(folder: &Path, _request: &Value, metrics: &Metrics) -> Result<Self, TaskError> {
        let path = folder.join(WEIGHTS);
        let loaded = weights::load(&path).map_err(|e| TaskError::file(&e.path, e.problem))?;
        let part = |name: &str| loaded.card.get(name).cloned().unwrap_or_default();
        let unread = |what: &str, e: &dyn std::fmt::Display| {
            TaskError::file(&path, format!("its card has no usable {what} ({e})"))
        };
        let targets: Vec<String> = serde_json::from_value(part("targets")).map_err(|e| unread("targets", &e))?;
        let null: Validation = serde_json::from_value(part("null")).map_err(|e| unread("null", &e))?;
        let columns = |name: &str, wanted: &[String]| -> Result<Vec<Vec<f64>>, TaskError> {
            let path = folder.join(name);
            let table = read_ecsv(&path)?;
            let found: Option<Vec<Vec<f64>>> = wanted.iter().map(|c| table.numbers(c)).collect();
            found.ok_or_else(|| TaskError::file(&path, format!("expected the columns {}", wanted.join(", "))))
        };
        let named = |prefix: &str| targets.iter().map(|t| format!("{prefix}_{}", plain(t))).collect::<Vec<_>>();
        let first = ["step", "loss"].map(String::from);
        let losses = columns(LOSSES, &first)?;
        let looks = columns(VALIDATION, &first)?;
        let half_widths = columns(VALIDATION, &named("half_width"))?;
        let pulls = if metrics.keys().any(|k| k.starts_with("pull_deviation/")) {
            columns(VALIDATION, &named("pull_deviation"))?
        } else {
            Vec::new()
        };
        let validation = |k: usize| Validation {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // steps are whole
            step: looks[0][k] as u64,
            loss: looks[1][k],
            half_widths: half_widths.iter().map(|c| c[k]).collect(),
            pull_deviations: pulls.iter().map(|c| c[k]).collect(),
        };
        let validations = (0..looks[0].len()).map(validation).collect();
        Ok(Self {
            losses: losses[0].iter().zip(&losses[1]).map(|(s, l)| [*s, *l]).collect(),
            validations,
            parameters: loaded.parameters(),
            card: loaded.card,
            targets,
            null,
        })
    }
}
