//! Spectral axes: what they are, old names for them, and their units.
//!
//! Greisen et al. 2006 (A&A 446, 747), table 1; AIPS memo 27 for the old codes, translated as wcslib does.

use fitsy::wcs::SpectralKind;
use fitsy::wcs::spectral::to_si_factor;

use super::AxisKind;
use super::cards::Cards;
use crate::data::Header;

/// Kind, FITS code, SI unit.
const KINDS: [(&str, AxisKind, SpectralKind, &str); 10] = [
    ("FREQ", AxisKind::Frequency, SpectralKind::Freq, "Hz"),
    ("ENER", AxisKind::Energy, SpectralKind::Ener, "J"),
    ("WAVN", AxisKind::Wavenumber, SpectralKind::Wavn, "m-1"),
    ("WAVE", AxisKind::VacuumWavelength, SpectralKind::Wave, "m"),
    ("AWAV", AxisKind::AirWavelength, SpectralKind::Awav, "m"),
    ("VRAD", AxisKind::RadioVelocity, SpectralKind::Vrad, "m/s"),
    ("VOPT", AxisKind::OpticalVelocity, SpectralKind::Vopt, "m/s"),
    ("ZOPT", AxisKind::Redshift, SpectralKind::Zopt, ""),
    ("VELO", AxisKind::ApparentVelocity, SpectralKind::Velo, "m/s"),
    ("BETA", AxisKind::VelocityOverC, SpectralKind::Beta, ""),
];

/// Kind and SI unit of a CTYPE's first four letters.
pub(super) fn kind(code: &str) -> Option<(AxisKind, &'static str)> {
    KINDS.iter().find(|(name, ..)| *name == code).map(|(_, kind, _, si)| (*kind, *si))
}

/// SI units in one `unit` of a spectral type; an empty unit is SI. `None` when it is no unit of that type.
pub(super) fn si_factor(code: &str, unit: &str) -> Option<f64> {
    let (_, _, kind, _) = KINDS.iter().find(|(name, ..)| *name == code)?;
    super::super::containment::contained(|| to_si_factor(*kind, unit).ok()).ok()?.filter(|x| x.is_finite() && *x != 0.0)
}

/// Standard spelling of a unit that is met in another one; the unit itself where we know no better.
pub(super) fn standard_unit(unit: &str) -> String {
    let lower = unit.trim().to_ascii_lowercase();
    match lower.as_str() {
        "angstrom" | "angstroms" | "ang" | "a" | "angstroem" => "Angstrom",
        "nanometer" | "nanometers" | "nanometre" => "nm",
        "micron" | "microns" | "micrometer" | "micrometers" | "um" => "um",
        "meter" | "meters" | "metre" | "metres" => "m",
        "hz" | "hertz" => "Hz",
        "khz" => "kHz",
        "ghz" => "GHz",
        "km/s" | "km/sec" | "kms" | "km s-1" | "km.s-1" | "kms-1" | "km s^-1" => "km/s",
        "m/s" | "m/sec" | "ms-1" | "m s-1" | "m.s-1" | "m s^-1" => "m/s",
        "cm-1" | "cm^-1" | "1/cm" | "cm**-1" | "/cm" => "cm-1",
        "deg" | "degree" | "degrees" => "deg",
        "arcsecond" | "arcseconds" | "asec" | "arcsec" => "arcsec",
        "arcminute" | "arcminutes" | "amin" | "arcmin" => "arcmin",
        "radian" | "radians" | "rad" => "rad",
        "ev" => "eV",
        "kev" => "keV",
        // MHz and mHz differ; only the capital form without doubt is repaired.
        _ if unit.trim() == "MHZ" => "MHz",
        _ => return unit.trim().to_owned(),
    }
    .to_owned()
}

/// Gives spectral axes their standard names: AIPS codes, and axes that are told only by their unit. The numbers are
/// put right where the name alone is not enough. Gives SPECSYS where an AIPS code tells it.
pub(super) fn standardise(cards: &mut Cards, header: &Header, rest_known: bool) -> Option<String> {
    let mut frame = None;
    let velref = header.get_i64("VELREF").filter(|&n| n > 0);
    for i in 0..cards.axes.len() {
        let name = cards.axes[i].kind.clone();
        let (code, tail) = (cards.type_of(i).to_owned(), name.get(4..).unwrap_or("").trim().to_owned());
        let aips_frame = match tail.as_str() {
            "-LSR" => Some("LSRK"),
            "-HEL" => Some("BARYCENT"),
            "-OBS" => Some("TOPOCENT"),
            _ => None,
        };
        let bare = tail.is_empty();
        let aips = matches!(code.as_str(), "FREQ" | "VELO" | "FELO") && (bare || aips_frame.is_some());
        if aips && (aips_frame.is_some() || velref.is_some() || code == "FELO") {
            // VELREF, where it stands, says more than the code: frame, and 256 more for a radio velocity.
            let told = velref.and_then(|n| match n % 256 {
                1 => Some("LSRK"),
                2 => Some("BARYCENT"),
                3 => Some("TOPOCENT"),
                4 => Some("LSRD"),
                5 => Some("GEOCENTR"),
                6 => Some("SOURCE"),
                7 => Some("GALACTOC"),
                _ => None,
            });
            frame = told.or(aips_frame).map(str::to_owned).or(frame);
            let radio = velref.is_some_and(|n| n > 256);
            cards.axes[i].kind = match code.as_str() {
                "FELO" if rest_known => "VOPT-F2W",
                "FELO" => {
                    cards
                        .warnings
                        .push(format!("{name} needs RESTFREQ, which is missing; the axis is taken as linear"));
                    "VOPT"
                }
                "VELO" if radio => "VRAD",
                "VELO" => "VOPT",
                _ => "FREQ",
            }
            .to_owned();
        } else if !aips && matches!(name.as_str(), "LINEAR" | "LAMBDA" | "WAVELENGTH" | "WAVELENG" | "" | "AWAVE") {
            unit_tells(cards, i);
        } else if kind(&code).is_some() && (name.len() < 8 || tail.trim_matches('-').is_empty()) {
            // "VELOCITY", "FREQUENCY" and the like are longer and stay what they are: plain linear axes.
            cards.axes[i].kind = code;
        }
    }
    frame
}

/// A linear axis in Angstrom is a wavelength (real MUSE cubes); nothing says whether in air or vacuum.
fn unit_tells(cards: &mut Cards, i: usize) {
    let axis = &mut cards.axes[i];
    let unit = standard_unit(&axis.unit);
    let named = axis.kind.starts_with("LAMBDA") || axis.kind.starts_with("WAVE");
    let code = match unit.as_str() {
        "Angstrom" | "nm" | "um" => "WAVE",
        "m" if named => "WAVE",
        "Hz" | "kHz" | "MHz" | "GHz" => "FREQ",
        "cm-1" => "WAVN",
        _ => return,
    };
    axis.kind = if code == "WAVE" { super::UNSTATED.to_owned() } else { code.to_owned() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_go_to_si() {
        let near = |code: &str, unit: &str, factor: f64| {
            let found = si_factor(code, &standard_unit(unit)).unwrap_or_else(|| panic!("{code} {unit}"));
            assert!((found / factor - 1.0).abs() < 1e-15, "{code} {unit} {found}");
        };
        near("WAVE", "Angstrom", 1e-10);
        near("AWAV", "ANGSTROMS", 1e-10);
        near("WAVE", "micron", 1e-6);
        near("FREQ", "GHz", 1e9);
        near("WAVN", "cm-1", 100.0);
        near("WAVN", "1/cm", 100.0);
        near("WAVN", "/m", 1.0);
        near("VRAD", "KM/S", 1e3);
        near("ENER", "keV", 1.602_176_634e-16);
        near("ZOPT", "", 1.0);
        assert_eq!(si_factor("WAVE", "Jy"), None);
        assert_eq!(si_factor("RA", "deg"), None);
        assert_eq!(kind("AWAV"), Some((AxisKind::AirWavelength, "m")));
    }
}
