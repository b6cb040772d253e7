//! Names of files with an HDU: `file.fits[SCI]`, `file.fits[1]`, `file.fits[SCI,2]`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Which HDU of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HduSelector {
    /// By number; 0 is the primary.
    Index(usize),
    /// By EXTNAME (case ignored) and, if given, EXTVER.
    Name {
        /// EXTNAME.
        name: String,
        /// EXTVER; `None` takes the first of that name.
        version: Option<i64>,
    },
}

impl fmt::Display for HduSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Name { name, version: None } => f.write_str(name),
            Self::Name { name, version: Some(version) } => write!(f, "{name},{version}"),
        }
    }
}

/// What stands between the brackets cannot name an HDU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[{0}] names no HDU; write [1], [SCI] or [SCI,2]")]
pub struct SelectorError(pub String);

impl FromStr for HduSelector {
    type Err = SelectorError;

    /// Reads `1`, `SCI` or `SCI,2`.
    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let wrong = || SelectorError(text.to_owned());
        let trimmed = text.trim();
        if trimmed.contains(['[', ']', '/', '\\']) {
            return Err(wrong());
        }
        if let Ok(index) = trimmed.parse() {
            return Ok(Self::Index(index));
        }
        let (name, version) = match trimmed.rsplit_once(',') {
            Some((name, version)) => (name.trim(), Some(version.trim().parse().map_err(|_| wrong())?)),
            None => (trimmed, None),
        };
        if name.is_empty() {
            return Err(wrong());
        }
        Ok(Self::Name { name: name.to_owned(), version })
    }
}

/// A file and, optionally, one HDU of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// The HDU; `None` lets the reader choose (the first image).
    pub hdu: Option<HduSelector>,
}

impl Location {
    /// Understands what a user typed. A file of exactly this name comes first, brackets and all; only when there is
    /// none is a trailing `[...]` taken for an HDU. Whether the file exists in the end is not asked here.
    pub fn parse(text: &str) -> Self {
        Self::parse_with(text, Path::exists)
    }

    /// [`Location::parse`] with another answer to "is there such a file?".
    pub fn parse_with(text: &str, exists: impl Fn(&Path) -> bool) -> Self {
        let literal = Path::new(text);
        if !exists(literal)
            && let Some((file, inside)) = text.strip_suffix(']').and_then(|rest| rest.rsplit_once('['))
            && !file.is_empty()
            && let Ok(hdu) = inside.parse()
        {
            return Self { path: file.into(), hdu: Some(hdu) };
        }
        Self { path: literal.to_owned(), hdu: None }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hdu {
            None => write!(f, "{}", self.path.display()),
            Some(hdu) => write!(f, "{}[{hdu}]", self.path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str, version: Option<i64>) -> Option<HduSelector> {
        Some(HduSelector::Name { name: name.into(), version })
    }

    #[test]
    fn brackets_select_an_hdu_and_print_back() {
        for (text, path, hdu) in [
            ("a.fits", "a.fits", None),
            ("a.fits[1]", "a.fits", Some(HduSelector::Index(1))),
            ("d/a.fits[SCI]", "d/a.fits", name("SCI", None)),
            ("a.fits[SCI,2]", "a.fits", name("SCI", Some(2))),
            ("a[1].fits", "a[1].fits", None),
            ("a[1].fits[2]", "a[1].fits", Some(HduSelector::Index(2))),
            ("a.fits[]", "a.fits[]", None),
            ("[1]", "[1]", None),
        ] {
            let location = Location::parse_with(text, |_| false);
            assert_eq!(location, Location { path: path.into(), hdu }, "{text}");
            assert_eq!(location.to_string(), text);
        }
    }

    #[test]
    fn the_literal_name_comes_first() {
        let location = Location::parse_with("a[1]", |path| path == Path::new("a[1]"));
        assert_eq!(location, Location { path: "a[1]".into(), hdu: None });
        let location = Location::parse_with("a[1][2]", |path| path == Path::new("a[1]"));
        assert_eq!(location, Location { path: "a[1]".into(), hdu: Some(HduSelector::Index(2)) });
    }

    #[test]
    fn wrong_selectors_are_refused() {
        for text in ["", ",1", "SCI,x", "a/b", "a]b"] {
            assert!(text.parse::<HduSelector>().is_err(), "{text}");
        }
    }
}
