//! A training that may be killed at any moment and goes on as if it had not been: parameters, the optimiser's memory, and where it was.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde_json::Value;

use super::LearningError;
use super::adam::Adam;
use crate::data::write_atomically;

/// The file in the folder of a checkpoint.
pub const FILE: &str = "training.safetensors";

/// The state of a training. Random numbers need none: every one is a function of the seed and of the step.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The network's parameters.
    pub values: Vec<f32>,
    /// The optimiser, whose count of steps is where the training stands.
    pub adam: Adam,
    /// Which training this is: what must be the same to go on with it.
    pub training: Value,
    /// What else the training remembers, e.g. its losses so far.
    pub history: Value,
}

impl Checkpoint {
    /// Writes it into `folder`, which is made. An older one is replaced in one move.
    ///
    /// # Errors
    /// A folder or file that cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), LearningError> {
        let path = folder.join(FILE);
        let fail = |e: String| LearningError::new(&path, e);
        std::fs::create_dir_all(folder).map_err(|e| fail(format!("its folder cannot be made ({e})")))?;
        let vectors = [
            ("values", &self.values),
            ("first", &self.adam.first),
            ("second", &self.adam.second),
            ("mean", &self.adam.mean),
        ];
        let bytes: Vec<(&str, usize, Vec<u8>)> = vectors
            .into_iter()
            .map(|(name, v)| (name, v.len(), v.iter().flat_map(|x| x.to_le_bytes()).collect()))
            .collect();
        let views = bytes
            .iter()
            .map(|(name, len, bytes)| Ok((*name, TensorView::new(Dtype::F32, vec![*len], bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
        let header = HashMap::from([
            ("training".to_owned(), self.training.to_string()),
            ("history".to_owned(), self.history.to_string()),
            ("steps".to_owned(), self.adam.steps.to_string()),
        ]);
        let file = views.and_then(|v| serialize(v, Some(header))).map_err(|e| fail(format!("cannot be made ({e})")))?;
        write_atomically(&path, |out| out.write_all(&file)).map_err(|e| fail(e.to_string()))
    }

    /// Reads the checkpoint in `folder`; `None` if there is none.
    ///
    /// # Errors
    /// A file that is there but cannot be read, or that belongs to another training than `training`: the line names the field that differs.
    pub fn load(folder: &Path, training: &Value) -> Result<Option<Self>, LearningError> {
        let path = folder.join(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(LearningError::new(&path, format!("cannot be read ({e})"))),
        };
        let read = read(&bytes).ok_or_else(|| {
            LearningError::new(&path, "is no checkpoint of ours; remove its folder to begin anew".to_string())
        })?;
        if let Some(field) = different(&read.training, training) {
            let problem = format!(
                "holds a training with another {field}; give another --out, or remove the checkpoint to begin anew"
            );
            return Err(LearningError::new(&path, problem));
        }
        Ok(Some(read))
    }
}

fn read(bytes: &[u8]) -> Option<Checkpoint> {
    let file = SafeTensors::deserialize(bytes).ok()?;
    let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
    let text = |name: &str| header.metadata().as_ref()?.get(name);
    let vector = |name: &str| {
        let tensor = file.tensor(name).ok()?;
        let values = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        (tensor.dtype() == Dtype::F32).then(|| values.collect::<Vec<_>>())
    };
    let adam = Adam {
        first: vector("first")?,
        second: vector("second")?,
        mean: vector("mean")?,
        steps: text("steps")?.parse().ok()?,
    };
    let values = vector("values")?;
    let same = [&adam.first, &adam.second, &adam.mean].iter().all(|v| v.len() == values.len());
    let parse = |name: &str| serde_json::from_str(text(name)?).ok();
    same.then_some(Checkpoint { values, adam, training: parse("training")?, history: parse("history")? })
}

/// The first field in which two descriptions differ.
fn different(a: &Value, b: &Value) -> Option<String> {
    if a == b {
        return None;
    }
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return Some("request".into()) };
    let field = b.keys().chain(a.keys()).find(|k| a.get(*k) != b.get(*k));
    let show = |v: Option<&Value>| v.map_or_else(|| "none".into(), Value::to_string);
    Some(field.map_or_else(|| "request".into(), |k| format!("{k} ({} instead of {})", show(a.get(k)), show(b.get(k)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_training_goes_on_bit_by_bit_and_another_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("run.checkpoint");
        let about = json!({"filters": 16, "seed": 1});
        assert_eq!(Checkpoint::load(&place, &about).unwrap(), None);
        let mut values = vec![0.1f32, -2.5, 1e-20];
        let mut adam = Adam::new(&values);
        adam.step(&mut values, &[1.0, 2.0, 3.0], 1e-3, 100.0);
        let kept = Checkpoint { values, adam, training: about.clone(), history: json!({"loss": [[1, 0.5]]}) };
        kept.save(&place).unwrap();
        assert_eq!(Checkpoint::load(&place, &about).unwrap(), Some(kept));
        let error = Checkpoint::load(&place, &json!({"filters": 8, "seed": 1})).unwrap_err().to_string();
        assert!(error.contains("another filters (16 instead of 8)"), "{error}");
        std::fs::write(place.join(FILE), b"half a file").unwrap();
        assert!(Checkpoint::load(&place, &about).unwrap_err().to_string().contains("is no checkpoint of ours"));
    }
}
