//! Trained networks on disk: safetensors in half precision, with a card in the header that says what the network is and how it came to be.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde_json::Value;

use super::LearningError;
use super::parameters::{Parameters, Part};
use crate::data::write_atomically;

/// Name of the card in the header of the file.
const CARD: &str = "card";

/// A trained network as it lies on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Its parameters, by name.
    parts: HashMap<String, (Vec<usize>, Vec<f32>)>,
    /// What the network is, how it was trained, and what it reached.
    pub card: Value,
}

/// Writes parameters in half precision, with a card.
///
/// # Errors
/// A parameter that half precision cannot hold, or a file that cannot be written.
pub fn save(path: &Path, parameters: &Parameters, card: &Value) -> Result<(), LearningError> {
    let mut tensors = Vec::with_capacity(parameters.parts.len());
    let mut rest = parameters.values.as_slice();
    for part in &parameters.parts {
        let (own, after) = rest
            .split_at_checked(part.len())
            .ok_or_else(|| LearningError::new(path, format!("{} has too few values to be saved", part.name)))?;
        rest = after;
        if let Some(value) = own.iter().find(|v| !f16::from_f32(**v).is_finite()) {
            let problem =
                format!("{} holds {value}, which half precision cannot; the training has diverged", part.name);
            return Err(LearningError::new(path, problem));
        }
        let bytes: Vec<u8> = own.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
        tensors.push((part.name.clone(), part.shape.clone(), bytes));
    }
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F16, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    let header = HashMap::from([(CARD.to_owned(), card.to_string())]);
    let bytes = views
        .and_then(|v| serialize(v, Some(header)))
        .map_err(|e| LearningError::new(path, format!("cannot be made ({e})")))?;
    write_atomically(path, |out| out.write_all(&bytes)).map_err(|e| LearningError::new(path, e.to_string()))
}

/// Reads weights: half or single precision.
///
/// # Errors
/// A file that cannot be read or is not what [`save`] writes.
pub fn load(path: &Path) -> Result<Weights, LearningError> {
    let fail = |what: String| LearningError::new(path, what);
    let bytes = std::fs::read(path).map_err(|e| fail(format!("cannot be read ({e})")))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| fail(format!("is no file of weights ({e})")))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| fail(format!("is no file of weights ({e})")))?;
    let card = header.metadata().as_ref().and_then(|m| m.get(CARD)).map(String::as_str);
    let card = card.ok_or_else(|| fail("has no card in its header, so nobody knows which network it is".into()))?;
    let card = serde_json::from_str(card).map_err(|e| fail(format!("has a card that cannot be read ({e})")))?;
    let mut parts = HashMap::new();
    for (name, tensor) in file.iter() {
        let data = tensor.data();
        let values: Vec<f32> = match tensor.dtype() {
            Dtype::F16 => data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            other => return Err(fail(format!("{name} has the type {other:?}; expected F16 or F32"))),
        };
        parts.insert(name.to_owned(), (tensor.shape().to_vec(), values));
    }
    Ok(Weights { parts, card })
}

impl Weights {
    /// All of them, in the order of their names.
    pub fn parameters(&self) -> Parameters {
        let mut names: Vec<&String> = self.parts.keys().collect();
        names.sort();
        let mut out = Parameters::default();
        for name in names {
            let (shape, values) = &self.parts[name];
            out.parts.push(Part { name: name.clone(), shape: shape.clone() });
            out.values.extend(values);
        }
        out
    }

    /// The values for a network with these parameters, in their order.
    ///
    /// # Errors
    /// A parameter that is missing, has another shape, or is left over: the file belongs to another network.
    pub fn values_for(&self, path: &Path, parts: &[Part]) -> Result<Vec<f32>, LearningError> {
        let mut out = Vec::new();
        for part in parts {
            let Some((shape, values)) = self.parts.get(&part.name) else {
                let problem = format!("has no {}; it belongs to another network", part.name);
                return Err(LearningError::new(path, problem));
            };
            if *shape != part.shape {
                let problem = format!("{} has the shape {shape:?}, expected {:?}", part.name, part.shape);
                return Err(LearningError::new(path, problem));
            }
            out.extend(values);
        }
        if self.parts.len() != parts.len() {
            let problem = format!("holds {} tensors, expected {}", self.parts.len(), parts.len());
            return Err(LearningError::new(path, problem));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Parameters {
        let part = |name: &str, shape: &[usize]| Part { name: name.into(), shape: shape.to_vec() };
        Parameters {
            parts: vec![part("b.weight", &[2, 2]), part("a.bias", &[3])],
            values: vec![1.0, -0.5, 0.25, 3.0, 0.0, 1e-3, -2.0],
        }
    }

    #[test]
    fn what_is_saved_is_read_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let card = serde_json::json!({"network": "test", "steps": 7});
        save(&path, &parameters(), &card).unwrap();
        let weights = load(&path).unwrap();
        assert_eq!(weights.card, card);
        let mut parts = parameters().parts;
        let values = weights.values_for(&path, &parts).unwrap();
        for (found, expected) in values.iter().zip(&parameters().values) {
            assert!((found - expected).abs() <= 5e-4 * expected.abs());
        }
        parts.swap(0, 1);
        assert!((weights.values_for(&path, &parts).unwrap()[2] + 2.0).abs() < 1e-6);
        parts[0].shape = vec![4];
        let error = weights.values_for(&path, &parts).unwrap_err().to_string();
        assert!(error.contains("a.bias has the shape [3], expected [4]"), "{error}");
        assert!(weights.values_for(&path, &parts[1..]).unwrap_err().to_string().contains("holds 2 tensors"));
    }

    #[test]
    fn what_half_precision_cannot_hold_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let mut parameters = parameters();
        parameters.values[1] = 1e6;
        let error = save(&path, &parameters, &Value::Null).unwrap_err().to_string();
        assert!(error.contains("b.weight holds 1000000") && !path.exists(), "{error}");
        std::fs::write(&path, "no weights").unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("is no file of weights"));
    }
}
