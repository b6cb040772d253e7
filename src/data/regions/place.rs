//! From the coordinates of a region to the pixels of an image, and back.
//!
//! A shape on the sky is placed by its centre and by the size and the directions of the sky there (as DS9 and
//! astropy-regions do); a polygon corner by corner. The angle of a box or ellipse on the sky is counted from west over north,
//! which on an image with north up and east to the left is the angle from the x axis.

use super::{Region, Shape, System};
use crate::data::{Header, PlaneWcs, galactic_from_icrs, icrs_from_galactic};

/// Pixels of the detector that an image was cut from: `image = matrix * physical + offset`, both counted from 1
/// (the keywords LTVn and LTMn_n of IRAF).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Physical {
    matrix: [[f64; 2]; 2],
    offset: [f64; 2],
}

impl Default for Physical {
    fn default() -> Self {
        Self { matrix: [[1.0, 0.0], [0.0, 1.0]], offset: [0.0; 2] }
    }
}

impl Physical {
    /// From a header; the pixels of the image itself where it says nothing, or nonsense.
    pub fn of(header: &Header) -> Self {
        let number = |key: &str, default: f64| header.get_f64(key).filter(|v| v.is_finite()).unwrap_or(default);
        let matrix = [[number("LTM1_1", 1.0), number("LTM1_2", 0.0)], [number("LTM2_1", 0.0), number("LTM2_2", 1.0)]];
        let found = Self { matrix, offset: [number("LTV1", 0.0), number("LTV2", 0.0)] };
        if found.determinant().abs() > 1e-12 { found } else { Self::default() }
    }

    fn determinant(&self) -> f64 {
        let [[a, b], [c, d]] = self.matrix;
        a * d - b * c
    }

    fn image_from_physical(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [[a, b], [c, d]] = self.matrix;
        [a * x + b * y + self.offset[0], c * x + d * y + self.offset[1]]
    }

    fn physical_from_image(&self, pixel: [f64; 2]) -> [f64; 2] {
        let [[a, b], [c, d]] = self.matrix;
        let [x, y] = [pixel[0] - self.offset[0], pixel[1] - self.offset[1]];
        let by = self.determinant();
        [(d * x - b * y) / by, (a * y - c * x) / by]
    }

    /// Pixels of the image in one of the detector.
    fn scale(&self) -> f64 {
        self.determinant().abs().sqrt()
    }

    /// An angle of the detector on the image.
    fn turn(&self, angle_deg: f64) -> f64 {
        let (s, c) = angle_deg.to_radians().sin_cos();
        let [[a, b], [m, d]] = self.matrix;
        (m * c + d * s).atan2(a * c + b * s).to_degrees()
    }

    fn turn_back(&self, angle_deg: f64) -> f64 {
        let (s, c) = angle_deg.to_radians().sin_cos();
        let [[a, b], [m, d]] = self.matrix;
        let by = self.determinant();
        ((a * s - m * c) / by).atan2((d * c - b * s) / by).to_degrees()
    }
}

/// Where the regions of one image plane lie.
#[derive(Debug, Clone, Default)]
pub struct RegionPlace {
    /// World coordinates of the plane, where it has any.
    pub wcs: Option<PlaneWcs>,
    /// Pixels of the detector.
    pub physical: Physical,
}

impl RegionPlace {
    /// The shape of a region in 0-based pixels.
    ///
    /// # Errors
    /// Why it has no place on this image, in a few words.
    pub fn pixels_of(&self, region: &Region) -> Result<Shape, String> {
        let system = region.system;
        let at = |p: [f64; 2]| self.pixel(p, system);
        let center = match &region.shape {
            Shape::Polygon { vertices } => {
                let vertices = vertices.iter().map(|v| at(*v)).collect::<Result<Vec<_>, _>>()?;
                return sane(Shape::Polygon { vertices });
            }
            shape => at(shape.center())?,
        };
        let mean = 1.0 / self.units_a_pixel(center, system, None)?;
        let along = |angle: f64| self.units_a_pixel(center, system, Some(angle)).map(f64::recip);
        let shape = match &region.shape {
            Shape::Circle { radius, .. } => Shape::Circle { center, radius: radius * mean },
            Shape::Annulus { radii, .. } => Shape::Annulus { center, radii: radii.iter().map(|r| r * mean).collect() },
            Shape::Ellipse { radii, angle_deg, .. } => {
                let angle_deg = self.angle_on_image(center, system, *angle_deg)?;
                let radii = [radii[0] * along(angle_deg)?, radii[1] * along(angle_deg + 90.0)?];
                Shape::Ellipse { center, radii, angle_deg }
            }
            Shape::Box { size, angle_deg, .. } => {
                let angle_deg = self.angle_on_image(center, system, *angle_deg)?;
                let size = [size[0] * along(angle_deg)?, size[1] * along(angle_deg + 90.0)?];
                Shape::Box { center, size, angle_deg }
            }
            Shape::Point { .. } | Shape::Polygon { .. } => Shape::Point { center },
        };
        sane(shape)
    }

    /// A shape in 0-based pixels in the coordinates of a system, rounded to what is far below a pixel.
    ///
    /// # Errors
    /// Why that system does not reach there, in a few words.
    pub fn shape_in(&self, shape: &Shape, system: System) -> Result<Shape, String> {
        let fine = if system.is_sky() { 1e9 } else { 1e5 };
        let round = |v: f64| (v * fine).round() / fine;
        let at = |p: [f64; 2]| self.coordinate(p, system).map(|c| c.map(round));
        let length = |v: f64| (v * 1e5).round() / 1e5;
        let pixel = shape.center();
        let center = match shape {
            Shape::Polygon { vertices } => {
                let vertices = vertices.iter().map(|v| at(*v)).collect::<Result<Vec<_>, _>>()?;
                return sane(Shape::Polygon { vertices });
            }
            shape => at(shape.center())?,
        };
        let mean = self.units_a_pixel(pixel, system, None)?;
        let along = |angle: f64| self.units_a_pixel(pixel, system, Some(angle));
        let both = |sizes: &[f64; 2], angle: f64| -> Result<[f64; 2], String> {
            Ok([length(sizes[0] * along(angle)?), length(sizes[1] * along(angle + 90.0)?)])
        };
        let angle_in = |angle: f64| -> Result<f64, String> {
            Ok(length(self.angle_in_system(pixel, system, angle)?.rem_euclid(360.0)) % 360.0)
        };
        let shape = match shape {
            Shape::Circle { radius, .. } => Shape::Circle { center, radius: length(radius * mean) },
            Shape::Annulus { radii, .. } => {
                Shape::Annulus { center, radii: radii.iter().map(|r| length(r * mean)).collect() }
            }
            Shape::Ellipse { radii, angle_deg, .. } => {
                Shape::Ellipse { center, radii: both(radii, *angle_deg)?, angle_deg: angle_in(*angle_deg)? }
            }
            Shape::Box { size, angle_deg, .. } => {
                Shape::Box { center, size: both(size, *angle_deg)?, angle_deg: angle_in(*angle_deg)? }
            }
            Shape::Point { .. } | Shape::Polygon { .. } => Shape::Point { center },
        };
        sane(shape)
    }

    /// The system in which new regions are written: the sky where the image has it.
    pub fn own_system(&self) -> System {
        match self.frame() {
            Some("FK5 J2000") => System::Fk5,
            Some("ICRS") => System::Icrs,
            Some("galactic") => System::Galactic,
            _ => System::Image,
        }
    }

    /// Side of a pixel in arcsec at a place, where the image shows the sky.
    pub fn arcsec_at(&self, pixel: [f64; 2]) -> Option<f64> {
        Some(self.wcs.as_ref()?.sky(pixel)?.pixel_scale_arcsec)
    }

    fn frame(&self) -> Option<&str> {
        self.wcs.as_ref().filter(|wcs| wcs.shows_sky())?.wcs().sky_frame()
    }

    fn sky(&self) -> Result<&PlaneWcs, String> {
        match self.frame() {
            Some("ICRS" | "FK5 J2000" | "galactic") => self.wcs.as_ref().ok_or_else(String::new),
            Some(frame) => Err(format!("the coordinates of the image are {frame}, which regions are not taken to")),
            None => Err("the image has no sky coordinates".into()),
        }
    }

    fn pixel(&self, place: [f64; 2], system: System) -> Result<[f64; 2], String> {
        let from_one = |[x, y]: [f64; 2]| [x - 1.0, y - 1.0];
        match system {
            System::Image => Ok(from_one(place)),
            System::Physical => Ok(from_one(self.physical.image_from_physical(place))),
            System::Fk5 | System::Icrs | System::Galactic => {
                let wcs = self.sky()?;
                let own = match (system == System::Galactic, self.frame() == Some("galactic")) {
                    (true, false) => icrs_from_galactic(place),
                    (false, true) => galactic_from_icrs(place),
                    _ => [place[0].rem_euclid(360.0), place[1]],
                };
                wcs.pixel_from_sky(own).ok_or_else(|| "the projection of the image does not reach there".into())
            }
        }
    }

    fn coordinate(&self, pixel: [f64; 2], system: System) -> Result<[f64; 2], String> {
        let to_one = [pixel[0] + 1.0, pixel[1] + 1.0];
        match system {
            System::Image => Ok(to_one),
            System::Physical => Ok(self.physical.physical_from_image(to_one)),
            System::Fk5 | System::Icrs | System::Galactic => {
                let own = self.sky()?.sky_from_pixel(pixel).ok_or("the image has no sky there")?;
                Ok(match (system == System::Galactic, self.frame() == Some("galactic")) {
                    (true, false) => galactic_from_icrs(own),
                    (false, true) => icrs_from_galactic(own),
                    _ => own,
                })
            }
        }
    }

    /// Pixels of the system, or arcsec, in a pixel of the image: along an angle on the image, or on the mean.
    fn units_a_pixel(&self, pixel: [f64; 2], system: System, angle_deg: Option<f64>) -> Result<f64, String> {
        match (system, angle_deg) {
            (System::Image, _) => Ok(1.0),
            (System::Physical, _) => Ok(1.0 / self.physical.scale()),
            (_, None) => Ok(self.sky()?.sky(pixel).ok_or("the image has no sky there")?.pixel_scale_arcsec),
            (_, Some(angle)) => {
                let wcs = self.sky()?;
                let (s, c) = angle.to_radians().sin_cos();
                let end = |by: f64| wcs.sky_from_pixel([pixel[0] + by * c, pixel[1] + by * s]);
                let (a, b) = (end(-0.5), end(0.5));
                let (a, b) = a.zip(b).ok_or("the image has no sky there")?;
                Ok(separation_arcsec(a, b))
            }
        }
    }

    /// Axes of the sky on the image at a pixel, as unit vectors: west and north (of the system that is asked for).
    fn sky_axes(&self, pixel: [f64; 2], system: System) -> Result<[[f64; 2]; 2], String> {
        let none = || "the image has no sky there".to_owned();
        let here = self.coordinate(pixel, system)?;
        // A step to the north in the system of the region, which need not be that of the image.
        let step = 0.5 * self.units_a_pixel(pixel, system, None)? / 3600.0;
        let sign = if here[1] + step < 90.0 { 1.0 } else { -1.0 };
        let there = self.pixel([here[0], here[1] + sign * step], system)?;
        let (u, v) = (sign * (there[0] - pixel[0]), sign * (there[1] - pixel[1]));
        let length = u.hypot(v);
        let north = [u / length, v / length];
        let own = self.sky()?.sky(pixel).ok_or_else(none)?;
        // West lies a quarter turn from north: to the right, unless the image is mirrored.
        let mirrored = own.north[0] * own.east[1] - own.north[1] * own.east[0] < 0.0;
        let west = if mirrored { [-north[1], north[0]] } else { [north[1], -north[0]] };
        if length > 0.0 { Ok([west, north]) } else { Err(none()) }
    }

    fn angle_on_image(&self, pixel: [f64; 2], system: System, angle_deg: f64) -> Result<f64, String> {
        match system {
            System::Image => Ok(angle_deg),
            System::Physical => Ok(self.physical.turn(angle_deg)),
            System::Fk5 | System::Icrs | System::Galactic => {
                let [west, north] = self.sky_axes(pixel, system)?;
                let (s, c) = angle_deg.to_radians().sin_cos();
                Ok((c * west[1] + s * north[1]).atan2(c * west[0] + s * north[0]).to_degrees())
            }
        }
    }

    fn angle_in_system(&self, pixel: [f64; 2], system: System, angle_deg: f64) -> Result<f64, String> {
        match system {
            System::Image => Ok(angle_deg),
            System::Physical => Ok(self.physical.turn_back(angle_deg)),
            System::Fk5 | System::Icrs | System::Galactic => {
                let [west, north] = self.sky_axes(pixel, system)?;
                let (s, c) = angle_deg.to_radians().sin_cos();
                let along = |axis: [f64; 2]| c * axis[0] + s * axis[1];
                Ok(along(north).atan2(along(west)).to_degrees())
            }
        }
    }
}

fn sane(shape: Shape) -> Result<Shape, String> {
    if shape.is_sane() { Ok(shape) } else { Err("it has no extent on this image".into()) }
}

/// Angle between two places on the sky (longitude and latitude in degrees), in arcsec.
fn separation_arcsec(a: [f64; 2], b: [f64; 2]) -> f64 {
    let [a, b] = [a, b].map(|p| p.map(f64::to_radians));
    let half = |x: f64| (0.5 * x).sin().powi(2);
    let haversine = half(b[1] - a[1]) + a[1].cos() * b[1].cos() * half(b[0] - a[0]);
    2.0 * haversine.clamp(0.0, 1.0).sqrt().asin().to_degrees() * 3600.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::Wcs;

    fn place(text: &str) -> RegionPlace {
        let header = Header::from_lines(text.as_bytes());
        let wcs = Wcs::from_header(&header).unwrap().map(|wcs| PlaneWcs::new(Arc::new(wcs), &[200, 300], 0));
        RegionPlace { wcs, physical: Physical::of(&header) }
    }

    const TURNED: &str = "NAXIS   = 2\nCTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCRVAL1  = 63.35\nCRVAL2  = 40.46\n\
        CRPIX1  = 101.0\nCRPIX2  = 51.0\nCD1_1   = -5.0E-5\nCD1_2   = 2.0E-5\nCD2_1   = 2.0E-5\nCD2_2   = 5.0E-5\nRADESYS = 'ICRS'\n\
        LTV1    = -20.0\nLTV2    = 5.0\nLTM1_1  = 0.5\nLTM2_2  = 0.5";

    #[test]
    fn shapes_go_into_every_system_and_back() {
        let place = place(TURNED);
        let shapes = [
            Shape::Circle { center: [120.5, 33.25], radius: 7.5 },
            Shape::Ellipse { center: [20.5, 133.25], radii: [12.0, 7.5], angle_deg: 33.0 },
            Shape::Box { center: [220.5, 33.25], size: [12.0, 7.5], angle_deg: 133.0 },
            Shape::Polygon { vertices: vec![[10.0, 10.0], [30.0, 12.0], [25.0, 44.0]] },
            Shape::Annulus { center: [120.5, 33.25], radii: vec![3.0, 7.5, 9.0] },
            Shape::Point { center: [1.0, 2.0] },
        ];
        for shape in &shapes {
            for system in System::ALL {
                let there = place.shape_in(shape, system).unwrap();
                let region = Region { system, shape: there, include: true, color: None, label: None };
                let back = place.pixels_of(&region).unwrap();
                let (a, b) = (shape.outlines(), back.outlines());
                let ends = a.iter().flatten().zip(b.iter().flatten());
                for (p, q) in ends {
                    assert!((p[0] - q[0]).hypot(p[1] - q[1]) < 2e-4, "{system:?} {shape:?} {back:?}");
                }
                let (p, q) = (shape.center(), back.center());
                assert!((p[0] - q[0]).hypot(p[1] - q[1]) < 1e-4);
            }
        }
    }

    /// LTV and LTM: image = LTM physical + LTV.
    #[test]
    fn physical_pixels_are_those_of_the_detector() {
        let region = Region {
            system: System::Physical,
            shape: Shape::Circle { center: [242.0, 92.0], radius: 10.0 },
            include: true,
            color: None,
            label: None,
        };
        let expected = Shape::Circle { center: [100.0, 50.0], radius: 5.0 };
        assert_eq!(place(TURNED).pixels_of(&region).unwrap(), expected);
    }

    /// On an image with north up and east left an angle on the sky is one on the image; on a mirrored image it runs the
    /// other way round, as the sky does.
    #[test]
    fn angles_are_those_of_the_sky() {
        let plain = "NAXIS   = 2\nCTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCRVAL1  = 10.0\nCRVAL2  = 20.0\n\
            CRPIX1  = 101.0\nCRPIX2  = 51.0\nCDELT1  = -1.0E-4\nCDELT2  = 1.0E-4";
        let mirrored = plain.replace("CDELT1  = -1.0E-4", "CDELT1  = 1.0E-4");
        let region = Region {
            system: System::Icrs,
            shape: Shape::Box { center: [10.0, 20.0], size: [3.6, 1.8], angle_deg: 30.0 },
            include: true,
            color: None,
            label: None,
        };
        for (text, expected) in [(plain, 30.0), (mirrored.as_str(), 150.0)] {
            let Shape::Box { center, size, angle_deg } = place(text).pixels_of(&region).unwrap() else { panic!() };
            assert!((angle_deg - expected).abs() < 1e-3, "{angle_deg}");
            assert!((center[0] - 100.0).abs() < 1e-6 && (center[1] - 50.0).abs() < 1e-6);
            assert!((size[0] - 10.0).abs() < 1e-4 && (size[1] - 5.0).abs() < 1e-4, "{size:?}");
        }
        // Pixels that are twice as high as wide: the box keeps its size on the sky.
        let tall = plain.replace("CDELT2  = 1.0E-4", "CDELT2  = 2.0E-4");
        let upright = Region { shape: Shape::Box { center: [10.0, 20.0], size: [3.6, 3.6], angle_deg: 0.0 }, ..region };
        let Shape::Box { size, .. } = place(&tall).pixels_of(&upright).unwrap() else { panic!() };
        assert!((size[0] - 10.0).abs() < 1e-4 && (size[1] - 5.0).abs() < 1e-4, "{size:?}");
    }

    /// The galactic centre of the system is at RA 266.40499, Dec -28.93617 (Hipparcos volume 1).
    #[test]
    fn galactic_regions_fall_on_an_equatorial_image() {
        let text = "NAXIS   = 2\nCTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCRVAL1  = 266.404996\nCRVAL2  = -28.936172\n\
            CRPIX1  = 101.0\nCRPIX2  = 51.0\nCDELT1  = -1.0E-3\nCDELT2  = 1.0E-3\nEQUINOX = 2000.0";
        let place = place(text);
        assert_eq!(place.own_system(), System::Fk5);
        let region = Region {
            system: System::Galactic,
            shape: Shape::Ellipse { center: [0.0, 0.0], radii: [36.0, 18.0], angle_deg: 0.0 },
            include: true,
            color: None,
            label: None,
        };
        let Shape::Ellipse { center, radii, angle_deg } = place.pixels_of(&region).unwrap() else { panic!() };
        assert!((center[0] - 100.0).hypot(center[1] - 50.0) < 0.03, "{center:?}");
        assert!((radii[0] - 10.0).abs() < 1e-3 && (radii[1] - 5.0).abs() < 1e-3);
        // Galactic north lies 58.6 degrees west of celestial north there, so galactic west 58.6 degrees below the x axis.
        assert!((angle_deg.rem_euclid(360.0) - 301.4).abs() < 0.1, "{angle_deg}");
        let none = RegionPlace::default().pixels_of(&region).unwrap_err();
        assert!(none.contains("no sky coordinates"), "{none}");
    }
}
