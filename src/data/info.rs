//! What is in a file, for people and for machines: `sextans info`.
//!
//! Here, and only here in this layer, pixels are 1-based and in FITS order (x, y, z).

mod world;

use std::fmt::Write as _;

use serde::Serialize;

use super::statistics::Statistics;
use super::{DataError, FitsFile, Hdu, HduKind, HduSelector, Location, Problem, Result, Wcs, pixel_scale_arcsec};
pub use world::{WorldInfo, world_words};
use world::{describe_axes, world_info};

/// Description of a file. Serialised with serde_json it is the output of `sextans info --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileInfo {
    /// Path as given.
    pub file: String,
    /// Size.
    pub bytes: u64,
    /// What is odd about the file as a whole.
    pub warnings: Vec<String>,
    /// Its HDUs, or the one asked for.
    pub hdus: Vec<HduInfo>,
    /// The pixel asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel: Option<PixelInfo>,
}

/// Description of an HDU.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HduInfo {
    /// Number; 0 is the primary.
    pub index: usize,
    /// EXTNAME.
    pub name: String,
    /// EXTVER.
    pub version: i64,
    /// `image`, `empty`, `binary_table`, `ascii_table`, `compressed_image`, `random_groups`, `foreign`, `damaged`.
    pub kind: &'static str,
    /// Slowest axis first; of a table `[rows, columns]`.
    pub shape: Vec<usize>,
    /// BITPIX of the pixels; null where there are none.
    pub bitpix: Option<i64>,
    /// BUNIT as written; null when missing.
    pub bunit: Option<String>,
    /// Side of a pixel in arcsec; null when unknown.
    pub pixel_scale_arcsec: Option<f64>,
    /// World axes in words, one for each; empty where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub axes: Vec<String>,
    /// Smallest finite value.
    pub min: Option<f64>,
    /// Largest finite value.
    pub max: Option<f64>,
    /// Mean of the finite values.
    pub mean: Option<f64>,
    /// Number of finite values; null where pixels were not read.
    pub finite: Option<u64>,
    /// Number of NaN and BLANK values.
    pub nan: Option<u64>,
    /// Columns of a table.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnInfo>,
    /// Compression of a compressed image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// What is odd about it.
    pub warnings: Vec<String>,
}

/// Description of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnInfo {
    /// TTYPEn.
    pub name: String,
    /// TFORMn.
    pub form: String,
    /// TUNITn.
    pub unit: String,
}

/// One pixel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PixelInfo {
    /// HDU it was read from.
    pub hdu: usize,
    /// Position, 1-based, x first.
    pub position: Vec<usize>,
    /// Value; null when missing or not finite.
    pub value: Option<f64>,
    /// World coordinates, in the order of the axes; empty when not known or outside the sky.
    pub world: Vec<WorldInfo>,
    /// Frame of the sky coordinates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sky_frame: Option<String>,
    /// SPECSYS: standard of rest of the spectral axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spectral_frame: Option<String>,
    /// What is odd about the world coordinates; also why there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Describes a file, reading every image of it once for the statistics. With an HDU in `location` only that one is
/// described. `pixel` is 1-based, x first; it is looked up in that HDU or in the first image.
///
/// # Errors
/// A file that cannot be read, no such HDU, or a pixel outside.
pub fn describe(location: &Location, pixel: Option<&[usize]>) -> Result<FileInfo> {
    let file = FitsFile::open(&location.path)?;
    describe_file(&file, location.hdu.as_ref(), pixel)
}

/// [`describe`] for a file that is open.
///
/// # Errors
/// As [`describe`].
pub fn describe_file(file: &FitsFile, selector: Option<&HduSelector>, pixel: Option<&[usize]>) -> Result<FileInfo> {
    let chosen = selector.map(|selector| file.find(Some(selector))).transpose()?;
    let described = file.hdus().iter().filter(|hdu| chosen.is_none_or(|index| index == hdu.index));
    Ok(FileInfo {
        file: file.path().display().to_string(),
        bytes: file.length(),
        warnings: file.warnings().to_vec(),
        hdus: described.map(|hdu| describe_hdu(file, hdu)).collect(),
        pixel: pixel.map(|position| describe_pixel(file, file.find(selector)?, position)).transpose()?,
    })
}

fn describe_hdu(file: &FitsFile, hdu: &Hdu) -> HduInfo {
    let mut warnings = hdu.warnings.clone();
    let mut statistics = None;
    if hdu.image().is_some() {
        match Statistics::of_hdu(file, hdu.index) {
            Ok(found) => statistics = Some(found),
            Err(error) => warnings.push(error.problem.to_string()),
        }
    }
    let (bitpix, codec) = match &hdu.kind {
        HduKind::Image(image) => (Some(image.bitpix), None),
        HduKind::RandomGroups { array, .. } => (Some(array.bitpix), None),
        HduKind::CompressedImage { codec, image, .. } => {
            (image.as_ref().map(|image| image.bitpix), Some(codec.clone()))
        }
        HduKind::Empty
        | HduKind::BinaryTable(_)
        | HduKind::AsciiTable(_)
        | HduKind::Foreign { .. }
        | HduKind::Damaged { .. } => (None, None),
    };
    let axes = if hdu.shape().is_empty() { Vec::new() } else { describe_axes(hdu, &mut warnings) };
    let columns = match &hdu.kind {
        HduKind::BinaryTable(table) | HduKind::AsciiTable(table) => table
            .columns
            .iter()
            .map(|c| ColumnInfo { name: c.name.clone(), form: c.form.clone(), unit: c.unit.clone() })
            .collect(),
        _ => Vec::new(),
    };
    HduInfo {
        index: hdu.index,
        name: hdu.name.clone(),
        version: hdu.version,
        kind: hdu.kind_name(),
        shape: hdu.shape(),
        bitpix: bitpix.map(super::Bitpix::code),
        bunit: hdu.unit().map(str::to_owned),
        pixel_scale_arcsec: pixel_scale_arcsec(&hdu.header),
        axes,
        min: statistics.and_then(|s| s.min),
        max: statistics.and_then(|s| s.max),
        mean: statistics.and_then(|s| s.mean).filter(|mean| mean.is_finite()),
        finite: statistics.map(|s| s.finite),
        nan: statistics.map(|s| s.nan),
        columns,
        codec,
        warnings,
    }
}

fn describe_pixel(file: &FitsFile, hdu: usize, position: &[usize]) -> Result<PixelInfo> {
    let (_, layout) = file.image_hdu(hdu)?;
    let inside = position.len() == layout.axes.len()
        && position.iter().zip(&layout.axes).all(|(&p, &n)| p >= 1 && p as u64 <= n);
    if !inside {
        let what = format!("pixel {position:?} (1-based, x first) does not lie in the axes {:?}", layout.axes);
        let cure = format!("give {} numbers, each from 1 to the length of its axis", layout.axes.len());
        return Err(DataError::new(file.path(), Problem::Shape { hdu, what, cure }));
    }
    let zero_based: Vec<usize> = position.iter().rev().map(|&p| p - 1).collect();
    let value = file.read_pixel(hdu, &zero_based)?;
    let mut info = PixelInfo {
        hdu,
        position: position.to_vec(),
        value: Some(value).filter(|v| v.is_finite()),
        world: Vec::new(),
        sky_frame: None,
        spectral_frame: None,
        warnings: Vec::new(),
    };
    match Wcs::from_header(&file.hdu(hdu)?.header) {
        Err(problem) => info.warnings.push(problem.to_string()),
        Ok(None) => {}
        Ok(Some(wcs)) => {
            let pixel: Vec<f64> = position.iter().map(|&p| p as f64 - 1.0).collect();
            match wcs.world_from_pixel(&pixel) {
                Some(world) => info.world = wcs.axes().iter().zip(world).map(|(axis, x)| world_info(axis, x)).collect(),
                None => info.warnings.push("the pixel lies outside the sky".into()),
            }
            info.sky_frame = wcs.sky_frame().map(str::to_owned);
            info.spectral_frame = wcs.spectral_frame().map(str::to_owned);
        }
    }
    Ok(info)
}

impl FileInfo {
    /// A short text for people: one line for the file, one for each HDU, and the odd things below.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let hdus = if self.hdus.len() == 1 { "1 HDU".to_owned() } else { format!("{} HDUs", self.hdus.len()) };
        let _infallible = writeln!(text, "{}: {} bytes, {hdus}", self.file, self.bytes);
        for hdu in &self.hdus {
            let _infallible = writeln!(text, "  {}", hdu.to_line());
            if !hdu.axes.is_empty() {
                let _infallible = writeln!(text, "       axes: {}", hdu.axes.join("; "));
            }
            for column in &hdu.columns {
                let unit = if column.unit.is_empty() { String::new() } else { format!(" [{}]", column.unit) };
                let _infallible = writeln!(text, "       column {} {}{unit}", column.name, column.form);
            }
            for warning in &hdu.warnings {
                let _infallible = writeln!(text, "       warning: {warning}");
            }
        }
        if let Some(pixel) = &self.pixel {
            let value = pixel.value.map_or_else(|| "no value".to_owned(), |v| v.to_string());
            let _infallible =
                writeln!(text, "  pixel {:?} (1-based, x first) of HDU {}: {value}", pixel.position, pixel.hdu);
            for axis in &pixel.world {
                let _infallible = writeln!(text, "       {}", axis.to_line());
            }
            let frames = [("sky", &pixel.sky_frame), ("spectral", &pixel.spectral_frame)];
            for (what, frame) in frames.into_iter().filter_map(|(what, frame)| Some((what, frame.as_ref()?))) {
                let _infallible = writeln!(text, "       {what} frame: {frame}");
            }
            for warning in &pixel.warnings {
                let _infallible = writeln!(text, "       warning: {warning}");
            }
        }
        for warning in &self.warnings {
            let _infallible = writeln!(text, "  warning: {warning}");
        }
        text
    }
}

impl HduInfo {
    fn to_line(&self) -> String {
        let name = match (self.name.as_str(), self.version) {
            ("", _) => "-".to_owned(),
            (name, 1) => name.to_owned(),
            (name, version) => format!("{name},{version}"),
        };
        let mut line = format!("{:<3}{name:<9} ", self.index);
        line.push_str(&self.kind.replace('_', " "));
        if let Some(codec) = &self.codec {
            let _infallible = write!(line, " ({codec})");
        }
        if self.kind.ends_with("table") {
            if let [rows, columns] = self.shape[..] {
                let _infallible = write!(line, ", {rows} rows, {columns} columns");
            }
        } else if !self.shape.is_empty() {
            let axes: Vec<String> = self.shape.iter().rev().map(ToString::to_string).collect();
            let _infallible = write!(line, " {}", axes.join(" x "));
        }
        if let Some(bitpix) = self.bitpix {
            let _infallible = write!(line, ", BITPIX {bitpix}");
        }
        if let Some(unit) = &self.bunit {
            let _infallible = write!(line, ", in {unit}");
        }
        if let Some(scale) = self.pixel_scale_arcsec {
            let _infallible = write!(line, ", {scale:.4} arcsec a pixel");
        }
        if let (Some(min), Some(max), Some(mean)) = (self.min, self.max, self.mean) {
            let _infallible = write!(line, "; min {}, max {}, mean {}", short(min), short(max), short(mean));
        }
        if let Some(nan) = self.nan.filter(|&nan| nan > 0) {
            let _infallible = write!(line, ", {nan} without value");
        }
        line
    }
}

/// Seven significant digits, as many as a 32-bit float has, and an exponent only where the number needs it.
fn short(x: f64) -> String {
    let scientific = format!("{x:.6e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..=9).contains(&exponent) {
        let digits = usize::try_from(6 - exponent).unwrap_or(0);
        trimmed(&format!("{x:.digits$}"))
    } else {
        format!("{}e{exponent}", trimmed(mantissa))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_keep_seven_digits() {
        for (x, text) in [
            (0.0, "0"),
            (-32.528_144_836, "-32.52814"),
            (1890.0, "1890"),
            (4.548_525_898e-17, "4.548526e-17"),
            (0.000_123_456_78, "0.0001234568"),
            (1_234_567_890.0, "1234567890"),
            (-1e300, "-1e300"),
        ] {
            assert_eq!(short(x), text);
        }
    }
}
