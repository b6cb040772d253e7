//! Where a line lies on a spectral axis: wavenumber or wavelength, air or vacuum, redshift and velocity.

use super::lines::{LIGHT_SPEED_KM_S, Line};
use crate::data::spectral_lines::{air_from_vacuum, vacuum_from_air};

/// What the axis counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Coordinate {
    /// Waves a centimetre.
    Wavenumber,
    /// Wavelength.
    Wavelength {
        /// Length of its unit in nm: 0.1 for Angstrom.
        unit_nm: f64,
    },
}

/// In what the wavelengths of an axis are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// Air: also the wavenumbers of SITELLE, whose software takes one over the wavelength in air.
    Air,
    /// Vacuum.
    Vacuum,
}

/// A spectral axis and the redshift at which velocities are counted from zero.
///
/// A velocity v is c (lambda - lambda0) / lambda0 with lambda0 = (1 + z) lambda_rest: positive when receding, and on a
/// wavenumber axis sigma = sigma0 / (1 + v / c).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// What the axis counts.
    pub coordinate: Coordinate,
    /// In what medium.
    pub medium: Medium,
    /// Redshift of velocity zero.
    pub redshift: f64,
}

impl Frame {
    /// Where a line of velocity zero lies, in units of the axis.
    pub fn origin(&self, line: Line) -> f64 {
        let vacuum = line.vacuum_nm() * (1.0 + self.redshift);
        let nm = match self.medium {
            Medium::Vacuum => vacuum,
            Medium::Air => 1e9 * air_from_vacuum(vacuum * 1e-9),
        };
        self.coordinate_of_nm(nm)
    }

    /// Place of a wavelength (nm, in the medium of the axis).
    pub fn coordinate_of_nm(&self, nm: f64) -> f64 {
        match self.coordinate {
            Coordinate::Wavenumber => 1e7 / nm,
            Coordinate::Wavelength { unit_nm } => nm / unit_nm,
        }
    }

    /// Wavelength in vacuum (nm) of a place on the axis.
    pub fn vacuum_nm(&self, x: f64) -> f64 {
        let nm = match self.coordinate {
            Coordinate::Wavenumber => 1e7 / x,
            Coordinate::Wavelength { unit_nm } => x * unit_nm,
        };
        match self.medium {
            Medium::Vacuum => nm,
            Medium::Air => 1e9 * vacuum_from_air(nm * 1e-9),
        }
    }

    /// Place and its derivative by velocity (per km/s) of a line with this [`Self::origin`].
    ///
    /// The index of refraction is taken at velocity zero: over 1000 km/s that is 0.01 km/s.
    #[inline]
    pub fn shifted(&self, origin: f64, velocity_km_s: f64) -> (f64, f64) {
        match self.coordinate {
            Coordinate::Wavenumber => {
                let x = origin / (1.0 + velocity_km_s / LIGHT_SPEED_KM_S);
                (x, -x / (LIGHT_SPEED_KM_S + velocity_km_s))
            }
            Coordinate::Wavelength { .. } => {
                (origin * (1.0 + velocity_km_s / LIGHT_SPEED_KM_S), origin / LIGHT_SPEED_KM_S)
            }
        }
    }

    /// Velocity of a line of this [`Self::origin`] seen at `x`, km/s.
    pub fn velocity(&self, origin: f64, x: f64) -> f64 {
        match self.coordinate {
            Coordinate::Wavenumber => LIGHT_SPEED_KM_S * (origin / x - 1.0),
            Coordinate::Wavelength { .. } => LIGHT_SPEED_KM_S * (x / origin - 1.0),
        }
    }

    /// Redshift of a velocity: 1 + z = (1 + z0) (1 + v / c).
    pub fn redshift_of(&self, velocity_km_s: f64) -> f64 {
        (1.0 + self.redshift) * (1.0 + velocity_km_s / LIGHT_SPEED_KM_S) - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receding_line_moves_to_the_red_on_every_axis() {
        let wavenumber = Frame { coordinate: Coordinate::Wavenumber, medium: Medium::Air, redshift: 0.0 };
        let angstrom =
            Frame { coordinate: Coordinate::Wavelength { unit_nm: 0.1 }, medium: Medium::Vacuum, redshift: 0.088 };
        assert!((wavenumber.origin(Line::Halpha) - 15_237.354).abs() < 1e-3);
        assert!((angstrom.origin(Line::Halpha) - 6564.632 * 1.088).abs() < 5e-3);
        for frame in [wavenumber, angstrom] {
            let origin = frame.origin(Line::NII6583);
            for v in [-200.0, 0.0, 350.0] {
                let (x, slope) = frame.shifted(origin, v);
                assert!((frame.velocity(origin, x) - v).abs() < 1e-8);
                let difference = (frame.shifted(origin, v + 0.5).0 - frame.shifted(origin, v - 0.5).0) / slope;
                assert!((difference - 1.0).abs() < 1e-6);
                let redder = frame.vacuum_nm(x) / frame.vacuum_nm(origin) - 1.0;
                assert!((redder * LIGHT_SPEED_KM_S - v).abs() < 0.01, "{redder}");
            }
        }
        assert!((angstrom.redshift_of(0.0) - 0.088).abs() < 1e-15);
    }
}
