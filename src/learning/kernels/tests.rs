//! The products against plain loops, on every level of the processor, in shapes that reach every branch.

use super::geometry::Geometry;
use super::lanes::Level;
use super::{correlate, products, reference};

/// Numbers between -1 and 1 that differ from place to place.
fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as f32 / u32::MAX as f32 * 2.0 - 1.0
        })
        .collect()
}

/// `[batch, small channels, big channels, depth, height, width of the big grid, kernel, stride]`
fn geometry([batch, small_channels, big_channels, depth, height, width, k, stride]: [usize; 8]) -> Geometry {
    let flat = depth == 1;
    let kernel = [if flat { 1 } else { k }, k, k];
    let stride = [if flat { 1 } else { stride }, stride, stride];
    let big = [depth, height, width];
    Geometry {
        batch,
        small_channels,
        big_channels,
        small: std::array::from_fn(|a| big[a].div_ceil(stride[a])),
        big,
        kernel,
        stride,
        padding: kernel.map(|k| (k - 1) / 2),
    }
}

const SHAPES: &[[usize; 8]] = &[
    [1, 1, 1, 1, 1, 1, 3, 1],
    [2, 3, 5, 1, 7, 9, 3, 1],
    [3, 9, 8, 1, 16, 16, 3, 1],
    [8, 17, 6, 1, 4, 4, 3, 1],
    [2, 16, 5, 1, 40, 33, 11, 1],
    [1, 4, 7, 1, 12, 31, 7, 1],
    [2, 2, 16, 1, 20, 20, 1, 1],
    [2, 8, 4, 1, 16, 16, 3, 2],
    [3, 5, 9, 1, 7, 9, 3, 2],
    [2, 6, 10, 1, 12, 12, 4, 2],
    [5, 40, 33, 1, 8, 8, 3, 1],
    [2, 3, 4, 5, 6, 7, 3, 1],
    [2, 4, 3, 8, 6, 10, 3, 2],
    [1, 4, 3, 8, 6, 10, 4, 2],
    [1, 2, 2, 5, 7, 9, 3, 2],
];

fn assert_close(found: &[f32], wanted: &[f64], terms: usize, what: &str) {
    // Errors of a sum of `terms` numbers below one grow like the square root of the count; four times that is never met.
    let allowed = 4.0
        * f64::from(f32::EPSILON)
        * (terms as f64).sqrt()
        * (1.0 + wanted.iter().fold(0.0, |m: f64, v| m.max(v.abs())));
    for (k, (a, b)) in found.iter().zip(wanted).enumerate() {
        assert!((f64::from(*a) - b).abs() <= allowed, "{what}, element {k}: {a} instead of {b}, allowed {allowed:e}");
    }
}

#[test]
fn every_product_agrees_with_plain_loops_on_every_level() {
    for &shape in SHAPES {
        let g = geometry(shape);
        let small = numbers(g.batch * g.small_channels * g.small_len(), 1);
        let big = numbers(g.batch * g.big_channels * g.big_len(), 2);
        let weight = numbers(g.small_channels * g.big_channels * g.taps(), 3);
        let gathered = reference::gather(&g, &big, &weight);
        let spread = reference::spread(&g, &small, &weight);
        let correlated = reference::correlate(&g, &small, &big);
        for level in Level::available() {
            let what = |name: &str| format!("{name} of {shape:?} at {level:?}");
            let mut out = vec![f32::NAN; gathered.len()];
            products::gather(level, &g, big.as_slice().into(), &weight, None, &mut out);
            assert_close(&out, &gathered, g.big_channels * g.taps(), &what("gather"));
            let mut out = vec![f32::NAN; spread.len()];
            products::spread(level, &g, &small, &weight, None, &mut out);
            assert_close(&out, &spread, g.small_channels * g.taps(), &what("spread"));
            let mut out = vec![f32::NAN; weight.len()];
            correlate::correlate(level, &g, &small, big.as_slice().into(), &mut out);
            assert_close(&out, &correlated, g.batch * g.small_len(), &what("correlate"));
        }
    }
}

#[test]
fn a_bias_is_added_once_to_every_element_of_its_channel() {
    let g = geometry([2, 3, 2, 1, 6, 5, 3, 2]);
    let big = numbers(g.batch * g.big_channels * g.big_len(), 5);
    let weight = numbers(g.small_channels * g.big_channels * g.taps(), 6);
    let bias = [0.5, -1.0, 2.0];
    let mut plain = reference::gather(&g, &big, &weight);
    for (k, v) in plain.iter_mut().enumerate() {
        *v += f64::from(bias[k / g.small_len() % 3]);
    }
    let mut out = vec![0.0; plain.len()];
    products::gather(Level::found(), &g, big.as_slice().into(), &weight, Some(&bias), &mut out);
    assert_close(&out, &plain, 19, "gather with bias");
}

#[test]
fn results_have_the_same_bits_on_any_number_of_threads() {
    for &shape in SHAPES {
        let g = geometry(shape);
        let small = numbers(g.batch * g.small_channels * g.small_len(), 1);
        let big = numbers(g.batch * g.big_channels * g.big_len(), 2);
        let weight = numbers(g.small_channels * g.big_channels * g.taps(), 3);
        let all = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut out = [vec![0.0; small.len()], vec![0.0; big.len()], vec![0.0; weight.len()]];
                products::gather(Level::found(), &g, big.as_slice().into(), &weight, None, &mut out[0]);
                products::spread(Level::found(), &g, &small, &weight, None, &mut out[1]);
                correlate::correlate(Level::found(), &g, &small, big.as_slice().into(), &mut out[2]);
                out.map(|v| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
            })
        };
        let one = all(1);
        assert_eq!(one, all(2), "{shape:?}");
        assert_eq!(one, all(5), "{shape:?}");
    }
}
