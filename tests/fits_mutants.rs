//! 1,000 damaged files, made from a seed: none makes the reader panic, read more than there is, or hold more pixels
//! than the file's bytes can stand for.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sextans::data::healpix::HealpixMap;
use sextans::data::ogip::{Arf, Pha, Rmf};
use sextans::data::ramp::read_ramp;
use sextans::data::spectra::{find_spectra, read_spectrum};
use sextans::data::{FitsFile, Source, info, statistics::Statistics};

use super::fits_support::{Dice, cube, data_folder, extension, mixed, primary, random_groups, shorts};

/// Counts what is read from memory.
struct Counted {
    bytes: Vec<u8>,
    read: Arc<AtomicU64>,
}

impl Source for Counted {
    fn length(&self) -> u64 {
        self.bytes.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.bytes.read_at(offset, buffer)
    }
}

const VALUES: [&str; 16] = [
    "1099511627776",
    "-1",
    "0",
    "9223372036854775807",
    "99999999999999999999",
    "1E300",
    "NaN",
    "'text'",
    "T",
    "",
    "18446744073709551616",
    "2147483648",
    "1000",
    "-64",
    "'",
    "(1,2",
];
const KEYS: [&str; 14] = [
    "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "PCOUNT", "GCOUNT", "BSCALE", "BLANK", "TFIELDS",
    "XTENSION", "ZNAXIS1", "GROUPS",
];

/// Damages a file in one of seven ways, sometimes in several.
fn mutate(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(3) {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        let card = dice.below(length.div_ceil(80)) * 80;
        match dice.below(7) {
            0 => bytes.truncate(dice.below(length)),
            1 => bytes[dice.below(length.min(2880))] = dice.next() as u8,
            2 => bytes[dice.below(length)] = dice.next() as u8,
            // A keyword, wherever it stands, gets another value.
            3 | 4 => {
                let key = format!("{:<8}=", KEYS[dice.below(KEYS.len())]);
                let places: Vec<usize> = (0..length.saturating_sub(79))
                    .step_by(80)
                    .filter(|&at| bytes[at..].starts_with(key.as_bytes()))
                    .collect();
                if !places.is_empty() {
                    let at = places[dice.below(places.len())];
                    let text = format!("{:<80}", format!("{key} {}", VALUES[dice.below(VALUES.len())]));
                    bytes[at..at + 80].copy_from_slice(&text.as_bytes()[..80]);
                }
            }
            5 => {
                let end = (card + 80).min(length);
                bytes.drain(card..end);
            }
            _ => {
                let fill = dice.next() as u8;
                let end = (card + 80).min(length);
                bytes[card..end].fill(fill);
            }
        }
    }
    bytes
}

/// Opens and reads everything there is, checking what it costs. Gives the number of arrays read.
fn exercise(bytes: Vec<u8>) -> usize {
    let length = bytes.len() as u64;
    let read = Arc::new(AtomicU64::new(0));
    let path = Path::new("mutant.fits");
    let Ok(file) = FitsFile::from_source(path, Box::new(Counted { bytes, read: read.clone() })) else { return 0 };
    // Headers once, and a look of three blocks behind each HDU.
    let most = length * 2 + 9 + file.hdus().len() as u64 * 4 * 2880;
    assert!(read.load(Ordering::Relaxed) <= most, "opening read {read:?} of {length} bytes");
    let cards: usize = file.hdus().iter().map(|hdu| hdu.header.cards().len()).sum();
    assert!(cards as u64 <= length / 2 + 1, "{cards} cards from {length} bytes");
    let mut arrays = 0;
    for hdu in file.hdus() {
        assert!(hdu.data_present <= length);
        if hdu.is_compressed() {
            // Few bytes stand for many pixels; HCOMPRESS for the most.
            let most = (1 << 20) + length * 16_384;
            if let Ok(array) = file.read_array::<f32>(hdu.index) {
                arrays += 1;
                assert!(array.len() as u64 <= most, "{} pixels from {length} bytes", array.len());
            }
            continue;
        }
        if let Ok(table) = file.read_table(hdu.index) {
            let values: usize = table.columns.iter().map(|column| column.values.len()).sum();
            assert!(values as u64 <= 32 * length, "{values} values from {length} bytes");
        }
        read.store(0, Ordering::Relaxed);
        if let Ok(array) = file.read_array::<f64>(hdu.index) {
            arrays += 1;
            assert!(array.len() as u64 <= 2 * length, "{} pixels from {length} bytes", array.len());
            assert!(read.load(Ordering::Relaxed) <= length);
        }
        for index in [0, 1, 1 << 40] {
            if let Ok(plane) = file.read_plane::<f32>(hdu.index, index) {
                assert!(plane.len() as u64 <= 2 * length);
            }
            if let Ok(spectrum) = file.read_spectrum::<f32>(hdu.index, index, index / 2) {
                assert!(spectrum.len() as u64 <= 2 * length);
            }
        }
        if let Ok(found) = Statistics::of_hdu(&file, hdu.index) {
            assert!(found.finite + found.nan + found.infinite <= length);
        }
    }
    for place in find_spectra(&file) {
        // Few; a damaged table may claim to hold many.
        for number in 0..place.count.min(3) {
            if let Ok(spectrum) = read_spectrum(&file, &place, number) {
                assert_eq!(spectrum.flux.len(), spectrum.axis.values.len());
            }
        }
    }
    for hdu in file.hdus() {
        if let Ok(Some(map)) = HealpixMap::recognise(&file, hdu.index) {
            let _either = map.columns.first().map(|&column| map.read(&file, column));
        }
    }
    let _either = (Pha::read(&file), Arf::read(&file), Rmf::read(&file), read_ramp(&file));
    let described = info::describe_file(&file, None, Some(&[1, 1])).or_else(|_| info::describe_file(&file, None, None));
    assert!(serde_json::to_string(&described.expect("what opens can be described")).is_ok());
    arrays
}

#[test]
fn a_thousand_damaged_files() {
    let seeds = [
        cube(),
        mixed(),
        random_groups(),
        [
            primary(8, &[], &["HIERARCH ESO A = 'x'", "LONG    = 'a&'", "CONTINUE  'b'"], &[]),
            extension("SCI", 16, &[40, 3], &[], &shorts(0..120)),
        ]
        .concat(),
    ];
    assert!(seeds.iter().map(|seed| exercise(seed.clone())).sum::<usize>() >= 4);
    let mut dice = Dice(20_261_120);
    let mut arrays = 0;
    for i in 0..1000 {
        arrays += exercise(mutate(&seeds[i % seeds.len()], &mut dice));
    }
    // Most damage leaves something to read; if nothing were, the reader would refuse too much.
    assert!(arrays > 300, "{arrays}");
}

#[test]
fn a_thousand_damaged_real_files() {
    let Some(data) = data_folder("a_thousand_damaged_real_files") else { return };
    let mut paths: Vec<_> = std::fs::read_dir(data.join("fits-corpus"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "fits"))
        .collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(seeds.len() >= 30);
    let mut dice = Dice(17);
    let mut arrays = 0;
    for i in 0..1000 {
        arrays += exercise(mutate(&seeds[i % seeds.len()], &mut dice));
    }
    assert!(arrays > 100, "{arrays}");
}
