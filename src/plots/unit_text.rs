//! Units as people write them: `10**(-20)*erg/s/cm**2/Angstrom` becomes `10⁻²⁰ erg/s/cm²/Å`.

use super::axes::superscript;

/// A unit of a FITS header for reading: raised powers, `Å`, no stars. What is not understood stays as it is.
#[must_use]
pub fn unit_text(unit: &str) -> String {
    let spelt = unit.trim().replace("Angstroms", "Å").replace("Angstrom", "Å").replace("angstrom", "Å");
    let chars: Vec<char> = spelt.chars().collect();
    let mut out = String::with_capacity(spelt.len());
    let mut i = 0;
    while i < chars.len() {
        let rest = &chars[i..];
        let starred = rest.starts_with(&['*', '*']);
        let marked = if starred { 2 } else { usize::from(rest[0] == '^') };
        if marked > 0
            && let Some((power, length)) = power(&rest[marked..])
        {
            out.push_str(&superscript(power));
            i += marked + length;
            continue;
        }
        // A number straight behind a letter is a power: cm-2, s-1, cm2.
        let exponent = i > 1 && matches!(chars[i - 1], 'e' | 'E') && chars[i - 2].is_ascii_digit();
        let behind_letter = i > 0 && chars[i - 1].is_alphabetic() && !exponent;
        let is_sign = matches!(rest[0], '-' | '+') && rest.get(1).is_some_and(char::is_ascii_digit);
        if behind_letter
            && (is_sign || rest[0].is_ascii_digit())
            && let Some((power, length)) = power(rest)
        {
            out.push_str(&superscript(power));
            i += length;
            continue;
        }
        out.push(if rest[0] == '*' { ' ' } else { rest[0] });
        i += 1;
    }
    out
}

/// A whole number, in parentheses or not, and how many characters it takes.
fn power(chars: &[char]) -> Option<(i32, usize)> {
    let inside = usize::from(chars.first() == Some(&'('));
    let end = chars
        .iter()
        .enumerate()
        .skip(inside)
        .find(|(i, c)| !(c.is_ascii_digit() || (*i == inside && matches!(c, '-' | '+'))))
        .map_or(chars.len(), |(i, _)| i);
    let number: String = chars.get(inside..end)?.iter().collect();
    // 1.5 and 2/3 are no whole numbers.
    let closes = if inside == 1 { chars.get(end) == Some(&')') } else { chars.get(end) != Some(&'.') };
    let power = number.trim_start_matches('+').parse().ok().filter(|_| closes)?;
    Some((power, end + inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_read_well() {
        for (written, read) in [
            ("10**(-20)*erg/s/cm**2/Angstrom", "10⁻²⁰ erg/s/cm²/Å"),
            ("10**-20 Angstrom-1 cm-2 erg s-1", "10⁻²⁰ Å⁻¹ cm⁻² erg s⁻¹"),
            ("1E-17 erg/cm^2/s/Ang", "1E-17 erg/cm²/s/Ang"),
            ("Jy/beam", "Jy/beam"),
            ("cm-1", "cm⁻¹"),
            ("m**(1/2)", "m  (1/2)"),
            ("e-/s", "e-/s"),
            ("km s**-1", "km s⁻¹"),
            ("", ""),
            ("**", "  "),
        ] {
            assert_eq!(unit_text(written), read, "{written}");
        }
    }
}
