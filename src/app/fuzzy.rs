//! Letters in their order: how well a few typed ones fit a text, and where.

/// Score of a letter that follows the one before, of one at the start of a word, and of any other.
const NEXT: i32 = 9;
const START: i32 = 8;
const PLAIN: i32 = 1;
/// What every letter that is skipped between two matches costs.
const SKIPPED: i32 = 1;

/// How well the typed words fit a text, and the places of the letters that match, ascending; `None` when a word does not fit.
/// Capitals do not matter; an empty query fits everything.
pub(super) fn fit(typed: &str, text: &str) -> Option<(i32, Vec<u32>)> {
    let text: Vec<char> = text.chars().map(lower).collect();
    let mut letters = Vec::new();
    let mut score = 0;
    for word in typed.split_whitespace() {
        let word: Vec<char> = word.chars().map(lower).collect();
        let (points, places) = fit_word(&word, &text)?;
        score += points;
        letters.extend(places);
    }
    letters.sort_unstable();
    letters.dedup();
    Some((score, letters))
}

/// The lower case of a letter, where it is one letter.
fn lower(letter: char) -> char {
    let mut small = letter.to_lowercase();
    match (small.next(), small.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}

/// The best places of the letters of one word: by dynamic programming over (letter, place).
fn fit_word(word: &[char], text: &[char]) -> Option<(i32, Vec<u32>)> {
    // Best score with the letters so far when the last one stands at a place, and the place of the one before.
    let mut rows: Vec<Vec<Option<(i32, usize)>>> = Vec::with_capacity(word.len());
    for (i, letter) in word.iter().enumerate() {
        let row = (0..text.len()).map(|j| {
            if text[j] != *letter {
                return None;
            }
            let starts = j == 0 || !text[j - 1].is_alphanumeric();
            let own = if starts { START } else { PLAIN };
            let Some(before) = i.checked_sub(1).and_then(|i| rows.get(i)) else {
                // Farther from the beginning is a little worse.
                return Some((own - (j as i32).min(6) / 3, j));
            };
            (0..j)
                .filter_map(|k| {
                    let (score, _) = before[k]?;
                    let step = if k + 1 == j { own.max(NEXT) } else { own - SKIPPED * ((j - k - 1) as i32).min(5) };
                    Some((score + step, k))
                })
                .max_by_key(|(score, k)| (*score, *k))
        });
        let row: Vec<Option<(i32, usize)>> = row.collect();
        rows.push(row);
    }
    let last = rows.last()?;
    let (mut place, score) = last
        .iter()
        .enumerate()
        .filter_map(|(j, cell)| cell.map(|(s, _)| (j, s)))
        .max_by_key(|(j, s)| (*s, usize::MAX - *j))?;
    let mut places = Vec::with_capacity(word.len());
    for row in rows.iter().rev() {
        places.push(u32::try_from(place).ok()?);
        place = row[place]?.1;
    }
    places.reverse();
    Some((score, places))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_must_come_in_their_order() {
        assert!(fit("sp", "Save picture").is_some());
        assert!(fit("ps", "Save").is_none());
        assert!(fit("zz", "zebra").is_none());
        assert_eq!(fit("", "anything"), Some((0, Vec::new())));
    }

    #[test]
    fn starts_of_words_and_runs_are_preferred() {
        let places = |typed: &str, text: &str| fit(typed, text).unwrap().1;
        assert_eq!(places("sp", "Save session picture"), [0, 13]);
        assert_eq!(places("dark", "Light or dark"), [9, 10, 11, 12]);
        assert_eq!(places("pic save", "Save picture"), [0, 1, 2, 3, 5, 6, 7]);
        let score = |typed: &str, text: &str| fit(typed, text).unwrap().0;
        assert!(score("next", "Next view") > score("next", "Not extended"));
        assert!(score("blink", "Blink") > score("blink", "Bright lines in knots"));
    }

    #[test]
    fn capitals_do_not_matter_and_odd_letters_do_no_harm() {
        assert_eq!(fit("É", "été").unwrap().1, [0]);
        assert!(fit("ß", "STRASSE").is_none());
        assert_eq!(fit("χ", "reduced χ²").unwrap().1, [8]);
    }
}
