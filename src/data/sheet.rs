//! Tables as they are looked at: the columns of a FITS, ECSV or CSV table under one roof, with what is asked of rows:
//! filter, order, statistics, text of a cell, positions on the sky.
//!
//! Held in memory are the columns as typed vectors, 8 bytes a number and about 30 bytes and its letters a word: a
//! million rows of ten numbers are 80 MB. Rows are chosen and ordered by vectors of row numbers (4 bytes a row); the
//! values themselves are never copied or moved.

mod cell;
mod filter;
mod order;
mod positions;
mod summary;

use std::path::Path;

use super::{
    ColumnData, DataError, FitsColumn, FitsFile, HduKind, Problem, Result, Table, TableColumn, Values, read_csv,
    read_ecsv,
};

pub use cell::CellFormat;
pub use filter::RowFilter;
pub use order::{order_rows, places_of};
pub use positions::{PositionColumns, PositionKind, Positions, guess_positions};
pub use summary::{ColumnSummary, summarize};

/// Rows that are read first, so that something is on the screen while the rest is read.
pub const FIRST_ROWS: usize = 2000;

/// A column with what its header says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SheetColumn {
    /// Name, form, unit and values. Values may be those of the first rows only; see [`Sheet::loaded`].
    pub data: FitsColumn,
    /// How its cells are written (TDISPn, or by its type).
    pub format: CellFormat,
    /// UCD (TUCDn or the meta of a text table); empty for none.
    pub ucd: String,
    /// What it is (TCOMMn, or the description of an ECSV column); empty for none.
    pub description: String,
}

/// A table of columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sheet {
    /// EXTNAME, or the name of the file.
    pub name: String,
    /// Number of rows of the table.
    pub rows: usize,
    /// Number of them whose values are here: less than `rows` while the table is being read.
    pub loaded: usize,
    /// The columns.
    pub columns: Vec<SheetColumn>,
}

impl SheetColumn {
    /// True when `at` in the values has no value: listed as missing, NaN, or an empty word.
    pub fn is_missing(&self, at: usize) -> bool {
        match &self.data.values {
            Values::Float(values) => values.get(at).is_none_or(|x| x.is_nan()),
            Values::Complex(values) => values.get(at).is_none_or(|[re, im]| re.is_nan() || im.is_nan()),
            Values::Text(values) => values.get(at).is_none_or(|text| text.trim().is_empty()),
            Values::Logical(_) | Values::Integer(_) | Values::Unsigned(_) => {
                at >= self.data.values.len() || self.data.missing.binary_search(&at).is_ok()
            }
        }
    }

    /// A value as a number, NaN where it is missing or no number. Logicals are 0 and 1; complex numbers give their size.
    pub fn number(&self, at: usize) -> f64 {
        if self.is_missing(at) {
            return f64::NAN;
        }
        match &self.data.values {
            Values::Logical(values) => f64::from(u8::from(values[at])),
            Values::Integer(values) => values[at] as f64,
            Values::Unsigned(values) => values[at] as f64,
            Values::Float(values) => values[at],
            Values::Complex(values) => values[at][0].hypot(values[at][1]),
            Values::Text(values) => values[at].trim().parse().unwrap_or(f64::NAN),
        }
    }

    /// A word; empty for a column of numbers.
    pub fn text(&self, at: usize) -> &str {
        match &self.data.values {
            Values::Text(values) => values.get(at).map_or("", String::as_str),
            _ => "",
        }
    }

    /// The first number of a row; see [`SheetColumn::number`].
    pub fn row_number(&self, row: usize) -> f64 {
        let cell = self.data.cell(row);
        if cell.is_empty() { f64::NAN } else { self.number(cell.start) }
    }

    /// True for words.
    pub fn is_text(&self) -> bool {
        matches!(self.data.values, Values::Text(_))
    }

    /// Name of the unit; empty for none.
    pub fn unit(&self) -> &str {
        self.data.unit.as_deref().unwrap_or("")
    }

    /// True when a row holds one value.
    pub fn is_scalar(&self) -> bool {
        self.data.ends.is_none() && self.data.shape.iter().product::<usize>() == 1
    }
}

impl Sheet {
    /// Rows (0-based, the range may end behind the table) of the table in an HDU.
    ///
    /// # Errors
    /// As [`FitsFile::read_columns`], and more rows than four thousand millions.
    pub fn read(file: &FitsFile, hdu: usize, rows: std::ops::Range<usize>) -> Result<Self> {
        let unit = file.hdu(hdu)?;
        let (HduKind::BinaryTable(layout) | HduKind::AsciiTable(layout)) = &unit.kind else {
            // Says in words what it is instead.
            return Err(file.read_table(hdu).err().unwrap_or_else(|| DataError::new(file.path(), Problem::Gone)));
        };
        let total = usize::try_from(layout.rows).unwrap_or(usize::MAX);
        if u32::try_from(total).is_err() {
            let what = format!("a table of {total} rows cannot be shown");
            return Err(DataError::new(
                file.path(),
                Problem::Format { what, cure: "cut it into tables of less than 4 294 967 296 rows".into() },
            ));
        }
        let all: Vec<usize> = (0..layout.columns.len()).collect();
        let table = file.read_columns(hdu, &all, rows.clone())?;
        let header = &unit.header;
        let word = |key: &str, n: usize| header.get_str(&format!("{key}{n}")).unwrap_or("").trim().to_owned();
        let columns = (1..).zip(table.columns).map(|(n, mut data)| {
            if data.name.trim().is_empty() {
                data.name = format!("column{n}");
            }
            let format = CellFormat::of(&word("TDISP", n), &data);
            SheetColumn { format, ucd: word("TUCD", n), description: word("TCOMM", n), data }
        });
        let columns: Vec<SheetColumn> = columns.collect();
        // A file that ends early holds less rows than it says.
        let cut_short = table.rows < rows.end.min(total).saturating_sub(rows.start);
        let rows = if cut_short { table.rows } else { total };
        let name = if unit.name.is_empty() { format!("HDU {hdu}") } else { unit.name.clone() };
        Ok(Self { name, rows, loaded: table.rows, columns })
    }

    /// A text table: ECSV, or columns separated by commas or tabs under a row of names.
    ///
    /// # Errors
    /// As [`read_ecsv`] and [`read_csv`].
    pub fn read_text(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let table = match extension.as_str() {
            "csv" => read_csv(path, ',')?,
            "tsv" => read_csv(path, '\t')?,
            _ => read_ecsv(path)?,
        };
        let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self::from_table(&name, table))
    }

    /// The sheet of a table in memory.
    pub fn from_table(name: &str, table: Table) -> Self {
        let rows = table.rows();
        let columns = table.columns.into_iter().map(|column| {
            let (form, values) = match column.data {
                ColumnData::Float(values) => ("float64", Values::Float(values)),
                ColumnData::Integer(values) => ("int64", Values::Integer(values)),
                ColumnData::Text(values) => ("string", Values::Text(values)),
            };
            let data = FitsColumn {
                name: column.name,
                unit: column.unit,
                form: form.to_owned(),
                rows,
                shape: Vec::new(),
                ends: None,
                values,
                missing: Vec::new(),
            };
            SheetColumn { format: CellFormat::of("", &data), data, ucd: String::new(), description: column.description }
        });
        Self { name: name.to_owned(), rows, loaded: rows, columns: columns.collect() }
    }

    /// Number of a column by its name: as written, else with case ignored.
    pub fn find(&self, name: &str) -> Option<usize> {
        let exact = self.columns.iter().position(|c| c.data.name == name);
        exact.or_else(|| self.columns.iter().position(|c| c.data.name.eq_ignore_ascii_case(name)))
    }

    /// Some rows as a table that can be written. Columns with several values a row become one column a value
    /// (`name_1`, `name_2`, ...) up to 64, beyond that and with rows of different lengths a text `[1, 2, 3]`.
    /// Integers with holes become floats, as ECSV knows no missing integer.
    pub fn table_of(&self, rows: &[u32]) -> Table {
        const WIDEST: usize = 64;
        let mut columns: Vec<TableColumn> = Vec::new();
        let mut push = |name: String, column: &SheetColumn, data: ColumnData| {
            let mut unique = name.clone();
            let mut n = 2;
            while columns.iter().any(|c| c.name == unique) {
                unique = format!("{name}_{n}");
                n += 1;
            }
            columns.push(TableColumn {
                name: unique,
                unit: column.data.unit.clone().filter(|u| !u.is_empty()),
                description: column.description.clone(),
                data,
            });
        };
        for column in &self.columns {
            let each: usize = column.data.shape.iter().product();
            if column.data.ends.is_some() || each > WIDEST {
                let texts: Vec<String> = rows.iter().map(|&row| column.whole_text(row as usize)).collect();
                push(column.data.name.clone(), column, ColumnData::Text(texts));
                continue;
            }
            for element in 0..each {
                let name =
                    if each == 1 { column.data.name.clone() } else { format!("{}_{}", column.data.name, element + 1) };
                let at = |row: &u32| *row as usize * each + element;
                push(name, column, column.values_at(&rows.iter().map(at).collect::<Vec<usize>>()));
            }
        }
        Table::new(columns)
    }

    /// Bytes that the values take.
    pub fn bytes(&self) -> usize {
        let of = |column: &SheetColumn| {
            let values = match &column.data.values {
                Values::Logical(v) => v.capacity(),
                Values::Integer(v) => 8 * v.capacity(),
                Values::Unsigned(v) => 8 * v.capacity(),
                Values::Float(v) => 8 * v.capacity(),
                Values::Complex(v) => 16 * v.capacity(),
                Values::Text(v) => v.iter().map(|text| size_of::<String>() + text.capacity()).sum(),
            };
            values + 8 * (column.data.missing.capacity() + column.data.ends.as_ref().map_or(0, Vec::capacity))
        };
        size_of::<Self>() + self.columns.iter().map(of).sum::<usize>()
    }
}

impl SheetColumn {
    /// Values at some places as a column that can be written.
    fn values_at(&self, places: &[usize]) -> ColumnData {
        let whole = !places.iter().any(|&at| self.is_missing(at));
        match &self.data.values {
            Values::Text(values) => {
                ColumnData::Text(places.iter().map(|&at| values.get(at).cloned().unwrap_or_default()).collect())
            }
            Values::Integer(values) if whole => ColumnData::Integer(places.iter().map(|&at| values[at]).collect()),
            Values::Logical(values) if whole => {
                ColumnData::Integer(places.iter().map(|&at| i64::from(values[at])).collect())
            }
            Values::Unsigned(values) if whole && places.iter().all(|&at| i64::try_from(values[at]).is_ok()) => {
                ColumnData::Integer(places.iter().map(|&at| values[at].cast_signed()).collect())
            }
            // Complex numbers as words, because neither half alone is the value.
            Values::Complex(_) => ColumnData::Text(places.iter().map(|&at| self.element_text(at)).collect()),
            _ => ColumnData::Float(places.iter().map(|&at| self.number(at)).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_table_is_a_sheet_and_goes_out_again() {
        let table = Table::new(vec![
            TableColumn::new("flux", "Jy", vec![1.5, f64::NAN, 3.0]),
            TableColumn::new("name", "", vec!["a".to_owned(), String::new(), "c d".to_owned()]),
            TableColumn::new("id", "", vec![7_i64, 8, 9]),
        ]);
        let sheet = Sheet::from_table("t", table.clone());
        assert_eq!((sheet.rows, sheet.loaded, sheet.find("FLUX")), (3, 3, Some(0)));
        assert!(sheet.columns[0].is_missing(1) && sheet.columns[1].is_missing(1) && !sheet.columns[2].is_missing(1));
        let back = sheet.table_of(&[2, 0]);
        assert_eq!(back.columns[0].data, ColumnData::Float(vec![3.0, 1.5]));
        assert_eq!(back.columns[0].unit.as_deref(), Some("Jy"));
        assert_eq!(back.columns[1].data, ColumnData::Text(vec!["c d".into(), "a".into()]));
        assert_eq!(back.columns[2].data, ColumnData::Integer(vec![9, 7]));
    }

    #[test]
    fn columns_of_several_values_become_several_columns() {
        let mut sheet = Sheet::from_table("t", Table::new(vec![TableColumn::new("v", "", vec![1.0, 2.0, 3.0, 4.0])]));
        sheet.rows = 2;
        sheet.columns[0].data.rows = 2;
        sheet.columns[0].data.shape = vec![2];
        let table = sheet.table_of(&[1]);
        let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["v_1", "v_2"]);
        assert_eq!(table.columns[1].data, ColumnData::Float(vec![4.0]));
    }
}
