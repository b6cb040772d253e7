//! Marks: spaxels chosen by a box in the diagram, a box on the map, or a class.

use ndarray::Array2;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::diagram::Places;
use crate::studies::line_ratios::excitation::Class;
use crate::workers::Weigh;

/// What is marked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Brush {
    /// A box `[x low, y low, x high, y high]` of the diagram, in `log10` of the ratios.
    Diagram([f64; 4]),
    /// A box of the map, in pixels.
    Map([f64; 4]),
    /// All of a class.
    Class(Class),
}

impl Brush {
    /// True when only the places in a diagram tell what is marked.
    pub(super) fn needs_places(self) -> bool {
        !matches!(self, Self::Map(_))
    }

    /// What tells it from another.
    pub(super) fn bits(self) -> (u8, Option<Class>, [u64; 4]) {
        match self {
            Self::Diagram(place) => (0, None, place.map(f64::to_bits)),
            Self::Map(place) => (1, None, place.map(f64::to_bits)),
            Self::Class(class) => (2, Some(class), [0; 4]),
        }
    }
}

/// The marked spaxels.
pub(super) struct Marked {
    /// True where marked, `[y, x]`.
    pub mask: Arc<Array2<bool>>,
    /// How many.
    pub count: usize,
    /// Their places in the diagram.
    pub chosen: Vec<[f64; 2]>,
}

impl Weigh for Marked {
    fn bytes(&self) -> usize {
        self.mask.len() + 16 * self.chosen.len()
    }
}

fn inside([x0, y0, x1, y1]: [f64; 4], [x, y]: [f64; 2]) -> bool {
    (x0..=x1).contains(&x) && (y0..=y1).contains(&y)
}

impl Marked {
    /// The spaxels of a brush on a map of `[rows, columns]`.
    pub(super) fn of(brush: Brush, [rows, columns]: [usize; 2], places: Option<&Places>) -> Self {
        let hit = |place: &[usize; 2], ratios: [f64; 2], class: Class| match brush {
            Brush::Diagram(of) => inside(of, ratios),
            Brush::Map(of) => inside(of, [place[1] as f64, place[0] as f64]),
            Brush::Class(of) => class == of,
        };
        let all = places.map(|p| p.all.as_slice()).unwrap_or_default();
        let hits: Vec<_> = all.iter().filter(|(place, ratios, class)| hit(place, *ratios, *class)).collect();
        let mut mask = Array2::from_elem((rows, columns), false);
        if let Brush::Map(of) = brush {
            // On the map all spaxels of the box are marked, those too that have no place in the diagram.
            for ((y, x), marked) in mask.indexed_iter_mut() {
                *marked = inside(of, [x as f64, y as f64]);
            }
        } else {
            for (place, ..) in &hits {
                mask[*place] = true;
            }
        }
        Self {
            count: mask.iter().filter(|marked| **marked).count(),
            mask: Arc::new(mask),
            chosen: hits.iter().map(|(_, ratios, _)| *ratios).collect(),
        }
    }
}
