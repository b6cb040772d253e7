//! An open FITS file: its HDUs, and the bytes behind them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{DataError, FileSource, Hdu, HduSelector, Problem, Result, Source, gzip, layout};

/// Length and time of last change, by which a changed file is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub length: u64,
    /// Time of last change, if the system tells.
    pub modified: Option<SystemTime>,
}

impl Stamp {
    /// The stamp of a file as it is now.
    ///
    /// # Errors
    /// A file that is no longer there.
    pub fn of(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|e| DataError::io(path, "look at it", &e))?;
        Ok(Self { length: metadata.len(), modified: metadata.modified().ok() })
    }
}

/// A FITS file whose headers have been read and whose pixels are read on demand, from any thread.
pub struct FitsFile {
    path: PathBuf,
    source: Box<dyn Source>,
    stamp: Option<Stamp>,
    hdus: Vec<Hdu>,
    warnings: Vec<String>,
    memory_bytes: u64,
}

impl fmt::Debug for FitsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FitsFile").field("path", &self.path).field("hdus", &self.hdus.len()).finish_non_exhaustive()
    }
}

impl FitsFile {
    /// Opens a file and walks its headers; reads no data. A file compressed by gzip is unpacked into memory.
    ///
    /// # Errors
    /// A file that cannot be read, or is not FITS. A FITS file with damaged HDUs opens; they say so themselves.
    pub fn open(path: &Path) -> Result<Self> {
        let stamp = Stamp::of(path)?;
        let mut file = Self::from_source(path, Box::new(FileSource::open(path)?))?;
        file.stamp = Some(stamp);
        Ok(file)
    }

    /// Takes bytes from memory; `path` only names them in messages.
    ///
    /// # Errors
    /// As [`FitsFile::open`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        Self::from_source(path, Box::new(bytes))
    }

    /// Takes any source of bytes; `path` only names it in messages.
    ///
    /// # Errors
    /// As [`FitsFile::open`].
    pub fn from_source(path: &Path, source: Box<dyn Source>) -> Result<Self> {
        let (source, damage, memory_bytes) = match gzip::inflate(source.as_ref(), path)? {
            Some((bytes, damage)) => {
                let length = bytes.len() as u64;
                (Box::new(bytes) as Box<dyn Source>, damage, length)
            }
            None => (source, None, 0),
        };
        let (hdus, mut warnings) = layout::walk(source.as_ref(), path)?;
        warnings.extend(damage);
        Ok(Self { path: path.to_owned(), source, stamp: None, hdus, warnings, memory_bytes })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file when it was opened; of a file compressed by gzip, unpacked.
    pub fn length(&self) -> u64 {
        self.source.length()
    }

    /// Bytes of memory that it takes while it is open, because it had to be unpacked; 0 for a file that is read in parts.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Length and time of last change when it was opened; `None` for bytes in memory.
    pub fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// Every HDU in order; at least one.
    pub fn hdus(&self) -> &[Hdu] {
        &self.hdus
    }

    /// What is odd about the file as a whole (HDUs have their own warnings).
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(super) fn source(&self) -> &dyn Source {
        self.source.as_ref()
    }

    /// An HDU by number.
    ///
    /// # Errors
    /// No such HDU; the message lists those there are.
    pub fn hdu(&self, index: usize) -> Result<&Hdu> {
        self.hdus.get(index).ok_or_else(|| self.no_hdu(&index.to_string()))
    }

    /// Number of the HDU that a selector means. Without a selector: the first image (compressed or not), else the primary
    /// HDU. A name means the first HDU of that name, case ignored.
    ///
    /// # Errors
    /// No such HDU; the message lists those there are.
    pub fn find(&self, selector: Option<&HduSelector>) -> Result<usize> {
        match selector {
            None => Ok(self.default_hdu()),
            Some(HduSelector::Index(index)) => self.hdu(*index).map(|hdu| hdu.index),
            Some(wanted @ HduSelector::Name { name, version }) => self
                .hdus
                .iter()
                .find(|hdu| hdu.name.eq_ignore_ascii_case(name) && version.is_none_or(|v| v == hdu.version))
                // A primary HDU with a name of its own may still be asked for as PRIMARY.
                .or_else(|| self.hdus.first().filter(|_| name.eq_ignore_ascii_case("PRIMARY") && version.is_none()))
                .map(|hdu| hdu.index)
                .ok_or_else(|| self.no_hdu(&wanted.to_string())),
        }
    }

    fn default_hdu(&self) -> usize {
        self.hdus.iter().find(|hdu| hdu.image().is_some()).map_or(0, |hdu| hdu.index)
    }

    fn no_hdu(&self, wanted: &str) -> DataError {
        const SHOWN: usize = 12;
        let mut have: Vec<String> = self
            .hdus
            .iter()
            .take(SHOWN)
            .map(|hdu| match (hdu.name.as_str(), hdu.version) {
                ("", _) => hdu.index.to_string(),
                (name, 1) => format!("{} {name}", hdu.index),
                (name, version) => format!("{} {name},{version}", hdu.index),
            })
            .collect();
        if self.hdus.len() > SHOWN {
            have.push(format!("and {} more", self.hdus.len() - SHOWN));
        }
        DataError::new(&self.path, Problem::NoHdu { wanted: wanted.into(), have: have.join("; ") })
    }
}
