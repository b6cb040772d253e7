//! The zero point of a run: given, or measured from lines of the sky in the data before they are fitted.

use std::path::Path;

use super::observation::{Batch, Observation};
use super::request::{FitRequest, ZeroPoint};
use super::sky_lines::{NoSkyVelocity, SkyVelocity, sky_velocity};
use crate::numerics::statistics::median;
use crate::tasks::{Metrics, Progress, TaskError};

/// The share of the spaxels that are taken for empty: those with the least light in the band.
const EMPTY: f64 = 0.2;
/// Spectra that the median is made of, at most: more change nothing and take memory.
const MOST: usize = 2048;
/// Velocities beside the lines that are read: as far as the filter goes.
const MARGIN_KM_S: f64 = 50_000.0;

/// A zero point from the sky.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MeasuredZero {
    sky: SkyVelocity,
    /// Spectra that were put together for it.
    spectra: usize,
}

impl MeasuredZero {
    pub fn metrics(&self) -> Metrics {
        [
            ("velocity_zero_km_s", self.sky.velocity_km_s),
            ("velocity_zero_km_s_error", self.sky.error_km_s),
            ("velocity_zero_lines", self.sky.lines as f64),
            ("velocity_zero_significance", self.sky.significance),
            ("velocity_zero_spectra", self.spectra as f64),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
    }
}

impl FitRequest {
    /// This request with its zero point as a number, measured where that was asked for.
    ///
    /// # Errors
    /// Contradictory fields; unreadable; no line of the sky stands above the noise; cancelled.
    pub(super) fn with_zero_point<U: Send + Sync + 'static>(
        &self,
        progress: &Progress<U>,
    ) -> Result<(Self, Option<MeasuredZero>), TaskError> {
        if self.zero_point == ZeroPoint::Given {
            return match &self.sky {
                None => Ok((self.clone(), None)),
                Some(sky) => Err(TaskError::field(
                    "sky",
                    sky.display().to_string(),
                    "a spectrum of the sky is used only to measure the zero point",
                    "set zero_point=sky_lines, or leave sky out",
                )),
            };
        }
        if self.velocity_zero_km_s != 0.0 {
            return Err(TaskError::field(
                "velocity_zero_km_s",
                self.velocity_zero_km_s.to_string(),
                "zero_point=sky_lines measures it",
                "leave it at 0, or set zero_point=given",
            ));
        }
        progress.phase("sky lines");
        let data = self.sky.clone().or_else(|| self.data.clone());
        let wide = Self { data, margin_km_s: MARGIN_KM_S, zero_point: ZeroPoint::Given, sky: None, ..self.clone() };
        let zero = measure(&wide, progress)?;
        let given = Self {
            zero_point: ZeroPoint::Given,
            velocity_zero_km_s: zero.sky.velocity_km_s,
            sky: None,
            ..self.clone()
        };
        Ok((given, Some(zero)))
    }
}

fn measure<U: Send + Sync + 'static>(request: &FitRequest, progress: &Progress<U>) -> Result<MeasuredZero, TaskError> {
    let observation = Observation::open(request)?;
    // Without a nebular line in the band there is none to tell apart from the sky.
    let model = observation.model(request).ok();
    let (batch, spectra) = match observation.shape {
        None => (observation.read(0..1)?, 1),
        Some(shape) => empty_spectrum(&observation, shape, progress)?,
    };
    let (values, weights) = batch.spectrum(0);
    let sampler = super::shape::Sampler::new(observation.axis.clone(), observation.line_shape);
    let sky = sky_velocity(&sampler, observation.frame, model.as_ref(), values, weights);
    let path = request.data.as_deref().unwrap_or_else(|| Path::new("(none)"));
    sky.map(|sky| MeasuredZero { sky, spectra }).map_err(|reason| refusal(path, spectra, reason))
}

fn refusal(path: &Path, spectra: usize, reason: NoSkyVelocity) -> TaskError {
    let of = if spectra == 1 { String::new() } else { format!(" (the median of its {spectra} emptiest spaxels)") };
    TaskError::field(
        "zero_point",
        "sky_lines",
        format!("{}{of}: {reason}", path.display()),
        "give a spectrum of the sky with --input sky=FILE, or set zero_point=given and velocity_zero_km_s",
    )
}

/// The median spectrum of the spaxels with the least light, and how many they are.
fn empty_spectrum<U: Send + Sync + 'static>(
    observation: &Observation,
    [rows, columns]: [usize; 2],
    progress: &Progress<U>,
) -> Result<(Batch, usize), TaskError> {
    let samples = observation.axis.len();
    let mut light: Vec<(f64, usize)> = Vec::with_capacity(rows * columns);
    for tile in observation.tiles(1) {
        progress.check()?;
        let batch = observation.read(tile.clone())?;
        for index in 0..batch.len() {
            let (data, weights) = batch.spectrum(index);
            let good: Vec<f64> =
                data.iter().zip(weights).filter(|(_, weight)| **weight > 0.0).map(|(value, _)| *value).collect();
            // Places that the detector does not see are not empty sky.
            if 2 * good.len() > samples && good.iter().any(|value| *value != good[0]) {
                light.push((good.iter().sum::<f64>() / good.len() as f64, tile.start * columns + index));
            }
        }
    }
    light.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    light.truncate((EMPTY * light.len() as f64).ceil() as usize);
    let mut chosen: Vec<usize> = light.into_iter().map(|(_, place)| place).collect();
    chosen.sort_unstable();
    // Evenly over the field, which the zero point may vary over.
    let every = chosen.len().div_ceil(MOST).max(1);
    let chosen: Vec<usize> = chosen.into_iter().step_by(every).collect();
    let mut spectra = vec![Vec::with_capacity(chosen.len()); samples];
    for row in chosen.chunk_by(|a, b| a / columns == b / columns) {
        progress.check()?;
        let first = row[0] / columns;
        let batch = observation.read(first..first + 1)?;
        for place in row {
            let (data, weights) = batch.spectrum(place % columns);
            for sample in (0..samples).filter(|sample| weights[*sample] > 0.0) {
                spectra[sample].push(data[sample]);
            }
        }
    }
    let mut batch = Batch::zeros(1, samples);
    for (sample, values) in spectra.iter_mut().enumerate() {
        // The noise of a median goes with the number of values; its size the residuals will tell.
        batch.weights[sample] = values.len() as f64;
        batch.data[sample] = median(values).unwrap_or(0.0);
    }
    Ok((batch, chosen.len()))
}
