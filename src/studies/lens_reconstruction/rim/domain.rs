//! What the network was trained on, and whether an image lies within.

use super::frame::WorkingFrame;
use super::likelihood::PixelData;
use super::prior::{NoiseRegime, PriorSettings};
use crate::studies::lens_reconstruction::Observation;

/// Ranges of the training, on the machine's field.
#[derive(Clone, Debug, PartialEq)]
pub struct Domain {
    /// Einstein radii (arcsec of the field).
    pub einstein_radius_arcsec: [f64; 2],
    /// Noise of a pixel over the peak of the source.
    pub noise: [f64; 2],
    /// Full width at half maximum of the PSF (arcsec of the field).
    pub psf_fwhm_arcsec: [f64; 2],
}

impl Domain {
    /// That of a training with this noise.
    pub fn of(noise: NoiseRegime) -> Self {
        let [least, most, _, _] = noise.distribution();
        Self {
            einstein_radius_arcsec: PriorSettings::default().einstein_radius_arcsec,
            noise: [least, most],
            psf_fwhm_arcsec: super::prior::PSF_FWHM_ARCSEC,
        }
    }
}

/// Share of the peak that light within [`EDGE_ARCSEC`] of the edge of the field may have, as in the training.
const EDGE: f64 = 0.2;
/// Width of the edge (arcsec of the field).
const EDGE_ARCSEC: f64 = 0.3;

/// What of an image lies outside of the training, in words with numbers; empty when nothing does.
pub fn concerns(
    domain: &Domain,
    observation: &Observation,
    frame: &WorkingFrame,
    data: &PixelData,
    einstein_radius_arcsec: f64,
) -> Vec<String> {
    let mut out = Vec::new();
    let mut look = |what: &str, value: f64, [least, most]: [f64; 2], unit: &str| {
        if !(least..=most).contains(&value) {
            out.push(format!(
                "outside the training of the network: {what} {value:.3}{unit}, trained on {least} to {most}{unit}"
            ));
        }
    };
    // The frame brings every ring to 0.6 to 1.5 arcsec; a network that was trained on others may not know it.
    let radius = einstein_radius_arcsec / frame.scale;
    look("Einstein radius on its field", radius, domain.einstein_radius_arcsec, " arcsec");
    let mut noise: Vec<f64> = data.weight.iter().filter(|w| **w > 0.0).map(|w| 1.0 / w).collect();
    noise.sort_by(f64::total_cmp);
    let typical = noise.get(noise.len() / 2).copied().unwrap_or(f64::NAN);
    look("noise over peak", typical, domain.noise, "");
    look("width of the PSF on its field", psf_fwhm(observation) / frame.scale, domain.psf_fwhm_arcsec, " arcsec");
    let edge = edge_light(frame, data);
    // Three times the noise is no light.
    if edge > EDGE.max(3.0 * typical) {
        out.push(format!(
            "outside the training of the network: light of {edge:.2} of the peak at the edge of its field; is the ring whole, is other light masked?"
        ));
    }
    out
}

/// Full width at half maximum of a Gaussian with the second moment of the PSF's core (arcsec).
fn psf_fwhm(observation: &Observation) -> f64 {
    let psf = &observation.psf;
    let peak = psf.iter().copied().fold(0.0, f64::max);
    // The area above half of the peak is that of a disc of the width.
    let area = psf.iter().filter(|v| **v >= 0.5 * peak).count() as f64;
    2.0 * (area / std::f64::consts::PI).sqrt() * observation.pixel_scale_arcsec
}

fn edge_light(frame: &WorkingFrame, data: &PixelData) -> f64 {
    let n = frame.grids.pixels;
    let wide = (EDGE_ARCSEC / frame.grids.step()).round().max(1.0) as usize;
    let inside = |k: usize| (wide..n - wide).contains(&k);
    let pixels = data.image.iter().zip(&data.weight).enumerate();
    pixels
        .filter(|(p, (_, w))| **w > 0.0 && !(inside(p % n) && inside(p / n)))
        .map(|(_, (v, _))| *v)
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_reconstruction::rim::Grids;
    use crate::studies::lens_reconstruction::simulate::gaussian_psf;
    use ndarray::Array2;

    #[test]
    fn each_way_out_of_the_training_is_named() {
        let n = 129;
        let ring = |j: usize, i: usize, radius: f64| {
            let r = (i as f64 - 64.0).hypot(j as f64 - 64.0) * 0.05;
            (-((r - radius) / 0.15).powi(2)).exp()
        };
        let neighbour = |j: usize, i: usize| if i > 122 && (60..70).contains(&j) { 0.9 } else { 0.0 };
        let seen = |radius: f64, noise: f64, fwhm: f64, beside: f64| {
            let data = Array2::from_shape_fn((n, n), |(j, i)| ring(j, i, radius) + beside * neighbour(j, i));
            let noise = Array2::from_elem((n, n), noise);
            let mask = Array2::from_elem((n, n), true);
            let seen = Observation::new(data.clone(), noise, gaussian_psf(fwhm, 0.05).unwrap(), mask, 0.05).unwrap();
            let frame = WorkingFrame::around(Grids::of(64), &seen, &data, [0.0; 2], radius);
            concerns(&Domain::of(NoiseRegime::Low), &seen, &frame, &frame.bring(&seen, &data), radius).join("; ")
        };
        let said = |radius, noise, fwhm| seen(radius, noise, fwhm, 0.0);
        assert_eq!(said(1.4, 0.05, 0.12), "");
        assert!(said(1.4, 2.0, 0.12).contains("noise over peak"));
        assert!(said(1.4, 0.05, 0.6).contains("width of the PSF"));
        assert!(seen(1.0, 0.05, 0.12, 1.0).contains("edge"), "{}", seen(1.0, 0.05, 0.12, 1.0));
    }
}
