//! The singular isothermal sphere: small galaxies and satellites.

use serde::{Deserialize, Serialize};

use super::Deflector;

/// A singular isothermal sphere: deflection of constant length `theta_E`, convergence `theta_E / (2 r)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sis {
    /// Einstein radius; 0 for no mass.
    pub einstein_radius_arcsec: f64,
    /// Centre, to the right of the image centre.
    pub x_arcsec: f64,
    /// Centre, above the image centre.
    pub y_arcsec: f64,
}

impl Sis {
    /// Offset from the centre and the inverse of its length; the tiny term keeps the centre finite.
    #[inline(always)]
    fn offset(&self, x: f64, y: f64) -> (f64, f64, f64) {
        let (dx, dy) = (x - self.x_arcsec, y - self.y_arcsec);
        (dx, dy, 1.0 / (dx * dx + dy * dy + 1e-200).sqrt())
    }

    /// Deflection and its derivatives by `[einstein_radius, x, y]`.
    #[inline(always)]
    pub fn deflection_with_gradient(&self, x: f64, y: f64) -> ([f64; 2], [[f64; 2]; 3]) {
        let (dx, dy, inverse) = self.offset(x, y);
        let unit = [dx * inverse, dy * inverse];
        let [xx, xy, yy] = self.hessian(x, y);
        (unit.map(|u| self.einstein_radius_arcsec * u), [unit, [-xx, -xy], [-xy, -yy]])
    }
}

impl Deflector for Sis {
    #[inline(always)]
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        let (dx, dy, inverse) = self.offset(x, y);
        let factor = self.einstein_radius_arcsec * inverse;
        [factor * dx, factor * dy]
    }

    #[inline(always)]
    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        let (dx, dy, inverse) = self.offset(x, y);
        let factor = self.einstein_radius_arcsec * inverse * inverse * inverse;
        [factor * dy * dy, -factor * dx * dy, factor * dx * dx]
    }

    fn potential(&self, x: f64, y: f64) -> f64 {
        let (dx, dy, _) = self.offset(x, y);
        self.einstein_radius_arcsec * dx.hypot(dy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::deflector::check_derivatives;

    /// Images at `beta +- theta_E`, magnified by `1 +- theta_E / beta`, a Fermat difference of `2 theta_E beta`.
    #[test]
    fn images_lie_where_the_closed_form_says() {
        let lens = Sis { einstein_radius_arcsec: 1.1, x_arcsec: 0.0, y_arcsec: 0.0 };
        let beta = 0.4;
        let [near, far] = [beta - 1.1, beta + 1.1];
        for (image, magnification) in [(far, 1.0 + 1.1 / beta), (near, 1.0 - 1.1 / beta)] {
            assert!((lens.source_from_image(image, 0.0)[0] - beta).abs() < 1e-14);
            assert!((1.0 / lens.inverse_magnification(image, 0.0) - magnification).abs() < 1e-12);
        }
        let fermat = |x: f64| lens.fermat_potential([x, 0.0], [beta, 0.0]);
        assert!((fermat(near) - fermat(far) - 2.0 * 1.1 * beta).abs() < 1e-13);
    }

    #[test]
    fn derivatives_agree_with_finite_differences() {
        let lens = Sis { einstein_radius_arcsec: 0.7, x_arcsec: 0.2, y_arcsec: -0.1 };
        check_derivatives(&lens, &[[1.0, 0.3], [-0.4, 0.8], [0.25, -0.3]], 1e-7);
    }
}
