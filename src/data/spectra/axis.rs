//! Spectral axes of one-dimensional images: linear, logarithmic, or as an image of their own.

use crate::data::{DataError, FitsFile, Hdu, Header, Problem, Result};

/// What a spectral axis measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisKind {
    /// Wavelength in air.
    AirWavelength,
    /// Wavelength in vacuum.
    VacuumWavelength,
    /// Wavelength; the file does not say in what.
    Wavelength,
    /// Frequency.
    Frequency,
    /// Waves per length.
    Wavenumber,
    /// Photon energy.
    Energy,
    /// Velocity, or redshift.
    Velocity,
    /// Only a number.
    Pixel,
}

/// Values of a spectral axis.
#[derive(Debug, Clone, PartialEq)]
pub struct SpectralAxis {
    /// Position of each value, in `unit`.
    pub values: Vec<f64>,
    /// Unit as written; `None` where the file has none.
    pub unit: Option<String>,
    /// What they measure.
    pub kind: AxisKind,
}

/// The axis number `axis` (1-based) of an image, of `length` values, by CRVALn, CRPIXn and CDn_n or CDELTn.
///
/// DC-FLAG = 1 (IRAF) means base-10 logarithms: `10^(CRVAL + CD (i - CRPIX))`. CTYPEn `WAVE-LOG` and its kin are
/// `CRVAL exp((i - CRPIX) CDELT / CRVAL)` (FITS 4.0 equation 10 of section 8.4). Other non-linear axes (-TAB, -F2W) are
/// left to the WCS, and are read as linear here.
pub fn spectral_axis(header: &Header, axis: usize, length: usize) -> SpectralAxis {
    let number = |keyword: &str| header.get_f64(keyword).filter(|x| x.is_finite());
    let word = |keyword: String| header.get_str(&keyword).map(|text| text.trim().to_owned()).unwrap_or_default();
    let start = number(&format!("CRVAL{axis}"));
    let step = number(&format!("CD{axis}_{axis}")).filter(|&x| x != 0.0).or_else(|| number(&format!("CDELT{axis}")));
    let kind_of = word(format!("CTYPE{axis}"));
    let unit = unit_of(header, axis);
    if start.is_none() && step.is_none() {
        return SpectralAxis { values: (0..length).map(|i| i as f64).collect(), unit: None, kind: AxisKind::Pixel };
    }
    let origin = number(&format!("CRPIX{axis}")).unwrap_or(1.0);
    let (start, step) = (start.unwrap_or(0.0), step.unwrap_or(1.0));
    let decimal =
        header.get_i64("DC-FLAG") == Some(1) || header.get_str("WFITTYPE").map(str::trim) == Some("LOG-LINEAR");
    let natural = kind_of.to_ascii_uppercase().ends_with("-LOG") && start != 0.0;
    let value = |i: usize| {
        let steps = i as f64 + 1.0 - origin;
        if decimal {
            10f64.powf(start + step * steps)
        } else if natural {
            start * (steps * step / start).exp()
        } else {
            start + step * steps
        }
    };
    let kind = kind(header, &kind_of, unit.as_deref(), decimal);
    SpectralAxis { values: (0..length).map(value).collect(), unit, kind }
}

/// CUNITn, or what IRAF says in WATn_001; `None` when nowhere.
fn unit_of(header: &Header, axis: usize) -> Option<String> {
    let direct = header.get_str(&format!("CUNIT{axis}")).map(str::trim).filter(|unit| !unit.is_empty());
    let iraf = || {
        let text = header.get_str(&format!("WAT{axis}_001"))?;
        let at = text.to_ascii_lowercase().find("units=")?;
        text.get(at + 6..)?.split_whitespace().next().map(|word| word.trim_matches('"').to_owned())
    };
    direct.map(str::to_owned).or_else(iraf).filter(|unit| !unit.is_empty())
}

fn kind(header: &Header, ctype: &str, unit: Option<&str>, decimal: bool) -> AxisKind {
    let ctype = ctype.to_ascii_uppercase();
    match ctype.split('-').next().unwrap_or("") {
        "AWAV" => AxisKind::AirWavelength,
        "WAVE" => in_words(header).unwrap_or(AxisKind::VacuumWavelength),
        "FREQ" => AxisKind::Frequency,
        "WAVN" => AxisKind::Wavenumber,
        "ENER" => AxisKind::Energy,
        "VELO" | "VRAD" | "VOPT" | "FELO" | "ZOPT" | "BETA" => AxisKind::Velocity,
        _ => kind_by_unit(header, unit, &ctype, decimal),
    }
}

/// Air or vacuum as keywords of several observatories say it.
pub(super) fn in_words(header: &Header) -> Option<AxisKind> {
    let word = header.get_str("AIRORVAC").or_else(|| header.get_str("WAVE_MED")).or_else(|| header.get_str("VACUUM"));
    match word.map(|text| text.trim().to_ascii_lowercase()).as_deref() {
        Some("air") => return Some(AxisKind::AirWavelength),
        Some("vac" | "vacuum" | "t") => return Some(AxisKind::VacuumWavelength),
        _ => {}
    }
    let vacuum = header.get_bool("VACUUM").or_else(|| header.get_i64("VACUUM").map(|n| n != 0))?;
    Some(if vacuum { AxisKind::VacuumWavelength } else { AxisKind::AirWavelength })
}

/// What a unit (or a name in plain words) measures.
pub(super) fn kind_by_unit(header: &Header, unit: Option<&str>, name: &str, logarithmic: bool) -> AxisKind {
    let wavelength = || in_words(header).unwrap_or(AxisKind::Wavelength);
    let measures = |reference: &str| {
        let unit = crate::data::Unit::parse(unit.unwrap_or_default());
        unit.factor_to(&crate::data::Unit::parse(reference)).is_some()
    };
    let name = name.to_ascii_uppercase();
    if measures("m") || unit.is_some_and(|unit| unit.to_ascii_lowercase().starts_with("angstrom")) {
        wavelength()
    } else if measures("Hz") {
        AxisKind::Frequency
    } else if measures("m-1") {
        AxisKind::Wavenumber
    } else if measures("J") {
        AxisKind::Energy
    } else if measures("m/s") {
        AxisKind::Velocity
    } else if logarithmic || ["LAM", "WAV", "LINEAR"].iter().any(|word| name.starts_with(word)) {
        wavelength()
    } else {
        AxisKind::Pixel
    }
}

/// The name of an image that holds wavelengths: WAVELENGTH, B_WAVELENGTH, WAVE.
pub(super) fn is_wavelength_image(name: &str) -> bool {
    let last = name.rsplit(['_', '.']).next().unwrap_or(name);
    ["WAVELENGTH", "WAVE", "LAMBDA", "LOGLAM"].iter().any(|word| last.eq_ignore_ascii_case(word))
}

/// The image of wavelengths that belongs to an image of fluxes: the same prefix, as long.
pub(super) fn wavelength_image(file: &FitsFile, data: &Hdu) -> Option<usize> {
    let prefix = |name: &str| name.rfind(['_', '.']).and_then(|at| name.get(..at)).unwrap_or("").to_ascii_uppercase();
    let own = prefix(&data.name);
    let length = data.shape().last().copied()?;
    let fits = |hdu: &&Hdu| {
        let shape = hdu.shape();
        hdu.image().is_some()
            && hdu.index != data.index
            && is_wavelength_image(&hdu.name)
            && prefix(&hdu.name) == own
            && shape.last() == Some(&length)
            && (shape.len() == 1 || shape == data.shape())
    };
    file.hdus().iter().find(fits).map(|hdu| hdu.index)
}

/// Reads the wavelengths of a spectrum: the whole image, or its row.
pub(super) fn read_wavelength_image(file: &FitsFile, hdu: usize, row: usize) -> Result<SpectralAxis> {
    let unit = file.hdu(hdu)?;
    let shape = unit.shape();
    let last = shape.len().saturating_sub(1);
    let rows = shape.get(last.wrapping_sub(1)).copied().unwrap_or(1);
    if rows > 1 && row >= rows {
        let what = format!("the image of wavelengths has {rows} rows, not {}", row + 1);
        let cure = "open it as an image".to_owned();
        return Err(DataError::new(file.path(), Problem::Shape { hdu, what, cure }));
    }
    let range = |(i, &n): (usize, &usize)| match i {
        i if i == last => 0..n,
        i if i + 1 == last && rows > 1 => row..row + 1,
        _ => 0..1.min(n),
    };
    let ranges: Vec<_> = shape.iter().enumerate().map(range).collect();
    let mut values: Vec<f64> = file.read_box::<f64>(hdu, &ranges)?.into_iter().collect();
    if unit.name.to_ascii_uppercase().ends_with("LOGLAM") {
        values.iter_mut().for_each(|value| *value = 10f64.powf(*value));
    }
    let text = unit.unit().map(str::to_owned);
    let kind =
        in_words(&unit.header).unwrap_or_else(|| match kind_by_unit(&unit.header, text.as_deref(), "WAVE", false) {
            AxisKind::Pixel => AxisKind::Wavelength,
            kind => kind,
        });
    Ok(SpectralAxis { values, unit: text, kind })
}
