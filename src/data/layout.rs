//! The walk over the HDUs of a file: what there is, where it lies, and whether the file is long enough for it.
//!
//! Nothing here allocates by what a header claims: sizes are checked in 64-bit arithmetic and compared with the
//! file's length, and only headers are held in memory.

use std::path::Path;
use std::sync::Arc;

use super::header::{BLOCK, CARD, Header, is_end};
use super::{Bitpix, Column, DataError, Hdu, HduKind, ImageLayout, Problem, Result, Source, TableLayout};

/// No header in use comes near this; a file without an END card must not be read whole in search of it.
const HEADER_LIMIT: u64 = 32 << 20;
/// Largest number of axes and of table columns (FITS 4.0 sections 4.4.1 and 7.2.1).
const MOST: i64 = 999;

/// Walks a file. Gives its HDUs and what is odd about the file as a whole.
///
/// # Errors
/// A file that is not FITS, is wrapped in something that we do not open, or cannot be read.
pub(super) fn walk(source: &dyn Source, path: &Path) -> Result<(Vec<Hdu>, Vec<String>)> {
    refuse_other_formats(source, path)?;
    let length = source.length();
    let mut hdus = Vec::new();
    let mut warnings = Vec::new();
    let mut start = 0;
    loop {
        let (header, data_start) = read_header(source, path, start)?;
        let hdu = understand(hdus.len(), header, data_start, length);
        let lost = matches!(hdu.kind, HduKind::Damaged { .. });
        let end = data_start.checked_add(hdu.data_needed).filter(|&end| end <= length);
        hdus.push(hdu);
        let Some(end) = end.filter(|_| !lost) else { break };
        match find_next(source, path, end, &mut warnings)? {
            Some(next) => start = next,
            None => break,
        }
    }
    inherit(&mut hdus);
    Ok((hdus, warnings))
}

/// Lets extensions that say INHERIT = T see the keywords of a primary HDU without data (FITS 4.0 appendix K).
fn inherit(hdus: &mut [Hdu]) {
    let Some((primary, extensions)) = hdus.split_first_mut() else { return };
    let wanted = extensions.iter_mut().filter(|hdu| hdu.header.get_bool("INHERIT") == Some(true));
    let mut shared = None;
    for hdu in wanted {
        if primary.kind == HduKind::Empty {
            let header = shared.get_or_insert_with(|| Arc::new(primary.header.clone()));
            hdu.header.inherit(Arc::clone(header));
        } else {
            hdu.warnings.push("INHERIT = T has no meaning where the primary HDU has data, and is ignored".into());
        }
    }
}

/// Says what a file is that does not begin with SIMPLE.
fn refuse_other_formats(source: &dyn Source, path: &Path) -> Result<()> {
    let mut first = [0; 9];
    let count = source.length().min(first.len() as u64) as usize;
    read(source, path, 0, &mut first[..count])?;
    let (what, cure) = match first {
        [b'S' | b's', b'I' | b'i', b'M' | b'm', b'P' | b'p', b'L' | b'l', b'E' | b'e', ..] => return Ok(()),
        _ if count == 0 => ("the file is empty", "fetch it again"),
        [0x1f, 0x8b, ..] => ("it is compressed by gzip, which is not opened directly", "run gunzip on it first"),
        [0x1f, 0x9d, ..] => ("it is compressed by compress (.Z)", "run uncompress or gunzip on it first"),
        [b'B', b'Z', b'h', ..] => ("it is compressed by bzip2", "run bunzip2 on it first"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => ("it is compressed by xz", "run unxz on it first"),
        [b'P', b'K', 3, 4, ..] => ("it is a zip archive", "unpack it first"),
        [0x89, b'H', b'D', b'F', ..] => ("it is HDF5", "convert it to FITS"),
        [0x89, b'P', b'N', b'G', ..] => ("it is a PNG picture", "open the FITS file that it was made from"),
        [b'X', b'T', b'E', b'N', b'S', b'I', b'O', b'N', ..] => {
            ("it begins with an extension, the primary HDU is missing", "fetch the whole file again")
        }
        _ => ("it is not FITS (it does not begin with SIMPLE)", "check what it is"),
    };
    Err(DataError::new(path, Problem::Format { what: what.into(), cure: cure.into() }))
}

fn read(source: &dyn Source, path: &Path, offset: u64, buffer: &mut [u8]) -> Result<()> {
    source
        .read_at(offset, buffer)
        .map_err(|error| DataError::io(path, format!("read {} bytes at {offset}", buffer.len()), &error))
}

/// Next multiple of 2880.
fn padded(bytes: u64) -> Option<u64> {
    bytes.checked_next_multiple_of(BLOCK as u64)
}

/// Reads the header that starts at `start`; also gives where its data start.
fn read_header(source: &dyn Source, path: &Path, start: u64) -> Result<(Header, u64)> {
    let length = source.length();
    let stop = length.min(start.saturating_add(HEADER_LIMIT));
    let mut bytes: Vec<u8> = Vec::new();
    let mut at = start;
    while at < stop {
        let count = (stop - at).min(BLOCK as u64) as usize;
        let old = bytes.len();
        bytes.resize(old + count, 0);
        read(source, path, at, &mut bytes[old..])?;
        at += count as u64;
        if old == 0 && is_line_header(&bytes) {
            return read_line_header(source, path, start, stop);
        }
        let block = &bytes[old..];
        if block.chunks(CARD).any(is_end) {
            // Later blocks belong to the data even when this one is short.
            let data_start = padded(at - start).and_then(|size| start.checked_add(size)).unwrap_or(length);
            return Ok((Header::from_cards(&bytes), data_start.min(length)));
        }
        if old > 0 && !begins_like_a_card(block) {
            bytes.truncate(old);
            at -= count as u64;
            break;
        }
    }
    Ok((Header::from_cards(&bytes), at))
}

/// The first eight bytes could be a keyword.
fn begins_like_a_card(block: &[u8]) -> bool {
    block.iter().take(8).all(|&b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'_' | b'-'))
}

/// The second card, always BITPIX, begins a new line.
fn is_line_header(block: &[u8]) -> bool {
    let second = block.iter().take(CARD + 2).position(|&b| b == b'\n').map(|at| at + 1);
    second.and_then(|at| block.get(at..)).is_some_and(|rest| rest.starts_with(b"BITPIX"))
}

/// A header with one card a line, as some programs save it.
fn read_line_header(source: &dyn Source, path: &Path, start: u64, stop: u64) -> Result<(Header, u64)> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut at = start;
    let mut header_bytes = None;
    while at < stop && header_bytes.is_none() {
        let count = (stop - at).min(BLOCK as u64) as usize;
        let old = bytes.len();
        bytes.resize(old + count, 0);
        read(source, path, at, &mut bytes[old..])?;
        at += count as u64;
        // A line END may straddle two blocks: look again from a little before the new one.
        let from = old.saturating_sub(4);
        let found = bytes[from..].windows(4).position(|w| w == b"\nEND");
        header_bytes = found.map(|i| (from + i + 4) as u64);
    }
    let mut header = Header::from_lines(&bytes);
    header.warn("the header has line breaks, which FITS does not allow");
    let size = padded(header_bytes.unwrap_or(bytes.len() as u64)).unwrap_or(stop);
    Ok((header, start.saturating_add(size).min(source.length())))
}

/// Finds the next extension behind data that end at `end`; `None` at the end of the file.
fn find_next(source: &dyn Source, path: &Path, end: u64, warnings: &mut Vec<String>) -> Result<Option<u64>> {
    let length = source.length();
    let next = padded(end).unwrap_or(length);
    if next > length {
        warnings.push(format!("the last block is {} bytes short of a full 2880", next - length));
    }
    if next >= length && end >= length {
        return Ok(None);
    }
    // Right after the data, at the block after them, or a little off: all are met.
    let mut window = vec![0; (length - end).min(3 * BLOCK as u64) as usize];
    read(source, path, end, &mut window)?;
    let is_extension = |at: usize| window.get(at..at + 9).is_some_and(|w| w == b"XTENSION=");
    let expected = (next - end) as usize;
    if is_extension(expected) {
        return Ok(Some(next));
    }
    if let Some(at) = (0..window.len()).find(|&at| is_extension(at)) {
        warnings.push(format!("the extension at byte {} does not begin on a block of 2880", end + at as u64));
        return Ok(Some(end + at as u64));
    }
    if next < length {
        warnings.push(format!("{} bytes behind the last HDU are ignored", length - next));
    }
    Ok(None)
}

/// Makes sense of a header.
fn understand(index: usize, header: Header, data_start: u64, length: u64) -> Hdu {
    let mut warnings = header.warnings().to_vec();
    let reader = Reader { header: &header, index };
    let (kind, data_needed) = match reader.kind(&mut warnings) {
        Ok(found) => found,
        Err(reason) => {
            warnings.push(reason.to_string());
            (HduKind::Damaged { reason }, 0)
        }
    };
    let data_present = data_needed.min(length.saturating_sub(data_start));
    if data_present < data_needed {
        warnings.push(Problem::Truncated { hdu: index, needed: data_needed, present: data_present }.to_string());
    }
    let name = header.get_str("EXTNAME").map(|name| name.trim().to_owned()).unwrap_or_default();
    let name = if name.is_empty() && index == 0 { "PRIMARY".to_owned() } else { name };
    let version = header.get_i64("EXTVER").unwrap_or(1);
    Hdu { index, name, version, header, kind, data_start, data_needed, data_present, warnings }
}

/// Takes the structural keywords from a header and checks them.
struct Reader<'a> {
    header: &'a Header,
    index: usize,
}

type Checked<T> = std::result::Result<T, Problem>;

impl Reader<'_> {
    fn bad(&self, keyword: &str, problem: &str, cure: &str) -> Problem {
        let value = self.header.get(keyword).map_or_else(|| "(missing)".into(), ToString::to_string);
        Problem::Keyword { hdu: self.index, keyword: keyword.into(), value, problem: format!("{problem}; {cure}") }
    }

    fn count(&self, keyword: &str, most: i64) -> Checked<u64> {
        match self.header.get_i64(keyword) {
            Some(n) if (0..=most).contains(&n) => Ok(n.unsigned_abs()),
            _ => Err(self.bad(keyword, "not a usable count", "the header is damaged; fetch the file again")),
        }
    }

    fn count_or(&self, keyword: &str, default: u64) -> Checked<u64> {
        if self.header.get(keyword).is_some() { self.count(keyword, i64::MAX) } else { Ok(default) }
    }

    fn bitpix(&self, keyword: &str) -> Checked<Bitpix> {
        self.header
            .get_i64(keyword)
            .and_then(Bitpix::from_code)
            .ok_or_else(|| self.bad(keyword, "not a FITS pixel type", "it must be 8, 16, 32, 64, -32 or -64"))
    }

    /// Axes `from..=NAXIS` (1-based).
    fn axes(&self, prefix: &str, from: u64) -> Checked<Vec<u64>> {
        let count = self.count(prefix, MOST)?;
        (from..=count).map(|n| self.count(&format!("{prefix}{n}"), i64::MAX)).collect()
    }

    fn layout(&self, bitpix: Bitpix, axes: Vec<u64>, warnings: &mut Vec<String>) -> ImageLayout {
        let mut number = |keyword: &str, default: f64| match self.header.get(keyword) {
            None => default,
            Some(value) => match self.header.get_f64(keyword).filter(|x| x.is_finite()) {
                Some(x) => x,
                None => {
                    warnings.push(format!("{keyword} = {value} is not a number; {default} is used"));
                    default
                }
            },
        };
        let (scale, zero) = (number("BSCALE", 1.0), number("BZERO", 0.0));
        let mut blank = self.header.get_i64("BLANK");
        if bitpix.is_float() && blank.take().is_some() {
            warnings.push("BLANK has no meaning for floating-point pixels and is ignored".into());
        }
        ImageLayout { bitpix, axes, scale, zero, blank }
    }

    /// Kind and size of the data.
    fn kind(&self, warnings: &mut Vec<String>) -> Checked<(HduKind, u64)> {
        let bitpix = self.bitpix("BITPIX")?;
        let extension =
            match self.index {
                0 => "IMAGE",
                _ => self.header.get_str("XTENSION").map(str::trim).ok_or_else(|| {
                    self.bad("XTENSION", "the type of the extension is unknown", "fetch the file again")
                })?,
            };
        let axes = self.axes("NAXIS", 1)?;
        let grouped = self.index == 0 && self.header.get_bool("GROUPS") == Some(true) && axes.first() == Some(&0);
        // A plain primary array has neither (FITS 4.0 equation 1); what stands there under these names is not meant.
        let counted = grouped || self.index > 0;
        let (parameters, groups) =
            if counted { (self.count_or("PCOUNT", 0)?, self.count_or("GCOUNT", 1)?) } else { (0, 1) };
        let array = if grouped { axes.get(1..).unwrap_or(&[]) } else { &axes };
        let size = data_bytes(bitpix, array, parameters, groups)
            .filter(|&size| i64::try_from(size).is_ok())
            .ok_or_else(|| {
                self.bad(
                    "NAXIS",
                    "the size of the data does not fit 63 bits",
                    "the NAXISn are damaged; fetch the file again",
                )
            })?;
        let kind = match extension.to_ascii_uppercase().as_str() {
            _ if grouped => {
                HduKind::RandomGroups { groups, parameters, array: self.layout(bitpix, array.to_vec(), warnings) }
            }
            "IMAGE" | "IUEIMAGE" if axes.is_empty() || axes.contains(&0) => HduKind::Empty,
            "IMAGE" | "IUEIMAGE" if parameters == 0 && groups == 1 => {
                HduKind::Image(self.layout(bitpix, axes, warnings))
            }
            "IMAGE" | "IUEIMAGE" => {
                // FITS 4.0 section 7.1.1 wants 0 and 1; the pixels still come first.
                warnings.push(format!("PCOUNT = {parameters} and GCOUNT = {groups} are odd for an image"));
                HduKind::Image(self.layout(bitpix, axes, warnings))
            }
            "BINTABLE" | "A3DTABLE" => self.binary_table(&axes, warnings)?,
            "TABLE" => HduKind::AsciiTable(self.table(&axes)?),
            _ => HduKind::Foreign { extension: extension.to_owned() },
        };
        Ok((kind, size))
    }

    fn table(&self, axes: &[u64]) -> Checked<TableLayout> {
        let &[row_bytes, rows] = axes else {
            return Err(self.bad("NAXIS", "a table has two axes", "the header is damaged; fetch the file again"));
        };
        let text = |keyword: String| self.header.get_str(&keyword).unwrap_or("").trim().to_owned();
        let columns = (1..=self.count("TFIELDS", MOST)?)
            .map(|n| Column {
                name: text(format!("TTYPE{n}")),
                form: text(format!("TFORM{n}")),
                unit: text(format!("TUNIT{n}")),
            })
            .collect();
        Ok(TableLayout { row_bytes, rows, columns })
    }

    fn binary_table(&self, axes: &[u64], warnings: &mut Vec<String>) -> Checked<HduKind> {
        let table = self.table(axes)?;
        if self.header.get_bool("ZIMAGE") != Some(true) {
            return Ok(HduKind::BinaryTable(table));
        }
        let codec = self.header.get_str("ZCMPTYPE").unwrap_or("unknown").trim().to_owned();
        let image = match (self.bitpix("ZBITPIX"), self.axes("ZNAXIS", 1)) {
            (Ok(bitpix), Ok(axes)) if data_bytes(bitpix, &axes, 0, 1).is_some() => {
                Some(self.layout(bitpix, axes, warnings))
            }
            (Err(problem), _) | (_, Err(problem)) => {
                warnings.push(problem.to_string());
                None
            }
            _ => {
                warnings.push("the size of the compressed image does not fit 64 bits".into());
                None
            }
        };
        Ok(HduKind::CompressedImage { codec, image, table })
    }
}

/// Bytes of a data unit, |BITPIX|/8 * GCOUNT * (PCOUNT + product of axes) (FITS 4.0 equations 1, 2 and 4);
/// `None` when 64 bits do not hold it.
fn data_bytes(bitpix: Bitpix, axes: &[u64], parameters: u64, groups: u64) -> Option<u64> {
    let pixels = if axes.is_empty() || axes.contains(&0) {
        0
    } else {
        axes.iter().try_fold(1u64, |product, &n| product.checked_mul(n))?
    };
    pixels.checked_add(parameters)?.checked_mul(groups)?.checked_mul(bitpix.bytes() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        assert_eq!(data_bytes(Bitpix::I16, &[3, 4], 0, 1), Some(24));
        assert_eq!(data_bytes(Bitpix::F32, &[5, 3, 1, 1], 3, 10), Some(720));
        assert_eq!(data_bytes(Bitpix::F64, &[1 << 40, 1 << 40], 0, 1), None);
        assert_eq!(data_bytes(Bitpix::F64, &[1 << 40, 1 << 40, 0], 0, 1), Some(0));
        assert_eq!(data_bytes(Bitpix::U8, &[1], u64::MAX, 1), None);
    }
}
