//! What a region of a plane holds, with the errors of the file, found in a query.

use std::sync::Arc;

use ndarray::Array2;

use super::super::super::PanelContext;
use super::super::super::world::{Place, World};
use super::super::load::Shown;
use super::{RegionSettings, Regions};
use crate::data::regions::{Footprint, PixelRule, Shape};
use crate::data::{ErrorKind, ImageTile, Store};
use crate::numerics::aperture::{ApertureStatistics, Weighted};
use crate::tasks::TaskError;
use crate::workers::{Answer, Weigh};

/// The question of a view for the statistics of its selected region.
pub(in super::super) const SLOT: &str = "region statistics";

/// The numbers of a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Numbers {
    /// Of the pixels that have a value; `None` where none has.
    pub statistics: Option<ApertureStatistics>,
    /// Pixels of the image that lie in it, wholly or in part.
    pub pixels: usize,
    /// Their area in pixels.
    pub area: f64,
}

impl Weigh for Numbers {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

impl Regions {
    /// Asks for the numbers of the selected region.
    pub(super) fn ask_numbers(
        &self,
        cx: &PanelContext<'_>,
        of: &Place,
        world: Option<&Arc<World>>,
        shown: &Shown,
        plane: usize,
        settings: &RegionSettings,
        selected: Option<usize>,
    ) -> Option<Answer<Numbers>> {
        let placed = self.placed.get(selected?)?;
        let shape = placed.shape.clone().ok()?;
        // What is taken out of the others is measured by itself.
        let without = if placed.region.include { self.excluded() } else { Vec::new() };
        let (rule, pixels, size) = (settings.rule, shown.source.pixels.clone(), shown.source.size());
        let error = world.and_then(|w| w.error);
        // Every digit of the shapes stands in their debug form.
        let key = shown.key.and(&format!("{shape:?} {without:?} {rule:?}")).and(&error.map(|e| e.0));
        let (store, of) = (cx.services.store.clone(), of.clone());
        Some(cx.services.queries.ask(cx.slot(SLOT), key, &cx.services.wake, move |_| {
            measure(&store, &of, plane, error, &pixels, &shape, &without, size, rule)
        }))
    }
}

fn measure(
    store: &Store,
    of: &Place,
    plane: usize,
    error: Option<(usize, ErrorKind)>,
    pixels: &Array2<f32>,
    shape: &Shape,
    without: &[Shape],
    size: [usize; 2],
    rule: PixelRule,
) -> Result<Numbers, TaskError> {
    let footprint = Footprint::of(shape, without, size, rule);
    // Of the error, only the box around the region is read.
    let sigma = match (error, footprint.bounds()) {
        (Some((hdu, kind)), Some([columns, rows])) => {
            let tile = ImageTile { plane, rows: [rows.start, rows.end], columns: [columns.start, columns.end] };
            let origin = [columns.start, rows.start];
            store.tile(of.open(store)?, hdu, tile).ok().map(|tile| (tile, kind, origin))
        }
        _ => None,
    };
    let error_at = |[x, y]: [usize; 2]| match &sigma {
        Some((tile, kind, [x0, y0])) => tile.get([y - y0, x - x0]).map_or(f64::NAN, |e| kind.sigma(f64::from(*e))),
        None => f64::NAN,
    };
    let mut values: Vec<Weighted> = footprint
        .pixels()
        .map(|([x, y], weight)| Weighted {
            value: pixels.get([y, x]).map_or(f64::NAN, |v| f64::from(*v)),
            weight: f64::from(weight),
            sigma: error_at([x, y]),
        })
        .collect();
    let (pixels, area) = (values.len(), footprint.area());
    Ok(Numbers { statistics: ApertureStatistics::of(&mut values), pixels, area })
}
