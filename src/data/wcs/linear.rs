//! The linear part of world coordinates, one axis at a time.
//!
//! FITS standard 4.0 section 8; Greisen & Calabretta 2002 (A&A 395, 1061), equations 1 and 3.

use super::super::{Header, Keyword};

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

#[cfg(test)]
mod tests {
    use super::*;

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
