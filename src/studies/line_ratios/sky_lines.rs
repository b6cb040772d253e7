//! Where the lines of the night sky lie in a spectrum: the zero point of its velocities.
//!
//! OH glows 87 km up, at rest and without width, so that its lines tell by how much an axis is off. SITELLE's is, by 57 to 82 km/s
//! over the field of its cube of M31: a laser seen through the middle of the interferometer calibrates it, and its software counts
//! wavenumbers as one over the wavelength in air.

use super::fit::{LineModel, significance_of_gain};
use super::frame::{Frame, Medium};
use super::lines::LIGHT_SPEED_KM_S;
use super::shape::Sampler;
use crate::data::spectral_lines::air_from_vacuum;
use crate::numerics::linear::{non_negative_least_squares, symmetric_inverse};

/// Wavelength in vacuum (Angstrom) and relative intensity of the brighter lines of OH between 6470 and 6850 Angstrom, the bands 6-1
/// and 7-2: Rousselot, Lidman, Cuby, Moreels & Monnet 2000, A&A 354, 1134, calculated for 200 K; the two components of a Lambda
/// doublet, never more than 0.4 Angstrom apart here, as their mean. The wavelengths in air that Hanuschik 2003 (A&A 407, 1157)
/// observed, 6498.729, 6533.044, 6553.617, 6577.285, 6604.135, are these to 0.002 Angstrom.
const OH_LINES: [(f64, f64); 24] = [
    (6471.933, 0.178),
    (6472.762, 0.520),
    (6479.700, 0.188),
    (6499.322, 0.151),
    (6500.525, 1.428),
    (6506.792, 0.520),
    (6515.791, 0.172),
    (6524.228, 0.321),
    (6534.848, 1.095),
    (6545.830, 0.426),
    (6555.427, 1.213),
    (6570.594, 0.356),
    (6579.102, 0.887),
    (6598.466, 0.210),
    (6605.958, 0.462),
    (6636.062, 0.188),
    (6829.343, 0.581),
    (6830.354, 0.242),
    (6831.390, 1.146),
    (6831.807, 0.263),
    (6834.620, 0.122),
    (6835.894, 0.420),
    (6836.320, 1.190),
    (6843.832, 0.422),
];

/// Zero points searched, on either side of zero, km/s.
const RANGE: f64 = 250.0;
/// Share of the samples at either end of the band that is left out: there the filter rises and falls, which no line does.
const EDGE: f64 = 0.03;
/// Order of the polynomial of the continuum.
const CONTINUUM: usize = 3;
/// The lines together must stand out by so many standard deviations, the search over zero points counted.
const LEAST_SIGNIFICANCE: f64 = 5.0;
/// A line stands out by itself with so many.
const LINE_STANDS_OUT: f64 = 3.0;
/// So many lines must: one alone may be anything.
const LEAST_LINES: usize = 2;
/// Rounds of finding the sky with the nebula as known, and the nebula with the sky taken off.
const ROUNDS: usize = 3;

/// The zero point by the lines of the sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SkyVelocity {
    /// Velocity at which the lines of the sky are seen, km/s.
    pub velocity_km_s: f64,
    /// Its standard error, by the scatter of the residuals.
    pub error_km_s: f64,
    /// Lines (or blends of lines) that stand out by three standard deviations each.
    pub lines: usize,
    /// How sure it is that there are lines of the sky, in standard deviations.
    pub significance: f64,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NoSkyVelocity {
    /// The table has no line there.
    #[error("no line of the sky is known in its band; the table has OH from 648 to 685 nm, which SN3 of SITELLE shows")]
    OutsideBand,
    /// Not enough samples count.
    #[error("too few of its samples count")]
    TooFewSamples,
    /// What is there is noise.
    #[error(
        "no line of the sky stands above the noise: {lines} of {looked_for} do by three standard deviations, all together by {significance:.1}"
    )]
    Noise {
        /// Lines that stand out.
        lines: usize,
        /// Lines in the band.
        looked_for: usize,
        /// Of all together.
        significance: f64,
    },
}

/// Lines too close to be told apart: place at velocity zero in units of the axis, and intensity.
type Blend = Vec<(f64, f64)>;

/// The lines of the table on an axis, seen from nearest to farthest that the search goes.
fn blends(sampler: &Sampler, frame: &Frame) -> Vec<Blend> {
    let axis = sampler.axis();
    let (Some(low), Some(high)) = (axis.first(), axis.last()) else { return Vec::new() };
    let reach = RANGE / LIGHT_SPEED_KM_S;
    let mut places: Vec<(f64, f64)> = OH_LINES
        .iter()
        .map(|(vacuum, intensity)| {
            let nm = match frame.medium {
                Medium::Vacuum => 0.1 * vacuum,
                Medium::Air => 1e9 * air_from_vacuum(vacuum * 1e-10),
            };
            (frame.coordinate_of_nm(nm), *intensity)
        })
        .filter(|(x, _)| (low * (1.0 + reach)..=high * (1.0 - reach)).contains(x))
        .collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    let close = |a: &(f64, f64), b: &(f64, f64)| b.0 - a.0 < sampler.shape().instrumental_fwhm(a.0);
    places.chunk_by(close).map(<[_]>::to_vec).collect()
}

/// One spectrum and what may be in it.
struct Search<'a> {
    sampler: &'a Sampler,
    frame: Frame,
    data: &'a [f64],
    weights: &'a [f64],
    blends: Vec<Blend>,
    nebula: Option<&'a LineModel>,
    samples: usize,
}

/// Velocity and broadening of nebular lines, km/s; `None` where there are none.
type Kinematics = Option<(f64, f64)>;

/// The best intensities at one velocity of the sky.
struct Solution {
    chi2: f64,
    /// Of the blends, then of the nebular lines, then of the continuum.
    coefficients: Vec<f64>,
    gram: Vec<f64>,
}

impl Search<'_> {
    /// Columns, one after another, not weighted: blends at `sky`, lines of the nebula, polynomials.
    fn columns(&self, sky: f64, nebula: Kinematics) -> Vec<f64> {
        let n = self.data.len();
        let mut out = Vec::new();
        let mut one = vec![0.0; n];
        for blend in &self.blends {
            let mut sum = vec![0.0; n];
            for (place, intensity) in blend {
                self.sampler.profile(self.frame.shifted(*place, sky).0, 0.0, 0..n, &mut one);
                sum.iter_mut().zip(&one).for_each(|(sum, one)| *sum += intensity * one);
            }
            out.extend(sum);
        }
        if let (Some(model), Some((velocity, broadening))) = (self.nebula, nebula) {
            for line in model.lines() {
                let x = model.frame().shifted(model.frame().origin(line), velocity).0;
                self.sampler.profile(x, broadening / LIGHT_SPEED_KM_S * x, 0..n, &mut one);
                out.extend_from_slice(&one);
            }
        }
        let axis = self.sampler.axis();
        let (first, last) = (axis[0], axis[n - 1]);
        for order in 0..=CONTINUUM {
            out.extend(axis.iter().map(|x| (2.0 * (x - first) / (last - first) - 1.0).powi(order as i32)));
        }
        out
    }

    /// Least squares with no line of the sky in absorption; `with` tells whether the sky is in the model at all.
    fn solve(&self, sky: f64, nebula: Kinematics, with: bool) -> Solution {
        let n = self.data.len();
        let all = self.columns(sky, nebula);
        let blends = if with { 0 } else { self.blends.len() };
        let columns = &all[blends * n..];
        let count = columns.len() / n;
        let dot = |a: &[f64], b: &[f64]| -> f64 {
            (0..n).filter(|k| self.weights[*k] > 0.0).map(|k| self.weights[k] * a[k] * b[k]).sum()
        };
        let column = |i: usize| &columns[i * n..(i + 1) * n];
        let mut gram = vec![0.0; count * count];
        for i in 0..count {
            for j in 0..=i {
                gram[i * count + j] = dot(column(i), column(j));
                gram[j * count + i] = gram[i * count + j];
            }
        }
        let right: Vec<f64> = (0..count).map(|i| dot(column(i), self.data)).collect();
        let signed: Vec<bool> = (0..count).map(|i| !with || i >= self.blends.len()).collect();
        let coefficients = non_negative_least_squares(&gram, &right, &signed);
        let mut residual = self.data.to_vec();
        for (i, coefficient) in coefficients.iter().enumerate() {
            residual.iter_mut().zip(column(i)).for_each(|(residual, value)| *residual -= coefficient * value);
        }
        Solution { chi2: dot(&residual, &residual), coefficients, gram }
    }

    fn chi2(&self, sky: f64, nebula: Kinematics) -> f64 {
        self.solve(sky, nebula, true).chi2
    }

    /// Width of the instrument, km/s.
    fn width(&self) -> f64 {
        let middle = self.blends[self.blends.len() / 2][0].0;
        LIGHT_SPEED_KM_S * self.sampler.shape().instrumental_fwhm(middle) / middle
    }

    /// The best velocity of the sky: a scan, then golden sections.
    fn best(&self, nebula: Kinematics) -> f64 {
        let steps = (2.0 * RANGE / (0.2 * self.width())).ceil().max(2.0) as usize;
        let step = 2.0 * RANGE / steps as f64;
        let scan = (0..=steps).map(|k| -RANGE + step * k as f64).map(|v| (v, self.chi2(v, nebula)));
        let start = scan.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0.0, |(v, _)| v);
        let golden = 0.5 * (5f64.sqrt() - 1.0);
        let (mut low, mut high) = (start - step, start + step);
        while high - low > 1e-3 {
            let (a, b) = (high - golden * (high - low), low + golden * (high - low));
            if self.chi2(a, nebula) < self.chi2(b, nebula) {
                high = b;
            } else {
                low = a;
            }
        }
        0.5 * (low + high)
    }

    /// The nebula in what is left when a sky is taken off; `None` where nothing stands out.
    fn nebula_without(&self, sky: Option<(f64, Kinematics)>) -> Kinematics {
        let model = self.nebula?;
        let n = self.data.len();
        let mut rest = self.data.to_vec();
        if let Some((velocity, nebula)) = sky {
            let columns = self.columns(velocity, nebula);
            let solution = self.solve(velocity, nebula, true);
            for (column, coefficient) in columns.chunks_exact(n).zip(&solution.coefficients).take(self.blends.len()) {
                rest.iter_mut().zip(column).for_each(|(rest, value)| *rest -= coefficient * value);
            }
        }
        let mut scratch = model.scratch();
        let mut fit = model.fit(&rest, self.weights, &mut scratch)?;
        fit.rescale_noise(fit.reduced_chi2().sqrt());
        (model.significance(&fit) >= LINE_STANDS_OUT && !model.at_bound(&fit))
            .then(|| (fit.velocity_km_s, fit.broadening_km_s()))
    }

    /// Sky and nebula in turn, from a first idea of the nebula: chi2, velocity of the sky, nebula.
    fn settle(&self, mut nebula: Kinematics) -> (f64, f64, Kinematics) {
        let mut sky = self.best(nebula);
        for _ in 1..ROUNDS {
            let before = nebula;
            nebula = self.nebula_without(Some((sky, nebula)));
            if nebula == before {
                break;
            }
            sky = self.best(nebula);
        }
        (self.chi2(sky, nebula), sky, nebula)
    }

    /// What is found at the best velocity, and whether it can be believed.
    fn judge(&self, sky: f64, nebula: Kinematics) -> Result<SkyVelocity, NoSkyVelocity> {
        let found = self.solve(sky, nebula, true);
        let (count, blends) = (found.coefficients.len(), self.blends.len());
        let kinematic = 1 + 2 * usize::from(nebula.is_some());
        let degrees = self.samples.saturating_sub(count + kinematic).max(1);
        let noise = found.chi2 / degrees as f64;
        let gain = (self.solve(sky, nebula, false).chi2 - found.chi2) / noise;
        let places = 1.0 + 4.0 * 2.0 * RANGE / self.width();
        let significance = significance_of_gain(gain, blends as f64, places);
        // Errors of the lines that are in the model.
        let taken: Vec<usize> = (0..count).filter(|i| *i >= blends || found.coefficients[*i] > 0.0).collect();
        let gram: Vec<f64> = taken.iter().flat_map(|i| taken.iter().map(|j| found.gram[*i * count + *j])).collect();
        let covariance = symmetric_inverse(&gram, taken.len()).unwrap_or_default();
        let stands_out = |(k, i): (usize, &usize)| {
            let error = covariance.get(k * taken.len() + k).map_or(f64::INFINITY, |square| (square * noise).sqrt());
            *i < blends && found.coefficients[*i] >= LINE_STANDS_OUT * error
        };
        let lines = taken.iter().enumerate().filter(|pair| stands_out(*pair)).count();
        if lines < LEAST_LINES || significance < LEAST_SIGNIFICANCE {
            return Err(NoSkyVelocity::Noise { lines, looked_for: blends, significance });
        }
        let step = 0.05 * self.width();
        let bend = 0.5 * (self.chi2(sky + step, nebula) + self.chi2(sky - step, nebula)) - found.chi2;
        let error_km_s = step * (noise / bend.max(f64::MIN_POSITIVE)).sqrt();
        Ok(SkyVelocity { velocity_km_s: sky, error_km_s, lines, significance })
    }
}

/// The velocity at which a spectrum shows the lines of the night sky, all at one velocity and as narrow as the instrument, each
/// blend as bright as it likes but none in absorption (within a blend the intensities are those of the table), together with the lines of `nebula` and a cubic continuum.
///
/// `frame` is that of the sky: its redshift does not count. Weights are 1 / variance up to a factor, which the residuals tell.
///
/// # Errors
/// No line of the table on the axis, too few samples, or nothing that stands above the noise.
pub fn sky_velocity(
    sampler: &Sampler,
    frame: Frame,
    nebula: Option<&LineModel>,
    data: &[f64],
    weights: &[f64],
) -> Result<SkyVelocity, NoSkyVelocity> {
    let n = data.len();
    let edge = (EDGE * n as f64) as usize;
    let counts = |(k, weight): (usize, &f64)| {
        let inside = (edge..n - edge).contains(&k);
        if inside && *weight > 0.0 && data[k].is_finite() { *weight } else { 0.0 }
    };
    let weights: Vec<f64> = weights.iter().enumerate().map(counts).collect();
    let data: Vec<f64> = data.iter().map(|value| if value.is_finite() { *value } else { 0.0 }).collect();
    let blends = blends(sampler, &frame);
    if blends.is_empty() {
        return Err(NoSkyVelocity::OutsideBand);
    }
    let samples = weights.iter().filter(|weight| **weight > 0.0).count();
    if samples < 2 * (blends.len() + CONTINUUM + 1) {
        return Err(NoSkyVelocity::TooFewSamples);
    }
    let search = Search { sampler, frame, data: &data, weights: &weights, blends, nebula, samples };
    // Where the sky is bright the nebula must not be looked for first, where it is faint it must.
    let first = search.settle(None);
    let second = search.nebula_without(None).map(|nebula| search.settle(Some(nebula)));
    let (_, sky, nebula) = second.filter(|second| second.0 < first.0).unwrap_or(first);
    search.judge(sky, nebula)
}
