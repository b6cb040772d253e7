//! Variable projection: the fluxes and the continuum are solved inside, two parameters are left to iterate.
//!
//! Golub & Pereyra 1973 (SIAM J. Numer. Anal. 10, 413) with Kaufman's Jacobian (1975, BIT 15, 49), Levenberg-Marquardt
//! damping. The second parameter is the square of the broadening: the line depends on it linearly near zero, so that an
//! unresolved line is no trap.

use super::model::{LEAST_BROADENING, LineModel, Linear, MOST_LINES, Scratch};
use super::normal::{MOST, Square, products};
use super::scan::Start;
use super::{LineFit, State};

const MOST_STEPS: usize = 40;
/// A step that moves the answer by less than this many of its standard errors ends the loop.
const SMALL_STEP: f64 = 1e-3;
/// So does a step below this velocity (km/s), and this part of the squared broadening: data without noise end there.
const LEAST_STEP: f64 = 1e-6;
/// Places of the scan that are tried when the best does not stand out.
const STARTS: usize = 3;
/// Gain over the best gain above which another place is tried too.
const CONTENDER: f64 = 0.5;

/// Where the loop stands.
struct Point {
    velocity: f64,
    variance: f64,
    linear: Linear,
    chi2: f64,
    /// Curvature of chi2 / 2 by velocity and variance, the linear part solved: [vv, vs, ss].
    curvature: [f64; 3],
    /// Downhill direction: minus the gradient of chi2 / 2.
    slope: [f64; 2],
    /// Products of all columns, velocity and variance last.
    gram: Square,
}

impl LineModel {
    /// Fits one spectrum. `weights` are 1 / variance, 0 for a sample that does not count.
    ///
    /// `None` when too few samples count, or the columns cannot be told apart on them.
    pub fn fit(&self, data: &[f64], weights: &[f64], scratch: &mut Scratch) -> Option<LineFit> {
        let used = self.whiten(data, weights, scratch);
        if used <= self.linear() + 2 {
            return None;
        }
        let mut starts = [Start { velocity: 0.0, gain: 0.0 }; STARTS];
        let found = self.scan.best(self, scratch, &mut starts);
        let mut best: Option<(Point, usize, bool)> = None;
        for start in &starts[..found] {
            if best.is_some() && start.gain < CONTENDER * starts[0].gain {
                break;
            }
            let Some(end) = self.descend(start.velocity, self.scan.broadening, scratch) else { continue };
            if best.as_ref().is_none_or(|(point, ..)| end.0.chi2 < point.chi2) {
                best = Some(end);
            }
        }
        let (point, steps, converged) = best?;
        Some(self.report(&point, used, steps, converged))
    }

    /// [`Self::fit`] from a given place, for a neighbour's answer or a network's.
    pub fn fit_from(
        &self,
        data: &[f64],
        weights: &[f64],
        velocity: f64,
        broadening: f64,
        scratch: &mut Scratch,
    ) -> Option<LineFit> {
        let used = self.whiten(data, weights, scratch);
        if used <= self.linear() + 2 {
            return None;
        }
        let (point, steps, converged) = self.descend(velocity, broadening, scratch)?;
        Some(self.report(&point, used, steps, converged))
    }

    /// Fluxes and continuum at a given velocity and broadening, which are not fitted; the errors let them vary.
    pub fn fit_at(
        &self,
        data: &[f64],
        weights: &[f64],
        velocity: f64,
        broadening: f64,
        scratch: &mut Scratch,
    ) -> Option<LineFit> {
        let used = self.whiten(data, weights, scratch);
        if used <= self.linear() + 2 {
            return None;
        }
        let point = self.point(velocity, broadening.max(LEAST_BROADENING).powi(2), scratch)?;
        Some(self.report(&point, used, 0, true))
    }

    fn descend(&self, velocity: f64, broadening: f64, scratch: &mut Scratch) -> Option<(Point, usize, bool)> {
        let (low, high) = self.settings.velocity_range;
        let (least, most) = (LEAST_BROADENING.powi(2), self.settings.broadening_max.powi(2).max(1.0));
        let mut point = self.point(velocity.clamp(low, high), (broadening * broadening).clamp(least, most), scratch)?;
        let mut damping = 1e-3;
        for step in 1..=MOST_STEPS {
            let scale = (point.chi2 / self.samples() as f64).max(f64::MIN_POSITIVE);
            let Some([dv, ds]) = damped(&point, damping, [least, most]) else { return Some((point, step, false)) };
            let to_velocity = (point.velocity + dv).clamp(low, high);
            let to_variance = (point.variance + ds).clamp(least, most);
            let (dv, ds) = (to_velocity - point.velocity, to_variance - point.variance);
            let [vv, vs, ss] = point.curvature;
            let length = (vv * dv * dv + 2.0 * vs * dv * ds + ss * ds * ds) / scale;
            let nothing = dv.abs() < LEAST_STEP && ds.abs() < LEAST_STEP * (1.0 + point.variance);
            if nothing || length < SMALL_STEP * SMALL_STEP {
                return Some((point, step, true));
            }
            match self.point(to_velocity, to_variance, scratch) {
                Some(next) if next.chi2 <= point.chi2 => {
                    point = next;
                    damping = (0.1 * damping).max(1e-9);
                }
                _ => damping = (damping * 8.0).max(1e-3),
            }
            if damping > 1e9 {
                return Some((point, step, true));
            }
        }
        Some((point, MOST_STEPS, false))
    }

    fn point(&self, velocity: f64, variance: f64, scratch: &mut Scratch) -> Option<Point> {
        let (n, linear) = (self.samples(), self.linear());
        let broadening = variance.sqrt();
        self.evaluate(velocity, broadening, true, scratch);
        let solved = self.solve_linear(scratch)?;
        let chi2 = self.residual(&solved, scratch);
        self.kinematic_columns(velocity, broadening, &solved.coefficients, scratch);
        let mut gram = solved.gram.clone();
        products(self.arch, &scratch.columns, n, linear..linear + 2, &mut gram);
        let slope = super::normal::projections(self.arch, &scratch.columns[linear * n..], &scratch.residual, 2);
        // Schur complement: what is left of the two columns when the linear ones are solved out.
        let mut left = [[0.0; MOST]; 2];
        for (which, column) in left.iter_mut().enumerate() {
            for (row, value) in column.iter_mut().enumerate().take(linear) {
                *value = gram.get(row, linear + which);
            }
            solved.factor.forward(column);
        }
        let inner = |a: &[f64; MOST], b: &[f64; MOST]| (0..linear).map(|k| a[k] * b[k]).sum::<f64>();
        let curvature = [
            gram.get(linear, linear) - inner(&left[0], &left[0]),
            gram.get(linear + 1, linear) - inner(&left[0], &left[1]),
            gram.get(linear + 1, linear + 1) - inner(&left[1], &left[1]),
        ];
        Some(Point { velocity, variance, linear: solved, chi2, curvature, slope: [slope[0], slope[1]], gram })
    }

    /// Errors by the inverse of the normal equations, everything free.
    fn report(&self, point: &Point, used: usize, steps: usize, converged: bool) -> LineFit {
        let linear = self.linear();
        let mut fit = LineFit {
            velocity_km_s: point.velocity,
            variance: point.variance,
            chi2: point.chi2,
            gain: self.gain_of_lines(point),
            degrees: used - linear - 2,
            steps,
            state: if converged { State::Converged } else { State::Unfinished },
            ..LineFit::empty()
        };
        let least = 1.01 * LEAST_BROADENING.powi(2);
        let whole = point.gram.cholesky(linear + 2);
        let at_zero = point.variance <= least && point.slope[1] < 0.0;
        // On the bound the broadening does not move with the rest.
        let used_factor = if at_zero { point.gram.cholesky(linear + 1) } else { whole.clone() };
        if let Some(whole) = &whole {
            fit.variance_error = whole.inverse().get(linear + 1, linear + 1).sqrt();
        }
        let Some(covariance) = used_factor.or(whole).map(|factor| factor.inverse()) else {
            fit.state = State::Degenerate;
            return fit;
        };
        fit.velocity_error_km_s = covariance.get(linear, linear).sqrt();
        if covariance.size > linear + 1 {
            fit.velocity_variance_covariance = covariance.get(linear, linear + 1);
        }
        for (index, entry) in self.emission().enumerate() {
            let (x, _) = self.frame.shifted(entry.origin, point.velocity);
            let unit = entry.ratio * self.flux_unit(x);
            fit.flux[index] = unit * point.linear.coefficients[entry.column];
            for (other, second) in self.emission().enumerate() {
                let (x, _) = self.frame.shifted(second.origin, point.velocity);
                let units = unit * second.ratio * self.flux_unit(x);
                fit.covariance[index][other] = units * covariance.get(entry.column, second.column);
            }
        }
        for (order, value) in fit.continuum.iter_mut().enumerate().take(self.settings.continuum_order + 1) {
            *value = point.linear.coefficients[self.flux_columns + order];
        }
        if let Some(entry) = self.entries.iter().find(|entry| entry.line.is_none()) {
            fit.absorption = point.linear.coefficients[entry.column];
        }
        fit
    }

    /// Gain in chi2 over the continuum alone, from the same normal equations.
    fn gain_of_lines(&self, point: &Point) -> f64 {
        let (fluxes, linear) = (self.flux_columns, self.linear());
        let solved = &point.linear;
        let mut continuum = Square::zeros(linear - fluxes);
        let mut b = [0.0; MOST];
        for row in fluxes..linear {
            // The projections of the data, back from the solution.
            b[row - fluxes] = (0..linear).map(|k| solved.gram.get(row, k) * solved.coefficients[k]).sum();
            for column in fluxes..=row {
                continuum.set(row - fluxes, column - fluxes, solved.gram.get(row, column));
            }
        }
        let Some(factor) = continuum.cholesky(linear - fluxes) else { return 0.0 };
        factor.forward(&mut b);
        (solved.gain - b[..linear - fluxes].iter().map(|z| z * z).sum::<f64>()).max(0.0)
    }

    pub(super) fn emission(&self) -> impl Iterator<Item = &super::model::Entry> {
        self.entries.iter().filter(|entry| entry.line.is_some()).take(MOST_LINES)
    }

    /// The smallest covariance that any unbiased measurement can have (Cramer-Rao), at the true `velocity`,
    /// `broadening` and fluxes, for these weights: standard deviations as a [`LineFit`] carries them.
    pub fn cramer_rao(
        &self,
        velocity: f64,
        broadening: f64,
        flux: impl Fn(crate::studies::line_ratios::lines::Line) -> f64,
        weights: &[f64],
        scratch: &mut Scratch,
    ) -> Option<LineFit> {
        // At its truth, noise-free data are fitted exactly: the normal equations there are the Fisher matrix.
        let mut data = vec![0.0; self.samples()];
        self.spectrum(velocity, broadening, flux, &mut data);
        self.fit_at(&data, weights, velocity, broadening, scratch)
    }
}

/// The damped step in velocity and variance; a variance on its bound that wants to leave the range stays.
fn damped(point: &Point, damping: f64, bounds: [f64; 2]) -> Option<[f64; 2]> {
    let [vv, vs, ss] = point.curvature;
    let [gv, gs] = point.slope;
    let pinned = point.variance <= bounds[0] && gs < 0.0 || point.variance >= bounds[1] && gs > 0.0;
    let (a, c) = (vv * (1.0 + damping), ss * (1.0 + damping));
    if pinned || c <= 0.0 {
        return (a > 0.0).then(|| [gv / a, 0.0]);
    }
    let determinant = a * c - vs * vs;
    if !(a > 0.0 && determinant > 0.0) {
        return (a > 0.0).then(|| [gv / a, gs / c]);
    }
    Some([(c * gv - vs * gs) / determinant, (a * gs - vs * gv) / determinant])
}
