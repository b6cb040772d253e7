//! A scene as a least-squares problem: some parameters free, amplitudes solved inside (variable projection).

use ndarray::Array2;

use crate::numerics::levenberg_marquardt::{LeastSquares, NormalEquations, dot};
use crate::numerics::linear::non_negative_least_squares;
use crate::studies::lens_reconstruction::imaging::ForwardModel;
use crate::studies::lens_reconstruction::scene::Layout;

/// How often the model was computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Evaluations of the likelihood: one image each.
    pub likelihood: usize,
    /// Evaluations of the Jacobian: one image for every free parameter.
    pub jacobian: usize,
}

/// How the sky enters a fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sky {
    /// Held at its value.
    Held,
    /// Solved with the amplitudes; empty sky elsewhere in the image may say about where (mean and standard deviation).
    Fitted(Option<(f64, f64)>),
}

/// The scene with the parameters `free` moving and the rest of `full` held.
pub(super) struct SceneProblem<'a> {
    pub(super) model: &'a mut ForwardModel,
    calls: &'a mut Calls,
    layout: Layout,
    /// Places in the parameter vector that move, ascending; all amplitudes are among them.
    pub(super) free: Vec<usize>,
    full: Vec<f64>,
    sky: Sky,
    components: Vec<f64>,
    jacobian: Vec<f64>,
    values: Vec<f64>,
    best: Vec<f64>,
    best_full: Vec<f64>,
    best_sum: f64,
}

impl<'a> SceneProblem<'a> {
    /// `free` says which nonlinear parameters move; amplitudes always do, the sky as `sky` says.
    pub(super) fn new(
        model: &'a mut ForwardModel,
        calls: &'a mut Calls,
        start: &[f64],
        free: impl Fn(usize) -> bool,
        sky: Sky,
    ) -> Self {
        let layout = model.layout();
        let amplitudes: Vec<usize> = layout.linear().take(layout.components()).collect();
        let places = (0..layout.len())
            .filter(|&i| match i {
                _ if i == layout.sky() => sky != Sky::Held,
                // A lens without sources changes nothing.
                _ if i < layout.lens_len() && layout.sources == 0 => false,
                _ if i < layout.lens_len() && !layout.lens.moves(i) => false,
                _ => free(i) || amplitudes.contains(&i),
            })
            .collect();
        let pixels = model.pixels();
        Self {
            layout,
            free: places,
            full: start.to_vec(),
            sky,
            components: vec![0.0; (layout.components() + 1) * pixels],
            jacobian: Vec::new(),
            values: vec![0.0; pixels],
            best: vec![0.0; pixels],
            best_full: start.to_vec(),
            best_sum: f64::INFINITY,
            model,
            calls,
        }
    }

    /// The free parameters of the start.
    pub(super) fn start(&self) -> Vec<f64> {
        self.free.iter().map(|&i| self.full[i]).collect()
    }

    /// Which of the free parameters are solved inside.
    pub(super) fn linear(&self) -> Vec<bool> {
        self.free.iter().map(|i| self.layout.linear().any(|l| l == *i)).collect()
    }

    /// The best parameters met, all of them.
    pub(super) fn best_parameters(&self) -> &[f64] {
        &self.best_full
    }

    /// Number of residuals less number of free parameters (at least 1).
    pub(super) fn degrees_of_freedom(&self) -> usize {
        self.model.pixels().saturating_sub(self.free.len()).max(1)
    }

    /// The best model met, in the unit of the data; NaN in pixels that are not used.
    pub(super) fn best_image(&self) -> Array2<f64> {
        self.model.image_from_used(self.best.iter().zip(self.model.weight()).map(|(v, w)| v / w))
    }

    /// Data minus the best model met, in sigma of the noise map; NaN in pixels that are not used.
    pub(super) fn best_residual(&self) -> Array2<f64> {
        let weighted = self.model.target().iter().zip(&self.best).map(|(d, m)| d - m);
        self.model.image_from_used(self.model.unweighted(weighted))
    }

    /// What a sky away from that of the rest of the image costs.
    pub(super) fn sky_penalty(&self, value: f64) -> f64 {
        match self.sky {
            Sky::Fitted(Some((mean, sigma))) => ((value - mean) / sigma).powi(2),
            _ => 0.0,
        }
    }

    /// Solves for amplitudes and sky with everything else fixed and leaves the model in `values`.
    fn solve_amplitudes(&mut self) {
        let pixels = self.model.pixels();
        let sky = self.layout.sky();
        let target = self.model.target();
        let linear: Vec<usize> = self.layout.linear().filter(|&i| i != sky || self.sky != Sky::Held).collect();
        let column = |k: usize| &self.components[k * pixels..(k + 1) * pixels];
        let n = linear.len();
        let mut gram = vec![0.0; n * n];
        let mut vector = vec![0.0; n];
        let sky_column = column(self.layout.components());
        for i in 0..n {
            vector[i] = dot(column(i), target);
            if self.sky == Sky::Held {
                vector[i] -= self.full[sky] * dot(column(i), sky_column);
            }
            for j in 0..=i {
                let product = dot(column(i), column(j));
                gram[i * n + j] = product;
                gram[j * n + i] = product;
            }
        }
        if let Sky::Fitted(Some((mean, sigma))) = self.sky {
            // The sky is the last unknown: what is known of it is one more measurement.
            gram[n * n - 1] += 1.0 / (sigma * sigma);
            vector[n - 1] += mean / (sigma * sigma);
        }
        let signed: Vec<bool> = linear.iter().map(|&i| i == sky).collect();
        for (&i, value) in linear.iter().zip(non_negative_least_squares(&gram, &vector, &signed)) {
            self.full[i] = value;
        }
        self.values.fill(0.0);
        for (k, i) in self.layout.linear().enumerate() {
            let amplitude = self.full[i];
            let column = &self.components[k * pixels..(k + 1) * pixels];
            for (value, c) in self.values.iter_mut().zip(column) {
                *value += amplitude * c;
            }
        }
    }
}

impl LeastSquares for SceneProblem<'_> {
    fn parameters(&self) -> usize {
        self.free.len()
    }

    fn sum_of_squares(&mut self, x: &mut [f64]) -> f64 {
        for (&i, value) in self.free.iter().zip(x.iter()) {
            self.full[i] = *value;
        }
        self.calls.likelihood += 1;
        self.model.components(&self.full, &mut self.components);
        self.solve_amplitudes();
        for (&i, value) in self.free.iter().zip(x.iter_mut()) {
            *value = self.full[i];
        }
        let pixels: f64 = self.values.iter().zip(self.model.target()).map(|(m, d)| (m - d) * (m - d)).sum();
        let sum = pixels + self.sky_penalty(self.full[self.layout.sky()]);
        if sum < self.best_sum {
            self.best_sum = sum;
            self.best.copy_from_slice(&self.values);
            self.best_full.copy_from_slice(&self.full);
        }
        sum
    }

    fn normal_equations(&mut self, x: &[f64], out: &mut NormalEquations) {
        for (&i, value) in self.free.iter().zip(x) {
            self.full[i] = *value;
        }
        self.calls.jacobian += 1;
        let pixels = self.model.pixels();
        self.jacobian.resize(self.free.len() * pixels, 0.0);
        self.model.jacobian(&self.full, &self.free, &mut self.jacobian);
        // The image is linear in amplitudes and sky, so their columns add up to it.
        let sky = self.layout.sky();
        let fixed_sky = if self.sky == Sky::Held { self.full[sky] } else { 0.0 };
        for ((value, weight), target) in self.values.iter_mut().zip(self.model.weight()).zip(self.model.target()) {
            *value = fixed_sky * weight - target;
        }
        for i in self.layout.linear() {
            if let Ok(place) = self.free.binary_search(&i) {
                let amplitude = self.full[i];
                for (value, c) in self.values.iter_mut().zip(&self.jacobian[place * pixels..(place + 1) * pixels]) {
                    *value += amplitude * c;
                }
            }
        }
        out.add_rows(&self.jacobian, &self.values);
        if let (Sky::Fitted(Some((mean, sigma))), Ok(place)) = (self.sky, self.free.binary_search(&sky)) {
            let mut row = vec![0.0; self.free.len()];
            row[place] = 1.0 / sigma;
            out.add_rows(&row, &[(self.full[sky] - mean) / sigma]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_reconstruction::imaging::Sampling;
    use crate::studies::lens_reconstruction::simulate::{SimulationSpec, simulate};

    /// The gradient of the sum of squares, from the normal equations, against central differences with amplitudes held.
    #[test]
    fn normal_equations_hold_the_gradient_of_the_sum_of_squares() {
        let spec = SimulationSpec { size_px: 32, ..SimulationSpec::default() };
        let observation = simulate(&spec).unwrap().observation;
        let sampling = Sampling { per_pixel_side: 1, adaptive: false };
        let mut model = ForwardModel::new(&observation, spec.scene.layout(), sampling).unwrap();
        let mut calls = Calls::default();
        let mut start = spec.scene.parameters();
        start[0] += 0.05;
        let mut problem = SceneProblem::new(&mut model, &mut calls, &start, |_| true, Sky::Fitted(Some((0.02, 0.01))));
        let mut x = problem.start();
        let sum = problem.sum_of_squares(&mut x);
        let mut equations = NormalEquations::new(x.len());
        problem.normal_equations(&x, &mut equations);
        assert!((equations.sum_of_squares() / sum - 1.0).abs() < 1e-12);
        let scale = equations.vector().iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let free = problem.free.clone();
        let mut values = vec![0.0; problem.model.pixels()];
        for (k, &i) in free.iter().enumerate() {
            let h = 1e-5;
            let mut sum_at = |by: f64| {
                let mut p = problem.best_parameters().to_vec();
                p[i] += by;
                problem.model.model(&p, &mut values);
                let pixels = values.iter().zip(problem.model.target()).map(|(m, d)| (m - d).powi(2)).sum::<f64>();
                pixels + problem.sky_penalty(p[p.len() - 1])
            };
            let difference = (sum_at(h) - sum_at(-h)) / (2.0 * h);
            assert!(
                (difference - 2.0 * equations.vector()[k]).abs() < 1e-5 * scale,
                "{i}: {difference} {}",
                equations.vector()[k]
            );
        }
        assert_eq!(problem.free.len(), 7 + 7 + 1);
        assert_eq!((calls.likelihood, calls.jacobian), (1, 1));
    }
}
