//! Whether claimed errors are those that are made: pulls, and where truths fall in the claimed distributions.

use super::summary::{Pairs, median};
use super::tables::Reader;
use crate::data::{Table, TableColumn};
use crate::numerics::special::gamma_p;
use crate::studies::line_ratios::network::validation::half_width;
use crate::tasks::TaskError;

/// Steps of the histogram of pulls.
pub const PULL_BINS: usize = 16;
/// It reaches from minus to plus this; what lies beyond is counted in its ends.
pub const PULL_REACH: f64 = 4.0;

/// How errors compare with the errors that were claimed, where a value is claimed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PullRow {
    /// As in [`Row`](super::Row).
    pub method: String,
    /// As in [`Row`](super::Row).
    pub quantity: String,
    /// Peak over noise.
    pub signal_to_noise: f64,
    /// How many values are claimed.
    pub count: f64,
    /// Edges `k / 10 .. (k + 1) / 10` of the claimed cumulative distribution: share of truths there, a tenth each if all is well.
    pub shares: [f64; 10],
    /// Median of the pulls, (found - true) / claimed error.
    pub median: f64,
    /// Half the range of their middle 68 %: 1 if all is well.
    pub half_width: f64,
    /// Share of the pulls in each of [`PULL_BINS`] steps of `-PULL_REACH .. PULL_REACH`.
    pub pulls: [f64; PULL_BINS],
}

/// Columns of numbers: name and value of each.
type Column = (String, Box<dyn Fn(&PullRow) -> f64>);

impl PullRow {
    fn columns() -> Vec<Column> {
        let mut columns: Vec<Column> = vec![
            ("signal_to_noise".into(), Box::new(|row| row.signal_to_noise)),
            ("count".into(), Box::new(|row| row.count)),
            ("median".into(), Box::new(|row| row.median)),
            ("half_width".into(), Box::new(|row| row.half_width)),
        ];
        columns.extend((0..10).map(|k| -> Column { (format!("tenth_{}", k + 1), Box::new(move |row| row.shares[k])) }));
        columns.extend(
            (0..PULL_BINS).map(|k| -> Column { (format!("pull_{}", k + 1), Box::new(move |row| row.pulls[k])) }),
        );
        columns
    }

    /// Rows of a table.
    pub(super) fn table(rows: &[Self]) -> Table {
        let words = |of: fn(&Self) -> &String| rows.iter().map(|row| of(row).clone()).collect::<Vec<String>>();
        let mut columns = vec![
            TableColumn::new("method", "", words(|row| &row.method)),
            TableColumn::new("quantity", "", words(|row| &row.quantity)),
        ];
        let numbers = Self::columns().into_iter();
        columns
            .extend(numbers.map(|(name, of)| TableColumn::new(&name, "", rows.iter().map(&of).collect::<Vec<f64>>())));
        Table::new(columns)
    }

    /// What [`Self::table`] has written.
    pub(super) fn read(table: &Reader) -> Result<Vec<Self>, TaskError> {
        let [signals, counts, medians, widths] =
            ["signal_to_noise", "count", "median", "half_width"].map(|name| table.numbers(name));
        let (signals, counts, medians, widths) = (signals?, counts?, medians?, widths?);
        let many = |prefix: &str, count: usize| -> Result<Vec<Vec<f64>>, TaskError> {
            (1..=count).map(|k| table.numbers(&format!("{prefix}_{k}"))).collect()
        };
        let (shares, pulls) = (many("tenth", 10)?, many("pull", PULL_BINS)?);
        let pairs = table.texts("method")?.into_iter().zip(table.texts("quantity")?);
        let rows = pairs.enumerate().map(|(i, (method, quantity))| Self {
            method,
            quantity,
            signal_to_noise: signals[i],
            count: counts[i],
            shares: std::array::from_fn(|k| shares[k][i]),
            median: medians[i],
            half_width: widths[i],
            pulls: std::array::from_fn(|k| pulls[k][i]),
        });
        Ok(rows.collect())
    }
}

impl Pairs {
    /// Pulls of the claimed values, and where truths fall in the claimed distributions.
    pub(super) fn calibration(&self, method: String, quantity: String, signal_to_noise: f64) -> PullRow {
        let all = self.found.iter().zip(&self.truth).zip(&self.claimed);
        let pulls: Vec<f64> = all
            .filter(|(_, claimed)| **claimed)
            .map(|((found, truth), _)| (found.value - truth) / found.error)
            .filter(|pull| pull.is_finite())
            .collect();
        let mut row = PullRow { method, quantity, signal_to_noise, count: pulls.len() as f64, ..PullRow::default() };
        let each = 1.0 / pulls.len().max(1) as f64;
        for pull in &pulls {
            let place = 0.5 * (1.0 - pull.signum() * gamma_p(0.5, 0.5 * pull * pull));
            row.shares[step(place, 10)] += each;
            row.pulls[step(0.5 * (1.0 + pull / PULL_REACH), PULL_BINS)] += each;
        }
        row.median = median(pulls.clone());
        row.half_width = half_width(pulls);
        row
    }
}

/// Which of so many steps of 0 to 1.
fn step(place: f64, steps: usize) -> usize {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
    let index = (place.clamp(0.0, 1.0) * steps as f64) as usize;
    index.min(steps - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::random;
    use crate::studies::line_ratios::network::decode::Measured;

    /// Errors twice as large as claimed, and half a claimed error off.
    #[test]
    fn pulls_show_by_how_much_errors_are_claimed_too_small() {
        let mut stream = random::stream(3, "calibration.test", 0);
        let mut pairs = Pairs::default();
        for k in 0..20_000 {
            let value = 0.05 + 0.2 * random::normal(&mut stream);
            pairs.push(Measured { value, error: 0.1 }, 0.0, true);
            // What is not claimed counts for nothing.
            pairs.push(Measured { value: 9.0, error: 0.1 }, 0.0, false);
            assert_eq!(pairs.truth.len(), 2 * (k + 1));
        }
        let row = pairs.calibration("network".into(), "SII/Halpha".into(), 20.0);
        assert!((row.half_width - 2.0).abs() < 0.05 && (row.median - 0.5).abs() < 0.05, "{row:?}");
        assert_eq!(row.count, 20_000.0);
        // A normal distribution of twice the width has 2 P(x > 1.75) = 0.0401 + ... beyond +-3.5 about 0.5: its ends.
        let tail = |from: f64| 0.5 * (1.0 - gamma_p(0.5, 0.5 * from * from));
        let last = row.pulls[PULL_BINS - 1];
        assert!((last - tail(1.5)).abs() < 0.01, "{last} for {}", tail(1.5));
        assert!((row.pulls.iter().sum::<f64>() - 1.0).abs() < 1e-9 && row.shares[0] > row.shares[4]);
    }
}
