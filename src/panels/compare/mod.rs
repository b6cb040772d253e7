//! Two images against each other: blinked in place, or as difference or ratio; the second is put on the pixels of the
//! first.

mod pair;
mod view;

use std::sync::Arc;

use egui::Ui;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::pair::{Operation, Outcome, Pair, Side};
use super::image::Linking;
use super::links::Link;
use super::saved_state::saved_state;
use super::world::{Place, opened};
use super::{Panel, PanelContext, PanelEntry};
use crate::data::typeset_unit;
use crate::plots::color_table::Display;
use crate::plots::image_camera::Camera;
use crate::plots::image_view::{ImageSource, ImageView};
use crate::plots::limits::LimitsMode;
use crate::workers::Answer;

/// In the registry.
pub const ENTRY: PanelEntry = PanelEntry {
    kind: "compare",
    title: "Compare",
    help: "Blink two images, or show their difference or ratio",
    study: false,
    make: |state| Box::new(ComparePanel::new(state)),
    picture: None,
};

/// What is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// One after the other.
    #[default]
    Blink,
    /// What an operation makes of both.
    Combine,
}

/// One of the two images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Chosen {
    /// The view that shows it; its plane is followed.
    view: u64,
    of: Place,
}

/// What a session keeps of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    a: Chosen,
    b: Chosen,
    mode: Mode,
    /// Blinks by itself.
    timed: bool,
    period_s: f64,
    /// The second in the limits of the first.
    same_limits: bool,
    operation: Operation,
    k: f64,
    images: Display,
    difference: Display,
    ratio: Display,
    camera: Camera,
    link: Link,
    /// Planes of the two, as their views last showed them.
    planes: [usize; 2],
}

impl Default for Saved {
    fn default() -> Self {
        Self {
            a: Chosen::default(),
            b: Chosen::default(),
            mode: Mode::Blink,
            timed: false,
            period_s: 0.5,
            same_limits: false,
            operation: Operation::Difference,
            k: 1.0,
            images: Display { color_map: "gray".into(), ..Display::default() },
            difference: Display::signed(),
            ratio: Display { limits: LimitsMode::Percentile(98.0), ..Display::signed() },
            camera: Camera::default(),
            link: Link::default(),
            planes: [0; 2],
        }
    }
}

impl Saved {
    fn sanitize(&mut self) {
        self.camera.sanitize();
        self.period_s = if self.period_s.is_finite() { self.period_s.clamp(0.1, 10.0) } else { 0.5 };
        if !self.k.is_finite() {
            self.k = 1.0;
        }
    }
}

/// One picture of the panel: its pixels and the tiles of them.
#[derive(Default)]
struct Picture {
    source: Option<ImageSource>,
    view: ImageView,
}

impl Picture {
    /// Shows these pixels from now on.
    fn set(&mut self, pixels: &Arc<ndarray::Array2<f32>>, name: &str, unit: &str, pair: &Pair) {
        if self.source.as_ref().is_none_or(|s| !Arc::ptr_eq(&s.pixels, pixels)) {
            let source = ImageSource::new(name, pixels.clone()).unit(unit);
            self.source = Some(match pair.arcsec_per_pixel {
                Some(scale) => source.arcsec_per_pixel(scale),
                None => source,
            });
        }
    }
}

/// The panel.
pub struct ComparePanel {
    saved: Saved,
    /// The second is on the screen.
    shows_b: bool,
    pair: Option<Arc<Pair>>,
    outcome: Option<Arc<Outcome>>,
    /// The outcome is that of the planes and the k that are set now.
    outcome_is_new: bool,
    /// A, B, and what was made of them.
    pictures: [Picture; 3],
    linking: Linking,
    problem: Option<String>,
    waiting: bool,
    seen_blinks: Option<u64>,
    next_blink: f64,
    read_out: String,
    example: bool,
}

impl ComparePanel {
    fn new(state: &Value) -> Self {
        let mut saved: Saved = saved_state(state);
        saved.sanitize();
        Self {
            saved,
            shows_b: false,
            pair: None,
            outcome: None,
            outcome_is_new: false,
            pictures: Default::default(),
            linking: Linking::default(),
            problem: None,
            waiting: false,
            seen_blinks: None,
            next_blink: 0.0,
            read_out: String::new(),
            example: false,
        }
    }

    /// Takes the first two images that are open, where none were chosen, and follows their planes.
    fn choose(&mut self, cx: &PanelContext<'_>) {
        let images = cx.links.images();
        let mut others = images.iter().filter(|(_, n)| n.size != [0; 2]).map(|(view, n)| (*view, Place::of(n)));
        for which in 0..2 {
            let taken = [self.saved.a.view, self.saved.b.view];
            let side = if which == 0 { &mut self.saved.a } else { &mut self.saved.b };
            if side.of.is_empty()
                && let Some((view, of)) = others.find(|(view, of)| !taken.contains(view) && !of.is_empty())
            {
                *side = Chosen { view, of };
            }
            let same = |view: &u64| images.get(view).filter(|n| Place::of(n) == side.of);
            let any = || images.values().find(|n| Place::of(n) == side.of);
            if let Some(note) = same(&side.view).or_else(any) {
                self.saved.planes[which] = note.plane;
            }
        }
    }

    fn ask(&mut self, cx: &PanelContext<'_>) {
        (self.waiting, self.problem, self.outcome_is_new) = (false, None, false);
        let a: Side = (self.saved.a.of.clone(), self.saved.planes[0]);
        let b: Side = (self.saved.b.of.clone(), self.saved.planes[1]);
        if a.0.is_empty() || b.0.is_empty() {
            self.pair = None;
            return;
        }
        // Both at once: one after the other would take two rounds.
        let both = [&a, &b].map(|side| opened(cx, &side.0.path));
        if both.contains(&false) {
            self.waiting = true;
            return;
        }
        let store = cx.services.store.clone();
        let key = a.0.key(&store).and(&a.1).and(&b.0.key(&store)).and(&b.1).and(&"pair");
        let answer = cx
            .services
            .queries
            .ask(cx.slot("pair"), key, &cx.services.wake, move |progress| Pair::read(&store, &a, &b, progress));
        self.take_pair(&answer);
        let Some(pair) = self.pair.clone() else { return };
        self.pictures[0].set(&pair.a, "A", &typeset_unit(&pair.units[0]), &pair);
        self.pictures[1].set(&pair.b, "B", &typeset_unit(&pair.units[1]), &pair);
        if self.saved.mode != Mode::Combine || answer.ready().is_none() {
            return;
        }
        let (operation, k) = (self.saved.operation, self.saved.k);
        let key = key.and(&operation).and_f64(if operation == Operation::Scaled { k } else { 1.0 });
        let unit = typeset_unit(&pair.unit(operation));
        let both = pair.clone();
        let answer = cx
            .services
            .queries
            .ask(cx.slot("combined"), key, &cx.services.wake, move |_| Ok(both.combine(operation, k)));
        self.waiting |= answer.ready().is_none();
        self.outcome_is_new = answer.ready().is_some();
        if let Some(outcome) = answer.newest().filter(|o| o.of.0 == pair.of && o.of.1 == operation) {
            self.pictures[2].set(&outcome.pixels, operation.name(), &unit, &pair);
            self.outcome = Some(outcome.clone());
        }
    }

    /// What the operation made of the two images that are set; of other planes, or another k, until it is made anew.
    fn fitting_outcome(&self) -> Option<&Arc<Outcome>> {
        let of = [&self.saved.a.of, &self.saved.b.of];
        self.outcome.as_ref().filter(|o| o.of.0.each_ref() == of && o.of.1 == self.saved.operation)
    }

    fn take_pair(&mut self, answer: &Answer<Pair>) {
        match answer {
            Answer::Failed(problem) => {
                self.problem = Some(problem.to_string());
                self.pair = None;
            }
            Answer::Pending { .. } => self.waiting = true,
            Answer::Ready(_) => {}
        }
        // Another plane of the same images stays until the new one is here; other images do not.
        let of = [&self.saved.a.of, &self.saved.b.of];
        self.pair = answer.newest().cloned().or(self.pair.take()).filter(|pair| pair.of.each_ref() == of);
    }

    /// Two images of one field for the documentation: the second has one source more, and half a pixel of shift.
    fn ask_example(&mut self, cx: &PanelContext<'_>) {
        if !std::mem::take(&mut self.example) {
            return;
        }
        for (which, name) in ["first epoch", "second epoch"].into_iter().enumerate() {
            let pixels = epoch(which).into_dyn();
            let result = Some(cx.services.store.insert(name, pixels, "counts", None));
            let side = if which == 0 { &mut self.saved.a } else { &mut self.saved.b };
            side.of = Place { result, ..Place::default() };
        }
        self.saved.mode = Mode::Combine;
    }
}

/// A field of stars with seeded noise; in the second epoch one of them has flared up.
fn epoch(which: usize) -> ndarray::Array2<f32> {
    let mut noise = crate::numerics::random::stream(4, "compare example", which as u64);
    let stars = [(30.0, 40.0, 900.0), (80.0, 100.0, 400.0), (130.0, 60.0, 600.0), (60.0, 75.0, 100.0)];
    ndarray::Array2::from_shape_fn((120, 160), |(y, x)| {
        let light = stars.iter().enumerate().map(|(i, (cx, cy, peak))| {
            let flare = if i == 3 && which == 1 { 5.0 } else { 1.0 };
            let shift = 0.3 * which as f64;
            let r2 = (x as f64 - cx - shift).powi(2) + (y as f64 - cy).powi(2);
            peak * flare * (-r2 / 12.5).exp()
        });
        (100.0 + light.sum::<f64>() + 5.0 * crate::numerics::random::normal(&mut noise)) as f32
    })
}

impl Panel for ComparePanel {
    fn title(&self) -> String {
        ENTRY.title.to_owned()
    }

    fn logic(&mut self, cx: &mut PanelContext<'_>) {
        self.ask_example(cx);
        self.choose(cx);
        let mut plane = self.saved.planes[0];
        let of = self.saved.a.of.clone();
        self.linking.logic(cx, &of, &mut self.saved.link, &mut self.saved.camera, &mut plane);
        let blinks = cx.links.blinks;
        if self.seen_blinks.is_some_and(|seen| seen != blinks) {
            self.saved.mode = Mode::Blink;
            self.shows_b = !self.shows_b;
        }
        self.seen_blinks = Some(blinks);
        self.ask(cx);
    }

    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        self.view_ui(ui, cx);
    }

    fn inspector_ui(&mut self, ui: &mut Ui, _cx: &mut PanelContext<'_>) {
        self.settings_ui(ui);
    }

    fn passing(&self) -> &'static [&'static str] {
        &["camera", "planes"]
    }

    fn save(&self) -> Value {
        serde_json::to_value(&self.saved).unwrap_or_default()
    }

    fn busy(&self) -> bool {
        self.waiting || self.example || self.linking.busy()
    }

    fn close(&mut self, cx: &mut PanelContext<'_>) {
        for side in [&self.saved.a, &self.saved.b] {
            crate::panels::world::forget_opening(cx, &side.of.path);
        }
        for name in ["pair", "combined", "world"] {
            cx.services.queries.forget(cx.slot(name));
        }
    }

    fn show_example(&mut self, _cx: &mut PanelContext<'_>) {
        self.example = self.saved.a.of.is_empty();
    }
}
