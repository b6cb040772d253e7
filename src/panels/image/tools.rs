//! What the user does on the image: keys, the menu of the right button, drawing a line.

use egui::{Key, Modifiers, PointerButton, Ui};

use super::ImagePanel;
use super::go_to::GoTo;
use super::profiles::Profile;
use super::read_out::Place;
use crate::panels::{Command, PanelContext, Severity};
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
}

/// Keys over the image. They stand in the list of keys too.
const KEYS: [(Key, Action); 6] = [
    (Key::F, Action::Freeze),
    (Key::G, Action::Grid),
    (Key::C, Action::CopyAll),
    (Key::L, Action::Line),
    (Key::R, Action::Radial),
    (Key::Escape, Action::Escape),
];

/// The keys of an image view in words, for the list of keys: key, and what it does to the view under the pointer.
pub const IMAGE_KEYS: [(&str, &str); 8] = [
    ("0, double-click", "Fit the image into its view"),
    ("1", "One image pixel on one screen pixel"),
    ("F", "Freeze the read-out, or let it follow again"),
    ("C", "Copy value and coordinates"),
    ("G", "Grid of sky coordinates"),
    ("L", "Line profile: drag a line over the image"),
    ("R", "Radial profile around the pointer"),
    ("Esc", "Put the tool down, close the profile, remove the mark"),
];

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
            for (key, action) in KEYS {
                if ui.input_mut(|input| input.consume_key(Modifiers::NONE, key)) {
                    self.act(action, here, cx);
                }
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
            self.act(action, at, cx);
        }
        self.draw_line(ui, response);
    }

    /// Arms the line, or puts it down again.
    pub(super) fn toggle_line(&mut self) {
        self.line_tool = if self.line_tool == LineTool::Off { LineTool::Armed } else { LineTool::Off };
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

    fn act(&mut self, action: Action, pixel: [f64; 2], cx: &mut PanelContext<'_>) {
        match action {
            Action::Freeze => self.toggle_frozen(),
            Action::Grid => self.saved.grid = !self.saved.grid,
            Action::Center => self.saved.camera.center_on(pixel),
            Action::GoTo => self.go_to = Some(GoTo::open()),
            Action::Line => self.toggle_line(),
            Action::Radial => self.open_radial(pixel),
            Action::Escape => self.escape(),
            Action::CopyAll | Action::CopyValue | Action::CopyCoordinates => self.copy(action, pixel, cx),
        }
    }

    /// Leaves the innermost thing that is open.
    fn escape(&mut self) {
        if self.line_tool != LineTool::Off {
            self.line_tool = LineTool::Off;
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
    use super::{IMAGE_KEYS, KEYS, MENU};

    #[test]
    fn every_key_is_told() {
        for (key, action) in KEYS {
            let name = if key == egui::Key::Escape { "Esc" } else { key.name() };
            assert!(IMAGE_KEYS.iter().any(|(told, _)| *told == name), "{key:?} {action:?}");
        }
    }

    #[test]
    fn no_key_and_no_entry_stands_twice() {
        for (i, (key, _)) in KEYS.iter().enumerate() {
            assert!(KEYS[..i].iter().all(|(other, _)| other != key), "{key:?}");
        }
        for (i, (text, _)) in MENU.iter().enumerate() {
            assert!(MENU[..i].iter().all(|(other, _)| other != text), "{text}");
        }
    }
}
