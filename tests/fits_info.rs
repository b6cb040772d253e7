//! `sextans info`: what it says of a file, and of a pixel with its world coordinates.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sextans::data::{FitsFile, info};

use crate::fits_support::{data_folder, extension, floats, primary};

/// A cube of 4 x 3 x 2 on the sky with a wavelength axis in Angstrom.
fn cube() -> Vec<u8> {
    let cards = [
        "CTYPE1  = 'RA---TAN'",
        "CTYPE2  = 'DEC--TAN'",
        "CTYPE3  = 'AWAV    '",
        "CUNIT3  = 'Angstrom'",
        "CRPIX1  =                  2.0",
        "CRPIX2  =                  1.0",
        "CRPIX3  =                  1.0",
        "CRVAL1  =  146.736166666666667",
        "CRVAL2  =  10.1146666666666666",
        "CRVAL3  =               4750.0",
        "CD1_1   =          -0.00005556",
        "CD2_2   =           0.00005556",
        "CD3_3   =                 1.25",
        "SPECSYS = 'BARYCENT'",
        "RADESYS = 'FK5     '",
        "EQUINOX =               2000.0",
        "BUNIT   = 'Jy'",
    ];
    primary(-32, &[4, 3, 2], &cards, &floats((0..24).map(|i| i as f32)))
}

#[test]
fn a_pixel_has_its_world_coordinates() {
    let file = FitsFile::from_bytes(Path::new("a.fits"), cube()).unwrap();
    let described = info::describe_file(&file, None, Some(&[2, 1, 2])).unwrap();
    let json = serde_json::to_value(&described).unwrap();
    let hdu = &json["hdus"][0];
    for key in ["index", "name", "kind", "shape", "bitpix", "bunit", "min", "max", "mean", "finite", "nan", "warnings"]
    {
        assert!(!hdu[key].is_null(), "{key} {hdu}");
    }
    let pixel = &json["pixel"];
    assert_eq!(pixel["value"], 13.0);
    let names: Vec<&str> = pixel["world"].as_array().unwrap().iter().map(|w| w["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["RA", "DEC", "AWAV"]);
    let number = |axis: usize, key: &str| pixel["world"][axis][key].as_f64().unwrap();
    assert!((number(0, "value") - 146.736_166_666_666_67).abs() < 1e-11);
    assert!((number(1, "value") - 10.114_666_666_666_667).abs() < 1e-11);
    assert_eq!((number(2, "value"), pixel["world"][2]["unit"].as_str()), (4751.25, Some("Angstrom")));
    assert!((number(2, "value_si") / 4.751_25e-7 - 1.0).abs() < 1e-14);
    assert_eq!((pixel["world"][2]["unit_si"].as_str(), pixel["world"][0]["unit"].as_str()), (Some("m"), Some("deg")));
    assert_eq!(pixel["spectral_frame"], "BARYCENT");
    let text = described.to_text();
    for part in [
        "right ascension: 09:46:56.680 (146.7361667 deg)",
        "declination: +10:06:52.80 (10.1146667 deg)",
        "wavelength in air: 4751.25 Angstrom (4.751250000e-7 m)",
        "sky frame: FK5 J2000",
        "axes: right ascension [deg, FK5 J2000]; declination [deg]; wavelength in air [Angstrom, BARYCENT]",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn bad_world_coordinates_are_told_and_hide_nothing() {
    let cards = ["CTYPE1  = 'RA---XXX'", "CTYPE2  = 'DEC--XXX'", "OBJECT  = 'A'", "OBJECT  = 'B'"];
    let bytes = primary(-32, &[2, 2], &cards, &floats([1.0, 2.0, 3.0, 4.0]));
    let file = FitsFile::from_bytes(Path::new("a.fits"), bytes).unwrap();
    let described = info::describe_file(&file, None, Some(&[2, 2])).unwrap();
    assert_eq!(described.pixel.as_ref().unwrap().value, Some(4.0));
    assert!(described.pixel.as_ref().unwrap().world.is_empty());
    let warnings = described.hdus[0].warnings.join("\n");
    assert!(warnings.contains("the world coordinates cannot be used") && warnings.contains("OBJECT"), "{warnings}");
}

#[test]
fn extensions_inherit_from_an_empty_primary() {
    let bytes = [
        primary(8, &[], &["EXTEND  = T", "EQUINOX =               1950.0", "INSTRUME= 'MUSE'"], &[]),
        extension(
            "SCI",
            -32,
            &[1, 1],
            &["INHERIT = T", "CTYPE1  = 'RA---TAN'", "CTYPE2  = 'DEC--TAN'", "CDELT1  = -0.1", "CDELT2  = 0.1"],
            &floats([5.0]),
        ),
    ]
    .concat();
    let file = FitsFile::from_bytes(Path::new("a.fits"), bytes).unwrap();
    assert_eq!(file.hdus()[1].header.get_str("INSTRUME"), Some("MUSE"));
    let pixel = info::describe_file(&file, None, Some(&[1, 1])).unwrap().pixel.unwrap();
    assert_eq!(pixel.sky_frame.as_deref(), Some("FK4 B1950"));
}

#[test]
fn the_command_line_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cube.fits");
    std::fs::write(&path, cube()).unwrap();
    let run = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_sextans")).arg("info").arg(&path).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let json: Value = serde_json::from_str(&run(&["--json", "--pixel", "2,1,2"])).unwrap();
    assert_eq!(json["pixel"]["world"][2]["value"], 4751.25);
    assert!(run(&["--pixel", "2,1,2"]).contains("right ascension: 09:46:56.680"));
}

#[test]
fn a_real_muse_cube_has_wavelengths() {
    let Some(folder) = data_folder("a_real_muse_cube_has_wavelengths") else { return };
    let file = FitsFile::open(&folder.join("lines/muse-abell478.fits")).unwrap();
    let pixel = info::describe_file(&file, None, Some(&[1, 1, 1])).unwrap().pixel.unwrap();
    assert_eq!(pixel.world.len(), 3, "{pixel:?}");
    let si = pixel.world[2].value_si.unwrap();
    assert!((6.9e-7..7.1e-7).contains(&si), "{pixel:?}");
    assert!(pixel.world[0].sexagesimal.as_deref().unwrap().starts_with("04:13:"), "{pixel:?}");
}
