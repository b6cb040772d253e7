//! A lens whose whole mass is a convergence in the pixels of a square field.

use ndarray::Array2;

use crate::studies::lens_models::{DeflectionScratch, Deflector, PixelDeflection};
use crate::studies::lens_reconstruction::pixelated::potential_of;

/// Convergence in pixels with its deflection and potential, bilinear between their centres. Beyond the field, all of its mass acts from the centre.
#[derive(Clone, Debug)]
pub struct PixelLens {
    pixels: usize,
    /// Middle of the field, arcsec from the image centre.
    centre: [f64; 2],
    /// Side of a pixel (arcsec).
    step: f64,
    convergence: Vec<f64>,
    deflection: [Vec<f64>; 2],
    potential: Vec<f64>,
    /// Mass over pi times the critical density (arcsec^2).
    mass: f64,
}

impl PixelLens {
    /// From a convergence, row by row, on `pixels x pixels` of side `step` (arcsec) around `centre`.
    pub fn new(convergence: Vec<f64>, pixels: usize, centre: [f64; 2], step: f64) -> Self {
        let mut deflection = [vec![0.0; convergence.len()], vec![0.0; convergence.len()]];
        let [ax, ay] = &mut deflection;
        PixelDeflection::new([pixels; 2], step).apply(&convergence, [ax, ay], &mut DeflectionScratch::default());
        let potential = potential_of(&convergence, [pixels; 2], step);
        let mass = convergence.iter().sum::<f64>() * step * step / std::f64::consts::PI;
        Self { pixels, centre, step, convergence, deflection, potential, mass }
    }

    /// Half the side of the field (arcsec).
    pub fn half_arcsec(&self) -> f64 {
        0.5 * self.pixels as f64 * self.step
    }

    /// Middle of the field, arcsec from the image centre.
    pub fn centre(&self) -> [f64; 2] {
        self.centre
    }

    fn inside(&self, x: f64, y: f64) -> bool {
        (x - self.centre[0]).abs().max((y - self.centre[1]).abs()) <= self.half_arcsec()
    }

    /// Bilinear value of a map, linear beyond the outermost centres.
    fn at(&self, map: &[f64], x: f64, y: f64) -> f64 {
        let n = self.pixels;
        let middle = 0.5 * (n as f64 - 1.0);
        let place = |p: f64, centre: f64| {
            let u = (p - centre) / self.step + middle;
            let k = (u.max(0.0) as usize).min(n - 2);
            (k, u - k as f64)
        };
        let ((i, fx), (j, fy)) = (place(x, self.centre[0]), place(y, self.centre[1]));
        let at = j * n + i;
        (1.0 - fy) * ((1.0 - fx) * map[at] + fx * map[at + 1]) + fy * ((1.0 - fx) * map[at + n] + fx * map[at + n + 1])
    }

    /// The convergence on the pixels of an image of `shape`, `[y, x]`; NaN outside the field. Interpolated in its logarithm.
    pub fn convergence_map(&self, shape: (usize, usize), pixel_scale_arcsec: f64) -> Array2<f64> {
        let logarithm: Vec<f64> = self.convergence.iter().map(|k| k.max(1e-12).ln()).collect();
        let offset = |k: usize, n: usize| (k as f64 - 0.5 * (n as f64 - 1.0)) * pixel_scale_arcsec;
        Array2::from_shape_fn(shape, |(j, i)| {
            let (x, y) = (offset(i, shape.1), offset(j, shape.0));
            if self.inside(x, y) { self.at(&logarithm, x, y).exp() } else { f64::NAN }
        })
    }
}

impl Deflector for PixelLens {
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        if self.inside(x, y) {
            return [self.at(&self.deflection[0], x, y), self.at(&self.deflection[1], x, y)];
        }
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        let factor = self.mass / (dx * dx + dy * dy);
        [factor * dx, factor * dy]
    }

    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        let h = self.step;
        let (right, left) = (self.deflection(x + h, y), self.deflection(x - h, y));
        let (above, below) = (self.deflection(x, y + h), self.deflection(x, y - h));
        let slope = |high: f64, low: f64| (high - low) / (2.0 * h);
        [
            slope(right[0], left[0]),
            0.5 * (slope(right[1], left[1]) + slope(above[0], below[0])),
            slope(above[1], below[1]),
        ]
    }

    fn potential(&self, x: f64, y: f64) -> f64 {
        if self.inside(x, y) {
            return self.at(&self.potential, x, y);
        }
        self.mass * (x - self.centre[0]).hypot(y - self.centre[1]).ln()
    }

    fn convergence(&self, x: f64, y: f64) -> f64 {
        if self.inside(x, y) { self.at(&self.convergence, x, y) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disc of convergence 1 and radius 1: inside it bends by the position itself, outside as a point of its mass.
    #[test]
    fn a_disc_bends_as_a_disc() {
        let (n, step, centre) = (128, 0.05, [0.4, -0.3]);
        let middle = 0.5 * (n as f64 - 1.0);
        let convergence = (0..n * n)
            .map(|p| {
                let fine = |k: usize| (k as f64 + 0.5) / 8.0 - 0.5;
                let inside = (0..64).filter(|s| {
                    let x = ((p % n) as f64 - middle + fine(s % 8)) * step;
                    let y = ((p / n) as f64 - middle + fine(s / 8)) * step;
                    x.hypot(y) < 1.0
                });
                inside.count() as f64 / 64.0
            })
            .collect();
        let lens = PixelLens::new(convergence, n, centre, step);
        for (x, y) in [(0.5, 0.2), (-0.3, 0.6), (1.5, 0.9), (-2.0, 1.0), (4.0, 3.0), (-1.0, -5.0)] {
            let factor = 1.0 / f64::max(1.0, x * x + y * y);
            let [ax, ay] = lens.deflection(x + centre[0], y + centre[1]);
            assert!((ax - factor * x).abs() < 3e-3 && (ay - factor * y).abs() < 3e-3, "{x} {y}: {ax} {ay}");
        }
        let [xx, xy, yy] = lens.hessian(0.3 + centre[0], 0.1 + centre[1]);
        assert!((xx - 1.0).abs() < 0.02 && xy.abs() < 0.02 && (yy - 1.0).abs() < 0.02, "{xx} {xy} {yy}");
        let slope = (lens.potential(2.1 + centre[0], centre[1]) - lens.potential(1.9 + centre[0], centre[1])) / 0.2;
        assert!((slope - 0.5).abs() < 0.01, "{slope}");
        let map = lens.convergence_map((64, 64), 0.2);
        assert!(map[[0, 0]].is_nan() && (map[[30, 34]] - 1.0).abs() < 1e-6);
    }
}
