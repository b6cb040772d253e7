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
    /// A real number within bounds. A bound that is itself excluded stands here as the next number inside (see [`Field::open`]).
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
    /// A list, a variant with fields of its own, or a map: written and read as JSON, e.g. `[1, 2, 3]`.
    Json,
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
    /// There is no run without it, though the type would let it be left out.
    pub needed: bool,
    /// Whether the bounds of a [`FieldKind::Number`], least and greatest, are themselves excluded.
    pub open: [bool; 2],
    /// A slider should move in the logarithm.
    pub logarithmic: bool,
    /// Where a number that may be left out begins when it is given.
    pub start: Option<f64>,
    /// Default value.
    pub default: Value,
}

impl Field {
    /// The bounds as people write them, e.g. `0.05 to 10` or `more than 0`; `None` for what has none.
    pub fn range(&self) -> Option<String> {
        match self.kind {
            FieldKind::Number { min: None, max: None } | FieldKind::Integer { min: None, max: None } => None,
            FieldKind::Number { min, max } => {
                let edges = [min.filter(|_| self.open[0]), max.filter(|_| self.open[1])];
                Some(match (edges, min, max) {
                    ([None, None], ..) => range_text(min, max),
                    // The bound that was declared lies one step outside the one that is checked.
                    ([Some(above), None], _, None) => format!("more than {}", number(above.next_down())),
                    ([None, Some(below)], None, _) => format!("less than {}", number(below.next_up())),
                    ([above, below], _, _) => {
                        let least = match above {
                            Some(above) => format!("more than {}", number(above.next_down())),
                            None => range_text(min, None),
                        };
                        let greatest = match below {
                            Some(below) => format!("less than {}", number(below.next_up())),
                            None => range_text(None, max),
                        };
                        format!("{least} and {greatest}")
                    }
                })
            }
            #[allow(clippy::cast_precision_loss)] // for reading
            FieldKind::Integer { min, max } => Some(range_text(min.map(|m| m as f64), max.map(|m| m as f64))),
            _ => None,
        }
    }
}

/// Reads a request, with an error that names the field.
pub(super) fn parse<T: Task>(value: &Value) -> Result<T, RequestError> {
    let schema = schemars::schema_for!(T).to_value();
    check(&schema, value)?;
    serde_json::from_value(value.clone()).map_err(|e| RequestError::Json(e.to_string()))
}

/// Every field is known and every value fits its field.
fn check(schema: &Value, value: &Value) -> Result<(), RequestError> {
    let known = Known::of(schema, &Value::Null);
    check_known(value, &known, "")?;
    for field in &known.fields {
        if let Some(found) = lookup(value, &field.name) {
            check_value(field, found)?;
        }
    }
    Ok(())
}

/// Every leaf of a request, in the order of declaration. `defaults` supplies the default values.
pub fn fields(schema: &Value, defaults: &Value) -> Vec<Field> {
    Known::of(schema, defaults).fields
}

/// What a schema knows: the leaves, and the groups of leaves that may be left out together.
#[derive(Default)]
struct Known {
    fields: Vec<Field>,
    optional_groups: Vec<String>,
}

impl Known {
    fn of(schema: &Value, defaults: &Value) -> Self {
        let mut known = Self::default();
        collect(schema, schema, defaults, "", &mut known);
        known
    }

    /// The name most like `name`, if one is near.
    fn nearest(&self, name: &str) -> Option<String> {
        nearest(name, self.fields.iter().map(|f| f.name.as_str())).map(str::to_owned)
    }
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
    let known = Known::of(schema, &Value::Null);
    let value = if let Some(field) = known.fields.iter().find(|f| f.name == name) {
        let value = read_text(field, text)?;
        check_value(field, &value)?;
        value
    } else if is_nothing(text) && known.optional_groups.iter().any(|group| group == name) {
        Value::Null
    } else {
        return Err(RequestError::Unknown { name: name.to_owned(), hint: known.nearest(name) });
    };
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

/// The name most like `name`, if one is near: by common letters, or (for short words) by the number of slips.
/// A dotted name may be meant by its last part.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |to: &str| {
        let (letters, slips) = (strsim::jaro_winkler(name, to), strsim::normalized_damerau_levenshtein(name, to));
        (letters > 0.72 || slips > 0.6).then_some(letters.max(slips))
    };
    let best = |to: &str| {
        let last = to.rsplit('.').next().and_then(likeness);
        [likeness(to), last].into_iter().flatten().max_by(f64::total_cmp)
    };
    known.filter_map(|k| Some((best(k)?, k))).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, k)| k)
}

/// Text that leaves a field out.
fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "null" | "none")
}

fn read_text(field: &Field, text: &str) -> Result<Value, RequestError> {
    let wrong = |problem: String| RequestError::Value { name: field.name.clone(), value: text.to_owned(), problem };
    if field.optional && is_nothing(text) {
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
        FieldKind::Json => serde_json::from_str(text)
            .map_err(|e| wrong(format!("expected JSON such as [1, 2, 3], {{\"a\": 1}} or \"a\" ({e})"))),
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
                return wrong(outside(field));
            }
        }
        FieldKind::Integer { min, max } => {
            // i128 holds every integer of JSON; those above i64::MAX pass only where nothing bounds them (seeds).
            let whole = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
            let Some(number) = whole else { return wrong(format!("expected a whole number{}", in_unit(field))) };
            if min.is_some_and(|m| number < m.into()) || max.is_some_and(|m| number > m.into()) {
                return wrong(outside(field));
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

fn outside(field: &Field) -> String {
    format!("expected {}{}", field.range().unwrap_or_default(), in_unit(field))
}

/// A bound, with every digit that it has.
fn number(value: f64) -> String {
    if value != 0.0 && !(1e-4..1e7).contains(&value.abs()) { format!("{value:e}") } else { value.to_string() }
}

/// Bounds as people write them: `0.05 to 10`, `at least 0`, `1e-30 to 1e30`.
pub fn range_text(min: Option<f64>, max: Option<f64>) -> String {
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
        // 99 rather than 99.0, as it was typed; integers with all their digits.
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or_else(|| number.to_string(), |f| f.to_string())
        }
        other => other.to_string(),
    }
}

fn lookup<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |v, part| v.get(part))
}

fn check_known(value: &Value, known: &Known, prefix: &str) -> Result<(), RequestError> {
    let Value::Object(map) = value else {
        return Err(RequestError::Json(format!("expected an object of fields, found {}", plain(value))));
    };
    for (key, inner) in map {
        let path = format!("{prefix}{key}");
        let left_out = inner.is_null() && known.optional_groups.contains(&path);
        if left_out || known.fields.iter().any(|f| f.name == path) {
            continue;
        }
        let group = format!("{path}.");
        if !known.fields.iter().any(|f| f.name.starts_with(&group)) {
            return Err(RequestError::Unknown { hint: known.nearest(&path), name: path });
        }
        check_known(inner, known, &group)?;
    }
    Ok(())
}

fn collect(root: &Value, node: &Value, defaults: &Value, prefix: &str, out: &mut Known) {
    let Some(properties) = node.get("properties").and_then(Value::as_object) else { return };
    for (key, raw) in properties {
        let (inner, optional) = resolve(root, raw);
        let name = format!("{prefix}{key}");
        let default = defaults.get(key).unwrap_or(&Value::Null);
        if inner.get("properties").is_some() {
            if optional {
                out.optional_groups.push(name.clone());
            }
            collect(root, inner, default, &format!("{name}."), out);
            continue;
        }
        let tag = |word: &str| raw.get(word).or_else(|| inner.get(word));
        let (kind, open) = kind_of(raw, inner, root);
        out.fields.push(Field {
            help: tag("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
            unit: tag("x-unit").and_then(Value::as_str).unwrap_or_default().to_owned(),
            kind,
            optional,
            needed: tag("x-needed").and_then(Value::as_bool).unwrap_or(false),
            open,
            logarithmic: tag("x-log").and_then(Value::as_bool).unwrap_or(false),
            start: tag("x-start").and_then(Value::as_f64),
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

/// What a leaf holds, and which of its bounds are excluded.
fn kind_of(raw: &Value, inner: &Value, root: &Value) -> (FieldKind, [bool; 2]) {
    if raw.get("x-input").and_then(Value::as_bool) == Some(true) {
        return (FieldKind::Input, [false; 2]);
    }
    if let Some(names) = choices(inner, root) {
        return (FieldKind::Choice(names), [false; 2]);
    }
    let is = |word: &str| match inner.get("type") {
        Some(Value::String(t)) => t == word,
        Some(Value::Array(ts)) => ts.iter().any(|t| t.as_str() == Some(word)),
        _ => false,
    };
    let bound = |word: &str| raw.get(word).or_else(|| inner.get(word));
    if is("integer") {
        (integer(bound), [false; 2])
    } else if is("number") {
        let real = |word: &str| bound(word).and_then(Value::as_f64);
        let (least, above) = (real("minimum"), real("exclusiveMinimum").map(f64::next_up));
        let (greatest, below) = (real("maximum"), real("exclusiveMaximum").map(f64::next_down));
        let open =
            [above.is_some_and(|a| least.is_none_or(|l| a > l)), below.is_some_and(|b| greatest.is_none_or(|g| b < g))];
        let min = if open[0] { above } else { least };
        let max = if open[1] { below } else { greatest };
        (FieldKind::Number { min, max }, open)
    } else if is("boolean") {
        (FieldKind::Bool, [false; 2])
    } else if is("string") {
        (FieldKind::Text, [false; 2])
    } else {
        (FieldKind::Json, [false; 2])
    }
}

/// The names of a plain enum; `None` for everything else, variants with fields included.
fn choices(node: &Value, root: &Value) -> Option<Vec<String>> {
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
}

/// A whole number whose bounds are the tighter of the included and the excluded ones. A bound beyond i64 bounds nothing that a request can hold.
fn integer<'a>(bound: impl Fn(&str) -> Option<&'a Value>) -> FieldKind {
    #[allow(clippy::cast_possible_truncation)] // the range is looked at first
    let whole = |word: &str| {
        let value = bound(word)?;
        let fits = |f: &f64| f.abs() < 9.2e18;
        value.as_i64().or_else(|| value.as_f64().filter(fits).map(|f| f as i64))
    };
    let above = whole("exclusiveMinimum").and_then(|v| v.checked_add(1));
    let below = whole("exclusiveMaximum").and_then(|v| v.checked_sub(1));
    FieldKind::Integer {
        min: [whole("minimum"), above].into_iter().flatten().max(),
        max: [whole("maximum"), below].into_iter().flatten().min(),
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

    fn wide() -> Value {
        json!({"properties": {
            "seed": {"type": "integer", "minimum": 0},
            "pixels": {"type": "integer", "minimum": 1, "maximum": 512},
            "order": {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10},
            "noise": {"type": "number", "exclusiveMinimum": 0.0, "maximum": 1.0},
            "image": {"type": ["string", "null"], "x-input": true, "x-needed": true},
            "k_values": {"type": "array", "items": {"type": "number"}},
            "shape": {"oneOf": [
                {"type": "object", "properties": {"kind": {"const": "disc"}, "radius": {"type": "number"}}},
                {"type": "object", "properties": {"kind": {"const": "point"}}},
            ]},
            "truth": {"anyOf": [{"$ref": "#/$defs/Truth"}, {"type": "null"}]},
            "noise_model": {"$ref": "#/$defs/Truth"},
        }, "$defs": {"Truth": {"properties": {"mass": {"type": "number"}}}}})
    }

    fn refused(name: &str, text: &str) -> String {
        set_field(&wide(), &mut json!({}), name, text).unwrap_err().to_string()
    }

    #[test]
    fn a_whole_number_of_any_size_keeps_to_its_bounds() {
        assert_eq!(refused("pixels", "18446744073709551615"), "pixels = 18446744073709551615: expected 1 to 512");
        let error = check(&wide(), &json!({"pixels": u64::MAX})).unwrap_err();
        assert_eq!(error.to_string(), "pixels = 18446744073709551615: expected 1 to 512");
        let mut request = json!({});
        set_field(&wide(), &mut request, "seed", "18446744073709551615").unwrap();
        assert_eq!(request, json!({"seed": u64::MAX}));
        check(&wide(), &request).unwrap();
        assert_eq!(refused("seed", "-1"), "seed = -1: expected at least 0");
    }

    #[test]
    fn excluded_bounds_are_excluded() {
        assert_eq!(refused("noise", "0"), "noise = 0: expected more than 0 and at most 1");
        assert_eq!(refused("order", "0"), "order = 0: expected 1 to 9");
        assert_eq!(refused("order", "10"), "order = 10: expected 1 to 9");
        let mut request = json!({});
        set_field(&wide(), &mut request, "noise", "1e-300").unwrap();
        set_field(&wide(), &mut request, "noise", "1").unwrap();
        set_field(&wide(), &mut request, "order", "9").unwrap();
    }

    #[test]
    fn a_group_that_may_be_left_out_may_be_null_and_no_other() {
        check(&wide(), &json!({"truth": null, "seed": 1})).unwrap();
        check(&wide(), &json!({"truth": {"mass": 2.0}})).unwrap();
        assert!(check(&wide(), &json!({"noise_model": null})).is_err());
        let mut request = json!({"truth": {"mass": 2.0}});
        set_field(&wide(), &mut request, "truth", "none").unwrap();
        assert_eq!(request, json!({"truth": null}));
        assert!(refused("noise_model", "none").starts_with("noise_model: no such field"));
    }

    #[test]
    fn lists_and_variants_are_json() {
        let mut request = json!({});
        set_field(&wide(), &mut request, "k_values", "[1, 2.5,3]").unwrap();
        set_field(&wide(), &mut request, "shape", r#"{"kind": "disc", "radius": 2}"#).unwrap();
        assert_eq!(request, json!({"k_values": [1, 2.5, 3], "shape": {"kind": "disc", "radius": 2}}));
        check(&wide(), &request).unwrap();
        assert!(refused("k_values", "1, 2").starts_with("k_values = 1, 2: expected JSON such as [1, 2, 3]"));
        let found = fields(&wide(), &json!({"k_values": [1, 2]}));
        let list = found.iter().find(|f| f.name == "k_values").unwrap();
        assert_eq!((&list.kind, &list.default), (&FieldKind::Json, &json!([1, 2])));
        let needed: Vec<_> = found.iter().filter(|f| f.needed).map(|f| f.name.as_str()).collect();
        assert_eq!(needed, ["image"]);
    }

    #[test]
    fn the_nearest_name_is_found_or_none() {
        let known = ["lens_reconstruction.fit", "line_ratios.fit"];
        assert_eq!(nearest("lens_reconstuction.fit", known.into_iter()), Some("lens_reconstruction.fit"));
        assert_eq!(nearest("zzz", known.into_iter()), None);
        assert_eq!(nearest("rnu", ["list", "run"].into_iter()), Some("run"));
        assert_eq!(
            nearest("einstein_radus", ["seed", "lens.einstein_radius"].into_iter()),
            Some("lens.einstein_radius")
        );
    }
}
