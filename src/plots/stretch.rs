//! Stretches: how a value between the limits becomes a place in the colour map.

use serde::{Deserialize, Serialize};

/// The exponent `a` of the log stretch, DS9's default.
const LOG_EXPONENT: f64 = 1000.0;

/// The softening of the asinh stretch: linear below this fraction of the range (astropy's default).
const ASINH_SOFTENING: f64 = 0.1;

/// A monotonic map of `[0, 1]` onto itself. Names are those of astropy and DS9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stretch {
    /// `t`
    #[default]
    Linear,
    /// `log(a t + 1) / log(a + 1)` with `a = 1000` (DS9 reference manual, "scale log").
    Log,
    /// `sqrt(t)`
    Sqrt,
    /// `asinh(t / 0.1) / asinh(1 / 0.1)` (Lupton et al. 2004, as in astropy's `AsinhStretch`).
    Asinh,
    /// `t²`
    Squared,
}

impl Stretch {
    /// Every stretch, in menu order.
    pub const ALL: [Self; 5] = [Self::Linear, Self::Log, Self::Sqrt, Self::Asinh, Self::Squared];

    /// The name shown and saved.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Log => "log",
            Self::Sqrt => "sqrt",
            Self::Asinh => "asinh",
            Self::Squared => "squared",
        }
    }

    /// The place in the colour map of a fraction of the range; the fraction is clamped to `[0, 1]`.
    #[must_use]
    pub fn apply(self, fraction: f64) -> f64 {
        let t = fraction.clamp(0.0, 1.0);
        match self {
            Self::Linear => t,
            Self::Log => (LOG_EXPONENT * t).ln_1p() / LOG_EXPONENT.ln_1p(),
            Self::Sqrt => t.sqrt(),
            Self::Asinh => (t / ASINH_SOFTENING).asinh() / (1.0 / ASINH_SOFTENING).asinh(),
            Self::Squared => t * t,
        }
    }

    /// The fraction of the range that lands at a place in the colour map: the inverse of [`Self::apply`].
    #[must_use]
    pub fn invert(self, place: f64) -> f64 {
        let s = place.clamp(0.0, 1.0);
        match self {
            Self::Linear => s,
            Self::Log => (s * LOG_EXPONENT.ln_1p()).exp_m1() / LOG_EXPONENT,
            Self::Sqrt => s * s,
            Self::Asinh => ASINH_SOFTENING * (s * (1.0 / ASINH_SOFTENING).asinh()).sinh(),
            Self::Squared => s.sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_rise_from_zero_to_one_and_invert() {
        for stretch in Stretch::ALL {
            assert!(stretch.apply(0.0).abs() < 1e-12, "{stretch:?}");
            assert!((stretch.apply(1.0) - 1.0).abs() < 1e-12, "{stretch:?}");
            let mut last = -1.0;
            for i in 0..=1000 {
                let t = f64::from(i) / 1000.0;
                let s = stretch.apply(t);
                assert!(s > last, "{stretch:?} at {t}");
                assert!((stretch.invert(s) - t).abs() < 1e-9, "{stretch:?} at {t}");
                last = s;
            }
        }
    }

    /// astropy 8.0.2: `LogStretch(1000)(0.1)`, `AsinhStretch(0.1)(0.5)`, `SqrtStretch()(0.25)`, `SquaredStretch()(0.3)`.
    #[test]
    fn stretches_match_astropy() {
        for (stretch, t, expected) in [
            (Stretch::Log, 0.1, 0.668_010_47),
            (Stretch::Asinh, 0.5, 0.771_269_64),
            (Stretch::Sqrt, 0.25, 0.5),
            (Stretch::Squared, 0.3, 0.09),
        ] {
            assert!((stretch.apply(t) - expected).abs() < 1e-6, "{stretch:?} {}", stretch.apply(t));
        }
    }
}
