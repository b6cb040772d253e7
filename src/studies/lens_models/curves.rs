//! Critical curves and caustics of any lens: marching squares on the eigenvalues of exact second derivatives, every point then moved onto the curve.

use std::f64::consts::{PI, TAU};

use ndarray::Array2;

use super::Deflector;
use crate::numerics::contour::{area, level_lines};

/// Where curves and images are looked for: a square window on the sky.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Centre `[x, y]` (arcsec).
    pub centre: [f64; 2],
    /// Half its side (arcsec).
    pub half_width_arcsec: f64,
    /// Cells along a side. Curves smaller than a cell are found only around the `centres` that a caller names.
    pub cells: usize,
}

impl Window {
    pub(super) fn step(&self) -> f64 {
        2.0 * self.half_width_arcsec / self.cells as f64
    }

    fn corner(&self) -> [f64; 2] {
        self.centre.map(|c| c - self.half_width_arcsec)
    }

    pub(super) fn node(&self, column: usize, row: usize) -> [f64; 2] {
        let ([x, y], step) = (self.corner(), self.step());
        [x + column as f64 * step, y + row as f64 * step]
    }
}

/// A critical curve and its caustic, point by point.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Points `[x, y]` in the image plane (arcsec); the first is not repeated at the end of a closed curve.
    pub image: Vec<[f64; 2]>,
    /// The source of each.
    pub source: Vec<[f64; 2]>,
    /// False when it leaves the window.
    pub closed: bool,
}

/// All critical curves inside a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LensCurves {
    /// Where images are stretched along the curve: `1 - kappa - gamma = 0`.
    pub tangential: Vec<Curve>,
    /// Where images are stretched across the curve: `1 - kappa + gamma = 0`.
    pub radial: Vec<Curve>,
}

/// Which eigenvalue of the Jacobian vanishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tangential,
    Radial,
}

/// Largest magnitude that an eigenvalue keeps on the grid: beside a singular centre it has no bound, and interpolation would suffer.
const CLIP: f64 = 3.0;

fn eigenvalue(lens: &impl Deflector, kind: Kind, [x, y]: [f64; 2]) -> f64 {
    let [tangential, radial] = lens.eigenvalues(x, y);
    let value = if kind == Kind::Tangential { tangential } else { radial };
    if value.is_nan() { -CLIP } else { value.clamp(-CLIP, CLIP) }
}

/// The critical curves and caustics of a lens. `centres` are the places of its masses: radial curves smaller than a cell hide there.
pub fn lens_curves(lens: &impl Deflector, window: Window, centres: &[[f64; 2]]) -> LensCurves {
    let nodes = window.cells + 1;
    let mut grids = [Array2::zeros((nodes, nodes)), Array2::zeros((nodes, nodes))];
    for row in 0..nodes {
        for column in 0..nodes {
            let [x, y] = window.node(column, row);
            let values = lens.eigenvalues(x, y);
            for (grid, value) in grids.iter_mut().zip(values) {
                grid[[row, column]] = if value.is_nan() { -CLIP } else { value.clamp(-CLIP, CLIP) };
            }
        }
    }
    let trace = |grid: &Array2<f64>, kind: Kind| -> Vec<Curve> {
        level_lines(grid, 0.0, window.corner(), window.step())
            .into_iter()
            .filter_map(|line| {
                let image: Vec<_> =
                    line.points.iter().filter_map(|p| onto_curve(lens, kind, *p, window.step())).collect();
                (image.len() > 2).then(|| with_source(lens, image, line.closed))
            })
            .collect()
    };
    let tangential = trace(&grids[0], Kind::Tangential);
    let mut radial = trace(&grids[1], Kind::Radial);
    for centre in centres {
        let known = radial.iter().any(|c| c.closed && encloses(&c.image, *centre));
        if !known && let Some(image) = small_radial_curve(lens, *centre, 2.0 * window.step()) {
            radial.push(with_source(lens, image, true));
        }
    }
    LensCurves { tangential, radial }
}

fn with_source(lens: &impl Deflector, image: Vec<[f64; 2]>, closed: bool) -> Curve {
    let source = image.iter().map(|p| lens.source_from_image(p[0], p[1])).collect();
    Curve { image, source, closed }
}

/// Moves a point along the gradient of the eigenvalue until it vanishes; `None` if there is no zero nearby
/// (marching squares also draws lines around a singular centre, where the eigenvalue jumps without a zero).
fn onto_curve(lens: &impl Deflector, kind: Kind, start: [f64; 2], step: f64) -> Option<[f64; 2]> {
    let h = 1e-4 * step;
    let mut p = start;
    for _ in 0..12 {
        let value = eigenvalue(lens, kind, p);
        let gx = (eigenvalue(lens, kind, [p[0] + h, p[1]]) - eigenvalue(lens, kind, [p[0] - h, p[1]])) / (2.0 * h);
        let gy = (eigenvalue(lens, kind, [p[0], p[1] + h]) - eigenvalue(lens, kind, [p[0], p[1] - h])) / (2.0 * h);
        let square = gx * gx + gy * gy;
        if value.abs() < 1e-12 {
            return Some(p);
        }
        if square == 0.0 {
            return None;
        }
        let (dx, dy) = (-value * gx / square, -value * gy / square);
        let length = dx.hypot(dy);
        let shrink = (0.5 * step / length).min(1.0);
        p = [p[0] + shrink * dx, p[1] + shrink * dy];
        if (p[0] - start[0]).hypot(p[1] - start[1]) > 1.5 * step {
            return None;
        }
        if length < 1e-13 {
            return Some(p);
        }
    }
    (eigenvalue(lens, kind, p).abs() < 1e-8).then_some(p)
}

/// A radial critical curve around a mass centre, smaller than the grid sees: the outermost sign change along each of 180 rays.
fn small_radial_curve(lens: &impl Deflector, centre: [f64; 2], reach: f64) -> Option<Vec<[f64; 2]>> {
    const RAYS: usize = 180;
    (0..RAYS)
        .map(|i| {
            let (sin, cos) = (TAU * i as f64 / RAYS as f64).sin_cos();
            let at = |radius: f64| eigenvalue(lens, Kind::Radial, [centre[0] + radius * cos, centre[1] + radius * sin]);
            let mut outer = reach;
            if at(outer) <= 0.0 {
                return None;
            }
            while outer > 1e-9 {
                let inner = 0.8 * outer;
                if at(inner) < 0.0 {
                    let (mut low, mut high) = (inner, outer);
                    for _ in 0..50 {
                        let middle = 0.5 * (low + high);
                        if at(middle) < 0.0 { low = middle } else { high = middle }
                    }
                    return Some([centre[0] + high * cos, centre[1] + high * sin]);
                }
                outer = inner;
            }
            None
        })
        .collect()
}

/// True when a closed polygon holds a point (even-odd rule).
pub(super) fn encloses(polygon: &[[f64; 2]], p: [f64; 2]) -> bool {
    polygon.iter().zip(polygon.iter().cycle().skip(1)).fold(false, |inside, (a, b)| {
        let crosses = (a[1] > p[1]) != (b[1] > p[1]) && p[0] < a[0] + (p[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0]);
        inside != crosses
    })
}

impl LensCurves {
    /// The closed tangential curve of the largest area: the one that the ring follows.
    pub fn outermost(&self) -> Option<&Curve> {
        self.tangential.iter().filter(|c| c.closed).max_by(|a, b| area(&a.image).total_cmp(&area(&b.image)))
    }

    /// Radius of the circle with the area inside the outermost tangential critical curve (arcsec).
    /// For a curve that every ray from its middle meets once, the area is exact to about 1e-9; else it is that of the polygon.
    pub fn effective_einstein_radius_arcsec(&self, lens: &impl Deflector) -> Option<f64> {
        let curve = &self.outermost()?.image;
        let exact = || {
            let n = curve.len() as f64;
            let centre = [0, 1].map(|k| curve.iter().map(|p| p[k]).sum::<f64>() / n);
            let mut polar: Vec<(f64, f64)> = curve
                .iter()
                .map(|p| ((p[1] - centre[1]).atan2(p[0] - centre[0]), (p[1] - centre[1]).hypot(p[0] - centre[0])))
                .collect();
            let turns = |sign: f64| {
                polar.iter().zip(polar.iter().cycle().skip(1)).all(|(a, b)| {
                    let step = (b.0 - a.0 + PI).rem_euclid(TAU) - PI;
                    sign * step > 0.0
                })
            };
            if !turns(1.0) && !turns(-1.0) {
                return None;
            }
            polar.sort_by(|a, b| a.0.total_cmp(&b.0));
            const ANGLES: u32 = 512;
            let mut sum = 0.0;
            for i in 0..ANGLES {
                let angle = -PI + TAU * f64::from(i) / f64::from(ANGLES);
                let after = polar.partition_point(|p| p.0 < angle) % polar.len();
                let before = (after + polar.len() - 1) % polar.len();
                let (a, b) = (polar[before], polar[after]);
                let span = (b.0 - a.0).rem_euclid(TAU);
                let along = if span > 0.0 { (angle - a.0).rem_euclid(TAU) / span } else { 0.0 };
                let guess = a.1 + along * (b.1 - a.1);
                sum += radius_on_ray(lens, centre, angle, guess)?.powi(2);
            }
            Some((sum / f64::from(ANGLES)).sqrt())
        };
        Some(exact().unwrap_or_else(|| (area(curve) / PI).sqrt()))
    }
}

/// Where the tangential eigenvalue vanishes on a ray, from a close guess (secant steps).
fn radius_on_ray(lens: &impl Deflector, centre: [f64; 2], angle: f64, guess: f64) -> Option<f64> {
    let (sin, cos) = angle.sin_cos();
    let at = |r: f64| eigenvalue(lens, Kind::Tangential, [centre[0] + r * cos, centre[1] + r * sin]);
    let (mut a, mut b) = (guess, guess * (1.0 + 1e-4));
    let (mut fa, mut fb) = (at(a), at(b));
    for _ in 0..20 {
        if (fb - fa).abs() < 1e-300 {
            break;
        }
        let next = b - fb * (b - a) / (fb - fa);
        if !next.is_finite() || (next - guess).abs() > 0.2 * guess {
            return None;
        }
        (a, fa) = (b, fb);
        b = next;
        fb = at(b);
        if (b - a).abs() < 1e-13 * guess || fb == 0.0 {
            return Some(b);
        }
    }
    (fb.abs() < 1e-9).then_some(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::{
        IsothermalLens, Nfw, PointMass, PowerLaw, PreparedIsothermal, Shear, Sheet, Sie, critical_curves,
    };

    const WINDOW: Window = Window { centre: [0.0, 0.0], half_width_arcsec: 3.0, cells: 100 };

    fn sheared() -> IsothermalLens {
        IsothermalLens {
            sie: Sie {
                einstein_radius_arcsec: 1.3,
                axis_ratio: 0.6,
                position_angle_deg: 70.0,
                x_arcsec: 0.1,
                y_arcsec: 0.05,
            },
            shear: Shear { gamma1: -0.08, gamma2: 0.05 },
        }
    }

    #[test]
    fn an_isothermal_lens_has_the_curves_of_its_closed_form() {
        let model = sheared();
        let lens: PreparedIsothermal = model.prepare();
        let curves = lens_curves(&lens, WINDOW, &[lens.sie.centre()]);
        let exact = critical_curves(&model, 720);
        assert_eq!((curves.tangential.len(), curves.radial.len()), (1, 0));
        for p in &curves.tangential[0].image {
            assert!(lens.inverse_magnification(p[0], p[1]).abs() < 1e-11);
        }
        let radius = curves.effective_einstein_radius_arcsec(&lens).unwrap();
        assert!((radius - exact.effective_einstein_radius_arcsec).abs() < 1e-9, "{radius}");
        let caustic = area(&curves.tangential[0].source);
        assert!((caustic / area(&exact.caustic) - 1.0).abs() < 0.01);
    }

    /// A sphere of slope below 2 has a radial critical curve where `d alpha / d r = 1`: `(3 - slope - 1)... r^(1 - slope)`.
    #[test]
    fn the_radial_curve_of_a_power_law_is_found_also_below_a_cell() {
        for slope in [1.5f64, 1.8, 1.95] {
            let law = PowerLaw {
                einstein_radius_arcsec: 1.0,
                slope,
                axis_ratio: 1.0,
                position_angle_deg: 0.0,
                x_arcsec: 0.03,
                y_arcsec: -0.02,
            };
            let lens = law.prepare();
            let curves = lens_curves(&lens, WINDOW, &[lens.centre()]);
            // alpha = r^(2 - slope), so 1 = (2 - slope) r^(1 - slope).
            let expected = (2.0 - slope).powf(1.0 / (slope - 1.0));
            assert_eq!(curves.radial.len(), 1, "{slope}");
            for p in &curves.radial[0].image {
                let r = (p[0] - 0.03).hypot(p[1] + 0.02);
                assert!((r / expected - 1.0).abs() < 1e-6, "{slope}: {r} {expected}");
            }
            let radius = curves.effective_einstein_radius_arcsec(&lens).unwrap();
            assert!((radius - 1.0).abs() < 1e-10, "{radius}");
        }
    }

    #[test]
    fn a_point_mass_has_one_curve_and_a_halo_two() {
        let mass = PointMass { einstein_radius_arcsec: 1.0, x_arcsec: 0.0, y_arcsec: 0.0 };
        let curves = lens_curves(&mass, WINDOW, &[[0.0, 0.0]]);
        assert_eq!((curves.tangential.len(), curves.radial.len()), (1, 0));
        assert!((curves.effective_einstein_radius_arcsec(&mass).unwrap() - 1.0).abs() < 1e-10);
        let halo = Nfw {
            convergence_scale: 0.4,
            scale_radius_arcsec: 3.0,
            axis_ratio: 0.8,
            position_angle_deg: 20.0,
            x_arcsec: 0.0,
            y_arcsec: 0.0,
        };
        let lens = halo.prepare();
        let curves = lens_curves(&lens, WINDOW, &[[0.0, 0.0]]);
        assert_eq!((curves.tangential.len(), curves.radial.len()), (1, 1));
        let radius = curves.effective_einstein_radius_arcsec(&lens).unwrap();
        assert!(encloses(&curves.tangential[0].image, curves.radial[0].image[0]), "{radius}");
    }

    /// The mass-sheet transform leaves the tangential critical curve and shrinks the caustic.
    #[test]
    fn a_mass_sheet_keeps_the_critical_curve() {
        let lens = sheared().prepare();
        let sheet = Sheet { lens, lambda: 0.8 };
        let (a, b) = (lens_curves(&lens, WINDOW, &[]), lens_curves(&sheet, WINDOW, &[]));
        let radius = |c: &LensCurves, d: &dyn Fn(&LensCurves) -> Option<f64>| d(c).unwrap();
        let plain = radius(&a, &|c| c.effective_einstein_radius_arcsec(&lens));
        let with = radius(&b, &|c| c.effective_einstein_radius_arcsec(&sheet));
        assert!((plain - with).abs() < 1e-9);
        let ratio = area(&b.tangential[0].source) / area(&a.tangential[0].source);
        assert!((ratio - 0.64).abs() < 2e-3, "{ratio}");
    }
}
