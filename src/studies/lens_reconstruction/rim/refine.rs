//! The last word of the likelihood: source and convergence moved from the network's answer to where the image wants them, the answer and its
//! errors being the prior.
//!
//! `chi2 / 2 + |xi|^2 / 2` is minimised by L-BFGS, where a map is the network's plus `sigma` times white noise `xi` smoothed on several scales:
//! errors of a network are smooth, and a prior of independent pixels would pay for a shift of the ring pixel by pixel. What the image does
//! not tell stays with the network. This is a maximum a posteriori estimate with a prior made of the same image; it gives no errors.

use std::ops::ControlFlow;

use ndarray::Array2;

use super::likelihood::{LensingModel, PixelData, Workspace};
use super::network::CHANNELS;
use crate::numerics::convolution::{Convolver, Scratch};
use crate::numerics::lbfgs::{Options, minimise};

/// How an answer is refined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefineSettings {
    /// Most iterations.
    pub iterations: usize,
    /// Stop when `chi2` a pixel is not above this, in the whole image and in its arcs: that of blank sky.
    pub target: f64,
}

impl RefineSettings {
    /// Most iterations where nobody says otherwise: two to four seconds of one core.
    pub const ITERATIONS: usize = 1000;
}

/// Widths (standard deviation, pixels) on which errors are smooth.
const SCALES: [f64; 3] = [1.0, 3.0, 9.0];
/// Their shares of the variance, of the source and of the convergence: what a network leaves out of a source is its detail.
const SHARES: [[f64; 3]; CHANNELS] = [[0.6, 0.3, 0.1], [1.0 / 3.0; 3]];
/// The prior's width over the errors of the network. Chosen on simulations of a seed of their own: with a narrow prior of the source its errors
/// go into the mass, with a wide one of the mass likewise.
const WIDTH: [f64; CHANNELS] = [1.0, 0.2];
/// Least standard deviation of the prior: brightness over the peak, and dex.
const LEAST: [f64; CHANNELS] = [0.002, 0.002];

/// A refined answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Refined {
    /// Brightness of the source, nowhere negative, row by row.
    pub source: Vec<f64>,
    /// `log10` of the convergence, row by row.
    pub log_convergence: Vec<f64>,
    /// `chi2` a used pixel before, and after each iteration.
    pub reduced_chi2: Vec<f64>,
    /// `chi2` a pixel of the arcs at the end; NaN without arcs.
    pub arcs_reduced_chi2: f64,
    /// Evaluations of the likelihood's gradient.
    pub gradients: usize,
}

/// White noise smoothed on several scales, with unit variance in each pixel far from the edges. The scales are those of the machine's grid, on
/// which the noise lives; where the maps are finer by `block` there is one more, a pixel of theirs.
struct Smooth {
    n: usize,
    block: usize,
    kernels: Vec<(Convolver, f64)>,
    finest: Option<(Convolver, f64)>,
    plane: Vec<f64>,
    sum: Vec<f64>,
    scratch: Scratch,
}

/// A Gaussian of this width for maps of `n x n` pixels, and the factor that gives white noise through it the variance `share`.
fn kernel(width: f64, n: usize, share: f64) -> (Convolver, f64) {
    let half = (3.0 * width).ceil() as i64;
    let side = (2 * half + 1) as usize;
    let of = |k: usize| (-0.5 * ((k as i64 - half) as f64 / width).powi(2)).exp();
    let kernel = Array2::from_shape_fn((side, side), |(j, i)| of(j) * of(i));
    let norm = kernel.iter().map(|v| v * v).sum::<f64>();
    (Convolver::new(&kernel, [n; 2]), (share / norm).sqrt())
}

impl Smooth {
    /// For maps of `n block x n block` pixels around a machine of `n x n`.
    fn new(n: usize, block: usize, shares: [f64; SCALES.len()]) -> Self {
        let fine = n * block;
        let finest = if block > 1 { 1.0 / (SCALES.len() + 1) as f64 } else { 0.0 };
        Self {
            n,
            block,
            kernels: SCALES
                .iter()
                .zip(shares)
                .map(|(width, share)| kernel(*width, n, share * (1.0 - finest)))
                .collect(),
            finest: (block > 1).then(|| kernel(1.0, fine, finest)),
            plane: vec![0.0; fine * fine],
            sum: vec![0.0; n * n],
            scratch: Scratch::default(),
        }
    }

    /// Numbers of white noise for one map.
    fn len(&self) -> usize {
        let cells = self.n * self.n;
        self.kernels.len() * cells + if self.finest.is_some() { cells * self.block * self.block } else { 0 }
    }

    /// Adds the smooth map of `xi` times `sigma` to `out`.
    fn add(&mut self, xi: &[f64], sigma: &[f64], out: &mut [f64]) {
        let cells = self.n * self.n;
        let (coarse, finest) = xi.split_at(self.kernels.len() * cells);
        self.sum.fill(0.0);
        for ((kernel, scale), xi) in self.kernels.iter().zip(coarse.chunks_exact(cells)) {
            let plane = &mut self.plane[..cells];
            kernel.apply(xi, plane, &mut self.scratch);
            self.sum.iter_mut().zip(plane.iter()).for_each(|(s, p)| *s += scale * p);
        }
        for (p, (o, s)) in out.iter_mut().zip(sigma).enumerate() {
            *o += s * between(self.n, self.block, p).iter().map(|(at, w)| w * self.sum[*at]).sum::<f64>();
        }
        if let Some((kernel, scale)) = &self.finest {
            kernel.apply(finest, &mut self.plane, &mut self.scratch);
            for ((o, p), s) in out.iter_mut().zip(&self.plane).zip(sigma) {
                *o += scale * s * p;
            }
        }
    }

    /// The adjoint: derivatives by `xi`, added to those there, from those by the map.
    fn add_adjoint(&mut self, by_map: &[f64], sigma: &[f64], by_xi: &mut [f64]) {
        let cells = self.n * self.n;
        let weighted: Vec<f64> = by_map.iter().zip(sigma).map(|(g, s)| g * s).collect();
        let (coarse, finest) = by_xi.split_at_mut(self.kernels.len() * cells);
        self.sum.fill(0.0);
        for (p, g) in weighted.iter().enumerate() {
            for (at, w) in between(self.n, self.block, p) {
                self.sum[at] += w * g;
            }
        }
        for ((kernel, scale), by_xi) in self.kernels.iter().zip(coarse.chunks_exact_mut(cells)) {
            let plane = &mut self.plane[..cells];
            kernel.apply_adjoint(&self.sum, plane, &mut self.scratch);
            by_xi.iter_mut().zip(plane.iter()).for_each(|(o, p)| *o += scale * p);
        }
        if let Some((kernel, scale)) = &self.finest {
            kernel.apply_adjoint(&weighted, &mut self.plane, &mut self.scratch);
            finest.iter_mut().zip(&self.plane).for_each(|(o, p)| *o += scale * p);
        }
    }
}

/// Bilinear weights of the four pixels of an `n x n` map around pixel `p` of one that is finer by `block`.
fn between(n: usize, block: usize, p: usize) -> [(usize, f64); 4] {
    let along = |k: usize| {
        let at = ((k as f64 + 0.5) / block as f64 - 0.5).clamp(0.0, (n - 1) as f64);
        let low = (at as usize).min(n.saturating_sub(2));
        (low, at - low as f64)
    };
    let ((j, v), (i, u)) = (along(p / (n * block)), along(p % (n * block)));
    [
        (j * n + i, (1.0 - v) * (1.0 - u)),
        (j * n + i + 1, (1.0 - v) * u),
        ((j + 1) * n + i, v * (1.0 - u)),
        ((j + 1) * n + i + 1, v * u),
    ]
}

/// A map of `n x n` pixels on pixels that are finer by `block` along each side.
pub fn finer(n: usize, block: usize, map: &[f64]) -> Vec<f64> {
    (0..n * n * block * block).map(|p| between(n, block, p).iter().map(|(at, w)| w * map[*at]).sum()).collect()
}

/// Means of the blocks of a finer map: `n x n` of them.
pub fn coarser(n: usize, block: usize, map: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for (p, value) in map.iter().enumerate() {
        out[p / (n * block) / block * n + p % (n * block) / block] += value / (block * block) as f64;
    }
    out
}

/// What is minimised, with its memory.
struct Objective<'a> {
    model: &'a LensingModel,
    data: &'a PixelData,
    start: [&'a [f64]; CHANNELS],
    sigma: [Vec<f64>; CHANNELS],
    smooth: [Smooth; CHANNELS],
    /// Pixels of the arcs in the answer's image.
    arcs: Vec<usize>,
    maps: [Vec<f64>; CHANNELS],
    slopes: [Vec<f64>; CHANNELS],
    space: Workspace,
    chi2: f64,
    gradients: usize,
}

impl<'a> Objective<'a> {
    fn new(
        model: &'a LensingModel,
        data: &'a PixelData,
        start: [&'a [f64]; CHANNELS],
        sigma: [&[f64]; CHANNELS],
        block: usize,
    ) -> Self {
        let cells = model.grids().cells();
        let zeros = || [vec![0.0; cells], vec![0.0; cells]];
        let mut space = Workspace::default();
        let image = model.image(start[0], start[1], &data.blur, &mut space);
        let arcs = data.arcs(&image);
        Self {
            model,
            data,
            start,
            sigma: [0, 1].map(|c| sigma[c].iter().map(|s| (WIDTH[c] * s).max(LEAST[c])).collect()),
            smooth: SHARES.map(|shares| Smooth::new(model.grids().pixels / block, block, shares)),
            arcs,
            maps: zeros(),
            slopes: zeros(),
            space,
            chi2: f64::NAN,
            gradients: 0,
        }
    }

    /// Numbers that are minimised over.
    fn len(&self) -> usize {
        self.smooth.iter().map(Smooth::len).sum()
    }

    /// The maps at `xi`; a source that is negative counts as dark.
    fn maps_at(&mut self, xi: &[f64]) {
        let part = xi.len() / CHANNELS;
        for channel in 0..CHANNELS {
            let map = &mut self.maps[channel];
            map.clear();
            map.extend_from_slice(self.start[channel]);
            let own = &xi[channel * part..(channel + 1) * part];
            self.smooth[channel].add(own, &self.sigma[channel], map);
        }
    }

    /// `chi2` a pixel of the arcs at `xi`; NaN without arcs.
    fn arcs_reduced_chi2(&mut self, xi: &[f64]) -> f64 {
        self.maps_at(xi);
        self.maps[0].iter_mut().for_each(|s| *s = s.max(0.0));
        let [source, convergence] = &self.maps;
        let image = self.model.image(source, convergence, &self.data.blur, &mut self.space);
        self.data.reduced_in(&self.arcs, &image)
    }

    /// Value and gradient.
    fn at(&mut self, xi: &[f64], gradient: &mut [f64]) -> f64 {
        self.maps_at(xi);
        let dark: Vec<bool> = self.maps[0].iter().map(|s| *s < 0.0).collect();
        self.maps[0].iter_mut().for_each(|s| *s = s.max(0.0));
        let [by_source, by_convergence] = &mut self.slopes;
        let [source, convergence] = &self.maps;
        let slopes = [by_source.as_mut_slice(), by_convergence.as_mut_slice()];
        self.chi2 = self.model.gradient(self.data, source, convergence, slopes, &mut self.space);
        self.gradients += 1;
        // Shared pixels say less than they seem to.
        let worth = 1.0 / self.data.expected_chi2;
        by_source.iter_mut().zip(&dark).for_each(|(g, dark)| *g *= if *dark { 0.0 } else { worth });
        by_convergence.iter_mut().for_each(|g| *g *= worth);
        gradient.copy_from_slice(xi);
        let part = xi.len() / CHANNELS;
        for channel in 0..CHANNELS {
            let own = &mut gradient[channel * part..(channel + 1) * part];
            self.smooth[channel].add_adjoint(&self.slopes[channel], &self.sigma[channel], own);
        }
        0.5 * (worth * self.chi2 + xi.iter().map(|x| x * x).sum::<f64>())
    }
}

/// Refines an answer (`start`: source and `log10` convergence, row by row on the grids of `model`, whose pixels are `block` to one of the machine
/// along each side) with these standard deviations. `each` is told the iterations done
/// and the `chi2` a used pixel, and stops the work by saying false; then the best so far stands.
pub fn refine(
    model: &LensingModel,
    data: &PixelData,
    start: [&[f64]; CHANNELS],
    sigma: [&[f64]; CHANNELS],
    block: usize,
    settings: RefineSettings,
    each: &mut dyn FnMut(usize, f64) -> bool,
) -> Refined {
    let objective = std::cell::RefCell::new(Objective::new(model, data, start, sigma, block));
    let zero = vec![0.0; objective.borrow().len()];
    objective.borrow_mut().at(&zero, &mut zero.clone());
    let mut reduced_chi2 = vec![data.reduced(objective.borrow().chi2)];
    let options = Options { iterations: settings.iterations, relative_tolerance: 1e-7, ..Options::default() };
    let found = minimise(
        |xi, gradient| objective.borrow_mut().at(xi, gradient),
        &zero,
        options,
        |number, xi, value| {
            // The last evaluation need not be of the place that was taken: chi2 is what the prior leaves of the value.
            let prior: f64 = xi.iter().map(|x| x * x).sum();
            let chi2 = data.reduced((2.0 * value - prior) * data.expected_chi2);
            reduced_chi2.push(chi2);
            // The arcs are looked at once the whole is good enough; without any there is nothing more to do.
            let enough = || {
                let arcs = objective.borrow_mut().arcs_reduced_chi2(xi);
                arcs <= settings.target || arcs.is_nan()
            };
            if !each(number + 1, chi2) || (chi2 <= settings.target && enough()) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        },
    );
    let mut objective = objective.into_inner();
    let arcs_reduced_chi2 = objective.arcs_reduced_chi2(&found.x);
    objective.maps_at(&found.x);
    let [source, log_convergence] = objective.maps;
    let source = source.into_iter().map(|s| s.max(0.0)).collect();
    Refined { source, log_convergence, reduced_chi2, arcs_reduced_chi2, gradients: objective.gradients }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;
    use crate::studies::lens_reconstruction::rim::Grids;
    use crate::studies::lens_reconstruction::rim::prior::{Prior, PriorSettings};

    struct Case {
        model: LensingModel,
        data: PixelData,
        truth: [Vec<f64>; 2],
        start: [Vec<f64>; 2],
    }

    /// A lens of the prior, and an answer that errs smoothly: mass by a tenth of a dex, the source a little out of place.
    fn case() -> Case {
        let n = 32;
        let prior = Prior::new(PriorSettings { pixels: n, ..PriorSettings::default() });
        let example = prior.example(5, 0);
        let doubles = |v: &[f32]| v.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
        let truth = [doubles(&example.source), doubles(&example.log_convergence)];
        let grids = Grids::of(n);
        let model = LensingModel::new(grids);
        let blank = PixelData::new(&grids, vec![0.0; n * n], &vec![0.02; n * n], &prior.psf(&example));
        let mut image = model.image(&truth[0], &truth[1], &blank.blur, &mut Workspace::default());
        let mut noise = vec![0.0; n * n];
        random::fill_normal(&mut random::stream(1, "test", 0), &mut noise);
        image.iter_mut().zip(&noise).for_each(|(v, d)| *v += 0.02 * d);
        let shifted = |map: &[f64]| (0..n * n).map(|p| map[(p + 1).min(n * n - 1)]).collect::<Vec<f64>>();
        let tilted = |(p, k): (usize, &f64)| k + 0.05 * ((p % n) as f64 / 16.0 - 1.0) + 0.03;
        let start = [shifted(&truth[0]), truth[1].iter().enumerate().map(tilted).collect()];
        Case { model, data: PixelData { image, ..blank }, truth, start }
    }

    #[test]
    fn the_gradient_is_that_of_the_value() {
        for block in [1, 2] {
            gradient_at(block);
        }
    }

    fn gradient_at(block: usize) {
        let Case { model, data, start, .. } = case();
        let sigma = [vec![0.05; 1024], vec![0.04; 1024]];
        let mut objective = Objective::new(&model, &data, [&start[0], &start[1]], [&sigma[0], &sigma[1]], block);
        let mut stream = random::stream(2, "test", 0);
        let mut deviates = || {
            let mut v = vec![0.0; objective.len()];
            random::fill_normal(&mut stream, &mut v);
            v
        };
        let (at, along) = (deviates(), deviates());
        let at: Vec<f64> = at.iter().map(|v| 0.3 * v).collect();
        let mut gradient = vec![0.0; at.len()];
        objective.at(&at, &mut gradient);
        let expected: f64 = gradient.iter().zip(&along).map(|(g, a)| g * a).sum();
        let mut value = |h: f64| {
            let moved: Vec<f64> = at.iter().zip(&along).map(|(x, a)| x + h * a).collect();
            objective.at(&moved, &mut vec![0.0; moved.len()])
        };
        let h = 1e-6;
        let found = (value(h) - value(-h)) / (2.0 * h);
        // Rays that change their source pixel, and pixels of the source that turn dark, bend the value.
        assert!((found / expected - 1.0).abs() < 1e-4, "{found} {expected}");
    }

    #[test]
    fn maps_are_made_finer_and_coarser() {
        // A plane is kept but at the edges, where it is held level.
        let map: Vec<f64> = (0..36).map(|p| (p % 6) as f64 + 10.0 * (p / 6) as f64).collect();
        let fine = finer(6, 3, &map);
        assert_eq!(fine.len(), 18 * 18);
        assert!(
            (fine[10 * 18 + 7] - (2.0 + 10.0 * 3.0)).abs() < 1e-12
                && (fine[10 * 18 + 8] - (32.0 + 1.0 / 3.0)).abs() < 1e-12
        );
        let back = coarser(6, 3, &fine);
        for p in (0..36).filter(|p| (1..5).contains(&(p % 6)) && (1..5).contains(&(p / 6))) {
            assert!((back[p] - map[p]).abs() < 1e-12);
        }
        assert_eq!(finer(6, 1, &map), map);
        assert_eq!(coarser(6, 1, &map), map);
    }

    /// White noise comes out with the stated standard deviation.
    #[test]
    fn the_prior_is_as_wide_as_it_says() {
        for block in [1, 2] {
            let n = 64 / block;
            let mut smooth = Smooth::new(n, block, SHARES[1]);
            let (mut sum, mut count) = (0.0, 0.0);
            for draw in 0..60 {
                let mut xi = vec![0.0; smooth.len()];
                random::fill_normal(&mut random::stream(draw, "test", 0), &mut xi);
                let mut map = vec![0.0; 64 * 64];
                smooth.add(&xi, &vec![2.0; 64 * 64], &mut map);
                for p in (0..64 * 64).filter(|p| (28..36).contains(&(p % 64)) && (28..36).contains(&(p / 64))) {
                    sum += map[p] * map[p];
                    count += 1.0;
                }
            }
            // Between its pixels a coarse map is a mean, and narrower.
            let sigma = f64::sqrt(sum / count);
            assert!((1.7..2.2).contains(&sigma), "{block} {sigma}");
        }
    }

    #[test]
    fn an_answer_that_errs_is_brought_to_the_noise_and_nearer_to_the_truth() {
        let Case { model, data, truth, start } = case();
        let sigma = [vec![0.3; 1024], vec![0.15; 1024]];
        let settings = RefineSettings { iterations: 200, target: 0.0 };
        let mut told = 0;
        let refined =
            refine(&model, &data, [&start[0], &start[1]], [&sigma[0], &sigma[1]], 1, settings, &mut |_, _| {
                told += 1;
                true
            });
        let [first, .., last] = refined.reduced_chi2.as_slice() else { panic!("{:?}", refined.reduced_chi2) };
        assert!(*first > 5.0 && *last < 1.1, "{first} {last}");
        assert!((0.5..1.2).contains(&refined.arcs_reduced_chi2), "{}", refined.arcs_reduced_chi2);
        assert_eq!(told + 1, refined.reduced_chi2.len());
        assert!(refined.gradients >= told && refined.source.iter().all(|s| *s >= 0.0));
        let rms = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let nearer =
            |found: &[f64], channel: usize| rms(found, &truth[channel]) / rms(&start[channel], &truth[channel]);
        let gains = [nearer(&refined.source, 0), nearer(&refined.log_convergence, 1)];
        assert!(gains[0] < 0.97 && gains[1] < 0.97, "{gains:?}");
        let soon = RefineSettings { iterations: 200, target: 0.5 * (first + last) };
        let early = refine(&model, &data, [&start[0], &start[1]], [&sigma[0], &sigma[1]], 1, soon, &mut |_, _| true);
        assert!(early.reduced_chi2.len() < refined.reduced_chi2.len());
        let stopped =
            refine(&model, &data, [&start[0], &start[1]], [&sigma[0], &sigma[1]], 1, settings, &mut |_, _| false);
        assert_eq!(stopped.reduced_chi2.len(), 2);
    }
}
