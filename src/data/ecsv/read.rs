//! ECSV text to a table.

use serde_json::{Map, Value};

use super::super::yaml;
use super::{ColumnData, Problem, Table, TableColumn};

type Checked<T> = Result<T, Problem>;

fn bad(line: usize, what: impl Into<String>, cure: &str) -> Problem {
    Problem::Table { line, what: what.into(), cure: cure.to_owned() }
}

pub(super) fn table(text: &str) -> Checked<Table> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.starts_with("# %ECSV") {
        return Err(bad(1, "an ECSV table begins with \"# %ECSV 1.0\"", "save the table as ECSV"));
    }
    let mut header = String::new();
    let mut header_lines = 0;
    let mut rest = text;
    while let Some(line) = rest.strip_prefix('#') {
        let (line, later) = line.split_once('\n').unwrap_or((line, ""));
        if header_lines > 0 {
            // One space belongs to the comment sign, the others to YAML.
            header.push_str(line.strip_prefix(' ').unwrap_or(line).trim_end());
            header.push('\n');
        }
        header_lines += 1;
        rest = later;
    }
    let header = yaml::parse(&header);
    let delimiter = match header.get("delimiter").and_then(Value::as_str) {
        Some(",") => ',',
        _ => ' ',
    };
    let mut rows = Rows { rest, delimiter, line: header_lines + 1 };
    let (line, names) =
        rows.next().ok_or_else(|| bad(header_lines + 1, "the row of column names is missing", "check the file"))??;
    let mut columns = describe(&header, &names, line)?;
    for row in rows {
        let (line, fields) = row?;
        if fields.len() != names.len() {
            let what = format!("{} fields where there are {} columns", fields.len(), names.len());
            return Err(bad(line, what, "check the quotes and the delimiter"));
        }
        for ((column, field), name) in columns.iter_mut().zip(fields).zip(&names) {
            push(&mut column.data, &field)
                .map_err(|what| bad(line, format!("column {name}: {what}"), "correct the value"))?;
        }
    }
    Ok(Table { columns, meta: meta(header.get("meta")) })
}

/// Text of columns under a row of names, without a header: a column is of integers or numbers when every field is one or
/// empty, else of words.
pub(super) fn plain(text: &str, delimiter: char) -> Checked<Table> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = Rows { rest: text, delimiter, line: 1 };
    let (_, names) = rows.next().ok_or_else(|| bad(1, "the row of column names is missing", "check the file"))??;
    let mut fields: Vec<Vec<String>> = names.iter().map(|_| Vec::new()).collect();
    for row in rows {
        let (line, row) = row?;
        if row.len() != names.len() {
            let what = format!("{} fields where there are {} columns", row.len(), names.len());
            return Err(bad(line, what, "check the quotes and the delimiter"));
        }
        for (column, field) in fields.iter_mut().zip(row) {
            column.push(field);
        }
    }
    let columns = (1..).zip(names).zip(fields).map(|((n, name), fields)| {
        let name = if name.is_empty() { format!("column{n}") } else { name };
        TableColumn { name, unit: None, description: String::new(), data: typed(fields) }
    });
    Ok(Table::new(columns.collect()))
}

/// The narrowest type that holds every field.
fn typed(fields: Vec<String>) -> ColumnData {
    let is_hole =
        |field: &str| matches!(field.to_ascii_lowercase().as_str(), "" | "nan" | "null" | "na" | "n/a" | "--");
    let some = fields.iter().any(|field| !is_hole(field));
    if let Ok(whole) = fields.iter().map(|field| field.parse()).collect::<Result<Vec<i64>, _>>()
        && some
    {
        return ColumnData::Integer(whole);
    }
    let number = |field: &String| if is_hole(field) { Ok(f64::NAN) } else { field.parse() };
    match fields.iter().map(number).collect::<Result<Vec<f64>, _>>() {
        Ok(numbers) if some => ColumnData::Float(numbers),
        _ => ColumnData::Text(fields),
    }
}

/// Empty columns of the types that the header gives; without a type a column is text.
fn describe(header: &Value, names: &[String], line: usize) -> Checked<Vec<TableColumn>> {
    let none = Vec::new();
    let described = header.get("datatype").and_then(Value::as_array).unwrap_or(&none);
    if described.len() != names.len() {
        let what = format!("{} column names where the header describes {} columns", names.len(), described.len());
        return Err(bad(line, what, "check the header"));
    }
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(map) => map.get("unit").and_then(Value::as_str).map(str::to_owned),
        Value::Null => None,
        other => Some(other.to_string()),
    };
    let column = |(column, name): (&Value, &String)| {
        let whole = column.get("subtype").is_none();
        let data = match column.get("datatype").and_then(Value::as_str).unwrap_or("string") {
            kind if whole && kind.starts_with("float") => ColumnData::Float(Vec::new()),
            kind if whole && (kind.starts_with("int") || kind.starts_with("uint")) => ColumnData::Integer(Vec::new()),
            _ => ColumnData::Text(Vec::new()),
        };
        TableColumn {
            name: name.clone(),
            unit: column.get("unit").and_then(text),
            description: column.get("description").and_then(text).unwrap_or_default(),
            data,
        }
    };
    Ok(described.iter().zip(names).map(column).collect())
}

/// Adds a value. An integer column with a hole, or with a number beyond 64 bits, becomes a float column.
fn push(data: &mut ColumnData, field: &str) -> Result<(), String> {
    if let ColumnData::Integer(values) = data {
        if let Ok(n) = field.parse() {
            values.push(n);
            return Ok(());
        }
        if field.is_empty() || field.parse::<u64>().is_ok() {
            *data = ColumnData::Float(values.iter().map(|&n| n as f64).collect());
        }
    }
    match data {
        ColumnData::Float(values) if field.is_empty() => values.push(f64::NAN),
        ColumnData::Float(values) => {
            values.push(field.parse().map_err(|_| format!("{field:?} is not a number"))?);
        }
        ColumnData::Integer(_) => return Err(format!("{field:?} is not an integer")),
        ColumnData::Text(values) => values.push(field.to_owned()),
    }
    Ok(())
}

/// A mapping, or a list of mappings with one entry each (`!!omap`).
fn meta(value: Option<&Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(map)) => map.clone(),
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_object).flatten().map(|(k, v)| (k.clone(), v.clone())).collect()
        }
        _ => Map::new(),
    }
}

/// The rows of a CSV text with the line on which each begins.
struct Rows<'a> {
    rest: &'a str,
    delimiter: char,
    line: usize,
}

impl Iterator for Rows<'_> {
    type Item = Checked<(usize, Vec<String>)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let empty = self.rest.split('\n').next().unwrap_or("");
            if !(empty.trim().is_empty() || empty.starts_with('#')) {
                break;
            }
            // Empty lines and remarks between the rows.
            self.rest = self.rest.get(empty.len() + 1..).unwrap_or("");
            self.line += 1;
        }
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            if self.delimiter == ' ' {
                self.rest = self.rest.trim_start_matches([' ', '\t']);
                if self.at_end_of_row() {
                    break;
                }
            }
            match self.field() {
                Ok(field) => fields.push(field),
                Err(problem) => {
                    self.rest = "";
                    return Some(Err(problem));
                }
            }
            match self.rest.strip_prefix(self.delimiter) {
                Some(rest) => self.rest = rest,
                None => break,
            }
        }
        let (_, later) = self.rest.split_once('\n').unwrap_or(("", ""));
        self.rest = later;
        self.line += 1;
        Some(Ok((line, fields)))
    }
}

impl Rows<'_> {
    fn at_end_of_row(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with('\n') || self.rest.starts_with("\r\n")
    }

    fn field(&mut self) -> Checked<String> {
        let Some(mut quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([self.delimiter, '\n']).unwrap_or(self.rest.len());
            let (field, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Ok(field.trim().to_owned());
        };
        let mut text = String::new();
        loop {
            let Some((before, after)) = quoted.split_once('"') else {
                return Err(bad(self.line, "a quote is opened and not closed", "close it"));
            };
            text.push_str(before);
            self.line += before.matches('\n').count();
            match after.strip_prefix('"') {
                Some(more) => {
                    text.push('"');
                    quoted = more;
                }
                None => {
                    self.rest = after;
                    // Spaces between a closing quote and a comma, or a \r before the line break.
                    if self.delimiter != ' ' || after.starts_with('\r') {
                        self.rest = after.trim_start_matches([' ', '\r']);
                    }
                    return Ok(text);
                }
            }
        }
    }
}
