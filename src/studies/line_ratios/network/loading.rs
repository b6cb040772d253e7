//! Networks on disk, ready for use.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::architecture::{Architecture, LineNetwork, NetworkKind};
use super::examples::TargetScale;
use super::fast::FastNetwork;
use crate::data::find_resource;
use crate::learning::parameters::Parameters;
use crate::learning::weights;
use crate::studies::line_ratios::prior::Recipe;
use crate::studies::line_ratios::simulate::SpectrumLaw;
use crate::tasks::TaskError;

/// A trained network with what its card says of it.
#[derive(Clone, Debug)]
pub struct TrainedNetwork {
    /// Which.
    pub kind: NetworkKind,
    /// Ready for inference.
    pub network: FastNetwork,
    /// Rules of its training set.
    pub recipe: Recipe,
    /// What its training set was drawn from.
    pub law: SpectrumLaw,
    /// What its targets are brought from.
    pub scale: TargetScale,
}

/// Where the networks that come with the program lie.
pub fn shipped(kind: NetworkKind, recipe: Recipe) -> String {
    let recipe = match (kind, recipe) {
        (NetworkKind::Ratios, Recipe::Published) => "_published_prior",
        _ => "",
    };
    format!("weights/line_ratios/{}{recipe}.safetensors", kind.name())
}

impl TrainedNetwork {
    /// One that comes with the program.
    ///
    /// # Errors
    /// A file that is missing or is no such network.
    pub fn shipped(kind: NetworkKind, recipe: Recipe) -> Result<Self, TaskError> {
        let path = find_resource(&shipped(kind, recipe)).map_err(TaskError::Failed)?;
        Self::load(&path, kind)
    }

    /// Reads a network of a kind.
    ///
    /// # Errors
    /// A file that cannot be read, or that holds another network.
    pub fn load(path: &Path, kind: NetworkKind) -> Result<Self, TaskError> {
        let weights = weights::load(path).map_err(|e| TaskError::file(&e.path, e.problem))?;
        let expected = format!("line_ratios.{}", kind.name());
        let named = weights.card.get("network").and_then(|v| v.as_str()).unwrap_or_default();
        if named != expected {
            let problem =
                format!("holds the network \"{named}\"; expected \"{expected}\", as line_ratios.train writes it");
            return Err(TaskError::file(path, problem));
        }
        let architecture: Architecture = part(&weights.card, "architecture", path)?;
        // The memory that a network takes is decided here and not by a file.
        if architecture != kind.architecture(architecture.members) || !(1..=10).contains(&architecture.members) {
            let problem =
                format!("holds a network of other sizes ({architecture:?}); train it anew with line_ratios.train");
            return Err(TaskError::file(path, problem));
        }
        let parts = LineNetwork::new(&architecture, 0, &burn::tensor::Device::flex()).parameters().parts;
        let values = weights.values_for(path, &parts).map_err(|e| TaskError::file(&e.path, e.problem))?;
        let scale: TargetScale = part(&weights.card, "target_scale", path)?;
        if [&scale.mean, &scale.deviation].iter().any(|v| v.len() != kind.targets()) {
            return Err(TaskError::file(path, format!("its card scales other than {} targets", kind.targets())));
        }
        Ok(Self {
            kind,
            network: FastNetwork::new(&architecture, &Parameters { parts, values }),
            recipe: part(&weights.card, "recipe", path)?,
            law: part(&weights.card, "law", path)?,
            scale,
        })
    }
}

fn part<T: DeserializeOwned>(card: &serde_json::Value, name: &str, path: &Path) -> Result<T, TaskError> {
    serde_json::from_value(card.get(name).cloned().unwrap_or_default())
        .map_err(|e| TaskError::file(path, format!("its card has no usable {name} ({e})")))
}
