//! Whole images of a scene, in the unit of the data.

use ndarray::Array2;

use super::imaging::{ForwardModel, Sampling};
use super::scene::{AMPLITUDE, Layout};
use super::{LensError, Observation};
use crate::numerics::statistics::median;

/// Whole images of a scene through the PSF of `observation`: `[all light, source alone, lens light alone]`, without noise.
///
/// # Errors
/// Never for an image with pixels.
pub fn render(
    observation: &Observation,
    parameters: &[f64],
    layout: Layout,
    sampling: Sampling,
) -> Result<[Array2<f64>; 3], LensError> {
    let everywhere = Observation {
        data: Array2::zeros(observation.data.dim()),
        // With a noise of 1 the model comes out in the unit of the data.
        noise: Array2::ones(observation.data.dim()),
        mask: Array2::from_elem(observation.data.dim(), true),
        psf: observation.psf.clone(),
        ..*observation
    };
    let mut model = ForwardModel::new(&everywhere, layout, sampling)?;
    let used = observation.noise.iter().zip(&observation.mask).filter(|(_, m)| **m).map(|(n, _)| *n);
    model.typical_noise = median(&mut used.collect::<Vec<_>>()).unwrap_or(1.0);
    model.adapt(parameters);
    let mut image = |keep: &dyn Fn(usize) -> bool| {
        let mut p = parameters.to_vec();
        for k in (0..layout.components()).filter(|&k| !keep(k)) {
            p[layout.component(k) + AMPLITUDE] = 0.0;
        }
        let all = (0..layout.components()).all(keep);
        if !all {
            p[layout.sky()] = 0.0;
        }
        let mut out = vec![0.0; model.pixels()];
        model.model(&p, &mut out);
        model.image_from_used(out)
    };
    Ok([image(&|_| true), image(&|k| k < layout.sources), image(&|k| k >= layout.sources)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::Sersic;
    use crate::studies::lens_reconstruction::simulate::{SimulationSpec, gaussian_psf};

    #[test]
    fn the_whole_image_holds_the_model_of_the_used_pixels_and_is_the_sum_of_its_parts() {
        let mut scene = SimulationSpec::default().scene;
        scene.lens_light = vec![Sersic { effective_radius_arcsec: 0.5, index: 3.0, ..Sersic::default() }];
        scene.sky = 0.2;
        let (layout, parameters) = (scene.layout(), scene.parameters());
        let noise = Array2::from_shape_fn((40, 40), |(j, i)| 0.1 + 0.001 * (j + 2 * i) as f64);
        let mask = Array2::from_elem((40, 40), true);
        let observation = Observation::new(Array2::zeros((40, 40)), noise, gaussian_psf(0.2, 0.1).unwrap(), mask, 0.1)
            .unwrap()
            .with_annulus([0.0, 0.0], 0.2, 1.6);
        let sampling = Sampling { per_pixel_side: 1, adaptive: true };
        let mut model = ForwardModel::new(&observation, layout, sampling).unwrap();
        model.adapt(&parameters);
        let mut values = vec![0.0; model.pixels()];
        model.model(&parameters, &mut values);
        let image = model.image_from_used(values.iter().zip(model.weight()).map(|(v, w)| v / w));
        let [all, source, light] = render(&observation, &parameters, layout, sampling).unwrap();
        assert_eq!(image.iter().filter(|v| v.is_finite()).count(), observation.used_pixels());
        for (place, value) in image.indexed_iter().filter(|(_, v)| v.is_finite()) {
            assert!((value - all[place]).abs() < 1e-10, "{place:?}: {value} {}", all[place]);
        }
        for (place, value) in all.indexed_iter() {
            assert!((source[place] + light[place] + scene.sky - value).abs() < 1e-11);
        }
    }
}
