//! Two-dimensional convolution of an image with a small kernel: output as large as the image, zero outside.
//!
//! `out[y, x] = sum_{j, i} kernel[j, i] * image[y - (j - cy), x - (i - cx)]` with `(cy, cx)` the kernel's centre (`n / 2`).
//! Three ways, and the cheapest is taken: separable (kernels of rank one, as Gaussians are), direct, and Fourier.

use std::sync::Arc;

use ndarray::ArrayRef2;
use pulp::Arch;
use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};

use super::shifted_sum::{Rows, ShiftedSum};

/// Which way a [`Convolver`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Along columns, then along rows.
    Separable,
    /// The double sum.
    Direct,
    /// Zero-padded fast Fourier transforms, two images in one complex transform.
    Fourier,
}

/// A convolution with one kernel of images of one shape, prepared once.
#[derive(Clone)]
pub struct Convolver {
    height: usize,
    width: usize,
    plan: Plan,
}

#[derive(Clone)]
enum Plan {
    Separable { column: Taps, row: Taps },
    Direct { kernel: Vec<f64>, rows: usize, columns: usize },
    Fourier(Box<FourierPlan>),
}

#[derive(Clone)]
struct Taps {
    weights: Vec<f64>,
    centre: usize,
}

#[derive(Clone)]
struct FourierPlan {
    rows: usize,
    columns: usize,
    /// Transform of the kernel, transposed `[column, row]`, divided by the number of cells.
    kernel: Vec<Complex64>,
    along_row: Arc<dyn Fft<f64>>,
    along_row_back: Arc<dyn Fft<f64>>,
    along_column: Arc<dyn Fft<f64>>,
    along_column_back: Arc<dyn Fft<f64>>,
}

/// Working memory of a [`Convolver`]; one a thread.
#[derive(Clone, Default)]
pub struct Scratch {
    /// An image with columns of zeros beside it; its height, width and the columns on each side.
    real: Vec<f64>,
    room: [usize; 3],
    grid: Vec<Complex64>,
    turned: Vec<Complex64>,
    fft: Vec<Complex64>,
}

impl Convolver {
    /// Prepares the cheapest way to convolve images of `shape` (`[rows, columns]`) with `kernel` (`[y, x]`).
    pub fn new(kernel: &ArrayRef2<f64>, shape: [usize; 2]) -> Self {
        let method = Self::cheapest(kernel, shape);
        Self::with_method(kernel, shape, method)
    }

    /// Prepares one particular way. A kernel that is not of rank one is never treated as separable: it falls back to direct.
    pub fn with_method(kernel: &ArrayRef2<f64>, shape: [usize; 2], method: Method) -> Self {
        let [height, width] = shape;
        let direct =
            || Plan::Direct { kernel: kernel.iter().copied().collect(), rows: kernel.nrows(), columns: kernel.ncols() };
        let plan = match method {
            Method::Separable => separate(kernel).map_or_else(direct, |(column, row)| Plan::Separable {
                column: Taps { centre: column.len() / 2, weights: column },
                row: Taps { centre: row.len() / 2, weights: row },
            }),
            Method::Direct => direct(),
            Method::Fourier => Plan::Fourier(Box::new(FourierPlan::new(kernel, shape))),
        };
        Self { height, width, plan }
    }

    /// The method in use.
    pub fn method(&self) -> Method {
        match self.plan {
            Plan::Separable { .. } => Method::Separable,
            Plan::Direct { .. } => Method::Direct,
            Plan::Fourier(_) => Method::Fourier,
        }
    }

    /// Multiplications per pixel decide; the weights were measured on one core without wide vectors.
    fn cheapest(kernel: &ArrayRef2<f64>, [height, width]: [usize; 2]) -> Method {
        if separate(kernel).is_some() {
            return Method::Separable;
        }
        let direct = kernel.len() as f64 * (height * width) as f64;
        let padded = (padded_size(height, kernel.nrows()) * padded_size(width, kernel.ncols())) as f64;
        let fourier = 4.0 * padded * padded.max(2.0).log2();
        if fourier < direct { Method::Fourier } else { Method::Direct }
    }

    /// Shape `[rows, columns]` of the images.
    pub fn shape(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// Convolves `image` (row-major) into `out`.
    pub fn apply(&self, image: &[f64], out: &mut [f64], scratch: &mut Scratch) {
        self.run(image, None, out, None, scratch, false);
    }

    /// Convolves two images, which Fourier does at the price of one.
    pub fn apply_pair(&self, images: [&[f64]; 2], out: [&mut [f64]; 2], scratch: &mut Scratch) {
        let [first, second] = out;
        self.run(images[0], Some(images[1]), first, Some(second), scratch, false);
    }

    /// The adjoint: for all `a`, `b`: `<apply(a), b> = <a, apply_adjoint(b)>`.
    pub fn apply_adjoint(&self, image: &[f64], out: &mut [f64], scratch: &mut Scratch) {
        self.run(image, None, out, None, scratch, true);
    }

    fn run(
        &self,
        first: &[f64],
        second: Option<&[f64]>,
        out_first: &mut [f64],
        out_second: Option<&mut [f64]>,
        scratch: &mut Scratch,
        adjoint: bool,
    ) {
        if let Plan::Fourier(plan) = &self.plan {
            plan.run([self.height, self.width], first, second, out_first, out_second, scratch, adjoint);
            return;
        }
        self.run_sum(first, out_first, scratch, adjoint);
        if let (Some(image), Some(out)) = (second, out_second) {
            self.run_sum(image, out, scratch, adjoint);
        }
    }

    fn run_sum(&self, image: &[f64], out: &mut [f64], scratch: &mut Scratch, adjoint: bool) {
        let (shape, width) = ([self.height, self.width], self.width);
        match &self.plan {
            Plan::Separable { column, row } => {
                scratch.margins(shape, row.weights.len());
                Arch::new().dispatch(ShiftedSum {
                    kernel: &column.weights,
                    kernel_columns: 1,
                    centre: [column.centre, 0],
                    adjoint,
                    shape,
                    source: Rows::plain(image, width),
                    out: scratch.inside(),
                });
                Arch::new().dispatch(ShiftedSum {
                    kernel: &row.weights,
                    kernel_columns: row.weights.len(),
                    centre: [0, row.centre],
                    adjoint,
                    shape,
                    source: scratch.widened(),
                    out: Rows::plain(out, width),
                });
            }
            Plan::Direct { kernel, rows, columns } => {
                scratch.margins(shape, *columns);
                let Rows { pixels, stride, first } = scratch.inside();
                for (to, from) in pixels.chunks_exact_mut(stride).zip(image.chunks_exact(width)) {
                    to[first..first + width].copy_from_slice(from);
                }
                Arch::new().dispatch(ShiftedSum {
                    kernel,
                    kernel_columns: *columns,
                    centre: [rows / 2, columns / 2],
                    adjoint,
                    shape,
                    source: scratch.widened(),
                    out: Rows::plain(out, width),
                });
            }
            Plan::Fourier(_) => {}
        }
    }
}

impl Scratch {
    /// Room for an image of this shape with `margin` columns of zeros on both sides.
    fn margins(&mut self, [height, width]: [usize; 2], margin: usize) {
        if self.room != [height, width, margin] {
            self.room = [height, width, margin];
            self.real.clear();
            self.real.resize(height * (width + 2 * margin), 0.0);
        }
    }

    /// The image between the margins, to be written: the margins stay zero.
    fn inside(&mut self) -> Rows<&mut [f64]> {
        let [_, width, margin] = self.room;
        Rows { stride: width + 2 * margin, first: margin, pixels: &mut self.real }
    }

    /// The same, to be read.
    fn widened(&self) -> Rows<&[f64]> {
        let [_, width, margin] = self.room;
        Rows { stride: width + 2 * margin, first: margin, pixels: &self.real }
    }
}

/// Column and row whose outer product is the kernel to 1e-12 of its peak; `None` where it is not of rank one.
fn separate(kernel: &ArrayRef2<f64>) -> Option<(Vec<f64>, Vec<f64>)> {
    let (place, peak) = kernel.indexed_iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
    if peak.abs() <= 0.0 || !peak.is_finite() {
        return None;
    }
    let column: Vec<f64> = kernel.column(place.1).to_vec();
    let row: Vec<f64> = kernel.row(place.0).iter().map(|v| v / peak).collect();
    let exact = kernel.indexed_iter().all(|((j, i), v)| (v - column[j] * row[i]).abs() <= 1e-12 * peak.abs());
    exact.then_some((column, row))
}

/// Least 2^a 3^b 5^c that keeps wrapped-around pixels out of the image.
fn padded_size(size: usize, kernel: usize) -> usize {
    let least = size + kernel / 2;
    (least..)
        .find(|&n| {
            let mut n = n;
            for p in [2, 3, 5] {
                while n % p == 0 {
                    n /= p;
                }
            }
            n == 1
        })
        .unwrap_or(least)
}

impl FourierPlan {
    fn new(kernel: &ArrayRef2<f64>, [height, width]: [usize; 2]) -> Self {
        let rows = padded_size(height, kernel.nrows());
        let columns = padded_size(width, kernel.ncols());
        let mut planner = FftPlanner::new();
        let mut plan = Self {
            rows,
            columns,
            kernel: Vec::new(),
            along_row: planner.plan_fft_forward(columns),
            along_row_back: planner.plan_fft_inverse(columns),
            along_column: planner.plan_fft_forward(rows),
            along_column_back: planner.plan_fft_inverse(rows),
        };
        let mut scratch = Scratch::default();
        plan.prepare(&mut scratch);
        for ((j, i), value) in kernel.indexed_iter() {
            let y = (j + rows - kernel.nrows() / 2) % rows;
            let x = (i + columns - kernel.ncols() / 2) % columns;
            scratch.grid[y * columns + x] += Complex64::new(*value / (rows * columns) as f64, 0.0);
        }
        plan.along_row.process_with_scratch(&mut scratch.grid, &mut scratch.fft);
        transpose(&scratch.grid, &mut scratch.turned, rows, columns);
        plan.along_column.process_with_scratch(&mut scratch.turned, &mut scratch.fft);
        plan.kernel = scratch.turned;
        plan
    }

    fn prepare(&self, scratch: &mut Scratch) {
        let cells = self.rows * self.columns;
        scratch.grid.resize(cells, Complex64::default());
        scratch.turned.resize(cells, Complex64::default());
        let need = [&self.along_row, &self.along_row_back, &self.along_column, &self.along_column_back]
            .iter()
            .map(|f| f.get_inplace_scratch_len())
            .max()
            .unwrap_or(0);
        if scratch.fft.len() < need {
            scratch.fft.resize(need, Complex64::default());
        }
    }

    fn run(
        &self,
        [height, width]: [usize; 2],
        first: &[f64],
        second: Option<&[f64]>,
        out_first: &mut [f64],
        out_second: Option<&mut [f64]>,
        scratch: &mut Scratch,
        adjoint: bool,
    ) {
        self.prepare(scratch);
        let (rows, columns) = (self.rows, self.columns);
        for y in 0..height {
            let target = &mut scratch.grid[y * columns..(y + 1) * columns];
            let real = &first[y * width..(y + 1) * width];
            match second {
                Some(second) => {
                    for ((t, a), b) in target.iter_mut().zip(real).zip(&second[y * width..(y + 1) * width]) {
                        *t = Complex64::new(*a, *b);
                    }
                }
                None => {
                    for (t, a) in target.iter_mut().zip(real) {
                        *t = Complex64::new(*a, 0.0);
                    }
                }
            }
            target[width..].fill(Complex64::default());
        }
        // Rows below the image are zero and stay zero: they need no transform.
        scratch.grid[height * columns..].fill(Complex64::default());
        self.along_row.process_with_scratch(&mut scratch.grid[..height * columns], &mut scratch.fft);
        transpose(&scratch.grid, &mut scratch.turned, rows, columns);
        self.along_column.process_with_scratch(&mut scratch.turned, &mut scratch.fft);
        // Products are written out because `*=` of complex numbers is a call where units are optimised alone.
        // The kernel is real, so it acts on real and imaginary parts apart: two images in one transform.
        if adjoint {
            for (value, k) in scratch.turned.iter_mut().zip(&self.kernel) {
                let spectrum = *value;
                *value = spectrum * k.conj();
            }
        } else {
            for (value, k) in scratch.turned.iter_mut().zip(&self.kernel) {
                let spectrum = *value;
                *value = spectrum * k;
            }
        }
        self.along_column_back.process_with_scratch(&mut scratch.turned, &mut scratch.fft);
        transpose(&scratch.turned, &mut scratch.grid, columns, rows);
        self.along_row_back.process_with_scratch(&mut scratch.grid[..height * columns], &mut scratch.fft);
        for y in 0..height {
            let source = &scratch.grid[y * columns..y * columns + width];
            for (o, s) in out_first[y * width..(y + 1) * width].iter_mut().zip(source) {
                *o = s.re;
            }
        }
        if let Some(out) = out_second {
            for y in 0..height {
                let source = &scratch.grid[y * columns..y * columns + width];
                for (o, s) in out[y * width..(y + 1) * width].iter_mut().zip(source) {
                    *o = s.im;
                }
            }
        }
    }
}

/// `[rows, columns]` into `[columns, rows]`, in tiles that fit the fastest cache.
fn transpose(from: &[Complex64], to: &mut [Complex64], rows: usize, columns: usize) {
    const TILE: usize = 16;
    for y0 in (0..rows).step_by(TILE) {
        for x0 in (0..columns).step_by(TILE) {
            for x in x0..(x0 + TILE).min(columns) {
                for y in y0..(y0 + TILE).min(rows) {
                    to[x * rows + y] = from[y * columns + x];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;
    use ndarray::Array2;

    fn noise(n: usize, index: u64) -> Vec<f64> {
        let mut values = vec![0.0; n];
        random::fill_normal(&mut random::stream(9, "convolution", index), &mut values);
        values
    }

    /// The definition, written out.
    fn by_definition(image: &[f64], [h, w]: [usize; 2], kernel: &Array2<f64>) -> Vec<f64> {
        let mut out = vec![0.0; h * w];
        for y in 0..h as isize {
            for x in 0..w as isize {
                for ((j, i), k) in kernel.indexed_iter() {
                    let sy = y - (j as isize - (kernel.nrows() / 2) as isize);
                    let sx = x - (i as isize - (kernel.ncols() / 2) as isize);
                    if (0..h as isize).contains(&sy) && (0..w as isize).contains(&sx) {
                        out[y as usize * w + x as usize] += k * image[sy as usize * w + sx as usize];
                    }
                }
            }
        }
        out
    }

    fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max)
    }

    fn kernels() -> Vec<Array2<f64>> {
        let lopsided = Array2::from_shape_vec((5, 7), noise(35, 1)).unwrap();
        let even = Array2::from_shape_vec((4, 6), noise(24, 2)).unwrap();
        let gaussian = Array2::from_shape_fn((9, 9), |(j, i)| {
            (-((j as f64 - 4.0).powi(2) + (i as f64 - 4.0).powi(2)) / 4.0).exp()
        });
        vec![
            lopsided,
            even,
            gaussian,
            Array2::from_elem((1, 1), 2.5),
            Array2::from_shape_vec((31, 3), noise(93, 3)).unwrap(),
        ]
    }

    #[test]
    fn every_way_equals_the_definition() {
        for shape in [[12, 17], [3, 40], [16, 16]] {
            let image = noise(shape[0] * shape[1], 4);
            let other = noise(shape[0] * shape[1], 5);
            for kernel in kernels() {
                for method in [Method::Separable, Method::Direct, Method::Fourier] {
                    let convolver = Convolver::with_method(&kernel, shape, method);
                    let mut out = [vec![1.0; image.len()], vec![1.0; image.len()]];
                    let [first, second] = &mut out;
                    convolver.apply_pair([&image, &other], [first, second], &mut Scratch::default());
                    for (found, input) in out.iter().zip([&image, &other]) {
                        let expected = by_definition(input, shape, &kernel);
                        assert!(
                            largest_difference(found, &expected) < 1e-12,
                            "{shape:?} {:?} {method:?}",
                            kernel.dim()
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_adjoint_passes_the_dot_product_test() {
        let shape = [13, 18];
        let (a, b) = (noise(234, 6), noise(234, 7));
        for kernel in kernels() {
            for method in [Method::Separable, Method::Direct, Method::Fourier] {
                let convolver = Convolver::with_method(&kernel, shape, method);
                let (mut forward, mut back) = (vec![0.0; 234], vec![0.0; 234]);
                let mut scratch = Scratch::default();
                convolver.apply(&a, &mut forward, &mut scratch);
                convolver.apply_adjoint(&b, &mut back, &mut scratch);
                let left: f64 = forward.iter().zip(&b).map(|(p, q)| p * q).sum();
                let right: f64 = back.iter().zip(&a).map(|(p, q)| p * q).sum();
                assert!((left - right).abs() < 1e-11 * (1.0 + left.abs()), "{method:?}: {left} {right}");
            }
        }
    }

    #[test]
    fn the_cheapest_way_is_chosen_by_size_and_rank() {
        let kernels = kernels();
        assert_eq!(Convolver::new(&kernels[2], [64, 64]).method(), Method::Separable);
        assert_eq!(Convolver::new(&kernels[0], [64, 64]).method(), Method::Direct);
        let large = Array2::from_shape_vec((31, 31), noise(961, 8)).unwrap();
        assert_eq!(Convolver::new(&large, [64, 64]).method(), Method::Fourier);
    }
}
