//! The light of the lens galaxy alone, quickly: what is left shows the arcs before any lens is fitted.

use std::ops::ControlFlow;

use ndarray::Array2;

use super::geometry::Geometry;
use super::settings::{FitSettings, check};
use super::{Calls, Run, light};
use crate::studies::lens_models::Sersic;
use crate::studies::lens_reconstruction::imaging::Sampling;
use crate::studies::lens_reconstruction::render::render;
use crate::studies::lens_reconstruction::scene::{Layout, Scene};
use crate::studies::lens_reconstruction::{LensError, Observation};

/// A model of the lens galaxy's light.
#[derive(Clone, Debug)]
pub struct LightModel {
    /// Its image and the sky through the PSF, unit of the data, `[y, x]`.
    pub image: Array2<f64>,
    /// Its components.
    pub components: Vec<Sersic>,
}

/// Fits the lens light in the used pixels with the arcs weighted down, as the first step of the parametric fit does. `go_on` is asked often.
///
/// # Errors
/// Too few used pixels, a setting out of its range, or [`LensError::Cancelled`].
pub fn fit_lens_light(
    observation: &Observation,
    settings: &FitSettings,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<LightModel, LensError> {
    let settings = FitSettings { lens_light_components: settings.lens_light_components.max(1), ..settings.clone() };
    check(observation, &settings)?;
    let geometry = Geometry::of(observation, true).guided(observation, settings.lens_centre);
    let sky = super::sky_of(observation, &settings, geometry.centre);
    let mut callback =
        |_: &super::FitStep<'_>| if go_on() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
    let mut run = Run { settings: &settings, callback: &mut callback, calls: Calls::default(), sky };
    let guess = light::quick(observation, &geometry, &mut run)?;
    let layout = Layout { lights: settings.lens_light_components, ..Layout::default() };
    let [image, _, _] = render(observation, &guess.parameters, layout, Sampling { per_pixel_side: 1, adaptive: true })?;
    Ok(LightModel { image, components: Scene::from_parameters(layout, &guess.parameters).lens_light })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_reconstruction::simulate::{SimulationSpec, simulate};

    /// What is left of a lens in front of arcs is the arcs: less light of the lens stays than a quarter of theirs.
    #[test]
    fn the_arcs_are_left() {
        let mut spec = SimulationSpec::default();
        spec.scene.lens_light =
            vec![Sersic { amplitude: 1.0, effective_radius_arcsec: 0.6, index: 2.0, ..Sersic::default() }];
        let simulation = simulate(&spec).unwrap();
        let observation = simulation.observation.with_annulus([0.0, 0.0], 0.0, 2.4);
        let settings = FitSettings { lens_light_components: 1, ..FitSettings::default() };
        let light = fit_lens_light(&observation, &settings, &mut || true).unwrap();
        assert_eq!(light.components.len(), 1);
        let used =
            |a: &Array2<f64>| -> f64 { a.iter().zip(&observation.mask).filter(|p| *p.1).map(|p| p.0.abs()).sum() };
        let left_over = used(&(&simulation.lens_light - &light.image));
        let arcs = used(&simulation.lensed_source);
        assert!(left_over < 0.25 * arcs, "{left_over} of lens light is left beside {arcs} of arcs");
        assert_eq!(fit_lens_light(&observation, &settings, &mut || false).unwrap_err(), LensError::Cancelled);
    }
}
