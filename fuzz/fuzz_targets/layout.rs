//! Any bytes through the parser of headers and layouts, and through the reader of plain pixels.
//!
//! ```text
//! cargo install cargo-fuzz
//! mkdir -p fuzz/corpus/layout
//! cargo +nightly fuzz run layout fuzz/corpus/layout fuzz/seeds ../shared/data/fits-corpus -- \
//!     -dict=fuzz/fits.dict -max_len=32768 -timeout=10 -rss_limit_mb=2048 -max_total_time=600
//! ```
//!
//! Input that begins with `#` is text: a line is a card, a line `@` a block of data, and headers are filled to a block
//! behind END. So the fuzzer reaches deep headers by changing few bytes. Everything else is taken as it is.
#![no_main]
#![allow(dead_code, unused_imports)] // only the reading side of the sources is used here

#[path = "../../src/data/mod.rs"]
mod data;
#[path = "../../src/tasks/mod.rs"]
mod tasks;

use std::path::Path;

use data::{FitsFile, statistics::Statistics};
use libfuzzer_sys::fuzz_target;

const BLOCK: usize = 2880;

fn file_of(input: &[u8]) -> Vec<u8> {
    let Some(text) = input.strip_prefix(b"#") else { return input.to_vec() };
    let mut bytes = Vec::new();
    for line in text.split(|&b| b == b'\n') {
        if line == b"@" {
            bytes.extend_from_slice(&[1; BLOCK]);
            continue;
        }
        let start = bytes.len();
        bytes.extend_from_slice(&line[..line.len().min(80)]);
        bytes.resize(start + 80, b' ');
        if line == b"END" {
            bytes.resize(bytes.len().next_multiple_of(BLOCK), b' ');
        }
    }
    bytes
}

fuzz_target!(|input: &[u8]| {
    let bytes = file_of(input);
    let length = bytes.len() as u64;
    let Ok(file) = FitsFile::from_bytes(Path::new("fuzzed.fits"), bytes) else { return };
    assert!(!file.hdus().is_empty());
    let plain = file.length() == length;
    let mut end = 0;
    for hdu in file.hdus() {
        assert!(hdu.data_start >= end && hdu.data_present <= hdu.data_needed);
        end = hdu.data_start + hdu.data_present;
        assert!(end <= file.length());
        assert_eq!(hdu.header.card("NAXIS").is_some(), hdu.header.get("NAXIS").is_some());
        let _text = (hdu.describe(), hdu.shape(), hdu.unit());
        if !plain || !matches!(hdu.kind, data::HduKind::Image(_)) {
            continue;
        }
        if let Ok(array) = file.read_array::<f64>(hdu.index) {
            assert!(array.len() as u64 <= 2 * length);
        }
        let _values = (file.read_plane::<f32>(hdu.index, 1), file.read_spectrum::<f32>(hdu.index, 0, 0));
        if let Ok(found) = Statistics::of_hdu(&file, hdu.index) {
            assert!(found.finite + found.nan + found.infinite <= length);
        }
    }
});
