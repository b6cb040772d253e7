//! World coordinates: where on the sky and at which wavelength a pixel lies, and back.
//!
//! FITS standard 4.0 section 8; Greisen & Calabretta 2002 (A&A 395, 1061), Calabretta & Greisen 2002 (A&A 395, 1077),
//! Greisen et al. 2006 (A&A 446, 747). The projections are fitsy's; [`build`] puts right what it would get wrong.
//! Pixels are 0-based in here, axes too.
//!
//! ```text
//! Header -> cards (what is written) -> build (repairs, fitsy) -> Wcs: world_from_pixel, pixel_from_world, sky
//! plane (one plane of a cube, for pictures)   linear (one axis, grids in arcsec)   scale (size of a pixel)   angle (sexagesimal)   cutout (cards for products)
//! ```

mod angle;
mod build;
mod cards;
mod cutout;
mod linear;
mod plane;
mod same_sky;
mod scale;
mod sky;
mod spectral;
#[cfg(test)]
mod tests;

pub use angle::{format_dec, format_ra, parse_dec, parse_position, parse_ra};
pub use cutout::wcs_keywords;
pub use linear::{LinearAxis, arcsec_grid};
pub use plane::PlaneWcs;
pub use same_sky::{PixelMap, galactic_from_icrs, icrs_from_galactic};
pub use scale::pixel_scale_arcsec;
pub use sky::Sky;

use super::containment::contained;
use super::{Header, Problem};

/// CTYPE inside of a wavelength axis of which nobody says whether it is in air or vacuum.
const UNSTATED: &str = "WAVELENGTH";

/// What an axis measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisKind {
    /// Longitude on the sky.
    Longitude,
    /// Latitude on the sky.
    Latitude,
    /// FREQ.
    Frequency,
    /// ENER: photon energy.
    Energy,
    /// WAVN.
    Wavenumber,
    /// WAVE: wavelength in vacuum.
    VacuumWavelength,
    /// AWAV: wavelength in air.
    AirWavelength,
    /// A wavelength of which the header does not say whether it is in air or vacuum.
    Wavelength,
    /// VRAD: velocity by the radio definition, linear in frequency.
    RadioVelocity,
    /// VOPT: velocity by the optical definition, linear in wavelength.
    OpticalVelocity,
    /// VELO: relativistic apparent velocity.
    ApparentVelocity,
    /// ZOPT.
    Redshift,
    /// BETA: apparent velocity over that of light.
    VelocityOverC,
    /// STOKES.
    Stokes,
    /// Anything else; linear.
    Other,
}

/// One world axis.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldAxis {
    /// What it measures.
    pub kind: AxisKind,
    /// Short name: the type in CTYPE ("RA", "GLAT", "AWAV", "STOKES"), or "AXIS3" where there is none.
    pub name: String,
    /// CTYPE as used, repairs included.
    pub ctype: String,
    /// Unit of the values that [`Wcs`] takes and gives: "deg" on the sky, else CUNIT as written, else SI.
    pub unit: String,
    /// For spectral axes: how many SI units one `unit` is, and the SI unit.
    pub si: Option<(f64, &'static str)>,
}

impl WorldAxis {
    /// The axis in words, for people.
    pub fn describe(&self) -> String {
        let words = match self.kind {
            AxisKind::Frequency => "frequency",
            AxisKind::Energy => "photon energy",
            AxisKind::Wavenumber => "wavenumber",
            AxisKind::VacuumWavelength => "wavelength in vacuum",
            AxisKind::AirWavelength => "wavelength in air",
            AxisKind::Wavelength => "wavelength (air or vacuum not stated)",
            AxisKind::RadioVelocity => "velocity, radio definition",
            AxisKind::OpticalVelocity => "velocity, optical definition",
            AxisKind::ApparentVelocity => "velocity, relativistic",
            AxisKind::Redshift => "redshift",
            AxisKind::VelocityOverC => "velocity over c",
            AxisKind::Stokes => "Stokes parameter",
            AxisKind::Longitude | AxisKind::Latitude | AxisKind::Other => match self.name.as_str() {
                "RA" => "right ascension",
                "DEC" => "declination",
                "GLON" => "galactic longitude",
                "GLAT" => "galactic latitude",
                "ELON" => "ecliptic longitude",
                "ELAT" => "ecliptic latitude",
                other => other,
            },
        };
        words.to_owned()
    }

    /// True for frequency, wavelength, velocity and their kin.
    pub fn is_spectral(&self) -> bool {
        !matches!(self.kind, AxisKind::Longitude | AxisKind::Latitude | AxisKind::Stokes | AxisKind::Other)
    }
}

/// World coordinates of an image or cube.
#[derive(Debug, Clone)]
pub struct Wcs {
    transform: fitsy::Wcs,
    axes: Vec<WorldAxis>,
    celestial: Option<(usize, usize)>,
    logarithmic: Option<usize>,
    /// Whether the header gives a step for each axis.
    stepped: Vec<bool>,
    sky_frame: Option<String>,
    spectral_frame: Option<String>,
    name: Option<String>,
    warnings: Vec<String>,
}

impl Wcs {
    /// The primary description of a header; `None` when it has none.
    ///
    /// # Errors
    /// [`Problem::World`] when what stands there cannot be used.
    pub fn from_header(header: &Header) -> Result<Option<Self>, Problem> {
        Self::alternate(header, ' ')
    }

    /// The description of a letter, A to Z; a space is the primary one.
    ///
    /// # Errors
    /// As [`Wcs::from_header`].
    pub fn alternate(header: &Header, letter: char) -> Result<Option<Self>, Problem> {
        let built = build::build(header, letter).map_err(|reason| Problem::World { letter, reason })?;
        Ok(built.map(|built| Self::assemble(built, header, letter)))
    }

    /// Letters of the descriptions that a header has, the primary one (a space) first.
    pub fn letters(header: &Header) -> Vec<char> {
        let described = header.cards().iter().filter(|card| card.value.is_some()).filter_map(|card| {
            let (role, letter) = cards::role(&card.keyword)?;
            (role != cards::Role::Whole).then_some(letter)
        });
        let letters: std::collections::BTreeSet<char> = described.collect();
        letters.into_iter().collect()
    }

    fn assemble(built: build::Built, header: &Header, letter: char) -> Self {
        let build::Built { transform, cards, spectral_frame, logarithmic } = built;
        let celestial = transform.celestial.as_ref().map(|block| (block.pair.lon, block.pair.lat));
        let axes = (0..cards.axes.len()).map(|i| world_axis(&cards, i, celestial)).collect::<Vec<_>>();
        let text = |name: &str| {
            let found = header.get_str(&cards::lettered(name, letter)).map(str::trim).filter(|text| !text.is_empty());
            found.map(str::to_owned)
        };
        let spectral = axes.iter().any(WorldAxis::is_spectral);
        Self {
            sky_frame: celestial.map(|(longitude, _)| sky_frame(&axes[longitude].name, header, letter)),
            spectral_frame: spectral_frame.filter(|_| spectral),
            name: text("WCSNAME"),
            stepped: cards.has_steps(),
            warnings: cards.warnings,
            transform,
            axes,
            celestial,
            logarithmic,
        }
    }

    /// The axes, in FITS order.
    pub fn axes(&self) -> &[WorldAxis] {
        &self.axes
    }

    /// Longitude and latitude axis (0-based), when the sky is among them.
    pub fn celestial(&self) -> Option<(usize, usize)> {
        self.celestial
    }

    /// The first spectral axis (0-based).
    pub fn spectral(&self) -> Option<usize> {
        self.axes.iter().position(WorldAxis::is_spectral)
    }

    /// Frame of the sky coordinates: "ICRS", "FK5 J2000", "galactic".
    pub fn sky_frame(&self) -> Option<&str> {
        self.sky_frame.as_deref()
    }

    /// SPECSYS: standard of rest of the spectral axis ("LSRK", "BARYCENT", "TOPOCENT").
    pub fn spectral_frame(&self) -> Option<&str> {
        self.spectral_frame.as_deref()
    }

    /// WCSNAME.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What was odd and how it was taken.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// World coordinates of a pixel (0-based, FITS order x, y, z), one for each axis in its `unit`; sky coordinates in
    /// degrees, longitude from 0 to 360. Axes that the image lacks are taken at their first pixel; numbers beyond the
    /// axes are not looked at. `None` outside the sky or where the axis has no value.
    pub fn world_from_pixel(&self, pixel: &[f64]) -> Option<Vec<f64>> {
        let full: Vec<f64> = (0..self.axes.len()).map(|i| pixel.get(i).copied().unwrap_or(0.0)).collect();
        let mut world = contained(|| self.transform.pixel_to_world(&full).ok()).ok()??;
        if !contained(|| sky::is_on_the_sky(&self.transform, &full)).ok()? {
            return None;
        }
        if let Some(value) = self.logarithmic.and_then(|i| world.get_mut(i)) {
            *value = 10_f64.powf(*value);
        }
        world.iter().all(|x| x.is_finite()).then_some(world)
    }

    /// Pixel (0-based, FITS order) of world coordinates, one for each axis. `None` where there is none.
    pub fn pixel_from_world(&self, world: &[f64]) -> Option<Vec<f64>> {
        if world.len() != self.axes.len() || !world.iter().all(|x| x.is_finite()) {
            return None;
        }
        let mut world = world.to_vec();
        if let Some(value) = self.logarithmic.and_then(|i| world.get_mut(i)) {
            *value = value.log10();
        }
        let mut pixel = contained(|| self.transform.world_to_pixel(&world).ok()).ok()??;
        let projection = self.transform.celestial.as_ref().map(|block| &block.projection);
        if matches!(projection, Some(fitsy::wcs::Projection::Csc(_))) {
            self.sharpen(&mut pixel);
        }
        pixel.iter().all(|x| x.is_finite()).then_some(pixel)
    }

    /// Makes the way back exact where it is only an approximation of the way there (the CSC projection is defined by
    /// two polynomials that fit each other to some arcsec): moves the pixel by what going there and back loses.
    fn sharpen(&self, pixel: &mut [f64]) {
        let first = pixel.to_vec();
        for _ in 0..30 {
            let there = contained(|| self.transform.pixel_to_world(pixel).ok()).ok().flatten();
            let back = there.and_then(|world| contained(|| self.transform.world_to_pixel(&world).ok()).ok().flatten());
            let Some(back) = back else { break };
            let mut largest = 0.0_f64;
            for ((x, wanted), found) in pixel.iter_mut().zip(&first).zip(&back) {
                *x += wanted - found;
                largest = largest.max((wanted - found).abs());
            }
            if largest < 1e-9 {
                return;
            }
        }
        pixel.copy_from_slice(&first); // at the edge of a face the two may not meet
    }
}

fn world_axis(cards: &cards::Cards, i: usize, celestial: Option<(usize, usize)>) -> WorldAxis {
    let cards_axis = &cards.axes[i];
    let code = cards.type_of(i);
    let (kind, si) = match (celestial, spectral::kind(code)) {
        (Some((longitude, _)), _) if i == longitude => (AxisKind::Longitude, None),
        (Some((_, latitude)), _) if i == latitude => (AxisKind::Latitude, None),
        _ if cards_axis.kind == UNSTATED => (AxisKind::Wavelength, Some(("WAVE", "m"))),
        (_, Some((kind, si))) if is_spectral_type(&cards_axis.kind) => (kind, Some((code, si))),
        _ if code == "STOK" => (AxisKind::Stokes, None),
        _ => (AxisKind::Other, None),
    };
    let unit = match (kind, si) {
        (AxisKind::Longitude | AxisKind::Latitude, _) => "deg".to_owned(),
        (_, Some((_, si))) if cards_axis.unit.is_empty() => si.to_owned(),
        _ => cards_axis.unit.clone(),
    };
    let name = match kind {
        AxisKind::Other | AxisKind::Stokes if cards_axis.kind.is_empty() => format!("AXIS{}", i + 1),
        AxisKind::Other | AxisKind::Stokes | AxisKind::Wavelength => cards_axis.kind.clone(),
        _ => code.to_owned(),
    };
    let si = si.and_then(|(code, si)| Some((spectral::si_factor(code, &spectral::standard_unit(&unit))?, si)));
    WorldAxis { kind, name, ctype: cards_axis.kind.clone(), unit, si }
}

/// "WAVE", "WAVE-LOG", and not "WAVESTUFF".
fn is_spectral_type(ctype: &str) -> bool {
    ctype.get(4..).is_some_and(|tail| tail.is_empty() || tail.starts_with('-'))
}

fn sky_frame(longitude: &str, header: &Header, letter: char) -> String {
    let own = |name: &str| header.get_str(&cards::lettered(name, letter)).map(str::trim).filter(|t| !t.is_empty());
    match longitude {
        "RA" => {
            let equinox = header.get_f64(&cards::lettered("EQUINOX", letter)).or_else(|| header.get_f64("EPOCH"));
            let equinox = equinox.filter(|x| x.is_finite() && *x > 0.0);
            let system = own("RADESYS").or_else(|| header.get_str("RADECSYS").map(str::trim));
            let system = system.filter(|system| !system.is_empty()).map(str::to_ascii_uppercase);
            // FITS 4.0 section 8.3: without RADESYS the equinox decides.
            let system = system.unwrap_or_else(|| match equinox {
                None => "ICRS".to_owned(),
                Some(year) if year < 1984.0 => "FK4".to_owned(),
                Some(_) => "FK5".to_owned(),
            });
            match equinox {
                Some(year) if system.starts_with("FK4") => format!("{system} B{year}"),
                Some(year) if system == "FK5" => format!("{system} J{year}"),
                _ => system,
            }
        }
        "GLON" => "galactic".to_owned(),
        "ELON" => "ecliptic".to_owned(),
        "SLON" => "supergalactic".to_owned(),
        "HLON" => "helioecliptic".to_owned(),
        other => other.to_owned(),
    }
}
