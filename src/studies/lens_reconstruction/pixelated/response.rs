//! What every source pixel does to every used pixel of the image: rays, then the PSF, over the noise.

use rayon::prelude::*;

use super::field::{Bending, Field, MOVED};
use super::grid::SourceGrid;
use crate::numerics::convolution::Scratch;
use crate::numerics::vectors::{add_scaled, dot};
use crate::studies::lens_models::Deflector;

/// Where every ray of every active pixel comes from, and how that changes with the lens.
pub(super) struct Traced {
    /// `[active pixel, ray]`, arcsec in the source plane.
    pub(super) positions: Vec<[f64; 2]>,
    /// Rays a pixel.
    pub(super) rays: usize,
}

impl Traced {
    pub(super) fn new(field: &Field, lens: &(impl Deflector + Sync)) -> Self {
        let offsets = field.offsets();
        let rays = offsets.len();
        let mut positions = vec![[0.0; 2]; field.active.len() * rays];
        positions.par_chunks_mut(64 * rays).zip(field.active.par_chunks(64)).for_each(|(out, cells)| {
            for (out, cell) in out.chunks_exact_mut(rays).zip(cells) {
                let [x, y] = field.centre(*cell);
                for (position, [dx, dy]) in out.iter_mut().zip(&offsets) {
                    *position = lens.source_from_image(x + dx, y + dy);
                }
            }
        });
        Self { positions, rays }
    }
}

/// A run of neighbouring source pixels of one row of the response.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u32,
    /// Where its numbers begin in `values`.
    from: u32,
    length: u32,
}

/// A row: what one used pixel sees of the source, over its noise.
#[derive(Clone, Debug, Default)]
struct Row {
    runs: Vec<Run>,
    values: Vec<f64>,
}

/// The response, `[used pixel, source pixel]`, sparse.
pub(super) struct Response {
    rows: Vec<Row>,
    /// Number of source pixels.
    pub(super) columns: usize,
}

/// Mean weights of the source pixels that the rays of one pixel see.
fn mean_weights(grid: &SourceGrid, positions: &[[f64; 2]], out: &mut Vec<(u32, f64)>) {
    out.clear();
    let share = 1.0 / positions.len() as f64;
    for [x, y] in positions {
        let Some(stencil) = grid.stencil(*x, *y) else { continue };
        for (place, weight) in stencil.places.into_iter().zip(stencil.weights) {
            if weight == 0.0 {
                continue;
            }
            match out.iter_mut().find(|(p, _)| *p == place) {
                Some((_, sum)) => *sum += share * weight,
                None => out.push((place, share * weight)),
            }
        }
    }
}

impl Response {
    pub(super) fn new(field: &Field, grid: &SourceGrid, traced: &Traced) -> Self {
        let rays = traced.rays;
        let unblurred: Vec<Vec<(u32, f64)>> = traced
            .positions
            .par_chunks(rays)
            .with_min_len(64)
            .map(|positions| {
                let mut weights = Vec::with_capacity(12);
                mean_weights(grid, positions, &mut weights);
                weights
            })
            .collect();
        // Of every cell of the box: which active pixel it is.
        let mut index = vec![u32::MAX; field.cells()];
        for (k, cell) in field.active.iter().enumerate() {
            index[*cell as usize] = k as u32;
        }
        let side = grid.side;
        let (psf_rows, psf_columns) = field.psf.dim();
        let rows = (0..field.used.len())
            .into_par_iter()
            .with_min_len(16)
            .map_init(
                || (vec![0.0; grid.len()], vec![[usize::MAX, 0]; side]),
                |(sum, reach), k| {
                    let (cell, weight) = (field.used[k].0 as usize, field.weight[k]);
                    let (row, column) = (cell / field.extent[1], cell % field.extent[1]);
                    for j in 0..psf_rows {
                        // The used pixel receives what lies the kernel's offset before it; the margin keeps that inside the box.
                        let from = (row + field.margin[0] - j) * field.extent[1];
                        for i in 0..psf_columns {
                            let blur = field.psf[[j, i]] * weight;
                            let active = index[from + column + field.margin[1] - i];
                            let Some(entries) = unblurred.get(active as usize) else { continue };
                            for (place, value) in entries {
                                let place = *place as usize;
                                sum[place] += blur * value;
                                let [least, most] = &mut reach[place / side];
                                *least = (*least).min(place);
                                *most = (*most).max(place + 1);
                            }
                        }
                    }
                    let mut out = Row::default();
                    for limits in reach.iter_mut().filter(|r| r[1] > 0) {
                        let [first, end] = *limits;
                        out.runs.push(Run {
                            first: first as u32,
                            from: out.values.len() as u32,
                            length: (end - first) as u32,
                        });
                        out.values.extend_from_slice(&sum[first..end]);
                        sum[first..end].fill(0.0);
                        *limits = [usize::MAX, 0];
                    }
                    out
                },
            )
            .collect();
        Self { rows, columns: grid.len() }
    }

    /// The image of a source, over the noise: one value a used pixel.
    pub(super) fn apply(&self, source: &[f64], out: &mut [f64]) {
        out.par_iter_mut().zip(&self.rows).with_min_len(64).for_each(|(value, row)| *value = row.dot(source));
    }

    /// The transpose.
    pub(super) fn apply_transpose(&self, image: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for (row, factor) in self.rows.iter().zip(image) {
            for run in &row.runs {
                let first = run.first as usize;
                let values = row.values_of(run);
                add_scaled(&mut out[first..first + values.len()], values, *factor);
            }
        }
    }

    /// How much each source pixel is seen: its column's sum of squares.
    pub(super) fn squares(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.columns];
        for row in &self.rows {
            for run in &row.runs {
                for (sum, value) in out[run.first as usize..].iter_mut().zip(row.values_of(run)) {
                    *sum += value * value;
                }
            }
        }
        out
    }

    /// `M^T M` on and below the diagonal, column by column, into a column-major `columns * columns` slice (above: zero).
    /// Every column is summed by one thread in the order of the pixels, so that the bits do not depend on the threads.
    pub(super) fn normal_matrix(&self, out: &mut [f64]) {
        const BLOCK: usize = 24;
        let n = self.columns;
        out.par_chunks_mut(BLOCK * n).enumerate().for_each(|(block, columns)| {
            columns.fill(0.0);
            let (begin, end) = (block * BLOCK, (block * BLOCK + BLOCK).min(n));
            for row in &self.rows {
                // The runs ascend; those that end before the block say nothing about it.
                let skip = row.runs.partition_point(|run| (run.first + run.length) as usize <= begin);
                for (at, run) in row.runs.iter().enumerate().skip(skip) {
                    let first = run.first as usize;
                    if first >= end {
                        break;
                    }
                    let values = row.values_of(run);
                    for column in begin.max(first)..end.min(first + values.len()) {
                        let factor = values[column - first];
                        let target = &mut columns[(column - begin) * n..(column - begin + 1) * n];
                        let below = &values[column - first..];
                        add_scaled(&mut target[column..column + below.len()], below, factor);
                        for later in &row.runs[at + 1..] {
                            let values = row.values_of(later);
                            let start = later.first as usize;
                            add_scaled(&mut target[start..start + values.len()], values, factor);
                        }
                    }
                }
            }
        });
    }
}

impl Row {
    #[inline(always)]
    fn values_of(&self, run: &Run) -> &[f64] {
        &self.values[run.from as usize..(run.from + run.length) as usize]
    }

    fn dot(&self, source: &[f64]) -> f64 {
        let mut sum = 0.0;
        for run in &self.runs {
            sum += dot(self.values_of(run), &source[run.first as usize..]);
        }
        sum
    }
}

/// Derivatives of the image of a source by the parameters of the lens, over the noise: `[parameter, used pixel]`.
pub(super) fn lens_jacobian(
    field: &Field,
    grid: &SourceGrid,
    source: &[f64],
    lens: &Bending,
    traced: &Traced,
) -> Vec<f64> {
    let (pixels, cells) = (field.used.len(), field.cells());
    let offsets = field.offsets();
    let share = 1.0 / traced.rays as f64;
    let slopes: Vec<[f64; MOVED]> = traced
        .positions
        .par_chunks(traced.rays)
        .zip(&field.active)
        .with_min_len(64)
        .map(|(positions, cell)| {
            let [x, y] = field.centre(*cell);
            let mut sum = [0.0; MOVED];
            for ([bx, by], [dx, dy]) in positions.iter().zip(&offsets) {
                let (_, [sx, sy]) = grid.value_and_slope(source, *bx, *by);
                if sx == 0.0 && sy == 0.0 {
                    continue;
                }
                // The source moves against the deflection.
                for (sum, [gx, gy]) in sum.iter_mut().zip(lens.gradient([x + dx, y + dy])) {
                    *sum -= share * (sx * gx + sy * gy);
                }
            }
            sum
        })
        .collect();
    let mut out = vec![0.0; MOVED * pixels];
    out.par_chunks_mut(pixels).enumerate().for_each(|(parameter, out)| {
        let (mut plane, mut blurred) = (vec![0.0; cells], vec![0.0; cells]);
        for (cell, slope) in field.active.iter().zip(&slopes) {
            plane[*cell as usize] = slope[parameter];
        }
        field.convolver.apply(&plane, &mut blurred, &mut Scratch::default());
        for ((value, (cell, _)), weight) in out.iter_mut().zip(&field.used).zip(&field.weight) {
            *value = blurred[*cell as usize] * weight;
        }
    });
    out
}
