//! The lens with closed forms for everything: singular isothermal ellipsoid plus external shear.

use serde::{Deserialize, Serialize};

use super::{Deflector, PreparedSie, SIE_PARAMETERS, Sie, axis_ratio_and_angle};

/// External shear about the image centre: potential `gamma1 (x^2 - y^2) / 2 + gamma2 x y`, so alone it maps
/// `(x, y)` to `((1 - gamma1) x - gamma2 y, (1 + gamma1) y - gamma2 x)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shear {
    /// Positive values stretch images along x, negative ones along y.
    pub gamma1: f64,
    /// Positive values stretch images along the diagonal y = x, negative ones along y = -x.
    pub gamma2: f64,
}

impl Shear {
    /// Strength `sqrt(gamma1^2 + gamma2^2)`.
    pub fn strength(&self) -> f64 {
        self.gamma1.hypot(self.gamma2)
    }

    /// Direction of the shear in degrees, in [0, 180).
    pub fn angle_deg(&self) -> f64 {
        axis_ratio_and_angle([self.gamma1, self.gamma2]).1
    }
}

/// A singular isothermal ellipsoid with external shear: critical curves and images have closed forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsothermalLens {
    /// The galaxy.
    pub sie: Sie,
    /// What surrounds it.
    pub shear: Shear,
}

/// Parameters that a fit moves: `[einstein_radius, e1, e2, x, y, gamma1, gamma2]`.
pub const ISOTHERMAL_PARAMETERS: usize = SIE_PARAMETERS + 2;

impl IsothermalLens {
    /// Ready for evaluation at many points.
    pub fn prepare(&self) -> PreparedIsothermal {
        PreparedIsothermal { sie: self.sie.prepare(), gamma1: self.shear.gamma1, gamma2: self.shear.gamma2 }
    }

    /// The parameters of a fit.
    pub fn parameters(&self) -> [f64; ISOTHERMAL_PARAMETERS] {
        let [e1, e2] = super::ellipticity(self.sie.axis_ratio, self.sie.position_angle_deg);
        let Sie { einstein_radius_arcsec, x_arcsec, y_arcsec, .. } = self.sie;
        [einstein_radius_arcsec, e1, e2, x_arcsec, y_arcsec, self.shear.gamma1, self.shear.gamma2]
    }

    /// The model with these parameters of a fit.
    pub fn from_parameters(
        [einstein_radius_arcsec, e1, e2, x_arcsec, y_arcsec, gamma1, gamma2]: [f64; ISOTHERMAL_PARAMETERS],
    ) -> Self {
        let (axis_ratio, position_angle_deg) = axis_ratio_and_angle([e1, e2]);
        Self {
            sie: Sie { einstein_radius_arcsec, axis_ratio, position_angle_deg, x_arcsec, y_arcsec },
            shear: Shear { gamma1, gamma2 },
        }
    }
}

/// A [`IsothermalLens`] ready for evaluation at many points. Positions in arcsec.
#[derive(Clone, Copy, Debug)]
pub struct PreparedIsothermal {
    /// The galaxy.
    pub sie: PreparedSie,
    gamma1: f64,
    gamma2: f64,
}

impl PreparedIsothermal {
    /// From the parameters `[einstein_radius, e1, e2, x, y, gamma1, gamma2]` of a fit.
    pub fn new([radius, e1, e2, x, y, gamma1, gamma2]: [f64; ISOTHERMAL_PARAMETERS]) -> Self {
        Self { sie: PreparedSie::new([radius, e1, e2, x, y]), gamma1, gamma2 }
    }

    /// Shear components `[gamma1, gamma2]`.
    pub fn shear(&self) -> [f64; 2] {
        [self.gamma1, self.gamma2]
    }

    /// Deflection and its derivatives with respect to `[einstein_radius, e1, e2, x, y, gamma1, gamma2]`, each `[x, y]`.
    #[inline(always)]
    pub fn deflection_with_gradient(&self, x: f64, y: f64) -> ([f64; 2], [[f64; 2]; ISOTHERMAL_PARAMETERS]) {
        let ([ax, ay], [radius, e1, e2, dx, dy]) = self.sie.deflection_with_gradient(x, y);
        let alpha = [ax + self.gamma1 * x + self.gamma2 * y, ay + self.gamma2 * x - self.gamma1 * y];
        (alpha, [radius, e1, e2, dx, dy, [x, -y], [y, x]])
    }

    /// Signed magnification; infinite on a critical curve.
    pub fn magnification(&self, x: f64, y: f64) -> f64 {
        1.0 / self.inverse_magnification(x, y)
    }
}

impl Deflector for PreparedIsothermal {
    #[inline(always)]
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        let [ax, ay] = self.sie.deflection(x, y);
        [ax + self.gamma1 * x + self.gamma2 * y, ay + self.gamma2 * x - self.gamma1 * y]
    }

    #[inline(always)]
    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        let [xx, xy, yy] = self.sie.hessian(x, y);
        [xx + self.gamma1, xy + self.gamma2, yy - self.gamma1]
    }

    fn potential(&self, x: f64, y: f64) -> f64 {
        self.sie.potential(x, y) + 0.5 * self.gamma1 * (x * x - y * y) + self.gamma2 * x * y
    }

    #[inline(always)]
    fn convergence(&self, x: f64, y: f64) -> f64 {
        self.sie.convergence(x, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lens() -> IsothermalLens {
        IsothermalLens {
            sie: Sie { x_arcsec: 0.05, y_arcsec: -0.03, ..Sie::default() },
            shear: Shear { gamma1: 0.04, gamma2: -0.06 },
        }
    }

    /// 1 / (1 - 2 kappa) at three points, as above confirmed by lenstronomy to 3e-6.
    #[test]
    fn magnification_has_its_golden_values() {
        let model = IsothermalLens {
            sie: Sie {
                einstein_radius_arcsec: 1.2,
                axis_ratio: 0.7,
                position_angle_deg: 0.0,
                x_arcsec: 0.0,
                y_arcsec: 0.0,
            },
            shear: Shear::default(),
        };
        for ([x, y], mu) in [([0.5, 0.3], -0.848_92), ([1.0, -0.4], -4.076_66), ([2.0, 1.5], 1.958_16)] {
            let found = model.prepare().magnification(x, y);
            assert!((found - mu).abs() < 1e-5 * mu.abs().max(1.0), "{found}");
        }
    }

    #[test]
    fn shear_deflects_sources_as_its_potential_says() {
        let prepared = lens().prepare();
        let h = 1e-5;
        for [x, y] in [[0.8, 0.3], [-1.1, 0.9]] {
            let alpha = prepared.deflection(x, y);
            let gx = (prepared.potential(x + h, y) - prepared.potential(x - h, y)) / (2.0 * h);
            let gy = (prepared.potential(x, y + h) - prepared.potential(x, y - h)) / (2.0 * h);
            assert!((gx - alpha[0]).abs() < 1e-8 && (gy - alpha[1]).abs() < 1e-8);
            let [xx, xy, yy] = prepared.hessian(x, y);
            let right = prepared.deflection(x + h, y);
            let left = prepared.deflection(x - h, y);
            assert!(((right[0] - left[0]) / (2.0 * h) - xx).abs() < 1e-7);
            assert!(((right[1] - left[1]) / (2.0 * h) - xy).abs() < 1e-7);
            let kappa = prepared.convergence(x, y);
            let shear2 = (0.5 * (xx - yy)).powi(2) + xy * xy;
            assert!((prepared.inverse_magnification(x, y) - ((1.0 - kappa).powi(2) - shear2)).abs() < 1e-12);
        }
    }

    /// A circular source under shear alone: the image is longest in the direction that the documentation and `angle_deg` say.
    #[test]
    fn images_are_stretched_along_the_direction_of_the_shear() {
        for (gamma1, gamma2, angle_deg) in [(0.1, 0.0, 0.0), (-0.1, 0.0, 90.0), (0.0, 0.1, 45.0), (0.0, -0.1, 135.0)] {
            let shear = Shear { gamma1, gamma2 };
            assert!((shear.angle_deg() - angle_deg).abs() < 1e-12, "{shear:?}");
            let sie = Sie { einstein_radius_arcsec: 0.0, ..Sie::default() };
            let lens = IsothermalLens { sie, shear }.prepare();
            // The farther a unit step moves in the source plane, the shorter is the image in its direction.
            let length = |degrees: f64| {
                let (sin, cos) = degrees.to_radians().sin_cos();
                let [x, y] = lens.source_from_image(cos, sin);
                1.0 / x.hypot(y)
            };
            assert!((length(angle_deg) - 1.0 / 0.9).abs() < 1e-9, "{shear:?} {}", length(angle_deg));
            assert!((length(angle_deg + 90.0) - 1.0 / 1.1).abs() < 1e-9, "{shear:?}");
        }
    }

    #[test]
    fn derivatives_agree_with_finite_differences() {
        let start = lens().parameters();
        let (x, y) = (0.7, -0.9);
        let (_, gradient) = PreparedIsothermal::new(start).deflection_with_gradient(x, y);
        for k in 0..ISOTHERMAL_PARAMETERS {
            let h = 1e-5;
            let shifted = |by: f64| {
                let mut p = start;
                p[k] += by;
                PreparedIsothermal::new(p).deflection(x, y)
            };
            let (a, b) = (shifted(h), shifted(-h));
            for axis in 0..2 {
                let difference = (a[axis] - b[axis]) / (2.0 * h);
                assert!((difference - gradient[k][axis]).abs() < 1e-6 * difference.abs().max(0.1), "{k} {axis}");
            }
        }
    }

    #[test]
    fn parameters_and_model_are_inverse() {
        let back = IsothermalLens::from_parameters(lens().parameters());
        for (a, b) in back.parameters().iter().zip(lens().parameters()) {
            assert!((a - b).abs() < 1e-14);
        }
        assert!((Shear { gamma1: 0.0, gamma2: 0.1 }.angle_deg() - 45.0).abs() < 1e-12);
    }
}
