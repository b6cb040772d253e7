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
use super::{correlate, products, sums};

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
    /// The activation of every element.
    fn activate(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self>;
    /// `gradient * activation'` told by the activation's value `y`.
    fn activate_gradient(
        y: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self>;
}

/// The elements of a tensor in order.
fn contiguous(x: FlexTensor) -> FlexTensor {
    x.to_contiguous()
}

fn tensor(values: Vec<f32>, shape: impl Into<burn::tensor::Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

/// A tensor whose elements may be written: its own when nobody else has them.
fn writable(x: FlexTensor) -> FlexTensor {
    contiguous(x)
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
            Product::Gather => products::gather(level, &g, x.storage(), weight.storage(), bias, &mut out),
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
        correlate::correlate(Level::current(), &g, small.storage(), big.storage(), &mut out);
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

    fn activate(x: FlexTensor, activation: Activation) -> FlexTensor {
        let mut x = writable(x);
        activation::apply(Level::current(), activation, x.storage_mut());
        x
    }

    fn activate_gradient(y: FlexTensor, gradient: FlexTensor, activation: Activation) -> FlexTensor {
        let (y, mut gradient) = (contiguous(y), writable(gradient));
        activation::apply_gradient(Level::current(), activation, y.storage(), gradient.storage_mut());
        gradient
    }
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
