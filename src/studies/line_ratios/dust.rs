//! Reddening by dust.

/// Ratio of total to selective extinction of the diffuse interstellar medium.
pub const R_V: f64 = 3.1;

/// Extinction relative to that in V, `A(lambda) / A(V)`, for 303 to 909 nm: the optical law of Cardelli, Clayton & Mathis 1989
/// (ApJ 345, 245, equations 3a and 3b) with `R_V` = 3.1.
pub fn extinction(wavelength_nm: f64) -> f64 {
    const A: [f64; 8] = [1.0, 0.17699, -0.50447, -0.02427, 0.72085, 0.01979, -0.77530, 0.32999];
    const B: [f64; 8] = [0.0, 1.41338, 2.28305, 1.07233, -5.38434, -0.62251, 5.30260, -2.09002];
    let y = 1e3 / wavelength_nm - 1.82;
    let polynomial = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, c| sum * y + c);
    polynomial(&A) + polynomial(&B) / R_V
}

/// Optical depth in V that turns an intrinsic Balmer decrement `Halpha / Hbeta` into the observed one; negative where the
/// observed decrement is the smaller.
pub fn optical_depth(observed_decrement: f64, intrinsic_decrement: f64) -> f64 {
    (observed_decrement / intrinsic_decrement).ln() / (extinction(HBETA_NM) - extinction(HALPHA_NM))
}

/// What is left of light of this wavelength behind an optical depth in V: `exp(-tau_V A(lambda) / A(V))`.
pub fn transmission(optical_depth_v: f64, wavelength_nm: f64) -> f64 {
    (-optical_depth_v * extinction(wavelength_nm)).exp()
}

const HBETA_NM: f64 = 486.1333;
const HALPHA_NM: f64 = 656.2819;

#[cfg(test)]
mod tests {
    use super::*;

    /// `A/A(V)` at 1/lambda = 2.78 (U), 1.82 (V) and 1.43 per micron (R): Cardelli, Clayton & Mathis 1989, table 3; at 2.27 (B) what
    /// makes `R_V` the ratio that it is called, `1 + 1 / R_V`.
    #[test]
    fn the_law_is_that_of_the_published_table() {
        for (inverse_micron, published) in [(2.78, 1.569), (2.27, 1.0 + 1.0 / R_V), (1.82, 1.000), (1.43, 0.751)] {
            let found = extinction(1e3 / inverse_micron);
            assert!((found - published).abs() < 0.006, "{inverse_micron}: {found} for {published}");
        }
    }

    #[test]
    fn dust_gives_the_decrement_it_was_asked_for() {
        let tau = optical_depth(4.0, 2.87);
        let observed = 2.87 * transmission(tau, HALPHA_NM) / transmission(tau, HBETA_NM);
        assert!((observed - 4.0).abs() < 1e-12 && tau > 0.0);
        assert!(optical_depth(2.5, 2.87) < 0.0);
    }
}
