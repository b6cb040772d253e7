//! Choosing rows: click, Shift, Ctrl, the keyboard, and what other views choose.

use std::collections::BTreeSet;

use egui::{Key, Modifiers};

use super::TablePanel;
use crate::panels::PanelContext;

/// Rows that are chosen in one go without holding up the window.
const MOST_AT_ONCE: usize = 200_000;

impl TablePanel {
    /// Number of rows that pass the filter.
    pub(super) fn shown_rows(&self) -> usize {
        match (&self.order, &self.sheet) {
            (Some(order), _) => order.order.len(),
            (None, Some(sheet)) => sheet.rows,
            (None, None) => 0,
        }
    }

    /// Row of the file at a place.
    pub(super) fn row_at(&self, place: u64) -> Option<usize> {
        let place = usize::try_from(place).ok()?;
        match &self.order {
            Some(order) => order.order.get(place).map(|row| *row as usize),
            None => (place < self.shown_rows()).then_some(place),
        }
    }

    /// Place of a row of the file; `None` when the filter hides it.
    pub(super) fn place_of(&self, row: usize) -> Option<u64> {
        match &self.order {
            Some(order) => order.places.get(row).filter(|place| **place != u32::MAX).map(|place| u64::from(*place)),
            None => (row < self.shown_rows()).then_some(row as u64),
        }
    }

    /// A click on a row: alone, with Shift from the last one on, with Ctrl in or out.
    pub(super) fn click(&mut self, place: u64, modifiers: Modifiers, cx: &mut PanelContext<'_>) {
        let Some(row) = self.row_at(place) else { return };
        let mut chosen = if modifiers.command || modifiers.ctrl { self.chosen(cx) } else { BTreeSet::new() };
        match self.anchor {
            Some(anchor) if modifiers.shift && anchor.abs_diff(place) < MOST_AT_ONCE as u64 => {
                chosen.extend((anchor.min(place)..=anchor.max(place)).filter_map(|p| self.row_at(p)));
            }
            _ => {
                if !((modifiers.command || modifiers.ctrl) && chosen.remove(&row)) {
                    chosen.insert(row);
                }
                self.anchor = Some(place);
            }
        }
        self.cursor = Some(place);
        self.choose(chosen, cx);
    }

    /// Chooses rows for every view that shows this table; this one need not scroll to them.
    pub(super) fn choose(&mut self, rows: BTreeSet<usize>, cx: &mut PanelContext<'_>) {
        cx.links.choose_rows(&self.saved.path, self.saved.hdu, rows);
        self.seen_selection = self.selection_revision(cx);
    }

    fn selection_revision(&self, cx: &PanelContext<'_>) -> u64 {
        cx.links.rows(&self.saved.path, self.saved.hdu).map_or(0, |s| s.revision)
    }

    /// Scrolls to the first of the rows that another view has chosen.
    pub(super) fn follow_selection(&mut self, cx: &mut PanelContext<'_>) {
        let revision = self.selection_revision(cx);
        if revision == self.seen_selection || self.sheet.is_none() || self.ordering {
            return;
        }
        self.seen_selection = revision;
        let Some(selection) = cx.links.rows(&self.saved.path, self.saved.hdu) else { return };
        let first = selection.rows.iter().take(100_000).filter_map(|row| self.place_of(*row)).min();
        if let Some(place) = first {
            self.cursor = Some(place);
            self.anchor = Some(place);
            self.scroll_to = Some((place, Some(egui::Align::Center)));
        }
    }

    /// Arrow keys, page keys, Home and End while the rows have the focus.
    pub(super) fn keys(&mut self, ui: &egui::Ui, focus: egui::Id, page: u64, cx: &mut PanelContext<'_>) {
        if !ui.memory(|m| m.has_focus(focus)) {
            return;
        }
        // The arrow keys move within the rows and not to the next widget; Tab still leaves.
        let filter = egui::EventFilter { vertical_arrows: true, ..egui::EventFilter::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(focus, filter));
        let last = (self.shown_rows() as u64).saturating_sub(1);
        let now = self.cursor.unwrap_or(0).min(last);
        let pressed = |key, modifiers| ui.input_mut(|i| i.consume_key(modifiers, key));
        for (key, place) in [
            (Key::ArrowDown, if self.cursor.is_some() { now + 1 } else { 0 }),
            (Key::ArrowUp, now.saturating_sub(1)),
            (Key::PageDown, now + page),
            (Key::PageUp, now.saturating_sub(page)),
            (Key::Home, 0),
            (Key::End, last),
        ] {
            let extend = pressed(key, Modifiers::SHIFT);
            if extend || pressed(key, Modifiers::NONE) {
                let place = place.min(last);
                self.click(place, if extend { Modifiers::SHIFT } else { Modifiers::NONE }, cx);
                self.scroll_to = Some((place, None));
                return;
            }
        }
        if pressed(Key::A, Modifiers::COMMAND) {
            if self.shown_rows() > MOST_AT_ONCE {
                cx.error(format!("{} rows are too many to be chosen one by one; use a filter", self.shown_rows()));
                return;
            }
            let all = match &self.order {
                Some(order) => order.passed.iter().map(|row| *row as usize).collect(),
                None => (0..self.shown_rows()).collect(),
            };
            self.choose(all, cx);
        }
        if pressed(Key::Escape, Modifiers::NONE) {
            self.choose(BTreeSet::new(), cx);
        }
    }
}
