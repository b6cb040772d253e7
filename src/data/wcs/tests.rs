use super::*;

fn wcs(text: &str) -> Wcs {
    Wcs::from_header(&Header::from_lines(text.as_bytes())).unwrap().unwrap()
}

fn near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-9, "{found:?} {expected:?}");
    }
}

const TANGENT: &str = "NAXIS   = 2\nCTYPE1  = 'RA---TAN'\nCTYPE2  = 'DEC--TAN'\nCRPIX1  = 50\nCRPIX2  = 60\n\
    CRVAL1  = 150.0\nCRVAL2  = 2.0\n";

#[test]
fn nothing_stays_nothing_and_damage_is_told() {
    let read = |text: &str| Wcs::from_header(&Header::from_lines(text.as_bytes()));
    assert!(read("NAXIS   = 2\nOBJECT  = 'M31'\nEQUINOX = 2000").unwrap().is_none());
    let told = read(&format!("{TANGENT}CD1_1   = 1.0\nCD1_2   = 1.0\nCD2_1   = 1.0\nCD2_2   = 1.0")).unwrap_err();
    assert!(told.to_string().starts_with("the world coordinates cannot be used: "), "{told}");
    assert!(read("CTYPE1  = 'RA---XYZ'\nCTYPE2  = 'DEC--XYZ'").is_err());
    assert!(read("CTYPE1  = 'FREQ-ABC'").is_err());
}

#[test]
fn axes_are_named_and_framed() {
    let w = wcs(&format!(
        "{TANGENT}CDELT1  = -1E-4\nCDELT2  = 1E-4\nCTYPE3  = 'AWAV'\nCUNIT3  = 'Angstrom'\nCRVAL3  = 4750\n\
         CDELT3  = 1.25\nCRPIX3  = 1\nSPECSYS = 'BARYCENT'\nEQUINOX = 2000.0\nRADESYS = 'FK5'\nCTYPE4  = 'STOKES'"
    ));
    let names: Vec<&str> = w.axes().iter().map(|axis| axis.name.as_str()).collect();
    assert_eq!(names, ["RA", "DEC", "AWAV", "STOKES"]);
    assert_eq!((w.celestial(), w.spectral()), (Some((0, 1)), Some(2)));
    assert_eq!((w.sky_frame(), w.spectral_frame()), (Some("FK5 J2000"), Some("BARYCENT")));
    assert_eq!(w.axes()[2].describe(), "wavelength in air");
    assert_eq!((w.axes()[2].unit.as_str(), w.axes()[2].si), ("Angstrom", Some((1e-10, "m"))));
    // The image lacks the last axes: they are taken at their first pixel.
    near(&w.world_from_pixel(&[49.0, 59.0]).unwrap(), &[150.0, 2.0, 4750.0, 1.0]);
}

#[test]
fn a_linear_axis_in_angstrom_is_a_wavelength() {
    let w = wcs("CTYPE3  = 'LINEAR'\nCUNIT3  = 'Angstrom'\nCRVAL3  = 4750\nCD3_3   = 1.25\nCRPIX3  = 1\nCD1_1   = 1.0");
    assert_eq!((w.axes()[2].kind, w.spectral()), (AxisKind::Wavelength, Some(2)));
    assert_eq!(w.axes()[2].si, Some((1e-10, "m")));
    near(&w.world_from_pixel(&[0.0, 0.0, 2.0]).unwrap()[2..], &[4752.5]);
    let grid = wcs("CTYPE1  = 'LINEAR'\nCUNIT1  = 'arcsec'\nCDELT1  = 0.05");
    assert_eq!((grid.axes()[0].kind, grid.spectral()), (AxisKind::Other, None));
}

#[test]
fn log_linear_spectra_of_iraf() {
    let w = wcs("NAXIS   = 1\nDC-FLAG = 1\nCTYPE1  = 'LINEAR'\nCRVAL1  = 3.5\nCD1_1   = 1E-4\nCRPIX1  = 1");
    assert_eq!((w.axes()[0].kind, w.axes()[0].unit.as_str()), (AxisKind::Wavelength, "Angstrom"));
    near(&w.world_from_pixel(&[1000.0]).unwrap(), &[10_f64.powf(3.6)]);
    near(&w.pixel_from_world(&[10_f64.powf(3.6)]).unwrap(), &[1000.0]);
    assert_eq!(w.pixel_from_world(&[-1.0]), None);
}

#[test]
fn old_radio_codes() {
    let axis = |cards: &str| {
        let w = wcs(&format!("{cards}\nCRVAL1  = 100000.0\nCDELT1  = 2000.0\nCRPIX1  = 1.0"));
        let frame = w.spectral_frame().unwrap_or("").to_owned();
        (w.axes()[0].ctype.clone(), frame, w.world_from_pixel(&[50.0]).unwrap()[0])
    };
    // Values of wcslib 8 by way of astropy 8.0.2.
    let rest = "RESTFREQ= 1420405752.0";
    let (ctype, frame, value) = axis(&format!("CTYPE1  = 'FELO-HEL'\n{rest}"));
    assert_eq!((ctype.as_str(), frame.as_str()), ("VOPT-F2W", "BARYCENT"));
    assert!((value - 200_033.356_409_55).abs() < 1e-6, "{value}");
    for (cards, expected) in [
        ("CTYPE1  = 'VELO-LSR'", ("VOPT", "LSRK")),
        ("CTYPE1  = 'VELO-LSR'\nVELREF  = 258", ("VRAD", "BARYCENT")),
        ("CTYPE1  = 'VELO'\nVELREF  = 3", ("VOPT", "TOPOCENT")),
        ("CTYPE1  = 'VELO'", ("VELO", "")),
        ("CTYPE1  = 'FREQ-LSR'", ("FREQ", "LSRK")),
        ("CTYPE1  = 'FELO'", ("VOPT", "")),
    ] {
        let (ctype, frame, value) = axis(cards);
        assert_eq!((ctype.as_str(), frame.as_str(), value), (expected.0, expected.1, 200_000.0), "{cards}");
    }
}

#[test]
fn north_and_east() {
    let w = wcs(&format!("{TANGENT}CDELT1  = -1E-4\nCDELT2  = 1E-4\nCROTA2  = 30.0"));
    let sky = w.sky(&[49.0, 59.0]).unwrap();
    // xi = CDELT1 cos x - CDELT2 sin y, eta = CDELT1 sin x + CDELT2 cos y: eta grows towards (-sin, cos), xi towards
    // (-cos, -sin).
    for (found, expected) in [(sky.north, [-0.5, 0.75_f64.sqrt()]), (sky.east, [-(0.75_f64.sqrt()), -0.5])] {
        assert!((found[0] - expected[0]).abs() < 1e-7 && (found[1] - expected[1]).abs() < 1e-7, "{sky:?}");
    }
    assert!((sky.pixel_scale_arcsec - 0.36).abs() < 1e-8, "{sky:?}");
    assert_eq!(w.pixel_scale_arcsec().map(|x| (x * 1e9).round()), Some(0.36e9));
    // Near the edge of a gnomonic map a pixel covers less sky.
    assert!(w.sky(&[400_000.0, 59.0]).unwrap().pixel_scale_arcsec < 0.3);
}

#[test]
fn the_sky_ends() {
    let w = wcs(
        "CTYPE1  = 'GLON-AIT'\nCTYPE2  = 'GLAT-AIT'\nCDELT1  = -1\nCDELT2  = 1\nCRPIX1  = 181\nCRPIX2  = 91\nNAXIS   = 2",
    );
    assert!(w.world_from_pixel(&[180.0, 90.0]).is_some());
    assert_eq!(w.world_from_pixel(&[2.0, 2.0]), None);
    assert_eq!(w.pixel_from_world(&[10.0]), None);
    assert_eq!(w.pixel_from_world(&[f64::NAN, 0.0]), None);
    let tangent = wcs(&format!("{TANGENT}CDELT1  = -1E-4\nCDELT2  = 1E-4"));
    assert_eq!(tangent.pixel_from_world(&[330.0, -2.0]), None);
}

#[test]
fn letters_are_listed() {
    let text = format!("{TANGENT}CTYPE1B = 'PIXEL'\nCRPIX1A = 3\nWCSNAMEZ= 'nothing more'\nCRVAL1A = 7\nCDELT1A = 2");
    let header = Header::from_lines(text.as_bytes());
    assert_eq!(Wcs::letters(&header), [' ', 'A', 'B']);
    let a = Wcs::alternate(&header, 'A').unwrap().unwrap();
    assert_eq!(a.world_from_pixel(&[2.0, 0.0]).unwrap()[0], 7.0);
    assert!(Wcs::alternate(&header, 'C').unwrap().is_none());
}

#[test]
fn missing_steps_units_and_tables() {
    // CD forgets the third axis; its CDELT is used. CUNIT in arcsec goes to degrees.
    let w = wcs(&format!(
        "{TANGENT}CUNIT1  = 'arcsec'\nCUNIT2  = 'arcsec'\nCD1_1   = -0.36\nCD2_2   = 0.36\nCTYPE3  = 'FREQ'\nCDELT3  = 5.0"
    ));
    assert!((w.pixel_scale_arcsec().unwrap() - 0.36).abs() < 1e-12);
    let world = w.world_from_pixel(&[49.0, 59.0, 3.0]).unwrap();
    near(&world, &[150.0 / 3600.0, 2.0 / 3600.0, 20.0]);
    let table = wcs("CTYPE1  = 'WAVE-TAB'\nCRPIX1  = 1.0\nPS1_0   = 'T'\nPS1_1   = 'C'\nCDELT1  = 3.0\nCRVAL1  = 9.0");
    assert_eq!(table.world_from_pixel(&[4.0]), Some(vec![5.0]));
    assert!(table.warnings()[0].contains("table"));
    assert_eq!(table.axes()[0].kind, AxisKind::Other);
    let degenerate =
        wcs(&format!("{TANGENT}CDELT1  = -1E-4\nCDELT2  = 1E-4\nCTYPE3  = 'STOKES'\nCDELT3  = 0.0\nCRVAL3  = 1"));
    assert_eq!(degenerate.world_from_pixel(&[49.0, 59.0]).unwrap()[2], 2.0);
    assert_eq!(wcs("CTYPE1  = 'WAVE'\nCUNIT1  = 'parrots'\nCDELT1  = 2").axes()[0].kind, AxisKind::Other);
}

#[test]
fn sip_counts_pixel_axes_even_where_latitude_comes_first() {
    let sip = "A_ORDER = 2\nB_ORDER = 2\nA_2_0   = 1E-4\nB_1_1   = 2E-4\nA_0_1   = 3E-4\n";
    let plain = wcs(&format!("{TANGENT}CD1_1   = -1E-4\nCD2_2   = 1E-4\n{sip}AP_ORDER= 1\nBP_ORDER= 1"));
    let swapped = "NAXIS   = 2\nCTYPE2  = 'RA---TAN'\nCTYPE1  = 'DEC--TAN'\nCRPIX1  = 50\nCRPIX2  = 60\n\
        CRVAL2  = 150.0\nCRVAL1  = 2.0\nCD2_1   = -1E-4\nCD1_2   = 1E-4\n";
    let swapped = wcs(&format!("{swapped}{sip}"));
    let (a, b) = (plain.world_from_pixel(&[90.0, 20.0]).unwrap(), swapped.world_from_pixel(&[90.0, 20.0]).unwrap());
    near(&a, &[b[1], b[0]]);
    near(&plain.pixel_from_world(&a).unwrap(), &[90.0, 20.0]);
}
