//! What a reader of a fit must know before trusting it, in words with numbers.

use super::geometry::Bounds;
use super::{ParametricFit, peak};
use crate::numerics::levenberg_marquardt::Stop;
use crate::studies::lens_models::{GALAXY_PARAMETERS, SERSIC_PARAMETERS};
use crate::studies::lens_reconstruction::scene::AMPLITUDE;

/// Reduced chi-squared above which the model does not describe the data.
const GREATEST_CHI2: f64 = 2.0;
/// The same as a multiple of that of blank sky, where that is above 1.
const GREATEST_CHI2_OF_SKY: f64 = 1.5;
/// Reduced chi-squared of blank sky that a noise map may have.
const SKY_CHI2: std::ops::RangeInclusive<f64> = 0.3..=2.0;
/// Distance of mass from light that is worth a word (pixels).
const GREATEST_OFFSET_PX: f64 = 2.0;
const LENS_NAMES: [&str; GALAXY_PARAMETERS] =
    ["Einstein radius", "ellipticity e1", "ellipticity e2", "x", "y", "shear gamma1", "shear gamma2", "slope"];
const LENS_UNITS: [&str; GALAXY_PARAMETERS] = [" arcsec", "", "", " arcsec", " arcsec", "", "", ""];
const GALAXY_NAMES: [&str; SERSIC_PARAMETERS] =
    ["brightness", "x", "y", "effective radius", "ellipticity e1", "ellipticity e2", "Sersic index"];
const GALAXY_UNITS: [&str; SERSIC_PARAMETERS] = ["", " arcsec", " arcsec", " arcsec", "", "", ""];

/// All warnings of a result, the gravest first.
pub(super) fn of(fit: &ParametricFit, pixel: f64, bounds: &Bounds, dark: bool, max_steps: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    warnings.extend(bad_model(fit));
    warnings.extend(not_converged(fit, max_steps));
    warnings.extend(noise_map(fit));
    warnings.extend(at_bounds(fit, bounds, dark));
    if dark {
        warnings.push("no lens light was found: lens_light_components = 0 describes the image as well".to_owned());
    } else {
        warnings.extend(mass_off_light(fit, pixel));
    }
    warnings
}

fn bad_model(fit: &ParametricFit) -> Option<String> {
    let chi2 = fit.reduced_chi2;
    let do_not_trust = "the model does not describe the data: do not trust the errors";
    let sky = fit.blank_sky.map(|sky| sky.reduced_chi2).filter(|sky| *sky > 1.0);
    match sky {
        Some(sky) if chi2 > GREATEST_CHI2_OF_SKY * sky => {
            Some(format!("reduced chi2 {chi2:.2}, where blank sky has {sky:.2}: {do_not_trust}"))
        }
        None if chi2 > GREATEST_CHI2 => Some(format!("reduced chi2 {chi2:.2}: {do_not_trust}")),
        _ => None,
    }
}

fn not_converged(fit: &ParametricFit, max_steps: usize) -> Option<String> {
    match fit.stop {
        Stop::Converged => None,
        Stop::StepLimit => Some(format!(
            "the joint fit did not converge: it used all of its {max_steps} steps (max_steps); more may improve it"
        )),
        Stop::Stalled => Some("the joint fit did not converge: it stalled, no smaller step improved it".to_owned()),
        Stop::NotFinite | Stop::Cancelled => {
            Some(format!("the joint fit did not converge: it ended with {:?}", fit.stop))
        }
    }
}

fn noise_map(fit: &ParametricFit) -> Option<String> {
    let chi2 = fit.blank_sky?.reduced_chi2;
    let (factor, what) = if chi2 < 1.0 { (1.0 / chi2.max(1e-12).sqrt(), "large") } else { (chi2.sqrt(), "small") };
    (!SKY_CHI2.contains(&chi2))
        .then(|| format!("blank sky has reduced chi2 {chi2:.2}: the noise map seems {factor:.1} times too {what}"))
}

/// Parameters that ended at a bound, but for those of light that is not there.
fn at_bounds(fit: &ParametricFit, bounds: &Bounds, dark: bool) -> Vec<String> {
    let layout = fit.layout;
    let mut warnings = Vec::new();
    let names = layout.names();
    let further = (GALAXY_PARAMETERS..layout.lens_len()).filter(|&i| layout.lens.moves(i));
    for (i, name) in further.map(|i| (i, &names[i])) {
        if let Some((side, limit)) = side_of(fit.parameters[i], i, bounds) {
            warnings.push(format!("{name} at its {side} limit {}", short(limit)));
        }
    }
    for i in 0..GALAXY_PARAMETERS {
        let Some((side, limit)) = side_of(fit.parameters[i], i, bounds) else { continue };
        let (name, unit) = (LENS_NAMES[i], LENS_UNITS[i]);
        let ratio = if i == 1 || i == 2 {
            format!(" (axis ratio of the mass {:.2})", fit.scene.lens.galaxy.axis_ratio)
        } else {
            String::new()
        };
        warnings.push(format!("lens: {name} at its {side} limit {}{unit}{ratio}", short(limit)));
    }
    for component in 0..layout.components() {
        let (kind, number) = if component < layout.sources {
            ("source", component + 1)
        } else {
            ("lens light", component + 1 - layout.sources)
        };
        if kind == "lens light" && dark {
            continue;
        }
        let first = layout.component(component);
        if fit.gaussians && kind == "lens light" {
            // Of a set of Gaussians many are not needed; their shapes were never searched.
            continue;
        }
        if fit.parameters[first + AMPLITUDE] <= 0.0 {
            warnings.push(format!("{kind} {number}: brightness at its lower limit 0: one component less would do"));
            continue;
        }
        let at: Vec<_> = (0..SERSIC_PARAMETERS)
            .filter_map(|k| side_of(fit.parameters[first + k], first + k, bounds).map(|(side, limit)| (k, side, limit)))
            .collect();
        match at[..] {
            [] => {}
            [(k, side, limit)] => {
                let (name, unit) = (GALAXY_NAMES[k], GALAXY_UNITS[k]);
                warnings.push(format!("{kind} {number}: {name} at its {side} limit {}{unit}", short(limit)));
            }
            _ => {
                let names: Vec<&str> = at.iter().map(|(k, ..)| GALAXY_NAMES[*k]).collect();
                let names = names.join(", ");
                warnings
                    .push(format!("{kind} {number}: {names} at their limits: the data hardly inform this component"));
            }
        }
    }
    warnings
}

/// The bound that a value lies on, to a millionth of the range.
fn side_of(value: f64, i: usize, bounds: &Bounds) -> Option<(&'static str, f64)> {
    let (lower, upper) = (bounds.lower[i], bounds.upper[i]);
    let range = upper - lower;
    let near = if range.is_finite() { 1e-6 * range } else { 0.0 };
    if value <= lower + near {
        Some(("lower", lower))
    } else if value >= upper - near {
        Some(("upper", upper))
    } else {
        None
    }
}

/// Three decimals, without zeros at the end.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn mass_off_light(fit: &ParametricFit, pixel: f64) -> Option<String> {
    let [x, y] = peak(&fit.scene.lens_light, pixel)?;
    let mass = &fit.scene.lens.galaxy;
    let offset = (mass.x_arcsec - x).hypot(mass.y_arcsec - y);
    (offset > GREATEST_OFFSET_PX * pixel).then(|| {
        format!("the centre of the mass lies {offset:.2} arcsec ({:.1} pixels) from that of the light", offset / pixel)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::Sersic;
    use crate::studies::lens_reconstruction::classical::{BlankSky, Geometry, LensErrors};
    use crate::studies::lens_reconstruction::scene::Scene;
    use ndarray::Array2;

    const PIXEL: f64 = 0.05;

    /// A fit with nothing to complain of.
    fn good() -> ParametricFit {
        let scene = Scene { sources: vec![Sersic::default()], lens_light: vec![Sersic::default()], ..Scene::default() };
        ParametricFit {
            parameters: scene.parameters(),
            layout: scene.layout(),
            scene,
            errors_gaussian: Vec::new(),
            lens_errors_gaussian: LensErrors {
                einstein_radius_arcsec: 0.0,
                effective_einstein_radius_arcsec: 0.0,
                axis_ratio: 0.0,
                position_angle_deg: 0.0,
                gamma1: 0.0,
                gamma2: 0.0,
                slope: 0.0,
            },
            model_image: Array2::zeros((20, 20)),
            lens_light_image: Array2::zeros((20, 20)),
            lensed_source_image: Array2::zeros((20, 20)),
            residual_sigma: Array2::zeros((20, 20)),
            effective_einstein_radius_arcsec: 1.0,
            chi2: 380.0,
            reduced_chi2: 1.0,
            degrees_of_freedom: 380,
            pixels: 400,
            null_chi2: 4e3,
            null_reduced_chi2: 10.0,
            blank_sky: None,
            calls: Default::default(),
            starts: Vec::new(),
            gaussians: false,
            stop: Stop::Converged,
            warnings: Vec::new(),
            sky: crate::studies::lens_reconstruction::classical::problem::Sky::Held,
            bounds: Bounds { lower: Vec::new(), upper: Vec::new() },
        }
    }

    fn warned(change: impl FnOnce(&mut ParametricFit)) -> Vec<String> {
        warned_of(false, change)
    }

    fn warned_of(dark: bool, change: impl FnOnce(&mut ParametricFit)) -> Vec<String> {
        let mut fit = good();
        change(&mut fit);
        fit.scene = Scene::from_parameters(fit.layout, &fit.parameters);
        let bounds = Bounds::new(&Geometry { centre: [0.0, 0.0], radius: 3.0 }, fit.layout, PIXEL, &[]);
        of(&fit, PIXEL, &bounds, dark, 150)
    }

    fn sky(reduced_chi2: f64) -> Option<BlankSky> {
        Some(BlankSky { reduced_chi2, median: 0.0, pixel_sigma: 1.0, pixels: 1000 })
    }

    #[test]
    fn a_good_fit_has_no_warnings() {
        assert_eq!(warned(|_| ()), Vec::<String>::new());
        assert_eq!(warned(|f| f.blank_sky = sky(0.8)), Vec::<String>::new());
    }

    #[test]
    fn a_model_that_does_not_fit_is_named() {
        let text = warned(|f| f.reduced_chi2 = 9.8).join("\n");
        assert_eq!(text, "reduced chi2 9.80: the model does not describe the data: do not trust the errors");
        let text = warned(|f| (f.reduced_chi2, f.blank_sky) = (1.8, sky(1.1))).join("\n");
        assert!(text.starts_with("reduced chi2 1.80, where blank sky has 1.10: the model"), "{text}");
        assert_eq!(warned(|f| (f.reduced_chi2, f.blank_sky) = (1.8, sky(0.9))).len(), 0);
        assert_eq!(warned(|f| (f.reduced_chi2, f.blank_sky) = (2.5, sky(0.9))).len(), 1);
    }

    #[test]
    fn parameters_at_their_bounds_are_named_with_value() {
        let text = warned(|f| f.parameters[GALAXY_PARAMETERS + 6] = 8.0).join("\n");
        assert_eq!(text, "source 1: Sersic index at its upper limit 8");
        let text = warned(|f| f.parameters[1] = -0.5).join("\n");
        assert_eq!(text, "lens: ellipticity e1 at its lower limit -0.5 (axis ratio of the mass 0.33)");
        let text = warned(|f| f.parameters[0] = 4.5).join("\n");
        assert_eq!(text, "lens: Einstein radius at its upper limit 4.5 arcsec");
        let text = warned(|f| f.parameters[f.layout.light(0)] = 0.0).join("\n");
        assert!(text.contains("lens light 1: brightness at its lower limit 0"), "{text}");
    }

    #[test]
    fn a_search_that_did_not_end_is_named() {
        assert!(warned(|f| f.stop = Stop::StepLimit)[0].contains("all of its 150 steps"));
        assert!(warned(|f| f.stop = Stop::Stalled)[0].contains("stalled"));
    }

    #[test]
    fn a_noise_map_out_of_line_with_the_sky_is_named() {
        let text = warned(|f| f.blank_sky = sky(0.01)).join("\n");
        assert_eq!(text, "blank sky has reduced chi2 0.01: the noise map seems 10.0 times too large");
        let text = warned(|f| f.blank_sky = sky(9.0)).join("\n");
        assert_eq!(text, "blank sky has reduced chi2 9.00: the noise map seems 3.0 times too small");
    }

    #[test]
    fn mass_away_from_the_light_is_named_and_light_that_is_not_there() {
        let text = warned(|f| f.parameters[3] = 0.15).join("\n");
        assert_eq!(text, "the centre of the mass lies 0.15 arcsec (3.0 pixels) from that of the light");
        let text = warned_of(true, |f| {
            f.parameters[3] = 0.15;
            let light = f.layout.light(0);
            f.parameters[light + 6] = 8.0;
        });
        assert_eq!(text.len(), 1);
        assert!(text[0].contains("lens_light_components = 0"), "{text:?}");
    }
}
