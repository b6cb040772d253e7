//! Where the multiple images of one source are seen: `positions.json`, and what a lens makes of them.
//!
//! The file is that of PyAutoLens: a list of pairs `[y, x]` in arcsec from the image centre, y upwards (y first!).
//! In here a place is `[x, y]`, as everywhere in this study.

use std::path::Path;

use super::Frame;
use crate::data::write_atomically;
use crate::studies::lens_models::{Deflector, ImageFinder, Window};
use crate::tasks::TaskError;

/// Places in one file; a lens has a handful.
pub const MOST_POSITIONS: usize = 1000;
/// Places farther out than this (arcsec) belong to no galaxy.
const FARTHEST_ARCSEC: f64 = 3600.0;
/// A file of places is a few lines.
const SIZE_LIMIT: u64 = 1 << 20;

/// Reads image positions `[x, y]` (arcsec from the image centre).
///
/// # Errors
/// A file that cannot be read, is no list of pairs of numbers, or holds places off any image.
pub fn read_positions(path: &Path) -> Result<Vec<[f64; 2]>, TaskError> {
    let refuse = |problem: String| TaskError::file(path, problem);
    let size = std::fs::metadata(path).map_err(|e| refuse(e.to_string()))?.len();
    if size > SIZE_LIMIT {
        return Err(refuse(format!("{size} bytes are too many for a list of image positions")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| refuse(e.to_string()))?;
    positions_from_json(&text).map_err(refuse)
}

/// Understands the text of a `positions.json`.
///
/// # Errors
/// What is wrong with it, with the cure.
pub fn positions_from_json(text: &str) -> Result<Vec<[f64; 2]>, String> {
    let pairs: Vec<[f64; 2]> = serde_json::from_str(text)
        .map_err(|e| format!("expected a list of pairs [y, x] in arcsec, e.g. [[-0.45, 1.4], [0.25, -1.15]] ({e})"))?;
    if pairs.len() > MOST_POSITIONS {
        return Err(format!("{} positions; at most {MOST_POSITIONS} are understood", pairs.len()));
    }
    if let Some([y, x]) = pairs.iter().find(|p| p.iter().any(|v| v.abs() > FARTHEST_ARCSEC)) {
        return Err(format!("the position [{y}, {x}] is no place near a lens; give [y, x] in arcsec"));
    }
    Ok(pairs.into_iter().map(|[y, x]| [x, y]).collect())
}

/// The text of a `positions.json`; each number in the fewest digits that give it back, so that reading and writing changes nothing.
pub fn positions_to_json(positions: &[[f64; 2]]) -> String {
    let pairs: Vec<String> = positions.iter().map(|[x, y]| format!("[{y:?}, {x:?}]")).collect();
    format!("[{}]", pairs.join(", "))
}

/// Writes image positions `[x, y]` (arcsec from the image centre).
///
/// # Errors
/// What the system refuses.
pub fn write_positions(path: &Path, positions: &[[f64; 2]]) -> Result<(), TaskError> {
    let text = positions_to_json(positions);
    Ok(write_atomically(path, |out| out.write_all(text.as_bytes()))?)
}

/// Image positions traced to the source plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traced {
    /// Their mean: where the source is by them (arcsec).
    pub mean: [f64; 2],
    /// Root mean square of their distances from the mean (arcsec); a lens that explains them has nearly none.
    pub rms: f64,
    /// Greatest distance of two of them (arcsec).
    pub widest: f64,
}

/// Traces image positions `[x, y]` (arcsec); `None` for fewer than two, which say nothing about a lens.
pub fn trace(lens: &impl Deflector, positions: &[[f64; 2]]) -> Option<Traced> {
    if positions.len() < 2 {
        return None;
    }
    let sources: Vec<[f64; 2]> = positions.iter().map(|[x, y]| lens.source_from_image(*x, *y)).collect();
    let count = sources.len() as f64;
    let mean = [0, 1].map(|k| sources.iter().map(|s| s[k]).sum::<f64>() / count);
    let distance = |a: &[f64; 2], b: &[f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let rms = (sources.iter().map(|s| distance(s, &mean).powi(2)).sum::<f64>() / count).sqrt();
    let widest = sources.iter().enumerate().flat_map(|(i, a)| sources[i + 1..].iter().map(move |b| distance(a, b)));
    Some(Traced { mean, rms, widest: widest.fold(0.0, f64::max) })
}

/// Root mean square distance (arcsec) from each position to the nearest image that the lens makes of the mean traced source;
/// `None` when it makes none there. `centres`: of its masses, the galaxy first.
pub fn image_rms(lens: &impl Deflector, centres: &[[f64; 2]], positions: &[[f64; 2]]) -> Option<f64> {
    let traced = trace(lens, positions)?;
    let centre = *centres.first()?;
    let reach = positions.iter().map(|p| (p[0] - centre[0]).hypot(p[1] - centre[1])).fold(0.0, f64::max);
    let window = Window { centre, half_width_arcsec: (2.0 * reach).max(0.1), cells: 80 };
    let images = ImageFinder::new(lens, window, centres).images(lens, traced.mean);
    let nearest = |p: &[f64; 2]| {
        images.iter().map(|i| (i.x_arcsec - p[0]).hypot(i.y_arcsec - p[1])).fold(f64::INFINITY, f64::min)
    };
    let mean_square = positions.iter().map(|p| nearest(p).powi(2)).sum::<f64>() / positions.len() as f64;
    Some(mean_square.sqrt()).filter(|rms| rms.is_finite())
}

/// Places in arcsec as 0-based pixels `[x, y]` of an image of `(rows, columns)`.
pub fn pixel_from_arcsec(place: [f64; 2], shape: (usize, usize), scale: f64) -> [f64; 2] {
    [place[0] / scale + 0.5 * (shape.1 as f64 - 1.0), place[1] / scale + 0.5 * (shape.0 as f64 - 1.0)]
}

/// The other way.
pub fn arcsec_from_pixel(pixel: [f64; 2], shape: (usize, usize), scale: f64) -> [f64; 2] {
    let frame = Frame::new(shape, scale);
    [frame.x(pixel[0]), frame.y(pixel[1])]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studies::lens_reconstruction::SimulateRequest;

    /// The file that comes with SLACS J0946+1006 in PyAutoLabs/autolens_assistant, letter by letter.
    const J0946: &str = "[[-0.45, 1.4000000000000001], [0.25, -1.1500000000000001]]";

    #[test]
    fn y_comes_first_and_numbers_come_back_to_the_bit() {
        let positions = positions_from_json(J0946).unwrap();
        assert_eq!(positions, [[1.400_000_000_000_000_1, -0.45], [-1.150_000_000_000_000_1, 0.25]]);
        let text = positions_to_json(&positions);
        assert_eq!(text, J0946, "these are not the numbers nearest to 1.4 and 1.15, and stay what they are");
        let again = positions_from_json(&text).unwrap();
        assert_eq!(again, positions);
        assert_eq!(positions_to_json(&again), text);
        assert_eq!(positions_to_json(&[]), "[]");
        let [x, y] = pixel_from_arcsec([1.4, -0.45], (281, 281), 0.05);
        assert!((x - 168.0).abs() < 1e-9 && (y - 131.0).abs() < 1e-9);
        let [back_x, back_y] = arcsec_from_pixel([x, y], (281, 281), 0.05);
        assert!((back_x - 1.4).abs() < 1e-12 && (back_y + 0.45).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_list_of_places_is_refused_with_the_form_that_is_wanted() {
        for text in ["", "{}", "[[1]]", "[[1,2,3]]", "[[\"a\", 2]]", "[1, 2]"] {
            assert!(positions_from_json(text).unwrap_err().contains("[y, x]"), "{text}");
        }
        assert!(positions_from_json("[[1e9, 0]]").unwrap_err().contains("1000000000"));
        let path = Path::new("/nowhere/positions.json");
        assert!(read_positions(path).unwrap_err().to_string().contains("positions.json"));
    }

    /// The images of a point trace back to it; a lens with another Einstein radius tears them apart.
    #[test]
    fn positions_of_the_true_lens_meet_in_one_source() {
        let lens = SimulateRequest::default().lens_model();
        let prepared = lens.prepare();
        let centre = [0.02, -0.03];
        let window = Window { centre, half_width_arcsec: 2.5, cells: 80 };
        let images = ImageFinder::new(&prepared, window, &[centre]).images(&prepared, [0.1, 0.06]);
        let positions: Vec<[f64; 2]> = images.iter().map(|i| [i.x_arcsec, i.y_arcsec]).collect();
        assert!(positions.len() == 4, "{positions:?}");
        let traced = trace(&prepared, &positions).unwrap();
        assert!(traced.rms < 1e-9 && traced.widest < 1e-9);
        assert!((traced.mean[0] - 0.1).abs() < 1e-9 && (traced.mean[1] - 0.06).abs() < 1e-9);
        assert!(image_rms(&prepared, &[centre], &positions).unwrap() < 1e-7);
        let request = SimulateRequest::default();
        let mut wrong = request.clone();
        wrong.lens.einstein_radius_arcsec = 1.5;
        let wrong = wrong.lens_model().prepare();
        let traced = trace(&wrong, &positions).unwrap();
        assert!(traced.rms > 0.2 && traced.widest > 0.4, "{traced:?}");
        assert_eq!(trace(&wrong, &positions[..1]), None);
    }
}
