//! The way from a pixel value to a colour, baked into one table: limits, stretch, contrast and bias, colour map.

use egui::Color32;
use serde::{Deserialize, Serialize};

use super::color_map::ColorMap;
use super::limits::{Limits, LimitsMode};
use super::stretch::Stretch;

/// Entries of the table, as in DS9.
const ENTRIES: usize = 16384;

/// How an image is coloured: everything that is saved with a view and undone with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Display {
    /// Name of the colour map (matplotlib's, `_r` behind it reverses).
    pub color_map: String,
    /// Turns the colour map around.
    pub invert: bool,
    /// The curve between the limits.
    pub stretch: Stretch,
    /// How the limits are found.
    pub limits: LimitsMode,
    /// The limits of [`LimitsMode::Typed`], in the unit of the image.
    pub typed_limits: [f64; 2],
    /// Steepness of the colour map around the bias; 1 leaves it as it is.
    pub contrast: f64,
    /// The place in `[0, 1]` after the stretch that gets the middle of the colour map; 0.5 leaves it as it is.
    pub bias: f64,
    /// Draws the scale at the left and below.
    pub axes: bool,
}

impl Default for Display {
    fn default() -> Self {
        Self {
            color_map: "viridis".to_owned(),
            invert: false,
            stretch: Stretch::Linear,
            limits: LimitsMode::Zscale,
            typed_limits: [0.0, 1.0],
            contrast: 1.0,
            bias: 0.5,
            axes: true,
        }
    }
}

impl Display {
    /// For images of the sky: `inferno`, asinh, 99.5 %.
    #[must_use]
    pub fn sky() -> Self {
        Self {
            color_map: "inferno".to_owned(),
            stretch: Stretch::Asinh,
            limits: LimitsMode::Percentile(99.5),
            ..Self::default()
        }
    }

    /// For residuals in sigma: `RdBu_r` from -5 to 5.
    #[must_use]
    pub fn residual() -> Self {
        Self { color_map: "RdBu_r".to_owned(), limits: LimitsMode::Symmetric(5.0), ..Self::default() }
    }

    /// For other signed maps: `RdBu_r`, symmetric about zero, wide enough for 99.5 % of the pixels.
    #[must_use]
    pub fn signed() -> Self {
        Self { color_map: "RdBu_r".to_owned(), limits: LimitsMode::SymmetricPercentile(99.5), ..Self::default() }
    }

    /// Sets contrast and bias back to where they change nothing.
    pub fn reset_contrast(&mut self) {
        self.contrast = 1.0;
        self.bias = 0.5;
    }

    /// The colour map of these settings, inversion included.
    #[must_use]
    pub fn map(&self) -> ColorMap {
        let map = ColorMap::by_name_or_gray(&self.color_map);
        if self.invert { map.reversed() } else { map }
    }

    /// Where in the colour map a place after the stretch lands, through contrast and bias (DS9's colour map drag).
    #[must_use]
    pub fn place_in_map(&self, stretched: f64) -> f64 {
        ((stretched - self.bias) * self.contrast + 0.5).clamp(0.0, 1.0)
    }

    /// Takes the limits found so far as typed ones, changed by `change`.
    pub fn type_limits(&mut self, limits: Limits) {
        self.limits = LimitsMode::Typed;
        self.typed_limits = [limits.low, limits.high];
    }
}

/// The table: value to colour in one multiplication and one look-up.
#[derive(Clone, Debug)]
pub struct ColorTable {
    low: f32,
    scale: f32,
    /// `ENTRIES` colours and behind them the colour of NaN.
    colors: Vec<Color32>,
    key: u64,
}

impl ColorTable {
    /// Bakes the settings. `nan` is the colour of pixels without a value.
    #[must_use]
    pub fn new(display: &Display, limits: Limits, nan: Color32) -> Self {
        let map = display.map();
        let mut colors: Vec<Color32> = (0..ENTRIES)
            .map(|i| {
                let fraction = (i as f64 + 0.5) / ENTRIES as f64;
                map.at(display.place_in_map(display.stretch.apply(fraction)))
            })
            .collect();
        colors.push(nan);
        Self::with_colors(limits, colors)
    }

    /// A table from no colour at 0 to `tint` at 1, for masks.
    #[must_use]
    pub fn tint(tint: Color32) -> Self {
        let mut colors: Vec<Color32> =
            (0..ENTRIES).map(|i| tint.gamma_multiply(i as f32 / (ENTRIES - 1) as f32)).collect();
        colors.push(Color32::TRANSPARENT);
        Self::with_colors(Limits::default(), colors)
    }

    fn with_colors(limits: Limits, colors: Vec<Color32>) -> Self {
        let low = limits.low as f32;
        // The range in f64 first: two close limits must not cancel in f32.
        let scale = (ENTRIES as f64 / (limits.high - limits.low)) as f32;
        let mut key = Fnv::default();
        key.add(u64::from(low.to_bits()));
        key.add(u64::from(scale.to_bits()));
        // Every sixteenth colour tells two maps apart; with the ends and NaN that is all a user can change.
        for color in colors.iter().step_by(16).chain(colors.last()) {
            key.add(u64::from(u32::from_le_bytes(color.to_array())));
        }
        Self { low, scale, colors, key: key.0 }
    }

    /// Equal for tables that colour alike: the key of coloured tiles.
    #[must_use]
    pub fn key(&self) -> u64 {
        self.key
    }

    /// The colour of one value. Infinities take the ends of the map.
    #[must_use]
    pub fn color(&self, value: f32) -> Color32 {
        self.colors[self.index(value)]
    }

    #[inline]
    fn index(&self, value: f32) -> usize {
        if value.is_nan() {
            return ENTRIES;
        }
        // `as` saturates: below the low limit gives 0. Where low and scale are themselves huge the product may be NaN, 0.
        (((value - self.low) * self.scale) as usize).min(ENTRIES - 1)
    }

    /// Colours values and appends the pixels.
    pub fn fill(&self, values: impl Iterator<Item = f32>, pixels: &mut Vec<Color32>) {
        pixels.extend(values.map(|v| self.color(v)));
    }

    /// [`Self::fill`] for values side by side in memory: places first, colours then, so that the first loop vectorises.
    pub fn fill_slice(&self, values: &[f32], pixels: &mut Vec<Color32>) {
        const BLOCK: usize = 256;
        let mut places = [0u32; BLOCK];
        for block in values.chunks(BLOCK) {
            for (place, v) in places.iter_mut().zip(block) {
                let scaled = (v - self.low) * self.scale;
                let inside = scaled.max(0.0).min((ENTRIES - 1) as f32) as i32 as u32;
                *place = if v.is_nan() { ENTRIES as u32 } else { inside };
            }
            pixels.extend(places[..block.len()].iter().map(|place| self.colors[(*place as usize).min(ENTRIES)]));
        }
    }
}

/// The hash of Fowler, Noll and Vo, 64 bits, over words: the same on every platform and release.
#[derive(Clone, Copy)]
pub(super) struct Fnv(pub u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    pub(super) fn add(&mut self, word: u64) {
        for byte in word.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plots::colors;

    fn gray(stretch: Stretch) -> Display {
        Display { color_map: "gray".to_owned(), stretch, ..Display::default() }
    }

    #[test]
    fn table_follows_the_formula() {
        let limits = Limits::new(-3.0, 17.0);
        for stretch in Stretch::ALL {
            let display = gray(stretch);
            let table = ColorTable::new(&display, limits, colors::nan_neutral(egui::Theme::Dark));
            for i in 0..500 {
                let value = -5.0 + 0.05 * i as f32;
                let exact = display.stretch.apply(limits.fraction(f64::from(value))) * 255.0;
                let ours = f64::from(table.color(value).r());
                // One level of the map, and what the stretch does within one entry (steepest at 0 for sqrt and log).
                let slack = 255.0 * (stretch.apply(1.0 / ENTRIES as f64) - stretch.apply(0.0)) + 1.1;
                assert!((ours - exact).abs() <= slack, "{stretch:?} {value}: {ours} {exact}");
            }
        }
    }

    #[test]
    fn ends_and_missing_values() {
        let nan = colors::nan_neutral(egui::Theme::Light);
        let table = ColorTable::new(&gray(Stretch::Linear), Limits::new(0.0, 1.0), nan);
        assert_eq!(table.color(f32::NAN), nan);
        assert_eq!(table.color(f32::INFINITY).r(), 255);
        assert_eq!(table.color(f32::NEG_INFINITY).r(), 0);
        assert_eq!(table.color(1.0).r(), 255);
        assert_eq!(table.color(-1e30).r(), 0);
        let mut row = Vec::new();
        table.fill([0.0, f32::NAN, 2.0].into_iter(), &mut row);
        assert_eq!(row[1], nan);
        assert_eq!(row[2].r(), 255);
        // Both ways give the same colours.
        let values: Vec<f32> = (-600..1400).map(|i| i as f32 * 1e-3).collect();
        let wild = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -f32::MAX, 1e-45];
        let values = [&values[..], &wild].concat();
        let [mut one, mut other] = [Vec::new(), Vec::new()];
        table.fill(values.iter().copied(), &mut one);
        table.fill_slice(&values, &mut other);
        assert_eq!(one, other);
    }

    #[test]
    fn contrast_and_bias_move_the_middle() {
        let mut display = gray(Stretch::Linear);
        let nan = colors::nan_neutral(egui::Theme::Dark);
        let plain = ColorTable::new(&display, Limits::new(0.0, 1.0), nan);
        display.contrast = 4.0;
        display.bias = 0.25;
        let steep = ColorTable::new(&display, Limits::new(0.0, 1.0), nan);
        assert!((i32::from(steep.color(0.25).r()) - 128).abs() <= 1);
        assert_eq!(steep.color(0.1).r(), 0);
        assert_eq!(steep.color(0.4).r(), 255);
        assert_ne!(plain.key(), steep.key());
        display.reset_contrast();
        assert_eq!(ColorTable::new(&display, Limits::new(0.0, 1.0), nan).key(), plain.key());
        display.invert = true;
        let inverted = ColorTable::new(&display, Limits::new(0.0, 1.0), nan);
        assert_eq!(inverted.color(0.0).r(), 255);
    }

    #[test]
    fn settings_survive_json() {
        let display = Display::residual();
        let text = serde_json::to_string(&display).unwrap();
        assert_eq!(serde_json::from_str::<Display>(&text).unwrap(), display);
        assert!(text.contains("\"symmetric\":5.0"), "{text}");
        assert!(serde_json::from_str::<Display>("{\"colour\":1}").is_err());
    }
}
