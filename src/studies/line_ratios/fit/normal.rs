//! Normal equations of a few columns, without a heap: products as vector code, Cholesky on fixed arrays.

use pulp::{Arch, Simd, WithSimd};

/// Most columns of a model: ten lines, four of the continuum, one of absorption, velocity and broadening.
pub(super) const MOST: usize = 17;
/// Sums kept side by side.
const LANES: usize = 16;

/// A symmetric matrix of up to [`MOST`] rows.
#[derive(Debug, Clone)]
pub(super) struct Square {
    pub size: usize,
    values: [[f64; MOST]; MOST],
}

impl Square {
    pub fn zeros(size: usize) -> Self {
        Self { size, values: [[0.0; MOST]; MOST] }
    }

    #[inline]
    pub fn get(&self, row: usize, column: usize) -> f64 {
        self.values[row][column]
    }

    #[inline]
    pub fn set(&mut self, row: usize, column: usize, value: f64) {
        self.values[row][column] = value;
        self.values[column][row] = value;
    }

    /// The lower Cholesky factor of the leading `size` rows; `None` when a column is a combination of those before it.
    pub fn cholesky(&self, size: usize) -> Option<Factor> {
        let mut l = [[0.0; MOST]; MOST];
        for row in 0..size {
            for column in 0..=row {
                let mut sum = self.values[row][column];
                for k in 0..column {
                    sum -= l[row][k] * l[column][k];
                }
                if row == column {
                    if sum <= 1e-12 * self.values[row][row] || !sum.is_finite() {
                        return None;
                    }
                    l[row][row] = sum.sqrt();
                } else {
                    l[row][column] = sum / l[column][column];
                }
            }
        }
        Some(Factor { size, l })
    }
}

/// A lower Cholesky factor.
#[derive(Debug, Clone)]
pub(super) struct Factor {
    size: usize,
    l: [[f64; MOST]; MOST],
}

impl Factor {
    /// Solves L z = b in place.
    pub fn forward(&self, b: &mut [f64; MOST]) {
        for row in 0..self.size {
            let mut sum = b[row];
            for k in 0..row {
                sum -= self.l[row][k] * b[k];
            }
            b[row] = sum / self.l[row][row];
        }
    }

    /// Solves L^T x = z in place.
    pub fn backward(&self, b: &mut [f64; MOST]) {
        for row in (0..self.size).rev() {
            let mut sum = b[row];
            for k in row + 1..self.size {
                sum -= self.l[k][row] * b[k];
            }
            b[row] = sum / self.l[row][row];
        }
    }

    /// The inverse of the matrix.
    pub fn inverse(&self) -> Square {
        let mut inverse = Square::zeros(self.size);
        for column in 0..self.size {
            let mut unit = [0.0; MOST];
            unit[column] = 1.0;
            self.forward(&mut unit);
            self.backward(&mut unit);
            for (row, value) in unit.iter().enumerate().take(self.size) {
                inverse.values[row][column] = *value;
            }
        }
        inverse
    }
}

/// Products of columns of `length` samples that lie one after another: all pairs `row >= column` with
/// `row >= from`, into `out`.
pub(super) fn products(arch: Arch, columns: &[f64], length: usize, rows: std::ops::Range<usize>, out: &mut Square) {
    arch.dispatch(Products { columns, length, rows, out });
}

/// Products of every one of `count` columns with `y`.
pub(super) fn projections(arch: Arch, columns: &[f64], y: &[f64], count: usize) -> [f64; MOST] {
    let mut out = [0.0; MOST];
    arch.dispatch(Projections { columns, y, count, out: &mut out });
    out
}

struct Products<'a> {
    columns: &'a [f64],
    length: usize,
    rows: std::ops::Range<usize>,
    out: &'a mut Square,
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { columns, length, rows, out } = self;
        for row in rows {
            let a = &columns[row * length..(row + 1) * length];
            for column in 0..=row {
                let value = dot(a, &columns[column * length..(column + 1) * length]);
                out.values[row][column] = value;
                out.values[column][row] = value;
            }
        }
    }
}

struct Projections<'a> {
    columns: &'a [f64],
    y: &'a [f64],
    count: usize,
    out: &'a mut [f64; MOST],
}

impl WithSimd for Projections<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let length = self.y.len();
        for (column, out) in self.out.iter_mut().enumerate().take(self.count) {
            *out = dot(&self.columns[column * length..(column + 1) * length], self.y);
        }
    }
}

/// Sixteen sums side by side: the order of the additions is the same on every processor.
#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factor_solves_and_inverts() {
        // Columns 1, x, x^2 on 37 samples: the normal equations of a parabola that passes through its data.
        let x: Vec<f64> = (0..37).map(|k| f64::from(k) / 18.0 - 1.0).collect();
        let columns: Vec<f64> = (0..3).flat_map(|power| x.iter().map(move |x| x.powi(power))).collect();
        let y: Vec<f64> = x.iter().map(|x| 2.0 - 3.0 * x + 0.5 * x * x).collect();
        let mut gram = Square::zeros(3);
        products(Arch::new(), &columns, 37, 0..3, &mut gram);
        assert!((gram.get(0, 0) - 37.0).abs() < 1e-12 && gram.get(0, 1).abs() < 1e-12);
        let factor = gram.cholesky(3).unwrap();
        let mut b = projections(Arch::new(), &columns, &y, 3);
        factor.forward(&mut b);
        factor.backward(&mut b);
        for (found, expected) in b.iter().zip([2.0, -3.0, 0.5]) {
            assert!((found - expected).abs() < 1e-12);
        }
        let inverse = factor.inverse();
        for row in 0..3 {
            for column in 0..3 {
                let product: f64 = (0..3).map(|k| gram.get(row, k) * inverse.get(k, column)).sum();
                assert!((product - f64::from(u8::from(row == column))).abs() < 1e-12);
            }
        }
        // A column twice is refused.
        let mut twice = Square::zeros(2);
        products(Arch::new(), &columns[..37].repeat(2), 37, 0..2, &mut twice);
        assert!(twice.cholesky(2).is_none());
    }
}
