//! Frames of this panel's maps, and critical curves and caustics in the pixels of a map.

use crate::panels::maps::{CurveOverlay, Frame};
use crate::plots::colors::Role;
use crate::studies::lens_reconstruction::Curves;

/// The image plane, in pixels of the user's image.
pub(super) const IMAGE: Frame = "image";
/// The source plane, in pixels of the source map.
pub(super) const SOURCE: Frame = "source";
/// The image plane while the fit runs.
pub(super) const LIVE: Frame = "live";
/// The source plane while the fit runs.
pub(super) const LIVE_SOURCE: Frame = "live source plane";
/// The image plane of what is set in step 1.
pub(super) const PREVIEW: Frame = "preview";

/// Critical curves over a map of the image plane of `[rows, columns]` pixels.
pub(super) fn image_curves(curves: &Curves, shape: (usize, usize), scale: f64) -> Vec<CurveOverlay> {
    let pixels = to_pixels(&curves.tangential, [0.0, 0.0], shape, scale);
    vec![CurveOverlay { points: pixels, color: Role::TangentialCritical.on_image(), label: "critical curve" }]
}

/// Caustics over a map of the source plane whose centre is at `centre` (arcsec).
pub(super) fn source_curves(curves: &Curves, centre: [f64; 2], shape: (usize, usize), scale: f64) -> Vec<CurveOverlay> {
    vec![
        CurveOverlay {
            points: to_pixels(&curves.caustic, centre, shape, scale),
            color: Role::TangentialCaustic.on_image(),
            label: "caustic",
        },
        CurveOverlay {
            points: to_pixels(&curves.cut, centre, shape, scale),
            color: Role::RadialCaustic.on_image(),
            label: "cut",
        },
    ]
}

fn to_pixels(points: &[[f64; 2]], centre: [f64; 2], (rows, columns): (usize, usize), scale: f64) -> Vec<[f64; 2]> {
    let middle = [0.5 * (columns as f64 - 1.0), 0.5 * (rows as f64 - 1.0)];
    points.iter().map(|p| [(p[0] - centre[0]) / scale + middle[0], (p[1] - centre[1]) / scale + middle[1]]).collect()
}
