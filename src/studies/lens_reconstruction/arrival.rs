//! The arrival-time surface of a point of the source plane: contours, above all those through its saddles.

use ndarray::Array2;

use super::tracing::{Stationary, Traced, Tracer};
use crate::numerics::contour::{Polyline, level_lines};
use crate::studies::lens_models::Deflector;

/// Pixels along a side.
const SIDE: usize = 181;
/// Contours between the first arrival and the last image.
const STEPS: f64 = 6.0;
/// Contours in all, at most.
const MOST: usize = 14;

/// A contour of equal arrival time.
#[derive(Clone, Debug, PartialEq)]
pub struct Isochrone {
    /// Fermat potential over that of the first image (arcsec^2).
    pub level: f64,
    /// True through a saddle: such a contour crosses itself at the image and tells how the images hang together.
    pub through_saddle: bool,
    /// Its lines in pixels of the surface, 0-based `[x, y]`.
    pub lines: Vec<Polyline>,
}

/// The Fermat potential over a square, relative to the first image.
#[derive(Clone, Debug)]
pub struct ArrivalSurface {
    /// Values `[y, x]` (arcsec^2), row 0 at the bottom.
    pub surface: Array2<f32>,
    /// Middle of the square (arcsec from the image centre).
    pub centre_arcsec: [f64; 2],
    /// Size of a pixel.
    pub pixel_scale_arcsec: f64,
    /// Contours, in order of their level.
    pub isochrones: Vec<Isochrone>,
}

/// The surface around the images of a traced point (without a mass sheet). `None` where it has no image.
pub fn arrival_surface(tracer: &Tracer, traced: &Traced) -> Option<ArrivalSurface> {
    let first = traced.images.first()?;
    let places = || traced.images.iter().map(|i| i.place);
    let mut low = traced.source;
    let mut high = traced.source;
    for place in places() {
        low = [low[0].min(place[0]), low[1].min(place[1])];
        high = [high[0].max(place[0]), high[1].max(place[1])];
    }
    let centre_arcsec = [0, 1].map(|k| 0.5 * (low[k] + high[k]));
    let half = 0.75 * (high[0] - low[0]).max(high[1] - low[1]).max(0.2);
    let pixel_scale_arcsec = 2.0 * half / (SIDE - 1) as f64;
    let origin = centre_arcsec.map(|c| c - half);
    let zero = tracer.lens().fermat_potential(first.place, traced.source);
    let values = Array2::from_shape_fn((SIDE, SIDE), |(y, x)| {
        let place = [origin[0] + x as f64 * pixel_scale_arcsec, origin[1] + y as f64 * pixel_scale_arcsec];
        tracer.lens().fermat_potential(place, traced.source) - zero
    });
    let saddles: Vec<f64> =
        traced.images.iter().filter(|i| i.kind == Stationary::Saddle).map(|i| i.delay_arcsec2).collect();
    let last = traced.images.iter().map(|i| i.delay_arcsec2).fold(0.0, f64::max);
    let edge = values.indexed_iter().filter(|((y, x), _)| [0, SIDE - 1].iter().any(|e| y == e || x == e));
    let rim = edge.map(|(_, v)| *v).fold(f64::INFINITY, f64::min);
    let step = if last > 0.0 { last / STEPS } else { rim.max(1e-6) / STEPS };
    let between = (1..=MOST).map(|k| step * k as f64);
    // A contour hard by that of a saddle would only blur it.
    let apart = |level: &f64| saddles.iter().all(|s| (s - level).abs() > 0.2 * step);
    let mut levels: Vec<(f64, bool)> = between.filter(apart).map(|l| (l, false)).collect();
    levels.extend(saddles.iter().map(|s| (*s, true)));
    levels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let isochrones = levels
        .into_iter()
        .map(|(level, through_saddle)| Isochrone {
            level,
            through_saddle,
            lines: level_lines(&values, level, [0.0, 0.0], 1.0),
        })
        .filter(|i| !i.lines.is_empty())
        .collect();
    Some(ArrivalSurface { surface: values.mapv(|v| v as f32), centre_arcsec, pixel_scale_arcsec, isochrones })
}

impl ArrivalSurface {
    /// A place of the sky in pixels of the surface.
    pub fn pixel_of(&self, place: [f64; 2]) -> [f64; 2] {
        let middle = 0.5 * (SIDE - 1) as f64;
        [0, 1].map(|k| (place[k] - self.centre_arcsec[k]) / self.pixel_scale_arcsec + middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::{LensModel, Shear, Sie};

    fn quad() -> (Tracer, Traced) {
        let sie =
            Sie { einstein_radius_arcsec: 1.2, axis_ratio: 0.7, position_angle_deg: 0.0, x_arcsec: 0.0, y_arcsec: 0.0 };
        let tracer = Tracer::new(&LensModel::isothermal(sie, Shear::default()), 1.2, 2.5);
        let traced = tracer.trace([0.05, 0.03]);
        (tracer, traced)
    }

    /// The surface is lowest at the first image and has the other delays at the other images.
    #[test]
    fn the_surface_has_the_delays_at_the_images() {
        let (tracer, traced) = quad();
        let found = arrival_surface(&tracer, &traced).unwrap();
        for image in &traced.images {
            let [x, y] = found.pixel_of(image.place).map(|p| p.round() as usize);
            let value = f64::from(found.surface[[y, x]]);
            assert!((value - image.delay_arcsec2).abs() < 3e-4, "{image:?} {value}");
        }
        let least = found.surface.iter().copied().fold(f32::INFINITY, f32::min);
        assert!((0.0..3e-4).contains(&least), "{least}");
    }

    /// The contour through a saddle passes the image; the one that runs inside of the first saddle's has two parts, one around each minimum.
    #[test]
    fn contours_pass_the_saddles_and_enclose_the_minima() {
        let (tracer, traced) = quad();
        let found = arrival_surface(&tracer, &traced).unwrap();
        let through: Vec<_> = found.isochrones.iter().filter(|i| i.through_saddle).collect();
        assert_eq!(through.len(), 2);
        for (isochrone, image) in through.iter().zip(traced.images.iter().filter(|i| i.kind == Stationary::Saddle)) {
            assert_eq!(isochrone.level, image.delay_arcsec2);
            let place = found.pixel_of(image.place);
            let points = isochrone.lines.iter().flat_map(|l| &l.points);
            let nearest = points.map(|p| (p[0] - place[0]).hypot(p[1] - place[1])).fold(f64::INFINITY, f64::min);
            assert!(nearest < 1.5, "{nearest}");
        }
        let between = found.isochrones.iter().find(|i| i.level > 0.08 && i.level < 0.15).unwrap();
        assert_eq!(between.lines.len(), 2, "two valleys");
        assert!(between.lines.iter().all(|l| l.closed));
    }

    #[test]
    fn a_single_image_has_contours_too() {
        let (tracer, _) = quad();
        let traced = tracer.trace([1.9, 0.4]);
        assert_eq!(traced.images.len(), 1);
        let found = arrival_surface(&tracer, &traced).unwrap();
        assert!(!found.isochrones.is_empty() && found.isochrones.iter().all(|i| !i.through_saddle));
    }
}
