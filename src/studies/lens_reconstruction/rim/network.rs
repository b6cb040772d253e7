//! The network of the machine and its loop over images.

use burn::tensor::{Device, Tensor, TensorData};
use ndarray::Array2;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::likelihood::{Grids, LensingModel, PixelData, Workspace};
use crate::learning::layers::Initial;
use crate::learning::parameters::{Parameters, with_values};
use crate::learning::recurrent_inference::unroll;
use crate::learning::recurrent_unet::{RecurrentUnet, RecurrentUnetSize};

/// The state's channels: source, and `log10` of the convergence.
pub(super) const CHANNELS: usize = 2;

/// Which network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RimSettings {
    /// Pixels a side of image, convergence and source.
    pub pixels: usize,
    /// Channels of the first level.
    pub filters: usize,
    /// Levels above the bottleneck.
    pub levels: usize,
    /// Convolutions of a level, each way.
    pub convolutions: usize,
    /// Side of the first stencil.
    pub input_kernel: usize,
    /// Evaluations of the network for one image.
    pub steps: usize,
}

impl RimSettings {
    /// The published network: 348,546,818 parameters.
    pub const PUBLISHED: Self =
        Self { pixels: 128, filters: 128, levels: 5, convolutions: 2, input_kernel: 11, steps: 8 };

    /// Size of its U-Net: image, state and gradient in, change of the state out.
    pub fn size(&self) -> RecurrentUnetSize {
        RecurrentUnetSize {
            inputs: 1 + 2 * CHANNELS,
            outputs: CHANNELS,
            filters: self.filters,
            levels: self.levels,
            convolutions: self.convolutions,
            input_kernel: self.input_kernel,
        }
    }

    /// What is wrong with it, if anything.
    pub fn problem(&self) -> Option<String> {
        let divisor = 1usize << self.levels.min(16);
        if !self.pixels.is_multiple_of(divisor) {
            return Some(format!(
                "pixels {} cannot be halved {} times; expected a multiple of {divisor}",
                self.pixels, self.levels
            ));
        }
        self.input_kernel
            .is_multiple_of(2)
            .then(|| format!("input_kernel {} is even; expected an odd number", self.input_kernel))
    }
}

/// A machine: network, grids, physics.
pub struct Rim {
    /// Which network.
    pub settings: RimSettings,
    /// Its parameters.
    pub network: RecurrentUnet,
    model: LensingModel,
}

/// What the machine said of one image after one evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Brightness of the source, `[y, x]`; may be negative here and there.
    pub source: Array2<f64>,
    /// `log10` of the convergence, `[y, x]`.
    pub log_convergence: Array2<f64>,
    /// `chi2` over all used pixels.
    pub chi2: f64,
}

impl Rim {
    /// A network with fresh parameters on `device`.
    pub fn new(settings: &RimSettings, seed: u64, device: &Device) -> Self {
        let network = RecurrentUnet::new(&settings.size(), &mut Initial::new(seed, device));
        Self::with_network(settings, network)
    }

    /// A machine around a network of these settings.
    pub fn with_network(settings: &RimSettings, network: RecurrentUnet) -> Self {
        Self { settings: settings.clone(), network, model: LensingModel::new(Grids::of(settings.pixels)) }
    }

    /// The forward model.
    pub fn model(&self) -> &LensingModel {
        &self.model
    }

    /// The parameters.
    pub fn parameters(&self) -> Parameters {
        Parameters::of(&self.network)
    }

    /// Sets all parameters, in the order of [`Rim::parameters`].
    pub fn set_values(&mut self, values: &[f32]) {
        self.network = with_values(self.network.clone(), values);
    }

    /// The image of every observation as the network wants it, `[batch, 1, y, x]`.
    pub fn input(&self, data: &[PixelData], device: &Device) -> Tensor<4> {
        let n = self.settings.pixels;
        let values: Vec<f32> = data
            .iter()
            .flat_map(|d| d.image.iter().zip(&d.weight).map(|(v, w)| if *w > 0.0 { *v as f32 } else { 0.0 }))
            .collect();
        Tensor::from_data(TensorData::new(values, [data.len(), 1, n, n]), device)
    }

    /// The loop over a batch: states `[batch, 2, y, x]` after each evaluation. `each` is told the step and the `chi2` of every image before
    /// it, and stops the loop by saying false.
    pub fn states(
        &self,
        data: &[PixelData],
        device: &Device,
        mut each: impl FnMut(usize, &[f64]) -> bool,
    ) -> Vec<Tensor<4>> {
        let input = self.input(data, device);
        unroll(&self.network, &input, CHANNELS, self.settings.steps, |step, state| {
            let (gradient, chi2) = self.gradients(data, state);
            each(step, &chi2).then_some(gradient)
        })
    }

    /// Gradients of `-ln L` of a batch of states (`[batch, 2, y, x]` row by row), and the `chi2`s.
    pub fn gradients(&self, data: &[PixelData], state: &[f32]) -> (Vec<f32>, Vec<f64>) {
        let cells = self.model.grids().cells();
        let results: Vec<(Vec<f32>, f64)> = data
            .par_iter()
            .zip(state.par_chunks_exact(CHANNELS * cells))
            .map_init(Workspace::default, |space, (data, state)| {
                let values: Vec<f64> = state.iter().map(|v| f64::from(*v)).collect();
                let mut gradient = vec![0.0; CHANNELS * cells];
                let (by_source, by_convergence) = gradient.split_at_mut(cells);
                let chi2 =
                    self.model.gradient(data, &values[..cells], &values[cells..], [by_source, by_convergence], space);
                (gradient.iter().map(|g| *g as f32).collect(), chi2)
            })
            .collect();
        let chi2 = results.iter().map(|r| r.1).collect();
        (results.into_iter().flat_map(|r| r.0).collect(), chi2)
    }

    /// Runs the machine on one image; the state after every evaluation. `each` sees them as they come and stops the loop by saying false,
    /// then nothing is returned.
    pub fn run(
        &self,
        data: &PixelData,
        device: &Device,
        mut each: impl FnMut(usize, &State) -> bool,
    ) -> Option<Vec<State>> {
        let input = self.input(std::slice::from_ref(data), device);
        let mut out: Vec<State> = Vec::with_capacity(self.settings.steps);
        let mut take = |values: &[f32], chi2: f64| {
            out.push(self.state(values, chi2));
            each(out.len() - 1, &out[out.len() - 1])
        };
        let states = unroll(&self.network, &input, CHANNELS, self.settings.steps, |_, values| {
            let (gradient, chi2) = self.gradients(std::slice::from_ref(data), values);
            take(values, chi2[0]).then_some(gradient)
        });
        let last = states.last().filter(|_| states.len() == self.settings.steps)?;
        let values = last.clone().into_data().try_into_vec::<f32>().ok()?;
        let chi2 = self.gradients(std::slice::from_ref(data), &values).1[0];
        take(&values, chi2).then_some(out)
    }

    /// A state from its values, `[2, y, x]` row by row.
    pub(super) fn state(&self, values: &[f32], chi2: f64) -> State {
        let n = self.settings.pixels;
        let map = |part: &[f32]| {
            Array2::from_shape_vec((n, n), part.iter().map(|v| f64::from(*v)).collect()).unwrap_or_default()
        };
        let (source, log_convergence) = values.split_at((n * n).min(values.len()));
        State { source: map(source), log_convergence: map(log_convergence), chi2 }
    }
}
