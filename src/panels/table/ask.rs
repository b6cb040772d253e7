//! What the table view computes in the background: the sheet itself, the order of its rows, statistics, copies.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Ordered, TablePanel};
use crate::data::Stamp;
use crate::data::sheet::{
    ColumnSummary, FIRST_ROWS, PositionColumns, Positions, RowFilter, Sheet, order_rows, places_of, summarize,
};
use crate::panels::world::opened;
use crate::panels::{Command, PanelContext};
use crate::tasks::TaskError;
use crate::workers::{Answer, Key, Weigh};

/// Numbers of copies, each its own question whichever view asks.
static COPIES: AtomicU64 = AtomicU64::new(1);

/// Numbers of panels.
static PANELS: AtomicU64 = AtomicU64::new(1);

/// Another number for every panel.
pub(super) fn panel_number() -> u64 {
    PANELS.fetch_add(1, Ordering::Relaxed)
}

/// Length and time of last change of a text file.
struct Stamped(Stamp);

impl Weigh for Stamped {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// A sheet in the memory of the queries; its columns count against their budget as long as it is remembered.
pub(super) struct Loaded(pub Arc<Sheet>);

impl Weigh for Loaded {
    fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

impl Weigh for Ordered {
    fn bytes(&self) -> usize {
        4 * (self.order.capacity() + self.passed.capacity() + self.places.capacity())
    }
}

/// Statistics of a column in the rows that pass.
pub(super) struct Summary {
    pub values: ColumnSummary,
    /// The sheet and the column that they are of.
    of: (Key, usize),
}

impl Weigh for Summary {
    fn bytes(&self) -> usize {
        1024
    }
}

/// Positions for the images.
pub(super) struct Located(pub Arc<Positions>);

impl Weigh for Located {
    fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

/// How rows go to the clipboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CopyAs {
    /// Tabs between the fields, for spreadsheets.
    Tsv,
    /// With units and types.
    Ecsv,
}

/// Rows that a clipboard takes without harm.
const COPY_LIMIT: usize = 200_000;

impl TablePanel {
    /// Reads the table: the first rows at once, then all of them.
    pub(super) fn ask_sheet(&mut self, cx: &mut PanelContext<'_>) {
        self.waiting = false;
        if self.saved.path.as_os_str().is_empty() {
            self.ask_example(cx);
            return;
        }
        let (path, hdu, store) = (self.saved.path.clone(), self.saved.hdu, cx.services.store.clone());
        let is_text = super::is_text_table(&path);
        let key = if is_text {
            let Some(key) = self.ask_stamp(cx) else { return };
            key
        } else {
            if !opened(cx, &path) {
                self.waiting = true;
                return;
            }
            // A file that was closed and opened again counts its revisions anew, under another number.
            let id = store.id_of(&path);
            Key::of(&("sheet", &path, hdu, id, id.and_then(|id| store.revision(id))))
        };
        let answer = cx.services.queries.ask(cx.slot("sheet"), key, &cx.services.wake, move |progress| {
            if is_text {
                return Ok(Loaded(Arc::new(Sheet::read_text(&path)?)));
            }
            let id = store.open(&path)?;
            let file = store.file(id)?;
            let first = Sheet::read(&file, hdu, 0..FIRST_ROWS)?;
            if first.loaded >= first.rows {
                return Ok(Loaded(Arc::new(first)));
            }
            progress.update_now(Loaded(Arc::new(first)));
            progress.check()?;
            Ok(Loaded(Arc::new(Sheet::read(&file, hdu, 0..usize::MAX)?)))
        });
        match &answer {
            Answer::Failed(message) => {
                self.problem = Some(message.to_string());
                self.sheet = None;
            }
            Answer::Pending { .. } => self.waiting = true,
            Answer::Ready(_) => self.problem = None,
        }
        // The sheet on the screen stays, under its own key, until rows of this one are here.
        if let Some(loaded) = answer.current() {
            self.take_sheet(&loaded.0, key);
        }
    }

    /// The key of a table in a text file: the file's stamp, looked up by each panel and at each reload.
    fn ask_stamp(&mut self, cx: &PanelContext<'_>) -> Option<Key> {
        let path = self.saved.path.clone();
        let reading = cx.links.readings.get(&path).copied();
        let key = Key::of(&("stamp", &path, reading, self.number));
        let answer =
            cx.services.queries.ask(cx.slot("stamp"), key, &cx.services.wake, move |_| Ok(Stamped(Stamp::of(&path)?)));
        match &answer {
            Answer::Failed(message) => {
                self.problem = Some(message.to_string());
                self.sheet = None;
            }
            Answer::Pending { .. } => self.waiting = true,
            Answer::Ready(_) => {}
        }
        let stamp = answer.ready()?.0;
        Some(Key::of(&("text sheet", &self.saved.path, reading, stamp.length, stamp.modified)))
    }

    fn ask_example(&mut self, cx: &mut PanelContext<'_>) {
        if !self.example {
            return;
        }
        let key = Key::of(&"example table");
        let answer = cx
            .services
            .queries
            .ask(cx.slot("sheet"), key, &cx.services.wake, |_| Ok(Loaded(Arc::new(super::example::sheet()))));
        self.waiting = answer.ready().is_none();
        if let Some(loaded) = answer.ready() {
            self.take_sheet(&loaded.0, key);
        }
    }

    fn take_sheet(&mut self, sheet: &Arc<Sheet>, key: Key) {
        if self.sheet.as_ref().is_some_and(|known| Arc::ptr_eq(known, sheet)) {
            return;
        }
        self.sheet_key = key.and(&sheet.loaded);
        self.sheet = Some(sheet.clone());
        // Rows of the sheet before mean nothing in this one.
        self.order = None;
        self.order_key = self.sheet_key;
        self.filter_of = None;
        self.plot.forget();
        self.clamp_columns();
    }

    /// Filters and sorts; the rows of the file as they stand need neither.
    pub(super) fn ask_order(&mut self, cx: &mut PanelContext<'_>) {
        self.ordering = false;
        let Some(sheet) = self.sheet.clone() else { return };
        if sheet.loaded < sheet.rows {
            return;
        }
        if self.filter_of.as_deref() != Some(self.saved.filter.as_str()) {
            self.filter_of = Some(self.saved.filter.clone());
            match RowFilter::parse(&self.saved.filter, &sheet) {
                Ok(filter) => {
                    self.filter = filter;
                    self.filter_problem = None;
                    self.filter_text.clone_from(&self.saved.filter);
                }
                // The last filter that made sense stays in force while another is being typed.
                Err(problem) => self.filter_problem = Some(problem),
            }
        }
        let sort = self.saved.sort.as_ref().and_then(|sort| Some((sheet.find(&sort.column)?, sort.descending)));
        if self.filter.is_none() && sort.is_none() {
            self.order = None;
            self.order_key = self.sheet_key;
            return;
        }
        let key = self.sheet_key.and(&("order", self.filter_text.trim(), sort));
        let filter = self.filter.clone();
        let answer = cx.services.queries.ask(cx.slot("order"), key, &cx.services.wake, move |progress| {
            let check = || progress.check();
            let passed = match &filter {
                Some(filter) => filter.rows(&sheet, check)?,
                None => (0..sheet.rows as u32).collect(),
            };
            progress.check()?;
            let order = match sort {
                Some((column, descending)) => order_rows(&sheet.columns[column], &passed, descending),
                None => passed.clone(),
            };
            let places = places_of(&order, sheet.rows);
            Ok(Ordered { passed: Arc::new(passed), order: Arc::new(order), places })
        });
        self.ordering = answer.ready().is_none();
        if let Answer::Failed(message) = &answer {
            self.filter_problem = Some(message.to_string());
            self.ordering = false;
        }
        // Until then the rows stay as they are, under their own key.
        if let Some(ordered) = answer.ready() {
            self.order = Some(ordered.clone());
            self.order_key = key;
        }
    }

    /// Statistics of the current column.
    pub(super) fn ask_summary(&mut self, cx: &mut PanelContext<'_>) {
        self.summarizing = false;
        let (Some(sheet), Some(column)) = (self.whole_sheet(), self.current_column()) else {
            self.summary = None;
            return;
        };
        let key = self.order_key.and(&("summary", column));
        let of = (self.sheet_key, column);
        let passed = self.order.as_ref().map(|order| order.passed.clone());
        let answer = cx.services.queries.ask(cx.slot("summary"), key, &cx.services.wake, move |progress| {
            let column = sheet.columns.get(column).ok_or_else(|| TaskError::Failed("the column is gone".into()))?;
            let check = || progress.check();
            let values = match &passed {
                Some(rows) => summarize(column, rows.iter().map(|row| *row as usize), check)?,
                None => summarize(column, 0..sheet.rows, check)?,
            };
            Ok(Summary { values, of })
        });
        self.summarizing = answer.ready().is_none();
        // Numbers of another filter stay until the new ones are here; those of another column do not.
        self.summary = answer.newest().filter(|summary| summary.of == of).cloned();
    }

    /// Makes the text of chosen rows and hands it to the clipboard.
    pub(super) fn ask_copy(&mut self, cx: &mut PanelContext<'_>) {
        let (Some((how, number, rows)), Some(sheet)) = (self.copy.clone(), self.whole_sheet()) else { return };
        let count = rows.len();
        let answer = cx.services.queries.ask(
            cx.slot("copy"),
            self.sheet_key.and(&("copy", how, number)),
            &cx.services.wake,
            move |_| {
                let text = match how {
                    CopyAs::Tsv => tsv(&sheet, &rows),
                    CopyAs::Ecsv => {
                        sheet.table_of(&rows).to_ecsv().map_err(|problem| TaskError::Failed(problem.to_string()))?
                    }
                };
                Ok(text)
            },
        );
        match answer {
            Answer::Ready(text) => {
                cx.send(Command::Copy(text.as_ref().clone()));
                let kind = match how {
                    CopyAs::Tsv => "TSV",
                    CopyAs::Ecsv => "ECSV",
                };
                cx.send(Command::Notice(
                    crate::panels::Severity::Info,
                    format!("Copied {count} {} as {kind}", if count == 1 { "row" } else { "rows" }),
                ));
                self.copy = None;
            }
            Answer::Failed(message) => {
                cx.error(message.to_string());
                self.copy = None;
            }
            Answer::Pending { .. } => {}
        }
    }

    /// Starts a copy of the chosen rows, in the order on the screen.
    pub(super) fn copy_rows(&mut self, how: CopyAs, cx: &mut PanelContext<'_>) {
        let chosen = self.chosen(cx);
        if chosen.is_empty() {
            cx.error("No rows are chosen; click a row first, Shift or Ctrl and click chooses more");
            return;
        }
        if chosen.len() > COPY_LIMIT {
            cx.error(format!(
                "{} rows are too many for the clipboard (at most {COPY_LIMIT}); use Save… to write a file",
                chosen.len()
            ));
            return;
        }
        let mut rows: Vec<u32> = chosen.iter().map(|row| *row as u32).collect();
        if let Some(order) = &self.order {
            rows.sort_by_key(|row| order.places.get(*row as usize).copied().unwrap_or(u32::MAX));
        }
        self.copy = Some((how, COPIES.fetch_add(1, Ordering::Relaxed), Arc::new(rows)));
    }

    /// The positions of all rows for the images.
    pub(super) fn ask_positions(
        &mut self,
        cx: &mut PanelContext<'_>,
        columns: &PositionColumns,
    ) -> Option<Arc<Positions>> {
        let sheet = self.whole_sheet()?;
        let key = self.sheet_key.and(&("positions", columns.kind, &columns.first, &columns.second));
        let columns = columns.clone();
        let answer = cx.services.queries.ask(cx.slot("positions"), key, &cx.services.wake, move |_| {
            Positions::of(&sheet, &columns).map(|p| Located(Arc::new(p))).map_err(TaskError::Failed)
        });
        self.locating = matches!(answer, Answer::Pending { .. });
        if let Answer::Failed(message) = &answer {
            self.overlay_problem = Some(message.to_string());
        }
        answer.ready().map(|located| located.0.clone())
    }

    /// The chosen rows of this table.
    pub(super) fn chosen(&self, cx: &PanelContext<'_>) -> BTreeSet<usize> {
        cx.links.rows(&self.saved.path, self.saved.hdu).map(|s| s.rows.clone()).unwrap_or_default()
    }
}

/// A row of names, then rows of values with all their digits.
fn tsv(sheet: &Sheet, rows: &[u32]) -> String {
    let plain = |text: &str| text.replace(['\t', '\n', '\r'], " ");
    let table = sheet.table_of(rows);
    let names: Vec<String> = table.columns.iter().map(|c| plain(&c.name)).collect();
    let mut text = names.join("\t");
    text.push('\n');
    for row in 0..table.rows() {
        let fields: Vec<String> = table
            .columns
            .iter()
            .map(|column| match &column.data {
                crate::data::ColumnData::Float(v) => {
                    if v[row].is_nan() {
                        String::new()
                    } else {
                        v[row].to_string()
                    }
                }
                crate::data::ColumnData::Integer(v) => v[row].to_string(),
                crate::data::ColumnData::Text(v) => plain(&v[row]),
            })
            .collect();
        text.push_str(&fields.join("\t"));
        text.push('\n');
    }
    text
}
