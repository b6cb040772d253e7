//! Spectra brought to other grids: the band-limited way, and the straight line that the published recipe draws.

use std::f64::consts::PI;
use std::sync::LazyLock;

/// Samples that one new sample is made of.
const TAPS: usize = 12;
/// Places between two samples at which the kernel is tabulated.
const PHASES: usize = 256;
/// Shape of the Kaiser window.
const BETA: f64 = 4.5;

/// Weights of the taps for each phase; the sixth tap lies at or below the place.
static KERNEL: LazyLock<Vec<[f32; TAPS]>> = LazyLock::new(|| (0..=PHASES).map(kernel).collect());

fn kernel(phase: usize) -> [f32; TAPS] {
    let offset = phase as f64 / PHASES as f64;
    let half = 0.5 * TAPS as f64;
    let weights: [f64; TAPS] = std::array::from_fn(|t| {
        let x = t as f64 + 1.0 - half - offset;
        let sinc = if x.abs() < 1e-12 { 1.0 } else { (PI * x).sin() / (PI * x) };
        let edge = (1.0 - (x / half).powi(2)).max(0.0).sqrt();
        sinc * bessel_i0(BETA * edge)
    });
    // A constant stays what it is.
    let sum: f64 = weights.iter().sum();
    weights.map(|w| (w / sum) as f32)
}

/// Modified Bessel function of order zero, by its series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = 0.25 * x * x;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..40 {
        term *= quarter / f64::from(k * k);
        sum += term;
    }
    sum
}

/// A sampled spectrum: wavenumber of the first sample and distance of two (cm-1), width of the sinc (cm-1), values.
#[derive(Clone, Copy, Debug)]
pub struct BandView<'a> {
    /// Wavenumber of the first sample (cm-1).
    pub first_cm1: f64,
    /// Distance of two samples (cm-1).
    pub spacing_cm1: f64,
    /// Width of the sinc (cm-1).
    pub width_cm1: f64,
    /// Samples.
    pub values: &'a [f32],
}

impl<'a> From<&'a crate::studies::line_ratios::simulate::Band> for BandView<'a> {
    fn from(band: &'a crate::studies::line_ratios::simulate::Band) -> Self {
        let crate::studies::line_ratios::simulate::Band { first_cm1, spacing_cm1, width_cm1, ref values } = *band;
        Self { first_cm1, spacing_cm1, width_cm1, values }
    }
}

impl BandView<'_> {
    /// The value at a place counted in samples; zero where the kernel hangs over an end.
    #[inline]
    fn at(&self, kernel: &[[f32; TAPS]], place: f64) -> f32 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        // a negative place becomes 0 and is refused below
        let floor = place as usize;
        let first = floor.wrapping_sub(TAPS / 2 - 1);
        let Some(taps) = self.values.get(first..first.wrapping_add(TAPS)) else { return 0.0 };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to PHASES
        let phase = ((place - floor as f64) * PHASES as f64 + 0.5) as usize;
        let weights = &kernel[phase];
        let mut sums = [0.0f32; 4];
        for t in 0..4 {
            sums[t] = taps[t] * weights[t] + taps[t + 4] * weights[t + 4] + taps[t + 8] * weights[t + 8];
        }
        (sums[0] + sums[2]) + (sums[1] + sums[3])
    }

    /// Samples at `first_cm1 + k step_cm1`, times `factor` after `offset` has been taken off.
    pub fn regular(&self, first_cm1: f64, step_cm1: f64, offset: f32, factor: f32, out: &mut [f32]) {
        let inverse = 1.0 / self.spacing_cm1;
        let (start, step) = ((first_cm1 - self.first_cm1) * inverse, step_cm1 * inverse);
        let kernel = KERNEL.as_slice();
        for (k, out) in out.iter_mut().enumerate() {
            *out = (self.at(kernel, start + k as f64 * step) - offset) * factor;
        }
    }

    /// Samples at these wavenumbers (cm-1), times `factor` after `offset` has been taken off.
    pub fn at_wavenumbers(&self, wavenumbers: &[f64], offset: f32, factor: f32, out: &mut [f32]) {
        let inverse = 1.0 / self.spacing_cm1;
        let kernel = KERNEL.as_slice();
        for (out, wavenumber) in out.iter_mut().zip(wavenumbers) {
            *out = (self.at(kernel, (wavenumber - self.first_cm1) * inverse) - offset) * factor;
        }
    }

    /// Straight lines between samples, as the published recipe has it: `first_cm1 + k step_cm1`; zero outside.
    pub fn linear(&self, first_cm1: f64, step_cm1: f64, out: &mut [f32]) {
        for (k, out) in out.iter_mut().enumerate() {
            let place = (first_cm1 + k as f64 * step_cm1 - self.first_cm1) / self.spacing_cm1;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked
            let floor = place.max(0.0) as usize;
            let part = (place - floor as f64) as f32;
            *out = match self.values.get(floor..floor + 2) {
                Some(pair) if place >= 0.0 => pair[0] + part * (pair[1] - pair[0]),
                _ => 0.0,
            };
        }
    }

    /// Mean over the samples between each pair of wavenumbers (cm-1); zero if there is none.
    pub fn mean_within(&self, ranges: &[[f64; 2]]) -> f32 {
        let (mut sum, mut count) = (0.0f32, 0usize);
        for [low, high] in ranges {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
            let at = |cm1: f64| (((cm1 - self.first_cm1) / self.spacing_cm1).max(0.0) as usize).min(self.values.len());
            let own = &self.values[at(*low)..at(*high).max(at(*low))];
            // Eight sums side by side, in a fixed order.
            let mut eight = [0.0f32; 8];
            let whole = own.chunks_exact(8);
            let rest: f32 = whole.remainder().iter().sum();
            for chunk in whole {
                eight.iter_mut().zip(chunk).for_each(|(sum, v)| *sum += v);
            }
            sum += eight.iter().sum::<f32>() + rest;
            count += own.len();
        }
        if count == 0 { 0.0 } else { sum / count as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sinc as wide as that of SITELLE (0.8 of the Nyquist frequency), brought to places between its samples.
    #[test]
    fn a_band_limited_spectrum_keeps_its_values() {
        let sinc = |x: f64| {
            let u = PI * (x - 50.37) / 1.25;
            if u.abs() < 1e-9 { 1.0 } else { u.sin() / u }
        };
        let values: Vec<f32> = (0..100).map(|j| sinc(f64::from(j)) as f32).collect();
        let view = BandView { first_cm1: 1000.0, spacing_cm1: 2.0, width_cm1: 2.5, values: &values };
        let mut found = vec![0.0; 300];
        view.regular(1040.1, 0.4, 0.0, 1.0, &mut found);
        let (mut band_limited, mut straight) = (0.0f64, 0.0f64);
        let mut line = vec![0.0; 300];
        view.linear(1040.1, 0.4, &mut line);
        for k in 0..300 {
            let expected = sinc((40.1 + 0.4 * k as f64) / 2.0);
            band_limited = band_limited.max((f64::from(found[k]) - expected).abs());
            straight = straight.max((f64::from(line[k]) - expected).abs());
        }
        assert!(band_limited < 0.006, "{band_limited}");
        // What the published recipe loses of a peak.
        assert!(straight > 0.15, "{straight}");
    }

    #[test]
    fn ends_are_zero_and_means_are_means() {
        let values: Vec<f32> = (0..50).map(|j| j as f32).collect();
        let view = BandView { first_cm1: 0.0, spacing_cm1: 1.0, width_cm1: 1.2, values: &values };
        let mut out = [9.0; 3];
        view.at_wavenumbers(&[-5.0, 20.0, 46.5], 0.0, 2.0, &mut out);
        assert!(out[0] == 0.0 && (out[1] - 40.0).abs() < 1e-4 && out[2] == 0.0, "{out:?}");
        assert!((view.mean_within(&[[10.0, 20.0], [30.0, 40.0]]) - 24.5).abs() < 1e-5);
        assert_eq!(view.mean_within(&[[60.0, 70.0]]), 0.0);
    }
}
