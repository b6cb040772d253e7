//! Plain images of every type and scaling read as CFITSIO reads them, and images that CFITSIO writes read back equal.
//!
//! One difference is known: the `fitsio` crate hands CFITSIO no value for missing pixels, so BLANK comes back as a number
//! there; here it is NaN.

use std::path::Path;

use fitsio::images::{ImageDescription, ImageType};
use sextans::data::FitsFile;

use super::fits_support::{Dice, extension, primary};

const SHAPE: [u64; 3] = [37, 11, 3];

/// Bytes of stored pixels: any bits, and the ends of the range first.
fn stored(bitpix: i64, dice: &mut Dice) -> Vec<u8> {
    let count = SHAPE.iter().product::<u64>() as usize;
    let bytes = bitpix.unsigned_abs() as usize / 8;
    let mut data: Vec<u8> = match bitpix {
        -32 => (0..count).flat_map(|_| ((dice.next() as f64 / 1e15 - 9000.0) as f32).to_be_bytes()).collect(),
        -64 => (0..count).flat_map(|_| (dice.next() as f64 / 1e15 - 9000.0).to_be_bytes()).collect(),
        _ => (0..count * bytes).map(|_| dice.next() as u8).collect(),
    };
    let ends: Vec<Vec<u8>> = match bitpix {
        -32 => {
            [f32::NAN, f32::INFINITY, -0.0, f32::MAX, f32::MIN_POSITIVE / 8.0].map(|v| v.to_be_bytes().to_vec()).into()
        }
        -64 => [f64::NAN, f64::NEG_INFINITY, -0.0, f64::MAX, 1e-310].map(|v| v.to_be_bytes().to_vec()).into(),
        _ => {
            let first = |byte: u8, rest: u8| [vec![byte], vec![rest; bytes - 1]].concat();
            vec![first(0x80, 0), first(0x7f, 0xff), first(0xff, 0xff), first(0, 0), first(0x80, 5)]
        }
    };
    for (place, end) in data.chunks_exact_mut(bytes).zip(&ends) {
        place.copy_from_slice(end);
    }
    data
}

fn by_cfitsio(path: &Path, hdu: usize) -> Vec<f64> {
    let mut file = fitsio::FitsFile::open(path).unwrap();
    let hdu = file.hdu(hdu).unwrap();
    hdu.read_image(&mut file).unwrap()
}

fn by_us(path: &Path, hdu: usize) -> Vec<f64> {
    let file = FitsFile::open(path).unwrap();
    assert_eq!(file.hdus()[hdu].shape(), [3, 11, 37]);
    file.read_array::<f64>(hdu).unwrap().into_iter().collect()
}

#[test]
fn pixels_of_every_type_and_scaling_equal_those_of_cfitsio() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cross.fits");
    let mut dice = Dice(3);
    for bitpix in [8, 16, 32, 64, -32, -64] {
        let unsigned = match bitpix {
            8 => ["BSCALE  = 1.0", "BZERO   = -128"],
            16 => ["BSCALE  = 1", "BZERO   = 32768"],
            32 => ["BZERO   = 2147483648", "BSCALE  = 1.0"],
            _ => ["BZERO   = 9223372036854775808", "BSCALE  = 1"],
        };
        let scalings: [&[&str]; 6] = [
            &[],
            &unsigned,
            &["BSCALE  = 0.001", "BZERO   = -273.15"],
            &["BSCALE  = -2.5D-3"],
            &["BZERO   = 1E3"],
            &["BSCALE  = 0.0"],
        ];
        for scaling in scalings {
            let (first, second) = (stored(bitpix, &mut dice), stored(bitpix, &mut dice));
            let bytes = [
                primary(bitpix, &SHAPE, &[scaling, &["EXTEND  = T"]].concat(), &first),
                extension("NEXT", bitpix, &SHAPE, scaling, &second),
            ];
            std::fs::write(&path, bytes.concat()).unwrap();
            for hdu in [0, 1] {
                let (ours, theirs) = (by_us(&path, hdu), by_cfitsio(&path, hdu));
                assert_eq!(ours.len(), theirs.len());
                for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
                    let same = a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan() || a == b;
                    assert!(same, "BITPIX {bitpix} {scaling:?} HDU {hdu} pixel {i}: {a:e}, CFITSIO {b:e}");
                }
            }
        }
    }
}

#[test]
fn blank_is_missing_here_and_a_number_in_the_fitsio_crate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blank.fits");
    let mut dice = Dice(4);
    for (bitpix, blank) in [(8, 255i64), (16, -32768), (16, -1), (32, i64::from(i32::MIN)), (64, i64::MIN)] {
        for scaling in [&[][..], &["BSCALE  = 0.5", "BZERO   = 100.0"]] {
            let card = format!("BLANK   = {blank}");
            let cards = [scaling, &[card.as_str()]].concat();
            std::fs::write(&path, primary(bitpix, &SHAPE, &cards, &stored(bitpix, &mut dice))).unwrap();
            let missing = if scaling.is_empty() { blank as f64 } else { 100.0 + 0.5 * blank as f64 };
            let (ours, theirs) = (by_us(&path, 0), by_cfitsio(&path, 0));
            assert!(ours.iter().any(|value| value.is_nan()), "BITPIX {bitpix} BLANK {blank}");
            for (a, b) in ours.iter().zip(&theirs) {
                // The number is BLANK scaled; 64-bit neighbours of BLANK are the same f64.
                let same = if a.is_nan() { *b == missing } else { a == b && (*a != missing || bitpix == 64) };
                assert!(same, "BITPIX {bitpix} BLANK {blank}: {a}, fitsio {b}");
            }
        }
    }
}

/// Writes a cube of a type by CFITSIO and reads it here.
macro_rules! written_by_cfitsio {
    ($($image:ident $type:ty),*) => {$({
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("written.fits");
        let description = ImageDescription { data_type: ImageType::$image, dimensions: &[3, 11, 37] };
        let mut file = fitsio::FitsFile::create(&path).with_custom_primary(&description).open().unwrap();
        let mut dice = Dice(5);
        let values: Vec<$type> = (0..3 * 11 * 37)
            .map(|i| match i { 0 => <$type>::MIN, 1 => <$type>::MAX, _ => dice.next() as $type })
            .collect();
        let hdu = file.primary_hdu().unwrap();
        hdu.write_image(&mut file, &values).unwrap();
        drop(file);
        let expected: Vec<f64> = values.iter().map(|&value| value as f64).collect();
        assert_eq!(by_us(&path, 0), expected, stringify!($image));
        assert!(FitsFile::open(&path).unwrap().hdus()[0].warnings.is_empty());
    })*};
}

#[test]
fn images_that_cfitsio_writes_are_read_equal() {
    written_by_cfitsio!(
        UnsignedByte u8, Byte i8, Short i16, UnsignedShort u16, Long i32, UnsignedLong u32, LongLong i64, Float f32,
        Double f64
    );
}
