//! The lenses of the benchmark: truths drawn from stated priors, with an image of each.

use std::f64::consts::TAU;

use rand::Rng;

use crate::numerics::random::{stream, uniform, uniform_in};
use crate::studies::lens_models::{
    GALAXY_PARAMETERS, ISOTHERMAL_SLOPE, LensLayout, LensModel, SERSIC_PARAMETERS, Sersic, axis_ratio_and_angle,
    ellipticity,
};
use crate::studies::lens_reconstruction::Scene;
use crate::studies::lens_reconstruction::simulate::SimulationSpec;

/// Pixel of the images (arcsec).
pub const PIXEL_ARCSEC: f64 = 0.08;
/// Full width at half maximum of the PSF (arcsec).
const PSF_FWHM_ARCSEC: f64 = 0.12;
/// White noise of a pixel.
const NOISE: f64 = 0.02;

/// Einstein radius, uniform (arcsec).
const EINSTEIN_RADIUS: [f64; 2] = [0.8, 1.4];
/// Ellipticity vector, uniform in a disc of this radius: axis ratios down to 0.6.
const ELLIPTICITY: f64 = 0.25;
/// Shear vector, uniform in a disc of this radius.
const SHEAR: f64 = 0.1;
/// Centre of the lens, uniform within this much (arcsec).
const CENTRE: f64 = 0.1;
/// Distance of the source from the lens, uniform over a disc of this radius, in Einstein radii: four images, two, and arcs between.
const SOURCE_DISTANCE: f64 = 0.35;
/// Effective radius of the source, uniform (arcsec).
const SOURCE_RADIUS: [f64; 2] = [0.1, 0.25];
/// Sersic index of the source, uniform.
const SOURCE_INDEX: [f64; 2] = [0.7, 2.5];
/// Ellipticity vector of the source, uniform in a disc of this radius.
const SOURCE_ELLIPTICITY: f64 = 0.3;
/// Brightness of the source at its effective radius, uniform: 5 to 25 times the noise of a pixel.
const SOURCE_BRIGHTNESS: [f64; 2] = [0.1, 0.5];
/// Lens light: brightness at the effective radius, effective radius (arcsec), Sersic index, ellipticity; all uniform.
const LIGHT_BRIGHTNESS: [f64; 2] = [0.1, 0.4];
const LIGHT_RADIUS: [f64; 2] = [0.4, 0.9];
const LIGHT_INDEX: [f64; 2] = [2.0, 4.5];

/// A point of the disc of radius `r`, uniform in area.
fn in_disc(rng: &mut impl Rng, r: f64) -> [f64; 2] {
    let (radius, angle) = (r * uniform(rng).sqrt(), TAU * uniform(rng));
    [radius * angle.cos(), radius * angle.sin()]
}

fn between(rng: &mut impl Rng, [low, high]: [f64; 2]) -> f64 {
    uniform_in(rng, low, high)
}

/// A lens from the priors.
fn lens(rng: &mut impl Rng) -> LensModel {
    let radius = between(rng, EINSTEIN_RADIUS);
    let [e1, e2] = in_disc(rng, ELLIPTICITY);
    let [gamma1, gamma2] = in_disc(rng, SHEAR);
    let [x, y] = [0, 1].map(|_| between(rng, [-CENTRE, CENTRE]));
    lens_from([radius, e1, e2, x, y, gamma1, gamma2, ISOTHERMAL_SLOPE])
}

/// The lens of these parameters: `[einstein_radius, e1, e2, x, y, gamma1, gamma2, slope]`.
pub(super) fn lens_from(p: [f64; GALAXY_PARAMETERS]) -> LensModel {
    LensModel::from_parameters(LensLayout::default(), &p)
}

/// Simulated lens number `index` of the benchmark with this seed.
pub fn lens_number(seed: u64, index: usize, pixels: usize, lens_light: bool) -> SimulationSpec {
    let rng = &mut stream(seed, "lens_reconstruction.benchmark", index as u64);
    let lens = lens(rng);
    let (x, y) = (lens.galaxy.x_arcsec, lens.galaxy.y_arcsec);
    let radius = lens.effective_einstein_radius();
    let [dx, dy] = in_disc(rng, SOURCE_DISTANCE * radius);
    let [e1, e2] = in_disc(rng, SOURCE_ELLIPTICITY);
    // Where a source on the axis of the lens lies: shear acts about the image centre.
    let [ox, oy] = source_on_axis(&lens, [x, y]);
    let source: [f64; SERSIC_PARAMETERS] = [
        between(rng, SOURCE_BRIGHTNESS),
        ox + dx,
        oy + dy,
        between(rng, SOURCE_RADIUS),
        e1,
        e2,
        between(rng, SOURCE_INDEX),
    ];
    let light = Sersic {
        amplitude: between(rng, LIGHT_BRIGHTNESS),
        effective_radius_arcsec: between(rng, LIGHT_RADIUS),
        index: between(rng, LIGHT_INDEX),
        // Light follows mass roughly, not exactly.
        ..galaxy_light(rng, &lens)
    };
    SimulationSpec {
        size_px: pixels,
        pixel_scale_arcsec: PIXEL_ARCSEC,
        scene: Scene {
            lens,
            sources: vec![Sersic::from_parameters(source)],
            lens_light: if lens_light { vec![light] } else { Vec::new() },
            sky: 0.0,
        },
        psf_fwhm_arcsec: PSF_FWHM_ARCSEC,
        noise_sigma: NOISE,
        gain: None,
        supersampling: 4,
        seed: seed ^ (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15),
    }
}

/// Where the shear alone carries the centre of the lens.
fn source_on_axis(lens: &LensModel, [x, y]: [f64; 2]) -> [f64; 2] {
    let (g1, g2) = (lens.shear.gamma1, lens.shear.gamma2);
    [x - g1 * x - g2 * y, y - g2 * x + g1 * y]
}

/// Centre and shape of the lens galaxy: on its mass, of about its ellipticity.
fn galaxy_light(rng: &mut impl Rng, lens: &LensModel) -> Sersic {
    let (x_arcsec, y_arcsec) = (lens.galaxy.x_arcsec, lens.galaxy.y_arcsec);
    let [e1, e2] = ellipticity(lens.galaxy.axis_ratio, lens.galaxy.position_angle_deg);
    let [d1, d2] = in_disc(rng, 0.05);
    let (axis_ratio, position_angle_deg) = axis_ratio_and_angle([e1 + d1, e2 + d2]);
    Sersic { x_arcsec, y_arcsec, axis_ratio, position_angle_deg, ..Sersic::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenses_differ_repeat_and_stay_within_their_priors() {
        let all: Vec<SimulationSpec> = (0..50).map(|k| lens_number(3, k, 56, true)).collect();
        assert_eq!(all[7], lens_number(3, 7, 56, true));
        for (k, spec) in all.iter().enumerate() {
            let p = spec.scene.lens.parameters();
            assert!((EINSTEIN_RADIUS[0]..EINSTEIN_RADIUS[1]).contains(&p[0]));
            assert!(p[1].hypot(p[2]) <= ELLIPTICITY + 1e-9 && p[5].hypot(p[6]) <= SHEAR + 1e-9);
            assert!(all.iter().enumerate().all(|(j, other)| j == k || other.seed != spec.seed));
        }
        // Uniform over a disc: half of the points lie beyond 0.707 of its radius.
        let outer = (0..2000).filter(|&k| {
            let [a, b] = in_disc(&mut stream(1, "disc", k), 1.0);
            a.hypot(b) > std::f64::consts::FRAC_1_SQRT_2
        });
        let outer = outer.count();
        assert!((outer as f64 / 2000.0 - 0.5).abs() < 0.04, "{outer}");
        assert!(lens_number(3, 0, 56, false).scene.lens_light.is_empty());
    }
}
