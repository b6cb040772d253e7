//! Units as files write them: compared and converted by fitsy's parser, the text kept as it is.

use super::containment::contained_result;

/// A unit.
#[derive(Debug, Clone)]
pub struct Unit {
    text: String,
    parsed: Option<fitsy::units::Unit>,
}

impl Unit {
    /// Understands BUNIT, CUNITn or TUNITn. What cannot be understood is kept as text.
    ///
    /// The spellings of the standard (`erg/s/cm2/Angstrom`, `10**-20 Angstrom-1 cm-2 erg s-1`) come first, then those
    /// that are met: `10**(-20)*erg/s/cm**2/Angstrom`, `1E-17 erg/cm^2/s/Ang`, `COUNTS`. Electrons are no
    /// unit of the standard and stay text.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        // In a flux density respelling comes first: the standard would take `A` for ampere.
        let is_flux = text.to_ascii_lowercase().contains("erg");
        let first = if is_flux { parse(&respelt(text)) } else { None };
        let parsed = first.or_else(|| parse(text)).or_else(|| parse(&respelt(text)));
        Self { text: text.to_owned(), parsed }
    }

    /// The text as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True when its meaning is known.
    pub fn is_understood(&self) -> bool {
        self.parsed.is_some()
    }

    /// How many of `other` one of this unit is; `None` when they measure different things, one is not understood, or
    /// one is logarithmic (magnitudes).
    pub fn factor_to(&self, other: &Self) -> Option<f64> {
        let (from, to) = (self.parsed?, other.parsed?);
        let factor = contained_result(|| from.converter_to(to).map_err(|error| error.to_string())).ok()?.as_factor()?;
        Some(factor).filter(|factor| factor.is_finite())
    }

    /// True when both mean the same, however they are written.
    pub fn means(&self, other: &Self) -> bool {
        // Powers of ten that are multiplied in another order differ in the last digits.
        self.text == other.text || self.factor_to(other).is_some_and(|factor| (factor - 1.0).abs() < 1e-12)
    }
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse(text: &str) -> Option<fitsy::units::Unit> {
    // A unit is a short word; a longer text is a sentence, and not worth a parser's time.
    if text.is_empty() || text.len() > 200 {
        return None;
    }
    let strict = contained_result(|| fitsy::units::parse_unit(text).map_err(|error| error.to_string()));
    strict
        .or_else(|_| contained_result(|| fitsy::units::parse_unit_lenient(text).map_err(|error| error.to_string())))
        .ok()
}

/// Rewrites spellings that are met into those of the standard.
fn respelt(text: &str) -> String {
    let mut text = text.replace("e-/", "electron/").replace("e-1/", "electron/");
    // 1E-17 or 1.0e-17 in front.
    let number =
        text.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+')).count();
    if let Some((written, rest)) = text.split_at_checked(number)
        && let Some((mantissa, exponent)) = written.split_once(['e', 'E'])
        && mantissa.parse() == Ok(1.0)
        && let Ok(exponent) = exponent.parse::<i32>()
    {
        text = format!("10**({exponent}) {}", rest.trim_start_matches([' ', '*']));
    }
    // In a flux density `A` is Angstrom, not ampere.
    let is_flux = text.to_ascii_lowercase().contains("erg");
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().chain(std::iter::once(' ')) {
        if c.is_ascii_alphabetic() {
            word.push(c);
            continue;
        }
        out.push_str(match word.to_ascii_lowercase().as_str() {
            "a" if is_flux => "Angstrom",
            "ang" | "angstrom" | "angstroms" => "Angstrom",
            "electron" | "electrons" => "electron",
            "s" | "sec" | "second" | "seconds" => "s",
            "count" | "counts" | "cts" | "ct" => "count",
            "photon" | "photons" | "ph" => "photon",
            "adu" | "dn" => "adu",
            "erg" | "ergs" => "erg",
            "pixel" | "pixels" | "pix" | "spaxel" => "pixel",
            "micron" | "microns" => "um",
            "cm" => "cm",
            "jy" => "Jy",
            "hz" => "Hz",
            "kev" => "keV",
            _ => word.as_str(),
        });
        word.clear();
        out.push(c);
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_muse_are_equal() {
        let old = Unit::parse("10**(-20)*erg/s/cm**2/Angstrom");
        let new = Unit::parse("10**-20 Angstrom-1 cm-2 erg s-1");
        assert!(old.is_understood() && new.is_understood());
        assert!(old.means(&new), "{:?}", old.factor_to(&new));
        assert_eq!(old.text(), "10**(-20)*erg/s/cm**2/Angstrom");
        let plain = Unit::parse("erg/s/cm2/Angstrom");
        assert!((old.factor_to(&plain).unwrap() / 1e-20 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn spellings_that_are_met() {
        for (met, meant) in [
            ("1E-17 erg/cm^2/s/Ang", "10**-17 erg cm-2 s-1 Angstrom-1"),
            ("1e-17*erg/s/cm2/A", "10**-17 erg cm-2 s-1 Angstrom-1"),
            ("COUNTS", "count"),
            ("angstroms", "Angstrom"),
            ("SECONDS", "s"),
        ] {
            assert!(Unit::parse(met).means(&Unit::parse(meant)), "{met}: {:?}", Unit::parse(met));
        }
        let nm = Unit::parse("nm").factor_to(&Unit::parse("Angstrom")).unwrap();
        assert!((nm - 10.0).abs() < 1e-12);
        assert_eq!(Unit::parse("nm").factor_to(&Unit::parse("Hz")), None);
        let odd = Unit::parse("furlongs per fortnight");
        assert!(!odd.is_understood());
        assert_eq!(odd.to_string(), "furlongs per fortnight");
    }

    #[test]
    fn any_text_is_survived() {
        for text in ["", "(", "10**", "((((((", "1e", "é/s", "e-/", "**2", "m**(1/0)", "10**999999", "-"] {
            assert_eq!(Unit::parse(text).text(), text);
        }
        assert!(!Unit::parse(&"(".repeat(100_000)).is_understood());
    }
}
