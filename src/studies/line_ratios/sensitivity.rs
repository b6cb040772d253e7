//! Which samples of one spectrum the ratios of the network hang on: by how much each moves when a sample does.

use super::axis::SINC_FWHM;
use super::inspect::mean_of;
use super::learned::held;
use super::lines::Line;
use super::network::NetworkEstimator;
use super::observation::{Batch, Observation};
use super::prior::RATIOS;
use super::ratios::lines_of;
use super::request::FitRequest;
use super::shape::LineShape;
use crate::tasks::{Progress, TaskError};

/// Samples within so many full widths at half maximum of the line shape belong to a line.
const REACH: f64 = 2.5;

/// The activation map of one spectrum.
#[derive(Debug, Clone)]
pub struct Sensitivity {
    /// Places of the samples.
    pub axis: Vec<f64>,
    /// The spectrum; NaN where it does not count.
    pub spectrum: Vec<f64>,
    /// Standard deviation of its noise, by which samples are moved.
    pub noise: f64,
    /// Lines: where each lies at the velocity of the network.
    pub lines: Vec<(Line, f64)>,
    /// The ratios of the band.
    pub ratios: Vec<RatioSensitivity>,
}

/// Of one ratio.
#[derive(Debug, Clone)]
pub struct RatioSensitivity {
    /// Its name.
    pub name: &'static str,
    /// Change of `log10` of the ratio (dex) when a sample rises by the noise: half that between one noise down and one up, all of
    /// the way from the spectrum to the ratio, velocity and broadening included.
    pub change: Vec<f64>,
    /// Share of the summed squares of these within 2.5 line widths of the lines of this ratio.
    pub on_its_lines: f64,
}

impl Sensitivity {
    /// Of the mean spectrum of some spaxels `[row, column]`. `None` when too few samples count.
    ///
    /// # Errors
    /// As [`Observation::open`] and [`Observation::model`]; data that the networks do not know; a spaxel outside; cancelled.
    pub fn of<U: Send + Sync + 'static>(
        request: &FitRequest,
        spaxels: &[[usize; 2]],
        progress: &Progress<U>,
    ) -> Result<Option<Self>, TaskError> {
        let observation = Observation::open(request)?;
        let model = observation.model(request)?;
        let networks = NetworkEstimator::new(&model, &observation, request.noise, false)?;
        let batch = mean_of(&observation, spaxels, progress)?;
        let Some((noise, velocity)) = networks.noise_and_velocity(&batch) else { return Ok(None) };
        let (data, weights) = batch.spectrum(0);
        let counted: Vec<usize> = (0..data.len()).filter(|j| weights[*j] > 0.0).collect();
        if counted.len() < 20 {
            return Ok(None);
        }
        let mut changes = vec![vec![0.0; data.len()]; RATIOS.len()];
        // Some samples at once, so that it can be cancelled between.
        for some in counted.chunks(32) {
            progress.check()?;
            let mut moved = Batch { samples: data.len(), data: Vec::new(), weights: Vec::new() };
            for (j, sign) in some.iter().flat_map(|j| [(*j, 1.0), (*j, -1.0)]) {
                let first = moved.data.len();
                moved.data.extend_from_slice(data);
                moved.weights.extend_from_slice(weights);
                moved.data[first + j] += sign * noise;
            }
            // The noise that the networks are told stays: what is asked is what a sample says, not what it does to the noise.
            let logs = networks.log_ratios(&moved, noise);
            for (pair, j) in logs.chunks_exact(2).zip(some) {
                for (k, change) in changes.iter_mut().enumerate() {
                    change[*j] = 0.5 * (pair[0][k] - pair[1][k]);
                }
            }
        }
        let place = |line: Line| observation.frame.shifted(observation.frame.origin(line), velocity).0;
        let lines: Vec<(Line, f64)> = model.lines().map(|line| (line, place(line))).collect();
        let reach = match observation.line_shape {
            LineShape::Sinc { width } => REACH * SINC_FWHM * width,
            // The networks refuse everything else.
            LineShape::Gaussian { .. } => 0.0,
        };
        let axis = observation.axis.clone();
        let names: Vec<Line> = lines.iter().map(|(line, _)| *line).collect();
        let ratios = held(&names).into_iter().map(|k| {
            let change = std::mem::take(&mut changes[k]);
            let own: Vec<Line> = lines_of(RATIOS[k]).into_iter().flatten().flatten().collect();
            let places: Vec<f64> =
                lines.iter().filter(|(line, _)| own.contains(line)).map(|(_, place)| *place).collect();
            RatioSensitivity { name: RATIOS[k], on_its_lines: share_near(&axis, &change, &places, reach), change }
        });
        Ok(Some(Self {
            ratios: ratios.collect(),
            spectrum: data.iter().zip(weights).map(|(d, w)| if *w > 0.0 { *d } else { f64::NAN }).collect(),
            noise,
            lines,
            axis,
        }))
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        8 * self.axis.len() * (2 + self.ratios.len()) + size_of::<Self>()
    }
}

/// Share of the summed squares within `reach` of some places.
fn share_near(axis: &[f64], change: &[f64], places: &[f64], reach: f64) -> f64 {
    let (mut near, mut all) = (0.0, 0.0);
    for (x, change) in axis.iter().zip(change) {
        let square = change * change;
        all += square;
        if places.iter().any(|place| (x - place).abs() <= reach) {
            near += square;
        }
    }
    near / all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::line_ratios::{Method, SimulateRequest};
    use crate::tasks::{Outcome, Provenance, Task};

    /// [NII]/Halpha is read off its own lines; a sample that no line and no continuum window holds moves nothing.
    #[test]
    fn a_ratio_hangs_on_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        let made = SimulateRequest { pixels: 16, regions: 12, signal_to_noise: 400.0, ..Default::default() };
        let made = made.run(&Progress::silent()).unwrap();
        let provenance = Provenance { task: String::new(), version: String::new(), request: String::new() };
        made.save(folder.path(), &provenance).unwrap();
        let data = Some(folder.path().join("cube.fits"));
        let request = FitRequest { data, method: Method::Fit, ..FitRequest::default() };
        let glance = crate::studies::line_ratios::Glance::read(&request, &Progress::silent(), |g| g).unwrap();
        let place = glance.brightest.unwrap();
        let found = Sensitivity::of(&request, &[place], &Progress::<()>::silent()).unwrap().unwrap();
        let nitrogen = found.ratios.iter().find(|ratio| ratio.name == "NII6583/Halpha").unwrap();
        assert!(nitrogen.on_its_lines > 0.6, "{}", nitrogen.on_its_lines);
        // More of [NII] 6583 is more of the ratio, more of Halpha is less.
        let at = |line: Line| {
            let x = found.lines.iter().find(|(other, _)| *other == line).unwrap().1;
            let distance = |j: &usize| (found.axis[*j] - x).abs();
            (0..found.axis.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap()
        };
        assert!(nitrogen.change[at(Line::NII6583)] > 0.0 && nitrogen.change[at(Line::Halpha)] < 0.0);
        let sulphur = found.ratios.iter().find(|ratio| ratio.name == "SII6731/SII6716").unwrap();
        assert!(sulphur.change[at(Line::SII6731)] > 0.0 && sulphur.change[at(Line::SII6716)] < 0.0);
        assert_eq!(found.ratios.len(), 5);
    }

    #[test]
    fn the_share_counts_squares() {
        let share = share_near(&[0.0, 1.0, 2.0, 3.0], &[1.0, 3.0, 0.0, 1.0], &[1.0], 0.5);
        assert!((share - 9.0 / 11.0).abs() < 1e-12);
    }
}
