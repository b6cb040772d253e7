//! A parametric lens with a correction of its convergence in pixels.

use ndarray::Array2;

use super::field::Field;
use crate::numerics::convolution::{Convolver, Scratch};
use crate::studies::lens_models::{DeflectionScratch, Deflector, LensModel, PixelDeflection, PreparedLens};

/// Mean convergence of a lens in the cells of a field's box, 4 x 4 points each.
pub(super) fn cell_convergence(field: &Field, lens: &impl Deflector) -> Vec<f64> {
    const FINE: usize = 4;
    let offset = |k: usize| ((k as f64 + 0.5) / FINE as f64 - 0.5) * field.step;
    (0..field.cells() as u32)
        .map(|cell| {
            let [x, y] = field.centre(cell);
            let points = (0..FINE * FINE).map(|k| lens.convergence(x + offset(k % FINE), y + offset(k / FINE)));
            // A point on a singular centre says nothing.
            let (sum, count) = points.filter(|v| v.is_finite()).fold((0.0, 0.0f64), |(s, c), v| (s + v, c + 1.0));
            sum / count.max(1.0)
        })
        .collect()
}

/// A lens whose convergence was changed in the pixels of a box: `kappa + excess` there, `kappa` outside.
///
/// The deflection of the excess is that of its pixels alone, so that what lies outside the box, and the cusp of the galaxy, stay exact.
/// Between pixel centres everything is bilinear; beyond the box the deflection of the excess is that at its edge.
#[derive(Clone, Debug)]
pub struct CorrectedLens {
    lens: PreparedLens,
    /// Rows and columns.
    extent: [usize; 2],
    origin: [f64; 2],
    step: f64,
    /// Excess of the convergence, row by row.
    excess: Vec<f64>,
    /// Its deflection.
    deflection: [Vec<f64>; 2],
    /// Its potential.
    potential: Vec<f64>,
}

impl CorrectedLens {
    pub(super) fn new(lens: &LensModel, field: &Field, deflector: &PixelDeflection, excess: Vec<f64>) -> Self {
        let cells = field.cells();
        let mut deflection = [vec![0.0; cells], vec![0.0; cells]];
        let [ax, ay] = &mut deflection;
        deflector.apply(&excess, [ax, ay], &mut DeflectionScratch::default());
        let potential = potential_of(&excess, field.extent, field.step);
        Self {
            lens: lens.prepare(),
            extent: field.extent,
            origin: field.origin,
            step: field.step,
            excess,
            deflection,
            potential,
        }
    }

    /// Bilinear value of a map of the box; beyond its edge that of the edge.
    fn at(&self, map: &[f64], x: f64, y: f64) -> f64 {
        let [rows, columns] = self.extent;
        let u = ((x - self.origin[0]) / self.step).clamp(0.0, columns as f64 - 1.0);
        let v = ((y - self.origin[1]) / self.step).clamp(0.0, rows as f64 - 1.0);
        let (i, j) = ((u as usize).min(columns.saturating_sub(2)), (v as usize).min(rows.saturating_sub(2)));
        let (fx, fy) = (u - i as f64, v - j as f64);
        let value = |j: usize, i: usize| map[j.min(rows - 1) * columns + i.min(columns - 1)];
        (1.0 - fy) * ((1.0 - fx) * value(j, i) + fx * value(j, i + 1))
            + fy * ((1.0 - fx) * value(j + 1, i) + fx * value(j + 1, i + 1))
    }

    /// The excess of the convergence at a point.
    pub fn excess(&self, x: f64, y: f64) -> f64 {
        let half = 0.5 * self.step;
        let [rows, columns] = self.extent;
        let inside = x >= self.origin[0] - half
            && y >= self.origin[1] - half
            && x <= self.origin[0] + (columns as f64 - 0.5) * self.step
            && y <= self.origin[1] + (rows as f64 - 0.5) * self.step;
        if inside { self.at(&self.excess, x, y) } else { 0.0 }
    }

    /// The excess on the pixels of an image of `shape`, `[y, x]`; zero outside the box.
    pub fn excess_map(&self, shape: (usize, usize)) -> Array2<f64> {
        let centre = |n: usize| 0.5 * (n as f64 - 1.0);
        Array2::from_shape_fn(shape, |(j, i)| {
            self.excess((i as f64 - centre(shape.1)) * self.step, (j as f64 - centre(shape.0)) * self.step)
        })
    }
}

impl Deflector for CorrectedLens {
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        let [ax, ay] = self.lens.deflection(x, y);
        [ax + self.at(&self.deflection[0], x, y), ay + self.at(&self.deflection[1], x, y)]
    }

    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        let [xx, xy, yy] = self.lens.hessian(x, y);
        let h = self.step;
        let slope =
            |map: &[f64], dx: f64, dy: f64| (self.at(map, x + dx, y + dy) - self.at(map, x - dx, y - dy)) / (2.0 * h);
        let [ax, ay] = &self.deflection;
        [xx + slope(ax, h, 0.0), xy + 0.5 * (slope(ax, 0.0, h) + slope(ay, h, 0.0)), yy + slope(ay, 0.0, h)]
    }

    fn potential(&self, x: f64, y: f64) -> f64 {
        self.lens.potential(x, y) + self.at(&self.potential, x, y)
    }

    fn convergence(&self, x: f64, y: f64) -> f64 {
        self.lens.convergence(x, y) + self.excess(x, y)
    }
}

/// Potential of a convergence in pixels: its convolution with `ln r / pi`, the pixel's own mean in the centre.
pub(in crate::studies::lens_reconstruction) fn potential_of(
    convergence: &[f64],
    [rows, columns]: [usize; 2],
    step: f64,
) -> Vec<f64> {
    // The mean of ln r over a square of side 1 about its centre.
    let own = 0.5 * (0.5f64).ln() + 0.25 * std::f64::consts::PI - 1.5;
    let kernel = Array2::from_shape_fn((2 * rows - 1, 2 * columns - 1), |(j, i)| {
        let (dy, dx) = (j as f64 - (rows as f64 - 1.0), i as f64 - (columns as f64 - 1.0));
        let log = if dx == 0.0 && dy == 0.0 { own } else { dx.hypot(dy).ln() };
        (log + step.ln()) * step * step / std::f64::consts::PI
    });
    let mut out = vec![0.0; convergence.len()];
    Convolver::new(&kernel, [rows, columns]).apply(convergence, &mut out, &mut Scratch::default());
    out
}
