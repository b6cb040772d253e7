//! The series that a task logs, as a line plot.

use egui::Ui;

use crate::plots::line_plot::{LinePlot, Series as Line};
use crate::tasks::Series;

/// Draws every series in all the room there is; logarithmic, since what tasks log (chi2, loss) falls over decades.
///
/// `y` is what they measure; empty for the name of a single series. A point without a value is a gap.
pub fn series_ui(ui: &mut Ui, id: &str, series: &[Series], x: &str, y: &str) {
    let y = match series {
        [only] if y.is_empty() => only.name.as_str(),
        _ => y,
    };
    let mut plot = LinePlot::new(id).x(x, "").y(y, "").log_y(true);
    for one in series {
        plot = plot.series(Line::new(&one.name, &one.points));
    }
    plot.show(ui, id);
}
