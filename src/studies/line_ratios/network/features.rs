//! What the recommended networks look at: stretches of a spectrum around its lines, aligned with their rest frame and counted in
//! widths of the line shape, so that neither velocity nor resolving power changes what a line looks like.

use std::sync::LazyLock;

use super::resample::BandView;
use crate::studies::line_ratios::lines::{LIGHT_SPEED_KM_S, Line};
use crate::studies::line_ratios::shape::{LineShape, Sampler};

/// Filters, from the blue.
pub use crate::studies::line_ratios::simulate::FILTERS;

/// Distance of two aligned samples, in widths of the sinc: that of the samples of a spectrum with a quarter of its steps on the short side.
const STEP: f64 = 0.8;
/// Aligned samples around a line of SN3, and around the doublet of SN1.
const LONG: usize = 15;
/// Aligned samples around a line of SN2.
const SHORT: usize = 11;

/// Windows: the [OII] doublet, three lines of SN2, five of SN3.
pub const WINDOWS: usize = 9;
/// Filter of each window.
const FILTER_OF: [usize; WINDOWS] = [0, 1, 1, 1, 2, 2, 2, 2, 2];
/// Samples of each window.
const SAMPLES_OF: [usize; WINDOWS] = [LONG, SHORT, SHORT, SHORT, LONG, LONG, LONG, LONG, LONG];
/// Samples of all windows.
const ALIGNED: usize = 6 * LONG + 3 * SHORT;
/// First sample of SN3 among them, and its first window.
const FIRST_RED: usize = LONG + 3 * SHORT;
const FIRST_RED_WINDOW: usize = 4;

/// Values that the ratio network takes: aligned samples, S/N of nine lines, then for each filter its total S/N, its flux against
/// that of SN3 and whether it is there, and the broadening in widths of the sinc.
pub const RATIO_INPUTS: usize = ALIGNED + WINDOWS + 3 * FILTERS + 1;
/// Values that the refinement takes: aligned samples of SN3, S/N of its five lines and of all, broadening in widths and in km/s.
pub const REFINEMENT_INPUTS: usize = 5 * LONG + 5 + 3;

/// Standard deviation of the samples of SN3 without lines, about their mean; none where there are fewer than ten.
pub fn red_noise(band: &BandView) -> Option<f32> {
    band.scatter_within(CONTINUUM[2])
}

/// Wavenumbers (cm-1) without lines at up to 300 km/s, in each filter: where the continuum is measured.
const CONTINUUM: [&[[f64; 2]]; FILTERS] = [
    &[[26_050.0, 26_680.0], [26_980.0, 27_480.0]],
    &[[20_270.0, 20_470.0], [20_670.0, 20_800.0]],
    &[[14_620.0, 14_810.0], [14_940.0, 15_130.0], [15_330.0, 15_420.0]],
];

/// A spectrum as a network is given it: the filters that were observed, each with the standard deviation of its noise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observed<'a> {
    /// Filters from the blue; none where one was not observed.
    pub bands: [Option<(BandView<'a>, f32)>; FILTERS],
}

impl<'a> Observed<'a> {
    /// A spectrum of which only SN3 was observed.
    pub fn red(band: BandView<'a>, noise: f32) -> Self {
        Self { bands: [None, None, Some((band, noise))] }
    }
}

impl<'a> From<&'a crate::studies::line_ratios::simulate::NoisySpectrum> for Observed<'a> {
    fn from(spectrum: &'a crate::studies::line_ratios::simulate::NoisySpectrum) -> Self {
        let mut k = 0;
        let bands = spectrum.bands.each_ref().map(|band| {
            k += 1;
            Some((BandView::from(band), spectrum.noise[k - 1]))
        });
        Self { bands }
    }
}

/// Rest wavenumber of the middle of each window (cm-1, air).
static CENTRES: LazyLock<[f64; WINDOWS]> = LazyLock::new(|| {
    let of = |line: Line| line.air_wavenumber();
    let doublet = 0.5 * (of(Line::OII3726) + of(Line::OII3729));
    [
        doublet,
        of(Line::Hbeta),
        of(Line::OIII4959),
        of(Line::OIII5007),
        of(Line::NII6548),
        of(Line::Halpha),
        of(Line::NII6583),
        of(Line::SII6716),
        of(Line::SII6731),
    ]
});

/// Line shapes of norm 1 on the aligned samples, for broadenings of 0, 0.05, ... widths: a window of 15 samples, of 11, and the
/// doublet of SN1 (its lines 0.9 widths apart, as at a resolving power of 1000).
static TEMPLATES: LazyLock<[Vec<[f32; LONG]>; 3]> = LazyLock::new(|| {
    let table = |half: i32, parts: &[(f64, f64)]| {
        let axis: Vec<f64> = (-half..=half).map(|k| STEP * f64::from(k)).collect();
        let sampler = Sampler::new(axis, LineShape::Sinc { width: 1.0 });
        let row = |step: usize| {
            let count = sampler.axis().len();
            let mut sum = vec![0.0; count];
            let mut own = vec![0.0; count];
            for (centre, weight) in parts {
                sampler.profile(*centre, BROADENING_STEP * step as f64, 0..count, &mut own);
                sum.iter_mut().zip(&own).for_each(|(sum, own)| *sum += weight * own);
            }
            let norm = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
            std::array::from_fn(|k| sum.get(k).map_or(0.0, |v| (v / norm) as f32))
        };
        (0..BROADENINGS).map(row).collect()
    };
    [table(7, &[(0.0, 1.0)]), table(5, &[(0.0, 1.0)]), table(7, &[(-0.45, 1.2), (0.45, 1.0)])]
});

/// Distance of two tabulated broadenings, in widths of the sinc, and their number.
const BROADENING_STEP: f64 = 0.05;
const BROADENINGS: usize = 61;

fn template(table: &[[f32; LONG]], broadening: f64) -> [f32; LONG] {
    let place = (broadening / BROADENING_STEP).clamp(0.0, BROADENINGS as f64 - 1.001);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
    let index = place as usize;
    let part = (place - index as f64) as f32;
    let (low, high) = (&table[index], &table[index + 1]);
    std::array::from_fn(|k| low[k] + part * (high[k] - low[k]))
}

/// The aligned windows of a spectrum and the S/N of their lines.
struct Aligned {
    /// In units of the noise.
    samples: [f32; ALIGNED],
    /// Matched to the line shape; negative where the noise is.
    signal: [f32; WINDOWS],
    /// Root of the summed squares of the positive ones of each filter, at least 1.
    total: [f32; FILTERS],
    /// Broadening in widths of the sinc of SN3.
    broadening: f32,
}

impl Aligned {
    /// The windows `from ..` at a velocity and broadening (km/s).
    fn new(spectrum: &Observed, from: usize, [velocity, broadening]: [f64; 2]) -> Self {
        let mut out = Self { samples: [0.0; ALIGNED], signal: [0.0; WINDOWS], total: [1.0; FILTERS], broadening: 0.0 };
        let continuum: [f32; FILTERS] = std::array::from_fn(|f| {
            spectrum.bands[f].filter(|_| f >= FILTER_OF[from]).map_or(0.0, |(band, _)| band.mean_within(CONTINUUM[f]))
        });
        let shift = 1.0 / (1.0 + velocity / LIGHT_SPEED_KM_S);
        let mut first = SAMPLES_OF[..from].iter().sum();
        let mut squares = [1.0f32; FILTERS];
        for window in from..WINDOWS {
            let (filter, count) = (FILTER_OF[window], SAMPLES_OF[window]);
            let own = &mut out.samples[first..first + count];
            first += count;
            let Some((band, noise)) = spectrum.bands[filter] else { continue };
            let centre = CENTRES[window] * shift;
            let step = STEP * band.width_cm1;
            let half = (count / 2) as f64;
            band.regular(centre - half * step, step, continuum[filter], 1.0 / noise, own);
            let widths = broadening / LIGHT_SPEED_KM_S * centre / band.width_cm1;
            if filter == 2 {
                out.broadening = widths as f32;
            }
            let table = &TEMPLATES[if filter == 0 { 2 } else { usize::from(filter == 1) }];
            let shape = template(table, widths);
            let signal: f32 = own.iter().zip(&shape).map(|(v, t)| v * t).sum();
            out.signal[window] = signal;
            squares[filter] += signal.max(0.0).powi(2);
        }
        out.total = squares.map(f32::sqrt);
        out
    }
}

/// Inputs of the ratio network at a velocity and broadening (km/s). Gives the S/N of the brightest line of each filter, matched to
/// its shape; 0 where a filter was not observed.
pub fn ratio_inputs(spectrum: &Observed, kinematics: [f64; 2], out: &mut [f32]) -> [f32; FILTERS] {
    let aligned = Aligned::new(spectrum, 0, kinematics);
    let mut first = 0;
    for window in 0..WINDOWS {
        let scale = 1.0 / aligned.total[FILTER_OF[window]];
        let own = first..first + SAMPLES_OF[window];
        first = own.end;
        out[own.clone()].iter_mut().zip(&aligned.samples[own]).for_each(|(out, sample)| *out = sample * scale);
    }
    let out = &mut out[ALIGNED..];
    for (out, signal) in out.iter_mut().zip(aligned.signal) {
        *out = 0.5 * signal.asinh();
    }
    let out = &mut out[WINDOWS..];
    // Amplitude times width: fluxes of two filters compare whatever their resolving powers are.
    let scale = |f: usize| {
        spectrum.bands[f]
            .map_or(0.0, |(band, noise)| (noise * aligned.total[f] * band.width_cm1 as f32).max(f32::MIN_POSITIVE).ln())
    };
    let red = scale(2);
    for f in 0..FILTERS {
        let there = spectrum.bands[f].is_some();
        out[3 * f] = if there { 0.5 * aligned.total[f].ln() } else { 0.0 };
        out[3 * f + 1] =
            if there && spectrum.bands[2].is_some() { (0.5 * (scale(f) - red)).clamp(-5.0, 5.0) } else { 0.0 };
        out[3 * f + 2] = f32::from(u8::from(there));
    }
    out[3 * FILTERS] = aligned.broadening;
    let mut brightest = [0.0f32; FILTERS];
    for (signal, filter) in aligned.signal.iter().zip(FILTER_OF) {
        brightest[filter] = brightest[filter].max(*signal);
    }
    brightest
}

/// Inputs of the refinement at a first guess of velocity and broadening (km/s); SN3 alone counts.
pub fn refinement_inputs(spectrum: &Observed, kinematics: [f64; 2], out: &mut [f32]) {
    let aligned = Aligned::new(spectrum, FIRST_RED_WINDOW, kinematics);
    let total = aligned.total[2];
    for (out, value) in out.iter_mut().zip(&aligned.samples[FIRST_RED..]) {
        *out = value / total;
    }
    let out = &mut out[5 * LONG..];
    for (out, signal) in out.iter_mut().zip(&aligned.signal[FIRST_RED_WINDOW..]) {
        *out = 0.5 * signal.asinh();
    }
    out[5] = 0.5 * total.ln();
    out[6] = aligned.broadening;
    out[7] = (kinematics[1] / BROADENING_UNIT_KM_S) as f32;
}

/// Total S/N of the lines of SN3 at known kinematics, by matched filters: what sets how well they can be known.
pub fn red_signal(spectrum: &Observed, kinematics: [f64; 2]) -> f32 {
    Aligned::new(spectrum, FIRST_RED_WINDOW, kinematics).total[2]
}

/// Unit of velocities in the outputs of the networks (km/s).
pub const VELOCITY_UNIT_KM_S: f64 = 100.0;
/// Unit of broadenings in the outputs and inputs of the networks (km/s).
pub const BROADENING_UNIT_KM_S: f64 = 30.0;

/// Samples of SN3 around [NII] and Halpha, and around [SII], that the kinematics network takes.
const RED_SEGMENTS: [(f64, usize); 2] = [(15_231.0, 76), (14_872.8, 44)];
/// Values that the kinematics network takes: [`RED_SAMPLES`] on a grid regular in velocity, and their S/N.
pub const RED_SAMPLES: usize = RED_SEGMENTS[0].1 + RED_SEGMENTS[1].1;
/// Distance of two of them (km/s).
const RED_STEP_KM_S: f64 = 39.6;

static RED_GRID: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let segment = |(centre, count): (f64, usize)| {
        let at = move |k: usize| {
            let offset = k as f64 - 0.5 * (count as f64 - 1.0);
            centre * (offset * RED_STEP_KM_S / LIGHT_SPEED_KM_S).exp()
        };
        (0..count).map(at)
    };
    RED_SEGMENTS.into_iter().flat_map(segment).collect()
});

/// Inputs of the kinematics network: `RED_SAMPLES` samples of root mean square 1, and half the logarithm of that in units of the
/// noise. All zero without SN3.
pub fn kinematics_inputs(spectrum: &Observed, out: &mut [f32]) {
    let Some((band, noise)) = spectrum.bands[2] else {
        out.fill(0.0);
        return;
    };
    let continuum = band.mean_within(CONTINUUM[2]);
    let (samples, level) = out.split_at_mut(RED_SAMPLES);
    band.at_wavenumbers(&RED_GRID, continuum, 1.0 / noise, samples);
    let square: f32 = samples.iter().map(|v| v * v).sum();
    let rms = (square / RED_SAMPLES as f32).sqrt().max(f32::MIN_POSITIVE);
    samples.iter_mut().for_each(|v| *v /= rms);
    level[0] = rms.ln();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;
    use crate::studies::line_ratios::prior::{Nebula, Recipe};
    use crate::studies::line_ratios::simulate::{CleanSpectrum, SpectrumLaw};

    fn spectrum(velocity: f64, broadening: f64, resolution: [f64; 3]) -> CleanSpectrum {
        let nebula = Nebula::new([0.1, -0.6, -0.4, 0.0], 2.8, 0.6, 100.0);
        let law = SpectrumLaw::of(Recipe::Corrected);
        CleanSpectrum::new(Recipe::Corrected, nebula, [velocity, broadening], resolution, law.correction)
    }

    /// Noise so low that it does not count.
    fn inputs(spectrum: &CleanSpectrum) -> Vec<f32> {
        let noisy = spectrum.with_noise([1e4; 3], &mut random::stream(1, "features.test", 0));
        let mut out = vec![0.0; RATIO_INPUTS];
        ratio_inputs(&Observed::from(&noisy), [spectrum.velocity_km_s, spectrum.broadening_km_s], &mut out);
        out
    }

    /// The same nebula looks the same at another velocity, and nearly so at another resolving power.
    #[test]
    fn alignment_takes_velocity_and_resolution_out() {
        let reference = inputs(&spectrum(0.0, 30.0, [1000.0, 1000.0, 5000.0]));
        let moved = inputs(&spectrum(173.0, 30.0, [1000.0, 1000.0, 5000.0]));
        let largest = |other: &[f32], upto: usize| {
            reference.iter().zip(other).take(upto).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        // What is left is the interpolation: less than a per cent of the brightest line.
        assert!(largest(&moved, ALIGNED) < 0.01, "{}", largest(&moved, ALIGNED));
        // Twice the broadening at half the resolving power of SN3: the window of Halpha (its neighbours come nearer).
        let coarse = inputs(&spectrum(0.0, 60.0, [1000.0, 1000.0, 2500.0]));
        let apart = (FIRST_RED + LONG..FIRST_RED + 2 * LONG).map(|k| (reference[k] - coarse[k]).abs());
        let apart = apart.fold(0.0, f32::max);
        assert!(apart < 0.05, "{apart}");
    }

    /// The same fluxes at two resolving powers of SN2: what says how filters compare stays.
    #[test]
    fn filters_compare_by_fluxes_at_any_resolving_power() {
        let place = ALIGNED + WINDOWS + 3 + 1;
        let [low, high] = [900.0, 1100.0].map(|r| inputs(&spectrum(0.0, 30.0, [1000.0, r, 5000.0]))[place]);
        // The scale is half a logarithm: without the widths it would move by 0.1. What is left are side lobes of the neighbours.
        assert!((low - high).abs() < 0.02, "{low} {high}");
    }

    #[test]
    fn a_filter_that_was_not_observed_leaves_zeros() {
        let clean = spectrum(20.0, 30.0, [1000.0, 1000.0, 5000.0]);
        let noisy = clean.with_noise([50.0; 3], &mut random::stream(2, "features.test", 0));
        let all = Observed::from(&noisy);
        let mut out = vec![9.0; RATIO_INPUTS];
        ratio_inputs(&Observed { bands: [None, None, all.bands[2]] }, [20.0, 30.0], &mut out);
        assert!(out[..FIRST_RED].iter().all(|v| *v == 0.0));
        assert!(out[FIRST_RED + LONG + 7] > 0.1, "Halpha: {}", out[FIRST_RED + LONG + 7]);
        assert!(out.iter().all(|v| v.is_finite()));
        // Halpha alone has 50 in its peak, matched over its width more.
        assert!(red_signal(&all, [20.0, 30.0]) > 50.0);
    }

    #[test]
    fn the_grid_of_the_kinematics_holds_all_lines_at_its_limits() {
        let grid = &*RED_GRID;
        for line in &Line::ALL[5..] {
            for velocity in [-250.0, 250.0] {
                let place = line.air_wavenumber() / (1.0 + velocity / LIGHT_SPEED_KM_S);
                let nearest = grid.iter().map(|g| (g - place).abs()).fold(f64::INFINITY, f64::min);
                assert!(nearest < 1.1, "{line:?} at {velocity}: {nearest}");
            }
        }
        let mut out = vec![0.0; RED_SAMPLES + 1];
        let noisy = spectrum(0.0, 30.0, [1000.0, 1000.0, 5000.0]).with_noise([50.0; 3], &mut random::stream(2, "t", 0));
        kinematics_inputs(&Observed::from(&noisy), &mut out);
        let rms = out[..RED_SAMPLES].iter().map(|v| v * v).sum::<f32>() / RED_SAMPLES as f32;
        assert!((rms - 1.0).abs() < 1e-3 && out[RED_SAMPLES] > 0.5);
    }
}
