//! Convolutions and activations that train networks on a processor as fast as it can: own kernels as operations of burn.
//!
//! | module | what it does |
//! |---|---|
//! | `geometry` | which position meets which under a kernel; images and cubes as one row of positions |
//! | `lanes` | vectors of `f32` at the levels AVX-512, AVX2, portable, found when the program runs |
//! | `pack` | grids as rows of positions, in pooled buffers |
//! | `products` | forward and gradient of the input |
//! | `correlate` | gradient of the weight |
//! | `activation`, `sums` | tanh, sigmoid; ordered sums |
//! | `ops` | the operations of burn and their gradients |
//!
//! The kernels run where a tensor lies on the Flex back end (with or without gradients) in `f32`; elsewhere the functions call burn's own
//! operations. Results have the same bits on any number of threads.
#![allow(unsafe_code)] // vector instructions and raw pointers of tasks that share a result; each block gives its reason

pub mod activation;
mod correlate;
pub mod geometry;
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
