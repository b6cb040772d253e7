//! What views know of each other: which images are open, where the pointer is, which rows of a table are chosen.
//!
//! The window owns one [`Links`] and lends it to every panel through [`PanelContext::links`](super::PanelContext::links).
//! A panel publishes what it shows in its `logic` and reads what others published; nobody holds another panel.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use std::sync::Arc;

use crate::data::DataId;
use crate::data::sheet::Positions;
use crate::workers::Key;

/// An image view, as others see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageNote {
    /// Title of its tab.
    pub title: String,
    /// The file; empty for a result.
    pub path: PathBuf,
    /// The data, once they are in the store.
    pub data: Option<DataId>,
    /// The HDU.
    pub hdu: usize,
    /// The plane on the screen, from 0.
    pub plane: usize,
    /// Number of planes; 1 for an image.
    pub planes: usize,
    /// `[width, height]` in pixels; zero before it is read.
    pub size: [usize; 2],
}

/// Where the pointer was last on an image. It stays when the pointer leaves, so that a spectrum does not vanish.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cursor {
    /// The view under the pointer.
    pub view: u64,
    /// Pixel coordinate `[x, y]`, 0-based.
    pub pixel: [f64; 2],
    /// Longitude and latitude in degrees (the system of the image), where known.
    pub sky: Option<[f64; 2]>,
    /// True while the pointer is still there.
    pub inside: bool,
}

/// The rows of one table that are chosen, in every view that shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSelection {
    /// Rows, from 0, in the order of the file.
    pub rows: BTreeSet<usize>,
    /// Grows with every change.
    pub revision: u64,
}

/// Rows of a table to be drawn over images.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// Name for the legend.
    pub title: String,
    /// The file of the table.
    pub path: PathBuf,
    /// Its HDU.
    pub hdu: usize,
    /// Positions of all rows.
    pub positions: Arc<Positions>,
    /// Rows that pass the filter, ascending; `None` for all.
    pub rows: Option<Arc<Vec<u32>>>,
    /// Changes with positions and rows.
    pub key: Key,
    /// Colour of the markers.
    pub color: egui::Color32,
    /// Radius of the markers in points.
    pub radius: f32,
    /// The image view that shows it; `None` for all.
    pub view: Option<u64>,
}

/// What linked views share.
#[derive(Clone, Debug, Default)]
pub struct Links {
    images: BTreeMap<u64, ImageNote>,
    /// The last place of the pointer on an image; one for the window.
    pub cursor: Option<Cursor>,
    /// Planes that somebody asks a view to show: a click in a spectrum, a movie.
    pub wanted_planes: BTreeMap<u64, usize>,
    rows: BTreeMap<(PathBuf, usize), RowSelection>,
    /// Tables that are drawn over images, by the view that shows their rows.
    pub catalogues: BTreeMap<u64, Catalogue>,
}

impl Links {
    /// Says what an image view shows.
    pub fn publish(&mut self, view: u64, note: ImageNote) {
        self.images.insert(view, note);
    }

    /// The open image views by number.
    #[must_use]
    pub fn images(&self) -> &BTreeMap<u64, ImageNote> {
        &self.images
    }

    /// Forgets a view that was closed.
    pub fn forget(&mut self, view: u64) {
        self.images.remove(&view);
        self.wanted_planes.remove(&view);
        self.catalogues.remove(&view);
        if self.cursor.is_some_and(|c| c.view == view) {
            self.cursor = None;
        }
    }

    /// These links as another view sees them that stands in for `view` under the number `as_view`: for a picture of it.
    #[must_use]
    pub fn standing_in(&self, view: u64, as_view: u64) -> Self {
        let mut links = self.clone();
        if let Some(note) = links.images.get(&view).cloned() {
            links.images.insert(as_view, note);
        }
        for catalogue in links.catalogues.values_mut().filter(|c| c.view == Some(view)) {
            catalogue.view = Some(as_view);
        }
        links
    }

    /// The chosen rows of the table in an HDU of a file.
    #[must_use]
    pub fn rows(&self, path: &std::path::Path, hdu: usize) -> Option<&RowSelection> {
        self.rows.get(&(path.to_owned(), hdu))
    }

    /// Chooses rows of a table.
    pub fn choose_rows(&mut self, path: &std::path::Path, hdu: usize, rows: BTreeSet<usize>) {
        let known = self.rows.entry((path.to_owned(), hdu)).or_default();
        if known.rows != rows {
            known.rows = rows;
            known.revision += 1;
        }
    }
}
