//! Ratios by name: `NII6583/Halpha`, `SII/Halpha` (both lines of a doublet together).

use super::fit::LineFit;
use super::lines::Line;

/// Sum of lines over sum of lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratio {
    /// Name, as maps and metrics have it.
    pub name: &'static str,
    /// Lines above, as positions in the list of the fit.
    above: Vec<usize>,
    /// Lines below.
    below: Vec<usize>,
}

/// A ratio with its error and, where the upper sum is not detected, its limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Value; NaN where the lower sum is below three of its errors.
    pub value: f64,
    /// Standard error, with the covariance of the two sums.
    pub error: f64,
    /// Upper limit at three standard errors of the upper sum where that sum is below three, else NaN.
    pub limit: f64,
}

/// Fluxes of less than this many errors are limits.
pub const DETECTED: f64 = 3.0;

const RATIOS: [(&str, &[Line], &[Line]); 10] = [
    ("NII6583/Halpha", &[Line::NII6583], &[Line::Halpha]),
    ("NII6583/NII6548", &[Line::NII6583], &[Line::NII6548]),
    ("SII/Halpha", &[Line::SII6716, Line::SII6731], &[Line::Halpha]),
    ("SII6731/SII6716", &[Line::SII6731], &[Line::SII6716]),
    ("NII6583/SII", &[Line::NII6583], &[Line::SII6716, Line::SII6731]),
    ("OIII5007/Hbeta", &[Line::OIII5007], &[Line::Hbeta]),
    ("OIII5007/OIII4959", &[Line::OIII5007], &[Line::OIII4959]),
    ("OII/Hbeta", &[Line::OII3726, Line::OII3729], &[Line::Hbeta]),
    ("OII/OIII5007", &[Line::OII3726, Line::OII3729], &[Line::OIII5007]),
    ("Halpha/Hbeta", &[Line::Halpha], &[Line::Hbeta]),
];

impl Ratio {
    /// The ratios that these lines allow; a tied doublet has none of its own.
    pub fn all(lines: &[Line], tied: bool) -> Vec<Self> {
        let places = |wanted: &[Line]| -> Option<Vec<usize>> {
            wanted.iter().map(|line| lines.iter().position(|other| other == line)).collect()
        };
        let fixed = |name: &str| tied && matches!(name, "NII6583/NII6548" | "OIII5007/OIII4959");
        RATIOS
            .iter()
            .filter(|(name, ..)| !fixed(name))
            .filter_map(|(name, above, below)| Some(Self { name, above: places(above)?, below: places(below)? }))
            .collect()
    }

    /// Its value in a fit.
    pub fn of(&self, fit: &LineFit) -> Measured {
        let sum = |lines: &[usize]| lines.iter().map(|line| fit.flux[*line]).sum::<f64>();
        let covariance = |first: &[usize], second: &[usize]| {
            first.iter().flat_map(|a| second.iter().map(|b| fit.covariance[*a][*b])).sum::<f64>()
        };
        let (above, below) = (sum(&self.above), sum(&self.below));
        let (aa, ab, bb) = (
            covariance(&self.above, &self.above),
            covariance(&self.above, &self.below),
            covariance(&self.below, &self.below),
        );
        let detected = below > DETECTED * bb.sqrt();
        if !detected {
            return Measured { value: f64::NAN, error: f64::NAN, limit: f64::NAN };
        }
        let value = above / below;
        let error = (aa - 2.0 * value * ab + value * value * bb).max(0.0).sqrt() / below;
        let limit =
            if above < DETECTED * aa.sqrt() { (above.max(0.0) + DETECTED * aa.sqrt()) / below } else { f64::NAN };
        Measured { value, error, limit }
    }
}

/// Lines above and below of a ratio by its name; `SII` and `OII` are both lines of the doublet. `None` for a name that is none.
pub fn lines_of(name: &str) -> Option<[Vec<Line>; 2]> {
    let side = |side: &str| match side {
        "SII" => Some(vec![Line::SII6716, Line::SII6731]),
        "OII" => Some(vec![Line::OII3726, Line::OII3729]),
        line => Line::by_name(line).map(|line| vec![line]),
    };
    let (above, below) = name.split_once('/')?;
    Some([side(above)?, side(below)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_carry_the_covariance_of_their_lines() {
        let lines = [Line::NII6548, Line::Halpha, Line::NII6583];
        let ratios = Ratio::all(&lines, false);
        assert_eq!(ratios.iter().map(|ratio| ratio.name).collect::<Vec<_>>(), ["NII6583/Halpha", "NII6583/NII6548"]);
        assert_eq!(Ratio::all(&lines, true).len(), 1);
        let mut fit = LineFit::empty();
        fit.flux[..3].copy_from_slice(&[0.1, 2.0, 1.0]);
        fit.covariance[1][1] = 0.04;
        fit.covariance[2][2] = 0.01;
        (fit.covariance[1][2], fit.covariance[2][1]) = (0.008, 0.008);
        let ratio = ratios[0].of(&fit);
        // var(a / b) = (aa - 2 r ab + r^2 bb) / b^2 = (0.01 - 0.008 + 0.01) / 4.
        assert!((ratio.value - 0.5).abs() < 1e-15 && (ratio.error - 0.003f64.sqrt()).abs() < 1e-15);
        assert!(ratio.limit.is_nan());
        fit.flux[2] = 0.2;
        assert!((ratios[0].of(&fit).limit - 0.25).abs() < 1e-15);
        fit.covariance[1][1] = 1.0;
        assert!(ratios[0].of(&fit).value.is_nan());
    }
}
