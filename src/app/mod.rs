//! The window: shell, docking, commands, session, theme, notices.
//!
//! [`Workbench`] is the same under eframe ([`open_window`]), in tests, and in [`headless`] rendering:
//! all three call [`Workbench::logic`] and [`Workbench::ui`], nothing else.

mod browser;
mod browsing;
mod data_tree;
mod dock;
mod drops;
mod fuzzy;
mod headless;
mod identify;
mod jobs_view;
mod keeping;
mod leaving;
mod library_view;
mod logic;
mod memory;
mod notices;
mod opening;
mod palette;
mod placeholders;
mod recent;
mod save_view;
mod session;
mod settings;
mod settings_view;
mod sheet;
pub mod theme;
mod ui;
mod undo;
mod views;
mod welcome;
mod window;

pub use headless::{RenderOptions, render_image};
pub use notices::Notices;
pub use recent::Recent;
pub use session::{SESSION_VERSION, Session, SessionError, ViewRecord};
pub use settings::{Settings, UserFolders};
pub use theme::ThemeChoice;
pub use window::{WindowOptions, open_window};

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::Store;
use crate::panels::{Command, Links, Panel, Services};
use crate::runs::Library;
use crate::workers::{Jobs, Queries, Wake};

/// Number of a view in the layout.
pub type ViewId = u64;

/// One open view: what it is and its panel.
struct View {
    kind: &'static str,
    panel: Box<dyn Panel>,
}

impl View {
    fn new(entry: &crate::panels::PanelEntry, state: &serde_json::Value) -> Self {
        Self { kind: entry.kind, panel: (entry.make)(state) }
    }
}

/// A dialog that is open.
#[derive(Clone, Debug, PartialEq)]
enum Dialog {
    /// Whether a run is really to be deleted.
    DeleteRun(PathBuf),
    /// Commands and keys, with what is searched.
    Shortcuts(String),
    /// The settings.
    Settings(settings_view::Draft),
    /// The messages so far.
    Notices,
    /// Whether to leave while jobs run.
    Quit,
    /// What this program is.
    About,
}

/// Something opened, as the data tree shows it.
#[derive(Clone, Debug)]
enum Opened {
    /// A file being read.
    Waiting,
    /// A FITS file in the store.
    File(crate::data::DataId),
    /// A table in a text file.
    Table,
    /// A run folder.
    Run(PathBuf, Arc<crate::runs::Record>),
    /// A picture that carries the record of a run.
    Request(Arc<crate::runs::Record>),
    /// It could not be opened.
    Failed(String),
}

/// The whole window, without the window.
pub struct Workbench {
    services: Services,
    theme: ThemeChoice,
    applied_theme: Option<ThemeChoice>,
    zoom: f32,
    show_data: bool,
    show_inspector: bool,
    show_jobs: bool,
    /// Paths that the user asked to see, shown once they are read.
    to_show: Vec<PathBuf>,
    /// Region files that wait for an image to be drawn over.
    to_draw: Vec<(PathBuf, Arc<crate::data::regions::RegionFile>)>,
    /// Opened paths in order; what they turned out to be.
    opened: Vec<(PathBuf, Opened)>,
    /// HDUs of opened files that hold spectra by themselves.
    spectra: BTreeMap<PathBuf, Vec<usize>>,
    views: BTreeMap<ViewId, View>,
    tree: egui_tiles::Tree<ViewId>,
    next_view: ViewId,
    links: Links,
    focused: Option<ViewId>,
    dialog: Option<Dialog>,
    notices: Notices,
    commands: VecDeque<Command>,
    /// The dialog that saves a view, and what is being written.
    saving: save_view::Saving,
    session_path: Option<PathBuf>,
    /// How often a path was opened: part of the key under which it is read.
    openings: u64,
    /// The window's own runs as last listed; the version grows when they may have changed.
    library: library_view::Held,
    library_version: u64,
    /// Jobs that had not ended in the last frame.
    open_jobs: Vec<u64>,
    /// The view whose turn ended a frame's budget.
    last_served: Option<ViewId>,
    /// What the user has set; and where that is kept, in the real window.
    settings: Settings,
    folders: Option<UserFolders>,
    /// Where runs go unless the settings name a folder.
    default_runs: Library,
    /// Memory of the machine in bytes.
    machine_bytes: u64,
    /// Threads that the command line wants.
    threads_now: Option<usize>,
    recent: Recent,
    /// Paths being opened by the user, with what stood there before.
    new_paths: BTreeMap<PathBuf, Option<Opened>>,
    /// Why something could not be opened.
    failures: Vec<String>,
    history: undo::History,
    palette: Option<palette::Palette>,
    browser: Option<browser::Browser>,
    /// Folder of the last answer of the browser.
    browsed_folder: Option<PathBuf>,
    writes: Vec<keeping::Write>,
    written: Arc<keeping::Written>,
    write_number: u64,
    watch: opening::Watch,
    missing: placeholders::Missing,
    /// Files hang over the window; and how often they have.
    hovering: bool,
    hover_number: u64,
    /// The listing of the library that first deletes runs started before this time.
    cleaning: Option<(u64, String)>,
    /// Set by [`Command::Quit`] and read by the shell.
    pub quit: bool,
    /// Set by [`Command::SavePicture`]: the shell takes a screenshot and clears it.
    pub picture_wanted: Option<PathBuf>,
}

impl Workbench {
    /// An empty window. `wake` is called from worker threads when there is something new to draw; `library` is where runs go.
    ///
    /// # Errors
    /// The system gives no thread for the queries.
    pub fn new(wake: Wake, library: Library) -> Result<Self, String> {
        let machine_bytes = crate::workers::machine::memory().map_or(2 << 30, |m| m.total);
        let queries = Queries::new(1 << 28, 2).map_err(|e| format!("no thread could be started: {e}"))?;
        let default_runs = library.clone();
        let services = Services {
            store: Arc::new(Store::new(1 << 28)),
            jobs: Arc::new(Jobs::new()),
            queries: Arc::new(queries),
            library,
            wake,
        };
        let mut workbench = Self {
            services,
            theme: ThemeChoice::Dark,
            applied_theme: None,
            zoom: 1.0,
            show_data: true,
            show_inspector: true,
            show_jobs: false,
            to_show: Vec::new(),
            to_draw: Vec::new(),
            opened: Vec::new(),
            spectra: BTreeMap::new(),
            views: BTreeMap::new(),
            tree: egui_tiles::Tree::empty(egui::Id::unique("views")),
            next_view: 1,
            links: Links::default(),
            focused: None,
            dialog: None,
            notices: Notices::default(),
            commands: VecDeque::new(),
            saving: save_view::Saving::default(),
            session_path: None,
            openings: 0,
            library: None,
            library_version: 0,
            open_jobs: Vec::new(),
            last_served: None,
            settings: Settings::default(),
            folders: None,
            default_runs,
            machine_bytes,
            threads_now: None,
            recent: Recent::default(),
            new_paths: BTreeMap::new(),
            failures: Vec::new(),
            history: undo::History::default(),
            palette: None,
            browser: None,
            browsed_folder: None,
            writes: Vec::new(),
            written: Arc::default(),
            write_number: 0,
            watch: opening::Watch::default(),
            missing: placeholders::Missing::default(),
            hovering: false,
            hover_number: 0,
            cleaning: None,
            quit: false,
            picture_wanted: None,
        };
        workbench.apply_settings();
        Ok(workbench)
    }

    /// A window of a user: with their settings and recent files, which it reads now and keeps from then on.
    ///
    /// # Errors
    /// See [`Workbench::new`].
    pub fn of_user(wake: Wake, folders: UserFolders) -> Result<Self, String> {
        let mut workbench = Self::new(wake, folders.runs.clone())?;
        workbench.adopt(folders);
        Ok(workbench)
    }

    /// Queues a command, as a menu would.
    pub fn send(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    /// Switches the theme.
    pub fn set_theme(&mut self, theme: ThemeChoice) {
        self.theme = theme;
    }

    /// The services, for tests that look at jobs and data.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// What the views know of each other, for tests that ask where the pointer is.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Messages so far.
    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    /// Why things that were to be opened could not be.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Files, runs and sessions opened lately.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// What undo and redo would do now, in a few words.
    pub fn undo_names(&self) -> [Option<String>; 2] {
        self.history.names().map(|name| name.map(str::to_owned))
    }

    /// True while a dialog is open that keys belong to.
    fn is_modal(&self) -> bool {
        self.browser.is_some()
            || self.palette.is_some()
            || matches!(self.dialog, Some(Dialog::Quit | Dialog::DeleteRun(_)))
    }

    /// True while a job or query is running that will change the picture.
    pub fn busy(&self) -> bool {
        !self.commands.is_empty()
            || !self.to_draw.is_empty()
            || self.opened.iter().any(|(_, o)| matches!(o, Opened::Waiting))
            || !self.writes.is_empty()
            || self.watch.waiting()
            || self.missing.waiting()
            || self.browser.as_ref().is_some_and(browser::Browser::waiting)
            || self.saving.busy()
            || self.views.values().any(|v| v.panel.busy())
    }

    /// Everything worth saving.
    pub fn session(&self) -> Session {
        Session {
            version: SESSION_VERSION,
            theme: self.theme,
            zoom: self.zoom,
            show_data: self.show_data,
            show_inspector: self.show_inspector,
            show_jobs: self.show_jobs,
            paths: self.opened.iter().map(|(p, _)| p.clone()).collect(),
            views: self
                .views
                .iter()
                .map(|(id, v)| ViewRecord { id: *id, kind: v.kind.to_owned(), state: v.panel.save() })
                .collect(),
            layout: serde_json::to_value(&self.tree).unwrap_or_default(),
            focused: self.focused,
        }
    }

    /// Puts a saved session up, in place of everything that is open. Files that are gone stay in the tree with the reason.
    pub fn restore(&mut self, session: &Session) {
        let mut session = session.clone();
        session.renumber(self.next_view);
        self.close_all();
        self.theme = session.theme;
        self.zoom = if session.zoom.is_finite() { session.zoom.clamp(0.5, 3.0) } else { 1.0 };
        self.show_data = session.show_data;
        self.show_inspector = session.show_inspector;
        self.show_jobs = session.show_jobs;
        for path in &session.paths {
            self.remember(path);
        }
        for record in &session.views {
            match crate::panels::entry(&record.kind) {
                Some(entry) => {
                    self.views.insert(record.id, View::new(entry, &record.state));
                }
                None => self.notices.push(
                    crate::panels::Severity::Warning,
                    format!(
                        "the session has a view of kind {:?}, which this program does not know; it is left out",
                        record.kind
                    ),
                ),
            }
        }
        // Grows only: what was asked under the number of a view that is gone is never taken for another one's answer.
        self.next_view = self.views.keys().last().map_or(self.next_view, |id| self.next_view.max(id + 1));
        self.focused = session.focused.filter(|id| self.views.contains_key(id));
        self.restore_layout(&session.layout);
        self.history.begin_anew();
    }

    /// Closes every view and every file.
    fn close_all(&mut self) {
        let ids: Vec<ViewId> = self.views.keys().copied().collect();
        for id in ids {
            self.drop_view(id);
        }
        // How often a table was read stays: the answers to those questions are still remembered.
        let readings = std::mem::take(&mut self.links.readings);
        self.links = Links::default();
        self.links.readings = readings;
        for (path, _) in std::mem::take(&mut self.opened) {
            if let Some(id) = self.services.store.id_of(&path) {
                self.services.store.remove(id);
            }
        }
        self.spectra.clear();
        self.to_show.clear();
        self.new_paths.clear();
        // The same path is another entry of the store from now on.
        self.openings += 1;
    }

    /// Puts a path into the data tree; it is read in the background.
    fn remember(&mut self, path: &Path) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if !self.opened.iter().any(|(p, _)| *p == path) {
            self.opened.push((path, Opened::Waiting));
        }
    }
}
