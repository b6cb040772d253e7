//! Some of the held-out spectra one by one: what is true, and what every method says of it.

use super::tables::Reader;
use crate::data::{Table, TableColumn};
use crate::studies::line_ratios::network::decode::Measured;
use crate::tasks::TaskError;

/// Methods of which every spectrum has an answer, in the order of [`HeldOut::found`].
pub const METHODS: [&str; 3] = ["network", "fit", "hybrid"];

/// One quantity of one spectrum on the corrected prior.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOut {
    /// A ratio (values are `log10`) or `velocity`, `broadening` (km/s).
    pub quantity: String,
    /// Peak of the brightest line of each filter over the noise.
    pub signal_to_noise: f64,
    /// S/N of the brightest line in the filters that the quantity needs, matched to its shape, the lower one of two.
    pub signal: f64,
    /// What the spectrum was made with.
    pub truth: f64,
    /// What each of [`METHODS`] says; not a number where it says nothing.
    pub found: [Measured; METHODS.len()],
    /// Whether it claims that value: otherwise the prior dominates, or a line is not seen.
    pub claimed: [bool; METHODS.len()],
}

impl HeldOut {
    /// Rows of a table.
    pub(super) fn table(rows: &[Self]) -> Table {
        let numbers = |of: &dyn Fn(&Self) -> f64| rows.iter().map(of).collect::<Vec<f64>>();
        let mut columns = vec![
            TableColumn::new("quantity", "", rows.iter().map(|row| row.quantity.clone()).collect::<Vec<String>>()),
            TableColumn::new("signal_to_noise", "", numbers(&|row| row.signal_to_noise)),
            TableColumn::new("signal", "", numbers(&|row| row.signal))
                .described("S/N of the brightest line of the filters needed, matched to its shape"),
            TableColumn::new("truth", "", numbers(&|row| row.truth)).described("log10 of a ratio, or km/s"),
        ];
        for (k, method) in METHODS.into_iter().enumerate() {
            columns.push(TableColumn::new(method, "", numbers(&|row| row.found[k].value)));
            columns.push(
                TableColumn::new(&format!("{method}_error"), "", numbers(&|row| row.found[k].error))
                    .described("standard error"),
            );
            let claimed = numbers(&|row| f64::from(u8::from(row.claimed[k])));
            columns.push(
                TableColumn::new(&format!("{method}_claimed"), "", claimed)
                    .described("0 where the prior dominates or a line is not seen"),
            );
        }
        Table::new(columns)
    }

    /// What [`Self::table`] has written.
    pub(super) fn read(table: &Reader) -> Result<Vec<Self>, TaskError> {
        let (signals, truths) = (table.numbers("signal_to_noise")?, table.numbers("truth")?);
        let brightest = table.numbers("signal")?;
        let of = |suffix: &str| -> Result<Vec<Vec<f64>>, TaskError> {
            METHODS.iter().map(|method| table.numbers(&format!("{method}{suffix}"))).collect()
        };
        let (values, errors, claimed) = (of("")?, of("_error")?, of("_claimed")?);
        let rows = table.texts("quantity")?.into_iter().enumerate().map(|(i, quantity)| Self {
            quantity,
            signal_to_noise: signals[i],
            signal: brightest[i],
            truth: truths[i],
            found: std::array::from_fn(|k| Measured { value: values[k][i], error: errors[k][i] }),
            claimed: std::array::from_fn(|k| claimed[k][i] > 0.5),
        });
        Ok(rows.collect())
    }
}
