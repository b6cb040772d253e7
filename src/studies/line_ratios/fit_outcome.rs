//! What a run of `line_ratios.fit` leaves behind: maps, the spectra that stand for all, numbers.

use std::path::Path;
use std::sync::Arc;

use super::estimate::Estimate;
use super::fit::LineModel;
use super::lines::Line;
use super::maps::{Map, Maps};
use super::observation::{Batch, Observation};
use super::ratios::Ratio;
use super::request::{FitRequest, ZeroPoint};
use crate::data::{ColumnData, Keyword, Plane, Table, TableColumn, read_ecsv, read_planes, write_ecsv, write_planes};
use crate::tasks::{Metrics, Outcome, Provenance, TaskError};

/// File of the maps.
pub const MAPS: &str = "maps.fits";
/// File of the spectra.
pub const SPECTRA: &str = "spectra.ecsv";
/// Files of a run, in order of importance.
pub(super) const OUTPUTS: &[(&str, &str)] = &[
    (
        MAPS,
        "of a cube: VELOCITY, BROADENING, FLUX_line, SNR_line, ratios (`NII6583/Halpha`), each with _ERROR and _LIMIT (3 sigma), SIGNIFICANCE, REDUCED_CHI2, NOISE_FACTOR, BIN; by networks NETWORK_ratio, HYBRID_ratio with _ERROR and _PRIOR_DOMINATED",
    ),
    (SPECTRA, "the spectrum, or of a cube the mean and the brightest one, with error, model, continuum and residual"),
];

/// A spectrum with its fit.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedSpectrum {
    /// `spectrum`, `mean` or `brightest`.
    pub name: String,
    /// Data; NaN where they do not count.
    pub data: Vec<f64>,
    /// Standard deviation as it turned out.
    pub error: Vec<f64>,
    /// Lines and continuum.
    pub model: Vec<f64>,
    /// Continuum.
    pub continuum: Vec<f64>,
}

impl FittedSpectrum {
    /// The first spectrum of a batch with its answer.
    pub(super) fn new(name: &str, model: &LineModel, batch: &Batch, estimate: &Estimate) -> Self {
        let (data, weights) = batch.spectrum(0);
        let (total, continuum) = model.curves(&estimate.fit);
        let counted = |weight: f64, value: f64| if weight > 0.0 { value } else { f64::NAN };
        Self {
            name: name.to_owned(),
            data: data.iter().zip(weights).map(|(value, weight)| counted(*weight, *value)).collect(),
            error: weights.iter().map(|w| counted(*w, estimate.noise_factor / w.sqrt())).collect(),
            model: total,
            continuum,
        }
    }
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct FitOutcome {
    /// Maps of a cube; empty of a single spectrum.
    pub maps: Arc<Vec<Map>>,
    /// Spectra that stand for all.
    pub spectra: Vec<FittedSpectrum>,
    /// Their axis.
    pub axis: Vec<f64>,
    /// Its unit.
    pub axis_unit: String,
    /// Unit of the data.
    pub unit: String,
    keywords: Vec<Keyword>,
    metrics: Metrics,
    warnings: Vec<String>,
}

impl FitOutcome {
    pub(super) fn new(
        observation: &Observation,
        maps: Option<&Maps>,
        spectra: Vec<FittedSpectrum>,
        metrics: Metrics,
        warnings: Vec<String>,
    ) -> Self {
        Self {
            maps: Arc::new(maps.map(|maps| maps.all().to_vec()).unwrap_or_default()),
            spectra,
            axis: observation.axis.clone(),
            axis_unit: observation.axis_unit.clone(),
            unit: observation.unit.clone(),
            keywords: observation.keywords.clone(),
            metrics,
            warnings,
        }
    }

    /// The request of this run with the zero point that it measured as a number: what fits a part of the data again.
    pub fn as_measured(&self, request: &FitRequest) -> FitRequest {
        match (request.zero_point, self.metrics.get("velocity_zero_km_s")) {
            (ZeroPoint::SkyLines, Some(zero)) => {
                FitRequest { zero_point: ZeroPoint::Given, velocity_zero_km_s: *zero, sky: None, ..request.clone() }
            }
            _ => request.clone(),
        }
    }

    /// A map by name.
    pub fn map(&self, name: &str) -> Option<&Map> {
        self.maps.iter().find(|map| map.name == name)
    }

    fn table(&self) -> Table {
        let wave = if self.axis_unit == "cm-1" { "wavenumber" } else { "wavelength" };
        let column = |name: String, unit: &str, what: &str, values: Vec<f64>| TableColumn {
            name,
            unit: Some(unit.to_owned()).filter(|unit| !unit.is_empty()),
            description: what.to_owned(),
            data: ColumnData::Float(values),
        };
        let mut columns = vec![column(wave.to_owned(), &self.axis_unit, "", self.axis.clone())];
        for spectrum in &self.spectra {
            let name = &spectrum.name;
            let sigmas = spectrum.data.iter().zip(&spectrum.model).zip(&spectrum.error);
            let residual = sigmas.map(|((data, model), error)| (data - model) / error).collect();
            columns.push(column(name.clone(), &self.unit, "data", spectrum.data.clone()));
            columns.push(column(format!("{name}_error"), &self.unit, "standard deviation", spectrum.error.clone()));
            columns.push(column(format!("{name}_model"), &self.unit, "lines and continuum", spectrum.model.clone()));
            columns.push(column(format!("{name}_continuum"), &self.unit, "continuum", spectrum.continuum.clone()));
            columns.push(column(format!("{name}_residual"), "", "(data - model) / error", residual));
        }
        Table { columns, ..Table::default() }
    }
}

/// Numbers of one spectrum, under names that start with `prefix`.
pub(super) fn spectrum_metrics(
    prefix: &str,
    observation: &Observation,
    lines: &[Line],
    ratios: &[Ratio],
    estimate: &Estimate,
) -> Metrics {
    let fit = &estimate.fit;
    let mut metrics = Metrics::new();
    let mut put = |name: &str, value: f64| {
        if value.is_finite() {
            metrics.insert(format!("{prefix}{name}"), value);
        }
    };
    put("velocity_km_s", fit.velocity_km_s);
    put("velocity_km_s_error", fit.velocity_error_km_s);
    put("broadening_km_s", fit.broadening_km_s());
    put("broadening_km_s_error", fit.broadening_error_km_s());
    let scale = (1.0 + observation.redshift) / super::lines::LIGHT_SPEED_KM_S;
    put("redshift", observation.redshift + scale * fit.velocity_km_s);
    put("redshift_error", scale * fit.velocity_error_km_s);
    put("reduced_chi2", fit.reduced_chi2());
    put("noise_factor", estimate.noise_factor);
    put("significance", estimate.significance);
    for (index, line) in lines.iter().enumerate() {
        put(&format!("flux/{}", line.name()), fit.flux[index]);
        put(&format!("flux/{}_error", line.name()), fit.flux_error(index));
    }
    for ratio in ratios {
        let measured = ratio.of(fit);
        put(ratio.name, measured.value);
        put(&format!("{}_error", ratio.name), measured.error);
        put(&format!("{}_limit", ratio.name), measured.limit);
    }
    metrics
}

impl Outcome for FitOutcome {
    fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    fn save(&self, folder: &Path, provenance: &Provenance) -> Result<Vec<String>, TaskError> {
        let mut written = Vec::new();
        if !self.maps.is_empty() {
            let history = [
                format!("Sextans {} {}", provenance.version, provenance.task),
                "line fit: velocity, broadening (instrument removed), fluxes and ratios".to_owned(),
                format!("request {}", provenance.request),
            ];
            let planes: Vec<Plane> = self
                .maps
                .iter()
                .map(|map| Plane {
                    name: &map.name,
                    pixels: map.values.view().into_dyn(),
                    unit: &map.unit,
                    keywords: self.keywords.clone(),
                })
                .collect();
            write_planes(&folder.join(MAPS), &planes, &history)?;
            written.push(MAPS.to_owned());
        }
        write_ecsv(&folder.join(SPECTRA), &self.table())?;
        written.push(SPECTRA.to_owned());
        Ok(written)
    }

    fn load(folder: &Path, _request: &serde_json::Value, metrics: &Metrics) -> Result<Self, TaskError> {
        let (maps, keywords) = read_maps(folder)?;
        let path = folder.join(SPECTRA);
        let table = read_ecsv(&path)?;
        let numbers = |name: &str| -> Result<Vec<f64>, TaskError> {
            match table.columns.iter().find(|column| column.name == name).map(|column| &column.data) {
                Some(ColumnData::Float(values)) => Ok(values.clone()),
                Some(ColumnData::Integer(values)) => Ok(values.iter().map(|v| *v as f64).collect()),
                _ => Err(TaskError::file(&path, format!("expected a column of numbers {name:?}"))),
            }
        };
        let first = table.columns.first().ok_or_else(|| TaskError::file(&path, "the table has no columns"))?;
        let models = table.columns.iter().filter_map(|column| column.name.strip_suffix("_model"));
        let spectra = models
            .map(|name| {
                Ok(FittedSpectrum {
                    name: name.to_owned(),
                    data: numbers(name)?,
                    error: numbers(&format!("{name}_error"))?,
                    model: numbers(&format!("{name}_model"))?,
                    continuum: numbers(&format!("{name}_continuum"))?,
                })
            })
            .collect::<Result<Vec<_>, TaskError>>()?;
        let unit = spectra
            .first()
            .and_then(|spectrum| table.columns.iter().find(|column| column.name == spectrum.name))
            .and_then(|column| column.unit.clone());
        let mut metrics = metrics.clone();
        metrics.remove("seconds");
        Ok(Self {
            maps: Arc::new(maps),
            spectra,
            axis: numbers(&first.name)?,
            axis_unit: first.unit.clone().unwrap_or_default(),
            unit: unit.unwrap_or_default(),
            keywords,
            metrics,
            // They stand in the record, which whoever loads this has read.
            warnings: Vec::new(),
        })
    }
}

/// The maps of a run folder with the coordinates of the first; none of a single spectrum.
fn read_maps(folder: &Path) -> Result<(Vec<Map>, Vec<Keyword>), TaskError> {
    let path = folder.join(MAPS);
    if !path.is_file() {
        return Ok((Vec::new(), Vec::new()));
    }
    let mut keywords = Vec::new();
    let maps = read_planes(&path)?
        .into_iter()
        .map(|plane| {
            if keywords.is_empty() {
                keywords = plane.keywords.into_iter().filter(|k| k.name != "EXTNAME" && k.name != "BUNIT").collect();
            }
            let values = plane
                .pixels
                .into_dimensionality()
                .map_err(|_| TaskError::file(&path, "expected two-dimensional images"))?;
            Ok(Map { name: plane.name, unit: plane.unit, values })
        })
        .collect::<Result<Vec<_>, TaskError>>()?;
    Ok((maps, keywords))
}
