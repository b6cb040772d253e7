//! Pixels come out as the standard says, whole or in part, and odd files open with a warning or are refused in words.

use std::path::Path;

use sextans::data::{FitsFile, HduKind, HduSelector, Problem};

use super::fits_support::{cube, extension, floats, hdu, header, mixed, padded, primary, random_groups, shorts};

fn open(bytes: Vec<u8>) -> FitsFile {
    FitsFile::from_bytes(Path::new("memory.fits"), bytes).expect("it is FITS")
}

#[test]
fn every_bitpix_is_read() {
    let cases: [(i64, Vec<u8>); 6] = [
        (8, vec![1, 2, 253]),
        (16, shorts([1, 2, -3])),
        (32, [1i32, 2, -3].map(i32::to_be_bytes).concat()),
        (64, [1i64, 2, -3].map(i64::to_be_bytes).concat()),
        (-32, floats([1.0, 2.0, -3.0])),
        (-64, [1f64, 2.0, -3.0].map(f64::to_be_bytes).concat()),
    ];
    for (bitpix, data) in cases {
        let third = if bitpix == 8 { 253.0 } else { -3.0 };
        let file = open(primary(bitpix, &[3], &[], &data));
        assert_eq!(file.read_array::<f64>(0).unwrap().iter().copied().collect::<Vec<_>>(), [1.0, 2.0, third]);
        // 10 + 0.5 * stored is exact here.
        let file = open(primary(bitpix, &[3], &["BSCALE  = 0.5", "BZERO   = 1.0D1"], &data));
        assert_eq!(
            file.read_array::<f32>(0).unwrap().iter().copied().collect::<Vec<_>>(),
            [10.5, 11.0, 10.0 + 0.5 * third as f32]
        );
    }
}

#[test]
fn parts_of_a_cube_are_the_same_as_the_whole() {
    let file = open(cube());
    let whole = file.read_array::<f32>(0).unwrap();
    assert_eq!(whole.shape(), [4, 3, 5]);
    assert_eq!(whole[[2, 1, 3]], 213.0);
    for z in 0..4 {
        let plane = file.read_plane::<f32>(0, z).unwrap();
        assert_eq!(plane.into_dyn(), whole.index_axis(ndarray::Axis(0), z).to_owned());
    }
    for (y, x) in [(0, 0), (2, 4), (1, 3)] {
        let spectrum = file.read_spectrum::<f32>(0, y, x).unwrap();
        assert_eq!(spectrum.to_vec(), whole.slice(ndarray::s![.., y, x]).to_vec());
    }
    let part = file.read_box::<f32>(0, &[1..4, 0..2, 2..5]).unwrap();
    assert_eq!(part, whole.slice(ndarray::s![1..4, 0..2, 2..5]).to_owned().into_dyn());
    assert_eq!(file.read_pixel(0, &[3, 2, 4]).unwrap(), 324.0);
    for error in [
        file.read_plane::<f32>(0, 4).unwrap_err(),
        file.read_spectrum::<f32>(0, 3, 0).unwrap_err(),
        file.read_spectrum::<f32>(0, 0, usize::MAX).unwrap_err(),
        file.read_box::<f32>(0, std::slice::from_ref(&(0..1))).map(drop).unwrap_err(),
        file.read_image::<f32>(0).unwrap_err(),
    ] {
        assert!(matches!(error.problem, Problem::Shape { .. }), "{error}");
    }
}

#[test]
fn axes_of_length_one_do_not_hide_the_spectral_axis() {
    // A radio cube: x, y, STOKES, FREQ.
    let values = (0..3).flat_map(|f| (0..4).map(move |i| (f * 10 + i) as f32));
    let file = open(primary(-32, &[2, 2, 1, 3], &[], &floats(values)));
    assert_eq!(file.read_spectrum::<f32>(0, 1, 0).unwrap().to_vec(), [2.0, 12.0, 22.0]);
    assert_eq!(file.read_plane::<f32>(0, 2).unwrap()[[1, 1]], 23.0);
    let file = open(primary(-32, &[3, 1, 1], &[], &floats([1.0, 2.0, 3.0])));
    assert_eq!(file.read_image::<f32>(0).unwrap().dim(), (1, 3));
    let line = open(primary(-32, &[3], &[], &floats([1.0, 2.0, 3.0])));
    assert_eq!(line.read_image::<f32>(0).unwrap().dim(), (1, 3));
    assert_eq!(line.read_spectrum::<f32>(0, 0, 0).unwrap().to_vec(), [1.0, 2.0, 3.0]);
}

#[test]
fn long_reads_on_several_threads_keep_their_order() {
    let n = 700u64;
    let file = open(primary(32, &[n, n], &[], &(0..(n * n) as i32).flat_map(i32::to_be_bytes).collect::<Vec<_>>()));
    let image = file.read_array::<f64>(0).unwrap();
    assert!(image.iter().enumerate().all(|(i, &v)| v == i as f64));
}

#[test]
fn hdus_are_recognised_and_found() {
    let file = open(mixed());
    let kinds: Vec<_> = file.hdus().iter().map(sextans::data::Hdu::kind_name).collect();
    assert_eq!(kinds, ["image", "empty", "binary_table", "compressed_image", "image"]);
    assert!(file.warnings().is_empty() && file.hdus().iter().all(|hdu| hdu.warnings.is_empty()));
    let first = file.read_image::<f32>(0).unwrap();
    assert_eq!((first[[0, 0]], first[[0, 1]], first[[1, 1]]), (0.0, 32768.0, 65535.0));
    assert!(first[[1, 0]].is_nan(), "BLANK");
    let HduKind::BinaryTable(table) = &file.hdus()[2].kind else { panic!("not a table") };
    assert_eq!((table.rows, table.columns[0].name.as_str(), table.columns[0].unit.as_str()), (3, "A", "Jy"));
    assert_eq!(table.columns[1].form, "4A");
    let find = |text: &str| file.find(Some(&text.parse::<HduSelector>().unwrap()));
    assert_eq!(find("sci").unwrap(), 4);
    assert_eq!(find("SCI,2").unwrap(), 4);
    assert_eq!(find("PRIMARY").unwrap(), 0);
    let error = find("SCI,1").unwrap_err().to_string();
    assert_eq!(error, "memory.fits: there is no HDU [SCI,1]; the file has 0 PRIMARY; 1 EMPTY; 2; 3 TILES; 4 SCI,2");
    let error = file.read_image::<f32>(3).unwrap_err().to_string();
    assert!(error.contains("tile 1 lie outside the table"), "{error}");
    for index in [1, 2] {
        assert!(file.read_array::<f32>(index).unwrap_err().to_string().contains("HDU 0 is an image"));
    }
    assert!(file.read_array::<f32>(99).is_err());
}

#[test]
fn random_groups_are_recognised() {
    let bytes = [random_groups(), extension("NEXT", 8, &[1], &[], &[9])].concat();
    let file = open(bytes);
    let HduKind::RandomGroups { groups, parameters, array } = &file.hdus()[0].kind else { panic!("not groups") };
    assert_eq!((*groups, *parameters, array.shape()), (5, 3, vec![2, 2]));
    assert_eq!(file.hdus()[0].data_needed, 5 * (3 + 4) * 4);
    assert_eq!(file.find(None).unwrap(), 1);
}

#[test]
fn a_file_that_ends_early_gives_what_is_there() {
    let mut bytes = cube();
    bytes.truncate(2880 + 2 * 60 + 60 + 8); // 3 planes and 2 pixels of 4 planes
    let file = open(bytes);
    assert!(file.hdus()[0].is_truncated());
    assert!(file.hdus()[0].warnings[0].contains("240 bytes of data and the file holds 188"));
    assert_eq!(file.read_plane::<f32>(0, 2).unwrap()[[2, 4]], 224.0);
    let whole = file.read_array::<f32>(0).unwrap();
    assert_eq!((whole[[3, 0, 1]], whole[[3, 0, 2]].is_nan()), (301.0, true));
    // Less than half: planes that are there can be read, the whole is refused.
    let mut bytes = cube();
    bytes.truncate(2880 + 60);
    let file = open(bytes);
    assert_eq!(file.read_plane::<f32>(0, 0).unwrap()[[2, 4]], 24.0);
    assert!(matches!(
        file.read_array::<f32>(0).unwrap_err().problem,
        Problem::Truncated { needed: 240, present: 60, .. }
    ));
    assert!(file.read_plane::<f32>(0, 3).is_err());
}

#[test]
fn sizes_that_no_file_has_are_refused_before_memory_is_asked_for() {
    for axes in
        [vec![1u64 << 40], vec![1 << 40, 1 << 40], vec![1 << 31, 1 << 31], vec![i64::MAX as u64, 2], vec![2; 80]]
    {
        for bitpix in [8, -64] {
            let file = open(primary(bitpix, &axes, &[], &[0; 100]));
            let error = file.read_array::<f64>(0).unwrap_err().to_string();
            assert!(error.contains("HDU 0"), "{error}");
            assert!(!file.hdus()[0].warnings.is_empty());
        }
    }
    let file = open(primary(16, &[10, 0, 1 << 60], &[], &[]));
    assert_eq!(file.hdus()[0].kind, HduKind::Empty);
}

#[test]
fn odd_files_open_with_a_warning() {
    // Padding left out between the HDUs.
    let mut first = primary(16, &[2], &[], &shorts([1, 2]));
    first.truncate(2880 + 4);
    let file = open([first, extension("SCI", 16, &[1], &[], &shorts([3]))].concat());
    assert_eq!(file.hdus().len(), 2);
    assert_eq!(file.read_array::<f32>(1).unwrap()[[0]], 3.0);
    assert!(file.warnings()[0].contains("block of 2880"));
    // Rubbish behind the last HDU, and a last block that is not full.
    let file = open([cube(), vec![b'x'; 500]].concat());
    assert_eq!((file.hdus().len(), file.warnings().len()), (1, 1));
    let mut bytes = cube();
    bytes.truncate(2880 + 240);
    let file = open(bytes);
    assert!(!file.hdus()[0].is_truncated() && file.warnings()[0].contains("short of a full 2880"));
    // No END, the data after a full block.
    let cards =
        ["SIMPLE  = T", "BITPIX  = -32", "NAXIS   = 1", "NAXIS1  = 2"].map(|card| format!("{card:<80}")).concat();
    let file = open([padded(cards.into_bytes(), b' '), padded(floats([-1.5, 2.5]), 0)].concat());
    assert_eq!(file.read_array::<f32>(0).unwrap().as_slice().unwrap(), [-1.5, 2.5]);
    assert!(file.hdus()[0].warnings.iter().any(|w| w.contains("END")));
    // Line breaks instead of cards of 80.
    let lines = b"SIMPLE  = T\nBITPIX  = 8\nNAXIS   = 1\nNAXIS1  = 3\nEND\n".to_vec();
    let file = open([padded(lines, b' '), vec![1, 2, 3]].concat());
    assert_eq!(file.read_array::<f32>(0).unwrap().as_slice().unwrap(), [1.0, 2.0, 3.0]);
    assert!(file.hdus()[0].warnings.iter().any(|w| w.contains("line breaks")));
    // BLANK on floats means nothing; a BSCALE that is no number is 1.
    let file = open(primary(-32, &[1], &["BLANK   = 0", "BSCALE  = 'x'"], &floats([0.0])));
    assert_eq!(file.read_pixel(0, &[0]).unwrap(), 0.0);
    assert_eq!(file.hdus()[0].warnings.len(), 2);
    // A primary header alone, in less than a block.
    let file = open(b"SIMPLE  =                    T".to_vec());
    assert_eq!(file.hdus()[0].kind_name(), "damaged");
    assert!(file.read_array::<f32>(0).unwrap_err().to_string().contains("BITPIX = (missing)"));
}

#[test]
fn what_follows_a_damaged_header_is_not_guessed() {
    let damaged = hdu("XTENSION= 'IMAGE   '", 12, &[3], &[], &[0; 36]);
    let file = open([cube(), damaged, extension("SCI", 8, &[1], &[], &[1])].concat());
    assert_eq!(file.hdus().len(), 2);
    let error = file.read_array::<f32>(1).unwrap_err().to_string();
    assert!(error.contains("BITPIX = 12: not a FITS pixel type"), "{error}");
}

#[test]
fn other_formats_are_refused_by_name() {
    for (bytes, word) in [
        (&b""[..], "empty"),
        (&b"\x1f\x8b\x08\x00"[..], "gzip"),
        (&b"\x1f\x9d\x90"[..], "compress"),
        (&b"BZh91AY"[..], "bzip2"),
        (&b"\x89HDF\r\n\x1a\n"[..], "HDF5"),
        (&b"hello world"[..], "not FITS"),
        (&b"S"[..], "not FITS"),
        (&b"XTENSION= 'IMAGE'"[..], "primary HDU is missing"),
    ] {
        let error = FitsFile::from_bytes(Path::new("f"), bytes.to_vec()).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    assert_eq!(header(&[]).len(), 2880);
}
