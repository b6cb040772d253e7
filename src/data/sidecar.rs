//! `info.json` beside an image, where lens collections keep what the FITS header does not say.

use std::path::Path;

use serde_json::Value;

/// A sidecar is a page of text; anything much larger is something else.
const SIZE_LIMIT: u64 = 1 << 20;

/// What is taken from `info.json`; everything else in it is left alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sidecar {
    /// `pixel_scale`: side of a pixel in arcsec.
    pub pixel_scale_arcsec: Option<f64>,
    /// `redshift_lens`.
    pub redshift_lens: Option<f64>,
    /// `redshift_source`.
    pub redshift_source: Option<f64>,
    /// Why nothing, or not everything, could be read.
    pub warnings: Vec<String>,
}

impl Sidecar {
    /// Reads the `info.json` in the folder of `image`; `None` when there is none.
    pub fn beside(image: &Path) -> Option<Self> {
        let path = image.with_file_name("info.json");
        let size = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?.len();
        let warn = |warning: String| Some(Self { warnings: vec![warning], ..Self::default() });
        if size > SIZE_LIMIT {
            return warn(format!("{}: {size} bytes are too many for a note; not read", path.display()));
        }
        match std::fs::read(&path) {
            Ok(bytes) => Some(Self::from_json(&String::from_utf8_lossy(&bytes))),
            Err(error) => warn(format!("{}: {error}", path.display())),
        }
    }

    /// Understands the text of an `info.json`. Python writes NaN and Infinity into it, which JSON does not know.
    pub fn from_json(text: &str) -> Self {
        let mut sidecar = Self::default();
        let value: Value = match serde_json::from_str(&without_nan(text)) {
            Ok(value) => value,
            Err(error) => {
                sidecar.warnings.push(format!("info.json is not JSON: {error}"));
                return sidecar;
            }
        };
        let mut positive = |key: &str| match value.get(key) {
            None | Some(Value::Null) => None,
            Some(found) => {
                let number = found.as_f64().or_else(|| found.as_str()?.trim().parse().ok());
                let usable = number.filter(|x| x.is_finite() && *x > 0.0);
                if usable.is_none() {
                    sidecar.warnings.push(format!("info.json: {key} = {found} is not a positive number; not used"));
                }
                usable
            }
        };
        let (scale, lens, source) = (positive("pixel_scale"), positive("redshift_lens"), positive("redshift_source"));
        (sidecar.pixel_scale_arcsec, sidecar.redshift_lens, sidecar.redshift_source) = (scale, lens, source);
        sidecar
    }
}

/// Puts `null` for the words NaN, Infinity and -Infinity outside strings.
fn without_nan(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    while let Some(c) = rest.chars().next() {
        if !in_string && let Some(word) = ["NaN", "-Infinity", "Infinity"].into_iter().find(|w| rest.starts_with(w)) {
            out.push_str("null");
            rest = &rest[word.len()..];
            continue;
        }
        // In a string a backslash takes the next sign with it.
        let length = match c {
            '\\' if in_string => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '"' => {
                in_string = !in_string;
                1
            }
            _ => c.len_utf8(),
        };
        let (now, later) = rest.split_at(length);
        out.push_str(now);
        rest = later;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_tokens_do_not_hide_the_numbers() {
        let text = r#"{"pixel_scale": 0.05, "note": "NaN \" Infinity å", "slope": NaN, "a": [-Infinity, Infinity],
                      "redshift_lens": 0.222, "redshift_source": "0.609"}"#;
        let sidecar = Sidecar::from_json(text);
        assert_eq!(sidecar.pixel_scale_arcsec, Some(0.05));
        assert_eq!(sidecar.redshift_lens, Some(0.222));
        assert_eq!(sidecar.redshift_source, Some(0.609));
        assert!(sidecar.warnings.is_empty());
        assert_eq!(without_nan(r#"["NaN\\", NaN]"#), r#"["NaN\\", null]"#);
    }

    #[test]
    fn rubbish_gives_warnings_and_no_numbers() {
        for text in ["", "{", "[1]", r#"{"pixel_scale": NaN}"#, r#"{"pixel_scale": -1}"#, "\"\\", "\"å\\å"] {
            assert_eq!(Sidecar::from_json(text).pixel_scale_arcsec, None, "{text}");
        }
        assert_eq!(Sidecar::from_json(r#"{"pixel_scale": "x"}"#).warnings.len(), 1);
    }

    #[test]
    fn it_lies_beside_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("data.fits");
        assert_eq!(Sidecar::beside(&image), None);
        std::fs::write(folder.path().join("info.json"), r#"{"pixel_scale": 0.06}"#).unwrap();
        assert_eq!(Sidecar::beside(&image).unwrap().pixel_scale_arcsec, Some(0.06));
    }
}
