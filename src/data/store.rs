//! The store: opened files and results under numbers, so that panels hold ids and never arrays.
//!
//! It has no thread of its own and never holds its lock while it reads a file: two askers of the same image at the
//! same moment may both read it, and nobody waits for another's disk.

mod boxes;
mod memory;
mod result;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ndarray::{Array1, Array2, ArrayD};

use self::result::ResultData;
use super::{DataError, FitsFile, HduKind, Header, ImageTile, Problem, Result, Stamp, pixel_scale_arcsec};

/// Number of a file or result in a [`Store`]; never used twice by one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct DataId(pub u64);

impl fmt::Display for DataId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "data {}", self.0)
    }
}

/// One line of the data tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number.
    pub id: DataId,
    /// File name, or the name that a result was given.
    pub name: String,
    /// Grows when the file changed and was read again: part of the key of everything computed from it.
    pub revision: u64,
    /// What it is.
    pub kind: EntryKind,
    /// Its HDUs; a result has one.
    pub hdus: Vec<HduEntry>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq)]
pub enum EntryKind {
    /// A file on disk.
    File {
        /// Its path.
        path: PathBuf,
    },
    /// An array of ours.
    Result,
}

/// One HDU in the data tree.
#[derive(Debug, Clone, PartialEq)]
pub struct HduEntry {
    /// Number.
    pub index: usize,
    /// EXTNAME.
    pub name: String,
    /// EXTVER; 1 when missing.
    pub version: i64,
    /// What it is in a few words.
    pub description: String,
    /// Slowest axis first.
    pub shape: Vec<usize>,
    /// BUNIT; empty when unknown.
    pub unit: String,
    /// Side of a pixel in arcsec, if known.
    pub pixel_scale_arcsec: Option<f64>,
    /// True when its pixels can be read.
    pub is_image: bool,
    /// True for a table of rows (not for a compressed image in one).
    pub is_table: bool,
}

impl HduEntry {
    /// Its name as people write it: `SCI`, and `SCI,2` for the second of that name.
    #[must_use]
    pub fn label(&self) -> String {
        if self.version > 1 && !self.name.is_empty() {
            format!("{},{}", self.name, self.version)
        } else {
            self.name.clone()
        }
    }
}

/// Opened files and results. Share it as `Arc<Store>`.
pub struct Store {
    inner: Mutex<Inner>,
    /// Bytes that cached pixels may take together.
    budget: AtomicU64,
}

#[derive(Default)]
struct Inner {
    next: u64,
    items: BTreeMap<DataId, Item>,
    cache: HashMap<Key, Cached>,
    /// Keys by their last use, the one unused for longest first.
    by_use: BTreeMap<u64, Key>,
    cached_bytes: u64,
    /// Counts uses.
    clock: u64,
}

struct Item {
    revision: u64,
    content: Content,
    /// Made once for each revision, because the data tree asks for it in every frame.
    entry: Arc<Entry>,
}

impl Item {
    fn new(id: DataId, revision: u64, content: Content) -> Self {
        let entry = Arc::new(content.entry(id, revision));
        Self { revision, content, entry }
    }
}

#[derive(Clone)]
enum Content {
    File(Arc<FitsFile>),
    Result(Arc<ResultData>),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    id: DataId,
    revision: u64,
    hdu: usize,
    part: Part,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Plane(usize),
    Tile(ImageTile),
    Spectrum { y: usize, x: usize },
    Whole,
}

#[derive(Clone)]
enum Pixels {
    Flat(Arc<Array2<f32>>),
    Line(Arc<Array1<f32>>),
    Whole(Arc<ArrayD<f32>>),
}

impl Pixels {
    /// Bytes that they take in the cache.
    fn bytes(&self) -> u64 {
        let count = match self {
            Self::Flat(pixels) => pixels.len(),
            Self::Line(pixels) => pixels.len(),
            Self::Whole(pixels) => pixels.len(),
        };
        (count * size_of::<f32>()) as u64 + OVERHEAD_BYTES
    }
}

/// What an entry of the cache takes besides its pixels (keys, shape, allocations): many short spectra are mostly that.
const OVERHEAD_BYTES: u64 = 256;

struct Cached {
    pixels: Pixels,
    bytes: u64,
    used: u64,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        f.debug_struct("Store")
            .field("items", &inner.items.len())
            .field("cached_bytes", &inner.cached_bytes)
            .field("budget", &self.budget())
            .finish()
    }
}

impl Store {
    /// A store whose cache of pixels read from files takes at most `budget_bytes`. Results come on top: they exist
    /// nowhere else.
    pub fn new(budget_bytes: u64) -> Self {
        Self { inner: Mutex::default(), budget: AtomicU64::new(budget_bytes) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every statement leaves the maps valid, so a holder that panicked has spoilt nothing.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a file and gives its number. A file that is open already keeps its number and is read again if it changed.
    ///
    /// # Errors
    /// As [`FitsFile::open`].
    pub fn open(&self, path: &Path) -> Result<DataId> {
        if let Some(id) = self.id_of(path) {
            self.refresh(id)?;
            return Ok(id);
        }
        let file = Arc::new(FitsFile::open(path)?);
        // Another thread may have opened it meanwhile; one file, one number.
        let mut inner = self.lock();
        Ok(inner.id_of(path).unwrap_or_else(|| inner.add(Content::File(file))))
    }

    /// Number of a file that is open.
    pub fn id_of(&self, path: &Path) -> Option<DataId> {
        self.lock().id_of(path)
    }

    /// Puts a result in: an array of at least one axis, with unit (empty for none) and pixel scale.
    pub fn insert(&self, name: &str, pixels: ArrayD<f32>, unit: &str, pixel_scale_arcsec: Option<f64>) -> DataId {
        let (name, unit) = (name.to_owned(), unit.to_owned());
        let result =
            ResultData { name, pixels: Arc::new(pixels), unit, pixel_scale_arcsec, header: Header::from_cards(&[]) };
        self.lock().add(Content::Result(Arc::new(result)))
    }

    /// Takes something out; who holds an array of it keeps that array. False if it was not there.
    pub fn remove(&self, id: DataId) -> bool {
        let mut inner = self.lock();
        inner.forget_pixels(id);
        inner.items.remove(&id).is_some()
    }

    /// The open file.
    ///
    /// # Errors
    /// No longer in the store, or a result of ours and no file.
    pub fn file(&self, id: DataId) -> Result<Arc<FitsFile>> {
        match self.content(id)?.1 {
            Content::File(file) => Ok(file),
            Content::Result(result) => Err(DataError::new(
                Path::new(&result.name),
                Problem::Format {
                    what: "it is a result in memory, not a file".into(),
                    cure: "save it as FITS first".into(),
                },
            )),
        }
    }

    /// Revision of an entry; changes when its file did. `None` when it is not in the store.
    pub fn revision(&self, id: DataId) -> Option<u64> {
        self.lock().items.get(&id).map(|item| item.revision)
    }

    /// Looks whether a file changed (length or time of last change) and reads its headers again if so. True if it did.
    ///
    /// # Errors
    /// A file that is gone or no longer readable; what was read before stays.
    pub fn refresh(&self, id: DataId) -> Result<bool> {
        let (revision, Content::File(old)) = self.content(id)? else { return Ok(false) };
        if Some(Stamp::of(old.path())?) == old.stamp() {
            return Ok(false);
        }
        let new = Arc::new(FitsFile::open(old.path())?);
        let mut inner = self.lock();
        if let Some(item) = inner.items.get_mut(&id).filter(|item| item.revision == revision) {
            *item = Item::new(id, revision + 1, Content::File(new));
            inner.forget_pixels(id);
        }
        Ok(true)
    }

    /// A two-dimensional image `[y, x]`; see [`FitsFile::read_image`].
    ///
    /// # Errors
    /// As [`FitsFile::read_image`].
    pub fn image(&self, id: DataId, hdu: usize) -> Result<Arc<Array2<f32>>> {
        self.flat(id, hdu, None)
    }

    /// One plane of a cube, 0-based; see [`FitsFile::read_plane`].
    ///
    /// # Errors
    /// As [`FitsFile::read_plane`].
    pub fn plane(&self, id: DataId, hdu: usize, plane: usize) -> Result<Arc<Array2<f32>>> {
        self.flat(id, hdu, Some(plane))
    }

    fn flat(&self, id: DataId, hdu: usize, plane: Option<usize>) -> Result<Arc<Array2<f32>>> {
        let read = |content: &Content| {
            Ok(Pixels::Flat(Arc::new(match (content, plane) {
                (Content::File(file), None) => file.read_image(hdu)?,
                (Content::File(file), Some(plane)) => file.read_plane(hdu, plane)?,
                (Content::Result(result), plane) => result.plane(hdu, plane)?,
            })))
        };
        // An image is plane 0 where there is only one; asking for the image of a cube must fail, so the check comes first.
        if plane.is_none() {
            self.require_one_plane(id, hdu)?;
        }
        match self.cached(id, hdu, Part::Plane(plane.unwrap_or(0)), read)? {
            Pixels::Flat(pixels) => Ok(pixels),
            Pixels::Line(_) | Pixels::Whole(_) => Err(gone(id)),
        }
    }

    /// A rectangle of one plane; see [`FitsFile::read_tile`]. A large image is shown by its tiles and never held whole.
    ///
    /// # Errors
    /// As [`FitsFile::read_tile`].
    pub fn tile(&self, id: DataId, hdu: usize, tile: ImageTile) -> Result<Arc<Array2<f32>>> {
        let read = |content: &Content| {
            Ok(Pixels::Flat(Arc::new(match content {
                Content::File(file) => file.read_tile(hdu, tile)?,
                Content::Result(result) => result.tile(hdu, tile)?,
            })))
        };
        match self.cached(id, hdu, Part::Tile(tile), read)? {
            Pixels::Flat(pixels) => Ok(pixels),
            Pixels::Line(_) | Pixels::Whole(_) => Err(gone(id)),
        }
    }

    fn require_one_plane(&self, id: DataId, hdu: usize) -> Result<()> {
        let (name, shape) = match self.content(id)?.1 {
            Content::File(file) => (file.path().to_owned(), file.image_hdu(hdu)?.1.shape()),
            Content::Result(result) => (result.name.clone().into(), result.pixels.shape().to_vec()),
        };
        let planes: usize = shape.iter().rev().skip(2).product();
        if planes == 1 {
            return Ok(());
        }
        let what = format!("its shape {shape:?} has {planes} planes");
        Err(DataError::new(&name, Problem::Shape { hdu, what, cure: "ask for one plane of it".into() }))
    }

    /// The whole array; see [`FitsFile::read_array`].
    ///
    /// # Errors
    /// As [`FitsFile::read_array`].
    pub fn array(&self, id: DataId, hdu: usize) -> Result<Arc<ArrayD<f32>>> {
        let read = |content: &Content| {
            Ok(Pixels::Whole(match content {
                Content::File(file) => Arc::new(file.read_array(hdu)?),
                Content::Result(result) => result.array(hdu)?,
            }))
        };
        match self.cached(id, hdu, Part::Whole, read)? {
            Pixels::Whole(pixels) => Ok(pixels),
            Pixels::Flat(_) | Pixels::Line(_) => Err(gone(id)),
        }
    }

    /// The spectrum at one position (0-based) of a cube; see [`FitsFile::read_spectrum`].
    ///
    /// # Errors
    /// As [`FitsFile::read_spectrum`].
    pub fn spectrum(&self, id: DataId, hdu: usize, y: usize, x: usize) -> Result<Arc<Array1<f32>>> {
        let read = |content: &Content| {
            Ok(Pixels::Line(Arc::new(match content {
                Content::File(file) => file.read_spectrum(hdu, y, x)?,
                Content::Result(result) => result.spectrum(hdu, y, x)?,
            })))
        };
        match self.cached(id, hdu, Part::Spectrum { y, x }, read)? {
            Pixels::Line(values) => Ok(values),
            Pixels::Flat(_) | Pixels::Whole(_) => Err(gone(id)),
        }
    }

    /// Everything in the store, in the order of opening: the data tree. Cheap enough to ask for in every frame.
    pub fn list(&self) -> Vec<Arc<Entry>> {
        self.lock().items.values().map(|item| item.entry.clone()).collect()
    }

    /// One entry of [`Store::list`].
    pub fn entry(&self, id: DataId) -> Option<Arc<Entry>> {
        self.lock().items.get(&id).map(|item| item.entry.clone())
    }

    fn content(&self, id: DataId) -> Result<(u64, Content)> {
        let inner = self.lock();
        let item = inner.items.get(&id).ok_or_else(|| gone(id))?;
        Ok((item.revision, item.content.clone()))
    }

    /// The content, read again first if its file changed. A file that is gone still serves from its open handle.
    fn fresh(&self, id: DataId) -> Result<(u64, Content)> {
        let before = self.content(id)?;
        match &before.1 {
            Content::File(file) if Stamp::of(file.path()).is_ok_and(|now| Some(now) != file.stamp()) => {
                self.refresh(id)?;
                self.content(id)
            }
            Content::File(_) | Content::Result(_) => Ok(before),
        }
    }

    fn cached(&self, id: DataId, hdu: usize, part: Part, read: impl Fn(&Content) -> Result<Pixels>) -> Result<Pixels> {
        let (revision, content) = self.fresh(id)?;
        let key = Key { id, revision, hdu, part };
        if let Some(pixels) = self.lock().look_up(key) {
            return Ok(pixels);
        }
        let pixels = read(&content)?;
        // A whole result is held by the store anyway; counting it as cache would push out what is.
        let held = matches!((&content, part), (Content::Result(_), Part::Whole));
        if !held {
            self.lock().remember(key, pixels.clone(), self.budget());
        }
        Ok(pixels)
    }
}

fn gone(id: DataId) -> DataError {
    DataError::new(Path::new(&id.to_string()), Problem::Gone)
}

impl Inner {
    fn add(&mut self, content: Content) -> DataId {
        let id = DataId(self.next);
        self.next += 1;
        self.items.insert(id, Item::new(id, 0, content));
        id
    }

    fn id_of(&self, path: &Path) -> Option<DataId> {
        // "a.fits" and "./a.fits" are one file; links are not followed, because the user named them apart.
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let wanted = absolute(path);
        let is_it = |item: &Item| matches!(&item.content, Content::File(file) if absolute(file.path()) == wanted);
        self.items.iter().find(|(_, item)| is_it(item)).map(|(&id, _)| id)
    }

    fn look_up(&mut self, key: Key) -> Option<Pixels> {
        self.clock += 1;
        let cached = self.cache.get_mut(&key)?;
        self.by_use.remove(&std::mem::replace(&mut cached.used, self.clock));
        self.by_use.insert(self.clock, key);
        Some(cached.pixels.clone())
    }

    /// Keeps pixels, dropping those unused for longest until all fit the budget.
    fn remember(&mut self, key: Key, pixels: Pixels, budget: u64) {
        let bytes = pixels.bytes();
        let current = self.items.get(&key.id).is_some_and(|item| item.revision == key.revision);
        if bytes > budget || !current {
            return;
        }
        self.drop_pixels(key);
        // Unpacked files stay, so the pixels have what these leave.
        self.shrink_to(budget.saturating_sub(self.unpacked_bytes()).saturating_sub(bytes));
        self.clock += 1;
        self.cached_bytes += bytes;
        self.by_use.insert(self.clock, key);
        self.cache.insert(key, Cached { pixels, bytes, used: self.clock });
    }

    fn drop_pixels(&mut self, key: Key) {
        if let Some(cached) = self.cache.remove(&key) {
            self.by_use.remove(&cached.used);
            self.cached_bytes -= cached.bytes;
        }
    }

    fn forget_pixels(&mut self, id: DataId) {
        let keys: Vec<Key> = self.cache.keys().filter(|key| key.id == id).copied().collect();
        for key in keys {
            self.drop_pixels(key);
        }
    }
}

impl Content {
    fn entry(&self, id: DataId, revision: u64) -> Entry {
        let (name, kind, hdus) = match self {
            Self::File(file) => {
                let name = file.path().file_name().unwrap_or(file.path().as_os_str()).to_string_lossy().into_owned();
                let hdus = file
                    .hdus()
                    .iter()
                    .map(|hdu| HduEntry {
                        index: hdu.index,
                        name: hdu.name.clone(),
                        version: hdu.version,
                        description: hdu.describe(),
                        shape: hdu.shape(),
                        unit: hdu.unit().unwrap_or("").to_owned(),
                        pixel_scale_arcsec: pixel_scale_arcsec(&hdu.header),
                        is_image: hdu.image().is_some(),
                        is_table: matches!(hdu.kind, HduKind::BinaryTable(_) | HduKind::AsciiTable(_)),
                    })
                    .collect();
                (name, EntryKind::File { path: file.path().to_owned() }, hdus)
            }
            Self::Result(result) => {
                let hdu = HduEntry {
                    index: 0,
                    name: result.name.clone(),
                    version: 1,
                    description: "image".into(),
                    shape: result.pixels.shape().to_vec(),
                    unit: result.unit.clone(),
                    pixel_scale_arcsec: result.pixel_scale_arcsec,
                    is_image: true,
                    is_table: false,
                };
                (result.name.clone(), EntryKind::Result, vec![hdu])
            }
        };
        Entry { id, name, revision, kind, hdus }
    }
}

#[cfg(test)]
mod tests;
