//! The No-U-Turn sampler (Hoffman & Gelman 2014, JMLR 15, 1593) with multinomial sampling along the path (Betancourt 2017, arXiv:1701.02434).
//!
//! Chains move in coordinates in which a given covariance is the unit matrix, so a good guess of it (that of a least-squares fit)
//! makes short paths. The step size is set in the warm-up by dual averaging. One seed gives the same chain on every machine and number of threads.

use std::ops::ControlFlow;

use rand::Rng;

use super::random;

/// A log-density with gradient.
pub trait Density {
    /// Number of parameters.
    fn dimension(&self) -> usize;

    /// Logarithm of the density, up to a constant, and its gradient written to `gradient`.
    /// Minus infinity or NaN where it has none: the chain never goes there.
    fn log_density(&mut self, x: &[f64], gradient: &mut [f64]) -> f64;
}

/// How a chain is run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Draws in which the step size is set; they are thrown away.
    pub warm_up: usize,
    /// Draws kept.
    pub draws: usize,
    /// Mean acceptance that the step size aims at.
    pub acceptance: f64,
    /// A path has at most two to this power steps.
    pub depth: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { warm_up: 200, draws: 500, acceptance: 0.8, depth: 8 }
    }
}

/// What a chain left behind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chain {
    /// Draws `[draw][parameter]`.
    pub draws: Vec<Vec<f64>>,
    /// Log-density of each.
    pub log_density: Vec<f64>,
    /// Paths that ran away (energy error above 1000): the density is too stiff for the step there.
    pub divergences: usize,
    /// Evaluations of the density and its gradient.
    pub evaluations: usize,
    /// The step size after the warm-up.
    pub step: f64,
}

/// Energy error at which a path is taken as lost.
const LOST: f64 = 1000.0;

/// A place on a path, in whitened coordinates.
#[derive(Clone, Debug)]
struct State {
    z: Vec<f64>,
    momentum: Vec<f64>,
    gradient: Vec<f64>,
    log_density: f64,
}

impl State {
    /// Log-density less kinetic energy.
    fn joint(&self) -> f64 {
        let joint = self.log_density - 0.5 * self.momentum.iter().map(|p| p * p).sum::<f64>();
        if joint.is_nan() { f64::NEG_INFINITY } else { joint }
    }
}

/// The density as a function of whitened coordinates: `x = centre + L z`.
struct Whitened<'a, D: Density> {
    density: &'a mut D,
    centre: &'a [f64],
    /// Lower triangular, row by row.
    factor: &'a [f64],
    x: Vec<f64>,
    gradient: Vec<f64>,
    evaluations: usize,
}

impl<D: Density> Whitened<'_, D> {
    fn place(&mut self, z: &[f64]) {
        let n = z.len();
        for i in 0..n {
            self.x[i] = self.centre[i] + (0..=i).map(|j| self.factor[i * n + j] * z[j]).sum::<f64>();
        }
    }

    fn evaluate(&mut self, z: &[f64], gradient: &mut [f64]) -> f64 {
        self.place(z);
        self.evaluations += 1;
        let value = self.density.log_density(&self.x, &mut self.gradient);
        let n = z.len();
        for (j, g) in gradient.iter_mut().enumerate() {
            *g = (j..n).map(|i| self.factor[i * n + j] * self.gradient[i]).sum();
        }
        if value.is_nan() { f64::NEG_INFINITY } else { value }
    }

    /// One leapfrog step.
    fn step(&mut self, from: &State, step: f64) -> State {
        let mut next = from.clone();
        for ((p, z), g) in next.momentum.iter_mut().zip(&mut next.z).zip(&from.gradient) {
            *p += 0.5 * step * g;
            *z += step * *p;
        }
        let z = std::mem::take(&mut next.z);
        next.log_density = self.evaluate(&z, &mut next.gradient);
        next.z = z;
        for (p, g) in next.momentum.iter_mut().zip(&next.gradient) {
            *p += 0.5 * step * g;
        }
        next
    }
}

/// A part of a path: its two ends, one draw from it, and its weight.
struct Tree {
    low: State,
    high: State,
    draw: State,
    /// Logarithm of the sum of the weights.
    weight: f64,
    /// Sum of momenta, for the criterion of turning.
    momentum: Vec<f64>,
    /// Whether it goes on: no turn and not lost.
    goes_on: bool,
    lost: bool,
    acceptance: f64,
    steps: usize,
}

fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// True while both ends still move along the sum of the momenta between them.
fn straight(low: &[f64], high: &[f64], sum: &[f64]) -> bool {
    let along = |end: &[f64]| end.iter().zip(sum).map(|(a, b)| a * b).sum::<f64>() > 0.0;
    along(low) && along(high)
}

struct Walk<'a, 'b, D: Density, R: Rng> {
    density: Whitened<'a, D>,
    rng: &'b mut R,
    start: f64,
    step: f64,
}

impl<D: Density, R: Rng> Walk<'_, '_, D, R> {
    /// A tree of `2^depth` steps beyond `from`, forwards or backwards.
    fn grow(&mut self, from: &State, depth: usize, direction: f64) -> Tree {
        if depth == 0 {
            let state = self.density.step(from, direction * self.step);
            let error = state.joint() - self.start;
            let lost = error.is_nan() || -error > LOST;
            return Tree {
                low: state.clone(),
                high: state.clone(),
                momentum: state.momentum.clone(),
                draw: state,
                weight: error,
                goes_on: !lost,
                lost,
                acceptance: error.exp().min(1.0),
                steps: 1,
            };
        }
        let first = self.grow(from, depth - 1, direction);
        if !first.goes_on {
            return first;
        }
        let edge = if direction > 0.0 { first.high.clone() } else { first.low.clone() };
        let second = self.grow(&edge, depth - 1, direction);
        // Inside a subtree both halves weigh as they are.
        let total = log_add(first.weight, second.weight);
        let take = random::uniform(self.rng) < (second.weight - total).exp();
        self.join(first, second, direction, take)
    }

    /// Two neighbouring parts as one; `second` was grown onto `first` in `direction`.
    fn join(&self, first: Tree, second: Tree, direction: f64, take_second: bool) -> Tree {
        let (acceptance, steps) = (first.acceptance + second.acceptance, first.steps + second.steps);
        let weight = log_add(first.weight, second.weight);
        let goes_on = first.goes_on && second.goes_on;
        let lost = first.lost || second.lost;
        let draw = if take_second && second.goes_on { second.draw } else { first.draw };
        let momentum: Vec<f64> = first.momentum.iter().zip(&second.momentum).map(|(a, b)| a + b).collect();
        let (left, right) = if direction > 0.0 {
            ((first.low, first.high, first.momentum), (second.low, second.high, second.momentum))
        } else {
            ((second.low, second.high, second.momentum), (first.low, first.high, first.momentum))
        };
        // Also across the seam: otherwise a path that is periodic with the tree goes unnoticed.
        let add = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f64>>();
        let turns = !straight(&left.0.momentum, &right.1.momentum, &momentum)
            || !straight(&left.0.momentum, &right.0.momentum, &add(&left.2, &right.0.momentum))
            || !straight(&left.1.momentum, &right.1.momentum, &add(&right.2, &left.1.momentum));
        Tree { low: left.0, high: right.1, draw, weight, momentum, goes_on: goes_on && !turns, lost, acceptance, steps }
    }

    /// One draw: the new state, mean acceptance, and whether the path was lost.
    fn draw(&mut self, from: &State, depth: usize) -> (State, f64, bool) {
        let mut start = from.clone();
        for p in &mut start.momentum {
            *p = random::normal(self.rng);
        }
        self.start = start.joint();
        let mut tree = Tree {
            low: start.clone(),
            high: start.clone(),
            momentum: start.momentum.clone(),
            draw: start,
            weight: 0.0,
            goes_on: true,
            lost: false,
            acceptance: 0.0,
            steps: 0,
        };
        for level in 0..depth {
            let direction = if random::uniform(self.rng) < 0.5 { 1.0 } else { -1.0 };
            let edge = if direction > 0.0 { tree.high.clone() } else { tree.low.clone() };
            let grown = self.grow(&edge, level, direction);
            // At the top the new half is preferred: the draw moves farther.
            let take = random::uniform(self.rng) < (grown.weight - tree.weight).exp();
            tree = self.join(tree, grown, direction, take);
            if !tree.goes_on {
                break;
            }
        }
        (tree.draw, tree.acceptance / tree.steps.max(1) as f64, tree.lost)
    }
}

/// Runs one chain from `start`. `covariance` (row by row) is a guess of that of the density; `each` is called after every draw
/// (warm-up included) with its number and its parameters, and may stop the chain, which then has the draws so far.
///
/// Gives `None` when the covariance is not positive definite or the density is nothing at the start.
pub fn sample<D: Density>(
    density: &mut D,
    start: &[f64],
    covariance: &[f64],
    options: Options,
    rng: &mut impl Rng,
    mut each: impl FnMut(usize, &[f64]) -> ControlFlow<()>,
) -> Option<Chain> {
    let n = density.dimension();
    let factor = cholesky(covariance, n)?;
    let mut whitened =
        Whitened { density, centre: start, factor: &factor, x: start.to_vec(), gradient: vec![0.0; n], evaluations: 0 };
    let mut state = State { z: vec![0.0; n], momentum: vec![0.0; n], gradient: vec![0.0; n], log_density: 0.0 };
    let mut gradient = vec![0.0; n];
    state.log_density = whitened.evaluate(&state.z, &mut gradient);
    state.gradient = gradient;
    if !state.log_density.is_finite() {
        return None;
    }
    let first = (n as f64).powf(-0.25);
    let mut walk = Walk { density: whitened, rng, start: 0.0, step: first };
    let mut averaging = DualAveraging::new(first, options.acceptance);
    let mut chain = Chain::default();
    for number in 0..options.warm_up + options.draws {
        let (next, acceptance, lost) = walk.draw(&state, options.depth);
        state = next;
        if number < options.warm_up {
            walk.step = averaging.update(acceptance);
            if number + 1 == options.warm_up {
                walk.step = averaging.average();
            }
        }
        walk.density.place(&state.z);
        let x = walk.density.x.clone();
        let flow = each(number, &x);
        if number >= options.warm_up {
            chain.divergences += usize::from(lost);
            chain.draws.push(x);
            chain.log_density.push(state.log_density);
        }
        if flow.is_break() {
            break;
        }
    }
    chain.evaluations = walk.density.evaluations;
    chain.step = walk.step;
    Some(chain)
}

/// Step-size adaptation (Hoffman & Gelman 2014, section 3.2, with their constants).
struct DualAveraging {
    aim: f64,
    anchor: f64,
    error: f64,
    log_average: f64,
    count: f64,
}

impl DualAveraging {
    fn new(step: f64, aim: f64) -> Self {
        Self { aim, anchor: (10.0 * step).ln(), error: 0.0, log_average: 0.0, count: 0.0 }
    }

    fn update(&mut self, acceptance: f64) -> f64 {
        self.count += 1.0;
        let weight = 1.0 / (self.count + 10.0);
        let acceptance = if acceptance.is_finite() { acceptance } else { 0.0 };
        self.error += weight * (self.aim - acceptance - self.error);
        let log_step = self.anchor - self.count.sqrt() / 0.05 * self.error;
        let fade = self.count.powf(-0.75);
        self.log_average += fade * (log_step - self.log_average);
        log_step.exp()
    }

    fn average(&self) -> f64 {
        self.log_average.exp()
    }
}

/// Lower triangular factor of a symmetric positive definite matrix, row by row.
fn cholesky(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let sum = matrix[i * n + j] - (0..j).map(|k| factor[i * n + k] * factor[j * n + k]).sum::<f64>();
            if i == j {
                if sum.is_nan() || sum <= 0.0 {
                    return None;
                }
                factor[i * n + i] = sum.sqrt();
            } else {
                factor[i * n + j] = sum / factor[j * n + j];
            }
        }
    }
    Some(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::chains::convergence;

    /// A normal distribution of two parameters with a correlation of 0.9.
    struct Normal;

    impl Density for Normal {
        fn dimension(&self) -> usize {
            2
        }

        fn log_density(&mut self, x: &[f64], gradient: &mut [f64]) -> f64 {
            let (a, b) = (x[0] - 1.0, (x[1] + 2.0) / 3.0);
            let scale = 1.0 / (1.0 - 0.81);
            gradient[0] = -scale * (a - 0.9 * b);
            gradient[1] = -scale * (b - 0.9 * a) / 3.0;
            -0.5 * scale * (a * a - 1.8 * a * b + b * b)
        }
    }

    /// Rosenbrock's banana: `x ~ N(0, 1)`, `y ~ N(x^2, 0.5)`.
    struct Banana;

    impl Density for Banana {
        fn dimension(&self) -> usize {
            2
        }

        fn log_density(&mut self, x: &[f64], gradient: &mut [f64]) -> f64 {
            let off = (x[1] - x[0] * x[0]) / 0.25;
            gradient[0] = -x[0] + 2.0 * x[0] * off;
            gradient[1] = -off;
            -0.5 * (x[0] * x[0] + 0.25 * off * off)
        }
    }

    fn chains(mut density: impl Density, covariance: &[f64], acceptance: f64, count: u64) -> Vec<Chain> {
        (0..count)
            .map(|k| {
                let mut rng = random::stream(3, "nuts", k);
                let options = Options { warm_up: 300, draws: 1500, acceptance, ..Options::default() };
                let start = [0.3 * k as f64, -1.0];
                sample(&mut density, &start, covariance, options, &mut rng, |_, _| ControlFlow::Continue(())).unwrap()
            })
            .collect()
    }

    fn column(chains: &[Chain], k: usize) -> Vec<Vec<f64>> {
        chains.iter().map(|c| c.draws.iter().map(|d| d[k]).collect()).collect()
    }

    fn moments(chains: &[Vec<f64>]) -> (f64, f64) {
        let all: Vec<f64> = chains.iter().flatten().copied().collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        (mean, (all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64).sqrt())
    }

    #[test]
    fn a_normal_distribution_comes_out_whatever_the_guess_of_its_covariance() {
        for covariance in [[1.0, 2.7, 2.7, 9.0], [1.0, 0.0, 0.0, 1.0]] {
            let chains = chains(Normal, &covariance, 0.8, 4);
            for (k, mean, sigma) in [(0, 1.0, 1.0), (1, -2.0, 3.0)] {
                let values = column(&chains, k);
                let (found_mean, found_sigma) = moments(&values);
                let worth = convergence(&values);
                assert!(worth.r_hat < 1.01 && worth.bulk_ess > 400.0, "{worth:?}");
                let error = 4.0 * sigma / worth.bulk_ess.sqrt();
                assert!((found_mean - mean).abs() < error, "{found_mean} {mean} {error}");
                assert!((found_sigma / sigma - 1.0).abs() < 4.0 / worth.bulk_ess.sqrt(), "{found_sigma} {sigma}");
            }
        }
    }

    #[test]
    fn a_bent_distribution_has_its_moments() {
        // Where it bends most it is narrow: shorter steps than usual.
        let chains = chains(Banana, &[1.0, 0.0, 0.0, 2.0], 0.97, 4);
        let (mean, sigma) = moments(&column(&chains, 1));
        // y = x^2 + 0.5 n: mean 1, variance 2 + 0.25.
        assert!((mean - 1.0).abs() < 0.15 && (sigma - 1.5).abs() < 0.2, "{mean} {sigma}");
        let (mean, sigma) = moments(&column(&chains, 0));
        assert!(mean.abs() < 0.1 && (sigma - 1.0).abs() < 0.1, "{mean} {sigma}");
    }

    #[test]
    fn a_chain_repeats_and_stops_when_told() {
        let run = || {
            let mut rng = random::stream(9, "nuts", 0);
            let mut seen = 0;
            let chain =
                sample(&mut Normal, &[0.0, 0.0], &[1.0, 0.0, 0.0, 9.0], Options::default(), &mut rng, |n, _| {
                    seen = n;
                    if n == 250 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .unwrap();
            (chain, seen)
        };
        let (a, b) = (run(), run());
        assert_eq!(a, b);
        assert_eq!((a.0.draws.len(), a.1), (51, 250));
        let mut rng = random::stream(9, "nuts", 0);
        let bad = sample(&mut Normal, &[0.0, 0.0], &[1.0, 2.0, 2.0, 1.0], Options::default(), &mut rng, |_, _| {
            ControlFlow::Continue(())
        });
        assert!(bad.is_none());
    }
}
