//! The size of a pixel on the sky, from whatever the header offers.

use super::super::Header;
use super::Wcs;

/// Side of a pixel in arcsec: the square root of its area. From the world coordinates of the celestial axes at the
/// reference point, or of the first two axes when they are given in an angle; else from the keywords that cameras
/// write. `None` when unknown.
pub fn pixel_scale_arcsec(header: &Header) -> Option<f64> {
    let world = Wcs::from_header(header).ok().flatten().and_then(|wcs| wcs.pixel_scale_arcsec());
    world.or_else(|| from_keywords(header)).filter(|&x| x.is_finite() && x > 0.0)
}

impl Wcs {
    /// Side of a pixel in arcsec at the reference point: the square root of its area. Of the celestial axes, or of the
    /// first two where they are angles; `None` otherwise. [`Wcs::sky`] gives it anywhere else.
    pub fn pixel_scale_arcsec(&self) -> Option<f64> {
        let (i, j) = self.celestial.unwrap_or((0, 1));
        let units = arcsec_in(&self.axes.get(i)?.unit)? * arcsec_in(&self.axes.get(j)?.unit)?;
        // A missing CDELT counts as 1 in the transform; nobody means pixels of one degree by that.
        if !*self.stepped.get(i)? || !*self.stepped.get(j)? {
            return None;
        }
        let n = self.axes.len();
        let matrix = self.transform.linear().matrix_row_major();
        let (first, second) = (matrix.get(i * n..(i + 1) * n)?, matrix.get(j * n..(j + 1) * n)?);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let mixed = dot(first, second);
        let area = (dot(first, first) * dot(second, second) - mixed * mixed).max(0.0).sqrt();
        Some((area * units).sqrt()).filter(|&x| x.is_finite() && x > 0.0)
    }
}

/// Arcsec in one unit of angle.
pub(super) fn arcsec_in(unit: &str) -> Option<f64> {
    Some(match super::spectral::standard_unit(unit).as_str() {
        "deg" => 3600.0,
        "arcmin" => 60.0,
        "arcsec" => 1.0,
        "mas" => 1e-3,
        "rad" => 180.0 * 3600.0 / std::f64::consts::PI,
        _ => return None,
    })
}

fn from_keywords(header: &Header) -> Option<f64> {
    let positive = |key: &str| header.get_f64(key).map(f64::abs).filter(|&x| x.is_finite() && x > 0.0);
    // JWST writes the area of a pixel, HST drizzle the scale of its output, others the scale itself.
    let arcsec = ["PIXSCALE", "PIXSCAL1", "SECPIX", "SECPIX1", "D001SCAL", "PIXSCL"];
    arcsec.iter().find_map(|key| positive(key)).or_else(|| positive("PIXAR_A2").map(f64::sqrt)).or_else(|| {
        let arcsec_in_radian = 180.0 * 3600.0 / std::f64::consts::PI;
        positive("PIXAR_SR").map(|area| area.sqrt() * arcsec_in_radian)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(text: &str) -> Option<f64> {
        pixel_scale_arcsec(&Header::from_lines(text.as_bytes()))
    }

    fn near(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn scales_from_world_coordinates() {
        near(scale("CTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCDELT1  = -1.0D-4\nCDELT2  = 1.0E-4"), 0.36);
        // CD wins over the CDELT = 1 that some programs leave beside it, and rotation changes nothing.
        near(
            scale(
                "CTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCDELT1  = 1.0\nCDELT2  = 1.0\n\
                 CD1_1   = -6E-5\nCD1_2   = 8E-5\nCD2_1   = 8E-5\nCD2_2   = 6E-5",
            ),
            0.36,
        );
        near(scale("CUNIT1  = 'arcsec'\nCUNIT2  = 'arcsec'\nCDELT1  = 0.05\nCDELT2  = 0.05"), 0.05);
        near(scale("CUNIT1  = 'deg'\nCUNIT2  = 'deg'\nCDELT1  = 0.001\nCDELT2  = 0.004"), 7.2);
        // Latitude first, a spectral axis between.
        near(
            scale(
                "CTYPE1  = 'GLAT-CAR'\nCTYPE2  = 'VRAD'\nCTYPE3  = 'GLON-CAR'\n\
                 CDELT1  = 0.01\nCDELT2  = 500.0\nCDELT3  = -0.01",
            ),
            36.0,
        );
        near(
            scale(
                "CTYPE1  = 'RA---SIN'\nCTYPE2  = 'DEC--SIN'\nCDELT1  = -0.001\nCDELT2  = 0.001\n\
                 PC1_1   = 0.0\nPC1_2   = -1.0\nPC2_1   = 1.0\nPC2_2   = 0.0",
            ),
            3.6,
        );
    }

    #[test]
    fn scales_from_camera_keywords_and_unknown_ones() {
        near(scale("PIXSCALE= 0.06"), 0.06);
        near(scale("SECPIX  = '0.27'"), 0.27);
        near(scale("PIXAR_A2= 0.0009"), 0.03);
        near(scale("PIXAR_SR= 2.3504430539097885E-13"), 0.1);
        assert_eq!(scale("CTYPE1  = 'WAVE'\nCUNIT1  = 'Angstrom'\nCDELT1  = 1.25"), None);
        assert_eq!(scale("CDELT1  = 1.0\nCDELT2  = 1.0"), None);
        assert_eq!(scale("PIXSCALE= 0.0"), None);
        assert_eq!(scale(""), None);
    }
}
