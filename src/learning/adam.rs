//! Adam (Kingma & Ba 2015, arXiv:1412.6980) on the parameters as one vector, with the gradient's norm clipped tensor by tensor,
//! and a running mean of the parameters, which is what is kept.

use super::parameters::Part;

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// The optimiser and its memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adam {
    /// Running mean of the gradient.
    pub first: Vec<f32>,
    /// Running mean of its square.
    pub second: Vec<f32>,
    /// Running mean of the parameters (see [`Adam::step`]); what a trained network is.
    pub mean: Vec<f32>,
    /// Steps made.
    pub steps: u64,
}

impl Adam {
    /// A fresh one for these parameters.
    pub fn new(values: &[f32]) -> Self {
        Self { first: vec![0.0; values.len()], second: vec![0.0; values.len()], mean: values.to_vec(), steps: 0 }
    }

    /// One step of size `rate` against the gradient. The running mean forgets over `memory` steps, faster in the beginning.
    pub fn step(&mut self, values: &mut [f32], gradient: &[f32], rate: f32, memory: f64) {
        self.steps += 1;
        let power = i32::try_from(self.steps.min(1_000_000)).unwrap_or(i32::MAX);
        let (c1, c2) = (1.0 / (1.0 - BETA_1.powi(power)), 1.0 / (1.0 - BETA_2.powi(power)));
        // 10 / steps: half of the mean is of the last seven per cent of a young training.
        let renewed = (1.0 / memory).max(10.0 / (self.steps as f64 + 10.0)) as f32;
        let moments = self.first.iter_mut().zip(&mut self.second).zip(&mut self.mean);
        for ((w, g), ((m, v), mean)) in values.iter_mut().zip(gradient).zip(moments) {
            *m = BETA_1 * *m + (1.0 - BETA_1) * g;
            *v = BETA_2 * *v + (1.0 - BETA_2) * g * g;
            *w -= rate * (*m * c1) / ((*v * c2).sqrt() + EPSILON);
            *mean += renewed * (*w - *mean);
        }
    }
}

/// Shortens the gradient of each tensor to a norm of at most `most`. Returns the norm of the whole before that.
pub fn clip(gradient: &mut [f32], parts: &[Part], most: f64) -> f64 {
    let mut whole = 0.0;
    let mut rest = gradient;
    for part in parts {
        let Some((own, after)) = rest.split_at_mut_checked(part.len()) else { break };
        rest = after;
        let square: f64 = own.iter().map(|g| f64::from(*g) * f64::from(*g)).sum();
        whole += square;
        let norm = square.sqrt();
        if norm > most {
            let factor = (most / norm) as f32;
            own.iter_mut().for_each(|g| *g *= factor);
        }
    }
    whole.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bowl_is_descended_and_the_mean_follows() {
        let mut values = vec![4.0f32, -3.0];
        let mut adam = Adam::new(&values);
        for _ in 0..2000 {
            let gradient = [2.0 * (values[0] - 1.0), 20.0 * (values[1] - 2.0)];
            adam.step(&mut values, &gradient, 0.01, 100.0);
        }
        for (found, expected) in values.iter().chain(&adam.mean).zip([1.0, 2.0, 1.0, 2.0]) {
            assert!((found - expected).abs() < 0.01, "{values:?} {:?}", adam.mean);
        }
    }

    #[test]
    fn clipping_is_by_tensor() {
        let parts = [[2], [1]].map(|shape| Part { name: String::new(), shape: shape.to_vec() });
        let mut gradient = vec![3.0, 4.0, 0.5];
        let whole = clip(&mut gradient, &parts, 1.0);
        assert!((whole - 25.25f64.sqrt()).abs() < 1e-9);
        assert_eq!(gradient, [0.6, 0.8, 0.5]);
    }
}
