//! Small dense symmetric systems: Cholesky solve, inverse, and non-negative least squares. Matrices are row-major slices.

/// Solves `A x = b` for a symmetric positive definite `A` (`n * n`, row-major), in place: `b` becomes `x`, `a` its factor.
///
/// Returns false, leaving both in an unspecified state, where `A` is not positive definite to working precision.
pub fn cholesky_solve(a: &mut [f64], b: &mut [f64]) -> bool {
    let n = b.len();
    if !cholesky_factor(a, n) {
        return false;
    }
    substitute(a, b);
    true
}

/// Lower Cholesky factor in the lower triangle of `a`; false where not positive definite.
fn cholesky_factor(a: &mut [f64], n: usize) -> bool {
    for j in 0..n {
        let scale = a[j * n + j];
        let pivot = scale - (0..j).map(|k| a[j * n + k] * a[j * n + k]).sum::<f64>();
        // A pivot that cancelled to rounding noise carries no information.
        if !(pivot > scale.abs() * 1e-14 && pivot.is_finite()) {
            return false;
        }
        let root = pivot.sqrt();
        a[j * n + j] = root;
        for i in j + 1..n {
            let sum: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            a[i * n + j] = (a[i * n + j] - sum) / root;
        }
    }
    true
}

fn substitute(a: &[f64], b: &mut [f64]) {
    let n = b.len();
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| a[i * n + k] * b[k]).sum();
        b[i] = (b[i] - sum) / a[i * n + i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| a[k * n + i] * b[k]).sum();
        b[i] = (b[i] - sum) / a[i * n + i];
    }
}

/// Inverse of a symmetric positive definite matrix, scaled to unit diagonal first; `None` where it is singular.
pub fn symmetric_inverse(a: &[f64], n: usize) -> Option<Vec<f64>> {
    let scale: Vec<f64> = (0..n).map(|i| a[i * n + i].sqrt()).collect();
    if scale.iter().any(|s| !(*s > 0.0 && s.is_finite())) {
        return None;
    }
    let mut factor: Vec<f64> = (0..n * n).map(|k| a[k] / (scale[k / n] * scale[k % n])).collect();
    if !cholesky_factor(&mut factor, n) {
        return None;
    }
    let mut inverse = vec![0.0; n * n];
    let mut column = vec![0.0; n];
    for j in 0..n {
        column.fill(0.0);
        column[j] = 1.0;
        substitute(&factor, &mut column);
        for i in 0..n {
            inverse[i * n + j] = column[i] / (scale[i] * scale[j]);
        }
    }
    Some(inverse)
}

/// Least squares with some unknowns held at or above zero, from the normal equations `G x = c` (`G` is `n * n`).
///
/// The active-set method of Lawson & Hanson (1974, chapter 23). `signed[i]` frees unknown `i` of the constraint.
/// Unknowns that the data do not determine stay at zero.
pub fn non_negative_least_squares(gram: &[f64], c: &[f64], signed: &[bool]) -> Vec<f64> {
    let n = c.len();
    let mut x = vec![0.0; n];
    let mut passive: Vec<bool> = (0..n).map(|i| signed[i] && gram[i * n + i] > 0.0).collect();
    if passive.iter().any(|p| *p) {
        move_towards_optimum(gram, c, signed, &mut passive, &mut x);
    }
    let mut refused = vec![false; n];
    for _ in 0..3 * n + 3 {
        let best = (0..n)
            .filter(|&i| !passive[i] && !refused[i] && gram[i * n + i] > 0.0)
            .map(|i| {
                let slope = c[i] - (0..n).map(|k| gram[i * n + k] * x[k]).sum::<f64>();
                (i, slope / gram[i * n + i].sqrt())
            })
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((i, gain)) = best else { break };
        if gain <= 1e-10 * c[i].abs() / gram[i * n + i].sqrt() {
            break;
        }
        passive[i] = true;
        if !move_towards_optimum(gram, c, signed, &mut passive, &mut x) {
            passive[i] = false;
            x[i] = 0.0;
            refused[i] = true;
        }
    }
    x
}

/// Solves on the passive set, stepping back and dropping unknowns that would cross zero. False where the set is singular.
fn move_towards_optimum(gram: &[f64], c: &[f64], signed: &[bool], passive: &mut [bool], x: &mut [f64]) -> bool {
    let n = c.len();
    for _ in 0..=n {
        let set: Vec<usize> = (0..n).filter(|&i| passive[i]).collect();
        let m = set.len();
        let mut a: Vec<f64> = (0..m * m).map(|k| gram[set[k / m] * n + set[k % m]]).collect();
        let mut b: Vec<f64> = set.iter().map(|&i| c[i]).collect();
        if !cholesky_solve(&mut a, &mut b) {
            return false;
        }
        let blocking = set
            .iter()
            .zip(&b)
            .filter(|(i, target)| !signed[**i] && **target <= 0.0)
            .map(|(&i, &target)| (i, x[i] / (x[i] - target).max(f64::MIN_POSITIVE)))
            .min_by(|p, q| p.1.total_cmp(&q.1));
        let Some((stop, fraction)) = blocking else {
            x.fill(0.0);
            for (&i, &target) in set.iter().zip(&b) {
                x[i] = target;
            }
            return true;
        };
        for (&i, &target) in set.iter().zip(&b) {
            x[i] += fraction.clamp(0.0, 1.0) * (target - x[i]);
        }
        x[stop] = 0.0;
        passive[stop] = false;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cholesky_solves_and_refuses_singular_systems() {
        let a = [4.0, 2.0, 1.0, 2.0, 5.0, 3.0, 1.0, 3.0, 6.0];
        let x = [1.0, -2.0, 0.5];
        let mut b: Vec<f64> = (0..3).map(|i| (0..3).map(|j| a[i * 3 + j] * x[j]).sum()).collect();
        assert!(cholesky_solve(&mut a.clone(), &mut b));
        assert!(b.iter().zip(&x).all(|(p, q)| (p - q).abs() < 1e-14));
        assert!(!cholesky_solve(&mut [1.0, 1.0, 1.0, 1.0], &mut [1.0, 1.0]));
        let inverse = symmetric_inverse(&a, 3).unwrap();
        for i in 0..3 {
            for j in 0..3 {
                let product: f64 = (0..3).map(|k| a[i * 3 + k] * inverse[k * 3 + j]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-14);
            }
        }
    }

    /// Checks the Karush-Kuhn-Tucker conditions, which characterise the solution.
    #[test]
    fn non_negative_solution_is_optimal() {
        let mut rng = crate::numerics::random::stream(5, "nnls", 0);
        for _ in 0..200 {
            let (rows, n) = (12, 5);
            let d: Vec<f64> = (0..rows * n).map(|_| crate::numerics::random::normal(&mut rng)).collect();
            let y: Vec<f64> = (0..rows).map(|_| crate::numerics::random::normal(&mut rng)).collect();
            let gram: Vec<f64> =
                (0..n * n).map(|k| (0..rows).map(|r| d[r * n + k / n] * d[r * n + k % n]).sum()).collect();
            let c: Vec<f64> = (0..n).map(|i| (0..rows).map(|r| d[r * n + i] * y[r]).sum()).collect();
            let signed = [false, false, false, false, true];
            let x = non_negative_least_squares(&gram, &c, &signed);
            for i in 0..n {
                let slope = c[i] - (0..n).map(|k| gram[i * n + k] * x[k]).sum::<f64>();
                if signed[i] || x[i] > 0.0 {
                    assert!(slope.abs() < 1e-9, "free unknown {i} not at its optimum: {slope}");
                } else {
                    assert!(x[i] == 0.0 && slope < 1e-9, "unknown {i} at zero should rise: {slope}");
                }
            }
        }
    }
}
