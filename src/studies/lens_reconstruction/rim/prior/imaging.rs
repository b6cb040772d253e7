//! Images of a pixelated source through a pixelated convergence.

use ndarray::Array2;

use super::{FIELD_ARCSEC, SOURCE_FIELD_ARCSEC};
use crate::numerics::convolution::{Convolver, Method, Scratch};
use crate::numerics::special::gamma_p;
use crate::studies::lens_models::{DeflectionScratch, PixelDeflection};
use crate::studies::lens_reconstruction::pixelated::SourceGrid;

/// Traces rays and makes images, for one number of pixels.
pub struct Camera {
    pixels: usize,
    step: f64,
    rays: usize,
    deflection: PixelDeflection,
    grid: SourceGrid,
}

/// What decides whether an example is used.
#[derive(Clone, Copy, Debug)]
pub struct Cuts {
    /// Area of the image brighter than 0.1 over that of the source.
    pub magnification: f64,
    /// Area of the source brighter than 0.1 (arcsec^2).
    pub source_area: f64,
    /// Greatest brightness within 0.3 arcsec of the edge of the image.
    pub edge: f64,
}

/// Brightness above which a pixel is counted.
const BRIGHT: f64 = 0.1;
/// Width of the edge: 5 pixels of 0.06 arcsec.
const EDGE_ARCSEC: f64 = 0.3;

impl Cuts {
    /// The paper's: magnified threefold, not cut off by the edge, and at least 10 of its source pixels (3 / 128 arcsec) bright.
    /// The fourth, somewhere a convergence above 1, holds for every mass of a given Einstein radius.
    pub fn pass(&self) -> bool {
        self.magnification >= 3.0
            && self.edge <= 0.2
            && self.source_area >= 10.0 * (SOURCE_FIELD_ARCSEC / 128.0).powi(2)
    }
}

impl Camera {
    /// For images of `pixels` along each side, each the mean of `rays` x `rays` rays.
    pub fn new(pixels: usize, rays: usize) -> Self {
        let step = FIELD_ARCSEC / pixels as f64;
        let grid = SourceGrid { centre: [0.0; 2], pixel: SOURCE_FIELD_ARCSEC / pixels as f64, side: pixels };
        Self { pixels, step, rays, deflection: PixelDeflection::new([pixels, pixels], step), grid }
    }

    /// Where every ray comes from, row by row over all rays of the image (arcsec in the source plane): deflection of the convergence
    /// at pixel centres, bilinear between them, linear beyond the outermost.
    pub fn trace(&self, convergence: &[f64]) -> Vec<[f64; 2]> {
        let n = self.pixels;
        let (mut ax, mut ay) = (vec![0.0; n * n], vec![0.0; n * n]);
        self.deflection.apply(convergence, [&mut ax, &mut ay], &mut DeflectionScratch::default());
        let wide = n * self.rays;
        let place = |k: usize| ((k as f64 + 0.5) / self.rays as f64 - 0.5 * n as f64) * self.step;
        let stencils: Vec<(usize, f64)> = (0..wide).map(|k| self.between(k)).collect();
        // Along x once a row of pixels, then along y once a row of rays.
        let along = |map: &[f64]| -> Vec<f64> {
            let mut out = Vec::with_capacity(n * wide);
            for row in map.chunks_exact(n) {
                out.extend(stencils.iter().map(|(i, w)| row[*i] + w * (row[i + 1] - row[*i])));
            }
            out
        };
        let (ax, ay) = (along(&ax), along(&ay));
        let mut out = Vec::with_capacity(wide * wide);
        for (l, (j, w)) in stencils.iter().enumerate() {
            let y = place(l);
            let (low, high) = (j * wide, (j + 1) * wide);
            for k in 0..wide {
                let bend = |map: &[f64]| map[low + k] + w * (map[high + k] - map[low + k]);
                out.push([place(k) - bend(&ax), y - bend(&ay)]);
            }
        }
        out
    }

    /// Of a ray: the pixel before it, and how far it is beyond that pixel's centre; outside the outermost centres, less than 0 or more than 1.
    fn between(&self, ray: usize) -> (usize, f64) {
        let at = (ray as f64 + 0.5) / self.rays as f64 - 0.5;
        let low = (at.floor().max(0.0) as usize).min(self.pixels - 2);
        (low, at - low as f64)
    }

    /// Image of a source (row by row, `pixels` x `pixels`) seen along traced rays, through a Gaussian PSF, without noise.
    pub fn image(&self, rays: &[[f64; 2]], source: &[f64], psf_fwhm_arcsec: f64) -> Vec<f64> {
        let n = self.pixels;
        let mut sharp = vec![0.0; n * n];
        for (l, line) in rays.chunks_exact(n * self.rays).enumerate() {
            let row = &mut sharp[l / self.rays * n..(l / self.rays + 1) * n];
            for (out, rays) in row.iter_mut().zip(line.chunks_exact(self.rays)) {
                *out += rays.iter().map(|[x, y]| self.grid.value_and_slope(source, *x, *y).0).sum::<f64>();
            }
        }
        let share = 1.0 / (self.rays * self.rays) as f64;
        sharp.iter_mut().for_each(|v| *v *= share);
        let kernel = pixel_gaussian(psf_fwhm_arcsec, self.step);
        let mut out = vec![0.0; n * n];
        Convolver::with_method(&kernel, [n, n], Method::Separable).apply(&sharp, &mut out, &mut Scratch::default());
        out
    }

    /// The measures of the cuts, of a noiseless image and its source.
    pub fn cuts(&self, image: &[f64], source: &[f64]) -> Cuts {
        let n = self.pixels;
        let bright = |values: &[f64]| values.iter().filter(|v| **v > BRIGHT).count() as f64;
        let source_area = bright(source) * self.grid.pixel * self.grid.pixel;
        let width = (EDGE_ARCSEC / self.step).ceil() as usize;
        let near = |k: usize| k < width || k >= n - width;
        let edge = image.iter().enumerate().filter(|(k, _)| near(k % n) || near(k / n));
        Cuts {
            magnification: bright(image) * self.step * self.step / source_area.max(1e-9),
            source_area,
            edge: edge.map(|(_, v)| *v).fold(0.0, f64::max),
        }
    }
}

/// A round Gaussian of this full width at half maximum, integrated over pixels of side `step` out to five standard deviations; sum 1.
pub fn pixel_gaussian(fwhm_arcsec: f64, step: f64) -> Array2<f64> {
    let sigma = fwhm_arcsec / step / (8.0 * std::f64::consts::LN_2).sqrt();
    let half = (5.0 * sigma).ceil().max(1.0) as usize;
    let below = |edge: f64| {
        let z = edge / (sigma.max(1e-9) * std::f64::consts::SQRT_2);
        z.signum() * gamma_p(0.5, z * z)
    };
    let part = |k: usize| {
        let at = k as f64 - half as f64;
        0.5 * (below(at + 0.5) - below(at - 0.5))
    };
    let parts: Vec<f64> = (0..=2 * half).map(part).collect();
    let sum: f64 = parts.iter().sum();
    Array2::from_shape_fn((parts.len(), parts.len()), |(j, i)| parts[j] * parts[i] / (sum * sum))
}
