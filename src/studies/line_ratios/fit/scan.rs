//! Where to start: a matched filter of all lines over the velocities searched.

use super::model::{LineModel, Scratch};

/// How far from a line its template reaches, in full widths.
const REACH: f64 = 1.5;

/// Templates of every line at every velocity of the scan.
#[derive(Debug, Clone, Default)]
pub(super) struct Scan {
    pub velocities: Vec<f64>,
    /// Broadening of the templates, km/s.
    pub broadening: f64,
    /// `[velocity][line]`.
    windows: Vec<Window>,
    /// Values of all windows, one after another.
    values: Vec<f64>,
    lines: usize,
}

/// A template: samples `first..first + length`, values from `offset`.
#[derive(Debug, Clone, Copy)]
struct Window {
    first: usize,
    length: usize,
    offset: usize,
    column: usize,
    ratio: f64,
}

/// A place to start from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Start {
    pub velocity: f64,
    /// By how much the lines lower chi2 there.
    pub gain: f64,
}

impl Scan {
    pub fn new(model: &LineModel) -> Self {
        let broadening = model.typical_broadening();
        let middle = model.entries[model.entries.len() / 2].origin;
        let fwhm = f64::hypot(model.instrumental_fwhm_km_s(middle), 2.355 * broadening);
        let (low, high) = model.settings.velocity_range;
        let steps = ((high - low) / (0.25 * fwhm)).ceil().max(1.0) as usize;
        let velocities: Vec<f64> = (0..=steps).map(|k| low + (high - low) * k as f64 / steps as f64).collect();
        let mut scan = Self { velocities, broadening, lines: 0, ..Self::default() };
        let axis = model.sampler.axis();
        for velocity in scan.velocities.clone() {
            let mut lines = 0;
            for entry in model.entries.iter().filter(|entry| entry.line.is_some()) {
                let (x, _) = model.frame.shifted(entry.origin, velocity);
                let reach = REACH * fwhm * x / super::LIGHT_SPEED_KM_S;
                let first = axis.partition_point(|at| *at < x - reach);
                let end = axis.partition_point(|at| *at <= x + reach);
                let offset = scan.values.len();
                scan.values.resize(offset + (end - first), 0.0);
                let sigma = broadening * x / super::LIGHT_SPEED_KM_S;
                model.sampler.profile(x, sigma, first..end, &mut scan.values[offset..]);
                scan.windows.push(Window {
                    first,
                    length: end - first,
                    offset,
                    column: entry.column,
                    ratio: entry.ratio,
                });
                lines += 1;
            }
            scan.lines = lines;
        }
        scan
    }

    /// The best velocities, best first: at most `out.len()` local maxima; returns how many.
    pub fn best(&self, model: &LineModel, scratch: &mut Scratch, out: &mut [Start]) -> usize {
        subtract_continuum(model, scratch);
        for step in 0..self.velocities.len() {
            scratch.gains[step] = self.gain(step, scratch);
        }
        let gains = &scratch.gains;
        let mut found = 0;
        for (step, gain) in gains.iter().enumerate() {
            let above = |other: Option<&f64>| other.is_none_or(|other| gain >= other);
            if above(step.checked_sub(1).map(|left| &gains[left])) && above(gains.get(step + 1)) {
                insert(out, &mut found, Start { velocity: self.velocities[step], gain: *gain });
            }
        }
        found
    }

    /// Sum over the flux columns of b^2 / g where b, the flux, is positive; lines are taken as not overlapping.
    fn gain(&self, step: usize, scratch: &Scratch) -> f64 {
        let mut sums = [(0.0f64, 0.0f64); super::model::MOST_LINES];
        for window in &self.windows[step * self.lines..(step + 1) * self.lines] {
            let samples = window.first..window.first + window.length;
            let template = &self.values[window.offset..window.offset + window.length];
            let data = scratch.residual[samples.clone()].iter().zip(&scratch.root[samples]);
            let (mut b, mut g) = (0.0, 0.0);
            for ((residual, root), value) in data.zip(template) {
                let value = value * root;
                b += value * residual;
                g += value * value;
            }
            let sum = &mut sums[window.column];
            sum.0 += window.ratio * b;
            sum.1 += window.ratio * window.ratio * g;
        }
        sums.iter().filter(|(b, g)| *b > 0.0 && *g > 0.0).map(|(b, g)| b * b / g).sum()
    }
}

fn insert(out: &mut [Start], found: &mut usize, start: Start) {
    let at = out[..*found].iter().position(|other| other.gain < start.gain).unwrap_or(*found);
    if at >= out.len() {
        return;
    }
    *found = (*found + 1).min(out.len());
    out[at..*found].rotate_right(1);
    out[at] = start;
}

/// Leaves in `residual` the whitened data less a mean level that the lines do not pull up: samples that stand out by
/// more than 2.5 times the scatter are left out, a few times over.
fn subtract_continuum(model: &LineModel, scratch: &mut Scratch) {
    let n = model.samples();
    let start = model.flux_columns * n;
    let Scratch { columns, y, residual, .. } = scratch;
    let level = &columns[start..start + n];
    let (mut mean, mut limit) = (0.0, f64::INFINITY);
    for _ in 0..6 {
        let (mut b, mut g, mut squares, mut count) = (0.0, 0.0, 0.0, 0.0f64);
        for (y, root) in y.iter().zip(level) {
            let residual = y - mean * root;
            if *root > 0.0 && residual < limit && residual > -limit {
                b += y * root;
                g += root * root;
                squares += residual * residual;
                count += 1.0;
            }
        }
        if g <= 0.0 {
            break;
        }
        mean = b / g;
        limit = 2.5 * (squares / count).sqrt();
    }
    for ((residual, y), root) in residual.iter_mut().zip(y.iter()).zip(level) {
        *residual = y - mean * root;
    }
}
