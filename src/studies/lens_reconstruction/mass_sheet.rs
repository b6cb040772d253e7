//! The mass-sheet transform of the maps of a fit (Falco, Gorenstein & Shapiro 1985, ApJ 289, L1): convergence `lambda kappa + 1 - lambda`,
//! source `s(beta / lambda)`. The image, and so chi-squared, stays.

use ndarray::Array2;

/// Least and greatest factor of the transform that is offered.
pub const SHEETS: [f64; 2] = [0.7, 1.3];

/// Convergence with the sheet, `[y, x]`.
pub fn convergence_with_sheet(convergence: &Array2<f32>, lambda: f64) -> Array2<f32> {
    convergence.mapv(|kappa| (lambda * f64::from(kappa) + 1.0 - lambda) as f32)
}

/// The source with the sheet on the grid of the source without: shrunk by `lambda` about the image centre, its surface brightness kept
/// (bilinear; nothing beyond the map). `centre` (arcsec from the image centre) and `scale` (arcsec) are those of the map, `[y, x]`.
pub fn source_with_sheet(source: &Array2<f32>, centre: [f64; 2], scale: f64, lambda: f64) -> Array2<f32> {
    let (rows, columns) = source.dim();
    let middle = [0.5 * (columns as f64 - 1.0), 0.5 * (rows as f64 - 1.0)];
    let at = |x: i64, y: i64| {
        let place = (usize::try_from(y).ok(), usize::try_from(x).ok());
        match place {
            (Some(y), Some(x)) => source.get([y, x]).map_or(0.0, |v| f64::from(*v)),
            _ => 0.0,
        }
    };
    Array2::from_shape_fn((rows, columns), |(row, column)| {
        let pixel = [column as f64, row as f64];
        let from = [0, 1].map(|k| {
            let beta = (centre[k] + (pixel[k] - middle[k]) * scale) / lambda;
            (beta - centre[k]) / scale + middle[k]
        });
        let low = from.map(f64::floor);
        let [fx, fy] = [0, 1].map(|k| from[k] - low[k]);
        let [x, y] = low.map(|v| v as i64);
        let below = at(x, y) * (1.0 - fx) + at(x + 1, y) * fx;
        let above = at(x, y + 1) * (1.0 - fx) + at(x + 1, y + 1) * fx;
        (below * (1.0 - fy) + above * fy) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn critical_density_stays_and_the_rest_moves_towards_it() {
        let map = Array2::from_shape_vec((1, 3), vec![0.2f32, 1.0, 3.0]).unwrap();
        let with = convergence_with_sheet(&map, 0.7);
        for (found, expected) in with.iter().zip([0.44, 1.0, 2.4]) {
            assert!((found - expected).abs() < 1e-6, "{found}");
        }
        assert_eq!(convergence_with_sheet(&map, 1.0), map);
    }

    /// A Gaussian off centre: its place and width shrink by the factor, its flux by the square, its peak stays.
    #[test]
    fn the_source_shrinks_about_the_image_centre() {
        let (centre, scale) = ([0.1, -0.05], 0.01);
        let gaussian = |x: f64, y: f64, sigma: f64| (-(x * x + y * y) / (2.0 * sigma * sigma)).exp();
        let on_grid = |place: [f64; 2], sigma: f64| {
            Array2::from_shape_fn((120, 128), |(row, column)| {
                let x = centre[0] + (column as f64 - 63.5) * scale - place[0];
                let y = centre[1] + (row as f64 - 59.5) * scale - place[1];
                gaussian(x, y, sigma) as f32
            })
        };
        let source = on_grid([0.2, -0.1], 0.08);
        for lambda in [0.7, 1.3] {
            let found = source_with_sheet(&source, centre, scale, lambda);
            let exact = on_grid([0.2, -0.1].map(|c: f64| c * lambda), 0.08 * lambda);
            let worst = found.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 5e-3, "{lambda}: {worst}");
        }
        assert_eq!(source_with_sheet(&source, centre, scale, 1.0), source);
    }
}
