//! Simulated observations with their truth.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::imaging::Sampling;
use super::pixelated::mock::lensed_image;
use super::render::render;
use super::{LensError, Observation, PixelSource, Scene};
use crate::numerics::random;
use crate::studies::lens_models::{LensModel, Sersic};

/// What to simulate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulationSpec {
    /// Pixels along each side of the image.
    pub size_px: usize,
    /// Size of a pixel.
    pub pixel_scale_arcsec: f64,
    /// Mass, source, lens light and sky.
    pub scene: Scene,
    /// Full width at half maximum of the Gaussian PSF; 0 for none.
    pub psf_fwhm_arcsec: f64,
    /// Standard deviation of the white noise of a pixel, in the unit of the brightness.
    pub noise_sigma: f64,
    /// Units of brightness to electrons: adds the noise of counting. Without it the noise is white.
    pub gain: Option<f64>,
    /// Samples along the side of a pixel, at least; steep parts get more.
    pub supersampling: usize,
    /// Seed of the noise.
    pub seed: u64,
}

impl Default for SimulationSpec {
    /// A quad of a compact source, 64 x 64 pixels of 0.08 arcsec.
    fn default() -> Self {
        let source = Sersic { x_arcsec: 0.06, y_arcsec: 0.04, effective_radius_arcsec: 0.15, ..Sersic::default() };
        Self {
            size_px: 64,
            pixel_scale_arcsec: 0.08,
            scene: Scene { lens: LensModel::default(), sources: vec![source], lens_light: Vec::new(), sky: 0.0 },
            psf_fwhm_arcsec: 0.12,
            noise_sigma: 0.05,
            gain: None,
            supersampling: 2,
            seed: 1,
        }
    }
}

/// A simulated observation and the truth behind it. Maps are `[y, x]`.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The observation: image with noise, error map, PSF; all pixels used.
    pub observation: Observation,
    /// The image without noise.
    pub noiseless: Array2<f64>,
    /// Truth: light of the lens through the PSF.
    pub lens_light: Array2<f64>,
    /// Truth: lensed source through the PSF.
    pub lensed_source: Array2<f64>,
}

/// Greatest half width of a PSF made here (pixels); a Gaussian of 60 pixels FWHM fits.
const WIDEST_HALF: f64 = 128.0;

/// Half width in pixels of [`gaussian_psf`]: five standard deviations.
///
/// # Errors
/// A width or pixel scale that is not usable, or a PSF that would be wider than 257 pixels.
pub fn gaussian_half_width(fwhm_arcsec: f64, pixel_scale_arcsec: f64) -> Result<usize, LensError> {
    let wrong = |name, value, problem| Err(LensError::Value { name, value, problem });
    if !(pixel_scale_arcsec > 0.0 && pixel_scale_arcsec.is_finite()) {
        return wrong("pixel_scale_arcsec", pixel_scale_arcsec, "expected a positive pixel scale in arcsec".into());
    }
    if !(fwhm_arcsec >= 0.0 && fwhm_arcsec.is_finite()) {
        return wrong("psf_fwhm_arcsec", fwhm_arcsec, "expected zero or a positive width in arcsec".into());
    }
    let half = (5.0 * fwhm_arcsec / pixel_scale_arcsec / (8.0 * std::f64::consts::LN_2).sqrt()).ceil();
    if half > WIDEST_HALF {
        let problem = format!(
            "a Gaussian this wide reaches {half} pixels of {pixel_scale_arcsec} arcsec to each side, and {WIDEST_HALF} are the most"
        );
        return wrong("psf_fwhm_arcsec", fwhm_arcsec, problem.into());
    }
    Ok(half as usize)
}

/// A Gaussian PSF of the given full width at half maximum, sampled at pixel centres out to five standard deviations, with sum 1.
///
/// # Errors
/// As [`gaussian_half_width`].
pub fn gaussian_psf(fwhm_arcsec: f64, pixel_scale_arcsec: f64) -> Result<Array2<f64>, LensError> {
    let half = gaussian_half_width(fwhm_arcsec, pixel_scale_arcsec)?;
    let sigma = fwhm_arcsec / pixel_scale_arcsec / (8.0 * std::f64::consts::LN_2).sqrt();
    // Without width all of the light stays in its pixel.
    let profile = |k: usize| {
        let d = k as f64 - half as f64;
        if sigma > 0.0 { (-0.5 * d * d / (sigma * sigma)).exp() } else { 1.0 }
    };
    let n = 2 * half + 1;
    let psf = Array2::from_shape_fn((n, n), |(j, i)| profile(j) * profile(i));
    let sum = psf.sum();
    Ok(psf / sum)
}

/// Simulates an observation. The same specification gives the same bits.
///
/// # Errors
/// A size, pixel scale, noise or gain that is not positive.
pub fn simulate(spec: &SimulationSpec) -> Result<Simulation, LensError> {
    simulate_with(spec, None)
}

/// Rays a side of a pixel that look at a source in pixels, at least.
const RAYS: usize = 6;

/// The same with a source in pixels beside those of the scene.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_with(spec: &SimulationSpec, pixels: Option<&PixelSource>) -> Result<Simulation, LensError> {
    let positive = [
        ("size_px", spec.size_px as f64),
        ("noise_sigma", spec.noise_sigma),
        ("gain", spec.gain.unwrap_or(1.0)),
        ("supersampling", spec.supersampling as f64),
    ];
    for (name, value) in positive {
        if !(value > 0.0 && value.is_finite()) {
            return Err(LensError::Value { name, value, problem: "expected a positive number".into() });
        }
    }
    let shape = (spec.size_px, spec.size_px);
    let blank = Array2::zeros(shape);
    let errors = Array2::from_elem(shape, spec.noise_sigma);
    let psf = gaussian_psf(spec.psf_fwhm_arcsec, spec.pixel_scale_arcsec)?;
    let mask = Array2::from_elem(shape, true);
    let mut observation = Observation::new(blank, errors, psf, mask, spec.pixel_scale_arcsec)?;
    let sampling = Sampling { per_pixel_side: spec.supersampling, adaptive: true };
    let parameters = spec.scene.parameters();
    let [mut noiseless, mut lensed_source, lens_light] =
        render(&observation, &parameters, spec.scene.layout(), sampling)?;
    if let Some(PixelSource { grid, brightness }) = pixels {
        let lens = spec.scene.lens.prepare();
        let image = lensed_image(&observation, &lens, grid, brightness, spec.supersampling.max(RAYS))?;
        noiseless += &image;
        lensed_source += &image;
    }
    if let Some(gain) = spec.gain {
        // Counting noise has the variance of the expected counts.
        observation
            .noise
            .zip_mut_with(&noiseless, |sigma, value| *sigma = (*sigma * *sigma + value.max(0.0) / gain).sqrt());
    }
    let mut deviates = vec![0.0; noiseless.len()];
    random::fill_normal(&mut random::stream(spec.seed, "lens_reconstruction.noise", 0), &mut deviates);
    observation.data = noiseless.clone();
    for ((value, sigma), deviate) in observation.data.iter_mut().zip(&observation.noise).zip(&deviates) {
        *value += sigma * deviate;
    }
    Ok(Simulation { observation, noiseless, lens_light, lensed_source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_is_as_stated_and_repeats() {
        for gain in [None, Some(50.0)] {
            let spec = SimulationSpec { gain, ..SimulationSpec::default() };
            let simulation = simulate(&spec).unwrap();
            let pulls: Vec<f64> = simulation
                .observation
                .data
                .iter()
                .zip(&simulation.noiseless)
                .zip(&simulation.observation.noise)
                .map(|((d, m), s)| (d - m) / s)
                .collect();
            let variance = pulls.iter().map(|p| p * p).sum::<f64>() / pulls.len() as f64;
            assert!((variance - 1.0).abs() < 0.08, "{variance}");
            assert_eq!(simulate(&spec).unwrap().observation.data, simulation.observation.data);
            let other = simulate(&SimulationSpec { seed: 2, ..spec }).unwrap();
            assert_ne!(other.observation.data, simulation.observation.data);
        }
    }

    /// Lensing keeps surface brightness and, with the PSF, total flux: a source far outside keeps its light.
    #[test]
    fn flux_is_kept_through_sampling_and_psf() {
        let mut spec = SimulationSpec::default();
        spec.scene.lens.galaxy.einstein_radius_arcsec = 1e-9;
        let source = Sersic { amplitude: 1.0, effective_radius_arcsec: 0.3, index: 1.0, ..Sersic::default() };
        spec.scene.sources = vec![source];
        let simulation = simulate(&spec).unwrap();
        let flux = simulation.noiseless.sum() * spec.pixel_scale_arcsec.powi(2);
        assert!((flux / source.total_flux() - 1.0).abs() < 1e-3, "{flux} {}", source.total_flux());
    }

    #[test]
    fn the_psf_has_its_width_and_its_sum() {
        let psf = gaussian_psf(0.3, 0.05).unwrap();
        assert!((psf.sum() - 1.0).abs() < 1e-14);
        let half = psf.nrows() / 2;
        assert!((psf[[half, half + 3]] / psf[[half, half]] - 0.5).abs() < 1e-12, "3 pixels are half of the full width");
        assert_eq!(gaussian_psf(0.0, 0.05).unwrap().dim(), (1, 1));
    }

    /// Cut off without a word it would not have the width that was asked for.
    #[test]
    fn a_psf_too_wide_to_be_held_is_refused() {
        // The widest that the ranges of a simulation allow keeps its five standard deviations.
        let widest = gaussian_psf(0.6, 0.01).unwrap();
        assert!(widest[[widest.nrows() / 2, 0]] / widest.iter().copied().fold(0.0, f64::max) < 4e-6);
        let text = gaussian_psf(10.0, 0.05).unwrap_err().to_string();
        assert!(text.starts_with("psf_fwhm_arcsec = 10: ") && text.contains("425 pixels"), "{text}");
        assert!(simulate(&SimulationSpec { psf_fwhm_arcsec: 10.0, ..SimulationSpec::default() }).is_err());
        assert!(gaussian_psf(0.1, 0.0).unwrap_err().to_string().starts_with("pixel_scale_arcsec = 0"));
    }

    #[test]
    fn wrong_numbers_are_named() {
        let message =
            simulate(&SimulationSpec { noise_sigma: 0.0, ..SimulationSpec::default() }).unwrap_err().to_string();
        assert!(message.contains("noise_sigma = 0"), "{message}");
        assert!(simulate(&SimulationSpec { psf_fwhm_arcsec: f64::NAN, ..SimulationSpec::default() }).is_err());
        assert!(simulate(&SimulationSpec { pixel_scale_arcsec: 0.0, ..SimulationSpec::default() }).is_err());
    }
}
