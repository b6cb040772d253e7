//! Sources of simulations beyond one smooth profile: clumps of young stars on it, or a picture of a galaxy.

use std::path::Path;

use ndarray::{Array2, s};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::read_plane;
use super::maps::place;
use super::pixelated::SourceGrid;
use crate::data::{Keyword, Plane, write_planes};
use crate::numerics::random;
use crate::numerics::regrid::block_means;
use crate::studies::lens_models::Sersic;
use crate::tasks::TaskError;

/// Clumps of the source, like regions of star formation: Gaussians strewn over its smooth profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SourceClumps {
    /// Number of Gaussian clumps on the source; 0 for none.
    #[schemars(range(min = 0, max = 40))]
    pub number: usize,
    /// Light of all clumps together over that of the smooth source.
    #[schemars(range(min = 0.01, max = 10.0), extend("x-log" = true))]
    pub light: f64,
    /// Typical half-light radius of a clump; they scatter by a third.
    #[schemars(range(min = 0.005, max = 0.5), extend("x-unit" = "arcsec"), extend("x-log" = true))]
    pub radius_arcsec: f64,
    /// Seed of their places, sizes and brightnesses.
    pub seed: u64,
}

impl Default for SourceClumps {
    fn default() -> Self {
        Self { number: 0, light: 0.4, radius_arcsec: 0.03, seed: 1 }
    }
}

/// Scatter of the natural logarithm of the sizes of clumps.
const SIZE_SCATTER: f64 = 0.33;

impl SourceClumps {
    /// The clumps of a galaxy, as Sersic profiles of index 1/2, which are Gaussians. Their places are drawn from a Gaussian with the galaxy's
    /// effective radius as its width along each axis, their fluxes from an exponential distribution.
    pub(super) fn on(&self, galaxy: &Sersic) -> Vec<Sersic> {
        let mut rng = random::stream(self.seed, "lens_reconstruction.clumps", 0);
        let (sin, cos) = galaxy.position_angle_deg.to_radians().sin_cos();
        let root = galaxy.axis_ratio.sqrt();
        let clumps: Vec<(Sersic, f64)> = (0..self.number)
            .map(|_| {
                let [a, b, size] = [(); 3].map(|()| random::normal(&mut rng));
                let (u, v) = (a * galaxy.effective_radius_arcsec / root, b * galaxy.effective_radius_arcsec * root);
                let clump = Sersic {
                    amplitude: 1.0,
                    effective_radius_arcsec: self.radius_arcsec * (SIZE_SCATTER * size).exp(),
                    index: 0.5,
                    axis_ratio: 1.0,
                    position_angle_deg: 0.0,
                    x_arcsec: galaxy.x_arcsec + cos * u - sin * v,
                    y_arcsec: galaxy.y_arcsec + sin * u + cos * v,
                };
                (clump, -(1.0 - random::uniform(&mut rng)).max(1e-12).ln())
            })
            .collect();
        let shares: f64 = clumps.iter().map(|(_, share)| share).sum();
        let light = self.light * galaxy.total_flux();
        clumps
            .into_iter()
            .map(|(c, share)| Sersic { amplitude: light * share / shares / c.total_flux(), ..c })
            .collect()
    }
}

/// A picture of a galaxy as a source.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelSource {
    /// Where its pixels lie.
    pub grid: SourceGrid,
    /// Surface brightness, row by row; what a file of 32-bit numbers can hold.
    pub brightness: Vec<f64>,
}

/// Most pixels along a side: larger pictures are averaged down.
const MOST_PIXELS: usize = 512;

impl PixelSource {
    /// The image of a FITS file at `centre` (arcsec), its longer side `size_arcsec` long, its brightest pixel made `peak`.
    ///
    /// # Errors
    /// The file cannot be read, or has no pixel above zero.
    pub fn read(path: &Path, centre: [f64; 2], size_arcsec: f64, peak: f64) -> Result<Self, TaskError> {
        let map = read_plane(path)?.pixels.mapv(|v| v as f32);
        Self::of(&map, centre, size_arcsec, peak)
            .ok_or_else(|| TaskError::file(path, "no pixel is above zero: a source needs light"))
    }

    /// The same of a map `[y, x]`; pixels that are not finite are dark. `None` where nothing shines.
    pub fn of(map: &Array2<f32>, centre: [f64; 2], size_arcsec: f64, peak: f64) -> Option<Self> {
        let longest = map.nrows().max(map.ncols());
        let map = map.mapv(|v| if v.is_finite() { v } else { 0.0 });
        let factor = longest.div_ceil(MOST_PIXELS).max(1);
        let map = if factor > 1 { block_means(&map, factor) } else { map.mapv(f64::from) };
        let brightest = map.iter().copied().fold(0.0, f64::max);
        if brightest <= 0.0 {
            return None;
        }
        let (rows, columns) = map.dim();
        let side = rows.max(columns);
        let mut square = Array2::zeros((side, side));
        let (j, i) = ((side - rows) / 2, (side - columns) / 2);
        square.slice_mut(s![j..j + rows, i..i + columns]).assign(&map);
        let brightness = square.iter().map(|v| f64::from((v * peak / brightest) as f32)).collect();
        Some(Self { grid: SourceGrid { centre, pixel: size_arcsec / side as f64, side }, brightness })
    }

    /// Its pixels, `[y, x]`.
    pub fn map(&self) -> Array2<f32> {
        let side = self.grid.side;
        Array2::from_shape_fn((side, side), |(j, i)| self.brightness[j * side + i] as f32)
    }

    /// The source on another grid: its centre, its pixel in arcsec, its `(rows, columns)`. Finer pixels are bilinear, coarser ones means.
    pub fn on(&self, centre: [f64; 2], scale: f64, shape: (usize, usize)) -> Array2<f32> {
        let fine = ((scale / self.grid.pixel - 1e-9).ceil() as usize).clamp(1, 16);
        Array2::from_shape_fn(shape, |at| {
            let [x, y] = place(centre, scale, shape, at);
            let offset = |k: usize| ((k as f64 + 0.5) / fine as f64 - 0.5) * scale;
            let points = (0..fine * fine).map(|k| [x + offset(k % fine), y + offset(k / fine)]);
            let sum: f64 = points.map(|[x, y]| self.grid.value_and_slope(&self.brightness, x, y).0).sum();
            (sum / (fine * fine) as f64) as f32
        })
    }

    /// Writes it so that [`PixelSource::from_file`] gives it back to the last bit.
    pub(super) fn write(&self, path: &Path, keywords: Vec<Keyword>, history: &[String]) -> Result<(), TaskError> {
        let map = self.map();
        let plane = Plane { name: "SOURCE", pixels: map.view().into_dyn(), unit: "", keywords };
        Ok(write_planes(path, &[plane], history)?)
    }

    /// The source that [`PixelSource::write`] wrote, at its place.
    ///
    /// # Errors
    /// The file is missing, damaged or not square.
    pub(super) fn from_file(path: &Path, centre: [f64; 2], size_arcsec: f64) -> Result<Self, TaskError> {
        let map = read_plane(path)?.pixels;
        let (rows, side) = map.dim();
        if rows != side || side == 0 {
            return Err(TaskError::file(path, format!("expected a square image, found {side} x {rows} pixels")));
        }
        let grid = SourceGrid { centre, pixel: size_arcsec / side as f64, side };
        Ok(Self { grid, brightness: map.iter().copied().collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clumps_have_their_light_and_lie_on_the_galaxy() {
        let galaxy = Sersic { x_arcsec: 0.2, effective_radius_arcsec: 0.3, ..Sersic::default() };
        let clumps = SourceClumps { number: 40, light: 0.5, ..SourceClumps::default() };
        let made = clumps.on(&galaxy);
        let light: f64 = made.iter().map(Sersic::total_flux).sum();
        assert!((light / galaxy.total_flux() - 0.5).abs() < 1e-12);
        let mean = made.iter().map(|c| c.x_arcsec).sum::<f64>() / 40.0;
        assert!((mean - 0.2).abs() < 0.15, "{mean}");
        assert!(made.iter().all(|c| (c.x_arcsec - 0.2).hypot(c.y_arcsec) < 1.5 && c.amplitude > 0.0));
        assert_eq!(clumps.on(&galaxy), made, "a seed is a set of clumps");
        assert_ne!(SourceClumps { seed: 2, ..clumps }.on(&galaxy), made);
        assert!(SourceClumps::default().on(&galaxy).is_empty());
    }

    #[test]
    fn a_picture_keeps_its_shape_and_gets_its_size_and_peak() {
        let mut picture = Array2::from_shape_fn((20, 40), |(j, i)| (j + 2 * i) as f32);
        picture[[3, 3]] = f32::NAN;
        let source = PixelSource::of(&picture, [0.1, -0.2], 2.0, 3.0).unwrap();
        assert_eq!((source.grid.side, source.grid.pixel), (40, 0.05));
        let map = source.map();
        assert_eq!((map[[29, 39]], map[[9, 39]], map[[13, 3]]), (3.0, 0.0, 0.0), "brightest, margin, not finite");
        // On its own grid it is itself; blocks of two by two are their means.
        assert_eq!(source.on([0.1, -0.2], 0.05, (40, 40)), map);
        let coarse = source.on([0.1, -0.2], 0.1, (20, 20));
        let mean = map.slice(s![20..22, 20..22]).mean().unwrap();
        assert!((coarse[[10, 10]] - mean).abs() < 0.02 * mean, "{} {mean}", coarse[[10, 10]]);
        assert!(PixelSource::of(&Array2::zeros((4, 4)), [0.0; 2], 1.0, 1.0).is_none());
        let large = Array2::from_elem((1100, 600), 2.0);
        assert!(PixelSource::of(&large, [0.0; 2], 1.0, 1.0).unwrap().grid.side <= MOST_PIXELS);
    }
}
