//! A corner plot: every quantity's distribution on the diagonal, every pair's below it, with the truth where it is known.

use std::sync::Arc;

use egui::{Align2, Color32, FontId, Galley, Pos2, Rect, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};
use ndarray::Array2;

use super::axes::{Ticks, format_value};
use super::colors::{self, Role, theme_of};
use crate::numerics::contour::level_lines;

/// Bins of a histogram, and along each side of the density of a pair.
const BINS: usize = 28;
/// Share of the draws inside the contours of a pair: one and two sigma of a normal distribution of two quantities.
const INSIDE: [f64; 2] = [0.393_469, 0.864_665];
/// Room for tick labels and axis labels, in points.
const LEFT: f32 = 76.0;
const BELOW: f32 = 46.0;
const GAP: f32 = 5.0;

/// One quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct CornerColumn {
    /// What it is, for the axis.
    pub label: String,
    /// Its unit, or nothing.
    pub unit: String,
    /// Draws, in the same order for every quantity.
    pub values: Vec<f64>,
    /// 16, 50 and 84 per cent quantiles.
    pub quantiles: [f64; 3],
    /// The true value, where the data were simulated.
    pub truth: Option<f64>,
}

/// Contours of a pair in the unit square: which level, and the points of one line.
type Lines = Vec<(usize, Vec<[f64; 2]>)>;

/// A corner plot, computed once.
#[derive(Clone, Debug)]
pub struct Corner {
    columns: Vec<CornerColumn>,
    ranges: Vec<[f64; 2]>,
    /// Heights of the histograms, the highest 1.
    histograms: Vec<Vec<f64>>,
    /// Of the pair (row, column), column < row, row by row.
    contours: Vec<Lines>,
}

impl Corner {
    /// Bins the draws. Quantities that do not vary are left out.
    #[must_use]
    pub fn new(columns: Vec<CornerColumn>) -> Self {
        let columns: Vec<CornerColumn> = columns.into_iter().filter(|c| range_of(c).is_some()).collect();
        let ranges: Vec<[f64; 2]> = columns.iter().filter_map(range_of).collect();
        let histograms = columns.iter().zip(&ranges).map(|(c, r)| histogram(&c.values, *r)).collect();
        let mut contours = Vec::new();
        for row in 1..columns.len() {
            for column in 0..row {
                contours.push(pair([&columns[column].values, &columns[row].values], [ranges[column], ranges[row]]));
            }
        }
        Self { columns, ranges, histograms, contours }
    }

    /// Draws it in all the room there is, square cells as large as fit.
    pub fn show(&self, ui: &mut Ui, name: &str) {
        let n = self.columns.len();
        let room = ui.available_size();
        let (rect, response) = ui.allocate_exact_size(room.max(vec2(160.0, 160.0)), Sense::hover());
        let labels: Vec<&str> = self.columns.iter().map(|c| c.label.as_str()).collect();
        response.widget_info(|| {
            WidgetInfo::labeled(egui::Role::Image, true, format!("{name}: corner plot of {}", labels.join(", ")))
        });
        if n == 0 {
            return;
        }
        let count = n as f32;
        let wide = self.cell_width(ui, rect.width() - LEFT - GAP * count);
        let tall = (rect.height() - BELOW - 16.0 - GAP * count) / count;
        let size = vec2(wide.min(1.7 * tall), tall).max(vec2(24.0, 20.0));
        let cell = |row: usize, column: usize| {
            let corner = rect.min + vec2(LEFT + (size.x + GAP) * column as f32, 16.0 + (size.y + GAP) * row as f32);
            Rect::from_min_size(corner, size)
        };
        for row in 0..n {
            self.draw_distribution(ui, cell(row, row), row);
            for column in 0..row {
                self.draw_pair(ui, cell(row, column), row, column);
            }
        }
        for k in 0..n {
            self.draw_axis_below(ui, cell(n - 1, k), k);
            if k > 0 {
                self.draw_axis_left(ui, cell(k, 0), k);
            }
        }
    }

    /// Width of a cell: all of the room, less what the interval over the last cell is wider than that cell.
    fn cell_width(&self, ui: &Ui, room: f32) -> f32 {
        let count = self.columns.len() as f32;
        let share = room / count;
        let last = self.columns.last().map(|c| interval(c.quantiles)).unwrap_or_default();
        let title = ui.painter().layout_no_wrap(last, FontId::proportional(11.0), Color32::PLACEHOLDER).size().x;
        if title <= share || self.columns.len() < 2 { share } else { (room - title) / (count - 1.0) }
    }

    fn draw_distribution(&self, ui: &Ui, cell: Rect, k: usize) {
        let theme = theme_of(ui.visuals());
        // The interval may reach over the empty half of the plot to the right.
        let mut seen = cell.expand2(vec2(30.0, 18.0));
        seen.max.x += 150.0;
        let painter = ui.painter_at(seen);
        frame(ui, cell);
        let heights = &self.histograms[k];
        let step = cell.width() / heights.len() as f32;
        let mut points = vec![cell.left_bottom()];
        for (i, h) in heights.iter().enumerate() {
            let y = cell.bottom() - 0.92 * cell.height() * *h as f32;
            points.push(pos2(cell.left() + step * i as f32, y));
            points.push(pos2(cell.left() + step * (i + 1) as f32, y));
        }
        points.push(cell.right_bottom());
        painter.add(Shape::line(points, Stroke::new(1.3, Role::Model.color(theme))));
        let column = &self.columns[k];
        let weak = ui.visuals().weak_text_color();
        for q in column.quantiles {
            let x = self.across(cell, k, q);
            painter.extend(Shape::dashed_line(
                &[pos2(x, cell.top()), pos2(x, cell.bottom())],
                Stroke::new(1.0, weak),
                3.0,
                3.0,
            ));
        }
        if let Some(truth) = column.truth {
            let x = self.across(cell, k, truth);
            painter.vline(x, cell.y_range(), Stroke::new(1.5, Role::Truth.color(theme)));
        }
        let font = FontId::proportional(11.0);
        painter.text(
            pos2(cell.left(), cell.top() - 2.0),
            Align2::LEFT_BOTTOM,
            interval(column.quantiles),
            font,
            ui.visuals().text_color(),
        );
    }

    fn draw_pair(&self, ui: &Ui, cell: Rect, row: usize, column: usize) {
        let theme = theme_of(ui.visuals());
        frame(ui, cell);
        let painter = ui.painter_at(cell);
        let color = Role::Model.color(theme);
        for (level, points) in &self.contours[row * (row - 1) / 2 + column] {
            let points: Vec<Pos2> = points
                .iter()
                .map(|[x, y]| pos2(cell.left() + cell.width() * *x as f32, cell.bottom() - cell.height() * *y as f32))
                .collect();
            let color = if *level == 0 { color } else { colors::faded(color, 0.55) };
            painter.add(Shape::line(points, Stroke::new(1.4, color)));
        }
        let truth: Color32 = Role::Truth.color(theme);
        if let Some(x) = self.columns[column].truth {
            painter.vline(self.across(cell, column, x), cell.y_range(), Stroke::new(1.0, truth));
        }
        if let Some(y) = self.columns[row].truth {
            painter.hline(cell.x_range(), self.up(cell, row, y), Stroke::new(1.0, truth));
        }
    }

    fn draw_axis_below(&self, ui: &Ui, cell: Rect, k: usize) {
        let painter = ui.painter();
        let [low, high] = self.ranges[k];
        let color = ui.visuals().text_color();
        let font = FontId::proportional(10.5);
        // As many as can stand side by side.
        let most = if cell.width() > 150.0 { 4 } else { 2 };
        let ticks = Ticks::nice(low, high, most);
        for (value, label) in ticks.values.iter().zip(&ticks.labels) {
            let x = self.across(cell, k, *value);
            painter.vline(x, cell.bottom()..=cell.bottom() + 3.0, Stroke::new(1.0, color));
            painter.text(pos2(x, cell.bottom() + 4.0), Align2::CENTER_TOP, label, font.clone(), color);
        }
        let column = &self.columns[k];
        let text = super::axes::axis_label(&column.label, &column.unit, &ticks.factor());
        fitted_text(ui, pos2(cell.center().x, cell.bottom() + 18.0), &text, cell.width() + GAP, color);
    }

    fn draw_axis_left(&self, ui: &Ui, cell: Rect, k: usize) {
        let painter = ui.painter();
        let [low, high] = self.ranges[k];
        let color = ui.visuals().text_color();
        let ticks = Ticks::nice(low, high, if cell.height() > 70.0 { 3 } else { 2 });
        for (value, label) in ticks.values.iter().zip(&ticks.labels) {
            let y = self.up(cell, k, *value);
            painter.hline(cell.left() - 3.0..=cell.left(), y, Stroke::new(1.0, color));
            painter.text(pos2(cell.left() - 5.0, y), Align2::RIGHT_CENTER, label, FontId::proportional(10.5), color);
        }
        // The label stands along the axis.
        let column = &self.columns[k];
        let text = super::axes::axis_label(&column.label, &column.unit, &ticks.factor());
        let galley = fitted(ui, &text, cell.height() + GAP, color);
        let at = pos2(cell.left() - LEFT + 8.0, cell.center().y + 0.5 * galley.size().x);
        let mut shape = egui::epaint::TextShape::new(at, galley, color);
        shape.angle = -std::f32::consts::FRAC_PI_2;
        painter.add(shape);
    }

    fn across(&self, cell: Rect, k: usize, value: f64) -> f32 {
        let [low, high] = self.ranges[k];
        cell.left() + cell.width() * ((value - low) / (high - low)) as f32
    }

    fn up(&self, cell: Rect, k: usize, value: f64) -> f32 {
        let [low, high] = self.ranges[k];
        cell.bottom() - cell.height() * ((value - low) / (high - low)) as f32
    }
}

fn frame(ui: &Ui, cell: Rect) {
    let stroke = ui.visuals().widgets.noninteractive.bg_stroke;
    ui.painter().rect_stroke(cell, 0.0, stroke, egui::StrokeKind::Inside);
}

/// Text in the middle below a point.
fn fitted_text(ui: &Ui, top: Pos2, text: &str, width: f32, color: Color32) {
    let galley = fitted(ui, text, width, color);
    ui.painter().galley(pos2(top.x - 0.5 * galley.size().x, top.y), galley, color);
}

/// Text in one line where that fits, else a little smaller and in several.
fn fitted(ui: &Ui, text: &str, width: f32, color: Color32) -> Arc<Galley> {
    let line = |size: f32| ui.painter().layout_no_wrap(text.to_owned(), FontId::proportional(size), color);
    let sizes = [11.5, 11.0, 10.5, 10.0];
    if let Some(galley) = sizes.into_iter().map(line).find(|g| g.size().x <= width) {
        return galley;
    }
    ui.painter().layout(text.to_owned(), FontId::proportional(9.5), color, width.max(30.0))
}

/// `1.2138 +0.0003 −0.0004`.
fn interval([low, median, high]: [f64; 3]) -> String {
    let (up, down) = (high - median, median - low);
    let least = up.min(down).max(1e-12);
    if !(1e-4..1e6).contains(&median.abs()) {
        return format!("{} +{} −{}", format_value(median, 4), format_value(up, 2), format_value(down, 2));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped first
    let digits = (1.0 - least.log10().floor()).clamp(0.0, 7.0) as usize;
    format!("{median:.digits$} +{up:.digits$} −{down:.digits$}")
}

/// From the 0.2 to the 99.8 per cent quantile and a little beyond, the truth included when it is near.
fn range_of(column: &CornerColumn) -> Option<[f64; 2]> {
    let mut sorted: Vec<f64> = column.values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let at = |p: f64| sorted.get(((sorted.len().saturating_sub(1)) as f64 * p).round() as usize).copied();
    let (low, high) = (at(0.002)?, at(0.998)?);
    let width = high - low;
    if width.is_nan() || width <= 1e-12 * high.abs().max(low.abs()) {
        return None;
    }
    let (mut low, mut high) = (low - 0.08 * width, high + 0.08 * width);
    if let Some(truth) = column.truth.filter(|t| *t > low - width && *t < high + width) {
        low = low.min(truth - 0.05 * width);
        high = high.max(truth + 0.05 * width);
    }
    Some([low, high])
}

/// The bin of a value, if it lies in the range.
fn bin(value: f64, [low, high]: [f64; 2]) -> Option<usize> {
    let place = (value - low) / (high - low) * BINS as f64;
    (place >= 0.0 && place < BINS as f64).then_some(place as usize)
}

fn histogram(values: &[f64], range: [f64; 2]) -> Vec<f64> {
    let mut counts = vec![0.0; BINS];
    for place in values.iter().filter_map(|v| bin(*v, range)) {
        counts[place] += 1.0;
    }
    let most = counts.iter().copied().fold(1.0, f64::max);
    counts.into_iter().map(|c| c / most).collect()
}

/// Contours that hold the shares [`INSIDE`] of the draws of a pair, from a smoothed histogram.
fn pair([x, y]: [&[f64]; 2], ranges: [[f64; 2]; 2]) -> Lines {
    let mut counts = Array2::<f64>::zeros((BINS, BINS));
    for (i, j) in x.iter().zip(y).filter_map(|(a, b)| Some((bin(*a, ranges[0])?, bin(*b, ranges[1])?))) {
        counts[[j, i]] += 1.0;
    }
    let smooth = smoothed(&counts);
    let mut sorted: Vec<f64> = smooth.iter().copied().collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let total: f64 = sorted.iter().sum();
    INSIDE
        .iter()
        .enumerate()
        .flat_map(|(level, share)| {
            let mut sum = 0.0;
            let threshold = sorted.iter().copied().find(|v| {
                sum += v;
                sum >= share * total
            });
            let step = 1.0 / BINS as f64;
            let lines = threshold.map_or_else(Vec::new, |t| level_lines(&smooth, t, [0.5 * step; 2], step));
            lines.into_iter().map(move |line| {
                let mut points = line.points;
                if line.closed {
                    points.extend(points.first().copied());
                }
                (level, points)
            })
        })
        .collect()
}

/// A Gaussian of 1.1 bins over both directions, with zeros beyond the edges.
fn smoothed(counts: &Array2<f64>) -> Array2<f64> {
    const REACH: i64 = 4;
    let weight = |d: i64| (-0.5 * (d as f64 / 1.1).powi(2)).exp();
    let norm: f64 = (-REACH..=REACH).map(weight).sum();
    let along = |image: &Array2<f64>, dj: i64, di: i64| {
        Array2::from_shape_fn(image.dim(), |(j, i)| {
            (-REACH..=REACH)
                .map(|d| {
                    let (a, b) = (j as i64 + d * dj, i as i64 + d * di);
                    let inside = (0..BINS as i64).contains(&a) && (0..BINS as i64).contains(&b);
                    if inside { weight(d) * image[[a as usize, b as usize]] } else { 0.0 }
                })
                .sum::<f64>()
                / norm
        })
    };
    along(&along(counts, 0, 1), 1, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerics::contour::area;
    use crate::numerics::random;

    fn column(label: &str, values: Vec<f64>) -> CornerColumn {
        CornerColumn { label: label.into(), unit: String::new(), values, quantiles: [-1.0, 0.0, 1.0], truth: Some(0.1) }
    }

    /// Contours of independent normal quantities hold the shares that they say: their areas are those of the circles of 1 and 2 sigma.
    #[test]
    fn contours_of_a_normal_pair_are_its_circles() {
        let mut rng = random::stream(1, "corner", 0);
        let mut draws = || (0..40_000).map(|_| random::normal(&mut rng)).collect::<Vec<f64>>();
        let corner = Corner::new(vec![column("a", draws()), column("b", draws())]);
        let [[x0, x1], [y0, y1]] = [corner.ranges[0], corner.ranges[1]];
        for (level, sigma) in [(0, 1.0), (1, 2.0)] {
            let found: f64 = corner.contours[0].iter().filter(|(l, _)| *l == level).map(|(_, p)| area(p)).sum();
            let expected = std::f64::consts::PI * sigma * sigma / ((x1 - x0) * (y1 - y0));
            assert!((found / expected - 1.0).abs() < 0.12, "{level}: {found} {expected}");
        }
    }

    #[test]
    fn what_does_not_vary_is_left_out() {
        let corner = Corner::new(vec![column("a", vec![2.0; 50]), column("b", (0..50).map(f64::from).collect())]);
        assert_eq!(corner.columns.len(), 1);
        assert!(Corner::new(Vec::new()).columns.is_empty());
    }

    #[test]
    fn intervals_show_the_figures_that_their_widths_deserve() {
        assert_eq!(interval([1.2134, 1.2138, 1.2141]), "1.21380 +0.00030 −0.00040");
        assert_eq!(interval([30.0, 35.0, 41.0]), "35.0 +6.0 −5.0");
        assert_eq!(interval([1e-9, 2e-9, 3e-9]), "2e-9 +1e-9 −1e-9");
    }
}
