//! Positions and sizes as region files write them.

use super::System;
use crate::data::{parse_dec, parse_ra};

/// One of the two coordinates of a position; degrees on the sky.
pub(super) fn position(word: &str, system: System, axis: usize) -> Option<f64> {
    if let Ok(value) = word.parse::<f64>() {
        return Some(value).filter(|v| v.is_finite());
    }
    if !system.is_sky() {
        return None;
    }
    let suffixed = |suffix: char| word.strip_suffix(suffix)?.parse::<f64>().ok().filter(|v| v.is_finite());
    if let Some(degrees) = suffixed('d') {
        return Some(degrees);
    }
    if let Some(radians) = suffixed('r') {
        return Some(radians.to_degrees());
    }
    match (system, axis) {
        (System::Galactic, 0) => None,
        (_, 0) => parse_ra(word).ok(),
        _ => parse_dec(word).ok(),
    }
}

/// A size: pixels, or arcsec on the sky (where a bare number is degrees).
pub(super) fn size(word: &str, system: System) -> Option<f64> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0);
    if !system.is_sky() {
        let pixels = if system == System::Image { 'i' } else { 'p' };
        return number(word).or_else(|| number(word.strip_suffix(pixels)?));
    }
    let units = [('"', 1.0), ('\'', 60.0), ('d', 3600.0), ('r', 3600.0_f64.to_degrees())];
    let unit = units.iter().find_map(|(unit, arcsec)| Some((word.strip_suffix(*unit)?, arcsec)));
    match unit {
        Some((digits, arcsec)) => Some(number(digits)? * arcsec),
        None => Some(number(word)? * 3600.0),
    }
}

/// An angle in degrees.
pub(super) fn angle(word: &str) -> Option<f64> {
    let finite = |text: &str| text.parse::<f64>().ok().filter(|v| v.is_finite());
    finite(word)
        .or_else(|| finite(word.strip_suffix('d')?))
        .or_else(|| Some(finite(word.strip_suffix('r')?)?.to_degrees()))
}

/// A size in writing.
pub(super) fn size_text(value: f64, system: System) -> String {
    if system.is_sky() { format!("{value}\"") } else { format!("{value}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_sizes_are_read_with_their_units() {
        let near = |a: Option<f64>, b: f64| assert!((a.unwrap() - b).abs() < 1e-9, "{a:?} {b}");
        near(position("12:00:00", System::Fk5, 0), 180.0);
        near(position("12h0m0s", System::Icrs, 0), 180.0);
        near(position("-00:30:00", System::Fk5, 1), -0.5);
        near(position("180.5d", System::Fk5, 0), 180.5);
        near(position("3.141592653589793r", System::Galactic, 0), 180.0);
        near(position("-3.5", System::Image, 0), -3.5);
        assert_eq!(position("12:00:00", System::Image, 0), None);
        near(size("2\"", System::Fk5), 2.0);
        near(size("2'", System::Fk5), 120.0);
        near(size("0.5d", System::Galactic), 1800.0);
        near(size("0.5", System::Icrs), 1800.0);
        near(size("1r", System::Icrs), 206_264.806_247_096_36);
        near(size("7.5", System::Image), 7.5);
        near(size("7.5i", System::Image), 7.5);
        assert_eq!(size("7.5i", System::Fk5), None);
        assert_eq!(size("-1", System::Image), None);
        near(angle("30"), 30.0);
        near(angle("1r"), 57.295_779_513_082_32);
    }
}
