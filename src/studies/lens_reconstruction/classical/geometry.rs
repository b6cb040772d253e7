//! Where a lens is in its image, and within which bounds its parameters are looked for.

use super::Satellite;
use super::problem::SceneProblem;
use crate::numerics::levenberg_marquardt::Options;
use crate::studies::lens_models::{GALAXY_PARAMETERS, MassKind, SERSIC_PARAMETERS};
use crate::studies::lens_reconstruction::Observation;
use crate::studies::lens_reconstruction::scene::Layout;

/// Where the lens is and how far the used pixels reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    /// First guess of the centre of the lens (arcsec).
    pub(super) centre: [f64; 2],
    /// Distance of the farthest used pixels from it (arcsec; the nearest 98 per cent lie inside).
    pub(super) radius: f64,
}

impl Geometry {
    /// The centre is the middle of the used pixels, moved to the peak of the light near it if the lens shines.
    pub(super) fn of(observation: &Observation, lens_shines: bool) -> Self {
        let frame = observation.frame();
        let used: Vec<([f64; 2], f64)> = observation
            .mask
            .indexed_iter()
            .filter(|(_, m)| **m)
            .map(|((j, i), _)| ([frame.x(i as f64), frame.y(j as f64)], observation.data[[j, i]]))
            .collect();
        let count = used.len().max(1) as f64;
        let mut centre = [0, 1].map(|k| used.iter().map(|p| p.0[k]).sum::<f64>() / count);
        let reach = |centre: [f64; 2]| {
            let mut distances: Vec<f64> =
                used.iter().map(|(p, _)| (p[0] - centre[0]).hypot(p[1] - centre[1])).collect();
            distances.sort_by(f64::total_cmp);
            distances.get((distances.len() * 49 / 50).min(distances.len().saturating_sub(1))).copied().unwrap_or(1.0)
        };
        if lens_shines {
            // Centroids of ever smaller windows climb to the peak and are not drawn away by arcs.
            for fraction in [0.35, 0.25, 0.15, 0.15, 0.15] {
                let window = (fraction * reach(centre)).max(2.5 * observation.pixel_scale_arcsec);
                let near = || used.iter().filter(|(p, _)| (p[0] - centre[0]).hypot(p[1] - centre[1]) < window);
                let floor = near().map(|p| p.1).fold(f64::INFINITY, f64::min);
                let total: f64 = near().map(|p| p.1 - floor).sum();
                if total > 0.0 {
                    centre = [0, 1].map(|k| near().map(|p| p.0[k] * (p.1 - floor)).sum::<f64>() / total);
                }
            }
        }
        Self { centre, radius: reach(centre).max(3.0 * observation.pixel_scale_arcsec) }
    }

    /// The same, with the centre where the user put it.
    pub(super) fn guided(self, observation: &Observation, guess: Option<[f64; 2]>) -> Self {
        let Some(centre) = guess else { return self };
        let mut distances = Self { centre, ..self }.distances(observation);
        distances.sort_by(f64::total_cmp);
        let radius = distances.get((distances.len() * 49 / 50).min(distances.len().saturating_sub(1))).copied();
        Self { centre, radius: radius.unwrap_or(self.radius).max(3.0 * observation.pixel_scale_arcsec) }
    }

    /// Distance of each used pixel from the centre (arcsec).
    pub(super) fn distances(&self, observation: &Observation) -> Vec<f64> {
        let frame = observation.frame();
        observation
            .mask
            .indexed_iter()
            .filter(|(_, m)| **m)
            .map(|((j, i), _)| (frame.x(i as f64) - self.centre[0]).hypot(frame.y(j as f64) - self.centre[1]))
            .collect()
    }
}

/// Ranges of all parameters.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
}

impl Bounds {
    pub(super) fn new(geometry: &Geometry, layout: Layout, pixel: f64, satellites: &[Satellite]) -> Self {
        let [x, y] = geometry.centre;
        let r = geometry.radius;
        // Mass lies near light, and all light of a galaxy has one centre but for a little lopsidedness.
        let centre = if layout.lights > 0 { (0.12 * r).max(2.0 * pixel) } else { 0.3 * r };
        let light = (0.05 * r).max(pixel);
        let lens: [(f64, f64); GALAXY_PARAMETERS] = [
            (0.5 * pixel, 1.5 * r),
            (-0.5, 0.5),
            (-0.5, 0.5),
            (x - centre, x + centre),
            (y - centre, y + centre),
            (-0.4, 0.4),
            (-0.4, 0.4),
            (1.2, 2.8),
        ];
        let component = |near: f64, size: f64, least_index: f64| -> [(f64, f64); SERSIC_PARAMETERS] {
            [
                (0.0, f64::INFINITY),
                (x - near, x + near),
                (y - near, y + near),
                (0.1 * pixel, size),
                (-0.6, 0.6),
                (-0.6, 0.6),
                (least_index, 8.0),
            ]
        };
        let mut all = lens.to_vec();
        let mut satellites = satellites.iter();
        for kind in layout.lens.kinds() {
            all.extend(match kind {
                MassKind::Multipole(_) => vec![(-0.1 * r, 0.1 * r); 2],
                _ => satellites.next().map_or_else(
                    || vec![(f64::NEG_INFINITY, f64::INFINITY); kind.parameters()],
                    |satellite| satellite.bounds(r, pixel),
                ),
            });
        }
        for _ in 0..layout.sources {
            all.extend(component(1.5 * r, 2.0 * r, 0.3));
        }
        for _ in 0..layout.lights {
            all.extend(component(light, 6.0 * r, 0.5));
        }
        all.push((f64::NEG_INFINITY, f64::INFINITY));
        debug_assert_eq!(all.len(), layout.len());
        Self { lower: all.iter().map(|b| b.0).collect(), upper: all.iter().map(|b| b.1).collect() }
    }

    pub(super) fn options(&self, problem: &SceneProblem, max_steps: usize, relative_tolerance: f64) -> Options {
        Options {
            lower: problem.free.iter().map(|&i| self.lower[i]).collect(),
            upper: problem.free.iter().map(|&i| self.upper[i]).collect(),
            linear: problem.linear(),
            max_steps,
            relative_tolerance,
            initial_damping: 1e-2,
        }
    }
}
