//! Promises of the prior of lenses: its maps are like the real ones, its task leaves what it says, and the window shows it.

use burn::tensor::Device;
use egui_kittest::kittest::{NodeT, Queryable};
use serde_json::{Value, json};
use sextans::app::{Session, ViewRecord};
use sextans::data::{find_resource, read_planes};
use sextans::runs::{Hooks, execute};
use sextans::studies::lens_reconstruction::rim::prior::statistics::{MapStatistics, measure};
use sextans::studies::lens_reconstruction::rim::prior::{
    FIELD_ARCSEC, Prior, PriorOutcome, PriorRequest, PriorSettings,
};
use sextans::studies::lens_reconstruction::rim::vae::{Vae, VaePart};
use sextans::tasks::{Board, Outcome, TaskEntry};

use super::fits_support::data_folder;
use super::ui_support::{Window, settle, sized};

type Statistic = (&'static str, fn(&MapStatistics) -> f64);

const STATISTICS: [Statistic; 6] = [
    ("axis ratio", |s| s.axis_ratio),
    ("slope", |s| s.slope),
    ("scatter", |s| s.scatter),
    ("sturdy scatter", |s| s.sturdy_scatter),
    ("fine scatter", |s| s.fine_scatter),
    ("power slope", |s| s.power_slope),
];

/// Two haloes of IllustrisTNG, measured by the same code: the numbers of an independent implementation (SciPy), and within what the prior draws.
#[test]
fn real_convergence_maps_lie_within_the_prior() {
    let Some(data) = data_folder("real_convergence_maps_lie_within_the_prior") else { return };
    let expected = [[0.595, 1.982, 0.238, 0.140, 0.040, -3.72], [0.754, 1.618, 0.148, 0.058, 0.061, -2.94]];
    let prior = Prior::new(PriorSettings { pixels: 128, ..PriorSettings::default() });
    let drawn: Vec<MapStatistics> =
        (0..100).map(|k| measure(&prior.convergence(1, k), 128, FIELD_ARCSEC / 128.0).unwrap()).collect();
    for (k, expected) in expected.into_iter().enumerate() {
        let plane = read_planes(&data.join(format!("structures/tng100-kappa-{k}.fits"))).unwrap().remove(0);
        assert_eq!(plane.pixels.shape(), [128, 128]);
        let map: Vec<f64> = plane.pixels.iter().map(|v| f64::from(*v)).collect();
        let found = measure(&map, 128, 0.06).unwrap();
        for ((name, of), expected) in STATISTICS.into_iter().zip(expected) {
            let value = of(&found);
            assert!((value - expected).abs() < 0.04 * f64::abs(expected), "{k} {name}: {value} instead of {expected}");
            let range = drawn.iter().map(of).fold([f64::MAX, f64::MIN], |[a, b], v| [a.min(v), b.max(v)]);
            assert!((range[0]..=range[1]).contains(&value), "{k} {name}: {value} outside of {range:?}");
        }
    }
}

#[test]
fn the_task_leaves_cubes_and_a_table_that_load_back() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("drawn");
    let request = serde_json::to_value(PriorRequest { examples: 5, ..PriorRequest::default() });
    let entry = TaskEntry::of::<PriorRequest>();
    let run = execute(&entry, &request.unwrap(), &out, false, &Board::new(), &Hooks::NONE).unwrap();
    let loaded = PriorOutcome::load(&out, &run.record.request, &run.record.metrics).unwrap();
    assert_eq!(loaded.images.dim(), (5, 64, 64));
    let sigma = loaded.drawn.numbers("noise_sigma").unwrap();
    for (k, sigma) in sigma.into_iter().enumerate() {
        let of = |cube: &ndarray::Array3<f32>| cube.index_axis(ndarray::Axis(0), k).mapv(f64::from);
        let noise = of(&loaded.images) - of(&loaded.noiseless);
        let found = (noise.mapv(|v| v * v).sum() / 4096.0).sqrt();
        // Four standard errors of a standard deviation.
        assert!((found / sigma - 1.0).abs() < 4.0 / (2.0 * 4096.0f64).sqrt(), "{found} {sigma}");
        assert_eq!(of(&loaded.sources).fold(0.0, |a, b| f64::max(a, *b)), 1.0);
    }
    let radius = run.record.metrics["median_einstein_radius_arcsec"];
    assert!((0.5..=2.5).contains(&radius), "{radius}");
}

fn state(harness: &Window) -> Value {
    harness.state().session().views[0].state.clone()
}

fn map_titles(harness: &Window) -> Vec<String> {
    let images = harness.query_all_by_role(egui::Role::Image);
    images.filter_map(|n| n.accesskit_node().label()).filter(|l| l.starts_with("Lens ")).collect()
}

#[test]
fn the_window_shows_four_lenses_of_the_prior_and_draws_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = sized(folder.path(), [1366.0, 768.0]);
    let session = Session {
        views: vec![ViewRecord { id: 1, kind: "lens_reconstruction".into(), state: json!({}) }],
        focused: Some(1),
        ..Session::default()
    };
    harness.state_mut().restore(&session);
    settle(&mut harness);
    harness.get_by_label("Samples of the prior").click();
    settle(&mut harness);
    let first = map_titles(&harness);
    assert_eq!(first.len(), 4, "{first:?}");
    assert!(first[0].starts_with("Lens 0: noise "), "{first:?}");
    harness.get_by_label("Draw others").click();
    settle(&mut harness);
    assert_eq!(state(&harness)["prior"]["first"], 4);
    let others = map_titles(&harness);
    assert!(others.len() == 4 && others[3].starts_with("Lens 7: noise "), "{others:?}");
    // Nothing to be fitted here.
    assert!(harness.query_by_label("Fit this lens").is_none());
}

/// The autoencoders that come with the program: a map they never saw comes back far better than the mean of all maps would do.
#[test]
fn shipped_autoencoders_know_lenses_and_sources() {
    let prior = Prior::new(PriorSettings::default());
    for (part, name) in [(VaePart::Convergence, "vae_convergence_64"), (VaePart::Source, "vae_source_64")] {
        let path = find_resource(&format!("weights/lens_reconstruction/{name}.safetensors")).unwrap();
        let vae = Vae::load(&path, &Device::flex()).unwrap();
        assert_eq!((vae.settings.part, vae.settings.pixels, vae.settings.latent), (part, 64, part.latent()));
        let maps: Vec<Vec<f32>> = (0..48)
            .map(|k| match part {
                VaePart::Convergence => prior.convergence(777, k).iter().map(|v| v.log10() as f32).collect(),
                VaePart::Source => prior.source(777, k).iter().map(|v| *v as f32).collect(),
            })
            .collect();
        let mean: Vec<f32> = (0..4096).map(|p| maps.iter().map(|m| m[p]).sum::<f32>() / maps.len() as f32).collect();
        let rms = |a: &[f32], b: &[f32]| {
            (a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
        };
        let latents = vae.encode(&maps.concat());
        let found = vae.decode(&latents.iter().flat_map(|l| l.mean.clone()).collect::<Vec<_>>());
        let own = maps.iter().zip(found.chunks_exact(4096)).map(|(m, f)| rms(m, f)).sum::<f64>();
        let null = maps.iter().map(|m| rms(m, &mean)).sum::<f64>();
        assert!(own < 0.6 * null, "{name}: {} of the null's {}", own / 48.0, null / 48.0);
        // What the card says it reached, on its own validation set, holds for these.
        let stated = vae_card_rms(&path);
        assert!(own / 48.0 < 1.25 * stated, "{name}: {} against {stated}", own / 48.0);
    }
}

fn vae_card_rms(path: &std::path::Path) -> f64 {
    sextans::learning::weights::load(path).unwrap().card["validation"]["rms"].as_f64().unwrap()
}
