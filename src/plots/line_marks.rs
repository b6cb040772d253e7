//! Marks over the x axis of a line plot: thin lines with their names on top, and shaded ranges.

use egui::{Align2, Color32, RichText};
use egui_plot::{PlotPoint, PlotUi, Span, Text, VLine};

use super::colors;

/// Rows in which names stand when they would meet.
const ROWS: usize = 4;
/// Height of a row, and width of a letter, in points.
const ROW_POINTS: f32 = 13.0;
const LETTER_POINTS: f32 = 6.2;

/// A named place on the x axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark<'a> {
    /// Its name, written at its top.
    pub name: &'a str,
    /// Where it is.
    pub x: f64,
    /// Its colour.
    pub color: Color32,
}

/// A shaded range of the x axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Shade<'a> {
    /// Its name in the legend; empty for none.
    pub name: &'a str,
    /// From and to, in either order.
    pub range: [f64; 2],
    /// Its colour.
    pub color: Color32,
}

pub(super) fn draw_shades(plot: &mut PlotUi<'_>, shades: &[Shade<'_>]) {
    for shade in shades {
        let [a, b] = shade.range;
        if a.is_finite() && b.is_finite() {
            let span = Span::new(shade.name, a.min(b)..=a.max(b)).fill(colors::faded(shade.color, 0.16));
            plot.span(span.border_color(colors::faded(shade.color, 0.7)));
        }
    }
}

pub(super) fn draw_marks(plot: &mut PlotUi<'_>, marks: &[Mark<'_>]) {
    let bounds = plot.plot_bounds();
    let (range, top) = (bounds.range_x(), bounds.max()[1]);
    let mut seen: Vec<&Mark<'_>> = marks.iter().filter(|m| range.contains(&m.x)).collect();
    seen.sort_by(|a, b| a.x.total_cmp(&b.x));
    let screen = |plot: &PlotUi<'_>, x: f64| plot.screen_from_plot(PlotPoint::new(x, top)).x;
    let mut ends = [f32::NEG_INFINITY; ROWS];
    for mark in seen {
        let here = screen(plot, mark.x);
        let width = LETTER_POINTS * mark.name.chars().count() as f32;
        // The first row with room; where there is none the line stands without its name, which hovering tells.
        let row = ends.iter().position(|end| *end + 4.0 < here);
        plot.vline(VLine::new("", mark.x).color(colors::faded(mark.color, 0.75)).width(1.0).allow_hover(false));
        if let Some(row) = row {
            ends[row] = here + width;
            let below = plot.plot_from_screen(egui::pos2(
                here + 2.0,
                plot.screen_from_plot(PlotPoint::new(mark.x, top)).y + 2.0 + ROW_POINTS * row as f32,
            ));
            let text = RichText::new(mark.name).size(10.5).color(mark.color);
            plot.text(Text::new("", below, text).anchor(Align2::LEFT_TOP).allow_hover(false));
        }
    }
}
