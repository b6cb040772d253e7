//! From the pixels of one image to those of another through the sky: the one place where two images meet.

use super::Wcs;

/// ICRS to galactic: rows are the galactic axes (ESA 1997, The Hipparcos and Tycho Catalogues, volume 1, section 1.5.3).
const GALACTIC: [[f64; 3]; 3] = [
    [-0.054_875_560_416_215_4, -0.873_437_090_234_885, -0.483_835_015_548_713_2],
    [0.494_109_427_875_583_7, -0.444_829_629_960_011_2, 0.746_982_244_497_219],
    [-0.867_666_149_019_004_7, -0.198_076_373_431_201_5, 0.455_983_776_175_066_9],
];

impl Wcs {
    /// The system in which this image meets others: "ICRS" for ICRS, FK5 J2000 (the two agree within 0.03 arcsec) and
    /// galactic coordinates, else the frame of its own. `None` without sky.
    pub fn meeting_frame(&self) -> Option<&str> {
        let frame = self.sky_frame()?;
        Some(if matches!(frame, "ICRS" | "FK5 J2000" | "galactic") { "ICRS" } else { frame })
    }

    /// True when positions of this image can be found in the other.
    pub fn meets(&self, other: &Self) -> bool {
        self.meeting_frame().is_some() && self.meeting_frame() == other.meeting_frame()
    }

    /// Longitude and latitude, in degrees and in the [meeting frame](Self::meeting_frame), of a pixel `[x, y]` (0-based).
    pub fn meeting_from_pixel(&self, pixel: [f64; 2]) -> Option<[f64; 2]> {
        let (longitude, latitude) = self.celestial()?;
        let world = self.world_from_pixel(&pixel)?;
        let sky = [*world.get(longitude)?, *world.get(latitude)?];
        Some(if self.sky_frame() == Some("galactic") { icrs_from_galactic(sky) } else { sky })
    }

    /// The pixel `[x, y]` (0-based) of a position in the meeting frame; the other axes of a cube are taken at their
    /// first pixel. `None` where the projection does not reach.
    pub fn pixel_from_meeting(&self, sky: [f64; 2]) -> Option<[f64; 2]> {
        let (longitude, latitude) = self.celestial()?;
        let own = if self.sky_frame() == Some("galactic") { galactic_from_icrs(sky) } else { sky };
        // The axes besides the sky keep what they have at the reference pixel's place in the first plane.
        let mut world = if self.axes().len() > 2 { self.any_world()? } else { vec![0.0; self.axes().len()] };
        *world.get_mut(longitude)? = own[0];
        *world.get_mut(latitude)? = own[1];
        let pixel = self.pixel_from_world(&world)?;
        Some([*pixel.first()?, *pixel.get(1)?])
    }

    /// World coordinates of some pixel of the first plane that lies on the sky.
    fn any_world(&self) -> Option<Vec<f64>> {
        let reference: Vec<f64> = self.transform.linear().crpix().iter().map(|x| x - 1.0).collect();
        let first = |at: [f64; 2]| self.world_from_pixel(&at);
        first([*reference.first()?, *reference.get(1)?]).or_else(|| first([0.0, 0.0]))
    }
}

/// From pixels of one image to pixels of another.
#[derive(Debug, Clone)]
pub enum PixelMap {
    /// The same pixel.
    Identity,
    /// Through the sky.
    Sky {
        /// Coordinates of the image that a pixel is given in.
        from: std::sync::Arc<Wcs>,
        /// Coordinates of the image that it is wanted in.
        to: std::sync::Arc<Wcs>,
    },
}

impl PixelMap {
    /// The pixel `[x, y]` (0-based) of the other image; `None` where there is none.
    pub fn apply(&self, pixel: [f64; 2]) -> Option<[f64; 2]> {
        match self {
            Self::Identity => Some(pixel),
            Self::Sky { from, to } => to.pixel_from_meeting(from.meeting_from_pixel(pixel)?),
        }
    }

    /// The way back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        match self {
            Self::Identity => Self::Identity,
            Self::Sky { from, to } => Self::Sky { from: to.clone(), to: from.clone() },
        }
    }
}

/// ICRS right ascension and declination of galactic longitude and latitude, in degrees.
pub fn icrs_from_galactic(sky: [f64; 2]) -> [f64; 2] {
    rotate(sky, transposed(GALACTIC))
}

/// Galactic longitude and latitude of ICRS right ascension and declination, in degrees.
pub fn galactic_from_icrs(sky: [f64; 2]) -> [f64; 2] {
    rotate(sky, GALACTIC)
}

fn transposed(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    [0, 1, 2].map(|i| [m[0][i], m[1][i], m[2][i]])
}

/// Longitude and latitude in degrees under a rotation.
fn rotate(sky: [f64; 2], matrix: [[f64; 3]; 3]) -> [f64; 2] {
    let ((sin_lon, cos_lon), (sin_lat, cos_lat)) = (sky[0].to_radians().sin_cos(), sky[1].to_radians().sin_cos());
    let v = [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat];
    let [x, y, z] = matrix.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>());
    [y.atan2(x).to_degrees().rem_euclid(360.0), z.atan2(x.hypot(y)).to_degrees()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Header;
    use std::sync::Arc;

    fn wcs(text: &str) -> Arc<Wcs> {
        Arc::new(Wcs::from_header(&Header::from_lines(text.as_bytes())).unwrap().unwrap())
    }

    #[test]
    fn the_galactic_centre_is_where_it_is() {
        // Sgr A* direction of the system: l = b = 0 is RA 266.40499, Dec -28.93617 (Hipparcos volume 1).
        let [ra, dec] = rotate([0.0, 0.0], transposed(GALACTIC));
        assert!((ra - 266.404_996).abs() < 2e-5 && (dec + 28.936_172).abs() < 2e-5, "{ra} {dec}");
        let [l, b] = rotate([ra, dec], GALACTIC);
        assert!((l + 180.0).rem_euclid(360.0) - 180.0 < 1e-9 && b.abs() < 1e-9, "{l} {b}");
        // The north galactic pole: RA 192.85948, Dec 27.12825.
        let [ra, dec] = rotate([0.0, 90.0], transposed(GALACTIC));
        assert!((ra - 192.859_48).abs() < 1e-5 && (dec - 27.128_25).abs() < 1e-5, "{ra} {dec}");
    }

    #[test]
    fn a_pixel_goes_to_another_image_and_back() {
        let plain =
            wcs("NAXIS   = 2\nCTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCRVAL1  = 266.405\nCRVAL2  = -28.936\n\
             CRPIX1  = 101.0\nCRPIX2  = 51.0\nCDELT1  = -1E-4\nCDELT2  = 1E-4");
        let turned = wcs(
            "NAXIS   = 3\nCTYPE1  = 'GLON-TAN'\nCTYPE2  = 'GLAT-TAN'\nCTYPE3  = 'FREQ'\nCUNIT3  = 'Hz'\nCRVAL1  = 0.0\n\
             CRVAL2  = 0.0\nCRVAL3  = 1.4E9\nCRPIX1  = 11.0\nCRPIX2  = 21.0\nCRPIX3  = 1.0\nCDELT1  = -3E-4\nCDELT2  = 3E-4\n\
             CDELT3  = 1E6",
        );
        assert!(plain.meets(&turned));
        let map = PixelMap::Sky { from: plain.clone(), to: turned.clone() };
        for pixel in [[100.0, 50.0], [0.0, 0.0], [173.25, 11.5]] {
            let there = map.apply(pixel).unwrap();
            let back = map.inverse().apply(there).unwrap();
            assert!((back[0] - pixel[0]).abs() < 1e-6 && (back[1] - pixel[1]).abs() < 1e-6, "{pixel:?} {back:?}");
        }
        // The reference pixels lie 0.62 arcsec apart in declination, 0.573 of the coarser pixels, and a step there is three
        // steps here.
        let [x, y] = map.apply([100.0, 50.0]).unwrap();
        assert!(((x - 10.0).hypot(y - 20.0) - 0.573).abs() < 0.02, "{x} {y}");
        let [x2, y2] = map.apply([103.0, 50.0]).unwrap();
        assert!(((x2 - x).hypot(y2 - y) - 1.0).abs() < 1e-3);
        let old = wcs(
            "NAXIS   = 2\nCTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nEQUINOX = 1950.0\nCDELT1  = -1E-4\nCDELT2  = 1E-4",
        );
        assert!(!old.meets(&plain));
    }
}
