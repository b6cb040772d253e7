//! Statistics of a column.

use std::collections::BTreeMap;

use super::SheetColumn;

/// Different words that are counted; beyond that only "more than".
const WORDS: usize = 10_000;

/// What a column holds in some rows.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnSummary {
    /// Of numbers.
    Numbers {
        /// Values that are there.
        count: usize,
        /// Values that are not: NaN, TNULL, infinite.
        missing: usize,
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
        /// Mean.
        mean: f64,
        /// Standard deviation of the sample (divisor n - 1); NaN for less than two values.
        sigma: f64,
        /// Median.
        median: f64,
    },
    /// Of words.
    Words {
        /// Words that are there.
        count: usize,
        /// Empty ones.
        missing: usize,
        /// How many different ones; `None` for more than ten thousand.
        different: Option<usize>,
        /// The most frequent ones with their numbers, most frequent first.
        common: Vec<(String, usize)>,
    },
}

/// Statistics of the values of some rows, all values of an array counted. `check` is called every few thousand rows and
/// ends the work by its error.
///
/// # Errors
/// That of `check`.
pub fn summarize<E>(
    column: &SheetColumn,
    rows: impl Iterator<Item = usize>,
    mut check: impl FnMut() -> Result<(), E>,
) -> Result<ColumnSummary, E> {
    let mut values: Vec<f64> = Vec::new();
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut missing, mut count, mut many) = (0, 0, false);
    for (n, row) in rows.enumerate() {
        if n % 8192 == 0 {
            check()?;
        }
        for at in column.data.cell(row) {
            if column.is_text() {
                let word = column.text(at).trim();
                if word.is_empty() {
                    missing += 1;
                    continue;
                }
                count += 1;
                if let Some(times) = words.get_mut(word) {
                    *times += 1;
                } else if words.len() < WORDS {
                    words.insert(word, 1);
                } else {
                    many = true;
                }
            } else {
                let x = column.number(at);
                if x.is_finite() { values.push(x) } else { missing += 1 }
            }
        }
    }
    if column.is_text() {
        let mut common: Vec<(String, usize)> = words.iter().map(|(word, n)| ((*word).to_owned(), *n)).collect();
        common.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        let different = (!many).then_some(common.len());
        common.truncate(5);
        return Ok(ColumnSummary::Words { count, missing, different, common });
    }
    Ok(numbers(&mut values, missing))
}

fn numbers(values: &mut [f64], missing: usize) -> ColumnSummary {
    let count = values.len();
    let mean = if count == 0 { f64::NAN } else { values.iter().sum::<f64>() / count as f64 };
    // The second pass about the mean keeps the digits that a sum of squares would lose.
    let square: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    let sigma = if count < 2 { f64::NAN } else { (square / (count - 1) as f64).sqrt() };
    let min = values.iter().copied().fold(f64::NAN, f64::min);
    let max = values.iter().copied().fold(f64::NAN, f64::max);
    let median = if count == 0 {
        f64::NAN
    } else {
        let (below, &mut upper, _) = values.select_nth_unstable_by(count / 2, f64::total_cmp);
        let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if count % 2 == 1 { upper } else { 0.5 * (lower + upper) }
    };
    ColumnSummary::Numbers { count, missing, min, max, mean, sigma, median }
}

#[cfg(test)]
mod tests {
    use super::super::Sheet;
    use super::*;
    use crate::data::{Table, TableColumn};

    #[test]
    fn known_numbers_have_known_statistics() {
        let table = Table::new(vec![
            TableColumn::new("x", "", vec![2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0, f64::NAN]),
            TableColumn::new("t", "", ["b", "a", "b", "", "", "c", "b", "a", " "].map(str::to_owned).to_vec()),
        ]);
        let sheet = Sheet::from_table("t", table);
        let go_on = || Ok::<(), ()>(());
        let ColumnSummary::Numbers { count, missing, min, max, mean, sigma, median } =
            summarize(&sheet.columns[0], 0..9, go_on).unwrap()
        else {
            panic!("numbers")
        };
        // The textbook example: mean 5, population sigma 2, so the sum of squares is 32.
        assert_eq!((count, missing, min, max, mean, median), (8, 1, 2.0, 9.0, 5.0, 4.5));
        assert!((sigma - (32.0_f64 / 7.0).sqrt()).abs() < 1e-15);
        let words = summarize(&sheet.columns[1], 0..9, go_on).unwrap();
        let expected = ColumnSummary::Words {
            count: 6,
            missing: 3,
            different: Some(3),
            common: vec![("b".into(), 3), ("a".into(), 2), ("c".into(), 1)],
        };
        assert_eq!(words, expected);
        assert!(summarize(&sheet.columns[0], 0..9, || Err("stop")).is_err());
        let ColumnSummary::Numbers { count, mean, .. } = summarize(&sheet.columns[0], 8..9, go_on).unwrap() else {
            panic!("numbers")
        };
        assert!(count == 0 && mean.is_nan());
    }
}
