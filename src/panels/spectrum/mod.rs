//! A view of spectra: of a cube under the pointer, of pixels that were pinned, or of a file that holds one.
//!
//! It follows the pointer over any open cube without a click, and stays where the pointer left. A click on the image
//! pins the spectrum there. Clicking or dragging the line of the channel changes the plane of the cube.

mod curve;
mod keep;
mod lines;
mod range;
mod region;
mod view;

use std::sync::Arc;

use egui::Ui;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::curve::{Curve, Shown};
use self::lines::LineSettings;
use self::range::RangeSettings;
use self::region::RegionCurve;
use super::links::RegionNote;
use super::saved_state::saved_state;
use super::world::{Place, World, ask_world, opened};
use super::{Panel, PanelContext, PanelEntry, Product, Services};
use crate::data::spectral_units::SpectralUnit;
use crate::numerics::aperture::Reduction;
use crate::workers::{Answer, Key};

/// In the registry.
pub const ENTRY: PanelEntry = PanelEntry {
    kind: "spectrum",
    title: "Spectrum",
    help: "The spectrum under the pointer of a cube, or of a file that holds one",
    study: false,
    make: |state| Box::new(SpectrumPanel::new(state)),
    picture: None,
};

/// Pins at most: more are hard to tell apart.
const PINS: usize = 12;

/// A spectrum that stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Pin {
    of: Place,
    /// `[x, y]`, 0-based.
    pixel: [usize; 2],
    /// Place in the order of series colours.
    color: usize,
}

/// Where the spectrum that follows the pointer is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct AtCube {
    of: Place,
    /// `[x, y]`, 0-based; none for the middle of the image.
    pixel: Option<[usize; 2]>,
}

/// What a session keeps of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    /// An HDU that holds spectra itself: nothing is followed.
    file: Option<Place>,
    /// Which of its spectra.
    number: usize,
    /// The cube and its pixel under the pointer.
    cursor: AtCube,
    pins: Vec<Pin>,
    unit: SpectralUnit,
    /// Rest wavelength in metres that the user typed.
    rest_m: Option<f64>,
    full_range: bool,
    band: bool,
    /// How the pixels of a region become one spectrum.
    reduction: Reduction,
    /// The marked range.
    range: RangeSettings,
    /// The line list.
    lines: LineSettings,
}

impl Default for Saved {
    fn default() -> Self {
        Self {
            file: None,
            number: 0,
            cursor: AtCube::default(),
            pins: Vec::new(),
            unit: SpectralUnit::Header,
            rest_m: None,
            full_range: false,
            band: false,
            reduction: Reduction::Mean,
            range: RangeSettings::default(),
            lines: LineSettings::default(),
        }
    }
}

impl Saved {
    /// What the shown spectrum belongs to.
    fn of(&self) -> &Place {
        self.file.as_ref().unwrap_or(&self.cursor.of)
    }
}

/// The panel.
pub struct SpectrumPanel {
    saved: Saved,
    world: Option<Arc<World>>,
    live: Option<Arc<Curve>>,
    pinned: Vec<Option<Arc<Curve>>>,
    /// The region that is selected on the cube, and its spectrum as far as it has come.
    region: Option<(RegionNote, Arc<RegionCurve>)>,
    problem: Option<String>,
    waiting: bool,
    /// The plane that the cube shows.
    plane: usize,
    /// The last click on an image that was looked at.
    seen_click: u64,
    /// The channel under the pointer in the plot.
    pointed: Option<usize>,
    read_out: String,
    /// Show a made-up spectrum when nothing is open.
    example: bool,
}

impl SpectrumPanel {
    fn new(state: &Value) -> Self {
        let mut saved: Saved = saved_state(state);
        saved.rest_m = saved.rest_m.filter(|r| r.is_finite() && *r > 0.0);
        saved.pins.truncate(PINS);
        saved.range.sanitize();
        saved.lines.sanitize();
        Self {
            saved,
            world: None,
            live: None,
            pinned: Vec::new(),
            region: None,
            problem: None,
            waiting: false,
            plane: 0,
            seen_click: u64::MAX,
            pointed: None,
            read_out: String::new(),
            example: false,
        }
    }

    /// Follows the pointer over cubes, and pins what is clicked.
    fn follow(&mut self, cx: &mut PanelContext<'_>) {
        let click = cx.links.click;
        let serial = click.map_or(0, |c| c.serial);
        // A view that was just made does not answer to an old click.
        let fresh = self.seen_click != u64::MAX && serial > self.seen_click;
        self.seen_click = serial;
        if self.saved.file.is_some() {
            return;
        }
        if let Some((of, pixel)) = cx.links.cursor.and_then(|c| self.cube_at(cx, c.view, c.pixel)) {
            if self.saved.cursor.of != of {
                self.saved.cursor.of = of;
                self.world = None;
                self.live = None;
            }
            self.saved.cursor.pixel = Some(pixel);
        }
        let clicked = click.filter(|_| fresh).and_then(|c| self.cube_at(cx, c.view, c.pixel));
        if let Some((of, pixel)) = clicked {
            self.pin(of, pixel);
        }
        if self.saved.cursor.of.is_empty()
            && let Some(note) = cx.links.images().values().find(|n| n.planes > 1)
        {
            self.saved.cursor.of = Place::of(note);
        }
    }

    /// The cube and its pixel that a place on an image means: that image itself, or the shown cube linked to it.
    fn cube_at(&self, cx: &PanelContext<'_>, view: u64, pixel: [f64; 2]) -> Option<(Place, [usize; 2])> {
        let images = cx.links.images();
        let index = |pixel: [f64; 2], size: [usize; 2]| -> Option<[usize; 2]> {
            let inside = (0..2).all(|c| pixel[c] >= -0.5 && pixel[c] < size[c] as f64 - 0.5);
            inside.then(|| pixel.map(|v| (v + 0.5).floor().max(0.0) as usize))
        };
        let note = images.get(&view)?;
        if let Some(cube) = &note.cube {
            // How large the cube is, is asked for with its world.
            return Some((cube.of.clone(), index(cube.pixel(pixel), [usize::MAX >> 12; 2])?));
        }
        if note.planes > 1 {
            return Some((Place::of(note), index(pixel, note.size)?));
        }
        let (cube, note) = images.iter().find(|(_, n)| n.planes > 1 && Place::of(n) == self.saved.cursor.of)?;
        let there = cx.links.pixel_map(view, *cube)?.apply(pixel)?;
        Some((Place::of(note), index(there, note.size)?))
    }

    fn pin(&mut self, of: Place, pixel: [usize; 2]) {
        let pins = &mut self.saved.pins;
        if pins.len() >= PINS || pins.iter().any(|p| p.of == of && p.pixel == pixel) {
            return;
        }
        let color = (0..).find(|c| pins.iter().all(|p| p.color != *c)).unwrap_or(0);
        pins.push(Pin { of, pixel, color });
    }

    /// Asks for the world and every curve.
    fn ask(&mut self, cx: &mut PanelContext<'_>) {
        self.waiting = false;
        self.problem = None;
        if self.saved.of().is_empty() {
            return;
        }
        if let Some(file) = self.saved.file.clone() {
            if !opened(cx, &file.path) {
                self.waiting = true;
                return;
            }
            let answer = self.ask_file(cx, &file);
            self.live = self.take(&answer);
            return;
        }
        let answer = ask_world(cx, "spectrum world", &self.saved.cursor.of);
        self.take(&answer);
        // Coordinates of the file before it was read again would put old numbers under a new key.
        let Some(world) = answer.ready().cloned() else { return };
        self.world = Some(world.clone());
        if world.channel_axis().is_none() {
            self.problem = Some(format!("{}: it has one plane only, and no spectrum", self.saved.cursor.of.name()));
            return;
        }
        let size = world.size();
        let pixel =
            self.saved.cursor.pixel.filter(|p| p[0] < size[0] && p[1] < size[1]).unwrap_or([size[0] / 2, size[1] / 2]);
        let of = self.saved.cursor.of.clone();
        let answer = self.ask_cube(cx, "live", &of, &world, pixel, self.plane);
        self.live = self.take(&answer).or(self.live.take());
        let mut pinned = Vec::new();
        for (index, pin) in self.saved.pins.clone().into_iter().enumerate() {
            let world = if pin.of == of {
                Some(world.clone())
            } else {
                let answer = ask_world(cx, &format!("pin world {index}"), &pin.of);
                self.take(&answer);
                answer.ready().cloned()
            };
            pinned.push(world.and_then(|world| {
                let size = world.size();
                let inside = pin.pixel[0] < size[0] && pin.pixel[1] < size[1];
                let answer = inside
                    .then(|| self.ask_cube(cx, &format!("pin {index}"), &pin.of, &world, pin.pixel, self.plane))?;
                self.take(&answer)
            }));
        }
        self.pinned = pinned;
        self.region = self.region_note(cx).and_then(|note| {
            let answer = self.ask_region(cx, &note, &world, self.plane);
            // As far as it has come, else that of the place before.
            let curve = self.take(&answer)?;
            Some((note, curve))
        });
        self.publish_range(cx, &world);
    }

    fn shown(&self) -> Shown {
        Shown { unit: self.saved.unit, rest_m: self.saved.rest_m, band: self.saved.band }
    }

    fn ask_cube(
        &self,
        cx: &PanelContext<'_>,
        slot: &str,
        of: &Place,
        world: &Arc<World>,
        pixel: [usize; 2],
        plane: usize,
    ) -> Answer<Curve> {
        let (store, place, world, shown) = (cx.services.store.clone(), of.clone(), world.clone(), self.shown());
        // Of the plane, only the place on the other axes matters.
        let others = world.channel_axis().map_or(plane, |axis| world.plane_with(plane, axis, 0));
        let key = key(of.key(&store), shown).and(&(pixel, others, world.serial));
        cx.services.queries.ask(cx.slot(slot), key, &cx.services.wake, move |_| {
            Curve::of_cube(&store, &place, &world, pixel, others, shown)
        })
    }

    fn ask_file(&self, cx: &PanelContext<'_>, file: &Place) -> Answer<Curve> {
        let (store, place, shown, number) = (cx.services.store.clone(), file.clone(), self.shown(), self.saved.number);
        let key = key(place.key(&store), shown).and(&("file", number));
        cx.services
            .queries
            .ask(cx.slot("live"), key, &cx.services.wake, move |_| Curve::of_file(&store, &place, number, shown))
    }

    /// The best there is of an answer; says what failed, and that there is more to come.
    fn take<T>(&mut self, answer: &Answer<T>) -> Option<Arc<T>> {
        match answer {
            Answer::Failed(problem) => self.problem = Some(problem.to_string()),
            Answer::Pending { .. } => self.waiting = true,
            Answer::Ready(_) => {}
        }
        answer.newest().cloned()
    }

    /// The image view that shows the cube.
    fn cube_view(&self, cx: &PanelContext<'_>) -> Option<u64> {
        let shows = |view: &u64| cx.links.images().get(view).is_some_and(|n| Place::of(n) == self.saved.cursor.of);
        let pointed = cx.links.cursor.map(|c| c.view);
        pointed.filter(shows).or_else(|| cx.links.images().keys().copied().find(shows))
    }
}

fn key(place: Key, shown: Shown) -> Key {
    place.and(&(shown.unit, shown.band, shown.rest_m.is_some())).and_f64(shown.rest_m.unwrap_or(0.0))
}

impl Panel for SpectrumPanel {
    fn title(&self) -> String {
        self.saved.file.as_ref().map_or_else(|| ENTRY.title.to_owned(), Place::name)
    }

    fn logic(&mut self, cx: &mut PanelContext<'_>) {
        if self.example && self.saved.of().is_empty() {
            self.saved.cursor.of.result = Some(cx.services.store.insert("test cube", example(), "counts", None));
        }
        self.follow(cx);
        if let Some(note) = self.cube_view(cx).and_then(|view| cx.links.images().get(&view)) {
            self.plane = note.plane;
        }
        self.ask(cx);
    }

    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        self.view_ui(ui, cx);
    }

    fn inspector_ui(&mut self, ui: &mut Ui, _cx: &mut PanelContext<'_>) {
        self.settings_ui(ui);
    }

    fn save(&self) -> Value {
        serde_json::to_value(&self.saved).unwrap_or_default()
    }

    fn busy(&self) -> bool {
        self.waiting
    }

    fn products(&self, _services: &Services) -> Vec<Product> {
        self.spectrum_products()
    }

    fn command_lines(&self) -> Vec<String> {
        super::file_command_lines(&self.saved.of().path)
    }

    fn close(&mut self, cx: &mut PanelContext<'_>) {
        crate::panels::world::forget_opening(cx, &self.saved.of().path);
        for name in ["live", "region", "spectrum world"] {
            cx.services.queries.forget(cx.slot(name));
        }
        for index in 0..PINS {
            cx.services.queries.forget(cx.slot(&format!("pin {index}")));
            cx.services.queries.forget(cx.slot(&format!("pin world {index}")));
        }
    }

    fn show_example(&mut self, _cx: &mut PanelContext<'_>) {
        self.example = self.saved.of().is_empty();
    }
}

/// A small cube with one line that moves across the field, on a continuum with seeded noise.
fn example() -> ndarray::ArrayD<f32> {
    let mut noise = crate::numerics::random::stream(2, "spectrum example", 0);
    ndarray::Array3::from_shape_fn((200, 9, 9), |(z, y, x)| {
        let centre = 90.0 + 4.0 * x as f64 + 2.0 * y as f64;
        let line = 60.0 * (-0.5 * ((z as f64 - centre) / 5.0).powi(2)).exp();
        (20.0 + 0.05 * z as f64 + line + 2.0 * crate::numerics::random::normal(&mut noise)) as f32
    })
    .into_dyn()
}
