//! A view of a table: FITS, ECSV or CSV. Rows of any number, of which only the visible ones become text; filter, order,
//! statistics, a plot of columns, and markers over the images.

mod ask;
mod example;
mod grid;
mod keep;
mod overlay;
mod plot;
mod select;
mod side;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{RichText, TextEdit, Ui};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::ask::{CopyAs, Summary};
use self::grid::Grid;
use self::overlay::OverlaySettings;
use self::plot::{PlotSettings, PlotState};
use super::saved_state::saved_state;
use super::{Command, Panel, PanelContext, PanelEntry, Product, Services};
use crate::data::sheet::{RowFilter, Sheet};
use crate::workers::Key;

/// In the registry.
pub const ENTRY: PanelEntry = PanelEntry {
    kind: "table",
    title: "Table",
    help: "Rows and columns of a FITS, ECSV or CSV table",
    study: false,
    make: |state| Box::new(TablePanel::new(state)),
    picture: None,
};

/// Order of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sort {
    /// Name of the column.
    column: String,
    /// Largest first.
    descending: bool,
}

/// What a session keeps of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    path: PathBuf,
    hdu: usize,
    filter: String,
    sort: Option<Sort>,
    /// The column whose statistics are shown; empty for the first.
    column: String,
    show_units: bool,
    show_plot: bool,
    plot: PlotSettings,
    overlay: OverlaySettings,
    /// Widths in points of columns that the user has seen.
    widths: BTreeMap<String, f32>,
}

impl Default for Saved {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            hdu: 0,
            filter: String::new(),
            sort: None,
            column: String::new(),
            show_units: true,
            show_plot: false,
            plot: PlotSettings::default(),
            overlay: OverlaySettings::default(),
            widths: BTreeMap::new(),
        }
    }
}

/// The rows that pass, and their order.
#[derive(Clone)]
struct Ordered {
    /// Rows that pass, in the order of the file.
    passed: Arc<Vec<u32>>,
    /// The same in the order on the screen.
    order: Arc<Vec<u32>>,
    /// Place of every row of the file on the screen; `u32::MAX` for hidden ones.
    places: Vec<u32>,
}

/// The panel.
pub struct TablePanel {
    saved: Saved,
    example: bool,
    sheet: Option<Arc<Sheet>>,
    sheet_key: Key,
    order: Option<Arc<Ordered>>,
    order_key: Key,
    filter: Option<RowFilter>,
    /// The text that `filter` was made of, and the one that was last looked at.
    filter_text: String,
    filter_of: Option<String>,
    filter_problem: Option<String>,
    summary: Option<Arc<Summary>>,
    problem: Option<String>,
    overlay_problem: Option<String>,
    copy: Option<(CopyAs, u64, Arc<Vec<u32>>)>,
    /// Of this panel alone.
    number: u64,
    plot: PlotState,
    row_text: String,
    scroll_to: Option<(u64, Option<egui::Align>)>,
    cursor: Option<u64>,
    anchor: Option<u64>,
    seen_selection: u64,
    page: u64,
    waiting: bool,
    ordering: bool,
    summarizing: bool,
    locating: bool,
    /// Cells made into text in the last frame.
    formatted: u64,
}

/// True for tables in text files, by their ending.
pub fn is_text_table(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    matches!(extension.as_str(), "ecsv" | "csv" | "tsv")
}

/// `1,234,567`.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}

impl TablePanel {
    fn new(state: &Value) -> Self {
        let mut saved: Saved = saved_state(state);
        saved.overlay.sanitize();
        saved.plot.bins = saved.plot.bins.clamp(2, 2000);
        saved.widths.retain(|_, width| width.is_finite());
        Self {
            saved,
            example: false,
            sheet: None,
            sheet_key: Key::of(&()),
            order: None,
            order_key: Key::of(&()),
            filter: None,
            filter_text: String::new(),
            filter_of: None,
            filter_problem: None,
            summary: None,
            problem: None,
            overlay_problem: None,
            copy: None,
            number: ask::panel_number(),
            plot: PlotState::default(),
            row_text: String::new(),
            scroll_to: None,
            cursor: None,
            anchor: None,
            seen_selection: 0,
            page: 20,
            waiting: false,
            ordering: false,
            summarizing: false,
            locating: false,
            formatted: 0,
        }
    }

    /// The sheet once all its rows are here.
    fn whole_sheet(&self) -> Option<Arc<Sheet>> {
        self.sheet.clone().filter(|sheet| sheet.loaded >= sheet.rows)
    }

    /// The column of the statistics.
    fn current_column(&self) -> Option<usize> {
        let sheet = self.sheet.as_ref()?;
        sheet.find(&self.saved.column).or((!sheet.columns.is_empty()).then_some(0))
    }

    /// Names that another sheet does not have fall back to nothing.
    fn clamp_columns(&mut self) {
        let Some(sheet) = &self.sheet else { return };
        if self.saved.sort.as_ref().is_some_and(|sort| sheet.find(&sort.column).is_none()) {
            self.saved.sort = None;
        }
    }

    /// Name of the file alone.
    fn short_title(&self) -> String {
        match (self.saved.path.file_name(), &self.sheet) {
            (Some(name), _) => name.to_string_lossy().into_owned(),
            (None, Some(sheet)) => sheet.name.clone(),
            (None, None) => ENTRY.title.to_owned(),
        }
    }

    fn bar_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Filter");
            let hint = "flux > 1e-3 and name ~ m13";
            let field = ui.add(TextEdit::singleline(&mut self.saved.filter).hint_text(hint).desired_width(210.0));
            field.labelled_by(label.id).on_hover_text(
                "Comparisons < <= > >= == != and ~ (contains), joined by and, or, not; abs sqrt log10 ln exp floor \
                 isnull; column[2] is the second value of an array; words in quotes",
            );
            let label = ui.label("Go to row");
            let field = ui.add(TextEdit::singleline(&mut self.row_text).desired_width(58.0)).labelled_by(label.id);
            if field.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter)) {
                self.go_to_row(cx);
            }
            ui.toggle_value(&mut self.saved.show_plot, "Plot").on_hover_text("Plot columns beside the rows");
            let shown = self.saved.overlay.shown;
            let help = "Draw the rows as markers over the open images";
            if ui.selectable_label(shown, "Show on image").on_hover_text(help).clicked() {
                self.toggle_overlay(cx);
            }
            ui.menu_button("Copy rows", |ui| {
                for (how, text, help) in [
                    (CopyAs::Tsv, "As TSV", "Tabs between the fields, for spreadsheets (Ctrl+C)"),
                    (CopyAs::Ecsv, "As ECSV", "With units and types, for astropy"),
                ] {
                    if ui.button(text).on_hover_text(help).clicked() {
                        self.copy_rows(how, cx);
                        ui.close();
                    }
                }
            });
            if is_text_table(&self.saved.path) {
                if ui.button("Reload").on_hover_text("Read the file again").clicked() {
                    *cx.links.readings.entry(self.saved.path.clone()).or_default() += 1;
                }
            } else if !self.saved.path.as_os_str().is_empty()
                && ui.button("Header").on_hover_text("Every card of this HDU").clicked()
            {
                cx.send(Command::ShowHeader { path: self.saved.path.clone(), hdu: self.saved.hdu });
            }
        });
        self.count_ui(ui, cx);
    }

    /// How many rows there are, pass and are chosen; what is wrong with the filter.
    fn count_ui(&self, ui: &mut Ui, cx: &PanelContext<'_>) {
        let Some(sheet) = &self.sheet else { return };
        let chosen = cx.links.rows(&self.saved.path, self.saved.hdu).map_or(0, |s| s.rows.len());
        ui.horizontal(|ui| {
            if let Some(problem) = &self.filter_problem {
                let text = RichText::new(format!("Filter: {problem}")).color(ui.visuals().error_fg_color);
                ui.add(egui::Label::new(text).truncate());
                return;
            }
            let mut text = if self.shown_rows() == sheet.rows {
                format!("{} {}", thousands(sheet.rows), if sheet.rows == 1 { "row" } else { "rows" })
            } else {
                format!("{} of {} rows", thousands(self.shown_rows()), thousands(sheet.rows))
            };
            let columns = sheet.columns.len();
            text.push_str(&format!(", {columns} {}", if columns == 1 { "column" } else { "columns" }));
            if chosen > 0 {
                text.push_str(&format!(", {} chosen", thousands(chosen)));
            }
            ui.add(egui::Label::new(RichText::new(text).weak()).truncate());
            if sheet.loaded < sheet.rows {
                ui.spinner();
                ui.weak("reading");
            } else if self.ordering {
                ui.spinner();
                ui.weak("sorting");
            }
        });
    }

    fn go_to_row(&mut self, cx: &mut PanelContext<'_>) {
        let total = self.sheet.as_ref().map_or(0, |sheet| sheet.rows);
        let plain: String = self.row_text.chars().filter(|c| !matches!(c, ',' | ' ' | '_')).collect();
        let row = plain.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|row| *row < total);
        let Some(row) = row else {
            cx.error(format!("Row {:?} is not there; rows are numbered from 1 to {total}", self.row_text));
            return;
        };
        match self.place_of(row) {
            Some(place) => {
                (self.cursor, self.anchor) = (Some(place), Some(place));
                self.scroll_to = Some((place, Some(egui::Align::Center)));
                self.choose(BTreeSet::from([row]), cx);
            }
            None => cx.error(format!("Row {} does not pass the filter; clear the filter to see it", row + 1)),
        }
    }

    fn grid_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let Some(sheet) = self.sheet.clone() else { return };
        let room = ui.available_rect_before_wrap();
        let focus = ui.scope_id().with("rows focus");
        let holder = ui.interact(room, focus, egui::Sense::focusable_noninteractive());
        let title = self.short_title();
        holder.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Table, true, format!("Rows of {title}")));
        if holder.has_focus() {
            let stroke = ui.visuals().selection.stroke;
            ui.painter().rect_stroke(room, 2.0, stroke, egui::StrokeKind::Inside);
        }
        self.keys(ui, focus, self.page, cx);
        if ui.memory(|m| m.has_focus(focus)) && ui.input(|i| i.events.contains(&egui::Event::Copy)) {
            self.copy_rows(CopyAs::Tsv, cx);
        }
        let none = BTreeSet::new();
        let order = self.order.clone();
        let grid = Grid {
            sheet: &sheet,
            order: order.as_ref().map(|o| o.order.as_slice()),
            chosen: cx.links.rows(&self.saved.path, self.saved.hdu).map_or(&none, |s| &s.rows),
            cursor: self.cursor,
            sort: self.saved.sort.as_ref(),
            current: self.current_column(),
            show_units: self.saved.show_units,
            response: grid::GridResponse::default(),
        };
        // A new table needs a frame to know its widths before it can scroll.
        let scroll = self.scroll_to.take();
        let response = grid.show(ui, scroll, &self.saved.widths);
        self.formatted = response.formatted;
        self.page = response.page.saturating_sub(1).max(1);
        if !response.widths.is_empty() {
            self.saved.widths = response.widths;
        }
        if let Some((place, modifiers)) = response.clicked {
            ui.memory_mut(|m| m.request_focus(focus));
            self.click(place, modifiers, cx);
        }
        if let Some(n) = response.header {
            self.sort_by(&sheet.columns[n].data.name);
        }
    }

    /// A click on a header: ascending, descending, the order of the file.
    fn sort_by(&mut self, name: &str) {
        name.clone_into(&mut self.saved.column);
        self.saved.sort = match self.saved.sort.take() {
            Some(sort) if sort.column == name && !sort.descending => Some(Sort { descending: true, ..sort }),
            Some(sort) if sort.column == name => None,
            _ => Some(Sort { column: name.to_owned(), descending: false }),
        };
    }
}

impl Panel for TablePanel {
    fn title(&self) -> String {
        let name = self.short_title();
        match &self.sheet {
            Some(sheet) if self.saved.hdu > 0 && !sheet.name.starts_with("HDU ") => format!("{name} [{}]", sheet.name),
            _ if self.saved.hdu > 0 => format!("{name} [{}]", self.saved.hdu),
            _ => name,
        }
    }

    fn logic(&mut self, cx: &mut PanelContext<'_>) {
        self.ask_sheet(cx);
        self.ask_order(cx);
        self.ask_summary(cx);
        self.ask_plot(cx);
        self.ask_copy(cx);
        self.publish_overlay(cx);
        self.follow_selection(cx);
    }

    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        if let Some(problem) = &self.problem {
            ui.add(egui::Label::new(RichText::new(problem).color(ui.visuals().error_fg_color)).wrap());
            return;
        }
        if self.sheet.is_none() {
            ui.centered_and_justified(|ui| {
                if self.waiting {
                    ui.spinner();
                } else {
                    ui.weak("Open a FITS, ECSV or CSV file from the data tree, or drop one on the window");
                }
            });
            return;
        }
        self.bar_ui(ui, cx);
        if self.saved.show_plot {
            let half = (0.5 * ui.available_width()).max(120.0);
            egui::Panel::right("table plot").resizable(true).default_size(half).min_size(160.0).show(ui, |ui| {
                self.plot_ui(ui, cx);
            });
        }
        self.grid_ui(ui, cx);
    }

    fn inspector_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        self.side_ui(ui, cx);
    }

    fn passing(&self) -> &'static [&'static str] {
        &["widths"]
    }

    fn save(&self) -> Value {
        serde_json::to_value(&self.saved).unwrap_or_default()
    }

    fn busy(&self) -> bool {
        self.waiting
            || self.ordering
            || self.summarizing
            || self.locating
            || self.copy.is_some()
            || self.plot.waiting()
            || (self.example && self.sheet.is_none())
    }

    fn close(&mut self, cx: &mut PanelContext<'_>) {
        crate::panels::world::forget_opening(cx, &self.saved.path);
        for name in ["stamp", "sheet", "order", "summary", "copy", "positions", "plot", "picked"] {
            cx.services.queries.forget(cx.slot(name));
        }
    }

    fn show_example(&mut self, _cx: &mut PanelContext<'_>) {
        self.example = self.saved.path.as_os_str().is_empty();
        if self.example {
            self.saved.show_plot = true;
            (self.saved.plot.x, self.saved.plot.y, self.saved.plot.color) = ("g_r".into(), "g".into(), "RA".into());
        }
    }

    fn products(&self, _services: &Services) -> Vec<Product> {
        self.table_products()
    }

    fn python(&self, _services: &Services) -> Option<String> {
        self.table_python()
    }

    fn command_lines(&self) -> Vec<String> {
        super::file_command_lines(&self.saved.path)
    }
}

#[cfg(test)]
mod tests;
