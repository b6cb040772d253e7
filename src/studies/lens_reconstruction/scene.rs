//! Everything that makes a lens image: mass, lensed source, lens light, sky; and its parameters as one vector.

use serde::{Deserialize, Serialize};

use crate::studies::lens_models::{LensLayout, LensModel, SERSIC_PARAMETERS, Sersic};

/// A model of a lens image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Mass.
    pub lens: LensModel,
    /// Light in the source plane, lensed.
    pub sources: Vec<Sersic>,
    /// Light of the lens itself, not lensed.
    pub lens_light: Vec<Sersic>,
    /// Constant background per pixel.
    pub sky: f64,
}

/// Place of each parameter in the vector that a fit moves:
/// lens, then every source, then every component of the lens light, then the sky.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Parameters of the lens.
    pub lens: LensLayout,
    /// Number of source components.
    pub sources: usize,
    /// Number of lens-light components.
    pub lights: usize,
}

/// Place of the amplitude among the parameters of a component.
pub const AMPLITUDE: usize = 0;

impl Layout {
    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.lens_len() + SERSIC_PARAMETERS * (self.sources + self.lights) + 1
    }

    /// Never: there is always a lens.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Number of parameters of the lens: where those of the light begin.
    pub fn lens_len(&self) -> usize {
        self.lens.len()
    }

    /// Number of light components, sources first.
    pub fn components(&self) -> usize {
        self.sources + self.lights
    }

    /// First parameter of component `k`, sources first.
    pub fn component(&self, k: usize) -> usize {
        self.lens_len() + SERSIC_PARAMETERS * k
    }

    /// First parameter of the `k`-th component of the lens light.
    pub fn light(&self, k: usize) -> usize {
        self.component(self.sources + k)
    }

    /// Place of the sky.
    pub fn sky(&self) -> usize {
        self.len() - 1
    }

    /// Parameters that the image depends on linearly: the amplitudes, then the sky.
    pub fn linear(&self) -> impl Iterator<Item = usize> + use<> {
        let layout = *self;
        (0..layout.components()).map(move |k| layout.component(k) + AMPLITUDE).chain([layout.sky()])
    }

    /// Names of the parameters, with units.
    pub fn names(&self) -> Vec<String> {
        let sersic = ["amplitude", "x_arcsec", "y_arcsec", "effective_radius_arcsec", "e1", "e2", "index"];
        let mut names = self.lens.names();
        for (kind, count) in [("source", self.sources), ("lens_light", self.lights)] {
            for k in 0..count {
                names.extend(sersic.iter().map(|n| format!("{kind}[{k}].{n}")));
            }
        }
        names.push("sky".to_owned());
        names
    }
}

impl Scene {
    /// How its parameters lie in a vector.
    pub fn layout(&self) -> Layout {
        Layout { lens: self.lens.layout(), sources: self.sources.len(), lights: self.lens_light.len() }
    }

    /// The vector.
    pub fn parameters(&self) -> Vec<f64> {
        let mut p = self.lens.parameters();
        for component in self.sources.iter().chain(&self.lens_light) {
            p.extend(component.parameters());
        }
        p.push(self.sky);
        p
    }

    /// The scene with these parameters, in the order of [`Layout`].
    pub fn from_parameters(layout: Layout, p: &[f64]) -> Self {
        let component = |k: usize| Sersic::from_parameters(sersic_parameters(layout, p, k));
        Self {
            lens: LensModel::from_parameters(layout.lens, p),
            sources: (0..layout.sources).map(component).collect(),
            lens_light: (layout.sources..layout.components()).map(component).collect(),
            sky: p[layout.sky()],
        }
    }
}

/// The part of component `k` (sources first) of a parameter vector.
pub(crate) fn sersic_parameters(layout: Layout, p: &[f64], k: usize) -> [f64; SERSIC_PARAMETERS] {
    let start = layout.component(k);
    std::array::from_fn(|i| p[start + i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scene_and_vector_are_inverse() {
        let scene = Scene {
            sources: vec![Sersic { amplitude: 2.0, ..Sersic::default() }],
            lens_light: vec![Sersic { index: 4.0, ..Sersic::default() }, Sersic { x_arcsec: 0.3, ..Sersic::default() }],
            sky: 0.1,
            ..Scene::default()
        };
        let layout = scene.layout();
        let p = scene.parameters();
        assert_eq!(p.len(), layout.len());
        assert_eq!(layout.names().len(), layout.len());
        assert_eq!(p[layout.light(0) + 6], 4.0);
        assert_eq!(layout.names()[layout.light(1) + 1], "lens_light[1].x_arcsec");
        assert_eq!(layout.linear().map(|i| p[i]).collect::<Vec<_>>(), [2.0, 1.0, 1.0, 0.1]);
        let back = Scene::from_parameters(layout, &p).parameters();
        assert!(back.iter().zip(&p).all(|(a, b)| (a - b).abs() < 1e-14));
    }
}
