//! Images of pixelated sources, lensed and blurred over a whole image; and mock observations made of them.

use ndarray::Array2;
use rayon::prelude::*;

use super::field::Field;
use super::grid::SourceGrid;
use super::response::Traced;
use crate::numerics::convolution::Scratch;
use crate::numerics::random;
use crate::studies::lens_models::Deflector;
use crate::studies::lens_reconstruction::simulate::gaussian_psf;
use crate::studies::lens_reconstruction::{LensError, Observation};

/// A field of all pixels of an image, with unit noise.
pub(super) fn whole_field(observation: &Observation, rays_a_side: usize) -> Result<Field, LensError> {
    let shape = observation.data.dim();
    let everywhere = Observation {
        data: Array2::zeros(shape),
        noise: Array2::ones(shape),
        mask: Array2::from_elem(shape, true),
        psf: observation.psf.clone(),
        ..*observation
    };
    Field::new(&everywhere, None, rays_a_side)
}

/// Light of a source whose rays were traced, blurred, in the used pixels of a field (not over the noise).
pub(super) fn blurred(field: &Field, grid: &SourceGrid, source: &[f64], traced: &Traced) -> Vec<f64> {
    let share = 1.0 / traced.rays as f64;
    let mut plane = vec![0.0; field.cells()];
    let light: Vec<f64> = traced
        .positions
        .par_chunks(traced.rays)
        .with_min_len(256)
        .map(|rays| share * rays.iter().map(|[x, y]| grid.value_and_slope(source, *x, *y).0).sum::<f64>())
        .collect();
    for (cell, value) in field.active.iter().zip(light) {
        plane[*cell as usize] = value;
    }
    let mut image = vec![0.0; plane.len()];
    field.convolver.apply(&plane, &mut image, &mut Scratch::default());
    field.used.iter().map(|(cell, _)| image[*cell as usize]).collect()
}

/// A source in pixels (row by row on `grid`), lensed, through the PSF of an observation, over its whole image; `[y, x]`, without noise.
///
/// # Errors
/// Never for an image with pixels.
pub fn lensed_image(
    observation: &Observation,
    lens: &(impl Deflector + Sync),
    grid: &SourceGrid,
    source: &[f64],
    rays_a_side: usize,
) -> Result<Array2<f64>, LensError> {
    let field = whole_field(observation, rays_a_side)?;
    let traced = Traced::new(&field, lens);
    Ok(field.image(blurred(&field, grid, source, &traced)))
}

/// How a picture of a galaxy is to be observed through a lens.
#[derive(Clone, Debug, PartialEq)]
pub struct MockSpec {
    /// Pixels along each side of the image.
    pub size_px: usize,
    /// Size of a pixel of the image.
    pub pixel_scale_arcsec: f64,
    /// Full width at half maximum of the Gaussian PSF; 0 for none.
    pub psf_fwhm_arcsec: f64,
    /// White noise of a pixel over the peak of the noiseless image.
    pub noise_over_peak: f64,
    /// Seed of the noise.
    pub seed: u64,
}

/// A mock observation of a source in pixels: the noiseless lensed image, and the observation with noise.
///
/// # Errors
/// A pixel scale or PSF that is not usable, or a source that leaves no light in the image.
pub fn observe(
    lens: &(impl Deflector + Sync),
    grid: &SourceGrid,
    source: &[f64],
    spec: &MockSpec,
) -> Result<(Observation, Array2<f64>), LensError> {
    const RAYS: usize = 6;
    let shape = (spec.size_px, spec.size_px);
    let psf = gaussian_psf(spec.psf_fwhm_arcsec, spec.pixel_scale_arcsec)?;
    let blank = Observation::new(
        Array2::zeros(shape),
        Array2::ones(shape),
        psf,
        Array2::from_elem(shape, true),
        spec.pixel_scale_arcsec,
    )?;
    let noiseless = lensed_image(&blank, lens, grid, source, RAYS)?;
    let sigma = spec.noise_over_peak * noiseless.iter().copied().fold(0.0, f64::max);
    if !(sigma > 0.0 && sigma.is_finite()) {
        let problem = "expected a positive part of a peak that is above zero".into();
        return Err(LensError::Value { name: "noise_over_peak", value: spec.noise_over_peak, problem });
    }
    let mut deviates = vec![0.0; noiseless.len()];
    random::fill_normal(&mut random::stream(spec.seed, "lens_reconstruction.mock", 0), &mut deviates);
    let mut data = noiseless.clone();
    for (value, deviate) in data.iter_mut().zip(&deviates) {
        *value += sigma * deviate;
    }
    let observation = Observation { data, noise: Array2::from_elem(shape, sigma), ..blank };
    Ok((observation, noiseless))
}
