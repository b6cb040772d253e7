//! Comparing two run folders number by number.

use std::fmt;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::record::Record;
use super::start::PANEL_NAME;
use crate::tasks::TaskError;

/// One array of a FITS file, as the comparison needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Extension name, or empty.
    pub name: String,
    /// Shape, slowest axis first.
    pub shape: Vec<usize>,
    /// Values in that order.
    pub values: Vec<f64>,
}

/// Reads every array of a FITS file; an error is one line.
pub type ReadPlanes<'a> = &'a dyn Fn(&Path) -> Result<Vec<Plane>, String>;

/// Largest differences found in one file or in the metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// File name, or `metrics`.
    pub name: String,
    /// Numbers compared.
    pub numbers: u64,
    /// Largest |a - b|, in the unit of the values.
    pub absolute: f64,
    /// Largest |a - b| / max(|a|, |b|).
    pub relative: f64,
    /// What cannot be compared as numbers: a missing file, another shape, another text. Empty if there is nothing.
    pub mismatch: String,
}

impl Difference {
    /// True if the two sides are the same to the bit (all NaN count as one value).
    pub fn is_zero(&self) -> bool {
        self.absolute == 0.0 && self.relative == 0.0 && self.mismatch.is_empty()
    }

    fn number(&mut self, a: f64, b: f64) {
        self.numbers += 1;
        if a == b || (a.is_nan() && b.is_nan()) {
            return;
        }
        let absolute = (a - b).abs();
        // NaN against a number, and infinity against anything, differ without bound.
        let absolute = if absolute.is_nan() { f64::INFINITY } else { absolute };
        let scale = a.abs().max(b.abs());
        let relative = if absolute.is_finite() { absolute / scale } else { f64::INFINITY };
        self.absolute = self.absolute.max(absolute);
        self.relative = self.relative.max(relative);
    }

    fn differs(&mut self, what: impl Into<String>) {
        if self.mismatch.is_empty() {
            self.mismatch = what.into();
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        if !self.mismatch.is_empty() {
            return write!(f, "{}", self.mismatch);
        }
        if self.is_zero() {
            return write!(f, "equal ({} numbers)", self.numbers);
        }
        let Self { absolute, relative, numbers, .. } = self;
        write!(f, "largest difference {absolute:e} absolute, {relative:e} relative ({numbers} numbers)")
    }
}

/// The comparison of two runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verification {
    /// One for each product, then one for the metrics.
    pub parts: Vec<Difference>,
}

impl Verification {
    /// True if everything is the same to the bit.
    pub fn is_zero(&self) -> bool {
        self.parts.iter().all(Difference::is_zero)
    }

    /// The largest differences over all parts, and the first mismatch.
    pub fn overall(&self) -> Difference {
        let mut all = Difference { name: "all".into(), ..Difference::default() };
        for part in &self.parts {
            all.numbers += part.numbers;
            all.absolute = all.absolute.max(part.absolute);
            all.relative = all.relative.max(part.relative);
            if !part.mismatch.is_empty() {
                all.differs(format!("{}: {}", part.name, part.mismatch));
            }
        }
        all
    }
}

/// Compares two run folders: FITS pixel by pixel, ECSV and JSON number by number, other products byte by byte, and the metrics.
/// Left out are the panel (it carries the record) and every metric whose name says that it is a time (`seconds`, `..._seconds`, `..._per_second`).
///
/// # Errors
/// One of the two is not a run folder, or a product cannot be read.
pub fn compare(a: &Path, b: &Path, read_planes: ReadPlanes<'_>) -> Result<Verification, TaskError> {
    let (record_a, record_b) = (Record::read(a)?, Record::read(b)?);
    let mut parts = Vec::new();
    for name in record_a.files.iter().filter(|n| *n != PANEL_NAME) {
        parts.push(compare_file(a, b, name, record_b.files.contains(name), read_planes)?);
    }
    for name in record_b.files.iter().filter(|n| *n != PANEL_NAME && !record_a.files.contains(*n)) {
        let mismatch = "is only in the second run".into();
        parts.push(Difference { name: name.clone(), mismatch, ..Difference::default() });
    }
    parts.push(compare_metrics(&record_a, &record_b));
    Ok(Verification { parts })
}

fn compare_file(
    a: &Path,
    b: &Path,
    name: &str,
    in_both: bool,
    read_planes: ReadPlanes<'_>,
) -> Result<Difference, TaskError> {
    let mut difference = Difference { name: name.to_owned(), ..Difference::default() };
    if !in_both {
        difference.differs("is only in the first run");
        return Ok(difference);
    }
    let (a, b) = (a.join(name), b.join(name));
    let is = |endings: &[&str]| endings.iter().any(|e| name.ends_with(e));
    if is(&[".fits", ".fits.gz", ".fits.fz"]) {
        let read = |file: &Path| read_planes(file).map_err(|problem| TaskError::file(file, problem));
        compare_planes(&read(&a)?, &read(&b)?, &mut difference);
    } else if is(&[".ecsv", ".csv"]) {
        let read =
            |file: &Path| fs::read_to_string(file).map_err(|e| TaskError::file(file, format!("cannot be read ({e})")));
        compare_tables(&read(&a)?, &read(&b)?, &mut difference);
    } else if is(&[".json"]) {
        let read = |file: &Path| {
            let text = fs::read(file).map_err(|e| TaskError::file(file, format!("cannot be read ({e})")))?;
            serde_json::from_slice(&text).map_err(|e| TaskError::file(file, format!("is not JSON ({e})")))
        };
        compare_json("", &read(&a)?, &read(&b)?, &mut difference);
    } else {
        let read = |file: &Path| fs::read(file).map_err(|e| TaskError::file(file, format!("cannot be read ({e})")));
        if read(&a)? != read(&b)? {
            difference.differs("the bytes differ");
        }
    }
    Ok(difference)
}

fn compare_planes(a: &[Plane], b: &[Plane], difference: &mut Difference) {
    if a.len() != b.len() {
        difference.differs(format!("{} arrays against {}", a.len(), b.len()));
    }
    for (a, b) in a.iter().zip(b) {
        if a.shape != b.shape || a.values.len() != b.values.len() {
            difference.differs(format!("shape {:?} against {:?}", a.shape, b.shape));
            continue;
        }
        if a.name != b.name {
            difference.differs(format!("extension {} against {}", a.name, b.name));
        }
        for (a, b) in a.values.iter().zip(&b.values) {
            difference.number(*a, *b);
        }
    }
}

fn compare_tables(a: &str, b: &str, difference: &mut Difference) {
    let (a, b) = (rows(a), rows(b));
    if a.len() != b.len() {
        difference.differs(format!("{} rows against {}", a.len().saturating_sub(1), b.len().saturating_sub(1)));
    }
    for (line, (a, b)) in a.iter().zip(&b).enumerate() {
        if a.len() != b.len() {
            difference.differs(format!("row {line}: {} columns against {}", a.len(), b.len()));
        }
        for (a, b) in a.iter().zip(b) {
            match (a.parse::<f64>(), b.parse::<f64>()) {
                (Ok(a), Ok(b)) => difference.number(a, b),
                _ if a == b => {}
                _ => difference.differs(format!("row {line}: {a} against {b}")),
            }
        }
    }
}

/// Cells of an ECSV or CSV table, the line of names first. Comment lines (the header, which tells when and by what it was written) are passed over.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut comma = text.lines().any(|l| l.starts_with('#') && l.contains("delimiter: ','"));
    let mut lines = text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()).peekable();
    // A plain CSV has no header that names the separator.
    comma |= lines.peek().is_some_and(|names| names.contains(',') && !names.contains(' '));
    lines.map(|line| cells(line, if comma { ',' } else { ' ' })).collect()
}

/// Cuts a line at `separator` outside double quotes; a run of blanks is one.
fn cells(line: &str, separator: char) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for sign in line.trim().chars() {
        if sign == '"' {
            quoted = !quoted;
        } else if sign == separator && !quoted {
            if separator == ',' || cells.last().is_some_and(|c| !c.is_empty()) {
                cells.push(String::new());
            }
        } else if let Some(cell) = cells.last_mut() {
            cell.push(sign);
        }
    }
    cells
}

/// Number by number; what tells the time, the machine or the program is passed over.
fn compare_json(path: &str, a: &Value, b: &Value, difference: &mut Difference) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, inner) in a.iter().filter(|(key, _)| !is_circumstance(key)) {
                match b.get(key) {
                    Some(other) => compare_json(&format!("{path}/{key}"), inner, other, difference),
                    None => difference.differs(format!("{path}/{key} is only in the first run")),
                }
            }
            if let Some(key) = b.keys().find(|key| !is_circumstance(key) && !a.contains_key(*key)) {
                difference.differs(format!("{path}/{key} is only in the second run"));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                difference.differs(format!("{path}: {} values against {}", a.len(), b.len()));
            }
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                compare_json(&format!("{path}/{i}"), a, b, difference);
            }
        }
        _ => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => difference.number(a, b),
            _ if a == b => {}
            _ => difference.differs(format!("{path}: {a} against {b}")),
        },
    }
}

/// A name that tells a time.
fn is_time(name: &str) -> bool {
    name.split('_').any(|word| matches!(word, "seconds" | "second"))
}

/// A name that tells when, where or by what something was made.
fn is_circumstance(name: &str) -> bool {
    const WORDS: [&str; 10] =
        ["time", "date", "started", "made", "machine", "cpu", "threads", "version", "commit", "device"];
    is_time(name) || name.split('_').any(|word| WORDS.contains(&word))
}

fn compare_metrics(a: &Record, b: &Record) -> Difference {
    let mut difference = Difference { name: "metrics".into(), ..Difference::default() };
    for (name, value) in a.metrics.iter().filter(|(name, _)| !is_time(name)) {
        match b.metrics.get(name) {
            Some(other) => difference.number(*value, *other),
            None => difference.differs(format!("{name} is only in the first run")),
        }
    }
    if let Some(name) = b.metrics.keys().find(|name| !is_time(name) && !a.metrics.contains_key(*name)) {
        difference.differs(format!("{name} is only in the second run"));
    }
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(a: &str, b: &str) -> Difference {
        let mut difference = Difference::default();
        compare_tables(a, b, &mut difference);
        difference
    }

    #[test]
    fn tables_are_compared_number_by_number() {
        let head = "# %ECSV 1.0\n# ---\n# made: ";
        let a = format!("{head}today\nx y name\n1.0 2.0 \"a b\"\n3.0 nan c\n");
        let b = format!("{head}tomorrow\nx y name\n1.0 2.5 \"a b\"\n3.0 NaN c\n");
        assert!(table(&a, &a).is_zero());
        let found = table(&a, &b);
        assert_eq!((found.numbers, found.absolute, found.relative), (4, 0.5, 0.2));
        assert!(found.mismatch.is_empty());
        assert_eq!(table("x,y\n1,2\n", "x,y\n1,4\n").relative, 0.5);
        assert_eq!(table("x,y\n1,\n", "x,y\n1,z\n").mismatch, "row 1:  against z");
        assert_eq!(table("x\n1\n", "x\n1\n2\n").mismatch, "1 rows against 2");
    }

    #[test]
    fn json_is_compared_without_its_circumstances() {
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let compare = |a: &str, b: &str| {
            let mut difference = Difference::default();
            compare_json("", &json(a), &json(b), &mut difference);
            difference
        };
        let card = r#"{"loss": [1.0, 0.5], "machine": "a", "train_seconds": 3, "steps": 10}"#;
        assert!(compare(card, r#"{"loss": [1.0, 0.5], "machine": "b", "train_seconds": 4, "steps": 10}"#).is_zero());
        assert_eq!(compare(card, r#"{"loss": [1.0, 0.25], "steps": 10}"#).relative, 0.5);
        assert_eq!(compare(card, r#"{"loss": [1.0], "steps": 10}"#).mismatch, "/loss: 2 values against 1");
        assert_eq!(compare(card, r#"{"loss": [1.0, 0.5]}"#).mismatch, "/steps is only in the first run");
    }

    #[test]
    fn a_number_that_vanished_is_an_unbounded_difference() {
        let mut difference = Difference::default();
        difference.number(1.0, f64::NAN);
        assert_eq!((difference.absolute, difference.relative), (f64::INFINITY, f64::INFINITY));
        let mut difference = Difference::default();
        difference.number(f64::INFINITY, f64::INFINITY);
        difference.number(f64::NAN, f64::NAN);
        difference.number(0.0, -0.0);
        assert!(difference.is_zero());
        difference.number(f64::NEG_INFINITY, f64::INFINITY);
        assert_eq!(difference.absolute, f64::INFINITY);
    }

    #[test]
    fn planes_of_other_shape_are_a_mismatch() {
        let plane = |shape: &[usize], values: &[f64]| Plane {
            name: String::new(),
            shape: shape.to_vec(),
            values: values.to_vec(),
        };
        let mut difference = Difference::default();
        compare_planes(&[plane(&[1, 2], &[1.0, 2.0])], &[plane(&[2, 1], &[1.0, 2.0])], &mut difference);
        assert_eq!(difference.mismatch, "shape [1, 2] against [2, 1]");
        let mut difference = Difference::default();
        compare_planes(&[plane(&[2], &[1.0, 2.0])], &[plane(&[2], &[1.0, 2.0 + 1e-6])], &mut difference);
        assert!((difference.relative - 5e-7).abs() < 1e-9);
    }
}
