//! Points counted in bins: what a plot of very many points shows instead of the points.

use std::ops::ControlFlow;

use ndarray::Array2;

/// Points in the cells of a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Density {
    /// Number of points `[y, x]`, row 0 at the low end of y.
    pub counts: Array2<u32>,
    /// Mean of the third quantity of each cell; NaN without points. Empty without a third quantity.
    pub means: Array2<f32>,
    /// `[x low, y low, x high, y high]`.
    pub bounds: [f64; 4],
}

/// Bounds of the finite points `[x low, y low, x high, y high]`, made at least a little wide; `None` without points.
pub fn bounds_of(points: impl Iterator<Item = [f64; 2]>) -> Option<[f64; 4]> {
    let mut bounds = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    for [x, y] in points.filter(|p| p[0].is_finite() && p[1].is_finite()) {
        bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x), bounds[3].max(y)];
    }
    if !bounds[0].is_finite() {
        return None;
    }
    for (low, high) in [(0, 2), (1, 3)] {
        if bounds[low] >= bounds[high] {
            let half = if bounds[low] == 0.0 { 0.5 } else { 0.01 * bounds[low].abs() };
            bounds[low] -= half;
            bounds[high] += half;
        }
    }
    Some(bounds)
}

/// Counts points `[x, y]` with a third quantity (NaN where there is none) in `size` (`[width, height]`) cells over
/// `bounds`; points outside and those that are not finite are left out. `step` is called every few thousand points.
pub fn density(
    points: impl Iterator<Item = ([f64; 2], f64)>,
    size: [usize; 2],
    bounds: [f64; 4],
    with_means: bool,
    mut step: impl FnMut() -> ControlFlow<()>,
) -> Density {
    let [width, height] = size.map(|n| n.max(1));
    let mut counts = Array2::<u32>::zeros((height, width));
    let (mut sums, mut valued) = if with_means {
        (Array2::<f64>::zeros((height, width)), Array2::<u32>::zeros((height, width)))
    } else {
        (Array2::zeros((0, 0)), Array2::zeros((0, 0)))
    };
    let scale = [width as f64 / (bounds[2] - bounds[0]), height as f64 / (bounds[3] - bounds[1])];
    for (n, ([x, y], third)) in points.enumerate() {
        if n % 8192 == 0 && step().is_break() {
            break;
        }
        if !(x >= bounds[0] && x <= bounds[2] && y >= bounds[1] && y <= bounds[3]) {
            continue;
        }
        // The upper edge belongs to the last cell.
        let column = (((x - bounds[0]) * scale[0]) as usize).min(width - 1);
        let row = (((y - bounds[1]) * scale[1]) as usize).min(height - 1);
        counts[[row, column]] += 1;
        if with_means && third.is_finite() {
            sums[[row, column]] += third;
            valued[[row, column]] += 1;
        }
    }
    let mut means = Array2::<f32>::from_elem(sums.dim(), f32::NAN);
    for ((mean, sum), n) in means.iter_mut().zip(&sums).zip(&valued) {
        if *n > 0 {
            *mean = (sum / f64::from(*n)) as f32;
        }
    }
    Density { counts, means, bounds }
}

/// Counts of finite values in `bins` bins from the smallest to the largest: the middle of each bin and its count. The
/// logarithm is binned with `logarithmic`, then the middle is that of the logarithm. Empty without values.
pub fn histogram(values: impl Iterator<Item = f64> + Clone, bins: usize, logarithmic: bool) -> Vec<[f64; 2]> {
    let values = values.map(|x| if logarithmic { x.log10() } else { x }).filter(|x| x.is_finite());
    let (mut low, mut high, mut count) = (f64::INFINITY, f64::NEG_INFINITY, 0_usize);
    for x in values.clone() {
        (low, high, count) = (low.min(x), high.max(x), count + 1);
    }
    if count == 0 || bins == 0 {
        return Vec::new();
    }
    if low >= high {
        let half = if low == 0.0 { 0.5 } else { 0.01 * low.abs() };
        (low, high) = (low - half, high + half);
    }
    let width = (high - low) / bins as f64;
    let mut counts = vec![0_u64; bins];
    for x in values {
        counts[(((x - low) / width) as usize).min(bins - 1)] += 1;
    }
    counts.iter().enumerate().map(|(i, n)| [low + (i as f64 + 0.5) * width, *n as f64]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_counted_where_they_lie() {
        let points = [
            ([0.0, 0.0], 1.0),
            ([0.9, 0.1], 3.0),
            ([1.0, 1.0], f64::NAN),
            ([2.0, 2.0], 5.0),
            ([f64::NAN, 0.0], 1.0),
            ([3.0, 0.0], 1.0),
        ];
        let found = density(points.into_iter(), [2, 2], [0.0, 0.0, 2.0, 2.0], true, || ControlFlow::Continue(()));
        assert_eq!(found.counts, ndarray::arr2(&[[2, 0], [0, 2]]));
        assert!(found.means[[0, 0]] == 2.0 && found.means[[1, 1]] == 5.0 && found.means[[0, 1]].is_nan());
        assert_eq!(bounds_of(points.iter().map(|p| p.0)), Some([0.0, 0.0, 3.0, 2.0]));
        assert_eq!(bounds_of([[4.0, 0.0]].into_iter()), Some([3.96, -0.5, 4.04, 0.5]));
        assert_eq!(bounds_of([[f64::NAN, 0.0]].into_iter()), None);
    }

    #[test]
    fn histograms_count_every_value_once() {
        let values = [1.0, 1.5, 2.0, 3.0, 5.0, f64::NAN];
        let bins = histogram(values.iter().copied(), 4, false);
        assert_eq!(bins, [[1.5, 2.0], [2.5, 1.0], [3.5, 1.0], [4.5, 1.0]]);
        let decades = histogram([1.0, 10.0, 100.0, -1.0].into_iter(), 2, true);
        assert_eq!(decades, [[0.5, 1.0], [1.5, 2.0]]);
        assert!(histogram([f64::NAN].into_iter(), 3, false).is_empty());
    }
}
