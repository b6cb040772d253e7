//! Profiles through an image: values along a line, and the azimuthal mean around a point.

use ndarray::ArrayView2;

/// The value between pixel centres, bilinear. `pixel` is `[x, y]`, 0-based, the centre of the first pixel at `[0, 0]`.
///
/// Within half a pixel beyond the outermost centres the edge pixel counts; further out, and where the nearest pixel is
/// not finite, the value is NaN. Other neighbours that are not finite are left out and the weights shared by the rest.
#[must_use]
pub fn bilinear(image: &ArrayView2<'_, f32>, pixel: [f64; 2]) -> f64 {
    let Some(corners) = bilinear_weights(image, pixel) else { return f64::NAN };
    let (mut sum, mut weights) = (0.0, 0.0);
    for (place, weight) in corners.into_iter().filter(|(_, weight)| *weight > 0.0) {
        sum += f64::from(image[place]) * weight;
        weights += weight;
    }
    sum / weights
}

/// The pixels `[y, x]` of which [`bilinear`] is the mean, with their weights, 0 for what is not finite; not yet divided by their
/// sum. `None` where it is NaN.
#[must_use]
pub fn bilinear_weights(image: &ArrayView2<'_, f32>, pixel: [f64; 2]) -> Option<[([usize; 2], f64); 4]> {
    let (height, width) = image.dim();
    let inside = |v: f64, n: usize| v >= -0.5 && v <= n as f64 - 0.5;
    if image.is_empty() || !inside(pixel[0], width) || !inside(pixel[1], height) {
        return None;
    }
    let split = |v: f64, n: usize| {
        let v = v.clamp(0.0, n as f64 - 1.0);
        let low = (v as usize).min(n.saturating_sub(2));
        (low, (low + 1).min(n - 1), v - low as f64)
    };
    let (x0, x1, u) = split(pixel[0], width);
    let (y0, y1, v) = split(pixel[1], height);
    if !image[[if v < 0.5 { y0 } else { y1 }, if u < 0.5 { x0 } else { x1 }]].is_finite() {
        return None;
    }
    let corner = |place: [usize; 2], weight: f64| (place, if image[place].is_finite() { weight } else { 0.0 });
    Some([
        corner([y0, x0], (1.0 - u) * (1.0 - v)),
        corner([y0, x1], u * (1.0 - v)),
        corner([y1, x0], (1.0 - u) * v),
        corner([y1, x1], u * v),
    ])
}

/// One place of a line profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LineSample {
    /// Distance from the first end, pixels.
    pub distance: f64,
    /// Pixel coordinate `[x, y]`, 0-based.
    pub pixel: [f64; 2],
    /// Value there; NaN where there is none.
    pub value: f64,
}

/// The values along a straight line, at equal steps of at most half a pixel, both ends included; at most 20001 places.
/// Empty when an end is not finite.
#[must_use]
pub fn line_profile(image: &ArrayView2<'_, f32>, ends: [[f64; 2]; 2]) -> Vec<LineSample> {
    let [from, to] = ends;
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let length = dx.hypot(dy);
    if !length.is_finite() {
        return Vec::new();
    }
    let steps = (2.0 * length).ceil().clamp(1.0, 20_000.0);
    (0..=steps as usize)
        .map(|i| {
            let t = i as f64 / steps;
            let pixel = [from[0] + t * dx, from[1] + t * dy];
            LineSample { distance: t * length, pixel, value: bilinear(image, pixel) }
        })
        .collect()
}

/// One ring of a radial profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ring {
    /// Mean distance of its pixels from the centre, pixels.
    pub radius: f64,
    /// Mean of its finite pixels.
    pub mean: f64,
    /// Standard deviation of them (n - 1); NaN for a single pixel.
    pub scatter: f64,
    /// How many there are.
    pub count: usize,
}

/// A radial profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RadialProfile {
    /// The centre `[x, y]`, 0-based.
    pub center: [f64; 2],
    /// Rings one pixel wide, from the centre out; those without a finite pixel are left out.
    pub rings: Vec<Ring>,
    /// A Gaussian with a constant below it, where one describes the pixels.
    pub star: Option<Gaussian>,
}

/// A round Gaussian on a constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gaussian {
    /// Height above the constant.
    pub amplitude: f64,
    /// Standard deviation, pixels.
    pub sigma: f64,
    /// The constant.
    pub background: f64,
    /// Share of the variance of the pixels that it explains, 0 to 1.
    pub explained: f64,
}

impl Gaussian {
    /// Full width at half maximum, pixels.
    #[must_use]
    pub fn fwhm(&self) -> f64 {
        self.sigma * (8.0 * std::f64::consts::LN_2).sqrt()
    }

    /// The value at a radius in pixels.
    #[must_use]
    pub fn at(&self, radius: f64) -> f64 {
        self.background + self.amplitude * (-0.5 * (radius / self.sigma).powi(2)).exp()
    }
}

/// Azimuthal mean and scatter in rings of one pixel up to `radius` pixels around a centre, and a Gaussian fitted to the
/// pixels. The Gaussian is kept when it explains at least half of their variance, is wider than one pixel (full width at
/// half maximum) and narrower than the field: then it may be a star.
#[must_use]
pub fn radial_profile(image: &ArrayView2<'_, f32>, center: [f64; 2], radius: f64) -> RadialProfile {
    let around = pixels_around(image, center, radius);
    let pixels: Vec<(f64, f64)> = around.into_iter().map(|(dx, dy, value)| (dx.hypot(dy), value)).collect();
    let mut bins: Vec<Vec<(f64, f64)>> = vec![Vec::new(); radius.clamp(0.0, 1e4) as usize + 1];
    for (r, value) in &pixels {
        if let Some(bin) = bins.get_mut((r + 0.5) as usize) {
            bin.push((*r, *value));
        }
    }
    let rings = bins.iter().filter(|bin| !bin.is_empty()).map(|bin| ring(bin)).collect();
    RadialProfile { center, rings, star: fit_gaussian(&pixels, radius) }
}

fn ring(pixels: &[(f64, f64)]) -> Ring {
    let n = pixels.len() as f64;
    let radius = pixels.iter().map(|p| p.0).sum::<f64>() / n;
    let mean = pixels.iter().map(|p| p.1).sum::<f64>() / n;
    let squares = pixels.iter().map(|p| (p.1 - mean).powi(2)).sum::<f64>();
    let scatter = if pixels.len() > 1 { (squares / (n - 1.0)).sqrt() } else { f64::NAN };
    Ring { radius, mean, scatter, count: pixels.len() }
}

/// Offset from the centre in x and y, and value, of the finite pixels whose centres lie within `radius`.
fn pixels_around(image: &ArrayView2<'_, f32>, center: [f64; 2], radius: f64) -> Vec<(f64, f64, f64)> {
    let (height, width) = image.dim();
    let range = |c: f64, n: usize| {
        let from = (c - radius).ceil().max(0.0) as usize;
        let to = ((c + radius).floor() + 1.0).clamp(0.0, n as f64) as usize;
        from.min(to)..to
    };
    let mut out = Vec::new();
    if !center.iter().all(|v| v.is_finite()) || !radius.is_finite() {
        return out;
    }
    for y in range(center[1], height) {
        for x in range(center[0], width) {
            let (dx, dy) = (x as f64 - center[0], y as f64 - center[1]);
            let value = f64::from(image[[y, x]]);
            if dx.hypot(dy) <= radius && value.is_finite() {
                out.push((dx, dy, value));
            }
        }
    }
    out
}

/// The centre of light near a place, within `radius` pixels: the centroid of what lies above the median under a Gaussian
/// window of a quarter of that radius, moved until it rests (the windowed position of SExtractor's manual, section 10.1;
/// the window keeps neighbours out). The place itself where there is nothing bright, or where the centre runs away.
#[must_use]
pub fn centroid(image: &ArrayView2<'_, f32>, start: [f64; 2], radius: f64) -> [f64; 2] {
    let mut center = start;
    let two_variances = 2.0 * (0.25 * radius).powi(2);
    for _ in 0..60 {
        let mut values: Vec<f64> = pixels_around(image, center, radius).into_iter().map(|p| p.2).collect();
        let Some(background) = super::statistics::median(&mut values) else { return start };
        let (mut sum, mut shift) = (0.0, [0.0; 2]);
        for (dx, dy, value) in pixels_around(image, center, radius) {
            let light = (value - background).max(0.0) * (-(dx * dx + dy * dy) / two_variances).exp();
            sum += light;
            shift = [shift[0] + light * dx, shift[1] + light * dy];
        }
        if sum <= 0.0 || !sum.is_finite() {
            return start;
        }
        // Twice, because the window pulls the mean half way back when star and window are about as wide.
        let step = shift.map(|v| 2.0 * v / sum);
        center = [center[0] + step[0], center[1] + step[1]];
        if (center[0] - start[0]).hypot(center[1] - start[1]) > radius {
            return start;
        }
        if step[0].hypot(step[1]) < 1e-4 {
            break;
        }
    }
    center
}

/// Least squares for amplitude and background at each width; the width by golden section.
fn fit_gaussian(pixels: &[(f64, f64)], radius: f64) -> Option<Gaussian> {
    let n = pixels.len() as f64;
    if pixels.len() < 12 || radius < 2.0 {
        return None;
    }
    let mean = pixels.iter().map(|p| p.1).sum::<f64>() / n;
    let variance = pixels.iter().map(|p| (p.1 - mean).powi(2)).sum::<f64>();
    if !(variance > 0.0 && variance.is_finite()) {
        return None;
    }
    let fit = |ln_sigma: f64| {
        let sigma = ln_sigma.exp();
        let (mut g1, mut g2, mut gy) = (0.0, 0.0, 0.0);
        for (r, value) in pixels {
            let g = (-0.5 * (r / sigma).powi(2)).exp();
            g1 += g;
            g2 += g * g;
            gy += g * (value - mean);
        }
        let spread = g2 - g1 * g1 / n;
        let amplitude = if spread > 1e-9 { gy / spread } else { 0.0 };
        let explained = amplitude * gy / variance;
        Gaussian { amplitude, sigma, background: mean - amplitude * g1 / n, explained }
    };
    let (mut low, mut high) = (0.3f64.ln(), radius.ln());
    let ratio = 0.618_033_988_749_895;
    let mut inner = [high - ratio * (high - low), low + ratio * (high - low)].map(|x| (x, fit(x)));
    for _ in 0..40 {
        let [a, b] = inner;
        if a.1.explained > b.1.explained {
            high = b.0;
            let x = high - ratio * (high - low);
            inner = [(x, fit(x)), a];
        } else {
            low = a.0;
            let x = low + ratio * (high - low);
            inner = [b, (x, fit(x))];
        }
    }
    let best = fit(0.5 * (low + high));
    let width = best.fwhm();
    (best.explained >= 0.5 && best.amplitude > 0.0 && width > 1.0 && width < radius).then_some(best)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    fn plane() -> Array2<f32> {
        Array2::from_shape_fn((30, 40), |(y, x)| (2.0 * x as f64 - 3.0 * y as f64 + 5.0) as f32)
    }

    #[test]
    fn a_plane_is_sampled_exactly() {
        let image = plane();
        for pixel in [[0.0, 0.0], [3.25, 7.75], [38.9, 28.1], [39.0, 29.0]] {
            let expected = 2.0 * pixel[0] - 3.0 * pixel[1] + 5.0;
            assert!((bilinear(&image.view(), pixel) - expected).abs() < 1e-5, "{pixel:?}");
        }
        assert_eq!(bilinear(&image.view(), [-0.4, 0.0]), 5.0);
        assert!(bilinear(&image.view(), [-0.6, 0.0]).is_nan());
        assert!(bilinear(&image.view(), [0.0, f64::NAN]).is_nan());
        let profile = line_profile(&image.view(), [[2.0, 3.0], [32.0, 23.0]]);
        let length = 30f64.hypot(20.0);
        assert_eq!(profile.len(), (2.0 * length).ceil() as usize + 1);
        assert!((profile.last().unwrap().distance - length).abs() < 1e-12);
        for sample in profile {
            // Along the line the plane is linear in the distance: 30 * 2 - 20 * 3 = 0.
            assert!((sample.value).abs() < 1e-4, "{sample:?}");
        }
    }

    #[test]
    fn missing_pixels_are_left_out_and_their_places_are_missing() {
        let mut image = plane();
        image[[5, 6]] = f32::NAN;
        assert!(bilinear(&image.view(), [6.0, 5.0]).is_nan());
        assert!(bilinear(&image.view(), [6.4, 5.4]).is_nan());
        let beside = bilinear(&image.view(), [7.0, 5.2]);
        assert!((beside - (14.0 - 15.6 + 5.0)).abs() < 1e-5, "{beside}");
        assert!(bilinear(&image.view(), [6.6, 5.0]).is_finite());
        let line = line_profile(&image.view(), [[0.0, 5.0], [12.0, 5.0]]);
        assert_eq!(line.iter().filter(|s| s.value.is_nan()).count(), 2);
        let one = Array2::from_elem((1, 1), 4.0f32);
        assert_eq!(bilinear(&one.view(), [0.2, -0.3]), 4.0);
        assert!(bilinear(&Array2::<f32>::zeros((0, 3)).view(), [0.0, 0.0]).is_nan());
    }

    fn star(center: [f64; 2], sigma: f64) -> Array2<f32> {
        Array2::from_shape_fn((61, 71), |(y, x)| {
            let r2 = (x as f64 - center[0]).powi(2) + (y as f64 - center[1]).powi(2);
            (100.0 + 1000.0 * (-0.5 * r2 / (sigma * sigma)).exp()) as f32
        })
    }

    #[test]
    fn a_gaussian_star_gives_its_width_and_centre() {
        for (center, sigma) in [([35.0, 30.0], 1.7), ([33.3, 28.6], 2.9), ([36.5, 31.5], 4.0)] {
            let image = star(center, sigma);
            let found = centroid(&image.view(), [center[0] + 1.7, center[1] - 1.2], 12.0);
            assert!((found[0] - center[0]).hypot(found[1] - center[1]) < 0.02, "{found:?} {center:?}");
            let profile = radial_profile(&image.view(), center, 18.0);
            let fit = profile.star.unwrap();
            assert!((fit.fwhm() / (2.354_820_045 * sigma) - 1.0).abs() < 1e-3, "{fit:?}");
            assert!((fit.amplitude - 1000.0).abs() < 1.0 && (fit.background - 100.0).abs() < 0.5, "{fit:?}");
            assert!(fit.explained > 0.999);
            for ring in &profile.rings {
                // Within a ring the value changes with radius: the mean is near the value at the mean radius.
                assert!((ring.mean - fit.at(ring.radius)).abs() < 40.0, "{ring:?}");
            }
            assert!((profile.rings.last().unwrap().mean - 100.0).abs() < 0.5);
        }
    }

    #[test]
    fn a_neighbour_does_not_pull_the_centre_away() {
        let image = star([35.0, 30.0], 1.7) + star([43.0, 30.0], 1.7);
        let found = centroid(&image.view(), [34.2, 30.5], 8.0);
        assert!((found[0] - 35.0).hypot(found[1] - 30.0) < 0.1, "{found:?}");
    }

    #[test]
    fn rings_of_a_ramp_have_its_value_and_its_scatter() {
        let image = Array2::from_shape_fn((101, 101), |(_, x)| x as f32);
        let profile = radial_profile(&image.view(), [50.0, 50.0], 30.0);
        assert_eq!(profile.rings[0].count, 1);
        assert!(profile.rings[0].scatter.is_nan());
        for ring in profile.rings.iter().skip(5) {
            assert!((ring.mean - 50.0).abs() < 1e-9, "{ring:?}");
            // x = r cos(phi): the scatter of a ring is r / sqrt 2.
            assert!((ring.scatter / (ring.radius / 2f64.sqrt()) - 1.0).abs() < 0.03, "{ring:?}");
        }
        assert!(profile.star.is_none());
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        let flat = Array2::from_elem((20, 20), 3.0f32);
        let profile = radial_profile(&flat.view(), [10.0, 10.0], 8.0);
        assert!(
            profile.star.is_none()
                && profile.rings.iter().all(|r| r.mean == 3.0 && (r.scatter.is_nan() || r.scatter == 0.0))
        );
        let missing = Array2::from_elem((20, 20), f32::NAN);
        assert!(radial_profile(&missing.view(), [10.0, 10.0], 8.0).rings.is_empty());
        assert_eq!(centroid(&missing.view(), [3.0, 4.0], 5.0), [3.0, 4.0]);
        assert!(radial_profile(&flat.view(), [f64::NAN, 0.0], 8.0).rings.is_empty());
        assert!(radial_profile(&flat.view(), [900.0, -50.0], 8.0).rings.is_empty());
    }
}
