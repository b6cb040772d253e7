//! `lens_reconstruction.fit`: one lens image in, model, source, convergence and errors out.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::classical::{FitSettings, FitStep, Phase, fit_parametric};
use super::load::{Loaded, load};
use super::outcome::FitOutcome;
use crate::data::FitsFile;
use crate::studies::lens_models::LensModel;
use crate::tasks::{Cost, Lane, Progress, Task, TaskError};

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
    #[schemars(range(min = 1e-30, max = 1e30))]
    pub noise_sigma: Option<f64>,
    /// Point spread function at the image's pixel scale, odd width and height.
    #[schemars(extend("x-input" = true))]
    pub psf: Option<PathBuf>,
    /// Full width at half maximum of a circular Gaussian PSF, when none was measured.
    #[schemars(range(min = 0.001, max = 10.0), extend("x-unit" = "arcsec"))]
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
    #[schemars(range(min = 0.05, max = 60.0), extend("x-unit" = "arcsec"))]
    pub mask_outer_radius_arcsec: Option<f64>,
    /// Mask centre right of the image centre.
    #[schemars(range(min = -60.0, max = 60.0), extend("x-unit" = "arcsec"))]
    pub mask_x_arcsec: f64,
    /// Mask centre above the image centre.
    #[schemars(range(min = -60.0, max = 60.0), extend("x-unit" = "arcsec"))]
    pub mask_y_arcsec: f64,
    /// Size of a pixel; automatic: from the header, or from `info.json` beside the image.
    #[schemars(range(min = 0.0001, max = 100.0), extend("x-unit" = "arcsec"))]
    pub pixel_scale_arcsec: Option<f64>,
    /// How the lens is reconstructed.
    pub method: Method,
    /// Starting points of the search, kept by how well they fit; each is carried to its own minimum.
    #[schemars(range(min = 1, max = 64))]
    pub starts: usize,
    /// Sersic components of the lens galaxy's light; 0 when it was subtracted before.
    #[schemars(range(min = 0, max = 3))]
    pub lens_light_components: usize,
    /// Sersic components of the source galaxy.
    #[schemars(range(min = 1, max = 2))]
    pub source_components: usize,
    /// Each pixel is the mean of this many by this many rays.
    #[schemars(range(min = 1, max = 4))]
    pub supersampling: usize,
    /// Fit a constant sky level too.
    pub fit_sky: bool,
    /// Most Levenberg-Marquardt steps of one start.
    #[schemars(range(min = 5, max = 1000))]
    pub max_steps: usize,
    /// Seed of the starting points.
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
            method: Method::Parametric,
            starts: s.starts,
            lens_light_components: s.lens_light_components,
            source_components: s.source_components,
            supersampling: s.supersampling,
            fit_sky: s.fit_sky,
            max_steps: s.max_steps,
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
            mask: None,
            ..self
        }
    }

    fn settings(&self) -> FitSettings {
        FitSettings {
            starts: self.starts,
            lens_light_components: self.lens_light_components,
            source_components: self.source_components,
            supersampling: self.supersampling,
            fit_sky: self.fit_sky,
            max_steps: self.max_steps,
            seed: self.seed,
        }
    }
}

/// What the screen shows while the fit runs. Images are `[y, x]`, row 0 at the bottom, cut to the fitted box.
#[derive(Clone, Debug)]
pub struct FitUpdate {
    /// What is being done.
    pub phase: Phase,
    /// Start that is being carried down, from 0.
    pub start: usize,
    /// Step within it.
    pub step: usize,
    /// Chi2 per degree of freedom in the mask.
    pub reduced_chi2: f64,
    /// Model image, unit of the data.
    pub model: Arc<Array2<f32>>,
    /// (data - model) / noise, NaN outside the mask.
    pub residual: Arc<Array2<f32>>,
    /// Mass model now.
    pub lens: LensModel,
    /// Pixel of the maps.
    pub pixel_scale_arcsec: f64,
}

impl Task for FitRequest {
    const NAME: &'static str = "lens_reconstruction.fit";
    const SUMMARY: &'static str =
        "Reconstruct a gravitational lens from one image: mass model, source, lens light, with errors.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = super::outcome::OUTPUTS;
    const LANE: Lane = Lane::Short;
    type Update = FitUpdate;
    type Outcome = FitOutcome;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        let Some(image) = &self.image else {
            return Err(TaskError::field("image", "(none)", "an image is needed", "give one with --input image=FILE"));
        };
        let location = super::load::location(image);
        let file = FitsFile::open(&location.path)?;
        let shape = file.hdu(file.find(location.hdu.as_ref())?)?.shape();
        let pixels: f64 = shape.iter().map(|n| *n as f64).product();
        // A dozen double planes, and the Jacobian's; seconds as measured on images of 100 and 281 pixels, scaled.
        let parameters = 8.0 + 7.0 * (self.lens_light_components + self.source_components) as f64;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an estimate
        Ok(Cost {
            bytes: (pixels * 8.0 * (24.0 + parameters)) as u64,
            seconds: pixels * 2.5e-4 * self.starts as f64 / 8.0,
        })
    }

    fn run(&self, progress: &Progress<FitUpdate>) -> Result<FitOutcome, TaskError> {
        progress.phase("reading");
        let Loaded { observation, header, unit, redshifts, .. } = load(self)?;
        progress.check()?;
        let part = fitted_part(&observation.mask);
        let mut meter = Meter::default();
        let fit = fit_parametric(&observation, &self.settings(), &mut |step: &FitStep<'_>| {
            let fraction = meter.fraction(step);
            let improves = meter.improves(step);
            // The chi2 of scan and starts is that of the arcs alone: another quantity, another line.
            let series = match step.phase {
                Phase::LensLight | Phase::Null => "lens light alone",
                Phase::Scan | Phase::Starts => "arcs alone",
                Phase::Joint => "everything",
            };
            let shown = if step.phase == Phase::Scan { step.reduced_chi2 } else { meter.best };
            progress.log(series, meter.steps, shown);
            if meter.due() {
                progress.phase(step.phase.label());
                progress.fraction(fraction);
            }
            if !improves {
                // A candidate that is worse than what was found already: the screen keeps the best.
                return if progress.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
            }
            progress.update(|| FitUpdate {
                phase: step.phase,
                start: step.start,
                step: step.step,
                reduced_chi2: step.reduced_chi2,
                model: cut(&step.model_image(), part),
                residual: cut(&step.residual_image(), part),
                lens: step.scene().lens,
                pixel_scale_arcsec: observation.pixel_scale_arcsec,
            });
            if progress.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        progress.check()?;
        let fit = fit.map_err(|e| TaskError::Failed(e.to_string()))?;
        progress.phase("maps");
        let outcome = FitOutcome::new(&observation, &fit, &header, unit, redshifts);
        progress.fraction(1.0);
        Ok(outcome)
    }
}

/// How far a fit has come, from its phases: none of them knows its own length, so each nears its end ever more slowly.
#[derive(Default)]
struct Meter {
    steps: f64,
    in_phase: f64,
    phase: Option<Phase>,
    most: f64,
    /// Least reduced chi2 of the phase.
    best: f64,
}

impl Meter {
    /// True when the step is the best of its phase so far, or of the scan, whose steps are looked at one by one.
    fn improves(&mut self, step: &FitStep<'_>) -> bool {
        let better = self.in_phase <= 1.0 || step.reduced_chi2 <= self.best;
        if better {
            self.best = step.reduced_chi2;
        }
        better || step.phase == Phase::Scan
    }

    /// Often enough for a progress bar.
    fn due(&self) -> bool {
        self.in_phase % 8.0 == 1.0
    }

    fn fraction(&mut self, step: &FitStep<'_>) -> f64 {
        self.steps += 1.0;
        if self.phase != Some(step.phase) {
            self.phase = Some(step.phase);
            self.in_phase = 0.0;
        }
        self.in_phase += 1.0;
        let (from, to, usual) = match step.phase {
            Phase::LensLight => (0.0, 0.15, 200.0),
            Phase::Scan => (0.15, 0.3, 200.0),
            Phase::Starts => (0.3, 0.6, 400.0),
            Phase::Joint => (0.6, 0.95, 200.0),
            Phase::Null => (0.95, 1.0, 60.0),
        };
        let fraction = from + (to - from) * (1.0 - (-self.in_phase / usual).exp());
        self.most = self.most.max(fraction);
        self.most
    }
}

/// Rows and columns that hold the fitted pixels: first row, end row, first column, end column.
fn fitted_part(mask: &Array2<bool>) -> [usize; 4] {
    let mut part = [usize::MAX, 0, usize::MAX, 0];
    for ((y, x), _) in mask.indexed_iter().filter(|(_, m)| **m) {
        part = [part[0].min(y), part[1].max(y + 1), part[2].min(x), part[3].max(x + 1)];
    }
    if part[1] == 0 { [0, mask.nrows(), 0, mask.ncols()] } else { part }
}

fn cut(image: &Array2<f64>, [y0, y1, x0, x1]: [usize; 4]) -> Arc<Array2<f32>> {
    Arc::new(image.slice(ndarray::s![y0..y1, x0..x1]).mapv(|v| v as f32))
}
