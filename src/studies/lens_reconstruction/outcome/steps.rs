//! Every evaluation of the network on the way to its answer: what the scrub bar plays back.

use std::path::Path;

use ndarray::{Array1, Array2, Array3, Axis};

use crate::data::{Keyword, OwnedPlane, Plane, Value, read_planes, write_planes};
use crate::studies::lens_reconstruction::maps::grid_keywords;
use crate::studies::lens_reconstruction::rim::{RimFit, RimStep};
use crate::tasks::TaskError;

/// File of the steps.
pub(super) const FILE: &str = "steps.fits";
/// Rows that need not be there.
const FINETUNING: &str = "FINETUNING";
const REFINING: &str = "REFINING";

/// The states of the machine, on its own grids. Cubes are `[step, y, x]`.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSteps {
    /// Source, unit of the image.
    pub sources: Array3<f32>,
    /// Convergence.
    pub convergences: Array3<f32>,
    /// Lensed source through the PSF, unit of the image.
    pub models: Array3<f32>,
    /// (Data - model) / noise; NaN where a pixel is not used.
    pub residuals: Array3<f32>,
    /// `chi2` a used pixel of the machine's grids, after each step.
    pub reduced_chi2: Vec<f64>,
    /// `chi2` a used pixel before each step of fine-tuning, and after the last; empty without.
    pub finetuning: Vec<f64>,
    /// `chi2` a used pixel before the last state was refined from the one before it, and after each iteration; empty without, then all states
    /// are the network's.
    pub refining: Vec<f64>,
    /// Middle of all maps, arcsec from the image centre.
    pub centre_arcsec: [f64; 2],
    /// Pixel of convergence, model and residual (arcsec).
    pub pixel_scale_arcsec: f64,
    /// Pixel of the source (arcsec).
    pub source_scale_arcsec: f64,
}

impl NetworkSteps {
    /// The steps that led to an answer.
    pub(super) fn of(found: &RimFit) -> Self {
        let n = found.frame.grids.pixels;
        let cube = |of: fn(&RimStep) -> &Array2<f64>| {
            Array3::from_shape_fn((found.steps.len(), n, n), |(step, j, i)| of(&found.steps[step])[[j, i]] as f32)
        };
        Self {
            sources: cube(|s| &s.source),
            convergences: cube(|s| &s.convergence),
            models: cube(|s| &s.model),
            residuals: cube(|s| &s.residual),
            reduced_chi2: found.steps.iter().map(|s| s.reduced_chi2).collect(),
            finetuning: found.finetuned.as_ref().map(|f| f.reduced_chi2.clone()).unwrap_or_default(),
            refining: found.refining.clone(),
            centre_arcsec: found.frame.centre,
            pixel_scale_arcsec: found.frame.step_arcsec(),
            source_scale_arcsec: found.frame.source_grid().pixel,
        }
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.reduced_chi2.len()
    }

    /// True without steps.
    pub fn is_empty(&self) -> bool {
        self.reduced_chi2.is_empty()
    }

    /// Number of those that are the network's.
    pub fn evaluations(&self) -> usize {
        self.len() - usize::from(!self.refining.is_empty()).min(self.len())
    }

    /// The map of one step of a cube.
    pub fn map(cube: &Array3<f32>, step: usize) -> Array2<f32> {
        cube.index_axis(Axis(0), step.min(cube.dim().0.saturating_sub(1))).to_owned()
    }

    /// Writes all of them into one file of the folder.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, folder: &Path, unit: &str, history: &[String]) -> Result<(), TaskError> {
        let shape = (self.sources.dim().1, self.sources.dim().2);
        let grid = grid_keywords(self.centre_arcsec, self.pixel_scale_arcsec, shape);
        let source_grid = grid_keywords(self.centre_arcsec, self.source_scale_arcsec, shape);
        let series = |values: &[f64]| Array1::from_iter(values.iter().map(|v| *v as f32));
        let chi2 = series(&self.reduced_chi2);
        let cube = |name: &'static str, cube: &'_ Array3<f32>, unit: &'static str, keywords: &[Keyword]| {
            (name, cube.clone().into_dyn(), unit.to_owned(), keywords.to_vec())
        };
        let mut planes = vec![
            cube("SOURCE", &self.sources, "", &source_grid),
            cube("CONVERGENCE", &self.convergences, "", &grid),
            cube("MODEL", &self.models, "", &grid),
            cube("RESIDUAL", &self.residuals, "sigma", &grid),
            ("REDUCED_CHI2", chi2.into_dyn(), String::new(), Vec::new()),
        ];
        planes[0].2 = unit.to_owned();
        planes[2].2 = unit.to_owned();
        for (name, values) in [(FINETUNING, &self.finetuning), (REFINING, &self.refining)] {
            if !values.is_empty() {
                planes.push((name, series(values).into_dyn(), String::new(), Vec::new()));
            }
        }
        let views: Vec<Plane<'_>> = planes
            .iter()
            .map(|(name, pixels, unit, keywords)| Plane {
                name,
                pixels: pixels.view(),
                unit,
                keywords: keywords.clone(),
            })
            .collect();
        Ok(write_planes(&folder.join(FILE), &views, history)?)
    }

    /// Reads what [`NetworkSteps::write`] wrote; `None` where there is no such file.
    ///
    /// # Errors
    /// A damaged file.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, TaskError> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let planes = read_planes(&path)?;
        let bad = || {
            TaskError::file(&path, "expected the cubes SOURCE, CONVERGENCE, MODEL, RESIDUAL and the row REDUCED_CHI2")
        };
        let plane = |k: usize| planes.get(k).ok_or_else(bad);
        let cube = |k: usize| -> Result<Array3<f32>, TaskError> {
            plane(k)?.pixels.clone().into_dimensionality().map_err(|_| bad())
        };
        let number = |k: usize, name: &str| -> Result<f64, TaskError> {
            let keyword = plane(k)?.keywords.iter().find(|key| key.name == name);
            match keyword.map(|key| &key.value) {
                Some(Value::Float(value)) => Ok(*value),
                Some(Value::Integer(value)) => Ok(*value as f64),
                _ => Err(bad()),
            }
        };
        let values = |p: &OwnedPlane| p.pixels.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        let named = |name: &str| planes.iter().find(|p| p.name == name).map(values).unwrap_or_default();
        let out = Self {
            sources: cube(0)?,
            convergences: cube(1)?,
            models: cube(2)?,
            residuals: cube(3)?,
            reduced_chi2: values(plane(4)?),
            finetuning: named(FINETUNING),
            refining: named(REFINING),
            centre_arcsec: [number(0, "CRVAL1")?, number(0, "CRVAL2")?],
            pixel_scale_arcsec: number(1, "CDELT1")?,
            source_scale_arcsec: number(0, "CDELT1")?,
        };
        let same = [&out.convergences, &out.models, &out.residuals].iter().all(|c| c.dim() == out.sources.dim());
        if same && out.sources.dim().0 == out.reduced_chi2.len() { Ok(Some(out)) } else { Err(bad()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_written_and_read() {
        let cube = |first: f32| Array3::from_shape_fn((3, 4, 4), |(k, j, i)| first + (k * 16 + j * 4 + i) as f32);
        let steps = NetworkSteps {
            sources: cube(0.0),
            convergences: cube(1.0),
            models: cube(2.0),
            residuals: cube(3.0),
            reduced_chi2: vec![4.0, 2.0, 1.5],
            finetuning: vec![1.5, 1.25],
            refining: vec![1.25, 1.0, 0.75],
            centre_arcsec: [0.5, -0.25],
            pixel_scale_arcsec: 0.125,
            source_scale_arcsec: 0.0625,
        };
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(NetworkSteps::read(folder.path()).unwrap(), None);
        steps.write(folder.path(), "electron/s", &[]).unwrap();
        assert_eq!(NetworkSteps::read(folder.path()).unwrap(), Some(steps.clone()));
        assert_eq!(NetworkSteps::map(&steps.models, 1)[[0, 0]], 18.0);
        assert_eq!((steps.len(), steps.evaluations()), (3, 2));
        let plain = NetworkSteps { finetuning: Vec::new(), refining: Vec::new(), ..steps.clone() };
        assert_eq!(plain.evaluations(), 3);
        plain.write(folder.path(), "electron/s", &[]).unwrap();
        assert_eq!(NetworkSteps::read(folder.path()).unwrap(), Some(plain));
        std::fs::write(folder.path().join(FILE), "no steps").unwrap();
        assert!(NetworkSteps::read(folder.path()).is_err());
    }
}
