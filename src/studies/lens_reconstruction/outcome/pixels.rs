//! What a reconstruction in pixels puts in the place of the parametric fit's maps and numbers.

use std::sync::Arc;

use ndarray::Array2;

use super::{FitOutcome, NetworkSteps};
use crate::numerics::lbfgs::End;
use crate::studies::lens_models::{Deflector, ISOTHERMAL_SLOPE, LensModel, Mass, Sersic, Window, lens_curves};
use crate::studies::lens_reconstruction::classical::{ParametricFit, lens_errors};
use crate::studies::lens_reconstruction::curves::{Curves, curves_of, traced_curves};
use crate::studies::lens_reconstruction::maps::{convergence_map, lens_metrics};
use crate::studies::lens_reconstruction::pixel_task::Reconstruction;
use crate::studies::lens_reconstruction::pixelated::{Inversion, PixelFit, SourceGrid};
use crate::studies::lens_reconstruction::request::Method;
use crate::studies::lens_reconstruction::rim::RimFit;
use crate::studies::lens_reconstruction::{Observation, Scene};
use crate::tasks::Metrics;

/// Reduced chi-squared above which a source in pixels does not describe the data, over that of blank sky where this is above 1.
const GREATEST_CHI2: f64 = 1.3;

/// How a product was made, for its header.
pub(super) fn remark(method: Method, scene: Option<&Scene>) -> String {
    let Some(scene) = scene else { return "lens model".to_owned() };
    let mass = mass_in_words(&scene.lens);
    let light = match light_in_words(&scene.lens_light) {
        Some(light) => format!("lens light: {light}"),
        None => "no lens light".to_owned(),
    };
    match method {
        Method::Parametric => {
            let source = light_in_words(&scene.sources).unwrap_or_else(|| "none".to_owned());
            format!("parametric fit: {mass}; source: {source}; {light}")
        }
        Method::Inversion => format!("source in pixels on a parametric lens: {mass}; {light}"),
        Method::Pixels => {
            format!("source and convergence in pixels, the most probable ones together, from: {mass}; {light}")
        }
        Method::Rim => format!(
            "source and convergence in pixels by a Recurrent Inference Machine, after a parametric fit: {mass}; {light}"
        ),
    }
}

fn mass_in_words(lens: &LensModel) -> String {
    let galaxy = if lens.galaxy.slope == ISOTHERMAL_SLOPE { "isothermal ellipsoid" } else { "elliptical power law" };
    let further = lens.further.iter().map(|mass| match mass {
        Mass::Sis(_) => "isothermal sphere".to_owned(),
        Mass::Sie(_) => "second isothermal ellipsoid".to_owned(),
        Mass::PowerLaw(_) => "second elliptical power law".to_owned(),
        Mass::PseudoJaffe(_) => "pseudo-Jaffe ellipsoid".to_owned(),
        Mass::Nfw(_) => "NFW halo".to_owned(),
        Mass::PointMass(_) => "point mass".to_owned(),
        Mass::Multipole(multipole) => format!("multipole of order {}", multipole.order),
    });
    [galaxy.to_owned(), "shear".to_owned()].into_iter().chain(further).collect::<Vec<_>>().join(", ")
}

fn light_in_words(galaxies: &[Sersic]) -> Option<String> {
    /// The Sersic index of a Gaussian.
    const GAUSSIAN: f64 = 0.5;
    let kind = if galaxies.len() > 1 && galaxies.iter().all(|g| g.index == GAUSSIAN) { "Gaussian" } else { "Sersic" };
    match galaxies.len() {
        0 => None,
        1 => Some(kind.to_owned()),
        n => Some(format!("{n} {kind} components")),
    }
}

/// What the model has besides its parametric part.
pub(super) fn left_out(method: Method) -> &'static [&'static str] {
    const SOURCE: &str = "the lensed source in pixels; it is in source.fits";
    const MASS: &str = "the correction of the mass in pixels, EXCESS in convergence.fits; this is the parametric lens without its correction in pixels";
    const WHOLE: &str =
        "the mass in pixels, in convergence.fits; this is the parametric lens that was fitted before it";
    match method {
        Method::Parametric => &[],
        Method::Inversion => &[SOURCE],
        Method::Pixels => &[SOURCE, MASS],
        Method::Rim => &[SOURCE, WHOLE],
    }
}

/// What of the parametric fit an inversion does not move, in words; `None` if there is nothing.
fn held(lens: &LensModel, fit: &ParametricFit) -> Option<String> {
    let has = |of: &dyn Fn(&Mass) -> bool| lens.further.iter().any(of);
    let held: Vec<&str> = [
        (fit.layout.lens.free_slope, "slope"),
        (has(&|m| matches!(m, Mass::Multipole(_))), "multipoles"),
        (has(&|m| !matches!(m, Mass::Multipole(_))), "satellites"),
        (!fit.scene.lens_light.is_empty(), "lens light"),
    ]
    .into_iter()
    .filter_map(|(there, name)| there.then_some(name))
    .collect();
    let (last, rest) = held.split_last()?;
    Some(if rest.is_empty() { (*last).to_owned() } else { format!("{} and {last}", rest.join(", ")) })
}

/// Takes the errors of the parametric fit out: they belong to a Sersic source.
fn without_errors(metrics: &mut Metrics) {
    metrics.retain(|name, _| !name.ends_with("_error"));
}

fn thin(map: &Array2<f64>) -> Arc<Array2<f32>> {
    Arc::new(map.mapv(|v| v as f32))
}

/// What every reconstruction in pixels has.
struct Common<'a> {
    grid: SourceGrid,
    source: &'a Array2<f64>,
    sigma: Option<&'a Array2<f64>>,
    lensed: &'a Array2<f64>,
    reduced_chi2: f64,
}

impl FitOutcome {
    /// With maps and numbers of what followed the parametric fit, if anything did. The parametric fit's own chi-squared stays beside it.
    #[must_use]
    pub(in crate::studies::lens_reconstruction) fn with_pixels(
        mut self,
        observation: &Observation,
        fit: &ParametricFit,
        pixels: Option<&Reconstruction>,
    ) -> Self {
        let Some(pixels) = pixels else { return self };
        // The numbers of the Sersic source describe another one than that of these maps.
        let of_sersic: Vec<String> = self.metrics.keys().filter(|k| k.starts_with("source_")).cloned().collect();
        for name in of_sersic {
            if let Some(value) = self.metrics.remove(&name) {
                self.metrics.insert(format!("parametric_{name}"), value);
            }
        }
        let parametric = self.metrics.get("reduced_chi2").copied().unwrap_or(f64::NAN);
        self.metrics.insert("reduced_chi2_parametric".into(), parametric);
        // What is said of the parametric model's own fit does not hold for this one; the data's faults do.
        self.warnings.retain(|w| !w.starts_with("reduced chi2") && !w.starts_with("source "));
        let common = match pixels {
            Reconstruction::Inversion(inversion) => self.with_inversion(observation, fit, inversion),
            Reconstruction::Pixels(fit) => self.with_pixel_fit(observation, fit),
            Reconstruction::Rim(found) => self.with_machine(observation, fit, found),
        };
        let Common { grid, source, sigma, lensed, reduced_chi2 } = common;
        let foreground = &fit.lens_light_image + fit.scene.sky;
        let model = &foreground + lensed;
        let mut residual = &observation.data - &model;
        residual.zip_mut_with(&observation.noise, |r, s| *r = if *s > 0.0 { *r / s } else { f64::NAN });
        self.model = thin(&model);
        self.residual = thin(&residual);
        self.source = thin(source);
        self.source_sigma = sigma.map(thin);
        self.source_scale_arcsec = grid.pixel;
        self.source_centre_arcsec = grid.centre;
        self.metrics.insert("reduced_chi2".into(), reduced_chi2);
        let sky = fit.blank_sky.map_or(1.0, |sky| sky.reduced_chi2.max(1.0));
        if reduced_chi2 > GREATEST_CHI2 * sky {
            self.warnings.insert(
                0,
                format!("reduced chi2 {reduced_chi2:.2}: the mass, the lens light or the noise map does not describe the data; do not trust the errors"),
            );
        }
        self
    }

    fn put(&mut self, numbers: &[(&str, f64)]) {
        self.metrics.extend(numbers.iter().map(|(name, value)| ((*name).to_owned(), *value)));
    }

    fn with_inversion<'a>(
        &mut self,
        observation: &Observation,
        fit: &ParametricFit,
        found: &'a Inversion,
    ) -> Common<'a> {
        self.method = Method::Inversion;
        self.put(&[
            ("evidence_ln", found.evidence_ln),
            ("evidence_ln_parametric_lens", found.evidence_ln_start),
            ("regularisation_strength", found.strength),
            ("source_pixels_determined", found.determined),
            ("degrees_of_freedom", found.degrees_of_freedom()),
            ("source_solves", found.solves as f64),
        ]);
        self.metrics.extend(lens_metrics(&found.lens));
        without_errors(&mut self.metrics);
        if let Some(covariance) = &found.lens_covariance {
            self.put(&lens_errors(&found.lens, covariance).metrics(found.lens.shear));
            self.warnings.extend(held(&found.lens, fit).map(|what| {
                format!("{what} held at the parametric fit: the errors of the lens are conditional on that")
            }));
        }
        self.curves = curves_of(&found.lens);
        self.convergence = Arc::new(convergence_map(&found.lens, observation.data.dim(), self.pixel_scale_arcsec));
        Common {
            grid: found.grid,
            source: &found.source,
            sigma: Some(&found.sigma),
            lensed: &found.lensed_source_image,
            reduced_chi2: found.reduced_chi2(),
        }
    }

    fn with_pixel_fit<'a>(&mut self, observation: &Observation, found: &'a PixelFit) -> Common<'a> {
        self.method = Method::Pixels;
        self.put(&[
            ("evidence_ln_source_given_mass", found.evidence_ln_source_given_mass),
            ("regularisation_strength", found.strength),
            ("source_pixels_determined", found.source_determined),
            ("parameters_determined", found.determined),
            ("degrees_of_freedom", found.degrees_of_freedom()),
            ("convergence_strength", found.mass_strength),
            ("convergence_correction_rms", found.correction_rms),
            ("reduced_chi2_parametric_mass", found.reduced_chi2_start()),
            ("gradient_calls", found.evaluations as f64),
            ("lbfgs_iterations", found.iterations as f64),
        ]);
        let end = match found.end {
            End::Converged | End::Stopped => None,
            End::Iterations => Some("used all of its iterations: not converged"),
            End::Stuck => Some("stopped where no step improved it any more"),
        };
        self.warnings.extend(end.map(|how| format!("the reconstruction in pixels {how}")));
        // Position, shape and shear are those of the lens that was corrected; the radius is that of the corrected mass.
        // The most probable map has no errors of these.
        let lens = found.parametric.clone();
        self.metrics.extend(lens_metrics(&lens));
        without_errors(&mut self.metrics);
        let centre = [self.metrics["lens_x_arcsec"], self.metrics["lens_y_arcsec"]];
        let before = self.metrics.get("einstein_radius_arcsec").copied().unwrap_or(f64::NAN);
        if let Some((curves, radius)) = curves_in_pixels(&found.lens, &lens, centre, before) {
            self.curves = curves;
            self.put(&[("einstein_radius_arcsec", radius), ("einstein_radius_arcsec_parametric", before)]);
        }
        let smooth = convergence_map(&lens, observation.data.dim(), self.pixel_scale_arcsec);
        let excess = thin(&found.excess);
        self.convergence = Arc::new(&smooth + &*excess);
        self.convergence_excess = Some(excess);
        Common {
            grid: found.grid,
            source: &found.source,
            sigma: Some(&found.sigma),
            lensed: &found.lensed_source_image,
            reduced_chi2: found.reduced_chi2(),
        }
    }

    fn with_machine<'a>(&mut self, observation: &Observation, fit: &ParametricFit, found: &'a RimFit) -> Common<'a> {
        self.method = Method::Rim;
        self.warnings.extend(found.concerns.iter().cloned());
        self.put(&[
            ("gradients", found.gradients as f64),
            ("network_steps", (found.steps.len() - usize::from(!found.refining.is_empty())) as f64),
            ("field_arcsec", 2.0 * found.lens.half_arcsec()),
        ]);
        if let Some(tuned) = &found.finetuned {
            self.put(&[
                ("reduced_chi2_before_finetune", found.reduced_chi2_before_finetune),
                ("finetune_steps", tuned.reduced_chi2.len().saturating_sub(1) as f64),
                ("finetune_systems", tuned.systems as f64),
            ]);
        }
        if found.reduced_chi2_before_refine.is_finite() {
            self.put(&[
                ("reduced_chi2_before_refine", found.reduced_chi2_before_refine),
                ("refine_steps", found.refining.len().saturating_sub(1) as f64),
            ]);
            if found.arcs_reduced_chi2.is_finite() {
                self.put(&[("reduced_chi2_arcs", found.arcs_reduced_chi2)]);
            }
        }
        // Of an answer in pixels by a network nobody knows them.
        self.metrics.remove("degrees_of_freedom");
        self.steps = Some(Arc::new(NetworkSteps::of(found)));
        without_errors(&mut self.metrics);
        let centre = [self.metrics["lens_x_arcsec"], self.metrics["lens_y_arcsec"]];
        let before = self.metrics.get("einstein_radius_arcsec").copied().unwrap_or(f64::NAN);
        let radius = match curves_in_pixels(&found.lens, &fit.scene.lens, centre, before) {
            Some((curves, radius)) => {
                self.curves = curves;
                radius
            }
            None => f64::NAN,
        };
        self.put(&[("einstein_radius_arcsec", radius), ("einstein_radius_arcsec_parametric", before)]);
        let convergence = found.lens.convergence_map(observation.data.dim(), self.pixel_scale_arcsec);
        let smooth = convergence_map(&fit.scene.lens, observation.data.dim(), self.pixel_scale_arcsec);
        self.convergence = thin(&convergence);
        self.convergence_excess = Some(Arc::new(&*self.convergence - &smooth));
        self.convergence_sigma =
            found.convergence_sigma(observation.data.dim(), self.pixel_scale_arcsec).as_ref().map(thin);
        if let Some(calibration) = &found.calibration {
            let classes = ["low", "middle", "high"];
            let both = calibration.factors.iter().zip(&calibration.coverage);
            for (name, (factors, coverage)) in ["source", "convergence"].iter().zip(both) {
                for (class, (factor, held)) in classes.iter().zip(factors.iter().zip(coverage)) {
                    self.metrics.insert(format!("spread_factor_{name}_{class}_signal_to_noise"), *factor);
                    let held = held.unwrap_or(f64::NAN);
                    self.metrics.insert(format!("spread_coverage_{name}_{class}_signal_to_noise"), held);
                }
            }
            if found.finetuned.is_some() {
                self.warnings.push("SIGMA is the spread of the network before it was fine-tuned, stretched as simulations ask; that of the fine-tuned one was not measured".into());
            }
            if !found.refining.is_empty() && !found.errors_are_of_the_refined {
                self.warnings.push("SIGMA is that of the network's answer before it was refined on the image".into());
            }
        }
        Common {
            grid: found.grid,
            source: &found.source,
            sigma: found.source_sigma.as_ref(),
            lensed: &found.lensed_source_image,
            reduced_chi2: found.reduced_chi2(),
        }
    }
}

/// Curves of a mass in pixels around the galaxy, and the effective Einstein radius; `None` where no closed tangential curve was found.
fn curves_in_pixels(
    lens: &impl Deflector,
    parametric: &LensModel,
    centre: [f64; 2],
    radius: f64,
) -> Option<(Curves, f64)> {
    /// Cells of the window in which the curves are traced.
    const CELLS: usize = 160;
    let window = Window { centre, half_width_arcsec: 2.0 * radius, cells: CELLS };
    let traced = lens_curves(lens, window, &[centre]);
    let effective = traced.effective_einstein_radius_arcsec(lens)?;
    // Between pixels the correction has no cusp: the cut is that of the parametric centre.
    let curves = traced_curves(lens, centre, 2.0 * radius, &[centre]);
    Some((Curves { cut: curves_of(parametric).cut, ..curves }, effective))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::{Multipole, PowerLaw, Sis};

    /// The header names what the model is made of, not what models usually are.
    #[test]
    fn products_say_what_was_fitted() {
        let plain = Scene { sources: vec![Sersic::default()], ..Scene::default() };
        assert_eq!(
            remark(Method::Parametric, Some(&plain)),
            "parametric fit: isothermal ellipsoid, shear; source: Sersic; no lens light"
        );
        let galaxy = PowerLaw { slope: 2.1, ..plain.lens.galaxy };
        let further = vec![
            Mass::Multipole(Multipole { order: 3, a_arcsec: 0.0, b_arcsec: 0.01, x_arcsec: 0.0, y_arcsec: 0.0 }),
            Mass::Sis(Sis { einstein_radius_arcsec: 0.1, x_arcsec: 1.5, y_arcsec: 0.8 }),
        ];
        let lens = LensModel { galaxy, further, ..plain.lens };
        let lens_light = vec![Sersic { index: 0.5, ..Sersic::default() }; 12];
        let rich = Scene { lens, sources: Vec::new(), lens_light, sky: 0.0 };
        assert_eq!(
            remark(Method::Inversion, Some(&rich)),
            "source in pixels on a parametric lens: elliptical power law, shear, multipole of order 3, isothermal sphere; lens light: 12 Gaussian components"
        );
        let pixels = remark(Method::Pixels, Some(&rich));
        assert!(pixels.starts_with("source and convergence in pixels") && pixels.contains("power law"), "{pixels}");
        assert!(left_out(Method::Parametric).is_empty());
        assert!(left_out(Method::Pixels)[1].contains("parametric lens without its correction in pixels"));
    }
}
