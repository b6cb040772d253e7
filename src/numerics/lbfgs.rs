//! Minimising a smooth function of many parameters from its gradient: limited-memory BFGS (Nocedal & Wright 2006, algorithm 7.4)
//! with a line search that keeps the strong Wolfe conditions (algorithms 3.5 and 3.6).

use std::collections::VecDeque;
use std::ops::ControlFlow;

/// How a minimum is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Pairs of steps and gradient changes that are remembered.
    pub memory: usize,
    /// Most iterations.
    pub iterations: usize,
    /// Ends when an iteration lowers the value by less than this part of it.
    pub relative_tolerance: f64,
    /// Ends when the largest component of the gradient is below this.
    pub gradient_tolerance: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { memory: 12, iterations: 500, relative_tolerance: 1e-10, gradient_tolerance: 1e-8 }
    }
}

/// Why the search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At a minimum, as the tolerances say.
    Converged,
    /// No more iterations allowed.
    Iterations,
    /// No lower value along the last direction: rounding, or a gradient that is not that of the function.
    Stuck,
    /// The callback said so.
    Stopped,
}

/// Where the search ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum {
    /// The parameters.
    pub x: Vec<f64>,
    /// The value there.
    pub value: f64,
    /// Iterations made.
    pub iterations: usize,
    /// Evaluations of function and gradient.
    pub evaluations: usize,
    /// Why it ended.
    pub end: End,
}

/// A place with its value and gradient.
#[derive(Clone)]
struct Place {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Minimises `f`, which gives the value at `x` and writes its gradient. A value that is not finite is taken as too far.
/// `each` is called after every iteration with its number, the parameters and the value.
pub fn minimise(
    mut f: impl FnMut(&[f64], &mut [f64]) -> f64,
    start: &[f64],
    options: Options,
    mut each: impl FnMut(usize, &[f64], f64) -> ControlFlow<()>,
) -> Minimum {
    let mut evaluations = 0;
    let mut evaluate = |x: Vec<f64>| {
        let mut gradient = vec![0.0; x.len()];
        let value = f(&x, &mut gradient);
        evaluations += 1;
        let value = if value.is_finite() { value } else { f64::INFINITY };
        Place { x, value, gradient }
    };
    let mut here = evaluate(start.to_vec());
    let mut memory: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::new();
    let (mut end, mut done) = (End::Iterations, 0);
    for number in 0..options.iterations {
        if here.gradient.iter().fold(0.0, |most: f64, g| most.max(g.abs())) < options.gradient_tolerance {
            end = End::Converged;
            break;
        }
        let mut direction = two_loops(&here.gradient, &memory);
        if dot(&direction, &here.gradient) >= 0.0 {
            memory.clear();
            direction = here.gradient.iter().map(|g| -g).collect();
        }
        // Without a memory the scale is unknown: a first step of length 1 at most.
        let first = if memory.is_empty() { (1.0 / dot(&direction, &direction).sqrt()).min(1.0) } else { 1.0 };
        let Some(next) = line_search(&mut evaluate, &here, &direction, first) else {
            if memory.is_empty() {
                end = End::Stuck;
                break;
            }
            memory.clear();
            continue;
        };
        let step: Vec<f64> = next.x.iter().zip(&here.x).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = next.gradient.iter().zip(&here.gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&step, &change);
        if curvature > 1e-12 * dot(&change, &change).sqrt() * dot(&step, &step).sqrt() {
            memory.push_back((step, change, 1.0 / curvature));
            if memory.len() > options.memory {
                memory.pop_front();
            }
        }
        let lowered = here.value - next.value;
        here = next;
        done = number + 1;
        if each(number, &here.x, here.value).is_break() {
            end = End::Stopped;
            break;
        }
        if lowered <= options.relative_tolerance * here.value.abs() {
            end = End::Converged;
            break;
        }
    }
    Minimum { x: here.x, value: here.value, iterations: done, evaluations, end }
}

/// Minus the inverse Hessian, as remembered, times the gradient.
fn two_loops(gradient: &[f64], memory: &VecDeque<(Vec<f64>, Vec<f64>, f64)>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut weights = Vec::with_capacity(memory.len());
    for (step, change, inverse) in memory.iter().rev() {
        let weight = inverse * dot(step, &q);
        for (q, c) in q.iter_mut().zip(change) {
            *q -= weight * c;
        }
        weights.push(weight);
    }
    if let Some((_, change, inverse)) = memory.back() {
        let scale = 1.0 / (inverse * dot(change, change));
        for q in &mut q {
            *q *= scale;
        }
    }
    for ((step, change, inverse), weight) in memory.iter().zip(weights.iter().rev()) {
        let back = inverse * dot(change, &q);
        for (q, s) in q.iter_mut().zip(step) {
            *q += (weight - back) * s;
        }
    }
    q
}

/// A step along a direction that lowers the value enough and flattens the slope enough.
fn line_search(
    evaluate: &mut impl FnMut(Vec<f64>) -> Place,
    here: &Place,
    direction: &[f64],
    first: f64,
) -> Option<Place> {
    const ENOUGH: f64 = 1e-4;
    const FLATTER: f64 = 0.9;
    let slope = dot(&here.gradient, direction);
    let mut at = |step: f64| evaluate(here.x.iter().zip(direction).map(|(x, d)| x + step * d).collect());
    let (mut low, mut low_value, mut low_slope) = (0.0, here.value, slope);
    let mut high: Option<(f64, f64)> = None;
    let mut step = first;
    let mut best: Option<Place> = None;
    for _ in 0..40 {
        let place = at(step);
        let along = dot(&place.gradient, direction);
        if place.value > here.value + ENOUGH * step * slope
            || (place.value >= low_value && low > 0.0)
            || !place.value.is_finite()
        {
            high = Some((step, place.value));
        } else {
            if along.abs() <= -FLATTER * slope {
                return Some(place);
            }
            let value = place.value;
            best = Some(place);
            // Uphill towards the other end: the minimum lies on this side of it.
            if along * (high.map_or(f64::INFINITY, |(end, _)| end - low)) >= 0.0 {
                high = Some((low, low_value));
            }
            (low, low_value, low_slope) = (step, value, along);
        }
        step = match high {
            None => 2.5 * step,
            Some((high, high_value)) => {
                // The parabola through both values and the slope at the low end, kept away from the ends.
                let width = high - low;
                let bend = high_value - low_value - low_slope * width;
                let guess = if high_value.is_finite() && bend > 0.0 { -low_slope * width / (2.0 * bend) } else { 0.5 };
                let guess = if high_value.is_finite() && bend > 0.0 { guess } else { 0.3 };
                low + guess.clamp(0.1, 0.9) * width
            }
        };
        if let Some((high, _)) = high
            && (high - low).abs() < 1e-14 * (1.0 + low.abs())
        {
            break;
        }
    }
    // Lower, if not as flat as wished: still a step in the right direction.
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rosenbrock(x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let mut sum = 0.0;
        for i in 0..x.len() - 1 {
            let (a, b) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
            sum += 100.0 * a * a + b * b;
            gradient[i] += -400.0 * a * x[i] - 2.0 * b;
            gradient[i + 1] += 200.0 * a;
        }
        sum
    }

    #[test]
    fn the_valley_of_rosenbrock_is_followed_to_its_end() {
        let start: Vec<f64> = (0..20).map(|i| if i % 2 == 0 { -1.2 } else { 1.0 }).collect();
        let options = Options { iterations: 2000, relative_tolerance: 0.0, ..Options::default() };
        let found = minimise(rosenbrock, &start, options, |_, _, _| ControlFlow::Continue(()));
        assert_eq!(found.end, End::Converged, "{found:?}");
        assert!(found.x.iter().all(|x| (x - 1.0).abs() < 1e-6), "{:?}", found.x);
        assert!(found.evaluations < 3 * found.iterations + 10, "{} {}", found.evaluations, found.iterations);
    }

    /// A quadratic of 300 parameters whose curvatures span four decades: the closed solution, in far fewer steps than parameters squared.
    #[test]
    fn an_ill_conditioned_quadratic_has_its_solution() {
        let n = 300;
        let curvature = |i: usize| 10f64.powf(4.0 * i as f64 / n as f64);
        let mut values = Vec::new();
        let found = minimise(
            |x, gradient| {
                let mut sum = 0.0;
                for i in 0..n {
                    let off = x[i] - (i as f64).sin();
                    gradient[i] = curvature(i) * off;
                    sum += 0.5 * curvature(i) * off * off;
                }
                sum
            },
            &vec![0.0; n],
            Options { iterations: 3000, relative_tolerance: 0.0, gradient_tolerance: 1e-6, ..Options::default() },
            |_, _, value| {
                values.push(value);
                ControlFlow::Continue(())
            },
        );
        assert_eq!(found.end, End::Converged);
        assert!((0..n).all(|i| (found.x[i] - (i as f64).sin()).abs() < 1e-5));
        assert!(values.windows(2).all(|w| w[1] <= w[0]), "the value never grows");
        assert!(found.iterations < 1200, "{}", found.iterations);
    }

    #[test]
    fn it_stops_when_told_and_steps_back_from_where_there_is_no_value() {
        let f = |x: &[f64], gradient: &mut [f64]| {
            gradient[0] = 1.0 - 1.0 / x[0];
            x[0] - x[0].ln()
        };
        let found = minimise(f, &[1e-3], Options::default(), |_, _, _| ControlFlow::Continue(()));
        assert!((found.x[0] - 1.0).abs() < 1e-4, "{found:?}");
        let stopped = minimise(f, &[1e-3], Options::default(), |n, _, _| {
            if n == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((stopped.end, stopped.iterations), (End::Stopped, 2));
    }
}
