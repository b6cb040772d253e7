//! `lens_reconstruction.simulate`: an image of a lens with noise, and the truth behind it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Scene;
use super::cosmology::Cosmology;
use super::curves::{Curves, curves_of};
use super::exchange::{Described, coolest_template, read_coolest};
use super::maps::{convergence_map, grid_keywords, source_grid_holding, source_map};
use super::pixelated::SourceGrid;
use super::sampling::{BATCH, FINEST};
use super::simulate::{SimulationSpec, gaussian_half_width, simulate_with};
use super::simulated_source::{PixelSource, SourceClumps};
use crate::data::{Plane, write_planes};
use crate::studies::lens_models::{LensModel, Sersic, Shear, Sie};
use crate::tasks::{Cost, Lane, Metrics, Outcome, Progress, Provenance, Task, TaskError};

/// Mass of the simulated lens: isothermal ellipsoid with external shear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SimulatedLens {
    /// Einstein radius of the ellipsoid (intermediate axis).
    #[schemars(range(min = 0.1, max = 3.0), extend("x-unit" = "arcsec"))]
    pub einstein_radius_arcsec: f64,
    /// Axis ratio of the mass.
    #[schemars(range(min = 0.2, max = 1.0))]
    pub axis_ratio: f64,
    /// Angle of its major axis, counter-clockwise from +x.
    #[schemars(range(min = 0.0, max = 180.0), extend("x-unit" = "deg"))]
    pub position_angle_deg: f64,
    /// Centre right of the image centre.
    #[schemars(range(min = -1.0, max = 1.0), extend("x-unit" = "arcsec"))]
    pub x_arcsec: f64,
    /// Centre above the image centre.
    #[schemars(range(min = -1.0, max = 1.0), extend("x-unit" = "arcsec"))]
    pub y_arcsec: f64,
    /// Strength of the external shear.
    #[schemars(range(min = 0.0, max = 0.3))]
    pub shear: f64,
    /// Direction in which the shear stretches images, counter-clockwise from +x.
    #[schemars(range(min = 0.0, max = 180.0), extend("x-unit" = "deg"))]
    pub shear_angle_deg: f64,
}

/// A galaxy of the simulation: an elliptical Sersic profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SimulatedGalaxy {
    /// Surface brightness at the effective radius, per pixel; 0 switches the galaxy off.
    #[schemars(range(min = 0.0, max = 5.0))]
    pub brightness: f64,
    /// Effective radius.
    #[schemars(range(min = 0.02, max = 3.0), extend("x-unit" = "arcsec"), extend("x-log" = true))]
    pub radius_arcsec: f64,
    /// Sersic index.
    #[schemars(range(min = 0.5, max = 6.0))]
    pub index: f64,
    /// Axis ratio.
    #[schemars(range(min = 0.2, max = 1.0))]
    pub axis_ratio: f64,
    /// Angle of the major axis, counter-clockwise from +x.
    #[schemars(range(min = 0.0, max = 180.0), extend("x-unit" = "deg"))]
    pub position_angle_deg: f64,
    /// Centre right of the image centre.
    #[schemars(range(min = -1.0, max = 1.0), extend("x-unit" = "arcsec"))]
    pub x_arcsec: f64,
    /// Centre above the image centre.
    #[schemars(range(min = -1.0, max = 1.0), extend("x-unit" = "arcsec"))]
    pub y_arcsec: f64,
}

/// Simulate an image of a gravitational lens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SimulateRequest {
    /// Lens model in a COOLEST template (JSON) of any program: its mass, sources and lens light take the place of the three groups below.
    #[schemars(extend("x-input" = true))]
    pub model: Option<PathBuf>,
    /// FITS image of a galaxy: takes the place of the source, at its centre.
    #[schemars(extend("x-input" = true))]
    pub source_image: Option<PathBuf>,
    /// Length of the longer side of `source_image` in the source plane.
    #[schemars(range(min = 0.05, max = 20.0), extend("x-unit" = "arcsec"), extend("x-log" = true))]
    pub source_image_size_arcsec: f64,
    /// Surface brightness that the brightest pixel of `source_image` is given.
    #[schemars(range(min = 0.001, max = 100.0), extend("x-log" = true))]
    pub source_image_peak: f64,
    /// Mass of the lens.
    pub lens: SimulatedLens,
    /// The galaxy behind, lensed.
    pub source: SimulatedGalaxy,
    /// Clumps on that galaxy.
    pub clumps: SourceClumps,
    /// Light of the lens galaxy itself, not lensed.
    pub lens_light: SimulatedGalaxy,
    /// Width and height of the image.
    #[schemars(range(min = 16, max = 1024), extend("x-unit" = "pixels"))]
    pub pixels: usize,
    /// Size of a pixel.
    #[schemars(range(min = 0.01, max = 0.5), extend("x-unit" = "arcsec"))]
    pub pixel_scale_arcsec: f64,
    /// Full width at half maximum of the circular Gaussian PSF.
    #[schemars(range(min = 0.02, max = 0.6), extend("x-unit" = "arcsec"))]
    pub psf_fwhm_arcsec: f64,
    /// Standard deviation of the white noise of every pixel.
    #[schemars(range(min = 0.0001, max = 1.0), extend("x-log" = true))]
    pub noise_sigma: f64,
    /// Each pixel is the mean of at least this many by this many rays.
    #[schemars(range(min = 1, max = 10))]
    pub supersampling: usize,
    /// Seed of the noise.
    pub seed: u64,
}

impl Default for SimulatedLens {
    fn default() -> Self {
        Self {
            einstein_radius_arcsec: 1.2,
            axis_ratio: 0.72,
            position_angle_deg: 35.0,
            x_arcsec: 0.02,
            y_arcsec: -0.03,
            shear: 0.05,
            shear_angle_deg: 120.0,
        }
    }
}

impl Default for SimulatedGalaxy {
    fn default() -> Self {
        Self {
            brightness: 0.4,
            radius_arcsec: 0.16,
            index: 1.2,
            axis_ratio: 0.6,
            position_angle_deg: 70.0,
            x_arcsec: 0.10,
            y_arcsec: 0.06,
        }
    }
}

impl Default for SimulateRequest {
    fn default() -> Self {
        Self {
            model: None,
            source_image: None,
            source_image_size_arcsec: 1.0,
            source_image_peak: 2.0,
            lens: SimulatedLens::default(),
            source: SimulatedGalaxy::default(),
            clumps: SourceClumps::default(),
            lens_light: SimulatedGalaxy {
                brightness: 0.25,
                radius_arcsec: 0.7,
                index: 4.0,
                axis_ratio: 0.8,
                position_angle_deg: 40.0,
                x_arcsec: 0.02,
                y_arcsec: -0.03,
            },
            pixels: 100,
            pixel_scale_arcsec: 0.05,
            psf_fwhm_arcsec: 0.1,
            noise_sigma: 0.02,
            supersampling: 2,
            seed: 7,
        }
    }
}

impl SimulatedGalaxy {
    fn sersic(&self) -> Option<Sersic> {
        (self.brightness > 0.0).then_some(Sersic {
            amplitude: self.brightness,
            effective_radius_arcsec: self.radius_arcsec,
            index: self.index,
            axis_ratio: self.axis_ratio,
            position_angle_deg: self.position_angle_deg,
            x_arcsec: self.x_arcsec,
            y_arcsec: self.y_arcsec,
        })
    }
}

impl SimulateRequest {
    /// The mass model.
    pub fn lens_model(&self) -> LensModel {
        let l = &self.lens;
        let (sin, cos) = (2.0 * l.shear_angle_deg.to_radians()).sin_cos();
        LensModel::isothermal(
            Sie {
                einstein_radius_arcsec: l.einstein_radius_arcsec,
                axis_ratio: l.axis_ratio,
                position_angle_deg: l.position_angle_deg,
                x_arcsec: l.x_arcsec,
                y_arcsec: l.y_arcsec,
            },
            Shear { gamma1: l.shear * cos, gamma2: l.shear * sin },
        )
    }

    /// Mass and light as they are simulated: those of the model file, or else of the sliders.
    ///
    /// # Errors
    /// The model file cannot be read or taken over.
    pub fn scene_or_model(&self) -> Result<Scene, TaskError> {
        let Some(file) = &self.model else { return Ok(self.scene()) };
        Ok(self.with_image_instead(read_coolest(file)?.on_pixels(self.pixel_scale_arcsec)))
    }

    /// Without its source where a picture takes its place.
    fn with_image_instead(&self, mut scene: Scene) -> Scene {
        if self.source_image.is_some() {
            scene.sources.clear();
        }
        scene
    }

    /// Where the picture of a source lies: its centre and half its side (arcsec).
    fn picture_square(&self) -> Option<([f64; 2], f64)> {
        let centre = [self.source.x_arcsec, self.source.y_arcsec];
        self.source_image.as_ref().map(|_| (centre, 0.5 * self.source_image_size_arcsec))
    }

    /// The picture of a source, if there is one.
    ///
    /// # Errors
    /// The file cannot be read, or shows nothing.
    fn pixel_source(&self) -> Result<Option<PixelSource>, TaskError> {
        let centre = [self.source.x_arcsec, self.source.y_arcsec];
        let read = |file| PixelSource::read(file, centre, self.source_image_size_arcsec, self.source_image_peak);
        self.source_image.as_deref().map(read).transpose()
    }

    /// Mass and light of the sliders together, without a picture of a source.
    pub fn scene(&self) -> Scene {
        let smooth = self.source.sersic();
        let clumps = smooth.iter().flat_map(|galaxy| self.clumps.on(galaxy));
        self.with_image_instead(Scene {
            lens: self.lens_model(),
            sources: smooth.into_iter().chain(clumps).collect(),
            lens_light: self.lens_light.sersic().into_iter().collect(),
            sky: 0.0,
        })
    }
}

/// A simulated lens with its truth. Maps are `[y, x]`, row 0 at the bottom.
#[derive(Clone, Debug)]
pub struct SimulateOutcome {
    /// Image with noise.
    pub image: Arc<Array2<f32>>,
    /// Image without noise.
    pub noiseless: Arc<Array2<f32>>,
    /// Standard deviation of every pixel.
    pub noise: Arc<Array2<f32>>,
    /// Point spread function, sum 1.
    pub psf: Arc<Array2<f32>>,
    /// Light of the lens galaxy alone, through the PSF.
    pub lens_light: Arc<Array2<f32>>,
    /// True source on a grid of its own.
    pub source: Arc<Array2<f32>>,
    /// True convergence on the grid of the image.
    pub convergence: Arc<Array2<f32>>,
    /// True critical curve and caustics, arcsec from the image centre.
    pub curves: Curves,
    /// Pixel of the image.
    pub pixel_scale_arcsec: f64,
    /// Pixel of the source map.
    pub source_scale_arcsec: f64,
    /// Centre of the source map.
    pub source_centre_arcsec: [f64; 2],
    /// Mass, sources and lens light, from which the truth can be drawn on any grid.
    pub scene: Scene,
    /// The picture that is the source, if it is one.
    pub pixels: Option<Arc<PixelSource>>,
    /// The request.
    pub request: SimulateRequest,
}

/// File of the truth.
const TRUTH: &str = "coolest.json";
/// File of a source that is a picture, at its full resolution.
const PICTURE: &str = "source_pixels.fits";

/// Memory of a ray: two coordinates, in batches that hold one pixel of the finest sampling.
const RAY_BYTES: f64 = 16.0 * BATCH as f64 / (FINEST * FINEST) as f64;

/// Seconds of one core for a ray through the three images of a simulation.
const RAY_SECONDS: f64 = 2e-7;

/// Pixels along the side of a source map.
const SOURCE_PIXELS: usize = 100;

impl SimulateOutcome {
    /// The true source on another grid: its centre, its pixel in arcsec, its `(rows, columns)`.
    pub fn source_on(&self, centre: [f64; 2], scale: f64, shape: (usize, usize)) -> Array2<f32> {
        let mut map = source_map(&self.scene.sources, centre, scale, shape);
        if let Some(pixels) = &self.pixels {
            map += &pixels.on(centre, scale, shape);
        }
        map
    }
}

impl Task for SimulateRequest {
    const NAME: &'static str = "lens_reconstruction.simulate";
    const SUMMARY: &'static str = "Simulate an image of a gravitational lens, with noise, PSF and the truth behind it.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = &[
        ("image.fits", "image with noise"),
        ("noise.fits", "standard deviation of every pixel"),
        ("psf.fits", "point spread function, sum 1"),
        ("noiseless.fits", "image without noise"),
        ("source.fits", "true source on a grid of its own"),
        (PICTURE, "with `source_image`: that source at its full resolution"),
        ("convergence.fits", "true convergence"),
        ("lens_light.fits", "light of the lens galaxy alone"),
        ("curves.ecsv", "true critical curve and caustics"),
        (TRUTH, "the truth as a COOLEST template, which other programs read, and `model` here"),
    ];
    const LANE: Lane = Lane::Short;
    type Update = ();
    type Outcome = SimulateOutcome;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        let half = gaussian_half_width(self.psf_fwhm_arcsec, self.pixel_scale_arcsec)?;
        let scene = self.scene_or_model()?;
        // Light from beyond the edges scatters in. A float neither overflows nor wraps, and becomes the greatest integer at most.
        let cells = (self.pixels as f64 + 2.0 * half as f64).powi(2);
        // How finely light will be sampled is not known before it is: at most, every pixel of what shines as finely as can be.
        let least = (self.supersampling as f64).powi(2);
        let finest = ((FINEST * FINEST) as f64).max(least);
        let rays = |shines: bool| if shines { finest } else { least };
        let lensed = !scene.sources.is_empty() || self.source_image.is_some();
        let rays = cells * (rays(lensed) + rays(!scene.lens_light.is_empty()));
        // Two coordinates a ray, in batches of which a part stays empty, the first sampling until it is replaced, and planes.
        let bytes = rays * RAY_BYTES + 2.0 * cells * least * RAY_BYTES + cells * 300.0 + 16e6;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
        Ok(Cost { bytes: bytes as u64, seconds: rays * RAY_SECONDS + cells * 2e-6 + 0.01 })
    }

    fn run(&self, progress: &Progress<()>) -> Result<SimulateOutcome, TaskError> {
        progress.phase("simulating");
        let scene = self.scene_or_model()?;
        let spec = SimulationSpec {
            scene: scene.clone(),
            size_px: self.pixels,
            pixel_scale_arcsec: self.pixel_scale_arcsec,
            psf_fwhm_arcsec: self.psf_fwhm_arcsec,
            noise_sigma: self.noise_sigma,
            supersampling: self.supersampling,
            seed: self.seed,
            ..SimulationSpec::default()
        };
        let pixels = self.pixel_source()?.map(Arc::new);
        let made = simulate_with(&spec, pixels.as_deref())?;
        progress.check()?;
        let f32s = |a: &Array2<f64>| Arc::new(a.mapv(|v| v as f32));
        let curves = curves_of(&scene.lens);
        let (centre, scale) = source_grid_holding(&scene, &curves, self.picture_square(), SOURCE_PIXELS);
        let mut outcome = SimulateOutcome {
            image: f32s(&made.observation.data),
            noiseless: f32s(&made.noiseless),
            noise: f32s(&made.observation.noise),
            psf: f32s(&made.observation.psf),
            lens_light: f32s(&made.lens_light),
            source: Arc::default(),
            convergence: Arc::new(convergence_map(&scene.lens, (self.pixels, self.pixels), self.pixel_scale_arcsec)),
            curves,
            pixel_scale_arcsec: self.pixel_scale_arcsec,
            source_scale_arcsec: scale,
            source_centre_arcsec: centre,
            scene,
            pixels,
            request: self.clone(),
        };
        outcome.source = Arc::new(outcome.source_on(centre, scale, (SOURCE_PIXELS, SOURCE_PIXELS)));
        progress.fraction(1.0);
        Ok(outcome)
    }
}

impl Outcome for SimulateOutcome {
    fn metrics(&self) -> Metrics {
        let mut metrics = super::maps::lens_metrics(&self.scene.lens);
        metrics.insert("peak_signal_to_noise".into(), {
            let peak = self.noiseless.iter().copied().fold(0.0_f32, f32::max);
            f64::from(peak) / self.request.noise_sigma
        });
        metrics
    }

    fn save(&self, folder: &Path, provenance: &Provenance) -> Result<Vec<String>, TaskError> {
        let history = super::maps::history(provenance, "simulated data, not an observation");
        let image_grid = grid_keywords([0.0, 0.0], self.pixel_scale_arcsec, self.image.dim());
        let source_grid = grid_keywords(self.source_centre_arcsec, self.source_scale_arcsec, self.source.dim());
        let psf_grid = grid_keywords([0.0, 0.0], self.pixel_scale_arcsec, self.psf.dim());
        let mut files = Vec::new();
        for (file, name, pixels, grid) in [
            ("image.fits", "IMAGE", &self.image, &image_grid),
            ("noise.fits", "NOISE", &self.noise, &image_grid),
            ("psf.fits", "PSF", &self.psf, &psf_grid),
            ("noiseless.fits", "NOISELESS", &self.noiseless, &image_grid),
            ("source.fits", "SOURCE", &self.source, &source_grid),
            ("convergence.fits", "CONVERGENCE", &self.convergence, &image_grid),
            ("lens_light.fits", "LENS_LIGHT", &self.lens_light, &image_grid),
        ] {
            let plane = Plane { name, pixels: pixels.view().into_dyn(), unit: "", keywords: grid.clone() };
            write_planes(&folder.join(file), &[plane], &history)?;
            files.push(file.to_owned());
        }
        if let Some(pixels) = &self.pixels {
            let SourceGrid { centre, pixel, side } = pixels.grid;
            pixels.write(&folder.join(PICTURE), grid_keywords(centre, pixel, (side, side)), &history)?;
            files.push(PICTURE.into());
        }
        self.curves.write(&folder.join("curves.ecsv"))?;
        files.push("curves.ecsv".into());
        let described = Described {
            scene: &self.scene,
            posterior: None,
            size_px: [self.image.ncols(), self.image.nrows()],
            pixel_scale_arcsec: self.pixel_scale_arcsec,
            redshifts: [None; 2],
            cosmology: Cosmology::default(),
            image_file: "image.fits",
            simulated: true,
            left_out: if self.pixels.is_some() {
                &["the lensed source, a picture; it is in source_pixels.fits"]
            } else {
                &[]
            },
        };
        let path = folder.join(TRUTH);
        std::fs::write(&path, format!("{:#}\n", coolest_template(&described)))
            .map_err(|e| TaskError::file(&path, format!("cannot be written ({e})")))?;
        files.push(TRUTH.into());
        Ok(files)
    }

    fn load(folder: &Path, request: &serde_json::Value, _metrics: &Metrics) -> Result<Self, TaskError> {
        let request: SimulateRequest = serde_json::from_value(request.clone())
            .map_err(|e| TaskError::file(folder, format!("its record has no request of this task ({e})")))?;
        let read = |name: &str| super::maps::read_map(folder, name);
        // The sliders are the truth to the last bit; a model file may have gone, and lives on in the folder.
        let scene = match &request.model {
            Some(_) => read_coolest(&folder.join(TRUTH))?.on_pixels(request.pixel_scale_arcsec),
            None => request.scene(),
        };
        let square = request.picture_square();
        let picture =
            |(centre, half): ([f64; 2], f64)| PixelSource::from_file(&folder.join(PICTURE), centre, 2.0 * half);
        let pixels = square.map(picture).transpose()?.map(Arc::new);
        let curves = curves_of(&scene.lens);
        let (source_centre_arcsec, source_scale_arcsec) = source_grid_holding(&scene, &curves, square, SOURCE_PIXELS);
        Ok(Self {
            image: read("image.fits")?,
            noiseless: read("noiseless.fits")?,
            noise: read("noise.fits")?,
            psf: read("psf.fits")?,
            lens_light: read("lens_light.fits")?,
            source: read("source.fits")?,
            convergence: read("convergence.fits")?,
            curves,
            pixel_scale_arcsec: request.pixel_scale_arcsec,
            source_scale_arcsec,
            source_centre_arcsec,
            scene,
            pixels,
            request,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_reconstruction::imaging::{ForwardModel, Sampling};
    use crate::studies::lens_reconstruction::simulate::simulate;

    /// Bright sources and little noise are sampled finely whatever `supersampling` says.
    #[test]
    fn the_cost_holds_what_adaptive_sampling_can_ask_for() {
        let request = SimulateRequest { noise_sigma: 0.0001, supersampling: 1, ..SimulateRequest::default() };
        let spec = SimulationSpec {
            scene: request.scene(),
            size_px: request.pixels,
            pixel_scale_arcsec: request.pixel_scale_arcsec,
            psf_fwhm_arcsec: request.psf_fwhm_arcsec,
            noise_sigma: request.noise_sigma,
            ..SimulationSpec::default()
        };
        let observation = simulate(&spec).unwrap().observation;
        let sampling = Sampling { per_pixel_side: 1, adaptive: true };
        let mut model = ForwardModel::new(&observation, spec.scene.layout(), sampling).unwrap();
        model.adapt(&spec.scene.parameters());
        let rays: usize = model.samples().iter().sum();
        assert!(rays > 20 * request.pixels * request.pixels, "{rays}: nothing to be estimated here");
        assert!(request.cost().unwrap().bytes > 16 * rays as u64);
    }

    #[test]
    fn the_cost_of_the_absurd_is_great_and_no_panic() {
        let cost = SimulateRequest { pixels: usize::MAX, ..SimulateRequest::default() }.cost().unwrap();
        assert_eq!(cost.bytes, u64::MAX);
        let wide = SimulateRequest { psf_fwhm_arcsec: 100.0, ..SimulateRequest::default() };
        assert!(wide.cost().unwrap_err().is_usage());
    }
}
