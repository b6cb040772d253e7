//! Distances in a flat universe, and the mass that an Einstein radius stands for.

/// Hubble constant, km/s/Mpc.
const HUBBLE: f64 = 70.0;
/// Matter density over the critical one; the rest is a cosmological constant.
const OMEGA_MATTER: f64 = 0.3;
/// Speed of light, km/s.
const LIGHT: f64 = 299_792.458;
/// c^2 / (4 pi G) in solar masses per Mpc.
const CRITICAL: f64 = 1.662_916e18;

/// Angular diameter distance between two redshifts in Mpc; flat, H0 = 70 km/s/Mpc, Omega_m = 0.3.
pub fn angular_diameter_distance_mpc(near: f64, far: f64) -> f64 {
    comoving_mpc(near, far) / (1.0 + far)
}

/// Line-of-sight comoving distance: Simpson's rule on 1/E(z), exact to 1e-9 at z < 10.
fn comoving_mpc(near: f64, far: f64) -> f64 {
    const STEPS: usize = 512;
    let inverse = |z: f64| 1.0 / (OMEGA_MATTER * (1.0 + z).powi(3) + 1.0 - OMEGA_MATTER).sqrt();
    let h = (far - near) / STEPS as f64;
    let sum: f64 = (0..=STEPS)
        .map(|i| {
            let weight = if i == 0 || i == STEPS { 1.0 } else { [2.0, 4.0][i % 2] };
            weight * inverse(near + i as f64 * h)
        })
        .sum();
    LIGHT / HUBBLE * sum * h / 3.0
}

/// Critical surface density in solar masses per Mpc^2.
pub fn critical_surface_density(lens: f64, source: f64) -> f64 {
    let d = angular_diameter_distance_mpc;
    CRITICAL * d(0.0, source) / (d(0.0, lens) * d(lens, source))
}

/// Mass inside the Einstein radius, in solar masses.
pub fn einstein_mass_msun(radius_arcsec: f64, lens: f64, source: f64) -> f64 {
    let radius_mpc = radius_arcsec.to_radians() / 3600.0 * angular_diameter_distance_mpc(0.0, lens);
    std::f64::consts::PI * radius_mpc * radius_mpc * critical_surface_density(lens, source)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden values: astropy FlatLambdaCDM(70, 0.3) and lenstronomy's LensCosmo, z 0.5 and 1.5.
    #[test]
    fn distances_and_critical_density_agree_with_astropy() {
        let close = |a: f64, b: f64, tolerance: f64| assert!((a / b - 1.0).abs() < tolerance, "{a} {b}");
        close(angular_diameter_distance_mpc(0.0, 0.5), 1259.0836, 1e-7);
        close(angular_diameter_distance_mpc(0.0, 1.5), 1745.5423, 1e-7);
        close(angular_diameter_distance_mpc(0.5, 1.5), 990.0921, 1e-7);
        close(critical_surface_density(0.5, 1.5) / 1e6, 2.328_470e9, 2e-5);
    }
}
