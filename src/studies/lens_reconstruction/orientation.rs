//! How the sky lies on an image: angles from +x as position angles east of north.

use crate::data::{Header, Wcs};

/// The sky at the middle of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Orientation {
    /// Position angle of +x, east of north, in [0, 360).
    pub of_x_deg: f64,
    /// True when east of north turns clockwise on the image: a sky seen from behind.
    pub mirrored: bool,
}

impl Orientation {
    /// Of an image of `(rows, columns)`; `None` without celestial axes in its first two.
    pub fn of(header: &Header, (rows, columns): (usize, usize)) -> Option<Self> {
        let wcs = Wcs::from_header(header).ok()??;
        matches!(wcs.celestial(), Some((0, 1) | (1, 0))).then_some(())?;
        let sky = wcs.sky(&[0.5 * (columns as f64 - 1.0), 0.5 * (rows as f64 - 1.0)])?;
        let ([nx, ny], [ex, ey]) = (sky.north, sky.east);
        // +x = a north + b east. North and east are unit vectors of the pixel plane, all but perpendicular.
        let det = nx * ey - ny * ex;
        let (a, b) = (ey / det, -ny / det);
        let of_x_deg = b.atan2(a).to_degrees().rem_euclid(360.0);
        of_x_deg.is_finite().then_some(Self { of_x_deg, mirrored: det < 0.0 })
    }

    /// Position angle east of north, in [0, 180), of an axis at `angle_deg` counter-clockwise from +x.
    pub fn east_of_north_deg(self, angle_deg: f64) -> f64 {
        let sense = if self.mirrored { -1.0 } else { 1.0 };
        let angle = (self.of_x_deg + sense * angle_deg).rem_euclid(180.0);
        // rem_euclid can round up to 180 itself.
        if angle < 180.0 { angle } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{FitsFile, Plane, write_planes};
    use ndarray::Array2;

    fn header(cd: [f64; 4]) -> Header {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.fits");
        let pixels = Array2::<f32>::zeros((20, 30));
        let words = [("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN")];
        let numbers = [("CRPIX1", 15.5), ("CRPIX2", 10.5), ("CRVAL1", 146.7), ("CRVAL2", 10.1)];
        let matrix = ["CD1_1", "CD1_2", "CD2_1", "CD2_2"].into_iter().zip(cd.map(|v| v * 0.05 / 3600.0));
        let keyword = |name: &str, value: crate::data::Value| crate::data::Keyword::new(name, value, "");
        let keywords = (words.into_iter().map(|(n, v)| keyword(n, v.into())))
            .chain(numbers.into_iter().chain(matrix).map(|(n, v)| keyword(n, v.into())))
            .collect();
        write_planes(&path, &[Plane { name: "SCI", pixels: pixels.view().into_dyn(), unit: "", keywords }], &[])
            .unwrap();
        FitsFile::open(&path).unwrap().hdu(0).unwrap().header.clone()
    }

    /// North up, east left: +x lies west, at 270 degrees, and +y north.
    #[test]
    fn north_up_and_east_left() {
        let sky = Orientation::of(&header([-1.0, 0.0, 0.0, 1.0]), (20, 30)).unwrap();
        assert!((sky.of_x_deg - 270.0).abs() < 1e-6 && !sky.mirrored, "{sky:?}");
        for (angle, expected) in [(90.0, 0.0), (0.0, 90.0), (135.0, 45.0), (120.0, 30.0)] {
            let found = sky.east_of_north_deg(angle);
            let off = (found - expected).abs();
            assert!(off.min(180.0 - off) < 1e-6, "{angle}: {found}");
        }
    }

    #[test]
    fn turned_and_mirrored() {
        // North is turned by 30 degrees from +y towards +x, east is to its left.
        let (sin, cos) = 30f64.to_radians().sin_cos();
        let sky = Orientation::of(&header([-cos, sin, sin, cos]), (20, 30)).unwrap();
        assert!(!sky.mirrored);
        let found = sky.east_of_north_deg(60.0);
        assert!(found.min(180.0 - found) < 1e-6, "north lies at 60 degrees from +x: {found} {sky:?}");
        // East right: seen from behind.
        let sky = Orientation::of(&header([1.0, 0.0, 0.0, 1.0]), (20, 30)).unwrap();
        assert!(sky.mirrored && (sky.of_x_deg - 90.0).abs() < 1e-6, "{sky:?}");
        assert!((sky.east_of_north_deg(60.0) - 30.0).abs() < 1e-6);
        assert_eq!(Orientation::of(&Header::default(), (20, 30)), None);
    }
}
