//! Fine-tuning of the network on the one image at hand, held by elastic weight consolidation (Kirkpatrick et al. 2017, as the authors of the
//! machine use it, arXiv:2301.04168 section 3): `mean_t chi2_t + lambda / 2 sum_i F_i (phi_i - phi0_i)^2`, where the Fisher information `F`
//! of the trained parameters is measured on systems drawn around the first answer, seen through the same PSF and noise.
//! The published optimiser, RMSprop at a constant rate, is made for thousands of steps; in a hundred, Adam with a falling rate is steadier.

use burn::tensor::{Device, Tensor, TensorData};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::likelihood::{PixelData, Workspace};
use super::network::{CHANNELS, Rim};
use crate::learning::adam::Adam;
use crate::learning::parameters::gradients;
use crate::numerics::random;

/// Where the systems around the first answer come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinetuneSystems {
    /// Two autoencoders of convergences and of sources, their descriptions of the answer shaken: the published way.
    #[default]
    Autoencoders,
    /// Random fields on the convergence and clumps on the source: without knowledge of what lenses and galaxies look like.
    Random,
}

/// How the network is fine-tuned.
#[derive(Clone, Debug, PartialEq)]
pub struct FinetuneSettings {
    /// Most steps.
    pub steps: usize,
    /// Greatest size of a step (Adam; falls to nothing).
    pub learning_rate: f64,
    /// `lambda`.
    pub strength: f64,
    /// Systems drawn around the answer for the Fisher information.
    pub systems: usize,
    /// Stop when `chi2` a pixel is not above this, in the whole image and in the arcs that the network sees: that of blank sky.
    pub target: f64,
    /// Seed of the systems and their noise.
    pub seed: u64,
}

impl Default for FinetuneSettings {
    fn default() -> Self {
        Self { steps: 100, learning_rate: 3e-5, strength: 1e5, systems: 24, target: 1.0, seed: 1 }
    }
}

/// Where the systems come from: pairs of source and `log10` convergence around an answer, row by row.
pub trait Ball {
    /// Pair `index`.
    fn draw(&self, index: u64) -> [Vec<f64>; 2];
}

/// What fine-tuning did.
#[derive(Clone, Debug, Default)]
pub struct Finetuned {
    /// `chi2` a used pixel of the last state, before each step and after the last.
    pub reduced_chi2: Vec<f64>,
    /// The step with the least.
    pub best: usize,
    /// Systems drawn for the Fisher information.
    pub systems: usize,
}

/// Fine-tunes a machine on an autodiff device to one image and leaves it with its best parameters.
/// `each` is told the steps done, the `chi2` and the last state (`[1, 2, y, x]`), and stops the work by saying false: then the best so far
/// stands. Telling begins with negative steps, for the Fisher information, without a state.
pub fn finetune(
    rim: &mut Rim,
    device: &Device,
    data: &PixelData,
    ball: &dyn Ball,
    settings: &FinetuneSettings,
    each: &mut dyn FnMut(i64, f64, Option<&Tensor<4>>) -> bool,
) -> Finetuned {
    let start = rim.parameters().values;
    let mut out = Finetuned::default();
    let Some(fisher) = fisher(rim, device, data, ball, settings, each) else { return out };
    out.systems = settings.systems;
    let mut values = start.clone();
    let mut best = (f64::INFINITY, start.clone());
    let mut adam = Adam::new(&values);
    for step in 0..=settings.steps {
        let states = rim.states(std::slice::from_ref(data), device, |_, _| true);
        let Some((loss, chi2)) = surrogate(rim, device, data, &states) else { break };
        out.reduced_chi2.push(chi2);
        if chi2 < best.0 {
            best = (chi2, values.clone());
            out.best = step;
        }
        let going = each(step as i64, chi2, states.last());
        if !going || step == settings.steps || (chi2 <= settings.target && arcs_are_good(rim, data, &states, settings))
        {
            break;
        }
        let mut gradient = gradients(&rim.network, &loss.backward());
        for ((g, f), (v, v0)) in gradient.iter_mut().zip(&fisher).zip(values.iter().zip(&start)) {
            *g += (settings.strength * f64::from(*f) * f64::from(v - v0)) as f32;
        }
        adam.step(&mut values, &gradient, (settings.learning_rate * rate(step, settings.steps)) as f32, 1.0);
        rim.set_values(&values);
    }
    rim.set_values(&best.1);
    out
}

/// Whether the arcs of the last state are fitted as well as blank sky is, or there are none.
fn arcs_are_good(rim: &Rim, data: &PixelData, states: &[Tensor<4>], settings: &FinetuneSettings) -> bool {
    let cells = rim.model().grids().cells();
    let last = states.last().and_then(|s| s.clone().detach().into_data().try_into_vec::<f32>().ok());
    let Some(values) = last else { return true };
    let doubles = |v: &[f32]| v.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
    let source: Vec<f64> = doubles(&values[..cells]).iter().map(|s| s.max(0.0)).collect();
    let image = rim.model().image(&source, &doubles(&values[cells..]), &data.blur, &mut Workspace::default());
    let reduced = data.reduced_in(&data.arcs(&image), &image);
    reduced.is_nan() || reduced <= settings.target
}

/// Share of the learning rate at a step: rises over the first few, since Adam knows no scale yet, and falls to nothing as a cosine.
fn rate(step: usize, steps: usize) -> f64 {
    const RISE: f64 = 5.0;
    let fall = 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / steps.max(1) as f64).cos());
    fall * ((step + 1) as f64 / RISE).min(1.0)
}

/// A loss whose gradient by the parameters is that of `mean_t chi2_t` a used pixel, and the `chi2` of the last state.
/// The source is taken as nowhere negative.
fn surrogate(rim: &Rim, device: &Device, data: &PixelData, states: &[Tensor<4>]) -> Option<(Tensor<1>, f64)> {
    let cells = rim.model().grids().cells();
    let copies = vec![data.clone(); states.len()];
    let mut values = Vec::with_capacity(states.len() * CHANNELS * cells);
    for state in states {
        values.extend(state.clone().detach().into_data().try_into_vec::<f32>().ok()?);
    }
    let mut dark = Vec::new();
    for (place, value) in values.iter_mut().enumerate() {
        if (place / cells).is_multiple_of(CHANNELS) && *value < 0.0 {
            *value = 0.0;
            dark.push(place);
        }
    }
    let (mut slopes, chi2) = rim.gradients(&copies, &values);
    for place in dark {
        slopes[place] = 0.0;
    }
    // `gradients` are those of chi2 / 2.
    let factor = data.reduced(2.0) / states.len() as f64;
    let mut loss: Option<Tensor<1>> = None;
    for (state, slope) in states.iter().zip(slopes.chunks_exact(CHANNELS * cells)) {
        let slope: Vec<f32> =
            slope.iter().map(|g| if g.is_finite() { (f64::from(*g) * factor) as f32 } else { 0.0 }).collect();
        let own = (state.clone() * Tensor::from_data(TensorData::new(slope, state.dims()), device)).sum();
        loss = Some(loss.map_or(own.clone(), |l| l + own));
    }
    Some((loss?, data.reduced(*chi2.last()?)))
}

/// Diagonal of the Fisher information of the trained parameters, on systems around the answer: the mean square of the gradient of
/// `mean_t` of the errors of both maps and of `chi2` a pixel.
fn fisher(
    rim: &Rim,
    device: &Device,
    data: &PixelData,
    ball: &dyn Ball,
    settings: &FinetuneSettings,
    each: &mut dyn FnMut(i64, f64, Option<&Tensor<4>>) -> bool,
) -> Option<Vec<f32>> {
    let mut sum: Vec<f32> = Vec::new();
    let cells = rim.model().grids().cells();
    for index in 0..settings.systems {
        let [source, convergence] = ball.draw(index as u64);
        let mut image = rim.model().image(&source, &convergence, &data.blur, &mut Workspace::default());
        let mut noise = vec![0.0; cells];
        random::fill_normal(
            &mut random::stream(settings.seed, "lens_reconstruction.finetune", index as u64),
            &mut noise,
        );
        for ((pixel, deviate), weight) in image.iter_mut().zip(&noise).zip(&data.weight) {
            *pixel += if *weight > 0.0 { deviate / weight } else { 0.0 };
        }
        let seen = PixelData { image, ..data.clone() };
        let states = rim.states(std::slice::from_ref(&seen), device, |_, _| true);
        let (chi2, _) = surrogate(rim, device, &seen, &states)?;
        let truth: Vec<f32> = source.iter().chain(&convergence).map(|v| *v as f32).collect();
        let n = rim.settings.pixels;
        let truth = Tensor::<4>::from_data(TensorData::new(truth, [1, CHANNELS, n, n]), device);
        let mut loss = chi2;
        for state in &states {
            let error = state.clone() - truth.clone();
            loss = loss + (error.clone() * error).sum() / ((cells * states.len()) as f32);
        }
        let gradient = gradients(&rim.network, &loss.backward());
        sum.resize(gradient.len(), 0.0);
        for (s, g) in sum.iter_mut().zip(&gradient) {
            *s += g * g / settings.systems as f32;
        }
        if !each(index as i64 - settings.systems as i64, f64::NAN, None) {
            return None;
        }
    }
    Some(sum)
}

/// Systems around an answer without a model of what lenses and sources look like: the convergence times the exponential of a random
/// field, clumps of light on the source.
pub struct RandomBall {
    pixels: usize,
    source: Vec<f64>,
    log_convergence: Vec<f64>,
    seed: u64,
}

/// Size of the changes: in `ln kappa`, and of the source's peak.
const SPREAD: f64 = 0.3;

impl RandomBall {
    /// Around a source and a `log10` convergence, row by row on `pixels x pixels`.
    pub fn new(pixels: usize, source: &[f64], log_convergence: &[f64], seed: u64) -> Self {
        Self { pixels, source: source.to_vec(), log_convergence: log_convergence.to_vec(), seed }
    }
}

impl Ball for RandomBall {
    fn draw(&self, index: u64) -> [Vec<f64>; 2] {
        /// Waves of the random field, and clumps.
        const WAVES: usize = 24;
        const CLUMPS: usize = 6;
        let n = self.pixels as f64;
        let mut stream = random::stream(self.seed, "lens_reconstruction.random_ball", index);
        let mut uniform = |low: f64, high: f64| random::uniform_in(&mut stream, low, high);
        // Waves from the whole field down to an eighth of it, each octave weaker than the one before.
        let waves: Vec<[f64; 4]> = (0..WAVES)
            .map(|_| {
                let (frequency, angle) = (2f64.powf(uniform(0.0, 3.0)), uniform(0.0, std::f64::consts::TAU));
                let k = std::f64::consts::TAU * frequency / n;
                [k * angle.cos(), k * angle.sin(), uniform(0.0, std::f64::consts::TAU), 1.0 / frequency]
            })
            .collect();
        let power: f64 = waves.iter().map(|w| 0.5 * w[3] * w[3]).sum();
        let scale = SPREAD / std::f64::consts::LN_10 / power.sqrt();
        let peak = self.source.iter().copied().fold(0.0, f64::max);
        let clumps: Vec<[f64; 4]> = (0..CLUMPS)
            .map(|_| {
                [
                    uniform(0.3 * n, 0.7 * n),
                    uniform(0.3 * n, 0.7 * n),
                    uniform(1.0, 4.0),
                    uniform(-1.0, 1.0) * SPREAD * peak,
                ]
            })
            .collect();
        let place = |p: usize| ((p % self.pixels) as f64, (p / self.pixels) as f64);
        let convergence = self.log_convergence.iter().enumerate().map(|(p, k)| {
            let (x, y) = place(p);
            k + scale * waves.iter().map(|[kx, ky, phase, a]| a * (kx * x + ky * y + phase).cos()).sum::<f64>()
        });
        let source = self.source.iter().enumerate().map(|(p, s)| {
            let (x, y) = place(p);
            let more: f64 = clumps
                .iter()
                .map(|[cx, cy, r, a]| a * (-((x - cx).powi(2) + (y - cy).powi(2)) / (2.0 * r * r)).exp())
                .sum();
            (s + more).max(0.0)
        });
        [source.collect(), convergence.collect()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::parameters::with_values;
    use crate::studies::lens_reconstruction::rim::prior::{Prior, PriorSettings};
    use crate::studies::lens_reconstruction::rim::{Grids, RimSettings};

    fn case() -> (Rim, Device, PixelData, [Vec<f64>; 2]) {
        let settings = RimSettings { pixels: 32, filters: 4, levels: 2, convolutions: 1, input_kernel: 3, steps: 3 };
        let device = Device::flex().autodiff();
        let rim = Rim::new(&settings, 3, &device);
        let prior = Prior::new(PriorSettings { pixels: 32, ..PriorSettings::default() });
        let example = prior.example(5, 0);
        let doubles = |v: &[f32]| v.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
        let noise = vec![f64::from(example.noise_sigma); 32 * 32];
        let data = PixelData::new(&Grids::of(32), doubles(&example.image), &noise, &prior.psf(&example));
        (rim, device, data, [doubles(&example.source), doubles(&example.log_convergence)])
    }

    /// The surrogate's slope along its own gradient is that of `mean_t chi2_t`, the gradient channels of the network's input being held.
    #[test]
    fn the_surrogate_has_the_gradient_of_chi2() {
        let (rim, device, data, _) = case();
        // With one evaluation there is no gradient among the inputs: the whole dependence is differentiated.
        let rim = Rim::with_network(&RimSettings { steps: 1, ..rim.settings.clone() }, rim.network);
        let states = rim.states(std::slice::from_ref(&data), &device, |_, _| true);
        let (loss, _) = surrogate(&rim, &device, &data, &states).unwrap();
        let gradient = gradients(&rim.network, &loss.backward());
        let norm: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let start = rim.parameters().values;
        let chi2 = |step: f64| {
            let moved: Vec<f32> =
                start.iter().zip(&gradient).map(|(v, g)| v + (step * f64::from(*g) / norm) as f32).collect();
            let network = with_values(rim.network.clone(), &moved);
            let moved = Rim::with_network(&rim.settings, network);
            let states = moved.states(std::slice::from_ref(&data), &device, |_, _| true);
            surrogate(&moved, &device, &data, &states).unwrap().1
        };
        let h = 2e-4;
        let slope = (chi2(h) - chi2(-h)) / (2.0 * h);
        assert!((slope / norm - 1.0).abs() < 0.05, "{slope} {norm}");
    }

    #[test]
    fn the_image_is_fitted_better_and_the_weights_are_held() {
        let (mut rim, device, data, [source, convergence]) = case();
        let start = rim.parameters().values;
        let ball = RandomBall::new(32, &source, &convergence, 1);
        let settings =
            FinetuneSettings { steps: 12, learning_rate: 1e-3, strength: 0.0, systems: 2, target: 0.0, seed: 1 };
        let free = finetune(&mut rim, &device, &data, &ball, &settings, &mut |_, _, _| true);
        assert_eq!(free.reduced_chi2.len(), 13);
        assert!(free.reduced_chi2[free.best] < 0.9 * free.reduced_chi2[0], "{:?}", free.reduced_chi2);
        let moved = |rim: &Rim| -> f64 {
            rim.parameters().values.iter().zip(&start).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
        };
        let freely = moved(&rim);
        rim.set_values(&start);
        let held = FinetuneSettings { strength: 1e9, ..settings };
        finetune(&mut rim, &device, &data, &ball, &held, &mut |_, _, _| true);
        assert!(moved(&rim) < 0.7 * freely, "{} {freely}", moved(&rim));
    }

    #[test]
    fn the_random_ball_has_the_stated_spread() {
        let (_, _, _, [source, convergence]) = case();
        let ball = RandomBall::new(32, &source, &convergence, 1);
        let (mut sum, mut count) = (0.0, 0.0);
        for index in 0..40 {
            let [s, k] = ball.draw(index);
            assert!(s.iter().all(|v| *v >= 0.0));
            for (a, b) in k.iter().zip(&convergence) {
                sum += ((a - b) * std::f64::consts::LN_10).powi(2);
                count += 1.0;
            }
        }
        let rms = f64::sqrt(sum / count);
        assert!((rms - SPREAD).abs() < 0.05, "{rms}");
        assert_eq!(ball.draw(3), ball.draw(3));
        assert_ne!(ball.draw(3), ball.draw(4));
    }
}
