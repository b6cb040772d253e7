//! Parts of what is in the store, and results with a header of their own.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ndarray::{ArrayD, Slice};

use super::result::ResultData;
use super::{Content, DataId, Item, Store, gone};
use crate::data::cards_out::CardWriter;
use crate::data::{DataError, Header, Keyword, Problem, Result, pixel_scale_arcsec};

impl Store {
    /// A box of an array, a range for each axis, slowest first; of a file or a result. It is not kept: who asks for boxes
    /// goes through a cube once. See [`FitsFile::read_box`](crate::data::FitsFile::read_box).
    ///
    /// # Errors
    /// As [`FitsFile::read_box`](crate::data::FitsFile::read_box).
    pub fn read_box(&self, id: DataId, hdu: usize, ranges: &[Range<usize>]) -> Result<ArrayD<f32>> {
        match self.fresh(id)?.1 {
            Content::File(file) => file.read_box(hdu, ranges),
            Content::Result(result) => {
                let pixels = result.array(hdu)?;
                let shape = pixels.shape();
                let fits = ranges.len() == shape.len() && ranges.iter().zip(shape).all(|(r, &n)| r.end <= n);
                if !fits {
                    let what = format!("the box {ranges:?} does not lie inside the shape {shape:?}");
                    let cure = "0-based ranges, slowest axis first".into();
                    return Err(DataError::new(Path::new(&result.name), Problem::Shape { hdu, what, cure }));
                }
                Ok(pixels.slice_each_axis(|a| Slice::from(ranges[a.axis.index()].clone())).to_owned())
            }
        }
    }

    /// Looks at the header of an HDU; that of a result holds the keywords that it was given.
    ///
    /// # Errors
    /// Not in the store, or no such HDU.
    pub fn with_header<T>(&self, id: DataId, hdu: usize, look: impl FnOnce(&Header) -> T) -> Result<T> {
        match self.content(id)?.1 {
            Content::File(file) => Ok(look(&file.hdu(hdu)?.header)),
            Content::Result(result) => Ok(look(&result.header)),
        }
    }

    /// Puts an array with keywords in: world coordinates, where it comes from. `unit` is empty for none.
    ///
    /// # Errors
    /// A keyword that cannot be written.
    pub fn insert_with(&self, name: &str, pixels: ArrayD<f32>, unit: &str, keywords: &[Keyword]) -> Result<DataId> {
        let mut cards = CardWriter::default();
        for keyword in keywords {
            cards.keyword(keyword).map_err(|problem| DataError::new(Path::new(name), problem))?;
        }
        let header = Header::from_cards(&cards.finish());
        let result = ResultData {
            name: name.to_owned(),
            pixels: Arc::new(pixels),
            unit: unit.to_owned(),
            pixel_scale_arcsec: pixel_scale_arcsec(&header),
            header,
        };
        Ok(self.lock().add(Content::Result(Arc::new(result))))
    }

    /// Gives a result other pixels, as it grows; its revision tells. Nothing happens to a file, or to what is gone.
    ///
    /// # Errors
    /// Not in the store.
    pub fn update(&self, id: DataId, pixels: ArrayD<f32>) -> Result<()> {
        let mut inner = self.lock();
        let item = inner.items.get_mut(&id).ok_or_else(|| gone(id))?;
        if let Content::Result(old) = &item.content {
            let new = ResultData { pixels: Arc::new(pixels), ..old.as_ref().clone() };
            *item = Item::new(id, item.revision + 1, Content::Result(Arc::new(new)));
            inner.forget_pixels(id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::data::Wcs;

    #[test]
    fn a_result_has_boxes_a_header_and_revisions() {
        let store = Store::new(1 << 20);
        let cube = Array3::from_shape_fn((4, 3, 5), |(z, y, x)| (100 * z + 10 * y + x) as f32).into_dyn();
        let keywords = [
            Keyword::new("CTYPE3", "AWAV", ""),
            Keyword::new("CUNIT3", "Angstrom", ""),
            Keyword::new("CRVAL3", 7000.0, ""),
            Keyword::new("CDELT3", 1.25, ""),
        ];
        let id = store.insert_with("cube", cube.clone(), "Jy", &keywords).unwrap();
        let part = store.read_box(id, 0, &[1..3, 2..3, 1..4]).unwrap();
        assert_eq!(part.shape(), [2, 1, 3]);
        assert_eq!(part.iter().copied().collect::<Vec<f32>>(), [121.0, 122.0, 123.0, 221.0, 222.0, 223.0]);
        assert!(store.read_box(id, 0, &[0..5, 0..3, 0..5]).is_err());
        let spectral = store.with_header(id, 0, |h| Wcs::from_header(h).unwrap().unwrap().spectral()).unwrap();
        assert_eq!(spectral, Some(2));
        let before = store.revision(id).unwrap();
        store.plane(id, 0, 0).unwrap();
        store.update(id, cube + 1.0).unwrap();
        assert_eq!(store.revision(id), Some(before + 1));
        assert_eq!(store.plane(id, 0, 0).unwrap()[[0, 0]], 1.0);
    }
}
