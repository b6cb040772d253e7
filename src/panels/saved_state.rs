//! Saved states, read so that one bad field loses only itself.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A saved state; what cannot be read of it is as in a new panel. A number that JSON cannot hold is written as `null`, and
/// sessions are edited by hand: a bad field must not take path and settings with it.
pub(super) fn saved_state<T: Default + Serialize + DeserializeOwned>(state: &Value) -> T {
    if let Ok(whole) = T::deserialize(state) {
        return whole;
    }
    let Ok(mut mended) = serde_json::to_value(T::default()) else { return T::default() };
    take_over::<T>(&mut mended, "", state);
    T::deserialize(&mended).unwrap_or_default()
}

/// Takes `wanted` at `pointer` over, or those of its fields that can be read.
fn take_over<T: DeserializeOwned>(whole: &mut Value, pointer: &str, wanted: &Value) {
    let Some(place) = whole.pointer_mut(pointer) else { return };
    let before = std::mem::replace(place, wanted.clone());
    if T::deserialize(&*whole).is_ok() {
        return;
    }
    let fields = before.is_object();
    if let Some(place) = whole.pointer_mut(pointer) {
        *place = before;
    }
    let Some(wanted) = wanted.as_object().filter(|_| fields) else { return };
    for (name, value) in wanted {
        let field = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        take_over::<T>(whole, &field, value);
    }
}

/// Takes back what is no number: a field understands `inf`, a session does not.
pub(super) fn keep_finite(value: &mut f64, before: f64) {
    if !value.is_finite() {
        *value = before;
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Inner {
        between: [f64; 2],
        on: bool,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Saved {
        path: String,
        k: f64,
        #[serde(rename = "a/b")]
        inner: Inner,
        mark: Option<u64>,
    }

    #[test]
    fn one_bad_field_loses_only_itself() {
        let state = json!({ "path": "m31.fits", "k": null, "a/b": { "between": [1.0, null], "on": true }, "mark": 3 });
        let inner = Inner { between: [0.0, 0.0], on: true };
        assert_eq!(saved_state::<Saved>(&state), Saved { path: "m31.fits".into(), k: 0.0, inner, mark: Some(3) });
        let good = Saved { path: "x".into(), k: 2.0, inner: Inner::default(), mark: None };
        assert_eq!(saved_state::<Saved>(&serde_json::to_value(&good).unwrap()), good);
        for nonsense in [Value::Null, json!(3), json!([1]), json!({ "path": 3, "other": {} })] {
            assert_eq!(saved_state::<Saved>(&nonsense), Saved::default());
        }
    }
}
