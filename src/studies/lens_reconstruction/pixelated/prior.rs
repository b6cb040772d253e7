//! What is believed of a map before the data: that it is smooth, and zero around its square.
//!
//! Both forms are sums of squared differences that count the zeros around the square in, so that their matrix is positive definite
//! and a prior can be drawn from: `p(s) ~ exp(-strength s^T H s / 2)` (Suyu et al. 2006, MNRAS 371, 983, appendix A).

use faer::{Mat, Side};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is held small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Regularisation {
    /// Differences of neighbouring pixels: allows sharp peaks.
    Gradient,
    /// Second differences along rows and columns: prefers slow changes.
    #[default]
    Curvature,
}

/// The matrix `H` of a map, row by row.
#[derive(Clone, Debug)]
pub struct Prior {
    /// What is held small.
    pub regularisation: Regularisation,
    rows: usize,
    columns: usize,
    /// One row of the matrix along one axis: entries at distance 0, 1, 2.
    band: [f64; 3],
}

impl Prior {
    /// For maps of `[rows, columns]` pixels.
    pub fn new(regularisation: Regularisation, [rows, columns]: [usize; 2]) -> Self {
        let band = match regularisation {
            Regularisation::Gradient => [2.0, -1.0, 0.0],
            Regularisation::Curvature => [6.0, -4.0, 1.0],
        };
        Self { regularisation, rows, columns, band }
    }

    /// Number of pixels.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Never with pixels.
    pub fn is_empty(&self) -> bool {
        self.rows * self.columns == 0
    }

    /// `H s`, into `out`.
    pub fn apply(&self, s: &[f64], out: &mut [f64]) {
        let n = self.columns;
        let [centre, one, two] = self.band;
        for j in 0..self.rows {
            let row = &s[j * n..(j + 1) * n];
            let target = &mut out[j * n..(j + 1) * n];
            for (t, v) in target.iter_mut().zip(row) {
                *t = 2.0 * centre * v;
            }
            for (distance, weight) in [(1, one), (2, two)] {
                if weight == 0.0 {
                    continue;
                }
                for (t, v) in target.iter_mut().skip(distance).zip(row) {
                    *t += weight * v;
                }
                for (t, v) in target.iter_mut().zip(row.iter().skip(distance)) {
                    *t += weight * v;
                }
                for near in
                    [j.checked_sub(distance), (j + distance < self.rows).then_some(j + distance)].into_iter().flatten()
                {
                    for (t, v) in target.iter_mut().zip(&s[near * n..(near + 1) * n]) {
                        *t += weight * v;
                    }
                }
            }
        }
    }

    /// `s^T H s`.
    pub fn energy(&self, s: &[f64]) -> f64 {
        let mut product = vec![0.0; s.len()];
        self.apply(s, &mut product);
        product.iter().zip(s).map(|(a, b)| a * b).sum()
    }

    /// Every entry on and below the diagonal: row, column (not above the row), value.
    pub fn entries(&self) -> impl Iterator<Item = (usize, usize, f64)> + use<> {
        let (n, [centre, one, two]) = (self.columns, self.band);
        (0..self.rows * n).flat_map(move |at| {
            let (j, i) = (at / n, at % n);
            [(true, 0, 2.0 * centre), (i >= 1, 1, one), (i >= 2, 2, two), (j >= 1, n, one), (j >= 2, 2 * n, two)]
                .into_iter()
                .filter(|(inside, _, value)| *inside && *value != 0.0)
                .map(move |(_, back, value)| (at, at - back, value))
        })
    }

    /// Entry on the diagonal.
    pub fn diagonal(&self) -> f64 {
        2.0 * self.band[0]
    }

    /// `ln det H`: the matrix is the sum of one along rows and one along columns, so its eigenvalues are sums of theirs.
    /// `None` only if the eigenvalues of a small band matrix were not found.
    pub fn log_determinant(&self) -> Option<f64> {
        let along = |n: usize| {
            let entry = |i: usize, j: usize| self.band.get(i.abs_diff(j)).copied().unwrap_or(0.0);
            Mat::<f64>::from_fn(n, n, entry).self_adjoint_eigenvalues(Side::Lower).ok()
        };
        let (down, across) = (along(self.rows)?, along(self.columns)?);
        Some(down.iter().flat_map(|a| across.iter().map(move |b| (a + b).ln())).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;

    /// The sum of squared differences, written out.
    fn direct(regularisation: Regularisation, [rows, n]: [usize; 2], s: &[f64]) -> f64 {
        let at = |i: isize, j: isize| {
            let inside = i >= 0 && j >= 0 && i < n as isize && j < rows as isize;
            if inside { s[j as usize * n + i as usize] } else { 0.0 }
        };
        let mut sum = 0.0;
        for j in -2..rows as isize + 2 {
            for i in -2..n as isize + 2 {
                for (di, dj) in [(1, 0), (0, 1)] {
                    let difference = match regularisation {
                        Regularisation::Gradient => at(i, j) - at(i + di, j + dj),
                        Regularisation::Curvature => at(i - di, j - dj) - 2.0 * at(i, j) + at(i + di, j + dj),
                    };
                    sum += difference * difference;
                }
            }
        }
        sum
    }

    #[test]
    fn the_matrix_is_the_sum_of_squared_differences_and_its_determinant_is_known() {
        let shape = [6, 8];
        let n = 48;
        for regularisation in [Regularisation::Gradient, Regularisation::Curvature] {
            let prior = Prior::new(regularisation, shape);
            let mut rng = random::stream(3, "prior", 0);
            let s: Vec<f64> = (0..n).map(|_| random::normal(&mut rng)).collect();
            let expected = direct(regularisation, shape, &s);
            assert!((prior.energy(&s) / expected - 1.0).abs() < 1e-13);
            let by_entries: f64 =
                prior.entries().map(|(i, j, v)| if i == j { v * s[i] * s[i] } else { 2.0 * v * s[i] * s[j] }).sum();
            assert!((by_entries / expected - 1.0).abs() < 1e-13);
            let mut dense = Mat::<f64>::zeros(n, n);
            for (i, j, v) in prior.entries() {
                dense[(i, j)] = v;
            }
            let factor = dense.llt(Side::Lower).unwrap();
            let log: f64 = (0..n).map(|k| 2.0 * factor.L()[(k, k)].ln()).sum();
            assert!((prior.log_determinant().unwrap() - log).abs() < 1e-10);
        }
    }
}
