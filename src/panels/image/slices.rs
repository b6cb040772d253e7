//! The planes of a cube: a slider for each axis beyond the image, a movie, and limits that stay the same from plane to
//! plane.

use std::sync::Arc;

use egui::{ComboBox, DragValue, RichText, Slider, Ui};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::super::PanelContext;
use super::super::links::SliceStep;
use super::super::world::{Place, World};
use crate::data::Store;
use crate::plots::color_table::Display;
use crate::plots::limits::{Limits, LimitsMode};
use crate::tasks::{Progress, TaskError};
use crate::workers::{Answer, Weigh};

/// Planes that are read ahead of the movie.
const AHEAD: usize = 3;
/// Limits for the whole cube come from so many of its pixels at most, of so many planes.
const SAMPLE_PIXELS: usize = 1 << 20;
const SAMPLE_PLANES: usize = 24;

/// What a session keeps of the planes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SliceSettings {
    /// Planes a second of the movie.
    pub speed: f64,
    /// At the end the movie turns round; else it starts over.
    pub bounce: bool,
    /// One pair of limits for all planes, from all of them. Unset until a movie is played, which sets it.
    pub same_limits: Option<bool>,
}

impl Default for SliceSettings {
    fn default() -> Self {
        Self { speed: 8.0, bounce: false, same_limits: None }
    }
}

impl SliceSettings {
    /// Makes settings from a file usable.
    pub fn sanitize(&mut self) {
        if !self.speed.is_finite() {
            self.speed = Self::default().speed;
        }
        self.speed = self.speed.clamp(0.2, 60.0);
    }
}

/// A plane is in the store: whoever asks for it next has it at once.
struct Warm;

impl Weigh for Warm {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

struct CubeLimits(Limits);

impl Weigh for CubeLimits {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// The planes of one view.
#[derive(Default)]
pub struct Slices {
    playing: bool,
    backwards: bool,
    next_at: f64,
    limits: Option<Limits>,
    waiting: bool,
}

impl Slices {
    /// Follows what spectra, keys and menus ask for, and finds the limits of the cube.
    pub fn logic(
        &mut self,
        cx: &mut PanelContext<'_>,
        place: &Place,
        world: Option<&Arc<World>>,
        settings: &mut SliceSettings,
        display: &Display,
        plane: &mut usize,
    ) {
        let wanted = cx.links.wanted_planes.remove(&cx.view);
        let steps = cx.links.steps.remove(&cx.view).unwrap_or_default();
        self.waiting = false;
        let Some(world) = world.filter(|w| w.planes() > 1) else {
            self.playing = false;
            return;
        };
        *plane = wanted.unwrap_or(*plane).min(world.planes() - 1);
        for step in steps {
            self.step(step, world, plane);
        }
        if self.playing {
            // Limits that change from plane to plane make a movie flicker.
            settings.same_limits.get_or_insert(true);
        }
        self.limits = None;
        if settings.same_limits == Some(true) && display.limits != LimitsMode::Typed {
            let (store, mode, place) = (cx.services.store.clone(), display.limits, place.clone());
            let key = place.key(&store).and(&mode.name());
            let ask = move |progress: &Progress<CubeLimits>| cube_limits(&store, &place, mode, progress);
            let answer = cx.services.queries.ask(cx.slot("cube limits"), key, &cx.services.wake, ask);
            self.waiting = matches!(answer, Answer::Pending { .. });
            self.limits = answer.newest().map(|l| l.0);
        }
    }

    fn step(&mut self, step: SliceStep, world: &World, plane: &mut usize) {
        let Some(axis) = world.channel_axis() else { return };
        let last = world.slices[axis].length - 1;
        let here = world.indices(*plane)[axis];
        let there = match step {
            SliceStep::Next => (here + 1).min(last),
            SliceStep::Previous => here.saturating_sub(1),
            SliceStep::First => 0,
            SliceStep::Last => last,
            SliceStep::Play => {
                self.playing = !self.playing;
                self.next_at = 0.0;
                here
            }
        };
        *plane = world.plane_with(*plane, axis, there);
    }

    /// The limits of the whole cube, where those are shown.
    pub fn limits(&self) -> Option<Limits> {
        self.limits
    }

    /// Puts the limits of the whole cube on a display, where those are wanted; gives back the display without them.
    pub fn lock(&self, display: &mut Display) -> Option<Display> {
        let limits = self.limits?;
        let unlocked = display.clone();
        display.type_limits(limits);
        Some(unlocked)
    }

    /// Undoes [`Self::lock`], but keeps what the user changed meanwhile: the limits of the cube are no typed limits.
    pub fn unlock(&self, unlocked: Option<Display>, display: &mut Display) {
        let (Some(unlocked), Some(limits)) = (unlocked, self.limits) else { return };
        if display.limits == LimitsMode::Typed && display.typed_limits == [limits.low, limits.high] {
            display.limits = unlocked.limits;
            display.typed_limits = unlocked.typed_limits;
        }
    }

    /// True while limits are being found.
    pub fn busy(&self) -> bool {
        self.waiting
    }

    /// The sliders, a row an axis; `ready` tells whether the plane asked for is on the screen.
    pub fn ui(
        &mut self,
        ui: &mut Ui,
        cx: &mut PanelContext<'_>,
        world: &World,
        place: &Place,
        settings: &SliceSettings,
        plane: &mut usize,
        ready: bool,
    ) {
        let Some(channels) = world.channel_axis() else { return };
        let long: Vec<usize> = (0..world.slices.len()).filter(|i| world.slices[*i].length > 1).collect();
        for axis in &long {
            ui.horizontal(|ui| {
                if *axis == channels {
                    let (text, help) = if self.playing {
                        ("Stop", "Stop the movie (Space)")
                    } else {
                        ("Play", "Play the planes as a movie (Space)")
                    };
                    if ui.button(text).on_hover_text(help).clicked() {
                        self.step(SliceStep::Play, world, plane);
                    }
                }
                self.slider_row(ui, world, *axis, long.len() == 1, plane);
            });
        }
        if self.playing {
            self.play(ui, cx, world, place, settings, channels, plane, ready);
        }
    }

    fn slider_row(&mut self, ui: &mut Ui, world: &World, axis: usize, only: bool, plane: &mut usize) {
        let slice = &world.slices[axis];
        let label = ui.label(if only { "Plane" } else { slice.name.as_str() });
        let index = world.indices(*plane)[axis];
        let value = slice.value_text(index);
        // Room for the typed number and for the coordinate, which must not move the slider from plane to plane.
        let coordinate = 8.0 * value.chars().count().max(12) as f32;
        ui.spacing_mut().slider_width = (ui.available_width() - 76.0 - coordinate).max(60.0);
        let mut shown = index + 1;
        let slider = ui.add(Slider::new(&mut shown, 1..=slice.length)).labelled_by(label.id);
        if slider.changed() {
            *plane = world.plane_with(*plane, axis, shown - 1);
        }
        let name = slice.scale.as_ref().map_or(slice.name.as_str(), |s| s.label.as_str());
        ui.label(RichText::new(value).monospace()).on_hover_text(format!("{name}, of {} planes", slice.length));
    }

    /// One step of the movie when its time has come, and the next planes asked for ahead. A plane that is not there yet
    /// holds the movie up; the window never waits.
    #[expect(clippy::too_many_arguments)] // the parts of one view, lent for one frame
    fn play(
        &mut self,
        ui: &Ui,
        cx: &PanelContext<'_>,
        world: &World,
        place: &Place,
        settings: &SliceSettings,
        axis: usize,
        plane: &mut usize,
        ready: bool,
    ) {
        let now = ui.input(|i| i.time);
        let length = world.slices[axis].length;
        let here = world.indices(*plane)[axis];
        let mut at = (here, self.backwards);
        for ahead in 0..AHEAD {
            at = following(at, length, settings.bounce);
            let (store, place) = (cx.services.store.clone(), place.clone());
            let next = world.plane_with(*plane, axis, at.0);
            let key = place.key(&store).and(&("plane ahead", next));
            cx.services.queries.ask(cx.slot(&format!("ahead {ahead}")), key, &cx.services.wake, move |_| {
                store.plane(place.open(&store)?, place.hdu, next)?;
                Ok(Warm)
            });
        }
        if ready && now >= self.next_at {
            let (next, backwards) = following((here, self.backwards), length, settings.bounce);
            self.backwards = backwards;
            *plane = world.plane_with(*plane, axis, next);
            // A movie that was held up goes on from now, and does not rush to catch up.
            self.next_at = if self.next_at > 0.0 {
                (self.next_at + 1.0 / settings.speed).max(now)
            } else {
                now + 1.0 / settings.speed
            };
        }
        let wait = (self.next_at - now).clamp(0.001, 5.0);
        ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(wait));
    }

    /// Movie and limits, in the inspector.
    pub fn inspector_ui(&self, ui: &mut Ui, world: &World, settings: &mut SliceSettings) {
        ui.separator();
        ui.label(RichText::new("Planes").strong());
        for slice in world.slices.iter().filter(|s| s.length > 1) {
            let scale = slice.scale.as_ref();
            let name = scale.map_or(slice.name.as_str(), |s| s.label.as_str());
            let first = slice.value_text(0);
            let last = slice.value_text(slice.length - 1);
            ui.add(egui::Label::new(format!("{} planes: {name} {first} to {last}", slice.length)).wrap());
        }
        ui.horizontal(|ui| {
            let label = ui.label("Movie");
            ui.add(
                DragValue::new(&mut settings.speed).range(0.2..=60.0).speed(0.2).max_decimals(1).suffix(" planes/s"),
            )
            .labelled_by(label.id);
            let text = |bounce: bool| if bounce { "there and back" } else { "loop" };
            let label = ui.label("at the end");
            ComboBox::from_id_salt("movie end")
                .width(96.0)
                .selected_text(text(settings.bounce))
                .show_ui(ui, |ui| {
                    for bounce in [false, true] {
                        ui.selectable_value(&mut settings.bounce, bounce, text(bounce));
                    }
                })
                .response
                .labelled_by(label.id);
        });
        let mut same = settings.same_limits.unwrap_or(false);
        let switch = ui.checkbox(&mut same, "Same limits for all planes");
        if switch.on_hover_text("From pixels of the whole cube; a movie switches it on, as it would flicker").changed()
        {
            settings.same_limits = Some(same);
        }
    }

    /// Forgets what it asked.
    pub fn close(&self, cx: &PanelContext<'_>) {
        for ahead in 0..AHEAD {
            cx.services.queries.forget(cx.slot(&format!("ahead {ahead}")));
        }
        cx.services.queries.forget(cx.slot("cube limits"));
    }
}

/// The plane after this one, and whether the movie then runs backwards.
fn following((here, backwards): (usize, bool), length: usize, bounce: bool) -> (usize, bool) {
    match (bounce, backwards) {
        (false, _) => ((here + 1) % length.max(1), false),
        (true, false) if here + 1 < length => (here + 1, false),
        (true, true) if here > 0 => (here - 1, true),
        (true, backwards) => (if backwards { 1.min(length - 1) } else { here.saturating_sub(1) }, !backwards),
    }
}

/// Limits from an even sample of the planes of a cube, and of the pixels in them.
fn cube_limits(
    store: &Store,
    place: &Place,
    mode: LimitsMode,
    progress: &Progress<CubeLimits>,
) -> Result<CubeLimits, TaskError> {
    let id = place.open(store)?;
    let entry = store.entry(id).and_then(|e| e.hdus.iter().find(|h| h.index == place.hdu).cloned());
    let shape = entry.map(|h| h.shape).unwrap_or_default();
    let planes: usize = shape.iter().rev().skip(2).product();
    let pixels: usize = shape.iter().rev().take(2).product();
    // Whole planes are read: of large ones only a few.
    let count = (16 * SAMPLE_PIXELS / pixels.max(1)).clamp(1, SAMPLE_PLANES).min(planes.max(1));
    let stride = (count * pixels).div_ceil(SAMPLE_PIXELS).max(1);
    let mut sample = Vec::new();
    let file = store.file(id).ok();
    for k in 0..count {
        progress.check()?;
        let plane = (2 * k + 1) * planes / (2 * count);
        // Past the cache: these planes are not about to be looked at.
        let values = match &file {
            Some(file) => Arc::new(file.read_plane::<f32>(place.hdu, plane)?),
            None => store.plane(id, place.hdu, plane)?,
        };
        sample.extend(values.iter().step_by(stride).copied().filter(|v| v.is_finite()));
    }
    let sample = Array2::from_shape_vec((1, sample.len()), sample).map_err(|e| TaskError::Failed(e.to_string()))?;
    Ok(CubeLimits(Limits::of(sample.view(), mode, [0.0, 1.0])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_movie_loops_or_turns_round() {
        let run = |bounce| {
            let mut at = (0, false);
            let mut seen = vec![0];
            for _ in 0..7 {
                at = following(at, 4, bounce);
                seen.push(at.0);
            }
            seen
        };
        assert_eq!(run(false), [0, 1, 2, 3, 0, 1, 2, 3]);
        assert_eq!(run(true), [0, 1, 2, 3, 2, 1, 0, 1]);
    }

    #[test]
    fn limits_of_the_cube_are_not_taken_for_typed_ones() {
        let slices = Slices { limits: Some(Limits { low: -1.0, high: 7.0 }), ..Slices::default() };
        let mut display = Display { limits: LimitsMode::Percentile(99.5), ..Display::default() };
        let unlocked = slices.lock(&mut display);
        assert_eq!((display.limits, display.typed_limits), (LimitsMode::Typed, [-1.0, 7.0]));
        display.contrast = 2.0;
        slices.unlock(unlocked, &mut display);
        assert_eq!((display.limits, display.contrast), (LimitsMode::Percentile(99.5), 2.0));
        let unlocked = slices.lock(&mut display);
        display.typed_limits = [0.0, 7.0];
        slices.unlock(unlocked, &mut display);
        assert_eq!((display.limits, display.typed_limits), (LimitsMode::Typed, [0.0, 7.0]));
    }
}
