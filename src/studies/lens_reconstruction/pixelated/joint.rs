//! Source and convergence in pixels together: half the chi-squared with both priors, and its gradient, all by hand.
//!
//! The convergence is `kappa exp(u)`, with the parametric `kappa` and the unknowns `u` in the cells of the box around the used pixels.
//! One evaluation is one pass down the chain (deflection of `kappa (exp(u) - 1)`, rays, source, PSF, residuals) and one back up it.

use super::field::{Bending, Field};
use super::grid::SourceGrid;
use super::mass::cell_convergence;
use super::prior::Prior;
use super::response::Traced;
use crate::numerics::convolution::Scratch;
use crate::numerics::fast_math::exp;
use crate::studies::lens_models::{DeflectionScratch, PixelDeflection};

/// A ray's place among the cells: its four nearest centres and their weights.
type Near = [(isize, f64); 4];

/// The problem, with memory that is kept between evaluations.
pub struct JointModel {
    pub(super) field: Field,
    pub(super) grid: SourceGrid,
    pub(super) deflector: PixelDeflection,
    source_prior: Prior,
    source_strength: f64,
    /// What the source's prior is centred on.
    source_mean: Vec<f64>,
    mass_prior: Prior,
    mass_strength: f64,
    /// Parametric convergence of every cell.
    pub(super) convergence: Vec<f64>,
    /// Source positions of the rays with the parametric lens alone, `[active pixel, ray]`.
    parametric: Traced,
    /// Where the rays of a cell lie between the centres; empty where each is at its cell's own.
    near: Vec<Near>,
    positivity: Option<f64>,
    memory: Memory,
}

#[derive(Default)]
struct Memory {
    source: Vec<f64>,
    source_slope: Vec<f64>,
    excess: Vec<f64>,
    deflection: [Vec<f64>; 2],
    by_deflection: [Vec<f64>; 2],
    positions: Vec<[f64; 2]>,
    slopes: Vec<[f64; 2]>,
    plane: Vec<f64>,
    image: Vec<f64>,
    smooth: Vec<f64>,
    blur: Scratch,
    bend: DeflectionScratch,
}

/// The parts of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parts {
    /// Chi-squared in the used pixels.
    pub chi2: f64,
    /// `strength s^T H s` of the source, from what its prior is centred on.
    pub source: f64,
    /// `strength u^T H u` of the convergence.
    pub mass: f64,
}

impl Parts {
    /// Minus the logarithm of the posterior, up to a constant.
    pub fn value(&self) -> f64 {
        0.5 * (self.chi2 + self.source + self.mass)
    }
}

impl JointModel {
    /// `positivity`: width (unit of the data) of the soft floor at zero, for a source that may not be negative.
    pub(super) fn new(
        field: Field,
        grid: SourceGrid,
        lens: &Bending,
        (source_prior, source_strength, source_mean): (Prior, f64, Vec<f64>),
        (mass_prior, mass_strength): (Prior, f64),
        positivity: Option<f64>,
    ) -> Self {
        let parametric = Traced::new(&field, lens);
        let convergence = cell_convergence(&field, lens);
        let columns = field.extent[1] as isize;
        let near = if field.per_side == 1 { Vec::new() } else { nearest(&field, columns) };
        Self {
            deflector: PixelDeflection::new(field.extent, field.step),
            field,
            grid,
            source_prior,
            source_strength,
            source_mean,
            mass_prior,
            mass_strength,
            convergence,
            parametric,
            near,
            positivity,
            memory: Memory::default(),
        }
    }

    /// Strength of the source's prior.
    pub(super) fn source_strength(&self) -> f64 {
        self.source_strength
    }

    /// What that prior is centred on, row by row.
    pub(super) fn source_mean(&self) -> &[f64] {
        &self.source_mean
    }

    /// Changes the strength.
    pub(super) fn set_source_strength(&mut self, strength: f64) {
        self.source_strength = strength;
    }

    /// Number of source pixels; they come first among the unknowns.
    pub fn sources(&self) -> usize {
        self.grid.len()
    }

    /// Number of unknowns: source pixels, then `u` in every cell of the box.
    pub fn unknowns(&self) -> usize {
        self.grid.len() + self.field.cells()
    }

    /// The source that the unknowns stand for.
    pub(super) fn source_of(&self, x: &[f64]) -> Vec<f64> {
        x[..self.sources()].iter().map(|v| self.positivity.map_or(*v, |width| soft(*v, width).0)).collect()
    }

    /// The unknowns of a source, where it may not be negative those of the nearest one.
    pub(super) fn unknowns_of(&self, source: &[f64]) -> Vec<f64> {
        let inverse = |value: f64, width: f64| {
            let ratio = (value / width).max(1e-2);
            // The inverse of ln(1 + e^t), safe where e^t overflows.
            width * (ratio + (-(-ratio).exp_m1()).ln())
        };
        let mut x: Vec<f64> = source.iter().map(|v| self.positivity.map_or(*v, |width| inverse(*v, width))).collect();
        x.resize(self.unknowns(), 0.0);
        x
    }

    /// Excess of the convergence over the parametric one in every cell.
    pub(super) fn excess_of(&self, x: &[f64]) -> Vec<f64> {
        x[self.sources()..].iter().zip(&self.convergence).map(|(u, kappa)| kappa * u.exp_m1()).collect()
    }

    /// Lensed source through the PSF in the used pixels, over the noise, of the last evaluation.
    pub(super) fn last_image(&self) -> impl Iterator<Item = f64> + '_ {
        self.field.used.iter().zip(&self.field.weight).map(|((cell, _), w)| self.memory.image[*cell as usize] * w)
    }

    /// Source positions of all rays of the last evaluation.
    pub(super) fn last_positions(&self) -> Traced {
        Traced { positions: self.memory.positions.clone(), rays: self.parametric.rays }
    }

    /// The value at `x` and its gradient.
    pub fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Parts {
        self.forward(x);
        let parts = self.residuals();
        self.backward(x, gradient);
        self.add_priors(x, gradient, parts)
    }

    /// From the unknowns to the blurred image.
    fn forward(&mut self, x: &[f64]) {
        let n = self.sources();
        let cells = self.field.cells();
        let Memory { source, source_slope, excess, deflection, positions, slopes, plane, image, blur, bend, .. } =
            &mut self.memory;
        source.clear();
        source_slope.clear();
        if let Some(width) = self.positivity {
            for value in &x[..n] {
                let (value, slope) = soft(*value, width);
                source.push(value);
                source_slope.push(slope);
            }
        } else {
            source.extend_from_slice(&x[..n]);
        }
        excess.resize(cells, 0.0);
        let (unknowns, convergence, excess) = (&x[n..n + cells], &self.convergence[..cells], &mut excess[..cells]);
        for i in 0..cells {
            excess[i] = convergence[i] * (exp(unknowns[i]) - 1.0);
        }
        let [ax, ay] = deflection;
        ax.resize(cells, 0.0);
        ay.resize(cells, 0.0);
        self.deflector.apply(excess, [ax, ay], bend);
        let rays = self.parametric.rays;
        positions.resize(self.parametric.positions.len(), [0.0; 2]);
        slopes.resize(positions.len(), [0.0; 2]);
        plane.clear();
        plane.resize(cells, 0.0);
        image.resize(cells, 0.0);
        let share = 1.0 / rays as f64;
        for (k, cell) in self.field.active.iter().enumerate() {
            let cell = *cell as usize;
            let inner = is_inner(cell, self.field.extent);
            let mut sum = 0.0;
            for ray in 0..rays {
                let [bx, by] = self.parametric.positions[k * rays + ray];
                let [dx, dy] = match if inner { self.near.get(ray) } else { None } {
                    None => [ax[cell], ay[cell]],
                    Some(near) => {
                        let mut sum = [0.0; 2];
                        for (off, weight) in near {
                            let at = cell.wrapping_add_signed(*off);
                            sum = [sum[0] + weight * ax[at], sum[1] + weight * ay[at]];
                        }
                        sum
                    }
                };
                let position = [bx - dx, by - dy];
                let (value, slope) = self.grid.value_and_slope(source, position[0], position[1]);
                positions[k * rays + ray] = position;
                slopes[k * rays + ray] = slope;
                sum += value;
            }
            plane[cell] = share * sum;
        }
        self.field.convolver.apply(plane, image, blur);
    }

    /// Chi-squared; leaves the blurred image's derivative in `plane`.
    fn residuals(&mut self) -> Parts {
        let Memory { plane, image, .. } = &mut self.memory;
        let mut chi2 = 0.0;
        plane.fill(0.0);
        for (((cell, _), weight), target) in self.field.used.iter().zip(&self.field.weight).zip(&self.field.target) {
            let residual = image[*cell as usize] * weight - target;
            chi2 += residual * residual;
            plane[*cell as usize] = residual * weight;
        }
        Parts { chi2, ..Parts::default() }
    }

    /// From the derivative by the image, in `plane`, to that by the unknowns.
    fn backward(&mut self, x: &[f64], gradient: &mut [f64]) {
        let n = self.sources();
        let cells = self.field.cells();
        let Memory { source_slope, excess, by_deflection, positions, slopes, plane, smooth, blur, bend, .. } =
            &mut self.memory;
        smooth.resize(cells, 0.0);
        self.field.convolver.apply_adjoint(plane, smooth, blur);
        let [gx, gy] = by_deflection;
        for g in [&mut *gx, &mut *gy] {
            g.clear();
            g.resize(cells, 0.0);
        }
        let (by_source, by_mass) = gradient.split_at_mut(n);
        by_source.fill(0.0);
        let rays = self.parametric.rays;
        let share = 1.0 / rays as f64;
        for (k, cell) in self.field.active.iter().enumerate() {
            let cell = *cell as usize;
            let factor = share * smooth[cell];
            let inner = is_inner(cell, self.field.extent);
            for ray in 0..rays {
                let [bx, by] = positions[k * rays + ray];
                self.grid.scatter(by_source, bx, by, factor);
                // The source moves against the deflection.
                let [sx, sy] = slopes[k * rays + ray];
                let (sx, sy) = (-factor * sx, -factor * sy);
                match if inner { self.near.get(ray) } else { None } {
                    None => {
                        gx[cell] += sx;
                        gy[cell] += sy;
                    }
                    Some(near) => {
                        for (off, weight) in near {
                            let at = cell.wrapping_add_signed(*off);
                            gx[at] += weight * sx;
                            gy[at] += weight * sy;
                        }
                    }
                }
            }
        }
        self.deflector.apply_adjoint([gx, gy], by_mass, bend);
        for ((g, e), kappa) in by_mass.iter_mut().zip(excess.iter()).zip(&self.convergence) {
            // kappa exp(u) = kappa + excess.
            *g *= kappa + e;
        }
        debug_assert_eq!(x.len(), gradient.len());
        for (g, slope) in gradient.iter_mut().zip(source_slope.iter()) {
            *g *= slope;
        }
    }

    fn add_priors(&mut self, x: &[f64], gradient: &mut [f64], mut parts: Parts) -> Parts {
        let n = self.sources();
        let Memory { source, source_slope, smooth, .. } = &mut self.memory;
        smooth.resize(n.max(self.field.cells()), 0.0);
        source.iter_mut().zip(&self.source_mean).for_each(|(value, mean)| *value -= mean);
        let product = &mut smooth[..n];
        self.source_prior.apply(source, product);
        for (k, (value, p)) in source.iter().zip(product.iter()).enumerate() {
            parts.source += self.source_strength * value * p;
            gradient[k] += self.source_strength * p * source_slope.get(k).copied().unwrap_or(1.0);
        }
        let product = &mut smooth[..x.len() - n];
        self.mass_prior.apply(&x[n..], product);
        for ((g, u), p) in gradient[n..].iter_mut().zip(&x[n..]).zip(product.iter()) {
            parts.mass += self.mass_strength * u * p;
            *g += self.mass_strength * p;
        }
        parts
    }
}

/// A smooth floor at zero, `width ln(1 + exp(t / width))`, and its slope.
fn soft(t: f64, width: f64) -> (f64, f64) {
    let ratio = t / width;
    let small = (-ratio.abs()).exp();
    let value = width * (ratio.max(0.0) + small.ln_1p());
    (value, if ratio > 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) })
}

/// Whether a cell has neighbours on all sides: rays of those that have not get the deflection at their cell's centre.
#[inline(always)]
fn is_inner(cell: usize, [rows, columns]: [usize; 2]) -> bool {
    let (j, i) = (cell / columns, cell % columns);
    i > 0 && j > 0 && i + 1 < columns && j + 1 < rows
}

/// For every ray of a cell: offsets to the four centres around it, with bilinear weights.
fn nearest(field: &Field, columns: isize) -> Vec<Near> {
    field
        .offsets()
        .into_iter()
        .map(|[dx, dy]| {
            let (fx, fy) = ((dx / field.step).abs(), (dy / field.step).abs());
            let (right, up) = (if dx < 0.0 { -1 } else { 1 }, if dy < 0.0 { -columns } else { columns });
            [(0, (1.0 - fx) * (1.0 - fy)), (right, fx * (1.0 - fy)), (up, (1.0 - fx) * fy), (right + up, fx * fy)]
        })
        .collect()
}
