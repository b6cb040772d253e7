//! What a folder holds: read on a query thread, filtered and sorted for the list.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Mode;
use crate::runs::RECORD_NAME;
use crate::workers::Weigh;

/// What an item of a folder is, by its name; a run by the record in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Folder,
    Run,
    Fits,
    Table,
    Json,
    Picture,
    Other,
}

/// Which files are listed. Folders always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// What Sextans opens.
    Known,
    /// FITS files, compressed ones too.
    Fits,
    /// ECSV tables.
    Tables,
    /// Sessions and records.
    Json,
    /// Pictures.
    Pictures,
    /// Everything.
    All,
}

impl Filter {
    pub(super) const ALL: [(Self, &'static str); 6] = [
        (Self::All, "All files"),
        (Self::Known, "Files of Sextans"),
        (Self::Fits, "FITS"),
        (Self::Tables, "ECSV tables"),
        (Self::Json, "Sessions and records"),
        (Self::Pictures, "PNG pictures"),
    ];

    fn lets(self, kind: Kind) -> bool {
        match kind {
            Kind::Folder | Kind::Run => true,
            Kind::Fits => matches!(self, Self::All | Self::Known | Self::Fits),
            Kind::Table => matches!(self, Self::All | Self::Known | Self::Tables),
            Kind::Json => matches!(self, Self::All | Self::Known | Self::Json),
            Kind::Picture => matches!(self, Self::All | Self::Known | Self::Pictures),
            Kind::Other => self == Self::All,
        }
    }
}

/// Order of the list; folders come first in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By name, case ignored.
    Name,
    /// Newest first.
    Newest,
    /// Largest first.
    Largest,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Bytes; 0 for a folder.
    pub(super) bytes: u64,
    pub(super) modified: Option<SystemTime>,
}

/// A folder as it was read.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    /// The folder; the nearest one above when it was gone and that was allowed.
    pub(super) folder: PathBuf,
    pub(super) items: Vec<Item>,
    /// Why it could not be read.
    pub(super) problem: Option<String>,
}

impl Weigh for Listing {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.items.iter().map(|item| size_of::<Item>() + item.name.len()).sum::<usize>()
    }
}

/// Reads a folder, or with `or_above` the nearest one above it that is there. Links are followed, so that a link to a folder is a folder.
pub(super) fn read_folder(folder: &Path, or_above: bool) -> Listing {
    let there = folder.ancestors().find(|f| f.is_dir());
    let folder = if or_above { there.unwrap_or(folder) } else { folder };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let problem = format!("{}: cannot be read ({error})", folder.display());
            return Listing { folder: folder.to_owned(), items: Vec::new(), problem: Some(problem) };
        }
    };
    let items = entries.flatten().filter_map(|entry| item(&entry.path())).collect();
    Listing { folder: folder.to_owned(), items, problem: None }
}

fn item(path: &Path) -> Option<Item> {
    let name = path.file_name()?.to_str()?.to_owned();
    // A dangling link has no metadata and cannot be opened.
    let metadata = std::fs::metadata(path).ok()?;
    let kind = match metadata.is_dir() {
        true if path.join(RECORD_NAME).is_file() => Kind::Run,
        true => Kind::Folder,
        false => kind_of(&name),
    };
    let bytes = if metadata.is_dir() { 0 } else { metadata.len() };
    Some(Item { name, kind, bytes, modified: metadata.modified().ok() })
}

fn kind_of(name: &str) -> Kind {
    let name = name.to_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".fz")).unwrap_or(&name);
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "fits" | "fit" | "fts" | "pha" | "rmf" | "arf" => Kind::Fits,
        "ecsv" => Kind::Table,
        "json" => Kind::Json,
        "png" => Kind::Picture,
        _ => Kind::Other,
    }
}

/// The rows to be listed, in order.
pub(super) fn arranged(items: &[Item], filter: Filter, hidden: bool, order: Order, mode: Mode) -> Vec<Item> {
    let is_folder = |item: &Item| matches!(item.kind, Kind::Folder | Kind::Run);
    let mut rows: Vec<Item> = items
        .iter()
        .filter(|item| hidden || !item.name.starts_with('.'))
        .filter(|item| filter.lets(item.kind) && (mode != Mode::Folder || is_folder(item)))
        .cloned()
        .collect();
    rows.sort_by_cached_key(|item| item.name.to_lowercase());
    match order {
        Order::Name => {}
        Order::Newest => rows.sort_by_key(|item| std::cmp::Reverse(item.modified)),
        Order::Largest => rows.sort_by_key(|item| std::cmp::Reverse(item.bytes)),
    }
    rows.sort_by_key(|item| !is_folder(item));
    rows
}

/// What a typed path may become, at most `limit`; and the longest text that all of them begin with.
pub(super) fn completions(typed: &Path, ends_with_slash: bool, limit: usize) -> Completions {
    let (folder, stem) = if ends_with_slash {
        (typed.to_owned(), String::new())
    } else {
        let stem = typed.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        (typed.parent().unwrap_or(Path::new("/")).to_owned(), stem)
    };
    let mut found: Vec<(String, bool)> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| Some((e.file_name().into_string().ok()?, e.path().is_dir())))
        .filter(|(name, _)| name.starts_with(&stem) && (!name.starts_with('.') || stem.starts_with('.')))
        .collect();
    found.sort();
    let common = found.iter().map(|(name, _)| name.clone()).reduce(|a, b| {
        let shared = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
        a.chars().take(shared).collect()
    });
    let complete = match (found.as_slice(), common) {
        ([(name, true)], _) => Some(folder.join(name).join("")),
        (_, Some(common)) => Some(folder.join(common)),
        _ => None,
    };
    found.truncate(limit);
    Completions {
        names: found.into_iter().map(|(name, is_folder)| if is_folder { name + "/" } else { name }).collect(),
        folder,
        complete,
    }
}

/// See [`completions`].
#[derive(Clone, Debug, Default)]
pub(super) struct Completions {
    pub(super) folder: PathBuf,
    pub(super) names: Vec<String>,
    pub(super) complete: Option<PathBuf>,
}

impl Weigh for Completions {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.names.iter().map(String::len).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.fits", "A.fits.gz", ".hidden.fits", "notes.txt", "night_1.fits", "night_2.fits"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        for name in ["sub", "run"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("run/record.json"), "{}").unwrap();
        folder
    }

    fn names(folder: &Path, filter: Filter, hidden: bool, mode: Mode) -> Vec<String> {
        let listing = read_folder(folder, false);
        arranged(&listing.items, filter, hidden, Order::Name, mode).into_iter().map(|i| i.name).collect()
    }

    #[test]
    fn folders_first_then_files_by_name_and_filter() {
        let folder = folder();
        let open = Mode::Open { many: true };
        assert_eq!(
            names(folder.path(), Filter::Fits, false, open),
            ["run", "sub", "A.fits.gz", "b.fits", "night_1.fits", "night_2.fits"]
        );
        assert!(names(folder.path(), Filter::All, false, open).contains(&"notes.txt".to_owned()));
        assert!(names(folder.path(), Filter::Fits, true, open).contains(&".hidden.fits".to_owned()));
        assert_eq!(names(folder.path(), Filter::All, false, Mode::Folder), ["run", "sub"]);
        let kinds: Vec<Kind> =
            read_folder(folder.path(), false).items.iter().filter(|i| i.name == "run").map(|i| i.kind).collect();
        assert_eq!(kinds, [Kind::Run]);
    }

    #[test]
    fn a_folder_that_cannot_be_read_says_why() {
        let gone = folder().path().join("sub/none");
        assert!(read_folder(&gone, false).problem.is_some());
        let above = read_folder(&gone, true);
        assert!(above.problem.is_none() && gone.starts_with(&above.folder));
        let listing = read_folder(Path::new("/no/such/folder"), false);
        assert!(listing.problem.unwrap().starts_with("/no/such/folder: cannot be read"));
    }

    #[test]
    fn completion_goes_as_far_as_all_agree() {
        let folder = folder();
        let found = completions(&folder.path().join("ni"), false, 8);
        assert_eq!(found.names, ["night_1.fits", "night_2.fits"]);
        assert_eq!(found.complete, Some(folder.path().join("night_")));
        let found = completions(&folder.path().join("su"), false, 8);
        assert_eq!(found.complete.unwrap().display().to_string(), format!("{}/", folder.path().join("sub").display()));
        assert_eq!(completions(&folder.path().join("zz"), false, 8).complete, None);
    }
}
