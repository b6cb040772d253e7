//! The ten nebular lines of the study: where they lie at rest, and which ratios physics fixes.

use crate::data::spectral_lines::vacuum_from_air;
use crate::data::spectral_units::LIGHT_SPEED_M_S;

/// Speed of light, km/s.
pub const LIGHT_SPEED_KM_S: f64 = LIGHT_SPEED_M_S * 1e-3;

/// [NII] 6583 / 6548: ratio of the transition rates, the same in every nebula.
pub const NITROGEN_DOUBLET: f64 = 2.96;
/// [OIII] 5007 / 4959: ratio of the transition rates.
pub const OXYGEN_DOUBLET: f64 = 2.98;

/// An emission line. The order is that of the spectra: from the blue.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub enum Line {
    /// [OII] 3726.
    OII3726,
    /// [OII] 3729.
    OII3729,
    /// H beta.
    Hbeta,
    /// [OIII] 4959.
    OIII4959,
    /// [OIII] 5007.
    OIII5007,
    /// [NII] 6548.
    NII6548,
    /// H alpha.
    Halpha,
    /// [NII] 6583.
    NII6583,
    /// [SII] 6716.
    SII6716,
    /// [SII] 6731.
    SII6731,
}

impl Line {
    /// Every line, from the blue.
    pub const ALL: [Self; 10] = [
        Self::OII3726,
        Self::OII3729,
        Self::Hbeta,
        Self::OIII4959,
        Self::OIII5007,
        Self::NII6548,
        Self::Halpha,
        Self::NII6583,
        Self::SII6716,
        Self::SII6731,
    ];

    /// Its name in requests, maps and metrics: `NII6583`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OII3726 => "OII3726",
            Self::OII3729 => "OII3729",
            Self::Hbeta => "Hbeta",
            Self::OIII4959 => "OIII4959",
            Self::OIII5007 => "OIII5007",
            Self::NII6548 => "NII6548",
            Self::Halpha => "Halpha",
            Self::NII6583 => "NII6583",
            Self::SII6716 => "SII6716",
            Self::SII6731 => "SII6731",
        }
    }

    /// The line of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|line| line.name() == name)
    }

    /// Rest wavelength in air, nm (the list of ORB, `orb/core.py`).
    pub fn air_nm(self) -> f64 {
        match self {
            Self::OII3726 => 372.6032,
            Self::OII3729 => 372.8815,
            Self::Hbeta => 486.1333,
            Self::OIII4959 => 495.8911,
            Self::OIII5007 => 500.6843,
            Self::NII6548 => 654.805,
            Self::Halpha => 656.2819,
            Self::NII6583 => 658.345,
            Self::SII6716 => 671.6440,
            Self::SII6731 => 673.0816,
        }
    }

    /// Rest wavelength in vacuum, nm.
    pub fn vacuum_nm(self) -> f64 {
        1e9 * vacuum_from_air(self.air_nm() * 1e-9)
    }

    /// Rest wavenumber as ORB and the papers of SITELLE take it, cm-1: one over the wavelength in **air**.
    pub fn air_wavenumber(self) -> f64 {
        1e7 / self.air_nm()
    }

    /// Rest wavenumber in vacuum, cm-1.
    pub fn vacuum_wavenumber(self) -> f64 {
        1e7 / self.vacuum_nm()
    }
}

/// [SII] 6716 / 6731 at an electron density in cm-3 (Sanders et al. 2016, ApJ 816, 23): 1.45 in thin gas, 0.43 in dense.
pub fn sulphur_doublet(density_cm3: f64) -> f64 {
    0.4315 * (2107.0 + density_cm3) / (627.1 + density_cm3)
}

/// [OII] 3729 / 3726 at an electron density in cm-3 (Sanders et al. 2016, ApJ 816, 23): 1.46 in thin gas, 0.38 in dense.
pub fn singly_ionised_oxygen_doublet(density_cm3: f64) -> f64 {
    0.3771 * (2468.0 + density_cm3) / (638.4 + density_cm3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vacuum wavelengths of the NIST Atomic Spectra Database (H alpha as the mean of its components), nm.
    #[test]
    fn vacuum_wavelengths_are_those_of_the_tables() {
        for (line, vacuum_nm) in [(Line::Halpha, 656.4632), (Line::Hbeta, 486.2691), (Line::NII6583, 658.5268)] {
            assert!((line.vacuum_nm() - vacuum_nm).abs() < 1e-3, "{} {}", line.name(), line.vacuum_nm());
        }
        for line in Line::ALL {
            let back = 1e9 * crate::data::spectral_lines::air_from_vacuum(line.vacuum_nm() * 1e-9);
            assert!((back - line.air_nm()).abs() < 1e-10);
            assert_eq!(Line::by_name(line.name()), Some(line));
        }
        assert!(Line::ALL.windows(2).all(|pair| pair[0].air_nm() < pair[1].air_nm()));
    }

    #[test]
    fn doublets_have_their_limits() {
        assert!((sulphur_doublet(0.0) - 1.45).abs() < 0.005 && (sulphur_doublet(1e9) - 0.43).abs() < 0.005);
        assert!((singly_ionised_oxygen_doublet(0.0) - 1.46).abs() < 0.005);
        assert!((singly_ionised_oxygen_doublet(1e9) - 0.38).abs() < 0.005);
    }
}
