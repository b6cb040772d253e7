//! A rectangle of one plane: what a view of a large image draws from. (The tiles of compressed images are another thing.)

use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewD, Axis};

use super::{DataError, FitsFile, Problem, Result, Sample};

/// A rectangle of one plane, 0-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageTile {
    /// Plane number, over all axes beyond the second together, the third fastest.
    pub plane: usize,
    /// First row, and the row behind the last.
    pub rows: [usize; 2],
    /// First column, and the column behind the last.
    pub columns: [usize; 2],
}

impl FitsFile {
    /// Reads a rectangle of a plane as `[y, x]`, and nothing else of it.
    ///
    /// # Errors
    /// As [`FitsFile::read_array`], and a rectangle that does not lie inside.
    pub fn read_tile<T: Sample>(&self, hdu: usize, tile: ImageTile) -> Result<Array2<T>> {
        let shape = self.image_hdu(hdu)?.1.shape();
        let wrong = |what: String| {
            let cure = format!("its shape is {shape:?} (slowest axis first)");
            DataError::new(self.path(), Problem::Shape { hdu, what, cure })
        };
        let ranges = ranges(&shape, tile).ok_or_else(|| wrong(format!("{tile:?} does not lie inside (0-based)")))?;
        let dim = (tile.rows[1] - tile.rows[0], tile.columns[1] - tile.columns[0]);
        self.read_box(hdu, &ranges)?.into_shape_with_order(dim).map_err(|error| wrong(error.to_string()))
    }
}

/// The box of an array that a tile is; `None` when it does not lie inside. A 1-D array has one row.
fn ranges(shape: &[usize], tile: ImageTile) -> Option<Vec<Range<usize>>> {
    let ImageTile { plane, rows, columns } = tile;
    let (outer, inner) = shape.split_at(shape.len().saturating_sub(2));
    let (height, width) = match *inner {
        [height, width] => (height, width),
        [width] => (1, width),
        _ => return None,
    };
    let inside = |[first, end]: [usize; 2], length: usize| first <= end && end <= length;
    if !inside(rows, height) || !inside(columns, width) {
        return None;
    }
    let mut rest = plane;
    let mut ranges = Vec::with_capacity(shape.len());
    for &length in outer.iter().rev() {
        let at = rest.checked_rem(length)?;
        rest /= length;
        ranges.push(at..at + 1);
    }
    ranges.reverse();
    if inner.len() == 2 {
        ranges.push(rows[0]..rows[1]);
    }
    ranges.push(columns[0]..columns[1]);
    (rest == 0).then_some(ranges)
}

/// The tile of an array in memory; `None` when it does not lie inside.
pub(super) fn view(pixels: ArrayViewD<'_, f32>, tile: ImageTile) -> Option<Array2<f32>> {
    let ranges = ranges(pixels.shape(), tile)?;
    let mut view = pixels;
    for (axis, range) in ranges.iter().enumerate() {
        view.slice_axis_inplace(Axis(axis), range.clone().into());
    }
    let dim = (tile.rows[1] - tile.rows[0], tile.columns[1] - tile.columns[0]);
    let flat: Vec<f32> = view.iter().copied().collect();
    ArrayView2::from_shape(dim, &flat).ok().map(|view| view.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_tiles() {
        let tile = |plane, rows, columns| ImageTile { plane, rows, columns };
        assert_eq!(ranges(&[4, 3, 5], tile(2, [1, 3], [0, 2])), Some(vec![2..3, 1..3, 0..2]));
        assert_eq!(ranges(&[2, 4, 3, 5], tile(5, [0, 3], [0, 5])), Some(vec![1..2, 1..2, 0..3, 0..5]));
        assert_eq!(ranges(&[5], tile(0, [0, 1], [2, 4])).map(|r| r.len()), Some(1));
        for outside in [tile(4, [0, 1], [0, 1]), tile(0, [0, 4], [0, 1]), tile(0, [2, 1], [0, 1])] {
            assert_eq!(ranges(&[4, 3, 5], outside), None);
        }
        assert_eq!(ranges(&[0, 3, 5], tile(0, [0, 1], [0, 1])), None);
        assert_eq!(ranges(&[5], tile(1, [0, 1], [2, 4])), None);
        assert_eq!(ranges(&[], tile(0, [0, 0], [0, 0])), None);
    }
}
