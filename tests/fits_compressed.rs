//! Compressed images give the values that CFITSIO, astropy and the uncompressed original give.

use std::io::Write;
use std::path::Path;

use ndarray::{ArrayD, s};
use sextans::data::{FitsFile, statistics::Statistics};

use super::fits_support::{cube, data_folder, header, mixed, padded};

/// Every pixel counts: sum of value times position modulo 97.
fn weighted(values: &ArrayD<f64>) -> f64 {
    values.iter().enumerate().filter(|(_, v)| !v.is_nan()).map(|(i, v)| v * (i % 97) as f64).sum()
}

#[test]
fn every_compressed_file_equals_astropy() {
    let Some(data) = data_folder("every_compressed_file_equals_astropy") else { return };
    // file, shape, NaN, min, max, weighted sum; by astropy 8.0.2
    type Golden<'a> = (&'a str, &'a [usize], u64, f64, f64, f64);
    let golden: &[Golden<'_>] = &[
        ("comp", &[300, 440], 0, 0.0, 1037.0, 1_652_004_634.0),
        ("compressed_float_bzero", &[3], 0, 1.0, 3.0, 8.0),
        ("compressed_image", &[10, 10], 0, 0.0, 99.0, 299_832.0),
        ("compressed_with_nan", &[12, 12], 1, 0.248_001_337_051_391_6, 143.006_206_571_531_72, 437_811.857_778_190_75),
        ("double_ext", &[5, 5], 0, 0.0, 0.0, 0.0),
        ("m13_gzip", &[300, 300], 0, 109.0, 3618.0, 634_655_236.0),
        ("m13_hcomp", &[300, 300], 0, 109.0, 3618.0, 634_655_236.0),
        ("m13_plio", &[300, 300], 0, 109.0, 3618.0, 634_655_236.0),
        ("m13_rice", &[300, 300], 0, 109.0, 3618.0, 634_655_236.0),
    ];
    for &(name, shape, nan, min, max, sum) in golden {
        let file = FitsFile::open(&data.join(format!("fits-corpus/{name}.fits"))).unwrap();
        let hdu = file.find(None).unwrap();
        let values = file.read_array::<f64>(hdu).unwrap();
        assert_eq!(values.shape(), shape, "{name}");
        let found = Statistics::of_hdu(&file, hdu).unwrap();
        assert_eq!((found.nan, found.min, found.max), (nan, Some(min), Some(max)), "{name}");
        assert!((weighted(&values) - sum).abs() <= 1e-14 * sum.abs(), "{name}: {} {sum}", weighted(&values));
    }
}

#[test]
fn compressed_copies_equal_their_original() {
    let Some(data) = data_folder("compressed_copies_equal_their_original") else { return };
    let read =
        |name: &str, hdu| FitsFile::open(&data.join("fits-corpus").join(name)).unwrap().read_array::<f32>(hdu).unwrap();
    let original = read("m13.fits", 0);
    for name in ["m13_gzip.fits", "m13_hcomp.fits", "m13_plio.fits", "m13_rice.fits"] {
        assert!(read(name, 1) == original, "{name}");
    }
}

#[test]
fn every_compressed_file_equals_cfitsio() {
    let Some(data) = data_folder("every_compressed_file_equals_cfitsio") else { return };
    for name in ["comp", "compressed_image", "compressed_with_nan", "m13_gzip", "m13_hcomp", "m13_plio", "m13_rice"] {
        let path = data.join(format!("fits-corpus/{name}.fits"));
        let ours = FitsFile::open(&path).unwrap().read_array::<f64>(1).unwrap();
        let mut file = fitsio::FitsFile::open(&path).unwrap();
        let hdu = file.hdu(1).unwrap();
        let theirs: Vec<f64> = hdu.read_image(&mut file).unwrap();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        // The crate hands CFITSIO no value for missing pixels, so that theirs are made up there.
        let wrong = ours.iter().zip(&theirs).filter(|(a, b)| !a.is_nan() && a != b).count();
        assert_eq!(wrong, 0, "{name}");
    }
}

/// Writes an image by CFITSIO with `[compress ...]`, whose words are in its manual, section 10.2.
fn written_by_cfitsio(folder: &Path, how: &str, shape: [usize; 2], values: &[f32], integer: bool) -> FitsFile {
    let path = folder.join(format!("{}.fits", how.replace([' ', ',', ';'], "_")));
    let name = format!("{}[compress {how}]", path.display());
    let data_type = if integer { fitsio::images::ImageType::Short } else { fitsio::images::ImageType::Float };
    let description = fitsio::images::ImageDescription { data_type, dimensions: shape.as_slice() };
    let mut file = fitsio::FitsFile::create(&name).open().unwrap();
    let hdu = file.create_image("PICTURE", &description).unwrap();
    if integer {
        let values: Vec<i16> = values.iter().map(|&v| v as i16).collect();
        hdu.write_image(&mut file, &values).unwrap();
    } else {
        hdu.write_image(&mut file, values).unwrap();
    }
    drop(file);
    FitsFile::open(&path).unwrap()
}

#[test]
fn what_cfitsio_compresses_is_read_as_it_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let shape = [43, 57];
    let values: Vec<f32> =
        (0..43 * 57).map(|i| ((i * 7919) % 1013) as f32 * 0.37 + (i / 57) as f32 * 3.0 + 5.0).collect();
    // Rice, gzip, PLIO, HCOMPRESS, gzip without shuffling; the last numbers are the tile and the quantisation.
    for (how, integer) in [
        ("R 57,1", true),
        ("R 20,15", true),
        ("G 57,4", true),
        ("P 57,1", true),
        ("H 57,43", true),
        ("HS 57,43; s 2", true),
        ("R 20,15; q 8", false),
        ("R 57,2; qz 8", false),
        ("G 20,15; q0", false),
        ("R 57,1; q 4", false),
    ] {
        let ours = written_by_cfitsio(folder.path(), how, shape, &values, integer);
        let index = ours
            .hdus()
            .iter()
            .position(sextans::data::Hdu::is_compressed)
            .unwrap_or_else(|| panic!("{how}: not compressed"));
        let found = ours.read_array::<f64>(index).unwrap();
        let mut file = fitsio::FitsFile::open(ours.path()).unwrap();
        let hdu = file.hdu(index).unwrap();
        let theirs: Vec<f64> = hdu.read_image(&mut file).unwrap();
        // Asked for 64-bit floats, CFITSIO leaves out the rounding to the 32 bits of the image.
        let difference = found.iter().zip(&theirs).map(|(&a, &b)| (a as f32 - b as f32).abs()).fold(0.0, f32::max);
        assert_eq!(found.len(), theirs.len(), "{how}");
        assert!(difference == 0.0, "{how}: {difference}");
        // Near to what was written, too: exact integers, floats within their quantisation.
        let most = match (integer, how.contains("s 2")) {
            (true, false) => 0.0,
            (true, true) => 400.0, // lossy, and this picture is all noise
            (false, _) => 40.0,
        };
        let far = found.iter().zip(&values).map(|(a, &b)| (a - f64::from(if integer { b.trunc() } else { b })).abs());
        assert!(far.fold(0.0, f64::max) <= most, "{how}");
    }
}

#[test]
fn parts_are_the_same_as_the_whole() {
    let Some(data) = data_folder("parts_are_the_same_as_the_whole") else { return };
    for name in ["comp", "m13_rice", "compressed_with_nan"] {
        let file = FitsFile::open(&data.join(format!("fits-corpus/{name}.fits"))).unwrap();
        let whole = file.read_image::<f32>(1).unwrap();
        let part = file.read_box::<f32>(1, &[2..9, 3..11]).unwrap();
        let same = part.iter().zip(whole.slice(s![2..9, 3..11])).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same && part.shape() == [7, 8], "{name}");
        assert_eq!(file.read_pixel(1, &[5, 4]).unwrap() as f32, whole[[5, 4]]);
        assert_eq!(file.read_box::<f32>(1, &[4..4, 0..3]).unwrap().len(), 0);
    }
}

/// A compressed image of 4 tiles of 6 pixels, three stored plainly, one without bytes.
fn plain_tiles(more: &[&str]) -> Vec<u8> {
    let mut cards: Vec<String> = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 8",
        "NAXIS2  = 4",
        "PCOUNT  = 36",
        "GCOUNT  = 1",
        "TFIELDS = 1",
        "TTYPE1  = 'COMPRESSED_DATA'",
        "TFORM1  = '1PB(12)'",
        "ZIMAGE  = T",
        "ZCMPTYPE= 'NOCOMPRESS'",
        "ZBITPIX = 16",
        "ZNAXIS  = 2",
    ]
    .map(String::from)
    .to_vec();
    cards.extend(more.iter().map(|card| (*card).to_owned()));
    let mut body = Vec::new();
    for (count, offset) in [(12u32, 0u32), (12, 12), (0, 0), (12, 24)] {
        body.extend(count.to_be_bytes());
        body.extend(offset.to_be_bytes());
    }
    body.extend((0..18i16).flat_map(i16::to_be_bytes));
    [header(&["SIMPLE  = T".into(), "BITPIX  = 8".into(), "NAXIS   = 0".into()]), header(&cards), padded(body, 0)]
        .concat()
}

#[test]
fn tiles_stand_in_their_places_and_empty_ones_are_missing() {
    let cards =
        ["ZNAXIS1 = 6", "ZNAXIS2 = 4", "ZTILE1  = 3", "ZTILE2  = 2", "BSCALE  = 2", "BZERO   = 100", "BLANK   = 7"];
    let file = FitsFile::from_bytes(Path::new("tiles.fits"), plain_tiles(&cards)).unwrap();
    let image = file.read_image::<f64>(1).unwrap();
    // Tile 1 holds 0..6, tile 2 6..12 with BLANK = 7, tile 3 nothing, tile 4 12..18.
    assert_eq!(image.slice(s![0, ..3]).to_vec(), [100.0, 102.0, 104.0]);
    assert_eq!(image.slice(s![1, ..3]).to_vec(), [106.0, 108.0, 110.0]);
    assert_eq!(image[[0, 3]], 112.0);
    assert!(image[[0, 4]].is_nan());
    assert!(image.slice(s![2.., ..3]).iter().all(|v| v.is_nan()));
    assert_eq!(image[[3, 5]], 134.0);
    let found = Statistics::of_hdu(&file, 1).unwrap();
    assert_eq!((found.finite, found.nan), (17, 7));
}

#[test]
fn sizes_that_the_bytes_cannot_hold_are_refused_before_memory_is_taken() {
    for (cards, words) in [
        (["ZNAXIS1 = 60000", "ZNAXIS2 = 40000", "ZTILE1  = 60000", "ZTILE2  = 10000"], "larger than"),
        (["ZNAXIS1 = 60000", "ZNAXIS2 = 4", "ZTILE1  = 3", "ZTILE2  = 2"], "tiles and the table 4 rows"),
        (["ZNAXIS1 = 4000", "ZNAXIS2 = 4000", "ZTILE1  = 4000", "ZTILE2  = 1000"], "cannot hold 16000000 pixels"),
        (["ZNAXIS1 = 6", "ZNAXIS2 = 6", "ZTILE1  = 3", "ZTILE2  = 3"], "12 bytes for 9 pixels"),
    ] {
        let file = FitsFile::from_bytes(Path::new("tiles.fits"), plain_tiles(&cards)).unwrap();
        let error = file.read_array::<f32>(1).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn gzip_files_open_like_others() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("cube.fits.gz", cube()), ("mixed.fit.gz", mixed())] {
        let path = folder.path().join(name);
        let mut encoder =
            flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), flate2::Compression::fast());
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap();
        let packed = FitsFile::open(&path).unwrap();
        let plain = FitsFile::from_bytes(Path::new(name), bytes).unwrap();
        assert_eq!(packed.hdus().len(), plain.hdus().len());
        let bits = |file: &FitsFile| file.read_array::<f32>(0).unwrap().mapv(f32::to_bits);
        assert_eq!(bits(&packed), bits(&plain));
        assert_eq!(packed.warnings(), plain.warnings());
    }
}
