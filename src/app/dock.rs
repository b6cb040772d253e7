//! Where views that belong together go: a spectrum below its cube, two images beside each other.

use std::path::Path;

use egui_tiles::{Container, Linear, LinearDir, Tile, TileId, Tree};
use serde_json::json;

use super::{View, ViewId, Workbench};
use crate::data::FitsFile;
use crate::data::spectra::find_spectra;
use crate::panels::Severity;

/// What a spectrum leaves to its cube of the height.
const IMAGE_SHARE: f32 = 0.62;

impl Workbench {
    /// Shows an HDU: a spectrum as a curve, a cube with the spectrum under the pointer below it, else an image. One that is open already
    /// is brought to the front; [`Command::DuplicateView`](crate::panels::Command::DuplicateView) makes a second view of it.
    pub(super) fn show_hdu(&mut self, path: &Path, hdu: usize) {
        let is_here = |place: &serde_json::Value| {
            place["path"].as_str().map(Path::new) == Some(path) && place["hdu"].as_u64() == Some(hdu as u64)
        };
        let shows = |view: &View| match view.kind {
            "image" => is_here(&view.panel.save()),
            "spectrum" => is_here(&view.panel.save()["file"]),
            _ => false,
        };
        if let Some(id) = self.views.iter().find(|(_, view)| shows(view)).map(|(id, _)| *id) {
            self.focus(id);
            return;
        }
        let Some(spectrum) = crate::panels::entry("spectrum") else { return };
        let place = json!({ "path": path.to_string_lossy(), "hdu": hdu });
        if self.spectra.get(path).is_some_and(|hdus| hdus.contains(&hdu)) {
            self.add_view(spectrum, &json!({ "file": place }));
            return;
        }
        let Some(image) = crate::panels::entry("image") else { return };
        let view = self.add_view(image, &place);
        let entry = self.services.store.id_of(path).and_then(|id| self.services.store.entry(id));
        let shape = entry.and_then(|e| e.hdus.iter().find(|h| h.index == hdu).map(|h| h.shape.clone()));
        let planes: usize = shape.unwrap_or_default().iter().rev().skip(2).product();
        let follows = |v: &View| v.kind == "spectrum" && v.panel.save()["file"].is_null();
        // One spectrum serves all cubes: it follows the pointer to the one that it is over.
        if planes > 1 && !self.views.values().any(follows) {
            self.add_view_below(spectrum, &json!({ "cursor": { "of": place } }), view);
        }
    }

    /// Makes a view below another one and leaves the focus where it is.
    fn add_view_below(&mut self, entry: &crate::panels::PanelEntry, state: &serde_json::Value, above: ViewId) {
        let id = self.next_view;
        let Some(upper) = self.tabs_of(above) else { return };
        self.next_view += 1;
        self.views.insert(id, View::new(entry, state));
        let pane = self.tree.tiles.insert_pane(id);
        let lower = self.tree.tiles.insert_tab_tile(vec![pane]);
        self.split(upper, lower, LinearDir::Vertical, IMAGE_SHARE);
    }

    /// Makes a view with a state. An image that is made from a cube goes to the right of its cube, or to its like: the
    /// spectrum that it follows stays in sight.
    pub(super) fn new_view(&mut self, kind: &str, state: &serde_json::Value) {
        let Some(entry) = crate::panels::entry(kind) else { return };
        let of = &state["derived"]["of"];
        let saved: Vec<(ViewId, serde_json::Value)> =
            self.views.iter().filter(|(_, v)| v.kind == "image").map(|(id, v)| (*id, v.panel.save())).collect();
        let like = saved.iter().find(|(_, s)| !s["derived"].is_null()).map(|(id, _)| *id);
        let cube = saved.iter().find(|(_, s)| s["path"] == of["path"] && s["hdu"] == of["hdu"]).map(|(id, _)| *id);
        match (like, cube.and_then(|cube| self.tabs_of(cube))) {
            _ if of.is_null() => {
                self.add_view(entry, state);
            }
            (Some(like), _) => {
                self.focus(like);
                self.add_view(entry, state);
            }
            (None, Some(left)) => {
                let id = self.next_view;
                self.next_view += 1;
                self.views.insert(id, View::new(entry, state));
                let pane = self.tree.tiles.insert_pane(id);
                let right = self.tree.tiles.insert_tab_tile(vec![pane]);
                self.split(left, right, LinearDir::Horizontal, 0.5);
                self.focused = Some(id);
            }
            (None, None) => {
                self.add_view(entry, state);
            }
        }
    }

    /// The tabs that hold a view.
    fn tabs_of(&self, view: ViewId) -> Option<TileId> {
        let pane = self.tree.tiles.find_pane(&view)?;
        Some(self.tree.tiles.parent_of(pane).unwrap_or(pane))
    }

    /// Puts a new tile behind another one, in the place that the other had.
    fn split(&mut self, first: TileId, second: TileId, direction: LinearDir, share: f32) {
        let parent = self.tree.tiles.parent_of(first);
        let split = self.tree.tiles.insert_container(Linear::new_binary(direction, [first, second], share));
        match parent.and_then(|parent| self.tree.tiles.get_mut(parent)) {
            Some(Tile::Container(container)) => {
                let _index = container.replace_child(first, split);
            }
            _ => self.tree = Tree::new(egui::Id::unique("views"), split, std::mem::take(&mut self.tree.tiles)),
        }
    }

    /// Shows the other image of the comparison, or opens one.
    pub(super) fn blink(&mut self) {
        if self.views.values().any(|v| v.kind == "compare") {
            self.links.blinks += 1;
            self.history.expect_views_to_act();
        } else if let Some(entry) = crate::panels::entry("compare") {
            self.add_view(entry, &serde_json::Value::Null);
        }
    }

    /// Shows two image views beside each other, linked; the focused one and the next where none are named.
    pub(super) fn side_by_side(&mut self, views: Option<[ViewId; 2]>) {
        let images: Vec<ViewId> = self.links.images().keys().copied().collect();
        let focused = self.focused.filter(|id| images.contains(id)).or_else(|| images.first().copied());
        let other = || images.iter().rev().copied().find(|id| Some(*id) != focused);
        // The one that was opened first stands left.
        let found = || focused.zip(other()).map(|(a, b)| [a.min(b), a.max(b)]);
        let Some([a, b]) = views.or_else(found) else {
            self.notices.push(Severity::Warning, "side by side needs two images; open another one".into());
            return;
        };
        let (Some(left), Some(pane)) = (self.tabs_of(a), self.tree.tiles.find_pane(&b)) else { return };
        if self.tabs_of(b) == Some(left) {
            if let Some(Tile::Container(container)) = self.tree.tiles.get_mut(left) {
                container.remove_child(pane);
            }
            let right = self.tree.tiles.insert_tab_tile(vec![pane]);
            self.split(left, right, LinearDir::Horizontal, 0.5);
        }
        for view in [a, b] {
            self.tree.make_active(|_, tile| matches!(tile, Tile::Pane(pane) if *pane == view));
        }
        if let Some(Tile::Container(Container::Tabs(tabs))) = self.tree.tiles.get_mut(left)
            && tabs.active.is_none()
        {
            tabs.active = tabs.children.first().copied();
        }
        self.links.link_pair(a, b);
        self.history.expect_views_to_act();
    }
}

/// HDUs of a file that are spectra by themselves: one curve each, or a table of them.
pub(super) fn spectra_of(file: &FitsFile) -> Vec<usize> {
    let places = find_spectra(file).into_iter();
    let is_table = |hdu: usize| file.hdu(hdu).is_ok_and(|h| h.kind_name().ends_with("table"));
    let mut found: Vec<usize> = places.filter(|p| p.count == 1 || is_table(p.hdu)).map(|p| p.hdu).collect();
    // OGIP/92-007: counts in channels.
    let counts = file.hdus().iter().filter(|hdu| {
        let class = hdu.header.get_str("HDUCLAS1").map(str::trim);
        is_table(hdu.index) && class.is_some_and(|c| c.eq_ignore_ascii_case("SPECTRUM"))
    });
    found.extend(counts.map(|hdu| hdu.index));
    found.sort_unstable();
    found.dedup();
    found
}
