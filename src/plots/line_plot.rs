//! Curves and points over one axis: spectra, losses, profiles. A thin coat over egui_plot with our colours and gestures.
//!
//! Gestures: drag pans, wheel zooms x, Ctrl and wheel zooms y, Shift and drag picks a range of x, double click shows all.

use std::fmt::Debug;
use std::hash::Hash;
use std::ops::RangeInclusive;

use egui::{Color32, PointerButton, Response, Theme, Ui, Vec2, WidgetInfo};
use egui_plot::{
    AxisHints, FilledArea, GridInput, GridMark, HoverPosition, Legend, Line, LineStyle, Plot, PlotUi, Points, Span,
    VLine,
};

use super::axes;
use super::colors::{self, Role};
use super::line_marks::{Mark, Shade, draw_marks, draw_shades};
use super::line_plot_hold::{Handle, Held};

/// Points of the screen between two labels, along x and along y.
pub(super) const LABEL_SPACING: [f64; 2] = [52.0, 30.0];
/// egui_plot's smallest grid step is so many points wide (its default).
const SMALLEST_STEP_POINTS: f64 = 8.0;
/// How much a point of wheel movement magnifies, as in the image view.
const ZOOM_PER_POINT: f32 = 0.004;

/// Plots that are lower have no legend.
const LEGEND_FROM_POINTS: f32 = 130.0;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeriesStyle {
    /// A line from point to point.
    #[default]
    Line,
    /// A dashed line.
    Dashed,
    /// A horizontal step around each point: spectra, histograms.
    Steps,
    /// Dots.
    Points,
    /// Steps filled down to zero, or to the foot of a logarithmic axis: histograms.
    Bars,
}

/// One named series.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    name: &'a str,
    points: &'a [[f64; 2]],
    errors: Option<&'a [f64]>,
    color: Option<SeriesColor>,
    style: SeriesStyle,
    width: f32,
}

#[derive(Clone, Copy, Debug)]
enum SeriesColor {
    Role(Role),
    Fixed(Color32),
}

impl<'a> Series<'a> {
    /// A line through points `[x, y]`; a point that is not finite breaks it.
    #[must_use]
    pub fn new(name: &'a str, points: &'a [[f64; 2]]) -> Self {
        Self { name, points, errors: None, color: None, style: SeriesStyle::Line, width: 1.5 }
    }

    /// In the colour of what it stands for.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.color = Some(SeriesColor::Role(role));
        self
    }

    /// In a colour of the caller's.
    #[must_use]
    pub fn color(mut self, color: Color32) -> Self {
        self.color = Some(SeriesColor::Fixed(color));
        self
    }

    /// Drawn in another style.
    #[must_use]
    pub fn style(mut self, style: SeriesStyle) -> Self {
        self.style = style;
        self
    }

    /// Width of the line, or of the dots, in points.
    #[must_use]
    pub fn width(mut self, points: f32) -> Self {
        self.width = points;
        self
    }

    /// Standard errors of `y`, one a point, drawn as bars of one sigma to either side.
    #[must_use]
    pub fn errors(mut self, sigma: &'a [f64]) -> Self {
        self.errors = Some(sigma);
        self
    }
}

/// What the plot tells its caller about this frame.
pub struct LinePlotResponse {
    /// The plot, for context menus.
    pub response: Response,
    /// The place under the pointer, in the units of the axes.
    pub hovered: Option<[f64; 2]>,
    /// The range of x that a Shift drag has just picked.
    pub picked: Option<[f64; 2]>,
    /// The x of a click.
    pub clicked_x: Option<f64>,
    /// The x to which the handle is being dragged.
    pub dragged_x: Option<f64>,
}

/// A plot of named series.
pub struct LinePlot<'a> {
    name: &'a str,
    x: (&'a str, &'a str),
    y: (&'a str, &'a str),
    log_y: bool,
    series: Vec<Series<'a>>,
    vertical_lines: Vec<(&'a str, f64, Color32)>,
    height: Option<f32>,
    include_y: Vec<f64>,
    link: Option<egui::Id>,
    y_room: Option<f32>,
    bands: Vec<(&'a str, &'a [[f64; 3]], Color32)>,
    held: Held,
    handle: Option<(&'a str, f64, Color32)>,
    marks: Vec<Mark<'a>>,
    shades: Vec<Shade<'a>>,
}

impl<'a> LinePlot<'a> {
    /// An empty plot; the name is read out by screen readers.
    #[must_use]
    pub fn new(name: &'a str) -> Self {
        Self {
            name,
            x: ("", ""),
            y: ("", ""),
            log_y: false,
            series: Vec::new(),
            vertical_lines: Vec::new(),
            height: None,
            include_y: Vec::new(),
            link: None,
            y_room: None,
            bands: Vec::new(),
            held: Held::default(),
            handle: None,
            marks: Vec::new(),
            shades: Vec::new(),
        }
    }

    /// Label and unit of the x axis.
    #[must_use]
    pub fn x(mut self, label: &'a str, unit: &'a str) -> Self {
        self.x = (label, unit);
        self
    }

    /// Label and unit of the y axis.
    #[must_use]
    pub fn y(mut self, label: &'a str, unit: &'a str) -> Self {
        self.y = (label, unit);
        self
    }

    /// Logarithmic y; values that are not positive break the line.
    #[must_use]
    pub fn log_y(mut self, on: bool) -> Self {
        self.log_y = on;
        self
    }

    /// One more series.
    #[must_use]
    pub fn series(mut self, series: Series<'a>) -> Self {
        self.series.push(series);
        self
    }

    /// A vertical line: the channel shown, a threshold.
    #[must_use]
    pub fn vertical_line(mut self, name: &'a str, x: f64, color: Color32) -> Self {
        self.vertical_lines.push((name, x, color));
        self
    }

    /// A filled band under the series: points `[x, low, high]`; one that is not finite breaks it.
    #[must_use]
    pub fn band(mut self, name: &'a str, points: &'a [[f64; 3]], color: Color32) -> Self {
        self.bands.push((name, points, color));
        self
    }

    /// Ranges of x and y that are shown until the user moves the axes, and again after a double click or with another
    /// key. None leaves the axis to what is drawn.
    #[must_use]
    pub fn ranges(mut self, x: Option<[f64; 2]>, y: Option<[f64; 2]>, key: u64) -> Self {
        let usable = |range: &[f64; 2]| range.iter().all(|v| v.is_finite()) && range[0] < range[1];
        self.held = Held { ranges: [x.filter(usable), y.filter(usable)], key };
        self
    }

    /// A vertical line that the user can drag.
    #[must_use]
    pub fn handle(mut self, name: &'a str, x: f64, color: Color32) -> Self {
        self.handle = x.is_finite().then_some((name, x, color));
        self
    }

    /// Named lines over the axis; names that would meet stand in rows.
    #[must_use]
    pub fn marks(mut self, marks: Vec<Mark<'a>>) -> Self {
        self.marks = marks;
        self
    }

    /// A shaded range of x.
    #[must_use]
    pub fn shade(mut self, shade: Shade<'a>) -> Self {
        self.shades.push(shade);
        self
    }

    /// Keeps a value of y in view.
    #[must_use]
    pub fn include_y(mut self, y: f64) -> Self {
        self.include_y.push(y);
        self
    }

    /// Height in points; otherwise all there is.
    #[must_use]
    pub fn height(mut self, points: f32) -> Self {
        self.height = Some(points);
        self
    }

    /// Plots with the same id move their x axes together.
    #[must_use]
    pub fn link_x(mut self, group: egui::Id) -> Self {
        self.link = Some(group);
        self
    }

    /// Room for the labels of y in points: plots above one another that have the same lie in line.
    #[must_use]
    pub fn y_room(mut self, points: f32) -> Self {
        self.y_room = Some(points);
        self
    }

    /// Draws the plot.
    pub fn show(self, ui: &mut Ui, id: impl Hash + Debug) -> LinePlotResponse {
        let theme = colors::theme_of(ui.visuals());
        let log_y = self.log_y;
        let name = self.name;
        let shift = ui.input(|i| i.modifiers.shift);
        let handle_id = ui.scope_id().with("handle");
        let grip = self.handle.map(|line| (Handle::before(ui, handle_id), line));
        let dragging = grip.is_some_and(|(handle, _)| handle.held);
        let plot = self.plot(ui, id, theme, shift || dragging);
        let (held, mut picked) = (self.held, None);
        // egui_plot lets the turned label and the outermost tick labels stick out a little: keep them off the neighbours.
        let available = ui.available_rect_before_wrap();
        let mut inner = available;
        inner.min.x += if self.y.0.is_empty() { 0.0 } else { 5.0 };
        inner.max.x -= 7.0;
        if let Some(height) = self.height {
            inner.set_height(height);
        }
        let mut child = ui.new_child(egui::UiBuilder::new().max_rect(inner));
        let shown = plot.show(&mut child, |plot| {
            held.apply(plot);
            zoom_with_wheel(plot);
            picked = pick_range(plot, shift, theme);
            draw_shades(plot, &self.shades);
            for (name, points, color) in &self.bands {
                draw_band(plot, name, points, *color);
            }
            for (index, series) in self.series.iter().enumerate() {
                draw_series(plot, series, index, theme, log_y);
            }
            draw_marks(plot, &self.marks);
            for (label, x, color) in &self.vertical_lines {
                plot.vline(VLine::new(*label, *x).color(*color).width(1.5));
            }
            if let Some((label, x, color)) = self.handle {
                plot.vline(VLine::new(label, x).color(color).width(if dragging { 3.0 } else { 2.0 }));
            }
        });
        let dragged_x = grip.and_then(|(handle, (_, x, _))| handle.after(ui, &shown, x));
        let used = child.min_rect();
        ui.advance_cursor_after_rect(egui::Rect::from_min_max(
            available.min,
            egui::pos2(used.right() + 7.0, used.bottom()),
        ));
        let response = shown.response;
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, format!("{name}: plot")));
        let at = |pointer: egui::Pos2| {
            let point = shown.transform.value_from_position(pointer);
            [point.x, unlog(point.y, log_y)]
        };
        LinePlotResponse {
            hovered: response.hover_pos().map(at),
            clicked_x: (response.clicked() && !shift)
                .then(|| response.interact_pointer_pos())
                .flatten()
                .map(|pointer| at(pointer)[0]),
            picked,
            dragged_x,
            response,
        }
    }

    fn plot(&self, ui: &Ui, id: impl Hash + Debug, theme: Theme, shift: bool) -> Plot<'a> {
        let log_y = self.log_y;
        let (x_name, y_name) = (self.x, self.y);
        let tick_color = ui.visuals().text_color();
        let font = egui::FontId::proportional(11.0);
        let axis = |hints: AxisHints<'a>, (label, unit): (&str, &str)| {
            let text = egui::RichText::new(axes::axis_label(label, unit, "")).size(12.0);
            hints.label(text).label_spacing(1.0..=2.0).tick_label_color(tick_color).tick_label_font(font.clone())
        };
        let mut plot = Plot::new(id)
            .custom_x_axes(vec![axis(AxisHints::new_x(), self.x).formatter(tick_label)])
            .custom_y_axes(vec![
                axis(AxisHints::new_y(), self.y)
                    .min_thickness(self.y_room.unwrap_or(0.0))
                    .formatter(move |mark, range| if log_y { log_tick_label(mark) } else { tick_label(mark, range) }),
            ])
            .x_grid_spacer(|input| grid(&input, LABEL_SPACING[0]))
            .y_grid_spacer(
                move |input| if log_y { log_grid(&input, LABEL_SPACING[1]) } else { grid(&input, LABEL_SPACING[1]) },
            )
            .label_formatter(move |position| Some(hover_text(position, x_name, y_name, log_y)))
            .grid_color(colors::faded(ui.visuals().text_color(), 0.3))
            .grid_fade(0.25)
            .cursor_color(colors::faded(Role::Null.color(theme), 0.8))
            .set_margin_fraction(egui::vec2(0.02, 0.06))
            .allow_drag(!shift)
            .allow_scroll(false)
            .allow_zoom(false)
            .allow_axis_zoom_drag(false)
            .allow_boxed_zoom(false)
            .allow_double_click_reset(true)
            .min_size(egui::vec2(60.0, 60.0));
        for y in &self.include_y {
            plot = plot.include_y(logged(*y, log_y));
        }
        if let Some(height) = self.height {
            plot = plot.height(height);
        }
        if let Some(group) = self.link {
            plot = plot.link_axis(group, [true, false]).link_cursor(group, [true, false]);
        }
        // In a low plot the legend would cover the curves.
        let high = self.height.unwrap_or_else(|| ui.available_height()) > LEGEND_FROM_POINTS;
        if high && self.series.len() + self.vertical_lines.len() + self.bands.len() > 1 {
            let legend =
                Legend::default().follow_insertion_order(true).text_style(egui::TextStyle::Small).background_alpha(0.7);
            plot = plot.legend(legend);
        }
        plot
    }
}

pub(super) fn logged(y: f64, log_y: bool) -> f64 {
    if !log_y {
        y
    } else if y > 0.0 {
        y.log10()
    } else {
        f64::NAN
    }
}

pub(super) fn unlog(y: f64, log_y: bool) -> f64 {
    if log_y { 10f64.powf(y) } else { y }
}

pub(super) fn zoom_with_wheel(plot: &mut PlotUi<'_>) {
    if !plot.response().contains_pointer() {
        return;
    }
    let (scroll, zoom) = plot.ctx().input_mut(|input| {
        let scroll = std::mem::replace(&mut input.smooth_scroll_delta, Vec2::ZERO);
        (scroll.y, input.zoom_delta())
    });
    // egui turns Ctrl and wheel into a zoom of its own, which also a pinch gives.
    let factor = Vec2::new((ZOOM_PER_POINT * scroll).exp(), zoom);
    if factor != Vec2::splat(1.0) {
        plot.zoom_bounds_around_hovered(factor);
    }
}

/// Marks the range of a Shift drag and gives it back when the button goes up.
fn pick_range(plot: &mut PlotUi<'_>, shift: bool, theme: Theme) -> Option<[f64; 2]> {
    let (from, to, stopped) = shift.then(|| dragged_span(plot)).flatten()?;
    let (from, to) = (plot.plot_from_screen(from).x, plot.plot_from_screen(to).x);
    let range = [from.min(to), from.max(to)];
    let color = Role::Reference.color(theme);
    plot.span(Span::new("", range[0]..=range[1]).fill(colors::faded(color, 0.2)).border_color(color));
    (stopped && range[0] < range[1]).then_some(range)
}

/// Both ends of a drag with the left button on the screen, and whether the button has just gone up.
pub(super) fn dragged_span(plot: &PlotUi<'_>) -> Option<(egui::Pos2, egui::Pos2, bool)> {
    let response = plot.response();
    let place = response.id.with("origin of the drag");
    let stopped = response.drag_stopped_by(PointerButton::Primary);
    if !(response.dragged_by(PointerButton::Primary) || stopped) {
        return None;
    }
    // In the frame in which the button goes up egui no longer knows where it went down.
    let origin = match plot.ctx().input(|i| i.pointer.press_origin()) {
        Some(origin) if !stopped => {
            plot.ctx().data_mut(|data| data.insert_temp(place, origin));
            origin
        }
        _ => plot.ctx().data_mut(|data| data.remove_temp(place))?,
    };
    Some((origin, response.interact_pointer_pos()?, stopped))
}

fn draw_series(plot: &mut PlotUi<'_>, series: &Series<'_>, index: usize, theme: Theme, log_y: bool) {
    let color = match series.color {
        Some(SeriesColor::Role(role)) => role.color(theme),
        Some(SeriesColor::Fixed(color)) => color,
        None => colors::series(index, theme),
    };
    if let Some(errors) = series.errors {
        for (point, sigma) in series.points.iter().zip(errors) {
            let ends = [point[1] - sigma, point[1] + sigma].map(|y| logged(y, log_y));
            // On a logarithmic axis a bar that reaches to zero is drawn down to the point only.
            let low = if ends[0].is_finite() { ends[0] } else { logged(point[1], log_y) };
            if point[0].is_finite() && low.is_finite() && ends[1].is_finite() {
                let bar = vec![[point[0], low], [point[0], ends[1]]];
                plot.line(Line::new(series.name, bar).color(colors::faded(color, 0.6)).width(1.0).allow_hover(false));
            }
        }
    }
    for run in runs(series.points, log_y) {
        match series.style {
            SeriesStyle::Points => {
                plot.points(Points::new(series.name, run).color(color).radius(series.width));
            }
            SeriesStyle::Line => {
                plot.line(Line::new(series.name, run).color(color).width(series.width));
            }
            SeriesStyle::Dashed => {
                plot.line(
                    Line::new(series.name, run).color(color).width(series.width).style(LineStyle::dashed_dense()),
                );
            }
            SeriesStyle::Bars => {
                let foot = if log_y { plot.plot_bounds().min()[1] } else { 0.0 };
                plot.line(
                    Line::new(series.name, steps(&run))
                        .color(color)
                        .width(series.width)
                        .allow_band(corners_merge(&run))
                        .fill(foot as f32)
                        .fill_alpha(0.35),
                );
            }
            SeriesStyle::Steps => {
                plot.line(
                    Line::new(series.name, steps(&run))
                        .color(color)
                        .width(series.width)
                        .allow_band(corners_merge(&run)),
                );
            }
        }
    }
}

/// Stretches of a band without missing values, each filled.
fn draw_band(plot: &mut PlotUi<'_>, name: &str, points: &[[f64; 3]], color: Color32) {
    for run in points.split(|p| !p.iter().all(|v| v.is_finite())).filter(|run| run.len() > 1) {
        let column = |k: usize| -> Vec<f64> { run.iter().map(|p| p[k]).collect() };
        let area = FilledArea::new(name, &column(0), &column(1), &column(2));
        plot.add(area.fill_color(colors::faded(color, 0.28)).allow_hover(false));
    }
}

/// egui_plot joins points within a pixel into bands, which is quick but slants steps: only for very many points.
fn corners_merge(run: &[[f64; 2]]) -> bool {
    run.len() > 4000
}

/// The points, in stretches without missing values.
fn runs(points: &[[f64; 2]], log_y: bool) -> Vec<Vec<[f64; 2]>> {
    let mut runs = vec![Vec::new()];
    for [x, y] in points {
        let y = logged(*y, log_y);
        if x.is_finite() && y.is_finite() {
            if let Some(run) = runs.last_mut() {
                run.push([*x, y]);
            }
        } else if runs.last().is_some_and(|run| !run.is_empty()) {
            runs.push(Vec::new());
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Horizontal steps that change half-way between points.
fn steps(run: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut corners = Vec::with_capacity(2 * run.len());
    for (i, [x, y]) in run.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|j| run.get(j)).map(|p| x - p[0]);
        let after = run.get(i + 1).map(|p| p[0] - x);
        let left = before.or(after).unwrap_or(1.0) / 2.0;
        let right = after.or(before).unwrap_or(1.0) / 2.0;
        corners.push([x - left, *y]);
        corners.push([x + right, *y]);
    }
    corners
}

/// Marks at round values with room for their labels.
pub(super) fn grid(input: &GridInput, label_points: f64) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let per_label = input.base_step_size / SMALLEST_STEP_POINTS * label_points;
    let count = ((high - low) / per_label).floor().clamp(2.0, 40.0) as usize;
    let values = axes::nice_values(low, high, count);
    let step_size = match values.as_slice() {
        [a, b, ..] => b - a,
        _ => high - low,
    };
    values.into_iter().map(|value| GridMark { value, step_size }).collect()
}

/// Marks of a logarithmic axis, in decades: whole decades with thin lines between, or round values within few decades.
pub(super) fn log_grid(input: &GridInput, label_points: f64) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let decades = high - low;
    if !(decades.is_finite() && decades > 0.0) {
        return Vec::new();
    }
    let room = decades / (input.base_step_size / SMALLEST_STEP_POINTS * label_points);
    if decades < 1.2 {
        let values = axes::nice_values(10f64.powf(low), 10f64.powf(high), (room as usize).clamp(2, 8));
        return values
            .into_iter()
            .filter(|v| *v > 0.0)
            .map(|v| GridMark { value: v.log10(), step_size: ROUND_VALUE })
            .collect();
    }
    let every = (decades / room.max(1.0)).ceil().max(1.0) as i64;
    let (first, last) = (low.floor() as i64, high.ceil() as i64);
    let mut marks = Vec::new();
    for decade in first..=last {
        if decade % every == 0 {
            marks.push(GridMark { value: decade as f64, step_size: every as f64 });
        }
        if every == 1 && decades < 5.0 {
            marks.extend((2..10).map(|m| GridMark { value: decade as f64 + f64::from(m).log10(), step_size: 0.1 }));
        }
    }
    marks.retain(|mark| (low..=high).contains(&mark.value));
    marks
}

/// A label with the decimals that the step asks for.
pub(super) fn tick_label(mark: GridMark, range: &RangeInclusive<f64>) -> String {
    let largest = range.start().abs().max(range.end().abs());
    axes::format_tick(mark.value, mark.step_size, largest)
}

/// Step size that tells the round values of a logarithmic axis of few decades from whole decades (1 and more) and from
/// the unlabelled lines between them (0.1).
const ROUND_VALUE: f64 = 0.75;

pub(super) fn log_tick_label(mark: GridMark) -> String {
    if mark.step_size < 0.5 {
        return String::new();
    }
    let decade = mark.value.round();
    if mark.step_size != ROUND_VALUE && decade.abs() < 400.0 {
        format!("10{}", axes::superscript(decade as i32))
    } else {
        axes::format_value(10f64.powf(mark.value), 4)
    }
}

fn hover_text(position: &HoverPosition<'_>, x: (&str, &str), y: (&str, &str), log_y: bool) -> String {
    let (name, point) = match position {
        HoverPosition::NearDataPoint { plot_name, position, .. } => (*plot_name, position),
        HoverPosition::Elsewhere { position } => ("", position),
    };
    let line = |(label, unit): (&str, &str), value: f64, fallback: &str| {
        let label = if label.is_empty() { fallback } else { label };
        format!("{label} {}", axes::format_with_unit(value, 5, unit))
    };
    let coordinates = format!("{}\n{}", line(x, point.x, "x"), line(y, unlog(point.y, log_y), "y"));
    if name.is_empty() { coordinates } else { format!("{name}\n{coordinates}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_unloggable_points_break_the_line() {
        let points = [[0.0, 1.0], [1.0, 10.0], [2.0, f64::NAN], [3.0, 100.0], [4.0, -1.0]];
        assert_eq!(runs(&points, false).len(), 2);
        assert_eq!(runs(&points, true), [vec![[0.0, 0.0], [1.0, 1.0]], vec![[3.0, 2.0]]]);
        assert!(runs(&[], true).is_empty());
    }

    #[test]
    fn steps_meet_half_way() {
        let corners = steps(&[[0.0, 1.0], [2.0, 3.0], [3.0, 5.0]]);
        assert_eq!(corners, [[-1.0, 1.0], [1.0, 1.0], [1.0, 3.0], [2.5, 3.0], [2.5, 5.0], [3.5, 5.0]]);
    }

    #[test]
    fn log_axes_label_decades() {
        let input =
            |low, high| GridInput { bounds: (low, high), base_step_size: (high - low) / 200.0 * SMALLEST_STEP_POINTS };
        let label = |marks: Vec<GridMark>| -> Vec<String> {
            let labels = marks.into_iter().map(log_tick_label);
            labels.filter(|l| !l.is_empty()).collect()
        };
        assert_eq!(label(log_grid(&input(-2.3, 1.2), 30.0)), ["10⁻²", "10⁻¹", "10⁰", "10¹"]);
        assert!(label(log_grid(&input(-30.0, 30.0), 30.0)).len() <= 8);
        let narrow = label(log_grid(&input(0.1, 0.6), 30.0));
        assert_eq!(narrow, ["1.5", "2", "2.5", "3", "3.5"]);
        let around_one = label(log_grid(&input(-0.2, 0.2), 30.0));
        assert!(around_one.iter().any(|l| l == "1"), "{around_one:?}");
        assert!(log_grid(&input(f64::NAN, 1.0), 30.0).is_empty());
    }
}
