//! The eight ways to turn and mirror a square. Physics does not mind them, a trained network does a little: what its answers differ by
//! when the image is turned is an error that no noise shows.

use ndarray::Array2;

use super::likelihood::PixelData;
use crate::numerics::convolution::Convolver;

/// One of the eight: mirror left and right, mirror up and down, exchange the axes, by the bits of the number, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symmetry(u8);

impl Symmetry {
    /// How many there are.
    pub const COUNT: usize = 8;

    /// Number `index`, counted round; 0 leaves all as it is.
    pub fn number(index: usize) -> Self {
        Self((index % Self::COUNT) as u8)
    }

    /// Where the pixel at `(y, x)` of the turned square of `n x n` comes from.
    fn origin(self, n: usize, y: usize, x: usize) -> usize {
        let x = if self.0 & 1 == 0 { x } else { n - 1 - x };
        let y = if self.0 & 2 == 0 { y } else { n - 1 - y };
        if self.0 & 4 == 0 { y * n + x } else { x * n + y }
    }

    /// A square map, row by row, turned.
    pub fn turn<T: Copy>(self, n: usize, map: &[T]) -> Vec<T> {
        (0..n * n).map(|p| map[self.origin(n, p / n, p % n)]).collect()
    }

    /// A turned map as it was before.
    pub fn turn_back<T: Copy>(self, n: usize, map: &[T]) -> Vec<T> {
        let mut out = map.to_vec();
        for (p, value) in map.iter().enumerate() {
            out[self.origin(n, p / n, p % n)] = *value;
        }
        out
    }

    /// Data turned, `n x n` pixels, with their PSF.
    pub fn turn_data(self, n: usize, data: &PixelData) -> PixelData {
        if self.0 == 0 {
            return data.clone();
        }
        let mut psf = data.psf.as_ref().clone();
        if self.0 & 4 != 0 {
            psf.swap_axes(0, 1);
        }
        if self.0 & 2 != 0 {
            psf.invert_axis(ndarray::Axis(0));
        }
        if self.0 & 1 != 0 {
            psf.invert_axis(ndarray::Axis(1));
        }
        let psf: Array2<f64> = psf.as_standard_layout().into_owned();
        PixelData {
            image: self.turn(n, &data.image),
            weight: self.turn(n, &data.weight),
            blur: Convolver::new(&psf, [n; 2]),
            psf: psf.into(),
            expected_chi2: data.expected_chi2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_reconstruction::rim::likelihood::{Grids, LensingModel, Workspace};

    #[test]
    fn the_eight_differ_and_are_undone() {
        let map: Vec<usize> = (0..25).collect();
        let turned: Vec<Vec<usize>> = (0..8).map(|k| Symmetry::number(k).turn(5, &map)).collect();
        for (k, one) in turned.iter().enumerate() {
            assert_eq!(Symmetry::number(k).turn_back(5, one), map);
            assert!(turned[..k].iter().all(|other| other != one));
        }
        assert_eq!(turned[0], map);
        assert_eq!(Symmetry::number(9), Symmetry::number(1));
    }

    /// Physics does not mind: the image of turned maps through the turned PSF is the turned image.
    #[test]
    fn the_forward_model_turns_with_its_maps() {
        let n = 32;
        let grids = Grids::of(n);
        let model = LensingModel::new(grids);
        let place = |p: usize| ((p % n) as f64 - 15.5, (p / n) as f64 - 15.5);
        let map = |f: &dyn Fn(f64, f64) -> f64| (0..n * n).map(|p| f(place(p).0, place(p).1)).collect::<Vec<f64>>();
        let convergence = map(&|x, y| (5.0 / (x * x + 1.4 * y * y + 0.3 * x * y + 2.0).sqrt()).log10());
        let source = map(&|x, y| (-((x - 2.0).powi(2) + 2.0 * (y - 1.0).powi(2)) / 18.0).exp());
        // Lopsided in every way.
        let psf = Array2::from_shape_fn((5, 5), |(j, i)| (1 + j * j + 3 * i) as f64);
        let psf = &psf / psf.sum();
        let data = PixelData::new(&grids, vec![0.0; n * n], &vec![0.1; n * n], &psf);
        let image = model.image(&source, &convergence, &data.blur, &mut Workspace::default());
        for k in 0..8 {
            let turned = Symmetry::number(k);
            let seen = model.image(
                &turned.turn(n, &source),
                &turned.turn(n, &convergence),
                &turned.turn_data(n, &data).blur,
                &mut Workspace::default(),
            );
            let expected = turned.turn(n, &image);
            let worst = seen.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-12, "{k} {worst}");
        }
        assert!(image.iter().copied().fold(0.0, f64::max) > 0.1);
    }
}
