//! The left side: opened files with their HDUs, run folders with their products, and the studies.

use std::path::Path;

use egui::{CollapsingHeader, RichText, Ui};

use super::{Opened, Workbench};
use crate::panels::{Command, PANELS};

impl Workbench {
    /// Draws the data tree.
    pub(super) fn data_tree_ui(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        ui.add_space(4.0);
        ui.horizontal(|ui| {
            ui.heading("Data");
            if ui.small_button("Open…").on_hover_text("Open a FITS file, a run folder or a session").clicked() {
                commands.push(Command::Open);
            }
        });
        if self.opened.is_empty() {
            ui.weak("Nothing opened yet");
        }
        for (path, opened) in &self.opened {
            self.opened_ui(ui, path, opened, commands);
        }
        self.library_ui(ui, commands);
        ui.add_space(10.0);
        ui.heading("Studies");
        for panel in PANELS.iter().filter(|p| p.study) {
            let open = self.views.values().any(|v| v.kind == panel.kind);
            if ui.selectable_label(open, panel.title).on_hover_text(panel.help).clicked() {
                commands.push(Command::OpenPanel(panel.kind));
            }
        }
    }

    fn opened_ui(&self, ui: &mut Ui, path: &Path, opened: &Opened, commands: &mut Vec<Command>) {
        let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        let full = path.display().to_string();
        let header = match opened {
            Opened::Waiting => {
                ui.horizontal(|ui| {
                    ui.spinner();
                    ui.label(&name).on_hover_text(&full);
                });
                return;
            }
            Opened::Failed(message) => {
                let color = ui.visuals().error_fg_color;
                // The tree scrolls sideways, so a long name would push the buttons out of sight.
                ui.scope(|ui| {
                    ui.set_max_width((ui.clip_rect().width() - 18.0).max(80.0));
                    ui.add(egui::Label::new(RichText::new(&name).color(color)).truncate()).on_hover_text(message);
                });
                ui.horizontal(|ui| {
                    ui.add_space(12.0);
                    let locate = ui.small_button("Locate…");
                    if locate.on_hover_text("Say where it is now; every view uses the answer").clicked() {
                        commands.push(Command::Locate(path.to_owned()));
                    }
                    if ui.small_button("×").on_hover_text("Take it out of the list").clicked() {
                        commands.push(Command::Forget(path.to_owned()));
                    }
                });
                return;
            }
            Opened::File(id) => CollapsingHeader::new(&name).id_salt(&full).default_open(true).show(ui, |ui| {
                let entry = self.services.store.entry(*id);
                for hdu in entry.iter().flat_map(|e| &e.hdus) {
                    let text = format!("{} {}  {}", hdu.index, hdu.label(), hdu.description);
                    let (path, hdu_number) = (path.to_owned(), hdu.index);
                    let (help, command) = if hdu.is_image {
                        ("Show this image", Command::ShowImage { path: path.clone(), hdu: hdu_number })
                    } else if hdu.is_table {
                        ("Show the rows of this table", Command::ShowTable { path: path.clone(), hdu: hdu_number })
                    } else {
                        ("Show this header", Command::ShowHeader { path: path.clone(), hdu: hdu_number })
                    };
                    let line = ui.selectable_label(false, text).on_hover_text(format!("{help}; right click for more"));
                    if line.clicked() {
                        commands.push(command);
                    }
                    let curve = hdu.is_table && self.spectra.get(&path).is_some_and(|all| all.contains(&hdu_number));
                    line.context_menu(|ui| {
                        if curve && ui.button("Spectrum").clicked() {
                            commands.push(Command::ShowImage { path: path.clone(), hdu: hdu_number });
                            ui.close();
                        }
                        if ui.button("Header").clicked() {
                            commands.push(Command::ShowHeader { path, hdu: hdu_number });
                            ui.close();
                        }
                    });
                }
            }),
            Opened::Table => {
                let line =
                    ui.selectable_label(false, &name).on_hover_text(format!("{full}\nShow the rows of this table"));
                if line.clicked() {
                    commands.push(Command::ShowTable { path: path.to_owned(), hdu: 0 });
                }
                line.context_menu(|ui| {
                    if ui.button("Close").clicked() {
                        commands.push(Command::Forget(path.to_owned()));
                        ui.close();
                    }
                });
                return;
            }
            Opened::Request(record) => {
                if ui
                    .selectable_label(false, &name)
                    .on_hover_text(format!("{full}\nPicture of a run of {}", record.task))
                    .clicked()
                {
                    commands.push(Command::OpenPath(path.to_owned()));
                }
                return;
            }
            Opened::Run(folder, record) => {
                CollapsingHeader::new(&name).id_salt(&full).default_open(true).show(ui, |ui| {
                    if ui
                        .selectable_label(false, RichText::new(&record.task).strong())
                        .on_hover_text("Show this run in its study")
                        .clicked()
                    {
                        commands.push(Command::OpenPath(path.to_owned()));
                    }
                    for file in record.files.iter().filter(|f| f.ends_with(".fits")) {
                        if ui.selectable_label(false, file).on_hover_text("Show this image").clicked() {
                            commands.push(Command::OpenPath(folder.join(file)));
                        }
                    }
                })
            }
        };
        header.header_response.on_hover_text(&full).context_menu(|ui| {
            if ui.button("Copy path").clicked() {
                commands.push(Command::Copy(full.clone()));
                ui.close();
            }
            if ui.button("Close").clicked() {
                commands.push(Command::Forget(path.to_owned()));
                ui.close();
            }
        });
    }
}
