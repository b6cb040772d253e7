//! Pixels of image HDUs: the whole array, one plane, one spectrum, or any box, reading no more than is asked for.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayD, IxDyn};
use rayon::prelude::*;

use super::tiles::Tiles;
use super::{DataError, FitsFile, Hdu, HduKind, ImageLayout, Problem, Result, Sample};

/// Most bytes of memory that one read may fill: 8 GiB.
pub const READ_LIMIT: u64 = 8 << 30;
/// Pixels that are read and converted at a time: the raw bytes of them stay in the processor's cache.
const CHUNK: usize = 32 * 1024;

impl FitsFile {
    /// The whole array as `[.., z, y, x]`. Missing values (BLANK, NaN) are NaN. Where the file ends early but holds at
    /// least half, the missing pixels are NaN too (the HDU's warnings say so).
    ///
    /// # Errors
    /// Not an image, less than half of it there, above [`READ_LIMIT`], or unreadable.
    pub fn read_array<T: Sample>(&self, hdu: usize) -> Result<ArrayD<T>> {
        let (_, layout) = self.image_hdu(hdu)?;
        let ranges: Vec<_> = layout.shape().into_iter().map(|n| 0..n).collect();
        self.read_box(hdu, &ranges)
    }

    /// A two-dimensional image `[y, x]`. Axes of length 1 beyond the second are dropped; a 1-D array becomes one row.
    ///
    /// # Errors
    /// As [`FitsFile::read_array`], and more than one plane.
    pub fn read_image<T: Sample>(&self, hdu: usize) -> Result<Array2<T>> {
        let (_, layout) = self.image_hdu(hdu)?;
        let planes = plane_count(layout);
        if planes != 1 {
            return Err(self.shape_error(
                hdu,
                format!("its shape {:?} has {planes} planes", layout.shape()),
                "read one plane of it",
            ));
        }
        self.read_plane(hdu, 0)
    }

    /// Plane number `plane` (0-based, over all axes beyond the second together, the third fastest) as `[y, x]`.
    ///
    /// # Errors
    /// As [`FitsFile::read_array`], and a plane that does not exist.
    pub fn read_plane<T: Sample>(&self, hdu: usize, plane: usize) -> Result<Array2<T>> {
        let (_, layout) = self.image_hdu(hdu)?;
        let shape = layout.shape();
        let planes = plane_count(layout);
        if plane >= planes {
            return Err(self.shape_error(
                hdu,
                format!("there is no plane {} (1-based)", plane.saturating_add(1)),
                &format!("its shape {shape:?} has {planes}"),
            ));
        }
        let (outer, inner) = shape.split_at(shape.len().saturating_sub(2));
        let mut ranges: Vec<Range<usize>> = Vec::with_capacity(shape.len());
        let mut rest = plane;
        for &n in outer.iter().rev() {
            let at = rest % n;
            rest /= n;
            ranges.insert(0, at..at + 1);
        }
        ranges.extend(inner.iter().map(|&n| 0..n));
        let (y, x) = match *inner {
            [y, x] => (y, x),
            [x] => (1, x),
            _ => (0, 0),
        };
        let pixels = self.read_box(hdu, &ranges)?;
        pixels.into_shape_with_order((y, x)).map_err(|e| self.shape_error(hdu, e.to_string(), "please report it"))
    }

    /// The values at one position of a cube along its spectral axis: the first axis beyond the second that is longer
    /// than 1 (radio cubes have an axis STOKES of length 1 before or behind it); other axes are taken at 0. A 1-D array
    /// is its own spectrum, at `y = x = 0`. Reads one value a channel. `y` and `x` are 0-based.
    ///
    /// # Errors
    /// As [`FitsFile::read_array`], and a position outside.
    pub fn read_spectrum<T: Sample>(&self, hdu: usize, y: usize, x: usize) -> Result<Array1<T>> {
        let (_, layout) = self.image_hdu(hdu)?;
        let shape = layout.shape();
        let ranges: Vec<Range<usize>> = match spectral_axis(&shape) {
            None if shape.len() == 1 && (y, x) == (0, 0) => shape.iter().map(|&n| 0..n).collect(),
            None if shape.len() == 1 => {
                return Err(self.shape_error(hdu, format!("y = {y}, x = {x} in a 1-D array"), "use 0, 0"));
            }
            axis => {
                let last = shape.len() - 1;
                let range = |(i, &n): (usize, &usize)| match i {
                    i if Some(i) == axis => 0..n,
                    i if i == last => x..x.saturating_add(1),
                    i if i + 1 == last => y..y.saturating_add(1),
                    _ => 0..1,
                };
                shape.iter().enumerate().map(range).collect()
            }
        };
        let values = self.read_box(hdu, &ranges)?;
        Ok(Array1::from_iter(values))
    }

    /// One pixel at `[.., z, y, x]`, 0-based.
    ///
    /// # Errors
    /// As [`FitsFile::read_array`], and a position outside.
    pub fn read_pixel(&self, hdu: usize, at: &[usize]) -> Result<f64> {
        let ranges: Vec<_> = at.iter().map(|&i| i..i.saturating_add(1)).collect();
        let value = self.read_box::<f64>(hdu, &ranges)?;
        Ok(value.first().copied().unwrap_or(f64::NAN))
    }

    /// A box of the array: one range for each axis in array order `[.., z, y, x]`.
    ///
    /// # Errors
    /// As [`FitsFile::read_array`], and ranges that do not fit the shape.
    pub fn read_box<T: Sample>(&self, hdu: usize, ranges: &[Range<usize>]) -> Result<ArrayD<T>> {
        let (unit, layout) = self.image_hdu(hdu)?;
        let shape = layout.shape();
        let fits =
            ranges.len() == shape.len() && ranges.iter().zip(&shape).all(|(r, &n)| r.start <= r.end && r.end <= n);
        if !fits {
            return Err(self.shape_error(
                hdu,
                format!("the box {ranges:?} does not lie inside the shape {shape:?}"),
                "0-based ranges, slowest axis first",
            ));
        }
        let box_shape: Vec<usize> = ranges.iter().map(Range::len).collect();
        let runs = Runs::new(&shape, ranges);
        let tiles = unit.is_compressed().then(|| Tiles::new(self, unit)).transpose()?;
        let count = match tiles {
            Some(_) => self.check_memory(unit, runs.pixels(), size_of::<T>())?,
            None => self.check_read(unit, layout, runs.last_pixel(), runs.pixels(), size_of::<T>())?,
        };
        let mut values = vec![T::MISSING; count];
        if let Some(tiles) = tiles {
            tiles.read_box(ranges, &mut values)?;
            return self.shaped(hdu, &box_shape, values);
        }
        let reader = RunReader { file: self, hdu: unit, layout };
        if runs.length > 0 {
            let mut scratch = Vec::new();
            let each = layout.bitpix.bytes() as u64;
            let places = runs.starts().map(|start| unit.data_start.saturating_add(start.saturating_mul(each)));
            let mut ahead = super::ahead::Ahead::new(self.source(), places, (runs.length as u64).saturating_mul(each));
            for (start, out) in runs.starts().zip(values.chunks_mut(runs.length)) {
                ahead.around(|| reader.run(start, out, &mut scratch))?;
            }
        }
        self.shaped(hdu, &box_shape, values)
    }

    fn shaped<T>(&self, hdu: usize, shape: &[usize], values: Vec<T>) -> Result<ArrayD<T>> {
        ArrayD::from_shape_vec(IxDyn(shape), values)
            .map_err(|e| self.shape_error(hdu, e.to_string(), "please report it"))
    }

    /// For images that are not compressed. Fills `out` with consecutive pixels from pixel number `start` on (0-based, x fastest), NaN where the file has
    /// ended. `scratch` is a buffer to use again.
    ///
    /// # Errors
    /// Not an image, or unreadable.
    pub(super) fn read_run<T: Sample>(
        &self,
        hdu: usize,
        start: u64,
        out: &mut [T],
        scratch: &mut Vec<u8>,
    ) -> Result<()> {
        let (unit, layout) = self.image_hdu(hdu)?;
        RunReader { file: self, hdu: unit, layout }.serial(start, out, scratch)
    }

    /// The HDU and its layout, or why it has no pixels to read.
    pub(super) fn image_hdu(&self, index: usize) -> Result<(&Hdu, &ImageLayout)> {
        let hdu = self.hdu(index)?;
        let (what, cure) = match &hdu.kind {
            HduKind::Image(layout) | HduKind::CompressedImage { image: Some(layout), .. } => return Ok((hdu, layout)),
            HduKind::Damaged { reason } => return Err(DataError::new(self.path(), reason.clone())),
            HduKind::Empty => ("is a header without data".to_owned(), self.suggest_image()),
            HduKind::BinaryTable(_) | HduKind::AsciiTable(_) => {
                (format!("is a table ({}), not an image", hdu.describe()), self.suggest_image())
            }
            HduKind::CompressedImage { codec, image: None, .. } => (
                format!("is an image compressed by {codec} whose ZBITPIX or ZNAXISn are damaged"),
                "fetch the file again".to_owned(),
            ),
            HduKind::RandomGroups { .. } => {
                ("holds random groups (radio visibilities), which are not read".to_owned(), self.suggest_image())
            }
            HduKind::Foreign { extension } => {
                (format!("is an extension of the unknown type {extension}"), self.suggest_image())
            }
        };
        Err(DataError::new(self.path(), Problem::Kind { hdu: index, what, cure }))
    }

    fn suggest_image(&self) -> String {
        match self.hdus().iter().find(|hdu| hdu.image().is_some()) {
            Some(hdu) => format!("HDU {} is an image", hdu.index),
            None => "the file has no image".to_owned(),
        }
    }

    fn shape_error(&self, hdu: usize, what: String, cure: &str) -> DataError {
        DataError::new(self.path(), Problem::Shape { hdu, what, cure: cure.to_owned() })
    }

    /// Number of elements that a read needs, refused when the file does not hold enough of them to justify the memory:
    /// either all pixels up to `last` are there, or at least half of the HDU is.
    fn check_read(
        &self,
        hdu: &Hdu,
        layout: &ImageLayout,
        last: Option<u64>,
        pixels: u64,
        each: usize,
    ) -> Result<usize> {
        let present = hdu.data_present / layout.bitpix.bytes() as u64;
        let complete = last.is_none_or(|last| last < present);
        if !complete && present < layout.pixels().div_ceil(2) {
            let problem = Problem::Truncated { hdu: hdu.index, needed: hdu.data_needed, present: hdu.data_present };
            return Err(DataError::new(self.path(), problem));
        }
        self.check_memory(hdu, pixels, each)
    }

    fn check_memory(&self, hdu: &Hdu, pixels: u64, each: usize) -> Result<usize> {
        let bytes = pixels.saturating_mul(each as u64);
        match usize::try_from(pixels) {
            Ok(count) if bytes <= READ_LIMIT => Ok(count),
            _ => Err(DataError::new(self.path(), Problem::Memory { hdu: hdu.index, bytes, limit: READ_LIMIT })),
        }
    }
}

/// Number of planes `[y, x]`.
pub(super) fn plane_count(layout: &ImageLayout) -> usize {
    layout.axes.iter().skip(2).fold(1usize, |n, &axis| n.saturating_mul(usize::try_from(axis).unwrap_or(usize::MAX)))
}

/// Index (in array order) of the first axis beyond x and y that is longer than 1, else the third, else none.
pub(super) fn spectral_axis(shape: &[usize]) -> Option<usize> {
    let third = shape.len().checked_sub(3)?;
    (0..=third).rev().find(|&i| shape.get(i).is_some_and(|&n| n > 1)).or(Some(third))
}

/// The stretches of consecutive pixels that make up a box.
struct Runs {
    /// Pixels of each stretch.
    length: usize,
    /// For each axis that is walked: start, extent, and distance in pixels between neighbours. Slowest first.
    outer: Vec<(u64, u64, u64)>,
    /// Offset of the first pixel within the walked axes' cell.
    offset: u64,
}

impl Runs {
    /// Joins the fastest axes as long as the box covers them whole.
    fn new(shape: &[usize], ranges: &[Range<usize>]) -> Self {
        let mut stride = 1u64;
        let mut length = 1usize;
        let mut offset = 0;
        let mut outer = Vec::new();
        let mut joined = true;
        for (&n, range) in shape.iter().zip(ranges).rev() {
            if joined {
                length = length.saturating_mul(range.len());
                offset += range.start as u64 * stride;
                joined = range.len() == n;
            } else {
                outer.insert(0, (range.start as u64, range.len() as u64, stride));
            }
            stride = stride.saturating_mul(n as u64);
        }
        Self { length, outer, offset }
    }

    fn count(&self) -> u64 {
        self.outer.iter().map(|&(_, extent, _)| extent).product()
    }

    fn pixels(&self) -> u64 {
        self.count().saturating_mul(self.length as u64)
    }

    /// Pixel number of the last pixel, `None` for an empty box.
    fn last_pixel(&self) -> Option<u64> {
        if self.pixels() == 0 {
            return None;
        }
        let outer: u64 = self.outer.iter().map(|&(start, extent, stride)| (start + extent - 1) * stride).sum();
        Some(outer + self.offset + self.length as u64 - 1)
    }

    /// Pixel number at which each stretch starts, in the order of the box.
    fn starts(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.count()).map(|mut number| {
            let mut at = self.offset;
            for &(start, extent, stride) in self.outer.iter().rev() {
                at += (start + number % extent) * stride;
                number /= extent;
            }
            at
        })
    }
}

/// Reads stretches of one image.
struct RunReader<'a> {
    file: &'a FitsFile,
    hdu: &'a Hdu,
    layout: &'a ImageLayout,
}

impl RunReader<'_> {
    /// Long stretches are read and converted on all threads of the pool that runs us.
    fn run<T: Sample>(&self, start: u64, out: &mut [T], scratch: &mut Vec<u8>) -> Result<()> {
        if out.len() <= 8 * CHUNK {
            return self.serial(start, out, scratch);
        }
        out.par_chunks_mut(CHUNK)
            .enumerate()
            .try_for_each_init(Vec::new, |scratch, (i, out)| self.serial(start + (i * CHUNK) as u64, out, scratch))
    }

    fn serial<T: Sample>(&self, start: u64, out: &mut [T], scratch: &mut Vec<u8>) -> Result<()> {
        let each = self.layout.bitpix.bytes();
        let present = self.hdu.data_present / each as u64;
        for (i, out) in out.chunks_mut(CHUNK).enumerate() {
            let first = start + (i * CHUNK) as u64;
            let there = usize::try_from(present.saturating_sub(first)).unwrap_or(usize::MAX).min(out.len());
            let (read, missing) = out.split_at_mut(there);
            missing.fill(T::MISSING);
            if read.is_empty() {
                continue;
            }
            scratch.resize(read.len() * each, 0);
            let offset = self.hdu.data_start + first * each as u64;
            self.file.source().read_at(offset, scratch).map_err(|error| {
                let doing = format!("read {} bytes of HDU {} at {offset}", scratch.len(), self.hdu.index);
                DataError::io(self.file.path(), doing, &error)
            })?;
            self.layout.decode(scratch, read);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_a_box_in_order() {
        let shape = [2, 3, 4];
        let numbers = |ranges: &[Range<usize>]| -> Vec<u64> {
            let runs = Runs::new(&shape, ranges);
            runs.starts().flat_map(|start| (0..runs.length as u64).map(move |i| start + i)).collect()
        };
        assert_eq!(numbers(&[0..2, 0..3, 0..4]), (0..24).collect::<Vec<_>>());
        assert_eq!(numbers(&[1..2, 0..3, 0..4]), (12..24).collect::<Vec<_>>());
        assert_eq!(numbers(&[0..2, 1..2, 2..3]), [6, 18]);
        assert_eq!(numbers(&[0..2, 1..3, 1..3]), [5, 6, 9, 10, 17, 18, 21, 22]);
        assert_eq!(numbers(&[1..1, 0..3, 0..4]), [0u64; 0]);
        assert_eq!(Runs::new(&shape, &[0..2, 0..3, 0..4]).count(), 1);
        assert_eq!(Runs::new(&shape, &[0..2, 1..2, 2..3]).last_pixel(), Some(18));
    }

    #[test]
    fn the_spectral_axis_skips_axes_of_length_one() {
        assert_eq!(spectral_axis(&[5, 3, 4]), Some(0));
        assert_eq!(spectral_axis(&[1, 5, 3, 4]), Some(1));
        assert_eq!(spectral_axis(&[5, 1, 3, 4]), Some(0));
        assert_eq!(spectral_axis(&[1, 3, 4]), Some(0));
        assert_eq!(spectral_axis(&[3, 4]), None);
    }
}
