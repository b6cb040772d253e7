//! World coordinates for products: the cards of a header for an image cut out of it.

use super::super::{Header, Keyword, Value};
use super::cards::{Role, role};

/// The cards that describe the world coordinates of a header, alternate ones included, for a product cut out of it.
///
/// `start` is the first pixel of the product in the old image, 0-based and in FITS order (x, y, z), one number for each
/// axis that the product keeps; negative where it reaches beyond. CRPIX moves by it, and cards of axes beyond are left
/// out. Distortions stay right, because they count from CRPIX.
pub fn wcs_keywords(header: &Header, start: &[i64]) -> Vec<Keyword> {
    let kept = start.len();
    let mut seen = std::collections::HashSet::new();
    let mut out = Vec::new();
    for card in header.cards() {
        let (Some(value), Some((role, _))) = (&card.value, role(&card.keyword)) else { continue };
        if !seen.insert(card.keyword.as_str()) {
            continue; // the first one counts
        }
        let value = match role {
            Role::World(i) if i > kept => continue,
            Role::Matrix(i, j) if i > kept || j > kept => continue,
            Role::Pixel(j) => match (j.checked_sub(1).and_then(|j| start.get(j)), header.get_f64(&card.keyword)) {
                (Some(&start), Some(x)) => Value::Float(x - start as f64),
                _ => continue,
            },
            Role::Whole if card.keyword.starts_with("WCSAXES") => match value {
                Value::Integer(n) if *n > kept as i64 => Value::Integer(kept as i64),
                other => other.clone(),
            },
            Role::Whole | Role::World(_) | Role::Matrix(..) => value.clone(),
        };
        out.push(Keyword { name: card.keyword.clone(), value, comment: card.comment.clone() });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::Wcs;
    use super::*;

    #[test]
    fn a_cutout_keeps_its_place_on_the_sky() {
        let text = "NAXIS   = 3\nWCSAXES = 3\nCTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCTYPE3  = 'AWAV'\n\
             CRVAL1  = 146.7\nCRVAL2  = 10.1\nCRVAL3  = 4750.0\nCUNIT3  = 'Angstrom'\nCRPIX1  = 50.5\nCRPIX2  = 40\n\
             CRPIX3  = 1.0\nCD1_1   = -5E-5\nCD1_2   = 1E-5\nCD2_1   = 1E-5\nCD2_2   = 5E-5\nCD3_3   = 1.25\n\
             CRPIX1P = 7.0\nCRVAL1P = 0.0\nOBJECT  = 'x'\nCRPIX2  = 99.0";
        let header = Header::from_lines(text.as_bytes());
        let lines = |keywords: &[Keyword]| {
            keywords.iter().map(|k| format!("{:<8}= {}", k.name, k.value)).collect::<Vec<_>>().join("\n")
        };
        let cut = wcs_keywords(&header, &[10, -3]);
        assert!(cut.iter().all(|k| !k.name.contains('3') && k.name != "OBJECT"), "{cut:?}");
        assert_eq!(cut.iter().find(|k| k.name == "WCSAXES").unwrap().value, Value::Integer(2));
        assert_eq!(cut.iter().find(|k| k.name == "CRPIX1P").unwrap().value, Value::Float(-3.0));
        let old = Wcs::from_header(&header).unwrap().unwrap();
        let written = lines(&cut);
        let new = Wcs::from_header(&Header::from_lines(written.as_bytes())).unwrap().unwrap();
        let (a, b) = (old.world_from_pixel(&[15.0, 7.5, 2.0]).unwrap(), new.world_from_pixel(&[5.0, 10.5]).unwrap());
        assert_eq!(a[2], 4752.5);
        assert!((a[0] - b[0]).abs() < 1e-12 && (a[1] - b[1]).abs() < 1e-12, "{a:?} {b:?}");
    }
}
