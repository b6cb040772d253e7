//! One card of a header: keyword, value, comment (FITS standard 4.0, sections 4.1 and 4.2).

/// The value of a keyword.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string, trailing spaces removed.
    Text(String),
    /// An integer that fits 64 bits.
    Integer(i64),
    /// A floating-point number; also an integer too long for 64 bits.
    Float(f64),
    /// T or F.
    Logical(bool),
    /// Real and imaginary part.
    Complex(f64, f64),
    /// A keyword with an empty value field.
    Undefined,
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Integer(n) => write!(f, "{n}"),
            Self::Float(x) => write!(f, "{x:?}"),
            Self::Logical(b) => f.write_str(if *b { "T" } else { "F" }),
            Self::Complex(re, im) => write!(f, "({re:?}, {im:?})"),
            Self::Undefined => f.write_str("(empty)"),
        }
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Integer(i64::from(value))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Logical(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

/// One card.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Keyword in capitals; of a HIERARCH card the words behind `HIERARCH`.
    pub keyword: String,
    /// The value; `None` on commentary cards.
    pub value: Option<Value>,
    /// Comment; on commentary cards the text.
    pub comment: String,
}

/// Understands a card of at most 80 bytes, with a warning where it had to guess.
pub(super) fn parse(raw: &[u8]) -> (Card, Option<String>) {
    // Each byte becomes one char (Latin-1), so that positions in the card stay positions in `text`.
    let chars: Vec<char> = raw.iter().map(|&b| if b == 0 { ' ' } else { char::from(b) }).collect();
    let field = |range: std::ops::Range<usize>| -> String {
        chars.get(range.start..range.end.min(chars.len())).unwrap_or(&[]).iter().collect()
    };
    let written = field(0..8);
    let rest = field(8..chars.len());
    let keyword = written.trim().to_ascii_uppercase();
    let mut warning = None;
    if keyword != written.trim() {
        warning = Some(format!("keyword {} is not in capitals", written.trim()));
    }
    match keyword.as_str() {
        "COMMENT" | "HISTORY" | "" => (commentary(keyword, &rest), warning),
        "CONTINUE" => {
            let (value, comment, odd) = parse_value(&rest);
            (Card { keyword, value: Some(value), comment }, warning.or(odd.map(|o| format!("CONTINUE: {o}"))))
        }
        "HIERARCH" => match split_equals(&rest) {
            Some((name, value)) => {
                let (value, comment, odd) = parse_value(value);
                let keyword = name.trim().to_ascii_uppercase();
                let warning = warning.or(odd.map(|o| format!("{keyword}: {o}")));
                (Card { keyword, value: Some(value), comment }, warning)
            }
            None => (commentary(keyword, &rest), warning),
        },
        _ => match rest.strip_prefix('=') {
            Some(value) => {
                if !value.starts_with(' ') && !value.is_empty() {
                    warning = warning.or(Some(format!("{keyword}: no space behind the ="))); // met in hand-made headers
                }
                let (value, comment, odd) = parse_value(value);
                let warning = warning.or(odd.map(|o| format!("{keyword}: {o}")));
                (Card { keyword, value: Some(value), comment }, warning)
            }
            None => parse_misplaced(keyword, &written, &rest, warning),
        },
    }
}

/// A card whose `=` is not in column 9: taken as keyword and value when the part before it could be a keyword.
fn parse_misplaced(keyword: String, written: &str, rest: &str, warning: Option<String>) -> (Card, Option<String>) {
    let text = format!("{written}{rest}");
    if let Some((name, value)) = split_equals(&text) {
        let name = name.trim();
        let like_a_keyword = !name.is_empty()
            && name.len() <= 40
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.');
        if like_a_keyword {
            let (value, comment, _) = parse_value(value);
            let keyword = name.to_ascii_uppercase();
            let warning = format!("{keyword}: the = is not in column 9");
            return (Card { keyword, value: Some(value), comment }, Some(warning));
        }
    }
    (commentary(keyword, rest), warning)
}

fn commentary(keyword: String, text: &str) -> Card {
    Card { keyword, value: None, comment: text.trim_end().to_owned() }
}

fn split_equals(text: &str) -> Option<(&str, &str)> {
    let at = text.find('=')?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Splits the text behind `=` into value and comment, with a warning where it had to guess.
fn parse_value(text: &str) -> (Value, String, Option<String>) {
    let text = text.trim_start();
    if let Some(quoted) = text.strip_prefix('\'') {
        return parse_string(quoted);
    }
    let (token, comment) = text.split_once('/').unwrap_or((text, ""));
    let token = token.trim();
    let comment = comment.trim().to_owned();
    let value = match token {
        "" => Value::Undefined,
        "T" | "t" => Value::Logical(true),
        "F" | "f" => Value::Logical(false),
        _ => match parse_number(token) {
            Some(value) => value,
            None => {
                let warning = format!("{token} stands without quotes and is no number; taken as text");
                return (Value::Text(token.to_owned()), comment, Some(warning));
            }
        },
    };
    (value, comment, None)
}

/// Reads a string up to its closing quote; two quotes stand for one.
fn parse_string(quoted: &str) -> (Value, String, Option<String>) {
    let mut text = String::new();
    let mut chars = quoted.chars().peekable();
    let mut closed = false;
    while let Some(c) = chars.next() {
        if c != '\'' {
            text.push(c);
        } else if chars.peek() == Some(&'\'') {
            text.push('\'');
            chars.next();
        } else {
            closed = true;
            break;
        }
    }
    let rest: String = chars.collect();
    let comment = rest.trim_start().trim_start_matches('/').trim().to_owned();
    text.truncate(text.trim_end().len());
    let warning = (!closed).then(|| "the closing quote is missing".to_owned());
    (Value::Text(text), comment, warning)
}

fn parse_number(token: &str) -> Option<Value> {
    if let Ok(n) = token.parse::<i64>() {
        return Some(Value::Integer(n));
    }
    if let Some(inside) = token.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        let (re, im) = inside.split_once(',')?;
        return Some(Value::Complex(parse_float(re.trim())?, parse_float(im.trim())?));
    }
    parse_float(token).map(Value::Float)
}

/// A number with E or D (or e, d) before the exponent.
pub(super) fn parse_float(token: &str) -> Option<f64> {
    if token.contains(['D', 'd']) { token.replace(['D', 'd'], "E").parse().ok() } else { token.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        parse(format!("KEY     = {text}").as_bytes()).0.value.unwrap()
    }

    #[test]
    fn numbers() {
        assert_eq!(value("9223372036854775807"), Value::Integer(i64::MAX));
        assert_eq!(value("9223372036854775808"), Value::Float(9_223_372_036_854_775_808.0));
        assert_eq!(value("+12"), Value::Integer(12));
        assert_eq!(value("-.5"), Value::Float(-0.5));
        assert_eq!(value("1.D-3 / x"), Value::Float(0.001));
        assert_eq!(value("1e400"), Value::Float(f64::INFINITY));
        assert!(matches!(value("NaN"), Value::Float(x) if x.is_nan()));
        assert_eq!(value("1 2"), Value::Text("1 2".into()));
    }

    #[test]
    fn equals_in_the_wrong_column() {
        let (card, warning) = parse(b"PIXELSCALE= 0.05 / arcsec");
        assert_eq!(
            card,
            Card { keyword: "PIXELSCALE".into(), value: Some(Value::Float(0.05)), comment: "arcsec".into() }
        );
        assert!(warning.is_some());
        let (card, _) = parse(b"this is a remark with a = in it");
        assert_eq!(card.value, None);
    }
}
