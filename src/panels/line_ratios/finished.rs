//! A finished run with what stands beside it: the truth of a simulation, its brightest line and spaxel.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::data::{FitsFile, pixel_scale_arcsec, read_planes};
use crate::panels::product::python_string;
use crate::runs::Record;
use crate::studies::line_ratios::lines::Line;
use crate::studies::line_ratios::{
    Binning, FitOutcome, FitRequest, FittedSpectrum, MAPS, Map, SPECTRA, SimulateRequest,
};
use crate::tasks::{Outcome, Task, TaskError};
use crate::workers::Weigh;

/// File of a simulated cube.
pub(super) const CUBE: &str = "cube.fits";
const TRUTH: &str = "truth.fits";

/// A spectrum and its fit as points `[place, value]`.
pub(super) struct Curves {
    /// Data; NaN where they do not count.
    pub data: Vec<[f64; 2]>,
    /// Lines and continuum.
    pub model: Vec<[f64; 2]>,
    /// Continuum.
    pub continuum: Vec<[f64; 2]>,
    /// (data - model) / error.
    pub residual: Vec<[f64; 2]>,
}

impl Curves {
    /// The points of a spectrum.
    pub fn of(axis: &[f64], spectrum: &FittedSpectrum) -> Self {
        let points = |values: &[f64]| axis.iter().zip(values).map(|(x, y)| [*x, *y]).collect();
        let sigmas = spectrum.data.iter().zip(&spectrum.model).zip(&spectrum.error);
        let residual: Vec<f64> = sigmas.map(|((data, model), error)| (data - model) / error).collect();
        Self {
            data: points(&spectrum.data),
            model: points(&spectrum.model),
            continuum: points(&spectrum.continuum),
            residual: points(&residual),
        }
    }
}

/// A finished fit.
#[derive(Clone)]
pub(super) struct Finished {
    /// Maps, spectra, numbers.
    pub outcome: Arc<FitOutcome>,
    /// How it was made.
    pub record: Record,
    /// Its request.
    pub request: FitRequest,
    /// Where it lies.
    pub folder: PathBuf,
    /// Its files with their sizes in bytes.
    pub sizes: Vec<(String, u64)>,
    /// What went wrong without costing the run.
    pub notes: Vec<String>,
    /// True maps by the names of the fitted ones, where the cube was simulated.
    pub truth: Option<Arc<Vec<Map>>>,
    /// Lines that were measured.
    pub lines: Vec<Line>,
    /// The line that is seen best.
    pub brightest_line: Option<Line>,
    /// Row and column where it is.
    pub brightest: Option<[usize; 2]>,
    /// Side of a spaxel; 0 where it is not known.
    pub scale_arcsec: f64,
    /// Of a single spectrum, itself.
    pub single: Option<Arc<Curves>>,
    /// Borders between bins, where spaxels were put together and the bins can be told apart by eye; in pixels of the maps.
    pub borders: Arc<Vec<[[f64; 2]; 2]>>,
    /// Another one for every run that is shown.
    pub id: u64,
}

impl Weigh for Finished {
    fn bytes(&self) -> usize {
        let maps = self.outcome.maps.iter().chain(self.truth.iter().flat_map(|maps| maps.iter()));
        maps.map(|map| 4 * map.values.len()).sum::<usize>() + 40 * self.outcome.axis.len()
    }
}

impl Finished {
    /// A fit and, where its cube is a simulation of ours, the truth. Reads files: for the thread of a job or query.
    pub fn new(outcome: Arc<FitOutcome>, record: Record, folder: PathBuf) -> Self {
        let request: FitRequest = serde_json::from_value(record.request.clone()).unwrap_or_default();
        let lines: Vec<Line> =
            Line::ALL.into_iter().filter(|line| outcome.map(&format!("FLUX_{}", line.name())).is_some()).collect();
        let (brightest_line, brightest) = brightest(&outcome, &lines);
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            truth: truth_of(&request, &outcome).map(Arc::new),
            sizes: crate::panels::study::file_sizes(&folder, &record),
            scale_arcsec: scale_of(&folder, &request),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            notes: Vec::new(),
            single: outcome
                .spectra
                .iter()
                .find(|_| outcome.maps.is_empty())
                .map(|spectrum| Arc::new(Curves::of(&outcome.axis, spectrum))),
            borders: Arc::new(if request.binning == Binning::None { Vec::new() } else { borders(&outcome) }),
            brightest_line,
            brightest,
            lines,
            request,
            outcome,
            record,
            folder,
        }
    }

    /// Reads a run folder.
    pub fn read(folder: &Path) -> Result<Self, TaskError> {
        let record = Record::read(folder)?;
        if record.task != FitRequest::NAME {
            return Err(TaskError::file(folder, format!("is a run of {}, not of {}", record.task, FitRequest::NAME)));
        }
        let outcome = FitOutcome::load(folder, &record.request, &record.metrics)?;
        Ok(Self::new(Arc::new(outcome), record, folder.to_owned()))
    }

    /// Rows and columns; `None` of a single spectrum.
    pub fn shape(&self) -> Option<[usize; 2]> {
        self.outcome.maps.first().map(|map| [map.values.nrows(), map.values.ncols()])
    }

    /// A value of a map at a spaxel; NaN where there is none.
    pub fn value(&self, map: &str, place: [usize; 2]) -> f64 {
        self.outcome.map(map).and_then(|map| map.values.get(place)).map_or(f64::NAN, |value| f64::from(*value))
    }

    /// The true value there.
    pub fn true_value(&self, map: &str, place: [usize; 2]) -> Option<f64> {
        let map = self.true_map(map)?;
        map.values.get(place).map(|value| f64::from(*value)).filter(|value| value.is_finite())
    }

    /// A true map.
    pub fn true_map(&self, name: &str) -> Option<&Map> {
        self.truth.as_ref()?.iter().find(|map| map.name == name)
    }

    /// Spaxels `[row, column]` that were measured together with this one.
    pub fn bin_of(&self, place: [usize; 2]) -> Vec<[usize; 2]> {
        let Some(bins) = self.outcome.map("BIN") else { return vec![place] };
        match bins.values.get(place) {
            Some(bin) if bin.is_finite() => {
                bins.values.indexed_iter().filter(|(_, other)| *other == bin).map(|((y, x), _)| [y, x]).collect()
            }
            _ => vec![place],
        }
    }
}

/// Borders drawn at most: more would be a grey haze.
const MOST_BORDERS: usize = 6000;

/// Straight borders between the bins of a run, `[[x, y]; 2]` in pixels, as long as they go.
fn borders(outcome: &FitOutcome) -> Vec<[[f64; 2]; 2]> {
    outcome.map("BIN").map(|map| borders_of(&map.values)).unwrap_or_default()
}

fn borders_of(bins: &ndarray::Array2<f32>) -> Vec<[[f64; 2]; 2]> {
    let (rows, columns) = bins.dim();
    let bin = |y: usize, x: usize| bins.get([y, x]).copied().filter(|bin| bin.is_finite());
    let mut sizes: HashMap<u32, usize> = HashMap::new();
    for value in bins.iter().filter(|value| value.is_finite()) {
        *sizes.entry(value.to_bits()).or_default() += 1;
    }
    // Single spaxels show by themselves where they end.
    let is_large = |bin: Option<f32>| bin.is_some_and(|bin| sizes.get(&bin.to_bits()).is_some_and(|size| *size > 1));
    let parted = |a: Option<f32>, b: Option<f32>| a != b && (is_large(a) || is_large(b));
    let mut found = Vec::new();
    // Between rows and between columns alike: runs of places where the bin changes.
    let mut walk =
        |lines: usize, length: usize, differs: &dyn Fn(usize, usize) -> bool, place: &dyn Fn(f64, f64) -> [f64; 2]| {
            for line in 1..lines {
                let mut start = None;
                for at in 0..=length {
                    let here = at < length && differs(line, at);
                    match (start, here) {
                        (None, true) => start = Some(at),
                        (Some(from), false) => {
                            let across = line as f64 - 0.5;
                            found.push([place(across, from as f64 - 0.5), place(across, at as f64 - 0.5)]);
                            start = None;
                        }
                        _ => {}
                    }
                }
            }
        };
    walk(rows, columns, &|y, x| parted(bin(y - 1, x), bin(y, x)), &|across, along| [along, across]);
    walk(columns, rows, &|x, y| parted(bin(y, x - 1), bin(y, x)), &|across, along| [across, along]);
    if found.len() > MOST_BORDERS { Vec::new() } else { found }
}

/// The line whose upper tenth of signal to noise is largest, and the spaxel where it is seen best.
fn brightest(outcome: &FitOutcome, lines: &[Line]) -> (Option<Line>, Option<[usize; 2]>) {
    let finite = |line: &Line| -> Vec<(f32, [usize; 2])> {
        let map = outcome.map(&format!("SNR_{}", line.name()));
        let values = map.into_iter().flat_map(|map| map.values.indexed_iter());
        values.filter(|(_, value)| value.is_finite()).map(|((y, x), value)| (*value, [y, x])).collect()
    };
    let upper_tenth = |line: &Line| {
        let mut values: Vec<f32> = finite(line).into_iter().map(|(value, _)| value).collect();
        let at = values.len().saturating_sub(1) * 9 / 10;
        if values.is_empty() { f32::NEG_INFINITY } else { *values.select_nth_unstable_by(at, f32::total_cmp).1 }
    };
    let line = lines.iter().map(|line| (upper_tenth(line), *line)).max_by(|a, b| a.0.total_cmp(&b.0));
    let place = line.and_then(|(_, line)| finite(&line).into_iter().max_by(|a, b| a.0.total_cmp(&b.0)));
    (line.map(|(_, line)| line), place.map(|(_, place)| place))
}

/// The simulation that the cube came from: its folder holds the truth.
fn truth_of(request: &FitRequest, outcome: &FitOutcome) -> Option<Vec<Map>> {
    let folder = request.data.as_deref()?.parent()?;
    Record::read(folder).ok().filter(|record| record.task == SimulateRequest::NAME)?;
    let shape = outcome.maps.first()?.values.dim();
    let planes = read_planes(&folder.join(TRUTH)).ok()?;
    let maps = planes.into_iter().filter_map(|plane| {
        let values: ndarray::Array2<f32> = plane.pixels.into_dimensionality().ok()?;
        (values.dim() == shape).then_some(Map { name: plane.name, unit: plane.unit, values })
    });
    Some(maps.collect::<Vec<_>>()).filter(|maps| !maps.is_empty())
}

/// Side of a spaxel by the maps, or by the cube where they are not written yet; 0, for scales in pixels, where neither tells.
fn scale_of(folder: &Path, request: &FitRequest) -> f64 {
    let of = |path: &Path| {
        let file = FitsFile::open(path).ok()?;
        file.hdus().iter().filter(|hdu| hdu.image().is_some()).find_map(|hdu| pixel_scale_arcsec(&hdu.header))
    };
    of(&folder.join(MAPS)).or_else(|| request.data.as_deref().and_then(of)).unwrap_or(0.0)
}

/// A short script that shows the maps of a run, or its spectrum.
pub(super) fn python(finished: &Finished) -> String {
    let run = python_string(&finished.folder.display().to_string());
    if finished.shape().is_none() {
        return format!(
            "from astropy.table import Table\nimport matplotlib.pyplot as plt\n\nrun = {run}\n\
             t = Table.read(f\"{{run}}/{SPECTRA}\")\nx = t.colnames[0]\n\
             plt.step(t[x], t[\"spectrum\"], where=\"mid\", color=\"k\")\nplt.plot(t[x], t[\"spectrum_model\"])\n\
             plt.xlabel(f\"{{x}} ({{t[x].unit}})\")\nplt.show()"
        );
    }
    let mut names = vec!["VELOCITY".to_owned(), "BROADENING".to_owned()];
    names.extend(finished.brightest_line.map(|line| format!("FLUX_{}", line.name())));
    names.extend(
        ["NII6583/Halpha", "OIII5007/Hbeta"].into_iter().find(|r| finished.outcome.map(r).is_some()).map(String::from),
    );
    let list = names.iter().map(|name| python_string(name)).collect::<Vec<_>>().join(", ");
    format!(
        "from astropy.io import fits\nimport matplotlib.pyplot as plt\nimport numpy as np\n\nrun = {run}\n\
         names = [{list}]\nmaps = fits.open(f\"{{run}}/{MAPS}\")\n\
         fig, axes = plt.subplots(1, len(names), figsize=(4 * len(names), 4))\nfor ax, name in zip(axes, names):\n    \
         image = maps[name].data\n    middle = np.nanmedian(image)\n    \
         reach = np.nanpercentile(abs(image - middle), 98)\n    \
         limits = dict(vmin=middle - reach, vmax=middle + reach, cmap=\"RdBu_r\") if name == \"VELOCITY\" else {{}}\n    \
         fig.colorbar(ax.imshow(image, origin=\"lower\", **limits), ax=ax)\n    ax.set_title(name)\nplt.show()"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_surround_bins_of_more_than_one_spaxel() {
        // A bin of 2 x 2, a single spaxel, a missing one, a bin of two.
        let nan = f32::NAN;
        let bins = ndarray::array![[1.0f32, 1.0, 2.0, nan], [1.0, 1.0, 3.0, 3.0]];
        let mut found = borders_of(&bins);
        found.sort_by(|a, b| {
            a.concat().iter().zip(&b.concat()).map(|(a, b)| a.total_cmp(b)).find(|o| o.is_ne()).unwrap()
        });
        assert_eq!(found, [[[1.5, -0.5], [1.5, 1.5]], [[1.5, 0.5], [3.5, 0.5]]]);
    }
}
