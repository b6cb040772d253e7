//! `lens_reconstruction.prior`: examples of what the network is trained on, to be looked at and to be learned from elsewhere.

use std::path::Path;
use std::sync::Arc;

use ndarray::Array3;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::statistics::{MapStatistics, measure};
use super::{Example, FIELD_ARCSEC, NoiseRegime, Prior, PriorSettings, SOURCE_FIELD_ARCSEC};
use crate::data::{ColumnData, Plane, Table, TableColumn, read_ecsv, read_planes, write_ecsv, write_planes};
use crate::numerics::statistics::median;
use crate::studies::lens_reconstruction::maps::{grid_keywords, history};
use crate::tasks::{Cost, Lane, Metrics, Outcome, Progress, Provenance, Task, TaskError};

/// Draw simulated lenses from the prior that the network is trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PriorRequest {
    /// Number of lenses.
    #[schemars(range(min = 1, max = 100_000))]
    pub examples: usize,
    /// Width and height of image, convergence and source; even. The image is 7.68 arcsec wide, the source 3.
    #[schemars(range(min = 32, max = 128), extend("x-unit" = "pixels"))]
    pub pixels: usize,
    /// Noise; the peak of the source is 1.
    pub noise: NoiseRegime,
    /// Without multipoles, satellites, subhaloes and random structure: otherwise the same lenses before the same sources.
    pub smooth: bool,
    /// Number of the first lens; with the same seed, lens 7 is always the same.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub first: u64,
    /// Seed.
    pub seed: u64,
}

impl Default for PriorRequest {
    fn default() -> Self {
        Self { examples: 16, pixels: 64, noise: NoiseRegime::Low, smooth: false, first: 0, seed: 1 }
    }
}

/// Examples of the prior. Cubes are `[example, y, x]`, row 0 at the bottom.
#[derive(Clone, Debug)]
pub struct PriorOutcome {
    /// Images with noise.
    pub images: Arc<Array3<f32>>,
    /// Images without noise.
    pub noiseless: Arc<Array3<f32>>,
    /// Sources, peak 1.
    pub sources: Arc<Array3<f32>>,
    /// Decimal logarithm of the convergences.
    pub log_convergences: Arc<Array3<f32>>,
    /// What was drawn, and the statistics of the convergence, a row an example.
    pub drawn: Table,
}

const DRAWN: &str = "examples.ecsv";
/// The cubes: file, name of the image in it, width of its field.
const CUBES: [(&str, &str, f64); 4] = [
    ("images.fits", "IMAGE", FIELD_ARCSEC),
    ("noiseless.fits", "NOISELESS", FIELD_ARCSEC),
    ("sources.fits", "SOURCE", SOURCE_FIELD_ARCSEC),
    ("log_convergences.fits", "LOG_CONVERGENCE", FIELD_ARCSEC),
];

/// Measured: of one core, for 64 x 64 pixels.
const EXAMPLE_SECONDS: f64 = 5e-3;
/// Examples drawn between two reports.
const TOGETHER: usize = 64;

impl Task for PriorRequest {
    const NAME: &'static str = "lens_reconstruction.prior";
    const SUMMARY: &'static str =
        "Draw simulated lenses from the prior that the network is trained on, with source and convergence.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = &[
        ("images.fits", "images with noise, [example, y, x]"),
        ("noiseless.fits", "images without noise"),
        ("sources.fits", "sources, peak 1"),
        ("log_convergences.fits", "log10 of the convergences"),
        (DRAWN, "what was drawn, and statistics of the convergence maps, a row an example"),
    ];
    const LANE: Lane = Lane::Short;
    type Update = ();
    type Outcome = PriorOutcome;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        if self.pixels % 2 == 1 {
            let problem = "is odd; expected an even number from 32 to 128";
            return Err(TaskError::field("pixels", self.pixels.to_string(), problem, "take the next even number"));
        }
        let cells = (self.pixels as f64).powi(2);
        let examples = self.examples as f64;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an estimate
        let bytes = (examples * cells * 32.0 + 1e8) as u64;
        Ok(Cost { bytes, seconds: examples * EXAMPLE_SECONDS * cells / 4096.0 })
    }

    fn run(&self, progress: &Progress<()>) -> Result<PriorOutcome, TaskError> {
        self.cost()?;
        progress.phase("drawing lenses");
        let settings =
            PriorSettings { pixels: self.pixels, noise: self.noise, smooth: self.smooth, ..PriorSettings::default() };
        let prior = Prior::new(settings);
        let mut rows: Vec<(Example, Option<MapStatistics>)> = Vec::with_capacity(self.examples);
        while rows.len() < self.examples {
            progress.check()?;
            let first = self.first + rows.len() as u64;
            let count = TOGETHER.min(self.examples - rows.len()) as u64;
            rows.par_extend((first..first + count).into_par_iter().map(|index| {
                let example = prior.example(self.seed, index);
                let statistics = statistics_of(&example, self.pixels);
                (example, statistics)
            }));
            progress.fraction(rows.len() as f64 / self.examples as f64);
        }
        let n = self.pixels;
        let cube = |of: fn(&Example) -> &[f32]| {
            let flat: Vec<f32> = rows.iter().flat_map(|(example, _)| of(example)).copied().collect();
            Array3::from_shape_vec((rows.len(), n, n), flat)
                .map(Arc::new)
                .map_err(|e| TaskError::Failed(format!("the examples have no common shape ({e})")))
        };
        Ok(PriorOutcome {
            images: cube(|e| &e.image)?,
            noiseless: cube(|e| &e.noiseless)?,
            sources: cube(|e| &e.source)?,
            log_convergences: cube(|e| &e.log_convergence)?,
            drawn: table(&rows, self.first),
        })
    }
}

fn statistics_of(example: &Example, pixels: usize) -> Option<MapStatistics> {
    // Coarser pixels do not hold the frequencies that are measured.
    const LEAST_PIXELS: usize = 64;
    let map: Vec<f64> = example.log_convergence.iter().map(|k| 10f64.powf(f64::from(*k))).collect();
    (pixels >= LEAST_PIXELS).then(|| measure(&map, pixels, FIELD_ARCSEC / pixels as f64)).flatten()
}

type Row = (Example, Option<MapStatistics>);

/// Columns of numbers: name, unit, what it is, and how to get it.
type NumberColumn = (&'static str, &'static str, &'static str, fn(&Row) -> f64);

fn statistic(row: &Row, of: fn(&MapStatistics) -> f64) -> f64 {
    row.1.as_ref().map_or(f64::NAN, of)
}

const NUMBERS: [NumberColumn; 29] = [
    ("einstein_radius", "arcsec", "radius within which the mean convergence is 1", |r| {
        f64::from(r.0.einstein_radius_arcsec)
    }),
    ("supercritical_radius", "arcsec", "square root of the mass in pixels above 1, over pi", |r| {
        f64::from(r.0.supercritical_radius_arcsec)
    }),
    ("magnification", "", "area of the image above 0.1 over that of the source", |r| f64::from(r.0.magnification)),
    ("noise_sigma", "", "standard deviation of the noise of a pixel", |r| f64::from(r.0.noise_sigma)),
    ("psf_fwhm", "arcsec", "full width at half maximum of the PSF", |r| f64::from(r.0.psf_fwhm_arcsec)),
    ("slope", "", "slope of the density of the main mass", |r| r.0.mass.slope),
    ("axis_ratio", "", "axis ratio of the main mass", |r| r.0.mass.axis_ratio),
    ("position_angle", "deg", "its major axis, counter-clockwise from +x", |r| r.0.mass.position_angle_deg),
    ("core", "arcsec", "its core radius", |r| r.0.mass.core_arcsec),
    ("x", "arcsec", "its centre", |r| r.0.mass.centre_arcsec[0]),
    ("y", "arcsec", "its centre", |r| r.0.mass.centre_arcsec[1]),
    ("gamma1", "", "external shear", |r| r.0.mass.shear[0]),
    ("gamma2", "", "external shear", |r| r.0.mass.shear[1]),
    ("multipole3_a", "", "relative cosine amplitude", |r| r.0.mass.multipoles[0].a),
    ("multipole3_b", "", "relative sine amplitude", |r| r.0.mass.multipoles[0].b),
    ("multipole4_a", "", "relative cosine amplitude", |r| r.0.mass.multipoles[1].a),
    ("multipole4_b", "", "relative sine amplitude", |r| r.0.mass.multipoles[1].b),
    ("structure_large", "", "scatter of ln convergence by large random structure", |r| r.0.mass.structure_large),
    ("structure_fine", "", "scatter of ln convergence by fine random structure", |r| r.0.mass.structure_fine),
    ("source_radius", "arcsec", "effective radius of the disc", |r| r.0.galaxy.disc.effective_radius_arcsec),
    ("source_axis_ratio", "", "axis ratio of the disc", |r| r.0.galaxy.disc.axis_ratio),
    ("source_x", "arcsec", "centre of the disc", |r| r.0.galaxy.disc.x_arcsec),
    ("source_y", "arcsec", "centre of the disc", |r| r.0.galaxy.disc.y_arcsec),
    ("map_axis_ratio", "", "ellipse fitted to ln convergence at 0.4 to 3 arcsec", |r| statistic(r, |s| s.axis_ratio)),
    ("map_slope", "", "slope of the density of that ellipse", |r| statistic(r, |s| s.slope)),
    ("map_scatter", "", "scatter of ln convergence about it", |r| statistic(r, |s| s.scatter)),
    ("map_sturdy_scatter", "", "the same by the median deviation", |r| statistic(r, |s| s.sturdy_scatter)),
    ("map_fine_scatter", "", "what 0.12 arcsec of smoothing takes away of it", |r| statistic(r, |s| s.fine_scatter)),
    ("map_power_slope", "", "slope of its power spectrum", |r| statistic(r, |s| s.power_slope)),
];

type Count = (&'static str, &'static str, fn(&Example) -> usize);

/// Columns of counts.
const COUNTS: [Count; 6] = [
    ("satellites", "satellite galaxies", |e| e.mass.satellites.len()),
    ("subhaloes", "dark subhaloes", |e| e.mass.subhaloes.len()),
    ("source_arms", "spiral arms of the source", |e| e.galaxy.spiral.map_or(0, |s| s.arms as usize)),
    ("source_bulge", "1 if the source has a bulge", |e| usize::from(e.galaxy.bulge.is_some())),
    ("source_companion", "1 if a second galaxy stands beside the source", |e| {
        usize::from(e.galaxy.companion.is_some())
    }),
    ("source_clumps", "clumps of the source", |e| e.galaxy.clumps.len()),
];

fn table(rows: &[Row], first: u64) -> Table {
    let integers = |of: &dyn Fn(usize) -> u64| -> ColumnData {
        (0..rows.len()).map(|k| i64::try_from(of(k)).unwrap_or(i64::MAX)).collect::<Vec<_>>().into()
    };
    let mut columns =
        vec![TableColumn::new("index", "", integers(&|k| first + k as u64)).described("number of the lens")];
    columns.extend(NUMBERS.map(|(name, unit, about, of)| {
        TableColumn::new(name, unit, ColumnData::from(rows.iter().map(of).collect::<Vec<_>>())).described(about)
    }));
    columns
        .extend(COUNTS.map(|(name, about, of)| {
            TableColumn::new(name, "", integers(&|k| of(&rows[k].0) as u64)).described(about)
        }));
    Table::new(columns)
}

impl Outcome for PriorOutcome {
    fn metrics(&self) -> Metrics {
        let names = ["einstein_radius", "magnification", "noise_sigma", "psf_fwhm"].into_iter();
        names
            .chain(NUMBERS.iter().map(|c| c.0).filter(|name| name.starts_with("map_")))
            .filter_map(|name| {
                let mut values = self.drawn.numbers(name)?;
                values.retain(|v| v.is_finite());
                let unit = if ["einstein_radius", "psf_fwhm"].contains(&name) { "_arcsec" } else { "" };
                Some((format!("median_{name}{unit}"), median(&mut values)?))
            })
            .collect()
    }

    fn save(&self, folder: &Path, provenance: &Provenance) -> Result<Vec<String>, TaskError> {
        let history = history(provenance, "simulated data, not an observation");
        let cubes = [&self.images, &self.noiseless, &self.sources, &self.log_convergences];
        for ((file, name, field), cube) in CUBES.into_iter().zip(cubes) {
            let (_, rows, columns) = cube.dim();
            let keywords = grid_keywords([0.0; 2], field / columns as f64, (rows, columns));
            let plane = Plane { name, pixels: cube.view().into_dyn(), unit: "", keywords };
            write_planes(&folder.join(file), &[plane], &history)?;
        }
        write_ecsv(&folder.join(DRAWN), &self.drawn)?;
        Ok(CUBES.iter().map(|c| c.0).chain([DRAWN]).map(String::from).collect())
    }

    fn load(folder: &Path, _request: &Value, _metrics: &Metrics) -> Result<Self, TaskError> {
        let cube = |k: usize| -> Result<Arc<Array3<f32>>, TaskError> {
            let path = folder.join(CUBES[k].0);
            let plane = read_planes(&path)?.into_iter().next();
            plane
                .and_then(|p| p.pixels.into_dimensionality().ok())
                .map(Arc::new)
                .ok_or_else(|| TaskError::file(&path, "expected a cube, [example, y, x]"))
        };
        Ok(Self {
            images: cube(0)?,
            noiseless: cube(1)?,
            sources: cube(2)?,
            log_convergences: cube(3)?,
            drawn: read_ecsv(&folder.join(DRAWN))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lens_is_the_same_whatever_is_drawn_before_it() {
        let request = PriorRequest { examples: 3, pixels: 32, first: 4, ..PriorRequest::default() };
        let three = request.run(&Progress::silent()).unwrap();
        let last = PriorRequest { examples: 1, first: 6, ..request.clone() }.run(&Progress::silent()).unwrap();
        assert_eq!(three.images.index_axis(ndarray::Axis(0), 2), last.images.index_axis(ndarray::Axis(0), 0));
        assert_eq!(three.drawn.numbers("index").unwrap(), [4.0, 5.0, 6.0]);
        assert_eq!(three.drawn.numbers("slope").unwrap()[2], last.drawn.numbers("slope").unwrap()[0]);
        assert!(PriorRequest { pixels: 33, ..request }.cost().unwrap_err().to_string().contains("pixels"));
    }

    #[test]
    fn what_is_saved_is_read_back() {
        let request = PriorRequest { examples: 2, ..PriorRequest::default() };
        let made = request.run(&Progress::silent()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let provenance = Provenance { task: PriorRequest::NAME.into(), version: "test".into(), request: "{}".into() };
        let files = made.save(folder.path(), &provenance).unwrap();
        assert!(PriorRequest::OUTPUTS.iter().map(|o| o.0).eq(files.iter().map(String::as_str)));
        let read = PriorOutcome::load(folder.path(), &Value::Null, &made.metrics()).unwrap();
        assert_eq!(
            (&read.images, &read.sources, &read.log_convergences),
            (&made.images, &made.sources, &made.log_convergences)
        );
        assert_eq!(read.metrics(), made.metrics());
        assert!((1.5..2.6).contains(&made.metrics()["median_map_slope"]), "{:?}", made.metrics());
    }
}
