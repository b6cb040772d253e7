//! What a training leaves: weights with their card, the losses, and pictures of the validation set.

use std::path::Path;

use ndarray::Array4;
use serde_json::Value;

use super::training::Validation;
use crate::data::{
    ColumnData, Plane, Table, TableColumn, read_ecsv, read_planes, write_atomically, write_ecsv, write_planes,
};
use crate::learning::parameters::Parameters;
use crate::learning::weights;
use crate::studies::lens_reconstruction::maps::history;
use crate::tasks::{Metrics, Outcome, Provenance, TaskError};

const WEIGHTS: &str = "weights.safetensors";
const CARD: &str = "card.json";
const LOSSES: &str = "losses.ecsv";
const VALIDATION: &str = "validation.ecsv";
const PICTURES: &str = "validation.fits";

/// Files of a run.
pub(super) const OUTPUTS: &[(&str, &str)] = &[
    (WEIGHTS, "the network in half precision, its card in the header: give it to others as --input weights=FILE"),
    (CARD, "the card: which network, trained on what, for how long, with what errors on the validation set"),
    (LOSSES, "step, loss of its batch"),
    (VALIDATION, "step, loss and errors on the fixed validation set, with those of the mean of all truths"),
    (
        PICTURES,
        "the first validation examples: image, true source, source, true and found log10 convergence, [example, map, y, x]",
    ),
];

/// A finished training.
#[derive(Clone, Debug)]
pub struct TrainOutcome {
    /// The network: the running mean of the trained parameters.
    pub parameters: Parameters,
    /// What it is and how it came to be.
    pub card: Value,
    /// (step, loss of its batch).
    pub losses: Vec<[f64; 2]>,
    /// Looks at the validation set.
    pub validations: Vec<Validation>,
    /// The same numbers for the mean of all truths.
    pub null: Validation,
    /// Of the first few validation examples: image, true source, source, true convergence, convergence (`log10`), row by row.
    pub pictures: Vec<[Vec<f32>; 5]>,
    /// Pixels a side of them.
    pub pixels: usize,
}

type Column = (&'static str, &'static str, fn(&Validation) -> f64);

/// Columns of the table of looks at the validation set.
const COLUMNS: [Column; 5] = [
    ("step", "", |v| v.step as f64),
    ("loss", "", |v| v.loss),
    ("source_error", "", |v| v.source_error),
    ("convergence_error", "dex", |v| v.convergence_error_dex),
    ("reduced_chi2", "", |v| v.reduced_chi2),
];

impl Outcome for TrainOutcome {
    fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::new();
        if let Some(last) = self.validations.last() {
            metrics.insert("validation_loss".into(), last.loss);
            metrics.insert("source_rms_relative".into(), last.source_error);
            metrics.insert("convergence_rms_dex".into(), last.convergence_error_dex);
            metrics.insert("reduced_chi2".into(), last.reduced_chi2);
            metrics.insert("steps".into(), last.step as f64);
        }
        metrics.insert("source_rms_relative_null".into(), self.null.source_error);
        metrics.insert("convergence_rms_dex_null".into(), self.null.convergence_error_dex);
        metrics.insert("parameters".into(), self.parameters.values.len() as f64);
        metrics
    }

    fn save(&self, folder: &Path, provenance: &Provenance) -> Result<Vec<String>, TaskError> {
        weights::save(&folder.join(WEIGHTS), &self.parameters, &self.card)
            .map_err(|e| TaskError::file(&e.path, e.problem))?;
        let card = format!("{:#}\n", self.card);
        write_atomically(&folder.join(CARD), |out| out.write_all(card.as_bytes()))?;
        let column = |k: usize| ColumnData::from(self.losses.iter().map(|l| l[k]).collect::<Vec<_>>());
        let losses = Table::new(vec![TableColumn::new("step", "", column(0)), TableColumn::new("loss", "", column(1))]);
        write_ecsv(&folder.join(LOSSES), &losses)?;
        let looks = COLUMNS.map(|(name, unit, of)| {
            TableColumn::new(name, unit, ColumnData::from(self.validations.iter().map(of).collect::<Vec<_>>()))
                .described(&format!("the mean of all truths: {:.4}", of(&self.null)))
        });
        write_ecsv(&folder.join(VALIDATION), &Table::new(looks.into()))?;
        let n = self.pixels;
        let flat = self.pictures.iter().flatten().flatten().copied().collect();
        let cube = Array4::from_shape_vec((self.pictures.len(), 5, n, n), flat)
            .map_err(|e| TaskError::Failed(format!("the pictures have no common shape ({e})")))?;
        let plane = Plane { name: "VALIDATION", pixels: cube.view().into_dyn(), unit: "", keywords: Vec::new() };
        write_planes(&folder.join(PICTURES), &[plane], &history(provenance, "simulated data, not an observation"))?;
        Ok([WEIGHTS, CARD, LOSSES, VALIDATION, PICTURES].map(String::from).to_vec())
    }

    fn load(folder: &Path, _request: &Value, metrics: &Metrics) -> Result<Self, TaskError> {
        let path = folder.join(WEIGHTS);
        let loaded = weights::load(&path).map_err(|e| TaskError::file(&e.path, e.problem))?;
        let table = |name: &str, columns: &[&str]| -> Result<Vec<Vec<f64>>, TaskError> {
            let path = folder.join(name);
            let table = read_ecsv(&path)?;
            let found: Option<Vec<Vec<f64>>> = columns.iter().map(|c| table.numbers(c)).collect();
            found.ok_or_else(|| TaskError::file(&path, format!("expected the columns {}", columns.join(", "))))
        };
        let losses = table(LOSSES, &["step", "loss"])?;
        let looks = table(VALIDATION, &COLUMNS.map(|c| c.0))?;
        let path = folder.join(PICTURES);
        let cube = read_planes(&path)?
            .into_iter()
            .next()
            .and_then(|p| p.pixels.into_dimensionality::<ndarray::Ix4>().ok())
            .filter(|c| c.dim().1 == 5)
            .ok_or_else(|| TaskError::file(&path, "expected pictures, [example, 5, y, x]"))?;
        let get = |name: &str| metrics.get(name).copied().unwrap_or(f64::NAN);
        Ok(Self {
            parameters: loaded.parameters(),
            card: loaded.card,
            losses: losses[0].iter().zip(&losses[1]).map(|(s, l)| [*s, *l]).collect(),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // steps are whole
            validations: (0..looks[0].len())
                .map(|k| Validation {
                    step: looks[0][k] as u64,
                    loss: looks[1][k],
                    source_error: looks[2][k],
                    convergence_error_dex: looks[3][k],
                    reduced_chi2: looks[4][k],
                })
                .collect(),
            null: Validation {
                source_error: get("source_rms_relative_null"),
                convergence_error_dex: get("convergence_rms_dex_null"),
                ..Validation::default()
            },
            pixels: cube.dim().3,
            pictures: cube
                .outer_iter()
                .map(|example| std::array::from_fn(|k| example.index_axis(ndarray::Axis(0), k).iter().copied().collect()))
                .collect(),
        })
    }
}
