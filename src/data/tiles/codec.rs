//! The bytes of compressed tiles become big-endian pixels. GZIP by flate2, RICE, PLIO and HCOMPRESS by fitsy, which
//! gets a small table of its own for the purpose: only these tiles, and only the keywords of the codec. Thus its reading
//! of the header cannot disagree with ours, and a BYTEPIX wider than ZBITPIX, which it refuses, is met as what it is.

use std::io::Read;

use crate::data::Header;
use crate::data::containment::contained_result;
use crate::data::{Bitpix, Problem};

/// Most pixels of one tile: 2^28.
pub(super) const TILE_LIMIT: u64 = 1 << 28;

/// ZCMPTYPE with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    /// RICE_1.
    Rice {
        /// BLOCKSIZE: pixels that share one coding.
        block: u32,
        /// BYTEPIX as a pixel type: the width that was coded, which may be wider than ZBITPIX.
        pixel: Bitpix,
    },
    /// GZIP_1.
    Gzip,
    /// GZIP_2: the bytes of equal significance stand together.
    ShuffledGzip,
    /// PLIO_1.
    Plio,
    /// HCOMPRESS_1.
    Hcompress {
        /// SMOOTH.
        smooth: bool,
    },
    /// NOCOMPRESS.
    Plain,
}

/// Pixels as they come out of a codec.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RawTile {
    /// Their type.
    pub bitpix: Bitpix,
    /// Their bytes, big-endian.
    pub bytes: Vec<u8>,
}

impl Codec {
    /// Takes the codec from a header.
    ///
    /// # Errors
    /// A codec or parameter that is not known.
    pub fn of(name: &str, header: &Header, hdu: usize) -> Result<Self, Problem> {
        let parameter = |wanted: &str| {
            (1..=99)
                .map_while(|n| header.get_str(&format!("ZNAME{n}")).map(|name| (n, name.trim())))
                .find(|(_, name)| name.eq_ignore_ascii_case(wanted))
                .and_then(|(n, _)| header.get_f64(&format!("ZVAL{n}")))
        };
        Ok(match name {
            "RICE_1" | "RICE_ONE" => {
                let block = parameter("BLOCKSIZE").unwrap_or(32.0);
                let bytes = parameter("BYTEPIX").unwrap_or(4.0);
                let pixel = match bytes {
                    1.0 => Bitpix::U8,
                    2.0 => Bitpix::I16,
                    4.0 => Bitpix::I32,
                    _ => {
                        return Err(Problem::Keyword {
                            hdu,
                            keyword: "ZVALn of BYTEPIX".into(),
                            value: bytes.to_string(),
                            problem: "RICE_1 codes 1, 2 or 4 bytes a pixel; the header is damaged".into(),
                        });
                    }
                };
                // CFITSIO writes 32, older programs 16; the codec allows any.
                let block = if (1.0..=65_536.0).contains(&block) { block as u32 } else { 32 };
                Self::Rice { block, pixel }
            }
            "GZIP_1" => Self::Gzip,
            "GZIP_2" => Self::ShuffledGzip,
            "PLIO_1" => Self::Plio,
            "HCOMPRESS_1" => Self::Hcompress { smooth: parameter("SMOOTH").is_some_and(|x| x != 0.0) },
            "NOCOMPRESS" => Self::Plain,
            other => {
                return Err(Problem::Keyword {
                    hdu,
                    keyword: "ZCMPTYPE".into(),
                    value: format!("'{other}'"),
                    problem: "this compression is not known; unpack the file with funpack first".into(),
                });
            }
        })
    }

    /// Most pixels that one byte of the table can stand for. RICE spends at least 3 bits on a block; GZIP reaches 1032
    /// (the limit of its format), a word of PLIO counts 4095, and HCOMPRESS of an empty tile has no limit of its own.
    /// A file that claims more is damaged, and is not given the memory.
    pub fn most_pixels_a_byte(self, has_gzip_column: bool) -> u64 {
        let own = match self {
            Self::Rice { block, .. } => 4 * u64::from(block),
            Self::Gzip | Self::ShuffledGzip => 1032,
            Self::Plio => 2048,
            Self::Hcompress { .. } => 16_384,
            Self::Plain => 1,
        };
        if has_gzip_column { own.max(1032) } else { own }
    }

    /// Decodes tiles of the same shape. `extent` is the tile's size, fastest axis first.
    ///
    /// # Errors
    /// Bytes that the codec does not understand, or another number of pixels.
    pub fn decode(self, extent: &[u64], payloads: &[&[u8]], is_float: bool) -> Result<Vec<RawTile>, String> {
        let pixels: u64 = extent.iter().product();
        let each =
            |decode: &dyn Fn(&[u8]) -> Result<RawTile, String>| payloads.iter().map(|bytes| decode(bytes)).collect();
        match self {
            Self::Plain => each(&|bytes| plain(bytes.to_vec(), pixels, is_float)),
            Self::Gzip => each(&|bytes| gunzip(bytes, pixels, is_float)),
            Self::ShuffledGzip => each(&|bytes| gunzip(bytes, pixels, is_float).map(|tile| unshuffle(&tile))),
            Self::Rice { block, pixel } => {
                let bytes = pixel.bytes();
                let more = [
                    "ZNAME1  = 'BLOCKSIZE'".to_owned(),
                    format!("ZVAL1   = {block}"),
                    "ZNAME2  = 'BYTEPIX'".to_owned(),
                    format!("ZVAL2   = {bytes}"),
                ];
                through_fitsy("RICE_1", pixel, [pixels, 1], payloads, &more)
            }
            Self::Plio => through_fitsy("PLIO_1", Bitpix::I32, [pixels, 1], payloads, &[]),
            Self::Hcompress { smooth } => {
                // The codec is two-dimensional; in a cube the tile is a plane (FITS 4.0 section 10.4.4).
                let long: Vec<u64> = extent.iter().copied().filter(|&n| n > 1).collect();
                let plane = match *long {
                    [] => [1, 1],
                    [x] if extent.first() == Some(&x) => [x, 1],
                    [y] => [1, y],
                    [x, y] => [x, y],
                    _ => return Err(format!("HCOMPRESS_1 needs two-dimensional tiles, not {extent:?}")),
                };
                let more = ["ZNAME1  = 'SMOOTH'".to_owned(), format!("ZVAL1   = {}", u8::from(smooth))];
                through_fitsy("HCOMPRESS_1", Bitpix::I32, plane, payloads, &more)
            }
        }
    }
}

/// Stored as they are.
pub(super) fn plain(bytes: Vec<u8>, pixels: u64, is_float: bool) -> Result<RawTile, String> {
    let count = bytes.len() as u64;
    let bitpix = match (count.checked_div(pixels).filter(|_| count.is_multiple_of(pixels)), is_float) {
        (Some(4), true) => Bitpix::F32,
        (Some(8), true) => Bitpix::F64,
        (Some(1), false) => Bitpix::U8,
        (Some(2), false) => Bitpix::I16,
        (Some(4), false) => Bitpix::I32,
        (Some(8), false) => Bitpix::I64,
        _ => return Err(format!("{count} bytes for {pixels} pixels")),
    };
    Ok(RawTile { bitpix, bytes })
}

/// Inflates to at most 8 bytes a pixel; the number of bytes tells the type of the pixels, as in CFITSIO.
pub(super) fn gunzip(bytes: &[u8], pixels: u64, is_float: bool) -> Result<RawTile, String> {
    let most = pixels.saturating_mul(8);
    let mut out = Vec::new();
    // One byte more than there can be, to notice tiles that are too long.
    let mut reader = flate2::read::GzDecoder::new(bytes).take(most.saturating_add(1));
    reader.read_to_end(&mut out).map_err(|error| format!("its GZIP bytes are damaged ({error})"))?;
    plain(out, pixels, is_float)
}

fn unshuffle(tile: &RawTile) -> RawTile {
    let each = tile.bitpix.bytes();
    let count = tile.bytes.len() / each;
    let mut bytes = vec![0; tile.bytes.len()];
    for (significance, plane) in tile.bytes.chunks_exact(count.max(1)).enumerate() {
        for (pixel, &byte) in bytes.iter_mut().skip(significance).step_by(each).zip(plane) {
            *pixel = byte;
        }
    }
    RawTile { bitpix: tile.bitpix, bytes }
}

/// Has fitsy decode tiles of `plane[0]` x `plane[1]` pixels.
fn through_fitsy(
    codec: &str,
    pixel: Bitpix,
    plane: [u64; 2],
    payloads: &[&[u8]],
    more: &[String],
) -> Result<Vec<RawTile>, String> {
    let rows = payloads.len() as u64;
    let heap: u64 = payloads.iter().map(|bytes| bytes.len() as u64).sum();
    let mut data = Vec::with_capacity((rows * 16 + heap) as usize);
    let mut at = 0u64;
    for payload in payloads {
        data.extend((payload.len() as u64).to_be_bytes());
        data.extend(at.to_be_bytes());
        at += payload.len() as u64;
    }
    payloads.iter().for_each(|payload| data.extend_from_slice(payload));
    let [x, y] = plane;
    let keywords = [
        ("BITPIX", 8),
        ("NAXIS", 2),
        ("NAXIS1", 16),
        ("NAXIS2", rows),
        ("PCOUNT", heap),
        ("GCOUNT", 1),
        ("TFIELDS", 1),
        ("ZBITPIX", pixel.code().unsigned_abs()),
        ("ZNAXIS", 2),
        ("ZNAXIS1", x),
        ("ZNAXIS2", y * rows),
        ("ZTILE1", x),
        ("ZTILE2", y),
    ];
    let mut cards = vec!["XTENSION= 'BINTABLE'".to_owned()];
    cards.extend(keywords.iter().map(|(key, value)| format!("{key:<8}= {value:>20}")));
    cards.extend(["TTYPE1  = 'COMPRESSED_DATA'", "TFORM1  = '1QB'", "ZIMAGE  =                    T"].map(Into::into));
    cards.push(format!("ZCMPTYPE= '{codec}'"));
    cards.extend(more.iter().cloned());
    cards.push("END".into());
    let mut text: String = cards.iter().map(|card| format!("{card:<80}")).collect();
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(2880) - text.len()));
    let bytes = contained_result(|| {
        let words = |error: fitsy::FitsError| error.to_string();
        let (header, _) = fitsy::Header::parse_with(text.as_bytes(), 0, true).map_err(words)?;
        let table = fitsy::BinTableHdu::new(header, data).map_err(words)?;
        fitsy::CompressedImageHdu::from_bintable(table).and_then(|image| image.decompress()).map_err(words)
    })?;
    let each = usize::try_from(x * y).ok().and_then(|n| n.checked_mul(pixel.bytes())).filter(|&n| n > 0);
    let Some(each) = each.filter(|each| each.checked_mul(payloads.len()) == Some(bytes.len())) else {
        return Err(format!("{} bytes came out, not those of {rows} tiles of {x} x {y}", bytes.len()));
    };
    Ok(bytes.chunks_exact(each).map(|tile| RawTile { bitpix: pixel, bytes: tile.to_vec() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffled_bytes_return_to_their_places() {
        let tile = RawTile { bitpix: Bitpix::I16, bytes: vec![1, 2, 3, 10, 20, 30] };
        assert_eq!(unshuffle(&tile).bytes, [1, 10, 2, 20, 3, 30]);
    }

    #[test]
    fn rubbish_is_an_error() {
        for codec in [
            Codec::Rice { block: 32, pixel: Bitpix::I32 },
            Codec::Gzip,
            Codec::ShuffledGzip,
            Codec::Plio,
            Codec::Hcompress { smooth: false },
            Codec::Plain,
        ] {
            for bytes in [&[][..], &[0xff; 7], &[0xdd, 0x99, 0, 0, 0, 9], &[0x1f, 0x8b, 8, 0, 0]] {
                // Any bytes of some length are a picture to RICE; what counts is that nothing panics.
                let decoded = codec.decode(&[10, 5], &[bytes], false);
                let some_picture = matches!(codec, Codec::Rice { .. }) && bytes.len() > 4;
                assert!(decoded.is_err() || some_picture, "{codec:?} {bytes:?}");
            }
        }
    }
}
