//! Pictures of galaxies behind a known lens, and what of them the pixelated inversion gives back.
//!
//! The known lens is an ellipsoid with shear ([`known_lens`]); each galaxy is brought to [`SIDE`] pixels over [`WIDTH_ARCSEC`], a little off the axis, and
//! observed at each of the noise levels ([`NOISE`]). Truth and recovered source are compared on the pixels of the truth.

use std::ops::ControlFlow;
use std::path::Path;

use ndarray::{Array2, Ix2, s};

use super::{BenchmarkRequest, BenchmarkUpdate};
use crate::data::{FitsFile, Location, read_planes};
use crate::numerics::statistics::median;
use crate::studies::lens_models::{ISOTHERMAL_SLOPE, LensModel};
use crate::studies::lens_reconstruction::pixelated::mock::{MockSpec, observe};
use crate::studies::lens_reconstruction::pixelated::{InversionSettings, SourceGrid, invert};
use crate::tasks::{Progress, TaskError};

/// Noise of a pixel over the peak of the lensed image.
pub const NOISE: [f64; 3] = [0.1, 0.03, 0.01];
/// Pixels of a galaxy along its side, at most.
const SIDE: usize = 64;
/// Least pixels of a galaxy along its side, and most.
const SIDES: [usize; 2] = [16, 8192];
/// Width of a galaxy on the sky (arcsec).
const WIDTH_ARCSEC: f64 = 1.2;
/// Middle of a galaxy (arcsec from the lens).
const CENTRE: [f64; 2] = [0.09, 0.05];
/// The observation: 100 x 100 pixels of 0.05 arcsec, PSF of 0.1 arcsec.
const IMAGE_PX: usize = 100;
const PIXEL_ARCSEC: f64 = 0.05;
const PSF_FWHM_ARCSEC: f64 = 0.1;

/// The lens in front: Einstein radius 1.2 arcsec, axis ratio 0.75, shear 0.05.
fn known_lens() -> LensModel {
    super::draw::lens_from([1.2, 0.1, 0.1, 0.0, 0.0, 0.04, -0.03, ISOTHERMAL_SLOPE])
}

/// One galaxy at one noise level.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveryRow {
    /// Number of the galaxy in the file, from 1.
    pub galaxy: usize,
    /// Noise of a pixel over the peak of the image.
    pub noise_over_peak: f64,
    /// Root of the mean squared error of the source over that of the null, an empty source (which is the mean of the prior): 0 perfect, 1 worthless.
    pub error: f64,
    /// The same of the best constant brightness, the null that knows the mean.
    pub error_null: f64,
    /// Correlation of recovered and true brightness, pixel by pixel.
    pub correlation: f64,
    /// Share of the true pixels within one stated standard deviation of the recovered source.
    pub within_sigma: f64,
    /// Chi2 of the image per degree of freedom.
    pub reduced_chi2: f64,
    /// Effective number of source pixels that the image determines.
    pub determined: f64,
}

/// Every galaxy of the file at every noise level.
pub(super) fn run(
    request: &BenchmarkRequest,
    file: &Path,
    progress: &Progress<BenchmarkUpdate>,
) -> Result<Vec<RecoveryRow>, TaskError> {
    let galaxies = galaxies(file, SIDE)?;
    let total = (galaxies.len() * NOISE.len()) as f64;
    let mut rows = Vec::new();
    for (k, galaxy) in galaxies.iter().enumerate() {
        for (n, noise_over_peak) in NOISE.into_iter().enumerate() {
            progress.check()?;
            let seed = request.seed.wrapping_add((k * NOISE.len() + n) as u64);
            let row = one(k + 1, galaxy, noise_over_peak, request.source_pixels, seed, progress)?;
            progress.phase(format!(
                "galaxy {} at noise {noise_over_peak}: error {:.3} of the empty source's (best constant {:.3}), correlation {:.3}",
                row.galaxy, row.error, row.error_null, row.correlation
            ));
            progress.log(&format!("error of the source, noise {noise_over_peak}"), row.galaxy as f64, row.error);
            rows.push(row);
            progress.fraction(rows.len() as f64 / total);
        }
    }
    Ok(rows)
}

/// Number of pictures in a file.
pub(super) fn count(file: &Path) -> Result<usize, TaskError> {
    let fits = FitsFile::open(&Location::parse(&file.to_string_lossy()).path)?;
    Ok(fits.hdus().iter().filter(|hdu| hdu.image().is_some() && hdu.shape().len() == 2).count())
}

/// The galaxies of a file: its images, cut square, brought to at most `most` pixels a side by averaging, sky subtracted, brightest pixel 1.
pub(super) fn galaxies(file: &Path, most: usize) -> Result<Vec<Array2<f64>>, TaskError> {
    let path = Location::parse(&file.to_string_lossy()).path;
    let wrong = |problem: String| TaskError::file(&path, problem);
    let mut found = Vec::new();
    for plane in read_planes(&path)? {
        let Ok(pixels) = plane.pixels.into_dimensionality::<Ix2>() else { continue };
        let (rows, columns) = pixels.dim();
        let side = rows.min(columns);
        if !(SIDES[0]..=SIDES[1]).contains(&side) {
            return Err(wrong(format!(
                "an image of {columns} x {rows} pixels; galaxies of {} to {} pixels a side are wanted",
                SIDES[0], SIDES[1]
            )));
        }
        let block = side.div_ceil(most);
        let n = side / block;
        let (y, x) = ((rows - n * block) / 2, (columns - n * block) / 2);
        let mut galaxy = Array2::from_shape_fn((n, n), |(j, i)| {
            let part = pixels.slice(s![y + j * block..y + (j + 1) * block, x + i * block..x + (i + 1) * block]);
            part.iter().map(|v| f64::from(*v)).sum::<f64>() / (block * block) as f64
        });
        if galaxy.iter().any(|v| !v.is_finite()) {
            return Err(wrong("holds pixels without a value; give a picture without gaps".to_owned()));
        }
        // The frame around a galaxy is sky.
        let mut frame: Vec<f64> = galaxy
            .indexed_iter()
            .filter(|((j, i), _)| [*j, *i].iter().any(|k| *k == 0 || *k + 1 == n))
            .map(|(_, v)| *v)
            .collect();
        galaxy -= median(&mut frame).unwrap_or(0.0);
        let peak = galaxy.iter().copied().fold(0.0, f64::max);
        if peak <= 0.0 {
            return Err(wrong("holds an image without a galaxy: nothing is brighter than its frame".to_owned()));
        }
        found.push(galaxy / peak);
    }
    if found.is_empty() {
        return Err(wrong("holds no two-dimensional image".to_owned()));
    }
    Ok(found)
}

fn one(
    number: usize,
    galaxy: &Array2<f64>,
    noise_over_peak: f64,
    source_pixels: usize,
    seed: u64,
    progress: &Progress<BenchmarkUpdate>,
) -> Result<RecoveryRow, TaskError> {
    let lens = known_lens();
    let side = galaxy.nrows();
    let truth = SourceGrid { centre: CENTRE, pixel: WIDTH_ARCSEC / side as f64, side };
    let values: Vec<f64> = galaxy.iter().copied().collect();
    let spec = MockSpec {
        size_px: IMAGE_PX,
        pixel_scale_arcsec: PIXEL_ARCSEC,
        psf_fwhm_arcsec: PSF_FWHM_ARCSEC,
        noise_over_peak,
        seed,
    };
    let (observation, _) = observe(&lens.prepare(), &truth, &values, &spec)?;
    let settings = InversionSettings { source_pixels, optimise_lens: false, ..InversionSettings::default() };
    let found = invert(&observation, None, &lens, &settings, &mut |_| match progress.check() {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    });
    progress.check()?;
    let found = found?;
    let (source, sigma): (Vec<f64>, Vec<f64>) =
        (found.source.iter().copied().collect(), found.sigma.iter().copied().collect());
    let (mut recovered, mut within, mut told) = (Vec::with_capacity(values.len()), 0.0, 0.0);
    for (k, value) in values.iter().enumerate() {
        let [x, y] = truth.place([k / side, k % side]);
        let (here, _) = found.grid.value_and_slope(&source, x, y);
        let (error, _) = found.grid.value_and_slope(&sigma, x, y);
        if error > 0.0 {
            told += 1.0;
            within += f64::from(u8::from((here - value).abs() <= error));
        }
        recovered.push(here);
    }
    let (error, error_null, correlation) = compare(&values, &recovered);
    Ok(RecoveryRow {
        galaxy: number,
        noise_over_peak,
        error,
        error_null,
        correlation,
        within_sigma: within / told,
        reduced_chi2: found.reduced_chi2(),
        determined: found.determined,
    })
}

/// Errors of a source and of the best constant over that of an empty one, and the correlation.
fn compare(truth: &[f64], found: &[f64]) -> (f64, f64, f64) {
    let n = truth.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (mt, mf) = (mean(truth), mean(found));
    let sum = |of: &dyn Fn(f64, f64) -> f64| truth.iter().zip(found).map(|(t, f)| of(*t, *f)).sum::<f64>();
    let empty = sum(&|t, _| t * t);
    let spread = sum(&|t, _| (t - mt).powi(2));
    let error = (sum(&|t, f| (t - f).powi(2)) / empty).sqrt();
    let correlation = sum(&|t, f| (t - mt) * (f - mf)) / (spread * sum(&|_, f| (f - mf).powi(2))).sqrt();
    (error, (spread / empty).sqrt(), correlation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Plane, write_planes};
    use crate::studies::lens_reconstruction::benchmark::Part;
    use crate::tasks::Task;

    #[test]
    fn errors_are_measured_against_the_empty_source() {
        let truth = [0.0, 1.0, 2.0, 1.0];
        assert_eq!(compare(&truth, &truth).0, 0.0);
        assert_eq!(compare(&truth, &[0.0; 4]).0, 1.0);
        let (error, null, correlation) = compare(&truth, &[1.0, 2.0, 3.0, 2.0]);
        assert!((error - (4.0f64 / 6.0).sqrt()).abs() < 1e-12 && (correlation - 1.0).abs() < 1e-12);
        assert!((null - (2.0f64 / 6.0).sqrt()).abs() < 1e-12);
    }

    /// Two blobs on a sky: the inversion beats both nulls, and less noise recovers more.
    #[test]
    fn a_galaxy_comes_back_through_the_lens() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("galaxy.fits");
        let blob = |y: f64, x: f64, j: usize, i: usize, r: f64| {
            (-0.5 * ((j as f64 - y).powi(2) + (i as f64 - x).powi(2)) / (r * r)).exp()
        };
        let picture = Array2::from_shape_fn((130, 140), |(j, i)| {
            (3.0 + 5.0 * blob(60.0, 70.0, j, i, 14.0) + 2.0 * blob(80.0, 50.0, j, i, 7.0)) as f32
        });
        let plane = Plane { name: "GALAXY", pixels: picture.view().into_dyn(), unit: "", keywords: Vec::new() };
        write_planes(&file, &[plane], &[]).unwrap();
        let request = BenchmarkRequest { source_pixels: 24, ..BenchmarkRequest::default() };
        let stopped = Progress::silent();
        stopped.board().cancel().cancel();
        assert!(matches!(run(&request, &file, &stopped), Err(TaskError::Cancelled)));
        let rows = run(&request, &file, &Progress::silent()).unwrap();
        assert_eq!(rows.len(), NOISE.len());
        for row in &rows {
            assert!(row.error < 0.4 && row.error < 0.6 * row.error_null && row.correlation > 0.9, "{row:?}");
        }
        assert!(rows[2].error < rows[0].error, "{rows:?}");
    }

    /// The time stated grows with the galaxies of the file.
    #[test]
    fn every_galaxy_costs_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let picture = Array2::<f32>::ones((40, 40));
        let seconds = |galaxies: usize| {
            let file = folder.path().join(format!("{galaxies}.fits"));
            let plane = || Plane { name: "G", pixels: picture.view().into_dyn(), unit: "", keywords: Vec::new() };
            write_planes(&file, &(0..galaxies).map(|_| plane()).collect::<Vec<_>>(), &[]).unwrap();
            assert_eq!(count(&file).unwrap(), galaxies);
            let part = Part::SourceRecovery;
            BenchmarkRequest { part, galaxies: Some(file), ..BenchmarkRequest::default() }.cost().unwrap().seconds
        };
        assert!((seconds(5) / seconds(1) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn a_picture_without_a_galaxy_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("flat.fits");
        let picture = Array2::<f32>::ones((40, 40));
        let plane = Plane { name: "FLAT", pixels: picture.view().into_dyn(), unit: "", keywords: Vec::new() };
        write_planes(&file, &[plane], &[]).unwrap();
        let error = run(&BenchmarkRequest::default(), &file, &Progress::silent()).unwrap_err().to_string();
        assert!(error.contains("without a galaxy"), "{error}");
    }
}
