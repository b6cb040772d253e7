//! Distances in a flat universe of matter and a cosmological constant, and what redshifts add to a lens: masses, delays, dispersion.

/// Speed of light, km/s.
const LIGHT: f64 = 299_792.458;
/// Megaparsec in km (IAU 2015 resolution B2: from the astronomical unit).
const MEGAPARSEC_KM: f64 = 3.085_677_581_491_367e19;
/// G times the solar mass, km^3/s^2 (IAU 2015 resolution B3).
const GM_SUN: f64 = 1.327_124_4e11;
/// Radians in an arcsec.
const ARCSEC: f64 = std::f64::consts::PI / 648_000.0;
/// Seconds in a day.
const DAY: f64 = 86_400.0;
/// Kiloparsecs in a megaparsec, squared.
const KPC2_IN_MPC2: f64 = 1e6;

/// A flat universe: matter, the rest a cosmological constant; no radiation, massless neutrinos.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cosmology {
    /// Hubble constant, km/s/Mpc.
    pub hubble_constant: f64,
    /// Matter density over the critical one.
    pub omega_matter: f64,
}

impl Default for Cosmology {
    /// The round numbers in which lens masses are usually quoted.
    fn default() -> Self {
        Self { hubble_constant: 70.0, omega_matter: 0.3 }
    }
}

impl Cosmology {
    /// Angular diameter distance between two redshifts, Mpc.
    pub fn angular_diameter_distance_mpc(&self, near: f64, far: f64) -> f64 {
        self.comoving_mpc(near, far) / (1.0 + far)
    }

    /// Line-of-sight comoving distance: Simpson's rule on 1/E(z), exact to 1e-9 at z < 10.
    fn comoving_mpc(&self, near: f64, far: f64) -> f64 {
        const STEPS: usize = 512;
        let matter = self.omega_matter;
        let inverse = |z: f64| 1.0 / (matter * (1.0 + z).powi(3) + 1.0 - matter).sqrt();
        let h = (far - near) / STEPS as f64;
        let sum: f64 = (0..=STEPS)
            .map(|i| {
                let weight = if i == 0 || i == STEPS { 1.0 } else { [2.0, 4.0][i % 2] };
                weight * inverse(near + i as f64 * h)
            })
            .sum();
        LIGHT / self.hubble_constant * sum * h / 3.0
    }

    /// What a lens at one redshift does to a source at another; `None` unless the source lies behind.
    pub fn between(&self, lens: f64, source: f64) -> Option<Distances> {
        (lens > 0.0 && source > lens).then(|| Distances {
            redshift_lens: lens,
            lens_mpc: self.angular_diameter_distance_mpc(0.0, lens),
            source_mpc: self.angular_diameter_distance_mpc(0.0, source),
            between_mpc: self.angular_diameter_distance_mpc(lens, source),
        })
    }
}

/// Angular diameter distances of a lens and a source, and what follows from them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distances {
    /// Redshift of the lens.
    pub redshift_lens: f64,
    /// To the lens, Mpc.
    pub lens_mpc: f64,
    /// To the source, Mpc.
    pub source_mpc: f64,
    /// From the lens to the source, Mpc.
    pub between_mpc: f64,
}

impl Distances {
    /// Critical surface density `c^2 D_s / (4 pi G D_d D_ds)`, solar masses per kpc^2.
    pub fn critical_density_msun_kpc2(&self) -> f64 {
        let per_mpc = LIGHT * LIGHT * MEGAPARSEC_KM / (4.0 * std::f64::consts::PI * GM_SUN);
        per_mpc * self.source_mpc / (self.lens_mpc * self.between_mpc) / KPC2_IN_MPC2
    }

    /// Mass inside a circle of this Einstein radius, solar masses.
    pub fn einstein_mass_msun(&self, radius_arcsec: f64) -> f64 {
        let radius_mpc = radius_arcsec * ARCSEC * self.lens_mpc;
        std::f64::consts::PI * radius_mpc * radius_mpc * self.critical_density_msun_kpc2() * KPC2_IN_MPC2
    }

    /// Time-delay distance `(1 + z_d) D_d D_s / D_ds`, Mpc (Suyu et al. 2010, ApJ 711, 201).
    pub fn time_delay_distance_mpc(&self) -> f64 {
        (1.0 + self.redshift_lens) * self.lens_mpc * self.source_mpc / self.between_mpc
    }

    /// Delay between images whose Fermat potentials differ by one arcsec^2, days.
    pub fn days_per_arcsec2(&self) -> f64 {
        self.time_delay_distance_mpc() * MEGAPARSEC_KM / LIGHT * ARCSEC * ARCSEC / DAY
    }

    /// Velocity dispersion of the singular isothermal sphere with this Einstein radius, km/s: `theta_E = 4 pi (sigma / c)^2 D_ds / D_s`.
    pub fn isothermal_dispersion_km_s(&self, radius_arcsec: f64) -> f64 {
        LIGHT * (radius_arcsec * ARCSEC * self.source_mpc / (4.0 * std::f64::consts::PI * self.between_mpc)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a / b - 1.0).abs() < tolerance, "{a} {b}");
    }

    /// Golden values: astropy FlatLambdaCDM(70, 0.3) and lenstronomy's LensCosmo, z 0.5 and 1.5.
    #[test]
    fn distances_masses_and_delays_agree_with_astropy() {
        let d = Cosmology::default().between(0.5, 1.5).unwrap();
        close(d.lens_mpc, 1259.0836, 1e-7);
        close(d.source_mpc, 1745.5423, 1e-7);
        close(d.between_mpc, 990.0921, 1e-7);
        close(d.critical_density_msun_kpc2(), 2.328_470e9, 1e-6);
        close(d.time_delay_distance_mpc(), 3329.665, 1e-6);
        close(d.days_per_arcsec2(), 93.2323, 1e-6);
        close(d.isothermal_dispersion_km_s(1.2), 270.845, 2e-6);
        // A disc of one arcsec at the critical density.
        let kpc = 1259.0836e3 * ARCSEC;
        close(d.einstein_mass_msun(1.0), std::f64::consts::PI * kpc * kpc * 2.328_470e9, 1e-6);
    }

    /// astropy's FlatLambdaCDM(67.66, 0.30966), and its Planck18 of the same numbers, whose radiation and massive neutrinos shift distances by up to two parts in a thousand.
    #[test]
    fn another_universe_agrees_with_astropy_and_planck_but_for_its_radiation() {
        let planck = Cosmology { hubble_constant: 67.66, omega_matter: 0.309_66 };
        let d = planck.between(0.5, 1.5).unwrap();
        close(d.lens_mpc, 1_298.295_952_218, 1e-9);
        close(d.source_mpc, 1_792.957_933_963, 1e-9);
        for (found, golden) in [
            (d.lens_mpc, 1297.6111),
            (d.source_mpc, 1790.8792),
            (d.between_mpc, 1012.3125),
            (d.critical_density_msun_kpc2(), 2.267_136e9),
            (d.time_delay_distance_mpc(), 3443.400),
            (d.days_per_arcsec2(), 96.4169),
            (d.isothermal_dispersion_km_s(1.2), 271.312),
        ] {
            close(found, golden, 2e-3);
        }
    }

    #[test]
    fn a_source_in_front_has_no_distances() {
        assert_eq!(Cosmology::default().between(0.5, 0.5), None);
        assert_eq!(Cosmology::default().between(0.5, 0.2), None);
        assert_eq!(Cosmology::default().between(f64::NAN, 0.2), None);
    }
}
