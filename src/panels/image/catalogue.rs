//! Catalogues over an image: rows of open tables at their pixels, chosen by a click.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::data::sheet::PositionKind;
use crate::data::{DataId, Store, Wcs};
use crate::panels::{Catalogue, PanelContext};
use crate::plots::colors::Role;
use crate::plots::image_overlay::{MarkerShape, Markers};
use crate::tasks::TaskError;
use crate::workers::{Answer, Key, Weigh};

/// Markers that one catalogue draws at most: some 20 ms of a frame. Of more that are seen, every n-th is drawn and the
/// legend says so.
const MOST: usize = 8000;

/// Rows of a catalogue that lie in an image.
struct Placed {
    /// Pixels `[x, y]`, 0-based.
    pixels: Vec<[f64; 2]>,
    /// Their rows, ascending.
    rows: Vec<u32>,
    /// Of how many these are a selection.
    of: usize,
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
    /// Those that are drawn: all, or some of those that are seen.
    drawn: Arc<Placed>,
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
    /// Asks where the rows of every catalogue lie in the image of `data` with `size` `[width, height]` pixels, of which
    /// `seen` (`[x low, y low, x high, y high]`) is on the screen.
    pub fn ask(
        &mut self,
        cx: &mut PanelContext<'_>,
        data: Option<DataId>,
        hdu: usize,
        size: [usize; 2],
        seen: Option<[f64; 4]>,
    ) {
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
            let answer =
                cx.services.queries.ask(cx.slot(&format!("catalogue {table}")), key, &cx.services.wake, move |p| {
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
                let drawn = self.ask_seen(cx, table, placed, key, seen.map(around));
                self.take(table, catalogue, placed, drawn, cx);
            }
        }
    }

    /// Of very many rows those that are seen, every n-th of them if there are still too many.
    fn ask_seen(
        &mut self,
        cx: &PanelContext<'_>,
        table: u64,
        placed: &Arc<Placed>,
        key: Key,
        seen: Option<[f64; 4]>,
    ) -> Arc<Placed> {
        if placed.rows.len() <= MOST {
            return placed.clone();
        }
        let key = seen.iter().flatten().fold(key.and(&"seen"), |key, bound| key.and_f64(*bound));
        let all = placed.clone();
        let slot = cx.slot(&format!("catalogue {table} seen"));
        let answer = cx.services.queries.ask(slot, key, &cx.services.wake, move |_| Ok(thinned(&all, seen)));
        self.waiting |= matches!(answer, Answer::Pending { .. });
        let none = || Arc::new(Placed { pixels: Vec::new(), rows: Vec::new(), of: placed.of });
        answer.newest().cloned().unwrap_or_else(none)
    }

    fn take(
        &mut self,
        table: u64,
        catalogue: Catalogue,
        placed: &Arc<Placed>,
        drawn: Arc<Placed>,
        cx: &PanelContext<'_>,
    ) {
        let selection = cx.links.rows(&catalogue.path, catalogue.hdu);
        let revision = selection.map_or(0, |s| s.revision);
        let old = self.layers.remove(&table);
        let old = old.filter(|old| Arc::ptr_eq(&old.placed, placed) && Arc::ptr_eq(&old.drawn, &drawn));
        let (chosen, label) = match old {
            Some(old) if old.chosen_of == Some(revision) && old.catalogue.title == catalogue.title => {
                (old.chosen, old.label)
            }
            _ => {
                let of = |row: &usize| {
                    let at = placed.rows.binary_search(&(*row as u32)).ok()?;
                    placed.pixels.get(at).copied()
                };
                let chosen = selection.iter().flat_map(|s| s.rows.iter().take(MOST)).filter_map(of).collect();
                let label = if drawn.rows.len() < drawn.of {
                    format!("{}: {} of {} rows", catalogue.title, drawn.rows.len(), drawn.of)
                } else {
                    format!("{}: {} rows", catalogue.title, drawn.of)
                };
                (chosen, label)
            }
        };
        let layer = Layer { catalogue, placed: placed.clone(), drawn, label, chosen, chosen_of: Some(revision) };
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
            markers.push(circle(layer.drawn.pixels.as_slice(), radius, layer.catalogue.color, layer.label.as_str()));
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
            for (place, row) in layer.drawn.pixels.iter().zip(&layer.drawn.rows) {
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
            cx.services.queries.forget(cx.slot(&format!("catalogue {table} seen")));
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
    let wcs = if sky { Some(sky_of(store, data, hdu)?) } else { None };
    let [width, height] = size.map(|n| n as f64);
    let count = catalogue.rows.as_ref().map_or(catalogue.positions.points.len(), |rows| rows.len());
    let (mut pixels, mut rows) = (Vec::new(), Vec::new());
    for n in 0..count {
        if n % 1024 == 0 {
            check()?;
        }
        let row = catalogue.rows.as_ref().map_or(n as u32, |rows| rows[n]);
        let place = match &wcs {
            Some(wcs) => catalogue.positions.equatorial(row as usize).and_then(|p| wcs.pixel_from_meeting(p)),
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
    let of = rows.len();
    Ok(Placed { pixels, rows, of })
}

/// A rectangle a little larger than what is seen, on a grid, so that a small pan does not ask anew.
fn around([x0, y0, x1, y1]: [f64; 4]) -> [f64; 4] {
    let step = |low: f64, high: f64| (0.25 * (high - low)).max(1.0).log2().ceil().exp2();
    let (across, up) = (step(x0, x1), step(y0, y1));
    [(x0 / across).floor() * across, (y0 / up).floor() * up, (x1 / across).ceil() * across, (y1 / up).ceil() * up]
}

fn thinned(all: &Placed, seen: Option<[f64; 4]>) -> Placed {
    let inside = |[x, y]: &[f64; 2]| seen.is_none_or(|[x0, y0, x1, y1]| (x0..=x1).contains(x) && (y0..=y1).contains(y));
    let within: Vec<usize> = (0..all.rows.len()).filter(|n| inside(&all.pixels[*n])).collect();
    let every = within.len().div_ceil(MOST).max(1);
    let kept = || within.iter().step_by(every);
    Placed {
        pixels: kept().map(|n| all.pixels[*n]).collect(),
        rows: kept().map(|n| all.rows[*n]).collect(),
        of: within.len(),
    }
}

/// World coordinates of an image over which ICRS positions can be drawn.
fn sky_of(store: &Store, data: DataId, hdu: usize) -> Result<Wcs, TaskError> {
    let file = store.file(data)?;
    let refused = |text: String| TaskError::file(file.path(), text);
    let wcs = Wcs::from_header(&file.hdu(hdu)?.header).map_err(|p| refused(p.to_string()))?;
    let wcs = wcs.ok_or_else(|| refused(format!("HDU {hdu} has no world coordinates on the sky")))?;
    match wcs.meeting_frame() {
        Some("ICRS") => Ok(wcs),
        Some(frame) => Err(refused(format!(
            "HDU {hdu} is in {frame}; catalogues are drawn over images in ICRS, FK5 J2000 and galactic coordinates"
        ))),
        None => Err(refused(format!("HDU {hdu} has no world coordinates on the sky"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_rows_those_that_are_seen_are_drawn() {
        let count = 40_000_u32;
        let pixels: Vec<[f64; 2]> = (0..count).map(|i| [f64::from(i % 200), f64::from(i / 200)]).collect();
        let all = Placed { pixels, rows: (0..count).collect(), of: count as usize };
        let whole = thinned(&all, None);
        assert!(whole.rows.len() <= MOST && whole.rows.len() > MOST / 2 && whole.of == 40_000);
        let part = thinned(&all, Some(around([10.0, 10.0, 29.0, 29.0])));
        // Every one of them, and those around up to the next line of the grid.
        assert_eq!(part.rows.len(), part.of);
        assert!(part.of >= 400 && part.of < 1600, "{}", part.of);
        assert!(part.pixels.contains(&[10.0, 10.0]) && part.pixels.contains(&[29.0, 29.0]));
        assert_eq!(around([10.0, 10.0, 29.0, 29.0]), around([10.1, 10.2, 29.1, 29.3]));
    }
}
