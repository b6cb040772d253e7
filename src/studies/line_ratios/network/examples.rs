//! Examples for training and validation: a pool of spectra without noise, and what each step makes of them.

use rand::Rng;
use rayon::prelude::*;

use super::architecture::NetworkKind;
use super::features::{
    BROADENING_UNIT_KM_S, FILTERS, Observed, RATIO_INPUTS, RED_SAMPLES, REFINEMENT_INPUTS, VELOCITY_UNIT_KM_S,
    kinematics_inputs, ratio_inputs, red_signal, refinement_inputs,
};
use super::published::{PUBLISHED_INPUTS, published_inputs, published_labels, reference_grid};
use crate::numerics::random;
use crate::studies::line_ratios::prior::{RATIOS, Recipe, ratios};
use crate::studies::line_ratios::simulate::{CleanSpectrum, SpectrumLaw};

/// Inputs and targets of some examples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// `[example, input]`.
    pub inputs: Vec<f32>,
    /// `[example, target]`.
    pub targets: Vec<f32>,
    /// Examples.
    pub len: usize,
}

/// What a network is trained on.
#[derive(Debug)]
pub struct Pool {
    kind: NetworkKind,
    law: SpectrumLaw,
    seed: u64,
    spectra: Vec<CleanSpectrum>,
    grid: [[f64; 2]; FILTERS],
    /// Mean and standard deviation that targets are brought from.
    scale: TargetScale,
}

/// Mean and standard deviation of each target over the prior; the network gives targets of mean 0 and standard deviation 1.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TargetScale {
    /// Means.
    pub mean: Vec<f64>,
    /// Standard deviations.
    pub deviation: Vec<f64>,
}

impl NetworkKind {
    /// Number of targets.
    pub fn targets(self) -> usize {
        match self {
            Self::PublishedRatios | Self::Ratios => RATIOS.len(),
            Self::Kinematics | Self::Refinement => 2,
        }
    }

    /// Number of inputs.
    pub fn inputs(self) -> usize {
        match self {
            Self::PublishedRatios => PUBLISHED_INPUTS,
            Self::Ratios => RATIO_INPUTS,
            Self::Kinematics => RED_SAMPLES + 1,
            Self::Refinement => REFINEMENT_INPUTS,
        }
    }

    /// What the network says of the ratios: published labels, or `log10`.
    pub fn labels(self, recipe: Recipe, truth: &[f64; RATIOS.len()]) -> [f64; RATIOS.len()] {
        match (self, recipe) {
            (Self::PublishedRatios, Recipe::Published) => published_labels(truth),
            _ => truth.map(f64::log10),
        }
    }
}

impl Pool {
    /// `count` spectra of a seed.
    pub fn new(kind: NetworkKind, law: SpectrumLaw, seed: u64, count: usize) -> Self {
        let spectra = law.many(seed, 0, count);
        Self::of(kind, law, seed, spectra)
    }

    fn of(kind: NetworkKind, law: SpectrumLaw, seed: u64, spectra: Vec<CleanSpectrum>) -> Self {
        let scale = match kind {
            NetworkKind::PublishedRatios if law.recipe == Recipe::Published => TargetScale::none(RATIOS.len()),
            NetworkKind::PublishedRatios | NetworkKind::Ratios => TargetScale::of(kind, law.recipe, &spectra),
            NetworkKind::Kinematics | NetworkKind::Refinement => TargetScale::none(2),
        };
        Self { kind, law, seed, spectra, grid: reference_grid(law.recipe), scale }
    }

    /// All but every `folds`-th spectrum, and these, for cross-validation: no spectrum is in both, nor any noise.
    pub fn split(&self, fold: usize, folds: usize) -> [Self; 2] {
        let part = |left_out: bool| -> Vec<CleanSpectrum> {
            let own = self.spectra.iter().enumerate().filter(|(k, _)| (k % folds == fold) == left_out);
            own.map(|(_, spectrum)| spectrum.clone()).collect()
        };
        // Odd and beyond the small numbers that people give as seeds.
        let other_noise = self.seed ^ (0xF01D_0001 + 2 * fold as u64);
        [Self::of(self.kind, self.law, self.seed, part(false)), Self::of(self.kind, self.law, other_noise, part(true))]
    }

    /// What its targets were brought from.
    pub fn scale(&self) -> &TargetScale {
        &self.scale
    }

    /// Takes over the scale of the training for a validation set.
    pub fn scaled(self, scale: TargetScale) -> Self {
        Self { scale, ..self }
    }

    /// Spectra.
    pub fn len(&self) -> usize {
        self.spectra.len()
    }

    /// True without spectra.
    pub fn is_empty(&self) -> bool {
        self.spectra.is_empty()
    }

    /// Examples `first .. first + count` of an endless list that walks the pool again and again, each time with other noise
    /// (the published network with the same as ever in the published recipe). On all threads; the same on any number of them.
    pub fn batch(&self, first: u64, count: usize) -> Batch {
        let (inputs, targets) = (self.kind.inputs(), self.kind.targets());
        let mut out = Batch { inputs: vec![0.0; count * inputs], targets: vec![0.0; count * targets], len: count };
        let rows = out.inputs.par_chunks_mut(inputs).zip(out.targets.par_chunks_mut(targets)).enumerate();
        rows.for_each(|(k, (inputs, targets))| self.example(first + k as u64, inputs, targets));
        out
    }

    fn example(&self, index: u64, inputs: &mut [f32], targets: &mut [f32]) {
        let len = self.spectra.len() as u64;
        // Each walk begins elsewhere, so that neighbours in one batch are not neighbours in the next.
        let walk = index / len;
        #[allow(clippy::cast_possible_truncation)] // less than the length
        let place = ((index % len).wrapping_mul(STRIDES[(walk % STRIDES.len() as u64) as usize]) % len) as usize;
        let clean = &self.spectra[place];
        let as_published = self.law.recipe == Recipe::Published && self.kind == NetworkKind::PublishedRatios;
        let redrawn = if as_published { place as u64 } else { index };
        let mut stream = random::stream(self.seed, "line_ratios.noise", redrawn);
        let signal_to_noise = self.law.draw_signal_to_noise(&mut stream);
        let noisy = clean.with_noise(signal_to_noise, &mut stream);
        let mut spectrum = Observed::from(&noisy);
        let truth = [clean.apparent_velocity_km_s(), clean.broadening_km_s];
        let mut kinematic_targets = |velocity: f64, broadening: f64| {
            targets[0] = (velocity / VELOCITY_UNIT_KM_S) as f32;
            targets[1] = (broadening / BROADENING_UNIT_KM_S) as f32;
        };
        match self.kind {
            NetworkKind::Kinematics => {
                kinematics_inputs(&spectrum, inputs);
                kinematic_targets(truth[0], truth[1]);
            }
            NetworkKind::Refinement => {
                let guess = first_guess(truth, red_signal(&spectrum, truth), &mut stream);
                refinement_inputs(&spectrum, guess, inputs);
                kinematic_targets(truth[0] - guess[0], truth[1] - guess[1]);
            }
            NetworkKind::PublishedRatios => {
                published_inputs(&spectrum, &self.grid, inputs);
                self.ratio_targets(clean, targets);
            }
            NetworkKind::Ratios => {
                if self.law.recipe == Recipe::Corrected {
                    leave_out_filters(&mut spectrum, &mut stream);
                }
                let known = measured(truth, red_signal(&spectrum, truth), &mut stream);
                ratio_inputs(&spectrum, known, inputs);
                self.ratio_targets(clean, targets);
            }
        }
    }

    fn ratio_targets(&self, clean: &CleanSpectrum, targets: &mut [f32]) {
        let labels = self.kind.labels(self.law.recipe, &ratios(&clean.nebula.fluxes));
        for (k, target) in targets.iter_mut().enumerate() {
            *target = ((labels[k] - self.scale.mean[k]) / self.scale.deviation[k]) as f32;
        }
    }
}

/// Odd primes far apart: multiples of them walk a pool in different orders (unless its length is a multiple of one).
const STRIDES: [u64; 7] = [1, 7_919, 15_485_863, 32_452_843, 49_979_687, 67_867_967, 86_028_121];

impl TargetScale {
    fn none(count: usize) -> Self {
        Self { mean: vec![0.0; count], deviation: vec![1.0; count] }
    }

    fn of(kind: NetworkKind, recipe: Recipe, spectra: &[CleanSpectrum]) -> Self {
        let labels: Vec<_> = spectra.iter().map(|s| kind.labels(recipe, &ratios(&s.nebula.fluxes))).collect();
        let count = labels.len().max(1) as f64;
        let mean: Vec<f64> = (0..RATIOS.len()).map(|k| labels.iter().map(|l| l[k]).sum::<f64>() / count).collect();
        let deviation = (0..RATIOS.len()).map(|k| {
            let square = labels.iter().map(|l| (l[k] - mean[k]).powi(2)).sum::<f64>() / count;
            // The doublet ratio is a constant but for dust; a network cannot be asked for less than a thousandth of a dex.
            square.sqrt().max(1e-3)
        });
        Self { deviation: deviation.collect(), mean }
    }
}

/// Velocity and broadening (km/s) as a first look may find them: anywhere within six standard errors, all equally likely, so that
/// the guess itself tells nothing that the spectrum does not.
fn first_guess(truth: [f64; 2], signal: f32, stream: &mut impl Rng) -> [f64; 2] {
    let reach = (6.0 * standard_error(truth[1], signal)).clamp(2.0, 60.0);
    let mut off = || random::uniform_in(stream, -reach, reach);
    [truth[0] + off(), (truth[1] + 1.1 * off()).clamp(1.0, 110.0)]
}

/// About what velocity and broadening can be known to (km/s) at this S/N of all lines of SN3.
fn standard_error(broadening: f64, signal: f32) -> f64 {
    (40.0 + 0.7 * broadening) / f64::from(signal.max(3.0))
}

/// Velocity and broadening (km/s) as they are measured at this S/N of all lines of SN3.
fn measured([velocity, broadening]: [f64; 2], signal: f32, stream: &mut impl Rng) -> [f64; 2] {
    let size = random::uniform_in(stream, 0.8, 1.4) * standard_error(broadening, signal);
    let [one, other] = [random::normal(stream), random::normal(stream)].map(|g| size * g);
    [velocity + one, (broadening + 1.1 * other).clamp(1.0, 110.0)]
}

/// Cubes of one filter are the rule: SN1, SN2 or both are often missing.
fn leave_out_filters(spectrum: &mut Observed, stream: &mut impl Rng) {
    let both = random::uniform(stream) < 0.15;
    for band in &mut spectrum.bands[..2] {
        if both || random::uniform(stream) < 0.12 {
            *band = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(kind: NetworkKind, recipe: Recipe) -> Pool {
        Pool::new(kind, SpectrumLaw::of(recipe), 5, 30)
    }

    #[test]
    fn batches_are_the_same_on_any_number_of_threads_and_the_noise_is_redrawn() {
        for kind in
            [NetworkKind::PublishedRatios, NetworkKind::Ratios, NetworkKind::Kinematics, NetworkKind::Refinement]
        {
            let pool = pool(kind, Recipe::Corrected);
            let threads = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            let one = threads(1).install(|| pool.batch(10, 12));
            assert_eq!(one, threads(3).install(|| pool.batch(10, 12)), "{kind:?}");
            assert!(one.inputs.iter().chain(&one.targets).all(|v| v.is_finite()), "{kind:?}");
            // The same spectrum in the next walk: stride 7919 = 29 modulo 30, so place 29 k of walk 1 meets place k of walk 0.
            let again = pool.batch(30 + 1, 1);
            let before = pool.batch(29, 1);
            let same_spectrum = kind == NetworkKind::Refinement || again.targets == before.targets;
            assert!(same_spectrum && again.inputs != before.inputs, "{kind:?}");
        }
    }

    #[test]
    fn folds_hold_every_spectrum_once() {
        let pool = pool(NetworkKind::Ratios, Recipe::Corrected);
        let mut left_out = Vec::new();
        for fold in 0..4 {
            let [taught, held_out] = pool.split(fold, 4);
            assert_eq!(taught.len() + held_out.len(), pool.len());
            assert!(held_out.spectra.iter().all(|spectrum| !taught.spectra.contains(spectrum)));
            left_out.extend(held_out.spectra);
        }
        assert_eq!(left_out.len(), pool.len());
        assert!(pool.spectra.iter().all(|spectrum| left_out.contains(spectrum)));
    }

    #[test]
    fn the_published_noise_is_drawn_once() {
        let pool = pool(NetworkKind::PublishedRatios, Recipe::Published);
        assert_eq!(pool.batch(31, 1), pool.batch(29, 1));
        assert_eq!(pool.scale(), &TargetScale::none(9));
    }

    #[test]
    fn corrected_targets_have_mean_zero_and_deviation_one() {
        let pool = pool(NetworkKind::Ratios, Recipe::Corrected);
        let batch = pool.batch(0, 30);
        for k in 0..8 {
            let own: Vec<f64> = batch.targets.chunks_exact(9).map(|t| f64::from(t[k])).collect();
            let mean = own.iter().sum::<f64>() / 30.0;
            let square = own.iter().map(|t| t * t).sum::<f64>() / 30.0;
            assert!(mean.abs() < 1e-4 && (square - 1.0).abs() < 1e-3, "{k}: {mean} {square}");
        }
        // A ratio of transition rates, but for the dust between the two lines.
        assert!(pool.scale().deviation[8] < 0.005, "{:?}", pool.scale());
    }
}
