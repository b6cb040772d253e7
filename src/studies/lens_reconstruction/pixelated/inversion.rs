//! A pixelated source on a parametric lens.

use std::ops::ControlFlow;

use faer::Mat;
use ndarray::Array2;

use super::Event;
use super::field::{Bending, Field, MOVED, moved, with_moved};
use super::grid::SourceGrid;
use super::mock::{blurred, whole_field};
use super::prior::{Prior, Regularisation};
use super::response::{Response, Traced, lens_jacobian};
use super::solve::{Determination, Normal, Solved, strongest};
use crate::numerics::linear::{cholesky_solve, symmetric_inverse};
use crate::studies::lens_models::{Deflector, LensModel, Sersic};
use crate::studies::lens_reconstruction::{LensError, Observation};

/// How a source is inverted.
#[derive(Clone, Debug, PartialEq)]
pub struct InversionSettings {
    /// Source pixels along each side; see [`Self::SOURCE_PIXELS`].
    pub source_pixels: usize,
    /// What the prior holds small.
    pub regularisation: Regularisation,
    /// Strength of the prior (`prior ~ exp(-strength s^T H s / 2)`, s in the unit of the data); `None`: the evidence chooses.
    pub strength: Option<f64>,
    /// What the prior is centred on: a parametric source, or none (darkness). Where the data say nothing, the source is that.
    pub mean: Vec<Sersic>,
    /// Rays along the side of an image pixel.
    pub rays_a_side: usize,
    /// Optimise the lens too.
    pub optimise_lens: bool,
    /// Most trial steps of the lens.
    pub max_steps: usize,
}

impl InversionSettings {
    /// Least and greatest `source_pixels`: the time grows with the sixth power.
    pub const SOURCE_PIXELS: [usize; 2] = [10, 60];

    /// # Errors
    /// A setting out of its range.
    pub(super) fn check(&self) -> Result<(), LensError> {
        let [least, most] = Self::SOURCE_PIXELS;
        if !(least..=most).contains(&self.source_pixels) {
            let problem = format!("expected {least} to {most}").into();
            return Err(LensError::Value { name: "source_pixels", value: self.source_pixels as f64, problem });
        }
        if !(1..=8).contains(&self.rays_a_side) {
            let problem = "expected 1 to 8".into();
            return Err(LensError::Value { name: "rays_a_side", value: self.rays_a_side as f64, problem });
        }
        if let Some(strength) = self.strength.filter(|s| !(*s > 0.0 && s.is_finite())) {
            let problem = "expected a positive number, or none for the evidence to choose".into();
            return Err(LensError::Value { name: "regularisation_strength", value: strength, problem });
        }
        Ok(())
    }
}

impl Default for InversionSettings {
    fn default() -> Self {
        Self {
            source_pixels: 40,
            regularisation: Regularisation::Curvature,
            strength: None,
            mean: Vec::new(),
            rays_a_side: 2,
            optimise_lens: true,
            max_steps: 60,
        }
    }
}

/// A finished inversion. Maps are `[y, x]`.
#[derive(Clone, Debug)]
pub struct Inversion {
    /// The lens it ended at.
    pub lens: LensModel,
    /// Where the source pixels lie.
    pub grid: SourceGrid,
    /// Source, unit of the data (surface brightness is conserved).
    pub source: Array2<f64>,
    /// Standard deviation of every source pixel, from noise and prior, the lens held.
    pub sigma: Array2<f64>,
    /// How much each source pixel is seen: the root of the sum of squares of its response over the noise (1 / unit of the data).
    pub seen: Array2<f64>,
    /// Lensed source through the PSF over the whole image, without foreground.
    pub lensed_source_image: Array2<f64>,
    /// Chi-squared in the used pixels.
    pub chi2: f64,
    /// Used pixels.
    pub pixels: usize,
    /// Effective number of determined source pixels.
    pub determined: f64,
    /// Number of lens parameters that were optimised.
    pub lens_parameters: usize,
    /// Strength of the prior.
    pub strength: f64,
    /// Natural logarithm of the evidence.
    pub evidence_ln: f64,
    /// That of the lens that it began with, its own best strength.
    pub evidence_ln_start: f64,
    /// Covariance of `[einstein_radius, e1, e2, x, y, gamma1, gamma2]`, the source solved anew (Gaussian; strength held), row by row.
    pub lens_covariance: Option<Vec<f64>>,
    /// How often the source was solved for another lens.
    pub solves: usize,
}

impl Inversion {
    /// Used pixels less what was determined from them.
    pub fn degrees_of_freedom(&self) -> f64 {
        (self.pixels as f64 - self.determined - self.lens_parameters as f64).max(1.0)
    }

    /// Chi-squared per degree of freedom.
    pub fn reduced_chi2(&self) -> f64 {
        self.chi2 / self.degrees_of_freedom()
    }
}

/// The state of an inversion after a solve.
pub struct InversionStep<'a> {
    /// Counts solves from 0.
    pub step: usize,
    /// The lens.
    pub lens: &'a LensModel,
    /// Chi-squared in the used pixels.
    pub chi2: f64,
    /// Used pixels.
    pub pixels: usize,
    /// Logarithm of the evidence.
    pub evidence_ln: f64,
    /// Strength of the prior.
    pub strength: f64,
    /// Where the source pixels lie.
    pub grid: SourceGrid,
    /// The source, row by row.
    pub source: &'a [f64],
    field: &'a Field,
    response: &'a Response,
}

impl InversionStep<'_> {
    /// Lensed source through the PSF in the unit of the data; NaN in pixels that are not used.
    pub fn model_image(&self) -> Array2<f64> {
        let mut values = vec![0.0; self.field.used.len()];
        self.response.apply(self.source, &mut values);
        self.field.image(values.iter().zip(&self.field.weight).map(|(v, w)| v / w))
    }

    /// (Data - model) / noise; NaN in pixels that are not used.
    pub fn residual_image(&self) -> Array2<f64> {
        let mut values = vec![0.0; self.field.used.len()];
        self.response.apply(self.source, &mut values);
        self.field.image(values.iter().zip(&self.field.target).map(|(v, t)| t - v))
    }
}

/// The callback of an inversion: runs at every solve and between its parts, stops with `Break`.
pub type InversionCallback<'a> = dyn FnMut(Event<&InversionStep>) -> ControlFlow<()> + 'a;

/// Asks whether to stop.
fn still(callback: &mut InversionCallback) -> Result<(), LensError> {
    if callback(Event::Within).is_break() { Err(LensError::Cancelled) } else { Ok(()) }
}

/// A square of `side` pixels in the source plane that holds what is seen: where the pixels come from that the lens magnifies and whose
/// light (mean of 3 x 3) stands out of the noise.
pub(super) fn grid_for(field: &Field, lens: &impl Deflector, side: usize) -> SourceGrid {
    let mut signal = vec![f64::NAN; field.cells()];
    for ((cell, _), target) in field.used.iter().zip(&field.target) {
        signal[*cell as usize] = *target;
    }
    let wide = field.extent[1] as isize;
    let significance = |cell: u32| {
        let (mut sum, mut count) = (0.0, 0.0f64);
        for dj in -1..=1 {
            for di in -1..=1 {
                let near = cell as isize + dj * wide + di;
                if let Some(value) = usize::try_from(near).ok().and_then(|k| signal.get(k)).filter(|v| v.is_finite()) {
                    sum += value;
                    count += 1.0;
                }
            }
        }
        sum / count.sqrt().max(1.0)
    };
    let traced = |least: f64| -> Vec<[f64; 2]> {
        field
            .used
            .iter()
            .filter(|(cell, _)| significance(*cell) > least)
            .map(|(cell, _)| field.centre(*cell))
            .filter(|[x, y]| lens.inverse_magnification(*x, *y).abs() < 1.0)
            .map(|[x, y]| lens.source_from_image(x, y))
            .collect()
    };
    let mut positions = traced(5.0);
    if positions.len() < 30 {
        positions = traced(f64::NEG_INFINITY);
    }
    let reach = |axis: usize| {
        let mut values: Vec<f64> = positions.iter().map(|p| p[axis]).filter(|v| v.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let at = |part: f64| values.get((part * (values.len().saturating_sub(1)) as f64) as usize).copied();
        (at(0.005).unwrap_or(-0.5), at(0.995).unwrap_or(0.5))
    };
    let (x, y) = (reach(0), reach(1));
    // Room for what is too faint to stand out.
    let width = 1.3 * (x.1 - x.0).max(y.1 - y.0).max(0.5 * field.step);
    SourceGrid { centre: [0.5 * (x.0 + x.1), 0.5 * (y.0 + y.1)], pixel: width / side.max(1) as f64, side }
}

/// The grid that [`invert`] would use.
///
/// # Errors
/// No pixel is used.
pub fn grid_of(
    observation: &Observation,
    foreground: Option<&Array2<f64>>,
    lens: &LensModel,
    side: usize,
) -> Result<SourceGrid, LensError> {
    Ok(grid_for(&Field::new(observation, foreground, 1)?, &Bending::new(lens), side))
}

/// The source behind a known lens, from data without lens light or sky.
///
/// # Errors
/// As [`invert`].
pub fn recover_source(
    observation: &Observation,
    lens: &LensModel,
    settings: &InversionSettings,
) -> Result<Inversion, LensError> {
    let settings = InversionSettings { optimise_lens: false, ..settings.clone() };
    invert(observation, None, lens, &settings, &mut |_| ControlFlow::Continue(()))
}

/// One lens with everything that was computed for it.
struct Trial {
    lens: LensModel,
    bending: Bending,
    traced: Traced,
    response: Response,
    normal: Normal,
}

impl Trial {
    fn new(work: &Work, lens: &LensModel, callback: &mut InversionCallback) -> Result<Self, LensError> {
        let bending = Bending::new(lens);
        let traced = Traced::new(&work.field, &bending);
        let response = Response::new(&work.field, &work.grid, &traced);
        still(callback)?;
        let normal = Normal::new(&response, &work.field.target, &work.field.weight, &work.mean);
        still(callback)?;
        Ok(Self { lens: lens.clone(), bending, traced, response, normal })
    }
}

/// What stays while the lens moves.
struct Work {
    field: Field,
    grid: SourceGrid,
    prior: Prior,
    mean: Vec<f64>,
    log_determinant: f64,
    solves: usize,
}

impl Work {
    fn report(&mut self, trial: &Trial, solved: &Solved, callback: &mut InversionCallback) -> Result<(), LensError> {
        let step = InversionStep {
            step: self.solves,
            lens: &trial.lens,
            chi2: solved.chi2,
            pixels: self.field.used.len(),
            evidence_ln: solved.evidence_ln,
            strength: solved.strength,
            grid: self.grid,
            source: &solved.source,
            field: &self.field,
            response: &trial.response,
        };
        self.solves += 1;
        if callback(Event::Step(&step)).is_break() { Err(LensError::Cancelled) } else { Ok(()) }
    }

    fn solve(&mut self, trial: &Trial, strength: f64, callback: &mut InversionCallback) -> Result<Solved, LensError> {
        let solved = Solved::new(&trial.normal, &self.prior, self.log_determinant, strength)?;
        self.report(trial, &solved, callback)?;
        Ok(solved)
    }

    /// With the strength given, or the strongest near `start`.
    fn solve_with(
        &mut self,
        trial: &Trial,
        given: Option<f64>,
        start: Option<f64>,
        callback: &mut InversionCallback,
    ) -> Result<(Solved, Determination), LensError> {
        if let Some(strength) = given {
            let solved = self.solve(trial, strength, callback)?;
            let determination = solved.determination(&self.prior);
            still(callback)?;
            return Ok((solved, determination));
        }
        let (prior, log_determinant) = (self.prior.clone(), self.log_determinant);
        strongest(&trial.normal, &prior, log_determinant, start, |solved| match solved {
            Some(solved) => self.report(trial, solved, callback),
            None => still(callback),
        })
    }

    /// Gradient of half the penalised chi-squared by the lens (the source solved anew: at its optimum it adds nothing), and its Gauss-Newton
    /// curvature, from which what the source can follow is taken out.
    fn lens_equations(&self, trial: &Trial, solved: &Solved) -> ([f64; MOVED], Vec<f64>) {
        let pixels = self.field.used.len();
        let jacobian = lens_jacobian(&self.field, &self.grid, &solved.source, &trial.bending, &trial.traced);
        let column = |k: usize| &jacobian[k * pixels..(k + 1) * pixels];
        let mut residual = vec![0.0; pixels];
        trial.response.apply(&solved.source, &mut residual);
        residual.iter_mut().zip(&self.field.target).for_each(|(r, t)| *r -= t);
        let gradient = std::array::from_fn(|k| dot(column(k), &residual));
        let n = solved.source.len();
        let mut seen = vec![0.0; n];
        let mut mixed = Mat::<f64>::zeros(n, MOVED);
        for k in 0..MOVED {
            trial.response.apply_transpose(column(k), &mut seen);
            (0..n).for_each(|i| mixed[(i, k)] = seen[i]);
        }
        let mut followed = mixed.clone();
        solved.solve(&mut followed);
        let curvature = (0..MOVED * MOVED)
            .map(|k| {
                let (a, b) = (k / MOVED, k % MOVED);
                dot(column(a), column(b)) - dot(mixed.col_as_slice(a), followed.col_as_slice(b))
            })
            .collect();
        (gradient, curvature)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// True where a lens is one.
fn sensible(p: &[f64; MOVED]) -> bool {
    p[0] > 0.0 && p[1].hypot(p[2]) < 0.7 && p[5].hypot(p[6]) < 0.6 && p.iter().all(|v| v.is_finite())
}

/// Strength of the prior in the first steps of the lens, over that which the evidence chooses.
const STIFFER: f64 = 30.0;
/// Penalised chi-squared below which improvements do not matter.
const TOLERANCE: f64 = 0.05;

/// Levenberg-Marquardt steps of the lens at one strength; returns how much the penalised chi-squared fell.
fn move_lens(
    work: &mut Work,
    trial: &mut Trial,
    solved: &mut Solved,
    steps: &mut usize,
    callback: &mut InversionCallback,
) -> Result<f64, LensError> {
    let strength = solved.strength;
    let first = solved.penalised();
    let mut damping = 1e-3;
    'steps: while *steps > 0 {
        let (gradient, curvature) = work.lens_equations(trial, solved);
        still(callback)?;
        let start = moved(&trial.lens);
        loop {
            if *steps == 0 || damping > 1e8 {
                break 'steps;
            }
            *steps -= 1;
            let mut matrix = curvature.clone();
            for k in 0..MOVED {
                matrix[k * MOVED + k] *= 1.0 + damping;
            }
            let mut step = gradient.map(|g| -g);
            let solvable = cholesky_solve(&mut matrix, &mut step);
            let next: [f64; MOVED] = std::array::from_fn(|k| start[k] + step[k]);
            if !solvable || !sensible(&next) {
                damping = (damping * 10.0).max(1e-3);
                continue;
            }
            let candidate = Trial::new(work, &with_moved(&trial.lens, next), callback)?;
            let found = work.solve(&candidate, strength, callback)?;
            let gain = solved.penalised() - found.penalised();
            if gain > 0.0 {
                damping = (damping * 0.2).max(1e-9);
                *trial = candidate;
                *solved = found;
                if gain < TOLERANCE {
                    break 'steps;
                }
                break;
            }
            // A step that promises less than the tolerance is not worth a smaller one.
            if -dot(&gradient, &step) < TOLERANCE {
                break 'steps;
            }
            damping = (damping * 8.0).max(1e-3);
        }
    }
    Ok(first - solved.penalised())
}

/// Inverts the data less the foreground (lens light and sky through the PSF) to a pixelated source, and optimises the lens if asked for,
/// starting from `lens`.
///
/// # Errors
/// A setting out of its range, too few used pixels, a strength too small to solve with, or [`LensError::Cancelled`].
pub fn invert(
    observation: &Observation,
    foreground: Option<&Array2<f64>>,
    lens: &LensModel,
    settings: &InversionSettings,
    callback: &mut InversionCallback,
) -> Result<Inversion, LensError> {
    settings.check()?;
    let field = Field::new(observation, foreground, settings.rays_a_side)?;
    if field.used.len() < 2 * MOVED {
        return Err(LensError::TooFewPixels { used: field.used.len(), parameters: MOVED });
    }
    let grid = grid_for(&field, &Bending::new(lens), settings.source_pixels);
    let prior = Prior::new(settings.regularisation, [grid.side; 2]);
    let log_determinant = prior.log_determinant().unwrap_or(f64::NAN);
    still(callback)?;
    let mean = grid.mean_of(&settings.mean);
    let mut work = Work { field, grid, prior, mean, log_determinant, solves: 0 };
    let mut trial = Trial::new(&work, lens, callback)?;
    let (mut solved, mut determination) = work.solve_with(&trial, settings.strength, None, callback)?;
    let evidence_ln_start = solved.evidence_ln;
    let mut covariance = None;
    if settings.optimise_lens {
        let mut steps = settings.max_steps;
        if settings.strength.is_none() {
            // The worse the lens, the more the source bends to the data and hides it. Held stiffer, it lets the lens move first.
            let mut stiff = work.solve(&trial, STIFFER * solved.strength, callback)?;
            let mut first = steps / 3;
            steps -= first;
            move_lens(&mut work, &mut trial, &mut stiff, &mut first, callback)?;
            steps += first;
            solved = work.solve_with(&trial, None, Some(stiff.strength), callback)?.0;
        }
        loop {
            let fell = move_lens(&mut work, &mut trial, &mut solved, &mut steps, callback)?;
            let before = solved.strength;
            (solved, determination) = work.solve_with(&trial, settings.strength, Some(before), callback)?;
            let settled = fell < 1.0 || (solved.strength / before).ln().abs() < 0.02;
            if steps == 0 || settled {
                break;
            }
        }
        let (_, curvature) = work.lens_equations(&trial, &solved);
        covariance = symmetric_inverse(&curvature, MOVED);
        still(callback)?;
    }
    let whole = whole_field(observation, settings.rays_a_side)?;
    let traced = Traced::new(&whole, &trial.bending);
    let lensed_source_image = whole.image(blurred(&whole, &grid, &solved.source, &traced));
    let seen: Vec<f64> = trial.response.squares().iter().map(|s| s.sqrt()).collect();
    let sigma: Vec<f64> = determination.variances.iter().map(|v| v.sqrt()).collect();
    Ok(Inversion {
        source: grid.map(&solved.source),
        sigma: grid.map(&sigma),
        seen: grid.map(&seen),
        grid,
        lensed_source_image,
        chi2: solved.chi2,
        pixels: work.field.used.len(),
        determined: determination.determined,
        lens_parameters: if settings.optimise_lens { MOVED } else { 0 },
        strength: solved.strength,
        evidence_ln: solved.evidence_ln,
        evidence_ln_start,
        lens_covariance: covariance,
        solves: work.solves,
        lens: trial.lens,
    })
}
