//! Numbers that stand for many.

/// The middle value, of an even number the greater of the two in the middle: always one of the values. NaN counts as greatest.
/// `None` of none. Moves the values.
pub fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_one_above_it() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0]), Some(3.0));
        assert_eq!(median(&mut [9.0, -1.0, 4.0]), Some(4.0));
        assert_eq!(median(&mut [9.0, -1.0, 4.0, 2.0]), Some(4.0));
        assert_eq!(median(&mut [f64::NAN, 1.0, 2.0]), Some(2.0));
    }
}
