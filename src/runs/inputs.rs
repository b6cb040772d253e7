//! Input paths of a request: a file, a file with an extension in brackets, or a run folder.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::record::{InputFile, RECORD_NAME, Record, fingerprint};
use super::start::PANEL_NAME;
use crate::data::Location;
use crate::tasks::{Cancel, TaskEntry, TaskError, input_fields};

/// Turns what the user gave for `role` into the absolute path of a file that can be read.
/// A run folder stands for one of its products: the one named like the role (`image.fits` for `image`), or the only one.
///
/// # Errors
/// [`TaskError::File`] if it does not exist, cannot be read, is a folder but no run, or a run in which no product or more than one may be meant.
pub fn resolve(role: &str, text: &str) -> Result<String, TaskError> {
    let mut location = Location::parse(text);
    let unreadable = |file: &Path, e: &std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => TaskError::file(file, format!("no such file (input {role})")),
        _ => TaskError::file(file, format!("cannot be read (input {role}: {e})")),
    };
    let mut file = std::path::absolute(&location.path).map_err(|e| unreadable(&location.path, &e))?;
    if file.is_dir() {
        file = product(&file, role)?;
    }
    std::fs::File::open(&file).map_err(|e| unreadable(&file, &e))?;
    if file.to_str().is_none() {
        return Err(TaskError::file(&file, "the path is not UTF-8 and cannot stand in a record; rename the file"));
    }
    location.path = file;
    Ok(location.to_string())
}

/// The product of a run folder that serves as `role`: the one named like it, or the only one (the picture of the panel does not count).
/// Any other would be a guess, and a point-spread function that is really a model image is noticed by nobody.
///
/// # Errors
/// [`TaskError::File`] if the folder is no run, has no products, or has several of which none is named like the role.
pub fn product(folder: &Path, role: &str) -> Result<PathBuf, TaskError> {
    let record = Record::read(folder).map_err(|_| {
        TaskError::file(folder, format!("is a folder without a {RECORD_NAME} of ours; name the file (input {role})"))
    })?;
    let products: Vec<&String> = record.files.iter().filter(|name| *name != PANEL_NAME).collect();
    match (named_like(&record, role), products.as_slice()) {
        (Some(name), _) => Ok(folder.join(name)),
        (None, [only]) => Ok(folder.join(only)),
        (None, []) => Err(TaskError::file(folder, "is a run without products")),
        (None, several) => {
            let last = role.rsplit('.').next().unwrap_or(role);
            let names = several.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let problem =
                format!("is a run without a product named {last}; name one of its files: {names} (input {role})");
            Err(TaskError::file(folder, problem))
        }
    }
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
        let (bytes, sha256) = fingerprint(&Location::parse(&path).path, cancel)?;
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
        let odd_text = odd.to_str().unwrap();
        assert_eq!(resolve("image", odd_text).unwrap(), odd_text);
        assert_eq!(resolve("image", &with).unwrap(), with);
        let with_version = format!("{}[SCI,2]", plain.display());
        assert_eq!(resolve("image", &with_version).unwrap(), with_version);
    }

    #[test]
    fn a_run_folder_gives_the_product_of_that_name_or_its_only_one_and_never_a_guess() {
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str, files: &[&str]| {
            let run = folder.path().join(name);
            std::fs::create_dir(&run).unwrap();
            let mut record = Record::begin("test.run", serde_json::json!({}), 1);
            record.files = files.iter().map(|f| (*f).to_owned()).collect();
            std::fs::write(run.join(RECORD_NAME), record.to_json().unwrap()).unwrap();
            for file in files {
                std::fs::write(run.join(file), "x").unwrap();
            }
            run
        };
        let several = made("fit", &["model.fits", "residual.fits", "panel.png"]);
        let text = several.to_str().unwrap();
        assert_eq!(resolve("data.residual", text).unwrap(), several.join("residual.fits").to_str().unwrap());
        let error = resolve("data.psf", text).unwrap_err();
        assert!(error.is_usage());
        assert_eq!(
            error.to_string(),
            format!(
                "{text}: is a run without a product named psf; name one of its files: model.fits, residual.fits (input data.psf)"
            )
        );
        let one = made("sim", &["cube.fits", "panel.png"]);
        assert_eq!(resolve("image", one.to_str().unwrap()).unwrap(), one.join("cube.fits").to_str().unwrap());
        let none = made("none", &["panel.png"]);
        assert!(
            resolve("image", none.to_str().unwrap()).unwrap_err().to_string().ends_with("is a run without products")
        );
    }

    #[test]
    fn a_missing_file_is_named_with_its_role() {
        let error = resolve("image", "/nowhere/a.fits").unwrap_err();
        assert!(error.is_usage());
        assert_eq!(error.to_string(), "/nowhere/a.fits: no such file (input image)");
    }
}
