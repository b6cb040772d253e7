//! What is drawn: parameters of masses and galaxies.

use rand::Rng;
use std::f64::consts::{PI, TAU};

use crate::numerics::random::{normal, uniform, uniform_in};
use crate::studies::lens_models::{PseudoJaffe, Sersic};

/// Relative multipole of the convergence: factor `1 + a cos(m theta) + b sin(m theta)`, for an isothermal lens that of
/// [`crate::studies::lens_models::Multipole`] over its Einstein radius.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Multipole {
    /// Order.
    pub order: u32,
    /// Cosine amplitude.
    pub a: f64,
    /// Sine amplitude.
    pub b: f64,
}

/// A mass drawn from the prior. Lengths in arcsec, angles in degrees counter-clockwise from +x.
#[derive(Clone, Debug, PartialEq)]
pub struct MassDraw {
    /// Radius of the circle about the centre in which the mean convergence is 1.
    pub einstein_radius_arcsec: f64,
    /// Logarithmic slope of the three-dimensional density.
    pub slope: f64,
    /// Axis ratio of the main mass.
    pub axis_ratio: f64,
    /// Its major axis.
    pub position_angle_deg: f64,
    /// Its core radius.
    pub core_arcsec: f64,
    /// Its centre.
    pub centre_arcsec: [f64; 2],
    /// External shear `[gamma1, gamma2]`.
    pub shear: [f64; 2],
    /// Multipoles of order 3 and 4.
    pub multipoles: [Multipole; 2],
    /// Satellite galaxies.
    pub satellites: Vec<PseudoJaffe>,
    /// Dark subhaloes.
    pub subhaloes: Vec<PseudoJaffe>,
    /// Standard deviation of the large-scale part of the logarithm of the random structure.
    pub structure_large: f64,
    /// That of its fine part, in pixels of 0.06 arcsec.
    pub structure_fine: f64,
}

/// Greatest distance of satellites and subhaloes from the centre of the field.
const REACH: f64 = 3.6;
/// Mean number of subhaloes.
const SUBHALOES: f64 = 10.0;
/// Their masses in units of the mass within the Einstein radius, and the slope of `dN / dm`.
const SUBHALO_MASS: [f64; 2] = [1e-4, 1e-2];
const SUBHALO_SLOPE: f64 = -1.9;

impl MassDraw {
    /// Draws everything but the Einstein radius.
    pub fn draw(rng: &mut impl Rng, einstein_radius_arcsec: f64) -> Self {
        let slope = cut(rng, 2.05, 0.2, [1.6, 2.5]);
        let axis_ratio = uniform_in(rng, 0.5, 1.0);
        let position_angle_deg = uniform_in(rng, 0.0, 180.0);
        let core_arcsec = uniform_in(rng, 0.02, 0.1);
        let centre_arcsec = [uniform_in(rng, -0.1, 0.1), uniform_in(rng, -0.1, 0.1)];
        let (strength, angle) = (uniform_in(rng, 0.0, 0.1), uniform_in(rng, 0.0, TAU));
        let multipoles = [3, 4].map(|order| Multipole { order, a: 0.01 * normal(rng), b: 0.01 * normal(rng) });
        let satellites = (0..(4.0 * uniform(rng)) as usize).map(|_| satellite(rng, einstein_radius_arcsec)).collect();
        let subhaloes = (0..poisson(rng, SUBHALOES)).map(|_| subhalo(rng, einstein_radius_arcsec)).collect();
        Self {
            einstein_radius_arcsec,
            slope,
            axis_ratio,
            position_angle_deg,
            core_arcsec,
            centre_arcsec,
            shear: [strength * angle.cos(), strength * angle.sin()],
            multipoles,
            satellites,
            subhaloes,
            structure_large: uniform_in(rng, 0.04, 0.11),
            structure_fine: uniform_in(rng, 0.01, 0.04),
        }
    }

    /// The same without multipoles, satellites, subhaloes and random structure.
    #[must_use]
    pub fn smooth(&self) -> Self {
        Self {
            multipoles: self.multipoles.map(|m| Multipole { a: 0.0, b: 0.0, ..m }),
            satellites: Vec::new(),
            subhaloes: Vec::new(),
            structure_large: 0.0,
            structure_fine: 0.0,
            ..self.clone()
        }
    }
}

/// A satellite galaxy: its Einstein radius a fiftieth to three tenths of the main one, equally likely in the logarithm, its distance equally likely
/// at every radius.
fn satellite(rng: &mut impl Rng, main: f64) -> PseudoJaffe {
    let radius = main * log_uniform(rng, 0.02, 0.3);
    let core = uniform_in(rng, 0.02, 0.06);
    let (distance, angle) = (uniform_in(rng, 0.3, REACH), uniform_in(rng, 0.0, TAU));
    PseudoJaffe {
        einstein_radius_arcsec: radius,
        core_arcsec: core,
        truncation_arcsec: core + uniform_in(rng, 0.2, 1.2),
        axis_ratio: uniform_in(rng, 0.6, 1.0),
        position_angle_deg: uniform_in(rng, 0.0, 180.0),
        x_arcsec: distance * angle.cos(),
        y_arcsec: distance * angle.sin(),
    }
}

/// A subhalo, truncated where the tide of the main lens does it: `sqrt(theta_sub theta_E)`, which makes its mass over that within
/// the Einstein radius `(theta_sub / theta_E)^(3/2)` (Vegetti & Koopmans 2009, MNRAS 392, 945, section 2).
fn subhalo(rng: &mut impl Rng, main: f64) -> PseudoJaffe {
    let [least, most] = SUBHALO_MASS.map(|m| m.powf(1.0 + SUBHALO_SLOPE));
    let mass = uniform_in(rng, least, most).powf(1.0 / (1.0 + SUBHALO_SLOPE));
    let (distance, angle) = (REACH * uniform(rng).sqrt(), uniform_in(rng, 0.0, TAU));
    let truncation = main * mass.cbrt();
    PseudoJaffe {
        einstein_radius_arcsec: main * mass.powf(2.0 / 3.0),
        core_arcsec: 0.1 * truncation,
        truncation_arcsec: truncation,
        axis_ratio: 1.0,
        position_angle_deg: 0.0,
        x_arcsec: distance * angle.cos(),
        y_arcsec: distance * angle.sin(),
    }
}

/// Spiral arms: the light of a disc is multiplied by `exp(strength cos(arms (theta - ln r / tan(pitch)) + phase))` in its own plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spiral {
    /// Number of arms.
    pub arms: u32,
    /// Pitch angle; negative winds the other way.
    pub pitch_deg: f64,
    /// Strength.
    pub strength: f64,
    /// Phase (radians).
    pub phase: f64,
}

/// A round Gaussian clump.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clump {
    /// Centre.
    pub place_arcsec: [f64; 2],
    /// Standard deviation.
    pub sigma_arcsec: f64,
    /// Brightness at its centre, in units of the disc at its effective radius.
    pub brightness: f64,
}

/// A galaxy drawn from the prior.
#[derive(Clone, Debug, PartialEq)]
pub struct GalaxyDraw {
    /// The disc; amplitude 1.
    pub disc: Sersic,
    /// Arms of the disc.
    pub spiral: Option<Spiral>,
    /// Bulge.
    pub bulge: Option<Sersic>,
    /// A second galaxy beside it.
    pub companion: Option<Sersic>,
    /// Clumps of star formation.
    pub clumps: Vec<Clump>,
}

/// Most clumps of a galaxy.
const CLUMPS: f64 = 15.0;
/// Greatest offset of a galaxy along each axis, as in the paper's training.
const OFFSET: f64 = 0.35;

impl GalaxyDraw {
    /// Draws a galaxy.
    pub fn draw(rng: &mut impl Rng) -> Self {
        let disc = Sersic {
            amplitude: 1.0,
            effective_radius_arcsec: log_uniform(rng, 0.1, 0.6),
            index: uniform_in(rng, 0.5, 1.5),
            axis_ratio: uniform_in(rng, 0.3, 1.0),
            position_angle_deg: uniform_in(rng, 0.0, 180.0),
            x_arcsec: uniform_in(rng, -OFFSET, OFFSET),
            y_arcsec: uniform_in(rng, -OFFSET, OFFSET),
        };
        let spiral = (uniform(rng) < 0.5).then(|| {
            let side = if uniform(rng) < 0.5 { -1.0 } else { 1.0 };
            Spiral {
                arms: [1, 2, 2, 2, 3, 4][(6.0 * uniform(rng)) as usize % 6],
                pitch_deg: side * uniform_in(rng, 10.0, 35.0),
                strength: uniform_in(rng, 0.2, 1.2),
                phase: uniform_in(rng, 0.0, TAU),
            }
        });
        let bulge = (uniform(rng) < 0.6).then(|| {
            let radius = disc.effective_radius_arcsec * uniform_in(rng, 0.15, 0.5);
            let round = Sersic {
                effective_radius_arcsec: radius,
                index: uniform_in(rng, 0.8, 3.0),
                axis_ratio: uniform_in(rng, disc.axis_ratio.max(0.6), 1.0),
                ..disc
            };
            with_flux(round, disc.total_flux() * log_uniform(rng, 0.02, 0.4))
        });
        let companion = (uniform(rng) < 0.25).then(|| {
            let (distance, angle) = (uniform_in(rng, 0.25, 1.0), uniform_in(rng, 0.0, TAU));
            let other = Sersic {
                amplitude: 1.0,
                effective_radius_arcsec: log_uniform(rng, 0.05, 0.25),
                index: uniform_in(rng, 0.5, 2.5),
                axis_ratio: uniform_in(rng, 0.4, 1.0),
                position_angle_deg: uniform_in(rng, 0.0, 180.0),
                x_arcsec: disc.x_arcsec + distance * angle.cos(),
                y_arcsec: disc.y_arcsec + distance * angle.sin(),
            };
            with_flux(other, disc.total_flux() * log_uniform(rng, 0.05, 0.7))
        });
        let clumps = if uniform(rng) < 0.4 { 0 } else { (1.0 + CLUMPS * uniform(rng)) as usize };
        let clumps = (0..clumps).map(|_| clump(rng, &disc)).collect();
        Self { disc, spiral, bulge, companion, clumps }
    }
}

/// A clump in the plane of a disc, exponentially distributed there.
fn clump(rng: &mut impl Rng, disc: &Sersic) -> Clump {
    let scale = 0.7 * disc.effective_radius_arcsec;
    // The radius of an exponential disc has a gamma distribution of order 2.
    let radius = -scale * ((1.0 - uniform(rng)) * (1.0 - uniform(rng))).ln();
    let angle = uniform_in(rng, 0.0, TAU);
    let root = disc.axis_ratio.sqrt();
    let (u, v) = (radius * angle.cos() / root, radius * angle.sin() * root);
    let (sin, cos) = (disc.position_angle_deg * PI / 180.0).sin_cos();
    Clump {
        place_arcsec: [disc.x_arcsec + cos * u - sin * v, disc.y_arcsec + sin * u + cos * v],
        sigma_arcsec: log_uniform(rng, 0.02, 0.09),
        brightness: log_uniform(rng, 0.3, 5.0),
    }
}

fn with_flux(galaxy: Sersic, flux: f64) -> Sersic {
    Sersic { amplitude: flux / Sersic { amplitude: 1.0, ..galaxy }.total_flux(), ..galaxy }
}

/// A normal deviate within limits.
fn cut(rng: &mut impl Rng, mean: f64, width: f64, [least, most]: [f64; 2]) -> f64 {
    loop {
        let value = mean + width * normal(rng);
        if (least..=most).contains(&value) {
            return value;
        }
    }
}

fn log_uniform(rng: &mut impl Rng, low: f64, high: f64) -> f64 {
    uniform_in(rng, low.ln(), high.ln()).exp()
}

/// A Poisson deviate by products of uniform ones (Knuth), for small means.
fn poisson(rng: &mut impl Rng, mean: f64) -> usize {
    let (limit, mut product, mut count) = ((-mean).exp(), 1.0, 0);
    loop {
        product *= uniform(rng);
        if product <= limit {
            return count;
        }
        count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;

    #[test]
    fn counts_of_subhaloes_are_poisson_and_their_masses_a_power_law() {
        let mut rng = random::stream(5, "draw", 0);
        let draws: Vec<MassDraw> = (0..2000).map(|_| MassDraw::draw(&mut rng, 1.2)).collect();
        let counts: Vec<f64> = draws.iter().map(|d| d.subhaloes.len() as f64).collect();
        let mean = counts.iter().sum::<f64>() / 2000.0;
        let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / 2000.0;
        assert!((mean - 10.0).abs() < 0.3 && (variance - 10.0).abs() < 1.2, "{mean} {variance}");
        // The share above m: (m^-0.9 - most^-0.9) / (least^-0.9 - most^-0.9).
        let masses: Vec<f64> = draws
            .iter()
            .flat_map(|d| &d.subhaloes)
            .map(|s| {
                // Total mass pi theta (truncation - core), the core a tenth of the truncation, over that within the Einstein radius.
                s.einstein_radius_arcsec * (s.truncation_arcsec - s.core_arcsec) / 0.9 / (1.2 * 1.2)
            })
            .collect();
        for m in [2e-4f64, 1e-3] {
            let above = masses.iter().filter(|v| **v > m).count() as f64 / masses.len() as f64;
            let power = |m: f64| m.powf(-0.9);
            let expected = (power(m) - power(1e-2)) / (power(1e-4) - power(1e-2));
            assert!((above - expected).abs() < 0.012, "{m}: {above} {expected}");
        }
    }

    #[test]
    fn the_smooth_control_keeps_the_main_mass() {
        let draw = MassDraw::draw(&mut random::stream(6, "draw", 0), 1.2);
        let smooth = draw.smooth();
        assert_eq!((smooth.slope, smooth.shear, smooth.axis_ratio), (draw.slope, draw.shear, draw.axis_ratio));
        assert!(smooth.satellites.is_empty() && smooth.subhaloes.is_empty());
        assert!(smooth.multipoles.iter().all(|m| m.a == 0.0 && m.b == 0.0));
    }
}
