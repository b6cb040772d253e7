//! A point mass (a star or black hole in the lens).

use serde::{Deserialize, Serialize};

use super::Deflector;

/// A point mass: deflection `theta_E^2 / r`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointMass {
    /// Einstein radius.
    pub einstein_radius_arcsec: f64,
    /// Place, to the right of the image centre.
    pub x_arcsec: f64,
    /// Place, above the image centre.
    pub y_arcsec: f64,
}

impl PointMass {
    /// Offset from the mass and the inverse square of its distance; 0 at the mass itself, where nothing is defined.
    #[inline(always)]
    fn offset(&self, x: f64, y: f64) -> (f64, f64, f64) {
        let (dx, dy) = (x - self.x_arcsec, y - self.y_arcsec);
        (dx, dy, 1.0 / (dx * dx + dy * dy + 1e-200))
    }

    /// Deflection and its derivatives by `[einstein_radius, x, y]`.
    #[inline(always)]
    pub fn deflection_with_gradient(&self, x: f64, y: f64) -> ([f64; 2], [[f64; 2]; 3]) {
        let (dx, dy, inverse) = self.offset(x, y);
        let twice = 2.0 * self.einstein_radius_arcsec * inverse;
        let [xx, xy, yy] = self.hessian(x, y);
        (self.deflection(x, y), [[twice * dx, twice * dy], [-xx, -xy], [-xy, -yy]])
    }
}

impl Deflector for PointMass {
    #[inline(always)]
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        let (dx, dy, inverse) = self.offset(x, y);
        let factor = self.einstein_radius_arcsec * self.einstein_radius_arcsec * inverse;
        [factor * dx, factor * dy]
    }

    #[inline(always)]
    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        let (dx, dy, inverse) = self.offset(x, y);
        let factor = (self.einstein_radius_arcsec * inverse).powi(2);
        let xx = factor * (dy * dy - dx * dx);
        [xx, -2.0 * factor * dx * dy, -xx]
    }

    fn potential(&self, x: f64, y: f64) -> f64 {
        let (dx, dy, _) = self.offset(x, y);
        0.5 * self.einstein_radius_arcsec.powi(2) * (dx * dx + dy * dy + 1e-200).ln()
    }

    fn convergence(&self, _: f64, _: f64) -> f64 {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_lie_where_the_quadratic_says() {
        let mass = PointMass { einstein_radius_arcsec: 1.0, x_arcsec: 0.0, y_arcsec: 0.0 };
        for (beta, images) in [(0.5, [1.280_776_406_4, -0.780_776_406_4]), (1.0, [1.618_033_988_7, -0.618_033_988_7])] {
            let mut total = 0.0;
            for theta in images {
                let [bx, _] = mass.source_from_image(theta, 0.0);
                assert!((bx - beta).abs() < 1e-9, "{bx}");
                total += (1.0 / mass.inverse_magnification(theta, 0.0)).abs();
            }
            let expected = (beta * beta + 2.0) / (beta * (beta * beta + 4.0f64).sqrt());
            assert!((total - expected).abs() < 1e-8);
        }
    }

    /// Signed magnifications of the two images, from the closed form.
    #[test]
    fn magnifications_have_their_golden_values() {
        let mass = PointMass { einstein_radius_arcsec: 1.0, x_arcsec: 0.0, y_arcsec: 0.0 };
        for (beta, expected) in
            [(0.2f64, [3.037_344_835_0, -2.037_344_835_0]), (0.5, [1.591_410_312_7, -0.591_410_312_7])]
        {
            let root = (beta * beta + 4.0).sqrt();
            for (sign, golden) in [1.0, -1.0].into_iter().zip(expected) {
                let mu = 1.0 / mass.inverse_magnification(0.5 * (beta + sign * root), 0.0);
                assert!((mu - golden).abs() < 1e-9, "{mu} {golden}");
            }
        }
    }

    #[test]
    fn derivatives_agree_with_finite_differences() {
        let mass = PointMass { einstein_radius_arcsec: 0.7, x_arcsec: 0.1, y_arcsec: -0.2 };
        let points = [[0.9, 0.4], [-0.3, 1.1], [0.5, -0.6]];
        super::super::deflector::check_derivatives(&mass, &points, 1e-7);
        for [x, y] in points {
            let (_, gradient) = mass.deflection_with_gradient(x, y);
            let h = 1e-5;
            let shifts: [fn(&mut PointMass, f64); 3] =
                [|m, h| m.einstein_radius_arcsec += h, |m, h| m.x_arcsec += h, |m, h| m.y_arcsec += h];
            for (shift, gradient) in shifts.iter().zip(gradient) {
                let at = |by: f64| {
                    let mut moved = mass;
                    shift(&mut moved, by);
                    moved.deflection(x, y)
                };
                let (a, b) = (at(h), at(-h));
                assert!((0..2).all(|k| ((a[k] - b[k]) / (2.0 * h) - gradient[k]).abs() < 1e-7));
            }
        }
    }
}
