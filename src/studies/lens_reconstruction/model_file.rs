//! `model.json` of a run: the whole model of the image, so that rays can be traced again after a run was saved and reopened.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Scene;
use crate::data::write_atomically;
use crate::studies::lens_models::{GALAXY_PARAMETERS, ISOTHERMAL_SLOPE, LensModel, PowerLaw, Sersic, Shear};
use crate::tasks::{Metrics, TaskError};

/// Name of the file in a run folder.
pub(super) const MODEL: &str = "model.json";

/// Marks the file, with the version of its layout.
const FORMAT: &str = "sextans lens model 1";

/// What the numbers mean; the file is read by people too.
const CONVENTIONS: [&str; 6] = [
    "positions in arcsec from the image centre, x along columns, y along rows",
    "angles in degrees, counter-clockwise from +x to the major axis",
    "sizes and Einstein radii along the intermediate axis, the geometric mean of major and minor",
    "axis_ratio is minor over major; shear: potential gamma1 (x^2 - y^2) / 2 + gamma2 x y",
    "amplitude is the surface brightness at the effective radius, in the unit of the image per pixel",
    "sources lie in the source plane, behind the lens; sky is a constant per pixel",
];

#[derive(Serialize)]
struct Written<'a> {
    format: &'a str,
    conventions: [&'a str; 6],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    left_out: &'a [&'a str],
    #[serde(flatten)]
    scene: &'a Scene,
}

#[derive(Deserialize)]
struct Read {
    format: String,
    lens: LensModel,
    sources: Vec<Sersic>,
    lens_light: Vec<Sersic>,
    sky: f64,
}

/// Writes the model of a run; `left_out`: what was made in pixels besides it, in words.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write_model(folder: &Path, scene: &Scene, left_out: &[&str]) -> Result<(), TaskError> {
    let path = folder.join(MODEL);
    let written = Written { format: FORMAT, conventions: CONVENTIONS, left_out, scene };
    let text = serde_json::to_string_pretty(&written).map_err(|e| TaskError::file(&path, e.to_string()))?;
    Ok(write_atomically(&path, |out| out.write_all(text.as_bytes()))?)
}

/// The model of a run; of one that was written before there was a file for it, what its numbers tell (`None` when they tell no lens).
///
/// # Errors
/// The file is there and cannot be read, or holds no model.
pub(super) fn read_model(folder: &Path, metrics: &Metrics) -> Result<Option<Scene>, TaskError> {
    let path = folder.join(MODEL);
    if !path.is_file() {
        return Ok(scene_of(metrics));
    }
    let text = std::fs::read_to_string(&path).map_err(|e| TaskError::file(&path, e.to_string()))?;
    let read: Read = serde_json::from_str(&text)
        .map_err(|e| TaskError::file(&path, format!("not a lens model ({e}): repeat the run with --repeat")))?;
    if read.format != FORMAT {
        return Err(TaskError::file(&path, format!("format = \"{}\": expected \"{FORMAT}\"", read.format)));
    }
    let scene = Scene { lens: read.lens, sources: read.sources, lens_light: read.lens_light, sky: read.sky };
    if scene.parameters().iter().all(|p| p.is_finite()) {
        Ok(Some(scene))
    } else {
        Err(TaskError::file(&path, "a parameter is not finite: repeat the run with --repeat"))
    }
}

/// A lens from the numbers that a run or a draw of its posterior gives, asked by their names; what they do not tell is as in `best`.
pub fn lens_of(best: Option<&LensModel>, number: impl Fn(&str) -> Option<f64>) -> Option<LensModel> {
    let finite = |name: &str| number(name).filter(|v| v.is_finite());
    let effective = finite("einstein_radius_arcsec").filter(|r| *r > 0.0)?;
    let shear = match (finite("gamma1"), finite("gamma2")) {
        (Some(gamma1), Some(gamma2)) => Shear { gamma1, gamma2 },
        _ => {
            let (strength, angle) = (finite("shear")?, finite("shear_angle_deg")?);
            let (sin, cos) = (2.0 * angle.to_radians()).sin_cos();
            Shear { gamma1: strength * cos, gamma2: strength * sin }
        }
    };
    let slope = finite("slope").unwrap_or_else(|| best.map_or(ISOTHERMAL_SLOPE, |b| b.galaxy.slope));
    let axis_ratio = finite("axis_ratio").filter(|q| (0.01..=1.0).contains(q))?;
    let galaxy = PowerLaw {
        einstein_radius_arcsec: effective,
        slope,
        axis_ratio,
        position_angle_deg: finite("position_angle_deg")?,
        x_arcsec: finite("lens_x_arcsec")?,
        y_arcsec: finite("lens_y_arcsec")?,
    };
    let lens = LensModel { galaxy, shear, further: best.map(|b| b.further.clone()).unwrap_or_default() };
    let layout = lens.layout();
    let mut parameters = lens.parameters();
    for (place, name) in layout.names().iter().enumerate().skip(GALAXY_PARAMETERS) {
        if let Some(value) = finite(name) {
            parameters[place] = value;
        }
    }
    // What is told is the effective radius, of everything together. That of galaxy and shear alone grows in proportion to the galaxy's:
    // one step is exact; with further masses a few are needed.
    let mut lens = LensModel::from_parameters(layout, &parameters);
    for _ in 0..8 {
        let factor = effective / lens.effective_einstein_radius();
        if !(factor.is_finite() && factor > 0.0) {
            return None;
        }
        lens.galaxy.einstein_radius_arcsec *= factor;
        if (factor - 1.0).abs() < 1e-7 {
            break;
        }
    }
    (shear.strength() < 1.0).then_some(lens)
}

fn scene_of(metrics: &Metrics) -> Option<Scene> {
    let lens = lens_of(None, |name| metrics.get(name).copied())?;
    let galaxies = |kind: &str| -> Vec<Sersic> {
        (1..).map_while(|k| galaxy_of(metrics, &if k == 1 { kind.to_owned() } else { format!("{kind}_{k}") })).collect()
    };
    let sky = metrics.get("sky").copied().unwrap_or(0.0);
    Some(Scene { lens, sources: galaxies("source"), lens_light: galaxies("lens_light"), sky })
}

fn galaxy_of(metrics: &Metrics, name: &str) -> Option<Sersic> {
    let number = |what: &str| metrics.get(&format!("{name}_{what}")).copied().filter(|v| v.is_finite());
    Some(Sersic {
        amplitude: number("brightness")?,
        effective_radius_arcsec: number("radius_arcsec")?,
        index: number("index")?,
        axis_ratio: number("axis_ratio")?,
        position_angle_deg: number("position_angle_deg")?,
        x_arcsec: number("x_arcsec")?,
        y_arcsec: number("y_arcsec")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::{Deflector, Mass, Sis};

    fn scene() -> Scene {
        let mut lens = LensModel { shear: Shear { gamma1: 0.04, gamma2: -0.03 }, ..LensModel::default() };
        (lens.galaxy.x_arcsec, lens.galaxy.y_arcsec) = (0.1 / 3.0, -0.07);
        let source = Sersic { amplitude: 0.3, x_arcsec: 0.1, ..Sersic::default() };
        let lights = vec![Sersic::default(), Sersic { index: 4.0, ..Sersic::default() }];
        Scene { lens, sources: vec![source], lens_light: lights, sky: 0.25 }
    }

    #[test]
    fn a_model_is_read_back_to_the_last_bit_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MODEL);
        write_model(folder.path(), &scene(), &["source in pixels"]).unwrap();
        assert_eq!(read_model(folder.path(), &Metrics::new()).unwrap(), Some(scene()));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("counter-clockwise from +x") && text.contains("source in pixels"), "{text}");
        for (damaged, told) in [
            (text.replace("lens model 1", "lens model 9"), "lens model 9"),
            (text.replace("\"sky\"", "\"sea\""), "sky"),
            (text[..text.len() / 2].to_owned(), "not a lens model"),
            (text.replace("\"sky\": 0.25", "\"sky\": 1e999"), "model.json"),
        ] {
            assert_ne!(damaged, text);
            std::fs::write(&path, damaged).unwrap();
            let error = read_model(folder.path(), &Metrics::new()).unwrap_err().to_string();
            assert!(error.contains(told) && error.contains("model.json") && !error.contains('\n'), "{error}");
        }
    }

    /// A run without the file: the lens from its numbers deflects as the fitted one does.
    #[test]
    fn older_runs_give_their_lens_by_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let mut metrics = crate::studies::lens_reconstruction::maps::lens_metrics(&scene().lens);
        let found = read_model(folder.path(), &metrics).unwrap().unwrap();
        assert!(found.sources.is_empty());
        let (a, b) = (found.lens.prepare(), scene().lens.prepare());
        for [x, y] in [[0.8, 0.3], [-1.1, 0.9]] {
            let ([ax, ay], [bx, by]) = (a.deflection(x, y), b.deflection(x, y));
            assert!((ax - bx).hypot(ay - by) < 1e-9);
        }
        for (what, value) in [
            ("brightness", 0.3),
            ("radius_arcsec", 0.2),
            ("index", 1.0),
            ("axis_ratio", 0.7),
            ("position_angle_deg", 20.0),
            ("x_arcsec", 0.1),
            ("y_arcsec", 0.0),
        ] {
            metrics.insert(format!("source_{what}"), value);
            metrics.insert(format!("source_2_{what}"), value);
        }
        assert_eq!(read_model(folder.path(), &metrics).unwrap().unwrap().sources.len(), 2);
        metrics.insert("axis_ratio".into(), f64::NAN);
        assert!(read_model(folder.path(), &metrics).unwrap().is_none());
    }
    /// A draw of a lens with a slope and a satellite: what the draw tells, and the rest as in the best model.
    #[test]
    fn a_draw_of_a_lens_of_several_masses_has_the_radius_that_it_tells() {
        let mut best = scene().lens;
        best.galaxy.slope = 1.9;
        best.further = vec![Mass::Sis(Sis { einstein_radius_arcsec: 0.1, x_arcsec: 1.5, y_arcsec: 0.8 })];
        let mut truth = best.clone();
        (truth.galaxy.einstein_radius_arcsec, truth.galaxy.slope, truth.galaxy.axis_ratio) = (1.31, 2.08, 0.66);
        let mut metrics = crate::studies::lens_reconstruction::maps::lens_metrics(&truth);
        metrics.insert("slope".into(), truth.galaxy.slope);
        let found = lens_of(Some(&best), |name| metrics.get(name).copied()).unwrap();
        assert!((found.galaxy.einstein_radius_arcsec - 1.31).abs() < 1e-5, "{found:?}");
        assert_eq!((found.galaxy.slope, found.further.len()), (2.08, 1));
    }
}
