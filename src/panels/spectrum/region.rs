//! The spectrum of the region that is selected on the cube: channel by channel, as far as it has come.

use std::sync::Arc;

use ndarray::Ix3;

use super::curve::{Curve, Raw, Shown};
use super::{PanelContext, SpectrumPanel};
use crate::data::Store;
use crate::data::regions::Footprint;
use crate::numerics::aperture::{Reduction, Weighted, reduce};
use crate::panels::links::RegionNote;
use crate::panels::world::{Place, World};
use crate::tasks::{Progress, TaskError};
use crate::workers::{Answer, Weigh};

/// Values that are read at a time: what is there is shown after each.
const VALUES_AT_ONCE: usize = 1 << 19;

/// The spectrum of a region.
#[derive(Clone, Debug)]
pub(super) struct RegionCurve {
    /// The curve; channels that are not there yet have no value.
    pub curve: Curve,
    /// Pixels in the region.
    pub pixels: usize,
    /// One sigma of every channel; empty where no error was wanted.
    pub sigma: Vec<f64>,
}

impl Weigh for RegionCurve {
    fn bytes(&self) -> usize {
        self.curve.bytes() + self.sigma.len() * 8
    }
}

impl SpectrumPanel {
    /// The selected region of a view that shows the cube.
    pub(super) fn region_note(&self, cx: &PanelContext<'_>) -> Option<RegionNote> {
        let of = &self.saved.cursor.of;
        let pointed = cx.links.cursor.map(|c| c.view);
        let first = pointed.and_then(|view| cx.links.regions.get(&view)).filter(|note| note.of == *of);
        first.or_else(|| cx.links.regions.values().find(|note| note.of == *of)).cloned()
    }

    /// Asks for its spectrum.
    pub(super) fn ask_region(
        &self,
        cx: &PanelContext<'_>,
        note: &RegionNote,
        world: &Arc<World>,
        plane: usize,
    ) -> Answer<RegionCurve> {
        let (store, world, shown, how) = (cx.services.store.clone(), world.clone(), self.shown(), self.saved.reduction);
        let others = world.channel_axis().map_or(plane, |axis| world.plane_with(plane, axis, 0));
        let RegionNote { of, shape, without, rule, .. } = note.clone();
        let key = super::key(of.key(&store), shown).and(&format!("{shape:?} {without:?} {rule:?}")).and(&(
            "region",
            how,
            others,
            world.serial,
        ));
        cx.services.queries.ask(cx.slot("region"), key, &cx.services.wake, move |progress| {
            let footprint = Footprint::of(&shape, &without, world.size(), rule);
            of_region(&store, &of, &world, &footprint, how, others, shown, progress)
        })
    }
}

/// Reads the box around a region, some channels at a time, and reduces each channel to a number.
fn of_region(
    store: &Store,
    of: &Place,
    world: &World,
    footprint: &Footprint,
    how: Reduction,
    plane: usize,
    shown: Shown,
    progress: &Progress<RegionCurve>,
) -> Result<RegionCurve, TaskError> {
    let channels = world.channels();
    let slice = world.channel_axis().and_then(|axis| world.slices.get(axis));
    let mut raw = Raw {
        axis: slice.and_then(|s| s.values.clone()),
        scale: slice.and_then(|s| s.scale.clone()),
        values: vec![f64::NAN; channels],
        sigma: None,
        unit: world.unit.clone(),
        name: "Value",
        has_error: world.error.is_some(),
    };
    let error = world.error.filter(|_| shown.band);
    let mut sigma = if error.is_some() { vec![f64::NAN; channels] } else { Vec::new() };
    let made = |raw: &Raw, sigma: &[f64], pixels: usize| {
        let sigma = sigma.to_vec();
        let errors = Some(sigma.clone()).filter(|s| !s.is_empty());
        RegionCurve { curve: Raw { sigma: errors, ..raw.clone() }.curve(shown), pixels, sigma }
    };
    let Some([columns, rows]) = footprint.bounds() else { return Ok(made(&raw, &sigma, 0)) };
    let id = of.open(store)?;
    let pixels: Vec<([usize; 2], f64)> =
        footprint.pixels().map(|([x, y], w)| ([y - rows.start, x - columns.start], f64::from(w))).collect();
    let (count, area) = (pixels.len(), rows.len() * columns.len());
    let step = (VALUES_AT_ONCE / area).clamp(1, channels.max(1));
    let mut weighted = Vec::with_capacity(count);
    for first in (0..channels).step_by(step) {
        progress.check()?;
        let last = (first + step).min(channels);
        let read = |hdu: usize| -> Result<ndarray::Array3<f32>, TaskError> {
            let ranges = world.ranges(plane, first..last, rows.clone(), columns.clone());
            let part = store.read_box(id, hdu, &ranges)?;
            let part = part.into_shape_with_order((last - first, rows.len(), columns.len()));
            part.map_err(|e| TaskError::Failed(e.to_string()))?
                .into_dimensionality::<Ix3>()
                .map_err(|e| TaskError::Failed(e.to_string()))
        };
        let values = read(of.hdu)?;
        let errors = error.map(|(hdu, kind)| Ok::<_, TaskError>((read(hdu)?, kind))).transpose()?;
        for channel in 0..last - first {
            weighted.clear();
            weighted.extend(pixels.iter().map(|([y, x], weight)| Weighted {
                value: f64::from(values[[channel, *y, *x]]),
                weight: *weight,
                sigma: errors.as_ref().map_or(f64::NAN, |(e, kind)| kind.sigma(f64::from(e[[channel, *y, *x]]))),
            }));
            let [value, error] = reduce(&mut weighted, how);
            raw.values[first + channel] = value;
            if let Some(place) = sigma.get_mut(first + channel) {
                *place = error;
            }
        }
        progress.fraction(last as f64 / channels as f64);
        progress.update(|| made(&raw, &sigma, count));
    }
    Ok(made(&raw, &sigma, count))
}
