//! The kernels as operations of burn: on the Flex back end, with and without gradients.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, backend_extension};
use burn::tensor::{DType, TensorData};

use super::activation::{self, Activation};
use super::geometry::Geometry;
use super::lanes::Level;
use super::{correlate, gru, products, sums};

/// Which way a kernel is read; see [`super::geometry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// From the big grid to the small one: a convolution.
    Gather,
    /// From the small grid to the big one: a transposed convolution.
    Spread,
}

impl Product {
    /// The product that takes gradients back.
    fn reversed(self) -> Self {
        match self {
            Self::Gather => Self::Spread,
            Self::Spread => Self::Gather,
        }
    }
}

/// The computations themselves: on a back end without gradients.
pub trait KernelBackend: Backend {
    /// `activation(product + bias)`.
    fn product(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        geometry: Geometry,
        product: Product,
        activation: Activation,
    ) -> FloatTensor<Self>;
    /// Gradient of a weight; see [`correlate::correlate`].
    fn correlate(small: FloatTensor<Self>, big: FloatTensor<Self>, geometry: Geometry) -> FloatTensor<Self>;
    /// Sums over all but axis 1: gradient of a bias.
    fn channel_sums(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// A step of [`gru`]: the result, the gates and the candidate.
    fn gru_step(
        x: FloatTensor<Self>,
        h: FloatTensor<Self>,
        parameters: GruParameters<FloatTensor<Self>>,
    ) -> [FloatTensor<Self>; 3];
    /// Gradients of `x`, `h` and the parameters from that of the result.
    fn gru_gradients(
        gradient: FloatTensor<Self>,
        state: GruState<FloatTensor<Self>>,
    ) -> ([FloatTensor<Self>; 2], GruParameters<FloatTensor<Self>>);
    /// The activation of every element.
    fn activate(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self>;
    /// `gradient * activation'` told by the activation's value `y`.
    fn activate_gradient(
        y: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self>;
}

/// Parameters of a recurrent unit, in the order of the parents of its node.
#[derive(Clone, Debug)]
pub struct GruParameters<T> {
    gates: T,
    gates_bias: T,
    candidate: T,
    candidate_bias: T,
}

/// What the way back of a recurrent unit needs.
#[derive(Clone, Debug)]
pub struct GruState<T> {
    x: T,
    h: T,
    /// Values of both gates and of the candidate.
    values: [T; 2],
    /// Weights of both.
    weights: [T; 2],
}

/// The elements of a tensor in order.
#[allow(clippy::needless_pass_by_value)] // what was handed over goes: the result is its only holder and may be changed in place
fn contiguous(x: FlexTensor) -> FlexTensor {
    x.to_contiguous()
}

fn tensor(values: Vec<f32>, shape: impl Into<burn::tensor::Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

impl KernelBackend for Flex {
    fn product(
        x: FlexTensor,
        weight: FlexTensor,
        bias: Option<FlexTensor>,
        geometry: Geometry,
        product: Product,
        activation: Activation,
    ) -> FlexTensor {
        let g = geometry;
        let (x, weight, bias) = (contiguous(x), contiguous(weight), bias.map(contiguous));
        let bias = bias.as_ref().map(FlexTensor::storage::<f32>);
        let level = Level::current();
        let (channels, sides) = match product {
            Product::Gather => (g.small_channels, g.small),
            Product::Spread => (g.big_channels, g.big),
        };
        let mut out = vec![0.0; g.batch * channels * sides.iter().product::<usize>()];
        match product {
            Product::Gather => products::gather(level, &g, x.storage::<f32>().into(), weight.storage(), bias, &mut out),
            Product::Spread => products::spread(level, &g, x.storage(), weight.storage(), bias, &mut out),
        }
        activation::apply(level, activation, &mut out);
        let rank = x.layout().shape().num_dims();
        let mut shape = vec![g.batch, channels];
        shape.extend(&sides[5 - rank..]);
        tensor(out, shape)
    }

    fn correlate(small: FlexTensor, big: FlexTensor, geometry: Geometry) -> FlexTensor {
        let g = geometry;
        let (small, big) = (contiguous(small), contiguous(big));
        let rank = small.layout().shape().num_dims();
        let mut out = vec![0.0; g.small_channels * g.big_channels * g.taps()];
        correlate::correlate(Level::current(), &g, small.storage(), big.storage::<f32>().into(), &mut out);
        let mut shape = vec![g.small_channels, g.big_channels];
        shape.extend(&g.kernel[5 - rank..]);
        tensor(out, shape)
    }

    fn channel_sums(x: FlexTensor) -> FlexTensor {
        let x = contiguous(x);
        let shape = x.layout().shape();
        let (batch, channels) = (shape[0], shape[1]);
        let out = sums::channel_sums(Level::current(), x.storage(), batch, channels);
        tensor(out, [channels])
    }

    fn gru_step(x: FlexTensor, h: FlexTensor, parameters: GruParameters<FlexTensor>) -> [FlexTensor; 3] {
        let (x, h) = (contiguous(x), contiguous(h));
        let p = parameters;
        let [gates, gates_bias] = [contiguous(p.gates), contiguous(p.gates_bias)];
        let [candidate, candidate_bias] = [contiguous(p.candidate), contiguous(p.candidate_bias)];
        let size = gru_size(&x, &gates);
        let parameters = gru::Parameters {
            gates: gates.storage(),
            gates_bias: gates_bias.storage(),
            candidate: candidate.storage(),
            candidate_bias: candidate_bias.storage(),
        };
        let found = gru::forward(Level::current(), &size, x.storage(), h.storage(), &parameters);
        let [ny, nx] = size.sides;
        [
            tensor(found.y, [size.batch, size.channels, ny, nx]),
            tensor(found.gates, [size.batch, 2 * size.channels, ny, nx]),
            tensor(found.candidate, [size.batch, size.channels, ny, nx]),
        ]
    }

    fn gru_gradients(
        gradient: FlexTensor,
        state: GruState<FlexTensor>,
    ) -> ([FlexTensor; 2], GruParameters<FlexTensor>) {
        let gradient = contiguous(gradient);
        let [x, h] = [contiguous(state.x), contiguous(state.h)];
        let (values, weights) = (state.values.map(contiguous), state.weights.map(contiguous));
        let size = gru_size(&x, &weights[0]);
        let (f, k, [ny, nx]) = (size.channels, size.kernel, size.sides);
        let found = gru::backward(
            Level::current(),
            &size,
            gradient.storage(),
            [x.storage(), h.storage()],
            [values[0].storage(), values[1].storage()],
            [weights[0].storage(), weights[1].storage()],
        );
        let images = [size.batch, f, ny, nx];
        let parameters = GruParameters {
            gates: tensor(found.gates, [2 * f, 2 * f, k, k]),
            gates_bias: tensor(found.gates_bias, [2 * f]),
            candidate: tensor(found.candidate, [f, 2 * f, k, k]),
            candidate_bias: tensor(found.candidate_bias, [f]),
        };
        ([tensor(found.x, images), tensor(found.h, images)], parameters)
    }

    fn activate(x: FlexTensor, activation: Activation) -> FlexTensor {
        let mut x = contiguous(x);
        activation::apply(Level::current(), activation, x.storage_mut());
        x
    }

    fn activate_gradient(y: FlexTensor, gradient: FlexTensor, activation: Activation) -> FlexTensor {
        let (y, mut gradient) = (contiguous(y), contiguous(gradient));
        activation::apply_gradient(Level::current(), activation, y.storage(), gradient.storage_mut());
        gradient
    }
}

/// Sizes of a recurrent unit from its input and the weight of its gates, `[2 channels, 2 channels, k, k]`.
fn gru_size(x: &FlexTensor, gates: &FlexTensor) -> gru::Size {
    let (shape, kernel) = (x.layout().shape(), gates.layout().shape());
    gru::Size { batch: shape[0], channels: shape[1], sides: [shape[2], shape[3]], kernel: kernel[2] }
}

/// What the public functions call: routed to the back end of the tensors.
#[backend_extension(Flex, Autodiff)]
pub trait KernelOps: Backend {
    /// `activation(product)`.
    fn kernel_product(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        geometry: Geometry,
        product: Product,
        activation: Activation,
    ) -> FloatTensor<Self>;
    /// `activation(product + bias)`.
    fn kernel_product_with_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        product: Product,
        activation: Activation,
    ) -> FloatTensor<Self>;
    /// A step of a convolutional gated recurrent unit; see [`gru`].
    fn kernel_gru(
        x: FloatTensor<Self>,
        h: FloatTensor<Self>,
        gates: FloatTensor<Self>,
        gates_bias: FloatTensor<Self>,
        candidate: FloatTensor<Self>,
        candidate_bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    /// The activation of every element.
    fn kernel_activation(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self>;
}

impl KernelOps for Flex {
    fn kernel_product(
        x: FlexTensor,
        weight: FlexTensor,
        geometry: Geometry,
        product: Product,
        activation: Activation,
    ) -> FlexTensor {
        Self::product(x, weight, None, geometry, product, activation)
    }

    fn kernel_product_with_bias(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        geometry: Geometry,
        product: Product,
        activation: Activation,
    ) -> FlexTensor {
        Self::product(x, weight, Some(bias), geometry, product, activation)
    }

    fn kernel_gru(
        x: FlexTensor,
        h: FlexTensor,
        gates: FlexTensor,
        gates_bias: FlexTensor,
        candidate: FlexTensor,
        candidate_bias: FlexTensor,
    ) -> FlexTensor {
        let [y, _, _] = Self::gru_step(x, h, GruParameters { gates, gates_bias, candidate, candidate_bias });
        y
    }

    fn kernel_activation(x: FlexTensor, activation: Activation) -> FlexTensor {
        Self::activate(x, activation)
    }
}

/// What the way back of a product needs.
#[derive(Clone, Debug)]
struct ProductState<T> {
    x: T,
    weight: T,
    /// The result, where an activation's slope is told by it.
    y: Option<T>,
    geometry: Geometry,
    product: Product,
    activation: Activation,
}

/// A product with `N - 2` biases.
#[derive(Debug)]
struct ProductBackward<const N: usize>;

impl<B: KernelBackend, const N: usize> Backward<B, N> for ProductBackward<N> {
    type State = ProductState<FloatTensor<B>>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let ProductState { x, weight, y, geometry, product, activation } = ops.state;
        let gradient = match y {
            Some(y) => B::activate_gradient(y, gradient, activation),
            None => gradient,
        };
        let mut parents = ops.parents.into_iter();
        if let Some(node) = parents.next().flatten() {
            let dx = B::product(gradient.clone(), weight, None, geometry, product.reversed(), Activation::Linear);
            grads.register::<B>(node.id, dx);
        }
        if let Some(node) = parents.next().flatten() {
            let (small, big) = match product {
                Product::Gather => (gradient.clone(), x),
                Product::Spread => (x, gradient.clone()),
            };
            grads.register::<B>(node.id, B::correlate(small, big, geometry));
        }
        if let Some(node) = parents.next().flatten() {
            grads.register::<B>(node.id, B::channel_sums(gradient));
        }
    }
}

/// A product and what its way back needs.
fn tracked<B: KernelBackend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
    geometry: Geometry,
    product: Product,
    activation: Activation,
) -> (ProductState<FloatTensor<B>>, FloatTensor<B>) {
    let y = B::product(x.clone(), weight.clone(), bias, geometry, product, activation);
    let kept = (activation != Activation::Linear).then(|| y.clone());
    (ProductState { x, weight, y: kept, geometry, product, activation }, y)
}

/// A recurrent unit.
#[derive(Debug)]
struct GruBackward;

impl<B: KernelBackend> Backward<B, 6> for GruBackward {
    type State = GruState<FloatTensor<B>>;

    fn backward(self, ops: Ops<Self::State, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let ([x, h], p) = B::gru_gradients(gradient, ops.state);
        let found = [x, h, p.gates, p.gates_bias, p.candidate, p.candidate_bias];
        for (node, gradient) in ops.parents.into_iter().zip(found) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// An activation.
#[derive(Debug)]
struct ActivationBackward;

impl<B: KernelBackend> Backward<B, 1> for ActivationBackward {
    type State = (FloatTensor<B>, Activation);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let (y, activation) = ops.state;
        if let [Some(node)] = ops.parents {
            grads.register::<B>(node.id, B::activate_gradient(y, gradient, activation));
        }
    }
}

impl<B: KernelBackend, C: CheckpointStrategy> KernelOps for Autodiff<B, C> {
    fn kernel_product(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        geometry: Geometry,
        product: Product,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let (x, x_node) = x.into_parts();
        let (weight, weight_node) = weight.into_parts();
        let (state, y) = tracked::<B>(x, weight, None, geometry, product, activation);
        match Backward::<B, 2>::prepare::<C>(ProductBackward::<2>, [x_node, weight_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(state, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn kernel_product_with_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        product: Product,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let (x, x_node) = x.into_parts();
        let (weight, weight_node) = weight.into_parts();
        let (bias, bias_node) = bias.into_parts();
        let (state, y) = tracked::<B>(x, weight, Some(bias), geometry, product, activation);
        let guards = [x_node, weight_node, bias_node];
        match Backward::<B, 3>::prepare::<C>(ProductBackward::<3>, guards).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(state, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn kernel_gru(
        x: FloatTensor<Self>,
        h: FloatTensor<Self>,
        gates: FloatTensor<Self>,
        gates_bias: FloatTensor<Self>,
        candidate: FloatTensor<Self>,
        candidate_bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let guards = [x.node(), h.node(), gates.node(), gates_bias.node(), candidate.node(), candidate_bias.node()];
        let (x, h) = (x.into_primitive(), h.into_primitive());
        let parameters = GruParameters {
            gates: gates.into_primitive(),
            gates_bias: gates_bias.into_primitive(),
            candidate: candidate.into_primitive(),
            candidate_bias: candidate_bias.into_primitive(),
        };
        let weights = [parameters.gates.clone(), parameters.candidate.clone()];
        let [y, z_and_r, c] = B::gru_step(x.clone(), h.clone(), parameters);
        match Backward::<B, 6>::prepare::<C>(GruBackward, guards).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(GruState { x, h, values: [z_and_r, c], weights }, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn kernel_activation(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let y = B::activate(x, activation);
        match Backward::<B, 1>::prepare::<C>(ActivationBackward, [node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((y.clone(), activation), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

/// Whether the kernels can take a tensor of this back end and type.
pub(super) fn takes(tensor: &burn::backend::DispatchTensor) -> bool {
    use burn::backend::{DispatchTensorKind, TensorMetadata};
    let on_flex = match &tensor.kind {
        DispatchTensorKind::Flex(_) => true,
        DispatchTensorKind::Autodiff(inner) => matches!(**inner, DispatchTensorKind::Flex(_)),
        #[allow(unreachable_patterns)] // other back ends exist where their features are on
        _ => false,
    };
    on_flex && tensor.dtype() == DType::F32
}
