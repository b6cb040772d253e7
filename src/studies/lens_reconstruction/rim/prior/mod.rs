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
pub mod statistics;
mod structure;
mod task;
mod tidal;

pub use draw::{Clump, GalaxyDraw, MassDraw, Multipole, Spiral};
pub use imaging::{Camera, Cuts, pixel_gaussian};
pub use task::{PriorOutcome, PriorRequest};
pub use tidal::TidalMass;

use ndarray::Array2;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

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
        pixel_gaussian(f64::from(example.psf_fwhm_arcsec), FIELD_ARCSEC / self.settings.pixels as f64)
    }

    /// The settings.
    pub fn settings(&self) -> &PriorSettings {
        &self.settings
    }

    /// Example `index` of a seed.
    pub fn example(&self, seed: u64, index: u64) -> Example {
        let [mut rng, mut normals] = streams(seed, index);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (draw, structure) = self.mass(&mut rng, &mut normals);
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

    /// Convergence of the first mass that example `index` tries (with all structure, even where the settings are smooth), row by row.
    pub fn convergence(&self, seed: u64, index: u64) -> Vec<f64> {
        let [mut rng, mut normals] = streams(seed, index);
        let (draw, structure) = self.mass(&mut rng, &mut normals);
        mass::convergence(&draw, &structure, &self.tidal, self.settings.pixels)
    }

    /// A galaxy of the prior as the source would be, row by row, peak 1; not that of example `index`, and subject to no cuts.
    pub fn source(&self, seed: u64, index: u64) -> Vec<f64> {
        let mut rng = random::stream(seed, "lens_reconstruction.prior.galaxy", index);
        galaxy::render(&GalaxyDraw::draw(&mut rng), self.settings.pixels)
    }

    /// Draws a mass and its random structure.
    fn mass(&self, rng: &mut impl Rng, normals: &mut impl Rng) -> (MassDraw, Vec<f64>) {
        let [low, high] = self.settings.einstein_radius_arcsec;
        let einstein_radius = random::uniform_in(rng, low, high);
        let draw = MassDraw::draw(rng, einstein_radius);
        let structure = self.spectrum.field(normals, &draw);
        (draw, structure)
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

/// Of one example: the stream of what is drawn, and that of the random structure, whose length depends on the pixels.
fn streams(seed: u64, index: u64) -> [ChaCha8Rng; 2] {
    ["lens_reconstruction.prior", "lens_reconstruction.prior.structure"].map(|name| random::stream(seed, name, index))
}

/// A normal deviate within limits: `[least, greatest, mean, standard deviation]`.
fn cut_normal(rng: &mut impl Rng, [least, greatest, mean, width]: [f64; 4]) -> f64 {
    loop {
        let value = mean + width * random::normal(rng);
        if (least..=greatest).contains(&value) {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::statistics::median;
    use crate::studies::lens_models::{DeflectionScratch, PixelDeflection};
    use crate::studies::lens_reconstruction::pixelated::SourceGrid;

    fn prior(pixels: usize) -> Prior {
        Prior::new(PriorSettings { pixels, ..PriorSettings::default() })
    }

    #[test]
    fn an_example_is_a_function_of_settings_seed_and_index() {
        let first = prior(32);
        // Another order, and another instance, as another thread would have.
        let late: Vec<Example> = [2, 1, 0].map(|k| first.example(4, k)).to_vec();
        let early: Vec<Example> = [0, 1, 2].map(|k| prior(32).example(4, k)).to_vec();
        assert!(early.iter().eq(late.iter().rev()));
        assert_ne!(first.example(5, 0).image, early[0].image);
        assert_ne!(early[0].image, early[1].image);
    }

    /// The image follows from source and convergence alone, by the settled rules, written out here ray by ray.
    #[test]
    fn the_image_is_made_of_source_and_convergence_alone() {
        let n = 40;
        let example = prior(n).example(9, 3);
        let step = FIELD_ARCSEC / n as f64;
        let kappa: Vec<f64> = example.log_convergence.iter().map(|k| 10f64.powf(f64::from(*k))).collect();
        let (mut ax, mut ay) = (vec![0.0; n * n], vec![0.0; n * n]);
        PixelDeflection::new([n, n], step).apply(&kappa, [&mut ax, &mut ay], &mut DeflectionScratch::default());
        let grid = SourceGrid { centre: [0.0; 2], pixel: SOURCE_FIELD_ARCSEC / n as f64, side: n };
        let source: Vec<f64> = example.source.iter().map(|v| f64::from(*v)).collect();
        let between = |map: &[f64], u: f64, v: f64| {
            let (i, j) = ((u.floor().max(0.0) as usize).min(n - 2), (v.floor().max(0.0) as usize).min(n - 2));
            let (p, q) = (u - i as f64, v - j as f64);
            let at = |j: usize, i: usize| map[j * n + i];
            (1.0 - q) * ((1.0 - p) * at(j, i) + p * at(j, i + 1))
                + q * ((1.0 - p) * at(j + 1, i) + p * at(j + 1, i + 1))
        };
        let mut sharp = vec![0.0; n * n];
        for (k, value) in sharp.iter_mut().enumerate() {
            for ray in 0..16 {
                let u = (k % n) as f64 + ((ray % 4) as f64 + 0.5) / 4.0 - 0.5;
                let v = (k / n) as f64 + ((ray / 4) as f64 + 0.5) / 4.0 - 0.5;
                let [x, y] = [u, v].map(|w| (w - 0.5 * (n as f64 - 1.0)) * step);
                *value += grid.value_and_slope(&source, x - between(&ax, u, v), y - between(&ay, u, v)).0 / 16.0;
            }
        }
        let psf = pixel_gaussian(f64::from(example.psf_fwhm_arcsec), step);
        let half = psf.nrows() / 2;
        for k in [n * n / 2 + 7, 13 * n + 25, 25 * n + 12] {
            let mut blurred = 0.0;
            for ((b, a), weight) in psf.indexed_iter() {
                let (j, i) = (k / n + half - b, k % n + half - a);
                blurred += weight * sharp[j * n + i];
            }
            assert!((blurred - f64::from(example.noiseless[k])).abs() < 2e-5, "{blurred} {}", example.noiseless[k]);
        }
        let residual: Vec<f64> = example
            .image
            .iter()
            .zip(&example.noiseless)
            .map(|(a, b)| f64::from((a - b) / example.noise_sigma))
            .collect();
        let variance = residual.iter().map(|r| r * r).sum::<f64>() / residual.len() as f64;
        assert!((variance - 1.0).abs() < 0.15, "{variance}");
    }

    #[test]
    fn every_example_passes_the_cuts_and_radii_are_spread_evenly() {
        let prior = prior(32);
        let examples: Vec<Example> = (0..240).map(|k| prior.example(1, k)).collect();
        let mut radii: Vec<f64> = Vec::new();
        for e in &examples {
            assert!(e.source.iter().copied().fold(0.0f32, f32::max) == 1.0 && e.source.iter().all(|v| *v >= 0.0));
            assert!(e.magnification >= 3.0 && e.log_convergence.iter().any(|k| *k > 0.0));
            assert!((0.06..=0.3).contains(&e.psf_fwhm_arcsec) && (0.001..=0.1).contains(&e.noise_sigma));
            // Of an isothermal lens 0.71; a steep one keeps less of its mass above 1.
            let ratio = e.supercritical_radius_arcsec / e.einstein_radius_arcsec;
            assert!((0.4..1.0).contains(&ratio), "{ratio}");
            radii.push(f64::from(e.einstein_radius_arcsec));
        }
        // A quarter of 2 arcsec apart; the standard error of a quartile of 240 is 0.06.
        radii.sort_by(f64::total_cmp);
        for (k, expected) in [(60, 1.0), (120, 1.5), (180, 2.0)] {
            assert!((radii[k] - expected).abs() < 0.2, "{} {expected}", radii[k]);
        }
    }

    #[test]
    fn the_noise_regimes_are_the_paper_s() {
        for (regime, [least, most], middle) in [
            (NoiseRegime::Low, [0.001, 0.1], 0.0249),
            (NoiseRegime::Medium, [0.01, 0.1], 0.0438),
            (NoiseRegime::High, [0.01, 0.1], 0.0545),
        ] {
            let mut rng = random::stream(1, "regime", 0);
            let mut values: Vec<f64> = (0..4000).map(|_| cut_normal(&mut rng, regime.distribution())).collect();
            assert!(values.iter().all(|v| (least..=most).contains(v)));
            // The medians of these cut normal distributions (SciPy `truncnorm`).
            let found = median(&mut values).unwrap();
            assert!((found - middle).abs() < 0.002, "{regime:?} {found}");
        }
    }

    #[test]
    fn the_smooth_control_has_the_same_sky() {
        let rough = prior(32);
        let smooth = Prior::new(PriorSettings { smooth: true, ..rough.settings().clone() });
        for k in 0..3 {
            let (a, b) = (rough.example(2, k), smooth.example(2, k));
            assert_eq!((&a.source, a.noise_sigma, a.psf_fwhm_arcsec), (&b.source, b.noise_sigma, b.psf_fwhm_arcsec));
            assert_eq!((a.mass.slope, a.mass.shear), (b.mass.slope, b.mass.shear));
            assert!(b.mass.satellites.is_empty() && b.mass.subhaloes.is_empty());
            assert!(a.log_convergence != b.log_convergence && a.image != b.image);
        }
    }
}
