//! What views know of each other: which images are open, where the pointer is, which rows of a table are chosen.
//!
//! The window owns one [`Links`] and lends it to every panel through [`PanelContext::links`](super::PanelContext::links).
//! A panel publishes what it shows in its `logic` and reads what others published; nobody holds another panel.
//!
//! Linked views share camera, cursor and slice. A group owns them, in pixels or on the sky: the view that the user moves
//! writes, the others read, so that no view answers to its own echo. [`Links::pixel_map`] is the one transform between
//! views, and [`SharedCamera`] the one form of a camera between them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::derived::Sides;
use super::world::{Place, World};
use crate::data::regions::{PixelRule, RegionFile, Shape};
use crate::data::sheet::Positions;
use crate::data::spectral_units::SpectralScale;
use crate::data::{DataId, PixelMap};
use crate::plots::image_camera::Camera;
use crate::workers::Key;

/// An image view, as others see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageNote {
    /// Title of its tab.
    pub title: String,
    /// The file; empty for a result.
    pub path: PathBuf,
    /// The data, once they are in the store.
    pub data: Option<DataId>,
    /// The HDU.
    pub hdu: usize,
    /// The plane on the screen, from 0.
    pub plane: usize,
    /// Number of planes; 1 for an image.
    pub planes: usize,
    /// `[width, height]` in pixels; zero before it is read.
    pub size: [usize; 2],
    /// The cube that it was made from: its spectra belong to these pixels.
    pub cube: Option<CubePixels>,
}

/// Where the pixels of an image made from a cube lie in that cube.
#[derive(Clone, Debug, PartialEq)]
pub struct CubePixels {
    /// The cube.
    pub of: Place,
    /// For a cut: its ends, and how far apart its steps are, in pixels of the cube. None for the same pixels.
    pub cut: Option<([[f64; 2]; 2], f64)>,
}

impl CubePixels {
    /// The pixel `[x, y]` of the cube.
    #[must_use]
    pub fn pixel(&self, pixel: [f64; 2]) -> [f64; 2] {
        let Some(([from, to], step)) = self.cut else { return pixel };
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let share = pixel[0] * step / dx.hypot(dy);
        [from[0] + share * dx, from[1] + share * dy]
    }
}

/// The selected region of an image view, in its pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionNote {
    /// What the view shows.
    pub of: Place,
    /// Its name for people: "Region 2".
    pub name: String,
    /// 0-based pixels.
    pub shape: Shape,
    /// Regions whose pixels are taken out.
    pub without: Vec<Shape>,
    /// When a pixel counts.
    pub rule: PixelRule,
    /// Its colour on the image.
    pub color: egui::Color32,
}

/// The ranges of channels that are marked in a spectrum, 0-based, both ends included.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeNote {
    /// The cube.
    pub of: Place,
    /// The line.
    pub line: [usize; 2],
    /// The continuum to either side.
    pub sides: Option<Sides>,
}

/// Where the pointer was last on an image. It stays when the pointer leaves, so that a spectrum does not vanish.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cursor {
    /// The view under the pointer.
    pub view: u64,
    /// Pixel coordinate `[x, y]`, 0-based.
    pub pixel: [f64; 2],
    /// Longitude and latitude in degrees (the system of the image), where known.
    pub sky: Option<[f64; 2]>,
    /// True while the pointer is still there.
    pub inside: bool,
}

/// A click on an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Click {
    /// The view.
    pub view: u64,
    /// Pixel coordinate `[x, y]`, 0-based.
    pub pixel: [f64; 2],
    /// Grows with every click: who looks later knows whether it is a new one.
    pub serial: u64,
}

/// The rows of one table that are chosen, in every view that shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSelection {
    /// Rows, from 0, in the order of the file.
    pub rows: BTreeSet<usize>,
    /// Grows with every change.
    pub revision: u64,
}

/// How a view is linked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// Not at all.
    #[default]
    Off,
    /// The same pixels, the same plane.
    Pixel,
    /// The same place on the sky, the same wavelength.
    Sky,
}

impl LinkKind {
    /// Every kind, in menu order.
    pub const ALL: [Self; 3] = [Self::Off, Self::Pixel, Self::Sky];

    /// In menus.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "not linked",
            Self::Pixel => "by pixel",
            Self::Sky => "by WCS",
        }
    }
}

/// The group that a view belongs to. Views linked by pixel and by sky never share a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    /// How.
    pub kind: LinkKind,
    /// Number of the group, from 1.
    pub group: u8,
}

impl Default for Link {
    fn default() -> Self {
        Self { kind: LinkKind::Off, group: 1 }
    }
}

/// A camera in the coordinates of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedCamera {
    /// What is in the middle: pixel `[x, y]`, or longitude and latitude in degrees.
    pub center: [f64; 2],
    /// Points of the screen of a pixel, or of an arcsecond.
    pub points_per_unit: f64,
    /// Frame of the sky; empty for pixels.
    pub frame: String,
}

impl SharedCamera {
    /// The camera of a view, in the coordinates of its group; `None` where the view has no sky.
    #[must_use]
    pub fn of(camera: &Camera, kind: LinkKind, world: &World) -> Option<Self> {
        let pixels = Self { center: camera.center, points_per_unit: camera.points_per_pixel, frame: String::new() };
        match kind {
            LinkKind::Off => None,
            LinkKind::Pixel => Some(pixels),
            LinkKind::Sky => {
                let wcs = world.wcs.as_ref()?;
                let scale = wcs.sky(&camera.center)?.pixel_scale_arcsec;
                Some(Self {
                    center: wcs.meeting_from_pixel(camera.center)?,
                    points_per_unit: camera.points_per_pixel / scale,
                    frame: wcs.meeting_frame()?.to_owned(),
                })
            }
        }
    }

    /// The camera with which a view shows the same; `None` where it cannot.
    #[must_use]
    pub fn camera(&self, kind: LinkKind, world: &World) -> Option<Camera> {
        match kind {
            LinkKind::Off => None,
            LinkKind::Pixel => Some(Camera::at(self.center, self.points_per_unit)),
            LinkKind::Sky => {
                let wcs = world.wcs.as_ref().filter(|w| w.meeting_frame() == Some(&self.frame))?;
                let center = wcs.pixel_from_meeting(self.center)?;
                let scale = wcs.sky(&center)?.pixel_scale_arcsec;
                Some(Camera::at(center, self.points_per_unit * scale))
            }
        }
    }
}

/// A plane in the coordinates of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum SharedSlice {
    /// Its number, from 0.
    Plane(usize),
    /// Its place along a spectral axis.
    Spectral {
        /// In the unit of the axis that it was told on.
        value: f64,
        /// That axis.
        scale: SpectralScale,
    },
}

impl SharedSlice {
    /// The plane of a view, in the coordinates of its group; `None` for images, and by WCS without a spectral axis.
    #[must_use]
    pub fn of(plane: usize, kind: LinkKind, world: &World) -> Option<Self> {
        match kind {
            LinkKind::Off => None,
            LinkKind::Pixel => (world.planes() > 1).then_some(Self::Plane(plane)),
            LinkKind::Sky => {
                let axis = world.channel_axis()?;
                let slice = world.slices.get(axis)?;
                let value = *slice.values.as_ref()?.get(*world.indices(plane).get(axis)?)?;
                Some(Self::Spectral { value, scale: slice.scale.clone()? })
            }
        }
    }

    /// The plane with which a view shows the same; `plane` is the one that it shows.
    #[must_use]
    pub fn plane(&self, plane: usize, world: &World) -> Option<usize> {
        match self {
            Self::Plane(wanted) => (world.planes() > 1).then(|| (*wanted).min(world.planes() - 1)),
            Self::Spectral { value, scale } => {
                let axis = world.channel_axis()?;
                let slice = world.slices.get(axis)?;
                let index = slice.nearest(scale.value_on(*value, slice.scale.as_ref()?)?)?;
                Some(world.plane_with(plane, axis, index))
            }
        }
    }
}

/// What the views of a group share. Revisions grow with every change; 0 is "nothing yet".
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub camera: Option<SharedCamera>,
    pub camera_revision: u64,
    pub slice: Option<SharedSlice>,
    pub slice_revision: u64,
}

#[derive(Clone, Debug)]
struct Member {
    link: Link,
    world: Option<Arc<World>>,
}

/// A step through the planes of a cube, as keys and menus ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceStep {
    /// One plane on.
    Next,
    /// One plane back.
    Previous,
    /// The first plane.
    First,
    /// The last plane.
    Last,
    /// Start or stop the movie.
    Play,
}

/// Rows of a table to be drawn over images.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// Name for the legend.
    pub title: String,
    /// The file of the table.
    pub path: PathBuf,
    /// Its HDU.
    pub hdu: usize,
    /// Positions of all rows.
    pub positions: Arc<Positions>,
    /// Rows that pass the filter, ascending; `None` for all.
    pub rows: Option<Arc<Vec<u32>>>,
    /// Changes with positions and rows.
    pub key: Key,
    /// Colour of the markers.
    pub color: egui::Color32,
    /// Radius of the markers in points.
    pub radius: f32,
    /// The image view that shows it; `None` for all.
    pub view: Option<u64>,
}

/// What linked views share.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// This is a picture to keep, not the window: panels leave out what can only be clicked.
    pub for_keeping: bool,
    images: BTreeMap<u64, ImageNote>,
    members: BTreeMap<u64, Member>,
    groups: BTreeMap<Link, Group>,
    /// Steps through planes that keys and menus asked for, by view.
    pub steps: BTreeMap<u64, Vec<SliceStep>>,
    /// How often blinking was asked for.
    pub blinks: u64,
    /// Links that views are asked to take: side by side.
    pub wanted_links: BTreeMap<u64, Link>,
    /// The last place of the pointer on an image; one for the window.
    pub cursor: Option<Cursor>,
    /// The last click on an image.
    pub click: Option<Click>,
    /// Planes that somebody asks a view to show: a click in a spectrum, a movie.
    pub wanted_planes: BTreeMap<u64, usize>,
    rows: BTreeMap<(PathBuf, usize), RowSelection>,
    /// Tables that are drawn over images, by the view that shows their rows.
    pub catalogues: BTreeMap<u64, Catalogue>,
    /// The selected region of each image view.
    pub regions: BTreeMap<u64, RegionNote>,
    /// Region files that image views are asked to take in.
    pub wanted_regions: BTreeMap<u64, Arc<RegionFile>>,
    /// The marked range of each spectrum view.
    pub ranges: BTreeMap<u64, RangeNote>,
    /// The line that is drawn on each image view: on what, and its ends in 0-based pixels.
    pub lines: BTreeMap<u64, (Place, [[f64; 2]; 2])>,
    /// How often a text table was read on demand: nobody watches those for changes.
    pub readings: BTreeMap<PathBuf, u64>,
}

impl Links {
    /// Says what an image view shows.
    pub fn publish(&mut self, view: u64, note: ImageNote) {
        self.images.insert(view, note);
    }

    /// The open image views by number.
    #[must_use]
    pub fn images(&self) -> &BTreeMap<u64, ImageNote> {
        &self.images
    }

    /// Says that an image was clicked.
    pub fn clicked(&mut self, view: u64, pixel: [f64; 2]) {
        let serial = self.click.map_or(0, |c| c.serial) + 1;
        self.click = Some(Click { view, pixel, serial });
    }

    /// Forgets a view that was closed.
    pub fn forget(&mut self, view: u64) {
        self.images.remove(&view);
        self.catalogues.remove(&view);
        self.wanted_planes.remove(&view);
        self.regions.remove(&view);
        self.wanted_regions.remove(&view);
        self.ranges.remove(&view);
        self.lines.remove(&view);
        self.steps.remove(&view);
        self.wanted_links.remove(&view);
        self.members.remove(&view);
        self.drop_empty_groups();
        if self.cursor.is_some_and(|c| c.view == view) {
            self.cursor = None;
        }
    }

    /// These links as another view sees them that stands in for `view` under the number `as_view`: for a picture of it.
    #[must_use]
    pub fn standing_in(&self, view: u64, as_view: u64) -> Self {
        let mut links = Self { for_keeping: true, ..self.clone() };
        if let Some(note) = links.images.get(&view).cloned() {
            links.images.insert(as_view, note);
        }
        for catalogue in links.catalogues.values_mut().filter(|c| c.view == Some(view)) {
            catalogue.view = Some(as_view);
        }
        links
    }

    /// The chosen rows of the table in an HDU of a file.
    #[must_use]
    pub fn rows(&self, path: &std::path::Path, hdu: usize) -> Option<&RowSelection> {
        self.rows.get(&(path.to_owned(), hdu))
    }

    /// Chooses rows of a table.
    pub fn choose_rows(&mut self, path: &std::path::Path, hdu: usize, rows: BTreeSet<usize>) {
        let known = self.rows.entry((path.to_owned(), hdu)).or_default();
        if known.rows != rows {
            known.rows = rows;
            known.revision += 1;
        }
    }

    /// Says how a view is linked, and where its pixels lie once that is known.
    pub(super) fn join(&mut self, view: u64, link: Link, world: Option<Arc<World>>) {
        let before = self.members.insert(view, Member { link, world }).map(|m| m.link);
        if before != Some(link) {
            self.drop_empty_groups();
        }
    }

    fn drop_empty_groups(&mut self) {
        let links: BTreeSet<Link> = self.members.values().map(|m| m.link).collect();
        self.groups.retain(|link, _| links.contains(link));
    }

    /// What a group shares.
    pub(super) fn group(&mut self, link: Link) -> &mut Group {
        self.groups.entry(link).or_default()
    }

    /// Asks two views to link to each other, by sky where theirs meet, else by pixel, in a group of their own. Views that
    /// are linked already stay as they are.
    pub fn link_pair(&mut self, a: u64, b: u64) {
        let (Some(first), Some(second)) = (self.members.get(&a), self.members.get(&b)) else { return };
        if first.link.kind != LinkKind::Off && first.link == second.link {
            return;
        }
        let sky = |m: &Member| m.world.as_ref().and_then(|w| w.wcs.clone());
        let kind = match (sky(first), sky(second)) {
            (Some(x), Some(y)) if x.meets(&y) => LinkKind::Sky,
            _ => LinkKind::Pixel,
        };
        let taken = |group: u8| self.members.values().any(|m| m.link == Link { kind, group });
        let group = (1..=9).find(|g| !taken(*g)).unwrap_or(9);
        for view in [a, b] {
            self.wanted_links.insert(view, Link { kind, group });
        }
    }

    /// From the pixels of one view to those of another that is linked to it; `None` when they are not linked, or by WCS
    /// and their skies do not meet.
    #[must_use]
    pub fn pixel_map(&self, from: u64, to: u64) -> Option<PixelMap> {
        let (a, b) = (self.members.get(&from)?, self.members.get(&to)?);
        match a.link.kind {
            _ if a.link != b.link => None,
            LinkKind::Off => None,
            LinkKind::Pixel => Some(PixelMap::Identity),
            LinkKind::Sky => {
                let (from, to) = (a.world.as_ref()?.wcs.clone()?, b.world.as_ref()?.wcs.clone()?);
                from.meets(&to).then_some(PixelMap::Sky { from, to })
            }
        }
    }

    /// Where the pointer of another view that is linked to this one points in this one, as a pixel `[x, y]`.
    #[must_use]
    pub fn matching_cursor(&self, view: u64) -> Option<[f64; 2]> {
        let cursor = self.cursor.filter(|c| c.view != view && c.inside)?;
        self.pixel_map(cursor.view, view)?.apply(cursor.pixel)
    }

    /// The view that takes regions from a file: the focused one if it is an image, else the one under the pointer, else the
    /// first.
    #[must_use]
    pub fn region_target(&self, focused: Option<u64>) -> Option<u64> {
        let is_image = |view: &u64| self.images.contains_key(view);
        let pointed = self.cursor.map(|c| c.view);
        focused.filter(is_image).or_else(|| pointed.filter(is_image)).or_else(|| self.images.keys().copied().next())
    }

    /// The view whose planes a key moves: the focused one if it is a cube, else the cube under the pointer, else the
    /// first cube.
    #[must_use]
    pub fn slice_target(&self, focused: Option<u64>) -> Option<u64> {
        let is_cube = |view: &u64| self.images.get(view).is_some_and(|n| n.planes > 1);
        let pointed = self.cursor.map(|c| c.view);
        focused
            .filter(is_cube)
            .or_else(|| pointed.filter(is_cube))
            .or_else(|| self.images.keys().copied().find(is_cube))
    }
}
