//! The file browser: opens, saves, picks files for a field of a panel, finds lost ones. Folders and headers are read in queries.
//!
//! Keys: arrows, Home, End and letters move in the list, Enter opens, Backspace goes up; `/` and `~` begin a typed path, in which Tab completes.

mod keys;
mod listing;
mod preview;
mod view;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::listing::{Filter, Item, Listing, Order};
use super::settings::home_folder;
use crate::panels::Services;
use crate::workers::{Answer, Key, Slot};

/// Where the numbers of the next browser's questions begin.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// What the chosen path is for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Purpose {
    /// Open files, runs, sessions, pictures with a record.
    Open,
    /// Save the session.
    SaveSession,
    /// Save a picture of the window.
    SavePicture,
    /// The field of a panel.
    Field(egui::Id),
    /// A file that is gone.
    Locate(PathBuf),
    /// Where the window's runs go.
    RunsFolder,
}

/// What may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Something that exists; several with `many`.
    Open { many: bool },
    /// A new name; the extension is added where it is missing.
    Save { extension: &'static str },
    /// A folder.
    Folder,
}

/// How the browser ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ending {
    /// These were chosen.
    Chosen(Vec<PathBuf>),
    /// Nothing was.
    Closed,
}

/// What a typed path turned out to be.
#[derive(Clone, Debug, PartialEq)]
enum Found {
    Folder,
    Run,
    File,
    Nothing,
}

impl crate::workers::Weigh for Found {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// The browser while it is open.
pub(super) struct Browser {
    /// What for.
    pub(super) purpose: Purpose,
    title: String,
    mode: Mode,
    folder: PathBuf,
    /// The path field, or the name of the file to be saved.
    typed: String,
    filter: Filter,
    hidden: bool,
    order: Order,
    /// Names chosen in the list.
    chosen: BTreeSet<String>,
    /// The row with the cursor, and the one from which Shift extends.
    cursor: Option<usize>,
    anchor: usize,
    /// Letters typed to jump, and when.
    jump: (String, f64),
    /// HDU whose cards are shown.
    hdu: usize,
    listing: Option<Arc<Listing>>,
    rows: Arc<Vec<Item>>,
    /// Grows when the folder is to be read again.
    revision: u64,
    looks: u64,
    /// A path to be looked at before something is done with it.
    going: Option<PathBuf>,
    /// A file that would be overwritten.
    overwrite: Option<PathBuf>,
    problem: Option<String>,
    /// What Tab makes of the typed path.
    completion: Option<String>,
    places: Vec<(String, PathBuf)>,
    waiting: bool,
    /// What the list is to do in the next frame.
    scroll_to_cursor: bool,
    focus_list: bool,
    focus_path: bool,
}

impl Browser {
    /// A browser in `folder`; `places` are offered at its left, after the user's home.
    pub(super) fn new(
        purpose: Purpose,
        title: &str,
        mode: Mode,
        folder: PathBuf,
        name: &str,
        places: &[(String, PathBuf)],
    ) -> Self {
        let mut all = Vec::new();
        if let Some(home) = home_folder() {
            all.push(("Home".to_owned(), home));
        }
        if let Ok(here) = std::env::current_dir() {
            all.push(("Current folder".to_owned(), here));
        }
        if let Some(data) = std::env::var_os("SEXTANS_DATA") {
            all.push(("Data".to_owned(), data.into()));
        }
        for (text, path) in places {
            if !all.iter().any(|(_, known)| known == path) {
                all.push((text.clone(), path.clone()));
            }
        }
        let save = matches!(mode, Mode::Save { .. });
        // What an earlier browser has seen is not asked of memory: files come and go.
        let first = OPENED.fetch_add(1 << 32, Ordering::Relaxed);
        Self {
            purpose,
            title: title.to_owned(),
            mode,
            folder,
            typed: name.to_owned(),
            filter: Filter::All,
            hidden: false,
            order: Order::Name,
            chosen: BTreeSet::new(),
            cursor: None,
            anchor: 0,
            jump: (String::new(), 0.0),
            hdu: 0,
            listing: None,
            rows: Arc::default(),
            revision: first,
            looks: first,
            going: None,
            overwrite: None,
            problem: None,
            completion: None,
            places: all,
            waiting: false,
            scroll_to_cursor: false,
            focus_list: !save,
            focus_path: save,
        }
    }

    /// True while something is being read that will change the picture.
    pub(super) fn waiting(&self) -> bool {
        self.waiting || self.going.is_some()
    }

    /// Forgets what it asked.
    pub(super) fn close(services: &Services) {
        for name in ["folder", "rows", "look", "preview", "complete"] {
            services.queries.forget(slot(name));
        }
    }

    /// Takes what was read; the ending when a path that was typed or chosen is found good.
    pub(super) fn logic(&mut self, services: &Services) -> Option<Ending> {
        self.take_listing(services);
        self.take_rows(services);
        self.take_look(services)
    }

    fn take_listing(&mut self, services: &Services) {
        let (folder, or_above) = (self.folder.clone(), self.listing.is_none());
        let key = Key::of(&folder).and(&self.revision);
        let answer = services
            .queries
            .ask(slot("folder"), key, &services.wake, move |_| Ok(listing::read_folder(&folder, or_above)));
        self.waiting = matches!(answer, Answer::Pending { .. });
        if let Answer::Ready(listing) = answer
            && !self.listing.as_ref().is_some_and(|old| Arc::ptr_eq(old, &listing))
        {
            self.problem.clone_from(&listing.problem);
            self.folder.clone_from(&listing.folder);
            self.listing = Some(listing);
            self.rows = Arc::default();
            self.cursor = None;
            self.chosen.clear();
        }
    }

    fn take_look(&mut self, services: &Services) -> Option<Ending> {
        let path = self.going.clone()?;
        let work_path = path.clone();
        let key = Key::of(&path).and(&self.looks);
        let answer = services.queries.ask(slot("look"), key, &services.wake, move |_| Ok(look(&work_path)));
        let found = match answer {
            Answer::Pending { .. } => return None,
            Answer::Ready(found) => found.as_ref().clone(),
            Answer::Failed(_) => Found::Nothing,
        };
        self.going = None;
        // The next look at the same path looks again.
        self.looks += 1;
        match (self.mode, found) {
            (Mode::Open { .. }, Found::File | Found::Run) => return Some(Ending::Chosen(vec![path])),
            (Mode::Open { .. } | Mode::Folder, Found::Nothing) => {
                self.problem = Some(format!("{}: no such file or folder", path.display()));
            }
            (Mode::Folder, Found::File) => self.problem = Some(format!("{}: not a folder", path.display())),
            (_, Found::Folder | Found::Run) => self.enter(path),
            (Mode::Save { .. }, Found::File) => self.overwrite = Some(path),
            (Mode::Save { .. }, Found::Nothing) => return Some(Ending::Chosen(vec![path])),
        }
        None
    }

    /// Goes into a folder.
    fn enter(&mut self, folder: PathBuf) {
        self.folder = folder;
        self.revision += 1;
        self.cursor = None;
        self.chosen.clear();
        self.problem = None;
        self.hdu = 0;
        if !matches!(self.mode, Mode::Save { .. }) {
            self.typed.clear();
            self.focus_list = true;
        }
    }

    fn go_up(&mut self) {
        if let Some(parent) = self.folder.parent() {
            self.enter(parent.to_owned());
        }
    }

    /// The rows that filter and switches let through, in order: sorted in the background, because a folder may hold a million files.
    fn take_rows(&mut self, services: &Services) {
        let Some(listing) = self.listing.clone() else { return };
        let (filter, hidden, order, mode) = (self.filter, self.hidden, self.order, self.mode);
        let key = Key::of(&(&listing.folder, self.revision, format!("{filter:?} {hidden} {order:?}")));
        let answer = services.queries.ask(slot("rows"), key, &services.wake, move |_| {
            Ok(listing::arranged(&listing.items, filter, hidden, order, mode))
        });
        self.waiting |= matches!(answer, Answer::Pending { .. });
        if let Answer::Ready(rows) = answer
            && !Arc::ptr_eq(&self.rows, &rows)
        {
            // The cursor stays on its file.
            let name = self.cursor.and_then(|at| self.rows.get(at)).map(|item| item.name.clone());
            self.cursor = name.and_then(|name| rows.iter().position(|item| item.name == name));
            self.scroll_to_cursor = self.cursor.is_some();
            self.rows = rows;
        }
    }

    /// Opens a row: a folder is entered, anything else chosen.
    fn activate(&mut self, item: &Item) -> Option<Ending> {
        let path = self.folder.join(&item.name);
        match (item.kind, self.mode) {
            (listing::Kind::Folder, _) | (listing::Kind::Run, Mode::Save { .. } | Mode::Folder) => {
                self.enter(path);
                None
            }
            (_, Mode::Open { .. }) => Some(Ending::Chosen(vec![path])),
            (_, Mode::Save { .. }) => {
                self.typed.clone_from(&item.name);
                None
            }
            (_, Mode::Folder) => None,
        }
    }

    /// The button: what was typed, else what is marked in the list.
    fn confirm(&mut self, rows: &[Item]) -> Option<Ending> {
        self.problem = None;
        let typed = self.typed.trim().to_owned();
        if let Mode::Save { extension } = self.mode {
            if typed.is_empty() {
                self.problem = Some("Give the file a name".to_owned());
                return None;
            }
            let mut path = self.absolute(&typed);
            if path.extension().is_none() {
                path.set_extension(extension);
            }
            self.going = Some(path);
            return None;
        }
        if !typed.is_empty() {
            self.going = Some(self.absolute(&typed));
            return None;
        }
        if self.mode == Mode::Folder {
            return Some(Ending::Chosen(vec![self.folder.clone()]));
        }
        let marked: Vec<&Item> = rows.iter().filter(|item| self.chosen.contains(&item.name)).collect();
        match marked.as_slice() {
            [] => None,
            [one] => {
                let one = (*one).clone();
                self.activate(&one)
            }
            many => {
                let files = many.iter().filter(|item| item.kind != listing::Kind::Folder);
                let paths: Vec<PathBuf> = files.map(|item| self.folder.join(&item.name)).collect();
                (!paths.is_empty()).then_some(Ending::Chosen(paths))
            }
        }
    }

    /// A typed path: `~` is the home, a relative one starts in the folder that is shown.
    fn absolute(&self, typed: &str) -> PathBuf {
        let path = expand_home(typed);
        if path.is_absolute() { path } else { self.folder.join(path) }
    }

    fn mark_only(&mut self, rows: &[Item], at: usize) {
        let Some(item) = rows.get(at) else { return };
        self.chosen = BTreeSet::from([item.name.clone()]);
        if self.cursor != Some(at) {
            self.hdu = 0;
        }
        self.cursor = Some(at);
        self.anchor = at;
        if matches!(self.mode, Mode::Save { .. }) && item.kind != listing::Kind::Folder {
            self.typed.clone_from(&item.name);
        }
    }

    /// Marks everything between the anchor and `to`.
    fn mark_to(&mut self, rows: &[Item], to: usize) {
        let (from, until) = (self.anchor.min(to), self.anchor.max(to));
        self.chosen = rows.iter().skip(from).take(until - from + 1).map(|item| item.name.clone()).collect();
        self.cursor = Some(to);
    }
}

/// Names of the browser's questions; there is one browser at a time.
fn slot(name: &str) -> Slot {
    Slot::of(&("browser", name))
}

fn look(path: &Path) -> Found {
    match std::fs::metadata(path) {
        Ok(m) if m.is_dir() && path.join(crate::runs::RECORD_NAME).is_file() => Found::Run,
        Ok(m) if m.is_dir() => Found::Folder,
        Ok(_) => Found::File,
        Err(_) => Found::Nothing,
    }
}

/// `~/x` as the shell means it.
pub(super) fn expand_home(text: &str) -> PathBuf {
    let rest = if text == "~" { Some("") } else { text.strip_prefix("~/") };
    match (rest, home_folder()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_path_is_completed_from_folder_and_home() {
        let mode = Mode::Open { many: true };
        let browser = Browser::new(Purpose::Open, "Open", mode, "/data/night".into(), "", &[]);
        assert_eq!(browser.absolute("a.fits"), PathBuf::from("/data/night/a.fits"));
        assert_eq!(browser.absolute("/b.fits"), PathBuf::from("/b.fits"));
        assert_eq!(browser.absolute("~/c"), home_folder().unwrap().join("c"));
    }

    #[test]
    fn a_look_tells_runs_folders_and_files_apart() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        std::fs::write(folder.path().join("run").join("record.json"), "{}").unwrap();
        assert_eq!(look(folder.path()), Found::Folder);
        assert_eq!(look(&folder.path().join("run")), Found::Run);
        assert_eq!(look(&folder.path().join("run/record.json")), Found::File);
        assert_eq!(look(&folder.path().join("none")), Found::Nothing);
    }
}
