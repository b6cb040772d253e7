//! Floats from quantised integers: scale, zero point, subtractive dithering (FITS 4.0 sections 10.2 and 10.2.1).

use std::sync::LazyLock;

/// Length of the table of random numbers.
const RANDOM: usize = 10_000;
/// Under SUBTRACTIVE_DITHER_2 this integer stands for exactly 0 (FITS 4.0 section 10.2.1, table 38).
const EXACT_ZERO: i64 = -2_147_483_646;

/// The random numbers of Park and Miller (1988) as FITS 4.0 appendix I wants them: 10,000 of them, in (0, 1).
static SEQUENCE: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let (multiplier, modulus) = (16_807u64, 2_147_483_647u64);
    let mut seed = 1u64;
    let next = || {
        seed = seed * multiplier % modulus;
        (seed as f64 / modulus as f64) as f32
    };
    std::iter::repeat_with(next).take(RANDOM).collect()
});

/// ZQUANTIZ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dither {
    /// NO_DITHER.
    None,
    /// SUBTRACTIVE_DITHER_1.
    Subtractive,
    /// SUBTRACTIVE_DITHER_2: zeros stay exactly zero.
    KeepsZero,
}

/// How the integers of one tile become floats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quantised {
    /// ZSCALE.
    pub scale: f64,
    /// ZZERO.
    pub zero: f64,
    /// ZQUANTIZ.
    pub dither: Dither,
    /// ZDITHER0, at least 1.
    pub seed: u64,
}

impl Quantised {
    /// Turns the integers of tile number `tile` (0-based) into floats. `missing` marks pixels without value.
    pub fn restore(&self, tile: u64, integers: &[i64], missing: Option<i64>, mut put: impl FnMut(usize, f64)) {
        let mut walk = Walk::new(tile.wrapping_add(self.seed.max(1) - 1));
        for (i, &stored) in integers.iter().enumerate() {
            let random = match self.dither {
                Dither::None => 0.5,
                Dither::Subtractive | Dither::KeepsZero => walk.next(),
            };
            put(
                i,
                if missing == Some(stored) {
                    f64::NAN
                } else if self.dither == Dither::KeepsZero && stored == EXACT_ZERO {
                    0.0
                } else {
                    (stored as f64 - random + 0.5) * self.scale + self.zero
                },
            );
        }
    }
}

/// The order in which a tile takes the random numbers.
struct Walk {
    seed: usize,
    at: usize,
}

impl Walk {
    fn new(number: u64) -> Self {
        let seed = (number % RANDOM as u64) as usize;
        Self { seed, at: Self::start(seed) }
    }

    fn start(seed: usize) -> usize {
        SEQUENCE.get(seed).map_or(0, |&random| (random * 500.0) as usize)
    }

    fn next(&mut self) -> f64 {
        let random = SEQUENCE.get(self.at).copied().unwrap_or(0.5);
        self.at += 1;
        if self.at >= RANDOM {
            self.seed = (self.seed + 1) % RANDOM;
            self.at = Self::start(self.seed);
        }
        f64::from(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_standard() {
        // FITS 4.0 appendix I: after 10,000 steps the seed is 1043618065.
        let last = f64::from(SEQUENCE[RANDOM - 1]);
        assert!((last - 1_043_618_065.0 / 2_147_483_647.0).abs() < 1e-7, "{last}");
        assert!((f64::from(SEQUENCE[0]) - 16_807.0 / 2_147_483_647.0).abs() < 1e-12);
    }

    #[test]
    fn zeros_and_missing_values_are_exact() {
        let how = Quantised { scale: 0.25, zero: 3.0, dither: Dither::KeepsZero, seed: 1 };
        let mut out = [9.0; 3];
        how.restore(0, &[EXACT_ZERO, -2_147_483_647, 8], Some(-2_147_483_647), |i, x| out[i] = x);
        assert_eq!(out[0], 0.0);
        assert!(out[1].is_nan());
        assert!((out[2] - 5.0).abs() <= 0.125 && out[2] != 5.0, "{}", out[2]);
        Quantised { dither: Dither::None, ..how }.restore(0, &[8], None, |i, x| out[i] = x);
        assert_eq!(out[0], 5.0);
    }
}
