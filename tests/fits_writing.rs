//! What we write reads back equal, by our own reader and by CFITSIO, and is the same bytes every time.

use ndarray::{Array, ArrayD, s};
use sextans::data::{Keyword, Location, Plane, Value, arcsec_grid, info, read_planes, write_planes};

fn pixels(shape: &[usize]) -> ArrayD<f32> {
    let n: usize = shape.iter().product();
    let mut pixels =
        Array::from_iter((0..n).map(|i| (i as f32).sqrt() - 1.5)).into_shape_with_order(shape).expect("the count fits");
    if n > 3 {
        for (i, odd) in [f32::NAN, f32::INFINITY, f32::MIN_POSITIVE / 2.0].into_iter().enumerate() {
            *pixels.iter_mut().nth(i).expect("there are more than three") = odd;
        }
    }
    pixels
}

fn same(a: &ArrayD<f32>, b: &ArrayD<f32>) -> bool {
    a.shape() == b.shape() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
}

#[test]
fn planes_read_back_equal_and_files_are_byte_equal() {
    let folder = tempfile::tempdir().unwrap();
    // 720 pixels fill a block exactly; 200 x 200 take several writes.
    for shape in [vec![1], vec![720], vec![2, 360], vec![200, 200], vec![3, 4, 5], vec![2, 1, 3, 2]] {
        let first = pixels(&shape);
        let second = pixels(&[7, 3]);
        let planes = || {
            vec![
                Plane {
                    name: "SOURCE",
                    pixels: first.view(),
                    unit: "10**(-20)*erg/s/cm**2/Angstrom",
                    keywords: arcsec_grid(3, 4, 0.05),
                },
                Plane {
                    name: "convergence map",
                    // A view that is not contiguous.
                    pixels: second.slice(s![..;2, ..]).into_dyn(),
                    unit: "",
                    keywords: vec![Keyword::new("EINSTEIN_RADIUS", 0.1 + 0.2, "arcsec"), Keyword::new("STEPS", 12, "")],
                },
            ]
        };
        let history = vec![format!("{{\"request\": \"{}\"}}", "long ".repeat(60)), "second".to_owned()];
        let (a, b) = (folder.path().join("a.fits"), folder.path().join("b.fits"));
        write_planes(&a, &planes(), &history).unwrap();
        write_planes(&b, &planes(), &history).unwrap();
        let bytes = std::fs::read(&a).unwrap();
        assert_eq!(bytes, std::fs::read(&b).unwrap());
        assert_eq!(bytes.len() % 2880, 0);
        let back = read_planes(&a).unwrap();
        assert_eq!(back.len(), 2);
        assert!(same(&back[0].pixels, &first));
        assert!(same(&back[1].pixels, &second.slice(s![..;2, ..]).to_owned().into_dyn()));
        assert_eq!((back[0].name.as_str(), back[0].unit.as_str()), ("SOURCE", "10**(-20)*erg/s/cm**2/Angstrom"));
        assert_eq!(back[0].pixel_scale_arcsec, Some(0.05));
        assert_eq!(back[1].name, "convergence map");
        let keyword = back[1].keywords.iter().find(|k| k.name == "EINSTEIN_RADIUS").unwrap();
        assert_eq!(keyword.value, Value::Float(0.1 + 0.2));
        let file = sextans::data::FitsFile::open(&a).unwrap();
        assert!(file.warnings().is_empty() && file.hdus().iter().all(|hdu| hdu.warnings.is_empty()));
        let lines: Vec<&str> = file.hdus()[0].header.commentary("HISTORY").collect();
        assert_eq!(lines[..lines.len() - 1].concat(), history[0]);
    }
}

#[test]
fn cfitsio_reads_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("planes.fits");
    let cube = pixels(&[3, 40, 50]);
    let long = "a long value, ".repeat(12);
    let planes = [
        Plane {
            name: "CUBE",
            pixels: cube.view(),
            unit: "Jy",
            keywords: vec![Keyword::new("LONGTEXT", long.as_str(), "")],
        },
        Plane {
            name: "FLAT",
            pixels: cube.slice(s![1, .., ..]).into_dyn(),
            unit: "",
            keywords: arcsec_grid(40, 50, 0.1 + 0.2),
        },
    ];
    write_planes(&path, &planes, &["made by a test".to_owned()]).unwrap();
    let mut file = fitsio::FitsFile::open(&path).unwrap();
    let hdu = file.hdu("CUBE").unwrap();
    let read: Vec<f32> = hdu.read_image(&mut file).unwrap();
    assert!(read.iter().zip(&cube).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())));
    assert_eq!(read.len(), cube.len());
    assert_eq!(hdu.read_key::<String>(&mut file, "BUNIT").unwrap(), "Jy");
    let hdu = file.hdu("FLAT").unwrap();
    let read: Vec<f32> = hdu.read_image(&mut file).unwrap();
    assert_eq!(read.len(), 2000);
    assert_eq!(read[7].to_bits(), cube[[1, 0, 7]].to_bits());
    assert_eq!(hdu.read_key::<f64>(&mut file, "CDELT2").unwrap(), 0.1 + 0.2);
    assert_eq!(hdu.read_key::<String>(&mut file, "CUNIT1").unwrap(), "arcsec");
    assert_eq!(hdu.read_key::<f64>(&mut file, "CRPIX1").unwrap(), 25.5);
}

#[test]
fn our_reader_agrees_with_cfitsio_on_its_files() {
    use fitsio::images::{ImageDescription, ImageType};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cfitsio.fits");
    let description = ImageDescription { data_type: ImageType::UnsignedShort, dimensions: &[3, 4] };
    let mut file = fitsio::FitsFile::create(&path).with_custom_primary(&description).open().unwrap();
    let hdu = file.primary_hdu().unwrap();
    let values: Vec<u16> = (0..12).map(|i| i * 5461).collect();
    hdu.write_image(&mut file, &values).unwrap();
    hdu.write_key(&mut file, "EXPTIME", 1234.5678f64).unwrap();
    drop(file);
    let ours = sextans::data::FitsFile::open(&path).unwrap();
    let read: Vec<f64> = ours.read_array::<f64>(0).unwrap().into_iter().collect();
    assert_eq!(read, values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
    assert_eq!(ours.hdus()[0].header.get_f64("EXPTIME"), Some(1234.5678));
    assert!(ours.hdus()[0].warnings.is_empty(), "{:?}", ours.hdus()[0].warnings);
}

#[test]
fn names_with_brackets_and_spaces_are_only_names() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a[1](x).fits", "b[SCI]", "!c d.fits", "é+2.fits"] {
        let path = folder.path().join(name);
        let flat = pixels(&[2, 3]);
        let plane = Plane { name: "SCI", pixels: flat.view(), unit: "", keywords: Vec::new() };
        write_planes(&path, std::slice::from_ref(&plane), &[]).unwrap();
        write_planes(&path, &[plane], &[]).unwrap();
        let location = Location::parse(&path.to_string_lossy());
        assert_eq!((&location.path, &location.hdu), (&path, &None));
        assert!(same(&read_planes(&location.path).unwrap()[0].pixels, &flat));
        let location = Location::parse(&format!("{}[SCI]", path.display()));
        assert_eq!(location.path, path);
        assert_eq!(info::describe(&location, None).unwrap().hdus.len(), 1);
    }
    // Nothing but the files themselves is left behind.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn what_cannot_be_written_is_said_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let flat = pixels(&[2, 3]);
    let empty = ArrayD::<f32>::zeros(vec![0, 3]);
    let plane = |pixels, keywords| Plane { name: "SCI", pixels, unit: "", keywords };
    let path = folder.path().join("a.fits");
    for planes in [
        vec![],
        vec![plane(empty.view(), vec![])],
        vec![plane(flat.view(), vec![Keyword::new("NAXIS1", 7, "")])],
        vec![plane(flat.view(), vec![Keyword::new("", 7, "")])],
    ] {
        let error = write_planes(&path, &planes, &[]).unwrap_err().to_string();
        assert!(error.contains("a.fits: cannot write"), "{error}");
    }
    let missing = folder.path().join("none/a.fits");
    let error = write_planes(&missing, &[plane(flat.view(), vec![])], &[]).unwrap_err().to_string();
    assert!(error.contains("no such file"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn info_describes_for_machines_and_people() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cube.fits");
    let cube =
        Array::from_shape_fn((4, 3, 5), |(z, y, x)| if z == 3 { f32::NAN } else { (z * 100 + y * 10 + x) as f32 });
    let plane = Plane { name: "SCI", pixels: cube.view().into_dyn(), unit: "Jy", keywords: Vec::new() };
    write_planes(&path, &[plane], &[]).unwrap();
    let location = Location::parse(&path.to_string_lossy());
    let described = info::describe(&location, Some(&[4, 2, 3])).unwrap();
    let json = serde_json::to_value(&described).unwrap();
    let hdu = &json["hdus"][0];
    let expected = serde_json::json!({
        "index": 0, "name": "SCI", "kind": "image", "shape": [4, 3, 5], "bitpix": -32, "bunit": "Jy",
        "min": 0.0, "max": 224.0, "mean": 112.0, "finite": 45, "nan": 15, "warnings": [],
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&hdu[key], value, "{key}");
    }
    assert_eq!(json["pixel"]["value"], 213.0);
    assert_eq!(json["pixel"]["world"], serde_json::json!([]));
    assert_eq!(info::describe(&location, Some(&[1, 1, 4])).unwrap().pixel.unwrap().value, None);
    for outside in [&[0, 1, 1][..], &[6, 1, 1], &[1, 1], &[1, 1, 1, 1]] {
        assert!(info::describe(&location, Some(outside)).unwrap_err().to_string().contains("1-based"));
    }
    let text = described.to_text();
    assert!(text.contains("image 5 x 3 x 4, BITPIX -32, in Jy; min 0, max 224, mean 112, 15 without value"), "{text}");
}
