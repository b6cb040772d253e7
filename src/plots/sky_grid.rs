//! The sky over an image: lines of equal longitude and latitude with their labels, and the compass.

use std::sync::Arc;

use egui::{Align2, FontId, Galley, Painter, Pos2, Rect, Shape, Stroke, Vec2, vec2};

use super::colors;
use super::image_camera::Camera;
use crate::data::PlaneWcs;
use crate::numerics::graticule::{Division, Fixed, Graticule, GridLine, SphereMap, graticule, label};

/// Lines of each kind over the view, at most.
const LINES: usize = 7;
/// The lines are made for so much more than the view on each side, so that a pan does not make them anew.
const MARGIN: f64 = 0.35;
/// ... and are made again when the magnification has changed by more than this.
const ZOOM: f64 = 1.35;
const FONT_SIZE: f32 = 11.0;
/// Length of the arrow to the north, points.
const ARROW: f32 = 22.0;

/// World coordinates as the grid asks for them.
struct Sky<'a>(&'a PlaneWcs);

impl SphereMap for Sky<'_> {
    fn sphere(&self, pixel: [f64; 2]) -> Option<[f64; 2]> {
        self.0.sky_from_pixel(pixel)
    }
    fn pixel(&self, sphere: [f64; 2]) -> Option<[f64; 2]> {
        self.0.pixel_from_sky(sphere)
    }
}

/// The grid of one view; keeps its lines while the camera moves over them.
#[derive(Default)]
pub struct SkyGrid {
    memo: Option<Memo>,
    made: u64,
}

struct Memo {
    key: u64,
    region: [f64; 4],
    points_per_pixel: f64,
    divisions: [Division; 2],
    grid: Graticule,
}

impl SkyGrid {
    /// How often the lines were made: a pan within their margin makes none.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Draws lines and labels over the part of `view` that the image of `[width, height]` pixels covers. `key` differs
    /// for different coordinates. Labels keep off `reserved`.
    pub fn draw(
        &mut self,
        painter: &Painter,
        view: Rect,
        camera: &Camera,
        size: [usize; 2],
        wcs: &PlaneWcs,
        key: u64,
        reserved: &[Rect],
    ) {
        let [width, height] = size.map(|n| n as f64 - 0.5);
        let corners = [[-0.5, -0.5], [width, height]].map(|p| camera.screen_from_pixel(view, p));
        let area = Rect::from_two_pos(corners[0], corners[1]).intersect(view);
        if !wcs.shows_sky() || area.width() < 60.0 || area.height() < 60.0 {
            return;
        }
        let memo = self.lines(area, view, camera, wcs, key);
        let painter = painter.with_clip_rect(area.intersect(painter.clip_rect()));
        let screen: Vec<Vec<Pos2>> = memo
            .grid
            .lines
            .iter()
            .map(|line| line.points.iter().map(|p| camera.screen_from_pixel(view, *p)).collect())
            .collect();
        for points in &screen {
            draw_line(&painter, area, points);
        }
        draw_labels(&painter, area, memo, &screen, reserved);
    }

    fn lines(&mut self, area: Rect, view: Rect, camera: &Camera, wcs: &PlaneWcs, key: u64) -> &Memo {
        let [a, b] = [area.left_bottom(), area.right_top()].map(|p| camera.pixel_from_screen(view, p));
        let usable = |memo: &Memo| {
            let zoom = camera.points_per_pixel / memo.points_per_pixel;
            let slack = 1e-6 * (b[0] - a[0]).abs();
            memo.key == key
                && (1.0 / ZOOM..=ZOOM).contains(&zoom)
                && memo.region[0] <= a[0] + slack
                && memo.region[1] <= a[1] + slack
                && memo.region[2] >= b[0] - slack
                && memo.region[3] >= b[1] - slack
        };
        let memo = match self.memo.take() {
            Some(memo) if usable(&memo) => memo,
            _ => {
                self.made += 1;
                let margin = [(b[0] - a[0]) * MARGIN, (b[1] - a[1]) * MARGIN];
                let region = [a[0] - margin[0], a[1] - margin[1], b[0] + margin[0], b[1] + margin[1]];
                let divisions = divisions(wcs);
                let wanted = (LINES as f64 * (1.0 + 2.0 * MARGIN)) as usize;
                let grid = graticule(&Sky(wcs), region, divisions, wanted);
                Memo { key, region, points_per_pixel: camera.points_per_pixel, divisions, grid }
            }
        };
        self.memo.insert(memo)
    }
}

/// Right ascension in hours, declination in degrees and minutes; other systems in decimal degrees.
fn divisions(wcs: &PlaneWcs) -> [Division; 2] {
    let axes = wcs.wcs().axes();
    let equatorial =
        wcs.wcs().celestial().and_then(|(longitude, _)| axes.get(longitude)).is_some_and(|a| a.name == "RA");
    if equatorial { [Division::Hours, Division::Degrees] } else { [Division::Decimal; 2] }
}

fn draw_line(painter: &Painter, area: Rect, points: &[Pos2]) {
    let stroke = Stroke::new(1.0, colors::faded(colors::ON_IMAGE, 0.7));
    let rim = Stroke::new(2.0, colors::faded(colors::UNDER_IMAGE_TEXT, 0.35));
    let around = area.expand(8.0);
    let mut run: Vec<Pos2> = Vec::new();
    let flush = |run: &mut Vec<Pos2>| {
        let points = std::mem::take(run);
        if points.len() > 1 {
            painter.add(Shape::line(points.clone(), rim));
            painter.add(Shape::line(points, stroke));
        }
    };
    for point in points {
        let beside = |p: &Pos2, q: &Pos2| !around.intersects(Rect::from_two_pos(*p, *q));
        if !point.is_finite() {
            flush(&mut run);
        } else if run.last().is_some_and(|last| beside(last, point)) {
            flush(&mut run);
            run.push(*point);
        } else {
            run.push(*point);
        }
    }
    flush(&mut run);
}

#[derive(Clone, Copy, PartialEq)]
enum Edge {
    Left,
    Right,
    Bottom,
    Top,
}

/// Where a line crosses an edge of the area.
fn crossing(points: &[Pos2], area: Rect, edge: Edge) -> Option<Pos2> {
    let along_x = matches!(edge, Edge::Left | Edge::Right);
    let level = match edge {
        Edge::Left => area.left(),
        Edge::Right => area.right(),
        Edge::Bottom => area.bottom(),
        Edge::Top => area.top(),
    };
    points.windows(2).find_map(|pair| {
        let [p, q] = [pair[0], pair[1]];
        let (a, b) = if along_x { (p.x, q.x) } else { (p.y, q.y) };
        if !p.is_finite() || !q.is_finite() || (a - level) * (b - level) > 0.0 || a == b {
            return None;
        }
        let place = p + (q - p) * ((level - a) / (b - a));
        let inside = if along_x { area.y_range().contains(place.y) } else { area.x_range().contains(place.x) };
        inside.then_some(place)
    })
}

fn draw_labels(painter: &Painter, area: Rect, memo: &Memo, screen: &[Vec<Pos2>], reserved: &[Rect]) {
    let mut taken: Vec<Rect> = reserved.to_vec();
    for (line, points) in memo.grid.lines.iter().zip(screen) {
        let text = line_label(line, memo);
        let galley = painter.layout_no_wrap(text, FontId::proportional(FONT_SIZE), colors::ON_IMAGE);
        for (place, align) in places(line, points, area) {
            let rect = align.anchor_size(place, galley.size()).expand2(vec2(3.0, 1.0));
            // A label whose place lies near a corner is moved into the area rather than cut.
            let rect = rect.translate(into(rect, area.shrink(1.0)));
            if taken.iter().all(|other| !other.expand(2.0).intersects(rect)) {
                draw_label(painter, rect, &galley);
                taken.push(rect);
                break;
            }
        }
    }
}

fn line_label(line: &GridLine, memo: &Memo) -> String {
    let kind = usize::from(line.fixed == Fixed::Latitude);
    label(line.value, memo.grid.steps[kind], memo.divisions[kind], line.fixed == Fixed::Latitude)
}

/// Where a line may be labelled, the best place first.
fn places(line: &GridLine, points: &[Pos2], area: Rect) -> Vec<(Pos2, Align2)> {
    let edges = match line.fixed {
        Fixed::Longitude => [Edge::Bottom, Edge::Top, Edge::Left, Edge::Right],
        Fixed::Latitude => [Edge::Left, Edge::Right, Edge::Bottom, Edge::Top],
    };
    let mut out: Vec<(Pos2, Align2)> = edges
        .into_iter()
        .filter_map(|edge| {
            let place = crossing(points, area, edge)?;
            let (shift, align) = match edge {
                Edge::Left => (vec2(6.0, 0.0), Align2::LEFT_CENTER),
                Edge::Right => (vec2(-6.0, 0.0), Align2::RIGHT_CENTER),
                Edge::Bottom => (vec2(0.0, -4.0), Align2::CENTER_BOTTOM),
                Edge::Top => (vec2(0.0, 4.0), Align2::CENTER_TOP),
            };
            Some((place + shift, align))
        })
        .collect();
    if out.is_empty() {
        // A closed line, or one that ends inside: labelled on itself.
        let inside: Vec<Pos2> = points.iter().copied().filter(|p| p.is_finite() && area.contains(*p)).collect();
        let place = match line.fixed {
            Fixed::Longitude => {
                let [top, bottom] = inside.iter().fold([f32::MAX, f32::MIN], |r, p| [r[0].min(p.y), r[1].max(p.y)]);
                let middle = 0.5 * (top + bottom);
                inside.iter().copied().min_by(|a, b| (a.y - middle).abs().total_cmp(&(b.y - middle).abs()))
            }
            Fixed::Latitude => inside.iter().copied().min_by(|a, b| a.x.total_cmp(&b.x)),
        };
        out.extend(place.map(|place| (place, Align2::CENTER_CENTER)));
    }
    out
}

/// The shift that brings a rectangle into another.
fn into(rect: Rect, area: Rect) -> Vec2 {
    let shift = |low: f32, high: f32, from: f32, to: f32| if low < from { from - low } else { (to - high).min(0.0) };
    vec2(
        shift(rect.left(), rect.right(), area.left(), area.right()),
        shift(rect.top(), rect.bottom(), area.top(), area.bottom()),
    )
}

fn draw_label(painter: &Painter, rect: Rect, galley: &Arc<Galley>) {
    painter.rect_filled(rect, 3.0, colors::UNDER_IMAGE_TEXT);
    painter.galley(rect.min + vec2(3.0, 1.0), Arc::clone(galley), colors::ON_IMAGE);
}

/// The corner that [`draw_compass`] takes.
#[must_use]
pub fn compass_rect(view: Rect) -> Rect {
    let side = 2.0 * ARROW + 34.0;
    Rect::from_min_size(view.right_bottom() - vec2(side + 6.0, side + 6.0), Vec2::splat(side))
}

/// Arrows to the north and to the east at the middle of the view, in its right bottom corner. Nothing where the view
/// does not show the sky.
pub fn draw_compass(painter: &Painter, view: Rect, camera: &Camera, size: [usize; 2], wcs: &PlaneWcs) {
    let image_center = size.map(|n| (n as f64 - 1.0) / 2.0);
    let looked_at = wcs.sky(camera.center).or_else(|| wcs.sky(image_center));
    let Some(sky) = looked_at.filter(|_| view.width() > 300.0 && view.height() > 220.0) else { return };
    let plate = compass_rect(view);
    painter.circle_filled(plate.center(), plate.width() / 2.0 - 6.0, colors::faded(colors::UNDER_IMAGE_TEXT, 0.75));
    let [north, east] = [sky.north, sky.east].map(|v| vec2(v[0] as f32, -v[1] as f32));
    // The foot lies opposite to both arrows, so that the pair is in the middle of its plate.
    let foot = plate.center() - 0.35 * ARROW * (north + east);
    let stroke = Stroke::new(1.5, colors::ON_IMAGE);
    for (direction, letter) in [(north, "N"), (east, "E")] {
        painter.arrow(foot, direction * ARROW, stroke);
        let place = foot + direction * (ARROW + 8.0);
        painter.text(place, Align2::CENTER_CENTER, letter, FontId::proportional(FONT_SIZE), colors::ON_IMAGE);
    }
}

#[cfg(test)]
mod tests {
    use egui::pos2;

    use super::*;

    #[test]
    fn lines_are_labelled_where_they_cross_an_edge() {
        let area = Rect::from_min_max(pos2(0.0, 0.0), pos2(100.0, 80.0));
        let line = [pos2(-10.0, 40.0), pos2(110.0, 40.0)];
        assert_eq!(crossing(&line, area, Edge::Left), Some(pos2(0.0, 40.0)));
        assert_eq!(crossing(&line, area, Edge::Right), Some(pos2(100.0, 40.0)));
        assert_eq!(crossing(&line, area, Edge::Bottom), None);
        let broken = [pos2(-10.0, 40.0), Pos2::new(f32::NAN, f32::NAN), pos2(110.0, 40.0)];
        assert_eq!(crossing(&broken, area, Edge::Left), None);
    }

    #[test]
    fn labels_are_moved_inside() {
        let area = Rect::from_min_max(pos2(0.0, 0.0), pos2(100.0, 80.0));
        let rect = Rect::from_min_max(pos2(-5.0, 70.0), pos2(20.0, 90.0));
        assert_eq!(rect.translate(into(rect, area)), Rect::from_min_max(pos2(0.0, 60.0), pos2(25.0, 80.0)));
        let inside = Rect::from_min_max(pos2(5.0, 7.0), pos2(20.0, 9.0));
        assert_eq!(into(inside, area), Vec2::ZERO);
    }
}
