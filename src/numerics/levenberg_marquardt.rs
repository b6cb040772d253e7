//! Least squares by Levenberg-Marquardt, from normal equations, with bounds.
//!
//! The problem hands in `J^T J` and `J^T r` (built by [`NormalEquations`], block by block), so no Jacobian of all rows is ever kept.
//! Damping follows the gain ratio (Nielsen 1999; Madsen, Nielsen & Tingleff 2004, algorithm 3.16), scaled by the diagonal.
//! Bounds: a parameter that lies on its bound with the descent pointing outwards is held; trial steps are clamped to the box.
//! Parameters that enter linearly may be left undamped and re-solved by the problem at each trial: that is Kaufman's variable projection.

use std::ops::ControlFlow;

use super::linear::{cholesky_solve, symmetric_inverse};

/// Rows that are summed together: columns of one block stay in the fastest cache.
const BLOCK: usize = 512;

/// `J^T J` and `J^T r`, accumulated over blocks of rows.
#[derive(Clone, Debug)]
pub struct NormalEquations {
    n: usize,
    matrix: Vec<f64>,
    vector: Vec<f64>,
    sum_of_squares: f64,
}

impl NormalEquations {
    /// Empty equations for `n` parameters.
    pub fn new(n: usize) -> Self {
        Self { n, matrix: vec![0.0; n * n], vector: vec![0.0; n], sum_of_squares: 0.0 }
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.matrix.fill(0.0);
        self.vector.fill(0.0);
        self.sum_of_squares = 0.0;
    }

    /// Adds `residuals.len()` rows. `jacobian` is `[parameter, row]`: the derivative of every residual, parameter by parameter.
    /// The order of summation is fixed, so that the result does not depend on anything but the input.
    pub fn add_rows(&mut self, jacobian: &[f64], residuals: &[f64]) {
        let rows = residuals.len();
        for start in (0..rows).step_by(BLOCK) {
            let end = (start + BLOCK).min(rows);
            let r = &residuals[start..end];
            self.sum_of_squares += dot(r, r);
            for i in 0..self.n {
                let column = &jacobian[i * rows + start..i * rows + end];
                self.vector[i] += dot(column, r);
                for j in 0..=i {
                    self.matrix[i * self.n + j] += dot(column, &jacobian[j * rows + start..j * rows + end]);
                }
            }
        }
    }

    /// Entry of `J^T J`.
    pub fn matrix(&self, i: usize, j: usize) -> f64 {
        self.matrix[i.max(j) * self.n + i.min(j)]
    }

    /// Entries of `J^T r`.
    pub fn vector(&self) -> &[f64] {
        &self.vector
    }

    /// Sum of the squared residuals added.
    pub fn sum_of_squares(&self) -> f64 {
        self.sum_of_squares
    }
}

/// Dot product in eight fixed lanes: the compiler may use vectors and the sum is still always the same.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    for (p, q) in a_chunks.iter().zip(b_chunks) {
        for k in 0..8 {
            lanes[k] += p[k] * q[k];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(p, q)| p * q).sum();
    ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7])) + rest
}

/// A least-squares problem: residuals as a function of parameters.
pub trait LeastSquares {
    /// Number of parameters.
    fn parameters(&self) -> usize;

    /// Sum of squared residuals at `x`. May move parameters that enter linearly to their optimum for the others.
    fn sum_of_squares(&mut self, x: &mut [f64]) -> f64;

    /// Fills the (cleared) normal equations at `x`.
    fn normal_equations(&mut self, x: &[f64], out: &mut NormalEquations);
}

/// How to fit.
#[derive(Clone, Debug)]
pub struct Options {
    /// Least value of each parameter.
    pub lower: Vec<f64>,
    /// Greatest value of each parameter.
    pub upper: Vec<f64>,
    /// True for each parameter that enters linearly and is re-solved at every trial: it is not damped.
    pub linear: Vec<bool>,
    /// Most accepted or refused steps.
    pub max_steps: usize,
    /// Converged when a step promises and brings less than this fraction of the sum of squares.
    pub relative_tolerance: f64,
    /// First damping, relative to the diagonal of `J^T J`.
    pub initial_damping: f64,
}

impl Options {
    /// No bounds, no linear parameters, 100 steps, tolerance 1e-10.
    pub fn unbounded(n: usize) -> Self {
        Self {
            lower: vec![f64::NEG_INFINITY; n],
            upper: vec![f64::INFINITY; n],
            linear: vec![false; n],
            max_steps: 100,
            relative_tolerance: 1e-10,
            initial_damping: 1e-3,
        }
    }
}

/// What the callback sees after each trial step.
#[derive(Debug)]
pub struct Step<'a> {
    /// Counts trials from 1.
    pub index: usize,
    /// Best parameters so far.
    pub parameters: &'a [f64],
    /// Sum of squares there.
    pub sum_of_squares: f64,
    /// Damping of the next step.
    pub damping: f64,
    /// Whether this trial was an improvement.
    pub accepted: bool,
}

/// Why a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// No step promises an improvement above the tolerance.
    Converged,
    /// No trial step, however small, improves the sum of squares.
    Stalled,
    /// Out of steps.
    StepLimit,
    /// The callback said so.
    Cancelled,
    /// The sum of squares was not finite at the start.
    NotFinite,
}

/// A finished fit.
#[derive(Clone, Debug)]
pub struct Fit {
    /// Best parameters.
    pub parameters: Vec<f64>,
    /// Sum of squares there.
    pub sum_of_squares: f64,
    /// `(J^T J)^-1`, `n * n` row-major, over the parameters not held at a bound (zero rows for those held);
    /// `None` where singular. The Gaussian approximation of the covariance if residuals are in units of their sigma.
    pub covariance: Option<Vec<f64>>,
    /// Why it ended.
    pub stop: Stop,
    /// Trial steps taken.
    pub steps: usize,
}

/// Damping above which the fit counts as stalled.
const GREATEST_DAMPING: f64 = 1e12;

/// Fits from `start`. The callback runs after every trial with the problem as the trial left it.
pub fn fit<P: LeastSquares>(
    problem: &mut P,
    start: &[f64],
    options: &Options,
    mut callback: impl FnMut(&Step, &P) -> ControlFlow<()>,
) -> Fit {
    let n = problem.parameters();
    let mut x: Vec<f64> = (0..n).map(|i| start[i].clamp(options.lower[i], options.upper[i])).collect();
    let mut equations = NormalEquations::new(n);
    let mut best = problem.sum_of_squares(&mut x);
    let mut damping = options.initial_damping;
    let mut growth = 2.0;
    let mut stale = true;
    let mut quiet = 0;
    let mut stop = if best.is_finite() { Stop::StepLimit } else { Stop::NotFinite };
    let mut steps = 0;
    let mut trial = vec![0.0; n];
    while steps < options.max_steps && stop == Stop::StepLimit {
        if stale {
            equations.clear();
            problem.normal_equations(&x, &mut equations);
            stale = false;
        }
        let free = free_parameters(&x, &equations, options);
        if free.is_empty() {
            stop = Stop::Converged;
            break;
        }
        steps += 1;
        let step = damped_step(&equations, &free, &options.linear, damping);
        let mut accepted = false;
        let mut promised = 0.0;
        if let Some(step) = step {
            trial.copy_from_slice(&x);
            for (&i, &s) in free.iter().zip(&step) {
                trial[i] = (x[i] + s).clamp(options.lower[i], options.upper[i]);
            }
            promised = predicted_gain(&equations, &free, &x, &trial);
            let value = problem.sum_of_squares(&mut trial);
            let gain = best - value;
            accepted = value.is_finite() && gain > 0.0;
            if accepted {
                x.copy_from_slice(&trial);
                best = value;
                stale = true;
                let ratio = gain / promised.max(f64::MIN_POSITIVE);
                damping *= (1.0 - (2.0 * ratio - 1.0).powi(3)).clamp(0.1, 2.0);
                damping = damping.max(1e-12);
                growth = 2.0;
                // One small gain can be an accident of a clamped step; two in a row are not.
                quiet = if gain < options.relative_tolerance * best.max(f64::MIN_POSITIVE) { quiet + 1 } else { 0 };
            }
        }
        if !accepted {
            damping = damping.max(1e-9) * growth;
            growth *= 2.0;
        }
        let report = Step { index: steps, parameters: &x, sum_of_squares: best, damping, accepted };
        if callback(&report, problem).is_break() {
            stop = Stop::Cancelled;
        } else if quiet >= 2
            || (!accepted && promised.abs() < 0.1 * options.relative_tolerance * best && step_was_sane(promised))
        {
            stop = Stop::Converged;
        } else if damping > GREATEST_DAMPING {
            stop = Stop::Stalled;
        }
    }
    if stale && stop != Stop::NotFinite {
        equations.clear();
        problem.normal_equations(&x, &mut equations);
    }
    let covariance = (stop != Stop::NotFinite).then(|| covariance(&equations, &x, options)).flatten();
    Fit { parameters: x, sum_of_squares: best, covariance, stop, steps }
}

/// A promise of exactly zero comes from a step that could not be solved, not from convergence.
fn step_was_sane(promised: f64) -> bool {
    promised != 0.0
}

/// Parameters that may move: inside their bounds, or on one with the descent pointing inwards.
fn free_parameters(x: &[f64], equations: &NormalEquations, options: &Options) -> Vec<usize> {
    (0..x.len())
        .filter(|&i| {
            let descent = -equations.vector[i];
            let known = equations.matrix(i, i) > 0.0 && descent.is_finite();
            let below = x[i] <= options.lower[i] && descent <= 0.0;
            let above = x[i] >= options.upper[i] && descent >= 0.0;
            known && !below && !above
        })
        .collect()
}

/// Solves `(J^T J + damping D) step = -J^T r` on the free parameters, scaled to unit diagonal.
fn damped_step(equations: &NormalEquations, free: &[usize], linear: &[bool], damping: f64) -> Option<Vec<f64>> {
    let m = free.len();
    let scale: Vec<f64> = free.iter().map(|&i| equations.matrix(i, i).sqrt()).collect();
    let mut a = vec![0.0; m * m];
    for p in 0..m {
        for q in 0..m {
            a[p * m + q] = equations.matrix(free[p], free[q]) / (scale[p] * scale[q]);
        }
        // A trace of damping on linear parameters too keeps degenerate amplitudes solvable.
        a[p * m + p] += if linear[free[p]] { (1e-6 * damping).max(1e-12) } else { damping };
    }
    let mut b: Vec<f64> = free.iter().zip(&scale).map(|(&i, s)| -equations.vector[i] / s).collect();
    cholesky_solve(&mut a, &mut b).then(|| b.iter().zip(&scale).map(|(v, s)| v / s).collect())
}

/// Fall of the sum of squares that the quadratic model predicts between `x` and `trial`.
fn predicted_gain(equations: &NormalEquations, free: &[usize], x: &[f64], trial: &[f64]) -> f64 {
    let mut gain = 0.0;
    for &i in free {
        let si = trial[i] - x[i];
        gain -= 2.0 * si * equations.vector[i];
        for &j in free {
            gain -= si * equations.matrix(i, j) * (trial[j] - x[j]);
        }
    }
    gain
}

fn covariance(equations: &NormalEquations, x: &[f64], options: &Options) -> Option<Vec<f64>> {
    let n = x.len();
    let free: Vec<usize> = (0..n)
        .filter(|&i| equations.matrix(i, i) > 0.0 && x[i] > options.lower[i] && x[i] < options.upper[i])
        .collect();
    let m = free.len();
    let a: Vec<f64> = (0..m * m).map(|k| equations.matrix(free[k / m], free[k % m])).collect();
    let inverse = symmetric_inverse(&a, m)?;
    let mut full = vec![0.0; n * n];
    for p in 0..m {
        for q in 0..m {
            full[free[p] * n + free[q]] = inverse[p * m + q];
        }
    }
    Some(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// y = a exp(-b t) + c, sampled.
    struct Decay {
        t: Vec<f64>,
        y: Vec<f64>,
        calls: usize,
    }

    impl Decay {
        fn new(a: f64, b: f64, c: f64, noise: f64) -> Self {
            let t: Vec<f64> = (0..40).map(|i| f64::from(i) * 0.1).collect();
            let mut rng = crate::numerics::random::stream(1, "decay", 0);
            let y =
                t.iter().map(|t| a * (-b * t).exp() + c + noise * crate::numerics::random::normal(&mut rng)).collect();
            Self { t, y, calls: 0 }
        }
    }

    impl LeastSquares for Decay {
        fn parameters(&self) -> usize {
            3
        }
        fn sum_of_squares(&mut self, x: &mut [f64]) -> f64 {
            self.calls += 1;
            self.t.iter().zip(&self.y).map(|(t, y)| (x[0] * (-x[1] * t).exp() + x[2] - y).powi(2)).sum()
        }
        fn normal_equations(&mut self, x: &[f64], out: &mut NormalEquations) {
            // In uneven blocks, as a caller may.
            for range in [0..7, 7..40] {
                let e: Vec<f64> = self.t[range.clone()].iter().map(|t| (-x[1] * t).exp()).collect();
                let residuals: Vec<f64> =
                    e.iter().zip(&self.y[range.clone()]).map(|(e, y)| x[0] * e + x[2] - y).collect();
                let mut jacobian = e.clone();
                jacobian.extend(e.iter().zip(&self.t[range.clone()]).map(|(e, t)| -x[0] * t * e));
                jacobian.extend(e.iter().map(|_| 1.0));
                out.add_rows(&jacobian, &residuals);
            }
        }
    }

    #[test]
    fn finds_the_parameters_from_far_away() {
        let mut problem = Decay::new(2.5, 1.3, 0.5, 0.0);
        let fit = fit(&mut problem, &[1.0, 0.1, 0.0], &Options::unbounded(3), |_, _| ControlFlow::Continue(()));
        assert!(fit.sum_of_squares < 1e-20, "{fit:?}");
        for (found, truth) in fit.parameters.iter().zip([2.5, 1.3, 0.5]) {
            assert!((found - truth).abs() < 1e-8, "{fit:?}");
        }
        assert!(fit.steps < 40);
    }

    #[test]
    fn stops_on_a_bound_and_at_the_optimum_of_the_rest() {
        let mut problem = Decay::new(2.5, 1.3, 0.5, 0.0);
        let mut options = Options::unbounded(3);
        options.upper[1] = 1.0;
        let fit = fit(&mut problem, &[1.0, 0.1, 0.0], &options, |_, _| ControlFlow::Continue(()));
        assert_eq!(fit.parameters[1], 1.0);
        let mut equations = NormalEquations::new(3);
        problem.normal_equations(&fit.parameters, &mut equations);
        assert!(equations.vector()[0].abs() < 1e-6 && equations.vector()[2].abs() < 1e-6);
        assert!(equations.vector()[1] < 0.0, "the data want a larger value than the bound allows");
        assert_eq!(fit.covariance.unwrap()[4], 0.0);
    }

    #[test]
    fn covariance_is_the_scatter_of_repeated_fits() {
        let sigma = 0.05;
        let mut sums = [0.0f64; 2];
        let repeats = 300;
        let mut predicted = 0.0;
        for k in 0..repeats {
            let mut problem = Decay::new(2.5, 1.3, 0.5, 0.0);
            let mut rng = crate::numerics::random::stream(2, "scatter", k);
            for y in &mut problem.y {
                *y += sigma * crate::numerics::random::normal(&mut rng);
            }
            let fit = fit(&mut problem, &[2.0, 1.0, 0.0], &Options::unbounded(3), |_, _| ControlFlow::Continue(()));
            sums[0] += fit.parameters[1];
            sums[1] += fit.parameters[1].powi(2);
            predicted = fit.covariance.unwrap()[4].sqrt() * sigma;
        }
        let mean = sums[0] / repeats as f64;
        let scatter = (sums[1] / repeats as f64 - mean * mean).sqrt();
        assert!((scatter / predicted - 1.0).abs() < 0.15, "{scatter} against {predicted}");
    }

    #[test]
    fn the_callback_ends_the_fit() {
        let mut problem = Decay::new(2.5, 1.3, 0.5, 0.1);
        let fit = fit(&mut problem, &[1.0, 0.1, 0.0], &Options::unbounded(3), |step, problem| {
            assert!(problem.calls > step.index);
            if step.index == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((fit.stop, fit.steps), (Stop::Cancelled, 2));
    }
}
