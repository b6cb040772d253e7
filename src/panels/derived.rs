//! Recipes of images that are made from a cube: a session keeps them, and the image is made anew from them.

use serde::{Deserialize, Serialize};

use super::world::Place;
use crate::data::spectral_units::SpectralUnit;
use crate::numerics::moments::{Bands, Collapse};

/// Channels to either side of a line; a side that would lie beyond the cube is none.
pub type Sides = [Option<[usize; 2]>; 2];

/// How an image is made from a cube.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Derived {
    /// A range of channels becomes one number a pixel.
    Collapse(CollapseRecipe),
    /// Position along a line against the spectral axis.
    Cut(CutRecipe),
}

/// A range of channels in one number a pixel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CollapseRecipe {
    /// The cube.
    pub of: Place,
    /// A plane of it that gives the place on its other axes (Stokes).
    pub plane: usize,
    /// First and last channel of the line, 0-based.
    pub line: [usize; 2],
    /// Continuum to either side; none leaves the values as they are.
    pub sides: Option<Sides>,
    /// Unit of the axis for moments.
    pub unit: SpectralUnit,
    /// Rest wavelength in metres.
    pub rest_m: Option<f64>,
    /// What the range becomes.
    pub what: Collapse,
    /// Moments 1 and 2 are given where the integral is at least so many times its error.
    pub cut: f64,
    /// Follows the range that is marked in the spectrum.
    pub follow: bool,
}

/// A cut along a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CutRecipe {
    /// The cube.
    pub of: Place,
    /// A plane of it that gives the place on its other axes (Stokes).
    pub plane: usize,
    /// Both ends, 0-based pixels `[x, y]`.
    pub ends: [[f64; 2]; 2],
    /// Pixels across the line that are averaged.
    pub width: f64,
    /// Follows the line that is drawn on the cube.
    pub follow: bool,
}

impl Derived {
    /// The cube.
    #[must_use]
    pub fn of(&self) -> &Place {
        match self {
            Self::Collapse(recipe) => &recipe.of,
            Self::Cut(recipe) => &recipe.of,
        }
    }

    /// For titles: "moment 1 of cube.fits".
    #[must_use]
    pub fn title(&self) -> String {
        let what = match self {
            Self::Collapse(recipe) => recipe.what.name(),
            Self::Cut(_) => "cut",
        };
        format!("{what} of {}", self.of().name())
    }

    /// `None` for what a file must not bring in.
    #[must_use]
    pub fn sane(mut self) -> Option<Self> {
        let good = match &mut self {
            Self::Collapse(recipe) => {
                recipe.cut = if recipe.cut.is_finite() { recipe.cut.clamp(0.0, 1e6) } else { 3.0 };
                recipe.rest_m = recipe.rest_m.filter(|r| r.is_finite() && *r > 0.0);
                recipe.line[0] <= recipe.line[1]
            }
            Self::Cut(recipe) => {
                recipe.width = if recipe.width.is_finite() { recipe.width.clamp(1.0, 1000.0) } else { 1.0 };
                recipe.ends.iter().flatten().all(|v| v.is_finite() && v.abs() < 1e6)
            }
        };
        good.then_some(self)
    }
}

impl CollapseRecipe {
    /// The channels, within a cube that has so many.
    #[must_use]
    pub fn bands(&self, channels: usize) -> Bands {
        let range = |[first, last]: [usize; 2]| first.min(channels)..(last + 1).min(channels);
        let side = |side: &Option<[usize; 2]>| side.map_or(0..0, range);
        Bands { line: range(self.line), sides: self.sides.as_ref().map(|[a, b]| [side(a), side(b)]) }
    }
}

/// Sides of half the width of a line (at least three channels), a quarter of it away.
#[must_use]
pub fn sides_of([first, last]: [usize; 2], channels: usize) -> Sides {
    let width = last + 1 - first;
    let (wide, gap) = ((width / 2).max(3), width / 4 + 1);
    let left = first.checked_sub(gap + 1).map(|end| [(end + 1).saturating_sub(wide), end]);
    let start = last + gap + 1;
    let right = (start < channels).then(|| [start, (start + wide - 1).min(channels - 1)]);
    [left, right]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_stay_within_the_cube_and_off_the_line() {
        assert_eq!(sides_of([40, 59], 100), [Some([24, 33]), Some([66, 75])]);
        assert_eq!(sides_of([2, 5], 10), [None, Some([8, 9])]);
        assert_eq!(sides_of([0, 9], 10), [None, None]);
        let recipe = CollapseRecipe { line: [4, 40], sides: Some([Some([1, 2]), None]), ..CollapseRecipe::default() };
        let bands = recipe.bands(30);
        assert_eq!((bands.line, bands.sides), (4..30, Some([1..3, 0..0])));
    }

    #[test]
    fn nonsense_from_a_file_is_left_out() {
        let bad = Derived::Cut(CutRecipe { ends: [[0.0, f64::NAN], [1.0, 1.0]], ..CutRecipe::default() });
        assert_eq!(bad.sane(), None);
        let cut = Derived::Collapse(CollapseRecipe { cut: f64::NAN, ..CollapseRecipe::default() }).sane();
        assert!(matches!(cut, Some(Derived::Collapse(r)) if r.cut == 3.0));
    }
}
