//! Any one mass of a lens: which profile, its parameters as a fit moves them, and its form for evaluation at many points.

use serde::{Deserialize, Serialize};

use super::elliptical::Elliptical;
use super::isothermal::PreparedPseudoJaffe;
use super::nfw::NfwProfile;
use super::power_law::PowerLawProfile;
use super::{
    Deflector, Multipole, Nfw, PointMass, PowerLaw, PreparedSie, PseudoJaffe, Sie, Sis, axis_ratio_and_angle,
    ellipticity,
};

/// One mass of a lens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mass {
    /// Singular isothermal sphere.
    Sis(Sis),
    /// Singular isothermal ellipsoid.
    Sie(Sie),
    /// Elliptical power law.
    PowerLaw(PowerLaw),
    /// Isothermal between a core and a truncation.
    PseudoJaffe(PseudoJaffe),
    /// Halo of dark matter.
    Nfw(Nfw),
    /// Star or black hole.
    PointMass(PointMass),
    /// Multipole of the galaxy, whose centre it shares.
    Multipole(Multipole),
}

/// Which profile a mass has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MassKind {
    /// [`Mass::Sis`]
    Sis,
    /// [`Mass::Sie`]
    Sie,
    /// [`Mass::PowerLaw`]
    PowerLaw,
    /// [`Mass::PseudoJaffe`]
    PseudoJaffe,
    /// [`Mass::Nfw`]
    Nfw,
    /// [`Mass::PointMass`]
    PointMass,
    /// [`Mass::Multipole`] of this order.
    Multipole(u8),
}

impl MassKind {
    /// Names of the parameters that a fit moves, with units.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Sis | Self::PointMass => &["einstein_radius_arcsec", "x_arcsec", "y_arcsec"],
            Self::Sie => &["einstein_radius_arcsec", "e1", "e2", "x_arcsec", "y_arcsec"],
            Self::PowerLaw => &["einstein_radius_arcsec", "e1", "e2", "x_arcsec", "y_arcsec", "slope"],
            Self::PseudoJaffe => {
                &["einstein_radius_arcsec", "e1", "e2", "x_arcsec", "y_arcsec", "core_arcsec", "truncation_arcsec"]
            }
            Self::Nfw => &["convergence_scale", "e1", "e2", "x_arcsec", "y_arcsec", "scale_radius_arcsec"],
            Self::Multipole(_) => &["a_arcsec", "b_arcsec"],
        }
    }

    /// Number of parameters that a fit moves.
    pub fn parameters(self) -> usize {
        self.names().len()
    }

    /// False for a parameter that fits hold where it starts: masses besides the galaxy are round, and a pseudo-Jaffe profile has no core,
    /// for an image of the galaxy's arcs tells nothing of either.
    pub fn moves(self, parameter: usize) -> bool {
        match self {
            Self::PseudoJaffe => !matches!(self.names()[parameter], "e1" | "e2" | "core_arcsec"),
            Self::Nfw => !matches!(self.names()[parameter], "e1" | "e2"),
            _ => true,
        }
    }

    /// The mass with these parameters. A multipole sits at `centre`, that of the galaxy (arcsec).
    pub fn mass(self, p: &[f64], centre: [f64; 2]) -> Mass {
        let shape = || axis_ratio_and_angle([p[1], p[2]]);
        match self {
            Self::Sis => Mass::Sis(Sis { einstein_radius_arcsec: p[0], x_arcsec: p[1], y_arcsec: p[2] }),
            Self::PointMass => {
                Mass::PointMass(PointMass { einstein_radius_arcsec: p[0], x_arcsec: p[1], y_arcsec: p[2] })
            }
            Self::Sie => {
                let (axis_ratio, position_angle_deg) = shape();
                Mass::Sie(Sie {
                    einstein_radius_arcsec: p[0],
                    axis_ratio,
                    position_angle_deg,
                    x_arcsec: p[3],
                    y_arcsec: p[4],
                })
            }
            Self::PowerLaw => {
                let (axis_ratio, position_angle_deg) = shape();
                Mass::PowerLaw(PowerLaw {
                    einstein_radius_arcsec: p[0],
                    slope: p[5],
                    axis_ratio,
                    position_angle_deg,
                    x_arcsec: p[3],
                    y_arcsec: p[4],
                })
            }
            Self::PseudoJaffe => {
                let (axis_ratio, position_angle_deg) = shape();
                Mass::PseudoJaffe(PseudoJaffe {
                    einstein_radius_arcsec: p[0],
                    core_arcsec: p[5],
                    truncation_arcsec: p[6],
                    axis_ratio,
                    position_angle_deg,
                    x_arcsec: p[3],
                    y_arcsec: p[4],
                })
            }
            Self::Nfw => {
                let (axis_ratio, position_angle_deg) = shape();
                Mass::Nfw(Nfw {
                    convergence_scale: p[0],
                    scale_radius_arcsec: p[5],
                    axis_ratio,
                    position_angle_deg,
                    x_arcsec: p[3],
                    y_arcsec: p[4],
                })
            }
            Self::Multipole(order) => Mass::Multipole(Multipole {
                order: order.into(),
                a_arcsec: p[0],
                b_arcsec: p[1],
                x_arcsec: centre[0],
                y_arcsec: centre[1],
            }),
        }
    }
}

impl Mass {
    /// Which profile it has.
    pub fn kind(&self) -> MassKind {
        match self {
            Self::Sis(_) => MassKind::Sis,
            Self::Sie(_) => MassKind::Sie,
            Self::PowerLaw(_) => MassKind::PowerLaw,
            Self::PseudoJaffe(_) => MassKind::PseudoJaffe,
            Self::Nfw(_) => MassKind::Nfw,
            Self::PointMass(_) => MassKind::PointMass,
            Self::Multipole(m) => MassKind::Multipole(m.order.min(255) as u8),
        }
    }

    /// The parameters of a fit, as [`MassKind::names`] lists them.
    pub fn parameters(&self) -> Vec<f64> {
        let shaped = |scale: f64, q: f64, angle: f64, x: f64, y: f64, own: &[f64]| {
            let [e1, e2] = ellipticity(q, angle);
            let mut p = vec![scale, e1, e2, x, y];
            p.extend_from_slice(own);
            p
        };
        match *self {
            Self::Sis(m) => vec![m.einstein_radius_arcsec, m.x_arcsec, m.y_arcsec],
            Self::PointMass(m) => vec![m.einstein_radius_arcsec, m.x_arcsec, m.y_arcsec],
            Self::Sie(m) => {
                shaped(m.einstein_radius_arcsec, m.axis_ratio, m.position_angle_deg, m.x_arcsec, m.y_arcsec, &[])
            }
            Self::PowerLaw(m) => {
                let own = [m.slope];
                shaped(m.einstein_radius_arcsec, m.axis_ratio, m.position_angle_deg, m.x_arcsec, m.y_arcsec, &own)
            }
            Self::PseudoJaffe(m) => {
                let own = [m.core_arcsec, m.truncation_arcsec];
                shaped(m.einstein_radius_arcsec, m.axis_ratio, m.position_angle_deg, m.x_arcsec, m.y_arcsec, &own)
            }
            Self::Nfw(m) => {
                let own = [m.scale_radius_arcsec];
                shaped(m.convergence_scale, m.axis_ratio, m.position_angle_deg, m.x_arcsec, m.y_arcsec, &own)
            }
            Self::Multipole(m) => vec![m.a_arcsec, m.b_arcsec],
        }
    }

    /// Centre (arcsec).
    pub fn centre(&self) -> [f64; 2] {
        match self {
            Self::Sis(m) => [m.x_arcsec, m.y_arcsec],
            Self::Sie(m) => [m.x_arcsec, m.y_arcsec],
            Self::PowerLaw(m) => [m.x_arcsec, m.y_arcsec],
            Self::PseudoJaffe(m) => [m.x_arcsec, m.y_arcsec],
            Self::Nfw(m) => [m.x_arcsec, m.y_arcsec],
            Self::PointMass(m) => [m.x_arcsec, m.y_arcsec],
            Self::Multipole(m) => [m.x_arcsec, m.y_arcsec],
        }
    }
}

/// A [`Mass`] ready for evaluation at many points.
#[derive(Clone, Copy, Debug)]
pub enum PreparedMass {
    /// Singular isothermal sphere.
    Sis(Sis),
    /// Singular isothermal ellipsoid.
    Sie(PreparedSie),
    /// Elliptical power law.
    PowerLaw(Elliptical<PowerLawProfile, 2>),
    /// Isothermal between a core and a truncation.
    PseudoJaffe(PreparedPseudoJaffe),
    /// Halo of dark matter.
    Nfw(Elliptical<NfwProfile, 2>),
    /// Point mass.
    PointMass(PointMass),
    /// Multipole.
    Multipole(Multipole),
}

/// Calls a method on whichever profile it is: the choice is made once for all points, not at each.
macro_rules! each {
    ($mass:expr, $m:ident => $call:expr) => {
        match $mass {
            PreparedMass::Sis($m) => $call,
            PreparedMass::Sie($m) => $call,
            PreparedMass::PowerLaw($m) => $call,
            PreparedMass::PseudoJaffe($m) => $call,
            PreparedMass::Nfw($m) => $call,
            PreparedMass::PointMass($m) => $call,
            PreparedMass::Multipole($m) => $call,
        }
    };
}

impl PreparedMass {
    /// From the parameters of a fit, as [`MassKind::names`] lists them; a multipole sits at `centre` (arcsec).
    pub fn new(kind: MassKind, p: &[f64], centre: [f64; 2]) -> Self {
        let frame = || [p[1], p[2], p[3], p[4]];
        match kind {
            MassKind::Sie => Self::Sie(PreparedSie::new([p[0], p[1], p[2], p[3], p[4]])),
            MassKind::PowerLaw => Self::PowerLaw(Elliptical::new(frame(), [p[0], p[5]])),
            MassKind::PseudoJaffe => Self::PseudoJaffe(PreparedPseudoJaffe::new(frame(), [p[0], p[5], p[6]])),
            MassKind::Nfw => Self::Nfw(Elliptical::new(frame(), [p[0], p[5]])),
            MassKind::Sis | MassKind::PointMass | MassKind::Multipole(_) => match kind.mass(p, centre) {
                Mass::PointMass(m) => Self::PointMass(m),
                Mass::Multipole(m) => Self::Multipole(m),
                _ => Self::Sis(Sis { einstein_radius_arcsec: p[0], x_arcsec: p[1], y_arcsec: p[2] }),
            },
        }
    }

    /// Number of parameters that a fit moves.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Multipole(_) => 2,
            Self::Sis(_) | Self::PointMass(_) => 3,
            Self::Sie(_) => 5,
            Self::PowerLaw(_) | Self::Nfw(_) => 6,
            Self::PseudoJaffe(_) => 7,
        }
    }

    /// Takes the deflection from positions: `bx -= alpha_x(x, y)`, `by -= alpha_y(x, y)` (arcsec).
    #[inline(always)]
    pub fn subtract_deflection(&self, [x, y]: [&[f64]; 2], [bx, by]: [&mut [f64]; 2]) {
        each!(self, m => {
            for (((x, y), bx), by) in x.iter().zip(y).zip(bx).zip(by) {
                let [ax, ay] = m.deflection(*x, *y);
                *bx -= ax;
                *by -= ay;
            }
        });
    }

    /// As [`PreparedMass::subtract_deflection`], with the derivatives of the deflection by each parameter of the fit, `columns[parameter][axis][point]`.
    /// The derivatives by the place of a multipole are added to `centre`, those of the galaxy's.
    #[inline(always)]
    pub fn subtract_deflection_with_gradient<const N: usize>(
        &self,
        [x, y]: [&[f64]; 2],
        [bx, by]: [&mut [f64; N]; 2],
        columns: &mut [[[f64; N]; 2]],
        centre: &mut [[[f64; N]; 2]; 2],
    ) {
        macro_rules! fill {
            (|$x:ident, $y:ident| $gradient:expr, $n:literal) => {
                let Some(columns) = columns.first_chunk_mut::<$n>() else { return };
                for (i, ($x, $y)) in x.iter().copied().zip(y.iter().copied()).enumerate().take(N) {
                    let ([ax, ay], gradient): ([f64; 2], [[f64; 2]; $n]) = $gradient;
                    bx[i] -= ax;
                    by[i] -= ay;
                    for p in 0..$n {
                        columns[p][0][i] = gradient[p][0];
                        columns[p][1][i] = gradient[p][1];
                    }
                }
            };
        }
        match self {
            Self::Sis(m) => {
                fill!(|x, y| m.deflection_with_gradient(x, y), 3);
            }
            Self::PointMass(m) => {
                fill!(|x, y| m.deflection_with_gradient(x, y), 3);
            }
            Self::Sie(m) => {
                fill!(|x, y| m.deflection_with_gradient(x, y), 5);
            }
            Self::PowerLaw(m) => {
                fill!(
                    |x, y| {
                        let (alpha, [e1, e2, dx, dy], [radius, slope]) = m.deflection_with_gradient(x, y);
                        (alpha, [radius, e1, e2, dx, dy, slope])
                    },
                    6
                );
            }
            Self::PseudoJaffe(m) => {
                fill!(
                    |x, y| {
                        let (alpha, [e1, e2, dx, dy], [radius, core, truncation]) = m.deflection_with_gradient(x, y);
                        (alpha, [radius, e1, e2, dx, dy, core, truncation])
                    },
                    7
                );
            }
            Self::Nfw(m) => {
                fill!(
                    |x, y| {
                        let (alpha, [e1, e2, dx, dy], [scale, radius]) = m.deflection_with_gradient(x, y);
                        (alpha, [scale, e1, e2, dx, dy, radius])
                    },
                    6
                );
            }
            Self::Multipole(m) => {
                let Some(columns) = columns.first_chunk_mut::<2>() else { return };
                for (i, (x, y)) in x.iter().zip(y).enumerate().take(N) {
                    let ([ax, ay], [a, b, dx, dy]) = m.deflection_with_gradient(*x, *y);
                    bx[i] -= ax;
                    by[i] -= ay;
                    for axis in 0..2 {
                        columns[0][axis][i] = a[axis];
                        columns[1][axis][i] = b[axis];
                        centre[0][axis][i] += dx[axis];
                        centre[1][axis][i] += dy[axis];
                    }
                }
            }
        }
    }
}

impl Deflector for PreparedMass {
    #[inline(always)]
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        each!(self, m => m.deflection(x, y))
    }

    #[inline(always)]
    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        each!(self, m => m.hessian(x, y))
    }

    fn potential(&self, x: f64, y: f64) -> f64 {
        each!(self, m => m.potential(x, y))
    }

    #[inline(always)]
    fn convergence(&self, x: f64, y: f64) -> f64 {
        each!(self, m => m.convergence(x, y))
    }
}
