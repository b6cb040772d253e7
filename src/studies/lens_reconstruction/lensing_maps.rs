//! Maps of what a lens does to light: magnification, deflection, potential.

use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;

use super::maps::read_maps;
use super::observation::Frame;
use crate::data::{Keyword, Plane, write_planes};
use crate::studies::lens_models::Deflector;
use crate::tasks::TaskError;

/// File of the maps.
pub(super) const FILE: &str = "lensing.fits";

/// Names and units of the planes, in order.
const PLANES: [(&str, &str); 4] =
    [("MAGNIFICATION", ""), ("DEFLECTION_X", "arcsec"), ("DEFLECTION_Y", "arcsec"), ("POTENTIAL", "arcsec2")];

/// Magnification (signed: negative where images are mirrored), deflection to the right and upwards (arcsec), deflection potential (arcsec^2),
/// each at the pixel centres, `[y, x]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LensingMaps {
    /// In the order of the file.
    pub planes: [Arc<Array2<f32>>; 4],
}

impl LensingMaps {
    /// On the grid of an image of `(rows, columns)` pixels.
    pub fn of(lens: &impl Deflector, shape: (usize, usize), pixel_scale_arcsec: f64) -> Self {
        let frame = Frame::new(shape, pixel_scale_arcsec);
        let map = |value: &dyn Fn(f64, f64) -> f64| {
            Arc::new(Array2::from_shape_fn(shape, |(j, i)| value(frame.x(i as f64), frame.y(j as f64)) as f32))
        };
        Self {
            planes: [
                map(&|x, y| 1.0 / lens.inverse_magnification(x, y)),
                map(&|x, y| lens.deflection(x, y)[0]),
                map(&|x, y| lens.deflection(x, y)[1]),
                map(&|x, y| lens.potential(x, y)),
            ],
        }
    }

    /// Writes all of them into one file of the folder.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, folder: &Path, grid: &[Keyword], history: &[String]) -> Result<(), TaskError> {
        let planes: Vec<Plane<'_>> = PLANES
            .iter()
            .zip(&self.planes)
            .map(|((name, unit), pixels)| Plane {
                name,
                pixels: pixels.view().into_dyn(),
                unit,
                keywords: grid.to_vec(),
            })
            .collect();
        Ok(write_planes(&folder.join(FILE), &planes, history)?)
    }

    /// Reads what [`LensingMaps::write`] wrote; `None` where there is no such file.
    ///
    /// # Errors
    /// A damaged file.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, TaskError> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let planes = read_maps(folder, FILE)?;
        let planes = planes.try_into().map_err(|_| TaskError::file(&path, "expected four images"))?;
        Ok(Some(Self { planes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::LensModel;

    /// The derivative of the potential is the deflection, and their maps say so pixel by pixel.
    #[test]
    fn maps_agree_with_each_other_and_read_back() {
        // Two Einstein radii from the centre, where differences from pixel to pixel are derivatives.
        let maps = LensingMaps::of(&LensModel::default().prepare(), (260, 250), 0.02);
        let [magnification, x, y, potential] = &maps.planes;
        let slope = |a: f32, b: f32| f64::from(a - b) / 0.04;
        let across = |map: &Array2<f32>| slope(map[(220, 191)], map[(220, 189)]);
        let upwards = |map: &Array2<f32>| slope(map[(221, 190)], map[(219, 190)]);
        let place = (220, 190);
        assert!((across(potential) - f64::from(x[place])).abs() < 1e-4);
        assert!((upwards(potential) - f64::from(y[place])).abs() < 1e-4);
        let expected = 1.0 / ((1.0 - across(x)) * (1.0 - upwards(y)) - upwards(x).powi(2));
        assert!((f64::from(magnification[place]) / expected - 1.0).abs() < 0.01, "{expected}");
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(LensingMaps::read(folder.path()).unwrap(), None);
        maps.write(folder.path(), &[], &[]).unwrap();
        assert_eq!(LensingMaps::read(folder.path()).unwrap(), Some(maps));
    }
}
