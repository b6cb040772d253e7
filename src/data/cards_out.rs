//! Header cards as bytes (FITS standard 4.0, section 4.2; long strings and HIERARCH by the registered conventions).

use std::fmt::Write as _;

use super::header::{BLOCK, CARD};
use super::{Problem, Value};

/// Characters of a string that fit one card between the quotes.
const STRING: usize = 68;
/// Characters of a commentary card behind its keyword.
const COMMENTARY: usize = 72;
/// Keywords that describe the file itself: the writer sets them and nobody else.
const STRUCTURE: [&str; 14] = [
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "EXTEND", "PCOUNT", "GCOUNT", "GROUPS", "END", "BSCALE", "BZERO", "BLANK",
    "EXTNAME", "BUNIT",
];

/// A keyword to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Keyword {
    /// Name. Longer than eight characters or with spaces it becomes a HIERARCH card.
    pub name: String,
    /// Value. A float that is not finite is written as an empty (undefined) value: FITS has no other word for it.
    pub value: Value,
    /// Comment, cut where the card ends.
    pub comment: String,
}

impl Keyword {
    /// A keyword.
    pub fn new(name: &str, value: impl Into<Value>, comment: &str) -> Self {
        Self { name: name.to_owned(), value: value.into(), comment: comment.to_owned() }
    }

    /// True for keywords that describe the file itself and cannot be given by hand.
    pub fn is_structural(name: &str) -> bool {
        let axis = name.strip_prefix("NAXIS").is_some_and(|n| n.chars().all(|c| c.is_ascii_digit()));
        axis || STRUCTURE.contains(&name)
    }
}

/// A header being put together.
#[derive(Debug, Default)]
pub(super) struct CardWriter {
    text: String,
}

impl CardWriter {
    fn push(&mut self, card: &str) {
        let text: String = card.chars().take(CARD).collect();
        let _infallible = write!(self.text, "{text:<CARD$}");
    }

    /// A keyword given by a caller.
    pub fn keyword(&mut self, keyword: &Keyword) -> Result<(), Problem> {
        let name = keyword.name.trim().to_ascii_uppercase();
        let refuse = |reason: &str| {
            Err(Problem::Write { what: format!("keyword {:?}", keyword.name), reason: reason.to_owned() })
        };
        if Keyword::is_structural(&name) {
            return refuse("it describes the file itself and is set by the writer; choose another name");
        }
        let word = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if name.len() > 50 || !name.split(' ').all(word) {
            return refuse("names are made of A-Z, 0-9, - and _, at most 50 characters");
        }
        if let (true, Value::Text(text)) = (name == "COMMENT" || name == "HISTORY", &keyword.value) {
            self.commentary(&name, text);
            return Ok(());
        }
        self.value(&name, &keyword.value, &keyword.comment);
        Ok(())
    }

    /// Any keyword, structural ones too; the name is valid.
    pub fn value(&mut self, name: &str, value: &Value, comment: &str) {
        let simple = name.len() <= 8 && !name.contains(' ');
        let head = if simple { format!("{name:<8}= ") } else { format!("HIERARCH {name} = ") };
        let comment = if comment.is_empty() { String::new() } else { format!(" / {}", ascii(comment)) };
        let body = match value {
            Value::Text(text) => {
                self.string(&head, &ascii(text), &comment);
                return;
            }
            Value::Integer(n) => n.to_string(),
            Value::Float(x) => float(*x),
            Value::Logical(b) => if *b { "T" } else { "F" }.to_owned(),
            Value::Complex(re, im) => format!("({}, {})", float(*re), float(*im)),
            Value::Undefined => String::new(),
        };
        // Fixed format: the value ends in column 30.
        self.push(&if simple { format!("{head}{body:>20}{comment}") } else { format!("{head}{body}{comment}") });
    }

    /// A string: on one card if it fits, else over CONTINUE cards.
    fn string(&mut self, head: &str, text: &str, comment: &str) {
        let quoted = text.replace('\'', "''");
        let room = STRING.min(CARD - 2 - head.len());
        if quoted.len() <= room {
            self.push(&format!("{head}{:<20}{comment}", format!("'{quoted:<8}'")));
            return;
        }
        let mut head = head;
        let mut room = room - 1;
        let mut rest = quoted.as_str();
        while !rest.is_empty() {
            let mut cut = rest.len().min(room);
            // Two quotes that stand for one must not be parted.
            if cut < rest.len() && rest[..cut].bytes().rev().take_while(|&b| b == b'\'').count() % 2 == 1 {
                cut -= 1;
            }
            let (now, later) = rest.split_at(cut);
            let more = if later.is_empty() { "" } else { "&" };
            self.push(&format!("{head}'{now}{more}'{}", if later.is_empty() { comment } else { "" }));
            (head, room, rest) = ("CONTINUE  ", STRING - 1, later);
        }
    }

    /// COMMENT or HISTORY; long lines are wrapped, line breaks start a new card.
    pub fn commentary(&mut self, name: &str, text: &str) {
        for line in text.lines() {
            let line = ascii(line);
            let mut rest = line.as_str();
            loop {
                let mut cut = rest.len().min(COMMENTARY);
                // A space at the end of a card is lost; let it begin the next one.
                if cut < rest.len() && cut > rest[..cut].trim_end().len() && !rest[..cut].trim_end().is_empty() {
                    cut = rest[..cut].trim_end().len();
                }
                self.push(&format!("{name:<8}{}", &rest[..cut]));
                rest = &rest[cut..];
                if rest.is_empty() {
                    break;
                }
            }
        }
    }

    /// The header with END, filled up to whole blocks.
    pub fn finish(mut self) -> Vec<u8> {
        self.push("END");
        let mut bytes = self.text.into_bytes();
        bytes.resize(bytes.len().next_multiple_of(BLOCK), b' ');
        bytes
    }
}

/// The shortest decimal that reads back to the same float, with the point and the capital E that FITS wants.
fn float(x: f64) -> String {
    if !x.is_finite() {
        return String::new();
    }
    let text = format!("{x:?}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => format!("{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => format!("{mantissa}.0E{exponent}"),
        None => text,
    }
}

/// FITS knows only ASCII 32 to 126; other signs become `\uXXXX` as in JSON.
fn ascii(text: &str) -> String {
    if text.bytes().all(|b| (b' '..0x7f).contains(&b)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut units = [0; 2];
    for c in text.chars() {
        if (' '..='~').contains(&c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                let _infallible = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Header;

    fn written(keyword: &Keyword) -> Header {
        let mut cards = CardWriter::default();
        cards.keyword(keyword).unwrap();
        let bytes = cards.finish();
        assert_eq!(bytes.len() % BLOCK, 0);
        let header = Header::from_cards(&bytes);
        assert!(header.warnings().is_empty(), "{:?}", header.warnings());
        header
    }

    #[test]
    fn what_is_written_reads_back() {
        let texts = [
            "",
            "short",
            "it's",
            "''",
            " lead",
            &"x".repeat(68),
            &"x".repeat(69),
            &"ab'c ".repeat(60),
            &"'".repeat(200),
        ];
        for text in texts {
            let header = written(&Keyword::new("KEY", text, "a comment"));
            assert_eq!(header.get_str("KEY"), Some(text.trim_end()));
        }
        for x in [0.0, -1.0, 0.1 + 0.2, 1e300, 1e-300, f64::MIN_POSITIVE, 123_456_789.123_456_78, 1e16] {
            assert_eq!(written(&Keyword::new("KEY", x, "")).get("KEY"), Some(&Value::Float(x)));
        }
        for n in [0, i64::MIN, i64::MAX] {
            assert_eq!(written(&Keyword::new("KEY", n, "")).get("KEY"), Some(&Value::Integer(n)));
        }
        assert_eq!(written(&Keyword::new("KEY", true, "")).get_bool("KEY"), Some(true));
        assert_eq!(written(&Keyword::new("KEY", f64::NAN, "")).get("KEY"), Some(&Value::Undefined));
        let long = Keyword::new("EINSTEIN_RADIUS_ARCSEC", 1.38, "arcsec");
        assert_eq!(written(&long).get_f64("einstein_radius_arcsec"), Some(1.38));
        let long = Keyword::new("a long name", "y".repeat(150), "");
        assert_eq!(written(&long).get_str("A LONG NAME"), Some("y".repeat(150).as_str()));
        assert_eq!(written(&Keyword::new("UNIT", "Å", "µ")).get_str("UNIT"), Some("\\u00c5"));
    }

    #[test]
    fn names_that_break_the_file_are_refused() {
        for name in ["BITPIX", "naxis1", "END", "BSCALE", "", "A=B", "A  B", "Ä", &"X".repeat(51)] {
            assert!(CardWriter::default().keyword(&Keyword::new(name, 1, "")).is_err(), "{name}");
        }
    }

    #[test]
    fn history_is_wrapped_without_loss() {
        let text = format!("{} end", "word and more ".repeat(30));
        let mut cards = CardWriter::default();
        cards.commentary("HISTORY", &format!("{text}\nsecond line"));
        let header = Header::from_cards(&cards.finish());
        let lines: Vec<&str> = header.commentary("HISTORY").collect();
        assert_eq!(lines[..lines.len() - 1].concat(), text);
        assert_eq!(lines[lines.len() - 1], "second line");
    }
}
