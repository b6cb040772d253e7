//! Makes damaged files: a mutant is fully given by its number and the files that it is made from.

use std::ops::Range;

use super::fits_support::Dice;

/// Bytes of a card and of a block.
const CARD: usize = 80;
const BLOCK: usize = 2880;

/// How a file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Cut off, anywhere or near the end of a card or block.
    Truncation,
    /// One to four bytes of a header.
    HeaderBytes,
    /// One to sixteen bytes outside the headers.
    BodyBytes,
    /// A keyword with another value: 2^40, -5, 1e99, text, nothing.
    KeywordValue,
    /// A card that is gone, with or without what follows moving up.
    CardDropped,
    /// Two cards of a header that change places.
    CardSwapped,
    /// A card that stands twice, with or without what follows moving down.
    CardDuplicated,
    /// An END card that is blank, or garbage.
    EndRemoved,
    /// Two to four of the others.
    Several,
}

impl Damage {
    /// Every kind; a mutant's kind is its number modulo their count.
    pub const ALL: [Self; 9] = [
        Self::Truncation,
        Self::HeaderBytes,
        Self::BodyBytes,
        Self::KeywordValue,
        Self::CardDropped,
        Self::CardSwapped,
        Self::CardDuplicated,
        Self::EndRemoved,
        Self::Several,
    ];

    /// For the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncation => "truncated",
            Self::HeaderBytes => "header bytes",
            Self::BodyBytes => "body bytes",
            Self::KeywordValue => "keyword value",
            Self::CardDropped => "card dropped",
            Self::CardSwapped => "cards swapped",
            Self::CardDuplicated => "card duplicated",
            Self::EndRemoved => "END removed",
            Self::Several => "several",
        }
    }
}

/// Values that a size, a type or a factor must not have.
const VALUES: [&str; 24] = [
    "1099511627776",
    "-5",
    "1e99",
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "99999999999999999999",
    "18446744073709551616",
    "4294967296",
    "2147483648",
    "2147483647",
    "65536",
    "1000",
    "1",
    "NaN",
    "-1E308",
    "'text'",
    "'1PE(99999999999)'",
    "'999999999E'",
    "T",
    "",
    "'",
    "(1,2",
];

/// Keywords on which the size or the meaning of the data hangs; any number behind them is met too.
const STRUCTURE: [&str; 27] = [
    "SIMPLE", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "GROUPS", "XTENSION", "TFIELDS", "TFORM", "TBCOL", "TDIM",
    "TSCAL", "TZERO", "TNULL", "THEAP", "BSCALE", "BZERO", "BLANK", "ZIMAGE", "ZBITPIX", "ZNAXIS", "ZTILE", "ZCMPTYPE",
    "ZNAME", "ZVAL", "ZQUANTIZ", "ZDITHER0",
];

/// Mutant number `number` of a list of files: its damage, the file it was made from, and its bytes.
pub fn mutant(number: u64, seeds: &[Vec<u8>]) -> (Damage, usize, Vec<u8>) {
    let kinds = Damage::ALL.len() as u64;
    let damage = Damage::ALL[(number % kinds) as usize];
    let seed = ((number / kinds) % seeds.len() as u64) as usize;
    let mut dice = Dice(number.wrapping_mul(0x9e6c_63d0_876a_68ee) ^ 20_261_120);
    let mut bytes = seeds[seed].clone();
    if damage == Damage::Several {
        for _ in 0..2 + dice.below(3) {
            let one = Damage::ALL[dice.below(Damage::ALL.len() - 1)];
            apply(one, &mut bytes, &mut dice);
        }
    } else {
        apply(damage, &mut bytes, &mut dice);
    }
    (damage, seed, bytes)
}

/// The headers of a file, END card included, as far as they begin on a block. Without any (a file that is compressed
/// as a whole) its first block stands for one.
fn headers(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + CARD <= bytes.len() {
        if bytes[at..].starts_with(b"SIMPLE  =") || bytes[at..].starts_with(b"XTENSION=") {
            let end = bytes[at..].chunks_exact(CARD).position(|card| card.starts_with(b"END     "));
            let stop = end.map_or(bytes.len(), |cards| at + (cards + 1) * CARD);
            found.push(at..stop);
            at = stop.next_multiple_of(BLOCK);
        } else {
            at += BLOCK;
        }
    }
    if found.is_empty() {
        found.push(0..bytes.len().min(BLOCK));
    }
    found
}

fn apply(damage: Damage, bytes: &mut Vec<u8>, dice: &mut Dice) {
    if bytes.is_empty() {
        return;
    }
    let headers = headers(bytes);
    let header = headers[dice.below(headers.len())].clone();
    let cards = header.len() / CARD;
    let card = |dice: &mut Dice| header.start + dice.below(cards.max(1)) * CARD;
    match damage {
        Damage::Truncation => {
            let at = dice.below(bytes.len());
            let unit = [1, CARD, BLOCK][dice.below(3)];
            bytes.truncate((at / unit * unit + [0, 1, unit - 1][dice.below(3)]).min(bytes.len() - 1));
        }
        Damage::HeaderBytes => {
            for _ in 0..=dice.below(4) {
                bytes[header.start + dice.below(header.len().max(1))] = dice.next() as u8;
            }
        }
        Damage::BodyBytes => {
            let outside = |at: &usize| !headers.iter().any(|header| header.contains(at));
            for _ in 0..=dice.below(16) {
                // A file may have no body: then any byte will do.
                let at = (0..64).map(|_| dice.below(bytes.len())).find(outside).unwrap_or(bytes.len() / 2);
                bytes[at] = dice.next() as u8;
            }
        }
        Damage::KeywordValue => new_value(bytes, &header, dice),
        _ if cards < 2 => bytes[0] ^= 1 << dice.below(8),
        Damage::CardDropped => {
            let at = card(dice);
            bytes.drain(at..at + CARD);
            if dice.below(2) == 0 {
                // What follows stays where it was.
                let last = header.end - CARD;
                bytes.splice(last..last, [b' '; CARD]);
            }
        }
        Damage::CardSwapped => {
            let (a, b) = (card(dice), card(dice));
            for i in 0..CARD {
                bytes.swap(a + i, b + i);
            }
        }
        Damage::CardDuplicated => {
            let (from, to) = (card(dice), card(dice));
            let copy = bytes[from..from + CARD].to_vec();
            let replaced = if dice.below(2) == 0 { to..to } else { to..to + CARD };
            bytes.splice(replaced, copy);
        }
        Damage::EndRemoved => {
            let fill = [b' ', 0, b'X', dice.next() as u8][dice.below(4)];
            bytes[header.end - CARD..header.end].fill(fill);
        }
        Damage::Several => {}
    }
}

/// Three times in four a keyword of the structure, else any that has a value.
fn new_value(bytes: &mut [u8], header: &Range<usize>, dice: &mut Dice) {
    let name = |at: usize| String::from_utf8_lossy(&bytes[at..at + 8]).trim_end().to_owned();
    let valued: Vec<usize> =
        header.clone().step_by(CARD).filter(|&at| at + CARD <= header.end && bytes[at + 8] == b'=').collect();
    let structural: Vec<usize> = valued
        .iter()
        .copied()
        .filter(|&at| STRUCTURE.contains(&name(at).trim_end_matches(|c: char| c.is_ascii_digit())))
        .chain(valued.iter().copied().filter(|&at| STRUCTURE.contains(&name(at).as_str())))
        .collect();
    let places = if dice.below(4) > 0 && !structural.is_empty() { structural } else { valued };
    if places.is_empty() {
        return;
    }
    let at = places[dice.below(places.len())];
    // Numbers near the right one are as telling as absurd ones.
    let value = match dice.below(4) {
        0 => (dice.below(2000) as i64 - 20).to_string(),
        _ => VALUES[dice.below(VALUES.len())].to_owned(),
    };
    let text = format!("{:<70}", format!("{value:>20}"));
    bytes[at + 10..at + CARD].copy_from_slice(&text.as_bytes()[..CARD - 10]);
}

#[test]
fn a_mutant_is_its_number_and_every_damage_is_done() {
    let seeds = [super::fits_support::cube(), super::fits_support::mixed()];
    let mut changed = [0; Damage::ALL.len()];
    for number in 0..900 {
        let (damage, seed, bytes) = mutant(number, &seeds);
        assert_eq!(mutant(number, &seeds).2, bytes);
        let kind = Damage::ALL.iter().position(|&d| d == damage).expect("it is one of them");
        changed[kind] += usize::from(bytes != seeds[seed]);
    }
    // A byte may be replaced by itself and a card swapped with itself; most damage does something.
    assert!(changed.iter().all(|&n| n > 70), "{changed:?}");
}
