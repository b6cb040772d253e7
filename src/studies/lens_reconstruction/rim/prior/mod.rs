//! The prior of lenses: what the network is trained on, drawn on the fly.
//!
//! Stands for the IllustrisTNG haloes and COSMOS galaxies of the paper, which cannot be had offline: composite masses (power law with a core,
//! multipoles, satellites, subhaloes, log-normal structure, shear) and composite galaxies (discs with arms and clumps, bulges, companions),
//! whose statistics are those of real TNG maps ([`statistics`]). Noise, PSF, cuts and the equal share of all Einstein radii follow the recipe of the paper
//! (its code, AlexandreAdam/Censai, scripts of the final run).
//!
//! Settled for everything that learns from it: image and convergence are `N x N` over 7.68 arcsec, the source `N x N` over 3 arcsec, all centred.
//! The pair (source, convergence) is the whole truth: the deflection is that of the pixelated convergence
//! ([`PixelDeflection`](crate::studies::lens_models::PixelDeflection)), bilinear between pixel centres and linear beyond the outermost, and
//! the source is bilinear between its pixel centres. External shear is therefore made by mass inside the field ([`TidalMass`]).
//!
//! An example is a pure function of settings, seed and index.

mod draw;
mod galaxy;
mod imaging;
mod mass;
mod structure;
mod tidal;

pub use draw::{Clump, GalaxyDraw, MassDraw, Multipole, Spiral};
pub use imaging::{Camera, Cuts};
pub use tidal::TidalMass;

use ndarray::Array2;

use crate::numerics::random;

/// Side of the image and of the convergence (arcsec).
pub const FIELD_ARCSEC: f64 = 7.68;
/// Side of the source (arcsec).
pub const SOURCE_FIELD_ARCSEC: f64 = 3.0;
/// Least and greatest full width at half maximum of the PSF (arcsec).
pub const PSF_FWHM_ARCSEC: [f64; 2] = [0.06, 0.3];
/// Rays along each side of a pixel of a true image.
const RAYS: usize = 4;
/// Galaxies tried behind one mass before another mass is drawn.
const GALAXIES: usize = 12;
/// Masses tried before the last is taken as it is; some four are needed for one example in a million.
const MASSES: usize = 200;

/// Noise of the training or of one of the paper's test sets: standard deviation of a pixel, the source's peak being 1; a normal distribution, cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoiseRegime {
    /// 0.001 to 0.1, mean 0.01, width 0.03: as in training.
    #[default]
    Low,
    /// 0.01 to 0.1, mean 0.02, width 0.05.
    Medium,
    /// 0.01 to 0.1, mean 0.05, width 0.1.
    High,
}

impl NoiseRegime {
    /// Least and greatest value, mean and standard deviation of the uncut distribution.
    pub fn distribution(self) -> [f64; 4] {
        match self {
            Self::Low => [0.001, 0.1, 0.01, 0.03],
            Self::Medium => [0.01, 0.1, 0.02, 0.05],
            Self::High => [0.01, 0.1, 0.05, 0.1],
        }
    }
}

/// What to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct PriorSettings {
    /// Pixels along each side of image, convergence and source; even, 32 to 128.
    pub pixels: usize,
    /// Noise.
    pub noise: NoiseRegime,
    /// Without multipoles, satellites, subhaloes and random structure: the same lenses and sources otherwise, for comparison.
    pub smooth: bool,
    /// Least and greatest Einstein radius (arcsec); all between are equally likely.
    pub einstein_radius_arcsec: [f64; 2],
}

impl Default for PriorSettings {
    fn default() -> Self {
        Self { pixels: 64, noise: NoiseRegime::Low, smooth: false, einstein_radius_arcsec: [0.5, 2.5] }
    }
}

/// A simulated lens with its truth. Maps are row by row, row 0 at the bottom.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Image with noise.
    pub image: Vec<f32>,
    /// Image without noise.
    pub noiseless: Vec<f32>,
    /// Source, peak 1.
    pub source: Vec<f32>,
    /// Decimal logarithm of the convergence.
    pub log_convergence: Vec<f32>,
    /// Standard deviation of the noise of a pixel.
    pub noise_sigma: f32,
    /// Full width at half maximum of the Gaussian PSF.
    pub psf_fwhm_arcsec: f32,
    /// Radius of the circle about the lens in which the mean convergence is 1.
    pub einstein_radius_arcsec: f32,
    /// Radius that the paper's training was equalised by: `sqrt(sum_{kappa > 1} kappa dA / pi)`, about 0.7 of the Einstein radius of an isothermal lens.
    pub supercritical_radius_arcsec: f32,
    /// Area of the image brighter than 0.1 over that of the source.
    pub magnification: f32,
    /// The mass that was drawn.
    pub mass: MassDraw,
    /// The galaxy that was drawn.
    pub galaxy: GalaxyDraw,
}

/// The generator, prepared for one set of settings.
pub struct Prior {
    settings: PriorSettings,
    camera: Camera,
    tidal: TidalMass,
    spectrum: structure::Spectrum,
}

/// A mass on the pixels with what follows from it.
struct Lens {
    draw: MassDraw,
    convergence: Vec<f64>,
    sources: Vec<[f64; 2]>,
}

impl Prior {
    /// Prepares transforms and templates. Pixels are taken as the nearest even number from 32 to 128.
    pub fn new(mut settings: PriorSettings) -> Self {
        settings.pixels = settings.pixels.clamp(32, 128).next_multiple_of(2);
        let n = settings.pixels;
        let tidal = TidalMass::new(n, FIELD_ARCSEC / n as f64);
        Self { camera: Camera::new(n, RAYS), tidal, spectrum: structure::Spectrum::new(n), settings }
    }

    /// The PSF of an example, `[y, x]`, sum 1.
    pub fn psf(&self, example: &Example) -> Array2<f64> {
        imaging::pixel_gaussian(f64::from(example.psf_fwhm_arcsec), FIELD_ARCSEC / self.settings.pixels as f64)
    }

    /// The settings.
    pub fn settings(&self) -> &PriorSettings {
        &self.settings
    }

    /// Example `index` of a seed.
    pub fn example(&self, seed: u64, index: u64) -> Example {
        let mut rng = random::stream(seed, "lens_reconstruction.prior", index);
        let mut normals = random::stream(seed, "lens_reconstruction.prior.structure", index);
        let [low, high] = self.settings.einstein_radius_arcsec;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let einstein_radius = random::uniform_in(&mut rng, low, high);
            let draw = MassDraw::draw(&mut rng, einstein_radius);
            let structure = self.spectrum.field(&mut normals, &draw);
            let lens = self.lens(draw, &structure);
            for galaxy_attempt in 1..=GALAXIES {
                let galaxy = GalaxyDraw::draw(&mut rng);
                let psf_fwhm = cut_normal(&mut rng, [PSF_FWHM_ARCSEC[0], PSF_FWHM_ARCSEC[1], 0.08, 0.05]);
                let sigma = cut_normal(&mut rng, self.settings.noise.distribution());
                let source = galaxy::render(&galaxy, self.settings.pixels);
                let noiseless = self.camera.image(&lens.sources, &source, psf_fwhm);
                let last = attempt == MASSES && galaxy_attempt == GALAXIES;
                let cuts = self.camera.cuts(&noiseless, &source);
                if !cuts.pass() && !last {
                    continue;
                }
                // Which galaxy fits was decided by the lens with all its structure, so that the smooth one stands behind the same sky.
                if self.settings.smooth {
                    let smooth = self.lens(lens.draw.smooth(), &vec![0.0; structure.len()]);
                    let noiseless = self.camera.image(&smooth.sources, &source, psf_fwhm);
                    return self.finish(seed, index, smooth, galaxy, &source, &noiseless, psf_fwhm, sigma);
                }
                return self.finish(seed, index, lens, galaxy, &source, &noiseless, psf_fwhm, sigma);
            }
        }
    }

    fn lens(&self, draw: MassDraw, structure: &[f64]) -> Lens {
        let convergence = mass::convergence(&draw, structure, &self.tidal, self.settings.pixels);
        let sources = self.camera.trace(&convergence);
        Lens { draw, convergence, sources }
    }

    fn finish(
        &self,
        seed: u64,
        index: u64,
        lens: Lens,
        galaxy: GalaxyDraw,
        source: &[f64],
        noiseless: &[f64],
        psf_fwhm: f64,
        sigma: f64,
    ) -> Example {
        let mut noise = vec![0.0; noiseless.len()];
        random::fill_normal(&mut random::stream(seed, "lens_reconstruction.prior.noise", index), &mut noise);
        let cuts = self.camera.cuts(noiseless, source);
        let f32s = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<f32>>();
        Example {
            image: noiseless.iter().zip(&noise).map(|(v, n)| (v + sigma * n) as f32).collect(),
            noiseless: f32s(noiseless),
            source: f32s(source),
            log_convergence: lens.convergence.iter().map(|k| k.log10() as f32).collect(),
            noise_sigma: sigma as f32,
            psf_fwhm_arcsec: psf_fwhm as f32,
            einstein_radius_arcsec: lens.draw.einstein_radius_arcsec as f32,
            supercritical_radius_arcsec: mass::supercritical_radius(&lens.convergence, self.settings.pixels) as f32,
            magnification: cuts.magnification as f32,
            mass: lens.draw,
            galaxy,
        }
    }
}

/// A normal deviate within limits: `[least, greatest, mean, standard deviation]`.
fn cut_normal(rng: &mut impl rand::Rng, [least, greatest, mean, width]: [f64; 4]) -> f64 {
    loop {
        let value = mean + width * random::normal(rng);
        if (least..=greatest).contains(&value) {
            return value;
        }
    }
}
