//! Requests as data: reading them, describing their fields from the schema, and setting one field from text.

use serde_json::{Map, Value};

use super::Task;

/// A request that cannot be understood. Prints as one line that names the field, the value and the cure.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// No such field.
    #[error("{name}: no such field; {}", hint.as_ref().map_or_else(|| "`sextans list TASK` shows them".into(), |h| format!("did you mean {h}?")))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The nearest name, if one is near.
        hint: Option<String>,
    },
    /// The text does not fit the field's type or range.
    #[error("{name} = {value}: {problem}")]
    Value {
        /// Field.
        name: String,
        /// Text given.
        value: String,
        /// What was expected.
        problem: String,
    },
    /// Not a request at all.
    #[error("the request does not fit the task: {0}")]
    Json(String),
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldKind {
    /// A real number within bounds.
    Number {
        /// Least value, if any.
        min: Option<f64>,
        /// Greatest value, if any.
        max: Option<f64>,
    },
    /// A whole number within bounds.
    Integer {
        /// Least value, if any.
        min: Option<i64>,
        /// Greatest value, if any.
        max: Option<i64>,
    },
    /// Yes or no.
    Bool,
    /// One of some names.
    Choice(Vec<String>),
    /// A path to an input file or run folder.
    Input,
    /// Free text.
    Text,
}

/// One leaf of a request, as the schema describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Dotted path, e.g. `lens.einstein_radius_arcsec`.
    pub name: String,
    /// Doc comment.
    pub help: String,
    /// Unit, or empty.
    pub unit: String,
    /// What it holds.
    pub kind: FieldKind,
    /// May be left out (null).
    pub optional: bool,
    /// A slider should move in the logarithm.
    pub logarithmic: bool,
    /// Default value.
    pub default: Value,
}

/// Reads a request, with an error that names the field.
pub(super) fn parse<T: Task>(value: &Value) -> Result<T, RequestError> {
    let schema = schemars::schema_for!(T).to_value();
    let known = fields(&schema, &Value::Null);
    check_known(value, &known, "")?;
    for field in &known {
        if let Some(found) = lookup(value, &field.name) {
            check_value(field, found)?;
        }
    }
    serde_json::from_value(value.clone()).map_err(|e| RequestError::Json(e.to_string()))
}

/// Every leaf of a request, in the order of declaration. `defaults` supplies the default values.
pub fn fields(schema: &Value, defaults: &Value) -> Vec<Field> {
    let mut out = Vec::new();
    collect(schema, schema, defaults, "", &mut out);
    out
}

/// Names of the fields that hold input paths.
pub fn input_fields(schema: &Value) -> Vec<String> {
    fields(schema, &Value::Null).into_iter().filter(|f| f.kind == FieldKind::Input).map(|f| f.name).collect()
}

/// Sets one field of `request` from text, after the schema: checks name, type, choice and range.
///
/// # Errors
/// Unknown name (with the nearest one) or a value that does not fit.
pub fn set_field(schema: &Value, request: &mut Value, name: &str, text: &str) -> Result<(), RequestError> {
    let known = fields(schema, &Value::Null);
    let Some(field) = known.iter().find(|f| f.name == name) else {
        return Err(RequestError::Unknown { name: name.to_owned(), hint: nearest(name, &known) });
    };
    let value = read_text(field, text)?;
    check_value(field, &value)?;
    let mut place = request;
    for part in name.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(map) = place else {
            return Err(RequestError::Json(format!("{name} is not inside an object")));
        };
        place = map.entry(part.to_owned()).or_insert(Value::Null);
    }
    *place = value;
    Ok(())
}

fn nearest(name: &str, known: &[Field]) -> Option<String> {
    known
        .iter()
        .map(|f| {
            let last = f.name.rsplit('.').next().unwrap_or(&f.name);
            let score = strsim::jaro_winkler(name, &f.name).max(strsim::jaro_winkler(name, last));
            (score, &f.name)
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(score, _)| *score > 0.72)
        .map(|(_, n)| n.clone())
}

fn read_text(field: &Field, text: &str) -> Result<Value, RequestError> {
    let wrong = |problem: String| RequestError::Value { name: field.name.clone(), value: text.to_owned(), problem };
    if field.optional && matches!(text, "" | "null" | "none") {
        return Ok(Value::Null);
    }
    match &field.kind {
        FieldKind::Number { .. } => {
            let number: f64 = text.trim().parse().map_err(|_| wrong(format!("expected a number{}", in_unit(field))))?;
            serde_json::Number::from_f64(number)
                .map(Value::Number)
                .ok_or_else(|| wrong("expected a finite number".into()))
        }
        FieldKind::Integer { .. } => {
            let text = text.trim();
            text.parse::<i64>()
                .map(Value::from)
                .or_else(|_| text.parse::<u64>().map(Value::from))
                .map_err(|_| wrong(format!("expected a whole number{}", in_unit(field))))
        }
        FieldKind::Bool => match text.trim() {
            "true" | "yes" | "1" | "on" => Ok(Value::Bool(true)),
            "false" | "no" | "0" | "off" => Ok(Value::Bool(false)),
            _ => Err(wrong("expected true or false".into())),
        },
        FieldKind::Choice(_) | FieldKind::Input | FieldKind::Text => Ok(Value::String(text.to_owned())),
    }
}

fn in_unit(field: &Field) -> String {
    if field.unit.is_empty() { String::new() } else { format!(" in {}", field.unit) }
}

fn check_value(field: &Field, value: &Value) -> Result<(), RequestError> {
    let wrong = |problem: String| Err(RequestError::Value { name: field.name.clone(), value: plain(value), problem });
    if value.is_null() {
        return if field.optional { Ok(()) } else { wrong("a value is needed".into()) };
    }
    match &field.kind {
        FieldKind::Number { min, max } => {
            let Some(number) = value.as_f64() else { return wrong(format!("expected a number{}", in_unit(field))) };
            if min.is_some_and(|m| number < m) || max.is_some_and(|m| number > m) {
                return wrong(format!("expected {}{}", range_text(*min, *max), in_unit(field)));
            }
        }
        FieldKind::Integer { min, max } => {
            if value.is_u64() && value.as_i64().is_none() {
                return Ok(()); // above i64::MAX: only seeds, which have no upper bound
            }
            let Some(number) = value.as_i64() else {
                return wrong(format!("expected a whole number{}", in_unit(field)));
            };
            if min.is_some_and(|m| number < m) || max.is_some_and(|m| number > m) {
                #[allow(clippy::cast_precision_loss)] // for a message
                return wrong(format!(
                    "expected {}{}",
                    range_text(min.map(|m| m as f64), max.map(|m| m as f64)),
                    in_unit(field)
                ));
            }
        }
        FieldKind::Bool if !value.is_boolean() => return wrong("expected true or false".into()),
        FieldKind::Choice(names) => {
            let text = value.as_str().unwrap_or_default();
            if !names.iter().any(|n| n == text) {
                return wrong(format!("expected one of {}", names.join(", ")));
            }
        }
        FieldKind::Input | FieldKind::Text if !value.is_string() => return wrong("expected text".into()),
        _ => {}
    }
    Ok(())
}

/// Bounds as people write them: `0.05 to 10`, `at least 0`, `1e-30 to 1e30`.
pub fn range_text(min: Option<f64>, max: Option<f64>) -> String {
    let number = |v: f64| if v != 0.0 && !(1e-4..1e7).contains(&v.abs()) { format!("{v:e}") } else { v.to_string() };
    match (min, max) {
        (Some(a), Some(b)) => format!("{} to {}", number(a), number(b)),
        (Some(a), None) => format!("at least {}", number(a)),
        (None, Some(b)) => format!("at most {}", number(b)),
        (None, None) => "any".into(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // 99 rather than 99.0, as it was typed.
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |f| f.to_string()),
        other => other.to_string(),
    }
}

fn lookup<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |v, part| v.get(part))
}

fn check_known(value: &Value, known: &[Field], prefix: &str) -> Result<(), RequestError> {
    let Value::Object(map) = value else {
        return Err(RequestError::Json(format!("expected an object of fields, found {}", plain(value))));
    };
    for (key, inner) in map {
        let path = format!("{prefix}{key}");
        if known.iter().any(|f| f.name == path) {
            continue;
        }
        let group = format!("{path}.");
        if !known.iter().any(|f| f.name.starts_with(&group)) {
            return Err(RequestError::Unknown { hint: nearest(&path, known), name: path });
        }
        check_known(inner, known, &group)?;
    }
    Ok(())
}

fn collect(root: &Value, node: &Value, defaults: &Value, prefix: &str, out: &mut Vec<Field>) {
    let Some(properties) = node.get("properties").and_then(Value::as_object) else { return };
    for (key, raw) in properties {
        let (inner, optional) = resolve(root, raw);
        let name = format!("{prefix}{key}");
        let default = defaults.get(key).unwrap_or(&Value::Null);
        if inner.get("properties").is_some() {
            collect(root, inner, default, &format!("{name}."), out);
            continue;
        }
        let tag = |word: &str| raw.get(word).or_else(|| inner.get(word));
        out.push(Field {
            help: tag("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
            unit: tag("x-unit").and_then(Value::as_str).unwrap_or_default().to_owned(),
            kind: kind_of(raw, inner, root),
            optional,
            logarithmic: tag("x-log").and_then(Value::as_bool).unwrap_or(false),
            default: default.clone(),
            name,
        });
    }
}

/// Follows `$ref` and `anyOf [T, null]`; returns the inner schema and whether null is allowed.
fn resolve<'a>(root: &'a Value, raw: &'a Value) -> (&'a Value, bool) {
    if let Some(target) = raw.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
        return root.pointer(target).map_or((raw, false), |t| resolve(root, t));
    }
    if let Some(any) = raw.get("anyOf").and_then(Value::as_array) {
        let null = any.iter().any(|s| s.get("type").and_then(Value::as_str) == Some("null"));
        if let Some(inner) = any.iter().find(|s| s.get("type").and_then(Value::as_str) != Some("null")) {
            return (resolve(root, inner).0, null);
        }
    }
    let null = raw.get("type").and_then(Value::as_array).is_some_and(|t| t.iter().any(|t| t.as_str() == Some("null")));
    (raw, null)
}

fn kind_of(raw: &Value, inner: &Value, root: &Value) -> FieldKind {
    if raw.get("x-input").and_then(Value::as_bool) == Some(true) {
        return FieldKind::Input;
    }
    let choices = |node: &Value| -> Option<Vec<String>> {
        if let Some(list) = node.get("enum").and_then(Value::as_array) {
            return Some(list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect());
        }
        let list = node.get("oneOf").and_then(Value::as_array)?;
        // Variants with a doc comment are one `const` each; those without stand together in an `enum`.
        let mut names = Vec::new();
        for variant in list {
            let variant = resolve(root, variant).0;
            if let Some(name) = variant.get("const").and_then(Value::as_str) {
                names.push(name.to_owned());
            } else if let Some(together) = variant.get("enum").and_then(Value::as_array) {
                names.extend(together.iter().filter_map(|v| v.as_str().map(str::to_owned)));
            } else {
                return None;
            }
        }
        Some(names)
    };
    if let Some(names) = choices(inner) {
        return FieldKind::Choice(names);
    }
    let is = |word: &str| match inner.get("type") {
        Some(Value::String(t)) => t == word,
        Some(Value::Array(ts)) => ts.iter().any(|t| t.as_str() == Some(word)),
        _ => false,
    };
    let bound = |word: &str| raw.get(word).or_else(|| inner.get(word));
    if is("integer") {
        #[allow(clippy::cast_possible_truncation)] // bounds of integers are written as integers
        let whole = |word: &str| bound(word).and_then(|v| v.as_i64().or_else(|| v.as_f64().map(|f| f as i64)));
        FieldKind::Integer { min: whole("minimum"), max: whole("maximum") }
    } else if is("number") {
        FieldKind::Number {
            min: bound("minimum").and_then(Value::as_f64),
            max: bound("maximum").and_then(Value::as_f64),
        }
    } else if is("boolean") {
        FieldKind::Bool
    } else {
        FieldKind::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({"properties": {
            "seed": {"type": "integer", "minimum": 0},
            "image": {"type": ["string", "null"], "x-input": true},
            "lens": {"$ref": "#/$defs/Lens"},
            "method": {"$ref": "#/$defs/Method"},
        }, "$defs": {
            "Lens": {"properties": {"einstein_radius_arcsec": {"type": "number", "minimum": 0.05, "maximum": 20.0, "x-unit": "arcsec"}}},
            "Method": {"oneOf": [{"const": "parametric"}, {"enum": ["rim"]}]},
        }})
    }

    #[test]
    fn leaves_are_found_through_references() {
        let names: Vec<_> = fields(&schema(), &Value::Null).into_iter().map(|f| (f.name, f.kind)).collect();
        assert_eq!(names[1], ("image".into(), FieldKind::Input));
        assert_eq!(
            names[2],
            ("lens.einstein_radius_arcsec".into(), FieldKind::Number { min: Some(0.05), max: Some(20.0) })
        );
        assert_eq!(names[3].1, FieldKind::Choice(vec!["parametric".into(), "rim".into()]));
    }

    #[test]
    fn a_misspelt_field_gets_its_neighbour_and_a_bad_value_its_range() {
        let mut request = json!({});
        let error = set_field(&schema(), &mut request, "einstein_radius", "1").unwrap_err();
        assert_eq!(error.to_string(), "einstein_radius: no such field; did you mean lens.einstein_radius_arcsec?");
        let error = set_field(&schema(), &mut request, "lens.einstein_radius_arcsec", "99").unwrap_err();
        assert_eq!(error.to_string(), "lens.einstein_radius_arcsec = 99: expected 0.05 to 20 in arcsec");
        set_field(&schema(), &mut request, "lens.einstein_radius_arcsec", "1.5e0").unwrap();
        assert_eq!(request, json!({"lens": {"einstein_radius_arcsec": 1.5}}));
        let error = set_field(&schema(), &mut request, "method", "magic").unwrap_err();
        assert_eq!(error.to_string(), "method = magic: expected one of parametric, rim");
    }
}
