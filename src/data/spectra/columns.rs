//! Spectra in tables: which columns are axis, flux, error and mask.

use crate::data::{ErrorKind, FitsColumn, FitsFile, Hdu, Result, TableLayout};

use super::axis::{AxisKind, SpectralAxis, in_words, kind_by_unit};
use super::{Spectrum, sigmas};

/// The columns of a spectrum, by 0-based number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SpectrumColumns {
    axis: usize,
    /// The axis holds base-10 logarithms (SDSS loglam).
    is_log: bool,
    axis_name: String,
    flux: usize,
    error: Option<(usize, ErrorKind)>,
    mask: Option<usize>,
    /// Each row holds a whole spectrum.
    pub are_vectors: bool,
}

const AXES: [&str; 14] = [
    "LOGLAM",
    "WAVE",
    "WAVELENGTH",
    "LAMBDA",
    "LAM",
    "AWAV",
    "WAVE_AIR",
    "WAVE_VAC",
    "FREQ",
    "FREQUENCY",
    "ENERGY",
    "WAVENUMBER",
    "VELOCITY",
    "VELO",
];
const FLUXES: [&str; 8] =
    ["FLUX", "FLUX_REDUCED", "FLUX_CAL", "FLUXDENSITY", "FLUX_DENSITY", "SPECTRUM", "INTENSITY", "SPEC"];
const ERRORS: [(&str, ErrorKind); 12] = [
    ("IVAR", ErrorKind::InverseVariance),
    ("FLUX_IVAR", ErrorKind::InverseVariance),
    ("ERR", ErrorKind::Sigma),
    ("ERROR", ErrorKind::Sigma),
    ("ERR_FLUX", ErrorKind::Sigma),
    ("ERR_REDUCED", ErrorKind::Sigma),
    ("FLUX_ERR", ErrorKind::Sigma),
    ("FLUX_ERROR", ErrorKind::Sigma),
    ("SIGMA", ErrorKind::Sigma),
    ("UNCERTAINTY", ErrorKind::Sigma),
    ("VARIANCE", ErrorKind::Variance),
    ("STAT", ErrorKind::Variance),
];
const MASKS: [&str; 6] = ["AND_MASK", "MASK", "QUAL", "QUALITY", "DQ", "FLAGS"];

/// Recognises a spectrum by IVOA UTYPEs (`Spectrum.Data.SpectralAxis.Value`), else by the names of its columns.
pub(super) fn recognise(hdu: &Hdu, table: &TableLayout) -> Option<SpectrumColumns> {
    let names: Vec<String> = table.columns.iter().map(|column| column.name.trim().to_ascii_uppercase()).collect();
    let find = |wanted: &[&str]| wanted.iter().find_map(|name| names.iter().position(|have| have == name));
    let by_utype = |ending: &str| {
        (0..names.len()).find(|i| {
            let utype = ["TUTYP", "TUTYPE"].iter().find_map(|key| hdu.header.get_str(&format!("{key}{}", i + 1)));
            // Columns like BGFLUX have UTYPEs of extensions (eso:...), which end alike.
            utype.is_some_and(|utype| {
                let utype = utype.trim().to_ascii_lowercase();
                utype.ends_with(ending) && !utype.starts_with("eso:")
            })
        })
    };
    let axis = by_utype("data.spectralaxis.value").or_else(|| find(&AXES))?;
    let flux = by_utype("data.fluxaxis.value").or_else(|| find(&FLUXES)).filter(|&flux| flux != axis)?;
    let error = by_utype("data.fluxaxis.accuracy.staterror").map(|column| (column, ErrorKind::Sigma));
    let by_name = || ERRORS.iter().find_map(|&(name, kind)| find(&[name]).map(|column| (column, kind)));
    let form = |column: usize| {
        let form = table.columns.get(column)?.form.trim();
        let digits = form.bytes().take_while(u8::is_ascii_digit).count();
        Some((form.get(digits..)?.chars().next()?, form.get(..digits)?.parse::<u64>().unwrap_or(1)))
    };
    let is_number = |column: usize| form(column).is_some_and(|(letter, _)| !matches!(letter, 'A' | 'L' | 'X'));
    if !is_number(axis) || !is_number(flux) {
        return None;
    }
    let are_vectors = hdu.kind_name() == "binary_table"
        && [axis, flux]
            .iter()
            .all(|&column| form(column).is_some_and(|(letter, n)| n > 1 || matches!(letter, 'P' | 'Q')));
    let name = names.get(axis).cloned().unwrap_or_default();
    Some(SpectrumColumns {
        is_log: name == "LOGLAM",
        axis,
        axis_name: name,
        flux,
        error: error.or_else(by_name).filter(|&(column, _)| is_number(column)),
        mask: by_utype("data.fluxaxis.quality").or_else(|| find(&MASKS)).filter(|&column| is_number(column)),
        are_vectors,
    })
}

impl SpectrumColumns {
    /// Reads the spectrum of a row, or of all rows together.
    pub fn read(&self, file: &FitsFile, hdu: usize, row: Option<usize>) -> Result<Spectrum> {
        let mut wanted = vec![self.axis, self.flux];
        wanted.extend(self.error.map(|(column, _)| column));
        wanted.extend(self.mask);
        let rows = row.map_or(0..usize::MAX, |row| row..row.saturating_add(1));
        let table = file.read_columns(hdu, &wanted, rows)?;
        let mut columns = table.columns.iter();
        let mut next = || columns.next().and_then(FitsColumn::floats).unwrap_or_default();
        let (mut values, flux) = (next(), next());
        let error = self.error.map(|(_, kind)| sigmas(kind, &next()));
        let mask = self.mask.map(|_| next().iter().map(|&flag| flag != 0.0).collect());
        if self.is_log {
            values.iter_mut().for_each(|value| *value = 10f64.powf(*value));
        }
        let header = &file.hdu(hdu)?.header;
        let unit = |index: usize| table.columns.get(index).and_then(|column| column.unit.clone());
        let axis_unit = if self.is_log { Some("Angstrom".to_owned()) } else { unit(0) };
        let kind = match self.axis_name.as_str() {
            // SDSS wavelengths are in vacuum (SDSS data model, spec).
            "LOGLAM" | "WAVE_VAC" => AxisKind::VacuumWavelength,
            "AWAV" | "WAVE_AIR" => AxisKind::AirWavelength,
            "FREQ" | "FREQUENCY" => AxisKind::Frequency,
            "ENERGY" => AxisKind::Energy,
            "WAVENUMBER" => AxisKind::Wavenumber,
            "VELO" | "VELOCITY" => AxisKind::Velocity,
            name => match (in_words(header), kind_by_unit(header, axis_unit.as_deref(), name, false)) {
                (Some(kind), AxisKind::Wavelength) => kind,
                (_, kind) => kind,
            },
        };
        let primary = file.hdus().first().and_then(Hdu::unit).map(str::to_owned);
        Ok(Spectrum {
            axis: SpectralAxis { values, unit: axis_unit, kind },
            flux,
            // SDSS has the unit of the flux in the primary header only.
            unit: unit(1).or_else(|| file.hdu(hdu).ok()?.unit().map(str::to_owned)).or(primary),
            error,
            mask,
        })
    }
}
