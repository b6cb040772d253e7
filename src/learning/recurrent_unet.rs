//! A U-Net with a convolutional GRU in every skip connection and in the bottleneck: the network of a Recurrent Inference Machine
//! (Adam, Perreault-Levasseur et al. 2023, arXiv:2301.04168; the recipe of the authors' public code).

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::kernels::Activation;
use super::layers::{ConvGru, Convolution, Initial, TransposedConvolution};

/// Most channels of a level.
const MOST_CHANNELS: usize = 1024;

/// The size of such a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecurrentUnetSize {
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Channels of the first level; each deeper one has twice as many, at most 1024.
    pub filters: usize,
    /// Levels above the bottleneck; each halves the sides.
    pub levels: usize,
    /// Convolutions of a level on the way down, and again on the way up.
    pub convolutions: usize,
    /// Side of the first stencil, odd.
    pub input_kernel: usize,
}

impl RecurrentUnetSize {
    /// Channels of level `level`, from 0; the bottleneck is level `levels`.
    pub fn channels(&self, level: usize) -> usize {
        (self.filters << level.min(32)).min(MOST_CHANNELS)
    }

    /// Multiplications and additions of one evaluation on an image of `pixels x pixels`.
    pub fn operations(&self, pixels: usize) -> f64 {
        let stencil = |inputs: usize, outputs: usize, kernel: usize, area: f64| {
            2.0 * inputs as f64 * outputs as f64 * (kernel * kernel) as f64 * area
        };
        let area = |level: usize| (pixels as f64 / f64::from(1u32 << level)).powi(2);
        let memory = |level: usize| stencil(2 * self.channels(level), 3 * self.channels(level), 3, area(level));
        let mut sum = stencil(self.inputs, self.filters, self.input_kernel, area(0)) + memory(self.levels);
        for level in 0..self.levels {
            let (here, below) = (self.channels(level), self.channels(level + 1));
            sum += (2 * self.convolutions) as f64 * stencil(here, here, 3, area(level));
            sum += stencil(here, here, 3, area(level)); // the concatenation doubles the input of the first on the way up
            sum += memory(level) + 2.0 * stencil(here, below, 3, area(level + 1));
        }
        sum + stencil(self.filters, self.outputs, 1, area(0))
    }
}

#[derive(Module, Debug)]
struct Level {
    before: Vec<Convolution>,
    memory: ConvGru,
    down: Convolution,
    up: TransposedConvolution,
    after: Vec<Convolution>,
}

/// The network. Its sides must be divisible by two as many times as it has levels.
#[derive(Module, Debug)]
pub struct RecurrentUnet {
    first: Convolution,
    levels: Vec<Level>,
    bottleneck: ConvGru,
    last: Convolution,
}

/// What the network remembers from one evaluation to the next: a tensor a level, and the bottleneck's.
pub type Memory = Vec<Tensor<4>>;

impl RecurrentUnet {
    /// A new network.
    pub fn new(size: &RecurrentUnetSize, initial: &mut Initial) -> Self {
        let levels = (0..size.levels)
            .map(|level| {
                let (here, below) = (size.channels(level), size.channels(level + 1));
                let plain = |inputs: usize, initial: &mut Initial| Convolution::new(initial, [inputs, here], 3, 1);
                Level {
                    before: (0..size.convolutions).map(|_| plain(here, initial)).collect(),
                    memory: ConvGru::new(initial, here),
                    down: Convolution::new(initial, [here, below], 3, 2),
                    up: TransposedConvolution::new(initial, [below, here]),
                    after: (0..size.convolutions)
                        .map(|k| plain(if k == 0 { 2 * here } else { here }, initial))
                        .collect(),
                }
            })
            .collect();
        Self {
            first: Convolution::new(initial, [size.inputs, size.filters], size.input_kernel, 1),
            levels,
            bottleneck: ConvGru::new(initial, size.channels(size.levels)),
            last: Convolution::new(initial, [size.filters, size.outputs], 1, 1),
        }
    }

    /// One evaluation: `[batch, inputs, y, x]` to `[batch, outputs, y, x]`, and what to remember. An empty memory is a fresh one.
    pub fn forward(&self, x: Tensor<4>, memory: &Memory) -> (Tensor<4>, Memory) {
        let mut next = Memory::with_capacity(self.levels.len() + 1);
        let mut x = self.first.forward(x, Activation::Tanh);
        for (k, level) in self.levels.iter().enumerate() {
            for convolution in &level.before {
                x = convolution.forward(x, Activation::Tanh);
            }
            next.push(level.memory.forward(x.clone(), memory.get(k).cloned()));
            x = level.down.forward(x, Activation::Tanh);
        }
        next.push(self.bottleneck.forward(x, memory.get(self.levels.len()).cloned()));
        let mut x = next[self.levels.len()].clone();
        for (k, level) in self.levels.iter().enumerate().rev() {
            x = level.up.forward(x, Activation::Tanh);
            x = Tensor::cat(vec![x, next[k].clone()], 1);
            for convolution in &level.after {
                x = convolution.forward(x, Activation::Tanh);
            }
        }
        (self.last.forward(x, Activation::Linear), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn size(filters: usize, levels: usize, convolutions: usize, input_kernel: usize) -> RecurrentUnetSize {
        RecurrentUnetSize { inputs: 5, outputs: 2, filters, levels, convolutions, input_kernel }
    }

    /// The number of the published network follows from the recipe; nothing is allocated for it.
    #[test]
    fn the_published_size_has_348_546_818_parameters() {
        let mut initial = Initial::new(1, &Device::flex());
        let network = RecurrentUnet::new(&size(128, 5, 2, 11), &mut initial);
        assert_eq!(network.num_params(), 348_546_818);
        assert_eq!(RecurrentUnet::new(&size(16, 4, 1, 11), &mut initial).num_params(), 6_097_282);
    }

    /// 124 giga-multiplications for the published network at 128 x 128 (the authors' recipe counted by hand).
    #[test]
    fn operations_are_counted() {
        let giga = size(128, 5, 2, 11).operations(128) / 2e9;
        assert!((giga - 124.0).abs() < 2.0, "{giga}");
    }

    #[test]
    fn sides_stay_and_the_memory_counts() {
        let device = Device::flex();
        let network = RecurrentUnet::new(&size(4, 2, 1, 5), &mut Initial::new(7, &device));
        let x = Tensor::<4>::ones([2, 5, 16, 24], &device) * 0.1;
        let (y, memory) = network.forward(x.clone(), &Memory::new());
        assert_eq!(y.dims(), [2, 2, 16, 24]);
        let shapes: Vec<_> = memory.iter().map(Tensor::dims).collect();
        assert_eq!(shapes, [[2, 4, 16, 24], [2, 8, 8, 12], [2, 16, 4, 6]]);
        let (again, _) = network.forward(x, &memory);
        let difference = (y - again).abs().max().into_scalar::<f32>();
        assert!(difference > 1e-4, "{difference}");
    }
}
