//! The elliptical Sersic profile (Sersic 1963; Graham & Driver 2005, PASA 22, 118).

use serde::{Deserialize, Serialize};

use super::{axis_ratio_and_angle, ellipticity};
use crate::numerics::fast_math::{exp, ln};
use crate::numerics::special::sersic_b_and_slope;

/// Elliptical Sersic surface brightness `amplitude exp(-b_n ((R / R_e)^(1/n) - 1))`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sersic {
    /// Surface brightness at the effective radius, in the image's unit per pixel.
    pub amplitude: f64,
    /// Effective radius along the intermediate axis: half of the light lies inside.
    pub effective_radius_arcsec: f64,
    /// Sersic index: 1 is exponential, 4 is de Vaucouleurs.
    pub index: f64,
    /// Axis ratio, minor over major.
    pub axis_ratio: f64,
    /// Angle of the major axis, counter-clockwise from +x.
    pub position_angle_deg: f64,
    /// Centre, to the right of the image centre.
    pub x_arcsec: f64,
    /// Centre, above the image centre.
    pub y_arcsec: f64,
}

impl Default for Sersic {
    fn default() -> Self {
        Self {
            amplitude: 1.0,
            effective_radius_arcsec: 0.2,
            index: 1.0,
            axis_ratio: 0.8,
            position_angle_deg: 0.0,
            x_arcsec: 0.0,
            y_arcsec: 0.0,
        }
    }
}

/// Parameters that a fit moves: `[amplitude, x, y, effective_radius, e1, e2, index]`.
pub const SERSIC_PARAMETERS: usize = 7;

/// Softening of the squared radius (arcsec^2): keeps the gradient finite at the centre.
const SOFTENING: f64 = 1e-12;

impl Sersic {
    /// Ready for evaluation at many points.
    pub fn prepare(&self) -> PreparedSersic {
        PreparedSersic::new(self.parameters())
    }

    /// The parameters of a fit.
    pub fn parameters(&self) -> [f64; SERSIC_PARAMETERS] {
        let [e1, e2] = ellipticity(self.axis_ratio, self.position_angle_deg);
        [self.amplitude, self.x_arcsec, self.y_arcsec, self.effective_radius_arcsec, e1, e2, self.index]
    }

    /// The profile with these parameters of a fit.
    pub fn from_parameters(p: [f64; SERSIC_PARAMETERS]) -> Self {
        let [amplitude, x_arcsec, y_arcsec, effective_radius_arcsec, e1, e2, index] = p;
        let (axis_ratio, position_angle_deg) = axis_ratio_and_angle([e1, e2]);
        Self { amplitude, effective_radius_arcsec, index, axis_ratio, position_angle_deg, x_arcsec, y_arcsec }
    }

    /// Light inside infinite radius, in surface brightness times arcsec^2 (Graham & Driver 2005, eq. 4).
    pub fn total_flux(&self) -> f64 {
        let n = self.index;
        let b = crate::numerics::special::sersic_b(n);
        let gamma = crate::numerics::special::ln_gamma(2.0 * n).exp();
        let radius = self.effective_radius_arcsec;
        self.amplitude * std::f64::consts::TAU * radius * radius * n * (b - 2.0 * n * b.ln()).exp() * gamma
    }
}

/// A [`Sersic`] with everything that does not depend on the point computed once.
#[derive(Clone, Copy, Debug)]
pub struct PreparedSersic {
    amplitude: f64,
    x: f64,
    y: f64,
    e1: f64,
    e2: f64,
    /// 1 / (1 - e^2) and (1 + e^2).
    widen: f64,
    round: f64,
    inverse_radius: f64,
    inverse_radius2: f64,
    /// 1 / (2 n).
    half_power: f64,
    b: f64,
    b_slope: f64,
    /// Square of the softening length.
    softening: f64,
}

/// Derivatives of a surface brightness at one point.
#[derive(Clone, Copy, Debug)]
pub struct SersicGradient {
    /// Surface brightness.
    pub value: f64,
    /// With respect to the position, `[x, y]`.
    pub position: [f64; 2],
    /// With respect to `[amplitude, x, y, effective_radius, e1, e2, index]`.
    pub parameters: [f64; SERSIC_PARAMETERS],
}

impl PreparedSersic {
    /// From the parameters `[amplitude, x, y, effective_radius, e1, e2, index]` of a fit.
    pub fn new([amplitude, x, y, radius, e1, e2, index]: [f64; SERSIC_PARAMETERS]) -> Self {
        let e = e1 * e1 + e2 * e2;
        let (b, b_slope) = sersic_b_and_slope(index);
        Self {
            amplitude,
            x,
            y,
            e1,
            e2,
            widen: 1.0 / (1.0 - e),
            round: 1.0 + e,
            inverse_radius: 1.0 / radius,
            inverse_radius2: 1.0 / (radius * radius),
            half_power: 0.5 / index,
            b,
            b_slope,
            softening: SOFTENING,
        }
    }

    /// Centre (arcsec).
    pub fn centre(&self) -> [f64; 2] {
        [self.x, self.y]
    }

    /// The same profile with another amplitude.
    #[must_use]
    pub fn with_amplitude(mut self, amplitude: f64) -> Self {
        self.amplitude = amplitude;
        self
    }

    /// The same profile with its radius replaced by `sqrt(R^2 + length^2)`: for images sampled on a grid, whose samples would otherwise
    /// jump as the central cusp passes between them. `length` in arcsec, a fraction of the distance of samples.
    #[must_use]
    pub fn softened(mut self, length: f64) -> Self {
        self.softening = (length * length).max(SOFTENING);
        self
    }

    /// Squared elliptical radius `q x'^2 + y'^2 / q`, written with the ellipticity vector so that no angle is needed.
    #[inline(always)]
    fn radius2(&self, dx: f64, dy: f64) -> f64 {
        let stretched = self.e1 * (dx * dx - dy * dy) + 2.0 * self.e2 * dx * dy;
        (self.round * (dx * dx + dy * dy) - 2.0 * stretched) * self.widen + self.softening
    }

    /// Surface brightness at (x, y).
    #[inline(always)]
    pub fn value(&self, x: f64, y: f64) -> f64 {
        let r2 = self.radius2(x - self.x, y - self.y) * self.inverse_radius2;
        let t = exp(ln(r2) * self.half_power);
        self.amplitude * exp(self.b * (1.0 - t))
    }

    /// Surface brightness and all its derivatives at (x, y).
    #[inline(always)]
    pub fn gradient(&self, x: f64, y: f64) -> SersicGradient {
        let (dx, dy) = (x - self.x, y - self.y);
        let radius2 = self.radius2(dx, dy);
        let log = ln(radius2 * self.inverse_radius2);
        let t = exp(log * self.half_power);
        let unit = exp(self.b * (1.0 - t));
        let value = self.amplitude * unit;
        // d ln I / d ln R^2
        let steepness = value * self.b * t * self.half_power;
        let by_radius2 = -steepness / radius2;
        let twice_widen = 2.0 * self.widen;
        let position = [
            by_radius2 * twice_widen * (self.round * dx - 2.0 * (self.e1 * dx + self.e2 * dy)),
            by_radius2 * twice_widen * (self.round * dy - 2.0 * (self.e2 * dx - self.e1 * dy)),
        ];
        let r2 = dx * dx + dy * dy;
        let by_e1 =
            by_radius2 * twice_widen * (self.e1 * r2 - (dx * dx - dy * dy) + self.e1 * (radius2 - self.softening));
        let by_e2 = by_radius2 * twice_widen * (self.e2 * r2 - 2.0 * dx * dy + self.e2 * (radius2 - self.softening));
        let by_effective_radius = 2.0 * steepness * self.inverse_radius;
        // R^(1/n) falls with n as -t ln(R / R_e) / n^2; 1 / n^2 = 4 half_power^2 and ln(R / R_e) = log / 2.
        let by_index = value * (self.b_slope * (1.0 - t) + 2.0 * self.b * t * log * self.half_power * self.half_power);
        SersicGradient {
            value,
            position,
            parameters: [unit, -position[0], -position[1], by_effective_radius, by_e1, by_e2, by_index],
        }
    }

    /// Elliptical radius (arcsec) of the point (x, y), along the intermediate axis.
    pub fn elliptical_radius(&self, x: f64, y: f64) -> f64 {
        self.radius2(x - self.x, y - self.y).sqrt()
    }

    /// Surface brightness at an elliptical radius (arcsec) and its steepness `|d ln I / dR|` (per arcsec) along the minor axis there.
    /// They say how finely the profile must be sampled.
    pub fn brightness_and_steepness(&self, radius: f64) -> (f64, f64) {
        let radius2 = (radius * radius).max(self.softening);
        let t = exp(ln(radius2 * self.inverse_radius2) * self.half_power);
        let stretch = (1.0 + self.e1.hypot(self.e2)) * self.widen.sqrt();
        let value = self.amplitude * exp(self.b * (1.0 - t));
        (value, 2.0 * self.b * self.half_power * t * stretch / radius2.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_agree_with_finite_differences() {
        for start in [
            [2.0, 0.1, -0.2, 0.4, 0.2, -0.1, 1.0],
            [0.5, 0.0, 0.0, 1.5, 0.0, 0.0, 4.0],
            [1.0, 0.3, 0.3, 0.1, -0.3, 0.3, 0.6],
        ] {
            for [x, y] in [[0.4, 0.1], [-0.2, 0.3], [0.35, 0.33]] {
                let gradient = PreparedSersic::new(start).gradient(x, y);
                let value = |p: [f64; SERSIC_PARAMETERS], x: f64, y: f64| PreparedSersic::new(p).value(x, y);
                assert!((gradient.value / value(start, x, y) - 1.0).abs() < 1e-14);
                let derivative = |f: &dyn Fn(f64) -> f64| {
                    let h = 2e-4;
                    (45.0 * (f(h) - f(-h)) - 9.0 * (f(2.0 * h) - f(-2.0 * h)) + (f(3.0 * h) - f(-3.0 * h))) / (60.0 * h)
                };
                for k in 0..SERSIC_PARAMETERS {
                    let difference = derivative(&|h| {
                        let mut p = start;
                        p[k] += h;
                        value(p, x, y)
                    });
                    let found = gradient.parameters[k];
                    assert!(
                        (difference - found).abs() < 1e-6 * difference.abs().max(0.1 * gradient.value),
                        "{start:?} {k}: {difference} {found}"
                    );
                }
                let along = [derivative(&|h| value(start, x + h, y)), derivative(&|h| value(start, x, y + h))];
                for (a, b) in along.iter().zip(gradient.position) {
                    assert!((a - b).abs() < 1e-6 * a.abs().max(0.1 * gradient.value), "{start:?}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn radius_is_that_of_the_intermediate_axis() {
        let (q, angle) = (0.6f64, 35.0f64);
        let sersic = Sersic {
            axis_ratio: q,
            position_angle_deg: angle,
            effective_radius_arcsec: 0.5,
            amplitude: 3.0,
            ..Sersic::default()
        };
        let (sin, cos) = angle.to_radians().sin_cos();
        // On the isophote R = R_e the brightness is the amplitude: along major and minor axis.
        let (major, minor) = (0.5 / q.sqrt(), 0.5 * q.sqrt());
        for [x, y] in [[major * cos, major * sin], [-minor * sin, minor * cos]] {
            assert!((sersic.prepare().value(x, y) - 3.0).abs() < 1e-9);
        }
    }

    #[test]
    fn half_of_the_light_is_inside_the_effective_radius() {
        for index in [0.7, 1.0, 2.5, 4.0] {
            let sersic = Sersic { index, axis_ratio: 0.7, effective_radius_arcsec: 1.0, ..Sersic::default() };
            let circular = Sersic { axis_ratio: 1.0, ..sersic }.prepare();
            // Rings in the elliptical radius have the area of circular ones.
            let step = 1e-4;
            let inside: f64 = (0..10_000)
                .map(|i| (f64::from(i) + 0.5) * step)
                .map(|r| circular.value(r, 0.0) * std::f64::consts::TAU * r * step)
                .sum();
            assert!((inside / sersic.total_flux() - 0.5).abs() < 1e-5, "n = {index}: {}", inside / sersic.total_flux());
        }
    }
}
