//! Which maps a sight shows, with weak spaxels left out.

use std::sync::Arc;

use ndarray::{Array2, Zip};
use serde::{Deserialize, Serialize};

use super::super::data_step::line_name;
use super::super::finished::Finished;
use crate::panels::maps::{Look, MapSpec};
use crate::plots::limits::Limits;
use crate::studies::line_ratios::Method;
use crate::studies::line_ratios::learned::{Author, PRIOR_DOMINATED};
use crate::studies::line_ratios::lines::Line;
use crate::workers::Weigh;

/// The frame of all maps of the step.
pub(super) const FRAME: &str = "lines maps";

/// What step 3 shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sight {
    /// The six that say most.
    #[default]
    Overview,
    /// Fluxes of all lines.
    Fluxes,
    /// Ratios.
    Ratios,
    /// Errors and upper limits.
    Errors,
    /// How well lines are seen, and how well they are fitted.
    Quality,
    /// Fit, truth, and their difference in errors.
    Truth,
    /// A diagram of excitation beside a map.
    Diagram,
    /// Found against true, coverage and pulls on held-out spectra.
    Calibration,
    /// Which samples of the spectrum a ratio of the network hangs on.
    Activation,
    /// [NII] 6583 / 6548, by the fit and by the network.
    Doublet,
    /// Cross-validation.
    Folds,
}

impl Sight {
    /// Every sight with its name and help.
    pub(super) const ALL: [(Self, &'static str, &'static str); 11] = [
        (Self::Overview, "Maps", "Velocity, broadening, the brightest line, a ratio, how well it is seen and fitted"),
        (Self::Fluxes, "Fluxes", "The flux of every line"),
        (Self::Ratios, "Ratios", "Every ratio that the lines of the band allow"),
        (Self::Errors, "Errors", "Standard errors, and upper limits of 3 sigma"),
        (Self::Quality, "Quality", "Signal to noise of every line, chi2, the factor of the noise, bins"),
        (Self::Truth, "Truth", "Fit, truth, and their difference in units of the error"),
        (Self::Diagram, "Diagram", "Ratio against ratio: what ionises the gas; linked to the map"),
        (
            Self::Calibration,
            "Calibration",
            "Held-out spectra: found against true, coverage of the 68 % intervals, pulls against a normal distribution",
        ),
        (Self::Activation, "Activation map", "Which samples of this spectrum a ratio of the network hangs on"),
        (Self::Doublet, "[NII] doublet", "6583 / 6548, which physics fixes: by the free fit and by the network"),
        (Self::Folds, "k-fold", "The ratio network taught on all but one part of its spectra, judged on that part"),
    ];

    /// True of the sights that a benchmark or a network fills rather than the maps of a run.
    pub(super) fn is_of_networks(self) -> bool {
        self.needs_benchmark() || self == Self::Activation
    }

    /// True of those that show held-out spectra.
    pub(super) fn needs_benchmark(self) -> bool {
        matches!(self, Self::Calibration | Self::Doublet | Self::Folds)
    }

    /// Columns of its grid of maps in a run of a method.
    pub(super) fn columns(self, method: Method) -> usize {
        match self {
            // Fit, network and hybrid of one ratio beside each other.
            Self::Ratios if method == Method::Hybrid => 3,
            Self::Truth => 3,
            Self::Diagram | Self::Calibration | Self::Activation | Self::Doublet | Self::Folds => 1,
            Self::Overview | Self::Fluxes | Self::Ratios | Self::Errors | Self::Quality => 2,
        }
    }
}

/// What is wanted of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wanted {
    pub sight: Sight,
    pub least_snr: f64,
}

/// One map as it is shown.
struct Shown {
    id: &'static str,
    title: String,
    unit: String,
    image: Arc<Array2<f32>>,
    look: Look,
    limits: Option<Limits>,
    /// Takes the limits of this one.
    limits_of: Option<&'static str>,
}

/// The maps of a sight.
pub(super) struct Sheet {
    pub id: u64,
    pub sight: Sight,
    maps: Vec<Shown>,
}

impl Weigh for Sheet {
    fn bytes(&self) -> usize {
        self.maps.iter().map(|map| 4 * map.image.len()).sum()
    }
}

/// Names of places in the grid, so that a map keeps its tiles while another sight is not asked for.
const PLACES: [&str; 24] = [
    "line map 1",
    "line map 2",
    "line map 3",
    "line map 4",
    "line map 5",
    "line map 6",
    "line map 7",
    "line map 8",
    "line map 9",
    "line map 10",
    "line map 11",
    "line map 12",
    "line map 13",
    "line map 14",
    "line map 15",
    "line map 16",
    "line map 17",
    "line map 18",
    "line map 19",
    "line map 20",
    "line map 21",
    "line map 22",
    "line map 23",
    "line map 24",
];

/// `NII6583/Halpha` as people write it.
pub(super) fn ratio_name(name: &str) -> String {
    let side = |side: &str| match side {
        "SII" => "[SII]".to_owned(),
        "OII" => "[OII]".to_owned(),
        line => Line::by_name(line).map_or_else(|| line.to_owned(), |line| line_name(line).to_owned()),
    };
    let (above, below) = name.split_once('/').unwrap_or((name, ""));
    format!("{} / {}", side(above), side(below))
}

/// Title of a map of the run.
pub(super) fn title_of(name: &str) -> String {
    for author in [Author::Network, Author::Hybrid] {
        if let Some(rest) = name.strip_prefix(author.of_map()) {
            return match rest.strip_suffix(PRIOR_DOMINATED) {
                Some(ratio) => format!("Prior-dominated (1): {}, {}", ratio_name(ratio), author.name()),
                None => format!("{}, {}", title_of(rest), author.name()),
            };
        }
    }
    let (base, what) = match (name.strip_suffix("_ERROR"), name.strip_suffix("_LIMIT")) {
        (Some(base), _) => (base, "error of "),
        (_, Some(base)) => (base, "limit of "),
        _ => (name, ""),
    };
    let line = |prefix: &str| base.strip_prefix(prefix).and_then(Line::by_name).map(line_name);
    let title = match base {
        "VELOCITY" => "velocity".to_owned(),
        "BROADENING" => "broadening".to_owned(),
        "SIGNIFICANCE" => "significance of the lines".to_owned(),
        "REDUCED_CHI2" => "reduced χ²".to_owned(),
        "NOISE_FACTOR" => "noise factor".to_owned(),
        "BIN" => "bin".to_owned(),
        base if base.contains('/') => ratio_name(base),
        base => match (line("FLUX_"), line("SNR_")) {
            (Some(line), _) => format!("flux of {line}"),
            (_, Some(line)) => format!("S/N of {line}"),
            _ => base.to_owned(),
        },
    };
    let whole = format!("{what}{title}");
    let mut letters = whole.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn look_of(name: &str) -> Look {
    match name {
        "VELOCITY" => Look::Velocity,
        name if name.starts_with("FLUX_") && !name.ends_with("_ERROR") => Look::Light,
        _ => Look::Plain,
    }
}

/// Names of the maps of a sight.
fn names(finished: &Finished, sight: Sight) -> Vec<String> {
    let all = || finished.outcome.maps.iter().map(|map| map.name.clone());
    let is_ratio = |name: &String| name.contains('/');
    let is_plain = |name: &String| !["_ERROR", "_LIMIT", PRIOR_DOMINATED].iter().any(|end| name.ends_with(end));
    let brightest = |prefix: &str| finished.brightest_line.map(|line| format!("{prefix}{}", line.name()));
    match sight {
        Sight::Overview => {
            let mut names = vec!["VELOCITY".to_owned(), "BROADENING".to_owned()];
            names.extend(brightest("FLUX_"));
            names.extend(all().find(|name| is_ratio(name) && is_plain(name)));
            names.extend(brightest("SNR_"));
            names.push("REDUCED_CHI2".to_owned());
            names
        }
        Sight::Fluxes => all().filter(|name| name.starts_with("FLUX_") && is_plain(name)).collect(),
        Sight::Ratios => by_ratio(all().filter(|name| is_ratio(name) && is_plain(name)).collect()),
        Sight::Errors => {
            let kinematic = ["VELOCITY_ERROR", "BROADENING_ERROR"].map(String::from);
            let fluxes = brightest("FLUX_").map(|name| format!("{name}_ERROR"));
            let limits = all().filter(|name| name.ends_with("_LIMIT") && !is_ratio(name));
            kinematic
                .into_iter()
                .chain(fluxes)
                .chain(all().filter(|n| is_ratio(n) && n.ends_with("_ERROR")))
                .chain(limits)
                .collect()
        }
        Sight::Quality => {
            let snr = all().filter(|name| name.starts_with("SNR_"));
            snr.chain(["SIGNIFICANCE", "REDUCED_CHI2", "NOISE_FACTOR", "BIN"].map(String::from))
                .chain(all().filter(|name| name.ends_with(PRIOR_DOMINATED)))
                .collect()
        }
        Sight::Truth | Sight::Calibration | Sight::Activation | Sight::Doublet | Sight::Folds => Vec::new(),
        Sight::Diagram => vec!["VELOCITY".to_owned()],
    }
}

/// Maps of the same ratio beside each other, in the order of the fit; those that stand alone at the end.
fn by_ratio(mut names: Vec<String>) -> Vec<String> {
    let ratio = |name: &str| {
        let plain = [Author::Network, Author::Hybrid].iter().find_map(|author| name.strip_prefix(author.of_map()));
        plain.unwrap_or(name).to_owned()
    };
    let first: Vec<String> = names.iter().map(|name| ratio(name)).collect();
    let order = |name: &String| {
        let own = ratio(name);
        let company = first.iter().filter(|other| **other == own).count();
        let most = first.iter().map(|one| first.iter().filter(|other| *other == one).count()).max();
        (Some(company) < most, first.iter().position(|other| *other == own))
    };
    // Stable: fit, network, hybrid.
    names.sort_by_key(order);
    names
}

impl Sheet {
    /// The maps of a run.
    pub(super) fn of(finished: &Finished, wanted: Wanted) -> Self {
        let keep = kept(finished, wanted.least_snr);
        let mut maps = if wanted.sight == Sight::Truth { with_truth(finished, keep.as_ref()) } else { Vec::new() };
        for name in names(finished, wanted.sight) {
            let Some(map) = finished.outcome.map(&name) else { continue };
            let mut image = masked(&map.values, keep.as_ref());
            if let Some(flags) = finished.outcome.map(&format!("{name}{PRIOR_DOMINATED}")) {
                image = masked(&image, Some(&flags.values.mapv(|flag| flag < 0.5)));
            }
            let limits = limits_of(&name, &image);
            maps.push(Shown {
                id: "",
                title: title_of(&name),
                unit: map.unit.clone(),
                image: Arc::new(image),
                look: look_of(&name),
                limits,
                limits_of: None,
            });
        }
        maps.truncate(PLACES.len());
        for (map, id) in maps.iter_mut().zip(PLACES) {
            map.id = id;
        }
        Self { id: finished.id, sight: wanted.sight, maps }
    }

    /// As the grid draws them.
    pub(super) fn specs(&self, finished: &Finished) -> Vec<MapSpec<'_>> {
        self.maps.iter().map(|map| map.spec(finished.scale_arcsec)).collect()
    }
}

impl Shown {
    fn spec(&self, scale: f64) -> MapSpec<'_> {
        let spec = MapSpec::new(self.id, &self.title, &self.image, scale, FRAME, self.look);
        let spec = spec.unit(&self.unit).limits(self.limits);
        match self.limits_of {
            Some(id) => spec.limits_of(id),
            None => spec,
        }
    }
}

/// Spaxels in which the brightest line is seen well enough; `None` for all.
pub(super) fn kept(finished: &Finished, least_snr: f64) -> Option<Array2<bool>> {
    let line = finished.brightest_line.filter(|_| least_snr > 0.0)?;
    let snr = finished.outcome.map(&format!("SNR_{}", line.name()))?;
    Some(snr.values.mapv(|value| f64::from(value) >= least_snr))
}

fn masked(values: &Array2<f32>, keep: Option<&Array2<bool>>) -> Array2<f32> {
    let mut image = values.clone();
    if let Some(keep) = keep.filter(|keep| keep.dim() == image.dim()) {
        Zip::from(&mut image).and(keep).for_each(|value, keep| {
            if !keep {
                *value = f32::NAN;
            }
        });
    }
    image
}

/// Limits that a few wild spaxels do not move; `None` where the display's own do.
fn limits_of(name: &str, image: &Array2<f32>) -> Option<Limits> {
    match name {
        "VELOCITY" => about_median(image),
        name if name.ends_with(PRIOR_DOMINATED) => Some(Limits::new(0.0, 1.0)),
        name if name == "BROADENING" || name.contains('/') => {
            let mut values: Vec<f32> = image.iter().copied().filter(|value| value.is_finite()).collect();
            let (low, high) = (part(&mut values, 0.02)?, part(&mut values, 0.98)?);
            Some(Limits::new(f64::from(low), f64::from(high)))
        }
        _ => None,
    }
}

/// The value below which this part of the values lies.
fn part(values: &mut [f32], part: f64) -> Option<f32> {
    let index = (values.len().checked_sub(1)? as f64 * part).round() as usize;
    Some(*values.select_nth_unstable_by(index, f32::total_cmp).1)
}

/// Limits about the median, as far as 98 % of the values lie from it: the middle of the colours is the object's own velocity.
fn about_median(image: &Array2<f32>) -> Option<Limits> {
    let mut values: Vec<f32> = image.iter().copied().filter(|value| value.is_finite()).collect();
    let middle = part(&mut values, 0.5)?;
    for value in &mut values {
        *value = (*value - middle).abs();
    }
    let reach = part(&mut values, 0.98)?.max(1.0);
    Some(Limits::new(f64::from(middle - reach), f64::from(middle + reach)))
}

/// Fit, truth, and (fit - truth) / error, of velocity, broadening and the brightest flux.
fn with_truth(finished: &Finished, keep: Option<&Array2<bool>>) -> Vec<Shown> {
    let flux = finished.brightest_line.map(|line| format!("FLUX_{}", line.name()));
    let mut maps: Vec<Shown> = Vec::new();
    for name in ["VELOCITY".to_owned(), "BROADENING".to_owned()].into_iter().chain(flux) {
        let error = finished.outcome.map(&format!("{name}_ERROR"));
        let (Some(fit), Some(error), Some(truth)) = (finished.outcome.map(&name), error, finished.true_map(&name))
        else {
            continue;
        };
        let mut pull = &fit.values - &truth.values;
        pull /= &error.values;
        let fitted = masked(&fit.values, keep);
        let limits = limits_of(&name, &fitted);
        let title = title_of(&name);
        let lower = title.to_lowercase().replace("hα", "Hα").replace("hβ", "Hβ");
        let first = PLACES[maps.len()];
        let shown = |title: String, unit: &str, image, look, limits, limits_of| Shown {
            id: "",
            title,
            unit: unit.to_owned(),
            image: Arc::new(image),
            look,
            limits,
            limits_of,
        };
        maps.push(shown(title, &fit.unit, fitted, look_of(&name), limits, None));
        maps.push(shown(format!("True {lower}"), &fit.unit, truth.values.clone(), look_of(&name), limits, Some(first)));
        let title = format!("(Fit − truth) / error: {lower}");
        maps.push(shown(title, "sigma", masked(&pull, keep), Look::Residual, None, None));
    }
    maps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_those_of_the_field() {
        for (name, title) in [
            ("VELOCITY", "Velocity"),
            ("FLUX_NII6583", "Flux of [NII] 6583"),
            ("FLUX_Halpha_LIMIT", "Limit of flux of Hα"),
            ("NII6583/Halpha", "[NII] 6583 / Hα"),
            ("SII/Halpha_ERROR", "Error of [SII] / Hα"),
            ("REDUCED_CHI2", "Reduced χ²"),
            ("NETWORK_SII/Halpha", "[SII] / Hα, network"),
            ("HYBRID_NII6583/Halpha_ERROR", "Error of [NII] 6583 / Hα, hybrid"),
            ("NETWORK_NII6583/SII_PRIOR_DOMINATED", "Prior-dominated (1): [NII] 6583 / [SII], network"),
        ] {
            assert_eq!(title_of(name), title);
        }
    }

    #[test]
    fn maps_of_one_ratio_stand_together() {
        let names = ["A/B", "C/D", "E/F", "NETWORK_C/D", "NETWORK_A/B", "HYBRID_C/D", "HYBRID_A/B"].map(String::from);
        let sorted = by_ratio(names.to_vec());
        assert_eq!(sorted, ["A/B", "NETWORK_A/B", "HYBRID_A/B", "C/D", "NETWORK_C/D", "HYBRID_C/D", "E/F"]);
    }

    #[test]
    fn velocities_are_coloured_about_their_median() {
        let image = Array2::from_shape_fn((10, 10), |(y, x)| (10 * y + x) as f32 - 20.0);
        let limits = about_median(&image).unwrap();
        assert!((0.5 * (limits.low + limits.high) - 30.0).abs() < 1.0 && (limits.high - limits.low - 98.0).abs() < 2.1);
        assert!(about_median(&Array2::from_elem((3, 3), f32::NAN)).is_none());
    }

    #[test]
    fn weak_spaxels_become_holes() {
        let keep = Array2::from_shape_fn((2, 2), |(y, _)| y == 0);
        let image = masked(&Array2::from_elem((2, 2), 5.0), Some(&keep));
        assert_eq!(image[[0, 1]], 5.0);
        assert!(image[[1, 0]].is_nan());
    }
}
