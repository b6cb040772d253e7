//! What the user does on the image: keys, the menu of the right button, drawing a line.

use egui::{Key, KeyboardShortcut, Modifiers, PointerButton, Ui};

use super::ImagePanel;
use super::go_to::GoTo;
use super::profiles::Profile;
use super::read_out::Place;
use crate::data::regions::ShapeKind;
use crate::panels::{Command, PanelAction, PanelContext, Severity};
use crate::plots::image_view::ImageResponse;

/// What can be chosen for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Freeze,
    Grid,
    CopyAll,
    CopyValue,
    CopyCoordinates,
    Center,
    GoTo,
    Line,
    Radial,
    Escape,
    Draw(ShapeKind),
    DrawLast,
    DeleteRegion,
    DuplicateRegion,
    IncludeRegion,
    SaveRegions,
}

/// What the view does on a key: for what is under the pointer, or, from the palette, for where the pointer was last.
const ACTIONS: [(&PanelAction, Action); 18] = [
    (&ACTIONS_LISTED[0], Action::Freeze),
    (&ACTIONS_LISTED[1], Action::CopyAll),
    (&ACTIONS_LISTED[2], Action::Grid),
    (&ACTIONS_LISTED[3], Action::Line),
    (&ACTIONS_LISTED[4], Action::Radial),
    (&ACTIONS_LISTED[5], Action::GoTo),
    (&ACTIONS_LISTED[6], Action::Escape),
    (&ACTIONS_LISTED[7], Action::Draw(ShapeKind::Circle)),
    (&ACTIONS_LISTED[8], Action::Draw(ShapeKind::Ellipse)),
    (&ACTIONS_LISTED[9], Action::Draw(ShapeKind::Box)),
    (&ACTIONS_LISTED[10], Action::Draw(ShapeKind::Polygon)),
    (&ACTIONS_LISTED[11], Action::Draw(ShapeKind::Annulus)),
    (&ACTIONS_LISTED[12], Action::Draw(ShapeKind::Point)),
    (&ACTIONS_LISTED[13], Action::DrawLast),
    (&ACTIONS_LISTED[14], Action::DeleteRegion),
    (&ACTIONS_LISTED[15], Action::DuplicateRegion),
    (&ACTIONS_LISTED[16], Action::IncludeRegion),
    (&ACTIONS_LISTED[17], Action::SaveRegions),
];

/// The same for palette and sheet.
pub(super) const ACTIONS_LISTED: &[PanelAction] = &[
    action("freeze", "Freeze the read-out", "Keep the place under the pointer, or follow it again", Some(Key::F)),
    action("copy", "Copy value and coordinates", "What the read-out shows, to the clipboard", Some(Key::C)),
    action("grid", "Grid of sky coordinates", "Show or hide it", Some(Key::G)),
    action("line", "Line profile", "Drag a line over the image", Some(Key::L)),
    action("radial", "Radial profile", "Around the pointer", Some(Key::R)),
    action("go to", "Go to…", "Centre on typed coordinates", None),
    action(
        "escape",
        "Put the tool down",
        "Then let go of the region, close the profile, remove the mark",
        Some(Key::Escape),
    ),
    action("circle", "Draw a circle", "A region: drag from its centre", None),
    action("ellipse", "Draw an ellipse", "A region: drag from corner to corner", None),
    action("box", "Draw a box", "A region: drag from corner to corner", None),
    action("polygon", "Draw a polygon", "A region: click its corners", None),
    action("annulus", "Draw an annulus", "A region: drag from its centre", None),
    action("point", "Draw a point", "A region: click the place", None),
    action("draw", "Draw a region", "Of the shape that was drawn last", Some(Key::N)),
    action("delete region", "Delete the region", "The selected one", Some(Key::Delete)),
    action("duplicate region", "Duplicate the region", "The selected one", Some(Key::D)),
    action(
        "include region",
        "Take the region out or in",
        "Whether its pixels count, or are taken out of the others",
        None,
    ),
    action("save regions", "Save regions…", "As a DS9 file", None),
];

const fn action(name: &'static str, text: &'static str, help: &'static str, key: Option<Key>) -> PanelAction {
    let key = match key {
        Some(key) => Some(KeyboardShortcut { modifiers: Modifiers::NONE, logical_key: key }),
        None => None,
    };
    PanelAction { name, text, help, key, at_pointer: true }
}

/// The menu of the right button.
const MENU: [(&str, Action); 6] = [
    ("Copy value", Action::CopyValue),
    ("Copy coordinates", Action::CopyCoordinates),
    ("Center here", Action::Center),
    ("Go to…", Action::GoTo),
    ("Line profile", Action::Line),
    ("Radial profile here", Action::Radial),
];

/// The line that is being drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum LineTool {
    /// Drags move the image.
    #[default]
    Off,
    /// The next drag draws.
    Armed,
    /// It began at this pixel coordinate.
    From([f64; 2]),
}

impl ImagePanel {
    /// Keys, menu and line of one frame.
    pub(super) fn tools(&mut self, ui: &Ui, response: &ImageResponse, cx: &mut PanelContext<'_>) {
        let here = response.hovered.unwrap_or(self.saved.camera.center);
        let reached = response.hovered.is_some() || response.response.has_focus();
        // An open menu has the keys for itself: Escape closes it.
        let free = !ui.ctx().text_edit_focused() && !egui::Popup::is_any_open(ui.ctx());
        if reached && free {
            for (listed, action) in ACTIONS {
                if listed.key.is_some_and(|key| ui.input_mut(|input| input.consume_shortcut(&key))) {
                    self.do_action(action, here, cx);
                }
            }
            if ui.memory(|memory| memory.focused().is_none()) {
                self.regions.arrows(ui, &mut self.saved.regions, self.saved.selected_region);
            }
        }
        if response.response.secondary_clicked() {
            self.menu_at = response.hovered;
        }
        let at = self.menu_at.unwrap_or(here);
        let mut chosen = None;
        response.response.context_menu(|ui| {
            for (text, action) in MENU {
                if ui.button(text).clicked() {
                    chosen = Some(action);
                    ui.close();
                }
            }
        });
        if let Some(action) = chosen {
            self.do_action(action, at, cx);
        }
        self.draw_line(ui, response);
    }

    /// Arms the line, or puts it down again.
    pub(super) fn toggle_line(&mut self) {
        self.regions.put_down();
        self.line_tool = if self.line_tool == LineTool::Off { LineTool::Armed } else { LineTool::Off };
    }

    /// Arms a shape; the line is put down.
    fn arm_region(&mut self, kind: ShapeKind) {
        self.line_tool = LineTool::Off;
        self.regions.arm(&mut self.saved.regions, kind);
    }

    /// Opens a radial profile.
    pub(super) fn open_radial(&mut self, center: [f64; 2]) {
        self.found_center = None;
        self.saved.profile = Some(Profile::around(center));
    }

    /// Stops or follows the read-out.
    pub(super) fn toggle_frozen(&mut self) {
        self.frozen = !self.frozen && self.place.is_some();
    }

    /// Does one of [`ACTIONS_LISTED`] for the last place of the pointer, or for the middle of the view.
    pub(super) fn act_by_name(&mut self, name: &str, cx: &mut PanelContext<'_>) {
        let at = self.place.as_ref().map_or(self.saved.camera.center, |place| place.pixel);
        if let Some((_, action)) = ACTIONS.into_iter().find(|(listed, _)| listed.name == name) {
            self.do_action(action, at, cx);
        }
    }

    fn do_action(&mut self, action: Action, pixel: [f64; 2], cx: &mut PanelContext<'_>) {
        match action {
            Action::Freeze => self.toggle_frozen(),
            Action::Grid => self.saved.grid = !self.saved.grid,
            Action::Center => self.saved.camera.center_on(pixel),
            Action::GoTo => self.go_to = Some(GoTo::open()),
            Action::Line => self.toggle_line(),
            Action::Radial => self.open_radial(pixel),
            Action::Escape => self.escape(),
            Action::Draw(kind) => self.arm_region(kind),
            Action::DrawLast => self.arm_region(self.saved.regions.last_drawn()),
            Action::DeleteRegion => self.regions.delete(&mut self.saved.regions, &mut self.saved.selected_region),
            Action::DuplicateRegion => self.regions.duplicate(&mut self.saved.regions, &mut self.saved.selected_region),
            Action::IncludeRegion => {
                self.regions.toggle_include(&mut self.saved.regions, self.saved.selected_region);
            }
            Action::SaveRegions => cx.send(Command::SaveViewAs(super::regions::PRODUCT.to_owned())),
            Action::CopyAll | Action::CopyValue | Action::CopyCoordinates => self.copy(action, pixel, cx),
        }
    }

    /// Leaves the innermost thing that is open.
    fn escape(&mut self) {
        if self.regions.put_down() {
            return;
        }
        if self.line_tool != LineTool::Off {
            self.line_tool = LineTool::Off;
        } else if self.saved.selected_region.is_some() {
            self.saved.selected_region = None;
        } else if self.frozen {
            self.frozen = false;
        } else if self.saved.profile.is_some() {
            self.saved.profile = None;
        } else {
            self.saved.mark = None;
        }
    }

    fn copy(&self, action: Action, pixel: [f64; 2], cx: &mut PanelContext<'_>) {
        let Some(shown) = &self.load.shown else { return };
        // A frozen read-out is what is copied by the key: it is what the user looks at.
        let place = match &self.place {
            Some(place) if self.frozen && action == Action::CopyAll => place.clone(),
            _ => Place::of(pixel, shown),
        };
        let text = match action {
            Action::CopyValue => place.value_text(),
            Action::CopyCoordinates => Some(place.coordinates_text()),
            _ => Some(place.whole_text()),
        };
        match text {
            Some(text) => {
                cx.send(Command::Notice(Severity::Info, format!("Copied {text}")));
                cx.send(Command::Copy(text));
            }
            None => cx.send(Command::Notice(Severity::Warning, "No pixel here: nothing was copied".into())),
        }
    }

    fn draw_line(&mut self, ui: &Ui, response: &ImageResponse) {
        let image = &response.response;
        let at = |pointer: egui::Pos2| response.camera.pixel_from_screen(response.view, pointer);
        if self.line_tool == LineTool::Armed
            && image.drag_started_by(PointerButton::Primary)
            && let Some(origin) = ui.input(|i| i.pointer.press_origin()).or(image.interact_pointer_pos())
        {
            self.line_tool = LineTool::From(at(origin));
        }
        let LineTool::From(from) = self.line_tool else { return };
        if let Some(pointer) = image.interact_pointer_pos() {
            self.saved.profile = Some(Profile::Line { ends: [from, at(pointer)] });
        }
        if !image.dragged_by(PointerButton::Primary) {
            self.line_tool = LineTool::Off;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ACTIONS, MENU};

    #[test]
    fn no_key_and_no_entry_stands_twice() {
        for (i, (listed, _)) in ACTIONS.iter().enumerate() {
            assert!(
                listed.key.is_none() || ACTIONS[..i].iter().all(|(other, _)| other.key != listed.key),
                "{listed:?}"
            );
            assert!(ACTIONS[..i].iter().all(|(other, _)| other.name != listed.name), "{listed:?}");
        }
        for (i, (text, _)) in MENU.iter().enumerate() {
            assert!(MENU[..i].iter().all(|(other, _)| other != text), "{text}");
        }
    }
}
