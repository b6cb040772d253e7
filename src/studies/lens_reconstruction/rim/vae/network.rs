//! The networks.

use std::path::Path;

use burn::module::Module;
use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::{Device, Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::learning::LearningError;
use crate::learning::kernels::Activation;
use crate::learning::layers::{Convolution, Dense, Initial, TransposedConvolution};
use crate::learning::parameters::{Parameters, with_values};
use crate::learning::weights;
use crate::numerics::random;

/// Slope of the activation below zero.
const LEAK: f64 = 0.3;
/// Logarithms of variances beyond this are taken at the limit.
const MOST_LOG_VARIANCE: f64 = 10.0;

/// Of which maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VaePart {
    /// Decimal logarithm of the convergence.
    #[default]
    Convergence,
    /// Brightness of the source, peak 1.
    Source,
}

impl VaePart {
    /// Numbers that describe a map, as published.
    pub fn latent(self) -> usize {
        match self {
            Self::Convergence => 16,
            Self::Source => 32,
        }
    }

    /// Weight of the Kullback-Leibler term at the end of the training, as published.
    pub fn beta(self) -> f64 {
        match self {
            Self::Convergence => 0.2,
            Self::Source => 0.1,
        }
    }
}

/// Which network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaeSettings {
    /// Of which maps.
    pub part: VaePart,
    /// Pixels a side.
    pub pixels: usize,
    /// Channels of the first level; each deeper one has twice as many.
    pub filters: usize,
    /// Levels; each halves the sides.
    pub levels: usize,
    /// Numbers that describe a map.
    pub latent: usize,
}

impl VaeSettings {
    /// Values of the deepest level, `[channel, y, x]`.
    fn bottleneck(&self) -> [usize; 3] {
        let side = self.pixels >> self.levels;
        [self.filters << self.levels, side, side]
    }

    /// What is wrong with it, if anything.
    pub fn problem(&self) -> Option<String> {
        let divisor = 1usize << self.levels.min(16);
        (!self.pixels.is_multiple_of(divisor)).then(|| {
            let (pixels, levels) = (self.pixels, self.levels);
            format!("pixels {pixels} cannot be halved {levels} times; expected a multiple of {divisor}")
        })
    }

    /// Multiplications and additions of one map, there and back.
    pub fn operations(&self) -> f64 {
        let area = |level: usize| (self.pixels as f64 / f64::from(1u32 << level)).powi(2);
        let channels = |level: usize| (self.filters << level) as f64;
        let level = |k: usize| {
            let (here, below) = (channels(k), channels(k + 1));
            // Twice there, twice back, and the two that change the sides.
            18.0 * (4.0 * here * here * area(k) + 2.0 * here * below * area(k + 1))
        };
        let dense = 2.0 * 3.0 * self.latent as f64 * self.bottleneck().iter().product::<usize>() as f64;
        (0..self.levels).map(level).sum::<f64>() + 4.0 * 49.0 * channels(0) * area(0) + dense
    }
}

#[derive(Module, Debug)]
struct EncoderLevel {
    first: Convolution,
    second: Convolution,
    down: Convolution,
}

#[derive(Module, Debug)]
struct DecoderLevel {
    up: TransposedConvolution,
    first: Convolution,
    second: Convolution,
}

/// The parameters: encoder and decoder.
#[derive(Module, Debug)]
pub(super) struct Network {
    enter: Convolution,
    down: Vec<EncoderLevel>,
    /// Mean and logarithm of the variance.
    describe: Dense,
    recall: Dense,
    up: Vec<DecoderLevel>,
    leave: Convolution,
    #[module(skip)]
    bottleneck: [usize; 3],
    #[module(skip)]
    latent: usize,
}

/// What the encoder says: `[batch, latent]` each, and its deepest level, `[batch, values]`.
pub(super) struct Encoded {
    pub(super) mean: Tensor<2>,
    pub(super) log_variance: Tensor<2>,
    pub(super) deepest: Tensor<2>,
}

impl Network {
    fn new(settings: &VaeSettings, initial: &mut Initial) -> Self {
        let channels = |level: usize| settings.filters << level;
        let bottleneck = settings.bottleneck();
        let values = bottleneck.iter().product();
        let down = |level: usize, initial: &mut Initial| {
            let (here, below) = (channels(level), channels(level + 1));
            EncoderLevel {
                first: Convolution::new(initial, [here, here], 3, 1),
                second: Convolution::new(initial, [here, here], 3, 1),
                down: Convolution::new(initial, [here, below], 3, 2),
            }
        };
        let up = |level: usize, initial: &mut Initial| {
            let (here, below) = (channels(level), channels(level + 1));
            DecoderLevel {
                up: TransposedConvolution::new(initial, [below, here]),
                first: Convolution::new(initial, [here, here], 3, 1),
                second: Convolution::new(initial, [here, here], 3, 1),
            }
        };
        Self {
            enter: Convolution::new(initial, [1, channels(0)], 7, 1),
            down: (0..settings.levels).map(|level| down(level, initial)).collect(),
            describe: Dense::new(initial, [values, 2 * settings.latent]),
            recall: Dense::new(initial, [settings.latent, values]),
            up: (0..settings.levels).rev().map(|level| up(level, initial)).collect(),
            leave: Convolution::new(initial, [channels(0), 1], 7, 1),
            bottleneck,
            latent: settings.latent,
        }
    }

    /// `[batch, 1, y, x]` to its description.
    pub(super) fn encode(&self, maps: Tensor<4>) -> Encoded {
        let batch = maps.dims()[0];
        let mut x = relu(self.enter.forward(maps, Activation::Linear));
        for level in &self.down {
            x = leaky_relu(level.first.forward(x, Activation::Linear), LEAK);
            x = leaky_relu(level.second.forward(x, Activation::Linear), LEAK);
            x = level.down.forward(x, Activation::Linear);
        }
        let deepest = x.reshape([batch, self.bottleneck.iter().product()]);
        let both = self.describe.forward(deepest.clone());
        Encoded {
            mean: both.clone().narrow(1, 0, self.latent),
            log_variance: both.narrow(1, self.latent, self.latent).clamp(-MOST_LOG_VARIANCE, MOST_LOG_VARIANCE),
            deepest,
        }
    }

    /// `[batch, latent]` to maps `[batch, 1, y, x]`, and the decoder's deepest level.
    pub(super) fn decode(&self, latents: Tensor<2>) -> (Tensor<4>, Tensor<2>) {
        let batch = latents.dims()[0];
        let deepest = self.recall.forward(latents);
        let [channels, rows, columns] = self.bottleneck;
        let mut x = deepest.clone().reshape([batch, channels, rows, columns]);
        for level in &self.up {
            x = level.up.forward(x, Activation::Linear);
            x = leaky_relu(level.first.forward(x, Activation::Linear), LEAK);
            x = leaky_relu(level.second.forward(x, Activation::Linear), LEAK);
        }
        (self.leave.forward(x, Activation::Linear), deepest)
    }
}

/// Where a map lies among the descriptions: a normal distribution in each of its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Latent {
    /// Means.
    pub mean: Vec<f32>,
    /// Standard deviations.
    pub sigma: Vec<f32>,
}

/// A variational autoencoder.
pub struct Vae {
    /// Which network.
    pub settings: VaeSettings,
    pub(super) network: Network,
    device: Device,
}

impl Vae {
    /// A network with fresh parameters on `device`.
    pub fn new(settings: &VaeSettings, seed: u64, device: &Device) -> Self {
        let network = Network::new(settings, &mut Initial::new(seed, device));
        Self { settings: settings.clone(), network, device: device.clone() }
    }

    /// A trained network from a file of weights, whose card says which it is.
    ///
    /// # Errors
    /// A file that cannot be read, or that holds another kind of network.
    pub fn load(path: &Path, device: &Device) -> Result<Self, LearningError> {
        let file = weights::load(path)?;
        let settings: VaeSettings = serde_json::from_value(file.card["settings"].clone()).map_err(|e| {
            LearningError::new(path, format!("has a card that describes no variational autoencoder of ours ({e})"))
        })?;
        if let Some(problem) = settings.problem() {
            return Err(LearningError::new(path, problem));
        }
        let mut out = Self::new(&settings, 0, device);
        let values = file.values_for(path, &out.parameters().parts)?;
        out.set_values(&values);
        Ok(out)
    }

    /// The parameters.
    pub fn parameters(&self) -> Parameters {
        Parameters::of(&self.network)
    }

    /// Sets all parameters, in the order of [`Vae::parameters`].
    pub fn set_values(&mut self, values: &[f32]) {
        self.network = with_values(self.network.clone(), values);
    }

    /// Maps one after the other, each row by row, as the network wants them, `[batch, 1, y, x]`.
    pub(super) fn input(&self, maps: &[f32]) -> Tensor<4> {
        let n = self.settings.pixels;
        let batch = maps.len() / (n * n);
        let whole = maps[..batch * n * n].to_vec();
        Tensor::from_data(TensorData::new(whole, [batch, 1, n, n]), &self.device)
    }

    /// Descriptions of maps (one after the other, each row by row).
    pub fn encode(&self, maps: &[f32]) -> Vec<Latent> {
        let encoded = self.network.encode(self.input(maps));
        let values = |t: Tensor<2>| t.into_data().try_into_vec::<f32>().unwrap_or_default();
        let (means, sigmas) = (values(encoded.mean), values((encoded.log_variance * 0.5).exp()));
        let rows = means.chunks_exact(self.settings.latent).zip(sigmas.chunks_exact(self.settings.latent));
        rows.map(|(mean, sigma)| Latent { mean: mean.to_vec(), sigma: sigma.to_vec() }).collect()
    }

    /// Maps of descriptions (`latent` numbers each, one after the other), row by row. Sources may be negative here and there.
    pub fn decode(&self, latents: &[f32]) -> Vec<f32> {
        let batch = latents.len() / self.settings.latent;
        let whole = latents[..batch * self.settings.latent].to_vec();
        let data = TensorData::new(whole, [batch, self.settings.latent]);
        let (maps, _) = self.network.decode(Tensor::from_data(data, &self.device));
        maps.into_data().try_into_vec().unwrap_or_default()
    }

    /// `count` maps drawn from the prior of the descriptions, a standard normal distribution.
    pub fn sample(&self, seed: u64, count: usize) -> Vec<f32> {
        let mut latents = vec![0.0; count * self.settings.latent];
        random::fill_normal(&mut random::stream(seed, "lens_reconstruction.vae", 0), &mut latents);
        self.decode(&latents.iter().map(|v| *v as f32).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> VaeSettings {
        VaeSettings { part: VaePart::Source, pixels: 32, filters: 4, levels: 3, latent: 6 }
    }

    #[test]
    fn maps_go_in_and_maps_of_the_same_size_come_out() {
        let device = Device::flex();
        let vae = Vae::new(&settings(), 3, &device);
        let maps: Vec<f32> = (0..2 * 1024).map(|k| (k % 37) as f32 / 37.0).collect();
        let latents = vae.encode(&maps);
        assert!(latents.len() == 2 && latents.iter().all(|l| l.mean.len() == 6 && l.sigma.iter().all(|s| *s > 0.0)));
        // One after the other or together: the same.
        assert_eq!(vae.encode(&maps[1024..])[0], latents[1]);
        let decoded = vae.decode(&latents.iter().flat_map(|l| l.mean.clone()).collect::<Vec<_>>());
        assert_eq!(decoded.len(), maps.len());
        assert_eq!(vae.sample(1, 3).len(), 3 * 1024);
        assert_eq!(vae.sample(1, 3), vae.sample(1, 3));
        assert_ne!(vae.sample(1, 1), vae.sample(2, 1));
        assert!(VaeSettings { pixels: 36, ..settings() }.problem().is_some());
    }

    #[test]
    fn a_file_of_weights_knows_which_network_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vae.safetensors");
        let vae = Vae::new(&settings(), 3, &Device::flex());
        let card = serde_json::json!({"settings": settings()});
        weights::save(&path, &vae.parameters(), &card).unwrap();
        let read = Vae::load(&path, &Device::flex()).unwrap();
        assert_eq!(read.settings, vae.settings);
        for (a, b) in read.parameters().values.iter().zip(&vae.parameters().values) {
            assert!((a - b).abs() <= 1e-3 * b.abs() + 1e-6);
        }
        weights::save(&path, &vae.parameters(), &serde_json::json!({"settings": {"pixels": 64}})).unwrap();
        assert!(Vae::load(&path, &Device::flex()).is_err());
    }
}
