//! Spectra of one signal-to-noise ratio, and what every method says of them.

use std::time::Instant;

use rayon::prelude::*;

use super::Networks;
use crate::numerics::random;
use crate::studies::line_ratios::axis::Filter;
use crate::studies::line_ratios::fit::{LineFit, LineModel, ModelSettings};
use crate::studies::line_ratios::frame::{Coordinate, Frame, Medium};
use crate::studies::line_ratios::lines::Line;
use crate::studies::line_ratios::network::decode::Measured;
use crate::studies::line_ratios::network::estimate::TOGETHER;
use crate::studies::line_ratios::network::{Memory, NetworkEstimate, Observed};
use crate::studies::line_ratios::prior::{RATIOS, Recipe};
use crate::studies::line_ratios::ratios::Ratio;
use crate::studies::line_ratios::shape::{LineShape, Sampler};
use crate::studies::line_ratios::simulate::{CleanSpectrum, FILTERS, NoisySpectrum, SpectrumLaw, band_axis};
use crate::tasks::TaskError;

/// Resolving powers of the benchmark, those of SIGNALS.
const RESOLUTION: [f64; FILTERS] = [1000.0, 1000.0, 5000.0];

/// Spectra with their truth.
pub(super) struct Cases {
    pub recipe: Recipe,
    pub signal_to_noise: f64,
    pub clean: Vec<CleanSpectrum>,
    pub noisy: Vec<NoisySpectrum>,
    models: [LineModel; FILTERS],
    /// Of SN3, both lines of [NII] free.
    free: LineModel,
    /// [NII] 6583 / 6548 in it.
    doublet: Ratio,
}

/// Kinematics and ratios by least squares.
#[derive(Clone, Debug)]
pub(super) struct Fitted {
    pub velocity: Measured,
    pub broadening: Measured,
    /// `log10`, not a number where a line is not there.
    pub log_ratios: [Measured; RATIOS.len()],
    /// Bounds of Cramer and Rao of velocity and broadening (km/s).
    pub bound: [f64; 2],
}

/// What the methods say.
pub(super) struct Found {
    pub network: Vec<NetworkEstimate>,
    /// Of the other prior's network, for ratios only.
    pub published: Vec<[Measured; RATIOS.len()]>,
    pub fitted: Vec<Option<Fitted>>,
    /// Seconds of one core a spectrum: recommended networks, published network, fit.
    pub seconds: [f64; 3],
}

/// Seconds an item: the median of pieces of so many, which the other work of the machine does not move.
fn clocked<T>(items: &[T], together: usize, mut work: impl FnMut(&[T])) -> f64 {
    let seconds = items.chunks(together).map(|some| {
        let started = Instant::now();
        work(some);
        started.elapsed().as_secs_f64() / some.len() as f64
    });
    super::summary::median(seconds.collect())
}

impl Cases {
    /// `count` spectra after a recipe, all at one resolving power.
    pub fn draw(recipe: Recipe, seed: u64, bin: u64, count: usize, signal_to_noise: f64) -> Result<Self, TaskError> {
        let mut law = SpectrumLaw::of(recipe);
        law.resolution = RESOLUTION.map(|r| [r, r]);
        // The range in which the published kinematics are quoted.
        law.velocity_km_s = [-200.0, 200.0];
        law.broadening_km_s = [10.0, 50.0];
        let clean = law.many(seed, bin << 32, count);
        let add = |(k, clean): (usize, &CleanSpectrum)| {
            let mut stream = random::stream(seed, "line_ratios.benchmark.noise", (bin << 32) + k as u64);
            clean.with_noise([signal_to_noise; FILTERS], &mut stream)
        };
        let noisy = clean.par_iter().enumerate().map(add).collect();
        let mut models = Vec::new();
        for (f, filter) in Filter::ALL.into_iter().enumerate() {
            models.push(model(filter, RESOLUTION[f], law.correction, true)?);
        }
        let free = model(Filter::Sn3, RESOLUTION[2], law.correction, false)?;
        let lines: Vec<Line> = free.lines().collect();
        let doublet = Ratio::all(&lines, false).into_iter().find(|ratio| ratio.name == "NII6583/NII6548");
        let doublet = doublet.ok_or_else(|| TaskError::Failed("SN3 has no [NII] doublet".into()))?;
        let models = models.try_into().map_err(|_| TaskError::Failed("a filter has no model".into()))?;
        Ok(Self { recipe, signal_to_noise, clean, noisy, models, free, doublet })
    }

    /// All methods, each on one core for the clock and on all for the fit.
    pub fn run(&self, networks: &Networks) -> Found {
        let spectra: Vec<Observed> = self.noisy.iter().map(Observed::from).collect();
        let own = match self.recipe {
            Recipe::Corrected => &networks.corrected,
            Recipe::Published => &networks.published_prior,
        };
        let mut memory = Memory::default();
        let mut network = Vec::with_capacity(spectra.len());
        let recommended = clocked(&spectra, TOGETHER, |some| own.estimate(some, &mut memory, &mut network));
        let mut published = Vec::with_capacity(spectra.len());
        let of_published =
            clocked(&spectra, TOGETHER, |some| networks.published.labels(some, &mut memory, &mut published));
        let few: Vec<usize> = (0..self.noisy.len().min(100)).collect();
        let fit = clocked(&few, 4, |some| {
            for k in some {
                std::hint::black_box(self.fit_red(*k));
            }
        });
        let fitted = (0..self.noisy.len()).into_par_iter().map(|k| self.fit(k)).collect();
        Found { network, published, fitted, seconds: [recommended, of_published, fit] }
    }

    fn fit_red(&self, index: usize) -> Option<LineFit> {
        let (data, weights) = self.data(index, 2);
        let model = &self.models[2];
        model.fit(&data, &weights, &mut model.scratch())
    }

    fn data(&self, index: usize, filter: usize) -> (Vec<f64>, Vec<f64>) {
        let noisy = &self.noisy[index];
        let data: Vec<f64> = noisy.bands[filter].values.iter().map(|v| f64::from(*v)).collect();
        let weight = f64::from(noisy.noise[filter]).powi(-2);
        let weights = vec![weight; data.len()];
        (data, weights)
    }

    /// SN3 first; SN1 and SN2 start from its kinematics.
    fn fit(&self, index: usize) -> Option<Fitted> {
        let red = self.fit_red(index)?;
        let mut flux = [NOTHING; Line::ALL.len()];
        let note = |model: &LineModel, fit: &LineFit, flux: &mut [Measured; Line::ALL.len()]| {
            for (k, line) in model.lines().enumerate() {
                flux[line as usize] = Measured { value: fit.flux[k], error: fit.flux_error(k) };
            }
        };
        note(&self.models[2], &red, &mut flux);
        let mut oxygen = NOTHING;
        for filter in 0..2 {
            let (data, weights) = self.data(index, filter);
            let model = &self.models[filter];
            let start = [red.velocity_km_s, red.broadening_km_s()];
            if let Some(fit) = model.fit_from(&data, &weights, start[0], start[1], &mut model.scratch()) {
                note(model, &fit, &mut flux);
                if filter == 0 {
                    // The doublet is not resolved: its sum, with its covariance.
                    let c = &fit.covariance;
                    oxygen = Measured {
                        value: fit.flux[0] + fit.flux[1],
                        error: (c[0][0] + c[1][1] + 2.0 * c[0][1]).max(0.0).sqrt(),
                    };
                }
            }
        }
        let clean = &self.clean[index];
        // The fit counts fluxes per Angstrom, the simulation in units of Halpha at rest.
        let unit = 1e8 / Line::Halpha.air_wavenumber().powi(2);
        let truth = |line: Line| unit * clean.nebula.fluxes[line as usize];
        let (_, weights) = self.data(index, 2);
        let model = &self.models[2];
        let bound =
            model.cramer_rao(clean.velocity_km_s, clean.broadening_km_s, truth, &weights, &mut model.scratch())?;
        Some(Fitted {
            velocity: Measured { value: red.velocity_km_s, error: red.velocity_error_km_s },
            broadening: Measured { value: red.broadening_km_s(), error: red.broadening_error_km_s() },
            log_ratios: log_ratios(&flux, oxygen, self.free_doublet(index, &red)),
            bound: [bound.velocity_error_km_s, bound.variance_error / (2.0 * clean.broadening_km_s)],
        })
    }

    /// [NII] 6583 / 6548 with both lines free; not a number where 6548 is not seen.
    fn free_doublet(&self, index: usize, red: &LineFit) -> Measured {
        let (data, weights) = self.data(index, 2);
        let start = [red.velocity_km_s, red.broadening_km_s()];
        let fit = self.free.fit_from(&data, &weights, start[0], start[1], &mut self.free.scratch());
        fit.map_or(NOTHING, |fit| {
            let ratio = self.doublet.of(&fit);
            Measured { value: ratio.value, error: ratio.error }
        })
    }
}

/// Not measured.
const NOTHING: Measured = Measured { value: f64::NAN, error: f64::NAN };

fn model(filter: Filter, resolution: f64, correction: f64, tie_doublets: bool) -> Result<LineModel, TaskError> {
    let (axis, range) = band_axis(filter, resolution, correction);
    let samples = range.map(|j| axis.wavenumber(j)).collect();
    let sampler = Sampler::new(samples, LineShape::Sinc { width: axis.sinc_width() });
    let frame = Frame { coordinate: Coordinate::Wavenumber, medium: Medium::Air, redshift: 0.0 };
    let settings = ModelSettings {
        lines: Line::ALL.to_vec(),
        tie_doublets,
        continuum_order: 0,
        absorption_km_s: None,
        velocity_range: (-400.0, 400.0),
        broadening_max: 120.0,
        per_angstrom: true,
    };
    LineModel::new(sampler, frame, settings).map_err(|e| TaskError::Failed(e.to_string()))
}

/// The nine ratios and their errors, lines taken as independent; those of a line that is not positive are not numbers. The
/// doublet of [NII] comes from the fit in which both its lines are free.
fn log_ratios(
    flux: &[Measured; Line::ALL.len()],
    oxygen: Measured,
    nitrogen_doublet: Measured,
) -> [Measured; RATIOS.len()] {
    let f = |line: Line| flux[line as usize];
    let [s1, s2] = [f(Line::SII6716), f(Line::SII6731)];
    let sulphur = Measured { value: s1.value + s2.value, error: s1.error.hypot(s2.error) };
    let pairs = [
        (s2, s1),
        (sulphur, f(Line::Halpha)),
        (f(Line::NII6583), f(Line::Halpha)),
        (f(Line::NII6583), sulphur),
        (f(Line::OIII5007), f(Line::Hbeta)),
        (oxygen, f(Line::Hbeta)),
        (oxygen, f(Line::OIII5007)),
        (f(Line::Halpha), f(Line::Hbeta)),
        (Measured { value: 1.0, error: 0.0 }, nitrogen_doublet),
    ];
    pairs.map(|(above, below)| Measured {
        value: (above.value / below.value).log10(),
        error: (above.error / above.value).hypot(below.error / below.value) / std::f64::consts::LN_10,
    })
}
