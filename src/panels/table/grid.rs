//! The rows on the screen: header with name, unit and form, cells of the visible rows only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use egui::{Align, Label, Layout, Modifiers, RichText, Sense, Ui};
use egui_table::{CellInfo, Column, HeaderCellInfo, HeaderRow, Table, TableDelegate, TableState};

use super::Sort;
use crate::data::sheet::{Sheet, SheetColumn};

/// Height of a row; even, because far down a long table 32-bit positions are even numbers of points.
const ROW_HEIGHT: f32 = 20.0;
/// Widest column that is made by itself.
const WIDEST: f32 = 260.0;

/// What the user did in this frame.
#[derive(Default)]
pub(super) struct GridResponse {
    /// A row by its place, and the keys held.
    pub clicked: Option<(u64, Modifiers)>,
    /// A column whose header was clicked.
    pub header: Option<usize>,
    /// Cells made into text in this frame.
    pub formatted: u64,
    /// Widths of the columns by name, in whole points.
    pub widths: BTreeMap<String, f32>,
    /// Rows that fit on the screen.
    pub page: u64,
}

/// What is drawn.
pub(super) struct Grid<'a> {
    pub sheet: &'a Arc<Sheet>,
    /// Rows in order; `None` for all in the order of the file.
    pub order: Option<&'a [u32]>,
    /// Chosen rows of the file.
    pub chosen: &'a BTreeSet<usize>,
    /// Place of the keyboard's cursor.
    pub cursor: Option<u64>,
    pub sort: Option<&'a Sort>,
    /// The column of the statistics.
    pub current: Option<usize>,
    /// Unit and form under the names.
    pub show_units: bool,
    pub response: GridResponse,
}

impl Grid<'_> {
    /// Number of rows that pass.
    pub fn rows(&self) -> u64 {
        self.order.map_or(self.sheet.rows, <[u32]>::len) as u64
    }

    /// Draws the grid; `scroll_to` is a place to bring up, `widths` those of a session.
    pub fn show(
        mut self,
        ui: &mut Ui,
        scroll_to: Option<(u64, Option<Align>)>,
        widths: &BTreeMap<String, f32>,
    ) -> GridResponse {
        let salt = "rows";
        let id = TableState::id(ui, egui::IdSalt::new(salt));
        if TableState::load(ui.ctx(), id).is_none() {
            let mut state = TableState::default();
            for (n, column) in self.sheet.columns.iter().enumerate() {
                let known = widths.get(&column.data.name).copied();
                let width = known.unwrap_or_else(|| first_width(column, self.sheet.loaded));
                state.col_widths.insert(column_id(n), width.clamp(24.0, 1000.0));
            }
            state.store(ui.ctx(), id);
        }
        let digits = self.sheet.rows.max(1).ilog10() + 1;
        let mut columns =
            vec![Column::new(18.0 + 8.5 * digits.max(3) as f32).resizable(false).id(egui::Id::unique("row number"))];
        columns.extend((0..self.sheet.columns.len()).map(|n| Column::new(96.0).range(24.0..=1000.0).id(column_id(n))));
        let mut headers = vec![HeaderRow::new(22.0)];
        if self.show_units {
            headers.push(HeaderRow::new(17.0));
        }
        let height = ui.available_height() - headers.iter().map(|h| h.height).sum::<f32>();
        let mut table =
            Table::new().id_salt(salt).num_rows(self.rows()).columns(columns).num_sticky_cols(1).headers(headers);
        if let Some((row, align)) = scroll_to {
            table = table.scroll_to_row(row, align);
        }
        table.show(ui, &mut self);
        if let Some(state) = TableState::load(ui.ctx(), id) {
            for (n, column) in self.sheet.columns.iter().enumerate() {
                if let Some(width) = state.col_widths.get(&column_id(n)) {
                    self.response.widths.insert(column.data.name.clone(), width.round());
                }
            }
        }
        self.response.page = (height / ROW_HEIGHT).floor().max(1.0) as u64;
        self.response
    }

    /// Row of the file at a place.
    fn row_at(&self, place: u64) -> Option<usize> {
        let place = usize::try_from(place).ok()?;
        match self.order {
            Some(order) => order.get(place).map(|row| *row as usize),
            None => (place < self.sheet.rows).then_some(place),
        }
    }

    fn name_ui(&mut self, ui: &mut Ui, n: usize) {
        let column = &self.sheet.columns[n];
        let arrow = match self.sort {
            Some(sort) if sort.column == column.data.name => {
                if sort.descending {
                    " ▼"
                } else {
                    " ▲"
                }
            }
            _ => "",
        };
        let mut text = RichText::new(format!("{}{arrow}", column.data.name)).strong();
        if self.current == Some(n) {
            text = text.underline();
        }
        let label = cut(ui, Label::new(text).selectable(false).sense(Sense::click()));
        let label = ui.add(label);
        let mut help = format!("{}, {}", column.data.name, column.data.form);
        for more in [column.unit(), &column.description, &column.ucd] {
            if !more.is_empty() {
                help.push('\n');
                help.push_str(more);
            }
        }
        let label = label.on_hover_text(help).on_hover_cursor(egui::CursorIcon::PointingHand);
        if label.clicked() {
            self.response.header = Some(n);
        }
    }
}

/// Width for the name, the unit and the first cells of a column; the user may draw it wider.
fn first_width(column: &SheetColumn, rows: usize) -> f32 {
    let letters = |text: &str| text.chars().count() as f32;
    let cells = (0..rows.min(40)).map(|row| letters(&column.cell_text(row))).fold(0.0, f32::max);
    let head = letters(&column.data.name) + 2.0;
    let unit = letters(column.unit()) + letters(&column.data.form) + 2.0;
    // Widths of a letter: monospaced cells, strong names, small units.
    (7.6 * cells).max(7.8 * head).max(6.2 * unit).min(WIDEST).round() + 14.0
}

/// Text that is cut with a sign where it does not fit, but measured whole where the column asks how wide it should be.
fn cut(ui: &Ui, label: Label) -> Label {
    if ui.is_sizing_pass() { label } else { label.truncate() }
}

fn column_id(n: usize) -> egui::Id {
    egui::Id::unique(("table column", n))
}

impl TableDelegate for Grid<'_> {
    fn header_cell_ui(&mut self, ui: &mut Ui, cell: &HeaderCellInfo) {
        ui.painter().rect_filled(ui.max_rect(), 0.0, ui.visuals().faint_bg_color);
        ui.add_space(6.0);
        match (cell.group_index.checked_sub(1), cell.row_nr) {
            (None, 0) => {
                ui.weak("Row");
            }
            (None, _) => {}
            (Some(n), 0) => self.name_ui(ui, n),
            (Some(n), _) => {
                let data = &self.sheet.columns[n].data;
                let unit = data.unit.as_deref().map(str::trim).filter(|unit| !unit.is_empty());
                let text = unit.map_or_else(|| data.form.clone(), |unit| format!("{unit}  {}", data.form));
                let label = cut(ui, Label::new(RichText::new(text).small().weak()).selectable(false));
                ui.add(label);
            }
        }
    }

    fn row_ui(&mut self, ui: &mut Ui, place: u64) {
        let rect = ui.max_rect();
        let chosen = self.row_at(place).is_some_and(|row| self.chosen.contains(&row));
        if chosen {
            ui.painter().rect_filled(rect, 0.0, ui.visuals().selection.bg_fill);
            ui.style_mut().visuals.override_text_color = Some(ui.visuals().selection.stroke.color);
        } else if place % 2 == 1 {
            ui.painter().rect_filled(rect, 0.0, ui.visuals().faint_bg_color.gamma_multiply(0.6));
        }
        if self.cursor == Some(place) {
            let stroke = ui.visuals().widgets.hovered.fg_stroke;
            ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, egui::Stroke::new(1.0, stroke.color));
            ui.painter().hline(rect.x_range(), rect.top() + 0.5, egui::Stroke::new(1.0, stroke.color));
        }
        let response = ui.interact(rect, ui.scope_id().with("row"), Sense::click());
        if response.clicked() {
            self.response.clicked = Some((place, ui.input(|i| i.modifiers)));
        }
    }

    fn cell_ui(&mut self, ui: &mut Ui, cell: &CellInfo) {
        let Some(row) = self.row_at(cell.row_nr) else { return };
        let (text, right) = match cell.col_nr.checked_sub(1) {
            None => ((row + 1).to_string(), true),
            Some(_) if row >= self.sheet.loaded => ("…".to_owned(), false),
            Some(n) => {
                self.response.formatted += 1;
                let column = &self.sheet.columns[n];
                let text = column.cell_text(row);
                // A cell is one line.
                let text = if text.contains(char::is_control) { text.replace(char::is_control, " ") } else { text };
                (text, !column.is_text() && column.is_scalar())
            }
        };
        let weak = cell.col_nr == 0;
        let layout = if right { Layout::right_to_left(Align::Center) } else { Layout::left_to_right(Align::Center) };
        ui.with_layout(layout, |ui| {
            ui.add_space(6.0);
            let text = RichText::new(text).monospace();
            let text = if weak { text.weak() } else { text };
            let label = cut(ui, Label::new(text).selectable(false).sense(Sense::click()));
            let label = ui.add(label);
            if label.clicked() {
                self.response.clicked = Some((cell.row_nr, ui.input(|i| i.modifiers)));
            }
        });
    }

    fn default_row_height(&self) -> f32 {
        ROW_HEIGHT
    }
}
