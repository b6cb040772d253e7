//! Input paths of a request: a file, a file with an extension in brackets, or a run folder.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::record::{InputFile, RECORD_NAME, Record, fingerprint};
use crate::tasks::{Cancel, TaskEntry, TaskError, input_fields};

/// An input as the user names it, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputPath {
    /// The file or folder.
    pub file: PathBuf,
    /// What stands in brackets after it, brackets included, e.g. `[SCI]`; or empty.
    pub extension: String,
}

impl InputPath {
    /// Takes `file.fits[SCI]` apart, after the literal name has been tried.
    pub fn parse(text: &str) -> Self {
        let literal = Self { file: text.into(), extension: String::new() };
        if literal.file.exists() {
            return literal;
        }
        let bracket = text.strip_suffix(']').and_then(|t| t.rfind('['));
        match bracket.map(|at| text.split_at(at)) {
            Some((file, extension)) if Path::new(file).exists() => {
                Self { file: file.into(), extension: extension.to_owned() }
            }
            _ => literal,
        }
    }
}

/// Turns what the user gave for `role` into the absolute path of a file that can be read.
/// A run folder stands for one of its products: the one named like the role (`image.fits` for `image`), else the first in its record.
///
/// # Errors
/// [`TaskError::File`] if it does not exist, cannot be read, or is a folder but no run.
pub fn resolve(role: &str, text: &str) -> Result<String, TaskError> {
    let given = InputPath::parse(text);
    let unreadable = |file: &Path, e: &std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => TaskError::file(file, format!("no such file (input {role})")),
        _ => TaskError::file(file, format!("cannot be read (input {role}: {e})")),
    };
    let mut file = std::path::absolute(&given.file).map_err(|e| unreadable(&given.file, &e))?;
    if file.is_dir() {
        file = product(&file, role)?;
    }
    std::fs::File::open(&file).map_err(|e| unreadable(&file, &e))?;
    match file.to_str() {
        Some(text) => Ok(format!("{text}{}", given.extension)),
        None => Err(TaskError::file(&file, "the path is not UTF-8 and cannot stand in a record; rename the file")),
    }
}

/// The product of a run folder that serves as `role`.
///
/// # Errors
/// [`TaskError::File`] if the folder is no run or has no products.
pub fn product(folder: &Path, role: &str) -> Result<PathBuf, TaskError> {
    let record = Record::read(folder).map_err(|_| {
        TaskError::file(folder, format!("is a folder without a {RECORD_NAME} of ours; name the file (input {role})"))
    })?;
    let name = named_like(&record, role).or_else(|| record.files.first());
    name.map(|n| folder.join(n)).ok_or_else(|| TaskError::file(folder, "is a run without products"))
}

/// The product whose name without endings is the role's last part.
pub fn named_like<'a>(record: &'a Record, role: &str) -> Option<&'a String> {
    let role = role.rsplit('.').next().unwrap_or(role);
    record.files.iter().find(|name| name.split('.').next() == Some(role))
}

/// Makes every input path of a request absolute and checks that it can be read.
///
/// # Errors
/// See [`resolve`].
pub fn resolve_all(entry: &TaskEntry, request: &mut Value) -> Result<(), TaskError> {
    for role in input_fields(&(entry.schema)()) {
        let Some(place) = lookup_mut(request, &role) else { continue };
        if let Some(text) = place.as_str().filter(|t| !t.is_empty()) {
            *place = Value::String(resolve(&role, text)?);
        }
    }
    Ok(())
}

/// The inputs of a request whose paths are absolute: roles and paths, without those left out.
pub fn paths(entry: &TaskEntry, request: &Value) -> Vec<(String, String)> {
    let roles = input_fields(&(entry.schema)());
    roles
        .into_iter()
        .filter_map(|role| {
            let text = role.split('.').try_fold(request, |v, part| v.get(part))?.as_str()?.to_owned();
            (!text.is_empty()).then_some((role, text))
        })
        .collect()
}

/// Size and hash of every input of a request.
///
/// # Errors
/// [`TaskError::File`] if one cannot be read, [`TaskError::Cancelled`].
pub fn fingerprints(entry: &TaskEntry, request: &Value, cancel: &Cancel) -> Result<Vec<InputFile>, TaskError> {
    let one = |(role, path): (String, String)| {
        let (bytes, sha256) = fingerprint(&InputPath::parse(&path).file, cancel)?;
        Ok(InputFile { role, path, bytes, sha256 })
    };
    paths(entry, request).into_iter().map(one).collect()
}

fn lookup_mut<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').try_fold(value, |v, part| v.get_mut(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_an_extension_only_after_the_literal_name() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("a.fits");
        let odd = folder.path().join("b.fits[1]");
        std::fs::write(&plain, "x").unwrap();
        std::fs::write(&odd, "x").unwrap();
        let with = format!("{}[SCI]", plain.display());
        assert_eq!(InputPath::parse(&with), InputPath { file: plain, extension: "[SCI]".into() });
        let odd_text = odd.to_str().unwrap();
        assert_eq!(InputPath::parse(odd_text), InputPath { file: odd.clone(), extension: String::new() });
        assert_eq!(resolve("image", &with).unwrap(), with);
    }

    #[test]
    fn a_missing_file_is_named_with_its_role() {
        let error = resolve("image", "/nowhere/a.fits").unwrap_err();
        assert!(error.is_usage());
        assert_eq!(error.to_string(), "/nowhere/a.fits: no such file (input image)");
    }
}
