//! World coordinates in the description of a file.

use std::fmt::Write as _;

use serde::Serialize;

use crate::data::{AxisKind, Hdu, HduKind, Header, Wcs, WorldAxis, format_dec, format_ra};

/// World coordinate of a pixel along one axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorldInfo {
    /// Type of the axis: "RA", "GLAT", "AWAV".
    pub name: String,
    /// Unit of `value`: degrees on the sky, else the header's own.
    pub unit: String,
    /// Value.
    pub value: f64,
    /// Value in SI units; spectral axes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_si: Option<f64>,
    /// The SI unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_si: Option<&'static str>,
    /// The axis in words: "wavelength in air".
    pub meaning: String,
    /// Hours or degrees, minutes and seconds, on the sky.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sexagesimal: Option<String>,
}

/// World coordinate of an axis.
pub(super) fn world_info(axis: &WorldAxis, value: f64) -> WorldInfo {
    let equatorial = axis.name == "RA";
    WorldInfo {
        name: axis.name.clone(),
        unit: axis.unit.clone(),
        value,
        value_si: axis.si.map(|(factor, _)| value * factor),
        unit_si: axis.si.map(|(_, unit)| unit),
        meaning: axis.describe(),
        // Galactic and ecliptic positions are given in decimal degrees.
        sexagesimal: match axis.kind {
            AxisKind::Longitude if equatorial => Some(format_ra(value, 3)),
            AxisKind::Latitude if axis.name == "DEC" => Some(format_dec(value, 2)),
            _ => None,
        },
    }
}

/// The world axes of an HDU in words, with the warnings of its world coordinates.
pub(super) fn describe_axes(hdu: &Hdu, warnings: &mut Vec<String>) -> Vec<String> {
    if !matches!(hdu.kind, HduKind::Image(_) | HduKind::CompressedImage { .. }) {
        return Vec::new();
    }
    axes_of(&hdu.header, warnings)
}

/// The world coordinates of a header in words, a line each: the axes, the place of the middle of the image, what is odd.
/// `shape` is that of the pixels, slowest axis first. Empty where the header has none.
pub fn world_words(header: &Header, shape: &[usize]) -> Vec<String> {
    let mut warnings = Vec::new();
    let axes = axes_of(header, &mut warnings);
    let mut lines = Vec::new();
    if !axes.is_empty() {
        lines.push(format!("World axes: {}", axes.join("; ")));
    }
    if let Ok(Some(wcs)) = Wcs::from_header(header) {
        let middle: Vec<f64> = shape.iter().rev().map(|n| (*n as f64 - 1.0) / 2.0).collect();
        if let Some(world) = wcs.world_from_pixel(&middle).filter(|_| !middle.is_empty()) {
            let told: Vec<String> =
                wcs.axes().iter().zip(world).map(|(axis, x)| world_info(axis, x).to_line()).collect();
            lines.push(format!("Middle of the image: {}", told.join("; ")));
        }
        if let Some(sky) = wcs.sky(&middle) {
            lines.push(format!("Pixels of {:.6} arcsec", sky.pixel_scale_arcsec));
        }
    }
    lines.extend(warnings.into_iter().map(|w| format!("Odd: {w}")));
    lines
}

/// The world axes of a header in words.
fn axes_of(header: &Header, warnings: &mut Vec<String>) -> Vec<String> {
    let wcs = match Wcs::from_header(header) {
        Ok(Some(wcs)) => wcs,
        Ok(None) => return Vec::new(),
        Err(problem) => {
            warnings.push(problem.to_string());
            return Vec::new();
        }
    };
    warnings.extend(wcs.warnings().iter().cloned());
    let words = wcs.axes().iter().map(|axis| {
        let mut text = axis.describe();
        let frame = match axis.kind {
            AxisKind::Longitude => wcs.sky_frame().filter(|_| axis.name == "RA"),
            _ if axis.is_spectral() => wcs.spectral_frame(),
            _ => None,
        };
        let told = [Some(axis.unit.as_str()).filter(|unit| !unit.is_empty()), frame];
        let told: Vec<&str> = told.into_iter().flatten().collect();
        if !told.is_empty() {
            let _infallible = write!(text, " [{}]", told.join(", "));
        }
        text
    });
    words.collect()
}

impl WorldInfo {
    /// One line for people.
    pub(super) fn to_line(&self) -> String {
        let mut line = format!("{}: ", self.meaning);
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        let _infallible = match &self.sexagesimal {
            Some(sexagesimal) => write!(line, "{sexagesimal} ({:.7}{unit})", self.value),
            None => write!(line, "{}{unit}", digits(self.value)),
        };
        if let (Some(si), Some(unit_si)) = (self.value_si, self.unit_si.filter(|&si| !si.is_empty() && si != self.unit))
        {
            let _infallible = write!(line, " ({si:.9e} {unit_si})");
        }
        line
    }
}

/// Twelve significant digits without trailing zeros.
fn digits(x: f64) -> String {
    let rounded: f64 = format!("{x:.11e}").parse().unwrap_or(x);
    if rounded != 0.0 && !(1e-4..1e13).contains(&rounded.abs()) { format!("{rounded:e}") } else { format!("{rounded}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_twelve_digits() {
        for (x, text) in
            [(0.0, "0"), (4752.5, "4752.5"), (0.1 + 0.2, "0.3"), (4.7525e-7, "4.7525e-7"), (1.4e9, "1400000000")]
        {
            assert_eq!(digits(x), text);
        }
    }
}
