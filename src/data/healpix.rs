//! HEALPix maps in tables (Gorski et al. 2005; the keywords of the HEALPix FITS convention): which pixel has which
//! value. Projection to a picture is done elsewhere.

use super::{DataError, FitsFile, Hdu, HduKind, Problem, Result, TableLayout};

/// The value that stands for "not observed" (HEALPix, BAD_DATA).
const UNSEEN: f64 = -1.6375e30;

/// How pixels are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordering {
    /// ORDERING = RING.
    Ring,
    /// ORDERING = NESTED.
    Nested,
    /// ORDERING = NUNIQ: pixels of several sizes; number = 4 nside^2 + nested pixel.
    Unique,
}

/// A HEALPix map in a table, not yet read.
#[derive(Debug, Clone, PartialEq)]
pub struct HealpixMap {
    /// HDU number.
    pub hdu: usize,
    /// Pixels on a side of each of the 12 base pixels; of a map of several sizes 0.
    pub nside: u64,
    /// Numbering.
    pub ordering: Ordering,
    /// Column that holds the pixel numbers (INDXSCHM = EXPLICIT, or UNIQ); `None` when every pixel is there in order.
    pub index_column: Option<usize>,
    /// Number of the first pixel (FIRSTPIX), where not all are there.
    pub first_pixel: u64,
    /// COORDSYS: `G` galactic, `E` ecliptic, `C` celestial; `None` when missing.
    pub coordinates: Option<char>,
    /// Columns with values, by 0-based number.
    pub columns: Vec<usize>,
}

/// A column of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct HealpixPixels {
    /// Pixel numbers, as many as values; `None` when the values are those of pixels `first_pixel..` in order.
    pub pixels: Option<Vec<u64>>,
    /// Values; not observed is NaN.
    pub values: Vec<f64>,
    /// TUNITn.
    pub unit: Option<String>,
}

impl HealpixMap {
    /// Number of pixels on the whole sky, `12 nside^2`.
    pub fn sky_pixels(&self) -> u64 {
        self.nside.saturating_mul(self.nside).saturating_mul(12)
    }

    /// Recognises a HEALPix map by PIXTYPE, or by NSIDE and ORDERING; `None` for any other HDU.
    ///
    /// # Errors
    /// It says that it is a map, and its keywords do not fit the table.
    pub fn recognise(file: &FitsFile, hdu: usize) -> Result<Option<Self>> {
        let unit = file.hdu(hdu)?;
        let HduKind::BinaryTable(table) = &unit.kind else { return Ok(None) };
        let word = |keyword: &str| unit.header.get_str(keyword).map(|text| text.trim().to_ascii_uppercase());
        let is_map = word("PIXTYPE").as_deref() == Some("HEALPIX")
            || (unit.header.get("NSIDE").is_some() && word("ORDERING").is_some());
        if !is_map {
            return Ok(None);
        }
        Self::understand(unit, table, &word).map(Some).map_err(|problem| DataError::new(file.path(), problem))
    }

    fn understand(
        unit: &Hdu,
        table: &TableLayout,
        word: &impl Fn(&str) -> Option<String>,
    ) -> std::result::Result<Self, Problem> {
        let bad = |keyword: &str, problem: &str| Problem::Keyword {
            hdu: unit.index,
            keyword: keyword.into(),
            value: unit.header.get(keyword).map_or_else(|| "(missing)".into(), ToString::to_string),
            problem: problem.into(),
        };
        let unique = table.columns.iter().position(|column| column.name.eq_ignore_ascii_case("UNIQ"));
        let ordering = match word("ORDERING").as_deref() {
            Some("RING") => Ordering::Ring,
            Some("NESTED" | "NEST") => Ordering::Nested,
            Some("NUNIQ" | "UNIQ") => Ordering::Unique,
            // The HEALPix convention asks for the keyword; old maps without it are in RING.
            None => Ordering::Ring,
            Some(_) => return Err(bad("ORDERING", "use RING, NESTED or NUNIQ")),
        };
        let named = |names: &[&str]| {
            table.columns.iter().position(|column| names.iter().any(|name| column.name.eq_ignore_ascii_case(name)))
        };
        let explicit = word("INDXSCHM").as_deref() == Some("EXPLICIT") || word("OBJECT").as_deref() == Some("PARTIAL");
        let index_column = match ordering {
            Ordering::Unique => Some(unique.ok_or_else(|| bad("ORDERING", "there is no column UNIQ"))?),
            _ if explicit => {
                let column = named(&["PIXEL", "PIX", "PIXELS", "IPIX", "HPXINDEX", "INDEX"]).or(Some(0));
                column.filter(|&column| column < table.columns.len())
            }
            _ => None,
        };
        let columns: Vec<usize> = (0..table.columns.len()).filter(|&i| Some(i) != index_column).collect();
        let nside = match unit.header.get_i64("NSIDE") {
            Some(nside) if (1..=1 << 29).contains(&nside) => nside.unsigned_abs(),
            None | Some(_) if ordering == Ordering::Unique => 0,
            _ => return Err(bad("NSIDE", "it must be a number from 1 to 2^29")),
        };
        if ordering == Ordering::Nested && !nside.is_power_of_two() {
            return Err(bad("NSIDE", "NESTED ordering needs a power of two"));
        }
        let first_pixel = unit.header.get_i64("FIRSTPIX").and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let coordinates = word("COORDSYS").and_then(|text| text.chars().next()).map(|c| match c {
            // Spelt out (GALACTIC, ECLIPTIC, EQUATORIAL, CELESTIAL, ICRS) or by letter; Q is equatorial.
            'Q' | 'I' => 'C',
            c => c,
        });
        let coordinates = match word("COORDSYS").as_deref() {
            Some("EQUATORIAL") => Some('C'),
            _ => coordinates,
        };
        let map = Self { hdu: unit.index, nside, ordering, index_column, first_pixel, coordinates, columns };
        Ok(map)
    }

    /// Reads the values of a column (0-based number, one of `columns`).
    ///
    /// # Errors
    /// As [`FitsFile::read_columns`], and a table whose length does not fit NSIDE.
    pub fn read(&self, file: &FitsFile, column: usize) -> Result<HealpixPixels> {
        let mut wanted = vec![column];
        wanted.extend(self.index_column);
        let table = file.read_columns(self.hdu, &wanted, 0..usize::MAX)?;
        let odd = |what: String, cure: &str| {
            DataError::new(file.path(), Problem::Shape { hdu: self.hdu, what, cure: cure.to_owned() })
        };
        let values = table.columns.first().and_then(super::FitsColumn::floats);
        let mut values = values.ok_or_else(|| odd("the column holds no numbers".into(), "choose another"))?;
        let unseen = file.hdu(self.hdu)?.header.get_f64("BAD_DATA").unwrap_or(UNSEEN);
        for value in &mut values {
            // Float32 does not hold the number exactly.
            if (*value - unseen).abs() <= 1e-5 * unseen.abs() || (*value - UNSEEN).abs() <= 1e-5 * UNSEEN.abs() {
                *value = f64::NAN;
            }
        }
        let unit = table.columns.first().and_then(|column| column.unit.clone());
        let pixels = match table.columns.get(1) {
            None => None,
            Some(index) => {
                let numbers = index.integers().filter(|_| self.index_column.is_some());
                let numbers = numbers.ok_or_else(|| {
                    odd("its pixel numbers are not integers".into(), "the table is damaged; fetch the file again")
                })?;
                let pixels: Option<Vec<u64>> = numbers.iter().map(|&n| u64::try_from(n).ok()).collect();
                Some(pixels.ok_or_else(|| odd("a pixel number is negative".into(), "fetch the file again"))?)
            }
        };
        let sky = self.sky_pixels();
        let fits = match &pixels {
            Some(pixels) => {
                pixels.len() == values.len()
                    && (self.ordering == Ordering::Unique || pixels.iter().all(|&pixel| pixel < sky))
            }
            None => self.first_pixel.saturating_add(values.len() as u64) <= sky,
        };
        if !fits {
            let what = format!("{} values do not fit a map of NSIDE {} ({sky} pixels)", values.len(), self.nside);
            return Err(odd(what, "NSIDE or the table is damaged; fetch the file again"));
        }
        Ok(HealpixPixels { pixels, values, unit })
    }
}

/// Order and nested pixel number of a NUNIQ number; `None` below 4.
pub fn split_unique(number: u64) -> Option<(u32, u64)> {
    let order = (number / 4).checked_ilog2()? / 2;
    Some((order, number - (4u64 << (2 * order))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unique_numbers_split() {
        // NUNIQ = 4 * 4^order + pixel.
        for (order, pixel) in [(0u32, 0u64), (0, 11), (1, 0), (1, 47), (10, 123_456), (29, (12 << 58) - 1)] {
            assert_eq!(split_unique((4u64 << (2 * order)) + pixel), Some((order, pixel)));
        }
        assert_eq!(split_unique(3), None);
    }
}
