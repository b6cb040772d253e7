//! The machine on an image of the user's: brought to its grids, reconstructed step by step, and brought back.

use ndarray::Array2;

use burn::tensor::Device;

use super::domain::concerns;
use super::finetune::{Ball, FinetuneSettings, Finetuned, RandomBall, finetune};
use super::frame::WorkingFrame;
use super::likelihood::{LensingModel, PixelData, Workspace};
use super::loading::Trained;
use super::network::{Rim, State};
use super::pixel_lens::PixelLens;
use super::refine::{RefineSettings, coarser, finer, refine};
use super::spread::{Calibration, spread};
use super::vae::{SPREAD, Vae, VaeBall};
use crate::studies::lens_reconstruction::pixelated::SourceGrid;
use crate::studies::lens_reconstruction::pixelated::mock::lensed_image;
use crate::studies::lens_reconstruction::{LensError, Observation};

/// Rays along the side of a pixel of the image, at which the answer is judged.
const RAYS: usize = 3;

/// The answer after one evaluation of the network, on the machine's grids.
#[derive(Clone, Debug)]
pub struct RimStep {
    /// Which evaluation, from 1.
    pub number: usize,
    /// Brightness of the source, `[y, x]`, unit of the image.
    pub source: Array2<f64>,
    /// Convergence, `[y, x]`.
    pub convergence: Array2<f64>,
    /// Lensed source through the PSF, on the machine's grids, `[y, x]`, unit of the image.
    pub model: Array2<f64>,
    /// (Data - model) / noise there; NaN where a pixel is not used.
    pub residual: Array2<f64>,
    /// `chi2` a used pixel, on the machine's grids.
    pub reduced_chi2: f64,
}

/// A finished reconstruction.
#[derive(Clone, Debug)]
pub struct RimFit {
    /// Where the grids lie on the image.
    pub frame: WorkingFrame,
    /// Every evaluation, then the refined answer if there is one; the last one is the answer.
    pub steps: Vec<RimStep>,
    /// The mass.
    pub lens: PixelLens,
    /// Grid of the source on the sky.
    pub grid: SourceGrid,
    /// The source, `[y, x]`, unit of the image, nowhere negative.
    pub source: Array2<f64>,
    /// Lensed source through the PSF, on the image, `[y, x]`.
    pub lensed_source_image: Array2<f64>,
    /// Standard deviation of the source, `[y, x]`, unit of the image: the network spread, stretched as simulations ask.
    pub source_sigma: Option<Array2<f64>>,
    /// That of `log10` of the convergence on the machine's grid, `[y, x]` (dex).
    pub log_convergence_sigma: Option<Array2<f64>>,
    /// How the spread was stretched.
    pub calibration: Option<Calibration>,
    /// The errors are those of the refined answer, not of the network's before.
    pub errors_are_of_the_refined: bool,
    /// `chi2` over the used pixels of the image.
    pub chi2: f64,
    /// Used pixels of the image.
    pub pixels: usize,
    /// `chi2` a used pixel of the image before fine-tuning; NaN without it.
    pub reduced_chi2_before_finetune: f64,
    /// What fine-tuning did, if it was asked for.
    pub finetuned: Option<Finetuned>,
    /// `chi2` a used pixel of the image before the answer was refined; NaN without it.
    pub reduced_chi2_before_refine: f64,
    /// `chi2` a used pixel of the machine's grids before the answer was refined and after each iteration; empty without.
    pub refining: Vec<f64>,
    /// `chi2` a pixel of the arcs, there, at the end; NaN without refining or arcs.
    pub arcs_reduced_chi2: f64,
    /// Evaluations of the likelihood's gradient.
    pub gradients: usize,
    /// What lies outside of what the network was trained on, one line each.
    pub concerns: Vec<String>,
}

impl RimFit {
    /// `chi2` a used pixel of the image.
    pub fn reduced_chi2(&self) -> f64 {
        self.chi2 / self.pixels.max(1) as f64
    }

    /// Standard deviation of the convergence on the pixels of an image of `shape`, `[y, x]`; NaN outside the field.
    pub fn convergence_sigma(&self, shape: (usize, usize), pixel_scale_arcsec: f64) -> Option<Array2<f64>> {
        let sigma = self.log_convergence_sigma.as_ref()?;
        // As a map of its own it is brought back like a convergence.
        let dex = self.frame.lens(sigma.iter().copied().collect()).convergence_map(shape, pixel_scale_arcsec);
        let convergence = self.lens.convergence_map(shape, pixel_scale_arcsec);
        Some(&convergence * &dex * std::f64::consts::LN_10)
    }
}

/// What is known of the lens before the machine looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Guess {
    /// Its centre, arcsec from the image centre.
    pub centre: [f64; 2],
    /// About its Einstein radius (arcsec).
    pub einstein_radius_arcsec: f64,
}

/// What `reconstruct` tells while it works.
pub enum RimEvent<'a> {
    /// The network was evaluated.
    Step(&'a WorkingFrame, &'a RimStep),
    /// Fine-tuning: systems drawn and steps made of so many in all, and `chi2` a used pixel on the machine's grids (NaN among the systems).
    Finetune(usize, usize, f64),
    /// The answer of the network as it is after so many steps of fine-tuning.
    Tuned(&'a WorkingFrame, &'a RimStep),
    /// The image is given fresh noise, for the errors.
    Spread,
    /// The answer is refined: iterations made, and `chi2` a used pixel on the machine's grids.
    Refine(usize, f64),
}

/// Fewest pixels of the machine that an image must fill.
const FEWEST: usize = 50;

/// How the network is fine-tuned on the image.
pub struct Finetuning {
    /// Steps, strength and the like.
    pub settings: FinetuneSettings,
    /// Autoencoders of source and convergence from which the systems are drawn; without them random ones.
    pub vaes: Option<[Vae; 2]>,
}

/// How errors are estimated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spreading {
    /// Times that the image is given fresh noise; 0: no errors.
    pub draws: usize,
    /// Seed of the noise.
    pub seed: u64,
}

/// What is done with the image, after and beside the machine.
#[derive(Default)]
pub struct Treatment {
    /// The network is fine-tuned on it first.
    pub finetuning: Option<Finetuning>,
    /// The answer is refined on its likelihood.
    pub refining: Option<RefineSettings>,
    /// Errors.
    pub spreading: Spreading,
}

/// Fewest draws of the spread where the answer is refined, whose prior it is.
const DRAWS: usize = 8;

/// Reconstructs source and convergence. `light`: the image without lens light and sky. `each` is told of every step and stops the work by saying
/// false; while the network is fine-tuned that ends only the fine-tuning, and likewise the refining.
///
/// # Errors
/// Stopped, or an image on which nothing can be computed.
pub fn reconstruct(
    trained: &Trained,
    observation: &Observation,
    light: &Array2<f64>,
    guess: Guess,
    Treatment { finetuning, refining, spreading }: Treatment,
    each: &mut dyn FnMut(&RimEvent) -> bool,
) -> Result<RimFit, LensError> {
    let Trained { rim, domain, calibration, refined_calibration } = trained;
    let grids = *rim.model().grids();
    let frame = WorkingFrame::around(grids, observation, light, guess.centre, guess.einstein_radius_arcsec);
    let data = frame.bring(observation, light);
    if !(guess.einstein_radius_arcsec > 0.0 && frame.brightness > f64::MIN_POSITIVE) || data.used() < FEWEST {
        let what =
            if data.used() < FEWEST { "too few used pixels" } else { "no light above the lens light and the sky" };
        return Err(LensError::Machine { what, used: data.used() });
    }
    let concerns = concerns(domain, observation, &frame, &data, guess.einstein_radius_arcsec);
    let evaluations = rim.settings.steps;
    let steps = run(rim, &frame, &data, each)?;
    let answer = finish(observation, light, &frame, &steps[steps.len() - 1])?;
    let answer = RimFit { gradients: evaluations - 1, steps, concerns, ..answer };
    let answer = match finetuning {
        None => answer,
        Some(finetuning) => {
            let (tuned, finetuned) = tune(rim, &frame, &data, &answer, finetuning, each);
            let steps = run(&tuned, &frame, &data, each)?;
            let second = finish(observation, light, &frame, &steps[steps.len() - 1])?;
            let before = answer.reduced_chi2();
            // Each look at the image of the fine-tuning, and of its systems, asks for the gradient before every evaluation but the first, and of
            // the last state.
            let looks = finetuned.reduced_chi2.len() + finetuned.systems;
            let gradients = answer.gradients + looks * (2 * evaluations - 1) + evaluations - 1;
            // On the pixels of the image it may be no gain at all: then the trained network's answer stands.
            let best =
                if second.chi2 < answer.chi2 { RimFit { steps, concerns: answer.concerns, ..second } } else { answer };
            RimFit { gradients, reduced_chi2_before_finetune: before, finetuned: Some(finetuned), ..best }
        }
    };
    let draws = if refining.is_some() { spreading.draws.max(DRAWS) } else { spreading.draws };
    if draws < 2 {
        return Ok(answer);
    }
    // Of the network as it was trained, fine-tuned or not: for it is known how many errors its spread holds.
    let source: Vec<f64> = answer.source.iter().map(|s| s / frame.brightness).collect();
    let found = spread(rim, &data, draws, spreading.seed, &mut || each(&RimEvent::Spread));
    let Some(raw) = found else { return Err(LensError::Cancelled) };
    let mut sigma = raw.clone();
    if let Some(calibration) = calibration {
        calibration.apply(&data, &source, &mut sigma);
    }
    let mut answer = RimFit { gradients: answer.gradients + draws * (evaluations - 1), ..answer };
    let errors = spreading.draws >= 2;
    if errors {
        answer = with_errors(answer, &sigma, *calibration);
    }
    let Some(settings) = refining else { return Ok(answer) };
    let answer = refined(rim, observation, light, &data, answer, &sigma, settings, each)?;
    Ok(match (refined_calibration, answer.steps.last()) {
        (Some(calibration), Some(last)) if errors && !answer.refining.is_empty() => {
            let source: Vec<f64> = last.source.iter().map(|s| s.max(0.0) / frame.brightness).collect();
            let mut sigma = raw;
            calibration.apply(&data, &source, &mut sigma);
            RimFit { errors_are_of_the_refined: true, ..with_errors(answer, &sigma, Some(*calibration)) }
        }
        _ => answer,
    })
}

/// With these standard deviations on the pixels of the network, and how they were stretched.
fn with_errors(answer: RimFit, sigma: &[Vec<f64>; 2], calibration: Option<Calibration>) -> RimFit {
    let n = answer.frame.grids.pixels;
    let block = (answer.source.dim().0 / n).max(1);
    let map = |values: &[f64], unit: f64| {
        let values = finer(n, block, values);
        Array2::from_shape_vec(answer.source.dim(), values.iter().map(|v| v * unit).collect()).ok()
    };
    let source_sigma = map(&sigma[0], answer.frame.brightness);
    // The mass stays on the network's pixels.
    let log_convergence_sigma = Array2::from_shape_vec((n, n), sigma[1].clone()).ok();
    RimFit { source_sigma, log_convergence_sigma, calibration, ..answer }
}

/// The answer with a refined one behind its steps; as it is where that fits the image no better.
fn refined(
    rim: &Rim,
    observation: &Observation,
    light: &Array2<f64>,
    data: &PixelData,
    answer: RimFit,
    sigma: &[Vec<f64>; 2],
    settings: RefineSettings,
    each: &mut dyn FnMut(&RimEvent) -> bool,
) -> Result<RimFit, LensError> {
    let Some(last) = answer.steps.last() else { return Ok(answer) };
    let number = last.number + 1;
    let (coarse, unit) = (answer.frame, answer.frame.brightness);
    let n = coarse.grids.pixels;
    // Where the pixels of the machine are blocks of those of the image, the image itself is fitted.
    let (frame, block) = coarse.in_pixels_of(observation).unwrap_or((coarse, 1));
    let (own_model, own_data);
    let (model, seen) = if block == 1 {
        (rim.model(), data)
    } else {
        (own_model, own_data) = (LensingModel::new(frame.grids), frame.bring(observation, light));
        (&own_model, &own_data)
    };
    let fine = |map: Vec<f64>| finer(n, block, &map);
    let source = fine(last.source.iter().map(|s| s.max(0.0) / unit).collect());
    let convergence = fine(last.convergence.iter().map(|k| k.log10()).collect());
    let sigma = [fine(sigma[0].clone()), fine(sigma[1].clone())];
    let mut tell = |iteration: usize, chi2: f64| each(&RimEvent::Refine(iteration, chi2));
    let found = refine(model, seen, [&source, &convergence], [&sigma[0], &sigma[1]], block, settings, &mut tell);
    let state = |n: usize, source: &[f64], log_convergence: &[f64]| State {
        source: Array2::from_shape_vec((n, n), source.to_vec()).unwrap_or_default(),
        log_convergence: Array2::from_shape_vec((n, n), log_convergence.to_vec()).unwrap_or_default(),
        chi2: f64::NAN,
    };
    let full = step(model, &frame, seen, number, &state(n * block, &found.source, &found.log_convergence));
    let second = finish(observation, light, &frame, &full)?;
    let before = answer.reduced_chi2();
    let gradients = answer.gradients + found.gradients;
    let answer = RimFit { gradients, reduced_chi2_before_refine: before, ..answer };
    if second.chi2 >= answer.chi2 {
        return Ok(answer);
    }
    let means = [&found.source, &found.log_convergence].map(|map| coarser(n, block, map));
    let shown = step(rim.model(), &coarse, data, number, &state(n, &means[0], &means[1]));
    each(&RimEvent::Step(&coarse, &shown));
    let mut steps = answer.steps;
    steps.push(shown);
    let on_grid = |map: Array2<f64>| {
        let values = fine(map.iter().copied().collect());
        Array2::from_shape_vec(second.source.dim(), values).unwrap_or(map)
    };
    Ok(RimFit {
        steps,
        refining: found.reduced_chi2,
        arcs_reduced_chi2: found.arcs_reduced_chi2,
        source_sigma: answer.source_sigma.map(on_grid),
        lens: second.lens,
        grid: second.grid,
        source: second.source,
        lensed_source_image: second.lensed_source_image,
        chi2: second.chi2,
        ..answer
    })
}

fn run(
    rim: &Rim,
    frame: &WorkingFrame,
    data: &PixelData,
    each: &mut dyn FnMut(&RimEvent) -> bool,
) -> Result<Vec<RimStep>, LensError> {
    let mut steps: Vec<RimStep> = Vec::with_capacity(rim.settings.steps);
    let ran = rim.run(data, &Device::flex(), |k, state| {
        steps.push(step(rim.model(), frame, data, k + 1, state));
        each(&RimEvent::Step(frame, &steps[k]))
    });
    if ran.is_some() { Ok(steps) } else { Err(LensError::Cancelled) }
}

/// The network fine-tuned on the image.
fn tune(
    rim: &Rim,
    frame: &WorkingFrame,
    data: &PixelData,
    answer: &RimFit,
    Finetuning { settings, vaes }: Finetuning,
    each: &mut dyn FnMut(&RimEvent) -> bool,
) -> (Rim, Finetuned) {
    let source: Vec<f64> = answer.source.iter().map(|s| s / frame.brightness).collect();
    let convergence = answer.steps.last().map(|s| s.convergence.mapv(f64::log10)).unwrap_or_default();
    let convergence: Vec<f64> = convergence.iter().copied().collect();
    let ball: Box<dyn Ball> = match vaes {
        Some(vaes) => Box::new(VaeBall::new(vaes, [&source, &convergence], SPREAD, settings.seed)),
        None => Box::new(RandomBall::new(frame.grids.pixels, &source, &convergence, settings.seed)),
    };
    let device = Device::flex().autodiff();
    let mut tuned = Rim::new(&rim.settings, 0, &device);
    tuned.set_values(&rim.parameters().values);
    let all = settings.systems + settings.steps;
    let finetuned = finetune(&mut tuned, &device, data, ball.as_ref(), &settings, &mut |number, chi2, state| {
        let done = (number + settings.systems as i64).max(0) as usize;
        let going = each(&RimEvent::Finetune(done, all, chi2));
        let values = state.and_then(|s| s.clone().detach().into_data().try_into_vec::<f32>().ok());
        let tuned = values.is_none_or(|values| {
            let state = rim.state(&values, chi2 * data.used().max(1) as f64);
            each(&RimEvent::Tuned(frame, &step(rim.model(), frame, data, number.max(0) as usize, &state)))
        });
        going && tuned
    });
    let mut plain = Rim::new(&rim.settings, 0, &Device::flex());
    plain.set_values(&tuned.parameters().values);
    (plain, finetuned)
}

fn step(model: &LensingModel, frame: &WorkingFrame, data: &PixelData, number: usize, state: &State) -> RimStep {
    // As the answer is judged: brightness is not negative.
    let source: Vec<f64> = state.source.iter().map(|s| s.max(0.0)).collect();
    let convergence: Vec<f64> = state.log_convergence.iter().copied().collect();
    let image = model.image(&source, &convergence, &data.blur, &mut Workspace::default());
    let shape = state.source.dim();
    let map = |values: Vec<f64>| Array2::from_shape_vec(shape, values).unwrap_or_default();
    let residual = image
        .iter()
        .zip(&data.image)
        .zip(&data.weight)
        .map(|((model, image), weight)| if *weight > 0.0 { (image - model) * weight } else { f64::NAN });
    let residual: Vec<f64> = residual.collect();
    let chi2: f64 = residual.iter().filter(|r| r.is_finite()).map(|r| r * r).sum();
    RimStep {
        number,
        residual: map(residual),
        model: map(image.iter().map(|v| v * frame.brightness).collect()),
        reduced_chi2: data.reduced(chi2),
        source: state.source.mapv(|s| s * frame.brightness),
        convergence: state.log_convergence.mapv(|k| 10f64.powf(k.clamp(-8.0, 4.0))),
    }
}

/// The answer on the pixels of the image.
fn finish(
    observation: &Observation,
    light: &Array2<f64>,
    frame: &WorkingFrame,
    last: &RimStep,
) -> Result<RimFit, LensError> {
    let lens = frame.lens(last.convergence.iter().copied().collect());
    let grid = frame.source_grid();
    // Brightness is not negative; the network may say so a little.
    let source = last.source.mapv(|s| s.max(0.0));
    let values: Vec<f64> = source.iter().copied().collect();
    let lensed_source_image = lensed_image(observation, &lens, &grid, &values, RAYS)?;
    let mut chi2 = 0.0;
    for (((model, light), noise), used) in
        lensed_source_image.iter().zip(light).zip(&observation.noise).zip(&observation.mask)
    {
        chi2 += if *used { ((model - light) / noise).powi(2) } else { 0.0 };
    }
    Ok(RimFit {
        frame: *frame,
        steps: Vec::new(),
        lens,
        grid,
        source,
        lensed_source_image,
        source_sigma: None,
        log_convergence_sigma: None,
        calibration: None,
        errors_are_of_the_refined: false,
        chi2,
        pixels: observation.used_pixels(),
        reduced_chi2_before_finetune: f64::NAN,
        finetuned: None,
        reduced_chi2_before_refine: f64::NAN,
        refining: Vec::new(),
        arcs_reduced_chi2: f64::NAN,
        gradients: 0,
        concerns: Vec::new(),
    })
}
