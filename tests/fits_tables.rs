//! Tables: every column type, scaled and missing values, parts of large tables, damaged descriptors.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sextans::data::{FitsColumn, FitsFile, Source, Values};

use super::fits_support::{ColumnCards, bintable, data_folder, hdu, primary};

fn table(columns: &[ColumnCards<'_>], row_bytes: u64, rows: u64, body: &[u8], heap: &[u8]) -> FitsFile {
    let bytes = [primary(8, &[], &[], &[]), bintable(columns, &[], row_bytes, rows, body, heap)].concat();
    FitsFile::from_bytes(Path::new("table.fits"), bytes).unwrap()
}

fn column(file: &FitsFile, name: &str) -> FitsColumn {
    file.read_column(1, name).unwrap()
}

#[test]
fn every_column_type() {
    let row = |sign: f64, logical: u8, text: &[u8; 6]| -> Vec<u8> {
        [
            &[logical, b'F'][..],
            &[0b1010_0000, 0b1000_0000],
            &[200],
            &(-300i16 * sign as i16).to_be_bytes(),
            &(70_000i32 * sign as i32).to_be_bytes(),
            &(5_000_000_000i64 * sign as i64).to_be_bytes(),
            text,
            &(1.5f32 * sign as f32).to_be_bytes(),
            &(2.25 * sign).to_be_bytes(),
            &[1.0f32, -2.0].map(f32::to_be_bytes).concat(),
            &[3.0f64, -4.0].map(f64::to_be_bytes).concat(),
        ]
        .concat()
    };
    let body = [row(1.0, b'T', b"ab    "), row(-1.0, 0, b"cd\0xyz")].concat();
    let columns: [ColumnCards<'_>; 12] = [
        ("L", "2L", &[]),
        ("X", "11X", &[]),
        ("B", "1B", &[("TUNIT", "'ct'")]),
        ("I", "I", &[]),
        ("J", "1J", &[]),
        ("K", "1K", &[]),
        ("A", "6A", &[]),
        ("E", "1E", &[]),
        ("D", "D", &[]),
        ("C", "1C", &[]),
        ("M", "1M", &[]),
        ("ZERO", "0D", &[]),
    ];
    let file = table(&columns, body.len() as u64 / 2, 2, &body, &[]);
    let all = file.read_table(1).unwrap();
    assert_eq!((all.rows, all.columns.len()), (2, 12));
    let logical = column(&file, "l");
    assert_eq!(
        (&logical.values, &logical.missing, &logical.shape),
        (&Values::Logical(vec![true, false, false, false]), &vec![2], &vec![2])
    );
    let bits = column(&file, "X");
    assert_eq!((bits.shape.clone(), bits.cell(1)), (vec![11], 11..22));
    let Values::Logical(set) = &bits.values else { panic!() };
    assert_eq!(set.iter().take(11).enumerate().filter(|(_, b)| **b).map(|(i, _)| i).collect::<Vec<_>>(), [0, 2, 8]);
    assert_eq!(column(&file, "B").values, Values::Integer(vec![200, 200]));
    assert_eq!(column(&file, "B").unit.as_deref(), Some("ct"));
    assert_eq!(column(&file, "I").integers(), Some(&[-300, 300][..]));
    assert_eq!(column(&file, "J").integers(), Some(&[70_000, -70_000][..]));
    assert_eq!(column(&file, "K").integers(), Some(&[5_000_000_000, -5_000_000_000][..]));
    assert_eq!(column(&file, "A").texts().unwrap(), ["ab", "cd"]);
    assert_eq!(column(&file, "E").floats().unwrap(), [1.5, -1.5]);
    assert_eq!(column(&file, "D").values, Values::Float(vec![2.25, -2.25]));
    assert_eq!(column(&file, "C").values, Values::Complex(vec![[1.0, -2.0]; 2]));
    assert_eq!(column(&file, "M").values, Values::Complex(vec![[3.0, -4.0]; 2]));
    let zero = column(&file, "ZERO");
    assert_eq!((zero.rows, zero.shape.clone(), zero.values.len(), zero.cell(1)), (2, vec![0], 0, 0..0));
    for name in ["L", "A", "M", "ZERO"] {
        assert_eq!(all.column(name), Some(&column(&file, name)));
    }
    let error = file.read_column(1, "Q").unwrap_err().to_string();
    assert!(error.contains("there is no column Q; there are L, X, B"), "{error}");
}

#[test]
fn scaled_unsigned_and_missing_numbers() {
    let body: Vec<u8> = [[1i16, 3, 0], [-32768, -1, 9]]
        .iter()
        .flat_map(|row| {
            let [a, b, c] = *row;
            [
                a.to_be_bytes().to_vec(),
                b.to_be_bytes().to_vec(),
                c.to_be_bytes().to_vec(),
                i64::MIN.to_be_bytes().to_vec(),
            ]
            .concat()
        })
        .collect();
    let columns: [ColumnCards<'_>; 4] = [
        ("U", "I", &[("TZERO", "32768"), ("TNULL", "1")]),
        ("S", "I", &[("TSCAL", "0.5"), ("TZERO", "10.0"), ("TNULL", "-1")]),
        ("N", "I", &[("TNULL", "9")]),
        ("HUGE", "K", &[("TZERO", "9223372036854775808")]),
    ];
    let file = table(&columns, 14, 2, &body, &[]);
    let unsigned = column(&file, "U");
    assert_eq!((&unsigned.values, &unsigned.missing), (&Values::Integer(vec![0, 0]), &vec![0]));
    assert!(unsigned.floats().unwrap()[0].is_nan());
    let scaled = column(&file, "S").floats().unwrap();
    assert!(scaled[0] == 11.5 && scaled[1].is_nan());
    assert_eq!(column(&file, "N").missing, [1]);
    assert_eq!(column(&file, "HUGE").values, Values::Unsigned(vec![0, 0]));
}

fn descriptors(pairs: &[(u32, u32)]) -> Vec<u8> {
    pairs.iter().flat_map(|&(count, offset)| [count.to_be_bytes(), offset.to_be_bytes()].concat()).collect()
}

#[test]
fn variable_lengths_and_shapes() {
    let heap: Vec<u8> = [1.0f32, 2.0, 3.0].map(f32::to_be_bytes).concat();
    let file = table(&[("V", "1PE(3)", &[])], 8, 3, &descriptors(&[(2, 0), (0, 0), (1, 8)]), &heap);
    let found = column(&file, "V");
    assert_eq!((&found.values, found.ends.clone()), (&Values::Float(vec![1.0, 2.0, 3.0]), Some(vec![2, 2, 3])));
    assert_eq!([found.cell(0), found.cell(1), found.cell(2), found.cell(3)], [0..2, 2..2, 2..3, 0..0]);
    let middle = file.read_column_rows(1, "V", 1..3).unwrap();
    assert_eq!((middle.rows, middle.values, middle.ends), (2, Values::Float(vec![3.0]), Some(vec![0, 1])));
    // 2 x 3 numbers, and two strings of 3 characters.
    let body = [(0..6i16).flat_map(i16::to_be_bytes).collect::<Vec<_>>(), b"ab cde".to_vec()].concat();
    let file = table(&[("T", "6I", &[("TDIM", "'(3,2)'")]), ("S", "6A", &[("TDIM", "'(3,2)'")])], 18, 1, &body, &[]);
    assert_eq!(column(&file, "T").shape, [2, 3]);
    assert_eq!(
        (column(&file, "S").shape, column(&file, "S").texts().unwrap().to_vec()),
        (vec![2], vec!["ab".to_owned(), "cde".into()])
    );
}

#[test]
fn damaged_descriptors_are_refused_before_memory_is_taken() {
    for (pairs, words) in [
        (vec![(3u32, 4u32)], "lies outside the table's heap"),
        (vec![(u32::MAX, 0)], "ask for 17179869180 bytes"),
        (vec![(u32::MAX, u32::MAX); 100], "ask for"),
    ] {
        let rows = pairs.len() as u64;
        let file = table(&[("V", "1PE(3)", &[])], 8, rows, &descriptors(&pairs), &[0; 12]);
        let error = file.read_column(1, "V").unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    // A row without bytes may be repeated as often as the header likes.
    let file = table(&[("Z", "0D", &[]), ("P", "0PD", &[])], 0, 1 << 50, &[], &[]);
    assert_eq!(file.read_table(1).unwrap().rows, 1 << 50);
    let file = table(&[("Z", "3D", &[])], 8, 1, &[0; 8], &[]);
    assert!(file.read_table(1).unwrap_err().to_string().contains("ends behind its row of 8 bytes"));
}

/// Counts what is read.
struct Counted(Vec<u8>, Arc<AtomicU64>);

impl Source for Counted {
    fn length(&self) -> u64 {
        self.0.length()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.1.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.0.read_at(offset, buffer)
    }
}

#[test]
fn a_million_rows_open_by_their_header_and_rows_are_read_alone() {
    let rows = 1_000_000u64;
    let body: Vec<u8> =
        (0..rows as i32).flat_map(|i| [i.to_be_bytes(), (i as f32 * 0.5).to_be_bytes()].concat()).collect();
    let cards = [
        "PCOUNT  = 0",
        "GCOUNT  = 1",
        "TFIELDS = 2",
        "TTYPE1  = 'ID'",
        "TFORM1  = 'J'",
        "TTYPE2  = 'MAG'",
        "TFORM2  = 'E'",
    ];
    let bytes = [primary(8, &[], &[], &[]), hdu("XTENSION= 'BINTABLE'", 8, &[8, rows], &cards, &body)].concat();
    let read = Arc::new(AtomicU64::new(0));
    let file = FitsFile::from_source(Path::new("big.fits"), Box::new(Counted(bytes, read.clone()))).unwrap();
    assert!(read.load(Ordering::Relaxed) < 20_000);
    read.store(0, Ordering::Relaxed);
    let page = file.read_columns(1, &[0, 1], 500_000..500_050).unwrap();
    assert_eq!(page.columns[0].integers().unwrap()[49], 500_049);
    assert_eq!(read.load(Ordering::Relaxed), 400);
    let magnitudes = column(&file, "MAG").floats().unwrap();
    assert_eq!((magnitudes.len(), magnitudes[999_999]), (1_000_000, 499_999.5));
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| file.read_table(1).unwrap())
    };
    assert_eq!(on(1), on(4));
}

#[test]
fn real_tables_equal_astropy() {
    let Some(data) = data_folder("real_tables_equal_astropy") else { return };
    let open = |name: &str| FitsFile::open(&data.join("fits-corpus").join(name)).unwrap();
    let near = |found: &[f64], golden: &[f64]| {
        assert_eq!(found.len(), golden.len());
        assert!(
            found.iter().zip(golden).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs() || (a.is_nan() && b.is_nan())),
            "{found:?}"
        );
    };
    let tb = open("tb.fits");
    assert_eq!(column(&tb, "c1").integers(), Some(&[1, 2][..]));
    assert_eq!(column(&tb, "c2").texts().unwrap(), ["abc", "xy"]);
    near(&column(&tb, "c3").floats().unwrap(), &[3.700_000_07, 6.699_999_71]); // TSCAL 3, TZERO 0.4
    assert_eq!(column(&tb, "c4").values, Values::Logical(vec![false, true]));
    let tdim = column(&open("tdim.fits"), "V_mag");
    assert_eq!(tdim.shape, [1, 1]);
    near(&tdim.floats().unwrap(), &[11.1, 12.3, 15.2]);
    let ascii = open("ascii.fits");
    near(&column(&ascii, "a").floats().unwrap(), &[10.123, 5.2, 15.61, f64::NAN, 345.0]);
    // astropy gives 0 for the field `*`, which TNULL2 says is missing.
    near(&column(&ascii, "b").floats().unwrap(), &[37.0, 23.0, 17.0, f64::NAN, 345.0]);
    let wide = column(&open("ascii_i4-i20.fits"), "col3");
    assert_eq!(wide.integers(), Some(&[65_536, i64::MAX, i64::MIN, 40, i64::MAX][..]));
    let vla = column(&open("variable_length_table.fits"), "var");
    assert_eq!((vla.integers(), vla.ends.clone()), (Some(&[45, 56, 11, 12, 13][..]), Some(vec![2, 5])));
    let gap = column(&open("theap-gap.fits"), "arr");
    let values = gap.integers().unwrap();
    assert_eq!((values.len(), values.iter().sum::<i64>()), (1246, 1660));
    let flags = column(&open("logical_null.fits"), "flag");
    assert_eq!((&flags.values, &flags.missing), (&Values::Logical(vec![true, false, false]), &vec![1]));
    let flags = column(&open("vla_logical_null.fits"), "flag");
    assert_eq!(
        (&flags.values, flags.ends.clone()),
        (&Values::Logical(vec![true, false, true, false, true]), Some(vec![3, 5]))
    );
    let antennas = open("zerowidth.fits");
    let all = antennas.read_table(2).unwrap();
    assert_eq!((all.rows, all.column("ANNAME").unwrap().texts().unwrap()[1].as_str()), (29, "VLA:_N16"));
    assert_eq!(all.column("ORBPARM").unwrap().values.len(), 0);
    near(&all.column("STABXYZ").unwrap().floats().unwrap()[..3], &[499.855_666_63, -1_317.992_315_54, -735.188_661_64]);
    let visibilities = antennas.read_table(5).unwrap();
    near(&visibilities.column("DATE").unwrap().floats().unwrap()[..1], &[2_450_868.649_826_39]);
    assert_eq!(visibilities.column("VISIBILITIES").unwrap().shape, [1, 1, 1, 1, 1, 2]);
    assert_eq!(visibilities.column("VISIBILITIES").unwrap().integers().unwrap()[..2], [-32760, -26220]);
    let stars = open("stddata.fits").read_table(2).unwrap();
    assert_eq!((stars.rows, stars.column("RERUN").unwrap().texts().unwrap()[0].as_str()), (5, "301"));
    near(&stars.column("RA").unwrap().floats().unwrap()[..2], &[123.188_616_27, 123.845_961_85]);
    let telemetry = open("memtest.fits").read_table(1).unwrap();
    assert_eq!(telemetry.column("QUALITY").unwrap().shape, [69]);
    assert_eq!(telemetry.column("CULACC").unwrap().values, Values::Integer(vec![5017]));
}

/// fitsy reads the same values where it reads at all.
#[test]
fn real_tables_equal_fitsy() {
    let Some(data) = data_folder("real_tables_equal_fitsy") else { return };
    let mut compared = 0;
    for name in ["tb", "table", "btable", "variable_length_table", "theap-gap", "stddata", "chandra_time", "checksum"] {
        let path = data.join(format!("fits-corpus/{name}.fits"));
        let ours = FitsFile::open(&path).unwrap();
        let theirs = fitsy::FitsFile::open_with(&path, true).unwrap();
        for (index, unit) in ours.hdus().iter().enumerate().filter(|(_, unit)| unit.kind_name() == "binary_table") {
            let fitsy::Hdu::BinTable(other) = theirs.hdu(index).unwrap() else { panic!("{name}: {}", unit.describe()) };
            let table = ours.read_table(index).unwrap();
            for (column, theirs) in table.columns.iter().zip(other.columns()) {
                for row in 0..table.rows.min(20) {
                    let value = match other.cell_value(row, theirs).unwrap() {
                        fitsy::BinValue::Vla(inner) => *inner,
                        value => value,
                    };
                    let raw: Option<Vec<f64>> = match value {
                        fitsy::BinValue::Int(v) => Some(v.iter().map(|x| x.map_or(f64::NAN, |n| n as f64)).collect()),
                        fitsy::BinValue::Float(v) | fitsy::BinValue::F64(v) => Some(v),
                        fitsy::BinValue::F32(v) => Some(v.iter().map(|&x| f64::from(x)).collect()),
                        _ => None,
                    };
                    let scaled = unit.header.get(&format!("TSCAL{}", theirs.index)).is_some();
                    if let Some(raw) = raw.filter(|_| !scaled) {
                        let found = column.floats().unwrap()[column.cell(row)].to_vec();
                        assert_eq!(found, raw, "{name} {} row {row}", column.name);
                        compared += raw.len();
                    }
                }
            }
        }
    }
    assert!(compared > 500, "{compared}");
}
