//! Random structure of the mass: a Gaussian field, the logarithm of a factor of the convergence.

use std::f64::consts::PI;
use std::sync::Arc;

use rand::Rng;
use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};

use super::FIELD_ARCSEC;
use super::draw::MassDraw;
use crate::numerics::random;

/// Length beyond which the large-scale spectrum `k^-3` flattens (arcsec).
const OUTER_ARCSEC: f64 = 7.68;
/// Smoothing length of the fine part (arcsec), and the pixel in which its standard deviation is stated: those of the TNG maps.
const FINE_ARCSEC: f64 = 0.06;

/// The two spectra on the modes of a periodic square a quarter larger than the field, so that opposite edges do not know each other.
pub(super) struct Spectrum {
    pixels: usize,
    period: usize,
    /// Variances of the modes of the large-scale and of the fine part.
    variances: Vec<[f64; 2]>,
    transform: Arc<dyn Fft<f64>>,
}

impl Spectrum {
    /// For fields of `pixels` along each side.
    pub(super) fn new(pixels: usize) -> Self {
        let step = FIELD_ARCSEC / pixels as f64;
        let period = pixels + pixels.div_ceil(4);
        let length = period as f64 * step;
        let frequency = |k: usize| (if k > period / 2 { k as f64 - period as f64 } else { k as f64 }) / length;
        let modes = || (0..period * period).map(|k| [frequency(k % period), frequency(k / period)]);
        let large = |[x, y]: [f64; 2]| {
            let square = x * x + y * y;
            let shape = (square + OUTER_ARCSEC.powi(-2)).powf(-1.5) * window([x, y], step);
            if square > 0.0 { shape } else { 0.0 }
        };
        let fine = |[x, y]: [f64; 2], pixel: f64| {
            (-(2.0 * PI * FINE_ARCSEC).powi(2) * (x * x + y * y)).exp() * window([x, y], pixel)
        };
        let large_sum: f64 = modes().map(large).sum();
        // The same modes as far as the pixels of the TNG maps see them.
        let most = (0.5 / FINE_ARCSEC * length) as i64;
        let fine_sum: f64 = (-most..=most)
            .flat_map(|j| (-most..=most).map(move |i| [i as f64 / length, j as f64 / length]))
            .map(|k| fine(k, FINE_ARCSEC))
            .sum();
        let variances = modes().map(|k| [large(k) / large_sum, fine(k, step) / fine_sum]).collect();
        Self { pixels, period, variances, transform: FftPlanner::new().plan_fft_forward(period) }
    }

    /// Draws a field of the stated standard deviations, row by row, of mean factor 1.
    pub(super) fn field(&self, rng: &mut impl Rng, draw: &MassDraw) -> Vec<f64> {
        let mut deviates = vec![0.0; 2 * self.variances.len()];
        random::fill_normal(rng, &mut deviates);
        let [large, fine] = [draw.structure_large.powi(2), draw.structure_fine.powi(2)];
        let mut total = 0.0;
        let mut modes: Vec<Complex64> = deviates
            .chunks_exact(2)
            .zip(&self.variances)
            .map(|(z, [l, f])| {
                let variance = large * l + fine * f;
                total += variance;
                Complex64::new(z[0], z[1]) * variance.sqrt()
            })
            .collect();
        let n = self.period;
        self.transform.process(&mut modes);
        let mut turned = vec![Complex64::default(); self.pixels * n];
        for (j, row) in modes.chunks_exact(n).enumerate() {
            for (i, value) in row.iter().take(self.pixels).enumerate() {
                turned[i * n + j] = *value;
            }
        }
        self.transform.process(&mut turned);
        // The real part of a sum of independent complex modes is a real field of this spectrum.
        let at = |k: usize| turned[(k % self.pixels) * n + k / self.pixels].re - 0.5 * total;
        (0..self.pixels * self.pixels).map(at).collect()
    }
}

/// Power that a mode keeps when it is averaged over pixels of this side.
fn window([x, y]: [f64; 2], pixel: f64) -> f64 {
    let sinc = |k: f64| if k == 0.0 { 1.0 } else { (PI * k * pixel).sin() / (PI * k * pixel) };
    (sinc(x) * sinc(y)).powi(2)
}
