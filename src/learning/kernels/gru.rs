//! The convolutional gated recurrent unit as one operation (Ballas et al. 2016, arXiv:1511.06432):
//! `z, r = sigmoid(W_zr [x, h] + b)`, `c = tanh(W_c [x, r h] + b)`, `h' = z h + (1 - z) c`.
//!
//! As one operation it needs no joined tensors, keeps half as much for the way back, and passes over the images a third as often.

use rayon::prelude::*;

use super::activation::{self, Activation};
use super::geometry::Geometry;
use super::lanes::{Kernel, Lanes, Level, with_lanes};
use super::pack::{Images, Scratch};
use super::{correlate, products, sums};

/// Sizes: `x`, `h`, `c` and the result are `[batch, channels, y, x]`, the gates `[batch, 2 channels, y, x]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) sides: [usize; 2],
    pub(super) kernel: usize,
}

impl Size {
    /// The convolution of both inputs to `out` channels.
    fn geometry(&self, out: usize) -> Geometry {
        let sides = [1, self.sides[0], self.sides[1]];
        let (k, p) = (self.kernel, (self.kernel - 1) / 2);
        Geometry {
            batch: self.batch,
            small_channels: out,
            big_channels: 2 * self.channels,
            small: sides,
            big: sides,
            kernel: [1, k, k],
            stride: [1; 3],
            padding: [0, p, p],
        }
    }

    /// Elements of a sample.
    fn sample(&self) -> usize {
        self.channels * self.sides[0] * self.sides[1]
    }

    fn two<'a>(&self, first: &'a [f32], second: &'a [f32]) -> Images<'a> {
        Images::Two { first, channels: self.channels, second }
    }
}

/// Weights and biases of the gates and of the candidate.
#[derive(Clone, Copy)]
pub(super) struct Parameters<'a> {
    /// `[2 channels, 2 channels, k, k]`.
    pub(super) gates: &'a [f32],
    /// `[2 channels]`.
    pub(super) gates_bias: &'a [f32],
    /// `[channels, 2 channels, k, k]`.
    pub(super) candidate: &'a [f32],
    /// `[channels]`.
    pub(super) candidate_bias: &'a [f32],
}

/// The result and what the way back needs.
pub(super) struct Forward {
    pub(super) y: Vec<f32>,
    pub(super) gates: Vec<f32>,
    pub(super) candidate: Vec<f32>,
}

/// One step.
pub(super) fn forward(level: Level, size: &Size, x: &[f32], h: &[f32], p: &Parameters) -> Forward {
    let (len, f) = (size.sample(), size.channels);
    let mut gates = vec![0.0; 2 * x.len()];
    products::gather(level, &size.geometry(2 * f), size.two(x, h), p.gates, Some(p.gates_bias), &mut gates);
    activation::apply(level, Activation::Sigmoid, &mut gates);
    let reset = reset(level, size, &gates, h);
    let mut candidate = vec![0.0; x.len()];
    products::gather(
        level,
        &size.geometry(f),
        size.two(x, &reset),
        p.candidate,
        Some(p.candidate_bias),
        &mut candidate,
    );
    activation::apply(level, Activation::Tanh, &mut candidate);
    let mut y = vec![0.0; x.len()];
    let samples = y.par_chunks_mut(len).zip(gates.par_chunks(2 * len));
    samples.zip(h.par_chunks(len)).zip(candidate.par_chunks(len)).for_each(|(((y, gates), h), c)| {
        with_lanes(level, Blend { y, z: &gates[..len], h, c });
    });
    Forward { y, gates, candidate }
}

/// `r h`.
fn reset(level: Level, size: &Size, gates: &[f32], h: &[f32]) -> Scratch {
    let len = size.sample();
    let mut out = Scratch::take(h.len());
    let samples = out.par_chunks_mut(len).zip(gates.par_chunks(2 * len)).zip(h.par_chunks(len));
    samples.for_each(|((out, gates), h)| with_lanes(level, Times { out, a: &gates[len..], b: h }));
    out
}

/// Gradients of a step.
pub(super) struct Gradients {
    pub(super) x: Vec<f32>,
    pub(super) h: Vec<f32>,
    pub(super) gates: Vec<f32>,
    pub(super) gates_bias: Vec<f32>,
    pub(super) candidate: Vec<f32>,
    pub(super) candidate_bias: Vec<f32>,
}

/// Takes the gradient `dy` of the result back to everything that it came from.
pub(super) fn backward(
    level: Level,
    size: &Size,
    dy: &[f32],
    [x, h]: [&[f32]; 2],
    [gates, candidate]: [&[f32]; 2],
    [gates_weight, candidate_weight]: [&[f32]; 2],
) -> Gradients {
    let (len, f, n) = (size.sample(), size.channels, x.len());
    let (of_gates, of_candidate) = (size.geometry(2 * f), size.geometry(f));
    let (mut dx, mut dh) = (vec![0.0; n], vec![0.0; n]);
    let (mut d_candidate, mut d_gates, mut joined) = (Scratch::take(n), Scratch::take(2 * n), Scratch::take(2 * n));

    let outs = d_candidate.par_chunks_mut(len).zip(d_gates.par_chunks_mut(2 * len)).zip(dh.par_chunks_mut(len));
    let ins = dy.par_chunks(len).zip(gates.par_chunks(2 * len)).zip(h.par_chunks(len)).zip(candidate.par_chunks(len));
    outs.zip(ins).for_each(|(((dc, dz), dh), (((dy, gates), h), c))| {
        with_lanes(level, BlendBack { dc, dz: &mut dz[..len], dh, dy, z: &gates[..len], h, c });
    });
    let candidate_bias = sums::channel_sums(level, &d_candidate, size.batch, f);
    let mut d_candidate_weight = vec![0.0; candidate_weight.len()];
    let reset = reset(level, size, gates, h);
    correlate::correlate(level, &of_candidate, &d_candidate, size.two(x, &reset), &mut d_candidate_weight);
    products::spread(level, &of_candidate, &d_candidate, candidate_weight, None, &mut joined);

    let outs = d_gates.par_chunks_mut(2 * len).zip(dh.par_chunks_mut(len)).zip(dx.par_chunks_mut(len));
    let ins = joined.par_chunks(2 * len).zip(gates.par_chunks(2 * len)).zip(h.par_chunks(len));
    outs.zip(ins).for_each(|(((d_gates, dh), dx), ((joined, gates), h))| {
        dx.copy_from_slice(&joined[..len]);
        with_lanes(level, ResetBack { dr: &mut d_gates[len..], dh, d_reset: &joined[len..], r: &gates[len..], h });
    });
    let gates_bias = sums::channel_sums(level, &d_gates, size.batch, 2 * f);
    let mut d_gates_weight = vec![0.0; gates_weight.len()];
    correlate::correlate(level, &of_gates, &d_gates, size.two(x, h), &mut d_gates_weight);
    products::spread(level, &of_gates, &d_gates, gates_weight, None, &mut joined);
    dx.par_chunks_mut(len).zip(dh.par_chunks_mut(len)).zip(joined.par_chunks(2 * len)).for_each(
        |((dx, dh), joined)| {
            with_lanes(level, Add { out: dx, more: &joined[..len] });
            with_lanes(level, Add { out: dh, more: &joined[len..] });
        },
    );
    Gradients { x: dx, h: dh, gates: d_gates_weight, gates_bias, candidate: d_candidate_weight, candidate_bias }
}

/// A loop over slices of equal length; the compiler turns it into the vectors of the level.
macro_rules! elementwise {
    ($(#[$doc:meta])* $name:ident, [$($out:ident),*], [$($in:ident),*], |$k:ident| $body:block) => {
        $(#[$doc])*
        struct $name<'a> {
            $($out: &'a mut [f32],)*
            $($in: &'a [f32],)*
        }

        impl Kernel for $name<'_> {
            type Output = ();
            #[inline(always)]
            unsafe fn run<V: Lanes>(self) {
                let n = [$(self.$out.len(),)* $(self.$in.len(),)*].into_iter().min().unwrap_or_default();
                $(let $out = &mut self.$out[..n];)*
                $(let $in = &self.$in[..n];)*
                for $k in 0..n $body
            }
        }
    };
}

elementwise!(
    /// `y = z h + (1 - z) c`.
    Blend, [y], [z, h, c], |k| { y[k] = c[k] + z[k] * (h[k] - c[k]); }
);
elementwise!(
    /// `out = a b`.
    Times, [out], [a, b], |k| { out[k] = a[k] * b[k]; }
);
elementwise!(
    /// `out += more`.
    Add, [out], [more], |k| { out[k] += more[k]; }
);
elementwise!(
    /// Back through the blend and the activations of `c` and `z`; `dh` is overwritten.
    BlendBack, [dc, dz, dh], [dy, z, h, c], |k| {
        dc[k] = dy[k] * (1.0 - z[k]) * (1.0 - c[k] * c[k]);
        dz[k] = dy[k] * (h[k] - c[k]) * z[k] * (1.0 - z[k]);
        dh[k] = dy[k] * z[k];
    }
);
elementwise!(
    /// Back through `r h` and the activation of `r`.
    ResetBack, [dr, dh], [d_reset, r, h], |k| {
        dh[k] += d_reset[k] * r[k];
        dr[k] = d_reset[k] * h[k] * r[k] * (1.0 - r[k]);
    }
);
