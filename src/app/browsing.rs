//! The file browser in the window: what it is asked for, and what is done with the answer.

use std::path::{Path, PathBuf};

use super::Workbench;
use super::browser::{Browser, Ending, Mode, Purpose};
use super::opening::nameable;
use super::settings::home_folder;
use crate::panels::{Severity, path_answer, take_path_request};

impl Workbench {
    fn browse(&mut self, purpose: Purpose, title: &str, mode: Mode, folder: Option<PathBuf>, name: &str) {
        let mut places = vec![("Runs".to_owned(), self.services.library.folder().to_owned())];
        for folder in self.recent.folders().into_iter().take(8) {
            let name = folder.file_name().map_or_else(|| "/".into(), |n| n.to_string_lossy().into_owned());
            places.push((name, folder));
        }
        let folder = folder
            .or_else(|| self.browsed_folder.clone())
            .or_else(|| self.recent.folders().into_iter().next())
            .or_else(|| std::env::current_dir().ok())
            .or_else(home_folder)
            .unwrap_or_else(|| PathBuf::from("/"));
        self.browser = Some(Browser::new(purpose, title, mode, folder, name, &places));
    }

    pub(super) fn browse_to_open(&mut self) {
        self.browse(Purpose::Open, "Open files", Mode::Open { many: true }, None, "");
    }

    pub(super) fn browse_to_save_session(&mut self) {
        let (folder, name) = match &self.session_path {
            Some(path) => (path.parent().map(Path::to_owned), name_of(path)),
            None => (None, "sextans-session.json".to_owned()),
        };
        self.browse(Purpose::SaveSession, "Save session", Mode::Save { extension: "json" }, folder, &name);
    }

    pub(super) fn browse_to_save_picture(&mut self) {
        self.browse(Purpose::SavePicture, "Save picture", Mode::Save { extension: "png" }, None, "sextans.png");
    }

    pub(super) fn browse_to_locate(&mut self, path: PathBuf) {
        let title = format!("Where is {} now?", name_of(&path));
        // If that folder is gone, the browser begins in the nearest one above.
        let folder = path.parent().map(Path::to_owned);
        self.browse(Purpose::Locate(path), &title, Mode::Open { many: false }, folder, "");
    }

    pub(super) fn browse_for_runs_folder(&mut self) {
        let folder = self.services.library.folder().to_owned();
        self.browse(Purpose::RunsFolder, "Folder for runs", Mode::Folder, Some(folder), "");
    }

    /// Takes requests of path fields, and what the browser has found out.
    pub(super) fn take_browser(&mut self, ctx: &egui::Context) {
        if let Some(request) = take_path_request(ctx)
            && let Some(field) = request.field
        {
            let folder = request.now.parent().filter(|p| p.is_absolute()).map(Path::to_owned);
            self.browse(Purpose::Field(field), &request.title, Mode::Open { many: false }, folder, "");
        }
        if let Some(browser) = &mut self.browser
            && let Some(ending) = browser.logic(&self.services)
        {
            self.end_browsing(ending, ctx);
        }
    }

    /// Draws the browser.
    pub(super) fn browser_ui(&mut self, ctx: &egui::Context) {
        if let Some(browser) = &mut self.browser
            && let Some(ending) = browser.ui(ctx, &self.services)
        {
            self.end_browsing(ending, ctx);
        }
    }

    fn end_browsing(&mut self, ending: Ending, ctx: &egui::Context) {
        let Some(browser) = self.browser.take() else { return };
        Browser::close(&self.services);
        let Ending::Chosen(paths) = ending else { return };
        let Some(first) = paths.first().cloned() else { return };
        let kept_as_text = !matches!(browser.purpose, Purpose::Open | Purpose::SavePicture);
        if kept_as_text && let Err(problem) = nameable(&first) {
            self.notices.push(Severity::Error, problem);
            return;
        }
        self.browsed_folder = first.parent().map(Path::to_owned);
        match browser.purpose {
            Purpose::Open => {
                for path in &paths {
                    self.open(path);
                }
            }
            Purpose::SaveSession => self.save_session(&first),
            Purpose::SavePicture => self.picture_wanted = Some(first),
            Purpose::Field(field) => path_answer(ctx, field, &first),
            Purpose::Locate(old) => self.replace_path(&old, &first),
            Purpose::RunsFolder => {
                let settings = super::Settings { runs_folder: Some(first), ..self.settings.clone() };
                self.set_settings(settings);
            }
        }
        self.history.touch();
        ctx.request_repaint();
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}
