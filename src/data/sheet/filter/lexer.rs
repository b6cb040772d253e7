//! A filter text as words and signs.

/// One word or sign.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A number and its text.
    Number(f64, String),
    /// In quotes.
    Text(String),
    /// A name, or one of the words of the language.
    Name(String),
    /// A name in back quotes.
    Column(String),
    /// An operator or bracket.
    Sign(&'static str),
}

/// Longest first, so that `<=` is not taken for `<`.
const SIGNS: [&str; 21] =
    ["&&", "||", "**", "==", "!=", "<>", "<=", ">=", "<", ">", "=", "~", "!", "&", "|", "(", ")", "[", "]", "+", "-"];

impl Token {
    /// As it stood in the text.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Number(_, text) | Self::Text(text) | Self::Name(text) | Self::Column(text) => text.clone(),
            Self::Sign(sign) => (*sign).to_owned(),
        }
    }
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = if matches!(first, '"' | '\'' | '`') {
            let inner = &rest[1..];
            let end = inner.find(first).ok_or_else(|| format!("the quote {first} is opened and not closed"))?;
            let word = inner[..end].to_owned();
            out.push(if first == '`' { Token::Column(word) } else { Token::Text(word) });
            end + 2
        } else if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            let length = number_length(rest);
            let word = &rest[..length];
            let value = word.parse().map_err(|_| format!("{word:?} is not a number"))?;
            out.push(Token::Number(value, word.to_owned()));
            length
        } else if first.is_alphabetic() || first == '_' {
            let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$');
            let length = rest.find(|c| !part(c)).unwrap_or(rest.len());
            out.push(Token::Name(rest[..length].to_owned()));
            length
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            out.push(Token::Sign(sign));
            sign.len()
        } else if let Some(sign) = ["*", "/", "^", ","].into_iter().find(|sign| rest.starts_with(sign)) {
            out.push(Token::Sign(sign));
            1
        } else {
            return Err(format!("the sign {first:?} has no meaning here; names with other signs stand in back quotes"));
        };
        rest = rest[taken..].trim_start();
    }
    Ok(out)
}

/// Bytes of the number at the start: digits, a point, an exponent.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| from + bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let after = digits(end + 1 + sign);
        if after > end + 1 + sign {
            end = after;
        }
    }
    end
}
