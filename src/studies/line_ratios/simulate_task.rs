//! `line_ratios.simulate`: a galaxy as a cube, or a list of spectra, with their truth.

use std::path::Path;
use std::sync::Arc;

use ndarray::{Array1, Array2, Array3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::axis::{Filter, FourierAxis};
use super::lines::Line;
use super::prior::{RATIOS, Recipe, ratios};
use super::simulate::galaxy::{Galaxy, Instrument, SimulatedGalaxy};
use super::simulate::{CleanSpectrum, FILTERS, SpectrumLaw};
use crate::data::{
    Keyword, OwnedPlane, Plane, Table, TableColumn, Value, read_ecsv, read_planes, write_ecsv, write_planes,
};
use crate::numerics::random;
use crate::tasks::{Cost, Lane, Metrics, Outcome, Progress, Provenance, Task, TaskError};

/// What is simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scene {
    /// A rotating spiral with HII regions and diffuse gas, as a cube.
    #[default]
    Galaxy,
    /// Independent spectra in the three filters of SITELLE, drawn from the training set of the networks.
    Spectra,
}

/// What a galaxy is looked at with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Camera {
    /// SITELLE, 363 to 386 nm: [OII].
    SitelleSn1,
    /// SITELLE, 480 to 513 nm: Hbeta and [OIII].
    SitelleSn2,
    /// SITELLE, 648 to 685 nm: [NII], Halpha and [SII].
    #[default]
    SitelleSn3,
    /// MUSE, 6450 to 6850 Angstrom.
    Muse,
    /// MUSE, 4800 to 6850 Angstrom: Hbeta and [OIII] beside Halpha, so that diagrams of excitation are whole. Four times as many samples.
    MuseWide,
}

/// Simulate emission-line spectra: a whole galaxy as a cube, or a list of spectra.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SimulateRequest {
    /// What is simulated.
    pub scene: Scene,
    /// What the galaxy is looked at with.
    pub camera: Camera,
    /// Resolving power of SITELLE, in the filter of the camera.
    #[schemars(range(min = 300.0, max = 10000.0))]
    pub resolution: f64,
    /// Width and height of the cube.
    #[schemars(range(min = 8, max = 512), extend("x-unit" = "pixels"))]
    pub pixels: usize,
    /// Inclination of the disc; 0 is face on.
    #[schemars(range(min = 0.0, max = 85.0), extend("x-unit" = "deg"))]
    pub inclination_deg: f64,
    /// Position angle of its receding side, from north through east.
    #[schemars(range(min = 0.0, max = 360.0), extend("x-unit" = "deg"))]
    pub position_angle_deg: f64,
    /// Speed of rotation far out.
    #[schemars(range(min = 0.0, max = 350.0), extend("x-unit" = "km/s"))]
    pub rotation_km_s: f64,
    /// Velocity of the whole galaxy.
    #[schemars(range(min = -1000.0, max = 3000.0), extend("x-unit" = "km/s"))]
    pub systemic_km_s: f64,
    /// Number of HII regions.
    #[schemars(range(min = 0, max = 5000))]
    pub regions: usize,
    /// Share of the Halpha light that is diffuse; in spirals 0.59 +- 0.19 (Oey et al. 2007, ApJ 661, 801).
    #[schemars(range(min = 0.02, max = 0.95))]
    pub diffuse: f64,
    /// Peak over the noise: of the brightest spectrum of a galaxy, of every filter of every spectrum of a list.
    #[schemars(range(min = 1.0, max = 10000.0), extend("x-log" = true))]
    pub signal_to_noise: f64,
    /// Rules of a list of spectra.
    pub recipe: Recipe,
    /// Spectra of a list.
    #[schemars(range(min = 1, max = 1_000_000), extend("x-log" = true))]
    pub spectra: usize,
    /// Seed.
    pub seed: u64,
}

impl Default for SimulateRequest {
    fn default() -> Self {
        Self {
            scene: Scene::Galaxy,
            camera: Camera::SitelleSn3,
            resolution: 5000.0,
            pixels: 96,
            inclination_deg: 50.0,
            position_angle_deg: 35.0,
            rotation_km_s: 160.0,
            systemic_km_s: 30.0,
            regions: 220,
            diffuse: 0.5,
            signal_to_noise: 120.0,
            recipe: Recipe::Corrected,
            spectra: 1000,
            seed: 1,
        }
    }
}

/// What ORIGIN says of simulated data.
pub(super) const SIMULATED: &str = "Sextans";
/// `1 / cos` of the off-axis angle in the middle of the field of SITELLE.
const CORRECTION: f64 = 1.037;
/// Wavelengths of the simulated cubes of MUSE: first and step (Angstrom), number.
const MUSE: ([f64; 2], usize) = ([6450.0, 1.25], 321);
const MUSE_WIDE: ([f64; 2], usize) = ([4800.0, 1.25], 1641);
/// Side of a pixel of SITELLE and of MUSE (arcsec).
const PIXEL_ARCSEC: [f64; 2] = [0.32, 0.2];

/// Spectra of a list, one filter.
#[derive(Clone, Debug, PartialEq)]
pub struct SpectraPlane {
    /// `[spectrum, sample]`.
    pub values: Arc<Array2<f32>>,
    /// The axis.
    pub axis: FourierAxis,
    /// Index on the axis of the first sample.
    pub first: usize,
    /// Noise of each spectrum.
    pub noise: Vec<f32>,
}

/// What was simulated.
#[derive(Clone, Debug)]
pub enum SimulateOutcome {
    /// A galaxy.
    Galaxy {
        /// Cube and truth.
        made: Arc<SimulatedGalaxy>,
        /// The request.
        request: SimulateRequest,
    },
    /// A list.
    Spectra {
        /// SN1, SN2, SN3.
        planes: Vec<SpectraPlane>,
        /// Velocity, broadening, density, nine ratios, ten fluxes of each.
        truth: Table,
        /// The request.
        request: SimulateRequest,
    },
}

impl SimulateRequest {
    fn filter(&self) -> Option<Filter> {
        match self.camera {
            Camera::SitelleSn1 => Some(Filter::Sn1),
            Camera::SitelleSn2 => Some(Filter::Sn2),
            Camera::SitelleSn3 => Some(Filter::Sn3),
            Camera::Muse | Camera::MuseWide => None,
        }
    }

    fn instrument(&self) -> Instrument {
        match self.filter() {
            Some(filter) => Instrument::Sitelle(filter, filter.axis(self.resolution, CORRECTION)),
            None if self.camera == Camera::MuseWide => Instrument::Muse(MUSE_WIDE.0, MUSE_WIDE.1),
            None => Instrument::Muse(MUSE.0, MUSE.1),
        }
    }

    fn samples(&self) -> usize {
        match self.instrument() {
            Instrument::Sitelle(_, axis) => axis.steps,
            Instrument::Muse(_, count) => count,
        }
    }

    fn galaxy(&self) -> Galaxy {
        Galaxy {
            pixels: self.pixels,
            inclination_deg: self.inclination_deg,
            position_angle_deg: self.position_angle_deg,
            rotation_km_s: self.rotation_km_s,
            systemic_km_s: self.systemic_km_s,
            regions: self.regions,
            diffuse: self.diffuse,
            signal_to_noise: self.signal_to_noise,
            seed: self.seed,
        }
    }

    /// All spectra at one resolving power, so that they share an axis.
    fn list(&self, progress: &Progress<()>) -> Result<SimulateOutcome, TaskError> {
        const RESOLUTION: [f64; FILTERS] = [1000.0, 1000.0, 5000.0];
        let mut law = SpectrumLaw::of(self.recipe);
        law.resolution = RESOLUTION.map(|r| [r, r]);
        let spectra = law.many(self.seed, 0, self.spectra);
        progress.check()?;
        let noisy: Vec<_> = spectra
            .iter()
            .enumerate()
            .map(|(k, clean)| {
                let mut stream = random::stream(self.seed, "line_ratios.simulate.noise", k as u64);
                clean.with_noise([self.signal_to_noise; FILTERS], &mut stream)
            })
            .collect();
        let planes = Filter::ALL.into_iter().enumerate().map(|(f, filter)| {
            let (axis, range) = super::simulate::band_axis(filter, RESOLUTION[f], law.correction);
            let flat: Vec<f32> = noisy.iter().flat_map(|s| s.bands[f].values.iter().copied()).collect();
            let values = Array2::from_shape_vec((noisy.len(), range.len()), flat)
                .map_err(|e| TaskError::Failed(format!("the spectra have no common axis ({e})")))?;
            let noise = noisy.iter().map(|s| s.noise[f]).collect();
            Ok(SpectraPlane { values: Arc::new(values), axis, first: range.start, noise })
        });
        let planes = planes.collect::<Result<Vec<_>, TaskError>>()?;
        Ok(SimulateOutcome::Spectra { planes, truth: truth_table(&spectra), request: self.clone() })
    }
}

fn truth_table(spectra: &[CleanSpectrum]) -> Table {
    let column = |name: &str, unit: &str, of: &dyn Fn(&CleanSpectrum) -> f64| {
        TableColumn::new(name, unit, spectra.iter().map(of).collect::<Vec<f64>>())
    };
    let mut columns = vec![
        column("velocity", "km/s", &|s| s.velocity_km_s),
        column("broadening", "km/s", &|s| s.broadening_km_s),
        column("electron_density", "cm-3", &|s| s.nebula.electron_density_cm3),
    ];
    for (k, name) in RATIOS.iter().enumerate() {
        columns.push(column(&name.replace('/', "_over_"), "", &|s| ratios(&s.nebula.fluxes)[k]));
    }
    for (k, line) in Line::ALL.iter().enumerate() {
        columns.push(column(&format!("flux_{}", line.name()), "", &|s| s.nebula.fluxes[k]));
    }
    Table::new(columns)
}

impl Task for SimulateRequest {
    const NAME: &'static str = "line_ratios.simulate";
    const SUMMARY: &'static str =
        "Simulate emission-line spectra of SITELLE or MUSE: a galaxy as a cube, or a list of spectra, with the truth.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = &[
        ("cube.fits", "of a galaxy: the cube, with noise (MUSE: with its variance)"),
        ("truth.fits", "of a galaxy: velocity, broadening and the flux of every line"),
        ("sn1.fits", "of a list: spectra of SN1, [spectrum, sample], and the noise of each"),
        ("sn2.fits", "of a list: the same of SN2"),
        ("sn3.fits", "of a list: the same of SN3"),
        ("truth.ecsv", "of a list: velocity, broadening, density, ratios and fluxes of each spectrum"),
    ];
    const LANE: Lane = Lane::Short;
    type Update = ();
    type Outcome = SimulateOutcome;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        let (bytes, seconds) = match self.scene {
            Scene::Galaxy => {
                let spaxels = (self.pixels as f64).powi(2);
                let values = spaxels * self.samples() as f64;
                (values * 9.0 + 1e7, values * 3e-8 + spaxels * self.regions as f64 * 5e-9)
            }
            Scene::Spectra => (self.spectra as f64 * 1.2e4 + 1e7, self.spectra as f64 * 6e-5),
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an estimate
        Ok(Cost { bytes: bytes as u64, seconds })
    }

    fn run(&self, progress: &Progress<()>) -> Result<SimulateOutcome, TaskError> {
        progress.phase("simulating");
        let made = match self.scene {
            Scene::Galaxy => {
                let made = Arc::new(self.galaxy().simulate(&self.instrument()));
                SimulateOutcome::Galaxy { made, request: self.clone() }
            }
            Scene::Spectra => self.list(progress)?,
        };
        progress.check()?;
        progress.fraction(1.0);
        Ok(made)
    }
}

const UNIT: &str = "1e-17 erg/s/cm2/Angstrom";

/// Keywords of the celestial axes: north up, the middle of the field at the place of NGC 628.
fn sky_keywords(pixels: usize, arcsec: f64) -> Vec<Keyword> {
    let middle = 0.5 * (pixels as f64 + 1.0);
    let step = arcsec / 3600.0;
    vec![
        Keyword::new("CTYPE1", "RA---TAN", "gnomonic projection"),
        Keyword::new("CTYPE2", "DEC--TAN", ""),
        Keyword::new("CUNIT1", "deg", ""),
        Keyword::new("CUNIT2", "deg", ""),
        Keyword::new("CRPIX1", middle, "middle of the field"),
        Keyword::new("CRPIX2", middle, ""),
        Keyword::new("CRVAL1", 24.174, "an invented place on the sky"),
        Keyword::new("CRVAL2", 15.7836, ""),
        Keyword::new("CDELT1", -step, "east is left"),
        Keyword::new("CDELT2", step, ""),
        Keyword::new("RADESYS", "ICRS", ""),
    ]
}

/// Keywords of a wavenumber axis that is axis `n` of the image and begins at sample `first` of the interferogram's.
fn wavenumber_keywords(n: usize, filter: Filter, axis: &FourierAxis, first: usize) -> Vec<Keyword> {
    vec![
        Keyword::new(&format!("CTYPE{n}"), "WAVN", "wavenumber"),
        Keyword::new(&format!("CUNIT{n}"), "cm-1", ""),
        Keyword::new(&format!("CRPIX{n}"), 1.0, ""),
        Keyword::new(&format!("CRVAL{n}"), axis.wavenumber(first), ""),
        Keyword::new(&format!("CDELT{n}"), axis.spacing(), ""),
        Keyword::new("STEP", axis.step_nm, "nm, step of the optical path difference"),
        Keyword::new("ORDER", axis.order, "folding order"),
        Keyword::new("STEPNB", axis.steps as f64, "steps of the interferogram"),
        Keyword::new("ZPDINDEX", axis.zero_path_index, "step of zero path difference"),
        Keyword::new("AXISCORR", axis.correction, "1 / cos of the off-axis angle"),
        Keyword::new("LINEFWHM", axis.fwhm(), "cm-1, of an unresolved line"),
        Keyword::new("FILTER", filter.name(), ""),
        Keyword::new("INSTRUME", "SITELLE", "simulated"),
        Keyword::new("ORIGIN", SIMULATED, "simulated, without an error of the zero point"),
    ]
}

fn history(provenance: &Provenance) -> Vec<String> {
    vec![
        format!("Sextans {} {}", provenance.version, provenance.task),
        "simulated data, not an observation".to_owned(),
        format!("request {}", provenance.request),
    ]
}

fn save_galaxy(
    made: &SimulatedGalaxy,
    request: &SimulateRequest,
    folder: &Path,
    history: &[String],
) -> Result<Vec<String>, TaskError> {
    let muse = request.filter().is_none();
    let sky = sky_keywords(request.pixels, PIXEL_ARCSEC[usize::from(muse)]);
    let spectral = match request.instrument() {
        Instrument::Sitelle(filter, axis) => wavenumber_keywords(3, filter, &axis, 0),
        Instrument::Muse([first, step], _) => vec![
            Keyword::new("CTYPE3", "AWAV", "wavelength in air"),
            Keyword::new("CUNIT3", "Angstrom", ""),
            Keyword::new("CRPIX3", 1.0, ""),
            Keyword::new("CRVAL3", first, ""),
            Keyword::new("CDELT3", step, ""),
            Keyword::new("INSTRUME", "MUSE", "simulated"),
        ],
    };
    let mut keywords = [sky.clone(), spectral].concat();
    keywords.push(Keyword::new("NOISE", f64::from(made.noise), "standard deviation of every sample"));
    let name = if muse { "DATA" } else { "CUBE" };
    let mut planes = vec![Plane { name, pixels: made.cube.view().into_dyn(), unit: UNIT, keywords: keywords.clone() }];
    let variance = muse.then(|| Array3::from_elem(made.cube.dim(), made.noise * made.noise));
    if let Some(variance) = &variance {
        let unit = "1e-34 erg2/s2/cm4/Angstrom2";
        planes.push(Plane { name: "STAT", pixels: variance.view().into_dyn(), unit, keywords });
    }
    write_planes(&folder.join("cube.fits"), &planes, history)?;
    let names: Vec<String> = made.fluxes.iter().map(|(line, _)| format!("FLUX_{}", line.name())).collect();
    let mut truth = vec![
        Plane { name: "VELOCITY", pixels: made.velocity.view().into_dyn(), unit: "km/s", keywords: sky.clone() },
        Plane { name: "BROADENING", pixels: made.broadening.view().into_dyn(), unit: "km/s", keywords: sky.clone() },
    ];
    truth.extend(made.fluxes.iter().zip(&names).map(|((_, flux), name)| Plane {
        name,
        pixels: flux.view().into_dyn(),
        unit: "1e-17 erg/s/cm2",
        keywords: sky.clone(),
    }));
    write_planes(&folder.join("truth.fits"), &truth, history)?;
    Ok(["cube.fits", "truth.fits"].map(String::from).to_vec())
}

impl Outcome for SimulateOutcome {
    fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::new();
        match self {
            Self::Galaxy { made, .. } => {
                metrics.insert("noise".into(), f64::from(made.noise));
                metrics.insert("spectra".into(), made.velocity.len() as f64);
                metrics.insert("samples".into(), made.cube.dim().0 as f64);
            }
            Self::Spectra { planes, .. } => {
                metrics.insert("spectra".into(), planes.first().map_or(0, |p| p.values.nrows()) as f64);
                metrics.insert("samples".into(), planes.iter().map(|p| p.values.ncols()).sum::<usize>() as f64);
            }
        }
        metrics
    }

    fn save(&self, folder: &Path, provenance: &Provenance) -> Result<Vec<String>, TaskError> {
        let history = history(provenance);
        match self {
            Self::Galaxy { made, request } => save_galaxy(made, request, folder, &history),
            Self::Spectra { planes, truth, .. } => {
                let mut files = Vec::new();
                for (plane, filter) in planes.iter().zip(Filter::ALL) {
                    let file = format!("{}.fits", filter.name().to_lowercase());
                    let keywords = wavenumber_keywords(1, filter, &plane.axis, plane.first);
                    let noise = Array1::from(plane.noise.clone());
                    let single = plane.values.nrows() == 1;
                    let pixels = if single { plane.values.row(0).into_dyn() } else { plane.values.view().into_dyn() };
                    let planes = [
                        Plane { name: "SPECTRA", pixels, unit: "", keywords },
                        Plane { name: "NOISE", pixels: noise.view().into_dyn(), unit: "", keywords: Vec::new() },
                    ];
                    write_planes(&folder.join(&file), &planes, &history)?;
                    files.push(file);
                }
                write_ecsv(&folder.join("truth.ecsv"), truth)?;
                files.push("truth.ecsv".into());
                Ok(files)
            }
        }
    }

    fn load(folder: &Path, request: &serde_json::Value, _metrics: &Metrics) -> Result<Self, TaskError> {
        let request: SimulateRequest = serde_json::from_value(request.clone())
            .map_err(|e| TaskError::file(folder, format!("its record has no request of this task ({e})")))?;
        match request.scene {
            Scene::Galaxy => load_galaxy(folder, request),
            Scene::Spectra => load_spectra(folder, request),
        }
    }
}

/// A number among the keywords.
fn number_of(plane: &OwnedPlane, name: &str) -> Option<f64> {
    match plane.keywords.iter().find(|k| k.name == name)?.value {
        Value::Float(x) => Some(x),
        Value::Integer(n) => Some(n as f64),
        _ => None,
    }
}

fn load_galaxy(folder: &Path, request: SimulateRequest) -> Result<SimulateOutcome, TaskError> {
    let path = folder.join("cube.fits");
    let damaged = |what: &str| TaskError::file(&path, format!("holds no {what}; simulate it again"));
    let cube = read_planes(&path)?.into_iter().next().ok_or_else(|| damaged("cube"))?;
    let noise = number_of(&cube, "NOISE");
    let cube = cube.pixels.into_dimensionality().map_err(|_| damaged("cube"))?;
    let mut maps = read_planes(&folder.join("truth.fits"))?.into_iter().map(|plane| {
        let map: Option<Array2<f32>> = plane.pixels.into_dimensionality().ok();
        map.map(|map| (plane.name, map)).ok_or_else(|| damaged("truth"))
    });
    let mut next = || maps.next().unwrap_or_else(|| Err(damaged("truth")));
    let (velocity, broadening) = (next()?.1, next()?.1);
    let fluxes = maps
        .map(|map| {
            let (name, map) = map?;
            let line = name.strip_prefix("FLUX_").and_then(Line::by_name).ok_or_else(|| damaged("truth"))?;
            Ok((line, map))
        })
        .collect::<Result<Vec<_>, TaskError>>()?;
    let noise = noise.ok_or_else(|| damaged("noise"))? as f32;
    let made = Arc::new(SimulatedGalaxy { cube, noise, velocity, broadening, fluxes });
    Ok(SimulateOutcome::Galaxy { made, request })
}

fn load_spectra(folder: &Path, request: SimulateRequest) -> Result<SimulateOutcome, TaskError> {
    let mut planes = Vec::new();
    for filter in Filter::ALL {
        let path = folder.join(format!("{}.fits", filter.name().to_lowercase()));
        let damaged = || TaskError::file(&path, "holds no spectra and noise; simulate it again".to_owned());
        let read = read_planes(&path)?;
        let [spectra, noise] = read.as_slice() else { return Err(damaged()) };
        let number = |name: &str| number_of(spectra, name).ok_or_else(damaged);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // counts
        let axis = FourierAxis {
            step_nm: number("STEP")?,
            order: number("ORDER")?,
            steps: number("STEPNB")? as usize,
            zero_path_index: number("ZPDINDEX")?,
            correction: number("AXISCORR")?,
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an index
        let first = ((number("CRVAL1")? - axis.first()) / axis.spacing()).round() as usize;
        let samples = spectra.pixels.shape().last().copied().ok_or_else(damaged)?;
        let rows = spectra.pixels.len() / samples.max(1);
        let values = spectra.pixels.clone().into_shape_with_order((rows, samples)).map_err(|_| damaged())?;
        planes.push(SpectraPlane {
            values: Arc::new(values),
            axis,
            first,
            noise: noise.pixels.iter().copied().collect(),
        });
    }
    Ok(SimulateOutcome::Spectra { planes, truth: read_ecsv(&folder.join("truth.ecsv"))?, request })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(request: &SimulateRequest) -> (SimulateOutcome, SimulateOutcome, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let made = request.run(&Progress::silent()).unwrap();
        let provenance =
            Provenance { task: SimulateRequest::NAME.into(), version: "test".into(), request: "{}".into() };
        let files = made.save(folder.path(), &provenance).unwrap();
        let value = serde_json::to_value(request).unwrap();
        let read = SimulateOutcome::load(folder.path(), &value, &made.metrics()).unwrap();
        (made, read, files)
    }

    #[test]
    fn a_galaxy_is_written_and_read() {
        for camera in [Camera::SitelleSn3, Camera::SitelleSn1, Camera::Muse, Camera::MuseWide] {
            let request = SimulateRequest { camera, pixels: 10, regions: 5, resolution: 1000.0, ..Default::default() };
            let (made, read, files) = round_trip(&request);
            assert_eq!(files, ["cube.fits", "truth.fits"]);
            let (SimulateOutcome::Galaxy { made, .. }, SimulateOutcome::Galaxy { made: read, .. }) = (made, read)
            else {
                panic!("no galaxies")
            };
            assert_eq!(made.cube, read.cube);
            assert_eq!((&made.velocity, &made.broadening, made.noise), (&read.velocity, &read.broadening, read.noise));
            assert_eq!(made.fluxes, read.fluxes, "{camera:?}");
        }
    }

    /// Its maps place every spaxel in the diagrams of excitation.
    #[test]
    fn the_wide_camera_shows_both_ends_of_the_diagrams() {
        use crate::studies::line_ratios::FitRequest;
        let folder = tempfile::tempdir().unwrap();
        let request = SimulateRequest { camera: Camera::MuseWide, pixels: 8, regions: 20, ..Default::default() };
        let made = request.run(&Progress::silent()).unwrap();
        let provenance = Provenance { task: String::new(), version: String::new(), request: String::new() };
        made.save(folder.path(), &provenance).unwrap();
        let fit = FitRequest { data: Some(folder.path().join("cube.fits")), ..FitRequest::default() };
        let outcome = fit.run(&Progress::silent()).unwrap();
        let SimulateOutcome::Galaxy { made, .. } = made else { panic!("no galaxy") };
        for line in [Line::Hbeta, Line::OIII5007, Line::NII6583, Line::Halpha] {
            let map = |name: &str| &outcome.map(&format!("{name}{}", line.name())).unwrap().values;
            let truth = &made.fluxes.iter().find(|(other, _)| *other == line).unwrap().1;
            let brightest = map("SNR_").indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
            assert!(map("SNR_")[brightest] > 20.0, "{line:?}");
            assert!((map("FLUX_")[brightest] / truth[brightest] - 1.0).abs() < 0.15, "{line:?}");
        }
        assert!(outcome.map("OIII5007/Hbeta").is_some() && outcome.map("NII6583/Halpha").is_some());
    }

    #[test]
    fn a_list_is_written_and_read() {
        for spectra in [1, 12] {
            let request = SimulateRequest { scene: Scene::Spectra, spectra, ..Default::default() };
            let (made, read, files) = round_trip(&request);
            assert_eq!(files.len(), 4);
            let (
                SimulateOutcome::Spectra { planes, truth, .. },
                SimulateOutcome::Spectra { planes: read, truth: read_truth, .. },
            ) = (made, read)
            else {
                panic!("no lists")
            };
            assert_eq!(planes, read);
            assert_eq!(truth.numbers("velocity"), read_truth.numbers("velocity"));
            let decrement = truth.numbers("Halpha_over_Hbeta").unwrap()[0];
            assert!((2.6..6.2).contains(&decrement));
        }
    }
}
