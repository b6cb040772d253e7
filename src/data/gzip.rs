//! `.fits.gz`: inflated into memory, within a bound.

use std::io::{self, Read};
use std::path::Path;

use super::{DataError, Problem, Result, Source};

/// Most bytes that a compressed file may become.
const LIMIT: u64 = 4 << 30;
/// Up to this size the ratio is not asked: an empty image of this size shrinks a thousand times.
const FREE: u64 = 256 << 20;
/// A larger file that shrank more than this holds nothing but one value; it is made to fill memory.
const MOST_RATIO: u64 = 400;
/// Bytes that are inflated at a time.
const STEP: usize = 1 << 20;

/// The bytes inside a source that is compressed by gzip, and a warning if its end is damaged; `None` if it is not.
///
/// # Errors
/// Unreadable, damaged at the very start, or too large inside.
pub(super) fn inflate(source: &dyn Source, path: &Path) -> Result<Option<(Vec<u8>, Option<String>)>> {
    let mut magic = [0; 2];
    if source.length() < 18 || source.read_at(0, &mut magic).is_err() || magic != [0x1f, 0x8b] {
        return Ok(None);
    }
    let refuse = |what: String, cure: &str| Err(DataError::new(path, Problem::Format { what, cure: cure.to_owned() }));
    let mut decoder = flate2::read::MultiGzDecoder::new(Reader { source, at: 0 });
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let size = bytes.len() as u64;
        if size >= LIMIT || (size > FREE && size / source.length() > MOST_RATIO) {
            let what = format!("its {} bytes unpack to more than {size}", source.length());
            return refuse(what, "unpack it with gunzip and open the result, which is read in parts");
        }
        if bytes.try_reserve(STEP).is_err() {
            return refuse(format!("no memory for more than {size} unpacked bytes"), "unpack it with gunzip first");
        }
        let old = bytes.len();
        bytes.resize(old + STEP, 0);
        let read = fill(&mut decoder, bytes.get_mut(old..).unwrap_or_default());
        let (count, failed) = match read {
            Ok(count) => (count, None),
            Err((count, error)) => (count, Some(error)),
        };
        bytes.truncate(old + count);
        if let Some(error) = failed {
            if bytes.is_empty() {
                return refuse(format!("it is compressed by gzip and damaged ({error})"), "fetch it again");
            }
            let warning = format!("the gzip stream is damaged behind {} unpacked bytes ({error})", bytes.len());
            return Ok(Some((bytes, Some(warning))));
        }
        if count < STEP {
            return Ok(Some((bytes, None)));
        }
    }
}

/// Reads until the buffer is full or the stream ends; an error says how many bytes came before it.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> std::result::Result<usize, (usize, io::Error)> {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(n) => count += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((count, error)),
        }
    }
    Ok(count)
}

/// A source as a stream.
struct Reader<'a> {
    source: &'a dyn Source,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (self.source.length() - self.at).min(buffer.len() as u64) as usize;
        self.source.read_at(self.at, buffer.get_mut(..count).unwrap_or_default())?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn members_are_joined_and_damage_is_said() {
        let path = Path::new("a.fits.gz");
        let text: Vec<u8> = (0..100_000u32).flat_map(u32::to_be_bytes).collect();
        let both = [packed(&text), packed(b"more")].concat();
        let (bytes, warning) = inflate(&both, path).unwrap().unwrap();
        assert_eq!((bytes.len(), warning), (text.len() + 4, None));
        let cut = packed(&text)[..50_000].to_vec();
        let (bytes, warning) = inflate(&cut, path).unwrap().unwrap();
        assert!(bytes.len() > 1000 && text.starts_with(&bytes), "{}", bytes.len());
        assert!(warning.unwrap().contains("damaged behind"));
        assert_eq!(inflate(&b"SIMPLE  =                    T".to_vec(), path).unwrap(), None);
        let rubbish = [&[0x1f, 0x8b][..], &[0xff; 100]].concat();
        assert!(inflate(&rubbish, path).unwrap_err().to_string().contains("gzip and damaged"));
    }

    #[test]
    fn a_bomb_is_refused() {
        // 300 MB of zeros in about 300 kB, well above any real picture's ratio.
        let error = inflate(&packed(&vec![0; 300 << 20]), Path::new("b.gz")).unwrap_err().to_string();
        assert!(error.contains("unpack to more than"), "{error}");
    }
}
