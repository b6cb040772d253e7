//! A field for a path with a button that asks for one. It hands a path on when it is complete, not at every letter.
//!
//! The button leaves a [`PathRequest`] in egui's memory, the window takes it, shows its file browser, and leaves the answer
//! there under the name of the field: so no panel needs to know the window, and the answer waits for a panel that is hidden meanwhile.

use std::path::{Path, PathBuf};

use egui::{Context, Id, TextEdit, Ui};

/// A field that asks for a path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathRequest {
    /// The field; the answer goes to [`path_answer`] under this.
    pub field: Option<Id>,
    /// What is asked for, e.g. `Noise map`.
    pub title: String,
    /// What the field holds now.
    pub now: PathBuf,
}

fn request_id() -> Id {
    Id::unique("path request")
}

/// The request that a field has left since the last call.
pub fn take_path_request(ctx: &Context) -> Option<PathRequest> {
    ctx.data_mut(|d| d.remove_temp::<PathRequest>(request_id()))
}

/// Gives a field its answer.
pub fn path_answer(ctx: &Context, field: Id, path: &Path) {
    ctx.data_mut(|d| d.insert_temp(field, path.to_owned()));
    ctx.request_repaint();
}

/// Draws the field, named by the label with the id `label`, and its button; true when there is another path.
/// `name` tells the fields of one panel apart and is the title of the browser.
pub fn path_field_ui(ui: &mut Ui, label: Id, name: &str, width: f32, path: &mut String) -> bool {
    let id = ui.make_persistent_id(("path field", name));
    let draft_id = id.with("draft");
    let mut changed = false;
    if let Some(answer) = ui.data_mut(|d| d.remove_temp::<PathBuf>(id)) {
        ui.data_mut(|d| d.remove_temp::<String>(draft_id));
        *path = answer.display().to_string();
        changed = true;
    }
    let mut text = ui.data(|d| d.get_temp::<String>(draft_id)).unwrap_or_else(|| path.clone());
    let field = ui
        .add(TextEdit::singleline(&mut text).desired_width(width).hint_text("path"))
        .labelled_by(label)
        .on_hover_text("Enter takes the path over");
    if field.changed() {
        ui.data_mut(|d| d.insert_temp(draft_id, text.clone()));
    }
    if field.lost_focus() {
        ui.data_mut(|d| d.remove_temp::<String>(draft_id));
        if text.trim() != path.trim() {
            text.trim().clone_into(path);
            changed = true;
        }
    }
    let button = ui.button("Browse…").on_hover_text("Choose the file");
    // Several fields stand together: their buttons are told apart by name.
    button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Browse for {name}")));
    if button.clicked() {
        let request = PathRequest { field: Some(id), title: name.to_owned(), now: PathBuf::from(path.trim()) };
        ui.data_mut(|d| d.insert_temp(request_id(), request));
    }
    changed
}
