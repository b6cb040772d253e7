//! Frames of this panel's maps, and critical curves and caustics in the pixels of a map.

use crate::panels::maps::{CurveOverlay, Frame};
use crate::plots::colors::Role;
use crate::studies::lens_reconstruction::Curves;

/// The image plane, in pixels of the user's image.
pub(super) const IMAGE: Frame = "image";
/// The source plane, in pixels of the source map.
pub(super) const SOURCE: Frame = "source";
/// The arrival-time surface.
pub(super) const SURFACE: Frame = "surface";
/// The image plane while the fit runs.
pub(super) const LIVE: Frame = "live";
/// The source plane while the fit runs.
pub(super) const LIVE_SOURCE: Frame = "live source plane";
/// The field of the network.
pub(super) const MACHINE: Frame = "network field";
/// Its source.
pub(super) const MACHINE_SOURCE: Frame = "network source";
/// The image plane of what is set in step 1.
pub(super) const PREVIEW: Frame = "preview";

/// Critical curves over a map of the image plane of `[rows, columns]` pixels.
pub(super) fn image_curves(curves: &Curves, shape: (usize, usize), scale: f64) -> Vec<CurveOverlay> {
    let kinds = [
        (&curves.tangential, Role::TangentialCritical, "tangential"),
        (&curves.radial, Role::RadialCritical, "radial"),
    ];
    overlays(&kinds, |line| to_pixels(line, [0.0, 0.0], shape, scale))
}

/// Caustics over a map of the source plane whose centre is at `centre` (arcsec).
pub(super) fn source_curves(curves: &Curves, centre: [f64; 2], shape: (usize, usize), scale: f64) -> Vec<CurveOverlay> {
    let kinds = [
        (&curves.caustic, Role::TangentialCaustic, "tangential"),
        (&curves.radial_caustic, Role::RadialCaustic, "radial"),
        (&curves.cut, Role::RadialCaustic, "isothermal cut"),
    ];
    overlays(&kinds, |line| to_pixels(line, centre, shape, scale))
}

/// Closed lines of each kind, named.
type Kind<'a> = (&'a Vec<Vec<[f64; 2]>>, Role, &'static str);

fn overlays(kinds: &[Kind<'_>], pixels: impl Fn(&[[f64; 2]]) -> Vec<[f64; 2]>) -> Vec<CurveOverlay> {
    let overlay = |(lines, role, label): &Kind<'_>| -> Vec<CurveOverlay> {
        lines.iter().map(|line| CurveOverlay { points: pixels(line), color: role.on_image(), label }).collect()
    };
    kinds.iter().flat_map(overlay).collect()
}

fn to_pixels(points: &[[f64; 2]], centre: [f64; 2], shape: (usize, usize), scale: f64) -> Vec<[f64; 2]> {
    points.iter().map(|p| pixel_of(*p, centre, shape, scale)).collect()
}

/// A place (arcsec from the image centre) in the pixels of a map of `[rows, columns]` pixels whose centre is at `centre`.
pub(super) fn pixel_of(p: [f64; 2], centre: [f64; 2], (rows, columns): (usize, usize), scale: f64) -> [f64; 2] {
    let middle = [0.5 * (columns as f64 - 1.0), 0.5 * (rows as f64 - 1.0)];
    [0, 1].map(|k| (p[k] - centre[k]) / scale + middle[k])
}
