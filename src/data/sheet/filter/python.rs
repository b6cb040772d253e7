//! A filter as a numpy expression for an astropy table.

use super::{Number, Pattern, Place, Relation, RowFilter, Truth, Word};
use crate::data::sheet::Sheet;

impl RowFilter {
    /// The expression that is true for the rows that pass, of an astropy table named `table`, with numpy as `np` (and
    /// `fnmatch` imported where a pattern has `*` or `?`).
    pub fn python(&self, sheet: &Sheet) -> String {
        truth(&self.root, sheet)
    }
}

fn truth(of: &Truth, sheet: &Sheet) -> String {
    match of {
        Truth::And(a, b) => format!("({} & {})", truth(a, sheet), truth(b, sheet)),
        Truth::Or(a, b) => format!("({} | {})", truth(a, sheet), truth(b, sheet)),
        Truth::Not(a) => format!("~{}", truth(a, sheet)),
        Truth::Column(place) => format!("(np.asarray({}) == True)", column(*place, sheet)),
        Truth::IsNull(place) => {
            let name = column(*place, sheet);
            let words = sheet.columns.get(place.column).is_some_and(super::super::SheetColumn::is_text);
            if words {
                format!("(np.char.strip(np.asarray({name}, dtype=str)) == \"\")")
            } else {
                format!("np.isnan(np.ma.filled(np.ma.asarray({name}, dtype=float), np.nan))")
            }
        }
        Truth::Numbers(relation, a, b) => compared(*relation, &number(a, sheet), &number(b, sheet)),
        Truth::Exact(relation, place, n) => compared(*relation, &column(*place, sheet), &n.to_string()),
        Truth::Words(relation, a, b) => {
            let mut all = vec![format!("({} {} {})", word(a, sheet), sign(*relation), word(b, sheet))];
            // An empty word is no value: it is neither equal to another nor unlike it.
            all.extend(
                [a, b]
                    .into_iter()
                    .filter(|w| matches!(w, Word::Column(_)))
                    .map(|w| format!("({} != \"\")", word(w, sheet))),
            );
            format!("({})", all.join(" & "))
        }
        Truth::Like(place, pattern) => {
            let name = column(*place, sheet);
            match pattern {
                Pattern::Contains(text) => {
                    format!("(np.char.find(np.char.lower(np.asarray({name}, dtype=str)), {}) >= 0)", quoted(text))
                }
                Pattern::Whole(pattern) => {
                    let pattern: String = pattern.iter().collect();
                    // A bracket is a plain sign here and a set of signs there.
                    let pattern = pattern.replace('[', "[[]");
                    format!(
                        "np.array([fnmatch.fnmatchcase(s.strip().lower(), {}) for s in np.asarray({name}, dtype=str)])",
                        quoted(&pattern)
                    )
                }
            }
        }
    }
}

/// A comparison of numbers. Unequal is less or greater: what has no value (NaN) is neither.
fn compared(relation: Relation, a: &str, b: &str) -> String {
    if relation == Relation::Unequal {
        format!("(({a} < {b}) | ({a} > {b}))")
    } else {
        format!("({a} {} {b})", sign(relation))
    }
}

fn sign(of: Relation) -> &'static str {
    match of {
        Relation::Equal => "==",
        Relation::Unequal => "!=",
        Relation::Less => "<",
        Relation::LessOrEqual => "<=",
        Relation::Greater => ">",
        Relation::GreaterOrEqual => ">=",
    }
}

fn number(of: &Number, sheet: &Sheet) -> String {
    match of {
        // In brackets, because a power binds stronger than a sign.
        Number::Constant(x) if x.is_finite() && x.is_sign_negative() => format!("({x:?})"),
        Number::Constant(x) if x.is_finite() => format!("{x:?}"),
        Number::Constant(x) => format!("float(\"{x}\")"),
        Number::Column(place) => column(*place, sheet),
        Number::Negative(a) => format!("(-{})", number(a, sheet)),
        Number::Pair(sign, a, b) => {
            let sign = if *sign == '^' { "**".to_owned() } else { sign.to_string() };
            format!("({} {sign} {})", number(a, sheet), number(b, sheet))
        }
        Number::Function(name, _, a) => format!("np.{name}({})", number(a, sheet)),
    }
}

fn word(of: &Word, sheet: &Sheet) -> String {
    match of {
        Word::Constant(text) => quoted(text),
        Word::Column(place) => format!("np.char.strip(np.asarray({}, dtype=str))", column(*place, sheet)),
    }
}

/// Plain values without the unit, which would refuse to be compared with a number.
fn column(place: Place, sheet: &Sheet) -> String {
    let Some(column) = sheet.columns.get(place.column) else { return "None".into() };
    let name = format!("table[{}].data", quoted(&column.data.name));
    if column.data.ends.is_some() {
        format!("np.array([row[{0}] if len(row) > {0} else np.nan for row in {name}])", place.element)
    } else if column.is_scalar() {
        name
    } else {
        format!("{name}.reshape(len(table), -1)[:, {}]", place.element)
    }
}

/// JSON strings are Python strings.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Table, TableColumn};

    #[test]
    fn filters_become_numpy() {
        let sheet = Sheet::from_table(
            "t",
            Table::new(vec![
                TableColumn::new("flux", "Jy", vec![1.0]),
                TableColumn::new("id", "", vec![1_i64]),
                TableColumn::new("name", "", vec!["a".to_owned()]),
            ]),
        );
        let python = |text: &str| RowFilter::parse(text, &sheet).unwrap().unwrap().python(&sheet);
        assert_eq!(
            python("flux > 1e-3 and not id == 7"),
            "((table[\"flux\"].data > 0.001) & ~(table[\"id\"].data == 7))"
        );
        assert_eq!(python("log10(flux)^2 < 1"), "((np.log10(table[\"flux\"].data) ** 2.0) < 1.0)");
        assert_eq!(python("(-flux)^2 < 1"), "(((-table[\"flux\"].data) ** 2.0) < 1.0)");
        assert_eq!(python("flux != 3"), "((table[\"flux\"].data < 3.0) | (table[\"flux\"].data > 3.0))");
        assert!(python("name != \"M13\"").ends_with("!= \"\"))"), "{}", python("name != \"M13\""));
        assert!(python("name ~ M13").contains("np.char.find(") && python("name ~ M13").contains("\"m13\""));
        assert!(python("name ~ \"m*\"").contains("fnmatch"));
        assert!(python("isnull(flux)").starts_with("np.isnan("));
    }
}
