//! The most probable source and convergence in pixels, from a parametric lens on.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use ndarray::{Array2, s};

use super::Event;
use super::field::{Bending, Field};
use super::grid::SourceGrid;
use super::inversion::{InversionSettings, grid_for};
use super::joint::{JointModel, Parts};
use super::mass::CorrectedLens;
use super::mock::{blurred, whole_field};
use super::prior::{Prior, Regularisation};
use super::response::{Response, Traced};
use super::solve::{Determination, Normal, Solved, strongest};
use crate::numerics::lbfgs::{self, End, minimise};
use crate::numerics::random;
use crate::studies::lens_models::LensModel;
use crate::studies::lens_reconstruction::{LensError, Observation};

/// How source and convergence are reconstructed together.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelSettings {
    /// The source: pixels, regularisation and strength as in an inversion (`None`: the evidence chooses it on the parametric lens).
    pub source: InversionSettings,
    /// What the prior of the logarithm of the convergence holds small.
    pub mass_regularisation: Regularisation,
    /// Expected change of ln convergence (over the parametric one) from one image pixel to the next, or of its change where that is what is
    /// held small: the strength of the prior is one over its square.
    pub mass_step: f64,
    /// A source without negative brightness.
    pub positive: bool,
    /// Most iterations.
    pub iterations: usize,
}

impl Default for PixelSettings {
    fn default() -> Self {
        Self {
            source: InversionSettings { rays_a_side: 1, ..InversionSettings::default() },
            mass_regularisation: Regularisation::Gradient,
            mass_step: 0.05,
            positive: false,
            iterations: 1500,
        }
    }
}

/// A finished reconstruction. Maps are `[y, x]`.
#[derive(Clone, Debug)]
pub struct PixelFit {
    /// The lens with its correction.
    pub lens: CorrectedLens,
    /// The lens that was corrected.
    pub parametric: LensModel,
    /// Where the source pixels lie.
    pub grid: SourceGrid,
    /// Source, unit of the data.
    pub source: Array2<f64>,
    /// Standard deviation of the source pixels, mass held.
    pub sigma: Array2<f64>,
    /// Excess of the convergence over the parametric one, on the image's pixels; zero beyond the box around the used pixels.
    pub excess: Array2<f64>,
    /// Lensed source through the PSF over the whole image.
    pub lensed_source_image: Array2<f64>,
    /// Chi-squared in the used pixels.
    pub chi2: f64,
    /// The same before the mass was corrected, the source in pixels already.
    pub chi2_start: f64,
    /// Used pixels.
    pub pixels: usize,
    /// Effective number of parameters of source and mass together.
    pub determined: f64,
    /// Effective number of determined source pixels alone, mass held.
    pub source_determined: f64,
    /// The same for the source that the search began with.
    pub source_determined_start: f64,
    /// Strength of the source's prior; what is determined of the source, and its errors, belong to it too.
    pub strength: f64,
    /// Logarithm of the evidence for the source at that strength, **given the most probable mass**: not that of the method, which would
    /// integrate over the mass too.
    pub evidence_ln_source_given_mass: f64,
    /// Strength of the convergence's prior.
    pub mass_strength: f64,
    /// Root mean square of `u = ln(convergence / parametric)` over the used pixels.
    pub correction_rms: f64,
    /// Iterations of L-BFGS.
    pub iterations: usize,
    /// Evaluations of value and gradient.
    pub evaluations: usize,
    /// Why it ended.
    pub end: End,
}

impl PixelFit {
    /// Used pixels less what was determined from them.
    pub fn degrees_of_freedom(&self) -> f64 {
        (self.pixels as f64 - self.determined).max(1.0)
    }

    /// Chi-squared per degree of freedom.
    pub fn reduced_chi2(&self) -> f64 {
        self.chi2 / self.degrees_of_freedom()
    }

    /// The same before the mass was corrected, with the source that was determined then.
    pub fn reduced_chi2_start(&self) -> f64 {
        self.chi2_start / (self.pixels as f64 - self.source_determined_start).max(1.0)
    }
}

/// The state after an iteration.
pub struct PixelStep<'a> {
    /// Counts iterations from 1.
    pub step: usize,
    /// Chi-squared and what the priors add.
    pub parts: Parts,
    /// Used pixels.
    pub pixels: usize,
    /// Where the source pixels lie.
    pub grid: SourceGrid,
    x: &'a [f64],
    model: &'a JointModel,
}

impl PixelStep<'_> {
    /// The source, `[y, x]`.
    pub fn source(&self) -> Array2<f64> {
        self.grid.map(&self.model.source_of(self.x))
    }

    /// The convergence in the rows and columns that hold the used pixels, `[y, x]`, and their middle (arcsec).
    pub fn convergence(&self) -> (Array2<f64>, [f64; 2]) {
        let values = self.model.excess_of(self.x).iter().zip(&self.model.convergence).map(|(e, k)| e + k).collect();
        let Field { extent: [rows, columns], margin, origin: [x, y], step, .. } = self.model.field;
        let middle = [x + 0.5 * (columns as f64 - 1.0) * step, y + 0.5 * (rows as f64 - 1.0) * step];
        // The length is the product of the shape by construction.
        let whole = Array2::from_shape_vec((rows, columns), values).unwrap_or_default();
        (whole.slice(s![margin[0]..rows - margin[0], margin[1]..columns - margin[1]]).to_owned(), middle)
    }

    /// Lensed source through the PSF in the unit of the data; NaN in pixels that are not used.
    pub fn model_image(&self) -> Array2<f64> {
        self.model.field.image(self.model.last_image().zip(&self.model.field.weight).map(|(v, w)| v / w))
    }

    /// (Data - model) / noise; NaN in pixels that are not used.
    pub fn residual_image(&self) -> Array2<f64> {
        self.model.field.image(self.model.last_image().zip(&self.model.field.target).map(|(v, t)| t - v))
    }
}

/// The callback: runs after every iteration and between the parts of a solve, stops with `Break`.
pub type PixelCallback<'a> = dyn FnMut(Event<&PixelStep>) -> ControlFlow<()> + 'a;

/// Asks whether to stop.
fn still(callback: &mut PixelCallback) -> Result<(), LensError> {
    if callback(Event::Within).is_break() { Err(LensError::Cancelled) } else { Ok(()) }
}

/// The problem of source and convergence together for an observation, and the unknowns to begin with: the source that the parametric lens
/// makes of the data, and no correction of the mass.
///
/// # Errors
/// As [`fit_pixels`].
pub fn joint_model(
    observation: &Observation,
    foreground: Option<&Array2<f64>>,
    lens: &LensModel,
    settings: &PixelSettings,
) -> Result<(JointModel, Vec<f64>), LensError> {
    let begun = begin(observation, foreground, lens, settings, &mut |_| ControlFlow::Continue(()))?;
    Ok((begun.model, begun.start))
}

/// Everything that a search begins with.
struct Begun {
    model: JointModel,
    start: Vec<f64>,
    scales: Scales,
    source_prior: Prior,
    log_determinant: f64,
    chi2: f64,
    /// Effective number of source pixels that the data determine.
    determined: f64,
}

fn begin(
    observation: &Observation,
    foreground: Option<&Array2<f64>>,
    lens: &LensModel,
    settings: &PixelSettings,
    callback: &mut PixelCallback,
) -> Result<Begun, LensError> {
    settings.source.check()?;
    if !(settings.mass_step > 0.0 && settings.mass_step.is_finite()) {
        let problem = "expected a positive number".into();
        return Err(LensError::Value { name: "convergence_step", value: settings.mass_step, problem });
    }
    let field = Field::new(observation, foreground, settings.source.rays_a_side)?;
    let bending = Bending::new(lens);
    let grid = grid_for(&field, &bending, settings.source.source_pixels);
    let source_prior = Prior::new(settings.source.regularisation, [grid.side; 2]);
    let log_determinant = source_prior.log_determinant().unwrap_or(f64::NAN);
    still(callback)?;
    let response = Response::new(&field, &grid, &Traced::new(&field, &bending));
    still(callback)?;
    let mean = grid.mean_of(&settings.source.mean);
    let normal = Normal::new(&response, &field.target, &field.weight, &mean);
    still(callback)?;
    let (solved, determination) = match settings.source.strength {
        Some(strength) => solved_at(&normal, &source_prior, log_determinant, strength, callback)?,
        None => strongest(&normal, &source_prior, log_determinant, None, |_| still(callback))?,
    };
    let mass_prior = Prior::new(settings.mass_regularisation, field.extent);
    let mass_strength = settings.mass_step.powi(-2);
    // In units in which the curvature of each prior is about 1.
    let mass_scale = (mass_strength * mass_prior.diagonal()).powf(-0.5);
    let scales = Scales { sources: grid.len(), source: solved.scale(), mass: mass_scale };
    let peak = solved.source.iter().copied().fold(0.0, f64::max);
    let positivity = settings.positive.then_some((POSITIVE_FLOOR * peak).max(f64::MIN_POSITIVE));
    let of_source = (source_prior.clone(), solved.strength, mean);
    let model = JointModel::new(field, grid, &bending, of_source, (mass_prior, mass_strength), positivity);
    let start = model.unknowns_of(&solved.source);
    let (chi2, determined) = (solved.chi2, determination.determined);
    Ok(Begun { model, start, scales, source_prior, log_determinant, chi2, determined })
}

/// The source at one strength, with its errors.
fn solved_at(
    normal: &Normal,
    prior: &Prior,
    log_determinant: f64,
    strength: f64,
    callback: &mut PixelCallback,
) -> Result<(Solved, Determination), LensError> {
    let solved = Solved::new(normal, prior, log_determinant, strength)?;
    still(callback)?;
    let determination = solved.determination(prior);
    still(callback)?;
    Ok((solved, determination))
}

/// Width of the soft floor of a positive source, over its peak.
const POSITIVE_FLOOR: f64 = 0.01;
/// Searches at most, each at the strength of the source's prior that the mass of the last one asks for.
const ROUNDS: usize = 4;
/// Change of ln strength below which another search is not worth it.
const SETTLED: f64 = 0.05;

/// Source and convergence that are most probable together, given the data less the foreground, starting from a parametric lens.
///
/// # Errors
/// As an inversion; a `mass_step` that is not positive; [`LensError::Cancelled`].
pub fn fit_pixels(
    observation: &Observation,
    foreground: Option<&Array2<f64>>,
    lens: &LensModel,
    settings: &PixelSettings,
    callback: &mut PixelCallback,
) -> Result<PixelFit, LensError> {
    let begun = begin(observation, foreground, lens, settings, callback)?;
    let Begun { mut model, start, scales, source_prior, log_determinant, .. } = begun;
    let mut gradient = vec![0.0; start.len()];
    let mut run = Search { scales, counts: [0; 2], step: 0, shaken: false, callback };
    let mut x = start;
    let mut round = 0;
    let (end, solved, determination) = loop {
        let (found, end) = run.minimum(&mut model, &x, settings.iterations)?;
        x = found;
        model.evaluate(&x, &mut gradient);
        let response = Response::new(&model.field, &model.grid, &model.last_positions());
        still(run.callback)?;
        let normal = Normal::new(&response, &model.field.target, &model.field.weight, model.source_mean());
        let before = model.source_strength();
        round += 1;
        still(run.callback)?;
        if settings.source.strength.is_none() && round < ROUNDS {
            let (solved, _) =
                strongest(&normal, &source_prior, log_determinant, Some(before), |_| still(run.callback))?;
            if (solved.strength / before).ln().abs() >= SETTLED {
                again(&mut model, &mut run.scales, &solved);
                continue;
            }
        }
        // What is said of the source belongs to the strength at which it was found.
        let (solved, determination) = solved_at(&normal, &source_prior, log_determinant, before, run.callback)?;
        break (end, solved, determination);
    };
    let strength = model.source_strength();
    let parts = model.evaluate(&x, &mut gradient);
    let source = model.source_of(&x);
    let corrected = CorrectedLens::new(lens, &model.field, &model.deflector, model.excess_of(&x));
    let whole = whole_field(observation, settings.source.rays_a_side)?;
    let lensed = blurred(&whole, &model.grid, &source, &Traced::new(&whole, &corrected));
    let u = &x[model.sources()..];
    let used = model.field.used.len();
    let square: f64 = model.field.used.iter().map(|(cell, _)| u[*cell as usize].powi(2)).sum();
    let correction_rms = (square / used.max(1) as f64).sqrt();
    let sigma: Vec<f64> = determination.variances.iter().map(|v| v.sqrt()).collect();
    let [iterations, evaluations] = run.counts;
    let determined = run.determined(&mut model, &x, settings.iterations)?;
    Ok(PixelFit {
        excess: corrected.excess_map(model.field.shape),
        lens: corrected,
        parametric: lens.clone(),
        grid: model.grid,
        source: model.grid.map(&source),
        sigma: model.grid.map(&sigma),
        lensed_source_image: whole.image(lensed),
        chi2: parts.chi2,
        chi2_start: begun.chi2,
        pixels: used,
        determined,
        source_determined: determination.determined,
        source_determined_start: begun.determined,
        strength,
        evidence_ln_source_given_mass: solved.evidence_ln,
        mass_strength: settings.mass_step.powi(-2),
        correction_rms,
        iterations,
        evaluations,
        end,
    })
}

/// Prepares another search: the better the mass, the less must the source bend to the data.
fn again(model: &mut JointModel, scales: &mut Scales, solved: &Solved) {
    model.set_source_strength(solved.strength);
    scales.source = solved.scale();
}

/// From unknowns to those that the search moves, all of about the same weight.
struct Scales {
    sources: usize,
    source: f64,
    mass: f64,
}

impl Scales {
    fn of(&self, k: usize) -> f64 {
        if k < self.sources { self.source } else { self.mass }
    }

    fn scaled(&self, x: &[f64]) -> Vec<f64> {
        x.iter().enumerate().map(|(k, v)| v / self.of(k)).collect()
    }

    fn unscale(&self, x: &mut [f64]) {
        x.iter_mut().enumerate().for_each(|(k, v)| *v *= self.of(k));
    }
}

/// What the searches of one fit share.
struct Search<'a, 'b> {
    scales: Scales,
    /// Iterations, evaluations.
    counts: [usize; 2],
    /// Iterations reported.
    step: usize,
    /// The data are shaken: nobody is to see them.
    shaken: bool,
    callback: &'a mut PixelCallback<'b>,
}

impl Search<'_, '_> {
    /// The minimum near `start`.
    fn minimum(&mut self, model: &mut JointModel, start: &[f64], most: usize) -> Result<(Vec<f64>, End), LensError> {
        let options =
            lbfgs::Options { memory: 20, iterations: most, relative_tolerance: 1e-7, gradient_tolerance: 1e-6 };
        let Self { scales, counts, step, shaken, callback } = self;
        let (grid, pixels) = (model.grid, model.field.used.len());
        let model = RefCell::new(model);
        let last = Cell::new(Parts::default());
        let found = minimise(
            |z, gradient| {
                let mut x = z.to_vec();
                scales.unscale(&mut x);
                let parts = model.borrow_mut().evaluate(&x, gradient);
                scales.unscale(gradient);
                last.set(parts);
                parts.value()
            },
            &scales.scaled(start),
            options,
            |_, z, _| {
                if *shaken {
                    return callback(Event::DegreesOfFreedom);
                }
                let mut x = z.to_vec();
                scales.unscale(&mut x);
                let model = model.borrow();
                *step += 1;
                callback(Event::Step(&PixelStep { step: *step, parts: last.get(), pixels, grid, x: &x, model: &model }))
            },
        );
        if found.end == End::Stopped {
            return Err(LensError::Cancelled);
        }
        counts[0] += found.iterations;
        counts[1] += found.evaluations;
        let mut x = found.x;
        scales.unscale(&mut x);
        Ok((x, found.end))
    }

    /// Effective number of parameters of source and mass together: how far the model follows when the data are shaken,
    /// `sum of (d model / d data)`, by one random shake (Girard 1989, Numer. Math. 56, 1; good to about `sqrt(2 / number)` of it).
    fn determined(&mut self, model: &mut JointModel, x: &[f64], most: usize) -> Result<f64, LensError> {
        /// In units of the noise.
        const SHAKE: f64 = 0.3;
        let mut rng = random::stream(1, "lens_reconstruction.pixels.determined", 0);
        let signs: Vec<f64> =
            (0..model.field.used.len()).map(|_| if random::uniform(&mut rng) < 0.5 { -SHAKE } else { SHAKE }).collect();
        let mut gradient = vec![0.0; x.len()];
        let data = model.field.target.clone();
        let mut followed = [0.0; 2];
        self.shaken = true;
        for (followed, sign) in followed.iter_mut().zip([1.0, -1.0]) {
            for ((target, data), shake) in model.field.target.iter_mut().zip(&data).zip(&signs) {
                *target = data + sign * shake;
            }
            let (moved, _) = self.minimum(model, x, most)?;
            model.evaluate(&moved, &mut gradient);
            *followed = model.last_image().zip(&signs).map(|(value, shake)| value * shake).sum();
        }
        model.field.target = data;
        Ok(((followed[0] - followed[1]) / (2.0 * SHAKE * SHAKE)).clamp(0.0, signs.len() as f64))
    }
}
