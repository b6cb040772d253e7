//! One-dimensional spectra, however a file keeps them: as images with a linear or logarithmic axis, as images beside
//! an image of wavelengths (DESI), as tables (SDSS), as one row of vectors (IVOA, ESO phase 3).

mod axis;
mod columns;

use super::triplets::{ErrorKind, triplets};
use super::{DataError, FitsFile, Problem, Result};

pub use axis::{AxisKind, SpectralAxis, spectral_axis};
use columns::SpectrumColumns;

/// A spectrum.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Where each value lies, ascending or descending as in the file.
    pub axis: SpectralAxis,
    /// Values; missing is NaN.
    pub flux: Vec<f64>,
    /// Their unit as written.
    pub unit: Option<String>,
    /// One standard deviation of each value; NaN where there is no information.
    pub error: Option<Vec<f64>>,
    /// True where the file marks a value as bad.
    pub mask: Option<Vec<bool>>,
}

/// Spectra that a file holds in one HDU.
#[derive(Debug, Clone, PartialEq)]
pub struct SpectraPlace {
    /// HDU number.
    pub hdu: usize,
    /// Number of spectra.
    pub count: usize,
    form: Form,
}

#[derive(Debug, Clone, PartialEq)]
enum Form {
    /// A 1-D image; its axis is in the header.
    Image,
    /// Rows of an image, with an image of the wavelengths.
    Rows { axis: usize },
    /// A table with one value a row.
    Table(SpectrumColumns),
    /// A table with one spectrum a row.
    Vectors(SpectrumColumns),
}

/// The spectra of a file, by HDU. Cubes and pictures are none.
pub fn find_spectra(file: &FitsFile) -> Vec<SpectraPlace> {
    let mut places = Vec::new();
    for triplet in triplets(file) {
        let hdu = triplet.data;
        let Ok(unit) = file.hdu(hdu) else { continue };
        let shape: Vec<usize> = unit.shape();
        let long: Vec<usize> = shape.iter().copied().filter(|&n| n > 1).collect();
        let is_axis = axis::is_wavelength_image(&unit.name);
        match (long.as_slice(), axis::wavelength_image(file, unit)) {
            _ if is_axis => {}
            ([n], Some(axis)) if shape.last() == Some(n) => {
                places.push(SpectraPlace { hdu, count: 1, form: Form::Rows { axis } });
            }
            ([rows, _], Some(axis)) if shape.len() == 2 => {
                places.push(SpectraPlace { hdu, count: *rows, form: Form::Rows { axis } });
            }
            ([n], None) if shape.last() == Some(n) => places.push(SpectraPlace { hdu, count: 1, form: Form::Image }),
            _ => {}
        }
    }
    for unit in file.hdus() {
        let Ok((_, table)) = file.table_hdu(unit.index) else { continue };
        let Some(found) = columns::recognise(unit, table) else { continue };
        let rows = usize::try_from(table.rows).unwrap_or(usize::MAX);
        let place = if found.are_vectors {
            SpectraPlace { hdu: unit.index, count: rows, form: Form::Vectors(found) }
        } else {
            SpectraPlace { hdu: unit.index, count: 1, form: Form::Table(found) }
        };
        if rows > 0 {
            places.push(place);
        }
    }
    places.sort_by_key(|place| place.hdu);
    places
}

/// Reads spectrum number `number` (0-based) of a place.
///
/// # Errors
/// No such spectrum, an axis and values of different lengths, or unreadable.
pub fn read_spectrum(file: &FitsFile, place: &SpectraPlace, number: usize) -> Result<Spectrum> {
    if number >= place.count {
        return Err(odd(
            file,
            place.hdu,
            format!("there is no spectrum {} of {}", number.saturating_add(1), place.count),
        ));
    }
    let spectrum = match &place.form {
        Form::Image => {
            let (flux, unit, error, mask) = image_row(file, place.hdu, 0)?;
            let header = &file.hdu(place.hdu)?.header;
            Spectrum { axis: spectral_axis(header, 1, flux.len()), flux, unit, error, mask }
        }
        Form::Rows { axis } => {
            let (flux, unit, error, mask) = image_row(file, place.hdu, number)?;
            Spectrum { axis: axis::read_wavelength_image(file, *axis, number)?, flux, unit, error, mask }
        }
        Form::Table(found) => found.read(file, place.hdu, None)?,
        Form::Vectors(found) => found.read(file, place.hdu, Some(number))?,
    };
    let length = spectrum.flux.len();
    let fits = spectrum.axis.values.len() == length
        && spectrum.error.as_ref().is_none_or(|error| error.len() == length)
        && spectrum.mask.as_ref().is_none_or(|mask| mask.len() == length);
    if !fits {
        let what = format!("its axis has {} values and its flux {length}", spectrum.axis.values.len());
        return Err(odd(file, place.hdu, what));
    }
    Ok(spectrum)
}

type Row = (Vec<f64>, Option<String>, Option<Vec<f64>>, Option<Vec<bool>>);

/// A row of an image with its error and mask.
fn image_row(file: &FitsFile, hdu: usize, row: usize) -> Result<Row> {
    let triplet = triplets(file).into_iter().find(|triplet| triplet.data == hdu);
    let read = |index: usize| -> Result<Vec<f64>> {
        let unit = file.hdu(index)?;
        if let Some((shape, value)) = super::constant_image(unit) {
            return Ok(vec![value; shape.last().copied().unwrap_or(0)]);
        }
        let shape = unit.shape();
        let last = shape.len().saturating_sub(1);
        let long_rows = shape.get(last.wrapping_sub(1)).is_some_and(|&n| n > 1);
        let range = |(i, &n): (usize, &usize)| match i {
            i if i == last => 0..n,
            i if i + 1 == last && long_rows => row..row + 1,
            _ => 0..1,
        };
        let ranges: Vec<_> = shape.iter().enumerate().map(range).collect();
        Ok(file.read_box::<f64>(index, &ranges)?.into_iter().collect())
    };
    let flux = read(hdu)?;
    let unit = file.hdu(hdu)?.unit().map(str::to_owned);
    let error = triplet.and_then(|triplet| triplet.error);
    let error = error.map(|(index, kind)| read(index).map(|values| sigmas(kind, &values))).transpose()?;
    let mask = triplet.and_then(|triplet| triplet.mask);
    // Bits that mark bad values; missing ones are bad too.
    let mask = mask.map(|index| read(index).map(|values| values.iter().map(|&v| v != 0.0).collect())).transpose()?;
    Ok((flux, unit, error, mask))
}

fn sigmas(kind: ErrorKind, values: &[f64]) -> Vec<f64> {
    values.iter().map(|&value| kind.sigma(value)).collect()
}

fn odd(file: &FitsFile, hdu: usize, what: String) -> DataError {
    let cure = "open it as an image or a table".to_owned();
    DataError::new(file.path(), Problem::Shape { hdu, what, cure })
}
