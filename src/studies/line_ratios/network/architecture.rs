//! The networks: their shapes, their parameters in burn, and their forward pass while they are trained.

use burn::module::Module;
use burn::tensor::{Device, Tensor, activation::relu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::{RATIO_INPUTS, RED_SAMPLES, REFINEMENT_INPUTS};
use super::published::PUBLISHED_INPUTS;
use crate::learning::kernels::Activation;
use crate::learning::layers::{Convolution, Initial, Perceptron};
use crate::learning::parameters::Parameters;
use crate::studies::line_ratios::prior::RATIOS;

/// Which network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// Nine ratios from 620 samples of three filters: the shape of arXiv:2102.06230, 620-1024-1024-512-9.
    PublishedRatios,
    /// Nine ratios with their errors from windows aligned with the rest frame; an ensemble of small networks.
    #[default]
    Ratios,
    /// Velocity and broadening from SN3, with the density of both as a mixture: convolutions along the spectrum.
    Kinematics,
    /// Better velocity and broadening, with errors, from windows aligned by a first guess.
    Refinement,
}

/// Gaussians of the mixture that the kinematics network gives.
pub const COMPONENTS: usize = 3;
/// Numbers for each of them: logit of its weight; mean and logarithm of the error of velocity and of broadening.
pub const PER_COMPONENT: usize = 5;

/// One convolution along the spectrum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvolutionShape {
    /// Channels that it gives.
    pub channels: usize,
    /// Samples under its stencil, odd.
    pub kernel: usize,
    /// 1, or 2 to halve the samples.
    pub stride: usize,
}

/// Sizes of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Architecture {
    /// Values of an input.
    pub inputs: usize,
    /// Convolutions; they take all inputs but the last (the S/N), which joins behind them.
    pub convolutions: Vec<ConvolutionShape>,
    /// Hidden dense layers.
    pub hidden: Vec<usize>,
    /// Values of an output.
    pub outputs: usize,
    /// Networks of the ensemble; convolutions are shared.
    pub members: usize,
}

impl NetworkKind {
    /// Name on cards and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::PublishedRatios => "published_ratios",
            Self::Ratios => "ratios",
            Self::Kinematics => "kinematics",
            Self::Refinement => "refinement",
        }
    }

    /// Its sizes, with so many members.
    pub fn architecture(self, members: usize) -> Architecture {
        let dense = |inputs, hidden: &[usize], outputs| Architecture {
            inputs,
            convolutions: Vec::new(),
            hidden: hidden.to_vec(),
            outputs,
            members,
        };
        match self {
            Self::PublishedRatios => dense(PUBLISHED_INPUTS, &[1024, 1024, 512], RATIOS.len()),
            // Multiples of 48 fill the vectors of the widest processor.
            Self::Ratios => dense(RATIO_INPUTS, &[240, 144], 2 * RATIOS.len()),
            Self::Refinement => dense(REFINEMENT_INPUTS, &[144, 96], 4),
            Self::Kinematics => Architecture {
                convolutions: vec![
                    ConvolutionShape { channels: 8, kernel: 9, stride: 1 },
                    ConvolutionShape { channels: 16, kernel: 5, stride: 2 },
                ],
                ..dense(RED_SAMPLES + 1, &[192, 96], COMPONENTS * PER_COMPONENT)
            },
        }
    }
}

impl Architecture {
    /// Samples and channels behind the convolutions.
    pub fn convolved(&self) -> [usize; 2] {
        let samples = self.inputs - usize::from(!self.convolutions.is_empty());
        self.convolutions.iter().fold([samples, 1], |[n, _], c| [n.div_ceil(c.stride), c.channels])
    }

    /// Sizes of the dense layers, input and output included.
    pub fn dense(&self) -> Vec<usize> {
        let first =
            if self.convolutions.is_empty() { self.inputs } else { self.convolved().iter().product::<usize>() + 1 };
        [first].into_iter().chain(self.hidden.iter().copied()).chain([self.outputs]).collect()
    }
}

/// A network with its parameters in burn.
#[derive(Module, Debug)]
pub struct LineNetwork {
    /// Along the spectrum.
    pub convolutions: Vec<Convolution>,
    /// The ensemble.
    pub members: Vec<Perceptron>,
}

impl LineNetwork {
    /// With parameters drawn from a seed.
    pub fn new(architecture: &Architecture, seed: u64, device: &Device) -> Self {
        let mut initial = Initial::new(seed, device);
        let mut channels = 1;
        let convolutions = architecture.convolutions.iter().map(|c| {
            let from = std::mem::replace(&mut channels, c.channels);
            Convolution::along(&mut initial, [from, c.channels], c.kernel, c.stride)
        });
        let convolutions = convolutions.collect();
        let sizes = architecture.dense();
        let members = (0..architecture.members).map(|_| Perceptron::new(&mut initial, &sizes)).collect();
        Self { convolutions, members }
    }

    /// Its parameters.
    pub fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    /// `[batch, inputs]` to `[batch, outputs]` of every member; `after` may change the values behind hidden layer `k` of a member.
    pub fn forward(&self, x: Tensor<2>, mut after: impl FnMut(usize, usize, Tensor<2>) -> Tensor<2>) -> Vec<Tensor<2>> {
        let x = self.convolve(x);
        let member = |(m, network): (usize, &Perceptron)| network.forward(x.clone(), |k, y| after(m, k, y));
        self.members.iter().enumerate().map(member).collect()
    }

    fn convolve(&self, x: Tensor<2>) -> Tensor<2> {
        if self.convolutions.is_empty() {
            return x;
        }
        let [batch, inputs] = x.dims();
        let samples = x.clone().narrow(1, 0, inputs - 1).reshape([batch, 1, 1, inputs - 1]);
        let layer = |x: Tensor<4>, c: &Convolution| relu(c.forward(x, Activation::Linear));
        let convolved: Tensor<2> = self.convolutions.iter().fold(samples, layer).flatten(1, 3);
        Tensor::cat(vec![convolved, x.narrow(1, inputs - 1, 1)], 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2,214,921 parameters, as the authors' notebook prints them.
    #[test]
    fn the_published_network_has_the_published_size() {
        let architecture = NetworkKind::PublishedRatios.architecture(1);
        assert_eq!(architecture.dense(), [620, 1024, 1024, 512, 9]);
        let network = LineNetwork::new(&architecture, 1, &Device::flex());
        assert_eq!(network.num_params(), 2_214_921);
    }

    #[test]
    fn shapes_are_those_of_the_architecture() {
        for kind in [NetworkKind::Ratios, NetworkKind::Kinematics, NetworkKind::Refinement] {
            let architecture = kind.architecture(2);
            let network = LineNetwork::new(&architecture, 1, &Device::flex());
            let x = Tensor::zeros([3, architecture.inputs], &Device::flex());
            let out = network.forward(x, |_, _, y| y);
            assert_eq!(out.len(), 2);
            assert_eq!(out[1].dims(), [3, architecture.outputs], "{kind:?}");
        }
        assert_eq!(NetworkKind::Kinematics.architecture(1).convolved(), [60, 16]);
    }
}
