//! From spectra to kinematics and ratios by networks alone.

use std::sync::LazyLock;

use super::architecture::{COMPONENTS, NetworkKind};
use super::decode::{KinematicComponent, Measured, corrections_of, labels_of, mixture_of};
use super::fast::Buffers;
use super::features::{
    FILTERS, Observed, RATIO_INPUTS, RED_SAMPLES, REFINEMENT_INPUTS, kinematics_inputs, ratio_inputs, refinement_inputs,
};
use super::hybrid;
use super::loading::TrainedNetwork;
use super::published::{PUBLISHED_INPUTS, published_inputs, reference_grid};
use crate::studies::line_ratios::prior::{RATIOS, Recipe};
use crate::studies::line_ratios::ratios::lines_of;
use crate::studies::line_ratios::simulate::LINES_OF;
use crate::tasks::TaskError;

/// Spectra that are worked on together.
pub const TOGETHER: usize = 64;
/// Passes of the refinement.
const PASSES: usize = 2;

/// What the networks say of one spectrum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NetworkEstimate {
    /// Velocity (km/s), positive away from us.
    pub velocity_km_s: Measured,
    /// Standard deviation of the velocities in the gas (km/s).
    pub broadening_km_s: Measured,
    /// The first look at both: a mixture, the likeliest first.
    pub first_look: [KinematicComponent; COMPONENTS],
    /// `log10` of the nine ratios, in the order of [`RATIOS`].
    pub log_ratios: [Measured; RATIOS.len()],
    /// Ratios that the data hardly inform.
    pub prior_dominated: [bool; RATIOS.len()],
    /// S/N of the brightest line of each filter, matched to its shape; 0 where a filter was not observed.
    pub brightest: [f32; FILTERS],
}

/// The networks of the recommended way.
#[derive(Clone, Debug)]
pub struct LineNetworks {
    kinematics: TrainedNetwork,
    refinement: TrainedNetwork,
    ratios: TrainedNetwork,
}

/// Filters that each ratio needs.
static FILTERS_OF_RATIO: LazyLock<[[bool; FILTERS]; RATIOS.len()]> = LazyLock::new(|| {
    RATIOS.map(|name| {
        let lines: Vec<usize> = lines_of(name).into_iter().flatten().flatten().map(|line| line as usize).collect();
        LINES_OF.map(|own| lines.iter().any(|line| own.contains(line)))
    })
});

/// Working memory of a thread.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    inputs: Vec<f32>,
    outputs: Vec<f32>,
    buffers: Buffers,
}

impl LineNetworks {
    /// Those that come with the program, with ratios after a recipe.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn shipped(recipe: Recipe) -> Result<Self, TaskError> {
        let of = |kind| TrainedNetwork::shipped(kind, Recipe::Corrected);
        let ratios = TrainedNetwork::shipped(NetworkKind::Ratios, recipe)?;
        Ok(Self::new(of(NetworkKind::Kinematics)?, of(NetworkKind::Refinement)?, ratios))
    }

    /// Of these.
    pub fn new(kinematics: TrainedNetwork, refinement: TrainedNetwork, ratios: TrainedNetwork) -> Self {
        Self { kinematics, refinement, ratios }
    }

    /// What the ratio network was trained on.
    pub fn ratios(&self) -> &TrainedNetwork {
        &self.ratios
    }

    /// Kinematics and ratios of each spectrum. The same for any number of spectra in a call.
    pub fn estimate(&self, spectra: &[Observed], memory: &mut Memory, out: &mut Vec<NetworkEstimate>) {
        for some in spectra.chunks(TOGETHER) {
            let first = out.len();
            self.look(some, memory, out);
            for _ in 0..PASSES {
                self.refine(some, memory, &mut out[first..]);
            }
            self.read_ratios(some, memory, &mut out[first..]);
        }
    }

    /// Velocity and broadening at first sight.
    fn look(&self, spectra: &[Observed], memory: &mut Memory, out: &mut Vec<NetworkEstimate>) {
        let Memory { inputs, outputs, buffers } = memory;
        inputs.resize(spectra.len() * (RED_SAMPLES + 1), 0.0);
        for (spectrum, inputs) in spectra.iter().zip(inputs.chunks_exact_mut(RED_SAMPLES + 1)) {
            kinematics_inputs(spectrum, inputs);
        }
        self.kinematics.network.run(inputs, buffers, outputs);
        let each = outputs.len() / spectra.len().max(1);
        out.extend(outputs.chunks_exact(each.max(1)).map(|outputs| {
            let first_look = mixture_of(outputs);
            let KinematicComponent { velocity, broadening, .. } = first_look[0];
            NetworkEstimate { velocity_km_s: velocity, broadening_km_s: broadening, first_look, ..Default::default() }
        }));
    }

    fn refine(&self, spectra: &[Observed], memory: &mut Memory, estimates: &mut [NetworkEstimate]) {
        let Memory { inputs, outputs, buffers } = memory;
        inputs.resize(spectra.len() * REFINEMENT_INPUTS, 0.0);
        let pairs = spectra.iter().zip(estimates.iter());
        for ((spectrum, estimate), inputs) in pairs.zip(inputs.chunks_exact_mut(REFINEMENT_INPUTS)) {
            refinement_inputs(spectrum, estimate.kinematics(), inputs);
        }
        self.refinement.network.run(inputs, buffers, outputs);
        let each = outputs.len() / spectra.len().max(1);
        for (estimate, outputs) in estimates.iter_mut().zip(outputs.chunks_exact(each.max(1))) {
            let [velocity, broadening] = corrections_of(outputs);
            let [v, b] = estimate.kinematics();
            estimate.velocity_km_s = Measured { value: v + velocity.value, ..velocity };
            estimate.broadening_km_s = Measured { value: (b + broadening.value).max(0.0), ..broadening };
        }
    }

    fn read_ratios(&self, spectra: &[Observed], memory: &mut Memory, estimates: &mut [NetworkEstimate]) {
        let Memory { inputs, outputs, buffers } = memory;
        inputs.resize(spectra.len() * RATIO_INPUTS, 0.0);
        let pairs = spectra.iter().zip(estimates.iter());
        let mut brightest = Vec::with_capacity(spectra.len());
        for ((spectrum, estimate), inputs) in pairs.zip(inputs.chunks_exact_mut(RATIO_INPUTS)) {
            brightest.push(ratio_inputs(spectrum, estimate.kinematics(), inputs));
        }
        self.ratios.network.run(inputs, buffers, outputs);
        let each = outputs.len() / spectra.len().max(1);
        let scale = &self.ratios.scale;
        let outputs = outputs.chunks_exact(each.max(1)).zip(brightest);
        for (estimate, (outputs, brightest)) in estimates.iter_mut().zip(outputs) {
            estimate.brightest = brightest;
            labels_of(NetworkKind::Ratios, scale, outputs, &mut estimate.log_ratios);
            estimate.prior_dominated = std::array::from_fn(|k| {
                hybrid::prior_dominated(k, estimate.log_ratios[k], scale.deviation[k], estimate.signal(k))
            });
        }
    }
}

impl NetworkEstimate {
    /// S/N of the brightest line in the filters that ratio `k` needs, the lower one of two.
    pub fn signal(&self, k: usize) -> f32 {
        let filters = FILTERS_OF_RATIO.get(k).copied().unwrap_or_default();
        let own = self.brightest.iter().zip(filters).filter(|(_, needed)| *needed);
        own.map(|(signal, _)| *signal).fold(f32::INFINITY, f32::min)
    }

    /// Velocity and broadening (km/s).
    pub fn kinematics(&self) -> [f64; 2] {
        // Beyond this the windows leave the band.
        [self.velocity_km_s.value.clamp(-400.0, 400.0), self.broadening_km_s.value.clamp(1.0, 110.0)]
    }
}

/// The published way: ratios straight from 620 samples.
#[derive(Clone, Debug)]
pub struct PublishedNetwork {
    trained: TrainedNetwork,
    grid: [[f64; 2]; 3],
}

impl PublishedNetwork {
    /// The one that comes with the program.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn shipped() -> Result<Self, TaskError> {
        Ok(Self::new(TrainedNetwork::shipped(NetworkKind::PublishedRatios, Recipe::Published)?))
    }

    /// Of this one.
    pub fn new(trained: TrainedNetwork) -> Self {
        Self { grid: reference_grid(trained.recipe), trained }
    }

    /// Labels of the nine ratios (`arcsinh` of the ratio in the published recipe, else `log10`) of each spectrum.
    pub fn labels(&self, spectra: &[Observed], memory: &mut Memory, out: &mut Vec<[Measured; RATIOS.len()]>) {
        let Memory { inputs, outputs, buffers } = memory;
        for some in spectra.chunks(TOGETHER) {
            inputs.resize(some.len() * PUBLISHED_INPUTS, 0.0);
            for (spectrum, inputs) in some.iter().zip(inputs.chunks_exact_mut(PUBLISHED_INPUTS)) {
                published_inputs(spectrum, &self.grid, inputs);
            }
            self.trained.network.run(inputs, buffers, outputs);
            out.extend(outputs.chunks_exact(outputs.len() / some.len()).map(|outputs| {
                let mut labels = [Measured::default(); RATIOS.len()];
                labels_of(NetworkKind::PublishedRatios, &self.trained.scale, outputs, &mut labels);
                labels
            }));
        }
    }

    /// Rules of its training set.
    pub fn recipe(&self) -> Recipe {
        self.trained.recipe
    }
}
