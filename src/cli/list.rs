//! `sextans list`.

use std::fmt::Write;

use serde_json::{Value, json};

use super::output::Output;
use super::{CliError, Faces, request};
use crate::tasks::{Field, FieldKind, Lane, TaskEntry, fields};

pub(super) fn run(task: Option<&str>, json: bool, faces: &Faces, output: &mut Output) -> Result<(), CliError> {
    let all = (faces.tasks)();
    let Some(name) = task else {
        let tasks: Vec<&TaskEntry> = all.iter().collect();
        show_many(&tasks, json, output);
        return Ok(());
    };
    let of_study: Vec<&TaskEntry> = all.iter().filter(|t| t.name.split('.').next() == Some(name)).collect();
    if !of_study.is_empty() && !all.iter().any(|t| t.name == name) {
        show_many(&of_study, json, output);
        return Ok(());
    }
    let entry = request::task(name, faces)?;
    let defaults = (entry.defaults)()?;
    if json {
        output.text(&pretty(&describe(entry, &defaults)));
    } else {
        output.text(&in_words(entry, &defaults));
    }
    Ok(())
}

fn show_many(tasks: &[&TaskEntry], json: bool, output: &mut Output) {
    if json {
        let list = tasks.iter().map(|t| json!({"name": t.name, "summary": t.summary, "lane": lane(t)})).collect();
        output.text(&pretty(&Value::Array(list)));
        return;
    }
    let width = tasks.iter().map(|t| t.name.len()).max().unwrap_or_default();
    for task in tasks {
        output.line(&format!("{:width$}  {}", task.name, task.summary));
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn lane(entry: &TaskEntry) -> &'static str {
    match entry.lane {
        Lane::Short => "short",
        Lane::Long => "long",
    }
}

fn describe(entry: &TaskEntry, defaults: &Value) -> Value {
    let outputs: Vec<Value> = entry.outputs.iter().map(|(name, help)| json!({"name": name, "help": help})).collect();
    json!({
        "name": entry.name,
        "summary": entry.summary,
        "lane": lane(entry),
        "defaults": defaults,
        "outputs": outputs,
        "schema": (entry.schema)(),
    })
}

fn in_words(entry: &TaskEntry, defaults: &Value) -> String {
    let all = fields(&(entry.schema)(), defaults);
    let (inputs, parameters): (Vec<&Field>, Vec<&Field>) = all.iter().partition(|f| f.kind == FieldKind::Input);
    let mut text = format!("{}: {}\n", entry.name, entry.summary);
    section(&mut text, "Parameters (--set name=value)", parameters.iter().map(|f| parameter(f)));
    section(&mut text, "Inputs (--input name=FILE, file.fits[EXT] or a run folder)", inputs.iter().map(|f| input(f)));
    let outputs = entry.outputs.iter().map(|(name, help)| [(*name).to_owned(), String::new(), (*help).to_owned()]);
    section(&mut text, "Outputs (in the folder given to --out)", outputs);
    text
}

/// A heading and rows of three columns; nothing if there is no row.
fn section(text: &mut String, heading: &str, rows: impl Iterator<Item = [String; 3]>) {
    let rows: Vec<[String; 3]> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max().unwrap_or_default();
    let (first, second) = (width(0), width(1));
    // Writing to a string cannot fail.
    writeln!(text, "\n{heading}").ok();
    for [name, middle, help] in &rows {
        let gap = if second == 0 { String::new() } else { format!("  {middle:second$}") };
        writeln!(text, "{}", format!("  {name:first$}{gap}  {help}").trim_end()).ok();
    }
}

fn parameter(field: &Field) -> [String; 3] {
    let mut middle = match &field.default {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if !field.unit.is_empty() {
        middle = format!("{middle} {}", field.unit);
    }
    if field.needed {
        middle = "needed".to_owned();
    }
    let range = match &field.kind {
        FieldKind::Number { .. } | FieldKind::Integer { .. } => field.range(),
        FieldKind::Choice(names) => Some(names.join(" | ")),
        FieldKind::Bool => Some("true | false".into()),
        FieldKind::Json => Some("JSON".into()),
        FieldKind::Input | FieldKind::Text => None,
    };
    if let Some(range) = range {
        middle = format!("{middle}  [{range}]");
    }
    [field.name.clone(), middle, one_line(&field.help)]
}

fn input(field: &Field) -> [String; 3] {
    let need = if field.optional && !field.needed { "may be left out" } else { "needed" };
    [field.name.clone(), need.into(), one_line(&field.help)]
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
