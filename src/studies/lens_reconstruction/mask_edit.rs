//! Drawing a mask: what a user paints, polygon by polygon and stroke by stroke, and the pixels that come of it.
//!
//! A drawing is a list of acts on a base, so that the last one can be taken back, a session can hold it, and the pixels
//! can be made anew from it at any time. Coordinates are 0-based pixels `[x, y]` of the image; a pixel belongs to a shape
//! when its centre does.

use std::path::{Path, PathBuf};

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::load::mask_ground;
use super::maps::grid_keywords;
use super::outcome::world_keywords;
use super::request::{FitRequest, MaskMeaning};
use crate::data::{Plane, write_planes};
use crate::tasks::TaskError;

/// Acts kept of one drawing; more come from nobody's hand.
const MOST_ACTS: usize = 5000;
/// Points kept of one shape.
const MOST_POINTS: usize = 50_000;
/// Coordinates farther out than this (pixels) are nonsense.
const FARTHEST: f64 = 1e6;

/// What becomes of the pixels of a shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Paint {
    /// They are left out.
    #[default]
    LeaveOut,
    /// They are fitted.
    Keep,
    /// Of what is fitted, only they stay.
    KeepOnly,
}

/// One act of drawing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskEdit {
    /// Only a ring stays. In arcsec, as the request has it, so that the same pixels stay.
    Annulus {
        /// Its centre, from the image centre.
        centre: [f64; 2],
        /// Inner radius.
        inner: f64,
        /// Outer radius; `None`: no limit.
        outer: Option<f64>,
        /// Size of a pixel.
        pixel_scale_arcsec: f64,
    },
    /// The inside of a polygon, by the even-odd rule.
    Polygon {
        /// Its corners.
        points: Vec<[f64; 2]>,
        /// What becomes of it.
        paint: Paint,
    },
    /// All within a radius (pixels) of a line.
    Brush {
        /// The line; one point is a dot.
        points: Vec<[f64; 2]>,
        /// Half the width.
        radius: f64,
        /// What becomes of it.
        paint: Paint,
    },
    /// What was fitted is left out, and the other way.
    Invert,
    /// Everything is fitted.
    Clear,
}

/// A mask file that a drawing begins from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaskBase {
    /// The file.
    pub path: PathBuf,
    /// What its nonzero pixels mean.
    pub marks: MaskMeaning,
}

/// A drawing: a base and what was done to it. Without a base it begins with every pixel fitted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MaskDrawing {
    /// The file it began from.
    pub base: Option<MaskBase>,
    /// What was done, in order.
    pub edits: Vec<MaskEdit>,
}

impl MaskDrawing {
    /// True when nothing was drawn.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Without what no hand can have drawn: numbers that are not finite or absurd, lists without end.
    #[must_use]
    pub fn sanitised(mut self) -> Self {
        let usable = |p: &[f64; 2]| p.iter().all(|v| v.is_finite() && v.abs() <= FARTHEST);
        let radius_is_usable = |r: f64| r.is_finite() && (0.0..=FARTHEST).contains(&r);
        self.edits.truncate(MOST_ACTS);
        self.edits.retain_mut(|edit| match edit {
            MaskEdit::Annulus { centre, inner, outer, pixel_scale_arcsec: scale } => {
                let of_ring = usable(centre) && radius_is_usable(*inner) && outer.is_none_or(radius_is_usable);
                of_ring && scale.is_finite() && *scale > 0.0
            }
            MaskEdit::Polygon { points, .. } => {
                points.retain(usable);
                points.truncate(MOST_POINTS);
                points.len() >= 3
            }
            MaskEdit::Brush { points, radius, .. } => {
                points.retain(usable);
                points.truncate(MOST_POINTS);
                !points.is_empty() && radius_is_usable(*radius)
            }
            MaskEdit::Invert | MaskEdit::Clear => true,
        });
        self
    }

    /// The pixels, true = fitted, on a base of the size of the image.
    pub fn on(&self, base: Array2<bool>) -> Array2<bool> {
        let mut mask = base;
        for edit in &self.edits {
            edit.apply(&mut mask);
        }
        mask
    }
}

impl MaskEdit {
    /// Does it to a mask `[y, x]`, true = fitted.
    pub fn apply(&self, mask: &mut Array2<bool>) {
        match self {
            Self::Annulus { centre, inner, outer, pixel_scale_arcsec } => {
                keep_ring(mask, *centre, [*inner, outer.unwrap_or(f64::INFINITY)], *pixel_scale_arcsec);
            }
            Self::Polygon { points, paint } => apply_shape(mask, *paint, |shape| fill_polygon(shape, points)),
            Self::Brush { points, radius, paint } => {
                apply_shape(mask, *paint, |shape| fill_stroke(shape, points, *radius));
            }
            Self::Invert => mask.mapv_inplace(|m| !m),
            Self::Clear => mask.fill(true),
        }
    }
}

/// Leaves out what lies nearer to a centre (arcsec from the image centre) than the first radius (arcsec), or farther than the second.
pub fn keep_ring(mask: &mut Array2<bool>, centre: [f64; 2], [inner, outer]: [f64; 2], pixel_scale_arcsec: f64) {
    let (rows, columns) = mask.dim();
    let place = |n: usize, offset: f64| 0.5 * (n as f64 - 1.0) * pixel_scale_arcsec + offset;
    let (cx, cy) = (place(columns, centre[0]), place(rows, centre[1]));
    for ((y, x), m) in mask.indexed_iter_mut() {
        let r = (x as f64 * pixel_scale_arcsec - cx).hypot(y as f64 * pixel_scale_arcsec - cy);
        *m &= r <= outer && r >= inner;
    }
}

fn apply_shape(mask: &mut Array2<bool>, paint: Paint, fill: impl Fn(&mut Array2<bool>)) {
    let mut shape = Array2::from_elem(mask.dim(), false);
    fill(&mut shape);
    ndarray::Zip::from(mask).and(&shape).for_each(|m, inside| match paint {
        Paint::LeaveOut => *m &= !inside,
        Paint::Keep => *m |= inside,
        Paint::KeepOnly => *m &= inside,
    });
}

/// Sets the pixels whose centres lie inside a polygon (even-odd; a centre on a left or lower edge counts as inside).
pub fn fill_polygon(pixels: &mut Array2<bool>, points: &[[f64; 2]]) {
    let (rows, columns) = pixels.dim();
    if points.len() < 3 {
        return;
    }
    let low = points.iter().map(|p| p[1]).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|p| p[1]).fold(f64::NEG_INFINITY, f64::max);
    let mut crossings = Vec::new();
    for row in within(low, high, rows) {
        let y = row as f64;
        crossings.clear();
        for (i, a) in points.iter().enumerate() {
            let b = points[(i + 1) % points.len()];
            // Half open, so that a corner on the line counts once.
            if (a[1] <= y) != (b[1] <= y) {
                crossings.push(a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]));
            }
        }
        crossings.sort_by(f64::total_cmp);
        for pair in crossings.chunks_exact(2) {
            for column in within(pair[0], pair[1], columns) {
                let x = column as f64;
                if x >= pair[0] && x < pair[1] {
                    pixels[[row, column]] = true;
                }
            }
        }
    }
}

/// Sets the pixels whose centres lie within `radius` of a line.
pub fn fill_stroke(pixels: &mut Array2<bool>, points: &[[f64; 2]], radius: f64) {
    let (rows, columns) = pixels.dim();
    let mut segment = |a: [f64; 2], b: [f64; 2]| {
        let [x0, x1] = [a[0].min(b[0]) - radius, a[0].max(b[0]) + radius];
        let [y0, y1] = [a[1].min(b[1]) - radius, a[1].max(b[1]) + radius];
        for row in within(y0, y1, rows) {
            for column in within(x0, x1, columns) {
                if distance_to_segment([column as f64, row as f64], a, b) <= radius {
                    pixels[[row, column]] = true;
                }
            }
        }
    };
    match points {
        [] => {}
        [dot] => segment(*dot, *dot),
        line => line.windows(2).for_each(|pair| segment(pair[0], pair[1])),
    }
}

/// Whole numbers from `low` to `high` that are indices below `count`.
fn within(low: f64, high: f64, count: usize) -> std::ops::Range<usize> {
    if !(low.is_finite() && high.is_finite()) || high < 0.0 {
        return 0..0;
    }
    let from = low.ceil().max(0.0) as usize;
    let to = (high.floor() as usize).saturating_add(1).min(count);
    from..to.max(from)
}

fn distance_to_segment(p: [f64; 2], a: [f64; 2], b: [f64; 2]) -> f64 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length2 = dx * dx + dy * dy;
    let along = if length2 > 0.0 { ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length2 } else { 0.0 };
    let t = along.clamp(0.0, 1.0);
    (p[0] - a[0] - t * dx).hypot(p[1] - a[1] - t * dy)
}

/// Writes the mask that a drawing makes for the image of a request, 1 = fitted, with the image's world coordinates where it has any.
/// Gives the mask.
///
/// # Errors
/// The image or the base cannot be read, differ in size, or the file cannot be written.
pub fn write_mask(request: &FitRequest, drawing: &MaskDrawing, path: &Path) -> Result<Array2<bool>, TaskError> {
    let base = drawing.base.as_ref();
    let ground = mask_ground(request, base.map(|b| (b.path.as_path(), b.marks)))?;
    let mask = drawing.clone().sanitised().on(ground.mask);
    let pixels = mask.mapv(|m| if m { 1.0_f32 } else { 0.0 });
    let mut keywords = world_keywords(&ground.header);
    if keywords.is_empty() {
        keywords = grid_keywords([0.0, 0.0], ground.pixel_scale_arcsec, mask.dim());
    }
    let plane = Plane { name: "MASK", pixels: pixels.view().into_dyn(), unit: "", keywords };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| TaskError::file(folder, format!("cannot be made ({e})")))?;
    }
    write_planes(path, &[plane], &["mask drawn in Sextans: 1 = fitted, 0 = left out".to_owned()])?;
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(mask: &Array2<bool>) -> usize {
        mask.iter().filter(|m| **m).count()
    }

    fn filled(fill: impl Fn(&mut Array2<bool>)) -> Array2<bool> {
        let mut pixels = Array2::from_elem((200, 300), false);
        fill(&mut pixels);
        pixels
    }

    #[test]
    fn polygons_have_their_areas() {
        let rectangle = [[10.5, 20.5], [110.5, 20.5], [110.5, 70.5], [10.5, 70.5]];
        assert_eq!(count(&filled(|p| fill_polygon(p, &rectangle))), 100 * 50);
        // The other sense, and corners on pixel centres, which count once: half open on the right and above.
        let on_centres = [[10.0, 70.0], [110.0, 70.0], [110.0, 20.0], [10.0, 20.0]];
        assert_eq!(count(&filled(|p| fill_polygon(p, &on_centres))), 100 * 50);
        let triangle = [[5.3, 7.2], [255.1, 11.9], [100.7, 190.4]];
        let area: f64 = 0.5
            * ((triangle[1][0] - triangle[0][0]) * (triangle[2][1] - triangle[0][1])
                - (triangle[2][0] - triangle[0][0]) * (triangle[1][1] - triangle[0][1]));
        let found = count(&filled(|p| fill_polygon(p, &triangle))) as f64;
        assert!((found / area - 1.0).abs() < 0.005, "{found} {area}");
        // A square with a square hole, drawn in one line: even-odd leaves the hole out.
        let with_hole = [
            [9.5, 9.5],
            [59.5, 9.5],
            [59.5, 59.5],
            [9.5, 59.5],
            [9.5, 9.5],
            [19.5, 19.5],
            [19.5, 49.5],
            [49.5, 49.5],
            [49.5, 19.5],
            [19.5, 19.5],
        ];
        assert_eq!(count(&filled(|p| fill_polygon(p, &with_hole))), 50 * 50 - 30 * 30);
        // Off the image there is nothing to fill, and nothing panics.
        assert_eq!(count(&filled(|p| fill_polygon(p, &[[-50.0, -50.0], [-10.0, -50.0], [-10.0, -20.0]]))), 0);
        assert_eq!(count(&filled(|p| fill_polygon(p, &[[-1e5, -1e5], [1e5, -1e5], [1e5, 1e5], [-1e5, 1e5]]))), 60_000);
    }

    #[test]
    fn strokes_have_their_areas() {
        for radius in [4.0_f64, 11.5, 30.0] {
            let dot = count(&filled(|p| fill_stroke(p, &[[150.3, 100.8]], radius))) as f64;
            let disc = std::f64::consts::PI * radius * radius;
            assert!((dot / disc - 1.0).abs() < 0.04, "{radius}: {dot} {disc}");
            let line = [[60.2, 60.0], [140.2, 120.0]];
            let stroke = count(&filled(|p| fill_stroke(p, &line, radius))) as f64;
            assert!((stroke / (disc + 200.0 * radius) - 1.0).abs() < 0.02, "{radius}: {stroke}");
            // A line drawn in many steps is the same line.
            let steps: Vec<[f64; 2]> =
                (0..=50).map(|i| f64::from(i) / 50.0).map(|t| [60.2 + 80.0 * t, 60.0 + 60.0 * t]).collect();
            assert!((count(&filled(|p| fill_stroke(p, &steps, radius))) as f64 - stroke).abs() <= 2.0);
        }
        assert_eq!(count(&filled(|p| fill_stroke(p, &[[5.0, 5.0]], 0.4))), 1);
        assert_eq!(count(&filled(|p| fill_stroke(p, &[], 9.0))), 0);
        assert_eq!(count(&filled(|p| fill_stroke(p, &[[-20.0, 4.0]], 9.0))), 0);
    }

    #[test]
    fn a_drawing_is_its_acts_in_order() {
        let square = |from: f64, to: f64| vec![[from, from], [to, from], [to, to], [from, to]];
        let base = || Array2::from_elem((100, 100), true);
        let mut drawing = MaskDrawing::default();
        assert!(drawing.is_empty() && count(&drawing.on(base())) == 10_000);
        drawing.edits.push(MaskEdit::Polygon { points: square(9.5, 59.5), paint: Paint::KeepOnly });
        assert_eq!(count(&drawing.on(base())), 2500);
        drawing.edits.push(MaskEdit::Polygon { points: square(19.5, 29.5), paint: Paint::LeaveOut });
        assert_eq!(count(&drawing.on(base())), 2400);
        drawing.edits.push(MaskEdit::Brush { points: vec![[80.0, 80.0]], radius: 0.5, paint: Paint::Keep });
        assert_eq!(count(&drawing.on(base())), 2401);
        drawing.edits.push(MaskEdit::Invert);
        assert_eq!(count(&drawing.on(base())), 7599);
        let ring = MaskEdit::Annulus { centre: [0.05, 0.05], inner: 1.0, outer: Some(3.0), pixel_scale_arcsec: 0.1 };
        let mut annulus = base();
        ring.apply(&mut annulus);
        let area = std::f64::consts::PI * (900.0 - 100.0);
        assert!((count(&annulus) as f64 / area - 1.0).abs() < 0.01);
        drawing.edits.pop();
        assert_eq!(count(&drawing.on(base())), 2401, "the last act was taken back");
        drawing.edits.push(MaskEdit::Clear);
        assert_eq!(count(&drawing.on(Array2::from_elem((100, 100), false))), 10_000);
    }

    #[test]
    fn a_drawing_comes_back_from_json_and_nonsense_is_left_out() {
        let drawing = MaskDrawing {
            base: Some(MaskBase { path: "mask.fits".into(), marks: MaskMeaning::LeftOut }),
            edits: vec![
                MaskEdit::Brush { points: vec![[1.25, 3.5]], radius: 4.0, paint: Paint::Keep },
                MaskEdit::Annulus { centre: [1.0, 2.0], inner: 0.0, outer: None, pixel_scale_arcsec: 0.05 },
                MaskEdit::Clear,
            ],
        };
        let text = serde_json::to_string(&drawing).unwrap();
        let back: MaskDrawing = serde_json::from_str(&text).unwrap();
        assert_eq!(back, drawing);
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
        assert_eq!(back.sanitised(), drawing);
        let nonsense = MaskDrawing {
            base: None,
            edits: vec![
                MaskEdit::Brush { points: vec![[f64::NAN, 0.0], [3.0, 1e300]], radius: 4.0, paint: Paint::Keep },
                MaskEdit::Brush { points: vec![[1.0, 1.0]], radius: f64::INFINITY, paint: Paint::Keep },
                MaskEdit::Polygon { points: vec![[0.0, 0.0], [1.0, f64::NAN], [4.0, 4.0]], paint: Paint::Keep },
                MaskEdit::Invert,
            ],
        };
        assert_eq!(nonsense.sanitised().edits, [MaskEdit::Invert]);
    }
}
