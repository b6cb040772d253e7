//! The elliptical Navarro-Frenk-White halo, by cored steep ellipsoids (Oguri 2021, PASP 133, 074504).
//!
//! The convergence is exactly elliptical: it is a sum of profiles `1 / (2 (s^2 + R^2)^(3/2))`, each with closed deflections for any axis ratio
//! (Keeton & Kochanek 1998, ApJ 495, 157). The sum follows the NFW convergence to 1.4e-7 and its deflection to 1.5e-8, from 1e-5 to 1000 scale radii.

use serde::{Deserialize, Serialize};

use super::elliptical::{Elliptical, EllipticalProfile};
use super::ellipticity;
use super::nfw_table::COMPONENTS;

/// Elliptical NFW halo: convergence `2 kappa_s (1 - F(X)) / (X^2 - 1)`, `X = R / r_s`, `R^2 = q x'^2 + y'^2 / q`
/// (Bartelmann 1996, A&A 313, 697, with elliptical isodensity contours).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nfw {
    /// `rho_s r_s / Sigma_cr`.
    pub convergence_scale: f64,
    /// Scale radius along the intermediate axis.
    pub scale_radius_arcsec: f64,
    /// Axis ratio of the mass, minor over major.
    pub axis_ratio: f64,
    /// Angle of the major axis, counter-clockwise from +x.
    pub position_angle_deg: f64,
    /// Centre, to the right of the image centre.
    pub x_arcsec: f64,
    /// Centre, above the image centre.
    pub y_arcsec: f64,
}

impl Nfw {
    /// Ready for evaluation at many points.
    pub fn prepare(&self) -> Elliptical<NfwProfile, 2> {
        let [e1, e2] = ellipticity(self.axis_ratio, self.position_angle_deg);
        Elliptical::new([e1, e2, self.x_arcsec, self.y_arcsec], [self.convergence_scale, self.scale_radius_arcsec])
    }
}

/// Convergence of a circular NFW halo at `x` scale radii, for `convergence_scale` 1.
pub fn nfw_convergence(x: f64) -> f64 {
    let e = x - 1.0;
    if e.abs() < 1e-4 {
        return 2.0 * (1.0 / 3.0 - 0.4 * e + 13.0 / 35.0 * e * e);
    }
    let f = if x < 1.0 { (1.0 / x).acosh() / (1.0 - x * x).sqrt() } else { (1.0 / x).acos() / (x * x - 1.0).sqrt() };
    2.0 * (1.0 - f) / (x * x - 1.0)
}

/// The profile along its axes; own parameters `[convergence_scale, scale_radius]`.
#[derive(Clone, Copy, Debug)]
pub struct NfwProfile {
    q: f64,
    convergence_scale: f64,
    scale_radius: f64,
}

/// One component at one point, in scale radii: its two cores and what its closed forms are made of.
struct Term {
    /// Amplitude over core.
    weight: f64,
    /// Core (intermediate axis), squared.
    core2: f64,
    core: f64,
    psi: f64,
    /// `psi + core / sqrt(q)`, `psi + q^(3/2) core`, and the first squared plus `(1 - q^2) u^2`.
    d: f64,
    e: f64,
    big: f64,
}

impl NfwProfile {
    #[inline(always)]
    fn terms(&self, u: f64, v: f64) -> impl Iterator<Item = Term> {
        let q = self.q;
        let root = q.sqrt();
        COMPONENTS.iter().map(move |&[core, amplitude]| {
            let core2 = core * core;
            let psi = (q * core2 + q * q * u * u + v * v).sqrt();
            let (d, e) = (psi + core / root, psi + q * root * core);
            Term { weight: amplitude / core, core2, core, psi, d, e, big: d * d + (1.0 - q * q) * u * u }
        })
    }
}

impl EllipticalProfile<2> for NfwProfile {
    fn new(q: f64, [convergence_scale, scale_radius]: [f64; 2]) -> Self {
        Self { q, convergence_scale, scale_radius }
    }

    #[inline(always)]
    fn deflection(&self, u: f64, v: f64) -> [f64; 2] {
        let (u, v) = (u / self.scale_radius, v / self.scale_radius);
        let (mut a, mut b) = (0.0, 0.0);
        for t in self.terms(u, v) {
            let w = t.weight / (t.psi * t.big);
            a += w * t.e;
            b += w * t.d;
        }
        let factor = self.convergence_scale * self.scale_radius;
        [factor * u * a, factor * v * b]
    }

    #[inline(always)]
    fn hessian(&self, u: f64, v: f64) -> [f64; 3] {
        let (u, v) = (u / self.scale_radius, v / self.scale_radius);
        let q = self.q;
        let mut sum = [0.0; 3];
        for t in self.terms(u, v) {
            let s = t.core / q.sqrt();
            let (psi2, psi3) = (t.psi * t.psi, t.psi * t.psi * t.psi);
            let w = t.weight / t.big;
            let spread = 2.0 / (psi2 * t.big);
            sum[0] += w * (1.0 + q * q * s * (q * q * s * s + v * v) / psi3 - u * u * t.e * t.e * spread);
            sum[1] -= w * u * v * (q * q * s / psi3 + t.e * t.d * spread);
            sum[2] += w * (1.0 + q * q * s * (s * s + u * u) / psi3 - v * v * t.d * t.d * spread);
        }
        let [xx, xy, yy] = sum;
        [self.convergence_scale * xx, self.convergence_scale * xy, self.convergence_scale * yy]
    }

    fn potential(&self, u: f64, v: f64) -> f64 {
        let (u, v) = (u / self.scale_radius, v / self.scale_radius);
        let sum: f64 = self.terms(u, v).map(|t| 0.5 * t.weight * t.big.ln()).sum();
        self.convergence_scale * self.scale_radius * self.scale_radius * sum
    }

    fn gradient(&self, u: f64, v: f64) -> ([f64; 2], [f64; 2], [[f64; 2]; 2]) {
        let alpha = self.deflection(u, v);
        let [uu, uv, vv] = self.hessian(u, v);
        let q = self.q;
        let root = q.sqrt();
        let (x, y) = (u / self.scale_radius, v / self.scale_radius);
        let mut by_q = [0.0; 2];
        for t in self.terms(x, y) {
            let psi = (t.core2 + 2.0 * q * x * x) / (2.0 * t.psi);
            let d = psi - t.core / (2.0 * q * root);
            let e = psi + 1.5 * t.core * root;
            let big = 2.0 * t.d * d - 2.0 * q * x * x;
            let w = t.weight / (t.psi * t.big);
            let common = psi / t.psi + big / t.big;
            by_q[0] += w * x * (e - t.e * common);
            by_q[1] += w * y * (d - t.d * common);
        }
        let factor = self.convergence_scale * self.scale_radius;
        let by_scale = alpha.map(|a| a / self.convergence_scale);
        let by_radius =
            [(alpha[0] - uu * u - uv * v) / self.scale_radius, (alpha[1] - uv * u - vv * v) / self.scale_radius];
        (alpha, by_q.map(|d| factor * d), [by_scale, by_radius])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::Deflector;

    fn halo(axis_ratio: f64) -> Nfw {
        Nfw {
            convergence_scale: 0.3,
            scale_radius_arcsec: 5.0,
            axis_ratio,
            position_angle_deg: 0.0,
            x_arcsec: 0.0,
            y_arcsec: 0.0,
        }
    }

    #[test]
    fn derivatives_agree_with_finite_differences() {
        for own in [[0.2, 4.0], [0.5, 1.0]] {
            crate::studies::lens_models::elliptical::check_elliptical::<NfwProfile, 2>(own, 5e-7);
        }
    }

    #[test]
    fn convergence_is_elliptical_and_follows_the_closed_form() {
        for q in [1.0f64, 0.5] {
            let lens = halo(q).prepare();
            for exponent in -40..=20 {
                let x = 10f64.powf(f64::from(exponent) / 10.0);
                for angle in [0.0f64, 0.7, 1.5] {
                    let (u, v) = (5.0 * x * angle.cos() / q.sqrt(), 5.0 * x * angle.sin() * q.sqrt());
                    let expected = 0.3 * nfw_convergence(x);
                    let found = lens.convergence(u, v);
                    assert!((found / expected - 1.0).abs() < 3e-7, "{q} {x} {angle}: {found} {expected}");
                }
            }
        }
    }

    /// The closed form of a sphere: `alpha = 4 kappa_s r_s / X (ln(X / 2) + F(X))`.
    #[test]
    fn deflection_of_a_sphere_has_its_closed_form() {
        let lens = halo(1.0).prepare();
        for x in [1e-3f64, 0.02, 0.3, 0.999, 1.5, 20.0, 300.0] {
            let f = if x < 1.0 {
                (1.0 / x).acosh() / (1.0 - x * x).sqrt()
            } else {
                (1.0 / x).acos() / (x * x - 1.0).sqrt()
            };
            let expected = 4.0 * 0.3 * 5.0 / x * ((0.5 * x).ln() + f);
            let [ax, _] = lens.deflection(5.0 * x, 0.0);
            assert!((ax / expected - 1.0).abs() < 5e-8, "{x}: {ax} {expected}");
        }
    }
}
