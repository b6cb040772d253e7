//! Hyperbolic tangent and logistic function, a vector at a time.

use rayon::prelude::*;

use super::lanes::{Kernel, Lanes, Level, with_lanes};

/// What follows a sum, element by element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Linear,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
}

/// Elements that are worth a task of their own.
const PART: usize = 1 << 14;

/// `values = activation(values)`.
pub(super) fn apply(level: Level, activation: Activation, values: &mut [f32]) {
    if activation != Activation::Linear {
        values.par_chunks_mut(PART).for_each(|values| with_lanes(level, Forward { activation, values }));
    }
}

/// `gradient *= activation'`, told by the activation's own value: `1 - y^2`, `y (1 - y)`.
pub(super) fn apply_gradient(level: Level, activation: Activation, y: &[f32], gradient: &mut [f32]) {
    if activation != Activation::Linear {
        let parts = gradient.par_chunks_mut(PART).zip(y.par_chunks(PART));
        parts.for_each(|(gradient, y)| with_lanes(level, Backward { activation, y, gradient }));
    }
}

struct Forward<'a> {
    activation: Activation,
    values: &'a mut [f32],
}

// No closures and no adapters below: what is not inlined by force may be compiled without the instructions of the level.
impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let whole = self.values.len() / V::WIDTH * V::WIDTH;
        let (values, rest) = self.values.split_at_mut(whole);
        let mut last = [0.0; WIDEST];
        last[..rest.len()].copy_from_slice(rest);
        // SAFETY: the trait's contract; `values` and `last` hold whole vectors.
        unsafe {
            match self.activation {
                Activation::Linear => {}
                Activation::Tanh => {
                    for chunk in values.chunks_exact_mut(V::WIDTH) {
                        tanh(V::load(chunk.as_ptr())).store(chunk.as_mut_ptr());
                    }
                    tanh(V::load(last.as_ptr())).store(last.as_mut_ptr());
                }
                Activation::Sigmoid => {
                    for chunk in values.chunks_exact_mut(V::WIDTH) {
                        sigmoid(V::load(chunk.as_ptr())).store(chunk.as_mut_ptr());
                    }
                    sigmoid(V::load(last.as_ptr())).store(last.as_mut_ptr());
                }
            }
        }
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

/// Elements of the longest vector.
const WIDEST: usize = 16;

struct Backward<'a> {
    activation: Activation,
    y: &'a [f32],
    gradient: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let n = self.gradient.len().min(self.y.len());
        let (y, gradient) = (&self.y[..n], &mut self.gradient[..n]);
        match self.activation {
            Activation::Linear => {}
            Activation::Tanh => {
                for k in 0..n {
                    gradient[k] *= 1.0 - y[k] * y[k];
                }
            }
            Activation::Sigmoid => {
                for k in 0..n {
                    gradient[k] *= y[k] * (1.0 - y[k]);
                }
            }
        }
    }
}

/// Quotient of odd and even polynomials of degree 13 and 6, beyond 9 the value there (1 to single precision); at most 3e-7 off.
/// Coefficients of the Eigen library's `ptanh_float` (Mozilla Public License, numbers only).
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
pub(super) unsafe fn tanh<V: Lanes>(x: V) -> V {
    const ODD: [f32; 7] =
        [-2.760_768_5e-16, 2.000_188e-13, -8.604_672e-11, 5.122_297e-8, 1.485_722_4e-5, 6.372_619e-4, 4.893_524_6e-3];
    const EVEN: [f32; 4] = [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3];
    // SAFETY: passed on.
    unsafe {
        let x = V::splat(-9.0).maximum(V::splat(9.0).minimum(x));
        let square = x.multiply(x);
        x.multiply(polynomial(square, &ODD)).divide(polynomial(square, &EVEN))
    }
}

/// Sum of `terms` times powers of `x`, the highest first.
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn polynomial<V: Lanes, const N: usize>(x: V, terms: &[f32; N]) -> V {
    // SAFETY: passed on.
    unsafe {
        let mut sum = V::splat(terms[0]);
        for term in &terms[1..] {
            sum = sum.multiply_add(x, V::splat(*term));
        }
        sum
    }
}

/// `1 / (1 + exp(-x))` with the exponential of [`exponential`].
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
pub(super) unsafe fn sigmoid<V: Lanes>(x: V) -> V {
    // SAFETY: passed on.
    unsafe {
        let one = V::splat(1.0);
        one.divide(one.add(exponential(V::splat(0.0).subtract(x))))
    }
}

/// `exp(x)` for |x| < 87, beyond that the value there: a power of two times a polynomial of degree 7 (Cephes, `expf`).
///
/// # Safety
/// As [`Lanes`].
#[inline(always)]
unsafe fn exponential<V: Lanes>(x: V) -> V {
    const TERMS: [f32; 8] = [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5, 1.0, 1.0];
    // Adding and taking away 1.5 * 2^23 rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    // SAFETY: passed on.
    unsafe {
        let x = V::splat(-87.0).maximum(V::splat(87.0).minimum(x));
        let whole = x.multiply_add(V::splat(std::f32::consts::LOG2_E), V::splat(ROUND)).subtract(V::splat(ROUND));
        // ln 2 in two parts, so that nothing is lost in the difference.
        let rest = whole.multiply_add(V::splat(-0.693_359_4), x);
        let rest = whole.multiply_add(V::splat(2.121_944_4e-4), rest);
        polynomial(rest, &TERMS).multiply(whole.power_of_two())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_functions_agree_with_the_standard_library_on_every_level() {
        let x: Vec<f32> =
            (-4000..=4000).map(|k| k as f32 * 0.005).chain([0.0, 1e-8, -1e-8, 60.0, -60.0, 1e30, -1e30]).collect();
        for level in Level::available() {
            let mut t = x.clone();
            apply(level, Activation::Tanh, &mut t);
            let mut s = x.clone();
            apply(level, Activation::Sigmoid, &mut s);
            for (k, &x) in x.iter().enumerate() {
                let x = f64::from(x);
                assert!(
                    (f64::from(t[k]) - x.tanh()).abs() < 4e-7 * x.tanh().abs().max(1e-12),
                    "tanh({x}) = {} at {level:?}",
                    t[k]
                );
                let wanted = 1.0 / (1.0 + (-x.clamp(-87.0, 87.0)).exp());
                assert!((f64::from(s[k]) - wanted).abs() < 4e-7 * wanted, "sigmoid({x}) = {} at {level:?}", s[k]);
            }
            assert_eq!(t[4000].to_bits(), 0, "tanh(0)");
        }
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for activation in [Activation::Linear, Activation::Tanh, Activation::Sigmoid] {
            let value = |x: f64| match activation {
                Activation::Linear => x,
                Activation::Tanh => x.tanh(),
                Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            };
            let x: Vec<f32> = (0..40).map(|k| k as f32 * 0.2 - 4.0).collect();
            let mut y = x.clone();
            apply(Level::found(), activation, &mut y);
            let mut gradient = vec![3.0; x.len()];
            apply_gradient(Level::found(), activation, &y, &mut gradient);
            for (x, g) in x.iter().zip(gradient) {
                let x = f64::from(*x);
                let slope = (value(x + 1e-5) - value(x - 1e-5)) / 2e-5;
                assert!((f64::from(g) - 3.0 * slope).abs() < 2e-6, "{activation:?} at {x}: {g}");
            }
        }
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        for level in Level::available() {
            let mut values = vec![f32::NAN; 20];
            apply(level, Activation::Tanh, &mut values);
            assert!(values.iter().all(|v| v.is_nan()), "{level:?}");
        }
    }
}
