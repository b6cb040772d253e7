//! FITS out: float32 images in one file, and the same read back.
//!
//! The writer is our own few lines because three promises need it: floats in headers that read back bit-equal, HISTORY
//! cards, and an error when the disk is full. CFITSIO through `fitsio` prints 15 digits, has no safe call for HISTORY,
//! and loses errors of its last flush when the handle is dropped. Tests read what is written here by CFITSIO.

use std::io::{self, Write};
use std::path::Path;

use ndarray::{ArrayD, ArrayViewD};

use super::atomic::write_atomically;
use super::cards_out::{CardWriter, Keyword};
use super::header::BLOCK;
use super::{DataError, FitsFile, Problem, Result, Value, pixel_scale_arcsec};

/// One image to write.
#[derive(Debug, Clone)]
pub struct Plane<'a> {
    /// EXTNAME.
    pub name: &'a str,
    /// Pixels, `[y, x]`, `[z, y, x]` or any number of axes from one on.
    pub pixels: ArrayViewD<'a, f32>,
    /// BUNIT; empty for none.
    pub unit: &'a str,
    /// More keywords, for example from [`super::arcsec_grid`].
    pub keywords: Vec<Keyword>,
}

/// One image as read back.
#[derive(Debug, Clone)]
pub struct OwnedPlane {
    /// EXTNAME, "PRIMARY" for a nameless primary HDU, else empty.
    pub name: String,
    /// Pixels, slowest axis first.
    pub pixels: ArrayD<f32>,
    /// BUNIT; empty for none.
    pub unit: String,
    /// The other keywords with values, structural ones left out.
    pub keywords: Vec<Keyword>,
    /// Side of a pixel in arcsec, if the header tells.
    pub pixel_scale_arcsec: Option<f64>,
}

/// Writes images to a FITS file: the first is the primary HDU, the others are extensions; HISTORY goes to the primary.
/// Long history lines are wrapped. No date is written, so that equal images give equal files. An existing file is
/// replaced in one step.
///
/// # Errors
/// No planes, an empty image, a keyword that cannot be written, or what the system refuses.
pub fn write_planes(path: &Path, planes: &[Plane], history: &[String]) -> Result<()> {
    let refuse = |problem| DataError::new(path, problem);
    if planes.is_empty() {
        return Err(refuse(Problem::Write {
            what: "a FITS file".into(),
            reason: "there are no images to put in".into(),
        }));
    }
    let headers = planes
        .iter()
        .enumerate()
        .map(|(i, plane)| header(plane, i, planes.len(), history))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(refuse)?;
    write_atomically(path, |out| {
        for (header, plane) in headers.iter().zip(planes) {
            out.write_all(header)?;
            write_pixels(out, &plane.pixels)?;
        }
        Ok(())
    })
}

/// Reads every image of a file, in order. Headers without data and tables are left out.
///
/// # Errors
/// A file that cannot be read, or has no images.
pub fn read_planes(path: &Path) -> Result<Vec<OwnedPlane>> {
    let file = FitsFile::open(path)?;
    let mut planes = Vec::new();
    for hdu in file.hdus().iter().filter(|hdu| hdu.image().is_some()) {
        let keywords = hdu.header.cards().iter().filter(|card| !Keyword::is_structural(&card.keyword));
        planes.push(OwnedPlane {
            name: hdu.name.clone(),
            pixels: file.read_array(hdu.index)?,
            unit: hdu.unit().unwrap_or("").to_owned(),
            keywords: keywords
                .filter_map(|card| {
                    let value = card.value.clone()?;
                    Some(Keyword { name: card.keyword.clone(), value, comment: card.comment.clone() })
                })
                .collect(),
            pixel_scale_arcsec: pixel_scale_arcsec(&hdu.header),
        });
    }
    if planes.is_empty() {
        // The HDU that a reader would choose says best why there is nothing to read.
        let (_, _) = file.image_hdu(file.find(None)?)?;
    }
    Ok(planes)
}

fn header(plane: &Plane, index: usize, count: usize, history: &[String]) -> std::result::Result<Vec<u8>, Problem> {
    let shape = plane.pixels.shape();
    if shape.is_empty() || plane.pixels.is_empty() || shape.len() > 999 {
        let what = format!("image {:?}", plane.name);
        return Err(Problem::Write { what, reason: format!("its shape {shape:?} holds no pixels") });
    }
    let mut cards = CardWriter::default();
    if index == 0 {
        cards.value("SIMPLE", &Value::Logical(true), "FITS standard 4.0");
    } else {
        cards.value("XTENSION", &"IMAGE".into(), "image extension");
    }
    cards.value("BITPIX", &Value::Integer(-32), "32-bit float");
    cards.value("NAXIS", &Value::Integer(shape.len() as i64), "number of axes");
    for (n, &length) in shape.iter().rev().enumerate() {
        cards.value(&format!("NAXIS{}", n + 1), &Value::Integer(length as i64), "");
    }
    if index > 0 {
        cards.value("PCOUNT", &Value::Integer(0), "");
        cards.value("GCOUNT", &Value::Integer(1), "");
    } else if count > 1 {
        cards.value("EXTEND", &Value::Logical(true), "extensions follow");
    }
    if !plane.name.is_empty() {
        cards.value("EXTNAME", &plane.name.into(), "");
    }
    if !plane.unit.is_empty() {
        cards.value("BUNIT", &plane.unit.into(), "");
    }
    for keyword in &plane.keywords {
        cards.keyword(keyword)?;
    }
    if index == 0 {
        for line in history {
            cards.commentary("HISTORY", line);
        }
    }
    Ok(cards.finish())
}

fn write_pixels(out: &mut dyn Write, pixels: &ArrayViewD<f32>) -> io::Result<()> {
    const AT_ONCE: usize = 16 * 1024;
    let mut bytes = Vec::with_capacity(4 * AT_ONCE);
    for &pixel in pixels {
        bytes.extend_from_slice(&pixel.to_be_bytes());
        if bytes.len() >= 4 * AT_ONCE {
            out.write_all(&bytes)?;
            bytes.clear();
        }
    }
    // The blocks before the last chunk are whole ones or not; only the total decides the padding.
    let total = pixels.len() * 4;
    bytes.resize(bytes.len() + total.next_multiple_of(BLOCK) - total, 0);
    out.write_all(&bytes)
}
