//! Words and signs to a filter, checked against the columns.

use super::lexer::{Token, tokens};
use super::{Number, Pattern, Place, Relation, Truth, Word};
use crate::data::{Values, sheet::Sheet};

/// Brackets and `not` inside each other; a text deeper than that is a mistake, and would overflow the stack.
const DEEPEST: usize = 64;

pub(super) fn parse(text: &str, sheet: &Sheet) -> Result<Truth, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, sheet, depth: 0 };
    let value = parser.any()?;
    if let Some(token) = parser.peek() {
        return Err(format!("{:?} follows where the filter should end; join conditions by and, or", token.shown()));
    }
    parser.truth(value)
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    sheet: &'a Sheet,
    depth: usize,
}

/// What a part of the text is.
enum Part {
    Truth(Truth),
    Number(Number),
    /// An integer as written, which fits no float exactly.
    Integer(i128, f64),
    Text(String),
    Column(Place),
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take_sign(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        match self.peek() {
            Some(Token::Sign(sign)) if signs.contains(sign) => {
                let sign = *sign;
                self.at += 1;
                Some(sign)
            }
            _ => None,
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Name(name)) if name.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(format!("nested deeper than {DEEPEST} levels; simplify it")) } else { Ok(()) }
    }

    fn any(&mut self) -> Result<Part, String> {
        let mut left = self.all()?;
        while self.take_word("or") || self.take_sign(&["||", "|"]).is_some() {
            let right = self.all()?;
            left = Part::Truth(Truth::Or(Box::new(self.truth(left)?), Box::new(self.truth(right)?)));
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Part, String> {
        let mut left = self.negated()?;
        while self.take_word("and") || self.take_sign(&["&&", "&"]).is_some() {
            let right = self.negated()?;
            left = Part::Truth(Truth::And(Box::new(self.truth(left)?), Box::new(self.truth(right)?)));
        }
        Ok(left)
    }

    fn negated(&mut self) -> Result<Part, String> {
        if self.take_word("not") || self.take_sign(&["!"]).is_some() {
            self.deeper()?;
            let inner = self.negated()?;
            self.depth -= 1;
            return Ok(Part::Truth(Truth::Not(Box::new(self.truth(inner)?))));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Part, String> {
        let left = self.sum()?;
        if self.take_sign(&["~"]).is_some() {
            let Some(Token::Text(pattern) | Token::Name(pattern) | Token::Number(_, pattern)) = self.peek().cloned()
            else {
                return Err("behind ~ stands what to look for: name ~ m13".into());
            };
            self.at += 1;
            return match left {
                Part::Column(place) if self.is_text(place) => {
                    Ok(Part::Truth(Truth::Like(place, Pattern::new(&pattern))))
                }
                Part::Column(place) => Err(format!("{} holds numbers; ~ looks into words", self.name(place))),
                _ => Err("before ~ stands a column of words: name ~ m13".into()),
            };
        }
        let Some(sign) = self.take_sign(&["==", "=", "!=", "<>", "<=", ">=", "<", ">"]) else { return Ok(left) };
        let relation = match sign {
            "==" | "=" => Relation::Equal,
            "!=" | "<>" => Relation::Unequal,
            "<=" => Relation::LessOrEqual,
            ">=" => Relation::GreaterOrEqual,
            "<" => Relation::Less,
            _ => Relation::Greater,
        };
        let right = match (self.peek().cloned(), &left) {
            // class == QSO: a word without quotes against a column of words.
            (Some(Token::Name(word)), Part::Column(place))
                if self.is_text(*place) && self.sheet.find(&word).is_none() =>
            {
                return Err(format!("put words in quotes: {} {sign} \"{word}\"", self.name(*place)));
            }
            _ => self.sum()?,
        };
        self.compare(relation, left, right).map(Part::Truth)
    }

    fn compare(&self, relation: Relation, left: Part, right: Part) -> Result<Truth, String> {
        if let Some(word) = self.word(&left) {
            let Some(other) = self.word(&right) else { return Err(self.mixed(&left, &right)) };
            return Ok(Truth::Words(relation, word, other));
        }
        if self.word(&right).is_some() {
            return Err(self.mixed(&right, &left));
        }
        Ok(match (&left, &right) {
            (Part::Column(place), Part::Integer(n, _)) if self.is_integer(*place) => Truth::Exact(relation, *place, *n),
            (Part::Integer(n, _), Part::Column(place)) if self.is_integer(*place) => {
                Truth::Exact(relation.turned(), *place, *n)
            }
            _ => Truth::Numbers(relation, self.number(left)?, self.number(right)?),
        })
    }

    fn mixed(&self, word: &Part, other: &Part) -> String {
        match (word, other) {
            (Part::Column(place), _) => format!("{} holds words; compare it with a word in quotes", self.name(*place)),
            (Part::Text(text), Part::Column(place)) => {
                format!("{} holds numbers; \"{text}\" is a word", self.name(*place))
            }
            _ => "a word is compared with a number".into(),
        }
    }

    fn sum(&mut self) -> Result<Part, String> {
        let mut left = self.product()?;
        while let Some(sign) = self.take_sign(&["+", "-"]) {
            let right = self.product()?;
            left = self.pair(sign, left, right)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Part, String> {
        let mut left = self.signed()?;
        while let Some(sign) = self.take_sign(&["*", "/"]) {
            let right = self.signed()?;
            left = self.pair(sign, left, right)?;
        }
        Ok(left)
    }

    fn signed(&mut self) -> Result<Part, String> {
        if self.take_sign(&["-"]).is_some() {
            self.deeper()?;
            let inner = self.signed()?;
            self.depth -= 1;
            return Ok(match inner {
                Part::Integer(n, x) => Part::Integer(-n, -x),
                other => Part::Number(Number::Negative(Box::new(self.number(other)?))),
            });
        }
        let base = self.atom()?;
        // Powers bind closer than a sign before them: -z^2 is -(z^2).
        if self.take_sign(&["^", "**"]).is_some() {
            self.deeper()?;
            let exponent = self.signed()?;
            self.depth -= 1;
            return self.pair("^", base, exponent);
        }
        Ok(base)
    }

    fn pair(&self, sign: &str, left: Part, right: Part) -> Result<Part, String> {
        let sign = sign.chars().next().unwrap_or('+');
        let (left, right) = (self.number(left)?, self.number(right)?);
        Ok(Part::Number(Number::Pair(sign, Box::new(left), Box::new(right))))
    }

    fn atom(&mut self) -> Result<Part, String> {
        let Some(token) = self.peek().cloned() else { return Err("a value is missing at the end".into()) };
        self.at += 1;
        match token {
            Token::Number(value, text) => {
                Ok(text.parse::<i128>().map_or(Part::Number(Number::Constant(value)), |n| Part::Integer(n, value)))
            }
            Token::Text(text) => Ok(Part::Text(text)),
            Token::Sign("(") => {
                self.deeper()?;
                let inner = self.any()?;
                self.depth -= 1;
                self.close(")")?;
                Ok(inner)
            }
            Token::Sign(sign) => Err(format!("{sign:?} stands where a column or a value should")),
            Token::Column(name) => self.column(&name).map(Part::Column),
            Token::Name(name) if self.peek() == Some(&Token::Sign("(")) => self.function(&name),
            Token::Name(name) => match (self.sheet.find(&name), name.to_lowercase().as_str()) {
                (None, "nan") => Ok(Part::Number(Number::Constant(f64::NAN))),
                (None, "inf") => Ok(Part::Number(Number::Constant(f64::INFINITY))),
                (None, "true") => Ok(Part::Integer(1, 1.0)),
                (None, "false") => Ok(Part::Integer(0, 0.0)),
                _ => self.column(&name).map(Part::Column),
            },
        }
    }

    fn close(&mut self, sign: &'static str) -> Result<(), String> {
        if self.take_sign(&[sign]).is_some() { Ok(()) } else { Err(format!("a closing parenthesis {sign} is missing")) }
    }

    fn function(&mut self, name: &str) -> Result<Part, String> {
        self.at += 1;
        self.deeper()?;
        let inner = self.any()?;
        self.depth -= 1;
        self.close(")")?;
        let (numpy, function): (&'static str, fn(f64) -> f64) = match name.to_ascii_lowercase().as_str() {
            "abs" => ("abs", f64::abs),
            "sqrt" => ("sqrt", f64::sqrt),
            "log10" => ("log10", f64::log10),
            "ln" | "log" => ("log", f64::ln),
            "exp" => ("exp", f64::exp),
            "floor" => ("floor", f64::floor),
            "isnull" | "isnan" => {
                return match inner {
                    Part::Column(place) => Ok(Part::Truth(Truth::IsNull(place))),
                    _ => Err("isnull takes a column: isnull(z)".into()),
                };
            }
            _ => {
                return Err(format!("no function {name:?}; there are abs, sqrt, log10, ln, exp, floor, isnull"));
            }
        };
        Ok(Part::Number(Number::Function(numpy, function, Box::new(self.number(inner)?))))
    }

    /// A column by name with `[n]` behind it, n from 1.
    fn column(&mut self, name: &str) -> Result<Place, String> {
        let column = self.sheet.find(name).ok_or_else(|| no_column(name, self.sheet))?;
        let mut element = 0;
        if self.take_sign(&["["]).is_some() {
            let data = &self.sheet.columns[column].data;
            let each = if data.ends.is_some() { usize::MAX } else { data.shape.iter().product() };
            element = match self.peek() {
                Some(Token::Number(_, text)) => text.parse::<usize>().unwrap_or(0),
                _ => 0,
            };
            if element == 0 || element > each {
                let some = if each == 1 { "1 value".to_owned() } else { format!("{each} values") };
                return Err(format!("{name} has {some} a row; {name}[1] is the first"));
            }
            self.at += 1;
            self.close("]")?;
            element -= 1;
        }
        Ok(Place { column, element })
    }

    fn name(&self, place: Place) -> &str {
        self.sheet.columns.get(place.column).map_or("", |c| c.data.name.as_str())
    }

    fn is_text(&self, place: Place) -> bool {
        self.sheet.columns.get(place.column).is_some_and(super::super::SheetColumn::is_text)
    }

    fn is_integer(&self, place: Place) -> bool {
        let values = self.sheet.columns.get(place.column).map(|c| &c.data.values);
        matches!(values, Some(Values::Integer(_) | Values::Unsigned(_)))
    }

    fn word(&self, part: &Part) -> Option<Word> {
        match part {
            Part::Text(text) => Some(Word::Constant(text.trim().to_owned())),
            Part::Column(place) if self.is_text(*place) => Some(Word::Column(*place)),
            _ => None,
        }
    }

    fn number(&self, part: Part) -> Result<Number, String> {
        match part {
            Part::Number(number) => Ok(number),
            Part::Integer(_, x) => Ok(Number::Constant(x)),
            Part::Column(place) if self.is_text(place) => {
                Err(format!("{} holds words; compare it with a word in quotes", self.name(place)))
            }
            Part::Column(place) => Ok(Number::Column(place)),
            Part::Text(text) => Err(format!("\"{text}\" is a word where a number should stand")),
            Part::Truth(_) => Err("a condition stands where a number should".into()),
        }
    }

    fn truth(&self, part: Part) -> Result<Truth, String> {
        match part {
            Part::Truth(truth) => Ok(truth),
            Part::Column(place)
                if matches!(self.sheet.columns.get(place.column).map(|c| &c.data.values), Some(Values::Logical(_))) =>
            {
                Ok(Truth::Column(place))
            }
            Part::Column(place) => Err(format!("{0} alone is no condition; compare it: {0} > 0", self.name(place))),
            _ => Err("a value alone is no condition; compare it with a column: flux > 1".into()),
        }
    }
}

fn no_column(name: &str, sheet: &Sheet) -> String {
    let wanted = name.to_lowercase();
    let nearest = sheet
        .columns
        .iter()
        .map(|column| (strsim::jaro_winkler(&column.data.name.to_lowercase(), &wanted), column.data.name.as_str()))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((likeness, nearest)) = nearest
        && likeness > 0.8
    {
        return format!("no column {name:?}; did you mean {nearest}?");
    }
    let names: Vec<&str> = sheet.columns.iter().take(12).map(|c| c.data.name.as_str()).collect();
    let more = if sheet.columns.len() > 12 { ", …" } else { "" };
    format!("no column {name:?}; there are {}{more}", names.join(", "))
}
