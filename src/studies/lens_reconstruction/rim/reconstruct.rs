//! The machine on an image of the user's: brought to its grids, reconstructed step by step, and brought back.

use ndarray::Array2;

use burn::tensor::Device;

use super::domain::{Domain, concerns};
use super::frame::WorkingFrame;
use super::likelihood::{PixelData, Workspace};
use super::network::{Rim, State};
use super::pixel_lens::PixelLens;
use crate::studies::lens_reconstruction::pixelated::SourceGrid;
use crate::studies::lens_reconstruction::pixelated::mock::lensed_image;
use crate::studies::lens_reconstruction::{LensError, Observation};

/// Rays along the side of a pixel of the image, at which the answer is judged.
const RAYS: usize = 3;

/// The answer after one evaluation of the network, on the machine's grids.
#[derive(Clone, Debug)]
pub struct RimStep {
    /// Which evaluation, from 1.
    pub number: usize,
    /// Brightness of the source, `[y, x]`, unit of the image.
    pub source: Array2<f64>,
    /// Convergence, `[y, x]`.
    pub convergence: Array2<f64>,
    /// Lensed source through the PSF, on the machine's grids, `[y, x]`, unit of the image.
    pub model: Array2<f64>,
    /// (Data - model) / noise there; NaN where a pixel is not used.
    pub residual: Array2<f64>,
    /// `chi2` a used pixel, on the machine's grids.
    pub reduced_chi2: f64,
}

/// A finished reconstruction.
#[derive(Clone, Debug)]
pub struct RimFit {
    /// Where the grids lie on the image.
    pub frame: WorkingFrame,
    /// Every evaluation, the last one the answer.
    pub steps: Vec<RimStep>,
    /// The mass.
    pub lens: PixelLens,
    /// Grid of the source on the sky.
    pub grid: SourceGrid,
    /// The source, `[y, x]`, unit of the image, nowhere negative.
    pub source: Array2<f64>,
    /// Lensed source through the PSF, on the image, `[y, x]`.
    pub lensed_source_image: Array2<f64>,
    /// `chi2` over the used pixels of the image.
    pub chi2: f64,
    /// Used pixels of the image.
    pub pixels: usize,
    /// Evaluations of the likelihood's gradient.
    pub gradients: usize,
    /// What lies outside of what the network was trained on, one line each.
    pub concerns: Vec<String>,
}

impl RimFit {
    /// `chi2` a used pixel of the image.
    pub fn reduced_chi2(&self) -> f64 {
        self.chi2 / self.pixels.max(1) as f64
    }
}

/// What is known of the lens before the machine looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Guess {
    /// Its centre, arcsec from the image centre.
    pub centre: [f64; 2],
    /// About its Einstein radius (arcsec).
    pub einstein_radius_arcsec: f64,
}

/// Reconstructs source and convergence. `light`: the image without lens light and sky. `each` sees every step and stops the work by saying false.
///
/// # Errors
/// Stopped, or an image on which nothing can be computed.
pub fn reconstruct(
    rim: &Rim,
    observation: &Observation,
    light: &Array2<f64>,
    guess: Guess,
    domain: &Domain,
    each: &mut dyn FnMut(&WorkingFrame, &RimStep) -> bool,
) -> Result<RimFit, LensError> {
    let grids = *rim.model().grids();
    let frame = WorkingFrame::around(grids, observation, light, guess.centre, guess.einstein_radius_arcsec);
    let data = frame.bring(observation, light);
    let concerns = concerns(domain, observation, &frame, &data, guess.einstein_radius_arcsec);
    let mut steps: Vec<RimStep> = Vec::with_capacity(rim.settings.steps);
    let ran = rim.run(&data, &Device::flex(), |k, state| {
        steps.push(step(rim, &frame, &data, k + 1, state));
        each(&frame, &steps[k])
    });
    let Some(last) = steps.last().filter(|_| ran.is_some()) else { return Err(LensError::Cancelled) };
    let answer = finish(observation, light, &frame, last)?;
    Ok(RimFit { gradients: steps.len() - 1, steps, concerns, ..answer })
}

fn step(rim: &Rim, frame: &WorkingFrame, data: &PixelData, number: usize, state: &State) -> RimStep {
    let flat = |map: &Array2<f64>| map.iter().copied().collect::<Vec<f64>>();
    let image =
        rim.model().image(&flat(&state.source), &flat(&state.log_convergence), &data.blur, &mut Workspace::default());
    let shape = state.source.dim();
    let map = |values: Vec<f64>| Array2::from_shape_vec(shape, values).unwrap_or_default();
    let residual = image
        .iter()
        .zip(&data.image)
        .zip(&data.weight)
        .map(|((model, image), weight)| if *weight > 0.0 { (image - model) * weight } else { f64::NAN });
    RimStep {
        number,
        residual: map(residual.collect()),
        model: map(image.iter().map(|v| v * frame.brightness).collect()),
        reduced_chi2: state.chi2 / data.used().max(1) as f64,
        source: state.source.mapv(|s| s * frame.brightness),
        convergence: state.log_convergence.mapv(|k| 10f64.powf(k.clamp(-8.0, 4.0))),
    }
}

/// The answer on the pixels of the image.
fn finish(
    observation: &Observation,
    light: &Array2<f64>,
    frame: &WorkingFrame,
    last: &RimStep,
) -> Result<RimFit, LensError> {
    let lens = frame.lens(last.convergence.iter().copied().collect());
    let grid = frame.source_grid();
    // Brightness is not negative; the network may say so a little.
    let source = last.source.mapv(|s| s.max(0.0));
    let values: Vec<f64> = source.iter().copied().collect();
    let lensed_source_image = lensed_image(observation, &lens, &grid, &values, RAYS)?;
    let mut chi2 = 0.0;
    for (((model, light), noise), used) in
        lensed_source_image.iter().zip(light).zip(&observation.noise).zip(&observation.mask)
    {
        chi2 += if *used { ((model - light) / noise).powi(2) } else { 0.0 };
    }
    Ok(RimFit {
        frame: *frame,
        steps: Vec::new(),
        lens,
        grid,
        source,
        lensed_source_image,
        chi2,
        pixels: observation.used_pixels(),
        gradients: 0,
        concerns: Vec::new(),
    })
}
