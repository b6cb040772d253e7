//! `line_ratios.fit`: a spectrum or a cube in; velocity, broadening, fluxes, ratios and their errors out.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ndarray::Array2;
use rayon::prelude::*;

use super::binning::{Cells, Sum, voronoi};
use super::estimate::{Estimate, Estimator, FixedKinematics, Kinematics, LeastSquares, estimator};
use super::fit::LineModel;
use super::fit_outcome::{FitOutcome, FittedSpectrum, OUTPUTS, spectrum_metrics};
use super::learned::{self, LearnedRatio};
use super::lines::Line;
use super::maps::{Maps, upper};
use super::network::NetworkEstimator;
use super::observation::{Batch, Observation};
use super::ratios::Ratio;
use super::request::{Binning, FitRequest, Method};
use super::zero_point::MeasuredZero;
use crate::tasks::{Cost, Lane, Metrics, Progress, Task, TaskError};

/// Seconds of one core for a spectrum of a few hundred samples, as measured.
const SECONDS_A_SPECTRUM: f64 = 3e-4;
/// Bytes of all maps together, a spaxel.
const BYTES_A_SPAXEL: u64 = 4 * 64;
/// Noise that differs from what the file says by more than this factor is told.
const TOLERATED_FACTOR: f64 = 1.5;

/// What the screen shows while maps fill: `[y, x]`, NaN where nothing is known yet or no line is found.
#[derive(Clone, Debug)]
pub struct FitUpdate {
    /// Spectra measured so far.
    pub done: usize,
    /// Of how many.
    pub total: usize,
    /// Velocity, km/s.
    pub velocity: Arc<Array2<f32>>,
    /// Broadening, km/s.
    pub broadening: Arc<Array2<f32>>,
    /// Flux of the line in `line`.
    pub flux: Arc<Array2<f32>>,
    /// Which line's flux is shown.
    pub line: &'static str,
    /// Side of a spaxel, if the header tells.
    pub pixel_scale_arcsec: Option<f64>,
}

/// Pieces that are measured in parallel before the job asks whether to pause: within, it would hold the threads that all jobs share.
const TOGETHER: usize = 32;

impl Task for FitRequest {
    const NAME: &'static str = "line_ratios.fit";
    const SUMMARY: &'static str =
        "Measure emission lines in a spectrum or a cube: velocity, broadening, fluxes and ratios, with errors.";
    const OUTPUTS: &'static [(&'static str, &'static str)] = OUTPUTS;
    const LANE: Lane = Lane::Short;
    type Update = FitUpdate;
    type Outcome = FitOutcome;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn cost(&self) -> Result<Cost, TaskError> {
        let observation = Observation::open(self)?;
        let spectra = observation.shape.map_or(1, |[rows, columns]| rows * columns);
        let samples = observation.axis.len() as f64 / 400.0;
        Ok(Cost {
            bytes: spectra as u64 * BYTES_A_SPAXEL + (64 << 20),
            seconds: 0.1 + spectra as f64 * SECONDS_A_SPECTRUM * samples,
        })
    }

    fn run(&self, progress: &Progress<FitUpdate>) -> Result<FitOutcome, TaskError> {
        progress.phase("reading");
        let (request, zero) = self.with_zero_point(progress)?;
        let observation = Observation::open(&request)?;
        let model = observation.model(&request)?;
        let estimator = estimator(&request, &observation, &model)?;
        let lines: Vec<Line> = model.lines().collect();
        let run = Run {
            request: &request,
            zero,
            observation: &observation,
            model: &model,
            estimator: &*estimator,
            ratios: Ratio::all(&lines, self.tie_doublets),
            learned: LearnedRatio::all(self.method, &lines),
            lines,
            pixel_scale_arcsec: observation.pixel_scale_arcsec(),
        };
        match observation.shape {
            None => run.spectrum(),
            Some(shape) => run.cube(shape, progress),
        }
    }
}

/// Everything that a run has at hand.
struct Run<'a> {
    /// With its zero point as a number.
    request: &'a FitRequest,
    /// That number, where it was measured.
    zero: Option<MeasuredZero>,
    observation: &'a Observation,
    model: &'a LineModel,
    estimator: &'a dyn Estimator,
    lines: Vec<Line>,
    ratios: Vec<Ratio>,
    pixel_scale_arcsec: Option<f64>,
    /// Ratios by networks.
    learned: Vec<LearnedRatio>,
}

/// What the threads fill together.
struct Filling {
    maps: Maps,
    done: usize,
    total: usize,
    /// Reduced chi2 and noise factor of every spectrum, and whether lines were found.
    numbers: Vec<(f32, f32, bool)>,
    /// Spectra whose velocity or broadening ended on a bound.
    at_bound: usize,
}

impl Run<'_> {
    fn spectrum(&self) -> Result<FitOutcome, TaskError> {
        let started = Instant::now();
        let batch = self.observation.read(0..1)?;
        let answer = self.estimator.estimate(&batch).into_iter().next().flatten().ok_or_else(too_few)?;
        let seconds = started.elapsed().as_secs_f64();
        let mut metrics = self.metrics_of("", &answer);
        metrics.insert("median_reduced_chi2".into(), answer.fit.reduced_chi2());
        metrics.insert("spectra_per_second".into(), 1.0 / seconds);
        metrics.insert("samples".into(), batch.samples as f64);
        metrics.extend(self.zero.iter().flat_map(MeasuredZero::metrics));
        let spectra = vec![FittedSpectrum::new("spectrum", self.model, &batch, &answer)];
        if self.request.method != Method::Fit {
            let by_network = answer.kinematics == Kinematics::Network;
            metrics.insert("kinematics_by_network".into(), f64::from(u8::from(by_network)));
        }
        let mut warnings = self.warnings(answer.noise_factor);
        warnings.extend(self.beyond_networks(&batch));
        let dominated = self.answered().filter(|ratio| ratio.of(answer.learned.as_ref()).1);
        warnings.extend(prior_dominated(&dominated.map(LearnedRatio::metric).collect::<Vec<_>>()));
        if answer.at_bound {
            warnings.push(
                "velocity or broadening lie on an end of their range: give more velocity_range_km_s or broadening_max_km_s, or another redshift"
                    .into(),
            );
        }
        Ok(FitOutcome::new(self.observation, None, spectra, metrics, warnings))
    }

    fn cube(&self, shape: [usize; 2], progress: &Progress<FitUpdate>) -> Result<FitOutcome, TaskError> {
        let started = Instant::now();
        let empty = || {
            Maps::new(
                shape,
                &self.lines,
                self.ratios.clone(),
                self.learned.clone(),
                &self.observation.flux_unit(),
                self.request.least_significance,
            )
        };
        let (filled, mean, measured) = match self.request.binning {
            Binning::Voronoi => self.fill_voronoi(shape, &empty, progress)?,
            Binning::None | Binning::Square => {
                let side = if self.request.binning == Binning::Square { self.request.bin_pixels.max(1) } else { 1 };
                progress.phase("fitting");
                let cells = Cells::squares(side);
                let (filled, mean) = self.fill_by_tiles(self.estimator, shape, cells, empty(), progress)?;
                let measured = filled.numbers.len();
                (filled, mean, measured)
            }
        };
        let seconds = started.elapsed().as_secs_f64();
        progress.phase("maps");
        let mut metrics = self.cube_metrics(&filled);
        metrics.insert("spectra_per_second".into(), measured as f64 / seconds);
        let mut spectra = Vec::new();
        let beyond = mean.as_ref().and_then(|mean| self.beyond_networks(mean));
        if let Some(mean) = mean
            && let Some(answer) = self.estimator.estimate(&mean).into_iter().next().flatten()
        {
            metrics.extend(self.metrics_of("mean_spectrum/", &answer));
            spectra.push(FittedSpectrum::new("mean", self.model, &mean, &answer));
        }
        if let Some(brightest) = self.brightest(&filled.maps)? {
            spectra.push(brightest);
        }
        let factor = metrics.get("median_noise_factor").copied().unwrap_or(1.0);
        let mut warnings = self.warnings(factor);
        warnings.extend(beyond);
        let share = |ratio: &LearnedRatio| metrics.get(&format!("prior_dominated/{}", ratio.metric())).copied();
        let dominated = self.answered().filter_map(|ratio| {
            let share = share(ratio).filter(|share| *share > 0.0)?;
            Some(format!("{} in {:.0} %", ratio.metric(), 100.0 * share))
        });
        let dominated = prior_dominated(&dominated.collect::<Vec<_>>());
        warnings.extend(dominated.map(|text| format!("{text}, and the maps {} tell where", learned::PRIOR_DOMINATED)));
        progress.fraction(1.0);
        Ok(FitOutcome::new(self.observation, Some(&filled.maps), spectra, metrics, warnings))
    }

    /// The mean spectrum tells velocity and width of the brightest line everywhere; the fluxes there, which noise does
    /// not bias, tell the bins; the bins are measured.
    fn fill_voronoi(
        &self,
        shape: [usize; 2],
        empty: &dyn Fn() -> Maps,
        progress: &Progress<FitUpdate>,
    ) -> Result<(Filling, Option<Batch>, usize), TaskError> {
        progress.phase("mean spectrum");
        let mut sums = Vec::new();
        for rows in self.observation.tiles(1) {
            progress.check()?;
            sums.push(Sum::of(&self.observation.read(rows)?));
        }
        let mean = Sum::mean(&sums);
        let answer = mean.as_ref().and_then(|mean| self.estimator.estimate(mean).into_iter().next().flatten());
        let fit = answer.ok_or_else(too_few)?.fit;
        let fixed = FixedKinematics {
            model: self.model,
            velocity_km_s: fit.velocity_km_s,
            broadening_km_s: fit.broadening_km_s(),
        };
        progress.phase("fluxes for the bins");
        let part = progress.part(0.05, 0.4);
        let (first, _) = self.fill_by_tiles(&fixed, shape, Cells::squares(1), empty(), &part)?;
        let line = first.maps.brightest_line().unwrap_or(0);
        let (signal, noise) = first.maps.flux_and_error(line);
        progress.phase("binning");
        let bins = voronoi(&signal, &noise, self.request.target_snr);
        let filled = self.fill_bins(shape, &bins, empty(), &progress.part(0.4, 1.0))?;
        let measured = first.numbers.len() + filled.numbers.len();
        Ok((filled, mean, measured))
    }

    /// Measures every square cell, tile by tile; also the mean of all spectra.
    fn fill_by_tiles(
        &self,
        estimator: &dyn Estimator,
        shape: [usize; 2],
        cells: Cells,
        maps: Maps,
        progress: &Progress<FitUpdate>,
    ) -> Result<(Filling, Option<Batch>), TaskError> {
        let tiles = self.observation.tiles(cells.side());
        let total = cells.count(shape);
        let filling = Mutex::new(Filling { maps, done: 0, total, numbers: Vec::new(), at_bound: 0 });
        let measure = |rows: &Range<usize>| {
            if progress.stopped() {
                return Err(TaskError::Cancelled);
            }
            let batch = self.observation.read(rows.clone())?;
            let sum = Sum::of(&batch);
            let (binned, pixels) = cells.bin(&batch, rows.clone(), shape[1]);
            let answers = estimator.estimate(&binned);
            let first = cells.first_bin(rows.start, shape[1]);
            let mut filling = filling.lock().unwrap_or_else(PoisonError::into_inner);
            for (index, (answer, pixels)) in answers.iter().zip(&pixels).enumerate() {
                filling.put(pixels, first + index, answer.as_ref());
            }
            progress.fraction(filling.done as f64 / total.max(1) as f64);
            self.show(&filling, progress);
            Ok(sum)
        };
        let mut sums: Vec<Sum> = Vec::with_capacity(tiles.len());
        for some in tiles.chunks(TOGETHER) {
            progress.check()?;
            sums.extend(some.par_iter().map(measure).collect::<Result<Vec<_>, TaskError>>()?);
        }
        let filling = filling.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((filling, Sum::mean(&sums)))
    }

    /// Adds the spectra of every bin and measures the sums.
    fn fill_bins(
        &self,
        shape: [usize; 2],
        bins: &[Vec<[usize; 2]>],
        maps: Maps,
        progress: &Progress<FitUpdate>,
    ) -> Result<Filling, TaskError> {
        progress.phase("adding bins");
        let samples = self.observation.axis.len();
        let mut owner = Array2::from_elem((shape[0], shape[1]), usize::MAX);
        for (bin, pixels) in bins.iter().enumerate() {
            for pixel in pixels {
                owner[*pixel] = bin;
            }
        }
        // In the order of the rows, so that the sums have the same bits on any number of threads.
        let mut sums = vec![Sum::zeros(samples); bins.len()];
        for rows in self.observation.tiles(1) {
            progress.check()?;
            let batch = self.observation.read(rows.clone())?;
            for index in 0..batch.len() {
                let bin = owner[[rows.start + index / shape[1], index % shape[1]]];
                if let Some(sum) = sums.get_mut(bin) {
                    sum.add(batch.spectrum(index));
                }
            }
        }
        progress.phase("fitting bins");
        let filling = Mutex::new(Filling { maps, done: 0, total: bins.len(), numbers: Vec::new(), at_bound: 0 });
        const AT_ONCE: usize = 16;
        let measure = |(chunk, sums): (usize, &[Sum])| {
            if progress.stopped() {
                return Err(TaskError::Cancelled);
            }
            let mut batch = Batch::zeros(0, samples);
            for sum in sums {
                sum.append_mean(&mut batch);
            }
            let answers = self.estimator.estimate(&batch);
            let mut filling = filling.lock().unwrap_or_else(PoisonError::into_inner);
            for (index, answer) in answers.iter().enumerate() {
                let bin = chunk * AT_ONCE + index;
                filling.put(&bins[bin], bin, answer.as_ref());
            }
            progress.fraction(filling.done as f64 / bins.len().max(1) as f64);
            self.show(&filling, progress);
            Ok::<(), TaskError>(())
        };
        for first in (0..sums.len()).step_by(AT_ONCE * TOGETHER) {
            progress.check()?;
            let some = &sums[first..sums.len().min(first + AT_ONCE * TOGETHER)];
            some.par_chunks(AT_ONCE).enumerate().try_for_each(|(k, sums)| measure((first / AT_ONCE + k, sums)))?;
        }
        Ok(filling.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn show(&self, filling: &Filling, progress: &Progress<FitUpdate>) {
        progress.update(|| {
            let line = filling.maps.brightest_line().unwrap_or(0);
            let map =
                |name: &str| Arc::new(filling.maps.get(name).map_or_else(Default::default, |map| map.values.clone()));
            FitUpdate {
                done: filling.done,
                total: filling.total,
                velocity: map("VELOCITY"),
                broadening: map("BROADENING"),
                flux: Arc::new(filling.maps.flux(line).clone()),
                line: self.lines.get(line).map_or("", |line| line.name()),
                pixel_scale_arcsec: self.pixel_scale_arcsec,
            }
        });
    }

    /// The spectrum of the largest signal to noise, by itself.
    fn brightest(&self, maps: &Maps) -> Result<Option<FittedSpectrum>, TaskError> {
        let Some(line) = maps.brightest_line() else { return Ok(None) };
        let best = maps
            .signal_to_noise(line)
            .indexed_iter()
            .filter(|(_, snr)| snr.is_finite())
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        let Some(((row, column), _)) = best else { return Ok(None) };
        let rows = self.observation.read(row..row + 1)?;
        let (data, weights) = rows.spectrum(column);
        let batch = Batch { samples: rows.samples, data: data.to_vec(), weights: weights.to_vec() };
        let answer = self.estimator.estimate(&batch).into_iter().next().flatten();
        Ok(answer.map(|answer| FittedSpectrum::new("brightest", self.model, &batch, &answer)))
    }

    /// Where networks measure: what to say when lines lie at velocities that they were not trained at, by a fit of the first
    /// spectrum of the batch.
    fn beyond_networks(&self, batch: &Batch) -> Option<String> {
        if self.request.method == Method::Fit {
            return None;
        }
        let has_errors = self.observation.has_errors;
        let fit = LeastSquares { model: self.model, noise: self.request.noise, has_errors };
        let found = fit.estimate(batch).into_iter().next().flatten()?;
        let velocity = found.fit.velocity_km_s;
        let reach = NetworkEstimator::REACH_KM_S;
        (found.finds_lines(self.request.least_significance) && velocity.abs() > reach).then(|| {
            let redshift = (1.0 + self.request.redshift) * (1.0 + velocity / super::lines::LIGHT_SPEED_KM_S) - 1.0;
            format!(
                "the networks know velocities up to {reach:.0} km/s from redshift {}, and a fit sees lines at {velocity:.0} km/s: these numbers mean nothing; set redshift={redshift:.5} or method=fit",
                self.request.redshift
            )
        })
    }

    /// Ratios of the last author: of the hybrid where there is one.
    fn answered(&self) -> impl Iterator<Item = &LearnedRatio> {
        let author = self.learned.last().map(|ratio| ratio.author);
        self.learned.iter().filter(move |ratio| Some(ratio.author) == author)
    }

    fn metrics_of(&self, prefix: &str, answer: &Estimate) -> Metrics {
        let mut metrics = spectrum_metrics(prefix, self.observation, &self.lines, &self.ratios, answer);
        for ratio in &self.learned {
            let (found, dominated) = ratio.of(answer.learned.as_ref());
            let name = format!("{prefix}{}", ratio.metric());
            metrics.insert(format!("{name}_error"), found.error);
            metrics.insert(format!("{name}_prior_dominated"), f64::from(u8::from(dominated)));
            metrics.insert(name, found.value);
        }
        metrics
    }

    fn cube_metrics(&self, filling: &Filling) -> Metrics {
        let median = |pick: fn(&(f32, f32, bool)) -> f32| {
            let values = filling.numbers.iter().map(|numbers| f64::from(pick(numbers)));
            upper(values.filter(|value| value.is_finite()).collect(), 0.5)
        };
        let mut metrics = Metrics::new();
        metrics.insert("spectra".into(), filling.numbers.len() as f64);
        metrics.insert("spectra_with_lines".into(), filling.numbers.iter().filter(|n| n.2).count() as f64);
        metrics.insert("spectra_at_bound".into(), filling.at_bound as f64);
        metrics.insert("median_reduced_chi2".into(), median(|numbers| numbers.0));
        metrics.insert("median_noise_factor".into(), median(|numbers| numbers.1));
        metrics.insert("samples".into(), self.observation.axis.len() as f64);
        metrics.extend(self.zero.iter().flat_map(MeasuredZero::metrics));
        for ratio in &self.ratios {
            let values = filling.maps.get(ratio.name).map(|map| map.values.iter().filter(|v| v.is_finite()));
            let values: Vec<f64> = values.into_iter().flatten().map(|v| f64::from(*v)).collect();
            if !values.is_empty() {
                metrics.insert(format!("median/{}", ratio.name), upper(values, 0.5));
            }
        }
        for ratio in &self.learned {
            metrics.extend(filling.maps.of_learned(ratio).into_iter().flat_map(|(median, dominated)| {
                let name = ratio.metric();
                [(format!("median/{name}"), median), (format!("prior_dominated/{name}"), dominated)]
            }));
        }
        metrics
    }

    fn warnings(&self, noise_factor: f64) -> Vec<String> {
        let mut warnings = Vec::new();
        let outside: Vec<&str> = self.observation.outside.iter().map(|line| line.name()).collect();
        if !outside.is_empty() && !self.request.lines.is_empty() {
            warnings.push(format!("not in the band, left out: {}", outside.join(", ")));
        }
        let untouched = self.zero.is_none() && self.request.velocity_zero_km_s == 0.0 && self.request.medium.is_none();
        if self.observation.is_sitelle && !self.observation.is_simulated && untouched {
            warnings.push(
                "zero point: SITELLE's software counts wavenumbers as one over the wavelength in air on an axis that a laser of 543.5 nm (vacuum) calibrates, so velocities come out some 75 km/s too high; set zero_point=sky_lines or velocity_zero_km_s"
                    .into(),
            );
        }
        let apart = noise_factor.max(1.0 / noise_factor);
        if self.observation.has_errors && apart > TOLERATED_FACTOR {
            warnings.push(format!(
                "noise: residuals free of lines scatter {noise_factor:.3e} times the errors of the file; all errors here are multiplied by it"
            ));
        }
        warnings
    }
}

impl Filling {
    fn put(&mut self, pixels: &[[usize; 2]], bin: usize, answer: Option<&Estimate>) {
        self.done += 1;
        let Some(answer) = answer else { return };
        self.maps.put(pixels, bin, answer);
        let found = answer.finds_lines(self.maps.least_significance());
        self.at_bound += usize::from(answer.at_bound);
        self.numbers.push((answer.fit.reduced_chi2() as f32, answer.noise_factor as f32, found));
    }
}

/// That ratios are the prior's; nothing where none is.
fn prior_dominated(ratios: &[String]) -> Option<String> {
    (!ratios.is_empty()).then(|| {
        let ratios = ratios.join(", ");
        format!("prior-dominated: {ratios}: there the spectrum hardly informs what the network says of the ratio")
    })
}

fn too_few() -> TaskError {
    TaskError::Failed(
        "too few samples of the spectrum count (missing, masked or without error); nothing can be fitted".into(),
    )
}
