//! Where a pixel's brightness is sampled: a fixed grid in every pixel, finer where profiles are steep, packed into batches.

use crate::studies::lens_models::{Deflector, LENS_PARAMETERS, PreparedLens, PreparedSersic, SERSIC_PARAMETERS};

/// Samples evaluated together: columns of a batch stay in the fastest caches and loops over it become vector code.
pub(super) const BATCH: usize = 128;

/// Finest grid in a pixel, a side. Its square must fit a batch.
pub(super) const FINEST: usize = 10;

/// Grids a side that are used.
const LEVELS: [usize; 8] = [1, 2, 3, 4, 5, 6, 8, FINEST];

/// Sampling error of a pixel that is aimed at, in units of the noise; the PSF averages over several pixels and lowers it further.
const TOLERATED_SIGMA: f64 = 0.1;

/// Samples of one pixel within a batch.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// Index of the pixel in the computed box.
    pixel: u32,
    start: u16,
    count: u16,
}

/// A few pixels with all their samples, and room for what is computed from them.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    x: Vec<f64>,
    y: Vec<f64>,
    spans: Vec<Span>,
    /// Pixel means, `[column, span]`.
    out: Vec<f64>,
}

/// All samples of one kind of light.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    pub(super) batches: Vec<Batch>,
}

/// A pixel to be sampled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pixel {
    pub(super) index: u32,
    pub(super) x: f64,
    pub(super) y: f64,
}

impl Samples {
    /// Packs the pixels; `level` gives the grid a side for each.
    pub(super) fn new(pixels: &[Pixel], step: f64, level: impl Fn(&Pixel) -> usize) -> Self {
        let empty =
            || Batch { x: Vec::with_capacity(BATCH), y: Vec::with_capacity(BATCH), spans: Vec::new(), out: Vec::new() };
        let mut batches = Vec::new();
        let mut batch = empty();
        for pixel in pixels {
            let side = level(pixel).clamp(1, FINEST);
            if batch.x.len() + side * side > BATCH {
                batches.push(std::mem::replace(&mut batch, empty()));
            }
            let start = batch.x.len() as u16;
            let offset = |i: usize| ((i as f64 + 0.5) / side as f64 - 0.5) * step;
            for j in 0..side {
                for i in 0..side {
                    batch.x.push(pixel.x + offset(i));
                    batch.y.push(pixel.y + offset(j));
                }
            }
            batch.spans.push(Span { pixel: pixel.index, start, count: (side * side) as u16 });
        }
        if !batch.spans.is_empty() {
            batches.push(batch);
        }
        Self { batches }
    }

    /// Number of samples.
    pub(super) fn len(&self) -> usize {
        self.batches.iter().map(|b| b.x.len()).sum()
    }
}

/// Grid a side that keeps the midpoint rule's error, `(h / side)^2 / 24` times the second derivative, below a fraction of the noise.
pub(super) fn level_for(brightness: f64, steepness: f64, footprint: f64, noise: f64, least: usize) -> usize {
    let need = footprint * steepness * (brightness / (24.0 * TOLERATED_SIGMA * noise)).max(0.0).sqrt();
    LEVELS.into_iter().find(|&l| l >= least && l as f64 >= need).unwrap_or(FINEST)
}

impl Batch {
    /// Adds `factor` times column `column` into an image of the computed box.
    pub(super) fn scatter(&self, column: usize, factor: f64, plane: &mut [f64]) {
        let pixels = self.spans.len();
        for (span, value) in self.spans.iter().zip(&self.out[column * pixels..(column + 1) * pixels]) {
            plane[span.pixel as usize] += factor * value;
        }
    }

    /// Sum over the batch's pixels of column `column` times an image of the computed box.
    pub(super) fn gather(&self, column: usize, plane: &[f64]) -> f64 {
        let pixels = self.spans.len();
        let values = &self.out[column * pixels..(column + 1) * pixels];
        self.spans.iter().zip(values).map(|(span, value)| plane[span.pixel as usize] * value).sum()
    }

    fn reserve(&mut self, columns: usize) {
        let need = columns * self.spans.len();
        if self.out.len() < need {
            self.out.resize(need, 0.0);
        }
    }

    fn reduce(&mut self, column: usize, values: &[f64; BATCH]) {
        let pixels = self.spans.len();
        for (span, out) in self.spans.iter().zip(&mut self.out[column * pixels..(column + 1) * pixels]) {
            let start = usize::from(span.start);
            let count = usize::from(span.count);
            *out = values[start..start + count].iter().sum::<f64>() / f64::from(span.count);
        }
    }

    /// Column `k`: component `k`, not lensed.
    pub(super) fn light_values(&mut self, lights: &[PreparedSersic]) {
        self.reserve(lights.len());
        let mut values = [0.0; BATCH];
        for (k, light) in lights.iter().enumerate() {
            for ((v, x), y) in values.iter_mut().zip(&self.x).zip(&self.y) {
                *v = light.value(*x, *y);
            }
            self.reduce(k, &values);
        }
    }

    /// Column `k`: source component `k`, lensed.
    pub(super) fn source_values(&mut self, lens: &PreparedLens, sources: &[PreparedSersic]) {
        self.reserve(sources.len());
        let (mut bx, mut by, mut values) = ([0.0; BATCH], [0.0; BATCH], [0.0; BATCH]);
        for (((bx, by), x), y) in bx.iter_mut().zip(&mut by).zip(&self.x).zip(&self.y) {
            [*bx, *by] = lens.source_from_image(*x, *y);
        }
        let n = self.x.len();
        for (k, source) in sources.iter().enumerate() {
            for ((v, x), y) in values.iter_mut().zip(&bx[..n]).zip(&by[..n]) {
                *v = source.value(*x, *y);
            }
            self.reduce(k, &values);
        }
    }

    /// Columns `7 k ..`: derivatives with respect to the parameters of component `k`; that of the amplitude is the component of amplitude 1.
    pub(super) fn light_gradients(&mut self, lights: &[PreparedSersic]) {
        self.reserve(SERSIC_PARAMETERS * lights.len());
        let mut columns = [[0.0; BATCH]; SERSIC_PARAMETERS];
        for (k, light) in lights.iter().enumerate() {
            for (i, (x, y)) in self.x.iter().zip(&self.y).enumerate().take(BATCH) {
                let gradient = light.gradient(*x, *y);
                for (column, value) in columns.iter_mut().zip(gradient.parameters) {
                    column[i] = value;
                }
            }
            for (p, column) in columns.iter().enumerate() {
                self.reduce(SERSIC_PARAMETERS * k + p, column);
            }
        }
    }

    /// Columns `0..7`: derivatives with respect to the lens; then as [`Batch::light_gradients`] for every source component.
    pub(super) fn source_gradients(&mut self, lens: &PreparedLens, sources: &[PreparedSersic]) {
        self.reserve(LENS_PARAMETERS + SERSIC_PARAMETERS * sources.len());
        let (mut bx, mut by) = ([0.0; BATCH], [0.0; BATCH]);
        let mut by_lens = [[[0.0; BATCH]; 2]; LENS_PARAMETERS];
        let mut lens_columns = [[0.0; BATCH]; LENS_PARAMETERS];
        let mut columns = [[0.0; BATCH]; SERSIC_PARAMETERS];
        for (i, (x, y)) in self.x.iter().zip(&self.y).enumerate().take(BATCH) {
            let (alpha, gradient) = lens.deflection_with_gradient(*x, *y);
            bx[i] = x - alpha[0];
            by[i] = y - alpha[1];
            for (column, g) in by_lens.iter_mut().zip(gradient) {
                column[0][i] = g[0];
                column[1][i] = g[1];
            }
        }
        let n = self.x.len().min(BATCH);
        for (k, source) in sources.iter().enumerate() {
            for i in 0..n {
                let gradient = source.gradient(bx[i], by[i]);
                for (column, value) in columns.iter_mut().zip(gradient.parameters) {
                    column[i] = value;
                }
                // The source moves against the deflection.
                for (column, g) in lens_columns.iter_mut().zip(&by_lens) {
                    column[i] -= gradient.position[0] * g[0][i] + gradient.position[1] * g[1][i];
                }
            }
            for (p, column) in columns.iter().enumerate() {
                self.reduce(LENS_PARAMETERS + SERSIC_PARAMETERS * k + p, column);
            }
        }
        for (p, column) in lens_columns.iter().enumerate() {
            self.reduce(p, column);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::Sersic;

    #[test]
    fn every_pixel_is_sampled_once_and_its_mean_is_kept() {
        let pixels: Vec<Pixel> = (0..300).map(|i| Pixel { index: i, x: f64::from(i) * 0.1, y: 0.0 }).collect();
        let mut samples = Samples::new(&pixels, 0.1, |p| (p.index as usize % 12) + 1);
        assert!(samples.batches.iter().all(|b| b.x.len() <= BATCH));
        let light = Sersic { x_arcsec: 15.0, effective_radius_arcsec: 4.0, ..Sersic::default() }.prepare();
        let mut plane = vec![0.0; 300];
        for batch in &mut samples.batches {
            batch.light_values(&[light]);
            batch.scatter(0, 2.0, &mut plane);
        }
        for pixel in &pixels {
            let expected = 2.0 * light.value(pixel.x, pixel.y);
            assert!((plane[pixel.index as usize] / expected - 1.0).abs() < 0.05);
        }
    }

    #[test]
    fn steep_and_bright_means_fine() {
        assert_eq!(level_for(1.0, 0.1, 0.05, 1.0, 1), 1);
        assert_eq!(level_for(1.0, 0.1, 0.05, 1.0, 3), 3);
        assert_eq!(level_for(1e4, 20.0, 0.05, 1.0, 1), FINEST);
        assert!(level_for(100.0, 10.0, 0.05, 1.0, 1) > level_for(1.0, 10.0, 0.05, 1.0, 1));
    }
}
