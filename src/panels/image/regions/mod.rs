//! Regions over an image: drawn, moved and measured, in the coordinates of their file.
//!
//! ```text
//! tool (gestures, handles, keys)   list (inspector)   measure (statistics, in a query)
//! ```
//! The file itself is what a session keeps; shapes in pixels are made from it and written back into it.

mod list;
mod measure;
mod tool;

use serde::{Deserialize, Serialize};

pub(super) use self::list::{PRODUCT, title};
pub(super) use self::measure::SLOT;
use self::tool::Tool;
use super::super::PanelContext;
use super::super::links::RegionNote;
use super::super::world::Place;
use crate::data::regions::{PixelRule, Region, RegionFile, RegionPlace, Shape, ShapeKind, System};
use crate::plots::colors::{self, Role};
use crate::plots::image_overlay::{MarkerShape, Markers, Overlays, Polyline};

/// What a session keeps of the regions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RegionSettings {
    /// The regions, as the text of a DS9 file.
    file: RegionFile,
    /// When a pixel belongs to a region.
    rule: PixelRule,
    /// Coordinates of new regions; none for the sky where the image has it.
    system: Option<System>,
    /// The shape that was drawn last.
    last: ShapeKind,
    /// Drawn at all.
    shown: bool,
}

impl Default for RegionSettings {
    fn default() -> Self {
        Self {
            file: RegionFile::default(),
            rule: PixelRule::default(),
            system: None,
            last: ShapeKind::Circle,
            shown: true,
        }
    }
}

/// A region on this image.
struct Placed {
    region: Region,
    /// In 0-based pixels, or why it has no place.
    shape: Result<Shape, String>,
    outlines: Vec<Vec<[f64; 2]>>,
    /// The middle of a point.
    point: Vec<[f64; 2]>,
}

/// The regions of one view.
#[derive(Default)]
pub(super) struct Regions {
    placed: Vec<Placed>,
    /// The coordinates for which they were placed.
    placed_for: Option<u64>,
    place: RegionPlace,
    tool: Tool,
    /// The corners of a polygon that is being drawn, with the place of the pointer.
    drawing: Vec<[f64; 2]>,
}

impl Regions {
    /// Takes in what a file brought, and places every region on the image.
    pub(super) fn logic(
        &mut self,
        cx: &mut PanelContext<'_>,
        settings: &mut RegionSettings,
        selected: &mut Option<usize>,
        place: Option<(RegionPlace, u64)>,
    ) {
        if let Some(file) = cx.links.wanted_regions.remove(&cx.view) {
            settings.take(&file);
            settings.shown = true;
        }
        let Some((place, key)) = place else {
            self.placed.clear();
            return;
        };
        if self.placed_for != Some(key) {
            self.placed.clear();
            self.placed_for = Some(key);
        }
        self.place = place;
        self.refresh(settings);
        *selected = selected.filter(|s| *s < self.placed.len());
    }

    /// Places the regions that have changed; the others stay.
    fn refresh(&mut self, settings: &RegionSettings) {
        let mut old = std::mem::take(&mut self.placed).into_iter();
        for region in settings.file.regions() {
            let known = old.next().filter(|placed| placed.region == *region);
            self.placed.push(known.unwrap_or_else(|| Placed::new(region.clone(), &self.place)));
        }
    }

    /// Publishes the selected region for those who show its spectrum.
    pub(super) fn publish(
        &self,
        cx: &mut PanelContext<'_>,
        of: &Place,
        settings: &RegionSettings,
        selected: Option<usize>,
    ) {
        let note = selected.filter(|_| settings.shown).and_then(|number| {
            let placed = self.placed.get(number).filter(|p| p.region.include)?;
            Some(RegionNote {
                of: of.clone(),
                name: placed.name(number),
                shape: placed.shape.clone().ok()?,
                without: self.excluded(),
                rule: settings.rule,
                color: placed.color(),
            })
        });
        match note {
            Some(note) => drop(cx.links.regions.insert(cx.view, note)),
            None => drop(cx.links.regions.remove(&cx.view)),
        }
    }

    /// Shapes whose pixels are taken out of the others.
    fn excluded(&self) -> Vec<Shape> {
        self.placed.iter().filter(|p| !p.region.include).filter_map(|p| p.shape.clone().ok()).collect()
    }

    /// Adds what is drawn over the image.
    pub(super) fn add<'a>(&'a self, settings: &RegionSettings, selected: Option<usize>, overlays: &mut Overlays<'a>) {
        if !settings.shown {
            return;
        }
        for (number, placed) in self.placed.iter().enumerate() {
            let (color, width) = (placed.color(), if selected == Some(number) { 2.5 } else { 1.5 });
            for points in &placed.outlines {
                overlays.lines.push(Polyline { points, closed: true, color, width, label: "" });
            }
            overlays.markers.push(Markers {
                positions: &placed.point,
                shape: MarkerShape::Cross,
                radius: if selected == Some(number) { 9.0 } else { 6.0 },
                color,
                label: "",
            });
            if !placed.region.include {
                // A stroke through what is taken out.
                overlays.lines.extend(placed.outlines.iter().filter(|o| o.len() > 2).map(|outline| Polyline {
                    points: &outline[..=outline.len() / 2],
                    closed: true,
                    color,
                    width: 1.0,
                    label: "",
                }));
            }
        }
        let color = Role::Reference.on_image();
        overlays.lines.push(Polyline { points: &self.drawing, closed: false, color, width: 1.5, label: "" });
    }

    /// What regions of this image lie in.
    pub(super) fn own_system(&self, settings: &RegionSettings) -> System {
        settings.system.unwrap_or_else(|| self.place.own_system())
    }

    /// Writes a shape in pixels into the file, in the coordinates of its region.
    fn write(&mut self, settings: &mut RegionSettings, number: usize, shape: &Shape) {
        let Some(system) = self.placed.get(number).map(|p| p.region.system) else { return };
        if let Ok(there) = self.place.shape_in(shape, system) {
            settings.file.set_shape(number, there);
            self.refresh(settings);
        }
    }

    /// Adds a shape in pixels to the file; its number.
    fn add_shape(&mut self, settings: &mut RegionSettings, shape: &Shape) -> Option<usize> {
        let system = self.own_system(settings);
        // A place that the sky does not reach is kept in pixels.
        let (system, there) = match self.place.shape_in(shape, system) {
            Ok(there) => (system, there),
            Err(_) => (System::Image, self.place.shape_in(shape, System::Image).ok()?),
        };
        let number = settings.file.add(system, there, None);
        self.refresh(settings);
        Some(number)
    }
}

impl RegionSettings {
    /// Takes the regions of a file in, behind those that are there.
    fn take(&mut self, file: &RegionFile) {
        if self.file.is_empty() {
            self.file = file.clone();
            return;
        }
        let mut text = self.file.to_text();
        if !text.ends_with(['\n', '\r']) {
            text.push('\n');
        }
        // A file without a system has that of DS9, not the one that the lines before it happen to end with.
        text.push_str("physical\n");
        text.push_str(&file.to_text());
        self.file = RegionFile::parse(&text);
    }

    /// True without regions.
    pub(super) fn is_empty(&self) -> bool {
        self.file.is_empty()
    }

    /// The shape that was drawn last.
    pub(super) fn last_drawn(&self) -> ShapeKind {
        self.last
    }

    /// The regions as bytes of a file; `None` when there are none.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        (!self.file.is_empty()).then(|| self.file.to_bytes())
    }
}

impl Placed {
    fn new(region: Region, place: &RegionPlace) -> Self {
        let shape = place.pixels_of(&region);
        let outlines = shape.as_ref().map(Shape::outlines).unwrap_or_default();
        let point = match &shape {
            Ok(Shape::Point { center }) => vec![*center],
            _ => Vec::new(),
        };
        Self { region, shape, outlines, point }
    }

    fn color(&self) -> egui::Color32 {
        // DS9's own default.
        self.region.color.as_deref().and_then(colors::named).unwrap_or_else(|| Role::Truth.on_image())
    }

    fn name(&self, number: usize) -> String {
        match &self.region.label {
            Some(label) if !label.trim().is_empty() => format!("Region {} {}", number + 1, label.trim()),
            _ => format!("Region {}", number + 1),
        }
    }
}
