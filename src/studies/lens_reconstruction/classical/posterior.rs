//! Draws from the posterior of a parametric fit: four chains of the No-U-Turn sampler around the best model.
//!
//! The likelihood is that of the fit (noise independent from pixel to pixel); priors are flat within the bounds of the fit in the parameters that it
//! moves (Einstein radius, ellipticity vector, shear components, centres, amplitudes, radii, Sersic indices). A parameter that the fit
//! left on a bound stays there.

use std::ops::ControlFlow;
use std::sync::Mutex;

use rayon::prelude::*;

use super::problem::Sky;
use super::result::ParametricFit;
use crate::data::{ColumnData, Table, TableColumn};
use crate::numerics::chains::{Convergence, convergence};
use crate::numerics::linear::symmetric_inverse;
use crate::numerics::nuts::{Density, Options, sample};
use crate::numerics::random;
use crate::studies::lens_models::{GALAXY_PARAMETERS, LensModel, SERSIC_PARAMETERS};
use crate::studies::lens_reconstruction::imaging::{ForwardModel, Sampling};
use crate::studies::lens_reconstruction::scene::AMPLITUDE;
use crate::studies::lens_reconstruction::{LensError, Observation};

/// Number of chains: enough for R-hat to mean something.
pub const CHAINS: usize = 4;

/// One quantity of the posterior, in the terms that users see.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    /// Name, with its unit as a suffix: `einstein_radius_arcsec`.
    pub name: String,
    /// Values `[chain][draw]`.
    pub values: Vec<Vec<f64>>,
    /// 16, 50 and 84 per cent quantiles.
    pub quantiles: [f64; 3],
    /// Whether the chains agree and what they are worth.
    pub convergence: Convergence,
}

/// Draws from the posterior.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    /// The lens, then the parameters of source and lens light that moved.
    pub quantities: Vec<Quantity>,
    /// Components whose shape was held at its best values: `lens light 2`.
    pub held: Vec<String>,
    /// Log-posterior `[chain][draw]`, up to a constant.
    pub log_posterior: Vec<Vec<f64>>,
    /// Paths that ran away, all chains together; more than a few mean that a wall of the prior is near.
    pub divergences: usize,
    /// Evaluations of likelihood and gradient, all chains together.
    pub evaluations: usize,
}

/// How to sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PosteriorSettings {
    /// Draws kept, all chains together.
    pub draws: usize,
    /// Least samples along the side of a pixel, as in the fit.
    pub supersampling: usize,
    /// Seed of the chains.
    pub seed: u64,
}

/// The posterior as the sampler sees it.
struct LensDensity<'a> {
    model: ForwardModel,
    fit: &'a ParametricFit,
    free: &'a [usize],
    amplitudes: &'a [usize],
    full: Vec<f64>,
    residuals: Vec<f64>,
}

impl Density for LensDensity<'_> {
    fn dimension(&self) -> usize {
        self.free.len()
    }

    fn log_density(&mut self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let (lower, upper) = self.fit.bounds();
        for (&i, value) in self.free.iter().zip(x) {
            // Amplitudes have no wall: a flat prior that ends at zero would bend the path of every faint component.
            let amplitude = self.amplitudes.contains(&i);
            if !amplitude && (*value < lower[i] || *value > upper[i]) {
                gradient.fill(0.0);
                return f64::NEG_INFINITY;
            }
            self.full[i] = *value;
        }
        let half = self.model.half_chi2_and_gradient(&self.full, self.free, gradient, &mut self.residuals);
        for g in gradient.iter_mut() {
            *g = -*g;
        }
        let mut value = -half;
        if let (Sky::Fitted(Some((mean, sigma))), Ok(place)) =
            (self.fit.sky, self.free.binary_search(&self.fit.layout.sky()))
        {
            let off = (self.full[self.fit.layout.sky()] - mean) / sigma;
            value -= 0.5 * off * off;
            gradient[place] -= off / sigma;
        }
        value
    }
}

/// Samples the posterior around a fit. `progress` is called with a fraction after every draw and ends the sampling with `ControlFlow::Break`.
/// The same input gives the same draws on any number of threads.
///
/// # Errors
/// The curvature of the fit is singular, or [`LensError::Cancelled`].
pub fn sample_posterior(
    observation: &Observation,
    fit: &ParametricFit,
    settings: PosteriorSettings,
    progress: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
) -> Result<Posterior, LensError> {
    let (free, held) = moving(fit);
    let model = || -> Result<ForwardModel, LensError> {
        let sampling = Sampling { per_pixel_side: settings.supersampling, adaptive: true };
        let mut model = ForwardModel::new(observation, fit.layout, sampling)?;
        model.adapt(&fit.parameters);
        Ok(model)
    };
    let covariance = covariance(&mut model()?, fit, &free).ok_or(LensError::NothingFound)?;
    let draws = settings.draws.div_ceil(CHAINS).max(4);
    // The metric is known from the fit; the warm-up only sets the step size and forgets the start.
    let options = Options { warm_up: 120 + draws / 10, draws, depth: 6, ..Options::default() };
    let total = (CHAINS * (options.warm_up + draws)) as f64;
    let report = Mutex::new((0usize, progress));
    let amplitudes: Vec<usize> = fit.layout.linear().collect();
    let start: Vec<f64> = free.iter().map(|i| fit.parameters[*i]).collect();
    let chains = (0..CHAINS)
        .into_par_iter()
        .map(|k| {
            let mut rng = random::stream(settings.seed, "lens_reconstruction.posterior", k as u64);
            let model = model()?;
            let residuals = vec![0.0; model.pixels()];
            let mut density = LensDensity {
                model,
                fit,
                free: &free,
                amplitudes: &amplitudes,
                full: fit.parameters.clone(),
                residuals,
            };
            let step = |_: usize, _: &[f64]| {
                let mut held = report.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                held.0 += 1;
                let fraction = held.0 as f64 / total;
                (held.1)(fraction)
            };
            sample(&mut density, &start, &covariance, options, &mut rng, step).ok_or(LensError::NothingFound)
        })
        .collect::<Result<Vec<_>, LensError>>()?;
    if chains.iter().any(|c| c.draws.len() < draws) {
        return Err(LensError::Cancelled);
    }
    Ok(Posterior {
        quantities: quantities(fit, &free, &chains.iter().map(|c| c.draws.as_slice()).collect::<Vec<_>>()),
        held,
        divergences: chains.iter().map(|c| c.divergences).sum(),
        evaluations: chains.iter().map(|c| c.evaluations).sum(),
        log_posterior: chains.into_iter().map(|c| c.log_density).collect(),
    })
}

/// The parameters that move, and the components whose shape stays at its best values while their brightness moves: those that the data hardly
/// inform, and all of a lens light of several components, which trade places and widths with each other in ways that no chain
/// of a sensible length explores and that tell nothing of the lens.
fn moving(fit: &ParametricFit) -> (Vec<usize>, Vec<String>) {
    let (lower, upper) = fit.bounds();
    let unknown = |i: usize| {
        let error = fit.errors_gaussian[i];
        !error.is_finite() || error > 0.3 * (upper[i] - lower[i])
    };
    let mut still = vec![false; fit.layout.len()];
    let mut held = Vec::new();
    for k in 0..fit.layout.components() {
        let first = fit.layout.component(k);
        let shape = first + AMPLITUDE + 1..first + SERSIC_PARAMETERS;
        let mixed = k >= fit.layout.sources && fit.layout.lights > 1;
        if mixed || shape.clone().any(unknown) {
            still[shape].fill(true);
            let (name, number) =
                if k < fit.layout.sources { ("source", k) } else { ("lens light", k - fit.layout.sources) };
            held.push(format!("{name} {}", number + 1));
        }
    }
    let free = (0..fit.layout.len()).filter(|i| !still[*i] && fit.errors_gaussian[*i].is_finite()).collect();
    (free, held)
}

/// Covariance of the free parameters from the curvature at the best model.
fn covariance(model: &mut ForwardModel, fit: &ParametricFit, free: &[usize]) -> Option<Vec<f64>> {
    let (n, pixels) = (free.len(), model.pixels());
    let mut jacobian = vec![0.0; n * pixels];
    model.jacobian(&fit.parameters, free, &mut jacobian);
    let column = |k: usize| &jacobian[k * pixels..(k + 1) * pixels];
    let mut normal = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let product: f64 = column(i).iter().zip(column(j)).map(|(a, b)| a * b).sum();
            normal[i * n + j] = product;
            normal[j * n + i] = product;
        }
    }
    if let (Sky::Fitted(Some((_, sigma))), Ok(place)) = (fit.sky, free.binary_search(&fit.layout.sky())) {
        normal[place * n + place] += 1.0 / (sigma * sigma);
    }
    symmetric_inverse(&normal, n)
}

/// What users want to know of every draw.
fn quantities(fit: &ParametricFit, free: &[usize], chains: &[&[Vec<f64>]]) -> Vec<Quantity> {
    let lens_of = |draw: &[f64]| {
        let mut full = fit.parameters.clone();
        for (&i, value) in free.iter().zip(draw) {
            full[i] = *value;
        }
        LensModel::from_parameters(fit.layout.lens, &full)
    };
    // Angles are cut open opposite to the best one, so that a spread across 0 or 180 stays in one piece.
    let near = |angle: f64, best: f64| best + (angle - best + 90.0).rem_euclid(180.0) - 90.0;
    let best = &fit.scene.lens;
    let (angle, shear_angle) = (best.galaxy.position_angle_deg, best.shear.angle_deg());
    type Derived<'a> = (&'static str, Box<dyn Fn(&LensModel) -> f64 + 'a>);
    let mut derived: Vec<Derived<'_>> = vec![
        ("einstein_radius_arcsec", Box::new(LensModel::effective_einstein_radius)),
        // Along the intermediate axis, without the shear: what other programs call the Einstein radius.
        ("ellipse_einstein_radius_arcsec", Box::new(|l| l.galaxy.einstein_radius_arcsec)),
        ("axis_ratio", Box::new(|l| l.galaxy.axis_ratio)),
        ("position_angle_deg", Box::new(move |l| near(l.galaxy.position_angle_deg, angle))),
        ("shear", Box::new(|l| l.shear.strength())),
        ("shear_angle_deg", Box::new(move |l| near(l.shear.angle_deg(), shear_angle))),
        ("gamma1", Box::new(|l| l.shear.gamma1)),
        ("gamma2", Box::new(|l| l.shear.gamma2)),
        ("lens_x_arcsec", Box::new(|l| l.galaxy.x_arcsec)),
        ("lens_y_arcsec", Box::new(|l| l.galaxy.y_arcsec)),
    ];
    if fit.layout.lens.free_slope {
        derived.push(("slope", Box::new(|l| l.galaxy.slope)));
    }
    let lenses: Vec<Vec<LensModel>> = chains.iter().map(|c| c.iter().map(|d| lens_of(d)).collect()).collect();
    let mut out: Vec<Quantity> = Vec::new();
    for (name, of) in derived {
        out.push(Quantity::new(name.to_owned(), lenses.iter().map(|c| c.iter().map(&of).collect()).collect()));
    }
    let names = fit.layout.names();
    for (column, &i) in free.iter().enumerate().filter(|(_, i)| **i >= GALAXY_PARAMETERS) {
        out.push(Quantity::new(
            names[i].clone(),
            chains.iter().map(|c| c.iter().map(|d| d[column]).collect()).collect(),
        ));
    }
    out
}

impl Quantity {
    /// Whether it describes something else than the light of a galaxy: the mass, or the sky.
    pub fn is_of_lens(&self) -> bool {
        !self.name.starts_with("source[") && !self.name.starts_with("lens_light[")
    }

    fn new(name: String, values: Vec<Vec<f64>>) -> Self {
        let mut all: Vec<f64> = values.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        let quantile = |p: f64| {
            let place = p * all.len().saturating_sub(1) as f64;
            let below = place.floor() as usize;
            let above = (below + 1).min(all.len().saturating_sub(1));
            all.get(below).map_or(f64::NAN, |low| low + (place - below as f64) * (all[above] - low))
        };
        let quantiles = [0.158_655, 0.5, 0.841_345].map(quantile);
        let convergence = convergence(&values);
        Self { name, values, quantiles, convergence }
    }
}

impl Posterior {
    /// A quantity by name.
    pub fn quantity(&self, name: &str) -> Option<&Quantity> {
        self.quantities.iter().find(|q| q.name == name)
    }

    /// The draws as a table: chain, log-posterior, then a column a quantity.
    pub fn table(&self) -> Table {
        let flat = |values: &[Vec<f64>]| values.iter().flatten().copied().collect::<Vec<f64>>();
        let chain = self.log_posterior.iter().enumerate().flat_map(|(k, c)| std::iter::repeat_n(k as f64, c.len()));
        let mut columns = vec![
            TableColumn::new("chain", "", ColumnData::from(chain.collect::<Vec<f64>>())),
            TableColumn::new("log_posterior", "", ColumnData::from(flat(&self.log_posterior)))
                .described("up to a constant"),
        ];
        for quantity in &self.quantities {
            let unit = if quantity.name.ends_with("_arcsec") {
                "arcsec"
            } else if quantity.name.ends_with("_deg") {
                "deg"
            } else {
                ""
            };
            columns.push(TableColumn::new(&quantity.name, unit, ColumnData::from(flat(&quantity.values))));
        }
        Table::new(columns)
    }

    /// The posterior of a table that [`Posterior::table`] made; `None` when a column is missing or not a number.
    pub fn from_table(table: &Table, divergences: usize, evaluations: usize) -> Option<Self> {
        let chain = table.numbers("chain")?;
        // A damaged file must not ask for memory without end.
        if !chain.iter().all(|k| (0.0..1000.0).contains(k) && k.fract() == 0.0) {
            return None;
        }
        let chains = chain.iter().copied().fold(0.0, f64::max) as usize + 1;
        let split = |values: Vec<f64>| -> Vec<Vec<f64>> {
            let mut out = vec![Vec::new(); chains];
            for (k, value) in chain.iter().zip(values) {
                if let Some(values) = out.get_mut(*k as usize) {
                    values.push(value);
                }
            }
            out
        };
        let log_posterior = split(table.numbers("log_posterior")?);
        let names = table.columns.iter().map(|c| c.name.clone()).filter(|n| n != "chain" && n != "log_posterior");
        let quantities = names
            .map(|name| Some(Quantity::new(name.clone(), split(table.numbers(&name)?))))
            .collect::<Option<Vec<_>>>()?;
        Some(Self { quantities, held: Vec::new(), log_posterior, divergences, evaluations })
    }

    /// The largest R-hat and the smallest bulk effective sample size of the quantities of the lens that vary.
    pub fn worst(&self) -> (f64, f64) {
        let of_lens = self.quantities.iter().filter(|q| q.is_of_lens());
        of_lens
            .filter(|q| q.convergence.bulk_ess.is_finite())
            .fold((f64::NAN, f64::NAN), |(r, e), q| (r.max(q.convergence.r_hat), e.min(q.convergence.bulk_ess)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::Sersic;
    use crate::studies::lens_reconstruction::classical::{FitSettings, fit_parametric};
    use crate::studies::lens_reconstruction::simulate::{SimulationSpec, simulate};

    fn fitted() -> (Observation, ParametricFit) {
        let spec = SimulationSpec { size_px: 40, noise_sigma: 0.02, ..SimulationSpec::default() };
        let observation = simulate(&spec).unwrap().observation;
        let settings = FitSettings { lens_light_components: 0, starts: 3, ..FitSettings::default() };
        let fit = fit_parametric(&observation, &settings, &mut |_| ControlFlow::Continue(())).unwrap();
        (observation, fit)
    }

    /// Two components share the light of one galaxy: their shapes stay put and do not spoil the chains of the lens.
    #[test]
    fn components_that_trade_places_are_held() {
        let mut spec = SimulationSpec { size_px: 40, noise_sigma: 0.02, ..SimulationSpec::default() };
        let light = Sersic { amplitude: 0.5, effective_radius_arcsec: 0.4, index: 3.0, ..Sersic::default() };
        spec.scene.lens_light = vec![light];
        let observation = simulate(&spec).unwrap().observation;
        let settings = FitSettings { lens_light_components: 2, starts: 3, ..FitSettings::default() };
        let fit = fit_parametric(&observation, &settings, &mut |_| ControlFlow::Continue(())).unwrap();
        let posterior = sample_posterior(&observation, &fit, SETTINGS, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(posterior.held, ["lens light 1", "lens light 2"]);
        let (r_hat, ess) = posterior.worst();
        assert!(r_hat < 1.05 && ess > 150.0, "{r_hat} {ess} {:?} {}", posterior.held, posterior.divergences);
    }

    const SETTINGS: PosteriorSettings = PosteriorSettings { draws: 800, supersampling: 1, seed: 1 };

    /// Around a well-determined lens the posterior is nearly normal: its widths are the Gaussian errors, and the chains agree.
    #[test]
    fn a_well_determined_lens_has_the_gaussian_errors() {
        let (observation, fit) = fitted();
        let posterior = sample_posterior(&observation, &fit, SETTINGS, &mut |_| ControlFlow::Continue(())).unwrap();
        let (r_hat, ess) = posterior.worst();
        assert!(r_hat < 1.03 && ess > 150.0, "{r_hat} {ess}");
        assert!(posterior.divergences < 20, "{}", posterior.divergences);
        for (name, sigma) in [
            ("einstein_radius_arcsec", fit.lens_errors_gaussian.effective_einstein_radius_arcsec),
            ("axis_ratio", fit.lens_errors_gaussian.axis_ratio),
            ("gamma1", fit.lens_errors_gaussian.gamma1),
            ("gamma2", fit.lens_errors_gaussian.gamma2),
        ] {
            let [low, median, high] = posterior.quantity(name).unwrap().quantiles;
            let width = 0.5 * (high - low);
            assert!((width / sigma - 1.0).abs() < 0.25, "{name}: {width} {sigma}");
            assert!(low < median && median < high);
        }
        let radius = posterior.quantity("einstein_radius_arcsec").unwrap();
        let off = (radius.quantiles[1] - fit.effective_einstein_radius_arcsec).abs();
        assert!(
            off < radius.quantiles[2] - radius.quantiles[0],
            "{:?} {}",
            radius.quantiles,
            fit.effective_einstein_radius_arcsec
        );
    }

    #[test]
    fn draws_repeat_on_any_number_of_threads_and_stop_when_told() {
        let (observation, fit) = fitted();
        let settings = PosteriorSettings { draws: 40, ..SETTINGS };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| sample_posterior(&observation, &fit, settings, &mut |_| ControlFlow::Continue(())).unwrap())
        };
        let (one, three) = (run(1), run(3));
        assert_eq!(one.log_posterior, three.log_posterior);
        let mut calls = 0;
        let stopped = sample_posterior(&observation, &fit, settings, &mut |_| {
            calls += 1;
            if calls > 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(stopped, Err(LensError::Cancelled)));
    }
}
