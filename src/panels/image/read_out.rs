//! What is under the pointer, in words: pixel, value, place on the sky, wavelength or velocity.

use std::fmt::Write as _;

use super::load::Shown;
use crate::data::{AxisKind, PlaneWcs, WorldAxis, format_dec, format_ra, typeset_unit};
use crate::plots::axes;
use crate::plots::image_view::ImageSource;

/// One place on an image, with everything that is known about it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Pixel coordinate `[x, y]`, 0-based.
    pub(super) pixel: [f64; 2],
    /// Value of the pixel; `None` beside the image.
    pub(super) value: Option<f32>,
    /// Unit of the value, set for reading.
    unit: String,
    /// Longitude and latitude in degrees.
    pub(super) sky: Option<[f64; 2]>,
    /// The system of the longitude: "ICRS".
    frame: String,
    /// Right ascension and declination, where the system has them.
    sexagesimal: Option<[String; 2]>,
    /// Decimals of a degree that a tenth of a pixel needs.
    decimals: usize,
    /// The other axes: "λ(air) 7000.00 Å".
    others: Vec<String>,
}

impl PartialEq for Place {
    /// Bit by bit: a value that is missing equals itself, or a pointer at rest over it would ask for frames without end.
    fn eq(&self, other: &Self) -> bool {
        let bits = |place: &Self| place.value.map(f32::to_bits);
        self.pixel == other.pixel
            && bits(self) == bits(other)
            && self.unit == other.unit
            && self.sky == other.sky
            && self.others == other.others
    }
}

impl Place {
    /// The place of a pixel coordinate.
    pub(super) fn of(pixel: [f64; 2], shown: &Shown) -> Self {
        Self::at(pixel, &shown.source, shown.wcs.as_ref())
    }

    fn at(pixel: [f64; 2], source: &ImageSource, wcs: Option<&PlaneWcs>) -> Self {
        let scale = source.arcsec_per_pixel.unwrap_or(1.0);
        // A tenth of a pixel, in decimals of an arcsecond.
        let fine = (-(0.1 * scale).log10()).ceil().clamp(0.0, 6.0) as usize;
        let mut place = Self {
            pixel,
            value: source.value_at(pixel),
            unit: typeset_unit(&source.unit),
            sky: None,
            frame: String::new(),
            sexagesimal: None,
            decimals: fine + 4,
            others: Vec::new(),
        };
        let Some(wcs) = wcs else { return place };
        place.sky = wcs.sky_from_pixel(pixel);
        place.frame = wcs.wcs().sky_frame().unwrap_or_default().to_owned();
        let equatorial = wcs.wcs().axes().iter().any(|axis| axis.name == "RA");
        place.sexagesimal = place
            .sky
            .filter(|_| equatorial)
            .map(|[longitude, latitude]| [format_ra(longitude, fine + 1), format_dec(latitude, fine)]);
        place.others = wcs.others(pixel).into_iter().map(|(i, axis, value)| axis_text(i, axis, value)).collect();
        place
    }

    /// `x 12.3 y 4.5  0.0123 Jy` in columns that do not move.
    pub(super) fn value_line(&self) -> String {
        let [x, y] = self.pixel.map(axes::fits_from_pixel);
        let mut line = format!("x {x:>8.1}  y {y:>8.1}");
        if let Some(value) = self.value {
            let number = axes::format_value(value.into(), 6);
            let number = axes::with_unit(&format!("{number:>12}"), &self.unit);
            let _infallible = write!(line, "  {number}");
        }
        line.trim_end().to_owned()
    }

    /// `10:04:30.21 +41:12:50.3  151.125888 +41.213981  ICRS  λ(air) 7000.00 Å`, in columns that do not move.
    pub(super) fn world_line(&self) -> String {
        let mut parts = Vec::new();
        if let Some([longitude, latitude]) = self.sky {
            let decimals = self.decimals;
            parts.extend(self.sexagesimal.as_ref().map(|[ra, dec]| format!("{ra} {dec}")));
            let wide = decimals + 4;
            parts.push(format!("{longitude:>wide$.decimals$}° {latitude:>+wide$.decimals$}°"));
            parts.push(self.frame.clone());
        }
        parts.extend(self.others.iter().cloned());
        parts.retain(|part| !part.is_empty());
        parts.join("  ")
    }

    /// The value alone, with every digit that a float has.
    pub(super) fn value_text(&self) -> Option<String> {
        self.value.map(|value| value.to_string())
    }

    /// The coordinates as they can be typed again: right ascension and declination, degrees, or pixels.
    pub(super) fn coordinates_text(&self) -> String {
        match (&self.sexagesimal, self.sky) {
            (Some([ra, dec]), _) => format!("{ra} {dec}"),
            (None, Some([longitude, latitude])) => {
                let decimals = self.decimals;
                format!("{longitude:.decimals$} {latitude:+.decimals$}")
            }
            (None, None) => {
                let [x, y] = self.pixel.map(axes::fits_from_pixel);
                format!("x {x:.1} y {y:.1}")
            }
        }
    }

    /// Value and coordinates on one line.
    pub(super) fn whole_text(&self) -> String {
        let line = format!("{}  {}", self.value_line(), self.world_line());
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// An axis that is not on the sky, in a few signs.
fn axis_text(index: usize, axis: &WorldAxis, value: f64) -> String {
    let numbered = format!("axis {}", index + 1);
    let name = match axis.kind {
        AxisKind::Frequency => "ν",
        AxisKind::Energy => "E",
        AxisKind::Wavenumber => "wavenumber",
        AxisKind::VacuumWavelength => "λ(vacuum)",
        AxisKind::AirWavelength => "λ(air)",
        AxisKind::Wavelength => "λ",
        AxisKind::RadioVelocity => "v(radio)",
        AxisKind::OpticalVelocity => "v(optical)",
        AxisKind::ApparentVelocity => "v",
        AxisKind::Redshift => "z",
        AxisKind::VelocityOverC => "v/c",
        AxisKind::Stokes => return format!("Stokes {}", stokes(value)),
        // A name that says nothing.
        AxisKind::Other if axis.name.starts_with("AXIS") || axis.name == "LINEAR" => numbered.as_str(),
        AxisKind::Longitude | AxisKind::Latitude | AxisKind::Other => axis.name.as_str(),
    };
    let (value, unit) = axis.readable(value);
    let number = axes::format_value(value, 8);
    format!("{name} {number:>9} {}", typeset_unit(&unit)).trim_end().to_owned()
}

/// FITS standard 4.0, table 29.
fn stokes(value: f64) -> String {
    let names = ["YX", "XY", "YY", "XX", "LR", "RL", "LL", "RR", "", "I", "Q", "U", "V"];
    let index = value.round() + 8.0;
    let known = (index >= 0.0).then(|| names.get(index as usize)).flatten().filter(|name| !name.is_empty());
    known.map_or_else(|| axes::format_value(value, 4), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ndarray::Array2;

    use super::*;
    use crate::data::{Header, Wcs};

    fn plane(text: &str, shape: &[usize], plane: usize) -> PlaneWcs {
        let wcs = Wcs::from_header(&Header::from_lines(text.as_bytes())).unwrap().unwrap();
        PlaneWcs::new(Arc::new(wcs), shape, plane)
    }

    #[test]
    fn a_place_says_pixel_value_sky_and_wavelength() {
        let text = "NAXIS   = 3\nCTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCTYPE3  = 'AWAV'\nCUNIT3  = 'm'\n\
            CRVAL1  = 151.125\nCRVAL2  = -0.25\nCRVAL3  = 6.5628E-7\nCRPIX1  = 3.0\nCRPIX2  = 2.0\nCRPIX3  = 1.0\n\
            CDELT1  = -5.0E-5\nCDELT2  = 5.0E-5\nCDELT3  = 1.25E-10\nRADESYS = 'ICRS'";
        let wcs = plane(text, &[5, 4, 6], 0);
        let pixels = Array2::from_shape_fn((4, 6), |(y, x)| (10 * y + x) as f32 * 1e-18);
        let source = ImageSource::new("x", pixels).unit("erg/s/cm**2").arcsec_per_pixel(0.18);
        let place = Place::at([2.0, 1.0], &source, Some(&wcs));
        assert_eq!(place.value_line(), "x      3.0  y      2.0       1.2e-17 erg s⁻¹ cm⁻²");
        let line = place.world_line();
        assert!(line.starts_with("10:04:30.000 -00:15:00.00  151.125000°  -0.250000°  ICRS  λ(air)"), "{line}");
        assert!(line.ends_with("656.28 nm"), "{line}");
        assert_eq!(place.coordinates_text(), "10:04:30.000 -00:15:00.00");
        assert_eq!(place.value_text().unwrap(), 1.2e-17f32.to_string());
        // The columns stand where they stood.
        let other = Place::at([4.9, 3.2], &source, Some(&wcs));
        assert_eq!(other.world_line().find("ICRS"), line.find("ICRS"));
        let beside = Place::at([-3.0, 1.0], &source, Some(&wcs));
        assert_eq!(beside.value, None);
    }

    #[test]
    fn galactic_places_are_in_degrees_and_bare_ones_in_pixels() {
        let text = "CTYPE1  = 'GLON-CAR'\nCTYPE2  = 'GLAT-CAR'\nCRVAL1  = 120.0\nCRPIX1  = 1\nCRPIX2  = 1\nCDELT1  = -0.5\nCDELT2  = 0.5";
        let source = ImageSource::new("x", Array2::<f32>::zeros((4, 6))).arcsec_per_pixel(1800.0);
        let place = Place::at([0.0, 0.0], &source, Some(&plane(text, &[4, 6], 0)));
        assert_eq!(place.world_line(), "120.0000°  +0.0000°  galactic");
        assert_eq!(place.coordinates_text(), "120.0000 +0.0000");
        let linear = "CTYPE1  = 'LINEAR'\nCTYPE2  = 'LINEAR'\nCUNIT1  = 'arcsec'\nCUNIT2  = 'arcsec'\nCDELT1  = 0.5\nCDELT2  = 0.5\nCRPIX1  = 1\nCRPIX2  = 1";
        let place = Place::at([3.0, 1.0], &source, Some(&plane(linear, &[4, 6], 0)));
        assert_eq!(place.world_line(), "axis 1       1.5 arcsec  axis 2       0.5 arcsec");
        let missing = ImageSource::new("x", Array2::from_elem((4, 6), f32::NAN));
        assert_eq!(Place::at([1.0, 2.0], &missing, None), Place::at([1.0, 2.0], &missing, None));
        let bare = Place::at([1.0, 2.0], &source, None);
        assert_eq!((bare.world_line().as_str(), bare.coordinates_text().as_str()), ("", "x 2.0 y 3.0"));
        assert_eq!(stokes(1.0), "I");
        assert_eq!(stokes(-5.0), "XX");
        assert_eq!(stokes(9.0), "9");
    }
}
