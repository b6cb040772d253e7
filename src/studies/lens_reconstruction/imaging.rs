//! The forward model of a lens image, its components and its analytic Jacobian, on the pixels that matter.
//!
//! Light is sampled (several times a pixel where needed), averaged in each pixel, and convolved with the PSF on the pixels of the image.
//! Computed are the used pixels grown by the half-width of the PSF, also beyond the edges of the image: light from there scatters in.
//! Batches of pixels and planes are shared out among the threads of the current rayon pool; each is computed by one thread alone
//! and nothing is summed across threads, so the result has the same bits on any number of them.

use ndarray::{Array2, s};
use rayon::prelude::*;

use super::sampling::{FINEST, Pixel, Samples, level_for};
use super::scene::{AMPLITUDE, Layout, sersic_parameters};
use super::{Frame, LensError, Observation};
use crate::numerics::convolution::{Convolver, Scratch};
use crate::numerics::statistics::median;
use crate::studies::lens_models::{Deflector, PreparedLens, PreparedSersic};

/// How finely light is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Least number of samples along the side of a pixel (1 to 4 is sensible, up to 10).
    pub per_pixel_side: usize,
    /// Sample more finely where profiles are steep.
    pub adaptive: bool,
}

/// Forward model of one observation for scenes of one layout. Memory is kept between calls.
pub struct ForwardModel {
    layout: Layout,
    frame: Frame,
    shape: (usize, usize),
    sampling: Sampling,
    /// Rows and columns of the computed box.
    extent: [usize; 2],
    /// Pixels to compute.
    active: Vec<Pixel>,
    /// Used pixels: place in the box and in the image.
    used: Vec<(u32, usize)>,
    /// Data over noise and 1 / noise, for each used pixel; zero weight leaves a pixel out.
    target: Vec<f64>,
    weight: Vec<f64>,
    /// 1 / noise, whatever the weights set.
    noise_weight: Vec<f64>,
    pub(super) typical_noise: f64,
    source: Samples,
    light: Samples,
    convolver: Convolver,
    workers: Vec<Worker>,
}

/// Memory for two planes on their way through the convolution.
struct Worker {
    planes: [Vec<f64>; 2],
    blurred: [Vec<f64>; 2],
    scratch: Scratch,
}

/// What a plane holds before the convolution.
#[derive(Clone, Copy, Debug)]
enum Plane {
    /// A column of the source samples.
    Source(usize),
    /// A column of the light samples.
    Light(usize),
    /// All components.
    Everything,
    /// Nothing: what a lens without sources does to the image.
    Zero,
}

impl ForwardModel {
    /// Prepares the model of `observation`, sampled as `sampling` says (adaptively only after [`ForwardModel::adapt`]).
    ///
    /// # Errors
    /// No pixel is used.
    pub fn new(observation: &Observation, layout: Layout, sampling: Sampling) -> Result<Self, LensError> {
        let half = [observation.psf.nrows(), observation.psf.ncols()].map(|n| n / 2);
        let (rows, columns) = observation.mask.dim();
        let used: Vec<(usize, usize)> =
            observation.mask.indexed_iter().filter(|(_, m)| **m).map(|(place, _)| place).collect();
        let (Some(top), Some(bottom)) = (used.iter().map(|p| p.0).max(), used.iter().map(|p| p.0).min()) else {
            return Err(LensError::TooFewPixels { used: 0, parameters: layout.len() });
        };
        let left = used.iter().map(|p| p.1).min().unwrap_or(0);
        let right = used.iter().map(|p| p.1).max().unwrap_or(0);
        // The box is the used pixels' bounding box grown by the PSF's half-width on each side; it may reach beyond the image.
        let extent = [top - bottom + 1 + 2 * half[0], right - left + 1 + 2 * half[1]];
        let frame = observation.frame();
        let mut grown = Array2::from_elem((extent[0], extent[1]), false);
        for &(row, column) in &used {
            let (j, i) = (row - bottom, column - left);
            grown.slice_mut(s![j..=j + 2 * half[0], i..=i + 2 * half[1]]).fill(true);
        }
        let active: Vec<Pixel> = grown
            .indexed_iter()
            .filter(|(_, a)| **a)
            .map(|((j, i), _)| Pixel {
                index: (j * extent[1] + i) as u32,
                x: frame.x((i + left) as f64 - half[1] as f64),
                y: frame.y((j + bottom) as f64 - half[0] as f64),
            })
            .collect();
        let weight: Vec<f64> = used.iter().map(|&p| 1.0 / observation.noise[p]).collect();
        let target = used.iter().zip(&weight).map(|(&p, w)| observation.data[p] * w).collect();
        let typical_noise = median(&mut weight.iter().map(|w| 1.0 / w).collect::<Vec<_>>()).unwrap_or(1.0);
        let places = used
            .iter()
            .map(|&(row, column)| {
                let boxed = (row - bottom + half[0]) * extent[1] + column - left + half[1];
                (boxed as u32, row * columns + column)
            })
            .collect();
        let step = frame.pixel_scale_arcsec;
        let plain = Samples::new(&active, step, |_| sampling.per_pixel_side);
        Ok(Self {
            layout,
            frame,
            shape: (rows, columns),
            sampling,
            extent,
            source: plain.clone(),
            light: plain,
            active,
            used: places,
            target,
            noise_weight: weight.clone(),
            weight,
            typical_noise,
            convolver: Convolver::new(&observation.psf, extent),
            workers: Vec::new(),
        })
    }

    /// How parameters lie in a vector.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Number of used pixels.
    pub fn pixels(&self) -> usize {
        self.used.len()
    }

    /// Data over noise of every used pixel.
    pub fn target(&self) -> &[f64] {
        &self.target
    }

    /// 1 / noise of every used pixel, times the weights set.
    pub fn weight(&self) -> &[f64] {
        &self.weight
    }

    /// Replaces data over noise and weight of every used pixel: for residuals of a first fit, or to leave pixels out.
    pub fn set_target_and_weight(&mut self, target: &[f64], weight: &[f64]) {
        self.target.copy_from_slice(target);
        self.weight.copy_from_slice(weight);
    }

    /// Residuals (data less model, as weighted) of the used pixels in sigma of the noise map, whatever the weights set.
    /// NaN in a pixel of zero weight.
    pub fn unweighted(&self, residuals: impl IntoIterator<Item = f64>) -> impl Iterator<Item = f64> {
        residuals.into_iter().zip(self.weight.iter().zip(&self.noise_weight)).map(|(residual, (set, noise))| {
            if set.to_bits() == noise.to_bits() { residual } else { residual * noise / set }
        })
    }

    /// Number of samples of lensed and of unlensed light.
    pub fn samples(&self) -> [usize; 2] {
        [self.source.len(), self.light.len()]
    }

    /// Chooses the sampling anew for these parameters. It then stays, so that the model is a smooth function of its parameters.
    pub fn adapt(&mut self, parameters: &[f64]) {
        if !self.sampling.adaptive {
            return;
        }
        let (lens, sources, lights) = self.prepare(parameters);
        let step = self.frame.pixel_scale_arcsec;
        let (noise, least) = (self.typical_noise, self.sampling.per_pixel_side);
        let level = |components: &[PreparedSersic], x: f64, y: f64, footprint: f64| {
            components
                .iter()
                .map(|c| {
                    // The pixel's nearest point counts, but within a pixel of the centre no less than a third of its size.
                    let radius = (c.elliptical_radius(x, y) - 0.5 * footprint).max(0.3 * footprint);
                    let (brightness, steepness) = c.brightness_and_steepness(radius);
                    level_for(brightness, steepness, footprint, noise, least)
                })
                .max()
                .unwrap_or(least)
        };
        self.source = Samples::new(&self.active, step, |pixel| {
            let [xx, xy, yy] = lens.hessian(pixel.x, pixel.y);
            let (mean, half) = (1.0 - 0.5 * (xx + yy), (0.5 * (xx - yy)).hypot(xy));
            // A pixel's size in the source plane: at most a few pixels, except at the singular centre of the lens, where it is all of the cut.
            let stretch = (mean.abs() + half).min(100.0);
            let [x, y] = lens.source_from_image(pixel.x, pixel.y);
            level(&sources, x, y, step * stretch)
        });
        self.light = Samples::new(&self.active, step, |pixel| level(&lights, pixel.x, pixel.y, step));
    }

    fn prepare(&self, p: &[f64]) -> (PreparedLens, Vec<PreparedSersic>, Vec<PreparedSersic>) {
        // Less than half the distance of the finest samples: beyond the first of them the profile is as it was.
        let softening = 0.4 / FINEST as f64 * self.frame.pixel_scale_arcsec;
        let component = |k: usize| PreparedSersic::new(sersic_parameters(self.layout, p, k)).softened(softening);
        (
            PreparedLens::new(self.layout.lens, p),
            (0..self.layout.sources).map(component).collect(),
            (self.layout.sources..self.layout.components()).map(component).collect(),
        )
    }

    /// The image in the used pixels, divided by the noise, for given amplitudes: `out` has one value a used pixel.
    pub fn model(&mut self, parameters: &[f64], out: &mut [f64]) {
        let (lens, sources, lights) = self.prepare(parameters);
        self.source.each(|b| b.source_values(&lens, &sources));
        self.light.each(|b| b.light_values(&lights));
        self.blur(&[Plane::Everything], out);
        let sky = parameters[self.layout.sky()];
        for (value, weight) in out.iter_mut().zip(&self.weight) {
            *value += sky * weight;
        }
    }

    /// Every component with amplitude 1, then a sky of 1, divided by the noise: `out` is `[component, used pixel]`.
    pub fn components(&mut self, parameters: &[f64], out: &mut [f64]) {
        let (lens, sources, lights) = self.prepare(parameters);
        let unit = |c: &PreparedSersic| c.with_amplitude(1.0);
        let sources: Vec<_> = sources.iter().map(unit).collect();
        let lights: Vec<_> = lights.iter().map(unit).collect();
        self.source.each(|b| b.source_values(&lens, &sources));
        self.light.each(|b| b.light_values(&lights));
        let planes: Vec<Plane> =
            (0..self.layout.sources).map(Plane::Source).chain((0..self.layout.lights).map(Plane::Light)).collect();
        let split = planes.len() * self.used.len();
        self.blur(&planes, &mut out[..split]);
        out[split..split + self.used.len()].copy_from_slice(&self.weight);
    }

    /// Derivatives of the image, divided by the noise, with respect to the parameters listed: `out` is `[listed, used pixel]`.
    /// The derivative with respect to an amplitude is the component of amplitude 1.
    pub fn jacobian(&mut self, parameters: &[f64], listed: &[usize], out: &mut [f64]) {
        let (lens, sources, lights) = self.prepare(parameters);
        let first_light = self.layout.light(0);
        let sky = self.layout.sky();
        if listed.iter().any(|&i| i < first_light) && self.layout.sources > 0 {
            self.source.gradients(&lens, &sources);
        }
        if listed.iter().any(|&i| (first_light..sky).contains(&i)) {
            self.light.each(|b| b.light_gradients(&lights));
        }
        let pixels = self.used.len();
        let planes: Vec<Plane> = listed
            .iter()
            .filter(|&&i| i != sky)
            .map(|&i| match i {
                _ if i >= first_light => Plane::Light(i - first_light),
                _ if self.layout.sources == 0 => Plane::Zero,
                _ => Plane::Source(i),
            })
            .collect();
        // Columns of the sky need no convolution; blurred columns are written together and moved apart after.
        self.blur(&planes, &mut out[..planes.len() * pixels]);
        let mut from = planes.len();
        for (to, &i) in listed.iter().enumerate().rev() {
            if i == sky {
                out[to * pixels..(to + 1) * pixels].copy_from_slice(&self.weight);
            } else {
                from -= 1;
                out.copy_within(from * pixels..(from + 1) * pixels, to * pixels);
            }
        }
    }

    /// Half the sum of squared residuals, and its derivatives with respect to the parameters listed, written to `gradient`.
    /// By the adjoint of the blur: two convolutions, however many parameters there are. `residuals` gets model less data, over the noise.
    pub fn half_chi2_and_gradient(
        &mut self,
        parameters: &[f64],
        listed: &[usize],
        gradient: &mut [f64],
        residuals: &mut [f64],
    ) -> f64 {
        let (lens, sources, lights) = self.prepare(parameters);
        let (first_light, sky) = (self.layout.light(0), self.layout.sky());
        self.source.gradients(&lens, &sources);
        self.light.each(|b| b.light_gradients(&lights));
        let cells = self.extent[0] * self.extent[1];
        let Self { source, light, convolver, used, weight, target, layout, .. } = self;
        let mut plane = vec![0.0; cells];
        // The derivative by an amplitude is the component of amplitude 1.
        for k in 0..layout.components() {
            let place = layout.component(k) + AMPLITUDE;
            let (samples, column) = if k < layout.sources { (&*source, place) } else { (&*light, place - first_light) };
            for batch in &samples.batches {
                batch.scatter(column, parameters[place], &mut plane);
            }
        }
        let mut image = vec![0.0; cells];
        let mut scratch = Scratch::default();
        convolver.apply(&plane, &mut image, &mut scratch);
        let mut half = 0.0;
        plane.fill(0.0);
        for (((residual, (place, _)), w), t) in
            residuals.iter_mut().zip(used.iter()).zip(weight.iter()).zip(target.iter())
        {
            *residual = (image[*place as usize] + parameters[sky]) * w - t;
            half += 0.5 * *residual * *residual;
            plane[*place as usize] = *residual * w;
        }
        convolver.apply_adjoint(&plane, &mut image, &mut scratch);
        for (g, &i) in gradient.iter_mut().zip(listed) {
            *g = match i {
                _ if i == sky => residuals.iter().zip(weight.iter()).map(|(r, w)| r * w).sum(),
                _ if i >= first_light => light.batches.iter().map(|b| b.gather(i - first_light, &image)).sum(),
                // A lens without sources changes nothing.
                _ if layout.sources == 0 => 0.0,
                _ => source.batches.iter().map(|b| b.gather(i, &image)).sum(),
            };
        }
        half
    }

    /// Convolves planes, two at a time, and keeps the used pixels, divided by the noise.
    fn blur(&mut self, planes: &[Plane], out: &mut [f64]) {
        let cells = self.extent[0] * self.extent[1];
        let pixels = self.used.len();
        while self.workers.len() < planes.len().div_ceil(2) {
            let zeros = || vec![0.0; cells];
            self.workers.push(Worker {
                planes: [zeros(), zeros()],
                blurred: [zeros(), zeros()],
                scratch: Scratch::default(),
            });
        }
        let Self { source, light, convolver, used, weight, workers, layout, .. } = self;
        let fill = |plane: Plane, image: &mut [f64]| {
            image.fill(0.0);
            let mut add = |samples: &Samples, column: usize| {
                for batch in &samples.batches {
                    batch.scatter(column, 1.0, image);
                }
            };
            match plane {
                Plane::Source(column) => add(source, column),
                Plane::Light(column) => add(light, column),
                Plane::Everything => {
                    (0..layout.sources).for_each(|k| add(source, k));
                    (0..layout.lights).for_each(|k| add(light, k));
                }
                Plane::Zero => {}
            }
        };
        let gather = |image: &[f64], out: &mut [f64]| {
            for ((o, (place, _)), w) in out.iter_mut().zip(used.iter()).zip(weight.iter()) {
                *o = image[*place as usize] * w;
            }
        };
        out.par_chunks_mut(2 * pixels).zip(planes.par_chunks(2)).zip(workers.par_iter_mut()).for_each(
            |((out, pair), worker)| {
                let Worker { planes: [first, second], blurred: [blurred_first, blurred_second], scratch } = worker;
                fill(pair[0], first);
                if let Some(&other) = pair.get(1) {
                    fill(other, second);
                    convolver.apply_pair([first, second], [blurred_first, blurred_second], scratch);
                    gather(blurred_second, &mut out[pixels..]);
                } else {
                    convolver.apply(first, blurred_first, scratch);
                }
                gather(blurred_first, &mut out[..pixels]);
            },
        );
    }

    /// An image with one value a used pixel and NaN elsewhere.
    pub fn image_from_used(&self, values: impl IntoIterator<Item = f64>) -> Array2<f64> {
        let mut flat = vec![f64::NAN; self.shape.0 * self.shape.1];
        for ((_, place), value) in self.used.iter().zip(values) {
            flat[*place] = value;
        }
        // The length is the product of the shape by construction.
        Array2::from_shape_vec(self.shape, flat).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
