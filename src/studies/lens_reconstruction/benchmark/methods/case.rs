//! The lenses of the comparison: an image, and everything that is known of its truth.

use ndarray::Array2;
use rayon::prelude::*;

use super::structures::Structures;
use super::{BenchmarkRequest, BenchmarkUpdate, LensSet};
use crate::studies::lens_reconstruction::rim::prior::{
    Example, FIELD_ARCSEC, NoiseRegime, Prior, PriorSettings, SOURCE_FIELD_ARCSEC,
};
use crate::studies::lens_reconstruction::{Gridded, LensError, Observation, Truth};
use crate::tasks::{Progress, TaskError};

/// Seeds of trainings and of this differ by this, so that no lens is in both.
const HELD_OUT: u64 = 0xBE7C_4AAD_0007_E57A;
/// The same for the lenses whose mean is the null.
const NULL: u64 = 0xBE7C_4AAD_0000_0115;
/// Lenses whose mean is the null.
const NULL_LENSES: u64 = 128;
/// The arcs: where the true image stands out of the noise by so much.
const STANDS_OUT: f64 = 3.0;

/// One lens at one noise level.
pub(super) struct Case {
    /// Where it comes from.
    pub(super) set: LensSet,
    /// Its noise.
    pub(super) level: NoiseRegime,
    /// Its number in the set, from 0.
    pub(super) lens: usize,
    /// The image with noise, PSF and mask; no lens light, no sky.
    pub(super) observation: Observation,
    /// The image without noise, `[y, x]`.
    pub(super) noiseless: Array2<f64>,
    /// Source and convergence.
    pub(super) truth: Truth,
    /// Centre of the lens (arcsec).
    pub(super) centre: [f64; 2],
    /// Full width at half maximum of the PSF (arcsec).
    pub(super) psf_fwhm_arcsec: f64,
    /// What the null says of the convergence.
    pub(super) null: Gridded,
    /// What there is to say of it.
    pub(super) remark: String,
}

impl Case {
    /// `chi2` a pixel of a model image in the arcs, and their pixels; NaN without any.
    pub(super) fn arc_chi2(&self, model: &Array2<f64>) -> (f64, usize) {
        let mut sum = 0.0;
        let mut count = 0;
        self.each(|place, arc| {
            if arc {
                sum += ((self.observation.data[place] - model[place]) / self.observation.noise[place]).powi(2);
                count += 1;
            }
        });
        (if count > 0 { sum / count as f64 } else { f64::NAN }, count)
    }

    /// `chi2` a pixel of blank sky: of the noise beside the arcs.
    pub(super) fn blank_sky_chi2(&self) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        self.each(|place, arc| {
            if !arc {
                let noise = self.observation.data[place] - self.noiseless[place];
                sum += (noise / self.observation.noise[place]).powi(2);
                count += 1.0;
            }
        });
        sum / count
    }

    /// Tells of every pixel whether it belongs to the arcs.
    fn each(&self, mut tell: impl FnMut((usize, usize), bool)) {
        for (place, value) in self.noiseless.indexed_iter() {
            tell(place, *value > STANDS_OUT * self.observation.noise[place]);
        }
    }

    /// Noise of a pixel.
    pub(super) fn noise_sigma(&self) -> f64 {
        self.observation.noise.first().copied().unwrap_or(f64::NAN)
    }
}

/// A square map of the field or of the source, row by row.
pub(super) fn gridded(values: impl Iterator<Item = f32>, side: usize, width_arcsec: f64) -> Gridded {
    let map = Array2::from_shape_vec((side, side), values.collect()).unwrap_or_default();
    Gridded { map, centre: [0.0; 2], pixel: width_arcsec / side as f64 }
}

/// All lenses of a request; each is made when it is asked for.
pub(super) struct Cases {
    pixels: usize,
    seed: u64,
    /// Set, level and number of each.
    list: Vec<(LensSet, NoiseRegime, usize)>,
    structures: Option<Structures>,
    /// What the null says: of lenses with substructure, of smooth ones.
    nulls: [Gridded; 2],
}

impl Cases {
    /// For images of `pixels` a side.
    pub(super) fn new(
        request: &BenchmarkRequest,
        pixels: usize,
        progress: &Progress<BenchmarkUpdate>,
    ) -> Result<Self, TaskError> {
        let structures = request.structures.as_deref().map(|folder| Structures::read(folder, pixels)).transpose()?;
        let counts = match &structures {
            Some(found) => vec![(LensSet::Structures, found.pairs())],
            None => vec![(LensSet::Substructure, request.lenses), (LensSet::Smooth, request.smooth_lenses)],
        };
        let mut list = Vec::new();
        for level in request.levels() {
            for (set, count) in &counts {
                list.extend((0..*count).map(|lens| (*set, level, lens)));
            }
        }
        progress.check()?;
        let mut nulls = [false, true].map(|smooth| null(request.seed, pixels, smooth));
        if request.smooth_lenses == 0 {
            nulls[1] = nulls[0].clone();
        }
        Ok(Self { pixels, seed: request.seed, list, structures, nulls })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// One of them.
    pub(super) fn get(&self, index: usize) -> Result<Case, TaskError> {
        let (set, level, lens) = self.list[index];
        let null = self.nulls[usize::from(set == LensSet::Smooth)].clone();
        if let Some(structures) = &self.structures {
            return structures.case(self.seed, level, lens, null);
        }
        let settings =
            PriorSettings { pixels: self.pixels, noise: level, smooth: set == LensSet::Smooth, ..Default::default() };
        let prior = Prior::new(settings);
        let example = prior.example(self.seed ^ HELD_OUT, lens as u64);
        Ok(of_example(&example, prior.psf(&example), self.pixels, (set, level, lens), null)?)
    }
}

fn of_example(
    example: &Example,
    psf: Array2<f64>,
    pixels: usize,
    (set, level, lens): (LensSet, NoiseRegime, usize),
    null: Gridded,
) -> Result<Case, LensError> {
    let image = |values: &[f32]| {
        Array2::from_shape_vec((pixels, pixels), values.iter().map(|v| f64::from(*v)).collect()).unwrap_or_default()
    };
    let shape = (pixels, pixels);
    let noise = Array2::from_elem(shape, f64::from(example.noise_sigma));
    let mask = Array2::from_elem(shape, true);
    let observation = Observation::new(image(&example.image), noise, psf, mask, FIELD_ARCSEC / pixels as f64)?;
    let convergence = example.log_convergence.iter().map(|k| 10f32.powf(*k));
    Ok(Case {
        set,
        level,
        lens,
        observation,
        noiseless: image(&example.noiseless),
        truth: Truth {
            source: Some(gridded(example.source.iter().copied(), pixels, SOURCE_FIELD_ARCSEC)),
            convergence: Some(gridded(convergence, pixels, FIELD_ARCSEC)),
        },
        centre: example.mass.centre_arcsec,
        psf_fwhm_arcsec: f64::from(example.psf_fwhm_arcsec),
        null,
        remark: String::new(),
    })
}

/// Ten to the mean of `log10` convergence of lenses that are in no set.
fn null(seed: u64, pixels: usize, smooth: bool) -> Gridded {
    let prior = Prior::new(PriorSettings { pixels, smooth, ..PriorSettings::default() });
    let maps: Vec<Vec<f32>> =
        (0..NULL_LENSES).into_par_iter().map(|k| prior.example(seed ^ NULL, k).log_convergence).collect();
    let mean = |p: usize| maps.iter().map(|m| f64::from(m[p])).sum::<f64>() / maps.len() as f64;
    gridded((0..pixels * pixels).map(|p| 10f64.powf(mean(p)) as f32), pixels, FIELD_ARCSEC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_reconstruction::benchmark::Part;

    #[test]
    fn a_case_is_the_example_and_blank_sky_is_noise() {
        let request =
            BenchmarkRequest { part: Part::Methods, lenses: 2, smooth_lenses: 1, ..BenchmarkRequest::default() };
        let cases = Cases::new(&request, 48, &Progress::silent()).unwrap();
        assert_eq!(cases.len(), 9);
        let case = cases.get(1).unwrap();
        assert_eq!((case.set, case.level, case.lens), (LensSet::Substructure, NoiseRegime::Low, 1));
        assert!((case.blank_sky_chi2() - 1.0).abs() < 0.15, "{}", case.blank_sky_chi2());
        let (perfect, pixels) = case.arc_chi2(&case.noiseless);
        let (empty, _) = case.arc_chi2(&Array2::zeros(case.noiseless.dim()));
        assert!(pixels > 20 && (perfect - 1.0).abs() < 0.5 && empty > 8.0, "{pixels} {perfect} {empty}");
        // The smooth lens hides behind the same sky as the one with substructure of its number.
        let smooth = cases.get(2).unwrap();
        assert_eq!(
            (smooth.set, smooth.lens, smooth.psf_fwhm_arcsec),
            (LensSet::Smooth, 0, cases.get(0).unwrap().psf_fwhm_arcsec)
        );
        let kappa = |case: &Case| case.truth.convergence.clone().unwrap().map;
        assert_ne!(kappa(&smooth), kappa(&cases.get(0).unwrap()));
        // The null is of the scale of the truths, and is none of them.
        assert!(case.null.at(0.9, 0.9).is_some_and(|k| (0.3..2.0).contains(&k)), "{:?}", case.null.at(0.9, 0.9));
    }
}
