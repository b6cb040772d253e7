//! Convolutions and activations that train networks on a processor as fast as it can: own kernels as operations of burn.
//!
//! | module | what it does |
//! |---|---|
//! | `geometry` | which position meets which under a kernel; images and cubes as one row of positions |
//! | `lanes` | vectors of `f32` at the levels AVX-512, AVX2, portable, found when the program runs |
//! | `pack` | grids as rows of positions, in pooled buffers |
//! | `products` | forward and gradient of the input |
//! | `correlate` | gradient of the weight |
//! | `dense` | dense layers for inference |
//! | `gru` | the convolutional gated recurrent unit as one operation |
//! | `activation`, `sums` | tanh, sigmoid; ordered sums |
//! | `ops` | the operations of burn and their gradients |
//!
//! The kernels run where a tensor lies on the Flex back end (with or without gradients) in `f32`; elsewhere the functions call burn's own
//! operations. Results have the same bits on any number of threads.
#![allow(unsafe_code)] // vector instructions and raw pointers of tasks that share a result; each block gives its reason

pub mod activation;
mod correlate;
pub mod dense;
pub mod geometry;
mod gru;
pub mod lanes;
pub mod ops;
mod outer;
mod pack;
mod products;
#[cfg(test)]
mod reference;
mod sums;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_burn;

use burn::backend::Dispatch;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Tensor, activation as of_burn, module};

pub use activation::Activation;
use geometry::Geometry;
use ops::{KernelOps, Product};

/// `y = w * x + b` with zeros around the image, `(k - 1) / 2` of them.
///
/// `x [batch, in, h, w]`, `weight [out, in, k, k]` with k odd, stride 1 or 2 (then the sides become `ceil(h / 2)`).
pub fn convolution2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, stride: usize) -> Tensor<4> {
    activated_convolution2d(x, weight, bias, stride, Activation::Linear)
}

/// [`convolution2d`] and an activation of its result.
pub fn activated_convolution2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    activation: Activation,
) -> Tensor<4> {
    let [batch, channels, h, w] = x.dims();
    let [out, taken, ky, kx] = weight.dims();
    assert_eq!(taken, channels, "convolution2d: channels that the weight takes, and channels of x");
    let geometry = convolution_geometry([batch, channels, out], [1, h, w], [1, ky, kx], [1, stride, stride]);
    apply(x, weight, bias, geometry, Product::Gather, activation, |x, weight, bias| {
        let padding = [(ky - 1) / 2, (kx - 1) / 2];
        module::conv2d(x, weight, bias, ConvOptions::new([stride; 2], padding, [1; 2], 1))
    })
}

/// [`convolution2d`] over cubes: `x [batch, in, d, h, w]`, `weight [out, in, k, k, k]`.
pub fn convolution3d(x: Tensor<5>, weight: Tensor<5>, bias: Option<Tensor<1>>, stride: usize) -> Tensor<5> {
    activated_convolution3d(x, weight, bias, stride, Activation::Linear)
}

/// [`convolution3d`] and an activation of its result.
pub fn activated_convolution3d(
    x: Tensor<5>,
    weight: Tensor<5>,
    bias: Option<Tensor<1>>,
    stride: usize,
    activation: Activation,
) -> Tensor<5> {
    let [batch, channels, d, h, w] = x.dims();
    let [out, taken, kz, ky, kx] = weight.dims();
    assert_eq!(taken, channels, "convolution3d: channels that the weight takes, and channels of x");
    let geometry = convolution_geometry([batch, channels, out], [d, h, w], [kz, ky, kx], [stride; 3]);
    apply(x, weight, bias, geometry, Product::Gather, activation, |x, weight, bias| {
        let padding = [kz, ky, kx].map(|k| (k - 1) / 2);
        module::conv3d(x, weight, bias, ConvOptions::new([stride; 3], padding, [1; 3], 1))
    })
}

/// The transpose of a convolution of stride 2: doubles the sides.
///
/// `x [batch, in, h, w]`, `weight [in, out, k, k]` with k = 3 (padding 1, one more row at the end) or 4 (padding 1), as burn's
/// `conv_transpose2d`.
pub fn transposed_convolution2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    activated_transposed_convolution2d(x, weight, bias, Activation::Linear)
}

/// [`transposed_convolution2d`] and an activation of its result.
pub fn activated_transposed_convolution2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<4> {
    let [batch, channels, h, w] = x.dims();
    let [taken, out, ky, kx] = weight.dims();
    assert_eq!(taken, channels, "transposed_convolution2d: channels that the weight takes, and channels of x");
    let geometry = doubling_geometry([batch, channels, out], [1, h, w], [1, ky, kx], [1, 2, 2]);
    apply(x, weight, bias, geometry, Product::Spread, activation, |x, weight, bias| {
        let options = ConvTransposeOptions::new([2; 2], [1; 2], [ky % 2, kx % 2], [1; 2], 1);
        module::conv_transpose2d(x, weight, bias, options)
    })
}

/// [`transposed_convolution2d`] over cubes: `x [batch, in, d, h, w]`, `weight [in, out, k, k, k]`.
pub fn transposed_convolution3d(x: Tensor<5>, weight: Tensor<5>, bias: Option<Tensor<1>>) -> Tensor<5> {
    activated_transposed_convolution3d(x, weight, bias, Activation::Linear)
}

/// [`transposed_convolution3d`] and an activation of its result.
pub fn activated_transposed_convolution3d(
    x: Tensor<5>,
    weight: Tensor<5>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<5> {
    let [batch, channels, d, h, w] = x.dims();
    let [taken, out, kz, ky, kx] = weight.dims();
    assert_eq!(taken, channels, "transposed_convolution3d: channels that the weight takes, and channels of x");
    let geometry = doubling_geometry([batch, channels, out], [d, h, w], [kz, ky, kx], [2; 3]);
    apply(x, weight, bias, geometry, Product::Spread, activation, |x, weight, bias| {
        let options = ConvTransposeOptions::new([2; 3], [1; 3], [kz % 2, ky % 2, kx % 2], [1; 3], 1);
        module::conv_transpose3d(x, weight, bias, options)
    })
}

/// One step of a convolutional gated recurrent unit (Ballas et al. 2016, arXiv:1511.06432):
/// `z, r = sigmoid(W_zr [x, h] + b)`, `c = tanh(W_c [x, r h] + b)`, result `z h + (1 - z) c`.
///
/// `x` and `h` are `[batch, channels, h, w]`; `gates` are the weight `[2 channels, 2 channels, k, k]` (z before r; its inputs x before h)
/// and bias `[2 channels]`, `candidate` those of `c`, `[channels, 2 channels, k, k]` and `[channels]`; k is odd.
pub fn conv_gru(
    x: Tensor<4>,
    h: Tensor<4>,
    gates: (Tensor<4>, Tensor<1>),
    candidate: (Tensor<4>, Tensor<1>),
) -> Tensor<4> {
    let dims = x.dims();
    let (f, k) = (dims[1], gates.0.dims()[2]);
    assert_eq!(h.dims(), dims, "conv_gru: shapes of the memory and of x");
    assert_eq!(gates.0.dims(), [2 * f, 2 * f, k, k], "conv_gru: shape of the weight of the gates");
    assert_eq!(candidate.0.dims(), [f, 2 * f, k, k], "conv_gru: shape of the weight of the candidate");
    assert_eq!((gates.1.dims(), candidate.1.dims()), ([2 * f], [f]), "conv_gru: shapes of the biases");
    let all = [x.into_dispatch(), h.into_dispatch(), gates.0.into_dispatch(), candidate.0.into_dispatch()];
    let biases = [gates.1.into_dispatch(), candidate.1.into_dispatch()];
    if k % 2 == 1 && !dims.contains(&0) && all.iter().chain(&biases).all(ops::takes) {
        let ([x, h, gates, candidate], [gates_bias, candidate_bias]) = (all, biases);
        let y = <Dispatch as KernelOps>::kernel_gru(x, h, gates, gates_bias, candidate, candidate_bias);
        return Tensor::from_dispatch(y);
    }
    let [x, h, gates, candidate] = all.map(Tensor::<4>::from_dispatch);
    let [gates_bias, candidate_bias] = biases.map(|b| Some(Tensor::from_dispatch(b)));
    conv_gru_of_parts(x, h, (gates, gates_bias), (candidate, candidate_bias))
}

/// [`conv_gru`] by convolutions and operations of burn.
fn conv_gru_of_parts(
    x: Tensor<4>,
    h: Tensor<4>,
    gates: (Tensor<4>, Option<Tensor<1>>),
    candidate: (Tensor<4>, Option<Tensor<1>>),
) -> Tensor<4> {
    let f = x.dims()[1];
    let joined = Tensor::cat(vec![x.clone(), h.clone()], 1);
    let both = activated_convolution2d(joined, gates.0, gates.1, 1, Activation::Sigmoid);
    let (z, r) = (both.clone().narrow(1, 0, f), both.narrow(1, f, f));
    let joined = Tensor::cat(vec![x, r * h.clone()], 1);
    let c = activated_convolution2d(joined, candidate.0, candidate.1, 1, Activation::Tanh);
    c.clone() + z * (h - c)
}

/// Hyperbolic tangent of every element.
pub fn tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activate(x, Activation::Tanh)
}

/// Logistic function `1 / (1 + exp(-x))` of every element.
pub fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activate(x, Activation::Sigmoid)
}

fn activate<const D: usize>(x: Tensor<D>, activation: Activation) -> Tensor<D> {
    let x = x.into_dispatch();
    if ops::takes(&x) {
        return Tensor::from_dispatch(<Dispatch as KernelOps>::kernel_activation(x, activation));
    }
    activate_elsewhere(Tensor::from_dispatch(x), activation)
}

fn activate_elsewhere<const D: usize>(x: Tensor<D>, activation: Activation) -> Tensor<D> {
    match activation {
        Activation::Linear => x,
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => of_burn::sigmoid(x),
    }
}

/// Geometry of a convolution with `[batch, in, out]` channels, or none where the kernels do not reach.
fn convolution_geometry(
    [batch, channels, out]: [usize; 3],
    big: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
) -> Option<Geometry> {
    let fits = kernel.iter().all(|k| k % 2 == 1) && stride.iter().all(|s| (1..=2).contains(s));
    fits.then(|| Geometry {
        batch,
        small_channels: out,
        big_channels: channels,
        small: std::array::from_fn(|a| big[a].div_ceil(stride[a])),
        big,
        kernel,
        stride,
        padding: kernel.map(|k| (k - 1) / 2),
    })
}

/// Geometry of a transposed convolution that doubles the sides, or none where the kernels do not reach.
fn doubling_geometry(
    [batch, channels, out]: [usize; 3],
    small: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
) -> Option<Geometry> {
    let fits = (0..3).all(|a| stride[a] == 1 || (3..=4).contains(&kernel[a]));
    fits.then(|| Geometry {
        batch,
        small_channels: channels,
        big_channels: out,
        small,
        big: std::array::from_fn(|a| small[a] * stride[a]),
        kernel,
        stride,
        padding: stride.map(|s| s - 1),
    })
}

fn apply<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<D>,
    bias: Option<Tensor<1>>,
    geometry: Option<Geometry>,
    product: Product,
    activation: Activation,
    elsewhere: impl FnOnce(Tensor<D>, Tensor<D>, Option<Tensor<1>>) -> Tensor<D>,
) -> Tensor<D> {
    let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.map(Tensor::into_dispatch));
    let taken = ops::takes(&x) && ops::takes(&weight) && bias.as_ref().is_none_or(ops::takes);
    match geometry {
        Some(g) if taken && !g.is_empty() => Tensor::from_dispatch(match bias {
            Some(bias) => <Dispatch as KernelOps>::kernel_product_with_bias(x, weight, bias, g, product, activation),
            None => <Dispatch as KernelOps>::kernel_product(x, weight, g, product, activation),
        }),
        _ => {
            let y = elsewhere(Tensor::from_dispatch(x), Tensor::from_dispatch(weight), bias.map(Tensor::from_dispatch));
            activate_elsewhere(y, activation)
        }
    }
}
