//! FITS headers: cards of 80 bytes, read leniently (FITS standard 4.0, sections 3.3 and 4).
//!
//! No input makes this module panic: what cannot be understood is kept as text and said in `warnings`.

use std::collections::HashMap;
use std::sync::Arc;

use super::card::{self, Card, Value};
use super::cards_out::Keyword;

/// Bytes of a card.
pub const CARD: usize = 80;
/// Bytes of a FITS block; headers and data fill whole blocks.
pub const BLOCK: usize = 2880;
/// At most this many warnings of one header are kept: a damaged header has one for each card.
const WARNING_LIMIT: usize = 20;

/// The cards of one HDU in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Header {
    cards: Vec<Card>,
    /// First card of each keyword (the first wins, as in CFITSIO and astropy).
    index: HashMap<String, usize>,
    /// The primary header, where this one has INHERIT = T.
    inherited: Option<Arc<Header>>,
    warnings: Vec<String>,
    ended: bool,
}

impl Header {
    /// Reads cards of 80 bytes up to and without the END card; the last one may be shorter.
    /// Bytes after END are not looked at.
    pub fn from_cards(bytes: &[u8]) -> Self {
        let mut header = Self::default();
        for chunk in bytes.chunks(CARD) {
            if is_end(chunk) {
                header.ended = true;
                break;
            }
            header.push_raw(chunk);
        }
        if !header.ended {
            header.warn("the END card is missing");
        }
        header.build_index();
        header
    }

    /// Reads a header stored one card a line.
    pub fn from_lines(bytes: &[u8]) -> Self {
        let mut header = Self::default();
        for line in bytes.split(|&b| b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if is_end(line) {
                header.ended = true;
                break;
            }
            header.push_raw(line);
        }
        header.build_index();
        header
    }

    fn push_raw(&mut self, raw: &[u8]) {
        if raw.first().is_none_or(|&b| b < b' ' || b == 0x7f) {
            if raw.iter().any(|&b| b != 0) {
                let shown: String = raw.iter().take(16).map(|&b| printable(b)).collect();
                self.warn(format!("card {} is not text (\"{shown}\"); skipped", self.cards.len() + 1));
            }
            return;
        }
        let (card, warning) = card::parse(raw);
        if let Some(warning) = warning {
            self.warn(warning);
        }
        if card.keyword == "CONTINUE" {
            if self.continue_last(&card) {
                return;
            }
            self.warn("a CONTINUE card follows no string that goes on; it is kept as it stands");
        }
        // Blank cards pad headers; they say nothing.
        if card.keyword.is_empty() && card.value.is_none() && card.comment.is_empty() {
            return;
        }
        self.cards.push(card);
    }

    /// Joins a CONTINUE card to the string before it (FITS 4.0 section 4.2.1.2); false if there is none to join to.
    fn continue_last(&mut self, card: &Card) -> bool {
        let (Some(Value::Text(more)), Some(last)) = (&card.value, self.cards.last_mut()) else { return false };
        let Some(Value::Text(text)) = &mut last.value else { return false };
        if !text.ends_with('&') {
            return false;
        }
        text.pop();
        text.push_str(more);
        if !card.comment.is_empty() {
            if !last.comment.is_empty() {
                last.comment.push(' ');
            }
            last.comment.push_str(&card.comment);
        }
        true
    }

    fn build_index(&mut self) {
        self.index.clear();
        let mut disagreeing: Vec<&str> = Vec::new();
        for (i, card) in self.cards.iter().enumerate().filter(|(_, card)| card.value.is_some()) {
            let first = *self.index.entry(card.keyword.clone()).or_insert(i);
            let differs = self.cards.get(first).is_some_and(|old| old.value != card.value);
            if differs && card.keyword != "CONTINUE" && !disagreeing.contains(&card.keyword.as_str()) {
                disagreeing.push(&card.keyword);
            }
        }
        if !disagreeing.is_empty() {
            const SHOWN: usize = 8;
            let more = if disagreeing.len() > SHOWN { ", ..." } else { "" };
            let names = disagreeing.get(..SHOWN).unwrap_or(&disagreeing).join(", ");
            self.warn(format!("these keywords have several values, of which the first counts: {names}{more}"));
        }
    }

    /// Takes keywords that this header lacks from the primary one (the INHERIT convention of the FITS registry).
    /// [`Header::cards`] stays what the HDU itself holds.
    pub(super) fn inherit(&mut self, primary: Arc<Header>) {
        self.inherited = Some(primary);
    }

    /// Adds a warning; beyond twenty they are counted, not kept.
    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        match self.warnings.len().cmp(&WARNING_LIMIT) {
            std::cmp::Ordering::Less => self.warnings.push(warning.into()),
            std::cmp::Ordering::Equal => self.warnings.push("more warnings of this kind are not listed".into()),
            std::cmp::Ordering::Greater => {}
        }
    }

    /// What was odd, in words.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// True when an END card closed the header.
    pub fn has_end(&self) -> bool {
        self.ended
    }

    /// Every card in order, commentary included, END not.
    pub fn cards(&self) -> &[Card] {
        &self.cards
    }

    /// The first card with a value under this keyword; `HIERARCH` in front may be left out, case does not matter.
    pub fn card(&self, keyword: &str) -> Option<&Card> {
        let found = self.index.get(keyword).or_else(|| {
            let upper = keyword.trim().to_ascii_uppercase();
            self.index.get(upper.strip_prefix("HIERARCH ").map_or(upper.as_str(), str::trim_start))
        });
        let own = found.and_then(|&i| self.cards.get(i));
        own.or_else(|| self.inherited.as_ref()?.card(keyword).filter(|card| is_inheritable(&card.keyword)))
    }

    /// The value of a keyword.
    pub fn get(&self, keyword: &str) -> Option<&Value> {
        self.card(keyword)?.value.as_ref()
    }

    /// A string value without trailing spaces.
    pub fn get_str(&self, keyword: &str) -> Option<&str> {
        match self.get(keyword)? {
            Value::Text(text) => Some(text),
            Value::Integer(_) | Value::Float(_) | Value::Logical(_) | Value::Complex(..) | Value::Undefined => None,
        }
    }

    /// A number; numbers in quotes are understood too, because they are met.
    pub fn get_f64(&self, keyword: &str) -> Option<f64> {
        match self.get(keyword)? {
            Value::Integer(n) => Some(*n as f64),
            Value::Float(x) => Some(*x),
            Value::Text(text) => card::parse_float(text.trim()),
            Value::Logical(_) | Value::Complex(..) | Value::Undefined => None,
        }
    }

    /// An integer; a float without a fraction counts.
    pub fn get_i64(&self, keyword: &str) -> Option<i64> {
        match self.get(keyword)? {
            Value::Integer(n) => Some(*n),
            // 2^53: above it a float no longer names one integer.
            Value::Float(x) if x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0 => Some(*x as i64),
            Value::Text(text) => text.trim().parse().ok(),
            Value::Float(_) | Value::Logical(_) | Value::Complex(..) | Value::Undefined => None,
        }
    }

    /// A logical value.
    pub fn get_bool(&self, keyword: &str) -> Option<bool> {
        match self.get(keyword)? {
            Value::Logical(b) => Some(*b),
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Complex(..) | Value::Undefined => None,
        }
    }

    /// The texts of all cards of a commentary keyword (COMMENT, HISTORY).
    pub fn commentary<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a str> {
        self.cards.iter().filter(move |c| c.value.is_none() && c.keyword == keyword).map(|c| c.comment.as_str())
    }
}

/// False for keywords that describe the HDU in which they stand.
fn is_inheritable(keyword: &str) -> bool {
    let own = ["EXTVER", "EXTLEVEL", "INHERIT", "CHECKSUM", "DATASUM"];
    !own.contains(&keyword) && !Keyword::is_structural(keyword)
}

/// True for the END card. Eight bytes decide; rubbish behind them is met in real files.
pub(super) fn is_end(card: &[u8]) -> bool {
    card.starts_with(b"END") && card.iter().skip(3).take(5).all(|&b| b == b' ' || b == 0 || b == b'\r')
}

fn printable(byte: u8) -> char {
    if (b' '..0x7f).contains(&byte) { char::from(byte) } else { '?' }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(cards: &[&str]) -> Header {
        let text: String = cards.iter().map(|c| format!("{c:<80}")).collect();
        Header::from_cards(text.as_bytes())
    }

    #[test]
    fn values_of_every_type() {
        let h = header(&[
            "SIMPLE  =                    T / standard",
            "BITPIX  =                  -32",
            "OBJECT  = 'O''Brien / 3   '    / name",
            "EXPTIME =              1.5D+03 / s",
            "LOWER   =              2.5e-03",
            "EMPTY   =                      / nothing",
            "NULLSTR = ''",
            "CMPLX   = (1.0, -2.0)",
            "HIERARCH ESO DET CHIP1 ID = 'CCD-44' / chip",
            "COMMENT = not a value",
            "HISTORY one",
            "HISTORY two",
            "END",
        ]);
        assert!(h.warnings().is_empty(), "{:?}", h.warnings());
        assert_eq!(h.get_bool("SIMPLE"), Some(true));
        assert_eq!(h.get_i64("bitpix"), Some(-32));
        assert_eq!(h.get_str("OBJECT"), Some("O'Brien / 3"));
        assert_eq!(h.card("OBJECT").unwrap().comment, "name");
        assert_eq!(h.get_f64("EXPTIME"), Some(1500.0));
        assert_eq!(h.get_i64("EXPTIME"), Some(1500));
        assert_eq!(h.get_f64("LOWER"), Some(0.0025));
        assert_eq!(h.get("EMPTY"), Some(&Value::Undefined));
        assert_eq!(h.get_str("NULLSTR"), Some(""));
        assert_eq!(h.get("CMPLX"), Some(&Value::Complex(1.0, -2.0)));
        assert_eq!(h.get_str("ESO DET CHIP1 ID"), Some("CCD-44"));
        assert_eq!(h.get_str("HIERARCH ESO DET CHIP1 ID"), Some("CCD-44"));
        assert_eq!(h.get_str("MISSING"), None);
        assert_eq!(h.commentary("HISTORY").collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(h.commentary("COMMENT").collect::<Vec<_>>(), ["= not a value"]);
    }

    #[test]
    fn long_strings_are_joined() {
        let h =
            header(&["LONG    = 'first &'", "CONTINUE  'second &' / a", "CONTINUE  'third' / b", "NEXT    = 1", "END"]);
        assert_eq!(h.get_str("LONG"), Some("first second third"));
        assert_eq!(h.card("LONG").unwrap().comment, "a b");
        assert_eq!(h.get_i64("NEXT"), Some(1));
    }

    #[test]
    fn strings_go_on_under_long_names_and_lost_pieces_are_told() {
        let h = header(&[
            "HIERARCH ESO LONG = 'a long &' / one",
            "CONTINUE  'story&'",
            "CONTINUE  '' / two",
            "KEY     = 'whole'",
            "CONTINUE  'lost'",
            "SAME    = 1",
            "SAME    = 1",
            "END",
        ]);
        assert_eq!(h.get_str("ESO LONG"), Some("a long story"));
        assert_eq!(h.card("ESO LONG").unwrap().comment, "one two");
        assert_eq!(h.get_str("KEY"), Some("whole"));
        assert_eq!(h.warnings().len(), 1, "{:?}", h.warnings());
        assert!(h.warnings()[0].contains("CONTINUE"));
    }

    #[test]
    fn keywords_of_the_primary_header_are_inherited() {
        let primary = Arc::new(header(&["SIMPLE  = T", "NAXIS   = 0", "OBJECT  = 'M 57'", "FILTER  = 'R'", "END"]));
        let mut h = header(&["XTENSION= 'IMAGE'", "FILTER  = 'V'", "INHERIT = T", "END"]);
        h.inherit(primary);
        assert_eq!((h.get_str("OBJECT"), h.get_str("FILTER")), (Some("M 57"), Some("V")));
        assert_eq!((h.get("SIMPLE"), h.get("NAXIS")), (None, None));
        assert_eq!(h.cards().len(), 3);
    }

    #[test]
    fn odd_headers_are_read_with_warnings() {
        let h =
            header(&["naxis   = 2", "NOQUOTE = 'open", "WORD    = hello", "NOSPACE =5", "DUP     = 1", "DUP     = 2"]);
        assert_eq!(h.get_i64("NAXIS"), Some(2));
        assert_eq!(h.get_str("NOQUOTE"), Some("open"));
        assert_eq!(h.get_str("WORD"), Some("hello"));
        assert_eq!(h.get_i64("NOSPACE"), Some(5));
        assert_eq!(h.get_i64("DUP"), Some(1));
        assert_eq!(h.warnings().len(), 6, "{:?}", h.warnings());
        assert!(h.warnings()[5].ends_with("the first counts: DUP"), "{:?}", h.warnings());
        assert!(!h.has_end());
    }

    #[test]
    fn headers_with_a_card_a_line() {
        let h = Header::from_lines(b"SIMPLE  =                    T\nCRVAL1  = 1.5 / deg\r\nEND\nrubbish = 1");
        assert_eq!(h.get_f64("CRVAL1"), Some(1.5));
        assert_eq!(h.cards().len(), 2);
        assert!(h.has_end());
    }

    #[test]
    fn any_bytes_are_survived() {
        for byte in 0..=255u8 {
            for length in [0, 1, 7, 8, 9, 10, 11, 79, 80, 81, 160] {
                let h = Header::from_cards(&vec![byte; length]);
                assert!(h.cards().len() <= 3);
            }
        }
        // Latin-1 in a comment is text, not the end of the header.
        let mut raw = format!("{:<80}", "ANGLE   = 3.0 / in X").into_bytes();
        raw[19] = 0xb0;
        let h = Header::from_cards(&raw);
        assert_eq!(h.card("ANGLE").unwrap().comment, "in °");
    }

    #[test]
    fn warnings_are_bounded() {
        let raw = [vec![1u8; 80 * 500], b"END".to_vec()].concat();
        assert_eq!(Header::from_cards(&raw).warnings().len(), WARNING_LIMIT + 1);
    }
}
