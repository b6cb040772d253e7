//! Promise: the machine learns, a training that is stopped goes on as if it had not been, and what it leaves can be used.

use std::path::Path;

use sextans::studies::lens_reconstruction::rim::{TrainOutcome, TrainRequest, load};
use sextans::tasks::{Board, Outcome, Progress, Provenance, Task, TaskError};

/// A network small enough to be trained in a test.
fn tiny() -> TrainRequest {
    TrainRequest {
        pixels: 32,
        filters: 4,
        levels: 2,
        input_kernel: 3,
        recursions: 3,
        batch: 4,
        steps: 6,
        learning_rate: 3e-3,
        mean_steps: 5.0,
        validation_examples: 4,
        validate_every: 3,
        ..TrainRequest::default()
    }
}

fn train(request: &TrainRequest, checkpoint: Option<&Path>) -> Result<TrainOutcome, TaskError> {
    let board = Board::new();
    if let Some(folder) = checkpoint {
        board.set_checkpoint(folder.to_owned());
    }
    request.run(&Progress::on(&board))
}

#[test]
fn the_loss_falls() {
    let outcome = train(&TrainRequest { steps: 60, validate_every: 60, ..tiny() }, None).unwrap();
    let mean = |part: &[[f64; 2]]| part.iter().map(|l| l[1]).sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&outcome.losses[..10]), mean(&outcome.losses[50..]));
    assert!(last < 0.8 * first, "{first} to {last}");
    let looks = &outcome.validations;
    assert_eq!((looks[0].step, looks[1].step), (0, 60));
    assert!(looks[1].loss < 0.8 * looks[0].loss, "{looks:?}");
    assert!(looks[1].convergence_error_dex < looks[0].convergence_error_dex);
}

#[test]
fn stopped_and_resumed_equals_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("run.checkpoint");
    let whole = train(&tiny(), None).unwrap();
    // The number of steps is no part of what a training is: a shorter one is gone on with.
    train(&TrainRequest { steps: 4, ..tiny() }, Some(&checkpoint)).unwrap();
    let resumed = train(&tiny(), Some(&checkpoint)).unwrap();
    assert_eq!(whole.parameters, resumed.parameters);
    assert_eq!(whole.losses, resumed.losses);
    let error = train(&TrainRequest { filters: 6, ..tiny() }, Some(&checkpoint)).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("another filters (4 instead of 6)"), "{error}");
}

#[test]
fn a_cancelled_training_keeps_its_state() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("run.checkpoint");
    let board = Board::new();
    board.set_checkpoint(checkpoint.clone());
    board.cancel().cancel();
    let result = tiny().run(&Progress::on(&board));
    assert!(matches!(result, Err(TaskError::Cancelled)));
    let resumed = train(&tiny(), Some(&checkpoint)).unwrap();
    assert_eq!(resumed.parameters, train(&tiny(), None).unwrap().parameters);
}

#[test]
fn weights_and_card_are_written_read_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = train(&tiny(), None).unwrap();
    let provenance = Provenance { task: TrainRequest::NAME.into(), version: "test".into(), request: "{}".into() };
    let files = outcome.save(folder.path(), &provenance).unwrap();
    assert!(files.iter().all(|f| folder.path().join(f).is_file()), "{files:?}");
    let weights = folder.path().join("weights.safetensors");
    let rim = load(&weights).unwrap().rim;
    assert_eq!(rim.settings, tiny().settings());
    let kept = rim.parameters();
    assert_eq!(kept.parts, outcome.parameters.parts);
    for (half, whole) in kept.values.iter().zip(&outcome.parameters.values) {
        assert!((half - whole).abs() <= 1e-3 * whole.abs() + 1e-7);
    }
    let again = TrainOutcome::load(folder.path(), &serde_json::json!({}), &outcome.metrics()).unwrap();
    assert_eq!((again.losses, again.validations), (outcome.losses.clone(), outcome.validations.clone()));
    assert_eq!(again.pictures, outcome.pictures);
    // Trained on from them, under another name of the same network.
    let more = TrainRequest { weights: Some(weights.clone()), steps: 1, ..tiny() };
    assert!(train(&more, None).is_ok());
    let error = train(&TrainRequest { filters: 6, ..more }, None).unwrap_err().to_string();
    assert!(error.contains("weights.safetensors") && error.contains("expected ["), "{error}");
}
