//! From arguments to a complete request.

use std::path::Path;

use serde_json::Value;

use super::{CliError, Faces};
use crate::runs::Record;
use crate::tasks::{TaskEntry, input_fields, nearest, set_field};

/// The task of that name.
pub(super) fn task(name: &str, faces: &Faces) -> Result<&'static TaskEntry, CliError> {
    let tasks = (faces.tasks)();
    tasks.iter().find(|t| t.name == name).ok_or_else(|| {
        let nearest = nearest(name, tasks.iter().map(|t| t.name));
        let hint = nearest.map_or_else(|| "`sextans list` shows all".into(), |n| format!("did you mean {n}?"));
        CliError::Usage(format!("{name}: no such task; {hint}"))
    })
}

/// Defaults < `--request` < `--set` < `--input`, checked and complete. Inputs are looked for when the run is prepared.
pub(super) fn build(
    entry: &TaskEntry,
    file: Option<&Path>,
    set: &[(String, String)],
    input: &[(String, String)],
) -> Result<Value, CliError> {
    let schema = (entry.schema)();
    let mut request = (entry.defaults)()?;
    if let Some(file) = file {
        let given = read(file, entry)?;
        // Checked before merging, so that an error names what stands in the file.
        (entry.normalise)(&given).map_err(|e| CliError::Usage(format!("{}: {e}", file.display())))?;
        merge(&mut request, given);
    }
    for (name, text) in set {
        set_field(&schema, &mut request, name, text)?;
    }
    for (given, path) in input {
        let role = role(entry, &input_fields(&schema), given)?;
        set_field(&schema, &mut request, &role, path)?;
    }
    Ok((entry.normalise)(&request)?)
}

/// A request file; a record of the same task serves as well.
fn read(file: &Path, entry: &TaskEntry) -> Result<Value, CliError> {
    let usage = |problem: String| CliError::Usage(format!("{}: {problem}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|e| usage(format!("cannot be read ({e})")))?;
    if let Ok(record) = Record::from_json(&text) {
        if record.task != entry.name {
            return Err(usage(format!("is the record of a run of {}, not of {}", record.task, entry.name)));
        }
        return Ok(record.request);
    }
    serde_json::from_str(&text).map_err(|e| usage(format!("is not JSON ({e})")))
}

/// Puts `over` onto `under`, objects field by field.
fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// The input field that the user means: its full name, or its last part if only one field ends so.
fn role(entry: &TaskEntry, known: &[String], given: &str) -> Result<String, CliError> {
    if let Some(name) = known.iter().find(|name| *name == given) {
        return Ok(name.clone());
    }
    let mut ending = known.iter().filter(|name| name.rsplit('.').next() == Some(given));
    match (ending.next(), ending.next()) {
        (Some(name), None) => Ok(name.clone()),
        _ if known.is_empty() => Err(CliError::Usage(format!("--input {given}: {} takes no input files", entry.name))),
        _ => {
            let known = known.join(", ");
            Err(CliError::Usage(format!("--input {given}: no such input; {} has {known}", entry.name)))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merging_keeps_what_is_not_said() {
        let mut under = json!({"a": {"x": 1, "y": 2}, "b": 3});
        merge(&mut under, json!({"a": {"y": 5}, "b": null}));
        assert_eq!(under, json!({"a": {"x": 1, "y": 5}, "b": null}));
    }
}
