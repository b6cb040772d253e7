//! Multipoles of an isothermal mass: boxy and disky galaxies (Xu et al. 2015, MNRAS 447, 3189, section 3).

use serde::{Deserialize, Serialize};

use super::Deflector;

/// A multipole of order `m` (2 to 12; others are taken as the nearest of these) of isothermal radial shape: convergence `(a cos(m theta) + b sin(m theta)) / (2 r)`,
/// with the polar angle `theta` from +x about its centre. It adds no mass; `a` and `b` are linear.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Multipole {
    /// Order: 3 or 4 as a rule.
    pub order: u32,
    /// Cosine amplitude.
    pub a_arcsec: f64,
    /// Sine amplitude.
    pub b_arcsec: f64,
    /// Centre, to the right of the image centre.
    pub x_arcsec: f64,
    /// Centre, above the image centre.
    pub y_arcsec: f64,
}

impl Multipole {
    /// The order, kept where the profile is defined.
    fn m(&self) -> u32 {
        self.order.clamp(2, 12)
    }

    /// Amplitude `k = sqrt(a^2 + b^2)` (arcsec) and the angle (degrees, in `[0, 360 / m)`) of its first maximum.
    pub fn amplitude_and_angle(&self) -> (f64, f64) {
        let period = 360.0 / f64::from(self.m());
        let angle = self.b_arcsec.atan2(self.a_arcsec).to_degrees() / f64::from(self.m());
        (self.a_arcsec.hypot(self.b_arcsec), angle.rem_euclid(period))
    }

    /// Radius, unit vector, and `[cos m theta, sin m theta]`.
    #[inline(always)]
    fn polar(&self, x: f64, y: f64) -> (f64, [f64; 2], [f64; 2]) {
        let (dx, dy) = (x - self.x_arcsec, y - self.y_arcsec);
        let radius = (dx * dx + dy * dy + 1e-200).sqrt();
        let (cos, sin) = (dx / radius, dy / radius);
        let (mut c, mut s) = (1.0, 0.0);
        for _ in 0..self.m() {
            (c, s) = (c * cos - s * sin, c * sin + s * cos);
        }
        (radius, [cos, sin], [c, s])
    }

    /// Deflection of a multipole with the angular part `f(theta)` of the potential `r f` and its derivative.
    #[inline(always)]
    fn vector([cos, sin]: [f64; 2], f: f64, slope: f64) -> [f64; 2] {
        [f * cos - slope * sin, f * sin + slope * cos]
    }

    /// Deflection and its derivatives by `[a, b, x, y]`.
    #[inline(always)]
    pub fn deflection_with_gradient(&self, x: f64, y: f64) -> ([f64; 2], [[f64; 2]; 4]) {
        let (_, direction, [c, s]) = self.polar(x, y);
        let m = f64::from(self.m());
        let scale = 1.0 / (1.0 - m * m);
        let by_a = Self::vector(direction, scale * c, -scale * m * s);
        let by_b = Self::vector(direction, scale * s, scale * m * c);
        let [xx, xy, yy] = self.hessian(x, y);
        (self.deflection(x, y), [by_a, by_b, [-xx, -xy], [-xy, -yy]])
    }
}

impl Deflector for Multipole {
    #[inline(always)]
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        let (_, direction, [c, s]) = self.polar(x, y);
        let m = f64::from(self.m());
        let scale = 1.0 / (1.0 - m * m);
        let (f, slope) = (self.a_arcsec * c + self.b_arcsec * s, m * (self.b_arcsec * c - self.a_arcsec * s));
        Self::vector(direction, scale * f, scale * slope)
    }

    #[inline(always)]
    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        let (radius, [cos, sin], [c, s]) = self.polar(x, y);
        let factor = (self.a_arcsec * c + self.b_arcsec * s) / radius;
        [factor * sin * sin, -factor * sin * cos, factor * cos * cos]
    }

    fn potential(&self, x: f64, y: f64) -> f64 {
        let (radius, _, [c, s]) = self.polar(x, y);
        let m = f64::from(self.m());
        radius * (self.a_arcsec * c + self.b_arcsec * s) / (1.0 - m * m)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_agree_with_finite_differences() {
        for order in [2, 3, 4] {
            let pole = Multipole { order, a_arcsec: 0.05, b_arcsec: -0.03, x_arcsec: 0.1, y_arcsec: 0.05 };
            let points = [[0.9, 0.4], [-0.3, 1.1], [0.2, -0.35]];
            super::super::deflector::check_derivatives(&pole, &points, 1e-8);
            for [x, y] in points {
                let (_, gradient) = pole.deflection_with_gradient(x, y);
                let shifts: [fn(&mut Multipole, f64); 4] =
                    [|m, h| m.a_arcsec += h, |m, h| m.b_arcsec += h, |m, h| m.x_arcsec += h, |m, h| m.y_arcsec += h];
                for (shift, gradient) in shifts.iter().zip(gradient) {
                    let at = |by: f64| {
                        let mut moved = pole;
                        shift(&mut moved, by);
                        moved.deflection(x, y)
                    };
                    let (a, b) = (at(1e-5), at(-1e-5));
                    assert!((0..2).all(|k| ((a[k] - b[k]) / 2e-5 - gradient[k]).abs() < 1e-8));
                }
            }
        }
    }

    #[test]
    fn convergence_is_what_the_documentation_says() {
        let pole = Multipole { order: 4, a_arcsec: 0.04, b_arcsec: 0.0, x_arcsec: 0.0, y_arcsec: 0.0 };
        assert!((pole.convergence(2.0, 0.0) - 0.01).abs() < 1e-15);
        assert!((pole.convergence(1.0, 1.0) + 0.04 / (2.0 * 2.0f64.sqrt())).abs() < 1e-15);
        assert_eq!(pole.amplitude_and_angle(), (0.04, 0.0));
        let turned = Multipole { order: 3, a_arcsec: 0.0, b_arcsec: -0.02, ..pole };
        assert!((turned.amplitude_and_angle().1 - 90.0).abs() < 1e-12);
    }
}
