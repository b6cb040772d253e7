//! Lenses made of convergences of simulated haloes and pictures of real galaxies, each halo with each galaxy.
//!
//! A halo is scaled as a whole until its Einstein radius about its brightest pixel is [`RADIUS_ARCSEC`] (those at hand are smaller), and a galaxy fills the
//! field of the source: neither is how it was found. Images are made with twice the pixels of the fit, then averaged; the PSF is the one of the fit.

use std::path::{Path, PathBuf};

use ndarray::{Array2, s};

use super::case::{Case, gridded};
use super::{LensSet, level_name};
use crate::data::read_planes;
use crate::numerics::convolution::{Convolver, Scratch};
use crate::numerics::random;
use crate::numerics::regrid::block_means;
use crate::studies::lens_reconstruction::benchmark::recovery::galaxies;
use crate::studies::lens_reconstruction::rim::prior::{FIELD_ARCSEC, NoiseRegime, SOURCE_FIELD_ARCSEC, pixel_gaussian};
use crate::studies::lens_reconstruction::rim::{Grids, LensingModel, Workspace};
use crate::studies::lens_reconstruction::{Gridded, Observation, Truth};
use crate::tasks::TaskError;

/// The Einstein radius that every halo is scaled to (arcsec).
pub(super) const RADIUS_ARCSEC: f64 = 1.5;
/// Full width at half maximum of the PSF (arcsec).
const PSF_FWHM_ARCSEC: f64 = 0.1;

/// Haloes and galaxies, on twice the pixels of the fit.
pub(super) struct Structures {
    pixels: usize,
    haloes: Vec<Halo>,
    galaxies: Vec<(String, Vec<f64>)>,
}

struct Halo {
    name: String,
    /// Row by row.
    convergence: Vec<f64>,
    centre: [f64; 2],
    factor: f64,
}

/// Noise of a pixel at a level, the source's peak being 1: the middle of the level's distribution.
fn noise_sigma(level: NoiseRegime) -> f64 {
    level.distribution()[2]
}

impl Structures {
    /// Reads the files of a folder whose names hold `kappa` or `galaxy`, for fits of `pixels` a side.
    pub(super) fn read(folder: &Path, pixels: usize) -> Result<Self, TaskError> {
        let fine = 2 * pixels;
        let haloes = named(folder, "kappa")?;
        let haloes = haloes.iter().map(|path| halo(path, fine)).collect::<Result<Vec<_>, _>>()?;
        let mut pictures = Vec::new();
        for path in named(folder, "galaxy")? {
            for galaxy in galaxies(&path, fine)? {
                pictures.push((stem(&path), framed(&galaxy, fine)));
            }
        }
        Ok(Self { pixels, haloes, galaxies: pictures })
    }

    /// How many lenses the files of a folder make, if each holds one picture.
    pub(super) fn count(folder: &Path) -> Result<usize, TaskError> {
        Ok(named(folder, "kappa")?.len() * named(folder, "galaxy")?.len())
    }

    /// How many lenses they make.
    pub(super) fn pairs(&self) -> usize {
        self.haloes.len() * self.galaxies.len()
    }

    /// Lens number `lens` at a noise level.
    pub(super) fn case(&self, seed: u64, level: NoiseRegime, lens: usize, null: Gridded) -> Result<Case, TaskError> {
        let n = self.pixels;
        let halo = &self.haloes[lens / self.galaxies.len()];
        let (galaxy, source) = &self.galaxies[lens % self.galaxies.len()];
        let log: Vec<f64> = halo.convergence.iter().map(|k| k.max(1e-8).log10()).collect();
        let model = LensingModel::new(Grids::of(2 * n));
        let sharp = Convolver::new(&Array2::ones((1, 1)), [2 * n; 2]);
        let image = model.image(source, &log, &sharp, &mut Workspace::default());
        let image = gridded(image.iter().map(|v| *v as f32), 2 * n, FIELD_ARCSEC).map;
        let psf = pixel_gaussian(PSF_FWHM_ARCSEC, FIELD_ARCSEC / n as f64);
        let mut noiseless = vec![0.0; n * n];
        let coarse: Vec<f64> = block_means(&image, 2).iter().copied().collect();
        Convolver::new(&psf, [n; 2]).apply(&coarse, &mut noiseless, &mut Scratch::default());
        let noiseless = Array2::from_shape_vec((n, n), noiseless).unwrap_or_default();
        let sigma = noise_sigma(level);
        let mut deviates = vec![0.0; n * n];
        let name = format!("lens_reconstruction.benchmark.structures.{}", level_name(level));
        random::fill_normal(&mut random::stream(seed, &name, lens as u64), &mut deviates);
        let mut data = noiseless.clone();
        data.iter_mut().zip(&deviates).for_each(|(value, deviate)| *value += sigma * deviate);
        let (noise, mask) = (Array2::from_elem((n, n), sigma), Array2::from_elem((n, n), true));
        Ok(Case {
            set: LensSet::Structures,
            level,
            lens,
            observation: Observation::new(data, noise, psf, mask, FIELD_ARCSEC / n as f64)?,
            noiseless,
            truth: Truth {
                source: Some(gridded(source.iter().map(|v| *v as f32), 2 * n, SOURCE_FIELD_ARCSEC)),
                convergence: Some(gridded(halo.convergence.iter().map(|v| *v as f32), 2 * n, FIELD_ARCSEC)),
            },
            centre: halo.centre,
            psf_fwhm_arcsec: PSF_FWHM_ARCSEC,
            null,
            remark: format!(
                "{} with {galaxy}; convergence times {:.3}, so that its Einstein radius is {RADIUS_ARCSEC} arcsec",
                halo.name, halo.factor
            ),
        })
    }
}

/// Files of a folder whose names hold a word, in the order of their names.
fn named(folder: &Path, word: &str) -> Result<Vec<PathBuf>, TaskError> {
    let entries = std::fs::read_dir(folder)
        .map_err(|e| TaskError::file(folder, format!("structures: cannot be read as a folder ({e})")))?;
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| stem(p).contains(word) && p.is_file()).collect();
    found.sort();
    if found.is_empty() {
        let problem =
            format!("structures: holds no FITS file with {word} in its name; expected *kappa*.fits and galaxy*.fits");
        return Err(TaskError::file(folder, problem));
    }
    Ok(found)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A halo on `fine` pixels a side, scaled.
fn halo(path: &Path, fine: usize) -> Result<Halo, TaskError> {
    let wrong = |problem: &str| TaskError::file(path, format!("structures: {problem}"));
    let plane = read_planes(path)?.into_iter().next();
    let map = plane.and_then(|p| p.pixels.into_dimensionality::<ndarray::Ix2>().ok());
    let map = map.ok_or_else(|| wrong("expected an image"))?;
    let (rows, columns) = map.dim();
    if rows != columns || rows < 32 {
        return Err(wrong("expected a square of at least 32 pixels, 7.68 arcsec wide"));
    }
    if map.iter().any(|k| !(k.is_finite() && *k > 0.0)) {
        return Err(wrong("expected a convergence that is positive everywhere"));
    }
    let convergence = on_side(&map, fine);
    let peak = convergence.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).map_or((0, 0), |(place, _)| place);
    let step = FIELD_ARCSEC / fine as f64;
    let place = |k: usize| (k as f64 - 0.5 * (fine as f64 - 1.0)) * step;
    let centre = [place(peak.1), place(peak.0)];
    let (mut sum, mut count) = (0.0, 0.0);
    for ((j, i), k) in convergence.indexed_iter() {
        if (place(i) - centre[0]).hypot(place(j) - centre[1]) <= RADIUS_ARCSEC {
            sum += k;
            count += 1.0;
        }
    }
    let factor = count / sum;
    Ok(Halo { name: stem(path), convergence: convergence.iter().map(|k| factor * k).collect(), centre, factor })
}

/// A square map on `side` pixels: means of blocks where those fit, otherwise bilinear in the logarithm.
fn on_side(map: &Array2<f32>, side: usize) -> Array2<f64> {
    let n = map.nrows();
    if n.is_multiple_of(side) {
        return block_means(map, n / side);
    }
    let log = Gridded { map: map.mapv(f32::ln), centre: [0.0; 2], pixel: 1.0 / n as f64 };
    // Just within the outermost centres.
    let most = (0.5 - 0.5 / n as f64) * (1.0 - 1e-9);
    let place = |k: usize| ((k as f64 + 0.5) / side as f64 - 0.5).clamp(-most, most);
    Array2::from_shape_fn((side, side), |(j, i)| log.at(place(i), place(j)).unwrap_or(f64::NEG_INFINITY).exp())
}

/// A galaxy in the middle of `side` pixels, row by row, nowhere negative, its peak 1.
fn framed(galaxy: &Array2<f64>, side: usize) -> Vec<f64> {
    let n = galaxy.nrows().min(side);
    let mut out = Array2::zeros((side, side));
    let (at, from) = ((side - n) / 2, (galaxy.nrows() - n) / 2);
    out.slice_mut(s![at..at + n, at..at + n])
        .assign(&galaxy.slice(s![from..from + n, from..from + n]).mapv(|v| v.max(0.0)));
    out.iter().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Plane, write_planes};
    use crate::studies::lens_reconstruction::truth::einstein_radius;

    fn write(folder: &Path, name: &str, map: &Array2<f32>) {
        let plane = Plane { name: "MAP", pixels: map.view().into_dyn(), unit: "", keywords: Vec::new() };
        write_planes(&folder.join(name), &[plane], &[]).unwrap();
    }

    #[test]
    fn haloes_are_scaled_and_paired_with_galaxies() {
        let folder = tempfile::tempdir().unwrap();
        let empty = Structures::read(folder.path(), 32).map(|_| ()).unwrap_err().to_string();
        assert!(empty.contains("kappa"), "{empty}");
        let halo = Array2::from_shape_fn((128, 128), |(j, i)| {
            (0.4 / (((j as f32 - 66.0) * 0.06).hypot((i as f32 - 60.0) * 0.06)).max(0.03)) + 0.05
        });
        write(folder.path(), "a-kappa-0.fits", &halo);
        let blob = |j: usize, i: usize, r: f32| (-((j as f32 - 31.0).powi(2) + (i as f32 - 33.0).powi(2)) / r).exp();
        for (name, r) in [("galaxy-0.fits", 60.0), ("galaxy-1.fits", 200.0)] {
            write(folder.path(), name, &Array2::from_shape_fn((64, 64), |(j, i)| 2.0 + blob(j, i, r)));
        }
        let found = Structures::read(folder.path(), 32).unwrap();
        assert_eq!(found.pairs(), 2);
        let null = gridded(std::iter::repeat_n(0.5, 32 * 32), 32, FIELD_ARCSEC);
        let case = found.case(1, NoiseRegime::High, 1, null).unwrap();
        let truth = case.truth.convergence.clone().unwrap();
        assert!((einstein_radius(&truth, case.centre) - RADIUS_ARCSEC).abs() < 0.05);
        assert!((case.centre[0] - (60.0 - 63.5) * 0.06).abs() < 0.1, "{:?}", case.centre);
        assert_eq!(case.noise_sigma(), 0.05);
        assert!((case.blank_sky_chi2() - 1.0).abs() < 0.15 && case.remark.contains("galaxy-1"), "{}", case.remark);
        let source = case.truth.source.clone().unwrap().map;
        assert!(source.iter().copied().fold(0.0, f32::max) <= 1.0 && source.iter().all(|v| *v >= 0.0));
        // A ring of light where the mass says.
        let brightest = case.noiseless.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        let frame = case.observation.frame();
        let distance =
            (frame.x(brightest.1 as f64) - case.centre[0]).hypot(frame.y(brightest.0 as f64) - case.centre[1]);
        assert!((0.7..2.6).contains(&distance), "{distance}");
    }
}
