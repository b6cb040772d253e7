//! Spectral coordinates in the unit that a user reads: wavelength, frequency, wavenumber, energy, velocity.
//!
//! Values are converted one at a time where they are shown; no array of data is ever copied for it.
//! Wavelengths in air stay wavelengths in air; into vacuum, frequency, wavenumber and energy they are taken by the refraction
//! of air. Where nobody says whether an axis is in air or vacuum, nothing that would need to know is offered.

use serde::{Deserialize, Serialize};

use super::spectral_lines::{air_from_vacuum, vacuum_from_air};
use super::{AxisKind, Header, Unit, WorldAxis, spectra};

/// Speed of light in vacuum, m/s (exact, SI 2019).
pub const LIGHT_SPEED_M_S: f64 = 299_792_458.0;
/// Planck's constant, J s (exact, SI 2019).
const PLANCK_J_S: f64 = 6.626_070_15e-34;
/// Joules in a kiloelectronvolt (exact, SI 2019).
const JOULES_PER_KEV: f64 = 1.602_176_634e-16;

/// What a spectral coordinate is shown in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpectralUnit {
    /// As the header has it.
    #[default]
    Header,
    /// Number of the channel, from 1.
    Channel,
    /// Wavelength in nm.
    Nanometre,
    /// Wavelength in Angstrom.
    Angstrom,
    /// Wavelength in Angstrom in the other medium: in vacuum for an axis in air, in air for others.
    OtherAngstrom,
    /// Wavelength in micrometres.
    Micrometre,
    /// Frequency in MHz.
    Megahertz,
    /// Frequency in GHz.
    Gigahertz,
    /// Waves per centimetre.
    Wavenumber,
    /// Photon energy in keV.
    Kiloelectronvolt,
    /// c (wavelength - rest) / rest, in km/s.
    OpticalVelocity,
    /// c (rest - frequency) / rest, in km/s.
    RadioVelocity,
}

impl SpectralUnit {
    /// Every unit, in menu order.
    pub const ALL: [Self; 12] = [
        Self::Header,
        Self::Channel,
        Self::Nanometre,
        Self::Angstrom,
        Self::OtherAngstrom,
        Self::Micrometre,
        Self::Megahertz,
        Self::Gigahertz,
        Self::Wavenumber,
        Self::Kiloelectronvolt,
        Self::OpticalVelocity,
        Self::RadioVelocity,
    ];
}

/// What the values of an axis are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    Wavelength,
    Frequency,
    Wavenumber,
    Energy,
    OpticalVelocity,
    RadioVelocity,
    ApparentVelocity,
    Redshift,
    VelocityOverC,
    /// A velocity or redshift of unknown definition, or only a number.
    Number,
}

/// A spectral axis as its file gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct SpectralScale {
    quantity: Quantity,
    /// SI units in one unit of the header.
    si: f64,
    /// What it measures, for labels: "Wavelength (air)".
    pub label: String,
    /// Unit as written.
    pub unit: String,
    /// In air.
    in_air: bool,
    /// Whether air or vacuum is told.
    medium_told: bool,
    /// Rest wavelength in metres from the header, in the medium of the axis.
    pub rest_m: Option<f64>,
}

impl SpectralScale {
    /// The scale of a world axis; `None` when it is not spectral.
    pub fn of_axis(axis: &WorldAxis, header: &Header) -> Option<Self> {
        use AxisKind as Kind;
        let (quantity, label) = match axis.kind {
            Kind::Frequency => (Quantity::Frequency, "Frequency"),
            Kind::Energy => (Quantity::Energy, "Photon energy"),
            Kind::Wavenumber => (Quantity::Wavenumber, "Wavenumber"),
            Kind::VacuumWavelength => (Quantity::Wavelength, "Wavelength (vacuum)"),
            Kind::AirWavelength => (Quantity::Wavelength, "Wavelength (air)"),
            Kind::Wavelength => (Quantity::Wavelength, "Wavelength"),
            Kind::RadioVelocity => (Quantity::RadioVelocity, "Velocity (radio)"),
            Kind::OpticalVelocity => (Quantity::OpticalVelocity, "Velocity (optical)"),
            Kind::ApparentVelocity => (Quantity::ApparentVelocity, "Velocity (relativistic)"),
            Kind::Redshift => (Quantity::Redshift, "Redshift"),
            Kind::VelocityOverC => (Quantity::VelocityOverC, "Velocity over c"),
            Kind::Longitude | Kind::Latitude | Kind::Stokes | Kind::Other => return None,
        };
        Some(Self {
            quantity,
            si: axis.si.map_or(1.0, |(si, _)| si),
            label: label.to_owned(),
            unit: axis.unit.clone(),
            in_air: axis.kind == Kind::AirWavelength,
            medium_told: axis.kind != Kind::Wavelength,
            rest_m: rest_wavelength_m(header)
                .map(|m| if axis.kind == AxisKind::AirWavelength { air_from_vacuum(m) } else { m }),
        })
    }

    /// The scale of a one-dimensional spectrum.
    pub fn of_spectrum(axis: &spectra::SpectralAxis, rest_m: Option<f64>) -> Self {
        use spectra::AxisKind as Kind;
        let (quantity, label, si_unit) = match axis.kind {
            Kind::AirWavelength => (Quantity::Wavelength, "Wavelength (air)", "m"),
            Kind::VacuumWavelength => (Quantity::Wavelength, "Wavelength (vacuum)", "m"),
            Kind::Wavelength => (Quantity::Wavelength, "Wavelength", "m"),
            Kind::Frequency => (Quantity::Frequency, "Frequency", "Hz"),
            Kind::Wavenumber => (Quantity::Wavenumber, "Wavenumber", "m-1"),
            Kind::Energy => (Quantity::Energy, "Photon energy", "J"),
            Kind::Velocity => (Quantity::Number, "Velocity", ""),
            Kind::Pixel => (Quantity::Number, "Channel", ""),
        };
        let unit = axis.unit.clone().unwrap_or_default();
        let factor = Unit::parse(&unit).factor_to(&Unit::parse(si_unit));
        // Angstroms in any spelling, of which a strict reader of units knows one.
        let factor = factor.or_else(|| unit.to_ascii_lowercase().starts_with("angstrom").then_some(1e-10));
        Self {
            quantity: if factor.is_some() { quantity } else { Quantity::Number },
            si: factor.unwrap_or(1.0),
            label: label.to_owned(),
            unit,
            in_air: axis.kind == Kind::AirWavelength,
            medium_told: axis.kind != Kind::Wavelength,
            rest_m,
        }
    }

    /// Units that these values can be shown in, with a rest wavelength or without.
    pub fn options(&self, rest_known: bool) -> Vec<SpectralUnit> {
        // What the header has already is not offered twice.
        let own = self.unit_in(SpectralUnit::Header);
        let twice =
            |unit: &SpectralUnit| *unit != SpectralUnit::Header && !own.is_empty() && self.unit_in(*unit) == own;
        let is_velocity =
            |unit: &SpectralUnit| matches!(unit, SpectralUnit::OpticalVelocity | SpectralUnit::RadioVelocity);
        let other_medium = |unit: &SpectralUnit| *unit == SpectralUnit::OtherAngstrom;
        let offered = SpectralUnit::ALL.into_iter().filter(|unit| self.offers(*unit, rest_known));
        offered.filter(|unit| !twice(unit) || is_velocity(unit) || other_medium(unit)).collect()
    }

    fn offers(&self, unit: SpectralUnit, rest_known: bool) -> bool {
        let needs_rest = matches!(
            self.quantity,
            Quantity::OpticalVelocity
                | Quantity::RadioVelocity
                | Quantity::ApparentVelocity
                | Quantity::Redshift
                | Quantity::VelocityOverC
        );
        let light = self.quantity != Quantity::Number && (rest_known || !needs_rest);
        match unit {
            SpectralUnit::Header | SpectralUnit::Channel => true,
            SpectralUnit::Nanometre | SpectralUnit::Angstrom | SpectralUnit::Micrometre => light,
            SpectralUnit::Megahertz
            | SpectralUnit::Gigahertz
            | SpectralUnit::Wavenumber
            | SpectralUnit::Kiloelectronvolt => light && self.medium_told,
            // Air is for light: in the radio its refraction is another one, and nobody counts in it.
            SpectralUnit::OtherAngstrom => {
                let optical = matches!(self.quantity, Quantity::Wavelength | Quantity::Wavenumber);
                optical && self.medium_told
            }
            SpectralUnit::OpticalVelocity => light && rest_known,
            SpectralUnit::RadioVelocity => light && rest_known && self.medium_told,
        }
    }

    /// A value of the header in another unit; `channel` (from 0) is where it lies, `rest_m` the rest wavelength in
    /// metres (in the medium of the axis). NaN where it has none.
    pub fn convert(&self, value: f64, channel: f64, to: SpectralUnit, rest_m: Option<f64>) -> f64 {
        match to {
            SpectralUnit::Header => value,
            SpectralUnit::Channel => channel + 1.0,
            _ if !self.offers(to, rest_m.is_some()) => f64::NAN,
            _ => {
                let rest = rest_m.unwrap_or(f64::NAN);
                self.in_unit(self.wavelength_m(value * self.si, rest), to, rest)
            }
        }
    }

    /// A wavelength in metres, in the medium of the axis, in another unit; `rest_m` is in that medium too.
    fn in_unit(&self, wavelength_m: f64, unit: SpectralUnit, rest_m: f64) -> f64 {
        let vacuum = |m: f64| if self.in_air { vacuum_from_air(m) } else { m };
        match unit {
            SpectralUnit::OtherAngstrom if self.in_air => 1e10 * vacuum(wavelength_m),
            SpectralUnit::OtherAngstrom => 1e10 * air_from_vacuum(wavelength_m),
            SpectralUnit::Megahertz
            | SpectralUnit::Gigahertz
            | SpectralUnit::Wavenumber
            | SpectralUnit::Kiloelectronvolt
            | SpectralUnit::RadioVelocity => in_unit(vacuum(wavelength_m), unit, vacuum(rest_m)),
            _ => in_unit(wavelength_m, unit, rest_m),
        }
    }

    /// Where light of a wavelength in vacuum lies on the axis in a unit; `None` where the unit has no such place (a channel
    /// number, a velocity without rest). `air` overrides the medium of the axis, for files that are known better than their
    /// header; without it an axis that does not tell is taken to be in air.
    pub fn place_of(&self, vacuum_m: f64, unit: SpectralUnit, rest_m: Option<f64>, air: Option<bool>) -> Option<f64> {
        let wavelength = match air {
            Some(false) => vacuum_m,
            Some(true) => air_from_vacuum(vacuum_m),
            None if self.in_air || !self.medium_told => air_from_vacuum(vacuum_m),
            None => vacuum_m,
        };
        let rest = rest_m.unwrap_or(f64::NAN);
        let value = match unit {
            SpectralUnit::Channel => return None,
            SpectralUnit::Header => self.si_of(wavelength, rest) / self.si,
            _ => self.in_unit(wavelength, unit, rest),
        };
        Some(value).filter(|v| v.is_finite())
    }

    /// The value in SI of a wavelength in metres.
    fn si_of(&self, wavelength_m: f64, rest_m: f64) -> f64 {
        let c = LIGHT_SPEED_M_S;
        let squared = (wavelength_m / rest_m).powi(2);
        match self.quantity {
            Quantity::Wavelength => wavelength_m,
            Quantity::Frequency => c / wavelength_m,
            Quantity::Wavenumber => 1.0 / wavelength_m,
            Quantity::Energy => PLANCK_J_S * c / wavelength_m,
            Quantity::OpticalVelocity => c * (wavelength_m / rest_m - 1.0),
            Quantity::RadioVelocity => c * (1.0 - rest_m / wavelength_m),
            Quantity::ApparentVelocity => c * (squared - 1.0) / (squared + 1.0),
            Quantity::VelocityOverC => (squared - 1.0) / (squared + 1.0),
            Quantity::Redshift => wavelength_m / rest_m - 1.0,
            Quantity::Number => f64::NAN,
        }
    }

    /// False where the header does not say whether the axis is in air or vacuum.
    pub fn tells_medium(&self) -> bool {
        self.medium_told
    }

    /// The wavelength in metres of a value in SI.
    fn wavelength_m(&self, si: f64, rest_m: f64) -> f64 {
        let c = LIGHT_SPEED_M_S;
        match self.quantity {
            Quantity::Wavelength => si,
            Quantity::Frequency => c / si,
            Quantity::Wavenumber => 1.0 / si,
            Quantity::Energy => PLANCK_J_S * c / si,
            Quantity::OpticalVelocity => rest_m * (1.0 + si / c),
            Quantity::RadioVelocity => rest_m / (1.0 - si / c),
            Quantity::ApparentVelocity => rest_m * ((1.0 + si / c) / (1.0 - si / c)).sqrt(),
            Quantity::VelocityOverC => rest_m * ((1.0 + si) / (1.0 - si)).sqrt(),
            Quantity::Redshift => rest_m * (1.0 + si),
            Quantity::Number => f64::NAN,
        }
    }

    /// Name of the axis in a unit.
    pub fn label_in(&self, unit: SpectralUnit) -> String {
        let medium = match (self.in_air, self.medium_told) {
            (true, _) => " (air)",
            (false, true) => " (vacuum)",
            (false, false) => "",
        };
        match unit {
            SpectralUnit::Header => self.label.clone(),
            SpectralUnit::Channel => "Channel".into(),
            SpectralUnit::Nanometre | SpectralUnit::Angstrom | SpectralUnit::Micrometre => {
                format!("Wavelength{medium}")
            }
            SpectralUnit::OtherAngstrom if self.in_air => "Wavelength (vacuum)".into(),
            SpectralUnit::OtherAngstrom => "Wavelength (air)".into(),
            SpectralUnit::Megahertz | SpectralUnit::Gigahertz => "Frequency".into(),
            SpectralUnit::Wavenumber => "Wavenumber".into(),
            SpectralUnit::Kiloelectronvolt => "Photon energy".into(),
            SpectralUnit::OpticalVelocity => "Velocity (optical)".into(),
            SpectralUnit::RadioVelocity => "Velocity (radio)".into(),
        }
    }

    /// The unit in writing.
    pub fn unit_in(&self, unit: SpectralUnit) -> &str {
        match unit {
            SpectralUnit::Header if self.unit.to_ascii_lowercase().starts_with("angstrom") => "Å",
            SpectralUnit::Header if matches!(self.unit.as_str(), "cm-1" | "cm**-1" | "cm^-1" | "1/cm") => "cm⁻¹",
            SpectralUnit::Header if self.unit == "um" => "µm",
            SpectralUnit::Header => &self.unit,
            SpectralUnit::Channel => "",
            SpectralUnit::Nanometre => "nm",
            SpectralUnit::Angstrom | SpectralUnit::OtherAngstrom => "Å",
            SpectralUnit::Micrometre => "µm",
            SpectralUnit::Megahertz => "MHz",
            SpectralUnit::Gigahertz => "GHz",
            SpectralUnit::Wavenumber => "cm⁻¹",
            SpectralUnit::Kiloelectronvolt => "keV",
            SpectralUnit::OpticalVelocity | SpectralUnit::RadioVelocity => "km/s",
        }
    }

    /// [`Self::unit_in`] as FITS and ECSV write it.
    pub fn fits_unit_in(&self, unit: SpectralUnit) -> &str {
        match unit {
            SpectralUnit::Header => &self.unit,
            SpectralUnit::Channel => "",
            SpectralUnit::Nanometre => "nm",
            SpectralUnit::Angstrom | SpectralUnit::OtherAngstrom => "Angstrom",
            SpectralUnit::Micrometre => "um",
            SpectralUnit::Megahertz => "MHz",
            SpectralUnit::Gigahertz => "GHz",
            SpectralUnit::Wavenumber => "cm-1",
            SpectralUnit::Kiloelectronvolt => "keV",
            SpectralUnit::OpticalVelocity | SpectralUnit::RadioVelocity => "km/s",
        }
    }

    /// True when two axes measure the same thing in the same medium, so that a value of one is a place on the other.
    pub fn compares_with(&self, other: &Self) -> bool {
        let direct = |q: Quantity| {
            matches!(q, Quantity::Wavelength | Quantity::Frequency | Quantity::Wavenumber | Quantity::Energy)
        };
        let same_medium = self.in_air == other.in_air || !self.medium_told || !other.medium_told;
        same_medium && (self.quantity == other.quantity || (direct(self.quantity) && direct(other.quantity)))
    }

    /// A value of this axis as a value of another with which it [compares](Self::compares_with).
    pub fn value_on(&self, value: f64, other: &Self) -> Option<f64> {
        if !self.compares_with(other) {
            return None;
        }
        if self.quantity == other.quantity {
            return Some(value * self.si / other.si);
        }
        let wavelength = self.wavelength_m(value * self.si, f64::NAN);
        Some(other.si_of(wavelength, f64::NAN) / other.si).filter(|x| x.is_finite())
    }
}

fn in_unit(wavelength_m: f64, unit: SpectralUnit, rest_m: f64) -> f64 {
    let c = LIGHT_SPEED_M_S;
    match unit {
        SpectralUnit::Nanometre => wavelength_m * 1e9,
        SpectralUnit::Angstrom => wavelength_m * 1e10,
        SpectralUnit::Micrometre => wavelength_m * 1e6,
        SpectralUnit::Megahertz => c / wavelength_m * 1e-6,
        SpectralUnit::Gigahertz => c / wavelength_m * 1e-9,
        SpectralUnit::Wavenumber => 0.01 / wavelength_m,
        SpectralUnit::Kiloelectronvolt => PLANCK_J_S * c / wavelength_m / JOULES_PER_KEV,
        SpectralUnit::OpticalVelocity => c * (wavelength_m / rest_m - 1.0) * 1e-3,
        SpectralUnit::RadioVelocity => c * (1.0 - rest_m / wavelength_m) * 1e-3,
        SpectralUnit::Header | SpectralUnit::Channel | SpectralUnit::OtherAngstrom => f64::NAN,
    }
}

/// Rest wavelength in metres from RESTFRQ (or RESTFREQ) or RESTWAV.
fn rest_wavelength_m(header: &Header) -> Option<f64> {
    let positive = |key: &str| header.get_f64(key).filter(|x| x.is_finite() && *x > 0.0);
    let frequency = positive("RESTFRQ").or_else(|| positive("RESTFREQ"));
    frequency.map(|hz| LIGHT_SPEED_M_S / hz).or_else(|| positive("RESTWAV"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Wcs;

    fn scale(text: &str) -> SpectralScale {
        let header = Header::from_lines(text.as_bytes());
        let wcs = Wcs::from_header(&header).unwrap().unwrap();
        SpectralScale::of_axis(&wcs.axes()[wcs.spectral().unwrap()], &header).unwrap()
    }

    fn near(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
    }

    /// H alpha: 6564.61 Angstrom in vacuum, 6562.80 in air.
    #[test]
    fn the_rest_wavelength_of_a_header_is_taken_into_the_air_of_its_axis() {
        assert!((1e10 * air_from_vacuum(6564.61e-10) - 6562.80).abs() < 0.005);
        for (ctype, rest) in [("AWAV", 6562.80), ("WAVE", 6564.61)] {
            let cards = format!(
                "CTYPE1  = '{ctype}'\nCUNIT1  = 'Angstrom'\nCRVAL1  = 6500.0\nCDELT1  = 1.0\nCRPIX1  = 1.0\nRESTWAV = 6.56461E-7\n"
            );
            let header = Header::from_lines(cards.as_bytes());
            let wcs = Wcs::from_header(&header).unwrap().unwrap();
            let scale = SpectralScale::of_axis(&wcs.axes()[0], &header).unwrap();
            assert!((1e10 * scale.rest_m.unwrap() - rest).abs() < 0.005, "{ctype}: {:?}", scale.rest_m);
        }
    }

    #[test]
    fn the_21_cm_line_in_every_unit() {
        let hz = 1_420_405_751.77;
        let scale = scale("CTYPE1  = 'FREQ'\nCUNIT1  = 'Hz'\nCRVAL1  = 1.42E9\nCDELT1  = 1E4\nRESTFRQ = 1420405751.77");
        let rest = scale.rest_m;
        near(rest.unwrap(), 0.211_061_140_542);
        let at = |unit| scale.convert(hz, 6.0, unit, rest);
        near(at(SpectralUnit::Megahertz), 1_420.405_751_77);
        near(at(SpectralUnit::Micrometre), 211_061.140_542);
        assert!(at(SpectralUnit::RadioVelocity).abs() < 1e-9 && at(SpectralUnit::OpticalVelocity).abs() < 1e-9);
        near(at(SpectralUnit::Channel), 7.0);
        // 1 % below the rest frequency: radio velocity is exactly 0.01 c, optical 0.01 c / 0.99.
        near(scale.convert(0.99 * hz, 0.0, SpectralUnit::RadioVelocity, rest), 2_997.924_58);
        near(scale.convert(0.99 * hz, 0.0, SpectralUnit::OpticalVelocity, rest), 2_997.924_58 / 0.99);
        assert!(scale.convert(hz, 0.0, SpectralUnit::RadioVelocity, None).is_nan());
    }

    #[test]
    fn air_stays_air_and_vacuum_is_reached_by_refraction() {
        let scale = scale("CTYPE1  = 'AWAV'\nCUNIT1  = 'Angstrom'\nCRVAL1  = 7000\nCDELT1  = 1.25");
        assert_eq!(scale.label, "Wavelength (air)");
        let options = scale.options(true);
        assert!(options.contains(&SpectralUnit::Nanometre) && options.contains(&SpectralUnit::OpticalVelocity));
        // H alpha: 6562.80 Angstrom in air are 6564.61 in vacuum, 456680.5 GHz.
        let at = |unit| scale.convert(6562.8, 0.0, unit, None);
        assert!((at(SpectralUnit::OtherAngstrom) - 6564.61).abs() < 0.005);
        assert!((at(SpectralUnit::Wavenumber) - 1e8 / 6564.61).abs() < 0.02);
        near(at(SpectralUnit::Gigahertz), LIGHT_SPEED_M_S / at(SpectralUnit::OtherAngstrom) * 10.0);
        assert_eq!(scale.label_in(SpectralUnit::OtherAngstrom), "Wavelength (vacuum)");
        for unit in [SpectralUnit::Header, SpectralUnit::Angstrom] {
            let place = scale.place_of(6564.61e-10, unit, None, None).unwrap();
            assert!((place - 6562.80).abs() < 0.005, "{place}");
        }
        near(scale.place_of(6564.61e-10, SpectralUnit::Nanometre, None, Some(false)).unwrap(), 656.461);
        near(scale.place_of(6564.61e-10, SpectralUnit::OtherAngstrom, None, None).unwrap(), 6564.61);
        // Nobody says in what: then nothing is offered that would need it.
        let unstated = self::scale("CTYPE1  = 'LINEAR'\nCUNIT1  = 'Angstrom'\nCRVAL1  = 7000\nCDELT1  = 1.25");
        assert!(!unstated.tells_medium());
        let options = unstated.options(true);
        assert!(!options.contains(&SpectralUnit::Gigahertz) && !options.contains(&SpectralUnit::OtherAngstrom));
        near(scale.convert(7000.0, 0.0, SpectralUnit::Nanometre, None), 700.0);
        // H alpha at z = 0.088: c z.
        let rest = Some(6562.8e-10);
        near(scale.convert(6562.8 * 1.088, 0.0, SpectralUnit::OpticalVelocity, rest), 0.088 * 299_792.458);
    }

    #[test]
    fn wavenumbers_and_energies() {
        let sitelle =
            spectra::SpectralAxis { values: vec![], unit: Some("cm-1".into()), kind: spectra::AxisKind::Wavenumber };
        let scale = SpectralScale::of_spectrum(&sitelle, None);
        near(scale.convert(15_000.0, 0.0, SpectralUnit::Nanometre, None), 1e7 / 15_000.0);
        near(scale.convert(15_000.0, 0.0, SpectralUnit::Wavenumber, None), 15_000.0);
        near(scale.place_of(1e-2 / 15_000.0, SpectralUnit::Header, None, None).unwrap(), 15_000.0);
        let velocity =
            self::scale("CTYPE1  = 'VELO'\nCUNIT1  = 'km/s'\nCRVAL1  = 0\nCDELT1  = 1\nRESTWAV = 6.56461E-7");
        let place = velocity.place_of(6.7e-7, SpectralUnit::Header, velocity.rest_m, None).unwrap();
        near(velocity.convert(place, 0.0, SpectralUnit::Nanometre, velocity.rest_m), 670.0);
        let energy =
            spectra::SpectralAxis { values: vec![], unit: Some("keV".into()), kind: spectra::AxisKind::Energy };
        let scale = SpectralScale::of_spectrum(&energy, None);
        // hc = 1.239841984 nm keV.
        near(scale.convert(1.0, 0.0, SpectralUnit::Nanometre, None), 1.239_841_984_332_003);
    }

    #[test]
    fn axes_meet_where_they_measure_the_same() {
        let angstrom = scale("CTYPE1  = 'WAVE'\nCUNIT1  = 'Angstrom'\nCRVAL1  = 7000\nCDELT1  = 1.25");
        let terahertz = scale("CTYPE1  = 'FREQ'\nCUNIT1  = 'GHz'\nCRVAL1  = 4E5\nCDELT1  = 1");
        let air = scale("CTYPE1  = 'AWAV'\nCUNIT1  = 'nm'\nCRVAL1  = 700\nCDELT1  = 1");
        near(angstrom.value_on(7000.0, &terahertz).unwrap(), 299_792_458.0 / 7000e-10 / 1e9);
        assert_eq!(angstrom.value_on(7000.0, &air), None);
        near(air.value_on(700.0, &air).unwrap(), 700.0);
    }
}
