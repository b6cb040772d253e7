//! Tables as text: ECSV 1.0 (astropy APE 6), a CSV whose header in `#` lines names type, unit and meaning.
//!
//! Columns are f64, i64 or text; on reading, every other type becomes one of these.

mod read;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value};

use super::atomic::write_atomically;
use super::{DataError, Problem, Result};

/// A text table of this size would not be one.
const SIZE_LIMIT: u64 = 1 << 30;

/// A table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Columns of equal length.
    pub columns: Vec<TableColumn>,
    /// What else there is to say, by name.
    pub meta: Map<String, Value>,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct TableColumn {
    /// Name, unique in its table.
    pub name: String,
    /// Unit in words that astropy knows; `None` for none.
    pub unit: Option<String>,
    /// What it is; empty for nothing said.
    pub description: String,
    /// The values.
    pub data: ColumnData,
}

/// Values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnData {
    /// Numbers; a missing one is NaN.
    Float(Vec<f64>),
    /// Integers.
    Integer(Vec<i64>),
    /// Words; a missing one is empty.
    Text(Vec<String>),
}

impl From<Vec<f64>> for ColumnData {
    fn from(values: Vec<f64>) -> Self {
        Self::Float(values)
    }
}

impl From<Vec<i64>> for ColumnData {
    fn from(values: Vec<i64>) -> Self {
        Self::Integer(values)
    }
}

impl From<Vec<String>> for ColumnData {
    fn from(values: Vec<String>) -> Self {
        Self::Text(values)
    }
}

impl ColumnData {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Float(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// True without values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl TableColumn {
    /// A column; an empty unit means none.
    pub fn new(name: &str, unit: &str, data: impl Into<ColumnData>) -> Self {
        let unit = Some(unit.to_owned()).filter(|unit| !unit.is_empty());
        Self { name: name.to_owned(), unit, description: String::new(), data: data.into() }
    }

    /// With a description.
    #[must_use]
    pub fn described(mut self, description: &str) -> Self {
        description.clone_into(&mut self.description);
        self
    }
}

impl Table {
    /// A table of columns, nothing else said.
    pub fn new(columns: Vec<TableColumn>) -> Self {
        Self { columns, meta: Map::new() }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.data.len())
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&TableColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The numbers of a column, integers as floats; `None` if it is missing or text.
    pub fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        match &self.column(name)?.data {
            ColumnData::Float(values) => Some(values.clone()),
            ColumnData::Integer(values) => Some(values.iter().map(|&n| n as f64).collect()),
            ColumnData::Text(_) => None,
        }
    }

    /// The words of a column; `None` if it is missing or holds numbers.
    pub fn words(&self, name: &str) -> Option<&[String]> {
        match &self.column(name)?.data {
            ColumnData::Text(values) => Some(values),
            ColumnData::Float(_) | ColumnData::Integer(_) => None,
        }
    }

    /// The table as ECSV text.
    ///
    /// # Errors
    /// Columns of different lengths, without a name, or two of one name.
    pub fn to_ecsv(&self) -> std::result::Result<String, Problem> {
        self.check()?;
        let mut text = String::from("# %ECSV 1.0\n# ---\n# datatype:\n");
        for column in &self.columns {
            let kind = match column.data {
                ColumnData::Float(_) => "float64",
                ColumnData::Integer(_) => "int64",
                ColumnData::Text(_) => "string",
            };
            // JSON strings are YAML strings, whatever signs are in them.
            let _infallible = write!(text, "# - {{name: {}", quoted(&column.name));
            if let Some(unit) = &column.unit {
                let _infallible = write!(text, ", unit: {}", quoted(unit));
            }
            let _infallible = write!(text, ", datatype: {kind}");
            if !column.description.is_empty() {
                let _infallible = write!(text, ", description: {}", quoted(&column.description));
            }
            text.push_str("}\n");
        }
        if !self.meta.is_empty() {
            text.push_str("# meta: !!omap\n");
            for (name, value) in &self.meta {
                let _infallible = writeln!(text, "# - {{{}: {}}}", quoted(name), escaped(&value.to_string()));
            }
        }
        text.push_str("# schema: astropy-2.0\n");
        let names: Vec<String> = self.columns.iter().map(|column| field(&column.name)).collect();
        text.push_str(&names.join(" "));
        text.push('\n');
        for row in 0..self.rows() {
            for (i, column) in self.columns.iter().enumerate() {
                if i > 0 {
                    text.push(' ');
                }
                match &column.data {
                    ColumnData::Float(values) => push_float(&mut text, values.get(row).copied().unwrap_or(f64::NAN)),
                    ColumnData::Integer(values) => {
                        let _infallible = write!(text, "{}", values.get(row).copied().unwrap_or(0));
                    }
                    ColumnData::Text(values) => text.push_str(&field(values.get(row).map_or("", String::as_str))),
                }
            }
            text.push('\n');
        }
        Ok(text)
    }

    fn check(&self) -> std::result::Result<(), Problem> {
        let rows = self.rows();
        for (i, column) in self.columns.iter().enumerate() {
            let reason = if column.name.is_empty() {
                "it has no name".to_owned()
            } else if column.data.len() != rows {
                format!("it has {} rows where the first column has {rows}", column.data.len())
            } else if self.columns[..i].iter().any(|other| other.name == column.name) {
                "there are two columns of this name".to_owned()
            } else {
                continue;
            };
            return Err(Problem::Write { what: format!("column {:?}", column.name), reason });
        }
        if self.columns.is_empty() {
            return Err(Problem::Write { what: "a table".into(), reason: "it has no columns".into() });
        }
        Ok(())
    }

    /// Understands ECSV text.
    ///
    /// # Errors
    /// No ECSV header, rows of the wrong length, or a number that is none.
    pub fn from_ecsv(text: &str) -> std::result::Result<Self, Problem> {
        read::table(text)
    }
}

/// Writes a table; an existing file is replaced in one step.
///
/// # Errors
/// As [`Table::to_ecsv`], and what the system refuses.
pub fn write_ecsv(path: &Path, table: &Table) -> Result<()> {
    let text = table.to_ecsv().map_err(|problem| DataError::new(path, problem))?;
    write_atomically(path, |out| out.write_all(text.as_bytes()))
}

/// Reads a table.
///
/// # Errors
/// As [`Table::from_ecsv`], and a file that cannot be read.
pub fn read_ecsv(path: &Path) -> Result<Table> {
    let text = read_text(path)?;
    Table::from_ecsv(&text).map_err(|problem| DataError::new(path, problem))
}

/// Reads a text table without a header: a row of names, then rows of fields between `delimiter` (a comma or a tab). One
/// that begins as ECSV is read as such.
///
/// # Errors
/// Rows of the wrong length, and a file that cannot be read.
pub fn read_csv(path: &Path, delimiter: char) -> Result<Table> {
    let text = read_text(path)?;
    let table = if text.starts_with("# %ECSV") { Table::from_ecsv(&text) } else { read::plain(&text, delimiter) };
    table.map_err(|problem| DataError::new(path, problem))
}

fn read_text(path: &Path) -> Result<String> {
    let fail = |error: &std::io::Error| DataError::io(path, "read", error);
    let size = std::fs::metadata(path).map_err(|e| fail(&e))?.len();
    let format = |what: String, cure: &str| DataError::new(path, Problem::Format { what, cure: cure.to_owned() });
    if size > SIZE_LIMIT {
        return Err(format(format!("{size} bytes are too many for a text table"), "save it as a FITS table"));
    }
    let bytes = std::fs::read(path).map_err(|e| fail(&e))?;
    String::from_utf8(bytes).map_err(|_| format("it is not text in UTF-8".into(), "check what it is"))
}

/// A string as JSON writes it, line breaks and all signs below space escaped.
fn quoted(text: &str) -> String {
    escaped(&Value::from(text).to_string())
}

/// YAML breaks lines at these signs too and refuses DEL, which JSON leaves as they are.
fn escaped(json: &str) -> String {
    if json.is_ascii() && !json.contains('\u{7f}') {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, '\u{7f}'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') {
            let _infallible = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// A field of a row, in quotes where they are needed.
fn field(text: &str) -> String {
    let plain = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '#' | ','));
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// The shortest decimal that reads back to the same float.
fn push_float(text: &mut String, x: f64) {
    let _infallible = if x.is_nan() { write!(text, "nan") } else { write!(text, "{x:?}") };
}

#[cfg(test)]
mod tests;
