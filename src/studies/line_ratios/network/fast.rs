//! Networks as they are used: matrices packed for the processor, many spectra a call, no graph.

use super::architecture::{Architecture, ConvolutionShape};
use crate::learning::kernels::dense::DenseKernel;
use crate::learning::parameters::Parameters;

/// Values that a block of a convolution should give: what fills the vectors of the widest processor.
const BLOCK_VALUES: usize = 48;

/// A network for inference.
#[derive(Clone, Debug)]
pub struct FastNetwork {
    architecture: Architecture,
    convolutions: Vec<FastConvolution>,
    members: Vec<Vec<DenseKernel>>,
}

/// A convolution as a product of overlapping rows with a banded matrix: one row gives some neighbouring samples, all channels of each.
#[derive(Clone, Debug)]
struct FastConvolution {
    kernel: DenseKernel,
    /// Samples and channels that it takes.
    taken: [usize; 2],
    /// Values between two rows.
    step: usize,
    /// Samples and channels that it gives.
    given: usize,
    channels: usize,
    padding: usize,
}

impl FastConvolution {
    /// `weight [out, in, 1, k]`, as burn has it.
    fn new(shape: ConvolutionShape, taken: [usize; 2], weight: &[f32], bias: &[f32]) -> Self {
        let [samples, from] = taken;
        let ConvolutionShape { channels, kernel, stride } = shape;
        let given = samples.div_ceil(stride);
        // As many samples a row as fit, and no rest.
        let most = (BLOCK_VALUES / channels).clamp(1, given);
        let together = (1..=most).rev().find(|n| given.is_multiple_of(*n)).unwrap_or(1);
        let span = kernel + (together - 1) * stride;
        let outputs = together * channels;
        let mut matrix = vec![0.0; span * from * outputs];
        for place in 0..together {
            for (out, of_out) in weight.chunks_exact(from * kernel).enumerate() {
                for (channel, taps) in of_out.chunks_exact(kernel).enumerate() {
                    for (tap, value) in taps.iter().enumerate() {
                        let row = (place * stride + tap) * from + channel;
                        matrix[row * outputs + place * channels + out] = *value;
                    }
                }
            }
        }
        let biases: Vec<f32> = bias.iter().copied().cycle().take(outputs).collect();
        let kernel_of = DenseKernel::new(&matrix, &biases);
        Self { kernel: kernel_of, taken, step: together * stride * from, given, channels, padding: (kernel - 1) / 2 }
    }

    /// Values of a buffer that holds its input with the zeros around, and what the last row may reach beyond them.
    fn padded(&self) -> usize {
        let rows = self.given * self.channels / self.kernel.outputs();
        let reached = (rows - 1) * self.step + self.kernel.inputs();
        reached.max((self.taken[0] + 2 * self.padding) * self.taken[1])
    }
}

/// Buffers of a thread.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
    padded: Vec<f32>,
    next: Vec<f32>,
    dense: Vec<f32>,
    from: Vec<f32>,
    to: Vec<f32>,
}

impl FastNetwork {
    /// With these parameters, which have the parts of a [`LineNetwork`](super::architecture::LineNetwork) of this architecture in their order.
    pub fn new(architecture: &Architecture, parameters: &Parameters) -> Self {
        let mut rest = parameters.values.as_slice();
        let mut tensors = parameters.parts.iter().map(|part| {
            let (own, after) = rest.split_at(part.len());
            rest = after;
            own
        });
        let mut next = || tensors.next().unwrap_or_default();
        let samples = architecture.inputs - usize::from(!architecture.convolutions.is_empty());
        let mut taken = [samples, 1];
        let convolutions = architecture.convolutions.iter().map(|shape| {
            let (weight, bias) = (next(), next());
            let made = FastConvolution::new(*shape, taken, weight, bias);
            taken = [made.given, shape.channels];
            made
        });
        let convolutions: Vec<_> = convolutions.collect();
        let layers = architecture.dense().len() - 1;
        let members = (0..architecture.members).map(|_| {
            let layer = |k: usize| {
                let (weight, bias) = (next(), next());
                if k == 0 && !convolutions.is_empty() {
                    return DenseKernel::new(&by_samples(weight, taken, bias.len()), bias);
                }
                DenseKernel::new(weight, bias)
            };
            (0..layers).map(layer).collect()
        });
        let members = members.collect();
        Self { architecture: architecture.clone(), convolutions, members }
    }

    /// Its sizes.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Inputs, one spectrum after the other, to outputs `[spectrum, member, output]`.
    pub fn run(&self, inputs: &[f32], buffers: &mut Buffers, outputs: &mut Vec<f32>) {
        let Architecture { inputs: each, outputs: given, members: count, .. } = self.architecture;
        let spectra = inputs.len() / each;
        outputs.clear();
        outputs.resize(spectra * count * given, 0.0);
        let Buffers { padded, next, dense, from, to } = buffers;
        let first: &[f32] = if self.convolutions.is_empty() {
            inputs
        } else {
            self.convolve(inputs, padded, next, dense);
            dense
        };
        for (m, layers) in self.members.iter().enumerate() {
            for (k, layer) in layers.iter().enumerate() {
                to.resize(spectra * layer.outputs(), 0.0);
                let x = if k == 0 { first } else { from.as_slice() };
                layer.apply(x, layer.inputs(), k + 1 < layers.len(), to);
                std::mem::swap(from, to);
            }
            for (spectrum, values) in from.chunks_exact(given).take(spectra).enumerate() {
                let start = (spectrum * count + m) * given;
                outputs[start..start + given].copy_from_slice(values);
            }
        }
    }

    fn convolve(&self, inputs: &[f32], padded: &mut Vec<f32>, next: &mut Vec<f32>, dense: &mut Vec<f32>) {
        let [samples, channels] = self.architecture.convolved();
        let row = samples * channels + 1;
        dense.clear();
        dense.resize(inputs.len() / self.architecture.inputs * row, 0.0);
        for (input, out) in inputs.chunks_exact(self.architecture.inputs).zip(dense.chunks_exact_mut(row)) {
            let (spectrum, level) = input.split_at(input.len() - 1);
            out[row - 1] = level[0];
            for (k, layer) in self.convolutions.iter().enumerate() {
                let values = layer.taken[0] * layer.taken[1];
                let start = layer.padding * layer.taken[1];
                let source = if k == 0 { spectrum } else { &next[..values] };
                padded.clear();
                padded.resize(layer.padded(), 0.0);
                padded[start..start + values].copy_from_slice(source);
                let last = k + 1 == self.convolutions.len();
                next.resize(layer.given * layer.channels, 0.0);
                let target = if last { &mut out[..row - 1] } else { next.as_mut_slice() };
                layer.kernel.apply(padded, layer.step, true, target);
            }
        }
    }
}

/// A matrix that takes `[channel][sample]` and one value more, for values in the order `[sample][channel]`.
fn by_samples(weight: &[f32], [samples, channels]: [usize; 2], outputs: usize) -> Vec<f32> {
    let mut out = weight.to_vec();
    for channel in 0..channels {
        for sample in 0..samples {
            let (from, to) = ((channel * samples + sample) * outputs, (sample * channels + channel) * outputs);
            out[to..to + outputs].copy_from_slice(&weight[from..from + outputs]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};

    use super::*;
    use crate::numerics::random;
    use crate::studies::line_ratios::network::architecture::{LineNetwork, NetworkKind};

    /// The same numbers as the network that is trained, for every kind, in batches of any size.
    #[test]
    fn it_is_the_network_that_was_trained() {
        let device = Device::flex();
        for kind in
            [NetworkKind::PublishedRatios, NetworkKind::Ratios, NetworkKind::Kinematics, NetworkKind::Refinement]
        {
            let architecture = kind.architecture(2);
            let network = LineNetwork::new(&architecture, 7, &device);
            let fast = FastNetwork::new(&architecture, &network.parameters());
            let spectra = 11;
            let mut stream = random::stream(1, "fast.test", 0);
            let inputs: Vec<f32> =
                (0..spectra * architecture.inputs).map(|_| random::normal(&mut stream) as f32).collect();
            let x = Tensor::from_data(TensorData::new(inputs.clone(), [spectra, architecture.inputs]), &device);
            let expected: Vec<Vec<f32>> = network
                .forward(x, |_, _, y| y)
                .into_iter()
                .map(|y| y.into_data().try_into_vec::<f32>().unwrap())
                .collect();
            let (mut found, mut buffers) = (Vec::new(), Buffers::default());
            fast.run(&inputs, &mut buffers, &mut found);
            let outputs = architecture.outputs;
            for (k, value) in found.iter().enumerate() {
                let (spectrum, member, output) = (k / (2 * outputs), k / outputs % 2, k % outputs);
                let wanted = expected[member][spectrum * outputs + output];
                assert!((value - wanted).abs() < 1e-4 * (1.0 + wanted.abs()), "{kind:?} {k}: {value} for {wanted}");
            }
            let mut alone = Vec::new();
            fast.run(&inputs[..architecture.inputs], &mut buffers, &mut alone);
            assert_eq!(alone, found[..2 * outputs]);
        }
    }
}
