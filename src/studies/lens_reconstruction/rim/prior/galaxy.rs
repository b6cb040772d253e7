//! The light of a drawn galaxy in source pixels.

use super::SOURCE_FIELD_ARCSEC;
use super::draw::{GalaxyDraw, Spiral};
use crate::numerics::fast_math::exp;
use crate::studies::lens_models::{PreparedSersic, Sersic};

/// Samples along each side of a pixel.
const FINE: usize = 2;

/// A disc with arms, in its own plane.
struct Arms {
    centre: [f64; 2],
    along: [f64; 2],
    root: f64,
    scale: f64,
    arms: f64,
    winding: f64,
    strength: f64,
    phase: f64,
}

impl Arms {
    fn new(disc: &Sersic, spiral: &Spiral) -> Self {
        let (sin, cos) = disc.position_angle_deg.to_radians().sin_cos();
        Self {
            centre: [disc.x_arcsec, disc.y_arcsec],
            along: [cos, sin],
            root: disc.axis_ratio.sqrt(),
            scale: disc.effective_radius_arcsec,
            arms: f64::from(spiral.arms),
            winding: 1.0 / spiral.pitch_deg.to_radians().tan(),
            strength: spiral.strength,
            phase: spiral.phase,
        }
    }

    /// Factor of the light. Near the centre the arms fade: there the logarithmic spiral winds for ever.
    fn factor(&self, x: f64, y: f64) -> f64 {
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        let [cos, sin] = self.along;
        let (u, v) = ((cos * dx + sin * dy) * self.root, (cos * dy - sin * dx) / self.root);
        let radius = u.hypot(v) / self.scale + 1e-9;
        let angle = self.arms * (v.atan2(u) - self.winding * radius.ln()) + self.phase;
        let fade = radius * radius / (radius * radius + 0.09);
        exp(self.strength * fade * angle.cos())
    }
}

/// Light of a galaxy, row by row on `pixels` x `pixels` over the field of the source, its greatest value 1.
pub(super) fn render(galaxy: &GalaxyDraw, pixels: usize) -> Vec<f64> {
    let step = SOURCE_FIELD_ARCSEC / pixels as f64;
    // A cusp is smoothed over half a pixel: the source is what the pixels say, there is nothing behind them.
    let prepare = |s: &Sersic| s.prepare().softened(0.5 * step);
    let disc = prepare(&galaxy.disc);
    let rest: Vec<PreparedSersic> = galaxy.bulge.iter().chain(&galaxy.companion).map(prepare).collect();
    let arms = galaxy.spiral.as_ref().map(|spiral| Arms::new(&galaxy.disc, spiral));
    let value = |x: f64, y: f64| {
        let disc = disc.value(x, y) * arms.as_ref().map_or(1.0, |arms| arms.factor(x, y));
        disc + rest.iter().map(|s| s.value(x, y)).sum::<f64>()
    };
    let place = |k: usize| (k as f64 - 0.5 * (pixels as f64 - 1.0)) * step;
    let offset = |k: usize| ((k as f64 + 0.5) / FINE as f64 - 0.5) * step;
    let mean = |k: usize| {
        let (x, y) = (place(k % pixels), place(k / pixels));
        let sample = |k: usize| value(x + offset(k % FINE), y + offset(k / FINE));
        (0..FINE * FINE).map(sample).sum::<f64>() / (FINE * FINE) as f64
    };
    let mut out: Vec<f64> = (0..pixels * pixels).map(mean).collect();
    for clump in &galaxy.clumps {
        // Averaging over the pixel widens a Gaussian by a twelfth of its square.
        let variance = clump.sigma_arcsec.powi(2) + step * step / 12.0;
        let peak = clump.brightness * clump.sigma_arcsec.powi(2) / variance;
        let along = |centre: f64| -> Vec<f64> {
            (0..pixels).map(|k| exp(-0.5 * (place(k) - centre).powi(2) / variance)).collect()
        };
        let (columns, rows) = (along(clump.place_arcsec[0]), along(clump.place_arcsec[1]));
        for (line, row) in out.chunks_exact_mut(pixels).zip(&rows) {
            for (value, column) in line.iter_mut().zip(&columns) {
                *value += peak * row * column;
            }
        }
    }
    let most = out.iter().copied().fold(0.0, f64::max).max(1e-300);
    out.iter_mut().for_each(|v| *v /= most);
    out
}
