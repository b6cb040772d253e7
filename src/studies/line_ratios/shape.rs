//! The shape of one emission line on a sampled axis: value, slope by centre, slope by broadening.
//!
//! Every profile has flux 1: multiply it by a flux in (data unit) x (axis unit). An amplitude is
//! [`LineShape::peak`] times the flux. The axis is in any unit (cm-1, Angstrom), and so are widths and centres.

mod fourier;

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use crate::numerics::fast_math;
use fourier::{Outputs, SincGauss};

/// How the instrument spreads a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LineShape {
    /// A Fourier-transform spectrometer without apodisation: sin(pi x / w) / (pi x / w), here its width w
    /// ([`FourierAxis::sinc_width`](super::axis::FourierAxis::sinc_width)).
    Sinc {
        /// Width w in units of the axis.
        width: f64,
    },
    /// A grating: a Gaussian whose standard deviation is a polynomial c0 + c1 x + c2 x^2 of the place on the axis.
    Gaussian {
        /// Coefficients, in units of the axis.
        sigma: [f64; 3],
    },
}

impl LineShape {
    /// A grating of one width (standard deviation) all over.
    pub fn gaussian(sigma: f64) -> Self {
        Self::Gaussian { sigma: [sigma, 0.0, 0.0] }
    }

    /// Largest value of a line of flux 1 at `centre` that is broadened by a Gaussian of standard deviation `sigma`.
    pub fn peak(&self, centre: f64, sigma: f64) -> f64 {
        match *self {
            Self::Sinc { width } => SincGauss::new(width, sigma).peak(),
            Self::Gaussian { sigma: instrument } => {
                1.0 / (SQRT_TAU * sigma.hypot(polynomial(&instrument, centre)).max(f64::MIN_POSITIVE))
            }
        }
    }

    /// Full width at half maximum that the instrument gives an unresolved line at `centre`.
    pub fn instrumental_fwhm(&self, centre: f64) -> f64 {
        match *self {
            Self::Sinc { width } => super::axis::SINC_FWHM * width,
            Self::Gaussian { sigma } => FWHM_OF_SIGMA * polynomial(&sigma, centre),
        }
    }
}

/// Full width at half maximum of a Gaussian of standard deviation 1.
pub const FWHM_OF_SIGMA: f64 = 2.354_820_045_030_949_3;
const SQRT_TAU: f64 = 2.506_628_274_631_000_7;
/// A Gaussian is taken as zero farther out than this many standard deviations: 3e-16 of its peak.
const GAUSSIAN_REACH: f64 = 8.5;

fn polynomial(c: &[f64; 3], x: f64) -> f64 {
    c[0] + x * (c[1] + x * c[2])
}

/// A line shape on the samples of one axis; built once, then used for every line of every spectrum.
#[derive(Debug, Clone)]
pub struct Sampler {
    axis: Vec<f64>,
    shape: LineShape,
    /// cos and sin of pi (x - x of the first sample) / w; empty for a Gaussian.
    cosines: Vec<f64>,
    sines: Vec<f64>,
    arch: Arch,
}

impl Sampler {
    /// For samples at `axis`, which increases.
    pub fn new(axis: Vec<f64>, shape: LineShape) -> Self {
        let (cosines, sines) = match shape {
            LineShape::Sinc { width } => {
                let phase = |x: &f64| std::f64::consts::PI * (x - axis[0]) / width;
                (axis.iter().map(|x| phase(x).cos()).collect(), axis.iter().map(|x| phase(x).sin()).collect())
            }
            LineShape::Gaussian { .. } => (Vec::new(), Vec::new()),
        };
        Self { axis, shape, cosines, sines, arch: Arch::new() }
    }

    /// Where the samples lie.
    pub fn axis(&self) -> &[f64] {
        &self.axis
    }

    /// The shape.
    pub fn shape(&self) -> LineShape {
        self.shape
    }

    /// A line of flux 1 at `centre`, broadened by a Gaussian of standard deviation `sigma` >= 0, on the samples of
    /// `window`; `value` has the length of the window.
    pub fn profile(&self, centre: f64, sigma: f64, window: Range<usize>, value: &mut [f64]) {
        let mut unused = [];
        self.fill(centre, sigma, window, Outputs { value, by_centre: &mut unused, by_sigma: &mut [] });
    }

    /// [`Self::profile`] with its derivatives by the centre and by the broadening.
    pub fn profile_and_slopes(
        &self,
        centre: f64,
        sigma: f64,
        window: Range<usize>,
        value: &mut [f64],
        by_centre: &mut [f64],
        by_sigma: &mut [f64],
    ) {
        self.fill(centre, sigma, window, Outputs { value, by_centre, by_sigma });
    }

    fn fill(&self, centre: f64, sigma: f64, window: Range<usize>, out: Outputs<'_>) {
        match self.shape {
            LineShape::Sinc { width } => {
                let phase = std::f64::consts::PI * (centre - self.axis[0]) / width;
                let line = SincGauss::new(width, sigma);
                let samples = fourier::Samples {
                    x: &self.axis[window.clone()],
                    cosines: &self.cosines[window.clone()],
                    sines: &self.sines[window],
                };
                line.fill(self.arch, samples, centre, (phase.cos(), phase.sin()), out);
            }
            LineShape::Gaussian { sigma: instrument } => {
                gaussian(self.arch, &self.axis[window], centre, sigma, polynomial(&instrument, centre), out);
            }
        }
    }
}

/// A Gaussian line of flux 1: the widths add in squares.
fn gaussian(arch: Arch, x: &[f64], centre: f64, sigma: f64, instrument: f64, out: Outputs<'_>) {
    let total = sigma.hypot(instrument).max(f64::MIN_POSITIVE);
    let Outputs { value, by_centre, by_sigma } = out;
    let slopes = !by_centre.is_empty();
    value.fill(0.0);
    by_centre.fill(0.0);
    by_sigma.fill(0.0);
    let from = x.partition_point(|x| *x < centre - GAUSSIAN_REACH * total);
    let to = x.partition_point(|x| *x <= centre + GAUSSIAN_REACH * total);
    let (peak, inverse) = (1.0 / (SQRT_TAU * total), 1.0 / total);
    // d total / d sigma = sigma / total.
    let chain = sigma * inverse * inverse;
    let window = from..to;
    let (by_centre, by_sigma) =
        if slopes { (&mut by_centre[window.clone()], &mut by_sigma[window.clone()]) } else { (by_centre, by_sigma) };
    let out = Outputs { value: &mut value[window.clone()], by_centre, by_sigma };
    arch.dispatch(Gaussian { x: &x[window], centre, peak, inverse, chain, out });
}

/// The part of a Gaussian that is not zero, as the code that `Arch::dispatch` compiles for each processor.
struct Gaussian<'a> {
    x: &'a [f64],
    centre: f64,
    peak: f64,
    inverse: f64,
    chain: f64,
    out: Outputs<'a>,
}

impl WithSimd for Gaussian<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { x, centre, peak, inverse, chain, out } = self;
        for (value, x) in out.value.iter_mut().zip(x) {
            let u = (x - centre) * inverse;
            *value = peak * fast_math::exp(-0.5 * u * u);
        }
        // Empty when no slopes are asked for.
        let slopes = out.by_centre.iter_mut().zip(out.by_sigma);
        for ((by_centre, by_sigma), (value, x)) in slopes.zip(out.value.iter().zip(x)) {
            let u = (x - centre) * inverse;
            *by_centre = value * u * inverse;
            *by_sigma = value * (u * u - 1.0) * chain;
        }
    }
}

#[cfg(test)]
mod tests;
