//! The source that a lens and a prior make of the data, how far it is determined, and what it says for lens and prior.
//!
//! With the response `M` and the data `d`, both over the noise, and a prior `exp(-strength s^T H s / 2)` (of the source less the prior's
//! mean, where it has one; so then are the data), the posterior of the source is
//! normal: precision `A = M^T M + strength H`, mean `A^-1 M^T d`. Its integral is the evidence (Suyu et al. 2006, MNRAS 371, 983, eq. 19).

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Mat, Par};

use super::prior::Prior;
use super::response::Response;
use crate::numerics::vectors::dot;
use crate::studies::lens_reconstruction::LensError;

/// The normal equations of one lens: everything that does not depend on the strength of the prior.
pub(super) struct Normal {
    /// `M^T M` on and below the diagonal.
    matrix: Mat<f64>,
    /// `M^T d`, less what the prior's mean explains.
    vector: Vec<f64>,
    /// The prior's mean.
    mean: Vec<f64>,
    /// Sum over the used pixels of `d^2`, less what the prior's mean explains.
    data_square: f64,
    /// Sum over the used pixels of `ln(weight / sqrt(2 pi))`.
    data_norm: f64,
}

impl Normal {
    /// `target`: data over noise; `weight`: 1 over noise; `mean`: the source that the prior is centred on.
    pub(super) fn new(response: &Response, target: &[f64], weight: &[f64], mean: &[f64]) -> Self {
        let n = response.columns;
        let mut left = vec![0.0; target.len()];
        response.apply(mean, &mut left);
        left.iter_mut().zip(target).for_each(|(l, t)| *l = t - *l);
        let target = left.as_slice();
        let mut flat = vec![0.0; n * n];
        response.normal_matrix(&mut flat);
        let mut vector = vec![0.0; n];
        response.apply_transpose(target, &mut vector);
        let norm = 0.5 * std::f64::consts::TAU.ln();
        Self {
            matrix: faer::MatRef::from_column_major_slice(&flat, n, n).to_owned(),
            vector,
            mean: mean.to_vec(),
            data_square: target.iter().map(|d| d * d).sum(),
            data_norm: weight.iter().map(|w| w.ln() - norm).sum(),
        }
    }

    /// Mean of the diagonal.
    pub(super) fn mean_diagonal(&self) -> f64 {
        let n = self.vector.len();
        (0..n).map(|k| self.matrix[(k, k)]).sum::<f64>() / n.max(1) as f64
    }
}

/// A solved source: the factor of its precision is kept.
pub(super) struct Solved {
    /// Mean of the posterior, row by row.
    pub(super) source: Vec<f64>,
    /// Lower Cholesky factor of the precision.
    factor: Mat<f64>,
    /// Strength of the prior.
    pub(super) strength: f64,
    /// Chi-squared in the used pixels.
    pub(super) chi2: f64,
    /// `(s - mean)^T H (s - mean)`.
    pub(super) energy: f64,
    /// Natural logarithm of the evidence.
    pub(super) evidence_ln: f64,
}

/// How far the data determine a source.
pub(super) struct Determination {
    /// Effective number of determined source pixels, `n - strength tr(A^-1 H)`.
    pub(super) determined: f64,
    /// Variance of every source pixel.
    pub(super) variances: Vec<f64>,
}

fn not_definite(strength: f64) -> LensError {
    let problem =
        "the source cannot be solved for with so weak a prior; give a greater strength, or leave it automatic";
    LensError::Value { name: "regularisation_strength", value: strength, problem: problem.into() }
}

impl Solved {
    /// # Errors
    /// The precision is not positive definite to working precision: a strength too small.
    pub(super) fn new(normal: &Normal, prior: &Prior, log_determinant: f64, strength: f64) -> Result<Self, LensError> {
        let n = normal.vector.len();
        let mut factor = normal.matrix.clone();
        for (i, j, value) in prior.entries() {
            factor[(i, j)] += strength * value;
        }
        let mut memory = MemBuffer::new(cholesky_in_place_scratch::<f64>(n, PAR, Default::default()));
        let stack = MemStack::new(&mut memory);
        cholesky_in_place(factor.as_mut(), Default::default(), PAR, stack, Default::default())
            .map_err(|_| not_definite(strength))?;
        let mut column = Mat::from_fn(n, 1, |i, _| normal.vector[i]);
        solve_lower_triangular_in_place(factor.as_ref(), column.as_mut(), PAR);
        solve_upper_triangular_in_place(factor.as_ref().transpose(), column.as_mut(), PAR);
        let from_mean: Vec<f64> = (0..n).map(|i| column[(i, 0)]).collect();
        let energy = prior.energy(&from_mean);
        // |d - M s|^2 + strength s^T H s = |d|^2 - s^T M^T d at the solution, all from the mean.
        let explained: f64 = from_mean.iter().zip(&normal.vector).map(|(a, b)| a * b).sum();
        let penalised = normal.data_square - explained;
        let half_log: f64 = (0..n).map(|k| factor[(k, k)].ln()).sum();
        let evidence_ln =
            -0.5 * penalised - half_log + 0.5 * n as f64 * strength.ln() + 0.5 * log_determinant + normal.data_norm;
        if !evidence_ln.is_finite() {
            return Err(not_definite(strength));
        }
        let source = from_mean.iter().zip(&normal.mean).map(|(a, b)| a + b).collect();
        Ok(Self { source, factor, strength, chi2: penalised - strength * energy, energy, evidence_ln })
    }

    /// Chi-squared plus what the prior holds against the source.
    pub(super) fn penalised(&self) -> f64 {
        self.chi2 + self.strength * self.energy
    }

    /// A typical standard deviation of a source pixel, from the diagonal of the precision.
    pub(super) fn scale(&self) -> f64 {
        let n = self.source.len();
        // Every row of the factor has the diagonal's entry as its sum of squares.
        let mean =
            (0..n).map(|i| (0..=i).map(|j| self.factor[(i, j)].powi(2)).sum::<f64>()).sum::<f64>() / n.max(1) as f64;
        mean.powf(-0.5)
    }

    /// `A^-1 B` for a few columns of as many values as there are source pixels.
    pub(super) fn solve(&self, columns: &mut Mat<f64>) {
        solve_lower_triangular_in_place(self.factor.as_ref(), columns.as_mut(), PAR);
        solve_upper_triangular_in_place(self.factor.as_ref().transpose(), columns.as_mut(), PAR);
    }

    /// `L^-T z`: from standard normal deviates to a draw's deviation from the mean.
    #[cfg(test)]
    pub(super) fn deviation(&self, deviates: &[f64]) -> Vec<f64> {
        let n = deviates.len();
        let mut column = Mat::from_fn(n, 1, |i, _| deviates[i]);
        solve_upper_triangular_in_place(self.factor.as_ref().transpose(), column.as_mut(), PAR);
        (0..n).map(|i| column[(i, 0)]).collect()
    }

    /// The posterior's variances, and how many pixels the data determine, from the inverse of the factor.
    pub(super) fn determination(&self, prior: &Prior) -> Determination {
        let n = self.source.len();
        let mut inverse = Mat::<f64>::zeros(n, n);
        invert_lower_triangular(inverse.as_mut(), self.factor.as_ref(), PAR);
        // Entry (i, j) of A^-1 is the product of columns i and j of the factor's inverse, which begins at row i.
        let entry = |i: usize, j: usize| dot(&inverse.col_as_slice(i)[i..], &inverse.col_as_slice(j)[i..]);
        let mut variances = vec![0.0; n];
        let mut trace = 0.0;
        for (i, j, value) in prior.entries() {
            let covariance = entry(i, j);
            if i == j {
                variances[i] = covariance;
                trace += value * covariance;
            } else {
                trace += 2.0 * value * covariance;
            }
        }
        Determination { determined: (n as f64 - self.strength * trace).max(0.0), variances }
    }
}

/// One thread: shared out among several, the same sums come out in other bits.
const PAR: Par = Par::Seq;

/// The strength with the greatest evidence, by `determined = strength s^T H s` (Suyu et al. 2006, eq. 20; MacKay 1992), which the slope
/// of the evidence is proportional to: secant steps in its logarithm. `each` sees every trial, is asked once more (`None`) when its errors
/// are known, and may stop.
///
/// # Errors
/// As [`Solved::new`], or stopped.
pub(super) fn strongest(
    normal: &Normal,
    prior: &Prior,
    log_determinant: f64,
    start: Option<f64>,
    mut each: impl FnMut(Option<&Solved>) -> Result<(), LensError>,
) -> Result<(Solved, Determination), LensError> {
    const TRIALS: usize = 25;
    /// Natural logarithm of how far from that at which prior and data weigh the same it may go: beyond, nothing changes any more.
    const RANGE: f64 = 18.0;
    let even = (normal.mean_diagonal().max(f64::MIN_POSITIVE) / prior.diagonal()).ln();
    let within = |logarithm: f64| logarithm.clamp(even - RANGE, even + RANGE);
    let mut logarithm = within(start.map_or(even - 4.6, f64::ln));
    let mut last: Option<[f64; 2]> = None;
    let mut trials = 0;
    loop {
        let solved = Solved::new(normal, prior, log_determinant, logarithm.exp())?;
        each(Some(&solved))?;
        let determination = solved.determination(prior);
        each(None)?;
        trials += 1;
        // Zero at the maximum, positive where the strength is too small.
        let want = (determination.determined.max(1e-3) / (solved.strength * solved.energy).max(1e-12)).ln();
        if want.abs() < 2e-3 || trials >= TRIALS {
            return Ok((solved, determination));
        }
        // Only towards where the slope points.
        let secant = last.map(|[x, w]| -want * (logarithm - x) / (want - w));
        let step = secant.filter(|step| step.is_finite() && step * want > 0.0).unwrap_or(want);
        last = Some([logarithm, want]);
        let next = within(logarithm + step.clamp(-3.0, 3.0));
        if next == logarithm {
            return Ok((solved, determination));
        }
        logarithm = next;
    }
}
