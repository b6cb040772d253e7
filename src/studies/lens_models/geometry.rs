//! Critical curves, caustics and image positions of a [`IsothermalLens`], solved exactly along rays from the lens centre.
//!
//! For a singular isothermal lens with shear the determinant of the lens mapping is linear in `1 / r` along a ray:
//! with `2 kappa = b(phi) / r`, `det A = 1 - gamma^2 - (b / r) (1 - gamma1 cos 2 phi - gamma2 sin 2 phi)`.
//! So the tangential critical curve is a closed form in `phi`, there is no radial one (the centre takes its place),
//! and the lens equation of a point source is one equation in `phi`.

use super::{Deflector, IsothermalLens, PreparedIsothermal};
use std::f64::consts::{PI, TAU};

/// Critical curve and caustics; every curve is closed and does not repeat its first point. Points `[x, y]` in arcsec.
#[derive(Clone, Debug, PartialEq)]
pub struct CriticalCurves {
    /// Tangential critical curve in the image plane.
    pub tangential: Vec<[f64; 2]>,
    /// Tangential caustic (the astroid) in the source plane, point by point the source of `tangential`.
    pub caustic: Vec<[f64; 2]>,
    /// Cut (pseudo-caustic) in the source plane: sources that cross it gain or lose an image at the centre.
    pub cut: Vec<[f64; 2]>,
    /// Radius of the circle with the area inside the tangential critical curve (arcsec).
    pub effective_einstein_radius_arcsec: f64,
}

/// Critical curves with `points` points on each, evenly spaced in angle from the mass's major axis.
pub fn critical_curves(model: &IsothermalLens, points: usize) -> CriticalCurves {
    let lens = model.prepare();
    let [cx, cy] = lens.sie.centre();
    let start = model.sie.position_angle_deg.to_radians();
    let angles = || (0..points).map(move |i| start + TAU * i as f64 / points as f64);
    let tangential: Vec<[f64; 2]> = angles()
        .map(|angle| {
            let radius = critical_radius(&lens, angle);
            [cx + radius * angle.cos(), cy + radius * angle.sin()]
        })
        .collect();
    let caustic = tangential.iter().map(|p| lens.source_from_image(p[0], p[1])).collect();
    let [gamma1, gamma2] = lens.shear();
    let cut = angles()
        .map(|angle| {
            let [ax, ay] = lens.sie.deflection_in_direction(angle);
            [cx - ax - gamma1 * cx - gamma2 * cy, cy - ay - gamma2 * cx + gamma1 * cy]
        })
        .collect();
    CriticalCurves { tangential, caustic, cut, effective_einstein_radius_arcsec: effective_einstein_radius(&lens) }
}

/// Distance of the tangential critical curve from the lens centre in the direction `angle` (radians), in arcsec.
fn critical_radius(lens: &PreparedIsothermal, angle: f64) -> f64 {
    let [gamma1, gamma2] = lens.shear();
    let stretch = 1.0 - gamma1 * (2.0 * angle).cos() - gamma2 * (2.0 * angle).sin();
    lens.sie.critical_radius(angle) * stretch / (1.0 - gamma1 * gamma1 - gamma2 * gamma2)
}

/// `sqrt(area / pi)`; the trapezoidal rule converges exponentially for a periodic function.
fn effective_einstein_radius(lens: &PreparedIsothermal) -> f64 {
    let n = 1024;
    let mean =
        (0..n).map(|i| critical_radius(lens, TAU * f64::from(i) / f64::from(n)).powi(2)).sum::<f64>() / f64::from(n);
    mean.sqrt()
}

/// One image of a point source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Image {
    /// Position (arcsec).
    pub x_arcsec: f64,
    /// Position (arcsec).
    pub y_arcsec: f64,
    /// Signed magnification.
    pub magnification: f64,
    /// Fermat potential (arcsec^2).
    pub fermat_potential: f64,
}

/// All images of a point source at `source` (`[x, y]`, arcsec) with non-zero magnification, in order of arrival.
///
/// Along the ray at angle `phi` the lens equation reads `r (1 - Gamma) u(phi) = w(phi)`; images are the roots of the cross product
/// of both sides with `r > 0`. Positions are good to about 1e-12 arcsec.
pub fn images_of_point(model: &IsothermalLens, source: [f64; 2]) -> Vec<Image> {
    let lens = model.prepare();
    let [cx, cy] = lens.sie.centre();
    let [gamma1, gamma2] = lens.shear();
    // Source seen from where the lens centre would appear without the galaxy.
    let offset = [source[0] - cx + gamma1 * cx + gamma2 * cy, source[1] - cy + gamma2 * cx - gamma1 * cy];
    let sides = |angle: f64| {
        let (sin, cos) = angle.sin_cos();
        let [ax, ay] = lens.sie.deflection_in_direction(angle);
        let left = [cos - gamma1 * cos - gamma2 * sin, sin - gamma2 * cos + gamma1 * sin];
        (left, [offset[0] + ax, offset[1] + ay])
    };
    let cross = |angle: f64| {
        let (v, w) = sides(angle);
        w[0] * v[1] - w[1] * v[0]
    };
    let mut images: Vec<Image> = roots_on_circle(&cross)
        .into_iter()
        .filter_map(|angle| {
            let (v, w) = sides(angle);
            let radius = (w[0] * v[0] + w[1] * v[1]) / (v[0] * v[0] + v[1] * v[1]);
            let (x, y) = (cx + radius * angle.cos(), cy + radius * angle.sin());
            (radius > 1e-12).then(|| Image {
                x_arcsec: x,
                y_arcsec: y,
                magnification: lens.magnification(x, y),
                fermat_potential: lens.fermat_potential([x, y], source),
            })
        })
        .collect();
    images.sort_by(|a, b| a.fermat_potential.total_cmp(&b.fermat_potential));
    images
}

/// Roots of a smooth function of period 2 pi; pairs of roots closer than the sampling are found from the extremum between them.
fn roots_on_circle(f: &impl Fn(f64) -> f64) -> Vec<f64> {
    const SAMPLES: usize = 360;
    let step = TAU / SAMPLES as f64;
    // An odd start keeps roots on axes of symmetry off the samples.
    let angle = |i: usize| 0.123_456_789 + step * i as f64;
    let values: Vec<f64> = (0..SAMPLES).map(|i| f(angle(i))).collect();
    let mut roots = Vec::new();
    for i in 0..SAMPLES {
        let (before, here, after) = (values[(i + SAMPLES - 1) % SAMPLES], values[i], values[(i + 1) % SAMPLES]);
        if here * after < 0.0 || here == 0.0 {
            roots.push(bisect(f, angle(i), angle(i + 1)));
        }
        let same_sign = before * here > 0.0 && here * after > 0.0;
        if same_sign && here.abs() <= before.abs() && here.abs() <= after.abs() {
            let (low, high) = (angle(i) - step, angle(i) + step);
            let turning = least_magnitude(f, low, high, here.signum());
            if f(turning) * here < 0.0 {
                roots.push(bisect(f, low, turning));
                roots.push(bisect(f, turning, high));
            }
        }
    }
    roots
}

fn bisect(f: &impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let sign = f(low);
    if sign == 0.0 {
        return low;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if f(middle) * sign > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// Where `sign * f` is least on an interval with one minimum (golden section).
fn least_magnitude(f: &impl Fn(f64) -> f64, mut low: f64, mut high: f64, sign: f64) -> f64 {
    let ratio = 0.5 * (5.0f64.sqrt() - 1.0);
    for _ in 0..50 {
        let (a, b) = (high - ratio * (high - low), low + ratio * (high - low));
        if sign * f(a) < sign * f(b) {
            high = b;
        } else {
            low = a;
        }
    }
    0.5 * (low + high)
}

impl CriticalCurves {
    /// Area inside the tangential critical curve (arcsec^2).
    pub fn tangential_area(&self) -> f64 {
        PI * self.effective_einstein_radius_arcsec * self.effective_einstein_radius_arcsec
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::contour::{area, level_lines};
    use crate::studies::lens_models::{Shear, Sie};
    use ndarray::Array2;

    fn sie(theta: f64, q: f64) -> IsothermalLens {
        IsothermalLens {
            sie: Sie {
                einstein_radius_arcsec: theta,
                axis_ratio: q,
                position_angle_deg: 0.0,
                x_arcsec: 0.0,
                y_arcsec: 0.0,
            },
            shear: Shear::default(),
        }
    }

    /// Closed forms of cusps and cut extents, evaluated in f64.
    #[test]
    fn cusps_and_cuts_have_their_golden_values() {
        for (q, cusp, cut) in [
            (0.5, [0.559_180_342_3, 0.368_184_838_9], [0.855_033_220_1, 1.075_291_620_1]),
            (0.7, [0.263_372_450_5, 0.212_573_709_6], [0.931_856_158_8, 1.049_233_736_1]),
            (0.9, [0.072_464_833_0, 0.068_025_181_1], [0.981_627_720_4, 1.016_708_479_1]),
        ] {
            let curves = critical_curves(&sie(1.0, q), 400);
            for axis in 0..2 {
                let extent = |points: &[[f64; 2]]| points.iter().map(|p| p[axis].abs()).fold(0.0, f64::max);
                assert!((extent(&curves.caustic) - cusp[axis]).abs() < 1e-9, "q {q}: {}", extent(&curves.caustic));
                assert!((extent(&curves.cut) - cut[axis]).abs() < 1e-9, "q {q}: {}", extent(&curves.cut));
            }
        }
    }

    #[test]
    fn areas_have_their_golden_values() {
        let curves = critical_curves(&sie(1.2, 0.7), 20_000);
        assert!((area(&curves.caustic) - 0.094_514_587).abs() < 1e-8);
        assert!((area(&curves.cut) - 4.429_378_831).abs() < 1e-6);
        assert!((curves.effective_einstein_radius_arcsec - 1.2).abs() < 1e-12);
        assert!((area(&curves.tangential) - curves.tangential_area()).abs() < 1e-5);
    }

    /// Positions, magnifications and Fermat differences of a quad: f64, lenstronomy agrees.
    #[test]
    fn quad_has_its_golden_values() {
        let images = images_of_point(&sie(1.2, 0.7), [0.05, 0.03]);
        let expected = [
            (0.225_46, 1.273_65, 4.5934, 0.0),
            (0.272_64, -1.204_14, 5.6659, 0.074_368_4),
            (1.159_01, -0.132_28, -4.5172, 0.156_111_0),
            (-1.063_40, -0.087_55, -2.9452, 0.267_266_9),
        ];
        assert_eq!(images.len(), 4);
        for (image, (x, y, mu, fermat)) in images.iter().zip(expected) {
            assert!((image.x_arcsec - x).abs() < 6e-6 && (image.y_arcsec - y).abs() < 6e-6, "{image:?}");
            assert!((image.magnification - mu).abs() < 6e-5, "{image:?}");
            assert!((image.fermat_potential - images[0].fermat_potential - fermat).abs() < 1e-7, "{image:?}");
        }
        let total: f64 = images.iter().map(|i| i.magnification.abs()).sum();
        assert!((total - 17.722).abs() < 6e-4);
    }

    #[test]
    fn isothermal_sphere_has_two_images_or_one() {
        let mut model = sie(1.0, 1.0);
        let pair = images_of_point(&model, [0.3, 0.0]);
        assert_eq!(pair.len(), 2);
        assert!((pair[0].x_arcsec - 1.3).abs() < 1e-9 && (pair[1].x_arcsec + 0.7).abs() < 1e-9);
        assert!((pair[0].magnification - (1.0 + 1.0 / 0.3)).abs() < 1e-6);
        assert!((pair[1].fermat_potential - pair[0].fermat_potential - 2.0 * 0.3).abs() < 1e-9);
        assert_eq!(images_of_point(&model, [1.2, 0.1]).len(), 1);
        model.sie.x_arcsec = 0.4;
        assert!((images_of_point(&model, [0.7, 0.0])[0].x_arcsec - 1.7).abs() < 1e-9);
    }

    /// The number of images changes by two across the caustic and by one across the cut; every image maps back to the source.
    #[test]
    fn image_counts_follow_the_caustics_under_shear() {
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
        let curves = critical_curves(&model, 4000);
        let inside = |curve: &[[f64; 2]], p: [f64; 2]| {
            let mut inside = false;
            for (a, b) in curve.iter().zip(curve.iter().cycle().skip(1)) {
                if (a[1] > p[1]) != (b[1] > p[1]) && p[0] < a[0] + (p[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) {
                    inside = !inside;
                }
            }
            inside
        };
        let mut seen = [0; 5];
        let mut rng = crate::numerics::random::stream(4, "sources", 0);
        for _ in 0..2000 {
            let source = [0, 1].map(|_| crate::numerics::random::uniform_in(&mut rng, -1.5, 1.5));
            let near = curves
                .caustic
                .iter()
                .chain(&curves.cut)
                .map(|p| (p[0] - source[0]).hypot(p[1] - source[1]))
                .fold(9.0, f64::min);
            if near < 1e-3 {
                continue;
            }
            let images = images_of_point(&model, source);
            let expected =
                1 + 2 * usize::from(inside(&curves.caustic, source)) + usize::from(inside(&curves.cut, source));
            assert_eq!(images.len(), expected, "{source:?}");
            seen[images.len()] += 1;
            for image in images {
                let [bx, by] = lens.source_from_image(image.x_arcsec, image.y_arcsec);
                assert!((bx - source[0]).hypot(by - source[1]) < 1e-9, "{image:?}");
            }
        }
        assert!(seen[1] > 0 && seen[2] > 0 && seen[4] > 0, "{seen:?}");
    }

    /// The closed form against marching squares on the determinant from exact second derivatives.
    #[test]
    fn critical_curve_is_where_the_determinant_vanishes() {
        let model = IsothermalLens {
            sie: Sie {
                einstein_radius_arcsec: 1.3,
                axis_ratio: 0.6,
                position_angle_deg: 70.0,
                x_arcsec: 0.1,
                y_arcsec: 0.05,
            },
            shear: Shear { gamma1: -0.08, gamma2: 0.05 },
        };
        let lens = model.prepare();
        let curves = critical_curves(&model, 720);
        for p in &curves.tangential {
            assert!(lens.inverse_magnification(p[0], p[1]).abs() < 1e-10);
        }
        let step = 0.02;
        let sampled = Array2::from_shape_fn((251, 251), |(j, i)| {
            lens.inverse_magnification(i as f64 * step - 2.5, j as f64 * step - 2.5).max(-3.0)
        });
        let lines = level_lines(&sampled, 0.0, [-2.5, -2.5], step);
        assert_eq!(lines.len(), 1);
        assert!((area(&lines[0].points) / curves.tangential_area() - 1.0).abs() < 2e-3);
    }
}
