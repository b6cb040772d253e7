//! Saving a view: as PNG or SVG, its data as FITS or ECSV, as a script or a command line.
//!
//! Nothing is drawn or written here on the window's thread: a picture is made by the same panel, set up anew from its
//! saved state on a thread of its own, and files get their name when they are whole.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use egui::{Align2, Context, Key, RichText, Vec2, vec2};
use serde_json::Value;

use super::{ThemeChoice, ViewId, Workbench};
use crate::data::write_atomically;
use crate::panels::{Links, PanelContext, PanelEntry, Product, Services, Severity};
use crate::plots::headless::Headless;
use crate::workers::no_wake;

/// Longest wait for what a view computes before its picture is taken.
const PATIENCE: Duration = Duration::from_secs(300);
/// Set in the number of a view that stands in for another one while its picture is taken.
const STAND_IN: u64 = 1 << 62;
/// Stack of the thread: drawing nests deeply.
const STACK_BYTES: usize = 8 << 20;

/// What a view is kept as.
#[derive(Clone)]
enum Form {
    /// So many pixels a point.
    Png(f32),
    Svg,
    Data(Product),
}

impl Form {
    fn title(&self) -> String {
        match self {
            Self::Png(scale) => format!("PNG picture, {scale}×"),
            Self::Svg => "SVG drawing".into(),
            Self::Data(product) => product.title.clone(),
        }
    }
}

/// A view as a thread can draw it again.
#[derive(Clone)]
struct Portrait {
    view: ViewId,
    entry: &'static PanelEntry,
    state: Value,
    record: Option<String>,
    size: Vec2,
    zoom: f32,
    theme: ThemeChoice,
    links: Links,
    services: Services,
}

/// The dialog.
struct SaveDialog {
    portrait: Portrait,
    title: String,
    stem: String,
    forms: Vec<Form>,
    chosen: usize,
    path: String,
}

/// A file being written.
struct Writing {
    form: Form,
    portrait: Portrait,
    path: PathBuf,
    thread: JoinHandle<Written>,
}

/// What became of it.
enum Written {
    Done,
    /// A file of this name is there, and nobody said that it may go.
    Exists,
    Failed(String),
}

/// What is being saved.
#[derive(Default)]
pub(super) struct Saving {
    dialog: Option<SaveDialog>,
    writing: Vec<Writing>,
    /// Files that are there already: asked about one after the other.
    exists: Vec<(Form, Portrait, PathBuf)>,
}

impl Saving {
    /// True while a file is being written.
    pub fn busy(&self) -> bool {
        !self.writing.is_empty()
    }

    /// What is being written.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.writing.iter().map(|w| w.path.as_path())
    }

    /// Waits until all is written: at the end of the program.
    pub fn finish(&mut self) {
        for writing in self.writing.drain(..) {
            // Nobody is left to be told what became of it.
            drop(writing.thread.join());
        }
    }

    /// Writes on a thread of its own.
    fn start(&mut self, form: Form, portrait: Portrait, path: PathBuf, replace: bool) -> Result<(), String> {
        let (work_form, work_portrait, work_path) = (form.clone(), portrait.clone(), path.clone());
        let wake = portrait.services.wake.clone();
        let thread = std::thread::Builder::new()
            .name("save view".into())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let written = write(&work_form, &work_portrait, &work_path, replace);
                wake();
                written
            })
            .map_err(|e| format!("{}: no thread could be started to write it ({e})", path.display()))?;
        self.writing.push(Writing { form, portrait, path, thread });
        Ok(())
    }
}

/// Where the size of a view's pane is kept.
fn size_place(view: ViewId) -> egui::Id {
    egui::Id::unique(("size of view", view))
}

/// Keeps the size in points of the pane in which a view was last drawn: a picture of it has the same.
pub(super) fn remember_size(ctx: &Context, view: ViewId, size: Vec2) {
    ctx.data_mut(|data| data.insert_temp(size_place(view), size));
}

impl Workbench {
    /// Opens the dialog for the focused view, with one of its products chosen where it is named.
    pub(super) fn open_save_view(&mut self, ctx: &Context, product: Option<&str>) {
        let Some((id, view)) = self.focused.and_then(|id| Some((id, self.views.get(&id)?))) else {
            self.notices.push(Severity::Warning, "No view is open to be saved".into());
            return;
        };
        let Some(entry) = crate::panels::entry(view.kind) else { return };
        let title = view.panel.title();
        let stem = crate::panels::product::file_stem(&title);
        let mut forms = vec![Form::Png(1.0), Form::Png(2.0), Form::Png(4.0), Form::Svg];
        forms.extend(view.panel.products(&self.services).into_iter().map(Form::Data));
        let size = ctx.data(|data| data.get_temp(size_place(id))).unwrap_or(vec2(860.0, 620.0));
        let portrait = Portrait {
            view: id,
            entry,
            state: view.panel.save(),
            record: view.panel.record(),
            size,
            zoom: self.zoom,
            theme: self.theme,
            links: self.links.standing_in(id, id | STAND_IN),
            services: self.services.clone(),
        };
        let named = |form: &Form| matches!(form, Form::Data(p) if Some(p.title.as_str()) == product);
        let chosen = forms.iter().position(named).unwrap_or(0);
        let path = match forms.get(chosen) {
            Some(Form::Data(product)) => product.file_name.clone(),
            _ => format!("{stem}.png"),
        };
        self.saving.dialog = Some(SaveDialog { portrait, title, stem, forms, chosen, path });
    }

    /// The script of the focused view to the clipboard.
    pub(super) fn copy_python(&mut self, ctx: &Context) {
        let view = self.focused.and_then(|id| self.views.get(&id));
        match view.and_then(|view| view.panel.python(&self.services)) {
            Some(script) => {
                ctx.copy_text(script);
                self.notices.push(Severity::Info, "Copied a Python script that shows this view".into());
            }
            None => self.notices.push(
                Severity::Warning,
                "This view shows no file yet; open one, then a script can show the same".into(),
            ),
        }
    }

    /// The command lines of the focused view to the clipboard.
    pub(super) fn copy_command_line(&mut self, ctx: &Context) {
        let lines = self.focused.and_then(|id| self.views.get(&id)).map(|view| view.panel.command_lines());
        match lines.filter(|lines| !lines.is_empty()) {
            Some(lines) => {
                ctx.copy_text(lines.join("\n"));
                self.notices.push(Severity::Info, format!("Copied: {}", lines.join("  or  ")));
            }
            None => self
                .notices
                .push(Severity::Warning, "This view shows no file or run yet; there is no command line for it".into()),
        }
    }

    /// Takes files that have been written.
    pub(super) fn take_saved(&mut self) {
        let mut at = 0;
        while at < self.saving.writing.len() {
            if !self.saving.writing[at].thread.is_finished() {
                at += 1;
                continue;
            }
            let Writing { form, portrait, path, thread } = self.saving.writing.remove(at);
            match thread
                .join()
                .unwrap_or_else(|_| Written::Failed(format!("{}: drawing failed inside", path.display())))
            {
                Written::Done => self.notices.push(Severity::Info, format!("Saved {}", path.display())),
                Written::Failed(problem) => self.notices.push(Severity::Error, problem),
                Written::Exists => self.saving.exists.push((form, portrait, path)),
            }
        }
    }

    /// Draws the dialogs.
    pub(super) fn save_view_ui(&mut self, ctx: &Context) {
        let mut start = None;
        if let Some(mut dialog) = self.saving.dialog.take() {
            let (stay, save) = dialog_ui(ctx, &mut dialog);
            if save {
                let chosen = form_of_name(&dialog);
                let form = dialog.forms.swap_remove(chosen);
                let path = super::browser::expand_home(dialog.path.trim());
                let path = std::path::absolute(&path).unwrap_or(path);
                start = Some((form, dialog.portrait, path, false));
            } else if stay {
                self.saving.dialog = Some(dialog);
            }
        } else if let Some((form, portrait, path)) = self.saving.exists.pop() {
            match replace_ui(ctx, &path) {
                Some(true) => start = Some((form, portrait, path, true)),
                Some(false) => {}
                None => self.saving.exists.push((form, portrait, path)),
            }
        }
        if let Some((form, portrait, path, replace)) = start
            && let Err(problem) = self.saving.start(form, portrait, path, replace)
        {
            self.notices.push(Severity::Error, problem);
        }
    }
}

/// Draws the dialog; whether it stays, and whether to save.
fn dialog_ui(ctx: &Context, dialog: &mut SaveDialog) -> (bool, bool) {
    let (mut stay, mut save, mut keep) = (true, false, true);
    egui::Window::new("Save view")
        .anchor(Align2::CENTER_CENTER, Vec2::ZERO)
        .collapsible(false)
        .resizable(false)
        .open(&mut stay)
        .show(ctx, |ui| {
            ui.label(RichText::new(&dialog.title).strong());
            for n in 0..dialog.forms.len() {
                if ui.radio(dialog.chosen == n, dialog.forms[n].title()).clicked() && dialog.chosen != n {
                    dialog.chosen = n;
                    dialog.path = proposed(dialog);
                }
            }
            ui.add_space(4.0);
            let label = ui.label("Path of the file");
            let field = ui.add(egui::TextEdit::singleline(&mut dialog.path).desired_width(420.0)).labelled_by(label.id);
            let entered = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            if !entered && ctx.memory(|m| m.focused().is_none()) {
                field.request_focus();
            }
            if let Form::Png(scale) = dialog.forms[dialog.chosen] {
                let pixels = dialog.portrait.size * (scale * dialog.portrait.zoom);
                ui.weak(format!("{:.0} × {:.0} pixels", pixels.x, pixels.y));
            }
            ui.horizontal(|ui| {
                let can = !dialog.path.trim().is_empty();
                save = (ui.add_enabled(can, egui::Button::new("Save")).clicked() || entered) && can;
                keep = !ui.button("Cancel").clicked();
            });
        });
    (stay && keep && !ctx.input(|i| i.key_pressed(Key::Escape)), save)
}

/// The form that the typed name asks for: the chosen one, unless the name ends like another one only.
fn form_of_name(dialog: &SaveDialog) -> usize {
    let typed = Path::new(dialog.path.trim()).extension().map(|e| e.to_string_lossy().to_lowercase());
    let ending = |form: &Form| match form {
        Form::Png(_) => "png".to_owned(),
        Form::Svg => "svg".to_owned(),
        Form::Data(product) => {
            Path::new(&product.file_name).extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
        }
    };
    let Some(typed) = typed.filter(|typed| dialog.forms.get(dialog.chosen).is_some_and(|form| ending(form) != *typed))
    else {
        return dialog.chosen;
    };
    dialog.forms.iter().position(|form| ending(form) == typed).unwrap_or(dialog.chosen)
}

/// The path for another form: the folder that was typed, the name that fits.
fn proposed(dialog: &SaveDialog) -> String {
    let name = match &dialog.forms[dialog.chosen] {
        Form::Png(_) => format!("{}.png", dialog.stem),
        Form::Svg => format!("{}.svg", dialog.stem),
        Form::Data(product) => product.file_name.clone(),
    };
    let folder = Path::new(dialog.path.trim()).parent().filter(|p| !p.as_os_str().is_empty());
    folder.map_or_else(|| name.clone(), |folder| folder.join(&name).display().to_string())
}

/// Asks before a file is replaced; `None` while nothing is answered.
fn replace_ui(ctx: &Context, path: &Path) -> Option<bool> {
    let mut answer = None;
    egui::Window::new("Replace this file?")
        .anchor(Align2::CENTER_CENTER, Vec2::ZERO)
        .collapsible(false)
        .resizable(false)
        .show(ctx, |ui| {
            ui.monospace(path.display().to_string());
            ui.label("A file of this name is there already.");
            ui.horizontal(|ui| {
                if ui.button("Replace").clicked() {
                    answer = Some(true);
                }
                if ui.button("Keep the old one").clicked() {
                    answer = Some(false);
                }
            });
        });
    if answer.is_none() && ctx.input(|i| i.key_pressed(Key::Escape)) { Some(false) } else { answer }
}

/// Makes the file.
fn write(form: &Form, portrait: &Portrait, path: &Path, replace: bool) -> Written {
    if path.is_dir() {
        return Written::Failed(format!("{}: this is a folder; give the name of a file in it", path.display()));
    }
    if !replace && path.exists() {
        return Written::Exists;
    }
    let bytes = match form {
        Form::Data(product) => {
            return match (product.write)(path) {
                Ok(()) => Written::Done,
                Err(error) => Written::Failed(error.to_string()),
            };
        }
        Form::Png(scale) => draw(portrait, *scale, PATIENCE).and_then(|screen| {
            let picture = screen.picture().map_err(|e| e.to_string())?;
            picture.to_png(portrait.record.as_deref(), &[("Software", "Sextans")]).map_err(|e| e.to_string())
        }),
        Form::Svg => {
            draw(portrait, 1.0, PATIENCE).and_then(|s| s.svg().map(String::into_bytes).map_err(|e| e.to_string()))
        }
    };
    let written = bytes
        .map_err(|problem| format!("{}: {problem}", path.display()))
        .and_then(|bytes| write_atomically(path, |out| out.write_all(&bytes)).map_err(|e| e.to_string()));
    match written {
        Ok(()) => Written::Done,
        Err(problem) => Written::Failed(problem),
    }
}

/// Sets the view up anew without a window and steps it until it rests; whether it does or not, what it asked is forgotten.
fn draw(portrait: &Portrait, scale: f32, patience: Duration) -> Result<Headless, String> {
    let mut panel = (portrait.entry.make)(&portrait.state);
    let mut screen = Headless::new(portrait.size.round().into(), scale * portrait.zoom, egui::Theme::Dark);
    super::theme::install(screen.ctx(), portrait.theme);
    // The thread looks by itself whether there is something new; the window need not be drawn for it.
    let services = Services { wake: no_wake(), ..portrait.services.clone() };
    let view = portrait.view | STAND_IN;
    let mut links = portrait.links.clone();
    let (start, mut quiet) = (Instant::now(), 0);
    let rests = loop {
        screen.frame(|ui| {
            let cx = &mut PanelContext { view, services: &services, commands: &mut Vec::new(), links: &mut links };
            panel.logic(cx);
            let frame = egui::Frame::new().fill(ui.visuals().panel_fill).inner_margin(6);
            egui::CentralPanel::no_frame().frame(frame).show(ui, |ui| panel.ui(ui, cx));
        });
        if panel.busy() {
            quiet = 0;
            std::thread::sleep(Duration::from_millis(5));
        } else {
            quiet += 1;
        }
        if quiet == 5 {
            break true;
        }
        if start.elapsed() > patience {
            break false;
        }
    };
    panel.close(&mut PanelContext { view, services: &services, commands: &mut Vec::new(), links: &mut links });
    if rests {
        Ok(screen)
    } else {
        Err(format!("the view is still computing after {} s; no picture was taken", patience.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::runs::Library;
    use crate::workers::{Key, Slot};

    /// Keeps both query threads busy, so that what a view asks has to wait; dropping what is given back frees them.
    fn hold(queries: &crate::workers::Queries) -> Vec<mpsc::SyncSender<()>> {
        let held = (0..2).map(|n| {
            let (hold, held) = mpsc::sync_channel::<()>(1);
            let work = move |_: &crate::tasks::Progress<String>| {
                let _end: Result<(), mpsc::RecvError> = held.recv();
                Ok(String::new())
            };
            assert!(queries.ask(Slot::of(&n), Key::of(&n), &no_wake(), work).ready().is_none());
            hold
        });
        held.collect()
    }

    fn portrait(workbench: &Workbench, folder: &Path) -> Portrait {
        Portrait {
            view: 1,
            entry: crate::panels::entry("image").unwrap(),
            state: serde_json::json!({"path": folder.join("m51.fits"), "hdu": 0}),
            record: None,
            size: vec2(300.0, 200.0),
            zoom: 1.0,
            theme: ThemeChoice::Dark,
            links: Links::default(),
            services: workbench.services.clone(),
        }
    }

    #[test]
    fn leaving_asks_while_a_view_is_saved_and_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut workbench = Workbench::new(no_wake(), Library::at(folder.path().to_owned())).unwrap();
        let holds = hold(&workbench.services.queries);
        let path = folder.path().join("view.png");
        let portrait = portrait(&workbench, folder.path());
        workbench.saving.start(Form::Png(1.0), portrait, path.clone(), false).unwrap();
        workbench.ask_to_quit();
        assert!(!workbench.quit && workbench.dialog == Some(super::super::Dialog::Quit));
        drop(holds);
        workbench.shut_down();
        assert!(path.exists());
        workbench.ask_to_quit();
        assert!(workbench.quit);
    }

    #[test]
    fn a_picture_that_is_given_up_leaves_no_questions() {
        let folder = tempfile::tempdir().unwrap();
        let workbench = Workbench::new(no_wake(), Library::at(folder.path().to_owned())).unwrap();
        let queries = workbench.services.queries.clone();
        let holds = hold(&queries);
        let portrait = portrait(&workbench, folder.path());
        let before = queries.counts();
        assert!(draw(&portrait, 1.0, Duration::ZERO).is_err());
        let after = queries.counts();
        assert!(after.dropped > before.dropped, "the view asked nothing");
        assert_eq!(after.pending, 2);
        drop(holds);
    }
}
