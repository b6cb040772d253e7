//! A view of a header: every card of an HDU, searched, with the world coordinates in words.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{ComboBox, Label, RichText, Sense, TextEdit, Ui, text::LayoutJob};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::product::{Product, file_stem, python_string};
use super::saved_state::saved_state;
use super::world::opened;
use super::{Command, Panel, PanelContext, PanelEntry, Services};
use crate::data::{Card, Header, Table, TableColumn, info, write_ecsv};
use crate::tasks::TaskError;
use crate::workers::{Answer, Key, Weigh};

/// In the registry.
pub const ENTRY: PanelEntry = PanelEntry {
    kind: "header",
    title: "Header",
    help: "Every card of an HDU, with search",
    study: false,
    make: |state| Box::new(HeaderPanel::new(state)),
    picture: None,
};

/// What a session keeps of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    path: PathBuf,
    hdu: usize,
    search: String,
    /// Cards without the search's text are left out, not only paler.
    only_matches: bool,
}

impl Default for Saved {
    fn default() -> Self {
        Self { path: PathBuf::new(), hdu: 0, search: String::new(), only_matches: true }
    }
}

/// A header as it is shown.
struct Read {
    /// File and HDU that it is of.
    of: (PathBuf, usize),
    cards: Vec<Line>,
    /// Every HDU in a few words.
    hdus: Vec<String>,
    /// What `sextans info` says of this HDU, below its first line.
    words: Vec<String>,
    warnings: Vec<String>,
}

/// A card as text.
struct Line {
    keyword: String,
    value: String,
    comment: String,
    /// Everything in small letters, for the search.
    small: String,
}

impl Line {
    fn new(card: &Card) -> Self {
        let value = card.value.as_ref().map(ToString::to_string).unwrap_or_default();
        let small = format!("{} {} {}", card.keyword, value, card.comment).to_lowercase();
        Self { keyword: card.keyword.clone(), value, comment: card.comment.clone(), small }
    }

    /// As a header prints it.
    fn text(&self) -> String {
        match (self.value.is_empty(), self.comment.is_empty()) {
            (true, _) => format!("{:<8} {}", self.keyword, self.comment),
            (false, true) => format!("{:<8}= {}", self.keyword, self.value),
            (false, false) => format!("{:<8}= {} / {}", self.keyword, self.value, self.comment),
        }
    }
}

impl Weigh for Read {
    fn bytes(&self) -> usize {
        let lines: usize = self.cards.iter().map(|l| 2 * l.small.len() + size_of::<Line>()).sum();
        lines + self.hdus.iter().chain(&self.words).chain(&self.warnings).map(String::len).sum::<usize>()
    }
}

/// The panel.
pub struct HeaderPanel {
    saved: Saved,
    example: bool,
    read: Option<Arc<Read>>,
    problem: Option<String>,
    waiting: bool,
    heights: Heights,
}

/// Heights of the cards as they were last drawn: only those on the screen are laid out.
#[derive(Default)]
struct Heights {
    /// What they depend on.
    of: Option<Key>,
    /// By place among the shown cards, in points; none for one that was not drawn yet.
    values: Vec<Option<f32>>,
}

impl Heights {
    /// Forgets them when what they depend on has changed.
    fn fit(&mut self, of: Key, count: usize) {
        if self.of != Some(of) || self.values.len() != count {
            (self.of, self.values) = (Some(of), vec![None; count]);
        }
    }
}

impl HeaderPanel {
    fn new(state: &Value) -> Self {
        let saved = saved_state(state);
        Self { saved, example: false, read: None, problem: None, waiting: false, heights: Heights::default() }
    }

    fn ask(&mut self, cx: &mut PanelContext<'_>) {
        self.waiting = false;
        let (path, hdu, store) = (self.saved.path.clone(), self.saved.hdu, cx.services.store.clone());
        let answer = if path.as_os_str().is_empty() {
            if !self.example {
                return;
            }
            let key = Key::of(&"example header");
            cx.services.queries.ask(cx.slot("cards"), key, &cx.services.wake, |_| Ok(example()))
        } else {
            if !opened(cx, &path) {
                self.waiting = true;
                return;
            }
            // A file that was closed and opened again counts its revisions anew, under another number.
            let id = store.id_of(&path);
            let key = Key::of(&("header", &path, hdu, id, id.and_then(|id| store.revision(id))));
            cx.services.queries.ask(cx.slot("cards"), key, &cx.services.wake, move |_| {
                let id = store.open(&path)?;
                let file = store.file(id)?;
                let unit = file.hdu(hdu)?;
                let hdus = file.hdus().iter().map(|h| format!("{} {}  {}", h.index, h.name, h.describe())).collect();
                let mut words = vec![unit.describe()];
                if unit.image().is_some() {
                    words.extend(info::world_words(&unit.header, &unit.shape()));
                }
                Ok::<_, TaskError>(Read {
                    of: (path, hdu),
                    cards: unit.header.cards().iter().map(Line::new).collect(),
                    hdus,
                    words,
                    warnings: unit.warnings.clone(),
                })
            })
        };
        match &answer {
            Answer::Failed(message) => {
                self.problem = Some(message.to_string());
                self.read = None;
            }
            Answer::Pending { .. } => self.waiting = true,
            Answer::Ready(_) => self.problem = None,
        }
        // While a file is read again its cards stay; those of another HDU do not.
        let fits = |read: &Arc<Read>| read.of.0 == self.saved.path && read.of.1 == hdu;
        self.read = answer.newest().cloned().or(self.read.take()).filter(fits);
    }

    fn bar_ui(&mut self, ui: &mut Ui, read: &Read, shown: usize, cx: &mut PanelContext<'_>) {
        ui.horizontal_wrapped(|ui| {
            if read.hdus.len() > 1 {
                let label = ui.label("HDU");
                let now = read.hdus.get(self.saved.hdu).cloned().unwrap_or_default();
                let combo = ComboBox::from_id_salt("hdu").selected_text(now).width(220.0).show_ui(ui, |ui| {
                    for (n, text) in read.hdus.iter().enumerate() {
                        ui.selectable_value(&mut self.saved.hdu, n, text);
                    }
                });
                combo.response.labelled_by(label.id);
            }
            let label = ui.label("Search");
            ui.add(
                TextEdit::singleline(&mut self.saved.search)
                    .hint_text("keyword, value or comment")
                    .desired_width(180.0),
            )
            .labelled_by(label.id);
            let count = read.cards.len();
            ui.weak(if shown == count { format!("{count} cards") } else { format!("{shown} of {count} cards") });
            if ui.button("Copy all").on_hover_text("Copy the cards that are shown").clicked() {
                let text: Vec<String> = self.matching(read).map(Line::text).collect();
                cx.send(Command::Copy(text.join("\n")));
            }
        });
    }

    fn matching<'a>(&self, read: &'a Read) -> impl Iterator<Item = &'a Line> + use<'a> {
        let words = self.words();
        let only = self.saved.only_matches;
        read.cards.iter().filter(move |line| !only || words.iter().all(|word| line.small.contains(word)))
    }

    fn words(&self) -> Vec<String> {
        self.saved.search.to_lowercase().split_whitespace().map(str::to_owned).collect()
    }

    fn cards_ui(&mut self, ui: &mut Ui, read: &Read, cx: &mut PanelContext<'_>) {
        let words = self.words();
        let width = ui.available_width();
        // Keywords of up to eight letters fit; HIERARCH names wrap.
        let columns = [84.0_f32.min(0.2 * width), 0.42 * width];
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            for line in &read.words {
                ui.add(Label::new(RichText::new(line).weak()).wrap());
            }
            for warning in &read.warnings {
                ui.add(Label::new(RichText::new(warning).color(ui.visuals().warn_fg_color)).wrap());
            }
            if !read.words.is_empty() || !read.warnings.is_empty() {
                ui.separator();
            }
            let shown: Vec<&Line> = self.matching(read).collect();
            let font = egui::TextStyle::Monospace.resolve(ui.style());
            let scale = ui.ctx().pixels_per_point();
            let letter = ui.ctx().fonts_mut(|fonts| fonts.glyph_width(&font, 'm'));
            let line_height = ui.text_style_height(&egui::TextStyle::Monospace);
            let of = Key::of(&(&read.of, &self.saved.search, self.saved.only_matches)).and(&(
                width.to_bits(),
                font.size.to_bits(),
                scale.to_bits(),
                shown.len(),
            ));
            self.heights.fit(of, shown.len());
            let gap = ui.spacing().item_spacing.y;
            let seen = ui.clip_rect();
            let mut skipped = 0.0;
            for (n, line) in shown.into_iter().enumerate() {
                let commentary = line.value.is_empty() && !line.comment.is_empty();
                let comment_width =
                    if commentary { width - columns[0] - 30.0 } else { width - columns[0] - columns[1] - 38.0 };
                let height = self.heights.values[n].unwrap_or_else(|| {
                    let cells =
                        [(&line.keyword, columns[0]), (&line.value, columns[1]), (&line.comment, comment_width)];
                    let rows = |(text, width): (&String, f32)| {
                        let letters = (width.max(30.0) / letter).floor().max(1.0) as usize;
                        text.chars().count().div_ceil(letters).max(1)
                    };
                    line_height * cells.into_iter().map(rows).max().unwrap_or(1) as f32
                });
                let top = ui.cursor().top() + skipped;
                if top + height < seen.top() || top > seen.bottom() {
                    skipped += height + gap;
                    continue;
                }
                if skipped > 0.0 {
                    ui.add_space(skipped);
                    skipped = 0.0;
                }
                let row = |ui: &mut Ui| {
                    ui.horizontal_top(|ui| {
                        ui.spacing_mut().item_spacing.x = 8.0;
                        cell_ui(ui, &line.keyword, columns[0], &words, true, false);
                        if commentary {
                            cell_ui(ui, &line.comment, comment_width, &words, false, true);
                        } else {
                            cell_ui(ui, &line.value, columns[1], &words, false, false);
                            cell_ui(ui, &line.comment, comment_width, &words, false, true);
                        }
                    })
                };
                // Numbered, so that text stays chosen while it scrolls.
                let row = ui.push_id(n, row).inner;
                self.heights.values[n] = Some(row.response.rect.height());
                let response = ui.interact(row.response.rect, ui.scope_id().with(("card", n)), Sense::click());
                response.context_menu(|ui| {
                    for (text, content) in [
                        ("Copy card", line.text()),
                        ("Copy value", line.value.trim_matches('\'').to_owned()),
                        ("Copy keyword", line.keyword.clone()),
                    ] {
                        if ui.button(text).clicked() {
                            cx.send(Command::Copy(content));
                            ui.close();
                        }
                    }
                });
            }
            ui.add_space(skipped);
        });
    }
}

/// A wrapped text of a given width with the search's words marked.
fn cell_ui(ui: &mut Ui, text: &str, width: f32, words: &[String], strong: bool, weak: bool) {
    let width = width.max(30.0);
    ui.allocate_ui_with_layout(egui::vec2(width, 0.0), egui::Layout::top_down(egui::Align::Min), |ui| {
        ui.set_width(width);
        let job = highlighted(ui, text, words, strong, weak, width);
        ui.add(Label::new(job).wrap());
    });
}

fn highlighted(ui: &Ui, text: &str, words: &[String], strong: bool, weak: bool, width: f32) -> LayoutJob {
    let visuals = ui.visuals();
    let color = match (strong, weak) {
        (true, _) => visuals.strong_text_color(),
        (_, true) => visuals.weak_text_color(),
        _ => visuals.text_color(),
    };
    let font = egui::TextStyle::Monospace.resolve(ui.style());
    let plain = egui::TextFormat::simple(font.clone(), color);
    let marked = egui::TextFormat {
        background: visuals.selection.bg_fill,
        ..egui::TextFormat::simple(font, visuals.selection.stroke.color)
    };
    let mut job = LayoutJob::default();
    job.wrap.max_width = width;
    job.wrap.break_anywhere = true;
    for (part, found) in parts(text, words) {
        job.append(part, 0.0, if found { marked.clone() } else { plain.clone() });
    }
    job
}

/// The text in pieces, those that are one of the words marked. Capitals do not matter.
fn parts<'a>(text: &'a str, words: &[String]) -> Vec<(&'a str, bool)> {
    let small = text.to_lowercase();
    // Letters whose small form has another length are rare in headers; then nothing is marked.
    if words.is_empty() || small.len() != text.len() {
        return vec![(text, false)];
    }
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let next = words
            .iter()
            .filter_map(|word| Some((at + small[at..].find(word.as_str())?, word.len())))
            .min_by_key(|(start, length)| (*start, std::cmp::Reverse(*length)));
        let Some((start, length)) = next else { break };
        if !text.is_char_boundary(start) || !text.is_char_boundary(start + length) {
            break;
        }
        if start > at {
            out.push((&text[at..start], false));
        }
        out.push((&text[start..start + length], true));
        at = start + length;
    }
    if at < text.len() {
        out.push((&text[at..], false));
    }
    out
}

/// A header that shows what there is to see without a file.
fn example() -> Read {
    let text = "SIMPLE  =                    T / FITS standard 4.0\nBITPIX  =                  -32 / 32-bit float\n\
        NAXIS   =                    2 / number of axes\nNAXIS1  =                  512\nNAXIS2  =                  512\n\
        OBJECT  = 'Example galaxy'      / made up\nBUNIT   = 'Jy/beam'            / unit of the pixels\n\
        CTYPE1  = 'RA---TAN'           / right ascension, gnomonic\nCTYPE2  = 'DEC--TAN'           / declination, gnomonic\n\
        CRVAL1  =            202.46957 / [deg]\nCRVAL2  =             47.19526 / [deg]\nCRPIX1  =                256.5\n\
        CRPIX2  =                256.5\nCDELT1  =              -5.0E-4 / [deg]\nCDELT2  =               5.0E-4 / [deg]\n\
        COMMENT A comment may be as long as it likes: long ones are wrapped to the width of the view, so that nothing is cut.\n\
        HISTORY made by Sextans to show a header\nEND";
    let header = Header::from_lines(text.as_bytes());
    let words = info::world_words(&header, &[512, 512]);
    let of = (PathBuf::new(), 0);
    Read { of, cards: header.cards().iter().map(Line::new).collect(), hdus: Vec::new(), words, warnings: Vec::new() }
}

impl Panel for HeaderPanel {
    fn title(&self) -> String {
        match self.saved.path.file_name() {
            Some(name) => format!("Header of {} [{}]", name.to_string_lossy(), self.saved.hdu),
            None => ENTRY.title.to_owned(),
        }
    }

    fn logic(&mut self, cx: &mut PanelContext<'_>) {
        self.ask(cx);
    }

    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        if let Some(problem) = &self.problem {
            ui.add(Label::new(RichText::new(problem).color(ui.visuals().error_fg_color)).wrap());
            return;
        }
        let Some(read) = self.read.clone() else {
            ui.centered_and_justified(|ui| {
                if self.waiting {
                    ui.spinner();
                } else {
                    ui.weak("Choose “Header” in the menu of an HDU in the data tree");
                }
            });
            return;
        };
        let shown = self.matching(&read).count();
        self.bar_ui(ui, &read, shown, cx);
        ui.separator();
        if shown == 0 {
            ui.weak(format!("No card holds “{}”", self.saved.search.trim()));
        }
        self.cards_ui(ui, &read, cx);
    }

    fn inspector_ui(&mut self, ui: &mut Ui, _cx: &mut PanelContext<'_>) {
        ui.checkbox(&mut self.saved.only_matches, "Only cards that match")
            .on_hover_text("Leave the other cards out while searching");
        ui.weak("A right click on a card copies it.");
    }

    fn save(&self) -> Value {
        serde_json::to_value(&self.saved).unwrap_or_default()
    }

    fn busy(&self) -> bool {
        self.waiting || (self.example && self.read.is_none())
    }

    fn close(&mut self, cx: &mut PanelContext<'_>) {
        super::world::forget_opening(cx, &self.saved.path);
        cx.services.queries.forget(cx.slot("cards"));
    }

    fn show_example(&mut self, _cx: &mut PanelContext<'_>) {
        self.example = self.saved.path.as_os_str().is_empty();
    }

    fn products(&self, _services: &Services) -> Vec<Product> {
        let Some(read) = self.read.clone() else { return Vec::new() };
        let name = format!("{}-header.ecsv", file_stem(&self.title()));
        vec![Product::new("The cards, as ECSV", name, move |path| {
            let column = |name: &str, of: fn(&Line) -> &String| {
                TableColumn::new(name, "", read.cards.iter().map(|line| of(line).clone()).collect::<Vec<String>>())
            };
            let columns = vec![
                column("keyword", |l| &l.keyword),
                column("value", |l| &l.value),
                column("comment", |l| &l.comment),
            ];
            Ok(write_ecsv(path, &Table::new(columns))?)
        })]
    }

    fn python(&self, _services: &Services) -> Option<String> {
        if self.saved.path.as_os_str().is_empty() {
            return None;
        }
        let path = python_string(&self.saved.path.display().to_string());
        Some(format!(
            "from astropy.io import fits\n\nheader = fits.getheader({path}, ext={})\nprint(repr(header))\n",
            self.saved.hdu
        ))
    }

    fn command_lines(&self) -> Vec<String> {
        if self.saved.path.as_os_str().is_empty() {
            return Vec::new();
        }
        let file = super::product::shell_quoted(&self.saved.path.display().to_string());
        vec![format!("sextans info --hdu {} {file}", self.saved.hdu)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_search_are_marked() {
        let words = vec!["crval".to_owned(), "1".to_owned()];
        assert_eq!(
            parts("CRVAL1 = 11", &words),
            [("CRVAL", true), ("1", true), (" = ", false), ("1", true), ("1", true)]
        );
        assert_eq!(parts("none", &words), [("none", false)]);
        assert_eq!(parts("Ünïcode 1", &words), [("Ünïcode ", false), ("1", true)]);
        assert!(parts("", &words).is_empty());
    }

    #[test]
    fn the_example_says_its_world_coordinates_in_words() {
        let read = example();
        assert!(read.words.iter().any(|w| w.contains("right ascension")), "{:?}", read.words);
        assert_eq!(read.cards.iter().find(|c| c.keyword == "CRVAL2").unwrap().text(), "CRVAL2  = 47.19526 / [deg]");
    }

    /// Ten thousand cards cost what is seen of them, at the top and at the end.
    #[test]
    fn only_the_cards_on_the_screen_are_laid_out() {
        use crate::plots::headless::Headless;
        use crate::workers::{Jobs, Queries, no_wake};
        let folder = tempfile::tempdir().unwrap();
        let services = Services {
            store: Arc::new(crate::data::Store::new(1 << 20)),
            jobs: Arc::new(Jobs::new()),
            queries: Arc::new(Queries::new(1 << 20, 1).unwrap()),
            library: crate::runs::Library::at(folder.path()),
            wake: no_wake(),
        };
        let card = |n: usize| {
            let comment = format!("step {n} {}", "words ".repeat(n % 40));
            Line { keyword: "HISTORY".into(), value: String::new(), small: comment.to_lowercase(), comment }
        };
        let cards = (0..10_000).map(card).collect();
        let read = Read { of: (PathBuf::new(), 0), cards, hdus: Vec::new(), words: Vec::new(), warnings: Vec::new() };
        let mut panel = HeaderPanel::new(&Value::Null);
        panel.read = Some(Arc::new(read));
        let mut screen = Headless::new([500.0, 400.0], 1.0, egui::Theme::Dark);
        let (mut links, mut commands) = (crate::panels::Links::default(), Vec::new());
        for _ in 0..3 {
            screen.frame(|ui| {
                let cx = &mut PanelContext { view: 1, services: &services, commands: &mut commands, links: &mut links };
                panel.ui(ui, cx);
            });
        }
        let drawn: Vec<usize> = (0..10_000).filter(|n| panel.heights.values[*n].is_some()).collect();
        assert!((5..60).contains(&drawn.len()) && drawn[0] == 0, "{} cards were laid out", drawn.len());
    }
}
