//! The operations against burn's own: results and all gradients, in 2-D and 3-D, strides 1 and 2, transposed, with and without bias.

use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{DType, Device, Tensor, TensorData, activation as of_burn, module};

use super::{Activation, ops};

/// Numbers between -1 and 1 from a counter: the same on every machine.
fn numbers<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let values: Vec<f32> = (0..shape.iter().product::<usize>() as u64)
        .map(|k| {
            let mut z = (k + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ seed.wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 30)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (z >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn assert_same(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    for (k, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= 2e-5 * scale, "{what}, element {k}: {a} instead of {b}, largest {scale}");
    }
}

/// Runs both with the same numbers and compares the result and the gradients of `x`, `weight` and `bias`.
fn compare<const D: usize>(
    what: &str,
    x: [usize; D],
    weight: [usize; D],
    bias: Option<usize>,
    ours: impl Fn(Tensor<D>, Tensor<D>, Option<Tensor<1>>) -> Tensor<D>,
    theirs: impl Fn(Tensor<D>, Tensor<D>, Option<Tensor<1>>) -> Tensor<D>,
) {
    let device = Device::flex().autodiff();
    let run = |f: &dyn Fn(Tensor<D>, Tensor<D>, Option<Tensor<1>>) -> Tensor<D>| -> Vec<Vec<f32>> {
        let x = numbers(x, 1, &device).require_grad();
        let weight = numbers(weight, 2, &device).require_grad();
        let bias = bias.map(|n| numbers([n], 3, &device).require_grad());
        let y = f(x.clone(), weight.clone(), bias.clone());
        let found = values(y.clone());
        let slopes = numbers(y.dims(), 4, &device);
        let gradients = (y * slopes).sum().backward();
        let mut all = vec![found, values(x.grad(&gradients).unwrap()), values(weight.grad(&gradients).unwrap())];
        all.extend(bias.map(|b| values(b.grad(&gradients).unwrap())));
        all
    };
    for ((ours, theirs), part) in run(&ours).iter().zip(&run(&theirs)).zip(["y", "dx", "dw", "db"]) {
        assert_same(ours, theirs, &format!("{what}: {part}"));
    }
}

#[test]
fn convolutions_of_images_and_their_gradients_are_those_of_burn() {
    // [batch, in, out, h, w, k, stride, bias]
    for [batch, i, o, h, w, k, stride, bias] in [
        [2, 3, 5, 7, 9, 3, 1, 1],
        [4, 16, 16, 16, 16, 3, 1, 0],
        [3, 20, 17, 4, 4, 3, 1, 1],
        [1, 5, 16, 24, 20, 11, 1, 1],
        [2, 6, 8, 13, 13, 7, 1, 0],
        [2, 16, 2, 18, 18, 1, 1, 1],
        [2, 8, 16, 16, 16, 3, 2, 1],
        [2, 4, 7, 9, 11, 3, 2, 0],
    ] {
        compare(
            &format!("convolution2d {batch} {i} {o} {h} {w} k {k} stride {stride}"),
            [batch, i, h, w],
            [o, i, k, k],
            (bias == 1).then_some(o),
            |x, w, b| super::convolution2d(x, w, b, stride),
            |x, w, b| module::conv2d(x, w, b, ConvOptions::new([stride; 2], [(k - 1) / 2; 2], [1; 2], 1)),
        );
    }
}

#[test]
fn transposed_convolutions_of_images_and_their_gradients_are_those_of_burn() {
    for [batch, i, o, h, w, k, bias] in
        [[2, 8, 4, 8, 8, 3, 1], [3, 5, 9, 4, 7, 3, 0], [2, 6, 10, 6, 6, 4, 1], [1, 16, 16, 16, 12, 4, 0]]
    {
        compare(
            &format!("transposed_convolution2d {batch} {i} {o} {h} {w} k {k}"),
            [batch, i, h, w],
            [i, o, k, k],
            (bias == 1).then_some(o),
            super::transposed_convolution2d,
            |x, w, b| {
                module::conv_transpose2d(x, w, b, ConvTransposeOptions::new([2; 2], [1; 2], [k % 2; 2], [1; 2], 1))
            },
        );
    }
}

#[test]
fn convolutions_of_cubes_and_their_gradients_are_those_of_burn() {
    for [batch, i, o, d, h, w, stride] in
        [[2, 3, 5, 4, 6, 7, 1], [1, 16, 8, 8, 8, 8, 1], [2, 4, 6, 6, 8, 4, 2], [1, 3, 2, 5, 7, 9, 2]]
    {
        compare(
            &format!("convolution3d {batch} {i} {o} {d} {h} {w} stride {stride}"),
            [batch, i, d, h, w],
            [o, i, 3, 3, 3],
            Some(o),
            |x, w, b| super::convolution3d(x, w, b, stride),
            |x, w, b| module::conv3d(x, w, b, ConvOptions::new([stride; 3], [1; 3], [1; 3], 1)),
        );
    }
}

#[test]
fn transposed_convolutions_of_cubes_and_their_gradients_are_those_of_burn() {
    for [batch, i, o, d, h, w, k] in [[2, 4, 3, 3, 4, 5, 3], [1, 8, 8, 4, 4, 4, 4]] {
        compare(
            &format!("transposed_convolution3d {batch} {i} {o} {d} {h} {w} k {k}"),
            [batch, i, d, h, w],
            [i, o, k, k, k],
            Some(o),
            super::transposed_convolution3d,
            |x, w, b| {
                module::conv_transpose3d(x, w, b, ConvTransposeOptions::new([2; 3], [1; 3], [k % 2; 3], [1; 3], 1))
            },
        );
    }
}

#[test]
fn activations_within_and_after_a_convolution_have_the_gradients_of_burn() {
    for (activation, plain) in [
        (Activation::Tanh, Tensor::tanh as fn(Tensor<4>) -> Tensor<4>),
        (Activation::Sigmoid, of_burn::sigmoid as fn(Tensor<4>) -> Tensor<4>),
    ] {
        let theirs = |x, w, b| plain(module::conv2d(x, w, b, ConvOptions::new([1; 2], [1; 2], [1; 2], 1)));
        compare(
            &format!("{activation:?} in a convolution"),
            [2, 3, 9, 8],
            [4, 3, 3, 3],
            Some(4),
            |x, w, b| super::activated_convolution2d(x, w, b, 1, activation),
            theirs,
        );
        compare(
            &format!("{activation:?} after a convolution"),
            [2, 3, 9, 8],
            [4, 3, 3, 3],
            Some(4),
            |x, w, b| super::activate(super::convolution2d(x, w, b, 1), activation),
            theirs,
        );
    }
}

#[test]
fn tensors_that_the_kernels_do_not_take_go_to_burn() {
    let device = Device::flex();
    let x: Tensor<4> = numbers([1, 2, 6, 6], 1, &device);
    let weight: Tensor<4> = numbers([3, 2, 3, 3], 2, &device);
    assert!(ops::takes(&x.clone().into_dispatch()));
    let double = |t: Tensor<4>| t.cast(DType::F64);
    assert!(!ops::takes(&double(x.clone()).into_dispatch()));
    let single = values(super::convolution2d(x.clone(), weight.clone(), None, 2));
    let exact = super::tanh(super::convolution2d(double(x.clone()), double(weight.clone()), None, 2));
    assert_eq!(exact.dtype(), DType::F64);
    let activated = values(super::activated_convolution2d(x, weight, None, 2, Activation::Tanh));
    assert_same(&activated, &single.iter().map(|v| v.tanh()).collect::<Vec<_>>(), "tanh");
    assert_same(&activated, &values(exact.cast(DType::F32)), "double precision");
}

#[test]
fn weights_alone_or_inputs_alone_may_want_gradients() {
    let device = Device::flex().autodiff();
    let x = numbers([2, 3, 8, 8], 1, &device);
    let weight = numbers([4, 3, 3, 3], 2, &device);
    let y = super::convolution2d(x.clone(), weight.clone().require_grad(), None, 1);
    assert!(!y.is_require_grad() || x.grad(&y.sum().backward()).is_none());
    let tracked = x.require_grad();
    let gradients = super::convolution2d(tracked.clone(), weight.clone(), None, 1).sum().backward();
    assert!(tracked.grad(&gradients).is_some() && weight.grad(&gradients).is_none());
}

#[test]
fn a_recurrent_unit_and_all_its_gradients_are_those_of_its_parts() {
    for [batch, f, h, w, k] in [[2, 3, 6, 7, 3], [3, 16, 8, 8, 3], [5, 20, 4, 4, 3], [1, 2, 9, 5, 5]] {
        let device = Device::flex().autodiff();
        let run = |fused: bool| -> Vec<Vec<f32>> {
            let x = numbers([batch, f, h, w], 1, &device).require_grad();
            let memory = numbers([batch, f, h, w], 2, &device).require_grad();
            let gates = (numbers([2 * f, 2 * f, k, k], 3, &device) * 0.3).detach().require_grad();
            let candidate = (numbers([f, 2 * f, k, k], 4, &device) * 0.3).detach().require_grad();
            let [gates_bias, candidate_bias] =
                [(2 * f, 5), (f, 6)].map(|(n, seed)| numbers([n], seed, &device).require_grad());
            let (g, c) = ((gates.clone(), gates_bias.clone()), (candidate.clone(), candidate_bias.clone()));
            let y = if fused {
                super::conv_gru(x.clone(), memory.clone(), g, c)
            } else {
                super::conv_gru_of_parts(x.clone(), memory.clone(), (g.0, Some(g.1)), (c.0, Some(c.1)))
            };
            let found = values(y.clone());
            let gradients = (y * numbers([batch, f, h, w], 7, &device)).sum().backward();
            let mut all = vec![found];
            all.extend([&x, &memory, &gates, &candidate].map(|t| values(t.grad(&gradients).unwrap())));
            all.extend([&gates_bias, &candidate_bias].map(|t| values(t.grad(&gradients).unwrap())));
            all
        };
        let names = ["y", "dx", "dh", "gates", "candidate", "bias of the gates", "bias of the candidate"];
        for ((ours, theirs), part) in run(true).iter().zip(&run(false)).zip(names) {
            assert_same(ours, theirs, &format!("conv_gru {batch} {f} {h} {w} {k}: {part}"));
        }
    }
}

#[test]
fn a_recurrent_unit_in_double_precision_goes_to_burn() {
    let device = Device::flex();
    let (batch, f) = (2, 3);
    let x: Tensor<4> = numbers([batch, f, 5, 6], 1, &device);
    let h: Tensor<4> = numbers([batch, f, 5, 6], 2, &device);
    let gates: Tensor<4> = numbers([2 * f, 2 * f, 3, 3], 3, &device);
    let candidate: Tensor<4> = numbers([f, 2 * f, 3, 3], 4, &device);
    let biases: [Tensor<1>; 2] = [numbers([2 * f], 5, &device), numbers([f], 6, &device)];
    let run = |dtype: DType| {
        let [g, c] = biases.clone().map(|b| b.cast(dtype));
        let weights = [&gates, &candidate].map(|w| w.clone().cast(dtype));
        let [wg, wc] = weights;
        super::conv_gru(x.clone().cast(dtype), h.clone().cast(dtype), (wg, g), (wc, c))
    };
    let exact = run(DType::F64);
    assert_eq!(exact.dtype(), DType::F64);
    assert_same(&values(run(DType::F32)), &values(exact.cast(DType::F32)), "conv_gru");
}
