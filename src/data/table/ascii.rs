//! ASCII tables (FITS 4.0 section 7.2).

use std::ops::Range;

use crate::data::{DataError, FitsFile, Hdu, Problem, READ_LIMIT, Result, TableLayout};

use super::binary::text;
use super::{Cells, FitsColumn, FitsTable, IntegerScale, Values, push_integers};

/// Bytes of rows that are read together.
const PIECE: u64 = 1 << 20;

/// A column of an ASCII table.
#[derive(Debug, Clone)]
pub(super) struct AsciiColumn {
    name: String,
    unit: String,
    form: String,
    /// First character in a row, 0-based, and how many.
    at: usize,
    width: usize,
    kind: Kind,
    scale: f64,
    zero: f64,
    null: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    /// With this many digits behind a decimal point that may be left out.
    Float(u32),
}

/// The columns of an ASCII table.
pub(super) fn columns(hdu: &Hdu, table: &TableLayout) -> std::result::Result<Vec<AsciiColumn>, Problem> {
    let header = &hdu.header;
    let bad = |keyword: String, value: String, problem: &str| Problem::Keyword {
        hdu: hdu.index,
        keyword,
        value,
        problem: format!("{problem}; the header is damaged, fetch the file again"),
    };
    table
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let n = index + 1;
            let (kind, width) = parse(&column.form).ok_or_else(|| {
                bad(format!("TFORM{n}"), format!("'{}'", column.form), "not a column format of an ASCII table")
            })?;
            let begin = header.get_i64(&format!("TBCOL{n}")).unwrap_or(0);
            let at = usize::try_from(begin - 1).ok().filter(|at| (at + width) as u64 <= table.row_bytes);
            let at = at
                .ok_or_else(|| bad(format!("TBCOL{n}"), begin.to_string(), "the column does not lie inside its row"))?;
            let number = |keyword: &str, default: f64| {
                header.get_f64(&format!("{keyword}{n}")).filter(|x| x.is_finite()).unwrap_or(default)
            };
            Ok(AsciiColumn {
                name: column.name.clone(),
                unit: column.unit.clone(),
                form: column.form.clone(),
                at,
                width,
                kind,
                scale: number("TSCAL", 1.0),
                zero: number("TZERO", 0.0),
                null: header.get_str(&format!("TNULL{n}")).map(|null| null.trim().to_owned()),
            })
        })
        .collect()
}

/// `A10`, `I5`, `F8.3`, `E10.4`, `D25.17`.
fn parse(form: &str) -> Option<(Kind, usize)> {
    let form = form.trim();
    let (letter, rest) = (form.get(..1)?, form.get(1..)?);
    let (width, digits) = rest.split_once('.').unwrap_or((rest, ""));
    let width: usize = if width.is_empty() { 1 } else { width.parse().ok()? };
    let digits = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let kind = match letter.to_ascii_uppercase().as_str() {
        "A" => Kind::Text,
        "I" => Kind::Integer,
        "F" | "E" | "D" => Kind::Float(digits),
        _ => return None,
    };
    // No row is longer than a file can be; this keeps sums of positions in range.
    (width <= 1 << 30).then_some((kind, width))
}

/// Reads columns.
pub(super) fn read(
    file: &FitsFile,
    hdu: &Hdu,
    table: &TableLayout,
    columns: &[&AsciiColumn],
    rows: Range<usize>,
) -> Result<FitsTable> {
    let a_row: u64 = columns.iter().map(|column| column.width as u64 + 32).fold(0, u64::saturating_add);
    let bytes = (rows.len() as u64).saturating_mul(a_row);
    if bytes > READ_LIMIT || (table.row_bytes == 0 && !rows.is_empty()) {
        return Err(DataError::new(file.path(), Problem::Memory { hdu: hdu.index, bytes, limit: READ_LIMIT }));
    }
    let mut cells: Vec<Cells> = columns.iter().map(|column| Cells::new(empty(column))).collect();
    let each = (PIECE / table.row_bytes.max(1)).max(1) as usize;
    let mut buffer = Vec::new();
    let mut first = rows.start;
    while first < rows.end {
        let last = rows.end.min(first.saturating_add(each));
        buffer.resize(((last - first) as u64 * table.row_bytes) as usize, 0);
        file.read_data(hdu, first as u64 * table.row_bytes, &mut buffer)?;
        for row in buffer.chunks_exact(table.row_bytes.max(1) as usize) {
            for (column, cells) in columns.iter().zip(&mut cells) {
                push(column, row.get(column.at..column.at + column.width).unwrap_or_default(), cells);
            }
        }
        first = last;
    }
    let count = rows.len();
    let columns = columns.iter().zip(cells).map(|(column, cells)| FitsColumn {
        name: column.name.clone(),
        unit: Some(column.unit.clone()).filter(|unit| !unit.is_empty()),
        form: column.form.clone(),
        rows: count,
        shape: Vec::new(),
        ends: None,
        values: cells.values,
        missing: cells.missing,
    });
    Ok(FitsTable { rows: count, columns: columns.collect() })
}

fn empty(column: &AsciiColumn) -> Values {
    match column.kind {
        Kind::Text => Values::Text(Vec::new()),
        Kind::Integer => IntegerScale::of(column.scale, column.zero, false).empty(),
        Kind::Float(_) => Values::Float(Vec::new()),
    }
}

fn push(column: &AsciiColumn, raw: &[u8], cells: &mut Cells) {
    let field = text(raw);
    let word = field.trim();
    let is_null = word.is_empty() || column.null.as_deref() == Some(word);
    match column.kind {
        Kind::Text => {
            if let Values::Text(out) = &mut cells.values {
                if column.null.is_some() && is_null {
                    cells.missing.push(out.len());
                }
                out.push(field);
            }
        }
        Kind::Integer => {
            let value = word.parse().ok().filter(|_| !is_null);
            push_integers(cells, IntegerScale::of(column.scale, column.zero, false), std::iter::once(value));
        }
        Kind::Float(digits) => {
            let value = if is_null { None } else { number(word, digits) };
            if let Values::Float(out) = &mut cells.values {
                if value.is_none() {
                    cells.missing.push(out.len());
                }
                out.push(value.map_or(f64::NAN, |x| column.zero + column.scale * x));
            }
        }
    }
}

/// A number in Fortran's writing: D for E, the E left out before a sign, the point left out (FITS 4.0 section 7.2.5).
fn number(word: &str, digits: u32) -> Option<f64> {
    let mut plain = word.replace(['D', 'd'], "E");
    if let Some(sign) = plain.rfind(['+', '-']).filter(|&at| at > 0)
        && !plain.contains(['E', 'e'])
    {
        plain.insert(sign, 'E');
    }
    let value: f64 = plain.parse().ok().filter(|x: &f64| x.is_finite())?;
    let shift = if plain.contains('.') { 0 } else { i32::try_from(digits).unwrap_or(0) };
    Some(value / 10f64.powi(shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_fortran() {
        for (word, digits, value) in [
            ("1.5", 4, Some(1.5)),
            ("15", 1, Some(1.5)),
            ("1.5D+02", 2, Some(150.0)),
            ("1.5-2", 2, Some(0.015)),
            ("-3.0E-1", 1, Some(-0.3)),
            ("abc", 0, None),
        ] {
            assert_eq!(number(word, digits), value, "{word}");
        }
        assert_eq!(parse("E10.4"), Some((Kind::Float(4), 10)));
        assert_eq!(parse("A"), Some((Kind::Text, 1)));
        assert_eq!((parse("X3"), parse("I99999999999"), parse("é3")), (None, None, None));
    }
}
