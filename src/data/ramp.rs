//! Up-the-ramp exposures: the reads of an infrared detector in the order of time, as accumulated signal.
//!
//! Three forms are met: a plain cube `[read, y, x]`; JWST uncal, SCI `[integration, group, y, x]`; HST IMA, one SCI
//! extension a read in reverse order, in electrons per second, where SAMPTIME seconds have passed.

use ndarray::{Array4, ArrayView3, Axis, s};

use super::units::Unit;
use super::{DataError, FitsFile, Hdu, Problem, READ_LIMIT, Result, constant_image};

/// Which form a ramp has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RampForm {
    /// `[read, y, x]`.
    Cube,
    /// JWST `[integration, group, y, x]`.
    JwstUncal,
    /// HST IMA.
    HstIma,
}

/// A ramp.
#[derive(Debug, Clone, PartialEq)]
pub struct Ramp {
    /// Where it comes from.
    pub form: RampForm,
    /// Accumulated signal `[integration, read, y, x]`, reads in the order of time.
    pub signal: Array4<f32>,
    /// Time of each read in seconds since the start of the integration; read numbers from 0 where the header tells no
    /// times (`times_known` is false).
    pub times_s: Vec<f64>,
    /// False when `times_s` only counts.
    pub times_known: bool,
    /// Unit of the signal, e.g. "ELECTRONS" or "DN"; rates have been multiplied by their time.
    pub unit: Option<String>,
    /// HDU of each read in the order of time (one for a cube).
    pub hdus: Vec<usize>,
}

/// The form of the ramp that a file holds; `None` when there is none. A cube counts as one only when it is the first
/// image, has three axes longer than 1, and its third axis is not a world axis of another kind (CTYPE3 is missing, or
/// speaks of time or reads).
pub fn ramp_form(file: &FitsFile) -> Option<RampForm> {
    let primary = file.hdus().first()?;
    let science = sciences(file);
    let times = science.iter().filter(|hdu| hdu.header.get_f64("SAMPTIME").is_some()).count();
    if times >= 2 && times == science.len() {
        return Some(RampForm::HstIma);
    }
    let first = file.hdus().iter().find(|hdu| hdu.image().is_some())?;
    let groups = [primary, first].iter().any(|hdu| hdu.header.get_i64("NGROUPS").is_some());
    let long = first.shape();
    if groups && long.len() == 4 {
        return Some(RampForm::JwstUncal);
    }
    let axis = first.header.get_str("CTYPE3").unwrap_or("").trim().to_ascii_uppercase();
    let of_reads = axis.is_empty() || ["TIME", "READ", "UTC", "SAMP", "GROUP"].iter().any(|word| axis.contains(word));
    (long.len() == 3 && long.iter().all(|&n| n > 1) && of_reads).then_some(RampForm::Cube)
}

fn sciences(file: &FitsFile) -> Vec<&Hdu> {
    let is_image = |hdu: &&Hdu| hdu.image().is_some() || constant_image(hdu).is_some();
    file.hdus().iter().filter(|hdu| hdu.name.eq_ignore_ascii_case("SCI")).filter(is_image).collect()
}

/// Reads the ramp of a file.
///
/// # Errors
/// No ramp, reads of different shapes, above [`READ_LIMIT`], or unreadable.
pub fn read_ramp(file: &FitsFile) -> Result<Ramp> {
    match ramp_form(file) {
        Some(RampForm::HstIma) => read_ima(file),
        Some(form @ (RampForm::JwstUncal | RampForm::Cube)) => read_cube(file, form),
        None => {
            let what = "holds no ramp (a cube [read, y, x], a JWST uncal or an HST IMA)".to_owned();
            let cure = "open it as images".to_owned();
            Err(DataError::new(file.path(), Problem::Kind { hdu: 0, what, cure }))
        }
    }
}

fn read_ima(file: &FitsFile) -> Result<Ramp> {
    let mut reads: Vec<(&Hdu, f64)> =
        sciences(file).into_iter().filter_map(|hdu| Some((hdu, hdu.header.get_f64("SAMPTIME")?))).collect();
    reads.sort_by(|a, b| a.1.total_cmp(&b.1));
    let shape_of = |hdu: &Hdu| constant_image(hdu).map_or_else(|| hdu.shape(), |(shape, _)| shape);
    let shape = reads.first().map(|(hdu, _)| shape_of(hdu)).unwrap_or_default();
    let [y, x] = *shape.as_slice() else {
        return Err(odd(
            file,
            reads.first().map_or(0, |(hdu, _)| hdu.index),
            format!("a read has the shape {shape:?}"),
        ));
    };
    let bytes = (reads.len() as u64).saturating_mul(y as u64).saturating_mul(x as u64).saturating_mul(4);
    let filled: u64 = reads.iter().map(|(hdu, _)| hdu.data_present).sum();
    // Constant reads need no bytes in the file: without one whole read on disk there is nothing to look at.
    if bytes > READ_LIMIT || (bytes > 1 << 26 && filled < bytes / 64) {
        return Err(DataError::new(file.path(), Problem::Memory { hdu: 0, bytes, limit: READ_LIMIT }));
    }
    if let Some((wrong, _)) = reads.iter().find(|(hdu, _)| shape_of(hdu) != shape) {
        return Err(odd(file, wrong.index, format!("its shape is not the {shape:?} of the other reads")));
    }
    let text = reads.first().and_then(|(hdu, _)| hdu.unit()).unwrap_or_default().to_owned();
    let is_rate = is_rate(&text);
    let mut signal = Array4::zeros((1, reads.len(), y, x));
    for (i, (hdu, time)) in reads.iter().enumerate() {
        let mut read = match constant_image(hdu) {
            Some((_, value)) => ndarray::Array2::from_elem((y, x), value as f32),
            None => file.read_image::<f32>(hdu.index)?,
        };
        if is_rate {
            read.mapv_inplace(|rate| (f64::from(rate) * time) as f32);
        }
        signal.slice_mut(s![0, i, .., ..]).assign(&read);
    }
    let unit =
        if is_rate { text.rsplit_once('/').map_or(text.clone(), |(signal, _)| signal.trim().to_owned()) } else { text };
    Ok(Ramp {
        form: RampForm::HstIma,
        signal,
        times_s: reads.iter().map(|&(_, time)| time).collect(),
        times_known: true,
        unit: Some(unit).filter(|unit| !unit.is_empty()),
        hdus: reads.iter().map(|(hdu, _)| hdu.index).collect(),
    })
}

/// The unit is something per second.
fn is_rate(text: &str) -> bool {
    let Some((signal, _)) = text.rsplit_once('/') else { return false };
    Unit::parse(text).factor_to(&Unit::parse(&format!("{}/s", signal.trim()))).is_some()
        || text.trim().to_ascii_uppercase().ends_with("/S")
}

fn read_cube(file: &FitsFile, form: RampForm) -> Result<Ramp> {
    let hdu = file.hdus().iter().find(|hdu| hdu.image().is_some());
    let hdu = hdu.ok_or_else(|| odd(file, 0, "there is no image".into()))?;
    let signal = file.read_array::<f32>(hdu.index)?;
    let signal = match form {
        RampForm::Cube => signal.insert_axis(Axis(0)),
        RampForm::JwstUncal | RampForm::HstIma => signal,
    };
    let signal: Array4<f32> = signal.into_dimensionality().map_err(|error| odd(file, hdu.index, error.to_string()))?;
    let reads = signal.len_of(Axis(1));
    let primary = file.hdus().first().unwrap_or(hdu);
    let number = |keyword: &str| hdu.header.get_f64(keyword).or_else(|| primary.header.get_f64(keyword));
    let step = number("TGROUP").filter(|&t| t > 0.0);
    let (times_s, times_known) = match (form, step) {
        (RampForm::JwstUncal, Some(step)) => {
            // The mean time of the frames of a group, when the time of a frame is known.
            let frames = number("NFRAMES").unwrap_or(1.0);
            let first = number("TFRAME").map_or(step, |frame| frame * (frames + 1.0) / 2.0);
            ((0..reads).map(|i| first + step * i as f64).collect(), true)
        }
        _ => match (number("CDELT3").or_else(|| number("CD3_3")), number("CRVAL3")) {
            (Some(step), start) if step > 0.0 => {
                let origin = number("CRPIX3").unwrap_or(1.0);
                let at = |i: usize| start.unwrap_or(0.0) + step * (i as f64 + 1.0 - origin);
                ((0..reads).map(at).collect(), hdu.header.get_str("CTYPE3").is_some())
            }
            _ => ((0..reads).map(|i| i as f64).collect(), false),
        },
    };
    Ok(Ramp { form, signal, times_s, times_known, unit: hdu.unit().map(str::to_owned), hdus: vec![hdu.index] })
}

impl Ramp {
    /// The reads of one integration, `[read, y, x]`.
    pub fn integration(&self, number: usize) -> Option<ArrayView3<'_, f32>> {
        (number < self.signal.len_of(Axis(0))).then(|| self.signal.index_axis(Axis(0), number))
    }
}

fn odd(file: &FitsFile, hdu: usize, what: String) -> DataError {
    let cure = "open its HDUs as images".to_owned();
    DataError::new(file.path(), Problem::Shape { hdu, what, cure })
}
