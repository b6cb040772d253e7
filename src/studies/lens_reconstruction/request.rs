//! The request of `lens_reconstruction.fit`: every parameter, the inputs, the seed.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::classical::FitSettings;
use super::positions::read_positions;
use crate::tasks::TaskError;

/// Least and greatest redshift of a lens or a source.
pub(super) const REDSHIFTS: [f64; 2] = [0.0001, 20.0];

/// How the lens is reconstructed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Elliptical isothermal mass with shear, Sersic source and lens light: multi-start Levenberg-Marquardt.
    #[default]
    Parametric,
}

/// What the nonzero pixels of a mask file mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MaskMeaning {
    /// They are left out of the fit.
    #[default]
    LeftOut,
    /// They are fitted, all others are left out.
    Kept,
}

/// Reconstruct a gravitational lens from one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FitRequest {
    /// Image of the lens (FITS), background subtracted or not. Needed.
    #[schemars(extend("x-input" = true))]
    pub image: Option<PathBuf>,
    /// Noise map: one standard deviation of each pixel, in the unit of the image. This or `noise_sigma` is needed.
    #[schemars(extend("x-input" = true))]
    pub noise: Option<PathBuf>,
    /// One standard deviation for every pixel, when there is no noise map.
    #[schemars(range(min = 1e-30, max = 1e30), extend("x-start" = 0.01))]
    pub noise_sigma: Option<f64>,
    /// Point spread function at the image's pixel scale, odd width and height.
    #[schemars(extend("x-input" = true))]
    pub psf: Option<PathBuf>,
    /// Full width at half maximum of a circular Gaussian PSF, when none was measured.
    #[schemars(range(min = 0.001, max = 10.0), extend("x-unit" = "arcsec"), extend("x-start" = 0.1))]
    pub psf_fwhm_arcsec: Option<f64>,
    /// Mask of the size of the image; see `mask_marks`.
    #[schemars(extend("x-input" = true))]
    pub mask: Option<PathBuf>,
    /// What the nonzero pixels of the mask mean.
    pub mask_marks: MaskMeaning,
    /// Pixels nearer to the mask centre than this are left out.
    #[schemars(range(min = 0.0, max = 60.0), extend("x-unit" = "arcsec"))]
    pub mask_inner_radius_arcsec: f64,
    /// Pixels farther from the mask centre than this are left out; automatic: none are.
    #[schemars(range(min = 0.05, max = 60.0), extend("x-unit" = "arcsec"), extend("x-start" = 2.0))]
    pub mask_outer_radius_arcsec: Option<f64>,
    /// Mask centre right of the image centre.
    #[schemars(range(min = -60.0, max = 60.0), extend("x-unit" = "arcsec"))]
    pub mask_x_arcsec: f64,
    /// Mask centre above the image centre.
    #[schemars(range(min = -60.0, max = 60.0), extend("x-unit" = "arcsec"))]
    pub mask_y_arcsec: f64,
    /// Size of a pixel; automatic: from the header, or from `info.json` beside the image (the record holds what was found).
    #[schemars(range(min = 0.0001, max = 100.0), extend("x-unit" = "arcsec"), extend("x-start" = 0.05))]
    pub pixel_scale_arcsec: Option<f64>,
    /// Redshift of the lens, for the mass; automatic: from `info.json` beside the image (the record holds what was found).
    #[schemars(range(min = REDSHIFTS[0], max = REDSHIFTS[1]))]
    pub redshift_lens: Option<f64>,
    /// Redshift of the source, beyond that of the lens; automatic: from `info.json` beside the image.
    #[schemars(range(min = REDSHIFTS[0], max = REDSHIFTS[1]))]
    pub redshift_source: Option<f64>,
    /// First guess of the lens centre, right of the image centre; automatic: from the light.
    #[schemars(range(min = -60.0, max = 60.0), extend("x-unit" = "arcsec"), extend("x-start" = 0.0))]
    pub lens_x_arcsec: Option<f64>,
    /// First guess of the lens centre, above the image centre; automatic: from the light.
    #[schemars(range(min = -60.0, max = 60.0), extend("x-unit" = "arcsec"), extend("x-start" = 0.0))]
    pub lens_y_arcsec: Option<f64>,
    /// Places of multiple images of one source (JSON: `[[y, x], ...]` in arcsec from the image centre, y first, as PyAutoLens writes
    /// them). Starts of the fit that do not trace them to one place in the source plane are dropped, unless all do.
    #[schemars(extend("x-input" = true))]
    pub positions: Option<PathBuf>,
    /// Image positions that a start traces farther apart than this in the source plane rule it out.
    #[schemars(range(min = 0.001, max = 10.0), extend("x-unit" = "arcsec"))]
    pub positions_threshold_arcsec: f64,
    /// How the lens is reconstructed.
    pub method: Method,
    /// Starting points of the search, kept by how well they fit; each is carried to its own minimum.
    #[schemars(range(min = FitSettings::STARTS[0], max = FitSettings::STARTS[1]))]
    pub starts: usize,
    /// Sersic components of the lens galaxy's light; 0 when it was subtracted before.
    #[schemars(range(min = FitSettings::LENS_LIGHT_COMPONENTS[0], max = FitSettings::LENS_LIGHT_COMPONENTS[1]))]
    pub lens_light_components: usize,
    /// Sersic components of the source galaxy.
    #[schemars(range(min = FitSettings::SOURCE_COMPONENTS[0], max = FitSettings::SOURCE_COMPONENTS[1]))]
    pub source_components: usize,
    /// Each pixel is the mean of this many by this many rays.
    #[schemars(range(min = FitSettings::SUPERSAMPLING[0], max = FitSettings::SUPERSAMPLING[1]))]
    pub supersampling: usize,
    /// Fit a constant sky level too.
    pub fit_sky: bool,
    /// Most Levenberg-Marquardt steps of one start.
    #[schemars(range(min = FitSettings::MAX_STEPS[0], max = FitSettings::MAX_STEPS[1]))]
    pub max_steps: usize,
    /// Draws of the posterior after the fit, in four chains of the No-U-Turn sampler; 0: Gaussian errors only. 1000 take some ten times as long as the fit.
    #[schemars(range(min = 0, max = 20000))]
    pub posterior_draws: usize,
    /// Seed of the starting points and of the chains.
    pub seed: u64,
}

impl Default for FitRequest {
    fn default() -> Self {
        let s = FitSettings::default();
        Self {
            image: None,
            noise: None,
            noise_sigma: None,
            psf: None,
            psf_fwhm_arcsec: None,
            mask: None,
            mask_marks: MaskMeaning::LeftOut,
            mask_inner_radius_arcsec: 0.0,
            mask_outer_radius_arcsec: None,
            mask_x_arcsec: 0.0,
            mask_y_arcsec: 0.0,
            pixel_scale_arcsec: None,
            redshift_lens: None,
            redshift_source: None,
            lens_x_arcsec: None,
            lens_y_arcsec: None,
            positions: None,
            positions_threshold_arcsec: s.positions_threshold_arcsec,
            method: Method::Parametric,
            starts: s.starts,
            lens_light_components: s.lens_light_components,
            source_components: s.source_components,
            supersampling: s.supersampling,
            fit_sky: s.fit_sky,
            max_steps: s.max_steps,
            posterior_draws: 0,
            seed: 1,
        }
    }
}

impl FitRequest {
    /// The same fit of the image in the run folder of a simulation.
    #[must_use]
    pub fn on_simulation(self, folder: &Path) -> Self {
        Self {
            image: Some(folder.join("image.fits")),
            noise: Some(folder.join("noise.fits")),
            psf: Some(folder.join("psf.fits")),
            noise_sigma: None,
            psf_fwhm_arcsec: None,
            pixel_scale_arcsec: None,
            redshift_lens: None,
            redshift_source: None,
            mask: None,
            // Marked on an image of the user's, not on this one.
            lens_x_arcsec: None,
            lens_y_arcsec: None,
            positions: None,
            ..self
        }
    }

    /// The same data with the fit's own settings at their defaults: what [`super::load`] reads depends on nothing else.
    #[must_use]
    pub fn data_only(&self) -> Self {
        Self {
            image: self.image.clone(),
            noise: self.noise.clone(),
            noise_sigma: self.noise_sigma,
            psf: self.psf.clone(),
            psf_fwhm_arcsec: self.psf_fwhm_arcsec,
            mask: self.mask.clone(),
            mask_marks: self.mask_marks,
            mask_inner_radius_arcsec: self.mask_inner_radius_arcsec,
            mask_outer_radius_arcsec: self.mask_outer_radius_arcsec,
            mask_x_arcsec: self.mask_x_arcsec,
            mask_y_arcsec: self.mask_y_arcsec,
            pixel_scale_arcsec: self.pixel_scale_arcsec,
            redshift_lens: self.redshift_lens,
            redshift_source: self.redshift_source,
            ..Self::default()
        }
    }

    /// First guess of the lens centre, if there is one, arcsec from the image centre.
    pub fn lens_centre(&self) -> Option<[f64; 2]> {
        match [self.lens_x_arcsec, self.lens_y_arcsec] {
            [None, None] => None,
            [x, y] => Some([x.unwrap_or(0.0), y.unwrap_or(0.0)]),
        }
    }

    /// The settings of the fit itself. Reads the file of positions, if there is one.
    ///
    /// # Errors
    /// That file cannot be read.
    pub(super) fn settings(&self) -> Result<FitSettings, TaskError> {
        let positions = self.positions.as_deref().map(read_positions).transpose()?.unwrap_or_default();
        Ok(FitSettings {
            lens_centre: self.lens_centre(),
            positions,
            positions_threshold_arcsec: self.positions_threshold_arcsec,
            starts: self.starts,
            lens_light_components: self.lens_light_components,
            source_components: self.source_components,
            supersampling: self.supersampling,
            fit_sky: self.fit_sky,
            max_steps: self.max_steps,
            seed: self.seed,
        })
    }
}
