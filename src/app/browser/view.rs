//! Drawing of the file browser: places at the left, the list in the middle, what the marked file holds at the right.

use egui::{Align, Context, EventFilter, Id, Key, Layout, Modal, Modifiers, Rect, RichText, Role, ScrollArea, Sense};
use egui::{TextEdit, Ui, UiBuilder, WidgetInfo, pos2, vec2};

use super::listing::{Item, Kind, Order, completions};
use super::preview;
use super::{Browser, Ending, Filter, Mode, slot};
use crate::panels::Services;
use crate::runs::{cost, utc};
use crate::workers::{Answer, Key as QueryKey};

const ROW: f32 = 20.0;
const PLACES: f32 = 128.0;
/// Room below the list: the path, and a line about it.
const FOOT: f32 = 54.0;

impl Browser {
    /// Draws it; the ending when the user is done.
    pub(in crate::app) fn ui(&mut self, ctx: &Context, services: &Services) -> Option<Ending> {
        let screen = ctx.content_rect().size();
        let size = vec2((screen.x - 60.0).min(960.0), (screen.y - 80.0).min(580.0));
        let rows = self.rows.clone();
        let mut ending = None;
        let modal = Modal::new(Id::unique("browser")).show(ctx, |ui| {
            ui.set_min_size(size);
            ui.set_max_size(size);
            self.head_ui(ui);
            let room = ui.available_rect_before_wrap();
            let bottom = room.bottom() - FOOT;
            let preview = if matches!(self.mode, Mode::Open { .. }) { (room.width() * 0.36).min(340.0) } else { 0.0 };
            let left = room.left() + PLACES;
            let right = room.right() - preview;
            let part = |from: f32, to: f32| Rect::from_min_max(pos2(from, room.top()), pos2(to, bottom));
            self.places_ui(&mut child(ui, part(room.left(), left - 8.0)));
            ending = self.list_ui(&mut child(ui, part(left, right - 8.0)), &rows);
            if preview > 0.0 {
                self.preview_ui(&mut child(ui, part(right, room.right())), &rows, services);
            }
            let foot = Rect::from_min_max(pos2(room.left(), bottom + 4.0), room.max);
            let mut foot_ui = child(ui, foot);
            if let Some(end) = self.foot_ui(&mut foot_ui, &rows, services) {
                ending = Some(end);
            }
            ui.allocate_rect(room, Sense::hover());
        });
        if modal.should_close() && ending.is_none() {
            ending = Some(Ending::Closed);
        }
        ending
    }

    fn head_ui(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            ui.heading(&self.title);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.checkbox(&mut self.hidden, "Hidden files");
                let name = Filter::ALL.iter().find(|(f, _)| *f == self.filter).map_or("", |(_, name)| name);
                let combo =
                    egui::ComboBox::from_id_salt("browser filter").width(150.0).selected_text(name).show_ui(ui, |ui| {
                        for (filter, name) in Filter::ALL {
                            ui.selectable_value(&mut self.filter, filter, name);
                        }
                    });
                combo.response.on_hover_text("Which files are listed");
            });
        });
        // The folder, each part of it a button.
        let mut go = None;
        ui.horizontal(|ui| {
            if ui.button("Up").on_hover_text("To the folder above (Backspace)").clicked() {
                go = self.folder.parent().map(ToOwned::to_owned);
            }
            if ui.button("Refresh").on_hover_text("Read this folder again").clicked() {
                self.revision += 1;
            }
            ui.spacing_mut().item_spacing.x = 1.0;
            let parts: Vec<_> = self.folder.ancestors().map(ToOwned::to_owned).collect();
            ScrollArea::horizontal().id_salt("browser parts").stick_to_right(true).show(ui, |ui| {
                for part in parts.iter().rev() {
                    let name = part.file_name().map_or_else(|| "/".into(), |n| n.to_string_lossy().into_owned());
                    if part.file_name().is_some() && part.parent().is_some_and(|p| p.file_name().is_some()) {
                        ui.weak("/");
                    }
                    if ui.add(egui::Button::new(name).frame(false)).on_hover_text(part.display().to_string()).clicked()
                    {
                        go = Some(part.clone());
                    }
                }
            });
        });
        ui.separator();
        if let Some(folder) = go {
            self.enter(folder);
        }
    }

    fn places_ui(&mut self, ui: &mut Ui) {
        let mut go = None;
        ui.weak("Places");
        ScrollArea::vertical().id_salt("browser places").auto_shrink(false).show(ui, |ui| {
            ui.set_width(ui.available_width());
            for (text, path) in &self.places {
                let button = egui::Button::selectable(*path == self.folder, text).truncate();
                if ui.add(button).on_hover_text(path.display().to_string()).clicked() {
                    go = Some(path.clone());
                }
            }
        });
        if let Some(folder) = go {
            self.enter(folder);
        }
    }

    fn list_ui(&mut self, ui: &mut Ui, rows: &[Item]) -> Option<Ending> {
        let whole = ui.available_rect_before_wrap();
        ui.horizontal(|ui| {
            for (order, text, help) in [
                (Order::Name, "Name", "Sort by name"),
                (Order::Largest, "Size", "Largest first"),
                (Order::Newest, "Changed", "Newest first; times are UTC"),
            ] {
                if ui.selectable_label(self.order == order, text).on_hover_text(help).clicked() {
                    self.order = order;
                }
            }
            let count = rows.len();
            ui.weak(if count == 1 { "1 item".to_owned() } else { format!("{count} items") });
        });
        let list_id = ui.make_persistent_id("browser list");
        let list = ui.interact(whole, list_id, Sense::FOCUSABLE | Sense::HOVER);
        list.widget_info(|| WidgetInfo::labeled(Role::List, true, "Files of the folder"));
        if self.focus_list {
            self.focus_list = false;
            list.request_focus();
        }
        let mut ending = None;
        if list.has_focus() {
            let all = EventFilter { vertical_arrows: true, ..EventFilter::default() };
            ui.memory_mut(|m| m.set_focus_lock_filter(list_id, all));
            let page = ((whole.height() / ROW) as usize).max(2) - 1;
            ending = self.list_keys(ui, rows, page);
            ui.painter().rect_stroke(whole, 3.0, ui.visuals().selection.stroke, egui::StrokeKind::Inside);
        }
        if rows.is_empty() && !self.waiting {
            ui.weak(if self.listing.as_ref().is_some_and(|l| l.items.is_empty()) {
                "This folder is empty"
            } else {
                "Nothing of this kind here"
            });
        }
        ScrollArea::vertical().id_salt("browser rows").auto_shrink(false).show_viewport(ui, |ui, viewport| {
            ui.set_height(rows.len() as f32 * ROW);
            let origin = ui.max_rect().min;
            let width = ui.available_width();
            let place = |at: usize| Rect::from_min_size(pos2(origin.x, origin.y + at as f32 * ROW), vec2(width, ROW));
            if std::mem::take(&mut self.scroll_to_cursor)
                && let Some(at) = self.cursor
            {
                ui.scroll_to_rect(place(at), None);
            }
            let first = (viewport.min.y / ROW).floor().max(0.0) as usize;
            let last = ((viewport.max.y / ROW).ceil() as usize).min(rows.len());
            for at in first..last {
                if let Some(item) = rows.get(at)
                    && let Some(end) = self.row_ui(ui, rows, at, item, place(at), list_id)
                {
                    ending = Some(end);
                }
            }
        });
        ending
    }

    fn row_ui(&mut self, ui: &Ui, rows: &[Item], at: usize, item: &Item, rect: Rect, list: Id) -> Option<Ending> {
        let marked = self.chosen.contains(&item.name);
        let response = ui.interact(rect, list.with(&item.name), Sense::CLICK);
        response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, marked, &item.name));
        let visuals = ui.visuals();
        if marked {
            ui.painter().rect_filled(rect, 3.0, visuals.selection.bg_fill);
        } else if response.hovered() {
            ui.painter().rect_filled(rect, 3.0, visuals.widgets.hovered.weak_bg_fill);
        }
        let color = if marked { visuals.selection.stroke.color } else { visuals.text_color() };
        let weak = if marked { visuals.selection.stroke.color } else { visuals.weak_text_color() };
        let font = egui::TextStyle::Body.resolve(ui.style());
        let small = egui::TextStyle::Small.resolve(ui.style());
        let right = |x: f32, text: &str| {
            ui.painter().text(pos2(x, rect.center().y), egui::Align2::RIGHT_CENTER, text, small.clone(), weak);
        };
        let time = item.modified.map_or_else(String::new, |t| utc(t).replace('T', " ").chars().take(16).collect());
        right(rect.right() - 4.0, &time);
        right(
            rect.right() - 108.0,
            &if item.bytes > 0 { cost::bytes(item.bytes) } else { kind_word(item.kind).into() },
        );
        let name_rect = Rect::from_min_max(rect.min, pos2(rect.right() - 168.0, rect.bottom()));
        let name = if matches!(item.kind, Kind::Folder) { format!("{}/", item.name) } else { item.name.clone() };
        let galley = ui.painter().layout_no_wrap(name, font, color);
        let at_y = rect.center().y - galley.size().y / 2.0;
        ui.painter().with_clip_rect(name_rect.intersect(ui.clip_rect())).galley(
            pos2(rect.left() + 5.0, at_y),
            galley,
            color,
        );
        if response.double_clicked() {
            return self.activate(item);
        }
        if response.clicked() {
            let modifiers = ui.input(|i| i.modifiers);
            let many = self.mode == (Mode::Open { many: true });
            if many && modifiers.command {
                if !self.chosen.remove(&item.name) {
                    self.chosen.insert(item.name.clone());
                }
                self.cursor = Some(at);
                self.anchor = at;
            } else if many && modifiers.shift {
                self.mark_to(rows, at);
            } else {
                self.mark_only(rows, at);
            }
            ui.memory_mut(|m| m.request_focus(list));
        }
        response.on_hover_text(&item.name);
        None
    }

    fn preview_ui(&mut self, ui: &mut Ui, rows: &[Item], services: &Services) {
        let Some(item) = self.cursor.and_then(|at| rows.get(at)).filter(|i| i.kind != Kind::Folder) else {
            ui.weak("Mark a file to see what it holds");
            return;
        };
        let path = self.folder.join(&item.name);
        ui.add(egui::Label::new(RichText::new(&item.name).strong()).truncate());
        let hdu = self.hdu;
        let key = QueryKey::of(&(&path, hdu, item.modified, item.bytes));
        let answer = services.queries.ask(slot("preview"), key, &services.wake, move |_| preview::read(&path, hdu));
        let preview = match answer {
            Answer::Ready(preview) => preview,
            Answer::Pending { .. } => {
                self.waiting = true;
                ui.spinner();
                return;
            }
            Answer::Failed(message) => {
                ui.add(egui::Label::new(RichText::new(&*message).color(ui.visuals().error_fg_color)).wrap());
                return;
            }
        };
        if preview.hdus.is_empty() {
            ScrollArea::vertical().id_salt("preview lines").auto_shrink(false).show(ui, |ui| {
                for line in &preview.lines {
                    ui.add(egui::Label::new(line).wrap());
                }
            });
            return;
        }
        for line in preview.lines.iter().take(3) {
            ui.add(egui::Label::new(RichText::new(line).color(ui.visuals().warn_fg_color)).wrap());
        }
        let height = (ui.available_height() * 0.42).min(preview.hdus.len() as f32 * 27.0 + 4.0);
        ScrollArea::vertical().id_salt("preview hdus").max_height(height).auto_shrink([false, true]).show(ui, |ui| {
            for line in &preview.hdus {
                let button = egui::Button::selectable(line.index == hdu, &line.text).truncate();
                if ui.add(button).on_hover_text("Show the cards of this header").clicked() {
                    self.hdu = line.index;
                }
            }
        });
        ui.separator();
        ScrollArea::both().id_salt(("preview cards", hdu)).auto_shrink(false).show_rows(
            ui,
            14.0,
            preview.cards.len(),
            |ui, range| {
                for [keyword, value, comment] in preview.cards.get(range).unwrap_or_default() {
                    let equals = if value.is_empty() { "  " } else { "= " };
                    let slash = if comment.is_empty() || value.is_empty() { "" } else { " / " };
                    let text =
                        RichText::new(format!("{keyword:<8}{equals}{value}{slash}{comment}")).monospace().size(11.0);
                    ui.add(egui::Label::new(text).extend());
                }
            },
        );
    }

    fn foot_ui(&mut self, ui: &mut Ui, rows: &[Item], services: &Services) -> Option<Ending> {
        let mut ending = None;
        if let Some(path) = self.overwrite.clone() {
            ui.horizontal(|ui| {
                let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                ui.colored_label(ui.visuals().warn_fg_color, format!("{name} exists. Replace it?"));
                if ui.button("Replace").clicked() {
                    ending = Some(Ending::Chosen(vec![path.clone()]));
                }
                if ui.button("Keep it").clicked() {
                    self.overwrite = None;
                }
            });
            return ending;
        }
        let (label, action, hint) = match self.mode {
            Mode::Open { .. } => ("Path", "Open", "type a path, or choose in the list"),
            Mode::Save { .. } => ("File name", "Save", "name of the file"),
            Mode::Folder => ("Path", "Use this folder", "type a path, or go into a folder"),
        };
        ui.horizontal(|ui| {
            let name = ui.label(label);
            let field_id = ui.make_persistent_id("browser path");
            // Tab completes while there is something to complete; with Shift, or on an empty field, it moves on.
            let focused = ui.memory(|m| m.has_focus(field_id));
            let complete =
                focused && !self.typed.is_empty() && ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Tab));
            let edit = TextEdit::singleline(&mut self.typed).id(field_id).hint_text(hint).desired_width(
                (ui.available_width() - if self.mode == Mode::Folder { 210.0 } else { 150.0 }).max(120.0),
            );
            let field = ui.add(edit).labelled_by(name.id);
            if focused && !self.typed.is_empty() {
                let filter = EventFilter { tab: true, horizontal_arrows: true, vertical_arrows: true, escape: false };
                ui.memory_mut(|m| m.set_focus_lock_filter(field_id, filter));
            }
            if std::mem::take(&mut self.focus_path) {
                field.request_focus();
                cursor_to_end(ui.ctx(), field_id, &self.typed);
            }
            if field.changed() {
                self.problem = None;
            }
            if complete && let Some(text) = self.completion.clone() {
                self.typed = text;
                cursor_to_end(ui.ctx(), field_id, &self.typed);
            }
            let entered = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            let possible = !self.typed.trim().is_empty() || !self.chosen.is_empty() || self.mode == Mode::Folder;
            if ui.add_enabled(possible, egui::Button::new(RichText::new(action).strong())).clicked()
                || (entered && possible)
            {
                ending = self.confirm(rows);
            }
            if ui.button("Cancel").clicked() {
                ending = Some(Ending::Closed);
            }
        });
        self.completions_ui(ui, services);
        ending
    }

    /// The line below the path: what is wrong, or what Tab would make of it.
    fn completions_ui(&mut self, ui: &mut Ui, services: &Services) {
        self.completion = None;
        if let Some(problem) = &self.problem {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(problem).color(color)).truncate()).on_hover_text(problem);
            return;
        }
        let typed = self.typed.trim();
        if typed.is_empty() || matches!(self.mode, Mode::Save { .. }) {
            ui.weak(match self.mode {
                Mode::Save { .. } => "Choose the folder above",
                _ => "Letters jump in the list, Enter opens, Backspace goes up, / begins a path",
            });
            return;
        }
        let path = self.absolute(typed);
        let slash = typed.ends_with('/') || typed == "~";
        let key = QueryKey::of(&(&path, slash));
        let answer =
            services.queries.ask(slot("complete"), key, &services.wake, move |_| Ok(completions(&path, slash, 12)));
        if let Some(found) = answer.ready() {
            self.completion = found.complete.as_ref().map(|p| p.display().to_string());
            let text = if found.names.is_empty() {
                format!("Nothing in {} begins like this", found.folder.display())
            } else {
                format!("Tab completes: {}", found.names.join("  "))
            };
            ui.add(egui::Label::new(RichText::new(text).weak()).truncate());
        }
    }
}

/// A part of a window.
fn child(ui: &mut Ui, rect: Rect) -> Ui {
    let mut child = ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::top_down(Align::Min)));
    child.set_clip_rect(rect.expand(2.0).intersect(ui.clip_rect()));
    child
}

fn cursor_to_end(ctx: &Context, id: Id, text: &str) {
    let mut state = TextEdit::load_state(ctx, id).unwrap_or_default();
    let end = egui::text::CCursor::new(text.chars().count());
    state.cursor.set_char_range(Some(egui::text::CCursorRange::one(end)));
    state.store(ctx, id);
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Folder => "folder",
        Kind::Run => "run",
        Kind::Fits | Kind::Table | Kind::Json | Kind::Picture | Kind::Other => "empty",
    }
}
