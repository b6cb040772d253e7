//! Promises of `zero_point=sky_lines`: the shift of OH lines in a cube or in a spectrum of the sky is taken off every velocity,
//! with an error that holds, and where no line of the sky is seen that is said.

use std::path::Path;

use ndarray::{Array1, Array3};
use sextans::data::{Keyword, Plane, write_planes};
use sextans::numerics::random::{self, stream};
use sextans::runs::{Hooks, RunResult, execute};
use sextans::studies::line_ratios::axis::{Filter, FourierAxis};
use sextans::studies::line_ratios::frame::{Coordinate, Frame, Medium};
use sextans::studies::line_ratios::lines::{LIGHT_SPEED_KM_S, Line};
use sextans::studies::line_ratios::shape::{LineShape, Sampler};
use sextans::studies::line_ratios::sky_lines::sky_velocity;
use sextans::studies::line_ratios::{FitOutcome, FitRequest, Inspected, ZeroPoint};
use sextans::tasks::{Board, Progress, Task, TaskEntry};

use super::fits_support::data_folder;

/// Wavelengths in air (Angstrom) as observed with UVES (Hanuschik 2003, A&A 407, 1157), and a flux: not the table of the study.
/// The second is a neighbour that no SITELLE can tell from the brightest line, a tenth of it.
const OBSERVED: [(f64, f64); 9] = [
    (6498.729, 90.0),
    (6497.526, 9.5),
    (6522.425, 20.0),
    (6533.044, 70.0),
    (6544.022, 25.0),
    (6553.617, 80.0),
    (6577.285, 55.0),
    (6604.135, 30.0),
    (6634.230, 12.0),
];

/// SN3 as SITELLE has it at R = 4700.
fn axis() -> FourierAxis {
    Filter::Sn3.axis(4700.0, 1.0375)
}

fn sampler() -> Sampler {
    Sampler::new(axis().wavenumbers(), LineShape::Sinc { width: axis().sinc_width() })
}

/// The sky at a velocity, `bright` times [`OBSERVED`].
fn sky(bright: f64, velocity: f64) -> Vec<f64> {
    let sampler = sampler();
    let n = sampler.axis().len();
    let (mut sum, mut one) = (vec![0.0; n], vec![0.0; n]);
    for (angstrom, flux) in OBSERVED {
        sampler.profile(1e8 / angstrom / (1.0 + velocity / LIGHT_SPEED_KM_S), 0.0, 0..n, &mut one);
        sum.iter_mut().zip(&one).for_each(|(sum, one)| *sum += bright * flux * one);
    }
    sum
}

/// Five lines of a nebula with an Halpha of this flux.
fn nebula(halpha: f64, velocity: f64) -> Vec<f64> {
    let sampler = sampler();
    let n = sampler.axis().len();
    let (mut sum, mut one) = (vec![0.0; n], vec![0.0; n]);
    let lines =
        [(Line::NII6548, 0.13), (Line::Halpha, 1.0), (Line::NII6583, 0.4), (Line::SII6716, 0.2), (Line::SII6731, 0.15)];
    for (line, share) in lines {
        let x = line.air_wavenumber() / (1.0 + velocity / LIGHT_SPEED_KM_S);
        sampler.profile(x, 20.0 / LIGHT_SPEED_KM_S * x, 0..n, &mut one);
        sum.iter_mut().zip(&one).for_each(|(sum, one)| *sum += halpha * share * one);
    }
    sum
}

fn spectral_keywords(n: usize) -> Vec<Keyword> {
    let axis = axis();
    vec![
        Keyword::new(&format!("CTYPE{n}"), "WAVN", ""),
        Keyword::new(&format!("CUNIT{n}"), "cm-1", ""),
        Keyword::new(&format!("CRPIX{n}"), 1.0, ""),
        Keyword::new(&format!("CRVAL{n}"), axis.first(), ""),
        Keyword::new(&format!("CDELT{n}"), axis.spacing(), ""),
        Keyword::new("STEP", axis.step_nm, ""),
        Keyword::new("ORDER", axis.order, ""),
        Keyword::new("STEPNB", axis.steps as f64, ""),
        Keyword::new("ZPDINDEX", axis.zero_path_index, ""),
        Keyword::new("AXISCORR", axis.correction, ""),
        Keyword::new("FILTER", "SN3", ""),
    ]
}

const SIDE: usize = 14;

/// A field whose left half is a nebula at 40 km/s beyond the shift of the axis; noise of 1 everywhere.
fn cube(path: &Path, shift: f64, bright: f64) {
    let (sky, nebula) = (sky(bright, shift), nebula(400.0, 40.0 + shift));
    let n = sky.len();
    let mut values = Array3::<f32>::zeros((n, SIDE, SIDE));
    let mut noise = vec![0.0; n];
    for y in 0..SIDE {
        for x in 0..SIDE {
            random::fill_normal(&mut stream(3, "sky", (y * SIDE + x) as u64), &mut noise);
            let share = if x < SIDE / 2 { 1.0 } else { 0.0 };
            for z in 0..n {
                values[[z, y, x]] = (3.0 + sky[z] + share * nebula[z] + noise[z]) as f32;
            }
        }
    }
    let keywords = spectral_keywords(3);
    let plane = Plane { name: "", pixels: values.view().into_dyn(), unit: "adu", keywords };
    write_planes(path, &[plane], &[]).unwrap();
}

fn spectrum(path: &Path, values: &[f64], seed: u64) {
    let mut noise = vec![0.0; values.len()];
    random::fill_normal(&mut stream(seed, "sky spectrum", 0), &mut noise);
    let values: Array1<f32> = values.iter().zip(&noise).map(|(value, noise)| (value + noise) as f32).collect();
    let plane = Plane { name: "", pixels: values.view().into_dyn(), unit: "adu", keywords: spectral_keywords(1) };
    write_planes(path, &[plane], &[]).unwrap();
}

fn fit_into(out: &Path, request: &FitRequest) -> RunResult {
    let request = serde_json::to_value(request).unwrap();
    execute(&TaskEntry::of::<FitRequest>(), &request, out, false, &Board::new(), &Hooks::NONE).unwrap()
}

#[test]
fn the_sky_of_a_cube_sets_its_zero_point() {
    const SHIFT: f64 = 71.0;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cube.fits");
    cube(&path, SHIFT, 1.0);
    let plain = FitRequest { data: Some(path.clone()), ..FitRequest::default() };
    let request = FitRequest { zero_point: ZeroPoint::SkyLines, ..plain.clone() };
    let run = fit_into(&folder.path().join("out"), &request);
    let number = |name: &str| run.record.metrics[name];
    let (zero, error) = (number("velocity_zero_km_s"), number("velocity_zero_km_s_error"));
    assert!((zero - SHIFT).abs() < 4.0 * error && error < 0.8, "{zero} +- {error}");
    assert!(
        number("velocity_zero_lines") >= 5.0 && number("velocity_zero_significance") > 10.0,
        "{:?}",
        run.record.metrics
    );
    // A fifth of the field, from the half without a nebula.
    assert_eq!(number("velocity_zero_spectra"), (0.2 * (SIDE * SIDE) as f64).ceil());
    assert!(!run.record.warnings.iter().any(|line| line.starts_with("zero point")));

    let outcome = run.outcome.get::<FitOutcome>().unwrap();
    let before = fit_into(&folder.path().join("plain"), &plain);
    assert!(before.record.warnings.iter().any(|line| line.contains("zero_point=sky_lines")));
    let before = before.outcome.get::<FitOutcome>().unwrap();
    let at = |outcome: &FitOutcome| f64::from(outcome.map("VELOCITY").unwrap().values[[6, 3]]);
    assert!(
        (at(&outcome) - 40.0).abs() < 5.0 && (at(&before) - 40.0 - SHIFT).abs() < 5.0,
        "{} {}",
        at(&outcome),
        at(&before)
    );
    // A spaxel looked at again has the velocity of the map, without measuring the sky again.
    let measured = outcome.as_measured(&request);
    assert_eq!(measured.velocity_zero_km_s, zero);
    let again = Inspected::of(&measured, &[[6, 3]], &Progress::<()>::silent()).unwrap().unwrap();
    assert_eq!(again.estimate.fit.velocity_km_s as f32, outcome.map("VELOCITY").unwrap().values[[6, 3]]);
    // The same on any number of threads.
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let alone = one.install(|| request.run(&Progress::silent())).unwrap();
    assert_eq!(at(&alone).to_bits(), at(&outcome).to_bits());
}

#[test]
fn a_spectrum_of_the_sky_will_do_and_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (data, night) = (folder.path().join("data.fits"), folder.path().join("night.fits"));
    spectrum(&data, &nebula(400.0, -55.0), 1);
    spectrum(&night, &sky(1.0, -23.0), 2);
    let request = FitRequest {
        data: Some(data.clone()),
        sky: Some(night.clone()),
        zero_point: ZeroPoint::SkyLines,
        ..FitRequest::default()
    };
    let run = fit_into(&folder.path().join("out"), &request);
    let number = |name: &str| run.record.metrics[name];
    let (zero, error) = (number("velocity_zero_km_s"), number("velocity_zero_km_s_error"));
    assert!((zero + 23.0).abs() < 4.0 * error && error < 3.0, "{zero} +- {error}");
    let v = number("velocity_km_s");
    assert!((v + 32.0).abs() < 4.0 * error.hypot(number("velocity_km_s_error")), "{v}");

    let error = |request: &FitRequest| {
        let text = request.run(&Progress::silent()).expect_err("an error").to_string();
        assert!(!text.contains('\n'));
        text
    };
    let without = error(&FitRequest { sky: None, ..request.clone() });
    assert!(
        without.contains("no line of the sky stands above the noise") && without.contains("--input sky=FILE"),
        "{without}"
    );
    assert!(
        error(&FitRequest { zero_point: ZeroPoint::Given, ..request.clone() }).contains("set zero_point=sky_lines")
    );
    assert!(error(&FitRequest { velocity_zero_km_s: 5.0, ..request }).contains("zero_point=given"));
}

/// Over many spectra of sky and nebula the error is that of the scatter, and there is no bias.
#[test]
fn the_error_of_the_zero_point_holds() {
    let (sampler, wavenumbers) = (sampler(), axis().wavenumbers());
    let (low, high) = Filter::Sn3.band();
    let band = wavenumbers.iter().position(|x| *x > low).unwrap()..wavenumbers.iter().rposition(|x| *x < high).unwrap();
    let inside = Sampler::new(wavenumbers[band.clone()].to_vec(), sampler.shape());
    let frame = Frame { coordinate: Coordinate::Wavenumber, medium: Medium::Air, redshift: 0.0 };
    let mut noise = vec![0.0; wavenumbers.len()];
    let pulls: Vec<f64> = (0..60)
        .map(|index| {
            let shift = -150.0 + 5.0 * f64::from(index);
            random::fill_normal(&mut stream(9, "zero", u64::try_from(index).unwrap()), &mut noise);
            let data: Vec<f64> = sky(1.0, shift).iter().zip(&noise).map(|(sky, noise)| sky + noise).collect();
            let data = &data[band.clone()];
            let found = sky_velocity(&inside, frame, None, data, &vec![1.0; data.len()]).unwrap();
            (found.velocity_km_s - shift) / found.error_km_s
        })
        .collect();
    let mean = pulls.iter().sum::<f64>() / pulls.len() as f64;
    let spread = (pulls.iter().map(|pull| (pull - mean).powi(2)).sum::<f64>() / pulls.len() as f64).sqrt();
    assert!(mean.abs() < 0.4 && (0.75..1.3).contains(&spread), "{mean} {spread}");
    // Noise alone is never taken for sky.
    let believed = (0..60u64).filter(|index| {
        random::fill_normal(&mut stream(10, "zero", *index), &mut noise);
        sky_velocity(&inside, frame, None, &noise[band.clone()], &vec![1.0; band.len()]).is_ok()
    });
    assert_eq!(believed.count(), 0);
}

/// One spaxel of M57 shows two lines of OH, where the refraction of the laser's wave would have them (75 km/s); the spectrum of
/// M31 shows none above its noise, and says so.
#[test]
fn real_spectra_of_sitelle_tell_their_zero_point_or_that_they_cannot() {
    let Some(folder) = data_folder("real_spectra_of_sitelle_tell_their_zero_point_or_that_they_cannot") else { return };
    let request = |name: &str| FitRequest {
        data: Some(folder.join("lines").join(name)),
        zero_point: ZeroPoint::SkyLines,
        ..FitRequest::default()
    };
    let out = tempfile::tempdir().unwrap();
    let run = fit_into(&out.path().join("m57"), &request("sitelle-m57.fits"));
    let number = |name: &str| run.record.metrics[name];
    assert!((number("velocity_zero_km_s") - 75.0).abs() < 3.0 * number("velocity_zero_km_s_error"));
    // The systemic velocity of M57 is -19 km/s; the motion of the Earth is not taken off.
    assert!(number("velocity_km_s").abs() < 60.0);
    let error = request("sitelle-m31.fits").run(&Progress::silent()).expect_err("no sky").to_string();
    assert!(error.contains("no line of the sky stands above the noise"), "{error}");
}
