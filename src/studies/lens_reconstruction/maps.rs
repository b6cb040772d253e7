//! Maps, curves and numbers that simulation and fit share: grids, critical curves, convergence, source, FITS keywords.

use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;

use super::Scene;
use super::curves::Curves;
use crate::data::{Keyword, arcsec_grid, read_planes};
use crate::studies::lens_models::{Deflector, ISOTHERMAL_SLOPE, LensModel, Mass, Sersic};
use crate::tasks::{Metrics, Provenance, TaskError};

/// Centre (arcsec) and pixel (arcsec) of a square source map of `n` pixels that holds the caustics and the sources.
pub fn source_grid(scene: &Scene, curves: &Curves, n: usize) -> ([f64; 2], f64) {
    source_grid_holding(scene, curves, None, n)
}

/// The same of a map that also holds a square: its centre and half its side (arcsec).
pub fn source_grid_holding(
    scene: &Scene,
    curves: &Curves,
    square: Option<([f64; 2], f64)>,
    n: usize,
) -> ([f64; 2], f64) {
    let mut low = [f64::INFINITY; 2];
    let mut high = [f64::NEG_INFINITY; 2];
    let mut hold = |x: f64, y: f64, r: f64| {
        low = [low[0].min(x - r), low[1].min(y - r)];
        high = [high[0].max(x + r), high[1].max(y + r)];
    };
    for [x, y] in curves.caustic.iter().flatten() {
        hold(*x, *y, 0.0);
    }
    for s in &scene.sources {
        // Three effective radii hold most of the light; a very large one must not shrink the rest to a dot.
        hold(s.x_arcsec, s.y_arcsec, (3.0 * s.effective_radius_arcsec).clamp(0.02, 1.5));
    }
    if let Some(([x, y], half)) = square {
        hold(x, y, half);
    }
    if !low[0].is_finite() {
        return ([0.0, 0.0], 0.02);
    }
    let side = 1.1 * (high[0] - low[0]).max(high[1] - low[1]).max(1e-3);
    ([0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1])], side / n as f64)
}

/// Light of the sources, not lensed and not blurred, on a grid; `[y, x]`.
pub fn source_map(sources: &[Sersic], centre: [f64; 2], scale: f64, (rows, columns): (usize, usize)) -> Array2<f32> {
    let prepared: Vec<_> = sources.iter().map(Sersic::prepare).collect();
    Array2::from_shape_fn((rows, columns), |(j, i)| {
        let [x, y] = place(centre, scale, (rows, columns), (j, i));
        prepared.iter().map(|s| s.value(x, y)).sum::<f64>() as f32
    })
}

/// Convergence on the grid of the image, `[y, x]`, each pixel the mean of 4 x 4 points (the centre is singular).
pub fn convergence_map(lens: &LensModel, shape: (usize, usize), scale: f64) -> Array2<f32> {
    convergence_on(lens, [0.0; 2], shape, scale)
}

/// The same on a grid whose middle is at `centre` (arcsec from the image centre).
pub fn convergence_on(lens: &LensModel, centre: [f64; 2], shape: (usize, usize), scale: f64) -> Array2<f32> {
    const FINE: usize = 4;
    let lens = lens.prepare();
    let [cx, cy] = lens.centre();
    Array2::from_shape_fn(shape, |at| {
        let [x, y] = place(centre, scale, shape, at);
        let mut sum = 0.0;
        for a in 0..FINE {
            for b in 0..FINE {
                let offset = |k: usize| ((k as f64 + 0.5) / FINE as f64 - 0.5) * scale;
                let (x, y) = (x + offset(b), y + offset(a));
                // A point on the singular centre itself would make the pixel infinite.
                let off = if (x - cx).hypot(y - cy) < 1e-3 * scale { 1e-3 * scale } else { 0.0 };
                sum += lens.convergence(x + off, y);
            }
        }
        (sum / (FINE * FINE) as f64) as f32
    })
}

/// Where a pixel of a grid lies (arcsec).
pub(super) fn place(centre: [f64; 2], scale: f64, (rows, columns): (usize, usize), (j, i): (usize, usize)) -> [f64; 2] {
    let offset = |k: usize, n: usize| (k as f64 - 0.5 * (n as f64 - 1.0)) * scale;
    [centre[0] + offset(i, columns), centre[1] + offset(j, rows)]
}

/// Numbers that describe a lens, under the names that fit and simulation share.
pub fn lens_metrics(lens: &LensModel) -> Metrics {
    let galaxy = &lens.galaxy;
    [
        ("einstein_radius_arcsec", lens.effective_einstein_radius()),
        ("ellipse_einstein_radius_arcsec", galaxy.einstein_radius_arcsec),
        ("axis_ratio", galaxy.axis_ratio),
        ("position_angle_deg", galaxy.position_angle_deg.rem_euclid(180.0)),
        ("shear", lens.shear.strength()),
        ("shear_angle_deg", lens.shear.angle_deg().rem_euclid(180.0)),
        ("lens_x_arcsec", galaxy.x_arcsec),
        ("lens_y_arcsec", galaxy.y_arcsec),
    ]
    .into_iter()
    .map(|(k, v)| (k.to_owned(), v))
    .chain(metrics_beyond_isothermal(lens))
    .collect()
}

/// Numbers that only lenses beyond an isothermal ellipsoid have.
fn metrics_beyond_isothermal(lens: &LensModel) -> Vec<(String, f64)> {
    let mut metrics = Vec::new();
    if lens.galaxy.slope != ISOTHERMAL_SLOPE {
        metrics.push(("slope".to_owned(), lens.galaxy.slope));
    }
    let mut satellites = 0;
    for mass in &lens.further {
        if let Mass::Multipole(multipole) = mass {
            let (amplitude, angle) = multipole.amplitude_and_angle();
            metrics.push((format!("multipole{}_arcsec", multipole.order), amplitude));
            metrics.push((format!("multipole{}_angle_deg", multipole.order), angle));
        } else {
            satellites += 1;
            let kind = mass.kind();
            // What no fit moves is told only where it is something: a round mass needs no ellipticity.
            let told = kind
                .names()
                .iter()
                .zip(mass.parameters())
                .enumerate()
                .filter(|(i, (_, v))| kind.moves(*i) || *v != 0.0);
            metrics.extend(told.map(|(_, (what, value))| (format!("satellite_{satellites}_{what}"), value)));
        }
    }
    metrics
}

/// Keywords of a grid in arcsec whose centre is at `centre`.
pub fn grid_keywords(centre: [f64; 2], scale: f64, (rows, columns): (usize, usize)) -> Vec<Keyword> {
    let mut keywords = arcsec_grid(rows, columns, scale);
    for keyword in &mut keywords {
        match keyword.name.as_str() {
            "CRVAL1" => keyword.value = centre[0].into(),
            "CRVAL2" => keyword.value = centre[1].into(),
            _ => {}
        }
    }
    keywords
}

/// HISTORY lines of a product.
pub fn history(provenance: &Provenance, remark: &str) -> Vec<String> {
    vec![
        format!("Sextans {} {}", provenance.version, provenance.task),
        remark.to_owned(),
        format!("request {}", provenance.request),
    ]
}

/// The first image of a product.
///
/// # Errors
/// The file is missing, damaged, or not two-dimensional.
pub fn read_map(folder: &Path, name: &str) -> Result<Arc<Array2<f32>>, TaskError> {
    read_maps(folder, name)?
        .into_iter()
        .next()
        .ok_or_else(|| TaskError::file(&folder.join(name), "no image in this file"))
}

/// Every image of a product.
///
/// # Errors
/// As [`read_map`].
pub fn read_maps(folder: &Path, name: &str) -> Result<Vec<Arc<Array2<f32>>>, TaskError> {
    let path = folder.join(name);
    read_planes(&path)?
        .into_iter()
        .map(|plane| {
            plane
                .pixels
                .into_dimensionality()
                .map(Arc::new)
                .map_err(|_| TaskError::file(&path, "expected two-dimensional images"))
        })
        .collect()
}
