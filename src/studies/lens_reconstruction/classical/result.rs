//! What a parametric fit leaves: best model, maps, errors and the numbers to judge it by.

use ndarray::{Array2, s};

use super::geometry::Bounds;
use super::joint::Joint;
use super::problem::Sky;
use super::{Calls, Run, warnings};
use crate::numerics::levenberg_marquardt::Stop;
use crate::studies::lens_models::{ISOTHERMAL_PARAMETERS, LensModel, SERSIC_PARAMETERS, SLOPE, Shear, ellipticity};
use crate::studies::lens_reconstruction::imaging::Sampling;
use crate::studies::lens_reconstruction::render::render;
use crate::studies::lens_reconstruction::scene::{Layout, Scene};
use crate::studies::lens_reconstruction::{LensError, Observation};

/// The result of a parametric fit. Maps are `[y, x]` over the whole image, not only the used pixels.
#[derive(Clone, Debug)]
pub struct ParametricFit {
    /// Best model. Components of the source and of the lens light in order of their total flux, brightest first.
    pub scene: Scene,
    /// Its parameters in the order of `layout`.
    pub parameters: Vec<f64>,
    /// How parameters lie.
    pub layout: Layout,
    /// Standard errors of the parameters in the Gaussian approximation (from the curvature of chi-squared at its minimum, noise taken as
    /// independent from pixel to pixel). NaN for a parameter that was held or lies on a bound, and for all where the curvature is singular.
    pub errors_gaussian: Vec<f64>,
    /// The same for the lens in the terms that users see.
    pub lens_errors_gaussian: LensErrors,
    /// Model of the image through the PSF.
    pub model_image: Array2<f64>,
    /// Lens light through the PSF, without sky.
    pub lens_light_image: Array2<f64>,
    /// Lensed source through the PSF.
    pub lensed_source_image: Array2<f64>,
    /// Data minus model in sigma; NaN where the image or the noise map holds nothing usable.
    pub residual_sigma: Array2<f64>,
    /// Radius of the circle with the area inside the tangential critical curve, shear included (arcsec).
    pub effective_einstein_radius_arcsec: f64,
    /// Chi-squared in the used pixels.
    pub chi2: f64,
    /// Chi-squared over degrees of freedom.
    pub reduced_chi2: f64,
    /// Used pixels less free parameters.
    pub degrees_of_freedom: usize,
    /// Used pixels.
    pub pixels: usize,
    /// Chi-squared in the used pixels of the best lens light and sky without any lensed source.
    pub null_chi2: f64,
    /// The same over its degrees of freedom.
    pub null_reduced_chi2: f64,
    /// What the noise map is worth: chi-squared of empty sky. `None` where too little sky lies outside the used pixels.
    pub blank_sky: Option<BlankSky>,
    /// Evaluations, all phases together.
    pub calls: Calls,
    /// Where each start went, in the order of the scan's ranking; chi-squared of the arcs alone.
    pub starts: Vec<StartSummary>,
    /// The lens light is a set of Gaussians of fixed shapes ([`super::LensLight::Gaussians`]).
    pub gaussians: bool,
    /// Why the last part of the joint fit ended.
    pub stop: Stop,
    /// What a reader of the result must know, in words with numbers; empty when nothing stands out.
    pub warnings: Vec<String>,
    /// What was known of the sky, and the ranges of the parameters: the prior, for [`super::sample_posterior`].
    pub(super) sky: Sky,
    pub(super) bounds: Bounds,
}

impl ParametricFit {
    /// Least and greatest values of the parameters.
    pub(super) fn bounds(&self) -> (&[f64], &[f64]) {
        (&self.bounds.lower, &self.bounds.upper)
    }
}

/// Standard errors of the lens in the Gaussian approximation; NaN where unknown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LensErrors {
    /// Of the Einstein radius of the ellipsoid (arcsec).
    pub einstein_radius_arcsec: f64,
    /// Of the effective Einstein radius, shear included (arcsec).
    pub effective_einstein_radius_arcsec: f64,
    /// Of the axis ratio.
    pub axis_ratio: f64,
    /// Of the position angle (degrees).
    pub position_angle_deg: f64,
    /// Of the first shear component.
    pub gamma1: f64,
    /// Of the second shear component.
    pub gamma2: f64,
    /// Of the slope of the mass; NaN where it was held.
    pub slope: f64,
}

/// Where one start of the fit went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StartSummary {
    /// Einstein radius of the start (arcsec).
    pub first_einstein_radius_arcsec: f64,
    /// Einstein radius reached (arcsec).
    pub einstein_radius_arcsec: f64,
    /// Chi-squared reached.
    pub chi2: f64,
}

/// Empty sky judged by the noise map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlankSky {
    /// Mean squared deviation from the median, in sigma: 1 for a perfect noise map, less where resampling correlated the pixels.
    pub reduced_chi2: f64,
    /// Median brightness.
    pub median: f64,
    /// Standard deviation of a pixel, in the unit of the data.
    pub pixel_sigma: f64,
    /// Pixels used, after clipping at three sigma.
    pub pixels: usize,
}

/// Chi-squared of empty sky: pixels farther from `(x, y)` than `radius` (arcsec) that are not in the mask and hold a measurement,
/// clipped at three sigma about their median. `None` where there are too few of them or they do not scatter.
pub fn blank_sky(observation: &Observation, [x, y]: [f64; 2], radius: f64) -> Option<BlankSky> {
    const LEAST_PIXELS: usize = 100;
    let sky = measured_sky(observation, [x, y]);
    let mut sky: Vec<(f64, f64)> =
        sky.into_iter().filter(|p| p.distance > radius).map(|p| (p.value, p.noise)).collect();
    for _ in 0..30 {
        if sky.len() < LEAST_PIXELS {
            return None;
        }
        sky.sort_by(|a, b| a.0.total_cmp(&b.0));
        let median = sky[sky.len() / 2].0;
        let mean_square = sky.iter().map(|(d, s)| ((d - median) / s).powi(2)).sum::<f64>() / sky.len() as f64;
        let before = sky.len();
        let limit = 3.0 * mean_square.sqrt();
        sky.retain(|(d, s)| ((d - median) / s).abs() <= limit);
        if sky.len() == before {
            // Clipping at three sigma takes 2.7 per cent of the variance of a normal distribution.
            let variance = sky.iter().map(|(d, _)| (d - median).powi(2)).sum::<f64>() / before as f64;
            let pixel_sigma = (variance / 0.973_3).sqrt();
            let found = BlankSky { reduced_chi2: mean_square / 0.973_3, median, pixel_sigma, pixels: before };
            // Without scatter it is a filling, not a measurement, and as one it would outweigh everything else.
            return (pixel_sigma > 0.0).then_some(found);
        }
    }
    None
}

/// A pixel outside the mask that holds a measurement.
struct SkyPixel {
    /// From the centre asked about (arcsec).
    distance: f64,
    value: f64,
    noise: f64,
}

/// The pixels outside the mask with a finite value and a finite, positive noise, less [`filled`] ones.
fn measured_sky(observation: &Observation, [x, y]: [f64; 2]) -> Vec<SkyPixel> {
    let frame = observation.frame();
    let filled = filled(&observation.data);
    let pixels = observation.data.indexed_iter().map(|((j, i), value)| {
        let distance = (frame.x(i as f64) - x).hypot(frame.y(j as f64) - y);
        ((j, i), SkyPixel { distance, value: *value, noise: observation.noise[[j, i]] })
    });
    pixels
        .filter(|(place, p)| {
            !observation.mask[*place] && !filled[*place] && p.value.is_finite() && p.noise.is_finite() && p.noise > 0.0
        })
        .map(|(_, p)| p)
        .collect()
}

/// Where the image was filled up, as the corners of rotated frames are: squares of 3 x 3 pixels of one and the same value.
pub(crate) fn filled<T: PartialEq>(data: &Array2<T>) -> Array2<bool> {
    let mut filled = Array2::from_elem(data.dim(), false);
    let (rows, columns) = data.dim();
    for j in 0..rows.saturating_sub(2) {
        for i in 0..columns.saturating_sub(2) {
            let square = s![j..j + 3, i..i + 3];
            if data.slice(square).iter().all(|v| v == &data[[j, i]]) {
                filled.slice_mut(square).fill(true);
            }
        }
    }
    filled
}

/// Distance of the farthest used pixel from (x, y) (arcsec).
fn reach(observation: &Observation, [x, y]: [f64; 2]) -> f64 {
    let frame = observation.frame();
    let used = observation.mask.indexed_iter().filter(|(_, m)| **m);
    used.map(|((j, i), _)| (frame.x(i as f64) - x).hypot(frame.y(j as f64) - y)).fold(0.0, f64::max)
}

/// [`blank_sky`] in the outermost part of the image: the farthest third of the measured pixels beyond 1.3 times the reach of the used ones.
pub(super) fn far_sky(observation: &Observation, centre: [f64; 2]) -> Option<BlankSky> {
    let least = 1.3 * reach(observation, centre);
    let sky = measured_sky(observation, centre);
    let mut distances: Vec<f64> = sky.into_iter().map(|p| p.distance).filter(|d| *d > least).collect();
    distances.sort_by(f64::total_cmp);
    blank_sky(observation, centre, *distances.get(distances.len() * 2 / 3)?)
}

/// Puts the result together. `dark`: the lens light is not worth its parameters.
pub(super) fn finish(
    observation: &Observation,
    best: &Joint,
    dark: bool,
    null_chi2: f64,
    (starts, notes): (Vec<StartSummary>, Vec<String>),
    run: &Run,
) -> Result<ParametricFit, LensError> {
    let Joint { parameters: found, layout, free, fit, .. } = best;
    let places = brightest_first(*layout, found);
    let parameters = &places.iter().map(|&i| found[i]).collect::<Vec<f64>>();
    let scene = Scene::from_parameters(*layout, parameters);
    let sampling = Sampling { per_pixel_side: run.settings.supersampling, adaptive: true };
    let [model_image, lensed_source_image, lens_light_image] = render(observation, parameters, *layout, sampling)?;
    let mut residual_sigma = &observation.data - &model_image;
    residual_sigma.zip_mut_with(&observation.noise, |r, s| *r = if *s > 0.0 { *r / s } else { f64::NAN });
    let pixels = observation.used_pixels();
    let degrees_of_freedom = pixels.saturating_sub(free.len()).max(1);
    let null_free = free.iter().filter(|i| **i >= layout.light(0)).count();
    // The fit also pays for a sky unlike that of the rest of the image; chi-squared is that of the pixels.
    let chi2 = match run.sky {
        Sky::Fitted(Some((mean, sigma))) => fit.sum_of_squares - ((scene.sky - mean) / sigma).powi(2),
        _ => fit.sum_of_squares,
    };
    let covariance = Covariance { free, matrix: fit.covariance.as_deref() };
    let [x, y] = [scene.lens.galaxy.x_arcsec, scene.lens.galaxy.y_arcsec];
    let mut result = ParametricFit {
        errors_gaussian: places.iter().map(|&i| covariance.of(i, i).sqrt()).collect(),
        lens_errors_gaussian: covariance.lens_errors(&scene),
        effective_einstein_radius_arcsec: scene.lens.effective_einstein_radius(),
        residual_sigma,
        model_image,
        lens_light_image,
        lensed_source_image,
        chi2,
        reduced_chi2: chi2 / degrees_of_freedom as f64,
        degrees_of_freedom,
        pixels,
        null_chi2,
        null_reduced_chi2: null_chi2 / pixels.saturating_sub(null_free).max(1) as f64,
        blank_sky: far_sky(observation, [x, y]),
        calls: run.calls,
        starts,
        gaussians: best.gaussians,
        stop: fit.stop,
        parameters: parameters.clone(),
        layout: *layout,
        scene,
        warnings: Vec::new(),
        sky: run.sky,
        bounds: Bounds::new(&best.geometry, *layout, observation.pixel_scale_arcsec, &run.settings.satellites),
    };
    let mut warnings =
        warnings::of(&result, observation.pixel_scale_arcsec, &result.bounds, dark, run.settings.max_steps);
    warnings.extend(notes);
    result.warnings = warnings;
    Ok(result)
}

/// Places of the parameters when sources and lens light are each put in order of total flux, nothing last.
fn brightest_first(layout: Layout, parameters: &[f64]) -> Vec<usize> {
    let scene = Scene::from_parameters(layout, parameters);
    let mut places: Vec<usize> = (0..layout.lens_len()).collect();
    for (first, components) in [(layout.component(0), &scene.sources), (layout.light(0), &scene.lens_light)] {
        let mut order: Vec<usize> = (0..components.len()).collect();
        order.sort_by(|&a, &b| components[b].total_flux().total_cmp(&components[a].total_flux()));
        places.extend(order.iter().flat_map(|k| {
            let start = first + k * SERSIC_PARAMETERS;
            start..start + SERSIC_PARAMETERS
        }));
    }
    places.push(layout.sky());
    places
}

/// The covariance of the free parameters, looked up by place in the whole vector.
struct Covariance<'a> {
    free: &'a [usize],
    matrix: Option<&'a [f64]>,
}

impl Covariance<'_> {
    /// NaN for parameters that were held or lie on a bound.
    fn of(&self, i: usize, j: usize) -> f64 {
        let n = self.free.len();
        let (Some(matrix), Ok(p), Ok(q)) = (self.matrix, self.free.binary_search(&i), self.free.binary_search(&j))
        else {
            return f64::NAN;
        };
        if matrix[p * n + p] > 0.0 && matrix[q * n + q] > 0.0 { matrix[p * n + q] } else { f64::NAN }
    }

    /// Error of the effective Einstein radius, by its derivatives with respect to the lens.
    fn effective_radius_error(&self, scene: &Scene) -> f64 {
        const STEP: f64 = 1e-4;
        let (layout, start) = (scene.lens.layout(), scene.lens.parameters());
        let radius = |k: usize, by: f64| {
            let mut p = start.clone();
            p[k] += by;
            LensModel::from_parameters(layout, &p).effective_einstein_radius()
        };
        // What was held stays out of the sum, whatever the radius would do.
        let moved = |k: &usize| self.free.binary_search(k).is_ok();
        let slopes: Vec<(usize, f64)> =
            (0..start.len()).filter(moved).map(|k| (k, (radius(k, STEP) - radius(k, -STEP)) / (2.0 * STEP))).collect();
        let mut variance = 0.0;
        for &(i, by_i) in &slopes {
            for &(j, by_j) in &slopes {
                // What lies on a bound adds nothing.
                let term = by_i * by_j * self.of(i, j);
                if (i == 0 && j == 0) || term.is_finite() {
                    variance += term;
                }
            }
        }
        if variance.is_nan() { f64::NAN } else { variance.max(0.0).sqrt() }
    }

    fn lens_errors(&self, scene: &Scene) -> LensErrors {
        let galaxy = &scene.lens.galaxy;
        let e = ellipticity(galaxy.axis_ratio, galaxy.position_angle_deg);
        let length = e[0].hypot(e[1]);
        let (c, s) = if length > 0.0 { (e[0] / length, e[1] / length) } else { (1.0, 0.0) };
        let (v11, v12, v22) = (self.of(1, 1), self.of(1, 2), self.of(2, 2));
        // Along the ellipticity vector its length changes, across it its direction.
        let along = (c * c * v11 + 2.0 * c * s * v12 + s * s * v22).max(0.0).sqrt();
        let across = (s * s * v11 - 2.0 * c * s * v12 + c * c * v22).max(0.0).sqrt();
        let known = if v11.is_nan() || v22.is_nan() { f64::NAN } else { 1.0 };
        LensErrors {
            einstein_radius_arcsec: self.of(0, 0).sqrt(),
            effective_einstein_radius_arcsec: self.effective_radius_error(scene),
            axis_ratio: known * 2.0 * along / (1.0 + length).powi(2),
            position_angle_deg: known * (0.5 * across / length.max(1e-9)).to_degrees().min(90.0),
            gamma1: self.of(5, 5).sqrt(),
            gamma2: self.of(6, 6).sqrt(),
            slope: self.of(SLOPE, SLOPE).sqrt(),
        }
    }
}

impl LensErrors {
    /// As metrics of a lens with this shear. That of its strength is to first order, its components taken as independent.
    pub fn metrics(&self, shear: Shear) -> [(&'static str, f64); 4] {
        let along = (shear.gamma1 * self.gamma1).hypot(shear.gamma2 * self.gamma2);
        [
            ("einstein_radius_arcsec_error", self.effective_einstein_radius_arcsec),
            ("axis_ratio_error", self.axis_ratio),
            ("position_angle_deg_error", self.position_angle_deg),
            ("shear_error", along / shear.strength().max(1e-12)),
        ]
    }
}

/// Standard errors of a lens from the covariance of `[einstein_radius, e1, e2, x, y, gamma1, gamma2]` (row by row).
pub fn lens_errors(lens: &LensModel, covariance: &[f64]) -> LensErrors {
    let free: [usize; ISOTHERMAL_PARAMETERS] = std::array::from_fn(|k| k);
    let scene = Scene { lens: lens.clone(), ..Scene::default() };
    Covariance { free: &free, matrix: Some(covariance) }.lens_errors(&scene)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;
    use crate::studies::lens_models::Sersic;

    #[test]
    fn components_come_brightest_first_and_nothing_last() {
        let galaxy = |amplitude| Sersic { amplitude, ..Sersic::default() };
        let wide = Sersic { effective_radius_arcsec: 2.0, ..galaxy(0.5) };
        let scene = Scene {
            sources: vec![galaxy(1.0), galaxy(2.0)],
            lens_light: vec![galaxy(0.0), galaxy(1.0), wide],
            sky: 0.1,
            ..Scene::default()
        };
        let parameters = scene.parameters();
        let ordered: Vec<f64> =
            brightest_first(scene.layout(), &parameters).into_iter().map(|i| parameters[i]).collect();
        let ordered = Scene::from_parameters(scene.layout(), &ordered);
        let amplitudes = |g: &[Sersic]| g.iter().map(|s| s.amplitude).collect::<Vec<_>>();
        assert_eq!(amplitudes(&ordered.sources), [2.0, 1.0]);
        assert_eq!(amplitudes(&ordered.lens_light), [0.5, 1.0, 0.0]);
        assert_eq!(ordered.sky, 0.1);
    }

    #[test]
    fn blank_sky_measures_the_noise_and_ignores_galaxies() {
        let n = 80;
        let mut data = Array2::from_elem((n, n), 0.3);
        let mut rng = random::stream(1, "sky", 0);
        for value in &mut data {
            *value += 0.2 * random::normal(&mut rng);
        }
        data.slice_mut(ndarray::s![5..12, 5..12]).fill(50.0);
        // The noise map says 0.25 where the noise is 0.2: chi-squared 0.64.
        let noise = Array2::from_elem((n, n), 0.25);
        let mask = Array2::from_elem((n, n), true);
        let observation =
            Observation::new(data, noise, Array2::ones((1, 1)), mask, 0.1).unwrap().with_annulus([0.0, 0.0], 0.0, 1.0);
        let sky = blank_sky(&observation, [0.0, 0.0], 1.2).unwrap();
        assert!((sky.reduced_chi2 - 0.64).abs() < 0.04, "{sky:?}");
        assert!((sky.median - 0.3).abs() < 0.02, "{sky:?}");
        assert!(blank_sky(&observation, [0.0, 0.0], 100.0).is_none());
    }

    /// The corners of a rotated frame are the farthest pixels of all, and no sky.
    #[test]
    fn corners_that_hold_nothing_are_not_sky() {
        let n = 80;
        let frame = |outside: f64, noise_outside: f64, radius_px: f64| {
            let mut rng = random::stream(1, "sky", 0);
            let mut data = Array2::from_shape_fn((n, n), |_| 0.3 + 0.2 * random::normal(&mut rng));
            let mut noise = Array2::from_elem((n, n), 0.2);
            let corner = |(j, i): (usize, usize)| (j as f64 - 39.5).hypot(i as f64 - 39.5) > radius_px;
            data.indexed_iter_mut().filter(|(p, _)| corner(*p)).for_each(|(_, v)| *v = outside);
            noise.indexed_iter_mut().filter(|(p, _)| corner(*p)).for_each(|(_, v)| *v = noise_outside);
            let mask = Array2::from_shape_fn((n, n), |(j, i)| (j as f64 - 39.5).hypot(i as f64 - 39.5) < 15.0);
            Observation::new(data, noise, Array2::ones((1, 1)), mask, 0.1).unwrap()
        };
        for (outside, noise) in
            [(f64::NAN, f64::NAN), (f64::NAN, 0.2), (0.0, 0.2), (0.0, 1.0), (-99.0, 0.2), (0.0, f64::INFINITY)]
        {
            let sky = far_sky(&frame(outside, noise, 36.0), [0.0, 0.0]).unwrap();
            assert!((sky.reduced_chi2 - 1.0).abs() < 0.15, "{outside} {noise}: {sky:?}");
            assert!(
                (sky.median - 0.3).abs() < 0.05 && (sky.pixel_sigma - 0.2).abs() < 0.02,
                "{outside} {noise}: {sky:?}"
            );
            // Nothing is left when everything out there was filled up.
            assert_eq!(far_sky(&frame(outside, noise, 16.0), [0.0, 0.0]), None, "{outside} {noise}");
        }
    }

    #[test]
    fn sky_without_scatter_says_nothing() {
        // One pixel in nine shines, so that no square is filled; clipping takes the bright ones, then the others.
        let shines = |j: usize, i: usize| j.is_multiple_of(3) && i.is_multiple_of(3);
        let data =
            Array2::from_shape_fn((80, 80), |(j, i)| if shines(j, i) { (1 + (j / 3 + i / 3) % 2) as f64 } else { 0.0 });
        let (noise, mask) = (Array2::ones((80, 80)), Array2::from_elem((80, 80), false));
        let observation = Observation::new(data, noise, Array2::ones((1, 1)), mask, 0.1).unwrap();
        assert_eq!(blank_sky(&observation, [0.0, 0.0], 0.0), None);
    }
}
