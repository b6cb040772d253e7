//! A view of one image of an opened file: pan, zoom, limits, stretch, colour map, colour bar, read-out; a slider for cubes.
//!
//! ```text
//! load (pixels, coordinates, limits)   draw (what is seen)   read_out (what is under the pointer)   tools (keys, menu, line)
//! go_to (typed places)   profiles (along a line, around a point)   inspector (settings, histogram)
//! catalogue (rows of tables over the image)   keep (the plane as FITS, a script)
//! regions (drawn, moved, measured)   derived (made from a cube: moments, cuts)
//! slices (planes of a cube, movie)   contours (of this or another image)   linking (views that move together)
//! ```

mod catalogue;
mod contour_trace;
mod contours;
mod derived;
mod derived_make;
mod draw;
mod go_to;
mod inspector;
mod keep;
mod linking;
mod load;
mod profiles;
mod read_out;
mod regions;
mod slices;
mod tools;

use std::path::PathBuf;

use egui::{RichText, Ui};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::catalogue::CatalogueLayers;
use self::contours::{ContourSettings, Contours};
use self::derived::DerivedImage;
use self::go_to::GoTo;
pub(super) use self::linking::Linking;
use self::load::{Loader, Shown};
use self::profiles::Profile;
use self::read_out::Place;
use self::regions::{RegionSettings, Regions};
use self::slices::{SliceSettings, Slices};
use self::tools::LineTool;
use super::derived::Derived;
use super::links::Link;
use super::saved_state::saved_state;
use super::world;
use super::{ImageNote, Panel, PanelAction, PanelContext, PanelEntry, Product, Services};
use crate::data::PlaneWcs;
use crate::data::regions::RegionPlace;
use crate::plots::color_bar::ColorBar;
use crate::plots::color_table::Display;
use crate::plots::image_camera::Camera;
use crate::plots::image_view::ImageView;
use crate::plots::limits::{Limits, LimitsMode};
use crate::plots::sky_grid::SkyGrid;
use crate::workers::Key;

/// In the registry.
pub const ENTRY: PanelEntry = PanelEntry {
    kind: "image",
    title: "Image",
    help: "An image or a plane of a cube",
    study: false,
    make: |state| Box::new(ImagePanel::new(state)),
    picture: None,
};

/// What a session keeps of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Saved {
    path: PathBuf,
    hdu: usize,
    /// How it is made from a cube; then there is no path.
    derived: Option<Derived>,
    plane: usize,
    display: Display,
    camera: Camera,
    /// Lines of equal longitude and latitude.
    grid: bool,
    /// Arrows to the north and east.
    compass: bool,
    /// A round length on the sky.
    scale_bar: bool,
    /// The profile below the image.
    profile: Option<Profile>,
    /// The place that was gone to, a pixel coordinate.
    mark: Option<[f64; 2]>,
    /// The group of views that move together.
    link: Link,
    /// Movie and limits of a cube.
    slices: SliceSettings,
    /// Contours over the image.
    contours: ContourSettings,
    /// Regions over the image.
    regions: RegionSettings,
    /// The one that is selected.
    selected_region: Option<usize>,
}

impl Default for Saved {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            hdu: 0,
            derived: None,
            plane: 0,
            display: Display { color_map: "gray".into(), ..Display::default() },
            camera: Camera::default(),
            grid: false,
            compass: true,
            scale_bar: true,
            profile: None,
            mark: None,
            link: Link::default(),
            slices: SliceSettings::default(),
            contours: ContourSettings::default(),
            regions: RegionSettings::default(),
            selected_region: None,
        }
    }
}

impl Saved {
    /// Makes what a file says usable.
    fn sanitize(&mut self) {
        self.camera.sanitize();
        self.slices.sanitize();
        self.contours.sanitize();
        self.derived = self.derived.take().and_then(Derived::sane);
        self.profile = self.profile.and_then(Profile::sane);
        self.mark = self.mark.filter(|mark| mark.iter().all(|v| v.is_finite()));
    }
}

/// The panel.
pub struct ImagePanel {
    saved: Saved,
    load: Loader,
    view: ImageView,
    grid: SkyGrid,
    /// What the read-out shows; the last place where it is frozen.
    place: Option<Place>,
    frozen: bool,
    /// The place that the pointer of a linked view points to.
    linked: Option<Place>,
    linking: Linking,
    slices: Slices,
    contours: Contours,
    regions: Regions,
    derived: DerivedImage,
    catalogues: CatalogueLayers,
    /// Limits and the part of the image (pixels `[x low, y low, x high, y high]`) that were last on the screen.
    on_screen: Option<(Limits, [f64; 4])>,
    /// Where on the screen the image was last drawn.
    drawn: Option<(egui::Rect, Camera)>,
    line_tool: LineTool,
    go_to: Option<GoTo>,
    /// Where the menu of the right button was opened.
    menu_at: Option<[f64; 2]>,
    /// The centre of light that the radial profile moved to.
    found_center: Option<[f64; 2]>,
    /// Something on the screen is still being made: tiles, a histogram, a profile.
    pending: bool,
    /// Show the test pattern when there is no file.
    example: bool,
    /// Nobody has chosen how it is coloured yet: what the file holds decides, once it is read.
    fresh: bool,
}

impl ImagePanel {
    fn new(state: &Value) -> Self {
        let mut saved: Saved = saved_state(state);
        saved.sanitize();
        Self {
            saved,
            load: Loader::default(),
            view: ImageView::default(),
            grid: SkyGrid::default(),
            place: None,
            frozen: false,
            linked: None,
            linking: Linking::default(),
            slices: Slices::default(),
            contours: Contours::default(),
            regions: Regions::default(),
            derived: DerivedImage::default(),
            catalogues: CatalogueLayers::default(),
            on_screen: None,
            drawn: None,
            line_tool: LineTool::Off,
            go_to: None,
            menu_at: None,
            found_center: None,
            pending: false,
            example: false,
            fresh: state.get("display").is_none(),
        }
    }

    /// Planes of a cube open with percentiles: zscale, made for fields of stars, cuts off lines and emission.
    fn choose_limits(&mut self) {
        let Some(shown) = self.load.shown.as_ref().filter(|_| self.fresh) else { return };
        self.fresh = false;
        if shown.planes() > 1 {
            self.saved.display.limits = LimitsMode::Percentile(99.5);
        }
    }

    /// Without a file: a pattern of rings with noise and missing pixels, made in the background.
    fn ask_example(&mut self, cx: &mut PanelContext<'_>) {
        if !self.example || self.load.result.is_some() {
            return;
        }
        let answer = cx.services.queries.ask(cx.slot("example"), Key::of(&()), &cx.services.wake, |_| Ok(example()));
        if let Some(pixels) = answer.ready() {
            let pixels = pixels.as_ref().clone().into_dyn();
            self.load.result = Some(cx.services.store.insert("test pattern", pixels, "counts", None));
        }
    }

    /// What it shows, for other views.
    fn source(&self) -> world::Place {
        let result = if self.saved.path.as_os_str().is_empty() { self.load.result } else { None };
        world::Place { path: self.saved.path.clone(), hdu: self.saved.hdu, result }
    }

    /// Slices, links and contours, before the plane is asked for.
    fn companions(&mut self, cx: &mut PanelContext<'_>) {
        let source = self.source();
        let saved = &mut self.saved;
        let world = self.linking.world.clone();
        let world = world.as_ref();
        self.slices.logic(cx, &source, world, &mut saved.slices, &saved.display, &mut saved.plane);
        self.linking.logic(cx, &source, &mut saved.link, &mut saved.camera, &mut saved.plane);
        self.contours.logic(cx, &source, world, saved.plane, &saved.camera, &saved.contours);
    }

    /// Places the regions on the image, and tells the others which one is selected.
    fn regions_logic(&mut self, cx: &mut PanelContext<'_>) {
        let physical = self.linking.world.as_ref().map(|w| w.physical).unwrap_or_default();
        let place = self.load.shown.as_ref().map(|shown| {
            let key = shown.sky_key ^ u64::from(self.linking.world.is_some()) << 63;
            (RegionPlace { wcs: shown.wcs.clone(), physical }, key)
        });
        let mut source = self.source();
        match self.saved.profile {
            Some(Profile::Line { ends }) => drop(cx.links.lines.insert(cx.view, (source.clone(), ends))),
            _ => drop(cx.links.lines.remove(&cx.view)),
        }
        // A map has the pixels of its cube: the spectrum of a region on it is that of the cube.
        if let Some(Derived::Collapse(recipe)) = &self.saved.derived {
            source = recipe.of.clone();
        }
        let (settings, selected) = (&mut self.saved.regions, &mut self.saved.selected_region);
        self.regions.logic(cx, settings, selected, place);
        self.regions.publish(cx, &source, &self.saved.regions, self.saved.selected_region);
    }

    /// What is shown, for those who write it to files; `None` without a file.
    fn plane_of_file(&self) -> Option<keep::PlaneOfFile<'_>> {
        let shown = self.load.shown.as_ref().filter(|_| !self.saved.path.as_os_str().is_empty())?;
        let size = shown.source.size();
        Some(keep::PlaneOfFile {
            path: &self.saved.path,
            hdu: self.saved.hdu,
            plane: self.saved.plane,
            planes: shown.planes(),
            shape: &shown.hdu.shape,
            size,
            seen: self.on_screen.map_or([0.0, 0.0, size[0] as f64, size[1] as f64], |(_, seen)| seen),
            unit: &shown.source.unit,
        })
    }
}

/// Rings that widen outwards, seeded noise, and a corner without values: it shows stretch, limits and the neutral colour.
fn example() -> Array2<f32> {
    let mut noise = crate::numerics::random::stream(1, "image example", 0);
    Array2::from_shape_fn((160, 200), |(y, x)| {
        let (dx, dy) = (x as f64 - 92.0, y as f64 - 84.0);
        let r = dx.hypot(dy * 1.2);
        let rings = 1000.0 * (-r / 28.0).exp() * (1.0 + 0.6 * (r * r / 90.0).cos());
        if x + y < 24 { f32::NAN } else { (100.0 + rings + 6.0 * crate::numerics::random::normal(&mut noise)) as f32 }
    })
}

impl Panel for ImagePanel {
    fn title(&self) -> String {
        if let Some(recipe) = &self.saved.derived {
            return recipe.title();
        }
        let name =
            self.saved.path.file_name().map_or_else(|| ENTRY.title.to_owned(), |n| n.to_string_lossy().into_owned());
        match self.load.shown.as_ref().map(|s| s.hdu.label()) {
            Some(hdu) if !hdu.is_empty() && hdu != "PRIMARY" => format!("{name} [{hdu}]"),
            _ if self.saved.hdu > 0 => format!("{name} [{}]", self.saved.hdu),
            _ => name,
        }
    }

    fn logic(&mut self, cx: &mut PanelContext<'_>) {
        self.pending = false;
        self.ask_example(cx);
        if let Some(recipe) = &mut self.saved.derived {
            self.derived.logic(cx, recipe, &mut self.load.result);
        }
        self.companions(cx);
        let name = self.title();
        self.load.ask(&self.saved, &name, cx);
        if self.saved.derived.is_some() {
            self.load.waiting |= self.derived.waiting;
            if self.derived.problem.is_some() || self.load.result.is_none() {
                self.load.problem.clone_from(&self.derived.problem);
            }
        }
        self.choose_limits();
        let shown = self.load.shown.as_ref();
        let note = ImageNote {
            title: self.title(),
            path: self.saved.path.clone(),
            data: self.load.result.or_else(|| cx.services.store.id_of(&self.saved.path)),
            hdu: self.saved.hdu,
            plane: self.saved.plane,
            planes: shown.map_or(1, Shown::planes),
            size: shown.map_or([0; 2], |s| s.source.size()),
            cube: self.saved.derived.as_ref().map(|recipe| self.derived.cube(recipe)),
        };
        self.regions_logic(cx);
        let seen = self.on_screen.map(|(_, seen)| seen);
        self.catalogues.ask(cx, note.data, note.hdu, note.size, seen);
        cx.links.publish(cx.view, note);
    }

    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        if let Some(problem) = &self.load.problem {
            let color = ui.visuals().error_fg_color;
            ui.add(egui::Label::new(RichText::new(problem).color(color)).wrap());
            return;
        }
        let Some(shown) = &self.load.shown else {
            ui.centered_and_justified(|ui| {
                if self.load.waiting {
                    ui.spinner();
                } else {
                    ui.weak("Open a FITS file from the data tree, or drop one on the window");
                }
            });
            return;
        };
        let bar_width = ColorBar::width_for("", &shown.source.unit);
        let (size, has_wcs) = (shown.source.size(), shown.wcs.is_some());
        if cx.links.for_keeping {
            self.caption_ui(ui);
        } else {
            self.read_out_ui(ui, size, has_wcs);
        }
        let source = self.source();
        if let Some(world) = self.linking.world.as_ref().filter(|_| !cx.links.for_keeping) {
            let ready = !self.load.waiting;
            self.slices.ui(ui, cx, world, &source, &self.saved.slices, &mut self.saved.plane, ready);
        }
        let unlocked = self.slices.lock(&mut self.saved.display);
        let room = ui.available_rect_before_wrap();
        let mut image_rect = room;
        image_rect.set_width((room.width() - bar_width - 4.0).max(60.0));
        // From the moment the line is armed, so that the image does not move under the drag that draws it.
        let wanted = self.saved.profile.is_some() || self.line_tool != LineTool::Off;
        let profile = wanted.then(|| {
            let below = profiles::height(room.height());
            image_rect.set_height((room.height() - below - 4.0).max(60.0));
            egui::Rect::from_min_max(egui::pos2(room.left(), image_rect.bottom() + 4.0), room.max)
        });
        let mut image_ui = ui.new_child(egui::UiBuilder::new().max_rect(image_rect));
        if let Some(response) = self.image_ui(&mut image_ui, cx) {
            let bar_rect = egui::Rect::from_min_max(
                egui::pos2(image_rect.right() + 4.0, response.view.top()),
                egui::pos2(room.right(), response.view.bottom()),
            );
            self.pending |= self.view.is_unfinished();
            self.on_screen = Some((response.limits, response.camera.visible(response.view)));
            self.color_bar_ui(&mut ui.new_child(egui::UiBuilder::new().max_rect(bar_rect)), &response);
            self.tools(ui, &response, cx);
            self.profile_handles(ui, &response);
            self.regions.handles(ui, &response, &mut self.saved.regions, self.saved.selected_region);
            let (settings, selected) = (&mut self.saved.regions, &mut self.saved.selected_region);
            let used = self.regions.gestures(ui, &response, settings, selected);
            self.drawn = Some((response.view, response.camera));
            self.follow_pointer(ui, &response, cx);
            if let Some(pixel) = response.clicked.filter(|_| self.line_tool == LineTool::Off && !used) {
                cx.links.clicked(cx.view, pixel);
                let add = ui.input(|i| i.modifiers.command || i.modifiers.shift);
                self.catalogues.click(pixel, response.camera.points_per_pixel, add, cx);
            }
            self.linking.after(ui, cx, self.saved.link, &self.saved.camera);
            self.contours.drawn(ui, response.view);
        }
        self.slices.unlock(unlocked, &mut self.saved.display);
        if let Some(rect) = profile {
            self.profile_ui(&mut ui.new_child(egui::UiBuilder::new().max_rect(rect)), cx);
        }
        ui.allocate_rect(room, egui::Sense::hover());
    }

    fn inspector_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        self.settings_ui(ui, cx);
    }

    fn save(&self) -> Value {
        serde_json::to_value(&self.saved).unwrap_or_default()
    }

    fn passing(&self) -> &'static [&'static str] {
        &["camera", "plane", "cursor", "selected_region"]
    }

    fn actions(&self) -> &'static [PanelAction] {
        tools::ACTIONS_LISTED
    }

    fn act(&mut self, name: &str, cx: &mut PanelContext<'_>) {
        self.act_by_name(name, cx);
    }

    fn restore(&mut self, state: &Value) -> bool {
        let Ok(mut saved) = serde_json::from_value::<Saved>(state.clone()) else { return false };
        let same_recipe = saved.derived.is_some() == self.saved.derived.is_some();
        if (&saved.path, saved.hdu) != (&self.saved.path, self.saved.hdu) || !same_recipe {
            return false;
        }
        saved.sanitize();
        self.saved = saved;
        true
    }

    fn busy(&self) -> bool {
        let companions = self.linking.busy() || self.slices.busy() || self.contours.busy() || self.catalogues.waiting();
        self.load.waiting || self.pending || companions || (self.example && self.load.result.is_none())
    }

    fn products(&self, services: &Services) -> Vec<Product> {
        let mut all = match self.plane_of_file() {
            Some(of) => keep::products(&of, &self.title(), &services.store),
            None => Vec::new(),
        };
        all.extend(self.saved.derived.iter().flat_map(|recipe| self.derived.products(recipe)));
        all.extend(self.saved.regions.bytes().map(|bytes| keep::regions(bytes, &self.title())));
        all
    }

    fn python(&self, _services: &Services) -> Option<String> {
        let (of, shown) = (self.plane_of_file()?, self.load.shown.as_ref()?);
        let has_sky = shown.wcs.as_ref().is_some_and(PlaneWcs::shows_sky);
        Some(keep::python(&of, &self.saved.display, self.on_screen?.0, has_sky))
    }

    fn command_lines(&self) -> Vec<String> {
        super::file_command_lines(&self.saved.path)
    }

    fn close(&mut self, cx: &mut PanelContext<'_>) {
        world::forget_opening(cx, &self.saved.path);
        self.catalogues.close(cx);
        self.slices.close(cx);
        self.contours.close(cx);
        if self.saved.derived.is_some()
            && let Some(made) = self.load.result.take()
        {
            cx.services.store.remove(made);
        }
        let own = load::SLOTS.into_iter().chain(derived::SLOTS);
        for name in own.chain(["world", "example", profiles::SLOT, inspector::SLOT, regions::SLOT]) {
            cx.services.queries.forget(cx.slot(name));
        }
    }

    fn show_example(&mut self, _cx: &mut PanelContext<'_>) {
        self.example = self.saved.path.as_os_str().is_empty() && self.load.result.is_none();
    }
}
