//! Columns of binary tables: TFORMn and where each column lies in a row (FITS 4.0 sections 7.3.1 and 7.3.5).

use super::{Hdu, Header, Problem, TableLayout};

/// Type of the elements of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementKind {
    /// L: true, false or not known.
    Logical,
    /// X: bits.
    Bit,
    /// B: unsigned byte.
    Byte,
    /// I: 16-bit integer.
    Short,
    /// J: 32-bit integer.
    Int,
    /// K: 64-bit integer.
    Long,
    /// A: characters.
    Text,
    /// E: 32-bit float.
    Float,
    /// D: 64-bit float.
    Double,
    /// C: two 32-bit floats.
    Complex,
    /// M: two 64-bit floats.
    DoubleComplex,
}

impl ElementKind {
    fn from_letter(letter: u8) -> Option<Self> {
        Some(match letter.to_ascii_uppercase() {
            b'L' => Self::Logical,
            b'X' => Self::Bit,
            b'B' => Self::Byte,
            b'I' => Self::Short,
            b'J' => Self::Int,
            b'K' => Self::Long,
            b'A' => Self::Text,
            b'E' => Self::Float,
            b'D' => Self::Double,
            b'C' => Self::Complex,
            b'M' => Self::DoubleComplex,
            _ => return None,
        })
    }

    /// Bytes that `count` elements take.
    pub(super) fn bytes(self, count: u64) -> Option<u64> {
        match self {
            Self::Bit => Some(count.div_ceil(8)),
            Self::Logical | Self::Byte | Self::Text => Some(count),
            Self::Short => count.checked_mul(2),
            Self::Int | Self::Float => count.checked_mul(4),
            Self::Long | Self::Double | Self::Complex => count.checked_mul(8),
            Self::DoubleComplex => count.checked_mul(16),
        }
    }

    /// True for B, I, J and K.
    pub fn is_integer(self) -> bool {
        matches!(self, Self::Byte | Self::Short | Self::Int | Self::Long)
    }
}

/// A TFORM of a binary table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    /// Elements in a row; of a variable-length column descriptors (0 or 1).
    pub repeat: u64,
    /// Type of the elements.
    pub kind: ElementKind,
    /// Bytes of a descriptor (8 for P, 16 for Q); `None` for a column of fixed length.
    pub descriptor: Option<u64>,
    /// Characters of one string where the TFORM says so (`60A12` or `rA:SSTR12`).
    pub string_width: Option<u64>,
}

impl Form {
    /// Understands `1J`, `20A`, `1PE(81)`, `QD`, `11X`; what follows the letters is kept only where it matters.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let repeat = if digits == 0 { 1 } else { text.get(..digits)?.parse().ok()? };
        let mut letters = text.bytes().skip(digits);
        let first = letters.next()?;
        let descriptor = match first.to_ascii_uppercase() {
            b'P' => Some(8),
            b'Q' => Some(16),
            _ => None,
        };
        let kind = ElementKind::from_letter(if descriptor.is_some() { letters.next()? } else { first })?;
        if descriptor.is_some() && repeat > 1 {
            return None;
        }
        let rest = text.get(digits + 1..).unwrap_or("");
        let rest = rest.strip_prefix(":SSTR").unwrap_or(rest);
        let string_width = (kind == ElementKind::Text && descriptor.is_none()).then(|| rest.parse().ok()).flatten();
        Some(Self { repeat, kind, descriptor, string_width })
    }

    /// Bytes that the column takes in a row.
    pub fn width(self) -> Option<u64> {
        match self.descriptor {
            Some(bytes) => bytes.checked_mul(self.repeat),
            None => self.kind.bytes(self.repeat),
        }
    }
}

/// A column of a binary table: where it lies and how its values are meant.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BinaryColumn {
    /// 0-based number.
    pub index: usize,
    /// TTYPEn.
    pub name: String,
    /// TUNITn.
    pub unit: String,
    /// TFORMn.
    pub form: Form,
    /// First byte in a row.
    pub offset: u64,
    /// TSCALn.
    pub scale: f64,
    /// TZEROn.
    pub zero: f64,
    /// TNULLn.
    pub null: Option<i64>,
    /// TDIMn, slowest axis first; empty when missing or wrong.
    pub dimensions: Vec<usize>,
}

/// The columns of a binary table.
///
/// # Errors
/// A TFORM that cannot be understood, or columns wider than a row.
pub(super) fn binary_columns(hdu: &Hdu, table: &TableLayout) -> Result<Vec<BinaryColumn>, Problem> {
    let header = &hdu.header;
    let mut offset = 0u64;
    let mut columns = Vec::with_capacity(table.columns.len());
    for (index, column) in table.columns.iter().enumerate() {
        let n = index + 1;
        let form = Form::parse(&column.form).ok_or_else(|| Problem::Keyword {
            hdu: hdu.index,
            keyword: format!("TFORM{n}"),
            value: format!("'{}'", column.form),
            problem: "not a column format of a binary table; the header is damaged, fetch the file again".into(),
        })?;
        let end = form.width().and_then(|width| offset.checked_add(width)).filter(|&end| end <= table.row_bytes);
        let Some(end) = end else {
            return Err(Problem::Shape {
                hdu: hdu.index,
                what: format!("column {n} ({}) ends behind its row of {} bytes", column.form, table.row_bytes),
                cure: "NAXIS1 or a TFORMn is damaged; fetch the file again".into(),
            });
        };
        let number = |keyword: &str, default: f64| {
            header.get_f64(&format!("{keyword}{n}")).filter(|x| x.is_finite()).unwrap_or(default)
        };
        columns.push(BinaryColumn {
            index,
            name: column.name.clone(),
            unit: column.unit.clone(),
            form,
            offset,
            scale: number("TSCAL", 1.0),
            zero: number("TZERO", 0.0),
            null: form.kind.is_integer().then(|| header.get_i64(&format!("TNULL{n}"))).flatten(),
            dimensions: dimensions(header, n, form),
        });
        offset = end;
    }
    Ok(columns)
}

/// TDIMn as a shape, slowest axis first; empty where it is missing or does not fit into the column (FITS 4.0 section
/// 7.3.2 lets it be smaller; such a one is met in wrong files only, and ignored).
fn dimensions(header: &Header, n: usize, form: Form) -> Vec<usize> {
    let Some(text) = header.get_str(&format!("TDIM{n}")) else { return Vec::new() };
    let inside = text.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let parsed: Option<Vec<usize>> = inside.map_or(Some(Vec::new()), |list| {
        list.split(',').map(|axis| axis.trim().parse::<usize>().ok().filter(|&n| n > 0)).collect()
    });
    let mut shape = parsed.unwrap_or_default();
    shape.reverse();
    let count = shape.iter().try_fold(1u64, |product, &n| product.checked_mul(n as u64));
    if form.descriptor.is_some() || count != Some(form.repeat) { Vec::new() } else { shape }
}

/// Where the heap of a binary table begins, counted from its data (THEAP; FITS 4.0 section 7.3.5).
pub(super) fn heap_start(hdu: &Hdu, table: &TableLayout) -> u64 {
    let main = table.row_bytes.saturating_mul(table.rows);
    let given = hdu.header.get_i64("THEAP").and_then(|start| u64::try_from(start).ok());
    given.filter(|&start| start >= main).unwrap_or(main)
}

/// Count and heap offset of a variable-length cell.
pub(super) fn descriptor(row: &[u8], column: &BinaryColumn) -> Option<(u64, u64)> {
    let start = usize::try_from(column.offset).ok()?;
    if column.form.repeat == 0 {
        return None;
    }
    match column.form.descriptor? {
        8 => {
            let bytes = row.get(start..start + 8)?.as_chunks::<4>().0;
            Some((u64::from(u32::from_be_bytes(*bytes.first()?)), u64::from(u32::from_be_bytes(*bytes.get(1)?))))
        }
        _ => {
            let bytes = row.get(start..start + 16)?.as_chunks::<8>().0;
            Some((u64::from_be_bytes(*bytes.first()?), u64::from_be_bytes(*bytes.get(1)?)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_understood() {
        let width = |text: &str| Form::parse(text).and_then(Form::width);
        for (text, bytes) in [
            ("1J", 4),
            ("J", 4),
            ("20A", 20),
            ("0D", 0),
            ("11X", 2),
            ("1PE(81)", 8),
            ("PI(3)", 8),
            ("QD", 16),
            ("0PJ", 0),
            ("69X", 9),
            ("2M", 32),
            ("60A:SSTR12", 60),
        ] {
            assert_eq!(width(text), Some(bytes), "{text}");
        }
        for text in ["", "3", "Z", "P", "2PE", "99999999999999999999J", "4294967296000000000000M"] {
            assert_eq!(Form::parse(text), None, "{text}");
        }
        assert_eq!(width("18446744073709551615M"), None);
        assert_eq!(Form::parse("60A12").unwrap().string_width, Some(12));
        assert_eq!(Form::parse("1PB(506)").unwrap().kind, ElementKind::Byte);
    }
}
