//! Fits and posteriors of the simulated lenses, and what their intervals hold.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use rayon::prelude::*;

use super::draw::lens_number;
use super::{BenchmarkRequest, BenchmarkUpdate};
use crate::studies::lens_models::LensModel;
use crate::studies::lens_reconstruction::LensError;
use crate::studies::lens_reconstruction::classical::{
    FitSettings, Posterior, PosteriorSettings, fit_parametric, sample_posterior,
};
use crate::studies::lens_reconstruction::maps::lens_metrics;
use crate::studies::lens_reconstruction::simulate::simulate;
use crate::tasks::{Progress, TaskError};

/// What is tested, under the names of the posterior.
pub const QUANTITIES: [&str; 5] = ["einstein_radius_arcsec", "axis_ratio", "shear", "gamma1", "gamma2"];

/// Truth and interval of one quantity of one lens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// True value.
    pub truth: f64,
    /// 16, 50 and 84 per cent quantiles of the posterior; NaN where the fit failed.
    pub quantiles: [f64; 3],
}

impl Interval {
    /// Whether the 68 per cent interval holds the truth. A failed fit holds nothing.
    pub fn holds(&self) -> bool {
        (self.quantiles[0]..=self.quantiles[2]).contains(&self.truth)
    }

    /// Half the width of the interval.
    pub fn half_width(&self) -> f64 {
        0.5 * (self.quantiles[2] - self.quantiles[0])
    }

    /// Distance of the median from the truth in half widths.
    pub fn pull(&self) -> f64 {
        (self.quantiles[1] - self.truth) / self.half_width()
    }
}

/// One lens of the benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct CoverageRow {
    /// Its number, from 0.
    pub lens: usize,
    /// In the order of [`QUANTITIES`].
    pub intervals: [Interval; QUANTITIES.len()],
    /// Reduced chi2 of the fit; NaN where it failed.
    pub reduced_chi2: f64,
    /// The same of the best model without a lensed source.
    pub reduced_chi2_null: f64,
    /// Greatest R-hat of the quantities of the lens.
    pub r_hat: f64,
    /// Least effective sample size of them.
    pub effective_draws: f64,
    /// What was held still or went wrong; empty as a rule.
    pub remark: String,
}

impl CoverageRow {
    /// In words, for a progress line.
    fn words(&self) -> String {
        let [radius, ratio, ..] = &self.intervals;
        if radius.quantiles[1].is_nan() {
            return format!("lens {}: {}", self.lens + 1, self.remark);
        }
        format!(
            "lens {}: Einstein radius {:.4} +- {:.4} (truth {:.4}), axis ratio {:.3} +- {:.3} (truth {:.3})",
            self.lens + 1,
            radius.quantiles[1],
            radius.half_width(),
            radius.truth,
            ratio.quantiles[1],
            ratio.half_width(),
            ratio.truth,
        )
    }
}

/// True values in the order of [`QUANTITIES`].
fn truths(lens: &LensModel) -> [f64; QUANTITIES.len()] {
    let metrics = lens_metrics(lens);
    let radius = lens.effective_einstein_radius();
    [radius, metrics["axis_ratio"], lens.shear.strength(), lens.shear.gamma1, lens.shear.gamma2]
}

/// Every lens, in order. The same request gives the same rows on any number of threads.
pub(super) fn run(
    request: &BenchmarkRequest,
    progress: &Progress<BenchmarkUpdate>,
) -> Result<Vec<CoverageRow>, TaskError> {
    progress.phase("coverage");
    let done = Mutex::new(Vec::<CoverageRow>::new());
    // A paused job must not hold the threads that all jobs share: lenses go in batches, and it waits between them.
    let batch = rayon::current_num_threads().max(1);
    let mut rows = Vec::new();
    for first in (0..request.lenses).step_by(batch) {
        progress.check()?;
        let made = (first..(first + batch).min(request.lenses))
            .into_par_iter()
            .map(|index| {
                let row = one(request, index, progress)?;
                show(&row, &mut done.lock().unwrap_or_else(PoisonError::into_inner), request, progress);
                Ok(row)
            })
            .collect::<Result<Vec<_>, TaskError>>()?;
        rows.extend(made);
    }
    Ok(rows)
}

/// Puts a finished lens on the screen.
fn show(
    row: &CoverageRow,
    done: &mut Vec<CoverageRow>,
    request: &BenchmarkRequest,
    progress: &Progress<BenchmarkUpdate>,
) {
    let place = done.partition_point(|r| r.lens < row.lens);
    done.insert(place, row.clone());
    progress.fraction(done.len() as f64 / request.lenses as f64);
    let mut shares = String::new();
    for (k, name) in QUANTITIES.iter().enumerate() {
        let held = done.iter().filter(|r| r.intervals[k].holds()).count() as f64 / done.len() as f64;
        progress.log(&format!("coverage of {name}"), done.len() as f64, held);
        shares.push_str(&format!(" {} {held:.2}", name.trim_end_matches("_arcsec").replace('_', " ")));
    }
    progress.phase(format!("{}; held so far:{shares}", row.words()));
    progress.update(|| BenchmarkUpdate { rows: Arc::new(done.clone()), ..BenchmarkUpdate::default() });
}

fn one(
    request: &BenchmarkRequest,
    index: usize,
    progress: &Progress<BenchmarkUpdate>,
) -> Result<CoverageRow, TaskError> {
    let go_on = || if progress.stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let spec = lens_number(request.seed, index, request.pixels, request.lens_light);
    let observation = simulate(&spec)?.observation;
    let settings = FitSettings {
        starts: request.starts,
        lens_light_components: usize::from(request.lens_light),
        source_components: 1,
        supersampling: request.supersampling,
        seed: spec.seed,
        ..FitSettings::default()
    };
    let drawn = fit_parametric(&observation, &settings, &mut |_| go_on()).and_then(|fit| {
        let settings =
            PosteriorSettings { draws: request.posterior_draws, supersampling: request.supersampling, seed: spec.seed };
        let posterior = sample_posterior(&observation, &fit, settings, &mut |_| go_on())?;
        Ok((fit, posterior))
    });
    let truths = truths(&spec.scene.lens);
    let row = match drawn {
        Ok((fit, posterior)) => {
            let (r_hat, effective_draws) = posterior.worst();
            CoverageRow {
                lens: index,
                intervals: intervals(truths, Some(&posterior)),
                reduced_chi2: fit.reduced_chi2,
                reduced_chi2_null: fit.null_reduced_chi2,
                r_hat,
                effective_draws,
                remark: posterior.held.iter().map(|h| format!("{h} held")).collect::<Vec<_>>().join(", "),
            }
        }
        Err(LensError::Cancelled) => return Err(TaskError::Cancelled),
        // A lens that could not be fitted is a result: none of its intervals holds the truth.
        Err(error) => CoverageRow {
            lens: index,
            intervals: intervals(truths, None),
            reduced_chi2: f64::NAN,
            reduced_chi2_null: f64::NAN,
            r_hat: f64::NAN,
            effective_draws: f64::NAN,
            remark: error.to_string(),
        },
    };
    Ok(row)
}

fn intervals(truths: [f64; QUANTITIES.len()], posterior: Option<&Posterior>) -> [Interval; QUANTITIES.len()] {
    std::array::from_fn(|k| {
        let quantity = posterior.and_then(|p| p.quantity(QUANTITIES[k]));
        Interval { truth: truths[k], quantiles: quantity.map_or([f64::NAN; 3], |q| q.quantiles) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_what_lies_in_it_and_a_failed_fit_nothing() {
        let interval = |truth: f64| Interval { truth, quantiles: [0.9, 1.0, 1.2] };
        assert!(interval(0.95).holds() && !interval(1.3).holds() && !interval(0.8).holds());
        assert!((interval(1.3).pull() + 2.0).abs() < 1e-12);
        assert!(!Interval { truth: 1.0, quantiles: [f64::NAN; 3] }.holds());
    }

    #[test]
    fn rows_do_not_depend_on_threads_and_find_their_lenses() {
        let request = BenchmarkRequest { lenses: 3, pixels: 44, posterior_draws: 40, starts: 3, ..Default::default() };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&request, &Progress::silent()).unwrap())
        };
        let (one, two) = (run(1), run(2));
        assert_eq!(one, two);
        for row in &one {
            let radius = row.intervals[0];
            assert!((radius.quantiles[1] - radius.truth).abs() < 0.05, "{row:?}");
            assert!(row.reduced_chi2 < 1.2 && row.reduced_chi2_null > 2.0, "{row:?}");
        }
    }

    #[test]
    fn a_cancelled_benchmark_stops() {
        let progress = Progress::silent();
        progress.board().cancel().cancel();
        assert!(matches!(run(&BenchmarkRequest::default(), &progress), Err(TaskError::Cancelled)));
    }
}
