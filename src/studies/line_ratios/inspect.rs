//! What a run saw of a cube, looked at again: the picture of its band before a fit, and the fit of one spaxel after it.

use std::sync::Arc;

use ndarray::Array2;

use super::binning::Sum;
use super::estimate::{Estimate, estimator};
use super::fit_outcome::FittedSpectrum;
use super::lines::Line;
use super::observation::{Batch, Observation};
use super::request::FitRequest;
use crate::tasks::{Progress, TaskError};

/// A file as a fit will see it: the band of its lines, its picture in that band, its brightest spectrum.
#[derive(Debug, Clone, Default)]
pub struct Glance {
    /// Mean of the samples of the band that count, `[y, x]`; NaN where none does or nothing is read yet. `None` of a
    /// single spectrum.
    pub white: Option<Arc<Array2<f32>>>,
    /// Row and column of the largest mean.
    pub brightest: Option<[usize; 2]>,
    /// The spectrum there, or the only one, in the unit of the data; NaN where it does not count.
    pub spectrum: Vec<f64>,
    /// Places of its samples.
    pub axis: Vec<f64>,
    /// Unit of the axis.
    pub axis_unit: String,
    /// Unit of the data.
    pub unit: String,
    /// Lines in the band: where each lies at velocity zero, and the full width at half maximum of the instrument there in km/s.
    pub lines: Vec<(Line, f64, f64)>,
    /// Lines asked for that lie outside.
    pub outside: Vec<Line>,
    /// The file has errors.
    pub has_errors: bool,
    /// Side of a spaxel, if the header tells.
    pub pixel_scale_arcsec: Option<f64>,
}

impl Glance {
    /// Reads the band of a request tile by tile; what is read is offered on the way, as `wrap` has it.
    ///
    /// # Errors
    /// As [`Observation::open`] and [`Observation::model`]; unreadable; cancelled.
    pub fn read<U: Send + Sync + 'static>(
        request: &FitRequest,
        progress: &Progress<U>,
        wrap: impl Fn(Self) -> U,
    ) -> Result<Self, TaskError> {
        let observation = Observation::open(request)?;
        let model = observation.model(request)?;
        let lines = model.lines().map(|line| {
            let place = observation.frame.origin(line);
            (line, place, model.instrumental_fwhm_km_s(place))
        });
        let mut glance = Self {
            lines: lines.collect(),
            axis: observation.axis.clone(),
            axis_unit: observation.axis_unit.clone(),
            unit: observation.unit.clone(),
            outside: observation.outside.clone(),
            has_errors: observation.has_errors,
            pixel_scale_arcsec: observation.pixel_scale_arcsec(),
            ..Self::default()
        };
        let Some([rows, columns]) = observation.shape else {
            glance.spectrum = counted(&observation.read(0..1)?, 0);
            return Ok(glance);
        };
        let mut white = Array2::from_elem((rows, columns), f32::NAN);
        let mut most = f64::NEG_INFINITY;
        for tile in observation.tiles(1) {
            progress.check()?;
            let batch = observation.read(tile.clone())?;
            for index in 0..batch.len() {
                let mean = mean(batch.spectrum(index));
                let place = [tile.start + index / columns, index % columns];
                white[place] = mean as f32;
                if mean > most {
                    most = mean;
                    glance.brightest = Some(place);
                    glance.spectrum = counted(&batch, index);
                }
            }
            progress.fraction(tile.end as f64 / rows.max(1) as f64);
            progress.update(|| wrap(Self { white: Some(Arc::new(white.clone())), ..glance.clone() }));
        }
        glance.white = Some(Arc::new(white));
        Ok(glance)
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.white.as_ref().map_or(0, |white| 4 * white.len()) + 16 * self.axis.len()
    }
}

fn mean((data, weights): (&[f64], &[f64])) -> f64 {
    let good = || data.iter().zip(weights).filter(|(_, weight)| **weight > 0.0).map(|(value, _)| *value);
    good().sum::<f64>() / good().count() as f64
}

fn counted(batch: &Batch, index: usize) -> Vec<f64> {
    let (data, weights) = batch.spectrum(index);
    data.iter().zip(weights).map(|(value, weight)| if *weight > 0.0 { *value } else { f64::NAN }).collect()
}

/// A spaxel, or the mean of those that were measured together, with its fit.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// Data, error, model, continuum.
    pub spectrum: FittedSpectrum,
    /// Places of the samples.
    pub axis: Vec<f64>,
    /// Lines: where each lies at the velocity that was found.
    pub lines: Vec<(Line, f64)>,
    /// The answer.
    pub estimate: Estimate,
}

impl Inspected {
    /// Measures the mean spectrum of some spaxels `[row, column]` by the method of the run: the same numbers as in its
    /// maps. `None` when too few samples count.
    ///
    /// # Errors
    /// As [`Observation::open`] and [`Observation::model`]; networks that know no such data; a spaxel outside; unreadable;
    /// cancelled.
    pub fn of<U: Send + Sync + 'static>(
        request: &FitRequest,
        spaxels: &[[usize; 2]],
        progress: &Progress<U>,
    ) -> Result<Option<Self>, TaskError> {
        let observation = Observation::open(request)?;
        let model = observation.model(request)?;
        let batch = mean_of(&observation, spaxels, progress)?;
        let estimator = estimator(request, &observation, &model)?;
        let Some(estimate) = estimator.estimate(&batch).into_iter().next().flatten() else { return Ok(None) };
        let at = |line: Line| observation.frame.shifted(observation.frame.origin(line), estimate.fit.velocity_km_s).0;
        Ok(Some(Self {
            spectrum: FittedSpectrum::new("spaxel", &model, &batch, &estimate),
            axis: observation.axis.clone(),
            lines: model.lines().map(|line| (line, at(line))).collect(),
            estimate,
        }))
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        40 * self.axis.len() + size_of::<Self>()
    }
}

/// The mean spectrum of some spaxels `[row, column]`.
///
/// # Errors
/// A spaxel outside; unreadable; cancelled.
pub(super) fn mean_of<U: Send + Sync + 'static>(
    observation: &Observation,
    spaxels: &[[usize; 2]],
    progress: &Progress<U>,
) -> Result<Batch, TaskError> {
    let [rows, columns] = observation.shape.unwrap_or([1, 1]);
    if let Some([row, column]) = spaxels.iter().find(|[row, column]| *row >= rows || *column >= columns) {
        return Err(TaskError::Failed(format!(
            "the cube of {columns} x {rows} spaxels has none at x {}, y {}; it is not the one that was fitted",
            column + 1,
            row + 1
        )));
    }
    let mut sum = Sum::zeros(observation.axis.len());
    let mut by_row: Vec<[usize; 2]> = spaxels.to_vec();
    by_row.sort_unstable();
    for row in by_row.chunk_by(|a, b| a[0] == b[0]) {
        progress.check()?;
        let batch = observation.read(row[0][0]..row[0][0] + 1)?;
        for [_, column] in row {
            sum.add(batch.spectrum(*column));
        }
    }
    let mut batch = Batch::zeros(0, observation.axis.len());
    sum.append_mean(&mut batch);
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::line_ratios::{Binning, SimulateRequest};
    use crate::tasks::{Outcome, Provenance, Task};

    /// A galaxy of 16 spaxels a side in a file.
    fn cube(folder: &std::path::Path) -> std::path::PathBuf {
        let request = SimulateRequest { pixels: 16, regions: 12, resolution: 2000.0, ..Default::default() };
        let made = request.run(&Progress::silent()).unwrap();
        let provenance = Provenance { task: String::new(), version: String::new(), request: String::new() };
        made.save(folder, &provenance).unwrap();
        folder.join("cube.fits")
    }

    #[test]
    fn a_spaxel_looked_at_again_has_the_numbers_of_the_maps() {
        let folder = tempfile::tempdir().unwrap();
        let data = Some(cube(folder.path()));
        for binning in [Binning::None, Binning::Square] {
            let request = FitRequest { data: data.clone(), binning, bin_pixels: 2, ..FitRequest::default() };
            let outcome = request.run(&Progress::silent()).unwrap();
            let bins = &outcome.map("BIN").unwrap().values;
            let place = [9, 6];
            let together: Vec<[usize; 2]> =
                bins.indexed_iter().filter(|(_, bin)| **bin == bins[place]).map(|((y, x), _)| [y, x]).collect();
            assert_eq!(together.len(), if binning == Binning::None { 1 } else { 4 });
            let found = Inspected::of(&request, &together, &Progress::<()>::silent()).unwrap().unwrap();
            let value = |name: &str| outcome.map(name).unwrap().values[place];
            assert_eq!(value("VELOCITY"), found.estimate.fit.velocity_km_s as f32, "{binning:?}");
            assert_eq!(value("REDUCED_CHI2"), found.estimate.fit.reduced_chi2() as f32, "{binning:?}");
            let line = found.lines.iter().position(|(line, _)| *line == Line::Halpha).unwrap();
            assert_eq!(value("FLUX_Halpha"), found.estimate.fit.flux[line] as f32);
            // Near the middle of the line the model is near its peak.
            let peak = found.spectrum.model.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let nearest = found.axis.iter().position(|x| *x >= found.lines[line].1).unwrap();
            assert!(found.spectrum.model[nearest] > 0.5 * peak);
        }
        let request = FitRequest { data, ..FitRequest::default() };
        assert!(
            Inspected::of(&request, &[[16, 0]], &Progress::<()>::silent()).unwrap_err().to_string().contains("y 17")
        );
    }

    #[test]
    fn a_glance_finds_the_brightest_spaxel_and_the_lines() {
        let folder = tempfile::tempdir().unwrap();
        let request = FitRequest { data: Some(cube(folder.path())), ..FitRequest::default() };
        let glance = Glance::read(&request, &Progress::silent(), |glance| glance).unwrap();
        let white = glance.white.unwrap();
        assert_eq!(white.dim(), (16, 16));
        let brightest = white[glance.brightest.unwrap()];
        assert!(white.iter().all(|value| *value <= brightest));
        let names: Vec<&str> = glance.lines.iter().map(|(line, ..)| line.name()).collect();
        assert_eq!(names, ["NII6548", "Halpha", "NII6583", "SII6716", "SII6731"]);
        assert_eq!(glance.outside.len(), 5);
        // c / R at 2000.
        assert!((glance.lines[1].2 - 150.0).abs() < 5.0, "{}", glance.lines[1].2);
        assert_eq!(glance.spectrum.len(), glance.axis.len());
    }
}
