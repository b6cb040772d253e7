//! One spaxel, or one bin, of a run again: its spectrum, its model, its numbers, for whoever points at a map.

use super::binning::Sum;
use super::estimate::{Estimate, Estimator, LeastSquares};
use super::fit_outcome::FittedSpectrum;
use super::lines::Line;
use super::observation::{Batch, Observation};
use super::ratios::{Measured, Ratio};
use super::request::FitRequest;
use crate::tasks::TaskError;

/// A spectrum measured.
#[derive(Debug, Clone)]
pub struct PixelFit {
    /// Places of the samples, increasing.
    pub axis: Vec<f64>,
    /// Unit of the axis.
    pub axis_unit: String,
    /// Unit of the data.
    pub unit: String,
    /// Unit of the fluxes.
    pub flux_unit: String,
    /// Data, error, model, continuum.
    pub spectrum: FittedSpectrum,
    /// Kinematics and fluxes; lines in the order of `lines`.
    pub estimate: Estimate,
    /// Lines that were fitted, with the places on the axis where they were found.
    pub lines: Vec<(Line, f64)>,
    /// Ratios by name.
    pub ratios: Vec<(&'static str, Measured)>,
}

/// Measures the mean spectrum of some spaxels `[row, column]` of a cube as the run of `request` did (a single spectrum
/// whatever the pixels). Reads the rows of these spaxels; not for the thread of the window.
///
/// `None` when too few samples count.
///
/// # Errors
/// As the run itself, and a pixel outside the cube.
pub fn measure_pixels(request: &FitRequest, pixels: &[[usize; 2]]) -> Result<Option<PixelFit>, TaskError> {
    let observation = Observation::open(request)?;
    let model = observation.model(request)?;
    let batch = mean_of(&observation, pixels)?;
    let estimator = LeastSquares { model: &model, noise: request.noise, has_errors: observation.has_errors };
    let Some(estimate) = estimator.estimate(&batch).into_iter().next().flatten() else { return Ok(None) };
    let lines: Vec<Line> = model.lines().collect();
    let ratios = Ratio::all(&lines, request.tie_doublets);
    let place = |line: Line| {
        let origin = observation.frame.origin(line);
        (line, observation.frame.shifted(origin, estimate.fit.velocity_km_s).0)
    };
    Ok(Some(PixelFit {
        spectrum: FittedSpectrum::new("pixel", &model, &batch, &estimate),
        ratios: ratios.iter().map(|ratio| (ratio.name, ratio.of(&estimate.fit))).collect(),
        lines: lines.into_iter().map(place).collect(),
        flux_unit: observation.flux_unit(),
        axis: observation.axis,
        axis_unit: observation.axis_unit,
        unit: observation.unit,
        estimate,
    }))
}

fn mean_of(observation: &Observation, pixels: &[[usize; 2]]) -> Result<Batch, TaskError> {
    let Some([rows, columns]) = observation.shape else { return observation.read(0..1) };
    let mut sorted = pixels.to_vec();
    sorted.sort_unstable();
    let mut sum = Sum::zeros(observation.axis.len());
    let mut alone = Batch::default();
    for of_row in sorted.chunk_by(|a, b| a[0] == b[0]) {
        let row = of_row[0][0];
        if let Some([row, column]) = of_row.iter().find(|[row, column]| *row >= rows || *column >= columns) {
            return Err(TaskError::Failed(format!(
                "pixel x = {}, y = {} lies outside the cube of {columns} x {rows}",
                column + 1,
                row + 1
            )));
        }
        let batch = observation.read(row..row + 1)?;
        for [_, column] in of_row {
            let (data, weights) = batch.spectrum(*column);
            sum.add((data, weights));
            if sorted.len() == 1 {
                alone = Batch { samples: batch.samples, data: data.to_vec(), weights: weights.to_vec() };
            }
        }
    }
    if sorted.len() == 1 {
        // As it is: the mean of one may differ in the last bit.
        return Ok(alone);
    }
    let mut mean = Batch::zeros(0, observation.axis.len());
    sum.append_mean(&mut mean);
    Ok(mean)
}
