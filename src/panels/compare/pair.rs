//! Two images on one grid, and what one operation makes of them; computed in queries.

use std::ops::ControlFlow;
use std::sync::Arc;

use ndarray::{Array2, Zip};
use serde::{Deserialize, Serialize};

use crate::data::{PixelMap, Store};
use crate::numerics::regrid::regrid;
use crate::panels::world::{Place, World};
use crate::tasks::{Progress, TaskError};
use crate::workers::Weigh;

/// Grids whose pixels differ by less than this everywhere are the same.
const SAME_GRID: f64 = 0.01;

/// How two images become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A - B.
    #[default]
    Difference,
    /// A - k B.
    Scaled,
    /// A / B.
    Ratio,
}

impl Operation {
    /// Every operation, in menu order.
    pub const ALL: [Self; 3] = [Self::Difference, Self::Scaled, Self::Ratio];

    /// In menus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Difference => "A − B",
            Self::Scaled => "A − k B",
            Self::Ratio => "A / B",
        }
    }
}

/// Two images on the pixels of the first.
#[derive(Debug)]
pub struct Pair {
    /// What they are.
    pub of: [Place; 2],
    /// The first, as it is.
    pub a: Arc<Array2<f32>>,
    /// The second, on the pixels of the first.
    pub b: Arc<Array2<f32>>,
    /// The second was resampled.
    pub regridded: bool,
    /// Units of both.
    pub units: [String; 2],
    /// Side of a pixel of the first on the sky, where known.
    pub arcsec_per_pixel: Option<f64>,
}

impl Weigh for Pair {
    fn bytes(&self) -> usize {
        (self.a.len() + self.b.len()) * 4 + size_of::<Self>()
    }
}

/// The result of an operation with its scatter.
#[derive(Debug)]
pub struct Outcome {
    /// The images and the operation.
    pub of: ([Place; 2], Operation),
    /// `[y, x]` on the pixels of A.
    pub pixels: Arc<Array2<f32>>,
    /// Mean and standard deviation of the finite values.
    pub mean_and_sigma: Option<[f64; 2]>,
}

impl Weigh for Outcome {
    fn bytes(&self) -> usize {
        self.pixels.len() * 4 + size_of::<Self>()
    }
}

/// One of the two: what, and which plane.
pub type Side = (Place, usize);

impl Pair {
    /// Reads both and puts the second on the pixels of the first: through the sky where both have one, else pixel by
    /// pixel.
    pub fn read(store: &Store, a: &Side, b: &Side, progress: &Progress<Self>) -> Result<Self, TaskError> {
        let plane =
            |(place, plane): &Side| -> Result<_, TaskError> { Ok(store.plane(place.open(store)?, place.hdu, *plane)?) };
        let worlds = [World::read(store, &a.0)?, World::read(store, &b.0)?];
        let (first, second) = (plane(a)?, plane(b)?);
        let units = worlds.each_ref().map(|w| w.unit.clone());
        let arcsec_per_pixel = worlds[0].wcs.as_ref().and_then(|w| w.pixel_scale_arcsec());
        let map = match (&worlds[0].wcs, &worlds[1].wcs) {
            (Some(from), Some(to)) if from.meets(to) => PixelMap::Sky { from: from.clone(), to: to.clone() },
            _ => PixelMap::Identity,
        };
        let of = [a.0.clone(), b.0.clone()];
        let (height, width) = first.dim();
        let equal_sizes = first.dim() == second.dim();
        if equal_sizes && same_grid(&map, [width, height]) {
            return Ok(Self { of, a: first, b: second, regridded: false, units, arcsec_per_pixel });
        }
        if matches!(map, PixelMap::Identity) {
            let size = |(h, w): (usize, usize)| format!("{w} × {h}");
            return Err(TaskError::Failed(format!(
                "{} is {} pixels, {} is {}, and they share no sky coordinates; choose images of one size, or with WCS",
                a.0.name(),
                size(first.dim()),
                b.0.name(),
                size(second.dim())
            )));
        }
        let step = |fraction: f64| {
            progress.fraction(fraction);
            if progress.check().is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let regridded = regrid(&second, [height, width], |p| map.apply(p), step).ok_or(TaskError::Cancelled)?;
        if regridded.iter().all(|v| v.is_nan()) {
            let text = format!("{} and {} do not overlap on the sky", a.0.name(), b.0.name());
            return Err(TaskError::Failed(text));
        }
        Ok(Self { of, a: first, b: Arc::new(regridded), regridded: true, units, arcsec_per_pixel })
    }

    /// The unit of the result: that of A, or the quotient's.
    pub fn unit(&self, operation: Operation) -> String {
        match (operation, self.units[0] == self.units[1]) {
            (Operation::Ratio, true) => String::new(),
            (Operation::Ratio, false) => format!("{} / {}", self.units[0], self.units[1]),
            _ => self.units[0].clone(),
        }
    }

    /// What the operation makes of the pair.
    pub fn combine(&self, operation: Operation, k: f64) -> Outcome {
        let k = if operation == Operation::Scaled { k } else { 1.0 };
        let one = |a: &f32, b: &f32| {
            let (a, b) = (f64::from(*a), f64::from(*b));
            let value = if operation == Operation::Ratio { a / b } else { a - k * b };
            // A division by zero is no number that a colour could show.
            if value.is_finite() { value as f32 } else { f32::NAN }
        };
        let pixels = Zip::from(&*self.a).and(&*self.b).map_collect(one);
        let mut sums = [0.0; 3];
        for v in pixels.iter().filter(|v| v.is_finite()).map(|v| f64::from(*v)) {
            sums = [sums[0] + 1.0, sums[1] + v, sums[2] + v * v];
        }
        let [n, sum, squares] = sums;
        let mean = sum / n;
        let mean_and_sigma = (n > 0.0).then(|| [mean, (squares / n - mean * mean).max(0.0).sqrt()]);
        Outcome { of: (self.of.clone(), operation), pixels: Arc::new(pixels), mean_and_sigma }
    }
}

/// True when both images have the same pixels: at the corners, the middles of the sides, and the centre.
fn same_grid(map: &PixelMap, size: [usize; 2]) -> bool {
    let at = |u: f64, c: usize| u * (size[c].saturating_sub(1)) as f64;
    [0.0, 0.5, 1.0].into_iter().all(|u| {
        [0.0, 0.5, 1.0].into_iter().all(|v| {
            let pixel = [at(u, 0), at(v, 1)];
            map.apply(pixel).is_some_and(|p| (p[0] - pixel[0]).hypot(p[1] - pixel[1]) < SAME_GRID)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_what_they_say_and_zero_divides_into_nothing() {
        let pair = Pair {
            of: Default::default(),
            a: Arc::new(Array2::from_shape_vec((1, 3), vec![6.0, 5.0, f32::NAN]).unwrap()),
            b: Arc::new(Array2::from_shape_vec((1, 3), vec![2.0, 0.0, 1.0]).unwrap()),
            regridded: false,
            units: ["Jy".into(), "Jy".into()],
            arcsec_per_pixel: None,
        };
        let values = |operation| pair.combine(operation, 2.0).pixels.iter().copied().collect::<Vec<_>>();
        assert_eq!(values(Operation::Difference)[..2], [4.0, 5.0]);
        assert_eq!(values(Operation::Scaled)[..2], [2.0, 5.0]);
        assert_eq!(values(Operation::Ratio)[0], 3.0);
        assert!(values(Operation::Ratio)[1].is_nan() && values(Operation::Difference)[2].is_nan());
        assert_eq!(pair.combine(Operation::Difference, 1.0).mean_and_sigma, Some([4.5, 0.5]));
        assert_eq!((pair.unit(Operation::Ratio), pair.unit(Operation::Scaled)), (String::new(), "Jy".into()));
    }
}
