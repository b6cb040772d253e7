//! What ionises the gas, by two ratios of lines: the diagrams of Baldwin, Phillips & Terlevich 1981 (PASP 93, 5) and of
//! Veilleux & Osterbrock 1987 (ApJS 63, 295).

use super::lines::Line;
use super::prior::{kauffmann, kewley};

/// A plane of two ratios, both as `log10`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Diagram {
    /// [NII] 6583 / Halpha and [OIII] 5007 / Hbeta.
    #[default]
    Nitrogen,
    /// [SII] 6716 + 6731 / Halpha and [OIII] 5007 / Hbeta.
    Sulphur,
    /// [NII] 6583 / Halpha and [SII] 6716 + 6731 / Halpha: what one red band has. No lines of demarcation are drawn.
    Red,
}

/// What the place in a diagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Stars can do it: below the line of Kauffmann et al. 2003 ([NII]) or of Kewley et al. 2001 ([SII]).
    StarForming,
    /// Between the two lines of the [NII] diagram.
    Composite,
    /// Above the line of Kewley et al. 2001: an active nucleus, shocks, old hot stars.
    Active,
    /// The diagram does not tell.
    Untold,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::StarForming, Self::Composite, Self::Active, Self::Untold];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::StarForming => "Star-forming",
            Self::Composite => "Composite",
            Self::Active => "AGN or shocks",
            Self::Untold => "Spaxels",
        }
    }
}

/// `log10([OIII]/Hbeta)` above which stars cannot be all, at `log10([SII]/Halpha)`: Kewley et al. 2001 (ApJ 556, 121).
/// Minus infinity to the right of the asymptote.
pub fn kewley_sulphur(log_sii: f64) -> f64 {
    if log_sii < 0.32 { 0.72 / (log_sii - 0.32) + 1.30 } else { f64::NEG_INFINITY }
}

impl Diagram {
    /// Every diagram.
    pub const ALL: [Self; 3] = [Self::Nitrogen, Self::Sulphur, Self::Red];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nitrogen => "BPT [NII]",
            Self::Sulphur => "BPT [SII]",
            Self::Red => "[NII] and [SII]",
        }
    }

    /// The maps of its two ratios.
    pub fn ratios(self) -> [&'static str; 2] {
        match self {
            Self::Nitrogen => ["NII6583/Halpha", "OIII5007/Hbeta"],
            Self::Sulphur => ["SII/Halpha", "OIII5007/Hbeta"],
            Self::Red => ["NII6583/Halpha", "SII/Halpha"],
        }
    }

    /// The lines that it needs.
    pub fn lines(self) -> &'static [Line] {
        match self {
            Self::Nitrogen => &[Line::Hbeta, Line::OIII5007, Line::Halpha, Line::NII6583],
            Self::Sulphur => &[Line::Hbeta, Line::OIII5007, Line::Halpha, Line::SII6716, Line::SII6731],
            Self::Red => &[Line::Halpha, Line::NII6583, Line::SII6716, Line::SII6731],
        }
    }

    /// The class of a place.
    pub fn class(self, [x, y]: [f64; 2]) -> Class {
        match self {
            Self::Nitrogen if y > kewley(x) => Class::Active,
            Self::Nitrogen if y > kauffmann(x) => Class::Composite,
            Self::Sulphur if y > kewley_sulphur(x) => Class::Active,
            Self::Nitrogen | Self::Sulphur => Class::StarForming,
            Self::Red => Class::Untold,
        }
    }

    /// Its lines of demarcation, by name, for `y` from `low` up: points `[x, y]`.
    pub fn demarcations(self, low: f64) -> Vec<(&'static str, Vec<[f64; 2]>)> {
        let curve = |of: fn(f64) -> f64| -> Vec<[f64; 2]> {
            let places = (-250..47).map(|k| f64::from(k) * 0.01);
            places.map(|x| [x, of(x)]).filter(|[_, y]| *y >= low).collect()
        };
        match self {
            Self::Nitrogen => {
                // Left of -1.28 the two have crossed: only the lower one parts anything there.
                let inner = curve(kauffmann).into_iter().filter(|[x, y]| *y <= kewley(*x)).collect();
                vec![("Kewley 2001", curve(kewley)), ("Kauffmann 2003", inner)]
            }
            Self::Sulphur => vec![("Kewley 2001", curve(kewley_sulphur))],
            Self::Red => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_models_of_hii_regions_is_star_forming() {
        // [OIII]/Hb 0.74, [NII]/Ha 0.036, [SII]/Ha 0.034: the median of the photoionisation models behind the prior.
        let [oxygen, nitrogen, sulphur] = [0.74f64, 0.036, 0.034].map(f64::log10);
        assert_eq!(Diagram::Nitrogen.class([nitrogen, oxygen]), Class::StarForming);
        assert_eq!(Diagram::Sulphur.class([sulphur, oxygen]), Class::StarForming);
        assert_eq!(Diagram::Nitrogen.class([0.0, 1.0]), Class::Active);
        assert_eq!(Diagram::Sulphur.class([0.0, 1.0]), Class::Active);
        assert_eq!(Diagram::Nitrogen.class([-0.2, -0.2]), Class::Composite);
        // Right of every asymptote.
        assert_eq!(Diagram::Nitrogen.class([0.6, -1.0]), Class::Active);
    }

    #[test]
    fn lines_of_demarcation_part_the_classes() {
        for (diagram, below, above) in [
            (Diagram::Nitrogen, Class::StarForming, Class::Composite),
            (Diagram::Sulphur, Class::StarForming, Class::Active),
        ] {
            let lines = diagram.demarcations(-1.5);
            let (_, last) = lines.last().unwrap();
            for [x, y] in last {
                assert_eq!(diagram.class([*x, y - 1e-9]), below);
                assert_eq!(diagram.class([*x, y + 1e-9]), above);
            }
            assert!(last.len() > 50 && last.iter().all(|[_, y]| *y >= -1.5));
        }
        // Kewley's line meets [OIII]/Hbeta = 1 at [NII]/Halpha = -0.043 (0.61 / 1.19 left of its asymptote).
        assert!((kewley(0.47 - 0.61 / 1.19)).abs() < 1e-12);
        assert!(Diagram::Red.demarcations(-2.0).is_empty());
    }
}
