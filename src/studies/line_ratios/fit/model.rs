//! What is fitted: lines with one velocity and one broadening, each with its flux, on a smooth continuum.

use pulp::Arch;

use super::FitError;
use super::normal::{Factor, MOST, Square, products, projections};
use super::scan::Scan;
use crate::studies::line_ratios::frame::{Coordinate, Frame};
use crate::studies::line_ratios::lines::{LIGHT_SPEED_KM_S, Line, NITROGEN_DOUBLET, OXYGEN_DOUBLET};
use crate::studies::line_ratios::shape::{LineShape, Sampler};

/// Most lines of a model.
pub const MOST_LINES: usize = Line::ALL.len();
/// Highest order of the continuum.
pub const HIGHEST_ORDER: usize = 3;
/// Broadenings below this (km/s) are not told from zero; it keeps the slope by sigma^2 a number.
pub(super) const LEAST_BROADENING: f64 = 0.1;

/// What to fit.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSettings {
    /// Lines; those outside the axis are left out.
    pub lines: Vec<Line>,
    /// [NII] 6583 / 6548 = 2.96 and [OIII] 5007 / 4959 = 2.98 instead of free fluxes.
    pub tie_doublets: bool,
    /// Order of the polynomial of the continuum, at most [`HIGHEST_ORDER`].
    pub continuum_order: usize,
    /// Stellar H alpha and H beta absorption as one broad Gaussian a line of this dispersion, km/s, at the velocity of
    /// the gas, of free depth.
    pub absorption_km_s: Option<f64>,
    /// Velocities searched, km/s.
    pub velocity_range: (f64, f64),
    /// Largest broadening, km/s.
    pub broadening_max: f64,
    /// Data are a flux density per Angstrom on a wavenumber axis: fluxes are then those per Angstrom integrated, through
    /// 1e8 / sigma^2 at the line.
    pub per_angstrom: bool,
}

/// One line in the model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// `None` for stellar absorption.
    pub line: Option<Line>,
    /// Place at velocity zero.
    pub origin: f64,
    /// Column of its flux.
    pub column: usize,
    /// Its flux, in data units, over that of the column.
    pub ratio: f64,
    /// A dispersion of its own, km/s, instead of the shared one.
    pub dispersion: Option<f64>,
}

/// A model on one axis: built once, used for every spectrum on that axis, from any thread.
#[derive(Debug, Clone)]
pub struct LineModel {
    pub(super) sampler: Sampler,
    pub(super) frame: Frame,
    pub(super) settings: ModelSettings,
    pub(super) entries: Vec<Entry>,
    /// Columns of fluxes (emission, then absorption).
    pub(super) flux_columns: usize,
    /// Continuum: Legendre polynomials, one after another.
    pub(super) continuum: Vec<f64>,
    pub(super) scan: Scan,
    pub(super) arch: Arch,
}

/// Room for one spectrum; one a thread.
#[derive(Debug, Clone)]
pub struct Scratch {
    /// Profiles and slopes of every line, `[line][value, by centre, by sigma][sample]`.
    pub(super) shapes: Vec<f64>,
    /// Whitened columns: fluxes, continuum, velocity, variance; then the residual.
    pub(super) columns: Vec<f64>,
    /// Whitened data.
    pub(super) y: Vec<f64>,
    /// Square roots of the weights.
    pub(super) root: Vec<f64>,
    pub(super) residual: Vec<f64>,
    /// Gains of the scan.
    pub(super) gains: Vec<f64>,
}

/// The linear part solved at one velocity and broadening.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    pub gram: Square,
    pub factor: Factor,
    pub coefficients: [f64; MOST],
    /// b^T G^-1 b: by how much the model lowers chi2.
    pub gain: f64,
}

impl LineModel {
    /// The model of `settings` on the samples of `sampler`.
    ///
    /// # Errors
    /// No line lies on the axis, or there are fewer samples than parameters.
    pub fn new(sampler: Sampler, frame: Frame, settings: ModelSettings) -> Result<Self, FitError> {
        let order = settings.continuum_order.min(HIGHEST_ORDER);
        let mut model = Self {
            frame,
            entries: Vec::new(),
            flux_columns: 0,
            continuum: legendre(sampler.axis(), order),
            scan: Scan::default(),
            arch: Arch::new(),
            settings: ModelSettings { continuum_order: order, ..settings },
            sampler,
        };
        model.place_lines();
        if model.entries.is_empty() {
            return Err(model.no_line());
        }
        model.place_absorption();
        let (samples, parameters) = (model.samples(), model.linear() + 2);
        if samples <= parameters {
            return Err(FitError::TooFewSamples { samples, parameters });
        }
        model.scan = Scan::new(&model);
        Ok(model)
    }

    /// Samples of the axis.
    pub fn samples(&self) -> usize {
        self.sampler.axis().len()
    }

    /// The axis, the shape, the frame.
    pub fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// The frame of its velocities.
    pub fn frame(&self) -> Frame {
        self.frame
    }

    /// Settings as used.
    pub fn settings(&self) -> &ModelSettings {
        &self.settings
    }

    /// The lines that lie on the axis.
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        self.entries.iter().filter_map(|entry| entry.line)
    }

    /// Room for one spectrum.
    pub fn scratch(&self) -> Scratch {
        let n = self.samples();
        Scratch {
            shapes: vec![0.0; 3 * n * self.entries.len()],
            columns: vec![0.0; n * (self.linear() + 2)],
            y: vec![0.0; n],
            root: vec![0.0; n],
            residual: vec![0.0; n],
            gains: vec![0.0; self.scan.velocities.len()],
        }
    }

    /// Linear columns: fluxes and continuum.
    pub(super) fn linear(&self) -> usize {
        self.flux_columns + self.settings.continuum_order + 1
    }

    /// Flux in physical units of one data unit times axis unit in a line that lies at `x`.
    pub(super) fn flux_unit(&self, x: f64) -> f64 {
        if self.settings.per_angstrom { angstrom_per_unit(&self.frame, x) } else { 1.0 }
    }

    fn on_axis(&self, origin: f64) -> bool {
        let axis = self.sampler.axis();
        axis.first().is_some_and(|first| *first <= origin) && axis.last().is_some_and(|last| origin <= *last)
    }

    fn place_lines(&mut self) {
        let mut wanted = self.settings.lines.clone();
        wanted.sort();
        wanted.dedup();
        wanted.retain(|line| self.on_axis(self.frame.origin(*line)));
        for line in &wanted {
            let origin = self.frame.origin(*line);
            let strong = if self.settings.tie_doublets { tied_to(*line) } else { None };
            let strong = strong.filter(|(strong, _)| wanted.contains(strong));
            let (column, ratio) = match strong {
                Some((strong, ratio)) => {
                    let there = self.frame.origin(strong);
                    // The weak line comes first: its column is made for both, and the strong one finds it.
                    (self.flux_columns, self.flux_unit(there) / (ratio * self.flux_unit(origin)))
                }
                None => (self.column_of_strong(*line).unwrap_or(self.flux_columns), 1.0),
            };
            self.flux_columns = self.flux_columns.max(column + 1);
            self.entries.push(Entry { line: Some(*line), origin, column, ratio, dispersion: None });
        }
    }

    /// The column that a weak line of the same doublet has opened.
    fn column_of_strong(&self, line: Line) -> Option<usize> {
        let weak = |entry: &&Entry| entry.line.and_then(tied_to).is_some_and(|(strong, _)| strong == line);
        self.entries.iter().find(weak).filter(|_| self.settings.tie_doublets).map(|entry| entry.column)
    }

    fn place_absorption(&mut self) {
        let Some(dispersion) = self.settings.absorption_km_s else { return };
        let balmer: Vec<f64> = self
            .entries
            .iter()
            .filter(|entry| matches!(entry.line, Some(Line::Halpha | Line::Hbeta)))
            .map(|entry| entry.origin)
            .collect();
        for origin in balmer {
            let column = self.flux_columns;
            self.flux_columns += 1;
            self.entries.push(Entry { line: None, origin, column, ratio: 1.0, dispersion: Some(dispersion) });
        }
    }

    fn no_line(&self) -> FitError {
        let axis = self.sampler.axis();
        FitError::NoLine {
            lines: self.settings.lines.iter().map(|line| line.name()).collect::<Vec<_>>().join(", "),
            first_nm: self.frame.vacuum_nm(axis.first().copied().unwrap_or(f64::NAN)),
            last_nm: self.frame.vacuum_nm(axis.last().copied().unwrap_or(f64::NAN)),
            redshift: self.frame.redshift,
        }
    }

    /// Dispersion of a line on the axis and its derivative by the dispersion in km/s.
    fn width(entry: &Entry, x: f64, broadening: f64) -> (f64, f64) {
        let scale = x / LIGHT_SPEED_KM_S;
        match entry.dispersion {
            Some(own) => (own * scale, 0.0),
            None => (broadening * scale, scale),
        }
    }

    /// Fills the profiles (and slopes) and the whitened linear columns.
    pub(super) fn evaluate(&self, velocity: f64, broadening: f64, slopes: bool, scratch: &mut Scratch) {
        let n = self.samples();
        let Scratch { shapes, columns, root, .. } = scratch;
        columns[..n * self.flux_columns].fill(0.0);
        for (entry, shape) in self.entries.iter().zip(shapes.chunks_exact_mut(3 * n)) {
            let (value, rest) = shape.split_at_mut(n);
            let (by_centre, by_sigma) = rest.split_at_mut(n);
            let (x, _) = self.frame.shifted(entry.origin, velocity);
            let (sigma, _) = Self::width(entry, x, broadening);
            if slopes {
                self.sampler.profile_and_slopes(x, sigma, 0..n, value, by_centre, by_sigma);
            } else {
                self.sampler.profile(x, sigma, 0..n, value);
            }
            let column = &mut columns[entry.column * n..(entry.column + 1) * n];
            for ((column, value), root) in column.iter_mut().zip(value).zip(root.iter()) {
                *column += entry.ratio * *value * root;
            }
        }
    }

    /// The columns of velocity and of broadening squared, at these coefficients; after [`Self::evaluate`] with slopes.
    pub(super) fn kinematic_columns(
        &self,
        velocity: f64,
        broadening: f64,
        coefficients: &[f64; MOST],
        scratch: &mut Scratch,
    ) {
        let (n, linear) = (self.samples(), self.linear());
        let Scratch { shapes, columns, root, .. } = scratch;
        let (by_velocity, rest) = columns[linear * n..].split_at_mut(n);
        let by_variance = &mut rest[..n];
        by_velocity.fill(0.0);
        by_variance.fill(0.0);
        for (entry, shape) in self.entries.iter().zip(shapes.chunks_exact(3 * n)) {
            let (x, x_slope) = self.frame.shifted(entry.origin, velocity);
            let (sigma, sigma_slope) = Self::width(entry, x, broadening);
            let flux = entry.ratio * coefficients[entry.column];
            // The width on the axis moves with the line, in proportion.
            let (centre, width) = (flux * x_slope, flux * x_slope * sigma / x);
            let variance = flux * sigma_slope / (2.0 * broadening);
            let (by_centre, by_sigma) = (&shape[n..2 * n], &shape[2 * n..]);
            let out = by_velocity.iter_mut().zip(by_variance.iter_mut()).zip(root.iter());
            for (((v, s), root), (by_centre, by_sigma)) in out.zip(by_centre.iter().zip(by_sigma)) {
                *v += root * (centre * by_centre + width * by_sigma);
                *s += root * variance * by_sigma;
            }
        }
    }

    /// Whitens a spectrum into `scratch`: weights are 1 / variance, 0 for a sample that does not count.
    /// Returns how many count.
    pub(super) fn whiten(&self, data: &[f64], weights: &[f64], scratch: &mut Scratch) -> usize {
        let n = self.samples();
        let mut used = 0;
        for (((root, y), data), weight) in scratch.root.iter_mut().zip(&mut scratch.y).zip(data).zip(weights) {
            let good = *weight > 0.0 && weight.is_finite() && data.is_finite();
            *root = if good { weight.sqrt() } else { 0.0 };
            *y = if good { data * *root } else { 0.0 };
            used += usize::from(good);
        }
        let start = self.flux_columns * n;
        for (column, polynomial) in scratch.columns[start..].chunks_exact_mut(n).zip(self.continuum.chunks_exact(n)) {
            for ((column, value), root) in column.iter_mut().zip(polynomial).zip(&scratch.root) {
                *column = value * root;
            }
        }
        used
    }

    /// Best fluxes and continuum at the velocity and broadening of the last [`Self::evaluate`].
    pub(super) fn solve_linear(&self, scratch: &Scratch) -> Option<Linear> {
        let (n, linear) = (self.samples(), self.linear());
        let mut gram = Square::zeros(linear + 2);
        products(self.arch, &scratch.columns, n, 0..linear, &mut gram);
        let factor = gram.cholesky(linear)?;
        let mut coefficients = projections(self.arch, &scratch.columns, &scratch.y, linear);
        factor.forward(&mut coefficients);
        let gain = coefficients[..linear].iter().map(|z| z * z).sum();
        factor.backward(&mut coefficients);
        Some(Linear { gram, factor, coefficients, gain })
    }

    /// Residual of the linear solution (whitened) and chi2.
    pub(super) fn residual(&self, linear: &Linear, scratch: &mut Scratch) -> f64 {
        let n = self.samples();
        let Scratch { columns, y, residual, .. } = scratch;
        residual.copy_from_slice(y);
        for (column, coefficient) in columns.chunks_exact(n).zip(&linear.coefficients[..self.linear()]) {
            for (residual, value) in residual.iter_mut().zip(column) {
                *residual -= coefficient * value;
            }
        }
        projections(self.arch, residual, residual, 1)[0]
    }

    /// The model in data units at given parameters: `fluxes` are those of [`super::LineFit::flux`].
    pub fn spectrum(&self, velocity: f64, broadening: f64, flux: impl Fn(Line) -> f64, out: &mut [f64]) {
        let n = self.samples();
        let mut value = vec![0.0; n];
        out.fill(0.0);
        for entry in &self.entries {
            let Some(line) = entry.line else { continue };
            let (x, _) = self.frame.shifted(entry.origin, velocity);
            let (sigma, _) = Self::width(entry, x, broadening);
            self.sampler.profile(x, sigma, 0..n, &mut value);
            let flux = flux(line) / self.flux_unit(x);
            for (out, value) in out.iter_mut().zip(&value) {
                *out += flux * value;
            }
        }
    }

    /// What a fit says of a spectrum, in data units: lines and continuum together, and the continuum (with stellar
    /// absorption) alone.
    pub fn curves(&self, fit: &super::LineFit) -> (Vec<f64>, Vec<f64>) {
        let n = self.samples();
        let lines: Vec<Line> = self.lines().collect();
        let flux = |line: Line| lines.iter().position(|other| *other == line).map_or(0.0, |index| fit.flux[index]);
        let mut total = vec![0.0; n];
        self.spectrum(fit.velocity_km_s, fit.broadening_km_s(), flux, &mut total);
        let mut continuum = vec![0.0; n];
        for (polynomial, coefficient) in self.continuum.chunks_exact(n).zip(&fit.continuum) {
            for (out, value) in continuum.iter_mut().zip(polynomial) {
                *out += coefficient * value;
            }
        }
        if let Some(entry) = self.entries.iter().find(|entry| entry.line.is_none()) {
            let (x, _) = self.frame.shifted(entry.origin, fit.velocity_km_s);
            let (sigma, _) = Self::width(entry, x, 0.0);
            let mut profile = vec![0.0; n];
            self.sampler.profile(x, sigma, 0..n, &mut profile);
            for (out, value) in continuum.iter_mut().zip(&profile) {
                *out += fit.absorption * value;
            }
        }
        for (total, continuum) in total.iter_mut().zip(&continuum) {
            *total += continuum;
        }
        (total, continuum)
    }

    /// Full width at half maximum of the instrument at a line, km/s.
    pub fn instrumental_fwhm_km_s(&self, x: f64) -> f64 {
        LIGHT_SPEED_KM_S * self.sampler.shape().instrumental_fwhm(x) / x
    }

    /// Standard deviation of the unbroadened line that behaves most like it near the peak, km/s.
    pub(super) fn typical_broadening(&self) -> f64 {
        let middle = self.entries[self.entries.len() / 2].origin;
        let fraction = match self.sampler.shape() {
            LineShape::Sinc { .. } => 0.4,
            LineShape::Gaussian { .. } => 0.6,
        };
        (fraction * self.instrumental_fwhm_km_s(middle)).clamp(10.0, self.settings.broadening_max.max(10.0))
    }
}

/// The strong line of a doublet and by what it is stronger.
fn tied_to(line: Line) -> Option<(Line, f64)> {
    match line {
        Line::NII6548 => Some((Line::NII6583, NITROGEN_DOUBLET)),
        Line::OIII4959 => Some((Line::OIII5007, OXYGEN_DOUBLET)),
        _ => None,
    }
}

/// Angstrom in one unit of a wavenumber axis at `x`: 1e8 / sigma^2. On a wavelength axis, Angstrom a unit.
fn angstrom_per_unit(frame: &Frame, x: f64) -> f64 {
    match frame.coordinate {
        Coordinate::Wavenumber => 1e8 / (x * x),
        Coordinate::Wavelength { unit_nm } => 10.0 * unit_nm,
    }
}

/// Legendre polynomials up to `order` on the axis, mapped to [-1, 1].
fn legendre(axis: &[f64], order: usize) -> Vec<f64> {
    let (Some(first), Some(last)) = (axis.first(), axis.last()) else { return Vec::new() };
    let scale = 2.0 / (last - first).max(f64::MIN_POSITIVE);
    let mut out = Vec::with_capacity(axis.len() * (order + 1));
    for degree in 0..=order {
        out.extend(axis.iter().map(|x| {
            let t = scale * (x - first) - 1.0;
            match degree {
                0 => 1.0,
                1 => t,
                2 => 1.5 * t * t - 0.5,
                _ => t * (2.5 * t * t - 1.5),
            }
        }));
    }
    out
}
