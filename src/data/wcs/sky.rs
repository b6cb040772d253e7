//! How the sky lies on the image: north, east, the size of a pixel, and where the sky ends.

use fitsy::wcs::Projection;

use super::Wcs;

/// The sky at one pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sky {
    /// Longitude, degrees.
    pub longitude_deg: f64,
    /// Latitude, degrees.
    pub latitude_deg: f64,
    /// Direction of growing latitude (north) as a unit vector in pixels `[x, y]`.
    pub north: [f64; 2],
    /// Direction of growing longitude (east) as a unit vector in pixels `[x, y]`.
    pub east: [f64; 2],
    /// Side of a pixel: the square root of its area.
    pub pixel_scale_arcsec: f64,
}

impl Wcs {
    /// The sky at a pixel (0-based, FITS order); its vectors are in the two pixel axes that carry the sky, lower axis
    /// first. `None` without celestial axes or outside the sky.
    pub fn sky(&self, pixel: &[f64]) -> Option<Sky> {
        let (longitude_axis, latitude_axis) = self.celestial?;
        let (x, y) = (longitude_axis.min(latitude_axis), longitude_axis.max(latitude_axis));
        let mut full: Vec<f64> = (0..self.axes.len()).map(|i| pixel.get(i).copied().unwrap_or(0.0)).collect();
        let position = |full: &[f64]| {
            let world = self.world_from_pixel(full)?;
            Some((*world.get(longitude_axis)?, *world.get(latitude_axis)?))
        };
        let (longitude, latitude) = position(&full)?;
        let (sin_lon, cos_lon) = longitude.to_radians().sin_cos();
        let (sin_lat, cos_lat) = latitude.to_radians().sin_cos();
        let east = [-sin_lon, cos_lon, 0.0];
        let north = [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat];
        // Columns of the matrix from pixels to radians (east, north), by central differences over a pixel.
        let mut columns = [[0.0; 2]; 2];
        for (axis, column) in [x, y].into_iter().zip(&mut columns) {
            let centre = full[axis];
            full[axis] = centre + 0.5;
            let after = position(&full)?;
            full[axis] = centre - 0.5;
            let before = position(&full)?;
            full[axis] = centre;
            let (after, before) = (vector(after), vector(before));
            let difference = [after[0] - before[0], after[1] - before[1], after[2] - before[2]];
            *column = [dot(difference, east), dot(difference, north)];
        }
        let [[a, c], [b, d]] = columns;
        let determinant = a * d - b * c;
        if determinant == 0.0 || !determinant.is_finite() {
            return None;
        }
        let unit = |v: [f64; 2]| {
            let length = v[0].hypot(v[1]);
            [v[0] / length, v[1] / length]
        };
        Some(Sky {
            longitude_deg: longitude,
            latitude_deg: latitude,
            north: unit([-b / determinant, a / determinant]),
            east: unit([d / determinant, -c / determinant]),
            pixel_scale_arcsec: determinant.abs().sqrt().to_degrees() * 3600.0,
        })
    }
}

fn vector((longitude, latitude): (f64, f64)) -> [f64; 3] {
    let (sin_lon, cos_lon) = longitude.to_radians().sin_cos();
    let (sin_lat, cos_lat) = latitude.to_radians().sin_cos();
    [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// False where a projection gives a position for a pixel beyond the edge of its map of the sky, as the formulas of
/// all-sky maps do: the position found projects to another pixel, or lies beyond 180 degrees of native longitude.
pub(super) fn is_on_the_sky(transform: &fitsy::Wcs, pixel: &[f64]) -> bool {
    let Some(block) = &transform.celestial else { return true };
    if block.sip.is_some() || block.tpv.is_some() || block.tnx.is_some() || transform.dss.is_some() {
        return true; // distorted images are small, and their projection is TAN or ZPN, which knows its edge
    }
    let one_based: Vec<f64> = pixel.iter().map(|x| x + 1.0).collect();
    let Ok(plane) = transform.linear().pix_to_intermediate(&one_based) else { return false };
    let (Some(x), Some(y)) = (plane.get(block.pair.lon), plane.get(block.pair.lat)) else { return false };
    let x = x * block.cunit_to_deg.0 + block.fiducial_offset.0;
    let y = y * block.cunit_to_deg.1 + block.fiducial_offset.1;
    let Ok((phi, theta)) = block.projection.x2s(x, y) else { return false };
    const SLACK: f64 = 1e-9;
    if phi.abs() > 180.0 + SLACK || theta.abs() > 90.0 + SLACK {
        return false;
    }
    // CSC's formulas for the two directions differ by some arcsec themselves (Calabretta & Greisen 2002, section 5.6.2).
    let tolerance = if matches!(block.projection, Projection::Csc(_)) { 0.1 } else { 1e-6 };
    block.projection.s2x(phi, theta).is_ok_and(|(u, v)| (u - x).hypot(v - y) <= tolerance * (1.0 + x.hypot(y)))
}
