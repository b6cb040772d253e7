//! The line of an unapodised Fourier-transform spectrometer, broadened by a Gaussian, and its derivatives.
//!
//! A line of flux 1 at distance d from its centre is the cosine transform of a boxcar (path differences up to
//! L = 1 / 2w) times a Gaussian:
//!
//! p(d) = 2 int_0^L exp(-2 pi^2 s^2 t^2) cos(2 pi t d) dt.
//!
//! It is the whole Gaussian less what lies beyond L:
//! p = G - 2 Re[E K0], with E = exp(-a^2 + i pi d / w), a = pi s / (sqrt2 w) and, for n = 0, 1, 2,
//! Kn = int_0^inf tau^n exp(-kappa^2 tau^2 - q tau) dtau, kappa = sqrt2 pi s, q = 2 kappa a - 2 pi i d.
//! K0 is sqrt(pi) / (2 kappa) times the Faddeeva function of i q / (2 kappa), and this is the stable form of ORB's
//! "sincgauss". Every derivative by d brings down 2 pi i (L + tau), which K1 and K2 pay for; d p / d s = s d2p / dd2.
//!
//! Three ways to Kn, each where it is accurate and cheap, over runs of samples that the compiler turns into vector code:
//! - far from the line (most samples): the Gauss-Hermite sum of six nodes, a rational function of q without a
//!   cancellation, also as s goes to 0, where it is the sinc itself;
//! - near a broadened line: the Faddeeva function as Weideman's rational sum (1994, SIAM J. Numer. Anal. 31, 1497);
//! - near a narrow line: p itself as a Gauss-Legendre sum over t, where the difference of G and E K0 would cancel.

use std::f64::consts::{PI, SQRT_2};
use std::ops::Range;
use std::sync::LazyLock;

use pulp::{Arch, Simd, WithSimd};

use crate::numerics::fast_math;

/// Terms of Weideman's sum.
const TERMS: usize = 36;
/// Nodes of the Gauss-Legendre sum.
const NODES: usize = 10;
/// Samples worked on together.
const LANES: usize = 8;
/// Beyond this many sqrt2 s from the line, the six-node sum is good to 2e-10 of the peak and the Gaussian is gone.
const FAR: f64 = 8.0;
/// Below this `a` the line is narrow.
const NARROW: f64 = 0.25;
/// Above this `a` nothing is left of the cut at L: exp(-49).
const CUT_GONE: f64 = 7.0;
/// Positive nodes of the Gauss-Hermite rule of order 6, squared, and their weights times 2 / sqrt(pi).
const HERMITE: [(f64, f64); 3] = [
    (0.190_163_509_193_488, 0.817_656_939_411_320_5),
    (1.784_492_748_543_252, 0.177_231_492_083_829_05),
    (5.525_343_742_263_26, 0.005_111_568_504_850_346),
];

/// Slices to fill; the slopes are empty when they are not asked for.
pub(super) struct Outputs<'a> {
    pub value: &'a mut [f64],
    pub by_centre: &'a mut [f64],
    pub by_sigma: &'a mut [f64],
}

impl Outputs<'_> {
    fn part(&mut self, from: usize, to: usize) -> Outputs<'_> {
        let slopes = if self.by_centre.is_empty() { 0..0 } else { from..to };
        Outputs {
            value: &mut self.value[from..to],
            by_centre: &mut self.by_centre[slopes.clone()],
            by_sigma: &mut self.by_sigma[slopes],
        }
    }
}

/// Samples with cos and sin of pi (x - first) / w.
#[derive(Clone, Copy)]
pub(super) struct Samples<'a> {
    pub x: &'a [f64],
    pub cosines: &'a [f64],
    pub sines: &'a [f64],
}

impl<'a> Samples<'a> {
    fn part(&self, from: usize, to: usize) -> Samples<'a> {
        Samples { x: &self.x[from..to], cosines: &self.cosines[from..to], sines: &self.sines[from..to] }
    }
}

/// One line: what its samples share.
pub(super) struct SincGauss {
    width: f64,
    sigma: f64,
    /// pi s / (sqrt2 w).
    a: f64,
    /// sqrt2 pi s.
    kappa: f64,
}

impl SincGauss {
    pub fn new(width: f64, sigma: f64) -> Self {
        let sigma = sigma.max(0.0);
        Self { width, sigma, a: PI * sigma / (SQRT_2 * width), kappa: SQRT_2 * PI * sigma }
    }

    /// Value at the centre: erf(a) / (sqrt(2 pi) s), or 1 / w for a narrow line.
    pub fn peak(&self) -> f64 {
        let mut value = [0.0];
        let out = Outputs { value: &mut value, by_centre: &mut [], by_sigma: &mut [] };
        let samples = Samples { x: &[0.0], cosines: &[1.0], sines: &[0.0] };
        self.fill(Arch::Scalar, samples, 0.0, (1.0, 0.0), out);
        value[0]
    }

    /// `phase`: cos and sin of pi (centre - first) / w.
    pub fn fill(&self, arch: Arch, samples: Samples<'_>, centre: f64, phase: (f64, f64), out: Outputs<'_>) {
        let core =
            if self.a < NARROW { (FAR * SQRT_2 * self.sigma).max(0.3 * self.width) } else { FAR * SQRT_2 * self.sigma };
        let from = samples.x.partition_point(|x| *x < centre - core);
        let to = samples.x.partition_point(|x| *x <= centre + core);
        arch.dispatch(Fill { line: self, samples, centre, phase, core: from..to, out });
    }

    /// Far from the line: K by the Gauss-Hermite rule.
    #[inline(always)]
    fn far(&self, samples: Samples<'_>, centre: f64, phase: (f64, f64), out: Outputs<'_>) {
        let Outputs { value, by_centre, by_sigma } = out;
        if self.a > CUT_GONE {
            value.fill(0.0);
            by_centre.fill(0.0);
            by_sigma.fill(0.0);
            return;
        }
        let damping = fast_math::exp(-self.a * self.a);
        let turn = (-2.0 * damping * phase.0, -2.0 * damping * phase.1);
        let slopes = !by_centre.is_empty();
        // Blocks of a fixed length: the compiler makes vector code of them without proving anything about the slices.
        for start in (0..samples.x.len()).step_by(LANES) {
            let end = (start + LANES).min(samples.x.len());
            let block = Block::of(samples.part(start, end), centre, turn);
            if slopes {
                let (p, first, second) = self.far_slopes(&block);
                value[start..end].copy_from_slice(&p[..end - start]);
                by_centre[start..end].copy_from_slice(&first[..end - start]);
                by_sigma[start..end].copy_from_slice(&second[..end - start]);
            } else {
                value[start..end].copy_from_slice(&self.far_values(&block)[..end - start]);
            }
        }
    }

    #[inline(always)]
    fn far_values(&self, block: &Block) -> [f64; LANES] {
        let k = 4.0 * self.kappa * self.kappa;
        let q_re = 2.0 * self.kappa * self.a;
        let mut out = [0.0; LANES];
        for (lane, out) in out.iter_mut().enumerate() {
            let q_im = -2.0 * PI * block.d[lane];
            let (square_re, square_im) = (q_re * q_re - q_im * q_im, 2.0 * q_re * q_im);
            let (mut sum_re, mut sum_im) = (0.0, 0.0);
            for (node, weight) in HERMITE {
                let re = square_re + k * node;
                let scale = weight / (re * re + square_im * square_im);
                sum_re += scale * re;
                sum_im -= scale * square_im;
            }
            let (k0_re, k0_im) = (q_re * sum_re - q_im * sum_im, q_re * sum_im + q_im * sum_re);
            *out = block.e_re[lane] * k0_re - block.e_im[lane] * k0_im;
        }
        out
    }

    /// p, its slope by the centre, its slope by s.
    #[inline(always)]
    fn far_slopes(&self, block: &Block) -> ([f64; LANES], [f64; LANES], [f64; LANES]) {
        let k = 4.0 * self.kappa * self.kappa;
        let q_re = 2.0 * self.kappa * self.a;
        let l = 0.5 / self.width;
        let to_sigma = -4.0 * PI * PI * self.sigma;
        let mut out = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let q_im = -2.0 * PI * block.d[lane];
            let (square_re, square_im) = (q_re * q_re - q_im * q_im, 2.0 * q_re * q_im);
            let (mut sum_re, mut sum_im) = (0.0, 0.0);
            let (mut k1_re, mut k1_im) = (0.0, 0.0);
            let (mut two_re, mut two_im) = (0.0, 0.0);
            for (node, weight) in HERMITE {
                // r = 1 / (q^2 + k t^2); K1 takes r (1 - m), K2 takes r^2 (2 - 4 m), m = 2 k t^2 r.
                let re = square_re + k * node;
                let scale = 1.0 / (re * re + square_im * square_im);
                let (r_re, r_im) = (scale * re, -scale * square_im);
                let m = 2.0 * k * node;
                let (m_re, m_im) = (m * r_re, m * r_im);
                sum_re += weight * r_re;
                sum_im += weight * r_im;
                k1_re += weight * (r_re * (1.0 - m_re) + r_im * m_im);
                k1_im += weight * (r_im * (1.0 - m_re) - r_re * m_im);
                let (square_r_re, square_r_im) = (r_re * r_re - r_im * r_im, 2.0 * r_re * r_im);
                let (f_re, f_im) = (2.0 - 4.0 * m_re, -4.0 * m_im);
                two_re += weight * (square_r_re * f_re - square_r_im * f_im);
                two_im += weight * (square_r_re * f_im + square_r_im * f_re);
            }
            let (k0_re, k0_im) = (q_re * sum_re - q_im * sum_im, q_re * sum_im + q_im * sum_re);
            let (k2_re, k2_im) = (q_re * two_re - q_im * two_im, q_re * two_im + q_im * two_re);
            let (e_re, e_im) = (block.e_re[lane], block.e_im[lane]);
            let (first_re, first_im) = (l * k0_re + k1_re, l * k0_im + k1_im);
            let second_re = l * (l * k0_re + 2.0 * k1_re) + k2_re;
            let second_im = l * (l * k0_im + 2.0 * k1_im) + k2_im;
            out.0[lane] = e_re * k0_re - e_im * k0_im;
            // Re[i z] = -Im z; the slope by the centre is minus that by d.
            out.1[lane] = 2.0 * PI * (e_re * first_im + e_im * first_re);
            out.2[lane] = to_sigma * (e_re * second_re - e_im * second_im);
        }
        out
    }

    /// Near a broadened line: K by the Faddeeva function.
    #[inline(always)]
    fn near(&self, samples: Samples<'_>, centre: f64, phase: (f64, f64), out: Outputs<'_>) {
        let Outputs { value, by_centre, by_sigma } = out;
        let slopes = !by_centre.is_empty();
        let damping = if self.a > CUT_GONE { 0.0 } else { fast_math::exp(-self.a * self.a) };
        let turn = (-2.0 * damping * phase.0, -2.0 * damping * phase.1);
        let weideman: &Weideman = &WEIDEMAN;
        let factors = NearFactors::new(self);
        for start in (0..samples.x.len()).step_by(LANES) {
            let end = (start + LANES).min(samples.x.len());
            let block = Block::of(samples.part(start, end), centre, turn);
            let mut b = block.d;
            for b in &mut b {
                *b *= factors.to_b;
            }
            let f = weideman.block(self.a, &b);
            let (p, first, second) = self.near_block(&factors, &block, &b, &f);
            value[start..end].copy_from_slice(&p[..end - start]);
            if slopes {
                by_centre[start..end].copy_from_slice(&first[..end - start]);
                by_sigma[start..end].copy_from_slice(&second[..end - start]);
            }
        }
    }

    /// p, its slope by the centre, its slope by s.
    #[inline(always)]
    fn near_block(
        &self,
        n: &NearFactors,
        block: &Block,
        b: &[f64; LANES],
        f: &([f64; LANES], [f64; LANES]),
    ) -> ([f64; LANES], [f64; LANES], [f64; LANES]) {
        let l = 0.5 / self.width;
        let mut out = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let (b, d) = (b[lane], block.d[lane]);
            let gauss = n.peak * fast_math::exp(-b * b);
            let (f_re, f_im) = (f.0[lane], f.1[lane]);
            // y = a - i b; D1 = 2 / sqrt(pi) - 2 y F; F'' = 2 F - 2 y D1.
            let d1_re = 2.0 * INVERSE_SQRT_PI - 2.0 * (self.a * f_re + b * f_im);
            let d1_im = -2.0 * (self.a * f_im - b * f_re);
            let d2_re = 2.0 * f_re - 2.0 * (self.a * d1_re + b * d1_im);
            let d2_im = 2.0 * f_im - 2.0 * (self.a * d1_im - b * d1_re);
            let (e_re, e_im) = (block.e_re[lane], block.e_im[lane]);
            let (first_re, first_im) = (l * n.k0 * f_re + n.k1 * d1_re, l * n.k0 * f_im + n.k1 * d1_im);
            let second_re = l * (l * n.k0 * f_re + 2.0 * n.k1 * d1_re) + n.k2 * d2_re;
            let second_im = l * (l * n.k0 * f_im + 2.0 * n.k1 * d1_im) + n.k2 * d2_im;
            out.0[lane] = gauss + n.k0 * (e_re * f_re - e_im * f_im);
            out.1[lane] = gauss * d * n.inverse_variance + 2.0 * PI * (e_re * first_im + e_im * first_re);
            let curvature = gauss * (d * d * n.inverse_variance - 1.0) * n.inverse_variance
                - 4.0 * PI * PI * (e_re * second_re - e_im * second_im);
            out.2[lane] = self.sigma * curvature;
        }
        out
    }

    /// Near a narrow line: the cosine transform itself.
    #[inline(always)]
    fn narrow(&self, x: &[f64], centre: f64, out: Outputs<'_>) {
        let Outputs { value, by_centre, by_sigma } = out;
        let wave = PI / self.width;
        for (index, x) in x.iter().enumerate() {
            let angle = wave * (x - centre);
            let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
            for (node, weight) in LEGENDRE.iter() {
                let weight = weight * fast_math::exp(-self.a * self.a * node * node);
                let (sin, cos) = (angle * node).sin_cos();
                sum += weight * cos;
                first += weight * node * sin;
                second += weight * node * node * cos;
            }
            value[index] = sum / self.width;
            if !by_centre.is_empty() {
                by_centre[index] = first * wave / self.width;
                by_sigma[index] = -self.sigma * second * wave * wave / self.width;
            }
        }
    }
}

/// A line on its samples, as the code that `Arch::dispatch` compiles for each processor.
struct Fill<'a> {
    line: &'a SincGauss,
    samples: Samples<'a>,
    centre: f64,
    phase: (f64, f64),
    core: Range<usize>,
    out: Outputs<'a>,
}

impl WithSimd for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { line, samples, centre, phase, core, mut out } = self;
        let all = samples.x.len();
        line.far(samples.part(0, core.start), centre, phase, out.part(0, core.start));
        line.far(samples.part(core.end, all), centre, phase, out.part(core.end, all));
        let (near, out) = (samples.part(core.start, core.end), out.part(core.start, core.end));
        if line.a < NARROW {
            line.narrow(near.x, centre, out);
        } else {
            line.near(near, centre, phase, out);
        }
    }
}

/// A few samples: distance from the line and the factor -2 E.
struct Block {
    d: [f64; LANES],
    e_re: [f64; LANES],
    e_im: [f64; LANES],
}

impl Block {
    /// `turn`: -2 exp(-a^2) times cos and sin of the phase of the centre. Missing samples repeat the first.
    #[inline(always)]
    fn of(samples: Samples<'_>, centre: f64, turn: (f64, f64)) -> Self {
        let (mut x, mut c, mut s) = ([samples.x[0]; LANES], [samples.cosines[0]; LANES], [samples.sines[0]; LANES]);
        let count = samples.x.len();
        x[..count].copy_from_slice(samples.x);
        c[..count].copy_from_slice(samples.cosines);
        s[..count].copy_from_slice(samples.sines);
        let mut block = Self { d: [0.0; LANES], e_re: [0.0; LANES], e_im: [0.0; LANES] };
        for lane in 0..LANES {
            block.d[lane] = x[lane] - centre;
            block.e_re[lane] = c[lane] * turn.0 + s[lane] * turn.1;
            block.e_im[lane] = s[lane] * turn.0 - c[lane] * turn.1;
        }
        block
    }
}

/// What the samples near a broadened line share.
struct NearFactors {
    /// Kn = kn times the n-th reduced derivative of F.
    k0: f64,
    k1: f64,
    k2: f64,
    peak: f64,
    to_b: f64,
    inverse_variance: f64,
}

impl NearFactors {
    fn new(line: &SincGauss) -> Self {
        let k0 = PI.sqrt() / (2.0 * line.kappa);
        let k1 = 0.5 * k0 / line.kappa;
        Self {
            k0,
            k1,
            k2: 0.5 * k1 / line.kappa,
            peak: 1.0 / (super::SQRT_TAU * line.sigma),
            to_b: 1.0 / (SQRT_2 * line.sigma),
            inverse_variance: 1.0 / (line.sigma * line.sigma),
        }
    }
}

/// Coefficients of Weideman's sum of [`TERMS`] terms.
struct Weideman {
    scale: f64,
    /// From the highest power.
    coefficients: [f64; TERMS],
}

static WEIDEMAN: LazyLock<Weideman> = LazyLock::new(Weideman::new);

impl Weideman {
    /// His program `cef`, the Fourier transform written out.
    fn new() -> Self {
        let scale = (TERMS as f64 / SQRT_2).sqrt();
        let half = 2 * TERMS as i32;
        let mut coefficients = [0.0; TERMS];
        for (power, coefficient) in coefficients.iter_mut().rev().enumerate() {
            let mut sum = 0.0;
            for k in 1 - half..half {
                let theta = f64::from(k) * PI / f64::from(half);
                let t = scale * (0.5 * theta).tan();
                sum += (-t * t).exp() * (scale * scale + t * t) * ((power as f64 + 1.0) * theta).cos();
            }
            *coefficient = sum / f64::from(2 * half);
        }
        Self { scale, coefficients }
    }

    /// The Faddeeva function of b + i a, real and imaginary parts, for `a` >= 0.
    #[inline(always)]
    fn block(&self, a: f64, b: &[f64; LANES]) -> ([f64; LANES], [f64; LANES]) {
        // With y = a - i b: F = 2 P(Z) / (l + y)^2 + 1 / (sqrt(pi) (l + y)), Z = (l - y) / (l + y).
        let (up, down) = (self.scale + a, self.scale - a);
        let mut inverse = ([0.0; LANES], [0.0; LANES]);
        let mut z = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let scale = 1.0 / (up * up + b[lane] * b[lane]);
            inverse.0[lane] = up * scale;
            inverse.1[lane] = b[lane] * scale;
            z.0[lane] = down * inverse.0[lane] - b[lane] * inverse.1[lane];
            z.1[lane] = down * inverse.1[lane] + b[lane] * inverse.0[lane];
        }
        let mut p = ([self.coefficients[0]; LANES], [0.0; LANES]);
        for coefficient in &self.coefficients[1..] {
            for lane in 0..LANES {
                let re = p.0[lane] * z.0[lane] - p.1[lane] * z.1[lane] + coefficient;
                p.1[lane] = p.0[lane] * z.1[lane] + p.1[lane] * z.0[lane];
                p.0[lane] = re;
            }
        }
        let mut f = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let i = (inverse.0[lane], inverse.1[lane]);
            let inner = (
                2.0 * (p.0[lane] * i.0 - p.1[lane] * i.1) + INVERSE_SQRT_PI,
                2.0 * (p.0[lane] * i.1 + p.1[lane] * i.0),
            );
            f.0[lane] = inner.0 * i.0 - inner.1 * i.1;
            f.1[lane] = inner.0 * i.1 + inner.1 * i.0;
        }
        f
    }
}

const INVERSE_SQRT_PI: f64 = 0.564_189_583_547_756_3;

/// Nodes on [0, 1] and weights of the Gauss-Legendre rule.
static LEGENDRE: LazyLock<[(f64, f64); NODES]> = LazyLock::new(|| {
    let n = NODES as f64;
    std::array::from_fn(|index| {
        // Newton's iteration on the Legendre polynomial from the usual first guess.
        let mut x = (PI * (index as f64 + 0.75) / (n + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..50 {
            let (mut low, mut high) = (1.0, x);
            for k in 2..=NODES {
                let k = k as f64;
                (low, high) = (high, ((2.0 * k - 1.0) * x * high - (k - 1.0) * low) / k);
            }
            slope = n * (x * high - low) / (x * x - 1.0);
            let step = high / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        (0.5 * (1.0 + x), 1.0 / ((1.0 - x * x) * slope * slope))
    })
});
