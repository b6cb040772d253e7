//! The pixels of an image that a pixelated source is fitted to, and the rays that go through them.

use ndarray::{Array2, s};

use crate::numerics::convolution::Convolver;
use crate::studies::lens_models::{Deflector, LensModel, MOST_PARAMETERS};
use crate::studies::lens_reconstruction::{LensError, Observation};

/// Parameters of the lens that are optimised: `[einstein_radius, e1, e2, x, y, gamma1, gamma2]`. Slope and further masses keep their values.
pub const MOVED: usize = 7;

/// The parameters of a lens that are optimised.
pub(super) fn moved(lens: &LensModel) -> [f64; MOVED] {
    let all = lens.parameters();
    std::array::from_fn(|k| all[k])
}

/// The lens with other values of them.
pub(super) fn with_moved(lens: &LensModel, parameters: [f64; MOVED]) -> LensModel {
    let mut all = lens.parameters();
    all[..MOVED].copy_from_slice(&parameters);
    LensModel::from_parameters(lens.layout(), &all)
}

/// A lens ready to say where rays go and how that changes with the parameters that are optimised.
#[derive(Clone)]
pub(super) struct Bending(crate::studies::lens_models::PreparedLens);

impl Bending {
    pub(super) fn new(lens: &LensModel) -> Self {
        Self(lens.prepare())
    }

    /// Derivatives of the deflection, `[x, y]` each.
    #[inline]
    pub(super) fn gradient(&self, [x, y]: [f64; 2]) -> [[f64; 2]; MOVED] {
        let mut columns = [[[0.0; 1]; 2]; MOST_PARAMETERS];
        let columns = &mut columns[..self.0.parameters()];
        self.0.trace_with_gradient([&[x], &[y]], [&mut [0.0], &mut [0.0]], columns);
        std::array::from_fn(|k| columns[k].map(|axis| axis[0]))
    }
}

impl Deflector for Bending {
    #[inline(always)]
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        self.0.deflection(x, y)
    }

    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        self.0.hessian(x, y)
    }

    fn potential(&self, x: f64, y: f64) -> f64 {
        self.0.potential(x, y)
    }

    fn convergence(&self, x: f64, y: f64) -> f64 {
        self.0.convergence(x, y)
    }
}

/// Used pixels, and the box around them (grown by the PSF) in which light is computed before it is blurred.
pub(super) struct Field {
    /// Rows and columns of the box.
    pub(super) extent: [usize; 2],
    /// Half the PSF, `[rows, columns]`: how far the box reaches beyond the used pixels.
    pub(super) margin: [usize; 2],
    /// Places in the box whose light reaches a used pixel, ascending.
    pub(super) active: Vec<u32>,
    /// Used pixels: place in the box, and in the image.
    pub(super) used: Vec<(u32, usize)>,
    /// (Data - foreground) / noise of every used pixel.
    pub(super) target: Vec<f64>,
    /// 1 / noise.
    pub(super) weight: Vec<f64>,
    pub(super) convolver: Convolver,
    pub(super) psf: Array2<f64>,
    pub(super) shape: (usize, usize),
    /// Centre of the box's first pixel (arcsec).
    pub(super) origin: [f64; 2],
    pub(super) step: f64,
    /// Rays along the side of a pixel.
    pub(super) per_side: usize,
}

impl Field {
    /// `foreground`: what is not lensed (lens light and sky through the PSF), in the unit of the data.
    ///
    /// # Errors
    /// No pixel is used, or the foreground has another shape.
    pub(super) fn new(
        observation: &Observation,
        foreground: Option<&Array2<f64>>,
        per_side: usize,
    ) -> Result<Self, LensError> {
        let (rows, columns) = observation.mask.dim();
        if let Some(found) = foreground.map(Array2::dim).filter(|f| *f != (rows, columns)) {
            let what = "the lens light";
            return Err(LensError::Shape { what, found_rows: found.0, found_columns: found.1, rows, columns });
        }
        let places: Vec<(usize, usize)> =
            observation.mask.indexed_iter().filter(|(_, m)| **m).map(|(place, _)| place).collect();
        let range =
            |of: fn(&(usize, usize)) -> usize| Some((places.iter().map(of).min()?, places.iter().map(of).max()?));
        let (Some((bottom, top)), Some((left, right))) = (range(|p| p.0), range(|p| p.1)) else {
            return Err(LensError::TooFewPixels { used: 0, parameters: 1 });
        };
        let psf = observation.psf.clone();
        let margin = [psf.nrows() / 2, psf.ncols() / 2];
        let extent = [top - bottom + 1 + 2 * margin[0], right - left + 1 + 2 * margin[1]];
        let mut grown = Array2::from_elem((extent[0], extent[1]), false);
        for &(row, column) in &places {
            let (j, i) = (row - bottom, column - left);
            grown.slice_mut(s![j..=j + 2 * margin[0], i..=i + 2 * margin[1]]).fill(true);
        }
        let active = grown.iter().enumerate().filter(|(_, a)| **a).map(|(at, _)| at as u32).collect();
        let used = places
            .iter()
            .map(|&(row, column)| {
                let boxed = (row - bottom + margin[0]) * extent[1] + column - left + margin[1];
                (boxed as u32, row * columns + column)
            })
            .collect();
        let weight: Vec<f64> = places.iter().map(|&p| 1.0 / observation.noise[p]).collect();
        let behind = |p: (usize, usize)| foreground.map_or(0.0, |f| f[p]);
        let target = places.iter().zip(&weight).map(|(&p, w)| (observation.data[p] - behind(p)) * w).collect();
        let frame = observation.frame();
        Ok(Self {
            extent,
            margin,
            active,
            used,
            target,
            weight,
            convolver: Convolver::new(&psf, extent),
            psf,
            shape: (rows, columns),
            origin: [frame.x(left as f64 - margin[1] as f64), frame.y(bottom as f64 - margin[0] as f64)],
            step: observation.pixel_scale_arcsec,
            per_side,
        })
    }

    /// Number of cells of the box.
    pub(super) fn cells(&self) -> usize {
        self.extent[0] * self.extent[1]
    }

    /// Centre of a cell of the box (arcsec).
    pub(super) fn centre(&self, cell: u32) -> [f64; 2] {
        let (j, i) = (cell as usize / self.extent[1], cell as usize % self.extent[1]);
        [self.origin[0] + i as f64 * self.step, self.origin[1] + j as f64 * self.step]
    }

    /// Where the rays of a cell lie relative to its centre (arcsec).
    pub(super) fn offsets(&self) -> Vec<[f64; 2]> {
        let n = self.per_side;
        let along = |k: usize| ((k as f64 + 0.5) / n as f64 - 0.5) * self.step;
        (0..n * n).map(|k| [along(k % n), along(k / n)]).collect()
    }

    /// An image with one value a used pixel and NaN elsewhere.
    pub(super) fn image(&self, values: impl IntoIterator<Item = f64>) -> Array2<f64> {
        let mut out = Array2::from_elem(self.shape, f64::NAN);
        if let Some(flat) = out.as_slice_mut() {
            for ((_, place), value) in self.used.iter().zip(values) {
                flat[*place] = value;
            }
        }
        out
    }
}
