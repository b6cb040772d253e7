//! Tables of FITS files: whole, by column, or a range of rows of some columns, read at positions.
//!
//! Values are physical: TSCALn and TZEROn are applied, TNULLn is missing. Every column type of the standard is read by
//! our own code (FITS 4.0 sections 7.2 and 7.3), variable-length arrays included.

mod ascii;
mod binary;

use std::ops::Range;

use super::form::binary_columns;
use super::{DataError, FitsFile, Hdu, HduKind, Problem, READ_LIMIT, Result, TableLayout};

/// Values of a column, of all its rows one after the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// L and X. A logical that is not known is `false` and listed as missing.
    Logical(Vec<bool>),
    /// Integers, scaled by TZERO where it is an integer (so are unsigned columns). A missing one is 0 and listed.
    Integer(Vec<i64>),
    /// 64-bit unsigned integers (K with TZERO = 2^63).
    Unsigned(Vec<u64>),
    /// Numbers. A missing one is NaN.
    Float(Vec<f64>),
    /// Real and imaginary parts.
    Complex(Vec<[f64; 2]>),
    /// Words without trailing spaces.
    Text(Vec<String>),
}

impl Values {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Logical(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Unsigned(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Complex(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// True without values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends values of the same type; others are left out (they cannot come from one column).
    fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Logical(a), Self::Logical(mut b)) => a.append(&mut b),
            (Self::Integer(a), Self::Integer(mut b)) => a.append(&mut b),
            (Self::Unsigned(a), Self::Unsigned(mut b)) => a.append(&mut b),
            (Self::Float(a), Self::Float(mut b)) => a.append(&mut b),
            (Self::Complex(a), Self::Complex(mut b)) => a.append(&mut b),
            (Self::Text(a), Self::Text(mut b)) => a.append(&mut b),
            _ => {}
        }
    }
}

/// A column with its values.
#[derive(Debug, Clone, PartialEq)]
pub struct FitsColumn {
    /// TTYPEn.
    pub name: String,
    /// TUNITn as written; `None` when missing.
    pub unit: Option<String>,
    /// TFORMn.
    pub form: String,
    /// Number of rows.
    pub rows: usize,
    /// Shape of the cell of one row, slowest axis first (TDIMn reversed); empty for a single value, `[0]` for a column
    /// of width zero. Of a column of variable length `[]`: see `ends`.
    pub shape: Vec<usize>,
    /// For a column of variable length: where the values of each row end in `values`.
    pub ends: Option<Vec<usize>>,
    /// The values, row after row.
    pub values: Values,
    /// Positions in `values` that have no value (TNULL, a logical that is neither T nor F, an empty field), ascending.
    pub missing: Vec<usize>,
}

impl FitsColumn {
    /// Where the values of a row are in `values`; empty for a row that is not there.
    pub fn cell(&self, row: usize) -> Range<usize> {
        if row >= self.rows {
            return 0..0;
        }
        match &self.ends {
            Some(ends) => {
                let start = row.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
                start..ends.get(row).copied().unwrap_or(start)
            }
            None => {
                let each: usize = self.shape.iter().product();
                row * each..(row + 1) * each
            }
        }
    }

    /// Every value as a number, missing ones NaN; `None` for words and complex numbers. Logicals are 0 and 1.
    pub fn floats(&self) -> Option<Vec<f64>> {
        let mut floats: Vec<f64> = match &self.values {
            Values::Logical(values) => values.iter().map(|&b| f64::from(u8::from(b))).collect(),
            Values::Integer(values) => values.iter().map(|&n| n as f64).collect(),
            Values::Unsigned(values) => values.iter().map(|&n| n as f64).collect(),
            Values::Float(values) => values.clone(),
            Values::Complex(_) | Values::Text(_) => return None,
        };
        for &at in &self.missing {
            if let Some(value) = floats.get_mut(at) {
                *value = f64::NAN;
            }
        }
        Some(floats)
    }

    /// Integers; `None` for a column of another type.
    pub fn integers(&self) -> Option<&[i64]> {
        match &self.values {
            Values::Integer(values) => Some(values),
            _ => None,
        }
    }

    /// Words; `None` for a column of another type.
    pub fn texts(&self) -> Option<&[String]> {
        match &self.values {
            Values::Text(values) => Some(values),
            _ => None,
        }
    }
}

/// A table, or part of one.
#[derive(Debug, Clone, PartialEq)]
pub struct FitsTable {
    /// Number of rows.
    pub rows: usize,
    /// Its columns.
    pub columns: Vec<FitsColumn>,
}

impl FitsTable {
    /// A column by name, case ignored (FITS 4.0 section 7.3.1).
    pub fn column(&self, name: &str) -> Option<&FitsColumn> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

impl FitsFile {
    /// A whole table. Where the file ends early but holds at least half, the rows that are there.
    ///
    /// # Errors
    /// Not a table, columns that cannot be, less than half of it there, above [`READ_LIMIT`], or unreadable.
    pub fn read_table(&self, hdu: usize) -> Result<FitsTable> {
        let (_, layout) = self.table_hdu(hdu)?;
        let all: Vec<usize> = (0..layout.columns.len()).collect();
        self.read_columns(hdu, &all, 0..usize::MAX)
    }

    /// A column by name, case ignored.
    ///
    /// # Errors
    /// As [`FitsFile::read_table`], and no such column.
    pub fn read_column(&self, hdu: usize, name: &str) -> Result<FitsColumn> {
        self.read_column_rows(hdu, name, 0..usize::MAX)
    }

    /// Some rows (0-based) of a column; the range may end behind the table.
    ///
    /// # Errors
    /// As [`FitsFile::read_column`].
    pub fn read_column_rows(&self, hdu: usize, name: &str, rows: Range<usize>) -> Result<FitsColumn> {
        let index = self.find_column(hdu, name)?;
        let mut table = self.read_columns(hdu, &[index], rows)?;
        table.columns.pop().ok_or_else(|| self.no_column(hdu, name))
    }

    /// Number (0-based) of the column of a name, case ignored.
    ///
    /// # Errors
    /// Not a table, or no such column; the message lists those there are.
    pub fn find_column(&self, hdu: usize, name: &str) -> Result<usize> {
        let (_, layout) = self.table_hdu(hdu)?;
        let found = layout.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name.trim()));
        found.ok_or_else(|| self.no_column(hdu, name))
    }

    /// Some columns (by 0-based number) and rows (0-based; the range may end behind the table).
    ///
    /// # Errors
    /// As [`FitsFile::read_table`], and no such column.
    pub fn read_columns(&self, hdu: usize, columns: &[usize], rows: Range<usize>) -> Result<FitsTable> {
        let (unit, layout) = self.table_hdu(hdu)?;
        let present = self.present_rows(unit, layout)?;
        let rows = rows.start.min(present)..rows.end.min(present);
        if let Some(wrong) = columns.iter().find(|&&index| index >= layout.columns.len()) {
            return Err(self.no_column(hdu, &format!("number {}", wrong.saturating_add(1))));
        }
        let fail = |problem| DataError::new(self.path(), problem);
        match &unit.kind {
            HduKind::AsciiTable(_) => {
                let all = ascii::columns(unit, layout).map_err(fail)?;
                let chosen: Vec<_> = columns.iter().filter_map(|&index| all.get(index)).collect();
                ascii::read(self, unit, layout, &chosen, rows)
            }
            _ => {
                let all = binary_columns(unit, layout).map_err(fail)?;
                let chosen: Vec<_> = columns.iter().filter_map(|&index| all.get(index)).collect();
                binary::read(self, unit, layout, &chosen, rows)
            }
        }
    }

    /// The HDU and its table, or why it has none.
    pub(super) fn table_hdu(&self, index: usize) -> Result<(&Hdu, &TableLayout)> {
        let hdu = self.hdu(index)?;
        match &hdu.kind {
            HduKind::BinaryTable(table) | HduKind::AsciiTable(table) => Ok((hdu, table)),
            HduKind::Damaged { reason } => Err(DataError::new(self.path(), reason.clone())),
            _ => {
                let table = self.hdus().iter().find(|hdu| hdu.kind_name().ends_with("table"));
                let cure = table.map_or("the file has no table".into(), |hdu| format!("HDU {} is a table", hdu.index));
                let what = format!("is not a table but: {}", hdu.describe());
                Err(DataError::new(self.path(), Problem::Kind { hdu: index, what, cure }))
            }
        }
    }

    fn no_column(&self, hdu: usize, wanted: &str) -> DataError {
        const SHOWN: usize = 20;
        let names = self.table_hdu(hdu).map(|(_, table)| {
            let mut names: Vec<&str> = table.columns.iter().take(SHOWN).map(|column| column.name.as_str()).collect();
            if table.columns.len() > SHOWN {
                names.push("...");
            }
            names.join(", ")
        });
        let cure = format!("there are {}", names.unwrap_or_default());
        DataError::new(self.path(), Problem::Shape { hdu, what: format!("there is no column {wanted}"), cure })
    }

    /// Rows that the file holds whole.
    fn present_rows(&self, hdu: &Hdu, table: &TableLayout) -> Result<usize> {
        let present = hdu.data_present.checked_div(table.row_bytes).map_or(table.rows, |rows| rows.min(table.rows));
        if present < table.rows.div_ceil(2) {
            let problem = Problem::Truncated { hdu: hdu.index, needed: hdu.data_needed, present: hdu.data_present };
            return Err(DataError::new(self.path(), problem));
        }
        usize::try_from(present).map_err(|_| {
            let problem = Problem::Memory { hdu: hdu.index, bytes: u64::MAX, limit: READ_LIMIT };
            DataError::new(self.path(), problem)
        })
    }

    /// Bytes of the data unit of an HDU.
    fn read_data(&self, hdu: &Hdu, start: u64, buffer: &mut [u8]) -> Result<()> {
        let at = hdu.data_start.saturating_add(start);
        self.source().read_at(at, buffer).map_err(|error| {
            let doing = format!("read {} bytes of HDU {} at {at}", buffer.len(), hdu.index);
            DataError::io(self.path(), doing, &error)
        })
    }
}

/// Values of a stretch of rows, before they become a column.
#[derive(Debug, Clone)]
struct Cells {
    values: Values,
    missing: Vec<usize>,
    ends: Vec<usize>,
}

impl Cells {
    fn new(values: Values) -> Self {
        Self { values, missing: Vec::new(), ends: Vec::new() }
    }

    fn append(&mut self, other: Self) {
        let base = self.values.len();
        self.missing.extend(other.missing.into_iter().map(|at| at + base));
        self.ends.extend(other.ends.into_iter().map(|end| end + base));
        self.values.append(other.values);
    }
}

/// What becomes of stored integers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum IntegerScale {
    /// Stays an integer, with this added.
    Offset(i64),
    /// K with TZERO = 2^63.
    Unsigned,
    /// zero + scale * stored.
    Float { scale: f64, zero: f64 },
}

impl IntegerScale {
    #[allow(clippy::float_cmp)] // the conventions are these very numbers
    fn of(scale: f64, zero: f64, is_long: bool) -> Self {
        if scale == 1.0 && is_long && zero == 9_223_372_036_854_775_808.0 {
            Self::Unsigned
        } else if scale == 1.0 && zero.fract() == 0.0 && zero.abs() <= 9_007_199_254_740_992.0 {
            Self::Offset(zero as i64)
        } else {
            Self::Float { scale, zero }
        }
    }

    fn empty(self) -> Values {
        match self {
            Self::Offset(_) => Values::Integer(Vec::new()),
            Self::Unsigned => Values::Unsigned(Vec::new()),
            Self::Float { .. } => Values::Float(Vec::new()),
        }
    }
}

/// Appends stored integers (`None` is missing).
fn push_integers(cells: &mut Cells, how: IntegerScale, stored: impl Iterator<Item = Option<i64>>) {
    let Cells { values, missing, .. } = cells;
    let mut put = |at: usize, present: bool| {
        if !present {
            missing.push(at);
        }
    };
    match (values, how) {
        (Values::Integer(out), IntegerScale::Offset(offset)) => {
            for n in stored {
                put(out.len(), n.is_some());
                out.push(n.unwrap_or(0).saturating_add(if n.is_some() { offset } else { 0 }));
            }
        }
        (Values::Unsigned(out), _) => {
            for n in stored {
                put(out.len(), n.is_some());
                // Adding 2^63 is flipping the sign bit.
                out.push(n.map_or(0, |n| n.cast_unsigned() ^ (1 << 63)));
            }
        }
        (Values::Float(out), IntegerScale::Float { scale, zero }) => {
            for n in stored {
                put(out.len(), n.is_some());
                out.push(n.map_or(f64::NAN, |n| zero + scale * n as f64));
            }
        }
        _ => {}
    }
}
