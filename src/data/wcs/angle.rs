//! Angles as people write them: sexagesimal right ascension and declination.

/// Right ascension in hours, minutes and seconds, "09:46:56.680"; `decimals` of a second.
pub fn format_ra(degrees: f64, decimals: usize) -> String {
    if !degrees.is_finite() {
        return "no value".to_owned();
    }
    let (hours, minutes, seconds) = split(degrees.rem_euclid(360.0) / 15.0, decimals);
    // What rounds up to 24 h is 0 h.
    format!("{:02}:{minutes:02}:{seconds}", hours % 24)
}

/// Declination in degrees, minutes and seconds with its sign, "+10:06:52.80"; `decimals` of an arcsecond.
pub fn format_dec(degrees: f64, decimals: usize) -> String {
    if !degrees.is_finite() {
        return "no value".to_owned();
    }
    let (whole, minutes, seconds) = split(degrees.abs(), decimals);
    let sign = if degrees.is_sign_negative() { '-' } else { '+' };
    format!("{sign}{whole:02}:{minutes:02}:{seconds}")
}

/// Whole, sixtieths, and sixtieths of those with decimals; rounded once, so that 60 never stands there.
fn split(value: f64, decimals: usize) -> (u64, u64, String) {
    let decimals = decimals.min(9);
    let parts = 10_u64.pow(u32::try_from(decimals).unwrap_or(0));
    let total = (value * 3600.0 * parts as f64).round() as u64;
    let (seconds, rest) = (total / parts, total % parts);
    let text = match decimals {
        0 => format!("{:02}", seconds % 60),
        _ => format!("{:02}.{rest:0decimals$}", seconds % 60),
    };
    (seconds / 3600, seconds / 60 % 60, text)
}

/// Reads a position: right ascension and declination in degrees, from "09:46:56.68 +10:06:52.8",
/// "9h46m56.68s +10d06m52.8s", "09 46 56.68 +10 06 52.8" or "146.7362, 10.1147".
///
/// # Errors
/// What cannot be understood, in words.
pub fn parse_position(text: &str) -> Result<(f64, f64), String> {
    let words: Vec<&str> = text.split([' ', '\t', ',', ';']).filter(|word| !word.is_empty()).collect();
    let (longitude, latitude) = match words[..] {
        [longitude, latitude] => (parse_ra(longitude)?, parse_dec(latitude)?),
        [h, m, s, d, am, as_] => (parse_ra(&format!("{h}:{m}:{s}"))?, parse_dec(&format!("{d}:{am}:{as_}"))?),
        _ => return Err(format!("{text:?} is not a position; write it as 09:46:56.68 +10:06:52.8")),
    };
    Ok((longitude, latitude))
}

/// Reads a right ascension in degrees (0 to 360): with colons or h, m, s it is in hours, with d in degrees, and a plain
/// number is in degrees.
///
/// # Errors
/// What cannot be understood, in words.
pub fn parse_ra(text: &str) -> Result<f64, String> {
    let refuse = || format!("{text:?} is not a right ascension; write it as 09:46:56.68, 9h46m56.68s or 146.736");
    let (value, form) = parse_parts(text).ok_or_else(refuse)?;
    let degrees = match form {
        Form::Hours | Form::Colons => value * 15.0,
        Form::Degrees | Form::Plain => value,
    };
    if (0.0..=360.0).contains(&degrees) { Ok(degrees % 360.0) } else { Err(refuse()) }
}

/// Reads a declination in degrees, from "+10:06:52.8", "10d06m52.8s" or a plain number of degrees.
///
/// # Errors
/// What cannot be understood, in words.
pub fn parse_dec(text: &str) -> Result<f64, String> {
    let refuse = || format!("{text:?} is not a declination from -90 to 90; write it as +10:06:52.8 or 10.1147");
    let (value, form) = parse_parts(text).ok_or_else(refuse)?;
    if form != Form::Hours && value.abs() <= 90.0 { Ok(value) } else { Err(refuse()) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Colons,
    Hours,
    Degrees,
}

/// The value in its largest unit, and how it was written.
fn parse_parts(text: &str) -> Option<(f64, Form)> {
    // Typographic signs are met where positions are copied from a paper.
    let text = text.trim().replace(['\u{2212}', '\u{2013}'], "-").to_ascii_lowercase();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(&text)),
    };
    let form = match rest {
        _ if rest.contains('h') => Form::Hours,
        _ if rest.contains(['d', '\u{b0}']) => Form::Degrees,
        _ if rest.contains(':') => Form::Colons,
        _ => Form::Plain,
    };
    let plain = if form == Form::Plain { vec![rest] } else { pieces(rest, form)? };
    if plain.is_empty() || plain.len() > 3 {
        return None;
    }
    let mut value = 0.0;
    for (i, piece) in plain.iter().enumerate() {
        let digits = !piece.is_empty() && piece.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let number: f64 = if digits || form == Form::Plain { piece.parse().ok()? } else { return None };
        // Only the last may have a fraction; minutes and seconds stay below 60.
        let fraction_too_early = i + 1 < plain.len() && number.fract() != 0.0;
        if !number.is_finite() || number < 0.0 || fraction_too_early || (i > 0 && number >= 60.0) {
            return None;
        }
        value += number / 60_f64.powi(i32::try_from(i).ok()?);
    }
    Some((sign * value, form))
}

fn pieces(text: &str, form: Form) -> Option<Vec<&str>> {
    if form == Form::Colons {
        return Some(text.split(':').collect());
    }
    // Units in their order, each at most once; the last one may be left out.
    let marks: [&[char]; 3] = [&['h', 'd', '\u{b0}'], &['m', '\'', '\u{2032}'], &['s', '"', '\u{2033}']];
    let mut out = Vec::new();
    let mut rest = text;
    for mark in marks {
        if rest.is_empty() {
            break;
        }
        match rest.find(mark) {
            Some(at) => {
                let (piece, after) = rest.split_at(at);
                out.push(piece);
                rest = &after[after.chars().next()?.len_utf8()..];
            }
            None => {
                out.push(rest);
                rest = "";
            }
        }
    }
    rest.is_empty().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_are_written_and_rounded_once() {
        assert_eq!(format_ra(146.736_166_666_666_67, 2), "09:46:56.68");
        assert_eq!(format_dec(10.114_666_666_666_666, 1), "+10:06:52.8");
        assert_eq!(format_ra(359.999_999_99, 1), "00:00:00.0");
        assert_eq!(format_ra(-15.0, 0), "23:00:00");
        assert_eq!(format_dec(-0.000_01, 1), "-00:00:00.0");
        assert_eq!(format_dec(-0.5, 0), "-00:30:00");
        assert_eq!(format_dec(9.999_999_99, 0), "+10:00:00");
        assert_eq!(format_dec(f64::NAN, 0), "no value");
    }

    #[test]
    fn positions_are_read_in_every_spelling() {
        for text in [
            "09:46:56.68 +10:06:52.8",
            "9h46m56.68s +10d06m52.8s",
            "9h46m56.68s, 10\u{b0}06'52.8\"",
            "09 46 56.68 +10 06 52.8",
            "146.7361666666666667 10.114666666666666",
            "146.7361666666666667d,10.114666666666666d",
        ] {
            let (longitude, latitude) = parse_position(text).unwrap();
            assert!((longitude - 146.736_166_666_666_67).abs() < 1e-11, "{text} {longitude}");
            assert!((latitude - 10.114_666_666_666_666).abs() < 1e-12, "{text} {latitude}");
        }
        assert_eq!(parse_dec("-0:30:00"), Ok(-0.5));
        assert_eq!(parse_dec("\u{2212}00:30"), Ok(-0.5));
        assert_eq!(parse_ra("24:00:00"), Ok(0.0));
        assert_eq!(parse_ra("1e1"), Ok(10.0));
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        for text in
            ["", "abc", "1 2 3", "25:00:00 0", "10:61:00 0", "10:00:60 0", "0 91", "0 1h", "1:2:3:4 0", "0 1d2d3"]
        {
            assert!(parse_position(text).is_err(), "{text}");
        }
        assert!(parse_ra("inf").is_err() && parse_dec("nan").is_err() && parse_ra("h").is_err());
    }

    #[test]
    fn written_angles_read_back() {
        for i in 0..3000 {
            let degrees = f64::from(i) * 0.119_73;
            let back = parse_ra(&format_ra(degrees, 6)).unwrap();
            assert!((back - degrees % 360.0).abs() < 1e-8, "{degrees} {back}");
            let latitude = f64::from(i - 1500) * 0.0599;
            assert!((parse_dec(&format_dec(latitude, 6)).unwrap() - latitude).abs() < 1e-9);
        }
    }
}
