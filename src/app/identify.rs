//! What a path is, found out on a query thread from headers and records alone: to open it, and to say beforehand what opening will do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Session;
use crate::data::regions::RegionFile;
use crate::data::{DataId, FitsFile, Store};
use crate::plots::picture::read_record;
use crate::runs::{RECORD_NAME, Record};
use crate::tasks::TaskError;
use crate::workers::Weigh;

/// What a path turned out to be.
pub(super) enum Kind {
    /// A file, and those of its HDUs that are spectra by themselves.
    Fits(DataId, Vec<usize>),
    /// A table in a text file.
    Table,
    Run(PathBuf, Arc<Record>),
    /// The record in a picture whose run folder is elsewhere.
    Request(Arc<Record>),
    Session(Box<Session>),
    /// A DS9 region file.
    Regions(Arc<RegionFile>),
}

impl Weigh for Kind {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// Finds out what a path is, reading headers and records only.
pub(super) fn identify(path: &Path, store: &Store) -> Result<Kind, TaskError> {
    if path.is_dir() {
        return run(path);
    }
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let folder = path.parent().unwrap_or(Path::new("."));
    match extension.as_str() {
        "json" if path.file_name().is_some_and(|n| n == RECORD_NAME) => run(folder),
        "json" => Session::load(path).map(|s| Kind::Session(Box::new(s))).map_err(|e| TaskError::Failed(e.to_string())),
        "png" => {
            let record = record_of_picture(path)?;
            // A picture that still lies in its run folder opens the run; a stray one, the request that it carries.
            match Record::read(folder) {
                Ok(beside) if beside.request == record.request => run(folder),
                _ => Ok(Kind::Request(Arc::new(record))),
            }
        }
        "reg" => regions(path).map(|file| Kind::Regions(Arc::new(file))),
        _ if crate::panels::is_text_table(path) => {
            // Read by the view, as rows; here only whether it is there.
            std::fs::metadata(path).map(|_| Kind::Table).map_err(|e| TaskError::file(path, e.to_string()))
        }
        // Whatever its name ends with.
        _ if begins_with_brace(path) => {
            Session::load(path).map(|s| Kind::Session(Box::new(s))).map_err(|e| TaskError::Failed(e.to_string()))
        }
        _ => {
            let id = store.open(path)?;
            let spectra = super::dock::spectra_of(store.file(id)?.as_ref());
            Ok(Kind::Fits(id, spectra))
        }
    }
}

/// Whether a file is JSON rather than FITS.
fn begins_with_brace(path: &Path) -> bool {
    let mut first = [0u8];
    let read = std::fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut first));
    read.is_ok() && first == *b"{"
}

/// Reads a region file; one without a region is refused.
fn regions(path: &Path) -> Result<RegionFile, TaskError> {
    let bytes = std::fs::read(path).map_err(|e| TaskError::file(path, e.to_string()))?;
    let file = RegionFile::from_bytes(&bytes);
    if file.count() == 0 && file.not_understood() == 0 {
        return Err(TaskError::file(path, "no line of it is a region of the DS9 format; export it as DS9 (.reg)"));
    }
    Ok(file)
}

fn run(folder: &Path) -> Result<Kind, TaskError> {
    Ok(Kind::Run(folder.to_owned(), Arc::new(Record::read(folder)?)))
}

fn record_of_picture(path: &Path) -> Result<Record, TaskError> {
    let file = std::fs::File::open(path).map_err(|e| TaskError::file(path, e.to_string()))?;
    let text = read_record(std::io::BufReader::new(file)).map_err(|e| TaskError::file(path, e.to_string()))?;
    let text =
        text.ok_or_else(|| TaskError::file(path, "this picture carries no record of a run; open its run folder"))?;
    Record::from_json(&text).map_err(|problem| TaskError::file(path, problem))
}

/// What dropping a path will do, in one line.
///
/// # Errors
/// It cannot be opened; the same line that opening it would give.
pub(super) fn forecast(path: &Path) -> Result<String, TaskError> {
    if path.is_dir() {
        let record = Record::read(path)?;
        return Ok(format!("run of {}: opens in its study", record.task));
    }
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "json" if path.file_name().is_some_and(|n| n == RECORD_NAME) => {
            Ok(format!("record of a run of {}: opens in its study", Record::read(path)?.task))
        }
        "json" => {
            let session = Session::load(path).map_err(|e| TaskError::Failed(e.to_string()))?;
            Ok(format!("session with {}: replaces what is open", views(session.views.len())))
        }
        "png" => Ok(format!("picture of a run of {}: reopens the run", record_of_picture(path)?.task)),
        "reg" => {
            let count = regions(path)?.count();
            Ok(format!("{count} region{}: drawn over the image", if count == 1 { "" } else { "s" }))
        }
        _ if crate::panels::is_text_table(path) => {
            std::fs::metadata(path).map_err(|e| TaskError::file(path, e.to_string()))?;
            Ok("table: opens as rows and columns".to_owned())
        }
        _ => Ok(fits(&FitsFile::open(path)?)),
    }
}

fn views(count: usize) -> String {
    if count == 1 { "1 view".to_owned() } else { format!("{count} views") }
}

/// What there is to see in a FITS file: its first image, or its first table.
fn fits(file: &FitsFile) -> String {
    if let Some(hdu) = file.hdus().iter().find(|h| h.image().is_some()) {
        let sides: Vec<String> = hdu.shape().iter().rev().map(ToString::to_string).collect();
        let size = sides.join(" × ");
        return match hdu.shape().iter().rev().skip(2).product::<usize>() {
            _ if sides.len() < 2 => format!("spectrum of {size} values: opens"),
            1 => format!("image of {size} pixels: opens in a new view"),
            _ => format!("cube of {size} pixels: opens in a new view with its planes"),
        };
    }
    match file
        .hdus()
        .iter()
        .find_map(|h| if let [rows, columns] = h.shape()[..] { Some((rows, columns)) } else { None })
    {
        Some((rows, columns)) => format!("table of {rows} rows and {columns} columns: opens as rows and columns"),
        None => "headers without data: opens them".to_owned(),
    }
}
