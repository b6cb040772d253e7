//! What trainings make small. All are means over examples, and over the values of an example.

use burn::tensor::{Tensor, activation::log_softmax};

use super::architecture::{COMPONENTS, NetworkKind, PER_COMPONENT};

/// Least and greatest logarithm of a variance that a network may claim, so that one example cannot take over a batch.
const LOG_VARIANCE: [f32; 2] = [-14.0, 6.0];

/// The loss of a kind of network, summed over the members.
pub fn summed(kind: NetworkKind, outputs: Vec<Tensor<2>>, targets: &Tensor<2>) -> Tensor<1> {
    let own = |found: Tensor<2>| match kind {
        NetworkKind::PublishedRatios => huber(found, targets.clone()),
        NetworkKind::Ratios | NetworkKind::Refinement => gaussian(found, targets.clone()),
        NetworkKind::Kinematics => mixture(found, targets.clone()),
    };
    let sum = outputs.into_iter().map(own).reduce(|sum, own| sum + own);
    sum.unwrap_or_else(|| Tensor::zeros([1], &targets.device()))
}

/// Huber's loss with its knee at 1: `[batch, n]` against `[batch, n]`.
pub fn huber(found: Tensor<2>, truth: Tensor<2>) -> Tensor<1> {
    let size = (found - truth).abs();
    // 0.5 min(r, 1)^2 + max(r - 1, 0) is both branches in one.
    let inner = size.clone().clamp_max(1.0);
    let outer = (size - 1.0).clamp_min(0.0);
    (inner.clone() * inner * 0.5 + outer).mean()
}

/// `-ln` of a normal density without its constant: means and logarithms of variances `[batch, 2 n]` against `[batch, n]`.
pub fn gaussian(found: Tensor<2>, truth: Tensor<2>) -> Tensor<1> {
    let [_, n] = truth.dims();
    let mean = found.clone().narrow(1, 0, n);
    let log_variance = found.narrow(1, n, n).clamp(LOG_VARIANCE[0], LOG_VARIANCE[1]);
    let error = truth - mean;
    ((error.clone() * error) * (-log_variance.clone()).exp() + log_variance).mean() * 0.5
}

/// `-ln` of a mixture of normal densities of two quantities without its constant: for each component the logit of its weight,
/// mean and logarithm of the error of the first, mean and logarithm of the error of the second.
pub fn mixture(found: Tensor<2>, truth: Tensor<2>) -> Tensor<1> {
    let [batch, _] = truth.dims();
    let parts = found.reshape([batch, COMPONENTS, PER_COMPONENT]);
    let part = |k: usize| -> Tensor<2> { parts.clone().narrow(2, k, 1).squeeze_dim(2) };
    let mut log_density = log_softmax(part(0), 1);
    for quantity in 0..2 {
        let log_error = part(2 + 2 * quantity).clamp(0.5 * LOG_VARIANCE[0], 0.5 * LOG_VARIANCE[1]);
        let pull = (truth.clone().narrow(1, quantity, 1) - part(1 + 2 * quantity)) * (-log_error.clone()).exp();
        log_density = log_density - pull.clone() * pull * 0.5 - log_error;
    }
    // ln sum exp, taken from the greatest so that nothing overflows.
    let greatest = log_density.clone().detach().max_dim(1);
    let sum = (log_density - greatest.clone()).exp().sum_dim(1).log() + greatest;
    -sum.mean()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn tensor<const N: usize>(rows: &[[f32; N]]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), N]), &Device::flex())
    }

    fn value(loss: Tensor<1>) -> f32 {
        loss.into_scalar::<f32>()
    }

    #[test]
    fn losses_have_their_values() {
        let loss = value(huber(tensor(&[[0.5, 3.0]]), tensor(&[[0.0, 0.0]])));
        assert!((loss - 0.5 * (0.125 + 2.5)).abs() < 1e-6, "{loss}");
        // Error 2 with a variance of e: 0.5 (4 / e + 1).
        let loss = value(gaussian(tensor(&[[1.0, 1.0]]), tensor(&[[3.0]])));
        assert!((loss - 0.5 * (4.0 / std::f32::consts::E + 1.0)).abs() < 1e-5, "{loss}");
    }

    #[test]
    fn a_mixture_is_the_sum_of_its_parts() {
        let log_half = 0.5f32.ln();
        let row = [log_half, 1.0, 0.0, 0.0, 0.0, log_half, -1.0, 0.0, 0.0, 0.0, -30.0, 0.0, 0.0, 0.0, 0.0];
        let density = |v: f32| 0.5 * (-0.5 * (v - 1.0).powi(2)).exp() + 0.5 * (-0.5 * (v + 1.0).powi(2)).exp();
        let loss = value(mixture(tensor(&[row]), tensor(&[[0.3, 0.0]])));
        assert!((loss + density(0.3).ln()).abs() < 1e-5, "{loss}");
    }
}
