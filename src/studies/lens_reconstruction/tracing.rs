//! Rays between the image plane and the source plane of a finished fit: where a pixel comes from, where else that place is seen,
//! how much larger, and when.

use crate::studies::lens_models::{Deflector, Image, ImageFinder, LensModel, PreparedLens, Window};

/// What an image is on the arrival-time surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stationary {
    /// A valley: positive parity.
    Minimum,
    /// A pass: negative parity, mirrored.
    Saddle,
    /// A hill: positive parity, upside down; the faint image near the centre of a lens without a cusp.
    Maximum,
}

/// An image of a point of the source plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TracedImage {
    /// Position `[x, y]` (arcsec from the image centre).
    pub place: [f64; 2],
    /// Magnification; negative where the image is mirrored.
    pub magnification: f64,
    /// Arrival after the first image, as a difference of Fermat potentials (arcsec^2).
    pub delay_arcsec2: f64,
    /// Its kind.
    pub kind: Stationary,
}

/// A point of the source plane with all its images, in order of arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct Traced {
    /// Position `[x, y]` (arcsec from the image centre).
    pub source: [f64; 2],
    /// Its images.
    pub images: Vec<TracedImage>,
}

impl Traced {
    /// Sum of the magnifications without their signs.
    pub fn total_magnification(&self) -> f64 {
        self.images.iter().map(|i| i.magnification.abs()).sum()
    }

    /// The same rays with a mass sheet: convergence `lambda kappa + 1 - lambda`. The source plane shrinks by `lambda` about the image centre,
    /// images stay where they are, magnifications change by `1 / lambda^2` and delays by `lambda`.
    #[must_use]
    pub fn with_sheet(mut self, lambda: f64) -> Self {
        self.source = self.source.map(|c| lambda * c);
        for image in &mut self.images {
            image.magnification /= lambda * lambda;
            image.delay_arcsec2 *= lambda;
        }
        self
    }
}

/// The lens of a fit, ready to trace rays both ways. Made once a lens.
#[derive(Clone, Debug)]
pub struct Tracer {
    lens: PreparedLens,
    finder: ImageFinder,
}

impl Tracer {
    /// Prepares the window of `half_width_arcsec` around the image centre. Some 10 ms.
    pub fn new(lens: &LensModel, einstein_radius_arcsec: f64, half_width_arcsec: f64) -> Self {
        let radius = if einstein_radius_arcsec > 0.0 { einstein_radius_arcsec } else { 1.0 };
        let half_width_arcsec = half_width_arcsec.max(2.5 * radius);
        #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)] // clamped first
        let cells = (2.0 * half_width_arcsec / (0.05 * radius)).clamp(60.0, 180.0) as usize;
        let window = Window { centre: [0.0, 0.0], half_width_arcsec, cells };
        let prepared = lens.prepare();
        let finder = ImageFinder::new(&prepared, window, &lens.centres());
        Self { lens: prepared, finder }
    }

    /// The lens.
    pub fn lens(&self) -> &PreparedLens {
        &self.lens
    }

    /// Where the light seen at `[x, y]` comes from.
    pub fn source_of(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        self.lens.source_from_image(x, y)
    }

    /// A point of the source plane with all its images. About a millisecond.
    pub fn trace(&self, source: [f64; 2]) -> Traced {
        let found = self.finder.images(&self.lens, source);
        let first = found.first().map_or(0.0, |i| i.fermat_potential);
        let traced = |image: &Image| {
            let (x, y) = (image.x_arcsec, image.y_arcsec);
            let [tangential, radial] = self.lens.eigenvalues(x, y);
            let kind = match (tangential > 0.0, radial > 0.0) {
                (true, true) => Stationary::Minimum,
                (false, false) => Stationary::Maximum,
                _ => Stationary::Saddle,
            };
            TracedImage {
                place: [x, y],
                magnification: image.magnification,
                delay_arcsec2: image.fermat_potential - first,
                kind,
            }
        };
        Traced { source, images: found.iter().map(traced).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::{Shear, Sheet, Sie, images_of_point};

    fn quad() -> LensModel {
        let sie =
            Sie { einstein_radius_arcsec: 1.2, axis_ratio: 0.7, position_angle_deg: 0.0, x_arcsec: 0.0, y_arcsec: 0.0 };
        LensModel::isothermal(sie, Shear::default())
    }

    /// The golden quad (f64, lenstronomy agrees): places, magnifications, delays; two minima, then two saddles.
    #[test]
    fn the_golden_quad_is_traced_both_ways() {
        let tracer = Tracer::new(&quad(), 1.2, 2.5);
        let traced = tracer.trace([0.05, 0.03]);
        let golden = [
            ([0.225_46, 1.273_65], 4.5934, 0.0, Stationary::Minimum),
            ([0.272_64, -1.204_14], 5.6659, 0.074_368_4, Stationary::Minimum),
            ([1.159_01, -0.132_28], -4.5172, 0.156_111_0, Stationary::Saddle),
            ([-1.063_40, -0.087_55], -2.9452, 0.267_266_9, Stationary::Saddle),
        ];
        assert_eq!(traced.images.len(), 4);
        for (image, (place, magnification, delay, kind)) in traced.images.iter().zip(golden) {
            assert!((image.place[0] - place[0]).hypot(image.place[1] - place[1]) < 1e-5, "{image:?}");
            assert!((image.magnification - magnification).abs() < 1e-4, "{image:?}");
            assert!((image.delay_arcsec2 - delay).abs() < 1e-7, "{image:?}");
            assert_eq!(image.kind, kind);
            let back = tracer.source_of(image.place);
            assert!((back[0] - 0.05).hypot(back[1] - 0.03) < 1e-9);
        }
        assert!((traced.total_magnification() - 17.722).abs() < 1e-3);
    }

    /// The closed form of the sheet against the solver on the lens with the sheet.
    #[test]
    fn a_mass_sheet_keeps_images_and_scales_delays() {
        let tracer = Tracer::new(&quad(), 1.2, 2.5);
        let plain = tracer.trace([0.05, 0.03]);
        for lambda in [0.7, 1.3] {
            let with = plain.clone().with_sheet(lambda);
            let sheet = Sheet { lens: quad().prepare(), lambda };
            for (image, before) in with.images.iter().zip(&plain.images) {
                let [x, y] = image.place;
                assert_eq!(image.place, before.place);
                let source = sheet.source_from_image(x, y);
                assert!((source[0] - with.source[0]).hypot(source[1] - with.source[1]) < 1e-9, "{lambda}");
                assert!((image.magnification * sheet.inverse_magnification(x, y) - 1.0).abs() < 1e-9);
                let fermat = |i: &TracedImage| sheet.fermat_potential(i.place, with.source);
                assert!((fermat(image) - fermat(&with.images[0]) - image.delay_arcsec2).abs() < 1e-9);
            }
        }
    }

    /// Sheared and off centre, against the exact solver, inside and outside of the caustics.
    #[test]
    fn images_are_those_of_the_exact_solver() {
        let mut lens = quad();
        (lens.galaxy.x_arcsec, lens.galaxy.y_arcsec, lens.galaxy.position_angle_deg) = (0.07, -0.04, 33.0);
        lens.shear = Shear { gamma1: 0.05, gamma2: -0.03 };
        let tracer = Tracer::new(&lens, 1.2, 7.0);
        for source in [[0.1, 0.02], [0.02, -0.01], [0.6, 0.4], [1.9, -0.3]] {
            let (found, exact) = (tracer.trace(source), images_of_point(&lens.as_isothermal().unwrap(), source));
            assert_eq!(found.images.len(), exact.len(), "{source:?}");
            for (a, b) in found.images.iter().zip(&exact) {
                assert!((a.place[0] - b.x_arcsec).hypot(a.place[1] - b.y_arcsec) < 1e-8, "{a:?} {b:?}");
            }
        }
    }
}
