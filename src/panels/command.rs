//! Everything a user can do that reaches beyond one panel, as one value.
//!
//! Menus, shortcuts and the command list are made from [`Command::listed`]; panels send commands too, and the window carries them out in one place.

use std::path::PathBuf;

use super::links::SliceStep;

use egui::{Key, KeyboardShortcut, Modifiers};

/// Something to be carried out by the window.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Ask for a path and open it.
    Open,
    /// Open a file, a run folder, a session, or a picture that carries a record.
    OpenPath(PathBuf),
    /// Show an HDU of an opened file.
    ShowImage {
        /// The file.
        path: PathBuf,
        /// Index of the HDU.
        hdu: usize,
    },
    /// A step through the planes of a cube: of the focused view, or of the one under the pointer.
    Slice(SliceStep),
    /// Show the other image of a comparison; opens one if there is none.
    Blink,
    /// Show two image views beside each other, linked: these, or the focused one and another.
    SideBySide(Option<[u64; 2]>),
    /// Show the rows of a table.
    ShowTable {
        /// The file.
        path: PathBuf,
        /// Index of the HDU; 0 for a text table.
        hdu: usize,
    },
    /// Show the cards of an HDU.
    ShowHeader {
        /// The file.
        path: PathBuf,
        /// Index of the HDU.
        hdu: usize,
    },
    /// Open a view of a registered kind, or focus the one that is open.
    OpenPanel(&'static str),
    /// Open a study and start its demo.
    Demo(&'static str),
    /// Open a study and bring it to its finished example.
    Example(&'static str),
    /// Forget an opened file or run.
    Forget(PathBuf),
    /// Close the focused view.
    CloseView,
    /// Make a second view like the focused one.
    DuplicateView,
    /// Focus the next view.
    NextView,
    /// Focus the view before.
    PreviousView,
    /// Bring a view to the front.
    FocusView(u64),
    /// Let a view do one of its own actions (see [`PanelAction`]).
    Act(u64, &'static str),
    /// Save the session where it was saved before, or ask.
    SaveSession,
    /// Ask where to save the session.
    SaveSessionAs,
    /// Read the opened files again that have changed.
    Reload,
    /// Forget the list of recent files.
    ClearRecent,
    /// Ask where a file is that is gone, and use the answer everywhere.
    Locate(PathBuf),
    /// Take back the last step.
    Undo,
    /// Do the step again that was taken back last.
    Redo,
    /// Save the whole window as a picture.
    SavePicture,
    /// Save the focused view as a picture, or its data, after asking what and where.
    SaveView,
    /// [`Command::SaveView`] with one of the view's products chosen, by its title.
    SaveViewAs(String),
    /// Open a new view of a registered kind with a saved state.
    NewView(&'static str, Box<serde_json::Value>),
    /// Put a script that shows the focused view with astropy and matplotlib on the clipboard.
    CopyPython,
    /// Put the command line that brings the focused view up again on the clipboard.
    CopyCommandLine,
    /// Dark or light.
    ToggleTheme,
    /// Show or hide the data tree.
    ToggleData,
    /// Show or hide the inspector.
    ToggleInspector,
    /// Show or hide the jobs.
    ToggleJobs,
    /// Larger text and widgets.
    ZoomIn,
    /// Smaller text and widgets.
    ZoomOut,
    /// Normal size.
    ZoomReset,
    /// Search commands, views, studies and recent files.
    Palette,
    /// Show the settings.
    Settings,
    /// Show the messages so far.
    Notices,
    /// Let go of memory that can be had again.
    FreeMemory,
    /// The whole screen, or a window.
    FullScreen,
    /// Show the list of commands and keys.
    Shortcuts,
    /// Show what this program is.
    About,
    /// Put text on the clipboard.
    Copy(String),
    /// Say something to the user.
    Notice(Severity, String),
    /// Leave.
    Quit,
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something was done.
    Info,
    /// Something needs attention.
    Warning,
    /// Something could not be done.
    Error,
}

/// A command in menus and in the list of keys.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Menu that holds it.
    pub menu: &'static str,
    /// Text; `…` when it asks for more.
    pub text: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// Keys.
    pub shortcut: Option<KeyboardShortcut>,
    /// Other keys for the same.
    pub also: Vec<KeyboardShortcut>,
    /// What it does.
    pub command: Command,
}

impl Listed {
    /// Every key of it.
    pub fn keys(&self) -> impl Iterator<Item = KeyboardShortcut> {
        self.shortcut.into_iter().chain(self.also.iter().copied())
    }
}

/// Something that a panel does by itself. It stands in the palette and on the sheet of keys while its view has the focus, and its key acts then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PanelAction {
    /// Name by which [`Panel::act`](super::Panel::act) is asked for it.
    pub name: &'static str,
    /// Text.
    pub text: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// Key; a plain letter acts only while no text is typed.
    pub key: Option<KeyboardShortcut>,
    /// The panel takes the key itself, for what is under the pointer: palette and sheet only show it.
    pub at_pointer: bool,
}

/// What the pointer does on an image, for the sheet of keys: gesture and help.
pub const IMAGE_GESTURES: [(&str, &str); 5] = [
    ("Wheel", "Zoom the image at the pointer"),
    ("Left drag", "Move the image"),
    ("Right drag", "Bias (across) and contrast (up and down); double right-click resets"),
    ("Double-click, 0", "Fit the image into its view"),
    ("1", "One image pixel on one screen pixel"),
];

impl Command {
    /// Every command that stands in a menu, in menu order.
    pub fn listed() -> Vec<Listed> {
        let ctrl = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND, key));
        let key = |key| Some(KeyboardShortcut::new(Modifiers::NONE, key));
        let shifted = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND | Modifiers::SHIFT, key));
        let item =
            |menu, text, help, shortcut, command| Listed { menu, text, help, shortcut, also: Vec::new(), command };
        let mut listed = vec![
            item(
                "File",
                "Open…",
                "Open a FITS file, a run folder, a session or a picture with a record",
                ctrl(Key::O),
                Self::Open,
            ),
            item(
                "File",
                "Save session…",
                "Keep the layout, the opened files and every setting",
                ctrl(Key::S),
                Self::SaveSession,
            ),
            item(
                "File",
                "Save session as…",
                "Keep the session under another name",
                shifted(Key::S),
                Self::SaveSessionAs,
            ),
            item("File", "Reload", "Read the opened files again that have changed", key(Key::F5), Self::Reload),
            item("File", "Save picture…", "Save the window as a PNG", ctrl(Key::E), Self::SavePicture),
            item(
                "File",
                "Save view…",
                "Save the focused view as PNG or SVG, or its data as FITS or ECSV",
                Some(KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::E)),
                Self::SaveView,
            ),
            item(
                "File",
                "Copy as Python",
                "A short script that shows the focused view with astropy and matplotlib",
                Some(KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::Y)),
                Self::CopyPython,
            ),
            item(
                "File",
                "Copy command line",
                "The command line that brings the focused view up again",
                None,
                Self::CopyCommandLine,
            ),
            item("File", "Close view", "Close the focused view", ctrl(Key::W), Self::CloseView),
            item("File", "Settings…", "Text size, theme, threads, memory, runs", ctrl(Key::Comma), Self::Settings),
            item("File", "Quit", "Leave; asks first while jobs are running", ctrl(Key::Q), Self::Quit),
            item(
                "Edit",
                "Undo",
                "Take back the last change of a setting, a request or the layout",
                ctrl(Key::Z),
                Self::Undo,
            ),
            item("Edit", "Redo", "Do again what was taken back", shifted(Key::Z), Self::Redo),
            item(
                "View",
                "Duplicate view",
                "A second view of the same, to be set otherwise",
                shifted(Key::D),
                Self::DuplicateView,
            ),
            item("View", "Data", "Show or hide the data tree", key(Key::F2), Self::ToggleData),
            item("View", "Inspector", "Show or hide the inspector", key(Key::F3), Self::ToggleInspector),
            item("View", "Jobs", "Show or hide the jobs", key(Key::F4), Self::ToggleJobs),
            item("View", "Light or dark", "Switch the theme", ctrl(Key::L), Self::ToggleTheme),
            item(
                "View",
                "Next view",
                "Bring the next view to the front",
                Some(KeyboardShortcut::new(Modifiers::CTRL, Key::Tab)),
                Self::NextView,
            ),
            item(
                "View",
                "Previous view",
                "Bring the view before to the front",
                Some(KeyboardShortcut::new(Modifiers::CTRL | Modifiers::SHIFT, Key::Tab)),
                Self::PreviousView,
            ),
            item("View", "Full screen", "Fill the screen, or give it back", key(Key::F11), Self::FullScreen),
            item("View", "Notices", "The messages so far", key(Key::F8), Self::Notices),
            item("View", "Free memory", "Let go of pixels and answers that can be had again", None, Self::FreeMemory),
            item("View", "Larger", "Larger text and widgets", ctrl(Key::Plus), Self::ZoomIn),
            item("View", "Smaller", "Smaller text and widgets", ctrl(Key::Minus), Self::ZoomOut),
            item("View", "Normal size", "Text and widgets at their normal size", ctrl(Key::Num0), Self::ZoomReset),
            item("View", "Compare…", "Blink two images, or show their difference", None, Self::OpenPanel("compare")),
            item("View", "Blink", "Show the other image of a comparison", key(Key::B), Self::Blink),
            item(
                "View",
                "Side by side",
                "Two images beside each other, with linked centre, scale, pointer and plane",
                None,
                Self::SideBySide(None),
            ),
            item("Cube", "Next plane", "The next plane", key(Key::Plus), Self::Slice(SliceStep::Next)),
            item("Cube", "Previous plane", "The plane before", key(Key::Minus), Self::Slice(SliceStep::Previous)),
            item("Cube", "First plane", "The first plane", key(Key::Home), Self::Slice(SliceStep::First)),
            item("Cube", "Last plane", "The last plane", key(Key::End), Self::Slice(SliceStep::Last)),
            item("Cube", "Play or stop", "The planes as a movie", key(Key::Space), Self::Slice(SliceStep::Play)),
            item(
                "Help",
                "Find a command…",
                "Search commands, views, studies and recent files",
                ctrl(Key::K),
                Self::Palette,
            ),
            item("Help", "Keys and commands", "Every command with its keys", key(Key::F1), Self::Shortcuts),
            item("Help", "About Sextans", "What this program is", None, Self::About),
        ];
        // Second keys, for the habits of other programs.
        for item in &mut listed {
            item.also = match item.command {
                Self::Palette => vec![KeyboardShortcut::new(Modifiers::COMMAND, Key::P)],
                Self::Redo => vec![KeyboardShortcut::new(Modifiers::COMMAND, Key::Y)],
                Self::Shortcuts => vec![KeyboardShortcut::new(Modifiers::NONE, Key::Questionmark)],
                // The key with the plus on it, without Shift.
                Self::Slice(SliceStep::Next) => vec![
                    KeyboardShortcut::new(Modifiers::CTRL, Key::ArrowUp),
                    KeyboardShortcut::new(Modifiers::NONE, Key::Equals),
                ],
                Self::Slice(SliceStep::Previous) => vec![KeyboardShortcut::new(Modifiers::CTRL, Key::ArrowDown)],
                _ => Vec::new(),
            };
        }
        listed
    }
}
