//! World coordinates of one plane of an image or cube: what a picture on the screen needs of them.

use std::sync::Arc;

use super::{Sky, Wcs, WorldAxis};

/// World coordinates of a plane: the first two pixel axes are the picture, the others stand still.
#[derive(Debug, Clone)]
pub struct PlaneWcs {
    wcs: Arc<Wcs>,
    /// Pixel coordinates (0-based) of the axes from the third on.
    fixed: Vec<f64>,
    /// World coordinates of some place on the plane: gives the axes that are not on the sky.
    reference: Option<Vec<f64>>,
}

impl PlaneWcs {
    /// The plane with a number (0-based) of an array of this shape, slowest axis first.
    pub fn new(wcs: Arc<Wcs>, shape: &[usize], plane: usize) -> Self {
        let mut rest = plane;
        let fixed = shape.iter().rev().skip(2).map(|&n| {
            let n = n.max(1);
            let here = rest % n;
            rest /= n;
            here as f64
        });
        let mut out = Self { fixed: fixed.collect(), reference: None, wcs };
        let [width, height] = [0, 1].map(|axis| shape.iter().rev().nth(axis).map_or(1.0, |&n| n as f64));
        // The corners of a map of the whole sky have no coordinates, its middle mostly has.
        let places = [0.5, 0.25, 0.75, 0.05, 0.95].into_iter();
        let mut places = places.clone().flat_map(|v| places.clone().map(move |u| [u * width, v * height]));
        out.reference = places.find_map(|pixel| out.world(pixel));
        out
    }

    /// The coordinates of the whole array.
    pub fn wcs(&self) -> &Arc<Wcs> {
        &self.wcs
    }

    fn full(&self, [x, y]: [f64; 2]) -> Vec<f64> {
        [x, y].into_iter().chain(self.fixed.iter().copied()).collect()
    }

    /// Every world coordinate of a pixel `[x, y]` (0-based) of the plane, see [`Wcs::world_from_pixel`].
    pub fn world(&self, pixel: [f64; 2]) -> Option<Vec<f64>> {
        self.wcs.world_from_pixel(&self.full(pixel))
    }

    /// Longitude and latitude in degrees of a pixel `[x, y]`; `None` beside the sky or without celestial axes.
    pub fn sky_from_pixel(&self, pixel: [f64; 2]) -> Option<[f64; 2]> {
        let (longitude, latitude) = self.wcs.celestial()?;
        let world = self.world(pixel)?;
        Some([*world.get(longitude)?, *world.get(latitude)?])
    }

    /// Pixel `[x, y]` of longitude and latitude in degrees. `None` where the projection does not reach, or when the
    /// picture does not show the sky.
    pub fn pixel_from_sky(&self, sky: [f64; 2]) -> Option<[f64; 2]> {
        let (longitude, latitude) = self.wcs.celestial().filter(|_| self.shows_sky())?;
        let mut world = self.reference.clone()?;
        *world.get_mut(longitude)? = sky[0];
        *world.get_mut(latitude)? = sky[1];
        let pixel = self.wcs.pixel_from_world(&world)?;
        Some([*pixel.first()?, *pixel.get(1)?])
    }

    /// True when the two axes of the picture are those of the sky.
    pub fn shows_sky(&self) -> bool {
        self.wcs.celestial().is_some_and(|(longitude, latitude)| longitude < 2 && latitude < 2)
    }

    /// How the sky lies on the picture at a pixel: north, east, size of a pixel.
    pub fn sky(&self, pixel: [f64; 2]) -> Option<Sky> {
        if self.shows_sky() { self.wcs.sky(&self.full(pixel)) } else { None }
    }

    /// The axes that are not on the sky, with their numbers (from 0) and their values at a pixel: wavelength, frequency,
    /// velocity, Stokes.
    pub fn others(&self, pixel: [f64; 2]) -> Vec<(usize, &WorldAxis, f64)> {
        let Some(world) = self.world(pixel) else { return Vec::new() };
        let (longitude, latitude) = self.wcs.celestial().unwrap_or((usize::MAX, usize::MAX));
        let axes = self.wcs.axes().iter().zip(world).enumerate();
        let free = axes.filter(|(i, _)| *i != longitude && *i != latitude);
        free.map(|(i, (axis, value))| (i, axis, value)).collect()
    }
}

impl WorldAxis {
    /// A value in the unit in which people read it: wavelengths in the header's unit, or nm or µm where that is the
    /// metre; frequencies with a prefix; velocities in km/s.
    pub fn readable(&self, value: f64) -> (f64, String) {
        let Some((factor, si)) = self.si else { return (value, self.unit.clone()) };
        let in_si = value * factor;
        let prefixed = |steps: &[(f64, &str)]| {
            let (size, unit) = steps.iter().find(|(size, _)| in_si.abs() >= *size).or(steps.last()).copied()?;
            Some((in_si / size, unit.to_owned()))
        };
        let found = match si {
            "m" if self.unit == "m" => prefixed(&[(1e-2, "m"), (1e-3, "mm"), (2.5e-6, "µm"), (1e-9, "nm")]),
            "m" if self.unit.eq_ignore_ascii_case("angstrom") => Some((value, "Å".to_owned())),
            "Hz" => prefixed(&[(1e12, "THz"), (1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz"), (1.0, "Hz")]),
            "m/s" => Some((in_si / 1e3, "km/s".to_owned())),
            _ => None,
        };
        found.unwrap_or_else(|| (value, self.unit.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Header;
    use super::*;

    fn wcs(text: &str) -> Arc<Wcs> {
        Arc::new(Wcs::from_header(&Header::from_lines(text.as_bytes())).unwrap().unwrap())
    }

    const CUBE: &str = "NAXIS   = 3\nCTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCTYPE3  = 'AWAV'\nCUNIT3  = 'Angstrom'\n\
        CRVAL1  = 150.0\nCRVAL2  = 2.0\nCRVAL3  = 4750.0\nCRPIX1  = 11.0\nCRPIX2  = 6.0\nCRPIX3  = 1.0\n\
        CDELT1  = -5.0E-5\nCDELT2  = 5.0E-5\nCDELT3  = 1.25";

    #[test]
    fn a_plane_of_a_cube_has_its_wavelength_and_its_sky() {
        let plane = PlaneWcs::new(wcs(CUBE), &[100, 11, 21], 40);
        assert!(plane.shows_sky());
        let [longitude, latitude] = plane.sky_from_pixel([10.0, 5.0]).unwrap();
        assert!((longitude - 150.0).abs() < 1e-12 && (latitude - 2.0).abs() < 1e-12);
        let pixel = plane.pixel_from_sky(plane.sky_from_pixel([3.0, 9.5]).unwrap()).unwrap();
        assert!((pixel[0] - 3.0).abs() < 1e-6 && (pixel[1] - 9.5).abs() < 1e-6, "{pixel:?}");
        let others = plane.others([0.0, 0.0]);
        assert_eq!(others.len(), 1);
        assert!((others[0].2 - 4800.0).abs() < 1e-9);
        assert_eq!(others[0].1.readable(4800.0), (4800.0, "Å".to_owned()));
        let sky = plane.sky([10.0, 5.0]).unwrap();
        assert!(sky.north[1] > 0.999 && sky.east[0] < -0.999, "{sky:?}");
    }

    #[test]
    fn planes_of_four_axes_count_the_third_first() {
        let text = CUBE.replace("NAXIS   = 3", "NAXIS   = 4")
            + "\nCTYPE4  = 'STOKES'\nCRVAL4  = 1.0\nCDELT4  = 1.0\nCRPIX4  = 1.0";
        let plane = PlaneWcs::new(wcs(&text), &[2, 100, 11, 21], 103);
        let values: Vec<f64> = plane.others([0.0, 0.0]).into_iter().map(|(.., value)| value).collect();
        assert!((values[0] - (4750.0 + 3.0 * 1.25)).abs() < 1e-9 && values[1] == 2.0, "{values:?}");
    }

    #[test]
    fn a_picture_of_velocity_against_longitude_does_not_show_the_sky() {
        let text = "CTYPE1  = 'GLON-CAR'\nCTYPE2  = 'VRAD'\nCTYPE3  = 'GLAT-CAR'\nCDELT1  = -0.01\nCDELT2  = 500.0\n\
            CDELT3  = 0.01\nCRPIX1  = 1\nCRPIX2  = 1\nCRPIX3  = 1\nCUNIT2  = 'm/s'";
        let plane = PlaneWcs::new(wcs(text), &[1, 30, 40], 0);
        assert!(!plane.shows_sky() && plane.pixel_from_sky([0.0, 0.0]).is_none());
        assert!(plane.sky_from_pixel([2.0, 3.0]).is_some());
        let (_, axis, value) = plane.others([2.0, 3.0])[0];
        let (readable, unit) = axis.readable(value);
        assert!((readable - 1.5).abs() < 1e-12 && unit == "km/s", "{value} {readable} {unit}");
    }
}
