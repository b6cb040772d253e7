//! The convergence of a drawn mass, each pixel the mean over itself.

use super::FIELD_ARCSEC;
use super::draw::MassDraw;
use super::tidal::TidalMass;
use crate::numerics::fast_math::{exp, ln};
use crate::studies::lens_models::{Deflector, PreparedPseudoJaffe, PseudoJaffe, ellipticity};

/// The main mass: elliptical power law with a core and multipoles.
struct Main {
    centre: [f64; 2],
    /// Of the squared elliptical radius `q x'^2 + y'^2 / q`: its coefficients of x^2, xy and y^2.
    form: [f64; 3],
    core2: f64,
    /// Half of `slope - 1`.
    half_power: f64,
    /// Logarithm of `(3 - slope) / 2 theta_E^(slope - 1)`.
    log_scale: f64,
    multipoles: [(f64, f64); 2],
    axis_ratio: f64,
}

impl Main {
    fn new(draw: &MassDraw) -> Self {
        let [e1, e2] = ellipticity(draw.axis_ratio, draw.position_angle_deg);
        let e = e1 * e1 + e2 * e2;
        let widen = 1.0 / (1.0 - e);
        Self {
            centre: draw.centre_arcsec,
            form: [(1.0 + e - 2.0 * e1) * widen, -4.0 * e2 * widen, (1.0 + e + 2.0 * e1) * widen],
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

fn add_piece(grid: &Pixels, out: &mut [f64], piece: &PseudoJaffe) {
    let prepared: PreparedPseudoJaffe = piece.prepare();
    grid.add(out, [piece.x_arcsec, piece.y_arcsec], |x, y| prepared.convergence(x, y));
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
