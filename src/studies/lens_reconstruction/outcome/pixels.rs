//! What a reconstruction in pixels puts in the place of the parametric fit's maps and numbers.

use std::sync::Arc;

use ndarray::Array2;

use super::FitOutcome;
use crate::numerics::lbfgs::End;
use crate::studies::lens_models::{LensModel, Window, lens_curves};
use crate::studies::lens_reconstruction::Observation;
use crate::studies::lens_reconstruction::classical::{ParametricFit, lens_errors};
use crate::studies::lens_reconstruction::curves::{Curves, curves_of, traced_curves};
use crate::studies::lens_reconstruction::maps::{convergence_map, lens_metrics};
use crate::studies::lens_reconstruction::pixel_task::Reconstruction;
use crate::studies::lens_reconstruction::pixelated::{Inversion, PixelFit, SourceGrid};
use crate::studies::lens_reconstruction::request::Method;

/// Reduced chi-squared above which a source in pixels does not describe the data, over that of blank sky where this is above 1.
const GREATEST_CHI2: f64 = 1.3;

/// How a product was made, for its header.
pub(super) fn remark(method: Method) -> &'static str {
    match method {
        Method::Parametric => "parametric fit: isothermal ellipsoid, shear, Sersic light",
        Method::Inversion => "source in pixels on a parametric lens, strength of its prior by the evidence",
        Method::Pixels => "source and convergence in pixels, the most probable ones together",
    }
}

fn thin(map: &Array2<f64>) -> Arc<Array2<f32>> {
    Arc::new(map.mapv(|v| v as f32))
}

/// What every reconstruction in pixels has.
struct Common<'a> {
    grid: SourceGrid,
    source: &'a Array2<f64>,
    sigma: &'a Array2<f64>,
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
            Reconstruction::Inversion(inversion) => self.with_inversion(observation, inversion),
            Reconstruction::Pixels(fit) => self.with_pixel_fit(observation, fit),
        };
        let Common { grid, source, sigma, lensed, reduced_chi2 } = common;
        let foreground = &fit.lens_light_image + fit.scene.sky;
        let model = &foreground + lensed;
        let mut residual = &observation.data - &model;
        residual.zip_mut_with(&observation.noise, |r, s| *r = if *s > 0.0 { *r / s } else { f64::NAN });
        self.model = thin(&model);
        self.residual = thin(&residual);
        self.source = thin(source);
        self.source_sigma = Some(thin(sigma));
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

    fn with_inversion<'a>(&mut self, observation: &Observation, found: &'a Inversion) -> Common<'a> {
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
        if let Some(covariance) = &found.lens_covariance {
            let errors = lens_errors(&found.lens, covariance);
            let shear = found.lens.shear;
            let of_shear = (shear.gamma1 * errors.gamma1).hypot(shear.gamma2 * errors.gamma2);
            self.put(&[
                ("einstein_radius_arcsec_error", errors.effective_einstein_radius_arcsec),
                ("axis_ratio_error", errors.axis_ratio),
                ("position_angle_deg_error", errors.position_angle_deg),
                ("shear_error", of_shear / shear.strength().max(1e-12)),
            ]);
        }
        self.curves = curves_of(&found.lens);
        if let Some(scene) = &mut self.scene {
            scene.lens = found.lens.clone();
        }
        self.convergence = Arc::new(convergence_map(&found.lens, observation.data.dim(), self.pixel_scale_arcsec));
        Common {
            grid: found.grid,
            source: &found.source,
            sigma: &found.sigma,
            lensed: &found.lensed_source_image,
            reduced_chi2: found.reduced_chi2(),
        }
    }

    fn with_pixel_fit<'a>(&mut self, observation: &Observation, found: &'a PixelFit) -> Common<'a> {
        self.method = Method::Pixels;
        self.put(&[
            ("evidence_ln", found.evidence_ln),
            ("regularisation_strength", found.strength),
            ("source_pixels_determined", found.source_determined),
            ("parameters_determined", found.determined),
            ("degrees_of_freedom", found.degrees_of_freedom()),
            ("convergence_strength", found.mass_strength),
            ("convergence_correction_rms", found.correction_rms),
            (
                "reduced_chi2_parametric_mass",
                found.chi2_start / (found.pixels as f64 - found.source_determined).max(1.0),
            ),
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
        for name in ["einstein_radius_arcsec", "axis_ratio", "position_angle_deg", "shear"] {
            self.metrics.remove(&format!("{name}_error"));
        }
        let centre = [self.metrics["lens_x_arcsec"], self.metrics["lens_y_arcsec"]];
        let before = self.metrics.get("einstein_radius_arcsec").copied().unwrap_or(f64::NAN);
        if let Some((curves, radius)) = corrected_curves(found, &lens, centre, before) {
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
            sigma: &found.sigma,
            lensed: &found.lensed_source_image,
            reduced_chi2: found.reduced_chi2(),
        }
    }
}

/// Curves of the corrected mass around the galaxy, and the effective Einstein radius; `None` where no closed tangential curve was found.
fn corrected_curves(found: &PixelFit, parametric: &LensModel, centre: [f64; 2], radius: f64) -> Option<(Curves, f64)> {
    /// Cells of the window in which the curves are traced.
    const CELLS: usize = 160;
    let window = Window { centre, half_width_arcsec: 2.0 * radius, cells: CELLS };
    let traced = lens_curves(&found.lens, window, &[centre]);
    let effective = traced.effective_einstein_radius_arcsec(&found.lens)?;
    // Between pixels the correction has no cusp: the cut is that of the parametric centre.
    let curves = traced_curves(&found.lens, centre, 2.0 * radius, &[centre]);
    Some((Curves { cut: curves_of(parametric).cut, ..curves }, effective))
}
