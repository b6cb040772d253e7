//! Numerical methods that know nothing of astronomy: no tasks, no studies, no files.
//!
//! - [`chains`]: whether a sampler has converged, and what its draws are worth.
//! - [`lbfgs`]: minima of smooth functions of many parameters.
//! - [`nuts`]: draws from a density with a gradient.
//! - [`levenberg_marquardt`]: least squares with bounds, from accumulated normal equations.
//! - [`convolution`]: an image with a small kernel, and its adjoint.
//! - [`graticule`]: lines of equal longitude and latitude over a map of a sphere.
//! - [`profile`]: values along a line of an image, and around a point.
//! - [`contour`]: level lines of a sampled function; area of a polygon.
//! - [`aperture`]: sums, means and medians of weighted values with errors.
//! - [`cut`]: a straight cut of some width through an image.
//! - [`moments`]: sums and moments of a line above its continuum.
//! - [`density`]: points counted in bins, histograms.
//! - [`fast_math`]: ln, exp and atan without branches, for loops that the compiler turns into vector code.
//! - [`linear`]: Cholesky solves and non-negative least squares for a few dozen unknowns.
//! - [`regrid`]: an image on the pixels of another; block means.
//! - [`special`]: gamma functions and what stands on them.
//! - [`statistics`]: the median.
//! - [`random`]: seeded streams, the same numbers on any number of threads.
//!
//! Long loops take a step callback that returns [`std::ops::ControlFlow`].

pub mod aperture;
pub mod chains;
pub mod contour;
pub mod convolution;
pub mod cut;
pub mod density;
pub mod fast_math;
pub mod graticule;
pub mod lbfgs;
pub mod levenberg_marquardt;
pub mod linear;
pub mod moments;
pub mod nuts;
pub mod profile;
pub mod random;
pub mod regrid;
mod shifted_sum;
pub mod special;
pub mod statistics;
pub(crate) mod vectors;
