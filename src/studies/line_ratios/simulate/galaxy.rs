//! A spiral galaxy made of a rotating disc, HII regions and diffuse gas, seen by SITELLE or by MUSE, with its truth.

use ndarray::{Array2, Array3, Axis};
use rand::Rng;
use rayon::prelude::*;

use crate::numerics::random;
use crate::studies::line_ratios::axis::{Filter, FourierAxis};
use crate::studies::line_ratios::dust;
use crate::studies::line_ratios::lines::{LIGHT_SPEED_KM_S, Line};
use crate::studies::line_ratios::prior::{LINES, Nebula, draw_excitation};
use crate::studies::line_ratios::shape::{LineShape, Sampler};

/// The galaxy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Galaxy {
    /// Pixels a side.
    pub pixels: usize,
    /// Inclination of the disc (degrees, 0 is face on) and position angle of its receding side (degrees from the vertical, counter-clockwise).
    pub inclination_deg: f64,
    /// See above.
    pub position_angle_deg: f64,
    /// Speed of rotation far out (km/s).
    pub rotation_km_s: f64,
    /// Velocity of the whole (km/s).
    pub systemic_km_s: f64,
    /// Number of HII regions.
    pub regions: usize,
    /// Share of the Halpha light that is diffuse.
    pub diffuse: f64,
    /// Brightest peak over the noise.
    pub signal_to_noise: f64,
    /// Seed.
    pub seed: u64,
}

/// What looks at it.
#[derive(Clone, Debug)]
pub enum Instrument {
    /// A filter of SITELLE: the axis of an interferogram, cm-1.
    Sitelle(Filter, FourierAxis),
    /// Wavelengths in air (Angstrom): first, step, number; the line spread of MUSE.
    Muse([f64; 2], usize),
}

/// Standard deviation of the line spread function of MUSE (Angstrom) at a wavelength in Angstrom: its full width at half maximum is
/// `5.866e-8 x^2 - 9.187e-4 x + 6.040` (Bacon et al. 2017, A&A 608, A1, equation 8, of the udf-10 cube).
pub const MUSE_SIGMA: [f64; 3] = {
    const PER_FWHM: f64 = 1.0 / 2.354_820_045_030_949_3;
    [6.040 * PER_FWHM, -9.187e-4 * PER_FWHM, 5.866e-8 * PER_FWHM]
};

impl Instrument {
    /// Where its samples lie, and its line shape.
    fn sampler(&self) -> Sampler {
        match self {
            Self::Sitelle(_, axis) => Sampler::new(axis.wavenumbers(), LineShape::Sinc { width: axis.sinc_width() }),
            Self::Muse([first, step], count) => {
                let axis = (0..*count).map(|k| first + k as f64 * step).collect();
                Sampler::new(axis, LineShape::Gaussian { sigma: MUSE_SIGMA })
            }
        }
    }

    /// Lines that it sees at a velocity, with the rest place of each in units of its axis.
    fn lines(&self) -> Vec<(usize, f64)> {
        let seen = |index: &usize| {
            let line = Line::ALL[*index];
            match self {
                Self::Sitelle(filter, _) => {
                    let (low, high) = filter.band();
                    (low..high).contains(&line.air_wavenumber())
                }
                Self::Muse([first, step], count) => {
                    (*first..first + step * *count as f64).contains(&(10.0 * line.air_nm()))
                }
            }
        };
        let place = |index: usize| {
            let line = Line::ALL[index];
            let place = if matches!(self, Self::Sitelle(..)) { line.air_wavenumber() } else { 10.0 * line.air_nm() };
            (index, place)
        };
        (0..LINES).filter(seen).map(place).collect()
    }

    /// Where a place on the axis is seen at a velocity.
    fn shifted(&self, place: f64, velocity_km_s: f64) -> f64 {
        let stretch = 1.0 + velocity_km_s / LIGHT_SPEED_KM_S;
        if matches!(self, Self::Sitelle(..)) { place / stretch } else { place * stretch }
    }

    /// Density per Angstrom of a density per unit of the axis there: `1e-8 sigma^2` on a wavenumber axis.
    fn per_angstrom(&self, place: f64) -> f64 {
        if matches!(self, Self::Sitelle(..)) { 1e-8 * place * place } else { 1.0 }
    }

    /// Samples that see light.
    fn band(&self) -> std::ops::Range<usize> {
        match self {
            Self::Sitelle(filter, axis) => {
                let (low, high) = filter.band();
                let at = |cm1: f64| ((cm1 - axis.first()) / axis.spacing()).max(0.0);
                let range = at(low).ceil()..at(high).floor();
                range.start as usize..(range.end as usize).min(axis.steps)
            }
            Self::Muse(_, count) => 0..*count,
        }
    }
}

/// The truth behind a galaxy, `[y, x]`, and its cube.
#[derive(Clone, Debug)]
pub struct SimulatedGalaxy {
    /// `[spectral, y, x]`, 1e-17 erg/s/cm2/Angstrom.
    pub cube: Array3<f32>,
    /// Standard deviation of the noise, the same everywhere.
    pub noise: f32,
    /// km/s.
    pub velocity: Array2<f32>,
    /// km/s.
    pub broadening: Array2<f32>,
    /// Flux of every line that the instrument sees (1e-17 erg/s/cm2).
    pub fluxes: Vec<(Line, Array2<f32>)>,
}

/// The share of the diffuse light that surrounds the regions whose ionising photons leak; the rest is as smooth as the disc.
const LEAKED: f64 = 0.5;
/// How far those go, in scale lengths of the disc: their mean free path is 1.9 kpc (Belfiore et al. 2022, A&A 659, A26), discs
/// have scale lengths of 3 to 4 kpc; as the standard deviation along each axis.
const LEAKING: f64 = 0.35;

struct Region {
    /// On the sky (pixels).
    place: [f64; 2],
    /// In the plane of the disc, as [`Galaxy::in_disc`] counts.
    in_disc: [f64; 2],
    size: f64,
    flux: f64,
    nebula: Nebula,
}

/// One line of sight.
#[derive(Clone, Copy)]
struct Sight {
    fluxes: [f64; LINES],
    velocity: f64,
    broadening: f64,
    continuum: f64,
}

impl Galaxy {
    /// Draws it and looks at it. The same on any number of threads.
    pub fn simulate(&self, instrument: &Instrument) -> SimulatedGalaxy {
        let regions = self.draw_regions();
        let n = self.pixels;
        let diffuse = self.diffuse_nebula();
        let sight = |p: usize| self.sight(&regions, &diffuse, [(p % n) as f64, (p / n) as f64]);
        let sights: Vec<Sight> = (0..n * n).into_par_iter().map(sight).collect();
        let (sampler, lines, band) = (instrument.sampler(), instrument.lines(), instrument.band());
        let samples = sampler.axis().len();
        let spectrum = |sight: &Sight| {
            let mut sum = vec![0.0f32; samples];
            let mut own = vec![0.0f64; samples];
            for (index, rest) in &lines {
                let centre = instrument.shifted(*rest, sight.velocity);
                let factor = sight.fluxes[*index] * instrument.per_angstrom(centre);
                sampler.profile(centre, sight.broadening / LIGHT_SPEED_KM_S * centre, 0..samples, &mut own);
                sum.iter_mut().zip(&own).for_each(|(sum, own)| *sum += (factor * own) as f32);
            }
            // What lies outside the filter never reaches the detector.
            for (k, value) in sum.iter_mut().enumerate() {
                *value = if band.contains(&k) { *value + sight.continuum as f32 } else { 0.0 };
            }
            sum
        };
        let mut spectra: Vec<Vec<f32>> = sights.par_iter().map(spectrum).collect();
        let peaks = spectra
            .iter()
            .zip(&sights)
            .map(|(s, sight)| s.iter().copied().fold(0.0, f32::max) - sight.continuum as f32);
        let noise = peaks.fold(f32::MIN_POSITIVE, f32::max) / self.signal_to_noise as f32;
        spectra.par_iter_mut().enumerate().for_each(|(p, spectrum)| {
            let mut deviates = vec![0.0; samples];
            random::fill_normal(&mut random::stream(self.seed, "line_ratios.galaxy.noise", p as u64), &mut deviates);
            spectrum.iter_mut().zip(&deviates).for_each(|(v, g)| *v += noise * *g as f32);
        });
        let mut cube = Array3::zeros((samples, n, n));
        for (p, spectrum) in spectra.iter().enumerate() {
            let mut column = cube.index_axis_mut(Axis(2), p % n).index_axis_move(Axis(1), p / n);
            column.iter_mut().zip(spectrum).for_each(|(to, from)| *to = *from);
        }
        let map = |of: &dyn Fn(&Sight) -> f64| Array2::from_shape_fn((n, n), |(y, x)| of(&sights[y * n + x]) as f32);
        SimulatedGalaxy {
            cube,
            noise,
            velocity: map(&|s| s.velocity),
            broadening: map(&|s| s.broadening),
            fluxes: lines.iter().map(|(index, _)| (Line::ALL[*index], map(&|s| s.fluxes[*index]))).collect(),
        }
    }

    /// Radius that holds most of the disc (pixels).
    fn scale(&self) -> f64 {
        0.18 * self.pixels as f64
    }

    /// Place on the sky to place in the disc: along the receding axis, and across it, deprojected (pixels).
    fn in_disc(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let middle = 0.5 * (self.pixels as f64 - 1.0);
        let (sin, cos) = self.position_angle_deg.to_radians().sin_cos();
        let (dx, dy) = (x - middle, y - middle);
        // The angle counts from +y towards -x.
        let along = dy * cos - dx * sin;
        let across = dx * cos + dy * sin;
        [along, across / self.inclination_deg.to_radians().cos().max(0.05)]
    }

    fn velocity(&self, sky: [f64; 2]) -> f64 {
        let [along, across] = self.in_disc(sky);
        let radius = along.hypot(across).max(1e-9);
        let speed = self.rotation_km_s * (radius / (0.5 * self.scale())).tanh();
        self.systemic_km_s + speed * self.inclination_deg.to_radians().sin() * along / radius
    }

    fn draw_regions(&self) -> Vec<Region> {
        let one = |index: usize| {
            let mut stream = random::stream(self.seed, "line_ratios.galaxy.region", index as u64);
            let (radius, angle) = self.draw_place(&mut stream);
            let (sin, cos) = self.position_angle_deg.to_radians().sin_cos();
            let (along, across) =
                (radius * angle.cos(), radius * angle.sin() * self.inclination_deg.to_radians().cos());
            let middle = 0.5 * (self.pixels as f64 - 1.0);
            let place = [middle - along * sin + across * cos, middle + along * cos + across * sin];
            // A luminosity function of slope -1.7 over two decades (Kennicutt, Edgar & Hodge 1989), and sizes that grow with it.
            let share = random::uniform(&mut stream);
            let flux = (1.0 - share * (1.0 - 100f64.powf(-0.7))).powf(-1.0 / 0.7);
            let size = (0.008 * self.pixels as f64).max(0.7) * flux.powf(0.2);
            let nebula = self.nebula_at(radius, &mut stream);
            Region { place, in_disc: self.in_disc(place), size, flux, nebula }
        };
        (0..self.regions).map(one).collect()
    }

    /// Radius and angle in the disc, on two arms that wind once. As many regions on a surface as the exponential disc has light:
    /// radii are distributed as r exp(-r), to three scale lengths.
    fn draw_place(&self, stream: &mut impl Rng) -> (f64, f64) {
        let mut draw = || -((1.0 - random::uniform(stream)) * (1.0 - random::uniform(stream))).ln();
        let mut radius = draw();
        while radius > 3.0 {
            radius = draw();
        }
        let radius = self.scale() * radius;
        let arm = if random::uniform(stream) < 0.5 { 0.0 } else { std::f64::consts::PI };
        let wound = 2.5 * (1.0 + radius / self.scale()).ln();
        (radius, arm + 2.0 * wound + 0.35 * random::normal(stream))
    }

    /// Abundances fall outwards: of some draws of the prior, that whose [NII]/Halpha is the nearest to a gradient.
    fn nebula_at(&self, radius: f64, stream: &mut impl Rng) -> Nebula {
        const DRAWS: usize = 24;
        let wanted = -0.35 - 0.35 * radius / self.scale() + 0.05 * random::normal(stream);
        let off = |y: &[f64; 4]| (y[2] - wanted).abs();
        let draws: Vec<[f64; 4]> = (0..DRAWS).map(|_| draw_excitation(stream)).collect();
        let nearest = draws.into_iter().min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or_default();
        let depth = random::uniform_in(stream, 0.2, 1.5) * (-0.5 * radius / self.scale()).exp();
        let density = 10f64.powf(random::uniform_in(stream, 1.2, 2.6));
        Nebula::new(nearest, 2.79, depth, density)
    }

    /// Diffuse ionised gas: low excitation, strong [SII] and [NII], thin (Haffner et al. 2009, RvMP 81, 969).
    fn diffuse_nebula(&self) -> Nebula {
        Nebula::new([-0.2, -0.35, -0.3, 0.3], 2.79, dust::optical_depth(3.2, 2.79), 10.0)
    }

    fn sight(&self, regions: &[Region], diffuse: &Nebula, sky: [f64; 2]) -> Sight {
        let [along, across] = self.in_disc(sky);
        let disc = (-along.hypot(across) / self.scale()).exp();
        let mut fluxes = [0.0; LINES];
        let (mut halpha, mut widths) = (0.0, 0.0);
        let mut add = |nebula: &Nebula, flux: f64, broadening: f64| {
            fluxes.iter_mut().zip(nebula.fluxes).for_each(|(sum, f)| *sum += flux * f);
            halpha += flux;
            widths += flux * broadening;
        };
        for region in regions {
            let square = (sky[0] - region.place[0]).powi(2) + (sky[1] - region.place[1]).powi(2);
            let reach = 0.5 * square / (region.size * region.size);
            if reach < 18.0 {
                let area = std::f64::consts::TAU * region.size * region.size;
                add(&region.nebula, 100.0 * region.flux / area * (-reach).exp(), 14.0);
            }
        }
        // Surface of a disc of this scale length, and of a Gaussian of this width, as seen.
        let seen =
            |scale: f64| std::f64::consts::TAU * scale * scale * self.inclination_deg.to_radians().cos().max(0.05);
        let area = seen(self.scale());
        let of_regions = 100.0 * regions.iter().map(|r| r.flux).sum::<f64>();
        let share = self.diffuse / (1.0 - self.diffuse).max(0.05);
        let reach = LEAKING * self.scale();
        let leaked: f64 = regions
            .iter()
            .map(|region| {
                let square = (along - region.in_disc[0]).powi(2) + (across - region.in_disc[1]).powi(2);
                100.0 * region.flux * (-0.5 * square / (reach * reach)).exp()
            })
            .sum();
        let smooth = of_regions / area * disc;
        add(diffuse, share * (LEAKED * leaked / seen(reach) + (1.0 - LEAKED) * smooth), 35.0);
        let broadening = if halpha > 0.0 { widths / halpha } else { 35.0 };
        // An equivalent width of diffuse Halpha of a few Angstrom.
        let continuum = 0.3 * of_regions / area * disc / 3.0;
        Sight { fluxes, velocity: self.velocity(sky), broadening, continuum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn galaxy() -> Galaxy {
        Galaxy {
            pixels: 24,
            inclination_deg: 50.0,
            position_angle_deg: 30.0,
            rotation_km_s: 150.0,
            systemic_km_s: 80.0,
            regions: 30,
            diffuse: 0.4,
            signal_to_noise: 100.0,
            seed: 3,
        }
    }

    /// Lines integrate to the fluxes of the maps; velocities are those of a disc; the noise is what it is said to be.
    #[test]
    fn the_cube_holds_its_truth() {
        let axis = Filter::Sn3.axis(5000.0, 1.037);
        let made = galaxy().simulate(&Instrument::Sitelle(Filter::Sn3, axis));
        assert_eq!(made.cube.dim(), (axis.steps, 24, 24));
        assert_eq!(made.fluxes.len(), 5);
        let spread = |side: f32| made.velocity.iter().map(|v| side * (v - 80.0)).fold(0.0, f32::max);
        let limit = (150.0 * 50f64.to_radians().sin()) as f32;
        assert!((spread(1.0) / limit - 1.0).abs() < 0.15 && (spread(-1.0) / limit - 1.0).abs() < 0.15);
        // The noise beyond the filter.
        let outside: Vec<f64> = made.cube.slice(ndarray::s![0..40, .., ..]).iter().map(|v| f64::from(*v)).collect();
        let rms = (outside.iter().map(|v| v * v).sum::<f64>() / outside.len() as f64).sqrt();
        assert!((rms / f64::from(made.noise) - 1.0).abs() < 0.02, "{rms} {}", made.noise);
        // Halpha of all sights together: the sum over the band less the continuum beside it.
        let halpha = made.fluxes.iter().find(|f| f.0 == Line::Halpha).unwrap();
        let total: f64 = halpha.1.iter().map(|v| f64::from(*v)).sum();
        let sum = |low: f64, high: f64| {
            let own: Vec<usize> = (0..axis.steps).filter(|j| (low..high).contains(&axis.wavenumber(*j))).collect();
            let all: f64 = own
                .iter()
                .map(|j| {
                    let plane = made.cube.index_axis(Axis(0), *j);
                    plane.iter().map(|v| f64::from(*v)).sum::<f64>() / (1e-8 * axis.wavenumber(*j).powi(2))
                })
                .sum();
            (all * axis.spacing(), own.len() as f64)
        };
        let (line, count) = sum(15_210.0, 15_255.0);
        let (beside, others) = sum(15_330.0, 15_420.0);
        let found = line - beside / others * count;
        assert!((found / total - 1.0).abs() < 0.1, "{found} {total}");
        let again = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let alone = again.install(|| galaxy().simulate(&Instrument::Sitelle(Filter::Sn3, axis)));
        assert_eq!(alone.cube, made.cube);
    }

    #[test]
    fn muse_sees_a_redshift_to_the_red() {
        let muse = Instrument::Muse([6400.0, 1.25], 320);
        let still = Galaxy { rotation_km_s: 0.0, systemic_km_s: 600.0, ..galaxy() };
        let made = still.simulate(&muse);
        let mean = made.cube.mean_axis(Axis(2)).unwrap().mean_axis(Axis(1)).unwrap();
        let top = mean.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        let expected = 6562.819 * (1.0 + 600.0 / LIGHT_SPEED_KM_S);
        assert!((6400.0 + 1.25 * top as f64 - expected).abs() < 1.3);
        // 2.5 Angstrom at 6500: the published width of udf-10.
        let fwhm = 2.3548 * (MUSE_SIGMA[0] + 6500.0 * (MUSE_SIGMA[1] + 6500.0 * MUSE_SIGMA[2]));
        assert!((fwhm - 2.547).abs() < 0.01, "{fwhm}");
    }
}
