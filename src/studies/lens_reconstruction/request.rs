//! The request of `lens_reconstruction.fit`: every parameter, the inputs, the seed.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::classical::{FitSettings, LensLight, Satellite, read_satellites};
use super::cosmology::Cosmology;
use super::pixelated::{InversionSettings, PixelSettings, Regularisation};
use super::positions::read_positions;
use super::rim::finetune::{FinetuneSettings, FinetuneSystems};
use super::rim::{Finetuning, RefineSettings, load_vaes};
use crate::studies::lens_models::Sersic;
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
    /// The parametric fit, then its source in pixels with errors, as smooth as the evidence says, while the mass is optimised further.
    Inversion,
    /// The parametric fit, then source and convergence in pixels together: the most probable ones under smoothness priors.
    Pixels,
    /// The parametric fit, then source and convergence in pixels by a Recurrent Inference Machine: a network that has learned to follow the likelihood.
    Rim,
}

impl Method {
    /// False for a field of the request that this method does not look at.
    pub fn uses(self, field: &str) -> bool {
        match field {
            "posterior_draws" => self == Self::Parametric,
            "source_pixels" | "source_regularisation" | "regularisation_strength" | "around_parametric_source" => {
                matches!(self, Self::Inversion | Self::Pixels)
            }
            "weights"
            | "spread_draws"
            | "finetune_steps"
            | "finetune_systems"
            | "finetune_strength"
            | "finetune_learning_rate"
            | "refine_steps" => self == Self::Rim,
            "optimise_lens" => self == Self::Inversion,
            "convergence_regularisation" | "convergence_step" | "positive_source" => self == Self::Pixels,
            _ => true,
        }
    }
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
    /// Hubble constant of the flat universe in which redshifts become distances.
    #[schemars(range(min = 30.0, max = 120.0), extend("x-unit" = "km/s/Mpc"))]
    pub hubble_constant: f64,
    /// Its matter density over the critical one; the rest is a cosmological constant.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub omega_matter: f64,
    /// How the lens is reconstructed.
    pub method: Method,
    /// With `rim`: the trained network; automatic: the one that comes with the program (the record holds which).
    #[schemars(extend("x-input" = true))]
    pub weights: Option<PathBuf>,
    /// With `rim`: most steps of fine-tuning the network on this image; 0: the network as it was trained. It ends when the image is fitted to its noise.
    #[schemars(range(min = 0, max = 2000))]
    pub finetune_steps: usize,
    /// With `rim`: where the systems come from that hold the network while it is fine-tuned.
    pub finetune_systems: FinetuneSystems,
    /// With `rim`: how strongly they hold it.
    #[schemars(range(min = 0.0, max = 1e12), extend("x-log" = true))]
    pub finetune_strength: f64,
    /// With `rim`: size of the steps of fine-tuning.
    #[schemars(range(min = 1e-8, max = 0.01), extend("x-log" = true))]
    pub finetune_learning_rate: f64,
    /// With `rim`: most iterations that move the network's answer to where the likelihood wants it, the answer and its errors being the prior; 0: none. They end when the image is fitted to its noise.
    #[schemars(range(min = 0, max = 5000))]
    pub refine_steps: usize,
    /// With `rim`: times that the image is given fresh noise, for the errors; 0: none.
    #[schemars(range(min = 0, max = 100))]
    pub spread_draws: usize,
    /// The true source, where it is known: its errors are among the numbers of the run. Unit of the image; its grid stands in its header.
    #[schemars(extend("x-input" = true))]
    pub truth_source: Option<PathBuf>,
    /// The true convergence, where it is known, on the pixels of the image or on a grid that stands in its header.
    #[schemars(extend("x-input" = true))]
    pub truth_convergence: Option<PathBuf>,
    /// Pixels along each side of a source in pixels. The time grows with the sixth power.
    #[schemars(range(min = InversionSettings::SOURCE_PIXELS[0], max = InversionSettings::SOURCE_PIXELS[1]))]
    pub source_pixels: usize,
    /// What the prior of a source in pixels holds small: its gradient (allows peaks) or its curvature (smoother).
    pub source_regularisation: Regularisation,
    /// Strength of that prior, one over the expected squared differences in the unit of the image; automatic: the evidence chooses it.
    #[schemars(range(min = 1e-30, max = 1e30), extend("x-log" = true), extend("x-start" = 1.0))]
    pub regularisation_strength: Option<f64>,
    /// The prior of the source in pixels is centred on the source of the parametric fit, otherwise on darkness. The logarithm of the evidence
    /// compares only runs with the same centre of the prior: that of the parametric source has seen the data already.
    pub around_parametric_source: bool,
    /// With `inversion`: optimise the mass with the source in pixels; otherwise it stays as the parametric fit found it.
    pub optimise_lens: bool,
    /// With `pixels`: what the prior of ln convergence holds small.
    pub convergence_regularisation: Regularisation,
    /// With `pixels`: expected change, from one image pixel to the next, of ln convergence over that of the parametric fit.
    #[schemars(range(min = 0.0001, max = 10.0), extend("x-log" = true))]
    pub convergence_step: f64,
    /// With `pixels`: the source may not be negative.
    pub positive_source: bool,
    /// Starting points of the search, kept by how well they fit; each is carried to its own minimum.
    #[schemars(range(min = FitSettings::STARTS[0], max = FitSettings::STARTS[1]))]
    pub starts: usize,
    /// Sersic components of the lens galaxy's light; 0 when it was subtracted before.
    #[schemars(range(min = FitSettings::LENS_LIGHT_COMPONENTS[0], max = FitSettings::LENS_LIGHT_COMPONENTS[1]))]
    pub lens_light_components: usize,
    /// Sersic components of the source galaxy.
    #[schemars(range(min = FitSettings::SOURCE_COMPONENTS[0], max = FitSettings::SOURCE_COMPONENTS[1]))]
    pub source_components: usize,
    /// What the lens's own light ends as: the Sersic profiles of the search, or a multi-Gaussian expansion that starts from them.
    pub lens_light: LensLight,
    /// Fit the slope of the mass too: an elliptical power law instead of an isothermal ellipsoid.
    pub free_slope: bool,
    /// Fit multipoles of order 3 and 4 of the mass: boxy, disky or lopsided.
    pub multipoles: bool,
    /// Satellites of the lens: first guesses of their places in arcsec from the image centre and what is fitted there,
    /// `[[0.9, 0.7], [-1.2, 0.4, "nfw"], …]`. Without a name an isothermal sphere; others are `pseudo_jaffe`, `nfw` and `point_mass`, all round.
    #[serde(deserialize_with = "read_satellites")]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub satellites: Vec<Satellite>,
    /// Each pixel is the mean of this many by this many rays; for a source in pixels of twice as many.
    #[schemars(range(min = FitSettings::SUPERSAMPLING[0], max = FitSettings::SUPERSAMPLING[1]))]
    pub supersampling: usize,
    /// Fit a constant sky level too.
    pub fit_sky: bool,
    /// Most Levenberg-Marquardt steps of one start.
    #[schemars(range(min = FitSettings::MAX_STEPS[0], max = FitSettings::MAX_STEPS[1]))]
    pub max_steps: usize,
    /// Draws of the posterior after the parametric fit, in four chains of the No-U-Turn sampler; 0: Gaussian errors only. 1000 take some ten times as long as the fit.
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
            hubble_constant: Cosmology::default().hubble_constant,
            omega_matter: Cosmology::default().omega_matter,
            method: Method::Parametric,
            weights: None,
            finetune_steps: 100,
            finetune_systems: FinetuneSystems::default(),
            finetune_strength: FinetuneSettings::default().strength,
            finetune_learning_rate: FinetuneSettings::default().learning_rate,
            refine_steps: RefineSettings::ITERATIONS,
            spread_draws: 8,
            truth_source: None,
            truth_convergence: None,
            source_pixels: InversionSettings::default().source_pixels,
            source_regularisation: InversionSettings::default().regularisation,
            regularisation_strength: None,
            around_parametric_source: true,
            optimise_lens: true,
            convergence_regularisation: PixelSettings::default().mass_regularisation,
            convergence_step: PixelSettings::default().mass_step,
            positive_source: false,
            starts: s.starts,
            lens_light_components: s.lens_light_components,
            source_components: s.source_components,
            supersampling: s.supersampling,
            lens_light: s.lens_light,
            free_slope: s.free_slope,
            multipoles: s.multipoles,
            satellites: s.satellites,
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
            truth_source: None,
            truth_convergence: None,
            ..self
        }
    }

    /// The universe in which redshifts become distances.
    pub(super) fn cosmology(&self) -> Cosmology {
        Cosmology { hubble_constant: self.hubble_constant, omega_matter: self.omega_matter }
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
            lens_light: self.lens_light,
            free_slope: self.free_slope,
            multipoles: self.multipoles,
            satellites: self.satellites.clone(),
            fit_sky: self.fit_sky,
            max_steps: self.max_steps,
            seed: self.seed,
        })
    }

    /// The settings of an inversion after a parametric fit that found these sources.
    pub(super) fn inversion_settings(&self, parametric: &[Sersic]) -> InversionSettings {
        InversionSettings {
            source_pixels: self.source_pixels,
            regularisation: self.source_regularisation,
            strength: self.regularisation_strength,
            rays_a_side: 2 * self.supersampling,
            optimise_lens: self.optimise_lens,
            mean: if self.around_parametric_source { parametric.to_vec() } else { Vec::new() },
            ..InversionSettings::default()
        }
    }

    /// How the network is fine-tuned, if it is. `blank_sky`: reduced chi-squared of empty sky, to which the image is fitted.
    ///
    /// # Errors
    /// The autoencoders are missing or have other grids than the network, `pixels` a side.
    pub(super) fn finetuning(&self, pixels: usize, blank_sky: Option<f64>) -> Result<Option<Finetuning>, TaskError> {
        if self.finetune_steps == 0 {
            return Ok(None);
        }
        let vaes = match self.finetune_systems {
            FinetuneSystems::Random => None,
            FinetuneSystems::Autoencoders => Some(load_vaes(pixels)?),
        };
        let settings = FinetuneSettings {
            steps: self.finetune_steps,
            learning_rate: self.finetune_learning_rate,
            strength: self.finetune_strength,
            target: blank_sky.unwrap_or(1.0),
            seed: self.seed,
            ..FinetuneSettings::default()
        };
        Ok(Some(Finetuning { settings, vaes }))
    }

    /// How the network's answer is refined, if it is, to the reduced chi-squared of empty sky.
    pub(super) fn refining(&self, blank_sky: Option<f64>) -> Option<RefineSettings> {
        (self.refine_steps > 0)
            .then(|| RefineSettings { iterations: self.refine_steps, target: blank_sky.unwrap_or(1.0) })
    }

    /// The settings of a reconstruction of source and convergence, likewise.
    pub(super) fn pixel_settings(&self, parametric: &[Sersic]) -> PixelSettings {
        PixelSettings {
            source: self.inversion_settings(parametric),
            mass_regularisation: self.convergence_regularisation,
            mass_step: self.convergence_step,
            positive: self.positive_source,
            ..PixelSettings::default()
        }
    }
}
