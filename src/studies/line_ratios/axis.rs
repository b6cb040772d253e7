//! The spectral axis of an imaging Fourier-transform spectrometer, and the filters of SITELLE.
//!
//! The axis is regular in wavenumber (cm-1), never in wavelength. Source: the reduction code ORB (Martin et al. 2015,
//! ASPC 495, 327), checked against the headers of two SITELLE cubes.

/// Full width at half maximum of sin(pi x) / (pi x).
pub const SINC_FWHM: f64 = 1.206_71;

/// How an interferogram was sampled: all that decides the spectral axis and the line shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FourierAxis {
    /// Mirror step as optical path difference, nm.
    pub step_nm: f64,
    /// Folding order.
    pub order: f64,
    /// Steps in all.
    pub steps: usize,
    /// Index of the step with zero path difference.
    pub zero_path_index: f64,
    /// 1 / cos of the off-axis angle of the light in the interferometer: stretches the axis.
    pub correction: f64,
}

impl FourierAxis {
    /// The first wavenumber, cm-1: m / (2 delta) 1e7 corr.
    pub fn first(&self) -> f64 {
        self.order / (2.0 * self.step_nm) * 1e7 * self.correction
    }

    /// Distance of two samples, cm-1: corr 1e7 / (2 delta N).
    pub fn spacing(&self) -> f64 {
        self.correction * 1e7 / (2.0 * self.step_nm * self.steps as f64)
    }

    /// Wavenumber of sample `index`, counted from 0, cm-1.
    pub fn wavenumber(&self, index: usize) -> f64 {
        self.first() + index as f64 * self.spacing()
    }

    /// Every wavenumber, cm-1.
    pub fn wavenumbers(&self) -> Vec<f64> {
        (0..self.steps).map(|index| self.wavenumber(index)).collect()
    }

    /// Steps on the longer side of zero path difference, which alone decide the resolution.
    pub fn long_side(&self) -> f64 {
        let after = self.steps as f64 - self.zero_path_index;
        after.max(self.zero_path_index)
    }

    /// Width w of the line shape sin(pi x / w) / (pi x / w), cm-1: one over twice the largest path difference.
    pub fn sinc_width(&self) -> f64 {
        self.correction * 1e7 / (2.0 * self.step_nm * self.long_side())
    }

    /// Full width at half maximum of an unresolved line, cm-1.
    pub fn fwhm(&self) -> f64 {
        SINC_FWHM * self.sinc_width()
    }

    /// Resolving power at the middle of the folded band.
    pub fn resolution(&self) -> f64 {
        (self.order + 0.5) * self.long_side() / SINC_FWHM
    }
}

/// A filter of SITELLE used for nebular lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filter {
    /// 363 to 386 nm: [OII].
    Sn1,
    /// 480 to 513 nm: H beta and [OIII].
    Sn2,
    /// 648 to 685 nm: [NII], H alpha and [SII].
    Sn3,
}

impl Filter {
    /// All three, from the blue.
    pub const ALL: [Self; 3] = [Self::Sn1, Self::Sn2, Self::Sn3];

    /// Its name in headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sn1 => "SN1",
            Self::Sn2 => "SN2",
            Self::Sn3 => "SN3",
        }
    }

    /// Pass band in cm-1, from the transmission curves of the instrument team.
    pub fn band(self) -> (f64, f64) {
        match self {
            Self::Sn1 => (25_934.0, 27_579.0),
            Self::Sn2 => (19_486.0, 20_842.0),
            Self::Sn3 => (14_598.5, 15_439.2),
        }
    }

    /// Mirror step in nm that is used with it.
    pub fn step_nm(self) -> f64 {
        match self {
            Self::Sn1 => 1647.0,
            Self::Sn2 => 1680.0,
            Self::Sn3 => 2943.0,
        }
    }

    /// Folding order that is used with it.
    pub fn order(self) -> f64 {
        match self {
            Self::Sn1 | Self::Sn3 => 8.0,
            Self::Sn2 => 6.0,
        }
    }

    /// The axis at resolving power `resolution`: N_L = 1.20671 R / (m + 1/2) steps on the long side, a quarter of that
    /// on the short side, as SIGNALS observes (888, 232 and 178 steps at R = 5000, 1000, 1000).
    ///
    /// `correction` is 1 / cos of the off-axis angle (1.037 in the middle of the field).
    pub fn axis(self, resolution: f64, correction: f64) -> FourierAxis {
        let long_side = (SINC_FWHM * resolution / (self.order() + 0.5)).round();
        let short_side = (0.25 * long_side).round();
        FourierAxis {
            step_nm: self.step_nm(),
            order: self.order(),
            steps: (long_side + short_side) as usize,
            zero_path_index: short_side,
            correction,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
    }

    /// The header of a SITELLE cube of M31 (ORB's documentation examples).
    #[test]
    fn the_axis_of_a_real_cube_of_m31() {
        let axis = FourierAxis {
            step_nm: 2_943.025_792,
            order: 8.0,
            steps: 840,
            zero_path_index: 168.0,
            correction: 1.037_471_206_229_875_9,
        };
        close(axis.first(), 14_100.742_291_148_44);
        close(axis.spacing(), 2.098_324_745_706_122_5);
        close(axis.fwhm(), 3.165_086_817_364_534);
        close(axis.resolution(), 4_733.531_668_752_227);
        assert_eq!(axis.wavenumbers().len(), 840);
        close(axis.wavenumbers()[839], 14_100.742_291_148_44 + 839.0 * 2.098_324_745_706_122_5);
    }

    /// The header of a SITELLE cube of M57 (ORB's documentation examples).
    #[test]
    fn the_line_width_of_a_real_cube_of_m57() {
        let axis = FourierAxis {
            step_nm: 2_880.879_435,
            order: 8.0,
            steps: 593,
            zero_path_index: 215.0,
            correction: 1.036_645_462_892_421_8,
        };
        close(axis.fwhm(), 5.743_627_736_415_073);
        close(axis.first(), 14_393.458_473_799_988);
        assert!((axis.resolution() - 2662.61).abs() < 0.01);
    }

    /// Lengths of the reference spectra that the authors of 2102.06230 used: 888, 233 and 178.
    #[test]
    fn the_axes_of_the_signals_survey() {
        let lengths: Vec<usize> = [(Filter::Sn3, 5000.0), (Filter::Sn2, 1000.0), (Filter::Sn1, 1000.0)]
            .iter()
            .map(|(filter, resolution)| filter.axis(*resolution, 1.0).steps)
            .collect();
        assert_eq!(lengths, [888, 233, 178]);
        for filter in Filter::ALL {
            let axis = filter.axis(1000.0, 1.0);
            assert!((axis.resolution() - 1000.0).abs() < 4.0);
            let (low, high) = filter.band();
            // The folded band of every filter holds its pass band, at the middle of the field.
            let centre = filter.axis(1000.0, 1.037);
            assert!(centre.first() < low && centre.wavenumber(centre.steps - 1) > high, "{}", filter.name());
        }
    }
}
