//! The zscale algorithm of IRAF's `display` task, as described in its help page, with astropy's constants.

/// Target number of samples.
const SAMPLES: usize = 1000;
/// The slope of the fit is divided by this.
const CONTRAST: f64 = 0.25;
/// The fit is given up when more than this share of the samples is rejected.
const MAX_REJECT: f64 = 0.5;
/// ... or when fewer samples than this are left.
const MIN_SAMPLES: usize = 5;
/// Samples further from the line than this many standard deviations are rejected.
const REJECT_SIGMA: f64 = 2.5;
/// At most so many rounds of rejection.
const MAX_ITERATIONS: usize = 5;

/// Limits from the finite values of an image, read in memory order.
///
/// Every n-th value is taken, they are sorted, and a line is fitted to value against rank with rejection of outliers;
/// the limits are where the line, steepened by `1 / CONTRAST`, reaches the ends of the ranks around the median,
/// but never outside of the sampled values. Without finite values there are no limits.
pub(super) fn zscale(finite: impl Iterator<Item = f32>, finite_count: usize) -> Option<(f64, f64)> {
    let stride = (finite_count / SAMPLES).max(1);
    let mut samples: Vec<f64> = finite.step_by(stride).take(SAMPLES).map(f64::from).collect();
    samples.sort_by(f64::total_cmp);
    let (low, high) = (*samples.first()?, *samples.last()?);
    let count = samples.len();
    let enough = MIN_SAMPLES.max((count as f64 * MAX_REJECT) as usize);
    let grow = ((count as f64 * 0.01) as usize).max(1);
    let (slope, kept) = fit_with_rejection(&samples, enough, grow);
    if kept < enough {
        return Some((low, high));
    }
    let slope = slope / CONTRAST;
    let center = (count - 1) / 2;
    let median = if count % 2 == 1 { samples[center] } else { 0.5 * (samples[center] + samples[center + 1]) };
    Some((low.max(median - (center as f64 - 1.0) * slope), high.min(median + (count - center) as f64 * slope)))
}

/// The slope of value against rank, and how many samples it rests on.
fn fit_with_rejection(samples: &[f64], enough: usize, grow: usize) -> (f64, usize) {
    let mut rejected = vec![false; samples.len()];
    let mut slope = 0.0;
    let mut last_kept = samples.len() + 1;
    let mut kept = samples.len();
    for _ in 0..MAX_ITERATIONS {
        if kept >= last_kept || kept < enough {
            break;
        }
        last_kept = kept;
        let Some(line) = fit_line(samples, &rejected) else {
            break;
        };
        slope = line.0;
        let residual = |rank: usize| samples[rank] - (line.0 * rank as f64 + line.1);
        let threshold = REJECT_SIGMA * deviation(samples, &rejected, residual);
        // Once rejected stays rejected, and takes its neighbours along.
        let outliers: Vec<usize> =
            (0..samples.len()).filter(|&rank| rejected[rank] || residual(rank).abs() > threshold).collect();
        rejected = grown(&outliers, samples.len(), grow);
        kept = rejected.iter().filter(|r| !**r).count();
    }
    (slope, kept)
}

/// Marks the outliers and their neighbours in a window of `width`, as a "same" convolution with `width` ones does.
fn grown(outliers: &[usize], count: usize, width: usize) -> Vec<bool> {
    let mut mask = vec![false; count];
    let before = (width - 1) / 2;
    let after = width / 2;
    for &rank in outliers {
        let first = rank.saturating_sub(before);
        let end = (rank + after + 1).min(count);
        mask[first..end].fill(true);
    }
    mask
}

/// Least squares of value against rank over the samples that are left: (slope, intercept).
fn fit_line(samples: &[f64], rejected: &[bool]) -> Option<(f64, f64)> {
    let left = || samples.iter().enumerate().filter(|(rank, _)| !rejected[*rank]);
    let n = left().count() as f64;
    if n < 2.0 {
        return None;
    }
    let mean_rank = left().map(|(rank, _)| rank as f64).sum::<f64>() / n;
    let mean_value = left().map(|(_, v)| v).sum::<f64>() / n;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (rank, value) in left() {
        let d = rank as f64 - mean_rank;
        covariance += d * (value - mean_value);
        variance += d * d;
    }
    let slope = covariance / variance;
    Some((slope, mean_value - slope * mean_rank))
}

/// Population standard deviation of the residuals that are left.
fn deviation(samples: &[f64], rejected: &[bool], residual: impl Fn(usize) -> f64) -> f64 {
    let left = || (0..samples.len()).filter(|rank| !rejected[*rank]);
    let n = left().count().max(1) as f64;
    let mean = left().map(&residual).sum::<f64>() / n;
    (left().map(|rank| (residual(rank) - mean).powi(2)).sum::<f64>() / n).sqrt()
}
