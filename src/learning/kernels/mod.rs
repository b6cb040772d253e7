//! Convolutions and activations.

use burn::tensor::Tensor;
use burn::tensor::activation;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

/// Convolution with zero padding.
pub fn convolution2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, stride: usize) -> Tensor<4> {
    let pad = weight.dims()[2] / 2;
    conv2d(x, weight, bias, ConvOptions::new([stride; 2], [pad; 2], [1, 1], 1))
}

/// Transposed convolution.
pub fn transposed_convolution2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    let k = weight.dims()[2];
    conv_transpose2d(x, weight, bias, ConvTransposeOptions::new([2, 2], [1, 1], [4 - k; 2], [1, 1], 1))
}

/// Hyperbolic tangent.
pub fn tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.tanh()
}

/// `1 / (1 + exp(-x))`.
pub fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::sigmoid(x)
}
