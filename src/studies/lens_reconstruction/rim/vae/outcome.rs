//! What a training of an autoencoder leaves.

use std::path::Path;

use ndarray::{Array3, Array4, Axis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
const SAMPLES: &str = "samples.fits";

/// Maps that are kept to be looked at.
pub(super) const SHOWN: usize = 8;

/// Files of a run.
pub(super) const OUTPUTS: &[(&str, &str)] = &[
    (WEIGHTS, "the network in half precision, its card in the header"),
    (CARD, "the card: which network, trained on what, for how long, with what errors on the validation set"),
    (LOSSES, "step, loss of its batch"),
    (VALIDATION, "step, rms and divergence on the fixed validation set"),
    (PICTURES, "the first validation maps and what comes out, [example, map, y, x]"),
    (SAMPLES, "maps drawn from the autoencoder, [example, y, x]"),
];

/// How well a network does on the validation set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VaeValidation {
    /// Steps of the training before it.
    pub step: u64,
    /// Mean over the maps of the rms difference between a map and what its mean description gives (dex for convergences).
    pub rms: f64,
    /// Mean Kullback-Leibler divergence of a description from the standard normal distribution (nats).
    pub divergence: f64,
}

/// A finished training.
#[derive(Clone, Debug)]
pub struct VaeTrainOutcome {
    /// The network: the running mean of the trained parameters.
    pub parameters: Parameters,
    /// What it is and how it came to be.
    pub card: Value,
    /// (step, loss of its batch).
    pub losses: Vec<[f64; 2]>,
    /// Looks at the validation set.
    pub validations: Vec<VaeValidation>,
    /// The rms of the mean of all maps.
    pub null_rms: f64,
    /// The first few validation maps and what comes out, row by row.
    pub pictures: Vec<[Vec<f32>; 2]>,
    /// Maps drawn from the network.
    pub samples: Vec<Vec<f32>>,
    /// Pixels a side.
    pub pixels: usize,
}

impl Outcome for VaeTrainOutcome {
    fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::new();
        if let Some(last) = self.validations.last() {
            metrics.insert("validation_rms".into(), last.rms);
            metrics.insert("validation_divergence".into(), last.divergence);
            metrics.insert("steps".into(), last.step as f64);
        }
        metrics.insert("validation_rms_null".into(), self.null_rms);
        metrics.insert("parameters".into(), self.parameters.values.len() as f64);
        metrics
    }

    fn save(&self, folder: &Path, provenance: &Provenance) -> Result<Vec<String>, TaskError> {
        weights::save(&folder.join(WEIGHTS), &self.parameters, &self.card)
            .map_err(|e| TaskError::file(&e.path, e.problem))?;
        let card = format!("{:#}\n", self.card);
        write_atomically(&folder.join(CARD), |out| out.write_all(card.as_bytes()))?;
        let column = |name: &str, values: Vec<f64>| TableColumn::new(name, "", ColumnData::from(values));
        let losses =
            [("step", 0), ("loss", 1)].map(|(name, k)| column(name, self.losses.iter().map(|l| l[k]).collect()));
        write_ecsv(&folder.join(LOSSES), &Table::new(losses.into()))?;
        let looks = &self.validations;
        let looks = vec![
            column("step", looks.iter().map(|v| v.step as f64).collect()),
            column("rms", looks.iter().map(|v| v.rms).collect())
                .described(&format!("the mean of all maps: {:.4}", self.null_rms)),
            column("divergence", looks.iter().map(|v| v.divergence).collect()),
        ];
        write_ecsv(&folder.join(VALIDATION), &Table::new(looks))?;
        let n = self.pixels;
        let shape = |e: ndarray::ShapeError| TaskError::Failed(format!("the pictures have no common shape ({e})"));
        let flat = self.pictures.iter().flatten().flatten().copied().collect();
        let pictures = Array4::from_shape_vec((self.pictures.len(), 2, n, n), flat).map_err(shape)?;
        let samples = Array3::from_shape_vec((self.samples.len(), n, n), self.samples.concat()).map_err(shape)?;
        let history = history(provenance, "simulated data, not an observation");
        for (file, name, pixels) in
            [(PICTURES, "VALIDATION", pictures.view().into_dyn()), (SAMPLES, "SAMPLES", samples.view().into_dyn())]
        {
            write_planes(&folder.join(file), &[Plane { name, pixels, unit: "", keywords: Vec::new() }], &history)?;
        }
        Ok([WEIGHTS, CARD, LOSSES, VALIDATION, PICTURES, SAMPLES].map(String::from).to_vec())
    }

    fn load(folder: &Path, _request: &Value, metrics: &Metrics) -> Result<Self, TaskError> {
        let loaded = weights::load(&folder.join(WEIGHTS)).map_err(|e| TaskError::file(&e.path, e.problem))?;
        let table = |name: &str, columns: &[&str]| -> Result<Vec<Vec<f64>>, TaskError> {
            let path = folder.join(name);
            let table = read_ecsv(&path)?;
            let found: Option<Vec<Vec<f64>>> = columns.iter().map(|c| table.numbers(c)).collect();
            found.ok_or_else(|| TaskError::file(&path, format!("expected the columns {}", columns.join(", "))))
        };
        let losses = table(LOSSES, &["step", "loss"])?;
        let looks = table(VALIDATION, &["step", "rms", "divergence"])?;
        let cube = |name: &str| {
            let path = folder.join(name);
            read_planes(&path)?
                .into_iter()
                .next()
                .map(|p| p.pixels)
                .ok_or_else(|| TaskError::file(&path, "expected a cube of maps"))
        };
        let wrong = |name: &str| TaskError::file(&folder.join(name), "expected a cube of maps");
        let pictures: Array4<f32> = cube(PICTURES)?.into_dimensionality().map_err(|_| wrong(PICTURES))?;
        let samples: Array3<f32> = cube(SAMPLES)?.into_dimensionality().map_err(|_| wrong(SAMPLES))?;
        if pictures.dim().1 != 2 {
            return Err(wrong(PICTURES));
        }
        Ok(Self {
            parameters: loaded.parameters(),
            card: loaded.card,
            losses: losses[0].iter().zip(&losses[1]).map(|(s, l)| [*s, *l]).collect(),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // steps are whole
            validations: (0..looks[0].len())
                .map(|k| VaeValidation { step: looks[0][k] as u64, rms: looks[1][k], divergence: looks[2][k] })
                .collect(),
            null_rms: metrics.get("validation_rms_null").copied().unwrap_or(f64::NAN),
            pixels: samples.dim().2,
            pictures: pictures
                .outer_iter()
                .map(|maps| std::array::from_fn(|k| maps.index_axis(Axis(0), k).iter().copied().collect()))
                .collect(),
            samples: samples.outer_iter().map(|map| map.iter().copied().collect()).collect(),
        })
    }
}
