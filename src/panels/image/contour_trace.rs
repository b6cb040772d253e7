//! Tracing of contours: which part of an image is seen, at which values, and the lines there.

use ndarray::{Array2, s};

use super::contours::LevelRule;
use crate::data::{PixelMap, Store};
use crate::numerics::contour::level_lines;
use crate::numerics::regrid::block_means;
use crate::numerics::statistics::median;
use crate::panels::world::{Place, World};
use crate::plots::axes::{format_value, format_with_unit};
use crate::plots::image_camera::Camera;
use crate::tasks::{Progress, TaskError};
use crate::workers::Weigh;

/// Contours are traced in squares of so many blocks, so that a small pan asks for nothing new.
const SQUARE_BLOCKS: usize = 256;
/// More points than these are not drawn in a frame: the shortest lines are left out first.
const POINTS_SHOWN: usize = 40_000;
/// Statistics come from so many pixels at most.
const SAMPLE_PIXELS: usize = 1 << 18;

/// One level with its lines, in pixels of the image below.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Level {
    pub(super) label: String,
    pub(super) lines: Vec<(Vec<[f64; 2]>, bool)>,
}

/// The contours of a part of an image.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Traced {
    pub(super) levels: Vec<Level>,
    pub(super) left_out: usize,
}

impl Weigh for Traced {
    fn bytes(&self) -> usize {
        self.levels.iter().flat_map(|l| &l.lines).map(|(points, _)| points.len() * 16 + 32).sum::<usize>()
            + size_of::<Self>()
    }
}

/// The part to trace: squares of pixels of the contoured image, and how many of them make a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Part {
    /// `[x low, y low, x high, y high]`, half-open, in pixels of the contoured image.
    pub(super) region: [usize; 4],
    pub(super) factor: usize,
}

/// From the pixels of the contoured image to those of the one below: through the sky, or pixel by pixel where both have
/// one size.
pub(super) fn between(of: &World, below: &World) -> Option<PixelMap> {
    match (&of.wcs, &below.wcs) {
        (Some(from), Some(to)) if from.meets(to) => Some(PixelMap::Sky { from: from.clone(), to: to.clone() }),
        _ => (of.size() == below.size()).then_some(PixelMap::Identity),
    }
}

/// The part of the contoured image that is seen, in whole squares, and the blocks that are as large as a point of the
/// screen. `None` when nothing of it is seen.
pub(super) fn part_seen(
    camera: &Camera,
    view: egui::Vec2,
    map: &PixelMap,
    size: [usize; 2],
    smooth: usize,
) -> Option<Part> {
    let half = [f64::from(view.x) / 2.0 / camera.points_per_pixel, f64::from(view.y) / 2.0 / camera.points_up()];
    // The border of the view, not its corners alone: through the sky a straight side may bulge.
    let steps = [-1.0, -0.5, 0.0, 0.5, 1.0];
    let mut low = [f64::INFINITY; 2];
    let mut high = [f64::NEG_INFINITY; 2];
    for u in steps {
        for v in steps {
            let Some(at) = map.apply([camera.center[0] + u * half[0], camera.center[1] + v * half[1]]) else {
                continue;
            };
            for c in 0..2 {
                low[c] = low[c].min(at[c]);
                high[c] = high[c].max(at[c]);
            }
        }
    }
    // Pixels of the contoured image in a pixel below, around the middle.
    let middle = map.apply(camera.center)?;
    let beside = map.apply([camera.center[0] + 1.0, camera.center[1]])?;
    let step = (beside[0] - middle[0]).hypot(beside[1] - middle[1]);
    let per_point = step / camera.points_per_pixel;
    let fine = if per_point > 1.0 { 1 << (per_point.log2().floor() as u32).min(12) } else { 1 };
    let factor = fine.max(smooth);
    let square = (SQUARE_BLOCKS * factor) as f64;
    let mut region = [0; 4];
    for c in 0..2 {
        if !(low[c].is_finite() && high[c].is_finite()) {
            return None;
        }
        let end = size[c] as f64;
        // A block more to each side, so that lines do not end within the view.
        region[c] = (((low[c] - factor as f64) / square).floor() * square).clamp(0.0, end) as usize;
        region[c + 2] = (((high[c] + factor as f64) / square).ceil() * square).clamp(0.0, end) as usize;
    }
    (region[0] < region[2] && region[1] < region[3]).then_some(Part { region, factor })
}

#[expect(clippy::too_many_arguments)] // what the key is made of
pub(super) fn trace(
    store: &Store,
    place: &Place,
    plane: usize,
    part: Part,
    rule: LevelRule,
    numbers: &[f64],
    unit: &str,
    map: &PixelMap,
    progress: &Progress<Traced>,
) -> Result<Traced, TaskError> {
    let pixels = store.plane(place.open(store)?, place.hdu, plane)?;
    let levels = levels(&pixels, rule, numbers, unit);
    progress.check()?;
    let [x0, y0, x1, y1] = part.region;
    let (height, width) = pixels.dim();
    let cut = pixels.slice(s![y0.min(height)..y1.min(height), x0.min(width)..x1.min(width)]);
    let blocks = block_means(&cut, part.factor);
    let [columns, rows] = [Blocks::along(x0, cut.dim().1, part.factor), Blocks::along(y0, cut.dim().0, part.factor)];
    let mut traced = Traced::default();
    for (value, label) in levels {
        progress.check()?;
        let lines = level_lines(&blocks, value, [0.0; 2], 1.0);
        traced.levels.push(Level { label, lines: lines.into_iter().map(|line| (line.points, line.closed)).collect() });
    }
    leave_out_the_shortest(&mut traced);
    for point in traced.levels.iter_mut().flat_map(|level| &mut level.lines).flat_map(|(points, _)| points) {
        // A place that the other image does not reach breaks the line.
        *point = map.apply([columns.pixel(point[0]), rows.pixel(point[1])]).unwrap_or([f64::NAN; 2]);
    }
    Ok(traced)
}

/// Where the centres of blocks lie along an axis, in pixels.
struct Blocks {
    /// Centre of the first one.
    first: f64,
    /// Pixels in a whole block.
    step: f64,
    /// The last block, when it is a smaller one: its place among the blocks, and its distance to the one before.
    smaller: Option<(f64, f64)>,
}

impl Blocks {
    /// Blocks of `factor` pixels over `length` pixels from `start` on.
    fn along(start: usize, length: usize, factor: usize) -> Self {
        let factor = factor.max(1);
        let (whole, rest) = (length / factor, length % factor);
        let (step, rest_f64) = (factor as f64, rest as f64);
        // A single block has no neighbour, and no line runs through it.
        let smaller = (rest > 0 && whole > 0).then_some((whole as f64, (step + rest_f64) / 2.0));
        Self { first: start as f64 + (step - 1.0) / 2.0, step, smaller }
    }

    /// The pixel coordinate of a place among the blocks: 0 is the centre of the first one.
    fn pixel(&self, place: f64) -> f64 {
        match self.smaller {
            Some((last, distance)) if place > last - 1.0 => {
                self.first + self.step * (last - 1.0) + distance * (place - (last - 1.0))
            }
            _ => self.first + self.step * place,
        }
    }
}

/// Levels in the unit of the image with their labels, ascending.
fn levels(pixels: &Array2<f32>, rule: LevelRule, numbers: &[f64], unit: &str) -> Vec<(f64, String)> {
    let stride = pixels.len().div_ceil(SAMPLE_PIXELS).max(1);
    let finite = || pixels.iter().map(|v| f64::from(*v)).filter(|v| v.is_finite());
    let (background, sigma) = match rule {
        LevelRule::Sigma => {
            let mut sample: Vec<f64> = finite().step_by(stride).collect();
            let background = median(&mut sample).unwrap_or(0.0);
            sample.iter_mut().for_each(|v| *v = (*v - background).abs());
            // The median of the deviations is 0.6745 sigma of a normal distribution.
            (background, median(&mut sample).unwrap_or(0.0) / 0.674_489_750_196_081_7)
        }
        _ => (0.0, 0.0),
    };
    let peak = if rule == LevelRule::Percent { finite().fold(0.0, f64::max) } else { 0.0 };
    let level = |number: &f64| {
        let (value, name) = match rule {
            LevelRule::Sigma => (background + number * sigma, format!("{}σ: ", format_value(*number, 3))),
            LevelRule::Percent => (0.01 * number * peak, format!("{} %: ", format_value(*number, 3))),
            LevelRule::Typed | LevelRule::Even => (*number, String::new()),
        };
        (value, format!("{name}{}", format_with_unit(value, 3, unit)))
    };
    let mut levels: Vec<_> = numbers.iter().map(level).collect();
    levels.sort_by(|a, b| a.0.total_cmp(&b.0));
    levels
}

fn leave_out_the_shortest(traced: &mut Traced) {
    let mut lengths: Vec<usize> = traced.levels.iter().flat_map(|l| &l.lines).map(|(p, _)| p.len()).collect();
    if lengths.iter().sum::<usize>() <= POINTS_SHOWN {
        return;
    }
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    let mut sum = 0;
    let fits = lengths.iter().take_while(|n| {
        sum += **n;
        sum <= POINTS_SHOWN
    });
    let kept = fits.count();
    let shortest = lengths.get(kept).map_or(0, |n| n + 1);
    let before: usize = lengths.len();
    for level in &mut traced.levels {
        level.lines.retain(|(points, _)| points.len() >= shortest);
    }
    traced.left_out = before - traced.levels.iter().map(|l| l.lines.len()).sum::<usize>();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_what_they_are_called() {
        // 8 to 12 around 10: the median of the deviations is 1. One peak of 110, one pixel without a value.
        let mut pixels = Array2::from_shape_fn((20, 20), |(y, x)| 8.0 + ((x + y) % 5) as f32);
        pixels[[3, 3]] = 110.0;
        pixels[[4, 4]] = f32::NAN;
        let sigma = levels(&pixels, LevelRule::Sigma, &[5.0, 3.0], "Jy");
        assert!((sigma[0].0 - (10.0 + 3.0 * 1.482_602)).abs() < 1e-5, "{sigma:?}");
        assert_eq!((sigma[0].1.as_str(), sigma[1].1.as_str()), ("3σ: 14.4 Jy", "5σ: 17.4 Jy"));
        let percent = levels(&pixels, LevelRule::Percent, &[50.0], "Jy");
        assert_eq!(percent, [(55.0, "50 %: 55 Jy".to_owned())]);
        let typed = levels(&pixels, LevelRule::Typed, &[1e-17], "");
        assert_eq!(typed, [(1e-17, "1e-17".to_owned())]);
    }

    #[test]
    fn the_noise_of_a_normal_image_is_its_sigma() {
        let mut stream = crate::numerics::random::stream(7, "contour levels", 0);
        let pixels =
            Array2::from_shape_fn((200, 200), |_| (5.0 + 2.0 * crate::numerics::random::normal(&mut stream)) as f32);
        let found = levels(&pixels, LevelRule::Sigma, &[3.0], "");
        assert!((found[0].0 - 11.0).abs() < 0.15, "{found:?}");
    }

    #[test]
    fn only_what_is_seen_is_traced_and_at_the_resolution_of_the_screen() {
        let view = egui::vec2(800.0, 600.0);
        let far = Camera::at([2000.0, 2000.0], 0.2);
        let part = part_seen(&far, view, &PixelMap::Identity, [4096, 4096], 1).unwrap();
        assert_eq!(part.factor, 4);
        let near = Camera::at([100.0, 100.0], 8.0);
        let part = part_seen(&near, view, &PixelMap::Identity, [4096, 4096], 1).unwrap();
        assert_eq!(part, Part { region: [0, 0, 256, 256], factor: 1 });
        let beside = Camera::at([-5000.0, 100.0], 8.0);
        assert_eq!(part_seen(&beside, view, &PixelMap::Identity, [4096, 4096], 1), None);
    }

    /// The contour of a plane is a straight line up to the upper and right edges, where blocks are smaller.
    #[test]
    fn the_contour_of_a_plane_does_not_bend_at_the_edge() {
        let (width, height, factor) = (30_usize, 22_usize, 4);
        let pixels = Array2::from_shape_fn((height, width), |(y, x)| (x + 2 * y) as f32);
        let store = Store::new(1 << 20);
        let result = Some(store.insert("plane", pixels.into_dyn(), "", None));
        let place = Place { result, ..Place::default() };
        let part = Part { region: [0, 0, width, height], factor };
        let numbers = [20.0, 40.0, 66.0];
        let progress = Progress::silent();
        let traced =
            trace(&store, &place, 0, part, LevelRule::Typed, &numbers, "", &PixelMap::Identity, &progress).unwrap();
        let mut farthest = 0.0_f64;
        for (level, number) in traced.levels.iter().zip(numbers) {
            assert!(!level.lines.is_empty());
            for [x, y] in level.lines.iter().flat_map(|l| &l.0) {
                assert!((x + 2.0 * y - number).abs() < 1e-6, "({x}, {y}) on {number}");
                farthest = farthest.max(*x);
            }
        }
        assert!(farthest > 27.6, "the smaller block is reached: {farthest}");
    }

    #[test]
    fn too_many_points_lose_the_shortest_lines() {
        let line = |n: usize| (vec![[0.0, 0.0]; n], false);
        let lines = vec![line(30_000), line(9_000), line(5_000), line(3)];
        let mut traced = Traced { levels: vec![Level { label: String::new(), lines }], left_out: 0 };
        leave_out_the_shortest(&mut traced);
        assert_eq!(traced.levels[0].lines.iter().map(|l| l.0.len()).collect::<Vec<_>>(), [30_000, 9_000]);
        assert_eq!(traced.left_out, 2);
    }
}
