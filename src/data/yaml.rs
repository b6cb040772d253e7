//! The part of YAML that ECSV headers use: block mappings and lists, flow `{...}` and `[...]`, quoted and plain words.
//! Tags such as `!!omap` are skipped. Anything else is kept as text. Numbers, booleans and null become such.

use serde_json::{Map, Value};

/// Depth at which nesting is given up: headers use three levels.
const DEPTH: usize = 16;

/// Understands a text; never fails, what makes no sense becomes a string.
pub(super) fn parse(text: &str) -> Value {
    let lines: Vec<Line> = text.lines().filter_map(Line::new).filter(|l| l.text != "---").collect();
    block(&lines, 0)
}

/// A line that is not empty: its indentation and the rest.
#[derive(Clone)]
struct Line {
    indent: usize,
    text: String,
}

impl Line {
    fn new(line: &str) -> Option<Self> {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        (!text.is_empty() && !text.starts_with('#')).then(|| Self { indent, text: text.to_owned() })
    }
}

fn block(lines: &[Line], depth: usize) -> Value {
    let Some(first) = lines.first() else { return Value::Null };
    if depth > DEPTH {
        return scalar(&joined(lines));
    }
    if is_item(&first.text) {
        return Value::Array(
            split(lines, |line| line.indent <= first.indent && is_item(&line.text))
                .map(|part| item(part, depth))
                .collect(),
        );
    }
    if !first.text.starts_with(['{', '[', '"', '\'']) && split_key(&first.text).is_some() {
        let mut map = Map::new();
        // List items may stand as deep as the key they belong to; only a line that is no item begins a new key.
        for part in split(lines, |line| line.indent <= first.indent && !is_item(&line.text)) {
            if let Some((key, rest)) = part.first().and_then(|line| split_key(&line.text)) {
                map.insert(key, after_key(rest, &part[1..], depth));
            }
        }
        return Value::Object(map);
    }
    flow_or_scalar(&joined(lines))
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

fn joined(lines: &[Line]) -> String {
    lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// Cuts before every line that `begins` a new part.
fn split<'a>(lines: &'a [Line], begins: impl Fn(&Line) -> bool + 'a) -> impl Iterator<Item = &'a [Line]> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        let length = rest.iter().skip(1).position(&begins).map_or(rest.len(), |i| i + 1);
        let (part, later) = rest.split_at(length);
        rest = later;
        (!part.is_empty()).then_some(part)
    })
}

/// One `- ...` item: what stands behind the dash is indented as deep as it stands.
fn item(part: &[Line], depth: usize) -> Value {
    let Some((first, more)) = part.split_first() else { return Value::Null };
    let behind = first.text.get(1..).unwrap_or("").trim_start();
    let mut lines = Vec::with_capacity(part.len());
    if !behind.is_empty() {
        let indent = first.indent + first.text.len() - behind.len();
        lines.push(Line { indent, text: behind.to_owned() });
    }
    lines.extend_from_slice(more);
    block(&lines, depth + 1)
}

fn after_key(rest: &str, more: &[Line], depth: usize) -> Value {
    let rest = without_tag(rest);
    if rest.is_empty() {
        return block(more, depth + 1);
    }
    let mut text = rest.to_owned();
    for line in more {
        text.push(' ');
        text.push_str(&line.text);
    }
    flow_or_scalar(&text)
}

/// `key: rest` or `key:`; the key may be quoted.
fn split_key(text: &str) -> Option<(String, &str)> {
    let at = text.find(": ").or_else(|| text.ends_with(':').then(|| text.len() - 1))?;
    let key = text.get(..at)?.trim().trim_matches(['"', '\'']);
    Some((key.to_owned(), text.get(at + 1..)?.trim()))
}

fn without_tag(text: &str) -> &str {
    match text.strip_prefix('!') {
        Some(tag) => tag.split_once(' ').map_or("", |(_, rest)| rest.trim_start()),
        None => text,
    }
}

fn flow_or_scalar(text: &str) -> Value {
    let text = without_tag(text.trim());
    if text.starts_with(['{', '[', '"', '\'']) { Flow { rest: text }.value(0) } else { scalar(text) }
}

/// A plain word.
fn scalar(text: &str) -> Value {
    let text = text.trim();
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => {
            let number_like = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
            let integer = text.parse::<i64>().ok().map(Value::from);
            let float = || text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Value::Number);
            let number = if number_like { integer.or_else(float) } else { None };
            number.unwrap_or_else(|| Value::String(text.to_owned()))
        }
    }
}

/// Reads `{a: 1, b: [x, 'y']}`.
struct Flow<'a> {
    rest: &'a str,
}

impl<'a> Flow<'a> {
    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, c: char) -> bool {
        self.skip_spaces();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        self.skip_spaces();
        if let Some(tag) = self.rest.strip_prefix('!') {
            let end = tag.find([' ', ',', '}', ']']).unwrap_or(tag.len());
            self.rest = tag.get(end..).unwrap_or("");
            self.skip_spaces();
        }
        if depth > DEPTH {
            return scalar(self.plain(&[',', '}', ']']));
        }
        if self.eat('{') {
            let mut map = Map::new();
            while !self.rest.is_empty() && !self.eat('}') {
                let key = self.word(&[':', ',', '}']);
                let value = if self.eat(':') { self.value(depth + 1) } else { Value::Null };
                map.insert(key, value);
                if !self.eat(',') && !self.at('}') {
                    break;
                }
            }
            return Value::Object(map);
        }
        if self.eat('[') {
            let mut list = Vec::new();
            while !self.rest.is_empty() && !self.eat(']') {
                list.push(self.value(depth + 1));
                if !self.eat(',') && !self.at(']') {
                    break;
                }
            }
            return Value::Array(list);
        }
        match self.quoted() {
            Some(text) => Value::String(text),
            None if depth == 0 => scalar(std::mem::take(&mut self.rest)),
            None => scalar(self.plain(&[',', '}', ']'])),
        }
    }

    fn at(&mut self, c: char) -> bool {
        self.skip_spaces();
        self.rest.starts_with(c)
    }

    fn word(&mut self, ends: &[char]) -> String {
        self.skip_spaces();
        self.quoted().unwrap_or_else(|| self.plain(ends).trim().to_owned())
    }

    fn plain(&mut self, ends: &[char]) -> &'a str {
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        text
    }

    /// `'it''s'` or `"a\"b"`, if one stands here.
    fn quoted(&mut self) -> Option<String> {
        let quote = self.rest.chars().next().filter(|&c| c == '"' || c == '\'')?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1).peekable();
        let mut end = self.rest.len();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                if quote == '\'' && chars.peek().is_some_and(|&(_, next)| next == '\'') {
                    chars.next();
                } else {
                    end = at + 1;
                    break;
                }
            } else if c == '\\' && quote == '"' {
                // JSON's escapes are YAML's most used ones, so that serde_json can undo them after the quote is found.
                text.push('\\');
                if let Some((_, next)) = chars.next() {
                    text.push(next);
                }
                continue;
            }
            text.push(c);
        }
        self.rest = self.rest.get(end..).unwrap_or("");
        if quote == '"' && text.contains('\\') {
            text = serde_json::from_str(&format!("\"{text}\"")).unwrap_or(text);
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_astropy_writes() {
        let text = "---\ndatatype:\n- {name: a, unit: m / s, datatype: float64, format: '%5.2f',\n  description: 'it''s, here'}\n\
                    - {name: b, datatype: string}\nmeta: !!omap\n- {x: 1}\n- keywords:\n    - {z: \"q\\n\\u00e5\"}\n\
                    - comments: [one, 2.5, true, null]\nschema: astropy-2.0";
        assert_eq!(
            parse(text),
            json!({
                "datatype": [
                    {"name": "a", "unit": "m / s", "datatype": "float64", "format": "%5.2f", "description": "it's, here"},
                    {"name": "b", "datatype": "string"},
                ],
                "meta": [{"x": 1}, {"keywords": [{"z": "q\nå"}]}, {"comments": ["one", 2.5, true, null]}],
                "schema": "astropy-2.0",
            })
        );
    }

    #[test]
    fn block_items_and_tags() {
        let text = "datatype:\n  -\n    name: a\n    datatype: int64\n  - name: b\n    unit: !astropy.units.Unit {unit: km}\n\
                    delimiter: ','";
        assert_eq!(
            parse(text),
            json!({"datatype": [{"name": "a", "datatype": "int64"}, {"name": "b", "unit": {"unit": "km"}}], "delimiter": ","})
        );
    }

    #[test]
    fn rubbish_ends() {
        for text in
            ["", "{", "[", "{a", "{a:", "[,", "'", "\"\\", "- - - -", "!", "a: !", ": :", "{a: [}", "- {", "[[[}"]
        {
            let _ = parse(text);
        }
        let _ = parse(&"[".repeat(100_000));
        let _ = parse(&"- ".repeat(100_000));
        let _ = parse(&"{a: ".repeat(100_000));
    }
}
