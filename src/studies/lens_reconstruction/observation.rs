//! One image of a lens with everything that is needed to judge a model of it.

use ndarray::Array2;

use super::LensError;

/// An image, its errors, its point-spread function and the pixels to use. Arrays are `[y, x]`.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Surface brightness per pixel.
    pub data: Array2<f64>,
    /// Standard deviation of every pixel, in the same unit.
    pub noise: Array2<f64>,
    /// Point-spread function sampled at the image's pixels; its sum is 1; its centre is at `(rows / 2, columns / 2)`.
    pub psf: Array2<f64>,
    /// True where a pixel is used.
    pub mask: Array2<bool>,
    /// Size of a pixel in arcsec.
    pub pixel_scale_arcsec: f64,
    /// Sum of the PSF as it was given, before it was normalised. A sum well off 1 is worth telling the user.
    pub psf_sum_as_given: f64,
}

impl Observation {
    /// Checks the parts and normalises the PSF to a sum of 1.
    ///
    /// # Errors
    /// Arrays of different shapes, a PSF without a positive sum, used pixels that are not finite or have no error, a pixel scale that is not positive.
    pub fn new(
        data: Array2<f64>,
        noise: Array2<f64>,
        mut psf: Array2<f64>,
        mask: Array2<bool>,
        pixel_scale_arcsec: f64,
    ) -> Result<Self, LensError> {
        let (rows, columns) = data.dim();
        for (what, (found_rows, found_columns)) in [("the noise map", noise.dim()), ("the mask", mask.dim())] {
            if (found_rows, found_columns) != (rows, columns) {
                return Err(LensError::Shape { what, found_rows, found_columns, rows, columns });
            }
        }
        if !(pixel_scale_arcsec > 0.0 && pixel_scale_arcsec.is_finite()) {
            let problem = "expected a positive pixel scale in arcsec".into();
            return Err(LensError::Value { name: "pixel_scale_arcsec", value: pixel_scale_arcsec, problem });
        }
        let sum = psf.sum();
        if psf.is_empty() || psf.iter().any(|v| !v.is_finite()) {
            return Err(LensError::Psf("is empty or holds values that are not finite"));
        }
        if sum <= 0.0 {
            return Err(LensError::Psf("has no positive sum"));
        }
        psf /= sum;
        let used = |bad: &dyn Fn(f64, f64) -> bool| {
            data.iter().zip(&noise).zip(&mask).filter(|((d, n), m)| **m && bad(**d, **n)).count()
        };
        let count = used(&|d, _| !d.is_finite());
        if count > 0 {
            return Err(LensError::Pixels { count, problem: "no finite value" });
        }
        let count = used(&|_, n| !(n > 0.0 && n.is_finite()));
        if count > 0 {
            return Err(LensError::Pixels { count, problem: "no positive error" });
        }
        Ok(Self { data, noise, psf, mask, pixel_scale_arcsec, psf_sum_as_given: sum })
    }

    /// Leaves out pixels nearer than `inner` or farther than `outer` arcsec from `(x, y)` (arcsec from the image centre).
    #[must_use]
    pub fn with_annulus(mut self, [x, y]: [f64; 2], inner: f64, outer: f64) -> Self {
        let frame = self.frame();
        for ((j, i), used) in self.mask.indexed_iter_mut() {
            let radius = (frame.x(i as f64) - x).hypot(frame.y(j as f64) - y);
            *used &= radius >= inner && radius <= outer;
        }
        self
    }

    /// Number of used pixels.
    pub fn used_pixels(&self) -> usize {
        self.mask.iter().filter(|m| **m).count()
    }

    /// Where pixels lie on the sky.
    pub fn frame(&self) -> Frame {
        Frame::new(self.data.dim(), self.pixel_scale_arcsec)
    }
}

/// Sky coordinates of the pixels of an image: arcsec from its centre, which is at pixel `(n - 1) / 2`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    half_width: f64,
    half_height: f64,
    /// Size of a pixel in arcsec.
    pub pixel_scale_arcsec: f64,
}

impl Frame {
    /// Frame of an image with `(rows, columns)` pixels.
    pub fn new((rows, columns): (usize, usize), pixel_scale_arcsec: f64) -> Self {
        let half = |n: usize| 0.5 * (n as f64 - 1.0);
        Self { half_width: half(columns), half_height: half(rows), pixel_scale_arcsec }
    }

    /// Sky coordinate of a column (a whole number is a pixel's centre).
    pub fn x(&self, column: f64) -> f64 {
        (column - self.half_width) * self.pixel_scale_arcsec
    }

    /// Sky coordinate of a row.
    pub fn y(&self, row: f64) -> f64 {
        (row - self.half_height) * self.pixel_scale_arcsec
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts = (Array2<f64>, Array2<f64>, Array2<f64>, Array2<bool>);

    fn parts() -> Parts {
        (Array2::zeros((4, 6)), Array2::ones((4, 6)), Array2::from_elem((3, 3), 0.1), Array2::from_elem((4, 6), true))
    }

    #[test]
    fn the_psf_is_normalised_and_its_sum_kept() {
        let (data, noise, psf, mask) = parts();
        let observation = Observation::new(data, noise, psf, mask, 0.05).unwrap();
        assert!((observation.psf.sum() - 1.0).abs() < 1e-15);
        assert!((observation.psf_sum_as_given - 0.9).abs() < 1e-15);
        assert_eq!(observation.frame().x(0.0), -2.5 * 0.05);
        assert_eq!(observation.frame().y(3.0), 1.5 * 0.05);
        assert_eq!(observation.with_annulus([0.0, 0.0], 0.0, 0.06).used_pixels(), 4);
    }

    #[test]
    fn unusable_parts_are_named() {
        let build = |change: &dyn Fn(&mut Parts), scale: f64| {
            let mut parts = parts();
            change(&mut parts);
            Observation::new(parts.0, parts.1, parts.2, parts.3, scale).unwrap_err().to_string()
        };
        assert!(build(&|p| p.1 = Array2::ones((3, 6)), 0.05).contains("noise map has 3 x 6"));
        assert!(build(&|p| p.2.fill(0.0), 0.05).contains("PSF"));
        assert!(build(&|p| p.0[[1, 1]] = f64::NAN, 0.05).contains("1 used pixels have no finite value"));
        assert!(build(&|p| p.1[[1, 1]] = 0.0, 0.05).contains("no positive error"));
        assert!(build(&|_| (), 0.0).contains("pixel_scale_arcsec = 0"));
        let (mut data, noise, psf, mut mask) = parts();
        data[[0, 0]] = f64::NAN;
        mask[[0, 0]] = false;
        assert!(Observation::new(data, noise, psf, mask, 0.05).is_ok(), "pixels that are not used may be anything");
    }
}
