//! Centre, ellipticity and direction of an elliptical mass, once for all profiles.
//!
//! A profile is written along its own axes, as a function of its axis ratio; [`Elliptical`] turns it, moves it, and applies the chain rule
//! from axis ratio and angle to the ellipticity vector that fits move.

use super::Deflector;

/// Parameters of place and shape that stand before a profile's own: `[e1, e2, x, y]`.
pub const FRAME_PARAMETERS: usize = 4;

/// Ellipticity below which its direction is taken as 0: there a profile depends on it only to second order.
const LEAST_ELLIPTICITY: f64 = 1e-6;

/// An elliptical mass profile along its own axes: `u` along the major, `v` along the minor axis, from its centre (arcsec).
pub trait EllipticalProfile<const OWN: usize>: Copy {
    /// From the axis ratio (0 < q <= 1) and the profile's own parameters.
    fn new(axis_ratio: f64, own: [f64; OWN]) -> Self;

    /// Deflection along the axes (arcsec).
    fn deflection(&self, u: f64, v: f64) -> [f64; 2];

    /// Second derivatives `[uu, uv, vv]` of the potential.
    fn hessian(&self, u: f64, v: f64) -> [f64; 3];

    /// Deflection potential (arcsec^2).
    fn potential(&self, u: f64, v: f64) -> f64;

    /// Deflection, its derivative by the axis ratio, and those by the profile's own parameters.
    fn gradient(&self, u: f64, v: f64) -> ([f64; 2], [f64; 2], [[f64; 2]; OWN]);
}

/// An elliptical profile at its place on the sky, ready for evaluation at many points.
#[derive(Clone, Copy, Debug)]
pub struct Elliptical<P, const OWN: usize> {
    x: f64,
    y: f64,
    cos: f64,
    sin: f64,
    profile: P,
    /// Where derivatives by the ellipticity are taken: `profile`, moved off the circle if it lies on it.
    gradient_profile: P,
    /// d q / d (e1, e2) and d phi / d (e1, e2).
    slope: [f64; 2],
    turn: [f64; 2],
}

impl<P: EllipticalProfile<OWN>, const OWN: usize> Elliptical<P, OWN> {
    /// From `[e1, e2, x, y]` (arcsec) and the profile's own parameters.
    pub fn new([e1, e2, x, y]: [f64; FRAME_PARAMETERS], own: [f64; OWN]) -> Self {
        let length = e1.hypot(e2);
        let (cos2, sin2, e) =
            if length < LEAST_ELLIPTICITY { (1.0, 0.0, LEAST_ELLIPTICITY) } else { (e1 / length, e2 / length, length) };
        let angle = 0.5 * sin2.atan2(cos2);
        let slope = -2.0 / ((1.0 + length) * (1.0 + length));
        let axis_ratio = |e: f64| (1.0 - e) / (1.0 + e);
        Self {
            x,
            y,
            cos: angle.cos(),
            sin: angle.sin(),
            profile: P::new(axis_ratio(length), own),
            gradient_profile: P::new(axis_ratio(e), own),
            slope: [slope * cos2, slope * sin2],
            turn: [-sin2 / (2.0 * e), cos2 / (2.0 * e)],
        }
    }

    /// Centre (arcsec).
    pub fn centre(&self) -> [f64; 2] {
        [self.x, self.y]
    }

    #[inline(always)]
    fn along_axes(&self, x: f64, y: f64) -> (f64, f64) {
        let (dx, dy) = (x - self.x, y - self.y);
        (self.cos * dx + self.sin * dy, self.cos * dy - self.sin * dx)
    }

    #[inline(always)]
    fn on_sky(&self, [a, b]: [f64; 2]) -> [f64; 2] {
        [self.cos * a - self.sin * b, self.sin * a + self.cos * b]
    }

    /// Deflection and its derivatives by `[e1, e2, x, y]` and by the profile's own parameters, each `[x, y]`.
    #[inline(always)]
    pub fn deflection_with_gradient(
        &self,
        x: f64,
        y: f64,
    ) -> ([f64; 2], [[f64; 2]; FRAME_PARAMETERS], [[f64; 2]; OWN]) {
        let (u, v) = self.along_axes(x, y);
        let (alpha, by_q, by_own) = self.gradient_profile.gradient(u, v);
        let [uu, uv, vv] = self.gradient_profile.hessian(u, v);
        // Turning the mass turns the vector with it and takes away its change along the turned position.
        let by_angle = [-alpha[1] + uu * v - uv * u, alpha[0] + uv * v - vv * u];
        let (by_q, by_angle) = (self.on_sky(by_q), self.on_sky(by_angle));
        let along = |axis: usize, k: usize| by_q[axis] * self.slope[k] + by_angle[axis] * self.turn[k];
        let chain = |k: usize| [along(0, k), along(1, k)];
        let [xx, xy, yy] = Deflector::hessian(self, x, y);
        let mut own = by_own;
        for d in &mut own {
            *d = self.on_sky(*d);
        }
        (self.on_sky(alpha), [chain(0), chain(1), [-xx, -xy], [-xy, -yy]], own)
    }
}

impl<P: EllipticalProfile<OWN>, const OWN: usize> Deflector for Elliptical<P, OWN> {
    #[inline(always)]
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        let (u, v) = self.along_axes(x, y);
        self.on_sky(self.profile.deflection(u, v))
    }

    #[inline(always)]
    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        let (u, v) = self.along_axes(x, y);
        let [uu, uv, vv] = self.profile.hessian(u, v);
        let (c, s) = (self.cos, self.sin);
        [
            c * c * uu - 2.0 * c * s * uv + s * s * vv,
            c * s * (uu - vv) + (c * c - s * s) * uv,
            s * s * uu + 2.0 * c * s * uv + c * c * vv,
        ]
    }

    #[inline(always)]
    fn potential(&self, x: f64, y: f64) -> f64 {
        let (u, v) = self.along_axes(x, y);
        self.profile.potential(u, v)
    }
}

/// Checks all derivatives of an elliptical profile by finite differences.
#[cfg(test)]
pub(super) fn check_elliptical<P: EllipticalProfile<OWN>, const OWN: usize>(own: [f64; OWN], tolerance: f64) {
    let points = [[0.9, 0.4], [-0.3, 1.1], [0.2, -0.35], [-2.0, -1.0], [0.06, 0.9]];
    for frame in [
        [0.15, -0.1, 0.05, 0.02],
        [-0.3, 0.2, 0.0, 0.0],
        [0.01, 0.002, 0.1, -0.1],
        [3e-4, 1e-4, 0.0, 0.0],
        [0.0, 0.0, 0.1, 0.2],
    ] {
        let lens = Elliptical::<P, OWN>::new(frame, own);
        super::deflector::check_derivatives(&lens, &points, tolerance);
        for [x, y] in points {
            let (alpha, by_frame, by_own) = lens.deflection_with_gradient(x, y);
            let exact = lens.deflection(x, y);
            // On the circle the derivatives are taken beside it.
            assert!((0..2).all(|k| (alpha[k] - exact[k]).abs() < 2e-6), "{alpha:?} {exact:?}");
            for k in 0..FRAME_PARAMETERS + OWN {
                let h = 1e-5;
                let at = |by: f64| {
                    let (mut frame, mut own) = (frame, own);
                    if k < FRAME_PARAMETERS {
                        frame[k] += by;
                    } else {
                        own[k - FRAME_PARAMETERS] += by;
                    }
                    Elliptical::<P, OWN>::new(frame, own).deflection(x, y)
                };
                let (a, b) = (at(h), at(-h));
                let found = if k < FRAME_PARAMETERS { by_frame[k] } else { by_own[k - FRAME_PARAMETERS] };
                // Where the ellipticity is within the step of the circle, the step itself is the error.
                let slack = if frame[0].hypot(frame[1]) < 1e-3 { 1e-4 } else { 0.0 };
                for axis in 0..2 {
                    let difference = (a[axis] - b[axis]) / (2.0 * h);
                    let allowed = tolerance * (1.0 + difference.abs()) + slack;
                    assert!(
                        (difference - found[axis]).abs() < allowed,
                        "parameter {k} {axis} of {frame:?} at {x} {y}: {difference} {}",
                        found[axis]
                    );
                }
            }
        }
    }
}
