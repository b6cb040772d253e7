//! What the header of an image says about where its pixels lie: the sky, the axes beyond it, the error that belongs to it.
//!
//! Read in a query, once for each image and revision, and shared by every view that asks.

use std::hash::Hash;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::{ImageNote, PanelContext};
use crate::data::regions::Physical;
use crate::data::spectral_units::SpectralScale;
use crate::data::{DataId, ErrorKind, Header, Store, Wcs, triplets};
use crate::plots::axes::format_with_unit;
use crate::tasks::TaskError;
use crate::workers::{Answer, Key, Slot, Weigh};

/// One HDU of a file, or a result in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// The file; empty for a result.
    pub path: PathBuf,
    /// The HDU.
    pub hdu: usize,
    /// The result. It lives as long as the window, so it is not saved.
    #[serde(skip)]
    pub result: Option<DataId>,
}

impl Place {
    /// What an image view shows.
    #[must_use]
    pub fn of(note: &ImageNote) -> Self {
        let result = if note.path.as_os_str().is_empty() { note.data } else { None };
        Self { path: note.path.clone(), hdu: note.hdu, result }
    }

    /// True when it names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.path.as_os_str().is_empty() && self.result.is_none()
    }

    /// Its number in the store, opened if it is not open. Reads the disk: for queries.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(&self, store: &Store) -> Result<DataId, TaskError> {
        Ok(self.result.map_or_else(|| store.open(&self.path), Ok)?)
    }

    /// Part of the key of everything computed from it; another one when the file was read again.
    #[must_use]
    pub fn key(&self, store: &Store) -> Key {
        let id = self.result.or_else(|| store.id_of(&self.path));
        Key::of(&(&self.path, self.hdu, id, id.and_then(|id| store.revision(id))))
    }

    /// File name and HDU for people.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.path.file_name().map_or_else(|| "result".into(), |n| n.to_string_lossy().into_owned());
        if self.hdu == 0 { name } else { format!("{name} [{}]", self.hdu) }
    }
}

/// An axis beyond the first two.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceAxis {
    /// Short name: "AWAV", "STOKES", "AXIS3".
    pub name: String,
    /// Unit of its values; empty when there is none.
    pub unit: String,
    /// Number of planes along it.
    pub length: usize,
    /// World coordinate of each plane at the middle of the image, where the header gives one.
    pub values: Option<Vec<f64>>,
    /// How it converts, when it is spectral.
    pub scale: Option<SpectralScale>,
}

impl SliceAxis {
    /// The coordinate of a plane in words: `7005.1 Å`, `Q`; nothing when there is none.
    #[must_use]
    pub fn value_text(&self, plane: usize) -> String {
        let Some(value) = self.values.as_ref().and_then(|v| v.get(plane)) else { return String::new() };
        if self.name.starts_with("STOKES") {
            return stokes(*value).to_owned();
        }
        let unit = self.scale.as_ref().map_or(self.unit.as_str(), |s| s.unit_in(Default::default()));
        // As many digits as tell neighbours apart.
        let step = self.values.as_ref().and_then(|v| Some((v.get(1)? - v.first()?).abs())).unwrap_or(0.0);
        let digits = if step > 0.0 { ((value.abs() / step).log10().max(0.0) as usize + 3).clamp(4, 12) } else { 6 };
        format_with_unit(*value, digits, unit)
    }

    /// The plane whose coordinate is nearest.
    #[must_use]
    pub fn nearest(&self, value: f64) -> Option<usize> {
        let values = self.values.as_ref().filter(|_| value.is_finite())?;
        let distance = |i: &usize| values.get(*i).map_or(f64::INFINITY, |v| (v - value).abs());
        (0..values.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }
}

/// FITS 4.0 table 29.
fn stokes(value: f64) -> &'static str {
    match value.round() as i64 {
        1 => "I",
        2 => "Q",
        3 => "U",
        4 => "V",
        -1 => "RR",
        -2 => "LL",
        -3 => "RL",
        -4 => "LR",
        -5 => "XX",
        -6 => "YY",
        -7 => "XY",
        -8 => "YX",
        _ => "?",
    }
}

/// World coordinates and shape of one HDU.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Its coordinates, where the header has them.
    pub wcs: Option<Arc<Wcs>>,
    /// Slowest axis first.
    pub shape: Vec<usize>,
    /// BUNIT.
    pub unit: String,
    /// The axes beyond the second, the fastest first.
    pub slices: Vec<SliceAxis>,
    /// HDU of the error of the same shape, and what it holds.
    pub error: Option<(usize, ErrorKind)>,
    /// Where its pixels lie on the detector.
    pub physical: Physical,
    /// Another number for every reading: part of the key of what is computed from it.
    pub serial: u64,
}

/// Counts what was read.
static SERIAL: AtomicU64 = AtomicU64::new(1);

impl World {
    /// Number of planes.
    #[must_use]
    pub fn planes(&self) -> usize {
        self.slices.iter().map(|s| s.length).product()
    }

    /// `[width, height]` in pixels.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        let mut last = self.shape.iter().rev().copied();
        [last.next().unwrap_or(0), last.next().unwrap_or(1)]
    }

    /// Which of the slices a spectrum runs along: the first that is longer than 1.
    #[must_use]
    pub fn channel_axis(&self) -> Option<usize> {
        self.slices.iter().position(|s| s.length > 1)
    }

    /// Index along every slice axis of a plane.
    #[must_use]
    pub fn indices(&self, plane: usize) -> Vec<usize> {
        let mut rest = plane;
        let mut index = |length: usize| {
            let here = rest % length.max(1);
            rest /= length.max(1);
            here
        };
        self.slices.iter().map(|s| index(s.length)).collect()
    }

    /// The plane with another index along one slice axis.
    #[must_use]
    pub fn plane_with(&self, plane: usize, axis: usize, index: usize) -> usize {
        let mut indices = self.indices(plane);
        if let Some(place) = indices.get_mut(axis) {
            *place = index.min(self.slices[axis].length.saturating_sub(1));
        }
        let mut stride = 1;
        let mut plane = 0;
        for (index, slice) in indices.iter().zip(&self.slices) {
            plane += index * stride;
            stride *= slice.length;
        }
        plane
    }

    /// The box of some channels, rows and columns, slowest axis first; `plane` gives the place on the other axes.
    #[must_use]
    pub fn ranges(
        &self,
        plane: usize,
        channels: Range<usize>,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> Vec<Range<usize>> {
        let along = self.channel_axis();
        let indices = self.indices(plane).into_iter().enumerate();
        let mut ranges: Vec<Range<usize>> =
            indices.map(|(i, at)| if Some(i) == along { channels.clone() } else { at..at + 1 }).collect();
        ranges.reverse();
        ranges.extend([rows, columns]);
        ranges
    }

    /// Number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channel_axis().and_then(|axis| self.slices.get(axis)).map_or(1, |s| s.length)
    }

    /// Reads it from the header.
    ///
    /// # Errors
    /// A file or HDU that cannot be opened.
    pub fn read(store: &Store, place: &Place) -> Result<Self, TaskError> {
        let id = place.open(store)?;
        let entry = store.entry(id);
        let hdu = entry.as_ref().and_then(|e| e.hdus.iter().find(|h| h.index == place.hdu));
        let Some(hdu) = hdu else { return Ok(Self::default()) };
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let mut world = Self { shape: hdu.shape.clone(), unit: hdu.unit.clone(), serial, ..Self::default() };
        store.with_header(id, place.hdu, |header| {
            // Coordinates that cannot be used are left out: the image has its pixels all the same.
            world.wcs = Wcs::from_header(header).ok().flatten().map(Arc::new);
            world.slices = slices(header, &world.shape, world.wcs.as_deref());
            world.physical = Physical::of(header);
        })?;
        if let Ok(file) = store.file(id) {
            world.error = triplets(&file).into_iter().find(|t| t.data == place.hdu).and_then(|t| t.error);
        }
        Ok(world)
    }
}

/// The axes beyond the second with the coordinates of their planes.
fn slices(header: &Header, shape: &[usize], wcs: Option<&Wcs>) -> Vec<SliceAxis> {
    let lengths: Vec<usize> = shape.iter().rev().copied().collect();
    let middle: Vec<f64> =
        lengths.iter().enumerate().map(|(i, n)| if i < 2 { (n.saturating_sub(1)) as f64 / 2.0 } else { 0.0 }).collect();
    let slice = |(axis, &length): (usize, &usize)| {
        let known = wcs.and_then(|w| w.axes().get(axis));
        let value = |plane: usize| {
            let mut pixel = middle.clone();
            *pixel.get_mut(axis)? = plane as f64;
            wcs?.world_from_pixel(&pixel)?.get(axis).copied()
        };
        SliceAxis {
            name: known.map_or_else(|| format!("AXIS{}", axis + 1), |a| a.name.clone()),
            unit: known.map(|a| a.unit.clone()).unwrap_or_default(),
            length,
            values: (0..length).map(value).collect::<Option<Vec<f64>>>().filter(|v| !v.is_empty()),
            scale: known.and_then(|a| SpectralScale::of_axis(a, header)),
        }
    };
    lengths.iter().enumerate().skip(2).map(slice).collect()
}

impl Weigh for World {
    fn bytes(&self) -> usize {
        let values = self.slices.iter().map(|s| s.values.as_ref().map_or(0, Vec::len) * 8 + 200).sum::<usize>();
        // Coordinates keep their cards: a few kilobytes.
        size_of::<Self>() + values + 8192
    }
}

/// The number of a file that was opened.
struct Opened;

impl Weigh for Opened {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// True once the store has a number for a file, so that it stands in the keys of what is asked about it; opens it
/// meanwhile. Asked before, everything would be read a second time under the key with the number. Also true for a file
/// that cannot be opened: whoever reads it then says why.
pub fn opened(cx: &PanelContext<'_>, path: &Path) -> bool {
    if path.as_os_str().is_empty() || cx.services.store.id_of(path).is_some() {
        return true;
    }
    let (store, slot) = (cx.services.store.clone(), opening_slot(cx, path));
    let (key, path) = (Key::of(&("open", path)), path.to_owned());
    let answer = cx
        .services
        .queries
        .ask(slot, key, &cx.services.wake, move |_| Ok::<_, TaskError>(store.open(&path).map(|_| Opened)?));
    !matches!(answer, Answer::Pending { .. })
}

fn opening_slot(cx: &PanelContext<'_>, path: &Path) -> Slot {
    Slot::of(&(cx.view, "open", path))
}

/// Forgets that [`opened`] was asked: for a view that closes before its file was open.
pub fn forget_opening(cx: &PanelContext<'_>, path: &Path) {
    cx.services.queries.forget(opening_slot(cx, path));
}

/// Asks for the world of a place under a name of this view.
pub fn ask_world(cx: &PanelContext<'_>, name: &str, place: &Place) -> Answer<World> {
    if !opened(cx, &place.path) {
        return Answer::Pending { last: None, partial: None, fraction: 0.0 };
    }
    let store = cx.services.store.clone();
    let (key, place) = (place.key(&store).and(&"world"), place.clone());
    cx.services.queries.ask(cx.slot(name), key, &cx.services.wake, move |_| World::read(&store, &place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(length: usize) -> SliceAxis {
        let values = Some((0..length).map(|i| 7000.0 + 1.25 * i as f64).collect());
        SliceAxis { name: "WAVE".into(), unit: "Angstrom".into(), length, values, scale: None }
    }

    #[test]
    fn planes_count_the_fastest_axis_first() {
        let world = World { slices: vec![axis(5), axis(3)], ..World::default() };
        assert_eq!(world.planes(), 15);
        assert_eq!(world.indices(7), [2, 1]);
        assert_eq!(world.plane_with(7, 0, 4), 9);
        assert_eq!(world.plane_with(7, 1, 2), 12);
        assert_eq!(world.plane_with(7, 0, 99), 9);
        assert_eq!(world.channel_axis(), Some(0));
    }

    #[test]
    fn planes_have_coordinates() {
        let axis = axis(5);
        assert_eq!(axis.value_text(2), "7002.5 Angstrom");
        assert_eq!(axis.nearest(7003.0), Some(2));
        assert_eq!(axis.nearest(f64::NAN), None);
        let polarisation = SliceAxis { name: "STOKES".into(), values: Some(vec![1.0, 4.0]), ..axis };
        assert_eq!(polarisation.value_text(1), "V");
    }
}
