//! The convergence of a drawn mass, each pixel the mean over itself.

use super::FIELD_ARCSEC;
use super::draw::MassDraw;
use super::tidal::TidalMass;
use crate::numerics::fast_math::{exp, ln};
use crate::studies::lens_models::{PseudoJaffe, ellipticity};

/// The main mass: elliptical power law with a core and multipoles.
struct Main {
    centre: [f64; 2],
    /// See [`elliptical_form`].
    form: [f64; 3],
    core2: f64,
    /// Half of `slope - 1`.
    half_power: f64,
    /// Logarithm of `(3 - slope) / 2 theta_E^(slope - 1)`.
    log_scale: f64,
    multipoles: [(f64, f64); 2],
    axis_ratio: f64,
}

/// Coefficients of x^2, xy and y^2 of the squared elliptical radius `q x'^2 + y'^2 / q`.
fn elliptical_form(axis_ratio: f64, position_angle_deg: f64) -> [f64; 3] {
    let [e1, e2] = ellipticity(axis_ratio, position_angle_deg);
    let e = e1 * e1 + e2 * e2;
    [1.0 + e - 2.0 * e1, -4.0 * e2, 1.0 + e + 2.0 * e1].map(|c| c / (1.0 - e))
}

impl Main {
    fn new(draw: &MassDraw) -> Self {
        Self {
            centre: draw.centre_arcsec,
            form: elliptical_form(draw.axis_ratio, draw.position_angle_deg),
            core2: draw.core_arcsec * draw.core_arcsec,
            half_power: 0.5 * (draw.slope - 1.0),
            log_scale: (0.5 * (3.0 - draw.slope)).ln() + (draw.slope - 1.0) * draw.einstein_radius_arcsec.ln(),
            multipoles: draw.multipoles.map(|m| (m.a, m.b)),
            axis_ratio: draw.axis_ratio,
        }
    }

    fn value(&self, x: f64, y: f64) -> f64 {
        let (x, y) = (x - self.centre[0], y - self.centre[1]);
        let [xx, xy, yy] = self.form;
        let radius2 = xx * x * x + xy * x * y + yy * y * y + self.core2;
        // The core rounds the multipoles off with everything else.
        let inverse = 1.0 / (x * x + y * y + self.core2).sqrt();
        let (c, s) = (x * inverse, y * inverse);
        let (c2, s2) = (c * c - s * s, 2.0 * c * s);
        let (c3, s3) = (c2 * c - s2 * s, s2 * c + c2 * s);
        let (c4, s4) = (c2 * c2 - s2 * s2, 2.0 * c2 * s2);
        let [(a3, b3), (a4, b4)] = self.multipoles;
        exp(self.log_scale - self.half_power * ln(radius2)) * (1.0 + a3 * c3 + b3 * s3 + a4 * c4 + b4 * s4)
    }

    /// The least convergence at a radius, without multipoles: that on the minor axis.
    fn least(&self, radius: f64) -> f64 {
        let radius2 = radius * radius / self.axis_ratio + self.core2;
        exp(self.log_scale - self.half_power * ln(radius2))
    }
}

/// Pixels of a square map about its centre.
struct Pixels {
    side: usize,
    step: f64,
}

impl Pixels {
    fn place(&self, k: usize) -> f64 {
        (k as f64 - 0.5 * (self.side as f64 - 1.0)) * self.step
    }

    /// Adds the mean of `value` over each pixel, sampled the finer the nearer it is to `centre`.
    fn add(&self, out: &mut [f64], centre: [f64; 2], value: impl Fn(f64, f64) -> f64) {
        for (j, row) in out.chunks_exact_mut(self.side).enumerate() {
            let y = self.place(j);
            for (i, out) in row.iter_mut().enumerate() {
                let x = self.place(i);
                // For a cusp 1 / r one sample at a distance of d pixels is wrong by 1 / (24 d^2) of the value, n x n samples by n^2 less.
                let distance = (x - centre[0]).abs().max((y - centre[1]).abs()) / self.step;
                let fine = match distance {
                    d if d < 1.5 => 12,
                    d if d < 4.5 => 4,
                    d if d < 10.5 => 2,
                    _ => 1,
                };
                if fine == 1 {
                    *out += value(x, y);
                    continue;
                }
                let offset = |k: usize| ((k as f64 + 0.5) / fine as f64 - 0.5) * self.step;
                let mut sum = 0.0;
                for b in 0..fine {
                    for a in 0..fine {
                        sum += value(x + offset(a), y + offset(b));
                    }
                }
                *out += sum / (fine * fine) as f64;
            }
        }
    }
}

/// Convergence of a drawn mass, row by row on `pixels` x `pixels`; `structure` is the logarithm of the random structure on the same pixels.
/// Scaled as a whole, before the tidal mass is added, so that the mean within the Einstein radius is 1.
pub(super) fn convergence(draw: &MassDraw, structure: &[f64], tidal: &TidalMass, pixels: usize) -> Vec<f64> {
    let grid = Pixels { side: pixels, step: FIELD_ARCSEC / pixels as f64 };
    let main = Main::new(draw);
    let mut out = vec![0.0; pixels * pixels];
    grid.add(&mut out, main.centre, |x, y| main.value(x, y));
    for piece in draw.satellites.iter().chain(&draw.subhaloes) {
        add_piece(&grid, &mut out, piece);
    }
    for (value, log) in out.iter_mut().zip(structure) {
        *value *= exp(*log);
    }
    let scale = 1.0 / mean_within(&out, pixels, draw.centre_arcsec, draw.einstein_radius_arcsec);
    out.iter_mut().for_each(|v| *v *= scale);
    tidal.add(&mut out, draw.shear, |radius| scale * main.least(radius));
    // Deep fluctuations of the structure below a lens that the shear has thinned out.
    let floor = 0.05 * scale * main.least(0.5 * std::f64::consts::SQRT_2 * FIELD_ARCSEC);
    out.iter_mut().for_each(|v| *v = v.max(floor));
    out
}

/// Adds a satellite or subhalo. Its convergence in closed form, as [`PseudoJaffe`] states it, costs a tenth of that by second derivatives.
fn add_piece(grid: &Pixels, out: &mut [f64], piece: &PseudoJaffe) {
    let [xx, xy, yy] = elliptical_form(piece.axis_ratio, piece.position_angle_deg);
    let (core2, truncation2) = (piece.core_arcsec.powi(2), piece.truncation_arcsec.powi(2));
    let half = 0.5 * piece.einstein_radius_arcsec;
    let centre = [piece.x_arcsec, piece.y_arcsec];
    grid.add(out, centre, |x, y| {
        let (x, y) = (x - centre[0], y - centre[1]);
        let radius2 = xx * x * x + xy * x * y + yy * y * y;
        half * (1.0 / (radius2 + core2).sqrt() - 1.0 / (radius2 + truncation2).sqrt())
    });
}

/// Mean of a map within a circle; pixels on its edge count by their part inside.
pub(super) fn mean_within(map: &[f64], pixels: usize, centre: [f64; 2], radius: f64) -> f64 {
    const FINE: usize = 8;
    let grid = Pixels { side: pixels, step: FIELD_ARCSEC / pixels as f64 };
    let (mut sum, mut area) = (0.0, 0.0);
    for (k, value) in map.iter().enumerate() {
        let (x, y) = (grid.place(k % pixels) - centre[0], grid.place(k / pixels) - centre[1]);
        let (distance, reach) = (x.hypot(y), 0.71 * grid.step);
        let part = if distance < radius - reach {
            1.0
        } else if distance > radius + reach {
            0.0
        } else {
            let offset = |k: usize| ((k as f64 + 0.5) / FINE as f64 - 0.5) * grid.step;
            let inside = |k: &usize| (x + offset(k % FINE)).hypot(y + offset(k / FINE)) < radius;
            (0..FINE * FINE).filter(inside).count() as f64 / (FINE * FINE) as f64
        };
        sum += part * value;
        area += part;
    }
    sum / area.max(1e-9)
}

/// `sqrt(sum_{kappa > 1} kappa dA / pi)` (arcsec): what the paper calls the Einstein radius of a map.
pub(super) fn supercritical_radius(map: &[f64], pixels: usize) -> f64 {
    let step = FIELD_ARCSEC / pixels as f64;
    (map.iter().filter(|k| **k > 1.0).sum::<f64>() * step * step / std::f64::consts::PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;
    use crate::studies::lens_models::{DeflectionScratch, Deflector, Multipole, PixelDeflection, PowerLaw};

    fn plain() -> MassDraw {
        let draw = MassDraw::draw(&mut random::stream(2, "mass", 0), 1.2).smooth();
        MassDraw { shear: [0.0; 2], core_arcsec: 1e-6, ..draw }
    }

    /// Without core and extras it is the power law of the library, and the multipoles are the library's for an isothermal lens.
    #[test]
    fn the_main_mass_is_the_library_s() {
        let mut draw = plain();
        let law = PowerLaw {
            einstein_radius_arcsec: 1.2,
            slope: draw.slope,
            axis_ratio: draw.axis_ratio,
            position_angle_deg: draw.position_angle_deg,
            x_arcsec: draw.centre_arcsec[0],
            y_arcsec: draw.centre_arcsec[1],
        };
        let points = [[0.5, 0.3], [-1.0, 0.02], [0.11, 3.0]];
        let (main, library) = (Main::new(&draw), law.prepare());
        for [x, y] in points {
            assert!((main.value(x, y) / library.convergence(x, y) - 1.0).abs() < 1e-9);
            let radius = (x - law.x_arcsec).hypot(y - law.y_arcsec);
            assert!(main.least(radius) <= main.value(x, y) * (1.0 + 1e-12));
        }
        (draw.slope, draw.axis_ratio) = (2.0, 1.0);
        draw.multipoles[0] = super::super::Multipole { order: 3, a: 0.02, b: -0.01 };
        draw.multipoles[1] = super::super::Multipole { order: 4, a: 0.03, b: 0.015 };
        let without = Main::new(&draw.smooth());
        for [x, y] in points {
            let expected: f64 = draw
                .multipoles
                .iter()
                .map(|m| {
                    let [x_arcsec, y_arcsec] = draw.centre_arcsec;
                    Multipole { order: m.order, a_arcsec: 1.2 * m.a, b_arcsec: 1.2 * m.b, x_arcsec, y_arcsec }
                })
                .map(|m| m.convergence(x, y))
                .sum();
            let found = Main::new(&draw).value(x, y) - without.value(x, y);
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn a_satellite_is_the_library_s() {
        let piece = PseudoJaffe {
            einstein_radius_arcsec: 0.2,
            core_arcsec: 0.05,
            truncation_arcsec: 0.6,
            axis_ratio: 0.7,
            position_angle_deg: 30.0,
            x_arcsec: 0.4,
            y_arcsec: -0.8,
        };
        let grid = Pixels { side: 64, step: 0.12 };
        let mut map = vec![0.0; 64 * 64];
        add_piece(&grid, &mut map, &piece);
        let prepared = piece.prepare();
        for k in [3 * 64 + 60, 40 * 64 + 20] {
            let expected = prepared.convergence(grid.place(k % 64), grid.place(k / 64));
            assert!((map[k] / expected - 1.0).abs() < 2e-3, "{} {expected}", map[k]);
        }
        // All of its mass, pi theta_E (truncation - core), but for what lies outside of the field.
        let mass: f64 = map.iter().sum::<f64>() * 0.12 * 0.12;
        let whole = std::f64::consts::PI * 0.2 * 0.55;
        assert!(mass < whole && mass > 0.85 * whole, "{mass} {whole}");
    }

    /// Means over pixels: an isothermal sphere keeps its mass within every circle, `pi theta_E r`, and bends by its Einstein radius at it.
    #[test]
    fn pixels_hold_the_mass_and_bend_as_they_should() {
        let mut draw = plain();
        (draw.slope, draw.axis_ratio, draw.centre_arcsec) = (2.0, 1.0, [0.0; 2]);
        let n = 64;
        let tidal = TidalMass::new(n, 0.12);
        let map = convergence(&draw, &vec![0.0; n * n], &tidal, n);
        for (radius, tolerance) in [(0.5, 0.01), (1.2, 0.003), (2.4, 0.003)] {
            let relative = mean_within(&map, n, [0.0; 2], radius) * radius / 1.2 - 1.0;
            assert!(relative.abs() < tolerance, "{radius}: {relative}");
        }
        let expected = 1.2 * (0.5f64).sqrt();
        assert!((supercritical_radius(&map, n) - expected).abs() < 0.03 * expected);
        let (mut ax, mut ay) = (vec![0.0; n * n], vec![0.0; n * n]);
        PixelDeflection::new([n, n], 0.12).apply(&map, [&mut ax, &mut ay], &mut DeflectionScratch::default());
        // A square has no quadrupole of its own: what lies outside of the circle does not bend.
        let k = 32 * n + 42;
        let (x, y) = (10.5 * 0.12, 0.5 * 0.12);
        assert!((ax[k].hypot(ay[k]) - 1.2).abs() < 0.006, "{} {}", ax[k], ay[k]);
        assert!((ax[k] / ay[k] - x / y).abs() < 0.05 * x / y);
    }

    #[test]
    fn the_mean_within_the_einstein_radius_is_one_with_everything() {
        let mut rng = random::stream(3, "mass", 0);
        for (target, n) in [(0.5, 64), (1.3, 64), (2.5, 96)] {
            let draw = MassDraw::draw(&mut rng, target);
            let tidal = TidalMass::new(n, FIELD_ARCSEC / n as f64);
            let map = convergence(&draw, &vec![0.0; n * n], &tidal, n);
            assert!((mean_within(&map, n, draw.centre_arcsec, target) - 1.0).abs() < 5e-3);
            assert!(map.iter().all(|k| *k > 0.0));
        }
    }
}
