//! An image on the pixels of another: bilinear resampling through any transform, and block means.

use std::ops::ControlFlow;

use ndarray::{Array2, ArrayRef2, Axis};

/// Pixels between places where the transform is evaluated exactly.
const CELL: usize = 16;
/// Where interpolating the transform errs by more than so many pixels, it is evaluated for every pixel.
const TOLERANCE: f64 = 0.005;

/// `source` (`[y, x]`) on a grid of `shape` (`[height, width]`), by bilinear interpolation.
///
/// `map` gives the pixel `[x, y]` of the source (0-based, pixel centres at whole numbers) for a pixel of the grid; `None`
/// where there is none. Pixels that lie outside of the source, or beside one of its NaN, become NaN.
/// The transform is evaluated on a coarse grid and interpolated where that errs by less than 0.005 pixels at the middle
/// of a cell. `step` is called for every row of cells; `Break` ends early, with `None`.
pub fn regrid(
    source: &ArrayRef2<f32>,
    shape: [usize; 2],
    map: impl Fn([f64; 2]) -> Option<[f64; 2]>,
    mut step: impl FnMut(f64) -> ControlFlow<()>,
) -> Option<Array2<f32>> {
    let [height, width] = shape;
    let mut out = Array2::from_elem((height, width), f32::NAN);
    let nodes = |j: usize| -> Vec<Option<[f64; 2]>> {
        (0..=width.div_ceil(CELL)).map(|i| map([(i * CELL) as f64, (j * CELL) as f64])).collect()
    };
    let mut below = nodes(0);
    for j in 0..height.div_ceil(CELL) {
        if step(j as f64 * CELL as f64 / height as f64).is_break() {
            return None;
        }
        let above = nodes(j + 1);
        for i in 0..width.div_ceil(CELL) {
            let corners = [below[i], below[i + 1], above[i], above[i + 1]];
            let cell = Cell::new([i * CELL, j * CELL], corners, &map);
            for y in j * CELL..((j + 1) * CELL).min(height) {
                for x in i * CELL..((i + 1) * CELL).min(width) {
                    let place = match &cell {
                        Some(cell) => Some(cell.at(x, y)),
                        None => map([x as f64, y as f64]),
                    };
                    out[[y, x]] = place.map_or(f32::NAN, |place| bilinear(source, place));
                }
            }
        }
        below = above;
    }
    Some(out)
}

/// A patch of the grid within which the transform is as good as bilinear.
struct Cell {
    origin: [usize; 2],
    corners: [[f64; 2]; 4],
}

impl Cell {
    fn new(
        origin: [usize; 2],
        corners: [Option<[f64; 2]>; 4],
        map: &impl Fn([f64; 2]) -> Option<[f64; 2]>,
    ) -> Option<Self> {
        let [a, b, c, d] = corners;
        let cell = Self { origin, corners: [a?, b?, c?, d?] };
        let half = CELL / 2;
        // The middle, and a place off it: a transform that folds could agree in the middle by chance.
        for (dx, dy) in [(half, half), (half / 2, half + half / 2)] {
            let (x, y) = (origin[0] + dx, origin[1] + dy);
            let exact = map([x as f64, y as f64])?;
            let found = cell.at(x, y);
            if (exact[0] - found[0]).hypot(exact[1] - found[1]) > TOLERANCE {
                return None;
            }
        }
        Some(cell)
    }

    fn at(&self, x: usize, y: usize) -> [f64; 2] {
        let u = (x - self.origin[0]) as f64 / CELL as f64;
        let v = (y - self.origin[1]) as f64 / CELL as f64;
        let [a, b, c, d] = self.corners;
        [0, 1].map(|k| (1.0 - v) * ((1.0 - u) * a[k] + u * b[k]) + v * ((1.0 - u) * c[k] + u * d[k]))
    }
}

/// The value of an image `[y, x]` at a place `[x, y]` between its pixel centres; NaN outside of them.
pub fn bilinear(source: &ArrayRef2<f32>, place: [f64; 2]) -> f32 {
    let (height, width) = source.dim();
    // Transforms there and back lose some digits: a place that is a pixel's centre must not fall out of the image.
    let snap = |v: f64| if (v - v.round()).abs() < 1e-6 { v.round() } else { v };
    let [x, y] = place.map(snap);
    let inside = x >= 0.0 && y >= 0.0 && x <= width as f64 - 1.0 && y <= height as f64 - 1.0;
    if !inside {
        return f32::NAN;
    }
    let (i, j) = (x as usize, y as usize);
    let (u, v) = (x - i as f64, y - j as f64);
    let mut sum = 0.0;
    for (column, row, weight) in
        [(i, j, (1.0 - u) * (1.0 - v)), (i + 1, j, u * (1.0 - v)), (i, j + 1, (1.0 - u) * v), (i + 1, j + 1, u * v)]
    {
        // A neighbour without weight may lie outside, or be NaN.
        if weight > 0.0 {
            sum += weight * f64::from(source[[row, column]]);
        }
    }
    sum as f32
}

/// Means of the finite values of `factor` x `factor` pixels; NaN where there are none. The last blocks may be smaller.
pub fn block_means(source: &ArrayRef2<f32>, factor: usize) -> Array2<f64> {
    let factor = factor.max(1);
    let (height, width) = source.dim();
    let shape = (height.div_ceil(factor), width.div_ceil(factor));
    let mut sums = Array2::<f64>::zeros(shape);
    let mut counts = Array2::<u32>::zeros(shape);
    for (y, row) in source.axis_iter(Axis(0)).enumerate() {
        for (x, value) in row.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            sums[[y / factor, x / factor]] += f64::from(*value);
            counts[[y / factor, x / factor]] += 1;
        }
    }
    sums.zip_mut_with(&counts, |sum, count| *sum = if *count == 0 { f64::NAN } else { *sum / f64::from(*count) });
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(_: f64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn a_plane_stays_a_plane_under_a_rotation() {
        let source = Array2::from_shape_fn((80, 90), |(y, x)| 3.0 * x as f32 - 2.0 * y as f32 + 5.0);
        let (sin, cos) = 0.3_f64.sin_cos();
        let map = |[x, y]: [f64; 2]| Some([0.5 * (cos * x - sin * y) + 20.0, 0.5 * (sin * x + cos * y) + 10.0]);
        let out = regrid(&source, [70, 100], map, go).unwrap();
        let mut inside = 0;
        for ((y, x), value) in out.indexed_iter() {
            let [u, v] = map([x as f64, y as f64]).unwrap();
            if (0.0..=89.0).contains(&u) && (0.0..=79.0).contains(&v) {
                assert!((f64::from(*value) - (3.0 * u - 2.0 * v + 5.0)).abs() < 1e-3, "{x} {y}");
                inside += 1;
            } else {
                assert!(value.is_nan());
            }
        }
        assert!(inside > 4000);
    }

    #[test]
    fn a_curved_transform_is_followed_exactly() {
        // Across a cell of 16 pixels this bends by far more than the tolerance.
        let source = Array2::from_shape_fn((200, 200), |(_, x)| x as f32);
        let map = |[x, y]: [f64; 2]| Some([x * x / 60.0, y]);
        let out = regrid(&source, [100, 100], map, go).unwrap();
        for x in 0..100 {
            assert!((f64::from(out[[50, x]]) - (x * x) as f64 / 60.0).abs() < 1e-4, "{x}: {}", out[[50, x]]);
        }
    }

    #[test]
    fn missing_pixels_spread_to_their_neighbours_only() {
        let mut source = Array2::from_elem((10, 10), 1.0_f32);
        source[[5, 5]] = f32::NAN;
        let identity = regrid(&source, [10, 10], Some, go).unwrap();
        assert_eq!(identity.iter().filter(|v| v.is_nan()).count(), 1);
        let shifted = regrid(&source, [9, 9], |[x, y]| Some([x + 0.5, y + 0.5]), go).unwrap();
        assert_eq!(shifted.iter().filter(|v| v.is_nan()).count(), 4);
        assert!(regrid(&source, [10, 10], Some, |_| ControlFlow::Break(())).is_none());
    }

    #[test]
    fn block_means_leave_missing_values_out() {
        let mut source = Array2::from_shape_fn((5, 4), |(y, x)| (4 * y + x) as f32);
        source[[0, 0]] = f32::NAN;
        let means = block_means(&source, 2);
        assert_eq!(means.dim(), (3, 2));
        assert!((means[[0, 0]] - 10.0 / 3.0).abs() < 1e-12);
        assert!((means[[2, 1]] - 18.5).abs() < 1e-12);
        assert!(block_means(&Array2::from_elem((2, 2), f32::NAN), 2)[[0, 0]].is_nan());
    }
}
