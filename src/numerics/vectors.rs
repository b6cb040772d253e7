//! Sums over slices, for the innermost loops.
//!
//! Written with indices: iterators that pair two slices are functions of the standard library without `#[inline]`, which a build that
//! optimises each unit of this crate alone calls rather than unrolls (`lto` in `Cargo.toml`).

/// `target[i] += factor values[i]` for as many as both have.
#[inline(always)]
pub fn add_scaled(target: &mut [f64], values: &[f64], factor: f64) {
    let n = target.len().min(values.len());
    let (target, values) = (&mut target[..n], &values[..n]);
    for i in 0..n {
        target[i] += factor * values[i];
    }
}

/// Sum of `a[i] b[i]` for as many as both have, in eight sums that are added at the end: the same bits on every processor.
#[inline(always)]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let n = a.len().min(b.len());
    let whole = n - n % LANES;
    let mut sums = [0.0; LANES];
    let mut at = 0;
    while at < whole {
        let (a, b) = (&a[at..at + LANES], &b[at..at + LANES]);
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
        at += LANES;
    }
    let mut rest = 0.0;
    for i in whole..n {
        rest += a[i] * b[i];
    }
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_shorter_slice() {
        let a: Vec<f64> = (0..29).map(f64::from).collect();
        for n in 0..29 {
            let expected: f64 = a[..n].iter().map(|v| v * (v + 1.0)).sum();
            let b: Vec<f64> = a[..n].iter().map(|v| v + 1.0).collect();
            assert_eq!(dot(&a, &b), expected);
            let mut target = a.clone();
            add_scaled(&mut target, &b, 2.0);
            assert!(target.iter().zip(&a).enumerate().all(|(i, (t, v))| *t == if i < n { 3.0 * v + 2.0 } else { *v }));
        }
    }
}
