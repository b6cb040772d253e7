//! What a fit leaves behind: maps, curves, numbers.

mod pixels;
mod steps;

use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;

pub use steps::NetworkSteps;

use super::classical::{ParametricFit, Posterior};
use super::cosmology::Cosmology;
use super::curves::{Curves, curves_of};
use super::exchange::{Described, coolest_template, lenstronomy_script};
use super::lensing_maps::{self, LensingMaps};
use super::load::{Check, Verdict};
use super::maps::{
    convergence_map, grid_keywords, history, lens_metrics, read_map, read_maps, source_grid, source_map,
};
use super::model_file::{MODEL, read_model, write_model};
use super::positions::{image_rms, trace};
use super::request::{FitRequest, Method};
use super::truth::{Gridded, Truth};
use super::{Observation, Orientation, Scene};
use crate::data::{FitsFile, Header, Keyword, Plane, Wcs, read_ecsv, wcs_keywords, write_ecsv, write_planes};
use crate::studies::lens_models::{Deflector, MassKind, Sersic};
use crate::tasks::{Metrics, Outcome, Provenance, TaskError};

/// Files of a run, in order of importance.
pub(super) const OUTPUTS: &[(&str, &str)] = &[
    ("model.fits", "model of the image: lensed source, lens light and sky through the PSF"),
    ("residual.fits", "(data - model) / noise, in sigma, over the whole image"),
    (
        "source.fits",
        "source galaxy, not lensed, not blurred, on a grid of its own; in pixels with its standard deviation SIGMA",
    ),
    (
        "convergence.fits",
        "surface mass density over the critical one; in pixels with its EXCESS over the parametric one",
    ),
    ("lens_light.fits", "light of the lens galaxy through the PSF"),
    (DATA, "what was fitted: DATA, NOISE, MASK (1 = fitted)"),
    (MODEL, "the whole model: mass, sources, lens light and sky, with the conventions in words"),
    ("curves.ecsv", "critical curve and caustics in arcsec from the image centre"),
    (lensing_maps::FILE, "MAGNIFICATION (signed), DEFLECTION_X and DEFLECTION_Y (arcsec), POTENTIAL (arcsec^2)"),
    (COOLEST, "the model as a COOLEST template, the standard of the lensing community"),
    (LENSTRONOMY, "the model as lenstronomy keywords, a Python module that runs as it is"),
    (
        steps::FILE,
        "with `method=rim`, every evaluation of the network: SOURCE, CONVERGENCE, MODEL, RESIDUAL, [step, y, x] on its own grids, and REDUCED_CHI2",
    ),
    (POSTERIOR, "draws of the posterior, with `posterior_draws` above 0: chain, log-posterior, lens and galaxies"),
];

/// Files of the model for other programs.
const COOLEST: &str = "coolest.json";
const LENSTRONOMY: &str = "lenstronomy.py";
/// File of what was fitted.
const DATA: &str = "data.fits";
/// File of the posterior.
const POSTERIOR: &str = "posterior.ecsv";
/// Convergence that draws are trusted from: the largest R-hat and the least effective sample size.
pub const TRUSTED: (f64, f64) = (1.01, 400.0);

/// Keyword of the pixel scale that the fit used; other programs know it too.
const SCALE_KEYWORD: &str = "PIXSCALE";

/// Pixels along the side of the source map.
const SOURCE_PIXELS: usize = 128;

/// A finished fit. Maps are `[y, x]`, row 0 at the bottom, in the user's pixels unless said otherwise.
#[derive(Clone, Debug)]
pub struct FitOutcome {
    /// The data as fitted.
    pub data: Arc<Array2<f32>>,
    /// Standard deviation of every pixel.
    pub noise: Arc<Array2<f32>>,
    /// True where a pixel was fitted.
    pub mask: Arc<Array2<bool>>,
    /// Model, unit of the data.
    pub model: Arc<Array2<f32>>,
    /// (data - model) / noise.
    pub residual: Arc<Array2<f32>>,
    /// Light of the lens galaxy, unit of the data.
    pub lens_light: Arc<Array2<f32>>,
    /// Convergence.
    pub convergence: Arc<Array2<f32>>,
    /// Source on a grid of its own, unit of the data per image pixel.
    pub source: Arc<Array2<f32>>,
    /// Standard deviation of the source's pixels, where it was reconstructed in pixels.
    pub source_sigma: Option<Arc<Array2<f32>>>,
    /// What the convergence has more than the parametric one, where it was reconstructed in pixels.
    pub convergence_excess: Option<Arc<Array2<f32>>>,
    /// How it was made.
    pub method: Method,
    /// Critical curve and caustics.
    pub curves: Curves,
    /// Pixel of the image.
    pub pixel_scale_arcsec: f64,
    /// Pixel of the source map.
    pub source_scale_arcsec: f64,
    /// Centre of the source map, arcsec from the image centre.
    pub source_centre_arcsec: [f64; 2],
    /// Unit of the data, or empty.
    pub unit: String,
    /// The whole model; `None` in a run that was written before it was kept and whose numbers do not tell it.
    pub scene: Option<Scene>,
    /// Draws of the posterior, when they were asked for.
    pub posterior: Option<Arc<Posterior>>,
    /// Every evaluation of the network, when it made the answer.
    pub steps: Option<Arc<NetworkSteps>>,
    /// Magnification, deflection and potential of the lens, with its correction in pixels where it has one.
    pub lensing: Option<LensingMaps>,
    /// Name and content of the files for other programs.
    texts: Vec<(&'static str, String)>,
    /// World coordinates of the image, copied into the products: the cards of its header that describe them.
    wcs: Vec<Keyword>,
    metrics: Metrics,
    warnings: Vec<String>,
}

impl FitOutcome {
    /// Maps and numbers of a fit.
    pub(super) fn new(
        observation: &Observation,
        fit: &ParametricFit,
        posterior: Option<Posterior>,
        header: &Header,
        unit: String,
        checks: &[Check],
    ) -> Self {
        let thin = |a: &Array2<f64>| Arc::new(a.mapv(|v| v as f32));
        let scale = observation.pixel_scale_arcsec;
        let curves = curves_of(&fit.scene.lens);
        let (source_centre_arcsec, source_scale_arcsec) = source_grid(&fit.scene, &curves, SOURCE_PIXELS);
        let shape = observation.data.dim();
        let source =
            source_map(&fit.scene.sources, source_centre_arcsec, source_scale_arcsec, (SOURCE_PIXELS, SOURCE_PIXELS));
        Self {
            data: thin(&observation.data),
            noise: thin(&observation.noise),
            mask: Arc::new(observation.mask.clone()),
            model: thin(&fit.model_image),
            residual: thin(&fit.residual_sigma),
            lens_light: thin(&fit.lens_light_image),
            convergence: Arc::new(convergence_map(&fit.scene.lens, shape, scale)),
            source: Arc::new(source),
            source_sigma: None,
            convergence_excess: None,
            method: Method::Parametric,
            curves,
            pixel_scale_arcsec: scale,
            source_scale_arcsec,
            source_centre_arcsec,
            unit,
            scene: Some(fit.scene.clone()),
            wcs: world_keywords(header),
            metrics: metrics_of(fit, posterior.as_ref()),
            warnings: warnings_of(fit, posterior.as_ref(), checks),
            posterior: posterior.map(Arc::new),
            steps: None,
            lensing: None,
            texts: Vec::new(),
        }
    }

    /// One of its numbers, if it has a value.
    pub fn metrics_of(&self, name: &str) -> Option<f64> {
        self.metrics.get(name).copied().filter(|v| v.is_finite())
    }

    /// With how far source and convergence are from the truth.
    #[must_use]
    pub(super) fn with_truth(mut self, truth: &Truth, centre: [f64; 2], ring_radius_arcsec: f64) -> Self {
        let source = Gridded {
            map: self.source.as_ref().clone(),
            centre: self.source_centre_arcsec,
            pixel: self.source_scale_arcsec,
        };
        let convergence =
            Gridded { map: self.convergence.as_ref().clone(), centre: [0.0; 2], pixel: self.pixel_scale_arcsec };
        self.metrics.extend(truth.metrics(&source, &convergence, centre, ring_radius_arcsec));
        self
    }

    /// With the maps of the whole lens: what light meets. `centres`: of its masses.
    #[must_use]
    pub(super) fn with_rays(
        mut self,
        lens: &impl Deflector,
        centres: &[[f64; 2]],
        (positions, threshold_arcsec): (&[[f64; 2]], f64),
    ) -> Self {
        self.lensing = Some(LensingMaps::of(lens, self.data.dim(), self.pixel_scale_arcsec));
        self.with_positions(lens, centres, positions, threshold_arcsec)
    }

    /// With how well the lens explains the places of the images that the user marked, `[x, y]` in arcsec.
    fn with_positions(
        mut self,
        lens: &impl Deflector,
        centres: &[[f64; 2]],
        positions: &[[f64; 2]],
        threshold_arcsec: f64,
    ) -> Self {
        if let Some(traced) = trace(lens, positions) {
            self.metrics.insert("positions_source_rms_arcsec".into(), traced.rms);
            let image_rms = image_rms(lens, centres, positions).unwrap_or(f64::NAN);
            self.metrics.insert("positions_image_rms_arcsec".into(), image_rms);
            if traced.widest > threshold_arcsec {
                self.warnings.push(format!(
                    "positions: the model traces them up to {:.3} arcsec apart in the source plane, beyond positions_threshold_arcsec = {threshold_arcsec}: are they images of one and the same feature?",
                    traced.widest
                ));
            }
        }
        self
    }

    /// With angles east of north beside those from +x, where the sky on the image is known.
    pub(super) fn with_sky(mut self, sky: Option<Orientation>) -> Self {
        let Some(sky) = sky else { return self };
        for (name, new) in [
            ("position_angle_deg", "position_angle_east_of_north_deg"),
            ("shear_angle_deg", "shear_angle_east_of_north_deg"),
        ] {
            if let Some(angle) = self.metrics.get(name).copied() {
                self.metrics.insert(new.into(), sky.east_of_north_deg(angle));
            }
        }
        self
    }

    /// With the parametric part of the model, the files of it for other programs, and what the redshifts `[lens, source]` add where both are known:
    /// mass, dispersion, delays.
    #[must_use]
    pub(super) fn with_lens(mut self, scene: &Scene, cosmology: Cosmology, redshifts: [Option<f64>; 2]) -> Self {
        self.scene = Some(scene.clone());
        let (rows, columns) = self.data.dim();
        let described = Described {
            scene,
            posterior: self.posterior.as_deref(),
            size_px: [columns, rows],
            pixel_scale_arcsec: self.pixel_scale_arcsec,
            redshifts,
            cosmology,
            image_file: DATA,
            simulated: false,
            left_out: pixels::left_out(self.method),
        };
        self.texts = vec![
            (COOLEST, format!("{:#}\n", coolest_template(&described))),
            (LENSTRONOMY, lenstronomy_script(&described)),
        ];
        self.with_redshifts(cosmology, redshifts)
    }

    fn with_redshifts(mut self, cosmology: Cosmology, redshifts: [Option<f64>; 2]) -> Self {
        let [Some(lens), Some(source)] = redshifts else { return self };
        let Some(distances) = cosmology.between(lens, source) else { return self };
        let radius = self.metrics.get("einstein_radius_arcsec").copied().unwrap_or(f64::NAN);
        for (name, value) in [
            ("einstein_mass_msun", distances.einstein_mass_msun(radius)),
            ("velocity_dispersion_km_s", distances.isothermal_dispersion_km_s(radius)),
            ("critical_density_msun_kpc2", distances.critical_density_msun_kpc2()),
            ("days_per_arcsec2", distances.days_per_arcsec2()),
        ] {
            self.metrics.insert(name.to_owned(), value);
        }
        self
    }

    /// Keywords of products on the grid of the image: its own world coordinates, or arcsec from the centre.
    fn image_keywords(&self) -> Vec<Keyword> {
        let mut keywords = if self.wcs.is_empty() {
            grid_keywords([0.0, 0.0], self.pixel_scale_arcsec, self.model.dim())
        } else {
            self.wcs.clone()
        };
        keywords.push(Keyword::new(SCALE_KEYWORD, self.pixel_scale_arcsec, "[arcsec] pixel of the fit"));
        keywords
    }
}

/// The cards of a header that describe world coordinates, when its first two axes are the sky.
pub(super) fn world_keywords(header: &Header) -> Vec<Keyword> {
    match Wcs::from_header(header) {
        Ok(Some(wcs)) if matches!(wcs.celestial(), Some((0, 1) | (1, 0))) => wcs_keywords(header, &[0, 0]),
        _ => Vec::new(),
    }
}

fn metrics_of(fit: &ParametricFit, posterior: Option<&Posterior>) -> Metrics {
    let mut metrics = lens_metrics(&fit.scene.lens);
    let errors = fit.lens_errors_gaussian;
    let mut put = |name: &str, value: f64| {
        metrics.insert(name.to_owned(), value);
    };
    put("reduced_chi2", fit.reduced_chi2);
    put("reduced_chi2_null", fit.null_reduced_chi2);
    put("reduced_chi2_blank_sky", fit.blank_sky.map_or(f64::NAN, |sky| sky.reduced_chi2));
    put("pixels", fit.pixels as f64);
    put("degrees_of_freedom", fit.degrees_of_freedom as f64);
    put("likelihood_calls", fit.calls.likelihood as f64);
    put("jacobian_calls", fit.calls.jacobian as f64);
    for (name, error) in errors.metrics(fit.scene.lens.shear) {
        put(name, error);
    }
    if fit.layout.lens.free_slope {
        put("slope_error", errors.slope);
    }
    for (kind, first) in fit.layout.lens.places() {
        let names = fit.layout.names();
        if let MassKind::Multipole(order) = kind {
            // Of the length of the vector of both amplitudes, to first order.
            let [a, b] = [0, 1].map(|k| fit.parameters[first + k]);
            let [da, db] = [0, 1].map(|k| fit.errors_gaussian[first + k]);
            put(&format!("multipole{order}_arcsec_error"), (a * da).hypot(b * db) / a.hypot(b).max(1e-12));
        } else {
            for place in (first..first + kind.parameters()).filter(|place| kind.moves(place - first)) {
                put(&format!("{}_error", names[place]), fit.errors_gaussian[place]);
            }
        }
    }
    // A set of Gaussians is one light; its parts are no galaxies to be listed.
    let lights: &[Sersic] = if fit.gaussians { &[] } else { &fit.scene.lens_light };
    for (kind, galaxies) in [("source", fit.scene.sources.as_slice()), ("lens_light", lights)] {
        for (i, g) in galaxies.iter().enumerate() {
            let name = |what: &str| if i == 0 { format!("{kind}_{what}") } else { format!("{kind}_{}_{what}", i + 1) };
            for (what, value) in [
                ("brightness", g.amplitude),
                ("radius_arcsec", g.effective_radius_arcsec),
                ("index", g.index),
                ("axis_ratio", g.axis_ratio),
                ("position_angle_deg", g.position_angle_deg.rem_euclid(180.0)),
                ("x_arcsec", g.x_arcsec),
                ("y_arcsec", g.y_arcsec),
            ] {
                put(&name(what), value);
            }
        }
    }
    put("sky", fit.scene.sky);
    if let Some(posterior) = posterior {
        for quantity in posterior.quantities.iter().filter(|q| q.is_of_lens()) {
            let [low, median, high] = quantity.quantiles;
            let name = quantity.name.replace('.', "_");
            for (suffix, value) in [("low", low), ("median", median), ("high", high)] {
                put(&format!("{name}_{suffix}"), value);
            }
        }
        let (r_hat, size) = posterior.worst();
        put("posterior_r_hat", r_hat);
        put("posterior_effective_draws", size);
        put("posterior_divergences", posterior.divergences as f64);
        put("posterior_evaluations", posterior.evaluations as f64);
    }
    metrics
}

/// What speaks against the result: of the data, then of the fit.
fn warnings_of(fit: &ParametricFit, posterior: Option<&Posterior>, checks: &[Check]) -> Vec<String> {
    let of_data = checks.iter().filter(|c| c.verdict == Verdict::Warning).map(|c| format!("{}: {}", c.name, c.text));
    let of_draws = posterior.map(Posterior::worst).filter(|(r_hat, size)| !(*r_hat < TRUSTED.0 && *size > TRUSTED.1)).map(
        |(r_hat, size)| {
            format!(
                "posterior: not converged (R-hat {r_hat:.3}, {size:.0} effective draws; {} and {} are wanted): give more posterior_draws",
                TRUSTED.0, TRUSTED.1
            )
        },
    );
    let held = posterior.map(|p| p.held.join(", ")).filter(|h| !h.is_empty());
    let of_held = held.map(|h| format!("posterior: the shape of {h} was held at its best fit"));
    of_data.chain(fit.warnings.iter().cloned()).chain(of_held).chain(of_draws).collect()
}

impl Outcome for FitOutcome {
    fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    fn save(&self, folder: &Path, provenance: &Provenance) -> Result<Vec<String>, TaskError> {
        let history = history(provenance, &pixels::remark(self.method, self.scene.as_ref()));
        let grid = self.image_keywords();
        let source_grid = grid_keywords(self.source_centre_arcsec, self.source_scale_arcsec, self.source.dim());
        let unit = self.unit.as_str();
        let mask = self.mask.mapv(|m| if m { 1.0_f32 } else { 0.0 });
        let mut source = vec![one("SOURCE", &self.source, unit, &source_grid)];
        source.extend(self.source_sigma.iter().map(|sigma| one("SIGMA", sigma, unit, &source_grid)));
        let mut convergence = vec![one("CONVERGENCE", &self.convergence, "", &grid)];
        convergence.extend(self.convergence_excess.iter().map(|excess| one("EXCESS", excess, "", &grid)));
        for (file, planes) in [
            ("model.fits", vec![one("MODEL", &self.model, unit, &grid)]),
            ("residual.fits", vec![one("RESIDUAL", &self.residual, "sigma", &grid)]),
            ("source.fits", source),
            ("convergence.fits", convergence),
            ("lens_light.fits", vec![one("LENS_LIGHT", &self.lens_light, unit, &grid)]),
            (
                DATA,
                vec![
                    one("DATA", &self.data, unit, &grid),
                    one("NOISE", &self.noise, unit, &grid),
                    one("MASK", &mask, "", &grid),
                ],
            ),
        ] {
            write_planes(&folder.join(file), &planes, &history)?;
        }
        self.curves.write(&folder.join("curves.ecsv"))?;
        if let Some(scene) = &self.scene {
            write_model(folder, scene, pixels::left_out(self.method))?;
        }
        if let Some(posterior) = &self.posterior {
            write_ecsv(&folder.join(POSTERIOR), &posterior.table())?;
        }
        if let Some(steps) = &self.steps {
            steps.write(folder, unit, &history)?;
        }
        if let Some(lensing) = &self.lensing {
            lensing.write(folder, &grid, &history)?;
        }
        for (file, text) in &self.texts {
            let path = folder.join(file);
            std::fs::write(&path, text).map_err(|e| TaskError::file(&path, format!("cannot be written ({e})")))?;
        }
        let written = OUTPUTS.iter().filter(|(file, _)| match *file {
            POSTERIOR => self.posterior.is_some(),
            MODEL => self.scene.is_some(),
            lensing_maps::FILE => self.lensing.is_some(),
            steps::FILE => self.steps.is_some(),
            COOLEST | LENSTRONOMY => self.texts.iter().any(|(name, _)| name == file),
            _ => true,
        });
        Ok(written.map(|(file, _)| (*file).to_owned()).collect())
    }

    fn load(folder: &Path, request: &serde_json::Value, metrics: &Metrics) -> Result<Self, TaskError> {
        let data_path = folder.join("data.fits");
        let [data, noise, mask]: [Arc<Array2<f32>>; 3] = read_maps(folder, "data.fits")?
            .try_into()
            .map_err(|_| TaskError::file(&data_path, "expected the images DATA, NOISE and MASK"))?;
        let number = |file: &str, keyword: &str| -> Result<f64, TaskError> {
            let path = folder.join(file);
            let fits = FitsFile::open(&path)?;
            fits.hdu(0)?
                .header
                .get_f64(keyword)
                .ok_or_else(|| TaskError::file(&path, format!("its header lacks {keyword}")))
        };
        let fits = FitsFile::open(&data_path)?;
        let header = &fits.hdu(0)?.header;
        // The scale of the fit; the world coordinates are the user's and may say another, or none. Older runs have only those.
        let scale = header
            .get_f64(SCALE_KEYWORD)
            .or_else(|| crate::data::pixel_scale_arcsec(header))
            .ok_or_else(|| TaskError::file(&data_path, "its header has no pixel scale"))?;
        let model = read_map(folder, "model.fits")?;
        if [data.dim(), noise.dim(), mask.dim()] != [model.dim(); 3] {
            return Err(TaskError::file(folder, "model.fits and data.fits differ in size: the run folder is damaged"));
        }
        let mut metrics = metrics.clone();
        metrics.remove("seconds");
        let no_image = |file: &str| TaskError::file(&folder.join(file), "no image in this file");
        let (source, convergence) = (read_maps(folder, "source.fits")?, read_maps(folder, "convergence.fits")?);
        let method = serde_json::from_value::<FitRequest>(request.clone()).map(|r| r.method).unwrap_or_default();
        Ok(Self {
            data,
            noise,
            mask: Arc::new(mask.mapv(|m| m > 0.5)),
            model,
            residual: read_map(folder, "residual.fits")?,
            lens_light: read_map(folder, "lens_light.fits")?,
            convergence: convergence.first().cloned().ok_or_else(|| no_image("convergence.fits"))?,
            convergence_excess: convergence.get(1).cloned(),
            source: source.first().cloned().ok_or_else(|| no_image("source.fits"))?,
            source_sigma: source.get(1).cloned(),
            method,
            curves: Curves::read(&folder.join("curves.ecsv"))?,
            pixel_scale_arcsec: scale,
            source_scale_arcsec: number("source.fits", "CDELT1")?,
            source_centre_arcsec: [number("source.fits", "CRVAL1")?, number("source.fits", "CRVAL2")?],
            unit: fits.hdu(0)?.unit().unwrap_or_default().to_owned(),
            wcs: world_keywords(header),
            scene: read_model(folder, &metrics)?,
            posterior: read_posterior(folder, &metrics)?,
            steps: NetworkSteps::read(folder)?.map(Arc::new),
            lensing: LensingMaps::read(folder)?,
            texts: [COOLEST, LENSTRONOMY]
                .into_iter()
                .filter_map(|name| Some((name, std::fs::read_to_string(folder.join(name)).ok()?)))
                .collect(),
            metrics,
            // They stand in the record, which whoever loads this has read.
            warnings: Vec::new(),
        })
    }
}

/// The draws in a run folder, if there are any.
fn read_posterior(folder: &Path, metrics: &Metrics) -> Result<Option<Arc<Posterior>>, TaskError> {
    let path = folder.join(POSTERIOR);
    if !path.is_file() {
        return Ok(None);
    }
    let count = |name: &str| metrics.get(name).copied().unwrap_or(0.0).max(0.0) as usize;
    let posterior =
        Posterior::from_table(&read_ecsv(&path)?, count("posterior_divergences"), count("posterior_evaluations"));
    posterior
        .map(|p| Some(Arc::new(p)))
        .ok_or_else(|| TaskError::file(&path, "expected the columns chain, log_posterior and numbers"))
}

fn one<'a>(name: &'a str, pixels: &'a Array2<f32>, unit: &'a str, keywords: &[Keyword]) -> Plane<'a> {
    Plane { name, pixels: pixels.view().into_dyn(), unit, keywords: keywords.to_vec() }
}
