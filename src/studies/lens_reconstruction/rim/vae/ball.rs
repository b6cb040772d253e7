//! Pairs of source and convergence around an answer, as the authors' fine-tuning draws them: the descriptions of both, shaken.

use super::network::{Latent, Vae};
use crate::numerics::random;
use crate::studies::lens_reconstruction::rim::finetune::Ball;

/// Standard deviation by which the authors shake each number of a description.
pub const SPREAD: f64 = 0.3;

/// Draws around an answer.
pub struct VaeBall {
    /// Of the source and of the convergence: the autoencoder, and the description of the answer.
    parts: [(Vae, Vec<f32>); 2],
    spread: f64,
    seed: u64,
}

impl VaeBall {
    /// Around an answer, `[source, log10 convergence]`, row by row on the pixels of the two autoencoders (in this order), which live on a plain
    /// device. `spread` is [`SPREAD`] as a rule.
    pub fn new(vaes: [Vae; 2], answer: [&[f64]; 2], spread: f64, seed: u64) -> Self {
        let [source, convergence] = vaes;
        let describe = |vae: Vae, map: &[f64]| {
            let map: Vec<f32> = map.iter().map(|v| *v as f32).collect();
            let mean = vae.encode(&map).into_iter().next().map_or_else(Vec::new, |Latent { mean, .. }| mean);
            (vae, mean)
        };
        Self { parts: [describe(source, answer[0]), describe(convergence, answer[1])], spread, seed }
    }
}

impl Ball for VaeBall {
    fn draw(&self, index: u64) -> [Vec<f64>; 2] {
        let mut rng = random::stream(self.seed, "lens_reconstruction.vae.ball", index);
        let [source, convergence] = &self.parts;
        let mut draw = |(vae, mean): &(Vae, Vec<f32>)| -> Vec<f64> {
            let shaken: Vec<f32> = mean.iter().map(|m| m + (self.spread * random::normal(&mut rng)) as f32).collect();
            vae.decode(&shaken).iter().map(|v| f64::from(*v)).collect()
        };
        let (mut source, convergence) = (draw(source), draw(convergence));
        // A decoder knows nothing of darkness.
        source.iter_mut().for_each(|v| *v = v.max(0.0));
        [source, convergence]
    }
}

#[cfg(test)]
mod tests {
    use super::super::{VaePart, VaeSettings};
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn pairs_lie_around_the_answer_and_repeat() {
        let vae = |part, seed| {
            let settings = VaeSettings { part, pixels: 32, filters: 4, levels: 3, latent: 5 };
            Vae::new(&settings, seed, &Device::flex())
        };
        let answer: Vec<f64> = (0..1024).map(|k| f64::from(k % 31) / 31.0).collect();
        let ball = |spread, seed| {
            VaeBall::new([vae(VaePart::Source, 1), vae(VaePart::Convergence, 2)], [&answer, &answer], spread, seed)
        };
        let shaken = ball(SPREAD, 1);
        assert_eq!(shaken.draw(3), ball(SPREAD, 1).draw(3));
        assert_ne!(shaken.draw(3)[1], shaken.draw(4)[1]);
        assert_ne!(shaken.draw(3)[1], ball(SPREAD, 2).draw(3)[1]);
        let [source, convergence] = shaken.draw(0);
        assert!(source.len() == 1024 && convergence.len() == 1024 && source.iter().all(|v| *v >= 0.0));
        // A smaller ball keeps nearer to the answer's own description.
        let middle = ball(0.0, 1).draw(0);
        let distance = |spread: f64| {
            let drawn = ball(spread, 1).draw(0);
            drawn[1].iter().zip(&middle[1]).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        };
        assert!(distance(0.1) < 0.6 * distance(0.3) && distance(0.1) > 0.0);
    }
}
