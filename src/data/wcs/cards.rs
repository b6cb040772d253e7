//! Which cards describe world coordinates, and what they say, before anything is done about it.

use std::collections::BTreeMap;

use super::super::Header;

/// More axes than this are refused: matrices grow with the square of it.
pub(super) const MOST_AXES: usize = 16;
/// Largest SIP order (Shupe et al. 2005: 2 to 9).
const SIP_ORDER: i64 = 9;

/// What a keyword of world coordinates is about, alternate letter left off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// One value for the whole description (LONPOLE, SPECSYS).
    Whole,
    /// One value of a world axis, 1-based (CTYPEi, CUNITi, CRVALi, CDELTi, CROTAi, CNAMEi, PVi_m, PSi_m).
    World(usize),
    /// One value of a pixel axis (CRPIXj).
    Pixel(usize),
    /// Both (CDi_j, PCi_j, PCiiijjj).
    Matrix(usize, usize),
}

/// Keywords of the whole description that take an alternate letter.
const LETTERED: [&str; 14] = [
    "WCSAXES", "WCSNAME", "LONPOLE", "LATPOLE", "RADESYS", "EQUINOX", "RESTFRQ", "RESTWAV", "SPECSYS", "SSYSOBS",
    "VELOSYS", "ZSOURCE", "SSYSSRC", "VELANGL",
];
/// Keywords of the whole description that take none.
const PLAIN: [&str; 8] = ["RADECSYS", "EPOCH", "RESTFREQ", "VELREF", "DC-FLAG", "A_ORDER", "B_ORDER", "CD-MATRX"];

/// Splits a keyword into its role and its alternate letter (a space for the primary description); `None` when it does
/// not describe world coordinates.
pub(super) fn role(keyword: &str) -> Option<(Role, char)> {
    if PLAIN.contains(&keyword) || is_distortion(keyword) {
        return Some((Role::Whole, ' '));
    }
    if LETTERED.contains(&keyword) {
        return Some((Role::Whole, ' '));
    }
    if let Some(role) = numbered(keyword) {
        return Some((role, ' '));
    }
    let letter = keyword.chars().last().filter(char::is_ascii_uppercase)?;
    let base = keyword.get(..keyword.len().checked_sub(1)?)?;
    // The defunct eight-letter PCiiijjj has no room for a letter.
    let role = LETTERED.contains(&base).then_some(Role::Whole).or_else(|| numbered(base))?;
    Some((role, letter))
}

fn numbered(keyword: &str) -> Option<Role> {
    let number = |text: &str| match text {
        "" => None,
        _ if text.starts_with('0') || text.len() > 2 || !text.bytes().all(|b| b.is_ascii_digit()) => None,
        _ => text.parse::<usize>().ok(),
    };
    for name in ["CTYPE", "CUNIT", "CRVAL", "CDELT", "CROTA", "CNAME"] {
        if let Some(n) = keyword.strip_prefix(name).and_then(number) {
            return Some(Role::World(n));
        }
    }
    if let Some(n) = keyword.strip_prefix("CRPIX").and_then(number) {
        return Some(Role::Pixel(n));
    }
    let rest = keyword.get(2..)?;
    match keyword.get(..2)? {
        "PV" | "PS" => {
            let (i, m) = rest.split_once('_')?;
            let (i, _) = (number(i)?, if m == "0" { 0 } else { number(m)? });
            Some(Role::World(i))
        }
        "PC" if rest.len() == 6 && rest.bytes().all(|b| b.is_ascii_digit()) => {
            Some(Role::Matrix(rest.get(..3)?.parse().ok()?, rest.get(3..)?.parse().ok()?))
        }
        "CD" | "PC" => {
            let (i, j) = rest.split_once('_')?;
            Some(Role::Matrix(number(i)?, number(j)?))
        }
        _ => None,
    }
}

/// SIP coefficients (A_p_q, BP_p_q ...) and the IRAF surfaces of TNX and ZPX (WATi_nnn).
fn is_distortion(keyword: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some((i, n)) = keyword.strip_prefix("WAT").and_then(|rest| rest.split_once('_')) {
        return digits(i) && digits(n);
    }
    ["A_", "B_", "AP_", "BP_"].iter().any(|prefix| {
        keyword.strip_prefix(prefix).is_some_and(|rest| {
            rest == "ORDER" || rest == "DMAX" || rest.split_once('_').is_some_and(|(p, q)| digits(p) && digits(q))
        })
    })
}

/// One world axis as the header gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AxisCards {
    /// CTYPEi in capitals.
    pub kind: String,
    /// CUNITi as written.
    pub unit: String,
    /// CRVALi.
    pub value: f64,
    /// CRPIXi of the pixel axis with the same number, 1-based.
    pub reference_pixel: f64,
    /// CDELTi; `None` when missing.
    pub step: Option<f64>,
    /// CROTAi in degrees.
    pub rotation: Option<f64>,
}

/// The matrix from pixels to intermediate coordinates as written, 1-based.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum MatrixCards {
    /// None: CDELTi and perhaps CROTAi.
    Missing,
    /// PCi_j, to be multiplied by CDELTi.
    Pc(BTreeMap<(usize, usize), f64>),
    /// CDi_j.
    Cd(BTreeMap<(usize, usize), f64>),
}

/// One description of world coordinates, read from a header.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cards {
    pub axes: Vec<AxisCards>,
    pub matrix: MatrixCards,
    /// PVi_m under (i, m).
    pub parameters: BTreeMap<(usize, usize), f64>,
    /// SIP coefficients: `("A", p, q)`, the forward ones.
    pub sip: Vec<(char, usize, usize, f64)>,
    /// TNX and ZPX texts, WATi_nnn, as they stand.
    pub surfaces: Vec<(String, String)>,
    /// What is odd.
    pub warnings: Vec<String>,
}

impl Cards {
    /// Reads the description of a letter (a space for the primary one); `None` when the header has none.
    ///
    /// # Errors
    /// Too many axes, or a SIP order beyond the convention.
    pub fn read(header: &Header, letter: char) -> Result<Option<Self>, String> {
        let own = |keyword: &str| role(keyword).filter(|&(_, of)| of == letter).map(|(role, _)| role);
        let roles: Vec<(Role, &str)> = header
            .cards()
            .iter()
            .filter(|card| card.value.is_some())
            .filter_map(|card| Some((own(&card.keyword)?, card.keyword.as_str())))
            .collect();
        if !roles.iter().any(|(role, _)| *role != Role::Whole) {
            return Ok(None);
        }
        let named = roles.iter().map(|(role, _)| match *role {
            Role::Whole => 0,
            Role::World(i) | Role::Pixel(i) => i,
            Role::Matrix(i, j) => i.max(j),
        });
        let count = |keyword: &str| header.get_i64(keyword).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let declared = count(&lettered("WCSAXES", letter)).max(count("NAXIS"));
        let axes = named.max().unwrap_or(0).max(declared);
        if axes > MOST_AXES {
            return Err(format!("they have {axes} axes and {MOST_AXES} is the most that is read"));
        }
        let mut warnings = Vec::new();
        let mut out = Self {
            axes: (1..=axes).map(|i| axis(header, i, letter, &mut warnings)).collect(),
            matrix: MatrixCards::Missing,
            parameters: BTreeMap::new(),
            sip: Vec::new(),
            surfaces: Vec::new(),
            warnings,
        };
        let (mut cd, mut pc, mut defunct) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (role, keyword) in roles {
            let number = || header.get_f64(keyword).filter(|x| x.is_finite());
            match role {
                Role::Matrix(i, j) if i >= 1 && j >= 1 => {
                    let elements = match keyword.get(..2) {
                        Some("CD") => &mut cd,
                        _ if keyword.contains('_') => &mut pc,
                        _ => &mut defunct,
                    };
                    if let Some(x) = number() {
                        elements.insert((i, j), x);
                    }
                }
                Role::World(i) if keyword.starts_with("PV") => {
                    let m = keyword.split_once('_').map(|(_, m)| m.trim_end_matches(letter));
                    if let (Some(m), Some(x)) = (m.and_then(|m| m.parse().ok()), number()) {
                        out.parameters.insert((i, m), x);
                    }
                }
                _ => {}
            }
        }
        if pc.is_empty() {
            pc = defunct;
        }
        // The two forms exclude each other (FITS 4.0 section 8.2.1); wcslib takes PC where both stand.
        out.matrix = match (pc.is_empty(), cd.is_empty()) {
            (true, true) => MatrixCards::Missing,
            (true, false) => MatrixCards::Cd(cd),
            (false, no_cd) => {
                if !no_cd {
                    out.warnings.push("both PCi_j and CDi_j are given; PCi_j is used".into());
                }
                MatrixCards::Pc(pc)
            }
        };
        if letter == ' ' || out.axes.iter().any(|axis| axis.kind.ends_with("-SIP")) {
            out.sip = sip(header)?;
        }
        if letter == ' ' {
            let texts = header.cards().iter().filter(|card| card.keyword.starts_with("WAT"));
            out.surfaces = texts
                .filter(|card| is_distortion(&card.keyword))
                .filter_map(|card| Some((card.keyword.clone(), header.get_str(&card.keyword)?.to_owned())))
                .collect();
        }
        Ok(Some(out))
    }

    /// CTYPE of axis `i` (0-based) without its algorithm: "RA", "AWAV".
    pub fn type_of(&self, i: usize) -> &str {
        self.axes.get(i).map_or("", |axis| type_of(&axis.kind))
    }

    /// Algorithm of axis `i` (0-based): "TAN", "F2W"; empty for a linear one.
    pub fn algorithm_of(&self, i: usize) -> &str {
        self.axes.get(i).map_or("", |axis| axis.kind.get(5..8).unwrap_or_else(|| axis.kind.get(5..).unwrap_or("")))
    }

    /// Whether the header gives each axis a step; one that it does not give counts as 1.
    pub fn has_steps(&self) -> Vec<bool> {
        let stepped = |i: usize, axis: &AxisCards| match &self.matrix {
            MatrixCards::Cd(elements) => elements.keys().any(|&(row, _)| row == i + 1),
            MatrixCards::Pc(_) | MatrixCards::Missing => axis.step.is_some(),
        };
        self.axes.iter().enumerate().map(|(i, axis)| stepped(i, axis)).collect()
    }

    /// Longitude and latitude axis (0-based), in whatever order they come.
    pub fn celestial(&self) -> Option<(usize, usize)> {
        let find = |is: &dyn Fn(&str) -> bool| (0..self.axes.len()).find(|&i| is(self.type_of(i)));
        let longitude = find(&is_longitude)?;
        let wanted = latitude_for(self.type_of(longitude))?;
        Some((longitude, find(&|kind| kind == wanted)?))
    }
}

/// CTYPE without its algorithm and the dashes before it.
pub(super) fn type_of(kind: &str) -> &str {
    kind.get(..4).unwrap_or(kind).trim_end_matches('-').trim_end()
}

fn is_longitude(kind: &str) -> bool {
    latitude_for(kind).is_some()
}

/// CTYPE of the latitude that goes with a longitude (FITS 4.0 section 8.3).
fn latitude_for(kind: &str) -> Option<String> {
    match kind {
        "RA" => Some("DEC".to_owned()),
        _ if kind.len() != 4 => None,
        _ => match (kind.strip_suffix("LON"), kind.strip_suffix("LN")) {
            (Some(frame), _) => Some(format!("{frame}LAT")),
            (None, Some(frame)) => Some(format!("{frame}LT")),
            (None, None) => None,
        },
    }
}

/// A keyword with its alternate letter.
pub(super) fn lettered(keyword: &str, letter: char) -> String {
    if letter == ' ' { keyword.to_owned() } else { format!("{keyword}{letter}") }
}

fn axis(header: &Header, i: usize, letter: char, warnings: &mut Vec<String>) -> AxisCards {
    let mut number = |name: &str| {
        let keyword = lettered(&format!("{name}{i}"), letter);
        let value = header.get(&keyword)?;
        let number = header.get_f64(&keyword).filter(|x| x.is_finite());
        if number.is_none() {
            warnings.push(format!("{keyword} = {value} is not a number and is left out"));
        }
        number
    };
    let (value, reference_pixel) = (number("CRVAL").unwrap_or(0.0), number("CRPIX").unwrap_or(0.0));
    let (step, rotation) = (number("CDELT"), number("CROTA"));
    let text = |name: &str| {
        header
            .get_str(&lettered(&format!("{name}{i}"), letter))
            .filter(|t| t.is_ascii())
            .unwrap_or("")
            .trim()
            .to_owned()
    };
    AxisCards { kind: text("CTYPE").to_ascii_uppercase(), unit: text("CUNIT"), value, reference_pixel, step, rotation }
}

/// Forward SIP coefficients. The inverse ones (AP, BP) are only approximate and are not read: we invert by iteration.
fn sip(header: &Header) -> Result<Vec<(char, usize, usize, f64)>, String> {
    let mut out = Vec::new();
    for (name, keyword) in [('A', "A_ORDER"), ('B', "B_ORDER")] {
        let Some(order) = header.get_i64(keyword) else { continue };
        if !(0..=SIP_ORDER).contains(&order) {
            return Err(format!("{keyword} = {order}: SIP polynomials go up to order {SIP_ORDER}"));
        }
        let order = usize::try_from(order).unwrap_or(0);
        for p in 0..=order {
            for q in 0..=order - p {
                if let Some(x) = header.get_f64(&format!("{name}_{p}_{q}")).filter(|x| x.is_finite() && *x != 0.0) {
                    out.push((name, p, q, x));
                }
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_told_apart() {
        for (keyword, found) in [
            ("CTYPE1", Some((Role::World(1), ' '))),
            ("CTYPE12B", Some((Role::World(12), 'B'))),
            ("CRPIX2P", Some((Role::Pixel(2), 'P'))),
            ("CD1_2", Some((Role::Matrix(1, 2), ' '))),
            ("PC3_1Z", Some((Role::Matrix(3, 1), 'Z'))),
            ("PC001002", Some((Role::Matrix(1, 2), ' '))),
            ("PV2_0", Some((Role::World(2), ' '))),
            ("PV2_17A", Some((Role::World(2), 'A'))),
            ("RESTWAVE", Some((Role::Whole, 'E'))),
            ("RESTFREQ", Some((Role::Whole, ' '))),
            ("RESTFRQ", Some((Role::Whole, ' '))),
            ("A_2_0", Some((Role::Whole, ' '))),
            ("WAT1_001", Some((Role::Whole, ' '))),
            ("CDELT", None),
            ("CRVAL0", None),
            ("CDELTA", None),
            ("PSCAMERA", None),
            ("PCALRMSE", None),
            ("PCI_VER", None),
            ("PSLIB_V", None),
            ("CD1_", None),
            ("A_3_1O", None),
            ("OBJECT", None),
            ("", None),
            ("Z", None),
        ] {
            assert_eq!(role(keyword), found, "{keyword}");
        }
    }

    #[test]
    fn the_number_of_axes_is_bounded() {
        let read = |text: &str| Cards::read(&Header::from_lines(text.as_bytes()), ' ');
        assert_eq!(read("WCSAXES = 99").unwrap(), None);
        assert!(read("WCSAXES = 99\nCRPIX1  = 1").unwrap_err().contains("99 axes"));
        assert!(read("CRPIX99 = 1").is_err());
        assert_eq!(read("NAXIS   = 1\nCTYPE3  = 'FREQ'").unwrap().unwrap().axes.len(), 3);
        assert!(read("CRPIX1  = 1\nA_ORDER = 400000000").unwrap_err().contains("A_ORDER"));
    }
}
