//! What the outputs of the networks mean.

use super::architecture::{COMPONENTS, NetworkKind, PER_COMPONENT};
use super::examples::TargetScale;
use super::features::{BROADENING_UNIT_KM_S, VELOCITY_UNIT_KM_S};

/// A value and its standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// The value.
    pub value: f64,
    /// Its standard error; the spread of the ensemble where the networks give none themselves, not a number for a single such one.
    pub error: f64,
}

/// One Gaussian of the density of velocity and broadening (km/s).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KinematicComponent {
    /// Probability of this one.
    pub weight: f64,
    /// Velocity.
    pub velocity: Measured,
    /// Broadening.
    pub broadening: Measured,
}

/// The mixture that the kinematics network gives: its outputs for one spectrum, one member; the likeliest component first.
pub fn mixture_of(outputs: &[f32]) -> [KinematicComponent; COMPONENTS] {
    let greatest = outputs.iter().step_by(PER_COMPONENT).copied().fold(f32::MIN, f32::max);
    let weight = |c: usize| f64::from((outputs[c * PER_COMPONENT] - greatest).exp());
    let sum: f64 = (0..COMPONENTS).map(weight).sum();
    let mut parts = std::array::from_fn(|c| {
        let own = &outputs[c * PER_COMPONENT..];
        let measured = |k: usize, unit: f64| Measured {
            value: f64::from(own[k]) * unit,
            error: f64::from(own[k + 1].clamp(-7.0, 3.0).exp()) * unit,
        };
        KinematicComponent {
            weight: weight(c) / sum,
            velocity: measured(1, VELOCITY_UNIT_KM_S),
            broadening: measured(3, BROADENING_UNIT_KM_S),
        }
    });
    parts.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    parts
}

/// Mean and error of quantity `k` of `n`, of an ensemble whose members give means and logarithms of variances, in a row.
fn ensemble(outputs: &[f32], k: usize, n: usize) -> Measured {
    let members = outputs.len() / (2 * n);
    let (mut mean, mut square, mut variance) = (0.0, 0.0, 0.0);
    for own in outputs.chunks_exact(2 * n) {
        let value = f64::from(own[k]);
        mean += value;
        square += value * value;
        variance += f64::from(own[n + k].clamp(-14.0, 6.0)).exp();
    }
    let count = members.max(1) as f64;
    mean /= count;
    let between = (square / count - mean * mean).max(0.0);
    Measured { value: mean, error: (variance / count + between).sqrt() }
}

/// Corrections of velocity and broadening (km/s) from the outputs of all members of the refinement.
pub fn corrections_of(outputs: &[f32]) -> [Measured; 2] {
    [VELOCITY_UNIT_KM_S, BROADENING_UNIT_KM_S].map({
        let mut k = 0;
        move |unit| {
            let Measured { value, error } = ensemble(outputs, k, 2);
            k += 1;
            Measured { value: value * unit, error: error * unit }
        }
    })
}

/// Labels of the ratios (`log10`, or those of the published recipe) from the outputs of all members of a ratio network.
pub fn labels_of(kind: NetworkKind, scale: &TargetScale, outputs: &[f32], labels: &mut [Measured]) {
    let n = labels.len();
    for (k, label) in labels.iter_mut().enumerate() {
        let found = match kind {
            NetworkKind::PublishedRatios => spread(outputs.iter().skip(k).step_by(n).copied()),
            _ => ensemble(outputs, k, n),
        };
        let (mean, deviation) = (scale.mean[k], scale.deviation[k]);
        *label = Measured { value: mean + deviation * found.value, error: deviation * found.error };
    }
}

/// Mean and standard deviation.
fn spread(values: impl Iterator<Item = f32> + Clone) -> Measured {
    let count = values.clone().count() as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / count;
    let square: f64 = values.map(|v| (f64::from(v) - mean).powi(2)).sum();
    Measured { value: mean, error: if count > 1.0 { (square / (count - 1.0)).sqrt() } else { f64::NAN } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_component_comes_first() {
        let outputs = [
            0.0, 1.0, 0.0, 1.0, 0.0, //
            2.0, -0.5, -2.0, 0.5, -3.0, //
            -9.0, 0.0, 0.0, 0.0, 0.0,
        ];
        let [first, second, third] = mixture_of(&outputs);
        assert!((first.velocity.value + 50.0).abs() < 1e-4 && (first.broadening.value - 15.0).abs() < 1e-4);
        assert!((first.velocity.error - 100.0 * (-2.0f64).exp()).abs() < 1e-4);
        assert!((first.weight + second.weight + third.weight - 1.0).abs() < 1e-12 && first.weight > 0.85);
    }

    /// Two members a distance 2 apart, variances 1 and 3: mean variance 2 and 1 between them.
    #[test]
    fn an_ensemble_adds_what_its_members_disagree_on() {
        let outputs = [1.0, 0.0, 3.0, 3.0f32.ln()];
        let scale = TargetScale { mean: vec![10.0], deviation: vec![2.0] };
        let mut labels = [Measured::default()];
        labels_of(NetworkKind::Ratios, &scale, &outputs, &mut labels);
        assert!((labels[0].value - 14.0).abs() < 1e-9 && (labels[0].error - 2.0 * 3.0f64.sqrt()).abs() < 1e-6);
        labels_of(NetworkKind::PublishedRatios, &scale, &[1.0, 3.0], &mut labels);
        assert!((labels[0].error - 2.0 * 2.0f64.sqrt()).abs() < 1e-6);
    }
}
