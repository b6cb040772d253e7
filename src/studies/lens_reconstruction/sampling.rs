//! Where a pixel's brightness is sampled: a fixed grid in every pixel, finer where profiles are steep, packed into batches.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::numerics::vectors::add_scaled;
use crate::studies::lens_models::{PreparedLens, PreparedSersic, SERSIC_PARAMETERS};

/// Samples evaluated together: columns of a batch stay in the fastest caches and loops over it become vector code.
pub(super) const BATCH: usize = 128;

/// Least batches that one thread takes over from another: fewer cost more to hand over than to evaluate.
const BATCHES_PER_JOB: usize = 4;

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
    /// Packs the pixels, which come in the order of their index; `level` gives the grid a side for each.
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

    /// Does something with every batch, on the threads at hand.
    pub(super) fn each(&mut self, act: impl Fn(&mut Batch) + Send + Sync) {
        self.jobs().for_each(act);
    }

    /// The batches in jobs that are worth handing over; all at once where there is one thread, which then needs not be woken.
    fn jobs(&mut self) -> impl IndexedParallelIterator<Item = &mut Batch> {
        let alone = rayon::current_num_threads() == 1;
        let least = if alone { self.batches.len().max(1) } else { BATCHES_PER_JOB };
        self.batches.par_iter_mut().with_min_len(least)
    }

    /// Derivatives of lensed light in every batch, see [`Batch::source_gradients`].
    pub(super) fn gradients(&mut self, lens: &PreparedLens, sources: &[PreparedSersic]) {
        self.jobs()
            .for_each_init(GradientScratch::default, |scratch, batch| batch.source_gradients(lens, sources, scratch));
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
        let values = &self.out[column * pixels..(column + 1) * pixels];
        if let Some(row) = self.unbroken().and_then(|run| plane.get_mut(run)) {
            add_scaled(row, values, factor);
            return;
        }
        for (span, value) in self.spans.iter().zip(values) {
            plane[span.pixel as usize] += factor * value;
        }
    }

    /// The batch's pixels where they follow one another without a gap.
    fn unbroken(&self) -> Option<Range<usize>> {
        let (first, last) = (self.spans.first()?.pixel as usize, self.spans.last()?.pixel as usize);
        // Pixels are packed in order, so that there is a gap if they reach farther than they are many.
        (last.checked_sub(first)? + 1 == self.spans.len()).then_some(first..last + 1)
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
        let means = &mut self.out[column * pixels..(column + 1) * pixels];
        if self.x.len() == pixels {
            means.copy_from_slice(&values[..pixels]);
            return;
        }
        for (span, out) in self.spans.iter().zip(means) {
            let start = usize::from(span.start);
            let count = usize::from(span.count);
            let mut sum = 0.0;
            for value in &values[start..start + count] {
                sum += value;
            }
            *out = sum / f64::from(span.count);
        }
    }

    /// Column `k`: component `k`, not lensed.
    pub(super) fn light_values(&mut self, lights: &[PreparedSersic]) {
        self.reserve(lights.len());
        let mut values = [0.0; BATCH];
        for (k, light) in lights.iter().enumerate() {
            Arch::new().dispatch(Evaluate { light, x: &self.x, y: &self.y, values: &mut values });
            self.reduce(k, &values);
        }
    }

    /// Column `k`: source component `k`, lensed.
    pub(super) fn source_values(&mut self, lens: &PreparedLens, sources: &[PreparedSersic]) {
        self.reserve(sources.len());
        let (mut bx, mut by, mut values) = ([0.0; BATCH], [0.0; BATCH], [0.0; BATCH]);
        let n = self.x.len().min(BATCH);
        Arch::new().dispatch(Trace { lens, x: &self.x, y: &self.y, bx: &mut bx[..n], by: &mut by[..n] });
        for (k, source) in sources.iter().enumerate() {
            Arch::new().dispatch(Evaluate { light: source, x: &bx[..n], y: &by[..n], values: &mut values });
            self.reduce(k, &values);
        }
    }

    /// Columns `7 k ..`: derivatives with respect to the parameters of component `k`; that of the amplitude is the component of amplitude 1.
    pub(super) fn light_gradients(&mut self, lights: &[PreparedSersic]) {
        self.reserve(SERSIC_PARAMETERS * lights.len());
        let mut columns = [[0.0; BATCH]; SERSIC_PARAMETERS];
        let mut position = [[0.0; BATCH]; 2];
        for (k, light) in lights.iter().enumerate() {
            let (x, y) = (&self.x[..], &self.y[..]);
            Arch::new().dispatch(Differentiate { light, x, y, columns: &mut columns, position: &mut position });
            for (p, column) in columns.iter().enumerate() {
                self.reduce(SERSIC_PARAMETERS * k + p, column);
            }
        }
    }

    /// Derivatives with respect to the parameters of the lens, in order; then as [`Batch::light_gradients`] for every source component.
    pub(super) fn source_gradients(
        &mut self,
        lens: &PreparedLens,
        sources: &[PreparedSersic],
        scratch: &mut GradientScratch,
    ) {
        let lens_len = lens.parameters();
        self.reserve(lens_len + SERSIC_PARAMETERS * sources.len());
        scratch.by_lens.resize(lens_len, [[0.0; BATCH]; 2]);
        scratch.lens_columns.resize(lens_len, [0.0; BATCH]);
        for column in &mut scratch.lens_columns {
            column.fill(0.0);
        }
        let GradientScratch { by_lens, lens_columns } = scratch;
        let (mut bx, mut by) = ([0.0; BATCH], [0.0; BATCH]);
        Arch::new().dispatch(TraceWithGradient { lens, x: &self.x, y: &self.y, bx: &mut bx, by: &mut by, by_lens });
        let n = self.x.len().min(BATCH);
        let mut columns = [[0.0; BATCH]; SERSIC_PARAMETERS];
        let mut position = [[0.0; BATCH]; 2];
        for (k, source) in sources.iter().enumerate() {
            let (x, y) = (&bx[..n], &by[..n]);
            Arch::new().dispatch(Differentiate { light: source, x, y, columns: &mut columns, position: &mut position });
            Arch::new().dispatch(MoveAgainst { position: &position, by_lens, columns: lens_columns });
            for (p, column) in columns.iter().enumerate() {
                self.reduce(lens_len + SERSIC_PARAMETERS * k + p, column);
            }
        }
        for (p, column) in lens_columns.iter().enumerate() {
            self.reduce(p, column);
        }
    }
}

/// Memory for the derivatives of one batch; one a thread.
#[derive(Default)]
pub(super) struct GradientScratch {
    by_lens: Vec<[[f64; BATCH]; 2]>,
    lens_columns: Vec<[f64; BATCH]>,
}

// Loops over samples, made into vector code for whatever processor they meet (`Arch::dispatch`). No operation is fused or
// reordered by that: the results have the same bits on all of them.

struct Trace<'a> {
    lens: &'a PreparedLens,
    x: &'a [f64],
    y: &'a [f64],
    bx: &'a mut [f64],
    by: &'a mut [f64],
}

impl WithSimd for Trace<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        self.lens.trace([self.x, self.y], [self.bx, self.by]);
    }
}

struct Evaluate<'a> {
    light: &'a PreparedSersic,
    x: &'a [f64],
    y: &'a [f64],
    values: &'a mut [f64; BATCH],
}

impl WithSimd for Evaluate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for ((v, x), y) in self.values.iter_mut().zip(self.x).zip(self.y) {
            *v = self.light.value(*x, *y);
        }
    }
}

struct TraceWithGradient<'a> {
    lens: &'a PreparedLens,
    x: &'a [f64],
    y: &'a [f64],
    bx: &'a mut [f64; BATCH],
    by: &'a mut [f64; BATCH],
    by_lens: &'a mut [[[f64; BATCH]; 2]],
}

impl WithSimd for TraceWithGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        self.lens.trace_with_gradient([self.x, self.y], [self.bx, self.by], self.by_lens);
    }
}

/// Derivatives by the parameters of a component, and by the position.
struct Differentiate<'a> {
    light: &'a PreparedSersic,
    x: &'a [f64],
    y: &'a [f64],
    columns: &'a mut [[f64; BATCH]; SERSIC_PARAMETERS],
    position: &'a mut [[f64; BATCH]; 2],
}

impl WithSimd for Differentiate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for (i, (x, y)) in self.x.iter().zip(self.y).enumerate().take(BATCH) {
            let gradient = self.light.gradient(*x, *y);
            for p in 0..SERSIC_PARAMETERS {
                self.columns[p][i] = gradient.parameters[p];
            }
            self.position[0][i] = gradient.position[0];
            self.position[1][i] = gradient.position[1];
        }
    }
}

/// The source moves against the deflection.
struct MoveAgainst<'a> {
    position: &'a [[f64; BATCH]; 2],
    by_lens: &'a [[[f64; BATCH]; 2]],
    columns: &'a mut [[f64; BATCH]],
}

impl WithSimd for MoveAgainst<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let [px, py] = self.position;
        for (column, [gx, gy]) in self.columns.iter_mut().zip(self.by_lens) {
            for ((((c, px), py), gx), gy) in column.iter_mut().zip(px).zip(py).zip(gx).zip(gy) {
                *c -= px * gx + py * gy;
            }
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
