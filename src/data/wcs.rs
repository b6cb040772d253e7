//! The linear part of world coordinates: one axis at a time, and the size of a pixel on the sky.
//!
//! FITS standard 4.0 section 8; Greisen & Calabretta 2002 (A&A 395, 1061), equations 1 and 3.

use super::Header;
use super::cards_out::Keyword;

/// One axis taken as linear: world = value + step * (pixel - reference pixel).
#[derive(Debug, Clone, PartialEq)]
pub struct LinearAxis {
    /// CTYPEn; empty when missing.
    pub kind: String,
    /// CUNITn; empty when missing.
    pub unit: String,
    /// CRPIXn, 1-based.
    pub reference_pixel: f64,
    /// CRVALn, in `unit`.
    pub reference_value: f64,
    /// CDn_n, or CDELTn times PCn_n, in `unit` per pixel.
    pub step: f64,
}

impl LinearAxis {
    /// Axis number `n` (1-based, FITS order) of a header; `None` when the header gives no step for it.
    pub fn from_header(header: &Header, n: usize) -> Option<Self> {
        let text = |key: &str| header.get_str(&format!("{key}{n}")).unwrap_or("").trim().to_owned();
        let number = |key: &str| header.get_f64(&format!("{key}{n}")).filter(|x| x.is_finite());
        Some(Self {
            kind: text("CTYPE"),
            unit: text("CUNIT"),
            reference_pixel: number("CRPIX").unwrap_or(0.0),
            reference_value: number("CRVAL").unwrap_or(0.0),
            step: matrix_element(header, n, n).filter(|&step| step != 0.0)?,
        })
    }

    /// World value at a 0-based pixel position.
    pub fn world_from_pixel(&self, pixel: f64) -> f64 {
        self.reference_value + self.step * (pixel + 1.0 - self.reference_pixel)
    }

    /// 0-based pixel position of a world value.
    pub fn pixel_from_world(&self, world: f64) -> f64 {
        (world - self.reference_value) / self.step + self.reference_pixel - 1.0
    }

    /// The keywords that write it as axis number `n` (1-based, FITS order).
    pub fn keywords(&self, n: usize) -> Vec<Keyword> {
        vec![
            Keyword::new(&format!("CTYPE{n}"), self.kind.as_str(), ""),
            Keyword::new(&format!("CUNIT{n}"), self.unit.as_str(), ""),
            Keyword::new(&format!("CRPIX{n}"), self.reference_pixel, "reference pixel, 1-based"),
            Keyword::new(&format!("CRVAL{n}"), self.reference_value, "value there"),
            Keyword::new(&format!("CDELT{n}"), self.step, "step a pixel"),
        ]
    }
}

/// Keywords of an image `[y, x]` of `ny` by `nx` square pixels in arcsec, 0 at its centre, y up and x to the right.
pub fn arcsec_grid(ny: usize, nx: usize, pixel_scale_arcsec: f64) -> Vec<Keyword> {
    let axis = |count: usize| LinearAxis {
        kind: "LINEAR".into(),
        unit: "arcsec".into(),
        reference_pixel: (count as f64 + 1.0) / 2.0,
        reference_value: 0.0,
        step: pixel_scale_arcsec,
    };
    [axis(nx).keywords(1), axis(ny).keywords(2)].concat()
}

/// Element of the matrix from pixels to world units; `None` when the header gives no steps at all.
fn matrix_element(header: &Header, i: usize, j: usize) -> Option<f64> {
    let number = |key: String| header.get_f64(&key).filter(|x| x.is_finite());
    // One CDi_j switches the whole matrix to CD, missing elements being 0.
    let has_cd = header.cards().iter().any(|c| c.value.is_some() && is_cd(&c.keyword));
    if has_cd {
        return Some(number(format!("CD{i}_{j}")).unwrap_or(0.0));
    }
    let step = number(format!("CDELT{i}"))?;
    let identity = if i == j { 1.0 } else { 0.0 };
    Some(step * number(format!("PC{i}_{j}")).unwrap_or(identity))
}

fn is_cd(keyword: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    keyword.strip_prefix("CD").and_then(|rest| rest.split_once('_')).is_some_and(|(i, j)| digits(i) && digits(j))
}

/// Side of a pixel in arcsec: the square root of its area. From the world coordinates of the celestial axes, or of the
/// first two axes when they are given in an angle; else from the keywords that cameras write. `None` when unknown.
pub fn pixel_scale_arcsec(header: &Header) -> Option<f64> {
    from_world_axes(header).or_else(|| from_keywords(header)).filter(|&x| x.is_finite() && x > 0.0)
}

fn from_world_axes(header: &Header) -> Option<f64> {
    let (i, j) = celestial_axes(header).unwrap_or((1, 2));
    let area = matrix_element(header, i, i)? * matrix_element(header, j, j)?
        - matrix_element(header, i, j)? * matrix_element(header, j, i)?;
    let units = angle_unit(header, i)? * angle_unit(header, j)?;
    Some((area * units).abs().sqrt()).filter(|&x| x.is_finite() && x > 0.0)
}

/// Numbers of the longitude and the latitude axis (1-based).
fn celestial_axes(header: &Header) -> Option<(usize, usize)> {
    let find = |is: fn(&str) -> bool| {
        (1..=9).find(|n| header.get_str(&format!("CTYPE{n}")).is_some_and(|kind| is(&kind.to_ascii_uppercase())))
    };
    let longitude = find(|kind| kind == "RA" || kind.starts_with("RA--") || kind.get(1..4) == Some("LON"))?;
    let latitude = find(|kind| kind == "DEC" || kind.starts_with("DEC-") || kind.get(1..4) == Some("LAT"))?;
    Some((longitude, latitude))
}

/// Arcsec in one unit of axis `n`; celestial axes without CUNIT are in degrees.
fn angle_unit(header: &Header, n: usize) -> Option<f64> {
    let unit = header.get_str(&format!("CUNIT{n}")).unwrap_or("").trim();
    match unit.to_ascii_lowercase().as_str() {
        "" => celestial_axes(header).filter(|&(i, j)| i == n || j == n).map(|_| 3600.0),
        unit => arcsec_in(unit),
    }
}

fn arcsec_in(unit: &str) -> Option<f64> {
    Some(match unit {
        "deg" | "degree" | "degrees" => 3600.0,
        "arcmin" => 60.0,
        "arcsec" | "arcsecond" | "arcseconds" => 1.0,
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

    #[test]
    fn a_linear_axis_goes_both_ways() {
        let header = Header::from_lines(b"CTYPE1  = 'WAVN'\nCRPIX1  = 1.0\nCRVAL1  = 14700.0\nCDELT1  = 2.5");
        let axis = LinearAxis::from_header(&header, 1).unwrap();
        assert_eq!(axis.world_from_pixel(0.0), 14700.0);
        assert_eq!(axis.world_from_pixel(10.0), 14725.0);
        assert_eq!(axis.pixel_from_world(14725.0), 10.0);
        assert_eq!(LinearAxis::from_header(&header, 2), None);
    }
}
