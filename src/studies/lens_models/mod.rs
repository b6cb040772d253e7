//! Parametric gravitational lenses and galaxies: deflection, light, their derivatives, critical curves and images.
//!
//! Conventions, the same everywhere:
//! - Angles on the sky in arcsec, in a frame whose origin is the centre of the image, at pixel `(n - 1) / 2`;
//!   x grows with the column index, y with the row index.
//! - Position angles in degrees, counter-clockwise from +x to the major axis.
//! - Sizes and Einstein radii along the intermediate axis (geometric mean of major and minor):
//!   elliptical radius `R^2 = q x'^2 + y'^2 / q`, so that an ellipse `R = const` has area `pi R^2` whatever its axis ratio.
//! - Surface densities in units of the critical surface density (convergence), deflections reduced (source plane = image - deflection).
//! - Fits move the ellipticity vector `e = (1 - q) / (1 + q) (cos 2 phi, sin 2 phi)`, which is smooth at q = 1.
//!
//! [`Sis`], [`Sie`], [`PowerLaw`], [`Nfw`], [`PseudoJaffe`], [`PointMass`], [`Multipole`], [`Shear`] and [`Sersic`] are what users see; a [`LensModel`] is
//! made of them; `prepare` gives the form that is fast per pixel. Whatever deflects is a [`Deflector`]: [`lens_curves`] and [`ImageFinder`] take any.

mod curves;
mod deflector;
mod elliptical;
mod geometry;
mod images;
mod isothermal;
mod isothermal_lens;
mod lens;
mod mass;
mod multipole;
mod nfw;
mod nfw_table;
mod pixelated;
mod point_mass;
mod power_law;
mod sersic;
mod sie;
mod sis;

pub use curves::{Curve, LensCurves, Window, lens_curves};
pub use deflector::{Deflector, Sheet};
pub use elliptical::{Elliptical, EllipticalProfile, FRAME_PARAMETERS};
pub use geometry::{CriticalCurves, Image, critical_curves, images_of_point};
pub use images::ImageFinder;
pub use isothermal::{CoredIsothermal, PreparedPseudoJaffe, PseudoJaffe};
pub use isothermal_lens::{ISOTHERMAL_PARAMETERS, IsothermalLens, PreparedIsothermal, Shear};
pub use lens::{
    GALAXY_PARAMETERS, ISOTHERMAL_SLOPE, LensLayout, LensModel, MOST_FURTHER, MOST_PARAMETERS, PreparedLens, SLOPE,
};
pub use mass::{Mass, MassKind, PreparedMass};
pub use multipole::Multipole;
pub use nfw::{Nfw, NfwProfile, nfw_convergence};
pub use pixelated::{DeflectionScratch, PixelDeflection};
pub use point_mass::PointMass;
pub use power_law::{PowerLaw, PowerLawProfile};
pub use sersic::{PreparedSersic, SERSIC_PARAMETERS, Sersic, SersicGradient};
pub use sie::{PreparedSie, SIE_PARAMETERS, Sie};
pub use sis::Sis;

/// Ellipticity vector of an axis ratio (0 < q <= 1) and a position angle in degrees.
pub fn ellipticity(axis_ratio: f64, position_angle_deg: f64) -> [f64; 2] {
    let e = (1.0 - axis_ratio) / (1.0 + axis_ratio);
    let (sin, cos) = (2.0 * position_angle_deg.to_radians()).sin_cos();
    [e * cos, e * sin]
}

/// Axis ratio and position angle (degrees, in [0, 180)) of an ellipticity vector. A circle gets the angle 0.
pub fn axis_ratio_and_angle(e: [f64; 2]) -> (f64, f64) {
    let length = e[0].hypot(e[1]);
    let angle = 0.5 * e[1].atan2(e[0]).to_degrees();
    let angle = angle.rem_euclid(180.0);
    // rem_euclid can round up to 180 itself.
    ((1.0 - length) / (1.0 + length), if angle < 180.0 { angle } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ellipticity_and_axis_ratio_are_inverse() {
        for q in [0.2, 0.55, 0.99] {
            for angle in [0.0, 17.0, 90.0, 179.0] {
                let (q2, angle2) = axis_ratio_and_angle(ellipticity(q, angle));
                assert!((q - q2).abs() < 1e-14 && (angle - angle2).abs() < 1e-10, "{q} {angle}");
            }
        }
        assert_eq!(axis_ratio_and_angle([0.0, 0.0]), (1.0, 0.0));
    }
}
