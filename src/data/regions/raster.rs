//! Which pixels of an image lie in a region.
//!
//! The centre rule counts a pixel when its centre lies inside; neighbouring boxes and polygons then share no pixel.
//! By coverage, a pixel counts by the share of its area that is covered: for apertures of a few pixels, where the rim is
//! much of the whole.

use std::ops::Range;

use super::Shape;

/// Lines across a pixel by which its covered share is measured; along each of them the share is exact.
const LINES: u32 = 32;

/// When a pixel belongs to a region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PixelRule {
    /// Its centre lies inside.
    #[default]
    Center,
    /// By the share of its area that lies inside.
    Coverage,
}

/// Pixels of one row with their weights.
#[derive(Debug, Clone, PartialEq)]
pub struct FootprintRow {
    /// The row, 0-based.
    pub y: usize,
    /// Column of the first weight.
    pub x: usize,
    /// Weights from 0 to 1.
    pub weights: Vec<f32>,
}

/// The pixels of a region.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Footprint {
    /// Rows that have pixels in it, ascending.
    pub rows: Vec<FootprintRow>,
}

impl Footprint {
    /// The pixels of an image of `[width, height]` that lie in `shape` (in 0-based pixels) and in none of `without`.
    /// A point is the pixel around it, by either rule.
    pub fn of(shape: &Shape, without: &[Shape], size: [usize; 2], rule: PixelRule) -> Self {
        let Some([columns, rows]) = extent(shape, size) else { return Self::default() };
        let mut found = Vec::new();
        for y in rows {
            let mut weights = row(shape, y, &columns, rule);
            for taken in without {
                if extent(taken, size).is_some_and(|[_, rows]| rows.contains(&y)) {
                    let other = row(taken, y, &columns, rule);
                    weights.iter_mut().zip(other).for_each(|(w, o)| *w *= 1.0 - o);
                }
            }
            let first = weights.iter().position(|w| *w > 0.0);
            let last = weights.iter().rposition(|w| *w > 0.0);
            if let (Some(first), Some(last)) = (first, last) {
                weights.truncate(last + 1);
                weights.drain(..first);
                found.push(FootprintRow { y, x: columns.start + first, weights });
            }
        }
        Self { rows: found }
    }

    /// True when no pixel lies in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Sum of the weights: its area in pixels.
    pub fn area(&self) -> f64 {
        self.rows.iter().flat_map(|r| &r.weights).map(|w| f64::from(*w)).sum()
    }

    /// Columns and rows that hold all of it; `None` when it is empty.
    pub fn bounds(&self) -> Option<[Range<usize>; 2]> {
        let rows = self.rows.first()?.y..self.rows.last()?.y + 1;
        let start = self.rows.iter().map(|r| r.x).min()?;
        let end = self.rows.iter().map(|r| r.x + r.weights.len()).max()?;
        Some([start..end, rows])
    }

    /// Every pixel `[x, y]` with its weight, row by row.
    pub fn pixels(&self) -> impl Iterator<Item = ([usize; 2], f32)> + '_ {
        self.rows.iter().flat_map(|row| {
            let weighted = row.weights.iter().enumerate().filter(|(_, w)| **w > 0.0);
            weighted.map(|(i, w)| ([row.x + i, row.y], *w))
        })
    }
}

/// Columns and rows of an image that a shape may touch; `None` when there are none.
fn extent(shape: &Shape, size: [usize; 2]) -> Option<[Range<usize>; 2]> {
    let [x0, y0, x1, y1] = shape.bounds();
    let along = |low: f64, high: f64, length: usize| {
        let first = (low + 0.5).floor().max(0.0);
        let end = ((high + 0.5).floor() + 1.0).min(length as f64);
        // Also refuses what is no number.
        (first < end).then_some(first as usize..end as usize)
    };
    Some([along(x0, x1, size[0])?, along(y0, y1, size[1])?])
}

fn row(shape: &Shape, y: usize, columns: &Range<usize>, rule: PixelRule) -> Vec<f32> {
    let mut weights = vec![0.0; columns.len()];
    if let Shape::Point { center } = shape {
        let at = center.map(|v| (v + 0.5).floor());
        if at[1] == y as f64
            && at[0] >= columns.start as f64
            && let Some(weight) = weights.get_mut(at[0] as usize - columns.start)
        {
            *weight = 1.0;
        }
        return weights;
    }
    match rule {
        PixelRule::Center => {
            for span in shape.spans(y as f64) {
                // The first and the last whole number in the span.
                let first = if span.closed[0] { span.low.ceil() } else { span.low.floor() + 1.0 };
                let last = if span.closed[1] { span.high.floor() } else { span.high.ceil() - 1.0 };
                let first = (first - columns.start as f64).max(0.0);
                let last = (last - columns.start as f64).min(columns.len() as f64 - 1.0);
                if first <= last
                    && let Some(inside) = weights.get_mut(first as usize..=last as usize)
                {
                    inside.fill(1.0);
                }
            }
        }
        PixelRule::Coverage => {
            let mut covered = vec![0.0f64; columns.len()];
            for line in 0..LINES {
                let at = y as f64 - 0.5 + (f64::from(line) + 0.5) / f64::from(LINES);
                for span in shape.spans(at) {
                    cover(&mut covered, columns.start, span.low, span.high);
                }
            }
            for (weight, covered) in weights.iter_mut().zip(covered) {
                *weight = (covered / f64::from(LINES)).min(1.0) as f32;
            }
        }
    }
    weights
}

/// Adds the length of `low..high` in each pixel.
fn cover(covered: &mut [f64], start: usize, low: f64, high: f64) {
    let left = start as f64 - 0.5;
    let first = (low - left).floor().max(0.0);
    let end = (high - left).ceil().min(covered.len() as f64);
    if first >= end {
        return;
    }
    for (i, covered) in covered.iter_mut().enumerate().take(end as usize).skip(first as usize) {
        let pixel = left + i as f64;
        *covered += (high.min(pixel + 1.0) - low.max(pixel)).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [usize; 2] = [40, 30];

    fn pixels(shape: &Shape, rule: PixelRule) -> Vec<([usize; 2], f32)> {
        Footprint::of(shape, &[], SIZE, rule).pixels().collect()
    }

    #[test]
    fn the_centre_rule_counts_centres() {
        let shapes = [
            Shape::Circle { center: [12.3, 9.8], radius: 6.2 },
            Shape::Ellipse { center: [20.0, 15.0], radii: [9.0, 3.5], angle_deg: 77.0 },
            Shape::Box { center: [20.0, 15.0], size: [9.0, 3.5], angle_deg: -20.0 },
            Shape::Annulus { center: [38.0, 2.0], radii: vec![2.0, 7.5] },
            Shape::Polygon { vertices: vec![[-5.0, 3.0], [50.0, 8.0], [12.0, 28.0]] },
            Shape::Point { center: [3.4, 7.6] },
        ];
        for shape in &shapes {
            let found: Vec<[usize; 2]> = pixels(shape, PixelRule::Center).into_iter().map(|(p, _)| p).collect();
            let every = (0..SIZE[1]).flat_map(|y| (0..SIZE[0]).map(move |x| [x, y]));
            let expected: Vec<[usize; 2]> = every.filter(|p| shape.contains(p.map(|v| v as f64))).collect();
            assert_eq!(found, expected, "{shape:?}");
            assert!(!found.is_empty());
        }
        assert_eq!(pixels(&Shape::Point { center: [3.4, 7.6] }, PixelRule::Center), [([3, 8], 1.0)]);
        assert!(pixels(&Shape::Circle { center: [-20.0, 5.0], radius: 3.0 }, PixelRule::Center).is_empty());
    }

    #[test]
    fn coverage_adds_up_to_the_area() {
        let shapes = [
            Shape::Circle { center: [12.3, 9.8], radius: 1.7 },
            Shape::Ellipse { center: [20.0, 15.0], radii: [9.0, 3.5], angle_deg: 77.0 },
            Shape::Box { center: [20.3, 15.1], size: [9.0, 3.5], angle_deg: -20.0 },
            Shape::Annulus { center: [20.0, 14.0], radii: vec![2.0, 7.5] },
        ];
        for shape in &shapes {
            let area = Footprint::of(shape, &[], SIZE, PixelRule::Coverage).area();
            assert!((area / shape.area() - 1.0).abs() < 1e-3, "{shape:?} {area} {}", shape.area());
        }
    }

    #[test]
    fn excluded_pixels_are_taken_out() {
        let whole = Shape::Box { center: [10.0, 10.0], size: [9.0, 9.0], angle_deg: 0.0 };
        let hole = Shape::Circle { center: [10.0, 10.0], radius: 2.0 };
        let area = |without: &[Shape]| Footprint::of(&whole, without, SIZE, PixelRule::Center).area();
        assert_eq!(area(&[]), 81.0);
        // Centres nearer than 2: the middle, 4 beside it, 4 diagonal ones.
        assert_eq!(area(std::slice::from_ref(&hole)), 72.0);
        assert_eq!(area(std::slice::from_ref(&whole)), 0.0);
        let found = Footprint::of(&whole, &[hole], SIZE, PixelRule::Center);
        assert_eq!(found.bounds(), Some([6..15, 6..15]));
    }
}
