//! Ticks and numbers: nice positions on an axis, and text for values that shows neither noise digits nor too few.

/// The pixel number shown to a user (1-based, as in FITS) of a 0-based pixel coordinate. The only place that converts.
#[must_use]
pub fn fits_from_pixel(pixel: f64) -> f64 {
    pixel + 1.0
}

/// The way back: the 0-based pixel coordinate of a number that a user typed.
#[must_use]
pub fn pixel_from_fits(number: f64) -> f64 {
    number - 1.0
}

/// Ticks of one axis: positions and their labels, and the power of ten taken out of all labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticks {
    /// Positions, ascending.
    pub values: Vec<f64>,
    /// One label for each position; all share their number of decimals.
    pub labels: Vec<String>,
    /// The labels times `10^exponent` are the values; 0, or a multiple of three.
    pub exponent: i32,
}

impl Ticks {
    /// Nice ticks in `[low, high]` (either order), at most `max_count` of them, with labels.
    #[must_use]
    pub fn nice(low: f64, high: f64, max_count: usize) -> Self {
        Self::of(nice_values(low, high, max_count))
    }

    /// Labels for the given positions.
    #[must_use]
    pub fn of(values: Vec<f64>) -> Self {
        let (labels, exponent) = labels(&values);
        Self { values, labels, exponent }
    }

    /// `" ×10⁻³"`, to go behind the axis label, or nothing.
    #[must_use]
    pub fn factor(&self) -> String {
        if self.exponent == 0 { String::new() } else { format!("×10{}", superscript(self.exponent)) }
    }
}

/// Multiples of 1, 2 or 5 times a power of ten in `[low, high]`, at most `max_count`.
///
/// Empty when a bound is not finite, the range is empty or narrower than the numbers can resolve, or `max_count` is 0.
#[must_use]
pub fn nice_values(low: f64, high: f64, max_count: usize) -> Vec<f64> {
    let (low, high) = if low <= high { (low, high) } else { (high, low) };
    let span = high - low;
    let resolution = low.abs().max(high.abs()) * 1e-14;
    if !span.is_finite() || span <= resolution || max_count == 0 {
        return Vec::new();
    }
    let rough = span / max_count as f64;
    let power = rough.log10().floor() as i32;
    // The candidates ascend; the first that needs few enough ticks is the finest that fits.
    for candidate in 0..12 {
        let mantissa = [1.0, 2.0, 5.0][candidate % 3];
        let exponent = power + (candidate / 3) as i32;
        let step = mantissa * 10f64.powi(exponent);
        let slack = 1e-9;
        let first = (low / step - slack).ceil();
        let last = (high / step + slack).floor();
        let count = last - first + 1.0;
        if count <= max_count as f64 {
            return (0..count.max(0.0) as usize).map(|i| multiple(first + i as f64, mantissa, exponent)).collect();
        }
    }
    Vec::new()
}

/// `n * mantissa * 10^exponent`, correctly rounded: dividing by the power keeps 0.3 from becoming 0.30000000000000004.
fn multiple(n: f64, mantissa: f64, exponent: i32) -> f64 {
    let value = n * mantissa;
    let result = if exponent < 0 { value / 10f64.powi(-exponent) } else { value * 10f64.powi(exponent) };
    if result == 0.0 { 0.0 } else { result } // no -0
}

/// Labels that share decimals and one factor `10^exponent`.
fn labels(values: &[f64]) -> (Vec<String>, i32) {
    let largest = values.iter().fold(0.0f64, |a, v| a.max(v.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return (values.iter().map(|v| format_value(*v, 4)).collect(), 0);
    }
    let magnitude = largest.log10().floor() as i32;
    let exponent = if (-3..5).contains(&magnitude) { 0 } else { magnitude.div_euclid(3) * 3 };
    let scaled: Vec<f64> = values.iter().map(|v| scale_by_ten(*v, -exponent)).collect();
    let decimals = shared_decimals(&scaled);
    let labels = scaled.iter().map(|v| minus_sign(&without_negative_zero(format!("{v:.decimals$}")))).collect();
    (labels, exponent)
}

fn scale_by_ten(value: f64, exponent: i32) -> f64 {
    // Two steps keep 10^-exponent finite for the smallest and largest doubles.
    let half = exponent / 2;
    value * 10f64.powi(half) * 10f64.powi(exponent - half)
}

/// The fewest decimals (at most 10) with which every value is shown exactly to nine digits of the largest.
fn shared_decimals(values: &[f64]) -> usize {
    let largest = values.iter().fold(0.0f64, |a, v| a.max(v.abs()));
    for decimals in 0..10 {
        let power = 10f64.powi(decimals);
        let exact = values.iter().all(|v| ((v * power).round() / power - v).abs() <= largest * 1e-9);
        if exact {
            return decimals as usize;
        }
    }
    10
}

fn without_negative_zero(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_owned(),
        _ => text,
    }
}

fn minus_sign(text: &str) -> String {
    text.replace('-', "−")
}

/// A value for reading and for typing back: `digits` significant digits, trailing zeros cut,
/// in plain form between 1e-4 and 1e6, else as `1.5e-7`; `NaN`, `∞` and `-∞` as such.
#[must_use]
pub fn format_value(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "-∞" }.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = digits.clamp(1, 17);
    // Let the formatter round first: 9.9996 with four digits is 10.00, one power higher.
    let scientific = format!("{value:.*e}", digits - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        trim_zeros(&format!("{value:.decimals$}"))
    } else {
        format!("{}e{exponent}", trim_zeros(mantissa))
    }
}

/// The label of a tick on an axis whose ticks are `step` apart and whose largest number is `largest`:
/// all labels of the axis get the same decimals, and an exponent where the numbers are very large or small.
#[must_use]
pub fn format_tick(value: f64, step: f64, largest: f64) -> String {
    let digits_below = |unit: f64| -> usize {
        // 0.25 needs two decimals although its power of ten is one: try until the step is whole.
        let mut power = 1.0;
        for decimals in 0..12 {
            let scaled = unit * power;
            if (scaled.round() - scaled).abs() < 1e-6 * scaled {
                return decimals;
            }
            power *= 10.0;
        }
        12
    };
    if !(step.is_finite() && step > 0.0 && largest > 0.0 && largest.is_finite()) {
        return format_value(value, 6);
    }
    let magnitude = largest.log10().floor() as i32;
    if (-4..6).contains(&magnitude) {
        let decimals = digits_below(step);
        return minus_sign(&without_negative_zero(format!("{value:.decimals$}")));
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let scale = scale_by_ten(1.0, -magnitude);
    let decimals = digits_below(step * scale);
    let mantissa = without_negative_zero(format!("{:.decimals$}", value * scale));
    minus_sign(&format!("{mantissa}e{magnitude}"))
}

/// [`format_value`] with the unit behind it, if there is one.
#[must_use]
pub fn format_with_unit(value: f64, digits: usize, unit: &str) -> String {
    with_unit(&format_value(value, digits), unit)
}

/// A number with the unit behind it, if there is one; a unit that begins with a power of ten is multiplied: `38 × 10⁻²⁰ erg`.
#[must_use]
pub fn with_unit(number: &str, unit: &str) -> String {
    if unit.is_empty() {
        number.to_owned()
    } else if unit
        .strip_prefix("10")
        .is_some_and(|rest| rest.starts_with(['⁻', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹']))
    {
        format!("{number} × {unit}")
    } else {
        format!("{number} {unit}")
    }
}

fn trim_zeros(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

/// `-12` as `⁻¹²`.
#[must_use]
pub fn superscript(number: i32) -> String {
    number
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '0' => '⁰',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            _ => '⁹',
        })
        .collect()
}

/// `"convergence (arcsec)"`, or the label alone, with the common factor of the ticks where there is one.
#[must_use]
pub fn axis_label(label: &str, unit: &str, factor: &str) -> String {
    let inside = match (factor.is_empty(), unit.is_empty()) {
        (true, true) => return label.to_owned(),
        (true, false) => unit.to_owned(),
        (false, true) => factor.to_owned(),
        (false, false) => format!("{factor} {unit}"),
    };
    if label.is_empty() { inside } else { format!("{label} ({inside})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let ticks = Ticks::nice(0.0, 1.0, 6);
        assert_eq!(ticks.values, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks.labels, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(Ticks::nice(-0.35, 0.35, 8).labels, ["−0.3", "−0.2", "−0.1", "0.0", "0.1", "0.2", "0.3"]);
        for (low, high) in [(1e-9, 7e-9), (-5.0, 5.0), (1e6, 1.00001e6), (3.0, 2e20)] {
            for count in 1..12 {
                let values = nice_values(low, high, count);
                assert!(values.len() <= count, "{low} {high} {count}: {values:?}");
                let margin = 1e-8 * (high - low);
                assert!(values.iter().all(|v| *v >= low - margin && *v <= high + margin));
                assert!(values.windows(2).all(|w| w[0] < w[1]));
            }
        }
    }

    #[test]
    fn labels_take_out_a_power_of_a_thousand() {
        let ticks = Ticks::nice(0.0, 4e-7, 5);
        assert_eq!(ticks.exponent, -9);
        assert_eq!(ticks.labels, ["0", "100", "200", "300", "400"]);
        assert_eq!(ticks.factor(), "×10⁻⁹");
        assert_eq!(Ticks::nice(0.0, 3000.0, 4).exponent, 0);
        assert_eq!(Ticks::nice(0.0, 3e7, 4).labels, ["0", "10", "20", "30"]);
    }

    #[test]
    fn degenerate_ranges_give_no_ticks() {
        for (low, high) in [(1.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (1e16, 1e16 + 2.0)] {
            assert!(nice_values(low, high, 5).is_empty(), "{low} {high}");
        }
    }

    #[test]
    fn ticks_of_an_axis_share_their_form() {
        assert_eq!(format_tick(0.1 + 0.2, 0.1, 1.0), "0.3");
        assert_eq!(format_tick(1.0, 0.25, 1.0), "1.00");
        assert_eq!(format_tick(-1e-17, 0.1, 1.0), "0.0");
        assert_eq!(format_tick(2000.0, 500.0, 3000.0), "2000");
        assert_eq!(format_tick(1.5e-8, 5e-9, 3e-8), "1.5e−8");
        assert_eq!(format_tick(-2e9, 1e9, 4e9), "−2e9");
        assert_eq!(format_tick(0.0, 1e9, 4e9), "0");
    }

    #[test]
    fn values_read_well() {
        for (value, digits, text) in [
            (0.1 + 0.2, 6, "0.3"),
            (9.9996, 4, "10"),
            (-0.000_012_345, 3, "-1.23e-5"),
            (1_234_567.0, 4, "1.235e6"),
            (123_456.0, 3, "123456"),
            (f64::NAN, 3, "NaN"),
            (f64::NEG_INFINITY, 3, "-∞"),
            (0.0, 3, "0"),
            (5e-324, 3, "4.94e-324"),
        ] {
            assert_eq!(format_value(value, digits), text);
        }
        assert_eq!(format_with_unit(1.5, 4, "Jy/beam"), "1.5 Jy/beam");
        assert_eq!(format_with_unit(38.2, 4, "10⁻²⁰ erg"), "38.2 × 10⁻²⁰ erg");
        assert_eq!(format_with_unit(3.0, 4, "100 m"), "3 100 m");
        assert_eq!(axis_label("flux", "Jy", "×10⁻³"), "flux (×10⁻³ Jy)");
    }
}
