//! FITS out: a table of columns as a binary-table extension behind an empty primary HDU.

use std::path::Path;

use super::atomic::write_atomically;
use super::cards_out::CardWriter;
use super::header::BLOCK;
use super::{ColumnData, DataError, Problem, Result, Table, Value};

/// Writes a table to a FITS file (binary table, FITS 4.0 section 7.3): floats as `D` (missing ones NaN), integers as `K`,
/// text as `nA` in UTF-8 replaced by `?` outside ASCII. Names go to TTYPE, units to TUNIT, descriptions to TCOMM, `history`
/// to the primary header. No date is written; an existing file is replaced in one step.
///
/// # Errors
/// Columns of different lengths, none at all, too many for FITS (999), or what the system refuses.
pub fn write_fits_table(path: &Path, name: &str, table: &Table, history: &[String]) -> Result<()> {
    let refuse = |reason: String| DataError::new(path, Problem::Write { what: "a FITS table".into(), reason });
    let rows = table.columns.first().map_or(0, |column| column.data.len());
    if table.columns.is_empty() || table.columns.len() > 999 {
        return Err(refuse(format!("it has {} columns; FITS takes 1 to 999", table.columns.len())));
    }
    if let Some(odd) = table.columns.iter().find(|column| column.data.len() != rows) {
        return Err(refuse(format!("column {} has {} rows, the first has {rows}", odd.name, odd.data.len())));
    }
    let widths: Vec<usize> = table.columns.iter().map(|column| width(&column.data)).collect();
    let row: usize = widths.iter().sum();

    let mut primary = CardWriter::default();
    primary.value("SIMPLE", &Value::Logical(true), "FITS standard 4.0");
    primary.value("BITPIX", &Value::Integer(8), "");
    primary.value("NAXIS", &Value::Integer(0), "no image");
    primary.value("EXTEND", &Value::Logical(true), "a table follows");
    for line in history {
        primary.commentary("HISTORY", line);
    }
    let mut cards = CardWriter::default();
    cards.value("XTENSION", &"BINTABLE".into(), "binary table");
    for (key, number, comment) in [
        ("BITPIX", 8, ""),
        ("NAXIS", 2, ""),
        ("NAXIS1", row as i64, "bytes of a row"),
        ("NAXIS2", rows as i64, "rows"),
        ("PCOUNT", 0, ""),
        ("GCOUNT", 1, ""),
        ("TFIELDS", table.columns.len() as i64, "columns"),
    ] {
        cards.value(key, &Value::Integer(number), comment);
    }
    for (n, (column, width)) in (1..).zip(table.columns.iter().zip(&widths)) {
        let form = match &column.data {
            ColumnData::Float(_) => "D".to_owned(),
            ColumnData::Integer(_) => "K".to_owned(),
            ColumnData::Text(_) => format!("{width}A"),
        };
        cards.value(&format!("TTYPE{n}"), &column.name.as_str().into(), "");
        cards.value(&format!("TFORM{n}"), &form.as_str().into(), "");
        if let Some(unit) = column.unit.as_deref().filter(|unit| !unit.is_empty()) {
            cards.value(&format!("TUNIT{n}"), &unit.into(), "");
        }
        if !column.description.is_empty() {
            cards.value(&format!("TCOMM{n}"), &column.description.as_str().into(), "");
        }
    }
    if !name.is_empty() {
        cards.value("EXTNAME", &name.into(), "");
    }
    let (primary, header) = (primary.finish(), cards.finish());
    write_atomically(path, |out| {
        out.write_all(&primary)?;
        out.write_all(&header)?;
        let mut bytes = Vec::with_capacity(row);
        for index in 0..rows {
            bytes.clear();
            for (column, width) in table.columns.iter().zip(&widths) {
                put(&mut bytes, &column.data, index, *width);
            }
            out.write_all(&bytes)?;
        }
        let total = row * rows;
        out.write_all(&vec![0; total.next_multiple_of(BLOCK) - total])
    })
}

/// Bytes of one value of a column.
fn width(data: &ColumnData) -> usize {
    match data {
        ColumnData::Float(_) | ColumnData::Integer(_) => 8,
        // One character at least: a column of width 0 is legal, but few readers expect it.
        ColumnData::Text(words) => words.iter().map(|word| word.chars().count()).max().unwrap_or(0).max(1),
    }
}

fn put(bytes: &mut Vec<u8>, data: &ColumnData, index: usize, width: usize) {
    match data {
        ColumnData::Float(values) => bytes.extend_from_slice(&values[index].to_be_bytes()),
        ColumnData::Integer(values) => bytes.extend_from_slice(&values[index].to_be_bytes()),
        ColumnData::Text(words) => {
            let start = bytes.len();
            bytes.extend(words[index].chars().map(|c| if (' '..='~').contains(&c) { c as u8 } else { b'?' }));
            bytes.resize(start + width, b' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FitsFile, TableColumn, Values};
    use super::*;

    fn table() -> Table {
        Table::new(vec![
            TableColumn::new("wavelength", "Angstrom", vec![6562.8, f64::NAN, -1e-300]).described("in air"),
            TableColumn::new("count", "", vec![1_i64, i64::MIN, 7]),
            TableColumn::new("line", "", vec!["Hα".to_owned(), String::new(), "[NII] 6583".to_owned()]),
        ])
    }

    #[test]
    fn what_is_written_reads_back_equal_by_us_and_by_cfitsio() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table[1].fits");
        write_fits_table(&path, "LINES", &table(), &["made by a test".into()]).unwrap();
        let file = FitsFile::open(&path).unwrap();
        assert!(file.warnings().is_empty() && file.hdus()[1].name == "LINES");
        let read = file.read_table(1).unwrap();
        let Values::Float(wavelength) = &read.columns[0].values else { panic!("{:?}", read.columns[0]) };
        assert!(wavelength[0] == 6562.8 && wavelength[1].is_nan() && wavelength[2] == -1e-300);
        assert_eq!(read.columns[0].unit.as_deref(), Some("Angstrom"));
        assert_eq!(read.columns[1].values, Values::Integer(vec![1, i64::MIN, 7]));
        assert_eq!(read.columns[2].values, Values::Text(vec!["H?".into(), String::new(), "[NII] 6583".into()]));

        let plain = folder.path().join("plain.fits");
        std::fs::copy(&path, &plain).unwrap();
        let mut fits = fitsio::FitsFile::open(&plain).unwrap();
        let hdu = fits.hdu("LINES").unwrap();
        let counts: Vec<i64> = hdu.read_col(&mut fits, "count").unwrap();
        assert_eq!(counts, [1, i64::MIN, 7]);
        let lines: Vec<String> = hdu.read_col(&mut fits, "line").unwrap();
        assert_eq!(lines[2].trim_end(), "[NII] 6583");
        // The same table gives the same bytes.
        write_fits_table(&plain, "LINES", &table(), &["made by a test".into()]).unwrap();
        assert_eq!(std::fs::read(&plain).unwrap(), std::fs::read(&path).unwrap());
    }

    #[test]
    fn columns_that_do_not_fit_together_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.fits");
        let uneven = Table {
            columns: vec![TableColumn::new("a", "", vec![1.0]), TableColumn::new("b", "", vec![1.0, 2.0])],
            meta: serde_json::Map::new(),
        };
        let error = write_fits_table(&path, "", &uneven, &[]).unwrap_err().to_string();
        assert!(error.contains("column b has 2 rows, the first has 1"), "{error}");
        assert!(!path.exists());
        let none = Table { columns: Vec::new(), meta: serde_json::Map::new() };
        assert!(write_fits_table(&path, "", &none, &[]).is_err());
    }
}
