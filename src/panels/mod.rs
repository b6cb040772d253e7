//! What fills the window: one file or folder a panel, all of them listed in [`PANELS`].
//!
//! A panel draws ([`Panel::ui`]), takes results ([`Panel::logic`], also when it is hidden) and says what of it is worth saving.
//! It holds ids and handles, never the window; what reaches beyond it goes out as a [`Command`].

mod command;
mod compare;
pub mod derived;
mod display;
mod header;
mod image;
mod inspector;
mod lens_reconstruction;
mod line_ratios;
pub mod links;
pub mod maps;
mod path_field;
pub mod product;
mod saved_state;
mod series;
mod spectrum;
mod study;
mod table;
pub mod world;

pub use command::{Command, IMAGE_GESTURES, Listed, PanelAction, Severity};
pub use display::display_ui;
pub use inspector::{edit_request, forget_drafts};
pub use links::{Catalogue, Cursor, ImageNote, Links, RowSelection, SliceStep};
pub use path_field::{PathRequest, path_answer, path_field_ui, take_path_request};
pub use product::Product;
pub use series::series_ui;
pub use study::{HOOKS, Step, panel_picture};
pub use table::is_text_table;

use std::sync::Arc;

use serde_json::Value;

use crate::data::Store;
use crate::plots::picture::Picture;
use crate::runs::{Library, Record};
use crate::tasks::AnyOutcome;
use crate::workers::{Jobs, Queries, Slot, Wake};

/// What every panel may use: the services of the house.
#[derive(Clone)]
pub struct Services {
    /// Opened files and results.
    pub store: Arc<Store>,
    /// Fits, simulations, training.
    pub jobs: Arc<Jobs>,
    /// Everything that computes for a picture.
    pub queries: Arc<Queries>,
    /// Where the window's runs go.
    pub library: Library,
    /// Asks the window for a repaint.
    pub wake: Wake,
}

/// What a panel gets for one frame.
pub struct PanelContext<'a> {
    /// Number of the view in the window: two views of one kind ask under different names.
    pub view: u64,
    /// The services.
    pub services: &'a Services,
    /// Commands to the window.
    pub commands: &'a mut Vec<Command>,
    /// What the views know of each other.
    pub links: &'a mut Links,
}

impl PanelContext<'_> {
    /// Sends a command.
    pub fn send(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Name of a question of this view.
    pub fn slot(&self, name: &str) -> Slot {
        Slot::of(&(self.view, name))
    }

    /// Tells the user that something could not be done.
    pub fn error(&mut self, text: impl Into<String>) {
        self.send(Command::Notice(Severity::Error, text.into()));
    }
}

/// One view.
pub trait Panel {
    /// Title of its tab.
    fn title(&self) -> String;

    /// Takes results and starts work; called every frame, also when the panel is hidden. Never blocks.
    fn logic(&mut self, cx: &mut PanelContext<'_>);

    /// Draws it.
    fn ui(&mut self, ui: &mut egui::Ui, cx: &mut PanelContext<'_>);

    /// Draws its settings, in the inspector.
    fn inspector_ui(&mut self, ui: &mut egui::Ui, cx: &mut PanelContext<'_>);

    /// What is worth saving in a session.
    fn save(&self) -> Value;

    /// Top-level names of [`Panel::save`] that undo leaves alone: pan, zoom, cursor, slice, and what jobs bring.
    fn passing(&self) -> &'static [&'static str] {
        &["camera", "plane", "cursor"]
    }

    /// Takes over a saved state and keeps what it has loaded and what is running. False when the state needs a new panel
    /// (another file, say): the window then makes one from it.
    fn restore(&mut self, _state: &Value) -> bool {
        false
    }

    /// What it does by itself on a key, for palette and sheet.
    fn actions(&self) -> &'static [PanelAction] {
        &[]
    }

    /// Does one of its [`Panel::actions`].
    fn act(&mut self, _name: &str, _cx: &mut PanelContext<'_>) {}

    /// Opens a run folder; false when the run is not of this kind.
    fn open(&mut self, _folder: &std::path::Path, _record: &Record, _cx: &mut PanelContext<'_>) -> bool {
        false
    }

    /// Takes over the request of a run whose folder is not at hand; false when the run is not of this kind.
    fn open_request(&mut self, _record: &Record, _cx: &mut PanelContext<'_>) -> bool {
        false
    }

    /// Called once when its view is closed: forgets what it asked.
    fn close(&mut self, _cx: &mut PanelContext<'_>) {}

    /// True while it waits for something that will change the picture: `render` and tests step on until it is false.
    fn busy(&self) -> bool {
        false
    }

    /// Data of it that can be written to files; the work is done on a thread of its own, once one is chosen.
    fn products(&self, _services: &Services) -> Vec<Product> {
        Vec::new()
    }

    /// A short script with astropy and matplotlib that shows the same; `None` where there is nothing to show.
    fn python(&self, _services: &Services) -> Option<String> {
        None
    }

    /// Command lines that bring it up again, or repeat its run.
    fn command_lines(&self) -> Vec<String> {
        Vec::new()
    }

    /// The record of the run that it shows, as JSON: it is written into pictures of it.
    fn record(&self) -> Option<String> {
        None
    }

    /// Starts its main job on demo data.
    fn start_demo(&mut self, _cx: &mut PanelContext<'_>) {}

    /// Brings the panel to the state that its picture in the documentation shows (a finished example).
    fn show_example(&mut self, _cx: &mut PanelContext<'_>) {}
}

/// A kind of panel.
pub struct PanelEntry {
    /// Name in sessions and on the command line.
    pub kind: &'static str,
    /// Title in menus.
    pub title: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// True for the ten studies, which stand in the data tree.
    pub study: bool,
    /// A panel from its saved state, or from `Null`.
    pub make: fn(&Value) -> Box<dyn Panel>,
    /// The finished panel of a run of its study, for `panel.png`.
    pub picture: Option<fn(&Record, &AnyOutcome) -> Option<Picture>>,
}

/// Every kind of panel.
pub const PANELS: &[PanelEntry] = &[
    image::ENTRY,
    spectrum::ENTRY,
    compare::ENTRY,
    table::ENTRY,
    header::ENTRY,
    lens_reconstruction::ENTRY,
    line_ratios::ENTRY,
];

/// The entry of a kind.
pub fn entry(kind: &str) -> Option<&'static PanelEntry> {
    PANELS.iter().find(|p| p.kind == kind)
}

/// Lines that open a file in the window, and draw it without one.
pub(crate) fn file_command_lines(path: &std::path::Path) -> Vec<String> {
    if path.as_os_str().is_empty() {
        return Vec::new();
    }
    let file = product::shell_quoted(&path.display().to_string());
    vec![format!("sextans {file}"), format!("sextans render --open {file} view.png")]
}
