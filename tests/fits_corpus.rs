//! Real files. Golden numbers by astropy 8.0.2 with numpy in float64.

use std::path::{Path, PathBuf};

use sextans::data::{FitsFile, HduSelector, Location, Sidecar, info, pixel_scale_arcsec, statistics::Statistics};

use super::fits_support::data_folder;

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            files.extend(files_in(&path));
        } else if path.to_string_lossy().contains(".fits") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn every_odd_file_opens_or_is_refused_in_words() {
    let Some(data) = data_folder("every_odd_file_opens_or_is_refused_in_words") else { return };
    let files = files_in(&data.join("fits-corpus"));
    assert!(files.len() >= 30);
    let mut refused = Vec::new();
    for path in &files {
        match FitsFile::open(path) {
            Ok(file) => {
                for hdu in file.hdus() {
                    assert_ne!(hdu.kind_name(), "damaged", "{} HDU {}: {:?}", path.display(), hdu.index, hdu.warnings);
                    let pixels = file.read_array::<f32>(hdu.index);
                    assert_eq!(pixels.is_ok(), hdu.image().is_some(), "{} HDU {}", path.display(), hdu.index);
                }
                assert!(!info::describe_file(&file, None, None).unwrap().to_text().is_empty());
            }
            Err(error) => refused.push(error.to_string()),
        }
    }
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].contains("lzw.fits.Z") && refused[0].contains("compress (.Z)"), "{refused:?}");
}

#[test]
fn statistics_equal_those_of_astropy() {
    let Some(data) = data_folder("statistics_equal_those_of_astropy") else { return };
    // file, HDU, finite, NaN, min, max, mean
    let golden: &[(&str, &str, u64, u64, f64, f64, f64)] = &[
        ("fits-corpus/scale.fits", "0", 420, 0, 491.882080078125, 2726.615234375, 531.4351558140346),
        ("fits-corpus/m13.fits", "0", 90000, 0, 109.0, 3618.0, 147.7044111111111),
        ("fits-corpus/o4sp040b0_raw.fits", "1", 2728, 0, 1487.0, 1515.0, 1508.465909090909),
        ("fits-corpus/arange.fits", "0", 770, 0, 0.0, 769.0, 384.4883116883117),
        ("fits-corpus/fixed-1890.fits", "0", 10000, 0, 1890.0, 1890.0, 1890.0),
        ("fits-corpus/test0.fits", "SCI,2", 1600, 0, 346.0, 598.0, 348.70375),
        ("lens/slacs-j0946/data.fits", "0", 78961, 0, -0.025942780077457428, 5.418087959289551, 0.040993850255853455),
        (
            "lens/cosmos-web-ring-f277w/noise_map.fits",
            "0",
            43681,
            0,
            0.019999999552965164,
            0.06430800259113312,
            0.02001549769152424,
        ),
        ("lines/muse-abell478.fits", "DATA", 512000, 0, -32.52814483642578, 490.39813232421875, 32.394082577621454),
        ("lines/muse-abell478.fits", "STAT", 512000, 0, 18.9704647064209, 360.27099609375, 61.15010357392207),
        ("lines/sitelle-m57.fits", "0", 593, 0, -9.470514910211497e-18, 4.54852589859721e-17, 6.638244356048345e-19),
        ("ramps/iccz11q4q_ima.fits", "SCI,2", 70756, 0, -6491.90234375, 10621.2939453125, -42.49247298483462),
        ("ramps/iccz11q4q_ima.fits", "DQ,1", 70756, 0, 0.0, 2364.0, 6.379897111199051),
        ("structures/tng100-kappa-0.fits", "0", 16384, 0, 0.06034303084015846, 18.004474639892578, 0.22018466086228727),
    ];
    for &(file, hdu, finite, nan, min, max, mean) in golden {
        let file = FitsFile::open(&data.join(file)).unwrap();
        let hdu = file.find(Some(&hdu.parse::<HduSelector>().unwrap())).unwrap();
        let found = Statistics::of_hdu(&file, hdu).unwrap();
        let name = file.path().display();
        assert_eq!((found.finite, found.nan, found.infinite), (finite, nan, 0), "{name}");
        // astropy scales 16-bit integers in float32, hence the tolerance.
        let near = |found: Option<f64>, golden: f64| {
            let found = found.unwrap();
            assert!((found - golden).abs() <= 2e-7 * golden.abs().max(max.abs()), "{name}: {found} {golden}");
        };
        near(found.min, min);
        near(found.max, max);
        near(found.mean, mean);
    }
}

#[test]
fn parts_of_a_real_cube_are_the_same_as_the_whole() {
    let Some(data) = data_folder("parts_of_a_real_cube_are_the_same_as_the_whole") else { return };
    let file = FitsFile::open(&data.join("lines/muse-abell478.fits")).unwrap();
    let hdu = file.find(None).unwrap();
    assert_eq!(file.hdu(hdu).unwrap().name, "DATA");
    let whole = file.read_array::<f32>(hdu).unwrap();
    assert_eq!(whole.shape(), [320, 40, 40]);
    assert_eq!((whole[[100, 20, 11]], whole[[319, 39, 0]]), (218.411_06, 4.428_2));
    let same = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
    for (y, x) in [(0, 0), (20, 11), (39, 39)] {
        let spectrum = file.read_spectrum::<f32>(hdu, y, x).unwrap();
        assert!(same(&spectrum.to_vec(), &whole.slice(ndarray::s![.., y, x]).to_vec()));
    }
    let plane = file.read_plane::<f32>(hdu, 100).unwrap();
    assert!(same(plane.as_slice().unwrap(), whole.slice(ndarray::s![100, .., ..]).as_slice().unwrap()));
}

#[test]
fn pixel_scales_of_real_images() {
    let Some(data) = data_folder("pixel_scales_of_real_images") else { return };
    let scale = |name: &str| {
        let location = Location::parse(&data.join(name).to_string_lossy());
        let file = FitsFile::open(&location.path).unwrap();
        pixel_scale_arcsec(&file.hdu(file.find(location.hdu.as_ref()).unwrap()).unwrap().header)
    };
    let near = |name: &str, expected: f64, tolerance: f64| {
        let found = scale(name).unwrap();
        assert!((found - expected).abs() < tolerance, "{name}: {found}");
    };
    near("lines/muse-abell478.fits[DATA]", 0.2, 1e-6);
    near("ramps/iccz11q4q_ima.fits[SCI,1]", 0.128, 0.002); // WFC3/IR, WFC3 Instrument Handbook: 0.135 x 0.121
    near("structures/tng100-kappa-0.fits", 0.06, 1e-6); // 7.68 arcsec over 128 pixels
    near("lens/slacs-j0946/mask_extra_galaxies.fits", 0.05, 1e-9);
    assert_eq!(scale("lens/slacs-j0946/data.fits"), None);
    assert_eq!(scale("lines/sitelle-m57.fits"), None);
    // Its info.json holds NaN, which is no JSON.
    let sidecar = Sidecar::beside(&data.join("lens/slacs-j0946/data.fits")).unwrap();
    assert_eq!(sidecar.pixel_scale_arcsec, Some(0.05));
    assert_eq!((sidecar.redshift_lens, sidecar.redshift_source), (Some(0.222), Some(0.609)));
}
