//! The singular isothermal ellipsoid (Kormann, Schneider & Bartelmann 1994, A&A 284, 285), intermediate-axis convention.

use serde::{Deserialize, Serialize};

use super::{Deflector, ellipticity};
use crate::numerics::fast_math::{atan_ratio, atanh_ratio};

/// Singular isothermal ellipsoid: convergence `theta_E / (2 sqrt(q x'^2 + y'^2 / q))`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sie {
    /// Einstein radius along the intermediate axis: the tangential critical curve encloses pi times its square.
    pub einstein_radius_arcsec: f64,
    /// Axis ratio of the mass, minor over major.
    pub axis_ratio: f64,
    /// Angle of the major axis, counter-clockwise from +x.
    pub position_angle_deg: f64,
    /// Centre, to the right of the image centre.
    pub x_arcsec: f64,
    /// Centre, above the image centre.
    pub y_arcsec: f64,
}

impl Default for Sie {
    fn default() -> Self {
        Self { einstein_radius_arcsec: 1.2, axis_ratio: 0.8, position_angle_deg: 30.0, x_arcsec: 0.0, y_arcsec: 0.0 }
    }
}

/// Parameters that a fit moves: `[einstein_radius, e1, e2, x, y]`.
pub const SIE_PARAMETERS: usize = 5;

/// Ellipticity below which its direction is taken as 0: there the profile depends on it only to second order.
const LEAST_ELLIPTICITY: f64 = 1e-6;
/// Least `sqrt(1 - q^2)` in the closed forms; the error of the deflection is below 1e-14 of the Einstein radius.
const LEAST_ECCENTRICITY: f64 = 1e-7;

impl Sie {
    /// Ready for evaluation at many points.
    pub fn prepare(&self) -> PreparedSie {
        let [e1, e2] = ellipticity(self.axis_ratio, self.position_angle_deg);
        PreparedSie::new([self.einstein_radius_arcsec, e1, e2, self.x_arcsec, self.y_arcsec])
    }
}

/// A [`Sie`] with everything that does not depend on the point computed once.
#[derive(Clone, Copy, Debug)]
pub struct PreparedSie {
    x: f64,
    y: f64,
    cos: f64,
    sin: f64,
    shape: Shape,
    /// Where derivatives with respect to the ellipticity are taken: `shape`, moved off the circle if it lies on it.
    gradient_shape: Shape,
    einstein_radius: f64,
    /// d q / d e and 1 / (2 e), with the direction of e: the chain to (e1, e2).
    slope: [f64; 2],
    turn: [f64; 2],
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    q: f64,
    /// sqrt(1 - q^2).
    eccentricity: f64,
    /// Einstein radius times sqrt(q).
    scale: f64,
}

impl Shape {
    fn new(einstein_radius: f64, ellipticity: f64) -> Self {
        let q = (1.0 - ellipticity) / (1.0 + ellipticity);
        let eccentricity = (1.0 - q * q).max(0.0).sqrt().max(LEAST_ECCENTRICITY);
        Self { q, eccentricity, scale: einstein_radius * q.sqrt() }
    }
}

impl PreparedSie {
    /// From the parameters `[einstein_radius, e1, e2, x, y]` of a fit (arcsec).
    pub fn new([einstein_radius, e1, e2, x, y]: [f64; SIE_PARAMETERS]) -> Self {
        let length = e1.hypot(e2);
        let (cos2, sin2, e) =
            if length < LEAST_ELLIPTICITY { (1.0, 0.0, LEAST_ELLIPTICITY) } else { (e1 / length, e2 / length, length) };
        let angle = 0.5 * sin2.atan2(cos2);
        let slope = -2.0 / ((1.0 + length) * (1.0 + length));
        Self {
            x,
            y,
            cos: angle.cos(),
            sin: angle.sin(),
            shape: Shape::new(einstein_radius, length),
            gradient_shape: Shape::new(einstein_radius, e),
            einstein_radius,
            slope: [slope * cos2, slope * sin2],
            turn: [-sin2 / (2.0 * e), cos2 / (2.0 * e)],
        }
    }

    /// Coordinates along the major and minor axis, and `psi = sqrt(q^2 x'^2 + y'^2)`.
    #[inline(always)]
    fn frame(&self, shape: &Shape, x: f64, y: f64) -> (f64, f64, f64) {
        let (dx, dy) = (x - self.x, y - self.y);
        let u = self.cos * dx + self.sin * dy;
        let v = self.cos * dy - self.sin * dx;
        // The tiny term keeps the centre finite: the deflection there is 0 by symmetry.
        (u, v, (shape.q * shape.q * u * u + v * v + 1e-200).sqrt())
    }

    #[inline(always)]
    fn deflection_in_frame(shape: &Shape, u: f64, v: f64, psi: f64) -> (f64, f64) {
        let f = shape.eccentricity;
        let factor = shape.scale / f;
        (factor * atan_ratio(f * u, psi), factor * atanh_ratio(f * v, psi))
    }

    /// Deflection (arcsec). At the centre, where it is not defined, zero.
    #[inline(always)]
    pub fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        let (u, v, psi) = self.frame(&self.shape, x, y);
        let (au, av) = Self::deflection_in_frame(&self.shape, u, v, psi);
        [self.cos * au - self.sin * av, self.sin * au + self.cos * av]
    }

    /// Convergence; at most `theta_E` / 2e-100 arcsec at the singular centre.
    #[inline(always)]
    pub fn convergence(&self, x: f64, y: f64) -> f64 {
        0.5 * self.shape.scale / self.frame(&self.shape, x, y).2
    }

    /// Second derivatives `[xx, xy, yy]` of the potential. Those of an isothermal lens are `2 kappa` times the tangential projector.
    #[inline(always)]
    pub fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        let (dx, dy) = (x - self.x, y - self.y);
        let factor = 2.0 * self.convergence(x, y) / (dx * dx + dy * dy + 1e-200);
        [factor * dy * dy, -factor * dx * dy, factor * dx * dx]
    }

    /// Deflection potential (arcsec^2): homogeneous of degree one, so it is the position times the deflection.
    #[inline(always)]
    pub fn potential(&self, x: f64, y: f64) -> f64 {
        let [ax, ay] = self.deflection(x, y);
        (x - self.x) * ax + (y - self.y) * ay
    }

    /// Deflection and its derivatives with respect to `[einstein_radius, e1, e2, x, y]`, each `[x, y]`.
    #[inline(always)]
    pub fn deflection_with_gradient(&self, x: f64, y: f64) -> ([f64; 2], [[f64; 2]; SIE_PARAMETERS]) {
        let shape = &self.gradient_shape;
        let (u, v, psi) = self.frame(shape, x, y);
        let (au, av) = Self::deflection_in_frame(shape, u, v, psi);
        let rotate = |a: f64, b: f64| [self.cos * a - self.sin * b, self.sin * a + self.cos * b];
        let alpha = rotate(au, av);
        let (q, f) = (shape.q, shape.eccentricity);
        let (p, s) = (u / psi, v / psi);
        // d/dq of the closed forms. atan and atanh minus their first term are divided by the cube of the argument,
        // which is smooth for q -> 1 where each of the textbook terms diverges.
        let by_q = (
            au / (2.0 * q) + shape.scale * q * p * p * p * reduced_atan(f * p, au * f / shape.scale),
            av / (2.0 * q) + shape.scale * s * (q * s * s * reduced_atanh(f * s, av * f / shape.scale) - 1.0 / q),
        );
        // d/dphi = rotation of the vector minus its change along the turned position.
        let twice_kappa = shape.scale / psi;
        let by_angle = (-av + twice_kappa * v, au - twice_kappa * u);
        let by_q = rotate(by_q.0, by_q.1);
        let by_angle = rotate(by_angle.0, by_angle.1);
        let along = |axis: usize, k: usize| by_q[axis] * self.slope[k] + by_angle[axis] * self.turn[k];
        let chain = |k: usize| [along(0, k), along(1, k)];
        let (dx, dy) = (x - self.x, y - self.y);
        let factor = twice_kappa / (dx * dx + dy * dy + 1e-200);
        let by_radius = [alpha[0] / self.einstein_radius, alpha[1] / self.einstein_radius];
        let by_x = [-factor * dy * dy, factor * dx * dy];
        let by_y = [factor * dx * dy, -factor * dx * dx];
        (alpha, [by_radius, chain(0), chain(1), by_x, by_y])
    }

    /// Centre (arcsec).
    pub fn centre(&self) -> [f64; 2] {
        [self.x, self.y]
    }

    /// Deflection in the direction `angle` (radians from +x) seen from the centre: it does not depend on the distance.
    pub fn deflection_in_direction(&self, angle: f64) -> [f64; 2] {
        self.deflection(self.x + angle.cos(), self.y + angle.sin())
    }

    /// `2 kappa r` in the direction `angle` (radians from +x): the distance of the critical curve without shear (arcsec).
    pub fn critical_radius(&self, angle: f64) -> f64 {
        2.0 * self.convergence(self.x + angle.cos(), self.y + angle.sin())
    }
}

impl Deflector for PreparedSie {
    #[inline(always)]
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        Self::deflection(self, x, y)
    }

    #[inline(always)]
    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        Self::hessian(self, x, y)
    }

    fn potential(&self, x: f64, y: f64) -> f64 {
        Self::potential(self, x, y)
    }

    #[inline(always)]
    fn convergence(&self, x: f64, y: f64) -> f64 {
        Self::convergence(self, x, y)
    }
}

/// `(atan(t) / t - 1) / t^2`, given `atan(t)`.
#[inline(always)]
pub(super) fn reduced_atan(t: f64, atan: f64) -> f64 {
    let z = t * t;
    let series = -1.0 / 3.0
        + z * (1.0 / 5.0
            + z * (-1.0 / 7.0
                + z * (1.0 / 9.0 + z * (-1.0 / 11.0 + z * (1.0 / 13.0 + z * (-1.0 / 15.0 + z * (1.0 / 17.0)))))));
    let direct = (atan - t) / (t * z);
    if z < 0.01 { series } else { direct }
}

/// `(atanh(t) / t - 1) / t^2`, given `atanh(t)`.
#[inline(always)]
pub(super) fn reduced_atanh(t: f64, atanh: f64) -> f64 {
    let z = t * t;
    let series = 1.0 / 3.0
        + z * (1.0 / 5.0
            + z * (1.0 / 7.0
                + z * (1.0 / 9.0 + z * (1.0 / 11.0 + z * (1.0 / 13.0 + z * (1.0 / 15.0 + z * (1.0 / 17.0)))))));
    let direct = (atanh - t) / (t * z);
    if z < 0.01 { series } else { direct }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> PreparedSie {
        Sie { einstein_radius_arcsec: 1.2, axis_ratio: 0.7, position_angle_deg: 0.0, x_arcsec: 0.0, y_arcsec: 0.0 }
            .prepare()
    }

    /// Closed forms evaluated in f64 and confirmed by lenstronomy 1.14.2 (2e-9, its SIE being softened).
    #[test]
    fn deflection_has_its_golden_values() {
        let sie = reference();
        for ([x, y], [ax, ay]) in [
            ([0.5, 0.3], [0.926_549_951_6, 0.707_663_205_4]),
            ([1.0, -0.4], [1.019_123_449_5, -0.520_690_106_2]),
            ([2.0, 1.5], [0.854_918_445_9, 0.814_268_639_8]),
        ] {
            let found = sie.deflection(x, y);
            assert!((found[0] - ax).abs() < 1e-10 && (found[1] - ay).abs() < 1e-10, "{found:?}");
        }
    }

    #[test]
    fn hessian_potential_and_convergence_agree_with_the_deflection() {
        let h = 1e-5;
        for (q, angle) in [(0.4, 20.0), (0.7, 130.0), (0.999, 45.0), (1.0, 0.0)] {
            let sie = Sie { axis_ratio: q, position_angle_deg: angle, x_arcsec: 0.1, y_arcsec: -0.2, ..Sie::default() }
                .prepare();
            for [x, y] in [[0.7, 0.2], [-0.4, 1.3], [0.1, 0.6], [-1.5, -0.2]] {
                let right = sie.deflection(x + h, y);
                let left = sie.deflection(x - h, y);
                let up = sie.deflection(x, y + h);
                let down = sie.deflection(x, y - h);
                let [xx, xy, yy] = sie.hessian(x, y);
                let d = |a: f64, b: f64| (a - b) / (2.0 * h);
                assert!((d(right[0], left[0]) - xx).abs() < 1e-6);
                assert!((d(right[1], left[1]) - xy).abs() < 1e-6);
                assert!((d(up[0], down[0]) - xy).abs() < 1e-6, "curl");
                assert!((d(up[1], down[1]) - yy).abs() < 1e-6);
                assert!((0.5 * (xx + yy) - sie.convergence(x, y)).abs() < 1e-12, "divergence");
                let alpha = sie.deflection(x, y);
                assert!((d(sie.potential(x + h, y), sie.potential(x - h, y)) - alpha[0]).abs() < 1e-8);
                assert!((d(sie.potential(x, y + h), sie.potential(x, y - h)) - alpha[1]).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn derivatives_agree_with_finite_differences() {
        for start in [
            [1.2, 0.15, -0.1, 0.05, 0.02],
            [0.8, -0.3, 0.2, 0.0, 0.0],
            [1.5, 0.01, 0.002, 0.1, -0.1],
            [1.0, 3e-4, 1e-4, 0.0, 0.0],
        ] {
            for [x, y] in [[0.9, 0.4], [-0.3, 1.1], [0.2, -0.35], [-2.0, -1.0]] {
                let (_, gradient) = PreparedSie::new(start).deflection_with_gradient(x, y);
                for k in 0..SIE_PARAMETERS {
                    let h = 1e-5;
                    let shifted = |by: f64| {
                        let mut p = start;
                        p[k] += by;
                        PreparedSie::new(p).deflection(x, y)
                    };
                    let (a, b, c, d) = (shifted(2.0 * h), shifted(h), shifted(-h), shifted(-2.0 * h));
                    for axis in 0..2 {
                        let difference = (8.0 * (b[axis] - c[axis]) - (a[axis] - d[axis])) / (12.0 * h);
                        let error = (difference - gradient[k][axis]).abs();
                        let noise = 1e-6;
                        assert!(
                            error < noise * (1.0 + difference.abs()),
                            "{start:?} {k} {axis}: {difference} {}",
                            gradient[k][axis]
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn circle_and_centre_are_safe() {
        let sie = PreparedSie::new([1.3, 0.0, 0.0, 0.2, 0.1]);
        let alpha = sie.deflection(0.2 + 0.3, 0.1 + 0.4);
        assert!((alpha[0] - 1.3 * 0.6).abs() < 1e-9 && (alpha[1] - 1.3 * 0.8).abs() < 1e-9);
        assert_eq!(sie.deflection(0.2, 0.1), [0.0, 0.0]);
        let (_, gradient) = sie.deflection_with_gradient(0.2, 0.1);
        assert!(gradient.iter().flatten().all(|v| v.is_finite()));
        // On the circle the response to a small ellipticity is that of the neighbours.
        let (_, at_zero) = sie.deflection_with_gradient(0.9, -0.5);
        let (_, near) = PreparedSie::new([1.3, 3e-4, 3e-4, 0.2, 0.1]).deflection_with_gradient(0.9, -0.5);
        for (a, b) in at_zero.iter().flatten().zip(near.iter().flatten()) {
            assert!((a - b).abs() < 3e-3, "{at_zero:?} {near:?}");
        }
    }
}
