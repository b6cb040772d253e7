//! Trained machines from their files.

use std::path::Path;

use burn::tensor::Device;

use super::domain::Domain;
use super::network::{Rim, RimSettings};
use super::spread::Calibration;
use super::train_task::TrainRequest;
use super::vae::Vae;
use crate::data::find_resource;
use crate::learning::{LearningError, weights};
use crate::tasks::TaskError;

/// The network that comes with the program.
pub const SHIPPED: &str = "weights/lens_reconstruction/rim_64.safetensors";

/// The autoencoders that come with it: of the source, of the convergence.
const SHIPPED_VAES: [&str; 2] = [
    "weights/lens_reconstruction/vae_source_64.safetensors",
    "weights/lens_reconstruction/vae_convergence_64.safetensors",
];

/// What the card calls such a network.
pub(super) const NETWORK: &str = "lens_reconstruction.rim";

/// A trained machine with what its card says of it.
pub struct Trained {
    /// The machine.
    pub rim: Rim,
    /// What it was trained on.
    pub domain: Domain,
    /// How its spread is to be stretched; none on old cards.
    pub calibration: Option<Calibration>,
    /// The same for answers that were refined on the image.
    pub refined_calibration: Option<Calibration>,
}

/// Reads a machine and what it was trained on.
///
/// # Errors
/// A file that cannot be read, or that holds another network.
pub fn load(path: &Path) -> Result<Trained, TaskError> {
    let failed = |e: LearningError| TaskError::file(&e.path, e.problem);
    let weights = weights::load(path).map_err(failed)?;
    let named = weights.card.get("network").and_then(|v| v.as_str()).unwrap_or_default();
    if named != NETWORK {
        let problem =
            format!("holds the network \"{named}\"; expected \"{NETWORK}\", as lens_reconstruction.train writes it");
        return Err(TaskError::file(path, problem));
    }
    let part = |name: &str| weights.card.get(name).cloned().unwrap_or_default();
    let unread =
        |what: &str, e: &dyn std::fmt::Display| TaskError::file(path, format!("its card has no usable {what} ({e})"));
    let settings: RimSettings = serde_json::from_value(part("settings")).map_err(|e| unread("settings", &e))?;
    if let Some(problem) = settings.problem() {
        return Err(unread("settings", &problem));
    }
    let request: TrainRequest = serde_json::from_value(part("request")).map_err(|e| unread("request", &e))?;
    let mut rim = Rim::new(&settings, 0, &Device::flex());
    let values = weights.values_for(path, &rim.parameters().parts).map_err(failed)?;
    rim.set_values(&values);
    let calibration = serde_json::from_value(part("spread")).ok();
    let refined_calibration = serde_json::from_value(part("spread_refined")).ok();
    Ok(Trained { rim, domain: Domain::of(request.noise), calibration, refined_calibration })
}

/// The autoencoders of source and convergence that come with the program.
///
/// # Errors
/// One is missing, cannot be read, or has other grids than `pixels` a side.
pub fn load_vaes(pixels: usize) -> Result<[Vae; 2], TaskError> {
    let [source, convergence] = SHIPPED_VAES.map(|name| {
        let cure = "give finetune_systems=random, which needs none";
        let refuse = |problem: &str| TaskError::field("finetune_systems", "autoencoders", problem, cure);
        let path = find_resource(name).map_err(|e| refuse(&e))?;
        let vae = Vae::load(&path, &Device::flex()).map_err(|e| TaskError::file(&e.path, e.problem))?;
        let found = vae.settings.pixels;
        if found != pixels {
            return Err(refuse(&format!("{name} has {found} pixels a side, the network {pixels}")));
        }
        Ok(vae)
    });
    Ok([source?, convergence?])
}
