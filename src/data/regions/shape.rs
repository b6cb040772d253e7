//! The geometry of regions in a plane: what lies inside along a line, outlines, moving.

use std::f64::consts::TAU;

/// A shape in a plane. In pixels the coordinates are 0-based `[x, y]`; in a file they are those of its
/// [`System`](super::System), sizes in pixels or in arcsec.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// All within a radius.
    Circle {
        /// The centre.
        center: [f64; 2],
        /// The radius.
        radius: f64,
    },
    /// An ellipse.
    Ellipse {
        /// The centre.
        center: [f64; 2],
        /// Half axes; the first lies at the angle.
        radii: [f64; 2],
        /// Degrees, counter-clockwise.
        angle_deg: f64,
    },
    /// A rectangle.
    Box {
        /// The centre.
        center: [f64; 2],
        /// Whole sides; the first lies at the angle.
        size: [f64; 2],
        /// Degrees, counter-clockwise.
        angle_deg: f64,
    },
    /// Corners in order; where it crosses itself, the even-odd rule holds.
    Polygon {
        /// At least three.
        vertices: Vec<[f64; 2]>,
    },
    /// Rings around a centre: what lies between the first and the last radius.
    Annulus {
        /// The centre.
        center: [f64; 2],
        /// At least two, ascending.
        radii: Vec<f64>,
    },
    /// One place: the pixel around it.
    Point {
        /// The place.
        center: [f64; 2],
    },
}

/// The kinds of shapes, as tools offer them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShapeKind {
    /// [`Shape::Circle`].
    Circle,
    /// [`Shape::Ellipse`].
    Ellipse,
    /// [`Shape::Box`].
    Box,
    /// [`Shape::Polygon`].
    Polygon,
    /// [`Shape::Annulus`].
    Annulus,
    /// [`Shape::Point`].
    Point,
}

impl ShapeKind {
    /// Every kind, in menu order.
    pub const ALL: [Self; 6] = [Self::Circle, Self::Ellipse, Self::Box, Self::Polygon, Self::Annulus, Self::Point];

    /// Its word in region files and menus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Circle => "circle",
            Self::Ellipse => "ellipse",
            Self::Box => "box",
            Self::Polygon => "polygon",
            Self::Annulus => "annulus",
            Self::Point => "point",
        }
    }
}

/// A stretch of a line that lies inside a shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub low: f64,
    pub high: f64,
    /// Whether the ends belong to it.
    pub closed: [bool; 2],
}

impl Shape {
    /// Its kind.
    pub fn kind(&self) -> ShapeKind {
        match self {
            Self::Circle { .. } => ShapeKind::Circle,
            Self::Ellipse { .. } => ShapeKind::Ellipse,
            Self::Box { .. } => ShapeKind::Box,
            Self::Polygon { .. } => ShapeKind::Polygon,
            Self::Annulus { .. } => ShapeKind::Annulus,
            Self::Point { .. } => ShapeKind::Point,
        }
    }

    /// The centre; of a polygon the mean of its vertices.
    pub fn center(&self) -> [f64; 2] {
        match self {
            Self::Circle { center, .. }
            | Self::Ellipse { center, .. }
            | Self::Box { center, .. }
            | Self::Annulus { center, .. }
            | Self::Point { center } => *center,
            Self::Polygon { vertices } => {
                let n = vertices.len().max(1) as f64;
                let sum = vertices.iter().fold([0.0; 2], |s, v| [s[0] + v[0], s[1] + v[1]]);
                [sum[0] / n, sum[1] / n]
            }
        }
    }

    /// The same shape elsewhere.
    #[must_use]
    pub fn moved(mut self, by: [f64; 2]) -> Self {
        let go = |p: &mut [f64; 2]| *p = [p[0] + by[0], p[1] + by[1]];
        match &mut self {
            Self::Circle { center, .. }
            | Self::Ellipse { center, .. }
            | Self::Box { center, .. }
            | Self::Annulus { center, .. }
            | Self::Point { center } => go(center),
            Self::Polygon { vertices } => vertices.iter_mut().for_each(go),
        }
        self
    }

    /// Every number is finite, sizes are not negative, lists are long enough.
    pub fn is_sane(&self) -> bool {
        let place = |p: &[f64; 2]| p.iter().all(|v| v.is_finite() && v.abs() < 1e12);
        let size = |s: &f64| s.is_finite() && *s >= 0.0;
        match self {
            Self::Circle { center, radius } => place(center) && size(radius),
            Self::Ellipse { center, radii: sizes, angle_deg } | Self::Box { center, size: sizes, angle_deg } => {
                place(center) && sizes.iter().all(size) && angle_deg.is_finite()
            }
            Self::Polygon { vertices } => vertices.len() > 2 && vertices.iter().all(place),
            Self::Annulus { center, radii } => {
                let ascending = radii.windows(2).all(|w| w[0] < w[1]);
                place(center) && radii.len() > 1 && radii.iter().all(size) && ascending
            }
            Self::Point { center } => place(center),
        }
    }

    /// Its area in its own units squared; of a point that of one pixel.
    pub fn area(&self) -> f64 {
        match self {
            Self::Circle { radius, .. } => 0.5 * TAU * radius * radius,
            Self::Ellipse { radii: [a, b], .. } => 0.5 * TAU * a * b,
            Self::Box { size: [a, b], .. } => a * b,
            Self::Polygon { vertices } => {
                let next = vertices.iter().cycle().skip(1);
                0.5 * vertices.iter().zip(next).map(|(a, b)| a[0] * b[1] - a[1] * b[0]).sum::<f64>().abs()
            }
            Self::Annulus { radii, .. } => {
                let [inner, outer] = ends(radii);
                0.5 * TAU * (outer * outer - inner * inner)
            }
            Self::Point { .. } => 1.0,
        }
    }

    /// True when a place lies inside; of a point, when its pixel is the one around the place.
    pub fn contains(&self, [x, y]: [f64; 2]) -> bool {
        if let Self::Point { center } = self {
            return [x, y].map(|v| (v + 0.5).floor()) == center.map(|v| (v + 0.5).floor());
        }
        self.spans(y).iter().any(|span| {
            let above = x > span.low || (span.closed[0] && x == span.low);
            above && (x < span.high || (span.closed[1] && x == span.high))
        })
    }

    /// `[x low, y low, x high, y high]` around it.
    pub fn bounds(&self) -> [f64; 4] {
        let around = |[x, y]: [f64; 2], [a, b]: [f64; 2]| [x - a, y - b, x + a, y + b];
        match self {
            Self::Circle { center, radius } => around(*center, [*radius; 2]),
            Self::Annulus { center, radii } => around(*center, [ends(radii)[1]; 2]),
            Self::Point { center } => around(*center, [0.5; 2]),
            Self::Ellipse { center, radii: [a, b], angle_deg } => {
                let (s, c) = angle_deg.to_radians().sin_cos();
                around(*center, [(a * c).hypot(b * s), (a * s).hypot(b * c)])
            }
            Self::Box { .. } => bounds_of(&self.corners()),
            Self::Polygon { vertices } => bounds_of(vertices),
        }
    }

    /// Corners of a box and of a polygon, in order; empty for others.
    pub fn corners(&self) -> Vec<[f64; 2]> {
        match self {
            Self::Box { center, size: [w, h], angle_deg } => {
                let signs = [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]];
                signs.iter().map(|[u, v]| turned(*center, [u * w, v * h], *angle_deg)).collect()
            }
            Self::Polygon { vertices } => vertices.clone(),
            _ => Vec::new(),
        }
    }

    /// Closed curves that draw it.
    pub fn outlines(&self) -> Vec<Vec<[f64; 2]>> {
        let around = |center: [f64; 2], [a, b]: [f64; 2], angle: f64| -> Vec<[f64; 2]> {
            let at = |i: u32| f64::from(i) / 96.0 * TAU;
            (0..96).map(|i| turned(center, [a * at(i).cos(), b * at(i).sin()], angle)).collect()
        };
        match self {
            Self::Circle { center, radius } => vec![around(*center, [*radius; 2], 0.0)],
            Self::Ellipse { center, radii, angle_deg } => vec![around(*center, *radii, *angle_deg)],
            Self::Annulus { center, radii } => radii.iter().map(|r| around(*center, [*r; 2], 0.0)).collect(),
            Self::Box { .. } | Self::Polygon { .. } => vec![self.corners()],
            Self::Point { .. } => Vec::new(),
        }
    }

    /// What lies inside of the line at a height `y`, from left to right. Rims: a circle, an ellipse and the outer rim of a
    /// ring do not belong to their inside, the inner rim of a ring does; of a box and a polygon the lower side of each
    /// coordinate does, so that neighbours that share a side share no place.
    pub(super) fn spans(&self, y: f64) -> Vec<Span> {
        match self {
            Self::Circle { center, radius } => disc(*center, *radius, y).into_iter().collect(),
            Self::Ellipse { center, radii, angle_deg } => ellipse(*center, *radii, *angle_deg, y).into_iter().collect(),
            Self::Annulus { center, radii } => {
                let [inner, outer] = ends(radii);
                match (disc(*center, outer, y), disc(*center, inner, y)) {
                    (None, _) => Vec::new(),
                    (Some(outer), None) => vec![outer],
                    (Some(outer), Some(inner)) => vec![
                        Span { low: outer.low, high: inner.low, closed: [false, true] },
                        Span { low: inner.high, high: outer.high, closed: [true, false] },
                    ],
                }
            }
            Self::Box { .. } => crossed(&self.corners(), y),
            Self::Polygon { vertices } => crossed(vertices, y),
            Self::Point { .. } => Vec::new(),
        }
    }
}

/// First and last radius.
fn ends(radii: &[f64]) -> [f64; 2] {
    [radii.first().copied().unwrap_or(0.0), radii.last().copied().unwrap_or(0.0)]
}

/// A place given relative to a centre and turned around it.
pub(super) fn turned(center: [f64; 2], [u, v]: [f64; 2], angle_deg: f64) -> [f64; 2] {
    let (s, c) = angle_deg.to_radians().sin_cos();
    [center[0] + c * u - s * v, center[1] + s * u + c * v]
}

fn bounds_of(points: &[[f64; 2]]) -> [f64; 4] {
    let start = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    points.iter().fold(start, |b, p| [b[0].min(p[0]), b[1].min(p[1]), b[2].max(p[0]), b[3].max(p[1])])
}

fn disc([cx, cy]: [f64; 2], radius: f64, y: f64) -> Option<Span> {
    let rest = radius * radius - (y - cy) * (y - cy);
    let half = Some(rest).filter(|r| *r > 0.0)?.sqrt();
    Some(Span { low: cx - half, high: cx + half, closed: [false; 2] })
}

fn ellipse([cx, cy]: [f64; 2], [a, b]: [f64; 2], angle_deg: f64, y: f64) -> Option<Span> {
    let (s, c) = angle_deg.to_radians().sin_cos();
    let (p, q) = ((a * a).recip(), (b * b).recip());
    // (dx, dy) is on the rim where xx dx^2 + 2 xy dx dy + yy dy^2 = 1.
    let (xx, xy, yy) = (c * c * p + s * s * q, c * s * (p - q), s * s * p + c * c * q);
    let dy = y - cy;
    let rest = (xy * dy).powi(2) - xx * (yy * dy * dy - 1.0);
    let half = Some(rest).filter(|r| *r > 0.0)?.sqrt() / xx;
    let middle = cx - xy * dy / xx;
    Some(Span { low: middle - half, high: middle + half, closed: [false; 2] }).filter(|s| s.low.is_finite())
}

fn crossed(corners: &[[f64; 2]], y: f64) -> Vec<Span> {
    let next = corners.iter().cycle().skip(1);
    let mut at: Vec<f64> = corners
        .iter()
        .zip(next)
        .filter(|(a, b)| (a[1] <= y) != (b[1] <= y))
        .map(|(a, b)| a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]))
        .collect();
    at.sort_unstable_by(f64::total_cmp);
    at.chunks_exact(2).map(|w| Span { low: w[0], high: w[1], closed: [true, false] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rims_belong_to_one_side() {
        let circle = Shape::Circle { center: [5.0, 5.0], radius: 2.0 };
        assert!(circle.contains([5.0, 6.9]) && !circle.contains([3.0, 5.0]) && !circle.contains([7.0, 5.0]));
        let ring = Shape::Annulus { center: [5.0, 5.0], radii: vec![2.0, 4.0] };
        assert!(ring.contains([3.0, 5.0]) && ring.contains([7.0, 5.0]) && !ring.contains([9.0, 5.0]));
        assert!(!ring.contains([5.0, 5.0]) && ring.contains([5.0, 8.0]));
        let square = Shape::Box { center: [1.0, 1.0], size: [2.0, 2.0], angle_deg: 0.0 };
        assert!(square.contains([0.0, 0.0]) && !square.contains([2.0, 0.0]) && !square.contains([0.0, 2.0]));
    }

    #[test]
    fn a_turned_ellipse_is_where_its_equation_says() {
        let shape = Shape::Ellipse { center: [10.0, 20.0], radii: [6.0, 2.0], angle_deg: 30.0 };
        let (s, c) = 30f64.to_radians().sin_cos();
        for i in 0..400 {
            let (x, y) = (3.0 + 0.7 * f64::from(i % 20), 13.0 + 0.7 * f64::from(i / 20));
            let (dx, dy) = (x - 10.0, y - 20.0);
            let (u, v) = (c * dx + s * dy, -s * dx + c * dy);
            assert_eq!(shape.contains([x, y]), (u / 6.0).powi(2) + (v / 2.0).powi(2) < 1.0, "{x} {y}");
        }
        let [x0, y0, x1, y1] = shape.bounds();
        let rim = &shape.outlines()[0];
        let most = |k: usize| rim.iter().map(|p| p[k]).fold(f64::NEG_INFINITY, f64::max);
        assert!((most(0) - x1).abs() < 0.02 && (most(1) - y1).abs() < 0.02);
        assert!((x0 + x1 - 20.0).abs() < 1e-12 && (y0 + y1 - 40.0).abs() < 1e-12);
    }

    #[test]
    fn a_bow_tie_is_even_odd() {
        let tie = Shape::Polygon { vertices: vec![[0.0, 0.0], [4.0, 4.0], [4.0, 0.0], [0.0, 4.0]] };
        assert!(tie.contains([0.5, 2.0]) && tie.contains([3.5, 2.0]) && !tie.contains([2.0, 0.5]));
    }
}
