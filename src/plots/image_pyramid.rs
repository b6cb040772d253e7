//! Smaller and smaller copies of an image, so that a view zoomed out shows means of pixels, not every n-th pixel.

use std::sync::{Arc, OnceLock};

use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView2, ArrayViewMut1, Axis};

/// Levels end when neither side is longer than this.
const SMALLEST_SIDE: usize = 64;

/// Images up to this size are reduced at once (about 3 ms); larger ones in a thread of their own.
const AT_ONCE_PIXELS: usize = 1 << 21;

/// An image with its reduced copies: level 0 is the image, each further level has half its rows and columns, rounded up.
pub struct Pyramid {
    base: Arc<Array2<f32>>,
    /// Levels from 1 on; set once, by whoever makes them.
    reduced: Arc<OnceLock<Vec<Array2<f32>>>>,
    levels: usize,
}

impl Pyramid {
    /// The pyramid of an image `[y, x]`. A large image is reduced in the background; `when_done` is called then.
    #[must_use]
    pub fn new(base: Arc<Array2<f32>>, when_done: impl FnOnce() + Send + 'static) -> Self {
        let pyramid = Self { levels: level_count(base.dim()), base, reduced: Arc::default() };
        if pyramid.base.len() <= AT_ONCE_PIXELS || !pyramid.reduce_in_background(when_done) {
            pyramid.reduced.get_or_init(|| reductions(&pyramid.base.view()));
        }
        pyramid
    }

    /// False when the system gives no thread.
    fn reduce_in_background(&self, when_done: impl FnOnce() + Send + 'static) -> bool {
        let image = Arc::clone(&self.base);
        let reduced = Arc::clone(&self.reduced);
        std::thread::Builder::new()
            .name("image-pyramid".to_owned())
            .spawn(move || {
                reduced.get_or_init(|| reductions(&image.view()));
                when_done();
            })
            .is_ok()
    }

    /// True while reduced levels are still being made.
    #[must_use]
    pub fn is_building(&self) -> bool {
        self.reduced.get().is_none()
    }

    /// How many levels there are, the image itself included.
    #[must_use]
    pub fn level_count(&self) -> usize {
        self.levels
    }

    /// The image.
    #[must_use]
    pub fn base(&self) -> &Arc<Array2<f32>> {
        &self.base
    }

    /// Rows and columns of a level.
    #[must_use]
    pub fn level_dim(&self, level: usize) -> (usize, usize) {
        let (height, width) = self.base.dim();
        (height.div_ceil(1 << level), width.div_ceil(1 << level))
    }

    /// A level, or `None` while it is being made.
    #[must_use]
    pub fn level(&self, level: usize) -> Option<ArrayView2<'_, f32>> {
        match level.checked_sub(1) {
            None => Some(self.base.view()),
            Some(reduced) => self.reduced.get()?.get(reduced).map(|level| level.view()),
        }
    }
}

fn level_count((height, width): (usize, usize)) -> usize {
    let mut levels = 1;
    let mut side = height.max(width);
    while side > SMALLEST_SIDE {
        side = side.div_ceil(2);
        levels += 1;
    }
    levels
}

fn reductions(base: &ArrayView2<'_, f32>) -> Vec<Array2<f32>> {
    let mut levels: Vec<Array2<f32>> = Vec::new();
    for _ in 1..level_count(base.dim()) {
        let next = match levels.last() {
            Some(level) => halved(&level.view()),
            None => halved(base),
        };
        levels.push(next);
    }
    levels
}

/// Means of 2 x 2 pixels that are not NaN; NaN where all four are. At odd ends the mean is over what there is.
fn halved(image: &ArrayView2<'_, f32>) -> Array2<f32> {
    let (height, width) = image.dim();
    let mut half = Array2::zeros((height.div_ceil(2), width.div_ceil(2)));
    let fill = |(y, mut row): (usize, ArrayViewMut1<'_, f32>)| {
        let upper = image.row(2 * y);
        let lower = image.row((2 * y + 1).min(height - 1));
        match (upper.as_slice(), lower.as_slice(), row.as_slice_mut()) {
            (Some(a), Some(b), Some(out)) => {
                for ((out, a), b) in out.iter_mut().zip(a.chunks(2)).zip(b.chunks(2)) {
                    *out = mean([a[0], a[a.len() - 1], b[0], b[b.len() - 1]]);
                }
            }
            _ => {
                for (x, out) in row.iter_mut().enumerate() {
                    let right = (2 * x + 1).min(width - 1);
                    *out = mean([upper[2 * x], upper[right], lower[2 * x], lower[right]]);
                }
            }
        }
    };
    if image.len() > AT_ONCE_PIXELS {
        half.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(fill);
    } else {
        // Perhaps on the thread of the window, which must not wait for the pool: jobs fill it.
        half.axis_iter_mut(Axis(0)).enumerate().for_each(fill);
    }
    half
}

#[inline]
fn mean(values: [f32; 4]) -> f32 {
    let plain = 0.25 * (values[0] + values[1] + values[2] + values[3]);
    if plain.is_finite() {
        return plain;
    }
    // Missing values, infinities, or a sum beyond f32: the slow and careful way.
    let (mut sum, mut count) = (0.0f64, 0u32);
    for v in values {
        if !v.is_nan() {
            sum += f64::from(v);
            count += 1;
        }
    }
    if count == 0 { f32::NAN } else { (sum / f64::from(count)) as f32 }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn means_leave_out_missing_values() {
        let nan = f32::NAN;
        let image = array![[1.0, 3.0, nan, nan, 5.0], [5.0, 7.0, nan, nan, 7.0], [1.0, nan, 2.0, 4.0, 9.0],];
        let half = halved(&image.view());
        assert_eq!(half.dim(), (2, 3));
        assert_eq!(half[[0, 0]], 4.0);
        assert!(half[[0, 1]].is_nan());
        assert_eq!(half[[0, 2]], 6.0);
        assert_eq!(half[[1, 0]], 1.0);
        assert_eq!(half[[1, 1]], 3.0);
        assert_eq!(half[[1, 2]], 9.0);
        // The same through a view whose rows are not contiguous.
        let turned = image.t().to_owned();
        let strided = halved(&turned.t());
        assert_eq!(strided.dim(), half.dim());
        assert!(strided.iter().zip(&half).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())));
    }

    #[test]
    fn levels_shrink_to_a_stamp() {
        let image = Arc::new(Array2::from_elem((300, 5000), 2.0f32));
        let pyramid = Pyramid::new(image, || {});
        assert!(!pyramid.is_building());
        assert_eq!(pyramid.level_count(), 8);
        for level in 0..8 {
            let view = pyramid.level(level).unwrap();
            assert_eq!(view.dim(), pyramid.level_dim(level));
            assert!(view.iter().all(|v| *v == 2.0));
        }
        assert!(pyramid.level(8).is_none());
    }

    #[test]
    fn large_images_are_reduced_in_the_background() {
        let image = Arc::new(Array2::from_elem((4100, 4100), 1.5f32));
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let pyramid = Pyramid::new(image, move || sender.send(()).unwrap());
        receiver.recv().unwrap();
        assert!(!pyramid.is_building());
        let last = pyramid.level_count() - 1;
        assert_eq!(pyramid.level(last).unwrap()[[0, 0]], 1.5);
    }
}
