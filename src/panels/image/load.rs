//! What an image view shows: pixels, world coordinates and limits, read and found in the background.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::Array2;

use super::Saved;
use crate::data::{DataId, HduEntry, PlaneWcs, Store, Wcs, typeset_unit};
use crate::panels::PanelContext;
use crate::panels::world::opened;
use crate::plots::image_frame::PixelAxis;
use crate::plots::image_view::ImageSource;
use crate::plots::limits::{Limits, LimitsMode};
use crate::tasks::TaskError;
use crate::workers::{Answer, Key, Weigh};

/// Questions of a view about its image.
pub(super) const SLOTS: [&str; 2] = ["plane", "limits"];

/// What is on the screen.
pub(super) struct Shown {
    /// Pixels, unit and limits for the view.
    pub(super) source: ImageSource,
    /// The HDU they come from.
    pub(super) hdu: HduEntry,
    /// World coordinates of the plane.
    pub(super) wcs: Option<PlaneWcs>,
    /// What is odd about them, or why there are none.
    pub(super) wcs_notes: Vec<String>,
    /// Names the plane: everything computed from its pixels is keyed by it.
    pub(super) key: Key,
    /// Names the coordinates.
    pub(super) sky_key: u64,
}

impl Shown {
    /// How many planes the HDU has.
    pub(super) fn planes(&self) -> usize {
        self.hdu.shape.iter().rev().skip(2).product()
    }
}

/// The image of a view on its way to the screen.
#[derive(Default)]
pub(super) struct Loader {
    /// A result in the store, when there is no path.
    pub(super) result: Option<DataId>,
    /// What is shown; the last plane while the next one is read.
    pub(super) shown: Option<Shown>,
    /// Why nothing is shown.
    pub(super) problem: Option<String>,
    /// Something is being read or found.
    pub(super) waiting: bool,
}

/// A plane as it was read.
struct Loaded {
    pixels: Arc<Array2<f32>>,
    hdu: HduEntry,
    wcs: Option<PlaneWcs>,
    wcs_notes: Vec<String>,
    axes: Option<Arc<[PixelAxis; 2]>>,
    /// Another number for every reading.
    serial: u64,
    /// The limits of the mode that was set when it was asked for, so that it can be drawn at once.
    first: (LimitsMode, Limits),
}

impl Weigh for Loaded {
    fn bytes(&self) -> usize {
        // A remembered answer keeps the plane alive, also when the store has let it go.
        self.pixels.len() * 4 + size_of::<Self>()
    }
}

/// Limits as an answer.
struct Found(Limits);

impl Weigh for Found {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Loader {
    /// Asks for the plane and its limits; takes what is there.
    pub(super) fn ask(&mut self, saved: &Saved, name: &str, cx: &PanelContext<'_>) {
        self.waiting = false;
        let result = self.result;
        if saved.path.as_os_str().is_empty() && result.is_none() {
            return;
        }
        if !opened(cx, &saved.path) {
            self.waiting = true;
            return;
        }
        let store = cx.services.store.clone();
        let (path, hdu, plane, mode) = (saved.path.clone(), saved.hdu, saved.plane, saved.display.limits);
        // A file that was read again is another file.
        let id = result.or_else(|| store.id_of(&path));
        let revision = id.and_then(|id| store.revision(id));
        let key = Key::of(&(&path, hdu, plane, id, revision));
        let answer = cx
            .services
            .queries
            .ask(cx.slot("plane"), key, &cx.services.wake, move |_| load(&store, result, &path, hdu, plane, mode));
        match &answer {
            Answer::Failed(message) => {
                self.problem = Some(message.to_string());
                self.shown = None;
            }
            Answer::Pending { .. } => self.waiting = true,
            Answer::Ready(_) => self.problem = None,
        }
        if let Some(loaded) = answer.newest() {
            self.take(loaded, answer.ready().map(|_| key), saved, name);
        }
        self.ask_limits(answer.ready().map(AsRef::as_ref), saved, cx);
    }

    /// Puts a plane on the screen, unless it is there.
    fn take(&mut self, loaded: &Arc<Loaded>, key: Option<Key>, saved: &Saved, name: &str) {
        if self.shown.as_ref().is_some_and(|s| Arc::ptr_eq(&s.source.pixels, &loaded.pixels)) {
            return;
        }
        // An answer to an older question is still on the screen; it is never put there anew.
        let Some(key) = key else { return };
        let before = self.shown.as_ref().and_then(|s| s.source.limits);
        let limits = if loaded.first.0 == saved.display.limits { Some(loaded.first.1) } else { before };
        let mut source = ImageSource::new(name, loaded.pixels.clone()).unit(loaded.hdu.unit.clone());
        source.limits = Some(limits.unwrap_or(loaded.first.1));
        // A cut through a cube has one axis on the sky, or none: its pixels have no side in arcsec.
        let on_sky = loaded.wcs.as_ref().is_none_or(|wcs| wcs.shows_sky() || wcs.wcs().celestial().is_none());
        if let Some(scale) = loaded.hdu.pixel_scale_arcsec.filter(|_| on_sky) {
            source = source.arcsec_per_pixel(scale);
        }
        source.axes.clone_from(&loaded.axes);
        self.shown = Some(Shown {
            source,
            hdu: loaded.hdu.clone(),
            wcs: loaded.wcs.clone(),
            wcs_notes: loaded.wcs_notes.clone(),
            key,
            sky_key: loaded.serial,
        });
    }

    /// The limits of the mode that is set now; the last ones stay until they are found.
    fn ask_limits(&mut self, loaded: Option<&Loaded>, saved: &Saved, cx: &PanelContext<'_>) {
        let (Some(loaded), Some(shown)) = (loaded, &mut self.shown) else { return };
        let mode = saved.display.limits;
        if mode.without_pixels(saved.display.typed_limits).is_some() {
            return;
        }
        if mode == loaded.first.0 {
            shown.source.limits = Some(loaded.first.1);
            return;
        }
        let pixels = shown.source.pixels.clone();
        let key = shown.key.and(&mode.name());
        let answer = cx.services.queries.ask(cx.slot("limits"), key, &cx.services.wake, move |_| {
            Ok(Found(Limits::of(pixels.view(), mode, [0.0, 1.0])))
        });
        match answer.ready() {
            Some(found) => shown.source.limits = Some(found.0),
            None => self.waiting = true,
        }
    }
}

/// Counts what was read.
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// Reads a plane with its coordinates and limits.
fn load(
    store: &Store,
    result: Option<DataId>,
    path: &Path,
    hdu: usize,
    plane: usize,
    mode: LimitsMode,
) -> Result<Loaded, TaskError> {
    let id = result.map_or_else(|| store.open(path), Ok)?;
    let pixels = store.plane(id, hdu, plane)?;
    let entry = store.entry(id).and_then(|e| e.hdus.iter().find(|h| h.index == hdu).cloned());
    let entry = entry.ok_or_else(|| TaskError::file(path, "closed while it was being read; open it again"))?;
    let (wcs, wcs_notes) = world(store, id, hdu);
    let wcs = wcs.map(|wcs| PlaneWcs::new(wcs, &entry.shape, plane));
    let axes = wcs.as_ref().and_then(|wcs| axes_of_cut(wcs, pixels.dim())).map(Arc::new);
    let first = (mode, Limits::of(pixels.view(), mode, [0.0, 1.0]));
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    Ok(Loaded { pixels, hdu: entry, wcs, wcs_notes, axes, serial, first })
}

/// Of a position-velocity cut, which has an OFFSET along x (as CASA and pvextractor write it too), what its axes count;
/// `None` for other images and where values do not go evenly from pixel to pixel.
fn axes_of_cut(wcs: &PlaneWcs, (height, width): (usize, usize)) -> Option<[PixelAxis; 2]> {
    let world = wcs.wcs().axes();
    let offset = world.len() == 2 && world[0].name.eq_ignore_ascii_case("OFFSET") && width > 1 && height > 1;
    let last = [width as f64 - 1.0, height as f64 - 1.0];
    let (start, middle, end) = (wcs.world([0.0, 0.0])?, wcs.world(last.map(|v| 0.5 * v))?, wcs.world(last)?);
    let axis = |k: usize| {
        let step = (end[k] - start[k]) / last[k];
        let even = (0.5 * (start[k] + end[k]) - middle[k]).abs() <= 1e-3 * step.abs();
        let label = if k == 0 { "offset".to_owned() } else { world[k].describe() };
        (even && step != 0.0 && step.is_finite()).then(|| PixelAxis {
            label,
            unit: typeset_unit(&world[k].unit),
            first: start[k],
            step,
        })
    };
    offset.then(|| Some([axis(0)?, axis(1)?])).flatten()
}

/// The world coordinates of an HDU, and what is to be said about them.
fn world(store: &Store, id: DataId, hdu: usize) -> (Option<Arc<Wcs>>, Vec<String>) {
    match store.with_header(id, hdu, Wcs::from_header) {
        Ok(Ok(Some(wcs))) => {
            let notes = wcs.warnings().to_vec();
            (Some(Arc::new(wcs)), notes)
        }
        Ok(Err(problem)) => (None, vec![problem.to_string()]),
        Ok(Ok(None)) | Err(_) => (None, Vec::new()),
    }
}
