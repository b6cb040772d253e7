//! [`Part::Methods`](super::Part::Methods): every method of the study on the same lenses, whose truths are known.
//!
//! Lenses come from the training's prior ([`case`]: held out, with substructure and, for comparison, smooth) or are made of maps of
//! simulations and pictures of galaxies ([`structures`]). Each method begins from the image alone ([`contest`]), one after the other on all
//! threads, so that seconds can be compared. Rows go to a table ([`table`]), medians and shares of victories to the metrics ([`summary`]).

mod case;
mod contest;
mod structures;
mod summary;
mod table;
mod track;

use std::sync::Arc;

use rayon::current_num_threads;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BenchmarkRequest, BenchmarkUpdate};
use crate::studies::lens_reconstruction::rim::load;
use crate::studies::lens_reconstruction::rim::prior::NoiseRegime;
use crate::tasks::{Progress, TaskError};

use case::Cases;
use contest::Contest;
use structures::Structures;
pub use summary::{Spread, Summary};
pub(super) use summary::{metrics, table as summary_table};
pub use table::{MethodRow, TrackRow};
pub(super) use table::{rows_from, rows_table, tracks_from, tracks_table};

/// A method that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Contestant {
    /// Without looking at the image: the mean of `log10` convergence over other lenses of the prior, and an empty source.
    Null,
    /// Isothermal ellipsoid with shear and a Sersic source.
    Parametric,
    /// Elliptical power law with shear, the source in pixels.
    Inversion,
    /// Source and convergence in pixels together, from the inversion on.
    Pixels,
    /// The network as it was trained.
    Rim,
    /// The network fine-tuned on the image.
    RimFinetuned,
    /// The answer of the network as it was trained, refined on the likelihood.
    RimRefined,
}

impl Contestant {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Null, Self::Parametric, Self::Inversion, Self::Pixels, Self::Rim, Self::RimRefined, Self::RimFinetuned];

    /// Its name in tables and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Parametric => "parametric",
            Self::Inversion => "inversion",
            Self::Pixels => "pixels",
            Self::Rim => "rim",
            Self::RimFinetuned => "rim_finetuned",
            Self::RimRefined => "rim_refined",
        }
    }

    /// Whether it needs the network.
    pub fn is_network(self) -> bool {
        matches!(self, Self::Rim | Self::RimFinetuned | Self::RimRefined)
    }
}

/// Where lenses come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LensSet {
    /// The prior of the training, with all substructure.
    Substructure,
    /// The same lenses without satellites, subhaloes, multipoles and random structure.
    Smooth,
    /// Maps of simulated haloes and pictures of real galaxies.
    Structures,
}

impl LensSet {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Substructure, Self::Smooth, Self::Structures];

    /// Its name in tables and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Substructure => "substructure",
            Self::Smooth => "smooth",
            Self::Structures => "structures",
        }
    }
}

/// Name of a noise level in tables and metrics.
pub(super) fn level_name(level: NoiseRegime) -> &'static str {
    match level {
        NoiseRegime::Low => "low",
        NoiseRegime::Medium => "medium",
        NoiseRegime::High => "high",
    }
}

/// All noise levels.
pub(super) const LEVELS: [NoiseRegime; 3] = [NoiseRegime::Low, NoiseRegime::Medium, NoiseRegime::High];

/// Pixels a side where no network says how many.
const PIXELS: usize = 64;

/// What the comparison leaves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// A row a lens and method.
    pub rows: Vec<MethodRow>,
    /// Error against seconds of the methods that go step by step.
    pub tracks: Vec<TrackRow>,
}

/// Every method on every lens, in order.
pub(super) fn run(request: &BenchmarkRequest, progress: &Progress<BenchmarkUpdate>) -> Result<Comparison, TaskError> {
    progress.phase("lenses");
    let machine = request.weights.as_deref().map(load).transpose()?;
    let pixels = machine.as_ref().map_or(PIXELS, |m| m.rim.settings.pixels);
    let cases = Cases::new(request, pixels, progress)?;
    let threads = current_num_threads();
    let mut out = Comparison::default();
    for index in 0..cases.len() {
        progress.check()?;
        let case = cases.get(index)?;
        let mut contest = Contest::new(request, &case, machine.as_ref(), progress);
        for (k, method) in request.contestants().into_iter().enumerate() {
            progress.phase(format!("lens {} of {}: {}", index + 1, cases.len(), method.name()));
            let answer = contest.answer(method)?;
            let row = MethodRow::of(&case, method, &answer, threads);
            progress.log(
                &format!("convergence, rms in dex: {}", method.name()),
                index as f64 + 1.0,
                row.convergence_rms_dex,
            );
            out.tracks.extend(answer.track.iter().map(|point| TrackRow::of(&row, *point)));
            out.rows.push(row);
            let done = (k + 1) as f64 / request.contestants().len() as f64;
            progress.fraction((index as f64 + done) / cases.len() as f64);
            progress.update(|| BenchmarkUpdate { methods: Arc::new(out.rows.clone()), ..BenchmarkUpdate::default() });
        }
    }
    Ok(out)
}

impl BenchmarkRequest {
    /// The methods that are compared, in order, each once; the null is always one of them.
    pub(super) fn contestants(&self) -> Vec<Contestant> {
        Contestant::ALL.into_iter().filter(|m| *m == Contestant::Null || self.methods.contains(m)).collect()
    }

    /// The noise levels, in order, each once.
    pub(super) fn levels(&self) -> Vec<NoiseRegime> {
        LEVELS.into_iter().filter(|level| self.noise_levels.contains(level)).collect()
    }
}

/// Seconds of one core that the comparison takes, as measured for images of 64 pixels.
pub(super) fn seconds(request: &BenchmarkRequest) -> Result<f64, TaskError> {
    let source = (request.source_pixels as f64 / 40.0).powi(6);
    let one = |method: &Contestant| match method {
        Contestant::Null => 0.0,
        Contestant::Parametric => 2.0,
        Contestant::Inversion => 4.0 + 8.0 * source,
        Contestant::Pixels => 8.0 + 4.0 * source,
        Contestant::Rim => 0.5,
        Contestant::RimRefined => 4.0,
        Contestant::RimFinetuned => 0.4 * (24.0 + request.finetune_steps as f64),
    };
    let lenses = match &request.structures {
        Some(folder) => Structures::count(folder)?,
        None => request.lenses + request.smooth_lenses,
    };
    Ok((lenses * request.levels().len()) as f64 * request.contestants().iter().map(one).sum::<f64>())
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde_json::json;

    use super::*;
    use crate::data::read_ecsv;
    use crate::learning::weights;
    use crate::studies::lens_reconstruction::benchmark::{BenchmarkOutcome, Part};
    use crate::studies::lens_reconstruction::rim::{Rim, RimSettings, TrainRequest};
    use crate::tasks::{Board, Cancel, Outcome, Provenance, Task};

    /// One lens, and a network that has learned nothing yet.
    fn tiny(folder: &std::path::Path) -> BenchmarkRequest {
        let settings = RimSettings { pixels: 32, filters: 4, levels: 2, convolutions: 1, input_kernel: 3, steps: 3 };
        let rim = Rim::new(&settings, 1, &Device::flex());
        let card =
            json!({"network": "lens_reconstruction.rim", "settings": settings, "request": TrainRequest::default()});
        let path = folder.join("fresh.safetensors");
        weights::save(&path, &rim.parameters(), &card).unwrap();
        BenchmarkRequest {
            part: Part::Methods,
            weights: Some(path),
            methods: vec![Contestant::Rim, Contestant::Parametric, Contestant::Rim],
            noise_levels: vec![NoiseRegime::High, NoiseRegime::Low],
            lenses: 1,
            smooth_lenses: 0,
            ..BenchmarkRequest::default()
        }
    }

    #[test]
    fn one_lens_gives_rows_metrics_and_tables() {
        let folder = tempfile::tempdir().unwrap();
        let request = tiny(folder.path());
        assert_eq!(request.contestants(), [Contestant::Null, Contestant::Parametric, Contestant::Rim]);
        let outcome = request.run(&Progress::silent()).unwrap();
        let Comparison { rows, tracks } = &outcome.comparison;
        assert_eq!(rows.len(), 6);
        let row = |method: Contestant| rows.iter().find(|r| r.method == method && r.level == NoiseRegime::Low).unwrap();
        let [null, parametric, rim] = [Contestant::Null, Contestant::Parametric, Contestant::Rim].map(row);
        // An empty source, and the mean of other lenses; the fit knows more of radius and source, the fresh network nothing. Of one lens the mean
        // may be near to the convergence by chance, nearer than an isothermal ellipsoid is.
        assert!((null.source_rms_relative - 1.0).abs() < 1e-9 && (0.02..1.0).contains(&null.convergence_rms_dex));
        assert!(!parametric.failed && parametric.einstein_radius_error < 0.05, "{parametric:?}");
        assert!(parametric.einstein_radius_error < 0.5 * null.einstein_radius_error, "{parametric:?} {null:?}");
        assert!(parametric.source_rms_relative < 0.9, "{parametric:?}");
        assert!(parametric.arc_chi2 < 0.5 * null.arc_chi2 && parametric.arc_pixels > 10.0, "{parametric:?} {null:?}");
        assert!(rim.arc_chi2 > 2.0 * parametric.arc_chi2 && rim.gradients == 2.0, "{rim:?}");
        assert!(rim.seconds > 0.0 && rim.seconds_before == parametric.seconds && rim.threads >= 1.0);
        // Three evaluations and the answer, at both levels.
        assert_eq!(tracks.len(), 8);
        assert!(tracks.windows(2).all(|t| t[0].level != t[1].level || t[0].seconds < t[1].seconds), "{tracks:?}");

        let metrics = outcome.metrics();
        assert_eq!(metrics["parametric_low_convergence_rms_dex"], parametric.convergence_rms_dex);
        assert_eq!(metrics["null_high_source_rms_relative"], 1.0);
        assert_eq!(metrics["parametric_low_source_rms_relative_wins"], 1.0);
        assert!(metrics["rim_low_convergence_rms_dex_error"].is_nan(), "one lens has no spread");
        let provenance =
            Provenance { task: BenchmarkRequest::NAME.into(), version: "test".into(), request: "{}".into() };
        let files = outcome.save(folder.path(), &provenance).unwrap();
        assert_eq!(files, ["methods.ecsv", "summary.ecsv", "track.ecsv"]);
        let table = read_ecsv(&folder.path().join("methods.ecsv")).unwrap();
        for name in ["lens", "source_rms_relative", "arc_chi2", "blank_sky_chi2", "seconds", "gradients", "threads"] {
            assert_eq!(table.numbers(name).unwrap().len(), 6, "{name}");
        }
        let again = BenchmarkOutcome::load(folder.path(), &json!({}), &metrics).unwrap();
        assert_eq!(again.comparison.rows.len(), 6);
        assert_eq!(format!("{:?}", again.metrics()), format!("{metrics:?}"));
    }

    #[test]
    fn a_cancelled_comparison_leaves_nothing_and_a_missing_network_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let request = tiny(folder.path());
        let cancel = Cancel::new();
        let count = std::sync::atomic::AtomicUsize::new(0);
        let switch = cancel.clone();
        // In the midst of it: the null of the first lens is done.
        let wake = move || {
            if count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 5 {
                switch.cancel();
            }
        };
        let progress = Progress::on(&Board::with(cancel, Some(Box::new(wake))));
        assert!(matches!(request.run(&progress), Err(TaskError::Cancelled)));
        assert!(progress.board().snapshot().fraction < 1.0);
        let without = BenchmarkRequest { weights: None, ..request };
        let error = without.run(&Progress::silent()).unwrap_err().to_string();
        assert!(error.contains("weights") && error.contains("lens_reconstruction.train"), "{error}");
        let missing = BenchmarkRequest { structures: Some(folder.path().join("nowhere")), ..without };
        let error = missing.cost().unwrap_err().to_string();
        assert!(error.contains("nowhere") && error.contains("structures"), "{error}");
    }
}
