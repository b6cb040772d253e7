//! Row filters: `flux > 1e-3 and class == "QSO"`, `name ~ m13`, `not isnull(z) and mag[2] - mag[1] < 0.5`.
//!
//! Comparisons `== = != <> < <= > >=` and `~` (contains, capitals ignored; `*` and `?` stand for any signs), joined by
//! `and or not` (also `&& & || | !`); sums, products, powers (`^`); `abs sqrt log10 ln exp floor isnull`;
//! `column[2]` is the second value of an array. Names with spaces stand in back quotes. A comparison with a value that
//! is missing is false, as in SQL and TOPCAT.

mod lexer;
mod parser;
mod python;

use super::{Sheet, SheetColumn};
use crate::data::Values;

/// A filter that was understood, for the columns of one sheet.
#[derive(Debug, Clone)]
pub struct RowFilter {
    root: Truth,
}

/// True or false for a row.
#[derive(Debug, Clone)]
enum Truth {
    And(Box<Truth>, Box<Truth>),
    Or(Box<Truth>, Box<Truth>),
    Not(Box<Truth>),
    /// A column of logicals.
    Column(Place),
    IsNull(Place),
    Numbers(Relation, Number, Number),
    /// An integer column against an integer: exact, where floats would take two long identifiers for one.
    Exact(Relation, Place, i128),
    Words(Relation, Word, Word),
    Like(Place, Pattern),
}

/// A value of a column in a row: number of the column and of the value in the cell.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    column: usize,
    element: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Relation {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone)]
enum Number {
    Constant(f64),
    Column(Place),
    Negative(Box<Number>),
    Pair(char, Box<Number>, Box<Number>),
    /// With its name in numpy.
    Function(&'static str, fn(f64) -> f64, Box<Number>),
}

#[derive(Debug, Clone, PartialEq)]
enum Word {
    Constant(String),
    Column(Place),
}

/// What `~` looks for, in small letters.
#[derive(Debug, Clone, PartialEq)]
enum Pattern {
    Contains(String),
    /// With `*` and `?`.
    Whole(Vec<char>),
}

impl RowFilter {
    /// Understands a filter for the columns of a sheet; `None` for an empty text, which lets every row through.
    ///
    /// # Errors
    /// One line that names what is wrong and, for a column that is not there, the nearest one that is.
    pub fn parse(text: &str, sheet: &Sheet) -> Result<Option<Self>, String> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        parser::parse(text, sheet).map(|root| Some(Self { root }))
    }

    /// Whether a row passes. Rows beyond those that are loaded do not.
    pub fn lets(&self, sheet: &Sheet, row: usize) -> bool {
        row < sheet.loaded && self.root.holds(sheet, row)
    }

    /// The rows that pass, ascending. `check` is called every few thousand rows and ends the work by its error.
    ///
    /// # Errors
    /// That of `check`.
    pub fn rows<E>(&self, sheet: &Sheet, mut check: impl FnMut() -> Result<(), E>) -> Result<Vec<u32>, E> {
        let mut passed = Vec::new();
        for row in 0..sheet.loaded {
            if row % 8192 == 0 {
                check()?;
            }
            if self.root.holds(sheet, row) {
                passed.push(row as u32);
            }
        }
        Ok(passed)
    }
}

impl Place {
    fn of(self, sheet: &Sheet, row: usize) -> Option<(&SheetColumn, usize)> {
        let column = sheet.columns.get(self.column)?;
        let cell = column.data.cell(row);
        let at = cell.start + self.element;
        (at < cell.end && !column.is_missing(at)).then_some((column, at))
    }
}

impl Truth {
    fn holds(&self, sheet: &Sheet, row: usize) -> bool {
        match self {
            Self::And(a, b) => a.holds(sheet, row) && b.holds(sheet, row),
            Self::Or(a, b) => a.holds(sheet, row) || b.holds(sheet, row),
            Self::Not(a) => !a.holds(sheet, row),
            Self::Column(place) => place.of(sheet, row).is_some_and(|(column, at)| column.number(at) != 0.0),
            Self::IsNull(place) => place.of(sheet, row).is_none(),
            Self::Numbers(relation, a, b) => {
                let (a, b) = (a.of(sheet, row), b.of(sheet, row));
                !a.is_nan() && !b.is_nan() && relation.of(a.partial_cmp(&b))
            }
            Self::Exact(relation, place, n) => place.of(sheet, row).is_some_and(|(column, at)| {
                let value: i128 = match &column.data.values {
                    Values::Integer(values) => values[at].into(),
                    Values::Unsigned(values) => values[at].into(),
                    _ => return false,
                };
                relation.of(Some(value.cmp(n)))
            }),
            Self::Words(relation, a, b) => match (a.of(sheet, row), b.of(sheet, row)) {
                (Some(a), Some(b)) => relation.of(Some(a.cmp(b))),
                _ => false,
            },
            Self::Like(place, pattern) => {
                place.of(sheet, row).is_some_and(|(column, at)| pattern.matches(column.text(at)))
            }
        }
    }
}

impl Relation {
    fn of(self, order: Option<std::cmp::Ordering>) -> bool {
        let Some(order) = order else { return false };
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }

    /// The same with its sides exchanged.
    fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Equal | Self::Unequal => self,
        }
    }
}

impl Number {
    fn of(&self, sheet: &Sheet, row: usize) -> f64 {
        match self {
            Self::Constant(x) => *x,
            Self::Column(place) => place.of(sheet, row).map_or(f64::NAN, |(column, at)| column.number(at)),
            Self::Negative(a) => -a.of(sheet, row),
            Self::Function(_, function, a) => function(a.of(sheet, row)),
            Self::Pair(sign, a, b) => {
                let (a, b) = (a.of(sheet, row), b.of(sheet, row));
                match sign {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    '/' => a / b,
                    _ => a.powf(b),
                }
            }
        }
    }
}

impl Word {
    fn of<'a>(&'a self, sheet: &'a Sheet, row: usize) -> Option<&'a str> {
        match self {
            Self::Constant(text) => Some(text),
            Self::Column(place) => place.of(sheet, row).map(|(column, at)| column.text(at).trim()),
        }
    }
}

impl Pattern {
    fn new(text: &str) -> Self {
        let small = text.to_lowercase();
        if small.contains(['*', '?']) { Self::Whole(small.chars().collect()) } else { Self::Contains(small) }
    }

    fn matches(&self, text: &str) -> bool {
        let small = text.trim().to_lowercase();
        match self {
            Self::Contains(part) => small.contains(part.as_str()),
            Self::Whole(pattern) => wildcard(pattern, &small.chars().collect::<Vec<_>>()),
        }
    }
}

/// Whether a text fits a pattern with `*` and `?`: goes back to the last star where it does not.
fn wildcard(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Table, TableColumn};

    fn sheet() -> Sheet {
        let texts = |all: [&str; 4]| all.map(str::to_owned).to_vec();
        Sheet::from_table(
            "t",
            Table::new(vec![
                TableColumn::new("flux", "Jy", vec![1e-4, 2e-3, f64::NAN, 5.0]),
                TableColumn::new("class", "", texts(["QSO", "GALAXY", "QSO", ""])),
                TableColumn::new("name", "", texts(["M13", "m 13", "NGC 6205", "in M13 north"])),
                TableColumn::new("source id", "", vec![4_611_686_018_427_387_905_i64, 4_611_686_018_427_387_904, 3, 4]),
                TableColumn::new("z", "", vec![0.1, 0.2, 0.3, 0.4]),
            ]),
        )
    }

    fn rows(text: &str) -> Vec<u32> {
        let sheet = sheet();
        RowFilter::parse(text, &sheet).unwrap().unwrap().rows(&sheet, || Ok::<(), ()>(())).unwrap()
    }

    fn error(text: &str) -> String {
        RowFilter::parse(text, &sheet()).unwrap_err()
    }

    #[test]
    fn filters_choose_the_rows_that_they_say() {
        assert_eq!(rows("flux > 1e-3"), [1, 3]);
        assert_eq!(rows("flux > 1e-3 and class == \"QSO\""), Vec::<u32>::new());
        assert_eq!(rows("class = 'QSO'"), [0, 2]);
        assert_eq!(rows("name ~ m13"), [0, 3]);
        assert_eq!(rows("name ~ \"m*13\""), [0, 1]);
        assert_eq!(rows("name ~ 'NGC ????'"), [2]);
        assert_eq!(rows("not isnull(flux) and z < 0.35"), [0, 1]);
        assert_eq!(rows("!(class == 'QSO') || flux < 1e-3"), [0, 1, 3]);
        assert_eq!(rows("0.15 <= z & z <= 0.3"), [1, 2]);
        assert_eq!(rows("log10(flux) + 1 > 0"), [3]);
        assert_eq!(rows("z*10 = 2 or -z^2 < -0.15"), [1, 3]);
        assert_eq!(rows("FLUX >= 5"), [3]);
        // Long identifiers are told apart to the last digit.
        assert_eq!(rows("`source id` == 4611686018427387905"), [0]);
        assert_eq!(rows("4611686018427387904 == `source id`"), [1]);
        assert_eq!(rows("`source id` > 3.5 and `source id` < 1e3"), [3]);
        assert!(RowFilter::parse("  ", &sheet()).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_said_with_the_nearest_name() {
        assert_eq!(error("flxu > 1"), "no column \"flxu\"; did you mean flux?");
        assert!(
            error("nothinglike > 1").contains("there are flux, class, name, source id, z"),
            "{}",
            error("nothinglike > 1")
        );
        assert!(error("flux >").contains("a value is missing at the end"), "{}", error("flux >"));
        assert!(error("flux > 1 z").contains("\"z\""), "{}", error("flux > 1 z"));
        assert!(error("class > 3").contains("class holds words"), "{}", error("class > 3"));
        assert!(error("flux ~ 3").contains("flux holds numbers"), "{}", error("flux ~ 3"));
        assert!(error("(flux > 3").contains("parenthesis"), "{}", error("(flux > 3"));
        assert!(error("flux").contains("compare it"), "{}", error("flux"));
        assert!(error("class == \"QSO").contains("quote"), "{}", error("class == \"QSO"));
        assert!(error("sin(flux) > 1").contains("no function \"sin\""), "{}", error("sin(flux) > 1"));
        assert!(error("flux[2] > 1").contains("1 value"), "{}", error("flux[2] > 1"));
        assert!(error("flux > 1 #").contains('#'));
        assert!(error("class == QSO").contains("quotes"), "{}", error("class == QSO"));
    }

    #[test]
    fn deep_nesting_is_refused_and_not_a_crash() {
        let deep = format!("{}flux > 1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(error(&deep).contains("nested"));
        let nots = format!("{}flux > 1", "not ".repeat(100_000));
        assert!(error(&nots).contains("nested"));
    }
}
