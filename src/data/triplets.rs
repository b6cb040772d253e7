//! Which HDUs belong together: data, their error and their mask.
//!
//! DATA/STAT/DQ (ESO), SCI/ERR/DQ (HST, JWST), FLUX/IVAR/MASK (SDSS, DESI, with a prefix `B_`, `R_`, `Z_`), a primary
//! image with ERR; keywords ERRDATA and QUALDATA (ESO DICD) come before names.

use super::{FitsFile, Hdu};

/// What the values of an error HDU are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// One standard deviation.
    Sigma,
    /// Its square.
    Variance,
    /// One over its square; 0 where there is no information.
    InverseVariance,
}

impl ErrorKind {
    /// Standard deviation of a value of this kind; NaN where it has none.
    pub fn sigma(self, value: f64) -> f64 {
        match self {
            Self::Sigma => value,
            Self::Variance => value.sqrt(),
            Self::InverseVariance if value > 0.0 => value.sqrt().recip(),
            Self::InverseVariance => f64::NAN,
        }
    }
}

/// An image with what belongs to it, by HDU number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triplet {
    /// The data.
    pub data: usize,
    /// Their error.
    pub error: Option<(usize, ErrorKind)>,
    /// Their mask (or data quality: 0 is good).
    pub mask: Option<usize>,
}

/// What an HDU's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Data,
    Error(ErrorKind),
    Mask,
    Other,
}

/// The HDU is an image whose pixels all have one value, which stands in its header (HST: NPIX1, NPIX2, PIXVALUE; such
/// HDUs have NAXIS = 0). Gives its shape `[y, x]` and value.
pub fn constant_image(hdu: &Hdu) -> Option<(Vec<usize>, f64)> {
    let axis = |keyword: &str| hdu.header.get_i64(keyword).and_then(|n| usize::try_from(n).ok());
    let value = hdu.header.get_f64("PIXVALUE")?;
    (hdu.kind_name() == "empty").then_some((vec![axis("NPIX2")?, axis("NPIX1")?], value))
}

/// Every image of a file that is not the error or mask of another, with what belongs to it.
pub fn triplets(file: &FitsFile) -> Vec<Triplet> {
    let hdus = file.hdus();
    let usable = |hdu: &&Hdu| hdu.image().is_some() || constant_image(hdu).is_some();
    let mut found: Vec<Triplet> = Vec::new();
    let candidates = hdus.iter().filter(usable).filter(|hdu| hdu.image().is_some());
    for data in candidates.filter(|hdu| matches!(role(&hdu.name).1, Role::Data | Role::Other)) {
        let named = |keyword: &str| {
            let name = data.header.get_str(keyword).map(str::trim).filter(|name| !name.is_empty())?;
            hdus.iter().filter(usable).find(|hdu| hdu.name.eq_ignore_ascii_case(name) && fits(hdu, data))
        };
        let (prefix, own) = role(&data.name);
        let partner = |wanted: fn(Role) -> bool| {
            let belongs = |hdu: &&Hdu| {
                let (other, role) = role(&hdu.name);
                wanted(role) && other.eq_ignore_ascii_case(prefix) && hdu.version == data.version && fits(hdu, data)
            };
            (own == Role::Data).then(|| hdus.iter().filter(usable).find(belongs)).flatten()
        };
        let error = named("ERRDATA").or_else(|| partner(|role| matches!(role, Role::Error(_))));
        let mask = named("QUALDATA").or_else(|| partner(|role| role == Role::Mask));
        let kind = |hdu: &Hdu| match (role(&hdu.name).1, hdu.header.get_str("HDUCLAS3").map(str::trim)) {
            (_, Some("MSE")) => ErrorKind::Variance,
            (_, Some("RMSE")) => ErrorKind::Sigma,
            (_, Some("INVMSE")) => ErrorKind::InverseVariance,
            (Role::Error(kind), _) => kind,
            _ => ErrorKind::Sigma,
        };
        found.push(Triplet {
            data: data.index,
            error: error.map(|hdu| (hdu.index, kind(hdu))),
            mask: mask.map(|hdu| hdu.index),
        });
    }
    // What a name does not tell (a lone ERR, for one) is an image of its own.
    let taken = |index: usize| {
        found.iter().any(|t| t.data == index || t.mask == Some(index) || t.error.is_some_and(|(e, _)| e == index))
    };
    let alone: Vec<Triplet> = hdus
        .iter()
        .filter(|hdu| hdu.image().is_some() && !taken(hdu.index))
        .map(|hdu| Triplet { data: hdu.index, error: None, mask: None })
        .collect();
    found.extend(alone);
    found.sort_by_key(|triplet| triplet.data);
    found
}

/// The shape of a companion is that of the data, or it has one value for all of them.
fn fits(companion: &Hdu, data: &Hdu) -> bool {
    companion.index != data.index
        && constant_image(companion)
            .map_or_else(|| companion.shape() == data.shape(), |(shape, _)| shape == data.shape())
}

/// Splits a name into prefix and role: `B_IVAR` is `B` and inverse variance.
fn role(name: &str) -> (&str, Role) {
    let at = name.rfind(['_', '.']);
    let (prefix, last) = at.map_or(("", name), |at| (name.get(..at).unwrap_or(""), name.get(at + 1..).unwrap_or("")));
    let role = match last.to_ascii_uppercase().as_str() {
        "" | "PRIMARY" | "DATA" | "SCI" | "FLUX" | "IMAGE" | "SIGNAL" | "SCIENCE" => Role::Data,
        "STAT" | "VAR" | "VARIANCE" => Role::Error(ErrorKind::Variance),
        "ERR" | "ERROR" | "ERRORS" | "SIGMA" | "UNCERT" | "UNCERTAINTY" | "NOISE" | "STD" | "RMS" => {
            Role::Error(ErrorKind::Sigma)
        }
        "IVAR" | "INVVAR" | "IVARIANCE" => Role::Error(ErrorKind::InverseVariance),
        "DQ" | "MASK" | "BPM" | "FLAGS" | "QUAL" | "QUALITY" => Role::Mask,
        _ => Role::Other,
    };
    if role == Role::Other { (name, role) } else { (prefix, role) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_roles() {
        assert_eq!(role("B_IVAR"), ("B", Role::Error(ErrorKind::InverseVariance)));
        assert_eq!(role("STAT"), ("", Role::Error(ErrorKind::Variance)));
        assert_eq!(role("det1.data"), ("det1", Role::Data));
        assert_eq!(role(""), ("", Role::Data));
        assert_eq!(role("B_WAVELENGTH"), ("B_WAVELENGTH", Role::Other));
        assert_eq!(ErrorKind::InverseVariance.sigma(4.0), 0.5);
        assert!(ErrorKind::InverseVariance.sigma(0.0).is_nan());
        assert_eq!(ErrorKind::Variance.sigma(9.0), 3.0);
    }
}
