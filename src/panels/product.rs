//! What a view can give away: its data as files, and texts for the clipboard.

use std::path::Path;
use std::sync::Arc;

use crate::tasks::TaskError;

/// Writes a product to a path; for a thread of its own.
pub type Writer = Arc<dyn Fn(&Path) -> Result<(), TaskError> + Send + Sync>;

/// Data of a view that can be written to a file.
#[derive(Clone)]
pub struct Product {
    /// What it is, for the menu: "Plane 3 as FITS".
    pub title: String,
    /// Name of the file that is proposed.
    pub file_name: String,
    /// Writes it.
    pub write: Writer,
}

impl Product {
    /// A product; `write` must put the file up whole or not at all.
    pub fn new(
        title: impl Into<String>,
        file_name: impl Into<String>,
        write: impl Fn(&Path) -> Result<(), TaskError> + Send + Sync + 'static,
    ) -> Self {
        Self { title: title.into(), file_name: file_name.into(), write: Arc::new(write) }
    }
}

/// A file name without signs that shells or file systems mind: of a title such as `m13.fits [SCI]`.
pub fn file_stem(title: &str) -> String {
    let plain: String =
        title.chars().map(|c| if c.is_alphanumeric() || "._-+".contains(c) { c } else { ' ' }).collect();
    let stem = plain.split_whitespace().collect::<Vec<_>>().join("-");
    let stem = ["fits", "fit", "fz", "ecsv", "csv", "tsv"]
        .iter()
        .fold(stem, |stem, ending| stem.replace(&format!(".{ending}"), ""));
    let stem = stem.trim_matches(['-', '.']);
    if stem.is_empty() { "view".into() } else { stem.to_owned() }
}

/// A Python string literal.
pub fn python_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A Python number: every digit, `float("nan")` for what is no number.
pub fn python_number(x: f64) -> String {
    if x.is_finite() { format!("{x:?}") } else { format!("float(\"{x}\")") }
}

/// Quoted for a POSIX shell where it must be.
pub fn shell_quoted(text: &str) -> String {
    if !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "=._-/+:,".contains(c)) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_made_safe() {
        assert_eq!(file_stem("m13.fits [SCI]"), "m13-SCI");
        assert_eq!(file_stem("a/b: c?.ecsv"), "a-b-c");
        assert_eq!(file_stem("///"), "view");
        assert_eq!(python_string("a\"b\\c\nd"), r#""a\"b\\c\nd""#);
        assert_eq!(python_number(1e-17), "1e-17");
        assert_eq!(python_number(f64::NAN), "float(\"NaN\")");
        assert_eq!(shell_quoted("it's"), r"'it'\''s'");
        assert_eq!(shell_quoted("/a/b.fits"), "/a/b.fits");
        assert_eq!(shell_quoted(""), "''");
    }
}
