//! Which columns of a table are a position on the sky or in an image, by their UCD, name and unit.

use super::{Sheet, SheetColumn};
use crate::data::{Unit, icrs_from_galactic, parse_dec, parse_ra};

/// What two columns measure together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PositionKind {
    /// Right ascension and declination.
    #[default]
    Equatorial,
    /// Galactic longitude and latitude.
    Galactic,
    /// Pixels of an image, counted from 1 as FITS does.
    Pixel,
    /// Pixels counted from 0, as photutils does.
    PixelFromZero,
}

/// The columns of a position, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionColumns {
    /// What they measure.
    pub kind: PositionKind,
    /// Right ascension, longitude or x.
    pub first: String,
    /// Declination, latitude or y.
    pub second: String,
}

/// Positions of all rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Positions {
    /// What they are.
    pub kind: PositionKind,
    /// Degrees on the sky, or 0-based pixels `[x, y]`; NaN where the table has none.
    pub points: Vec<[f64; 2]>,
}

const EQUATORIAL: [&[&str]; 2] = [
    &[
        "ra",
        "_ra",
        "raj2000",
        "_raj2000",
        "ra_j2000",
        "ra2000",
        "radeg",
        "ra_deg",
        "raicrs",
        "ra_icrs",
        "_ra.icrs",
        "alpha_j2000",
        "alphawin_j2000",
        "alphapeak_j2000",
        "alpha",
        "alpha_sky",
        "meanra",
        "ramean",
        "ra_mean",
        "s_ra",
        "right_ascension",
        "raw_ra",
        "target_ra",
        "plug_ra",
        "coord_ra",
        "skycoord.ra",
        "sky_centroid.ra",
    ],
    &[
        "dec",
        "_de",
        "dej2000",
        "_dej2000",
        "dec_j2000",
        "dec2000",
        "dedeg",
        "dec_deg",
        "deicrs",
        "de_icrs",
        "_de.icrs",
        "delta_j2000",
        "deltawin_j2000",
        "deltapeak_j2000",
        "delta",
        "delta_sky",
        "meandec",
        "decmean",
        "dec_mean",
        "s_dec",
        "declination",
        "raw_dec",
        "target_dec",
        "plug_dec",
        "coord_dec",
        "skycoord.dec",
        "sky_centroid.dec",
    ],
];
const GALACTIC: [&[&str]; 2] =
    [&["glon", "_glon", "gal_lon", "gal_l", "l", "l_deg"], &["glat", "_glat", "gal_lat", "gal_b", "b", "b_deg"]];
const PIXEL: [&[&str]; 2] = [
    &["x_image", "xwin_image", "xpeak_image", "x", "xpos", "x_pix", "xpix", "xcenter", "x_center", "x_pixel"],
    &["y_image", "ywin_image", "ypeak_image", "y", "ypos", "y_pix", "ypix", "ycenter", "y_center", "y_pixel"],
];
const PIXEL_FROM_ZERO: [&[&str]; 2] = [&["xcentroid", "x_fit", "x_0"], &["ycentroid", "y_fit", "y_0"]];

/// Finds the columns of a position: by UCD first, then by name, the sky before pixels. `None` when nothing fits.
pub fn guess_positions(sheet: &Sheet) -> Option<PositionColumns> {
    by_ucd(sheet, PositionKind::Equatorial, ["pos.eq.ra", "pos.eq.dec"])
        .or_else(|| by_name(sheet, PositionKind::Equatorial, EQUATORIAL))
        .or_else(|| by_ucd(sheet, PositionKind::Galactic, ["pos.galactic.lon", "pos.galactic.lat"]))
        .or_else(|| by_name(sheet, PositionKind::Galactic, GALACTIC))
        .or_else(|| by_name(sheet, PositionKind::Pixel, PIXEL))
        .or_else(|| by_name(sheet, PositionKind::PixelFromZero, PIXEL_FROM_ZERO))
}

/// `pos.eq.ra;meta.main` before `pos.eq.ra`; the UCD1 form `POS_EQ_RA_MAIN` is known too.
fn by_ucd(sheet: &Sheet, kind: PositionKind, wanted: [&str; 2]) -> Option<PositionColumns> {
    let find = |ucd: &str| {
        let mut found: Vec<(bool, &SheetColumn)> = sheet
            .columns
            .iter()
            .filter(|column| {
                let word = column.ucd.to_ascii_lowercase().replace('_', ".");
                let first = word.split(';').next().unwrap_or("").trim();
                first == ucd || first == format!("{ucd}.main")
            })
            .map(|column| (!column.ucd.to_ascii_lowercase().contains("main"), column))
            .collect();
        found.sort_by_key(|(other, _)| *other);
        found.first().map(|(_, column)| column.data.name.clone())
    };
    Some(PositionColumns { kind, first: find(wanted[0])?, second: find(wanted[1])? })
}

/// The first pair of one place in both lists: `raj2000` goes with `dej2000`, not with another `dec`.
fn by_name(sheet: &Sheet, kind: PositionKind, names: [&[&str]; 2]) -> Option<PositionColumns> {
    let find = |name: &str| {
        // An x in megaparsecs is no pixel.
        let of_image = matches!(kind, PositionKind::Pixel | PositionKind::PixelFromZero);
        let unit_fits = |c: &SheetColumn| {
            let unit = c.unit().trim().to_ascii_lowercase();
            !of_image || unit.is_empty() || unit.starts_with("pix")
        };
        let fits = |c: &&SheetColumn| c.data.name.eq_ignore_ascii_case(name) && c.is_scalar() && unit_fits(c);
        sheet.columns.iter().find(fits).map(|c| c.data.name.clone())
    };
    let pairs = names[0].iter().zip(names[1]).find_map(|(a, b)| Some((find(a)?, find(b)?)));
    let any = || Some((names[0].iter().find_map(|a| find(a))?, names[1].iter().find_map(|b| find(b))?));
    let (first, second) = pairs.or_else(any)?;
    Some(PositionColumns { kind, first, second })
}

impl Positions {
    /// Positions of every row: angles in degrees whatever their unit (deg, rad, hour angle, arcmin, ...) or sexagesimal
    /// words; pixels 0-based.
    ///
    /// # Errors
    /// A column that is not there or holds neither numbers nor sexagesimal words.
    pub fn of(sheet: &Sheet, columns: &PositionColumns) -> Result<Self, String> {
        let find = |name: &str| {
            let at = sheet.find(name).ok_or_else(|| format!("no column {name:?} in {}", sheet.name))?;
            Ok::<_, String>(&sheet.columns[at])
        };
        let (first, second) = (find(&columns.first)?, find(&columns.second)?);
        let equatorial = columns.kind == PositionKind::Equatorial;
        let (first, second) = match columns.kind {
            PositionKind::Equatorial | PositionKind::Galactic => {
                (degrees(first, sheet.loaded, equatorial)?, degrees(second, sheet.loaded, false)?)
            }
            PositionKind::Pixel => (shifted(first, sheet.loaded, 1.0)?, shifted(second, sheet.loaded, 1.0)?),
            PositionKind::PixelFromZero => (shifted(first, sheet.loaded, 0.0)?, shifted(second, sheet.loaded, 0.0)?),
        };
        Ok(Self { kind: columns.kind, points: first.into_iter().zip(second).map(|(a, b)| [a, b]).collect() })
    }

    /// Positions as right ascension and declination in degrees; `None` for pixels.
    pub fn equatorial(&self, row: usize) -> Option<[f64; 2]> {
        let point = *self.points.get(row)?;
        match self.kind {
            PositionKind::Equatorial => Some(point),
            PositionKind::Galactic => Some(icrs_from_galactic(point)),
            PositionKind::Pixel | PositionKind::PixelFromZero => None,
        }
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + 16 * self.points.capacity()
    }
}

fn shifted(column: &SheetColumn, rows: usize, by: f64) -> Result<Vec<f64>, String> {
    if column.is_text() {
        return Err(format!("column {} holds words, not pixels", column.data.name));
    }
    Ok((0..rows).map(|row| column.row_number(row) - by).collect())
}

fn degrees(column: &SheetColumn, rows: usize, right_ascension: bool) -> Result<Vec<f64>, String> {
    if column.is_text() {
        let read = |row: usize| {
            // "12 34 56.7" as well as "12:34:56.7".
            let word = column.text(column.data.cell(row).start).split_whitespace().collect::<Vec<_>>().join(":");
            if right_ascension { parse_ra(&word) } else { parse_dec(&word) }.unwrap_or(f64::NAN)
        };
        let values: Vec<f64> = (0..rows).map(read).collect();
        if rows > 0 && values.iter().all(|x| x.is_nan()) {
            return Err(format!("column {} holds words that are no angles such as 12:34:56.7", column.data.name));
        }
        return Ok(values);
    }
    let factor = angle_factor(column.unit());
    Ok((0..rows).map(|row| factor * column.row_number(row)).collect())
}

/// Degrees of one unit; a unit that is not known counts as degrees.
fn angle_factor(unit: &str) -> f64 {
    match unit.trim().to_ascii_lowercase().as_str() {
        "h" | "hr" | "hour" | "hours" | "hourangle" => 15.0,
        "" | "deg" | "degree" | "degrees" => 1.0,
        _ => Unit::parse(unit).factor_to(&Unit::parse("deg")).unwrap_or(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Table, TableColumn, galactic_from_icrs};

    fn sheet(columns: &[(&str, &str)]) -> Sheet {
        let columns = columns.iter().map(|(name, unit)| TableColumn::new(name, unit, vec![1.0, 2.0])).collect();
        Sheet::from_table("t", Table::new(columns))
    }

    fn guess(names: &[&str]) -> Option<(PositionKind, String, String)> {
        let columns: Vec<(&str, &str)> = names.iter().map(|n| (*n, "")).collect();
        guess_positions(&sheet(&columns)).map(|g| (g.kind, g.first, g.second))
    }

    #[test]
    fn the_usual_names_are_known() {
        let sky = |a: &str, b: &str| Some((PositionKind::Equatorial, a.to_owned(), b.to_owned()));
        assert_eq!(guess(&["id", "RA", "DEC"]), sky("RA", "DEC"));
        assert_eq!(guess(&["_RAJ2000", "_DEJ2000", "e_RAJ2000"]), sky("_RAJ2000", "_DEJ2000"));
        assert_eq!(guess(&["X_IMAGE", "Y_IMAGE", "ALPHA_J2000", "DELTA_J2000"]), sky("ALPHA_J2000", "DELTA_J2000"));
        assert_eq!(guess(&["dec", "RAJ2000", "DEJ2000"]), sky("RAJ2000", "DEJ2000"));
        assert_eq!(guess(&["GLON", "GLAT"]).unwrap().0, PositionKind::Galactic);
        assert_eq!(guess(&["x", "y"]).unwrap().0, PositionKind::Pixel);
        assert_eq!(guess(&["xcentroid", "ycentroid"]).unwrap().0, PositionKind::PixelFromZero);
        assert_eq!(guess(&["mass", "age"]), None);
        let mut by_ucd = sheet(&[("a", ""), ("b", ""), ("RA", ""), ("DEC", "")]);
        by_ucd.columns[0].ucd = "pos.eq.ra;meta.main".into();
        by_ucd.columns[1].ucd = "pos.eq.dec;meta.main".into();
        by_ucd.columns[2].ucd = "pos.eq.ra".into();
        assert_eq!(guess_positions(&by_ucd).unwrap().first, "a");
    }

    #[test]
    fn angles_come_in_degrees_and_pixels_from_zero() {
        let columns =
            |kind, first: &str, second: &str| PositionColumns { kind, first: first.into(), second: second.into() };
        let mut table = Table::new(vec![
            TableColumn::new("h", "hourangle", vec![6.0]),
            TableColumn::new("r", "rad", vec![std::f64::consts::FRAC_PI_4]),
            TableColumn::new("RA", "", vec!["06:00:00".to_owned()]),
            TableColumn::new("DEC", "", vec!["-45 30 00".to_owned()]),
            TableColumn::new("x", "", vec![12.5]),
            TableColumn::new("name", "", vec!["M 31".to_owned()]),
        ]);
        table.meta.clear();
        let sheet = Sheet::from_table("t", table);
        let of = |kind, a: &str, b: &str| Positions::of(&sheet, &columns(kind, a, b));
        let point = of(PositionKind::Equatorial, "h", "r").unwrap().points[0];
        assert!((point[0] - 90.0).abs() < 1e-12 && (point[1] - 45.0).abs() < 1e-9, "{point:?}");
        let point = of(PositionKind::Equatorial, "RA", "DEC").unwrap().points[0];
        assert!((point[0] - 90.0).abs() < 1e-9 && (point[1] + 45.5).abs() < 1e-9, "{point:?}");
        assert_eq!(of(PositionKind::Pixel, "x", "x").unwrap().points[0], [11.5, 11.5]);
        assert!(of(PositionKind::Equatorial, "name", "DEC").unwrap_err().contains("column name"));
        assert!(of(PositionKind::Pixel, "nothing", "x").unwrap_err().contains("no column"));
    }

    #[test]
    fn galactic_coordinates_turn_as_astropy_turns_them() {
        // astropy 8.0.2: SkyCoord(l, b, frame="galactic").icrs, which goes through FK5 and differs by 0.025 arcsec.
        for (galactic, icrs) in [
            ([0.0, 0.0], [266.404_988_286_5, -28.936_177_761_8]),
            ([120.0, 45.0], [199.571_899_079_0, 71.975_089_860_2]),
            ([59.01, 40.91], [250.425_706_141_5, 36.461_520_509_9]),
        ] {
            let found = icrs_from_galactic(galactic);
            assert!((found[0] - icrs[0]).abs() < 3e-5 && (found[1] - icrs[1]).abs() < 1e-5, "{found:?} {icrs:?}");
            let back = galactic_from_icrs(found);
            assert!(
                ((back[0] - galactic[0] + 180.0).rem_euclid(360.0) - 180.0).abs() < 1e-6
                    && (back[1] - galactic[1]).abs() < 1e-6,
                "{back:?}"
            );
        }
    }
}
