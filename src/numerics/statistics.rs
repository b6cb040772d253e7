//! Numbers that stand for many.

/// The middle value, of an even number the greater of the two in the middle: always one of the values. NaN counts as greatest.
/// `None` of none. Moves the values.
pub fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

/// The middle value, of an even number the mean of the two in the middle. NaN counts as greatest; NaN of none. Sorts the values.
pub fn median_between(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n.is_multiple_of(2) => 0.5 * (values[middle - 1] + values[middle]),
        _ => values[middle],
    }
}

/// A range that shows a curve: noisy ends and single spikes are left out, lines in between are not.
///
/// The curve is cut into 20 stretches. Stretches at either end whose point-to-point scatter is more than 5 times that of
/// the typical stretch are dropped; of the rest count the medians of three neighbours, and the values that lie beyond those by
/// no more than four times their span: an unresolved line counts, a cosmic ray does not.
/// `None` without finite values. The range may be empty (a constant).
pub fn sturdy_range(values: &[f64]) -> Option<[f64; 2]> {
    const STRETCHES: usize = 20;
    const SPIKE_SPANS: f64 = 4.0;
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let length = finite.len().div_ceil(STRETCHES).max(4);
    let scatters: Vec<f64> = finite
        .chunks(length)
        .map(|stretch| {
            let mut steps: Vec<f64> = stretch.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
            median(&mut steps).unwrap_or(0.0)
        })
        .collect();
    let typical = median(&mut scatters.clone())?;
    let noisy = |scatter: &&f64| typical > 0.0 && **scatter > 5.0 * typical;
    // The noise may end within the stretch behind, which is half quiet: that one goes as well.
    let with_next = |dropped: usize| if dropped > 0 { dropped + 1 } else { 0 };
    let before = with_next(scatters.iter().take_while(noisy).count());
    let after = with_next(scatters.iter().rev().take_while(noisy).count());
    let end = (scatters.len().saturating_sub(after) * length).min(finite.len());
    let kept = finite.get((before * length).min(end)..end).filter(|kept| !kept.is_empty()).unwrap_or(&finite);
    let mut range = [f64::INFINITY, f64::NEG_INFINITY];
    let mut widen = |v: f64| range = [range[0].min(v), range[1].max(v)];
    if kept.len() < 3 {
        kept.iter().copied().for_each(&mut widen);
        return Some(range);
    }
    kept.windows(3).filter_map(|w| median(&mut [w[0], w[1], w[2]])).for_each(&mut widen);
    // An unresolved line is as narrow as a spike, but not as high: values within so many spans count.
    let [low, high] = range;
    let reach = SPIKE_SPANS * (high - low);
    for v in kept.iter().copied().filter(|v| (low - reach..=high + reach).contains(v)) {
        range = [range[0].min(v), range[1].max(v)];
    }
    Some(range)
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
        assert_eq!(median_between(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median_between(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median_between(&mut []).is_nan());
    }

    #[test]
    fn a_noisy_edge_and_a_spike_do_not_set_the_range_but_a_line_does() {
        let mut stream = crate::numerics::random::stream(3, "sturdy range", 0);
        let mut noise = |sigma: f64| sigma * crate::numerics::random::normal(&mut stream);
        let mut values: Vec<f64> = (0..1000)
            .map(|i| {
                let line = 20.0 * (-0.5 * ((f64::from(i) - 400.0) / 3.0).powi(2)).exp();
                10.0 + line + noise(if i < 60 { 500.0 } else { 1.0 })
            })
            .collect();
        values[700] = 1e6;
        values[701] = f64::NAN;
        let [low, high] = sturdy_range(&values).unwrap();
        assert!((6.0..9.5).contains(&low), "{low}");
        assert!((27.0..33.0).contains(&high), "{high}");
        assert_eq!(sturdy_range(&[f64::NAN]), None);
        assert_eq!(sturdy_range(&[2.0, 2.0]), Some([2.0, 2.0]));
        assert_eq!(sturdy_range(&[1.0, 5.0]), Some([1.0, 5.0]));
    }
}
