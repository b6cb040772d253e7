//! What the FITS tests share: a maker of FITS bytes that uses none of the code under test, the place of the real data,
//! and a small random stream.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Fills up to whole blocks of 2880 bytes.
pub fn padded(mut bytes: Vec<u8>, with: u8) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(2880), with);
    bytes
}

/// A header of the given cards and END.
pub fn header(cards: &[String]) -> Vec<u8> {
    let mut text: String = cards.iter().map(|card| format!("{card:<80}")).collect();
    text.push_str(&format!("{:<80}", "END"));
    padded(text.into_bytes(), b' ')
}

/// An HDU: first card, BITPIX, NAXIS and its axes (NAXIS1 first), more cards, data.
pub fn hdu(first: &str, bitpix: i64, axes: &[u64], more: &[&str], data: &[u8]) -> Vec<u8> {
    let mut cards = vec![first.to_owned(), format!("BITPIX  = {bitpix:>20}"), format!("NAXIS   = {:>20}", axes.len())];
    cards.extend(axes.iter().enumerate().map(|(i, n)| format!("NAXIS{:<3}= {n:>20}", i + 1)));
    cards.extend(more.iter().map(|card| (*card).to_owned()));
    [header(&cards), padded(data.to_vec(), 0)].concat()
}

/// A primary HDU.
pub fn primary(bitpix: i64, axes: &[u64], more: &[&str], data: &[u8]) -> Vec<u8> {
    hdu("SIMPLE  =                    T", bitpix, axes, more, data)
}

/// An image extension.
pub fn extension(name: &str, bitpix: i64, axes: &[u64], more: &[&str], data: &[u8]) -> Vec<u8> {
    let name = format!("EXTNAME = '{name:<8}'");
    let cards = [&["PCOUNT  = 0", "GCOUNT  = 1", name.as_str()], more].concat();
    hdu("XTENSION= 'IMAGE   '", bitpix, axes, &cards, data)
}

/// A column: name, format, and more keywords like TUNIT without their number.
pub type ColumnCards<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// A binary table: columns, more cards, rows and heap.
pub fn bintable(
    columns: &[ColumnCards<'_>],
    more: &[&str],
    row_bytes: u64,
    rows: u64,
    body: &[u8],
    heap: &[u8],
) -> Vec<u8> {
    let mut cards =
        vec![format!("PCOUNT  = {}", heap.len()), "GCOUNT  = 1".into(), format!("TFIELDS = {}", columns.len())];
    for (i, (name, form, keywords)) in columns.iter().enumerate() {
        let n = i + 1;
        cards.push(format!("{:<8}= '{name}'", format!("TTYPE{n}")));
        cards.push(format!("{:<8}= '{form}'", format!("TFORM{n}")));
        cards.extend(keywords.iter().map(|(key, value)| format!("{:<8}= {value}", format!("{key}{n}"))));
    }
    let cards: Vec<&str> = cards.iter().map(String::as_str).chain(more.iter().copied()).collect();
    hdu("XTENSION= 'BINTABLE'", 8, &[row_bytes, rows], &cards, &[body, heap].concat())
}

/// Big-endian bytes of floats.
pub fn floats(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_be_bytes).collect()
}

/// Big-endian bytes of 16-bit integers.
pub fn shorts(values: impl IntoIterator<Item = i16>) -> Vec<u8> {
    values.into_iter().flat_map(i16::to_be_bytes).collect()
}

/// A cube of 4 planes of 3 rows of 5 with values z*100 + y*10 + x.
pub fn cube() -> Vec<u8> {
    let values = (0..4).flat_map(|z| (0..3).flat_map(move |y| (0..5).map(move |x| (z * 100 + y * 10 + x) as f32)));
    primary(-32, &[5, 3, 4], &["BUNIT   = 'Jy/beam '"], &floats(values))
}

/// Several HDUs of different kinds: an unsigned image, a header alone, a table, a compressed image, floats.
pub fn mixed() -> Vec<u8> {
    let table = [
        "PCOUNT  = 0",
        "GCOUNT  = 1",
        "TFIELDS = 2",
        "TTYPE1  = 'A'",
        "TFORM1  = '1E'",
        "TUNIT1  = 'Jy'",
        "TFORM2  = '4A'",
    ];
    let compressed = [
        "PCOUNT  = 6",
        "GCOUNT  = 1",
        "TFIELDS = 1",
        "TTYPE1  = 'COMPRESSED_DATA'",
        "TFORM1  = '1PB(3)'",
        "ZIMAGE  = T",
        "ZCMPTYPE= 'RICE_1'",
        "ZBITPIX = 16",
        "ZNAXIS  = 2",
        "ZNAXIS1 = 10",
        "ZNAXIS2 = 2",
        "EXTNAME = 'TILES'",
    ];
    [
        primary(16, &[2, 2], &["EXTEND  = T", "BZERO   = 32768", "BLANK   = 5"], &shorts([i16::MIN, 0, 5, i16::MAX])),
        extension("EMPTY", 8, &[], &[], &[]),
        hdu("XTENSION= 'BINTABLE'", 8, &[8, 3], &table, &[7; 24]),
        hdu("XTENSION= 'BINTABLE'", 8, &[8, 2], &compressed, &[1; 22]),
        extension("SCI", -64, &[3], &["EXTVER  = 2"], &[1.0f64, -2.5, f64::NAN].map(f64::to_be_bytes).concat()),
    ]
    .concat()
}

/// Random groups: 3 parameters and an array of 2 x 2 in each of 5 groups.
pub fn random_groups() -> Vec<u8> {
    let cards = ["GROUPS  = T", "PCOUNT  = 3", "GCOUNT  = 5"];
    primary(-32, &[0, 2, 2], &cards, &floats((0..35).map(|i| i as f32)))
}

/// The folder of real data: `$SEXTANS_DATA` or `../shared/data` beside the repository. Without it the test says so and
/// passes, or fails where SEXTANS_REQUIRE_DATA=1.
pub fn data_folder(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SEXTANS_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var("SEXTANS_REQUIRE_DATA").as_deref() != Ok("1"),
        "{test}: no real data at {} and SEXTANS_REQUIRE_DATA=1",
        folder.display()
    );
    // Not println!: what a passing test prints is thrown away, and a promise that was not checked must be seen.
    let line = format!("{test}: skipped, no real data at {} (set SEXTANS_DATA)\n", folder.display());
    drop(std::io::stderr().write_all(line.as_bytes()));
    None
}

/// Random numbers from a seed (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is at least 1.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}
