//! What every mass model can be asked for at a point, whatever it is made of.

/// Mass that deflects light: everything about it at one point of the image plane. Positions in arcsec.
pub trait Deflector {
    /// Deflection (arcsec).
    fn deflection(&self, x: f64, y: f64) -> [f64; 2];

    /// Second derivatives `[xx, xy, yy]` of the deflection potential.
    fn hessian(&self, x: f64, y: f64) -> [f64; 3];

    /// Deflection potential (arcsec^2), up to a constant.
    fn potential(&self, x: f64, y: f64) -> f64;

    /// Convergence: surface density over critical surface density.
    #[inline(always)]
    fn convergence(&self, x: f64, y: f64) -> f64 {
        let [xx, _, yy] = self.hessian(x, y);
        0.5 * (xx + yy)
    }

    /// Where the light seen at (x, y) comes from.
    #[inline(always)]
    fn source_from_image(&self, x: f64, y: f64) -> [f64; 2] {
        let [ax, ay] = self.deflection(x, y);
        [x - ax, y - ay]
    }

    /// Eigenvalues of the Jacobian of the lens mapping, `1 - kappa - gamma` (zero on a tangential critical curve)
    /// and `1 - kappa + gamma` (zero on a radial one), with the strength `gamma` of the whole shear.
    #[inline(always)]
    fn eigenvalues(&self, x: f64, y: f64) -> [f64; 2] {
        let [xx, xy, yy] = self.hessian(x, y);
        let (mean, half) = (1.0 - 0.5 * (xx + yy), (0.5 * (xx - yy)).hypot(xy));
        [mean - half, mean + half]
    }

    /// Determinant of the Jacobian of the lens mapping: 1 over the signed magnification.
    #[inline(always)]
    fn inverse_magnification(&self, x: f64, y: f64) -> f64 {
        let [xx, xy, yy] = self.hessian(x, y);
        (1.0 - xx) * (1.0 - yy) - xy * xy
    }

    /// Fermat potential (arcsec^2) of an image position for a source: arrival times are proportional to it.
    fn fermat_potential(&self, image: [f64; 2], source: [f64; 2]) -> f64 {
        let (dx, dy) = (image[0] - source[0], image[1] - source[1]);
        0.5 * (dx * dx + dy * dy) - self.potential(image[0], image[1])
    }
}

impl<T: Deflector + ?Sized> Deflector for &T {
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        (**self).deflection(x, y)
    }
    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        (**self).hessian(x, y)
    }
    fn potential(&self, x: f64, y: f64) -> f64 {
        (**self).potential(x, y)
    }
}

/// The mass-sheet transform of a lens: convergence `lambda kappa + 1 - lambda`. Sources shrink by `lambda`, image positions stay,
/// and time delays scale by `lambda` (Falco, Gorenstein & Shapiro 1985, ApJ 289, L1).
#[derive(Clone, Copy, Debug)]
pub struct Sheet<D> {
    /// The lens without the sheet.
    pub lens: D,
    /// Factor of the convergence.
    pub lambda: f64,
}

impl<D: Deflector> Deflector for Sheet<D> {
    fn deflection(&self, x: f64, y: f64) -> [f64; 2] {
        let [ax, ay] = self.lens.deflection(x, y);
        [self.lambda * ax + (1.0 - self.lambda) * x, self.lambda * ay + (1.0 - self.lambda) * y]
    }

    fn hessian(&self, x: f64, y: f64) -> [f64; 3] {
        let [xx, xy, yy] = self.lens.hessian(x, y);
        [self.lambda * xx + 1.0 - self.lambda, self.lambda * xy, self.lambda * yy + 1.0 - self.lambda]
    }

    fn potential(&self, x: f64, y: f64) -> f64 {
        self.lambda * self.lens.potential(x, y) + 0.5 * (1.0 - self.lambda) * (x * x + y * y)
    }
}

/// Checks that the deflection is the gradient of the potential and has the given second derivatives, by finite differences.
#[cfg(test)]
pub(super) fn check_derivatives(lens: &impl Deflector, points: &[[f64; 2]], tolerance: f64) {
    let h = 2e-5;
    for &[x, y] in points {
        let [right, left] = [x + h, x - h].map(|x| lens.deflection(x, y));
        let [up, down] = [y + h, y - h].map(|y| lens.deflection(x, y));
        let d = |a: f64, b: f64| (a - b) / (2.0 * h);
        let alpha = lens.deflection(x, y);
        let [xx, xy, yy] = lens.hessian(x, y);
        for (what, found, expected) in [
            ("xx", d(right[0], left[0]), xx),
            ("yx", d(right[1], left[1]), xy),
            ("xy", d(up[0], down[0]), xy),
            ("yy", d(up[1], down[1]), yy),
            ("x", d(lens.potential(x + h, y), lens.potential(x - h, y)), alpha[0]),
            ("y", d(lens.potential(x, y + h), lens.potential(x, y - h)), alpha[1]),
            ("kappa", lens.convergence(x, y), 0.5 * (xx + yy)),
        ] {
            assert!(
                (found - expected).abs() < tolerance * (1.0 + expected.abs()),
                "{what} at {x} {y}: {found} {expected}"
            );
        }
    }
}
