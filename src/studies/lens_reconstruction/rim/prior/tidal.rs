//! External shear made by mass inside the field.

/// Radii (arcsec from the centre of the field) between which the tidal mass sets in.
const ONSET: [f64; 2] = [2.4, 3.4];
/// Greatest part of the smooth lens's own convergence that the shear may take away.
const TAKEN: f64 = 0.6;

/// Mass near the edges of the field whose pull at its centre is a wanted shear: a quadrupole of convergence. Where taking mass away would
/// leave less than 0.4 of what the smooth lens has there, a ring of mass, which does not deflect inside, is added with it.
pub struct TidalMass {
    /// Of every pixel: `g cos 2 phi`, `g sin 2 phi`, `g` with the onset `g(r)`.
    templates: Vec<[f64; 3]>,
    /// Of every pixel: radius (arcsec).
    radii: Vec<f64>,
    /// Shear by unit amplitude of each quadrupole.
    response: [f64; 2],
}

impl TidalMass {
    /// For maps of `pixels` along each side, of `step` arcsec.
    pub fn new(pixels: usize, step: f64) -> Self {
        let place = |k: usize| (k as f64 - 0.5 * (pixels as f64 - 1.0)) * step;
        let mut out = Self { templates: Vec::new(), radii: Vec::new(), response: [0.0; 2] };
        for k in 0..pixels * pixels {
            let (x, y) = (place(k % pixels), place(k / pixels));
            let radius = x.hypot(y);
            let t = ((radius - ONSET[0]) / (ONSET[1] - ONSET[0])).clamp(0.0, 1.0);
            let onset = t * t * (3.0 - 2.0 * t);
            let square = (x * x + y * y).max(1e-12);
            let (cos, sin) = ((x * x - y * y) / square, 2.0 * x * y / square);
            out.templates.push([onset * cos, onset * sin, onset]);
            out.radii.push(radius);
            // Shear at the centre by mass outside: -(1 / pi) integral of kappa exp(2 i phi) / r^2. The symmetry of the square keeps the two apart.
            for (response, (template, part)) in out.response.iter_mut().zip([(onset * cos, cos), (onset * sin, sin)]) {
                *response -= template * part / square * step * step / std::f64::consts::PI;
            }
        }
        out
    }

    /// Adds the convergence that shears by `[gamma1, gamma2]` at the centre. `smooth(r)` is the least convergence of the smooth lens at that radius.
    pub fn add(&self, convergence: &mut [f64], shear: [f64; 2], smooth: impl Fn(f64) -> f64) {
        let [a, b] = [shear[0] / self.response[0], shear[1] / self.response[1]];
        let amplitude = a.hypot(b);
        for ((value, [cos, sin, onset]), radius) in convergence.iter_mut().zip(&self.templates).zip(&self.radii) {
            if *onset > 0.0 {
                let ring = (amplitude - TAKEN * smooth(*radius)).max(0.0);
                *value += a * cos + b * sin + ring * onset;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::{DeflectionScratch, PixelDeflection};

    /// The deflection of the added mass, as everything that learns computes it, is a shear where the images are.
    #[test]
    fn the_pull_at_the_centre_is_the_wanted_shear() {
        for n in [64, 96] {
            let step = 7.68 / n as f64;
            let tidal = TidalMass::new(n, step);
            for (shear, level) in [([0.06, -0.03], 0.0), ([-0.02, 0.08], 0.1), ([0.0, 0.1], 10.0)] {
                let mut mass = vec![0.0; n * n];
                tidal.add(&mut mass, shear, |_| level);
                let (mut ax, mut ay) = (vec![0.0; n * n], vec![0.0; n * n]);
                PixelDeflection::new([n, n], step).apply(&mass, [&mut ax, &mut ay], &mut DeflectionScratch::default());
                let strength = shear[0].hypot(shear[1]);
                let place = |k: usize| (k as f64 - 0.5 * (n as f64 - 1.0)) * step;
                let mut worst = 0.0f64;
                for k in 0..n * n {
                    let (x, y) = (place(k % n), place(k / n));
                    if x.hypot(y) < 1.0 {
                        let expected = [shear[0] * x + shear[1] * y, shear[1] * x - shear[0] * y];
                        worst = worst.max((ax[k] - expected[0]).hypot(ay[k] - expected[1]));
                    }
                }
                // Within 1 arcsec the greatest deflection is the strength itself.
                assert!(worst < 0.04 * strength, "{n} {shear:?} {level}: {} of {strength}", worst / strength);
            }
        }
    }

    #[test]
    fn convergence_stays_positive() {
        let tidal = TidalMass::new(64, 0.12);
        for level in [0.05, 0.2, 0.5] {
            let mut mass = vec![level; 64 * 64];
            tidal.add(&mut mass, [0.07, -0.07], |_| level);
            assert!(mass.iter().all(|k| *k > 0.39 * level));
        }
    }
}
