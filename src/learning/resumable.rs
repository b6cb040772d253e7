//! A training that may be killed and goes on: parameters, optimiser, history and clock, with their checkpoint.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::LearningError;
use super::adam::Adam;
use super::checkpoint::Checkpoint;
use super::parameters::{Parameters, Part};

/// Time between two checkpoints.
const KEEP_EVERY: Duration = Duration::from_secs(60);

/// The state of a training and the place where it is kept. `H` is what it remembers beside the parameters.
#[derive(Debug)]
pub struct Resumable<H> {
    /// Which tensors the values belong to.
    pub parts: Vec<Part>,
    /// The parameters.
    pub values: Vec<f32>,
    /// The optimiser; its count of steps is where the training stands, its mean what will be kept.
    pub adam: Adam,
    /// What else the training remembers.
    pub history: H,
    folder: Option<PathBuf>,
    about: Value,
    seconds_before: f64,
    started: Instant,
    kept: Instant,
}

impl<H: Serialize + DeserializeOwned + Default> Resumable<H> {
    /// From the checkpoint in `folder` if there is one, else from these parameters. `about` is what must be the same to go on.
    ///
    /// # Errors
    /// A checkpoint that cannot be read, is of another training, or is farther than `steps`.
    pub fn begin(
        Parameters { parts, values }: Parameters,
        folder: Option<PathBuf>,
        about: Value,
        steps: u64,
    ) -> Result<Self, LearningError> {
        let mut out = Self {
            adam: Adam::new(&values),
            parts,
            values,
            history: H::default(),
            folder,
            about,
            seconds_before: 0.0,
            started: Instant::now(),
            kept: Instant::now(),
        };
        let Some(folder) = out.folder.clone() else { return Ok(out) };
        let Some(old) = Checkpoint::load(&folder, &out.about)? else { return Ok(out) };
        out.take(old, &folder, steps)?;
        Ok(out)
    }

    fn take(&mut self, old: Checkpoint, folder: &Path, steps: u64) -> Result<(), LearningError> {
        let made = old.adam.steps;
        let problem = if made > steps {
            format!("holds a training of {made} steps; give steps={made} for its weights as they are, or more to go on")
        } else if old.values.len() == self.values.len() {
            (self.values, self.adam) = (old.values, old.adam);
            self.seconds_before = old.history["seconds"].as_f64().unwrap_or(0.0);
            self.history = serde_json::from_value(old.history["history"].clone()).unwrap_or_default();
            return Ok(());
        } else {
            let (found, expected) = (old.values.len(), self.values.len());
            format!("holds {found} parameters, expected {expected}; remove its folder to begin anew")
        };
        Err(LearningError::new(folder, problem))
    }

    /// Seconds of this sitting and of all before it.
    pub fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// Writes the checkpoint if the last one is old.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub fn keep_now_and_then(&mut self) -> Result<(), LearningError> {
        if self.kept.elapsed() > KEEP_EVERY { self.keep() } else { Ok(()) }
    }

    /// Writes the checkpoint, if there is a place for it.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn keep(&mut self) -> Result<(), LearningError> {
        self.kept = Instant::now();
        let Some(folder) = &self.folder else { return Ok(()) };
        let checkpoint = Checkpoint {
            values: self.values.clone(),
            adam: self.adam.clone(),
            training: self.about.clone(),
            history: json!({ "history": self.history, "seconds": self.seconds() }),
        };
        checkpoint.save(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_where_it_was_and_never_backwards() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("run.checkpoint");
        let parameters =
            || Parameters { parts: vec![Part { name: "a".into(), shape: vec![2] }], values: vec![1.0, 2.0] };
        let begin = |steps| Resumable::<Vec<f64>>::begin(parameters(), Some(place.clone()), json!({"seed": 1}), steps);
        let mut first = begin(10).unwrap();
        assert_eq!(first.adam.steps, 0);
        for _ in 0..3 {
            first.adam.step(&mut first.values, &[0.5, -0.5], 0.1, 10.0);
            first.history.push(0.25);
        }
        first.keep().unwrap();
        let second = begin(10).unwrap();
        assert_eq!((&second.values, &second.adam, &second.history), (&first.values, &first.adam, &first.history));
        assert!(begin(2).unwrap_err().to_string().contains("holds a training of 3 steps"));
    }
}
