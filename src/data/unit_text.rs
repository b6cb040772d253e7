//! Units set for reading: `10**(-20)*erg/s/cm**2/Angstrom` as `10⁻²⁰ erg s⁻¹ cm⁻² Å⁻¹`.

/// A unit as it is printed: factors with raised exponents. One plain quotient such as `Jy/beam` stays as it is, and so
/// does what is not a product of powers.
#[must_use]
pub fn typeset_unit(text: &str) -> String {
    let text = text.trim();
    // Old programs write everything in capitals; seconds are meant there, not siemens.
    let shouted = text.len() > 1
        && !text.contains(|c: char| c.is_lowercase())
        && ["ELECTRON", "COUNT", "ERG", "JY", "PHOTON", "ADU", "DN"].iter().any(|word| text.contains(word));
    let Some(mut factors) = factors(text) else { return text.to_owned() };
    if shouted {
        factors.iter_mut().for_each(Factor::lower);
    }
    let powers = factors.iter().filter(|f| f.exponent != 1).count();
    let divided = factors.iter().filter(|f| f.exponent == -1).count();
    let plain_quotient = factors.len() == 2 && divided == 1 && powers == 1 && text.contains('/');
    if plain_quotient && factors.iter().all(|f| f.base.parse::<f64>().is_err()) {
        return format!("{}/{}", factors[0].base, factors[1].base);
    }
    let words: Vec<String> = factors.iter().map(Factor::to_text).collect();
    words.join(" ")
}

struct Factor {
    base: String,
    exponent: i32,
}

impl Factor {
    /// Puts a word in capitals into the usual spelling.
    fn lower(&mut self) {
        self.base = match self.base.as_str() {
            "JY" => "Jy".to_owned(),
            "HZ" => "Hz".to_owned(),
            "ANGSTROM" | "ANGSTROMS" | "A" => "Å".to_owned(),
            "ADU" | "DN" | "K" => return,
            other => other.to_lowercase(),
        };
    }

    fn to_text(&self) -> String {
        if let (Ok(number), 1) = (self.base.parse::<f64>(), self.exponent) {
            return number_text(number, &self.base);
        }
        if self.exponent == 1 { self.base.clone() } else { format!("{}{}", self.base, superscript(self.exponent)) }
    }
}

/// `1e-17` as `10⁻¹⁷`, `1.5e-3` as `1.5×10⁻³`; other numbers as written.
fn number_text(number: f64, written: &str) -> String {
    let Some((mantissa, exponent)) = written.split_once(['e', 'E']) else { return written.to_owned() };
    match (mantissa.parse::<f64>(), exponent.parse::<i32>()) {
        (Ok(1.0), Ok(exponent)) => format!("10{}", superscript(exponent)),
        (Ok(_), Ok(exponent)) => format!("{mantissa}×10{}", superscript(exponent)),
        _ => number.to_string(),
    }
}

fn superscript(number: i32) -> String {
    let raised = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32(0x2070 + (digit as u32 - '0' as u32)).unwrap_or(digit),
    };
    number.to_string().chars().map(raised).collect()
}

/// Splits a product of powers; `None` for anything else (functions, sums, fractional exponents).
fn factors(text: &str) -> Option<Vec<Factor>> {
    if text.is_empty() || text.len() > 120 {
        return None;
    }
    let mut reader = Reader { rest: text.chars().collect::<Vec<_>>(), at: 0 };
    let mut out = Vec::new();
    reader.product(1, 0, &mut out)?;
    (reader.at == reader.rest.len() && !out.is_empty()).then_some(out)
}

struct Reader {
    rest: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    /// Factors up to the end or a closing bracket; `sign` is -1 below a fraction bar.
    fn product(&mut self, sign: i32, depth: usize, out: &mut Vec<Factor>) -> Option<()> {
        if depth > 4 {
            return None;
        }
        let mut below = false;
        while let Some(c) = self.peek() {
            match c {
                ')' => return Some(()),
                ' ' | '*' | '.' | '·' => self.at += 1,
                '/' => {
                    below = true;
                    self.at += 1;
                }
                _ => {
                    let sign = if below { -sign } else { sign };
                    below = false; // a/b c is a c / b, as in most files
                    if self.take('(') {
                        let first = out.len();
                        self.product(sign, depth + 1, out)?;
                        if !self.take(')') {
                            return None;
                        }
                        let power = self.exponent()?.unwrap_or(1);
                        out.iter_mut().skip(first).for_each(|f| f.exponent = f.exponent.saturating_mul(power));
                    } else {
                        let base = self.base()?;
                        let exponent = self.exponent()?.unwrap_or(1);
                        out.push(Factor { base, exponent: sign * exponent });
                    }
                }
            }
        }
        Some(())
    }

    fn base(&mut self) -> Option<String> {
        let start = self.at;
        let number = self.peek().is_some_and(|c| c.is_ascii_digit());
        while let Some(c) = self.peek() {
            let before = self.at.checked_sub(1).and_then(|i| self.rest.get(i)).copied();
            let part = if number {
                let exponent_sign = matches!(c, '-' | '+') && self.at > start && matches!(before, Some('e' | 'E'));
                let exponent = matches!(c, 'e' | 'E')
                    && self.rest.get(self.at + 1).is_some_and(|n| n.is_ascii_digit() || matches!(n, '-' | '+'));
                c.is_ascii_digit() || c == '.' || exponent || exponent_sign
            } else {
                c.is_alphabetic() || matches!(c, '_' | '%' | '°' | '"' | '\'')
            };
            if !part {
                break;
            }
            self.at += 1;
        }
        let word: String = self.rest[start..self.at].iter().collect();
        let known = match word.as_str() {
            "" => return None,
            "sqrt" | "log" | "ln" | "exp" | "dex" | "mag" if self.peek() == Some('(') => return None,
            "Angstrom" | "angstrom" | "Angstroms" | "angstroms" | "Ang" | "ANGSTROM" => "Å",
            "um" | "micron" | "microns" => "µm",
            "ELECTRONS" | "electrons" | "electron" => "e⁻",
            "seconds" | "second" | "sec" => "s",
            "ergs" => "erg",
            other => other,
        };
        Some(known.to_owned())
    }

    /// `**-2`, `**(-2)`, `^2`, `-2`, `2`; the outer `None` is something that is not a whole number.
    fn exponent(&mut self) -> Option<Option<i32>> {
        let start = self.at;
        let marked = if self.take('^') { true } else { self.take('*') && self.take('*') };
        if !marked {
            self.at = start;
        }
        let bracket = marked && self.take('(');
        let digits = self.at;
        if matches!(self.peek(), Some('-' | '+')) {
            self.at += 1;
        }
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        let text: String = self.rest[digits..self.at].iter().collect();
        let number = text.parse::<i32>().ok();
        if bracket && !self.take(')') {
            return None;
        }
        match number {
            None if marked || !text.is_empty() => None,
            _ if number.is_some() && matches!(self.peek(), Some('.')) && self.next_is_digit() => None,
            _ => Some(number),
        }
    }

    fn next_is_digit(&self) -> bool {
        self.rest.get(self.at + 1).is_some_and(char::is_ascii_digit)
    }
}

#[cfg(test)]
mod tests {
    use super::typeset_unit;

    #[test]
    fn units_are_set_with_raised_exponents() {
        for (written, set) in [
            ("10**(-20)*erg/s/cm**2/Angstrom", "10⁻²⁰ erg s⁻¹ cm⁻² Å⁻¹"),
            ("10**-20 Angstrom-1 cm-2 erg s-1", "10⁻²⁰ Å⁻¹ cm⁻² erg s⁻¹"),
            ("1E-17 erg/cm^2/s/Ang", "10⁻¹⁷ erg cm⁻² s⁻¹ Å⁻¹"),
            ("erg/s/cm2/Angstrom", "erg s⁻¹ cm⁻² Å⁻¹"),
            ("erg/(s cm2 Hz)", "erg s⁻¹ cm⁻² Hz⁻¹"),
            ("1.5e-3 Jy", "1.5×10⁻³ Jy"),
            ("MJy/sr", "MJy/sr"),
            ("Jy/beam", "Jy/beam"),
            ("ELECTRONS/S", "e⁻/s"),
            ("JY/BEAM", "Jy/beam"),
            ("COUNTS", "counts"),
            ("ADU", "ADU"),
            ("S", "S"),
            ("m s-1", "m s⁻¹"),
            ("km/s", "km/s"),
            ("arcsec**2", "arcsec²"),
            ("counts", "counts"),
            ("", ""),
        ] {
            assert_eq!(typeset_unit(written), set, "{written}");
        }
    }

    #[test]
    fn what_is_no_product_stays() {
        for text in ["log(cm**-2)", "mag(AB)", "Jy**0.5", "10**", "e-/s", "((((((m", "m**(1/2)", "Flux, arbitrary", "-"]
        {
            assert_eq!(typeset_unit(text), text);
        }
    }
}
