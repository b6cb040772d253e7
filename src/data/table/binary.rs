//! Binary tables.

use std::ops::Range;

use rayon::prelude::*;

use crate::data::form::{BinaryColumn, ElementKind, descriptor, heap_start};
use crate::data::{DataError, FitsFile, Hdu, Problem, READ_LIMIT, Result, TableLayout};

use super::{Cells, FitsColumn, FitsTable, IntegerScale, Values, push_integers};

/// Bytes of rows that are read and taken apart together.
const PIECE: u64 = 1 << 20;
/// Rows this wide are read only where the wanted columns are.
const WIDE_ROW: u64 = 1 << 14;
/// Variable-length cells may share bytes of the heap; beyond this many times its size the descriptors are damaged.
const MOST_SHARING: u64 = 16;

/// Reads columns.
pub(super) fn read(
    file: &FitsFile,
    hdu: &Hdu,
    table: &TableLayout,
    columns: &[&BinaryColumn],
    rows: Range<usize>,
) -> Result<FitsTable> {
    let count = rows.len();
    check_memory(file, hdu, columns, count as u64)?;
    let reader = Reader { file, hdu, row_bytes: table.row_bytes, heap: heap_start(hdu, table), columns };
    let reads_rows = count > 0 && columns.iter().any(|column| column.form.width() > Some(0));
    let each = (PIECE / table.row_bytes.max(1)).max(1) as usize;
    let pieces = if reads_rows { count.div_ceil(each) } else { 0 };
    check_heap(&reader, rows.clone())?;
    let parts: Vec<Vec<Cells>> = (0..pieces)
        .into_par_iter()
        .map(|piece| {
            let first = rows.start + piece * each;
            reader.piece(first..rows.end.min(first.saturating_add(each)))
        })
        .collect::<Result<_>>()?;
    let mut cells: Vec<Cells> = columns.iter().map(|column| Cells::new(empty(column))).collect();
    for part in parts {
        cells.iter_mut().zip(part).for_each(|(cells, part)| cells.append(part));
    }
    let columns =
        columns.iter().zip(cells).map(|(column, cells)| finish(column, &table.columns, cells, count)).collect();
    Ok(FitsTable { rows: count, columns })
}

fn finish(column: &BinaryColumn, layout: &[crate::data::Column], cells: Cells, rows: usize) -> FitsColumn {
    FitsColumn {
        name: column.name.clone(),
        unit: Some(column.unit.clone()).filter(|unit| !unit.is_empty()),
        form: layout.get(column.index).map(|column| column.form.clone()).unwrap_or_default(),
        rows,
        shape: cell_shape(column),
        ends: is_variable(column).then_some(cells.ends),
        values: cells.values,
        missing: cells.missing,
    }
}

/// Shape of the cell of a row, in values.
fn cell_shape(column: &BinaryColumn) -> Vec<usize> {
    let repeat = usize::try_from(column.form.repeat).unwrap_or(usize::MAX);
    if repeat == 0 {
        return vec![0];
    }
    if is_variable(column) {
        return Vec::new();
    }
    if column.form.kind == ElementKind::Text {
        // The fastest axis of TDIM counts the characters of one string.
        let mut shape = column.dimensions.clone();
        if shape.pop().is_some() {
            return shape;
        }
        let width = string_width(column);
        return if width == repeat { Vec::new() } else { vec![repeat / width] };
    }
    if !column.dimensions.is_empty() {
        return column.dimensions.clone();
    }
    if repeat == 1 { Vec::new() } else { vec![repeat] }
}

/// Characters of one string.
fn string_width(column: &BinaryColumn) -> usize {
    let repeat = usize::try_from(column.form.repeat).unwrap_or(usize::MAX).max(1);
    let given = column.form.string_width.and_then(|width| usize::try_from(width).ok());
    let width = column.dimensions.last().copied().or(given);
    width.filter(|&width| width > 0 && width <= repeat && repeat.is_multiple_of(width)).unwrap_or(repeat)
}

fn empty(column: &BinaryColumn) -> Values {
    match column.form.kind {
        ElementKind::Logical | ElementKind::Bit => Values::Logical(Vec::new()),
        ElementKind::Text => Values::Text(Vec::new()),
        ElementKind::Float | ElementKind::Double => Values::Float(Vec::new()),
        ElementKind::Complex | ElementKind::DoubleComplex => Values::Complex(Vec::new()),
        ElementKind::Byte | ElementKind::Short | ElementKind::Int | ElementKind::Long => integer_scale(column).empty(),
    }
}

fn integer_scale(column: &BinaryColumn) -> IntegerScale {
    IntegerScale::of(column.scale, column.zero, column.form.kind == ElementKind::Long)
}

/// Bytes of memory that one value takes.
fn in_memory(kind: ElementKind) -> u64 {
    match kind {
        ElementKind::Logical | ElementKind::Bit => 1,
        // A string of its own.
        ElementKind::Text => 32,
        ElementKind::Complex | ElementKind::DoubleComplex => 16,
        _ => 8,
    }
}

/// Refuses more memory than one read may take. All rows are in the file, so that this is a small multiple of its size.
fn check_memory(file: &FitsFile, hdu: &Hdu, columns: &[&BinaryColumn], rows: u64) -> Result<()> {
    let a_row: u64 = columns
        .iter()
        .map(|column| match (column.form.descriptor, column.form.kind) {
            (Some(_), _) => column.form.repeat * 8,
            (None, ElementKind::Text) => {
                column.form.repeat.saturating_add(32 * (column.form.repeat / string_width(column).max(1) as u64))
            }
            (None, kind) => column.form.repeat.saturating_mul(in_memory(kind)),
        })
        .fold(0, u64::saturating_add);
    limit(file, hdu, rows.saturating_mul(a_row))
}

fn limit(file: &FitsFile, hdu: &Hdu, bytes: u64) -> Result<()> {
    if bytes <= READ_LIMIT {
        return Ok(());
    }
    Err(DataError::new(file.path(), Problem::Memory { hdu: hdu.index, bytes, limit: READ_LIMIT }))
}

/// Sums what the descriptors ask for before any of it is allocated.
fn check_heap(reader: &Reader<'_>, rows: Range<usize>) -> Result<()> {
    let variable: Vec<&BinaryColumn> = reader.columns.iter().copied().filter(|column| is_variable(column)).collect();
    if variable.is_empty() {
        return Ok(());
    }
    let (mut on_disk, mut in_core) = (0u64, 0u64);
    let each = (PIECE / reader.row_bytes.max(1)).max(1) as usize;
    let mut bytes = Vec::new();
    let mut first = rows.start;
    while first < rows.end {
        let last = rows.end.min(first.saturating_add(each));
        reader.rows(first..last, 0..reader.row_bytes, &mut bytes)?;
        for row in bytes.chunks_exact(reader.row_bytes.max(1) as usize) {
            for column in &variable {
                let count = descriptor(row, column).map_or(0, |(count, _)| count);
                on_disk = on_disk.saturating_add(column.form.kind.bytes(count).unwrap_or(u64::MAX));
                let values = if column.form.kind == ElementKind::Text { 2 } else { in_memory(column.form.kind) };
                in_core = in_core.saturating_add(count.saturating_mul(values));
            }
        }
        first = last;
    }
    if on_disk > reader.hdu.data_present.saturating_mul(MOST_SHARING) {
        let what = format!("its variable-length columns ask for {on_disk} bytes of {}", reader.hdu.data_present);
        let cure = "the descriptors are damaged; fetch the file again, or read other columns".to_owned();
        return Err(DataError::new(reader.file.path(), Problem::Shape { hdu: reader.hdu.index, what, cure }));
    }
    limit(reader.file, reader.hdu, in_core)
}

/// True for a column whose cells lie in the heap. `0P` has none, and is a column of width zero.
fn is_variable(column: &BinaryColumn) -> bool {
    column.form.descriptor.is_some() && column.form.repeat > 0
}

struct Reader<'a> {
    file: &'a FitsFile,
    hdu: &'a Hdu,
    row_bytes: u64,
    heap: u64,
    columns: &'a [&'a BinaryColumn],
}

impl Reader<'_> {
    /// Reads `bytes` (a range within a row) of some rows, one after the other.
    fn rows(&self, rows: Range<usize>, bytes: Range<u64>, buffer: &mut Vec<u8>) -> Result<()> {
        let width = bytes.end - bytes.start;
        buffer.clear();
        buffer.resize((rows.len() as u64 * width) as usize, 0);
        if width == self.row_bytes {
            return self.file.read_data(self.hdu, rows.start as u64 * self.row_bytes, buffer);
        }
        for (row, part) in rows.zip(buffer.chunks_exact_mut(width.max(1) as usize)) {
            self.file.read_data(self.hdu, row as u64 * self.row_bytes + bytes.start, part)?;
        }
        Ok(())
    }

    /// Takes some rows apart.
    fn piece(&self, rows: Range<usize>) -> Result<Vec<Cells>> {
        let ends = |column: &&BinaryColumn| column.offset + column.form.width().unwrap_or(0);
        let first = self.columns.iter().map(|column| column.offset).min().unwrap_or(0);
        let last = self.columns.iter().map(ends).max().unwrap_or(0);
        let part = if self.row_bytes >= WIDE_ROW && last - first < self.row_bytes / 4 {
            first..last
        } else {
            0..self.row_bytes
        };
        let mut buffer = Vec::new();
        self.rows(rows, part.clone(), &mut buffer)?;
        let mut cells: Vec<Cells> = self.columns.iter().map(|column| Cells::new(empty(column))).collect();
        for row in buffer.chunks_exact((part.end - part.start).max(1) as usize) {
            for (column, cells) in self.columns.iter().zip(&mut cells) {
                if is_variable(column) {
                    self.variable(row, part.start, column, cells)?;
                    continue;
                }
                let start = (column.offset - part.start) as usize;
                let width = column.form.width().unwrap_or(0) as usize;
                let raw = row.get(start..start + width).unwrap_or_default();
                push(column, column.form.repeat as usize, string_width(column), raw, cells);
            }
        }
        Ok(cells)
    }

    /// Reads the cell of a column of variable length.
    fn variable(&self, row: &[u8], skipped: u64, column: &BinaryColumn, cells: &mut Cells) -> Result<()> {
        let here = BinaryColumn {
            offset: column.offset - skipped,
            name: String::new(),
            unit: String::new(),
            dimensions: Vec::new(),
            ..*column
        };
        if let Some((count, offset)) = descriptor(row, &here).filter(|&(count, _)| count > 0) {
            let start = self.heap.checked_add(offset);
            let bytes = column.form.kind.bytes(count);
            let end = start.zip(bytes).and_then(|(start, bytes)| start.checked_add(bytes));
            match (start, bytes, end) {
                (Some(start), Some(bytes), Some(end)) if end <= self.hdu.data_present => {
                    let mut raw = vec![0; bytes as usize];
                    self.file.read_data(self.hdu, start, &mut raw)?;
                    push(column, count as usize, count as usize, &raw, cells);
                }
                // The file was cut off here; the warnings of the HDU say so.
                _ if self.hdu.is_truncated() => {}
                _ => {
                    let what = format!("a cell of column {} lies outside the table's heap", column.name);
                    let cure = "its descriptor is damaged; fetch the file again, or read other columns".to_owned();
                    return Err(DataError::new(self.file.path(), Problem::Shape { hdu: self.hdu.index, what, cure }));
                }
            }
        }
        cells.ends.push(cells.values.len());
        Ok(())
    }
}

/// Appends the values of one cell. `width` is the number of characters of a string.
fn push(column: &BinaryColumn, count: usize, width: usize, raw: &[u8], cells: &mut Cells) {
    let single = |b: [u8; 4]| f64::from(f32::from_be_bytes(b));
    let (scale, zero) = (column.scale, column.zero);
    #[allow(clippy::float_cmp)] // exact on purpose
    let plain = scale == 1.0 && zero == 0.0;
    let scaled = |x: f64| if plain { x } else { zero + scale * x };
    let null = column.null;
    let known = |n: i64| Some(n).filter(|&n| null != Some(n));
    let how = integer_scale(column);
    match column.form.kind {
        ElementKind::Byte => push_integers(cells, how, raw.iter().map(|&b| known(i64::from(b)))),
        ElementKind::Short => {
            push_integers(cells, how, raw.as_chunks().0.iter().map(|&b| known(i64::from(i16::from_be_bytes(b)))));
        }
        ElementKind::Int => {
            push_integers(cells, how, raw.as_chunks().0.iter().map(|&b| known(i64::from(i32::from_be_bytes(b)))));
        }
        ElementKind::Long => {
            push_integers(cells, how, raw.as_chunks().0.iter().map(|&b| known(i64::from_be_bytes(b))));
        }
        kind => match (&mut cells.values, kind) {
            (Values::Float(out), ElementKind::Float) => {
                out.extend(raw.as_chunks().0.iter().map(|&b| scaled(single(b))));
            }
            (Values::Float(out), _) => out.extend(raw.as_chunks().0.iter().map(|&b| scaled(f64::from_be_bytes(b)))),
            (Values::Complex(out), ElementKind::Complex) => {
                let parts = raw.as_chunks::<4>().0.as_chunks::<2>().0;
                out.extend(parts.iter().map(|&[re, im]| [scaled(single(re)), single(im) * scale]));
            }
            (Values::Complex(out), _) => {
                let parts = raw.as_chunks::<8>().0.as_chunks::<2>().0;
                out.extend(
                    parts.iter().map(|&[re, im]| [scaled(f64::from_be_bytes(re)), f64::from_be_bytes(im) * scale]),
                );
            }
            (Values::Logical(out), ElementKind::Bit) => {
                let bits = raw.iter().flat_map(|&byte| (0..8).map(move |bit| byte & (0x80 >> bit) != 0));
                out.extend(bits.take(count));
            }
            (Values::Logical(out), _) => {
                for &byte in raw {
                    if !matches!(byte, b'T' | b'F') {
                        cells.missing.push(out.len());
                    }
                    out.push(byte == b'T');
                }
            }
            (Values::Text(out), _) if raw.is_empty() => {
                // A string of no characters in a column of variable length is a string; a column `0A` has none.
                if column.form.descriptor.is_some() {
                    out.push(String::new());
                }
            }
            (Values::Text(out), _) => out.extend(raw.chunks(width.max(1)).map(text)),
            (Values::Integer(_) | Values::Unsigned(_), _) => {}
        },
    }
}

/// A string: ends at the first NUL (FITS 4.0 section 7.3.3.1), without trailing spaces; bytes are taken as Latin-1
/// unless they are UTF-8.
pub(super) fn text(raw: &[u8]) -> String {
    let end = raw.iter().position(|&b| b == 0).unwrap_or(raw.len());
    let raw = raw.get(..end).unwrap_or_default().trim_ascii_end();
    match std::str::from_utf8(raw) {
        Ok(text) => text.to_owned(),
        Err(_) => raw.iter().map(|&b| char::from(b)).collect(),
    }
}
