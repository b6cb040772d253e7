//! Promises of the simulator's sources: clumps and pictures are lensed, saved with their truth, and found again.

use ndarray::Array2;
use sextans::data::{Plane, read_planes, write_planes};
use sextans::runs::{Hooks, execute};
use sextans::studies::lens_reconstruction::{SimulateOutcome, SimulateRequest, SourceClumps};
use sextans::tasks::{Board, Metrics, Outcome, Progress, Task, TaskEntry};

use super::fits_support::data_folder;

/// Runs a simulation into a folder; what the run holds, and what is read back.
fn run(request: &SimulateRequest, folder: &std::path::Path) -> [SimulateOutcome; 2] {
    let entry = TaskEntry::of::<SimulateRequest>();
    let value = serde_json::to_value(request).unwrap();
    let made = execute(&entry, &value, folder, false, &Board::new(), &Hooks::NONE).unwrap();
    let loaded = SimulateOutcome::load(folder, &made.record.request, &made.record.metrics).unwrap();
    [made.outcome.get::<SimulateOutcome>().unwrap().as_ref().clone(), loaded]
}

#[test]
fn clumps_shine_in_image_and_truth_and_a_seed_repeats_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut smooth = SimulateRequest { pixels: 60, ..SimulateRequest::default() };
    smooth.lens_light.brightness = 0.0;
    let clumps = SourceClumps { number: 12, light: 1.0, ..SourceClumps::default() };
    let clumpy = SimulateRequest { clumps: clumps.clone(), ..smooth.clone() };
    let [plain, _] = run(&smooth, &folder.path().join("smooth"));
    let [made, loaded] = run(&clumpy, &folder.path().join("clumpy"));
    assert_eq!(made.scene.sources.len(), 13);
    let light = |o: &SimulateOutcome| {
        let map = o.source_on([0.1, 0.06], 0.02, (200, 200));
        map.iter().map(|v| f64::from(*v)).sum::<f64>()
    };
    assert!((light(&made) / light(&plain) - 2.0).abs() < 0.03, "as much light again: {}", light(&made) / light(&plain));
    assert!(made.noiseless.sum() > 1.5 * plain.noiseless.sum(), "and lensed");
    assert_eq!((loaded.scene.clone(), &loaded.source), (made.scene.clone(), &made.source));
    let other = SimulateRequest { clumps: SourceClumps { seed: 2, ..clumps }, ..smooth };
    assert_ne!(run(&other, &folder.path().join("other"))[0].image, made.image);
}

#[test]
fn a_picture_is_lensed_saved_and_loaded_as_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    // A square of light in a corner of a picture that is wider than high.
    let picture = Array2::from_shape_fn((40, 60), |(j, i)| if j < 10 && i < 10 { 7.0_f32 } else { 0.0 });
    let path = folder.path().join("galaxy.fits");
    write_planes(&path, &[Plane { name: "", pixels: picture.view().into_dyn(), unit: "", keywords: Vec::new() }], &[])
        .unwrap();
    let mut request = SimulateRequest {
        source_image: Some(path.clone()),
        source_image_size_arcsec: 1.2,
        source_image_peak: 0.5,
        pixels: 60,
        ..SimulateRequest::default()
    };
    request.lens_light.brightness = 0.0;
    // Hardly a lens, so that the image shows the picture where it is: its lower left.
    (request.lens.einstein_radius_arcsec, request.lens.shear) = (0.1, 0.0);
    (request.lens.x_arcsec, request.lens.y_arcsec) = (1.0, 1.0);
    (request.source.x_arcsec, request.source.y_arcsec) = (0.0, 0.0);
    let [made, loaded] = run(&request, &folder.path().join("run"));
    assert!(made.scene.sources.is_empty(), "it takes the place of the smooth source");
    let brightest = made.noiseless.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    // A square of 0.2 arcsec loses a few hundredths to PSF and pixels.
    assert!((brightest.1 - 0.48).abs() < 0.02, "surface brightness is kept: {brightest:?}");
    let square = (10.0 * 0.02_f64).powi(2) * 0.5 / 0.05_f64.powi(2);
    assert!((f64::from(made.noiseless.sum()) / square - 1.0).abs() < 0.15, "{} {square}", made.noiseless.sum());
    assert!(brightest.0.0 < 30 && brightest.0.1 < 30, "{brightest:?}");
    // The file may go: the run folder holds the truth.
    std::fs::remove_file(&path).unwrap();
    assert_eq!(loaded.pixels, made.pixels);
    assert_eq!(loaded.source, made.source);
    let saved = read_planes(&folder.path().join("run/source_pixels.fits")).unwrap();
    assert_eq!(saved[0].pixels.shape(), [60, 60]);
    let value = serde_json::to_value(&request).unwrap();
    let again = SimulateOutcome::load(&folder.path().join("run"), &value, &Metrics::new()).unwrap();
    assert_eq!(again.pixels, made.pixels);
    let text = request.run(&Progress::silent()).unwrap_err().to_string();
    assert!(text.contains("galaxy.fits") && !text.contains('\n'), "{text}");
}

#[test]
fn a_real_galaxy_makes_a_ring() {
    let Some(data) = data_folder("a_real_galaxy_makes_a_ring") else { return };
    let out = tempfile::tempdir().unwrap();
    let galaxy = data.join("structures/galaxy-0.fits");
    let mut request = SimulateRequest { source_image: Some(galaxy), ..SimulateRequest::default() };
    request.lens_light.brightness = 0.0;
    let [made, loaded] = run(&request, &out.path().join("run"));
    assert_eq!(loaded.pixels, made.pixels);
    let peak = made.noiseless.iter().copied().fold(0.0_f32, f32::max);
    assert!(peak > 0.5 && peak <= 2.0, "lensing keeps the surface brightness, the PSF lowers its peak: {peak}");
    let mean = |low: f64, high: f64| {
        let ring = made.noiseless.indexed_iter().filter(|((j, i), _)| {
            let at = |k: usize| (k as f64 - 49.5) * 0.05;
            (low..high).contains(&at(*i).hypot(at(*j)))
        });
        let (sum, count) = ring.fold((0.0, 0.0), |(s, c), (_, v)| (s + f64::from(*v), c + 1.0));
        sum / count
    };
    assert!(mean(0.9, 1.5) > 3.0 * mean(2.0, 2.5), "{} {}", mean(0.9, 1.5), mean(2.0, 2.5));
}
