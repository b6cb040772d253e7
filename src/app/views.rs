//! The docked views: making, focusing, closing them, and drawing the tree of tabs.

use egui_tiles::{Container, SimplificationOptions, Tile, TileId, Tiles, Tree, UiResponse};
use serde_json::Value;

use super::{View, ViewId, Workbench};
use crate::panels::{Command, PanelContext, PanelEntry, Services};

impl Workbench {
    /// Makes a view and gives it the focus.
    pub(super) fn add_view(&mut self, entry: &PanelEntry, state: &Value) -> ViewId {
        let id = self.next_view;
        self.next_view += 1;
        self.views.insert(id, View::new(entry, state));
        let tile = self.tree.tiles.insert_pane(id);
        match self.tree.root().and_then(|root| self.tabs_within(root)) {
            Some(tabs) => {
                if let Some(Tile::Container(Container::Tabs(tabs))) = self.tree.tiles.get_mut(tabs) {
                    tabs.add_child(tile);
                    tabs.set_active(tile);
                }
            }
            None => {
                let root = self.tree.tiles.insert_tab_tile(vec![tile]);
                self.tree = Tree::new(egui::Id::unique("views"), root, std::mem::take(&mut self.tree.tiles));
            }
        }
        self.focused = Some(id);
        id
    }

    /// The tabs that hold the focused view, or the first tabs below `tile`.
    fn tabs_within(&self, tile: TileId) -> Option<TileId> {
        if let Some(focused) = self.focused.and_then(|id| self.tree.tiles.find_pane(&id))
            && let Some(parent) = self.tree.tiles.parent_of(focused)
            && matches!(self.tree.tiles.get(parent), Some(Tile::Container(Container::Tabs(_))))
        {
            return Some(parent);
        }
        match self.tree.tiles.get(tile)? {
            Tile::Container(Container::Tabs(_)) => Some(tile),
            Tile::Container(container) => container.children().find_map(|child| self.tabs_within(*child)),
            Tile::Pane(_) => None,
        }
    }

    /// The open view of a kind, focused; made if there is none.
    pub(super) fn focus_or_add(&mut self, entry: &PanelEntry) -> ViewId {
        match self.views.iter().find(|(_, v)| v.kind == entry.kind).map(|(id, _)| *id) {
            Some(id) => {
                self.focus(id);
                id
            }
            None => self.add_view(entry, &Value::Null),
        }
    }

    /// Brings a view to the front.
    pub(super) fn focus(&mut self, id: ViewId) {
        self.focused = Some(id);
        self.tree.make_active(|_, tile| matches!(tile, Tile::Pane(pane) if *pane == id));
    }

    /// Makes a second view like the focused one.
    pub(super) fn duplicate_focused(&mut self) {
        let Some((entry, state)) = self
            .focused
            .and_then(|id| self.views.get(&id))
            .and_then(|view| Some((crate::panels::entry(view.kind)?, view.panel.save())))
        else {
            return;
        };
        self.add_view(entry, &state);
    }

    /// Closes the focused view.
    pub(super) fn close_focused(&mut self) {
        let Some(id) = self.focused.take() else { return };
        if let Some(tile) = self.tree.tiles.find_pane(&id) {
            self.tree.remove_recursively(tile);
        }
        self.drop_view(id);
        self.focused = self.views.keys().last().copied();
        if let Some(id) = self.focused {
            self.focus(id);
        }
    }

    /// Forgets a view and what it asked for.
    pub(super) fn drop_view(&mut self, id: ViewId) {
        if let Some(mut view) = self.views.remove(&id) {
            let commands = &mut Vec::new();
            view.panel.close(&mut PanelContext {
                view: id,
                services: &self.services,
                commands,
                links: &mut self.links,
            });
            self.links.forget(id);
        }
    }

    /// Brings the next view to the front.
    pub(super) fn focus_next(&mut self) {
        let next = self
            .focused
            .and_then(|now| self.views.range(now + 1..).next())
            .or_else(|| self.views.iter().next())
            .map(|(id, _)| *id);
        if let Some(id) = next {
            self.focus(id);
        }
    }

    /// Brings the view before to the front.
    pub(super) fn focus_previous(&mut self) {
        let before = self
            .focused
            .and_then(|now| self.views.range(..now).next_back())
            .or_else(|| self.views.iter().next_back())
            .map(|(id, _)| *id);
        if let Some(id) = before {
            self.focus(id);
        }
    }

    /// Reads a saved layout; views that it misses are put into tabs.
    pub(super) fn restore_layout(&mut self, layout: &Value) {
        let fresh = || Tree::empty(egui::Id::unique("views"));
        self.tree = serde_json::from_value(layout.clone()).unwrap_or_else(|_| fresh());
        let known: Vec<ViewId> =
            self.tree.tiles.tiles().filter_map(|t| if let Tile::Pane(id) = t { Some(*id) } else { None }).collect();
        let all_known =
            self.views.keys().all(|id| known.contains(id)) && known.iter().all(|id| self.views.contains_key(id));
        if !all_known || (self.tree.root().is_none() && !self.views.is_empty()) {
            self.tree = Tree::new_tabs(egui::Id::unique("views"), self.views.keys().copied().collect());
        }
    }

    /// Draws the docked views; `commands` collects what they send.
    pub(super) fn views_ui(&mut self, ui: &mut egui::Ui, commands: &mut Vec<Command>) {
        if self.views.is_empty() {
            self.welcome_ui(ui, commands);
            return;
        }
        let mut behavior = Docking {
            views: &mut self.views,
            services: &self.services,
            links: &mut self.links,
            missing: &self.missing,
            commands,
            focused: &mut self.focused,
            closed: Vec::new(),
            drawn: Vec::new(),
        };
        self.tree.ui(&mut behavior, ui);
        let (closed, drawn) = (behavior.closed, behavior.drawn);
        // The inspector speaks of a view that is seen: not of one that another tab hides.
        if let Some(first) = drawn.first()
            && self.focused.is_some_and(|id| !drawn.contains(&id))
        {
            self.focused = Some(*first);
        }
        for id in closed {
            self.drop_view(id);
            if self.focused == Some(id) {
                self.focused = self.views.keys().last().copied();
            }
        }
    }
}

struct Docking<'a> {
    views: &'a mut std::collections::BTreeMap<ViewId, View>,
    services: &'a Services,
    links: &'a mut crate::panels::Links,
    missing: &'a super::placeholders::Missing,
    commands: &'a mut Vec<Command>,
    focused: &'a mut Option<ViewId>,
    closed: Vec<ViewId>,
    /// The views that are seen in this frame.
    drawn: Vec<ViewId>,
}

impl egui_tiles::Behavior<ViewId> for Docking<'_> {
    fn pane_ui(&mut self, ui: &mut egui::Ui, _tile: TileId, id: &mut ViewId) -> UiResponse {
        let Some(view) = self.views.get_mut(id) else { return UiResponse::None };
        self.drawn.push(*id);
        let rect = ui.max_rect();
        super::save_view::remember_size(ui.ctx(), *id, rect.size());
        let pressed =
            ui.input(|i| i.pointer.any_pressed() && i.pointer.interact_pos().is_some_and(|p| rect.contains(p)));
        if pressed {
            *self.focused = Some(*id);
        }
        egui::Frame::new().inner_margin(6).show(ui, |ui| {
            ui.push_id(*id, |ui| {
                super::placeholders::missing_ui(ui, &self.missing.of(*id), self.commands);
                let mut cx =
                    PanelContext { view: *id, services: self.services, commands: self.commands, links: self.links };
                view.panel.ui(ui, &mut cx);
            });
        });
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, id: &ViewId) -> egui::WidgetText {
        self.views.get(id).map_or_else(|| "(closed)".into(), |v| v.panel.title().into())
    }

    fn on_tab_button(&mut self, tiles: &mut Tiles<ViewId>, tile: TileId, button: egui::Response) -> egui::Response {
        if button.clicked()
            && let Some(Tile::Pane(id)) = tiles.get(tile)
        {
            *self.focused = Some(*id);
        }
        button
    }

    fn tab_title_for_tile(&mut self, tiles: &Tiles<ViewId>, tile: TileId) -> egui::WidgetText {
        match tiles.get(tile) {
            Some(Tile::Pane(id)) => self.tab_title_for_pane(&id.clone()),
            // Views side by side within a tab: named by what is in them.
            Some(Tile::Container(container)) => {
                let titles: Vec<String> = container
                    .children()
                    .map(|child| self.tab_title_for_tile(tiles, *child).text().to_owned())
                    .collect();
                titles.join(" | ").into()
            }
            None => "(closed)".into(),
        }
    }

    fn top_bar_right_ui(
        &mut self,
        tiles: &Tiles<ViewId>,
        ui: &mut egui::Ui,
        _tile: TileId,
        tabs: &egui_tiles::Tabs,
        _scroll_offset: &mut f32,
    ) {
        let Some(Tile::Pane(id)) = tabs.active.and_then(|tile| tiles.get(tile)) else { return };
        let id = *id;
        ui.menu_button("Save…", |ui| {
            for (text, help, command) in [
                ("Picture or data…", "PNG, SVG, FITS or ECSV", Command::SaveView),
                ("Copy as Python", "A script with astropy and matplotlib that shows the same", Command::CopyPython),
                ("Copy command line", "What brings this view up again", Command::CopyCommandLine),
            ] {
                if ui.button(text).on_hover_text(help).clicked() {
                    *self.focused = Some(id);
                    self.commands.push(command);
                    ui.close();
                }
            }
        })
        .response
        .on_hover_text("Keep this view: as a picture, as data, as a script");
    }

    fn is_tab_closable(&self, tiles: &Tiles<ViewId>, tile: TileId) -> bool {
        matches!(tiles.get(tile), Some(Tile::Pane(_)))
    }

    fn on_tab_close(&mut self, tiles: &mut Tiles<ViewId>, tile: TileId) -> bool {
        if let Some(Tile::Pane(id)) = tiles.get(tile) {
            self.closed.push(*id);
        }
        true
    }

    fn tab_bar_height(&self, _style: &egui::Style) -> f32 {
        28.0
    }

    fn tab_bar_color(&self, visuals: &egui::Visuals) -> egui::Color32 {
        visuals.extreme_bg_color
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions { all_panes_must_have_tabs: true, ..SimplificationOptions::default() }
    }
}
