//! A whole lens: a galaxy of power-law mass, external shear, and any further masses.

use serde::{Deserialize, Serialize};

use super::elliptical::Elliptical;
use super::mass::{Mass, MassKind, PreparedMass};
use super::{
    Deflector, ISOTHERMAL_PARAMETERS, IsothermalLens, PowerLaw, PreparedSie, SIE_PARAMETERS, Shear, Sie, Window,
    axis_ratio_and_angle, critical_curves, ellipticity, lens_curves,
};

/// Mass model of a lens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LensModel {
    /// The galaxy. Of slope 2 it is the singular isothermal ellipsoid, evaluated by its closed forms.
    pub galaxy: PowerLaw,
    /// What surrounds it.
    pub shear: Shear,
    /// Satellites, haloes, multipoles of the galaxy (which share its centre); at most [`MOST_FURTHER`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Mass>,
}

/// Parameters of galaxy and shear: `[einstein_radius, e1, e2, x, y, gamma1, gamma2, slope]`.
pub const GALAXY_PARAMETERS: usize = ISOTHERMAL_PARAMETERS + 1;
/// Place of the slope among them.
pub const SLOPE: usize = ISOTHERMAL_PARAMETERS;
/// The slope of an isothermal mass.
pub const ISOTHERMAL_SLOPE: f64 = 2.0;
/// Most masses besides the galaxy.
pub const MOST_FURTHER: usize = 16;

/// Most parameters of a lens: a pseudo-Jaffe ellipsoid, which has seven, in every place.
pub const MOST_PARAMETERS: usize = GALAXY_PARAMETERS + 7 * MOST_FURTHER;

/// Which parameters a lens has, and in which order: those of galaxy and shear, then those of each further mass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LensLayout {
    /// Whether a fit moves the slope of the galaxy.
    pub free_slope: bool,
    further: [Option<MassKind>; MOST_FURTHER],
}

impl LensLayout {
    /// With these masses besides the galaxy; those beyond [`MOST_FURTHER`] are left out.
    #[must_use]
    pub fn with_further(mut self, kinds: impl IntoIterator<Item = MassKind>) -> Self {
        self.further = [None; MOST_FURTHER];
        for (place, kind) in self.further.iter_mut().zip(kinds) {
            *place = Some(kind);
        }
        self
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        GALAXY_PARAMETERS + self.kinds().map(MassKind::parameters).sum::<usize>()
    }

    /// Never: there is always a galaxy.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The further masses.
    pub fn kinds(&self) -> impl Iterator<Item = MassKind> + '_ {
        self.further.iter().flatten().copied()
    }

    /// The further masses with the place of their first parameter.
    pub fn places(&self) -> impl Iterator<Item = (MassKind, usize)> + '_ {
        self.kinds().scan(GALAXY_PARAMETERS, |next, kind| {
            let first = *next;
            *next += kind.parameters();
            Some((kind, first))
        })
    }

    /// False for a parameter that fits hold where it starts: the slope unless it is free, and what [`MassKind::moves`] says.
    pub fn moves(&self, place: usize) -> bool {
        if place < GALAXY_PARAMETERS {
            return place != SLOPE || self.free_slope;
        }
        self.places()
            .all(|(kind, first)| !(first..first + kind.parameters()).contains(&place) || kind.moves(place - first))
    }

    /// Names of the parameters, with units: `lens.e1`, `multipole3.a_arcsec`, and `satellite_1_x_arcsec` for masses of their own, counted from 1.
    pub fn names(&self) -> Vec<String> {
        let galaxy = ["einstein_radius_arcsec", "e1", "e2", "x_arcsec", "y_arcsec", "gamma1", "gamma2", "slope"];
        let mut names: Vec<String> = galaxy.iter().map(|n| format!("lens.{n}")).collect();
        let mut satellites = 0;
        for kind in self.kinds() {
            let prefix = match kind {
                MassKind::Multipole(order) => format!("multipole{order}."),
                _ => {
                    satellites += 1;
                    format!("satellite_{satellites}_")
                }
            };
            names.extend(kind.names().iter().map(|n| format!("{prefix}{n}")));
        }
        names
    }
}

impl LensModel {
    /// A singular isothermal ellipsoid with shear.
    pub fn isothermal(sie: Sie, shear: Shear) -> Self {
        let Sie { einstein_radius_arcsec, axis_ratio, position_angle_deg, x_arcsec, y_arcsec } = sie;
        let slope = ISOTHERMAL_SLOPE;
        let galaxy = PowerLaw { einstein_radius_arcsec, slope, axis_ratio, position_angle_deg, x_arcsec, y_arcsec };
        Self { galaxy, shear, further: Vec::new() }
    }

    /// The same lens in the form that has closed solutions; `None` if it is anything but an isothermal ellipsoid with shear.
    pub fn as_isothermal(&self) -> Option<IsothermalLens> {
        let PowerLaw { einstein_radius_arcsec, slope, axis_ratio, position_angle_deg, x_arcsec, y_arcsec } =
            self.galaxy;
        let sie = Sie { einstein_radius_arcsec, axis_ratio, position_angle_deg, x_arcsec, y_arcsec };
        (slope == ISOTHERMAL_SLOPE && self.further.is_empty()).then_some(IsothermalLens { sie, shear: self.shear })
    }

    /// Ready for evaluation at many points.
    pub fn prepare(&self) -> PreparedLens {
        PreparedLens::new(self.layout(), &self.parameters())
    }

    /// Which parameters it has; the slope is held.
    pub fn layout(&self) -> LensLayout {
        LensLayout::default().with_further(self.further.iter().map(Mass::kind))
    }

    /// The parameters of a fit, in the order of [`LensLayout`].
    pub fn parameters(&self) -> Vec<f64> {
        let PowerLaw { einstein_radius_arcsec, slope, axis_ratio, position_angle_deg, x_arcsec, y_arcsec } =
            self.galaxy;
        let [e1, e2] = ellipticity(axis_ratio, position_angle_deg);
        let Shear { gamma1, gamma2 } = self.shear;
        let mut p = vec![einstein_radius_arcsec, e1, e2, x_arcsec, y_arcsec, gamma1, gamma2, slope];
        p.extend(self.further.iter().take(MOST_FURTHER).flat_map(Mass::parameters));
        p
    }

    /// The model with these parameters of a fit.
    pub fn from_parameters(layout: LensLayout, p: &[f64]) -> Self {
        let (axis_ratio, position_angle_deg) = axis_ratio_and_angle([p[1], p[2]]);
        let [x_arcsec, y_arcsec] = [p[3], p[4]];
        let galaxy = PowerLaw {
            einstein_radius_arcsec: p[0],
            slope: p[SLOPE],
            axis_ratio,
            position_angle_deg,
            x_arcsec,
            y_arcsec,
        };
        let further = layout.places().map(|(kind, first)| kind.mass(&p[first..], [x_arcsec, y_arcsec])).collect();
        Self { galaxy, shear: Shear { gamma1: p[5], gamma2: p[6] }, further }
    }

    /// Centres of all masses, the galaxy first (arcsec).
    pub fn centres(&self) -> Vec<[f64; 2]> {
        let galaxy = [self.galaxy.x_arcsec, self.galaxy.y_arcsec];
        let others = self.further.iter().filter(|m| !matches!(m, Mass::Multipole(_))).map(Mass::centre);
        std::iter::once(galaxy).chain(others).collect()
    }

    /// Radius of the circle with the area inside the largest tangential critical curve (arcsec); NaN where none closes.
    pub fn effective_einstein_radius(&self) -> f64 {
        if let Some(lens) = self.as_isothermal() {
            return critical_curves(&lens, 4).effective_einstein_radius_arcsec;
        }
        let lens = self.prepare();
        let smooth = self.further.iter().all(|m| matches!(m, Mass::Multipole(_)));
        let along = || radius_along_rays(&lens, lens.centre, self.galaxy.einstein_radius_arcsec);
        // Other masses have curves of their own, or bulge that of the galaxy: it has to be traced.
        if smooth { along() } else { None }.unwrap_or_else(|| self.traced_einstein_radius(&lens))
    }

    fn traced_einstein_radius(&self, lens: &PreparedLens) -> f64 {
        let centres = self.centres();
        let [x, y] = lens.centre;
        let farthest = centres.iter().map(|c| (c[0] - x).hypot(c[1] - y)).fold(0.0, f64::max);
        let mut half_width_arcsec = (2.0 * self.galaxy.einstein_radius_arcsec).max(1.3 * farthest).max(0.05);
        for _ in 0..5 {
            let curves = lens_curves(lens, Window { centre: lens.centre, half_width_arcsec, cells: 90 }, &centres);
            if curves.tangential.iter().all(|c| c.closed)
                && let Some(radius) = curves.effective_einstein_radius_arcsec(lens)
            {
                return radius;
            }
            half_width_arcsec *= 1.6;
        }
        f64::NAN
    }
}

/// Effective radius of the one tangential critical curve of a smooth lens, from its distance along rays from `centre`: the trapezoidal rule
/// in the angle converges exponentially. `None` where a ray does not meet it within three times the `guess`.
fn radius_along_rays(lens: &PreparedLens, [x, y]: [f64; 2], guess: f64) -> Option<f64> {
    const RAYS: usize = 180;
    let mut sum = 0.0;
    for k in 0..RAYS {
        let (sin, cos) = (std::f64::consts::TAU * k as f64 / RAYS as f64).sin_cos();
        let value = |r: f64| lens.eigenvalues(x + r * cos, y + r * sin)[0];
        let (mut low, mut high) = outermost_bracket(&value, 3.0 * guess)?;
        let (mut f_low, mut f_high) = (value(low), value(high));
        // Regula falsi with the Illinois rule: never leaves the bracket, and nearly as fast as the secant.
        for _ in 0..60 {
            let middle = (low * f_high - high * f_low) / (f_high - f_low);
            let f = value(middle);
            if f * f_high < 0.0 {
                (low, f_low) = (high, f_high);
            } else {
                f_low *= 0.5;
            }
            (high, f_high) = (middle, f);
            if f.abs() < 1e-14 || (high - low).abs() < 1e-14 * guess {
                break;
            }
        }
        sum += high * high;
    }
    Some((sum / RAYS as f64).sqrt())
}

/// The outermost interval over which the value changes its sign, positive outside.
fn outermost_bracket(value: &impl Fn(f64) -> f64, from: f64) -> Option<(f64, f64)> {
    const STEP: f64 = 0.93;
    let mut outer = from;
    for _ in 0..90 {
        let inner = outer * STEP;
        if value(inner) < 0.0 {
            return (value(outer) >= 0.0).then_some((inner, outer));
        }
        outer = inner;
    }
    None
}

/// A [`LensModel`] ready for evaluation at many points. Positions in arcsec.
#[derive(Clone, Debug)]
pub struct PreparedLens {
    galaxy: PreparedMass,
    centre: [f64; 2],
    gamma1: f64,
    gamma2: f64,
    free_slope: bool,
    further: Vec<(PreparedMass, usize)>,
}

impl PreparedLens {
    /// From the parameters of a fit.
    pub fn new(layout: LensLayout, p: &[f64]) -> Self {
        let [radius, e1, e2, x, y] = [p[0], p[1], p[2], p[3], p[4]];
        let galaxy = if layout.free_slope || p[SLOPE] != ISOTHERMAL_SLOPE {
            PreparedMass::PowerLaw(Elliptical::new([e1, e2, x, y], [radius, p[SLOPE]]))
        } else {
            PreparedMass::Sie(PreparedSie::new([radius, e1, e2, x, y]))
        };
        let further =
            layout.places().map(|(kind, first)| (PreparedMass::new(kind, &p[first..], [x, y]), first)).collect();
        Self { galaxy, centre: [x, y], gamma1: p[5], gamma2: p[6], free_slope: layout.free_slope, further }
    }

    /// Centre of the galaxy (arcsec).
    pub fn centre(&self) -> [f64; 2] {
        self.centre
    }

    /// Number of parameters, and of columns that [`PreparedLens::trace_with_gradient`] fills.
    pub fn parameters(&self) -> usize {
        self.further.last().map_or(GALAXY_PARAMETERS, |(mass, first)| first + mass.parameters())
    }

    /// Where the light seen at many positions comes from: source positions of the image positions `(x, y)`, written to `bx`, `by` (arcsec).
    #[inline(always)]
    pub fn trace(&self, [x, y]: [&[f64]; 2], [bx, by]: [&mut [f64]; 2]) {
        for (((x, y), bx), by) in x.iter().zip(y).zip(bx.iter_mut()).zip(by.iter_mut()) {
            *bx = x - self.gamma1 * x - self.gamma2 * y;
            *by = y - self.gamma2 * x + self.gamma1 * y;
        }
        self.galaxy.subtract_deflection([x, y], [bx, by]);
        for (mass, _) in &self.further {
            mass.subtract_deflection([x, y], [bx, by]);
        }
    }

    /// As [`PreparedLens::trace`], with the derivatives of the deflection by each parameter: `columns[parameter][axis][point]`, at most `N` points.
    #[inline(always)]
    pub fn trace_with_gradient<const N: usize>(
        &self,
        [x, y]: [&[f64]; 2],
        [bx, by]: [&mut [f64; N]; 2],
        columns: &mut [[[f64; N]; 2]],
    ) {
        let Some((galaxy, further)) = columns.split_first_chunk_mut::<GALAXY_PARAMETERS>() else { return };
        for (i, (x, y)) in x.iter().zip(y).enumerate().take(N) {
            bx[i] = x - self.gamma1 * x - self.gamma2 * y;
            by[i] = y - self.gamma2 * x + self.gamma1 * y;
            [galaxy[SIE_PARAMETERS][0][i], galaxy[SIE_PARAMETERS][1][i]] = [*x, -*y];
            [galaxy[SIE_PARAMETERS + 1][0][i], galaxy[SIE_PARAMETERS + 1][1][i]] = [*y, *x];
        }
        let mut unused = [[[0.0; N]; 2]; 2];
        self.galaxy.subtract_deflection_with_gradient([x, y], [bx, by], galaxy, &mut unused);
        if matches!(self.galaxy, PreparedMass::PowerLaw(_)) {
            // A power law has its slope after its centre, where the shear belongs; the shear's columns are put back.
            galaxy.swap(SIE_PARAMETERS, SLOPE);
            for (i, (x, y)) in x.iter().zip(y).enumerate().take(N) {
                [galaxy[SIE_PARAMETERS][0][i], galaxy[SIE_PARAMETERS][1][i]] = [*x, -*y];
            }
        }
        if !self.free_slope {
            galaxy[SLOPE] = [[0.0; N]; 2];
        }
        for (mass, first) in &self.further {
            let columns = &mut further[first - GALAXY_PARAMETERS..];
            let (_, centre) = galaxy.split_at_mut(SIE_PARAMETERS - 2);
            let Some(centre) = centre.first_chunk_mut::<2>() else { return };
            mass.subtract_deflection_with_gradient([x, y], [bx, by], columns, centre);
        }
    }
}

impl Deflector for PreparedLens {
    #[inline(always)]
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        let [mut ax, mut ay] = self.galaxy.deflection(x, y);
        for (mass, _) in &self.further {
            let [fx, fy] = mass.deflection(x, y);
            ax += fx;
            ay += fy;
        }
        [ax + self.gamma1 * x + self.gamma2 * y, ay + self.gamma2 * x - self.gamma1 * y]
    }

    #[inline(always)]
    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        let [mut xx, mut xy, mut yy] = self.galaxy.hessian(x, y);
        for (mass, _) in &self.further {
            let [fxx, fxy, fyy] = mass.hessian(x, y);
            xx += fxx;
            xy += fxy;
            yy += fyy;
        }
        [xx + self.gamma1, xy + self.gamma2, yy - self.gamma1]
    }

    fn potential(&self, x: f64, y: f64) -> f64 {
        let further: f64 = self.further.iter().map(|(mass, _)| mass.potential(x, y)).sum();
        let shear = 0.5 * self.gamma1 * (x * x - y * y) + self.gamma2 * x * y;
        self.galaxy.potential(x, y) + further + shear
    }

    #[inline(always)]
    fn convergence(&self, x: f64, y: f64) -> f64 {
        self.galaxy.convergence(x, y) + self.further.iter().map(|(mass, _)| mass.convergence(x, y)).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_models::deflector::check_derivatives;
    use crate::studies::lens_models::{Multipole, Nfw, PointMass, PseudoJaffe, Sis};

    /// One of every kind.
    fn crowd() -> LensModel {
        let galaxy = PowerLaw {
            einstein_radius_arcsec: 1.2,
            slope: 2.1,
            axis_ratio: 0.7,
            position_angle_deg: 35.0,
            x_arcsec: 0.05,
            y_arcsec: -0.03,
        };
        let shape = |x: f64| (0.8, 60.0, x, 0.6);
        let (axis_ratio, position_angle_deg, x_arcsec, y_arcsec) = shape(0.9);
        let multipole = |order, a_arcsec, b_arcsec| {
            Mass::Multipole(Multipole { order, a_arcsec, b_arcsec, x_arcsec: 0.05, y_arcsec: -0.03 })
        };
        LensModel {
            galaxy,
            shear: Shear { gamma1: 0.04, gamma2: -0.06 },
            further: vec![
                multipole(3, 0.01, -0.02),
                Mass::Sis(Sis { einstein_radius_arcsec: 0.1, x_arcsec: 1.0, y_arcsec: 0.9 }),
                multipole(4, -0.015, 0.01),
                Mass::Sie(Sie { einstein_radius_arcsec: 0.2, axis_ratio, position_angle_deg, x_arcsec, y_arcsec }),
                Mass::PowerLaw(PowerLaw { einstein_radius_arcsec: 0.1, slope: 1.9, x_arcsec: -1.0, ..galaxy }),
                Mass::PseudoJaffe(PseudoJaffe {
                    einstein_radius_arcsec: 0.08,
                    core_arcsec: 0.01,
                    truncation_arcsec: 0.5,
                    axis_ratio,
                    position_angle_deg,
                    x_arcsec: -0.4,
                    y_arcsec: 1.1,
                }),
                Mass::Nfw(Nfw {
                    convergence_scale: 0.05,
                    scale_radius_arcsec: 5.0,
                    axis_ratio,
                    position_angle_deg,
                    x_arcsec: 0.0,
                    y_arcsec: 0.1,
                }),
                Mass::PointMass(PointMass { einstein_radius_arcsec: 0.05, x_arcsec: 0.3, y_arcsec: -1.0 }),
            ],
        }
    }

    const POINTS: [[f64; 2]; 4] = [[0.8, 0.3], [-1.1, 0.9], [0.2, -1.3], [1.4, -0.6]];

    #[test]
    fn every_kind_of_mass_has_the_derivatives_it_states() {
        check_derivatives(&crowd().prepare(), &POINTS, 1e-6);
    }

    #[test]
    fn traced_positions_and_their_derivatives_agree_with_the_deflection() {
        let model = crowd();
        for free_slope in [true, false] {
            let layout = LensLayout { free_slope, ..model.layout() };
            let start = model.parameters();
            assert_eq!((layout.len(), layout.names().len()), (start.len(), start.len()));
            let lens = PreparedLens::new(layout, &start);
            assert_eq!(lens.parameters(), start.len());
            let (x, y) = (POINTS.map(|p| p[0]), POINTS.map(|p| p[1]));
            let (mut bx, mut by) = ([0.0; 4], [0.0; 4]);
            let mut columns = vec![[[0.0; 4]; 2]; layout.len()];
            lens.trace_with_gradient([&x, &y], [&mut bx, &mut by], &mut columns);
            let (mut cx, mut cy) = ([0.0; 4], [0.0; 4]);
            lens.trace([&x, &y], [&mut cx, &mut cy]);
            for (i, [x, y]) in POINTS.into_iter().enumerate() {
                let source = lens.source_from_image(x, y);
                assert!((bx[i] - source[0]).abs() + (by[i] - source[1]).abs() < 1e-13);
                assert!((cx[i] - source[0]).abs() + (cy[i] - source[1]).abs() < 1e-13);
                for (k, name) in layout.names().iter().enumerate() {
                    let h = 1e-5;
                    let shifted = |by: f64| {
                        let mut p = start.clone();
                        p[k] += by;
                        PreparedLens::new(layout, &p).deflection(x, y)
                    };
                    let (a, b) = (shifted(h), shifted(-h));
                    for axis in 0..2 {
                        let held = k == SLOPE && !free_slope;
                        let difference = if held { 0.0 } else { (a[axis] - b[axis]) / (2.0 * h) };
                        let found = columns[k][axis][i];
                        assert!(
                            (difference - found).abs() < 1e-6 * difference.abs().max(0.1),
                            "{name} {axis}: {difference} {found}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn parameters_and_model_are_inverse() {
        let model = crowd();
        let back = LensModel::from_parameters(model.layout(), &model.parameters());
        assert_eq!(back.layout(), model.layout());
        for (a, b) in back.parameters().iter().zip(model.parameters()) {
            assert!((a - b).abs() < 1e-14);
        }
        let text = serde_json::to_string(&model).unwrap();
        assert_eq!(serde_json::from_str::<LensModel>(&text).unwrap(), model);
    }

    #[test]
    fn slope_two_takes_the_closed_forms() {
        let sie = Sie { x_arcsec: 0.05, ..Sie::default() };
        let model = LensModel::isothermal(sie, Shear { gamma1: 0.03, gamma2: 0.02 });
        let exact = model.as_isothermal().unwrap();
        assert_eq!(model.effective_einstein_radius(), critical_curves(&exact, 4).effective_einstein_radius_arcsec);
        let (a, b) = (model.prepare(), exact.prepare());
        for [x, y] in POINTS {
            assert_eq!(a.hessian(x, y), b.hessian(x, y));
        }
        // Along rays, a lens that is hardly another one.
        let near = LensModel { galaxy: PowerLaw { slope: 2.0 + 1e-12, ..model.galaxy }, ..model.clone() };
        let difference = near.effective_einstein_radius() - model.effective_einstein_radius();
        assert!(difference.abs() < 1e-10, "{difference}");
    }

    /// The area within the curve that marching squares finds, its points exact.
    #[test]
    fn the_effective_radius_is_that_of_the_critical_curve() {
        let mut model = crowd();
        // Masses on the curve bulge it out of the shape that rays can follow.
        model.further.retain(|m| matches!(m, Mass::Multipole(_) | Mass::Nfw(_)));
        let window = Window { centre: [0.0; 2], half_width_arcsec: 3.0, cells: 300 };
        let curves = lens_curves(&model.prepare(), window, &model.centres());
        let area = curves.tangential.iter().map(|c| crate::numerics::contour::area(&c.image)).fold(0.0, f64::max);
        let expected = (area / std::f64::consts::PI).sqrt();
        let found = model.effective_einstein_radius();
        assert!((found / expected - 1.0).abs() < 1e-4, "{found} {expected}");
    }

    /// A satellite outside the ring has a curve of its own, which is not the galaxy's. Expected: pixels inside the galaxy's curve, counted.
    #[test]
    fn a_satellite_beyond_the_ring_does_not_widen_it() {
        let round = PowerLaw { einstein_radius_arcsec: 1.0, axis_ratio: 1.0, ..PowerLaw::default() };
        for (radius, distance, expected) in [(0.1, 2.0, 1.029), (0.15, 2.5, 1.034), (0.3, 2.5, 1.079)] {
            let satellite = Mass::Sis(Sis { einstein_radius_arcsec: radius, x_arcsec: distance, y_arcsec: 0.0 });
            let model = LensModel { galaxy: round, further: vec![satellite], ..LensModel::default() };
            let found = model.effective_einstein_radius();
            assert!((found / expected - 1.0).abs() < 2e-3, "{found} {expected}");
        }
        let nothing = LensModel {
            galaxy: PowerLaw { einstein_radius_arcsec: 1e-6, slope: 1.9, ..round },
            ..LensModel::default()
        };
        let radius = nothing.effective_einstein_radius();
        assert!(radius.is_nan() || radius < 1e-3, "{radius}");
    }
}
