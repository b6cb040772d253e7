//! The loop of a Recurrent Inference Machine (Putzky & Welling 2017, arXiv:1706.04008): a learned optimiser that is fed with the
//! gradient of the likelihood.
//!
//! `x_0 = x_start + g(data, 0, 0)`, then `x_{t+1} = x_t + g(data, x_t, ghat_t)`, where `ghat` is the gradient of `-ln L` as Adam would
//! step along it. The gradient is a constant of the training: nothing is differentiated through it.

use burn::tensor::{Tensor, TensorData};

use super::recurrent_unet::{Memory, RecurrentUnet};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.99;
const EPSILON: f32 = 1e-8;

/// Gradients as Adam would step along them (Kingma & Ba 2015), value by value, without a learning rate.
#[derive(Clone, Debug, Default)]
pub struct AdamNormalised {
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl AdamNormalised {
    /// Replaces a gradient by its normalised form, of the order of one.
    pub fn apply(&mut self, gradient: &mut [f32]) {
        self.first.resize(gradient.len(), 0.0);
        self.second.resize(gradient.len(), 0.0);
        self.steps += 1;
        let (c1, c2) = (1.0 / (1.0 - BETA_1.powi(self.steps)), 1.0 / (1.0 - BETA_2.powi(self.steps)));
        for ((g, m), v) in gradient.iter_mut().zip(&mut self.first).zip(&mut self.second) {
            *m = BETA_1 * *m + (1.0 - BETA_1) * *g;
            *v = BETA_2 * *v + (1.0 - BETA_2) * *g * *g;
            *g = *m * c1 / ((*v * c2).sqrt() + EPSILON);
        }
    }
}

/// Runs the machine: `steps` evaluations of the network on `data` (`[batch, data channels, y, x]`), from a state of zeros with `channels` channels.
///
/// `gradient` is given a state, `[batch, channels, y, x]` row by row, and gives the gradient of `-ln L` in the same order, or stops the loop.
/// Returns the state after each evaluation. A gradient that is not finite is taken as zero there.
pub fn unroll(
    network: &RecurrentUnet,
    data: &Tensor<4>,
    channels: usize,
    steps: usize,
    mut gradient: impl FnMut(usize, &[f32]) -> Option<Vec<f32>>,
) -> Vec<Tensor<4>> {
    let [batch, _, rows, columns] = data.dims();
    let shape = [batch, channels, rows, columns];
    let device = data.device();
    let mut normalised = AdamNormalised::default();
    let mut state = Tensor::<4>::zeros(shape, &device);
    let mut memory = Memory::new();
    let mut states = Vec::with_capacity(steps);
    for step in 0..steps {
        let along = if step == 0 {
            Tensor::zeros(shape, &device)
        } else {
            let values = state.clone().detach().into_data().try_into_vec::<f32>().unwrap_or_default();
            let Some(mut values) = gradient(step, &values) else { break };
            for value in values.iter_mut().filter(|v| !v.is_finite()) {
                *value = 0.0;
            }
            normalised.apply(&mut values);
            Tensor::from_data(TensorData::new(values, shape), &device)
        };
        let (change, next) = network.forward(Tensor::cat(vec![data.clone(), state.clone(), along], 1), &memory);
        state = state + change;
        memory = next;
        states.push(state.clone());
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Adam's rule written out by hand for two steps.
    #[test]
    fn the_first_step_is_a_sign_and_the_second_remembers() {
        let mut normalised = AdamNormalised::default();
        let mut g = [3.0, -0.5];
        normalised.apply(&mut g);
        assert!((g[0] - 1.0).abs() < 1e-6 && (g[1] + 1.0).abs() < 1e-6);
        let mut g = [-1.0, -0.5];
        normalised.apply(&mut g);
        let m: f32 = (0.9 * 0.3 - 0.1) / 0.19;
        let v: f32 = (0.99 * 0.09 + 0.01) / 0.0199;
        assert!((g[0] - m / v.sqrt()).abs() < 1e-5, "{g:?}");
        assert!((g[1] + 1.0).abs() < 1e-6);
    }
}
