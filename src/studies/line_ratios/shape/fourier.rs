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
use std::sync::LazyLock;

use pulp::Arch;

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
    pub fn fill(&self, arch: Arch, samples: Samples<'_>, centre: f64, phase: (f64, f64), mut out: Outputs<'_>) {
        let core =
            if self.a < NARROW { (FAR * SQRT_2 * self.sigma).max(0.3 * self.width) } else { FAR * SQRT_2 * self.sigma };
        let from = samples.x.partition_point(|x| *x < centre - core);
        let to = samples.x.partition_point(|x| *x <= centre + core);
        let all = samples.x.len();
        let narrow = self.a < NARROW;
        arch.dispatch(
            #[inline(always)]
            || {
                self.far(samples.part(0, from), centre, phase, out.part(0, from));
                self.far(samples.part(to, all), centre, phase, out.part(to, all));
                if narrow {
                    self.narrow(samples.part(from, to).x, centre, out.part(from, to));
                } else {
                    self.near(samples.part(from, to), centre, phase, out.part(from, to));
                }
            },
        );
    }

    /// Far from the line: K by the Gauss-Hermite rule.
    #[inline(always)]
    fn far(&self, samples: Samples<'_>, centre: f64, phase: (f64, f64), out: Outputs<'_>) {
        let Outputs { value, by_centre, by_sigma } = out;
        let damping = fast_math::exp(-self.a * self.a);
        if self.a > 7.0 {
            // exp(-49): nothing is left of the cut at L.
            value.fill(0.0);
            by_centre.fill(0.0);
            by_sigma.fill(0.0);
            return;
        }
        let k = 4.0 * self.kappa * self.kappa;
        let q_re = 2.0 * self.kappa * self.a;
        let (turn_re, turn_im) = (-2.0 * damping * phase.0, -2.0 * damping * phase.1);
        let l = 0.5 / self.width;
        let terms = samples.x.iter().zip(samples.cosines.iter().zip(samples.sines));
        if by_centre.is_empty() {
            for (value, (x, (c, s))) in value.iter_mut().zip(terms) {
                let q_im = -2.0 * PI * (x - centre);
                let (square_re, square_im) = (q_re * q_re - q_im * q_im, 2.0 * q_re * q_im);
                let (mut sum_re, mut sum_im) = (0.0, 0.0);
                for (node, weight) in HERMITE {
                    let re = square_re + k * node;
                    let scale = weight / (re * re + square_im * square_im);
                    sum_re += scale * re;
                    sum_im -= scale * square_im;
                }
                let k0 = (q_re * sum_re - q_im * sum_im, q_re * sum_im + q_im * sum_re);
                // E = damping (c + i s)(phase.0 - i phase.1), with its factor -2.
                let e = (c * turn_re + s * turn_im, s * turn_re - c * turn_im);
                *value = e.0 * k0.0 - e.1 * k0.1;
            }
            return;
        }
        let slopes = by_centre.iter_mut().zip(by_sigma);
        for ((value, (x, (c, s))), (by_centre, by_sigma)) in value.iter_mut().zip(terms).zip(slopes) {
            let q_im = -2.0 * PI * (x - centre);
            let (square_re, square_im) = (q_re * q_re - q_im * q_im, 2.0 * q_re * q_im);
            let (mut sum_re, mut sum_im) = (0.0, 0.0);
            let (mut one_re, mut one_im) = (0.0, 0.0);
            let (mut two_re, mut two_im) = (0.0, 0.0);
            for (node, weight) in HERMITE {
                let re = square_re + k * node;
                let scale = 1.0 / (re * re + square_im * square_im);
                let r = (scale * re, -scale * square_im);
                let m = 2.0 * k * node;
                let (m_re, m_im) = (m * r.0, m * r.1);
                sum_re += weight * r.0;
                sum_im += weight * r.1;
                one_re += weight * (r.0 * (1.0 - m_re) + r.1 * m_im);
                one_im += weight * (r.1 * (1.0 - m_re) - r.0 * m_im);
                let r2 = (r.0 * r.0 - r.1 * r.1, 2.0 * r.0 * r.1);
                let f = (2.0 - 4.0 * m_re, -4.0 * m_im);
                two_re += weight * (r2.0 * f.0 - r2.1 * f.1);
                two_im += weight * (r2.0 * f.1 + r2.1 * f.0);
            }
            let k0 = (q_re * sum_re - q_im * sum_im, q_re * sum_im + q_im * sum_re);
            let k1 = (one_re, one_im);
            let k2 = (q_re * two_re - q_im * two_im, q_re * two_im + q_im * two_re);
            let e = (c * turn_re + s * turn_im, s * turn_re - c * turn_im);
            let first = (l * k0.0 + k1.0, l * k0.1 + k1.1);
            let second = (l * (l * k0.0 + 2.0 * k1.0) + k2.0, l * (l * k0.1 + 2.0 * k1.1) + k2.1);
            *value = e.0 * k0.0 - e.1 * k0.1;
            // Re[i z] = -Im z; the slope by the centre is minus that by d.
            *by_centre = 2.0 * PI * (e.0 * first.1 + e.1 * first.0);
            *by_sigma = -4.0 * PI * PI * self.sigma * (e.0 * second.0 - e.1 * second.1);
        }
    }

    /// Near a broadened line: K by the Faddeeva function.
    #[inline(always)]
    fn near(&self, samples: Samples<'_>, centre: f64, phase: (f64, f64), out: Outputs<'_>) {
        let Outputs { value, by_centre, by_sigma } = out;
        let slopes = !by_centre.is_empty();
        let weideman: &Weideman = &WEIDEMAN;
        let sqrt_pi = PI.sqrt();
        let damping = if self.a > 7.0 { 0.0 } else { fast_math::exp(-self.a * self.a) };
        let (turn_re, turn_im) = (-2.0 * damping * phase.0, -2.0 * damping * phase.1);
        let l = 0.5 / self.width;
        let (n0, n1) = (sqrt_pi / (2.0 * self.kappa), sqrt_pi / (4.0 * self.kappa * self.kappa));
        let n2 = 0.5 * n1 / self.kappa;
        let peak = 1.0 / (super::SQRT_TAU * self.sigma);
        let (to_b, inverse_variance) = (1.0 / (SQRT_2 * self.sigma), 1.0 / (self.sigma * self.sigma));
        for start in (0..samples.x.len()).step_by(LANES) {
            let count = LANES.min(samples.x.len() - start);
            let mut d = [0.0; LANES];
            let mut e = [(0.0, 0.0); LANES];
            for lane in 0..count {
                let (c, s) = (samples.cosines[start + lane], samples.sines[start + lane]);
                d[lane] = samples.x[start + lane] - centre;
                e[lane] = (c * turn_re + s * turn_im, s * turn_re - c * turn_im);
            }
            let b = d.map(|d| d * to_b);
            let f = weideman.block(self.a, &b);
            for lane in 0..count {
                let at = start + lane;
                let gauss = peak * fast_math::exp(-b[lane] * b[lane]);
                let (f_re, f_im) = (f.0[lane], f.1[lane]);
                let e = e[lane];
                value[at] = gauss + n0 * (e.0 * f_re - e.1 * f_im);
                if slopes {
                    // y = a - i b; D1 = 2 / sqrt(pi) - 2 y F; F'' = 2 F - 2 y D1.
                    let b = b[lane];
                    let d1 = (2.0 / sqrt_pi - 2.0 * (self.a * f_re + b * f_im), -2.0 * (self.a * f_im - b * f_re));
                    let d2 =
                        (2.0 * f_re - 2.0 * (self.a * d1.0 + b * d1.1), 2.0 * f_im - 2.0 * (self.a * d1.1 - b * d1.0));
                    let first = (l * n0 * f_re + n1 * d1.0, l * n0 * f_im + n1 * d1.1);
                    let second = (
                        l * (l * n0 * f_re + 2.0 * n1 * d1.0) + n2 * d2.0,
                        l * (l * n0 * f_im + 2.0 * n1 * d1.1) + n2 * d2.1,
                    );
                    by_centre[at] = gauss * d[lane] * inverse_variance + 2.0 * PI * (e.0 * first.1 + e.1 * first.0);
                    let curvature = gauss * (d[lane] * d[lane] * inverse_variance - 1.0) * inverse_variance
                        - 4.0 * PI * PI * (e.0 * second.0 - e.1 * second.1);
                    by_sigma[at] = self.sigma * curvature;
                }
            }
        }
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
