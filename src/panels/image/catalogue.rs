//! Catalogues over an image: rows of open tables at their pixels, chosen by a click.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::data::sheet::{PositionKind, galactic_from_equatorial};
use crate::data::{DataId, Store, Wcs};
use crate::panels::{Catalogue, PanelContext};
use crate::plots::colors::Role;
use crate::plots::image_overlay::{MarkerShape, Markers};
use crate::tasks::TaskError;
use crate::workers::{Answer, Weigh};

/// Markers that one catalogue draws at most; beyond that every n-th row is drawn and the legend says so.
const MOST: usize = 20_000;

/// Rows of a catalogue that lie in an image.
struct Placed {
    /// Pixels `[x, y]`, 0-based.
    pixels: Vec<[f64; 2]>,
    /// Their rows, ascending.
    rows: Vec<u32>,
    /// How many lie in the image, drawn or not.
    inside: usize,
}

impl Weigh for Placed {
    fn bytes(&self) -> usize {
        16 * self.pixels.capacity() + 4 * self.rows.capacity()
    }
}

/// A catalogue as it is drawn.
struct Layer {
    catalogue: Catalogue,
    placed: Arc<Placed>,
    label: String,
    /// Pixels of the chosen rows, with the revision of the choice that they belong to.
    chosen: Vec<[f64; 2]>,
    chosen_of: Option<u64>,
}

/// The catalogues over one image view.
#[derive(Default)]
pub(super) struct CatalogueLayers {
    layers: BTreeMap<u64, Layer>,
    waiting: bool,
}

impl CatalogueLayers {
    /// Asks where the rows of every catalogue lie in the image of `data` with `size` `[width, height]` pixels.
    pub fn ask(&mut self, cx: &mut PanelContext<'_>, data: Option<DataId>, hdu: usize, size: [usize; 2]) {
        self.waiting = false;
        let wanted: Vec<u64> = cx
            .links
            .catalogues
            .iter()
            .filter(|(_, c)| c.view.is_none_or(|view| view == cx.view))
            .map(|(table, _)| *table)
            .collect();
        self.layers.retain(|table, _| wanted.contains(table));
        let Some(data) = data.filter(|_| size[0] > 0) else { return };
        for table in wanted {
            let Some(catalogue) = cx.links.catalogues.get(&table).cloned() else { continue };
            let store = cx.services.store.clone();
            let key = catalogue.key.and(&("placed", data, store.revision(data), hdu, size));
            let work = catalogue.clone();
            let answer = cx.services.queries.ask(cx.slot(&format!("catalogue {table}")), key, &cx.services.wake, move |p| {
                place(&work, &store, data, hdu, size, || p.check())
            });
            match &answer {
                Answer::Pending { .. } => self.waiting = true,
                Answer::Failed(_) => {
                    self.layers.remove(&table);
                }
                Answer::Ready(_) => {}
            }
            if let Some(placed) = answer.newest() {
                self.take(table, catalogue, placed, cx);
            }
        }
    }

    fn take(&mut self, table: u64, catalogue: Catalogue, placed: &Arc<Placed>, cx: &PanelContext<'_>) {
        let selection = cx.links.rows(&catalogue.path, catalogue.hdu);
        let revision = selection.map_or(0, |s| s.revision);
        let old = self.layers.remove(&table).filter(|old| Arc::ptr_eq(&old.placed, placed));
        let (chosen, label) = match old {
            Some(old) if old.chosen_of == Some(revision) && old.catalogue.title == catalogue.title => (old.chosen, old.label),
            _ => {
                let of = |row: &usize| {
                    let at = placed.rows.binary_search(&(*row as u32)).ok()?;
                    placed.pixels.get(at).copied()
                };
                let chosen = selection.iter().flat_map(|s| s.rows.iter().take(MOST)).filter_map(of).collect();
                let label = if placed.rows.len() < placed.inside {
                    format!("{}: {} of {} rows", catalogue.title, placed.rows.len(), placed.inside)
                } else {
                    format!("{}: {} rows", catalogue.title, placed.inside)
                };
                (chosen, label)
            }
        };
        let layer = Layer { catalogue, placed: placed.clone(), label, chosen, chosen_of: Some(revision) };
        self.layers.insert(table, layer);
    }

    /// What is to be drawn.
    pub fn markers(&self) -> Vec<Markers<'_>> {
        let mut markers = Vec::new();
        for layer in self.layers.values() {
            let radius = layer.catalogue.radius;
            let circle = |positions, radius, color, label| Markers {
                positions,
                shape: MarkerShape::Circle,
                radius,
                color,
                label,
            };
            markers.push(circle(layer.placed.pixels.as_slice(), radius, layer.catalogue.color, layer.label.as_str()));
            if !layer.chosen.is_empty() {
                markers.push(circle(layer.chosen.as_slice(), radius + 3.0, Role::Reference.on_image(), "chosen rows"));
            }
        }
        markers
    }

    /// Chooses the row whose marker is under a click at `pixel`; with `add` besides those that are chosen.
    pub fn click(&self, pixel: [f64; 2], points_per_pixel: f64, add: bool, cx: &mut PanelContext<'_>) {
        let mut nearest: Option<(f64, &Layer, u32)> = None;
        for layer in self.layers.values() {
            let reach = f64::from(layer.catalogue.radius) + 3.0;
            for (place, row) in layer.placed.pixels.iter().zip(&layer.placed.rows) {
                let away = (place[0] - pixel[0]).hypot(place[1] - pixel[1]) * points_per_pixel;
                if away <= reach && nearest.as_ref().is_none_or(|(best, ..)| away < *best) {
                    nearest = Some((away, layer, *row));
                }
            }
        }
        let Some((_, layer, row)) = nearest else { return };
        let Catalogue { path, hdu, .. } = &layer.catalogue;
        let mut rows =
            if add { cx.links.rows(path, *hdu).map(|s| s.rows.clone()).unwrap_or_default() } else { BTreeSet::new() };
        rows.insert(row as usize);
        cx.links.choose_rows(path, *hdu, rows);
    }

    /// True while positions are being computed.
    pub fn waiting(&self) -> bool {
        self.waiting
    }

    /// Forgets what was asked.
    pub fn close(&self, cx: &PanelContext<'_>) {
        for table in self.layers.keys() {
            cx.services.queries.forget(cx.slot(&format!("catalogue {table}")));
        }
    }
}

/// Positions to pixels; rows outside of the image are left out.
fn place(
    catalogue: &Catalogue,
    store: &Store,
    data: DataId,
    hdu: usize,
    size: [usize; 2],
    mut check: impl FnMut() -> Result<(), TaskError>,
) -> Result<Placed, TaskError> {
    let sky = matches!(catalogue.positions.kind, PositionKind::Equatorial | PositionKind::Galactic);
    let to_pixel = if sky { Some(SkyToPixel::of(store, data, hdu)?) } else { None };
    let [width, height] = size.map(|n| n as f64);
    let count = catalogue.rows.as_ref().map_or(catalogue.positions.points.len(), |rows| rows.len());
    let (mut pixels, mut rows) = (Vec::new(), Vec::new());
    for n in 0..count {
        if n % 1024 == 0 {
            check()?;
        }
        let row = catalogue.rows.as_ref().map_or(n as u32, |rows| rows[n]);
        let place = match &to_pixel {
            Some(to_pixel) => catalogue.positions.equatorial(row as usize).and_then(|p| to_pixel.pixel(p)),
            None => catalogue.positions.points.get(row as usize).copied(),
        };
        if let Some([x, y]) = place
            && x >= -0.5
            && y >= -0.5
            && x < width - 0.5
            && y < height - 0.5
        {
            pixels.push([x, y]);
            rows.push(row);
        }
    }
    let inside = rows.len();
    let every = inside.div_ceil(MOST).max(1);
    if every > 1 {
        pixels = pixels.into_iter().step_by(every).collect();
        rows = rows.into_iter().step_by(every).collect();
    }
    Ok(Placed { pixels, rows, inside })
}

/// From right ascension and declination to the pixels of an image, whatever the axes of the image.
struct SkyToPixel {
    wcs: Wcs,
    galactic: bool,
    celestial: (usize, usize),
    /// World coordinates of the first pixel, for the axes beside the sky.
    rest: Vec<f64>,
}

impl SkyToPixel {
    fn of(store: &Store, data: DataId, hdu: usize) -> Result<Self, TaskError> {
        let file = store.file(data)?;
        let no_sky = || TaskError::file(file.path(), format!("HDU {hdu} has no world coordinates on the sky"));
        let wcs = Wcs::from_header(&file.hdu(hdu)?.header).map_err(|p| TaskError::file(file.path(), p.to_string()))?;
        let wcs = wcs.ok_or_else(no_sky)?;
        let celestial = wcs.celestial().ok_or_else(no_sky)?;
        let galactic = match wcs.axes()[celestial.0].name.as_str() {
            "RA" => false,
            "GLON" => true,
            other => {
                let text = format!("HDU {hdu} has {other} axes; catalogues are drawn over equatorial and galactic images");
                return Err(TaskError::file(file.path(), text));
            }
        };
        let rest = wcs.axes().iter().map(|_| 0.0).collect();
        let mut found = Self { rest, galactic, celestial, wcs };
        // The sky coordinates of a cube do not depend on the plane; any plane serves.
        if let Some(world) = found.wcs.world_from_pixel(&[]) {
            found.rest = world;
        }
        Ok(found)
    }

    fn pixel(&self, equatorial: [f64; 2]) -> Option<[f64; 2]> {
        let [longitude, latitude] = if self.galactic { galactic_from_equatorial(equatorial) } else { equatorial };
        let mut world = self.rest.clone();
        (world[self.celestial.0], world[self.celestial.1]) = (longitude, latitude);
        let pixel = self.wcs.pixel_from_world(&world)?;
        Some([*pixel.first()?, *pixel.get(1)?])
    }
}
