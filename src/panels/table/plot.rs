//! The plot of columns: a histogram of one, the points of two, coloured by a third.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use egui::{Color32, ColorImage, ComboBox, TextureHandle, TextureOptions, Ui};
use serde::{Deserialize, Serialize};

use super::TablePanel;
use crate::data::sheet::{Sheet, SheetColumn};
use crate::numerics::density::{Density, bounds_of, density, histogram};
use crate::panels::PanelContext;
use crate::plots::color_map::ColorMap;
use crate::plots::line_plot::{LinePlot, Series, SeriesStyle};
use crate::plots::scatter_plot::{DensityPicture, Dots, ScatterPlot};
use crate::tasks::TaskError;
use crate::workers::{Answer, Key, Weigh};

/// More points than this are drawn as their density.
const MOST_DOTS: usize = 5000;
/// Cells of a density picture.
const CELLS: [usize; 2] = [320, 240];
/// Colours of the dots along the third quantity.
const SHADES: usize = 16;
/// Chosen rows that are ringed.
const MOST_CHOSEN: usize = 2000;

/// What a session keeps of the plot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PlotSettings {
    /// Column along x; empty for the first that can be plotted.
    pub x: String,
    /// Column along y; empty for a histogram of x.
    pub y: String,
    /// Column of the colour; empty for none.
    pub color: String,
    /// Logarithmic x.
    pub log_x: bool,
    /// Logarithmic y.
    pub log_y: bool,
    /// Bins of the histogram.
    pub bins: usize,
}

impl Default for PlotSettings {
    fn default() -> Self {
        Self { x: String::new(), y: String::new(), color: String::new(), log_x: false, log_y: false, bins: 60 }
    }
}

/// What the query gives, and the sheet, columns and bins that it is of.
struct Plotted {
    drawn: Arc<Drawn>,
    of: Key,
}

impl Weigh for Plotted {
    fn bytes(&self) -> usize {
        self.drawn.bytes()
    }
}

enum Drawn {
    Bars(Vec<[f64; 2]>),
    Dots(Vec<Dots>, usize),
    Density(Density, usize),
}

impl Weigh for Drawn {
    fn bytes(&self) -> usize {
        match self {
            Self::Bars(bars) => 16 * bars.capacity(),
            Self::Dots(dots, _) => dots.iter().map(|d| 16 * d.points.capacity()).sum(),
            Self::Density(density, _) => 4 * (density.counts.len() + density.means.len()),
        }
    }
}

/// Rows within a picked box.
struct Picked(BTreeSet<usize>);

impl Weigh for Picked {
    fn bytes(&self) -> usize {
        16 * self.0.len()
    }
}

/// The part of the plot that is not saved.
#[derive(Default)]
pub(super) struct PlotState {
    drawn: Option<Arc<Drawn>>,
    texture: Option<(Arc<Drawn>, bool, TextureHandle)>,
    /// What is seen of a density, to count it anew in finer cells.
    seen: Option<[f64; 4]>,
    /// The user has moved the plot, so that it no longer shows everything.
    moved: bool,
    /// The columns and axes that `seen` belongs to.
    seen_of: Option<Key>,
    /// A box that was picked, and its number.
    picked: Option<([f64; 4], u64)>,
    picks: u64,
    waiting: bool,
    problem: Option<String>,
}

impl PlotState {
    /// Forgets what belongs to another sheet.
    pub fn forget(&mut self) {
        (self.drawn, self.texture, self.seen, self.picked) = (None, None, None, None);
    }

    pub fn waiting(&self) -> bool {
        self.waiting || self.picked.is_some()
    }
}

/// What of the sheet is plotted: numbers of columns, logarithms.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Axes {
    x: usize,
    y: Option<usize>,
    color: Option<usize>,
    log: [bool; 2],
}

impl Axes {
    fn point(self, sheet: &Sheet, row: usize) -> [f64; 2] {
        let of = |column: usize, log: bool| {
            let value = sheet.columns.get(column).map_or(f64::NAN, |c| c.row_number(row));
            if log { value.log10() } else { value }
        };
        [of(self.x, self.log[0]), self.y.map_or(0.0, |y| of(y, self.log[1]))]
    }

    fn third(self, sheet: &Sheet, row: usize) -> f64 {
        self.color.and_then(|c| sheet.columns.get(c)).map_or(f64::NAN, |c| c.row_number(row))
    }
}

/// True for columns that can stand along an axis.
fn can_plot(column: &SheetColumn) -> bool {
    !column.is_text() && column.data.shape.iter().product::<usize>() > 0
}

impl TablePanel {
    fn axes(&self) -> Option<Axes> {
        let sheet = self.sheet.as_ref()?;
        let plot = &self.saved.plot;
        let find = |name: &str| sheet.find(name).filter(|n| can_plot(&sheet.columns[*n]));
        let first = || sheet.columns.iter().position(can_plot);
        Some(Axes {
            x: find(&plot.x).or_else(first)?,
            y: find(&plot.y),
            color: find(&plot.color),
            log: [plot.log_x, plot.log_y],
        })
    }

    /// Counts or collects the points, and takes the rows of a picked box.
    pub(super) fn ask_plot(&mut self, cx: &mut PanelContext<'_>) {
        self.plot.waiting = false;
        if !self.saved.show_plot {
            return;
        }
        let (Some(sheet), Some(axes)) = (self.whole_sheet(), self.axes()) else { return };
        let passed = self.order.as_ref().map(|order| order.passed.clone());
        self.ask_picked(cx, &sheet, axes, passed.clone());
        let base = self.order_key.and(&axes).and(&self.saved.plot.bins);
        if self.plot.seen_of != Some(base) {
            (self.plot.seen, self.plot.moved, self.plot.seen_of) = (None, false, Some(base));
        }
        let seen = self.plot.seen;
        let key = seen.iter().flatten().fold(base.and(&"plot"), |key, bound| key.and_f64(*bound));
        let bins = self.saved.plot.bins;
        let of = self.sheet_key.and(&axes);
        let answer = cx.services.queries.ask(cx.slot("plot"), key, &cx.services.wake, move |progress| {
            let plotted = |drawn: Drawn| Ok(Plotted { drawn: Arc::new(drawn), of });
            let count = passed.as_ref().map_or(sheet.rows, |rows| rows.len());
            let row_at = |n: usize| passed.as_ref().map_or(n, |rows| rows[n] as usize);
            if axes.y.is_none() {
                let values = (0..count).map(|n| sheet.columns[axes.x].row_number(row_at(n)));
                return plotted(Drawn::Bars(histogram(values, bins, axes.log[0])));
            }
            if count <= MOST_DOTS {
                return plotted(Drawn::Dots(dots(&sheet, axes, (0..count).map(row_at)), count));
            }
            let all = || (0..count).map(|n| axes.point(&sheet, row_at(n)));
            let Some(bounds) = seen.or_else(|| bounds_of(all())) else { return plotted(Drawn::Dots(Vec::new(), 0)) };
            progress.check()?;
            let step = || if progress.check().is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            let points = (0..count).map(|n| (axes.point(&sheet, row_at(n)), axes.third(&sheet, row_at(n))));
            let found = density(points, CELLS, bounds, axes.color.is_some(), step);
            progress.check()?;
            plotted(Drawn::Density(found, count))
        });
        self.plot.waiting = matches!(answer, Answer::Pending { .. });
        self.plot.problem = if let Answer::Failed(message) = &answer { Some(message.to_string()) } else { None };
        // Points of other columns are not shown along these axes.
        self.plot.drawn = answer.newest().filter(|plotted| plotted.of == of).map(|plotted| plotted.drawn.clone());
    }

    fn ask_picked(&mut self, cx: &mut PanelContext<'_>, sheet: &Arc<Sheet>, axes: Axes, passed: Option<Arc<Vec<u32>>>) {
        let Some((bounds, number)) = self.plot.picked else { return };
        let sheet = sheet.clone();
        let key = bounds.iter().fold(self.order_key.and(&("picked", number, axes)), |key, b| key.and_f64(*b));
        let answer = cx.services.queries.ask(cx.slot("picked"), key, &cx.services.wake, move |progress| {
            let count = passed.as_ref().map_or(sheet.rows, |rows| rows.len());
            let mut rows = BTreeSet::new();
            for n in 0..count {
                if n % 8192 == 0 {
                    progress.check()?;
                }
                let row = passed.as_ref().map_or(n, |rows| rows[n] as usize);
                let [x, y] = axes.point(&sheet, row);
                let across = x >= bounds[0] && x <= bounds[2];
                if across && (axes.y.is_none() || (y >= bounds[1] && y <= bounds[3])) {
                    rows.insert(row);
                }
            }
            Ok::<_, TaskError>(Picked(rows))
        });
        match answer {
            Answer::Ready(picked) => {
                self.plot.picked = None;
                cx.links.choose_rows(&self.saved.path, self.saved.hdu, picked.0.clone());
            }
            Answer::Failed(message) => {
                self.plot.picked = None;
                cx.error(message.to_string());
            }
            Answer::Pending { .. } => {}
        }
    }

    /// Draws the choice of columns and the plot.
    pub(super) fn plot_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let Some(sheet) = self.sheet.clone() else { return };
        // The panel keeps its width whatever is in it.
        ui.set_min_width(ui.available_width());
        self.plot_columns_ui(ui, &sheet);
        let Some(axes) = self.axes() else {
            ui.weak("No column of this table holds numbers");
            return;
        };
        if let Some(problem) = &self.plot.problem {
            ui.colored_label(ui.visuals().error_fg_color, problem);
        }
        let Some(drawn) = self.plot.drawn.clone() else {
            ui.spinner();
            return;
        };
        let x = &sheet.columns[axes.x];
        match drawn.as_ref() {
            Drawn::Bars(bars) => {
                let label = if axes.log[0] { format!("log10 {}", x.data.name) } else { x.data.name.clone() };
                let plot = LinePlot::new("Histogram")
                    .x(&label, x.unit())
                    .y("Rows", "")
                    .log_y(axes.log[1])
                    .include_y(if axes.log[1] { 1.0 } else { 0.0 });
                let response = plot.series(Series::new(&label, bars).style(SeriesStyle::Bars)).show(ui, "histogram");
                if let Some([low, high]) = response.picked {
                    self.pick([low, f64::NEG_INFINITY, high, f64::INFINITY]);
                }
            }
            Drawn::Dots(..) | Drawn::Density(..) => self.points_ui(ui, cx, &sheet, axes, &drawn),
        }
    }

    fn pick(&mut self, bounds: [f64; 4]) {
        self.plot.picks += 1;
        self.plot.picked = Some((bounds, self.plot.picks));
    }

    fn points_ui(
        &mut self,
        ui: &mut Ui,
        cx: &mut PanelContext<'_>,
        sheet: &Arc<Sheet>,
        axes: Axes,
        drawn: &Arc<Drawn>,
    ) {
        let (x, y) = (&sheet.columns[axes.x], &sheet.columns[axes.y.unwrap_or(axes.x)]);
        let picture = self.density_picture(ui.ctx(), drawn);
        let none = Vec::new();
        let (dots, count) = match drawn.as_ref() {
            Drawn::Dots(dots, count) => (dots, *count),
            Drawn::Density(_, count) => (&none, *count),
            Drawn::Bars(_) => (&none, 0),
        };
        let words = match (picture.is_some(), axes.color) {
            (true, None) => "density, the brighter the more".to_owned(),
            (true, Some(c)) => format!("density, coloured by the mean of {}", sheet.columns[c].data.name),
            (false, Some(c)) => format!("coloured by {}", sheet.columns[c].data.name),
            (false, None) => "Shift and drag chooses".to_owned(),
        };
        let note = format!("{} points, {words}", super::thousands(count));
        ui.add(egui::Label::new(egui::RichText::new(note).small().weak()).truncate());
        let selection = cx.links.rows(&self.saved.path, self.saved.hdu);
        let chosen: Vec<[f64; 2]> = selection
            .iter()
            .flat_map(|s| s.rows.iter().take(MOST_CHOSEN))
            .map(|row| axes.point(sheet, *row))
            .filter(|p| p[0].is_finite() && p[1].is_finite())
            .collect();
        let response = ScatterPlot::new(&format!("{} against {}", y.data.name, x.data.name))
            .x(&x.data.name, x.unit(), axes.log[0])
            .y(&y.data.name, y.unit(), axes.log[1])
            .dots(dots)
            .density(picture)
            .chosen(&chosen)
            .show(ui, ("scatter", &x.data.name, &y.data.name, axes.log));
        if let Some(bounds) = response.picked {
            self.pick(bounds);
        }
        if let Some((place, reach)) = response.clicked {
            self.pick([place[0] - reach[0], place[1] - reach[1], place[0] + reach[0], place[1] + reach[1]]);
        }
        self.plot.moved |= response.moved;
        if response.response.double_clicked() {
            (self.plot.moved, self.plot.seen) = (false, None);
        }
        // Where the user has moved it, what is seen is counted anew, in cells that fit the screen.
        if self.plot.moved && picture.is_some() && response.bounds.iter().all(|v| v.is_finite()) {
            self.plot.seen = Some(response.bounds);
        }
    }

    /// The texture of a density; made when it is new or the theme has changed.
    fn density_picture(&mut self, ctx: &egui::Context, drawn: &Arc<Drawn>) -> Option<DensityPicture> {
        let Drawn::Density(density, _) = drawn.as_ref() else { return None };
        let dark = ctx.global_style().visuals.dark_mode;
        let known = self.plot.texture.as_ref().filter(|(of, theme, _)| Arc::ptr_eq(of, drawn) && *theme == dark);
        let texture = match known {
            Some((.., texture)) => texture.clone(),
            None => {
                let texture = ctx.load_texture("density", image_of(density, dark), TextureOptions::NEAREST);
                self.plot.texture = Some((drawn.clone(), dark, texture.clone()));
                texture
            }
        };
        Some(DensityPicture { texture: texture.id(), bounds: density.bounds })
    }

    fn plot_columns_ui(&mut self, ui: &mut Ui, sheet: &Sheet) {
        let axes = self.axes();
        let name_of = |n: Option<usize>| n.and_then(|n| sheet.columns.get(n)).map(|c| c.data.name.clone());
        let plot = &mut self.saved.plot;
        let y = name_of(axes.and_then(|a| a.y));
        ui.horizontal(|ui| {
            let x = name_of(axes.map(|a| a.x)).unwrap_or_default();
            if let Some(name) = column_ui(ui, "x", &x, None, sheet) {
                plot.x = name;
            }
            ui.checkbox(&mut plot.log_x, "log x");
            if y.is_none() {
                let label = ui.label("bins");
                ui.add(egui::DragValue::new(&mut plot.bins).range(2..=2000)).labelled_by(label.id);
            }
        });
        ui.horizontal(|ui| {
            if let Some(name) = column_ui(ui, "y", y.as_deref().unwrap_or(COUNT), Some(COUNT), sheet) {
                plot.y = name;
            }
            ui.checkbox(&mut plot.log_y, "log y");
            if y.is_some() {
                let color = name_of(axes.and_then(|a| a.color));
                if let Some(name) = column_ui(ui, "colour", color.as_deref().unwrap_or(NONE), Some(NONE), sheet) {
                    plot.color = name;
                }
            }
        });
    }
}

const COUNT: &str = "(count of rows)";
const NONE: &str = "(none)";

/// A choice of a column; the name when another one was chosen, empty for the special entry.
pub(super) fn column_ui(ui: &mut Ui, label: &str, now: &str, special: Option<&str>, sheet: &Sheet) -> Option<String> {
    let mut chosen = None;
    let name = ui.label(label);
    let combo = ComboBox::from_id_salt(("column", label)).selected_text(now).width(84.0).show_ui(ui, |ui| {
        if let Some(special) = special
            && ui.selectable_label(now == special, special).clicked()
        {
            chosen = Some(String::new());
        }
        for column in sheet.columns.iter().filter(|c| can_plot(c)) {
            if ui.selectable_label(now == column.data.name, &column.data.name).clicked() {
                chosen = Some(column.data.name.clone());
            }
        }
    });
    combo.response.labelled_by(name.id);
    chosen
}

/// Points in groups of one colour.
fn dots(sheet: &Sheet, axes: Axes, rows: impl Iterator<Item = usize> + Clone) -> Vec<Dots> {
    let finite = |row: &usize| axes.point(sheet, *row).iter().all(|v| v.is_finite());
    let plain = crate::plots::colors::Role::Model.color(egui::Theme::Dark);
    if axes.color.is_none() {
        let points = rows.filter(finite).map(|row| axes.point(sheet, row)).collect();
        return vec![Dots { points, color: plain }];
    }
    let mut thirds: Vec<f64> = rows.clone().map(|row| axes.third(sheet, row)).filter(|x| x.is_finite()).collect();
    thirds.sort_by(f64::total_cmp);
    // The outermost hundredths do not set the colours.
    let at = |fraction: f64| thirds.get((fraction * (thirds.len().max(1) - 1) as f64) as usize).copied().unwrap_or(0.0);
    let (low, high) = (at(0.01), at(0.99));
    let map = ColorMap::by_name_or_gray("viridis");
    let mut groups: Vec<Dots> = (0..=SHADES)
        .map(|i| {
            let color = if i == SHADES { Color32::GRAY } else { map.at((i as f64 + 0.5) / SHADES as f64) };
            Dots { points: Vec::new(), color }
        })
        .collect();
    for row in rows.filter(finite) {
        let third = axes.third(sheet, row);
        let place = if high > low { (third - low) / (high - low) } else { 0.5 };
        let group =
            if place.is_finite() { ((place.clamp(0.0, 1.0) * SHADES as f64) as usize).min(SHADES - 1) } else { SHADES };
        groups[group].points.push(axes.point(sheet, row));
    }
    groups.retain(|group| !group.points.is_empty());
    groups
}

/// Cells as pixels, row 0 at the top: the logarithm of the count as brightness, or the mean in colour.
fn image_of(density: &Density, dark: bool) -> ColorImage {
    let (height, width) = density.counts.dim();
    let most = f64::from(density.counts.iter().copied().max().unwrap_or(1).max(1));
    let name = match (density.means.is_empty(), dark) {
        (false, _) | (true, true) => "viridis",
        (true, false) => "viridis_r",
    };
    let map = ColorMap::by_name_or_gray(name);
    let mut means: Vec<f32> = density.means.iter().copied().filter(|m| m.is_finite()).collect();
    means.sort_by(f32::total_cmp);
    let at = |fraction: f64| {
        means.get((fraction * (means.len().max(1) - 1) as f64) as usize).map_or(0.0, |mean| f64::from(*mean))
    };
    let (low, high) = (at(0.02), at(0.98));
    let mut pixels = Vec::with_capacity(width * height);
    for y in (0..height).rev() {
        for x in 0..width {
            let count = density.counts[[y, x]];
            if count == 0 {
                pixels.push(Color32::TRANSPARENT);
                continue;
            }
            let place = match density.means.get([y, x]) {
                Some(mean) if high > low => (f64::from(*mean) - low) / (high - low),
                Some(_) => 0.5,
                None => 0.08 + 0.92 * (f64::from(count)).ln_1p() / most.ln_1p(),
            };
            pixels.push(if place.is_finite() { map.at(place.clamp(0.0, 1.0)) } else { Color32::GRAY });
        }
    }
    ColorImage::new([width, height], pixels)
}
