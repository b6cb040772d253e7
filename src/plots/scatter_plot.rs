//! Points in a plane: few as dots in the colours of a third quantity, very many as a picture of their density.
//!
//! Gestures as of the line plot: drag pans, wheel zooms x, Ctrl and wheel zooms y, double click shows all; Shift and drag
//! picks a box.

use std::fmt::Debug;
use std::hash::Hash;

use egui::{Color32, Response, TextureId, Ui, WidgetInfo};
use egui_plot::{AxisHints, Legend, Line, LineStyle, Plot, PlotImage, PlotPoint, PlotUi, Points, Polygon};

use super::axes;
use super::colors::{self, Role};
use super::line_plot::{
    LABEL_SPACING, dragged_span, grid, log_grid, log_tick_label, tick_label, unlog, zoom_with_wheel,
};

/// Dots of one colour.
#[derive(Clone, Debug, PartialEq)]
pub struct Dots {
    /// Places `[x, y]`, as logarithms along a logarithmic axis.
    pub points: Vec<[f64; 2]>,
    /// Colour.
    pub color: Color32,
}

/// A line over the plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve<'a> {
    /// Its name, in the legend.
    pub name: &'a str,
    /// Places `[x, y]`, as logarithms along a logarithmic axis.
    pub points: &'a [[f64; 2]],
    /// Colour.
    pub color: Color32,
    /// Dashed.
    pub dashed: bool,
}

/// A picture of a density.
#[derive(Clone, Copy, Debug)]
pub struct DensityPicture {
    /// Row 0 at the top.
    pub texture: TextureId,
    /// `[x low, y low, x high, y high]`, as logarithms along a logarithmic axis.
    pub bounds: [f64; 4],
}

/// What the plot tells its caller about this frame.
pub struct ScatterResponse {
    /// The plot.
    pub response: Response,
    /// The box `[x low, y low, x high, y high]` that a Shift drag has just picked, as logarithms along a logarithmic axis.
    pub picked: Option<[f64; 4]>,
    /// The place of a click, and how far around it 6 points of the screen reach along x and y.
    pub clicked: Option<([f64; 2], [f64; 2])>,
    /// What is seen, as logarithms along a logarithmic axis.
    pub bounds: [f64; 4],
    /// The user is moving or magnifying it.
    pub moved: bool,
}

/// A plot of points.
pub struct ScatterPlot<'a> {
    name: &'a str,
    x: (&'a str, &'a str),
    y: (&'a str, &'a str),
    log: [bool; 2],
    dots: &'a [Dots],
    density: Option<DensityPicture>,
    chosen: &'a [[f64; 2]],
    curves: Vec<Curve<'a>>,
}

impl<'a> ScatterPlot<'a> {
    /// An empty plot; the name is read out by screen readers.
    #[must_use]
    pub fn new(name: &'a str) -> Self {
        Self {
            name,
            x: ("", ""),
            y: ("", ""),
            log: [false; 2],
            dots: &[],
            density: None,
            chosen: &[],
            curves: Vec::new(),
        }
    }

    /// Label and unit of the x axis; logarithmic or not.
    #[must_use]
    pub fn x(mut self, label: &'a str, unit: &'a str, log: bool) -> Self {
        (self.x, self.log[0]) = ((label, unit), log);
        self
    }

    /// Label and unit of the y axis; logarithmic or not.
    #[must_use]
    pub fn y(mut self, label: &'a str, unit: &'a str, log: bool) -> Self {
        (self.y, self.log[1]) = ((label, unit), log);
        self
    }

    /// The dots.
    #[must_use]
    pub fn dots(mut self, dots: &'a [Dots]) -> Self {
        self.dots = dots;
        self
    }

    /// A picture in place of dots.
    #[must_use]
    pub fn density(mut self, picture: Option<DensityPicture>) -> Self {
        self.density = picture;
        self
    }

    /// Places to ring.
    #[must_use]
    pub fn chosen(mut self, chosen: &'a [[f64; 2]]) -> Self {
        self.chosen = chosen;
        self
    }

    /// Lines over it.
    #[must_use]
    pub fn curves(mut self, curves: Vec<Curve<'a>>) -> Self {
        self.curves = curves;
        self
    }

    /// Draws the plot.
    pub fn show(self, ui: &mut Ui, id: impl Hash + Debug) -> ScatterResponse {
        let theme = colors::theme_of(ui.visuals());
        let shift = ui.input(|i| i.modifiers.shift);
        let (mut picked, mut moved) = (None, false);
        // As in the line plot: labels stick out a little.
        let mut inner = ui.available_rect_before_wrap();
        inner.min.x += 5.0;
        inner.max.x -= 7.0;
        inner.max.y -= 2.0;
        let mut child = ui.new_child(egui::UiBuilder::new().max_rect(inner));
        let shown = self.plot(ui, id, shift).show(&mut child, |plot| {
            let turned =
                plot.ctx().input(|i| i.smooth_scroll_delta.y.abs() > 0.0 || (i.zoom_delta() - 1.0).abs() > 0.0);
            moved = plot.response().dragged() || (turned && plot.response().contains_pointer());
            zoom_with_wheel(plot);
            picked = pick_box(plot, shift, colors::faded(Role::Reference.color(theme), 0.2));
            if let Some(DensityPicture { texture, bounds: [x0, y0, x1, y1] }) = self.density {
                let middle = PlotPoint::new(0.5 * (x0 + x1), 0.5 * (y0 + y1));
                plot.image(
                    PlotImage::new("density", texture, middle, [(x1 - x0) as f32, (y1 - y0) as f32]).allow_hover(false),
                );
            }
            let count: usize = self.dots.iter().map(|d| d.points.len()).sum();
            let radius = if count > 2000 { 1.2 } else { 2.0 };
            for dots in self.dots {
                let points = Points::new("", dots.points.clone()).color(dots.color).radius(radius);
                plot.points(points.allow_hover(count <= 2000));
            }
            for curve in &self.curves {
                let style = if curve.dashed { LineStyle::dashed_dense() } else { LineStyle::Solid };
                let line = Line::new(curve.name, curve.points.to_vec()).color(curve.color).width(1.5).style(style);
                plot.line(line.allow_hover(false));
            }
            for (radius, color) in [(4.5, Role::Network.color(theme)), (2.5, Role::Reference.color(theme))] {
                if !self.chosen.is_empty() {
                    plot.points(
                        Points::new("chosen", self.chosen.to_vec()).color(color).radius(radius).allow_hover(false),
                    );
                }
            }
            let bounds = plot.plot_bounds();
            [bounds.min()[0], bounds.min()[1], bounds.max()[0], bounds.max()[1]]
        });
        ui.advance_cursor_after_rect(inner);
        let response = shown.response;
        let name = self.name;
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, format!("{name}: plot")));
        let at = |pointer: egui::Pos2| {
            let point = shown.transform.value_from_position(pointer);
            [point.x, point.y]
        };
        let clicked =
            (response.clicked() && !shift).then(|| response.interact_pointer_pos()).flatten().map(|pointer| {
                let (here, there) = (at(pointer), at(pointer + egui::vec2(6.0, 6.0)));
                (here, [(there[0] - here[0]).abs(), (there[1] - here[1]).abs()])
            });
        ScatterResponse { response, picked, clicked, bounds: shown.inner, moved: moved && !shift }
    }

    fn plot(&self, ui: &Ui, id: impl Hash + Debug, shift: bool) -> Plot<'a> {
        let [log_x, log_y] = self.log;
        let (x_name, y_name) = (self.x, self.y);
        let tick_color = ui.visuals().text_color();
        let font = egui::FontId::proportional(11.0);
        let axis = |hints: AxisHints<'a>, (label, unit): (&str, &str), log: bool| {
            let text = egui::RichText::new(axes::axis_label(label, unit, "")).size(12.0);
            hints
                .label(text)
                .label_spacing(1.0..=2.0)
                .tick_label_color(tick_color)
                .tick_label_font(font.clone())
                .formatter(move |mark, range| if log { log_tick_label(mark) } else { tick_label(mark, range) })
        };
        let spacer = |log: bool, points: f64| {
            move |input: egui_plot::GridInput| if log { log_grid(&input, points) } else { grid(&input, points) }
        };
        let plot = if self.curves.is_empty() {
            Plot::new(id)
        } else {
            Plot::new(id).legend(Legend::default().text_style(egui::TextStyle::Small).background_alpha(0.7))
        };
        plot.custom_x_axes(vec![axis(AxisHints::new_x(), self.x, log_x)])
            .custom_y_axes(vec![axis(AxisHints::new_y(), self.y, log_y)])
            .x_grid_spacer(spacer(log_x, LABEL_SPACING[0]))
            .y_grid_spacer(spacer(log_y, LABEL_SPACING[1]))
            .label_formatter(move |position| {
                let point = match position {
                    egui_plot::HoverPosition::NearDataPoint { position, .. }
                    | egui_plot::HoverPosition::Elsewhere { position } => *position,
                };
                let line = |(label, unit): (&str, &str), value: f64| {
                    format!("{label} {}", axes::format_with_unit(value, 5, unit))
                };
                Some(format!("{}\n{}", line(x_name, unlog(point.x, log_x)), line(y_name, unlog(point.y, log_y))))
            })
            .grid_color(colors::faded(ui.visuals().text_color(), 0.3))
            .grid_fade(0.25)
            .set_margin_fraction(egui::vec2(0.03, 0.03))
            .allow_drag(!shift)
            .allow_scroll(false)
            .allow_zoom(false)
            .allow_axis_zoom_drag(false)
            .allow_boxed_zoom(false)
            .allow_double_click_reset(true)
            .min_size(egui::vec2(60.0, 60.0))
    }
}

/// Marks the box of a Shift drag and gives it back when the button goes up.
fn pick_box(plot: &mut PlotUi<'_>, shift: bool, color: Color32) -> Option<[f64; 4]> {
    let (from, to, stopped) = shift.then(|| dragged_span(plot)).flatten()?;
    let (from, to) = (plot.plot_from_screen(from), plot.plot_from_screen(to));
    let [x0, x1] = [from.x.min(to.x), from.x.max(to.x)];
    let [y0, y1] = [from.y.min(to.y), from.y.max(to.y)];
    let corners = vec![[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
    plot.polygon(
        Polygon::new("", corners)
            .fill_color(color)
            .stroke(egui::Stroke::new(1.0, color.to_opaque()))
            .allow_hover(false),
    );
    (stopped && x0 < x1 && y0 < y1).then_some([x0, y0, x1, y1])
}
