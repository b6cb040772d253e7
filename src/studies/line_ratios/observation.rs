//! What is measured: a spectrum or a cube in a file, its spectral axis, the band that holds the lines, read in tiles.

use std::ops::Range;
use std::path::Path;

use ndarray::ArrayD;

use super::axis::{Filter, FourierAxis, SINC_FWHM};
use super::fit::{LineModel, MOST_LINES};
use super::frame::{Coordinate, Frame, Medium};
use super::lines::{LIGHT_SPEED_KM_S, Line};
use super::request::FitRequest;
use super::shape::{FWHM_OF_SIGMA, LineShape, Sampler};
use crate::data::spectra::{AxisKind, SpectralAxis, Spectrum, find_spectra, read_spectrum, spectral_axis};
use crate::data::{ErrorKind, FitsFile, Header, Keyword, Location, Unit, Wcs, triplets, wcs_keywords};
use crate::tasks::TaskError;

/// Bytes of data that a tile holds, about.
const TILE_BYTES: usize = 8 << 20;
/// Tiles of a cube, at least, where it has as many rows: so that maps fill and threads share.
const LEAST_TILES: usize = 16;
/// Full width at half maximum of MUSE in Angstrom, a polynomial of the wavelength in Angstrom: Bacon et al. 2017
/// (A&A 608, A1), eq. 8, the mosaic of the Ultra Deep Field.
const MUSE_FWHM: [f64; 3] = [6.040, -9.187e-4, 5.866e-8];

/// A file, its spectral axis cut to the band of the lines, and what the instrument does.
pub struct Observation {
    file: FitsFile,
    source: Source,
    /// Samples of the band, in the order of the file.
    channels: Range<usize>,
    /// The file's axis falls.
    falling: bool,
    /// Rows and columns; `None` for a single spectrum.
    pub shape: Option<[usize; 2]>,
    /// Places of the samples in the band, increasing.
    pub axis: Vec<f64>,
    /// Unit of the axis.
    pub axis_unit: String,
    /// Where velocities count from.
    pub frame: Frame,
    /// What the instrument does to a line.
    pub line_shape: LineShape,
    /// Unit of the data as written.
    pub unit: String,
    /// The data are a flux density per Angstrom on a wavenumber axis.
    pub per_angstrom: bool,
    /// Celestial coordinates of the maps.
    pub keywords: Vec<Keyword>,
    /// Lines asked for that do not lie in the file.
    pub outside: Vec<Line>,
    /// True when the file has errors.
    pub has_errors: bool,
    /// True for data of SITELLE, by their keywords.
    pub is_sitelle: bool,
    /// Simulated here: its zero point is right.
    pub is_simulated: bool,
    /// Redshift of velocity zero, the zero point corrected.
    pub redshift: f64,
}

enum Source {
    /// HDU, its errors, its mask; number of axes and the place of the spectral one among them (array order).
    Cube {
        hdu: usize,
        error: Option<(usize, ErrorKind)>,
        mask: Option<usize>,
        axes: Vec<usize>,
        spectral: usize,
    },
    Single(Box<Spectrum>),
}

/// Spectra side by side: what an estimator gets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Samples of each.
    pub samples: usize,
    /// Data, `[spectrum][sample]`.
    pub data: Vec<f64>,
    /// 1 / variance, 0 for a sample that does not count, `[spectrum][sample]`.
    pub weights: Vec<f64>,
}

impl Batch {
    /// Room for `count` spectra, all zero.
    pub fn zeros(count: usize, samples: usize) -> Self {
        Self { samples, data: vec![0.0; count * samples], weights: vec![0.0; count * samples] }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.data.len().checked_div(self.samples).unwrap_or(0)
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Data and weights of one.
    pub fn spectrum(&self, index: usize) -> (&[f64], &[f64]) {
        let range = index * self.samples..(index + 1) * self.samples;
        (&self.data[range.clone()], &self.weights[range])
    }
}

impl Observation {
    /// Opens the input of a request; reads headers, and the values only of a single spectrum.
    ///
    /// # Errors
    /// No input, unreadable, an axis that is no wavelength or wavenumber, an unknown instrument, no line in the band.
    pub fn open(request: &FitRequest) -> Result<Self, TaskError> {
        let path = request.input()?;
        let location = Location::parse(&path.to_string_lossy());
        let file = FitsFile::open(&location.path)?;
        let hdu = file.find(location.hdu.as_ref())?;
        let axes = file.hdu(hdu)?.shape();
        let spectral = (0..axes.len().saturating_sub(2)).rev().find(|axis| axes[*axis] > 1);
        match spectral {
            Some(spectral) => Self::cube(request, file, hdu, axes, spectral),
            None => Self::single(request, file, location.hdu.is_some().then_some(hdu)),
        }
    }

    fn cube(
        request: &FitRequest,
        file: FitsFile,
        hdu: usize,
        axes: Vec<usize>,
        spectral: usize,
    ) -> Result<Self, TaskError> {
        let header = &file.hdu(hdu)?.header;
        let found = spectral_axis(header, axes.len() - spectral, axes[spectral]);
        let partners = triplets(&file).into_iter().find(|triplet| triplet.data == hdu);
        let keywords = match Wcs::from_header(header) {
            Ok(Some(wcs)) if matches!(wcs.celestial(), Some((0, 1) | (1, 0))) => wcs_keywords(header, &[0, 0]),
            _ => Vec::new(),
        };
        let shape = Some([axes[axes.len() - 2], axes[axes.len() - 1]]);
        let unit = file.hdu(hdu)?.unit().unwrap_or_default().to_owned();
        let error = partners.and_then(|triplet| triplet.error);
        let mask = partners.and_then(|triplet| triplet.mask);
        let source = Source::Cube { hdu, error, mask, axes, spectral };
        Self::assemble(request, file, hdu, source, &found, Described { shape, unit, keywords, errors: error.is_some() })
    }

    fn single(request: &FitRequest, file: FitsFile, hdu: Option<usize>) -> Result<Self, TaskError> {
        let place = find_spectra(&file).into_iter().find(|place| hdu.is_none_or(|hdu| place.hdu == hdu));
        let Some(place) = place else {
            return Err(TaskError::file(
                file.path(),
                "holds neither a spectrum nor a cube; give a file with a spectral axis, or its HDU as FILE[NAME]",
            ));
        };
        let spectrum = read_spectrum(&file, &place, 0)?;
        let found = spectrum.axis.clone();
        let errors = spectrum.error.is_some();
        let unit = spectrum.unit.clone().unwrap_or_default();
        let source = Source::Single(Box::new(spectrum));
        let described = Described { shape: None, unit, keywords: Vec::new(), errors };
        Self::assemble(request, file, place.hdu, source, &found, described)
    }

    fn assemble(
        request: &FitRequest,
        file: FitsFile,
        hdu: usize,
        source: Source,
        found: &SpectralAxis,
        described: Described,
    ) -> Result<Self, TaskError> {
        let headers = Headers { own: &file.hdu(hdu)?.header, primary: &file.hdu(0)?.header };
        let sitelle = headers.fourier_axis();
        let (coordinate, scale) = coordinate(file.path(), found)?;
        let medium = medium(request, file.path(), found.kind, sitelle.is_some())?;
        // A zero point moves the whole frame: places of lines and velocities follow.
        let zero = 1.0 + request.velocity_zero_km_s / LIGHT_SPEED_KM_S;
        let frame = Frame { coordinate, medium, redshift: (1.0 + request.redshift) * zero - 1.0 };
        let whole: Vec<f64> = found.values.iter().map(|x| x * scale).collect();
        let line_shape = instrument(request, file.path(), &frame, &headers, sitelle.as_ref(), &whole)?;
        let falling = whole.first() > whole.last();
        let (channels, outside) = band(request, &frame, &whole, headers.filter());
        let mut axis = whole[channels.clone()].to_vec();
        if falling {
            axis.reverse();
        }
        if axis.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(TaskError::file(
                file.path(),
                "its spectral axis neither rises nor falls throughout; resample it",
            ));
        }
        let axis_unit = match coordinate {
            Coordinate::Wavenumber => "cm-1".to_owned(),
            Coordinate::Wavelength { .. } => found.unit.clone().unwrap_or_default(),
        };
        let per_angstrom = coordinate == Coordinate::Wavenumber
            && request.per_angstrom.unwrap_or_else(|| is_per_angstrom(&described.unit));
        Ok(Self {
            source,
            channels,
            falling,
            shape: described.shape,
            axis,
            axis_unit,
            frame,
            line_shape,
            unit: described.unit,
            per_angstrom,
            keywords: described.keywords,
            outside,
            has_errors: described.errors,
            is_sitelle: sitelle.is_some(),
            is_simulated: headers.text("ORIGIN").is_some_and(|origin| origin == super::simulate_task::SIMULATED),
            redshift: request.redshift,
            file,
        })
    }

    /// The model of a request on this axis.
    ///
    /// # Errors
    /// No line in the band, or a band of a few samples.
    pub fn model(&self, request: &FitRequest) -> Result<LineModel, TaskError> {
        let sampler = Sampler::new(self.axis.clone(), self.line_shape);
        LineModel::new(sampler, self.frame, request.model_settings(self.per_angstrom))
            .map_err(|error| TaskError::file(self.file.path(), error.to_string()))
    }

    /// Side of a spaxel of a cube, if the header tells.
    pub fn pixel_scale_arcsec(&self) -> Option<f64> {
        let Source::Cube { hdu, .. } = &self.source else { return None };
        self.file.hdu(*hdu).ok().and_then(|hdu| crate::data::pixel_scale_arcsec(&hdu.header))
    }

    /// Unit of the fluxes.
    pub fn flux_unit(&self) -> String {
        let unit = self.unit.trim();
        let per_angstrom = ["/Angstrom", "/angstrom", "/A", " Angstrom-1", " Angstrom**-1", " A-1"];
        let in_angstrom = self.per_angstrom || self.axis_unit.eq_ignore_ascii_case("angstrom");
        match per_angstrom.iter().find_map(|end| unit.strip_suffix(end)) {
            Some(rest) if in_angstrom => rest.to_owned(),
            _ if unit.is_empty() => String::new(),
            _ => format!("{unit} {}", if self.per_angstrom { "Angstrom" } else { &self.axis_unit }),
        }
    }

    /// Rows that are read together; a multiple of `block` each but the last.
    pub fn tiles(&self, block: usize) -> Vec<Range<usize>> {
        let Some([rows, columns]) = self.shape else { return std::iter::once(0..1).collect() };
        let bytes_a_row = 16 * columns * self.channels.len().max(1);
        let at_once = (TILE_BYTES / bytes_a_row).min(rows / LEAST_TILES).max(1).next_multiple_of(block);
        (0..rows).step_by(at_once).map(|from| from..(from + at_once).min(rows)).collect()
    }

    /// The spectra of some rows, row by row; the band only, by rising coordinate.
    ///
    /// # Errors
    /// Unreadable.
    pub fn read(&self, rows: Range<usize>) -> Result<Batch, TaskError> {
        match &self.source {
            Source::Single(spectrum) => Ok(self.single_batch(spectrum)),
            Source::Cube { hdu, error, mask, axes, spectral } => {
                let columns = *axes.last().unwrap_or(&0);
                let ranges: Vec<Range<usize>> = (0..axes.len())
                    .map(|axis| match axis {
                        axis if axis == *spectral => self.channels.clone(),
                        axis if axis + 2 == axes.len() => rows.clone(),
                        axis if axis + 1 == axes.len() => 0..columns,
                        _ => 0..1,
                    })
                    .collect();
                let data = self.file.read_box::<f64>(*hdu, &ranges)?;
                let errors = error.map(|(hdu, _)| self.file.read_box::<f64>(hdu, &ranges)).transpose()?;
                let mask = mask.map(|hdu| self.file.read_box::<f64>(hdu, &ranges)).transpose()?;
                let kind = error.map_or(ErrorKind::Sigma, |(_, kind)| kind);
                Ok(self.gather(&data, errors.as_ref(), kind, mask.as_ref(), rows.len() * columns))
            }
        }
    }

    fn gather(
        &self,
        data: &ArrayD<f64>,
        errors: Option<&ArrayD<f64>>,
        kind: ErrorKind,
        mask: Option<&ArrayD<f64>>,
        count: usize,
    ) -> Batch {
        let samples = self.channels.len();
        let mut batch = Batch::zeros(count, samples);
        let mut values = data.iter();
        let mut errors = errors.map(|errors| errors.iter());
        let mut mask = mask.map(|mask| mask.iter());
        for channel in 0..samples {
            let sample = if self.falling { samples - 1 - channel } else { channel };
            for spectrum in 0..count {
                let value = values.next().copied().unwrap_or(f64::NAN);
                let error = errors.as_mut().map(|errors| errors.next().copied().unwrap_or(f64::NAN));
                let masked = mask.as_mut().is_some_and(|mask| mask.next().is_some_and(|mask| *mask != 0.0));
                let at = spectrum * samples + sample;
                batch.data[at] = value;
                batch.weights[at] = if masked { 0.0 } else { weight(value, error.map(|error| kind.sigma(error))) };
            }
        }
        // Spaxels outside the field are zeros throughout in many cubes.
        for spectrum in 0..count {
            let range = spectrum * samples..(spectrum + 1) * samples;
            if batch.data[range.clone()].iter().all(|value| *value == 0.0) {
                batch.weights[range].fill(0.0);
            }
        }
        batch
    }

    fn single_batch(&self, spectrum: &Spectrum) -> Batch {
        let samples = self.channels.len();
        let mut batch = Batch::zeros(1, samples);
        for (channel, index) in self.channels.clone().enumerate() {
            let sample = if self.falling { samples - 1 - channel } else { channel };
            let masked = spectrum.mask.as_ref().is_some_and(|mask| mask[index]);
            let value = spectrum.flux[index];
            batch.data[sample] = value;
            let sigma = spectrum.error.as_ref().map(|error| error[index]);
            batch.weights[sample] = if masked { 0.0 } else { weight(value, sigma) };
        }
        batch
    }
}

/// What the file says of itself beside its axis.
struct Described {
    shape: Option<[usize; 2]>,
    unit: String,
    keywords: Vec<Keyword>,
    errors: bool,
}

/// 1 / variance; without errors 1; 0 for what is missing or has none.
fn weight(value: f64, sigma: Option<f64>) -> f64 {
    let weight = sigma.map_or(1.0, |sigma| 1.0 / (sigma * sigma));
    if value.is_finite() && weight.is_finite() && weight > 0.0 { weight } else { 0.0 }
}

/// The header of the data, and that of the file, where instruments are named.
struct Headers<'a> {
    own: &'a Header,
    primary: &'a Header,
}

impl Headers<'_> {
    fn number(&self, keyword: &str) -> Option<f64> {
        self.own.get_f64(keyword).or_else(|| self.primary.get_f64(keyword)).filter(|value| value.is_finite())
    }

    fn text(&self, keyword: &str) -> Option<&str> {
        self.own.get_str(keyword).or_else(|| self.primary.get_str(keyword)).map(str::trim)
    }

    /// The interferometer, where SITELLE's keywords describe one.
    fn fourier_axis(&self) -> Option<FourierAxis> {
        let positive = |keyword: &str| self.number(keyword).filter(|value| *value > 0.0);
        Some(FourierAxis {
            step_nm: positive("STEP")?,
            order: self.number("ORDER")?,
            steps: positive("STEPNB")? as usize,
            zero_path_index: self.number("ZPDINDEX")?,
            correction: positive("AXISCORR")?,
        })
    }

    fn filter(&self) -> Option<Filter> {
        let name = self.text("FILTER")?;
        Filter::ALL.into_iter().find(|filter| filter.name().eq_ignore_ascii_case(name))
    }
}

/// What the axis counts, and by what its values are multiplied for that.
fn coordinate(path: &Path, axis: &SpectralAxis) -> Result<(Coordinate, f64), TaskError> {
    let unit = axis.unit.clone().unwrap_or_default();
    let factor = |to: &str| Unit::parse(&unit).factor_to(&Unit::parse(to));
    match axis.kind {
        AxisKind::Wavenumber => {
            let scale = factor("cm-1").ok_or_else(|| {
                TaskError::file(
                    path,
                    format!("the unit {unit:?} of its wavenumber axis is not known; write cm-1 as CUNIT"),
                )
            })?;
            Ok((Coordinate::Wavenumber, scale))
        }
        AxisKind::AirWavelength | AxisKind::VacuumWavelength | AxisKind::Wavelength => {
            let angstrom = unit.to_ascii_lowercase().starts_with("angstrom").then_some(0.1);
            let unit_nm = factor("nm").or(angstrom).ok_or_else(|| {
                TaskError::file(
                    path,
                    format!("the unit {unit:?} of its wavelength axis is not known; write Angstrom or nm as CUNIT"),
                )
            })?;
            Ok((Coordinate::Wavelength { unit_nm }, 1.0))
        }
        AxisKind::Frequency | AxisKind::Energy | AxisKind::Velocity | AxisKind::Pixel => Err(TaskError::file(
            path,
            "its spectral axis is no wavelength or wavenumber; set CTYPE to AWAV, WAVE or WAVN with CRVAL, CDELT and CUNIT",
        )),
    }
}

fn medium(request: &FitRequest, path: &Path, kind: AxisKind, sitelle: bool) -> Result<Medium, TaskError> {
    if let Some(medium) = request.medium {
        return Ok(medium);
    }
    match kind {
        AxisKind::AirWavelength => Ok(Medium::Air),
        AxisKind::VacuumWavelength => Ok(Medium::Vacuum),
        AxisKind::Wavenumber => Ok(if sitelle { Medium::Air } else { Medium::Vacuum }),
        _ => Err(TaskError::field(
            "medium",
            "(automatic)",
            format!("{} does not say whether its wavelengths are in air or vacuum", path.display()),
            "set medium=air or medium=vacuum",
        )),
    }
}

/// The line shape: by the request, else by the headers of the instruments that are known.
fn instrument(
    request: &FitRequest,
    path: &Path,
    frame: &Frame,
    headers: &Headers<'_>,
    sitelle: Option<&FourierAxis>,
    axis: &[f64],
) -> Result<LineShape, TaskError> {
    let middle = 0.5 * (axis.first().copied().unwrap_or(0.0) + axis.last().copied().unwrap_or(0.0));
    match (request.resolving_power, frame.coordinate, sitelle) {
        (Some(resolution), Coordinate::Wavenumber, _) => {
            Ok(LineShape::Sinc { width: middle / (resolution * SINC_FWHM) })
        }
        (Some(resolution), Coordinate::Wavelength { .. }, _) => {
            Ok(LineShape::Gaussian { sigma: [0.0, 1.0 / (resolution * FWHM_OF_SIGMA), 0.0] })
        }
        (None, Coordinate::Wavenumber, Some(fourier)) => Ok(LineShape::Sinc { width: fourier.sinc_width() }),
        (None, Coordinate::Wavelength { unit_nm }, _) if headers.text("INSTRUME") == Some("MUSE") => {
            // The polynomial is in Angstrom.
            let unit = 10.0 * unit_nm;
            let [c0, c1, c2] = MUSE_FWHM.map(|c| c / FWHM_OF_SIGMA);
            Ok(LineShape::Gaussian { sigma: [c0 / unit, c1, c2 * unit] })
        }
        _ => Err(TaskError::field(
            "resolving_power",
            "(automatic)",
            format!(
                "{} does not name a known instrument (SITELLE's STEP, ORDER, STEPNB, ZPDINDEX and AXISCORR, or INSTRUME = MUSE)",
                path.display()
            ),
            "set resolving_power",
        )),
    }
}

/// Samples (file order) that hold the lines, the velocities searched and a margin; and the lines that are not there.
fn band(request: &FitRequest, frame: &Frame, axis: &[f64], filter: Option<Filter>) -> (Range<usize>, Vec<Line>) {
    let (mut low, mut high) =
        axis.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    if let (Some(filter), Coordinate::Wavenumber) = (filter, frame.coordinate) {
        let (from, to) = filter.band();
        (low, high) = (low.max(from), high.min(to));
    }
    let wanted = request.wanted();
    let (inside, outside): (Vec<Line>, Vec<Line>) =
        wanted.into_iter().take(MOST_LINES).partition(|line| (low..=high).contains(&frame.origin(*line)));
    if !inside.is_empty() {
        let reach = (request.velocity_range_km_s + request.margin_km_s) / LIGHT_SPEED_KM_S;
        let places = || inside.iter().map(|line| frame.origin(*line));
        low = low.max(places().fold(f64::INFINITY, f64::min) * (1.0 - reach));
        high = high.min(places().fold(0.0, f64::max) * (1.0 + reach));
    }
    let first = axis.iter().position(|x| (low..=high).contains(x)).unwrap_or(0);
    let last = axis.iter().rposition(|x| (low..=high).contains(x)).map_or(0, |last| last + 1);
    (first..last.max(first), outside)
}

/// A unit that is per Angstrom.
fn is_per_angstrom(unit: &str) -> bool {
    let unit = unit.trim().to_ascii_lowercase();
    ["/angstrom", "/a", "angstrom-1", "angstrom**-1", "a-1", "angstrom^-1"].iter().any(|end| unit.ends_with(end))
}
