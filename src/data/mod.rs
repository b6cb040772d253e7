//! Files in and out: FITS images and cubes, ECSV tables, what stands beside them, and the store that holds them open.
//!
//! Headers are read by our own code, and every size is checked in 64-bit arithmetic against the file's length before
//! anything is allocated, so that a damaged or hostile file costs an error message and nothing more.
//! Pixels are read at positions (no memory map, whose pages kill the process when another program cuts the file short).
//!
//! Arrays are `[y, x]` for images and `[z, y, x]` for cubes: the reverse of NAXIS1, NAXIS2, NAXIS3. Pixel positions are
//! 0-based in here; only [`info`] speaks of 1-based FITS pixels.
//!
//! ```text
//! source (bytes at positions) -> header (cards) -> layout (walk of the HDUs) -> file -> image, statistics
//!                                        wcs (pixel <-> sky, wavelength)          -> info (description)
//!                     tiles (compressed images), gzip (.fits.gz)
//!                     form (columns) -> table  -> spectra, healpix, ogip;   triplets, ramp, units
//! location (file.fits[SCI]) -> store (open files and results by DataId)
//! regions (shapes over images, DS9 files)   spectral_units, spectral_lines (axes in any unit, lines at rest)
//! sheet (a table as it is looked at: filter, order, statistics, positions)
//! write (planes to a FITS file)    write_table (columns)    ecsv (tables)    sidecar (info.json beside an image)
//! ```
//!
//! Read next: [`FitsFile`], [`Store`], [`write_planes`].

mod ahead;
mod atomic;
mod card;
mod cards_out;
mod containment;
pub mod ecsv;
mod error;
mod file;
mod form;
mod gzip;
mod hdu;
mod header;
pub mod healpix;
mod image;
mod image_tile;
pub mod info;
mod layout;
mod location;
pub mod ogip;
mod pixels;
pub mod ramp;
pub mod regions;
mod resources;
pub mod sheet;
mod sidecar;
mod source;
pub mod spectra;
pub mod spectral_lines;
pub mod spectral_units;
pub mod statistics;
mod store;
mod table;
mod tiles;
mod triplets;
mod unit_text;
mod units;
mod wcs;
mod write;
mod write_table;
mod yaml;

pub use atomic::write_atomically;
pub use card::{Card, Value};
pub use cards_out::Keyword;
pub use ecsv::{ColumnData, Table, TableColumn, read_csv, read_ecsv, write_ecsv};
pub use error::{DataError, Problem, Result};
pub use file::{FitsFile, Stamp};
pub use hdu::{Column, Hdu, HduKind, TableLayout};
pub use header::Header;
pub use image::READ_LIMIT;
pub use image_tile::ImageTile;
pub use location::{HduSelector, Location, SelectorError};
pub use pixels::{Bitpix, ImageLayout, Sample};
pub use resources::{find_resource, resource_folders, set_resource_folder};
pub use sidecar::Sidecar;
pub use source::{FileSource, Source};
pub use store::{DataId, Entry, EntryKind, HduEntry, Store};
pub use table::{FitsColumn, FitsTable, Values};
pub use triplets::{ErrorKind, Triplet, constant_image, triplets};
pub use unit_text::typeset_unit;
pub use units::Unit;
pub use wcs::{
    AxisKind, LinearAxis, PixelMap, PlaneWcs, Sky, Wcs, WorldAxis, arcsec_grid, format_dec, format_ra,
    galactic_from_icrs, icrs_from_galactic, parse_dec, parse_position, parse_ra, pixel_scale_arcsec, wcs_keywords,
};
pub use write::{OwnedPlane, Plane, read_planes, write_planes};
pub use write_table::write_fits_table;
