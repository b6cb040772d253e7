//! Cells as text: TDISPn of the standard (FITS 4.0 section 7.3.4), else by the type of the column.

use std::fmt::Write as _;

use super::SheetColumn;
use crate::data::{FitsColumn, Values};

/// Signs of an array that stand in one cell of the screen; the middle is left out beyond.
const SHOWN_VALUES: usize = 3;

/// How a number of a column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellFormat {
    /// As short as it can be without loss, for so many significant digits at most.
    Digits(usize),
    /// Fw.d: so many decimals.
    Fixed(usize),
    /// Ew.d, Dw.d, ENw.d, ESw.d: so many decimals before the exponent.
    Exponent(usize),
    /// Gw.d: so many significant digits.
    General(usize),
    /// Iw.
    Integer,
    /// Zw: hexadecimal.
    Hexadecimal,
    /// Ow: octal.
    Octal,
    /// Bw: binary.
    Binary,
}

impl CellFormat {
    /// The format of a TDISP (empty for none) of a column.
    pub fn of(display: &str, column: &FitsColumn) -> Self {
        Self::parse(display).unwrap_or_else(|| Self::by_type(column))
    }

    fn parse(display: &str) -> Option<Self> {
        let upper = display.trim().to_ascii_uppercase();
        let letters = upper.chars().take_while(char::is_ascii_alphabetic).count();
        let (kind, rest) = upper.split_at(letters);
        let decimals = || {
            let digits = rest.split_once('.')?.1;
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            Some(digits[..end].parse::<usize>().ok()?.min(17))
        };
        match kind {
            "F" => Some(Self::Fixed(decimals()?)),
            "E" | "D" | "EN" | "ES" => Some(Self::Exponent(decimals()?)),
            "G" => Some(Self::General(decimals()?.max(1))),
            "I" => Some(Self::Integer),
            "Z" => Some(Self::Hexadecimal),
            "O" => Some(Self::Octal),
            "B" => Some(Self::Binary),
            _ => None,
        }
    }

    /// Single precision holds 7 digits; of double precision 10 are shown, which is 0.4 microarcsec in degrees.
    fn by_type(column: &FitsColumn) -> Self {
        let form = column.form.trim().to_ascii_uppercase();
        let kind = form.trim_start_matches(|c: char| c.is_ascii_digit());
        // "1E" of binary and "E15.7" of ASCII tables.
        let single = kind.starts_with('E') || kind.starts_with("PE") || kind.starts_with('C');
        // Times and positions need what a double holds; zeros behind are cut.
        Self::Digits(if single { 7 } else { 15 })
    }

    /// A float.
    pub fn float(self, x: f64) -> String {
        if !x.is_finite() {
            return if x.is_nan() {
                "–".into()
            } else if x > 0.0 {
                "∞".into()
            } else {
                "-∞".into()
            };
        }
        match self {
            Self::Fixed(decimals) => format!("{x:.decimals$}"),
            Self::Exponent(decimals) => format!("{x:.decimals$e}"),
            Self::Digits(digits) | Self::General(digits) => significant(x, digits),
            Self::Integer if x.fract() == 0.0 => format!("{x:.0}"),
            Self::Integer | Self::Hexadecimal | Self::Octal | Self::Binary => significant(x, 10),
        }
    }

    /// An integer.
    fn integer(self, n: i128) -> String {
        match self {
            Self::Hexadecimal => format!("{n:X}"),
            Self::Octal => format!("{n:o}"),
            Self::Binary => format!("{n:b}"),
            Self::Fixed(decimals) => format!("{:.decimals$}", n as f64),
            Self::Exponent(decimals) => format!("{:.decimals$e}", n as f64),
            Self::Digits(_) | Self::General(_) | Self::Integer => n.to_string(),
        }
    }
}

/// A number with so many significant digits at most, without trailing zeros; with an exponent where it is shorter.
fn significant(x: f64, digits: usize) -> String {
    if x == 0.0 {
        return "0".into();
    }
    let scientific = format!("{x:.*e}", digits.saturating_sub(1));
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..i32::try_from(digits).unwrap_or(17).max(7)).contains(&exponent) {
        let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
        trimmed(&format!("{x:.decimals$}"))
    } else {
        format!("{}e{exponent}", trimmed(mantissa))
    }
}

impl SheetColumn {
    /// One value as text; a dash where there is none.
    pub fn element_text(&self, at: usize) -> String {
        if self.is_missing(at) {
            return if self.is_text() { String::new() } else { "–".into() };
        }
        match &self.data.values {
            Values::Logical(values) => if values[at] { "T" } else { "F" }.to_owned(),
            Values::Integer(values) => self.format.integer(values[at].into()),
            Values::Unsigned(values) => self.format.integer(values[at].into()),
            Values::Float(values) => self.format.float(values[at]),
            Values::Complex(values) => {
                let [re, im] = values[at];
                let sign = if im < 0.0 { "-" } else { "+" };
                format!("{}{sign}{}i", self.format.float(re), self.format.float(im.abs()))
            }
            Values::Text(values) => values[at].clone(),
        }
    }

    /// The cell of a row for the screen: the value, or the first and last values of an array `[1, 2, … 64]`.
    pub fn cell_text(&self, row: usize) -> String {
        let cell = self.data.cell(row);
        if self.is_scalar() {
            return self.element_text(cell.start);
        }
        if cell.len() <= SHOWN_VALUES + 1 {
            return self.whole_text(row);
        }
        // A glance: four digits do.
        let short = |at: usize| match (&self.data.values, self.format) {
            (Values::Float(values), CellFormat::Digits(_)) => CellFormat::Digits(4).float(values[at]),
            _ => self.element_text(at),
        };
        let mut text = String::from("[");
        for at in cell.clone().take(SHOWN_VALUES - 1) {
            let _infallible = write!(text, "{}, ", short(at));
        }
        let _infallible = write!(text, "… {}]", short(cell.end - 1));
        text
    }

    /// The cell of a row with every value.
    pub fn whole_text(&self, row: usize) -> String {
        let cell = self.data.cell(row);
        if self.is_scalar() {
            return self.element_text(cell.start);
        }
        let values: Vec<String> = cell.map(|at| self.element_text(at)).collect();
        format!("[{}]", values.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sheet;
    use super::*;
    use crate::data::{Table, TableColumn};

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        let short = |x: f64| CellFormat::Digits(7).float(x);
        for (x, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.1_f32.into(), "0.1"),
            (-32.528_144_8, "-32.52814"),
            (4.5e-17, "4.5e-17"),
            (123_456.0, "123456"),
            (1.5e12, "1.5e12"),
            (f64::NAN, "–"),
            (f64::NEG_INFINITY, "-∞"),
        ] {
            assert_eq!(short(x), text);
        }
        assert_eq!(CellFormat::Digits(10).float(202.469_575_2), "202.4695752");
        assert_eq!(CellFormat::Digits(15).float(570_219_292.851_441_9), "570219292.851442");
        assert_eq!(CellFormat::Digits(15).float(0.1 + 0.2), "0.3");
    }

    #[test]
    fn tdisp_is_obeyed_and_nonsense_is_not() {
        let column = &Sheet::from_table("t", Table::new(vec![TableColumn::new("a", "", vec![1.0])])).columns[0].data;
        for (display, x, text) in [
            ("F8.3", 1.0, "1.000"),
            ("E12.2", 1234.5, "1.23e3"),
            ("D12.4E3", 0.5, "5.0000e-1"),
            ("G10.3", 1234.5, "1234"),
            ("I5", 12.0, "12"),
            ("nonsense", 1.25, "1.25"),
            ("F", 1.25, "1.25"),
            ("", 1.25, "1.25"),
        ] {
            assert_eq!(CellFormat::of(display, column).float(x), text, "{display}");
        }
        assert_eq!(CellFormat::of("Z4", column).integer(255), "FF");
    }

    #[test]
    fn arrays_show_their_ends() {
        let values: Vec<f64> = (1..=64).map(f64::from).collect();
        let mut sheet = Sheet::from_table("t", Table::new(vec![TableColumn::new("v", "", values)]));
        let column = &mut sheet.columns[0];
        (column.data.rows, column.data.shape) = (1, vec![64]);
        assert_eq!(column.cell_text(0), "[1, 2, … 64]");
        (column.data.rows, column.data.shape) = (32, vec![2]);
        assert_eq!(column.cell_text(31), "[63, 64]");
        assert!(column.whole_text(0).starts_with("[1, 2]"));
    }
}
