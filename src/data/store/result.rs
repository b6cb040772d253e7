//! Results in the store: arrays that exist in memory only, read like the HDU of a file.

use std::path::Path;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayD, Axis, Ix2};

use super::super::image::spectral_axis;
use super::super::{DataError, Header, ImageTile, Problem, Result, image_tile};

/// An array of ours with what a header would say of it.
#[derive(Clone)]
pub(super) struct ResultData {
    /// Name in the data tree.
    pub name: String,
    /// Slowest axis first.
    pub pixels: Arc<ArrayD<f32>>,
    /// BUNIT; empty for none.
    pub unit: String,
    /// Side of a pixel, if known.
    pub pixel_scale_arcsec: Option<f64>,
    /// Keywords that it was given.
    pub header: Header,
}

impl ResultData {
    fn wrong(&self, hdu: usize, what: String) -> DataError {
        let cure = format!("its shape is {:?} and it is HDU 0", self.pixels.shape());
        DataError::new(Path::new(&self.name), Problem::Shape { hdu, what, cure })
    }

    /// The whole array; only HDU 0 exists.
    pub fn array(&self, hdu: usize) -> Result<Arc<ArrayD<f32>>> {
        if hdu == 0 { Ok(self.pixels.clone()) } else { Err(self.wrong(hdu, "a result has one HDU".into())) }
    }

    /// A plane, counted as in a file; `None` is the only one.
    pub fn plane(&self, hdu: usize, plane: Option<usize>) -> Result<Array2<f32>> {
        let pixels = self.array(hdu)?;
        let mut view = pixels.view();
        let mut rest = plane.unwrap_or(0);
        while view.ndim() > 2 {
            // The axis just above y runs fastest among the planes.
            let axis = Axis(view.ndim() - 3);
            let length = view.len_of(axis);
            if length == 0 {
                return Err(self.wrong(hdu, "it is empty".into()));
            }
            view = view.index_axis_move(axis, rest % length);
            rest /= length;
        }
        if rest > 0 {
            return Err(
                self.wrong(hdu, format!("there is no plane {} (1-based)", plane.unwrap_or(0).saturating_add(1)))
            );
        }
        if view.ndim() < 2 {
            view = view.insert_axis(Axis(0));
        }
        view.into_dimensionality::<Ix2>()
            .map(|plane| plane.to_owned())
            .map_err(|error| self.wrong(hdu, error.to_string()))
    }

    /// A rectangle of a plane, as from a file.
    pub fn tile(&self, hdu: usize, tile: ImageTile) -> Result<Array2<f32>> {
        let pixels = self.array(hdu)?;
        image_tile::view(pixels.view(), tile)
            .ok_or_else(|| self.wrong(hdu, format!("{tile:?} does not lie inside (0-based)")))
    }

    /// The spectrum at a position, as from a file.
    pub fn spectrum(&self, hdu: usize, y: usize, x: usize) -> Result<Array1<f32>> {
        let pixels = self.array(hdu)?;
        let shape = pixels.shape();
        let axis = spectral_axis(shape);
        let mut view = pixels.view();
        for i in (0..shape.len()).rev().filter(|&i| Some(i) != axis && shape.len() > 1) {
            let at = match shape.len() - 1 - i {
                0 => x,
                1 => y,
                _ => 0,
            };
            if at >= view.len_of(Axis(i)) {
                return Err(self.wrong(hdu, format!("there is no position y = {y}, x = {x} (0-based)")));
            }
            view.index_axis_inplace(Axis(i), at);
        }
        Ok(view.iter().copied().collect())
    }
}
