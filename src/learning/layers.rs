//! What networks are made of: convolutions with their parameters, and the convolutional GRU.
//!
//! Parameters are drawn when they are first used, each from its own stream of the seed, so that a network of any size can be
//! described and counted without memory for it.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Shape, Tensor, TensorData};

use super::kernels::{self, Activation};
use crate::numerics::random;

/// Where the parameters of a new network come from: a stream of the seed for each, in the order of their making.
#[derive(Debug)]
pub struct Initial {
    seed: u64,
    next: u64,
    device: Device,
}

impl Initial {
    /// Parameters of `seed` on `device`.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { seed, next: 0, device: device.clone() }
    }

    /// Glorot's uniform distribution, `+- sqrt(6 / (fan_in + fan_out))` (Glorot & Bengio 2010).
    fn glorot<const D: usize>(&mut self, shape: [usize; D], fans: usize) -> Param<Tensor<D>> {
        let (seed, index) = (self.seed, self.next);
        self.next += 1;
        let limit = (6.0 / fans as f64).sqrt();
        self.parameter(shape, move |values| {
            let mut stream = random::stream(seed, "learning.initial", index);
            values.fill_with(|| random::uniform_in(&mut stream, -limit, limit) as f32);
        })
    }

    fn zeros<const D: usize>(&self, shape: [usize; D]) -> Param<Tensor<D>> {
        self.parameter(shape, |_| ())
    }

    fn parameter<const D: usize>(
        &self,
        shape: [usize; D],
        fill: impl FnOnce(&mut Vec<f32>) + Send + Sync + 'static,
    ) -> Param<Tensor<D>> {
        let make = move |device: &Device, require_grad: bool| {
            let mut values = vec![0.0; shape.iter().product()];
            fill(&mut values);
            let tensor = Tensor::from_data(TensorData::new(values, shape), device);
            if require_grad { tensor.require_grad() } else { tensor }
        };
        Param::uninitialized(ParamId::new(), make, self.device.clone(), true, Shape::from(shape))
    }
}

/// A convolution that keeps the size of the image (stride 1) or halves it (stride 2), with bias.
#[derive(Module, Debug)]
pub struct Convolution {
    /// `[out, in, y, x]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    stride: usize,
}

impl Convolution {
    /// From `inputs` to `outputs` channels by a `kernel x kernel` stencil, odd.
    pub fn new(initial: &mut Initial, [inputs, outputs]: [usize; 2], kernel: usize, stride: usize) -> Self {
        let fans = (inputs + outputs) * kernel * kernel;
        Self { weight: initial.glorot([outputs, inputs, kernel, kernel], fans), bias: initial.zeros([outputs]), stride }
    }

    /// Along one axis: from `inputs` to `outputs` channels by a `1 x kernel` stencil, odd, on images of height 1.
    pub fn along(initial: &mut Initial, [inputs, outputs]: [usize; 2], kernel: usize, stride: usize) -> Self {
        let fans = (inputs + outputs) * kernel;
        Self { weight: initial.glorot([outputs, inputs, 1, kernel], fans), bias: initial.zeros([outputs]), stride }
    }

    /// `[batch, in, y, x]` to `[batch, out, y / stride, x / stride]`, with an activation.
    pub fn forward(&self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        kernels::activated_convolution2d(x, self.weight.val(), Some(self.bias.val()), self.stride, activation)
    }
}

/// A transposed convolution that doubles the sides of the image, with bias.
#[derive(Module, Debug)]
pub struct TransposedConvolution {
    /// `[in, out, y, x]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Param<Tensor<1>>,
}

impl TransposedConvolution {
    /// From `inputs` to `outputs` channels by a 3 x 3 stencil.
    pub fn new(initial: &mut Initial, [inputs, outputs]: [usize; 2]) -> Self {
        const KERNEL: usize = 3;
        let fans = (inputs + outputs) * KERNEL * KERNEL;
        Self { weight: initial.glorot([inputs, outputs, KERNEL, KERNEL], fans), bias: initial.zeros([outputs]) }
    }

    /// `[batch, in, y, x]` to `[batch, out, 2 y, 2 x]`, with an activation.
    pub fn forward(&self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        kernels::activated_transposed_convolution2d(x, self.weight.val(), Some(self.bias.val()), activation)
    }
}

/// A matrix and a bias.
#[derive(Module, Debug)]
pub struct Dense {
    /// `[in, out]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Param<Tensor<1>>,
}

impl Dense {
    /// From `inputs` to `outputs` values.
    pub fn new(initial: &mut Initial, [inputs, outputs]: [usize; 2]) -> Self {
        Self { weight: initial.glorot([inputs, outputs], inputs + outputs), bias: initial.zeros([outputs]) }
    }

    /// `[batch, in]` to `[batch, out]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val()) + self.bias.val().unsqueeze()
    }
}

/// Dense layers with rectifiers between them.
#[derive(Module, Debug)]
pub struct Perceptron {
    /// From the input to the output.
    pub layers: Vec<Dense>,
}

impl Perceptron {
    /// Layers between these numbers of values, the input first.
    pub fn new(initial: &mut Initial, sizes: &[usize]) -> Self {
        Self { layers: sizes.windows(2).map(|pair| Dense::new(initial, [pair[0], pair[1]])).collect() }
    }

    /// `[batch, in]` to `[batch, out]`; `after` may change the values behind each hidden layer, e.g. drop some.
    pub fn forward(&self, x: Tensor<2>, mut after: impl FnMut(usize, Tensor<2>) -> Tensor<2>) -> Tensor<2> {
        let last = self.layers.len().saturating_sub(1);
        self.layers.iter().enumerate().fold(x, |x, (k, layer)| {
            let y = layer.forward(x);
            if k == last { y } else { after(k, burn::tensor::activation::relu(y)) }
        })
    }
}

/// A convolutional gated recurrent unit (Ballas et al. 2016, arXiv:1511.06432) with as many channels of memory as of input:
/// `z, r = sigmoid(W_zr [x, h])`, `c = tanh(W_c [x, r h])`, `h' = z h + (1 - z) c`.
#[derive(Module, Debug)]
pub struct ConvGru {
    /// `W_z` and `W_r`, one after the other.
    pub gates: Convolution,
    /// `W_c`.
    pub candidate: Convolution,
}

impl ConvGru {
    /// For images of so many channels.
    pub fn new(initial: &mut Initial, channels: usize) -> Self {
        Self {
            gates: Convolution::new(initial, [2 * channels, 2 * channels], 3, 1),
            candidate: Convolution::new(initial, [2 * channels, channels], 3, 1),
        }
    }

    /// The next memory, which is the output too. Without a memory it is zero.
    pub fn forward(&self, x: Tensor<4>, memory: Option<Tensor<4>>) -> Tensor<4> {
        let h = memory.unwrap_or_else(|| Tensor::zeros(x.dims(), &x.device()));
        let pair = |of: &Convolution| (of.weight.val(), of.bias.val());
        kernels::conv_gru(x, h, pair(&self.gates), pair(&self.candidate))
    }
}
