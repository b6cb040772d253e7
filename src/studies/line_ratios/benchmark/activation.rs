//! Which samples of a spectrum a network looks at: by how much its answers move when a sample does.

use rayon::prelude::*;

use super::Networks;
use crate::numerics::random;
use crate::studies::line_ratios::network::{Memory, Observed};
use crate::studies::line_ratios::prior::{RATIOS, Recipe};
use crate::studies::line_ratios::simulate::{FILTERS, SpectrumLaw};

/// S/N of the spectra of the map.
const SIGNAL_TO_NOISE: f64 = 30.0;

/// Root mean square change of each answer when one sample moves by the noise, over some spectra at rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activation {
    /// Wavenumber of each sample (cm-1).
    pub wavenumber_cm1: Vec<f64>,
    /// Of the published network, in its labels: for each ratio, each sample.
    pub published: Vec<Vec<f64>>,
    /// Of the recommended networks, kinematics and all, in `log10`.
    pub recommended: Vec<Vec<f64>>,
}

impl Activation {
    /// Moves every sample of `count` spectra.
    pub(super) fn measure(networks: &Networks, seed: u64, count: usize) -> Self {
        if count == 0 {
            return Self::default();
        }
        let mut law = SpectrumLaw::of(Recipe::Published);
        // All lines at one place, or the map is smeared.
        (law.velocity_km_s, law.resolution) = ([0.0, 0.0], [[1000.0; 2], [1000.0; 2], [5000.0; 2]]);
        let spectra: Vec<_> = (0..count as u64)
            .map(|k| {
                let mut stream = random::stream(seed, "line_ratios.activation", k);
                law.clean(seed, (1 << 50) + k).with_noise([SIGNAL_TO_NOISE; FILTERS], &mut stream)
            })
            .collect();
        let places: Vec<(usize, usize)> =
            (0..FILTERS).flat_map(|f| (0..spectra[0].bands[f].values.len()).map(move |j| (f, j))).collect();
        let change = |(f, j): &(usize, usize)| {
            let mut memory = Memory::default();
            let mut squares = [[0.0; RATIOS.len()]; 2];
            for spectrum in &spectra {
                let mut moved = spectrum.clone();
                moved.bands[*f].values[*j] += spectrum.noise[*f];
                let pair = [Observed::from(spectrum), Observed::from(&moved)];
                let (mut labels, mut estimates) = (Vec::new(), Vec::new());
                networks.published.labels(&pair, &mut memory, &mut labels);
                networks.published_prior.estimate(&pair, &mut memory, &mut estimates);
                for k in 0..RATIOS.len() {
                    squares[0][k] += (labels[1][k].value - labels[0][k].value).powi(2);
                    let logs = [0, 1].map(|p: usize| estimates[p].log_ratios[k].value);
                    squares[1][k] += (logs[1] - logs[0]).powi(2);
                }
            }
            squares.map(|s| s.map(|s| (s / count as f64).sqrt()))
        };
        let changes: Vec<_> = places.par_iter().map(change).collect();
        let of = |network: usize| -> Vec<Vec<f64>> {
            (0..RATIOS.len()).map(|k| changes.iter().map(|c| c[network][k]).collect()).collect()
        };
        let wavenumber =
            |(f, j): &(usize, usize)| spectra[0].bands[*f].first_cm1 + *j as f64 * spectra[0].bands[*f].spacing_cm1;
        Self { wavenumber_cm1: places.iter().map(wavenumber).collect(), published: of(0), recommended: of(1) }
    }

    /// Share of the summed squares of an answer that lies within so many cm-1 of some wavenumbers.
    pub fn share_near(&self, changes: &[f64], places_cm1: &[f64], reach_cm1: f64) -> f64 {
        let square = |near: bool| {
            let pairs = self.wavenumber_cm1.iter().zip(changes);
            let of = pairs.filter(|(w, _)| !near || places_cm1.iter().any(|p| (*w - p).abs() <= reach_cm1));
            of.map(|(_, c)| c * c).sum::<f64>()
        };
        square(true) / square(false)
    }
}
