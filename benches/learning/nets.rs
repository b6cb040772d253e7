//! The networks that are timed, each over our kernels and over burn's own operations; `benches/peers/learning_speed.py` has the same in
//! PyTorch.

use burn::module::{Module, Param};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor, TensorData, activation, module};
use sextans::learning::kernels::{self, Activation};

/// Whose operations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ops {
    /// Those of burn.
    Burn,
    /// Ours.
    Kernels,
}

/// Numbers between -1 and 1 from a counter, times `scale`.
pub fn numbers<const D: usize>(shape: [usize; D], seed: u64, scale: f32, device: &Device) -> Tensor<D> {
    let values: Vec<f32> = (0..shape.iter().product::<usize>() as u64)
        .map(|k| {
            let mut z = (k + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ seed.wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 30)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z >> 40) as f32 / (1 << 23) as f32 - 1.0) * scale
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn activated<const D: usize>(x: Tensor<D>, kind: Activation) -> Tensor<D> {
    match kind {
        Activation::Linear => x,
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => activation::sigmoid(x),
    }
}

/// A convolution over images or cubes: weight and bias.
#[derive(Module, Debug)]
pub struct Layer<const D: usize> {
    weight: Param<Tensor<D>>,
    bias: Param<Tensor<1>>,
}

impl<const D: usize> Layer<D> {
    /// From `i` to `o` channels by a kernel of side `k`; transposed weights have their first two axes the other way.
    fn new(i: usize, o: usize, k: usize, transposed: bool, device: &Device) -> Self {
        let mut shape = [k; D];
        (shape[0], shape[1]) = if transposed { (i, o) } else { (o, i) };
        let scale = 1.0 / ((i * k.pow(D as u32 - 2)) as f32).sqrt();
        let weight = Param::from_tensor(numbers(shape, (i * 1000 + o) as u64, scale, device));
        Self { weight, bias: Param::from_tensor(numbers([o], 7, 0.01, device)) }
    }
}

impl Layer<4> {
    fn forward(&self, x: Tensor<4>, stride: usize, kind: Activation, ops: Ops) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), Some(self.bias.val()));
        if ops == Ops::Kernels {
            return kernels::activated_convolution2d(x, weight, bias, stride, kind);
        }
        let pad = (weight.dims()[2] - 1) / 2;
        activated(module::conv2d(x, weight, bias, ConvOptions::new([stride; 2], [pad; 2], [1; 2], 1)), kind)
    }

    fn up(&self, x: Tensor<4>, kind: Activation, ops: Ops) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), Some(self.bias.val()));
        if ops == Ops::Kernels {
            return kernels::activated_transposed_convolution2d(x, weight, bias, kind);
        }
        let more = weight.dims()[2] % 2;
        let options = ConvTransposeOptions::new([2; 2], [1; 2], [more; 2], [1; 2], 1);
        activated(module::conv_transpose2d(x, weight, bias, options), kind)
    }
}

impl Layer<5> {
    fn forward(&self, x: Tensor<5>, ops: Ops) -> Tensor<5> {
        let (weight, bias) = (self.weight.val(), Some(self.bias.val()));
        if ops == Ops::Kernels {
            return kernels::activated_convolution3d(x, weight, bias, 1, Activation::Tanh);
        }
        module::conv3d(x, weight, bias, ConvOptions::new([1; 3], [1; 3], [1; 3], 1)).tanh()
    }
}

/// A network with its forward pass, squared and averaged.
pub trait Net: Module {
    /// The loss of one training step.
    fn loss(&self, ops: Ops) -> Tensor<1>;
}

/// 64 x 64, 32 filters, batch 8, two levels: strided down, transposed kernels of side 4 up, skips.
#[derive(Module, Debug)]
pub struct Unet2d {
    first: Layer<4>,
    down: [Layer<4>; 2],
    middle: [Layer<4>; 2],
    up: [Layer<4>; 2],
    after: [Layer<4>; 2],
    last: Layer<4>,
    x: Param<Tensor<4>>,
}

impl Unet2d {
    /// With fixed numbers for weights.
    pub fn new(device: &Device) -> Self {
        let c = |i, o, k| Layer::new(i, o, k, false, device);
        let t = |i, o| Layer::new(i, o, 4, true, device);
        Self {
            first: c(1, 32, 3),
            down: [c(32, 64, 3), c(64, 128, 3)],
            middle: [c(64, 64, 3), c(128, 128, 3)],
            up: [t(64, 32), t(128, 64)],
            after: [c(64, 32, 3), c(128, 64, 3)],
            last: c(32, 1, 1),
            x: Param::from_tensor(numbers([8, 1, 64, 64], 5, 1.0, device)).no_grad(),
        }
    }
}

impl Net for Unet2d {
    fn loss(&self, ops: Ops) -> Tensor<1> {
        use Activation::{Linear, Tanh};
        let a = self.first.forward(self.x.val(), 1, Tanh, ops);
        let b = self.middle[0].forward(self.down[0].forward(a.clone(), 2, Tanh, ops), 1, Tanh, ops);
        let c = self.middle[1].forward(self.down[1].forward(b.clone(), 2, Tanh, ops), 1, Tanh, ops);
        let b = Tensor::cat(vec![self.up[1].up(c, Tanh, ops), b], 1);
        let b = self.after[1].forward(b, 1, Tanh, ops);
        let a = Tensor::cat(vec![self.up[0].up(b, Tanh, ops), a], 1);
        let a = self.after[0].forward(a, 1, Tanh, ops);
        self.last.forward(a, 1, Linear, ops).square().mean()
    }
}

/// 32 x 32 x 32, batch 2, four layers of 16 filters 3 x 3 x 3.
#[derive(Module, Debug)]
pub struct Conv3d {
    layers: Vec<Layer<5>>,
    x: Param<Tensor<5>>,
}

impl Conv3d {
    /// With fixed numbers for weights.
    pub fn new(device: &Device) -> Self {
        Self {
            layers: (0..4).map(|_| Layer::new(16, 16, 3, false, device)).collect(),
            x: Param::from_tensor(numbers([2, 16, 32, 32, 32], 5, 1.0, device)).no_grad(),
        }
    }
}

impl Net for Conv3d {
    fn loss(&self, ops: Ops) -> Tensor<1> {
        self.layers.iter().fold(self.x.val(), |x, layer| layer.forward(x, ops)).square().mean()
    }
}

/// Gated recurrent unit with convolutions 3 x 3 for its products.
#[derive(Module, Debug)]
pub struct Gru {
    gates: Layer<4>,
    candidate: Layer<4>,
}

impl Gru {
    fn new(channels: usize, device: &Device) -> Self {
        let layer = |o| Layer::new(2 * channels, o, 3, false, device);
        Self { gates: layer(2 * channels), candidate: layer(channels) }
    }

    fn forward(&self, x: Tensor<4>, h: Tensor<4>, ops: Ops) -> Tensor<4> {
        if ops == Ops::Kernels {
            let of = |layer: &Layer<4>| (layer.weight.val(), layer.bias.val());
            return kernels::conv_gru(x, h, of(&self.gates), of(&self.candidate));
        }
        let gates = self.gates.forward(Tensor::cat(vec![x.clone(), h.clone()], 1), 1, Activation::Sigmoid, ops);
        let [z, r]: [Tensor<4>; 2] = gates.chunk(2, 1).try_into().expect("two gates");
        let c = self.candidate.forward(Tensor::cat(vec![x, r * h.clone()], 1), 1, Activation::Tanh, ops);
        z.clone() * h + (z.neg() + 1.0) * c
    }
}

/// One step of a recurrent unit, 64 x 64, 32 + 32 channels, batch 8.
#[derive(Module, Debug)]
pub struct OneGru {
    gru: Gru,
    x: Param<Tensor<4>>,
    h: Param<Tensor<4>>,
}

impl OneGru {
    /// With fixed numbers for weights.
    pub fn new(device: &Device) -> Self {
        let state = |seed| Param::from_tensor(numbers([8, 32, 64, 64], seed, 1.0, device)).no_grad();
        Self { gru: Gru::new(32, device), x: state(5), h: state(6) }
    }
}

impl Net for OneGru {
    fn loss(&self, ops: Ops) -> Tensor<1> {
        self.gru.forward(self.x.val(), self.h.val(), ops).square().mean()
    }
}

/// The recurrent inference machine of the lens study: 64 x 64, 16 filters, four levels, eight recursions.
#[derive(Module, Debug)]
pub struct Rim {
    input: Layer<4>,
    before: Vec<Layer<4>>,
    units: Vec<Gru>,
    down: Vec<Layer<4>>,
    up: Vec<Layer<4>>,
    after: Vec<Layer<4>>,
    output: Layer<4>,
    x: Param<Tensor<4>>,
}

impl Rim {
    /// With fixed numbers for weights.
    pub fn new(batch: usize, device: &Device) -> Self {
        let c = |i, o, k| Layer::new(i, o, k, false, device);
        let widths = [16, 32, 64, 128];
        Self {
            input: c(5, 16, 11),
            before: widths.map(|f| c(f, f, 3)).to_vec(),
            units: [16, 32, 64, 128, 256].map(|f| Gru::new(f, device)).to_vec(),
            down: widths.map(|f| c(f, 2 * f, 3)).to_vec(),
            up: widths.map(|f| Layer::new(2 * f, f, 3, true, device)).to_vec(),
            after: widths.map(|f| c(2 * f, f, 3)).to_vec(),
            output: c(16, 2, 1),
            x: Param::from_tensor(numbers([batch, 5, 64, 64], 5, 1.0, device)).no_grad(),
        }
    }
}

impl Net for Rim {
    fn loss(&self, ops: Ops) -> Tensor<1> {
        use Activation::{Linear, Tanh};
        let data = self.x.val();
        let [batch, _, side, _] = data.dims();
        let device = data.device();
        let mut hidden: Vec<Tensor<4>> =
            (0..5).map(|k| Tensor::zeros([batch, 16 << k, side >> k, side >> k], &device)).collect();
        let mut state = data.clone().narrow(1, 0, 2);
        let mut total = Tensor::zeros([1], &device);
        for _ in 0..8 {
            let input = Tensor::cat(vec![data.clone().narrow(1, 0, 3), state.clone()], 1);
            let mut x = self.input.forward(input, 1, Tanh, ops);
            for (k, memory) in hidden.iter_mut().enumerate().take(4) {
                let y = self.before[k].forward(x, 1, Tanh, ops);
                *memory = self.units[k].forward(y, memory.clone(), ops);
                x = self.down[k].forward(memory.clone(), 2, Tanh, ops);
            }
            hidden[4] = self.units[4].forward(x, hidden[4].clone(), ops);
            x = hidden[4].clone();
            for k in (0..4).rev() {
                let up = self.up[k].up(x, Tanh, ops);
                x = self.after[k].forward(Tensor::cat(vec![up, hidden[k].clone()], 1), 1, Tanh, ops);
            }
            state = state + self.output.forward(x, 1, Linear, ops);
            total = total + state.clone().square().mean();
        }
        total
    }
}

/// A network with its optimiser.
pub struct Trainer<N: Net> {
    net: Option<N>,
    optimiser: ModuleOptimizer,
    ops: Ops,
}

impl<N: Net> Trainer<N> {
    /// Adam with its usual numbers.
    pub fn new(net: N, ops: Ops) -> Self {
        Self { net: Some(net), optimiser: AdamConfig::new().init(), ops }
    }

    /// Forward, backward, Adam; the loss.
    pub fn step(&mut self) -> f32 {
        let net = self.net.take().expect("a network");
        let loss = net.loss(self.ops);
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        self.net = Some(self.optimiser.step(1e-4, net, gradients));
        loss.into_scalar()
    }
}
