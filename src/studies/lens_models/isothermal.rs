//! Isothermal ellipsoids with a core, and their difference, the pseudo-Jaffe profile (Keeton 2001, astro-ph/0102341, sections 3.5 and 3.6).

use serde::{Deserialize, Serialize};

use super::elliptical::{Elliptical, EllipticalProfile, FRAME_PARAMETERS};
use super::sie::{reduced_atan, reduced_atanh};
use super::{Deflector, ellipticity};
use crate::numerics::fast_math::{atan_ratio, atanh_ratio};

/// Isothermal ellipsoid with a core, along its axes: convergence `theta_E / (2 sqrt(R^2 + core^2))`, `R^2 = q u^2 + v^2 / q`.
/// Own parameters `[einstein_radius, core]`; the Einstein radius is that without a core.
#[derive(Clone, Copy, Debug)]
pub struct CoredIsothermal {
    q: f64,
    /// sqrt(1 - q^2).
    eccentricity: f64,
    einstein_radius: f64,
    /// `theta_E sqrt(q)`.
    scale: f64,
    core: f64,
    /// `core / sqrt(q)` and `core q^(3/2)`: the core in the two closed forms.
    cores: [f64; 2],
}

/// Least `sqrt(1 - q^2)`: the closed forms divide by it; the error is below 1e-14 of the deflection.
const LEAST_ECCENTRICITY: f64 = 1e-7;

impl CoredIsothermal {
    /// `psi = sqrt(q core^2 + q^2 u^2 + v^2)`. The tiny term keeps a singular centre finite.
    #[inline(always)]
    fn psi(&self, u: f64, v: f64) -> f64 {
        (self.q * self.core * self.core + self.q * self.q * u * u + v * v + 1e-200).sqrt()
    }
}

impl EllipticalProfile<2> for CoredIsothermal {
    fn new(q: f64, [einstein_radius, core]: [f64; 2]) -> Self {
        let root = q.sqrt();
        let eccentricity = (1.0 - q * q).max(0.0).sqrt().max(LEAST_ECCENTRICITY);
        Self {
            q,
            eccentricity,
            einstein_radius,
            scale: einstein_radius * root,
            core,
            cores: [core / root, core * q * root],
        }
    }

    #[inline(always)]
    fn deflection(&self, u: f64, v: f64) -> [f64; 2] {
        let (psi, f) = (self.psi(u, v), self.eccentricity);
        let factor = self.scale / f;
        [factor * atan_ratio(f * u, psi + self.cores[0]), factor * atanh_ratio(f * v, psi + self.cores[1])]
    }

    #[inline(always)]
    fn hessian(&self, u: f64, v: f64) -> [f64; 3] {
        let (psi, q, s) = (self.psi(u, v), self.q, self.cores[0]);
        let factor = self.scale / (psi * ((1.0 + q * q) * s * s + 2.0 * psi * s + u * u + v * v + 1e-200));
        [factor * (q * q * s * s + v * v + s * psi), -factor * u * v, factor * (s * s + u * u + s * psi)]
    }

    #[inline(always)]
    fn potential(&self, u: f64, v: f64) -> f64 {
        let [au, av] = self.deflection(u, v);
        let (s, f) = (self.cores[0], self.eccentricity);
        let log = 0.5 * ((self.psi(u, v) + s).powi(2) + f * f * u * u).ln();
        u * au + v * av - self.scale * s * log
    }

    fn gradient(&self, u: f64, v: f64) -> ([f64; 2], [f64; 2], [[f64; 2]; 2]) {
        let (psi, q) = (self.psi(u, v), self.q);
        let root = q.sqrt();
        let f2 = 1.0 - q * q;
        let below = [psi + self.cores[0], psi + self.cores[1]];
        let [au, av] = self.deflection(u, v);
        let psi_by_q = (self.core * self.core + 2.0 * q * u * u) / (2.0 * psi);
        let psi_by_core = q * self.core / psi;
        let below_by_q = [psi_by_q - self.cores[0] / (2.0 * q), psi_by_q + 1.5 * self.core * root];
        let below_by_core = [psi_by_core + 1.0 / root, psi_by_core + q * root];
        // The forms are scale (u / below) A(z) with z = (1 - q^2) u^2 / below^2 and A = atan or atanh (sqrt z) / sqrt z.
        // `slope` is dA / dz, written so that it stays smooth for z = 0.
        let p = [u / below[0], v / below[1]];
        let z = [f2 * p[0] * p[0], f2 * p[1] * p[1]];
        let rest = [
            reduced_atan(z[0].max(0.0).sqrt(), z[0].max(0.0).sqrt().atan()),
            reduced_atanh(z[1].max(0.0).sqrt(), z[1].max(0.0).sqrt().atanh()),
        ];
        let shape = [1.0 + z[0] * rest[0], 1.0 + z[1] * rest[1]];
        let slope = [-0.5 * (1.0 / (1.0 + z[0]) + rest[0]), 0.5 * (1.0 / (1.0 - z[1]) - rest[1])];
        let by = |axis: usize, below_slope: f64, f2_slope: f64| {
            let relative = below_slope / below[axis];
            let z_slope = f2_slope * p[axis] * p[axis] - 2.0 * z[axis] * relative;
            self.scale * p[axis] * (slope[axis] * z_slope - shape[axis] * relative)
        };
        let by_q = [au / (2.0 * q) + by(0, below_by_q[0], -2.0 * q), av / (2.0 * q) + by(1, below_by_q[1], -2.0 * q)];
        let by_core = [by(0, below_by_core[0], 0.0), by(1, below_by_core[1], 0.0)];
        let by_radius = [au / self.einstein_radius, av / self.einstein_radius];
        ([au, av], by_q, [by_radius, by_core])
    }
}

/// Pseudo-Jaffe ellipsoid: isothermal between a core and a truncation, convergence
/// `theta_E / 2 (1 / sqrt(R^2 + core^2) - 1 / sqrt(R^2 + truncation^2))`, total mass `pi theta_E (truncation - core)`. Used for subhaloes and satellites.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PseudoJaffe {
    /// Einstein radius of the isothermal ellipsoid that it follows inside.
    pub einstein_radius_arcsec: f64,
    /// Core radius; 0 for a singular centre.
    pub core_arcsec: f64,
    /// Truncation radius, larger than the core.
    pub truncation_arcsec: f64,
    /// Axis ratio of the mass, minor over major.
    pub axis_ratio: f64,
    /// Angle of the major axis, counter-clockwise from +x.
    pub position_angle_deg: f64,
    /// Centre, to the right of the image centre.
    pub x_arcsec: f64,
    /// Centre, above the image centre.
    pub y_arcsec: f64,
}

impl PseudoJaffe {
    /// Ready for evaluation at many points.
    pub fn prepare(&self) -> PreparedPseudoJaffe {
        let [e1, e2] = ellipticity(self.axis_ratio, self.position_angle_deg);
        PreparedPseudoJaffe::new(
            [e1, e2, self.x_arcsec, self.y_arcsec],
            [self.einstein_radius_arcsec, self.core_arcsec, self.truncation_arcsec],
        )
    }
}

/// A [`PseudoJaffe`] ready for evaluation at many points.
#[derive(Clone, Copy, Debug)]
pub struct PreparedPseudoJaffe {
    inner: Elliptical<CoredIsothermal, 2>,
    outer: Elliptical<CoredIsothermal, 2>,
}

impl PreparedPseudoJaffe {
    /// From `[e1, e2, x, y]` and `[einstein_radius, core, truncation]`.
    pub fn new(frame: [f64; FRAME_PARAMETERS], [einstein_radius, core, truncation]: [f64; 3]) -> Self {
        Self {
            inner: Elliptical::new(frame, [einstein_radius, core]),
            outer: Elliptical::new(frame, [einstein_radius, truncation]),
        }
    }

    /// Deflection and its derivatives by `[e1, e2, x, y]` and by `[einstein_radius, core, truncation]`.
    #[inline(always)]
    pub fn deflection_with_gradient(&self, x: f64, y: f64) -> ([f64; 2], [[f64; 2]; FRAME_PARAMETERS], [[f64; 2]; 3]) {
        let (a, a_frame, a_own) = self.inner.deflection_with_gradient(x, y);
        let (b, b_frame, b_own) = self.outer.deflection_with_gradient(x, y);
        let less = |a: [f64; 2], b: [f64; 2]| [a[0] - b[0], a[1] - b[1]];
        let frame = std::array::from_fn(|k| less(a_frame[k], b_frame[k]));
        (less(a, b), frame, [less(a_own[0], b_own[0]), a_own[1], less([0.0; 2], b_own[1])])
    }
}

impl Deflector for PreparedPseudoJaffe {
    #[inline(always)]
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        let (a, b) = (self.inner.deflection(x, y), self.outer.deflection(x, y));
        [a[0] - b[0], a[1] - b[1]]
    }

    #[inline(always)]
    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        let (a, b) = (self.inner.hessian(x, y), self.outer.hessian(x, y));
        [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
    }

    fn potential(&self, x: f64, y: f64) -> f64 {
        self.inner.potential(x, y) - self.outer.potential(x, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::Sie;

    #[test]
    fn derivatives_agree_with_finite_differences() {
        for own in [[1.2, 0.1], [0.8, 0.5], [1.5, 0.001]] {
            crate::studies::lens_models::elliptical::check_elliptical::<CoredIsothermal, 2>(own, 3e-7);
        }
    }

    #[test]
    fn without_a_core_it_is_the_isothermal_ellipsoid() {
        let sie = Sie {
            einstein_radius_arcsec: 1.3,
            axis_ratio: 0.6,
            position_angle_deg: 50.0,
            x_arcsec: 0.2,
            y_arcsec: 0.1,
        };
        let [e1, e2] = ellipticity(0.6, 50.0);
        let cored = Elliptical::<CoredIsothermal, 2>::new([e1, e2, 0.2, 0.1], [1.3, 0.0]);
        let sie = sie.prepare();
        for [x, y] in [[0.5, 0.3], [-1.0, 0.02], [0.11, 3.0]] {
            let (a, b) = (sie.deflection(x, y), cored.deflection(x, y));
            assert!((0..2).all(|k| (a[k] - b[k]).abs() < 1e-13), "{a:?} {b:?}");
            let (a, b) = (sie.hessian(x, y), cored.hessian(x, y));
            assert!((0..3).all(|k| (a[k] - b[k]).abs() < 1e-12), "{a:?} {b:?}");
        }
    }

    #[test]
    fn convergence_is_what_the_documentation_says_and_the_mass_is_finite() {
        let jaffe = PseudoJaffe {
            einstein_radius_arcsec: 0.3,
            core_arcsec: 0.05,
            truncation_arcsec: 0.4,
            axis_ratio: 0.7,
            position_angle_deg: 0.0,
            x_arcsec: 0.0,
            y_arcsec: 0.0,
        };
        let lens = jaffe.prepare();
        for [x, y] in [[0.1, 0.05], [-0.6, 0.3], [2.0, 1.0]] {
            let square: f64 = 0.7 * x * x + y * y / 0.7;
            let expected = 0.15 * (1.0 / (square + 0.0025).sqrt() - 1.0 / (square + 0.16).sqrt());
            assert!((lens.convergence(x, y) - expected).abs() < 1e-13);
        }
        // Far away only the total mass counts: alpha r = M / pi = theta_E (truncation - core).
        let [ax, _] = lens.deflection(1e5, 0.0);
        assert!((ax * 1e5 - 0.3 * 0.35).abs() < 1e-5, "{}", ax * 1e5);
        super::super::deflector::check_derivatives(&lens, &[[0.1, 0.05], [-0.6, 0.3], [2.0, 1.0]], 1e-7);
        let (_, by_frame, by_own) = lens.deflection_with_gradient(0.3, 0.2);
        let at = |core: f64, truncation: f64, radius: f64| {
            PreparedPseudoJaffe::new([ellipticity(0.7, 0.0)[0], 0.0, 0.0, 0.0], [radius, core, truncation])
                .deflection(0.3, 0.2)
        };
        let h = 1e-6;
        for (plus, minus, found) in [
            (at(0.05, 0.4, 0.3 + h), at(0.05, 0.4, 0.3 - h), by_own[0]),
            (at(0.05 + h, 0.4, 0.3), at(0.05 - h, 0.4, 0.3), by_own[1]),
            (at(0.05, 0.4 + h, 0.3), at(0.05, 0.4 - h, 0.3), by_own[2]),
        ] {
            assert!((0..2).all(|k| ((plus[k] - minus[k]) / (2.0 * h) - found[k]).abs() < 1e-8));
        }
        assert!(by_frame.iter().flatten().all(|v| v.is_finite()));
    }
}
