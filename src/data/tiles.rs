//! Images that are compressed in tiles and stored in a binary table (FITS 4.0 section 10): reading a box of them
//! decodes the tiles that it touches and no others.

mod codec;
mod dither;

use std::ops::Range;

use rayon::prelude::*;

use self::codec::{Codec, RawTile, TILE_LIMIT, gunzip, plain};
use self::dither::{Dither, Quantised};
use super::form::{BinaryColumn, ElementKind, binary_columns, descriptor, heap_start};
use super::{Bitpix, DataError, FitsFile, Hdu, HduKind, ImageLayout, Problem, Result, Sample};

/// Pixels that are decoded together; small tiles share one call of the codec.
const BATCH: u64 = 1 << 16;
/// Pixels of an image that any table may claim, however small it is.
const FREE_PIXELS: u64 = 1 << 20;
/// Pixels that are decoded before they are put into their places.
const WAVE: u64 = 1 << 23;

/// A keyword that may instead be a column with a value for each tile.
#[derive(Debug, Clone)]
enum PerTile {
    Constant(f64),
    Column(BinaryColumn),
}

/// A compressed image, ready to be read.
pub(super) struct Tiles<'a> {
    file: &'a FitsFile,
    hdu: &'a Hdu,
    layout: &'a ImageLayout,
    row_bytes: u64,
    rows: u64,
    heap: u64,
    codec: Codec,
    /// Axes of the image and of a whole tile, fastest first.
    axes: Vec<u64>,
    tile: Vec<u64>,
    compressed: BinaryColumn,
    gzip: Option<BinaryColumn>,
    plain: Option<BinaryColumn>,
    /// ZSCALE and ZZERO; `None` when the floats (or integers) themselves were compressed.
    quantised: Option<(PerTile, PerTile)>,
    dither: Dither,
    seed: u64,
    blank: Option<PerTile>,
}

/// A decoded tile: its number and its pixels, x fastest.
type Decoded<T> = (u64, Vec<T>);

impl<'a> Tiles<'a> {
    /// Understands the keywords of a compressed image.
    ///
    /// # Errors
    /// Keywords or columns that are missing or cannot be, and more pixels than the table's bytes can stand for.
    pub fn new(file: &'a FitsFile, hdu: &'a Hdu) -> Result<Self> {
        Self::understand(file, hdu).map_err(|problem| DataError::new(file.path(), problem))
    }

    fn understand(file: &'a FitsFile, hdu: &'a Hdu) -> std::result::Result<Self, Problem> {
        let HduKind::CompressedImage { codec, image: Some(layout), table } = &hdu.kind else {
            return Err(Problem::Kind {
                hdu: hdu.index,
                what: "is not a compressed image whose keywords can be read".into(),
                cure: "fetch the file again".into(),
            });
        };
        let header = &hdu.header;
        let columns = binary_columns(hdu, table)?;
        let column = |name: &str| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)).cloned();
        let variable = |name: &str| column(name).filter(|c| c.form.descriptor.is_some() && c.form.repeat == 1);
        let compressed = variable("COMPRESSED_DATA").ok_or_else(|| Problem::Kind {
            hdu: hdu.index,
            what: "is a compressed image without the column COMPRESSED_DATA".into(),
            cure: "its TTYPEn or TFORMn is damaged; fetch the file again".into(),
        })?;
        let codec = Codec::of(codec, header, hdu.index)?;
        let axes = layout.axes.clone();
        let tile: Vec<u64> = axes
            .iter()
            .enumerate()
            .map(|(i, &axis)| {
                let default = if i == 0 { axis } else { 1 };
                let given = header.get_i64(&format!("ZTILE{}", i + 1)).and_then(|n| u64::try_from(n).ok());
                given.filter(|&n| n > 0).unwrap_or(default).min(axis.max(1))
            })
            .collect();
        let number = |keyword: &str| header.get_f64(keyword).filter(|x| x.is_finite());
        let per_tile = |name: &str| {
            let fixed = column(name).filter(|c| c.form.descriptor.is_none() && c.form.repeat == 1);
            fixed.map(PerTile::Column).or_else(|| number(name).map(PerTile::Constant))
        };
        let method = header.get_str("ZQUANTIZ").map(str::trim).unwrap_or_default();
        let is_float = layout.bitpix.is_float();
        let integers_only = !matches!(codec, Codec::Gzip | Codec::ShuffledGzip | Codec::Plain);
        let zero = per_tile("ZZERO").unwrap_or(PerTile::Constant(0.0));
        let quantised = match per_tile("ZSCALE") {
            Some(scale) if is_float && method != "NONE" => Some((scale, zero)),
            None if is_float && integers_only => Some((PerTile::Constant(1.0), zero)),
            _ => None,
        };
        let dither = match method {
            "SUBTRACTIVE_DITHER_1" => Dither::Subtractive,
            "SUBTRACTIVE_DITHER_2" => Dither::KeepsZero,
            "" | "NONE" | "NO_DITHER" => Dither::None,
            other => {
                return Err(Problem::Keyword {
                    hdu: hdu.index,
                    keyword: "ZQUANTIZ".into(),
                    value: format!("'{other}'"),
                    problem: "this quantisation is not known; unpack the file with funpack first".into(),
                });
            }
        };
        let blank = per_tile("ZBLANK").or(layout.blank.map(|blank| PerTile::Constant(blank as f64)));
        let tiles = Self {
            file,
            hdu,
            layout,
            row_bytes: table.row_bytes,
            rows: table.rows,
            heap: heap_start(hdu, table),
            codec,
            tile,
            compressed,
            gzip: variable("GZIP_COMPRESSED_DATA"),
            plain: variable("UNCOMPRESSED_DATA"),
            quantised,
            dither,
            seed: header.get_i64("ZDITHER0").and_then(|n| u64::try_from(n).ok()).unwrap_or(1).max(1),
            blank,
            axes,
        };
        tiles.check()?;
        Ok(tiles)
    }

    /// Refuses sizes that the file cannot stand for.
    fn check(&self) -> std::result::Result<(), Problem> {
        let shape = |what: String| Problem::Shape {
            hdu: self.hdu.index,
            what,
            cure: "ZNAXISn, ZTILEn or NAXIS2 is damaged; fetch the file again".into(),
        };
        let pixels = self.layout.pixels();
        let each = self.tile.iter().try_fold(1u64, |n, &t| n.checked_mul(t)).filter(|&n| n <= TILE_LIMIT);
        if each.is_none() {
            return Err(shape(format!("a tile of {:?} pixels is larger than {TILE_LIMIT}", self.tile)));
        }
        let count = if pixels == 0 { 0 } else { self.grid().iter().product::<u64>() };
        if count > self.rows {
            return Err(shape(format!("the image has {count} tiles and the table {} rows", self.rows)));
        }
        let a_byte = self.codec.most_pixels_a_byte(self.gzip.is_some() || self.plain.is_some());
        let most = self.hdu.data_present.saturating_mul(a_byte).saturating_add(FREE_PIXELS);
        if pixels > most {
            return Err(shape(format!("{} compressed bytes cannot hold {pixels} pixels", self.hdu.data_present)));
        }
        if self.hdu.data_present < self.hdu.data_needed.div_ceil(2) {
            return Err(Problem::Truncated {
                hdu: self.hdu.index,
                needed: self.hdu.data_needed,
                present: self.hdu.data_present,
            });
        }
        Ok(())
    }

    /// Number of tiles along each axis, fastest first.
    fn grid(&self) -> Vec<u64> {
        self.axes.iter().zip(&self.tile).map(|(&axis, &tile)| axis.div_ceil(tile)).collect()
    }

    /// First pixel and size of a tile, fastest axis first.
    fn place(&self, mut number: u64) -> (Vec<u64>, Vec<u64>) {
        let mut origin = Vec::with_capacity(self.axes.len());
        let mut extent = Vec::with_capacity(self.axes.len());
        for ((&axis, &tile), &count) in self.axes.iter().zip(&self.tile).zip(&self.grid()) {
            let first = (number % count) * tile;
            number /= count;
            origin.push(first);
            extent.push(tile.min(axis - first));
        }
        (origin, extent)
    }

    /// Numbers of the tiles that a box touches, in order. `ranges` is fastest axis first and not empty.
    fn touched(&self, ranges: &[Range<u64>]) -> Vec<u64> {
        let mut numbers = vec![0u64];
        let mut stride: u64 = self.grid().iter().product();
        for ((range, &tile), &count) in ranges.iter().zip(&self.tile).zip(&self.grid()).rev() {
            stride /= count;
            let along = range.start / tile..=(range.end - 1) / tile;
            numbers = numbers.iter().flat_map(|&base| along.clone().map(move |i| base + i * stride)).collect();
        }
        numbers
    }

    /// Reads a box into `out` (x fastest). `ranges` is in array order, slowest first, and lies inside the image.
    ///
    /// # Errors
    /// Unreadable or damaged tiles.
    pub fn read_box<T: Sample>(&self, ranges: &[Range<usize>], out: &mut [T]) -> Result<()> {
        let ranges: Vec<Range<u64>> = ranges.iter().rev().map(|r| r.start as u64..r.end as u64).collect();
        if out.is_empty() || ranges.iter().any(|range| range.start >= range.end) {
            return Ok(());
        }
        let touched = self.touched(&ranges);
        let each: u64 = self.tile.iter().product::<u64>().max(1);
        for wave in touched.chunks((WAVE / each).max(1) as usize) {
            for (number, pixels) in self.decode::<T>(wave)?.into_iter().flatten() {
                self.scatter(number, &pixels, &ranges, out);
            }
        }
        Ok(())
    }

    /// Calls `visit` with the pixels of groups of tiles, from all threads; gives the results in the order of the tiles.
    ///
    /// # Errors
    /// Unreadable or damaged tiles.
    pub fn visit<T: Sample, R: Send>(&self, visit: impl Fn(&[T]) -> R + Sync) -> Result<Vec<R>> {
        let count = if self.layout.pixels() == 0 { 0 } else { self.grid().iter().product::<u64>() };
        let results: Result<Vec<Vec<R>>> = (0..count.div_ceil(self.batch()))
            .into_par_iter()
            .map(|batch| {
                let first = batch * self.batch();
                let numbers: Vec<u64> = (first..count.min(first + self.batch())).collect();
                Ok(self.decode_batch::<T>(&numbers)?.iter().map(|(_, pixels)| visit(pixels)).collect())
            })
            .collect();
        Ok(results?.into_iter().flatten().collect())
    }

    /// Tiles that are decoded together.
    fn batch(&self) -> u64 {
        (BATCH / self.tile.iter().product::<u64>().max(1)).max(1)
    }

    fn decode<T: Sample>(&self, numbers: &[u64]) -> Result<Vec<Vec<Decoded<T>>>> {
        numbers.par_chunks(self.batch() as usize).map(|batch| self.decode_batch(batch)).collect()
    }

    /// Decodes a few tiles, reading their rows of the table and then their bytes.
    fn decode_batch<T: Sample>(&self, numbers: &[u64]) -> Result<Vec<Decoded<T>>> {
        let mut tiles: Vec<(u64, Vec<u64>, Vec<u8>, Payload)> = Vec::with_capacity(numbers.len());
        for &number in numbers {
            let row = self.read(number.saturating_mul(self.row_bytes), self.row_bytes)?.unwrap_or_default();
            let payload = self.payload(number, &row)?;
            tiles.push((number, self.place(number).1, row, payload));
        }
        // Neighbours of one shape go through the codec together.
        let mut raw: Vec<Option<RawTile>> = Vec::with_capacity(tiles.len());
        let alike = |a: &(u64, Vec<u64>, Vec<u8>, Payload), b: &(u64, Vec<u64>, Vec<u8>, Payload)| {
            a.1 == b.1 && a.3.is_coded() && b.3.is_coded()
        };
        for group in tiles.chunk_by(alike) {
            raw.extend(self.decode_group(group)?);
        }
        tiles
            .iter()
            .zip(raw)
            .map(|((number, extent, row, payload), raw)| {
                let count = extent.iter().product::<u64>() as usize;
                let mut out = vec![T::MISSING; count];
                if let Some(raw) = raw {
                    self.convert(*number, row, payload.is_coded(), &raw, &mut out);
                }
                Ok((*number, out))
            })
            .collect()
    }

    fn decode_group(&self, group: &[(u64, Vec<u64>, Vec<u8>, Payload)]) -> Result<Vec<Option<RawTile>>> {
        let Some((first, extent, _, payload)) = group.first() else { return Ok(Vec::new()) };
        let pixels: u64 = extent.iter().product();
        let is_float = self.layout.bitpix.is_float();
        let damaged = |number: u64, reason: String| {
            let what = format!("tile {} ({:?}) is damaged: {reason}", number + 1, self.codec);
            let cure = "fetch the file again".to_owned();
            DataError::new(self.file.path(), Problem::Shape { hdu: self.hdu.index, what, cure })
        };
        match payload {
            Payload::Missing => Ok(vec![None]),
            Payload::Plain(bytes) => {
                plain(bytes.clone(), pixels, is_float).map(|raw| vec![Some(raw)]).map_err(|e| damaged(*first, e))
            }
            Payload::Gzip(bytes) => {
                gunzip(bytes, pixels, is_float).map(|raw| vec![Some(raw)]).map_err(|e| damaged(*first, e))
            }
            Payload::Coded(_) => {
                let bytes: Vec<&[u8]> = group.iter().map(|(.., payload)| payload.bytes()).collect();
                let stored_float = is_float && self.quantised.is_none();
                match self.codec.decode(extent, &bytes, stored_float) {
                    Ok(raw) => Ok(raw.into_iter().map(Some).collect()),
                    Err(reason) if group.len() == 1 => Err(damaged(*first, reason)),
                    // One by one, to name the tile that is wrong.
                    Err(_) => group
                        .iter()
                        .map(|(number, extent, _, payload)| {
                            let raw = self.codec.decode(extent, &[payload.bytes()], stored_float);
                            raw.map(|tiles| tiles.into_iter().next()).map_err(|e| damaged(*number, e))
                        })
                        .collect(),
                }
            }
        }
    }

    /// Where the bytes of a tile are: COMPRESSED_DATA, else UNCOMPRESSED_DATA, else GZIP_COMPRESSED_DATA (FITS 4.0
    /// section 10.1.2); a tile without bytes has no values.
    fn payload(&self, number: u64, row: &[u8]) -> Result<Payload> {
        let coded = self.cell(number, row, &self.compressed)?.map(Payload::Coded);
        let found = match (coded, &self.plain, &self.gzip) {
            (Some(coded), ..) => Some(coded),
            (None, Some(column), _) => self.cell(number, row, column)?.map(Payload::Plain),
            (None, None, _) => None,
        };
        match (found, &self.gzip) {
            (Some(found), _) => Ok(found),
            (None, Some(column)) => Ok(self.cell(number, row, column)?.map_or(Payload::Missing, Payload::Gzip)),
            (None, None) => Ok(Payload::Missing),
        }
    }

    /// The bytes that a descriptor points to; `None` for an empty one, and where a file that was cut off has ended.
    fn cell(&self, number: u64, row: &[u8], column: &BinaryColumn) -> Result<Option<Vec<u8>>> {
        let Some((count, offset)) = descriptor(row, column).filter(|&(count, _)| count > 0) else { return Ok(None) };
        let bytes = column.form.kind.bytes(count);
        let start = self.heap.checked_add(offset);
        // No codec makes a tile much larger than it was; without a bound, many tiles could share one long stretch.
        let most = self.tile.iter().product::<u64>().saturating_mul(16).saturating_add(4096);
        match (bytes, start, bytes.zip(start).and_then(|(bytes, start)| start.checked_add(bytes))) {
            (Some(bytes), Some(start), Some(end)) if end <= self.hdu.data_needed && bytes <= most => {
                self.read(start, bytes)
            }
            _ => {
                let what = format!("the bytes of tile {} lie outside the table, or are too many", number + 1);
                let cure = "the descriptor is damaged; fetch the file again".to_owned();
                Err(DataError::new(self.file.path(), Problem::Shape { hdu: self.hdu.index, what, cure }))
            }
        }
    }

    /// Bytes of the data unit; `None` where the file has ended.
    fn read(&self, start: u64, bytes: u64) -> Result<Option<Vec<u8>>> {
        if start.checked_add(bytes).is_none_or(|end| end > self.hdu.data_present) {
            return Ok(None);
        }
        let mut buffer = vec![0; bytes as usize];
        let at = self.hdu.data_start + start;
        self.file.source().read_at(at, &mut buffer).map_err(|error| {
            let doing = format!("read {bytes} bytes of HDU {} at {at}", self.hdu.index);
            DataError::io(self.file.path(), doing, &error)
        })?;
        Ok(Some(buffer))
    }

    /// Turns stored pixels into values.
    fn convert<T: Sample>(&self, number: u64, row: &[u8], coded: bool, raw: &RawTile, out: &mut [T]) {
        let value = |source: &PerTile| match source {
            PerTile::Constant(value) => *value,
            PerTile::Column(column) => number_in(row, column).unwrap_or(f64::NAN),
        };
        let blank = self.blank.as_ref().map(value).filter(|b| b.is_finite()).map(|b| b as i64);
        // CFITSIO adds 32768 before PLIO, which knows no negative numbers, when BZERO is 32768.
        #[allow(clippy::float_cmp)] // the convention is that very number
        let offset = if self.codec == Codec::Plio && coded && self.layout.zero == 32_768.0 { 32_768.0 } else { 0.0 };
        let mut layout = ImageLayout { bitpix: raw.bitpix, blank, ..self.layout.clone() };
        layout.zero -= offset * layout.scale;
        let Some((scale, zero)) = self.quantised.as_ref().filter(|_| coded) else {
            if raw.bitpix.is_float() {
                layout.blank = None;
            }
            layout.decode(&raw.bytes, out);
            return;
        };
        let integers = integers(raw);
        let how = Quantised { scale: value(scale), zero: value(zero), dither: self.dither, seed: self.seed };
        let (is_single, plain) = (self.layout.bitpix == Bitpix::F32, self.layout.is_plain());
        how.restore(number, &integers, blank, |i, x| {
            let x = if is_single { f64::from(x as f32) } else { x };
            if let Some(pixel) = out.get_mut(i) {
                *pixel = T::from_f64(if plain { x } else { self.layout.zero + self.layout.scale * x });
            }
        });
    }

    /// Copies the part of a tile that lies in the box.
    fn scatter<T: Sample>(&self, number: u64, pixels: &[T], ranges: &[Range<u64>], out: &mut [T]) {
        let (origin, extent) = self.place(number);
        // For each axis: first position inside the tile, first inside the box, length; and the strides of both.
        let mut overlap = Vec::with_capacity(ranges.len());
        let (mut tile_stride, mut box_stride) = (1u64, 1u64);
        for ((range, &first), &size) in ranges.iter().zip(&origin).zip(&extent) {
            let (start, end) = (range.start.max(first), range.end.min(first + size));
            if start >= end {
                return;
            }
            overlap.push((start - first, start - range.start, end - start, tile_stride, box_stride));
            tile_stride *= size;
            box_stride *= range.end - range.start;
        }
        let Some((&(in_tile, in_box, length, ..), outer)) = overlap.split_first() else { return };
        let rows: u64 = outer.iter().map(|&(_, _, n, ..)| n).product();
        for mut row in 0..rows {
            let (mut from, mut to) = (in_tile, in_box);
            for &(in_tile, in_box, n, tile_stride, box_stride) in outer {
                let i = row % n;
                row /= n;
                from += (in_tile + i) * tile_stride;
                to += (in_box + i) * box_stride;
            }
            let (from, to, length) = (from as usize, to as usize, length as usize);
            if let (Some(source), Some(target)) = (pixels.get(from..from + length), out.get_mut(to..to + length)) {
                target.copy_from_slice(source);
            }
        }
    }
}

/// The bytes of a tile.
enum Payload {
    /// COMPRESSED_DATA.
    Coded(Vec<u8>),
    /// GZIP_COMPRESSED_DATA: pixels of the original type.
    Gzip(Vec<u8>),
    /// UNCOMPRESSED_DATA: pixels of the original type.
    Plain(Vec<u8>),
    /// None.
    Missing,
}

impl Payload {
    fn is_coded(&self) -> bool {
        matches!(self, Self::Coded(_))
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Coded(bytes) | Self::Gzip(bytes) | Self::Plain(bytes) => bytes,
            Self::Missing => &[],
        }
    }
}

/// The number in a cell of one number.
fn number_in(row: &[u8], column: &BinaryColumn) -> Option<f64> {
    let start = usize::try_from(column.offset).ok()?;
    let cell = row.get(start..)?;
    let stored = match column.form.kind {
        ElementKind::Byte => f64::from(*cell.first()?),
        ElementKind::Short => f64::from(i16::from_be_bytes(*cell.first_chunk()?)),
        ElementKind::Int => f64::from(i32::from_be_bytes(*cell.first_chunk()?)),
        ElementKind::Long => i64::from_be_bytes(*cell.first_chunk()?) as f64,
        ElementKind::Float => f64::from(f32::from_be_bytes(*cell.first_chunk()?)),
        ElementKind::Double => f64::from_be_bytes(*cell.first_chunk()?),
        _ => return None,
    };
    Some(column.zero + column.scale * stored)
}

/// Stored integers.
fn integers(raw: &RawTile) -> Vec<i64> {
    match raw.bitpix {
        Bitpix::U8 => raw.bytes.iter().map(|&b| i64::from(b)).collect(),
        Bitpix::I16 => raw.bytes.as_chunks().0.iter().map(|&b| i64::from(i16::from_be_bytes(b))).collect(),
        Bitpix::I32 | Bitpix::F32 => {
            raw.bytes.as_chunks().0.iter().map(|&b| i64::from(i32::from_be_bytes(b))).collect()
        }
        Bitpix::I64 | Bitpix::F64 => raw.bytes.as_chunks().0.iter().map(|&b| i64::from_be_bytes(b)).collect(),
    }
}
