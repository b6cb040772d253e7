//! How far a reconstruction is from the truth, where the truth is at hand: numbers that say the same of every method.

use std::path::Path;

use ndarray::Array2;

use super::Observation;
use super::load::{Plane, read_plane};
use super::pixelated::SourceGrid;
use super::rim::prior::statistics::structure;
use crate::numerics::regrid::bilinear;
use crate::tasks::{Metrics, TaskError};

/// Annulus in which convergences are compared, in Einstein radii: where the images tell them.
const ANNULUS: [f64; 2] = [0.5, 1.5];

/// A map with its grid: `[y, x]`, its middle and its pixel in arcsec from the image centre.
#[derive(Clone, Debug)]
pub struct Gridded {
    /// Values.
    pub map: Array2<f32>,
    /// Middle of the map.
    pub centre: [f64; 2],
    /// Side of a pixel.
    pub pixel: f64,
}

impl Gridded {
    /// Value at a place, bilinear; `None` outside of the outermost centres.
    pub fn at(&self, x: f64, y: f64) -> Option<f64> {
        let (rows, columns) = self.map.dim();
        let u = (x - self.centre[0]) / self.pixel + 0.5 * (columns as f64 - 1.0);
        let v = (y - self.centre[1]) / self.pixel + 0.5 * (rows as f64 - 1.0);
        let value = f64::from(bilinear(&self.map, [u, v]));
        value.is_finite().then_some(value)
    }

    /// Places of its pixels.
    fn places(&self) -> impl Iterator<Item = [f64; 2]> + '_ {
        let (rows, columns) = self.map.dim();
        let along = |k: usize, n: usize, centre: f64| centre + (k as f64 - 0.5 * (n as f64 - 1.0)) * self.pixel;
        (0..rows * columns)
            .map(move |p| [along(p % columns, columns, self.centre[0]), along(p / columns, rows, self.centre[1])])
    }
}

/// What is known of the truth.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// The source, unit of the image per image pixel.
    pub source: Option<Gridded>,
    /// The convergence.
    pub convergence: Option<Gridded>,
}

impl Truth {
    /// Reads both maps. Grids come from CRVAL and CDELT in arcsec (as our simulations write them); a convergence without them has the
    /// pixels of the image.
    ///
    /// # Errors
    /// A file that cannot be read, or a source whose grid is not known.
    pub fn read(
        source: Option<&Path>,
        convergence: Option<&Path>,
        observation: &Observation,
    ) -> Result<Self, TaskError> {
        let on_image = Some(([0.0; 2], observation.pixel_scale_arcsec, observation.data.dim()));
        Ok(Self {
            source: source.map(|path| read(path, "truth_source", None)).transpose()?,
            convergence: convergence.map(|path| read(path, "truth_convergence", on_image)).transpose()?,
        })
    }

    /// The numbers, each beside its null: an empty source, and an isothermal sphere of the radius at which the light of the ring lies.
    /// `ring_radius_arcsec`: of `centre`, the middle of the lens.
    pub fn metrics(
        &self,
        source: &Gridded,
        convergence: &Gridded,
        centre: [f64; 2],
        ring_radius_arcsec: f64,
    ) -> Metrics {
        let mut metrics = Metrics::new();
        if let Some(truth) = &self.source {
            metrics.insert("source_rms_relative".into(), source_error(truth, source));
            metrics.insert("source_rms_relative_null".into(), 1.0);
        }
        if let Some(truth) = &self.convergence {
            let radius = einstein_radius(truth, centre);
            let sphere = |x: f64, y: f64| 0.5 * ring_radius_arcsec / (x - centre[0]).hypot(y - centre[1]).max(1e-6);
            let compared = Compared::new(truth, convergence, sphere, centre, radius);
            let off = |found: f64| (found - radius).abs() / radius;
            for (name, value, null) in [
                ("convergence_rms_dex", compared.rms(|p| p.found), compared.rms(|p| p.null)),
                ("structure_correlation", compared.structure_correlation(), 0.0),
                ("einstein_radius_error", off(einstein_radius(convergence, centre)), off(ring_radius_arcsec)),
            ] {
                metrics.insert(name.into(), value);
                metrics.insert(format!("{name}_null"), null);
            }
        }
        metrics
    }
}

fn read(path: &Path, role: &str, otherwise: Option<([f64; 2], f64, (usize, usize))>) -> Result<Gridded, TaskError> {
    let Plane { pixels, header, .. } = read_plane(path)?;
    let map = pixels.mapv(|v| v as f32);
    let number = |name: &str| header.get_f64(name);
    let (rows, columns) = map.dim();
    // The middle of the map, wherever its reference pixel is.
    let middle = |value: f64, axis: u8, count: usize| {
        let reference = number(&format!("CRPIX{axis}")).unwrap_or(0.5 * (count as f64 + 1.0));
        value + (0.5 * (count as f64 + 1.0) - reference) * number(&format!("CDELT{axis}")).unwrap_or(0.0)
    };
    // Our own grids are plain arcsec; celestial ones say where on the sky, not where from the centre.
    let plain = header.get_str("CUNIT1").is_some_and(|u| u.trim() == "arcsec");
    let grid = number("CRVAL1").zip(number("CRVAL2")).zip(number("CDELT1")).filter(|_| plain);
    let (centre, pixel) = grid
        .filter(|(_, pixel)| *pixel > 0.0)
        .map(|((x, y), pixel)| ([middle(x, 1, columns), middle(y, 2, rows)], pixel))
        .or(otherwise.filter(|(_, _, shape)| *shape == (rows, columns)).map(|(centre, pixel, _)| (centre, pixel)))
        .ok_or_else(|| TaskError::file(path, format!("{role}: its header does not say where its pixels lie; expected CRVAL1, CRVAL2 and CDELT1 in arcsec from the image centre")))?;
    Ok(Gridded { map, centre, pixel })
}

/// `|s - s_true| / |s_true|` over the pixels of the truth; the source is dark where it has no pixels.
fn source_error(truth: &Gridded, found: &Gridded) -> f64 {
    let (mut error, mut power) = (0.0, 0.0);
    for ([x, y], value) in truth.places().zip(&truth.map) {
        let value = f64::from(*value);
        error += (found.at(x, y).unwrap_or(0.0) - value).powi(2);
        power += value * value;
    }
    (error / power).sqrt()
}

/// Radius of the circle about `centre` in which the mean convergence is 1 (arcsec); NaN if there is none.
pub fn einstein_radius(convergence: &Gridded, centre: [f64; 2]) -> f64 {
    let mut pixels: Vec<(f64, f64)> = convergence
        .places()
        .zip(&convergence.map)
        .filter(|(_, k)| k.is_finite())
        .map(|([x, y], k)| ((x - centre[0]).hypot(y - centre[1]), f64::from(*k)))
        .collect();
    pixels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let area = convergence.pixel * convergence.pixel;
    let (mut mass, mut last) = (0.0, f64::NAN);
    for (count, (radius, k)) in pixels.iter().enumerate() {
        mass += k * area;
        // The mean over as many pixels as lie within, so that the grain of the circle does not count.
        let within = (count + 1) as f64 * area;
        if mass >= within {
            last = (within / std::f64::consts::PI).sqrt();
        } else if *radius > 4.0 * last {
            break;
        }
    }
    last
}

struct Place {
    at: [f64; 2],
    truth: f64,
    found: f64,
    null: f64,
}

/// `log10` of convergences where they are compared.
struct Compared(Vec<Place>);

impl Compared {
    fn new(truth: &Gridded, found: &Gridded, null: impl Fn(f64, f64) -> f64, centre: [f64; 2], radius: f64) -> Self {
        let floor = |k: f64| k.max(1e-8).log10();
        let places = truth.places().zip(&truth.map).filter_map(|([x, y], k)| {
            let (dx, dy) = (x - centre[0], y - centre[1]);
            let near = (ANNULUS[0] * radius..=ANNULUS[1] * radius).contains(&dx.hypot(dy));
            let found = found.at(x, y).filter(|_| near)?;
            Some(Place { at: [dx, dy], truth: floor(f64::from(*k)), found: floor(found), null: floor(null(x, y)) })
        });
        Self(places.collect())
    }

    fn rms(&self, of: impl Fn(&Place) -> f64) -> f64 {
        (self.0.iter().map(|p| (of(p) - p.truth).powi(2)).sum::<f64>() / self.0.len() as f64).sqrt()
    }

    /// Correlation of what both logarithms have over their best elliptical power laws.
    fn structure_correlation(&self) -> f64 {
        if self.0.len() < 30 {
            return f64::NAN;
        }
        let without = |of: &dyn Fn(&Place) -> f64| {
            let points: Vec<[f64; 3]> =
                self.0.iter().map(|p| [p.at[0], p.at[1], of(p) * std::f64::consts::LN_10]).collect();
            structure(&points)
        };
        let (a, b) = (without(&|p| p.truth), without(&|p| p.found));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let norm = (dot(&a, &a) * dot(&b, &b)).sqrt();
        if norm > 0.0 { dot(&a, &b) / norm } else { 0.0 }
    }
}

/// Distance from `centre` at which the light of a ring lies: the mean radius of what stands out of the noise (arcsec), weighted by brightness.
pub fn ring_radius(observation: &Observation, light: &Array2<f64>, centre: [f64; 2]) -> f64 {
    const STANDS_OUT: f64 = 3.0;
    let frame = observation.frame();
    let (mut sum, mut weight) = (0.0, 0.0);
    for ((j, i), value) in light.indexed_iter() {
        if observation.mask[[j, i]] && *value > STANDS_OUT * observation.noise[[j, i]] {
            sum += value * (frame.x(i as f64) - centre[0]).hypot(frame.y(j as f64) - centre[1]);
            weight += value;
        }
    }
    sum / weight
}

impl From<(&Array2<f32>, SourceGrid)> for Gridded {
    fn from((map, grid): (&Array2<f32>, SourceGrid)) -> Self {
        Self { map: map.clone(), centre: grid.centre, pixel: grid.pixel }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sphere(radius: f64, bump: f64) -> Gridded {
        let map = Array2::from_shape_fn((121, 121), |(j, i)| {
            let (x, y) = ((i as f64 - 60.0) * 0.05, (j as f64 - 60.0) * 0.05);
            let structure = bump * ((6.0 * x).sin() + (5.0 * y + 1.0).cos());
            (0.5 * radius / x.hypot(y).max(0.02) * structure.exp()) as f32
        });
        Gridded { map, centre: [0.0; 2], pixel: 0.05 }
    }

    #[test]
    fn a_sphere_has_its_radius_and_the_truth_has_no_error() {
        let truth = sphere(1.4, 0.0);
        assert!((einstein_radius(&truth, [0.0; 2]) - 1.4).abs() < 0.02, "{}", einstein_radius(&truth, [0.0; 2]));
        assert!(einstein_radius(&sphere(0.0, 0.0), [0.0; 2]).is_nan());
        let known = Truth { source: Some(truth.clone()), convergence: Some(sphere(1.4, 0.1)) };
        let same = known.metrics(&truth, &sphere(1.4, 0.1), [0.0; 2], 1.5);
        assert!(same["source_rms_relative"] < 1e-6 && same["convergence_rms_dex"] < 1e-6);
        assert!((same["structure_correlation"] - 1.0).abs() < 1e-6 && same["einstein_radius_error"] < 1e-9);
        assert!((same["einstein_radius_error_null"] - 0.1 / 1.4).abs() < 0.03);
    }

    #[test]
    fn what_is_missing_and_what_is_wrong_costs() {
        let known = Truth { source: Some(sphere(1.0, 0.0)), convergence: Some(sphere(1.4, 0.1)) };
        let dark = Gridded { map: Array2::zeros((4, 4)), centre: [9.0; 2], pixel: 0.1 };
        let other = known.metrics(&dark, &sphere(1.4 * 1.1, 0.0), [0.0; 2], 1.4);
        assert!((other["source_rms_relative"] - 1.0).abs() < 1e-9);
        // A tenth more mass is 0.0414 dex, and the structure that is missing adds its own 0.1 sqrt(1) / ln 10.
        let expected = (0.0414f64.powi(2) + (0.1 / std::f64::consts::LN_10).powi(2)).sqrt();
        assert!((other["convergence_rms_dex"] - expected).abs() < 0.012, "{} {expected}", other["convergence_rms_dex"]);
        assert!(other["structure_correlation"].abs() < 0.3, "{}", other["structure_correlation"]);
        assert!((other["einstein_radius_error"] - 0.1).abs() < 0.03);
    }
}
