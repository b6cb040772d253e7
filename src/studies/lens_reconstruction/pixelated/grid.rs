//! A source in pixels: where they lie, and what lies between them.

use ndarray::Array2;

use crate::studies::lens_models::Sersic;

/// A square of source pixels. Between their centres the brightness is bilinear, and zero beyond the pixels around the square.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourceGrid {
    /// Middle of the square, arcsec from the image centre.
    pub centre: [f64; 2],
    /// Side of a pixel (arcsec).
    pub pixel: f64,
    /// Pixels along each side.
    pub side: usize,
}

/// The four pixels around a position. Those outside the square have the place 0 and no weight.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stencil {
    /// Places in the row-by-row vector of pixels.
    pub places: [u32; 4],
    /// Weights of the brightness there.
    pub weights: [f64; 4],
    /// Weights of its derivatives by the position, `[x, y]` (1 / arcsec).
    pub slopes: [[f64; 4]; 2],
}

impl SourceGrid {
    /// Number of pixels.
    pub fn len(&self) -> usize {
        self.side * self.side
    }

    /// Never with pixels.
    pub fn is_empty(&self) -> bool {
        self.side == 0
    }

    /// Centre of pixel `[y, x]`, arcsec from the image centre.
    pub fn place(&self, [j, i]: [usize; 2]) -> [f64; 2] {
        let off = |k: usize| (k as f64 - 0.5 * (self.side as f64 - 1.0)) * self.pixel;
        [self.centre[0] + off(i), self.centre[1] + off(j)]
    }

    /// Cell of a position: the pixel below and left of it (from -1) and how far it is beyond that pixel's centre (0 to 1). `None` where nothing shines.
    #[inline(always)]
    fn cell(&self, x: f64, y: f64) -> Option<([isize; 2], [f64; 2])> {
        let half = 0.5 * (self.side as f64 - 1.0);
        let inverse = 1.0 / self.pixel;
        let (u, v) = ((x - self.centre[0]) * inverse + half, (y - self.centre[1]) * inverse + half);
        let most = self.side as f64;
        // Not a number is nowhere.
        if !(u >= -1.0 && v >= -1.0 && u < most && v < most) {
            return None;
        }
        let (i, j) = ((u + 1.0) as isize - 1, (v + 1.0) as isize - 1);
        Some(([i, j], [u - i as f64, v - j as f64]))
    }

    /// What a position sees of the pixels; `None` where that is nothing.
    #[inline]
    pub fn stencil(&self, x: f64, y: f64) -> Option<Stencil> {
        let ([i, j], [fx, fy]) = self.cell(x, y)?;
        let inverse = 1.0 / self.pixel;
        let side = self.side as isize;
        let mut out = Stencil::default();
        for (corner, (dj, di)) in [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().enumerate() {
            let (column, row) = (i + di, j + dj);
            if column < 0 || row < 0 || column >= side || row >= side {
                continue;
            }
            let (wx, wy) = (if di == 1 { fx } else { 1.0 - fx }, if dj == 1 { fy } else { 1.0 - fy });
            let (sx, sy) = (if di == 1 { inverse } else { -inverse }, if dj == 1 { inverse } else { -inverse });
            out.places[corner] = (row * side + column) as u32;
            out.weights[corner] = wx * wy;
            out.slopes[0][corner] = sx * wy;
            out.slopes[1][corner] = wx * sy;
        }
        Some(out)
    }

    /// Brightness of a source, given row by row, at a position, and its derivatives by the position (1 / arcsec).
    #[inline]
    pub fn value_and_slope(&self, source: &[f64], x: f64, y: f64) -> (f64, [f64; 2]) {
        let Some(([i, j], [fx, fy])) = self.cell(x, y) else { return (0.0, [0.0; 2]) };
        let side = self.side as isize;
        let inverse = 1.0 / self.pixel;
        let [a, b, c, d] = if i >= 0 && j >= 0 && i + 1 < side && j + 1 < side {
            let at = (j * side + i) as usize;
            [source[at], source[at + 1], source[at + self.side], source[at + self.side + 1]]
        } else {
            let at = |column: isize, row: isize| {
                let inside = column >= 0 && row >= 0 && column < side && row < side;
                if inside { source[(row * side + column) as usize] } else { 0.0 }
            };
            [at(i, j), at(i + 1, j), at(i, j + 1), at(i + 1, j + 1)]
        };
        let (low, high) = (a + fx * (b - a), c + fx * (d - c));
        let along = (b - a) + fy * ((d - c) - (b - a));
        (low + fy * (high - low), [along * inverse, (high - low) * inverse])
    }

    /// Adds the derivatives of a brightness at a position, times `factor`, to those by the pixels.
    #[inline]
    pub fn scatter(&self, out: &mut [f64], x: f64, y: f64, factor: f64) {
        let Some(([i, j], [fx, fy])) = self.cell(x, y) else { return };
        let side = self.side as isize;
        let (left, right) = (factor * (1.0 - fx), factor * fx);
        if i >= 0 && j >= 0 && i + 1 < side && j + 1 < side {
            let at = (j * side + i) as usize;
            out[at] += left * (1.0 - fy);
            out[at + 1] += right * (1.0 - fy);
            out[at + self.side] += left * fy;
            out[at + self.side + 1] += right * fy;
            return;
        }
        for (column, row, weight) in [
            (i, j, left * (1.0 - fy)),
            (i + 1, j, right * (1.0 - fy)),
            (i, j + 1, left * fy),
            (i + 1, j + 1, right * fy),
        ] {
            if column >= 0 && row >= 0 && column < side && row < side {
                out[(row * side + column) as usize] += weight;
            }
        }
    }

    /// Mean brightness of parametric sources in the pixels, row by row, 6 x 6 points each.
    pub fn mean_of(&self, sources: &[Sersic]) -> Vec<f64> {
        const FINE: usize = 6;
        let prepared: Vec<_> = sources.iter().map(Sersic::prepare).collect();
        let offset = |k: usize| ((k as f64 + 0.5) / FINE as f64 - 0.5) * self.pixel;
        let points = (FINE * FINE) as f64;
        let mean = |at: usize| {
            let [x, y] = self.place([at / self.side, at % self.side]);
            let brightness =
                |k: usize| prepared.iter().map(|s| s.value(x + offset(k % FINE), y + offset(k / FINE))).sum::<f64>();
            (0..FINE * FINE).map(brightness).sum::<f64>() / points
        };
        (0..self.len()).map(mean).collect()
    }

    /// Row-by-row values as a map `[y, x]`.
    pub fn map(&self, values: &[f64]) -> Array2<f64> {
        // The length is the product of the shape by construction.
        Array2::from_shape_vec((self.side, self.side), values.to_vec()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;

    #[test]
    fn a_plane_is_interpolated_exactly_and_the_outside_is_dark() {
        let grid = SourceGrid { centre: [0.3, -0.2], pixel: 0.05, side: 12 };
        let plane = |x: f64, y: f64| 1.0 + 2.0 * x - 3.0 * y;
        let source: Vec<f64> = (0..144)
            .map(|k| {
                let [x, y] = grid.place([k / 12, k % 12]);
                plane(x, y)
            })
            .collect();
        for [x, y] in [[0.31, -0.21], [0.123, 0.01], [0.5, -0.4]] {
            let (value, slope) = grid.value_and_slope(&source, x, y);
            assert!((value - plane(x, y)).abs() < 1e-13);
            assert!((slope[0] - 2.0).abs() < 1e-11 && (slope[1] + 3.0).abs() < 1e-11);
        }
        assert_eq!(grid.value_and_slope(&source, 0.3 + 0.05 * 6.51, -0.2).0, 0.0);
        assert_eq!(grid.stencil(f64::NAN, 0.0), None);
        assert_eq!(grid.stencil(0.3, -5.0), None);
    }

    /// Value, stencil, scatter and slopes are one interpolation, at the edge too.
    #[test]
    fn every_form_of_the_interpolation_is_the_same() {
        let grid = SourceGrid { centre: [0.0, 0.1], pixel: 0.1, side: 5 };
        let mut rng = random::stream(1, "grid", 0);
        let source: Vec<f64> = (0..25).map(|_| random::normal(&mut rng)).collect();
        for _ in 0..400 {
            let x = random::uniform_in(&mut rng, -0.35, 0.35);
            let y = random::uniform_in(&mut rng, -0.25, 0.45);
            let (value, slope) = grid.value_and_slope(&source, x, y);
            let stencil = grid.stencil(x, y).unwrap_or_default();
            let dot = |w: &[f64; 4]| (0..4).map(|k| w[k] * source[stencil.places[k] as usize]).sum::<f64>();
            assert!((dot(&stencil.weights) - value).abs() < 1e-13);
            for (weights, expected) in stencil.slopes.iter().zip(slope) {
                assert!((dot(weights) - expected).abs() < 1e-11);
            }
            let mut back = vec![0.0; 25];
            grid.scatter(&mut back, x, y, 2.0);
            let through: f64 = back.iter().zip(&source).map(|(a, b)| a * b).sum();
            assert!((through - 2.0 * value).abs() < 1e-12);
            let h = 1e-7;
            let difference = (grid.value_and_slope(&source, x + h, y).0 - value) / h;
            assert!((difference - slope[0]).abs() < 1e-5 || ((x / 0.1).fract().abs() - 0.5).abs() > 0.49, "{x} {y}");
        }
    }
}
