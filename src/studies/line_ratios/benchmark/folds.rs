//! k-fold cross-validation: the ratio network trained again and again on all but one part of a set of spectra, and judged on that part.

use super::BenchmarkRequest;
use super::tables::Reader;
use crate::data::{Table, TableColumn};
use crate::studies::line_ratios::network::NetworkKind;
use crate::studies::line_ratios::network::examples::Pool;
use crate::studies::line_ratios::prior::{RATIOS, Recipe};
use crate::studies::line_ratios::simulate::SpectrumLaw;
use crate::studies::line_ratios::train_task::TrainRequest;
use crate::tasks::{Board, Progress, TaskError};

/// One ratio on one part that its network has not seen.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldRow {
    /// Which part was left out, from 1.
    pub fold: usize,
    /// A ratio.
    pub quantity: String,
    /// Half the range of the middle 68 % of the errors on the part left out (dex).
    pub half_width: f64,
    /// The same of the mean of all truths.
    pub half_width_null: f64,
    /// Standard deviation of error over claimed error there.
    pub pull_deviation: f64,
    /// Negative log-likelihood there, all ratios together.
    pub loss: f64,
}

/// Parts of fewer spectra tell nothing.
const LEAST_IN_A_FOLD: usize = 20;

/// Trains and judges; nothing for fewer than two folds.
///
/// # Errors
/// Folds of too few spectra; cancelled.
pub(super) fn cross_validate(
    request: &BenchmarkRequest,
    progress: &Progress<()>,
    done: impl Fn(f64),
) -> Result<Vec<FoldRow>, TaskError> {
    let folds = request.folds;
    if folds < 2 {
        return Ok(Vec::new());
    }
    if request.fold_spectra < LEAST_IN_A_FOLD * folds {
        let problem = format!("{folds} folds need {} spectra at least", LEAST_IN_A_FOLD * folds);
        return Err(TaskError::field("fold_spectra", request.fold_spectra, problem, "give more, or fewer folds"));
    }
    let kind = NetworkKind::Ratios;
    let train = TrainRequest {
        network: kind,
        recipe: Recipe::Corrected,
        members: 1,
        spectra: request.fold_spectra,
        batch: 128,
        steps: request.fold_steps,
        halving_steps: (request.fold_steps as f64 / 4.0).max(10.0),
        mean_steps: (request.fold_steps as f64 / 10.0).max(1.0),
        validate_every: request.fold_steps.max(1),
        seed: request.seed,
        ..TrainRequest::default()
    };
    let pool = Pool::new(kind, SpectrumLaw::of(Recipe::Corrected), train.seed, train.spectra);
    let mut rows = Vec::new();
    for fold in 0..folds {
        progress.check()?;
        progress.phase(format!("fold {} of {folds}", fold + 1));
        let [taught, left_out] = pool.split(fold, folds);
        // A board of its own: the curves of these trainings are not the benchmark's. The switch is shared.
        let board = Board::with(progress.board().cancel().clone(), None);
        let outcome = train.train(&taught, left_out, None, &Progress::on(&board))?;
        let Some(last) = outcome.validations.last() else { continue };
        rows.extend(RATIOS.iter().enumerate().map(|(k, ratio)| FoldRow {
            fold: fold + 1,
            quantity: (*ratio).to_owned(),
            half_width: last.half_widths[k],
            half_width_null: outcome.null.half_widths[k],
            pull_deviation: last.pull_deviations.get(k).copied().unwrap_or(f64::NAN),
            loss: last.loss,
        }));
        done((fold + 1) as f64 / folds as f64);
    }
    Ok(rows)
}

impl FoldRow {
    /// Rows of a table.
    pub(super) fn table(rows: &[Self]) -> Table {
        let numbers = |name: &str, what: &str, of: fn(&Self) -> f64| {
            TableColumn::new(name, "", rows.iter().map(of).collect::<Vec<f64>>()).described(what)
        };
        Table::new(vec![
            numbers("fold", "the part left out", |row| row.fold as f64),
            TableColumn::new("quantity", "", rows.iter().map(|row| row.quantity.clone()).collect::<Vec<String>>()),
            numbers("half_width", "half the range of the middle 68 % of the errors there, dex", |row| row.half_width),
            numbers("half_width_null", "the same of the mean of all truths", |row| row.half_width_null),
            numbers("pull_deviation", "standard deviation of error over claimed error", |row| row.pull_deviation),
            numbers("loss", "negative log-likelihood, all ratios together", |row| row.loss),
        ])
    }

    /// What [`Self::table`] has written.
    pub(super) fn read(table: &Reader) -> Result<Vec<Self>, TaskError> {
        let names = ["fold", "half_width", "half_width_null", "pull_deviation", "loss"];
        let numbers = names.iter().map(|name| table.numbers(name)).collect::<Result<Vec<_>, _>>()?;
        let rows = table.texts("quantity")?.into_iter().enumerate().map(|(i, quantity)| Self {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a small count
            fold: numbers[0][i] as usize,
            quantity,
            half_width: numbers[1][i],
            half_width_null: numbers[2][i],
            pull_deviation: numbers[3][i],
            loss: numbers[4][i],
        });
        Ok(rows.collect())
    }
}
