//! Contours of one image over another, or over itself: traced in a query, at the resolution of the screen, where they
//! are seen.

use std::sync::Arc;

use egui::{ComboBox, DragValue, Grid, RichText, TextEdit, Ui};
use serde::{Deserialize, Serialize};

use super::super::PanelContext;
use super::super::saved_state::keep_finite;
use super::super::world::{Place, World, ask_world};
use super::contour_trace::{Traced, between, part_seen, trace};
use crate::data::{PixelMap, typeset_unit};
use crate::plots::axes::format_value;
use crate::plots::colors;
use crate::plots::image_camera::Camera;
use crate::plots::image_overlay::{Overlays, Polyline};
use crate::workers::{Answer, Key};

/// Levels at most.
const LEVELS: usize = 32;

/// How the levels are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LevelRule {
    /// Multiples of the noise above the background.
    #[default]
    Sigma,
    /// Per cent of the largest value.
    Percent,
    /// Values as typed.
    Typed,
    /// So many evenly between two values.
    Even,
}

impl LevelRule {
    const ALL: [Self; 4] = [Self::Sigma, Self::Percent, Self::Typed, Self::Even];

    fn name(self) -> &'static str {
        match self {
            Self::Sigma => "multiples of sigma",
            Self::Percent => "per cent of peak",
            Self::Typed => "typed values",
            Self::Even => "evenly between",
        }
    }
}

/// What a session keeps of the contours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContourSettings {
    /// Drawn.
    pub on: bool,
    /// The image whose contours they are; none for the image below itself.
    pub of: Place,
    /// How levels are chosen.
    pub rule: LevelRule,
    /// Multiples of sigma.
    pub sigma: String,
    /// Per cent of the peak.
    pub percent: String,
    /// Typed values.
    pub typed: String,
    /// First and last of the even levels.
    pub between: [f64; 2],
    /// Number of the even levels.
    pub count: usize,
    /// Colour, by its place in the order of series colours.
    pub color: usize,
    /// Width of a line in points.
    pub width: f32,
    /// Pixels of the contoured image that are averaged in a block before tracing, to each side.
    pub smooth: usize,
}

impl Default for ContourSettings {
    fn default() -> Self {
        Self {
            on: false,
            of: Place::default(),
            rule: LevelRule::Sigma,
            sigma: "3 6 12 24 48".into(),
            percent: "10 30 50 70 90".into(),
            typed: String::new(),
            between: [0.0, 1.0],
            count: 5,
            color: 2,
            width: 1.3,
            smooth: 1,
        }
    }
}

/// Names of the colours, in the order of [`colors::series`].
const COLORS: [&str; 6] = ["blue", "orange", "green", "pink", "yellow", "grey"];

impl ContourSettings {
    /// Makes settings from a file usable.
    pub fn sanitize(&mut self) {
        if !self.between.iter().all(|v| v.is_finite()) {
            self.between = [0.0, 1.0];
        }
        self.count = self.count.clamp(1, LEVELS);
        self.color %= COLORS.len();
        self.width = if self.width.is_finite() { self.width.clamp(0.5, 6.0) } else { 1.3 };
        self.smooth = self.smooth.clamp(1, 16);
    }

    fn text(&self) -> &str {
        match self.rule {
            LevelRule::Sigma => &self.sigma,
            LevelRule::Percent => &self.percent,
            LevelRule::Typed | LevelRule::Even => &self.typed,
        }
    }

    /// The numbers that were given; the field's name stands in the error.
    fn numbers(&self) -> Result<Vec<f64>, String> {
        if self.rule == LevelRule::Even {
            let [low, high] = self.between;
            let step = if self.count > 1 { (high - low) / (self.count - 1) as f64 } else { 0.0 };
            return Ok((0..self.count).map(|i| low + step * i as f64).collect());
        }
        let words = self.text().split([' ', ',', ';', '\t']).filter(|w| !w.is_empty());
        let numbers: Vec<f64> = words
            .map(|w| {
                w.parse::<f64>()
                    .ok()
                    .filter(|v| v.is_finite())
                    .ok_or_else(|| format!("levels: {w:?} is no number; write 3 6 12, or 1e-17"))
            })
            .collect::<Result<_, _>>()?;
        if numbers.len() > LEVELS {
            return Err(format!("levels: {} of them; {LEVELS} are the most", numbers.len()));
        }
        Ok(numbers)
    }
}

/// The contours over one view.
#[derive(Default)]
pub struct Contours {
    traced: Option<Arc<Traced>>,
    problem: Option<String>,
    waiting: bool,
    /// Plane of the other image, as its view last showed it.
    plane: usize,
    /// Size on the screen of the view when it was last drawn, in points.
    view: egui::Vec2,
}

impl Contours {
    /// Asks for the contours that are seen.
    pub fn logic(
        &mut self,
        cx: &mut PanelContext<'_>,
        below: &Place,
        world: Option<&Arc<World>>,
        plane: usize,
        camera: &Camera,
        settings: &ContourSettings,
    ) {
        self.waiting = false;
        self.problem = None;
        let Some(world) = world.filter(|_| settings.on && !below.is_empty()) else {
            self.traced = None;
            return;
        };
        let numbers = match settings.numbers() {
            Ok(numbers) => numbers,
            Err(problem) => {
                self.problem = Some(problem);
                return;
            }
        };
        let of = if settings.of.is_empty() { below.clone() } else { settings.of.clone() };
        let (map, size, unit, plane, other_serial) = if of == *below {
            (PixelMap::Identity, world.size(), typeset_unit(&world.unit), plane, world.serial)
        } else {
            let answer = ask_world(cx, "contour world", &of);
            self.waiting = matches!(answer, Answer::Pending { .. });
            if let Answer::Failed(problem) = &answer {
                self.problem = Some(problem.to_string());
            }
            let Some(other) = answer.ready() else { return };
            let Some(map) = between(other, world) else {
                self.problem = Some(format!(
                    "{}: no contours over this image, as the two share no sky coordinates and differ in size",
                    of.name()
                ));
                return;
            };
            // The plane that is shown in a view of that image, else the last one that was.
            let shown = cx.links.images().values().find(|n| Place::of(n) == of).map(|n| n.plane);
            self.plane = shown.unwrap_or(self.plane).min(other.planes().saturating_sub(1));
            (map, other.size(), typeset_unit(&other.unit), self.plane, other.serial)
        };
        let Some(part) = part_seen(camera, self.view, &map.inverse(), size, settings.smooth) else {
            self.traced = None;
            return;
        };
        let store = cx.services.store.clone();
        // The map is made of coordinates that may be older than the file, for a frame: they stand in the key as well.
        let key = of.key(&store).and(&(plane, part, settings.rule)).and(&below.key(&store));
        let key = key.and(&(world.serial, other_serial));
        let key = numbers.iter().fold(key, |key: Key, number| key.and_f64(*number));
        let (rule, place) = (settings.rule, of);
        let answer = cx.services.queries.ask(cx.slot("contours"), key, &cx.services.wake, move |progress| {
            trace(&store, &place, plane, part, rule, &numbers, &unit, &map, progress)
        });
        self.waiting |= matches!(answer, Answer::Pending { .. });
        if let Answer::Failed(problem) = &answer {
            self.problem = Some(problem.to_string());
        }
        self.traced = answer.newest().cloned();
    }

    /// Adds the lines, labelled in the legend.
    pub fn add<'a>(&'a self, settings: &ContourSettings, overlays: &mut Overlays<'a>) {
        let levels = self.traced.iter().flat_map(|t| t.levels.iter().enumerate());
        let count = self.traced.as_ref().map_or(0, |t| t.levels.len());
        for (index, level) in levels {
            let base = colors::series(settings.color, egui::Theme::Dark);
            // Higher levels are brighter, so that a hole tells itself from a hill.
            let share = if count > 1 { index as f32 / (count - 1) as f32 } else { 1.0 };
            let color = base.lerp_to_gamma(colors::ON_IMAGE, 0.55 * share);
            for (points, closed) in &level.lines {
                overlays.lines.push(Polyline {
                    points,
                    closed: *closed,
                    color,
                    width: settings.width,
                    label: &level.label,
                });
            }
        }
    }

    /// Remembers how much of the screen the view has.
    pub fn drawn(&mut self, ui: &Ui, view: egui::Rect) {
        if self.view != view.size() {
            self.view = view.size();
            ui.ctx().request_repaint();
        }
    }

    /// True while contours are being traced.
    pub fn busy(&self) -> bool {
        self.waiting
    }

    /// Forgets what it asked.
    pub fn close(&self, cx: &PanelContext<'_>) {
        for name in ["contours", "contour world"] {
            cx.services.queries.forget(cx.slot(name));
        }
    }

    /// Image, levels, colour, in the inspector.
    pub fn inspector_ui(&self, ui: &mut Ui, cx: &mut PanelContext<'_>, settings: &mut ContourSettings) {
        ui.separator();
        ui.checkbox(&mut settings.on, RichText::new("Contours").strong());
        if !settings.on {
            return;
        }
        let itself = "this image";
        let notes: Vec<(Place, String)> = cx
            .links
            .images()
            .iter()
            .filter(|(view, note)| **view != cx.view && note.size != [0; 2])
            .map(|(_, note)| (Place::of(note), note.title.clone()))
            .collect();
        Grid::new("contours").num_columns(2).spacing([8.0, 4.0]).show(ui, |ui| {
            let label = ui.label("Of");
            let title = notes.iter().find(|(p, _)| *p == settings.of).map(|(_, t)| t.clone());
            let shown =
                if settings.of.is_empty() { itself.to_owned() } else { title.unwrap_or_else(|| settings.of.name()) };
            let combo =
                ComboBox::from_id_salt("contours of").width(150.0).truncate().selected_text(shown).show_ui(ui, |ui| {
                    ui.selectable_value(&mut settings.of, Place::default(), itself);
                    for (place, title) in &notes {
                        ui.selectable_value(&mut settings.of, place.clone(), title);
                    }
                });
            combo.response.labelled_by(label.id).on_hover_text("Any image that is open in a view");
            ui.end_row();
            let label = ui.label("Levels");
            let combo = ComboBox::from_id_salt("contour rule")
                .width(150.0)
                .selected_text(settings.rule.name())
                .show_ui(ui, |ui| {
                    for rule in LevelRule::ALL {
                        ui.selectable_value(&mut settings.rule, rule, rule.name());
                    }
                });
            combo.response.labelled_by(label.id);
            ui.end_row();
            level_fields(ui, settings);
            let label = ui.label("Colour");
            ui.horizontal(|ui| {
                ComboBox::from_id_salt("contour colour")
                    .width(70.0)
                    .selected_text(COLORS[settings.color % COLORS.len()])
                    .show_ui(ui, |ui| {
                        for (index, name) in COLORS.into_iter().enumerate() {
                            ui.selectable_value(&mut settings.color, index, name);
                        }
                    })
                    .response
                    .labelled_by(label.id);
                let label = ui.label("width");
                ui.add(DragValue::new(&mut settings.width).range(0.5..=6.0).speed(0.05).max_decimals(1))
                    .labelled_by(label.id);
            });
            ui.end_row();
            let label = ui.label("Smooth");
            ui.add(DragValue::new(&mut settings.smooth).range(1..=16).speed(0.05).suffix(" pixels"))
                .labelled_by(label.id)
                .on_hover_text("Blocks of so many pixels to a side are averaged first");
            ui.end_row();
        });
        self.state_ui(ui);
    }

    fn state_ui(&self, ui: &mut Ui) {
        if let Some(problem) = &self.problem {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(problem).color(color)).wrap());
            return;
        }
        let Some(traced) = &self.traced else { return };
        let lines: usize = traced.levels.iter().map(|l| l.lines.len()).sum();
        let text = match traced.left_out {
            0 if lines == 1 => "1 line in view".to_owned(),
            0 => format!("{lines} lines in view"),
            more => format!("{lines} lines in view, the {more} shortest left out; smooth more to see all that matter"),
        };
        ui.add(egui::Label::new(RichText::new(text).weak()).wrap());
    }
}

fn level_fields(ui: &mut Ui, settings: &mut ContourSettings) {
    let (name, text) = match settings.rule {
        LevelRule::Sigma => ("Sigmas", &mut settings.sigma),
        LevelRule::Percent => ("Per cent", &mut settings.percent),
        LevelRule::Typed => ("Values", &mut settings.typed),
        LevelRule::Even => {
            for (place, name) in [(0, "From"), (1, "To")] {
                let label = ui.label(name);
                let value = &mut settings.between[place];
                let before = *value;
                let speed = (value.abs() * 0.01).max(1e-30);
                ui.add(DragValue::new(value).speed(speed).custom_formatter(|v, _| format_value(v, 6)))
                    .labelled_by(label.id);
                keep_finite(value, before);
                ui.end_row();
            }
            let label = ui.label("Number");
            ui.add(DragValue::new(&mut settings.count).range(1..=LEVELS).speed(0.1)).labelled_by(label.id);
            ui.end_row();
            return;
        }
    };
    let label = ui.label(name);
    ui.add(TextEdit::singleline(text).desired_width(150.0)).labelled_by(label.id);
    ui.end_row();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let mut settings =
            ContourSettings { rule: LevelRule::Typed, typed: "1e-17, 3e-17;5".into(), ..Default::default() };
        assert_eq!(settings.numbers().unwrap(), [1e-17, 3e-17, 5.0]);
        settings.typed = "3 six".into();
        assert!(settings.numbers().unwrap_err().contains("\"six\""));
        settings.rule = LevelRule::Even;
        (settings.between, settings.count) = ([1.0, 2.0], 3);
        assert_eq!(settings.numbers().unwrap(), [1.0, 1.5, 2.0]);
    }
}
