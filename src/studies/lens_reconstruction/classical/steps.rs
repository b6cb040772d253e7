//! What a fit tells of itself while it runs.

use std::ops::ControlFlow;

use ndarray::Array2;

use super::problem::SceneProblem;
use crate::studies::lens_reconstruction::scene::{Layout, Scene};

/// What the fit is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The lens light, arcs weighted down (`start` counts starts).
    LensLight,
    /// The scan over Einstein radii (`start` counts radii).
    Scan,
    /// Fits of the arcs from the best of the scan (`start` counts starts).
    Starts,
    /// Everything together (`start` counts the candidates tried).
    Joint,
    /// The lens light without lensed source, for comparison.
    Null,
    /// After the fit: the source in pixels.
    Inversion,
    /// After the fit: source and convergence in pixels.
    Pixels,
    /// After the fit: the same by the Recurrent Inference Machine.
    Rim,
}

impl Phase {
    /// In words, for a progress line.
    pub fn label(self) -> &'static str {
        match self {
            Self::LensLight => "lens light",
            Self::Scan => "scan of Einstein radii",
            Self::Starts => "fits from several starts",
            Self::Joint => "joint fit",
            Self::Null => "comparison without a source",
            Self::Inversion => "source in pixels",
            Self::Pixels => "source and convergence in pixels",
            Self::Rim => "Recurrent Inference Machine",
        }
    }
}

/// The state of a fit after a step. Cheap: images are made only when asked for.
pub struct FitStep<'a> {
    /// What the fit is doing.
    pub phase: Phase,
    /// Which start (or radius of the scan), from 0.
    pub start: usize,
    /// Step within the phase and start.
    pub step: usize,
    /// Chi-squared in the used pixels of what this phase fits.
    pub chi2: f64,
    /// The same per degree of freedom.
    pub reduced_chi2: f64,
    /// Best parameters of this start, in the order of `layout`.
    pub parameters: &'a [f64],
    /// How the parameters lie.
    pub layout: Layout,
    problem: &'a SceneProblem<'a>,
}

impl FitStep<'_> {
    /// The parameters as a scene.
    pub fn scene(&self) -> Scene {
        Scene::from_parameters(self.layout, self.parameters)
    }

    /// Best model of this start in the unit of the data, `[y, x]`; NaN in pixels that are not used.
    pub fn model_image(&self) -> Array2<f64> {
        self.problem.best_image()
    }

    /// Data minus model in sigma of the noise map (early phases weigh pixels by trust; this does not), `[y, x]`; NaN in pixels that are not used. In scan and starts, data less the lens light.
    pub fn residual_image(&self) -> Array2<f64> {
        self.problem.best_residual()
    }
}

/// The callback of a fit.
pub type Callback<'a> = dyn FnMut(&FitStep) -> ControlFlow<()> + 'a;

pub(super) fn report(
    callback: &mut Callback,
    phase: Phase,
    start: usize,
    step: usize,
    chi2: f64,
    problem: &SceneProblem,
) -> ControlFlow<()> {
    callback(&FitStep {
        phase,
        start,
        step,
        chi2,
        reduced_chi2: chi2 / problem.degrees_of_freedom() as f64,
        parameters: problem.best_parameters(),
        layout: problem.model.layout(),
        problem,
    })
}
