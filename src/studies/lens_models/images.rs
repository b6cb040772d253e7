//! Images of a point source behind any lens: the image plane in triangles, those whose map holds the source, then Newton's method.

use super::Deflector;
use super::curves::Window;
use super::geometry::Image;

/// Cells with a critical curve inside are cut into this many along a side: two images close to each other need it.
const FINER: usize = 6;
/// Rings and spokes of the polar net around a mass centre: there the deflection turns by any amount within one cell.
const RINGS: usize = 24;
const SPOKES: usize = 96;
/// Images magnified more than this may have a partner so close that it hides in the same triangle.
const PARTNER: f64 = 2.0;
/// Two solutions closer than this (arcsec) are one image.
const SAME: f64 = 1e-7;

/// The lens mapping on a grid: made once, asked for any number of sources.
#[derive(Clone, Debug)]
pub struct ImageFinder {
    window: Window,
    /// Source positions of the nodes, `[row, column]`.
    sources: Vec<[f64; 2]>,
    /// Cells that are cut into finer ones, with the source positions of their nodes.
    finer: Vec<(usize, usize, Vec<[f64; 2]>)>,
    /// Polar nets around mass centres: centre, and the source positions of the nodes `[ring, spoke]`, the largest ring first.
    nets: Vec<([f64; 2], Vec<[f64; 2]>)>,
}

impl ImageFinder {
    /// Maps the nodes of the window, and of a polar net around each of `centres`, the places of the lens's masses.
    pub fn new(lens: &impl Deflector, window: Window, centres: &[[f64; 2]]) -> Self {
        let nodes = window.cells + 1;
        let mut sources = Vec::with_capacity(nodes * nodes);
        let mut signs = Vec::with_capacity(nodes * nodes);
        for row in 0..nodes {
            for column in 0..nodes {
                let [x, y] = window.node(column, row);
                sources.push(lens.source_from_image(x, y));
                // Both eigenvalues: between the two curves of a thin shell the determinant alone has the same sign on both sides.
                signs.push(lens.eigenvalues(x, y).map(|v| v > 0.0));
            }
        }
        let mut finer = Vec::new();
        for row in 0..window.cells {
            for column in 0..window.cells {
                let corner = row * nodes + column;
                let mixed = [corner + 1, corner + nodes, corner + nodes + 1].iter().any(|n| signs[*n] != signs[corner]);
                if mixed {
                    let mut inner = Vec::with_capacity((FINER + 1) * (FINER + 1));
                    for j in 0..=FINER {
                        for i in 0..=FINER {
                            let [x, y] = window
                                .place(column as f64 + i as f64 / FINER as f64, row as f64 + j as f64 / FINER as f64);
                            inner.push(lens.source_from_image(x, y));
                        }
                    }
                    finer.push((row, column, inner));
                }
            }
        }
        let nets = centres
            .iter()
            .map(|centre| {
                let nodes = (0..=RINGS).flat_map(|ring| (0..=SPOKES).map(move |spoke| (ring, spoke)));
                let mapped = nodes.map(|(ring, spoke)| {
                    let [x, y] = on_net(*centre, window.step(), ring as f64, spoke as f64);
                    lens.source_from_image(x, y)
                });
                (*centre, mapped.collect())
            })
            .collect();
        Self { window, sources, finer, nets }
    }

    /// All images of a source at `[x, y]` inside the window, in order of arrival. Images at singular centres (magnification below 1e-5) are left out;
    /// of a source within some 0.2 % of the Einstein radius of the cut of a singular lens, the vanishing central image may be missed.
    pub fn images(&self, lens: &impl Deflector, source: [f64; 2]) -> Vec<Image> {
        let mut found: Vec<Image> = Vec::new();
        let take = |found: &mut Vec<Image>, start: [f64; 2], reach: f64| {
            let Some([x, y]) = newton(lens, source, start, reach) else { return };
            let magnification = 1.0 / lens.inverse_magnification(x, y);
            let known = found.iter().any(|i| (i.x_arcsec - x).hypot(i.y_arcsec - y) < SAME);
            if !known && magnification.abs() > 1e-5 {
                let fermat_potential = lens.fermat_potential([x, y], source);
                found.push(Image { x_arcsec: x, y_arcsec: y, magnification, fermat_potential });
            }
        };
        let step = self.window.step();
        scan(&self.sources, [self.window.cells; 2], source, |column, row| {
            let [x, y] = self.window.place(column, row);
            take(&mut found, [x, y], 2.0 * step);
        });
        for (row, column, inner) in &self.finer {
            scan(inner, [FINER; 2], source, |i, j| {
                let fraction = FINER as f64;
                let [x, y] = self.window.place(*column as f64 + i / fraction, *row as f64 + j / fraction);
                take(&mut found, [x, y], 2.0 * step);
            });
        }
        for (centre, nodes) in &self.nets {
            scan(nodes, [SPOKES, RINGS], source, |spoke, ring| {
                let start = on_net(*centre, step, ring, spoke);
                // Close to a singular centre a step as long as the distance from it may jump to the other side.
                take(&mut found, start, (start[0] - centre[0]).hypot(start[1] - centre[1]));
            });
        }
        // Two images about to merge may lie in one triangle: look for a partner on the other side of the critical curve.
        for image in found.clone() {
            if image.magnification.abs() > PARTNER
                && let Some(start) = across(lens, [image.x_arcsec, image.y_arcsec], step)
            {
                take(&mut found, start, step);
            }
        }
        found.sort_by(|a, b| a.fermat_potential.total_cmp(&b.fermat_potential));
        found
    }
}

/// Calls `hit` with the centre (column, row, in cells) of every triangle of a net of `[columns, rows]` cells whose map holds the source.
fn scan(nodes: &[[f64; 2]], [columns, rows]: [usize; 2], source: [f64; 2], mut hit: impl FnMut(f64, f64)) {
    let width = columns + 1;
    for row in 0..rows {
        for column in 0..columns {
            let corner = row * width + column;
            let [a, b, c, d] = [corner, corner + 1, corner + width, corner + width + 1].map(|n| nodes[n]);
            if holds(a, b, c, source) {
                hit(column as f64 + 1.0 / 3.0, row as f64 + 1.0 / 3.0);
            }
            if holds(b, d, c, source) {
                hit(column as f64 + 2.0 / 3.0, row as f64 + 2.0 / 3.0);
            }
        }
    }
}

/// The mirror place of an image behind the nearest critical curve along the direction in which it is stretched; `None` if that is far.
fn across(lens: &impl Deflector, p: [f64; 2], step: f64) -> Option<[f64; 2]> {
    let [xx, xy, yy] = lens.hessian(p[0], p[1]);
    // Eigenvector of the smaller eigenvalue of the Jacobian: the larger or smaller one of the second derivatives.
    let (mean, half) = (0.5 * (xx + yy), (0.5 * (xx - yy)).hypot(xy));
    let value = if (1.0 - mean - half).abs() < (1.0 - mean + half).abs() { mean + half } else { mean - half };
    let candidates = [[xy, value - xx], [value - yy, xy]];
    let e = candidates.into_iter().max_by(|a, b| a[0].hypot(a[1]).total_cmp(&b[0].hypot(b[1])))?;
    let length = e[0].hypot(e[1]);
    let e = if length > 0.0 { e.map(|c| c / length) } else { [1.0, 0.0] };
    let det = |s: f64| lens.inverse_magnification(p[0] + s * e[0], p[1] + s * e[1]);
    let mut s = 0.0;
    for _ in 0..6 {
        let h = 1e-4 * step;
        let slope = (det(s + h) - det(s - h)) / (2.0 * h);
        s -= det(s) / slope;
        if s.is_nan() || s.abs() > 1.5 * step {
            return None;
        }
    }
    Some([p[0] + 2.0 * s * e[0], p[1] + 2.0 * s * e[1]])
}

/// A place on the polar net around a mass: every ring has 0.6 times the radius of the one before.
fn on_net(centre: [f64; 2], step: f64, ring: f64, spoke: f64) -> [f64; 2] {
    let radius = 3.0 * step * 0.6f64.powf(ring);
    let (sin, cos) = (std::f64::consts::TAU * spoke / SPOKES as f64).sin_cos();
    [centre[0] + radius * cos, centre[1] + radius * sin]
}

impl Window {
    /// A place in cells from the lower left corner.
    fn place(&self, column: f64, row: f64) -> [f64; 2] {
        let step = 2.0 * self.half_width_arcsec / self.cells as f64;
        [self.centre[0] - self.half_width_arcsec + column * step, self.centre[1] - self.half_width_arcsec + row * step]
    }
}

/// True when a triangle, of either sense, holds a point or has it on its edge.
#[inline(always)]
fn holds(a: [f64; 2], b: [f64; 2], c: [f64; 2], p: [f64; 2]) -> bool {
    let side = |a: [f64; 2], b: [f64; 2]| (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);
    let sides = [side(a, b), side(b, c), side(c, a)];
    sides.iter().all(|s| *s >= 0.0) || sides.iter().all(|s| *s <= 0.0)
}

/// Solves the lens equation from a start; `None` when it leads away by more than `reach` or to no solution.
fn newton(lens: &impl Deflector, source: [f64; 2], start: [f64; 2], reach: f64) -> Option<[f64; 2]> {
    let miss = |p: [f64; 2]| {
        let [bx, by] = lens.source_from_image(p[0], p[1]);
        [bx - source[0], by - source[1]]
    };
    let mut p = start;
    let mut off = miss(p);
    for _ in 0..60 {
        let [xx, xy, yy] = lens.hessian(p[0], p[1]);
        let (a, b, d) = (1.0 - xx, -xy, 1.0 - yy);
        let det = a * d - b * b;
        let size = off[0].hypot(off[1]);
        if size < 1e-13 {
            return Some(p);
        }
        if det == 0.0 || !det.is_finite() {
            return None;
        }
        let mut delta = [-(d * off[0] - b * off[1]) / det, -(a * off[1] - b * off[0]) / det];
        let length = delta[0].hypot(delta[1]);
        if length < 1e-14 {
            return (size < 1e-9).then_some(p);
        }
        if length > 0.5 * reach {
            delta = delta.map(|v| v * 0.5 * reach / length);
        }
        // Shorter steps until the miss falls: beside a critical curve the full step overshoots.
        let mut next = [p[0] + delta[0], p[1] + delta[1]];
        let mut off_next = miss(next);
        for _ in 0..25 {
            if off_next[0].hypot(off_next[1]) < size {
                break;
            }
            delta = delta.map(|v| 0.5 * v);
            next = [p[0] + delta[0], p[1] + delta[1]];
            off_next = miss(next);
        }
        if off_next[0].hypot(off_next[1]) >= size {
            return (size < 1e-10).then_some(p);
        }
        (p, off) = (next, off_next);
        if (p[0] - start[0]).hypot(p[1] - start[1]) > reach {
            return None;
        }
    }
    (off[0].hypot(off[1]) < 1e-10).then_some(p)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::{
        IsothermalLens, PointMass, PowerLaw, Shear, Sie, critical_curves, images_of_point,
    };

    const WINDOW: Window = Window { centre: [0.0, 0.0], half_width_arcsec: 3.0, cells: 100 };

    /// Against the solver along rays, which is exact for isothermal lenses: 2,000 sources.
    #[test]
    fn isothermal_lenses_have_the_images_of_the_exact_solver() {
        let model = IsothermalLens {
            sie: Sie {
                einstein_radius_arcsec: 1.1,
                axis_ratio: 0.75,
                position_angle_deg: 40.0,
                x_arcsec: 0.08,
                y_arcsec: -0.05,
            },
            shear: Shear { gamma1: 0.06, gamma2: -0.04 },
        };
        let lens = model.prepare();
        let finder = ImageFinder::new(&lens, WINDOW, &[lens.sie.centre()]);
        let curves = critical_curves(&model, 4000);
        let mut rng = crate::numerics::random::stream(4, "sources", 0);
        let mut counts = [0; 5];
        for _ in 0..2000 {
            let source = [0, 1].map(|_| crate::numerics::random::uniform_in(&mut rng, -1.3, 1.3));
            let near = curves
                .caustic
                .iter()
                .chain(&curves.cut)
                .map(|p| (p[0] - source[0]).hypot(p[1] - source[1]))
                .fold(9.0, f64::min);
            if near < 3e-3 {
                continue;
            }
            let (found, exact) = (finder.images(&lens, source), images_of_point(&model, source));
            let exact: Vec<_> = exact.into_iter().filter(|i| i.magnification.abs() > 1e-5).collect();
            assert_eq!(found.len(), exact.len(), "{source:?} {found:?} {exact:?}");
            counts[found.len()] += 1;
            for (a, b) in found.iter().zip(&exact) {
                assert!((a.x_arcsec - b.x_arcsec).hypot(a.y_arcsec - b.y_arcsec) < 1e-8, "{a:?} {b:?}");
                assert!((a.magnification / b.magnification - 1.0).abs() < 1e-4);
            }
        }
        assert!(counts[1] > 50 && counts[2] > 50 && counts[4] > 20, "{counts:?}");
    }

    #[test]
    fn a_point_mass_has_its_two_images() {
        let mass = PointMass { einstein_radius_arcsec: 1.0, x_arcsec: 0.013, y_arcsec: 0.0 };
        let images = ImageFinder::new(&mass, WINDOW, &[[0.013, 0.0]]).images(&mass, [0.513, 0.0]);
        assert_eq!(images.len(), 2, "{images:?}");
        assert!((images[0].x_arcsec - 0.013 - 1.280_776_406_4).abs() < 1e-9);
        assert!((images[1].x_arcsec - 0.013 + 0.780_776_406_4).abs() < 1e-9);
        assert!((images[0].magnification - 1.591_410_312_7).abs() < 1e-8);
    }

    /// Sum of signed magnifications and parity: a shallow elliptical lens has an odd number of images, and every image maps back.
    #[test]
    fn a_shallow_power_law_has_an_odd_number_of_images() {
        let law = PowerLaw {
            einstein_radius_arcsec: 1.2,
            slope: 1.5,
            axis_ratio: 0.7,
            position_angle_deg: 15.0,
            x_arcsec: 0.0,
            y_arcsec: 0.0,
        };
        let lens = law.prepare();
        let finder = ImageFinder::new(&lens, WINDOW, &[lens.centre()]);
        let mut seen = [0; 7];
        for i in 20..400 {
            let (radius, angle) = (0.9 * f64::from(i) / 400.0, 2.4 * f64::from(i));
            let source = [radius * angle.cos(), radius * angle.sin()];
            let images = finder.images(&lens, source);
            seen[images.len().min(6)] += 1;
            assert!(images.len() % 2 == 1, "{source:?}: {images:?}");
            for image in images {
                let [bx, by] = lens.source_from_image(image.x_arcsec, image.y_arcsec);
                assert!((bx - source[0]).hypot(by - source[1]) < 1e-9);
            }
        }
        assert!(seen[3] > 0 && seen[5] > 0, "{seen:?}");
    }
}
