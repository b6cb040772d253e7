//! What files mean: spectra, what belongs together, HEALPix maps, X-ray responses, ramps.

use std::path::Path;

use sextans::data::healpix::{HealpixMap, Ordering};
use sextans::data::ogip::{Arf, Pha, Rmf};
use sextans::data::ramp::{RampForm, ramp_form, read_ramp};
use sextans::data::spectra::{AxisKind, Spectrum, find_spectra, read_spectrum};
use sextans::data::{ErrorKind, FitsFile, Triplet, Unit, constant_image, triplets};

use super::fits_support::{ColumnCards, bintable, data_folder, extension, floats, primary, shorts};

fn near(found: f64, golden: f64, tolerance: f64) {
    assert!((found - golden).abs() <= tolerance * golden.abs(), "{found} {golden}");
}

fn memory(hdus: &[Vec<u8>]) -> FitsFile {
    FitsFile::from_bytes(Path::new("memory.fits"), hdus.concat()).unwrap()
}

fn only(file: &FitsFile) -> Spectrum {
    let places = find_spectra(file);
    assert_eq!((places.len(), places[0].count), (1, 1), "{places:?}");
    read_spectrum(file, &places[0], 0).unwrap()
}

#[test]
fn spectra_of_sitelle() {
    let Some(data) = data_folder("spectra_of_sitelle") else { return };
    let file = FitsFile::open(&data.join("lines/sitelle-m57.fits")).unwrap();
    let spectrum = only(&file);
    assert_eq!((spectrum.axis.kind, spectrum.axis.unit.as_deref()), (AxisKind::Wavenumber, Some("cm-1")));
    near(spectrum.axis.values[0], 14_393.458_473_799_988, 1e-15);
    near(spectrum.axis.values[592], 14_393.458_473_799_988 + 592.0 * 3.034_034_248_272_291_7, 1e-14);
    assert_eq!(spectrum.error.unwrap().len(), 593);
    // A cube is no spectrum.
    assert!(find_spectra(&FitsFile::open(&data.join("lines/muse-abell478.fits")).unwrap()).is_empty());
}

#[test]
fn linear_and_logarithmic_images() {
    let cards = [
        "CRVAL1  = 3.5",
        "CD1_1   = 0.0001",
        "CRPIX1  = 2",
        "DC-FLAG = 1",
        "BUNIT   = 'erg/s/cm2/A'",
        "AIRORVAC= 'air'",
    ];
    let spectrum = only(&memory(&[primary(-32, &[4], &cards, &floats([1.0, f32::NAN, 3.0, 4.0]))]));
    near(spectrum.axis.values[1], 10f64.powf(3.5), 1e-15);
    near(spectrum.axis.values[3], 10f64.powf(3.5002), 1e-15);
    assert_eq!((spectrum.axis.kind, spectrum.unit.as_deref()), (AxisKind::AirWavelength, Some("erg/s/cm2/A")));
    assert!(spectrum.flux[1].is_nan());
    // FITS 4.0 section 8.4: WAVE-LOG is CRVAL exp(CDELT (p - CRPIX) / CRVAL).
    let cards = ["CTYPE1  = 'AWAV-LOG'", "CUNIT1  = 'Angstrom'", "CRVAL1  = 5000.0", "CDELT1  = 2.0", "CRPIX1  = 1"];
    let spectrum = only(&memory(&[primary(-32, &[1000, 1], &cards[..], &floats((0..1000).map(|i| i as f32)))]));
    assert_eq!(spectrum.axis.kind, AxisKind::AirWavelength);
    near(spectrum.axis.values[999], 5000.0 * (999.0 * 2.0 / 5000.0f64).exp(), 1e-14);
    let cards = ["CUNIT1  = 'km/s'", "CTYPE1  = 'VRAD'", "CRVAL1  = 1.0", "CDELT1  = -2.0"];
    let spectrum = only(&memory(&[primary(-32, &[3], &cards, &floats([0.0; 3]))]));
    assert_eq!((spectrum.axis.values, spectrum.axis.kind), (vec![1.0, -1.0, -3.0], AxisKind::Velocity));
    let spectrum = only(&memory(&[primary(-32, &[3], &[], &floats([0.0; 3]))]));
    assert_eq!((spectrum.axis.values, spectrum.axis.kind), (vec![0.0, 1.0, 2.0], AxisKind::Pixel));
}

#[test]
fn desi_keeps_wavelengths_in_an_image() {
    let file = memory(&[
        primary(8, &[], &[], &[]),
        extension("B_WAVELENGTH", -32, &[3], &["BUNIT   = 'Angstrom'"], &floats([3600.0, 3600.8, 3601.6])),
        extension(
            "B_FLUX",
            -32,
            &[3, 2],
            &["BUNIT   = '10**-17 erg/(s cm2 Angstrom)'"],
            &floats((0..6).map(|i| i as f32)),
        ),
        extension("B_IVAR", -32, &[3, 2], &[], &floats([4.0, 0.0, 1.0, 16.0, 25.0, 0.0])),
        extension("B_MASK", 32, &[3, 2], &[], &[0, 2, 0, 0, 0, 1].map(i32::to_be_bytes).concat()),
        extension("R_WAVELENGTH", -32, &[2], &["BUNIT   = 'Angstrom'"], &floats([6000.0, 6001.0])),
        extension("R_FLUX", -32, &[2, 2], &[], &floats([7.0; 4])),
    ]);
    let places = find_spectra(&file);
    assert_eq!(places.iter().map(|p| (p.hdu, p.count)).collect::<Vec<_>>(), [(2, 2), (6, 2)]);
    let second = read_spectrum(&file, &places[0], 1).unwrap();
    assert_eq!((second.flux, second.axis.unit.as_deref()), (vec![3.0, 4.0, 5.0], Some("Angstrom")));
    near(second.axis.values[2], 3601.6, 1e-7);
    let error = second.error.unwrap();
    assert!(error[0] == 0.25 && error[1] == 0.2 && error[2].is_nan());
    assert_eq!(second.mask.unwrap(), [false, false, true]);
    assert!(Unit::parse(second.unit.as_deref().unwrap()).means(&Unit::parse("1E-17 erg/cm^2/s/Ang")));
    assert_eq!(read_spectrum(&file, &places[1], 1).unwrap().flux, [7.0, 7.0]);
    assert!(read_spectrum(&file, &places[1], 2).is_err());
}

#[test]
fn spectra_in_tables() {
    // SDSS spec: COADD with flux, loglam, ivar, and_mask.
    let body: Vec<u8> = (0..4u8)
        .flat_map(|i| {
            let flux = f32::from(i) + 1.0;
            let mask = i32::from(i == 2);
            [flux.to_be_bytes(), (3.58f32 + 1e-4 * f32::from(i)).to_be_bytes(), 4f32.to_be_bytes(), mask.to_be_bytes()]
                .concat()
        })
        .collect();
    let columns: [ColumnCards<'_>; 4] =
        [("flux", "E", &[]), ("loglam", "E", &[]), ("ivar", "E", &[]), ("and_mask", "J", &[])];
    let file = memory(&[
        primary(8, &[], &["BUNIT   = '1E-17 erg/cm^2/s/Ang'"], &[]),
        bintable(&columns, &["EXTNAME = 'COADD'"], 16, 4, &body, &[]),
    ]);
    let sdss = only(&file);
    assert_eq!((sdss.axis.kind, sdss.axis.unit.as_deref()), (AxisKind::VacuumWavelength, Some("Angstrom")));
    near(sdss.axis.values[0], 10f64.powf(f64::from(3.58f32)), 1e-15);
    assert_eq!((sdss.flux, sdss.error.unwrap()), (vec![1.0, 2.0, 3.0, 4.0], vec![0.5; 4]));
    assert_eq!(sdss.mask.unwrap(), [false, false, true, false]);
    assert_eq!(sdss.unit.as_deref(), Some("1E-17 erg/cm^2/s/Ang"));

    // IVOA: one row of vectors, found by UTYPE whatever the columns are called.
    let columns: [ColumnCards<'_>; 3] = [
        ("C1", "3D", &[("TUTYP", "'spec:Data.SpectralAxis.Value'"), ("TUNIT", "'nm'")]),
        ("C2", "3E", &[("TUTYP", "'spec:Data.FluxAxis.Value'"), ("TUNIT", "'Jy'")]),
        ("C3", "3E", &[("TUTYP", "'spec:Data.FluxAxis.Accuracy.StatError'")]),
    ];
    let body =
        [[500.0f64, 500.5, 501.0].map(f64::to_be_bytes).concat(), floats([1.0, 2.0, 3.0]), floats([0.1, 0.2, 0.3])]
            .concat();
    let ivoa =
        only(&memory(&[primary(8, &[], &[], &[]), bintable(&columns, &["VOCLASS = 'SPECTRUM'"], 48, 1, &body, &[])]));
    assert_eq!(
        (ivoa.axis.values, ivoa.axis.unit.as_deref(), ivoa.axis.kind),
        (vec![500.0, 500.5, 501.0], Some("nm"), AxisKind::Wavelength)
    );
    assert_eq!((ivoa.flux, ivoa.unit.as_deref()), (vec![1.0, 2.0, 3.0], Some("Jy")));
    near(ivoa.error.unwrap()[2], 0.3, 1e-7);
}

#[test]
fn what_belongs_together() {
    let Some(data) = data_folder("what_belongs_together") else { return };
    let found = |name: &str| triplets(&FitsFile::open(&data.join(name)).unwrap());
    let sigma = |index| Some((index, ErrorKind::Sigma));
    assert_eq!(
        found("lines/muse-abell478.fits"),
        [Triplet { data: 1, error: Some((2, ErrorKind::Variance)), mask: None }]
    );
    assert_eq!(found("lines/sitelle-m31.fits"), [Triplet { data: 0, error: sigma(1), mask: None }]);
    let reads: Vec<_> = [1, 6, 11, 16].map(|i| Triplet { data: i, error: sigma(i + 1), mask: Some(i + 2) }).into();
    assert_eq!(found("ramps/iccz11q4q_ima.fits"), reads);
    // ERR and DQ of raw HST files are one value in the header.
    let raw = FitsFile::open(&data.join("fits-corpus/o4sp040b0_raw.fits")).unwrap();
    assert_eq!(triplets(&raw)[0], Triplet { data: 1, error: sigma(2), mask: Some(3) });
    assert_eq!(constant_image(raw.hdu(2).unwrap()), Some((vec![44, 62], 0.0)));
    let muse = FitsFile::open(&data.join("lines/muse-abell478.fits")).unwrap();
    let unit = Unit::parse(muse.hdu(1).unwrap().unit().unwrap());
    assert!(unit.means(&Unit::parse("10**-20 Angstrom-1 cm-2 erg s-1")), "{unit}");
}

#[test]
fn healpix_maps() {
    // NSIDE 16: 3072 pixels in 3 rows of 1024.
    let values: Vec<f32> = (0..3072).map(|i| if i == 1500 { -1.6375e30 } else { i as f32 }).collect();
    let cards = ["PIXTYPE = 'HEALPIX'", "ORDERING= 'RING'", "NSIDE   = 16", "INDXSCHM= 'IMPLICIT'", "COORDSYS= 'G'"];
    let column: [ColumnCards<'_>; 1] = [("TEMPERATURE", "1024E", &[("TUNIT", "'mK'")])];
    let full = |cards: &[&str], rows| {
        memory(&[primary(8, &[], &[], &[]), bintable(&column, cards, 4096, rows, &floats(values.iter().copied()), &[])])
    };
    let file = full(&cards, 3);
    let map = HealpixMap::recognise(&file, 1).unwrap().unwrap();
    assert_eq!((map.nside, map.ordering, map.coordinates, map.index_column), (16, Ordering::Ring, Some('G'), None));
    let pixels = map.read(&file, map.columns[0]).unwrap();
    assert_eq!((pixels.values.len(), pixels.values[3071], pixels.unit.as_deref()), (3072, 3071.0, Some("mK")));
    assert!(pixels.values[1500].is_nan() && pixels.values.iter().filter(|v| v.is_nan()).count() == 1);
    let wrong = full(&["PIXTYPE = 'HEALPIX'", "ORDERING= 'NESTED'", "NSIDE   = 8"], 3);
    let map = HealpixMap::recognise(&wrong, 1).unwrap().unwrap();
    assert!(map.read(&wrong, 0).unwrap_err().to_string().contains("3072 values do not fit a map of NSIDE 8"));
    assert!(
        HealpixMap::recognise(&full(&["PIXTYPE = 'HEALPIX'", "ORDERING= 'NESTED'", "NSIDE   = 12"], 3), 1).is_err()
    );
    assert_eq!(HealpixMap::recognise(&full(&[], 3), 1).unwrap(), None);

    let columns: [ColumnCards<'_>; 2] = [("PIXEL", "J", &[]), ("SIGNAL", "E", &[])];
    let body = [[5i32, 700].map(i32::to_be_bytes), [1.5f32, 2.5].map(f32::to_be_bytes)];
    let body: Vec<u8> = (0..2).flat_map(|i| [body[0][i], body[1][i]].concat()).collect();
    let cards = ["PIXTYPE = 'HEALPIX'", "ORDERING= 'NESTED'", "NSIDE   = 8", "INDXSCHM= 'EXPLICIT'"];
    let file = memory(&[primary(8, &[], &[], &[]), bintable(&columns, &cards, 8, 2, &body, &[])]);
    let map = HealpixMap::recognise(&file, 1).unwrap().unwrap();
    let pixels = map.read(&file, 1).unwrap();
    assert_eq!((map.columns.as_slice(), pixels.pixels, pixels.values), (&[1][..], Some(vec![5, 700]), vec![1.5, 2.5]));
}

#[test]
fn xray_spectra_and_responses_equal_astropy() {
    let Some(data) = data_folder("xray_spectra_and_responses_equal_astropy") else { return };
    let open = |name: &str| FitsFile::open(&data.join("plasma").join(name)).unwrap();
    // name, energies, stored values, sum, channel-weighted sum, folded 1/(1+i): sum, channel 100, channel 500
    for (name, energies, stored, sum, weighted, folded, at_100, at_500) in [
        (
            "sis0",
            1180,
            505_483,
            552.932_040_504,
            181_965.983_886,
            1.903_981_965_1,
            0.008_727_379_535,
            0.000_798_012_377_212,
        ),
        (
            "3c273",
            1090,
            61_834,
            1_090.000_001_48,
            412_166.182_981,
            7.571_607_398_72,
            0.010_717_148_345,
            0.002_022_345_725_93,
        ),
        (
            "acisi_aimpt_cy21",
            1024,
            538_269,
            1_015.222_921_92,
            420_563.412_989,
            7.501_933_289_44,
            0.012_003_985_223_8,
            0.002_060_801_587_06,
        ),
    ] {
        let rmf = Rmf::read(&open(&format!("{name}.rmf"))).unwrap();
        assert_eq!(
            (rmf.energies(), rmf.channels(), rmf.stored(), rmf.first_channel),
            (energies, 1024, stored, 1),
            "{name}"
        );
        near(rmf.fold(&vec![1.0; energies]).iter().sum(), sum, 1e-11);
        let channels: Vec<f64> = (0..1024).map(f64::from).collect();
        near(rmf.fold_back(&channels).iter().sum(), weighted, 1e-11);
        let model: Vec<f64> = (0..energies).map(|i| 1.0 / (1.0 + i as f64)).collect();
        let out = rmf.fold(&model);
        near(out.iter().sum(), folded, 1e-11);
        near(out[100], at_100, 1e-11);
        near(out[500], at_500, 1e-11);
    }
    for (name, sum, first, last) in
        [("sis0", 125_779.582_356, 0.200_000_003, 12.0), ("3c273", 68_754.995_962_3, 0.100_000_001, 11.0)]
    {
        let arf = Arf::read(&open(&format!("{name}.arf"))).unwrap();
        near(arf.area_cm2.iter().sum(), sum, 1e-11);
        near(arf.energy_low_kev[0], first, 1e-8);
        near(*arf.energy_high_kev.last().unwrap(), last, 1e-8);
    }
    let asca = Pha::read(&open("sis0.pha")).unwrap();
    assert_eq!((asca.counts.iter().sum::<f64>(), asca.channels[0], asca.error), (50_389.0, 1, None));
    assert_eq!((asca.exposure_s, asca.response_file), (Some(28_677.965_862_430_63), None));
    let chandra = Pha::read(&open("3c273.pi")).unwrap();
    assert_eq!((chandra.counts.iter().sum::<f64>(), chandra.grouping.iter().sum::<i64>()), (736.0, -932));
    assert_eq!((chandra.channels[0], chandra.channels[1023]), (1, 1024));
    near(chandra.error.unwrap().iter().sum(), 449.715_938_307_728, 1e-12);
    assert_eq!(
        (chandra.response_file.as_deref(), chandra.background_file.as_deref()),
        (Some("3c273.rmf"), Some("3c273_bg.pi"))
    );
    assert!(Rmf::read(&open("sis0.arf")).unwrap_err().to_string().contains("EBOUNDS"));
    assert!(Pha::read(&open("sis0.arf")).is_err());
}

#[test]
fn ramps_in_the_order_of_time() {
    let Some(data) = data_folder("ramps_in_the_order_of_time") else { return };
    let ramp = read_ramp(&FitsFile::open(&data.join("ramps/iccz11q4q_ima.fits")).unwrap()).unwrap();
    assert_eq!((ramp.form, ramp.signal.shape()), (RampForm::HstIma, &[1, 4, 266, 266][..]));
    assert_eq!(
        (ramp.times_s.as_slice(), ramp.hdus.as_slice()),
        (&[0.0, 0.277815, 0.55563, 0.833445][..], &[16, 11, 6, 1][..])
    );
    assert_eq!(ramp.unit.as_deref(), Some("ELECTRONS"));
    // astropy: sums of SCI * SAMPTIME and pixel [100, 120]
    let reads = ramp.integration(0).unwrap();
    for (read, sum, pixel) in
        [(1, -790_837.320_7, -7.388_901_23), (2, -1_670_555.722, 19.039_718_6), (3, -2_483_055.145, 14.321_422_6)]
    {
        let plane = reads.index_axis(ndarray::Axis(0), read);
        near(plane.iter().map(|&v| f64::from(v)).sum(), sum, 1e-9);
        near(f64::from(plane[[100, 120]]), pixel, 1e-7);
    }
    assert!(reads.index_axis(ndarray::Axis(0), 0).iter().all(|&v| v == 0.0));
}

#[test]
fn ramps_of_jwst_and_plain_cubes() {
    let cards = ["NGROUPS = 3", "TGROUP  = 10.0", "NFRAMES = 1", "TFRAME  = 10.0"];
    let science = extension(
        "SCI",
        16,
        &[2, 1, 3, 2],
        &["BZERO   = 32768", "BUNIT   = 'DN'"],
        &shorts((0..12).map(|i| i16::MIN + i)),
    );
    let ramp = read_ramp(&memory(&[primary(8, &[], &cards, &[]), science])).unwrap();
    assert_eq!(
        (ramp.form, ramp.signal.shape(), ramp.unit.as_deref()),
        (RampForm::JwstUncal, &[2, 3, 1, 2][..], Some("DN"))
    );
    assert_eq!((ramp.times_s.as_slice(), ramp.times_known), (&[10.0, 20.0, 30.0][..], true));
    assert_eq!(ramp.integration(1).unwrap()[[2, 0, 1]], 11.0);
    let cube = memory(&[primary(-32, &[2, 2, 3], &[], &floats((0..12).map(|i| i as f32)))]);
    let ramp = read_ramp(&cube).unwrap();
    assert_eq!((ramp.form, ramp.times_known, ramp.times_s), (RampForm::Cube, false, vec![0.0, 1.0, 2.0]));
    let spectral = memory(&[primary(-32, &[2, 2, 3], &["CTYPE3  = 'FREQ'"], &floats([0.0; 12]))]);
    assert_eq!(ramp_form(&spectral), None);
    assert!(read_ramp(&spectral).unwrap_err().to_string().contains("holds no ramp"));
}
