//! The elliptical power law (Tessore & Metcalf 2015, A&A 580, A79), intermediate-axis convention.

use serde::{Deserialize, Serialize};

use super::elliptical::{Elliptical, EllipticalProfile};
use super::ellipticity;

/// Elliptical power law: convergence `(3 - slope) / 2 (theta_E / R)^(slope - 1)`, with `R^2 = q x'^2 + y'^2 / q`.
/// Slope 2 is the singular isothermal ellipsoid.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerLaw {
    /// Einstein radius along the intermediate axis: the mean convergence within the ellipse of this radius is 1.
    pub einstein_radius_arcsec: f64,
    /// Logarithmic slope of the three-dimensional density, between 1 and 3.
    pub slope: f64,
    /// Axis ratio of the mass, minor over major.
    pub axis_ratio: f64,
    /// Angle of the major axis, counter-clockwise from +x.
    pub position_angle_deg: f64,
    /// Centre, to the right of the image centre.
    pub x_arcsec: f64,
    /// Centre, above the image centre.
    pub y_arcsec: f64,
}

impl Default for PowerLaw {
    /// Isothermal.
    fn default() -> Self {
        let super::Sie { einstein_radius_arcsec, axis_ratio, position_angle_deg, x_arcsec, y_arcsec } =
            super::Sie::default();
        Self { einstein_radius_arcsec, slope: 2.0, axis_ratio, position_angle_deg, x_arcsec, y_arcsec }
    }
}

impl PowerLaw {
    /// Ready for evaluation at many points.
    pub fn prepare(&self) -> Elliptical<PowerLawProfile, 2> {
        let [e1, e2] = ellipticity(self.axis_ratio, self.position_angle_deg);
        Elliptical::new([e1, e2, self.x_arcsec, self.y_arcsec], [self.einstein_radius_arcsec, self.slope])
    }
}

/// The profile along its axes; own parameters `[einstein_radius, slope]`.
#[derive(Clone, Copy, Debug)]
pub struct PowerLawProfile {
    q: f64,
    /// `slope - 1`: the logarithmic slope of the convergence.
    t: f64,
    einstein_radius: f64,
    /// `theta_E sqrt(q)`, the radius in units of `sqrt(q^2 u^2 + v^2)`.
    b: f64,
    /// `(1 - q) / (1 + q)`: the ratio of the series.
    f: f64,
    terms: usize,
}

/// The angular series and its derivatives, as complex numbers `[re, im]`.
struct Series {
    omega: [f64; 2],
    /// By the elliptical angle, divided by i.
    by_angle: [f64; 2],
    by_f: [f64; 2],
    by_t: [f64; 2],
}

#[inline(always)]
fn times(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

impl PowerLawProfile {
    /// `sqrt(q^2 u^2 + v^2)` and the unit vector of the elliptical angle. The tiny term keeps the centre finite.
    #[inline(always)]
    fn polar(&self, u: f64, v: f64) -> (f64, [f64; 2]) {
        let radius = (self.q * self.q * u * u + v * v + 1e-200).sqrt();
        (radius, [self.q * u / radius, v / radius])
    }

    /// `2 / (1 + q) b^t R^(1 - t)`.
    #[inline(always)]
    fn factor(&self, radius: f64) -> f64 {
        use crate::numerics::fast_math::{exp, ln};
        // Written with R rather than (b / R)^(t - 1) b, so that an Einstein radius of zero is no division by zero.
        2.0 / (1.0 + self.q) * radius * exp(self.t * ln((self.b / radius).max(1e-290)))
    }

    #[inline(always)]
    fn omega(&self, direction: [f64; 2]) -> [f64; 2] {
        let turn = times(direction, direction);
        // From the last term inwards: fewer operations than term by term, and no running product.
        let mut sum = [1.0, 0.0];
        for n in (1..=self.terms).rev() {
            let n = n as f64;
            let ratio = -self.f * (2.0 * n - 2.0 + self.t) / (2.0 * n + 2.0 - self.t);
            let next = times(turn, sum);
            sum = [1.0 + ratio * next[0], ratio * next[1]];
        }
        times(direction, sum)
    }

    fn series(&self, direction: [f64; 2]) -> Series {
        let turn = times(direction, direction);
        let mut out = Series { omega: direction, by_angle: direction, by_f: [0.0; 2], by_t: [0.0; 2] };
        // Term n is f times `part`, so that the derivative by f exists also for f = 0.
        let (mut part, mut scale, mut log_slope) = (direction, 1.0, 0.0);
        for n in 1..=self.terms.max(1) {
            let m = n as f64;
            let (above, below) = (2.0 * m - 2.0 + self.t, 2.0 * m + 2.0 - self.t);
            let next = times(part, turn);
            part = [-next[0] * scale * above / below, -next[1] * scale * above / below];
            scale = self.f;
            log_slope += 1.0 / above + 1.0 / below;
            for (axis, part) in part.iter().enumerate() {
                let term = self.f * part;
                out.omega[axis] += term;
                out.by_angle[axis] += (2.0 * m + 1.0) * term;
                out.by_f[axis] += m * part;
                out.by_t[axis] += log_slope * term;
            }
        }
        out
    }
}

impl EllipticalProfile<2> for PowerLawProfile {
    fn new(q: f64, [einstein_radius, slope]: [f64; 2]) -> Self {
        let f = (1.0 - q) / (1.0 + q);
        // Until a term is below 1e-17 of the first; terms fall by f at each step.
        let terms = if f < 1e-12 { 1 } else { (-39.0 / f.ln()).ceil().clamp(1.0, 400.0) as usize };
        Self { q, t: slope - 1.0, einstein_radius, b: einstein_radius * q.sqrt(), f, terms }
    }

    #[inline(always)]
    fn deflection(&self, u: f64, v: f64) -> [f64; 2] {
        let (radius, direction) = self.polar(u, v);
        let factor = self.factor(radius);
        let [a, b] = self.omega(direction);
        [factor * a, factor * b]
    }

    /// The deflection is homogeneous of degree `1 - t`: with the convergence that fixes all second derivatives.
    #[inline(always)]
    fn hessian(&self, u: f64, v: f64) -> [f64; 3] {
        let (radius, direction) = self.polar(u, v);
        let factor = self.factor(radius);
        let [a, b] = self.omega(direction);
        let (au, av) = (factor * a, factor * b);
        let kappa = 0.5 * (2.0 - self.t) * factor * (1.0 + self.q) / (2.0 * radius);
        let square = u * u + v * v + 1e-200;
        // gamma = ((1 - t) alpha - kappa z) / conj(z).
        let (re, im) = ((1.0 - self.t) * au - kappa * u, (1.0 - self.t) * av - kappa * v);
        let (gamma1, gamma2) = ((re * u - im * v) / square, (re * v + im * u) / square);
        [kappa + gamma1, gamma2, kappa - gamma1]
    }

    #[inline(always)]
    fn potential(&self, u: f64, v: f64) -> f64 {
        let [au, av] = self.deflection(u, v);
        (u * au + v * av) / (2.0 - self.t)
    }

    fn gradient(&self, u: f64, v: f64) -> ([f64; 2], [f64; 2], [[f64; 2]; 2]) {
        let (radius, direction) = self.polar(u, v);
        let series = self.series(direction);
        let factor = self.factor(radius);
        let (q, t) = (self.q, self.t);
        let alpha = [factor * series.omega[0], factor * series.omega[1]];
        let square = radius * radius;
        // Of ln factor, of the elliptical angle, of f.
        let by_q = t / (2.0 * q) - 1.0 / (1.0 + q) + (1.0 - t) * q * u * u / square;
        let angle_by_q = -u * v / square;
        let f_by_q = -2.0 / ((1.0 + q) * (1.0 + q));
        let turned = [-series.by_angle[1], series.by_angle[0]];
        let log_ratio = (self.b / radius).max(1e-290).ln();
        let pick =
            |axis: usize| factor * (by_q * series.omega[axis] + angle_by_q * turned[axis] + f_by_q * series.by_f[axis]);
        let by_slope = |axis: usize| factor * (log_ratio * series.omega[axis] + series.by_t[axis]);
        let by_radius = |axis: usize| t * alpha[axis] / self.einstein_radius;
        (alpha, [pick(0), pick(1)], [[by_radius(0), by_radius(1)], [by_slope(0), by_slope(1)]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::{Deflector, Sie};

    fn lens(slope: f64) -> PowerLaw {
        PowerLaw {
            einstein_radius_arcsec: 1.2,
            slope,
            axis_ratio: 0.7,
            position_angle_deg: 0.0,
            x_arcsec: 0.0,
            y_arcsec: 0.0,
        }
    }

    /// 200 terms of the series in f64; lenstronomy 1.14.2 agrees to 6e-16.
    #[test]
    fn deflection_has_its_golden_values() {
        for (slope, expected) in [(1.8, [0.787_063_662_8, 0.618_797_213_1]), (2.2, [1.091_407_120_2, 0.806_267_362_7])]
        {
            let found = lens(slope).prepare().deflection(0.5, 0.3);
            assert!((0..2).all(|k| (found[k] - expected[k]).abs() < 1e-10), "{slope}: {found:?}");
        }
    }

    #[test]
    fn slope_two_is_the_isothermal_ellipsoid() {
        for q in [0.25, 0.7, 1.0] {
            let sie = Sie {
                einstein_radius_arcsec: 1.2,
                axis_ratio: q,
                position_angle_deg: 25.0,
                x_arcsec: 0.1,
                y_arcsec: 0.0,
            };
            let law = PowerLaw { axis_ratio: q, position_angle_deg: 25.0, x_arcsec: 0.1, ..lens(2.0) };
            let (sie, law) = (sie.prepare(), law.prepare());
            for [x, y] in [[0.5, 0.3], [-1.0, 0.02], [0.11, 3.0], [1e-3, -1e-3]] {
                let (a, b) = (sie.deflection(x, y), law.deflection(x, y));
                assert!((0..2).all(|k| (a[k] - b[k]).abs() < 1e-13), "{q}: {a:?} {b:?}");
                let (a, b) = (sie.hessian(x, y), law.hessian(x, y));
                assert!((0..3).all(|k| (a[k] - b[k]).abs() < 1e-11 * (1.0 + a[k].abs())), "{q}: {a:?} {b:?}");
            }
        }
    }

    #[test]
    fn derivatives_agree_with_finite_differences() {
        for own in [[1.2, 2.0], [0.8, 1.7], [1.4, 2.35]] {
            crate::studies::lens_models::elliptical::check_elliptical::<PowerLawProfile, 2>(own, 2e-7);
        }
    }

    /// The mean convergence inside the ellipse of the Einstein radius is 1: the flux of the deflection through it is twice its area.
    #[test]
    fn the_einstein_radius_encloses_a_mean_convergence_of_one() {
        for slope in [1.7, 2.3] {
            let (law, q) = (lens(slope).prepare(), 0.7f64);
            let n = 2000;
            let flux: f64 = (0..n)
                .map(|i| {
                    let phase = std::f64::consts::TAU * (f64::from(i) + 0.5) / f64::from(n);
                    let (a, b) = (1.2 / q.sqrt(), 1.2 * q.sqrt());
                    let [ax, ay] = law.deflection(a * phase.cos(), b * phase.sin());
                    // Outward normal times arc length.
                    (ax * b * phase.cos() + ay * a * phase.sin()) * std::f64::consts::TAU / f64::from(n)
                })
                .sum();
            let mean = flux / (2.0 * std::f64::consts::PI * 1.2 * 1.2);
            assert!((mean - 1.0).abs() < 1e-10, "{slope}: {mean}");
        }
    }

    #[test]
    fn the_centre_is_finite() {
        let law = lens(1.9).prepare();
        assert!(law.deflection(0.0, 0.0).iter().all(|a| a.abs() < 1e-6));
        let (_, by_frame, by_own) = law.deflection_with_gradient(0.0, 0.0);
        assert!(by_frame.iter().chain(&by_own).flatten().all(|v| v.is_finite()));
    }
}
