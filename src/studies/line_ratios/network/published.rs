//! What the published ratio network takes and gives.

use super::features::{FILTERS, Observed};
use crate::studies::line_ratios::axis::Filter;
use crate::studies::line_ratios::prior::{RATIOS, Recipe};
use crate::studies::line_ratios::simulate::SpectrumLaw;

/// Samples of SN1, SN2 and SN3 that it takes.
pub const PUBLISHED_SAMPLES: [usize; FILTERS] = [52, 80, 488];
/// All of them.
pub const PUBLISHED_INPUTS: usize = 620;
/// Resolving power of the reference spectra.
const REFERENCE_RESOLUTION: [f64; FILTERS] = [1000.0, 1000.0, 5000.0];
/// Middle of the samples of each filter (cm-1). Only their numbers are published; these windows are centred on the lines.
const MIDDLES: [f64; FILTERS] = [26_828.0, 20_271.0, 15_066.0];

/// First wavenumber and distance of the samples of each filter (cm-1).
pub fn reference_grid(recipe: Recipe) -> [[f64; 2]; FILTERS] {
    let correction = SpectrumLaw::of(recipe).correction;
    std::array::from_fn(|f| {
        let spacing = Filter::ALL[f].axis(REFERENCE_RESOLUTION[f], correction).spacing();
        [MIDDLES[f] - 0.5 * (PUBLISHED_SAMPLES[f] as f64 - 1.0) * spacing, spacing]
    })
}

/// The three filters on the reference grid by straight lines, one after the other, divided by the greatest value of all.
pub fn published_inputs(spectrum: &Observed, grid: &[[f64; 2]; FILTERS], out: &mut [f32]) {
    let mut rest = &mut *out;
    for (f, count) in PUBLISHED_SAMPLES.into_iter().enumerate() {
        let (own, after) = rest.split_at_mut(count);
        rest = after;
        match spectrum.bands[f] {
            Some((band, _)) => band.linear(grid[f][0], grid[f][1], own),
            None => own.fill(0.0),
        }
    }
    let greatest = out.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    out.iter_mut().for_each(|v| *v /= greatest);
}

/// Labels of the published recipe: `arcsinh` of the ratio rounded to two decimals, which makes zero of those below 0.005.
pub fn published_labels(ratios: &[f64; RATIOS.len()]) -> [f64; RATIOS.len()] {
    ratios.map(|r| ((100.0 * r).round() / 100.0).asinh())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;
    use crate::studies::line_ratios::lines::Line;

    #[test]
    fn the_reference_grids_hold_every_line_at_every_velocity() {
        for (f, range) in crate::studies::line_ratios::simulate::LINES_OF.into_iter().enumerate() {
            let [first, spacing] = reference_grid(Recipe::Published)[f];
            let last = first + (PUBLISHED_SAMPLES[f] as f64 - 1.0) * spacing;
            for line in &Line::ALL[range] {
                let place = line.air_wavenumber();
                let room = 250.0 / 3e5 * place + 3.0 * spacing;
                assert!(first < place - room && last > place + room, "{line:?}: {first} to {last}");
            }
        }
        assert_eq!(PUBLISHED_SAMPLES.iter().sum::<usize>(), PUBLISHED_INPUTS);
    }

    #[test]
    fn inputs_reach_one_and_labels_are_rounded() {
        let law = SpectrumLaw::of(Recipe::Published);
        let mut stream = random::stream(4, "published.test", 0);
        let spectrum = law.clean(4, 0).with_noise([50.0; 3], &mut stream);
        let mut out = vec![0.0; PUBLISHED_INPUTS];
        published_inputs(&Observed::from(&spectrum), &reference_grid(Recipe::Published), &mut out);
        let greatest = out.iter().copied().fold(0.0, f32::max);
        assert!((greatest - 1.0).abs() < 1e-6 && out.iter().all(|v| v.is_finite()));
        let labels = published_labels(&[0.7695, 0.0049, 0.0051, 1.0, 2.0, 3.0, 4.0, 2.87, 1.0 / 2.96]);
        assert_eq!(labels[1], 0.0);
        assert!((labels[0] - 0.77f64.asinh()).abs() < 1e-12 && labels[2] > 0.0099);
    }
}
