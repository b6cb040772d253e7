//! `sextans info`.

use serde_json::Value;

use super::args::InfoArguments;
use super::output::Output;
use super::{CliError, Faces};

/// What is asked about a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InfoOptions {
    /// Only this HDU; 0 is the primary one.
    pub hdu: Option<usize>,
    /// Value and world coordinates at this pixel: FITS order (fastest axis first), counted from 1.
    pub pixel: Option<Vec<i64>>,
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    /// For reading; several lines.
    pub text: String,
    /// For programs.
    pub json: Value,
}

pub(super) fn run(options: &InfoArguments, faces: &Faces, output: &mut Output) -> Result<(), CliError> {
    let asked = InfoOptions { hdu: options.hdu, pixel: options.pixel.clone().map(|p| p.0) };
    let mut all = Vec::new();
    let mut failed = None;
    for file in &options.files {
        match (faces.info)(file, &asked) {
            Ok(info) if options.json => all.push(info.json),
            Ok(info) => output.text(&format!("{}\n", info.text.trim_end())),
            Err(problem) => {
                // The others are still shown; the last line says what was wrong with the first bad one.
                failed.get_or_insert_with(|| named(file, &problem));
            }
        }
    }
    if options.json {
        // One file gives its object, several give an array.
        let one = options.files.len() == 1;
        if let Some(value) = if one { all.pop() } else { Some(Value::Array(all)) } {
            output.text(&format!("{value:#}\n"));
        }
    }
    failed.map_or(Ok(()), |line| Err(CliError::Usage(line)))
}

/// The problem with the file's name in front, unless it stands there already.
fn named(file: &std::path::Path, problem: &str) -> String {
    let name = file.display().to_string();
    if problem.contains(&name) { problem.to_owned() } else { format!("{name}: {problem}") }
}
