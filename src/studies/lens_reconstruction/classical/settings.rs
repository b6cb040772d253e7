//! What a parametric fit can be asked for, and whether that makes sense.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Satellite, refinements, search};
use crate::studies::lens_reconstruction::scene::Layout;
use crate::studies::lens_reconstruction::{LensError, Observation};

/// How to fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitSettings {
    /// Starts of the fit, each at another Einstein radius found by the scan; see [`Self::STARTS`].
    pub starts: usize,
    /// Sersic components of the lens's own light; 0 where it has been subtracted.
    pub lens_light_components: usize,
    /// Sersic components of the lensed source.
    pub source_components: usize,
    /// Samples along the side of a pixel, at least; steep parts get more.
    pub supersampling: usize,
    /// Fit a constant background too. Without it the data must have none.
    pub fit_sky: bool,
    /// Move the slope of the mass too: an elliptical power law instead of an isothermal ellipsoid.
    pub free_slope: bool,
    /// Add multipoles of order 3 and 4 to the mass.
    pub multipoles: bool,
    /// Masses near the lens that are fitted too.
    pub satellites: Vec<Satellite>,
    /// How the lens's own light ends: as it was searched for, or as a set of Gaussians.
    pub lens_light: LensLight,
    /// Most trial steps of each part of the joint fit.
    pub max_steps: usize,
    /// Seed of the starts.
    pub seed: u64,
    /// First guess of the lens centre (arcsec from the image centre); `None`: from the light.
    pub lens_centre: Option<[f64; 2]>,
    /// Places `[x, y]` (arcsec) where images of one source are seen; fewer than two say nothing.
    pub positions: Vec<[f64; 2]>,
    /// Starts that trace the positions farther apart than this (arcsec) are dropped, unless all do.
    pub positions_threshold_arcsec: f64,
}

impl FitSettings {
    /// Least and greatest `starts`; the scan has no more radii to offer.
    pub const STARTS: [usize; 2] = [1, search::RADII];
    /// Least and greatest `lens_light_components`.
    pub const LENS_LIGHT_COMPONENTS: [usize; 2] = [0, 3];
    /// Least and greatest `source_components`.
    pub const SOURCE_COMPONENTS: [usize; 2] = [1, 2];
    /// Least and greatest `supersampling`.
    pub const SUPERSAMPLING: [usize; 2] = [1, 4];
    /// Most `satellites`.
    pub const SATELLITES: usize = 8;
    /// Least and greatest `max_steps`.
    pub const MAX_STEPS: [usize; 2] = [5, 1000];
}

impl Default for FitSettings {
    fn default() -> Self {
        Self {
            starts: 8,
            lens_light_components: 2,
            source_components: 1,
            supersampling: 1,
            fit_sky: true,
            free_slope: false,
            multipoles: false,
            satellites: Vec::new(),
            lens_light: LensLight::Sersic,
            max_steps: 150,
            seed: 1,
            lens_centre: None,
            positions: Vec::new(),
            positions_threshold_arcsec: 0.3,
        }
    }
}

/// What the lens's own light is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LensLight {
    /// Sersic profiles.
    #[default]
    Sersic,
    /// Gaussians of fixed widths whose centres and ellipticities follow those of the Sersic profiles: a multi-Gaussian expansion.
    Gaussians,
}

/// Refuses settings out of their ranges, and images with too few pixels for what is asked.
pub(super) fn check(observation: &Observation, settings: &FitSettings) -> Result<(), LensError> {
    for (name, value, [least, most]) in [
        ("starts", settings.starts, FitSettings::STARTS),
        ("lens_light_components", settings.lens_light_components, FitSettings::LENS_LIGHT_COMPONENTS),
        ("source_components", settings.source_components, FitSettings::SOURCE_COMPONENTS),
        ("supersampling", settings.supersampling, FitSettings::SUPERSAMPLING),
        ("max_steps", settings.max_steps, FitSettings::MAX_STEPS),
    ] {
        if !(least..=most).contains(&value) {
            let problem = format!("expected {least} to {most}").into();
            return Err(LensError::Value { name, value: value as f64, problem });
        }
    }
    if settings.satellites.len() > FitSettings::SATELLITES {
        let problem = format!("expected at most {} satellites", FitSettings::SATELLITES).into();
        return Err(LensError::Value { name: "satellites", value: settings.satellites.len() as f64, problem });
    }
    if let Some(value) = settings.satellites.iter().flat_map(|s| [s.x_arcsec, s.y_arcsec]).find(|v| !v.is_finite()) {
        return Err(LensError::Value { name: "satellites", value, problem: "expected finite positions".into() });
    }
    let layout =
        Layout { sources: settings.source_components, lights: settings.lens_light_components, ..Layout::default() };
    let (used, parameters) = (observation.used_pixels(), layout.len() + refinements::parameters(settings));
    if used < 2 * parameters {
        return Err(LensError::TooFewPixels { used, parameters });
    }
    Ok(())
}
