//! The files, runs and sessions opened lately, newest first; kept beside the library of runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Entries kept.
const LIMIT: usize = 15;

/// The list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    paths: Vec<PathBuf>,
}

impl Recent {
    /// Reads the list; a damaged one is empty.
    pub fn from_text(text: &str) -> Self {
        let mut paths: Vec<PathBuf> = serde_json::from_str(text).unwrap_or_default();
        paths.retain(|p| p.is_absolute());
        paths.truncate(LIMIT);
        Self { paths }
    }

    /// The text of its file.
    ///
    /// # Errors
    /// A path in it is not UTF-8; [`Recent::add`] takes none of those.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(&self.paths)?;
        text.push('\n');
        Ok(text)
    }

    /// Newest first.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Puts a path on top; false if it stood there already, or has no text to be kept as.
    pub fn add(&mut self, path: &Path) -> bool {
        if path.to_str().is_none() || self.paths.first().is_some_and(|p| p == path) {
            return false;
        }
        self.paths.retain(|p| p != path);
        self.paths.insert(0, path.to_owned());
        self.paths.truncate(LIMIT);
        true
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.paths.clear();
    }

    /// Folders that hold them, newest first, each once.
    pub fn folders(&self) -> Vec<PathBuf> {
        let mut seen = BTreeSet::new();
        let parents = self.paths.iter().filter_map(|p| p.parent()).map(Path::to_owned);
        parents.filter(|folder| seen.insert(folder.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_on_top_once_and_old_ones_leave() {
        let mut recent = Recent::default();
        for i in 0..20 {
            assert!(recent.add(Path::new(&format!("/d{}/{i}.fits", i % 2))));
        }
        assert!(recent.add(Path::new("/d1/15.fits")) && !recent.add(Path::new("/d1/15.fits")));
        assert_eq!(recent.paths().len(), LIMIT);
        assert_eq!(recent.paths()[..2], [PathBuf::from("/d1/15.fits"), PathBuf::from("/d1/19.fits")]);
        assert_eq!(recent.folders(), [PathBuf::from("/d1"), PathBuf::from("/d0")]);
        assert_eq!(Recent::from_text(&recent.to_text().unwrap()), recent);
        assert_eq!(Recent::from_text("{"), Recent::default());
        assert!(Recent::from_text("[\"relative.fits\"]").paths().is_empty());
    }
}
