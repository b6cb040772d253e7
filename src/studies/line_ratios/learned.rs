//! Ratios that networks read off a spectrum, and those of the hybrid, beside the ratios of the fitted fluxes.

use super::lines::Line;
use super::network::NetworkEstimate;
use super::network::decode::Measured;
use super::prior::RATIOS;
use super::ratios::lines_of;
use super::request::Method;

/// What the networks say of one spectrum, whatever its band holds; `log10`, in the order of [`RATIOS`].
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedRatios {
    /// By the network alone.
    pub network: [Claim; RATIOS.len()],
    /// By the network where it is the surer, by the fluxes elsewhere; only where this was asked for.
    pub hybrid: Option<[Claim; RATIOS.len()]>,
}

/// A `log10` ratio, and whether the data hardly inform it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Claim {
    /// `log10` of the ratio, and its standard error in dex.
    pub log: Measured,
    /// What is left of the prior's variance is so much that the value is the prior's rather than that of the spectrum.
    pub prior_dominated: bool,
}

impl LearnedRatios {
    /// Of the network alone.
    pub(super) fn of(network: &NetworkEstimate) -> Self {
        let claim = |k: usize| Claim { log: network.log_ratios[k], prior_dominated: network.prior_dominated[k] };
        Self { network: std::array::from_fn(claim), hybrid: None }
    }
}

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The ratio network.
    Network,
    /// Network and fit together.
    Hybrid,
}

impl Author {
    /// Those who speak in a run of a method.
    fn of(method: Method) -> &'static [Self] {
        match method {
            Method::Fit => &[],
            Method::Network => &[Self::Network],
            Method::Hybrid => &[Self::Network, Self::Hybrid],
        }
    }

    /// `network` or `hybrid`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Hybrid => "hybrid",
        }
    }

    /// What the names of maps begin with.
    pub fn of_map(self) -> &'static str {
        match self {
            Self::Network => "NETWORK_",
            Self::Hybrid => "HYBRID_",
        }
    }
}

/// End of the name of the map that is 1 where a ratio is the prior's, else 0.
pub const PRIOR_DOMINATED: &str = "_PRIOR_DOMINATED";

/// One ratio by one author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnedRatio {
    /// Who says it.
    pub author: Author,
    /// Which, among [`RATIOS`].
    place: usize,
}

impl LearnedRatio {
    /// All that a method gives where these lines are in the band.
    pub fn all(method: Method, lines: &[Line]) -> Vec<Self> {
        let held: Vec<usize> = held(lines);
        let of = |author: &Author| {
            let author = *author;
            held.iter().map(move |place| Self { author, place: *place }).collect::<Vec<_>>()
        };
        Author::of(method).iter().flat_map(of).collect()
    }

    /// Its name: `NII6583/Halpha`.
    pub fn name(&self) -> &'static str {
        RATIOS[self.place]
    }

    /// Name of its map.
    pub fn map(&self) -> String {
        format!("{}{}", self.author.of_map(), self.name())
    }

    /// Name of its metric.
    pub fn metric(&self) -> String {
        format!("{}/{}", self.author.name(), self.name())
    }

    /// Value and error of the ratio itself, to first order, and whether the prior dominates it.
    pub fn of(&self, learned: Option<&LearnedRatios>) -> (Measured, bool) {
        let claims = learned.and_then(|learned| match self.author {
            Author::Network => Some(&learned.network),
            Author::Hybrid => learned.hybrid.as_ref(),
        });
        let Some(claim) = claims.map(|claims| claims[self.place]) else {
            return (Measured { value: f64::NAN, error: f64::NAN }, true);
        };
        let value = 10f64.powf(claim.log.value);
        let error = value * std::f64::consts::LN_10 * claim.log.error;
        (Measured { value, error }, claim.prior_dominated)
    }
}

/// Places among [`RATIOS`] of those whose lines are all there.
pub fn held(lines: &[Line]) -> Vec<usize> {
    let there = |name: &str| lines_of(name).is_some_and(|sides| sides.iter().flatten().all(|l| lines.contains(l)));
    (0..RATIOS.len()).filter(|k| there(RATIOS[*k])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_holds_the_ratios_of_its_lines() {
        let names = |lines: &[Line]| held(lines).into_iter().map(|k| RATIOS[k]).collect::<Vec<_>>();
        assert_eq!(
            names(&Line::ALL[5..]),
            ["SII6731/SII6716", "SII/Halpha", "NII6583/Halpha", "NII6583/SII", "NII6548/NII6583"]
        );
        assert_eq!(names(&Line::ALL).len(), RATIOS.len());
        assert_eq!(names(&[Line::OII3726, Line::OII3729, Line::OIII5007]), ["OII/OIII5007"]);
        assert!(LearnedRatio::all(Method::Fit, &Line::ALL).is_empty());
        let hybrid = LearnedRatio::all(Method::Hybrid, &Line::ALL[5..]);
        assert_eq!((hybrid.len(), hybrid[7].map().as_str()), (10, "HYBRID_NII6583/Halpha"));
        assert_eq!(hybrid[2].metric(), "network/NII6583/Halpha");
    }

    #[test]
    fn a_ratio_has_the_error_of_its_logarithm() {
        let mut learned = LearnedRatios { network: Default::default(), hybrid: None };
        learned.network[2] = Claim { log: Measured { value: -0.5, error: 0.02 }, prior_dominated: false };
        let ratio = LearnedRatio { author: Author::Network, place: 2 };
        let (found, dominated) = ratio.of(Some(&learned));
        // d(10^x) = ln 10 10^x dx.
        assert!((found.value - 0.316_227_766).abs() < 1e-9 && (found.error - 0.014_562_8).abs() < 1e-6, "{found:?}");
        assert!(!dominated);
        let (nothing, dominated) = LearnedRatio { author: Author::Hybrid, place: 2 }.of(Some(&learned));
        assert!(nothing.value.is_nan() && dominated);
    }
}
