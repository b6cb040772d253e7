//! Lens models in the words of other programs: the COOLEST standard, read and written, and lenstronomy keywords, written.
//!
//! Both count x to the right and y upwards from the image centre, as we do, and take sizes along the intermediate axis. They differ in three things:
//! COOLEST counts angles counter-clockwise from +y; both state surface brightness per arcsec^2 where ours is per pixel; and both define the Sersic profile
//! with `b_n = 1.9992 n - 0.3271` ([`approximate_b`]), where ours is exact, so that effective radius and brightness there are converted to describe the same light.

mod coolest;
mod coolest_read;
mod lenstronomy;

pub use coolest::coolest_template;
pub use coolest_read::{Imported, read_coolest};
pub use lenstronomy::lenstronomy_script;

use super::classical::Posterior;
use super::cosmology::Cosmology;
use super::scene::Scene;
use crate::numerics::special::sersic_b;
use crate::studies::lens_models::{
    ISOTHERMAL_SLOPE, LensModel, MOST_FURTHER, Mass, Multipole, Nfw, PointMass, PowerLaw, PseudoJaffe, Sersic, Shear,
    Sis,
};

/// A model with what other programs want to know of it.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    /// Mass, source, lens light, sky; brightness per pixel.
    pub scene: &'a Scene,
    /// Draws of its posterior, if there are any.
    pub posterior: Option<&'a Posterior>,
    /// Width and height of the image (pixels).
    pub size_px: [usize; 2],
    /// Pixel of the image (arcsec).
    pub pixel_scale_arcsec: f64,
    /// Redshifts of lens and source, where known.
    pub redshifts: [Option<f64>; 2],
    /// The universe of masses and delays.
    pub cosmology: Cosmology,
    /// FITS file of the image, beside the description.
    pub image_file: &'a str,
    /// True for a simulation: its numbers are the truth, not an estimate.
    pub simulated: bool,
    /// What the model has besides this scene, in words: what was made in pixels.
    pub left_out: &'a [&'static str],
}

/// One profile of a lens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Profile {
    /// Elliptical power law; slope 2 is the isothermal ellipsoid.
    PowerLaw(PowerLaw),
    /// External shear about the image centre.
    Shear(Shear),
    /// Isothermal between a core and a truncation.
    PseudoJaffe(PseudoJaffe),
    /// Elliptical NFW halo.
    Nfw(Nfw),
    /// Point mass.
    PointMass(PointMass),
    /// Multipole of isothermal radial shape.
    Multipole(Multipole),
}

/// Every profile of a lens, the main galaxy first.
pub fn profiles(lens: &LensModel) -> Vec<Profile> {
    let further = lens.further.iter().map(|mass| match *mass {
        Mass::Sis(m) => Profile::PowerLaw(isothermal(m.einstein_radius_arcsec, 1.0, 0.0, [m.x_arcsec, m.y_arcsec])),
        Mass::Sie(m) => {
            let centre = [m.x_arcsec, m.y_arcsec];
            Profile::PowerLaw(isothermal(m.einstein_radius_arcsec, m.axis_ratio, m.position_angle_deg, centre))
        }
        Mass::PowerLaw(m) => Profile::PowerLaw(m),
        Mass::PseudoJaffe(m) => Profile::PseudoJaffe(m),
        Mass::Nfw(m) => Profile::Nfw(m),
        Mass::PointMass(m) => Profile::PointMass(m),
        Mass::Multipole(m) => Profile::Multipole(m),
    });
    [Profile::PowerLaw(lens.galaxy), Profile::Shear(lens.shear)].into_iter().chain(further).collect()
}

/// Which satellite (from 1) stands at a place of [`profiles`]; `None`: galaxy, shear or multipole.
fn satellite(lens: &LensModel, place: usize) -> Option<usize> {
    let until = lens.further.get(..=place.checked_sub(2)?)?;
    let own = |m: &&Mass| !matches!(m, Mass::Multipole(_));
    until.last().filter(own).map(|_| until.iter().filter(own).count())
}

fn isothermal(radius: f64, axis_ratio: f64, position_angle_deg: f64, [x_arcsec, y_arcsec]: [f64; 2]) -> PowerLaw {
    let slope = ISOTHERMAL_SLOPE;
    PowerLaw { einstein_radius_arcsec: radius, slope, axis_ratio, position_angle_deg, x_arcsec, y_arcsec }
}

/// The lens of these profiles: the power law of the greatest Einstein radius is its galaxy, shears add up, the rest are further masses.
///
/// # Errors
/// In words: no power law, a multipole away from the galaxy, or too many masses.
pub fn lens_of(profiles: &[Profile]) -> Result<LensModel, String> {
    let laws =
        profiles.iter().enumerate().filter_map(|(k, p)| if let Profile::PowerLaw(m) = p { Some((k, m)) } else { None });
    let (main, galaxy) = laws
        .max_by(|a, b| a.1.einstein_radius_arcsec.total_cmp(&b.1.einstein_radius_arcsec))
        .ok_or("no SIE or PEMD profile; a lens here has one as its galaxy")?;
    let mut lens = LensModel { galaxy: *galaxy, ..LensModel::default() };
    for (k, profile) in profiles.iter().enumerate() {
        lens.further.push(match *profile {
            Profile::PowerLaw(_) if k == main => continue,
            Profile::Shear(s) => {
                lens.shear.gamma1 += s.gamma1;
                lens.shear.gamma2 += s.gamma2;
                continue;
            }
            Profile::PowerLaw(m) if m.slope == ISOTHERMAL_SLOPE && m.axis_ratio == 1.0 => Mass::Sis(Sis {
                einstein_radius_arcsec: m.einstein_radius_arcsec,
                x_arcsec: m.x_arcsec,
                y_arcsec: m.y_arcsec,
            }),
            Profile::PowerLaw(m) => Mass::PowerLaw(m),
            Profile::PseudoJaffe(m) => Mass::PseudoJaffe(m),
            Profile::Nfw(m) => Mass::Nfw(m),
            Profile::PointMass(m) => Mass::PointMass(m),
            Profile::Multipole(m) => {
                let off = (m.x_arcsec - galaxy.x_arcsec).hypot(m.y_arcsec - galaxy.y_arcsec);
                if off > 1e-6 {
                    return Err(format!("a multipole {off:.3} arcsec from the galaxy; here it shares its centre"));
                }
                Mass::Multipole(m)
            }
        });
    }
    if lens.further.len() > MOST_FURTHER {
        return Err(format!(
            "{} masses besides the galaxy; a lens here has {MOST_FURTHER} at most",
            lens.further.len()
        ));
    }
    Ok(lens)
}

/// The coefficient of the Sersic profile that COOLEST and lenstronomy define (Capaccioli 1989).
fn approximate_b(index: f64) -> f64 {
    (1.9992 * index - 0.3271).max(1e-5)
}

/// Effective radius (arcsec) and brightness there (per arcsec^2) of the same light under [`approximate_b`]:
/// `I exp(-b ((R / r)^(1/n) - 1))` stays the same for every R.
fn as_approximate(s: &Sersic, pixel_scale_arcsec: f64) -> (f64, f64) {
    let (exact, theirs) = (sersic_b(s.index), approximate_b(s.index));
    let radius = s.effective_radius_arcsec * (theirs / exact).powf(s.index);
    (radius, s.amplitude * (exact - theirs).exp() / (pixel_scale_arcsec * pixel_scale_arcsec))
}

/// The other way round: our effective radius and the brightness there, in the unit of `brightness`.
fn from_approximate(radius: f64, brightness: f64, index: f64) -> (f64, f64) {
    let (exact, theirs) = (sersic_b(index), approximate_b(index));
    (radius * (exact / theirs).powf(index), brightness * (theirs - exact).exp())
}

/// An angle in `(-90, 90]` degrees.
fn folded(angle_deg: f64) -> f64 {
    let angle = angle_deg.rem_euclid(180.0);
    if angle > 90.0 { angle - 180.0 } else { angle }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_approximate_profile_is_the_same_light() {
        for index in [0.5, 1.0, 2.3, 4.0, 6.0] {
            let ours =
                Sersic { amplitude: 0.7, effective_radius_arcsec: 0.4, index, axis_ratio: 1.0, ..Sersic::default() };
            let (radius, brightness) = as_approximate(&ours, 0.05);
            let light = ours.prepare();
            for r in [0.03, 0.4, 2.0] {
                let theirs = brightness * (-approximate_b(index) * ((r / radius).powf(1.0 / index) - 1.0)).exp();
                let exact = light.value(ours.x_arcsec + r, ours.y_arcsec) / 0.0025;
                assert!((theirs / exact - 1.0).abs() < 1e-3, "{index} {r}: {theirs} {exact}");
            }
            let back = from_approximate(radius, brightness * 0.0025, index);
            assert!((back.0 - 0.4).abs() < 1e-12 && (back.1 - 0.7).abs() < 1e-12, "{back:?}");
        }
    }

    #[test]
    fn angles_are_folded_into_the_half_circle_about_zero() {
        for (angle, expected) in [(0.0, 0.0), (90.0, 90.0), (91.0, -89.0), (-90.0, 90.0), (270.0, 90.0), (180.0, 0.0)] {
            assert!((folded(angle) - expected).abs() < 1e-12, "{angle}");
        }
    }

    #[test]
    fn a_lens_and_its_profiles_are_inverse() {
        let lens = LensModel { shear: Shear { gamma1: 0.03, gamma2: -0.02 }, ..LensModel::default() };
        assert_eq!(lens_of(&profiles(&lens)).unwrap(), lens);
        let (x_arcsec, y_arcsec) = (lens.galaxy.x_arcsec, lens.galaxy.y_arcsec);
        let further = vec![
            Mass::Multipole(Multipole { order: 4, a_arcsec: 0.01, b_arcsec: 0.02, x_arcsec, y_arcsec }),
            Mass::Sis(Sis { einstein_radius_arcsec: 0.1, x_arcsec: 0.8, y_arcsec: -0.4 }),
        ];
        let rich = LensModel { galaxy: PowerLaw { slope: 2.1, ..lens.galaxy }, further, ..lens };
        assert_eq!(lens_of(&profiles(&rich)).unwrap(), rich);
        let off =
            Profile::Multipole(Multipole { order: 3, a_arcsec: 0.01, b_arcsec: 0.0, x_arcsec: 1.0, y_arcsec: 0.0 });
        assert!(lens_of(&[Profile::PowerLaw(rich.galaxy), off]).unwrap_err().contains("shares its centre"));
        assert!(lens_of(&[Profile::Shear(Shear::default())]).unwrap_err().contains("no SIE"));
    }
}
