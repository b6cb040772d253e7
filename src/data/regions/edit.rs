//! Changing a shape by its handles, in pixels.

use super::Shape;
use super::shape::turned;

/// The smallest size that a drag leaves, pixels.
const SMALLEST: f64 = 0.5;
/// The rotation handle lies so far out, in half sides.
const ROTATION_REACH: f64 = 1.35;

/// A handle of a shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Handle {
    /// What it does: "radius", "corner 2", "rotate", "vertex 3".
    pub name: String,
    /// Where it is.
    pub at: [f64; 2],
}

impl Shape {
    /// The handles, in an order that stays while the shape is changed.
    pub fn handles(&self) -> Vec<Handle> {
        let handle = |name: String, at: [f64; 2]| Handle { name, at };
        match self {
            Self::Circle { center, radius } => {
                let at = |u: f64, v: f64| [center[0] + u * radius, center[1] + v * radius];
                let places = [at(1.0, 0.0), at(0.0, 1.0), at(-1.0, 0.0), at(0.0, -1.0)];
                places.into_iter().enumerate().map(|(i, p)| handle(format!("radius {}", i + 1), p)).collect()
            }
            Self::Ellipse { center, radii: [a, b], angle_deg } => {
                let at = |u: f64, v: f64| turned(*center, [u * a, v * b], *angle_deg);
                let places = [at(1.0, 0.0), at(0.0, 1.0), at(-1.0, 0.0), at(0.0, -1.0)];
                let mut all: Vec<Handle> =
                    places.into_iter().enumerate().map(|(i, p)| handle(format!("axis {}", i + 1), p)).collect();
                all.push(handle("rotate".into(), at(ROTATION_REACH, 0.0)));
                all
            }
            Self::Box { center, size: [w, _], angle_deg } => {
                let corners = self.corners().into_iter().enumerate();
                let mut all: Vec<Handle> = corners.map(|(i, p)| handle(format!("corner {}", i + 1), p)).collect();
                all.push(handle("rotate".into(), turned(*center, [0.5 * w * ROTATION_REACH, 0.0], *angle_deg)));
                all
            }
            Self::Polygon { vertices } => {
                vertices.iter().enumerate().map(|(i, p)| handle(format!("vertex {}", i + 1), *p)).collect()
            }
            Self::Annulus { center, radii } => radii
                .iter()
                .enumerate()
                .map(|(i, r)| handle(format!("radius {}", i + 1), [center[0] + r, center[1]]))
                .collect(),
            Self::Point { .. } => Vec::new(),
        }
    }

    /// The shape after the handle with a number was dragged to a place; `even` keeps a box square, an ellipse round and
    /// turns in steps of 15 degrees.
    #[must_use]
    pub fn dragged(&self, number: usize, to: [f64; 2], even: bool) -> Self {
        let mut shape = self.clone();
        let distance = |c: &[f64; 2]| (to[0] - c[0]).hypot(to[1] - c[1]);
        match &mut shape {
            Self::Circle { center, radius } => *radius = distance(center).max(SMALLEST),
            Self::Ellipse { center, radii, angle_deg } => {
                let [u, v] = relative(*center, to, *angle_deg);
                match number {
                    0 | 2 => radii[0] = u.abs().max(SMALLEST),
                    1 | 3 => radii[1] = v.abs().max(SMALLEST),
                    _ => *angle_deg = angle(*center, to, even),
                }
                if even && number < 4 {
                    *radii = [radii[number % 2]; 2];
                }
            }
            Self::Box { center, size, angle_deg } => {
                if number >= 4 {
                    *angle_deg = angle(*center, to, even);
                } else {
                    resize_box(center, size, *angle_deg, number, to, even);
                }
            }
            Self::Polygon { vertices } => {
                if let Some(vertex) = vertices.get_mut(number) {
                    *vertex = to;
                }
            }
            Self::Annulus { center, radii } => {
                // Between its neighbours, so that the rings keep their order.
                let low = number.checked_sub(1).and_then(|i| radii.get(i)).map_or(0.0, |r| r + SMALLEST);
                let high = radii.get(number + 1).map_or(f64::INFINITY, |r| r - SMALLEST);
                let wanted = distance(center).min(high).max(low);
                if let Some(radius) = radii.get_mut(number) {
                    *radius = wanted;
                }
            }
            Self::Point { .. } => {}
        }
        shape
    }

    /// The shape that a drag draws from one corner to another; from the centre outwards where `centered`; square and
    /// round where `even`. `None` for a polygon, which is drawn corner by corner.
    pub fn drawn(kind: super::ShapeKind, from: [f64; 2], to: [f64; 2], even: bool, centered: bool) -> Option<Self> {
        use super::ShapeKind as Kind;
        let mut span = [to[0] - from[0], to[1] - from[1]];
        let round = matches!(kind, Kind::Circle | Kind::Annulus);
        let reach = span[0].hypot(span[1]);
        if even {
            let side = span[0].abs().max(span[1].abs());
            span = span.map(|v| side.copysign(v));
        }
        let share = if centered { 1.0 } else { 0.5 };
        let center = if centered || round { from } else { [from[0] + 0.5 * span[0], from[1] + 0.5 * span[1]] };
        let half = span.map(|v| (share * v.abs()).max(SMALLEST));
        Some(match kind {
            Kind::Circle => Self::Circle { center, radius: reach.max(SMALLEST) },
            Kind::Annulus => {
                let outer = reach.max(2.0 * SMALLEST);
                Self::Annulus { center, radii: vec![0.5 * outer, outer] }
            }
            Kind::Ellipse => Self::Ellipse { center, radii: half, angle_deg: 0.0 },
            Kind::Box => Self::Box { center, size: half.map(|v| 2.0 * v), angle_deg: 0.0 },
            Kind::Point => Self::Point { center: to },
            Kind::Polygon => return None,
        })
    }
}

/// A place in the axes of a turned shape.
fn relative(center: [f64; 2], to: [f64; 2], angle_deg: f64) -> [f64; 2] {
    turned([0.0; 2], [to[0] - center[0], to[1] - center[1]], -angle_deg)
}

fn angle(center: [f64; 2], to: [f64; 2], even: bool) -> f64 {
    let degrees = (to[1] - center[1]).atan2(to[0] - center[0]).to_degrees().rem_euclid(360.0);
    if even { (degrees / 15.0).round() * 15.0 % 360.0 } else { degrees }
}

/// The corner goes where it is dragged, the one across stays.
fn resize_box(center: &mut [f64; 2], size: &mut [f64; 2], angle_deg: f64, number: usize, to: [f64; 2], even: bool) {
    let sign = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]][number % 4];
    let fixed = [-0.5 * sign[0] * size[0], -0.5 * sign[1] * size[1]];
    let there = relative(*center, to, angle_deg);
    let mut side = [0, 1].map(|k| (sign[k] * (there[k] - fixed[k])).max(SMALLEST));
    if even {
        side = [side[0].max(side[1]); 2];
    }
    let middle = [0, 1].map(|k| fixed[k] + 0.5 * sign[k] * side[k]);
    *center = turned(*center, middle, angle_deg);
    *size = side;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::regions::ShapeKind;

    fn near(a: [f64; 2], b: [f64; 2]) -> bool {
        (a[0] - b[0]).hypot(a[1] - b[1]) < 1e-9
    }

    #[test]
    fn a_handle_goes_where_it_is_dragged() {
        let shapes = [
            Shape::Circle { center: [5.0, 6.0], radius: 3.0 },
            Shape::Ellipse { center: [5.0, 6.0], radii: [4.0, 2.0], angle_deg: 30.0 },
            Shape::Box { center: [5.0, 6.0], size: [8.0, 4.0], angle_deg: 30.0 },
            Shape::Polygon { vertices: vec![[0.0, 0.0], [4.0, 0.0], [2.0, 5.0]] },
        ];
        for shape in &shapes {
            for (number, handle) in shape.handles().into_iter().enumerate().filter(|(_, h)| h.name != "rotate") {
                let center = shape.center();
                // Outwards, so that every handle can follow.
                let to = [0, 1].map(|k| center[k] + 1.5 * (handle.at[k] - center[k]));
                let after = shape.dragged(number, to, false);
                assert!(near(after.handles()[number].at, to), "{shape:?} {handle:?} {after:?}");
            }
        }
        let square = &shapes[2];
        let across = square.corners()[2];
        assert!(near(square.dragged(0, [-3.0, -9.0], false).corners()[2], across));
        let Shape::Box { size, .. } = square.dragged(0, [-3.0, -9.0], true) else { panic!() };
        assert_eq!(size[0], size[1]);
        let Shape::Box { angle_deg, .. } = square.dragged(4, [5.0, 16.2], false) else { panic!() };
        assert_eq!(angle_deg, 90.0);
    }

    #[test]
    fn rings_keep_their_order() {
        let ring = Shape::Annulus { center: [0.0, 0.0], radii: vec![2.0, 4.0] };
        assert_eq!(ring.dragged(0, [9.0, 0.0], false), Shape::Annulus { center: [0.0; 2], radii: vec![3.5, 4.0] });
        assert_eq!(ring.dragged(1, [0.5, 0.0], false), Shape::Annulus { center: [0.0; 2], radii: vec![2.0, 2.5] });
    }

    #[test]
    fn shapes_are_drawn_from_corner_or_centre() {
        let drawn = |kind, even, centered| Shape::drawn(kind, [10.0, 10.0], [14.0, 7.0], even, centered).unwrap();
        assert_eq!(drawn(ShapeKind::Circle, false, false), Shape::Circle { center: [10.0, 10.0], radius: 5.0 });
        assert_eq!(
            drawn(ShapeKind::Box, false, false),
            Shape::Box { center: [12.0, 8.5], size: [4.0, 3.0], angle_deg: 0.0 }
        );
        assert_eq!(
            drawn(ShapeKind::Box, true, true),
            Shape::Box { center: [10.0, 10.0], size: [8.0, 8.0], angle_deg: 0.0 }
        );
        assert_eq!(
            drawn(ShapeKind::Ellipse, false, true),
            Shape::Ellipse { center: [10.0, 10.0], radii: [4.0, 3.0], angle_deg: 0.0 }
        );
        assert_eq!(Shape::drawn(ShapeKind::Polygon, [0.0; 2], [1.0; 2], false, false), None);
    }
}
