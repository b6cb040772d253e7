//! Line shapes against golden values, against their definition and against differences.

use super::*;

const FWHM: f64 = 3.165;

fn sinc(fwhm: f64) -> LineShape {
    LineShape::Sinc { width: fwhm / crate::studies::line_ratios::axis::SINC_FWHM }
}

/// The cosine transform of boxcar times Gaussian, by the midpoint rule with Richardson's extrapolation: a different
/// road to the same number, value and derivatives by d.
fn direct(width: f64, s: f64, d: f64) -> [f64; 3] {
    let longest = 0.5 / width;
    let rule = |steps: usize| {
        let h = longest / steps as f64;
        let mut sums = [0.0; 3];
        for k in 0..steps {
            let t = (k as f64 + 0.5) * h;
            let tau = std::f64::consts::TAU * t;
            let (sin, cos) = (tau * d).sin_cos();
            let weight = 2.0 * h * (-0.5 * tau * tau * s * s).exp();
            sums[0] += weight * cos;
            sums[1] -= weight * tau * sin;
            sums[2] -= weight * tau * tau * cos;
        }
        sums
    };
    let (a, b, c) = (rule(4_000), rule(8_000), rule(16_000));
    std::array::from_fn(|i| {
        let (first, second) = ((4.0 * b[i] - a[i]) / 3.0, (4.0 * c[i] - b[i]) / 3.0);
        (16.0 * second - first) / 15.0
    })
}

/// Values of ORB's `sincgauss1d` at fwhm 3.165, amplitude 1, and its flux.
#[test]
fn sincgauss_has_the_golden_values() {
    let golden = [
        (0.5, [1.0, 0.787_599_681, 0.312_634_464, -0.124_760_996, -0.051_903_336, -0.042_986_290], 2.780_473_736),
        (1.5, [1.0, 0.854_803_684, 0.511_262_213, 0.127_118_239, -0.031_012_546, -0.019_205_469], 4.053_351_130),
        (4.0, [1.0, 0.969_234_313, 0.882_499_681, 0.731_224_274, 0.457_832_509, 0.043_935_521], 10.026_529_726),
        (0.1, [1.0, 0.777_875_451, 0.284_512_533, -0.158_113_361, -0.048_596_907, -0.046_212_206], 2.629_107_071),
    ];
    for (s, values, flux) in golden {
        let shape = sinc(FWHM);
        let sampler = Sampler::new(vec![0.0, 1.0, 2.0, 3.165, 5.0, 10.0], shape);
        let mut profile = [0.0; 6];
        sampler.profile(0.0, s, 0..6, &mut profile);
        assert!((1.0 / shape.peak(0.0, s) - flux).abs() < 2e-9, "s = {s}: flux {}", 1.0 / shape.peak(0.0, s));
        for (found, expected) in profile.iter().zip(values) {
            assert!((found * flux - expected).abs() < 2e-9, "s = {s}: {} {expected}", found * flux);
        }
    }
}

/// From an unresolved line to one far broader than the instrument, on the core, at its borders and far out.
#[test]
fn sincgauss_is_the_cosine_transform_and_its_slopes() {
    let width = 2.623;
    let shape = LineShape::Sinc { width };
    let (mut worst, mut worst_slope) = (0.0f64, 0.0f64);
    for s in [0.0, 1e-6, 0.01, 0.03, 0.1, 0.25, 0.29, 0.3, 0.5, 1.0, 1.5, 2.5, 4.0, 7.0, 12.0] {
        let x: Vec<f64> = (0..120).map(|k| f64::from(k) * 0.37 - 14.0 + f64::from(k / 60) * 90.0).collect();
        let centre = 0.123;
        let sampler = Sampler::new(x.clone(), shape);
        let (mut value, mut by_centre, mut by_sigma) = (vec![0.0; 120], vec![0.0; 120], vec![0.0; 120]);
        sampler.profile_and_slopes(centre, s, 0..120, &mut value, &mut by_centre, &mut by_sigma);
        let mut alone = vec![0.0; 120];
        sampler.profile(centre, s, 0..120, &mut alone);
        let peak = shape.peak(centre, s);
        for k in 0..120 {
            let [p, slope, curvature] = direct(width, s, x[k] - centre);
            worst = worst.max((value[k] - p).abs() / peak);
            assert!((value[k] - p).abs() < 1e-9 * peak, "s {s} x {}: {} {p}", x[k], value[k]);
            assert!((alone[k] - value[k]).abs() < 1e-14 * peak);
            let (e1, e2) = ((by_centre[k] + slope).abs() * width, (by_sigma[k] - s * curvature).abs() * width);
            worst_slope = worst_slope.max(e1.max(e2) / peak);
            assert!(e1 < 1e-7 * peak && e2 < 1e-7 * peak, "s {s} x {}: {e1} {e2}", x[k]);
        }
    }
    println!("largest error {worst:.1e} of the peak, of the slopes {worst_slope:.1e}");
}

/// A window is a part of the whole, and many samples in blocks are the samples one by one.
#[test]
fn windows_and_blocks_agree() {
    let x: Vec<f64> = (0..101).map(|k| 14_600.0 + 2.1 * f64::from(k)).collect();
    let sampler = Sampler::new(x, sinc(FWHM));
    let mut whole = vec![0.0; 101];
    sampler.profile(14_700.4, 1.7, 0..101, &mut whole);
    for window in [0..1, 3..60, 47..50, 100..101] {
        let mut part = vec![0.0; window.len()];
        sampler.profile(14_700.4, 1.7, window.clone(), &mut part);
        for (found, expected) in part.iter().zip(&whole[window]) {
            assert!((found - expected).abs() < 1e-15);
        }
    }
}

/// On samples at least as fine as the sinc, the sum times their distance is the flux.
#[test]
fn the_profile_has_flux_one() {
    for s in [0.0, 0.7, 3.0] {
        let step = 2.0;
        let x: Vec<f64> = (0..40_001).map(|k| step * f64::from(k) - 40_000.0).collect();
        let sampler = Sampler::new(x, sinc(FWHM));
        let mut value = vec![0.0; 40_001];
        sampler.profile(3.3, s, 0..40_001, &mut value);
        let flux = step * value.iter().sum::<f64>();
        assert!((flux - 1.0).abs() < 3e-5, "s {s}: {flux}");
    }
}

/// Gaussian lines against the closed form and against differences.
#[test]
fn gaussian_lines_add_widths_in_squares() {
    let shape = LineShape::Gaussian { sigma: [0.2, 1e-4, 1e-8] };
    let x: Vec<f64> = (0..200).map(|k| 7000.0 + 1.25 * f64::from(k)).collect();
    let sampler = Sampler::new(x.clone(), shape);
    let (centre, s) = (7126.3, 1.9);
    let instrument = 0.2 + 0.712_63 + 1e-8 * centre * centre;
    let total = f64::hypot(s, instrument);
    let (mut value, mut by_centre, mut by_sigma) = (vec![0.0; 200], vec![0.0; 200], vec![0.0; 200]);
    sampler.profile_and_slopes(centre, s, 0..200, &mut value, &mut by_centre, &mut by_sigma);
    let flux = 1.25 * value.iter().sum::<f64>();
    assert!((flux - 1.0).abs() < 1e-12, "{flux}");
    let at = |centre: f64, s: f64, x: f64| {
        let total = f64::hypot(s, instrument);
        (-0.5 * ((x - centre) / total).powi(2)).exp() / (std::f64::consts::TAU.sqrt() * total)
    };
    let h = 1e-5;
    for k in 0..200 {
        assert!((value[k] - at(centre, s, x[k])).abs() < 1e-14);
        let slope = (at(centre + h, s, x[k]) - at(centre - h, s, x[k])) / (2.0 * h);
        assert!((by_centre[k] - slope).abs() < 1e-8);
        let slope = (at(centre, s + h, x[k]) - at(centre, s - h, x[k])) / (2.0 * h);
        assert!((by_sigma[k] - slope).abs() < 1e-8);
    }
    assert!((shape.peak(centre, s) * std::f64::consts::TAU.sqrt() * total - 1.0).abs() < 1e-12);
    assert!((shape.instrumental_fwhm(centre) - FWHM_OF_SIGMA * instrument).abs() < 1e-12);
}
