//! Deflection of a convergence given in pixels: a convolution, by FFT without wrap-around, and its adjoint.
//!
//! The kernel is `d / |d|^2` between pixel centres. What it misses, the gradient of the convergence across the pixel in which the ray itself lies,
//! is `-(h^2 / 2 pi) grad kappa`; a difference stencil of fourth order for it is folded into the kernel, which costs nothing
//! and brings the error on a smooth map from 1e-3 to 1e-6 arcsec.

use std::f64::consts::PI;
use std::sync::Arc;

use ndarray::{Array2, ArrayRef2};
use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};

/// The deflection of convergence maps of one shape and pixel size. Mass outside of the map does not deflect.
pub struct PixelDeflection {
    rows: usize,
    columns: usize,
    /// Padded sides.
    tall: usize,
    wide: usize,
    /// Transform of `k_x + i k_y`, over the number of padded pixels; `[column, row]`.
    kernel: Vec<Complex64>,
    /// Transform of `-(k_x - i k_y)`, likewise.
    adjoint: Vec<Complex64>,
    forward: [Arc<dyn Fft<f64>>; 2],
    inverse: [Arc<dyn Fft<f64>>; 2],
}

/// Memory for one transform; keep it between calls.
#[derive(Default)]
pub struct DeflectionScratch {
    wide: Vec<Complex64>,
    tall: Vec<Complex64>,
    fft: Vec<Complex64>,
}

impl PixelDeflection {
    /// For maps of `[rows, columns]` pixels of side `step` (arcsec).
    pub fn new([rows, columns]: [usize; 2], step: f64) -> Self {
        let [tall, wide] = [rows, columns].map(|n| fast_length(2 * n));
        let mut planner = FftPlanner::new();
        let forward = [planner.plan_fft_forward(wide), planner.plan_fft_forward(tall)];
        let inverse = [planner.plan_fft_inverse(wide), planner.plan_fft_inverse(tall)];
        let mut out = Self { rows, columns, tall, wide, kernel: Vec::new(), adjoint: Vec::new(), forward, inverse };
        let transform = |sign: f64, conjugate: f64| {
            let mut padded = vec![Complex64::default(); tall * wide];
            for j in 0..tall {
                for i in 0..wide {
                    let [x, y] = [signed(i, wide), signed(j, tall)];
                    if x.unsigned_abs() as usize >= columns || y.unsigned_abs() as usize >= rows {
                        continue;
                    }
                    let [kx, ky] = kernel_value(x, y, step);
                    padded[j * wide + i] = Complex64::new(sign * kx, sign * conjugate * ky) / (tall * wide) as f64;
                }
            }
            let mut scratch = Vec::new();
            out.rows_then_columns(&mut padded, tall, &mut scratch)
        };
        let (kernel, adjoint) = (transform(1.0, 1.0), transform(-1.0, -1.0));
        (out.kernel, out.adjoint) = (kernel, adjoint);
        out
    }

    /// `[rows, columns]` of the maps.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Forward transform of the first `filled` rows of a padded image (the rest is zero), as `[column, row]`.
    fn rows_then_columns(
        &self,
        padded: &mut [Complex64],
        filled: usize,
        scratch: &mut Vec<Complex64>,
    ) -> Vec<Complex64> {
        let mut turned = vec![Complex64::default(); self.tall * self.wide];
        run(&self.forward[0], &mut padded[..filled * self.wide], scratch);
        for (j, row) in padded.chunks_exact(self.wide).take(filled).enumerate() {
            for (i, value) in row.iter().enumerate() {
                turned[i * self.tall + j] = *value;
            }
        }
        run(&self.forward[1], &mut turned, scratch);
        turned
    }

    /// Convolves maps `re + i im` (`rows * columns`, row by row) with a transformed kernel; the result is in the first columns of `wide`.
    fn convolve(&self, re: &[f64], im: Option<&[f64]>, kernel: &[Complex64], scratch: &mut DeflectionScratch) {
        let DeflectionScratch { wide, tall, fft } = scratch;
        let (columns, width) = (self.columns, self.wide);
        wide.resize(self.rows * width, Complex64::default());
        for j in 0..self.rows {
            let row = &mut wide[j * width..(j + 1) * width];
            let re = &re[j * columns..(j + 1) * columns];
            if let Some(im) = im {
                let im = &im[j * columns..(j + 1) * columns];
                for i in 0..columns {
                    row[i] = Complex64 { re: re[i], im: im[i] };
                }
            } else {
                for i in 0..columns {
                    row[i] = Complex64 { re: re[i], im: 0.0 };
                }
            }
            row[columns..].fill(Complex64::default());
        }
        run(&self.forward[0], wide, fft);
        tall.resize(self.tall * width, Complex64::default());
        for i in 0..width {
            tall[i * self.tall + self.rows..(i + 1) * self.tall].fill(Complex64::default());
        }
        turn(wide, self.rows, width, tall, self.tall);
        run(&self.forward[1], tall, fft);
        let n = tall.len().min(kernel.len());
        let (values, kernel) = (&mut tall[..n], &kernel[..n]);
        for i in 0..n {
            let value = values[i];
            values[i] = value * kernel[i];
        }
        run(&self.inverse[1], tall, fft);
        turn_back(tall, self.tall, self.rows, width, wide);
        run(&self.inverse[0], wide, fft);
    }

    /// Deflection `[x, y]` (arcsec) at every pixel centre, each of `rows * columns` values, row by row.
    pub fn apply(&self, convergence: &[f64], deflection: [&mut [f64]; 2], scratch: &mut DeflectionScratch) {
        let [ax, ay] = deflection;
        self.convolve(convergence, None, &self.kernel, scratch);
        for j in 0..self.rows {
            let row = &scratch.wide[j * self.wide..j * self.wide + self.columns];
            let cells = j * self.columns..(j + 1) * self.columns;
            let (ax, ay) = (&mut ax[cells.clone()], &mut ay[cells]);
            for i in 0..self.columns {
                ax[i] = row[i].re;
                ay[i] = row[i].im;
            }
        }
    }

    /// The adjoint: from derivatives by the deflection to derivatives by the convergence.
    pub fn apply_adjoint(
        &self,
        by_deflection: [&[f64]; 2],
        by_convergence: &mut [f64],
        scratch: &mut DeflectionScratch,
    ) {
        self.convolve(by_deflection[0], Some(by_deflection[1]), &self.adjoint, scratch);
        for j in 0..self.rows {
            let row = &scratch.wide[j * self.wide..j * self.wide + self.columns];
            let out = &mut by_convergence[j * self.columns..(j + 1) * self.columns];
            for i in 0..self.columns {
                out[i] = row[i].re;
            }
        }
    }

    /// Deflection maps `[x, y]` of a convergence map (arcsec). The map has the shape that this was made for.
    pub fn maps(&self, convergence: &ArrayRef2<f64>) -> [Array2<f64>; 2] {
        let values: Vec<f64> = convergence.iter().copied().collect();
        let mut out = [vec![0.0; values.len()], vec![0.0; values.len()]];
        let [x, y] = &mut out;
        self.apply(&values, [x, y], &mut DeflectionScratch::default());
        // The lengths are products of the shape by construction.
        out.map(|v| Array2::from_shape_vec((self.rows, self.columns), v).unwrap_or_default())
    }
}

/// The kernel at an offset in pixels, `[x, y]` components, times the area of a pixel over pi.
fn kernel_value(x: i64, y: i64, step: f64) -> [f64; 2] {
    let stencil = |along: i64, across: i64| match (along, across) {
        (1 | -1, 0) => along as f64 * (8.0 / 24.0),
        (2 | -2, 0) => -(along.signum() as f64) / 24.0,
        _ => 0.0,
    };
    let square = (x * x + y * y) as f64;
    if square == 0.0 {
        return [0.0; 2];
    }
    [x as f64 / square + stencil(x, y), y as f64 / square + stencil(y, x)].map(|v| v * step / PI)
}

fn signed(index: usize, length: usize) -> i64 {
    let (index, length) = (index as i64, length as i64);
    if index > length / 2 { index - length } else { index }
}

/// The next length with small factors only.
fn fast_length(least: usize) -> usize {
    (least..)
        .find(|n| {
            let mut rest = *n;
            for factor in [2, 3, 5] {
                while rest % factor == 0 {
                    rest /= factor;
                }
            }
            rest == 1
        })
        .unwrap_or(least)
}

fn run(fft: &Arc<dyn Fft<f64>>, data: &mut [Complex64], scratch: &mut Vec<Complex64>) {
    let needed = fft.get_inplace_scratch_len();
    if scratch.len() < needed {
        scratch.resize(needed, Complex64::default());
    }
    fft.process_with_scratch(data, &mut scratch[..needed]);
}

/// Side of the blocks in which images are transposed: 16 columns of 16 numbers stay in the nearest cache.
const BLOCK: usize = 16;

/// `[row, column]` to `[column, row]`, the target's columns longer than needed.
fn turn(from: &[Complex64], rows: usize, columns: usize, to: &mut [Complex64], stride: usize) {
    let mut jj = 0;
    while jj < rows {
        let mut ii = 0;
        while ii < columns {
            for i in ii..(ii + BLOCK).min(columns) {
                for j in jj..(jj + BLOCK).min(rows) {
                    to[i * stride + j] = from[j * columns + i];
                }
            }
            ii += BLOCK;
        }
        jj += BLOCK;
    }
}

/// The way back, of the first `rows` rows.
fn turn_back(from: &[Complex64], stride: usize, rows: usize, columns: usize, to: &mut [Complex64]) {
    let mut jj = 0;
    while jj < rows {
        let mut ii = 0;
        while ii < columns {
            for j in jj..(jj + BLOCK).min(rows) {
                for i in ii..(ii + BLOCK).min(columns) {
                    to[j * columns + i] = from[i * stride + j];
                }
            }
            ii += BLOCK;
        }
        jj += BLOCK;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;

    /// `kappa = 1.5 exp(-r^2 / 2 s^2)` in a field of 7.68 arcsec: largest error of the deflection.
    fn gaussian_error(n: usize) -> f64 {
        let (s, step) = (0.4, 7.68 / n as f64);
        let place = |i: usize| (i as f64 - 0.5 * (n as f64 - 1.0)) * step;
        let map = Array2::from_shape_fn((n, n), |(j, i)| {
            1.5 * (-(place(i).powi(2) + place(j).powi(2)) / (2.0 * s * s)).exp()
        });
        let [ax, ay] = PixelDeflection::new([n, n], step).maps(&map);
        let mut worst = 0.0f64;
        for j in 0..n {
            for i in 0..n {
                let (x, y) = (place(i), place(j));
                let square = x * x + y * y;
                let factor = 3.0 * s * s * (1.0 - (-square / (2.0 * s * s)).exp()) / square;
                worst = worst.max((ax[[j, i]] - factor * x).abs()).max((ay[[j, i]] - factor * y).abs());
            }
        }
        worst
    }

    #[test]
    fn a_gaussian_is_deflected_to_micro_arcseconds() {
        let (coarse, fine) = (gaussian_error(64), gaussian_error(128));
        assert!(coarse < 3e-5, "{coarse}");
        assert!(fine < 2e-6, "{fine}");
    }

    #[test]
    fn the_convolution_is_the_direct_sum() {
        let (rows, columns, step) = (5, 8, 0.3);
        let mut rng = random::stream(1, "pixels", 0);
        let map = Array2::from_shape_fn((rows, columns), |_| random::normal(&mut rng));
        let [ax, ay] = PixelDeflection::new([rows, columns], step).maps(&map);
        for j in 0..rows {
            for i in 0..columns {
                let mut sum = [0.0; 2];
                for ((l, k), value) in map.indexed_iter() {
                    let [kx, ky] = kernel_value(i as i64 - k as i64, j as i64 - l as i64, step);
                    sum[0] += kx * value;
                    sum[1] += ky * value;
                }
                assert!((ax[[j, i]] - sum[0]).abs() < 1e-14 && (ay[[j, i]] - sum[1]).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn the_adjoint_is_the_transpose() {
        let (rows, columns) = (7, 6);
        let lens = PixelDeflection::new([rows, columns], 0.1);
        let mut rng = random::stream(2, "adjoint", 0);
        let mut noise = || (0..rows * columns).map(|_| random::normal(&mut rng)).collect::<Vec<f64>>();
        let (map, gx, gy) = (noise(), noise(), noise());
        let mut scratch = DeflectionScratch::default();
        let (mut ax, mut ay, mut back) = (vec![0.0; map.len()], vec![0.0; map.len()], vec![0.0; map.len()]);
        lens.apply(&map, [&mut ax, &mut ay], &mut scratch);
        lens.apply_adjoint([&gx, &gy], &mut back, &mut scratch);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (left, right) = (dot(&ax, &gx) + dot(&ay, &gy), dot(&map, &back));
        assert!((left - right).abs() < 1e-13 * left.abs().max(1.0), "{left} {right}");
    }

    #[test]
    fn deflection_has_no_curl_and_the_divergence_of_twice_the_convergence() {
        let (n, step, s) = (96, 0.08, 0.8);
        let place = |i: usize| (i as f64 - 0.5 * (n as f64 - 1.0)) * step;
        let map = Array2::from_shape_fn((n, n), |(j, i)| {
            (-(place(i).powi(2) + (1.3 * place(j)).powi(2)) / (2.0 * s * s)).exp()
        });
        let [ax, ay] = PixelDeflection::new([n, n], step).maps(&map);
        for (j, i) in [(48, 48), (40, 55), (60, 41), (30, 48)] {
            let d = |a: &Array2<f64>, dj: usize, di: usize| {
                let at = |k: i64| a[[(j as i64 + k * dj as i64) as usize, (i as i64 + k * di as i64) as usize]];
                (8.0 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12.0 * step)
            };
            assert!((d(&ax, 1, 0) - d(&ay, 0, 1)).abs() < 1e-5);
            assert!(
                (d(&ax, 0, 1) + d(&ay, 1, 0) - 2.0 * map[[j, i]]).abs() < 2e-4,
                "{}",
                d(&ax, 0, 1) + d(&ay, 1, 0) - 2.0 * map[[j, i]]
            );
        }
    }
}
