//! The physics inside the loop: image of a source in pixels behind a convergence in pixels, and the gradient of `-ln L`.
//!
//! `beta = theta - alpha(theta)`, the deflection by convolution ([`PixelDeflection`]), four rays a pixel (2 x 2), the source bilinear between
//! its pixel centres and zero outside, then the PSF. With `k = log10 kappa`: `g_I = PSF^T (r / sigma^2)`, `g_s` its scatter with the bilinear
//! weights, `g_alpha = -g_I grad s`, `g_k = kappa ln 10 C^T g_alpha` (specification of the network's authors, their code's two faults left out).

use std::sync::Arc;

use ndarray::Array2;

use super::prior;
use crate::numerics::convolution::{Convolver, Scratch};
use crate::studies::lens_models::{DeflectionScratch, PixelDeflection};

/// `log10 kappa` beyond these is taken at the limit: a network in training may say anything.
const LIMITS: [f64; 2] = [-8.0, 4.0];

/// The grids of the machine: `pixels x pixels` each, centred on one another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grids {
    /// Pixels a side of image, convergence and source.
    pub pixels: usize,
    /// Side of image and convergence (arcsec).
    pub field_arcsec: f64,
    /// Side of the source (arcsec).
    pub source_field_arcsec: f64,
}

impl Grids {
    /// The field of the published network, 7.68 arcsec, and of its source, 3 arcsec.
    pub fn of(pixels: usize) -> Self {
        Self { pixels, field_arcsec: prior::FIELD_ARCSEC, source_field_arcsec: prior::SOURCE_FIELD_ARCSEC }
    }

    /// Side of a pixel of the image (arcsec).
    pub fn step(&self) -> f64 {
        self.field_arcsec / self.pixels as f64
    }

    /// Side of a pixel of the source (arcsec).
    pub fn source_step(&self) -> f64 {
        self.source_field_arcsec / self.pixels as f64
    }

    /// Pixels of one map.
    pub fn cells(&self) -> usize {
        self.pixels * self.pixels
    }
}

/// What is known of an image on the grids.
#[derive(Clone)]
pub struct PixelData {
    /// Brightness, row by row.
    pub image: Vec<f64>,
    /// `1 / sigma`; 0 where a pixel is not used.
    pub weight: Vec<f64>,
    /// The PSF, `[y, x]`, sum 1.
    pub psf: Arc<Array2<f64>>,
    /// The same, ready.
    pub blur: Convolver,
    /// `chi2` a used pixel of a perfect model: 1, or less where one pixel of an image was cut into several, whose noise is shared.
    pub expected_chi2: f64,
}

impl PixelData {
    /// An image (row by row) with its noise per pixel (not finite: not used) and its PSF (`[y, x]`, sum 1).
    pub fn new(grids: &Grids, image: Vec<f64>, noise: &[f64], psf: &Array2<f64>) -> Self {
        let weight = noise.iter().map(|s| if s.is_finite() && *s > 0.0 { 1.0 / s } else { 0.0 }).collect();
        let blur = Convolver::new(psf, [grids.pixels; 2]);
        Self { image, weight, psf: Arc::new(psf.clone()), blur, expected_chi2: 1.0 }
    }

    /// A `chi2` over what a perfect model would have.
    pub fn reduced(&self, chi2: f64) -> f64 {
        chi2 / (self.used().max(1) as f64 * self.expected_chi2)
    }

    /// Pixels in which a model image, row by row, stands out of the noise: its arcs.
    pub fn arcs(&self, image: &[f64]) -> Vec<usize> {
        /// How far, in standard deviations.
        const STANDS_OUT: f64 = 3.0;
        (0..image.len()).filter(|p| self.weight[*p] * image[*p] > STANDS_OUT).collect()
    }

    /// `chi2` of a model image a pixel of these, over what a perfect model would have; NaN without pixels.
    pub fn reduced_in(&self, pixels: &[usize], image: &[f64]) -> f64 {
        let chi2: f64 = pixels.iter().map(|p| (self.weight[*p] * (image[*p] - self.image[*p])).powi(2)).sum();
        chi2 / (pixels.len() as f64 * self.expected_chi2)
    }

    /// Pixels in use.
    pub fn used(&self) -> usize {
        self.weight.iter().filter(|w| **w > 0.0).count()
    }
}

/// The forward model on the grids.
pub struct LensingModel {
    grids: Grids,
    deflector: PixelDeflection,
}

/// Memory for one evaluation; keep it between calls.
#[derive(Default)]
pub struct Workspace {
    convergence: Vec<f64>,
    deflection: [Vec<f64>; 2],
    plane: Vec<f64>,
    image: Vec<f64>,
    by_deflection: [Vec<f64>; 2],
    /// Of every ray: the source pixel, and where in it.
    rays: Vec<Ray>,
    blur: Scratch,
    fourier: DeflectionScratch,
}

#[derive(Clone, Copy, Default)]
struct Ray {
    /// Lower corner of the four source pixels, row and column; -1 and beyond lie outside.
    at: [i32; 2],
    fraction: [f64; 2],
}

/// Offsets of the two rays along an axis, in pixels.
const OFFSETS: [f64; 2] = [-0.25, 0.25];

impl LensingModel {
    /// For these grids.
    pub fn new(grids: Grids) -> Self {
        Self { grids, deflector: PixelDeflection::new([grids.pixels; 2], grids.step()) }
    }

    /// The grids.
    pub fn grids(&self) -> &Grids {
        &self.grids
    }

    /// Noiseless image of a source behind `log10` of a convergence, through the PSF; all row by row.
    pub fn image(&self, source: &[f64], log_convergence: &[f64], blur: &Convolver, space: &mut Workspace) -> Vec<f64> {
        self.trace(source, log_convergence, blur, space);
        space.image.clone()
    }

    /// Fills the image, the rays and the convergence of the workspace.
    fn trace(&self, source: &[f64], log_convergence: &[f64], blur: &Convolver, space: &mut Workspace) {
        let cells = self.grids.cells();
        space.convergence.clear();
        space
            .convergence
            .extend(log_convergence.iter().map(|k| (k.clamp(LIMITS[0], LIMITS[1]) * std::f64::consts::LN_10).exp()));
        let [ax, ay] = &mut space.deflection;
        ax.resize(cells, 0.0);
        ay.resize(cells, 0.0);
        self.deflector.apply(&space.convergence, [ax, ay], &mut space.fourier);
        self.shoot(space);
        space.plane.clear();
        space.plane.extend(
            space.rays.chunks_exact(4).map(|rays| 0.25 * rays.iter().map(|r| self.brightness(source, r)).sum::<f64>()),
        );
        space.image.resize(cells, 0.0);
        blur.apply(&space.plane, &mut space.image, &mut space.blur);
    }

    /// Where the four rays of every pixel meet the source plane.
    fn shoot(&self, space: &mut Workspace) {
        let n = self.grids.pixels;
        let (step, per) = (self.grids.step(), 1.0 / self.grids.source_step());
        let middle = 0.5 * (n as f64 - 1.0);
        let [ax, ay] = &space.deflection;
        space.rays.clear();
        for j in 0..n {
            for i in 0..n {
                for dy in OFFSETS {
                    for dx in OFFSETS {
                        let corners = corners(n, [j, i], [dy, dx]);
                        let at = |map: &[f64]| corners.iter().map(|(p, w)| w * map[*p]).sum::<f64>();
                        let u = ((i as f64 + dx - middle) * step - at(ax)) * per + middle;
                        let v = ((j as f64 + dy - middle) * step - at(ay)) * per + middle;
                        space.rays.push(ray(n, [v, u]));
                    }
                }
            }
        }
    }

    /// The source's brightness on a ray.
    fn brightness(&self, source: &[f64], ray: &Ray) -> f64 {
        let [s00, s01, s10, s11] = self.neighbours(source, ray);
        let [fv, fu] = ray.fraction;
        (1.0 - fv) * ((1.0 - fu) * s00 + fu * s01) + fv * ((1.0 - fu) * s10 + fu * s11)
    }

    /// The four source pixels around a ray; zero outside.
    fn neighbours(&self, source: &[f64], ray: &Ray) -> [f64; 4] {
        let n = self.grids.pixels as i32;
        let value = |j: i32, i: i32| {
            if (0..n).contains(&j) && (0..n).contains(&i) { source[(j * n + i) as usize] } else { 0.0 }
        };
        let [j, i] = ray.at;
        [value(j, i), value(j, i + 1), value(j + 1, i), value(j + 1, i + 1)]
    }

    /// `chi2 = sum (model - image)^2 / sigma^2`, and the gradient of `-ln L = chi2 / 2` by the source and by `log10` of the convergence.
    pub fn gradient(
        &self,
        data: &PixelData,
        source: &[f64],
        log_convergence: &[f64],
        [by_source, by_convergence]: [&mut [f64]; 2],
        space: &mut Workspace,
    ) -> f64 {
        self.trace(source, log_convergence, &data.blur, space);
        let mut chi2 = 0.0;
        for ((model, image), weight) in space.image.iter_mut().zip(&data.image).zip(&data.weight) {
            let residual = if *weight > 0.0 { (*model - image) * weight } else { 0.0 };
            chi2 += residual * residual;
            *model = residual * weight;
        }
        data.blur.apply_adjoint(&space.image, &mut space.plane, &mut space.blur);
        by_source.fill(0.0);
        self.scatter(source, by_source, space);
        let [gx, gy] = &space.by_deflection;
        self.deflector.apply_adjoint([gx, gy], by_convergence, &mut space.fourier);
        for ((g, kappa), k) in by_convergence.iter_mut().zip(&space.convergence).zip(log_convergence) {
            let inside = (LIMITS[0]..=LIMITS[1]).contains(k);
            *g *= if inside { kappa * std::f64::consts::LN_10 } else { 0.0 };
        }
        chi2
    }

    /// From derivatives by the unblurred image (`plane`) to those by the source and by the deflection.
    fn scatter(&self, source: &[f64], by_source: &mut [f64], space: &mut Workspace) {
        let n = self.grids.pixels;
        let per = 1.0 / self.grids.source_step();
        let limit = n as i32;
        for map in &mut space.by_deflection {
            map.clear();
            map.resize(n * n, 0.0);
        }
        let [gx, gy] = &mut space.by_deflection;
        for (place, (rays, g)) in space.rays.chunks_exact(4).zip(&space.plane).enumerate() {
            if *g == 0.0 {
                continue;
            }
            let g = 0.25 * g;
            for (index, ray) in rays.iter().enumerate() {
                let [fv, fu] = ray.fraction;
                let [s00, s01, s10, s11] = self.neighbours(source, ray);
                let weights = [(1.0 - fv) * (1.0 - fu), (1.0 - fv) * fu, fv * (1.0 - fu), fv * fu];
                for (k, weight) in weights.into_iter().enumerate() {
                    let (j, i) = (ray.at[0] + k as i32 / 2, ray.at[1] + k as i32 % 2);
                    if (0..limit).contains(&j) && (0..limit).contains(&i) {
                        by_source[(j * limit + i) as usize] += g * weight;
                    }
                }
                let along_x = -g * per * ((1.0 - fv) * (s01 - s00) + fv * (s11 - s10));
                let along_y = -g * per * ((1.0 - fu) * (s10 - s00) + fu * (s11 - s01));
                let offsets = [OFFSETS[index / 2], OFFSETS[index % 2]];
                for (p, w) in corners(n, [place / n, place % n], offsets) {
                    gx[p] += w * along_x;
                    gy[p] += w * along_y;
                }
            }
        }
    }
}

/// Bilinear weights of the four pixel centres around a point of pixel `[j, i]`; linear beyond the outermost centres.
fn corners(n: usize, [j, i]: [usize; 2], [dy, dx]: [f64; 2]) -> [(usize, f64); 4] {
    // The other centre, and its weight: beyond the edge the one within, counted against.
    let beside = |at: usize, d: f64| match (at, d < 0.0) {
        (0, true) => (1, d),
        (at, true) => (at - 1, -d),
        (at, false) if at + 1 == n => (at - 1, -d),
        (at, false) => (at + 1, d),
    };
    let ((j2, wy), (i2, wx)) = (beside(j, dy), beside(i, dx));
    [
        (j * n + i, (1.0 - wy) * (1.0 - wx)),
        (j * n + i2, (1.0 - wy) * wx),
        (j2 * n + i, wy * (1.0 - wx)),
        (j2 * n + i2, wy * wx),
    ]
}

/// A ray at row `v` and column `u` of the source's pixel centres; what lies far outside is kept just outside.
fn ray(n: usize, position: [f64; 2]) -> Ray {
    let far = n as f64 + 1.0;
    let mut out = Ray::default();
    for (k, p) in position.into_iter().enumerate() {
        // NaN goes outside too.
        let p = if p > -2.0 && p < far { p } else { -2.0 };
        let low = p.floor();
        out.at[k] = low as i32;
        out.fraction[k] = p - low;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;
    use crate::studies::lens_reconstruction::simulate::gaussian_psf;

    /// A smooth lens and source with structure, so that every term matters.
    fn case(n: usize) -> (LensingModel, PixelData, Vec<f64>, Vec<f64>) {
        let grids = Grids::of(n);
        let model = LensingModel::new(grids);
        let middle = 0.5 * (n as f64 - 1.0);
        let mut stream = random::stream(5, "test", 0);
        let position = |p: usize| [(p % n) as f64 - middle, (p / n) as f64 - middle];
        let log_convergence: Vec<f64> = (0..n * n)
            .map(|p| {
                let [x, y] = position(p).map(|v| v * grids.step());
                (0.7 / (x * x + 1.4 * y * y + 0.05).sqrt()).log10() + 0.02 * random::normal(&mut stream)
            })
            .collect();
        let source: Vec<f64> = (0..n * n)
            .map(|p| {
                let [x, y] = position(p).map(|v| v * grids.source_step());
                (-((x - 0.1).powi(2) + (y + 0.05).powi(2)) / 0.1).exp() + 0.02 * random::uniform(&mut stream)
            })
            .collect();
        let psf = gaussian_psf(0.25, grids.step()).unwrap();
        let blur = Convolver::new(&psf, [n; 2]);
        let truth = model.image(&source, &log_convergence, &blur, &mut Workspace::default());
        let image = truth.iter().map(|v| v + 0.1 * random::normal(&mut stream)).collect();
        let mut noise = vec![0.05; n * n];
        noise[n + 3] = f64::NAN;
        (model, PixelData::new(&grids, image, &noise, &psf), source, log_convergence)
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let n = 24;
        let (model, data, source, log_convergence) = case(n);
        assert_eq!(data.used(), n * n - 1);
        let mut space = Workspace::default();
        let (mut by_source, mut by_convergence) = (vec![0.0; n * n], vec![0.0; n * n]);
        model.gradient(&data, &source, &log_convergence, [&mut by_source, &mut by_convergence], &mut space);
        let mut chi2 = |source: &[f64], k: &[f64]| {
            let mut waste = [vec![0.0; n * n], vec![0.0; n * n]];
            let [a, b] = &mut waste;
            model.gradient(&data, source, k, [a, b], &mut space)
        };
        let scale = |g: &[f64]| g.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let (scale_s, scale_k) = (scale(&by_source), scale(&by_convergence));
        assert!(scale_s > 1.0 && scale_k > 1.0);
        let mut stream = random::stream(9, "test", 1);
        let mut kinks = 0;
        for _ in 0..200 {
            let p = (random::uniform(&mut stream) * (n * n) as f64) as usize;
            let h = 1e-5;
            let shifted = |values: &[f64], d: f64| {
                let mut out = values.to_vec();
                out[p] += d;
                out
            };
            let numeric = (chi2(&shifted(&source, h), &log_convergence)
                - chi2(&shifted(&source, -h), &log_convergence))
                / (4.0 * h);
            assert!((numeric - by_source[p]).abs() < 1e-6 * scale_s, "{numeric} {}", by_source[p]);
            // A ray that crosses a pixel of the source between the two points meets a kink: rare, and told by the one-sided slopes.
            let here = chi2(&source, &log_convergence);
            let (up, down) =
                (chi2(&source, &shifted(&log_convergence, h)), chi2(&source, &shifted(&log_convergence, -h)));
            let numeric = (up - down) / (4.0 * h);
            if (numeric - by_convergence[p]).abs() > 1e-5 * scale_k {
                kinks += 1;
                assert!((up - 2.0 * here + down).abs() / (4.0 * h) > 1e-6 * scale_k, "{numeric} {}", by_convergence[p]);
            }
        }
        assert!(kinks < 40, "{kinks}");
    }

    /// Without deflection the image is the source, seen on the larger field.
    #[test]
    fn arcs_stand_out_of_the_noise_where_pixels_are_used() {
        let grids = Grids::of(2);
        let psf = gaussian_psf(0.3, grids.step()).unwrap();
        let noise = [0.5, 0.5, 0.5, f64::NAN];
        let data = PixelData { expected_chi2: 0.5, ..PixelData::new(&grids, vec![2.0, 0.0, 3.0, 9.0], &noise, &psf) };
        let model = [1.6, 1.4, 2.0, 9.0];
        let arcs = data.arcs(&model);
        assert_eq!(arcs, [0, 2]);
        // 0.8 and 2 standard deviations, over half of what two pixels would have.
        assert!((data.reduced_in(&arcs, &model) - 4.64).abs() < 1e-12);
        assert!(data.reduced_in(&[], &model).is_nan());
    }

    #[test]
    fn light_without_mass_is_not_bent() {
        let n = 32;
        let grids = Grids::of(n);
        let model = LensingModel::new(grids);
        let middle = 0.5 * (n as f64 - 1.0);
        let bright = |x: f64, y: f64| (-(x * x + y * y) / 0.5).exp();
        let source: Vec<f64> = (0..n * n)
            .map(|p| {
                bright(((p % n) as f64 - middle) * grids.source_step(), ((p / n) as f64 - middle) * grids.source_step())
            })
            .collect();
        let blur = Convolver::new(&gaussian_psf(0.0, grids.step()).unwrap(), [n; 2]);
        let image = model.image(&source, &vec![-8.0; n * n], &blur, &mut Workspace::default());
        for (p, found) in image.iter().enumerate() {
            let [x, y] = [(p % n) as f64 - middle, (p / n) as f64 - middle].map(|v| v * grids.step());
            let expected = if x.abs().max(y.abs()) < 1.2 { bright(x, y) } else { continue };
            assert!((found - expected).abs() < 0.05, "{found} {expected}");
        }
    }
}
