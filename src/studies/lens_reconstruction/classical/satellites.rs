//! Masses near a lens that a fit may add to it: what they are, where a fit starts to look for them, and how far it looks.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::studies::lens_models::MassKind;

/// Sizes of satellites that a fit starts from, over the Einstein radius of the galaxy: from afar a compact mass and a wide one look alike, and
/// a fit from the one rarely finds the other.
pub(super) const EXTENTS: [f64; 2] = [0.5, 1.5];

/// What a satellite of the lens is made of. All are round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SatelliteProfile {
    /// Singular isothermal sphere: Einstein radius and place move.
    #[default]
    Isothermal,
    /// Isothermal without a core up to a truncation, which moves too.
    PseudoJaffe,
    /// Navarro-Frenk-White halo: convergence scale, scale radius and place move.
    Nfw,
    /// All mass in one point: Einstein radius and place move.
    PointMass,
}

impl SatelliteProfile {
    /// Every profile, as requests name them.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Isothermal, "isothermal"),
        (Self::PseudoJaffe, "pseudo_jaffe"),
        (Self::Nfw, "nfw"),
        (Self::PointMass, "point_mass"),
    ];

    /// As requests name it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(p, _)| *p == self).map_or("", |(_, name)| name)
    }

    /// The mass model.
    pub(super) fn kind(self) -> MassKind {
        match self {
            Self::Isothermal => MassKind::Sis,
            Self::PseudoJaffe => MassKind::PseudoJaffe,
            Self::Nfw => MassKind::Nfw,
            Self::PointMass => MassKind::PointMass,
        }
    }

    /// Whether it has a size of its own that a fit moves.
    pub(super) fn has_size(self) -> bool {
        matches!(self, Self::PseudoJaffe | Self::Nfw)
    }

    /// Number of parameters that a fit moves.
    pub(super) fn moving(self) -> usize {
        let kind = self.kind();
        (0..kind.parameters()).filter(|&i| kind.moves(i)).count()
    }
}

/// A mass near the lens: what it is, and the first guess of its place. In a request `[x, y]` (arcsec), an isothermal sphere, or `[x, y, "nfw"]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Satellite {
    /// To the right of the image centre.
    pub x_arcsec: f64,
    /// Above the image centre.
    pub y_arcsec: f64,
    /// What it is made of.
    pub profile: SatelliteProfile,
}

impl Satellite {
    /// An isothermal sphere near `[x, y]` (arcsec).
    pub fn isothermal([x_arcsec, y_arcsec]: [f64; 2]) -> Self {
        Self { x_arcsec, y_arcsec, profile: SatelliteProfile::Isothermal }
    }

    /// First parameters of the fit, in the order of the mass model, beside a galaxy of this Einstein radius (arcsec).
    /// `extent` is the guess of the size of a profile that has one, over that radius.
    pub(super) fn start(&self, galaxy_radius: f64, extent: f64) -> Vec<f64> {
        let (x, y) = (self.x_arcsec, self.y_arcsec);
        // Off zero, where the place of a mass means nothing.
        let radius = 0.05 * galaxy_radius;
        let size = extent * galaxy_radius;
        match self.profile {
            SatelliteProfile::Isothermal => vec![radius, x, y],
            SatelliteProfile::PointMass => vec![(radius * size).sqrt(), x, y],
            // The mass of a smaller one is denser.
            SatelliteProfile::PseudoJaffe => vec![radius / extent.min(1.0), 0.0, 0.0, x, y, 0.0, size],
            SatelliteProfile::Nfw => vec![0.05, 0.0, 0.0, x, y, size],
        }
    }

    /// Least and greatest value of every parameter, where used pixels reach `reach` from the lens (arcsec).
    pub(super) fn bounds(&self, reach: f64, pixel: f64) -> Vec<(f64, f64)> {
        let near = (0.1 * reach).max(3.0 * pixel);
        let [x, y] = [self.x_arcsec, self.y_arcsec].map(|c| (c - near, c + near));
        let radius = 0.5 * reach;
        // Derivatives are taken relative to the mass where it is one of several parameters: it may be small but not nothing.
        let least = 1e-4 * pixel;
        match self.profile {
            SatelliteProfile::Isothermal | SatelliteProfile::PointMass => vec![(0.0, radius), x, y],
            SatelliteProfile::PseudoJaffe => {
                vec![(least, radius), (0.0, 0.0), (0.0, 0.0), x, y, (0.0, 0.0), (0.5 * pixel, 3.0 * reach)]
            }
            SatelliteProfile::Nfw => vec![(1e-6, 3.0), (0.0, 0.0), (0.0, 0.0), x, y, (pixel, 10.0 * reach)],
        }
    }
}

impl From<Satellite> for Value {
    fn from(satellite: Satellite) -> Self {
        let Satellite { x_arcsec, y_arcsec, profile } = satellite;
        match profile {
            SatelliteProfile::Isothermal => json!([x_arcsec, y_arcsec]),
            _ => json!([x_arcsec, y_arcsec, profile.name()]),
        }
    }
}

/// Why a list of satellites was not understood, in one line.
#[derive(Clone, Debug, PartialEq)]
pub struct NoSatellite(String);

impl fmt::Display for NoSatellite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = SatelliteProfile::ALL.iter().map(|(_, name)| *name).collect();
        write!(
            f,
            "satellites: {}: expected a list such as [[0.9, 0.7], [-1.2, 0.4, \"nfw\"]], of x and y in arcsec and perhaps one of {}",
            self.0,
            names.join(", ")
        )
    }
}

impl TryFrom<Value> for Satellite {
    type Error = NoSatellite;

    fn try_from(value: Value) -> Result<Self, NoSatellite> {
        let wrong = || NoSatellite(format!("{value} is no satellite"));
        let (x, y, name) = match value.as_array().map(Vec::as_slice) {
            Some([x, y]) => (x, y, None),
            Some([x, y, name]) => (x, y, Some(name)),
            _ => return Err(wrong()),
        };
        let profile = match name {
            None => SatelliteProfile::Isothermal,
            Some(name) => SatelliteProfile::ALL
                .into_iter()
                .find(|(_, known)| name.as_str() == Some(known))
                .map(|(profile, _)| profile)
                .ok_or_else(|| NoSatellite(format!("{name} is no kind of satellite")))?,
        };
        match (x.as_f64(), y.as_f64()) {
            (Some(x_arcsec), Some(y_arcsec)) => Ok(Self { x_arcsec, y_arcsec, profile }),
            _ => Err(wrong()),
        }
    }
}

/// Reads the satellites of a request, with an error that names the field and the cure whatever stands there.
pub(in crate::studies::lens_reconstruction) fn read_satellites<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Satellite>, D::Error> {
    use serde::de::Error;
    match Value::deserialize(deserializer)? {
        Value::Array(list) => list.into_iter().map(|v| Satellite::try_from(v).map_err(D::Error::custom)).collect(),
        // What was typed and is not JSON arrives as text.
        Value::String(text) => Err(D::Error::custom(NoSatellite(format!("\"{text}\" is no list")))),
        other => Err(D::Error::custom(NoSatellite(format!("{other} is no list")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_reconstruction::FitRequest;

    #[test]
    fn a_request_names_its_satellites_and_gives_them_back() {
        let text = r#"{"satellites": [[0.9, 0.7], [-1, 2.5, "nfw"], [0, 1, "pseudo_jaffe"], [1, 1, "point_mass"]]}"#;
        let request: FitRequest = serde_json::from_str(text).unwrap();
        assert_eq!(request.satellites[0], Satellite::isothermal([0.9, 0.7]));
        assert_eq!(request.satellites[1].profile, SatelliteProfile::Nfw);
        let written = serde_json::to_value(&request).unwrap();
        assert_eq!(written["satellites"][0], json!([0.9, 0.7]));
        assert_eq!(written["satellites"][1], json!([-1.0, 2.5, "nfw"]));
        assert_eq!(serde_json::from_value::<FitRequest>(written).unwrap(), request);
    }

    #[test]
    fn what_is_no_satellite_is_told_with_the_cure() {
        for (given, told) in [
            (json!(3), "3 is no list"),
            (json!("[[0.9,"), "\"[[0.9,\" is no list"),
            (json!([0.9, 0.7]), "0.9 is no satellite"),
            (json!([[0.9]]), "[0.9] is no satellite"),
            (json!([[0.9, "x"]]), "is no satellite"),
            (json!([[0.9, 0.7, "king"]]), "\"king\" is no kind of satellite"),
        ] {
            let error = serde_json::from_value::<FitRequest>(json!({ "satellites": given })).unwrap_err().to_string();
            assert!(error.starts_with("satellites: ") && error.contains(told), "{error}");
            assert!(error.contains("[[0.9, 0.7], [-1.2, 0.4, \"nfw\"]]") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn starts_lie_within_the_bounds_and_what_is_held_has_no_room() {
        for (profile, name) in SatelliteProfile::ALL {
            let satellite = Satellite { x_arcsec: 0.9, y_arcsec: -0.4, profile };
            let (kind, bounds) = (profile.kind(), satellite.bounds(2.5, 0.08));
            assert_eq!(bounds.len(), kind.parameters(), "{name}");
            for extent in EXTENTS {
                let start = satellite.start(1.2, extent);
                assert_eq!(start.len(), kind.parameters(), "{name}");
                for (i, (value, (low, high))) in start.iter().zip(&bounds).enumerate() {
                    assert!((*low..=*high).contains(value), "{name} {i}: {value} {low} {high}");
                    assert_eq!(kind.moves(i), low < high, "{name} {i}");
                }
            }
        }
    }
}
