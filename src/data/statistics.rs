//! Minimum, maximum, mean and counts of an image, read in pieces: a cube larger than memory costs a few megabytes.

use rayon::prelude::*;

use super::tiles::Tiles;
use super::{Bitpix, FitsFile, Result, Sample};

/// Pixels of one piece. Pieces are worked on in parallel and joined in order, so that the result does not depend on
/// the number of threads.
const PIECE: usize = 1 << 16;
/// Independent accumulators: one sum would wait for the addition before it (measured 2.8 times slower).
const LANES: usize = 8;
/// Values that are first taken to be all finite, which is asked once for all of them.
const BLOCK: usize = 1024;

/// What is known of the values of an image.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Statistics {
    /// Finite values.
    pub finite: u64,
    /// NaN and BLANK.
    pub nan: u64,
    /// Values plus or minus infinity.
    pub infinite: u64,
    /// Smallest finite value; `None` without any.
    pub min: Option<f64>,
    /// Largest finite value.
    pub max: Option<f64>,
    /// Mean of the finite values.
    pub mean: Option<f64>,
}

/// Sums of one piece.
#[derive(Clone, Copy)]
struct Sums {
    finite: u64,
    nan: u64,
    count: u64,
    min: f64,
    max: f64,
    sum: f64,
}

impl Sums {
    const NONE: Self = Self { finite: 0, nan: 0, count: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0 };

    #[inline]
    fn add(&mut self, value: f64) {
        let finite = value.is_finite();
        self.finite += u64::from(finite);
        self.nan += u64::from(value.is_nan());
        self.sum += if finite { value } else { 0.0 };
        self.min = self.min.min(if finite { value } else { f64::INFINITY });
        self.max = self.max.max(if finite { value } else { f64::NEG_INFINITY });
    }

    fn join(self, other: Self) -> Self {
        Self {
            finite: self.finite + other.finite,
            nan: self.nan + other.nan,
            count: self.count + other.count,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            sum: self.sum + other.sum,
        }
    }

    fn of<T: Sample>(values: &[T]) -> Self {
        let mut sums = Self { count: values.len() as u64, ..Self::NONE };
        for block in values.chunks(BLOCK) {
            // Only when every value is finite is the plain sum; then nothing needs to be asked of each value.
            match Self::of_finite(block) {
                Some(block) => sums = sums.join(block),
                None => block.iter().for_each(|value| sums.add(value.to_f64())),
            }
        }
        sums
    }

    /// Sums of values that are all finite, else `None`.
    fn of_finite<T: Sample>(values: &[T]) -> Option<Self> {
        let first = *values.first()?;
        let (mut min, mut max, mut sum) = ([first; LANES], [first; LANES], [0.0; LANES]);
        let (groups, rest) = values.as_chunks::<LANES>();
        for group in groups {
            for lane in 0..LANES {
                let value = group[lane];
                min[lane] = if value < min[lane] { value } else { min[lane] };
                max[lane] = if value > max[lane] { value } else { max[lane] };
                sum[lane] += value.to_f64();
            }
        }
        let mut sums = Self::NONE;
        rest.iter().for_each(|value| sums.add(value.to_f64()));
        let (rest_sum, all) = (sums.sum, sum.iter().sum::<f64>());
        if !all.is_finite() || sums.finite != rest.len() as u64 {
            return None;
        }
        let low = min.iter().map(|value| value.to_f64()).fold(sums.min, f64::min);
        let high = max.iter().map(|value| value.to_f64()).fold(sums.max, f64::max);
        Some(Self { finite: values.len() as u64, nan: 0, count: 0, min: low, max: high, sum: all + rest_sum })
    }

    fn finish(self) -> Statistics {
        let some = self.finite > 0;
        Statistics {
            finite: self.finite,
            nan: self.nan,
            infinite: self.count - self.finite - self.nan,
            min: some.then_some(self.min),
            max: some.then_some(self.max),
            mean: some.then(|| self.sum / self.finite as f64),
        }
    }
}

impl Statistics {
    /// Of values in memory.
    pub fn of<T: Sample>(values: &[T]) -> Self {
        let pieces: Vec<Sums> = values.par_chunks(PIECE).map(Sums::of).collect();
        pieces.into_iter().fold(Sums::NONE, Sums::join).finish()
    }

    /// Of the pixels of an image HDU that the file holds, without reading it whole into memory.
    ///
    /// # Errors
    /// Not an image, or unreadable.
    pub fn of_hdu(file: &FitsFile, hdu: usize) -> Result<Self> {
        let (unit, layout) = file.image_hdu(hdu)?;
        if unit.is_compressed() {
            let sums = Tiles::new(file, unit)?.visit(|pixels: &[f64]| Sums::of(pixels))?;
            return Ok(sums.into_iter().fold(Sums::NONE, Sums::join).finish());
        }
        // Integers up to 16 bits and floats are exact in f32 only while nothing scales them.
        match layout.bitpix {
            Bitpix::F32 if layout.is_plain() => pieces::<f32>(file, hdu),
            _ => pieces::<f64>(file, hdu),
        }
    }
}

fn pieces<T: Sample>(file: &FitsFile, hdu: usize) -> Result<Statistics> {
    let (unit, layout) = file.image_hdu(hdu)?;
    let present = (unit.data_present / layout.bitpix.bytes() as u64).min(layout.pixels());
    let count = present.div_ceil(PIECE as u64);
    let sums = (0..count)
        .into_par_iter()
        .map_init(
            || (vec![T::MISSING; PIECE], Vec::new()),
            |(values, scratch), piece| {
                let start = piece * PIECE as u64;
                let length = (present - start).min(PIECE as u64) as usize;
                let values = values.get_mut(..length).unwrap_or_default();
                file.read_run(hdu, start, values, scratch)?;
                Ok(Sums::of(values))
            },
        )
        .collect::<Result<Vec<_>>>()?;
    Ok(sums.into_iter().fold(Sums::NONE, Sums::join).finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_not_finite_are_counted_and_left_out() {
        let mut values: Vec<f64> = (0..1000).map(f64::from).collect();
        values[3] = f64::NAN;
        values[500] = f64::INFINITY;
        values[999] = f64::NEG_INFINITY;
        let s = Statistics::of(&values);
        assert_eq!((s.finite, s.nan, s.infinite), (997, 1, 2));
        assert_eq!((s.min, s.max), (Some(0.0), Some(998.0)));
        let mean = (499_500.0 - 3.0 - 500.0 - 999.0) / 997.0;
        assert!((s.mean.unwrap() - mean).abs() < 1e-9);
        assert_eq!(Statistics::of::<f32>(&[]).min, None);
    }

    #[test]
    fn the_fast_way_and_the_slow_way_agree() {
        for length in [1, 7, 8, 9, 1023, 1024, 1025, 5000] {
            for odd in [None, Some(f32::NAN), Some(f32::INFINITY)] {
                let mut values: Vec<f32> = (0..length).map(|i| ((i * 37) % 101) as f32 - 20.0).collect();
                if let Some(odd) = odd {
                    values[length / 2] = odd;
                }
                let mut slow = Sums { count: length as u64, ..Sums::NONE };
                values.iter().for_each(|&v| slow.add(f64::from(v)));
                // Sums of small integers are exact in any order.
                assert_eq!(Statistics::of(&values), slow.finish(), "{length} {odd:?}");
            }
        }
        // A sum that overflows is not taken for a value that is not finite.
        assert_eq!(Statistics::of(&[f64::MAX; 20]).finite, 20);
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let values: Vec<f32> = (0..3 * PIECE + 17).map(|i| ((i * 7919) % 1013) as f32 * 0.1).collect();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Statistics::of(&values))
        };
        assert_eq!(on(1), on(4));
    }
}
