//! Regions of images: shapes in pixels or on the sky, their DS9 files, their pixels.
//!
//! ```text
//! file (DS9 text, kept byte for byte) <-> Region (shape, system, sign, properties)
//! place (its system <-> pixels of an image)   shape (geometry in pixels)   edit (handles)   raster (which pixels)
//! ```
//! The format: SAOImage DS9 reference manual, chapter "Regions". What of it is not understood (lines, texts, composites,
//! systems such as `detector`) stays in the file as it is.

mod edit;
mod file;
mod number;
mod place;
mod raster;
mod shape;

pub use edit::Handle;
pub use file::RegionFile;
pub use place::{Physical, RegionPlace};
pub use raster::{Footprint, FootprintRow, PixelRule};
pub use shape::{Shape, ShapeKind};

/// The coordinates that a region is given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// Pixels of the image, counted from 1.
    Image,
    /// Pixels of the detector that the image was cut from (LTVn, LTMn_n); those of the image without these keywords.
    Physical,
    /// Right ascension and declination, FK5, equinox J2000.
    Fk5,
    /// Right ascension and declination, ICRS.
    Icrs,
    /// Galactic longitude and latitude.
    Galactic,
}

impl System {
    /// Every system, in menu order.
    pub const ALL: [Self; 5] = [Self::Image, Self::Physical, Self::Fk5, Self::Icrs, Self::Galactic];

    /// Its word in region files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Physical => "physical",
            Self::Fk5 => "fk5",
            Self::Icrs => "icrs",
            Self::Galactic => "galactic",
        }
    }

    /// True when it is on the sky: positions in degrees, sizes in arcsec.
    pub fn is_sky(self) -> bool {
        matches!(self, Self::Fk5 | Self::Icrs | Self::Galactic)
    }
}

/// A region as its file gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// Coordinates of the shape.
    pub system: System,
    /// In those coordinates: pixels counted from 1, or degrees; sizes in pixels, or in arcsec.
    pub shape: Shape,
    /// False for a region with a minus: its pixels are taken out of all others.
    pub include: bool,
    /// `color=`, its own or that of the last `global` line before it.
    pub color: Option<String>,
    /// `text=`.
    pub label: Option<String>,
}
